from collections.abc import Callable, Mapping

from pyhelpers.pyed._core import Events
from pyhelpers.pyed.event import event
from pyhelpers.pyed.timers import timers

__all__ = ["tcpserver"]

class tcpserver:
    def __init__(
        self,
        accepthandler: Callable[[event], object],
        srvconf: Mapping[str, object],
        evs: Events | None = None,
        tms: timers | None = None,
    ) -> None: ...
    def close(self) -> None: ...
