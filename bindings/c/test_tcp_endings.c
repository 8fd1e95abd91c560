/* How connections end: one way or both, in order or by a reset, with their loop or without. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <unistd.h>

/* --- one by one --- */

static void closes_one_way_then_the_other(evloop_t *loop)
{
    struct link link;
    open_link(&link, loop, NULL, NULL);
    CHECK(send_more(&link.client, 500000) >= 0);
    CHECK_IS(tcp_shutdown_write(loop, link.client.id), 0);
    CHECK_IS(send_more(&link.client, 1), -EPIPE);
    CHECK_IS(tcp_shutdown_write(loop, link.client.id), -EPIPE);
    TURN_UNTIL(loop, link.server.eof);
    CHECK_IS(link.server.received, 500000);
    CHECK_IS(link.server.closed + link.client.closed + link.client.eof, 0);
    carry_over(&link.server, &link.client, 300000);
    no_event_comes(loop);
    /* When both have, nothing is left to be closed. */
    CHECK_IS(tcp_shutdown_write(loop, link.server.id), 0);
    TURN_UNTIL(loop, link.client.closed && link.server.closed);
    CHECK_IS(link.client.eof + link.server.eof, 2);
    close_link(&link);
}

static void each_way_of_a_connection_ends_by_itself(void)
{
    on_each_backend(closes_one_way_then_the_other);
}

/* What waits goes out first, however slowly the other side takes it. */
static void sends_all_before_it_closes(evloop_t *loop)
{
    enum { SIZE = 8 << 20 };
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    for (int i = 0; i < 8; i++) CHECK(send_more(&end, SIZE / 8) >= 0);
    CHECK_IS(tcp_close(loop, end.id), 0);
    receive_from_loop(loop, fd, 0, SIZE / 2);
    CHECK_IS(end.closed, 0);
    receive_from_loop(loop, fd, SIZE / 2, SIZE / 2);
    TURN_UNTIL(loop, end.closed);
    CHECK_IS(end.error, 0);
    CHECK_IS(end.unsent, 0);
    CHECK(is_at_end(fd));
    close(fd);
}

static void a_close_sends_first_what_waits(void)
{
    on_each_backend(sends_all_before_it_closes);
}

static void tells_only_of_the_close(evloop_t *loop)
{
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    CHECK_IS(tcp_close(loop, end.id), 0);
    CHECK_IS(tcp_close(loop, end.id), -EBADF);
    CHECK_IS(send_more(&end, 1), -EBADF);
    (void)!send(fd, "unheard", 7, MSG_NOSIGNAL);
    evloop_event_t event = next_of_kind(loop, TCP_CLOSED);
    CHECK(event.user == &end);
    CHECK_IS(event.id, end.id);
    CHECK_IS(event.error, 0);
    CHECK_IS(event.len, 0);
    no_event_comes(loop);
    every_call_with_an_id_refuses(loop, end.id);
    close(fd);
}

static void after_a_close_only_its_event_comes(void)
{
    on_each_backend(tells_only_of_the_close);
}

static void aborts_with_a_reset(evloop_t *loop)
{
    struct host host;
    struct end end;
    open_host(&host, loop, NULL, &end, 1);
    for (int is_closed_first = 0; is_closed_first < 2; is_closed_first++) {
        host.accepted = 0;
        int fd = connect_plainly(host.at);
        TURN_UNTIL(loop, host.accepted);
        for (int i = 0; i < 12; i++) CHECK(send_more(&end, PATTERN_MAX) >= 0);
        uint64_t waiting = connection_counts_of(&end).waiting;
        CHECK(waiting > 0);
        if (is_closed_first) CHECK_IS(tcp_close(loop, end.id), 0);
        CHECK_IS(tcp_abort(loop, end.id), 0);
        TURN_UNTIL(loop, end.closed);
        CHECK_IS(end.error, ECONNABORTED);
        CHECK(end.unsent > 0 && end.unsent <= waiting);
        ssize_t n;
        uint8_t buffer[4096];
        do n = recv(fd, buffer, sizeof buffer, 0);
        while (n > 0);
        CHECK(n < 0 && errno == ECONNRESET);
        no_event_comes(loop);
        CHECK_IS(tcp_abort(loop, end.id), -EBADF);
        close(fd);
    }
    CHECK(loop_counts_of(loop).unsent_bytes > 0);
    close_host(&host);
}

