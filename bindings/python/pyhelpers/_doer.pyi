from collections.abc import Callable, Generator
from typing import Any

# hio's own takes its place where that is installed; only there has this a part in schedulers.
class Doer:
    tymth: Callable[[], float] | None
    done: bool | None
    opts: dict[str, Any]
    temp: bool
    def __init__(
        self,
        tymth: Callable[[], float] | None = None,
        tock: float = 0.0,
        opts: dict[str, Any] | None = None,
        temp: bool = False,
        **kwa: object,
    ) -> None: ...
    def __call__(
        self,
        tymth: Callable[[], float],
        tock: float = 0.0,
        temp: bool | None = None,
        **opts: object,
    ) -> Generator[float, float, None]: ...
    @property
    def tyme(self) -> float | None: ...
    @property
    def tock(self) -> float: ...
    @tock.setter
    def tock(self, tock: float) -> None: ...
    def wind(self, tymth: Callable[[], float]) -> None: ...
    def do(
        self,
        tymth: Callable[[], float],
        tock: float = 0.0,
        temp: bool | None = None,
        **opts: object,
    ) -> Generator[float, float, None]: ...
    def enter(self, temp: bool | None = None) -> None: ...
    def recur(self, tyme: float) -> bool | None: ...
    def clean(self) -> None: ...
    def cease(self) -> None: ...
    def abort(self, ex: Exception) -> None: ...
    def exit(self) -> None: ...
