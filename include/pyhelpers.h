/* pyhelpers: native network I/O for scripts.
 *
 * Returns    >= 0 is success or a count, < 0 a negated errno(3), which ph_strerror names:
 *            -EAGAIN nothing there or no room, -ETIMEDOUT out of time, -ESHUTDOWN shut down,
 *            -EBADF no open handle of this kind and process, PH_EPANIC a caught panic.
 * Handles    are tokens, checked at every call and never dereferenced: a stale, foreign or NULL
 *            one gives -EBADF. One verb ends a handle, <prefix>_close. In a forked child every
 *            handle of the parent gives -EBADF.
 * Pointers   that are not NULL must be good for as many bytes as the comment says until the call
 *            returns. NULL where none is allowed, a misaligned pointer or an impossible length gives
 *            -EINVAL. Nothing the caller hands in is kept, nor anything handed out the library's.
 * Structures that may grow start with their own size; 0 means the default.
 * Threads    any function may be called from any thread unless its comment says otherwise.
 *
 * Generated from src/ffi; do not edit.
 */

#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * A panic inside the library was caught. The handle that was used may be out of order and should
 * be closed; all others go on.
 */
#define PH_EPANIC -4096

/**
 * There is no such host, or no such service.
 */
#define PH_ENONAME -4097

/**
 * A name cannot be looked up at present.
 */
#define PH_ERESOLVE -4098

/**
 * libvirt.so.0 is not installed; `ph_strerror` names the package that has it.
 */
#define PH_ENOLIBVIRT -4099

/**
 * Version of the ABI: raised when a symbol, a structure or a meaning changes in a way that a
 * program built before would notice.
 */
#define PH_ABI_VERSION 1

/**
 * Log levels. A message is passed on when its level is at most the one set.
 */
#define PH_LOG_NONE 0

#define PH_LOG_ERROR 1

#define PH_LOG_WARNING 2

#define PH_LOG_INFO 3

/**
 * Life cycle of threads and sockets.
 */
#define PH_LOG_DEBUG 4

/**
 * Each batch.
 */
#define PH_LOG_TRACE 5

/**
 * The same as PH_LOG_TRACE.
 */
#define PH_LOG_WIRE 6

/**
 * Longest text of an address with its final NUL: IPv6, '%', a 10-digit interface index.
 */
#define PH_ADDR_TEXT_MAX 64

/**
 * For `flags` of a received datagram: its end is lost, `recv_size` being too small.
 */
#define PH_TRUNCATED 1

/**
 * For `kind` of an error: the kernel refused to send the datagram.
 */
#define PH_ERROR_SEND 1

/**
 * For `kind` of an error: the network, or the destination, reported it later (ICMP).
 */
#define PH_ERROR_ICMP 2

/**
 * What a full queue does with a datagram; for `send_policy` and `recv_policy`.
 *
 * The call is refused with -EAGAIN; an arriving datagram stays in the kernel's buffer, unless it
 * is larger than the whole queue: then it is thrown away, and counted.
 */
#define UDPH_REFUSE 0

/**
 * The oldest in the queue is thrown away, and counted.
 */
#define UDPH_DROP_OLDEST 1

/**
 * The new one is thrown away, and counted.
 */
#define UDPH_DROP_NEWEST 2

/**
 * The call waits for room; an arriving datagram is treated as by UDPH_REFUSE.
 */
#define UDPH_WAIT 3

/**
 * For `flags` of the configuration: do without UDP GSO.
 */
#define UDPH_NO_GSO 1

/**
 * For `flags` of the configuration: do without UDP GRO.
 */
#define UDPH_NO_GRO 2

/**
 * For `flags` of the configuration: sending to broadcast addresses is allowed (SO_BROADCAST).
 */
#define PEER_BROADCAST 1

/**
 * For `flags` of the configuration: the kernel tells of each datagram where it came to, by which
 * interface, with which TOS, and when: `ph_arrival_t`, and `delay_ns` of `ph_datagram_t`.
 */
#define PEER_ARRIVAL 2

/**
 * For `flags` of the configuration: do without UDP GSO.
 */
#define PEER_NO_GSO 4

/**
 * For `flags` of the configuration: do without UDP GRO.
 */
#define PEER_NO_GRO 8

/**
 * For `flags` of the configuration: an IPv6 socket for IPv6 alone, where it would take IPv4 too.
 */
#define PEER_V6_ONLY 16

/**
 * For `peer_set`: routers that a datagram may cross (TTL, hop limit), 1 to 255.
 */
#define PEER_TTL 1

/**
 * For `peer_set`: TOS or traffic class of what is sent, 0 to 255.
 */
#define PEER_TOS 2

/**
 * For `peer_set`: whether sending to broadcast addresses is allowed, 0 or 1.
 */
#define PEER_SET_BROADCAST 3

/**
 * For `peer_set`: routers that a multicast may cross, and one, 0 to 255; 0: it stays on this host.
 */
#define PEER_MULTICAST_TTL 4

/**
 * For `peer_set`: whether this host receives its own multicasts, 0 or 1.
 */
#define PEER_MULTICAST_LOOP 5

/**
 * For `peer_set`: index of the interface that multicasts leave by; 0: the route's choice.
 */
#define PEER_MULTICAST_INTERFACE 6

/**
 * Added to what `peer_receive_room` returns when the sender is not that of the datagram before.
 */
#define PEER_OTHER_SENDER 4294967296

/**
 * For `flags` of the configuration: it has a free port of its own instead of `port`, and joins
 * nothing; it only receives what is sent to that port.
 */
#define BCAST_SEND_ONLY 1

/**
 * Kinds of events. `evloop_wake` was called, once or more often.
 */
#define EVLOOP_WAKE 1

/**
 * `evloop_stop` was called.
 */
#define EVLOOP_STOP 2

/**
 * A timer was due; `value`: how many times since its last event, more than 1 where the caller came
 * late for a period.
 */
#define EVLOOP_TIMER 3

/**
 * A signal came. `value`: its number; `len`: how many times since its last event.
 */
#define EVLOOP_SIGNAL 4

/**
 * A watched descriptor is ready. `value`: EVLOOP_READ, EVLOOP_WRITE, EVLOOP_ERROR; `error`: EBADF
 * when the caller has closed it, which is the last event then.
 */
#define EVLOOP_FD 5

/**
 * A connection came in: `id` is its own, `value` the listener's.
 */
#define TCP_ACCEPTED 6

/**
 * A connection that `tcp_connect` began is there.
 */
#define TCP_CONNECTED 7

/**
 * `data`, `len`: what was received, in the caller's buffer.
 */
#define TCP_DATA 8

/**
 * Something is there for `tcp_read`; said once until that was called.
 */
#define TCP_READABLE 9

/**
 * The peer will send no more; it can still be sent to.
 */
#define TCP_EOF 10

/**
 * What waits to be sent fell to the low watermark, after it was above the high one or a message was
 * refused.
 */
#define TCP_DRAINED 11

/**
 * The last event of each connection, whoever ended it. `error`: 0 when it ended in order, after
 * `tcp_close` or because both sides have said that they send no more; ECONNABORTED after
 * `tcp_abort`; else why. `len`: how many bytes were taken and not sent.
 */
#define TCP_CLOSED 12

/**
 * A listener could not take a connection, which stays in the kernel's queue: `error` is EMFILE,
 * ENFILE, ENOBUFS or ENOMEM. (With ENOSPC, /proc/sys/fs/epoll/max_user_watches, it was closed.) It
 * looks again after 100 ms.
 */
#define TCP_REFUSED 13

/**
 * For `events` of a watch, and `value` of its events.
 */
#define EVLOOP_READ 1

#define EVLOOP_WRITE 2

/**
 * In events only: it is in error, or hung up.
 */
#define EVLOOP_ERROR 4

/**
 * For `backend`: which system call waits. epoll(7), the default.
 */
#define EVLOOP_EPOLL 1

/**
 * poll(2).
 */
#define EVLOOP_POLL 2

/**
 * select(2), for descriptors above 1,023 too. It tells of no errors: those of a descriptor that is
 * watched for nothing, or of a connection that is not read, are met when it is used.
 */
#define EVLOOP_SELECT 3

/**
 * For `flags` of a configuration. Others may listen at the same address and port; the kernel deals
 * the connections out (SO_REUSEPORT).
 */
#define TCP_REUSEPORT 1

/**
 * IPv6 alone, where the address is IPv6; IPv4 as well otherwise.
 */
#define TCP_V6ONLY 2

/**
 * Small messages wait for others (Nagle's algorithm, RFC 896); otherwise they leave at once.
 */
#define TCP_DELAY 4

/**
 * A listener's port is not taken while connections of a former one are in TIME_WAIT.
 */
#define TCP_NO_REUSEADDR 8

/**
 * `linger_s` is set.
 */
#define TCP_LINGER 16

/**
 * For `reading`: what is there comes with TCP_DATA.
 */
#define TCP_READ_DATA 0

/**
 * TCP_READABLE says that something is there, for `tcp_read`.
 */
#define TCP_READ_NOTICE 1

/**
 * Nothing; the peer has to wait when the kernel's buffers are full.
 */
#define TCP_READ_OFF 2

/**
 * For `policy` of `rq_new`. No more is promised than that each buffer by itself is whole.
 */
#define RQ_UNSYNC 0

/**
 * Receivers run together; `rq_extract_all` sees its group as it is at one instant.
 */
#define RQ_RW 1

/**
 * One at a time, whatever it does: one lock for all of it.
 */
#define RQ_EXCLUSIVE 2

/**
 * For `key` of a feed: the idx is the sender's ph_addr_t, all its bytes; family 0 where there is no
 * address, as on a Unix socket.
 */
#define RQ_BY_SOURCE 0

/**
 * The idx is `length` bytes of the message from `offset` on, cut where the message ends.
 */
#define RQ_BY_RANGE 1

/**
 * For `framing` of a feed: each datagram, and each piece read from a stream, is a value.
 */
#define RQ_AS_READ 0

/**
 * Of a stream: each line is a value, without its \n; what comes after the last one is too, when the
 * stream or the feed ends. A line longer than 65,536 bytes is cut there.
 */
#define RQ_LINES 1

/**
 * For `flags` of the configuration: plain bytes, for a peer that knows nothing of frames. Each
 * message sent is one write, continued when it is longer than there is room; each one received is
 * what one read gives, at most 65,536 bytes. Nothing keeps those of several writers, or readers,
 * apart, and nobody tells of losses.
 */
#define NPIPE_UNFRAMED 1

/**
 * For `flags` of the configuration: a FIFO of another user's will do.
 */
#define NPIPE_ANY_OWNER 2

/**
 * A socket for messages to and from all neighbours, by broadcast or to a multicast group. Made by
 * `bcast_new`, ended by `bcast_close`. The value is a token, never an address.
 */
typedef struct bcast_t bcast_t;

/**
 * A loop, made by `evloop_new`: opaque, never dereferenced.
 *
 * What is in it, timers, watched descriptors, signals, listeners, connections, has an id: a number
 * above 0 that names its kind and does not come again before four billion others, so that one that
 * is stale, made up or of another kind gives -EBADF. An id is good until the poll after the one that gave its last event.
 */
typedef struct evloop_t evloop_t;

/**
 * A named pipe (FIFO, fifo(7)) that carries messages between processes of one host. Made by
 * `npipe_new`, ended by `npipe_close`. The value is a token, never an address.
 *
 * One handle sends and receives, from any threads; any number of processes may do either. Each
 * message reaches exactly one reader, whole, and those of several writers never mix. A process that
 * ends in the middle of a message, killed or not, loses that one, and a reader is told; what was
 * sent and not read stays in the pipe as long as anybody has it open.
 *
 * On the pipe a message is a row of packets of at most 4,096 bytes, each one write in packet mode
 * (pipe(2), O_DIRECT) with 24 bytes before its payload, little-endian: "npm1"; a byte with 1 for the
 * message's first packet, 2 for its last, 4 for one given up; three bytes 0; 8 of an id; 8 of the
 * message's length. For a message of several packets a writer locks byte 0 of the FIFO (fcntl(2),
 * F_OFD_SETLK); one of a single packet may stand between the packets of another. A reader locks the
 * FIFO (flock(2), LOCK_EX) until its message is whole.
 */
typedef struct npipe_t npipe_t;

/**
 * A UDP socket that the caller's own threads receive from and send to; it never waits unless asked
 * to. Made by `peer_new`, ended by `peer_close`. The value is a token, never an address.
 */
typedef struct peer_t peer_t;

/**
 * A receive queue. Made by `rq_new`, ended by `rq_close`. The value is a token, never an address.
 */
typedef struct rq_t rq_t;

/**
 * A UDP handler: a socket with native threads that receive and send. Made by `udph_new`, ended by
 * `udph_close`. The value is a token, never an address.
 */
