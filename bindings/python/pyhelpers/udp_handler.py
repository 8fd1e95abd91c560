"""A UDP socket served by native threads: see :class:`UdpHandlerDest`."""

import atexit
import contextlib
import errno
import operator
import os
import time
import weakref
from functools import partial

from pyhelpers import _addresses, _datagrams, _errors, _waiting
from pyhelpers._arguments import milliseconds, number
from pyhelpers._backend import backend
from pyhelpers._datagrams import Truncated
from pyhelpers._errors import SendError
from pyhelpers._handles import Handle

__all__ = ["SendError", "Truncated", "UdpHandlerDest"]

_lib = backend.lib
_targets = _addresses.targets

_POLICIES = {
    "refuse": backend.constant("UDPH_REFUSE"),
    "drop_oldest": backend.constant("UDPH_DROP_OLDEST"),
    "drop_newest": backend.constant("UDPH_DROP_NEWEST"),
    "wait": backend.constant("UDPH_WAIT"),
}

#: Datagrams that cross the boundary in one call.
_BATCH = 4096
#: Bytes for the payloads of one call; no less than the longest datagram.
_BUFFER = 1 << 18

#: Handles that may still have something to send when the interpreter exits.
_live = weakref.WeakSet()


class UdpHandlerDest(object):
    """Receives and sends on a UDP socket by native threads, saving the interpreter's thread.

    ``fileno``: descriptor of a bound UDP socket (or the socket), IPv4 or IPv6. It is duplicated:
    the caller may close its own at once. Nobody else should read the socket meanwhile.

    ``send_reactors``: sending threads, 1 to 256. With one alone datagrams keep their order.

    ``send_flags``: flags of sendto(2): MSG_DONTWAIT, MSG_CONFIRM, MSG_DONTROUTE, MSG_NOSIGNAL.

    ``event_fd``: an eventfd to which the number of received datagrams is added, one write a batch;
    it stays the caller's. -1: the handler does not receive. None: it receives, by one reactor
    unless more are asked for, and its own :meth:`fileno` can be waited for.

    ``recv_reactors``: receiving threads, 0 to 256; 0: the handler does not receive.

    ``recv_sockets_a_reactor``: sockets of each receiving thread, 1 to 4096, where SO_REUSEPORT is
    set on the socket; otherwise all threads share the one socket.

    ``debug_level``: 0 nothing, 1 errors, 2 warnings, 3 information, 4 threads and sockets,
    5 and 6 batches; on standard error.

    Keyword options:

    ``send_queue_items``, ``recv_queue_items``: bounds in datagrams; default 1,048,576.

    ``send_queue_bytes``, ``recv_queue_bytes``: bounds in payload bytes; default 67,108,864.

    ``send_policy``, ``recv_policy``: what a full queue does. "refuse" (default): dispatch raises
    BlockingIOError (OSError with EAGAIN), an arriving datagram stays in the kernel's buffer.
    "drop_oldest", "drop_newest": one is thrown away and counted. "wait": dispatch waits for room,
    an arriving datagram stays in the kernel's buffer.

    ``recv_size``: longest datagram received whole, in bytes, 1 to 65,535 (default); a longer one
    comes as :class:`Truncated`.

    ``drain_timeout``: seconds that :meth:`shutdown` may take to send what is queued; default 1.

    ``gso``, ``gro``: False does without these offloads; the kernel is asked for them otherwise.

    Errors: OSError with EBADF, ENOTSOCK, EPROTOTYPE (not UDP), EAFNOSUPPORT (neither IPv4 nor
    IPv6), EMFILE or EAGAIN (descriptors or threads are short); ValueError for an argument out of
    range; TypeError. Any method may be called from any thread. After :meth:`shutdown`, and in a
    forked child, every method raises OSError with EBADF, but for :meth:`shutdown` itself.
    """

    #: What shutdown() finds where the constructor did not get to the end.
    _owned = None

    def __init__(
        self,
        fileno,
        send_reactors=1,
        send_flags=0,
        event_fd=-1,
        recv_reactors=0,
        recv_sockets_a_reactor=4,
        debug_level=0,
        **options
    ):
        drain_ms = milliseconds(options.pop("drain_timeout", 1.0))
        self._waits = options.get("send_policy") == "wait"
        self._inboxes = _datagrams.Inboxes(_BUFFER)
        config = _configure(options)
        config.send_reactors = number("send_reactors", send_reactors, 1)
        config.send_flags = number("send_flags", send_flags, 0)
        config.debug_level = number("debug_level", debug_level, 0, 6)
        config.recv_sockets_a_reactor = number(
            "recv_sockets_a_reactor", recv_sockets_a_reactor, 1
        )
        recv_reactors = number("recv_reactors", recv_reactors, 0)
        if event_fd is None:
            config.recv_reactors = max(1, recv_reactors)
        elif event_fd != -1:
            config.recv_reactors = recv_reactors
        with _announcing_to(event_fd) as config.event_fd:
            self._owned = _Owned(_descriptor(fileno), config, drain_ms)
        self._handle = self._owned.value
        self._check = self._owned.check
        self._dispatch_to = _lib.udph_dispatch_to

    def dispatch(self, addr, port, data):
        """Queues a datagram for sending.

        ``addr``: an IP address as str or bytes, as :meth:`get_recved` gives it; names are not
        looked up. ``port``: 1 to 65535. ``data``: bytes, or str for UTF-8; it may be empty.

        Errors: BlockingIOError (OSError with EAGAIN) when the queue is full; ValueError for a bad
        address or port; TypeError; OSError with EMSGSIZE for data over 65,507 bytes (65,527 over
        IPv6), with EAFNOSUPPORT for an IPv6 address on an IPv4 socket.
        """
        # ctypes would take a str for a place in memory, and cut a big number.
        if type(data) is not bytes:
            data = _datagrams.payload(data)
        if type(port) is not int or not 0 < port < 65536:
            port = _datagrams.check_port(port)
        code = self._dispatch_to(self._handle, _targets[addr], port, data, len(data))
        if code:
            self._dispatch_refused(code, addr, port, data)

    def _dispatch_refused(self, code, addr, port, data):
        if code == -errno.EAGAIN and self._waits:
            self.dispatch_many([(addr, port, data)])
        else:
            self._check(code)

    def dispatch_many(self, items):
        """Queues datagrams, an iterable of (addr, port, data), for sending, in order.

        Gives how many were taken: all, or, when the queue is full, those that had room; the
        others are the caller's to dispatch again. An item that is not as :meth:`dispatch` takes it
        raises before any of them is taken, but for an address family or a size that the socket
        cannot send: such an item ends the taking, and raises when it is the first.
        """
        items = list(items)
        batches = [
            _datagrams.pack(items[at : at + _BATCH]) for at in range(0, len(items), _BATCH)
        ]
        taken = 0
        for records, payloads in batches:
            count = len(records) * records.itemsize // _datagrams.SIZE
            done = self._dispatch_batch(records.buffer_info()[0], count, taken == 0)
            taken += done
            if done < count:
                break
        return taken

    def _dispatch_batch(self, address, count, is_first):
        timeout = _waiting.SLICE if self._waits else 0
        taken = 0
        while taken < count:
            rest = backend.at("ph_datagram_t", address + taken * _datagrams.SIZE)
            code = _lib.udph_dispatch(self._handle, rest, count - taken, timeout)
            if code > 0:
                taken += code
                # The next one was refused; it may wait when that is the policy.
                if not self._waits:
                    break
            elif code != -errno.ETIMEDOUT:
                if is_first and taken == 0 and code != -errno.EAGAIN:
                    self._check(code)
                break
        return taken

    def get_recved(self):
        """The oldest received datagram, (addr, port, data, delay_ns), or () when there is none.

        ``addr`` is a str that :meth:`dispatch` takes; ``delay_ns`` the nanoseconds since the
        kernel received the datagram.
        """
        received = self._receive(1, 0)
        return received[0] if received else ()

    def get_recved_many(self, max_n=1024, timeout=0):
        """Up to ``max_n`` received datagrams, oldest first, as a list of what
        :meth:`get_recved` gives.

        ``timeout``: seconds to wait for a first one, fractions allowed; None: for ever. The list
        is empty when the time is over. A handler that does not receive raises OSError with
        EOPNOTSUPP instead of waiting.
        """
        count = min(number("max_n", max_n, 1), _BATCH)
        if timeout == 0:
            return self._receive(count, 0)
        return _waiting.in_slices(partial(self._receive, count), timeout)

    def _receive(self, count, timeout_ms):
        inbox = self._inboxes.take(count)
        code = _lib.udph_get_recved(
            self._handle, inbox.records, count, inbox.data, inbox.size, timeout_ms
        )
        received = inbox.unpack(code) if code > 0 else []
        # Only now may another thread have it.
        self._inboxes.put(inbox)
        if code < 0 and code not in _waiting.NOTHING:
            self._check(code)
        return received

    def queued_send(self):
        """Datagrams dispatched and not yet sent."""
        return self._check(_lib.udph_queued_send(self._handle))

    def queued_recved(self):
        """Datagrams received and not yet picked up."""
        return self._check(_lib.udph_queued_recved(self._handle))

    def stats_send_avg(self, reset=True):
        """Average nanoseconds from dispatch to the kernel's taking it since the last reset."""
        return self._check(_lib.udph_stats_send_avg(self._handle, bool(reset)))

    def stats(self):
        """All counts as a dict: the fields of ``udph_stats_t`` in pyhelpers.h, times in
        nanoseconds as dicts of p50, p99, p999 and max; ``reactors`` has a dict for each thread,
        the senders first."""
        figures = self._owned.stats("udph_stats_t", _lib.udph_stats)
        count = figures["send_reactors"] + figures["recv_reactors"]
        reactors = backend.array("udph_reactor_stats_t", count)
        self._check(_lib.udph_reactor_stats(self._handle, reactors, count))
        figures["reactors"] = [backend.as_dict(reactors[index]) for index in range(count)]
        return figures

    def errors(self):
        """What went wrong since the last call, oldest first: a list of :class:`SendError`. The
        newest 1,024 are kept; ``stats()["errors_dropped"]`` counts the others."""
        return _errors.collect(_lib.udph_get_error, self._handle, self._check)

    def fileno(self):
        """A descriptor that is readable exactly while received datagrams are there. It is good
        for select, asyncio's add_reader and the like; it must not be read or closed."""
        return self._check(_lib.udph_fd(self._handle))

    def shutdown(self):
        """Stops receiving, sends what is queued for at most ``drain_timeout`` seconds, ends the
        threads and closes the descriptors. Gives the number of datagrams left unsent; 0 when the
        handler is shut down already."""
        return self._owned.close() if self._owned else 0

    def __reduce__(self):
        # A copy would end the original when it ends.
        raise TypeError("a UdpHandlerDest can be neither copied nor pickled")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.shutdown()


