/* Datagrams on their way: families, sizes, batches, offloads, reactors, waiting. */
#include "check.h"
#include "support.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Longest payload over IPv4, and one more datagram's worth of room behind it. */
enum { LONGEST = 65507, ROOM = 1 << 17 };

/* Waits for one datagram of any length. */
static ph_datagram_t receive_one(udph_t *h)
{
    static uint8_t buffer[ROOM];
    ph_datagram_t item;
    CHECK_IS(udph_get_recved(h, &item, 1, buffer, sizeof buffer, 10000), 1);
    return item;
}

static void nothing_more_comes(udph_t *h)
{
    ph_datagram_t item;
    CHECK_IS(udph_queued_recved(h), 0);
    CHECK_IS(udph_get_recved(h, &item, 1, NULL, 0, 0), -EAGAIN);
}

/* --- families --- */

/* A plain client's datagram is answered to the address it seems to come from. */
static void answer_each_client(int own, const int *families, size_t count)
{
    udph_t *h = NULL;
    CHECK_IS(udph_new(own, RECEIVING, &h), 0);
    for (size_t i = 0; i < count; i++) {
        int client = open_socket(families[i]);
        ph_addr_t at = address_of(own);
        if (families[i] == AF_INET && at.family == 6) {
            uint16_t port = at.port;
            CHECK_IS(ph_addr_parse("127.0.0.1", 9, port, &at), 0);
        }
        char answer[8];
        send_plainly(client, at, "question", 8);
        ph_datagram_t question = receive_one(h);
        CHECK_IS(question.len, 8);
        CHECK_IS(memcmp(question.data, "question", 8), 0);
        CHECK_IS(question.addr.port, address_of(client).port);
        CHECK(question.delay_ns >= 0 && question.delay_ns < 10 * SECOND);
        CHECK_IS(udph_dispatch_to(h, &question.addr, 0, (const uint8_t *)"answer", 6), 0);
        CHECK_IS(receive_plainly(client, answer, sizeof answer), 6);
        close(client);
    }
    close_handler(h, 1000);
    close(own);
}

static void both_families_are_served(void)
{
    answer_each_client(open_socket(AF_INET), (int[]){AF_INET}, 1);
    answer_each_client(open_socket(AF_INET6), (int[]){AF_INET6}, 1);
}

static void a_dual_stack_socket_serves_both_families_in_turn(void)
{
    answer_each_client(open_dual_stack_socket(), (int[]){AF_INET, AF_INET6, AF_INET}, 3);
}

/* One address is named in three ways; a dual-stack socket reports the last. */
static void a_dual_stack_socket_names_an_ipv4_peer_as_ipv6_and_takes_either(void)
{
    int own = open_dual_stack_socket(), peer = open_socket(AF_INET);
    ph_addr_t plain = address_of(peer), mapped, at;
    CHECK_IS(ph_addr_parse("::ffff:127.0.0.1", 16, plain.port, &mapped), 0);
    CHECK_IS(ph_addr_parse("127.0.0.1", 9, address_of(own).port, &at), 0);
    udph_t *h = open_handler(own, RECEIVING);
    send_plainly(peer, at, "x", 1);
    ph_datagram_t item = receive_one(h);
    CHECK(is_same_address(&item.addr, &mapped));
    char byte;
    CHECK_IS(udph_dispatch_to(h, &plain, 0, NULL, 0), 0);
    CHECK_IS(udph_dispatch_to(h, &mapped, 0, NULL, 0), 0);
    CHECK_IS(receive_plainly(peer, &byte, 1), 0);
    CHECK_IS(receive_plainly(peer, &byte, 1), 0);
    CHECK_IS(close_handler(h, 1000).sent, 2);
    close(peer);
}

