/* A peer's life: handles, opening and reopening, ports, buffers, descriptors, forks. */
#include "check.h"
#include "faults.h"
#include "peers.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- handles --- */

static peer_t *token(uint64_t bits)
{
    return (peer_t *)(uintptr_t)bits;
}

static void what_is_no_handle_of_a_peer_is_refused(void)
{
    int on_stack;
    const uint64_t forged[] = {0, 1, 8, 4096, INT64_MAX, UINT64_MAX, (uintptr_t)&on_stack};
    peer_t *h = open_peer(NULL);
    for (size_t i = 0; i < LENGTH(forged); i++) every_peer_call_refuses(token(forged[i]));
    for (int bit = 0; bit < 64; bit++)
        every_peer_call_refuses(token((uintptr_t)h ^ UINT64_C(1) << bit));
    CHECK(peer_fd(h) >= 0);
    CHECK_IS(peer_close(h), 0);
    every_peer_call_refuses(h);
}

static void a_handle_of_another_kind_is_refused(void)
{
    peer_t *peer = open_peer(NULL);
    bcast_t *bcast = open_bcast(NULL);
    udph_t *handler = open_handler(open_socket(AF_INET), RECEIVING);
    every_peer_call_refuses((peer_t *)bcast);
    every_peer_call_refuses((peer_t *)handler);
    every_bcast_call_refuses((bcast_t *)peer);
    every_bcast_call_refuses((bcast_t *)handler);
    every_call_refuses((udph_t *)peer);
    every_call_refuses((udph_t *)bcast);
    CHECK_IS(peer_close(peer), 0);
    CHECK_IS(bcast_close(bcast), 0);
    close_handler(handler, 0);
}

static void there_are_65536_handles_and_no_more(void)
{
    enum { ALL = 65536 };
    static peer_t *peers[ALL];
    peer_t *one_more = token(42);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ALL; i++) CHECK_IS(peer_new(NULL, &peers[i]), 0);
        CHECK_IS(peer_new(NULL, &one_more), -EMFILE);
        CHECK(one_more == token(42));
        for (int i = 0; i < ALL; i++) CHECK_IS(peer_close(peers[i]), 0);
        for (int i = 0; i < ALL; i += 1000) every_peer_call_refuses(peers[i]);
    }
}

/* --- opening --- */

static void a_peer_that_is_not_open_says_so(void)
{
    size_t descriptors = count_descriptors();
    ph_addr_t at = address_from("127.0.0.1", 4321), group = address_from("239.1.2.3", 0), from;
    peer_t *h = new_peer(PEER(.addr = at));
    ph_datagram_t item = {.addr = at};
    ph_error_t error;
    uint8_t byte;
    int32_t send = -1, recv = -1;
    CHECK_IS(peer_receive(h, &item, NULL, 1, &byte, 1, 0), -ENOTCONN);
    CHECK_IS(peer_receive(h, &item, NULL, 1, &byte, 1, -1), -ENOTCONN);
    CHECK_IS(peer_receive_from(h, &byte, 1, &from), -ENOTCONN);
    CHECK_IS(peer_receive_room(&(peer_room_t){.peer = h}), -ENOTCONN);
    CHECK_IS(peer_send(h, &item, NULL, 1), -ENOTCONN);
    CHECK_IS(peer_send(h, &item, &(ph_arrival_t){.tos = -1}, 1), -ENOTCONN);
    CHECK_IS(peer_send_to(h, &at, 0, NULL, 0), -ENOTCONN);
    CHECK_IS(peer_fd(h), -ENOTCONN);
    CHECK_IS(peer_socket(h), -ENOTCONN);
    CHECK_IS(peer_set(h, PEER_TTL, 1), -ENOTCONN);
    CHECK_IS(peer_join(h, &group, 0), -ENOTCONN);
    CHECK_IS(peer_leave(h, &group, 0), -ENOTCONN);
    CHECK_IS(peer_get_error(h, &error, 1), -EAGAIN);
    CHECK_IS(peer_actual_buf_sizes(h, &send, &recv), 0);
    CHECK(send == 0 && recv == 0);
    CHECK_IS(peer_wire_log(h, NULL, NULL), 0);
    ph_addr_t bound = where(h);
    CHECK(is_same_address(&bound, &at));
    peer_stats_t stats = counts_of(h);
    CHECK(stats.sent == 0 && stats.received == 0 && !stats.uses_gso && !stats.uses_gro);
    CHECK_IS(count_descriptors(), descriptors);
    CHECK_IS(peer_close(h), 0);
}

