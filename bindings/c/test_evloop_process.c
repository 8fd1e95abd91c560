/* What an event loop goes through with its process: signals, forks, want of descriptors. */
#include "check.h"
#include "faults.h"
#include "loops.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

/* --- signals --- */

static atomic_int handled;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static void handle(int number)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    sigaddset(&action.sa_mask, SIGHUP);
    CHECK_IS(sigaction(number, &action, NULL), 0);
}

static void is_handled_as_before(int number)
{
    struct sigaction action;
    CHECK_IS(sigaction(number, NULL, &action), 0);
    CHECK(action.sa_handler == count_signal);
    CHECK_IS(action.sa_flags & SA_RESTART, SA_RESTART);
    CHECK_IS(sigismember(&action.sa_mask, SIGHUP), 1);
    CHECK_IS(sigismember(&action.sa_mask, SIGUSR2), 0);
    int before = atomic_load(&handled);
    CHECK_IS(raise(number), 0);
    CHECK_IS(atomic_load(&handled), before + 1);
}

static int64_t hear(evloop_t *loop, int number, void *user)
{
    int64_t id = evloop_signal_add(loop, number, user);
    CHECK(id > 0);
    return id;
}

static void hears_signals(evloop_t *loop)
{
    handle(SIGUSR1);
    handle(SIGUSR2);
    int before = atomic_load(&handled);
    int64_t first = hear(loop, SIGUSR1, &first), second = hear(loop, SIGUSR2, &second);
    no_event_comes(loop);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++) CHECK_IS(raise(SIGUSR1), 0);
        evloop_event_t event = next_of_kind(loop, EVLOOP_SIGNAL);
        CHECK_IS(event.id, first);
        CHECK(event.user == &first);
        CHECK_IS(event.value, SIGUSR1);
        CHECK_IS(event.len, 5);
        CHECK(event.data == NULL);
        no_event_comes(loop);
    }
    CHECK_IS(raise(SIGUSR2), 0);
    evloop_event_t event = next_of_kind(loop, EVLOOP_SIGNAL);
    CHECK_IS(event.id, second);
    CHECK_IS(event.value, SIGUSR2);
    CHECK_IS(event.len, 1);
    CHECK_IS(atomic_load(&handled), before);
    CHECK_IS(evloop_del(loop, first), 0);
    is_handled_as_before(SIGUSR1);
    CHECK_IS(raise(SIGUSR2), 0);
    CHECK_IS(next_of_kind(loop, EVLOOP_SIGNAL).id, second);
    CHECK_IS(evloop_del(loop, second), 0);
    is_handled_as_before(SIGUSR2);
    every_call_with_an_id_refuses(loop, first);
    no_event_comes(loop);
}

static void signals_are_events_and_the_old_handler_comes_back(void)
{
    on_each_backend(hears_signals);
}

static void a_closed_loop_gives_the_handler_back(void)
{
    handle(SIGUSR1);
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        evloop_t *loop = open_loop(backend);
        hear(loop, SIGUSR1, NULL);
        CHECK_IS(raise(SIGUSR1), 0);
        close_loop(loop);
        is_handled_as_before(SIGUSR1);
    }
}

static void (*found)(int);

static void count_and_call_what_was_found(int number)
{
    count_signal(number);
    found(number);
}

static void a_handler_that_calls_a_closed_loops_is_called_once(void)
{
    struct sigaction action = {.sa_handler = count_and_call_what_was_found}, old;
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    hear(loop, SIGUSR1, NULL);
    CHECK_IS(sigaction(SIGUSR1, &action, &old), 0);
    found = old.sa_handler;
    close_loop(loop);
    int before = atomic_load(&handled);
    CHECK_IS(raise(SIGUSR1), 0);
    CHECK_IS(atomic_load(&handled), before + 1);
}

static void two_loops_hear_one_signal(void)
{
    handle(SIGUSR1);
    evloop_t *loops[] = {open_loop(EVLOOP_EPOLL), open_loop(EVLOOP_POLL)};
    int64_t ids[2];
    for (int i = 0; i < 2; i++) ids[i] = hear(loops[i], SIGUSR1, NULL);
    CHECK_IS(raise(SIGUSR1), 0);
    for (int i = 0; i < 2; i++) CHECK_IS(next_of_kind(loops[i], EVLOOP_SIGNAL).id, ids[i]);
    CHECK_IS(evloop_del(loops[0], ids[0]), 0);
    int before = atomic_load(&handled);
    CHECK_IS(raise(SIGUSR1), 0);
    CHECK_IS(atomic_load(&handled), before);
    no_event_comes(loops[0]);
    CHECK_IS(next_of_kind(loops[1], EVLOOP_SIGNAL).id, ids[1]);
    close_loop(loops[1]);
    is_handled_as_before(SIGUSR1);
    close_loop(loops[0]);
}

