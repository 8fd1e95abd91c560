/* The wire log: what it is told, in which order, and what its callback may do. */
#include "check.h"
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 4, LINES = 1024 };

struct line {
    int32_t is_sent;
    ph_addr_t who;
    size_t len;
    uint32_t number;
};

/* What a callback was told, and what it is to do then. */
struct wire {
    peer_t *h;
    void (*act)(struct wire *wire);
    size_t count;
    struct line lines[LINES];
};

static void write_down(void *user, int32_t is_sent, const ph_addr_t *who, const uint8_t *data,
                       size_t len)
{
    struct wire *wire = user;
    CHECK(wire->count < LINES);
    struct line *line = &wire->lines[wire->count++];
    *line = (struct line){.is_sent = is_sent, .who = *who, .len = len};
    if (len >= SIZE) memcpy(&line->number, data, SIZE);
    /* Each byte of the payload is there to be read. */
    for (size_t i = SIZE; i < len; i++) CHECK_IS(data[i], (uint8_t)line->number);
    if (wire->act) wire->act(wire);
}

static struct wire *wire_of(peer_t *h)
{
    struct wire *wire = calloc(1, sizeof *wire);
    wire->h = h;
    CHECK_IS(peer_wire_log(h, write_down, wire), 0);
    return wire;
}

static void check_line(const struct wire *wire, size_t index, int32_t is_sent, ph_addr_t who,
                       uint32_t number, size_t len)
{
    CHECK(index < wire->count);
    const struct line *line = &wire->lines[index];
    CHECK_IS(line->is_sent, is_sent);
    CHECK(is_same_address(&line->who, &who));
    CHECK_IS(line->len, len);
    if (len >= SIZE) CHECK_IS(line->number, number);
}

static void the_wire_log_has_both_directions_in_order(void)
{
    enum { COUNT = 100 };
    const peer_config_t *const configs[] = {PEER(ON_V4), PEER(ON_V6),
                                            PEER(ON_V4, .flags = PEER_NO_GSO | PEER_NO_GRO)};
    for (size_t i = 0; i < LENGTH(configs); i++) {
        peer_t *one = open_peer(configs[i]), *two = open_peer(configs[i]);
        ph_addr_t at_one = where(one), at_two = where(two);
        struct wire *first = wire_of(one), *second = wire_of(two);
        CHECK_IS(send_numbers(one, at_two, 0, COUNT, 64), COUNT);
        CHECK_IS(first->count, COUNT);
        ph_datagram_t items[COUNT];
        uint8_t buffer[65535];
        for (size_t taken = 0; taken < COUNT;) {
            int64_t n = peer_receive(two, items, NULL, taken ? 64 : 1, buffer, sizeof buffer, 0);
            CHECK(n > 0);
            taken += (size_t)n;
            CHECK_IS(second->count, taken);
        }
        for (uint32_t at = 0; at < COUNT; at++) {
            check_line(first, at, 1, at_two, at, 64);
            check_line(second, at, 0, at_one, at, 64);
        }
        uint32_t answer = 7;
        ph_addr_t from;
        CHECK_IS(peer_send_to(two, &(ph_addr_t){.ip = {127, 0, 0, 1}, .family = 4}, 0, NULL, 0),
                 -EINVAL);
        CHECK_IS(peer_send_to(two, &at_one, 0, (uint8_t *)&answer, SIZE), SIZE);
        check_line(second, COUNT, 1, at_one, 7, SIZE);
        CHECK_IS(peer_receive_from(one, buffer, sizeof buffer, &from), SIZE);
        check_line(first, COUNT, 0, at_two, 7, SIZE);
        CHECK_IS(peer_send_to(two, &at_one, 0, NULL, 0), 0);
        check_line(second, COUNT + 1, 1, at_one, 0, 0);
        CHECK_IS(peer_receive_from(one, buffer, SIZE, &from), 0);
        check_line(first, COUNT + 1, 0, at_two, 0, 0);
        CHECK_IS(first->count, COUNT + 2);
        CHECK_IS(second->count, COUNT + 2);
        CHECK_IS(peer_close(one), 0);
        CHECK_IS(peer_close(two), 0);
        free(first);
        free(second);
    }
}

static void the_wire_log_names_the_port_that_was_sent_to(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    ph_addr_t at = where(h), elsewhere = at;
    elsewhere.port = 9;
    struct wire *wire = wire_of(h);
    CHECK_IS(peer_send_to(h, &elsewhere, at.port, NULL, 0), 0);
    check_line(wire, 0, 1, at, 0, 0);
    CHECK_IS(peer_close(h), 0);
    free(wire);
}