typedef struct udph_t udph_t;

/**
 * Connections to hosts with virtual machines ("domains"), by libvirt. Made by `virt_new`, ended by
 * `virt_close`. The value is a token, never an address.
 */
typedef struct virt_t virt_t;

/**
 * Called with each log message.
 *
 * `user` is the pointer given to `ph_log_set`; `level` one of PH_LOG_*; `message` NUL-terminated
 * UTF-8 that is valid during the call. It runs on whichever thread has something to say, the
 * library's own among them, one call at a time or several at once; it must not block for long,
 * nor unwind (no C++ exception, no longjmp). What the library would log because of what the
 * callback does is not logged.
 */
typedef void (*ph_log_fn)(void *user, int32_t level, const char *message);

/**
 * An IPv4 or IPv6 address with its port.
 */
typedef struct {
    /**
     * IPv6: all 16 bytes; IPv4: the first 4, in network order, the others being 0.
     * An IPv4-mapped IPv6 address (::ffff:a.b.c.d), what a dual-stack socket reports, is IPv6.
     */
    uint8_t ip[16];
    /**
     * Interface index of a link-local IPv6 address (RFC 4007), otherwise 0.
     */
    uint32_t scope_id;
    /**
     * Port in host byte order.
     */
    uint16_t port;
    /**
     * 4 or 6; 0 where there is no address.
     */
    uint8_t family;
    /**
     * 0.
     */
    uint8_t reserved;
} ph_addr_t;

/**
 * How a handler works. Set `size` to sizeof(udph_config_t) and the rest to 0, which means the
 * default everywhere, then what should differ.
 */
typedef struct {
    /**
     * sizeof(udph_config_t). Fields are only ever added at the end; what this library does not
     * know must be 0.
     */
    size_t size;
    /**
     * Sending threads, 1 to 256; default 1. One alone keeps the order of dispatching.
     */
    uint32_t send_reactors;
    /**
     * Receiving threads, 0 to 256; default 0: the handler does not receive.
     */
    uint32_t recv_reactors;
    /**
     * Sockets of each receiving thread, at least 1, at most 4096 in all; default 4. Where SO_REUSEPORT is set on the
     * socket, further ones join its port group; otherwise all threads share the one socket. A
     * broadcast or multicast datagram comes to each socket of a group.
     */
    uint32_t recv_sockets_a_reactor;
    /**
     * Flags for sendto(2): MSG_DONTWAIT, MSG_CONFIRM, MSG_DONTROUTE, MSG_NOSIGNAL.
     */
    int32_t send_flags;
    /**
     * An eventfd to which the number of datagrams received is added, one write a batch; duplicated,
     * so that the caller's stays the caller's. 0 or less: none.
     */
    int32_t event_fd;
    /**
     * UDPH_NO_GSO, UDPH_NO_GRO.
     */
    uint32_t flags;
    /**
     * UDPH_REFUSE (default), UDPH_DROP_OLDEST, UDPH_DROP_NEWEST or UDPH_WAIT.
     */
    uint32_t send_policy;
    uint32_t recv_policy;
    /**
     * Bounds of the two queues in datagrams (default 1,048,576) and payload bytes (default
     * 67,108,864). Beside its payload a datagram takes 48 bytes, or fewer in a run to one peer;
     * growing, a batch of up to 128 KiB may take twice what is in it.
     */
    uint64_t send_queue_items;
    uint64_t send_queue_bytes;
    uint64_t recv_queue_items;
    uint64_t recv_queue_bytes;
    /**
     * Longest datagram received whole, in bytes; default, and most, 65,535. Less does without GRO.
     */
    uint32_t recv_size;
    /**
     * PH_LOG_*: messages of this handler that are logged whatever `ph_log_set` says.
     */
    int32_t debug_level;
} udph_config_t;

/**
 * A datagram to send, or one received.
 */
typedef struct {
    /**
     * Where it goes, or where it came from.
     */
    ph_addr_t addr;
    /**
     * Payload; NULL only with `len` 0. A received one lies in the buffer given to the call.
     */
    const uint8_t *data;
    /**
     * Bytes of payload; a datagram may be empty.
     */
    size_t len;
    /**
     * Received: nanoseconds from the kernel's receive timestamp to this call. Ignored on sending.
     */
    int64_t delay_ns;
    /**
     * Received: PH_TRUNCATED or 0. Ignored on sending.
     */
    uint32_t flags;
    /**
     * Received: index of an earlier datagram of this call from the same IP address, of whatever
     * port, or its own: so that an address is looked at once, not once a datagram. Ignored on
     * sending.
     */
    uint32_t same_addr_as;
} ph_datagram_t;

/**
 * Percentiles of a time in nanoseconds, at most 1/16 above the true value; `max` is exact.
 */
typedef struct {
    uint64_t p50;
    uint64_t p99;
    uint64_t p999;
    uint64_t max;
} ph_percentiles_t;

/**
 * Counts of a handler since it was made.
 *
 * Once it is closed, dispatched = sent + send_errors + send_dropped + send_unsent, and
 * received = delivered + recv_dropped + recv_unread.
 */
typedef struct {
    /**
     * Set by the caller to sizeof(udph_stats_t). Fields are only ever added at the end.
     */
    size_t size;
    /**
     * Datagrams that udph_dispatch took.
     */
    uint64_t dispatched;
    /**
     * Datagrams and payload bytes that the kernel took.
     */
    uint64_t sent;
    uint64_t sent_bytes;
    /**
     * System calls that sent, and the messages of several datagrams among theirs (GSO).
     */
    uint64_t send_batches;
    uint64_t gso_messages;
    /**
     * Calls that took nothing and gave -EAGAIN or -ETIMEDOUT.
     */
    uint64_t send_refused;
    /**
     * Thrown away by a full send queue.
     */
    uint64_t send_dropped;
    /**
     * Left unsent at the close.
     */
    uint64_t send_unsent;
    /**
     * Datagrams that the kernel refused to send (see udph_get_error).
     */
    uint64_t send_errors;
    /**
     * Times that sending waited for the kernel (EAGAIN, ENOBUFS).
     */
    uint64_t send_retries;
    /**
     * ICMP errors (see udph_get_error).
     */
    uint64_t icmp_errors;
    /**
     * Errors that udph_get_error will never give: the newest 1,024 are kept.
     */
    uint64_t errors_dropped;
    /**
     * Datagrams and payload bytes that reactors took from the kernel.
     */
    uint64_t received;
    uint64_t received_bytes;
    /**
     * System calls that received, and the messages of several datagrams among theirs (GRO).
     */
    uint64_t recv_batches;
    uint64_t gro_messages;
    /**
     * Picked up by udph_get_recved, or given to a feed (rq_feed_udph).
     */
    uint64_t delivered;
    /**
     * Thrown away by a full receive queue.
     */
    uint64_t recv_dropped;
    /**
     * Not picked up before the close.
     */
    uint64_t recv_unread;
    /**
     * Dropped by the kernel before a reactor could take them (SO_MEMINFO).
     */
    uint64_t kernel_drops;
    /**
     * Datagrams longer than `recv_size`.
     */
    uint64_t truncated;
    /**
     * Datagrams in the queues now; queued_send includes what is being sent.
     */
    uint64_t queued_send;
    uint64_t queued_recved;
    /**
     * From udph_dispatch to the kernel's taking it.
     */
    ph_percentiles_t send_latency;
    /**
     * From the kernel's receive timestamp to udph_get_recved.
     */
    ph_percentiles_t recv_delay;
    /**
     * Whether the offloads are in use: 1 or 0.
     */
    uint32_t uses_gso;
    uint32_t uses_gro;
    /**
     * Threads: how many udph_reactor_stats can tell of.
     */
    uint32_t send_reactors;
    uint32_t recv_reactors;
} udph_stats_t;

/**
 * One reactor's part of the work.
 */
typedef struct {
    /**
     * Datagrams and payload bytes sent or received.
     */
    uint64_t datagrams;
    uint64_t bytes;
    /**
     * System calls that moved at least one datagram.
     */
    uint64_t batches;
    /**
     * Messages that held several datagrams: GSO runs sent, GRO runs received.
     */
    uint64_t offloaded;
    /**
     * Wake-ups that found nothing to receive.
     */
    uint64_t idle_wakeups;
} udph_reactor_stats_t;

/**
 * A datagram that did not get to its destination.
 */
typedef struct {
    /**
     * Where it was going.
     */
    ph_addr_t addr;
    /**
     * Nanoseconds since 1970 at which the error was seen.
     */
    int64_t time_ns;
    /**
     * errno(3), positive: ECONNREFUSED, EMSGSIZE, ENETUNREACH, …
     */
    int32_t error;
    /**
     * PH_ERROR_SEND or PH_ERROR_ICMP.
     */
    uint32_t kind;
} ph_error_t;

/**
 * How a peer works. Set `size` to sizeof(peer_config_t) and the rest to 0, which means the default
 * everywhere, then what should differ.
 */
typedef struct {
    /**
     * sizeof(peer_config_t). Fields are only ever added at the end; what this library does not
     * know must be 0.
     */
    size_t size;
    /**
     * Address and port to bind to; port 0: a free one. Family 0: any IPv4 address.
     */
    ph_addr_t addr;
    /**
     * PEER_BROADCAST, PEER_ARRIVAL, PEER_NO_GSO, PEER_NO_GRO, PEER_V6_ONLY.
     */
    uint32_t flags;
    /**
     * Longest datagram received whole, in bytes; default, and most, 65,535. Less does without GRO.
     */
    uint32_t recv_size;
    /**
     * The socket's buffers are made at least so large, in bytes, as far as the system allows;
     * default 0: they stay as they are.
     */
    uint32_t send_buffer;
    uint32_t recv_buffer;
} peer_config_t;

/**
 * How a datagram arrived, or how one is to be sent.
 */
typedef struct {
    /**
     * Received: the local address that it came to, and from which it can be answered; of a
     * broadcast, or an IPv4 multicast, the interface's own; family 0 where there is none. To send:
     * the source address, one of this host's; family 0: the route's choice. Port and scope are ignored: for a link-local one name the interface.
     */
    ph_addr_t local;
    /**
     * Index of the interface that it came in by, or is to leave by; 0: unknown, the route's choice.
     */
    uint32_t interface;
    /**
     * Received: TOS (IPv4) or traffic class (IPv6), whose low two bits are ECN (RFC 3168); -1:
     * unknown. To send: the same; -1: the socket's.
     */
    int32_t tos;
    /**
     * Received: nanoseconds since 1970 at which the kernel took it in; 0: unknown. Ignored on
     * sending.
     */
    int64_t time_ns;
} ph_arrival_t;

/**
 * What `peer_receive_room` receives into: set once, used again and again.
 */
typedef struct {
    /**
     * The handle.
     */
    peer_t *peer;
    /**
     * The caller's; gets the payload.
     */
    uint8_t *buf;
    /**
     * Bytes of `buf`.
     */
    size_t cap;
    /**
     * The sender of the last datagram; any address before the first.
     */
    ph_addr_t from;
} peer_room_t;

/**
 * Counts of a peer since it was made, however often it was opened.
 */
typedef struct {
    /**
     * sizeof(peer_stats_t), set by the caller.
     */
    size_t size;
    /**
     * Datagrams and payload bytes sent.
     */
    uint64_t sent;
    uint64_t sent_bytes;
    /**
     * Datagrams and payload bytes handed to the caller.
     */
    uint64_t received;
    uint64_t received_bytes;
    /**
     * Of these, datagrams whose end was lost.
     */
    uint64_t truncated;
    /**
     * Datagrams received and not yet handed out when the peer was closed or reopened; those that
     * were still in the socket are not counted.
     */
    uint64_t unread;
    /**
     * Datagrams that the kernel dropped, its receive buffer being full or the checksum wrong.
     */
    uint64_t kernel_drops;
    /**
     * ICMP errors taken, and those that nobody asked for before there were too many.
     */
    uint64_t icmp_errors;
    uint64_t errors_dropped;
    /**
     * 1 where the kernel splits and joins datagrams for this peer, otherwise 0. GRO is turned on by
     * the first `peer_receive` of 64 datagrams or more.
     */
    uint32_t uses_gso;
    uint32_t uses_gro;
} peer_stats_t;

/**
 * Called with each datagram that a peer has sent or received.
 *
 * `user` is the pointer given to `peer_wire_log`; `is_sent` 1 for sent, 0 for received; `who` the
 * other side; `data`, `len` the payload, good during the call. It runs inside the call that sends
 * or receives, on the caller's thread, and must not unwind (no C++ exception, no longjmp). It may
 * call any function of this library.
 */
typedef void (*peer_wire_fn)(void *user,
                             int32_t is_sent,
                             const ph_addr_t *who,
                             const uint8_t *data,
                             size_t len);

