/* A peer's bad days: ICMP errors, system calls that fail. */
#include "check.h"
#include "faults.h"
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- ICMP --- */

static ph_error_t next_error(peer_t *h)
{
    ph_error_t error;
    CHECK_EVENTUALLY(peer_get_error(h, &error, 1) == 1);
    return error;
}

static void check_refused(ph_error_t error, ph_addr_t by)
{
    CHECK_IS(error.error, ECONNREFUSED);
    CHECK_IS(error.kind, PH_ERROR_ICMP);
    CHECK(is_same_address(&error.addr, &by));
    struct timespec now;
    CHECK_IS(clock_gettime(CLOCK_REALTIME, &now), 0);
    int64_t age = now.tv_sec * SECOND + now.tv_nsec - error.time_ns;
    CHECK(age >= 0 && age < 60 * SECOND);
}

static void a_refusal_is_reported_with_its_destination_and_the_peer_lives_on(void)
{
    const struct {
        const peer_config_t *config;
        int family;
        const char *told;
    } CASES[] = {{PEER(ON_V4), AF_INET, "127.0.0.1"},
                 {PEER(ON_V6), AF_INET6, "::1"},
                 {PEER(ON_BOTH), AF_INET6, "::1"},
                 {PEER(ON_BOTH), AF_INET, "::ffff:127.0.0.1"}};
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        int refusing = open_refusing_socket(CASES[i].family);
        ph_addr_t bad = address_of(refusing), told = address_from(CASES[i].told, bad.port);
        peer_t *h = open_peer(CASES[i].config);
        ph_error_t error;
        CHECK_IS(peer_get_error(h, &error, 1), -EAGAIN);
        for (uint64_t round = 1; round <= 3; round++) {
            CHECK_IS(peer_send_to(h, &bad, 0, (const uint8_t *)"x", 1), 1);
            check_refused(next_error(h), told);
            CHECK_IS(peer_get_error(h, &error, 1), -EAGAIN);
            CHECK_IS(counts_of(h).icmp_errors, round);
            carry(h, h, 10, 64, 1);
        }
        CHECK_IS(counts_of(h).sent, 33);
        CHECK_IS(peer_close(h), 0);
        close(refusing);
    }
}

/* Whichever call the kernel gives the error to, it is not that call's. */
static void a_refusal_makes_no_call_fail(void)
{
    enum { ROUNDS = 300 };
    int refusing = open_refusing_socket(AF_INET);
    ph_addr_t bad = address_of(refusing);
    peer_t *h = open_peer(PEER(ON_V4)), *good = open_peer(PEER(ON_V4));
    ph_addr_t to = where(good), from;
    uint8_t buffer[64 * 4];
    ph_datagram_t items[64];
    for (int i = 0; i < 64; i++) items[i] = (ph_datagram_t){.addr = i % 3 ? to : bad};
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_IS(peer_send(h, items, NULL, 64), 64);
        CHECK_IS(peer_send_to(h, round % 2 ? &to : &bad, 0, NULL, 0), 0);
        CHECK_IS(peer_receive(h, items + 63, NULL, 1, buffer, sizeof buffer, 0), -EAGAIN);
        CHECK_IS(peer_send_to(h, &bad, 0, NULL, 0), 0);
        CHECK_IS(peer_receive_from(h, buffer, sizeof buffer, &from), -EAGAIN);
        CHECK_IS(peer_receive_from(good, NULL, 0, &from), 0);
        int64_t n = peer_receive(good, (ph_datagram_t[64]){{.len = 0}}, NULL, 64, NULL, 0, 0);
        CHECK_IS(n, 41 + round % 2);
        items[63] = (ph_datagram_t){.addr = bad};
    }
    CHECK_IS(counts_of(h).sent, ROUNDS * 66);
    CHECK(counts_of(h).icmp_errors > 0);
    check_refused(next_error(h), bad);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(good), 0);
    close(refusing);
}

static void a_peers_fd_tells_of_a_refusal_until_it_is_picked_up(void)
{
    int refusing = open_refusing_socket(AF_INET);
    peer_t *h = open_peer(PEER(ON_V4));
    int fd = peer_fd(h);
    ph_error_t errors[8];
    for (int round = 0; round < 20; round++) {
        CHECK(!is_readable(fd));
        send_text(h, address_of(refusing), "x");
        CHECK_EVENTUALLY(is_readable(fd));
        CHECK_IS(peer_get_error(h, errors, LENGTH(errors)), 1);
        CHECK(!is_readable(fd));
        nothing_more_comes(h);
    }
    CHECK_IS(peer_close(h), 0);
    close(refusing);
}

