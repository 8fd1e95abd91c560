/* Connections: carrying bytes both ways, at the caller's pace and to its callbacks. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* --- carrying --- */

static void carries_both_ways(evloop_t *loop)
{
    struct link link;
    open_link(&link, loop, NULL, NULL);
    CHECK_IS(link.client.connected, 1);
    CHECK_IS(link.host.accepted, 1);
    const size_t sizes[] = {1, 100, 1460, 65536, 65537, 1000000};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        carry_over(&link.client, &link.server, sizes[i]);
        carry_over(&link.server, &link.client, sizes[i]);
    }
    no_event_comes(loop);
    evloop_stats_t stats = loop_counts_of(loop);
    CHECK_IS(stats.listeners, 1);
    CHECK_IS(stats.connections, 2);
    CHECK_IS(stats.accepted, 1);
    CHECK_IS(stats.connected, 1);
    CHECK_IS(stats.closed, 0);
    CHECK_IS(stats.received_bytes, link.client.received + link.server.received);
    CHECK_IS(stats.sent_bytes, stats.received_bytes);
    tcp_stats_t client = connection_counts_of(&link.client);
    CHECK_IS(client.received_bytes, link.client.received);
    CHECK_IS(client.sent_bytes, link.client.sent);
    CHECK_IS(client.waiting, 0);
    close_link(&link);
    no_event_comes(loop);
    stats = loop_counts_of(loop);
    CHECK_IS(stats.listeners + stats.connections, 0);
    CHECK_IS(stats.closed, 2);
    CHECK_IS(stats.unsent_bytes, 0);
    CHECK_IS(link.client.closed + link.server.closed, 2);
}

static void a_connection_carries_bytes_both_ways(void)
{
    on_each_backend(carries_both_ways);
}

static void is_between_two_loops(evloop_t *loop)
{
    evloop_t *other = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end client, server;
    open_host(&host, loop, NULL, &server, 1);
    begin_connecting(&client, other, "127.0.0.1", host.service, NULL);
    TURN_UNTIL(other, client.connected);
    TURN_UNTIL(loop, host.accepted);
    carry_over(&client, &server, 100000);
    carry_over(&server, &client, 100000);
    CHECK_IS(tcp_close(other, client.id), 0);
    TURN_UNTIL(other, client.closed);
    TURN_UNTIL(loop, server.eof);
    CHECK_IS(tcp_close(loop, server.id), 0);
    TURN_UNTIL(loop, server.closed);
    CHECK_IS(server.error, 0);
    close_host(&host);
    close_loop(other);
}

static void a_connection_is_between_two_loops(void)
{
    on_each_backend(is_between_two_loops);
}

/* Data lie one behind the other, in the order of the events, and none is lost for want of room. */
static void fits_any_room(evloop_t *loop)
{
    const struct {
        size_t n, cap;
    } rooms[] = {{1, 1}, {64, 1}, {1, 7}, {3, 100}, {64, 1000}};
    struct link link;
    open_link(&link, loop, NULL, NULL);
    for (size_t i = 0; i < LENGTH(rooms); i++) {
        evloop_event_t events[64];
        uint8_t buffer[1000];
        size_t length = rooms[i].cap * 50;
        CHECK(send_more(&link.client, length) >= 0);
        for (uint64_t end = link.server.received + length; link.server.received < end;) {
            int64_t n = evloop_poll(loop, events, rooms[i].n, buffer, rooms[i].cap,
                                    LOOP_PATIENCE_MS);
            const uint8_t *next = buffer;
            CHECK(n > 0 && n <= (int64_t)rooms[i].n);
            for (int64_t at = 0; at < n; at++) {
                CHECK_IS(events[at].kind, TCP_DATA);
                CHECK(events[at].user == &link.server);
                CHECK(events[at].data == next);
                CHECK(memcmp(next, pattern_from(link.server.received), events[at].len) == 0);
                next += events[at].len;
                link.server.received += events[at].len;
            }
            CHECK(next > buffer && next <= buffer + rooms[i].cap);
        }
        no_event_comes(loop);
    }
    close_link(&link);
}

static void data_come_in_whatever_room_there_is(void)
{
    on_each_backend(fits_any_room);
}

static void an_event_has_at_most_as_many_bytes_as_asked_for(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct link link;
    open_link(&link, loop, NULL, TCP(.recv_size = 100));
    CHECK(send_more(&link.client, 10000) >= 0);
    while (link.server.received < 10000) {
        evloop_event_t event = next_of_kind(loop, TCP_DATA);
        CHECK(event.len > 0 && event.len <= 100);
        link.server.received += event.len;
    }
    close_link(&link);
    close_loop(loop);
}

