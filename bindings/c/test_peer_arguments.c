/* Arguments of peers' functions that are wrong, and those that are just right. */
#include "check.h"
#include "peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Sizes of a structure that its maker never set, or set by accident. */
static const size_t BAD_SIZES[] = {0, 1, sizeof(size_t) - 1, (1 << 16) + 1, SIZE_MAX};

/* --- construction --- */

static void making_gives(const peer_config_t *config, int32_t expected)
{
    peer_t *const untouched = (peer_t *)(uintptr_t)42;
    peer_t *h = untouched;
    CHECK_IS(peer_new(config, &h), expected);
    CHECK(h == untouched);
}

static void a_peers_configuration_out_of_range_is_refused(void)
{
    making_gives(PEER(.flags = PEER_V6_ONLY << 1), -EINVAL);
    making_gives(PEER(.flags = UINT32_MAX), -EINVAL);
    making_gives(PEER(.recv_size = 65536), -EINVAL);
    making_gives(PEER(.recv_size = UINT32_MAX), -EINVAL);
    making_gives(MISALIGNED(peer_config_t), -EINVAL);
    for (int family = 1; family < 256; family++)
        if (family != 4 && family != 6)
            making_gives(PEER(.addr = {.family = (uint8_t)family}), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++)
        making_gives(&(peer_config_t){.size = BAD_SIZES[i]}, -EINVAL);
    struct {
        peer_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer}, .unknown = {[3] = 1}};
    making_gives(&longer.known, -EINVAL);
    CHECK_IS(peer_new(NULL, NULL), -EINVAL);
    CHECK_IS(peer_new(NULL, MISALIGNED(peer_t *)), -EINVAL);
}

static void a_peers_configuration_ends_where_its_size_says(void)
{
    peer_config_t shorter = {.size = offsetof(peer_config_t, flags), ON_V4};
    shorter.flags = UINT32_MAX;
    struct {
        peer_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer, ON_V4, .recv_size = 65535}};
    const peer_config_t *const good[] = {&shorter, &longer.known, PEER(ON_V4, .recv_size = 1),
                                         NULL};
    for (size_t i = 0; i < LENGTH(good); i++) CHECK_IS(peer_close(open_peer(good[i])), 0);
}

/* --- receiving --- */

static void receiving_refuses_arrays_that_cannot_be(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_datagram_t item;
    ph_arrival_t arrival;
    ph_addr_t from;
    uint8_t buf[4];
    send_text(h, where(h), "kept");
    CHECK_IS(peer_receive(h, NULL, NULL, 1, buf, 4, 0), -EINVAL);
    CHECK_IS(peer_receive(h, NULL, NULL, 0, buf, 4, 0), -EINVAL);
    CHECK_IS(peer_receive(h, &item, NULL, 0, buf, 4, 0), -EINVAL);
    CHECK_IS(peer_receive(h, &item, NULL, SIZE_MAX, buf, 4, 0), -EINVAL);
    CHECK_IS(peer_receive(h, &item, NULL, SIZE_MAX / sizeof item, buf, 4, 0), -EINVAL);
    CHECK_IS(peer_receive(h, MISALIGNED(ph_datagram_t), NULL, 1, buf, 4, 0), -EINVAL);
    CHECK_IS(peer_receive(h, &item, MISALIGNED(ph_arrival_t), 1, buf, 4, 0), -EINVAL);
    CHECK_IS(peer_receive(h, &item, &arrival, 0, buf, 4, 0), -EINVAL);
    CHECK_IS(peer_receive(h, &item, NULL, 1, NULL, 4, 0), -EINVAL);
    CHECK_IS(peer_receive(h, &item, NULL, 1, buf, SIZE_MAX, 0), -EINVAL);
    CHECK_IS(peer_receive(h, &item, NULL, 1, buf, 4, -2), -EINVAL);
    CHECK_IS(peer_receive(h, &item, NULL, 1, buf, 4, INT32_MIN), -EINVAL);
    CHECK_IS(peer_receive_from(h, NULL, 4, &from), -EINVAL);
    CHECK_IS(peer_receive_from(h, buf, SIZE_MAX, &from), -EINVAL);
    CHECK_IS(peer_receive_from(h, buf, 4, NULL), -EINVAL);
    CHECK_IS(peer_receive_from(h, buf, 4, MISALIGNED(ph_addr_t)), -EINVAL);
    CHECK_IS(peer_receive_room(NULL), -EINVAL);
    CHECK_IS(peer_receive_room(MISALIGNED(peer_room_t)), -EINVAL);
    CHECK_IS(peer_receive_room(&(peer_room_t){.peer = h, .cap = 4}), -EINVAL);
    CHECK_IS(peer_receive_room(&(peer_room_t){.peer = h, .buf = buf, .cap = SIZE_MAX}), -EINVAL);
    CHECK_IS(counts_of(h).received, 0);
    CHECK_IS(peer_receive_from(h, buf, 4, &from), 4);
    CHECK_IS(memcmp(buf, "kept", 4), 0);
    nothing_more_comes(h);
    CHECK_IS(peer_close(h), 0);
}

