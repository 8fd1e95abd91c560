/* What inject.sh runs under strace while system calls fail.
 *
 *   inject traffic COUNT   sends COUNT datagrams through two handlers: all must arrive, once
 *   inject new             makes a handler that receives; says `made`, or `refused` and with what
 *   inject peer COUNT      sends COUNT datagrams from peer to peer, in batches and one by one
 *   inject beacon          starts a beacon that is heard; says `made`, or `refused` and with what
 *   inject loop COUNT WHICH  sends COUNT messages, there and back in turn, by connections of an
 *                          event loop, whose backend WHICH is: epoll, poll or select
 *   inject listener        makes a loop that listens; says `made`, or `refused` and with what
 *   inject queue           makes a receive queue that is waited for, and a peer that feeds it; says
 *                          `made`, or `refused` and with what
 *   inject feed COUNT      sends COUNT datagrams to a peer that feeds a receive queue
 *   inject pipe COUNT WHICH  sends COUNT messages by a named pipe, from thread to thread; WHICH:
 *                          `whole`, or `parts`, where each write takes one packet and no more
 *   inject nobody          sends by a named pipe whose reader has ended, where SIGPIPE would kill
 *   inject fifo            makes a named pipe that sends and receives; says `made`, or `refused`
 *                          and with what
 *
 * Ends with status 0 when all is well, 1 with a reason otherwise. */
#include "check.h"
#include "loops.h"
#include "peers.h"
#include "pipes.h"
#include "queues.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, PATIENCE_S = 20 };

void check_failed(const char *file, int line, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    printf("%s:%d: ", file, line);
    vprintf(format, values);
    printf("\n");
    exit(1);
}

bool check_is_out_of_time(int64_t *since)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (*since == 0) *since = now_ns();
    return now_ns() - *since > PATIENCE_S * SECOND;
}

static void traffic(uint32_t count)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    pump(pair.sender, pair.receiver, pair.to, count, SIZE);
    udph_stats_t out = close_handler(pair.sender, 5000), in = close_handler(pair.receiver, 0);
    CHECK_IS(out.sent, count);
    CHECK_IS(out.send_errors, 0);
    CHECK_IS(in.delivered, count);
    CHECK_IS(in.kernel_drops, 0);
}

/* A refusal must leave nothing behind, and not stand in the way of the next attempt. */
static void refused(int fd, int32_t error)
{
    udph_t *h = NULL;
    CHECK_IS(udph_new(fd, RECEIVING, &h), 0);
    close_handler(h, 0);
    printf("refused: %s\n", ph_strerror(error));
}

static void make(void)
{
    int fd = open_group_socket();
    size_t threads = count_threads(), descriptors = count_descriptors();
    udph_t *h = NULL;
    int32_t result = udph_new(fd, CONFIG(.send_reactors = 2, .recv_reactors = 2), &h);
    if (result == 0) close_handler(h, 0);
    else CHECK(h == NULL);
    CHECK_EVENTUALLY(count_threads() == threads);
    CHECK_IS(count_descriptors(), descriptors);
    if (result == 0) printf("made\n");
    else refused(fd, result);
    CHECK_IS(count_descriptors(), descriptors);
    close(fd);
}

/* What fails is taken up again by the caller, as it finds nothing and loses nothing. */
static void peer(uint32_t count)
{
    peer_t *sender = open_peer(PEER(ON_V4)), *h = open_peer(PEER(ON_V4));
    ph_addr_t to = where(h), from;
    uint8_t payload[SIZE];
    ph_datagram_t item = {.addr = to, .data = payload, .len = SIZE};
    for (uint32_t number = 0; number < count; number++) {
        memset(payload, (uint8_t)number, SIZE);
        memcpy(payload, &number, sizeof number);
        CHECK_EVENTUALLY(number % 2 ? peer_send(sender, &item, NULL, 1) == 1
                                    : peer_send_to(sender, &to, 0, payload, SIZE) == SIZE);
        uint8_t buffer[65535];
        ph_datagram_t got = {.data = buffer, .len = SIZE};
        if (number % 3)
            CHECK_EVENTUALLY(peer_receive_from(h, buffer, sizeof buffer, &from) == SIZE);
        else CHECK_IS(peer_receive(h, &got, NULL, 1, buffer, sizeof buffer, PATIENCE_MS), 1);
        check_number(&got, number, SIZE);
    }
    CHECK_IS(counts_of(sender).sent, count);
    CHECK_IS(counts_of(h).received, count);
    CHECK_IS(peer_close(sender), 0);
    CHECK_IS(peer_close(h), 0);
}

