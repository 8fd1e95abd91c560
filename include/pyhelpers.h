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
 * A UDP handler: a socket with native threads that receive and send. Made by `udph_new`, ended by
 * `udph_close`. The value is a token, never an address.
 */
typedef struct udph_t udph_t;

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
     * Picked up by udph_get_recved.
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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
