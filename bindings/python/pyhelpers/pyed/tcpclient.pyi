from collections.abc import Mapping

from pyhelpers.pyed._core import Events
from pyhelpers.pyed.tcpconnection import tcpconnection
from pyhelpers.pyed.timers import timers

__all__ = ["tcpclient"]

class tcpclient:
    def __init__(
        self, cliconf: Mapping[str, object], evs: Events | None = None, tms: timers | None = None
    ) -> None: ...
    def connect(self) -> tcpconnection: ...
