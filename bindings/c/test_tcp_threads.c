/* One loop and many threads: who writes while another polls, what a close in the middle does. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 8, SIZE = 64 };

/* Turns the loop until it is closed. */
static void *keep_turning(void *loop)
{
    uint8_t buffer[1 << 16];
    evloop_event_t events[64];
    int64_t n;
    do n = evloop_poll(loop, events, LENGTH(events), buffer, sizeof buffer, -1);
    while (n > 0);
    CHECK(n == -ESHUTDOWN || n == -EBADF);
    return NULL;
}

/* --- many writers --- */

/* What a thread writes: messages of SIZE bytes that begin with its number and theirs. */
struct writer {
    evloop_t *loop;
    int64_t id;
    uint32_t number, count, taken;
    int64_t last;
};

static void fill(uint8_t *message, const struct writer *writer)
{
    const uint32_t head[2] = {writer->number, writer->taken};
    memset(message, (int)(writer->number + writer->taken), SIZE);
    memcpy(message, head, sizeof head);
}

/* Alone, or in front of an empty one. */
static int64_t write_one(struct writer *writer)
{
    uint8_t message[SIZE];
    fill(message, writer);
    if (writer->taken % 2) return tcp_send(writer->loop, writer->id, message, SIZE);
    tcp_message_t batch[2] = {{.id = writer->id, .data = message, .len = SIZE},
                              {.id = writer->id}};
    int64_t taken = tcp_write(writer->loop, batch, 2);
    CHECK(taken >= 0 || taken == -EBADF);
    return taken < 0 ? taken : batch[0].result;
}

/* Writes until it has written all, or is refused for good. */
static void *write_all(void *argument)
{
    struct writer *writer = argument;
    while (writer->taken < writer->count) {
        writer->last = write_one(writer);
        if (writer->last == -EAGAIN) sched_yield();
        else if (writer->last < 0) break;
        else writer->taken++;
    }
    return NULL;
}

static void start_writers(struct writer *writers, pthread_t *threads, const struct end *end,
                          uint32_t count)
{
    for (uint32_t i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.loop = end->loop, .id = end->id, .number = i,
                                     .count = count};
        threads[i] = start(write_all, &writers[i]);
    }
}

/* Receives messages until there are `count`, or the other side has ended: each is whole, and those
 * of one thread are in order. Gives how many came of each. */
static uint32_t receive_messages(int fd, uint32_t count, uint32_t *next)
{
    uint32_t received = 0;
    for (uint8_t message[SIZE]; received < count; received++) {
        uint32_t head[2];
        ssize_t n = recv(fd, message, SIZE, MSG_WAITALL);
        if (n <= 0) break;
        CHECK_IS(n, SIZE);
        memcpy(head, message, sizeof head);
        CHECK(head[0] < THREADS);
        CHECK_IS(head[1], next[head[0]]++);
        for (size_t i = sizeof head; i < SIZE; i++)
            CHECK_IS(message[i], (uint8_t)(head[0] + head[1]));
    }
    return received;
}

static void is_written_to_by_many(evloop_t *loop)
{
    enum { EACH = 4000 };
    struct end end;
    struct writer writers[THREADS];
    pthread_t threads[THREADS];
    uint32_t next[THREADS] = {0};
    int fd = adopt_one_end(&end, loop, TCP(.low = 1000, .high = 5000, .limit = 20000));
    pthread_t poller = start(keep_turning, loop);
    start_writers(writers, threads, &end, EACH);
    CHECK_IS(receive_messages(fd, THREADS * EACH, next), THREADS * EACH);
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
        CHECK_IS(writers[i].taken, EACH);
        CHECK_IS(next[i], EACH);
    }
    CHECK_IS(connection_counts_of(&end).sent_bytes, THREADS * EACH * SIZE);
    CHECK_IS(evloop_shutdown(loop, LOOP_PATIENCE_MS), 0);
    join(poller);
    close(fd);
}

static void many_threads_write_to_one_connection(void)
{
    on_each_backend(is_written_to_by_many);
}

