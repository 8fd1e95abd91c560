/* What the tests share: sockets on loopback, handlers, numbered datagrams, counts of what is
 * left. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "../../include/pyhelpers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)

/* A configuration in which the fields given differ from the default. */
#define CONFIG(...) (&(udph_config_t){.size = sizeof(udph_config_t), __VA_ARGS__})
#define RECEIVING CONFIG(.recv_reactors = 1)

/* A pointer to a T that is not aligned as a T must be, with room for one behind it. */
#define MISALIGNED(T) ((T *)((char *)(T[2]){0} + 1))

#define LENGTH(array) (sizeof(array) / sizeof *(array))

int64_t now_ns(void);

size_t count_threads(void);
size_t count_descriptors(void);

/* Whether all threads but the calling one sleep: whoever was to wait does. */
bool all_others_sleep(void);

/* Bytes of memory that the process has in use. */
size_t resident_memory(void);

/* A UDP socket of AF_INET or AF_INET6 (not dual-stack) on a free port of loopback. */
int open_socket(int family);
/* The same on all addresses, IPv4 and IPv6. */
int open_dual_stack_socket(void);
/* The same again in an SO_REUSEPORT group. */
int open_group_socket(void);
/* A socket of AF_INET or AF_INET6 whose port answers with ICMP port unreachable as long as it is
 * open. */
int open_refusing_socket(int family);

/* Whether poll finds it readable, and nothing else. */
bool is_readable(int fd);

ph_addr_t address_from(const char *text, uint16_t port);
/* Where others reach the socket: its port on loopback. */
ph_addr_t address_of(int fd);
bool is_same_address(const ph_addr_t *a, const ph_addr_t *b);

/* Sockets without a handler. Receiving waits for the time that a test waits. */
void send_plainly(int fd, ph_addr_t to, const void *data, size_t length);
size_t receive_plainly(int fd, void *buffer, size_t capacity);

/* A handler for a socket that is closed at once. */
udph_t *open_handler(int fd, const udph_config_t *config);
udph_stats_t stats_of(udph_t *h);
/* Closes it and checks that the counts add up. */
udph_stats_t close_handler(udph_t *h, int32_t deadline_ms);

/* Every function that takes a handle must answer -EBADF for this one, its other arguments being
 * good. */
void every_call_refuses(udph_t *h);

/* A sender and a receiver, and the receiver's address. */
struct pair {
    udph_t *sender, *receiver;
    ph_addr_t to;
};
struct pair open_pair(const udph_config_t *sender, const udph_config_t *receiver);
/* Closes both; nothing may be left unsent. */
void close_pair(struct pair *pair);

/* Datagrams that hold a number each, from `first` on. */
void dispatch_numbers(udph_t *h, ph_addr_t to, uint32_t first, uint32_t count);
/* Waits for one more. */
uint32_t receive_number(udph_t *h);
/* Sends `count` numbers of `size` bytes with few enough on their way for the smallest buffer, and
 * checks that each arrives exactly once and whole; gives whether all came in order. */
bool pump(udph_t *sender, udph_t *receiver, ph_addr_t to, uint32_t count, size_t size);

pthread_t start(void *(*body)(void *), void *argument);
void *join(pthread_t thread);

#endif
