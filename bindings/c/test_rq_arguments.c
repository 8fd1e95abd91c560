/* Arguments of receive queues' functions that are wrong, and those that are just right. */
#include "check.h"
#include "loops.h"
#include "peers.h"
#include "queues.h"

#include <errno.h>

/* Sizes of a structure that its maker never set, or set by accident. */
static const size_t BAD_SIZES[] = {0, 1, sizeof(size_t) - 1, (1 << 16) + 1, SIZE_MAX};

static const ph_bytes_t GROUP = {(const uint8_t *)"a", 1};

/* --- construction --- */

static void making_gives(const ph_bytes_t *groups, size_t n, size_t length, uint32_t policy,
                         const rq_config_t *config, int32_t expected)
{
    rq_t *const untouched = (rq_t *)(uintptr_t)42;
    rq_t *q = untouched;
    CHECK_IS(rq_new(groups, n, length, policy, config, &q), expected);
    if (expected != 0) CHECK(q == untouched);
    else CHECK_IS(rq_close(q), 0);
}

static void a_queue_that_cannot_be_is_refused(void)
{
    making_gives(&GROUP, 1, 0, RQ_RW, NULL, -EINVAL);
    making_gives(&GROUP, 1, (1 << 24) + 1, RQ_RW, NULL, -EINVAL);
    making_gives(&GROUP, 1, SIZE_MAX, RQ_RW, NULL, -EINVAL);
    making_gives(&GROUP, 1, 10, RQ_EXCLUSIVE + 1, NULL, -EINVAL);
    making_gives(&GROUP, 1, 10, UINT32_MAX, NULL, -EINVAL);
    making_gives(&GROUP, 0, 10, RQ_RW, NULL, -EINVAL);
    making_gives(NULL, 0, 10, RQ_RW, NULL, -EINVAL);
    making_gives(NULL, 1, 10, RQ_RW, NULL, -EINVAL);
    making_gives(&GROUP, SIZE_MAX, 10, RQ_RW, NULL, -EINVAL);
    making_gives(&GROUP, SIZE_MAX / sizeof GROUP, 10, RQ_RW, NULL, -EINVAL);
    making_gives(MISALIGNED(ph_bytes_t), 1, 10, RQ_RW, NULL, -EINVAL);
    CHECK_IS(rq_new(&GROUP, 1, 10, RQ_RW, NULL, NULL), -EINVAL);
    CHECK_IS(rq_new(&GROUP, 1, 10, RQ_RW, NULL, MISALIGNED(rq_t *)), -EINVAL);
    making_gives(&GROUP, 1, 1, RQ_UNSYNC, NULL, 0);
    making_gives(&GROUP, 1, 1 << 24, RQ_EXCLUSIVE, NULL, 0);
}

static void groups_that_cannot_be_are_refused(void)
{
    const ph_bytes_t bad[][3] = {
        {GROUP, {KEY("b")}, GROUP},
        {{NULL, 0}, GROUP, {KEY("")}},
        {GROUP, {NULL, 1}, {KEY("b")}},
        {GROUP, {GROUP.data, SIZE_MAX}, {KEY("b")}},
        {GROUP, {GROUP.data, SIZE_MAX / 2 + 1}, {KEY("b")}},
    };
    for (size_t i = 0; i < LENGTH(bad); i++) making_gives(bad[i], 3, 10, RQ_RW, NULL, -EINVAL);
    const ph_bytes_t good[] = {{NULL, 0}, GROUP, {KEY("ab")}, {(const uint8_t *)"a\0", 2}};
    making_gives(good, LENGTH(good), 10, RQ_RW, NULL, 0);
    enum { MANY = 4096 };
    static uint32_t names[MANY + 1];
    static ph_bytes_t many[MANY + 1];
    for (uint32_t i = 0; i <= MANY; i++) {
        names[i] = i;
        many[i] = (ph_bytes_t){(const uint8_t *)&names[i], sizeof names[i]};
    }
    making_gives(many, MANY, 10, RQ_RW, NULL, 0);
    making_gives(many, MANY + 1, 10, RQ_RW, NULL, -EINVAL);
    names[MANY - 1] = 0;
    making_gives(many, MANY, 10, RQ_RW, NULL, -EINVAL);
}

static void a_queues_configuration_is_as_long_as_its_size_says(void)
{
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++)
        making_gives(&GROUP, 1, 10, RQ_RW, &(rq_config_t){.size = BAD_SIZES[i]}, -EINVAL);
    making_gives(&GROUP, 1, 10, RQ_RW, MISALIGNED(rq_config_t), -EINVAL);
    struct {
        rq_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer}, .unknown = {[3] = 1}};
    making_gives(&GROUP, 1, 10, RQ_RW, &longer.known, -EINVAL);
    longer.unknown[3] = 0;
    making_gives(&GROUP, 1, 10, RQ_RW, &longer.known, 0);
    rq_config_t shorter = {.size = offsetof(rq_config_t, bytes_max), .bytes_max = 1};
    rq_t *q = open_queue(10, RQ_RW, &shorter);
    put(q, "a", "i", "value");
    CHECK_IS(rq_close(q), 0);
    making_gives(&GROUP, 1, 10, RQ_RW, RQ(.buffers_max = UINT64_MAX, .bytes_max = UINT64_MAX), 0);
}

