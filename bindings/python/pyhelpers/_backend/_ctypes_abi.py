"""The C ABI for ctypes. Generated from include/pyhelpers.h by generate_abi.py; do not edit."""

import ctypes

BCAST_SEND_ONLY = 1
EVLOOP_EPOLL = 1
EVLOOP_ERROR = 4
EVLOOP_FD = 5
EVLOOP_POLL = 2
EVLOOP_READ = 1
EVLOOP_SELECT = 3
EVLOOP_SIGNAL = 4
EVLOOP_STOP = 2
EVLOOP_TIMER = 3
EVLOOP_WAKE = 1
EVLOOP_WRITE = 2
NPIPE_ANY_OWNER = 2
NPIPE_UNFRAMED = 1
PEER_ARRIVAL = 2
PEER_BROADCAST = 1
PEER_MULTICAST_INTERFACE = 6
PEER_MULTICAST_LOOP = 5
PEER_MULTICAST_TTL = 4
PEER_NO_GRO = 8
PEER_NO_GSO = 4
PEER_OTHER_SENDER = 4294967296
PEER_SET_BROADCAST = 3
PEER_TOS = 2
PEER_TTL = 1
PEER_V6_ONLY = 16
PH_ABI_VERSION = 1
PH_ADDR_TEXT_MAX = 64
PH_ENOLIBVIRT = -4099
PH_ENONAME = -4097
PH_EPANIC = -4096
PH_ERESOLVE = -4098
PH_ERROR_ICMP = 2
PH_ERROR_SEND = 1
PH_LOG_DEBUG = 4
PH_LOG_ERROR = 1
PH_LOG_INFO = 3
PH_LOG_NONE = 0
PH_LOG_TRACE = 5
PH_LOG_WARNING = 2
PH_LOG_WIRE = 6
PH_TRUNCATED = 1
RQ_AS_READ = 0
RQ_BY_RANGE = 1
RQ_BY_SOURCE = 0
RQ_EXCLUSIVE = 2
RQ_LINES = 1
RQ_RW = 1
RQ_UNSYNC = 0
TCP_ACCEPTED = 6
TCP_CLOSED = 12
TCP_CONNECTED = 7
TCP_DATA = 8
TCP_DELAY = 4
TCP_DRAINED = 11
TCP_EOF = 10
TCP_LINGER = 16
TCP_NO_REUSEADDR = 8
TCP_READABLE = 9
TCP_READ_DATA = 0
TCP_READ_NOTICE = 1
TCP_READ_OFF = 2
TCP_REFUSED = 13
TCP_REUSEPORT = 1
TCP_V6ONLY = 2
UDPH_DROP_NEWEST = 2
UDPH_DROP_OLDEST = 1
UDPH_NO_GRO = 2
UDPH_NO_GSO = 1
UDPH_REFUSE = 0
UDPH_WAIT = 3


class ph_addr_t(ctypes.Structure):
    _fields_ = [
        ('ip', ctypes.c_uint8 * 16),
        ('scope_id', ctypes.c_uint32),
        ('port', ctypes.c_uint16),
        ('family', ctypes.c_uint8),
        ('reserved', ctypes.c_uint8),
    ]


class udph_config_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('send_reactors', ctypes.c_uint32),
        ('recv_reactors', ctypes.c_uint32),
        ('recv_sockets_a_reactor', ctypes.c_uint32),
        ('send_flags', ctypes.c_int32),
        ('event_fd', ctypes.c_int32),
        ('flags', ctypes.c_uint32),
        ('send_policy', ctypes.c_uint32),
        ('recv_policy', ctypes.c_uint32),
        ('send_queue_items', ctypes.c_uint64),
        ('send_queue_bytes', ctypes.c_uint64),
        ('recv_queue_items', ctypes.c_uint64),
        ('recv_queue_bytes', ctypes.c_uint64),
        ('recv_size', ctypes.c_uint32),
        ('debug_level', ctypes.c_int32),
    ]


