/* The timers of an event loop: never early, in order, each as often as it was asked for. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const int64_t YEARS_100 = INT64_C(100) * 365 * 24 * 3600 * SECOND;

/* --- when --- */

static void is_never_early(evloop_t *loop)
{
    const int64_t delays[] = {1, 1000, MILLISECOND - 1, MILLISECOND, MILLISECOND + 1,
                              3 * MILLISECOND / 2, 7 * MILLISECOND, 20 * MILLISECOND};
    for (size_t i = 0; i < LENGTH(delays); i++) {
        int64_t due = now_ns() + delays[i];
        int64_t id = add_timer(loop, delays[i], 0, &due);
        evloop_event_t event = next_of_kind(loop, EVLOOP_TIMER);
        CHECK(now_ns() >= due);
        CHECK_IS(event.id, id);
        CHECK(event.user == &due);
        CHECK_IS(event.value, 1);
        CHECK_IS(event.error, 0);
        CHECK_IS(event.len, 0);
        no_event_comes(loop);
    }
}

static void a_timer_is_never_early(void)
{
    on_each_backend(is_never_early);
}

static void is_due_at_once(evloop_t *loop)
{
    const int64_t past[] = {0, -1, -SECOND, -YEARS_100, INT64_MIN};
    for (size_t i = 0; i < LENGTH(past); i++) {
        int64_t id = add_timer(loop, past[i], 0, NULL);
        CHECK_IS(evloop_timer_next(loop), 0);
        evloop_event_t event;
        uint8_t byte;
        CHECK_IS(evloop_poll(loop, &event, 1, &byte, 1, 0), 1);
        CHECK_IS(event.id, id);
        CHECK_IS(event.value, 1);
        no_event_comes(loop);
    }
}

static void a_timer_in_the_past_is_due_at_once(void)
{
    on_each_backend(is_due_at_once);
}

static void outlasts_us_all(evloop_t *loop)
{
    const int64_t delays[] = {YEARS_100, INT64_MAX, INT64_MAX - 1, INT64_C(1) << 62,
                              INT64_C(1) << 53, (INT64_C(1) << 31) * MILLISECOND,
                              (INT64_C(1) << 32) * MILLISECOND, (INT64_C(1) << 32) * SECOND};
    int64_t ids[LENGTH(delays)];
    evloop_event_t event;
    uint8_t byte;
    for (size_t i = 0; i < LENGTH(delays); i++) {
        ids[i] = add_timer(loop, delays[i], i % 2 ? INT64_MAX : 0, NULL);
        no_event_comes(loop);
        int64_t next = evloop_timer_next(loop);
        CHECK(next > 0 && next <= delays[i]);
        CHECK_IS(evloop_poll(loop, &event, 1, &byte, 1, 3), -ETIMEDOUT);
    }
    CHECK_IS(loop_counts_of(loop).timers, LENGTH(delays));
    int64_t soon = add_timer(loop, MILLISECOND, 0, NULL);
    CHECK_IS(next_of_kind(loop, EVLOOP_TIMER).id, soon);
    CHECK_IS(evloop_timer_del(loop, ids, LENGTH(ids)), LENGTH(ids));
    CHECK_IS(evloop_timer_next(loop), -EAGAIN);
}

static void a_timer_in_100_years_waits_and_stands_in_nobodys_way(void)
{
    on_each_backend(outlasts_us_all);
}

static void tells_the_time_to_the_next(evloop_t *loop)
{
    CHECK_IS(evloop_timer_next(loop), -EAGAIN);
    int64_t later = add_timer(loop, 3600 * SECOND, 0, NULL);
    int64_t next = evloop_timer_next(loop);
    CHECK(next <= 3600 * SECOND && next > 3000 * SECOND);
    int64_t sooner = add_timer(loop, 60 * SECOND, 0, NULL);
    next = evloop_timer_next(loop);
    CHECK(next <= 60 * SECOND && next > 0);
    CHECK_IS(evloop_timer_del(loop, &sooner, 1), 1);
    CHECK(evloop_timer_next(loop) > 3000 * SECOND);
    CHECK_IS(evloop_timer_del(loop, &later, 1), 1);
    CHECK_IS(evloop_timer_next(loop), -EAGAIN);
}

static void the_time_to_the_next_timer_is_told(void)
{
    on_each_backend(tells_the_time_to_the_next);
}

/* --- order --- */

static uint64_t seed = 88172645463325252u;

/* Xorshift: the same numbers each time. */
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

