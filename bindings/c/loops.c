#include "loops.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* --- loops --- */

evloop_t *open_loop(uint32_t backend)
{
    evloop_t *loop = NULL;
    CHECK_IS(evloop_new(LOOP(.backend = backend), &loop), 0);
    CHECK(loop != NULL);
    return loop;
}

void close_loop(evloop_t *loop)
{
    CHECK_IS(evloop_close(loop), 0);
}

void on_each_backend(void (*body)(evloop_t *loop))
{
    const uint32_t backends[] = {0, EVLOOP_POLL, EVLOOP_SELECT};
    for (size_t i = 0; i < LENGTH(backends); i++) {
        size_t descriptors = count_descriptors();
        evloop_t *loop = open_loop(backends[i]);
        body(loop);
        close_loop(loop);
        CHECK_EVENTUALLY(count_descriptors() == descriptors);
    }
}

evloop_stats_t loop_counts_of(evloop_t *loop)
{
    evloop_stats_t stats = {.size = sizeof stats};
    CHECK_IS(evloop_stats(loop, &stats), 0);
    return stats;
}

evloop_event_t next_event(evloop_t *loop)
{
    static uint8_t buffer[1 << 16];
    evloop_event_t event;
    CHECK_IS(evloop_poll(loop, &event, 1, buffer, sizeof buffer, LOOP_PATIENCE_MS), 1);
    return event;
}

evloop_event_t next_of_kind(evloop_t *loop, uint32_t kind)
{
    evloop_event_t event = next_event(loop);
    CHECK_IS(event.kind, kind);
    return event;
}

void no_event_comes(evloop_t *loop)
{
    evloop_event_t event;
    uint8_t byte;
    CHECK_IS(evloop_poll(loop, &event, 1, &byte, 1, 0), -EAGAIN);
    int fd = evloop_fd(loop);
    if (fd >= 0) CHECK(!is_readable(fd));
    else CHECK_IS(fd, -EOPNOTSUPP);
}

struct wire open_pipe(void)
{
    int fds[2];
    CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    return (struct wire){fds[0], fds[1]};
}

struct wire open_sockets(void)
{
    int fds[2];
    CHECK_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return (struct wire){fds[0], fds[1]};
}

void close_wire(struct wire wire)
{
    close(wire.in);
    close(wire.out);
}

void put_byte(int fd)
{
    CHECK_IS(write(fd, "x", 1), 1);
}

void take_byte(int fd)
{
    char byte;
    CHECK_IS(read(fd, &byte, 1), 1);
}

int64_t watch(evloop_t *loop, int fd, uint32_t events, void *user)
{
    int64_t id = evloop_add(loop, fd, events, user);
    CHECK(id > 0);
    return id;
}

int64_t add_timer(evloop_t *loop, int64_t delay_ns, int64_t period_ns, void *user)
{
    evloop_timer_t timer = {.delay_ns = delay_ns, .period_ns = period_ns, .user = user};
    CHECK_IS(evloop_timer_add(loop, &timer, 1), 1);
    CHECK(timer.id > 0);
    return timer.id;
}

/* --- calls that are refused --- */

static void check_refusal(int64_t result, const char *call, const void *loop, int64_t id)
{
    if (result != -EBADF)
        check_failed(__FILE__, __LINE__, "%s of %p, id %lld, gives %lld, not -EBADF", call, loop,
                     (long long)id, (long long)result);
}

#define REFUSES(call) check_refusal(call, #call, loop, id)

