/* The plainest good way to hand datagrams from one thread to another: a ring for one writer and one
 * reader, and an eventfd on which the reader sleeps. */
#ifndef BENCH_HANDOVER_H
#define BENCH_HANDOVER_H

#include "common.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

enum { RING = 4096, ITEM_BYTES = 2048 };

struct item {
    int64_t moment;
    size_t len;
    uint8_t data[ITEM_BYTES];
};

struct handover {
    struct item ring[RING];
    _Atomic size_t put, taken;
    _Atomic int finished;
    int event_fd;
};

static inline void handover_open(struct handover *q)
{
    q->event_fd = eventfd(0, EFD_CLOEXEC);
    if (q->event_fd < 0)
        die("eventfd");
}

/* A full ring drops: at the rates measured it never is. */
static inline void handover_put(struct handover *q, const uint8_t *data, size_t len, int64_t moment)
{
    size_t put = atomic_load_explicit(&q->put, memory_order_relaxed);
    if (put - atomic_load_explicit(&q->taken, memory_order_acquire) == RING)
        return;
    struct item *item = &q->ring[put % RING];
    item->moment = moment;
    item->len = len;
    memcpy(item->data, data, len);
    atomic_store_explicit(&q->put, put + 1, memory_order_release);
}

static inline void handover_wake(struct handover *q)
{
    if (eventfd_write(q->event_fd, 1) != 0)
        die("eventfd_write");
}

static inline void handover_finish(struct handover *q)
{
    atomic_store(&q->finished, 1);
    handover_wake(q);
}

/* Waits for an item; gives 0 when the writer has finished and all is taken. */
static inline int handover_take(struct handover *q, struct item *out)
{
    size_t taken = atomic_load_explicit(&q->taken, memory_order_relaxed);
    for (;;) {
        int finished = atomic_load(&q->finished);
        eventfd_t count;
        if (atomic_load_explicit(&q->put, memory_order_acquire) != taken)
            break;
        if (finished)
            return 0;
        if (eventfd_read(q->event_fd, &count) != 0)
            die("eventfd_read");
    }
    const struct item *item = &q->ring[taken % RING];
    out->moment = item->moment;
    out->len = item->len;
    memcpy(out->data, item->data, item->len);
    atomic_store_explicit(&q->taken, taken + 1, memory_order_release);
    return 1;
}

#endif
