/* How a datagram arrived, how one is to leave, and the groups that one is sent to. */
#include "check.h"
#include "peers.h"
#include "process.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ns(void)
{
    struct timespec now;
    CHECK_IS(clock_gettime(CLOCK_REALTIME, &now), 0);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static bool is_same_host(const ph_addr_t *a, const ph_addr_t *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* --- arriving --- */

/* Each is asked at an address of its own, answers from there, and tells when and where. */
static void an_answer_leaves_by_the_address_that_was_asked(void)
{
    const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.1.2.3", "::1"};
    peer_t *four = open_peer(PEER(.flags = PEER_ARRIVAL));
    peer_t *six = open_peer(PEER(.addr = {.family = 6}, .flags = PEER_ARRIVAL | PEER_V6_ONLY));
    peer_t *client_four = open_peer(PEER(ON_V4)), *client_six = open_peer(PEER(ON_V6));
    for (size_t i = 0; i < LENGTH(addresses); i++) {
        ph_addr_t at = address_from(addresses[i], 9);
        peer_t *h = at.family == 4 ? four : six;
        peer_t *client = at.family == 4 ? client_four : client_six;
        at.port = where(h).port;
        int64_t before = clock_ns();
        send_text(client, at, "who?");
        ph_arrival_t arrival;
        ph_datagram_t item = take_one(h, &arrival);
        CHECK(is_same_host(&arrival.local, &at));
        CHECK_IS(arrival.interface, loopback());
        CHECK_IS(arrival.tos, 0);
        CHECK(arrival.time_ns >= before && arrival.time_ns <= clock_ns());
        CHECK(item.delay_ns >= 0 && item.delay_ns < 10 * SECOND);
        CHECK_IS(peer_send(h, &item, &arrival, 1), 1);
        item = take_one(client, NULL);
        CHECK_IS(item.len, 4);
        CHECK(is_same_address(&item.addr, &at));
    }
    peer_t *const peers[] = {four, six, client_four, client_six};
    for (size_t i = 0; i < LENGTH(peers); i++) CHECK_IS(peer_close(peers[i]), 0);
}

static void a_dual_stack_peer_answers_by_the_address_that_was_asked(void)
{
    const char *const asked[] = {"127.0.0.2", "::1", "127.0.0.3"};
    const char *const told[] = {"::ffff:127.0.0.2", "::1", "::ffff:127.0.0.3"};
    peer_t *h = open_peer(PEER(ON_BOTH, .flags = PEER_ARRIVAL));
    peer_t *client = open_peer(PEER(ON_BOTH));
    for (size_t i = 0; i < LENGTH(asked); i++) {
        ph_addr_t at = address_from(told[i], where(h).port);
        ph_arrival_t arrival;
        send_text(client, address_from(asked[i], where(h).port), "who?");
        ph_datagram_t item = take_one(h, &arrival);
        CHECK(is_same_host(&arrival.local, &at));
        CHECK_IS(arrival.interface, loopback());
        CHECK_IS(arrival.tos, 0);
        CHECK_IS(peer_send(h, &item, &arrival, 1), 1);
        item = take_one(client, NULL);
        CHECK(is_same_address(&item.addr, &at));
    }
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(client), 0);
}

static void a_peer_that_does_not_ask_is_told_nothing(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_arrival_t arrival;
    memset(&arrival, 0x55, sizeof arrival);
    send_text(h, where(h), "x");
    CHECK_IS(take_one(h, &arrival).delay_ns, 0);
    CHECK_IS(arrival.local.family, 0);
    CHECK_IS(arrival.interface, 0);
    CHECK_IS(arrival.tos, -1);
    CHECK_IS(arrival.time_ns, 0);
    /* Which says nothing about how an answer is to leave either. */
    send_text(h, where(h), "x");
    ph_datagram_t item = take_one(h, &arrival);
    CHECK_IS(peer_send(h, &item, &arrival, 1), 1);
    take_one(h, NULL);
    CHECK_IS(peer_close(h), 0);
}

/* What a broadcast came to is no address to answer from: the interface's is. */
static void a_broadcast_can_be_answered(void)
{
    const peer_config_t *const configs[] = {PEER(.flags = PEER_ARRIVAL),
                                            PEER(ON_BOTH, .flags = PEER_ARRIVAL)};
    const char *const told[] = {"127.0.0.1", "::ffff:127.0.0.1"};
    for (size_t i = 0; i < LENGTH(configs); i++) {
        peer_t *h = open_peer(configs[i]);
        peer_t *client = open_peer(PEER(ON_V4, .flags = PEER_BROADCAST));
        ph_addr_t own = address_from(told[i], where(h).port);
        send_text(client, address_from("127.255.255.255", own.port), "anybody?");
        ph_arrival_t arrival;
        ph_datagram_t item = take_one(h, &arrival);
        CHECK_IS(arrival.interface, loopback());
        CHECK(is_same_host(&arrival.local, &own));
        CHECK_IS(peer_send(h, &item, &arrival, 1), 1);
        CHECK_IS(take_one(client, NULL).len, 8);
        CHECK_IS(peer_close(h), 0);
        CHECK_IS(peer_close(client), 0);
    }
}

/* --- TOS --- */

static void every_tos_arrives_as_it_was_sent(void)
{
    const struct {
        const peer_config_t *config;
        const char *to;
    } CASES[] = {{PEER(ON_V4, .flags = PEER_ARRIVAL), "127.0.0.1"},
                 {PEER(ON_V6, .flags = PEER_ARRIVAL), "::1"},
                 {PEER(ON_BOTH, .flags = PEER_ARRIVAL), "127.0.0.1"},
                 {PEER(ON_BOTH, .flags = PEER_ARRIVAL), "::1"}};
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        peer_t *h = open_peer(CASES[i].config);
        ph_datagram_t item = {.addr = address_from(CASES[i].to, where(h).port)};
        for (int32_t tos = 0; tos < 256; tos += tos < 8 ? 1 : 31) {
            ph_arrival_t how = {.tos = tos}, arrival;
            CHECK_IS(peer_send(h, &item, &how, 1), 1);
            take_one(h, &arrival);
            CHECK_IS(arrival.tos, tos);
            CHECK_IS(peer_set(h, PEER_TOS, tos), 0);
            CHECK_IS(peer_send(h, &item, NULL, 1), 1);
            take_one(h, &arrival);
            CHECK_IS(arrival.tos, tos);
            how.tos = -1;
            CHECK_IS(peer_send(h, &item, &how, 1), 1);
            take_one(h, &arrival);
            CHECK_IS(arrival.tos, tos);
        }
        CHECK_IS(peer_close(h), 0);
    }
}

