/* Connections of an event loop that put what they receive into a queue by themselves. */
#include "check.h"
#include "loops.h"
#include "process.h"
#include "queues.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* For the idx: all in one buffer. */
#define TOGETHER .key = RQ_BY_RANGE

/* A connection that feeds, and the socket on its other side. */
struct stream {
    rq_t *q;
    struct end end;
    int other;
    int64_t feed;
};

static void open_stream(struct stream *stream, evloop_t *loop, const rq_feed_config_t *config)
{
    *stream = (struct stream){.q = open_queue(1000, RQ_RW, NULL)};
    stream->other = adopt_one_end(&stream->end, loop, NULL);
    stream->feed = rq_feed_tcp(stream->q, KEY("a"), config, loop, stream->end.id);
    CHECK(stream->feed > 0);
}

static void close_stream(struct stream *stream)
{
    close(stream->other);
    TURN_UNTIL(stream->end.loop, stream->end.eof || stream->end.closed);
    if (!stream->end.closed) CHECK_IS(tcp_close(stream->end.loop, stream->end.id), 0);
    TURN_UNTIL(stream->end.loop, stream->end.closed);
    CHECK_IS(rq_close(stream->q), 0);
}

/* Whether the loop has read all that was sent. */
static bool is_read(const struct stream *stream)
{
    int waiting = -1;
    CHECK_IS(ioctl(tcp_socket(stream->end.loop, stream->end.id), FIONREAD, &waiting), 0);
    return waiting == 0;
}

static void send_bytes(struct stream *stream, const void *data, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t n = send(stream->other, (const uint8_t *)data + sent, length - sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) CHECK_IS(errno, EAGAIN);
        else sent += (size_t)n;
        TURN_UNTIL(stream->end.loop, is_read(stream));
    }
}

static void send_words(struct stream *stream, const char *text)
{
    send_bytes(stream, text, strlen(text));
}

/* --- pieces --- */

static void every_piece_that_is_read_is_a_value(void)
{
    enum { LENGTH_IN_ALL = 300000 };
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct stream stream;
    open_stream(&stream, loop, NULL);
    send_bytes(&stream, pattern_from(0), LENGTH_IN_ALL);
    CHECK_IS(stream.end.received, 0);
    /* A Unix socket has no address. */
    const ph_addr_t nowhere = {.family = 0};
    struct extract held = extract_one(stream.q, "a", (const uint8_t *)&nowhere, sizeof nowhere);
    size_t length = 0;
    for (size_t i = 0; i < held.n; i++) {
        CHECK(held.values[i].len > 0);
        CHECK(memcmp(held.bytes + held.values[i].offset, pattern_from(length), held.values[i].len)
              == 0);
        length += held.values[i].len;
    }
    CHECK_IS(length, LENGTH_IN_ALL);
    rq_feed_stats_t stats = feed_counts_of(stream.q, stream.feed);
    CHECK(stats.received == held.n && stats.received_bytes == length && stats.refused == 0);
    CHECK_IS(queue_counts_of(stream.q).buffers, 1);
    free_extract(&held);
    close_stream(&stream);
    close_loop(loop);
}

static void a_tcp_connection_feeds_by_its_address(void)
{
    enum { CLIENTS = 3 };
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    rq_t *q = open_queue(64, RQ_RW, NULL);
    struct host host;
    struct end ends[CLIENTS];
    int clients[CLIENTS];
    int64_t feeds[CLIENTS];
    open_host(&host, loop, NULL, ends, CLIENTS);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = connect_plainly(host.at);
        TURN_UNTIL(loop, host.accepted == i + 1);
        feeds[i] = rq_feed_tcp(q, KEY("b"), FEED(.framing = RQ_LINES), loop, ends[i].id);
        CHECK(feeds[i] > 0);
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        char line[16];
        int length = snprintf(line, sizeof line, "%u\n", (unsigned)i);
        CHECK_IS(send(clients[i], line, (size_t)length, MSG_NOSIGNAL), length);
    }
    for (uint32_t i = 0; i < CLIENTS; i++) TURN_UNTIL(loop, has_fed(q, feeds[i], 1));
    CHECK_IS(rq_wait(q, KEY("b"), 0), 0);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        ph_addr_t from = address_of(clients[i]), remote;
        CHECK_IS(tcp_remote(loop, ends[i].id, &remote), 0);
        CHECK(memcmp(&from, &remote, sizeof from) == 0);
        struct extract held = extract_one(q, "b", (const uint8_t *)&from, sizeof from);
        CHECK_IS(held.n, 1);
        CHECK_IS(held.values[0].len, 1);
        CHECK_IS(held.bytes[held.values[0].offset], '0' + i);
        free_extract(&held);
        close(clients[i]);
        TURN_UNTIL(loop, ends[i].eof);
    }
    close_loop(loop);
    for (uint32_t i = 0; i < CLIENTS; i++) CHECK_EVENTUALLY(feed_counts_of(q, feeds[i]).ended);
    CHECK_IS(rq_close(q), 0);
}

