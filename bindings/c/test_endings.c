/* Closing: what is drained and what reported, who is woken, what is left behind. */
#include "check.h"
#include "faults.h"
#include "support.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* What a thread that uses a handler until it is closed hands back. */
struct user {
    udph_t *h;
    ph_addr_t to;
    uint64_t datagrams;
    int64_t last, ended;
};

static void *wait_for_datagrams(void *argument)
{
    struct user *user = argument;
    ph_datagram_t items[64];
    uint8_t buffer[64 * sizeof(uint32_t)];
    while ((user->last = udph_get_recved(user->h, items, 64, buffer, sizeof buffer, -1)) > 0)
        user->datagrams += (uint64_t)user->last;
    user->ended = now_ns();
    return NULL;
}

static void *dispatch_for_ever(void *argument)
{
    struct user *user = argument;
    uint32_t number = 0;
    ph_datagram_t items[64];
    for (size_t i = 0; i < LENGTH(items); i++)
        items[i] = (ph_datagram_t){
            .addr = user->to, .data = (const uint8_t *)&number, .len = sizeof number};
    do {
        user->last = udph_dispatch(user->h, items, LENGTH(items), -1);
        if (user->last > 0) user->datagrams += (uint64_t)user->last;
    } while (user->last > 0 || user->last == -EAGAIN);
    user->ended = now_ns();
    return NULL;
}

static bool says_closed(int64_t result)
{
    return result == -ESHUTDOWN || result == -EBADF;
}

/* --- draining --- */

static void a_close_sends_what_is_queued(void)
{
    enum { COUNT = 200 };
    for (uint32_t round = 0; round < 50; round++) {
        struct pair pair = open_pair(NULL, RECEIVING);
        dispatch_numbers(pair.sender, pair.to, 0, COUNT);
        CHECK_IS(close_handler(pair.sender, 5000).sent, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) CHECK_IS(receive_number(pair.receiver), i);
        close_handler(pair.receiver, 0);
    }
}

static void a_close_without_a_deadline_reports_exactly_what_is_left(void)
{
    enum { COUNT = 100 };
    struct pair pair = open_pair(NULL, RECEIVING);
    dispatch_numbers(pair.sender, pair.to, 0, COUNT);
    CHECK_EVENTUALLY(udph_queued_send(pair.sender) == 0);
    faults_stall_sending();
    dispatch_numbers(pair.sender, pair.to, COUNT, COUNT);
    CHECK_EVENTUALLY(faults_waits() > 0);
    dispatch_numbers(pair.sender, pair.to, 2 * COUNT, COUNT);
    int64_t started = now_ns();
    udph_stats_t last = close_handler(pair.sender, 0);
    CHECK(now_ns() - started < SECOND);
    CHECK_IS(last.sent, COUNT);
    CHECK_IS(last.send_unsent, 2 * COUNT);
    faults_resume_sending();
    for (uint32_t i = 0; i < COUNT; i++) CHECK_IS(receive_number(pair.receiver), i);
    close_handler(pair.receiver, 0);
}

static void *resume_once_closing(void *h)
{
    CHECK_EVENTUALLY(udph_queued_send(h) == -EBADF);
    faults_resume_sending();
    return NULL;
}

static void a_close_goes_on_sending_as_soon_as_it_can(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    faults_stall_sending();
    dispatch_numbers(pair.sender, pair.to, 0, 100);
    pthread_t thread = start(resume_once_closing, pair.sender);
    int64_t started = now_ns();
    CHECK_IS(close_handler(pair.sender, 10000).sent, 100);
    CHECK(now_ns() - started < 5 * SECOND);
    join(thread);
    for (uint32_t i = 0; i < 100; i++) CHECK_IS(receive_number(pair.receiver), i);
    close_handler(pair.receiver, 0);
}

