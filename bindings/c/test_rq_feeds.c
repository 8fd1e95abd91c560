/* Handlers and peers that put what they receive into a queue by themselves. */
#include "check.h"
#include "peers.h"
#include "process.h"
#include "queues.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

/* --- a handler or a peer, and sockets that send to it --- */

struct source {
    udph_t *handler;
    peer_t *peer;
    ph_addr_t at;
};

static struct source open_source(bool is_peer)
{
    struct source source = {0};
    if (is_peer) {
        source.peer = open_peer(PEER(ON_V4));
        source.at = where(source.peer);
        return source;
    }
    int fd = open_socket(AF_INET);
    source.at = address_of(fd);
    source.handler = open_handler(fd, RECEIVING);
    return source;
}

static int64_t try_to_feed(rq_t *q, const char *group, const rq_feed_config_t *config,
                           const struct source *source)
{
    if (source->peer) return rq_feed_peer(q, KEY(group), config, source->peer);
    return rq_feed_udph(q, KEY(group), config, source->handler);
}

static int64_t feed(rq_t *q, const char *group, const rq_feed_config_t *config,
                    const struct source *source)
{
    int64_t id = try_to_feed(q, group, config, source);
    CHECK(id > 0);
    return id;
}

static void close_source(const struct source *source)
{
    if (source->peer) CHECK_IS(peer_close(source->peer), 0);
    else close_handler(source->handler, 0);
}

/* Waits for one datagram in the caller's hands; gives its length. */
static size_t take_by_hand(const struct source *source)
{
    uint8_t buffer[1024];
    ph_datagram_t item;
    if (source->peer) return take_one(source->peer, NULL).len;
    CHECK_IS(udph_get_recved(source->handler, &item, 1, buffer, sizeof buffer, PATIENCE_MS), 1);
    return item.len;
}

static void nothing_comes_by_hand(const struct source *source)
{
    ph_datagram_t item;
    if (source->peer) nothing_more_comes(source->peer);
    else CHECK_IS(udph_get_recved(source->handler, &item, 1, NULL, 0, 0), -EAGAIN);
}

static void on_handler_and_peer(void (*body)(struct source source, rq_t *q))
{
    for (int is_peer = 0; is_peer < 2; is_peer++)
        for (uint32_t policy = RQ_UNSYNC; policy <= RQ_EXCLUSIVE; policy++) {
            rq_t *q = open_queue(64, policy, NULL);
            body(open_source(is_peer), q);
            CHECK_IS(rq_close(q), 0);
        }
}

static void feeds_by_source(struct source source, rq_t *q)
{
    enum { SENDERS = 3, COUNT = 20 };
    int senders[SENDERS];
    int64_t id = feed(q, "a", NULL, &source);
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = open_socket(AF_INET);
        for (uint32_t number = 0; number < COUNT; number++)
            send_plainly(senders[i], source.at, &number, sizeof number);
        send_plainly(senders[i], source.at, NULL, 0);
        CHECK_EVENTUALLY(has_fed(q, id, (i + 1) * (COUNT + 1)));
        CHECK_IS(rq_wait(q, KEY("a"), 0), 0);
    }
    for (uint32_t i = 0; i < SENDERS; i++) {
        ph_addr_t from = address_of(senders[i]);
        struct extract held = extract_one(q, "a", (const uint8_t *)&from, sizeof from);
        CHECK_IS(held.n, COUNT + 1);
        for (uint32_t number = 0; number < COUNT; number++)
            CHECK_IS(number_at(&held, number), number);
        CHECK_IS(held.values[COUNT].len, 0);
        free_extract(&held);
        close(senders[i]);
    }
    rq_feed_stats_t stats = feed_counts_of(q, id);
    CHECK_IS(stats.received_bytes, SENDERS * COUNT * sizeof(uint32_t));
    CHECK(stats.refused == 0 && stats.ended == 0);
    rq_stats_t all = queue_counts_of(q);
    CHECK(all.buffers == SENDERS && all.received == stats.received);
    nothing_comes_by_hand(&source);
    CHECK_IS(rq_feed_stop(q, id), 0);
    close_source(&source);
}

static void what_a_handler_or_a_peer_receives_is_held_by_its_sender(void)
{
    on_handler_and_peer(feeds_by_source);
}

