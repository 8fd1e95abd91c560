"""Sockets as the configuration of servers, clients and connections says."""

import socket

from pyhelpers._arguments import number

_SO_REUSEPORT = getattr(socket, "SO_REUSEPORT", 15)
_SIZE_MAX = (1 << 31) - 1


def addresses(host, port, flags=0):
    """(family, address) of all addresses of a host and a port, each a number or a name. Blocks
    while it looks the names up. Errors: socket.gaierror; ValueError; TypeError."""
    if isinstance(port, (str, type(u""))):
        # Too large a number in digits would become another one.
        port = int(port) if port.isdigit() else str(port)
    if not isinstance(port, str):
        port = number("port", port, 0, 65535)
    found = socket.getaddrinfo(host or None, port, 0, socket.SOCK_STREAM, 0, flags)
    return [(family, address) for family, _, _, _, address in found]


def new(family):
    """A TCP socket."""
    return socket.socket(family, socket.SOCK_STREAM)


def configure(sock, conf):
    """Sets the buffers' sizes, ``recvbuf`` and ``sendbuf`` in bytes, where they are given."""
    for key, option in (("recvbuf", socket.SO_RCVBUF), ("sendbuf", socket.SO_SNDBUF)):
        if conf.get(key) is not None:
            sock.setsockopt(socket.SOL_SOCKET, option, number(key, conf[key], 0, _SIZE_MAX))


def configure_server(sock, conf):
    """The same, and ``reuseaddr`` and ``reuseport``."""
    configure(sock, conf)
    for key, option in (("reuseaddr", socket.SO_REUSEADDR), ("reuseport", _SO_REUSEPORT)):
        if conf.get(key) is not None:
            sock.setsockopt(socket.SOL_SOCKET, option, int(bool(conf[key])))


def linger(conf):
    """The seconds of SO_LINGER; None when it is off or not given: ``linger`` is (on or off,
    seconds)."""
    is_on, seconds = conf.get("linger") or (0, 0)
    return number("linger", seconds, 0, 32767) if is_on else None
