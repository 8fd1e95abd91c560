import socket
from collections.abc import Callable, Mapping

from pyhelpers._tcp import Stream
from pyhelpers.pyed._core import Events
from pyhelpers.pyed.timers import timers

__all__ = ["tcpconnection"]

class tcpconnection(Stream):
    def __init__(
        self,
        sock: socket.socket,
        srvconf: Mapping[str, object],
        evs: Events | None = None,
        tms: timers | None = None,
    ) -> None: ...
    def set_config(self, conf: Mapping[str, object]) -> None: ...
    def set_recvmsg(self, recvmsghandler: Callable[[tcpconnection], object] | None) -> None: ...
    def set_broken(self, brokenhandler: Callable[[tcpconnection], object] | None) -> None: ...
    def read(self, size: int = -1) -> bytes: ...