static void all_datagrams_of_a_run_arrived_alike(void)
{
    enum { RUN = 50, SIZE = 40 };
    peer_t *h = open_peer(PEER(.flags = PEER_ARRIVAL)), *sender = open_peer(PEER(ON_V4));
    ph_addr_t to = address_from("127.0.0.9", where(h).port);
    ph_datagram_t items[64];
    ph_arrival_t arrivals[64];
    uint8_t buffer[64 * SIZE];
    CHECK_IS(peer_set(sender, PEER_TOS, 0x2e << 2 | 1), 0);
    CHECK_IS(peer_receive(h, items, arrivals, 64, buffer, sizeof buffer, 0), -EAGAIN);
    CHECK_IS(send_numbers(sender, to, 0, RUN, SIZE), RUN);
    CHECK_IS(counts_of(h).uses_gro, 1);
    for (uint32_t at = 0; at < RUN;) {
        int64_t n = peer_receive(h, items, arrivals, 7, buffer, sizeof buffer, 0);
        CHECK(n > 0);
        for (int64_t i = 0; i < n; i++) {
            check_number(&items[i], at++, SIZE);
            CHECK(is_same_host(&arrivals[i].local, &to));
            CHECK_IS(arrivals[i].tos, 0x2e << 2 | 1);
            CHECK_IS(arrivals[i].interface, loopback());
            CHECK(arrivals[i].time_ns > 0 && items[i].delay_ns >= 0);
        }
    }
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(sender), 0);
}

