/* As tests/install/abi_baseline.py compares it; `make abi` writes it anew. */
#include <stddef.h>
#include <stdint.h>
typedef struct bcast_t bcast_t;
typedef struct evloop_t evloop_t;
typedef struct npipe_t npipe_t;
typedef struct peer_t peer_t;
typedef struct rq_t rq_t;
typedef struct udph_t udph_t;
typedef struct virt_t virt_t;
typedef void (*ph_log_fn)(void *user, int32_t level, const char *message);
typedef struct {
    uint8_t ip[16];
    uint32_t scope_id;
    uint16_t port;
    uint8_t family;
    uint8_t reserved;
} ph_addr_t;
typedef struct {
    size_t size;
    uint32_t send_reactors;
    uint32_t recv_reactors;
    uint32_t recv_sockets_a_reactor;
    int32_t send_flags;
    int32_t event_fd;
    uint32_t flags;
    uint32_t send_policy;
    uint32_t recv_policy;
    uint64_t send_queue_items;
    uint64_t send_queue_bytes;
    uint64_t recv_queue_items;
    uint64_t recv_queue_bytes;
    uint32_t recv_size;
    int32_t debug_level;
} udph_config_t;
typedef struct {
    ph_addr_t addr;
    const uint8_t *data;
    size_t len;
    int64_t delay_ns;
    uint32_t flags;
    uint32_t same_addr_as;
} ph_datagram_t;
typedef struct {
    uint64_t p50;
    uint64_t p99;
    uint64_t p999;
    uint64_t max;
} ph_percentiles_t;
typedef struct {
    size_t size;
    uint64_t dispatched;
    uint64_t sent;
    uint64_t sent_bytes;
    uint64_t send_batches;
    uint64_t gso_messages;
    uint64_t send_refused;
    uint64_t send_dropped;
    uint64_t send_unsent;
    uint64_t send_errors;
    uint64_t send_retries;
    uint64_t icmp_errors;
    uint64_t errors_dropped;
    uint64_t received;
    uint64_t received_bytes;
    uint64_t recv_batches;
    uint64_t gro_messages;
    uint64_t delivered;
    uint64_t recv_dropped;
    uint64_t recv_unread;
    uint64_t kernel_drops;
    uint64_t truncated;
    uint64_t queued_send;
    uint64_t queued_recved;
    ph_percentiles_t send_latency;
    ph_percentiles_t recv_delay;
    uint32_t uses_gso;
    uint32_t uses_gro;
    uint32_t send_reactors;
    uint32_t recv_reactors;
} udph_stats_t;
typedef struct {
    uint64_t datagrams;
    uint64_t bytes;
    uint64_t batches;
    uint64_t offloaded;
    uint64_t idle_wakeups;
} udph_reactor_stats_t;
typedef struct {
    ph_addr_t addr;
    int64_t time_ns;
    int32_t error;
    uint32_t kind;
} ph_error_t;
typedef struct {
    size_t size;
    ph_addr_t addr;
    uint32_t flags;
    uint32_t recv_size;
    uint32_t send_buffer;
    uint32_t recv_buffer;
} peer_config_t;
typedef struct {
    ph_addr_t local;
    uint32_t interface;
    int32_t tos;
    int64_t time_ns;
} ph_arrival_t;
typedef struct {
    peer_t *peer;
    uint8_t *buf;
    size_t cap;
    ph_addr_t from;
} peer_room_t;
typedef struct {
    size_t size;
    uint64_t sent;
    uint64_t sent_bytes;
    uint64_t received;
    uint64_t received_bytes;
    uint64_t truncated;
    uint64_t unread;
    uint64_t kernel_drops;
    uint64_t icmp_errors;
    uint64_t errors_dropped;
    uint32_t uses_gso;
    uint32_t uses_gro;
} peer_stats_t;
typedef void (*peer_wire_fn)(void *user,
                             int32_t is_sent,
                             const ph_addr_t *who,
                             const uint8_t *data,
                             size_t len);