/**
 * How messages travel. Set `size` to sizeof(bcast_config_t) and the rest to 0, which means the
 * default everywhere, then what should differ.
 */
typedef struct {
    /**
     * sizeof(bcast_config_t). Fields are only ever added at the end; what this library does not
     * know must be 0.
     */
    size_t size;
    /**
     * A multicast group, IPv4 or IPv6, its port playing no part; default, family 0: broadcast over
     * IPv4.
     */
    ph_addr_t group;
    /**
     * Port that messages come in at and go to, 0 to 65535; 0: a free one.
     */
    uint32_t port;
    /**
     * Index of the only interface to use (SO_BINDTODEVICE); default 0: all of them, for a group
     * those that are up now.
     */
    uint32_t interface;
    /**
     * Longest message received whole, in bytes, at most 65,535; default 8,192.
     */
    uint32_t recv_size;
    /**
     * Routers that a message to a group may cross, and one, 1 to 255; default 1: none.
     */
    uint32_t ttl;
    /**
     * BCAST_SEND_ONLY.
     */
    uint32_t flags;
} bcast_config_t;

/**
 * Counts since it was made.
 */
typedef struct {
    /**
     * sizeof(bcast_stats_t), set by the caller.
     */
    size_t size;
    /**
     * Messages and payload bytes handed to the caller.
     */
    uint64_t received;
    uint64_t received_bytes;
    /**
     * Of these, messages whose end was lost.
     */
    uint64_t truncated;
    /**
     * Messages that the kernel dropped, its receive buffer being full or the checksum wrong.
     */
    uint64_t kernel_drops;
    /**
     * Messages that left, one for each interface, and those that an interface refused or that found
     * none.
     */
    uint64_t sent;
    uint64_t send_errors;
    /**
     * Times that the beacon has tried to send.
     */
    uint64_t beacons;
} bcast_stats_t;

/**
 * How to make a loop. Zero means the default.
 */
typedef struct {
    /**
     * `sizeof(evloop_config_t)`.
     */
    size_t size;
    /**
     * EVLOOP_EPOLL (the default), EVLOOP_POLL or EVLOOP_SELECT.
     */
    uint32_t backend;
    /**
     * 0.
     */
    uint32_t reserved;
} evloop_config_t;

/**
 * One event.
 */
typedef struct {
    /**
     * Whom it is about; 0 for EVLOOP_WAKE and EVLOOP_STOP.
     */
    int64_t id;
    /**
     * What the caller gave with it; the library never looks at what it points to.
     */
    void *user;
    /**
     * EVLOOP_TIMER and so on, TCP_DATA and so on.
     */
    uint32_t kind;
    /**
     * errno, PH_ENONAME or PH_ERESOLVE without their sign, or 0.
     */
    int32_t error;
    /**
     * As the kind says.
     */
    uint64_t value;
    /**
     * TCP_DATA: what was received, in the caller's buffer. NULL otherwise.
     */
    const uint8_t *data;
    /**
     * As the kind says; bytes of `data`.
     */
    size_t len;
} evloop_event_t;

/**
 * Called with each event. `user` is what was given to `evloop_run`; `event` and its data are good
 * during the call. It may call anything but `evloop_poll`, `evloop_run` and `evloop_run_once` of the
 * same loop, which answer -EBUSY, and must not unwind (no C++ exception, no longjmp).
 */
typedef void (*evloop_fn)(void *user, const evloop_event_t *event);

/**
 * One timer.
 */
typedef struct {
    /**
     * Set by `evloop_timer_add`.
     */
    int64_t id;
    /**
     * Nanoseconds from now until it is due; 0 and below: at once.
     */
    int64_t delay_ns;
    /**
     * Nanoseconds from one time to the next, without drift; 0: it is due once.
     */
    int64_t period_ns;
    /**
     * Comes with its events.
     */
    void *user;
} evloop_timer_t;

/**
 * Counts of a loop since it was made, and what is in it now.
 */
typedef struct {
    /**
     * `sizeof(evloop_stats_t)`, set by the caller.
     */
    size_t size;
    /**
     * Waits.
     */
    uint64_t iterations;
    /**
     * Events given.
     */
    uint64_t events;
    /**
     * Timers that are pending, connections' own among them.
     */
    uint64_t timers;
    /**
     * How many times timers of the caller's were due.
     */
    uint64_t timers_fired;
    /**
     * Watched descriptors, listeners, and connections that have not ended.
     */
    uint64_t watches;
    uint64_t listeners;
    uint64_t connections;
    uint64_t accepted;
    /**
     * Connections that `tcp_connect` made.
     */
    uint64_t connected;
    /**
     * Connections that have ended.
     */
    uint64_t closed;
    /**
     * Connections that ended before they were taken, and times that none could be taken.
     */
    uint64_t accept_errors;
    uint64_t received_bytes;
    /**
     * Bytes that the kernel has taken.
     */
    uint64_t sent_bytes;
    /**
     * Bytes that were taken from the caller and not sent, as their connection had ended.
     */
    uint64_t unsent_bytes;
} evloop_stats_t;

/**
 * How connections are to be: those of a listener, or one. Zero means the default.
 */
typedef struct {
    /**
     * `sizeof(tcp_config_t)`.
     */
    size_t size;
    /**
     * TCP_REUSEPORT and so on.
     */
    uint32_t flags;
    /**
     * Connections that the kernel holds until they are taken; 0: as many as the system allows.
     */
    int32_t backlog;
    /**
     * TCP_READ_DATA (the default), TCP_READ_NOTICE or TCP_READ_OFF.
     */
    uint32_t reading;
    /**
     * Seconds of silence after which the peer is probed (SO_KEEPALIVE); 0: never. Up to 32,767.
     */
    uint32_t keepalive_s;
    /**
     * With TCP_LINGER: seconds that closing goes on trying in the background (SO_LINGER); 0: closing
     * resets the connection.
     */
    uint32_t linger_s;
    /**
     * Bytes of the kernel's buffers (SO_RCVBUF, SO_SNDBUF); 0: as the system has it.
     */
    uint32_t recv_buffer;
    uint32_t send_buffer;
    /**
     * Most bytes of one TCP_DATA event; 65,536 by default.
     */
    uint32_t recv_size;
    /**
     * Milliseconds for a whole connect, looking up the name included; 30,000 by default.
     */
    uint32_t connect_timeout_ms;
    /**
     * Milliseconds without a byte in either direction, after which it is closed with ETIMEDOUT;
     * 0: never.
     */
    uint32_t idle_timeout_ms;
    /**
     * Milliseconds with bytes waiting and none going out, after which it is reset with ETIMEDOUT;
     * time in which `write_rate` holds them back does not count. 0: never, and 30,000 after
     * `tcp_close`.
     */
    uint32_t write_timeout_ms;
    /**
     * Bytes that wait to be sent: TCP_DRAINED comes when no more than `low` do (16,384 by default)
     * after more than `high` did (65,536).
     */
    uint32_t low;
    uint32_t high;
    /**
     * A message that would have more than this wait is refused, unless nothing waits; 16 MiB by
     * default.
     */
    uint32_t limit;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Bytes per second each way, evened out over 10 ms; 0: unlimited.
     */
    uint64_t read_rate;
    uint64_t write_rate;
} tcp_config_t;

/**
 * A message for a connection.
 */
typedef struct {
    /**
     * The connection.
     */
    int64_t id;
    /**
     * What to send; NULL only with 0.
     */
    const uint8_t *data;
    size_t len;
    /**
     * Set by `tcp_write`: how many bytes of this connection wait now, or a negated errno.
     */
    int64_t result;
} tcp_message_t;

/**
 * Counts of one connection.
 */
typedef struct {
    /**
     * `sizeof(tcp_stats_t)`, set by the caller.
     */
    size_t size;
    /**
     * Reads that brought something.
     */
    uint64_t received;
    uint64_t received_bytes;
    /**
     * Messages taken.
     */
    uint64_t sent;
    /**
     * Bytes that the kernel has taken.
     */
    uint64_t sent_bytes;
    /**
     * Bytes that wait to be sent.
     */
    uint64_t waiting;
} tcp_stats_t;

/**
 * A stopwatch: the caller's memory and nothing else, so there is nothing to close. All 0 before the
 * first use. The numbers are nanoseconds of CLOCK_MONOTONIC, 0 for never, and the functions' alone to
 * set.
 */
typedef struct {
    /**
     * When `stopwatch_tic` or `stopwatch_round` was called last.
     */
    int64_t started_ns;
    /**
     * The last tick of `stopwatch_sleep_until_next`.
     */
    int64_t tick_ns;
} stopwatch_t;

/**
 * A stretch of bytes of the caller's.
 */
typedef struct {
    /**
     * NULL only with 0.
     */
    const uint8_t *data;
    size_t len;
} ph_bytes_t;

/**
 * Limits. Set `size` to sizeof(rq_config_t) and the rest to 0, which means the default, then what
 * should differ.
 */
typedef struct {
    /**
     * sizeof(rq_config_t). Fields are only ever added at the end; what this library does not
     * know must be 0.
     */
    size_t size;
    /**
     * Buffers of all groups at most; default 1,048,576.
     */
    uint64_t buffers_max;
    /**
     * Bytes of memory of all values and keys at most, about 40 for each value and 192 for each
     * buffer beside their contents; default 1 GiB.
     */
    uint64_t bytes_max;
} rq_config_t;

/**
 * A value that was extracted.
 */
typedef struct {
    /**
     * Where its idx lies in `out`; both 0 where the caller has named the idx.
     */
    size_t idx_offset;
    size_t idx_len;
    /**
     * Where it lies in `out`.
     */
    size_t offset;
    size_t len;
} rq_value_t;

/**
 * How much room a call takes, or would take.
 */
typedef struct {
    /**
     * Entries of the array.
     */
    size_t items;
    /**
     * Bytes of the buffer.
     */
    size_t bytes;
} ph_need_t;

/**
 * Counts since it was made, and what is there now.
 */
typedef struct {
    /**
     * sizeof(rq_stats_t), set by the caller.
     */
    size_t size;
    /**
     * Buffers, and values in them.
     */
    uint64_t buffers;
    uint64_t values;
    /**
     * Bytes of memory that count for `bytes_max`.
     */
    uint64_t bytes;
    /**
     * Values that were taken.
     */
    uint64_t received;
    /**
     * Values that fell out of a full buffer, or whose buffer was forgotten.
     */
    uint64_t discarded;
    /**
     * Values that a limit kept out.
     */
    uint64_t refused;
} rq_stats_t;

/**
 * Counts of one buffer.
 */
typedef struct {
    /**
     * sizeof(rq_buffer_stats_t), set by the caller.
     */
    size_t size;
    /**
     * Values that were taken.
     */
    uint64_t received;
    /**
     * Values that fell out.
     */
    uint64_t discarded;
    /**
     * Values that are there, and their bytes.
     */
    uint64_t held;
    uint64_t bytes;
} rq_buffer_stats_t;

/**
 * What a source puts into a queue, and how. Set `size` to sizeof(rq_feed_config_t) and the rest to 0,
 * which means the default, then what should differ.
 */
typedef struct {
    /**
     * sizeof(rq_feed_config_t).
     */
    size_t size;
    /**
     * RQ_BY_SOURCE (the default) or RQ_BY_RANGE.
     */
    uint32_t key;
    /**
     * RQ_AS_READ (the default) or RQ_LINES, the latter for connections alone.
     */
    uint32_t framing;
    /**
     * With RQ_BY_RANGE: where the idx lies in the message, in bytes.
     */
    size_t offset;
    size_t length;
} rq_feed_config_t;

/**
 * Counts of one feed.
 */
typedef struct {
    /**
     * sizeof(rq_feed_stats_t), set by the caller.
     */
    size_t size;
    /**
     * Values, and bytes in them, that were put into the queue.
     */
    uint64_t received;
    uint64_t received_bytes;
    /**
     * Values that a limit of the queue kept out: they are lost.
     */
    uint64_t refused;
    /**
     * 1 once its source has ended, else 0.
     */
    uint32_t ended;
    /**
     * 0.
     */
    uint32_t reserved;
} rq_feed_stats_t;

/**
 * How a named pipe works. Set `size` to sizeof(npipe_config_t) and the rest to 0, which means the
 * default everywhere, then what should differ.
 */
typedef struct {
    /**
     * sizeof(npipe_config_t). Fields are only ever added at the end; what this library does not
     * know must be 0.
     */
    size_t size;
    /**
     * Bytes of the longest message that is sent or received; default 1 GiB. Memory is taken as a
     * message comes, whatever length it claims.
     */
    uint64_t message_max;
    /**
     * NPIPE_UNFRAMED, NPIPE_ANY_OWNER.
     */
    uint32_t flags;
} npipe_config_t;