/* What is taken before the connection is there goes out when it is. */
static void sends_what_was_taken_before(evloop_t *loop)
{
    struct host host;
    struct end client, server;
    open_host(&host, loop, NULL, &server, 1);
    begin_connecting(&client, loop, "127.0.0.1", host.service, NULL);
    CHECK_IS(send_more(&client, 50000), 50000);
    CHECK_IS(send_more(&client, 50000), 100000);
    CHECK_IS(tcp_close(loop, client.id), 0);
    TURN_UNTIL(loop, client.closed && server.eof);
    CHECK_IS(client.error, 0);
    CHECK_IS(client.unsent, 0);
    CHECK_IS(server.received, 100000);
    CHECK_IS(tcp_close(loop, server.id), 0);
    TURN_UNTIL(loop, server.closed);
    close_host(&host);
}

static void what_is_written_before_the_connection_is_there_goes_out(void)
{
    on_each_backend(sends_what_was_taken_before);
}

/* --- reading at the caller's pace --- */

static void notices_once_until_read(evloop_t *loop)
{
    struct end end;
    int fd = adopt_one_end(&end, loop, TCP(.reading = TCP_READ_NOTICE));
    no_event_comes(loop);
    CHECK_IS(read_more(&end, 10), -EAGAIN);
    for (uint32_t round = 1; round <= 3; round++) {
        send_pattern(fd, end.received, 100);
        TURN_UNTIL(loop, end.readable == round);
        no_event_comes(loop);
        CHECK_IS(read_more(&end, 30), 30);
        CHECK_IS(read_more(&end, 1000), 70);
        CHECK_IS(read_more(&end, 1000), -EAGAIN);
        no_event_comes(loop);
    }
    send_pattern(fd, end.received, 100);
    TURN_UNTIL(loop, end.readable == 4);
    CHECK_IS(read_more(&end, 30), 30);
    /* What is left is told of anew. */
    TURN_UNTIL(loop, end.readable == 5);
    CHECK_IS(read_more(&end, 70), 70);
    send_pattern(fd, end.received, 10);
    CHECK_IS(shutdown(fd, SHUT_WR), 0);
    TURN_UNTIL(loop, end.readable + end.eof >= 6);
    CHECK_IS(read_more(&end, 100), 10);
    CHECK_IS(read_more(&end, 100), 0);
    CHECK_IS(read_more(&end, 100), 0);
    CHECK_IS(end.chunks, 0);
    CHECK_IS(send_more(&end, 10), 0);
    receive_pattern(fd, 0, 10);
    CHECK_IS(tcp_close(loop, end.id), 0);
    TURN_UNTIL(loop, end.closed);
    CHECK_IS(end.error, 0);
    close(fd);
}

static void a_reader_is_told_once_until_it_reads(void)
{
    on_each_backend(notices_once_until_read);
}

/* The sender is held up as TCP does it: no more than buffers hold gets through. */
static void holds_the_sender_up(evloop_t *loop)
{
    struct link link;
    open_link(&link, loop, TCP(.send_buffer = 16384), TCP(.recv_buffer = 16384));
    CHECK_IS(tcp_set_reading(loop, link.server.id, TCP_READ_OFF), 0);
    for (int i = 0; i < 4; i++) CHECK(send_more(&link.client, PATTERN_MAX) >= 0);
    for (int i = 0; i < 20; i++) turn(loop, 1);
    CHECK_IS(link.server.received, 0);
    CHECK_IS(link.server.chunks + link.server.readable, 0);
    CHECK(connection_counts_of(&link.client).waiting > PATTERN_MAX);
    CHECK_IS(tcp_set_reading(loop, link.server.id, TCP_READ_NOTICE), 0);
    TURN_UNTIL(loop, link.server.readable == 1);
    CHECK(read_more(&link.server, 1000) > 0);
    CHECK_IS(tcp_set_reading(loop, link.server.id, TCP_READ_DATA), 0);
    TURN_UNTIL(loop, link.server.received == 4 * PATTERN_MAX);
    CHECK_IS(tcp_set_reading(loop, link.server.id, 3), -EINVAL);
    CHECK_IS(tcp_set_reading(loop, link.server.id, UINT32_MAX), -EINVAL);
    close_link(&link);
}

static void a_reader_that_stops_holds_the_sender_up(void)
{
    on_each_backend(holds_the_sender_up);
}

