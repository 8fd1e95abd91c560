/* Threads that receive into rings behind one mutex.
 *
 *   helpers-ring [--batch 1] [--keys 0] [--each 0] [--seconds S]
 *       a turn of S seconds for each line that it is sent. A thread knows its ring beforehand; with
 *       keys it is found by a group and an idx, in a table that the mutex guards, too. The mutex is
 *       taken once for the values of a call, or for each of them
 */
#define _GNU_SOURCE
#include "receivers.h"

enum { PLACES = 64, KEY_BYTES = 32 };

struct slot {
    size_t len;
    uint8_t data[SIZE];
};

struct ring {
    char group[KEY_BYTES], idx[KEY_BYTES];
    size_t group_len, idx_len, next;
    struct slot slots[LENGTH];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ring rings[THREADS];
static struct ring *places[PLACES]; /* by the hash of the keys, or in the next place that is free */
static int with_keys, each;

/* FNV-1a */
static uint64_t hash(uint64_t state, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        state = (state ^ (uint8_t)text[i]) * 1099511628211u;
    return state;
}

/* Where the ring of these keys is, or is to be. */
static struct ring **place_of(const char *group, size_t group_len, const char *idx, size_t idx_len)
{
    uint64_t at = hash(hash(14695981039346656037u, group, group_len), idx, idx_len);
    for (;; at++) {
        struct ring **place = &places[at % PLACES], *r = *place;
        if (r == NULL || (r->group_len == group_len && r->idx_len == idx_len &&
                          memcmp(r->group, group, group_len) == 0 &&
                          memcmp(r->idx, idx, idx_len) == 0))
            return place;
    }
}

static void open_buffers(void)
{
    for (int i = 0; i < THREADS; i++) {
        struct ring *r = &rings[i];
        memset(r, 0, sizeof *r);
        r->group_len = strlen(strcpy(r->group, group));
        r->idx_len = strlen(strcpy(r->idx, nodes[i]));
        *place_of(r->group, r->group_len, r->idx, r->idx_len) = r;
    }
}

static void close_buffers(void)
{
    memset(places, 0, sizeof places);
}

static void put(struct ring *r, const ph_bytes_t *value)
{
    struct slot *slot = &r->slots[r->next];
    slot->len = value->len;
    memcpy(slot->data, value->data, value->len);
    r->next = r->next + 1 < LENGTH ? r->next + 1 : 0;
}

static void receive(int thread, const ph_bytes_t *values, size_t n)
{
    size_t step = each ? 1 : n;
    for (size_t done = 0; done < n; done += step) {
        pthread_mutex_lock(&lock);
        struct ring *r = &rings[thread];
        if (with_keys)
            r = *place_of(group, GROUP, nodes[thread], NODE);
        for (size_t i = 0; i < step; i++)
            put(r, &values[done + i]);
        pthread_mutex_unlock(&lock);
    }
}

static void newest(int thread, uint8_t *value)
{
    const struct ring *r = &rings[thread];
    memcpy(value, r->slots[(r->next + LENGTH - 1) % LENGTH].data, SIZE);
}

int main(int argc, char **argv)
{
    with_keys = option(argc, argv, "keys", 0) > 0;
    each = option(argc, argv, "each", 0) > 0;
    return run_receivers(argc, argv);
}