static void signals_that_cannot_be_heard_are_refused(void)
{
    const int bad[] = {0, -1, INT32_MIN, INT32_MAX, 65, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                       SIGILL, SIGABRT};
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    for (size_t i = 0; i < LENGTH(bad); i++)
        CHECK_IS(evloop_signal_add(loop, bad[i], NULL), -EINVAL);
    int64_t id = hear(loop, SIGUSR1, NULL);
    CHECK_IS(evloop_signal_add(loop, SIGUSR1, NULL), -EEXIST);
    CHECK_IS(evloop_del(loop, id), 0);
    hear(loop, SIGUSR1, NULL);
    hear(loop, SIGRTMIN, NULL);
    CHECK_IS(raise(SIGRTMIN), 0);
    CHECK_IS(next_of_kind(loop, EVLOOP_SIGNAL).value, SIGRTMIN);
    close_loop(loop);
}

/* Whichever thread the kernel has taken for it: the one that waits as well. */
static void is_woken_by_a_signal(evloop_t *loop)
{
    const struct itimerval soon = {.it_value.tv_usec = 10000};
    hear(loop, SIGALRM, NULL);
    evloop_event_t event;
    uint8_t byte;
    int64_t result;
    CHECK_IS(setitimer(ITIMER_REAL, &soon, NULL), 0);
    do result = evloop_poll(loop, &event, 1, &byte, 1, LOOP_PATIENCE_MS);
    while (result == -EINTR);
    CHECK_IS(result, 1);
    CHECK_IS(event.value, SIGALRM);
    CHECK_IS(event.len, 1);
}

static void a_signal_that_is_an_event_ends_a_wait(void)
{
    on_each_backend(is_woken_by_a_signal);
}

/* Some are swallowed by those that are pending already, and no other is. */
static void a_storm_of_signals_is_counted(void)
{
    enum { STORM = 20000 };
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    hear(loop, SIGUSR1, NULL);
    uint64_t heard = 0;
    for (int i = 0; i < STORM; i++) {
        CHECK_IS(raise(SIGUSR1), 0);
        if (i % 100 == 99) heard += next_of_kind(loop, EVLOOP_SIGNAL).len;
    }
    CHECK_IS(heard, STORM);
    close_loop(loop);
}

static evloop_t *loop_to_wake;
static atomic_int woken;

static void wake_it(int number)
{
    (void)number;
    if (evloop_wake(loop_to_wake) == 0) atomic_fetch_add(&woken, 1);
}

/* In the middle of any call: whatever that has locked. */
static void is_woken_by_a_handler(evloop_t *loop)
{
    enum { AT_LEAST = 100 };
    const struct itimerval often = {.it_value.tv_usec = 500, .it_interval.tv_usec = 500};
    struct sigaction action = {.sa_handler = wake_it, .sa_flags = SA_RESTART};
    struct link link;
    open_link(&link, loop, NULL, NULL);
    loop_to_wake = loop;
    atomic_store(&woken, 0);
    CHECK_IS(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_IS(setitimer(ITIMER_REAL, &often, NULL), 0);
    while (atomic_load(&woken) < AT_LEAST) {
        carry_over(&link.client, &link.server, 10000);
        int64_t id = add_timer(loop, SECOND, 0, NULL);
        CHECK_IS(evloop_timer_del(loop, &id, 1), 1);
    }
    CHECK_IS(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 0}, NULL), 0);
    close_link(&link);
    while (turn(loop, 0) > 0) continue;
    no_event_comes(loop);
}

static void a_signal_handler_wakes_a_loop(void)
{
    on_each_backend(is_woken_by_a_handler);
}

