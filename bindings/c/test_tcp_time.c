/* What connections do by the clock: rates, and the times after which they give up. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <unistd.h>

/* --- rates --- */

enum { RATE = 1000000, AMOUNT = 150000 };

/* How long it takes to carry AMOUNT bytes. */
static int64_t time_to_carry(struct link *link)
{
    int64_t begun = now_ns();
    carry_over(&link->client, &link->server, AMOUNT);
    return now_ns() - begun;
}

/* No sooner than the rate says, but for what may pass at once. */
static void check_rate(int64_t nanoseconds)
{
    CHECK(nanoseconds >= AMOUNT * SECOND / RATE * 3 / 4);
    CHECK(nanoseconds < 5 * SECOND);
}

static void keeps_to_its_rates(evloop_t *loop)
{
    struct link link;
    open_link(&link, loop, TCP(.write_rate = RATE), NULL);
    check_rate(time_to_carry(&link));
    CHECK_IS(tcp_set_rate(loop, link.client.id, 0, 0), 0);
    CHECK_IS(tcp_set_rate(loop, link.server.id, RATE, 0), 0);
    check_rate(time_to_carry(&link));
    close_link(&link);
    open_link(&link, loop, NULL, TCP(.read_rate = RATE));
    check_rate(time_to_carry(&link));
    close_link(&link);
}

static void rates_limit_reading_and_writing(void)
{
    on_each_backend(keeps_to_its_rates);
}

/* A rate of a byte a second and so on: the next one comes at its time, or when there is none. */
static void a_low_rate_lets_a_byte_through_and_is_lifted(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct link link;
    open_link(&link, loop, TCP(.write_rate = 1), NULL);
    CHECK(send_more(&link.client, 1000) > 0);
    TURN_UNTIL(loop, link.server.received > 0);
    CHECK(link.server.received <= 10);
    CHECK_IS(tcp_set_rate(loop, link.client.id, 0, UINT64_MAX), 0);
    TURN_UNTIL(loop, link.server.received == 1000);
    CHECK_IS(tcp_set_rate(loop, link.client.id, 0, 0), 0);
    carry_over(&link.client, &link.server, 100000);
    close_link(&link);
    close_loop(loop);
}

/* One that is held back does not hold the others back, and keeps no processor busy. */
static void a_held_back_connection_costs_others_nothing(void)
{
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        evloop_t *loop = open_loop(backend);
        struct link slow, fast;
        open_link(&slow, loop, NULL, TCP(.read_rate = 1000));
        open_link(&fast, loop, NULL, NULL);
        for (int i = 0; i < 4; i++) CHECK(send_more(&slow.client, PATTERN_MAX) >= 0);
        carry_over(&fast.client, &fast.server, 1000000);
        uint64_t before = loop_counts_of(loop).iterations;
        int64_t begun = now_ns();
        while (now_ns() - begun < 50 * MILLISECOND) turn(loop, 10);
        CHECK(loop_counts_of(loop).iterations - before < 200);
        CHECK(slow.server.received < 100000);
        CHECK(evloop_close(loop) >= 0);
    }
}

/* --- times --- */

static void ends_when_idle(evloop_t *loop)
{
    enum { IDLE_MS = 60 };
    struct end end;
    int fd = adopt_one_end(&end, loop, TCP(.idle_timeout_ms = IDLE_MS));
    int64_t last = 0;
    /* Traffic either way puts it off. */
    for (int i = 0; i < 20 && !end.closed; i++) {
        last = now_ns();
        if (i % 2) CHECK_IS(send_more(&end, 1), 0);
        else send_pattern(fd, end.received, 1);
        turn(loop, 5);
    }
    TURN_UNTIL(loop, end.closed);
    CHECK(now_ns() - last >= IDLE_MS * MILLISECOND);
    CHECK_IS(end.error, ETIMEDOUT);
    CHECK_IS(end.unsent, 0);
    no_event_comes(loop);
    close(fd);
}

static void an_idle_connection_ends_with_its_time(void)
{
    on_each_backend(ends_when_idle);
}