typedef struct {
    size_t size;
    ph_addr_t group;
    uint32_t port;
    uint32_t interface;
    uint32_t recv_size;
    uint32_t ttl;
    uint32_t flags;
} bcast_config_t;
typedef struct {
    size_t size;
    uint64_t received;
    uint64_t received_bytes;
    uint64_t truncated;
    uint64_t kernel_drops;
    uint64_t sent;
    uint64_t send_errors;
    uint64_t beacons;
} bcast_stats_t;
typedef struct {
    size_t size;
    uint32_t backend;
    uint32_t reserved;
} evloop_config_t;
typedef struct {
    int64_t id;
    void *user;
    uint32_t kind;
    int32_t error;
    uint64_t value;
    const uint8_t *data;
    size_t len;
} evloop_event_t;
typedef void (*evloop_fn)(void *user, const evloop_event_t *event);
typedef struct {
    int64_t id;
    int64_t delay_ns;
    int64_t period_ns;
    void *user;
} evloop_timer_t;
typedef struct {
    size_t size;
    uint64_t iterations;
    uint64_t events;
    uint64_t timers;
    uint64_t timers_fired;
    uint64_t watches;
    uint64_t listeners;
    uint64_t connections;
    uint64_t accepted;
    uint64_t connected;
    uint64_t closed;
    uint64_t accept_errors;
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t unsent_bytes;
} evloop_stats_t;
typedef struct {
    size_t size;
    uint32_t flags;
    int32_t backlog;
    uint32_t reading;
    uint32_t keepalive_s;
    uint32_t linger_s;
    uint32_t recv_buffer;
    uint32_t send_buffer;
    uint32_t recv_size;
    uint32_t connect_timeout_ms;
    uint32_t idle_timeout_ms;
    uint32_t write_timeout_ms;
    uint32_t low;
    uint32_t high;
    uint32_t limit;
    uint32_t reserved;
    uint64_t read_rate;
    uint64_t write_rate;
} tcp_config_t;
typedef struct {
    int64_t id;
    const uint8_t *data;
    size_t len;
    int64_t result;
} tcp_message_t;
typedef struct {
    size_t size;
    uint64_t received;
    uint64_t received_bytes;
    uint64_t sent;
    uint64_t sent_bytes;
    uint64_t waiting;
} tcp_stats_t;
typedef struct {
    int64_t started_ns;
    int64_t tick_ns;
} stopwatch_t;
typedef struct {
    const uint8_t *data;
    size_t len;
} ph_bytes_t;
typedef struct {
    size_t size;
    uint64_t buffers_max;
    uint64_t bytes_max;
} rq_config_t;
typedef struct {
    size_t idx_offset;
    size_t idx_len;
    size_t offset;
    size_t len;
} rq_value_t;
typedef struct {
    size_t items;
    size_t bytes;
} ph_need_t;
typedef struct {
    size_t size;
    uint64_t buffers;
    uint64_t values;
    uint64_t bytes;
    uint64_t received;
    uint64_t discarded;
    uint64_t refused;
} rq_stats_t;
typedef struct {
    size_t size;
    uint64_t received;
    uint64_t discarded;
    uint64_t held;
    uint64_t bytes;
} rq_buffer_stats_t;
typedef struct {
    size_t size;
    uint32_t key;
    uint32_t framing;
    size_t offset;
    size_t length;
} rq_feed_config_t;
typedef struct {
    size_t size;
    uint64_t received;
    uint64_t received_bytes;
    uint64_t refused;
    uint32_t ended;
    uint32_t reserved;
} rq_feed_stats_t;
typedef struct {
    size_t size;
    uint64_t message_max;
    uint32_t flags;
} npipe_config_t;
typedef struct {
    size_t offset;
    size_t len;
} ph_span_t;
typedef struct {
    size_t size;
    uint64_t sent;
    uint64_t sent_bytes;
    uint64_t unsent;
    uint64_t received;
    uint64_t received_bytes;
    uint64_t lost;
    uint64_t rejected;
} npipe_stats_t;
typedef struct {
    size_t size;
    uint32_t timeout_ms;
    uint32_t flags;
} virt_config_t;
typedef struct {
    size_t size;
    uint32_t state;
    uint32_t vcpus;
    uint64_t max_memory_kib;
    uint64_t memory_kib;
    uint64_t cpu_time_ns;
} virt_info_t;
typedef struct {
    size_t size;
    uint64_t connects;
    uint64_t lookups;
    uint64_t calls;
} virt_stats_t;
const char *ph_version(void) {}
int32_t ph_abi_version(void) {}
const char *ph_strerror(int32_t code) {}
int32_t ph_log_set(ph_log_fn callback, void *user, int32_t level) {}
int32_t ph_addr_parse(const char *text, size_t length, uint32_t port, ph_addr_t *out) {}
int32_t ph_addr_format(const ph_addr_t *addr, char *out, size_t capacity) {}
int32_t udph_new(int32_t fd, const udph_config_t *config, udph_t **out) {}
int64_t udph_dispatch(udph_t *h,
                      const ph_datagram_t *items,
                      size_t n,
                      int32_t timeout_ms) {}