static void an_abort_resets_the_connection(void)
{
    on_each_backend(aborts_with_a_reset);
}

static void tells_of_a_reset(evloop_t *loop)
{
    struct host host;
    struct end end;
    open_host(&host, loop, NULL, &end, 1);
    for (int is_writing = 0; is_writing < 2; is_writing++) {
        host.accepted = 0;
        int fd = connect_plainly(host.at);
        TURN_UNTIL(loop, host.accepted);
        for (int i = 0; i < 12 * is_writing; i++) CHECK(send_more(&end, PATTERN_MAX) >= 0);
        reset_plainly(fd);
        TURN_UNTIL(loop, end.closed);
        CHECK(end.error == ECONNRESET || (is_writing && end.error == EPIPE));
        CHECK_IS(end.unsent > 0, is_writing);
        no_event_comes(loop);
        every_call_with_an_id_refuses(loop, end.id);
    }
    close_host(&host);
}

static void a_reset_closes_with_what_it_was_and_what_is_lost(void)
{
    on_each_backend(tells_of_a_reset);
}

/* Its id is good until the next poll, and says how it ended. */
static void says_how_it_ended(evloop_t *loop)
{
    ph_addr_t addr;
    uint8_t byte;
    struct end end;
    struct host host;
    open_host(&host, loop, NULL, &end, 1);
    int fd = connect_plainly(host.at);
    TURN_UNTIL(loop, host.accepted);
    reset_plainly(fd);
    TURN_UNTIL(loop, end.closed);
    CHECK_IS(end.error, ECONNRESET);
    CHECK_IS(send_more(&end, 1), -ECONNRESET);
    CHECK_IS(tcp_read(loop, end.id, &byte, 1), -ECONNRESET);
    CHECK_IS(tcp_shutdown_write(loop, end.id), -ECONNRESET);
    CHECK_IS(tcp_set_reading(loop, end.id, TCP_READ_OFF), -ECONNRESET);
    CHECK_IS(tcp_set_rate(loop, end.id, 1, 1), -ECONNRESET);
    CHECK_IS(tcp_set_timeouts(loop, end.id, 1, 1), -ECONNRESET);
    CHECK_IS(tcp_set_watermarks(loop, end.id, 1, 2, 3), -ECONNRESET);
    CHECK_IS(tcp_remote(loop, end.id, &addr), -ENOTCONN);
    CHECK_IS(tcp_socket(loop, end.id), -ENOTCONN);
    CHECK_IS(tcp_abort(loop, end.id), -EBADF);
    no_event_comes(loop);
    every_call_with_an_id_refuses(loop, end.id);
    close_host(&host);
}

static void what_has_ended_says_how_until_the_next_poll(void)
{
    on_each_backend(says_how_it_ended);
}

/* No read would find it out; select(2) cannot tell, either. */
static void a_reset_is_told_to_those_who_do_not_read(void)
{
    const uint32_t backends[] = {EVLOOP_EPOLL, EVLOOP_POLL};
    for (size_t i = 0; i < LENGTH(backends); i++) {
        evloop_t *loop = open_loop(backends[i]);
        struct end end;
        struct host host;
        open_host(&host, loop, TCP(.reading = TCP_READ_OFF), &end, 1);
        int fd = connect_plainly(host.at);
        TURN_UNTIL(loop, host.accepted);
        no_event_comes(loop);
        reset_plainly(fd);
        TURN_UNTIL(loop, end.closed);
        CHECK_IS(end.error, ECONNRESET);
        close_host(&host);
        close_loop(loop);
    }
}