class _Owned(Handle):
    """The handle, which may still have something to send when the interpreter exits."""

    ended = "is shut down"

    def __init__(self, descriptor, config, drain_ms):
        self._drain_ms = drain_ms
        try:
            super(_Owned, self).__init__(
                "the UdpHandlerDest",
                "udph_t",
                partial(_lib.udph_new, descriptor, backend.ref(config)),
                partial(_close, drain_ms),
            )
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise ValueError("an argument is out of range, or event_fd is no eventfd")
            raise
        _live.add(self)

    def drain(self, started):
        """Waits until what is queued is sent, at most the drain timeout from ``started`` on."""
        deadline = started + self._drain_ms / 1000.0
        while _lib.udph_queued_send(self.value) > 0 and _waiting.now() < deadline:
            time.sleep(0.001)


def _close(drain_ms, value):
    return _lib.udph_close(value, drain_ms, backend.null)


def _configure(options):
    """A configuration with the keyword options filled in."""
    config = backend.sized("udph_config_t")
    for name in ("send_policy", "recv_policy"):
        policy = options.pop(name, "refuse")
        if policy not in _POLICIES:
            raise ValueError("%s must be one of %s, not %r" % (name, sorted(_POLICIES), policy))
        setattr(config, name, _POLICIES[policy])
    for name in ("send_queue_items", "send_queue_bytes", "recv_queue_items", "recv_queue_bytes"):
        if name in options:
            setattr(config, name, number(name, options.pop(name), 1, (1 << 63) - 1))
    if "recv_size" in options:
        config.recv_size = number("recv_size", options.pop("recv_size"), 1, 65535)
    for name, flag in (("gso", "UDPH_NO_GSO"), ("gro", "UDPH_NO_GRO")):
        if not options.pop(name, True):
            config.flags |= backend.constant(flag)
    if options:
        raise TypeError("UdpHandlerDest has no option %s" % ", ".join(sorted(options)))
    return config


def _descriptor(file):
    return file.fileno() if hasattr(file, "fileno") else operator.index(file)


@contextlib.contextmanager
def _announcing_to(event_fd):
    """The number that ``udph_config_t.event_fd`` takes. There 0 means none, so that descriptor 0
    is known by another number while the handler makes its own copy."""
    if event_fd is None or event_fd == -1:
        yield 0
        return
    descriptor = _descriptor(event_fd)
    if descriptor < 0:
        raise OSError(errno.EBADF, "event_fd is no descriptor")
    if descriptor > 0:
        yield descriptor
        return
    copy = os.dup(descriptor)
    try:
        yield copy
    finally:
        os.close(copy)


@atexit.register
def _drain_all():
    """The process's end stops the threads; what was dispatched before goes out first."""
    started = _waiting.now()
    for owned in list(_live):
        owned.drain(started)
