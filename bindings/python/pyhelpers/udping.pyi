import socket
from _typeshed import ReadableBuffer
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, overload
from typing_extensions import Self, TypeAlias

from pyhelpers._datagrams import Truncated
from pyhelpers._doer import Doer
from pyhelpers._errors import SendError
from pyhelpers._sockaddr import _Address, _Destination
from pyhelpers.wirelog import WireLog, openWL

__all__ = [
    "Arrival",
    "Peer",
    "PeerDoer",
    "SendError",
    "Truncated",
    "WireLog",
    "openPeer",
    "openWL",
]

_P = TypeVar("_P", bound=Peer)

UDP_IPV4_MAX_SAFE_PAYLOAD: int
UDP_IPv6_MAX_SAFE_PAYLOAD: int
UDP_MAX_DATAGRAM_SIZE: int
UDP_MAX_PACKET_SIZE: int

class Arrival(NamedTuple):
    data: bytes
    sa: _Address
    local: str | None
    interface: int
    tos: int | None
    ecn: int | None
    time: float | None

_Item: TypeAlias = (
    tuple[ReadableBuffer, _Destination]
    | tuple[ReadableBuffer, _Destination, str | Arrival | None]
)

class _Log(Protocol):
    def writeTx(self, data: bytes, *, who: _Destination) -> object: ...
    def writeRx(self, data: bytes, *, who: _Address) -> object: ...

class Mixin:
    def __init__(self, *pa: object, **kwa: object) -> None: ...

class Peer(Mixin):
    BufSize: ClassVar[int]
    MaxGramSize: ClassVar[int]
    name: str
    ha: _Address
    bc: int | None
    bs: int
    wl: _Log | None
    bcast: bool
    arrival: bool
    gso: bool
    gro: bool
    opened: bool
    ttl: int
    tos: int
    broadcast: int
    multicast_ttl: int
    multicast_loop: int
    # The next class takes what is left of the arguments.
    def __init__(
        self,
        *,
        name: str = "main",
        ha: tuple[str, int] | None = None,
        host: str = "127.0.0.1",
        port: int = 55000,
        bc: int | None = None,
        bs: int | None = None,
        wl: _Log | None = None,
        bcast: bool = False,
        arrival: bool = False,
        gso: bool = True,
        gro: bool = True,
        reopen: bool = False,
        **kwa: object,
    ) -> None: ...
    @property
    def path(self) -> _Address: ...
    @property
    def host(self) -> str: ...
    @host.setter
    def host(self, value: str) -> None: ...
    @property
    def port(self) -> int: ...
    @port.setter
    def port(self, value: int) -> None: ...
    @property
    def ls(self) -> socket.socket | None: ...
    @property
    def multicast_interface(self) -> int: ...
    @multicast_interface.setter
    def multicast_interface(self, interface: str | int) -> None: ...
    def open(self) -> bool: ...
    def reopen(self, **kwa: object) -> bool: ...
    def close(self) -> bool: ...
    def actualBufSizes(self) -> tuple[int, int]: ...
    def receive(self, **kwa: object) -> tuple[bytes, _Address] | tuple[bytes, None]: ...
    def receive_many(
        self, max_n: int = 64, timeout: float | None = 0
    ) -> list[tuple[bytes, _Address]]: ...
    def receive_arrivals(self, max_n: int = 64, timeout: float | None = 0) -> list[Arrival]: ...
    def send(
        self,
        data: ReadableBuffer,
        dst: _Destination,
        *,
        src: str | Arrival | None = None,
        tos: int | None = None,
        ecn: int | None = None,
        **kwa: object,
    ) -> int: ...
    def send_many(self, items: Iterable[_Item]) -> int: ...
    def join(self, group: str, interface: str | int | None = None) -> None: ...
    def leave(self, group: str, interface: str | int | None = None) -> None: ...
    def errors(self) -> list[SendError]: ...
    def stats(self) -> dict[str, int]: ...
    def fileno(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@overload
def openPeer(
    cls: None = None,
    name: str = "test",
    *,
    ha: tuple[str, int] | None = None,
    host: str = "127.0.0.1",
    port: int = 55000,
    bc: int | None = None,
    bs: int | None = None,
    wl: _Log | None = None,
    bcast: bool = False,
    arrival: bool = False,
    gso: bool = True,
    gro: bool = True,
    reopen: bool = False,
    **kwa: object,
) -> AbstractContextManager[Peer, None]: ...
@overload
def openPeer(
    cls: type[_P], name: str = "test", **kwa: object
) -> AbstractContextManager[_P, None]: ...

class PeerDoer(Doer):
    peer: Peer
    def __init__(
        self,
        peer: Peer,
        *,
        tymth: Callable[[], float] | None = None,
        tock: float = 0.0,
        opts: dict[str, Any] | None = None,
        temp: bool = False,
        **kwa: object,
    ) -> None: ...
    def enter(self, temp: bool | None = None) -> None: ...
    def recur(self, tyme: float) -> bool | None: ...
    def exit(self) -> None: ...