void every_connection_call_refuses(evloop_t *loop, int64_t id)
{
    uint8_t byte = 0;
    ph_addr_t addr;
    tcp_stats_t stats = {.size = sizeof stats};
    tcp_message_t message = {.id = id, .data = &byte, .len = 1};
    REFUSES(tcp_send(loop, id, &byte, 1));
    REFUSES(tcp_read(loop, id, &byte, 1));
    REFUSES(tcp_set_reading(loop, id, TCP_READ_DATA));
    REFUSES(tcp_shutdown_write(loop, id));
    REFUSES(tcp_close(loop, id));
    REFUSES(tcp_abort(loop, id));
    REFUSES(tcp_set_rate(loop, id, 0, 0));
    REFUSES(tcp_set_watermarks(loop, id, 1, 2, 3));
    REFUSES(tcp_set_timeouts(loop, id, 0, 0));
    REFUSES(tcp_remote(loop, id, &addr));
    REFUSES(tcp_stats(loop, id, &stats));
    int64_t taken = tcp_write(loop, &message, 1), result;
    REFUSES(taken == 0 ? message.result : taken);
    const struct {
        int64_t id;
        uint64_t length;
    } packed = {.id = id};
    taken = tcp_write_packed(loop, (const uint8_t *)&packed, sizeof packed, 1, &result);
    REFUSES(taken == 0 ? result : taken);
}

void every_watch_call_refuses(evloop_t *loop, int64_t id)
{
    REFUSES(evloop_mod(loop, id, EVLOOP_READ));
    REFUSES(evloop_del(loop, id));
}

void every_timer_call_refuses(evloop_t *loop, int64_t id)
{
    REFUSES(evloop_timer_again(loop, id, 0));
    int64_t deleted = evloop_timer_del(loop, &id, 1);
    if (deleted != -EBADF) CHECK_IS(deleted, 0);
}

void every_call_with_an_id_refuses(evloop_t *loop, int64_t id)
{
    ph_addr_t addr;
    every_connection_call_refuses(loop, id);
    every_watch_call_refuses(loop, id);
    every_timer_call_refuses(loop, id);
    REFUSES(evloop_set_user(loop, id, NULL));
    REFUSES(tcp_local(loop, id, &addr));
    REFUSES(tcp_socket(loop, id));
}

static void fail_to_be_called(void *user, const evloop_event_t *event)
{
    (void)user, (void)event;
    check_failed(__FILE__, __LINE__, "a callback of a loop that is none");
}

void every_loop_call_refuses(evloop_t *loop)
{
    const int64_t id = 1;
    evloop_event_t event;
    uint8_t byte;
    evloop_timer_t timer = {.delay_ns = 0};
    evloop_stats_t stats = {.size = sizeof stats};
    REFUSES(evloop_poll(loop, &event, 1, &byte, 1, -1));
    REFUSES(evloop_run(loop, fail_to_be_called, NULL));
    REFUSES(evloop_run_once(loop, fail_to_be_called, NULL, -1));
    REFUSES(evloop_stop(loop));
    REFUSES(evloop_wake(loop));
    REFUSES(evloop_fd(loop));
    REFUSES(evloop_add(loop, STDIN_FILENO, EVLOOP_READ, NULL));
    REFUSES(evloop_timer_add(loop, &timer, 1));
    REFUSES(evloop_timer_del(loop, &id, 1));
    REFUSES(evloop_timer_next(loop));
    REFUSES(evloop_signal_add(loop, SIGUSR2, NULL));
    REFUSES(evloop_shutdown(loop, 0));
    REFUSES(evloop_stats(loop, &stats));
    REFUSES(tcp_listen(loop, "127.0.0.1", "0", NULL, NULL));
    REFUSES(tcp_connect(loop, "127.0.0.1", "9", NULL, NULL));
    REFUSES(tcp_adopt(loop, STDIN_FILENO, NULL, NULL));
    every_call_with_an_id_refuses(loop, id);
    REFUSES(evloop_close(loop));
}

/* --- connections --- */

/* A period that no power of two is near, so that a shift by a buffer's size is found out. */
enum { PERIOD = 251 };

const uint8_t *pattern_from(uint64_t offset)
{
    static uint8_t pattern[PERIOD + PATTERN_MAX];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (!pattern[1])
        for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (uint8_t)(i % PERIOD);
    pthread_mutex_unlock(&lock);
    return pattern + offset % PERIOD;
}

static void check_pattern(uint64_t offset, const uint8_t *data, size_t length)
{
    CHECK(length <= PATTERN_MAX);
    CHECK(memcmp(pattern_from(offset), data, length) == 0);
}

