/* Who gets a message: receivers on one port, groups, senders, interfaces. */
#include "check.h"
#include "peers.h"
#include "process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

static const ph_addr_t NO_GROUP = {.family = 0};
static const ph_addr_t GROUP = {.ip = {239, 77, 3, 1}, .family = 4};
static const ph_addr_t OTHER_GROUP = {.ip = {239, 77, 3, 2}, .family = 4};

static void every_receiver_on_a_port_gets_every_message(void)
{
    enum { RECEIVERS = 5, MESSAGES = 20 };
    const ph_addr_t groups[] = {NO_GROUP, GROUP};
    for (size_t i = 0; i < LENGTH(groups); i++) {
        bcast_t *receivers[RECEIVERS] = {open_bcast(BCAST(.group = groups[i]))};
        uint32_t port = (uint32_t)bcast_port(receivers[0]);
        for (int at = 1; at < RECEIVERS; at++)
            receivers[at] = open_bcast(BCAST(.group = groups[i], .port = port));
        bcast_t *sender =
            open_bcast(BCAST(.group = groups[i], .port = port, .flags = BCAST_SEND_ONLY));
        uint16_t from = 0;
        for (int message = 0; message < MESSAGES; message++) {
            char text[16];
            memset(text, 'a' + message, sizeof text);
            CHECK_IS(bcast_send(sender, (const uint8_t *)text, sizeof text), 1);
        }
        for (int at = 0; at < RECEIVERS; at++) {
            for (int message = 0; message < MESSAGES; message++) {
                ph_arrival_t arrival;
                ph_datagram_t item = take_message(receivers[at], &arrival);
                CHECK_IS(item.len, 16);
                CHECK_IS(item.data[15], 'a' + message);
                CHECK_IS(arrival.interface, loopback());
                CHECK(arrival.time_ns > 0 && item.delay_ns >= 0);
                CHECK(from == 0 || item.addr.port == from);
                from = item.addr.port;
            }
            no_message_comes(receivers[at]);
            CHECK_IS(bcast_counts_of(receivers[at]).received, MESSAGES);
            CHECK_IS(bcast_counts_of(receivers[at]).received_bytes, 16 * MESSAGES);
            CHECK_IS(bcast_close(receivers[at]), 0);
        }
        CHECK_IS(bcast_counts_of(sender).sent, MESSAGES);
        CHECK_IS(bcast_counts_of(sender).send_errors, 0);
        CHECK_IS(bcast_close(sender), 0);
    }
}

static void groups_on_one_port_do_not_mix(void)
{
    bcast_t *one = open_bcast(BCAST(.group = GROUP));
    uint32_t port = (uint32_t)bcast_port(one);
    bcast_t *two = open_bcast(BCAST(.group = OTHER_GROUP, .port = port));
    send_message(one, "one");
    send_message(two, "two");
    check_text(take_message(one, NULL), "one");
    check_text(take_message(two, NULL), "two");
    no_message_comes(one);
    no_message_comes(two);
    CHECK_IS(bcast_close(one), 0);
    CHECK_IS(bcast_close(two), 0);
}

/* A peer that hears a message answers it; the answer finds whoever only sends. */
static void whoever_only_sends_receives_answers_alone(void)
{
    bcast_t *h = open_bcast(NULL);
    bcast_t *sender = open_bcast(BCAST(.port = (uint32_t)bcast_port(h), .flags = BCAST_SEND_ONLY));
    peer_t *peer = open_peer(NULL);
    send_message(sender, "anybody?");
    ph_datagram_t item = take_message(h, NULL);
    check_text(item, "anybody?");
    send_message(h, "not for senders");
    send_text(peer, item.addr, "me");
    check_text(take_message(sender, NULL), "me");
    no_message_comes(sender);
    CHECK_IS(peer_close(peer), 0);
    CHECK_IS(bcast_close(h), 0);
    CHECK_IS(bcast_close(sender), 0);
}

