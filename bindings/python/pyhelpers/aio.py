"""The package beside asyncio: classes whose calls that would wait are awaited. Python 3.6 and up.

::

    async with aio.UdpHandler(sock) as handler:
        async for batch in handler:
            handler.dispatch_many((addr, port, data) for addr, port, data, delay_ns in batch)

Each class is the one that it is made from, takes the same arguments and has the same methods; those
that are coroutines here say so. Any event loop that can watch descriptors will do: asyncio's own,
uvloop's. There are no threads for it, and no polling, but for a named pipe while another reader is
in the middle of a message (every 20 ms).

**Cancellation**: a task may be cancelled at any time, by ``cancel()``, ``asyncio.timeout`` or
``asyncio.wait_for``; what was not returned to it has not been taken, and comes to who asks next.
Only ``asyncio.wait_for`` itself, before Python 3.8.6, throws a result away when the task that
called it is cancelled in the instant in which the result comes (bpo-37658): there, say ``timeout``
instead. ``timeout`` is in seconds, None being for ever and 0 not at all, and what comes after it is
what the class that it is made from gives.

**Several tasks**, in several event loops too, may wait for one object; each datagram or message
goes to one of them. What is there already is given without a turn of the other tasks, but for no
longer than about a millisecond: then they all run once, and a flood of messages starves nobody. An
object that is closed, by whatever thread, wakes all who wait for it: OSError with EBADF.

The first wait for an object in an event loop makes a descriptor, which the loop watches from then
on. The loop's next turn closes it when the object is closed, or gone, or something has come for
which nobody waits.

What is not a coroutine does not wait, except that ``UdpHandler.shutdown`` takes up to
``drain_timeout`` seconds, that ``Peer.send`` looks a host's name up, and that ``NamedPipe.send``
waits while the pipe is full (``timeout=0``: not at all). An
:class:`~pyhelpers.event_loop.EventLoop` is a loop of its own; to have it in asyncio's, watch its
``fileno()`` and call ``loop.run_once(0)``.
"""

import errno
from functools import partial

from pyhelpers import _async, _waiting, broadcast, named_pipe_wrapper, receive_queue, udping
from pyhelpers.udp_handler import UdpHandlerDest

__all__ = ["BroadCastReceiver", "NamedPipe", "Peer", "ReceiveQueue", "UdpHandler"]


class _Closing(object):
    """``async with`` does what ``with`` does."""

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, *exception):
        self.__exit__(*exception)


class UdpHandler(_Closing, UdpHandlerDest):
    """A :class:`~pyhelpers.udp_handler.UdpHandlerDest` that receives. ``async for`` gives batches:
    what :meth:`receive` does.

    ``fileno`` and keyword options: as there, but for ``event_fd``. With ``send_policy="wait"``
    dispatching would stop the event loop; with "refuse" a full queue takes fewer.
    """

    def __init__(self, fileno, **options):
        self._wakers = set()
        super(UdpHandler, self).__init__(fileno, event_fd=None, **options)

    async def receive(self, max_n=1024, timeout=None):
        """Awaits the next batch: up to ``max_n`` datagrams, oldest first, as a list of
        (addr, port, data, delay_ns); empty after ``timeout``. Errors: OSError with EBADF after
        :meth:`shutdown`; ValueError."""

        def attempt():
            return self.get_recved_many(max_n) or None

        return await _async.first(attempt, self.fileno, timeout, self._wakers) or []

    def __aiter__(self):
        return self

    def __anext__(self):
        return self.receive()

    def shutdown(self):
        """As of a UdpHandlerDest. Tasks that wait raise OSError with EBADF."""
        try:
            return super(UdpHandler, self).shutdown()
        finally:
            _async.wake(self._wakers)