/* --- leaving --- */

static void a_datagram_may_name_its_interface_alone(void)
{
    const struct {
        const peer_config_t *config;
        const char *to;
    } CASES[] = {{PEER(ON_V4, .flags = PEER_ARRIVAL), "127.0.0.1"},
                 {PEER(ON_V6, .flags = PEER_ARRIVAL), "::1"},
                 {PEER(ON_BOTH, .flags = PEER_ARRIVAL), "127.0.0.1"},
                 {PEER(ON_BOTH, .flags = PEER_ARRIVAL), "::ffff:127.0.0.1"},
                 {PEER(ON_BOTH, .flags = PEER_ARRIVAL), "::1"}};
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        peer_t *h = open_peer(CASES[i].config);
        ph_datagram_t item = {.addr = address_from(CASES[i].to, where(h).port)};
        ph_arrival_t how = {.interface = loopback(), .tos = -1}, arrival;
        CHECK_IS(peer_send(h, &item, &how, 1), 1);
        take_one(h, &arrival);
        CHECK_IS(arrival.interface, loopback());
        CHECK_IS(peer_close(h), 0);
    }
}

static void a_datagram_may_name_its_source_in_either_form(void)
{
    const char *const sources[] = {"127.0.0.5", "::ffff:127.0.0.5"};
    peer_t *four = open_peer(NULL), *both = open_peer(PEER(ON_BOTH)), *h = open_peer(PEER(ON_V4));
    peer_t *const senders[] = {four, both};
    ph_datagram_t item = {.addr = where(h)};
    for (size_t i = 0; i < LENGTH(senders); i++)
        for (size_t at = 0; at < LENGTH(sources); at++) {
            ph_arrival_t how = {.local = address_from(sources[at], 999), .tos = -1};
            ph_addr_t from = address_from("127.0.0.5", where(senders[i]).port);
            CHECK_IS(peer_send(senders[i], &item, &how, 1), 1);
            ph_datagram_t got = take_one(h, NULL);
            CHECK(is_same_address(&got.addr, &from));
        }
    CHECK_IS(peer_close(four), 0);
    CHECK_IS(peer_close(both), 0);
    CHECK_IS(peer_close(h), 0);
}

/* --- groups --- */

static void a_groups_datagrams_come_while_it_is_joined(void)
{
    peer_t *const peers[] = {open_peer(PEER(.flags = PEER_ARRIVAL)),
                             open_peer(PEER(ON_BOTH, .flags = PEER_ARRIVAL))};
    const char *const own[] = {"127.0.0.1", "::ffff:127.0.0.1"};
    peer_t *sender = open_peer(PEER(ON_V4));
    CHECK_IS(peer_set(sender, PEER_MULTICAST_INTERFACE, (int32_t)loopback()), 0);
    for (size_t i = 0; i < LENGTH(peers); i++) {
        ph_addr_t group = address_from("239.77.1.2", where(peers[i]).port);
        ph_addr_t local = address_from(own[i], 0);
        ph_arrival_t arrival;
        for (int round = 0; round < 3; round++) {
            send_text(sender, group, "too early");
            nothing_more_comes(peers[i]);
            CHECK_IS(peer_join(peers[i], &group, loopback()), 0);
            send_text(sender, group, "now");
            CHECK_IS(take_one(peers[i], &arrival).len, 3);
            CHECK_IS(arrival.interface, loopback());
            CHECK(is_same_host(&arrival.local, &local));
            CHECK_IS(peer_leave(peers[i], &group, loopback()), 0);
            send_text(sender, group, "too late");
            nothing_more_comes(peers[i]);
        }
        CHECK_IS(peer_close(peers[i]), 0);
    }
    CHECK_IS(peer_close(sender), 0);
}

