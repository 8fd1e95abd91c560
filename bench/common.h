/* What the C programs of the benchmark share: options, clocks, sockets, percentiles. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

enum { SECOND = 1000000000, QUIET_MS = 200, BUFFER_BYTES = 4 << 20 };

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The number after `--name`, or `otherwise`. */
static inline double option(int argc, char **argv, const char *name, double otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return atof(argv[i + 1]);
    return otherwise;
}

static inline int64_t now_on(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static inline int64_t now_ns(void)
{
    return now_on(CLOCK_MONOTONIC);
}

/* Sleep until a moment of the monotonic clock: a late wake-up is not added to the next one. */
static inline void sleep_until(int64_t moment)
{
    struct timespec t = {.tv_sec = moment / SECOND, .tv_nsec = moment % SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* The kernel may delay a sleeper by 50 µs to join timers; a generator wants its own moment. */
static inline void wake_on_time(void)
{
    prctl(PR_SET_TIMERSLACK, 1UL);
}

static inline void set_option(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof value) != 0)
        die("setsockopt");
}

/* Destination `n`: 127.0.0.1, 127.0.0.2, ... all on one port, so that one sink hears them all. */
static inline struct sockaddr_in destination(int n, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)n);
    return to;
}

static inline int udp_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    set_option(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
    set_option(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
    return fd;
}

/* A socket bound to a free port on every address; the port is told to whoever started us. */
static inline int receiving_socket(void)
{
    int fd = udp_socket();
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    if (bind(fd, (struct sockaddr *)&at, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        die("bind");
    printf("{\"port\": %d}\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

/* Whoever started a receiver closes its standard input when the sender has finished. */
static inline int sender_finished(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&in, 1, 0) > 0;
}

/* The size of the datagrams that GRO joined in a message; without GRO it is one datagram. */
static inline size_t datagram_size(struct mmsghdr *message)
{
    int size = 0;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message->msg_hdr);
    if (c != NULL && c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
        memcpy(&size, CMSG_DATA(c), sizeof size);
    return size > 0 ? (size_t)size : message->msg_len;
}

static inline size_t datagrams_in(struct mmsghdr *message)
{
    size_t size = datagram_size(message);
    return size > 0 ? (message->msg_len + size - 1) / size : 1;
}

/* The sequence numbers at the start of `count` datagrams of `size` bytes lying one after the other:
 * summed, so that every receiver reads something of every datagram. */
static inline uint64_t sum_sequence(const uint8_t *data, size_t count, size_t size)
{
    uint64_t sum = 0, number;
    for (size_t i = 0; i < count; i++) {
        memcpy(&number, data + i * size, sizeof number);
        sum += number;
    }
    return sum;
}

/* Datagrams received, from the first to the last. */
struct tally {
    int64_t count, first, last;
    uint64_t sum;
};

static inline void tally_add(struct tally *t, size_t count, uint64_t sum)
{
    t->last = now_ns();
    if (t->count == 0)
        t->first = t->last;
    t->count += (int64_t)count;
    t->sum += sum;
}

static inline void print_rate(int64_t count, int64_t ns)
{
    printf("{\"count\": %lld, \"seconds\": %.6f}\n", (long long)count, (double)ns / SECOND);
}

static inline void print_tally(const struct tally *t)
{
    printf("{\"count\": %lld, \"seconds\": %.6f, \"sum\": %llu}\n", (long long)t->count,
           (double)(t->last - t->first) / SECOND, (unsigned long long)t->sum);
}

/* Delays in nanoseconds, for a median at the end. */
struct delays {
    int64_t *ns;
    size_t count, capacity;
};

static inline void delays_add(struct delays *d, int64_t ns)
{
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 4096;
        d->ns = realloc(d->ns, d->capacity * sizeof *d->ns);
        if (d->ns == NULL)
            die("realloc");
    }
    d->ns[d->count++] = ns;
}

static inline int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static inline void print_delays(struct delays *d)
{
    if (d->count == 0) {
        fprintf(stderr, "nothing arrived\n");
        exit(1);
    }
    qsort(d->ns, d->count, sizeof *d->ns, by_value);
    printf("{\"count\": %zu, \"p50_ns\": %lld, \"p99_ns\": %lld}\n", d->count,
           (long long)d->ns[d->count / 2], (long long)d->ns[d->count * 99 / 100]);
}

#endif
