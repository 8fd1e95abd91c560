/* What a connection takes, keeps, refuses and sends: batches, watermarks, limits. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KIB = 1024 };

static uint64_t waiting_of(const struct end *end)
{
    return connection_counts_of(end).waiting;
}

/* Sends until some bytes wait, as nobody reads. */
static void fill_kernel(struct end *end)
{
    while (send_more(end, KIB) == 0) continue;
    CHECK(waiting_of(end) > 0);
}

/* --- batches --- */

enum { BATCH = 7, BROKEN = 3 };

/* One in the middle is none: the others are served. */
static void serves_the_others(evloop_t *loop)
{
    struct end ends[BATCH];
    int fds[BATCH];
    tcp_message_t messages[BATCH];
    for (int i = 0; i < BATCH; i++) fds[i] = adopt_one_end(&ends[i], loop, NULL);
    CHECK_IS(tcp_abort(loop, ends[BROKEN].id), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BATCH; i++)
            messages[i] = (tcp_message_t){.id = ends[i].id,
                                          .data = pattern_from(ends[i].sent),
                                          .len = (size_t)i * 100 + 1,
                                          .result = 42};
        CHECK_IS(tcp_write(loop, messages, BATCH), BATCH - 1);
        for (int i = 0; i < BATCH; i++) {
            if (i == BROKEN) {
                CHECK_IS(messages[i].result, -EBADF);
                continue;
            }
            CHECK_IS(messages[i].result, 0);
            receive_pattern(fds[i], ends[i].sent, messages[i].len);
            ends[i].sent += messages[i].len;
        }
        if (round == 0) TURN_UNTIL(loop, ends[BROKEN].closed);
        else no_event_comes(loop);
    }
    for (int i = 0; i < BATCH; i++) close(fds[i]);
}

static void a_batch_with_a_broken_connection_reaches_the_others(void)
{
    on_each_backend(serves_the_others);
}

/* The other side has gone, and nobody has been told yet. */
static void a_write_to_who_has_gone_says_so_or_is_told_of(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end ends[BATCH];
    int fds[BATCH];
    tcp_message_t messages[BATCH];
    for (int i = 0; i < BATCH; i++) fds[i] = adopt_one_end(&ends[i], loop, NULL);
    close(fds[BROKEN]);
    for (int i = 0; i < BATCH; i++)
        messages[i] = (tcp_message_t){ends[i].id, pattern_from(0), 10, 42};
    int64_t taken = tcp_write(loop, messages, BATCH);
    for (int i = 0; i < BATCH; i++)
        if (i != BROKEN) {
            CHECK_IS(messages[i].result, 0);
            receive_pattern(fds[i], 0, 10);
        }
    CHECK_IS(taken, messages[BROKEN].result == 0 ? BATCH : BATCH - 1);
    if (messages[BROKEN].result < 0) CHECK_IS(messages[BROKEN].result, -EPIPE);
    TURN_UNTIL(loop, ends[BROKEN].closed);
    CHECK_IS(ends[BROKEN].error, EPIPE);
    for (int i = 0; i < BATCH; i++)
        if (i != BROKEN) close(fds[i]);
    close_loop(loop);
}

/* Several messages of one call to one connection. */
static void keeps_order(evloop_t *loop)
{
    enum { COUNT = 1000 };
    static tcp_message_t messages[COUNT];
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    size_t total = 0;
    for (size_t i = 0; i < COUNT; i++) {
        size_t length = i * 37 % 2000;
        messages[i] = (tcp_message_t){.id = end.id, .data = pattern_from(total), .len = length};
        total += length;
    }
    int64_t at_once = tcp_write(loop, messages, COUNT);
    int64_t nothing_waits = 0;
    for (int i = 0; i < COUNT; i++) {
        CHECK(messages[i].result >= 0);
        nothing_waits += messages[i].result == 0;
        if (i > 0) CHECK(messages[i].result >= messages[i - 1].result || messages[i].result == 0);
    }
    CHECK_IS(at_once, nothing_waits);
    CHECK_IS(waiting_of(&end), messages[COUNT - 1].result);
    receive_from_loop(loop, fd, 0, total);
    CHECK_IS(waiting_of(&end), 0);
    CHECK_IS(connection_counts_of(&end).sent_bytes, total);
    close(fd);
}

static void messages_of_one_call_go_out_in_order(void)
{
    on_each_backend(keeps_order);
}

/* --- packed --- */

/* Heads and data in one piece, at an odd address. */
struct packed {
    uint8_t bytes[1 << 16];
    size_t length;
};

