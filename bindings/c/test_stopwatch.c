/* Stopwatches: exact times, ticks that do not drift, odd numbers. */
#include "check.h"
#include "process.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>

/* --- times --- */

static void a_stopwatch_tells_the_time_since_it_was_started(void)
{
    stopwatch_t watch = {0};
    int64_t before = now_ns();
    CHECK_IS(stopwatch_tic(&watch), 0);
    int64_t started = now_ns();
    CHECK(watch.started_ns >= before && watch.started_ns <= started);
    for (int i = 0; i < 1000; i++) {
        int64_t from = now_ns(), elapsed = stopwatch_toc(&watch), to = now_ns();
        CHECK(elapsed >= from - watch.started_ns && elapsed <= to - watch.started_ns);
    }
    int64_t first = watch.started_ns;
    CHECK_IS(stopwatch_tic(&watch), 0);
    CHECK(watch.started_ns > first);
    CHECK(stopwatch_toc(&watch) <= now_ns() - watch.started_ns);
}

static void between_two_rounds_no_time_is_lost(void)
{
    stopwatch_t watch = {0};
    CHECK_IS(stopwatch_tic(&watch), 0);
    int64_t first = watch.started_ns, all = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t started = watch.started_ns, round = stopwatch_round(&watch);
        CHECK_IS(round, watch.started_ns - started);
        all += round;
    }
    CHECK_IS(all, watch.started_ns - first);
    CHECK(watch.started_ns <= now_ns());
    CHECK_IS(watch.tick_ns, 0);
}

static void a_stopwatch_that_was_never_started_says_so(void)
{
    stopwatch_t watch = {0};
    CHECK_IS(stopwatch_toc(&watch), -ENODATA);
    CHECK_IS(stopwatch_round(&watch), -ENODATA);
    CHECK_IS(watch.started_ns, 0);
    CHECK_IS(stopwatch_toc(&watch), -ENODATA);
    CHECK_IS(stopwatch_sleep_until_next(&watch, 1), 0);
    CHECK_IS(stopwatch_toc(&watch), -ENODATA);
    CHECK_IS(stopwatch_tic(&watch), 0);
    CHECK(stopwatch_toc(&watch) >= 0);
}

static void every_call_says_invalid(stopwatch_t *watch)
{
    CHECK_IS(stopwatch_tic(watch), -EINVAL);
    CHECK_IS(stopwatch_toc(watch), -EINVAL);
    CHECK_IS(stopwatch_round(watch), -EINVAL);
    CHECK_IS(stopwatch_sleep_until_next(watch, SECOND), -EINVAL);
}

static void a_stopwatch_that_is_none_is_refused(void)
{
    every_call_says_invalid(NULL);
    every_call_says_invalid(MISALIGNED(stopwatch_t));
    stopwatch_t watch = {.started_ns = 7, .tick_ns = 5};
    const int64_t periods[] = {0, -1, -SECOND, INT64_MIN};
    for (size_t i = 0; i < LENGTH(periods); i++)
        CHECK_IS(stopwatch_sleep_until_next(&watch, periods[i]), -EINVAL);
    CHECK(watch.started_ns == 7 && watch.tick_ns == 5);
}

/* Nothing in it belongs to the process that began. */
static int go_on_counting(void *argument)
{
    stopwatch_t *watch = argument;
    int64_t least = now_ns() - watch->started_ns;
    CHECK(stopwatch_toc(watch) >= least);
    CHECK_IS(stopwatch_sleep_until_next(watch, MILLISECOND) < 0, 0);
    return 0;
}

static void a_stopwatch_goes_on_in_a_child(void)
{
    stopwatch_t watch = {0};
    CHECK_IS(stopwatch_tic(&watch), 0);
    in_a_child(go_on_counting, &watch);
    CHECK_IS(watch.tick_ns, 0);
}

/* --- ticks --- */

/* Calls until the next tick has been slept for; each call must have left the grid alone. */
static void await_a_tick(stopwatch_t *watch, int64_t origin, int64_t period)
{
    for (int64_t result = 1; result != 0;) {
        int64_t last = watch->tick_ns ? watch->tick_ns : origin, due = last + period;
        int64_t before = now_ns();
        result = stopwatch_sleep_until_next(watch, period);
        int64_t after = now_ns();
        CHECK_IS((watch->tick_ns - origin) % period, 0);
        CHECK(watch->tick_ns <= after);
        if (result == 0) CHECK_IS(watch->tick_ns, due);
        else CHECK(result >= before - due && result <= after - due);
    }
}

static void ticks_are_counted_from_the_start(void)
{
    enum { PERIOD = 2000000, TICKS = 20 };
    stopwatch_t watch = {0};
    CHECK_IS(stopwatch_tic(&watch), 0);
    int64_t origin = watch.started_ns;
    await_a_tick(&watch, origin, SECOND / 20);
    CHECK(watch.tick_ns > origin);
    CHECK_IS(watch.started_ns, origin);
    for (int i = 0; i < TICKS; i++) {
        int64_t last = watch.tick_ns;
        await_a_tick(&watch, last, PERIOD);
        CHECK_IS(stopwatch_tic(&watch), 0);
        CHECK(stopwatch_round(&watch) >= 0);
        CHECK((watch.tick_ns - last) % PERIOD == 0 && watch.tick_ns > last);
    }
}

