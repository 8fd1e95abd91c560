/* The event loop by itself: polling, callbacks, stopping, ending. */
#include "check.h"
#include "loops.h"

#include <errno.h>

/* --- polling --- */

static void polls_without_events(evloop_t *loop)
{
    enum { WAIT_MS = 20 };
    evloop_event_t event;
    uint8_t byte;
    no_event_comes(loop);
    int64_t begun = now_ns();
    CHECK_IS(evloop_poll(loop, &event, 1, &byte, 1, WAIT_MS), -ETIMEDOUT);
    CHECK(now_ns() - begun >= WAIT_MS * MILLISECOND);
    no_event_comes(loop);
}

static void a_poll_without_events_says_so(void)
{
    on_each_backend(polls_without_events);
}

/* The backend of a loop that is not said is epoll. */
static void the_default_backend_is_epoll(void)
{
    evloop_t *loop = NULL;
    CHECK_IS(evloop_new(NULL, &loop), 0);
    CHECK(evloop_fd(loop) >= 0);
    close_loop(loop);
    loop = open_loop(EVLOOP_EPOLL);
    CHECK(evloop_fd(loop) >= 0);
    close_loop(loop);
    const uint32_t others[] = {EVLOOP_POLL, EVLOOP_SELECT};
    for (size_t i = 0; i < LENGTH(others); i++) {
        loop = open_loop(others[i]);
        CHECK_IS(evloop_fd(loop), -EOPNOTSUPP);
        close_loop(loop);
    }
}

static void wakes_once(evloop_t *loop)
{
    for (int i = 0; i < 5; i++) CHECK_IS(evloop_wake(loop), 0);
    next_of_kind(loop, EVLOOP_WAKE);
    no_event_comes(loop);
    CHECK_IS(evloop_wake(loop), 0);
    next_of_kind(loop, EVLOOP_WAKE);
    no_event_comes(loop);
}

static void a_wake_comes_once_however_often_it_was_asked_for(void)
{
    on_each_backend(wakes_once);
}

static void is_told_to_stop(evloop_t *loop)
{
    CHECK_IS(evloop_stop(loop), 0);
    next_of_kind(loop, EVLOOP_STOP);
    no_event_comes(loop);
    CHECK_IS(evloop_wake(loop), 0);
    CHECK_IS(evloop_stop(loop), 0);
    uint32_t first = next_event(loop).kind, second = next_event(loop).kind;
    CHECK_IS(first + second, EVLOOP_WAKE + EVLOOP_STOP);
    CHECK(first != second);
    no_event_comes(loop);
}

static void a_stop_is_an_event_of_the_next_poll(void)
{
    on_each_backend(is_told_to_stop);
}

/* What there is no room for is kept, and comes exactly once. */
static void gives_them_one_by_one(evloop_t *loop)
{
    enum { TIMERS = 10, WATCHES = 3 };
    struct wire wires[WATCHES];
    int counts[TIMERS + WATCHES] = {0};
    for (int i = 0; i < TIMERS; i++) add_timer(loop, 0, 0, &counts[i]);
    for (int i = 0; i < WATCHES; i++) {
        wires[i] = open_pipe();
        watch(loop, wires[i].out, EVLOOP_WRITE, &counts[TIMERS + i]);
    }
    CHECK_IS(evloop_wake(loop), 0);
    for (int wakes = 0, timers = 0, others = 0;;) {
        evloop_event_t event = next_event(loop);
        int *count = event.user;
        if (count) ++*count;
        wakes += event.kind == EVLOOP_WAKE;
        timers += event.kind == EVLOOP_TIMER;
        /* A pipe stays writable: its events never end. */
        for (int i = 0; i < WATCHES; i++) others |= (counts[TIMERS + i] > 0) << i;
        if (wakes == 1 && timers == TIMERS && others == (1 << WATCHES) - 1) break;
        CHECK(wakes <= 1);
        CHECK(counts[TIMERS] < 1000);
    }
    for (int i = 0; i < TIMERS; i++) CHECK_IS(counts[i], 1);
    for (int i = 0; i < WATCHES; i++) close_wire(wires[i]);
}

static void a_poll_with_room_for_one_leaves_no_event_out(void)
{
    on_each_backend(gives_them_one_by_one);
}

