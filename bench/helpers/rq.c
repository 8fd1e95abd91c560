/* Threads that receive into a queue of the library.
 *
 *   helpers-rq [--policy P] [--batch 1] [--seconds S]
 *       a turn of S seconds for each line that it is sent; policy as in the header: RQ_RW, 1
 */
#define _GNU_SOURCE
#include "receivers.h"

#include "../check.h"

static rq_t *queue;
static uint32_t policy;

static const uint8_t *bytes(const char *text)
{
    return (const uint8_t *)text;
}

/* Anew for each turn: where a queue's keys come to lie is chance. */
static void open_buffers(void)
{
    ph_bytes_t groups[] = {{.data = bytes(group), .len = GROUP}};
    check(rq_new(groups, 1, LENGTH, policy, NULL, &queue), "rq_new");
}

static void close_buffers(void)
{
    check(rq_close(queue), "rq_close");
}

static void receive(int thread, const ph_bytes_t *values, size_t n)
{
    const char *node = nodes[thread];
    int32_t taken = rq_receive(queue, bytes(group), GROUP, bytes(node), NODE, values, n);
    check(taken, "rq_receive");
    if ((size_t)taken != n)
        fail("rq_receive: not all values");
}

static void newest(int thread, uint8_t *value)
{
    rq_value_t values[LENGTH];
    uint8_t out[LENGTH * SIZE];
    const char *node = nodes[thread];
    int64_t n = rq_extract(queue, bytes(group), GROUP, bytes(node), NODE, values, LENGTH, out,
                           sizeof out, NULL);
    check(n, "rq_extract");
    if (n == 0 || values[n - 1].len != SIZE)
        fail("rq_extract: not the values");
    memcpy(value, out + values[n - 1].offset, SIZE);
}

int main(int argc, char **argv)
{
    policy = (uint32_t)option(argc, argv, "policy", RQ_RW);
    return run_receivers(argc, argv);
}
