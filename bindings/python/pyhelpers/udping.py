"""A non-blocking UDP socket in the manner of hio's ``hio.core.udp.udping``: see :class:`Peer`."""

import errno
import logging
import socket
from collections import namedtuple
from contextlib import contextmanager

from pyhelpers import _datagrams, _errors, _interfaces, _sockaddr, _waiting
from pyhelpers._arguments import number, octets
from pyhelpers._backend import backend
from pyhelpers._datagrams import Truncated
from pyhelpers._errors import SendError
from pyhelpers._open_socket import BATCH, OTHER_SENDER, SOCKET_TOS, OpenSocket
from pyhelpers._waiting import NOTHING
from pyhelpers.wirelog import WireLog, openWL

try:
    from hio.base.doing import Doer
except ImportError:
    from pyhelpers._doer import Doer

__all__ = [
    "Arrival",
    "Peer",
    "PeerDoer",
    "SendError",
    "Truncated",
    "WireLog",
    "openPeer",
    "openWL",
]

logger = logging.getLogger(__name__)

#: Longest payload that every IPv4 network carries in one piece: an MTU of 576, less 28 of headers.
UDP_IPV4_MAX_SAFE_PAYLOAD = 548
#: The same of IPv6: an MTU of 1280, less 40.
UDP_IPv6_MAX_SAFE_PAYLOAD = 1240
UDP_MAX_DATAGRAM_SIZE = 65535
UDP_MAX_PACKET_SIZE = 1024

_lib = backend.lib

_send_to = _lib.peer_send_to

#: Keyword arguments that say how a datagram is to leave.
_WAYS = frozenset(["src", "tos", "ecn"])
_ECN = 3

#: A received datagram and how it came. ``data``, ``sa``: as :meth:`Peer.receive` gives them.
#: ``local``: the local address that it was sent to, as str; of a broadcast, or an IPv4 multicast,
#: the interface's own; None where there is none. ``interface``: index of the interface. ``tos``:
#: the TOS (IPv4) or traffic class (IPv6), 0 to 255, and ``ecn``: its low two bits (RFC 3168); None
#: when unknown. ``time``: when the kernel took it in, seconds since 1970; None when unknown.
Arrival = namedtuple("Arrival", "data sa local interface tos ecn time")


class Mixin(object):
    """The end of a chain of constructors that hand keyword arguments on.

    What is left of them goes to the next class that takes any, be it behind this one in the order
    of base classes; the last takes all, as ``hio.hioing.Mixin`` does.
    """

    def __init__(self, *pa, **kwa):
        order = type(self).__mro__
        behind = order[order.index(Mixin) + 1 : -1]
        if any("__init__" in vars(each) for each in behind):
            super(Mixin, self).__init__(*pa, **kwa)


#: Where Python's sockets have an option: of IPv4 and of IPv6.
_IPV4, _IPV6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
_TTL = (_IPV4, socket.IP_TTL), (_IPV6, socket.IPV6_UNICAST_HOPS)
_TOS = (_IPV4, socket.IP_TOS), (_IPV6, socket.IPV6_TCLASS)
_BROADCAST = ((socket.SOL_SOCKET, socket.SO_BROADCAST),) * 2
_MULTICAST_TTL = (_IPV4, socket.IP_MULTICAST_TTL), (_IPV6, socket.IPV6_MULTICAST_HOPS)
_MULTICAST_LOOP = (_IPV4, socket.IP_MULTICAST_LOOP), (_IPV6, socket.IPV6_MULTICAST_LOOP)
_MULTICAST_INTERFACE = backend.constant("PEER_MULTICAST_INTERFACE")


def _option(name, constant, places, meaning):
    """A property that is an option of the open socket."""
    option = backend.constant(constant)

    def read(self):
        sock = self._socket or self._opened()
        return sock.python_socket().getsockopt(*places[sock.family == socket.AF_INET6])

    def write(self, value):
        sock = self._socket or self._opened()
        sock.check(_lib.peer_set(sock.value, option, number(name, value, 0, 255)))

    return property(read, write, doc=meaning + " Of the open peer alone. ValueError; OSError.")


