/* What a peer receives: sizes, buffers, what is cut, who sent it, what is counted. */
#include "check.h"
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- sizes --- */

static void exchange(const peer_config_t *config, size_t size)
{
    peer_t *sender = open_peer(config), *receiver = open_peer(config);
    ph_addr_t to = where(receiver), from, by = where(sender);
    uint8_t *payload = malloc(size + 1), *buffer = malloc(ROOM);
    for (size_t i = 0; i < size; i++) payload[i] = (uint8_t)(i * 31 >> 3);
    for (int round = 0; round < 2; round++) {
        CHECK_IS(peer_send_to(sender, &to, 0, payload, size), size);
        ph_datagram_t item = take_one(receiver, NULL);
        CHECK_IS(item.len, size);
        CHECK_IS(item.flags, 0);
        CHECK_IS(item.delay_ns, 0);
        CHECK(is_same_address(&item.addr, &by));
        CHECK_IS(memcmp(item.data, payload, size), 0);
        const size_t rooms[] = {size, 65535, ROOM};
        for (size_t i = 0; i < LENGTH(rooms); i++) {
            CHECK_IS(peer_send(sender, &(ph_datagram_t){to, payload, size, 0, 0, 0}, NULL, 1), 1);
            CHECK_IS(peer_receive_from(receiver, buffer, rooms[i], &from), size);
            CHECK(is_same_address(&from, &by));
            CHECK_IS(memcmp(buffer, payload, size), 0);
        }
    }
    nothing_more_comes(receiver);
    peer_stats_t out = counts_of(sender), in = counts_of(receiver);
    CHECK(out.sent == 8 && in.received == 8);
    CHECK(out.sent_bytes == 8 * size && in.received_bytes == 8 * size);
    free(payload);
    free(buffer);
    CHECK_IS(peer_close(sender), 0);
    CHECK_IS(peer_close(receiver), 0);
}

static void a_peers_datagrams_of_every_size_arrive_whole(void)
{
    const size_t sizes[] = {0, 1, 2, 1472, 1473, 32768, LONGEST_V4 - 1, LONGEST_V4};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        exchange(PEER(ON_V4), sizes[i]);
        exchange(PEER(ON_V6), sizes[i]);
    }
    exchange(PEER(ON_V6), LONGEST_V6);
}

static void a_peers_empty_datagrams_need_no_buffer(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_datagram_t items[100];
    ph_addr_t from;
    CHECK_IS(send_numbers(h, where(h), 0, 90, 0), 90);
    for (int i = 0; i < 5; i++) CHECK_IS(peer_receive_from(h, NULL, 0, &from), 0);
    CHECK_IS(peer_receive(h, items, NULL, 5, NULL, 0, 0), 5);
    CHECK_IS(peer_receive(h, items, NULL, 100, NULL, 0, 0), 80);
    for (int i = 0; i < 80; i++) CHECK_IS(items[i].len, 0);
    nothing_more_comes(h);
    CHECK_IS(counts_of(h).received, 90);
    CHECK_IS(peer_close(h), 0);
}

/* --- buffers --- */

static void a_peers_buffer_too_small_loses_nothing(void)
{
    enum { SIZE = 100, COUNT = 12 };
    const uint32_t flags[] = {0, PEER_NO_GRO};
    for (size_t i = 0; i < LENGTH(flags); i++) {
        peer_t *h = open_peer(PEER(ON_V4, .flags = flags[i]));
        ph_datagram_t items[64];
        uint8_t buffer[2 * SIZE + SIZE / 2];
        ph_addr_t from;
        CHECK_IS(peer_receive(h, items, NULL, 64, buffer, sizeof buffer, 0), -EAGAIN);
        CHECK_IS(send_numbers(h, where(h), 0, COUNT, SIZE), COUNT);
        for (int round = 0; round < 3; round++) {
            CHECK_IS(peer_receive_from(h, NULL, 0, &from), -EMSGSIZE);
            CHECK_IS(peer_receive_from(h, buffer, SIZE - 1, &from), -EMSGSIZE);
            CHECK_IS(peer_receive(h, items, NULL, 64, NULL, 0, 0), -EMSGSIZE);
            CHECK_IS(peer_receive(h, items, NULL, 1, buffer, SIZE - 1, -1), -EMSGSIZE);
            CHECK(is_readable(peer_fd(h)));
        }
        CHECK_IS(counts_of(h).received, 0);
        for (uint32_t at = 0; at < COUNT;) {
            int64_t n = peer_receive(h, items, NULL, 64, buffer, sizeof buffer, 0);
            CHECK(n == 1 || n == 2);
            for (int64_t i = 0; i < n; i++) {
                CHECK(items[i].data == buffer + i * SIZE);
                check_number(&items[i], at++, SIZE);
            }
            if (at == COUNT) break;
            CHECK_IS(peer_receive_from(h, buffer, SIZE, &from), SIZE);
            check_number(&(ph_datagram_t){.data = buffer, .len = SIZE}, at++, SIZE);
        }
        nothing_more_comes(h);
        CHECK_IS(counts_of(h).received, COUNT);
        CHECK_IS(peer_close(h), 0);
    }
}