static void a_socket_that_is_not_bound_yet_gets_its_answers(void)
{
    int server = open_socket(AF_INET);
    ph_addr_t at = address_of(server);
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    char byte;
    udph_t *h = open_handler(socket(AF_INET, SOCK_DGRAM, 0), RECEIVING);
    CHECK_IS(udph_dispatch_to(h, &at, 0, (const uint8_t *)"?", 1), 0);
    CHECK_IS(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
    CHECK_IS(sendto(server, "!", 1, 0, (struct sockaddr *)&from, size), 1);
    CHECK_IS(receive_one(h).len, 1);
    close_handler(h, 0);
    close(server);
}

/* --- sizes --- */

static void exchange(int family, size_t size)
{
    int from = open_socket(family), to = open_socket(family);
    ph_addr_t at = address_of(to);
    udph_t *sender = open_handler(from, NULL), *receiver = open_handler(to, RECEIVING);
    uint8_t *payload = malloc(size + 1);
    for (size_t i = 0; i < size; i++) payload[i] = (uint8_t)(i * 31 >> 3);
    for (int round = 0; round < 3; round++) {
        CHECK_IS(udph_dispatch_to(sender, &at, 0, payload, size), 0);
        ph_datagram_t item = receive_one(receiver);
        CHECK_IS(item.len, size);
        CHECK_IS(item.flags, 0);
        CHECK_IS(memcmp(item.data, payload, size), 0);
    }
    free(payload);
    udph_stats_t out = close_handler(sender, 1000), in = close_handler(receiver, 0);
    CHECK_IS(out.sent_bytes, 3 * size);
    CHECK_IS(in.received_bytes, 3 * size);
    CHECK_IS(in.delivered, 3);
}

static void datagrams_of_every_size_arrive_whole(void)
{
    const size_t sizes[] = {0, 1, 2, 64, 1472, 1473, 9000, 32768, 65000, LONGEST - 1, LONGEST};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        exchange(AF_INET, sizes[i]);
        exchange(AF_INET6, sizes[i]);
    }
    exchange(AF_INET6, 65527);
}

static void an_empty_datagram_needs_no_buffer(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    ph_datagram_t items[5];
    for (int i = 0; i < 4; i++) items[i] = (ph_datagram_t){.addr = pair.to};
    CHECK_IS(udph_dispatch(pair.sender, items, 4, 0), 4);
    CHECK_EVENTUALLY(udph_queued_recved(pair.receiver) == 4);
    CHECK_IS(udph_get_recved(pair.receiver, items, 5, NULL, 0, 0), 4);
    for (int i = 0; i < 4; i++) CHECK_IS(items[i].len, 0);
    nothing_more_comes(pair.receiver);
    close_pair(&pair);
}

static void a_buffer_too_small_loses_nothing(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    const uint8_t payload[100] = "whole";
    ph_datagram_t items[3];
    uint8_t buffer[250];
    for (int i = 0; i < 3; i++)
        CHECK_IS(udph_dispatch_to(pair.sender, &pair.to, 0, payload, sizeof payload), 0);
    CHECK_EVENTUALLY(udph_queued_recved(pair.receiver) == 3);
    CHECK_IS(udph_get_recved(pair.receiver, items, 3, NULL, 0, 0), -EMSGSIZE);
    CHECK_IS(udph_get_recved(pair.receiver, items, 3, buffer, 99, -1), -EMSGSIZE);
    CHECK_IS(udph_queued_recved(pair.receiver), 3);
    CHECK_IS(udph_get_recved(pair.receiver, items, 3, buffer, sizeof buffer, 0), 2);
    CHECK(items[0].data == buffer && items[1].data == buffer + 100);
    CHECK_IS(udph_get_recved(pair.receiver, items, 3, buffer, 100, 0), 1);
    CHECK_IS(memcmp(items[0].data, payload, sizeof payload), 0);
    nothing_more_comes(pair.receiver);
    close_pair(&pair);
}

static void a_call_fills_no_more_than_it_is_given(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    ph_datagram_t items[65];
    uint32_t numbers[65];
    memset(items, 0x55, sizeof items);
    const ph_datagram_t untouched = items[64];
    dispatch_numbers(pair.sender, pair.to, 0, 100);
    CHECK_EVENTUALLY(udph_queued_recved(pair.receiver) == 100);
    int64_t n = udph_get_recved(pair.receiver, items, 64, (uint8_t *)numbers, 64 * 4, 0);
    CHECK_IS(n, 64);
    for (uint32_t i = 0; i < 64; i++) CHECK_IS(numbers[i], i);
    CHECK_IS(memcmp(&items[64], &untouched, sizeof untouched), 0);
    for (uint32_t i = 64; i < 100; i++) CHECK_IS(receive_number(pair.receiver), i);
    nothing_more_comes(pair.receiver);
    close_pair(&pair);
}

