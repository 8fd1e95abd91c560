/* What a peer sends: families, offloads, batches, permissions, a kernel that will not. */
#include "check.h"
#include "faults.h"
#include "peers.h"
#include "process.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- families --- */

static void a_dual_stack_peer_talks_with_both_families(void)
{
    peer_t *both = open_peer(PEER(ON_BOTH)), *four = open_peer(PEER(ON_V4));
    peer_t *six = open_peer(PEER(ON_V6));
    uint16_t port = where(both).port;
    ph_addr_t mapped = address_from("::ffff:127.0.0.1", where(four).port), by_six = where(six);
    send_text(four, address_from("127.0.0.1", port), "from four");
    send_text(four, address_from("::ffff:127.0.0.1", port), "from four");
    for (int i = 0; i < 2; i++) {
        ph_datagram_t item = take_one(both, NULL);
        CHECK_IS(item.len, 9);
        CHECK(is_same_address(&item.addr, &mapped));
        send_text(both, item.addr, "to four");
    }
    send_text(both, where(four), "to four");
    for (int i = 0; i < 3; i++) CHECK_IS(take_one(four, NULL).len, 7);
    send_text(six, address_from("::1", port), "from six");
    ph_datagram_t item = take_one(both, NULL);
    CHECK(is_same_address(&item.addr, &by_six));
    send_text(both, item.addr, "to six");
    CHECK_IS(take_one(six, NULL).len, 6);
    carry(both, four, 200, 64, 64);
    carry(both, six, 200, 64, 64);
    carry(four, four, 200, 64, 64);
    CHECK_IS(peer_close(both), 0);
    CHECK_IS(peer_close(four), 0);
    CHECK_IS(peer_close(six), 0);
}

static void a_peer_of_ipv6_alone_leaves_ipv4_to_others(void)
{
    peer_t *six = open_peer(PEER(ON_BOTH, .flags = PEER_V6_ONLY));
    uint16_t port = where(six).port;
    peer_t *four = open_peer(PEER(.addr = {.family = 4, .port = port}));
    peer_t *sender = open_peer(PEER(ON_BOTH));
    send_text(sender, address_from("127.0.0.1", port), "four");
    send_text(sender, address_from("::1", port), "six");
    CHECK_IS(take_one(four, NULL).len, 4);
    CHECK_IS(take_one(six, NULL).len, 3);
    nothing_more_comes(four);
    nothing_more_comes(six);
    ph_addr_t to = address_from("127.0.0.1", port);
    CHECK(peer_send_to(six, &to, 0, NULL, 0) < 0);
    CHECK_IS(counts_of(six).sent, 0);
    CHECK_IS(peer_close(six), 0);
    CHECK_IS(peer_close(four), 0);
    CHECK_IS(peer_close(sender), 0);
}

/* --- offloads --- */

static const uint32_t OFFLOADS[] = {0, PEER_NO_GSO, PEER_NO_GRO, PEER_NO_GSO | PEER_NO_GRO};

static void every_combination_of_a_peers_offloads_keeps_order_and_content(void)
{
    const size_t sizes[] = {4, 64, 1400, 5000}, takes[] = {1, 7, 64, 200};
    for (size_t out = 0; out < 2; out++)
        for (size_t in = 0; in < LENGTH(OFFLOADS); in++) {
            peer_t *sender = open_peer(PEER(ON_V4, .flags = OFFLOADS[out]));
            peer_t *h = open_peer(PEER(ON_V4, .flags = OFFLOADS[in]));
            for (size_t i = 0; i < LENGTH(sizes); i++)
                for (size_t n = 0; n < LENGTH(takes); n++)
                    carry(sender, h, 200, sizes[i], takes[n]);
            CHECK_IS(counts_of(sender).uses_gso, OFFLOADS[out] == 0);
            CHECK_IS(counts_of(h).uses_gro, !(OFFLOADS[in] & PEER_NO_GRO));
            CHECK_IS(counts_of(sender).sent, counts_of(h).received);
            CHECK_IS(counts_of(sender).sent_bytes, counts_of(h).received_bytes);
            nothing_more_comes(h);
            CHECK_IS(peer_close(sender), 0);
            CHECK_IS(peer_close(h), 0);
        }
}

/* Lengths in an order that makes runs of all kinds: broken, ended by a shorter one, of one. */
static size_t length_of(uint32_t number)
{
    static const size_t LENGTHS[] = {700, 700, 700, 64, 64, 0, 0, 1400, 1400, 1399, 1400, 1, 1, 2};
    return LENGTHS[number * 7 % 31 % LENGTH(LENGTHS)];
}