static void a_peer_fills_no_more_than_it_is_given(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    for (size_t n = 1; n <= 65; n += 16) {
        ph_datagram_t items[66];
        ph_arrival_t arrivals[66];
        uint8_t buffer[66 * 4];
        memset(items, 0x55, sizeof items);
        memset(arrivals, 0x55, sizeof arrivals);
        memset(buffer, 0x55, sizeof buffer);
        const ph_datagram_t item = items[n];
        const ph_arrival_t arrival = arrivals[n];
        CHECK_IS(send_numbers(h, where(h), 0, 80, 4), 80);
        CHECK_IS(peer_receive(h, items, arrivals, n, buffer, sizeof buffer, 0), n);
        CHECK_IS(memcmp(&items[n], &item, sizeof item), 0);
        CHECK_IS(memcmp(&arrivals[n], &arrival, sizeof arrival), 0);
        CHECK_IS(buffer[4 * n], 0x55);
        for (uint32_t i = (uint32_t)n; i < 80; i++) CHECK_IS(take_number(h), i);
        nothing_more_comes(h);
    }
    CHECK_IS(peer_close(h), 0);
}

/* --- recv_size --- */

enum { KEPT = 200 };

static void what_is_longer_than_a_peers_recv_size_is_flagged(void)
{
    const size_t sizes[] = {0, 1, KEPT - 1, KEPT, KEPT + 1, 2 * KEPT, 5000, KEPT};
    peer_t *h = open_peer(PEER(ON_V4, .recv_size = KEPT));
    ph_datagram_t items[LENGTH(sizes)];
    uint8_t payload[5000], buffer[LENGTH(sizes) * KEPT];
    memset(payload, 7, sizeof payload);
    ph_addr_t to = where(h);
    for (size_t i = 0; i < LENGTH(sizes); i++)
        CHECK_IS(peer_send_to(h, &to, 0, payload, sizes[i]), sizes[i]);
    int64_t n = peer_receive(h, items, NULL, LENGTH(items), buffer, sizeof buffer, 0);
    CHECK_IS(n, LENGTH(sizes));
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        bool is_cut = sizes[i] > KEPT;
        CHECK_IS(items[i].flags, is_cut ? PH_TRUNCATED : 0);
        CHECK_IS(items[i].len, is_cut ? KEPT : sizes[i]);
        CHECK_IS(memcmp(items[i].data, payload, items[i].len), 0);
    }
    peer_stats_t stats = counts_of(h);
    CHECK_IS(stats.truncated, 3);
    CHECK_IS(stats.received, LENGTH(sizes));
    CHECK_IS(stats.received_bytes, 1 + KEPT - 1 + 5 * KEPT);
    CHECK_IS(stats.uses_gro, 0);
    CHECK_IS(peer_close(h), 0);
}

/* A length above `recv_size` says so, whether or not the buffer has room for more; what lies behind
 * the part that is there must be left alone. */
