import socket
from _typeshed import FileDescriptorLike
from collections.abc import Callable
from typing import Generic, Literal, overload
from typing_extensions import Self, TypeVar

from pyhelpers.pyed._core import Events
from pyhelpers.pyed.timers import timers

__all__ = ["event"]

_SockT = TypeVar("_SockT", bound=FileDescriptorLike | None, default=socket.socket)

# Of a socket unless it says something else: event[int], event[None].
class event(Generic[_SockT]):
    sock: _SockT
    readhandler: Callable[[Self], object] | None
    writehandler: Callable[[Self], object] | None
    timeouthandler: Callable[[Self], object] | None
    @overload
    def __init__(
        self: event[None],
        sock: None = None,
        evs: Events | None = None,
        tms: timers | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self, sock: _SockT, evs: Events | None = None, tms: timers | None = None
    ) -> None: ...
    @overload
    def __init__(
        self: event[None], evs: Events, tms: timers | None = None, sock: None = None
    ) -> None: ...
    @overload
    def __init__(self, evs: Events, tms: timers | None, sock: _SockT) -> None: ...
    def add_read(self, readhandler: Callable[[Self], object]) -> None: ...
    def del_read(self) -> None: ...
    def add_write(self, writehandler: Callable[[Self], object]) -> None: ...
    def del_write(self) -> None: ...
    def add_timer(self, timeout: float, timeouthandler: Callable[[Self], object]) -> None: ...
    def del_timer(self) -> None: ...
    def timerset(self) -> Literal[0, 1]: ...
    def timeout(self) -> float: ...