static void an_open_peer_knows_its_port(void)
{
    peer_t *any = open_peer(NULL), *one = open_peer(PEER(ON_V4)), *six = open_peer(PEER(ON_V6));
    ph_addr_t at;
    CHECK_IS(peer_addr(any, &at), 0);
    CHECK(at.family == 4 && at.port > 0 && at.ip[0] == 0);
    CHECK_IS(peer_addr(one, &at), 0);
    CHECK(at.family == 4 && at.port > 0 && at.ip[0] == 127);
    CHECK_IS(peer_addr(six, &at), 0);
    CHECK(at.family == 6 && at.port > 0 && at.ip[15] == 1);
    peer_t *same = open_peer(PEER(.addr = {.port = where(any).port}));
    CHECK_IS(where(same).port, where(any).port);
    peer_t *peers[] = {any, one, six, same};
    for (size_t i = 0; i < LENGTH(peers); i++) CHECK_IS(peer_close(peers[i]), 0);
}

static void an_open_peer_is_not_opened_again(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    int fd = peer_socket(h);
    CHECK_IS(peer_open(h), -EISCONN);
    CHECK_IS(peer_socket(h), fd);
    carry(h, h, 10, 64, 1);
    CHECK_IS(peer_close(h), 0);
}

static void reopening_keeps_the_port_and_the_counts(void)
{
    peer_t *h = new_peer(PEER(ON_V4)), *other = open_peer(PEER(ON_V4));
    CHECK_IS(peer_reopen(h), 0);
    ph_addr_t at = where(h);
    size_t descriptors = count_descriptors();
    for (uint32_t round = 1; round <= 20; round++) {
        carry(other, h, 10, 64, 3);
        CHECK_IS(peer_reopen(h), 0);
        ph_addr_t now = where(h);
        CHECK(is_same_address(&now, &at));
        CHECK_IS(counts_of(h).received, 10 * round);
        CHECK_IS(counts_of(h).received_bytes, 640 * round);
        CHECK_IS(count_descriptors(), descriptors);
    }
    send_text(other, at, "left in the socket");
    CHECK_IS(peer_reopen(h), 0);
    nothing_more_comes(h);
    CHECK_IS(counts_of(h).unread, 0);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(other), 0);
}

static void a_peer_that_cannot_be_reopened_is_closed_and_may_be_opened(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_addr_t at = where(h);
    size_t descriptors = count_descriptors();
    uint64_t before = limit_descriptors((uint64_t)peer_socket(h));
    CHECK_IS(peer_reopen(h), -EMFILE);
    CHECK_IS(peer_open(h), -EMFILE);
    limit_descriptors(before);
    CHECK(count_descriptors() < descriptors);
    CHECK_IS(peer_socket(h), -ENOTCONN);
    CHECK_IS(peer_open(h), 0);
    ph_addr_t now = where(h);
    CHECK(is_same_address(&now, &at));
    carry(h, h, 10, 64, 1);
    CHECK_IS(peer_close(h), 0);
}

/* A peer must be opened whole or not at all, however many of its descriptors are to be had. */
static void a_peer_for_which_descriptors_are_short_is_not_opened(void)
{
    peer_t *h = new_peer(NULL);
    size_t descriptors = count_descriptors();
    int free_number = dup(STDOUT_FILENO);
    close(free_number);
    uint64_t most = (uint64_t)free_number;
    for (int32_t result = -EMFILE; result != 0; most++) {
        uint64_t before = limit_descriptors(most);
        result = peer_open(h);
        CHECK(result == 0 || result == -EMFILE);
        if (result == 0) CHECK_IS(peer_fd(h), -EMFILE);
        limit_descriptors(before);
        if (result != 0) CHECK_IS(count_descriptors(), descriptors);
    }
    CHECK(most > (uint64_t)free_number + 1 && most < (uint64_t)free_number + 10);
    CHECK(peer_fd(h) >= 0);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(count_descriptors(), descriptors);
}

/* --- ports --- */

static void a_port_that_a_program_has_for_itself_is_refused(void)
{
    int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < LENGTH(families); i++) {
        int fd = open_socket(families[i]);
        peer_t *h = new_peer(PEER(.addr = address_of(fd)));
        size_t descriptors = count_descriptors();
        for (int round = 0; round < 3; round++) CHECK_IS(peer_open(h), -EADDRINUSE);
        CHECK_IS(count_descriptors(), descriptors);
        close(fd);
        CHECK_IS(peer_open(h), 0);
        CHECK_IS(peer_close(h), 0);
    }
}

