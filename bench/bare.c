/* The same work in plain C, without the library: what the kernel gives to a program that asks well.
 *
 *   bare receive [--gro 1]
 *       receives with recvmmsg, and polls when there is nothing
 *   bare send --port P [--destinations D] [--gso SEGMENTS] [--seconds S]
 *       sends with sendmmsg, flat out
 *   bare queue-delay
 *       thread A receives, thread B takes over an eventfd
 *   bare send-latency --port P [--rate R] [--seconds S]
 *       thread B hands over by an eventfd, thread A sends
 *   bare one --port P
 *       processor time of one sendto, of one recvfrom, and of one that finds nothing
 *
 * Receivers print their port first, and finish when their standard input is closed and nothing
 * comes any more.
 */
#define _GNU_SOURCE
#include "common.h"
#include "handover.h"

enum { MESSAGES = 64, MESSAGE_BYTES = 2048, GRO_BYTES = 65536, SIZE = 64, MAX_SEGMENTS = 64 };
enum { CALLS = 200, ROUNDS = 500 }; /* calls in a row whose time is taken, and how often */

/* Messages to receive into, each with room for a control message. */
struct inbox {
    struct mmsghdr messages[MESSAGES];
    struct iovec parts[MESSAGES];
    uint8_t control[MESSAGES][128];
};

static struct inbox *new_inbox(size_t bytes)
{
    struct inbox *in = calloc(1, sizeof *in);
    uint8_t *data = malloc(MESSAGES * bytes);
    if (in == NULL || data == NULL)
        die("malloc");
    for (int i = 0; i < MESSAGES; i++) {
        in->parts[i] = (struct iovec){data + (size_t)i * bytes, bytes};
        in->messages[i].msg_hdr.msg_iov = &in->parts[i];
        in->messages[i].msg_hdr.msg_iovlen = 1;
        in->messages[i].msg_hdr.msg_control = in->control[i];
    }
    return in;
}

/* Gives the number of messages, 0 when the sender has finished and nothing more comes. */
static int receive(int fd, struct inbox *in)
{
    for (;;) {
        for (int i = 0; i < MESSAGES; i++)
            in->messages[i].msg_hdr.msg_controllen = sizeof in->control[i];
        int n = recvmmsg(fd, in->messages, MESSAGES, MSG_DONTWAIT, NULL);
        if (n > 0)
            return n;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, QUIET_MS) == 0 && sender_finished())
            return 0;
    }
}

static int run_receive(int argc, char **argv)
{
    int gro = option(argc, argv, "gro", 0) > 0;
    struct inbox *in = new_inbox(gro ? GRO_BYTES : MESSAGE_BYTES);
    int fd = receiving_socket();
    set_option(fd, SOL_UDP, UDP_GRO, gro);
    struct tally got = {0};
    for (int n; (n = receive(fd, in)) > 0;) {
        for (int i = 0; i < n; i++) {
            struct mmsghdr *m = &in->messages[i];
            size_t count = datagrams_in(m);
            tally_add(&got, count, sum_sequence(in->parts[i].iov_base, count, datagram_size(m)));
        }
    }
    print_tally(&got);
    return 0;
}

static int run_send(int argc, char **argv)
{
    static uint8_t data[MAX_SEGMENTS * SIZE];
    static struct sockaddr_in to[MESSAGES * 1024];
    static struct mmsghdr messages[MESSAGES * 1024];
    struct iovec part = {data, SIZE};
    int segments = (int)option(argc, argv, "gso", 1);
    int destinations = (int)option(argc, argv, "destinations", 1);
    int port = (int)option(argc, argv, "port", 0);
    int fd = udp_socket();
    if (segments > 1) {
        set_option(fd, SOL_UDP, UDP_SEGMENT, SIZE);
        part.iov_len *= (size_t)segments;
    }
    /* Enough messages for whole turns through all destinations in whole batches. */
    int total = destinations * MESSAGES;
    for (int i = 0; i < total; i++) {
        to[i] = destination(i % destinations, port);
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &part, .msg_iovlen = 1};
    }
    int64_t start = now_ns(), end = start + (int64_t)(option(argc, argv, "seconds", 1) * SECOND),
            count = 0;
    for (int at = 0; now_ns() < end; at = (at + MESSAGES) % total) {
        int sent = sendmmsg(fd, messages + at, MESSAGES, 0);
        if (sent < 0)
            die("sendmmsg");
        count += (int64_t)sent * segments;
    }
    print_rate(count, now_ns() - start);
    return 0;
}

