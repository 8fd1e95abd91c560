/* Connections' bad days: want of descriptors and memory, system calls that fail. */
#include "check.h"
#include "faults.h"
#include "loops.h"
#include "process.h"

#include <errno.h>
#include <unistd.h>

/* --- want of descriptors --- */

/* From now on no descriptor is to be had; gives the limit before. */
static uint64_t use_descriptors_up(void)
{
    int lowest = dup(STDIN_FILENO);
    close(lowest);
    return limit_descriptors((uint64_t)lowest);
}

/* A listener that can accept nobody rests, instead of asking again and again. */
static void rests_and_recovers(evloop_t *loop)
{
    enum { WAITING = 3 };
    struct host host;
    struct end ends[WAITING];
    int fds[WAITING];
    open_host(&host, loop, NULL, ends, WAITING);
    for (int i = 0; i < WAITING; i++) fds[i] = connect_plainly(host.at);
    uint64_t before = use_descriptors_up();
    TURN_UNTIL(loop, host.refused > 0);
    CHECK_IS(host.error, EMFILE);
    CHECK_IS(host.accepted, 0);
    uint32_t refused = host.refused;
    uint64_t iterations = loop_counts_of(loop).iterations;
    int64_t begun = now_ns();
    while (now_ns() - begun < 150 * MILLISECOND) turn(loop, 10);
    int64_t elapsed = now_ns() - begun;
    CHECK(host.refused - refused <= elapsed / (100 * MILLISECOND) + 1);
    CHECK(loop_counts_of(loop).iterations - iterations < 100);
    CHECK_IS(loop_counts_of(loop).accept_errors, host.refused);
    limit_descriptors(before);
    TURN_UNTIL(loop, host.accepted == WAITING);
    for (int i = 0; i < WAITING; i++) {
        send_pattern(fds[i], 0, 100);
        close(fds[i]);
        TURN_UNTIL(loop, ends[i].eof);
        CHECK_IS(ends[i].received, 100);
    }
    close_host(&host);
}

static void a_listener_for_which_descriptors_are_short_rests_and_recovers(void)
{
    on_each_backend(rests_and_recovers);
}

