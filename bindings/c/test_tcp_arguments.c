/* Arguments of the connections' functions that are wrong, and those that are just right. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* Sizes of a structure that its maker never set, or set by accident. */
static const size_t BAD_SIZES[] = {0, 1, sizeof(size_t) - 1, (1 << 16) + 1, SIZE_MAX};

/* --- configurations --- */

/* What all three that take one say to a configuration. */
static void configuring_gives(evloop_t *loop, const tcp_config_t *config, int64_t expected)
{
    int fds[2];
    CHECK_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_IS(tcp_listen(loop, "127.0.0.1", "0", config, NULL), expected);
    CHECK_IS(tcp_connect(loop, "127.0.0.1", "9", config, NULL), expected);
    CHECK_IS(tcp_adopt(loop, fds[0], config, NULL), expected);
    close(fds[0]), close(fds[1]);
}

static void a_connections_configuration_out_of_range_is_refused(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    size_t descriptors = count_descriptors();
    configuring_gives(loop, TCP(.flags = TCP_LINGER << 1), -EINVAL);
    configuring_gives(loop, TCP(.flags = UINT32_MAX), -EINVAL);
    configuring_gives(loop, TCP(.backlog = -1), -EINVAL);
    configuring_gives(loop, TCP(.backlog = INT32_MIN), -EINVAL);
    configuring_gives(loop, TCP(.reading = TCP_READ_OFF + 1), -EINVAL);
    configuring_gives(loop, TCP(.reading = UINT32_MAX), -EINVAL);
    configuring_gives(loop, TCP(.low = 2, .high = 1), -EINVAL);
    configuring_gives(loop, TCP(.low = 1, .high = 3, .limit = 2), -EINVAL);
    configuring_gives(loop, TCP(.keepalive_s = 32768), -EINVAL);
    configuring_gives(loop, TCP(.recv_buffer = UINT32_MAX), -EINVAL);
    configuring_gives(loop, TCP(.send_buffer = (uint32_t)INT32_MAX + 1), -EINVAL);
    configuring_gives(loop, TCP(.reserved = 1), -EINVAL);
    configuring_gives(loop, MISALIGNED(tcp_config_t), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++)
        configuring_gives(loop, &(tcp_config_t){.size = BAD_SIZES[i]}, -EINVAL);
    struct {
        tcp_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer}, .unknown = {[3] = 1}};
    configuring_gives(loop, &longer.known, -EINVAL);
    CHECK_IS(count_descriptors(), descriptors);
    no_event_comes(loop);
    evloop_stats_t stats = loop_counts_of(loop);
    CHECK_IS(stats.listeners + stats.connections, 0);
    close_loop(loop);
}

static void a_connections_configuration_ends_where_its_size_says(void)
{
    tcp_config_t shorter = {.size = offsetof(tcp_config_t, reading)};
    shorter.reading = UINT32_MAX;
    struct {
        tcp_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer, .recv_size = 100}};
    const tcp_config_t *const good[] = {
        &shorter, &longer.known, NULL,
        TCP(.recv_size = UINT32_MAX, .connect_timeout_ms = UINT32_MAX,
            .idle_timeout_ms = UINT32_MAX, .write_timeout_ms = UINT32_MAX,
            .read_rate = UINT64_MAX, .write_rate = UINT64_MAX, .high = UINT32_MAX,
            .limit = UINT32_MAX)};
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    for (size_t i = 0; i < LENGTH(good); i++) {
        struct link link;
        open_link(&link, loop, good[i], good[i]);
        carry_over(&link.client, &link.server, 100000);
        close_link(&link);
    }
    close_loop(loop);
}

static int option_of(evloop_t *loop, int64_t id, int level, int option)
{
    int value;
    socklen_t size = sizeof value;
    int fd = tcp_socket(loop, id);
    CHECK(fd >= 0);
    CHECK_IS(getsockopt(fd, level, option, &value, &size), 0);
    return value;
}

static struct linger linger_of(evloop_t *loop, int64_t id)
{
    struct linger linger;
    socklen_t size = sizeof linger;
    CHECK_IS(getsockopt(tcp_socket(loop, id), SOL_SOCKET, SO_LINGER, &linger, &size), 0);
    return linger;
}