static void a_close_without_buffers_in_the_kernel_ends_at_its_deadline(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    faults_fail_sending(ENOBUFS, 1);
    dispatch_numbers(pair.sender, pair.to, 0, 10);
    int64_t started = now_ns();
    CHECK_IS(close_handler(pair.sender, 200).send_unsent, 10);
    CHECK(now_ns() - started >= 200 * MILLISECOND);
    CHECK(now_ns() - started < SECOND);
    faults_fail_sending(0, 0);
    close_handler(pair.receiver, 0);
}

static void what_nobody_picked_up_is_counted(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    dispatch_numbers(pair.sender, pair.to, 0, 50);
    CHECK_EVENTUALLY(udph_queued_recved(pair.receiver) == 50);
    CHECK_IS(receive_number(pair.receiver), 0);
    close_handler(pair.sender, 1000);
    udph_stats_t last = close_handler(pair.receiver, 0);
    CHECK_IS(last.recv_unread, 49);
    CHECK_IS(last.delivered, 1);
}

/* --- others inside --- */

enum { WAITERS = 8 };

static void *wait_for_room(void *argument)
{
    struct user *user = argument;
    ph_datagram_t item = {.addr = user->to};
    user->last = udph_dispatch(user->h, &item, 1, -1);
    user->ended = now_ns();
    return NULL;
}

/* Joins threads that waited when the close began: each was told, and soon. */
static void check_woken(const struct user *users, const pthread_t *threads, int64_t started)
{
    for (int i = 0; i < WAITERS; i++) {
        join(threads[i]);
        CHECK(says_closed(users[i].last));
        CHECK(users[i].ended - started < 100 * MILLISECOND);
    }
}

static void a_close_wakes_all_who_wait_for_datagrams(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), RECEIVING);
    struct user users[WAITERS];
    pthread_t threads[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        users[i] = (struct user){.h = h};
        threads[i] = start(wait_for_datagrams, &users[i]);
    }
    CHECK_EVENTUALLY(faults_readers() == WAITERS);
    int64_t started = now_ns();
    close_handler(h, 0);
    check_woken(users, threads, started);
    every_call_refuses(h);
}

static void a_close_wakes_all_who_wait_for_room(void)
{
    struct pair pair =
        open_pair(CONFIG(.send_queue_items = 1, .send_policy = UDPH_WAIT), RECEIVING);
    faults_stall_sending();
    dispatch_numbers(pair.sender, pair.to, 0, 1);
    CHECK_EVENTUALLY(faults_waits() > 0);
    dispatch_numbers(pair.sender, pair.to, 1, 1);
    struct user users[WAITERS];
    pthread_t threads[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        users[i] = (struct user){.h = pair.sender, .to = pair.to};
        threads[i] = start(wait_for_room, &users[i]);
    }
    CHECK_EVENTUALLY(all_others_sleep());
    int64_t started = now_ns();
    CHECK_IS(close_handler(pair.sender, 0).send_unsent, 2);
    check_woken(users, threads, started);
    faults_resume_sending();
    close_handler(pair.receiver, 0);
}

static pthread_barrier_t start_line;

static void *close_at_once(void *argument)
{
    struct user *user = argument;
    pthread_barrier_wait(&start_line);
    user->last = udph_close(user->h, 1000, NULL);
    return NULL;
}

static void of_many_that_close_exactly_one_succeeds(void)
{
    CHECK_IS(pthread_barrier_init(&start_line, NULL, WAITERS), 0);
    for (int round = 0; round < 100; round++) {
        udph_t *h = open_handler(open_socket(AF_INET), CONFIG(.recv_reactors = 2));
        struct user users[WAITERS];
        pthread_t threads[WAITERS];
        for (int i = 0; i < WAITERS; i++) {
            users[i] = (struct user){.h = h};
            threads[i] = start(close_at_once, &users[i]);
        }
        int succeeded = 0;
        for (int i = 0; i < WAITERS; i++) {
            join(threads[i]);
            CHECK(users[i].last == 0 || users[i].last == -EBADF);
            succeeded += users[i].last == 0;
        }
        CHECK_IS(succeeded, 1);
    }
}

