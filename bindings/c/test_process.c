/* What the whole process goes through: forks, signals, want of descriptors, exit. */
#include "check.h"
#include "faults.h"
#include "process.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

/* --- forks --- */

/* What a forked child inherits: a handler of its parent's, and where that receives. */
struct legacy {
    udph_t *h;
    ph_addr_t at;
};

static int live_alone(void *argument)
{
    struct legacy *legacy = argument;
    every_call_refuses(legacy->h);
    struct pair pair = open_pair(NULL, RECEIVING);
    CHECK(pump(pair.sender, pair.receiver, pair.to, 1000, 64));
    dispatch_numbers(pair.sender, legacy->at, 42, 1);
    close_pair(&pair);
    every_call_refuses(legacy->h);
    every_call_refuses(pair.sender);
    return 0;
}

static void a_child_is_refused_its_parents_handler_and_makes_its_own(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    struct legacy legacy = {.h = pair.receiver, .at = pair.to};
    dispatch_numbers(pair.sender, pair.to, 0, 1);
    CHECK_IS(receive_number(pair.receiver), 0);
    in_a_child(live_alone, &legacy);
    CHECK_IS(receive_number(pair.receiver), 42);
    CHECK(pump(pair.sender, pair.receiver, pair.to, 1000, 64));
    close_pair(&pair);
}

static int fork_once_more(void *argument)
{
    struct legacy *legacy = argument;
    struct pair pair = open_pair(NULL, RECEIVING);
    struct legacy own = {.h = pair.receiver, .at = legacy->at};
    CHECK_EVENTUALLY(all_others_sleep());
    in_a_child(live_alone, &own);
    every_call_refuses(legacy->h);
    close_pair(&pair);
    return 0;
}

static void a_grandchild_is_refused_both_handlers(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    CHECK_EVENTUALLY(all_others_sleep());
    in_a_child(fork_once_more, &(struct legacy){.h = pair.receiver, .at = pair.to});
    CHECK_IS(receive_number(pair.receiver), 42);
    close_pair(&pair);
}

static void *pump_along(void *argument)
{
    struct pair *pair = argument;
    CHECK(pump(pair->sender, pair->receiver, pair->to, 50000, 64));
    return NULL;
}

/* Locks that some thread holds at the fork stay locked in the child. */
__attribute__((unused)) static void forks_in_the_middle_of_traffic_disturb_neither_side(void)
{
    struct pair pair = open_pair(NULL, RECEIVING), other = open_pair(NULL, RECEIVING);
    struct legacy legacy = {.h = pair.receiver, .at = other.to};
    pthread_t thread = start(pump_along, &pair);
    for (int i = 0; i < 20; i++) {
        in_a_child(live_alone, &legacy);
        CHECK_IS(receive_number(other.receiver), 42);
    }
    join(thread);
    close_pair(&pair);
    close_pair(&other);
}

static atomic_bool is_in_callback, may_leave_callback;

static void stay_in_callback(void *user, int32_t level, const char *message)
{
    (void)user, (void)level, (void)message;
    atomic_store(&is_in_callback, true);
    CHECK_EVENTUALLY(atomic_load(&may_leave_callback));
}

static int log_in_child(void *argument)
{
    (void)argument;
    CHECK_IS(ph_log_set(NULL, NULL, PH_LOG_NONE), 0);
    return 0;
}

static void a_fork_while_a_thread_logs_leaves_the_child_able_to(void)
{
    int refusing = open_refusing_socket(AF_INET);
    udph_t *h = open_handler(open_socket(AF_INET), RECEIVING);
    CHECK_IS(ph_log_set(stay_in_callback, NULL, PH_LOG_WARNING), 0);
    dispatch_numbers(h, address_of(refusing), 0, 1);
    CHECK_EVENTUALLY(atomic_load(&is_in_callback));
    in_a_child(log_in_child, NULL);
    atomic_store(&may_leave_callback, true);
    CHECK_IS(ph_log_set(NULL, NULL, PH_LOG_NONE), 0);
    close_handler(h, 0);
    close(refusing);
}

/* --- the end of the process --- */

/* Handlers in all states at once; nobody will close them. */
static void leave_handlers_behind(void)
{
    struct pair idle = open_pair(NULL, RECEIVING), busy = open_pair(NULL, RECEIVING);
    (void)idle;
    start(pump_along, &busy);
    CHECK_EVENTUALLY(stats_of(busy.receiver).delivered > 100);
}

static int exit_from_among_them(void *nothing)
{
    (void)nothing;
    leave_handlers_behind();
    exit(0);
}

static void a_process_ends_well_with_live_handlers(void)
{
    for (int round = 0; round < 20; round++) in_a_child(exit_from_among_them, NULL);
}

/* --- signals --- */

static atomic_int signals;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

/* Without SA_RESTART, as interpreters do it. */
static void handle(int number)
{
    struct sigaction action = {.sa_handler = count_signal};
    CHECK_IS(sigaction(number, &action, NULL), 0);
}

static _Atomic int64_t result_of_wait = 1;

static void *wait_for_ever(void *h)
{
    ph_datagram_t item;
    atomic_store(&result_of_wait, udph_get_recved(h, &item, 1, NULL, 0, -1));
    return NULL;
}

