from _typeshed import StrOrBytesPath
from collections.abc import Callable, Iterable
from typing import Any, Generic, Literal, overload
from typing_extensions import Self, TypeVar

from pyhelpers._pipe import MessageLost, MessageRejected

__all__ = ["MessageLost", "MessageRejected", "NamedPipeWrapper"]

_T = TypeVar("_T", default=Any)

# Of anything unless the serializer says what: NamedPipeWrapper[bytes].
class NamedPipeWrapper(Generic[_T]):
    pipe_path: StrOrBytesPath
    @overload
    def __init__(
        self: NamedPipeWrapper[Any],
        path: StrOrBytesPath,
        serializer: Literal["pickle"] = "pickle",
        framed: bool = True,
        unpickler: Iterable[str | Callable[..., Any]] | None = None,
        any_owner: bool = False,
        max_message: int = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: NamedPipeWrapper[Any],
        path: StrOrBytesPath,
        serializer: Literal["json"],
        framed: Literal[True] = True,
        unpickler: None = None,
        any_owner: bool = False,
        max_message: int = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: NamedPipeWrapper[bytes],
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
    def send(self, obj: _T, timeout: float | None = None) -> bool: ...
    def send_many(self, objs: Iterable[_T], timeout: float | None = None) -> int: ...
    def receive(self, timeout: float | None = None) -> _T: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> _T: ...
    def next(self) -> _T: ...
    def fileno(self) -> int: ...
    def open_pipe(self, mode: Literal["r", "w"] = "w", blocking: bool = True) -> None: ...
    def close_pipe(self) -> None: ...
    def _open_pipe(self, mode: Literal["r", "w"] = "w", blocking: bool = True) -> None: ...
    def _close_pipe(self) -> None: ...
    def close(self) -> None: ...
    def stats(self) -> dict[str, int]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
