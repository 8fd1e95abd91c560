"""A TCP connection."""

import errno
import socket

from pyhelpers import _tcp
from pyhelpers._arguments import number
from pyhelpers._backend import backend
from pyhelpers._tcp import READ_DATA, READ_OFF, Stream, ignore
from pyhelpers.pyed import _core, _sockets

__all__ = ["tcpconnection"]

_lib = backend.lib

_EOF = backend.constant("TCP_EOF")

#: Bytes that wait to be sent at most.
_LIMIT = 64 << 20

#: Bytes that are kept for read() before no more are read from the socket.
_UNREAD_MAX = 1 << 20

_NO_PEER = -errno.ENOTCONN

_RATE_MAX = (1 << 63) - 1


class tcpconnection(Stream):
    """A connection, read and written by native code.

    ``sock``: a connected socket, as ``accept()`` gives it; when it has no peer, or none any more,
    the broken handler will follow. It is the connection's from now on, and nobody else should read
    or write it. ``srvconf``: a dict; what it uses may be missing: ``recvbuf``, ``sendbuf``:
    SO_RCVBUF, SO_SNDBUF in bytes (the system's default); ``linger``: (on or off, seconds) of
    SO_LINGER; ``blocking`` is accepted, but with 1 too no call blocks. ``evs``, ``tms``: what it
    belongs to; by default the process's.

    What is received is kept until it is read, up to 1 MiB; then no more is taken from the peer
    until :meth:`read` has made room. Attributes of the program's own may be set.

    What is written, or set, when the link is broken has no effect and raises nothing. Errors:
    socket.error with EBADF for a write after :meth:`close`, with EAGAIN for one when 64 MiB wait.
    Thread safety: :meth:`write` and :meth:`close` any thread, all else one thread at a time.
    """

    error = socket.error

    def __init__(self, sock, srvconf, evs=None, tms=None):
        core = _core.core_of(evs)
        super(tcpconnection, self).__init__(core, _LIMIT)
        self._sock = sock
        self._unread = b""
        self._recvmsg = self._broken = ignore
        self._paused = False
        _sockets.configure(sock, srvconf)
        sock.setblocking(False)
        linger = _sockets.linger(srvconf)
        config = _tcp.configured({"limit": _LIMIT, "linger": linger})
        with core.adding:
            code = _lib.tcp_adopt(core.value, sock.fileno(), backend.ref(config), backend.null)
            if code == _NO_PEER:
                # It was gone before it was accepted.
                self._end_soon(errno.ENOTCONN)
                return
            self._id = self._checked(code)
            core.objects[self._id] = self

    def set_config(self, conf):
        """Limits what is received and sent: ``readlimit`` and ``writelimit`` of the dict, bytes a
        second; -1, or nothing: no limit."""
        rates = [_rate(key, conf.get(key)) for key in ("readlimit", "writelimit")]
        self.set_rate(*rates)

    def set_recvmsg(self, recvmsghandler):
        """Has ``recvmsghandler(connection)`` follow when something was received. What came before
        can be read, but no handler follows for it."""
        if not self.is_over:
            self._recvmsg = recvmsghandler or ignore

    def set_broken(self, brokenhandler):
        """Has ``brokenhandler(connection)`` follow, once, when the link broke or the peer closed
        it; what was received before can still be read then. It does not follow :meth:`close`."""
        if not self.is_over:
            self._broken = brokenhandler or ignore

    def read(self, size=-1):
        """What was received, as bytes, at most ``size`` of them; -1: all. b"" when there is
        nothing; never waits."""
        data = self._unread
        if size < 0 and type(data) is bytes:
            self._unread = b""
            return data
        return self._read_part(size)

    def _read_part(self, size):
        unread = self._unread
        if size < 0:
            size = len(unread)
        data = bytes(unread[:size])
        if len(data) == len(unread):
            self._unread = b""
        else:
            # Taking small parts off its beginning is cheap, but with Python 2.
            self._unread = unread = bytearray(unread) if type(unread) is bytes else unread
            del unread[:size]
        if self._paused and len(self._unread) < _UNREAD_MAX:
            self._paused = False
            if not self.is_over:
                self.set_reading(READ_DATA)
        return data

    def keep(self, data):
        """What follows data received while other data is still unread."""
        unread = self._unread
        if type(unread) is bytes:
            self._unread = unread = bytearray(unread)
        unread += data
        if len(unread) >= _UNREAD_MAX and not self._paused and not self.is_over:
            self._paused = True
            self.set_reading(READ_OFF)

    def take(self, data):
        if self._unread:
            self.keep(data)
        else:
            self._unread = data
        self._recvmsg(self)

    def came(self, kind):
        if kind == _EOF:
            self._break()

    def ended(self, _error):
        self._break()
        # Who looks at the link no more often does not close it either.
        self._sock.close()

    def _break(self):
        broken = self._broken
        # All that was written is sent first, which the socket must live to see.
        self._close_with_peer()
        broken(self)

    def close(self):
        """Closes the connection when all that was written is sent, and the socket. No handler
        follows any more."""
        # The loop's own descriptor is the last one, which may have to linger.
        self._sock.close()
        super(tcpconnection, self).close()

    def abort(self):
        """Closes the connection at once, with a reset, and the socket."""
        self._sock.close()
        super(tcpconnection, self).abort()

    def _end(self):
        super(tcpconnection, self)._end()
        self._recvmsg = self._broken = ignore


def _rate(name, limit):
    """Bytes a second as the library takes them, 0 being no limit."""
    if limit is None or limit < 0:
        return 0
    return number(name, limit, 1, _RATE_MAX)