class ph_datagram_t(ctypes.Structure):
    _fields_ = [
        ('addr', ph_addr_t),
        ('data', ctypes.c_void_p),
        ('len', ctypes.c_size_t),
        ('delay_ns', ctypes.c_int64),
        ('flags', ctypes.c_uint32),
        ('same_addr_as', ctypes.c_uint32),
    ]


class ph_percentiles_t(ctypes.Structure):
    _fields_ = [
        ('p50', ctypes.c_uint64),
        ('p99', ctypes.c_uint64),
        ('p999', ctypes.c_uint64),
        ('max', ctypes.c_uint64),
    ]


class udph_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('dispatched', ctypes.c_uint64),
        ('sent', ctypes.c_uint64),
        ('sent_bytes', ctypes.c_uint64),
        ('send_batches', ctypes.c_uint64),
        ('gso_messages', ctypes.c_uint64),
        ('send_refused', ctypes.c_uint64),
        ('send_dropped', ctypes.c_uint64),
        ('send_unsent', ctypes.c_uint64),
        ('send_errors', ctypes.c_uint64),
        ('send_retries', ctypes.c_uint64),
        ('icmp_errors', ctypes.c_uint64),
        ('errors_dropped', ctypes.c_uint64),
        ('received', ctypes.c_uint64),
        ('received_bytes', ctypes.c_uint64),
        ('recv_batches', ctypes.c_uint64),
        ('gro_messages', ctypes.c_uint64),
        ('delivered', ctypes.c_uint64),
        ('recv_dropped', ctypes.c_uint64),
        ('recv_unread', ctypes.c_uint64),
        ('kernel_drops', ctypes.c_uint64),
        ('truncated', ctypes.c_uint64),
        ('queued_send', ctypes.c_uint64),
        ('queued_recved', ctypes.c_uint64),
        ('send_latency', ph_percentiles_t),
        ('recv_delay', ph_percentiles_t),
        ('uses_gso', ctypes.c_uint32),
        ('uses_gro', ctypes.c_uint32),
        ('send_reactors', ctypes.c_uint32),
        ('recv_reactors', ctypes.c_uint32),
    ]


class udph_reactor_stats_t(ctypes.Structure):
    _fields_ = [
        ('datagrams', ctypes.c_uint64),
        ('bytes', ctypes.c_uint64),
        ('batches', ctypes.c_uint64),
        ('offloaded', ctypes.c_uint64),
        ('idle_wakeups', ctypes.c_uint64),
    ]


class ph_error_t(ctypes.Structure):
    _fields_ = [
        ('addr', ph_addr_t),
        ('time_ns', ctypes.c_int64),
        ('error', ctypes.c_int32),
        ('kind', ctypes.c_uint32),
    ]


class peer_config_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('addr', ph_addr_t),
        ('flags', ctypes.c_uint32),
        ('recv_size', ctypes.c_uint32),
        ('send_buffer', ctypes.c_uint32),
        ('recv_buffer', ctypes.c_uint32),
    ]


class ph_arrival_t(ctypes.Structure):
    _fields_ = [
        ('local', ph_addr_t),
        ('interface', ctypes.c_uint32),
        ('tos', ctypes.c_int32),
        ('time_ns', ctypes.c_int64),
    ]


class peer_room_t(ctypes.Structure):
    _fields_ = [
        ('peer', ctypes.c_void_p),
        ('buf', ctypes.c_void_p),
        ('cap', ctypes.c_size_t),
        ('from', ph_addr_t),
    ]


class peer_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('sent', ctypes.c_uint64),
        ('sent_bytes', ctypes.c_uint64),
        ('received', ctypes.c_uint64),
        ('received_bytes', ctypes.c_uint64),
        ('truncated', ctypes.c_uint64),
        ('unread', ctypes.c_uint64),
        ('kernel_drops', ctypes.c_uint64),
        ('icmp_errors', ctypes.c_uint64),
        ('errors_dropped', ctypes.c_uint64),
        ('uses_gso', ctypes.c_uint32),
        ('uses_gro', ctypes.c_uint32),
    ]