static void feeds_by_range(struct source source, rq_t *q)
{
    int sender = open_socket(AF_INET);
    int64_t id = feed(q, "b", FEED(.key = RQ_BY_RANGE, .offset = 2, .length = 3), &source);
    const char *const payloads[] = {"12idx value", "34idx", "56id", "7", "", "12idy", "99idx!"};
    for (size_t i = 0; i < LENGTH(payloads); i++) {
        send_plainly(sender, source.at, payloads[i], strlen(payloads[i]));
        CHECK_EVENTUALLY(has_fed(q, id, i + 1));
    }
    CHECK(holds(q, "b", "idx", "12idx value,34idx,99idx!"));
    CHECK(holds(q, "b", "id", "56id"));
    CHECK(holds(q, "b", "", "7,"));
    CHECK(holds(q, "b", "idy", "12idy"));
    CHECK_IS(queue_counts_of(q).buffers, 4);
    CHECK_IS(rq_feed_stop(q, id), 0);
    const size_t far[] = {65536, SIZE_MAX / 2, SIZE_MAX};
    for (size_t i = 0; i < LENGTH(far); i++) {
        const rq_feed_config_t *config = FEED(.key = RQ_BY_RANGE, .offset = far[i]);
        id = feed(q, "a", config, &source);
        send_plainly(sender, source.at, "far", 3);
        CHECK_EVENTUALLY(has_fed(q, id, 1));
        CHECK_IS(rq_feed_stop(q, id), 0);
    }
    CHECK(holds(q, "a", "", "far,far,far"));
    id = feed(q, "a", FEED(.key = RQ_BY_RANGE, .offset = 1, .length = SIZE_MAX - 1),
              &source);
    send_plainly(sender, source.at, "to the end", 10);
    CHECK_EVENTUALLY(has_fed(q, id, 1));
    CHECK(holds(q, "a", "o the end", "to the end"));
    close(sender);
    close_source(&source);
}

static void what_a_handler_or_a_peer_receives_is_held_by_a_part_of_it(void)
{
    on_handler_and_peer(feeds_by_range);
}

static void gives_back(struct source source, rq_t *q)
{
    int sender = open_socket(AF_INET);
    for (int round = 0; round < 3; round++) {
        send_plainly(sender, source.at, "by hand", 7);
        CHECK_IS(take_by_hand(&source), 7);
        int64_t id = feed(q, "a", FEED(.key = RQ_BY_RANGE), &source);
        CHECK_IS(try_to_feed(q, "b", NULL, &source), -EALREADY);
        send_plainly(sender, source.at, "fed", 3);
        CHECK_EVENTUALLY(has_fed(q, id, 1));
        nothing_comes_by_hand(&source);
        CHECK_IS(rq_feed_stop(q, id), 0);
        CHECK_IS(rq_feed_stop(q, id), -ENOENT);
        CHECK_IS(rq_feed_stats(q, id, &(rq_feed_stats_t){.size = sizeof(rq_feed_stats_t)}),
                 -ENOENT);
    }
    send_plainly(sender, source.at, "after all", 9);
    CHECK_IS(take_by_hand(&source), 9);
    nothing_comes_by_hand(&source);
    CHECK(holds(q, "a", "", "fed,fed,fed"));
    close(sender);
    close_source(&source);
}

static void a_feed_that_stops_gives_its_source_back(void)
{
    on_handler_and_peer(gives_back);
}

static void outlives_its_source(struct source source, rq_t *q)
{
    int sender = open_socket(AF_INET);
    int64_t id = feed(q, "a", FEED(.key = RQ_BY_RANGE), &source);
    send_plainly(sender, source.at, "value", 5);
    CHECK_EVENTUALLY(has_fed(q, id, 1));
    CHECK_IS(feed_counts_of(q, id).ended, 0);
    close_source(&source);
    CHECK_EVENTUALLY(feed_counts_of(q, id).ended == 1);
    CHECK_IS(feed_counts_of(q, id).received, 1);
    CHECK(holds(q, "a", "", "value"));
    put(q, "a", "", "by hand");
    CHECK_IS(rq_feed_stop(q, id), 0);
    CHECK_IS(rq_feed_stop(q, id), -ENOENT);
    close(sender);
}

static void a_source_that_ends_leaves_the_queue_in_order(void)
{
    on_handler_and_peer(outlives_its_source);
}