static void *wait_for_one(void *argument)
{
    ph_datagram_t item;
    uint8_t byte;
    return (void *)(intptr_t)peer_receive(argument, &item, NULL, 1, &byte, 1, PATIENCE_MS);
}

static void a_wait_neither_ends_for_a_refusal_nor_turns_busy(void)
{
    enum { REFUSALS = 50, WAIT_MS = 200 };
    int refusing = open_refusing_socket(AF_INET);
    peer_t *h = open_peer(PEER(ON_V4));
    pthread_t thread = start(wait_for_one, h);
    CHECK_EVENTUALLY(faults_readers() == 1);
    for (uint64_t i = 1; i <= REFUSALS; i++) {
        send_text(h, address_of(refusing), "x");
        CHECK_EVENTUALLY(counts_of(h).icmp_errors == i);
    }
    CHECK_EVENTUALLY(faults_readers() == 1);
    send_text(h, where(h), "!");
    CHECK_IS((intptr_t)join(thread), 1);
    struct timespec before, after;
    ph_datagram_t item;
    send_text(h, address_of(refusing), "x");
    CHECK_IS(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before), 0);
    int64_t started = now_ns();
    CHECK_IS(peer_receive(h, &item, NULL, 1, NULL, 0, WAIT_MS), -ETIMEDOUT);
    CHECK(now_ns() - started >= WAIT_MS * MILLISECOND);
    CHECK_IS(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after), 0);
    int64_t busy = (after.tv_sec - before.tv_sec) * SECOND + after.tv_nsec - before.tv_nsec;
    CHECK(busy < WAIT_MS * MILLISECOND / 2);
    CHECK_IS(counts_of(h).icmp_errors, REFUSALS + 1);
    CHECK_IS(peer_close(h), 0);
    close(refusing);
}

static void a_peer_keeps_the_newest_errors_and_counts_the_others(void)
{
    enum { KEPT = 1024, MORE = 100 };
    int first = open_refusing_socket(AF_INET), second = open_refusing_socket(AF_INET);
    ph_addr_t early = address_of(first), late = address_of(second);
    peer_t *h = open_peer(PEER(ON_V4));
    for (uint64_t i = 1; i <= KEPT + MORE; i++) {
        send_text(h, i <= MORE ? early : late, "x");
        CHECK_EVENTUALLY(counts_of(h).icmp_errors == i);
    }
    static ph_error_t errors[KEPT + 1];
    CHECK_IS(counts_of(h).errors_dropped, MORE);
    CHECK_IS(peer_reopen(h), 0);
    CHECK_IS(peer_get_error(h, errors, 10), 10);
    CHECK_IS(peer_get_error(h, errors + 10, KEPT), KEPT - 10);
    CHECK_IS(peer_get_error(h, errors, 1), -EAGAIN);
    for (int i = 0; i < KEPT; i++) check_refused(errors[i], late);
    CHECK_IS(peer_close(h), 0);
    close(first);
    close(second);
}

/* --- sending --- */

/* How a call of the kernel's comes out of ours: what passes is tried again, a want of room is one
 * thing, and the rest is told as it is. */
static const struct {
    int error, told;
} REFUSALS[] = {
    {EAGAIN, EAGAIN},           {ENOBUFS, EAGAIN},   {ENOMEM, EAGAIN}, {EMSGSIZE, EMSGSIZE},
    {ENETUNREACH, ENETUNREACH}, {EPERM, EPERM},      {EACCES, EACCES}, {EHOSTUNREACH, EHOSTUNREACH},
    {EINVAL, EINVAL},           {ENETDOWN, ENETDOWN}};