enum { MANY = 1000 };

/* What is told of is due, and nothing that was due before it is left. */
static void comes_in_order(evloop_t *loop)
{
    evloop_timer_t timers[MANY];
    evloop_event_t events[64];
    uint8_t byte;
    for (int i = 0; i < MANY; i++)
        timers[i] = (evloop_timer_t){
            .delay_ns = (int64_t)(next_random() % 40) * MILLISECOND / 2, .user = &timers[i]};
    int64_t begun = now_ns();
    CHECK_IS(evloop_timer_add(loop, timers, MANY), MANY);
    CHECK_IS(loop_counts_of(loop).timers, MANY);
    const evloop_timer_t *last = NULL;
    for (int64_t count = 0; count < MANY;) {
        int64_t n = evloop_poll(loop, events, LENGTH(events), &byte, 1, LOOP_PATIENCE_MS);
        int64_t now = now_ns();
        CHECK(n > 0);
        for (int64_t i = 0; i < n; i++, count++) {
            const evloop_timer_t *timer = events[i].user;
            CHECK_IS(events[i].kind, EVLOOP_TIMER);
            CHECK_IS(events[i].id, timer->id);
            CHECK(now >= begun + timer->delay_ns);
            if (last) CHECK(last->delay_ns <= timer->delay_ns);
            if (last && last->delay_ns == timer->delay_ns) CHECK(last < timer);
            last = timer;
        }
    }
    no_event_comes(loop);
    CHECK_IS(loop_counts_of(loop).timers_fired, MANY);
}

static void timers_come_in_the_order_of_their_times_and_of_being_added(void)
{
    on_each_backend(comes_in_order);
}

/* --- again and again --- */

static void comes_again_and_again(evloop_t *loop)
{
    enum { PERIODS = 10 };
    int64_t begun = now_ns();
    int64_t id = add_timer(loop, 2 * MILLISECOND, 3 * MILLISECOND, &begun);
    for (uint64_t count = 0; count < PERIODS;) {
        evloop_event_t event = next_of_kind(loop, EVLOOP_TIMER);
        CHECK_IS(event.id, id);
        CHECK(event.user == &begun);
        CHECK(event.value >= 1);
        count += event.value;
        CHECK(now_ns() >= begun + 2 * MILLISECOND + (int64_t)(count - 1) * 3 * MILLISECOND);
    }
    CHECK_IS(evloop_timer_del(loop, &id, 1), 1);
    no_event_comes(loop);
    CHECK_IS(evloop_timer_next(loop), -EAGAIN);
}

static void a_period_begins_again_and_again_without_drifting(void)
{
    on_each_backend(comes_again_and_again);
}

/* A loop that was away for a while is told once, with how many it missed. */
static void counts_missed_periods(evloop_t *loop)
{
    int64_t begun = now_ns();
    int64_t id = add_timer(loop, MILLISECOND, MILLISECOND, NULL);
    for (int64_t since = 0; now_ns() - begun < 20 * MILLISECOND; check_is_out_of_time(&since))
        continue;
    int64_t away = now_ns() - begun;
    evloop_event_t event = next_of_kind(loop, EVLOOP_TIMER);
    CHECK(event.value >= (uint64_t)(away / MILLISECOND) - 1);
    CHECK(event.value <= (uint64_t)((now_ns() - begun) / MILLISECOND));
    CHECK_IS(evloop_timer_del(loop, &id, 1), 1);
    no_event_comes(loop);
}

static void missed_periods_are_counted_in_one_event(void)
{
    on_each_backend(counts_missed_periods);
}

/* A period of a nanosecond is always due, and yet others get their turn. */
static void lets_others_through(evloop_t *loop)
{
    int64_t busy = add_timer(loop, 0, 1, NULL), id = add_timer(loop, 5 * MILLISECOND, 0, NULL);
    for (int64_t since = 0; next_of_kind(loop, EVLOOP_TIMER).id != id;)
        if (since == 0) since = now_ns();
        else CHECK(now_ns() - since < 10 * SECOND);
    CHECK_IS(evloop_wake(loop), 0);
    for (int count = 0; next_event(loop).kind != EVLOOP_WAKE; count++) CHECK(count < 1000);
    CHECK_IS(evloop_timer_del(loop, &busy, 1), 1);
}

static void a_timer_that_is_always_due_lets_others_through(void)
{
    on_each_backend(lets_others_through);
}

