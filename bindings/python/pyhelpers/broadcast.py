"""Messages to and from all neighbours, by broadcast or multicast.

:class:`BroadCastReceiver`, an iterator, and :class:`BroadCastSender`.
"""

import sys
from functools import partial

from pyhelpers import _addresses, _datagrams, _interfaces, _waiting
from pyhelpers._arguments import milliseconds, number
from pyhelpers._backend import backend
from pyhelpers._datagrams import Truncated
from pyhelpers._handles import Handle

if sys.version_info[0] > 2:
    from pyhelpers import _async

__all__ = ["BroadCastReceiver", "BroadCastSender", "Message", "Truncated"]

_lib = backend.lib

_SEND_ONLY = backend.constant("BCAST_SEND_ONLY")


class Message(tuple):
    """A received message, (address, data).

    ``address``: of the sender, (host, port), or (host, port, 0, scope_id) for IPv6, as Python's
    sockets have it. ``data``: bytes; a :class:`Truncated` when it was longer than ``msg_len``, and
    then ``truncated`` is True. ``interface``: index of the interface that it came in by. ``local``:
    the local address that it can be answered from, as str; None where there is none. ``time``: when
    the kernel took it in, seconds since 1970; None when unknown.
    """

    address = property(lambda self: self[0], doc="The sender's address.")
    data = property(lambda self: self[1], doc="The payload.")

    @property
    def truncated(self):
        """Whether the end of the data is lost."""
        return isinstance(self.data, Truncated)

    @property
    def interface_name(self):
        """The name of the interface; None when there is none with its index any more."""
        return _interfaces.name(self.interface)


def _message(data, sa, local, interface, _tos, time):
    message = Message((sa, data))
    message.local, message.interface, message.time = local, interface, time
    return message


class _BroadCaster(object):
    """What receiver and sender have in common: the handle and its end."""

    #: What close() finds where the constructor did not get to the end.
    _handle = None
    _wakers = ()

    def _open(self, port, group, interface, **fields):
        config = backend.sized("bcast_config_t")
        config.port = number("port", port, 0, 65535)
        config.interface = _interfaces.index(interface)
        for name, value in fields.items():
            setattr(config, name, value)
        if group is not None:
            backend.store(config.group, _group(group))
        new = partial(_lib.bcast_new, backend.ref(config))
        what = "the " + type(self).__name__
        self._handle = Handle(what, "bcast_t", new, _lib.bcast_close)

    @property
    def port(self):
        """The port that messages come in at and go to."""
        return self._handle.check(_lib.bcast_port(self._handle.value))

    def stats(self):
        """All counts as a dict: the fields of ``bcast_stats_t`` in pyhelpers.h."""
        return self._handle.stats("bcast_stats_t", _lib.bcast_stats)

    def close(self):
        """Closes the socket. Calls that wait on it raise OSError with EBADF, and so does all that
        is called later, but for another close."""
        if self._handle:
            self._handle.close()
        # Tasks that wait by asyncio.
        for wake in list(self._wakers):
            wake()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


def _group(group):
    """The bytes of a group's address. ValueError when it is no IP address."""
    if not isinstance(group, (str, type(u""))):
        raise TypeError("group must be str, not %s" % type(group).__name__)
    return backend.dump(backend.ref(_addresses.parse(group)), _addresses.SIZE)