static void receive_from_tells_a_cut_datagram_by_its_length(void)
{
    const size_t sizes[] = {0, KEPT - 1, KEPT, KEPT + 1, 2 * KEPT}, rooms[] = {KEPT, 3 * KEPT};
    peer_t *h = open_peer(PEER(ON_V4, .recv_size = KEPT));
    uint8_t payload[2 * KEPT], buffer[3 * KEPT];
    ph_addr_t to = where(h), from;
    memset(payload, 7, sizeof payload);
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        size_t kept = sizes[i] < KEPT ? sizes[i] : KEPT;
        for (size_t at = 0; at < LENGTH(rooms); at++) {
            memset(buffer, 0x55, sizeof buffer);
            CHECK_IS(peer_send_to(h, &to, 0, payload, sizes[i]), sizes[i]);
            int64_t length = peer_receive_from(h, buffer, rooms[at], &from);
            if (sizes[i] > KEPT) CHECK(length > KEPT);
            else CHECK_IS(length, sizes[i]);
            CHECK_IS(memcmp(buffer, payload, kept), 0);
            for (size_t byte = kept; byte < sizeof buffer; byte++) CHECK_IS(buffer[byte], 0x55);
        }
        CHECK_IS(peer_send_to(h, &to, 0, payload, sizes[i]), sizes[i]);
        if (kept > 0) CHECK_IS(peer_receive_from(h, buffer, kept - 1, &from), -EMSGSIZE);
        int64_t length = peer_receive_from(h, buffer, kept, &from);
        if (sizes[i] > KEPT) CHECK(length > KEPT);
        else CHECK_IS(length, sizes[i]);
    }
    CHECK_IS(counts_of(h).truncated, 2 * 3);
    CHECK_IS(counts_of(h).received, LENGTH(sizes) * 3);
    CHECK_IS(peer_close(h), 0);
}

/* --- a room --- */

/* Reads into the room, which must have `text` of `sender` then. */
static void check_room(peer_room_t *room, peer_t *sender, const char *text, bool is_other)
{
    int64_t length = (int64_t)strlen(text);
    ph_addr_t from = where(sender);
    CHECK_IS(peer_receive_room(room), is_other ? length + PEER_OTHER_SENDER : length);
    CHECK_IS(memcmp(room->buf, text, (size_t)length), 0);
    CHECK(is_same_address(&room->from, &from));
}

static void a_room_says_when_the_sender_is_another(void)
{
    uint8_t small[4], large[65535];
    peer_t *h = open_peer(NULL), *one = open_peer(PEER(ON_V4)), *two = open_peer(PEER(ON_V4));
    peer_t *other_host = open_peer(PEER(.addr = {.ip = {127, 0, 0, 2}, .family = 4}));
    peer_room_t rooms[] = {{.peer = h, .buf = small, .cap = sizeof small},
                           {.peer = h, .buf = large, .cap = sizeof large}};
    for (size_t i = 0; i < LENGTH(rooms); i++) {
        const struct {
            peer_t *sender;
            const char *text;
            bool is_other;
        } CASES[] = {{one, "one", true}, {one, "1", false}, {one, "", false}, {two, "two!", true},
                     {other_host, "", true}, {two, "", true}, {two, "2", false}};
        for (size_t at = 0; at < LENGTH(CASES); at++)
            send_text(CASES[at].sender, where(h), CASES[at].text);
        for (size_t at = 0; at < LENGTH(CASES); at++)
            check_room(&rooms[i], CASES[at].sender, CASES[at].text, CASES[at].is_other);
        ph_addr_t last = rooms[i].from;
        CHECK_IS(peer_receive_room(&rooms[i]), -EAGAIN);
        CHECK(is_same_address(&rooms[i].from, &last));
    }
    CHECK_IS(counts_of(h).received, 14);
    peer_t *const peers[] = {h, one, two, other_host};
    for (size_t i = 0; i < LENGTH(peers); i++) CHECK_IS(peer_close(peers[i]), 0);
}

static void a_room_too_small_loses_nothing(void)
{
    uint8_t buffer[5];
    peer_t *h = open_peer(PEER(ON_V4));
    peer_room_t room = {.peer = h, .buf = buffer, .cap = 4, .from = {.port = 7}};
    send_text(h, where(h), "hello");
    for (int round = 0; round < 3; round++) CHECK_IS(peer_receive_room(&room), -EMSGSIZE);
    CHECK(is_readable(peer_fd(h)));
    CHECK_IS(room.from.port, 7);
    room.cap = 5;
    check_room(&room, h, "hello", true);
    CHECK_IS(peer_close(h), 0);
}

