"""A native event loop: see :class:`EventLoop`."""

import errno
import math
import os
import sys
import traceback
from array import array
from functools import partial

from pyhelpers import _tcp, _waiting
from pyhelpers._arguments import milliseconds, number
from pyhelpers._backend import backend
from pyhelpers._loop import ENDED, Loop, Nobody
from pyhelpers._tcp import READ_DATA, READ_OFF, Stream, ignore
from pyhelpers._watches import READ, WRITE, Watches, descriptor

__all__ = ["Connection", "EventLoop", "Server", "Timer"]

_lib = backend.lib

_CONNECTED = backend.constant("TCP_CONNECTED")
_EOF = backend.constant("TCP_EOF")
_DRAINED = backend.constant("TCP_DRAINED")

#: Longest delay in nanoseconds: 146 years, which a float can hold too.
_DELAY_MAX = 1 << 62


class Connection(Stream):
    """A TCP connection, or one by a Unix socket, of an :class:`EventLoop`.

    Its handlers may be set and changed at any time; None: nothing follows.

    ``on_connect(connection)``: it is established. ``on_data(connection, data)``: bytes were
    received; without it they are thrown away. ``on_end(connection)``: the peer will send no more;
    without it the connection is closed when all that was written is sent. ``on_drain(connection)``:
    what waits to be sent fell to the low watermark, after it was over the high one or a write was
    refused. ``on_close(connection, error)``: it is closed; the last one, called once in any case
    but :meth:`EventLoop.close`. ``error``: None, or an OSError: ECONNREFUSED, ECONNRESET, ETIMEDOUT
    (a deadline of the options), ECONNABORTED (:meth:`abort`); socket.gaierror for an unknown name.

    Attributes of the program's own may be set. Thread safety: any thread; the handlers are called
    by the thread that runs the loop. Errors of all calls: OSError with EBADF when the program has
    closed it. When the peer has, or the link is lost, :meth:`write` and what sets something have no
    effect; what is to be found out raises OSError: what it ended with, or EBADF.
    """

    def __init__(self, loop, handlers, limit):
        super(Connection, self).__init__(loop, limit)
        self.on_connect, self.on_data, self.on_close, self.on_end, self.on_drain = handlers

    @property
    def on_data(self):
        """What follows when bytes were received; without it they are thrown away."""
        return None if self._data is ignore else self._data

    @on_data.setter
    def on_data(self, handler):
        self._data = ignore if handler is None or self.is_over else handler

    def _end(self):
        super(Connection, self)._end()
        self._data = ignore

    def take(self, data):
        self._data(self, data)

    def came(self, kind):
        if kind == _EOF and self.on_end is None:
            self._close_with_peer()
            return
        handlers = {_CONNECTED: self.on_connect, _EOF: self.on_end, _DRAINED: self.on_drain}
        handler = handlers.get(kind)
        if handler is not None:
            handler(self)

    def ended(self, error):
        on_close = self.on_close
        # They often hold what holds the connection.
        self._data = ignore
        self.on_connect = self.on_end = self.on_drain = self.on_close = None
        if on_close is not None:
            on_close(self, _tcp.exception(error) if error else None)

    def pause_reading(self):
        """Leaves what the peer sends to the kernel, which will stop the peer when it has enough.
        Data that was read already may still come. Its end is not seen meanwhile."""
        self.set_reading(READ_OFF)

    def resume_reading(self):
        """Reads again."""
        self.set_reading(READ_DATA)

    def __repr__(self):
        state = ("open", "open for reading", "closing", "closed")[self._state]
        return "<%s %d, %s>" % (type(self).__name__, self._id, state)


class Server(object):
    """What accepts connections, made by :meth:`EventLoop.tcp_server`. A context manager.

    ``refused``: how often none could be accepted, for want of descriptors and the like; it is tried
    again after 100 ms. Thread safety: any thread.
    """

    def __init__(self, loop, host, handlers, limit):
        self._loop = loop
        self._host = host
        self._handlers = handlers
        self._limit = limit
        self._id = 0
        self.refused = 0

    @property
    def address(self):
        """The address that it listens on, as of Python's sockets; the path of a Unix socket."""
        found = _tcp.address(self._loop, self._id, _lib.tcp_local, self._checked)
        if found:
            return found
        path = self._host[len("unix:") :]
        # On Python 2 either kind of string names a file.
        return os.fsdecode(path) if hasattr(os, "fsdecode") else path

    def _checked(self, code):
        return self._loop.check_of(code, "the server is closed")

    def accept(self, key):
        connection = Connection(self._loop, self._handlers, self._limit)
        connection._id = key
        self._loop.objects[key] = connection
        if connection.on_connect is not None:
            connection.on_connect(connection)

    def happened(self, _kind, _error, _value, _length):
        self.refused += 1

    def close(self):
        """Accepts no more. Its connections go on."""
        self._loop.objects.pop(self._id, None)
        _lib.evloop_del(self._loop.value, self._id)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