class Peer(Mixin):
    """Receives from and sends to a UDP socket, on the caller's own thread, without waiting.

    Keyword arguments, which are attributes of the same name afterwards:

    ``name``: tells peers apart; "main" by default.

    ``ha``: local address, (host, port); ``host``, "127.0.0.1" by default, and ``port``, 55000 by
    default, where it is not given. Host "" is any IPv4 address, an IPv6 address makes an IPv6
    socket, a name is resolved, IPv4 going first; port 0 is a free one. Once open, ``ha`` is what
    the socket is bound to: (host, port), or (host, port, 0, scope_id) for IPv6.

    ``bc``: count of buffers of ``MaxGramSize`` bytes that the socket should have room for: ``bs``
    is the product. ``bs``: bytes of the socket's buffers, unless they are larger, and longest
    datagram that is received whole, 65,535 being the most; ``BufSize`` by default.

    ``wl``: an object with ``writeTx(data, who=)`` and ``writeRx(data, who=)``, such as a
    :class:`WireLog`, that is told of each datagram; it may be set at any time.

    ``bcast``: whether sending to broadcast addresses is allowed.

    ``reopen``: True opens at once.

    Beyond hio's:

    ``arrival``: has the kernel say how datagrams arrived: see :meth:`receive_arrivals`.

    ``gso``, ``gro``: False does without these offloads; they are used where the kernel has them.

    All other keyword arguments go to the next class: ``class PeerMemoer(Peer, Memoer)``. The
    attributes count when the peer is opened.

    Other attributes: ``opened``; ``ls``.

    Any method may be called from any thread; of several that receive, each datagram goes to one.
    A peer that is not open raises OSError with EBADF. An open one belongs to its process: in a
    forked child it raises the same, until it is opened there.
    """

    #: Default of ``bs``, in bytes.
    BufSize = 65535
    #: Bytes in a datagram that every network carries in one piece.
    MaxGramSize = UDP_IPv6_MAX_SAFE_PAYLOAD

    #: What an open peer has.
    _socket = None
    #: What datagrams are received into one at a time, for one thread each; none of a closed peer.
    _rooms = []
    #: Why the last open failed: number and text.
    _refusal = None

    def __init__(self, **kwa):
        self.name = kwa.pop("name", "main")
        host, port = kwa.pop("host", "127.0.0.1"), kwa.pop("port", 55000)
        host, port = kwa.pop("ha", None) or (host, port)
        self.ha = _sockaddr.normalized(host, port)
        bc, bs = kwa.pop("bc", None), kwa.pop("bs", None)
        self.bc = int(bc) if bc is not None and bc > 0 else None
        if self.bc:
            self.bs = self.MaxGramSize * self.bc
        else:
            self.bs = self.BufSize if bs is None else bs
        self.wl = kwa.pop("wl", None)
        self.bcast = kwa.pop("bcast", False)
        self.arrival = kwa.pop("arrival", False)
        self.gso, self.gro = kwa.pop("gso", True), kwa.pop("gro", True)
        self.opened = False
        reopen = kwa.pop("reopen", False)
        super(Peer, self).__init__(**kwa)
        if reopen:
            self.reopen()

    @property
    def path(self):
        """The same as ``ha``, under the name it has with other transports."""
        return self.ha

    @property
    def host(self):
        """The host of ``ha``. A new one is where the peer is bound the next time it is opened."""
        return self.ha[0]

    @host.setter
    def host(self, value):
        self.ha = (value, self.port)

    @property
    def port(self):
        """The port of ``ha``. A new one is where the peer is bound the next time it is opened."""
        return self.ha[1]

    @port.setter
    def port(self, value):
        self.ha = (self.host, value)

    @property
    def ls(self):
        """A ``socket.socket`` of the open peer, None of a closed one: for its options, and to wait
        until it is writable. To read from it would take datagrams away; its end is the peer's."""
        sock = self._socket
        return sock.python_socket() if sock else None

    def open(self):
        """Opens the socket and binds it to ``ha``; an open peer is closed first.

        Gives True; False when that cannot be, the log saying why: the port is another program's
        (EADDRINUSE), or below 1024 (EACCES), the address none of this host's (EADDRNOTAVAIL), the
        descriptors used up (EMFILE). Errors: TypeError, ValueError and OverflowError for
        attributes that are out of range.
        """
        self._close()
        try:
            sock = OpenSocket(self)
        except EnvironmentError as error:
            self._refusal = error.errno, "%s: %s" % (self.ha, error.strerror)
            logger.error("Error opening UDP %s\n %s\n", self.ha, error)
            return False
        self.ha = sock.address
        self._socket = sock
        self._rooms = []
        self.opened = True
        return True

    def reopen(self, **kwa):
        """Closes the socket, if it is open, and opens it on the address it had. Gives what
        :meth:`open` does. Keyword arguments are taken and ignored."""
        self.close()
        return self.open()

    def close(self):
        """Closes the socket, if it is open. Gives True. Calls that wait on it raise OSError."""
        self._close()
        return not self.opened

    def _close(self):
        sock, self._socket = self._socket, None
        self._rooms = []
        self.opened = False
        if sock:
            sock.close()

    def _opened(self):
        """Raises what a method of a closed peer does."""
        raise OSError(errno.EBADF, "the peer %r is closed" % (self.name,))

    def _refuse(self, sock, code, doing):
        """Raises what the code means."""
        try:
            sock.check(code)
        except EnvironmentError as error:
            # That it is closed is no news to the program that did so.
            if error.errno != errno.EBADF:
                logger.error("Error %s\n %s\n", doing, error)
            raise

    def actualBufSizes(self):
        """(send, receive): bytes of the socket's buffers; (0, 0) of a closed peer."""
        sock = self._socket
        return sock.buffer_sizes() if sock else (0, 0)

    def receive(self, **kwa):
        """The next datagram, (data, sa): its payload, and the address that it came from. When there
        is none, (b"", None). Keyword arguments are taken and ignored.

        A payload that was longer than ``bs`` is a :class:`Truncated`. Errors: OSError.
        """
        rooms = self._rooms
        try:
            room = rooms.pop()
        except IndexError:
            room = (self._socket or self._opened()).room()
        length = room.take()
        if length < 0:
            rooms.append(room)
            if length not in NOTHING:
                sock = self._socket or self._opened()
                self._refuse(sock, length, "receive on UDP %s" % (self.ha,))
            return b"", None
        if length >= OTHER_SENDER:
            length -= OTHER_SENDER
            room.look()
        data = room.payload[:length]
        sa = room.sa
        # Only now may another thread have it.
        rooms.append(room)
        if length > room.size:
            data = Truncated(data)
        if self.wl:
            self.wl.writeRx(data, who=sa)
        return data, sa

    def receive_many(self, max_n=64, timeout=0):
        """Up to ``max_n`` datagrams, oldest first, as a list of what :meth:`receive` gives; empty
        when there is none.

        ``timeout``: seconds to wait for a first one, fractions allowed; None: for ever. With
        ``max_n`` of 64 or more the kernel hands over runs of datagrams at once (UDP GRO). Errors:
        OSError, with EBADF when another thread closes the peer meanwhile; ValueError.
        """
        sock = self._socket or self._opened()
        inbox, count = self._receive_batch(sock, max_n, timeout)
        received = inbox.pairs(count)
        sock.inboxes.put(inbox)
        if self.wl:
            for data, sa in received:
                self.wl.writeRx(data, who=sa)
        return received

    def receive_arrivals(self, max_n=64, timeout=0):
        """The same as :meth:`receive_many`, as a list of :class:`Arrival`. ValueError unless the
        peer was opened with ``arrival``."""
        sock = self._socket or self._opened()
        if not sock.knows_arrival:
            raise ValueError("the peer %r was not opened with arrival=True" % (self.name,))
        inbox, count = self._receive_batch(sock, max_n, timeout)
        received = [
            Arrival(data, sa, local, interface, tos, None if tos is None else tos & _ECN, time)
            for (data, sa), (local, interface, tos, time) in zip(
                inbox.pairs(count), inbox.hows(count)
            )
        ]
        sock.inboxes.put(inbox)
        if self.wl:
            for arrival in received:
                self.wl.writeRx(arrival.data, who=arrival.sa)
        return received

    def _receive_batch(self, sock, max_n, timeout):
        """An inbox with datagrams, and how many."""
        most = min(number("max_n", max_n, 1), BATCH)
        inbox = sock.inboxes.take(most)

        def attempt(timeout_ms):
            code = sock.receive(inbox, most, timeout_ms)
            if code >= 0:
                return code
            if code not in NOTHING:
                self._refuse(sock, code, "receive on UDP %s" % (self.ha,))
            return 0

        return inbox, _waiting.in_slices(attempt, timeout)

    def send(self, data, dst, **kwa):
        """Sends a datagram. Gives the bytes sent; 0 when the kernel has no room.

        ``data``: bytes-like; it may be empty. ``dst``: as Python's sockets take it: (host, port),
        or (host, port, 0, scope_id) for IPv6, where the host may have its interface with it, as in
        "fe80::1%eth0". "" is this host, "<broadcast>" 255.255.255.255; a name is resolved each
        time, which may block.

        Keyword arguments, all others being ignored: ``src``: the address to send from, one of this
        host's, as str; or an :class:`Arrival`, to answer it from where it came to. ``tos``: TOS or
        traffic class, 0 to 255, instead of the socket's; ``ecn``: its low two bits.

        Errors: OSError with EMSGSIZE for data over 65,507 bytes (65,527 over IPv6), with EACCES for
        a broadcast without ``bcast``, with EINVAL for port 0, with ENETUNREACH and so on;
        socket.gaierror for an unknown name; OverflowError for a port out of range; TypeError.
        """
        sock = self._socket or self._opened()
        if type(data) is not bytes:
            data = octets(data)
        if kwa and not _WAYS.isdisjoint(kwa):
            return self._send_by(sock, data, dst, kwa)
        try:
            target = sock.targets[dst]
        except KeyError:
            target = None
        if target is None:
            target = sock.target(dst)
        count = _send_to(sock.value, target, 0, data, len(data))
        if count < 0:
            return self._not_sent(sock, count, dst)
        if self.wl:
            self.wl.writeTx(data, who=dst)
        return count

    def _send_by(self, sock, data, dst, ways):
        """Sends a datagram that is to leave in a certain way."""
        src, tos, ecn = map(ways.get, ("src", "tos", "ecn"))
        how = sock.source(src) + (self._tos(tos, ecn),)
        records, _payloads = _datagrams.pack_for((dst,), sock.words_of, (data,))
        code = sock.send(records, _datagrams.pack_hows([how]), 1)
        if code < 0:
            return self._not_sent(sock, code, dst)
        if self.wl:
            self.wl.writeTx(data, who=dst)
        return len(data)

    def _not_sent(self, sock, code, dst):
        """0 when it is for want of room; otherwise raises what the code means."""
        if code != -errno.EAGAIN:
            self._refuse(sock, code, "send UDP from %s to %s" % (self.ha, dst))
        return 0

    def _tos(self, tos, ecn):
        if tos is None and ecn is None:
            return SOCKET_TOS
        tos = self.tos if tos is None else number("tos", tos, 0, 255)
        return tos if ecn is None else tos & ~_ECN | number("ecn", ecn, 0, _ECN)

    def send_many(self, items):
        """Sends datagrams, an iterable of (data, dst) or (data, dst, src), as of :meth:`send`, in
        order. Neighbours of one destination and length leave at once (UDP GSO).

        Gives how many were sent: all, or those before one that is refused; what refused it is
        raised when it is the first, but for a kernel without room: that is 0. An item that is not
        as :meth:`send` takes it raises before any of them is sent.
        """
        sock = self._socket or self._opened()
        items = list(items)
        sent = 0
        for batch in [_packed(sock, items[at : at + BATCH]) for at in range(0, len(items), BATCH)]:
            count = sock.send(batch.records, batch.hows, len(batch.datas))
            if count < 0:
                # That later ones are refused, the next call tells.
                return sent or self._not_sent(sock, count, batch.destinations[0])
            sent += count
            if self.wl:
                for data, dst in list(zip(batch.datas, batch.destinations))[:count]:
                    self.wl.writeTx(data, who=dst)
            if count < len(batch.datas):
                break
        return sent

    def join(self, group, interface=None):
        """Receives what is sent to a multicast group, an address as str, until the peer is closed.

        ``interface``: name or index of the one to listen on; None: the system's choice. Errors:
        OSError with EINVAL for an address that is no group's, EADDRINUSE when it is joined already,
        ENODEV for an interface that does not exist, EAFNOSUPPORT.
        """
        self._change_membership(_lib.peer_join, group, interface)

    def leave(self, group, interface=None):
        """Ends :meth:`join`; the arguments are the same. OSError with EADDRNOTAVAIL when it was not
        joined."""
        self._change_membership(_lib.peer_leave, group, interface)

    def _change_membership(self, change, group, interface):
        sock = self._socket or self._opened()
        sock.check(change(sock.value, sock.target((group, 0)), _interfaces.index(interface)))

    def errors(self):
        """The ICMP errors that came since the last call, oldest first: a list of
        :class:`SendError`. They never end a peer, nor make a call fail. The newest 1,024 are kept;
        ``stats()["errors_dropped"]`` counts the others."""
        sock = self._socket or self._opened()
        return _errors.collect(_lib.peer_get_error, sock.value, sock.check)

    def stats(self):
        """All counts since the peer was opened, as a dict: the fields of ``peer_stats_t`` in
        pyhelpers.h."""
        sock = self._socket or self._opened()
        return sock.handle.stats("peer_stats_t", _lib.peer_stats)

    def fileno(self):
        """A descriptor that is readable exactly while datagrams, or errors, are there. It is good
        for select, asyncio's add_reader and the like until the peer is closed; it must not be read
        or closed. To wait until there is room for sending, use ``ls``."""
        sock = self._socket or self._opened()
        return sock.check(_lib.peer_fd(sock.value))

    def __enter__(self):
        """Opens the peer, unless it is open. OSError when that cannot be."""
        if not self.opened and not self.open():
            raise OSError(*self._refusal)
        return self

    def __exit__(self, *_exception):
        self.close()

    ttl = _option("ttl", "PEER_TTL", _TTL, "Routers that a datagram may cross, and one: 1 to 255.")
    tos = _option("tos", "PEER_TOS", _TOS, "TOS or traffic class of what is sent: 0 to 255.")
    broadcast = _option(
        "broadcast",
        "PEER_SET_BROADCAST",
        _BROADCAST,
        "Whether sending to broadcast addresses is allowed: 0, 1.",
    )
    multicast_ttl = _option(
        "multicast_ttl",
        "PEER_MULTICAST_TTL",
        _MULTICAST_TTL,
        "Routers that a multicast may cross, and one: 0 to 255; 0: it stays on this host.",
    )
    multicast_loop = _option(
        "multicast_loop",
        "PEER_MULTICAST_LOOP",
        _MULTICAST_LOOP,
        "Whether this host gets its own multicasts too: 0, 1.",
    )

    @property
    def multicast_interface(self):
        """Index of the interface that multicasts leave by; 0: the route's choice. It is set by name
        or index, until the peer is closed. OSError for one that does not exist."""
        return (self._socket or self._opened()).multicast_interface

    @multicast_interface.setter
    def multicast_interface(self, interface):
        sock = self._socket or self._opened()
        index = _interfaces.index(interface)
        sock.check(_lib.peer_set(sock.value, _MULTICAST_INTERFACE, index))
        sock.multicast_interface = index


