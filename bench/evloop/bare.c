/* The echo server in plain C on epoll: what the kernel gives to a program that asks well. Serves
 * until it is ended. */
#define _GNU_SOURCE
#include "tcp.h"

#include <sys/epoll.h>

enum { EVENTS = 1024 };

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void accept_all(int epoll, int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        no_delay(fd);
        watch(epoll, fd);
    }
    if (errno != EAGAIN)
        die("accept4");
}

/* Clients of this work read what they get, so that the kernel takes an echo whole or nearly. */
static int send_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return -1;
        if (n < 0) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            poll(&room, 1, -1);
            continue;
        }
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static void echo(int fd)
{
    static uint8_t data[READ_BYTES];
    ssize_t n = recv(fd, data, sizeof data, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || send_all(fd, data, (size_t)n) != 0)
        close(fd);
}

int main(void)
{
    static struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    int listener = listening_socket();
    watch(epoll, listener);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                echo(events[i].data.fd);
        }
    }
}
