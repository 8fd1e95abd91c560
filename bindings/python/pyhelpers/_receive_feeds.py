"""Sources that feed a group of a ReceiveQueue, and how its buffers are named."""

import errno
import socket
import weakref

from pyhelpers import _sockaddr
from pyhelpers._addresses import SIZE
from pyhelpers._arguments import number
from pyhelpers._backend import backend
from pyhelpers.event_loop import Connection
from pyhelpers.udp_handler import UdpHandlerDest

_lib = backend.lib

_LINES = backend.constant("RQ_LINES")
_BY_RANGE = backend.constant("RQ_BY_RANGE")

#: No payload reaches so far.
_FAR = 1 << 32

#: The ``ph_addr_t`` of who has no address.
_NO_ADDRESS = b"\0" * SIZE


class _BySource(object):
    """Buffers named by the addresses of the senders, as of Python's sockets."""

    what = "source"

    def raw(self, idx):
        """The idx as the library has it; None for one that it cannot have."""
        hash(idx)
        if idx is None:
            return _NO_ADDRESS
        if not isinstance(idx, tuple) or len(idx) < 2:
            return None
        try:
            family = _sockaddr.family_of(idx[0])
            # A name is no sender's: it is not to be looked up.
            socket.inet_pton(family, idx[0])
            return _sockaddr.pack(idx, family)[0]
        except (EnvironmentError, OverflowError, TypeError, ValueError):
            return None

    def idx(self, raw):
        """The way back."""
        return None if raw == _NO_ADDRESS else _sockaddr.from_bytes[raw]


class _ByRange(object):
    """Buffers named by a part of the payload, which is bytes."""

    what = "a part of the payload"

    def raw(self, idx):
        hash(idx)
        return idx if isinstance(idx, bytes) else None

    def idx(self, raw):
        return raw


BY_SOURCE = _BySource()
BY_RANGE = _ByRange()


def configured(source, idx, lines):
    """How the buffers are named, and the ``rq_feed_config_t``. ValueError and TypeError say what is
    wrong."""
    config = backend.sized("rq_feed_config_t")
    if lines:
        if not isinstance(source, Connection):
            raise ValueError("lines are those of a Connection, not of %r" % (source,))
        config.framing = _LINES
    if isinstance(idx, (str, type(u""))):
        if idx != "source":
            raise ValueError('idx must be "source", (offset, length) or a slice, not %r' % (idx,))
        return BY_SOURCE, config
    config.key = _BY_RANGE
    config.offset, config.length = _range(idx)
    return BY_RANGE, config


def _range(idx):
    """(offset, length) of a slice or such a pair."""
    if not isinstance(idx, slice):
        try:
            offset, length = idx
        except (TypeError, ValueError):
            raise TypeError('idx must be "source", (offset, length) or a slice, not %r' % (idx,))
        return number("offset", offset, 0, _FAR), number("length", length, 0, _FAR)
    if idx.step not in (None, 1):
        raise ValueError("a slice must have step 1, not %r" % (idx.step,))
    start = number("start", idx.start or 0, 0, _FAR)
    stop = number("stop", _FAR if idx.stop is None else idx.stop, 0, 2 * _FAR)
    return start, max(0, stop - start)


def begin(source, where):
    """Begins a feed. ``where``: the queue, the group's name and its length, the configuration.
    Gives its number, or a code below 0."""
    if isinstance(source, UdpHandlerDest):
        return _lib.rq_feed_udph(*(where + (source._handle,)))
    if isinstance(source, Connection):
        return _lib.rq_feed_tcp(*(where + (source._loop.value, source._id)))
    # Not everybody needs what it brings along.
    from pyhelpers.udping import Peer

    if isinstance(source, Peer):
        return _lib.rq_feed_peer(*(where + ((source._socket or source._opened()).value,)))
    raise TypeError(
        "a source must be a UdpHandlerDest, a Peer or a Connection, not %s"
        % type(source).__name__
    )


class Feed(object):
    """A source that puts what it receives into a group, made by ``ReceiveQueue.feed``. It ends with
    :meth:`stop`, with the source, or with the queue; without this object it goes on. A context
    manager. Thread safety: any thread.

    ``group``: the key of the group.
    """

    def __init__(self, queue, feed_number, groupkey, source):
        # The queue is not to live on because somebody has this.
        self._queue = weakref.ref(queue)
        self._number = feed_number
        self.group = groupkey
        self._source = "%s at 0x%x" % (type(source).__name__, id(source))
        #: What stats() gives once it is stopped.
        self._last = None

    def stop(self):
        """Ends it: the source hands to the program again what comes from now on. What came before
        stays in the group. A second call does nothing."""
        queue = self._queue()
        if queue is None or self._last is not None:
            return
        try:
            last = queue.feed_stats(self._number)
        except EnvironmentError:
            # It ended with the queue, or another thread is about it too.
            return
        queue.stop_feed(self._number)
        self._last = dict(last, ended=True)

    def stats(self):
        """Its counts as a dict: values ``received``, and ``received_bytes``, that were put in;
        ``refused``: those that were lost as a limit of the queue kept them out; ``ended``: whether
        it is over. Those of a stopped one stay. Errors: OSError with EBADF when it ended with the
        queue."""
        queue = self._queue()
        if self._last is not None:
            return dict(self._last)
        if queue is None:
            raise OSError(errno.EBADF, "the ReceiveQueue is closed")
        return queue.feed_stats(self._number)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.stop()

    def __repr__(self):
        try:
            has_ended = self.stats()["ended"]
        except EnvironmentError:
            has_ended = True
        state = "ended" if has_ended else "running"
        return "<Feed of %s into %r, %s>" % (self._source, self.group, state)
