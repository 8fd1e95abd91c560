/* The same timers for libuv and for us: which are taken, their delays, and how late each was. */
#ifndef BENCH_TIMERS_H
#define BENCH_TIMERS_H

#include "../common.h"

enum {
    PENDING = 100000,
    TURN = 1024, /* timers moved between two iterations of the loop */
    SHORTEST_MS = 1000,
    LONGEST_MS = 60000
};

static inline uint32_t random_below(uint64_t *state, uint32_t bound)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 32) * bound >> 32);
}

/* All timers in an order of chance; a turn through it meets none twice. */
struct churn {
    uint32_t order[PENDING];
    uint64_t state;
    size_t at;
    int64_t start, moved, end;
};

static inline void churn_prepare(struct churn *c)
{
    c->state = 88172645463325252;
    for (uint32_t i = 0; i < PENDING; i++) {
        uint32_t other = random_below(&c->state, i + 1);
        c->order[i] = c->order[other];
        c->order[other] = i;
    }
}

static inline uint32_t churn_delay_ms(struct churn *c)
{
    return SHORTEST_MS + random_below(&c->state, LONGEST_MS - SHORTEST_MS + 1);
}

/* The next timer to move. */
static inline uint32_t churn_next(struct churn *c)
{
    c->at = c->at + 1 < PENDING ? c->at + 1 : 0;
    return c->order[c->at];
}

static inline void churn_start(struct churn *c, double seconds)
{
    c->start = now_on(CLOCK_PROCESS_CPUTIME_ID);
    c->end = now_ns() + (int64_t)(seconds * SECOND);
}

/* After a turn: 1 when the time is over. */
static inline int churn_over(struct churn *c)
{
    c->moved += TURN;
    return now_ns() >= c->end;
}

static inline void churn_print(const struct churn *c)
{
    print_rate(c->moved, now_on(CLOCK_PROCESS_CPUTIME_ID) - c->start);
}

/* Timers for whole milliseconds, which is all that libuv knows, over a second. They start one after
 * the other and 10.3 µs apart, so that they meet every part of a millisecond: a loop that rounds
 * is early with some and late with others, as it is in a program. */
enum { LATE_TIMERS = 2000, LATE_FIRST_MS = 50, LATE_SPREAD_MS = 1000, LATE_STEP_NS = 10300 };

struct lateness {
    int64_t moments[LATE_TIMERS];
    struct delays delays;
    uint64_t state;
    int64_t next;
};

static inline void lateness_prepare(struct lateness *l)
{
    l->state = 88172645463325252;
    l->next = now_ns();
}

/* Waits for the moment to start timer `i` and gives its delay. */
static inline uint32_t lateness_begin(struct lateness *l, int i)
{
    uint32_t ms = LATE_FIRST_MS + random_below(&l->state, LATE_SPREAD_MS);
    while (now_ns() < l->next)
        ;
    l->next += LATE_STEP_NS;
    l->moments[i] = now_ns() + (int64_t)ms * 1000000;
    return ms;
}

static inline void lateness_fired(struct lateness *l, size_t i)
{
    delays_add(&l->delays, now_ns() - l->moments[i]);
}

#endif