static void is_deleted_while_it_rests(evloop_t *loop)
{
    struct host host;
    open_host(&host, loop, NULL, NULL, 0);
    int fd = connect_plainly(host.at);
    uint64_t before = use_descriptors_up();
    TURN_UNTIL(loop, host.refused > 0);
    uint32_t refused = host.refused;
    close_host(&host);
    int64_t begun = now_ns();
    while (now_ns() - begun < 120 * MILLISECOND) turn(loop, 10);
    CHECK_IS(host.refused, refused);
    limit_descriptors(before);
    no_event_comes(loop);
    uint8_t byte;
    CHECK(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

static void a_listener_that_rests_is_deleted(void)
{
    on_each_backend(is_deleted_while_it_rests);
}

/* Others go on meanwhile, and what needs a descriptor says that there is none. */
static void others_go_on_without_descriptors(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct link link;
    open_link(&link, loop, NULL, NULL);
    struct end end;
    int fds[2];
    CHECK_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    uint64_t before = use_descriptors_up();
    CHECK_IS(tcp_listen(loop, "127.0.0.1", "0", NULL, NULL), -EMFILE);
    CHECK_IS(tcp_adopt(loop, fds[0], NULL, NULL), -EMFILE);
    end = (struct end){.loop = loop};
    end.id = tcp_connect(loop, "127.0.0.1", link.host.service, NULL, &end);
    if (end.id > 0) {
        TURN_UNTIL(loop, end.closed);
        CHECK_IS(end.error, EMFILE);
    } else {
        CHECK_IS(end.id, -EMFILE);
    }
    carry_over(&link.client, &link.server, 100000);
    limit_descriptors(before);
    CHECK_IS(loop_counts_of(loop).connections, 2);
    close(fds[0]), close(fds[1]);
    close_link(&link);
    close_loop(loop);
}

/* --- accepting --- */

static void accepting_survives(evloop_t *loop, int error, bool is_told)
{
    struct host host;
    struct end ends[3];
    int fds[3];
    open_host(&host, loop, NULL, ends, 3);
    for (int i = 0; i < 3; i++) fds[i] = connect_plainly(host.at);
    faults_fail(FAULTS_ACCEPT, error, 2, 2);
    TURN_UNTIL(loop, host.accepted == 3);
    CHECK_IS(faults_end(FAULTS_ACCEPT), 2);
    CHECK_IS(host.refused > 0, is_told);
    if (is_told) CHECK_IS(host.error, error);
    for (int i = 0; i < 3; i++) {
        send_pattern(fds[i], 0, 100);
        TURN_UNTIL(loop, ends[i].received == 100);
        reset_plainly(fds[i]);
        TURN_UNTIL(loop, ends[i].closed);
    }
    close_host(&host);
}

static void an_accept_that_fails_costs_nobody_else_the_connection(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    const int others[] = {ECONNABORTED, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH};
    const int ours[] = {ENFILE, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < LENGTH(others); i++) accepting_survives(loop, others[i], false);
    for (size_t i = 0; i < LENGTH(ours); i++) accepting_survives(loop, ours[i], true);
    accepting_survives(loop, EINTR, false);
    close_loop(loop);
}

/* What the kernel takes no more watches for is closed, and counted or told of. */
static void an_accepted_one_that_cannot_be_waited_for_is_closed(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end end;
    open_host(&host, loop, NULL, &end, 1);
    size_t descriptors = count_descriptors();
    int first = connect_plainly(host.at);
    faults_fail(FAULTS_EPOLL_CTL, ENOMEM, 1, 1);
    TURN_UNTIL(loop, host.accepted || loop_counts_of(loop).accept_errors > 0);
    if (host.accepted == 0) CHECK_EVENTUALLY(is_at_end(first) || errno == ECONNRESET);
    close(first);
    CHECK_IS(faults_end(FAULTS_EPOLL_CTL), 1);
    if (host.accepted) {
        TURN_UNTIL(loop, end.closed || end.eof);
        if (!end.closed) CHECK_IS(tcp_close(loop, end.id), 0);
        TURN_UNTIL(loop, end.closed);
    }
    CHECK_IS(count_descriptors(), descriptors);
    host.accepted = 0;
    int second = connect_plainly(host.at);
    TURN_UNTIL(loop, host.accepted);
    send_pattern(second, 0, 100);
    TURN_UNTIL(loop, end.received == 100);
    close(second);
    close_host(&host);
    close_loop(loop);
}

/* --- connecting, listening, adopting --- */

static void a_connect_that_fails_says_why(void)
{
    const int errors[] = {ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EACCES, EPERM, ECONNREFUSED};
    for (uint32_t backend = EVLOOP_EPOLL; backend <= EVLOOP_SELECT; backend++) {
        evloop_t *loop = open_loop(backend);
        size_t descriptors = count_descriptors();
        for (size_t i = 0; i < LENGTH(errors); i++) {
            struct end end;
            faults_fail(FAULTS_CONNECT, errors[i], 1, 1);
            begin_connecting(&end, loop, "127.0.0.1", "9", NULL);
            TURN_UNTIL(loop, end.closed);
            CHECK_IS(faults_end(FAULTS_CONNECT), 1);
            CHECK_IS(end.error, errors[i]);
            CHECK_IS(end.connected, 0);
            CHECK_IS(count_descriptors(), descriptors);
        }
        no_event_comes(loop);
        close_loop(loop);
    }
}

/* Each such call that listening takes fails in turn; it fails then, and leaves nothing. */
static void listening_survives(evloop_t *loop, enum faults_call call, int error)
{
    size_t descriptors = count_descriptors();
    for (uint64_t nth = 1;; nth++) {
        faults_fail(call, error, nth, 1);
        int64_t id = tcp_listen(loop, "127.0.0.1", "0", NULL, NULL);
        if (faults_end(call) == 0) {
            CHECK(id > 0);
            CHECK(nth > 1);
            CHECK_IS(evloop_del(loop, id), 0);
            break;
        }
        CHECK_IS(id, -error);
        CHECK_IS(count_descriptors(), descriptors);
        CHECK_IS(loop_counts_of(loop).listeners, 0);
    }
    CHECK_IS(count_descriptors(), descriptors);
}

static void a_listener_is_made_whole_or_not_at_all(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    listening_survives(loop, FAULTS_SOCKET, EMFILE);
    listening_survives(loop, FAULTS_SETSOCKOPT, ENOMEM);
    listening_survives(loop, FAULTS_BIND, EACCES);
    listening_survives(loop, FAULTS_EPOLL_CTL, ENOSPC);
    no_event_comes(loop);
    close_loop(loop);
}

static void adopting_and_connecting_leave_nothing_when_they_fail(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct host host;
    struct end end, accepted;
    int fds[2];
    open_host(&host, loop, NULL, &accepted, 1);
    CHECK_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    size_t descriptors = count_descriptors();
    faults_fail(FAULTS_EPOLL_CTL, ENOSPC, 1, 1);
    CHECK_IS(tcp_adopt(loop, fds[0], NULL, NULL), -ENOSPC);
    CHECK_IS(faults_end(FAULTS_EPOLL_CTL), 1);
    CHECK_IS(count_descriptors(), descriptors);
    const enum faults_call calls[] = {FAULTS_SOCKET, FAULTS_SETSOCKOPT, FAULTS_EPOLL_CTL};
    for (size_t i = 0; i < LENGTH(calls); i++) {
        faults_fail(calls[i], ENOMEM, 1, 1);
        end = (struct end){.loop = loop};
        end.id = tcp_connect(loop, "127.0.0.1", host.service, NULL, &end);
        if (end.id > 0) TURN_UNTIL(loop, end.closed);
        CHECK_IS(end.id > 0 ? -end.error : end.id, -ENOMEM);
        CHECK_IS(faults_end(calls[i]), 1);
        /* What the kernel had connected already was accepted, and has ended. */
        if (host.accepted > 0) TURN_UNTIL(loop, accepted.eof || accepted.closed);
        if (host.accepted > 0 && !accepted.closed) CHECK_IS(tcp_close(loop, accepted.id), 0);
        if (host.accepted > 0) TURN_UNTIL(loop, accepted.closed);
        host.accepted = 0;
        CHECK_IS(count_descriptors(), descriptors);
    }
    CHECK_IS(loop_counts_of(loop).connections, 0);
    close(fds[0]), close(fds[1]);
    close_loop(loop);
}

/* --- sending and receiving --- */

static void a_signal_in_the_middle_is_nobodys_concern(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    send_pattern(fd, 0, 1000);
    faults_fail(FAULTS_RECV, EINTR, 1, 3);
    TURN_UNTIL(loop, end.received == 1000);
    CHECK_IS(faults_end(FAULTS_RECV), 3);
    faults_fail(FAULTS_SEND, EINTR, 1, 3);
    CHECK_IS(send_more(&end, 1000), 0);
    CHECK_IS(faults_end(FAULTS_SEND), 3);
    receive_pattern(fd, 0, 1000);
    CHECK(send_more(&end, PATTERN_MAX) > 0);
    faults_fail(FAULTS_SEND, EINTR, 1, 5);
    receive_from_loop(loop, fd, 1000, PATTERN_MAX);
    CHECK_IS(faults_end(FAULTS_SEND), 5);
    close(fd);
    close_loop(loop);
}

/* Whatever it is: the connection ends by it, or goes on as if nothing had been. */
static void lives_or_dies(evloop_t *loop, enum faults_call call, int error)
{
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    if (call == FAULTS_RECV) {
        send_pattern(fd, 0, 1000);
        faults_fail(call, error, 1, 1);
        TURN_UNTIL(loop, end.closed || end.received == 1000);
    } else {
        faults_fail(call, error, 1, 1);
        int64_t result = send_more(&end, 1000);
        CHECK(result >= 0 || result == -error);
        TURN_UNTIL(loop, end.closed || is_readable(fd));
    }
    CHECK_IS(faults_end(call), 1);
    if (end.closed) CHECK_IS(end.error, error);
    if (end.closed && call == FAULTS_SEND) CHECK_IS(end.unsent, end.sent);
    if (!end.closed && call == FAULTS_SEND) receive_pattern(fd, 0, 1000);
    no_event_comes(loop);
    close(fd);
    if (!end.closed) TURN_UNTIL(loop, end.eof);
}

static void an_error_ends_a_connection_or_nothing(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    const int errors[] = {ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOBUFS, ENOMEM, EIO};
    for (size_t i = 0; i < LENGTH(errors); i++) lives_or_dies(loop, FAULTS_RECV, errors[i]);
    for (size_t i = 0; i < LENGTH(errors); i++) lives_or_dies(loop, FAULTS_SEND, errors[i]);
    lives_or_dies(loop, FAULTS_SEND, EPIPE);
    CHECK(evloop_close(loop) >= 0);
}

/* --- data out of band --- */

/* A read stops at urgent data, though more is behind it; what is urgent itself is not read, unless
 * something more urgent follows. */
static void reads_on_behind_urgent_data(evloop_t *loop)
{
    struct host host;
    struct end end;
    open_host(&host, loop, NULL, &end, 1);
    int fd = connect_plainly(host.at);
    TURN_UNTIL(loop, host.accepted);
    for (uint64_t round = 0; round < 20; round++) {
        send_pattern(fd, round * 200, 100);
        CHECK_IS(send(fd, "!", 1, MSG_OOB), 1);
        send_pattern(fd, round * 200 + 100, 100);
        TURN_UNTIL(loop, end.received == (round + 1) * 200);
    }
    CHECK_IS(shutdown(fd, SHUT_WR), 0);
    TURN_UNTIL(loop, end.eof);
    CHECK_IS(end.received, 20 * 200);
    close(fd);
    close_host(&host);
}

static void urgent_data_stand_in_nobodys_way(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    reads_on_behind_urgent_data(loop);
    close_loop(loop);
}

const struct test tcp_fault_tests[] = {
    TEST(a_listener_for_which_descriptors_are_short_rests_and_recovers),
    TEST(a_listener_that_rests_is_deleted),
    TEST(others_go_on_without_descriptors),
    TEST(an_accept_that_fails_costs_nobody_else_the_connection),
    TEST(an_accepted_one_that_cannot_be_waited_for_is_closed),
    TEST(a_connect_that_fails_says_why),
    TEST(a_listener_is_made_whole_or_not_at_all),
    TEST(adopting_and_connecting_leave_nothing_when_they_fail),
    TEST(a_signal_in_the_middle_is_nobodys_concern),
    TEST(an_error_ends_a_connection_or_nothing),
    TEST(urgent_data_stand_in_nobodys_way),
    END_OF_TESTS,
};
