"""Connections of a loop, and how they are configured."""

import errno
import os
import socket

from pyhelpers import _addresses, _sockaddr
from pyhelpers._arguments import milliseconds, number, octets
from pyhelpers._backend import backend
from pyhelpers._messages import LONGEST, MOST

_lib = backend.lib

_EVENT_CLOSED = backend.constant("TCP_CLOSED")
READ_DATA = backend.constant("TCP_READ_DATA")
READ_OFF = backend.constant("TCP_READ_OFF")

_UNKNOWN_NAME = -backend.constant("PH_ENONAME")
_NO_RESOLVER = -backend.constant("PH_ERESOLVE")

#: What calls are refused with though the link is there: any other code says what it ended with.
_FAULTS = (
    -errno.EAGAIN,
    -errno.EBADF,
    -errno.EINVAL,
    -errno.ESHUTDOWN,
    backend.constant("PH_EPANIC"),
)

_U32 = (1 << 32) - 1
_U64 = (1 << 64) - 1

#: Bytes that may wait at most unless something else is said.
LIMIT = 16777216

#: More than is written within one iteration before it is handed in.
_GATHERED = MOST * LONGEST + (1 << 16)

#: Not even what is empty is longer than that.
_NOTHING = -1

#: States of a connection, each without what the one before allows.
_OPEN, _NO_MORE, _CLOSING, _CLOSED = range(4)


def ignore(*_arguments):
    """What follows when no handler is set."""


def exception(code):
    """The exception that an error number means."""
    if code == _UNKNOWN_NAME:
        return socket.gaierror(socket.EAI_NONAME, _text(code))
    if code == _NO_RESOLVER:
        return socket.gaierror(socket.EAI_AGAIN, _text(code))
    return OSError(code, _text(code))


def _text(code):
    return backend.text(_lib.ph_strerror(-code)) if code > 4095 else os.strerror(code)


def _seconds(name, value):
    """Milliseconds; 0, which the library takes for never or for its default, for None."""
    if value is None:
        return 0
    if value <= 0:
        raise ValueError("%s must be more than 0 seconds, not %r" % (name, value))
    return milliseconds(value)


#: Options that are numbers: the lowest and the highest.
_NUMBERS = {
    "backlog": (0, (1 << 31) - 1),
    "keepalive": (0, 32767),
    "recv_buffer": (0, (1 << 31) - 1),
    "send_buffer": (0, (1 << 31) - 1),
    "recv_size": (0, (1 << 31) - 1),
    "low": (0, _U32),
    "high": (0, _U32),
    "limit": (0, _U32),
    "read_rate": (0, _U64),
    "write_rate": (0, _U64),
}
_FIELDS = {"keepalive": "keepalive_s"}
_TIMES = ("connect_timeout", "idle_timeout", "write_timeout")

#: Options that are true or false: the default, and the flag that is set when it is not so.
_FLAGS = {
    "nodelay": (True, "TCP_DELAY"),
    "reuseaddr": (True, "TCP_NO_REUSEADDR"),
    "reuseport": (False, "TCP_REUSEPORT"),
    "v6only": (False, "TCP_V6ONLY"),
}


def configured(options):
    """A ``tcp_config_t`` of keyword options. ValueError and TypeError say what is wrong."""
    config = backend.sized("tcp_config_t")
    options = dict(options)
    for name, (low, high) in _NUMBERS.items():
        if options.get(name) is not None:
            setattr(config, _FIELDS.get(name, name), number(name, options[name], low, high))
    for name in _TIMES:
        setattr(config, name + "_ms", _seconds(name, options.pop(name, None)))
    for name, (default, flag) in _FLAGS.items():
        if bool(options.pop(name, default)) is not default:
            config.flags |= backend.constant(flag)
    linger = options.pop("linger", None)
    if linger is not None:
        config.flags |= backend.constant("TCP_LINGER")
        config.linger_s = number("linger", linger, 0, 32767)
    unknown = set(options) - set(_NUMBERS)
    if unknown:
        raise TypeError("there is no option %s" % ", ".join(sorted(unknown)))
    return config