static void groups_that_others_have_joined_are_theirs(void)
{
    const ph_addr_t group = address_from("239.77.1.4", 0);
    peer_t *h = open_peer(NULL), *both = open_peer(PEER(ON_BOTH)), *sender = open_peer(PEER(ON_V4));
    peer_t *other = open_peer(PEER(.addr = {.port = where(h).port}));
    ph_addr_t to = group, to_both = group;
    to.port = where(h).port;
    to_both.port = where(both).port;
    CHECK_IS(peer_join(other, &group, loopback()), 0);
    CHECK_IS(peer_set(sender, PEER_MULTICAST_INTERFACE, (int32_t)loopback()), 0);
    send_text(sender, to, "x");
    send_text(sender, to_both, "x");
    CHECK_IS(take_one(other, NULL).len, 1);
    nothing_more_comes(h);
    nothing_more_comes(both);
    peer_t *const peers[] = {h, both, sender, other};
    for (size_t i = 0; i < LENGTH(peers); i++) CHECK_IS(peer_close(peers[i]), 0);
}

/* Two ends of a cable, each with a link-local address: the same on both. */
static const char CABLE[] =
    "ip link add pair0 type veth peer name pair1 &&"
    " ip link set pair0 addrgenmode none up && ip link set pair1 addrgenmode none up &&"
    " ip address add fe80::1/64 dev pair0 nodad && ip address add fe80::2/64 dev pair1 nodad";

/* The loopback would bring a datagram back in any case. */
static void a_host_hears_its_own_multicasts_when_it_wants_to(void)
{
    enter_own_network(CABLE);
    run_command("ip address add 198.51.100.1/24 dev pair0");
    const int32_t interface = (int32_t)if_nametoindex("pair0");
    const char *const groups[] = {"239.77.1.3", "ff02::1234%pair0"};
    for (size_t i = 0; i < LENGTH(groups); i++) {
        ph_addr_t group = address_from(groups[i], 0);
        peer_t *h = open_peer(PEER(.addr = {.family = group.family}));
        peer_t *sender = open_peer(PEER(.addr = {.family = group.family}));
        group.port = where(h).port;
        CHECK_IS(peer_join(h, &group, (uint32_t)interface), 0);
        CHECK_IS(peer_set(sender, PEER_MULTICAST_INTERFACE, interface), 0);
        for (int32_t round = 0; round < 4; round++) {
            CHECK_IS(peer_set(sender, PEER_MULTICAST_LOOP, round % 2), 0);
            CHECK_IS(peer_set(sender, PEER_MULTICAST_TTL, round / 2), 0);
            send_text(sender, group, "x");
            if (round % 2) CHECK_IS(take_one(h, NULL).len, 1);
            nothing_more_comes(h);
        }
        CHECK_IS(peer_close(h), 0);
        CHECK_IS(peer_close(sender), 0);
    }
}

/* While a new link comes up, the kernel loses what is sent. */
static void wait_until_it_arrives(peer_t *sender, ph_addr_t to, peer_t *h)
{
    uint8_t buffer[ROOM];
    ph_datagram_t item;
    int64_t count = 0;
    for (int tries = 0; count != 1 && tries < 100; tries++) {
        send_text(sender, to, "x");
        count = peer_receive(h, &item, NULL, 1, buffer, sizeof buffer, 100);
    }
    CHECK_IS(count, 1);
}

