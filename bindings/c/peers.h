/* What the tests of peers and broadcasts share. */
#ifndef PEERS_H
#define PEERS_H

#include "support.h"

/* Configurations in which the fields given differ from the default. */
#define PEER(...) (&(peer_config_t){.size = sizeof(peer_config_t), __VA_ARGS__})
#define BCAST(...) (&(bcast_config_t){.size = sizeof(bcast_config_t), __VA_ARGS__})

/* For `addr` of a configuration: a free port of the loopback, or of all addresses. */
#define ON_V4 .addr = {.ip = {127, 0, 0, 1}, .family = 4}
#define ON_V6 .addr = {.ip = {[15] = 1}, .family = 6}
#define ON_BOTH .addr = {.family = 6}

/* Longest payloads of the two protocols, and room for one of them with another behind it. */
enum { LONGEST_V4 = 65507, LONGEST_V6 = 65527, ROOM = 1 << 17 };

/* For a wait that is not to end by itself. */
enum { PATIENCE_MS = 10000 };

/* Index of the loopback interface. */
uint32_t loopback(void);

/* --- peers --- */

peer_t *new_peer(const peer_config_t *config);
peer_t *open_peer(const peer_config_t *config);

/* Where others of this host reach it: by the loopback when it is bound to all addresses. */
ph_addr_t where(peer_t *h);
peer_stats_t counts_of(peer_t *h);

/* Waits for one datagram of any length; its payload is good until the next. For one thread at a
 * time. `arrival`: NULL where it does not matter. */
ph_datagram_t take_one(peer_t *h, ph_arrival_t *arrival);
/* Waits for one more number. */
uint32_t take_number(peer_t *h);
void nothing_more_comes(peer_t *h);

void send_text(peer_t *h, ph_addr_t to, const char *text);
/* Sends `count` datagrams of `size` bytes in one call; gives what the call gave. Each begins with
 * its number where there is room, and is full of its low byte. */
int64_t send_numbers(peer_t *h, ph_addr_t to, uint32_t first, uint32_t count, size_t size);
void check_number(const ph_datagram_t *item, uint32_t number, size_t size);

/* Sends `count` numbers of `size` bytes with few enough on their way for the smallest buffer; they
 * must arrive whole and in order, in calls of `n` at most. */
void carry(peer_t *sender, peer_t *receiver, uint32_t count, size_t size, size_t n);

/* Every function that takes a handle must answer -EBADF for this one, its other arguments being
 * good. */
void every_peer_call_refuses(peer_t *h);

/* --- broadcasts --- */

/* On the loopback alone. `config`: NULL for the defaults. */
bcast_t *open_bcast(const bcast_config_t *config);
bcast_stats_t bcast_counts_of(bcast_t *h);
/* As take_one. */
ph_datagram_t take_message(bcast_t *h, ph_arrival_t *arrival);
void no_message_comes(bcast_t *h);
/* Sends it by one interface. */
void send_message(bcast_t *h, const char *text);
void check_text(ph_datagram_t item, const char *text);
void every_bcast_call_refuses(bcast_t *h);

#endif