/* By default all interfaces are used, the loopback among them; it takes no groups of IPv6. */
static void a_message_leaves_by_every_interface(void)
{
    enter_own_network("ip link add pair0 type veth peer name pair1 &&"
                      " ip link set pair0 addrgenmode none up &&"
                      " ip link set pair1 addrgenmode none up &&"
                      " ip address add 198.51.100.1/24 dev pair0 &&"
                      " ip address add fe80::1/64 dev pair0 nodad &&"
                      " ip address add fe80::2/64 dev pair1 nodad");
    const struct {
        ph_addr_t group;
        const char *interfaces[3];
    } CASES[] = {{NO_GROUP, {"lo", "pair0"}},
                 {GROUP, {"lo", "pair0", "pair1"}},
                 {address_from("ff02::1234", 0), {"pair0", "pair1"}}};
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        bcast_t *h = NULL;
        uint64_t expected = 0, seen = 0;
        int64_t count = 0;
        for (; count < 3 && CASES[i].interfaces[count]; count++)
            expected |= 1u << if_nametoindex(CASES[i].interfaces[count]);
        CHECK_IS(bcast_new(BCAST(.group = CASES[i].group), &h), 0);
        CHECK_IS(bcast_send(h, (const uint8_t *)"x", 1), count);
        CHECK_IS(bcast_counts_of(h).sent, count);
        CHECK_IS(bcast_counts_of(h).send_errors, 0);
        while (seen != expected) {
            ph_arrival_t arrival;
            check_text(take_message(h, &arrival), "x");
            seen |= 1u << arrival.interface;
        }
        CHECK_IS(bcast_close(h), 0);
    }
}

/* Most interfaces are given an address and no word of where broadcasts go to. */
static void a_network_has_a_broadcast_address_though_nobody_set_one(void)
{
    static const struct {
        const char *command, *to;
    } CASES[] = {{"ip address add 198.51.100.1/24 dev pair0", "198.51.100.255"},
                 {"ip address add 198.51.100.1/28 dev pair0", "198.51.100.15"},
                 {"ip address add 198.51.100.1/24 brd + dev pair0", "198.51.100.255"},
                 {"ip address add 198.51.100.1/24 brd 255.255.255.255 dev pair0",
                  "255.255.255.255"},
                 {"ip address add 198.51.100.1/31 dev pair0", "255.255.255.255"},
                 {"ip address add 198.51.100.1/32 dev pair0", NULL},
                 {"ip address add 198.51.100.1 peer 198.51.100.2/32 dev pair0", "198.51.100.2"}};
    enter_own_network("ip link add pair0 type veth peer name pair1 && ip link set pair0 up &&"
                      " ip link set pair1 up arp off && ip link set pair0 arp off");
    struct sockaddr_ll wire = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
                               .sll_ifindex = (int)if_nametoindex("pair1")};
    int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
    CHECK_IS(bind(fd, (struct sockaddr *)&wire, sizeof wire), 0);
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        enum { UDP = 17, PROTOCOL_AT = 9, DESTINATION_AT = 16 };
        run_command(CASES[i].command);
        bcast_t *h = NULL;
        CHECK_IS(bcast_new(BCAST(.interface = if_nametoindex("pair0")), &h), 0);
        if (CASES[i].to == NULL) {
            /* A single address has no neighbours by itself. */
            CHECK_IS(bcast_send(h, NULL, 0), -ENETUNREACH);
        } else {
            send_message(h, "x");
            ph_addr_t to = address_from(CASES[i].to, 0);
            uint8_t packet[1500] = {0};
            while (packet[PROTOCOL_AT] != UDP)
                CHECK(receive_plainly(fd, packet, sizeof packet) > 20);
            CHECK_IS(memcmp(packet + DESTINATION_AT, to.ip, 4), 0);
        }
        CHECK_IS(bcast_close(h), 0);
        run_command("ip address flush dev pair0");
    }
    close(fd);
}

static void without_an_interface_nothing_is_sent(void)
{
    enter_own_network("ip link set lo down");
    bcast_t *h = NULL, *group = NULL;
    CHECK_IS(bcast_new(BCAST(.group = GROUP), &h), -ENODEV);
    CHECK(h == NULL);
    CHECK_IS(bcast_new(NULL, &h), 0);
    CHECK_IS(bcast_new(BCAST(.group = GROUP, .flags = BCAST_SEND_ONLY), &group), 0);
    CHECK_IS(bcast_send(h, NULL, 0), -ENETUNREACH);
    CHECK_IS(bcast_send(group, NULL, 0), -ENETUNREACH);
    run_command("ip link set lo up");
    send_message(h, "back");
    send_message(group, "back");
    check_text(take_message(h, NULL), "back");
    CHECK_IS(bcast_counts_of(h).sent, 1);
    CHECK_IS(bcast_close(h), 0);
    CHECK_IS(bcast_close(group), 0);
}

const struct test bcast_reach_tests[] = {
    TEST(every_receiver_on_a_port_gets_every_message),
    TEST(groups_on_one_port_do_not_mix),
    TEST(whoever_only_sends_receives_answers_alone),
    TEST(a_message_leaves_by_every_interface),
    TEST(a_network_has_a_broadcast_address_though_nobody_set_one),
    TEST(without_an_interface_nothing_is_sent),
    END_OF_TESTS,
};
