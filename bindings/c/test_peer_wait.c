/* Runs that are picked up bit by bit, the descriptor that tells of them, and waiting. */
#include "check.h"
#include "faults.h"
#include "peers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

/* --- runs and their leftovers --- */

enum { RUN = 60, SIZE = 50 };

/* A run that the kernel hands over as one message, of which `taken` have been taken. */
static peer_t *open_with_a_run(uint32_t taken)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_datagram_t items[64];
    uint8_t buffer[64 * SIZE];
    CHECK_IS(peer_receive(h, items, NULL, 64, buffer, sizeof buffer, 0), -EAGAIN);
    CHECK_IS(counts_of(h).uses_gro, 1);
    CHECK_IS(send_numbers(h, where(h), 0, RUN, SIZE), RUN);
    if (taken > 0) CHECK_IS(peer_receive(h, items, NULL, taken, buffer, sizeof buffer, 0), taken);
    for (uint32_t i = 0; i < taken; i++) check_number(&items[i], i, SIZE);
    return h;
}

static uint32_t take_several(peer_t *h, uint32_t first, size_t n)
{
    ph_datagram_t items[RUN];
    uint8_t buffer[RUN * SIZE];
    int64_t taken = peer_receive(h, items, NULL, n, buffer, sizeof buffer, 0);
    CHECK(taken > 0);
    for (int64_t i = 0; i < taken; i++) check_number(&items[i], first + (uint32_t)i, SIZE);
    return (uint32_t)taken;
}

static uint32_t take_alone(peer_t *h, uint32_t number, size_t room)
{
    uint8_t buffer[65535];
    ph_addr_t from, own = where(h);
    CHECK_IS(peer_receive_from(h, buffer, room, &from), SIZE);
    CHECK(is_same_address(&from, &own));
    check_number(&(ph_datagram_t){.data = buffer, .len = SIZE}, number, SIZE);
    return 1;
}

static uint32_t take_into_room(peer_t *h, uint32_t number, size_t capacity)
{
    uint8_t buffer[65535];
    peer_room_t room = {.peer = h, .buf = buffer, .cap = capacity, .from = where(h)};
    CHECK_IS(peer_receive_room(&room), SIZE);
    check_number(&(ph_datagram_t){.data = buffer, .len = SIZE}, number, SIZE);
    return 1;
}

static void a_run_in_small_calls_comes_in_order_and_is_announced_to_its_end(void)
{
    for (uint32_t n = 1; n < 5; n++)
        for (int with_alone = 0; with_alone < 2; with_alone++) {
            peer_t *h = open_with_a_run(0);
            int fd = peer_fd(h);
            for (uint32_t at = 0; at < RUN;) {
                CHECK(is_readable(fd));
                if (with_alone && at % 3 == 1) at += take_alone(h, at, at % 2 ? SIZE : 65535);
                else if (with_alone && at % 3) at += take_into_room(h, at, at % 2 ? SIZE : 65535);
                else at += take_several(h, at, n);
            }
            nothing_more_comes(h);
            CHECK_IS(counts_of(h).received, RUN);
            carry(h, h, 200, SIZE, n);
            CHECK_IS(peer_close(h), 0);
        }
}

static void leftovers_come_before_what_came_later(void)
{
    peer_t *h = open_with_a_run(1);
    CHECK(is_readable(peer_fd(h)));
    CHECK_IS(send_numbers(h, where(h), RUN, RUN, SIZE), RUN);
    for (uint32_t at = 1; at < 2 * RUN;)
        at += at % 3 ? take_alone(h, at, 65535) : take_several(h, at, 7);
    nothing_more_comes(h);
    CHECK_IS(peer_close(h), 0);
}

/* The descriptor may be asked for when only a leftover is there any more. */
static void a_descriptor_asked_for_late_tells_of_leftovers(void)
{
    peer_t *h = open_with_a_run(1);
    int fd = peer_fd(h);
    CHECK(is_readable(fd));
    CHECK_IS(peer_fd(h), fd);
    for (uint32_t at = 1; at < RUN;) at += take_several(h, at, RUN);
    nothing_more_comes(h);
    CHECK_IS(peer_close(h), 0);
}

