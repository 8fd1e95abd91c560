from _typeshed import FileDescriptorLike
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, TypedDict, overload
from typing_extensions import Never, Self, TypeAlias, TypeVarTuple, Unpack

from pyhelpers._tcp import Stream

__all__ = ["Connection", "EventLoop", "Server", "Timer"]

_Ts = TypeVarTuple("_Ts")

_OnEvent: TypeAlias = Callable[[Connection], object]
_OnData: TypeAlias = Callable[[Connection, bytes], object]
_OnClose: TypeAlias = Callable[[Connection, OSError | None], object]
_OnError: TypeAlias = Callable[[Exception, TracebackType], object]

class _Options(TypedDict, total=False):
    nodelay: bool
    keepalive: int | None
    linger: int | None
    recv_buffer: int | None
    send_buffer: int | None
    recv_size: int | None
    read_rate: int | None
    write_rate: int | None
    low: int | None
    high: int | None
    limit: int | None
    idle_timeout: float | None
    write_timeout: float | None

class _ServerOptions(_Options, total=False):
    backlog: int | None
    reuseaddr: bool
    reuseport: bool
    v6only: bool

class _ClientOptions(_Options, total=False):
    connect_timeout: float | None

class Connection(Stream):
    on_connect: _OnEvent | None
    on_close: _OnClose | None
    on_end: _OnEvent | None
    on_drain: _OnEvent | None
    # An EventLoop makes them.
    def __init__(self, loop: Never, handlers: Never, limit: Never) -> None: ...
    @property
    def on_data(self) -> _OnData | None: ...
    @on_data.setter
    def on_data(self, handler: _OnData | None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

class Server:
    refused: int
    # An EventLoop makes them.
    def __init__(self, loop: Never, host: Never, handlers: Never, limit: Never) -> None: ...
    # A tuple as of Python's sockets, or the path of a Unix socket: what, the host decides.
    @property
    def address(self) -> Any: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

class Timer:
    # An EventLoop makes them.
    def __init__(self, loop: Never, call: Never, repeats: bool = False) -> None: ...
    def cancel(self) -> None: ...
    def __call__(self) -> None: ...

class EventLoop:
    on_error: _OnError | None
    errors: int
    def __init__(self, backend: Literal["epoll", "poll", "select"] = "epoll") -> None: ...
    def run(self) -> None: ...
    def run_once(self, timeout: float | None = None) -> int: ...
    def stop(self) -> None: ...
    def wake(self) -> None: ...
    def shutdown(self, timeout: float | None = None) -> None: ...
    def close(self) -> int: ...
    def fileno(self) -> int: ...
    def stats(self) -> dict[str, int]: ...
    def call_soon(
        self, function: Callable[[Unpack[_Ts]], object], *args: Unpack[_Ts]
    ) -> Timer: ...
    def call_soon_threadsafe(
        self, function: Callable[[Unpack[_Ts]], object], *args: Unpack[_Ts]
    ) -> Timer: ...
    def call_later(
        self, delay: float, function: Callable[[Unpack[_Ts]], object], *args: Unpack[_Ts]
    ) -> Timer: ...
    def call_every(
        self, period: float, function: Callable[[Unpack[_Ts]], object], *args: Unpack[_Ts]
    ) -> Timer: ...
    def add_reader(
        self,
        file: FileDescriptorLike,
        function: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
    ) -> None: ...
    def add_writer(
        self,
        file: FileDescriptorLike,
        function: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
    ) -> None: ...
    def remove_reader(self, file: FileDescriptorLike) -> bool: ...
    def remove_writer(self, file: FileDescriptorLike) -> bool: ...
    def add_signal(
        self, signum: int, function: Callable[[Unpack[_Ts]], object], *args: Unpack[_Ts]
    ) -> None: ...
    def remove_signal(self, signum: int) -> bool: ...
    def tcp_server(
        self,
        on_connect: _OnEvent | None = None,
        host: str | bytes = "",
        port: int | str | bytes = 0,
        on_data: _OnData | None = None,
        on_close: _OnClose | None = None,
        on_end: _OnEvent | None = None,
        on_drain: _OnEvent | None = None,
        **options: Unpack[_ServerOptions],
    ) -> Server: ...
    # A star before keywords, as in tcp_client(*server.address, on_data=echo), needs the first one.
    @overload
    def tcp_client(
        self,
        host: str | bytes,
        port: int | str | bytes,
        *,
        on_connect: _OnEvent | None = None,
        on_data: _OnData | None = None,
        on_close: _OnClose | None = None,
        on_end: _OnEvent | None = None,
        on_drain: _OnEvent | None = None,
        **options: Unpack[_ClientOptions],
    ) -> Connection: ...
    @overload
    def tcp_client(
        self,
        host: str | bytes,
        port: int | str | bytes,
        on_connect: _OnEvent | None = None,
        on_data: _OnData | None = None,
        on_close: _OnClose | None = None,
        on_end: _OnEvent | None = None,
        on_drain: _OnEvent | None = None,
        **options: Unpack[_ClientOptions],
    ) -> Connection: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
