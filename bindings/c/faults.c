#include "faults.h"
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_bool is_stalled;
static atomic_int error_of_sends, error_of_runs;
static _Atomic int64_t slowness_of_sends, slowness_of_receives;
static _Atomic uint64_t period_of_errors, sends, waits, readers;

/* Readable while nothing is stalled: what a stalled socket is exchanged for in poll. */
static int gate = -1;

void faults_prepare(void)
{
    gate = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(gate >= 0);
}

void faults_stall_sending(void)
{
    eventfd_t count;
    atomic_store(&is_stalled, true);
    CHECK_IS(eventfd_read(gate, &count), 0);
}

void faults_resume_sending(void)
{
    atomic_store(&is_stalled, false);
    CHECK_IS(eventfd_write(gate, 1), 0);
}

void faults_fail_sending(int error, uint64_t period)
{
    atomic_store(&period_of_errors, period);
    atomic_store(&error_of_sends, error);
}

void faults_slow_sending(int64_t nanoseconds)
{
    atomic_store(&slowness_of_sends, nanoseconds);
}

void faults_slow_receiving(int64_t nanoseconds)
{
    atomic_store(&slowness_of_receives, nanoseconds);
}

static void wait_first(int64_t nanoseconds)
{
    if (nanoseconds > 0) nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
}

void faults_refuse_runs(int error)
{
    atomic_store(&error_of_runs, error);
}

uint64_t faults_sends(void)
{
    return atomic_load(&sends);
}

uint64_t faults_waits(void)
{
    return atomic_load(&waits);
}

uint64_t faults_readers(void)
{
    return atomic_load(&readers);
}

static int error_of_send(const struct msghdr *first)
{
    uint64_t turn = atomic_fetch_add(&sends, 1) + 1;
    if (atomic_load(&is_stalled)) return EAGAIN;
    bool is_run = first->msg_controllen > 0;
    if (is_run && atomic_load(&error_of_runs)) return atomic_load(&error_of_runs);
    uint64_t period = atomic_load(&period_of_errors);
    return period > 0 && turn % period == 0 ? atomic_load(&error_of_sends) : 0;
}

/* --- one call after the other --- */

static struct {
    _Atomic uint64_t first, last, made, failed;
    atomic_int error;
} failing[FAULTS_CALLS];

void faults_fail(enum faults_call call, int error, uint64_t first, uint64_t count)
{
    atomic_store(&failing[call].error, error);
    atomic_store(&failing[call].made, 0);
    atomic_store(&failing[call].failed, 0);
    atomic_store(&failing[call].first, first);
    atomic_store(&failing[call].last, first + count - 1);
}

uint64_t faults_end(enum faults_call call)
{
    atomic_store(&failing[call].last, 0);
    return atomic_load(&failing[call].failed);
}

/* Whether this call is to fail; errno says how. */
static bool fails(enum faults_call call)
{
    uint64_t turn = atomic_fetch_add(&failing[call].made, 1) + 1;
    if (turn < atomic_load(&failing[call].first) || turn > atomic_load(&failing[call].last))
        return false;
    atomic_fetch_add(&failing[call].failed, 1);
    errno = atomic_load(&failing[call].error);
    return true;
}

int socket(int family, int type, int protocol)
{
    return fails(FAULTS_SOCKET) ? -1 : (int)syscall(SYS_socket, family, type, protocol);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    if (fails(FAULTS_SETSOCKOPT)) return -1;
    return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}

int eventfd(unsigned count, int flags)
{
    return fails(FAULTS_EVENTFD) ? -1 : (int)syscall(SYS_eventfd2, count, flags);
}

