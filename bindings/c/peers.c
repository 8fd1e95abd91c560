#include "peers.h"
#include "check.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

uint32_t loopback(void)
{
    uint32_t index = if_nametoindex("lo");
    CHECK(index > 0);
    return index;
}

/* --- peers --- */

peer_t *new_peer(const peer_config_t *config)
{
    peer_t *h = NULL;
    CHECK_IS(peer_new(config, &h), 0);
    CHECK(h != NULL);
    return h;
}

peer_t *open_peer(const peer_config_t *config)
{
    peer_t *h = new_peer(config);
    CHECK_IS(peer_open(h), 0);
    return h;
}

ph_addr_t where(peer_t *h)
{
    static const uint8_t ANY[16];
    ph_addr_t at;
    CHECK_IS(peer_addr(h, &at), 0);
    if (memcmp(at.ip, ANY, sizeof at.ip) != 0) return at;
    return address_from(at.family == 4 ? "127.0.0.1" : "::1", at.port);
}

peer_stats_t counts_of(peer_t *h)
{
    peer_stats_t stats = {.size = sizeof stats};
    CHECK_IS(peer_stats(h, &stats), 0);
    return stats;
}

ph_datagram_t take_one(peer_t *h, ph_arrival_t *arrival)
{
    static uint8_t buffer[ROOM];
    ph_datagram_t item;
    CHECK_IS(peer_receive(h, &item, arrival, 1, buffer, sizeof buffer, PATIENCE_MS), 1);
    CHECK(item.data == buffer);
    return item;
}

uint32_t take_number(peer_t *h)
{
    uint32_t number;
    ph_datagram_t item = take_one(h, NULL);
    CHECK_IS(item.len, sizeof number);
    memcpy(&number, item.data, sizeof number);
    return number;
}

void nothing_more_comes(peer_t *h)
{
    uint8_t byte;
    ph_datagram_t item;
    ph_addr_t from;
    CHECK_IS(peer_receive(h, &item, NULL, 1, &byte, 1, 0), -EAGAIN);
    CHECK_IS(peer_receive_from(h, &byte, 1, &from), -EAGAIN);
    CHECK(!is_readable(peer_fd(h)));
}

void send_text(peer_t *h, ph_addr_t to, const char *text)
{
    CHECK_IS(peer_send_to(h, &to, 0, (const uint8_t *)text, strlen(text)), strlen(text));
}

int64_t send_numbers(peer_t *h, ph_addr_t to, uint32_t first, uint32_t count, size_t size)
{
    uint8_t *payloads = malloc(count * size + 1);
    ph_datagram_t *items = calloc(count, sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = first + i;
        uint8_t *payload = payloads + i * size;
        memset(payload, (uint8_t)number, size);
        if (size >= sizeof number) memcpy(payload, &number, sizeof number);
        items[i] = (ph_datagram_t){.addr = to, .data = payload, .len = size};
    }
    int64_t sent = peer_send(h, items, NULL, count);
    free(items);
    free(payloads);
    return sent;
}

void check_number(const ph_datagram_t *item, uint32_t number, size_t size)
{
    CHECK_IS(item->len, size);
    CHECK_IS(item->flags, 0);
    size_t at = 0;
    if (size >= sizeof number) {
        CHECK_IS(memcmp(item->data, &number, sizeof number), 0);
        at = sizeof number;
    }
    for (; at < size; at++) CHECK_IS(item->data[at], (uint8_t)number);
}

/* Datagrams on their way at most, and the bytes they may take: a socket's default buffer has room
 * for 208 KiB, and each datagram takes about 1 KiB more than its payload. */
enum { WINDOW = 64, WINDOW_BYTES = 128 << 10, OVERHEAD = 1 << 10 };

void carry(peer_t *sender, peer_t *receiver, uint32_t count, size_t size, size_t n)
{
    ph_addr_t to = where(receiver);
    size_t fitting = WINDOW_BYTES / (size + OVERHEAD);
    uint32_t window = (uint32_t)(fitting < WINDOW ? fitting : WINDOW);
    uint8_t *buffer = malloc(ROOM);
    ph_datagram_t *items = calloc(n, sizeof *items);
    for (uint32_t first = 0; first < count; first += window) {
        uint32_t end = first + window < count ? first + window : count;
        CHECK_IS(send_numbers(sender, to, first, end - first, size), end - first);
        for (uint32_t number = first; number < end;) {
            int64_t taken = peer_receive(receiver, items, NULL, n, buffer, ROOM, PATIENCE_MS);
            CHECK(taken > 0 && taken <= (int64_t)n);
            for (int64_t i = 0; i < taken; i++) check_number(&items[i], number++, size);
            CHECK(number <= end);
        }
    }
    free(items);
    free(buffer);
}

