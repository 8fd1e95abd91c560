from collections.abc import Hashable
from typing import Literal, overload
from typing_extensions import TypeAlias

from pyhelpers._receive_feeds import Feed
from pyhelpers.event_loop import Connection
from pyhelpers.udp_handler import UdpHandlerDest
from pyhelpers.udping import Peer

_Part: TypeAlias = Literal["source"] | tuple[int, int] | slice

class NativeSide:
    def __init__(self) -> None: ...
    def wait(self, groupkey: Hashable, timeout: float | None = None) -> bool: ...
    def fileno(self, groupkey: Hashable) -> int: ...
    @overload
    def feed(
        self, source: Connection, groupkey: Hashable, idx: _Part = "source", lines: bool = False
    ) -> Feed: ...
    @overload
    def feed(
        self,
        source: UdpHandlerDest | Peer,
        groupkey: Hashable,
        idx: _Part = "source",
        lines: Literal[False] = False,
    ) -> Feed: ...