static void a_link_local_address_goes_with_its_interface(void)
{
    enter_own_network(CABLE);
    peer_t *h = open_peer(PEER(.addr = {.family = 6}, .flags = PEER_ARRIVAL));
    peer_t *sender = open_peer(PEER(ON_BOTH));
    const char *const names[] = {"fe80::1%pair0", "fe80::2%pair1"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        ph_addr_t to = address_from(names[i], where(h).port);
        ph_arrival_t arrival;
        CHECK(to.scope_id == if_nametoindex(i ? "pair1" : "pair0"));
        wait_until_it_arrives(sender, to, h);
        send_text(sender, to, "x");
        ph_datagram_t item = take_one(h, &arrival);
        CHECK(is_same_host(&item.addr, &to));
        CHECK_IS(item.addr.scope_id, to.scope_id);
        CHECK(is_same_host(&arrival.local, &to));
        CHECK_IS(arrival.local.scope_id, to.scope_id);
        CHECK_IS(arrival.interface, to.scope_id);
        CHECK_IS(peer_send(h, &item, &arrival, 1), 1);
        item = take_one(sender, NULL);
        CHECK(is_same_address(&item.addr, &to));
    }
    ph_addr_t bound = address_from("fe80::1%pair0", 0), lost = bound, told;
    peer_t *one = open_peer(PEER(.addr = bound));
    CHECK_IS(peer_addr(one, &told), 0);
    CHECK_IS(told.scope_id, bound.scope_id);
    lost.scope_id = INT32_MAX;
    peer_t *nobody = new_peer(PEER(.addr = lost));
    CHECK(peer_open(nobody) < 0);
    peer_t *const peers[] = {h, sender, one, nobody};
    for (size_t i = 0; i < LENGTH(peers); i++) CHECK_IS(peer_close(peers[i]), 0);
}

/* Either the group's scope or the number says which interface listens; the other end sends. */
static void a_group_of_ipv6_is_one_of_an_interface(void)
{
    enter_own_network(CABLE);
    const char *const names[] = {"ff02::1234%pair0", "ff02::1234%pair1"};
    const char *const sources[] = {"fe80::2%pair0", "fe80::1%pair1"};
    peer_t *h = open_peer(PEER(.addr = {.family = 6}, .flags = PEER_ARRIVAL));
    peer_t *sender = open_peer(PEER(.addr = {.family = 6}));
    for (int round = 0; round < 4; round++) {
        int end = round % 2;
        ph_addr_t group = address_from(names[end], where(h).port), plain = group;
        ph_addr_t from = address_from(sources[end], where(sender).port);
        uint32_t own = group.scope_id, other = address_from(names[!end], 0).scope_id;
        ph_arrival_t arrival, how = {.interface = other, .tos = -1};
        plain.scope_id = 0;
        CHECK_IS(round < 2 ? peer_join(h, &group, 0) : peer_join(h, &plain, own), 0);
        CHECK_IS(peer_join(h, &plain, own), -EADDRINUSE);
        CHECK_IS(peer_send(sender, &(ph_datagram_t){.addr = plain}, &how, 1), 1);
        ph_datagram_t item = take_one(h, &arrival);
        CHECK(is_same_address(&item.addr, &from));
        CHECK_IS(arrival.interface, own);
        CHECK_IS(arrival.local.family, 0);
        CHECK_IS(peer_set(sender, PEER_MULTICAST_INTERFACE, (int32_t)other), 0);
        send_text(sender, plain, "x");
        CHECK_IS(take_one(h, NULL).len, 1);
        CHECK_IS(round < 2 ? peer_leave(h, &group, 0) : peer_leave(h, &plain, own), 0);
        send_text(sender, plain, "x");
        nothing_more_comes(h);
    }
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(sender), 0);
}

const struct test peer_arrival_tests[] = {
    TEST(an_answer_leaves_by_the_address_that_was_asked),
    TEST(a_dual_stack_peer_answers_by_the_address_that_was_asked),
    TEST(a_peer_that_does_not_ask_is_told_nothing),
    TEST(a_broadcast_can_be_answered),
    TEST(every_tos_arrives_as_it_was_sent),
    TEST(all_datagrams_of_a_run_arrived_alike),
    TEST(a_datagram_may_name_its_interface_alone),
    TEST(a_datagram_may_name_its_source_in_either_form),
    TEST(a_groups_datagrams_come_while_it_is_joined),
    TEST(groups_that_others_have_joined_are_theirs),
    TEST(a_host_hears_its_own_multicasts_when_it_wants_to),
    TEST(a_link_local_address_goes_with_its_interface),
    TEST(a_group_of_ipv6_is_one_of_an_interface),
    END_OF_TESTS,
};