/* What was taken before the close goes out, and nothing else does. */
static void a_close_in_the_middle_of_writes_loses_nothing_that_was_taken(void)
{
    for (int round = 0; round < 10; round++) {
        evloop_t *loop = open_loop(EVLOOP_EPOLL);
        struct end end;
        struct writer writers[THREADS];
        pthread_t threads[THREADS];
        uint32_t next[THREADS] = {0};
        int fd = adopt_one_end(&end, loop, NULL);
        pthread_t poller = start(keep_turning, loop);
        start_writers(writers, threads, &end, UINT32_MAX);
        CHECK_IS(receive_messages(fd, 2000, next), 2000);
        CHECK_IS(tcp_close(loop, end.id), 0);
        receive_messages(fd, UINT32_MAX, next);
        for (int i = 0; i < THREADS; i++) {
            join(threads[i]);
            CHECK_IS(writers[i].last, -EBADF);
            CHECK_IS(next[i], writers[i].taken);
        }
        close_loop(loop);
        join(poller);
        close(fd);
    }
}

/* --- every call at once --- */

struct user {
    evloop_t *loop;
    int64_t connection, listener;
    uint16_t port;
    int64_t last;
};

static bool may_go_on(const struct user *user)
{
    return user->last != -EBADF && user->last != -ESHUTDOWN;
}

static void *send_for_ever(void *argument)
{
    struct user *user = argument;
    uint8_t bytes[1000] = {0};
    do {
        tcp_send(user->loop, user->connection, bytes, sizeof bytes);
        tcp_message_t messages[2] = {{user->connection, bytes, 10, 0}, {7, bytes, 10, 0}};
        user->last = tcp_write(user->loop, messages, 2);
    } while (may_go_on(user));
    return NULL;
}

static void *add_timers_for_ever(void *argument)
{
    struct user *user = argument;
    do {
        evloop_timer_t timers[4] = {{.delay_ns = 0},
                                    {.delay_ns = 1000, .period_ns = 1000},
                                    {.delay_ns = SECOND},
                                    {.delay_ns = 1}};
        user->last = evloop_timer_add(user->loop, timers, 4);
        const int64_t ids[4] = {timers[0].id, timers[1].id, timers[2].id, timers[3].id};
        evloop_timer_again(user->loop, ids[2], 0);
        evloop_timer_next(user->loop);
        evloop_timer_del(user->loop, ids, 4);
    } while (may_go_on(user));
    return NULL;
}

static void *connect_for_ever(void *argument)
{
    struct user *user = argument;
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)user->port);
    for (int i = 0; may_go_on(user); i++) {
        int64_t id = user->last = tcp_connect(user->loop, "127.0.0.1", service, NULL, NULL);
        if (id < 0) continue;
        tcp_send(user->loop, id, (const uint8_t *)"x", 1);
        if (i % 2) tcp_abort(user->loop, id);
        else tcp_close(user->loop, id);
    }
    return NULL;
}

static void *listen_for_ever(void *argument)
{
    struct user *user = argument;
    do {
        user->last = tcp_listen(user->loop, "127.0.0.1", "0", NULL, NULL);
        if (user->last > 0) evloop_del(user->loop, user->last);
    } while (may_go_on(user));
    return NULL;
}

static void *ask_for_everything(void *argument)
{
    struct user *user = argument;
    do {
        evloop_stats_t stats = {.size = sizeof stats};
        tcp_stats_t counts = {.size = sizeof counts};
        ph_addr_t addr;
        tcp_stats(user->loop, user->connection, &counts);
        tcp_local(user->loop, user->connection, &addr);
        tcp_remote(user->loop, user->connection, &addr);
        tcp_socket(user->loop, user->connection);
        tcp_set_rate(user->loop, user->connection, 0, 0);
        tcp_set_timeouts(user->loop, user->connection, 1000, 1000);
        tcp_set_watermarks(user->loop, user->connection, 100, 1000, 100000);
        tcp_set_reading(user->loop, user->connection, TCP_READ_NOTICE);
        tcp_set_reading(user->loop, user->connection, TCP_READ_DATA);
        evloop_set_user(user->loop, user->connection, NULL);
        evloop_wake(user->loop);
        evloop_fd(user->loop);
        user->last = evloop_stats(user->loop, &stats);
    } while (may_go_on(user));
    return NULL;
}

/* Closes whatever is told of. */
static void *serve_for_ever(void *argument)
{
    uint8_t buffer[1 << 16];
    struct user *user = argument;
    evloop_event_t events[64];
    do {
        user->last = evloop_poll(user->loop, events, LENGTH(events), buffer, sizeof buffer, -1);
        for (int64_t i = 0; i < user->last; i++)
            if (events[i].kind == TCP_EOF) tcp_close(user->loop, events[i].id);
    } while (may_go_on(user));
    return NULL;
}