static void a_send_that_the_kernel_refuses_says_why(void)
{
    for (size_t i = 0; i < LENGTH(REFUSALS); i++) {
        peer_t *h = open_peer(PEER(ON_V4));
        ph_addr_t to = where(h);
        ph_datagram_t item = {.addr = to};
        faults_fail(FAULTS_SENDTO, REFUSALS[i].error, 1, UINT32_MAX);
        CHECK_IS(peer_send_to(h, &to, 0, NULL, 0), -REFUSALS[i].told);
        CHECK(faults_end(FAULTS_SENDTO) <= 10);
        faults_fail(FAULTS_SENDMMSG, REFUSALS[i].error, 1, UINT32_MAX);
        CHECK_IS(peer_send(h, &item, NULL, 1), -REFUSALS[i].told);
        CHECK_IS(peer_send(h, &item, &(ph_arrival_t){.tos = -1}, 1), -REFUSALS[i].told);
        CHECK_IS(send_numbers(h, to, 0, 20, 64), -REFUSALS[i].told);
        CHECK(faults_end(FAULTS_SENDMMSG) <= 100);
        CHECK_IS(counts_of(h).sent, 0);
        nothing_more_comes(h);
        carry(h, h, 10, 64, 1);
        CHECK_IS(peer_close(h), 0);
    }
}

static void a_signal_in_the_middle_of_a_send_is_nobodys_concern(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_addr_t to = where(h);
    faults_fail(FAULTS_SENDTO, EINTR, 1, 3);
    CHECK_IS(peer_send_to(h, &to, 0, NULL, 0), 0);
    CHECK_IS(faults_end(FAULTS_SENDTO), 3);
    for (uint32_t i = 0; i < 10; i++) {
        faults_fail(FAULTS_SENDMMSG, EINTR, 1, i);
        CHECK_IS(send_numbers(h, to, i, 1, 4), 1);
        CHECK_IS(faults_end(FAULTS_SENDMMSG), i);
    }
    CHECK_IS(take_one(h, NULL).len, 0);
    for (uint32_t i = 0; i < 10; i++) CHECK_IS(take_number(h), i);
    CHECK_IS(peer_close(h), 0);
}

/* Of an error that may be an earlier datagram's, the kernel is asked again, but not for ever. */
static void an_error_of_an_earlier_datagram_costs_this_one_nothing(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_addr_t to = where(h);
    faults_fail(FAULTS_SENDTO, ECONNREFUSED, 1, 1);
    CHECK_IS(peer_send_to(h, &to, 0, NULL, 0), 0);
    CHECK_IS(faults_end(FAULTS_SENDTO), 1);
    take_one(h, NULL);
    faults_fail(FAULTS_SENDTO, ECONNREFUSED, 1, UINT32_MAX);
    CHECK_IS(peer_send_to(h, &to, 0, NULL, 0), -ECONNREFUSED);
    CHECK(faults_end(FAULTS_SENDTO) <= 100);
    nothing_more_comes(h);
    CHECK_IS(peer_close(h), 0);
}

static void a_call_that_is_refused_half_way_says_how_far_it_got(void)
{
    enum { COUNT = 150 };
    for (size_t i = 0; i < LENGTH(REFUSALS); i++) {
        peer_t *h = open_peer(PEER(ON_V4, .flags = PEER_NO_GSO));
        ph_datagram_t items[COUNT];
        ph_arrival_t how[COUNT];
        uint32_t numbers[COUNT];
        for (uint32_t at = 0; at < COUNT; at++) {
            numbers[at] = at;
            how[at] = (ph_arrival_t){.tos = -1};
            items[at] = (ph_datagram_t){
                .addr = where(h), .data = (uint8_t *)&numbers[at], .len = 4};
        }
        faults_fail(FAULTS_SENDMMSG, REFUSALS[i].error, 2, UINT32_MAX);
        int64_t sent = peer_send(h, items, i % 2 ? how : NULL, COUNT);
        CHECK(faults_end(FAULTS_SENDMMSG) > 0);
        CHECK(sent > 0 && sent < COUNT);
        CHECK_IS(counts_of(h).sent, sent);
        CHECK_IS(peer_send(h, items + sent, NULL, COUNT - sent), COUNT - sent);
        for (uint32_t at = 0; at < COUNT; at++) CHECK_IS(take_number(h), at);
        nothing_more_comes(h);
        CHECK_IS(peer_close(h), 0);
    }
}

