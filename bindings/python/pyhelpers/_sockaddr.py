"""Addresses as the tuples of Python's sockets, and as the C ABI lays them out: ``ph_addr_t``.

(host, port) is IPv4, (host, port, flowinfo, scope_id) IPv6. Other than in the text of the handler's
addresses, the interface of a link-local address stands in the tuple alone.
"""

import operator
import socket
import struct

from pyhelpers import _addresses
from pyhelpers._backend import backend
from pyhelpers._remembered import Remembered, remember

_LAYOUT = struct.Struct("=16sIHBB")
_VERSIONS = {socket.AF_INET: 4, socket.AF_INET6: 6}
_SCOPE_MAX = (1 << 32) - 1

#: What Python's sockets take for addresses without a number.
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_BROADCAST = "255.255.255.255"


def _read(raw):
    ip, scope, port, version, _ = _LAYOUT.unpack(raw)
    if version == _VERSIONS[socket.AF_INET]:
        return socket.inet_ntop(socket.AF_INET, ip[:4]), port
    return socket.inet_ntop(socket.AF_INET6, ip), port, 0, scope


#: The tuple of an address given as the bytes of its ``ph_addr_t``.
from_bytes = Remembered(_read)

#: The same for an address in words.
from_words = Remembered(lambda words: _read(_addresses.WORDS.pack(*words)))


def family_of(host):
    """The family of sockets that are bound to this host: a name is one of IPv4."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def normalized(host, port):
    """The address of a host and a port to be bound to.

    "" is any IPv4 address. A name is resolved, which may block; where it has addresses of both
    kinds, IPv4 is taken. Errors: socket.gaierror when it has none; TypeError.
    """
    if host == "":
        host = _ANY[socket.AF_INET]
    try:
        found = _lookup(host, socket.AF_INET)
    except socket.gaierror:
        found = _lookup(host, socket.AF_INET6)
    host, scope = found
    return (host, port, 0, scope) if scope else (host, port)


def _lookup(host, family):
    """The host as an IP address, and the interface that is part of it, or 0."""
    sockaddr = socket.getaddrinfo(host, None, family, socket.SOCK_DGRAM)[0][4]
    scope = sockaddr[3] if family == socket.AF_INET6 else 0
    return sockaddr[0].partition("%")[0], scope


def pack(address, family):
    """The bytes of the ``ph_addr_t`` of an address that a socket of the family takes, and whether
    they will be the same next time: a name may be another one's then. Resolving it may block.

    IPv4 addresses are good for IPv6 sockets too. Errors: those of Python's own sockets.
    """
    host, port, scope = _parts(address, family)
    ip, version = _numeric(host, family)
    is_lasting = ip is not None
    if not is_lasting:
        text, own_scope = _lookup(host, family)
        scope = scope or own_scope
        ip, version = socket.inet_pton(family, text), _VERSIONS[family]
    return _LAYOUT.pack(ip, scope, port, version, 0), is_lasting


def _parts(address, family):
    if not isinstance(address, tuple):
        raise TypeError("an address must be a tuple, not %s" % type(address).__name__)
    most = 2 if family == socket.AF_INET else 4
    if not 2 <= len(address) <= most:
        form = "(host, port)" if most == 2 else "(host, port[, flowinfo[, scope_id]])"
        raise TypeError("an address must be %s, not %r" % (form, address))
    host, port, flow, scope = address + (0,) * (4 - len(address))
    if isinstance(host, (bytes, bytearray)) and not isinstance(host, str):
        host = host.decode("idna")
    if not isinstance(host, (str, type(u""))):
        raise TypeError("host must be str or bytes, not %s" % type(host).__name__)
    if operator.index(flow):
        raise ValueError("flowinfo must be 0, not %r" % (flow,))
    return host, _limited("port", port, 65535), _limited("scope_id", scope, _SCOPE_MAX)


def _limited(name, value, high):
    value = operator.index(value)
    if not 0 <= value <= high:
        raise OverflowError("%s must be 0 to %d, not %d" % (name, high, value))
    return value


def _numeric(host, family):
    """The bytes of an IP address and its version; None for a name, or one with an interface."""
    host = {"": _ANY[family], "<broadcast>": _BROADCAST}.get(host, host)
    for each, version in _VERSIONS.items():
        try:
            return socket.inet_pton(each, host), version
        except (EnvironmentError, ValueError):
            pass  # A name, or of the other family; ValueError: more than ASCII.
    return None, None


class _Words(dict):
    """The words of destinations. A name is resolved each time."""

    def __init__(self, family):
        self._family = family

    def __missing__(self, address):
        raw, is_lasting = pack(address, self._family)
        words = _addresses.WORDS.unpack(raw)
        if is_lasting:
            remember(self, address, words)
        return words


class _Targets(object):
    """What a function takes for a pointer to the ``ph_addr_t`` of a destination.

    ``known``: a plain dict to look into first. A name is resolved each time.
    """

    def __init__(self, family):
        self.known = {}
        self._family = family

    def find(self, address):
        raw, is_lasting = pack(address, self._family)
        target = backend.keep(backend.load("ph_addr_t", raw))
        if is_lasting:
            remember(self.known, address, target)
        return target


#: By the family of the socket.
targets = {family: _Targets(family) for family in _VERSIONS}
words_of = {family: _Words(family) for family in _VERSIONS}