static void leftovers_end_a_wait_at_once(void)
{
    peer_t *h = open_with_a_run(1);
    for (uint32_t at = 1; at < RUN; at++)
        check_number(&(ph_datagram_t){.data = take_one(h, NULL).data, .len = SIZE}, at, SIZE);
    ph_datagram_t item;
    CHECK_IS(peer_receive(h, &item, NULL, 1, NULL, 0, 20), -ETIMEDOUT);
    CHECK_IS(peer_close(h), 0);
}

static void leftovers_of_a_reopened_peer_are_counted(void)
{
    peer_t *h = open_with_a_run(1);
    CHECK_IS(peer_reopen(h), 0);
    CHECK_IS(counts_of(h).unread, RUN - 1);
    CHECK_IS(counts_of(h).received, 1);
    CHECK_IS(counts_of(h).uses_gro, 0);
    nothing_more_comes(h);
    carry(h, h, 200, SIZE, 64);
    CHECK_IS(counts_of(h).uses_gro, 1);
    CHECK_IS(counts_of(h).received, 201);
    CHECK_IS(peer_close(h), 0);
}

static void gro_is_for_calls_of_64_and_whole_datagrams(void)
{
    const struct {
        uint32_t flags, recv_size, n, expected;
    } CASES[] = {{0, 0, 1, 0},  {0, 0, 63, 0},           {0, 0, 64, 1},
                 {0, 0, 65, 1}, {PEER_NO_GRO, 0, 64, 0}, {0, 65534, 64, 0}, {0, 65535, 64, 1}};
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        peer_t *h = open_peer(
            PEER(ON_V4, .flags = CASES[i].flags, .recv_size = CASES[i].recv_size));
        CHECK_IS(counts_of(h).uses_gro, 0);
        carry(h, h, 200, SIZE, CASES[i].n);
        CHECK_IS(counts_of(h).uses_gro, CASES[i].expected);
        carry(h, h, 200, SIZE, 1);
        CHECK_IS(peer_close(h), 0);
    }
}

/* --- the descriptor --- */

static void a_peers_fd_is_readable_exactly_while_datagrams_are_there(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    int fd = peer_fd(h);
    for (uint32_t round = 0; round < 100; round++) {
        CHECK(!is_readable(fd));
        CHECK_IS(send_numbers(h, where(h), 0, 3, 4), 3);
        for (uint32_t i = 0; i < 3; i++) {
            CHECK(is_readable(fd));
            CHECK_IS(take_number(h), i);
        }
    }
    CHECK(!is_readable(fd));
    /* Its other event, being writable, never comes. */
    struct pollfd wanted = {.fd = fd, .events = POLLOUT};
    CHECK_IS(poll(&wanted, 1, 0), 0);
    CHECK_IS(peer_close(h), 0);
}

struct stream {
    peer_t *sender;
    ph_addr_t to;
    uint32_t count;
    _Atomic uint32_t received;
};

static void *send_stream(void *argument)
{
    enum { ON_THEIR_WAY = 100 };
    struct stream *stream = argument;
    for (uint32_t i = 0; i < stream->count;) {
        CHECK_EVENTUALLY(i - atomic_load(&stream->received) < ON_THEIR_WAY);
        uint32_t run = 1 + i % 7;
        if (run > stream->count - i) run = stream->count - i;
        CHECK_IS(send_numbers(stream->sender, stream->to, i, run, SIZE), run);
        i += run;
    }
    return NULL;
}

/* A missed signal would leave the consumer asleep; a false one would find nothing. */
static void a_consumer_that_polls_a_peers_fd_neither_misses_nor_errs(void)
{
    peer_t *sender = open_peer(PEER(ON_V4)), *h = open_with_a_run(RUN);
    struct stream stream = {.sender = sender, .to = where(h), .count = 20000};
    struct pollfd wanted = {.fd = peer_fd(h), .events = POLLIN};
    pthread_t thread = start(send_stream, &stream);
    for (uint32_t at = 0; at < stream.count; atomic_store(&stream.received, at)) {
        CHECK_IS(poll(&wanted, 1, PATIENCE_MS), 1);
        at += take_several(h, at, 1 + at % 5);
    }
    join(thread);
    nothing_more_comes(h);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(sender), 0);
}

