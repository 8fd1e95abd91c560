/* What the tests of event loops and their connections share. */
#ifndef LOOPS_H
#define LOOPS_H

#include "support.h"

/* Configurations in which the fields given differ from the default. */
#define LOOP(...) (&(evloop_config_t){.size = sizeof(evloop_config_t), __VA_ARGS__})
#define TCP(...) (&(tcp_config_t){.size = sizeof(tcp_config_t), __VA_ARGS__})

/* For a wait that is not to end by itself. */
enum { LOOP_PATIENCE_MS = 10000 };

/* Turns the loop until `what` is true. */
#define TURN_UNTIL(loop, what)                                                                     \
    do {                                                                                           \
        for (int64_t begun_ = now_ns(); !(what); turn(loop, 5))                                    \
            if (now_ns() - begun_ > LOOP_PATIENCE_MS * MILLISECOND)                                \
                check_failed(__FILE__, __LINE__, "never came true: %s", #what);                    \
    } while (0)

/* --- loops --- */

evloop_t *open_loop(uint32_t backend);
/* Nothing may be left that was to be sent. */
void close_loop(evloop_t *loop);
/* Runs `body` with a loop of epoll, of poll, and of select. */
void on_each_backend(void (*body)(evloop_t *loop));
evloop_stats_t loop_counts_of(evloop_t *loop);

/* Waits for one event, whose data are good until the next. For one thread at a time. */
evloop_event_t next_event(evloop_t *loop);
/* Waits for one, which must be of this kind. */
evloop_event_t next_of_kind(evloop_t *loop, uint32_t kind);
void no_event_comes(evloop_t *loop);

/* A pipe, or two connected sockets, of which a test watches one. */
struct wire {
    int in, out;
};
struct wire open_pipe(void);
struct wire open_sockets(void);
void close_wire(struct wire wire);
void put_byte(int fd);
void take_byte(int fd);

/* Watches a descriptor; gives the id. */
int64_t watch(evloop_t *loop, int fd, uint32_t events, void *user);
/* Adds one timer; gives its id. */
int64_t add_timer(evloop_t *loop, int64_t delay_ns, int64_t period_ns, void *user);

/* Every function that takes a loop must answer -EBADF for this one, its other arguments being
 * good. */
void every_loop_call_refuses(evloop_t *loop);
/* The same for the functions that take the id of a connection, of a listener, of a watch, or of a
 * timer: all of them, or those for one kind. */
void every_connection_call_refuses(evloop_t *loop, int64_t id);
void every_watch_call_refuses(evloop_t *loop, int64_t id);
void every_timer_call_refuses(evloop_t *loop, int64_t id);
void every_call_with_an_id_refuses(evloop_t *loop, int64_t id);

/* --- connections --- */

/* What every connection of the tests carries: byte number `offset` of the pattern. */
enum { PATTERN_MAX = 1 << 20 };
/* `PATTERN_MAX` bytes of it. */
const uint8_t *pattern_from(uint64_t offset);

/* One end of a connection and what its events told; each has a pointer to it. */
struct end {
    evloop_t *loop;
    int64_t id;
    /* Bytes. */
    uint64_t sent, received, unsent;
    /* Events. */
    uint32_t connected, chunks, readable, eof, drained, closed;
    int32_t error;
};

/* A listener; each connection that it accepts is the next of `ends`. */
struct host {
    evloop_t *loop;
    int64_t id;
    ph_addr_t at;
    char service[8];
    struct end *ends;
    size_t room, accepted;
    uint32_t refused;
    int32_t error;
};

/* On the loopback of IPv4. */
void open_host(struct host *host, evloop_t *loop, const tcp_config_t *config, struct end *ends,
               size_t room);
/* On any host name or Unix path; `at` and `service` are set where there is a port. */
void open_host_on(struct host *host, const char *name, evloop_t *loop, const tcp_config_t *config,
                  struct end *ends, size_t room);
void close_host(struct host *host);
/* Begins to connect. */
void begin_connecting(struct end *end, evloop_t *loop, const char *host, const char *service,
                      const tcp_config_t *config);
/* Takes over one end of a socket pair, and gives the other. */
int adopt_one_end(struct end *end, evloop_t *loop, const tcp_config_t *config);

/* Polls once, and notes in their ends what the events say; the data must be the pattern. There may
 * be no events but those of connections and listeners, and wakes. Gives what the poll gave: a
 * count, that nothing came or that the loop has ended. */
int64_t turn(evloop_t *loop, int32_t timeout_ms);

/* Sends more of the pattern, `length` bytes at most PATTERN_MAX; gives what tcp_send gives. */
int64_t send_more(struct end *end, size_t length);
/* Reads what is there; it must be the pattern. Gives what tcp_read gives. */
int64_t read_more(struct end *end, size_t room);
tcp_stats_t connection_counts_of(const struct end *end);

/* Two ends in one loop. */
struct link {
    struct host host;
    struct end client, server;
};
void open_link(struct link *link, evloop_t *loop, const tcp_config_t *client,
               const tcp_config_t *server);
/* Closes both; neither may have lost anything. */
void close_link(struct link *link);
/* Sends `length` bytes in turn; they must come. */
void carry_over(struct end *from, struct end *to, size_t length);

/* --- sockets without a loop; they wait for what they do, for as long as a test does --- */

/* A listener on the loopback of IPv4. */
int listen_plainly(int backlog, ph_addr_t *at);
int connect_plainly(ph_addr_t at);
int accept_plainly(int listener);
/* Sends and receives the pattern, from this byte on. */
void send_pattern(int fd, uint64_t offset, size_t length);
void receive_pattern(int fd, uint64_t offset, size_t length);
/* The same while the loop, which sends, is turned. */
void receive_from_loop(evloop_t *loop, int fd, uint64_t offset, size_t length);
/* Whether the other side has ended, and nothing is left to be read. */
bool is_at_end(int fd);
/* Closes it by a reset. */
void reset_plainly(int fd);

#endif