static void what_is_longer_than_recv_size_is_flagged(void)
{
    enum { KEPT = 200 };
    struct pair pair = open_pair(NULL, CONFIG(.recv_reactors = 1, .recv_size = KEPT));
    const size_t sizes[] = {0, 1, KEPT - 1, KEPT, KEPT + 1, 2 * KEPT, 5000, KEPT};
    uint8_t payload[5000];
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (uint8_t)i;
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        bool is_cut = sizes[i] > KEPT;
        CHECK_IS(udph_dispatch_to(pair.sender, &pair.to, 0, payload, sizes[i]), 0);
        ph_datagram_t item = receive_one(pair.receiver);
        CHECK_IS(item.flags, is_cut ? PH_TRUNCATED : 0);
        CHECK_IS(item.len, is_cut ? KEPT : sizes[i]);
        CHECK_IS(memcmp(item.data, payload, item.len), 0);
    }
    CHECK_IS(stats_of(pair.receiver).truncated, 3);
    close_pair(&pair);
}

static void each_long_datagram_of_a_run_is_cut_alone(void)
{
    enum { KEPT = 100, LONG = 300, RUN = 40 };
    struct pair pair = open_pair(NULL, CONFIG(.recv_reactors = 1, .recv_size = KEPT));
    uint8_t payloads[RUN][LONG];
    ph_datagram_t items[RUN];
    for (int i = 0; i < RUN; i++) {
        memset(payloads[i], i, LONG);
        items[i] = (ph_datagram_t){.addr = pair.to, .data = payloads[i], .len = LONG};
    }
    CHECK_IS(udph_dispatch(pair.sender, items, RUN, 0), RUN);
    for (int i = 0; i < RUN; i++) {
        ph_datagram_t item = receive_one(pair.receiver);
        CHECK_IS(item.flags, PH_TRUNCATED);
        CHECK_IS(item.len, KEPT);
        CHECK_IS(memcmp(item.data, payloads[i], KEPT), 0);
    }
    CHECK_IS(stats_of(pair.receiver).truncated, RUN);
    close_pair(&pair);
}

static void a_small_recv_size_keeps_runs_of_small_datagrams_whole(void)
{
    struct pair pair =
        open_pair(CONFIG(.send_reactors = 1), CONFIG(.recv_reactors = 1, .recv_size = 200));
    CHECK(pump(pair.sender, pair.receiver, pair.to, 1000, 100));
    CHECK_IS(stats_of(pair.receiver).truncated, 0);
    close_pair(&pair);
}

/* --- sources --- */

static void the_same_address_is_pointed_out(void)
{
    enum { CLIENTS = 8, EACH = 8, ALL = CLIENTS * EACH };
    int own = open_socket(AF_INET), clients[CLIENTS];
    ph_addr_t at = address_of(own);
    udph_t *h = open_handler(own, RECEIVING);
    for (int i = 0; i < CLIENTS; i++) clients[i] = open_socket(AF_INET);
    for (int i = 0; i < ALL; i++) send_plainly(clients[i % CLIENTS], at, &i, sizeof i);
    CHECK_EVENTUALLY(udph_queued_recved(h) == ALL);
    ph_datagram_t items[ALL];
    int numbers[ALL];
    CHECK_IS(udph_get_recved(h, items, ALL, (uint8_t *)numbers, sizeof numbers, 0), ALL);
    for (uint32_t i = 0; i < ALL; i++) {
        ph_addr_t sender = address_of(clients[i % CLIENTS]);
        CHECK_IS(numbers[i], i);
        CHECK(is_same_address(&items[i].addr, &sender));
        CHECK(items[i].same_addr_as <= i);
        const ph_addr_t *same = &items[items[i].same_addr_as].addr;
        CHECK_IS(memcmp(same->ip, items[i].addr.ip, sizeof same->ip), 0);
    }
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
    close_handler(h, 0);
}

/* --- offloads --- */

static const uint32_t OFFLOADS[] = {0, UDPH_NO_GSO, UDPH_NO_GRO, UDPH_NO_GSO | UDPH_NO_GRO};