/* What came before it is there to be read, whenever that is. */
static void gives_what_came_before_the_reset(evloop_t *loop)
{
    struct end end;
    struct host host;
    open_host(&host, loop, TCP(.reading = TCP_READ_OFF), &end, 1);
    int fd = connect_plainly(host.at);
    TURN_UNTIL(loop, host.accepted);
    send_pattern(fd, 0, 1000);
    no_event_comes(loop);
    reset_plainly(fd);
    for (int i = 0; i < 3; i++) turn(loop, 1);
    CHECK_IS(end.closed, 0);
    CHECK_IS(tcp_set_reading(loop, end.id, TCP_READ_DATA), 0);
    TURN_UNTIL(loop, end.closed);
    CHECK_IS(end.received, 1000);
    CHECK_IS(end.eof, 0);
    CHECK_IS(end.error, ECONNRESET);
    close_host(&host);
}

static void what_came_before_a_reset_is_read_first(void)
{
    on_each_backend(gives_what_came_before_the_reset);
}

static void gives_all_before_the_end(evloop_t *loop)
{
    struct host host;
    struct end end;
    open_host(&host, loop, NULL, &end, 1);
    for (int round = 0; round < 20; round++) {
        host.accepted = 0;
        int fd = connect_plainly(host.at);
        send_pattern(fd, 0, 100000);
        close(fd);
        TURN_UNTIL(loop, host.accepted && end.eof);
        CHECK_IS(end.received, 100000);
        CHECK_IS(tcp_close(loop, end.id), 0);
        TURN_UNTIL(loop, end.closed);
        CHECK_IS(end.error, 0);
    }
    close_host(&host);
}

static void all_comes_before_the_end(void)
{
    on_each_backend(gives_all_before_the_end);
}

static void a_closed_loop_says_how_much_was_not_sent(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end ends[2];
    int fds[2];
    uint64_t waiting = 0;
    for (int i = 0; i < 2; i++) {
        fds[i] = adopt_one_end(&ends[i], loop, NULL);
        for (int times = 0; times < 3; times++) CHECK(send_more(&ends[i], PATTERN_MAX) >= 0);
        waiting += connection_counts_of(&ends[i]).waiting;
    }
    CHECK(waiting > 2 * PATTERN_MAX);
    CHECK_IS(evloop_close(loop), waiting);
    for (int i = 0; i < 2; i++) {
        uint8_t buffer[4096];
        uint64_t received = 0;
        for (ssize_t n; (n = recv(fds[i], buffer, sizeof buffer, 0)) > 0;) received += (uint64_t)n;
        CHECK(received < ends[i].sent);
        close(fds[i]);
    }
}

/* A listener goes, its connections stay. */
static void keeps_connections_without_their_listener(evloop_t *loop)
{
    struct host host;
    struct end client, server;
    open_host(&host, loop, NULL, &server, 1);
    begin_connecting(&client, loop, "127.0.0.1", host.service, NULL);
    TURN_UNTIL(loop, client.connected && host.accepted);
    close_host(&host);
    every_call_with_an_id_refuses(loop, host.id);
    carry_over(&client, &server, 100000);
    struct end late;
    begin_connecting(&late, loop, "127.0.0.1", host.service, NULL);
    TURN_UNTIL(loop, late.closed);
    CHECK_IS(late.error, ECONNREFUSED);
    CHECK_IS(late.connected, 0);
    CHECK_IS(tcp_close(loop, client.id), 0);
    TURN_UNTIL(loop, client.closed && server.eof);
}

static void connections_outlive_their_listener(void)
{
    on_each_backend(keeps_connections_without_their_listener);
}

/* --- shutting a loop down --- */

static int64_t drain(evloop_t *loop)
{
    int64_t result;
    do result = turn(loop, LOOP_PATIENCE_MS);
    while (result > 0);
    return result;
}