/**
 * Where something lies in the buffer that the caller gave.
 */
typedef struct {
    /**
     * Bytes from the buffer's beginning.
     */
    size_t offset;
    size_t len;
} ph_span_t;

/**
 * Counts since the handle was made.
 */
typedef struct {
    /**
     * sizeof(npipe_stats_t), set by the caller.
     */
    size_t size;
    /**
     * Messages sent whole, and their bytes.
     */
    uint64_t sent;
    uint64_t sent_bytes;
    /**
     * Messages for which there was no reader, or that were begun and given up.
     */
    uint64_t unsent;
    /**
     * Messages handed to the caller, and their bytes.
     */
    uint64_t received;
    uint64_t received_bytes;
    /**
     * Messages that were begun and not ended: -ECONNABORTED.
     */
    uint64_t lost;
    /**
     * Reads that gave no message, or one that is too long: -EBADMSG.
     */
    uint64_t rejected;
} npipe_stats_t;

/**
 * Set `size` to sizeof(virt_config_t) and the rest to 0, which means the default everywhere, then what
 * should differ.
 */
typedef struct {
    /**
     * sizeof(virt_config_t). Fields are only ever added at the end; what this library does not
     * know must be 0.
     */
    size_t size;
    /**
     * The longest that a call takes, in milliseconds; default 5,000. That the first
     * `virt_connect` of a process loads libvirt comes on top.
     */
    uint32_t timeout_ms;
    /**
     * 0.
     */
    uint32_t flags;
} virt_config_t;

/**
 * A domain's state and share of its host: libvirt's virDomainInfo.
 */
typedef struct {
    /**
     * sizeof(virt_info_t), set by the caller.
     */
    size_t size;
    /**
     * virDomainState: 0 none, 1 running, 2 blocked, 3 paused, 4 being shut down, 5 shut off, 6 crashed,
     * 7 suspended by its guest.
     */
    uint32_t state;
    /**
     * Virtual CPUs.
     */
    uint32_t vcpus;
    /**
     * Memory that it may have, and has, in KiB.
     */
    uint64_t max_memory_kib;
    uint64_t memory_kib;
    /**
     * CPU time used, in nanoseconds.
     */
    uint64_t cpu_time_ns;
} virt_info_t;

/**
 * Counts since it was made.
 */
typedef struct {
    /**
     * sizeof(virt_stats_t), set by the caller.
     */
    size_t size;
    /**
     * Connections opened, those opened again among them.
     */
    uint64_t connects;
    /**
     * Times that a host was asked for a domain by its name; on a kept connection, once for each.
     */
    uint64_t lookups;
    /**
     * Calls of virt_get_info, virt_suspend, virt_resume and virt_list for a host that is connected.
     */
    uint64_t calls;
} virt_stats_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Version of the library, as "MAJOR.MINOR.PATCH": a static string.
 *
 * Errors: none. Thread safety: any thread.
 */
const char *ph_version(void);

/**
 * PH_ABI_VERSION of the library that is loaded, to be compared with the header's.
 *
 * Errors: none. Thread safety: any thread.
 */
int32_t ph_abi_version(void);

/**
 * What a code returned by this library means: a static string, never NULL.
 *
 * `code`: a negated errno or PH_EPANIC; "success" for 0 and above.
 *
 * Errors: none. Thread safety: any thread.
 */
const char *ph_strerror(int32_t code);

/**
 * Sets where log messages of the whole library go, and how many.
 *
 * `callback`: NULL for standard error. `user`: handed to the callback, never looked at; it must
 * stay good until another `ph_log_set` has returned, after which the former callback is not
 * running and will not be called again. `level`: PH_LOG_NONE to PH_LOG_WIRE; a handle's own level
 * may be higher.
 *
 * Errors: -EINVAL for another level; -EDEADLK when called by the callback.
 * Thread safety: any thread.
 */
int32_t ph_log_set(ph_log_fn callback, void *user, int32_t level);

/**
 * Reads an address: "192.0.2.1", "2001:db8::1", "fe80::1%eth0" or "fe80::1%2". Names are not
 * looked up, as that may block.
 *
 * `text`, `length`: the text, which needs no NUL. `port`: 0 to 65535. `out`: the caller's.
 *
 * Errors: -EINVAL for any other text, a port out of range, NULL; -ENODEV for an interface that
 * does not exist. `out` is written on success only. Thread safety: any thread.
 */
int32_t ph_addr_parse(const char *text, size_t length, uint32_t port, ph_addr_t *out);

/**
 * Writes an address, without its port, as text that `ph_addr_parse` reads, with a final NUL.
 *
 * `out`, `capacity`: the caller's; PH_ADDR_TEXT_MAX bytes always do.
 *
 * Returns the length without the NUL. Errors: -EINVAL for NULL or a family that is neither 4 nor
 * 6; -ENOSPC when the buffer is too small, nothing being written. Thread safety: any thread.
 */
int32_t ph_addr_format(const ph_addr_t *addr, char *out, size_t capacity);

/**
 * Makes a handler for the UDP socket `fd` and starts its threads.
 *
 * `fd`: an IPv4 or IPv6 UDP socket, bound as it should be; duplicated, so that the caller may
 * close its own at once. While the handler lives, IP_RECVERR is set on the socket and, when it
 * receives, SO_TIMESTAMPNS and UDP_GRO: nobody else should read it. The close turns off what was
 * turned on; of several handlers on one socket, close the one made first last.
 * `config`: NULL for defaults. `out`: gets the handle, the caller's to close.
 *
 * Errors: -EINVAL for NULL, a configuration out of range, an `event_fd` that is no eventfd;
 * -EBADF for a closed descriptor; -ENOTSOCK; -EPROTOTYPE for a socket that is not UDP;
 * -EAFNOSUPPORT for one that is neither IPv4 nor IPv6; -EMFILE, -ENFILE, -EAGAIN when
 * descriptors or threads are short. Nothing is left behind, and `out` is not written.
 * Thread safety: any thread.
 */
int32_t udph_new(int32_t fd, const udph_config_t *config, udph_t **out);

/**
 * Puts `n` datagrams into the send queue, in order; their payloads are copied.
 *
 * `items`, `n`: at least 1; `addr`, `data` and `len` are looked at. `timeout_ms`: how long
 * UDPH_WAIT waits for room, -1 for ever, 0 not at all; other policies never wait.
 *
 * Returns how many were taken. Fewer than `n`: the next one is refused, and dispatching from it
 * on tells why. Errors, about the first one: -EAGAIN when the queue is full, -ETIMEDOUT when it
 * stayed so; -EMSGSIZE for a payload longer than UDP (65,507 bytes over IPv4, 65,527 over IPv6)
 * or the queue's bound; -EAFNOSUPPORT for an IPv6 address on an IPv4 socket; -EINVAL for port 0,
 * another family, NULL with a length, `n` 0, a timeout below -1; -ESHUTDOWN when closed during the call; -EBADF.
 * Thread safety: any thread.
 */
int64_t udph_dispatch(udph_t *h,
                      const ph_datagram_t *items,
                      size_t n,
                      int32_t timeout_ms);

/**
 * Puts one datagram into the send queue: `udph_dispatch` for callers to whom filling a structure
 * costs more than the call. It never waits: UDPH_WAIT refuses like UDPH_REFUSE here.
 *
 * `to`: where it goes. `port`: 1 to 65535, in place of that of `to`; 0: that of `to`. It is wide,
 * so that a number out of range is refused even where a binding cuts numbers to size.
 * `data`, `len`: the payload, copied; NULL only with 0.
 *
 * Returns 0. Errors: as `udph_dispatch`. Thread safety: any thread.
 */
int32_t udph_dispatch_to(udph_t *h,
                         const ph_addr_t *to,
                         int64_t port,
                         const uint8_t *data,
                         size_t len);

/**
 * Picks up to `n` received datagrams up, oldest first.
 *
 * `items`, `n`: the caller's, at least 1; filled from the first on. `buf`, `cap`: the caller's;
 * gets the payloads one after the other, to which `items[].data` point. 65,535 bytes are enough
 * for any one datagram. `timeout_ms`: how long to wait for a first one, -1 for ever, 0 not at all.
 *
 * Returns how many were picked up; what did not fit stays. Errors: -EAGAIN when there is none;
 * -ETIMEDOUT when the time is over; -EMSGSIZE when not even the first fits `buf`, nothing being
 * lost; -EINTR when a signal handler ran during the wait; -EOPNOTSUPP for waiting on a handler
 * that does not receive; -ESHUTDOWN when closed during the call; -EINVAL for NULL or `n` 0; -EBADF.
 * Thread safety: any thread; each datagram goes to one caller.
 */
int64_t udph_get_recved(udph_t *h,
                        ph_datagram_t *items,
                        size_t n,
                        uint8_t *buf,
                        size_t cap,
                        int32_t timeout_ms);

/**
 * Datagrams dispatched and not yet sent, those being sent included.
 *
 * Errors: -EBADF. Thread safety: any thread.
 */
int64_t udph_queued_send(udph_t *h);

/**
 * Datagrams received and not yet picked up.
 *
 * Errors: -EBADF. Thread safety: any thread.
 */
int64_t udph_queued_recved(udph_t *h);

/**
 * Average nanoseconds from dispatch to the kernel's taking it since the last reset; 0 when
 * nothing was sent. `reset`: not 0 starts the average anew.
 *
 * Errors: -EBADF. Thread safety: any thread.
 */
int64_t udph_stats_send_avg(udph_t *h, int32_t reset);

/**
 * Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
 *
 * Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
 */
int32_t udph_stats(udph_t *h, udph_stats_t *out);

/**
 * Reads the counts of each reactor: all senders first, then all receivers.
 *
 * `out`, `n`: the caller's; the first `n` are written.
 *
 * Returns how many there are, which may be more than `n`. Errors: -EINVAL for NULL with a length;
 * -EBADF. Thread safety: any thread.
 */
int64_t udph_reactor_stats(udph_t *h, udph_reactor_stats_t *out, size_t n);

/**
 * Picks up to `n` errors up, oldest first: sends that the kernel refused, and ICMP errors. The
 * newest 1,024 are kept until they are picked up; the rest are counted (errors_dropped).
 *
 * `out`, `n`: the caller's, at least 1.
 *
 * Returns how many. Errors: -EAGAIN when there is none; -EINVAL for NULL or `n` 0; -EBADF.
 * Thread safety: any thread.
 */
int64_t udph_get_error(udph_t *h, ph_error_t *out, size_t n);

/**
 * A descriptor that poll(2) finds readable exactly while datagrams are there to pick up; it stays
 * the handler's, is good until `udph_close`, and must not be read.
 *
 * Errors: -EOPNOTSUPP when the handler does not receive; -EBADF. Thread safety: any thread.
 */
int32_t udph_fd(udph_t *h);

/**
 * Ends a handler: stops receiving, sends what is queued, joins the threads, wakes every waiter
 * and closes the descriptors, once the calls inside have left. From the first moment on every other call with this handle, from
 * any thread, answers -EBADF; calls that are inside finish safely with -ESHUTDOWN. What the
 * caller's socket has received by then and no thread has taken stays in that socket.
 *
 * `deadline_ms`: how long sending the rest may take, 0 to 2,147,483,647. `last`: NULL, or the
 * caller's with `size` set: gets the final counts.
 *
 * Returns how many datagrams were left unsent. Errors: -EBADF, for a second close too; -EINVAL for
 * a negative deadline or a bad `last`, and -EDEADLK when called by the log callback on a thread of
 * the library's own, the handle staying open. Thread safety: any other thread.
 */
int64_t udph_close(udph_t *h,
                   int32_t deadline_ms,
                   udph_stats_t *last);

/**
 * Makes a peer, which `peer_open` opens. It has no thread, and no descriptor before that.
 *
 * `config`: NULL for the defaults. `out`: the caller's; gets the handle.
 *
 * The socket is opened with SO_REUSEADDR and SO_REUSEPORT: others that do the same may share
 * its port, and datagrams are then dealt out among those of one user by sender. Of multicasts it receives those of the groups
 * that it has joined, where Linux otherwise gives it those that any socket has (IP_MULTICAST_ALL).
 *
 * Errors: -EINVAL for a bad configuration or NULL; -EMFILE when 65,536 handles are open. `out` is
 * written on success only. Thread safety: any thread.
 */
int32_t peer_new(const peer_config_t *config,
                 peer_t **out);

/**
 * Opens a peer's socket and binds it.
 *
 * Returns 0. Errors: -EADDRINUSE when a program has the port for itself; -EACCES for a port below
 * 1024 without the privilege; -EADDRNOTAVAIL for an address that is none of this host's; -EMFILE;
 * -EISCONN when it is open; -EBADF. Thread safety: any thread.
 */
int32_t peer_open(peer_t *h);