class Timer(object):
    """What is to be called later, made by an :class:`EventLoop`. Thread safety: any thread."""

    __slots__ = "_loop", "_id", "_call", "_repeats", "__weakref__"

    def __init__(self, loop, call, repeats=False):
        self._loop = loop
        self._id = 0
        self._call = call
        self._repeats = repeats

    def cancel(self):
        """It will not be called any more."""
        self._call = ignore
        if self._id:
            self._loop.objects.pop(self._id, None)
            ids = backend.view("int64_t", array("l", (self._id,)))
            _lib.evloop_timer_del(self._loop.value, ids, 1)

    def __call__(self):
        self._call()

    def happened(self, _kind, _error, _value, _length):
        if not self._repeats:
            self._loop.objects.pop(self._id, None)
        self._call()


class _Signal(object):
    """What follows a signal."""

    def __init__(self, call):
        self.id = 0
        self._call = call

    def happened(self, _kind, _error, _value, _length):
        self._call()


class _NoConnection(Nobody):
    """Stands for connections that are gone."""

    def _data(self, _connection, data):
        """Data that nobody wants any more."""


class _Engine(Loop):
    def nobody(self):
        return _NoConnection(self.value)

    def give_data(self, batch):
        for connection, data in batch:
            connection._data(connection, data)