static void a_queue_that_closes_gives_its_sources_back(void)
{
    for (int is_peer = 0; is_peer < 2; is_peer++) {
        struct source source = open_source(is_peer);
        int sender = open_socket(AF_INET);
        /* What a peer is waited for with is made when it is first needed. */
        nothing_comes_by_hand(&source);
        size_t threads = count_threads(), descriptors = count_descriptors();
        for (uint32_t round = 0; round < 6; round++) {
            rq_t *q = open_queue(3, round % 3, NULL);
            CHECK(rq_fd(q, KEY("a")) >= 0);
            int64_t id = feed(q, "a", FEED(.key = RQ_BY_RANGE), &source);
            send_plainly(sender, source.at, "fed", 3);
            CHECK_EVENTUALLY(has_fed(q, id, 1));
            CHECK_IS(rq_close(q), 0);
            CHECK_IS(rq_feed_stop(q, id), -EBADF);
            CHECK_EVENTUALLY(count_threads() == threads);
            CHECK_EVENTUALLY(count_descriptors() == descriptors);
            send_plainly(sender, source.at, "by hand", 7);
            CHECK_IS(take_by_hand(&source), 7);
        }
        close(sender);
        close_source(&source);
    }
}

static void what_the_bounds_refuse_is_counted_and_lost(void)
{
    enum { MOST = 10, SENT = 40 };
    for (int is_peer = 0; is_peer < 2; is_peer++) {
        struct source source = open_source(is_peer);
        int sender = open_socket(AF_INET);
        rq_t *q = open_queue(3, RQ_RW, RQ(.buffers_max = MOST));
        int64_t id = feed(q, "a", FEED(.key = RQ_BY_RANGE, .length = 4), &source);
        for (uint32_t i = 0; i < SENT; i++) send_plainly(sender, source.at, &i, sizeof i);
        CHECK_EVENTUALLY(has_fed(q, id, SENT));
        rq_feed_stats_t stats = feed_counts_of(q, id);
        CHECK(stats.received == MOST && stats.refused == SENT - MOST);
        CHECK_IS(stats.received_bytes, MOST * sizeof(uint32_t));
        rq_stats_t all = queue_counts_of(q);
        CHECK(all.received == MOST && all.refused == SENT - MOST && all.buffers == MOST);
        nothing_comes_by_hand(&source);
        CHECK_IS(rq_close(q), 0);
        close(sender);
        close_source(&source);
    }
}

/* Its reactor waits for room that nobody makes any more. */
static void a_handler_whose_queue_is_full_can_be_fed(void)
{
    enum { HELD = 4, SENT = 10 };
    int fd = open_socket(AF_INET), sender = open_socket(AF_INET);
    ph_addr_t at = address_of(fd);
    udph_t *handler = open_handler(fd, CONFIG(.recv_reactors = 1, .recv_queue_items = HELD));
    for (uint32_t i = 0; i < SENT; i++) send_plainly(sender, at, "old", 3);
    CHECK_EVENTUALLY(udph_queued_recved(handler) == HELD && all_others_sleep());
    rq_t *q = open_queue(100, RQ_RW, NULL);
    int64_t id = rq_feed_udph(q, KEY("a"), NULL, handler);
    CHECK(id > 0);
    for (uint32_t i = 0; i < SENT; i++) send_plainly(sender, at, "new", 3);
    CHECK_EVENTUALLY(has_fed(q, id, 2 * SENT - HELD));
    CHECK_IS(rq_close(q), 0);
    close(sender);
    close_handler(handler, HELD);
}

/* Sends with few enough on their way for the smallest buffer. */
static void carry_into(rq_t *q, int64_t id, ph_addr_t to, uint32_t count)
{
    enum { BATCH = 32, ON_THEIR_WAY = 64 };
    peer_t *sender = open_peer(PEER(ON_V4));
    for (uint32_t sent = 0; sent < count; sent += BATCH) {
        CHECK_IS(send_numbers(sender, to, sent, BATCH, 64), BATCH);
        while (!has_fed(q, id, sent + BATCH)
               && feed_counts_of(q, id).received + ON_THEIR_WAY < sent + BATCH)
            CHECK_IS(rq_wait(q, KEY("a"), PATIENCE_MS), 0);
    }
    CHECK_EVENTUALLY(has_fed(q, id, count));
    CHECK_IS(peer_close(sender), 0);
}