/**
 * Closes a peer's socket, if it is open, and opens it on the address that it had; a free port that
 * it was given stays its port. Calls that wait on the old one end with -ESHUTDOWN. What `peer_set`
 * and `peer_join` did is to be done again.
 *
 * Returns 0. Errors: as `peer_open`; the peer is closed then, and may be opened. Thread safety: any
 * thread.
 */
int32_t peer_reopen(peer_t *h);

/**
 * Receives up to `n` datagrams, oldest first.
 *
 * `items`, `n`: the caller's, at least 1; filled from the first on. `arrivals`: NULL, or the
 * caller's `n`: filled likewise; needs PEER_ARRIVAL to say anything. `buf`, `cap`: the caller's;
 * gets the payloads one after the other, to which `items[].data` point; 65,535 bytes are enough
 * for any one datagram. `timeout_ms`: how long to wait for a first one, -1 for ever, 0 not at all.
 * A caller who waits, and has taken all there was, is given more than 40,000 datagrams a second in
 * batches, at most 0.3 ms late, instead of being woken for each.
 *
 * Returns how many. What was received and did not fit is kept and comes first the next time: a
 * datagram longer than the rest of `buf`, or the end of a run, with UDP GRO, which calls with `n`
 * of 64 or more turn on. Errors: -EAGAIN when there is none;
 * -ETIMEDOUT when the time is over; -EMSGSIZE when not even the first fits `buf`, nothing being
 * lost; -EINTR when a signal handler ran during the wait; -ESHUTDOWN when closed during the wait;
 * -ENOTCONN when not open; -EINVAL for NULL or `n` 0; -EBADF. ICMP errors are none: see
 * `peer_get_error`. Thread safety: any thread; each datagram goes to one caller.
 */
int64_t peer_receive(peer_t *h,
                     ph_datagram_t *items,
                     ph_arrival_t *arrivals,
                     size_t n,
                     uint8_t *buf,
                     size_t cap,
                     int32_t timeout_ms);

/**
 * Receives one datagram, without waiting: `peer_receive` for callers to whom filling a structure
 * costs more than the call.
 *
 * `buf`, `cap`: the caller's; gets the payload. `from`: the caller's; gets the sender.
 *
 * Returns the length of the datagram; more than `recv_size` means that its end is lost, `recv_size`
 * bytes being there. Errors: -EAGAIN when there is none; -EMSGSIZE when it does not fit `buf`,
 * nothing being lost; -ENOTCONN; -EINVAL for NULL; -EBADF. Thread safety: any thread.
 */
int64_t peer_receive_from(peer_t *h, uint8_t *buf, size_t cap, ph_addr_t *from);

/**
 * Receives one datagram, without waiting: `peer_receive_from` for bindings to which every argument
 * costs, as does every look at an address.
 *
 * `room`: the caller's; `from` is written where it changes.
 *
 * Returns the length as `peer_receive_from`, with PEER_OTHER_SENDER added when `from` has changed.
 * Errors: as `peer_receive_from`. Thread safety: any thread, each with a room of its own.
 */
int64_t peer_receive_room(peer_room_t *room);

/**
 * Sends `n` datagrams, in order, without waiting. Neighbours of one destination and length leave
 * together (UDP GSO) where the kernel can.
 *
 * `items`, `n`: at least 1; `addr`, `data` and `len` are looked at. `how`: NULL, or the caller's
 * `n`: how each is to leave.
 *
 * Returns how many were sent. Fewer than `n`: the next one is refused, and sending from it on tells
 * why. Errors, about the first one: -EAGAIN when the kernel has no room; -EMSGSIZE for a payload
 * longer than UDP (65,507 bytes over IPv4, 65,527 over IPv6); -EACCES for a broadcast without
 * PEER_BROADCAST; -EAFNOSUPPORT for an IPv6 address on an IPv4 socket; -ENETUNREACH, -EHOSTUNREACH,
 * -EPERM and others of sendmsg(2); -EINVAL for port 0, another family, a TOS out of range, NULL, `n`
 * 0; -EINVAL or -ENETUNREACH for a source address that is none of this host's; -ENOTCONN when not
 * open; -ESHUTDOWN when closed during the call; -EBADF. ICMP
 * errors are none: see `peer_get_error`. Thread safety: any thread.
 */
int64_t peer_send(peer_t *h,
                  const ph_datagram_t *items,
                  const ph_arrival_t *how,
                  size_t n);

/**
 * Sends one datagram, without waiting: `peer_send` for callers to whom filling a structure costs
 * more than the call.
 *
 * `to`: where it goes. `port`: 1 to 65535, in place of that of `to`; 0: that of `to`. It is wide, so
 * that a number out of range is refused even where a binding cuts numbers to size.
 * `data`, `len`: the payload; NULL only with 0.
 *
 * Returns `len`. Errors: as `peer_send`. Thread safety: any thread.
 */
int64_t peer_send_to(peer_t *h,
                     const ph_addr_t *to,
                     int64_t port,
                     const uint8_t *data,
                     size_t len);

/**
 * Sizes of the socket's buffers in bytes, the kernel's own bookkeeping included: it doubles what it
 * is asked for (socket(7)). Both 0 when the peer is not open.
 *
 * `send`, `recv`: the caller's. Returns 0. Errors: -EINVAL for NULL; -EBADF. Thread safety: any
 * thread.
 */
int32_t peer_actual_buf_sizes(peer_t *h, int32_t *send, int32_t *recv);

/**
 * The address and port that the peer is bound to, or was, or will be.
 *
 * `out`: the caller's. Returns 0. Errors: -EINVAL for NULL; -EBADF. Thread safety: any thread.
 */
int32_t peer_addr(peer_t *h, ph_addr_t *out);

/**
 * A descriptor that poll(2) finds readable exactly while datagrams are there, or ICMP errors that no
 * call has taken from the socket yet (any that receives does); it stays the peer's, is good until it is closed or reopened, and must not be read. It is never
 * writable: for that, ask poll about `peer_socket`.
 *
 * Errors: -ENOTCONN when not open; -EMFILE; -EBADF. Thread safety: any thread.
 */
int32_t peer_fd(peer_t *h);

/**
 * The socket itself, for options that this header does not name, and to wait for room; it stays the
 * peer's, and is good until it is closed or reopened. To read it would take datagrams away.
 *
 * Errors: -ENOTCONN when not open; -EBADF. Thread safety: any thread.
 */
int32_t peer_socket(peer_t *h);

/**
 * Sets an option of the open socket.
 *
 * `option`: PEER_TTL to PEER_MULTICAST_INTERFACE. `value`: as said there.
 *
 * Returns 0. Errors: -EINVAL for another option or a value out of range; -EADDRNOTAVAIL or -ENODEV
 * for an interface that does not exist; -ENOTCONN when not open; -EBADF. Thread safety: any thread.
 */
int32_t peer_set(peer_t *h, uint32_t option, int32_t value);

/**
 * Receives a multicast group's datagrams from now on.
 *
 * `group`: its address; the port plays no part. `interface`: index of the interface to listen on;
 * 0: the one that the system picks, or that the group's scope names.
 *
 * Returns 0. Errors: -EINVAL for an address that is no group's, or NULL; -EAFNOSUPPORT for one of
 * the other family; -EADDRINUSE when joined already; -ENODEV; -ENOBUFS for too many groups;
 * -ENOTCONN when not open; -EBADF. Thread safety: any thread.
 */
int32_t peer_join(peer_t *h, const ph_addr_t *group, uint32_t interface);

/**
 * Receives a multicast group's datagrams no longer. Parameters as `peer_join`, with which it was
 * joined.
 *
 * Returns 0. Errors: -EADDRNOTAVAIL for a group that was not joined; otherwise as `peer_join`.
 * Thread safety: any thread.
 */
int32_t peer_leave(peer_t *h, const ph_addr_t *group, uint32_t interface);

/**
 * Picks up to `n` ICMP errors up, oldest first. The newest 1,024 are kept until they are picked up;
 * the rest are counted (errors_dropped). They never make a call fail.
 *
 * `out`, `n`: the caller's, at least 1.
 *
 * Returns how many. Errors: -EAGAIN when there is none; -EINVAL for NULL or `n` 0; -EBADF. Thread
 * safety: any thread.
 */
int64_t peer_get_error(peer_t *h, ph_error_t *out, size_t n);

/**
 * Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
 *
 * Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
 */
int32_t peer_stats(peer_t *h, peer_stats_t *out);

/**
 * Has every datagram sent and received told to a callback.
 *
 * `callback`: NULL for none. `user`: handed to the callback, never looked at. Both must stay good
 * until the calls that send or receive while this one replaces them have returned.
 *
 * Returns 0. Errors: -EBADF. Thread safety: any thread.
 */
int32_t peer_wire_log(peer_t *h, peer_wire_fn callback, void *user);

/**
 * Ends a peer: closes its socket and wakes every waiter. From the first moment on every other call
 * with this handle, from any thread, answers -EBADF; calls that wait inside end with -ESHUTDOWN.
 *
 * Returns 0. Errors: -EBADF, for a second close too. Thread safety: any thread.
 */
int32_t peer_close(peer_t *h);

/**
 * Opens a socket for messages to and from all neighbours.
 *
 * Several may have one port (SO_REUSEADDR), in this process and others: each gets every message.
 *
 * `config`: NULL for the defaults. `out`: the caller's; gets the handle.
 *
 * Errors: -EADDRINUSE when a program has the port for itself; -EACCES for a port below 1024 without
 * the privilege; -EINVAL for a bad configuration, a group that is none, NULL; -ENODEV for an
 * interface that does not exist, or when none takes multicasts; -EPERM for naming an interface
 * before Linux 5.7 without the privilege; -ENOBUFS for too many groups; -EMFILE. `out` is written on
 * success only. Thread safety: any thread.
 */
int32_t bcast_new(const bcast_config_t *config,
                  bcast_t **out);

/**
 * Receives up to `n` messages, oldest first: `peer_receive` with PEER_ARRIVAL, but that it is
 * always open.
 *
 * Errors: those of `peer_receive`. Thread safety: any thread; each message goes to one caller.
 */
int64_t bcast_receive(bcast_t *h,
                      ph_datagram_t *items,
                      ph_arrival_t *arrivals,
                      size_t n,
                      uint8_t *buf,
                      size_t cap,
                      int32_t timeout_ms);

/**
 * Sends a message to all neighbours, without waiting: by each interface that is up, to its network's
 * broadcast address, which follows from the prefix where it has none (the loopback's is
 * 127.255.255.255), or to the group. A host that is reached by
 * several interfaces gets several, this one among them where it receives them.
 *
 * `data`, `len`: the message; NULL only with 0.
 *
 * Returns by how many interfaces it left. Errors, when by none: what the first of them said, as
 * `peer_send`; -ENETUNREACH when there is none; -EBADF. Thread safety: any thread.
 */
int64_t bcast_send(bcast_t *h,
                   const uint8_t *data,
                   size_t len);

/**
 * Sends a message now and then again and again, from a thread of the library's own, in place of the
 * one before. The times are counted from the first, without drift; one that is missed is left out.
 *
 * `data`, `len`: the message, copied; NULL only with 0. `period_ms`: from one to the next, in
 * milliseconds; 0: sends nothing more.
 *
 * Returns 0. Errors: -EMSGSIZE for a message longer than UDP; -ESHUTDOWN when closed during the call; -EAGAIN or -EMFILE when threads or
 * descriptors are short, nothing being sent any more; -EDEADLK when called by the log callback on a
 * thread of the library's own; -EINVAL for NULL; -EBADF. Thread safety: any other thread.
 */
int32_t bcast_beacon(bcast_t *h,
                     const uint8_t *data,
                     size_t len,
                     uint32_t period_ms);

/**
 * The port that messages come in at and go to.
 *
 * Errors: -EBADF. Thread safety: any thread.
 */
int32_t bcast_port(bcast_t *h);

/**
 * A descriptor that poll(2) finds readable exactly while messages are there; it stays the library's,
 * is good until `bcast_close`, and must not be read.
 *
 * Errors: -EMFILE; -EBADF. Thread safety: any thread.
 */
int32_t bcast_fd(bcast_t *h);

/**
 * Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
 *
 * Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
 */
int32_t bcast_stats(bcast_t *h, bcast_stats_t *out);

/**
 * Ends it: stops the beacon, closes the socket and wakes every waiter. From the first moment on
 * every other call with this handle, from any thread, answers -EBADF; calls that wait inside end
 * with -ESHUTDOWN.
 *
 * Returns 0. Errors: -EBADF, for a second close too; -EDEADLK when called by the log callback on a
 * thread of the library's own, the handle staying open. Thread safety: any other thread.
 */
int32_t bcast_close(bcast_t *h);