/* --- lines --- */

static void lines_are_values_however_they_are_split(void)
{
    static const char TEXT[] = "one\ntwo\n\nfour\r\n\nsix and more\nrest";
    static const char VALUES[] = "one,two,,four\r,,six and more";
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    for (size_t piece = 1; piece <= sizeof TEXT - 1; piece++) {
        struct stream stream;
        open_stream(&stream, loop, FEED(.framing = RQ_LINES, TOGETHER));
        for (size_t at = 0; at < sizeof TEXT - 1; at += piece) {
            size_t left = sizeof TEXT - 1 - at;
            send_bytes(&stream, TEXT + at, left < piece ? left : piece);
        }
        CHECK(holds(stream.q, "a", "", VALUES));
        CHECK(has_fed(stream.q, stream.feed, 6));
        CHECK_IS(shutdown(stream.other, SHUT_WR), 0);
        TURN_UNTIL(loop, stream.end.eof == 1);
        CHECK(has_fed(stream.q, stream.feed, 7));
        struct extract held = extract_one(stream.q, "a", KEY(""));
        CHECK_IS(held.n, 7);
        CHECK_IS(held.values[6].len, 4);
        CHECK(memcmp(held.bytes + held.values[6].offset, "rest", 4) == 0);
        free_extract(&held);
        CHECK_IS(stream.end.chunks, 0);
        close_stream(&stream);
    }
    close_loop(loop);
}

static void no_line_is_made_up_at_the_end(void)
{
    const char *const texts[] = {"", "one\n", "one\n\n"};
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    for (uint64_t lines = 0; lines < LENGTH(texts); lines++) {
        struct stream stream;
        open_stream(&stream, loop, FEED(.framing = RQ_LINES, TOGETHER));
        send_words(&stream, texts[lines]);
        CHECK_IS(shutdown(stream.other, SHUT_WR), 0);
        TURN_UNTIL(loop, stream.end.eof == 1);
        CHECK(has_fed(stream.q, stream.feed, lines));
        close_stream(&stream);
    }
    close_loop(loop);
}

/* Whoever reads by hand may be the one to find the end. */
static void the_last_line_is_a_value_however_the_end_is_found(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct stream stream;
    uint8_t byte;
    open_stream(&stream, loop, FEED(.framing = RQ_LINES, TOGETHER));
    send_words(&stream, "one");
    CHECK_IS(tcp_set_reading(loop, stream.end.id, TCP_READ_OFF), 0);
    CHECK_IS(shutdown(stream.other, SHUT_WR), 0);
    CHECK_IS(tcp_read(loop, stream.end.id, &byte, 1), 0);
    CHECK(has_fed(stream.q, stream.feed, 1));
    CHECK_IS(feed_counts_of(stream.q, stream.feed).ended, 1);
    CHECK(holds(stream.q, "a", "", "one"));
    close(stream.other);
    CHECK_IS(tcp_close(loop, stream.end.id), 0);
    TURN_UNTIL(loop, stream.end.closed);
    CHECK_IS(rq_close(stream.q), 0);
    close_loop(loop);
}

static void a_line_that_is_too_long_is_cut(void)
{
    enum { LONGEST = 65536 };
    static const size_t LENGTHS[] = {LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST,
                                     3 * LONGEST + 7};
    static char line[4 * LONGEST];
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    for (size_t i = 0; i < LENGTH(LENGTHS); i++) {
        struct stream stream;
        open_stream(&stream, loop, FEED(.framing = RQ_LINES, .key = RQ_BY_RANGE));
        memcpy(line, pattern_from(0), sizeof line);
        for (size_t at = 0; at < sizeof line; at++) line[at] |= (char)0x80;
        line[LENGTHS[i]] = '\n';
        send_bytes(&stream, line, LENGTHS[i] + 1);
        send_words(&stream, "short\n");
        struct extract held = extract_one(stream.q, "a", KEY(""));
        size_t parts = (LENGTHS[i] + LONGEST - 1) / LONGEST, at = 0;
        CHECK_IS(held.n, parts + 1);
        for (size_t part = 0; part < parts; part++) {
            const rq_value_t *value = &held.values[part];
            CHECK_IS(value->len, part + 1 < parts ? LONGEST : LENGTHS[i] - at);
            CHECK(memcmp(held.bytes + value->offset, line + at, value->len) == 0);
            at += value->len;
        }
        CHECK_IS(held.values[parts].len, 5);
        free_extract(&held);
        close_stream(&stream);
    }
    close_loop(loop);
}