void open_host_on(struct host *host, const char *name, evloop_t *loop, const tcp_config_t *config,
                  struct end *ends, size_t room)
{
    *host = (struct host){.loop = loop, .ends = ends, .room = room};
    host->id = tcp_listen(loop, name, "0", config, host);
    CHECK(host->id > 0);
    CHECK_IS(tcp_local(loop, host->id, &host->at), 0);
    snprintf(host->service, sizeof host->service, "%u", (unsigned)host->at.port);
}

void open_host(struct host *host, evloop_t *loop, const tcp_config_t *config, struct end *ends,
               size_t room)
{
    open_host_on(host, "127.0.0.1", loop, config, ends, room);
}

void close_host(struct host *host)
{
    CHECK_IS(evloop_del(host->loop, host->id), 0);
}

void begin_connecting(struct end *end, evloop_t *loop, const char *host, const char *service,
                      const tcp_config_t *config)
{
    *end = (struct end){.loop = loop};
    end->id = tcp_connect(loop, host, service, config, end);
    CHECK(end->id > 0);
}

static void be_patient(int fd)
{
    struct timeval patience = {.tv_sec = 10};
    CHECK_IS(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    CHECK_IS(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
}

int adopt_one_end(struct end *end, evloop_t *loop, const tcp_config_t *config)
{
    int fds[2];
    CHECK_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    *end = (struct end){.loop = loop};
    be_patient(fds[1]);
    end->id = tcp_adopt(loop, fds[0], config, end);
    CHECK(end->id > 0);
    close(fds[0]);
    return fds[1];
}

static void note_accepted(const evloop_event_t *event)
{
    struct host *host = event->user;
    CHECK_IS(event->value, host->id);
    CHECK(host->accepted < host->room);
    struct end *end = &host->ends[host->accepted++];
    *end = (struct end){.loop = host->loop, .id = event->id};
    CHECK_IS(evloop_set_user(end->loop, end->id, end), 0);
}

static void note_refused(const evloop_event_t *event)
{
    struct host *host = event->user;
    CHECK_IS(event->id, host->id);
    host->refused++;
    host->error = event->error;
}

static void note_data(struct end *end, const evloop_event_t *event)
{
    CHECK(event->len > 0);
    CHECK_IS(end->eof, 0);
    check_pattern(end->received, event->data, event->len);
    end->received += event->len;
    end->chunks++;
}

static void note_closed(struct end *end, const evloop_event_t *event)
{
    end->closed++;
    end->error = event->error;
    end->unsent = event->len;
}

static void note(const evloop_event_t *event)
{
    struct end *end = event->user;
    if (event->kind == EVLOOP_WAKE) return;
    if (event->kind == TCP_ACCEPTED) {
        note_accepted(event);
        return;
    }
    if (event->kind == TCP_REFUSED) {
        note_refused(event);
        return;
    }
    CHECK(end != NULL);
    CHECK_IS(event->id, end->id);
    CHECK_IS(end->closed, 0);
    switch (event->kind) {
    case TCP_CONNECTED: end->connected++; break;
    case TCP_DATA: note_data(end, event); break;
    case TCP_READABLE: end->readable++; break;
    case TCP_EOF: end->eof++; break;
    case TCP_DRAINED: end->drained++; break;
    case TCP_CLOSED: note_closed(end, event); break;
    default: check_failed(__FILE__, __LINE__, "an event of kind %u", event->kind);
    }
}

int64_t turn(evloop_t *loop, int32_t timeout_ms)
{
    uint8_t buffer[1 << 18];
    evloop_event_t events[64];
    int64_t n = evloop_poll(loop, events, LENGTH(events), buffer, sizeof buffer, timeout_ms);
    CHECK(n > 0 || n == -EAGAIN || n == -ETIMEDOUT || n == -EINTR || n == -ESHUTDOWN);
    for (int64_t i = 0; i < n; i++) note(&events[i]);
    return n;
}

int64_t send_more(struct end *end, size_t length)
{
    int64_t result = tcp_send(end->loop, end->id, pattern_from(end->sent), length);
    if (result >= 0) end->sent += length;
    return result;
}

int64_t read_more(struct end *end, size_t room)
{
    uint8_t buffer[1 << 16];
    CHECK(room <= sizeof buffer);
    int64_t length = tcp_read(end->loop, end->id, buffer, room);
    if (length <= 0) return length;
    check_pattern(end->received, buffer, (size_t)length);
    end->received += (uint64_t)length;
    return length;
}

tcp_stats_t connection_counts_of(const struct end *end)
{
    tcp_stats_t stats = {.size = sizeof stats};
    CHECK_IS(tcp_stats(end->loop, end->id, &stats), 0);
    return stats;
}

void open_link(struct link *link, evloop_t *loop, const tcp_config_t *client,
               const tcp_config_t *server)
{
    open_host(&link->host, loop, server, &link->server, 1);
    begin_connecting(&link->client, loop, "127.0.0.1", link->host.service, client);
    TURN_UNTIL(loop, link->client.connected && link->host.accepted);
}

static void close_end(struct end *end)
{
    if (!end->closed) CHECK_IS(tcp_close(end->loop, end->id), 0);
    TURN_UNTIL(end->loop, end->closed);
    CHECK_IS(end->error, 0);
    CHECK_IS(end->unsent, 0);
}

void close_link(struct link *link)
{
    close_end(&link->client);
    close_end(&link->server);
    close_host(&link->host);
}

void carry_over(struct end *from, struct end *to, size_t length)
{
    uint64_t before = to->received;
    for (size_t left = length; left > 0;) {
        size_t part = left < 10000 ? left : 10000;
        if (send_more(from, part) >= 0) left -= part;
        else turn(from->loop, 5);
    }
    if (to->loop != from->loop) turn(from->loop, 0);
    TURN_UNTIL(to->loop, to->received >= before + length);
    CHECK_IS(to->received, before + length);
}

/* --- sockets without a loop --- */

static struct sockaddr_in name_of(ph_addr_t at)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(at.port)};
    CHECK_IS(at.family, 4);
    memcpy(&name.sin_addr, at.ip, 4);
    return name;
}