static void a_free_port_is_nobody_elses(void)
{
    enum { PEERS = 2000 };
    static bool is_taken[1 << 16];
    peer_t *peers[PEERS];
    limit_descriptors(3 * PEERS);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = open_peer(PEER(ON_V4));
        uint16_t port = where(peers[i]).port;
        if (is_taken[port]) check_failed(__FILE__, __LINE__, "peer %d shares port %u", i, port);
        is_taken[port] = true;
    }
    for (int i = 0; i < PEERS; i++) CHECK_IS(peer_close(peers[i]), 0);
}

/* Each sender's datagrams go to one of the peers that share a port, and all of them arrive. */
static void peers_that_share_a_port_are_dealt_the_senders(void)
{
    enum { PEERS = 4, SENDERS = 40, EACH = 5 };
    peer_t *peers[PEERS] = {open_peer(PEER(ON_V4))};
    ph_addr_t at = where(peers[0]);
    for (int i = 1; i < PEERS; i++) peers[i] = open_peer(PEER(.addr = at));
    for (int i = 0; i < SENDERS; i++) {
        peer_t *sender = open_peer(PEER(ON_V4));
        CHECK_IS(send_numbers(sender, at, 0, EACH, 4), EACH);
        CHECK_IS(peer_close(sender), 0);
    }
    int received = 0, busy = 0;
    for (int i = 0; i < PEERS; i++) {
        ph_datagram_t item;
        uint32_t number, expected = 0;
        int64_t n;
        while ((n = peer_receive(peers[i], &item, NULL, 1, (uint8_t *)&number, 4, 0)) == 1)
            CHECK_IS(number, expected++ % EACH);
        CHECK_IS(n, -EAGAIN);
        CHECK_IS(expected % EACH, 0);
        received += (int)expected;
        busy += expected > 0;
        CHECK_IS(peer_close(peers[i]), 0);
    }
    CHECK_IS(received, SENDERS * EACH);
    CHECK(busy > 1);
}

static void an_address_of_another_host_is_refused(void)
{
    const char *const others[] = {"198.51.100.7", "2001:db8::7"};
    for (size_t i = 0; i < LENGTH(others); i++) {
        peer_t *h = new_peer(PEER(.addr = address_from(others[i], 0)));
        CHECK_IS(peer_open(h), -EADDRNOTAVAIL);
        CHECK_IS(peer_close(h), 0);
    }
}

static int open_below_1024(void *argument)
{
    (void)argument;
    bcast_t *bcast = NULL;
    peer_t *h = new_peer(PEER(.addr = {.port = 80}));
    CHECK_IS(peer_open(h), -EACCES);
    CHECK_IS(peer_reopen(h), -EACCES);
    CHECK_IS(peer_fd(h), -ENOTCONN);
    CHECK_IS(bcast_new(BCAST(.port = 80), &bcast), -EACCES);
    CHECK(bcast == NULL);
    return peer_close(h);
}

static void a_privileged_port_is_refused_to_a_plain_user(void)
{
    int first = 0;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
    CHECK(file != NULL);
    CHECK_IS(fscanf(file, "%d", &first), 1);
    fclose(file);
    if (first <= 80) check_skipped("every port is anybody's here");
    in_a_child_of_nobody(open_below_1024, NULL);
}

/* --- buffers --- */

static void buffers_are_at_least_as_large_as_asked_for(void)
{
    enum { MORE = 300000 };
    int32_t usual_send, usual_recv, send, recv;
    peer_t *usual = open_peer(NULL);
    CHECK_IS(peer_actual_buf_sizes(usual, &usual_send, &usual_recv), 0);
    CHECK(usual_send > 0 && usual_recv > 0);
    const struct {
        uint32_t asked;
        bool is_more;
    } CASES[] = {{1, false}, {4096, false}, {MORE, true}, {UINT32_MAX, true}};
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        uint32_t asked = CASES[i].asked;
        peer_t *h = open_peer(PEER(.send_buffer = asked, .recv_buffer = asked));
        CHECK_IS(peer_actual_buf_sizes(h, &send, &recv), 0);
        CHECK_IS(send > usual_send, CASES[i].is_more);
        CHECK_IS(recv > usual_recv, CASES[i].is_more);
        CHECK_IS(peer_close(h), 0);
    }
    CHECK_IS(peer_close(usual), 0);
}

/* --- what stays --- */