class Stream(object):
    """A connection of a loop, by its id. ``error``: the kind of exceptions that its calls raise.

    What is written while an iteration is under way is handed in at its end, where that cannot fail
    for want of room; all else at once.
    """

    error = OSError

    #: Whether it ended though the program did not end it.
    _is_lost = False

    def __init__(self, loop, limit):
        self._loop = loop
        self._id = 0
        self._state = _OPEN
        #: How many bytes may wait while what is written is not handed in at once.
        self._room = (limit or LIMIT) - _GATHERED
        #: What is longer is handed in at once.
        self._gathers = LONGEST if self._room >= 0 else _NOTHING

    def write(self, data):
        """Sends ``data``, anything whose memory can be read, when the peer takes it.

        Never waits, and takes all or nothing. When the link is lost, whether that was told of or
        not yet, nothing is taken and nothing raised.

        Errors: OSError with EAGAIN when something waits already and more than the limit would, with
        EBADF when the program has closed the connection, with EPIPE when its writing side;
        TypeError. Thread safety: any thread.
        """
        if type(data) is not bytes:
            data = octets(data)
        if len(data) > self._gathers:
            self._write_now(data)
            return
        loop = self._loop
        out = loop.out
        out += (self._id, data)
        if len(out) > loop.most:
            loop.flush()

    def _write_now(self, data):
        if self._is_lost:
            return
        if self._state == _NO_MORE:
            raise self.error(errno.EPIPE, "the connection's writing side is closed")
        if self.is_over:
            raise self._is_closed()
        count = self._loop.send(self._id, data)
        if self._was_taken(count):
            self.waits(count)

    def waits(self, count):
        """Takes notice of how many bytes wait after a write."""
        if count >= 0 and self._state == _OPEN:
            self._gathers = LONGEST if count <= self._room else _NOTHING

    def write_at_once(self):
        """Each write is to say what comes of it from now on, until one is taken."""
        self._gathers = _NOTHING

    def _checked(self, code):
        """``code`` when it is no error; otherwise raises what it means."""
        if code >= 0:
            return code
        if self.is_over and not self._loop.closed:
            raise self._is_closed()
        if self.error is OSError or code < -4095:
            return self._loop.check(code)
        raise self.error(-code, os.strerror(-code))

    def _is_closed(self):
        return self.error(errno.EBADF, "the connection is closed")

    def _was_taken(self, code):
        """Whether a call had its effect; not when the link is lost, as its last event tells. What
        else the code means is raised."""
        if self._is_lost or code < 0 and code not in _FAULTS:
            return False
        self._checked(code)
        return True

    def shutdown_write(self):
        """Tells the peer, behind all that was written, that no more will come. Reading goes on."""
        if self._state == _OPEN:
            self._state, self._gathers = _NO_MORE, _NOTHING
            self._loop.after_writes(_lib.tcp_shutdown_write, self._id)

    def close(self):
        """Closes the connection when all that was written is sent. No more is read."""
        self._is_lost = False
        if self._state < _CLOSING:
            self._end()
            self._loop.after_writes(_lib.tcp_close, self._id)

    def _close_with_peer(self):
        """Closes it as the peer has, from when on the link counts as lost."""
        was_open = self._state == _OPEN
        if self._state < _CLOSING:
            Stream.close(self)
            self._is_lost = was_open

    def _end_soon(self, error):
        """The link was lost before it could be the loop's, as the last event is to tell."""
        self._is_lost, self._gathers = True, _NOTHING
        self._loop.call_soon(lambda: self.happened(_EVENT_CLOSED, error, 0, 0))

    def abort(self):
        """Closes the connection at once, with a reset; what waits to be sent is lost."""
        self._is_lost = False
        if self._state < _CLOSED:
            self._end()
            _lib.tcp_abort(self._loop.value, self._id)

    def _end(self):
        """No handler is to be called any more, but for the last one."""
        self._state, self._gathers = _CLOSING, _NOTHING

    @property
    def is_over(self):
        """Whether it is closed, or will be when all that was written is sent."""
        return self._state >= _CLOSING

    def happened(self, kind, error, _value, _length):
        if kind == _EVENT_CLOSED:
            self._is_lost = self._is_lost or self._state == _OPEN
            self._state, self._gathers = _CLOSED, _NOTHING
            self._loop.objects.pop(self._id, None)
            self.ended(error)
        elif not self.is_over:
            self.came(kind)

    @property
    def pending(self):
        """Bytes that were written and are not with the kernel."""
        if self._state == _CLOSED:
            return 0
        self._loop.settle()
        return self.stats()["waiting"]

    @property
    def local(self):
        """The local address, as of Python's sockets; None for a Unix socket."""
        return self._address(_lib.tcp_local)

    @property
    def remote(self):
        """The peer's address, as of Python's sockets; None for a Unix socket."""
        return self._address(_lib.tcp_remote)

    def _address(self, read):
        return address(self._loop, self._id, read, self._checked)

    def fileno(self):
        """The descriptor, for getsockopt and the like. It must not be read, written or closed."""
        return self._checked(_lib.tcp_socket(self._loop.value, self._id))

    def set_rate(self, read_rate=0, write_rate=0):
        """Limits what is received and sent, in bytes a second each; 0: no limit."""
        rates = number("read_rate", read_rate, 0, _U64), number("write_rate", write_rate, 0, _U64)
        self._was_taken(_lib.tcp_set_rate(self._loop.value, self._id, *rates))

    def set_watermarks(self, low, high, limit=None):
        """Limits what waits to be sent, in bytes: ``limit`` at most; None: as before. Once more
        than ``high`` did, or a write was refused, ``on_drain`` follows when it falls to ``low``."""
        marks = number("low", low, 0, _U32), number("high", high, 0, _U32)
        if limit is None:
            limit = self._room + _GATHERED
        limit = number("limit", limit, 1, _U32)
        # What is gathered now was written under the old one.
        self._loop.settle()
        code = _lib.tcp_set_watermarks(self._loop.value, self._id, *(marks + (limit,)))
        if self._was_taken(code):
            self._room = limit - _GATHERED
            self._gathers = _NOTHING
            self.waits(self.pending)

    def set_timeouts(self, idle=None, write=None):
        """Closes the connection, with ETIMEDOUT, when for so many seconds nothing was received nor
        sent (``idle``), or data waits and none could be sent (``write``); None: never."""
        times = _seconds("idle", idle), _seconds("write", write)
        self._was_taken(_lib.tcp_set_timeouts(self._loop.value, self._id, *times))

    def set_reading(self, reading):
        """Reads, or leaves what comes to the kernel."""
        self._was_taken(_lib.tcp_set_reading(self._loop.value, self._id, reading))

    def stats(self):
        """All counts as a dict: the fields of ``tcp_stats_t`` in pyhelpers.h."""
        stats = backend.sized("tcp_stats_t")
        self._checked(_lib.tcp_stats(self._loop.value, self._id, backend.ref(stats)))
        figures = backend.as_dict(stats)
        del figures["size"]
        return figures


def address(loop, key, read, check):
    """The address that ``read`` has for the id, as of Python's sockets; None when it has none."""
    found = backend.new("ph_addr_t")
    check(read(loop.value, key, backend.ref(found)))
    words = _addresses.words(found)
    return _sockaddr.from_words[words] if words[2] else None
