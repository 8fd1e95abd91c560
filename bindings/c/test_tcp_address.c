/* Where connections go and come from: names, services, families, Unix sockets. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ph_addr_t local_of(evloop_t *loop, int64_t id)
{
    ph_addr_t addr;
    CHECK_IS(tcp_local(loop, id, &addr), 0);
    return addr;
}

static ph_addr_t remote_of(evloop_t *loop, int64_t id)
{
    ph_addr_t addr;
    CHECK_IS(tcp_remote(loop, id, &addr), 0);
    return addr;
}

/* Connects, carries, and closes; gives where it came from, as the accepted one says. */
static ph_addr_t reach(struct host *host, const char *name, const char *service)
{
    struct end client;
    host->accepted = 0;
    begin_connecting(&client, host->loop, name, service, NULL);
    TURN_UNTIL(host->loop, client.connected + client.closed && host->accepted);
    CHECK_IS(client.closed, 0);
    struct end *server = &host->ends[0];
    ph_addr_t from = remote_of(host->loop, server->id);
    carry_over(&client, server, 1000);
    carry_over(server, &client, 1000);
    CHECK_IS(local_of(host->loop, client.id).port, from.port);
    CHECK_IS(tcp_close(host->loop, client.id), 0);
    CHECK_IS(tcp_close(host->loop, server->id), 0);
    TURN_UNTIL(host->loop, client.closed && server->closed);
    return from;
}

/* How connecting ends that is to fail. */
static int32_t fails_with(evloop_t *loop, const char *host, const char *service,
                          const tcp_config_t *config)
{
    struct end end;
    begin_connecting(&end, loop, host, service, config);
    /* Where it is known at once, nothing is taken. */
    int64_t waiting = send_more(&end, 1000);
    TURN_UNTIL(loop, end.closed);
    CHECK_IS(end.connected, 0);
    CHECK(end.error > 0);
    if (waiting < 0) CHECK_IS(waiting, -end.error);
    CHECK_IS(end.unsent, waiting < 0 ? 0 : 1000);
    no_event_comes(loop);
    every_call_with_an_id_refuses(loop, end.id);
    return end.error;
}

/* --- families --- */

static void each_side_knows_the_others_address(void)
{
    const char *const names[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        evloop_t *loop = open_loop(EVLOOP_EPOLL);
        struct host host;
        struct end client, server;
        open_host_on(&host, names[i], loop, NULL, &server, 1);
        begin_connecting(&client, loop, names[i], host.service, NULL);
        TURN_UNTIL(loop, client.connected && host.accepted);
        ph_addr_t at = address_from(names[i], host.at.port);
        ph_addr_t ends[] = {local_of(loop, client.id), remote_of(loop, client.id),
                            local_of(loop, server.id), remote_of(loop, server.id)};
        CHECK(host.at.port > 0);
        CHECK(is_same_address(&host.at, &at));
        CHECK(is_same_address(&ends[1], &at));
        CHECK(is_same_address(&ends[2], &at));
        CHECK(is_same_address(&ends[0], &ends[3]));
        CHECK(ends[0].port > 0 && ends[0].port != at.port);
        CHECK_IS(tcp_local(loop, client.id, NULL), -EINVAL);
        CHECK_IS(tcp_local(loop, client.id, MISALIGNED(ph_addr_t)), -EINVAL);
        CHECK_IS(tcp_remote(loop, client.id, NULL), -EINVAL);
        CHECK_IS(tcp_remote(loop, client.id, MISALIGNED(ph_addr_t)), -EINVAL);
        close_host(&host);
        CHECK_IS(evloop_close(loop), 0);
    }
}

static void no_host_means_all_interfaces_and_both_families(void)
{
    const char *const all[] = {NULL, ""};
    for (size_t i = 0; i < LENGTH(all); i++) {
        evloop_t *loop = open_loop(EVLOOP_EPOLL);
        struct host host;
        struct end end;
        open_host_on(&host, all[i], loop, NULL, &end, 1);
        reach(&host, "127.0.0.1", host.service);
        reach(&host, "127.0.0.2", host.service);
        reach(&host, "::1", host.service);
        reach(&host, "::ffff:127.0.0.1", host.service);
        reach(&host, all[i], host.service);
        close_host(&host);
        close_loop(loop);
    }
}

