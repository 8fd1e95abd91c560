/* The same work as bare.c, through the library.
 *
 *   ours receive [--gro 1]
 *   ours send --port P [--destinations D] [--gso 1] [--seconds S]
 *   ours queue-delay
 *   ours send-latency --port P [--rate R]
 */
#define _GNU_SOURCE
#include "check.h"
#include "common.h"

enum {
    ITEMS = 1024,
    BUFFER = 1 << 20,
    SIZE = 64,
    SEND_QUEUE = 1 << 16,
    DRAIN_MS = 5000,
    FOR_EVER = -1
};

static udph_t *open_handler(int fd, uint32_t recv_reactors, uint32_t flags)
{
    udph_config_t config = {.size = sizeof config,
                            .recv_reactors = recv_reactors,
                            .flags = flags,
                            .send_policy = UDPH_WAIT,
                            .send_queue_items = SEND_QUEUE};
    udph_t *h;
    check(udph_new(fd, &config, &h), "udph_new");
    close(fd);
    return h;
}

static ph_datagram_t items[ITEMS];
static uint8_t buffer[BUFFER];

/* Gives the number of items, 0 when the sender has finished and nothing more comes. */
static int64_t receive(udph_t *h)
{
    for (;;) {
        int64_t n = udph_get_recved(h, items, ITEMS, buffer, sizeof buffer, QUIET_MS);
        if (n > 0)
            return n;
        if (n != -ETIMEDOUT)
            check(n, "udph_get_recved");
        if (sender_finished())
            return 0;
    }
}

static int run_receive(int argc, char **argv)
{
    udph_t *h =
        open_handler(receiving_socket(), 1, option(argc, argv, "gro", 0) > 0 ? 0 : UDPH_NO_GRO);
    struct tally got = {0};
    for (int64_t n; (n = receive(h)) > 0;) {
        uint64_t sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += sum_sequence(items[i].data, 1, items[i].len);
        tally_add(&got, (size_t)n, sum);
    }
    check(udph_close(h, 0, NULL), "udph_close");
    print_tally(&got);
    return 0;
}

static int run_send(int argc, char **argv)
{
    static uint8_t data[SIZE];
    int destinations = (int)option(argc, argv, "destinations", 1);
    int port = (int)option(argc, argv, "port", 0);
    int total = destinations * ITEMS;
    ph_datagram_t *all = calloc((size_t)total, sizeof *all);
    if (all == NULL)
        die("calloc");
    for (int i = 0; i < total; i++) {
        struct sockaddr_in to = destination(i % destinations, port);
        memcpy(all[i].addr.ip, &to.sin_addr, sizeof to.sin_addr);
        all[i].addr.port = (uint16_t)port;
        all[i].addr.family = 4;
        all[i].data = data;
        all[i].len = sizeof data;
    }
    udph_t *h = open_handler(udp_socket(), 0, option(argc, argv, "gso", 0) > 0 ? 0 : UDPH_NO_GSO);
    int64_t start = now_ns(), end = start + (int64_t)(option(argc, argv, "seconds", 1) * SECOND);
    for (int at = 0; now_ns() < end; at = (at + ITEMS) % total) {
        for (int64_t taken = 0; taken < ITEMS;) {
            int64_t n = udph_dispatch(h, all + at + taken, (size_t)(ITEMS - taken), FOR_EVER);
            check(n, "udph_dispatch");
            taken += n;
        }
    }
    /* Closing sends what is queued: its time belongs to the sending. */
    udph_stats_t stats = {.size = sizeof stats};
    check(udph_close(h, DRAIN_MS, &stats), "udph_close");
    print_rate((int64_t)stats.sent, now_ns() - start);
    return 0;
}

static int run_queue_delay(void)
{
    static struct delays delays;
    udph_t *h = open_handler(receiving_socket(), 1, 0);
    for (int64_t n; (n = receive(h)) > 0;)
        for (int64_t i = 0; i < n; i++)
            delays_add(&delays, items[i].delay_ns);
    check(udph_close(h, 0, NULL), "udph_close");
    print_delays(&delays);
    return 0;
}

static int run_send_latency(int argc, char **argv)
{
    static uint8_t data[SIZE];
    ph_datagram_t one = {.data = data, .len = sizeof data};
    int port = (int)option(argc, argv, "port", 0);
    struct sockaddr_in to = destination(0, port);
    memcpy(one.addr.ip, &to.sin_addr, sizeof to.sin_addr);
    one.addr.port = (uint16_t)port;
    one.addr.family = 4;
    udph_t *h = open_handler(udp_socket(), 0, 0);
    wake_on_time();
    int64_t step = (int64_t)(SECOND / option(argc, argv, "rate", 10000));
    int64_t start = now_ns(), end = start + (int64_t)(option(argc, argv, "seconds", 1) * SECOND);
    for (int64_t next = start; next < end; next += step) {
        sleep_until(next);
        check(udph_dispatch(h, &one, 1, 0), "udph_dispatch");
    }
    udph_stats_t stats = {.size = sizeof stats};
    check(udph_close(h, DRAIN_MS, &stats), "udph_close");
    printf("{\"count\": %llu, \"p50_ns\": %llu, \"p99_ns\": %llu}\n",
           (unsigned long long)stats.sent, (unsigned long long)stats.send_latency.p50,
           (unsigned long long)stats.send_latency.p99);
    return 0;
}

int main(int argc, char **argv)
{
    const char *work = argc > 1 ? argv[1] : "";
    if (strcmp(work, "receive") == 0)
        return run_receive(argc, argv);
    if (strcmp(work, "send") == 0)
        return run_send(argc, argv);
    if (strcmp(work, "queue-delay") == 0)
        return run_queue_delay();
    if (strcmp(work, "send-latency") == 0)
        return run_send_latency(argc, argv);
    fprintf(stderr, "usage: ours receive|send|queue-delay|send-latency ...\n");
    return 2;
}