/* Asks for everything that can be asked for without waiting, until the handler is closed. */
static void *ask_for_everything(void *argument)
{
    struct user *user = argument;
    do {
        udph_stats_t stats = {.size = sizeof stats};
        udph_reactor_stats_t reactors[4];
        ph_error_t error;
        udph_stats(user->h, &stats);
        udph_reactor_stats(user->h, reactors, LENGTH(reactors));
        udph_get_error(user->h, &error, 1);
        udph_stats_send_avg(user->h, 1);
        udph_queued_recved(user->h);
        user->last = udph_fd(user->h);
    } while (user->last >= 0);
    return NULL;
}

static void a_close_in_the_middle_of_every_call_is_safe(void)
{
    void *(*const bodies[])(void *) = {ask_for_everything, dispatch_for_ever, wait_for_datagrams,
                                       ask_for_everything};
    for (int round = 0; round < 30; round++) {
        int own = open_socket(AF_INET);
        ph_addr_t to = address_of(own);
        udph_t *h = open_handler(own, CONFIG(.recv_reactors = 2, .send_reactors = 2));
        struct user users[LENGTH(bodies)];
        pthread_t threads[LENGTH(bodies)];
        for (size_t i = 0; i < LENGTH(bodies); i++) {
            users[i] = (struct user){.h = h, .to = to};
            threads[i] = start(bodies[i], &users[i]);
        }
        CHECK_EVENTUALLY(udph_queued_recved(h) > 0 || stats_of(h).delivered > 0);
        CHECK(udph_close(h, 0, NULL) >= 0);
        for (size_t i = 0; i < LENGTH(bodies); i++) {
            join(threads[i]);
            CHECK(says_closed(users[i].last));
        }
    }
}

static void a_close_that_drains_wakes_the_waiters_first(void)
{
    struct pair pair = open_pair(RECEIVING, RECEIVING);
    faults_stall_sending();
    dispatch_numbers(pair.sender, pair.to, 0, 1);
    CHECK_EVENTUALLY(faults_waits() > 0);
    struct user waiter = {.h = pair.sender};
    pthread_t thread = start(wait_for_datagrams, &waiter);
    CHECK_EVENTUALLY(faults_readers() == 1);
    int64_t started = now_ns();
    CHECK_IS(udph_close(pair.sender, 1000, NULL), 1);
    CHECK(now_ns() - started >= SECOND);
    join(thread);
    CHECK(says_closed(waiter.last));
    CHECK(waiter.ended - started < SECOND / 2);
    faults_resume_sending();
    close_handler(pair.receiver, 0);
}

static void the_counts_add_up_when_closed_in_the_middle(void)
{
    for (int round = 0; round < 100; round++) {
        int own = open_socket(AF_INET);
        ph_addr_t to = address_of(own);
        udph_t *h = open_handler(own, CONFIG(
            .recv_reactors = 1, .send_queue_items = 1000,
            .send_policy = round % 2 ? UDPH_WAIT : UDPH_REFUSE));
        struct user users[4];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            users[i] = (struct user){.h = h, .to = to};
            threads[i] = start(i < 2 ? dispatch_for_ever : wait_for_datagrams, &users[i]);
        }
        CHECK_EVENTUALLY(stats_of(h).delivered > 1000);
        udph_stats_t last = close_handler(h, 0);
        for (int i = 0; i < 4; i++) {
            join(threads[i]);
            CHECK(says_closed(users[i].last));
        }
        CHECK_IS(last.dispatched, users[0].datagrams + users[1].datagrams);
        CHECK_IS(last.delivered, users[2].datagrams + users[3].datagrams);
    }
}