static int new_stream(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    be_patient(fd);
    return fd;
}

int listen_plainly(int backlog, ph_addr_t *at)
{
    int fd = new_stream();
    struct sockaddr_in name = name_of(address_from("127.0.0.1", 0));
    CHECK_IS(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    CHECK_IS(listen(fd, backlog), 0);
    *at = address_of(fd);
    return fd;
}

int connect_plainly(ph_addr_t at)
{
    int fd = new_stream();
    struct sockaddr_in name = name_of(at);
    CHECK_IS(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

int accept_plainly(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(fd >= 0);
    be_patient(fd);
    return fd;
}

void send_pattern(int fd, uint64_t offset, size_t length)
{
    while (length > 0) {
        size_t part = length < PATTERN_MAX ? length : PATTERN_MAX;
        ssize_t sent = send(fd, pattern_from(offset), part, MSG_NOSIGNAL);
        CHECK(sent > 0);
        offset += (uint64_t)sent;
        length -= (size_t)sent;
    }
}

void receive_pattern(int fd, uint64_t offset, size_t length)
{
    uint8_t buffer[1 << 16];
    while (length > 0) {
        ssize_t n = recv(fd, buffer, length < sizeof buffer ? length : sizeof buffer, 0);
        CHECK(n > 0);
        check_pattern(offset, buffer, (size_t)n);
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
}

void receive_from_loop(evloop_t *loop, int fd, uint64_t offset, size_t length)
{
    uint8_t buffer[1 << 16];
    int64_t begun = now_ns();
    while (length > 0) {
        size_t room = length < sizeof buffer ? length : sizeof buffer;
        ssize_t n = recv(fd, buffer, room, MSG_DONTWAIT);
        if (n < 0) {
            CHECK_IS(errno, EAGAIN);
            CHECK(now_ns() - begun < LOOP_PATIENCE_MS * MILLISECOND);
            turn(loop, 1);
            continue;
        }
        CHECK(n > 0);
        check_pattern(offset, buffer, (size_t)n);
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
}

bool is_at_end(int fd)
{
    uint8_t byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

void reset_plainly(int fd)
{
    struct linger now = {.l_onoff = 1};
    CHECK_IS(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}