static const uint8_t *pack(struct packed *packed, const tcp_message_t *messages, size_t n)
{
    uint8_t *start = packed->bytes + 1, *next = start;
    for (size_t i = 0; i < n; i++, next += 16) {
        const uint64_t head[2] = {(uint64_t)messages[i].id, messages[i].len};
        memcpy(next, head, sizeof head);
    }
    for (size_t i = 0; i < n; next += messages[i++].len)
        memcpy(next, messages[i].data, messages[i].len);
    packed->length = (size_t)(next - start);
    return start;
}

static void sends_packed(evloop_t *loop)
{
    struct end ends[BATCH];
    int fds[BATCH];
    tcp_message_t messages[BATCH];
    struct packed packed;
    for (int i = 0; i < BATCH; i++) fds[i] = adopt_one_end(&ends[i], loop, NULL);
    CHECK_IS(tcp_abort(loop, ends[BROKEN].id), 0);
    for (int round = 0; round < 3; round++) {
        int64_t results[BATCH] = {0};
        for (int i = 0; i < BATCH; i++)
            messages[i] = (tcp_message_t){.id = ends[i].id,
                                          .data = pattern_from(ends[i].sent),
                                          .len = (size_t)(i * 100)};
        const uint8_t *start = pack(&packed, messages, BATCH);
        int64_t *told = round == 1 ? NULL : results;
        CHECK_IS(tcp_write_packed(loop, start, packed.length, BATCH, told), BATCH - 1);
        for (int i = 0; i < BATCH; i++) {
            if (told) CHECK_IS(results[i], i == BROKEN ? -EBADF : 0);
            if (i == BROKEN) continue;
            receive_pattern(fds[i], ends[i].sent, messages[i].len);
            ends[i].sent += messages[i].len;
        }
    }
    for (int i = 0; i < BATCH; i++) close(fds[i]);
}

static void messages_are_sent_in_one_piece_of_memory(void)
{
    on_each_backend(sends_packed);
}

static void what_does_not_add_up_is_not_sent(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    struct packed packed;
    int64_t results[2];
    int fd = adopt_one_end(&end, loop, NULL);
    tcp_message_t messages[2] = {{.id = end.id, .data = pattern_from(0), .len = 10},
                                 {.id = end.id, .data = pattern_from(10), .len = 20}};
    const uint8_t *start = pack(&packed, messages, 2);
    const size_t length = packed.length;
    CHECK_IS(length, 2 * 16 + 30);
    const size_t lengths[] = {0, 1, 16, 31, 32, length - 1, length + 1, SIZE_MAX};
    for (size_t i = 0; i < LENGTH(lengths); i++)
        CHECK_IS(tcp_write_packed(loop, start, lengths[i], 2, results), -EINVAL);
    const size_t counts[] = {0, 1, 3, SIZE_MAX, SIZE_MAX / 16, SIZE_MAX / 16 + 1};
    for (size_t i = 0; i < LENGTH(counts); i++)
        CHECK_IS(tcp_write_packed(loop, start, length, counts[i], NULL), -EINVAL);
    CHECK_IS(tcp_write_packed(loop, NULL, length, 2, results), -EINVAL);
    CHECK_IS(tcp_write_packed(loop, start, length, 2, MISALIGNED(int64_t)), -EINVAL);
    /* Lengths that only add up where the sum overflows. */
    const uint64_t huge[] = {UINT64_MAX, UINT64_MAX - 19, (uint64_t)1 << 63, 31};
    for (size_t i = 0; i < LENGTH(huge); i++) {
        memcpy((uint8_t *)start + 8, &huge[i], sizeof huge[i]);
        CHECK_IS(tcp_write_packed(loop, start, length, 2, results), -EINVAL);
    }
    CHECK(!is_readable(fd));
    start = pack(&packed, messages, 2);
    CHECK_IS(tcp_write_packed(loop, start, length, 2, results), 2);
    receive_pattern(fd, 0, 30);
    close(fd);
    close_loop(loop);
}

/* --- limits --- */

static void an_empty_message_is_taken_and_sends_nothing(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    CHECK_IS(tcp_send(loop, end.id, NULL, 0), 0);
    fill_kernel(&end);
    CHECK_IS(tcp_send(loop, end.id, NULL, 0), waiting_of(&end));
    receive_from_loop(loop, fd, 0, end.sent);
    CHECK(!is_readable(fd));
    close(fd);
    close_loop(loop);
}