/* --- sending --- */

static void sending_refuses_arrays_that_cannot_be(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_datagram_t item = {.addr = where(h)};
    ph_arrival_t how = {.tos = -1};
    CHECK_IS(peer_send(h, NULL, NULL, 1), -EINVAL);
    CHECK_IS(peer_send(h, NULL, NULL, 0), -EINVAL);
    CHECK_IS(peer_send(h, &item, NULL, 0), -EINVAL);
    CHECK_IS(peer_send(h, &item, &how, 0), -EINVAL);
    CHECK_IS(peer_send(h, &item, NULL, SIZE_MAX), -EINVAL);
    CHECK_IS(peer_send(h, &item, NULL, SIZE_MAX / sizeof item), -EINVAL);
    CHECK_IS(peer_send(h, MISALIGNED(ph_datagram_t), NULL, 1), -EINVAL);
    CHECK_IS(peer_send(h, &item, MISALIGNED(ph_arrival_t), 1), -EINVAL);
    CHECK_IS(counts_of(h).sent, 0);
    nothing_more_comes(h);
    CHECK_IS(peer_close(h), 0);
}

/* What all ways of sending say to one datagram. */
static void sending_gives(peer_t *h, ph_datagram_t item, int64_t expected)
{
    CHECK_IS(peer_send(h, &item, NULL, 1), expected);
    CHECK_IS(peer_send(h, &item, &(ph_arrival_t){.tos = -1}, 1), expected);
    CHECK_IS(peer_send_to(h, &item.addr, 0, item.data, item.len), expected);
}

static void sending_refuses_datagrams_that_cannot_be(void)
{
    static const uint8_t payload[1];
    peer_t *h = open_peer(PEER(ON_V4));
    const ph_datagram_t good = {.addr = where(h), .data = payload, .len = 1};
    ph_datagram_t bad = good;
    bad.data = NULL;
    sending_gives(h, bad, -EINVAL);
    bad = good;
    bad.len = SIZE_MAX;
    sending_gives(h, bad, -EINVAL);
    bad = good;
    bad.addr.port = 0;
    sending_gives(h, bad, -EINVAL);
    bad = good;
    bad.addr = address_from("::1", 9);
    sending_gives(h, bad, -EAFNOSUPPORT);
    for (int family = 0; family < 256; family++) {
        bad = good;
        bad.addr.family = (uint8_t)family;
        if (family != 4 && family != 6) sending_gives(h, bad, -EINVAL);
    }
    CHECK_IS(counts_of(h).sent, 0);
    nothing_more_comes(h);
    CHECK_IS(peer_close(h), 0);
}