_Packed = namedtuple("_Packed", "datas destinations records payloads hows")


def _packed(sock, items):
    """A batch to be sent."""
    sizes = set(map(len, items))
    if not sizes <= {2, 3}:
        raise ValueError("each item must be (data, dst) or (data, dst, src)")
    hows = None
    if sizes == {2}:
        datas, destinations = zip(*items)
    else:
        whole = (tuple(item) + (None,) * (3 - len(item)) for item in items)
        datas, destinations, sources = zip(*whole)
        hows = _datagrams.pack_hows([sock.source(source) + (SOCKET_TOS,) for source in sources])
    if set(map(type, datas)) != {bytes}:
        datas = list(map(octets, datas))
    records, payloads = _datagrams.pack_for(destinations, sock.words_of, datas)
    return _Packed(datas, destinations, records, payloads, hows)


@contextmanager
def openPeer(cls=None, name="test", **kwa):
    """Makes a peer, of class ``cls`` if that is not None, opens it, and closes it at the end of the
    ``with`` block::

        with openPeer(port=5000) as peer:
            peer.receive()

    Keyword arguments: as of :class:`Peer`. Whether it could be opened, its ``opened`` tells.
    """
    peer = (Peer if cls is None else cls)(name=name, **kwa)
    try:
        peer.reopen()
        yield peer
    finally:
        peer.close()


class PeerDoer(Doer):
    """Has a peer open while it runs: a ``Doer`` of hio's where the hio package is installed, and
    one of the same protocol elsewhere (``pyhelpers._doer``).

    ``peer``: the :class:`Peer`. Subclasses override :meth:`recur` to receive and send. Other
    keyword arguments: as of ``Doer``.
    """

    def __init__(self, peer, **kwa):
        super(PeerDoer, self).__init__(**kwa)
        self.peer = peer

    def enter(self, temp=None):
        """Opens the peer."""
        self.peer.reopen(temp=temp)

    def recur(self, tyme):
        """Does nothing, again and again."""

    def exit(self):
        """Closes the peer."""
        self.peer.close()