static void a_room_tells_a_cut_datagram_by_its_length(void)
{
    uint8_t buffer[3 * KEPT];
    const size_t rooms[] = {KEPT, sizeof buffer};
    peer_t *sender = open_peer(PEER(ON_V4)), *h = open_peer(PEER(ON_V4, .recv_size = KEPT));
    for (size_t i = 0; i < LENGTH(rooms); i++) {
        peer_room_t room = {.peer = h, .buf = buffer, .cap = rooms[i]};
        memset(buffer, 0x55, sizeof buffer);
        CHECK_IS(send_numbers(sender, where(h), 7, 2, 2 * KEPT), 2);
        int64_t length = peer_receive_room(&room);
        CHECK(length > PEER_OTHER_SENDER + KEPT && length <= PEER_OTHER_SENDER + 65535);
        length = peer_receive_room(&room);
        CHECK(length > KEPT && length <= 65535);
        for (size_t at = KEPT; at < sizeof buffer; at++) CHECK_IS(buffer[at], 0x55);
    }
    CHECK_IS(counts_of(h).truncated, 4);
    CHECK_IS(peer_close(sender), 0);
    CHECK_IS(peer_close(h), 0);
}

/* --- counting --- */

static void what_the_kernel_drops_is_counted(void)
{
    enum { COUNT = 500, SIZE = 50 };
    const int least = 1;
    peer_t *sender = open_peer(PEER(ON_V4)), *h = open_peer(PEER(ON_V4));
    CHECK_IS(setsockopt(peer_socket(h), SOL_SOCKET, SO_RCVBUF, &least, sizeof least), 0);
    uint32_t received = 0;
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < COUNT; i++)
            CHECK_IS(send_numbers(sender, where(h), i, 1, SIZE), 1);
        while (is_readable(peer_fd(h))) {
            CHECK_IS(take_one(h, NULL).len, SIZE);
            received++;
        }
        peer_stats_t in = counts_of(h);
        CHECK(in.kernel_drops > 0);
        CHECK_IS(in.received, received);
        CHECK_IS(in.received + in.kernel_drops, counts_of(sender).sent);
    }
    uint64_t drops = counts_of(h).kernel_drops;
    CHECK_IS(peer_reopen(h), 0);
    CHECK_IS(counts_of(h).kernel_drops, drops);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(sender), 0);
}

static void a_peer_points_out_the_same_address(void)
{
    enum { CLIENTS = 8, ALL = 64 };
    peer_t *h = open_peer(NULL), *clients[CLIENTS];
    ph_datagram_t items[ALL];
    uint8_t buffer[ALL * 4];
    for (uint8_t i = 0; i < CLIENTS; i++)
        clients[i] = open_peer(PEER(.addr = {.ip = {127, 0, 0, 1 + i / 2}, .family = 4}));
    for (uint32_t i = 0; i < ALL; i++)
        CHECK_IS(send_numbers(clients[i % CLIENTS], where(h), i, 1, 4), 1);
    CHECK_IS(peer_receive(h, items, NULL, ALL, buffer, sizeof buffer, 0), ALL);
    for (uint32_t i = 0; i < ALL; i++) {
        ph_addr_t from = where(clients[i % CLIENTS]);
        check_number(&items[i], i, 4);
        CHECK(is_same_address(&items[i].addr, &from));
        CHECK(items[i].same_addr_as <= i);
        const ph_addr_t *same = &items[items[i].same_addr_as].addr;
        CHECK_IS(memcmp(same->ip, from.ip, sizeof from.ip), 0);
    }
    for (int i = 0; i < CLIENTS; i++) CHECK_IS(peer_close(clients[i]), 0);
    CHECK_IS(peer_close(h), 0);
}

const struct test peer_receive_tests[] = {
    TEST(a_peers_datagrams_of_every_size_arrive_whole),
    TEST(a_peers_empty_datagrams_need_no_buffer),
    TEST(a_peers_buffer_too_small_loses_nothing),
    TEST(a_peer_fills_no_more_than_it_is_given),
    TEST(what_is_longer_than_a_peers_recv_size_is_flagged),
    TEST(receive_from_tells_a_cut_datagram_by_its_length),
    TEST(a_room_says_when_the_sender_is_another),
    TEST(a_room_too_small_loses_nothing),
    TEST(a_room_tells_a_cut_datagram_by_its_length),
    TEST(what_the_kernel_drops_is_counted),
    TEST(a_peer_points_out_the_same_address),
    END_OF_TESTS,
};
