/* Ten thousand connections at once, and what is left of them. */
#include "check.h"
#include "loops.h"
#include "process.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MANY = 10000, OTHERS = 100 };

/* As many descriptors as the process may have. */
static void allow_many_descriptors(void)
{
    struct rlimit limit;
    CHECK_IS(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < MANY + OTHERS)
        check_skipped("the hard limit of descriptors is below 10,100 (ulimit -Hn)");
    limit_descriptors(limit.rlim_max);
}

/* What the clients' process needs: where to connect to, and a pipe that ends when it may go on. */
struct clients {
    ph_addr_t at;
    int gate[2];
};

/* Each connects, sends a byte, and waits for its echo and its end. */
static int be_all_clients(void *argument)
{
    static int fds[MANY];
    struct clients *clients = argument;
    uint8_t byte;
    close(clients->gate[1]);
    /* The port is known when the server listens. */
    CHECK_IS(read(clients->gate[0], &clients->at, sizeof clients->at), sizeof clients->at);
    for (int i = 0; i < MANY; i++) {
        fds[i] = connect_plainly(clients->at);
        send_pattern(fds[i], 0, 1);
    }
    for (int i = 0; i < MANY; i++) receive_pattern(fds[i], 0, 1);
    for (int i = 0; i < MANY; i++) {
        ssize_t n = recv(fds[i], &byte, 1, 0);
        CHECK(n == 0 || (n < 0 && errno == ECONNRESET));
        close(fds[i]);
    }
    return 0;
}

static size_t count_with_data(const struct end *ends)
{
    size_t count = 0;
    for (int i = 0; i < MANY; i++) count += ends[i].received == 1;
    return count;
}

static void echo_all(struct end *ends)
{
    tcp_message_t *messages = calloc(MANY, sizeof *messages);
    for (int i = 0; i < MANY; i++)
        messages[i] = (tcp_message_t){.id = ends[i].id, .data = pattern_from(0), .len = 1};
    CHECK_IS(tcp_write(ends[0].loop, messages, MANY), MANY);
    free(messages);
}

/* One half closes, the other aborts. */
static void end_all(evloop_t *loop, struct end *ends)
{
    for (int i = 0; i < MANY; i++)
        if (i % 2) CHECK_IS(tcp_close(loop, ends[i].id), 0);
        else CHECK_IS(tcp_abort(loop, ends[i].id), 0);
    TURN_UNTIL(loop, loop_counts_of(loop).closed == MANY);
    TURN_UNTIL(loop, turn(loop, 0) == -EAGAIN);
    for (int i = 0; i < MANY; i++) {
        CHECK_IS(ends[i].closed, 1);
        CHECK_IS(ends[i].error, i % 2 ? 0 : ECONNABORTED);
    }
}

static void serve_many(evloop_t *loop, struct clients *clients, struct end *ends)
{
    struct host host;
    size_t descriptors = count_descriptors(), memory = resident_memory();
    open_host(&host, loop, NULL, ends, MANY);
    CHECK_IS(write(clients->gate[1], &host.at, sizeof host.at), sizeof host.at);
    TURN_UNTIL(loop, host.accepted == MANY);
    TURN_UNTIL(loop, loop_counts_of(loop).received_bytes == MANY);
    TURN_UNTIL(loop, turn(loop, 0) == -EAGAIN);
    CHECK_IS(count_with_data(ends), MANY);
    CHECK_IS(loop_counts_of(loop).connections, MANY);
    CHECK_IS(count_descriptors(), descriptors + 1 + MANY);
#ifndef __SANITIZE_ADDRESS__
    CHECK(resident_memory() - memory < MANY * 4096);
#endif
    (void)memory;
    echo_all(ends);
    end_all(loop, ends);
    close_host(&host);
    CHECK_IS(count_descriptors(), descriptors);
    CHECK_IS(loop_counts_of(loop).connections, 0);
}

static void ten_thousand_connections_are_served_and_leave_nothing(void)
{
    struct clients clients;
    struct end *ends = calloc(MANY, sizeof *ends);
    memset(ends, 1, MANY * sizeof *ends);
    allow_many_descriptors();
    CHECK_IS(pipe(clients.gate), 0);
    pid_t child = start_child(be_all_clients, &clients);
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    /* What the test itself needs is there. */
    pattern_from(0);
    turn(loop, 0);
    size_t before = resident_memory();
    serve_many(loop, &clients, ends);
    await_child(child);
#ifndef __SANITIZE_ADDRESS__
    /* The sanitizer keeps freed memory for a while; the C library keeps some, too, unless asked. */
    malloc_trim(0);
    CHECK(resident_memory() < before + (2 << 20));
#endif
    (void)before;
    close_loop(loop);
    close(clients.gate[0]), close(clients.gate[1]);
    free(ends);
}

/* One after the other, each the next one's predecessor in the same place. */
static void connections_come_and_go(evloop_t *loop)
{
    enum { ROUNDS = 1000 };
    size_t descriptors = count_descriptors();
    for (int round = 0; round < ROUNDS; round++) {
        struct end end;
        int fd = adopt_one_end(&end, loop, NULL);
        CHECK_IS(send_more(&end, 100), 0);
        if (round % 2) CHECK_IS(tcp_close(loop, end.id), 0);
        else close(fd);
        TURN_UNTIL(loop, end.closed || end.eof);
        if (!end.closed) CHECK_IS(tcp_close(loop, end.id), 0);
        TURN_UNTIL(loop, end.closed);
        if (round % 2) close(fd);
    }
    CHECK_IS(count_descriptors(), descriptors);
    CHECK_IS(loop_counts_of(loop).closed, ROUNDS);
}

static void a_thousand_connections_come_and_go(void)
{
    on_each_backend(connections_come_and_go);
}

const struct test tcp_many_tests[] = {
    TEST(ten_thousand_connections_are_served_and_leave_nothing),
    TEST(a_thousand_connections_come_and_go),
    END_OF_TESTS,
};