static void each_combination_of_offloads_carries_everything_in_order(void)
{
    const size_t sizes[] = {4, 64, 1400, 5000};
    for (size_t out = 0; out < LENGTH(OFFLOADS); out++)
        for (size_t in = 0; in < LENGTH(OFFLOADS); in++)
            for (size_t i = 0; i < LENGTH(sizes); i++) {
                struct pair pair = open_pair(CONFIG(.flags = OFFLOADS[out]),
                                             CONFIG(.recv_reactors = 1, .flags = OFFLOADS[in]));
                CHECK(pump(pair.sender, pair.receiver, pair.to, 500, sizes[i]));
                close_pair(&pair);
            }
}

/* Offloads that the kernel has are used; those that are forbidden are not. */
static void the_stats_tell_which_offloads_were_used(void)
{
    for (size_t i = 0; i < LENGTH(OFFLOADS); i++) {
        bool gso = !(OFFLOADS[i] & UDPH_NO_GSO), gro = !(OFFLOADS[i] & UDPH_NO_GRO);
        struct pair pair = open_pair(CONFIG(.flags = OFFLOADS[i]),
                                     CONFIG(.recv_reactors = 1, .flags = OFFLOADS[i]));
        CHECK_IS(stats_of(pair.sender).uses_gso, gso);
        CHECK_IS(stats_of(pair.receiver).uses_gro, gro);
        CHECK(pump(pair.sender, pair.receiver, pair.to, 2000, 100));
        udph_stats_t out = close_handler(pair.sender, 1000), in = close_handler(pair.receiver, 0);
        CHECK_IS(out.gso_messages > 0, gso);
        CHECK_IS(in.gro_messages > 0, gso && gro);
        CHECK(out.send_batches <= 2000 && in.recv_batches <= 2000);
    }
}

/* Lengths in an order that makes runs of all kinds: broken, ended by a shorter one, of one. */
static size_t length_of(uint32_t number)
{
    static const size_t LENGTHS[] = {700, 700, 700, 64, 64, 0, 0, 1400, 1400, 1399, 1400, 1, 1, 2};
    return LENGTHS[number * 7 % 31 % LENGTH(LENGTHS)];
}

static void check_mixed(udph_t *receiver, uint32_t first, uint32_t count)
{
    for (uint32_t number = first; number < first + count; number++) {
        ph_datagram_t item = receive_one(receiver);
        CHECK_IS(item.len, length_of(number));
        for (size_t i = 0; i < item.len; i++) CHECK_IS(item.data[i], (uint8_t)number);
    }
}

static void runs_of_mixed_lengths_keep_their_bounds(void)
{
    enum { AT_ONCE = 50, ROUNDS = 20 };
    static uint8_t payloads[AT_ONCE][1400];
    for (size_t i = 0; i < LENGTH(OFFLOADS); i++) {
        struct pair pair = open_pair(CONFIG(.flags = OFFLOADS[i]),
                                     CONFIG(.recv_reactors = 1, .flags = OFFLOADS[i]));
        for (uint32_t number = 0; number < ROUNDS * AT_ONCE; number += AT_ONCE) {
            ph_datagram_t items[AT_ONCE];
            for (uint32_t at = 0; at < AT_ONCE; at++) {
                memset(payloads[at], (uint8_t)(number + at), sizeof payloads[at]);
                items[at] = (ph_datagram_t){
                    .addr = pair.to, .data = payloads[at], .len = length_of(number + at)};
            }
            CHECK_IS(udph_dispatch(pair.sender, items, AT_ONCE, 0), AT_ONCE);
            check_mixed(pair.receiver, number, AT_ONCE);
        }
        close_pair(&pair);
    }
}

static void flows_to_many_destinations_do_not_mix(void)
{
    enum { FLOWS = 16, EACH = 20, ALL = FLOWS * EACH };
    udph_t *sender = open_handler(open_socket(AF_INET), NULL), *receivers[FLOWS];
    ph_addr_t to[FLOWS];
    ph_datagram_t items[ALL];
    uint32_t numbers[ALL];
    for (int i = 0; i < FLOWS; i++) {
        int own = open_socket(AF_INET);
        to[i] = address_of(own);
        receivers[i] = open_handler(own, RECEIVING);
    }
    for (uint32_t i = 0; i < ALL; i++) {
        numbers[i] = i;
        items[i] = (ph_datagram_t){
            .addr = to[i / 3 % FLOWS], .data = (const uint8_t *)&numbers[i], .len = 4};
    }
    CHECK_IS(udph_dispatch(sender, items, ALL, 0), ALL);
    for (uint32_t i = 0; i < ALL; i++) CHECK_IS(receive_number(receivers[i / 3 % FLOWS]), i);
    for (int i = 0; i < FLOWS; i++) {
        nothing_more_comes(receivers[i]);
        close_handler(receivers[i], 0);
    }
    CHECK_IS(close_handler(sender, 1000).sent, ALL);
}