class Peer(_Closing, udping.Peer):
    """A :class:`~pyhelpers.udping.Peer` whose methods that receive and send are coroutines."""

    def __init__(self, **kwa):
        self._receivers, self._senders = set(), set()
        super(Peer, self).__init__(**kwa)

    async def receive(self, timeout=None):
        """Awaits the next datagram, (data, sa); (b"", None) after ``timeout``. Errors: OSError,
        with EBADF when the peer is closed, or closed meanwhile."""
        take = super(Peer, self).receive

        def attempt():
            data, sa = take()
            return None if sa is None else (data, sa)

        return await self._received(attempt, timeout) or (b"", None)

    async def receive_many(self, max_n=64, timeout=None):
        """Awaits up to ``max_n`` datagrams, oldest first, as a list of what :meth:`receive` gives;
        empty after ``timeout``. Errors: as there; ValueError."""
        take = super(Peer, self).receive_many
        return await self._received(lambda: take(max_n) or None, timeout) or []

    async def receive_arrivals(self, max_n=64, timeout=None):
        """The same as :meth:`receive_many`, as a list of :class:`~pyhelpers.udping.Arrival`."""
        take = super(Peer, self).receive_arrivals
        return await self._received(lambda: take(max_n) or None, timeout) or []

    async def send(self, data, dst, **kwa):
        """Sends a datagram as soon as the kernel has room. Gives the bytes sent. Arguments and
        errors: as of a Peer."""
        send = super(Peer, self).send
        return await self._sent(lambda: send(data, dst, **kwa))

    async def send_many(self, items):
        """Sends datagrams, an iterable of (data, dst) or (data, dst, src), in order, as soon as the
        kernel has room for each. Gives how many were sent: all, or those before one that is
        refused; what refused it is raised when it is the first. A task that is cancelled meanwhile
        may have sent some. An item that is not as :meth:`send` takes it raises before any of them
        is sent."""
        send, items, sent = super(Peer, self).send_many, list(items), 0
        while True:
            try:
                sent += await self._sent(lambda: send(items[sent:]))
            except OSError:
                if not sent:
                    raise
                return sent
            if sent == len(items):
                return sent

    def _received(self, attempt, timeout):
        return _async.first(self._of_this_socket(attempt), self.fileno, timeout, self._receivers)

    def _sent(self, send):
        def attempt():
            try:
                return send()
            except BlockingIOError:
                return None

        return _async.first(
            self._of_this_socket(attempt), self._room_fileno, None, self._senders, for_room=True
        )

    def _room_fileno(self):
        return (self._socket or self._opened()).python_socket().fileno()

    def _of_this_socket(self, attempt):
        """An attempt that does not go on with another socket when the peer was reopened."""
        sock = self._socket or self._opened()

        def of_this_one():
            if self._socket is not sock:
                sock.check(-errno.EBADF)
            return attempt()

        return of_this_one

    def _not_sent(self, sock, code, dst):
        if code == -errno.EAGAIN:
            # The bytes sent may be 0 as well.
            raise BlockingIOError(errno.EAGAIN, "the kernel has no room")
        return super(Peer, self)._not_sent(sock, code, dst)

    def _close(self):
        super(Peer, self)._close()
        _async.wake(self._receivers)
        _async.wake(self._senders)


class BroadCastReceiver(_Closing, broadcast.BroadCastReceiver):
    """A :class:`~pyhelpers.broadcast.BroadCastReceiver`, whose ``async for`` gives
    (address, data), for ``async with``."""


class ReceiveQueue(_Closing, receive_queue.ReceiveQueue):
    """A :class:`~pyhelpers.receive_queue.ReceiveQueue` whose :meth:`wait` is a coroutine."""

    def __init__(self, *arguments, **options):
        #: By group.
        self._wakers = {}
        super(ReceiveQueue, self).__init__(*arguments, **options)

    async def wait(self, groupkey, timeout=None):
        """Waits until something has come into the group since the last call that gave True, or
        since the queue was made, and gives True; False after ``timeout``. Of several tasks that
        wait for one group, one gets it. Errors: OSError with EBADF after :meth:`close`;
        :class:`~pyhelpers.receive_queue.UnknownGroup`; ValueError."""
        look = super(ReceiveQueue, self).wait

        def attempt():
            return look(groupkey, timeout=0) or None

        self._group(groupkey)
        wakers = self._wakers.setdefault(groupkey, set())
        fileno = partial(self.fileno, groupkey)
        return bool(await _async.first(attempt, fileno, timeout, wakers))

    def close(self):
        """As of a ReceiveQueue. Tasks that wait raise OSError with EBADF."""
        super(ReceiveQueue, self).close()
        for wakers in list(self._wakers.values()):
            _async.wake(wakers)


class NamedPipe(_Closing, named_pipe_wrapper.NamedPipeWrapper):
    """A :class:`~pyhelpers.named_pipe_wrapper.NamedPipeWrapper` whose :meth:`receive` is a
    coroutine. ``async for`` gives message after message, until the pipe is closed."""

    def __init__(self, *arguments, **options):
        self._wakers = set()
        super(NamedPipe, self).__init__(*arguments, **options)

    async def receive(self, timeout=None):
        """Awaits the next message. Errors: as of a NamedPipeWrapper, that is TimeoutError after
        ``timeout`` (BlockingIOError for 0); OSError with EBADF when the pipe is closed, or let go
        of by :meth:`close_pipe`, meanwhile."""
        pipe = self._own()
        take = super(NamedPipe, self).receive

        def attempt():
            # It would be opened anew.
            if self._pipe is not pipe:
                pipe.check(-errno.EBADF)
            has_more = self._bare is not None
            try:
                return (take(timeout=0),)
            except BlockingIOError:
                has_more = False
                return None
            finally:
                if has_more:
                    # The same read may have brought some for others.
                    _async.rouse(self._wakers)

        found = await _async.first(attempt, self.fileno, timeout, self._wakers, is_shared=True)
        if found is None:
            pipe.check(_waiting.Deadline(timeout).code)
        return found[0]

    #: The pipe is not for iteration without ``async``.
    __iter__ = __next__ = next = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        """The same as :meth:`receive`; StopAsyncIteration when the pipe is closed."""
        try:
            return await self.receive()
        except OSError as error:
            if error.errno == errno.EBADF and self._pipe is None:
                raise StopAsyncIteration
            raise

    def close_pipe(self):
        """As of a NamedPipeWrapper. Tasks that wait raise OSError with EBADF."""
        super(NamedPipe, self).close_pipe()
        _async.wake(self._wakers)

    _close_pipe = close_pipe