/* --- adopting --- */

static void adopts(evloop_t *loop)
{
    ph_addr_t at;
    int listener = listen_plainly(1, &at);
    int one = connect_plainly(at), two = accept_plainly(listener);
    int flags = fcntl(one, F_GETFL);
    struct end end = {.loop = loop};
    end.id = tcp_adopt(loop, one, NULL, &end);
    CHECK(end.id > 0);
    CHECK(tcp_socket(loop, end.id) != one);
    CHECK_IS(fcntl(one, F_GETFL), flags);
    ph_addr_t remote;
    CHECK_IS(tcp_remote(loop, end.id, &remote), 0);
    CHECK(is_same_address(&remote, &at));
    send_pattern(two, 0, 1000);
    TURN_UNTIL(loop, end.received == 1000);
    CHECK_IS(send_more(&end, 1000), 0);
    receive_pattern(two, 0, 1000);
    /* The caller's stays open, and is good after the loop's has been closed. */
    CHECK_IS(tcp_close(loop, end.id), 0);
    TURN_UNTIL(loop, end.closed);
    CHECK_IS(fcntl(one, F_GETFL), flags);
    close(one);
    CHECK_EVENTUALLY(is_at_end(two));
    close(two);
    close(listener);
}

static void a_connected_socket_is_adopted(void)
{
    on_each_backend(adopts);
}

static void what_is_no_connected_stream_is_not_adopted(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    ph_addr_t at;
    size_t descriptors = count_descriptors();
    int listener = listen_plainly(1, &at), datagrams = open_socket(AF_INET), pipes[2];
    CHECK_IS(pipe(pipes), 0);
    CHECK_IS(tcp_adopt(loop, -1, NULL, NULL), -EBADF);
    CHECK_IS(tcp_adopt(loop, INT32_MAX, NULL, NULL), -EBADF);
    CHECK_IS(tcp_adopt(loop, pipes[0], NULL, NULL), -ENOTSOCK);
    CHECK_IS(tcp_adopt(loop, datagrams, NULL, NULL), -EPROTOTYPE);
    CHECK_IS(tcp_adopt(loop, listener, NULL, NULL), -ENOTCONN);
    close(listener), close(datagrams), close(pipes[0]), close(pipes[1]);
    CHECK_IS(count_descriptors(), descriptors);
    CHECK_IS(loop_counts_of(loop).connections, 0);
    close_loop(loop);
}

/* --- callbacks --- */

/* Two connections; whichever is told of first closes the other. */
struct rivals {
    struct end ends[2];
    int data, closed;
};

static void close_the_other(void *user, const evloop_event_t *event)
{
    struct rivals *rivals = user;
    struct end *other = &rivals->ends[event->user == &rivals->ends[0]];
    CHECK(event->kind == TCP_DATA || event->kind == TCP_CLOSED);
    rivals->data += event->kind == TCP_DATA;
    rivals->closed += event->kind == TCP_CLOSED;
    if (event->kind == TCP_DATA) CHECK_IS(tcp_close(other->loop, other->id), 0);
}

static void hears_no_more_of_the_closed(evloop_t *loop)
{
    struct rivals rivals = {.data = 0};
    int fds[2];
    for (int i = 0; i < 2; i++) fds[i] = adopt_one_end(&rivals.ends[i], loop, NULL);
    for (int i = 0; i < 2; i++) send_pattern(fds[i], 0, 100);
    while (rivals.closed == 0) CHECK(evloop_run_once(loop, close_the_other, &rivals, -1) >= 0);
    CHECK_IS(rivals.data, 1);
    no_event_comes(loop);
    close(fds[0]), close(fds[1]);
}

static void what_a_callback_closes_is_told_of_by_its_close_alone(void)
{
    on_each_backend(hears_no_more_of_the_closed);
}

static void echo(void *user, const evloop_event_t *event)
{
    evloop_t *loop = user;
    if (event->kind == TCP_DATA) CHECK(tcp_send(loop, event->id, event->data, event->len) >= 0);
    if (event->kind == TCP_EOF) CHECK_IS(tcp_close(loop, event->id), 0);
}

static void *run_echo(void *loop)
{
    CHECK_IS(evloop_run(loop, echo, loop), 0);
    return NULL;
}