/**
 * Makes a loop.
 *
 * `config`: NULL for the defaults. `out`: the caller's; gets the handle.
 *
 * Errors: -EINVAL for a bad configuration or NULL; -EMFILE, -ENFILE, -ENOMEM. `out` is written on
 * success only. Thread safety: any thread.
 */
int32_t evloop_new(const evloop_config_t *config, evloop_t **out);

/**
 * Does one iteration, or more until there are events, and gives them.
 *
 * `events`, `n`: the caller's, room for 1 event at least. `buf`, `cap`: the caller's, at least 1
 * byte; the data of TCP_DATA events lie in it one behind the other, in the order of the events, as
 * much as there is room for; the rest comes next time. `timeout_ms`: -1 for ever, 0 not at all.
 *
 * A caller who closes or deletes something in answer to one event may still have another of it in
 * the same batch.
 *
 * Returns how many events, 1 at least. Errors: -EAGAIN nothing there, -ETIMEDOUT out of time;
 * -EINTR when a signal handler ran on this thread; -EBUSY when another thread polls, or a callback
 * of this loop calls; -ESHUTDOWN when closed during the call, or when after `evloop_shutdown` all has
 * ended; -EINVAL; -EBADF. Thread safety: any thread, one at a time.
 */
int64_t evloop_poll(evloop_t *h,
                    evloop_event_t *events,
                    size_t n,
                    uint8_t *buf,
                    size_t cap,
                    int32_t timeout_ms);

/**
 * Runs the loop: gives each event to `callback`, on this thread, until `evloop_stop`.
 *
 * Events of what an earlier callback has closed or deleted are left out, but for TCP_CLOSED.
 *
 * `callback`: not NULL. `user`: handed to it, never looked at.
 *
 * Returns 0 after `evloop_stop`, or when after `evloop_shutdown` all has ended. Errors: -EINTR when a
 * signal handler ran on this thread; -ESHUTDOWN when closed; -EBUSY, -EINVAL, -EBADF. The rest of the
 * batch that EVLOOP_STOP is in is given before it returns. Thread safety: as `evloop_poll`.
 */
int32_t evloop_run(evloop_t *h,
                   evloop_fn callback,
                   void *user);

/**
 * One batch of `evloop_run`: as `evloop_poll`, each event being given to `callback`.
 *
 * Returns how many events there were. Errors: as `evloop_poll`. Thread safety: as `evloop_poll`.
 */
int64_t evloop_run_once(evloop_t *h, evloop_fn callback, void *user, int32_t timeout_ms);

/**
 * Ends `evloop_run`: gives EVLOOP_STOP to the poll in progress, or the next one.
 *
 * Returns 0. Errors: -EBADF. Thread safety: any thread, a signal handler too.
 */
int32_t evloop_stop(evloop_t *h);

/**
 * Ends a wait: gives EVLOOP_WAKE to the poll in progress, or the next one.
 *
 * Returns 0. Errors: -EBADF. Thread safety: any thread, a signal handler too.
 */
int32_t evloop_wake(evloop_t *h);

/**
 * A descriptor that poll(2) finds readable whenever `evloop_poll` has something to do, timers too; it
 * stays the library's, is good until `evloop_close`, and must not be read.
 *
 * Errors: -EOPNOTSUPP for EVLOOP_POLL and EVLOOP_SELECT; -EMFILE; -EBADF. Thread safety: any thread.
 */
int32_t evloop_fd(evloop_t *h);

/**
 * Watches a descriptor of the caller's: EVLOOP_FD comes in each batch as long as it is ready.
 *
 * `fd`: stays the caller's; `evloop_del` before closing it. `events`: EVLOOP_READ, EVLOOP_WRITE, both
 * or 0; errors are reported anyway. `user`: comes with its events.
 *
 * Returns the id. Errors: -EBADF for a closed descriptor; -EEXIST when it is watched already; -EPERM
 * for a file that is always ready, as on a disk; -EINVAL for other events; -ENOSPC, -ENOMEM.
 * Thread safety: any thread.
 */
int64_t evloop_add(evloop_t *h,
                   int32_t fd,
                   uint32_t events,
                   void *user);

/**
 * Changes what a descriptor is watched for.
 *
 * Returns 0. Errors: -EBADF for an id that is no watch's, or a descriptor that was closed; -EINVAL.
 * Thread safety: any thread.
 */
int32_t evloop_mod(evloop_t *h, int64_t id, uint32_t events);

/**
 * Ends a watch, a signal or a listener. The descriptor stays open; the process's signal handler comes
 * back; connections that a listener has accepted go on.
 *
 * Returns 0. Errors: -EBADF. Thread safety: any thread.
 */
int32_t evloop_del(evloop_t *h,
                   int64_t id);

/**
 * Sets what comes as `user` with the events of any id.
 *
 * Returns 0. Errors: -EBADF. Thread safety: any thread.
 */
int32_t evloop_set_user(evloop_t *h, int64_t id, void *user);

/**
 * Adds timers on the monotonic clock. None is due early; those of one batch come in the order of
 * their times, and of their adding where these are equal.
 *
 * `timers`, `n`: the caller's; each gets its `id`. NULL only with 0.
 *
 * Returns `n`. Errors: -EINVAL for a period below 0 or NULL, nothing being added; -EMFILE after 268
 * million; -EBADF. Thread safety: any thread.
 */
int64_t evloop_timer_add(evloop_t *h, evloop_timer_t *timers, size_t n);

/**
 * Forgets timers.
 *
 * `ids`, `n`: NULL only with 0. Ids that stand for no timer, as it was due or deleted, are left out.
 *
 * Returns how many there were. Errors: -EINVAL, -EBADF. Thread safety: any thread.
 */
int64_t evloop_timer_del(evloop_t *h,
                         const int64_t *ids,
                         size_t n);

/**
 * Has a timer be due `delay_ns` nanoseconds from now instead; its period stays. One that was due for
 * the last time in the latest batch is a timer again.
 *
 * Returns 0. Errors: -EBADF. Thread safety: any thread.
 */
int32_t evloop_timer_again(evloop_t *h,
                           int64_t id,
                           int64_t delay_ns);

/**
 * Nanoseconds until the loop has something to do of itself, 0 when it has now. The next timer may be
 * due a little later.
 *
 * Errors: -EAGAIN when there is nothing; -EBADF. Thread safety: any thread.
 */
int64_t evloop_timer_next(evloop_t *h);

/**
 * Hears a signal: EVLOOP_SIGNAL comes in place of the handler that the process has for it, until
 * `evloop_del`. Several loops may hear one signal, each gets it.
 *
 * `signum`: its number. `user`: comes with its events.
 *
 * Returns the id. Errors: -EINVAL for SIGKILL, SIGSTOP, a fault of the program (SIGSEGV, SIGBUS,
 * SIGFPE, SIGILL, SIGABRT) and what is no signal; -EEXIST when this loop hears it already; -EMFILE
 * when 64 loops hear signals. Thread safety: any thread.
 */
int64_t evloop_signal_add(evloop_t *h, int32_t signum, void *user);

/**
 * Ends all in order: listeners at once; connections as by `tcp_close`, and those that have not ended
 * after `timeout_ms` (-1: never, 0: at once) with a reset and ETIMEDOUT. Polls go on giving events, and
 * answer -ESHUTDOWN when no connection is left; new ones are refused with -ESHUTDOWN.
 *
 * Returns 0. Errors: -EINVAL, -EBADF. Thread safety: any thread.
 */
int32_t evloop_shutdown(evloop_t *h,
                        int32_t timeout_ms);

/**
 * Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
 *
 * Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
 */
int32_t evloop_stats(evloop_t *h, evloop_stats_t *out);

/**
 * Ends a loop and all that is in it, at once: sockets are closed, a poll in progress ends with
 * -ESHUTDOWN. From the first moment on every other call with this handle, from any thread, answers
 * -EBADF. `evloop_shutdown` before it lets what waits be sent.
 *
 * Returns how many bytes were taken by `tcp_write` and not sent. Errors: -EBADF, for a second close
 * too. Thread safety: any thread, a callback of the loop too.
 */
int64_t evloop_close(evloop_t *h);

/**
 * Listens for connections: TCP_ACCEPTED comes for each.
 *
 * `host`: NUL-terminated; a name, "127.0.0.1", "::1"; NULL or "" for all interfaces, IPv4 and IPv6;
 * "unix:/path" for a Unix socket, "unix:@name" for one without a file. A name is looked up in the
 * call. `service`: NUL-terminated; a number, "0" for a free port (see `tcp_local`), or a name as
 * "http"; unused, and may be NULL, for Unix sockets. `config`: NULL for the defaults; for the listener
 * and its connections. `user`: comes with the events of the listener and its connections.
 *
 * Returns the listener's id, for `evloop_del`. Errors: -EADDRINUSE, -EADDRNOTAVAIL; -EACCES for a
 * port below 1024 without the privilege; PH_ENONAME, PH_ERESOLVE; -EINVAL for a bad configuration, bad
 * text or NULL; -EMFILE; -ESHUTDOWN; -EBADF. Thread safety: any thread.
 */
int64_t tcp_listen(evloop_t *h,
                   const char *host,
                   const char *service,
                   const tcp_config_t *config,
                   void *user);

/**
 * Connects, without waiting: TCP_CONNECTED comes, or TCP_CLOSED with the error (ECONNREFUSED,
 * ETIMEDOUT, the number of PH_ENONAME without its sign). Names are looked up on another thread, and
 * their addresses tried in turn, each 250 ms after the one before (RFC 8305). What `tcp_write` takes
 * before is sent then.
 *
 * `host`, `service`, `config`: as `tcp_listen`; "" is this host. `user`: comes with its events.
 *
 * Returns the connection's id. Errors: -EINVAL for a bad configuration, bad text or NULL; -EAGAIN when
 * no thread can be started; -ESHUTDOWN; -EBADF. All else, descriptors being short too, comes with
 * TCP_CLOSED. Thread safety: any thread.
 */
int64_t tcp_connect(evloop_t *h,
                    const char *host,
                    const char *service,
                    const tcp_config_t *config,
                    void *user);

/**
 * Reads and writes for the caller a connected stream socket of its own, by a second descriptor. Its
 * flags stay as they are; when the loop closes the connection, it is shut down for all.
 *
 * `fd`: stays the caller's, who must not read it. `config`, `user`: as `tcp_connect`.
 *
 * Returns the connection's id. Errors: -EBADF, -ENOTSOCK; -EPROTOTYPE for a socket that is no stream;
 * -ENOTCONN; -EINVAL; -EMFILE; -ESHUTDOWN. Thread safety: any thread.
 */
int64_t tcp_adopt(evloop_t *h,
                  int32_t fd,
                  const tcp_config_t *config,
                  void *user);

/**
 * Hands in messages, each of which is taken whole or not at all. What the kernel does not take at
 * once waits, and is sent when it does; messages that follow each other to one connection leave
 * together.
 *
 * `items`, `n`: the caller's; the data are copied, and each gets its `result`: 0 when the kernel has
 * all of that connection's, else how many bytes wait; -EAGAIN when too much waits (TCP_DRAINED comes
 * later), -EPIPE after `tcp_shutdown_write`, -EPIPE, -ECONNRESET, -ETIMEDOUT and others when the
 * connection has ended, -EBADF for what is no connection's id or closed, -EINVAL for NULL. After one
 * that is refused, so are those behind it to the same connection: none overtakes another.
 *
 * Returns how many have a result of 0: the others are worth a look when it is less than `n`. Errors:
 * -EINVAL for NULL, -EBADF. Never raises SIGPIPE. Thread safety: any thread.
 */
int64_t tcp_write(evloop_t *h,
                  tcp_message_t *items,
                  size_t n);

/**
 * `tcp_write` for callers to whom pointers are dear, as an interpreter: all in one piece of memory.
 *
 * `messages`, `len`: `n` heads of two words each in the machine's byte order, int64_t id and
 * uint64_t length, with no need to be aligned; behind them the data of all, one behind the other,
 * which must fill the rest. `results`: the caller's, room for `n`; NULL for a caller who does not ask.
 *
 * Returns as `tcp_write`. Errors: -EINVAL also for lengths that do not add up, nothing being sent.
 * Thread safety: any thread.
 */
int64_t tcp_write_packed(evloop_t *h,
                         const uint8_t *messages,
                         size_t len,
                         size_t n,
                         int64_t *results);

/**
 * `tcp_write` of one message, for callers to whom filling a structure costs more than the call.
 *
 * Returns what would be its `result`. Errors: those of `tcp_write`. Thread safety: any thread.
 */
int64_t tcp_send(evloop_t *h, int64_t id, const uint8_t *data, size_t len);