static void starts_anew(evloop_t *loop)
{
    int64_t id = add_timer(loop, 3600 * SECOND, 0, NULL);
    int64_t due = now_ns() + 5 * MILLISECOND;
    CHECK_IS(evloop_timer_again(loop, id, 5 * MILLISECOND), 0);
    CHECK_IS(loop_counts_of(loop).timers, 1);
    CHECK_IS(next_of_kind(loop, EVLOOP_TIMER).id, id);
    CHECK(now_ns() >= due);
    /* Its event was delivered in the last batch. */
    for (int round = 0; round < 3; round++) {
        CHECK_IS(evloop_timer_again(loop, id, 0), 0);
        CHECK_IS(next_of_kind(loop, EVLOOP_TIMER).id, id);
    }
    no_event_comes(loop);
    CHECK_IS(evloop_timer_again(loop, id, 0), -EBADF);
    every_call_with_an_id_refuses(loop, id);
    /* One that was due is none to be deleted. */
    id = add_timer(loop, 0, 0, NULL);
    CHECK_IS(next_of_kind(loop, EVLOOP_TIMER).id, id);
    CHECK_IS(evloop_timer_del(loop, &id, 1), 0);
    no_event_comes(loop);
}

static void a_timer_is_started_anew_until_the_poll_after_its_event(void)
{
    on_each_backend(starts_anew);
}

/* Put off again and again, as timeouts are, it does not come; the period stays. */
static void is_put_off(evloop_t *loop)
{
    int64_t id = add_timer(loop, 20 * MILLISECOND, 2 * MILLISECOND, NULL);
    for (int i = 0; i < 100000; i++)
        CHECK_IS(evloop_timer_again(loop, id, (1 + i % 3600) * SECOND), 0);
    CHECK_IS(loop_counts_of(loop).timers, 1);
    int64_t due = now_ns() + 3 * MILLISECOND;
    CHECK_IS(evloop_timer_again(loop, id, 3 * MILLISECOND), 0);
    for (uint64_t count = 0; count < 3;) {
        count += next_of_kind(loop, EVLOOP_TIMER).value;
        CHECK(now_ns() >= due + (int64_t)(count - 1) * 2 * MILLISECOND);
    }
    CHECK_IS(evloop_timer_del(loop, &id, 1), 1);
}

static void a_timer_is_put_off_and_keeps_its_period(void)
{
    on_each_backend(is_put_off);
}

/* --- deleting --- */

static void deletes_those_that_are_there(evloop_t *loop)
{
    int64_t own[4];
    for (int i = 0; i < 4; i++) own[i] = add_timer(loop, (i - 1) * SECOND, 0, NULL);
    const int64_t ids[] = {own[1], 0, -1, own[1], INT64_MAX, own[0], INT64_MIN, own[3] ^ 1 << 20};
    CHECK_IS(evloop_timer_del(loop, ids, LENGTH(ids)), 2);
    CHECK_IS(evloop_timer_del(loop, ids, LENGTH(ids)), 0);
    CHECK_IS(loop_counts_of(loop).timers, 2);
    no_event_comes(loop);
    CHECK_IS(evloop_timer_del(loop, own, LENGTH(own)), 2);
    CHECK_IS(evloop_timer_next(loop), -EAGAIN);
    for (int i = 0; i < 4; i++) CHECK_IS(evloop_timer_again(loop, own[i], 0), -EBADF);
}

static void deleting_tells_how_many_there_were(void)
{
    on_each_backend(deletes_those_that_are_there);
}

/* Due, and not told of for want of room: whoever deletes one does not hear of it. */
static void tells_nothing_of_deleted_ones(evloop_t *loop)
{
    int64_t ids[5];
    for (int i = 0; i < 5; i++) ids[i] = add_timer(loop, 0, 0, NULL);
    CHECK_IS(next_of_kind(loop, EVLOOP_TIMER).id, ids[0]);
    CHECK_IS(evloop_timer_del(loop, ids + 1, 3), 3);
    CHECK_IS(next_of_kind(loop, EVLOOP_TIMER).id, ids[4]);
    no_event_comes(loop);
}

static void a_due_timer_that_is_deleted_is_not_told_of(void)
{
    on_each_backend(tells_nothing_of_deleted_ones);
}