static void check_refusal(int64_t result, const char *call, const void *h)
{
    if (result != -EBADF)
        check_failed(__FILE__, __LINE__, "%s of %p gives %lld, not -EBADF", call, h,
                     (long long)result);
}

#define REFUSES(call) check_refusal(call, #call, h)

void every_peer_call_refuses(peer_t *h)
{
    const ph_addr_t group = {.ip = {239, 1, 2, 3}, .family = 4};
    ph_addr_t addr = {.ip = {127, 0, 0, 1}, .port = 9, .family = 4};
    ph_datagram_t item = {.addr = addr};
    ph_error_t error;
    peer_stats_t stats = {.size = sizeof stats};
    int32_t send, recv;
    peer_room_t room = {.peer = h};
    REFUSES(peer_open(h));
    REFUSES(peer_reopen(h));
    REFUSES(peer_send(h, &item, NULL, 1));
    REFUSES(peer_send_to(h, &addr, 0, NULL, 0));
    REFUSES(peer_receive(h, &item, NULL, 1, NULL, 0, -1));
    REFUSES(peer_receive_from(h, NULL, 0, &addr));
    REFUSES(peer_receive_room(&room));
    REFUSES(peer_actual_buf_sizes(h, &send, &recv));
    REFUSES(peer_addr(h, &addr));
    REFUSES(peer_fd(h));
    REFUSES(peer_socket(h));
    REFUSES(peer_set(h, PEER_TTL, 1));
    REFUSES(peer_join(h, &group, 0));
    REFUSES(peer_leave(h, &group, 0));
    REFUSES(peer_get_error(h, &error, 1));
    REFUSES(peer_stats(h, &stats));
    REFUSES(peer_wire_log(h, NULL, NULL));
    REFUSES(peer_close(h));
}

/* --- broadcasts --- */

bcast_t *open_bcast(const bcast_config_t *config)
{
    bcast_config_t own = config ? *config : (bcast_config_t){.size = sizeof own};
    own.interface = loopback();
    bcast_t *h = NULL;
    CHECK_IS(bcast_new(&own, &h), 0);
    CHECK(h != NULL);
    return h;
}

bcast_stats_t bcast_counts_of(bcast_t *h)
{
    bcast_stats_t stats = {.size = sizeof stats};
    CHECK_IS(bcast_stats(h, &stats), 0);
    return stats;
}

ph_datagram_t take_message(bcast_t *h, ph_arrival_t *arrival)
{
    static uint8_t buffer[ROOM];
    ph_datagram_t item;
    CHECK_IS(bcast_receive(h, &item, arrival, 1, buffer, sizeof buffer, PATIENCE_MS), 1);
    return item;
}

void no_message_comes(bcast_t *h)
{
    ph_datagram_t item;
    CHECK_IS(bcast_receive(h, &item, NULL, 1, NULL, 0, 0), -EAGAIN);
    CHECK(!is_readable(bcast_fd(h)));
}

void send_message(bcast_t *h, const char *text)
{
    CHECK_IS(bcast_send(h, (const uint8_t *)text, strlen(text)), 1);
}

void check_text(ph_datagram_t item, const char *text)
{
    CHECK_IS(item.len, strlen(text));
    CHECK_IS(memcmp(item.data, text, item.len), 0);
    CHECK_IS(item.flags, 0);
}

void every_bcast_call_refuses(bcast_t *h)
{
    ph_datagram_t item;
    bcast_stats_t stats = {.size = sizeof stats};
    REFUSES(bcast_receive(h, &item, NULL, 1, NULL, 0, -1));
    REFUSES(bcast_send(h, NULL, 0));
    REFUSES(bcast_beacon(h, NULL, 0, 0));
    REFUSES(bcast_port(h));
    REFUSES(bcast_fd(h));
    REFUSES(bcast_stats(h, &stats));
    REFUSES(bcast_close(h));
}