static void beacon(void)
{
    size_t threads = count_threads();
    bcast_t *h = open_bcast(NULL);
    size_t descriptors = count_descriptors();
    int32_t result = bcast_beacon(h, (const uint8_t *)"here", 4, 5);
    if (result < 0) {
        CHECK_IS(count_threads(), threads);
        CHECK_IS(count_descriptors(), descriptors);
        CHECK_IS(bcast_beacon(h, (const uint8_t *)"here", 4, 5), 0);
    }
    for (int i = 0; i < 3; i++) CHECK_IS(take_message(h, NULL).len, 4);
    CHECK_IS(bcast_close(h), 0);
    CHECK_EVENTUALLY(count_threads() == threads);
    if (result < 0) printf("refused: %s\n", ph_strerror(result));
    else printf("made\n");
}

static uint32_t backend_called(const char *name)
{
    if (strcmp(name, "poll") == 0) return EVLOOP_POLL;
    return strcmp(name, "select") == 0 ? EVLOOP_SELECT : EVLOOP_EPOLL;
}

static void loop(uint32_t count, uint32_t backend)
{
    enum { CONNECTIONS = 4 };
    evloop_t *loop = open_loop(backend);
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        struct link link;
        open_link(&link, loop, NULL, NULL);
        for (uint32_t sent = 0; sent < count / CONNECTIONS; sent++) {
            struct end *from = sent % 2 ? &link.client : &link.server;
            carry_over(from, sent % 2 ? &link.server : &link.client, SIZE);
        }
        close_link(&link);
    }
    close_loop(loop);
}

/* All that a server begins with; gives the first error. */
static int32_t serve(void)
{
    evloop_t *loop = NULL;
    int32_t result = evloop_new(NULL, &loop);
    if (result < 0) return result;
    int64_t listener = tcp_listen(loop, "127.0.0.1", "0", NULL, NULL);
    int32_t fd = evloop_fd(loop);
    CHECK_IS(evloop_close(loop), 0);
    return listener < 0 ? (int32_t)listener : fd;
}

static void listener(void)
{
    size_t descriptors = count_descriptors();
    int32_t result = serve();
    CHECK_IS(count_descriptors(), descriptors);
    if (result < 0) printf("refused: %s\n", ph_strerror(result));
    else printf("made\n");
    if (result < 0) CHECK(serve() >= 0);
    CHECK_IS(count_descriptors(), descriptors);
}

/* --- receive queues --- */

/* All that a queue, its descriptor and a feed are made of; gives the first error. */
static int32_t wait_and_feed(void)
{
    const ph_bytes_t group = {KEY("a")};
    rq_t *q = NULL;
    int32_t result = rq_new(&group, 1, 10, RQ_RW, NULL, &q);
    if (result < 0) {
        CHECK(q == NULL);
        return result;
    }
    peer_t *source = open_peer(PEER(ON_V4));
    int64_t feed = rq_feed_peer(q, KEY("a"), NULL, source);
    int32_t fd = rq_fd(q, KEY("a")), waited = rq_wait(q, KEY("a"), 1);
    put(q, "a", "i", "value");
    CHECK(holds(q, "a", "i", "value"));
    CHECK_IS(rq_close(q), 0);
    CHECK_IS(peer_close(source), 0);
    if (feed < 0) return (int32_t)feed;
    return fd >= 0 && waited != -ETIMEDOUT ? waited : fd;
}

static void queue(void)
{
    size_t threads = count_threads(), descriptors = count_descriptors();
    int32_t result = wait_and_feed();
    CHECK_EVENTUALLY(count_threads() == threads);
    CHECK_EVENTUALLY(count_descriptors() == descriptors);
    if (result < 0) printf("refused: %s\n", ph_strerror(result));
    else printf("made\n");
    if (result < 0) CHECK(wait_and_feed() >= 0);
}

static void feed(uint32_t count)
{
    peer_t *sender = open_peer(PEER(ON_V4)), *source = open_peer(PEER(ON_V4));
    rq_t *q = open_queue(count, RQ_RW, NULL);
    int64_t id = rq_feed_peer(q, KEY("a"), FEED(.key = RQ_BY_RANGE), source);
    CHECK(id > 0);
    for (uint32_t number = 0; number < count; number++) {
        CHECK_EVENTUALLY(send_numbers(sender, where(source), number, 1, SIZE) == 1);
        CHECK_EVENTUALLY(has_fed(q, id, number + 1));
    }
    struct extract held = extract_one(q, "a", KEY(""));
    CHECK_IS(held.n, count);
    for (uint32_t number = 0; number < count; number++) {
        const rq_value_t *value = &held.values[number];
        const ph_datagram_t item = {.data = held.bytes + value->offset, .len = value->len};
        check_number(&item, number, SIZE);
    }
    free_extract(&held);
    CHECK_IS(rq_close(q), 0);
    CHECK_IS(peer_close(source), 0);
    CHECK_IS(peer_close(sender), 0);
}

/* --- named pipes --- */

static bool is_in_parts;

/* What the library calls: a header and what follows it are one packet. */
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return syscall(SYS_writev, fd, parts, is_in_parts && count > 2 ? 2 : count);
}