/* A message that is refused is not overtaken by a shorter one behind it. */
static void what_follows_a_refused_message_is_refused(void)
{
    enum { LIMIT = 100 * KIB, COUNT = 4 };
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end, other;
    int fd = adopt_one_end(&end, loop, TCP(.limit = LIMIT));
    int rest = adopt_one_end(&other, loop, NULL);
    fill_kernel(&end);
    size_t room = LIMIT - waiting_of(&end);
    tcp_message_t messages[COUNT + 1] = {{end.id, pattern_from(end.sent), 100, 0},
                                         {end.id, pattern_from(end.sent + 100), room, 0},
                                         {end.id, pattern_from(end.sent + 100), 10, 0},
                                         {other.id, pattern_from(0), 10, 0},
                                         {end.id, pattern_from(end.sent + 100), 10, 0}};
    CHECK_IS(tcp_write(loop, messages, COUNT + 1), 1);
    CHECK(messages[0].result > 0);
    CHECK_IS(messages[1].result, -EAGAIN);
    CHECK_IS(messages[2].result, -EAGAIN);
    CHECK_IS(messages[3].result, 0);
    CHECK_IS(messages[4].result, -EAGAIN);
    receive_pattern(rest, 0, 10);
    receive_from_loop(loop, fd, 0, end.sent + 100);
    for (int i = 0; i < 3; i++) turn(loop, 1);
    CHECK(!is_readable(fd));
    CHECK_IS(end.drained, 1);
    close(fd), close(rest);
    close_loop(loop);
}

static void refuses_at_the_limit(evloop_t *loop)
{
    enum { LOW = 10 * KIB, HIGH = 50 * KIB, LIMIT = 100 * KIB };
    struct end end;
    int fd = adopt_one_end(&end, loop, TCP(.low = LOW, .high = HIGH, .limit = LIMIT));
    fill_kernel(&end);
    int64_t result;
    while ((result = send_more(&end, KIB)) > 0) {
        CHECK_IS(result, waiting_of(&end));
        CHECK(result <= LIMIT);
    }
    CHECK_IS(result, -EAGAIN);
    uint64_t waiting = waiting_of(&end), left = LIMIT - waiting;
    CHECK(left < KIB);
    /* Taken whole or not at all. */
    CHECK_IS(send_more(&end, left + 1), -EAGAIN);
    CHECK_IS(waiting_of(&end), waiting);
    if (left > 0) CHECK_IS(send_more(&end, left), LIMIT);
    CHECK_IS(send_more(&end, 1), -EAGAIN);
    CHECK_IS(send_more(&end, LIMIT + 1), -EAGAIN);
    no_event_comes(loop);
    /* It is told once when little waits, and then takes more. */
    receive_from_loop(loop, fd, 0, end.sent - LIMIT);
    TURN_UNTIL(loop, end.drained || waiting_of(&end) > LOW);
    receive_from_loop(loop, fd, end.sent - LIMIT, LIMIT);
    TURN_UNTIL(loop, end.drained);
    CHECK_IS(end.drained, 1);
    CHECK_IS(waiting_of(&end), 0);
    no_event_comes(loop);
    CHECK_IS(send_more(&end, KIB), 0);
    receive_pattern(fd, end.sent - KIB, KIB);
    no_event_comes(loop);
    CHECK_IS(end.drained, 1);
    /* Where nothing waits, there is no other way for a message that is longer than the limit. */
    CHECK(send_more(&end, PATTERN_MAX) > LIMIT);
    CHECK_IS(send_more(&end, 1), -EAGAIN);
    receive_from_loop(loop, fd, end.sent - PATTERN_MAX, PATTERN_MAX);
    close(fd);
}

static void what_waits_has_a_limit(void)
{
    on_each_backend(refuses_at_the_limit);
}

static void a_peer_that_never_reads_costs_no_more_than_the_limit(void)
{
    enum { PEERS = 10, LIMIT = 1 << 20, ROUNDS = 2000 };
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end ends[PEERS];
    int fds[PEERS];
    for (int i = 0; i < PEERS; i++) {
        fds[i] = adopt_one_end(&ends[i], loop, TCP(.limit = LIMIT));
        fill_kernel(&ends[i]);
    }
    size_t before = resident_memory();
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < PEERS; i++) {
            int64_t result = send_more(&ends[i], 10 * KIB);
            CHECK(result == -EAGAIN || (result > 0 && result <= LIMIT));
        }
    for (int i = 0; i < PEERS; i++) CHECK(waiting_of(&ends[i]) <= LIMIT);
#ifndef __SANITIZE_ADDRESS__
    CHECK(resident_memory() < before + 3 * PEERS * LIMIT);
