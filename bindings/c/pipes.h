/* What the tests of named pipes share. */
#ifndef PIPES_H
#define PIPES_H

#include "support.h"

#include <string.h>

/* A configuration in which the fields given differ from the default. */
#define NPIPE(...) (&(npipe_config_t){.size = sizeof(npipe_config_t), __VA_ARGS__})

/* For a wait that is not to end by itself. */
enum { PIPE_PATIENCE_MS = 10000 };

/* A folder of the test's own, and a path in it where there is nothing yet. */
struct place {
    char folder[64], path[80];
};
struct place open_place(void);
/* Removes the folder with the FIFO in it. */
void close_place(const struct place *place);

npipe_t *open_npipe(const char *path, const npipe_config_t *config);
/* The same; it is a reader from now on. */
npipe_t *open_reader(const char *path, const npipe_config_t *config);
npipe_stats_t pipe_counts_of(npipe_t *h);
bool has_a_reader(npipe_t *h);

/* Sends one message. */
int32_t send_one(npipe_t *h, const void *data, size_t length, int32_t timeout_ms);
/* The next message must be this text. */
void say(npipe_t *h, const char *text);
void hears(npipe_t *h, const char *text);
/* Receives one message; gives its length, or the error. */
int64_t receive_one(npipe_t *h, void *out, size_t cap, int32_t timeout_ms);
void no_word_comes(npipe_t *h);

/* Messages that tell who sent them, as its how manyth, and how long they are. */
struct head {
    uint32_t sender, number, length;
};
/* Writes a message of `head.length` bytes, which are at least a head. */
void write_message(uint8_t *message, struct head head);
/* The head of a message, which must be whole. */
struct head check_message(const uint8_t *message, size_t length);

/* Every function that takes a pipe must answer -EBADF for this one, its other arguments being
 * good. */
void every_pipe_call_refuses(npipe_t *h);

/* --- the wire: a FIFO in packet mode, each packet a header and a part of a message --- */

enum { HEADER = 24, PACKET = 4096, PART = PACKET - HEADER };
/* Where in a header: flags, the message's number, its length in all. */
enum { AT_FLAGS = 4, AT_ZERO = 5, AT_ID = 8, AT_TOTAL = 16 };
enum { FIRST = 1, LAST = 2 };

struct packet {
    uint8_t bytes[PACKET];
    size_t length;
};
/* Descriptors of a FIFO that know nothing of messages. */
int open_to_write(const char *path);
int open_to_read(const char *path);
/* The packets that a message of this length is sent as; gives how many, `most` at most. */
size_t packets_of(size_t length, struct packet *packets, size_t most);
void write_packet(int fd, const struct packet *packet);
uint64_t get_u64(const struct packet *packet, size_t at);
void set_u64(struct packet *packet, size_t at, uint64_t value);

#endif