static void sends_all_before_it_ends(evloop_t *loop)
{
    struct host host;
    struct end accepted, adopted;
    open_host(&host, loop, NULL, &accepted, 1);
    int client = connect_plainly(host.at), fd = adopt_one_end(&adopted, loop, NULL);
    TURN_UNTIL(loop, host.accepted);
    CHECK_IS(send_more(&accepted, 1000), 0);
    CHECK(send_more(&adopted, PATTERN_MAX) > 0);
    CHECK_IS(evloop_shutdown(loop, -1), 0);
    CHECK_IS(send_more(&accepted, 1), -EBADF);
    CHECK(tcp_listen(loop, "127.0.0.1", "0", NULL, NULL) < 0);
    CHECK(tcp_connect(loop, "127.0.0.1", host.service, NULL, NULL) < 0);
    every_watch_call_refuses(loop, host.id);
    TURN_UNTIL(loop, accepted.closed);
    CHECK_IS(accepted.error, 0);
    CHECK_IS(adopted.closed, 0);
    receive_from_loop(loop, fd, 0, PATTERN_MAX);
    TURN_UNTIL(loop, adopted.closed);
    CHECK_IS(adopted.error, 0);
    CHECK_IS(adopted.unsent, 0);
    CHECK_IS(drain(loop), -ESHUTDOWN);
    receive_pattern(client, 0, 1000);
    CHECK(is_at_end(client));
    close(client);
    close(fd);
}

static void a_loop_that_is_shut_down_sends_what_waits(void)
{
    on_each_backend(sends_all_before_it_ends);
}

static void ends_when_the_time_is_over(evloop_t *loop)
{
    enum { TIME_MS = 50 };
    struct end stuck;
    int fd = adopt_one_end(&stuck, loop, NULL);
    CHECK(send_more(&stuck, PATTERN_MAX) > 0);
    uint64_t waiting = connection_counts_of(&stuck).waiting;
    int64_t begun = now_ns();
    CHECK_IS(evloop_shutdown(loop, TIME_MS), 0);
    CHECK_IS(drain(loop), -ESHUTDOWN);
    CHECK(now_ns() - begun >= TIME_MS * MILLISECOND);
    CHECK_IS(stuck.closed, 1);
    CHECK_IS(stuck.error, ETIMEDOUT);
    CHECK_IS(stuck.unsent, waiting);
    close(fd);
}

static void a_loop_that_is_shut_down_waits_no_longer_than_allowed(void)
{
    on_each_backend(ends_when_the_time_is_over);
}

static void a_shutdown_without_time_ends_all_at_once(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end stuck[3];
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = adopt_one_end(&stuck[i], loop, NULL);
        if (i > 0) CHECK(send_more(&stuck[i], PATTERN_MAX) > 0);
    }
    CHECK_IS(evloop_shutdown(loop, -1), 0);
    CHECK_IS(evloop_shutdown(loop, 0), 0);
    CHECK_IS(drain(loop), -ESHUTDOWN);
    for (int i = 0; i < 3; i++) {
        CHECK_IS(stuck[i].closed, 1);
        CHECK_IS(stuck[i].unsent > 0, i > 0);
        close(fds[i]);
    }
    close_loop(loop);
}

const struct test tcp_ending_tests[] = {
    TEST(each_way_of_a_connection_ends_by_itself),
    TEST(a_close_sends_first_what_waits),
    TEST(after_a_close_only_its_event_comes),
    TEST(an_abort_resets_the_connection),
    TEST(a_reset_closes_with_what_it_was_and_what_is_lost),
    TEST(what_has_ended_says_how_until_the_next_poll),
    TEST(a_reset_is_told_to_those_who_do_not_read),
    TEST(what_came_before_a_reset_is_read_first),
    TEST(all_comes_before_the_end),
    TEST(a_closed_loop_says_how_much_was_not_sent),
    TEST(connections_outlive_their_listener),
    TEST(a_loop_that_is_shut_down_sends_what_waits),
    TEST(a_loop_that_is_shut_down_waits_no_longer_than_allowed),
    TEST(a_shutdown_without_time_ends_all_at_once),
    END_OF_TESTS,
};
