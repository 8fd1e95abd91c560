from collections.abc import Hashable
from typing import TypedDict
from typing_extensions import Never, Self

class _FeedStats(TypedDict):
    received: int
    received_bytes: int
    refused: int
    ended: bool

class Feed:
    group: Hashable
    # A ReceiveQueue makes them.
    def __init__(
        self, queue: Never, feed_number: Never, groupkey: Never, source: Never
    ) -> None: ...
    def stop(self) -> None: ...
    def stats(self) -> _FeedStats: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