static uint32_t length_of(uint32_t number)
{
    /* Now and then one that no pipe has room for. */
    return number % 50 == 7 ? 2 << 20 : (uint32_t)sizeof(struct head) + number % 23 * 700;
}

struct piping {
    npipe_t *sender;
    uint32_t count;
};

/* What fails is taken up again, as nothing was sent of it. */
static void *send_by_pipe(void *argument)
{
    const struct piping *piping = argument;
    uint8_t *message = malloc(2 << 20);
    for (uint32_t number = 0; number < piping->count; number++) {
        uint32_t length = length_of(number);
        write_message(message, (struct head){1, number, length});
        CHECK_EVENTUALLY(send_one(piping->sender, message, length, PIPE_PATIENCE_MS) == 1);
    }
    free(message);
    return NULL;
}

static void pipe_messages(uint32_t count)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    struct piping piping = {open_npipe(place.path, NULL), count};
    pthread_t thread = start(send_by_pipe, &piping);
    uint8_t *out = malloc(2 << 20);
    for (uint32_t number = 0; number < count; number++) {
        int64_t n = 0;
        CHECK_EVENTUALLY((n = receive_one(h, out, 2 << 20, PIPE_PATIENCE_MS)) >= 0);
        CHECK_IS(check_message(out, (size_t)n).number, number);
    }
    join(thread);
    free(out);
    CHECK_IS(pipe_counts_of(h).lost, 0);
    CHECK_IS(npipe_close(piping.sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* Neither is the signal raised, nor one taken away that is the program's own. */
static void nobody(void)
{
    struct place place = open_place();
    sigset_t own, pending;
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    sigemptyset(&own);
    sigaddset(&own, SIGPIPE);
    for (int is_pending = 0; is_pending < 2; is_pending++) {
        npipe_t *sender = open_npipe(place.path, NULL), *reader = open_reader(place.path, NULL);
        CHECK_IS(send_one(sender, "word", 4, 0), 1);
        CHECK_IS(npipe_close(reader), 0);
        if (is_pending) CHECK(pthread_sigmask(SIG_BLOCK, &own, NULL) == 0 && raise(SIGPIPE) == 0);
        CHECK_IS(send_one(sender, "word", 4, 0), 0);
        CHECK_IS(sigpending(&pending), 0);
        CHECK_IS(sigismember(&pending, SIGPIPE), is_pending);
        CHECK_IS(npipe_close(sender), 0);
    }
    close_place(&place);
}

/* All that a named pipe begins with; gives the first error. */
static int32_t pipe_once(const char *path)
{
    npipe_t *h = NULL;
    char out[16];
    int32_t result = npipe_new(path, NULL, &h);
    if (result < 0) {
        CHECK(h == NULL);
        return result;
    }
    int32_t fd = npipe_fd(h), sent = send_one(h, "word", 4, 100);
    int64_t received = receive_one(h, out, sizeof out, 100);
    CHECK_IS(npipe_close(h), 0);
    if (fd < 0) return fd;
    if (sent < 0) return sent;
    if (received < 0) return (int32_t)received;
    CHECK_IS(received, 4);
    return 0;
}

static void fifo(void)
{
    struct place place = open_place();
    size_t descriptors = count_descriptors();
    int32_t result = pipe_once(place.path);
    CHECK_IS(count_descriptors(), descriptors);
    if (result < 0) printf("refused: %s\n", ph_strerror(result));
    else printf("made\n");
    if (result < 0) CHECK_IS(pipe_once(place.path), 0);
    CHECK_IS(count_descriptors(), descriptors);
    close_place(&place);
}

int main(int argc, char **argv)
{
    alarm(PATIENCE_S);
    if (argc == 3 && strcmp(argv[1], "traffic") == 0) traffic((uint32_t)atoi(argv[2]));
    else if (argc == 2 && strcmp(argv[1], "new") == 0) make();
    else if (argc == 3 && strcmp(argv[1], "peer") == 0) peer((uint32_t)atoi(argv[2]));
    else if (argc == 2 && strcmp(argv[1], "beacon") == 0) beacon();
    else if (argc == 4 && strcmp(argv[1], "loop") == 0)
        loop((uint32_t)atoi(argv[2]), backend_called(argv[3]));
    else if (argc == 2 && strcmp(argv[1], "listener") == 0) listener();
    else if (argc == 2 && strcmp(argv[1], "queue") == 0) queue();
    else if (argc == 3 && strcmp(argv[1], "feed") == 0) feed((uint32_t)atoi(argv[2]));
    else if (argc == 4 && strcmp(argv[1], "pipe") == 0) {
        is_in_parts = strcmp(argv[3], "parts") == 0;
        pipe_messages((uint32_t)atoi(argv[2]));
    } else if (argc == 2 && strcmp(argv[1], "nobody") == 0) nobody();
    else if (argc == 2 && strcmp(argv[1], "fifo") == 0) fifo();
    else return 2;
    return 0;
}