#endif
    (void)before;
    for (int i = 0; i < PEERS; i++) {
        CHECK_IS(tcp_abort(loop, ends[i].id), 0);
        TURN_UNTIL(loop, ends[i].closed);
        close(fds[i]);
    }
#ifndef __SANITIZE_ADDRESS__
    CHECK(resident_memory() < before + 2 * LIMIT);
#endif
    close_loop(loop);
}

/* DRAINED comes after the high watermark was passed, not otherwise. */
static void tells_when_little_waits(evloop_t *loop)
{
    enum { LOW = 20 * KIB, HIGH = 60 * KIB };
    struct end end;
    int fd = adopt_one_end(&end, loop, TCP(.low = LOW, .high = HIGH));
    uint64_t received = 0;
    for (uint32_t round = 0; round < 4; round++) {
        bool is_over = round % 2;
        fill_kernel(&end);
        while (waiting_of(&end) <= (is_over ? HIGH : HIGH / 2)) CHECK(send_more(&end, KIB) > 0);
        uint32_t before = end.drained;
        receive_from_loop(loop, fd, received, end.sent - received);
        received = end.sent;
        TURN_UNTIL(loop, end.drained == before + is_over);
        no_event_comes(loop);
    }
    CHECK_IS(end.drained, 2);
    close(fd);
}

static void that_little_waits_is_told_after_much_waited(void)
{
    on_each_backend(tells_when_little_waits);
}

static void watermarks_are_changed_on_the_way(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    fill_kernel(&end);
    CHECK_IS(tcp_set_watermarks(loop, end.id, 0, 1, 10 * KIB), 0);
    while (send_more(&end, KIB) > 0) continue;
    CHECK(waiting_of(&end) > 8 * KIB && waiting_of(&end) <= 10 * KIB);
    CHECK_IS(tcp_set_watermarks(loop, end.id, 0, 1, 20 * KIB), 0);
    CHECK(send_more(&end, 10 * KIB) > 0);
    CHECK_IS(tcp_set_watermarks(loop, end.id, 2, 1, 3), -EINVAL);
    CHECK_IS(tcp_set_watermarks(loop, end.id, 1, 3, 2), -EINVAL);
    receive_from_loop(loop, fd, 0, end.sent);
    TURN_UNTIL(loop, end.drained);
    CHECK_IS(waiting_of(&end), 0);
    close(fd);
    close_loop(loop);
}

/* --- large --- */

/* A hundred megabytes through a limit of one. */
static void carries_large_messages(evloop_t *loop)
{
    enum { LIMIT = 1 << 20, MESSAGE = 1000000, COUNT = 100 };
    struct link link;
    open_link(&link, loop, TCP(.limit = LIMIT), NULL);
    for (int sent = 0; sent < COUNT;) {
        int64_t result = send_more(&link.client, MESSAGE);
        CHECK(result >= 0 || result == -EAGAIN);
        if (result >= 0) {
            sent++;
            continue;
        }
        uint32_t drained = link.client.drained;
        TURN_UNTIL(loop, link.client.drained > drained);
    }
    TURN_UNTIL(loop, link.server.received == (uint64_t)MESSAGE * COUNT);
    close_link(&link);
}

static void a_hundred_megabytes_go_through_a_small_limit(void)
{
#ifdef __SANITIZE_ADDRESS__
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    carries_large_messages(loop);
    close_loop(loop);
#else
    on_each_backend(carries_large_messages);
#endif
}

/* Both sides write without looking; neither may stand still for it. */
static void two_that_write_at_once_do_not_block_each_other(void)
{
    enum { COUNT = 15 };
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct link link;
    open_link(&link, loop, NULL, NULL);
    for (int i = 0; i < COUNT; i++) {
        CHECK(send_more(&link.client, PATTERN_MAX) >= 0);
        CHECK(send_more(&link.server, PATTERN_MAX) >= 0);
    }
    const uint64_t all = (uint64_t)COUNT * PATTERN_MAX;
    TURN_UNTIL(loop, link.client.received == all && link.server.received == all);
    close_link(&link);
    close_loop(loop);
}

/* The memory of a message is the caller's again when the call returns. */
static void a_message_is_copied(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    for (int i = 0; i < 2000; i++) {
        uint8_t *message = malloc(KIB);
        memcpy(message, pattern_from(end.sent), KIB);
        CHECK(tcp_send(loop, end.id, message, KIB) >= 0);
        end.sent += KIB;
        memset(message, 0xee, KIB);
        free(message);
    }
    receive_from_loop(loop, fd, 0, end.sent);
    close(fd);
    close_loop(loop);
}