static void a_peers_runs_of_mixed_lengths_keep_their_bounds(void)
{
    enum { AT_ONCE = 50, ROUNDS = 20 };
    static uint8_t payloads[AT_ONCE][1400], buffer[ROOM];
    for (size_t i = 0; i < LENGTH(OFFLOADS); i++) {
        peer_t *h = open_peer(PEER(ON_V4, .flags = OFFLOADS[i]));
        for (uint32_t first = 0; first < ROUNDS * AT_ONCE; first += AT_ONCE) {
            ph_datagram_t items[AT_ONCE], taken[64];
            for (uint32_t at = 0; at < AT_ONCE; at++) {
                memset(payloads[at], (uint8_t)(first + at), sizeof payloads[at]);
                items[at] = (ph_datagram_t){
                    .addr = where(h), .data = payloads[at], .len = length_of(first + at)};
            }
            CHECK_IS(peer_send(h, items, NULL, AT_ONCE), AT_ONCE);
            for (uint32_t at = 0; at < AT_ONCE;) {
                int64_t n = peer_receive(h, taken, NULL, first % 100 ? 64 : 5, buffer, ROOM, 0);
                CHECK(n > 0);
                for (int64_t k = 0; k < n; k++, at++) {
                    CHECK_IS(taken[k].len, length_of(first + at));
                    for (size_t byte = 0; byte < taken[k].len; byte++)
                        CHECK_IS(taken[k].data[byte], (uint8_t)(first + at));
                }
            }
        }
        nothing_more_comes(h);
        CHECK_IS(peer_close(h), 0);
    }
}

static void a_peers_flows_to_many_destinations_do_not_mix(void)
{
    enum { FLOWS = 16, EACH = 20, ALL = FLOWS * EACH };
    peer_t *sender = open_peer(PEER(ON_V4)), *flows[FLOWS];
    ph_datagram_t items[ALL];
    uint32_t numbers[ALL];
    for (int i = 0; i < FLOWS; i++) flows[i] = open_peer(PEER(ON_V4));
    for (uint32_t i = 0; i < ALL; i++) {
        numbers[i] = i;
        items[i] = (ph_datagram_t){
            .addr = where(flows[i / 3 % FLOWS]), .data = (const uint8_t *)&numbers[i], .len = 4};
    }
    CHECK_IS(peer_send(sender, items, NULL, ALL), ALL);
    for (uint32_t i = 0; i < ALL; i++) CHECK_IS(take_number(flows[i / 3 % FLOWS]), i);
    for (int i = 0; i < FLOWS; i++) {
        nothing_more_comes(flows[i]);
        CHECK_IS(peer_close(flows[i]), 0);
    }
    CHECK_IS(peer_close(sender), 0);
}

/* More than any one system call, or any buffer of the library's, takes. What the receiver's buffer
 * has no room for is dropped by the kernel, and counted. */
static void a_call_may_send_thousands(void)
{
    enum { COUNT = 5000 };
    const struct {
        size_t size;
        uint32_t flags;
    } CASES[] = {{4, 0}, {1200, 0}, {0, 0}, {64, PEER_NO_GSO}};
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        peer_t *sender = open_peer(PEER(ON_V4, .flags = CASES[i].flags));
        peer_t *h = open_peer(PEER(ON_V4, .recv_buffer = 16 << 20));
        static ph_datagram_t items[COUNT];
        static uint8_t buffer[COUNT * 1200];
        CHECK_IS(peer_receive(h, items, NULL, COUNT, buffer, sizeof buffer, 0), -EAGAIN);
        CHECK_IS(send_numbers(sender, where(h), 0, COUNT, CASES[i].size), COUNT);
        int64_t n = peer_receive(h, items, NULL, COUNT, buffer, sizeof buffer, 0);
        CHECK(n > 0);
        CHECK_IS(n + (int64_t)counts_of(h).kernel_drops, COUNT);
        for (int64_t at = 0; at < n; at++) CHECK_IS(items[at].len, CASES[i].size);
        if (CASES[i].size >= 4)
            for (int64_t at = 0, last = -1; at < n; at++) {
                uint32_t number;
                memcpy(&number, items[at].data, sizeof number);
                CHECK(number > last && number < COUNT);
                last = number;
                check_number(&items[at], number, CASES[i].size);
            }
        nothing_more_comes(h);
        CHECK_IS(counts_of(sender).sent, COUNT);
        CHECK_IS(counts_of(sender).sent_bytes, COUNT * CASES[i].size);
        CHECK_IS(peer_close(sender), 0);
        CHECK_IS(peer_close(h), 0);
    }
}