static void a_v4_mapped_address_reaches_v4(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end end;
    open_host(&host, loop, NULL, &end, 1);
    CHECK_IS(reach(&host, "::ffff:127.0.0.1", host.service).family, 4);
    close_host(&host);
    close_loop(loop);
}

static void v6_only_is_for_v6_alone(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end end;
    open_host_on(&host, "::", loop, TCP(.flags = TCP_V6ONLY), &end, 1);
    CHECK_IS(reach(&host, "::1", host.service).family, 6);
    CHECK_IS(fails_with(loop, "127.0.0.1", host.service, NULL), ECONNREFUSED);
    /* The port of the other family is free. */
    int64_t id = tcp_listen(loop, "0.0.0.0", host.service, NULL, NULL);
    CHECK(id > 0);
    CHECK_IS(evloop_del(loop, id), 0);
    close_host(&host);
    close_loop(loop);
}

/* --- names --- */

static void a_name_is_looked_up(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end end;
    /* Where the name has an address of each family, the one that nobody listens on is no matter. */
    open_host(&host, loop, NULL, &end, 1);
    reach(&host, "localhost", host.service);
    close_host(&host);
    open_host_on(&host, "localhost", loop, NULL, &end, 1);
    reach(&host, "localhost", host.service);
    close_host(&host);
    close_loop(loop);
}

/* A service of TCP that is in the system's list and that any user may serve. */
static int64_t listen_on_a_service(evloop_t *loop, struct host *host, char *name, size_t room)
{
    int64_t id = -ENOENT;
    setservent(1);
    for (struct servent *service; id < 0 && (service = getservent());) {
        int port = (service->s_port & 0xff) << 8 | service->s_port >> 8;
        if (port < 1024 || strcmp(service->s_proto, "tcp") != 0) continue;
        snprintf(name, room, "%s", service->s_name);
        id = tcp_listen(loop, "127.0.0.1", name, NULL, host);
        if (id > 0) CHECK_IS(local_of(loop, id).port, port);
        else CHECK_IS(id, -EADDRINUSE);
    }
    endservent();
    return id;
}

static void a_service_has_a_name(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    struct host host = {.loop = loop, .ends = &end, .room = 1};
    char name[64];
    host.id = listen_on_a_service(loop, &host, name, sizeof name);
    if (host.id == -ENOENT) check_skipped("not found: a TCP service above 1023 in /etc/services");
    reach(&host, "127.0.0.1", name);
    close_host(&host);
    close_loop(loop);
}

static void knows_no_such_name(evloop_t *loop)
{
    /* The system's own rules exclude these: nobody is asked. */
    const char *const names[] = {"a..b", "no:such"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        CHECK_IS(fails_with(loop, names[i], "9", NULL), -PH_ENONAME);
        CHECK_IS(tcp_listen(loop, names[i], "9", NULL, NULL), PH_ENONAME);
    }
    CHECK_IS(fails_with(loop, "127.0.0.1", "no-such-service", NULL), -PH_ENONAME);
    CHECK_IS(tcp_listen(loop, "127.0.0.1", "no-such-service", NULL, NULL), PH_ENONAME);
}

static void an_unknown_name_is_told(void)
{
    on_each_backend(knows_no_such_name);
    CHECK(strcmp(ph_strerror(PH_ENONAME), ph_strerror(PH_ERESOLVE)) != 0);
    CHECK(strstr(ph_strerror(PH_ENONAME), "name or service not known") != NULL);
    CHECK(strstr(ph_strerror(PH_ERESOLVE), "temporary failure in name resolution") != NULL);
}

/* What the resolver says depends on the network, that it answers does not. */
static void a_name_that_cannot_be_is_not_found(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    int32_t error = fails_with(loop, "no-such-host.invalid", "9", TCP(.connect_timeout_ms = 5000));
    CHECK(error == -PH_ENONAME || error == -PH_ERESOLVE || error == ETIMEDOUT);
    close_loop(loop);
}