class bcast_config_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('group', ph_addr_t),
        ('port', ctypes.c_uint32),
        ('interface', ctypes.c_uint32),
        ('recv_size', ctypes.c_uint32),
        ('ttl', ctypes.c_uint32),
        ('flags', ctypes.c_uint32),
    ]


class bcast_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('received', ctypes.c_uint64),
        ('received_bytes', ctypes.c_uint64),
        ('truncated', ctypes.c_uint64),
        ('kernel_drops', ctypes.c_uint64),
        ('sent', ctypes.c_uint64),
        ('send_errors', ctypes.c_uint64),
        ('beacons', ctypes.c_uint64),
    ]


class evloop_config_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('backend', ctypes.c_uint32),
        ('reserved', ctypes.c_uint32),
    ]


class evloop_event_t(ctypes.Structure):
    _fields_ = [
        ('id', ctypes.c_int64),
        ('user', ctypes.c_void_p),
        ('kind', ctypes.c_uint32),
        ('error', ctypes.c_int32),
        ('value', ctypes.c_uint64),
        ('data', ctypes.c_void_p),
        ('len', ctypes.c_size_t),
    ]


class evloop_timer_t(ctypes.Structure):
    _fields_ = [
        ('id', ctypes.c_int64),
        ('delay_ns', ctypes.c_int64),
        ('period_ns', ctypes.c_int64),
        ('user', ctypes.c_void_p),
    ]


class evloop_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('iterations', ctypes.c_uint64),
        ('events', ctypes.c_uint64),
        ('timers', ctypes.c_uint64),
        ('timers_fired', ctypes.c_uint64),
        ('watches', ctypes.c_uint64),
        ('listeners', ctypes.c_uint64),
        ('connections', ctypes.c_uint64),
        ('accepted', ctypes.c_uint64),
        ('connected', ctypes.c_uint64),
        ('closed', ctypes.c_uint64),
        ('accept_errors', ctypes.c_uint64),
        ('received_bytes', ctypes.c_uint64),
        ('sent_bytes', ctypes.c_uint64),
        ('unsent_bytes', ctypes.c_uint64),
    ]


class tcp_config_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('flags', ctypes.c_uint32),
        ('backlog', ctypes.c_int32),
        ('reading', ctypes.c_uint32),
        ('keepalive_s', ctypes.c_uint32),
        ('linger_s', ctypes.c_uint32),
        ('recv_buffer', ctypes.c_uint32),
        ('send_buffer', ctypes.c_uint32),
        ('recv_size', ctypes.c_uint32),
        ('connect_timeout_ms', ctypes.c_uint32),
        ('idle_timeout_ms', ctypes.c_uint32),
        ('write_timeout_ms', ctypes.c_uint32),
        ('low', ctypes.c_uint32),
        ('high', ctypes.c_uint32),
        ('limit', ctypes.c_uint32),
        ('reserved', ctypes.c_uint32),
        ('read_rate', ctypes.c_uint64),
        ('write_rate', ctypes.c_uint64),
    ]


class tcp_message_t(ctypes.Structure):
    _fields_ = [
        ('id', ctypes.c_int64),
        ('data', ctypes.c_void_p),
        ('len', ctypes.c_size_t),
        ('result', ctypes.c_int64),
    ]


class tcp_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('received', ctypes.c_uint64),
        ('received_bytes', ctypes.c_uint64),
        ('sent', ctypes.c_uint64),
        ('sent_bytes', ctypes.c_uint64),
        ('waiting', ctypes.c_uint64),
    ]


class stopwatch_t(ctypes.Structure):
    _fields_ = [
        ('started_ns', ctypes.c_int64),
        ('tick_ns', ctypes.c_int64),
    ]


class ph_bytes_t(ctypes.Structure):
    _fields_ = [
        ('data', ctypes.c_void_p),
        ('len', ctypes.c_size_t),
    ]


class rq_config_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('buffers_max', ctypes.c_uint64),
        ('bytes_max', ctypes.c_uint64),
    ]