static void a_line_names_its_buffer(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct stream stream;
    open_stream(&stream, loop,
                FEED(.framing = RQ_LINES, .key = RQ_BY_RANGE, .offset = 1, .length = 2));
    send_words(&stream, "<ab> first\n<cd> second\n<ab> third\n<\n\n");
    CHECK(holds(stream.q, "a", "ab", "<ab> first,<ab> third"));
    CHECK(holds(stream.q, "a", "cd", "<cd> second"));
    CHECK(holds(stream.q, "a", "", "<,"));
    close_stream(&stream);
    close_loop(loop);
}

/* --- whoever polls stays inside --- */

static atomic_int polls;

static void *poll_until_it_ends(void *argument)
{
    struct stream *stream = argument;
    while (!stream->end.eof) {
        turn(stream->end.loop, LOOP_PATIENCE_MS);
        atomic_fetch_add(&polls, 1);
    }
    return NULL;
}

static void the_thread_that_polls_is_not_woken_for_what_is_fed(void)
{
    enum { LINES = 1000 };
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct stream stream;
    open_stream(&stream, loop, FEED(.framing = RQ_LINES, TOGETHER));
    no_event_comes(loop);
    pthread_t thread = start(poll_until_it_ends, &stream);
    for (int i = 0; i < LINES; i++) {
        CHECK_IS(send(stream.other, "line\n", 5, MSG_NOSIGNAL), 5);
        if (i % 10 == 0) CHECK_EVENTUALLY(has_fed(stream.q, stream.feed, (uint64_t)i + 1));
    }
    CHECK_EVENTUALLY(has_fed(stream.q, stream.feed, LINES));
    CHECK_IS(atomic_load(&polls), 0);
    CHECK_IS(shutdown(stream.other, SHUT_WR), 0);
    join(thread);
    CHECK_IS(atomic_load(&polls), 1);
    /* What is to be sent goes the other way as ever. */
    CHECK_IS(send_more(&stream.end, 1000), 0);
    receive_pattern(stream.other, 0, 1000);
    close_stream(&stream);
    close_loop(loop);
}

/* --- endings --- */

static void a_connection_that_is_fed_no_more_gives_its_data_to_the_caller(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    for (int ends_with_the_queue = 0; ends_with_the_queue < 2; ends_with_the_queue++) {
        struct stream stream;
        open_stream(&stream, loop, FEED(.framing = RQ_LINES, TOGETHER));
        size_t descriptors = count_descriptors();
        CHECK(rq_fd(stream.q, KEY("b")) >= 0);
        CHECK_IS(rq_feed_tcp(stream.q, KEY("b"), NULL, loop, stream.end.id), -EALREADY);
        send_words(&stream, "one\ntwo");
        CHECK(holds(stream.q, "a", "", "one"));
        if (ends_with_the_queue) {
            CHECK_IS(rq_close(stream.q), 0);
            CHECK_IS(count_descriptors(), descriptors);
        } else {
            CHECK_IS(rq_feed_stop(stream.q, stream.feed), 0);
            CHECK_IS(rq_feed_stop(stream.q, stream.feed), -ENOENT);
            CHECK(holds(stream.q, "a", "", "one,two"));
        }
        send_pattern(stream.other, 0, 5000);
        TURN_UNTIL(loop, stream.end.received == 5000);
        if (ends_with_the_queue) stream.q = open_queue(3, RQ_RW, NULL);
        int64_t again = rq_feed_tcp(stream.q, KEY("a"), FEED(TOGETHER), loop, stream.end.id);
        CHECK(again > 0);
        send_words(&stream, "three");
        CHECK(holds(stream.q, "a", "", ends_with_the_queue ? "three" : "one,two,three"));
        close_stream(&stream);
    }
    close_loop(loop);
}

static void a_connection_or_a_loop_that_ends_leaves_the_queue_in_order(void)
{
    for (int round = 0; round < 3; round++) {
        evloop_t *loop = open_loop(EVLOOP_EPOLL);
        struct stream stream;
        open_stream(&stream, loop, FEED(.framing = RQ_LINES, TOGETHER));
        send_words(&stream, "one\nrest");
        if (round == 0) {
            CHECK_IS(tcp_abort(loop, stream.end.id), 0);
            TURN_UNTIL(loop, stream.end.closed);
            CHECK_IS(stream.end.error, ECONNABORTED);
        }
        if (round == 1) {
            reset_plainly(stream.other);
            TURN_UNTIL(loop, stream.end.closed || stream.end.eof);
        }
        if (round != 1) close(stream.other);
        close_loop(loop);
        CHECK_EVENTUALLY(feed_counts_of(stream.q, stream.feed).ended == 1);
        uint64_t count = feed_counts_of(stream.q, stream.feed).received;
        CHECK(count == 1 || count == 2);
        CHECK(holds(stream.q, "a", "", count == 1 ? "one" : "one,rest"));
        put(stream.q, "b", "i", "value");
        CHECK_IS(rq_feed_stop(stream.q, stream.feed), 0);
        CHECK_IS(rq_close(stream.q), 0);
    }
}