static void the_loops_descriptor_is_readable_while_something_is_there(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    int fd = evloop_fd(loop);
    CHECK_IS(evloop_fd(loop), fd);
    for (int round = 0; round < 3; round++) {
        no_event_comes(loop);
        CHECK_IS(evloop_wake(loop), 0);
        CHECK_EVENTUALLY(is_readable(fd));
        next_of_kind(loop, EVLOOP_WAKE);
        no_event_comes(loop);
        CHECK_IS(evloop_stop(loop), 0);
        CHECK_EVENTUALLY(is_readable(fd));
        next_of_kind(loop, EVLOOP_STOP);
        no_event_comes(loop);
        int64_t due = now_ns() + 20 * MILLISECOND;
        add_timer(loop, 20 * MILLISECOND, 0, NULL);
        CHECK_EVENTUALLY(is_readable(fd));
        CHECK(now_ns() >= due);
        next_of_kind(loop, EVLOOP_TIMER);
        no_event_comes(loop);
        struct wire wire = open_pipe();
        int64_t id = watch(loop, wire.in, EVLOOP_READ, NULL);
        no_event_comes(loop);
        put_byte(wire.out);
        CHECK_EVENTUALLY(is_readable(fd));
        next_of_kind(loop, EVLOOP_FD);
        CHECK_EVENTUALLY(is_readable(fd));
        CHECK_IS(evloop_del(loop, id), 0);
        no_event_comes(loop);
        close_wire(wire);
    }
    close_loop(loop);
}

/* What a poll had no room for is something that is there. */
static void the_loops_descriptor_is_readable_while_events_are_kept(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    for (int i = 0; i < 5; i++) add_timer(loop, 0, 0, NULL);
    CHECK_IS(evloop_wake(loop), 0);
    for (int i = 0; i < 6; i++) {
        CHECK_EVENTUALLY(is_readable(evloop_fd(loop)));
        next_event(loop);
    }
    no_event_comes(loop);
    close_loop(loop);
}

/* A timer that is deleted, or put off, takes its claim along. */
static void the_loops_descriptor_forgets_a_deleted_timer(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    int64_t ids[2] = {add_timer(loop, 10 * MILLISECOND, 0, NULL),
                      add_timer(loop, 3600 * SECOND, 0, NULL)};
    int64_t begun = now_ns();
    CHECK_IS(evloop_timer_del(loop, ids, 1), 1);
    for (int64_t since = 0; now_ns() - begun < 30 * MILLISECOND; check_is_out_of_time(&since))
        CHECK(!is_readable(evloop_fd(loop)));
    CHECK_IS(evloop_timer_again(loop, ids[1], 10 * MILLISECOND), 0);
    CHECK_EVENTUALLY(is_readable(evloop_fd(loop)));
    CHECK_IS(next_of_kind(loop, EVLOOP_TIMER).id, ids[1]);
    no_event_comes(loop);
    close_loop(loop);
}

/* --- callbacks --- */

/* What callbacks are given: the loop, and what they leave behind. */
struct notes {
    evloop_t *loop;
    uint32_t kinds[16];
    int64_t ids[16], results[16];
    size_t count;
};

static void write_down(void *user, const evloop_event_t *event)
{
    struct notes *notes = user;
    CHECK(notes->count < LENGTH(notes->kinds));
    notes->ids[notes->count] = event->id;
    notes->kinds[notes->count++] = event->kind;
}

static void runs_once(evloop_t *loop)
{
    struct notes notes = {.loop = loop};
    CHECK_IS(evloop_run_once(loop, write_down, &notes, 0), -EAGAIN);
    CHECK_IS(evloop_run_once(loop, write_down, &notes, 5), -ETIMEDOUT);
    CHECK_IS(notes.count, 0);
    int64_t timers[2] = {add_timer(loop, 0, 0, NULL), add_timer(loop, 0, 0, NULL)};
    CHECK_IS(evloop_run_once(loop, write_down, &notes, -1), 2);
    CHECK_IS(notes.count, 2);
    for (int i = 0; i < 2; i++) {
        CHECK_IS(notes.kinds[i], EVLOOP_TIMER);
        CHECK_IS(notes.ids[i], timers[i]);
    }
    CHECK_IS(evloop_wake(loop), 0);
    CHECK_IS(evloop_run_once(loop, write_down, &notes, -1), 1);
    CHECK_IS(notes.kinds[2], EVLOOP_WAKE);
}

static void a_run_once_gives_each_event_to_the_callback(void)
{
    on_each_backend(runs_once);
}

static void stop_at_the_third(void *user, const evloop_event_t *event)
{
    struct notes *notes = user;
    write_down(user, event);
    if (notes->count == 3) CHECK_IS(evloop_stop(notes->loop), 0);
}