static void a_peers_payload_is_as_long_as_its_protocol_allows(void)
{
    static const uint8_t payload[1 << 16];
    peer_t *four = open_peer(PEER(ON_V4)), *both = open_peer(PEER(ON_BOTH));
    ph_datagram_t item = {.addr = where(four), .data = payload, .len = LONGEST_V4 + 1};
    sending_gives(four, item, -EMSGSIZE);
    sending_gives(both, item, -EMSGSIZE);
    item.addr = address_from("::ffff:127.0.0.1", where(four).port);
    sending_gives(four, item, -EMSGSIZE);
    sending_gives(both, item, -EMSGSIZE);
    item.addr = where(both);
    item.len = LONGEST_V6 + 1;
    sending_gives(both, item, -EMSGSIZE);
    item.len = SIZE_MAX / 2;
    sending_gives(both, item, -EMSGSIZE);
    CHECK_IS(counts_of(four).sent + counts_of(both).sent, 0);
    nothing_more_comes(four);
    nothing_more_comes(both);
    CHECK_IS(peer_send_to(four, &(ph_addr_t){.ip = {127, 0, 0, 1}, .family = 4}, where(four).port,
                          payload, LONGEST_V4), LONGEST_V4);
    CHECK_IS(take_one(four, NULL).len, LONGEST_V4);
    item.len = LONGEST_V6;
    CHECK_IS(peer_send(both, &item, NULL, 1), 1);
    CHECK_IS(take_one(both, NULL).len, LONGEST_V6);
    CHECK_IS(peer_close(four), 0);
    CHECK_IS(peer_close(both), 0);
}

static void a_call_stops_before_its_first_bad_datagram(void)
{
    static const uint8_t payload[1 << 16];
    peer_t *h = open_peer(PEER(ON_V4));
    const ph_datagram_t good = {.addr = where(h), .data = payload, .len = 1};
    const ph_arrival_t plain = {.tos = -1};
    ph_datagram_t bad[5] = {good, good, good, good, good};
    bad[0].len = LONGEST_V4 + 1;
    bad[1].addr.family = 5;
    bad[2].data = NULL;
    bad[3].addr.port = 0;
    bad[4].addr = address_from("::1", 9);
    const int64_t expected[] = {-EMSGSIZE, -EINVAL, -EINVAL, -EINVAL, -EAFNOSUPPORT};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        const ph_datagram_t items[] = {good, good, bad[i], good};
        const ph_arrival_t how[] = {plain, plain, plain, plain};
        CHECK_IS(peer_send(h, items, NULL, 4), 2);
        CHECK_IS(peer_send(h, items + 2, NULL, 2), expected[i]);
        CHECK_IS(peer_send(h, items, how, 4), 2);
        CHECK_IS(peer_send(h, items + 2, how, 2), expected[i]);
        for (int sent = 0; sent < 4; sent++) CHECK_IS(take_one(h, NULL).len, 1);
        nothing_more_comes(h);
    }
    const ph_datagram_t items[] = {good, good, good};
    const ph_arrival_t how[] = {plain, {.tos = 256}, plain};
    CHECK_IS(peer_send(h, items, how, 3), 1);
    CHECK_IS(peer_send(h, items, how + 1, 2), -EINVAL);
    CHECK_IS(peer_close(h), 0);
}

/* Which of the two it is, the kernel's version decides. */
static bool says_foreign_source(int64_t result)
{
    return result == -EINVAL || result == -ENETUNREACH;
}

static void a_way_to_send_that_cannot_be_is_refused(void)
{
    peer_t *four = open_peer(PEER(ON_V4)), *both = open_peer(PEER(ON_BOTH));
    ph_datagram_t to_four = {.addr = where(four)}, to_six = {.addr = where(both)};
    const int32_t bad_tos[] = {-2, 256, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < LENGTH(bad_tos); i++)
        CHECK_IS(peer_send(four, &to_four, &(ph_arrival_t){.tos = bad_tos[i]}, 1), -EINVAL);
    ph_arrival_t how = {.tos = -1, .local = {.family = 5}};
    CHECK_IS(peer_send(four, &to_four, &how, 1), -EINVAL);
    how.local = address_from("198.51.100.7", 0);
    CHECK(says_foreign_source(peer_send(four, &to_four, &how, 1)));
    CHECK(says_foreign_source(peer_send(both, &to_four, &how, 1)));
    how.local = address_from("2001:db8::7", 0);
    CHECK_IS(peer_send(four, &to_four, &how, 1), -EAFNOSUPPORT);
    CHECK(says_foreign_source(peer_send(both, &to_six, &how, 1)));
    how.local = (ph_addr_t){0};
    how.interface = INT32_MAX;
    CHECK(peer_send(four, &to_four, &how, 1) < 0);
    CHECK(peer_send(both, &to_six, &how, 1) < 0);
    CHECK_IS(counts_of(four).sent + counts_of(both).sent, 0);
    nothing_more_comes(four);
    nothing_more_comes(both);
    CHECK_IS(peer_close(four), 0);
    CHECK_IS(peer_close(both), 0);
}