/* --- handles --- */

static void a_queue_that_is_none_is_refused_by_every_call(void)
{
    rq_t *first = open_queue(10, RQ_RW, NULL);
    udph_t *handler = open_handler(open_socket(AF_INET), NULL);
    peer_t *peer = open_peer(PEER(ON_V4));
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    rq_t *const none[] = {NULL, (rq_t *)1, (rq_t *)(uintptr_t)-1, (rq_t *)&first, (rq_t *)handler,
                          (rq_t *)peer, (rq_t *)loop, (rq_t *)((uintptr_t)first + 1)};
    for (size_t i = 0; i < LENGTH(none); i++) every_queue_call_refuses(none[i]);
    every_call_refuses((udph_t *)first);
    every_peer_call_refuses((peer_t *)first);
    every_loop_call_refuses((evloop_t *)first);
    put(first, "a", "i", "value");
    CHECK_IS(rq_close(first), 0);
    for (int i = 0; i < 100; i++) {
        rq_t *next = open_queue(10, RQ_RW, NULL);
        CHECK(next != first);
        every_queue_call_refuses(first);
        CHECK_IS(rq_close(next), 0);
    }
    close_handler(handler, 0);
    CHECK_IS(peer_close(peer), 0);
    close_loop(loop);
}

/* --- groups and keys --- */

/* What every call with a group and a key says to these. */
static void every_call_says(rq_t *q, ph_bytes_t group, ph_bytes_t idx, int32_t expected)
{
    const ph_bytes_t item = {KEY("value")};
    rq_value_t value;
    uint8_t out[8];
    ph_need_t need;
    rq_buffer_stats_t stats = {.size = sizeof stats};
    CHECK_IS(rq_receive(q, group.data, group.len, idx.data, idx.len, &item, 1), expected);
    CHECK_IS(rq_extract(q, group.data, group.len, idx.data, idx.len, &value, 1, out, 8, &need),
             expected);
    CHECK_IS(rq_forget(q, group.data, group.len, idx.data, idx.len), expected);
    CHECK_IS(rq_buffer_stats(q, group.data, group.len, idx.data, idx.len, &stats), expected);
}

static void every_call_with_a_group_says(rq_t *q, ph_bytes_t group, int32_t expected)
{
    rq_value_t value;
    uint8_t out[8];
    ph_need_t need;
    every_call_says(q, group, (ph_bytes_t){KEY("i")}, expected);
    CHECK_IS(rq_extract_all(q, group.data, group.len, &value, 1, out, 8, &need), expected);
    CHECK_IS(rq_wait(q, group.data, group.len, 0), expected);
    CHECK_IS(rq_fd(q, group.data, group.len), expected);
}

static void groups_and_keys_that_cannot_be_are_refused(void)
{
    rq_t *q = open_queue(10, RQ_RW, NULL);
    const ph_bytes_t unknown[] = {{KEY("c")}, {KEY("ab")}, {KEY("A")}, {(const uint8_t *)"a\0", 2},
                                  {(const uint8_t *)"\0", 1}};
    const ph_bytes_t bad[] = {{NULL, 1}, {NULL, SIZE_MAX}, {GROUP.data, SIZE_MAX},
                              {GROUP.data, SIZE_MAX / 2 + 1}};
    for (size_t i = 0; i < LENGTH(unknown); i++)
        every_call_with_a_group_says(q, unknown[i], -ENOENT);
    for (size_t i = 0; i < LENGTH(bad); i++) {
        every_call_with_a_group_says(q, bad[i], -EINVAL);
        every_call_says(q, GROUP, bad[i], -EINVAL);
    }
    rq_stats_t all = queue_counts_of(q);
    CHECK(all.received == 0 && all.buffers == 0 && all.values == 0);
    CHECK_IS(rq_close(q), 0);
}

/* --- values --- */