/* A device without GSO says EIO, and is not asked again. */
static void a_peers_refused_run_goes_out_one_by_one(void)
{
    const int errors[] = {EIO, EINVAL, EMSGSIZE, EOPNOTSUPP};
    for (size_t i = 0; i < LENGTH(errors); i++) {
        peer_t *h = open_peer(PEER(ON_V4));
        CHECK_IS(counts_of(h).uses_gso, 1);
        faults_refuse_runs(errors[i]);
        carry(h, h, 300, 64, 64);
        CHECK_IS(counts_of(h).uses_gso, errors[i] != EIO);
        faults_refuse_runs(0);
        carry(h, h, 300, 64, 64);
        CHECK_IS(counts_of(h).sent, 600);
        CHECK_IS(peer_close(h), 0);
    }
}

/* --- receiving --- */

static void a_failed_receive_loses_nothing(void)
{
    const int errors[] = {EINTR, ECONNREFUSED, ENOMEM, EAGAIN};
    const int64_t told[] = {1, 1, -ENOMEM, -EAGAIN};
    peer_t *h = open_peer(PEER(ON_V4));
    uint8_t buffer[65535];
    ph_addr_t from;
    for (size_t i = 0; i < LENGTH(errors); i++) {
        ph_datagram_t item;
        send_text(h, where(h), "1");
        faults_fail(FAULTS_RECVMMSG, errors[i], 1, 2);
        int64_t result = peer_receive(h, &item, NULL, 1, buffer, sizeof buffer, 0);
        CHECK_IS(result, told[i]);
        CHECK(faults_end(FAULTS_RECVMMSG) > 0);
        if (result < 0) CHECK_IS(take_one(h, NULL).len, 1);
        send_text(h, where(h), "2");
        faults_fail(FAULTS_RECVFROM, errors[i], 1, 2);
        result = peer_receive_from(h, buffer, sizeof buffer, &from);
        CHECK_IS(result, told[i]);
        CHECK(faults_end(FAULTS_RECVFROM) > 0);
        if (result < 0) CHECK_IS(take_one(h, NULL).len, 1);
        nothing_more_comes(h);
    }
    CHECK_IS(peer_close(h), 0);
}

static void what_came_before_a_failure_is_handed_out(void)
{
    enum { COUNT = 130 };
    peer_t *h = open_peer(PEER(ON_V4, .flags = PEER_NO_GRO));
    ph_datagram_t items[COUNT];
    uint8_t buffer[COUNT * 4];
    CHECK_IS(send_numbers(h, where(h), 0, COUNT, 4), COUNT);
    faults_fail(FAULTS_RECVMMSG, ENOMEM, 2, 1);
    int64_t n = peer_receive(h, items, NULL, COUNT, buffer, sizeof buffer, 0);
    CHECK_IS(faults_end(FAULTS_RECVMMSG), 1);
    CHECK(n > 0 && n < COUNT);
    for (int64_t i = 0; i < n; i++) check_number(&items[i], (uint32_t)i, 4);
    for (uint32_t i = (uint32_t)n; i < COUNT; i++) CHECK_IS(take_number(h), i);
    CHECK_IS(peer_close(h), 0);
}

static void a_failure_ends_a_wait_as_it_is(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_datagram_t item;
    faults_fail(FAULTS_RECVMMSG, ENOMEM, 1, 1);
    CHECK_IS(peer_receive(h, &item, NULL, 1, NULL, 0, -1), -ENOMEM);
    CHECK_IS(faults_end(FAULTS_RECVMMSG), 1);
    carry(h, h, 10, 64, 1);
    CHECK_IS(peer_close(h), 0);
}

/* --- opening --- */

/* Each such call that opening takes fails in turn: opening must, too, and leave nothing; or do
 * without, where that is no more than a wish. Gives how many of them are. */
static uint64_t opening_survives(const peer_config_t *config, enum faults_call call, int error)
{
    size_t descriptors = count_descriptors();
    uint64_t refused = 0, wishes = 0;
    for (bool is_through = false; !is_through;) {
        peer_t *h = new_peer(config);
        faults_fail(call, error, refused + wishes + 1, 1);
        int32_t result = peer_open(h);
        is_through = faults_end(call) == 0;
        if (result == 0) {
            wishes += !is_through;
            carry(h, h, 10, 64, 1);
        } else {
            CHECK_IS(result, -error);
            CHECK(!is_through);
            CHECK_IS(peer_socket(h), -ENOTCONN);
            CHECK_IS(count_descriptors(), descriptors);
            refused++;
        }
        CHECK_IS(peer_close(h), 0);
        CHECK_IS(count_descriptors(), descriptors);
    }
    CHECK(refused > 0);
    return wishes;
}