int epoll_create1(int flags)
{
    return fails(FAULTS_EPOLL_CREATE) ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

int epoll_ctl(int fd, int operation, int watched, struct epoll_event *event)
{
    if (fails(FAULTS_EPOLL_CTL)) return -1;
    return (int)syscall(SYS_epoll_ctl, fd, operation, watched, event);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    if (fails(FAULTS_RECVMMSG)) return -1;
    return (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    return fails(FAULTS_SEND) ? -1 : syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return fails(FAULTS_SEND) ? -1 : syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t recv(int fd, void *buffer, size_t length, int flags)
{
    return fails(FAULTS_RECV) ? -1 : syscall(SYS_recvfrom, fd, buffer, length, flags, NULL, NULL);
}

/* What the library calls bind and so on: glibc declares addresses of several types. */
int bind_by_the_library(int fd, const void *name, socklen_t size) __asm__("bind");
int connect_by_the_library(int fd, const void *name, socklen_t size) __asm__("connect");
int accept4_by_the_library(int fd, void *name, socklen_t *size, int flags) __asm__("accept4");
ssize_t sendto_by_the_library(int fd, const void *data, size_t length, int flags, const void *name,
                              socklen_t size) __asm__("sendto");
ssize_t recvfrom_by_the_library(int fd, void *buffer, size_t length, int flags, void *name,
                                socklen_t *size) __asm__("recvfrom");

int bind_by_the_library(int fd, const void *name, socklen_t size)
{
    return fails(FAULTS_BIND) ? -1 : (int)syscall(SYS_bind, fd, name, size);
}

int connect_by_the_library(int fd, const void *name, socklen_t size)
{
    return fails(FAULTS_CONNECT) ? -1 : (int)syscall(SYS_connect, fd, name, size);
}

int accept4_by_the_library(int fd, void *name, socklen_t *size, int flags)
{
    return fails(FAULTS_ACCEPT) ? -1 : (int)syscall(SYS_accept4, fd, name, size, flags);
}

ssize_t sendto_by_the_library(int fd, const void *data, size_t length, int flags, const void *name,
                              socklen_t size)
{
    return fails(FAULTS_SENDTO) ? -1 : syscall(SYS_sendto, fd, data, length, flags, name, size);
}

ssize_t recvfrom_by_the_library(int fd, void *buffer, size_t length, int flags, void *name,
                                socklen_t *size)
{
    wait_first(atomic_load(&slowness_of_receives));
    if (fails(FAULTS_RECVFROM)) return -1;
    return syscall(SYS_recvfrom, fd, buffer, length, flags, name, size);
}

/* --- sending and waiting --- */

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    wait_first(atomic_load(&slowness_of_sends));
    if (fails(FAULTS_SENDMMSG)) return -1;
    int error = error_of_send(&messages->msg_hdr);
    if (error) {
        errno = error;
        return -1;
    }
    return (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
}

static int poll_for_real(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec time = {.tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000L};
    return ppoll(fds, count, timeout < 0 ? NULL : &time, NULL);
}

/* A socket that is not writable still reports its errors. */
static int poll_stalled(struct pollfd *fds, nfds_t count, int timeout)
{
    struct pollfd all[8];
    CHECK(2 * count <= sizeof all / sizeof *all);
    for (nfds_t i = 0; i < count; i++) {
        bool is_for_writing = fds[i].events & POLLOUT;
        all[i] = fds[i];
        all[count + i] = (struct pollfd){.fd = is_for_writing ? gate : -1, .events = POLLIN};
        all[i].events &= ~POLLOUT;
    }
    int result = poll_for_real(all, 2 * count, timeout);
    if (result <= 0) return result;
    result = 0;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = (short)(all[i].revents | (all[count + i].revents ? POLLOUT : 0));
        result += fds[i].revents != 0;
    }
    return result;
}

/* What the library calls poll: glibc's declaration of that name says that it reads nothing. */
int poll_by_the_library(struct pollfd *fds, nfds_t count, int timeout) __asm__("poll");

int poll_by_the_library(struct pollfd *fds, nfds_t count, int timeout)
{
    bool is_for_writing = false;
    for (nfds_t i = 0; i < count; i++) is_for_writing |= (fds[i].events & POLLOUT) != 0;
    if (!is_for_writing) {
        atomic_fetch_add(&readers, 1);
        int result = poll_for_real(fds, count, timeout);
        atomic_fetch_sub(&readers, 1);
        return result;
    }
    atomic_fetch_add(&waits, 1);
    return atomic_load(&is_stalled) ? poll_stalled(fds, count, timeout)
                                    : poll_for_real(fds, count, timeout);
}