int32_t udph_dispatch_to(udph_t *h,
                         const ph_addr_t *to,
                         int64_t port,
                         const uint8_t *data,
                         size_t len) {}
int64_t udph_get_recved(udph_t *h,
                        ph_datagram_t *items,
                        size_t n,
                        uint8_t *buf,
                        size_t cap,
                        int32_t timeout_ms) {}
int64_t udph_queued_send(udph_t *h) {}
int64_t udph_queued_recved(udph_t *h) {}
int64_t udph_stats_send_avg(udph_t *h, int32_t reset) {}
int32_t udph_stats(udph_t *h, udph_stats_t *out) {}
int64_t udph_reactor_stats(udph_t *h, udph_reactor_stats_t *out, size_t n) {}
int64_t udph_get_error(udph_t *h, ph_error_t *out, size_t n) {}
int32_t udph_fd(udph_t *h) {}
int64_t udph_close(udph_t *h,
                   int32_t deadline_ms,
                   udph_stats_t *last) {}
int32_t peer_new(const peer_config_t *config,
                 peer_t **out) {}
int32_t peer_open(peer_t *h) {}
int32_t peer_reopen(peer_t *h) {}
int64_t peer_receive(peer_t *h,
                     ph_datagram_t *items,
                     ph_arrival_t *arrivals,
                     size_t n,
                     uint8_t *buf,
                     size_t cap,
                     int32_t timeout_ms) {}
int64_t peer_receive_from(peer_t *h, uint8_t *buf, size_t cap, ph_addr_t *from) {}
int64_t peer_receive_room(peer_room_t *room) {}
int64_t peer_send(peer_t *h,
                  const ph_datagram_t *items,
                  const ph_arrival_t *how,
                  size_t n) {}
int64_t peer_send_to(peer_t *h,
                     const ph_addr_t *to,
                     int64_t port,
                     const uint8_t *data,
                     size_t len) {}
int32_t peer_actual_buf_sizes(peer_t *h, int32_t *send, int32_t *recv) {}
int32_t peer_addr(peer_t *h, ph_addr_t *out) {}
int32_t peer_fd(peer_t *h) {}
int32_t peer_socket(peer_t *h) {}
int32_t peer_set(peer_t *h, uint32_t option, int32_t value) {}
int32_t peer_join(peer_t *h, const ph_addr_t *group, uint32_t interface) {}
int32_t peer_leave(peer_t *h, const ph_addr_t *group, uint32_t interface) {}
int64_t peer_get_error(peer_t *h, ph_error_t *out, size_t n) {}
int32_t peer_stats(peer_t *h, peer_stats_t *out) {}
int32_t peer_wire_log(peer_t *h, peer_wire_fn callback, void *user) {}
int32_t peer_close(peer_t *h) {}
int32_t bcast_new(const bcast_config_t *config,
                  bcast_t **out) {}