static void receiving_refuses_values_that_cannot_be(void)
{
    rq_t *q = open_queue(10, RQ_RW, NULL);
    const ph_bytes_t good = {KEY("value")};
    const ph_bytes_t bad[] = {{NULL, 1}, {good.data, SIZE_MAX}, {good.data, SIZE_MAX / 2 + 1}};
    CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), NULL, 1), -EINVAL);
    CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), MISALIGNED(ph_bytes_t), 1), -EINVAL);
    CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), &good, SIZE_MAX), -EINVAL);
    CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), &good, SIZE_MAX / sizeof good), -EINVAL);
    CHECK_IS(queue_counts_of(q).received, 0);
    for (size_t i = 0; i < LENGTH(bad); i++) {
        const ph_bytes_t items[] = {good, good, bad[i], good};
        CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), &bad[i], 1), -EINVAL);
        uint64_t before = queue_counts_of(q).received;
        int32_t taken = rq_receive(q, KEY("a"), KEY("i"), items, 4);
        CHECK(taken == 2 || taken == -EINVAL);
        CHECK_IS(queue_counts_of(q).received - before, taken == 2 ? 2 : 0);
    }
    CHECK_IS(rq_close(q), 0);
}

static void an_extract_refuses_room_that_cannot_be(void)
{
    rq_t *q = open_queue(10, RQ_RW, NULL);
    rq_value_t value;
    uint8_t out[8];
    ph_need_t need, *askew_need = MISALIGNED(ph_need_t);
    rq_value_t *askew = MISALIGNED(rq_value_t);
    put(q, "a", "i", "value");
    const struct {
        rq_value_t *values;
        size_t n;
        uint8_t *out;
        size_t cap;
        ph_need_t *need;
    } bad[] = {
        {NULL, 1, out, 8, &need},
        {askew, 1, out, 8, &need},
        {&value, SIZE_MAX, out, 8, &need},
        {&value, SIZE_MAX / sizeof value, out, 8, &need},
        {&value, 1, NULL, 8, &need},
        {&value, 1, out, SIZE_MAX, &need},
        {&value, 1, out, 8, askew_need},
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        CHECK_IS(rq_extract(q, KEY("a"), KEY("i"), bad[i].values, bad[i].n, bad[i].out, bad[i].cap,
                            bad[i].need), -EINVAL);
        CHECK_IS(rq_extract_all(q, KEY("a"), bad[i].values, bad[i].n, bad[i].out, bad[i].cap,
                                bad[i].need), -EINVAL);
    }
    CHECK(holds(q, "a", "i", "value"));
    CHECK_IS(rq_close(q), 0);
}

/* --- counts --- */

union all_counts {
    size_t size;
    rq_stats_t queue;
    rq_buffer_stats_t buffer;
    uint8_t bytes[2 * sizeof(rq_stats_t)];
};

static int32_t ask_queue(rq_t *q, void *out)
{
    return rq_stats(q, out);
}

static int32_t ask_buffer(rq_t *q, void *out)
{
    return rq_buffer_stats(q, KEY("a"), KEY("i"), out);
}

static void counts_fill_exactly_the_size_asked_for(rq_t *q, int32_t (*ask)(rq_t *, void *),
                                                   size_t known)
{
    union all_counts out;
    CHECK_IS(ask(q, NULL), -EINVAL);
    CHECK_IS(ask(q, MISALIGNED(rq_stats_t)), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++) {
        memset(&out, 0x55, sizeof out);
        out.size = BAD_SIZES[i];
        CHECK_IS(ask(q, &out), -EINVAL);
        for (size_t at = sizeof out.size; at < sizeof out; at++) CHECK_IS(out.bytes[at], 0x55);
    }
    for (size_t size = sizeof(size_t); size <= sizeof out; size += 4) {
        memset(&out, 0x55, sizeof out);
        out.size = size;
        CHECK_IS(ask(q, &out), 0);
        CHECK_IS(out.size, size);
        for (size_t i = size; i < sizeof out; i++) CHECK_IS(out.bytes[i], 0x55);
        for (size_t i = known; i < size; i++) CHECK_IS(out.bytes[i], 0);
    }
}

static void a_queues_counts_fill_exactly_the_size_asked_for(void)
{
    rq_t *q = open_queue(10, RQ_RW, NULL);
    put(q, "a", "i", "value");
    counts_fill_exactly_the_size_asked_for(q, ask_queue, sizeof(rq_stats_t));
    counts_fill_exactly_the_size_asked_for(q, ask_buffer, sizeof(rq_buffer_stats_t));
    CHECK_IS(queue_counts_of(q).received, 1);
    CHECK_IS(buffer_counts_of(q, "a", "i").received, 1);
    CHECK_IS(rq_close(q), 0);
}

const struct test rq_argument_tests[] = {
    TEST(a_queue_that_cannot_be_is_refused),
    TEST(groups_that_cannot_be_are_refused),
    TEST(a_queues_configuration_is_as_long_as_its_size_says),
    TEST(a_queue_that_is_none_is_refused_by_every_call),
    TEST(groups_and_keys_that_cannot_be_are_refused),
    TEST(receiving_refuses_values_that_cannot_be),
    TEST(an_extract_refuses_room_that_cannot_be),
    TEST(a_queues_counts_fill_exactly_the_size_asked_for),
    END_OF_TESTS,
};
