"""The open socket of a peer."""

import socket
import struct
import threading
from array import array
from functools import partial

from pyhelpers import _addresses, _datagrams, _sockaddr
from pyhelpers._arguments import number
from pyhelpers._backend import backend
from pyhelpers._handles import Handle

_lib = backend.lib

#: Longest payload that a UDP header can tell of, in bytes.
_PAYLOAD_MAX = 65535
_SIZE_MAX = (1 << 31) - 1

#: Datagrams that cross the boundary in one call.
BATCH = 4096
#: Bytes for the payloads of one call; no less than the longest datagram.
_BUFFER = 1 << 18

#: How a datagram leaves when nothing is said: no source address, no interface, the socket's TOS.
ANY_SOURCE = (0, 0, 0), 0
SOCKET_TOS = -1

#: How a ``peer_room_t`` lies in memory: the handle; address and length of the payload, which comes
#: right behind; the sender.
_ROOM = struct.Struct("=QQQ%ds" % _addresses.SIZE)
_SENDER = _ROOM.size - _addresses.SIZE

OTHER_SENDER = backend.constant("PEER_OTHER_SENDER")


class Room(object):
    """Room for one datagram.

    ``take()`` receives one and gives its length, which is more than ``size`` when its end is lost,
    plus OTHER_SENDER when the sender is not that of the datagram before; or a code below 0. Slices
    of ``payload`` are bytes. ``sa``: the sender, once ``look()`` was told to look.
    """

    __slots__ = "take", "payload", "size", "sa", "_memory"

    def __init__(self, handle, size):
        # All in one piece: it lives as long as a call that writes to it.
        pointer, self._memory = backend.memory("peer_room_t", _ROOM.size + size)
        address = backend.address(pointer) + _ROOM.size
        nobody = b"\0" * _addresses.SIZE
        self._memory[: _ROOM.size] = _ROOM.pack(backend.address(handle), address, size, nobody)
        self.payload = backend.part(self._memory, _ROOM.size)
        self.take = partial(_lib.peer_receive_room, pointer)
        self.size = size
        self.sa = None

    def look(self):
        """Reads the sender."""
        self.sa = _sockaddr.from_bytes[self._memory[_SENDER : _ROOM.size]]


class OpenSocket(object):
    """An open socket, and what its calls need each time.

    ``address``: what it is bound to. ``value``: what the library's functions take. ``inboxes``:
    what batches are received into, for one thread each. ``targets``, ``target()`` for what is not
    there, and ``words_of``: see :mod:`pyhelpers._sockaddr`.
    """

    def __init__(self, peer):
        self.family = _sockaddr.family_of(peer.ha[0])
        config = self._configured(peer)
        self.handle = Handle(
            "the peer %r" % (peer.name,),
            "peer_t",
            partial(_lib.peer_new, backend.ref(config)),
            _lib.peer_close,
        )
        self.value = self.handle.value
        self.check = self.handle.check
        self.check(_lib.peer_open(self.value))
        bound = backend.new("ph_addr_t")
        self.check(_lib.peer_addr(self.value, backend.ref(bound)))
        self.address = _sockaddr.from_words[_addresses.words(bound)]
        self.knows_arrival = bool(peer.arrival)
        self.inboxes = _datagrams.Inboxes(_BUFFER, self.knows_arrival)
        targets = _sockaddr.targets[self.family]
        self.targets, self.target = targets.known, targets.find
        self.words_of = _sockaddr.words_of[self.family]
        self._recv_size = config.recv_size
        self.multicast_interface = 0
        self._python_socket = None
        self._lock = threading.Lock()

    def _configured(self, peer):
        config = backend.sized("peer_config_t")
        address, _ = _sockaddr.pack(peer.ha, self.family)
        backend.store(config.addr, address)
        for is_set, flag in (
            (peer.bcast, "PEER_BROADCAST"),
            (peer.arrival, "PEER_ARRIVAL"),
            (not peer.gso, "PEER_NO_GSO"),
            (not peer.gro, "PEER_NO_GRO"),
        ):
            if is_set:
                config.flags |= backend.constant(flag)
        size = number("bs", peer.bs, 0, _SIZE_MAX)
        config.recv_size = min(max(size, 1), _PAYLOAD_MAX)
        config.send_buffer = config.recv_buffer = size
        return config

    def room(self):
        """Room for one datagram at a time."""
        return Room(self.value, self._recv_size)

    def receive(self, inbox, count, timeout_ms):
        """How many datagrams were received, or a code below 0."""
        return _lib.peer_receive(
            self.value, inbox.records, inbox.arrivals, count, inbox.data, inbox.size, timeout_ms
        )

    def source(self, src):
        """Words of the address and the interface that datagrams are to leave from: an address as
        str, or whatever has them as ``local`` and ``interface``."""
        if src is None:
            return ANY_SOURCE
        interface = getattr(src, "interface", 0)
        host = getattr(src, "local", src)
        if host is None:
            return ANY_SOURCE[0], interface
        words = self.words_of[host, 0]
        return words, interface or _addresses.scope(words)

    def send(self, records, hows, count):
        """How many of the packed datagrams were sent, or a code below 0. ``hows``: None, or packed
        likewise."""
        how = backend.null if hows is None else backend.at("ph_arrival_t", hows.buffer_info()[0])
        items = backend.at("ph_datagram_t", records.buffer_info()[0])
        return _lib.peer_send(self.value, items, how, count)

    def buffer_sizes(self):
        sizes = array("i", (0, 0))
        send, _ = sizes.buffer_info()
        code = _lib.peer_actual_buf_sizes(
            self.value,
            backend.at("int32_t", send),
            backend.at("int32_t", send + sizes.itemsize),
        )
        self.check(code)
        return tuple(sizes)

    def python_socket(self):
        with self._lock:
            if self._python_socket is None:
                descriptor = self.check(_lib.peer_socket(self.value))
                kind = self.family, socket.SOCK_DGRAM, socket.IPPROTO_UDP
                made = socket.fromfd(descriptor, *kind)
                if not isinstance(made, socket.socket):
                    made = socket.socket(_sock=made)  # Python 2 gives what is inside of one.
                made.setblocking(False)
                self._python_socket = made
            return self._python_socket

    def __reduce__(self):
        return self.handle.__reduce__()

    def close(self):
        with self._lock:
            if self._python_socket is not None:
                self._python_socket.close()
            self.handle.close()
