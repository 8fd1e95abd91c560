from _typeshed import ReadableBuffer
from contextlib import AbstractContextManager
from io import BufferedRandom, BytesIO
from typing import ClassVar, TypeVar, overload

__all__ = ["WireLog", "openWL"]

_W = TypeVar("_W", bound=WireLog)

class WireLog:
    Prefix: ClassVar[str]
    HeadDirPath: ClassVar[str]
    TailDirPath: ClassVar[str]
    AltHeadDirPath: ClassVar[str]
    TempHeadDir: ClassVar[str]
    TempPrefix: ClassVar[str]
    TempSuffix: ClassVar[str]
    Format: ClassVar[bytes]
    rxed: bool
    txed: bool
    samed: bool
    filed: bool
    temp: bool
    fmt: bytes
    name: str
    prefix: str
    headDirPath: str
    dirPath: str | None
    rxl: BytesIO | BufferedRandom | None
    txl: BytesIO | BufferedRandom | None
    opened: bool
    def __init__(
        self,
        rxed: bool = True,
        txed: bool = True,
        samed: bool = False,
        filed: bool = False,
        fmt: str | ReadableBuffer | None = None,
        name: str = "main",
        temp: bool = False,
        prefix: str | None = None,
        headDirPath: str | None = None,
        reopen: bool = False,
        clear: bool = False,
    ) -> None: ...
    def reopen(
        self,
        rxed: bool | None = None,
        txed: bool | None = None,
        samed: bool | None = None,
        filed: bool | None = None,
        fmt: str | ReadableBuffer | None = None,
        name: str | None = None,
        temp: bool | None = None,
        headDirPath: str | None = None,
        clear: bool = False,
    ) -> bool: ...
    def flush(self) -> None: ...
    def close(self, clear: bool = False) -> None: ...
    def clearDirPath(self) -> None: ...
    def readRx(self) -> bytes | None: ...
    def readTx(self) -> bytes | None: ...
    def writeRx(self, data: str | ReadableBuffer, who: object = b"") -> None: ...
    def writeTx(self, data: str | ReadableBuffer, who: object = b"") -> None: ...

@overload
def openWL(
    cls: None = None,
    name: str = "test",
    temp: bool = True,
    *,
    rxed: bool = True,
    txed: bool = True,
    samed: bool = False,
    filed: bool = False,
    fmt: str | ReadableBuffer | None = None,
    prefix: str | None = None,
    headDirPath: str | None = None,
    clear: bool = False,
) -> AbstractContextManager[WireLog, None]: ...
@overload
def openWL(
    cls: type[_W], name: str = "test", temp: bool = True, **kwa: object
) -> AbstractContextManager[_W, None]: ...