static void adds_all_or_none(evloop_t *loop)
{
    evloop_timer_t timers[3] = {{.delay_ns = 0}, {.delay_ns = SECOND}, {.period_ns = -1}};
    CHECK_IS(evloop_timer_add(loop, timers, 3), -EINVAL);
    CHECK_IS(loop_counts_of(loop).timers, 0);
    timers[2].period_ns = INT64_MIN;
    CHECK_IS(evloop_timer_add(loop, timers, 3), -EINVAL);
    no_event_comes(loop);
    CHECK_IS(evloop_timer_next(loop), -EAGAIN);
    CHECK_IS(evloop_timer_add(loop, timers, 2), 2);
    CHECK_IS(next_of_kind(loop, EVLOOP_TIMER).id, timers[0].id);
}

static void of_timers_all_or_none_are_added(void)
{
    on_each_backend(adds_all_or_none);
}

/* --- a million --- */

enum { MILLION = 1000000 };

static void add_and_cancel_a_million(evloop_t *loop, evloop_timer_t *timers, int64_t *ids)
{
    for (int i = 0; i < MILLION; i++)
        timers[i] = (evloop_timer_t){
            .delay_ns = (int64_t)(next_random() % 3600 + 600) * SECOND + i};
    CHECK_IS(evloop_timer_add(loop, timers, MILLION), MILLION);
    CHECK_IS(loop_counts_of(loop).timers, MILLION);
    no_event_comes(loop);
    for (int i = 0; i < MILLION; i++) ids[i] = timers[(i * INT64_C(7919)) % MILLION].id;
    CHECK_IS(evloop_timer_del(loop, ids, MILLION), MILLION);
    CHECK_IS(loop_counts_of(loop).timers, 0);
    CHECK_IS(evloop_timer_next(loop), -EAGAIN);
    no_event_comes(loop);
}

static void a_million_timers_are_added_and_cancelled_and_leave_nothing(void)
{
    evloop_timer_t *timers = calloc(MILLION, sizeof *timers);
    int64_t *ids = calloc(MILLION, sizeof *ids);
    memset(timers, 1, MILLION * sizeof *timers);
    memset(ids, 1, MILLION * sizeof *ids);
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    size_t before = resident_memory();
    for (int round = 0; round < 3; round++) {
        add_and_cancel_a_million(loop, timers, ids);
        CHECK_IS(evloop_timer_again(loop, ids[round], 0), -EBADF);
#ifndef __SANITIZE_ADDRESS__
        /* The sanitizer keeps freed memory for a while. */
        CHECK(resident_memory() < before + (8 << 20));
#endif
    }
    close_loop(loop);
    (void)before;
    free(timers);
    free(ids);
}

/* Ones added and cancelled in turn: what is cancelled may not heap up until it would be due. */
static void timers_cancelled_one_by_one_leave_nothing_either(void)
{
    enum { WAITING = 100 };
    int64_t ids[WAITING];
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    for (int i = 0; i < WAITING; i++) ids[i] = add_timer(loop, 600 * SECOND, 0, NULL);
    size_t before = resident_memory();
    for (int i = 0; i < MILLION; i++) {
        CHECK_IS(evloop_timer_del(loop, &ids[i % WAITING], 1), 1);
        ids[i % WAITING] = add_timer(loop, 600 * SECOND + i, 0, NULL);
    }
    CHECK_IS(loop_counts_of(loop).timers, WAITING);
#ifndef __SANITIZE_ADDRESS__
    CHECK(resident_memory() < before + (4 << 20));
#endif
    (void)before;
    CHECK_IS(evloop_timer_del(loop, ids, WAITING), WAITING);
    close_loop(loop);
}

const struct test evloop_timer_tests[] = {
    TEST(a_timer_is_never_early),
    TEST(a_timer_in_the_past_is_due_at_once),
    TEST(a_timer_in_100_years_waits_and_stands_in_nobodys_way),
    TEST(the_time_to_the_next_timer_is_told),
    TEST(timers_come_in_the_order_of_their_times_and_of_being_added),
    TEST(a_period_begins_again_and_again_without_drifting),
    TEST(missed_periods_are_counted_in_one_event),
    TEST(a_timer_that_is_always_due_lets_others_through),
    TEST(a_timer_is_started_anew_until_the_poll_after_its_event),
    TEST(a_timer_is_put_off_and_keeps_its_period),
    TEST(deleting_tells_how_many_there_were),
    TEST(a_due_timer_that_is_deleted_is_not_told_of),
    TEST(of_timers_all_or_none_are_added),
    TEST(a_million_timers_are_added_and_cancelled_and_leave_nothing),
    TEST(timers_cancelled_one_by_one_leave_nothing_either),
    END_OF_TESTS,
};