static void send_to_refuses_wrong_ports_and_pointers(void)
{
    const int64_t ports[] = {-1, 65536, 65536 + 9, INT32_MAX, INT64_C(1) << 32 | 9, INT64_MAX,
                             INT64_MIN};
    peer_t *h = open_peer(PEER(ON_V4)), *other = open_peer(PEER(ON_V4));
    ph_addr_t to = where(h);
    for (size_t i = 0; i < LENGTH(ports); i++)
        CHECK_IS(peer_send_to(h, &to, ports[i], NULL, 0), -EINVAL);
    CHECK_IS(peer_send_to(h, NULL, 9, NULL, 0), -EINVAL);
    CHECK_IS(peer_send_to(h, MISALIGNED(ph_addr_t), 9, NULL, 0), -EINVAL);
    CHECK_IS(counts_of(h).sent, 0);
    CHECK_IS(peer_send_to(h, &to, where(other).port, (const uint8_t *)"x", 1), 1);
    CHECK_IS(take_one(other, NULL).len, 1);
    nothing_more_comes(h);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(other), 0);
}

/* --- asking and setting --- */

static void questions_without_a_place_for_the_answer_are_refused(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    int32_t send = 7, recv = 7;
    ph_error_t error;
    CHECK_IS(peer_actual_buf_sizes(h, NULL, &recv), -EINVAL);
    CHECK_IS(peer_actual_buf_sizes(h, &send, NULL), -EINVAL);
    CHECK_IS(peer_actual_buf_sizes(h, MISALIGNED(int32_t), &recv), -EINVAL);
    CHECK_IS(peer_actual_buf_sizes(h, &send, MISALIGNED(int32_t)), -EINVAL);
    CHECK(send == 7 && recv == 7);
    CHECK_IS(peer_addr(h, NULL), -EINVAL);
    CHECK_IS(peer_addr(h, MISALIGNED(ph_addr_t)), -EINVAL);
    CHECK_IS(peer_get_error(h, NULL, 1), -EINVAL);
    CHECK_IS(peer_get_error(h, NULL, 0), -EINVAL);
    CHECK_IS(peer_get_error(h, &error, 0), -EINVAL);
    CHECK_IS(peer_get_error(h, &error, SIZE_MAX), -EINVAL);
    CHECK_IS(peer_get_error(h, MISALIGNED(ph_error_t), 1), -EINVAL);
    CHECK_IS(peer_get_error(h, &error, 1), -EAGAIN);
    CHECK_IS(peer_close(h), 0);
}

static void a_peers_stats_fill_exactly_the_size_asked_for(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    union {
        peer_stats_t stats;
        uint8_t bytes[2 * sizeof(peer_stats_t)];
    } out;
    carry(h, h, 3, 64, 1);
    CHECK_IS(peer_stats(h, NULL), -EINVAL);
    CHECK_IS(peer_stats(h, MISALIGNED(peer_stats_t)), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++) {
        out.stats = (peer_stats_t){.size = BAD_SIZES[i], .sent = 7};
        CHECK_IS(peer_stats(h, &out.stats), -EINVAL);
        CHECK_IS(out.stats.sent, 7);
    }
    for (size_t size = sizeof(size_t); size <= sizeof out; size += 4) {
        memset(&out, 0x55, sizeof out);
        out.stats.size = size;
        CHECK_IS(peer_stats(h, &out.stats), 0);
        CHECK_IS(out.stats.size, size);
        for (size_t i = size; i < sizeof out; i++) CHECK_IS(out.bytes[i], 0x55);
        for (size_t i = sizeof out.stats; i < size; i++) CHECK_IS(out.bytes[i], 0);
        if (size >= sizeof out.stats) CHECK(out.stats.sent == 3 && out.stats.received == 3);
    }
    CHECK_IS(peer_close(h), 0);
}

static int option_of(peer_t *h, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    CHECK_IS(getsockopt(peer_socket(h), level, name, &value, &size), 0);
    return value;
}