static void two_hundred_thousand_datagrams_add_up(void)
{
    enum { COUNT = 200000, HELD = 1000 };
    for (int is_peer = 0; is_peer < 2; is_peer++) {
        struct source source = open_source(is_peer);
        rq_t *q = open_queue(HELD, RQ_RW, NULL);
        int64_t id = feed(q, "a", FEED(.key = RQ_BY_RANGE, .offset = SIZE_MAX), &source);
        carry_into(q, id, source.at, COUNT);
        rq_feed_stats_t stats = feed_counts_of(q, id);
        CHECK(stats.received == COUNT && stats.received_bytes == 64 * COUNT);
        CHECK(stats.refused == 0 && stats.ended == 0);
        rq_stats_t all = queue_counts_of(q);
        CHECK(all.received == COUNT && all.values == HELD && all.discarded == COUNT - HELD);
        struct extract held = extract_one(q, "a", KEY(""));
        CHECK_IS(held.n, HELD);
        for (uint32_t i = 0; i < HELD; i++) {
            uint32_t number;
            memcpy(&number, held.bytes + held.values[i].offset, sizeof number);
            CHECK_IS(number, COUNT - HELD + i);
        }
        free_extract(&held);
        close_source(&source);
        CHECK_IS(rq_close(q), 0);
    }
}

static void several_sources_feed_one_queue(void)
{
    enum { SOURCES = 6 };
    struct source sources[SOURCES];
    int64_t ids[SOURCES];
    int sender = open_socket(AF_INET);
    rq_t *q = open_queue(64, RQ_RW, NULL);
    for (int i = 0; i < SOURCES; i++) {
        sources[i] = open_source(i % 2);
        ids[i] = feed(q, i < 3 ? "a" : "b", NULL, &sources[i]);
        for (int before = 0; before < i; before++) CHECK(ids[before] != ids[i]);
    }
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < SOURCES; i++) send_plainly(sender, sources[i].at, "value", 5);
    for (int i = 0; i < SOURCES; i++) CHECK_EVENTUALLY(has_fed(q, ids[i], 10));
    ph_addr_t from = address_of(sender);
    const char *const groups[] = {"a", "b"};
    for (int i = 0; i < 2; i++) {
        struct extract held = extract_one(q, groups[i], (const uint8_t *)&from, sizeof from);
        CHECK_IS(held.n, 30);
        free_extract(&held);
    }
    CHECK_IS(rq_feed_stop(q, ids[2]), 0);
    for (int i = 0; i < SOURCES; i++) send_plainly(sender, sources[i].at, "value", 5);
    CHECK_IS(take_by_hand(&sources[2]), 5);
    for (int i = 0; i < SOURCES; i++) {
        if (i != 2) CHECK_EVENTUALLY(has_fed(q, ids[i], 11));
        close_source(&sources[i]);
    }
    CHECK_IS(rq_close(q), 0);
    close(sender);
}

/* --- endings in the middle of traffic --- */

struct ending {
    rq_t *q;
    int64_t feed;
    struct source source;
};

static atomic_bool is_over;
static pthread_barrier_t start_line;

static void *send_until_over(void *argument)
{
    const struct ending *ending = argument;
    int sender = open_socket(AF_INET);
    uint8_t payload[64] = {0};
    while (!atomic_load(&is_over))
        for (int i = 0; i < 16; i++)
            send_plainly(sender, ending->source.at, payload, sizeof payload);
    close(sender);
    return NULL;
}

static void *stop_it(void *argument)
{
    const struct ending *ending = argument;
    pthread_barrier_wait(&start_line);
    int32_t result = rq_feed_stop(ending->q, ending->feed);
    CHECK(result == 0 || result == -EBADF || result == -ESHUTDOWN);
    return NULL;
}

static void *close_its_queue(void *argument)
{
    const struct ending *ending = argument;
    pthread_barrier_wait(&start_line);
    CHECK_IS(rq_close(ending->q), 0);
    return NULL;
}

static void *close_its_source(void *argument)
{
    const struct ending *ending = argument;
    pthread_barrier_wait(&start_line);
    close_source(&ending->source);
    return NULL;
}