/**
 * Reads what is there, without waiting. For connections whose `reading` is not TCP_READ_DATA; others
 * may have events with what came before.
 *
 * `buf`, `cap`: the caller's, at least 1 byte.
 *
 * Returns how many bytes; 0: the peer sends no more. Errors: -EAGAIN when nothing is there, or the rate
 * allows nothing; -ENOTCONN before it is connected; what has ended it; -EINVAL, -EBADF.
 * Thread safety: any thread.
 */
int64_t tcp_read(evloop_t *h,
                 int64_t id,
                 uint8_t *buf,
                 size_t cap);

/**
 * Sets what is done with what comes: TCP_READ_DATA, TCP_READ_NOTICE, TCP_READ_OFF. A batch of events
 * that the caller has already may still have data.
 *
 * Returns 0. Errors: -EINVAL, -EBADF; what has ended it. Thread safety: any thread.
 */
int32_t tcp_set_reading(evloop_t *h,
                        int64_t id,
                        uint32_t mode);

/**
 * Tells the peer that no more will come (FIN), after what waits. When the peer has done so too the
 * connection ends.
 *
 * Returns 0. Errors: -EPIPE a second time; -EBADF; what has ended it. Thread safety: any thread.
 */
int32_t tcp_shutdown_write(evloop_t *h, int64_t id);

/**
 * Ends a connection after what waits is sent. Of its events only TCP_CLOSED comes still; its id is
 * good for `tcp_abort` alone.
 *
 * Returns 0. Errors: -EBADF, a second time too. Thread safety: any thread.
 */
int32_t tcp_close(evloop_t *h, int64_t id);

/**
 * Ends a connection at once, with a reset; TCP_CLOSED comes. After `tcp_close` too.
 *
 * Returns 0. Errors: -EBADF, when it has ended too. Thread safety: any thread.
 */
int32_t tcp_abort(evloop_t *h, int64_t id);

/**
 * Limits a connection to so many bytes per second each way, evened out over 10 ms; 0: unlimited.
 *
 * Returns 0. Errors: -EBADF; what has ended it. Thread safety: any thread.
 */
int32_t tcp_set_rate(evloop_t *h, int64_t id, uint64_t read_rate, uint64_t write_rate);

/**
 * Sets how many bytes waiting are few, many and too many: see `tcp_config_t`. `low` may be 0.
 *
 * Returns 0. Errors: -EINVAL unless `low` <= `high` <= `limit`; -EBADF; what has ended it.
 * Thread safety: any thread.
 */
int32_t tcp_set_watermarks(evloop_t *h, int64_t id, size_t low, size_t high, size_t limit);

/**
 * Sets the timeouts of `tcp_config_t`, in milliseconds, counted from now; 0: none.
 *
 * Returns 0. Errors: -EBADF; what has ended it. Thread safety: any thread.
 */
int32_t tcp_set_timeouts(evloop_t *h, int64_t id, uint32_t idle_ms, uint32_t write_ms);

/**
 * The address of this side of a connection, or that a listener listens at. `out`: the caller's; its
 * family is 0 for a Unix socket.
 *
 * Returns 0. Errors: -EINVAL for NULL; -ENOTCONN before it is connected; -EBADF.
 * Thread safety: any thread.
 */
int32_t tcp_local(evloop_t *h, int64_t id, ph_addr_t *out);

/**
 * The address of the other side of a connection.
 *
 * `out`, errors: as of `tcp_local`. Thread safety: any thread.
 */
int32_t tcp_remote(evloop_t *h, int64_t id, ph_addr_t *out);

/**
 * The descriptor of a connection or listener, for getsockopt(2) and the like; it stays the library's
 * and is good until the end of either.
 *
 * Errors: -ENOTCONN before it is connected, and after its end; -EBADF. Thread safety: any thread.
 */
int32_t tcp_socket(evloop_t *h,
                   int64_t id);

/**
 * Reads all counts of a connection. `out`: the caller's, its `size` set; as much is written as that
 * says.
 *
 * Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
 */
int32_t tcp_stats(evloop_t *h, int64_t id, tcp_stats_t *out);

/**
 * Starts it, anew if it was started before.
 *
 * `watch`: the caller's.
 *
 * Returns 0. Errors: -EINVAL for NULL. Thread safety: any thread, but one at a time for each
 * stopwatch.
 */
int32_t stopwatch_tic(stopwatch_t *watch);

/**
 * Nanoseconds since it was started; it goes on.
 *
 * `watch`: the caller's.
 *
 * Errors: -ENODATA when it was never started; -EINVAL for NULL. Thread safety: as `stopwatch_tic`.
 */
int64_t stopwatch_toc(const stopwatch_t *watch);

/**
 * Nanoseconds since it was started; it is started anew at the same instant, so that no time falls
 * between two rounds.
 *
 * `watch`: the caller's.
 *
 * Errors: -ENODATA when it was never started, nor is now; -EINVAL for NULL. Thread safety: as
 * `stopwatch_tic`.
 */
int64_t stopwatch_round(stopwatch_t *watch);

/**
 * Sleeps until the next tick of a periodic task.
 *
 * Ticks are `period_ns` apart, counted from the first: from when the stopwatch was started, or else
 * from this call. What is late does not shift those that follow, and those that were missed are left
 * out. `stopwatch_tic` does not touch them.
 *
 * `watch`: the caller's. `period_ns`: nanoseconds, at least 1.
 *
 * Returns 0 after the sleep, or at once by how many nanoseconds the task is late. Errors: -EINTR
 * when a signal handler ran: calling again goes on sleeping until the same tick; -EINVAL. Thread
 * safety: as `stopwatch_tic`.
 */
int64_t stopwatch_sleep_until_next(stopwatch_t *watch,
                                   int64_t period_ns);

/**
 * Makes a receive queue: groups of buffers, each of which keeps the last values of one sender.
 *
 * `groups`, `n`: the names, 1 to 4,096, any bytes, each once. `length`: values of a buffer, 1 to 16,777,216; when
 * one more comes the oldest falls out. `policy`: RQ_UNSYNC, RQ_RW or RQ_EXCLUSIVE. `config`: NULL for
 * the default limits. `out`: the caller's; gets the handle.
 *
 * Errors: -EINVAL for too few or too many groups, one twice, a length or policy out of range, a bad configuration,
 * NULL; -EMFILE. `out` is written on success only. Thread safety: any thread.
 */
int32_t rq_new(const ph_bytes_t *groups,
               size_t n,
               size_t length,
               uint32_t policy,
               const rq_config_t *config,
               rq_t **out);

/**
 * Appends values to a buffer, oldest first; it is made when this is its first.
 *
 * `group`, `idx`: names of the group and of the buffer, any bytes. `values`, `n`: copied.
 *
 * Returns how many were taken; fewer than `n` mean that the next one is refused, and that calling
 * from it on tells why. Errors, for the first: -ENOENT for an unknown group; -ENOSPC for a new buffer
 * beyond `buffers_max`; -ENOBUFS beyond `bytes_max`; -ENOMEM; -EINVAL; -EBADF. Thread safety: any
 * thread.
 */
int32_t rq_receive(rq_t *q,
                   const uint8_t *group,
                   size_t group_len,
                   const uint8_t *idx,
                   size_t idx_len,
                   const ph_bytes_t *values,
                   size_t n);

/**
 * Copies what a buffer holds, oldest first; it stays there.
 *
 * `values`, `n`, `out`, `cap`: the caller's; get the values and their bytes. `need`: NULL, or gets how
 * much of both the buffer takes.
 *
 * Returns the number of values, 0 for an idx never seen. Errors: -EMSGSIZE when there is not room for
 * all, nothing but `need` being written; -ENOENT for an unknown group; -EINVAL; -EBADF. Thread safety:
 * any thread.
 */
int64_t rq_extract(rq_t *q,
                   const uint8_t *group,
                   size_t group_len,
                   const uint8_t *idx,
                   size_t idx_len,
                   rq_value_t *values,
                   size_t n,
                   uint8_t *out,
                   size_t cap,
                   ph_need_t *need);

/**
 * Copies what all buffers of a group hold; it stays there. The values of one buffer stand together,
 * oldest first, and share the place of its idx.
 *
 * `values`, `n`, `out`, `cap`, `need`: as `rq_extract`; the bytes are those of the idx texts and of the
 * values.
 *
 * Returns the number of values. Errors: as `rq_extract`. Thread safety: any thread.
 */
int64_t rq_extract_all(rq_t *q,
                       const uint8_t *group,
                       size_t group_len,
                       rq_value_t *values,
                       size_t n,
                       uint8_t *out,
                       size_t cap,
                       ph_need_t *need);

/**
 * Waits until something has come into a group since the last `rq_wait` of it that gave 0, or since
 * `rq_new`. Of several who wait for one group, one gets it.
 *
 * `timeout_ms`: milliseconds; -1: for ever, 0: not at all.
 *
 * Returns 0. Errors: -EAGAIN when nothing has and no waiting was asked for; -ETIMEDOUT; -EINTR when a
 * signal handler ran; -ESHUTDOWN when the queue is closed meanwhile; -ENOENT for an unknown group;
 * -EMFILE; -EINVAL; -EBADF. Thread safety: any thread.
 */
int32_t rq_wait(rq_t *q,
                const uint8_t *group,
                size_t group_len,
                int32_t timeout_ms);

/**
 * A descriptor that poll(2) finds readable exactly while `rq_wait` would give 0 for the group; it
 * stays the library's, is good until `rq_close`, and must not be read.
 *
 * Errors: -ENOENT for an unknown group; -EMFILE; -EINVAL; -EBADF. Thread safety: any thread.
 */
int32_t rq_fd(rq_t *q, const uint8_t *group, size_t group_len);

/**
 * Drops a buffer with what it holds, and its counts.
 *
 * Returns how many values it held, 0 for an idx never seen. Errors: -ENOENT for an unknown group;
 * -EINVAL; -EBADF. Thread safety: any thread.
 */
int32_t rq_forget(rq_t *q,
                  const uint8_t *group,
                  size_t group_len,
                  const uint8_t *idx,
                  size_t idx_len);

/**
 * Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
 *
 * Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
 */
int32_t rq_stats(rq_t *q, rq_stats_t *out);

/**
 * Reads the counts of one buffer, all 0 for an idx never seen. `out`: as `rq_stats`.
 *
 * Returns 0. Errors: -ENOENT for an unknown group; -EINVAL; -EBADF. Thread safety: any thread.
 */
int32_t rq_buffer_stats(rq_t *q,
                        const uint8_t *group,
                        size_t group_len,
                        const uint8_t *idx,
                        size_t idx_len,
                        rq_buffer_stats_t *out);

/**
 * Ends it: ends its feeds, releases all values and wakes every waiter. From the first moment on every
 * other call with this handle, from any thread, answers -EBADF; waits inside end with -ESHUTDOWN.
 *
 * Returns 0. Errors: -EBADF, for a second close too. Thread safety: any thread.
 */
int32_t rq_close(rq_t *q);

/**
 * Has a UDP handler put what it receives into a group, by its own threads, instead of handing it to
 * `udph_get_recved`. What it had received before stays there.
 *
 * `config`: NULL for the defaults. A feed ends with `rq_feed_stop`, with its source or with its queue;
 * the source then gives to its caller again.
 *
 * Returns the feed's number, above 0. Errors: -EALREADY when the source has a feed; -EOPNOTSUPP for a
 * handler that does not receive; -ENOENT for an unknown group; -EINVAL; -EBADF for either handle.
 * Thread safety: any thread.
 */
int64_t rq_feed_udph(rq_t *q,
                     const uint8_t *group,
                     size_t group_len,
                     const rq_feed_config_t *config,
                     udph_t *source);

/**
 * Has a thread of the library's receive from a peer, which must be open, into a group. Who else
 * receives from it gets what that thread does not, and no wire log shows what it does. The feed ends
 * when the peer is closed, or opened anew.
 *
 * `config`: as `rq_feed_udph`.
 *
 * Returns the feed's number, above 0. Errors: -EALREADY when the source has a feed; -ENOTCONN for a
 * peer that is not open; -EAGAIN when no thread can be started; -EMFILE; -ENOENT for an unknown group;
 * -EINVAL; -EBADF for either handle. Thread safety: any thread.
 */
int64_t rq_feed_peer(rq_t *q,
                     const uint8_t *group,
                     size_t group_len,
                     const rq_feed_config_t *config,
                     peer_t *source);

/**
 * Has a connection put what it receives into a group, by whichever thread polls its loop, which
 * stays inside the poll. TCP_EOF and TCP_CLOSED come as ever; the connection reads as with
 * TCP_READ_DATA from here on.
 *
 * `config`: as `rq_feed_udph`. `connection`: its id in `loop_`.
 *
 * Returns the feed's number, above 0. Errors: -EALREADY when the source has a feed; -ENOENT for an
 * unknown group; -ENOTCONN while it is being connected; -EINVAL; -EBADF for either handle and for a
 * connection that is closed; how it ended. Thread safety: any thread.
 */