static void *(*const BODIES[])(void *) = {serve_for_ever,   send_for_ever,   add_timers_for_ever,
                                          connect_for_ever, listen_for_ever, ask_for_everything};

/* A thread that takes what comes, as long as something does. */
static void *take_all(void *argument)
{
    uint8_t buffer[1 << 16];
    while (recv(*(int *)argument, buffer, sizeof buffer, 0) > 0) continue;
    return NULL;
}

static void is_closed_in_the_middle(uint32_t backend)
{
    struct end end;
    struct host host;
    struct user users[LENGTH(BODIES)];
    pthread_t threads[LENGTH(BODIES)];
    evloop_t *loop = open_loop(backend);
    open_host(&host, loop, NULL, NULL, 0);
    int fd = adopt_one_end(&end, loop, NULL);
    pthread_t taker = start(take_all, &fd);
    for (size_t i = 0; i < LENGTH(BODIES); i++) {
        users[i] = (struct user){.loop = loop, .connection = end.id, .listener = host.id,
                                 .port = host.at.port};
        threads[i] = start(BODIES[i], &users[i]);
    }
    CHECK_EVENTUALLY(loop_counts_of(loop).accepted > 20);
    CHECK_EVENTUALLY(loop_counts_of(loop).closed > 20);
    CHECK(evloop_close(loop) >= 0);
    for (size_t i = 0; i < LENGTH(BODIES); i++) join(threads[i]);
    join(taker);
    close(fd);
    every_loop_call_refuses(loop);
}

static void a_close_in_the_middle_of_every_call_of_a_loop_is_safe(void)
{
    size_t descriptors = count_descriptors();
    for (uint32_t round = 0; round < 9; round++) {
        is_closed_in_the_middle(EVLOOP_EPOLL + round % 3);
        CHECK_EVENTUALLY(count_descriptors() == descriptors);
    }
}

/* --- each thing once --- */

enum { ADDERS = 4, ADDED = 5000 };

struct adder {
    evloop_t *loop;
    uint64_t deleted;
};

static atomic_int still_adding;

static void *add_and_delete_some(void *argument)
{
    struct adder *adder = argument;
    for (int i = 0; i < ADDED; i++) {
        int64_t id = add_timer(adder->loop, i % 5 * MILLISECOND / 10, 0, adder);
        if (i % 3) continue;
        int64_t deleted = evloop_timer_del(adder->loop, &id, 1);
        CHECK(deleted == 0 || deleted == 1);
        adder->deleted += (uint64_t)deleted;
    }
    atomic_fetch_sub(&still_adding, 1);
    return NULL;
}

/* A timer fires or was deleted, never both and never neither. */
static void tells_of_each_timer_once(evloop_t *loop)
{
    struct adder adders[ADDERS];
    pthread_t threads[ADDERS];
    uint64_t fired = 0, deleted = 0;
    atomic_store(&still_adding, ADDERS);
    for (int i = 0; i < ADDERS; i++) {
        adders[i] = (struct adder){.loop = loop};
        threads[i] = start(add_and_delete_some, &adders[i]);
    }
    for (bool is_last = false; !is_last;) {
        evloop_event_t event;
        uint8_t byte;
        is_last = atomic_load(&still_adding) == 0 && evloop_timer_next(loop) == -EAGAIN;
        while (evloop_poll(loop, &event, 1, &byte, 1, 1) == 1) {
            CHECK_IS(event.kind, EVLOOP_TIMER);
            CHECK_IS(event.value, 1);
            fired++;
        }
    }
    for (int i = 0; i < ADDERS; i++) join(threads[i]);
    for (int i = 0; i < ADDERS; i++) deleted += adders[i].deleted;
    CHECK_IS(fired + deleted, ADDERS * ADDED);
}

static void many_threads_add_and_delete_timers(void)
{
    on_each_backend(tells_of_each_timer_once);
}

const struct test tcp_thread_tests[] = {
    TEST(many_threads_write_to_one_connection),
    TEST(a_close_in_the_middle_of_writes_loses_nothing_that_was_taken),
    TEST(a_close_in_the_middle_of_every_call_of_a_loop_is_safe),
    TEST(many_threads_add_and_delete_timers),
    END_OF_TESTS,
};