static void feeds_end_in_any_order_in_the_middle_of_traffic(void)
{
    CHECK_IS(pthread_barrier_init(&start_line, NULL, 4), 0);
    for (int round = 0; round < 20; round++) {
        struct ending ending = {.q = open_queue(8, (uint32_t)round % 3, NULL),
                                .source = open_source(round % 2)};
        ending.feed = feed(ending.q, "a", NULL, &ending.source);
        atomic_store(&is_over, false);
        pthread_t sender = start(send_until_over, &ending);
        CHECK_EVENTUALLY(feed_counts_of(ending.q, ending.feed).received > 10);
        const pthread_t threads[] = {start(stop_it, &ending), start(close_its_queue, &ending),
                                     start(close_its_source, &ending)};
        pthread_barrier_wait(&start_line);
        for (size_t i = 0; i < LENGTH(threads); i++) join(threads[i]);
        atomic_store(&is_over, true);
        join(sender);
        every_queue_call_refuses(ending.q);
    }
}

/* --- arguments --- */

static void feeding_says(rq_t *q, const char *group, const rq_feed_config_t *config,
                         const struct source *source, int64_t expected)
{
    CHECK_IS(try_to_feed(q, group, config, source), expected);
}

static void refuses_what_cannot_be(struct source source, rq_t *q)
{
    struct {
        rq_feed_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer}, .unknown = {[3] = 1}};
    const size_t sizes[] = {0, 1, sizeof(size_t) - 1, (1 << 16) + 1, SIZE_MAX};
    feeding_says(q, "none", NULL, &source, -ENOENT);
    feeding_says(q, "a", FEED(.key = RQ_BY_RANGE + 1), &source, -EINVAL);
    feeding_says(q, "a", FEED(.key = UINT32_MAX), &source, -EINVAL);
    feeding_says(q, "a", FEED(.key = RQ_BY_RANGE, .offset = 2, .length = SIZE_MAX - 1), &source,
                 -EINVAL);
    feeding_says(q, "a", FEED(.framing = RQ_LINES), &source, -EINVAL);
    feeding_says(q, "a", FEED(.framing = RQ_LINES + 1), &source, -EINVAL);
    feeding_says(q, "a", MISALIGNED(rq_feed_config_t), &source, -EINVAL);
    feeding_says(q, "a", &longer.known, &source, -EINVAL);
    for (size_t i = 0; i < LENGTH(sizes); i++)
        feeding_says(q, "a", &(rq_feed_config_t){.size = sizes[i]}, &source, -EINVAL);
    if (source.peer) CHECK_IS(rq_feed_peer(q, NULL, 1, NULL, source.peer), -EINVAL);
    else CHECK_IS(rq_feed_udph(q, NULL, 1, NULL, source.handler), -EINVAL);
    longer.unknown[3] = 0;
    CHECK_IS(rq_feed_stop(q, feed(q, "a", &longer.known, &source)), 0);
    const rq_feed_config_t shorter = {.size = offsetof(rq_feed_config_t, key), .key = 77};
    CHECK_IS(rq_feed_stop(q, feed(q, "a", &shorter, &source)), 0);
    close_source(&source);
    feeding_says(q, "a", NULL, &source, -EBADF);
}

static void a_feed_that_cannot_be_is_refused(void)
{
    on_handler_and_peer(refuses_what_cannot_be);
}

static void a_source_that_does_not_receive_is_refused(void)
{
    rq_t *q = open_queue(3, RQ_RW, NULL);
    udph_t *handler = open_handler(open_socket(AF_INET), NULL);
    peer_t *peer = new_peer(PEER(ON_V4));
    CHECK_IS(rq_feed_udph(q, KEY("a"), NULL, handler), -EOPNOTSUPP);
    CHECK_IS(rq_feed_peer(q, KEY("a"), NULL, peer), -ENOTCONN);
    CHECK_IS(rq_feed_udph(q, KEY("a"), NULL, NULL), -EBADF);
    CHECK_IS(rq_feed_peer(q, KEY("a"), NULL, NULL), -EBADF);
    CHECK_IS(rq_feed_udph(q, KEY("a"), NULL, (udph_t *)peer), -EBADF);
    CHECK_IS(rq_feed_peer(q, KEY("a"), NULL, (peer_t *)handler), -EBADF);
    CHECK_IS(peer_open(peer), 0);
    int64_t id = rq_feed_peer(q, KEY("a"), NULL, peer);
    CHECK(id > 0);
    CHECK_IS(rq_feed_stop(q, id), 0);
    CHECK_IS(peer_close(peer), 0);
    close_handler(handler, 0);
    CHECK_IS(rq_close(q), 0);
}