/* What was refused was not on the wire; of a call that ends early only what went out was. */
static void the_wire_log_has_only_what_was_on_the_wire(void)
{
    static const uint8_t payload[1 << 16];
    peer_t *h = open_peer(PEER(ON_V4));
    ph_addr_t at = where(h), six = address_from("::1", 9);
    const ph_datagram_t good = {.addr = at, .data = payload, .len = SIZE};
    ph_datagram_t bad[] = {good, good, good, good};
    bad[0].len = LONGEST_V4 + 1;
    bad[1].addr = six;
    bad[2].data = NULL;
    bad[3].addr.family = 5;
    const ph_arrival_t how[] = {{.tos = -1}, {.tos = -1}, {.tos = -1}};
    struct wire *wire = wire_of(h);
    for (size_t i = 0; i < LENGTH(bad); i++) {
        const ph_datagram_t items[] = {good, bad[i], good};
        ph_datagram_t item;
        uint8_t buffer[SIZE];
        CHECK(peer_send(h, &bad[i], NULL, 1) < 0);
        CHECK(peer_send_to(h, &bad[i].addr, 0, bad[i].data, bad[i].len) < 0);
        CHECK_IS(wire->count, 0);
        CHECK_IS(peer_send(h, items, NULL, 3), 1);
        CHECK_IS(peer_send(h, items, how, 3), 1);
        CHECK_IS(wire->count, 2);
        CHECK_IS(peer_receive(h, &item, NULL, 1, buffer, SIZE - 1, 0), -EMSGSIZE);
        CHECK_IS(wire->count, 2);
        CHECK_IS(peer_receive(h, &item, NULL, 1, buffer, SIZE, 0), 1);
        CHECK_IS(peer_receive(h, &item, NULL, 1, buffer, SIZE, 0), 1);
        CHECK_IS(peer_receive(h, &item, NULL, 1, buffer, SIZE, 0), -EAGAIN);
        CHECK_IS(wire->count, 4);
        wire->count = 0;
    }
    CHECK_IS(peer_close(h), 0);
    free(wire);
}

/* Of a datagram whose end is lost the log has the beginning, and nothing else. */
static void the_wire_log_of_a_cut_datagram_ends_where_it_was_cut(void)
{
    enum { KEPT = 100 };
    peer_t *sender = open_peer(PEER(ON_V4)), *h = open_peer(PEER(ON_V4, .recv_size = KEPT));
    struct wire *wire = wire_of(h);
    const size_t rooms[] = {KEPT, KEPT + 1, 1000};
    for (size_t i = 0; i < LENGTH(rooms); i++) {
        ph_datagram_t item;
        ph_addr_t from;
        uint8_t buffer[1000];
        memset(buffer, 0x55, sizeof buffer);
        CHECK_IS(send_numbers(sender, where(h), 9, 4, 300), 4);
        CHECK(peer_receive_from(h, buffer, rooms[i], &from) > KEPT);
        CHECK(peer_receive_room(&(peer_room_t){h, buffer, rooms[i], from}) > KEPT);
        CHECK_IS(peer_receive(h, &item, NULL, 1, buffer, rooms[i], 0), 1);
        CHECK_IS(peer_receive(h, &item, NULL, 1, buffer, KEPT - 1, 0), -EMSGSIZE);
        CHECK(peer_receive_from(h, buffer, rooms[i], &from) > KEPT);
        for (uint32_t at = 0; at < 4; at++) check_line(wire, at, 0, where(sender), 9 + at, KEPT);
        CHECK_IS(wire->count, 4);
        wire->count = 0;
    }
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(sender), 0);
    free(wire);
}

static void a_wire_log_may_be_replaced_and_removed(void)
{
    peer_t *h = open_peer(PEER(ON_V4));
    struct wire *first = wire_of(h);
    carry(h, h, 10, SIZE, 1);
    struct wire *second = wire_of(h);
    carry(h, h, 10, SIZE, 64);
    CHECK_IS(peer_wire_log(h, NULL, NULL), 0);
    carry(h, h, 10, SIZE, 64);
    CHECK_IS(first->count, 20);
    CHECK_IS(second->count, 20);
    CHECK_IS(peer_wire_log(h, write_down, second), 0);
    CHECK_IS(peer_reopen(h), 0);
    carry(h, h, 10, SIZE, 64);
    CHECK_IS(second->count, 40);
    CHECK_IS(peer_close(h), 0);
    free(first);
    free(second);
}