int64_t bcast_receive(bcast_t *h,
                      ph_datagram_t *items,
                      ph_arrival_t *arrivals,
                      size_t n,
                      uint8_t *buf,
                      size_t cap,
                      int32_t timeout_ms) {}
int64_t bcast_send(bcast_t *h,
                   const uint8_t *data,
                   size_t len) {}
int32_t bcast_beacon(bcast_t *h,
                     const uint8_t *data,
                     size_t len,
                     uint32_t period_ms) {}
int32_t bcast_port(bcast_t *h) {}
int32_t bcast_fd(bcast_t *h) {}
int32_t bcast_stats(bcast_t *h, bcast_stats_t *out) {}
int32_t bcast_close(bcast_t *h) {}
int32_t evloop_new(const evloop_config_t *config, evloop_t **out) {}
int64_t evloop_poll(evloop_t *h,
                    evloop_event_t *events,
                    size_t n,
                    uint8_t *buf,
                    size_t cap,
                    int32_t timeout_ms) {}
int32_t evloop_run(evloop_t *h,
                   evloop_fn callback,
                   void *user) {}
int64_t evloop_run_once(evloop_t *h, evloop_fn callback, void *user, int32_t timeout_ms) {}
int32_t evloop_stop(evloop_t *h) {}
int32_t evloop_wake(evloop_t *h) {}
int32_t evloop_fd(evloop_t *h) {}
int64_t evloop_add(evloop_t *h,
                   int32_t fd,
                   uint32_t events,
                   void *user) {}
int32_t evloop_mod(evloop_t *h, int64_t id, uint32_t events) {}
int32_t evloop_del(evloop_t *h,
                   int64_t id) {}
int32_t evloop_set_user(evloop_t *h, int64_t id, void *user) {}
int64_t evloop_timer_add(evloop_t *h, evloop_timer_t *timers, size_t n) {}
int64_t evloop_timer_del(evloop_t *h,
                         const int64_t *ids,
                         size_t n) {}
int32_t evloop_timer_again(evloop_t *h,
                           int64_t id,
                           int64_t delay_ns) {}
int64_t evloop_timer_next(evloop_t *h) {}
int64_t evloop_signal_add(evloop_t *h, int32_t signum, void *user) {}
int32_t evloop_shutdown(evloop_t *h,
                        int32_t timeout_ms) {}
int32_t evloop_stats(evloop_t *h, evloop_stats_t *out) {}
int64_t evloop_close(evloop_t *h) {}
int64_t tcp_listen(evloop_t *h,
                   const char *host,
                   const char *service,
                   const tcp_config_t *config,
                   void *user) {}
int64_t tcp_connect(evloop_t *h,
                    const char *host,
                    const char *service,
                    const tcp_config_t *config,
                    void *user) {}
int64_t tcp_adopt(evloop_t *h,
                  int32_t fd,
                  const tcp_config_t *config,
                  void *user) {}
int64_t tcp_write(evloop_t *h,
                  tcp_message_t *items,
                  size_t n) {}
int64_t tcp_write_packed(evloop_t *h,
                         const uint8_t *messages,
                         size_t len,
                         size_t n,
                         int64_t *results) {}
int64_t tcp_send(evloop_t *h, int64_t id, const uint8_t *data, size_t len) {}
int64_t tcp_read(evloop_t *h,
                 int64_t id,
                 uint8_t *buf,
                 size_t cap) {}
int32_t tcp_set_reading(evloop_t *h,
                        int64_t id,
                        uint32_t mode) {}
