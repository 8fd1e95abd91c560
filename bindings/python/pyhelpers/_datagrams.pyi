from typing_extensions import TypeAlias

_Payload: TypeAlias = str | bytes | bytearray | memoryview

class Truncated(bytes): ...