/* --- what stays --- */

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    CHECK_IS(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

static void the_callers_socket_is_left_as_it_was(void)
{
    int own = open_socket(AF_INET), kept = dup(own);
    close_handler(open_handler(own, RECEIVING), 0);
    CHECK_IS(option_of(kept, IPPROTO_IP, IP_RECVERR), 0);
    CHECK_IS(option_of(kept, SOL_SOCKET, SO_TIMESTAMPNS), 0);
    CHECK_IS(option_of(kept, IPPROTO_UDP, UDP_GRO), 0);
    close(kept);
}

static void a_port_is_free_again_after_the_close(void)
{
    int own = open_socket(AF_INET);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    CHECK_IS(getsockname(own, (struct sockaddr *)&address, &size), 0);
    for (int round = 0; round < 20; round++) {
        close_handler(open_handler(own, CONFIG(.recv_reactors = 2)), 0);
        own = socket(AF_INET, SOCK_DGRAM, 0);
        CHECK_IS(bind(own, (struct sockaddr *)&address, size), 0);
    }
    close(own);
}

static void lives_of_all_kinds_leave_nothing_behind(void)
{
    size_t threads = count_threads(), descriptors = count_descriptors();
    for (int round = 0; round < 30; round++) {
        udph_t *single = open_handler(open_socket(AF_INET6), RECEIVING);
        udph_t *many = open_handler(open_group_socket(), CONFIG(
            .send_reactors = 4, .recv_reactors = 4, .recv_sockets_a_reactor = 3));
        udph_fd(many);
        close_handler(many, 0);
        close_handler(single, 1000);
        CHECK_EVENTUALLY(count_threads() == threads);
        CHECK_IS(count_descriptors(), descriptors);
    }
}

struct closer {
    udph_t *h;
    atomic_int calls;
    _Atomic int64_t result;
};

static void close_it(void *user, int32_t level, const char *message)
{
    struct closer *closer = user;
    (void)level, (void)message;
    if (atomic_fetch_add(&closer->calls, 1) == 0)
        atomic_store(&closer->result, udph_close(closer->h, 0, NULL));
}

/* The callback runs on a thread that the close would wait for. */
static void a_close_by_the_log_callback_neither_hangs_nor_panics(void)
{
    int refusing = open_refusing_socket(AF_INET);
    struct closer closer = {.h = open_handler(open_socket(AF_INET), RECEIVING), .result = 1};
    CHECK_IS(ph_log_set(close_it, &closer, PH_LOG_WARNING), 0);
    dispatch_numbers(closer.h, address_of(refusing), 0, 1);
    CHECK_EVENTUALLY(atomic_load(&closer.result) != 1);
    CHECK_IS(ph_log_set(NULL, NULL, PH_LOG_NONE), 0);
    CHECK_IS(atomic_load(&closer.result), -EDEADLK);
    close_handler(closer.h, 1000);
    close(refusing);
}

const struct test ending_tests[] = {
    TEST(a_close_sends_what_is_queued),
    TEST(a_close_without_a_deadline_reports_exactly_what_is_left),
    TEST(a_close_goes_on_sending_as_soon_as_it_can),
    TEST(a_close_without_buffers_in_the_kernel_ends_at_its_deadline),
    TEST(what_nobody_picked_up_is_counted),
    TEST(a_close_wakes_all_who_wait_for_datagrams),
    TEST(a_close_wakes_all_who_wait_for_room),
    TEST(of_many_that_close_exactly_one_succeeds),
    TEST(a_close_in_the_middle_of_every_call_is_safe),
    TEST(a_close_that_drains_wakes_the_waiters_first),
    TEST(the_counts_add_up_when_closed_in_the_middle),
    TEST(the_callers_socket_is_left_as_it_was),
    TEST(a_port_is_free_again_after_the_close),
    TEST(lives_of_all_kinds_leave_nothing_behind),
    TEST(a_close_by_the_log_callback_neither_hangs_nor_panics),
    END_OF_TESTS,
};