static void feeds_that_are_none_are_not_found(void)
{
    rq_t *q = open_queue(3, RQ_RW, NULL), *other = open_queue(3, RQ_RW, NULL);
    struct source source = open_source(false);
    int64_t id = feed(q, "a", NULL, &source);
    const int64_t none[] = {0, -1, 1000000, INT64_MAX, INT64_MIN};
    rq_feed_stats_t stats = {.size = sizeof stats};
    for (size_t i = 0; i < LENGTH(none); i++) {
        CHECK_IS(rq_feed_stats(q, none[i], &stats), -ENOENT);
        CHECK_IS(rq_feed_stop(q, none[i]), -ENOENT);
    }
    CHECK_IS(rq_feed_stats(other, id, &stats), -ENOENT);
    CHECK_IS(rq_feed_stop(other, id), -ENOENT);
    CHECK_IS(rq_feed_stats(q, id, NULL), -EINVAL);
    CHECK_IS(rq_feed_stats(q, id, MISALIGNED(rq_feed_stats_t)), -EINVAL);
    CHECK_IS(rq_feed_stats(q, id, &(rq_feed_stats_t){.size = 0}), -EINVAL);
    CHECK_IS(rq_feed_stats(q, id, &(rq_feed_stats_t){.size = SIZE_MAX}), -EINVAL);
    CHECK_IS(rq_close(other), 0);
    CHECK_IS(rq_close(q), 0);
    close_source(&source);
}

static int be_refused(void *argument)
{
    const struct ending *legacy = argument;
    every_feed_call_refuses(legacy->q);
    every_queue_call_refuses(legacy->q);
    rq_t *q = open_queue(3, RQ_RW, NULL);
    CHECK_IS(try_to_feed(q, "a", NULL, &legacy->source), -EBADF);
    CHECK_IS(rq_close(q), 0);
    return 0;
}

static void a_queue_that_is_none_is_refused_by_every_feed(void)
{
    for (int is_peer = 0; is_peer < 2; is_peer++) {
        struct ending legacy = {.q = open_queue(3, RQ_RW, NULL), .source = open_source(is_peer)};
        int sender = open_socket(AF_INET);
        legacy.feed = feed(legacy.q, "a", NULL, &legacy.source);
        rq_t *const none[] = {NULL, (rq_t *)1, (rq_t *)legacy.source.handler,
                              (rq_t *)legacy.source.peer};
        for (size_t i = 0; i < LENGTH(none); i++) every_feed_call_refuses(none[i]);
        in_a_child(be_refused, &legacy);
        send_plainly(sender, legacy.source.at, "value", 5);
        CHECK_EVENTUALLY(has_fed(legacy.q, legacy.feed, 1));
        CHECK_IS(rq_close(legacy.q), 0);
        every_feed_call_refuses(legacy.q);
        close_source(&legacy.source);
        close(sender);
    }
}

const struct test rq_feed_tests[] = {
    TEST(what_a_handler_or_a_peer_receives_is_held_by_its_sender),
    TEST(what_a_handler_or_a_peer_receives_is_held_by_a_part_of_it),
    TEST(a_feed_that_stops_gives_its_source_back),
    TEST(a_source_that_ends_leaves_the_queue_in_order),
    TEST(a_queue_that_closes_gives_its_sources_back),
    TEST(what_the_bounds_refuse_is_counted_and_lost),
    TEST(a_handler_whose_queue_is_full_can_be_fed),
    TEST(two_hundred_thousand_datagrams_add_up),
    TEST(several_sources_feed_one_queue),
    TEST(feeds_end_in_any_order_in_the_middle_of_traffic),
    TEST(a_feed_that_cannot_be_is_refused),
    TEST(a_source_that_does_not_receive_is_refused),
    TEST(feeds_that_are_none_are_not_found),
    TEST(a_queue_that_is_none_is_refused_by_every_feed),
    END_OF_TESTS,
};