/* While a name is looked up, the loop goes on, and its end does not wait. */
static void a_lookup_holds_nobody_up(void)
{
    enum { COUNT = 30 };
    struct end ends[COUNT];
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    for (int i = 0; i < COUNT; i++) begin_connecting(&ends[i], loop, "a..b", "9", NULL);
    for (int i = 0; i < COUNT; i += 3) CHECK_IS(tcp_close(loop, ends[i].id), 0);
    for (int i = 1; i < COUNT; i += 3) CHECK_IS(tcp_abort(loop, ends[i].id), 0);
    for (int i = 0; i < COUNT; i++) TURN_UNTIL(loop, ends[i].closed);
    for (int i = 1; i < COUNT; i += 3) CHECK_IS(ends[i].error, ECONNABORTED);
    for (int i = 2; i < COUNT; i += 3) CHECK_IS(ends[i].error, -PH_ENONAME);
    for (int i = 0; i < COUNT; i++) begin_connecting(&ends[i], loop, "a..b", "9", NULL);
    close_loop(loop);
}

/* No host is this host, by either family: what does not listen by the first is passed by. */
static void the_next_address_is_tried_when_one_refuses(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end end;
    const char *const families[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < LENGTH(families); i++) {
        open_host_on(&host, families[i], loop, NULL, &end, 1);
        CHECK_IS(reach(&host, "", host.service).family, i == 0 ? 4 : 6);
        close_host(&host);
        CHECK_IS(fails_with(loop, "", host.service, NULL), ECONNREFUSED);
    }
    close_loop(loop);
}

/* --- nobody there --- */

static void is_refused(evloop_t *loop)
{
    ph_addr_t at;
    close(listen_plainly(1, &at));
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)at.port);
    CHECK_IS(fails_with(loop, "127.0.0.1", service, NULL), ECONNREFUSED);
    CHECK_IS(fails_with(loop, "::1", service, NULL), ECONNREFUSED);
    CHECK_IS(fails_with(loop, "localhost", service, NULL), ECONNREFUSED);
    CHECK_IS(loop_counts_of(loop).connections, 0);
}

static void a_closed_port_refuses(void)
{
    on_each_backend(is_refused);
}

/* A listener that takes nobody in: what comes to it when its backlog is full has no answer. */
struct black_hole {
    int listener, fillers[8];
    char service[8];
};

static struct black_hole open_black_hole_behind(int listener)
{
    struct black_hole hole = {.listener = listener};
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    CHECK_IS(getsockname(listener, (struct sockaddr *)&name, &size), 0);
    for (size_t i = 0; i < LENGTH(hole.fillers); i++) {
        int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
        hole.fillers[i] = socket(name.ss_family, type, 0);
        connect(hole.fillers[i], (struct sockaddr *)&name, size);
    }
    snprintf(hole.service, sizeof hole.service, "%u", (unsigned)address_of(listener).port);
    return hole;
}

static struct black_hole open_black_hole(void)
{
    ph_addr_t at;
    return open_black_hole_behind(listen_plainly(0, &at));
}

/* The same on the loopback of IPv6, or of IPv4, at this port. */
static struct black_hole open_black_hole_at(bool is_v6, uint16_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (is_v6) CHECK_IS(bind(fd, (struct sockaddr *)&v6, sizeof v6), 0);
    else CHECK_IS(bind(fd, (struct sockaddr *)&v4, sizeof v4), 0);
    CHECK_IS(listen(fd, 0), 0);
    return open_black_hole_behind(fd);
}

static void close_black_hole(struct black_hole *hole)
{
    for (size_t i = 0; i < LENGTH(hole->fillers); i++) close(hole->fillers[i]);
    close(hole->listener);
}

static void gives_up_in_time(evloop_t *loop)
{
    enum { TIME_MS = 100 };
    struct black_hole hole = open_black_hole();
    int64_t begun = now_ns();
    int32_t error = fails_with(loop, "127.0.0.1", hole.service, TCP(.connect_timeout_ms = TIME_MS));
    CHECK_IS(error, ETIMEDOUT);
    CHECK(now_ns() - begun >= TIME_MS * MILLISECOND);
    close_black_hole(&hole);
}

/* The next address is tried beside it, after 250 ms (RFC 8305). Which family comes first is the
 * system's choice. */
static void an_address_that_does_not_answer_is_passed_by(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    int64_t longest = 0;
    for (int is_v6 = 0; is_v6 < 2; is_v6++) {
        struct host host;
        struct end end;
        open_host_on(&host, is_v6 ? "::1" : "127.0.0.1", loop, NULL, &end, 1);
        struct black_hole hole = open_black_hole_at(!is_v6, host.at.port);
        int64_t begun = now_ns();
        CHECK_IS(reach(&host, "", host.service).family, is_v6 ? 6 : 4);
        if (now_ns() - begun > longest) longest = now_ns() - begun;
        close_black_hole(&hole);
        close_host(&host);
    }
    CHECK(longest >= 250 * MILLISECOND);
    close_loop(loop);
}