static void the_defaults_of_a_socket_are_those_said(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct link link;
    open_link(&link, loop, NULL, NULL);
    const int64_t ids[] = {link.client.id, link.server.id};
    for (int i = 0; i < 2; i++) {
        CHECK_IS(option_of(loop, ids[i], IPPROTO_TCP, TCP_NODELAY) != 0, 1);
        CHECK_IS(option_of(loop, ids[i], SOL_SOCKET, SO_KEEPALIVE), 0);
        CHECK_IS(linger_of(loop, ids[i]).l_onoff, 0);
    }
    CHECK_IS(option_of(loop, link.host.id, SOL_SOCKET, SO_REUSEADDR), 1);
    CHECK_IS(option_of(loop, link.host.id, SOL_SOCKET, SO_REUSEPORT), 0);
    close_link(&link);
    close_loop(loop);
}

static void settings_reach_the_sockets(void)
{
    const tcp_config_t *config =
        TCP(.flags = TCP_DELAY | TCP_NO_REUSEADDR | TCP_LINGER | TCP_REUSEPORT, .keepalive_s = 77,
            .linger_s = 5, .recv_buffer = 50000, .send_buffer = 60000);
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct link link;
    open_link(&link, loop, config, config);
    const int64_t ids[] = {link.client.id, link.server.id};
    for (int i = 0; i < 2; i++) {
        CHECK_IS(option_of(loop, ids[i], IPPROTO_TCP, TCP_NODELAY), 0);
        CHECK_IS(option_of(loop, ids[i], SOL_SOCKET, SO_KEEPALIVE), 1);
        CHECK_IS(option_of(loop, ids[i], IPPROTO_TCP, TCP_KEEPIDLE), 77);
        CHECK_IS(linger_of(loop, ids[i]).l_onoff, 1);
        CHECK_IS(linger_of(loop, ids[i]).l_linger, 5);
        CHECK_IS(option_of(loop, ids[i], SOL_SOCKET, SO_RCVBUF), 2 * 50000);
        CHECK_IS(option_of(loop, ids[i], SOL_SOCKET, SO_SNDBUF), 2 * 60000);
    }
    CHECK_IS(option_of(loop, link.host.id, SOL_SOCKET, SO_REUSEADDR), 0);
    CHECK_IS(option_of(loop, link.host.id, SOL_SOCKET, SO_REUSEPORT), 1);
    close_link(&link);
    close_loop(loop);
}

/* A linger of 0 s has closing reset the connection. */
static void a_linger_of_no_time_resets(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end end;
    open_host(&host, loop, TCP(.flags = TCP_LINGER), &end, 1);
    int fd = connect_plainly(host.at);
    TURN_UNTIL(loop, host.accepted);
    CHECK_IS(tcp_close(loop, end.id), 0);
    TURN_UNTIL(loop, end.closed);
    uint8_t byte;
    CHECK_IS(recv(fd, &byte, 1, 0), -1);
    CHECK_IS(errno, ECONNRESET);
    close(fd);
    close_host(&host);
    close_loop(loop);
}

/* Accepted ones have the listener's configuration. */
static void what_is_accepted_is_as_its_listener_says(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end ends[2];
    open_host(&host, loop, TCP(.reading = TCP_READ_NOTICE, .limit = 70000), ends, 2);
    for (int i = 0; i < 2; i++) {
        int fd = connect_plainly(host.at);
        TURN_UNTIL(loop, host.accepted == (size_t)i + 1);
        send_pattern(fd, 0, 10);
        TURN_UNTIL(loop, ends[i].readable);
        CHECK_IS(ends[i].chunks, 0);
        CHECK_IS(read_more(&ends[i], 10), 10);
        while (send_more(&ends[i], 1000) >= 0)
            CHECK(connection_counts_of(&ends[i]).waiting <= 70000);
        close(fd);
    }
    CHECK(evloop_close(loop) > 0);
}

/* --- names --- */