int32_t tcp_shutdown_write(evloop_t *h, int64_t id) {}
int32_t tcp_close(evloop_t *h, int64_t id) {}
int32_t tcp_abort(evloop_t *h, int64_t id) {}
int32_t tcp_set_rate(evloop_t *h, int64_t id, uint64_t read_rate, uint64_t write_rate) {}
int32_t tcp_set_watermarks(evloop_t *h, int64_t id, size_t low, size_t high, size_t limit) {}
int32_t tcp_set_timeouts(evloop_t *h, int64_t id, uint32_t idle_ms, uint32_t write_ms) {}
int32_t tcp_local(evloop_t *h, int64_t id, ph_addr_t *out) {}
int32_t tcp_remote(evloop_t *h, int64_t id, ph_addr_t *out) {}
int32_t tcp_socket(evloop_t *h,
                   int64_t id) {}
int32_t tcp_stats(evloop_t *h, int64_t id, tcp_stats_t *out) {}
int32_t stopwatch_tic(stopwatch_t *watch) {}
int64_t stopwatch_toc(const stopwatch_t *watch) {}
int64_t stopwatch_round(stopwatch_t *watch) {}
int64_t stopwatch_sleep_until_next(stopwatch_t *watch,
                                   int64_t period_ns) {}
int32_t rq_new(const ph_bytes_t *groups,
               size_t n,
               size_t length,
               uint32_t policy,
               const rq_config_t *config,
               rq_t **out) {}
int32_t rq_receive(rq_t *q,
                   const uint8_t *group,
                   size_t group_len,
                   const uint8_t *idx,
                   size_t idx_len,
                   const ph_bytes_t *values,
                   size_t n) {}
int64_t rq_extract(rq_t *q,
                   const uint8_t *group,
                   size_t group_len,
                   const uint8_t *idx,
                   size_t idx_len,
                   rq_value_t *values,
                   size_t n,
                   uint8_t *out,
                   size_t cap,
                   ph_need_t *need) {}
int64_t rq_extract_all(rq_t *q,
                       const uint8_t *group,
                       size_t group_len,
                       rq_value_t *values,
                       size_t n,
                       uint8_t *out,
                       size_t cap,
                       ph_need_t *need) {}
int32_t rq_wait(rq_t *q,
                const uint8_t *group,
                size_t group_len,
                int32_t timeout_ms) {}
int32_t rq_fd(rq_t *q, const uint8_t *group, size_t group_len) {}
int32_t rq_forget(rq_t *q,
                  const uint8_t *group,
                  size_t group_len,
                  const uint8_t *idx,
                  size_t idx_len) {}
int32_t rq_stats(rq_t *q, rq_stats_t *out) {}
int32_t rq_buffer_stats(rq_t *q,
                        const uint8_t *group,
                        size_t group_len,
                        const uint8_t *idx,
                        size_t idx_len,
                        rq_buffer_stats_t *out) {}
int32_t rq_close(rq_t *q) {}
int64_t rq_feed_udph(rq_t *q,
                     const uint8_t *group,
                     size_t group_len,
                     const rq_feed_config_t *config,
                     udph_t *source) {}
int64_t rq_feed_peer(rq_t *q,
                     const uint8_t *group,
                     size_t group_len,
                     const rq_feed_config_t *config,
                     peer_t *source) {}
int64_t rq_feed_tcp(rq_t *q,
                    const uint8_t *group,
                    size_t group_len,
                    const rq_feed_config_t *config,
                    evloop_t *loop_,
                    int64_t connection) {}
int32_t rq_feed_stats(rq_t *q, int64_t feed, rq_feed_stats_t *out) {}
int32_t rq_feed_stop(rq_t *q, int64_t feed) {}
int32_t npipe_new(const char *path,
                  const npipe_config_t *config,
                  npipe_t **out) {}
