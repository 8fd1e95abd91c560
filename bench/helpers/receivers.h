/* Threads that receive values of 64 bytes, each for a buffer of its own, as fast as they can. The
 * program that includes this says how a value is received. */
#ifndef BENCH_RECEIVERS_H
#define BENCH_RECEIVERS_H

#include "turn.h"

#include <pthread.h>
#include <pyhelpers.h>
#include <stdatomic.h>

enum { LENGTH = 10, SIZE = 64, MOST = 64 };

static const char group[] = "health";
static const char nodes[][7] = {"node-0", "node-1", "node-2", "node-3"};

enum {
    THREADS = sizeof nodes / sizeof nodes[0],
    GROUP = sizeof group - 1, /* bytes of a name */
    NODE = sizeof nodes[0] - 1
};

/* Before a turn, which begins without values, and after it. */
static void open_buffers(void);
static void close_buffers(void);
/* Puts values, copied, into the buffer of a thread. */
static void receive(int thread, const ph_bytes_t *values, size_t n);
/* Copies the newest value of a thread's buffer. */
static void newest(int thread, uint8_t *value);

struct receiver {
    pthread_t thread;
    int number;
    int64_t count;
};

static size_t batch;
static atomic_int over;
static pthread_barrier_t start;

/* Each value is numbered, so that a buffer can be asked for what came last. */
static void *receive_all(void *at)
{
    struct receiver *r = at;
    uint8_t data[MOST][SIZE] = {{0}};
    ph_bytes_t values[MOST];
    int64_t count = 0;
    for (size_t i = 0; i < batch; i++)
        values[i] = (ph_bytes_t){.data = data[i], .len = SIZE};
    pthread_barrier_wait(&start);
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        for (size_t i = 0; i < batch; i++, count++)
            memcpy(data[i], &count, sizeof count);
        receive(r->number, values, batch);
    }
    r->count = count;
    return NULL;
}

/* Gives how many values all threads together received. */
static int64_t receive_for(int64_t ns)
{
    struct receiver receivers[THREADS];
    uint8_t value[SIZE];
    int64_t count = 0, last;
    atomic_store(&over, 0);
    for (int i = 0; i < THREADS; i++) {
        receivers[i].number = i;
        if (pthread_create(&receivers[i].thread, NULL, receive_all, &receivers[i]) != 0)
            fail("pthread_create");
    }
    pthread_barrier_wait(&start);
    sleep_until(now_ns() + ns);
    atomic_store(&over, 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(receivers[i].thread, NULL);
        count += receivers[i].count;
        if (receivers[i].count == 0)
            continue; /* never had its turn on a processor */
        newest(i, value);
        memcpy(&last, value, sizeof last);
        if (last != receivers[i].count - 1)
            fail("the newest value is not what came last");
    }
    return count;
}

static int run_receivers(int argc, char **argv)
{
    int64_t turn = (int64_t)(option(argc, argv, "seconds", 0.1) * SECOND);
    batch = (size_t)option(argc, argv, "batch", 1);
    if (batch < 1 || batch > MOST)
        fail("1 to 64 values a call");
    pthread_barrier_init(&start, NULL, THREADS + 1);
    while (next_turn()) {
        open_buffers();
        int64_t begin = now_ns(), count = receive_for(turn);
        tell_turn(count, now_ns() - begin);
        close_buffers();
    }
    return 0;
}

#endif
