/* The other end of the TCP works.
 *
 *   evloop-load echo [--in-flight 1] [--rounds N] [--slice S] [--warm-up S] PORT:PROCESS:IDLE...
 *       sends messages of 64 bytes on 64 connections to each of the servers, a new one for each
 *       that came back. The servers have their turns of S seconds, all of them in each of N rounds,
 *       so that a slow moment of the machine falls on all alike. Prints for each server what came
 *       back and took of its processor time, and what memory as many idle connections cost
 *   evloop-load flood --port P
 *       sends on one connection all that it takes, until the other end closes it
 *   evloop-load drain --port P
 *       reads what one connection brings in 3 s, from the first byte on
 */
#define _GNU_SOURCE
#include "tcp.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum {
    EVENTS = 256,
    CONNECTIONS = 64,
    MAX_SERVERS = 8,
    MAX_IN_FLIGHT = 256,
    WAVE = 64, /* idle connections that are opened before the server has to answer */
    ANSWER_MS = 5000
};

/* One connection, and what it has of a message that came in parts. */
struct connection {
    int fd;
    uint64_t sent, received;
    size_t have;
    uint8_t partial[SIZE];
};

struct turn {
    int64_t count, ns, cpu_ns;
};

struct server {
    int port, idle, epoll;
    pid_t process;
    clockid_t time;
    double bytes;
    struct turn *turns;
    struct connection busy[CONNECTIONS];
};

static void fail(const char *what)
{
    fprintf(stderr, "evloop-load: %s\n", what);
    exit(1);
}

/* Sends the next `count` numbered messages of a connection. */
static void send_messages(struct connection *c, size_t count)
{
    uint8_t data[MAX_IN_FLIGHT * SIZE] = {0};
    for (size_t i = 0; i < count; i++, c->sent++)
        memcpy(data + i * SIZE, &c->sent, sizeof c->sent);
    if (send(c->fd, data, count * SIZE, MSG_NOSIGNAL) != (ssize_t)(count * SIZE))
        die("send");
}

/* Reads what has come back; gives how many messages it completed. */
static size_t receive_messages(struct connection *c, int flags)
{
    uint8_t data[MAX_IN_FLIGHT * SIZE + SIZE];
    memcpy(data, c->partial, c->have);
    ssize_t n = recv(c->fd, data + c->have, sizeof data - c->have, flags);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0)
        die("recv");
    if (n == 0)
        fail("the server closed a connection");
    size_t size = c->have + (size_t)n, count = size / SIZE;
    for (size_t i = 0; i < count; i++, c->received++)
        if (memcmp(data + i * SIZE, &c->received, sizeof c->received) != 0)
            fail("an echo is not what was sent");
    c->have = size % SIZE;
    memcpy(c->partial, data + count * SIZE, c->have);
    return count;
}

static void open_connection(struct connection *c, int port)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    *c = (struct connection){.fd = socket_to(port)};
    /* Closing leaves nothing behind that would keep ports from the next measurement. */
    if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0)
        die("setsockopt");
}

static void open_busy(struct server *s, size_t in_flight)
{
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll < 0)
        die("epoll_create1");
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &s->busy[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        open_connection(c, s->port);
        if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
            die("epoll_ctl");
        send_messages(c, in_flight);
    }
}

/* Each idle connection was used once, as such connections are. */
static void open_idle(const struct server *s)
{
    struct connection wave[WAVE];
    for (int opened = 0; opened < s->idle;) {
        int count = s->idle - opened < WAVE ? s->idle - opened : WAVE;
        for (int i = 0; i < count; i++) {
            open_connection(&wave[i], s->port);
            send_messages(&wave[i], 1);
        }
        for (int i = 0; i < count; i++)
            while (receive_messages(&wave[i], 0) == 0)
                ;
        opened += count;
    }
}

/* Keeps a server's busy connections going for a while. Afterwards the last answers wait here, so
 * that it rests until its next turn. */
static struct turn run_for(const struct server *s, double seconds)
{
    struct epoll_event events[EVENTS];
    struct turn t = {.cpu_ns = -now_on(s->time)};
    int64_t start = now_ns(), end = start + (int64_t)(seconds * SECOND);
    while (now_ns() < end) {
        int n = epoll_wait(s->epoll, events, EVENTS, ANSWER_MS);
        if (n == 0)
            fail("the server does not answer");
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            size_t count = receive_messages(c, MSG_DONTWAIT);
            t.count += (int64_t)count;
            if (count > 0)
                send_messages(c, count);
        }
    }
    t.cpu_ns += now_on(s->time);
    t.ns = now_ns() - start;
    return t;
}