class rq_value_t(ctypes.Structure):
    _fields_ = [
        ('idx_offset', ctypes.c_size_t),
        ('idx_len', ctypes.c_size_t),
        ('offset', ctypes.c_size_t),
        ('len', ctypes.c_size_t),
    ]


class ph_need_t(ctypes.Structure):
    _fields_ = [
        ('items', ctypes.c_size_t),
        ('bytes', ctypes.c_size_t),
    ]


class rq_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('buffers', ctypes.c_uint64),
        ('values', ctypes.c_uint64),
        ('bytes', ctypes.c_uint64),
        ('received', ctypes.c_uint64),
        ('discarded', ctypes.c_uint64),
        ('refused', ctypes.c_uint64),
    ]


class rq_buffer_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('received', ctypes.c_uint64),
        ('discarded', ctypes.c_uint64),
        ('held', ctypes.c_uint64),
        ('bytes', ctypes.c_uint64),
    ]


class rq_feed_config_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('key', ctypes.c_uint32),
        ('framing', ctypes.c_uint32),
        ('offset', ctypes.c_size_t),
        ('length', ctypes.c_size_t),
    ]


class rq_feed_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('received', ctypes.c_uint64),
        ('received_bytes', ctypes.c_uint64),
        ('refused', ctypes.c_uint64),
        ('ended', ctypes.c_uint32),
        ('reserved', ctypes.c_uint32),
    ]


class npipe_config_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('message_max', ctypes.c_uint64),
        ('flags', ctypes.c_uint32),
    ]


class ph_span_t(ctypes.Structure):
    _fields_ = [
        ('offset', ctypes.c_size_t),
        ('len', ctypes.c_size_t),
    ]


class npipe_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('sent', ctypes.c_uint64),
        ('sent_bytes', ctypes.c_uint64),
        ('unsent', ctypes.c_uint64),
        ('received', ctypes.c_uint64),
        ('received_bytes', ctypes.c_uint64),
        ('lost', ctypes.c_uint64),
        ('rejected', ctypes.c_uint64),
    ]


class virt_config_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('timeout_ms', ctypes.c_uint32),
        ('flags', ctypes.c_uint32),
    ]


class virt_info_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('state', ctypes.c_uint32),
        ('vcpus', ctypes.c_uint32),
        ('max_memory_kib', ctypes.c_uint64),
        ('memory_kib', ctypes.c_uint64),
        ('cpu_time_ns', ctypes.c_uint64),
    ]


class virt_stats_t(ctypes.Structure):
    _fields_ = [
        ('size', ctypes.c_size_t),
        ('connects', ctypes.c_uint64),
        ('lookups', ctypes.c_uint64),
        ('calls', ctypes.c_uint64),
    ]