static void a_call_with_ways_to_leave_sends_many_in_order(void)
{
    enum { COUNT = 150 };
    static ph_arrival_t how[COUNT];
    ph_datagram_t items[COUNT], taken[COUNT];
    uint32_t numbers[COUNT];
    uint8_t buffer[COUNT * 4];
    peer_t *h = open_peer(PEER(ON_V4));
    for (uint32_t i = 0; i < COUNT; i++) {
        numbers[i] = i;
        how[i].tos = -1;
        items[i] = (ph_datagram_t){.addr = where(h), .data = (uint8_t *)&numbers[i], .len = 4};
    }
    CHECK_IS(peer_send(h, items, how, COUNT), COUNT);
    CHECK_IS(peer_receive(h, taken, NULL, COUNT, buffer, sizeof buffer, 0), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) check_number(&taken[i], i, 4);
    CHECK_IS(counts_of(h).sent, COUNT);
    CHECK_IS(peer_close(h), 0);
}

/* --- permissions --- */

static void a_broadcast_takes_permission(void)
{
    peer_t *h = open_peer(NULL), *may = open_peer(PEER(.flags = PEER_BROADCAST));
    ph_addr_t to = address_from("127.255.255.255", where(h).port);
    ph_datagram_t items[] = {{.addr = where(h)}, {.addr = to}, {.addr = where(h)}};
    for (int round = 0; round < 2; round++) {
        CHECK_IS(peer_send_to(h, &to, 0, NULL, 0), -EACCES);
        CHECK_IS(peer_send(h, &items[1], NULL, 1), -EACCES);
        CHECK_IS(peer_send(h, items, NULL, 3), 1);
        CHECK_IS(take_one(h, NULL).len, 0);
        nothing_more_comes(h);
        CHECK_IS(peer_send(may, items, NULL, 3), 3);
        CHECK_IS(peer_set(h, PEER_SET_BROADCAST, 1), 0);
        CHECK_IS(peer_send(h, items, NULL, 3), 3);
        for (int i = 0; i < 6; i++) take_one(h, NULL);
        nothing_more_comes(h);
        CHECK_IS(peer_set(h, PEER_SET_BROADCAST, 0), 0);
    }
    CHECK_IS(peer_send(h, items, NULL, 3), 1);
    CHECK_IS(peer_reopen(may), 0);
    CHECK_IS(peer_send(may, &items[1], NULL, 1), 1);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(may), 0);
}

static int ttl_of_next(int fd)
{
    char payload, control[64];
    struct iovec vector = {&payload, 1};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
                            .msg_controllen = sizeof control};
    CHECK(recvmsg(fd, &header, 0) >= 0);
    const struct cmsghdr *message = CMSG_FIRSTHDR(&header);
    CHECK(message != NULL && message->cmsg_type == IP_TTL);
    int ttl;
    memcpy(&ttl, CMSG_DATA(message), sizeof ttl);
    return ttl;
}

static void the_ttl_is_what_a_peer_set(void)
{
    const int on = 1;
    int fd = open_socket(AF_INET);
    CHECK_IS(setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof on), 0);
    peer_t *const peers[] = {open_peer(PEER(ON_V4)), open_peer(PEER(ON_BOTH))};
    for (size_t i = 0; i < LENGTH(peers); i++) {
        CHECK_IS(peer_set(peers[i], PEER_TTL, 7), 0);
        send_text(peers[i], address_of(fd), "x");
        CHECK_IS(ttl_of_next(fd), 7);
        CHECK_IS(peer_close(peers[i]), 0);
    }
    close(fd);
}

/* --- a kernel that will not --- */

