from _typeshed import FileDescriptorLike, ReadableBuffer, StrOrBytesPath
from collections.abc import Callable, Coroutine, Hashable, Iterable
from typing import Any, Literal, overload
from typing_extensions import Self, TypeVar

from pyhelpers import broadcast, named_pipe_wrapper, receive_queue, udping
from pyhelpers._sockaddr import _Address, _Destination
from pyhelpers.udp_handler import UdpHandlerDest, _Policy, _Received
from pyhelpers.udping import Arrival, _Item

__all__ = ["BroadCastReceiver", "NamedPipe", "Peer", "ReceiveQueue", "UdpHandler"]

_T = TypeVar("_T", default=Any)

# Coroutines take the place of methods: to type checkers the classes are no subclasses.
# mypy: disable-error-code="override"

class _Closing:
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exception: object) -> None: ...

class UdpHandler(_Closing, UdpHandlerDest):
    def __init__(
        self,
        fileno: FileDescriptorLike,
        *,
        send_reactors: int = 1,
        send_flags: int = 0,
        recv_reactors: int = 0,
        recv_sockets_a_reactor: int = 4,
        debug_level: int = 0,
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
    async def receive(
        self, max_n: int = 1024, timeout: float | None = None
    ) -> list[_Received]: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, list[_Received]]: ...

class Peer(_Closing, udping.Peer):
    async def receive(
        self, timeout: float | None = None
    ) -> tuple[bytes, _Address] | tuple[bytes, None]: ...
    async def receive_many(
        self, max_n: int = 64, timeout: float | None = None
    ) -> list[tuple[bytes, _Address]]: ...
    async def receive_arrivals(
        self, max_n: int = 64, timeout: float | None = None
    ) -> list[Arrival]: ...
    async def send(
        self,
        data: ReadableBuffer,
        dst: _Destination,
        *,
        src: str | Arrival | None = None,
        tos: int | None = None,
        ecn: int | None = None,
        **kwa: object,
    ) -> int: ...
    async def send_many(self, items: Iterable[_Item]) -> int: ...

class BroadCastReceiver(_Closing, broadcast.BroadCastReceiver): ...

class ReceiveQueue(_Closing, receive_queue.ReceiveQueue):
    async def wait(self, groupkey: Hashable, timeout: float | None = None) -> bool: ...

class NamedPipe(_Closing, named_pipe_wrapper.NamedPipeWrapper[_T]):
    @overload
    def __init__(
        self: NamedPipe[Any],
        path: StrOrBytesPath,
        serializer: Literal["pickle"] = "pickle",
        framed: bool = True,
        unpickler: Iterable[str | Callable[..., Any]] | None = None,
        any_owner: bool = False,
        max_message: int = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: NamedPipe[Any],
        path: StrOrBytesPath,
        serializer: Literal["json"],
        framed: Literal[True] = True,
        unpickler: None = None,
        any_owner: bool = False,
        max_message: int = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: NamedPipe[bytes],
        path: StrOrBytesPath,
        serializer: Literal["raw"],
        framed: Literal[True] = True,
        unpickler: None = None,
        any_owner: bool = False,
        max_message: int = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        path: StrOrBytesPath,
        serializer: tuple[Callable[[_T], bytes], Callable[[bytes], _T]],
        framed: Literal[True] = True,
        unpickler: None = None,
        any_owner: bool = False,
        max_message: int = ...,
    ) -> None: ...
    async def receive(self, timeout: float | None = None) -> _T: ...
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> _T: ...
    __iter__: None  # type: ignore[assignment]
    __next__: None  # type: ignore[assignment]
    next: None  # type: ignore[assignment]