static void names_that_cannot_be_are_refused(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    const char *const not_utf8 = "\xff\xfe";
    CHECK_IS(tcp_listen(loop, "127.0.0.1", NULL, NULL, NULL), -EINVAL);
    CHECK_IS(tcp_connect(loop, "127.0.0.1", NULL, NULL, NULL), -EINVAL);
    CHECK_IS(tcp_connect(loop, not_utf8, "9", NULL, NULL), -EINVAL);
    CHECK_IS(tcp_connect(loop, "127.0.0.1", not_utf8, NULL, NULL), -EINVAL);
    CHECK_IS(tcp_listen(loop, not_utf8, "0", NULL, NULL), -EINVAL);
    CHECK_IS(tcp_listen(loop, "127.0.0.1", not_utf8, NULL, NULL), -EINVAL);
    CHECK(tcp_listen(loop, "127.0.0.1", "65536", NULL, NULL) < 0);
    CHECK(tcp_listen(loop, "127.0.0.1", "-1", NULL, NULL) < 0);
    no_event_comes(loop);
    CHECK_IS(loop_counts_of(loop).listeners, 0);
    close_loop(loop);
}

/* --- arrays --- */

static void writing_refuses_arrays_that_cannot_be(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    uint8_t byte = 0;
    tcp_message_t message = {.id = end.id, .data = &byte, .len = 1};
    CHECK_IS(tcp_write(loop, NULL, 1), -EINVAL);
    CHECK_IS(tcp_write(loop, &message, SIZE_MAX), -EINVAL);
    CHECK_IS(tcp_write(loop, &message, SIZE_MAX / sizeof message), -EINVAL);
    CHECK_IS(tcp_write(loop, MISALIGNED(tcp_message_t), 1), -EINVAL);
    CHECK_IS(tcp_send(loop, end.id, NULL, 1), -EINVAL);
    CHECK_IS(tcp_send(loop, end.id, &byte, SIZE_MAX), -EINVAL);
    CHECK(!is_readable(fd));
    message.data = NULL;
    int64_t taken = tcp_write(loop, &message, 1);
    CHECK(taken == -EINVAL || (taken == 0 && message.result == -EINVAL));
    CHECK(!is_readable(fd));
    CHECK_IS(connection_counts_of(&end).sent_bytes, 0);
    close(fd);
    close_loop(loop);
}

static void reading_refuses_arrays_that_cannot_be(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int fd = adopt_one_end(&end, loop, TCP(.reading = TCP_READ_NOTICE));
    uint8_t byte;
    send_pattern(fd, 0, 1);
    CHECK_IS(tcp_read(loop, end.id, NULL, 1), -EINVAL);
    CHECK_IS(tcp_read(loop, end.id, &byte, SIZE_MAX), -EINVAL);
    /* No room is no end of the stream. */
    CHECK_IS(tcp_read(loop, end.id, &byte, 0), -EINVAL);
    CHECK_IS(tcp_read(loop, end.id, &byte, 1), 1);
    close(fd);
    CHECK_IS(evloop_close(loop), 0);
}

static void statistics_of_a_connection_are_written_as_far_as_the_size_says(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    CHECK_IS(send_more(&end, 100), 0);
    CHECK_IS(tcp_stats(loop, end.id, NULL), -EINVAL);
    CHECK_IS(tcp_stats(loop, end.id, MISALIGNED(tcp_stats_t)), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++)
        CHECK_IS(tcp_stats(loop, end.id, &(tcp_stats_t){.size = BAD_SIZES[i]}), -EINVAL);
    struct {
        tcp_stats_t known;
        uint64_t unknown;
    } longer = {.known = {.size = sizeof longer}, .unknown = 1};
    CHECK_IS(tcp_stats(loop, end.id, &longer.known), 0);
    CHECK_IS(longer.known.sent_bytes, 100);
    CHECK_IS(longer.unknown, 0);
    close(fd);
    close_loop(loop);
}

const struct test tcp_argument_tests[] = {
    TEST(a_connections_configuration_out_of_range_is_refused),
    TEST(a_connections_configuration_ends_where_its_size_says),
    TEST(the_defaults_of_a_socket_are_those_said),
    TEST(settings_reach_the_sockets),
    TEST(a_linger_of_no_time_resets),
    TEST(what_is_accepted_is_as_its_listener_says),
    TEST(names_that_cannot_be_are_refused),
    TEST(writing_refuses_arrays_that_cannot_be),
    TEST(reading_refuses_arrays_that_cannot_be),
    TEST(statistics_of_a_connection_are_written_as_far_as_the_size_says),
    END_OF_TESTS,
};
