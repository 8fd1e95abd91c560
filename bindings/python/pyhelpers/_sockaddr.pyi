from typing_extensions import TypeAlias

# As Python's sockets give them: of IPv4, and of IPv6 with flowinfo and scope_id.
_Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

# As Python's sockets take them.
_Host: TypeAlias = str | bytes | bytearray
_Destination: TypeAlias = (
    tuple[_Host, int] | tuple[_Host, int, int] | tuple[_Host, int, int, int]
)
