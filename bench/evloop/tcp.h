/* What the generator and the servers in C share: sockets of TCP, and the first line of a server. */
#ifndef BENCH_TCP_H
#define BENCH_TCP_H

#include "../common.h"

#include <netinet/tcp.h>

enum { SIZE = 64, READ_BYTES = 65536, LIMIT_SECONDS = 3 };

/* The port starts the load, and the process is the one whose processor time counts. */
static inline void print_port(int port)
{
    printf("{\"port\": %d, \"pid\": %d}\n", port, (int)getpid());
    fflush(stdout);
}

static inline void no_delay(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static inline int socket_to(int port)
{
    struct sockaddr_in to = destination(0, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    no_delay(fd);
    return fd;
}

/* A listening socket on a free port that does not block. */
static inline int listening_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = destination(0, 0);
    socklen_t len = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        die("listen");
    print_port(ntohs(at.sin_port));
    return fd;
}

/* Bytes that came through a rate limit, from the first of them on. */
struct passed {
    int64_t bytes, first;
};

/* Gives 1 when the time is over. */
static inline int passed_add(struct passed *p, size_t bytes)
{
    int64_t now = now_ns();
    if (p->first == 0)
        p->first = now;
    if (now - p->first > (int64_t)LIMIT_SECONDS * SECOND)
        return 1;
    p->bytes += (int64_t)bytes;
    return 0;
}

#endif
