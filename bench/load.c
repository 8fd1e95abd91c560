/* The native load generator.
 *
 *   load send --port P [--rate R] [--seconds S] [--size 64] [--flows 1] [--gso SEGMENTS]
 *       sends numbered datagrams to 127.0.0.1:P, R a second (0: as fast as it can), from as many
 *       source sockets as there are flows, with GSO when SEGMENTS > 1. Prints what it sent.
 *   load sink
 *       receives on a free port and throws away until its standard input closes. Prints what came.
 */
#define _GNU_SOURCE
#include "common.h"

enum { MESSAGES = 64, MAX_FLOWS = 256, SINK_SLEEP_NS = 500000, PACE_NS = 100000 };

struct generator {
    struct mmsghdr messages[MESSAGES];
    struct iovec parts[MESSAGES];
    uint8_t *data;
    size_t size, segments;
    int flows[MAX_FLOWS], flow_count, flow;
    uint64_t sequence;
};

static void prepare(struct generator *g, int port)
{
    g->data = calloc(MESSAGES, g->size * g->segments);
    if (g->data == NULL)
        die("calloc");
    for (int i = 0; i < MESSAGES; i++) {
        g->parts[i].iov_base = g->data + (size_t)i * g->size * g->segments;
        g->parts[i].iov_len = g->size * g->segments;
        g->messages[i].msg_hdr.msg_iov = &g->parts[i];
        g->messages[i].msg_hdr.msg_iovlen = 1;
    }
    struct sockaddr_in to = destination(0, port);
    for (int i = 0; i < g->flow_count; i++) {
        g->flows[i] = udp_socket();
        if (connect(g->flows[i], (struct sockaddr *)&to, sizeof to) != 0)
            die("connect");
        if (g->segments > 1)
            set_option(g->flows[i], SOL_UDP, UDP_SEGMENT, (int)g->size);
    }
}

/* Numbers and sends up to `messages` messages on the next flow; gives how many datagrams left. */
static size_t send_some(struct generator *g, size_t messages)
{
    for (size_t i = 0; i < messages * g->segments; i++) {
        uint64_t number = g->sequence + i;
        memcpy(g->data + i * g->size, &number, sizeof number);
    }
    int fd = g->flows[g->flow++ % g->flow_count];
    int sent = sendmmsg(fd, g->messages, (unsigned)messages, 0);
    if (sent < 0 && errno == ECONNREFUSED)
        return 0; /* the receiver has gone: the count tells */
    if (sent < 0)
        die("sendmmsg");
    g->sequence += (size_t)sent * g->segments;
    return (size_t)sent * g->segments;
}

static void send_flat_out(struct generator *g, int64_t end)
{
    while (now_ns() < end)
        send_some(g, MESSAGES);
}

/* Small bursts on absolute deadlines: what a late wake-up missed goes out with the next burst, and
 * what cannot be sent before the end is not sent at all. */
static void send_paced(struct generator *g, double rate, int64_t start, int64_t end)
{
    int64_t step = rate * PACE_NS < SECOND ? (int64_t)(SECOND / rate) : PACE_NS;
    for (int64_t now = start; now < end; now = now_ns()) {
        double due = rate * (double)(now - start) / SECOND + 1;
        if (g->sequence + g->segments > due) {
            sleep_until(now + step - (now - start) % step);
            continue;
        }
        size_t messages = (size_t)(due - (double)g->sequence) / g->segments;
        if (send_some(g, messages < MESSAGES ? messages : MESSAGES) == 0)
            return;
    }
}

static int run_send(int argc, char **argv)
{
    static struct generator g;
    double rate = option(argc, argv, "rate", 0);
    double gso = option(argc, argv, "gso", 0);
    g.size = (size_t)option(argc, argv, "size", 64);
    g.segments = gso > 1 ? (size_t)gso : 1;
    g.flow_count = (int)option(argc, argv, "flows", 1);
    if (g.size < sizeof g.sequence || g.size * g.segments > 65000 || g.flow_count < 1 ||
        g.flow_count > MAX_FLOWS) {
        fprintf(stderr,
                "load: 8 bytes at least, 65,000 a message and %d flows at most\n",
                MAX_FLOWS);
        return 2;
    }
    prepare(&g, (int)option(argc, argv, "port", 0));
    wake_on_time();
    int64_t start = now_ns();
    int64_t end = start + (int64_t)(option(argc, argv, "seconds", 1) * SECOND);
    if (rate > 0)
        send_paced(&g, rate, start, end);
    else
        send_flat_out(&g, end);
    print_rate((int64_t)g.sequence, now_ns() - start);
    return 0;
}

/* The sink shall not be what limits a sender, nor take much of the machine from it: GRO lets it
 * throw a burst away at once, it has the kernel copy nothing, and it sleeps between drains, because
 * whoever sends to a waiting receiver pays for waking it. */
static int run_sink(void)
{
    static uint8_t control[MESSAGES][128];
    static struct mmsghdr messages[MESSAGES];
    int fd = receiving_socket();
    set_option(fd, SOL_UDP, UDP_GRO, 1);
    for (int i = 0; i < MESSAGES; i++)
        messages[i].msg_hdr.msg_control = control[i];
    int64_t count = 0, start = now_ns();
    for (;;) {
        for (int i = 0; i < MESSAGES; i++)
            messages[i].msg_hdr.msg_controllen = sizeof control[i];
        /* MSG_TRUNC: the length is that of the datagram, not of what was copied. */
        int n = recvmmsg(fd, messages, MESSAGES, MSG_DONTWAIT | MSG_TRUNC, NULL);
        for (int i = 0; i < n; i++)
            count += (int64_t)datagrams_in(&messages[i]);
        if (n < 0 && sender_finished())
            break;
        if (n < 0)
            sleep_until(now_ns() + SINK_SLEEP_NS);
    }
    print_rate(count, now_ns() - start);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "send") == 0)
        return run_send(argc, argv);
    if (argc > 1 && strcmp(argv[1], "sink") == 0)
        return run_sink();
    fprintf(stderr, "usage: load send|sink ...\n");
    return 2;
}