int32_t npipe_send(npipe_t *h,
                   const ph_bytes_t *messages,
                   size_t n,
                   int32_t timeout_ms) {}
int32_t npipe_receive(npipe_t *h,
                      ph_span_t *messages,
                      size_t n,
                      uint8_t *out,
                      size_t cap,
                      int32_t timeout_ms,
                      size_t *need) {}
int32_t npipe_send_one(npipe_t *h, const uint8_t *data, size_t len, int32_t timeout_ms) {}
int64_t npipe_receive_one(npipe_t *h,
                          uint8_t *out,
                          size_t cap,
                          int32_t timeout_ms) {}
int32_t npipe_fd(npipe_t *h) {}
int32_t npipe_stats(npipe_t *h, npipe_stats_t *out) {}
int32_t npipe_close(npipe_t *h) {}
int32_t virt_new(const virt_config_t *config, virt_t **out) {}
int32_t virt_connect(virt_t *h,
                     const char *host,
                     const char *uri) {}
int32_t virt_get_info(virt_t *h,
                      const char *host,
                      const char *domain,
                      virt_info_t *out) {}
int32_t virt_suspend(virt_t *h,
                     const char *host,
                     const char *domain) {}
int32_t virt_resume(virt_t *h,
                    const char *host,
                    const char *domain) {}
int64_t virt_list(virt_t *h,
                  const char *host,
                  ph_span_t *names,
                  size_t n,
                  uint8_t *out,
                  size_t cap,
                  ph_need_t *need) {}