static void runs_until_stopped(evloop_t *loop)
{
    struct notes notes = {.loop = loop};
    int64_t id = add_timer(loop, MILLISECOND, MILLISECOND, NULL);
    CHECK_IS(evloop_run(loop, stop_at_the_third, &notes), 0);
    CHECK(notes.count >= 3);
    for (int i = 0; i < 3; i++) CHECK_IS(notes.ids[i], id);
    CHECK_IS(evloop_timer_del(loop, &id, 1), 1);
    while (evloop_run_once(loop, write_down, &notes, 0) != -EAGAIN) notes.count = 0;
    CHECK_IS(evloop_stop(loop), 0);
    CHECK_IS(evloop_run(loop, write_down, &notes), 0);
    no_event_comes(loop);
}

static void a_run_ends_with_0_when_it_is_stopped(void)
{
    on_each_backend(runs_until_stopped);
}

static void poll_from_within(void *user, const evloop_event_t *event)
{
    struct notes *notes = user;
    evloop_event_t inner;
    uint8_t byte;
    write_down(user, event);
    CHECK_IS(evloop_poll(notes->loop, &inner, 1, &byte, 1, -1), -EBUSY);
    CHECK_IS(evloop_run(notes->loop, write_down, notes), -EBUSY);
    CHECK_IS(evloop_run_once(notes->loop, write_down, notes, -1), -EBUSY);
    CHECK_IS(evloop_stop(notes->loop), 0);
}

static void is_busy_in_a_callback(evloop_t *loop)
{
    struct notes notes = {.loop = loop};
    CHECK_IS(evloop_wake(loop), 0);
    CHECK_IS(evloop_run(loop, poll_from_within, &notes), 0);
    CHECK(notes.count >= 1);
    while (evloop_run_once(loop, write_down, &notes, 0) > 0) continue;
    no_event_comes(loop);
}

static void a_callback_may_not_poll_its_own_loop(void)
{
    on_each_backend(is_busy_in_a_callback);
}

static void close_from_within(void *user, const evloop_event_t *event)
{
    struct notes *notes = user;
    write_down(user, event);
    notes->results[notes->count - 1] = evloop_close(notes->loop);
    every_loop_call_refuses(notes->loop);
}

/* Of a closed loop no more is told. */
static void a_callback_may_close_its_own_loop(void)
{
    const uint32_t backends[] = {EVLOOP_EPOLL, EVLOOP_POLL, EVLOOP_SELECT};
    for (size_t i = 0; i < LENGTH(backends); i++) {
        size_t descriptors = count_descriptors();
        struct notes notes = {.loop = open_loop(backends[i])};
        for (int timer = 0; timer < 5; timer++) add_timer(notes.loop, 0, 0, NULL);
        CHECK_IS(evloop_run(notes.loop, close_from_within, &notes), -ESHUTDOWN);
        CHECK_IS(notes.count, 1);
        CHECK_IS(notes.results[0], 0);
        CHECK_EVENTUALLY(count_descriptors() == descriptors);
        every_loop_call_refuses(notes.loop);
    }
}

/* Deletes all timers but the one it is called for. */
struct deleting {
    evloop_t *loop;
    int64_t ids[3];
    int count;
};

static void delete_the_others(void *user, const evloop_event_t *event)
{
    struct deleting *all = user;
    all->count++;
    for (int i = 0; i < 3; i++)
        if (all->ids[i] != event->id) CHECK_IS(evloop_timer_del(all->loop, &all->ids[i], 1), 1);
}

static void leaves_deleted_timers_out(evloop_t *loop)
{
    struct deleting all = {.loop = loop};
    for (int i = 0; i < 3; i++) all.ids[i] = add_timer(loop, 0, MILLISECOND, NULL);
    CHECK_IS(evloop_run_once(loop, delete_the_others, &all, -1), 3);
    CHECK_IS(all.count, 1);
    CHECK_IS(evloop_timer_del(loop, all.ids, 3), 1);
    no_event_comes(loop);
}

static void what_a_callback_deletes_is_not_called_for_in_the_same_batch(void)
{
    on_each_backend(leaves_deleted_timers_out);
}

static void delete_the_other_watch(void *user, const evloop_event_t *event)
{
    struct deleting *all = user;
    CHECK_IS(event->kind, EVLOOP_FD);
    all->count++;
    for (int i = 0; i < 2; i++)
        if (all->ids[i] != event->id) CHECK_IS(evloop_del(all->loop, all->ids[i]), 0);
}