/* SIGPIPE would end the process. */
static void writing_to_who_has_gone_raises_no_signal(void)
{
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        evloop_t *loop = open_loop(backend);
        struct end ends[20];
        for (size_t i = 0; i < LENGTH(ends); i++) {
            close(adopt_one_end(&ends[i], loop, NULL));
            for (int times = 0; times < 3; times++) {
                int64_t result = send_more(&ends[i], 1 + i * 10000);
                CHECK(result >= 0 || result == -EPIPE || result == -ECONNRESET);
            }
        }
        for (size_t i = 0; i < LENGTH(ends); i++) TURN_UNTIL(loop, ends[i].closed);
        CHECK(evloop_close(loop) >= 0);
    }
    ph_addr_t at;
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    int listener = listen_plainly(1, &at);
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)at.port);
    struct end end;
    begin_connecting(&end, loop, "127.0.0.1", service, NULL);
    TURN_UNTIL(loop, end.connected);
    close(accept_plainly(listener));
    for (int i = 0; i < 100 && !end.closed; i++) {
        send_more(&end, 100000);
        turn(loop, 1);
    }
    TURN_UNTIL(loop, end.closed);
    CHECK(end.error == EPIPE || end.error == ECONNRESET);
    close(listener);
    close_loop(loop);
}

/* --- forks --- */

static int is_refused_in_the_child(void *argument)
{
    struct link *link = argument;
    every_loop_call_refuses(link->client.loop);
    evloop_t *own = open_loop(EVLOOP_EPOLL);
    struct link other;
    add_timer(own, 0, 0, NULL);
    next_of_kind(own, EVLOOP_TIMER);
    open_link(&other, own, NULL, NULL);
    carry_over(&other.client, &other.server, 100000);
    close_link(&other);
    every_loop_call_refuses(link->client.loop);
    close_loop(own);
    return 0;
}

static void lives_on_beside_a_child(evloop_t *loop)
{
    struct link link;
    open_link(&link, loop, NULL, NULL);
    add_timer(loop, 3600 * SECOND, 0, NULL);
    hear(loop, SIGUSR1, NULL);
    for (int round = 0; round < 3; round++) {
        carry_over(&link.client, &link.server, 50000);
        in_a_child(is_refused_in_the_child, &link);
        carry_over(&link.server, &link.client, 50000);
    }
    CHECK_IS(raise(SIGUSR1), 0);
    CHECK_IS(next_of_kind(loop, EVLOOP_SIGNAL).value, SIGUSR1);
    close_link(&link);
}

static void a_child_is_refused_its_parents_loop_and_makes_its_own(void)
{
    on_each_backend(lives_on_beside_a_child);
}

static int exits_at_once(void *loop)
{
    every_loop_call_refuses(loop);
    exit(0);
}

static void *poll_until_closed(void *loop)
{
    evloop_event_t event;
    uint8_t byte;
    int64_t result;
    do result = evloop_poll(loop, &event, 1, &byte, 1, -1);
    while (result > 0);
    CHECK_IS(result, -ESHUTDOWN);
    return NULL;
}

__attribute__((unused)) static void a_fork_while_a_thread_polls_disturbs_neither(void)
{
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        evloop_t *loop = open_loop(backend);
        pthread_t thread = start(poll_until_closed, loop);
        for (int round = 0; round < 20; round++) {
            CHECK_IS(evloop_wake(loop), 0);
            in_a_child(exits_at_once, loop);
        }
        close_loop(loop);
        join(thread);
    }
}

/* The child has the default action back: it dies of a signal that its parent's loop hears. */
static int dies_of_sigterm(void *nothing)
{
    (void)nothing;
    struct sigaction action;
    CHECK_IS(sigaction(SIGTERM, NULL, &action), 0);
    raise(SIGTERM);
    return 0;
}

static void a_signal_of_a_childs_is_none_of_its_parents_loop(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    hear(loop, SIGTERM, NULL);
    await_child_killed_by(start_child(dies_of_sigterm, NULL), SIGTERM);
    no_event_comes(loop);
    close_loop(loop);
}

static int ends_with_everything_open(void *nothing)
{
    (void)nothing;
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        static struct link links[EVLOOP_SELECT + 1];
        evloop_t *loop = open_loop(backend);
        open_link(&links[backend], loop, NULL, NULL);
        for (int i = 0; i < 100; i++) send_more(&links[backend].client, 10000);
        add_timer(loop, MILLISECOND, MILLISECOND, NULL);
        hear(loop, SIGUSR1, NULL);
        start(poll_until_closed, loop);
    }
    exit(0);
}

static void a_process_ends_well_with_live_loops(void)
{
    for (int round = 0; round < 10; round++) in_a_child(ends_with_everything_open, NULL);
}

/* --- want of descriptors --- */

