"""Network interfaces by name and by index. Python 2 has no functions for it."""

import errno
import fcntl
import operator
import socket
import struct

# Of linux/sockios.h; both work on a struct ifreq, 40 bytes: the name in 16, then the index.
_SIOCGIFNAME = 0x8910
_SIOCGIFINDEX = 0x8933
_NAME_MAX = 15
_LAYOUT = struct.Struct("=16si20x")


def index(interface):
    """The index of an interface given by name or index; 0, which is any, for None.

    OSError with ENODEV when none has this name; an index is taken as it is.
    """
    if interface is None:
        return 0
    if not isinstance(interface, (str, type(u""))):
        number = operator.index(interface)
        if not 0 <= number < 1 << 31:
            raise ValueError("interface must be a name or an index, not %d" % number)
        return number
    name = interface.encode("utf-8") if isinstance(interface, type(u"")) else interface
    if not name or len(name) > _NAME_MAX or b"\0" in name:
        raise OSError(errno.ENODEV, "no such interface", interface)
    try:
        return _ask(_SIOCGIFINDEX, name, 0)[1]
    except EnvironmentError as error:
        raise OSError(error.errno, "no such interface", interface)


def name(number):
    """The name of the interface with this index, None when there is none."""
    try:
        found, _ = _ask(_SIOCGIFNAME, b"", number)
    except EnvironmentError:
        return None
    found = found.rstrip(b"\0")
    return found if isinstance(found, str) else found.decode("utf-8", "replace")


def _ask(request, named, number):
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        answer = fcntl.ioctl(asking.fileno(), request, _LAYOUT.pack(named, number))
    finally:
        asking.close()
    return _LAYOUT.unpack(answer)