#: name: (result, arguments)
FUNCTIONS = {
    'ph_version': (ctypes.c_char_p, []),
    'ph_abi_version': (ctypes.c_int32, []),
    'ph_strerror': (ctypes.c_char_p, [ctypes.c_int32]),
    'ph_log_set': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32]),
    'ph_addr_parse': (ctypes.c_int32, [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_void_p]),
    'ph_addr_format': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'udph_new': (ctypes.c_int32, [ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p]),
    'udph_dispatch': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32]),
    'udph_dispatch_to': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t]),
    'udph_get_recved': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32]),
    'udph_queued_send': (ctypes.c_int64, [ctypes.c_void_p]),
    'udph_queued_recved': (ctypes.c_int64, [ctypes.c_void_p]),
    'udph_stats_send_avg': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int32]),
    'udph_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'udph_reactor_stats': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'udph_get_error': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'udph_fd': (ctypes.c_int32, [ctypes.c_void_p]),
    'udph_close': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p]),
    'peer_new': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'peer_open': (ctypes.c_int32, [ctypes.c_void_p]),
    'peer_reopen': (ctypes.c_int32, [ctypes.c_void_p]),
    'peer_receive': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32]),
    'peer_receive_from': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]),
    'peer_receive_room': (ctypes.c_int64, [ctypes.c_void_p]),
    'peer_send': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'peer_send_to': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t]),
    'peer_actual_buf_sizes': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]),
    'peer_addr': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'peer_fd': (ctypes.c_int32, [ctypes.c_void_p]),
    'peer_socket': (ctypes.c_int32, [ctypes.c_void_p]),
    'peer_set': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int32]),
    'peer_join': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]),
    'peer_leave': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]),
    'peer_get_error': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'peer_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'peer_wire_log': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]),
    'peer_close': (ctypes.c_int32, [ctypes.c_void_p]),
    'bcast_new': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'bcast_receive': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32]),
    'bcast_send': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'bcast_beacon': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32]),
    'bcast_port': (ctypes.c_int32, [ctypes.c_void_p]),
    'bcast_fd': (ctypes.c_int32, [ctypes.c_void_p]),
    'bcast_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'bcast_close': (ctypes.c_int32, [ctypes.c_void_p]),
    'evloop_new': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'evloop_poll': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32]),
    'evloop_run': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]),
    'evloop_run_once': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32]),
    'evloop_stop': (ctypes.c_int32, [ctypes.c_void_p]),
    'evloop_wake': (ctypes.c_int32, [ctypes.c_void_p]),
    'evloop_fd': (ctypes.c_int32, [ctypes.c_void_p]),
    'evloop_add': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int32, ctypes.c_uint32, ctypes.c_void_p]),
    'evloop_mod': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint32]),
    'evloop_del': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64]),
    'evloop_set_user': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]),
    'evloop_timer_add': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'evloop_timer_del': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'evloop_timer_again': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]),
    'evloop_timer_next': (ctypes.c_int64, [ctypes.c_void_p]),
    'evloop_signal_add': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p]),
    'evloop_shutdown': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int32]),
    'evloop_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'evloop_close': (ctypes.c_int64, [ctypes.c_void_p]),
    'tcp_listen': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]),
    'tcp_connect': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]),
    'tcp_adopt': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p]),
    'tcp_write': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'tcp_write_packed': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]),
    'tcp_send': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t]),
    'tcp_read': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t]),
    'tcp_set_reading': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint32]),
    'tcp_shutdown_write': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64]),
    'tcp_close': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64]),
    'tcp_abort': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64]),
    'tcp_set_rate': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64]),
    'tcp_set_watermarks': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t]),
    'tcp_set_timeouts': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint32, ctypes.c_uint32]),
    'tcp_local': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]),
    'tcp_remote': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]),
    'tcp_socket': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64]),
    'tcp_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]),
    'stopwatch_tic': (ctypes.c_int32, [ctypes.c_void_p]),
    'stopwatch_toc': (ctypes.c_int64, [ctypes.c_void_p]),
    'stopwatch_round': (ctypes.c_int64, [ctypes.c_void_p]),
    'stopwatch_sleep_until_next': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int64]),
    'rq_new': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]),
    'rq_receive': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]),
    'rq_extract': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]),
    'rq_extract_all': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]),
    'rq_wait': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32]),
    'rq_fd': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]),
    'rq_forget': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]),
    'rq_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'rq_buffer_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]),
    'rq_close': (ctypes.c_int32, [ctypes.c_void_p]),
    'rq_feed_udph': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]),
    'rq_feed_peer': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]),
    'rq_feed_tcp': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]),
    'rq_feed_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]),
    'rq_feed_stop': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_int64]),
    'npipe_new': (ctypes.c_int32, [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]),
    'npipe_send': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32]),
    'npipe_receive': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32, ctypes.c_void_p]),
    'npipe_send_one': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32]),
    'npipe_receive_one': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32]),
    'npipe_fd': (ctypes.c_int32, [ctypes.c_void_p]),
    'npipe_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'npipe_close': (ctypes.c_int32, [ctypes.c_void_p]),
    'virt_new': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'virt_connect': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]),
    'virt_get_info': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]),
    'virt_suspend': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]),
    'virt_resume': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]),
    'virt_list': (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]),
    'virt_stats': (ctypes.c_int32, [ctypes.c_void_p, ctypes.c_void_p]),
    'virt_close': (ctypes.c_int32, [ctypes.c_void_p]),
}