/* --- two threads and an eventfd ------------------------------------------------------------- */

struct receiving {
    struct handover queue;
    int fd;
};

static int64_t received_at(struct mmsghdr *message)
{
    struct timespec t = {0};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message->msg_hdr);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
        memcpy(&t, CMSG_DATA(c), sizeof t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static void *receive_and_hand_over(void *argument)
{
    struct receiving *r = argument;
    struct inbox *in = new_inbox(MESSAGE_BYTES);
    for (int n; (n = receive(r->fd, in)) > 0;) {
        for (int i = 0; i < n; i++)
            handover_put(&r->queue, in->parts[i].iov_base, in->messages[i].msg_len,
                         received_at(&in->messages[i]));
        handover_wake(&r->queue);
    }
    handover_finish(&r->queue);
    return NULL;
}

static int run_queue_delay(void)
{
    static struct receiving r;
    static struct delays delays;
    pthread_t thread;
    r.fd = receiving_socket();
    set_option(r.fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    handover_open(&r.queue);
    if (pthread_create(&thread, NULL, receive_and_hand_over, &r) != 0)
        die("pthread_create");
    struct item item;
    while (handover_take(&r.queue, &item))
        delays_add(&delays, now_on(CLOCK_REALTIME) - item.moment);
    pthread_join(thread, NULL);
    print_delays(&delays);
    return 0;
}

struct sending {
    struct handover queue;
    struct sockaddr_in to;
    struct delays delays;
};

static void *take_and_send(void *argument)
{
    struct sending *s = argument;
    int fd = udp_socket();
    struct item item;
    while (handover_take(&s->queue, &item)) {
        if (sendto(fd, item.data, item.len, 0, (struct sockaddr *)&s->to, sizeof s->to) < 0)
            die("sendto");
        delays_add(&s->delays, now_ns() - item.moment);
    }
    return NULL;
}

static int run_send_latency(int argc, char **argv)
{
    static struct sending s;
    static uint8_t data[SIZE];
    pthread_t thread;
    s.to = destination(0, (int)option(argc, argv, "port", 0));
    handover_open(&s.queue);
    wake_on_time();
    if (pthread_create(&thread, NULL, take_and_send, &s) != 0)
        die("pthread_create");
    int64_t step = (int64_t)(SECOND / option(argc, argv, "rate", 10000));
    int64_t start = now_ns(), end = start + (int64_t)(option(argc, argv, "seconds", 1) * SECOND);
    for (int64_t next = start; next < end; next += step) {
        sleep_until(next);
        handover_put(&s.queue, data, sizeof data, now_ns());
        handover_wake(&s.queue);
    }
    handover_finish(&s.queue);
    pthread_join(thread, NULL);
    print_delays(&s.delays);
    return 0;
}

static int64_t one_send(int fd, struct sockaddr_in to)
{
    static uint8_t data[SIZE];
    int64_t start = now_on(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < CALLS; i++)
        if (sendto(fd, data, sizeof data, 0, (struct sockaddr *)&to, sizeof to) < 0)
            die("sendto");
    return now_on(CLOCK_THREAD_CPUTIME_ID) - start;
}

static int64_t one_receive(int fd, ssize_t length)
{
    static uint8_t data[GRO_BYTES];
    int64_t start = now_on(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < CALLS; i++) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        if (recvfrom(fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&from, &size) != length)
            die("recvfrom");
    }
    return now_on(CLOCK_THREAD_CPUTIME_ID) - start;
}

static int run_one(int argc, char **argv)
{
    struct sockaddr_in sink = destination(0, (int)option(argc, argv, "port", 0));
    int fd = udp_socket();
    struct sockaddr_in self = destination(0, 0);
    socklen_t size = sizeof self;
    if (bind(fd, (struct sockaddr *)&self, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&self, &size) != 0)
        die("bind");
    int64_t send = 0, receive = 0, empty = 0;
    for (int round = 0; round < ROUNDS; round++) {
        send += one_send(fd, sink);
        one_send(fd, self);
        receive += one_receive(fd, SIZE);
        empty += one_receive(fd, -1);
    }
    double count = (double)CALLS * ROUNDS;
    printf("{\"count\": %.0f, \"send_ns\": %.1f, \"receive_ns\": %.1f, \"empty_ns\": %.1f}\n", count,
           (double)send / count, (double)receive / count, (double)empty / count);
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
    if (strcmp(work, "one") == 0)
        return run_one(argc, argv);
    fprintf(stderr, "usage: bare receive|send|queue-delay|send-latency|one ...\n");
    return 2;
}
