#include "support.h"
#include "check.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static size_t count_entries(const char *path)
{
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    size_t count = 0;
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

size_t count_threads(void)
{
    return count_entries("/proc/self/task");
}

size_t count_descriptors(void)
{
    return count_entries("/proc/self/fd");
}

static bool is_asleep(const char *thread)
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", thread);
    FILE *file = fopen(path, "r");
    if (!file) return true;
    /* It may end at any moment. */
    bool is_there = fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
    fclose(file);
    return !is_there || state == 'S';
}

bool all_others_sleep(void)
{
    size_t awake = 0;
    DIR *folder = opendir("/proc/self/task");
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (*entry->d_name != '.') awake += !is_asleep(entry->d_name);
    closedir(folder);
    return awake == 1;
}

size_t resident_memory(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_IS(fscanf(file, "%*u %zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union address loopback(int family)
{
    union address address = {.any.sa_family = (sa_family_t)family};
    if (family == AF_INET) address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else address.v6.sin6_addr = in6addr_loopback;
    return address;
}

static socklen_t size_of(const union address *address)
{
    return address->any.sa_family == AF_INET ? sizeof address->v4 : sizeof address->v6;
}

static void set(int fd, int level, int option, int value)
{
    CHECK_IS(setsockopt(fd, level, option, &value, sizeof value), 0);
}

static int new_socket(int family)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    return fd;
}

static int bound(int fd, union address address)
{
    CHECK_IS(bind(fd, &address.any, size_of(&address)), 0);
    return fd;
}

int open_socket(int family)
{
    int fd = new_socket(family);
    if (family == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return bound(fd, loopback(family));
}

int open_dual_stack_socket(void)
{
    int fd = new_socket(AF_INET6);
    set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    return bound(fd, (union address){.any.sa_family = AF_INET6});
}

int open_group_socket(void)
{
    int fd = new_socket(AF_INET);
    set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return bound(fd, loopback(AF_INET));
}

/* A connected socket takes nothing from anybody but its peer: itself, here. */
int open_refusing_socket(int family)
{
    int fd = open_socket(family);
    union address self;
    socklen_t size = sizeof self;
    CHECK_IS(getsockname(fd, &self.any, &size), 0);
    CHECK_IS(connect(fd, &self.any, size), 0);
    return fd;
}

bool is_readable(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    CHECK(poll(&wanted, 1, 0) >= 0);
    return wanted.revents == POLLIN;
}

ph_addr_t address_from(const char *text, uint16_t port)
{
    ph_addr_t out;
    CHECK_IS(ph_addr_parse(text, strlen(text), port, &out), 0);
    return out;
}

ph_addr_t address_of(int fd)
{
    union address address;
    socklen_t size = sizeof address;
    CHECK_IS(getsockname(fd, &address.any, &size), 0);
    bool is_v4 = address.any.sa_family == AF_INET;
    const char *text = is_v4 ? "127.0.0.1" : "::1";
    return address_from(text, ntohs(is_v4 ? address.v4.sin_port : address.v6.sin6_port));
}

bool is_same_address(const ph_addr_t *a, const ph_addr_t *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->scope_id == b->scope_id
           && a->port == b->port && a->family == b->family;
}

void send_plainly(int fd, ph_addr_t to, const void *data, size_t length)
{
    union address address = {.any.sa_family = to.family == 4 ? AF_INET : AF_INET6};
    if (to.family == 4) {
        memcpy(&address.v4.sin_addr, to.ip, 4);
        address.v4.sin_port = htons(to.port);
    } else {
        memcpy(&address.v6.sin6_addr, to.ip, 16);
        address.v6.sin6_port = htons(to.port);
    }
    CHECK_IS(sendto(fd, data, length, 0, &address.any, size_of(&address)), length);
}

size_t receive_plainly(int fd, void *buffer, size_t capacity)
{
    struct timeval patience = {.tv_sec = 10};
    CHECK_IS(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    ssize_t length = recv(fd, buffer, capacity, 0);
    CHECK(length >= 0);
    return (size_t)length;
}

udph_t *open_handler(int fd, const udph_config_t *config)
{
    udph_t *h = NULL;
    CHECK_IS(udph_new(fd, config, &h), 0);
    CHECK(h != NULL);
    close(fd);
    return h;
}

udph_stats_t stats_of(udph_t *h)
{
    udph_stats_t stats = {.size = sizeof stats};
    CHECK_IS(udph_stats(h, &stats), 0);
    return stats;
}

udph_stats_t close_handler(udph_t *h, int32_t deadline_ms)
{
    udph_stats_t s = {.size = sizeof s};
    int64_t unsent = udph_close(h, deadline_ms, &s);
    CHECK(unsent >= 0);
    CHECK_IS(s.send_unsent, unsent);
    CHECK_IS(s.sent + s.send_errors + s.send_dropped + s.send_unsent, s.dispatched);
    CHECK_IS(s.delivered + s.recv_dropped + s.recv_unread, s.received);
    CHECK_IS(s.queued_send, 0);
    CHECK_IS(s.queued_recved, 0);
    return s;
}

static int64_t call_dispatch(udph_t *h)
{
    const ph_datagram_t item = {.addr = {.ip = {127, 0, 0, 1}, .port = 9, .family = 4}};
    return udph_dispatch(h, &item, 1, 0);
}

static int64_t call_dispatch_to(udph_t *h)
{
    const ph_addr_t to = {.ip = {127, 0, 0, 1}, .port = 9, .family = 4};
    return udph_dispatch_to(h, &to, 0, NULL, 0);
}

static int64_t call_get_recved(udph_t *h)
{
    ph_datagram_t item;
    return udph_get_recved(h, &item, 1, NULL, 0, -1);
}

static int64_t call_stats_send_avg(udph_t *h)
{
    return udph_stats_send_avg(h, 1);
}

static int64_t call_stats(udph_t *h)
{
    udph_stats_t stats = {.size = sizeof stats};
    return udph_stats(h, &stats);
}

static int64_t call_reactor_stats(udph_t *h)
{
    udph_reactor_stats_t stats;
    return udph_reactor_stats(h, &stats, 1);
}

static int64_t call_get_error(udph_t *h)
{
    ph_error_t error;
    return udph_get_error(h, &error, 1);
}

static int64_t call_fd(udph_t *h)
{
    return udph_fd(h);
}

static int64_t call_close(udph_t *h)
{
    udph_stats_t last = {.size = sizeof last};
    return udph_close(h, 0, &last);
}

void every_call_refuses(udph_t *h)
{
    static const struct {
        const char *name;
        int64_t (*call)(udph_t *);
    } CALLS[] = {
        {"udph_dispatch", call_dispatch},
        {"udph_dispatch_to", call_dispatch_to},
        {"udph_get_recved", call_get_recved},
        {"udph_queued_send", udph_queued_send},
        {"udph_queued_recved", udph_queued_recved},
        {"udph_stats_send_avg", call_stats_send_avg},
        {"udph_stats", call_stats},
        {"udph_reactor_stats", call_reactor_stats},
        {"udph_get_error", call_get_error},
        {"udph_fd", call_fd},
        {"udph_close", call_close},
    };
    for (size_t i = 0; i < LENGTH(CALLS); i++) {
        int64_t result = CALLS[i].call(h);
        if (result != -EBADF)
            check_failed(__FILE__, __LINE__, "%s of %p gives %lld, not -EBADF", CALLS[i].name,
                         (void *)h, (long long)result);
    }
}

struct pair open_pair(const udph_config_t *sender, const udph_config_t *receiver)
{
    int from = open_socket(AF_INET), to = open_socket(AF_INET);
    struct pair pair = {.to = address_of(to)};
    pair.sender = open_handler(from, sender);
    pair.receiver = open_handler(to, receiver);
    return pair;
}

void close_pair(struct pair *pair)
{
    CHECK_IS(close_handler(pair->sender, 5000).send_unsent, 0);
    close_handler(pair->receiver, 0);
}

void dispatch_numbers(udph_t *h, ph_addr_t to, uint32_t first, uint32_t count)
{
    uint32_t numbers[256];
    ph_datagram_t items[256];
    CHECK(count <= LENGTH(items));
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = first + i;
        items[i] = (ph_datagram_t){
            .addr = to, .data = (const uint8_t *)&numbers[i], .len = sizeof numbers[i]};
    }
    CHECK_IS(udph_dispatch(h, items, count, -1), count);
}

uint32_t receive_number(udph_t *h)
{
    ph_datagram_t item;
    uint32_t number;
    CHECK_IS(udph_get_recved(h, &item, 1, (uint8_t *)&number, sizeof number, 10000), 1);
    CHECK_IS(item.len, sizeof number);
    return number;
}

/* Datagrams on their way at most, and the bytes they may take: a socket's default buffer has room
 * for 208 KiB, and each datagram takes about 1 KiB more than its payload. */
enum { WINDOW = 64, WINDOW_BYTES = 128 << 10, OVERHEAD = 1 << 10 };

struct pumping {
    udph_t *sender, *receiver;
    ph_addr_t to;
    size_t size;
    uint8_t *payloads, *buffer;
    bool *has_come;
    uint32_t count, sent, received, window;
    bool is_in_order;
};

static void pump_out(struct pumping *p)
{
    ph_datagram_t items[WINDOW];
    size_t n = 0;
    while (p->sent + n < p->count && p->sent + n < p->received + p->window) {
        uint8_t *payload = p->payloads + n * p->size;
        uint32_t number = p->sent + (uint32_t)n;
        memset(payload, (int)(number & 0xff), p->size);
        memcpy(payload, &number, sizeof number);
        items[n++] = (ph_datagram_t){.addr = p->to, .data = payload, .len = p->size};
    }
    if (n > 0) CHECK_IS(udph_dispatch(p->sender, items, n, 0), n);
    p->sent += (uint32_t)n;
}

static void take_in(struct pumping *p, const ph_datagram_t *item)
{
    uint32_t number;
    CHECK_IS(item->len, p->size);
    CHECK_IS(item->flags, 0);
    memcpy(&number, item->data, sizeof number);
    CHECK(number < p->count);
    CHECK(!p->has_come[number]);
    for (size_t i = sizeof number; i < p->size; i++) CHECK_IS(item->data[i], number & 0xff);
    p->has_come[number] = true;
    p->is_in_order &= number == p->received++;
}

static void pump_in(struct pumping *p)
{
    ph_datagram_t items[WINDOW];
    int64_t n = udph_get_recved(p->receiver, items, WINDOW, p->buffer, WINDOW * p->size, 10000);
    if (n == -EINTR) return;
    CHECK(n > 0);
    for (int64_t i = 0; i < n; i++) take_in(p, &items[i]);
}

bool pump(udph_t *sender, udph_t *receiver, ph_addr_t to, uint32_t count, size_t size)
{
    CHECK(size >= sizeof(uint32_t));
    uint32_t window = (uint32_t)(WINDOW_BYTES / (size + OVERHEAD));
    struct pumping p = {
        .sender = sender, .receiver = receiver, .to = to, .size = size, .count = count,
        .payloads = malloc(WINDOW * size), .buffer = malloc(WINDOW * size),
        .has_come = calloc(count, sizeof(bool)), .is_in_order = true,
        .window = window < WINDOW ? window : WINDOW,
    };
    while (p.received < count) {
        pump_out(&p);
        pump_in(&p);
    }
    free(p.payloads);
    free(p.buffer);
    free(p.has_come);
    return p.is_in_order;
}

pthread_t start(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    CHECK_IS(pthread_create(&thread, NULL, body, argument), 0);
    return thread;
}

void *join(pthread_t thread)
{
    void *result;
    CHECK_IS(pthread_join(thread, &result), 0);
    return result;
}
