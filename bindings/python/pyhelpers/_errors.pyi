from typing import Literal, NamedTuple

class SendError(NamedTuple):
    errno: int
    addr: str
    port: int
    time: float
    kind: Literal["send", "icmp"]