static void a_thousand_lives_leave_nothing_behind(void)
{
    uint8_t buffer[64];
    ph_datagram_t items[64];
    size_t descriptors = count_descriptors();
    for (int i = 0; i < 1000; i++) {
        peer_t *h = new_peer(i % 2 ? PEER(ON_V4) : PEER(ON_V6, .flags = PEER_ARRIVAL));
        CHECK_IS(peer_open(h), 0);
        CHECK(peer_fd(h) >= 0);
        CHECK_IS(peer_receive(h, items, NULL, 64, buffer, sizeof buffer, 0), -EAGAIN);
        if (i % 3 == 0) CHECK_IS(peer_reopen(h), 0);
        if (i % 5 == 0) CHECK(peer_fd(h) >= 0);
        CHECK_IS(peer_close(h), 0);
        if (i % 100 == 0) CHECK_IS(count_descriptors(), descriptors);
    }
    CHECK_IS(count_descriptors(), descriptors);
}

static void no_descriptor_of_a_peer_survives_an_exec(void)
{
    enum { ABOVE_ALL = 100 };
    bool was_open[ABOVE_ALL];
    int found = 0;
    for (int i = 0; i < ABOVE_ALL; i++) was_open[i] = fcntl(i, F_GETFD) >= 0;
    peer_t *h = open_peer(NULL);
    bcast_t *bcast = open_bcast(NULL);
    CHECK(peer_fd(h) >= 0 && bcast_fd(bcast) >= 0);
    CHECK_IS(bcast_beacon(bcast, NULL, 0, 1000), 0);
    for (int i = 0; i < ABOVE_ALL; i++) {
        int flags = fcntl(i, F_GETFD);
        if (flags < 0 || was_open[i]) continue;
        CHECK_IS(flags & FD_CLOEXEC, FD_CLOEXEC);
        found++;
    }
    CHECK(found >= 7);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(bcast_close(bcast), 0);
}

struct legacy {
    peer_t *peer;
    bcast_t *bcast;
    ph_addr_t at;
};

static int live_alone(void *argument)
{
    struct legacy *legacy = argument;
    every_peer_call_refuses(legacy->peer);
    every_bcast_call_refuses(legacy->bcast);
    peer_t *own = open_peer(PEER(ON_V4));
    carry(own, own, 200, 64, 64);
    CHECK_IS(send_numbers(own, legacy->at, 42, 1, 4), 1);
    every_peer_call_refuses(legacy->peer);
    return peer_close(own);
}

static void a_child_is_refused_its_parents_peers_and_makes_its_own(void)
{
    struct legacy legacy = {.peer = open_peer(PEER(ON_V4)), .bcast = open_bcast(NULL)};
    legacy.at = where(legacy.peer);
    CHECK_IS(bcast_beacon(legacy.bcast, NULL, 0, 5), 0);
    for (int round = 0; round < 5; round++) {
#ifdef __SANITIZE_ADDRESS__
        /* Its allocator, other than the C library's, is no good in a child when another thread is
         * inside at the fork. */
        CHECK_IS(bcast_beacon(legacy.bcast, NULL, 0, 0), 0);
#endif
        in_a_child(live_alone, &legacy);
        CHECK_IS(take_number(legacy.peer), 42);
    }
    carry(legacy.peer, legacy.peer, 200, 64, 64);
    CHECK_IS(bcast_beacon(legacy.bcast, NULL, 0, 5), 0);
    uint64_t beacons = bcast_counts_of(legacy.bcast).beacons;
    CHECK_EVENTUALLY(bcast_counts_of(legacy.bcast).beacons > beacons);
    CHECK_IS(peer_close(legacy.peer), 0);
    CHECK_IS(bcast_close(legacy.bcast), 0);
}

const struct test peer_tests[] = {
    TEST(what_is_no_handle_of_a_peer_is_refused),
    TEST(a_handle_of_another_kind_is_refused),
    TEST(there_are_65536_handles_and_no_more),
    TEST(a_peer_that_is_not_open_says_so),
    TEST(an_open_peer_knows_its_port),
    TEST(an_open_peer_is_not_opened_again),
    TEST(reopening_keeps_the_port_and_the_counts),
    TEST(a_peer_that_cannot_be_reopened_is_closed_and_may_be_opened),
    TEST(a_peer_for_which_descriptors_are_short_is_not_opened),
    TEST(a_port_that_a_program_has_for_itself_is_refused),
    TEST(a_free_port_is_nobody_elses),
    TEST(peers_that_share_a_port_are_dealt_the_senders),
    TEST(an_address_of_another_host_is_refused),
    TEST(a_privileged_port_is_refused_to_a_plain_user),
    TEST(buffers_are_at_least_as_large_as_asked_for),
    TEST(a_thousand_lives_leave_nothing_behind),
    TEST(no_descriptor_of_a_peer_survives_an_exec),
    TEST(a_child_is_refused_its_parents_peers_and_makes_its_own),
    END_OF_TESTS,
};