static void a_loop_for_which_descriptors_are_short_is_not_made(void)
{
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        size_t descriptors = count_descriptors();
        int lowest = dup(STDIN_FILENO);
        close(lowest);
        evloop_t *const untouched = (evloop_t *)(uintptr_t)42;
        evloop_t *loop = untouched;
        int32_t result = -EMFILE;
        for (int more = 0; result != 0; more++) {
            CHECK(more < 10);
            CHECK(loop == untouched);
            CHECK_IS(result, -EMFILE);
            CHECK_IS(count_descriptors(), descriptors);
            uint64_t before = limit_descriptors((uint64_t)(lowest + more));
            result = evloop_new(LOOP(.backend = backend), &loop);
            limit_descriptors(before);
        }
        CHECK_IS(evloop_wake(loop), 0);
        next_of_kind(loop, EVLOOP_WAKE);
        close_loop(loop);
        CHECK_IS(count_descriptors(), descriptors);
    }
}

/* A program that another one takes the place of must not hand the loop's descriptors on. */
static void no_descriptor_of_a_loop_survives_an_exec(void)
{
    enum { ABOVE_ALL = 100 };
    bool was_open[ABOVE_ALL];
    for (int i = 0; i < ABOVE_ALL; i++) was_open[i] = fcntl(i, F_GETFD) >= 0;
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        evloop_t *loop = open_loop(backend);
        struct link link;
        struct end adopted;
        hear(loop, SIGUSR1, NULL);
        add_timer(loop, SECOND, 0, NULL);
        open_link(&link, loop, NULL, NULL);
        close(adopt_one_end(&adopted, loop, NULL));
        for (int i = 0; i < ABOVE_ALL; i++) {
            int flags = fcntl(i, F_GETFD);
            if (flags >= 0 && !was_open[i]) CHECK_IS(flags & FD_CLOEXEC, FD_CLOEXEC);
        }
        close_loop(loop);
    }
}

/* --- calls that fail --- */

/* Each such call that making a loop takes fails in turn. */
static void making_survives(enum faults_call call, int error)
{
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        size_t descriptors = count_descriptors();
        for (uint64_t nth = 1;; nth++) {
            evloop_t *loop = NULL;
            faults_fail(call, error, nth, 1);
            int32_t result = evloop_new(LOOP(.backend = backend), &loop);
            if (faults_end(call) == 0) {
                CHECK_IS(result, 0);
                CHECK_IS(evloop_close(loop), 0);
                break;
            }
            CHECK_IS(result, -error);
            CHECK_IS(count_descriptors(), descriptors);
        }
        CHECK_IS(count_descriptors(), descriptors);
    }
}

static void a_loop_is_made_whole_or_not_at_all(void)
{
    making_survives(FAULTS_EPOLL_CREATE, EMFILE);
    making_survives(FAULTS_EVENTFD, ENFILE);
    making_survives(FAULTS_EPOLL_CTL, ENOSPC);
}

static void a_watch_that_the_kernel_refuses_is_not_there(void)
{
    struct wire wire = open_pipe();
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    faults_fail(FAULTS_EPOLL_CTL, ENOSPC, 1, 1);
    CHECK_IS(evloop_add(loop, wire.in, EVLOOP_READ, NULL), -ENOSPC);
    CHECK_IS(faults_end(FAULTS_EPOLL_CTL), 1);
    CHECK_IS(loop_counts_of(loop).watches, 0);
    int64_t id = watch(loop, wire.in, EVLOOP_READ, NULL);
    put_byte(wire.out);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).id, id);
    close_wire(wire);
    close_loop(loop);
}

const struct test evloop_process_tests[] = {
    TEST(signals_are_events_and_the_old_handler_comes_back),
    TEST(a_closed_loop_gives_the_handler_back),
    TEST(a_handler_that_calls_a_closed_loops_is_called_once),
    TEST(two_loops_hear_one_signal),
    TEST(signals_that_cannot_be_heard_are_refused),
    TEST(a_signal_that_is_an_event_ends_a_wait),
    TEST(a_storm_of_signals_is_counted),
    TEST(a_signal_handler_wakes_a_loop),
    TEST(writing_to_who_has_gone_raises_no_signal),
    TEST(a_child_is_refused_its_parents_loop_and_makes_its_own),
#ifndef __SANITIZE_ADDRESS__
    /* The sanitizer's allocator hangs in a child forked while another thread was inside it. */
    TEST(a_fork_while_a_thread_polls_disturbs_neither),
#endif
    TEST(a_signal_of_a_childs_is_none_of_its_parents_loop),
    TEST(a_process_ends_well_with_live_loops),
    TEST(a_loop_for_which_descriptors_are_short_is_not_made),
    TEST(no_descriptor_of_a_loop_survives_an_exec),
    TEST(a_loop_is_made_whole_or_not_at_all),
    TEST(a_watch_that_the_kernel_refuses_is_not_there),
    END_OF_TESTS,
};