static void echoes(evloop_t *loop)
{
    int64_t listener = tcp_listen(loop, "127.0.0.1", "0", NULL, NULL);
    ph_addr_t at;
    CHECK_IS(tcp_local(loop, listener, &at), 0);
    pthread_t thread = start(run_echo, loop);
    for (int connection = 0; connection < 10; connection++) {
        int fd = connect_plainly(at);
        for (uint64_t round = 0; round < 20; round++) {
            send_pattern(fd, round * 1000, 1000);
            receive_pattern(fd, round * 1000, 1000);
        }
        CHECK_IS(shutdown(fd, SHUT_WR), 0);
        uint8_t byte;
        CHECK_IS(recv(fd, &byte, 1, 0), 0);
        close(fd);
    }
    CHECK_IS(evloop_shutdown(loop, LOOP_PATIENCE_MS), 0);
    join(thread);
    CHECK_IS(loop_counts_of(loop).accepted, 10);
}

static void a_server_of_callbacks_echoes(void)
{
    on_each_backend(echoes);
}

/* --- the loop's descriptor --- */

static void the_loops_descriptor_tells_of_connections(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end end;
    open_host(&host, loop, NULL, &end, 1);
    int polled = evloop_fd(loop);
    no_event_comes(loop);
    int fd = connect_plainly(host.at);
    CHECK_EVENTUALLY(is_readable(polled));
    TURN_UNTIL(loop, host.accepted);
    no_event_comes(loop);
    for (int round = 0; round < 10; round++) {
        send_pattern(fd, end.received, 100);
        CHECK_EVENTUALLY(is_readable(polled));
        /* Read in part, the rest is still there. */
        evloop_event_t event;
        uint8_t buffer[60];
        CHECK_IS(evloop_poll(loop, &event, 1, buffer, sizeof buffer, 0), 1);
        CHECK_EVENTUALLY(is_readable(polled));
        end.received += event.len;
        TURN_UNTIL(loop, end.received % 100 == 0);
        no_event_comes(loop);
    }
    CHECK_IS(shutdown(fd, SHUT_WR), 0);
    CHECK_EVENTUALLY(is_readable(polled));
    TURN_UNTIL(loop, end.eof);
    no_event_comes(loop);
    reset_plainly(fd);
    CHECK_EVENTUALLY(is_readable(polled));
    TURN_UNTIL(loop, end.closed);
    no_event_comes(loop);
    close_host(&host);
    close_loop(loop);
}

/* How often the descriptor is readable, and the poll that follows finds nothing. */
static int false_alarms(evloop_t *loop)
{
    int count = 0;
    int64_t begun = now_ns();
    while (turn(loop, 0) > 0) continue;
    for (int64_t since = 0; now_ns() - begun < 50 * MILLISECOND; check_is_out_of_time(&since))
        if (is_readable(evloop_fd(loop))) count += turn(loop, 0) == -EAGAIN;
    return count;
}

/* Bytes that are there and not to be read yet, or that cannot be sent yet, are nothing to do. */
static void the_loops_descriptor_is_quiet_while_connections_are_held_back(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end ends[5];
    const tcp_config_t *const configs[5] = {TCP(.read_rate = 100), TCP(.write_rate = 100),
                                            TCP(.reading = TCP_READ_OFF),
                                            TCP(.reading = TCP_READ_NOTICE), NULL};
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = adopt_one_end(&ends[i], loop, configs[i]);
        send_pattern(fds[i], 0, 10000);
        CHECK(send_more(&ends[i], i == 1 ? 10000 : PATTERN_MAX) > 0);
        if (i == 4) CHECK_IS(shutdown(fds[i], SHUT_WR), 0);
    }
    /* Rates let something through every few milliseconds. */
    CHECK(false_alarms(loop) < 25);
    for (int i = 0; i < 5; i++) close(fds[i]);
    CHECK(evloop_close(loop) > 0);
}

const struct test tcp_tests[] = {
    TEST(a_connection_carries_bytes_both_ways),
    TEST(a_connection_is_between_two_loops),
    TEST(data_come_in_whatever_room_there_is),
    TEST(an_event_has_at_most_as_many_bytes_as_asked_for),
    TEST(what_is_written_before_the_connection_is_there_goes_out),
    TEST(a_reader_is_told_once_until_it_reads),
    TEST(a_reader_that_stops_holds_the_sender_up),
    TEST(a_connected_socket_is_adopted),
    TEST(what_is_no_connected_stream_is_not_adopted),
    TEST(what_a_callback_closes_is_told_of_by_its_close_alone),
    TEST(a_server_of_callbacks_echoes),
    TEST(the_loops_descriptor_tells_of_connections),
    TEST(the_loops_descriptor_is_quiet_while_connections_are_held_back),
    END_OF_TESTS,
};