static void leaves_deleted_watches_out(evloop_t *loop)
{
    struct wire wire = open_sockets();
    struct deleting all = {.loop = loop};
    all.ids[0] = watch(loop, wire.in, EVLOOP_WRITE, NULL);
    all.ids[1] = watch(loop, wire.out, EVLOOP_WRITE, NULL);
    CHECK_IS(evloop_run_once(loop, delete_the_other_watch, &all, -1), 2);
    CHECK_IS(all.count, 1);
    close_wire(wire);
}

static void a_watch_that_a_callback_deletes_is_not_told_of_in_the_same_batch(void)
{
    on_each_backend(leaves_deleted_watches_out);
}

/* --- the end --- */

static void ends_at_once(evloop_t *loop)
{
    struct notes notes = {.loop = loop};
    evloop_event_t event;
    uint8_t byte;
    CHECK_IS(evloop_shutdown(loop, 1000), 0);
    CHECK_IS(evloop_poll(loop, &event, 1, &byte, 1, -1), -ESHUTDOWN);
    CHECK_IS(evloop_poll(loop, &event, 1, &byte, 1, 0), -ESHUTDOWN);
    CHECK_IS(evloop_run_once(loop, write_down, &notes, -1), -ESHUTDOWN);
    CHECK_IS(evloop_run(loop, write_down, &notes), 0);
    CHECK_IS(notes.count, 0);
}

static void a_loop_without_connections_is_shut_down_at_once(void)
{
    on_each_backend(ends_at_once);
}

static void counts_what_it_does(evloop_t *loop)
{
    struct wire wire = open_pipe();
    evloop_stats_t none = loop_counts_of(loop);
    CHECK_IS(none.size, sizeof none);
    CHECK_IS(none.events + none.timers + none.timers_fired + none.watches + none.listeners, 0);
    CHECK_IS(none.connections + none.accepted + none.connected + none.closed, 0);
    CHECK_IS(none.accept_errors + none.received_bytes + none.sent_bytes + none.unsent_bytes, 0);
    add_timer(loop, 0, 0, NULL);
    add_timer(loop, 3600 * SECOND, 0, NULL);
    watch(loop, wire.in, EVLOOP_READ, NULL);
    CHECK_IS(loop_counts_of(loop).timers, 2);
    next_of_kind(loop, EVLOOP_TIMER);
    evloop_stats_t some = loop_counts_of(loop);
    CHECK(some.iterations > none.iterations);
    CHECK_IS(some.events, 1);
    CHECK_IS(some.timers, 1);
    CHECK_IS(some.timers_fired, 1);
    CHECK_IS(some.watches, 1);
    close_wire(wire);
}

static void a_loop_counts_what_it_does(void)
{
    on_each_backend(counts_what_it_does);
}

static void loops_are_made_and_closed_again_and_again(void)
{
    size_t descriptors = count_descriptors(), threads = count_threads();
    for (int round = 0; round < 300; round++) {
        evloop_t *loops[3];
        for (uint32_t i = 0; i < 3; i++) loops[i] = open_loop(EVLOOP_EPOLL + i);
        for (uint32_t i = 0; i < 3; i++) close_loop(loops[i]);
        for (uint32_t i = 0; i < 3; i++) CHECK_IS(evloop_wake(loops[i]), -EBADF);
    }
    CHECK_EVENTUALLY(count_descriptors() == descriptors);
    CHECK_IS(count_threads(), threads);
}

const struct test evloop_tests[] = {
    TEST(a_poll_without_events_says_so),
    TEST(the_default_backend_is_epoll),
    TEST(a_wake_comes_once_however_often_it_was_asked_for),
    TEST(a_stop_is_an_event_of_the_next_poll),
    TEST(a_poll_with_room_for_one_leaves_no_event_out),
    TEST(the_loops_descriptor_is_readable_while_something_is_there),
    TEST(the_loops_descriptor_is_readable_while_events_are_kept),
    TEST(the_loops_descriptor_forgets_a_deleted_timer),
    TEST(a_run_once_gives_each_event_to_the_callback),
    TEST(a_run_ends_with_0_when_it_is_stopped),
    TEST(a_callback_may_not_poll_its_own_loop),
    TEST(a_callback_may_close_its_own_loop),
    TEST(what_a_callback_deletes_is_not_called_for_in_the_same_batch),
    TEST(a_watch_that_a_callback_deletes_is_not_told_of_in_the_same_batch),
    TEST(a_loop_without_connections_is_shut_down_at_once),
    TEST(a_loop_counts_what_it_does),
    TEST(loops_are_made_and_closed_again_and_again),
    END_OF_TESTS,
};