static void no_answer_ends_with_the_time(void)
{
    on_each_backend(gives_up_in_time);
}

/* What only a connection has is not to be had of an attempt. */
static void an_attempt_is_no_connection_yet(void)
{
    struct black_hole hole = open_black_hole();
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    ph_addr_t addr;
    uint8_t byte;
    begin_connecting(&end, loop, "127.0.0.1", hole.service, NULL);
    CHECK_IS(tcp_read(loop, end.id, &byte, 1), -ENOTCONN);
    CHECK_IS(tcp_local(loop, end.id, &addr), -ENOTCONN);
    CHECK_IS(tcp_remote(loop, end.id, &addr), -ENOTCONN);
    CHECK_IS(tcp_socket(loop, end.id), -ENOTCONN);
    CHECK_IS(tcp_set_reading(loop, end.id, TCP_READ_NOTICE), 0);
    CHECK_IS(tcp_set_rate(loop, end.id, 1000, 1000), 0);
    CHECK_IS(tcp_set_timeouts(loop, end.id, 1000, 1000), 0);
    CHECK_IS(tcp_set_watermarks(loop, end.id, 1, 2, 3), 0);
    CHECK_IS(send_more(&end, 10), 10);
    CHECK_IS(send_more(&end, 1), -EAGAIN);
    CHECK_IS(tcp_shutdown_write(loop, end.id), 0);
    CHECK_IS(send_more(&end, 1), -EPIPE);
    no_event_comes(loop);
    CHECK_IS(evloop_close(loop), 10);
    close_black_hole(&hole);
}

static void an_attempt_is_closed_and_aborted(void)
{
    struct black_hole hole = open_black_hole();
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end ends[3];
    for (int i = 0; i < 3; i++)
        begin_connecting(&ends[i], loop, "127.0.0.1", hole.service, TCP(.connect_timeout_ms = 300));
    CHECK_IS(send_more(&ends[1], 100), 100);
    for (int i = 0; i < 3; i++) turn(loop, 1);
    CHECK_IS(tcp_close(loop, ends[0].id), 0);
    CHECK_IS(tcp_close(loop, ends[1].id), 0);
    CHECK_IS(tcp_abort(loop, ends[2].id), 0);
    TURN_UNTIL(loop, ends[0].closed && ends[1].closed && ends[2].closed);
    CHECK_IS(ends[1].error, ETIMEDOUT);
    CHECK_IS(ends[1].unsent, 100);
    CHECK_IS(ends[2].error, ECONNABORTED);
    for (int i = 0; i < 3; i++) CHECK_IS(ends[i].connected, 0);
    no_event_comes(loop);
    close_loop(loop);
    close_black_hole(&hole);
}

/* --- Unix sockets --- */

static void reach_unix(evloop_t *loop, const char *name)
{
    struct end client, server;
    struct host host = {.loop = loop, .ends = &server, .room = 1};
    host.id = tcp_listen(loop, name, NULL, NULL, &host);
    CHECK(host.id > 0);
    CHECK_IS(local_of(loop, host.id).family, 0);
    CHECK_IS(tcp_listen(loop, name, "ignored", NULL, NULL), -EADDRINUSE);
    begin_connecting(&client, loop, name, NULL, NULL);
    TURN_UNTIL(loop, client.connected && host.accepted);
    const int64_t ids[] = {client.id, server.id};
    for (int i = 0; i < 2; i++) {
        CHECK_IS(local_of(loop, ids[i]).family, 0);
        CHECK_IS(remote_of(loop, ids[i]).family, 0);
    }
    carry_over(&client, &server, 1000000);
    carry_over(&server, &client, 1000000);
    CHECK_IS(tcp_close(loop, client.id), 0);
    TURN_UNTIL(loop, client.closed && server.eof);
    CHECK_IS(tcp_close(loop, server.id), 0);
    TURN_UNTIL(loop, server.closed);
    close_host(&host);
}