static void ends_when_nothing_goes_out(evloop_t *loop)
{
    enum { TIME_MS = 60 };
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        struct end end;
        int fd = adopt_one_end(&end, loop, TCP(.write_timeout_ms = TIME_MS));
        for (int i = 0; i < 3; i++) turn(loop, 1);
        int64_t begun = now_ns();
        CHECK(send_more(&end, PATTERN_MAX) > 0);
        uint64_t waiting = connection_counts_of(&end).waiting;
        if (is_closed) CHECK_IS(tcp_close(loop, end.id), 0);
        TURN_UNTIL(loop, end.closed);
        CHECK(now_ns() - begun >= TIME_MS * MILLISECOND);
        CHECK_IS(end.error, ETIMEDOUT);
        CHECK_IS(end.unsent, waiting);
        no_event_comes(loop);
        close(fd);
    }
}

static void a_connection_on_which_nothing_goes_out_ends_with_its_time(void)
{
    on_each_backend(ends_when_nothing_goes_out);
}

/* A peer that reads a little in time is a slow one, not a dead one. */
static void a_slow_reader_is_waited_for(void)
{
    enum { TIME_MS = 500, STEPS = 12 };
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int fd = adopt_one_end(&end, loop, TCP(.write_timeout_ms = TIME_MS));
    CHECK(send_more(&end, PATTERN_MAX) > 0);
    int64_t begun = now_ns(), longest = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        int64_t last = now_ns();
        while (now_ns() - last < TIME_MS * MILLISECOND / 10) turn(loop, 5);
        receive_pattern(fd, step * (PATTERN_MAX / STEPS / 2), PATTERN_MAX / STEPS / 2);
        turn(loop, 0);
        if (now_ns() - last > longest) longest = now_ns() - last;
    }
    CHECK(now_ns() - begun > TIME_MS * MILLISECOND);
    CHECK(!end.closed || longest > TIME_MS * MILLISECOND / 2);
    close(fd);
    CHECK(evloop_close(loop) >= 0);
}

static void times_are_changed_on_the_way(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end ends[3];
    int fds[3];
    for (int i = 0; i < 3; i++) fds[i] = adopt_one_end(&ends[i], loop, NULL);
    CHECK(send_more(&ends[1], PATTERN_MAX) > 0);
    CHECK_IS(tcp_set_timeouts(loop, ends[0].id, 30, 0), 0);
    CHECK_IS(tcp_set_timeouts(loop, ends[1].id, 0, 30), 0);
    CHECK_IS(tcp_set_timeouts(loop, ends[2].id, 30, 30), 0);
    CHECK_IS(tcp_set_timeouts(loop, ends[2].id, 0, 0), 0);
    TURN_UNTIL(loop, ends[0].closed && ends[1].closed);
    CHECK_IS(ends[0].error, ETIMEDOUT);
    CHECK_IS(ends[1].error, ETIMEDOUT);
    CHECK(ends[1].unsent > 0);
    int64_t begun = now_ns();
    while (now_ns() - begun < 60 * MILLISECOND) turn(loop, 5);
    CHECK_IS(ends[2].closed, 0);
    CHECK_IS(tcp_set_timeouts(loop, ends[2].id, UINT32_MAX, UINT32_MAX), 0);
    no_event_comes(loop);
    CHECK_IS(send_more(&ends[2], 100), 0);
    receive_pattern(fds[2], 0, 100);
    for (int i = 0; i < 3; i++) close(fds[i]);
    close_loop(loop);
}

/* Times that are due wake a loop that waits without end, and its descriptor. */
static void a_time_that_is_over_ends_a_wait(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int fd = adopt_one_end(&end, loop, TCP(.idle_timeout_ms = 20));
    no_event_comes(loop);
    CHECK_EVENTUALLY(is_readable(evloop_fd(loop)));
    CHECK_IS(next_of_kind(loop, TCP_CLOSED).error, ETIMEDOUT);
    no_event_comes(loop);
    /* Only the caller's timers are told of as timers. */
    CHECK_IS(evloop_timer_next(loop), -EAGAIN);
    CHECK_IS(loop_counts_of(loop).timers_fired, 0);
    close(fd);
    close_loop(loop);
}

const struct test tcp_time_tests[] = {
    TEST(rates_limit_reading_and_writing),
    TEST(a_low_rate_lets_a_byte_through_and_is_lifted),
    TEST(a_held_back_connection_costs_others_nothing),
    TEST(an_idle_connection_ends_with_its_time),
    TEST(a_connection_on_which_nothing_goes_out_ends_with_its_time),
    TEST(a_slow_reader_is_waited_for),
    TEST(times_are_changed_on_the_way),
    TEST(a_time_that_is_over_ends_a_wait),
    END_OF_TESTS,
};