static void do_close(struct wire *wire)
{
    CHECK_IS(peer_close(wire->h), wire->count == 1 ? 0 : -EBADF);
    every_peer_call_refuses(wire->h);
}

static void do_reopen(struct wire *wire)
{
    CHECK_IS(peer_reopen(wire->h), 0);
}

static void do_remove(struct wire *wire)
{
    CHECK_IS(peer_wire_log(wire->h, NULL, NULL), 0);
}

static void do_ask(struct wire *wire)
{
    ph_error_t error;
    CHECK_IS(peer_get_error(wire->h, &error, 1), -EAGAIN);
    CHECK(counts_of(wire->h).sent > 0);
    CHECK(peer_fd(wire->h) >= 0);
}

static void do_send(struct wire *wire)
{
    if (wire->count < 50) CHECK_IS(send_numbers(wire->h, where(wire->h), 0, 2, SIZE), 2);
}

static void do_receive(struct wire *wire)
{
    uint8_t buffer[SIZE];
    ph_datagram_t item;
    ph_addr_t from;
    int64_t n = peer_receive(wire->h, &item, NULL, 1, buffer, sizeof buffer, 0);
    CHECK(n == 1 || n == -EAGAIN);
    n = peer_receive_from(wire->h, buffer, sizeof buffer, &from);
    CHECK(n == SIZE || n == -EAGAIN);
}

/* The call in whose middle the callback does this must end as if nothing had happened. */
static void the_callback_may_call_everything(void)
{
    void (*const acts[])(struct wire *) = {do_close, do_reopen, do_remove,
                                           do_ask,   do_send,   do_receive};
    enum { SEND, SEND_TO, RECEIVE, RECEIVE_FROM, RECEIVE_ROOM, CALLS };
    for (size_t i = 0; i < LENGTH(acts); i++)
        for (int call = 0; call < CALLS; call++) {
            peer_t *h = open_peer(PEER(ON_V4));
            ph_addr_t at = where(h), from;
            ph_datagram_t items[10];
            uint8_t buffer[10 * SIZE];
            CHECK_IS(send_numbers(h, at, 0, 10, SIZE), 10);
            struct wire *wire = wire_of(h);
            wire->act = acts[i];
            if (call == SEND) CHECK_IS(send_numbers(h, at, 0, 3, SIZE), 3);
            if (call == SEND_TO)
                CHECK_IS(peer_send_to(h, &at, 0, (const uint8_t *)"\0\0\0", SIZE), SIZE);
            if (call == RECEIVE)
                CHECK_IS(peer_receive(h, items, NULL, 10, buffer, sizeof buffer, -1), 10);
            if (call == RECEIVE_FROM)
                CHECK_IS(peer_receive_from(h, buffer, sizeof buffer, &from), SIZE);
            if (call == RECEIVE_ROOM)
                CHECK_IS(peer_receive_room(&(peer_room_t){h, buffer, sizeof buffer, at}), SIZE);
            CHECK(wire->count > 0);
            if (acts[i] != do_close) CHECK_IS(peer_close(h), 0);
            free(wire);
        }
}

static void *fill_the_log(void *h)
{
    for (int i = 0; i < 200; i++) CHECK_IS(send_numbers(h, where(h), 0, 3, SIZE), 3);
    return NULL;
}

static _Atomic uint32_t told;

static void count_up(void *user, int32_t is_sent, const ph_addr_t *who, const uint8_t *data,
                     size_t len)
{
    CHECK_IS(is_sent, 1);
    CHECK_IS(len, SIZE);
    CHECK(data != NULL && who->port > 0);
    (*(_Atomic uint32_t *)user)++;
}

static void the_wire_log_is_told_by_every_thread(void)
{
    pthread_t threads[4];
    peer_t *h = open_peer(PEER(ON_V4));
    CHECK_IS(peer_wire_log(h, count_up, &told), 0);
    for (int i = 0; i < 4; i++) threads[i] = start(fill_the_log, h);
    for (int i = 0; i < 4; i++) join(threads[i]);
    CHECK_IS(told, 4 * 200 * 3);
    CHECK_IS(peer_close(h), 0);
}

const struct test peer_wire_tests[] = {
    TEST(the_wire_log_has_both_directions_in_order),
    TEST(the_wire_log_names_the_port_that_was_sent_to),
    TEST(the_wire_log_has_only_what_was_on_the_wire),
    TEST(the_wire_log_of_a_cut_datagram_ends_where_it_was_cut),
    TEST(a_wire_log_may_be_replaced_and_removed),
    TEST(the_callback_may_call_everything),
    TEST(the_wire_log_is_told_by_every_thread),
    END_OF_TESTS,
};