/* --- reactors --- */

static void several_senders_deliver_each_datagram_once(void)
{
    struct pair pair = open_pair(CONFIG(.send_reactors = 4), RECEIVING);
    pump(pair.sender, pair.receiver, pair.to, 20000, 64);
    close_pair(&pair);
}

static uint64_t add_up(udph_t *h, udph_reactor_stats_t *all, uint32_t count)
{
    udph_stats_t stats = stats_of(h);
    CHECK_IS(stats.recv_reactors, count);
    udph_reactor_stats_t reactors[16];
    int64_t n = udph_reactor_stats(h, reactors, LENGTH(reactors));
    CHECK_IS(n, stats.send_reactors + count);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        all[i] = reactors[stats.send_reactors + i];
        sum += all[i].datagrams;
    }
    CHECK_IS(sum, stats.received);
    return sum;
}

/* Numbers from many sockets, few enough on their way; each must arrive once. */
static void send_from_many(udph_t *h, ph_addr_t at)
{
    enum { CLIENTS = 64, ROUNDS = 20 };
    int clients[CLIENTS];
    bool has_come[CLIENTS * ROUNDS] = {false};
    for (int i = 0; i < CLIENTS; i++) clients[i] = open_socket(AF_INET);
    for (uint32_t first = 0; first < CLIENTS * ROUNDS; first += CLIENTS) {
        for (uint32_t i = 0; i < CLIENTS; i++) {
            uint32_t number = first + i;
            send_plainly(clients[i], at, &number, sizeof number);
        }
        for (int i = 0; i < CLIENTS; i++) {
            uint32_t number = receive_number(h);
            CHECK(number < CLIENTS * ROUNDS && !has_come[number]);
            has_come[number] = true;
        }
    }
    nothing_more_comes(h);
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
}

static void reactors_of_a_port_group_share_the_load(void)
{
    enum { REACTORS = 4 };
    int own = open_group_socket();
    ph_addr_t at = address_of(own);
    udph_t *h = open_handler(own, CONFIG(.recv_reactors = REACTORS, .recv_sockets_a_reactor = 2));
    send_from_many(h, at);
    udph_reactor_stats_t all[REACTORS];
    CHECK_IS(add_up(h, all, REACTORS), 64 * 20);
    for (int i = 0; i < REACTORS; i++) CHECK(all[i].datagrams > 0);
    close_handler(h, 0);
}