class EventLoop(object):
    """Timers, descriptors, signals and TCP connections, served by native code in batches::

        loop = EventLoop()
        server = loop.tcp_server(on_data=lambda connection, data: connection.write(data))
        print(server.address)
        loop.run()

    ``backend``: "epoll", or "poll" or "select", which know no limit of 1,024 descriptors here.

    Handlers are called by the thread that runs the loop. One that raises is reported, with its
    traceback, on standard error, or to ``on_error(exception, traceback)`` where that is set, and
    counted in ``errors``; the loop goes on. KeyboardInterrupt and SystemExit leave :meth:`run`;
    what is left of the batch comes first in the next one.

    A context manager. Thread safety: any thread may call any method; one at a time runs the loop.
    Errors: OSError with EBADF after :meth:`close` and in a forked child, EMFILE; ValueError;
    TypeError.
    """

    def __init__(self, backend="epoll"):
        self._loop = _Engine(backend, "the EventLoop")
        self._loop.report = self._report
        self._watches = Watches(self._loop)
        self._signals = {}
        self.on_error = None
        self.errors = 0

    # Running

    def run(self):
        """Runs until :meth:`stop` or :meth:`close` is called, or the last connection has ended
        after :meth:`shutdown`. Errors: OSError with EBUSY when another thread runs it."""
        loop = self._loop
        self._check_open()
        turn, forever = loop.turn, _waiting.SLICE
        try:
            while turn(forever) != ENDED and not loop.stopping:
                pass
            loop.stopping = False
        finally:
            self._show_rest()

    def run_once(self, timeout=None):
        """One iteration, which waits at most ``timeout`` seconds for something to happen; None: for
        ever. Gives how many events there were: 0, without any wait, when all has ended after
        :meth:`shutdown`."""
        loop = self._loop
        self._check_open()
        is_inner = loop.is_in_handler()
        try:
            count = _waiting.in_slices(loop.turn, timeout)
        finally:
            if not is_inner:
                # Else the outer one is to see it.
                loop.stopping = False
            self._show_rest()
        return 0 if count == ENDED else count

    def _show_rest(self):
        """Who waits for the loop's descriptor is to see what is left of a batch."""
        if self._loop.has_more() and not self._loop.closed:
            self.wake()

    def stop(self):
        """Has :meth:`run` return: after this handler, when one calls it, or else after the events
        that are there; the next one, when nobody runs it."""
        if self._loop.cut():
            self._loop.stopping = True
        else:
            self._check(_lib.evloop_stop(self._loop.value))

    def wake(self):
        """Ends the wait for events."""
        self._check(_lib.evloop_wake(self._loop.value))

    def shutdown(self, timeout=None):
        """Accepts no more, and closes each connection when all that was written is sent, or, with
        ETIMEDOUT, after ``timeout`` seconds; None: whenever that is. :meth:`run` goes on until the
        last one has ended. New servers and clients are refused: OSError with ESHUTDOWN."""
        limit = -1 if timeout is None else milliseconds(timeout)
        loop = self._loop
        loop.settle()
        self._check(_lib.evloop_shutdown(loop.value, limit))
        for connection in loop.streams():
            connection._end()

    def close(self):
        """Ends all at once, without a call of a handler. Gives how many bytes were written and not
        sent; 0 when it is closed already."""
        self._signals.clear()
        return self._loop.close()

    def fileno(self):
        """A descriptor that is readable whenever there are events: with it the loop can sit in
        another one. It must not be read or closed. Errors: OSError with EOPNOTSUPP unless the
        backend is epoll."""
        return self._check(_lib.evloop_fd(self._loop.value))

    def stats(self):
        """All counts as a dict: the fields of ``evloop_stats_t`` in pyhelpers.h."""
        return self._loop.handle.stats("evloop_stats_t", _lib.evloop_stats)

    # Timers

    def call_soon(self, function, *args):
        """Calls it in the next iteration, in the order in which it was asked for. Gives a
        :class:`Timer`."""
        timer = Timer(self._loop, _call(function, args))
        self._check_open()
        self._loop.call_soon(timer)
        return timer

    call_soon_threadsafe = call_soon

    def call_later(self, delay, function, *args):
        """Calls it after ``delay`` seconds, never earlier; at once when that is 0 or less. Gives a
        :class:`Timer`."""
        return self._add_timer(_nanoseconds(delay), 0, _call(function, args))

    def call_every(self, period, function, *args):
        """Calls it each ``period`` seconds. When it comes too late for some, it is called once for
        all of them. Gives a :class:`Timer`."""
        period = _nanoseconds(period)
        if period <= 0:
            raise ValueError("a period must be more than 0 seconds")
        return self._add_timer(period, period, _call(function, args))

    def _add_timer(self, delay, period, call):
        loop = self._loop
        timer = Timer(loop, call, period > 0)
        words = array("l", (0, delay, period, 0))
        with loop.adding:
            added = backend.view("evloop_timer_t", words)
            loop.check(_lib.evloop_timer_add(loop.value, added, 1))
            timer._id = words[0]
            loop.objects[timer._id] = timer
        return timer

    # Descriptors and signals

    def add_reader(self, file, function, *args):
        """Calls it whenever the descriptor can be read, as long as it can; ``file``: its number or
        an object that has ``fileno()``: a socket, a UdpHandlerDest. It takes the place of what was
        called before. Errors: OSError with EBADF, EPERM (a regular file)."""
        self._watches.add(descriptor(file), READ, _call(function, args))

    def add_writer(self, file, function, *args):
        """The same for when it can be written."""
        self._watches.add(descriptor(file), WRITE, _call(function, args))

    def remove_reader(self, file):
        """Ends it. False when there was none."""
        return self._watches.remove(descriptor(file), READ)

    def remove_writer(self, file):
        """Ends it. False when there was none."""
        return self._watches.remove(descriptor(file), WRITE)

    def add_signal(self, signum, function, *args):
        """Calls it after the signal, once for those that came together, in place of the process's
        own handler, which comes back in the end. Errors: OSError with EINVAL for a signal that
        cannot be had, EEXIST where this loop has it already."""
        loop = self._loop
        signum = number("signum", signum, 1, 64)
        signal = _Signal(_call(function, args))
        with loop.adding:
            signal.id = loop.check(_lib.evloop_signal_add(loop.value, signum, _NULL))
            loop.objects[signal.id] = self._signals[signum] = signal

    def remove_signal(self, signum):
        """Ends it. False when there was none."""
        with self._loop.adding:
            signal = self._signals.pop(signum, None)
            if signal is None:
                return False
            self._loop.objects.pop(signal.id, None)
            _lib.evloop_del(self._loop.value, signal.id)
            return True

    # TCP

    def tcp_server(
        self,
        on_connect=None,
        host="",
        port=0,
        on_data=None,
        on_close=None,
        on_end=None,
        on_drain=None,
        **options
    ):
        """Listens, and gives a :class:`Server`. The handlers are those of each
        :class:`Connection`.

        ``host``: "": all interfaces, IPv4 and IPv6; "unix:/path" or "unix:@name", an abstract one.
        ``port``: a number, 0: a free one; or a service's name. Names are looked up in this call;
        meanwhile no other thread can add anything to the loop.

        Options: ``backlog``; ``reuseaddr`` (True); ``reuseport``, ``v6only`` (False); ``nodelay``
        (True); ``keepalive``: seconds of silence before probes, 0: none; ``linger``: seconds, 0:
        closing resets the connection; ``recv_buffer``, ``send_buffer``: SO_RCVBUF, SO_SNDBUF in
        bytes; ``recv_size``: bytes of one on_data at most, 65,536; ``read_rate``, ``write_rate``:
        bytes a second, 0: no limit; ``low``, ``high``, ``limit``: see
        :meth:`Connection.set_watermarks`, 16,384, 65,536 and 16,777,216 bytes, below 4,259,840 of
        ``limit`` handlers' small writes are not gathered; ``idle_timeout``, ``write_timeout``: see
        :meth:`Connection.set_timeouts`.

        Errors: OSError with EADDRINUSE, EACCES and the like; socket.gaierror; ValueError;
        TypeError.
        """
        handlers = on_connect, on_data, on_close, on_end, on_drain
        config = _tcp.configured(options)
        server = Server(self._loop, host, handlers, config.limit)
        self._open(server, _lib.tcp_listen, host, port, config)
        return server

    def tcp_client(
        self,
        host,
        port,
        on_connect=None,
        on_data=None,
        on_close=None,
        on_end=None,
        on_drain=None,
        **options
    ):
        """Connects, and gives the :class:`Connection` at once; what is written before it is
        established is sent afterwards. When it cannot be, ``on_close`` says why.

        ``host``, ``port``: as of :meth:`tcp_server`. A name is looked up by another thread, and its
        addresses are tried in turn. ``connect_timeout``: seconds for all of it, 30. Other options:
        as of :meth:`tcp_server`.
        """
        handlers = on_connect, on_data, on_close, on_end, on_drain
        config = _tcp.configured(options)
        connection = Connection(self._loop, handlers, config.limit)
        self._open(connection, _lib.tcp_connect, host, port, config)
        return connection

    def _open(self, made, function, host, port, config):
        loop = self._loop
        arguments = _c_string(host), _c_string(_service(port)), backend.ref(config), _NULL
        with loop.adding:
            code = function(loop.value, *arguments)
            if code < -4095:
                raise _tcp.exception(-code)
            if code == ENDED and not loop.closed:
                raise OSError(errno.ESHUTDOWN, "the EventLoop is shut down")
            made._id = loop.check(code)
            loop.objects[made._id] = made

    def _report(self):
        self.errors += 1
        _, error, where = sys.exc_info()
        try:
            if self.on_error is None:
                traceback.print_exc()
            else:
                self.on_error(error, where)
        except Exception:
            # The hook's own.
            traceback.print_exc()

    def _check(self, code):
        return self._loop.check(code)

    def _check_open(self):
        if self._loop.closed:
            self._check(_lib.evloop_wake(self._loop.value))

    def __reduce__(self):
        return self._loop.handle.__reduce__()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


_NULL = backend.null


def _call(function, args):
    if not callable(function):
        raise TypeError("%r cannot be called" % (function,))
    return partial(function, *args) if args else function


def _nanoseconds(seconds):
    """Rounded up, so that nothing comes early; at most what C takes."""
    return int(math.ceil(max(min(seconds * 1e9, _DELAY_MAX), -1)))


def _service(port):
    if isinstance(port, (str, bytes, type(u""))):
        return port
    return str(number("port", port, 0, 65535))


def _c_string(text):
    if not isinstance(text, bytes):
        if not isinstance(text, type(u"")):
            raise TypeError("a host must be str or bytes, not %s" % type(text).__name__)
        text = text.encode("utf-8")
    if b"\0" in text:
        raise ValueError("a name must not contain a zero byte")
    return text
