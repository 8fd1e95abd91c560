#include "queues.h"
#include "check.h"

#include <errno.h>
#include <stdlib.h>

rq_t *open_queue(size_t length, uint32_t policy, const rq_config_t *config)
{
    const ph_bytes_t groups[] = {{KEY("a")}, {KEY("b")}, {NULL, 0}};
    rq_t *q = NULL;
    CHECK_IS(rq_new(groups, LENGTH(groups), length, policy, config, &q), 0);
    CHECK(q != NULL);
    return q;
}

void on_each_policy(size_t length, void (*body)(rq_t *q))
{
    for (uint32_t policy = RQ_UNSYNC; policy <= RQ_EXCLUSIVE; policy++) {
        rq_t *q = open_queue(length, policy, NULL);
        body(q);
        CHECK_IS(rq_close(q), 0);
    }
}

rq_stats_t queue_counts_of(rq_t *q)
{
    rq_stats_t stats = {.size = sizeof stats};
    CHECK_IS(rq_stats(q, &stats), 0);
    return stats;
}

rq_buffer_stats_t buffer_counts_of(rq_t *q, const char *group, const char *idx)
{
    rq_buffer_stats_t stats = {.size = sizeof stats};
    CHECK_IS(rq_buffer_stats(q, KEY(group), KEY(idx), &stats), 0);
    return stats;
}

void put(rq_t *q, const char *group, const char *idx, const char *value)
{
    const ph_bytes_t item = {KEY(value)};
    CHECK_IS(rq_receive(q, KEY(group), KEY(idx), &item, 1), 1);
}

void put_number(rq_t *q, const char *group, const char *idx, uint32_t number)
{
    const ph_bytes_t item = {(const uint8_t *)&number, sizeof number};
    CHECK_IS(rq_receive(q, KEY(group), KEY(idx), &item, 1), 1);
}

uint32_t number_at(const struct extract *extract, size_t at)
{
    uint32_t number;
    CHECK(at < extract->n);
    CHECK_IS(extract->values[at].len, sizeof number);
    memcpy(&number, extract->bytes + extract->values[at].offset, sizeof number);
    return number;
}

/* --- extracts --- */

/* `idx` NULL: the whole group. */
static int64_t try_extract(rq_t *q, const char *group, const uint8_t *idx, size_t idx_len,
                           struct extract *into, ph_need_t room, ph_need_t *need)
{
    if (!idx)
        return rq_extract_all(q, KEY(group), into->values, room.items, into->bytes, room.bytes,
                              need);
    return rq_extract(q, KEY(group), idx, idx_len, into->values, room.items, into->bytes,
                      room.bytes, need);
}

static struct extract extract(rq_t *q, const char *group, const uint8_t *idx, size_t idx_len)
{
    struct extract into = {0};
    ph_need_t room = {0}, need = {0};
    int64_t n;
    while ((n = try_extract(q, group, idx, idx_len, &into, room, &need)) == -EMSGSIZE) {
        CHECK(need.items > room.items || need.bytes > room.bytes);
        free_extract(&into);
        room = (ph_need_t){need.items + need.items / 4, need.bytes + need.bytes / 4};
        into.values = calloc(room.items + 1, sizeof *into.values);
        into.bytes = malloc(room.bytes + 1);
    }
    CHECK(n >= 0);
    CHECK_IS(need.items, n);
    CHECK(need.bytes <= room.bytes);
    into.n = (size_t)n;
    return into;
}

struct extract extract_one(rq_t *q, const char *group, const uint8_t *idx, size_t idx_len)
{
    return extract(q, group, idx, idx_len);
}

struct extract extract_group(rq_t *q, const char *group)
{
    return extract(q, group, NULL, 0);
}

void free_extract(struct extract *extract)
{
    free(extract->values);
    free(extract->bytes);
    *extract = (struct extract){0};
}

bool holds(rq_t *q, const char *group, const char *idx, const char *expected)
{
    struct extract held = extract_one(q, group, KEY(idx));
    bool is_same = expected ? held.n > 0 : held.n == 0;
    for (size_t i = 0; i < held.n && is_same; i++) {
        const rq_value_t *value = &held.values[i];
        size_t length = strcspn(expected, ",");
        bool is_last = expected[length] == 0;
        is_same = value->len == length && value->idx_len == 0 && value->idx_offset == 0
                  && memcmp(held.bytes + value->offset, expected, length) == 0
                  && is_last == (i + 1 == held.n);
        expected += length + !is_last;
    }
    free_extract(&held);
    return is_same;
}

/* --- refusals --- */

static void check_refusal(int64_t result, const char *call, const void *q)
{
    if (result != -EBADF)
        check_failed(__FILE__, __LINE__, "%s of %p gives %lld, not -EBADF", call, q,
                     (long long)result);
}

#define REFUSES(call) check_refusal(call, #call, q)

void every_queue_call_refuses(rq_t *q)
{
    const ph_bytes_t item = {KEY("value")};
    ph_need_t need;
    rq_value_t value;
    uint8_t byte;
    rq_stats_t stats = {.size = sizeof stats};
    rq_buffer_stats_t buffer = {.size = sizeof buffer};
    REFUSES(rq_receive(q, KEY("a"), KEY("i"), &item, 1));
    REFUSES(rq_extract(q, KEY("a"), KEY("i"), &value, 1, &byte, 1, &need));
    REFUSES(rq_extract_all(q, KEY("a"), &value, 1, &byte, 1, &need));
    REFUSES(rq_wait(q, KEY("a"), -1));
    REFUSES(rq_fd(q, KEY("a")));
    REFUSES(rq_forget(q, KEY("a"), KEY("i")));
    REFUSES(rq_stats(q, &stats));
    REFUSES(rq_buffer_stats(q, KEY("a"), KEY("i"), &buffer));
    REFUSES(rq_close(q));
}

void every_feed_call_refuses(rq_t *q)
{
    int fd = open_socket(AF_INET);
    udph_t *handler = open_handler(fd, RECEIVING);
    rq_feed_stats_t stats = {.size = sizeof stats};
    REFUSES(rq_feed_udph(q, KEY("a"), NULL, handler));
    REFUSES(rq_feed_peer(q, KEY("a"), NULL, NULL));
    REFUSES(rq_feed_tcp(q, KEY("a"), NULL, NULL, 1));
    REFUSES(rq_feed_stats(q, 1, &stats));
    REFUSES(rq_feed_stop(q, 1));
    close_handler(handler, 0);
}

/* --- feeds --- */

rq_feed_stats_t feed_counts_of(rq_t *q, int64_t feed)
{
    rq_feed_stats_t stats = {.size = sizeof stats};
    CHECK_IS(rq_feed_stats(q, feed, &stats), 0);
    return stats;
}

bool has_fed(rq_t *q, int64_t feed, uint64_t count)
{
    rq_feed_stats_t stats = feed_counts_of(q, feed);
    CHECK(stats.received + stats.refused <= count);
    return stats.received + stats.refused == count;
}