/* --- waiting --- */

static void a_peers_wait_never_ends_early(void)
{
    const int32_t patience_ms[] = {1, 2, 7, 30};
    peer_t *h = open_peer(PEER(ON_V4));
    ph_datagram_t item;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < LENGTH(patience_ms); i++) {
            int64_t started = now_ns();
            CHECK_IS(peer_receive(h, &item, NULL, 1, NULL, 0, patience_ms[i]), -ETIMEDOUT);
            CHECK(now_ns() - started >= patience_ms[i] * MILLISECOND);
            CHECK(now_ns() - started < patience_ms[i] * MILLISECOND + SECOND);
        }
    CHECK_IS(peer_close(h), 0);
}

struct waiter {
    peer_t *h;
    int64_t result;
};

static void *wait_for_ever(void *argument)
{
    struct waiter *waiter = argument;
    ph_datagram_t item;
    uint8_t buffer[SIZE];
    waiter->result = peer_receive(waiter->h, &item, NULL, 1, buffer, sizeof buffer, -1);
    return NULL;
}

static void a_peers_wait_without_end_ends_with_a_datagram(void)
{
    struct waiter waiter = {.h = open_peer(PEER(ON_V4))};
    pthread_t thread = start(wait_for_ever, &waiter);
    CHECK_EVENTUALLY(faults_readers() == 1);
    CHECK_IS(send_numbers(waiter.h, where(waiter.h), 0, 1, SIZE), 1);
    join(thread);
    CHECK_IS(waiter.result, 1);
    CHECK_IS(peer_close(waiter.h), 0);
}

static void note_signal(int number)
{
    (void)number;
}

static void a_signal_handler_ends_a_peers_wait(void)
{
    struct waiter waiter = {.h = open_peer(PEER(ON_V4))};
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    CHECK_IS(sigaction(SIGUSR1, &action, NULL), 0);
    pthread_t thread = start(wait_for_ever, &waiter);
    CHECK_EVENTUALLY(faults_readers() == 1);
    CHECK_EVENTUALLY(all_others_sleep());
    CHECK_IS(pthread_kill(thread, SIGUSR1), 0);
    join(thread);
    CHECK_IS(waiter.result, -EINTR);
    CHECK_IS(peer_close(waiter.h), 0);
}

/* Such a socket is readable for ever, and empty. */
static void a_wait_on_a_socket_that_is_shut_down_keeps_no_processor_busy(void)
{
    enum { WAIT_MS = 300 };
    struct timespec before, after;
    peer_t *h = open_peer(PEER(ON_V4));
    ph_datagram_t item;
    shutdown(peer_socket(h), SHUT_RD);
    CHECK_IS(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before), 0);
    CHECK_IS(peer_receive(h, &item, NULL, 1, NULL, 0, WAIT_MS), -ETIMEDOUT);
    CHECK_IS(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after), 0);
    int64_t busy = (after.tv_sec - before.tv_sec) * SECOND + after.tv_nsec - before.tv_nsec;
    CHECK(busy < WAIT_MS * MILLISECOND / 2);
    CHECK_IS(peer_close(h), 0);
}

const struct test peer_wait_tests[] = {
    TEST(a_run_in_small_calls_comes_in_order_and_is_announced_to_its_end),
    TEST(leftovers_come_before_what_came_later),
    TEST(a_descriptor_asked_for_late_tells_of_leftovers),
    TEST(leftovers_end_a_wait_at_once),
    TEST(leftovers_of_a_reopened_peer_are_counted),
    TEST(gro_is_for_calls_of_64_and_whole_datagrams),
    TEST(a_peers_fd_is_readable_exactly_while_datagrams_are_there),
    TEST(a_consumer_that_polls_a_peers_fd_neither_misses_nor_errs),
    TEST(a_peers_wait_never_ends_early),
    TEST(a_peers_wait_without_end_ends_with_a_datagram),
    TEST(a_signal_handler_ends_a_peers_wait),
    TEST(a_wait_on_a_socket_that_is_shut_down_keeps_no_processor_busy),
    END_OF_TESTS,
};