static void ticks_without_a_start_are_counted_from_the_first_call(void)
{
    const int64_t period = 20 * MILLISECOND;
    stopwatch_t watch = {0};
    int64_t before = now_ns();
    CHECK_IS(stopwatch_sleep_until_next(&watch, period), 0);
    CHECK(watch.tick_ns >= before + period && watch.tick_ns <= now_ns());
    CHECK_IS(watch.started_ns, 0);
    await_a_tick(&watch, watch.tick_ns, period);
}

/* As if the last tick had been so many nanoseconds ago. */
static void misses(int64_t ago, int64_t period)
{
    int64_t before = now_ns();
    stopwatch_t watch = {.tick_ns = before - ago};
    int64_t origin = watch.tick_ns, late = stopwatch_sleep_until_next(&watch, period);
    int64_t after = now_ns();
    CHECK(late >= ago - period && late <= after - origin - period);
    CHECK_IS((watch.tick_ns - origin) % period, 0);
    CHECK(watch.tick_ns <= after && watch.tick_ns > before - period);
    if (period < MILLISECOND) return;
    int64_t last = watch.tick_ns;
    await_a_tick(&watch, origin, period);
    CHECK(watch.tick_ns > last);
}

static void ticks_that_were_missed_are_left_out(void)
{
    misses(10 * MILLISECOND + 1, 10 * MILLISECOND);
    misses(25 * MILLISECOND, 10 * MILLISECOND);
    misses(10 * SECOND + 12345, 7 * MILLISECOND);
    misses(now_ns() / 2, 3 * MILLISECOND);
    misses(now_ns() / 2, 1);
}

/* --- signals --- */

static atomic_int handled;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static void signal_every(suseconds_t microseconds)
{
    const struct timeval period = {.tv_usec = microseconds};
    const struct itimerval timer = {.it_interval = period, .it_value = period};
    CHECK_IS(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void a_signal_handler_ends_the_sleep_and_the_tick_stays(void)
{
    const int flags[] = {0, SA_RESTART};
    for (size_t i = 0; i < LENGTH(flags); i++) {
        struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags[i]};
        CHECK_IS(sigaction(SIGALRM, &action, NULL), 0);
        stopwatch_t watch = {0};
        CHECK_IS(stopwatch_tic(&watch), 0);
        int64_t origin = watch.started_ns, due = origin + SECOND / 10;
        signal_every(5000);
        CHECK_IS(stopwatch_sleep_until_next(&watch, 3600 * SECOND), -EINTR);
        CHECK(atomic_load(&handled) > 0);
        int interrupted = 0;
        int64_t result;
        while ((result = stopwatch_sleep_until_next(&watch, SECOND / 10)) == -EINTR) interrupted++;
        signal_every(0);
        CHECK_IS(result, 0);
        CHECK(interrupted > 0);
        CHECK_IS(watch.tick_ns, due);
        CHECK_IS(watch.started_ns, origin);
        CHECK(now_ns() >= due);
    }
}

/* --- a structure that somebody has written into --- */

static bool is_harmless(int64_t result)
{
    return result >= 0 || result == -EINVAL || result == -EINTR || result == -ENODATA;
}

static void odd_numbers_in_a_stopwatch_do_no_harm(void)
{
    const int64_t now = now_ns();
    const int64_t numbers[] = {INT64_MIN, INT64_MIN + 1, -now, -SECOND, -1, 0, 1, now, now + SECOND,
                               INT64_MAX / 2, INT64_MAX - 1, INT64_MAX};
    struct sigaction action = {.sa_handler = count_signal};
    CHECK_IS(sigaction(SIGALRM, &action, NULL), 0);
    signal_every(200);
    for (size_t i = 0; i < LENGTH(numbers); i++)
        for (size_t j = 0; j < LENGTH(numbers); j++)
            for (size_t k = 0; k < LENGTH(numbers); k++) {
                stopwatch_t watch = {.started_ns = numbers[i], .tick_ns = numbers[j]};
                CHECK(is_harmless(stopwatch_toc(&watch)));
                CHECK(is_harmless(stopwatch_sleep_until_next(&watch, numbers[k])));
                CHECK(is_harmless(stopwatch_round(&watch)));
            }
    /* A start that is yet to come is no error. */
    stopwatch_t watch = {.started_ns = now_ns() + 3600 * SECOND};
    CHECK_IS(stopwatch_toc(&watch), 0);
    signal_every(0);
}

const struct test stopwatch_tests[] = {
    TEST(a_stopwatch_tells_the_time_since_it_was_started),
    TEST(between_two_rounds_no_time_is_lost),
    TEST(a_stopwatch_that_was_never_started_says_so),
    TEST(a_stopwatch_that_is_none_is_refused),
    TEST(a_stopwatch_goes_on_in_a_child),
    TEST(ticks_are_counted_from_the_start),
    TEST(ticks_without_a_start_are_counted_from_the_first_call),
    TEST(ticks_that_were_missed_are_left_out),
    TEST(a_signal_handler_ends_the_sleep_and_the_tick_stays),
    TEST(odd_numbers_in_a_stopwatch_do_no_harm),
    END_OF_TESTS,
};