int32_t virt_stats(virt_t *h, virt_stats_t *out) {}
int32_t virt_close(virt_t *h) {}
enum { PH_EPANIC = -4096 } constant_PH_EPANIC;
enum { PH_ENONAME = -4097 } constant_PH_ENONAME;
enum { PH_ERESOLVE = -4098 } constant_PH_ERESOLVE;
enum { PH_ENOLIBVIRT = -4099 } constant_PH_ENOLIBVIRT;
enum { PH_ABI_VERSION = 1 } constant_PH_ABI_VERSION;
enum { PH_LOG_NONE = 0 } constant_PH_LOG_NONE;
enum { PH_LOG_ERROR = 1 } constant_PH_LOG_ERROR;
enum { PH_LOG_WARNING = 2 } constant_PH_LOG_WARNING;
enum { PH_LOG_INFO = 3 } constant_PH_LOG_INFO;
enum { PH_LOG_DEBUG = 4 } constant_PH_LOG_DEBUG;
enum { PH_LOG_TRACE = 5 } constant_PH_LOG_TRACE;
enum { PH_LOG_WIRE = 6 } constant_PH_LOG_WIRE;
enum { PH_ADDR_TEXT_MAX = 64 } constant_PH_ADDR_TEXT_MAX;
enum { PH_TRUNCATED = 1 } constant_PH_TRUNCATED;
enum { PH_ERROR_SEND = 1 } constant_PH_ERROR_SEND;
enum { PH_ERROR_ICMP = 2 } constant_PH_ERROR_ICMP;
enum { UDPH_REFUSE = 0 } constant_UDPH_REFUSE;
enum { UDPH_DROP_OLDEST = 1 } constant_UDPH_DROP_OLDEST;
enum { UDPH_DROP_NEWEST = 2 } constant_UDPH_DROP_NEWEST;
enum { UDPH_WAIT = 3 } constant_UDPH_WAIT;
enum { UDPH_NO_GSO = 1 } constant_UDPH_NO_GSO;
enum { UDPH_NO_GRO = 2 } constant_UDPH_NO_GRO;
enum { PEER_BROADCAST = 1 } constant_PEER_BROADCAST;
enum { PEER_ARRIVAL = 2 } constant_PEER_ARRIVAL;
enum { PEER_NO_GSO = 4 } constant_PEER_NO_GSO;
enum { PEER_NO_GRO = 8 } constant_PEER_NO_GRO;
enum { PEER_V6_ONLY = 16 } constant_PEER_V6_ONLY;
enum { PEER_TTL = 1 } constant_PEER_TTL;
enum { PEER_TOS = 2 } constant_PEER_TOS;
enum { PEER_SET_BROADCAST = 3 } constant_PEER_SET_BROADCAST;
enum { PEER_MULTICAST_TTL = 4 } constant_PEER_MULTICAST_TTL;
enum { PEER_MULTICAST_LOOP = 5 } constant_PEER_MULTICAST_LOOP;
enum { PEER_MULTICAST_INTERFACE = 6 } constant_PEER_MULTICAST_INTERFACE;
enum { PEER_OTHER_SENDER = 4294967296 } constant_PEER_OTHER_SENDER;
enum { BCAST_SEND_ONLY = 1 } constant_BCAST_SEND_ONLY;
enum { EVLOOP_WAKE = 1 } constant_EVLOOP_WAKE;
enum { EVLOOP_STOP = 2 } constant_EVLOOP_STOP;
enum { EVLOOP_TIMER = 3 } constant_EVLOOP_TIMER;
enum { EVLOOP_SIGNAL = 4 } constant_EVLOOP_SIGNAL;
enum { EVLOOP_FD = 5 } constant_EVLOOP_FD;
enum { TCP_ACCEPTED = 6 } constant_TCP_ACCEPTED;
enum { TCP_CONNECTED = 7 } constant_TCP_CONNECTED;
enum { TCP_DATA = 8 } constant_TCP_DATA;
enum { TCP_READABLE = 9 } constant_TCP_READABLE;
enum { TCP_EOF = 10 } constant_TCP_EOF;
enum { TCP_DRAINED = 11 } constant_TCP_DRAINED;
enum { TCP_CLOSED = 12 } constant_TCP_CLOSED;
enum { TCP_REFUSED = 13 } constant_TCP_REFUSED;
enum { EVLOOP_READ = 1 } constant_EVLOOP_READ;
enum { EVLOOP_WRITE = 2 } constant_EVLOOP_WRITE;
enum { EVLOOP_ERROR = 4 } constant_EVLOOP_ERROR;
enum { EVLOOP_EPOLL = 1 } constant_EVLOOP_EPOLL;
enum { EVLOOP_POLL = 2 } constant_EVLOOP_POLL;
enum { EVLOOP_SELECT = 3 } constant_EVLOOP_SELECT;
enum { TCP_REUSEPORT = 1 } constant_TCP_REUSEPORT;
enum { TCP_V6ONLY = 2 } constant_TCP_V6ONLY;
enum { TCP_DELAY = 4 } constant_TCP_DELAY;
enum { TCP_NO_REUSEADDR = 8 } constant_TCP_NO_REUSEADDR;
enum { TCP_LINGER = 16 } constant_TCP_LINGER;
enum { TCP_READ_DATA = 0 } constant_TCP_READ_DATA;
enum { TCP_READ_NOTICE = 1 } constant_TCP_READ_NOTICE;
enum { TCP_READ_OFF = 2 } constant_TCP_READ_OFF;
enum { RQ_UNSYNC = 0 } constant_RQ_UNSYNC;
enum { RQ_RW = 1 } constant_RQ_RW;
enum { RQ_EXCLUSIVE = 2 } constant_RQ_EXCLUSIVE;
enum { RQ_BY_SOURCE = 0 } constant_RQ_BY_SOURCE;
enum { RQ_BY_RANGE = 1 } constant_RQ_BY_RANGE;
enum { RQ_AS_READ = 0 } constant_RQ_AS_READ;
enum { RQ_LINES = 1 } constant_RQ_LINES;
enum { NPIPE_UNFRAMED = 1 } constant_NPIPE_UNFRAMED;
enum { NPIPE_ANY_OWNER = 2 } constant_NPIPE_ANY_OWNER;
