"""What this installation is, and what the kernel does for it: ``python -m pyhelpers``."""

import contextlib
import errno
import os
import platform
import socket
import struct
import sys
import time
from collections import namedtuple

from pyhelpers import __version__
from pyhelpers._backend import backend, why_not_cffi
from pyhelpers.udp_handler import UdpHandlerDest

#: What :func:`offloads` found: each True or False.
Offloads = namedtuple("Offloads", "gso gro timestamps icmp_errors")

_HOST = "127.0.0.1"
#: Datagrams that the kernel may handle as one, and seconds in which it has done so.
_RUN, _PATIENCE = 32, 2.0


def report():
    """All of it, a line for each thing: its name, and what it is."""
    return "".join("%-18s %s\n" % row for row in _rows())


def _rows():
    yield "pyhelpers", __version__
    yield "ABI", backend.lib.ph_abi_version()
    yield "library", library()
    yield "backend", backend_name()
    yield "interpreter", interpreter()
    yield "kernel", "%s %s %s" % (platform.system(), platform.release(), platform.machine())
    try:
        found = offloads()
    except EnvironmentError as error:
        yield "UDP over loopback", "does not work: %s" % error
        return
    yield "UDP GSO", _yes_or_no(found.gso)
    yield "UDP GRO", _yes_or_no(found.gro)
    yield "kernel timestamps", _yes_or_no(found.timestamps)
    yield "ICMP errors", _yes_or_no(found.icmp_errors)
    yield "IPv6", _yes_or_no(has_ipv6())


def _yes_or_no(is_so):
    return "yes" if is_so else "no"


def library():
    """Where the library is, and how large."""
    try:
        size = "%.1f MiB" % (os.path.getsize(backend.path) / float(1 << 20))
    except EnvironmentError:
        size = "in a zip file"
    return "%s (%s)" % (backend.path, size)


def backend_name():
    """Which backend it is, and why it is not the other one."""
    if why_not_cffi is None:
        import _cffi_backend

        return "cffi %s" % _cffi_backend.__version__
    if why_not_cffi:
        return "ctypes (cffi cannot be used: %s)" % why_not_cffi
    return "ctypes (PYHELPERS_BACKEND asks for it)"


def interpreter():
    """Which Python this is."""
    name = "%s %s" % (platform.python_implementation(), platform.python_version())
    return "%s, %d-bit (%s)" % (name, 8 * struct.calcsize("P"), sys.executable)


def offloads():
    """What the kernel does for a handler, seen by one that sends to itself over loopback.

    Errors: OSError where that cannot be done.
    """
    with contextlib.closing(_bound()) as udp:
        port = udp.getsockname()[1]
        handler = UdpHandlerDest(udp.fileno(), event_fd=None)
    with handler:
        handler.dispatch_many([(_HOST, port, b"x" * 64)] * _RUN)
        delays = [delay for _, _, _, delay in _patiently(handler.get_recved_many, _RUN)]
        if not delays:
            refused = [error.errno for error in handler.errors()] or [errno.ETIMEDOUT]
            raise OSError(refused[0], os.strerror(refused[0]))
        with contextlib.closing(_bound()) as udp:
            nobody = udp.getsockname()[1]
        handler.dispatch(_HOST, nobody, b"")
        has_icmp_errors = bool(_patiently(handler.errors, 1))
        stats = handler.stats()
    return Offloads(
        gso=bool(stats["uses_gso"]),
        gro=bool(stats["uses_gro"]),
        timestamps=any(delay > 0 for delay in delays),
        icmp_errors=has_icmp_errors,
    )


def _bound(family=socket.AF_INET, host=_HOST):
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        udp.bind((host, 0))
    except EnvironmentError:
        udp.close()
        raise
    return udp


def _patiently(ask, count):
    """What ``ask`` gives until there are so many, or the time is over."""
    found, deadline = [], time.time() + _PATIENCE
    while len(found) < count and time.time() < deadline:
        more = ask()
        found += more
        if not more:
            time.sleep(0.001)
    return found


def has_ipv6():
    """Whether the loopback interface has IPv6."""
    try:
        _bound(socket.AF_INET6, "::1").close()
    except EnvironmentError:
        return False
    return True