static void reaches_by_unix(evloop_t *loop)
{
    char folder[] = "/tmp/pyhelpers-XXXXXX", path[64], name[80], abstract[80];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(name, sizeof name, "unix:%s", path);
    snprintf(abstract, sizeof abstract, "unix:@%s", path);
    CHECK_IS(fails_with(loop, name, NULL, NULL), ENOENT);
    reach_unix(loop, name);
    unlink(path);
    CHECK_IS(fails_with(loop, abstract, NULL, NULL), ECONNREFUSED);
    reach_unix(loop, abstract);
    /* Nothing stays of an abstract one. */
    reach_unix(loop, abstract);
    CHECK_IS(access(path, F_OK), -1);
    CHECK_IS(rmdir(folder), 0);
}

static void unix_sockets_have_paths_or_abstract_names(void)
{
    on_each_backend(reaches_by_unix);
}

static void a_unix_path_that_cannot_be_is_refused(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    char longer[200] = "unix:/tmp/", abstract[200] = "unix:@";
    memset(longer + 10, 'x', sizeof longer - 11);
    memset(abstract + 6, 'x', sizeof abstract - 7);
    const char *const bad[] = {longer, abstract, "unix:"};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        CHECK_IS(tcp_listen(loop, bad[i], NULL, NULL, NULL), -EINVAL);
        CHECK_IS(tcp_connect(loop, bad[i], NULL, NULL, NULL), -EINVAL);
    }
    CHECK(tcp_listen(loop, "unix:/no/such/folder/socket", NULL, NULL, NULL) < 0);
    no_event_comes(loop);
    close_loop(loop);
}

/* --- sharing --- */

static void a_taken_address_is_refused(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    open_host(&host, loop, NULL, NULL, 0);
    size_t descriptors = count_descriptors();
    CHECK_IS(tcp_listen(loop, "127.0.0.1", host.service, NULL, NULL), -EADDRINUSE);
    CHECK_IS(tcp_listen(loop, "192.0.2.1", "0", NULL, NULL), -EADDRNOTAVAIL);
    CHECK_IS(count_descriptors(), descriptors);
    CHECK_IS(loop_counts_of(loop).listeners, 1);
    close_host(&host);
    /* No connection of before stands in the way. */
    int64_t id = tcp_listen(loop, "127.0.0.1", host.service, NULL, NULL);
    CHECK(id > 0);
    close_loop(loop);
}

static void an_address_is_shared_where_both_want_it(void)
{
    evloop_t *loops[2];
    struct host hosts[2];
    struct end ends[2][64];
    const tcp_config_t *shared = TCP(.flags = TCP_REUSEPORT);
    for (int i = 0; i < 2; i++) loops[i] = open_loop(EVLOOP_EPOLL);
    open_host(&hosts[0], loops[0], shared, ends[0], 64);
    hosts[1] = (struct host){.loop = loops[1], .ends = ends[1], .room = 64};
    hosts[1].id = tcp_listen(loops[1], "127.0.0.1", hosts[0].service, shared, &hosts[1]);
    CHECK(hosts[1].id > 0);
    int fds[64];
    for (int i = 0; i < 64; i++) fds[i] = connect_plainly(hosts[0].at);
    for (int i = 0; hosts[0].accepted + hosts[1].accepted < 64; i++) {
        CHECK(i < 10000);
        turn(loops[i % 2], 1);
    }
    CHECK(hosts[0].accepted > 0 && hosts[1].accepted > 0);
    for (int i = 0; i < 64; i++) close(fds[i]);
    for (int i = 0; i < 2; i++) close_loop(loops[i]);
}

const struct test tcp_address_tests[] = {
    TEST(each_side_knows_the_others_address),
    TEST(no_host_means_all_interfaces_and_both_families),
    TEST(a_v4_mapped_address_reaches_v4),
    TEST(v6_only_is_for_v6_alone),
    TEST(a_name_is_looked_up),
    TEST(a_service_has_a_name),
    TEST(the_next_address_is_tried_when_one_refuses),
    TEST(an_unknown_name_is_told),
    TEST(a_name_that_cannot_be_is_not_found),
    TEST(a_lookup_holds_nobody_up),
    TEST(a_closed_port_refuses),
    TEST(an_address_that_does_not_answer_is_passed_by),
    TEST(no_answer_ends_with_the_time),
    TEST(an_attempt_is_no_connection_yet),
    TEST(an_attempt_is_closed_and_aborted),
    TEST(unix_sockets_have_paths_or_abstract_names),
    TEST(a_unix_path_that_cannot_be_is_refused),
    TEST(a_taken_address_is_refused),
    TEST(an_address_is_shared_where_both_want_it),
    END_OF_TESTS,
};
