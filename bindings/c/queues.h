/* What the tests of receive queues share. */
#ifndef QUEUES_H
#define QUEUES_H

#include "support.h"

#include <string.h>

/* A configuration in which the fields given differ from the default. */
#define RQ(...) (&(rq_config_t){.size = sizeof(rq_config_t), __VA_ARGS__})
#define FEED(...) (&(rq_feed_config_t){.size = sizeof(rq_feed_config_t), __VA_ARGS__})

/* Two arguments, for a name or a key: its bytes, and how many. */
#define KEY(text) (const uint8_t *)(text), strlen(text)

/* For a wait that is not to end by itself. */
enum { RQ_PATIENCE_MS = 10000 };

/* The groups "a", "b" and "". `config`: NULL for the defaults. */
rq_t *open_queue(size_t length, uint32_t policy, const rq_config_t *config);
/* Runs `body` with an open queue of each policy, which it leaves open. */
void on_each_policy(size_t length, void (*body)(rq_t *q));
rq_stats_t queue_counts_of(rq_t *q);
rq_buffer_stats_t buffer_counts_of(rq_t *q, const char *group, const char *idx);

/* One value; all that has come before must have found room. */
void put(rq_t *q, const char *group, const char *idx, const char *value);
/* Whether a buffer holds exactly these values, which `expected` separates by commas; NULL: none. */
bool holds(rq_t *q, const char *group, const char *idx, const char *expected);

/* What an extract has given; `values` and `bytes` belong to the caller, who frees them. */
struct extract {
    size_t n;
    rq_value_t *values;
    uint8_t *bytes;
};
/* Asks how much there is until it fits: others may add to it meanwhile. */
struct extract extract_one(rq_t *q, const char *group, const uint8_t *idx, size_t idx_len);
struct extract extract_group(rq_t *q, const char *group);
void free_extract(struct extract *extract);

/* A number as a value, and a value as a number. */
void put_number(rq_t *q, const char *group, const char *idx, uint32_t number);
uint32_t number_at(const struct extract *extract, size_t at);

/* Every function that takes a queue must answer -EBADF for this one, its other arguments being
 * good. */
void every_queue_call_refuses(rq_t *q);
void every_feed_call_refuses(rq_t *q);

rq_feed_stats_t feed_counts_of(rq_t *q, int64_t feed);
/* Whether this many values have come, or were refused; there must not be more. */
bool has_fed(rq_t *q, int64_t feed, uint64_t count);

#endif