static void settings_reach_the_socket_within_their_ranges(void)
{
    static const struct {
        uint32_t option;
        int32_t first, last;
        int level_v4, name_v4, level_v6, name_v6;
    } SETTINGS[] = {
        {PEER_TTL, 1, 255, IPPROTO_IP, IP_TTL, IPPROTO_IPV6, IPV6_UNICAST_HOPS},
        {PEER_TOS, 0, 255, IPPROTO_IP, IP_TOS, IPPROTO_IPV6, IPV6_TCLASS},
        {PEER_SET_BROADCAST, 0, 1, SOL_SOCKET, SO_BROADCAST, SOL_SOCKET, SO_BROADCAST},
        {PEER_MULTICAST_TTL, 0, 255, IPPROTO_IP, IP_MULTICAST_TTL, IPPROTO_IPV6,
         IPV6_MULTICAST_HOPS},
        {PEER_MULTICAST_LOOP, 0, 1, IPPROTO_IP, IP_MULTICAST_LOOP, IPPROTO_IPV6,
         IPV6_MULTICAST_LOOP},
    };
    peer_t *four = open_peer(PEER(ON_V4)), *both = open_peer(PEER(ON_BOTH));
    peer_t *only_six = open_peer(PEER(ON_V6, .flags = PEER_V6_ONLY));
    for (size_t i = 0; i < LENGTH(SETTINGS); i++) {
        uint32_t option = SETTINGS[i].option;
        const int32_t values[] = {SETTINGS[i].last, SETTINGS[i].first};
        for (size_t at = 0; at < LENGTH(values); at++) {
            CHECK_IS(peer_set(four, option, values[at]), 0);
            CHECK_IS(peer_set(both, option, values[at]), 0);
            CHECK_IS(peer_set(only_six, option, values[at]), 0);
            CHECK_IS(option_of(four, SETTINGS[i].level_v4, SETTINGS[i].name_v4), values[at]);
            CHECK_IS(option_of(both, SETTINGS[i].level_v4, SETTINGS[i].name_v4), values[at]);
            CHECK_IS(option_of(both, SETTINGS[i].level_v6, SETTINGS[i].name_v6), values[at]);
            CHECK_IS(option_of(only_six, SETTINGS[i].level_v6, SETTINGS[i].name_v6), values[at]);
        }
        const int32_t bad[] = {SETTINGS[i].first - 1, SETTINGS[i].last + 1, INT32_MIN, INT32_MAX};
        for (size_t at = 0; at < LENGTH(bad); at++) {
            CHECK_IS(peer_set(four, option, bad[at]), -EINVAL);
            CHECK_IS(peer_set(both, option, bad[at]), -EINVAL);
        }
        CHECK_IS(option_of(four, SETTINGS[i].level_v4, SETTINGS[i].name_v4), SETTINGS[i].first);
    }
    const uint32_t unknown[] = {0, PEER_MULTICAST_INTERFACE + 1, UINT32_MAX};
    for (size_t i = 0; i < LENGTH(unknown); i++)
        CHECK_IS(peer_set(four, unknown[i], 1), -EINVAL);
    CHECK_IS(peer_close(four), 0);
    CHECK_IS(peer_close(both), 0);
    CHECK_IS(peer_close(only_six), 0);
}

static void an_interface_for_multicasts_must_be_there(void)
{
    peer_t *four = open_peer(PEER(ON_V4)), *six = open_peer(PEER(ON_V6));
    peer_t *const peers[] = {four, six};
    for (size_t i = 0; i < LENGTH(peers); i++) {
        CHECK_IS(peer_set(peers[i], PEER_MULTICAST_INTERFACE, (int32_t)loopback()), 0);
        CHECK_IS(peer_set(peers[i], PEER_MULTICAST_INTERFACE, 0), 0);
        CHECK_IS(peer_set(peers[i], PEER_MULTICAST_INTERFACE, -1), -EINVAL);
    }
    CHECK_IS(peer_set(four, PEER_MULTICAST_INTERFACE, INT32_MAX), -EADDRNOTAVAIL);
    CHECK_IS(peer_set(six, PEER_MULTICAST_INTERFACE, INT32_MAX), -ENODEV);
    CHECK_IS(peer_close(four), 0);
    CHECK_IS(peer_close(six), 0);
}

/* --- groups --- */

