/* One loop and many threads: who waits, who is told that another does, who ends a wait. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

static void ignore(void *user, const evloop_event_t *event)
{
    (void)user, (void)event;
}

struct waiter {
    evloop_t *loop;
    int64_t result;
    evloop_event_t event;
};

/* Whoever looks whether the loop is busy keeps it busy for a moment. */
static void *poll_for_ever(void *argument)
{
    struct waiter *waiter = argument;
    uint8_t byte;
    do waiter->result = evloop_poll(waiter->loop, &waiter->event, 1, &byte, 1, -1);
    while (waiter->result == -EBUSY);
    return NULL;
}

static void *run_for_ever(void *argument)
{
    struct waiter *waiter = argument;
    do waiter->result = evloop_run(waiter->loop, ignore, NULL);
    while (waiter->result == -EBUSY);
    return NULL;
}

static void *run_once_for_ever(void *argument)
{
    struct waiter *waiter = argument;
    do waiter->result = evloop_run_once(waiter->loop, ignore, NULL, -1);
    while (waiter->result == -EBUSY);
    return NULL;
}

static void *(*const WAITS[])(void *) = {poll_for_ever, run_for_ever, run_once_for_ever};

/* Whether a thread is inside; there may be nothing else to poll for. */
static bool is_busy(evloop_t *loop)
{
    evloop_event_t event;
    uint8_t byte;
    int64_t result = evloop_poll(loop, &event, 1, &byte, 1, 0);
    CHECK(result == -EAGAIN || result == -EBUSY);
    return result == -EBUSY;
}

static pthread_t start_waiting(struct waiter *waiter, void *(*wait)(void *))
{
    pthread_t thread = start(wait, waiter);
    CHECK_EVENTUALLY(is_busy(waiter->loop) && all_others_sleep());
    return thread;
}

static void is_woken_by_another_thread(evloop_t *loop)
{
    struct waiter waiter = {.loop = loop};
    pthread_t thread = start_waiting(&waiter, poll_for_ever);
    CHECK_IS(evloop_wake(loop), 0);
    join(thread);
    CHECK_IS(waiter.result, 1);
    CHECK_IS(waiter.event.kind, EVLOOP_WAKE);
    thread = start_waiting(&waiter, run_for_ever);
    CHECK_IS(evloop_stop(loop), 0);
    join(thread);
    CHECK_IS(waiter.result, 0);
    thread = start_waiting(&waiter, poll_for_ever);
    int64_t due = now_ns() + 10 * MILLISECOND;
    int64_t id = add_timer(loop, 10 * MILLISECOND, 0, NULL);
    join(thread);
    CHECK(now_ns() >= due);
    CHECK_IS(waiter.result, 1);
    CHECK_IS(waiter.event.id, id);
    no_event_comes(loop);
}

static void another_thread_wakes_stops_and_adds_timers(void)
{
    on_each_backend(is_woken_by_another_thread);
}

static void tells_a_second_thread_that_it_is_busy(evloop_t *loop)
{
    struct waiter waiter = {.loop = loop};
    evloop_event_t event;
    uint8_t byte;
    pthread_t thread = start_waiting(&waiter, poll_for_ever);
    CHECK_IS(evloop_poll(loop, &event, 1, &byte, 1, -1), -EBUSY);
    CHECK_IS(evloop_run_once(loop, ignore, NULL, -1), -EBUSY);
    CHECK_IS(evloop_run(loop, ignore, NULL), -EBUSY);
    CHECK_IS(evloop_wake(loop), 0);
    join(thread);
    CHECK_IS(waiter.result, 1);
}

static void a_second_thread_is_told_that_the_loop_is_busy(void)
{
    on_each_backend(tells_a_second_thread_that_it_is_busy);
}

static void a_close_ends_every_kind_of_wait(void)
{
    const uint32_t backends[] = {EVLOOP_EPOLL, EVLOOP_POLL, EVLOOP_SELECT};
    for (size_t i = 0; i < LENGTH(backends) * LENGTH(WAITS); i++) {
        size_t descriptors = count_descriptors();
        struct waiter waiter = {.loop = open_loop(backends[i % LENGTH(backends)])};
        pthread_t thread = start_waiting(&waiter, WAITS[i / LENGTH(backends)]);
        close_loop(waiter.loop);
        join(thread);
        CHECK_IS(waiter.result, -ESHUTDOWN);
        every_loop_call_refuses(waiter.loop);
        CHECK_EVENTUALLY(count_descriptors() == descriptors);
    }
}

static void do_nothing(int number)
{
    (void)number;
}