/* --- the other side ends --- */

/* A reset in the middle of a write: what was taken and not sent is told, and nothing more comes. */
static void is_reset_in_the_middle(evloop_t *loop)
{
    struct host host;
    struct end end;
    open_host(&host, loop, NULL, &end, 1);
    for (int round = 0; round < 10; round++) {
        host.accepted = 0;
        int fd = connect_plainly(host.at);
        TURN_UNTIL(loop, host.accepted);
        for (int i = 0; i < 10; i++) CHECK(send_more(&end, PATTERN_MAX) >= 0);
        receive_from_loop(loop, fd, 0, PATTERN_MAX + 1000 * (size_t)round);
        reset_plainly(fd);
        int64_t result;
        do {
            result = end.closed ? -EBADF : send_more(&end, 1000);
            CHECK(result > 0 || result == -EBADF || result == -ECONNRESET || result == -EPIPE
                  || result == -EAGAIN);
            turn(loop, 0);
        } while (!end.closed);
        CHECK(end.error == ECONNRESET || end.error == EPIPE);
        CHECK(end.unsent > 0 && end.unsent < end.sent - PATTERN_MAX);
        CHECK_IS(end.eof, 0);
        no_event_comes(loop);
    }
    close_host(&host);
}

static void a_reset_in_the_middle_of_a_write_is_told_once(void)
{
    on_each_backend(is_reset_in_the_middle);
}

/* Half a connection is one to write to. */
static void a_peer_that_ended_is_still_written_to(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end end;
    open_host(&host, loop, NULL, &end, 1);
    int fd = connect_plainly(host.at);
    CHECK_IS(shutdown(fd, SHUT_WR), 0);
    TURN_UNTIL(loop, host.accepted && end.eof);
    for (int i = 0; i < 4; i++) CHECK(send_more(&end, PATTERN_MAX) >= 0);
    receive_from_loop(loop, fd, 0, 4 * PATTERN_MAX);
    CHECK_IS(end.eof, 1);
    CHECK_IS(tcp_close(loop, end.id), 0);
    TURN_UNTIL(loop, end.closed);
    CHECK_IS(end.error, 0);
    CHECK_EVENTUALLY(is_at_end(fd));
    close(fd);
    close_host(&host);
    close_loop(loop);
}

/* A loop with a connection that ended its half is not kept busy by it. */
static void an_end_is_told_once_and_keeps_nobody_busy(void)
{
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        evloop_t *loop = open_loop(backend);
        struct end ends[2];
        int fds[2] = {adopt_one_end(&ends[0], loop, NULL),
                      adopt_one_end(&ends[1], loop, TCP(.reading = TCP_READ_OFF))};
        for (int i = 0; i < 2; i++) CHECK_IS(shutdown(fds[i], SHUT_WR), 0);
        TURN_UNTIL(loop, ends[0].eof);
        uint64_t before = loop_counts_of(loop).iterations;
        int64_t begun = now_ns();
        while (now_ns() - begun < 50 * MILLISECOND) turn(loop, 10);
        CHECK(loop_counts_of(loop).iterations - before < 50);
        CHECK_IS(ends[0].eof, 1);
        close(fds[0]), close(fds[1]);
        CHECK_IS(evloop_close(loop), 0);
    }
}

const struct test tcp_send_tests[] = {
    TEST(a_batch_with_a_broken_connection_reaches_the_others),
    TEST(a_write_to_who_has_gone_says_so_or_is_told_of),
    TEST(messages_of_one_call_go_out_in_order),
    TEST(messages_are_sent_in_one_piece_of_memory),
    TEST(what_does_not_add_up_is_not_sent),
    TEST(an_empty_message_is_taken_and_sends_nothing),
    TEST(what_follows_a_refused_message_is_refused),
    TEST(what_waits_has_a_limit),
    TEST(a_peer_that_never_reads_costs_no_more_than_the_limit),
    TEST(that_little_waits_is_told_after_much_waited),
    TEST(watermarks_are_changed_on_the_way),
    TEST(a_hundred_megabytes_go_through_a_small_limit),
    TEST(two_that_write_at_once_do_not_block_each_other),
    TEST(a_message_is_copied),
    TEST(a_reset_in_the_middle_of_a_write_is_told_once),
    TEST(a_peer_that_ended_is_still_written_to),
    TEST(an_end_is_told_once_and_keeps_nobody_busy),
    END_OF_TESTS,
};