/* A datagram that leaves in pieces must fit the send buffer. */
static void a_send_buffer_without_room_is_no_error_that_lasts(void)
{
    enum { LARGE = 60000 };
    const int least = 1;
    enter_own_network("ip link set lo mtu 1500");
    static const uint8_t payload[LARGE];
    peer_t *h = open_peer(PEER(ON_V4));
    ph_addr_t to = where(h);
    ph_datagram_t items[] = {{.addr = to, .data = payload, .len = 100},
                             {.addr = to, .data = payload, .len = LARGE},
                             {.addr = to, .data = payload, .len = 100}};
    CHECK_IS(setsockopt(peer_socket(h), SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
    for (int round = 0; round < 3; round++) {
        CHECK_IS(peer_send_to(h, &to, 0, payload, LARGE), -EAGAIN);
        CHECK_IS(peer_send(h, &items[1], NULL, 2), -EAGAIN);
        CHECK_IS(peer_send(h, items, NULL, 3), 1);
        CHECK_IS(take_one(h, NULL).len, 100);
    }
    const int more = 1 << 20;
    CHECK_IS(setsockopt(peer_socket(h), SOL_SOCKET, SO_SNDBUF, &more, sizeof more), 0);
    CHECK_IS(peer_send(h, items, NULL, 3), 3);
    CHECK_IS(take_one(h, NULL).len, 100);
    CHECK_IS(take_one(h, NULL).len, LARGE);
    CHECK_IS(peer_send_to(h, &to, 0, payload, LARGE), LARGE);
    CHECK_IS(counts_of(h).sent, 3 + 3 + 1);
    CHECK_IS(peer_close(h), 0);
}

/* Packets to a neighbour that does not answer wait for it, and fill the send buffer: poll tells on
 * the socket when there is room again. */
static void a_full_send_buffer_refuses_until_it_is_writable(void)
{
    const int least = 1;
    enter_own_network("ip link add pair0 type veth peer name pair1 && ip link set pair0 up &&"
                      " ip link set pair1 up && ip address add 198.51.100.1/24 dev pair0");
    peer_t *h = open_peer(NULL);
    ph_addr_t nobody = address_from("198.51.100.2", 9);
    CHECK_IS(setsockopt(peer_socket(h), SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
    int64_t sent = 0, result = 1;
    for (; result == 1 && sent < 1000; sent += result == 1)
        result = send_numbers(h, nobody, 0, 1, 1000);
    CHECK_IS(result, -EAGAIN);
    CHECK(sent > 0);
    CHECK_IS(peer_send_to(h, &nobody, 0, NULL, 0), -EAGAIN);
    CHECK_IS(send_numbers(h, nobody, 0, 3, 1000), -EAGAIN);
    CHECK_IS(counts_of(h).sent, sent);
    struct pollfd wanted = {.fd = peer_socket(h), .events = POLLOUT};
    CHECK_IS(poll(&wanted, 1, 0), 0);
    run_command("ip neighbour replace 198.51.100.2 lladdr 02:00:00:00:00:02 dev pair0");
    CHECK_IS(poll(&wanted, 1, PATIENCE_MS), 1);
    CHECK_IS(send_numbers(h, nobody, 0, 1, 1000), 1);
    CHECK_IS(peer_close(h), 0);
}

/* Longer than the interface's packets, datagrams cannot leave together; each goes in pieces. */
static void datagrams_longer_than_a_packet_go_one_by_one(void)
{
    enter_own_network("ip link set lo mtu 1500");
    peer_t *sender = open_peer(PEER(ON_V4)), *h = open_peer(PEER(ON_V4));
    carry(sender, h, 100, 1000, 64);
    carry(sender, h, 100, 3000, 64);
    carry(sender, h, 100, 1600, 1);
    carry(sender, h, 100, 1000, 64);
    CHECK_IS(counts_of(sender).uses_gso, 1);
    CHECK_IS(counts_of(sender).sent, 400);
    CHECK_IS(peer_close(sender), 0);
    CHECK_IS(peer_close(h), 0);
}

static void what_no_route_leads_to_is_refused_and_the_rest_is_sent(void)
{
    enter_own_network("true");
    peer_t *h = open_peer(PEER(ON_V4)), *six = open_peer(PEER(ON_V6));
    ph_addr_t far = address_from("198.51.100.7", 9), far_six = address_from("2001:db8::7", 9);
    ph_datagram_t items[] = {{.addr = where(h)}, {.addr = far}, {.addr = where(h)}};
    for (int round = 0; round < 3; round++) {
        CHECK_IS(peer_send_to(h, &far, 0, NULL, 0), -ENETUNREACH);
        CHECK_IS(peer_send_to(six, &far_six, 0, NULL, 0), -ENETUNREACH);
        CHECK_IS(peer_send(h, items, NULL, 3), 1);
        CHECK_IS(peer_send(h, items + 1, NULL, 2), -ENETUNREACH);
        take_one(h, NULL);
        nothing_more_comes(h);
    }
    CHECK_IS(counts_of(h).sent, 3);
    CHECK_IS(counts_of(h).icmp_errors, 0);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(six), 0);
}

const struct test peer_send_tests[] = {
    TEST(a_dual_stack_peer_talks_with_both_families),
    TEST(a_peer_of_ipv6_alone_leaves_ipv4_to_others),
    TEST(every_combination_of_a_peers_offloads_keeps_order_and_content),
    TEST(a_peers_runs_of_mixed_lengths_keep_their_bounds),
    TEST(a_peers_flows_to_many_destinations_do_not_mix),
    TEST(a_call_may_send_thousands),
    TEST(a_call_with_ways_to_leave_sends_many_in_order),
    TEST(a_broadcast_takes_permission),
    TEST(the_ttl_is_what_a_peer_set),
    TEST(a_send_buffer_without_room_is_no_error_that_lasts),
    TEST(a_full_send_buffer_refuses_until_it_is_writable),
    TEST(datagrams_longer_than_a_packet_go_one_by_one),
    TEST(what_no_route_leads_to_is_refused_and_the_rest_is_sent),
    END_OF_TESTS,
};