/* Without SA_RESTART, as interpreters do it. */
static void a_signal_handler_ends_every_kind_of_wait(void)
{
    const uint32_t backends[] = {EVLOOP_EPOLL, EVLOOP_POLL, EVLOOP_SELECT};
    struct sigaction action = {.sa_handler = do_nothing};
    CHECK_IS(sigaction(SIGUSR1, &action, NULL), 0);
    for (size_t i = 0; i < LENGTH(backends) * LENGTH(WAITS); i++) {
        struct waiter waiter = {.loop = open_loop(backends[i % LENGTH(backends)])};
        pthread_t thread = start_waiting(&waiter, WAITS[i / LENGTH(backends)]);
        CHECK_IS(pthread_kill(thread, SIGUSR1), 0);
        join(thread);
        CHECK_IS(waiter.result, -EINTR);
        no_event_comes(waiter.loop);
        close_loop(waiter.loop);
    }
}

enum { THREADS = 8, TIMES = 2000 };

static pthread_barrier_t start_line;
static atomic_int still_at_work;

static void *wake_and_stop(void *argument)
{
    evloop_t *loop = argument;
    pthread_barrier_wait(&start_line);
    for (int i = 0; i < TIMES; i++) {
        CHECK_IS(evloop_wake(loop), 0);
        CHECK_IS(evloop_stop(loop), 0);
    }
    atomic_fetch_sub(&still_at_work, 1);
    return NULL;
}

/* The last of each must be told of after it was asked for. */
static void is_woken_by_many(evloop_t *loop)
{
    pthread_t threads[THREADS];
    uint64_t wakes = 0, stops = 0;
    CHECK_IS(pthread_barrier_init(&start_line, NULL, THREADS), 0);
    atomic_store(&still_at_work, THREADS);
    for (int i = 0; i < THREADS; i++) threads[i] = start(wake_and_stop, loop);
    bool is_last = false;
    for (evloop_event_t event; !is_last;) {
        uint8_t byte;
        is_last = atomic_load(&still_at_work) == 0;
        while (evloop_poll(loop, &event, 1, &byte, 1, is_last ? 0 : 5) == 1) {
            CHECK(event.kind == EVLOOP_WAKE || event.kind == EVLOOP_STOP);
            wakes += event.kind == EVLOOP_WAKE;
            stops += event.kind == EVLOOP_STOP;
        }
    }
    for (int i = 0; i < THREADS; i++) join(threads[i]);
    CHECK(wakes >= 1 && wakes <= THREADS * TIMES);
    CHECK(stops >= 1 && stops <= THREADS * TIMES);
    no_event_comes(loop);
}

static void many_threads_wake_and_stop_one_loop(void)
{
    on_each_backend(is_woken_by_many);
}

static void *close_at_once(void *argument)
{
    struct waiter *waiter = argument;
    pthread_barrier_wait(&start_line);
    waiter->result = evloop_close(waiter->loop);
    return NULL;
}

static void of_many_that_close_a_loop_exactly_one_succeeds(void)
{
    CHECK_IS(pthread_barrier_init(&start_line, NULL, THREADS), 0);
    for (int round = 0; round < 50; round++) {
        struct waiter waiters[THREADS];
        pthread_t threads[THREADS];
        evloop_t *loop = open_loop(EVLOOP_EPOLL);
        for (int i = 0; i < THREADS; i++) {
            waiters[i] = (struct waiter){.loop = loop};
            threads[i] = start(close_at_once, &waiters[i]);
        }
        int succeeded = 0;
        for (int i = 0; i < THREADS; i++) {
            join(threads[i]);
            CHECK(waiters[i].result == 0 || waiters[i].result == -EBADF);
            succeeded += waiters[i].result == 0;
        }
        CHECK_IS(succeeded, 1);
    }
}

static void a_shutdown_ends_every_kind_of_wait(void)
{
    for (size_t i = 0; i < LENGTH(WAITS); i++) {
        struct waiter waiter = {.loop = open_loop(EVLOOP_EPOLL)};
        pthread_t thread = start_waiting(&waiter, WAITS[i]);
        CHECK_IS(evloop_shutdown(waiter.loop, 0), 0);
        join(thread);
        CHECK_IS(waiter.result, WAITS[i] == run_for_ever ? 0 : -ESHUTDOWN);
        close_loop(waiter.loop);
    }
}

const struct test evloop_thread_tests[] = {
    TEST(another_thread_wakes_stops_and_adds_timers),
    TEST(a_second_thread_is_told_that_the_loop_is_busy),
    TEST(a_close_ends_every_kind_of_wait),
    TEST(a_signal_handler_ends_every_kind_of_wait),
    TEST(many_threads_wake_and_stop_one_loop),
    TEST(of_many_that_close_a_loop_exactly_one_succeeds),
    TEST(a_shutdown_ends_every_kind_of_wait),
    END_OF_TESTS,
};