/* Bytes of the server's own memory that it has written to. */
static double memory_of(const struct server *s)
{
    char path[64], line[256];
    double kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->process);
    FILE *status = fopen(path, "r");
    if (status == NULL)
        die(path);
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "RssAnon: %lf kB", &kib) == 1)
            break;
    fclose(status);
    if (kib < 0)
        fail("the kernel does not tell the server's memory");
    return kib * 1024;
}

static void open_all(struct server *s, size_t in_flight, double warm_up)
{
    open_busy(s, in_flight);
    run_for(s, warm_up);
    if (s->idle == 0)
        return;
    double before = memory_of(s);
    open_idle(s);
    s->bytes = (memory_of(s) - before) / s->idle;
}

static void need_descriptors(rlim_t needed)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit");
    if (limit.rlim_cur < needed)
        fail("too few descriptors are allowed (ulimit -n)");
}

/* The servers that the arguments name; gives how many. */
static int parse_servers(int argc, char **argv, struct server *servers, int rounds)
{
    int count = 0, descriptors = CONNECTIONS;
    for (int i = 1; i < argc; i++) {
        struct server s = {0};
        if (sscanf(argv[i], "%d:%d:%d", &s.port, &s.process, &s.idle) != 3)
            continue;
        if (count == MAX_SERVERS || clock_getcpuclockid(s.process, &s.time) != 0)
            fail("too many servers, or one that is not there");
        s.turns = calloc((size_t)rounds, sizeof *s.turns);
        if (s.turns == NULL)
            die("calloc");
        descriptors += CONNECTIONS + s.idle;
        servers[count++] = s;
    }
    need_descriptors((rlim_t)descriptors);
    return count;
}

static void print_servers(const struct server *servers, int count, int rounds)
{
    printf("{\"servers\": [");
    for (int i = 0; i < count; i++) {
        printf("%s{\"bytes\": %.1f, \"turns\": [", i ? ", " : "", servers[i].bytes);
        for (int j = 0; j < rounds; j++) {
            const struct turn *t = &servers[i].turns[j];
            printf("%s{\"count\": %lld, \"seconds\": %.6f, \"cpu_seconds\": %.6f}",
                   j ? ", " : "", (long long)t->count, (double)t->ns / SECOND,
                   (double)t->cpu_ns / SECOND);
        }
        printf("]}");
    }
    printf("]}\n");
}

static int run_echo(int argc, char **argv)
{
    static struct server servers[MAX_SERVERS];
    size_t in_flight = (size_t)option(argc, argv, "in-flight", 1);
    int rounds = (int)option(argc, argv, "rounds", 10);
    double slice = option(argc, argv, "slice", 0.1);
    if (in_flight < 1 || in_flight > MAX_IN_FLIGHT || rounds < 1)
        fail("1 to 256 messages in flight, and 1 round at least");
    int count = parse_servers(argc, argv, servers, rounds);
    for (int i = 0; i < count; i++)
        open_all(&servers[i], in_flight, option(argc, argv, "warm-up", 0.1));
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < count; i++)
            servers[i].turns[round] = run_for(&servers[i], slice);
    print_servers(servers, count, rounds);
    return 0;
}

static int run_flood(int argc, char **argv)
{
    static uint8_t data[READ_BYTES];
    int fd = socket_to((int)option(argc, argv, "port", 0));
    while (send(fd, data, sizeof data, MSG_NOSIGNAL) > 0)
        ;
    return errno == EPIPE || errno == ECONNRESET ? 0 : 1;
}

static int run_drain(int argc, char **argv)
{
    static uint8_t data[READ_BYTES];
    struct passed passed = {0};
    int fd = socket_to((int)option(argc, argv, "port", 0));
    ssize_t n;
    do {
        n = recv(fd, data, sizeof data, 0);
        if (n < 0)
            die("recv");
        if (n == 0)
            fail("the server closed the connection");
    } while (!passed_add(&passed, (size_t)n));
    print_rate(passed.bytes, (int64_t)LIMIT_SECONDS * SECOND);
    return 0;
}

int main(int argc, char **argv)
{
    const char *work = argc > 1 ? argv[1] : "";
    if (strcmp(work, "echo") == 0)
        return run_echo(argc, argv);
    if (strcmp(work, "flood") == 0)
        return run_flood(argc, argv);
    if (strcmp(work, "drain") == 0)
        return run_drain(argc, argv);
    fprintf(stderr, "usage: evloop-load echo|flood|drain ...\n");
    return 2;
}