static void lines_that_the_bounds_refuse_are_counted(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int other = adopt_one_end(&end, loop, NULL);
    rq_t *q = open_queue(3, RQ_RW, RQ(.buffers_max = 2));
    int64_t feed = rq_feed_tcp(
        q, KEY("a"), FEED(.framing = RQ_LINES, .key = RQ_BY_RANGE, .length = 1), loop, end.id);
    CHECK_IS(send(other, "a1\nb2\nc3\nd4\na5\n", 15, MSG_NOSIGNAL), 15);
    TURN_UNTIL(loop, has_fed(q, feed, 5));
    rq_feed_stats_t stats = feed_counts_of(q, feed);
    CHECK(stats.received == 3 && stats.received_bytes == 6 && stats.refused == 2);
    CHECK_IS(queue_counts_of(q).refused, 2);
    CHECK(holds(q, "a", "a", "a1,a5"));
    close(other);
    close_loop(loop);
    CHECK_IS(rq_close(q), 0);
}

/* --- arguments --- */

static int be_refused(void *argument)
{
    const struct stream *stream = argument;
    rq_t *q = open_queue(3, RQ_RW, NULL);
    CHECK_IS(rq_feed_tcp(q, KEY("a"), NULL, stream->end.loop, stream->end.id), -EBADF);
    CHECK_IS(rq_feed_tcp(stream->q, KEY("a"), NULL, stream->end.loop, stream->end.id), -EBADF);
    CHECK_IS(rq_close(q), 0);
    return 0;
}

static void a_stream_that_cannot_feed_is_refused(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct stream stream;
    struct host host;
    open_stream(&stream, loop, NULL);
    CHECK_IS(rq_feed_stop(stream.q, stream.feed), 0);
    open_host(&host, loop, NULL, NULL, 0);
    const int64_t none[] = {0, -1, INT64_MAX, INT64_MIN, stream.end.id + 1, host.id,
                            add_timer(loop, 3600 * SECOND, 0, NULL)};
    for (size_t i = 0; i < LENGTH(none); i++)
        CHECK_IS(rq_feed_tcp(stream.q, KEY("a"), NULL, loop, none[i]), -EBADF);
    rq_t *q = stream.q;
    int64_t id = stream.end.id;
    CHECK_IS(rq_feed_tcp(q, KEY("a"), NULL, NULL, id), -EBADF);
    CHECK_IS(rq_feed_tcp(q, KEY("a"), NULL, (evloop_t *)q, id), -EBADF);
    CHECK_IS(rq_feed_tcp((rq_t *)loop, KEY("a"), NULL, loop, id), -EBADF);
    CHECK_IS(rq_feed_tcp(q, KEY("none"), NULL, loop, id), -ENOENT);
    CHECK_IS(rq_feed_tcp(q, NULL, 1, NULL, loop, id), -EINVAL);
    CHECK_IS(rq_feed_tcp(q, KEY("a"), FEED(.framing = RQ_LINES + 1), loop, id), -EINVAL);
    CHECK_IS(rq_feed_tcp(q, KEY("a"), FEED(.key = RQ_BY_RANGE + 1), loop, id), -EINVAL);
    CHECK_IS(rq_feed_tcp(q, KEY("a"), &(rq_feed_config_t){.size = 1}, loop, id), -EINVAL);
    CHECK_IS(rq_feed_tcp(q, KEY("a"), MISALIGNED(rq_feed_config_t), loop, id), -EINVAL);
    in_a_child(be_refused, &stream);
    close_stream(&stream);
    CHECK_IS(evloop_close(loop), 0);
}

const struct test rq_stream_tests[] = {
    TEST(every_piece_that_is_read_is_a_value),
    TEST(a_tcp_connection_feeds_by_its_address),
    TEST(lines_are_values_however_they_are_split),
    TEST(no_line_is_made_up_at_the_end),
    TEST(the_last_line_is_a_value_however_the_end_is_found),
    TEST(a_line_that_is_too_long_is_cut),
    TEST(a_line_names_its_buffer),
    TEST(the_thread_that_polls_is_not_woken_for_what_is_fed),
    TEST(a_connection_that_is_fed_no_more_gives_its_data_to_the_caller),
    TEST(a_connection_or_a_loop_that_ends_leaves_the_queue_in_order),
    TEST(lines_that_the_bounds_refuse_are_counted),
    TEST(a_stream_that_cannot_feed_is_refused),
    END_OF_TESTS,
};