static void a_peer_is_opened_whole_or_not_at_all(void)
{
    const peer_config_t *all = PEER(ON_V4, .flags = PEER_ARRIVAL | PEER_BROADCAST,
                                    .send_buffer = 1 << 20, .recv_buffer = 1 << 20);
    CHECK_IS(opening_survives(all, FAULTS_SOCKET, EMFILE), 0);
    CHECK_IS(opening_survives(all, FAULTS_SOCKET, ENOBUFS), 0);
    CHECK_IS(opening_survives(all, FAULTS_BIND, EADDRINUSE), 0);
    CHECK_IS(opening_survives(all, FAULTS_BIND, EACCES), 0);
    CHECK_IS(opening_survives(all, FAULTS_EVENTFD, EMFILE), 0);
    CHECK_IS(opening_survives(PEER(ON_V6), FAULTS_SOCKET, EAFNOSUPPORT), 0);
    CHECK_IS(opening_survives(PEER(ON_V6), FAULTS_BIND, EADDRNOTAVAIL), 0);
    /* Not to be given the datagrams of others' groups is a wish. */
    CHECK_IS(opening_survives(all, FAULTS_SETSOCKOPT, ENOMEM), 1);
}

static void a_reopening_that_fails_leaves_it_closed(void)
{
    const enum faults_call calls[] = {FAULTS_SOCKET, FAULTS_BIND, FAULTS_SETSOCKOPT,
                                      FAULTS_EVENTFD};
    peer_t *h = open_peer(PEER(ON_V4));
    ph_addr_t at = where(h);
    for (size_t i = 0; i < LENGTH(calls); i++) {
        faults_fail(calls[i], ENOMEM, 1, 1);
        CHECK_IS(peer_reopen(h), -ENOMEM);
        faults_end(calls[i]);
        CHECK_IS(peer_fd(h), -ENOTCONN);
        CHECK_IS(peer_reopen(h), 0);
        ph_addr_t now = where(h);
        CHECK(is_same_address(&now, &at));
        carry(h, h, 10, 64, 1);
    }
    CHECK_IS(peer_close(h), 0);
}

static void a_descriptor_that_cannot_be_had_may_be_asked_for_again(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    size_t descriptors = count_descriptors();
    faults_fail(FAULTS_EPOLL_CREATE, EMFILE, 1, 1);
    CHECK_IS(peer_fd(h), -EMFILE);
    CHECK_IS(faults_end(FAULTS_EPOLL_CREATE), 1);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        faults_fail(FAULTS_EPOLL_CTL, ENOSPC, nth, 1);
        CHECK_IS(peer_fd(h), -ENOSPC);
        CHECK_IS(faults_end(FAULTS_EPOLL_CTL), 1);
    }
    CHECK_IS(count_descriptors(), descriptors);
    CHECK(peer_fd(h) >= 0);
    CHECK_IS(peer_close(h), 0);
}

const struct test peer_fault_tests[] = {
    TEST(a_refusal_is_reported_with_its_destination_and_the_peer_lives_on),
    TEST(a_refusal_makes_no_call_fail),
    TEST(a_peers_fd_tells_of_a_refusal_until_it_is_picked_up),
    TEST(a_wait_neither_ends_for_a_refusal_nor_turns_busy),
    TEST(a_peer_keeps_the_newest_errors_and_counts_the_others),
    TEST(a_send_that_the_kernel_refuses_says_why),
    TEST(a_signal_in_the_middle_of_a_send_is_nobodys_concern),
    TEST(an_error_of_an_earlier_datagram_costs_this_one_nothing),
    TEST(a_call_that_is_refused_half_way_says_how_far_it_got),
    TEST(a_peers_refused_run_goes_out_one_by_one),
    TEST(a_failed_receive_loses_nothing),
    TEST(what_came_before_a_failure_is_handed_out),
    TEST(a_failure_ends_a_wait_as_it_is),
    TEST(a_peer_is_opened_whole_or_not_at_all),
    TEST(a_reopening_that_fails_leaves_it_closed),
    TEST(a_descriptor_that_cannot_be_had_may_be_asked_for_again),
    END_OF_TESTS,
};