static void groups_that_cannot_be_joined_are_refused(void)
{
    const ph_addr_t four = address_from("239.1.2.3", 0), six = address_from("ff02::1234", 0);
    const ph_addr_t none[] = {address_from("127.0.0.1", 0), address_from("::1", 0),
                              address_from("255.255.255.255", 0), {.family = 5}, {.family = 0}};
    peer_t *h = open_peer(PEER(ON_V4)), *h_six = open_peer(PEER(ON_V6, .flags = PEER_V6_ONLY));
    for (size_t i = 0; i < LENGTH(none); i++) {
        CHECK_IS(peer_join(h, &none[i], loopback()), -EINVAL);
        CHECK_IS(peer_leave(h, &none[i], loopback()), -EINVAL);
    }
    CHECK_IS(peer_join(h, NULL, 0), -EINVAL);
    CHECK_IS(peer_leave(h, NULL, 0), -EINVAL);
    CHECK_IS(peer_join(h, MISALIGNED(ph_addr_t), 0), -EINVAL);
    CHECK_IS(peer_leave(h, MISALIGNED(ph_addr_t), 0), -EINVAL);
    CHECK_IS(peer_join(h, &six, loopback()), -EAFNOSUPPORT);
    CHECK_IS(peer_leave(h, &six, loopback()), -EAFNOSUPPORT);
    CHECK_IS(peer_join(h, &four, INT32_MAX), -ENODEV);
    CHECK_IS(peer_join(h_six, &six, INT32_MAX), -ENODEV);
    CHECK_IS(peer_leave(h, &four, loopback()), -EADDRNOTAVAIL);
    CHECK_IS(peer_leave(h_six, &six, loopback()), -EADDRNOTAVAIL);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(h_six), 0);
}

static void a_group_is_joined_once_and_left_once(void)
{
    const ph_addr_t groups[] = {address_from("239.1.2.3", 0), address_from("ff02::1234", 0)};
    peer_t *const peers[] = {open_peer(PEER(ON_V4)), open_peer(PEER(ON_V6))};
    for (size_t i = 0; i < LENGTH(groups); i++) {
        for (int round = 0; round < 3; round++) {
            CHECK_IS(peer_join(peers[i], &groups[i], loopback()), 0);
            CHECK_IS(peer_join(peers[i], &groups[i], loopback()), -EADDRINUSE);
            CHECK_IS(peer_leave(peers[i], &groups[i], loopback()), 0);
            CHECK_IS(peer_leave(peers[i], &groups[i], loopback()), -EADDRNOTAVAIL);
        }
        CHECK_IS(peer_close(peers[i]), 0);
    }
}

static void too_many_groups_are_refused(void)
{
    enum { MORE_THAN_ANYBODY_ALLOWS = 5000 };
    peer_t *h = open_peer(PEER(ON_V4));
    ph_addr_t group = address_from("239.7.0.0", 0);
    int32_t result = 0;
    int joined = 0;
    while (result == 0 && joined < MORE_THAN_ANYBODY_ALLOWS) {
        group.ip[2] = (uint8_t)(joined >> 8);
        group.ip[3] = (uint8_t)joined;
        result = peer_join(h, &group, loopback());
        joined += result == 0;
    }
    CHECK_IS(result, -ENOBUFS);
    CHECK(joined > 0);
    CHECK_IS(peer_close(h), 0);
}

const struct test peer_argument_tests[] = {
    TEST(a_peers_configuration_out_of_range_is_refused),
    TEST(a_peers_configuration_ends_where_its_size_says),
    TEST(receiving_refuses_arrays_that_cannot_be),
    TEST(sending_refuses_arrays_that_cannot_be),
    TEST(sending_refuses_datagrams_that_cannot_be),
    TEST(a_peers_payload_is_as_long_as_its_protocol_allows),
    TEST(a_call_stops_before_its_first_bad_datagram),
    TEST(a_way_to_send_that_cannot_be_is_refused),
    TEST(send_to_refuses_wrong_ports_and_pointers),
    TEST(questions_without_a_place_for_the_answer_are_refused),
    TEST(a_peers_stats_fill_exactly_the_size_asked_for),
    TEST(settings_reach_the_socket_within_their_ranges),
    TEST(an_interface_for_multicasts_must_be_there),
    TEST(groups_that_cannot_be_joined_are_refused),
    TEST(a_group_is_joined_once_and_left_once),
    TEST(too_many_groups_are_refused),
    END_OF_TESTS,
};