static void an_answer_of_a_port_group_comes_from_its_port(void)
{
    int own = open_group_socket(), client = open_socket(AF_INET);
    ph_addr_t at = address_of(own);
    udph_t *h = open_handler(own, CONFIG(.recv_reactors = 3, .send_reactors = 3));
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    char byte;
    send_plainly(client, at, "?", 1);
    ph_datagram_t item = receive_one(h);
    CHECK_IS(udph_dispatch_to(h, &item.addr, 0, item.data, item.len), 0);
    CHECK_IS(recvfrom(client, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
    CHECK_IS(ntohs(from.sin_port), at.port);
    close_handler(h, 1000);
    close(client);
}

/* One datagram at a time wakes all who wait for the socket, unless they take turns. */
static void reactors_that_share_a_socket_do_not_wake_each_other(void)
{
    enum { REACTORS = 4, DATAGRAMS = 2000 };
    struct pair pair = open_pair(NULL, CONFIG(.recv_reactors = REACTORS));
    for (uint32_t i = 0; i < DATAGRAMS; i++) {
        dispatch_numbers(pair.sender, pair.to, i, 1);
        CHECK_IS(receive_number(pair.receiver), i);
    }
    udph_reactor_stats_t all[REACTORS];
    CHECK_IS(add_up(pair.receiver, all, REACTORS), DATAGRAMS);
    uint64_t idle = 0;
    for (int i = 0; i < REACTORS; i++) idle += all[i].idle_wakeups;
    CHECK(idle <= DATAGRAMS / 20);
    close_pair(&pair);
}

static void reactors_that_share_a_socket_take_each_datagram_once(void)
{
    struct pair pair = open_pair(NULL, CONFIG(.recv_reactors = 4));
    pump(pair.sender, pair.receiver, pair.to, 20000, 64);
    nothing_more_comes(pair.receiver);
    close_pair(&pair);
}

/* --- being told --- */

/* The seed's loop: as many single calls as the event fd says, each of which finds one. */
static void the_event_fd_adds_up_to_the_datagrams(void)
{
    enum { DATAGRAMS = 5000, AT_ONCE = 50 };
    int event = eventfd(0, EFD_CLOEXEC);
    struct pair pair = open_pair(NULL, CONFIG(.recv_reactors = 2, .event_fd = event));
    for (uint32_t seen = 0; seen < DATAGRAMS;) {
        dispatch_numbers(pair.sender, pair.to, seen, AT_ONCE);
        for (uint32_t end = seen + AT_ONCE; seen < end;) {
            eventfd_t count;
            CHECK_IS(eventfd_read(event, &count), 0);
            for (; count > 0; count--, seen++) {
                ph_datagram_t item;
                uint32_t number;
                int64_t n = udph_get_recved(pair.receiver, &item, 1, (uint8_t *)&number, 4, 0);
                CHECK_IS(n, 1);
            }
            CHECK(seen <= end);
        }
    }
    nothing_more_comes(pair.receiver);
    CHECK_IS(poll(&(struct pollfd){.fd = event, .events = POLLIN}, 1, 0), 0);
    close_pair(&pair);
    close(event);
}

static void the_event_fd_stays_the_callers(void)
{
    eventfd_t count;
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct pair pair = open_pair(NULL, CONFIG(.recv_reactors = 1, .event_fd = event));
    close(event);
    dispatch_numbers(pair.sender, pair.to, 0, 1);
    CHECK_IS(receive_number(pair.receiver), 0);
    close_pair(&pair);
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pair = open_pair(NULL, CONFIG(.recv_reactors = 1, .event_fd = event));
    close_pair(&pair);
    CHECK_IS(eventfd_write(event, 3), 0);
    CHECK_IS(eventfd_read(event, &count), 0);
    CHECK_IS(count, 3);
    close(event);
}

/* A program may write to its event fd too, and block whoever adds to a counter that is full. */
static void an_event_fd_that_is_full_holds_nobody_up(void)
{
    int event = eventfd(0, EFD_CLOEXEC);
    CHECK_IS(eventfd_write(event, UINT64_MAX - 1), 0);
    struct pair pair = open_pair(NULL, CONFIG(.recv_reactors = 1, .event_fd = event));
    for (uint32_t i = 0; i < 3; i++) {
        dispatch_numbers(pair.sender, pair.to, i, 1);
        CHECK_IS(receive_number(pair.receiver), i);
    }
    close_pair(&pair);
    close(event);
}

static void the_handlers_fd_is_readable_exactly_while_datagrams_are_there(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    int fd = udph_fd(pair.receiver);
    CHECK(fd >= 0);
    CHECK_IS(udph_fd(pair.receiver), fd);
    for (int round = 0; round < 100; round++) {
        CHECK(!is_readable(fd));
        dispatch_numbers(pair.sender, pair.to, 0, 3);
        CHECK_EVENTUALLY(udph_queued_recved(pair.receiver) == 3);
        CHECK_EVENTUALLY(is_readable(fd));
        for (uint32_t i = 0; i < 3; i++) {
            CHECK(is_readable(fd));
            CHECK_IS(receive_number(pair.receiver), i);
        }
    }
    CHECK(!is_readable(fd));
    close_pair(&pair);
}

static void the_handlers_fd_knows_of_what_came_before_it_was_asked_for(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    dispatch_numbers(pair.sender, pair.to, 0, 1);
    CHECK_EVENTUALLY(udph_queued_recved(pair.receiver) == 1);
    CHECK(is_readable(udph_fd(pair.receiver)));
    CHECK_IS(receive_number(pair.receiver), 0);
    CHECK(!is_readable(udph_fd(pair.receiver)));
    close_pair(&pair);
}

struct stream {
    udph_t *sender;
    ph_addr_t to;
    uint32_t count;
    _Atomic uint32_t received;
};

static void *send_stream(void *argument)
{
    enum { ON_THEIR_WAY = 100 };
    struct stream *stream = argument;
    for (uint32_t i = 0; i < stream->count; i++) {
        CHECK_EVENTUALLY(i - atomic_load(&stream->received) < ON_THEIR_WAY);
        dispatch_numbers(stream->sender, stream->to, i, 1);
    }
    return NULL;
}

/* A missed signal would leave the consumer asleep; a false one would find nothing. */
static void a_consumer_that_polls_the_handlers_fd_neither_misses_nor_errs(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    struct stream stream = {.sender = pair.sender, .to = pair.to, .count = 20000};
    struct pollfd wanted = {.fd = udph_fd(pair.receiver), .events = POLLIN};
    pthread_t thread = start(send_stream, &stream);
    while (atomic_load(&stream.received) < stream.count) {
        ph_datagram_t item;
        uint32_t number;
        CHECK_IS(poll(&wanted, 1, 10000), 1);
        CHECK_IS(udph_get_recved(pair.receiver, &item, 1, (uint8_t *)&number, 4, 0), 1);
        CHECK_IS(number, atomic_load(&stream.received));
        atomic_fetch_add(&stream.received, 1);
    }
    join(thread);
    close_pair(&pair);
}

/* --- waiting --- */

static void waiting_never_ends_early(void)
{
    const int32_t patience_ms[] = {1, 2, 3, 7, 20, 50};
    udph_t *h = open_handler(open_socket(AF_INET), RECEIVING);
    ph_datagram_t item;
    for (int round = 0; round < 5; round++)
        for (size_t i = 0; i < LENGTH(patience_ms); i++) {
            int64_t started = now_ns();
            CHECK_IS(udph_get_recved(h, &item, 1, NULL, 0, patience_ms[i]), -ETIMEDOUT);
            CHECK(now_ns() - started >= patience_ms[i] * MILLISECOND);
            CHECK(now_ns() - started < patience_ms[i] * MILLISECOND + SECOND);
        }
    close_handler(h, 0);
}

static void *receive_first(void *h)
{
    static const uint32_t OUT_OF_TIME = UINT32_MAX;
    static _Thread_local uint32_t number;
    ph_datagram_t item;
    int64_t n = udph_get_recved(h, &item, 1, (uint8_t *)&number, sizeof number, 300);
    CHECK(n == 1 || n == -ETIMEDOUT);
    return (void *)(uintptr_t)(n == 1 ? number : OUT_OF_TIME);
}

/* Those who were woken for a datagram that another took must wait on, and never early give up. */
static void each_datagram_goes_to_one_of_those_who_wait(void)
{
    enum { WAITERS = 8, DATAGRAMS = 5 };
    struct pair pair = open_pair(NULL, RECEIVING);
    pthread_t threads[WAITERS];
    int64_t started = now_ns();
    for (int i = 0; i < WAITERS; i++) threads[i] = start(receive_first, pair.receiver);
    dispatch_numbers(pair.sender, pair.to, 0, DATAGRAMS);
    uint32_t seen = 0, empty_handed = 0;
    for (int i = 0; i < WAITERS; i++) {
        uintptr_t number = (uintptr_t)join(threads[i]);
        if (number < DATAGRAMS) seen |= 1u << number;
        else empty_handed++;
    }
    CHECK_IS(seen, (1u << DATAGRAMS) - 1);
    CHECK_IS(empty_handed, WAITERS - DATAGRAMS);
    CHECK(now_ns() - started >= 300 * MILLISECOND);
    close_pair(&pair);
}

static void several_handlers_live_side_by_side(void)
{
    enum { PAIRS = 8 };
    struct pair pairs[PAIRS];
    for (int i = 0; i < PAIRS; i++) pairs[i] = open_pair(NULL, RECEIVING);
    for (uint32_t i = 0; i < PAIRS; i++)
        dispatch_numbers(pairs[i].sender, pairs[i].to, 100 * i, 50);
    for (uint32_t i = PAIRS; i-- > 0;)
        for (uint32_t at = 0; at < 50; at++)
            CHECK_IS(receive_number(pairs[i].receiver), 100 * i + at);
    for (int i = 0; i < PAIRS; i++) close_pair(&pairs[i]);
}

/* --- telling --- */

static void the_average_latency_starts_anew_when_asked_to(void)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    CHECK_IS(udph_stats_send_avg(pair.sender, 0), 0);
    dispatch_numbers(pair.sender, pair.to, 0, 10);
    CHECK_EVENTUALLY(stats_of(pair.sender).sent == 10);
    int64_t average = udph_stats_send_avg(pair.sender, 0);
    CHECK(average > 0 && average < 10 * SECOND);
    CHECK_IS(udph_stats_send_avg(pair.sender, 1), average);
    CHECK_IS(udph_stats_send_avg(pair.sender, 1), 0);
    close_pair(&pair);
}

static void check_percentiles(ph_percentiles_t times)
{
    CHECK(times.p50 > 0);
    CHECK(times.p50 <= times.p99 && times.p99 <= times.p999);
    /* A percentile is at most 1/16 above the true value, which is at most the largest. */
    CHECK(times.p999 <= times.max + times.max / 16);
    CHECK(times.max < (uint64_t)(30 * SECOND));
}

static void the_counts_of_both_ends_agree(void)
{
    enum { COUNT = 3000, SIZE = 64 };
    struct pair pair = open_pair(NULL, RECEIVING);
    pump(pair.sender, pair.receiver, pair.to, COUNT, SIZE);
    udph_stats_t out = close_handler(pair.sender, 1000), in = close_handler(pair.receiver, 0);
    CHECK_IS(out.dispatched, COUNT);
    CHECK_IS(out.sent, COUNT);
    CHECK_IS(out.sent_bytes, COUNT * SIZE);
    CHECK_IS(in.received, COUNT);
    CHECK_IS(in.received_bytes, COUNT * SIZE);
    CHECK_IS(in.delivered, COUNT);
    CHECK_IS(in.kernel_drops, 0);
    CHECK_IS(in.recv_unread, 0);
    check_percentiles(out.send_latency);
    check_percentiles(in.recv_delay);
}

const struct test traffic_tests[] = {
    TEST(both_families_are_served),
    TEST(a_dual_stack_socket_serves_both_families_in_turn),
    TEST(a_dual_stack_socket_names_an_ipv4_peer_as_ipv6_and_takes_either),
    TEST(a_socket_that_is_not_bound_yet_gets_its_answers),
    TEST(datagrams_of_every_size_arrive_whole),
    TEST(an_empty_datagram_needs_no_buffer),
    TEST(a_buffer_too_small_loses_nothing),
    TEST(a_call_fills_no_more_than_it_is_given),
    TEST(what_is_longer_than_recv_size_is_flagged),
    TEST(each_long_datagram_of_a_run_is_cut_alone),
    TEST(a_small_recv_size_keeps_runs_of_small_datagrams_whole),
    TEST(the_same_address_is_pointed_out),
    TEST(each_combination_of_offloads_carries_everything_in_order),
    TEST(the_stats_tell_which_offloads_were_used),
    TEST(runs_of_mixed_lengths_keep_their_bounds),
    TEST(flows_to_many_destinations_do_not_mix),
    TEST(several_senders_deliver_each_datagram_once),
    TEST(reactors_of_a_port_group_share_the_load),
    TEST(an_answer_of_a_port_group_comes_from_its_port),
    TEST(reactors_that_share_a_socket_do_not_wake_each_other),
    TEST(reactors_that_share_a_socket_take_each_datagram_once),
    TEST(the_event_fd_adds_up_to_the_datagrams),
    TEST(the_event_fd_stays_the_callers),
    TEST(the_handlers_fd_is_readable_exactly_while_datagrams_are_there),
    TEST(the_handlers_fd_knows_of_what_came_before_it_was_asked_for),
    TEST(a_consumer_that_polls_the_handlers_fd_neither_misses_nor_errs),
    TEST(waiting_never_ends_early),
    TEST(each_datagram_goes_to_one_of_those_who_wait),
    TEST(several_handlers_live_side_by_side),
    TEST(the_average_latency_starts_anew_when_asked_to),
    TEST(the_counts_of_both_ends_agree),
    TEST(an_event_fd_that_is_full_holds_nobody_up),
    END_OF_TESTS,
};
