from _typeshed import FileDescriptorLike
from collections.abc import Iterable
from typing import Literal, TypedDict
from typing_extensions import Self, TypeAlias

from pyhelpers._datagrams import Truncated, _Payload
from pyhelpers._errors import SendError

__all__ = ["SendError", "Truncated", "UdpHandlerDest"]

_Policy: TypeAlias = Literal["refuse", "drop_oldest", "drop_newest", "wait"]

# (addr, port, data, delay_ns)
_Received: TypeAlias = tuple[str, int, bytes, int]

class _Times(TypedDict):
    p50: int
    p99: int
    p999: int
    max: int

class _ReactorStats(TypedDict):
    datagrams: int
    bytes: int
    batches: int
    offloaded: int
    idle_wakeups: int

class _HandlerStats(TypedDict):
    dispatched: int
    sent: int
    sent_bytes: int
    send_batches: int
    gso_messages: int
    send_refused: int
    send_dropped: int
    send_unsent: int
    send_errors: int
    send_retries: int
    icmp_errors: int
    errors_dropped: int
    received: int
    received_bytes: int
    recv_batches: int
    gro_messages: int
    delivered: int
    recv_dropped: int
    recv_unread: int
    kernel_drops: int
    truncated: int
    queued_send: int
    queued_recved: int
    send_latency: _Times
    recv_delay: _Times
    uses_gso: int
    uses_gro: int
    send_reactors: int
    recv_reactors: int
    reactors: list[_ReactorStats]

class UdpHandlerDest:
    def __init__(
        self,
        fileno: FileDescriptorLike,
        send_reactors: int = 1,
        send_flags: int = 0,
        event_fd: FileDescriptorLike | None = -1,
        recv_reactors: int = 0,
        recv_sockets_a_reactor: int = 4,
        debug_level: int = 0,
        *,
        send_queue_items: int = ...,
        send_queue_bytes: int = ...,
        recv_queue_items: int = ...,
        recv_queue_bytes: int = ...,
        send_policy: _Policy = "refuse",
        recv_policy: _Policy = "refuse",
        recv_size: int = 65535,
        drain_timeout: float = 1.0,
        gso: bool = True,
        gro: bool = True,
    ) -> None: ...
    def dispatch(self, addr: str | bytes, port: int, data: _Payload) -> None: ...
    def dispatch_many(self, items: Iterable[tuple[str | bytes, int, _Payload]]) -> int: ...
    def get_recved(self) -> _Received | tuple[()]: ...
    def get_recved_many(self, max_n: int = 1024, timeout: float | None = 0) -> list[_Received]: ...
    def queued_send(self) -> int: ...
    def queued_recved(self) -> int: ...
    def stats_send_avg(self, reset: bool = True) -> int: ...
    def stats(self) -> _HandlerStats: ...
    def errors(self) -> list[SendError]: ...
    def fileno(self) -> int: ...
    def shutdown(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