class BroadCastReceiver(_BroadCaster):
    """Iterates over the messages that come to a port, each a :class:`Message`, that is
    (address, data)::

        for address, data in BroadCastReceiver(5000, timeout=10):
            print(address, data)

    ``port``: 0 to 65535; 0 is a free one. Several receivers may have one port, and each gets every
    message. ``msg_len``: longest message received whole, in bytes, 1 to 65,535.

    ``timeout``: the iteration stops when nothing came for so many seconds, counted from when the
    next message was asked for; None: never. Then it may be iterated again.

    ``group``: a multicast group to join, an IPv4 or IPv6 address, "ff02::1234%eth0" for one of an
    interface; None: what is sent to the port by broadcast, or to this host alone. ``interface``:
    name or index of the only interface to listen on; None: all.

    It works with ``for``, ``next()`` and, on Python 3, ``async for``. A closed one raises OSError
    with EBADF. Errors: OSError with EADDRINUSE, EACCES (a port below 1024), ENODEV (no such
    interface), EINVAL (an address that is no group's); ValueError; TypeError. Any method may be
    called from any thread; each message goes to one caller. In a forked child every method raises
    OSError with EBADF.
    """

    def __init__(self, port, msg_len=8192, timeout=15, group=None, interface=None):
        if timeout is not None:
            milliseconds(timeout)
        self.msg_len = number("msg_len", msg_len, 1, 65535)
        self.timeout = timeout
        self._inboxes = _datagrams.Inboxes(self.msg_len, with_arrivals=True)
        self._wakers = set()
        self._open(port, group, interface, recv_size=self.msg_len)

    def __iter__(self):
        return self

    def __next__(self):
        """Waits for the next message. StopIteration when none came for ``timeout`` seconds."""
        message = _waiting.in_slices(self._receive, self.timeout)
        if message is None:
            raise StopIteration
        return message

    next = __next__

    def _receive(self, timeout_ms=0):
        """The next message; None when there was none."""
        inbox = self._inboxes.take(1)
        code = _lib.bcast_receive(
            self._handle.value,
            inbox.records,
            inbox.arrivals,
            1,
            inbox.data,
            inbox.size,
            timeout_ms,
        )
        message = None
        if code > 0:
            (data, sa), how = inbox.pairs(1)[0], inbox.hows(1)[0]
            message = _message(data, sa, *how)
        # Only now may another thread have it.
        self._inboxes.put(inbox)
        if code < 0 and code not in _waiting.NOTHING:
            self._handle.check(code)
        return message

    if sys.version_info[0] > 2:

        def __aiter__(self):
            return self

        def __anext__(self):
            """The same for asyncio. A task that is cancelled while it waits loses no message."""
            return _async.following(self._receive, self.fileno, self.timeout, self._wakers)

    def fileno(self):
        """A descriptor that is readable exactly while messages are there. It is good for select and
        the like until the receiver is closed; it must not be read or closed."""
        return self._handle.check(_lib.bcast_fd(self._handle.value))


class BroadCastSender(_BroadCaster):
    """Sends messages to a port of all neighbours: by each interface that is up, to its network's
    broadcast address (the loopback's is 127.255.255.255), or to a multicast group.

    ``port``: 1 to 65535. ``group``: address of the group; None: broadcast. ``interface``: name or
    index of the only interface to send by; None: all. ``ttl``: routers that a multicast may cross,
    and one: 1 to 255.

    Errors and threads: as of :class:`BroadCastReceiver`.
    """

    def __init__(self, port, group=None, interface=None, ttl=1):
        port = number("port", port, 1, 65535)
        ttl = number("ttl", ttl, 1, 255)
        self._open(port, group, interface, ttl=ttl, flags=_SEND_ONLY)

    def send(self, data):
        """Sends a message once. Gives the number of interfaces that it left by; OSError when there
        is none: ENETUNREACH when no interface is up, otherwise why the first refused it.

        ``data``: bytes, or str for UTF-8; up to 65,507 bytes (65,527 over IPv6)."""
        data = _datagrams.payload(data)
        return self._handle.check(_lib.bcast_send(self._handle.value, data, len(data)))

    def start(self, data, period):
        """Sends a message now and then every ``period`` seconds, 0.001 and more, by a native
        thread: until :meth:`stop`, :meth:`close`, or the end of the process. It takes the place of
        the one before. ``data``: as of :meth:`send`."""
        data = _datagrams.payload(data)
        period_ms = milliseconds(period)
        if period_ms == 0:
            raise ValueError("period must be more than 0 seconds")
        self._beacon(data, period_ms)

    def stop(self):
        """Ends what :meth:`start` began, if it did."""
        self._beacon(b"", 0)

    def _beacon(self, data, period_ms):
        handle = self._handle
        handle.check(_lib.bcast_beacon(handle.value, data, len(data), period_ms))