int64_t rq_feed_tcp(rq_t *q,
                    const uint8_t *group,
                    size_t group_len,
                    const rq_feed_config_t *config,
                    evloop_t *loop_,
                    int64_t connection);

/**
 * Reads the counts of a feed. `out`: the caller's, its `size` set; as much is written as that says.
 *
 * Returns 0. Errors: -ENOENT for a number never given out, or stopped; -EINVAL; -EBADF. Thread
 * safety: any thread.
 */
int32_t rq_feed_stats(rq_t *q, int64_t feed, rq_feed_stats_t *out);

/**
 * Ends a feed, if its source has not, and forgets its counts. What came before is in the queue; a
 * value that is on its way at this moment may still come.
 *
 * Returns 0. Errors: -ENOENT for a number never given out, or stopped; -EBADF. Thread safety: any
 * thread.
 */
int32_t rq_feed_stop(rq_t *q, int64_t feed);

/**
 * Makes a handle for the FIFO at `path`, and the FIFO, which its user alone may use (0600), if
 * nothing is there. It is opened when it is first used.
 *
 * `path`: a symbolic link is not followed. `config`: NULL for the defaults. `out`: the caller's;
 * gets the handle.
 *
 * Returns 0. Errors: -EEXIST when what is there is no FIFO; -EPERM when it is another user's;
 * -ENOENT when the directory is missing; -EACCES; -ENOTDIR; -ENAMETOOLONG; -EINVAL for NULL or a bad
 * configuration; -EMFILE when descriptors are short, or 65,536 handles are open. `out` is written on
 * success only. Thread safety: any thread.
 */
int32_t npipe_new(const char *path,
                  const npipe_config_t *config,
                  npipe_t **out);

/**
 * Sends `n` messages, in order.
 *
 * `messages`, `n`: the caller's; an empty message is one. `timeout_ms`: how long to wait for room
 * in a full pipe, and for other writers to end their messages; -1 for ever, 0 not at all. A message
 * once begun is given up when the readers take nothing of it for `timeout_ms`, but for 1,000 ms at
 * least, and its reader is told that it is lost. SIGPIPE is never raised.
 *
 * Returns how many were sent whole: they are in the pipe, for whichever reader comes to them. 0: at
 * once, as there is no reader, or the last one ended in the middle of the first message. Fewer than
 * `n`: the next one is refused, and sending from it on tells why. With `n` 0: 1 when there is a
 * reader, otherwise 0.
 *
 * Errors, about the first one: -EAGAIN with `timeout_ms` 0, and -ETIMEDOUT, when there is no room,
 * or another writer in a message; -ETIMEDOUT when it was given up; -EMSGSIZE for more than
 * `message_max` (with NPIPE_UNFRAMED any length will do); -EINTR when a signal handler ran during
 * the wait (from then on a message once begun is given up as soon as no reader takes anything of it for
 * 1,000 ms); -ESHUTDOWN when the handle is closed meanwhile; -EEXIST, -EPERM, -EACCES for
 * what is at the path by now; -EMFILE; -EINVAL for NULL or a timeout below -1; -EBADF.
 * Thread safety: any thread; one sends while others wait.
 */
int32_t npipe_send(npipe_t *h,
                   const ph_bytes_t *messages,
                   size_t n,
                   int32_t timeout_ms);

/**
 * Receives up to `n` whole messages that are there, waiting for a first one, however many writers
 * come and go. From the first call on the handle counts as a reader.
 *
 * `messages`, `n`: the caller's, at least 1; filled from the first on. `out`, `cap`: the caller's;
 * gets the messages one after the other, where `messages` says; what lies behind them may be
 * written to as well. `timeout_ms`: how long to wait, -1 for ever, 0 not at all. `need`: NULL, or
 * the caller's; written with -EMSGSIZE only.
 *
 * When the path was removed, or another FIFO was made there, the reader goes over to that one as
 * soon as the old one is empty, and makes it if nothing is there.
 *
 * When the time is over in the middle of a message, what has come is kept for the next call; until
 * it is whole, other readers wait.
 *
 * Returns how many. Errors: -EAGAIN when there is none; -ETIMEDOUT when the time is over; -EMSGSIZE
 * when the next one takes more than `cap`, namely `*need` bytes, nothing being lost; -ECONNABORTED
 * when a message was lost, as its writer ended or gave up, or the reader that had begun it ended; -EBADMSG when
 * bytes that are no message, or a message longer than `message_max`, were thrown away (after both
 * the next call goes on behind it); -EINTR when a signal handler ran during the wait; -ESHUTDOWN
 * when the handle is closed meanwhile; -ENOENT when the directory has gone; -EEXIST, -EPERM, -EACCES
 * for what is at the path by now; -EMFILE; -ENOMEM, the message being lost; -EINVAL for NULL, `n` 0
 * or a timeout below -1; -EBADF. Thread safety: any thread; each message goes to one caller.
 */
int32_t npipe_receive(npipe_t *h,
                      ph_span_t *messages,
                      size_t n,
                      uint8_t *out,
                      size_t cap,
                      int32_t timeout_ms,
                      size_t *need);

/**
 * `npipe_send` of one message, for callers to whom filling a structure costs more than the call.
 *
 * `data`, `len`: the caller's; NULL with 0. `timeout_ms`, returns: as there. Errors: those of
 * `npipe_send`. Thread safety: any thread.
 */
int32_t npipe_send_one(npipe_t *h, const uint8_t *data, size_t len, int32_t timeout_ms);

/**
 * `npipe_receive` of one message.
 *
 * `out`, `cap`: the caller's. `timeout_ms`: as there.
 *
 * Returns its length. Errors: as there; after -EMSGSIZE `npipe_receive` tells how long it is. Thread
 * safety: as there.
 */
int64_t npipe_receive_one(npipe_t *h,
                          uint8_t *out,
                          size_t cap,
                          int32_t timeout_ms);

/**
 * A descriptor to wait on beside others (poll(2), epoll(7)): readable while `npipe_receive` has
 * something to do. Of several readers all are woken for a message that one of them gets; while that
 * one is in it, the others' stay readable. It belongs to the handle, is good until `npipe_close`,
 * and must not be read. From the first call on the handle counts as a reader.
 *
 * Errors: -EMFILE; as `npipe_new` for what is at the path by now; -EBADF. Thread safety: any thread.
 */
int32_t npipe_fd(npipe_t *h);

/**
 * Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
 *
 * Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
 */
int32_t npipe_stats(npipe_t *h, npipe_stats_t *out);

/**
 * Closes the handle; the FIFO stays where it is. Calls that wait inside end with -ESHUTDOWN; a
 * message in the middle of being sent is given up. A message that was begun to be received, or that
 * was kept, is lost.
 *
 * Returns 0. Errors: -EBADF. Thread safety: any thread.
 */
int32_t npipe_close(npipe_t *h);

/**
 * Makes a client without any connection. libvirt itself is loaded by the first `virt_connect`.
 *
 * `config`: NULL for the defaults. `out`: the caller's; gets the handle.
 *
 * Returns 0. Errors: -EINVAL for a bad configuration or NULL; -EMFILE. `out` is written on success
 * only. Thread safety: any thread.
 */
int32_t virt_new(const virt_config_t *config, virt_t **out);

/**
 * Connects to a host, and keeps the connection for the calls that name it. It is watched by libvirt's
 * keep-alive messages; when it has died, the next call opens it again.
 *
 * `host`: NUL-terminated; the caller's name for it, any text. A name that is connected already is
 * connected anew, and on success what was there is closed when its last call has ended. `uri`:
 * NUL-terminated; where to (<https://libvirt.org/uri.html>), as "qemu+ssh://root@example.com/system"; NULL
 * or "" for libvirt's own default.
 *
 * The first call of a process loads libvirt, gives it an event loop, which runs on a thread of this
 * library, and an error function that is silent: libvirt has one of each for the whole process. A program
 * that uses libvirt itself registers its event loop (virEventRegisterImpl) and error function
 * (virSetErrorFunc) before, and goes on running that loop until the last connection is closed; one that
 * loads libvirt without registering a loop gets this library's. fork(3) waits until libvirt is loaded
 * and the first connection open, but for no more than the first second of each.
 *
 * Returns 0. Errors: PH_ENOLIBVIRT when libvirt.so.0 is not installed, -ENOSYS when it is older than
 * 0.9.13; -EPROTONOSUPPORT for a kind of URI that libvirt does not know; -EINVAL for a bad one, or NULL
 * for `host`; -ECONNREFUSED, -EHOSTUNREACH, -ENOENT for a Unix socket that is not there, PH_ENONAME,
 * PH_ERESOLVE and others as the system says; -EACCES when the daemon does not let the caller in;
 * -ETIMEDOUT; -EAGAIN when no thread can be started, or too many hang in attempts that only the system
 * can end; -EIO for all else, as ssh's failures; -ESHUTDOWN; -EBADF. libvirt's own words go to the log, at
 * PH_LOG_WARNING. Thread safety: any thread.
 */
int32_t virt_connect(virt_t *h,
                     const char *host,
                     const char *uri);

/**
 * Reads a domain's state and share of its host.
 *
 * The connection is kept, and so is what libvirt knows of the domain, by its UUID: a name is looked up
 * once on each connection, and anew when the domain is gone. One that is renamed keeps its old name here
 * until then. A dead connection is opened again, once, within the call's time.
 *
 * Calls to the daemon of one host are made one after the other, in the order they came (many
 * versions of libvirt are unsafe with more than one thread on a connection, CVE-2024-4418); those
 * for several hosts, and for a driver without a daemon, as test:///default, together. A daemon that
 * does not answer in time loses the connection: calls that wait go on over a new one, within their
 * own times. A signal handler does not end the wait.
 *
 * `host`: as it was connected. `domain`: NUL-terminated. `out`: the caller's, its `size` set; as much
 * is written as that says, and on success only.
 *
 * Returns 0. Errors: -ENOTCONN for a host that was never connected; -ENOENT when it has no such
 * domain; -ETIMEDOUT; those of `virt_connect` when the connection is opened again; -EACCES, -EOPNOTSUPP,
 * -EIO and others as libvirt says (its words go to the log); -EINVAL for NULL or a `size` not set;
 * -ESHUTDOWN when closed during the call; -EBADF. Thread safety: any thread.
 */
int32_t virt_get_info(virt_t *h,
                      const char *host,
                      const char *domain,
                      virt_info_t *out);

/**
 * Stops a domain's CPUs; its memory stays. One that is suspended already stays so.
 *
 * `host`, `domain`: as `virt_get_info`. When the connection is lost before the answer comes, it is sent
 * again on the new one; should that fail and the domain be in the state asked for, it returns 0.
 *
 * Returns 0. Errors: as `virt_get_info`; -EBUSY when the domain's state does not allow it, as that of one
 * that does not run. After -ETIMEDOUT, -ESHUTDOWN or -EIO it may have happened or not.
 * Thread safety: any thread.
 */
int32_t virt_suspend(virt_t *h,
                     const char *host,
                     const char *domain);

/**
 * Has a suspended domain go on.
 *
 * `host`, `domain`: as `virt_get_info`. Sent again as in `virt_suspend`.
 *
 * Returns 0. Errors: as `virt_suspend`; what libvirt's driver says of one that is not suspended (-EBUSY,
 * -EIO). Thread safety: any thread.
 */
int32_t virt_resume(virt_t *h,
                    const char *host,
                    const char *domain);

/**
 * Reads the names of all domains of a host, running or not, in the order of their bytes.
 *
 * `host`: as `virt_get_info`. `names`, `n`: the caller's array; each entry gets where its name lies in
 * `out`, without a NUL. `out`, `cap`: the caller's buffer. NULL only with 0. `need`: how many entries and
 * bytes there are; written on success and with -EMSGSIZE; may be NULL.
 *
 * Returns how many domains there are. Errors: -EMSGSIZE when `n` or `cap` is too small, nothing but
 * `need` being written; each call asks the host anew; those of `virt_get_info`. Thread safety: any
 * thread.
 */
int64_t virt_list(virt_t *h,
                  const char *host,
                  ph_span_t *names,
                  size_t n,
                  uint8_t *out,
                  size_t cap,
                  ph_need_t *need);

/**
 * Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
 *
 * Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
 */
int32_t virt_stats(virt_t *h, virt_stats_t *out);

/**
 * Ends it, and closes all connections; a daemon that does not answer is not waited for longer than a
 * quarter of a second. From the first moment on every other call with this handle, from any thread,
 * answers -EBADF; calls that wait inside end with -ESHUTDOWN.
 *
 * Returns 0. Errors: -EBADF, for a second close too. Thread safety: any thread.
 */
int32_t virt_close(virt_t *h);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