static void a_signal_handler_ends_a_wait(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), RECEIVING);
    handle(SIGUSR1);
    pthread_t waiter = start(wait_for_ever, h);
    CHECK_EVENTUALLY(faults_readers() == 1);
    CHECK_EVENTUALLY(all_others_sleep());
    CHECK_IS(pthread_kill(waiter, SIGUSR1), 0);
    join(waiter);
    CHECK_IS(atomic_load(&result_of_wait), -EINTR);
    CHECK(atomic_load(&signals) > 0);
    close_handler(h, 0);
}

/* A signal for the process goes to any thread that takes it; the program's all block it here. */
static void the_librarys_threads_take_no_signals(void)
{
    sigset_t blocked, pending;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    handle(SIGUSR1);
    struct pair pair = open_pair(CONFIG(.send_reactors = 2), CONFIG(.recv_reactors = 2));
    CHECK_IS(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_IS(kill(getpid(), SIGUSR1), 0);
        pump(pair.sender, pair.receiver, pair.to, 50, 64);
    }
    CHECK_IS(atomic_load(&signals), 0);
    CHECK_IS(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGUSR1));
    CHECK_IS(pthread_sigmask(SIG_UNBLOCK, &blocked, NULL), 0);
    CHECK_IS(atomic_load(&signals), 1);
    close_pair(&pair);
}

static void set_alarm_every(suseconds_t microseconds)
{
    struct timeval period = {.tv_usec = microseconds};
    struct itimerval timer = {.it_interval = period, .it_value = period};
    CHECK_IS(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void a_storm_of_signals_loses_nothing(void)
{
    enum { AT_LEAST = 50 };
    handle(SIGALRM);
    struct pair pair = open_pair(NULL, RECEIVING);
    set_alarm_every(2000);
    do CHECK(pump(pair.sender, pair.receiver, pair.to, 20000, 64));
    while (atomic_load(&signals) < AT_LEAST);
    set_alarm_every(0);
    close_pair(&pair);
}

/* --- want of descriptors --- */

/* Makes a handler while descriptors are numbered below `most`. */
static int32_t make_below(uint64_t most, int fd, const udph_config_t *config, udph_t **h)
{
    uint64_t before = limit_descriptors(most);
    int32_t result = udph_new(fd, config, h);
    limit_descriptors(before);
    return result;
}

static void lives_with_few_descriptors(int fd, const udph_config_t *config)
{
    size_t threads = count_threads(), descriptors = count_descriptors();
    udph_t *h = NULL;
    uint64_t most = (uint64_t)fd + 1;
    while (make_below(most, fd, config, &h) != 0) {
        CHECK(h == NULL);
        CHECK_EVENTUALLY(count_threads() == threads);
        CHECK_IS(count_descriptors(), descriptors);
        CHECK_IS(make_below(most, fd, config, &h), -EMFILE);
        most++;
    }
    CHECK(most > (uint64_t)fd + 1);
    CHECK(most < (uint64_t)fd + 40);
    CHECK(h != NULL);
    close_handler(h, 0);
    CHECK_IS(count_descriptors(), descriptors);
    close(fd);
}

static void a_handler_for_which_descriptors_are_short_is_not_made(void)
{
    lives_with_few_descriptors(open_socket(AF_INET), NULL);
    lives_with_few_descriptors(open_socket(AF_INET6), CONFIG(.send_reactors = 2));
    lives_with_few_descriptors(open_socket(AF_INET), CONFIG(.recv_reactors = 2));
    lives_with_few_descriptors(open_group_socket(), CONFIG(.recv_reactors = 2));
}

/* A program that another one takes the place of must not hand the handler's descriptors on. */
static void no_descriptor_survives_an_exec(void)
{
    enum { ABOVE_ALL = 100 };
    int fd = open_group_socket();
    udph_t *h = NULL;
    bool was_open[ABOVE_ALL];
    for (int i = 0; i < ABOVE_ALL; i++) was_open[i] = fcntl(i, F_GETFD) >= 0;
    CHECK_IS(udph_new(fd, CONFIG(.recv_reactors = 2, .event_fd = -1), &h), 0);
    CHECK(udph_fd(h) >= 0);
    for (int i = 0; i < ABOVE_ALL; i++) {
        int flags = fcntl(i, F_GETFD);
        if (flags >= 0 && !was_open[i]) CHECK_IS(flags & FD_CLOEXEC, FD_CLOEXEC);
    }
    close_handler(h, 0);
    close(fd);
}

const struct test process_tests[] = {
    TEST(a_child_is_refused_its_parents_handler_and_makes_its_own),
    TEST(a_grandchild_is_refused_both_handlers),
#ifndef __SANITIZE_ADDRESS__
    /* The sanitizer's allocator hangs in a child forked while another thread was inside it. */
    TEST(forks_in_the_middle_of_traffic_disturb_neither_side),
#endif
    TEST(a_process_ends_well_with_live_handlers),
    TEST(a_signal_handler_ends_a_wait),
    TEST(the_librarys_threads_take_no_signals),
    TEST(a_storm_of_signals_loses_nothing),
    TEST(a_handler_for_which_descriptors_are_short_is_not_made),
    TEST(no_descriptor_survives_an_exec),
    TEST(a_fork_while_a_thread_logs_leaves_the_child_able_to),
    END_OF_TESTS,
};
