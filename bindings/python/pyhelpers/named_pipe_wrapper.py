"""Objects between processes by a named pipe: see :class:`NamedPipeWrapper`."""

import errno
import select
import time

from pyhelpers import _waiting
from pyhelpers._arguments import number
from pyhelpers._backend import backend
from pyhelpers._bare_pickles import BarePickles
from pyhelpers._pipe import MessageLost, MessageRejected, Pipe
from pyhelpers._pipe_rooms import Inbox, Outbox
from pyhelpers._receive_turns import Turns
from pyhelpers._serializers import serializer as chosen

__all__ = ["MessageLost", "MessageRejected", "NamedPipeWrapper"]

_lib = backend.lib
_send_one = _lib.npipe_send_one
_receive_one = _lib.npipe_receive_one

_UNFRAMED = backend.constant("NPIPE_UNFRAMED")
_ANY_OWNER = backend.constant("NPIPE_ANY_OWNER")

#: Longest message unless something else is said.
_MAX_MESSAGE = 1 << 30

#: Bytes that a room begins with: no less than one read of a pipe without frames gives.
_ROOM = 1 << 16
#: A room that is larger is not kept for the next message.
_KEPT = 1 << 24

#: Messages of one call, and bytes after which no further one is added.
_BATCH, _BATCH_BYTES = 1024, 1 << 20

#: A message of so many bytes goes into the pipe as a whole or not at all. The wait for a longer one
#: must not be cut into slices: at the end of one it would be given up, half sent.
_UNDIVIDED = 2048

#: Longest time in seconds between two looks for a reader.
_NAP = 0.02

_SLICE, _FOREVER = _waiting.SLICE, -1
_NEVER = _waiting.Deadline(None)


class NamedPipeWrapper(object):
    """Sends objects to, and receives them from, other processes that have the same path::

        NamedPipeWrapper("/tmp/my.pipe").receive()               # in one process
        NamedPipeWrapper("/tmp/my.pipe").send({"foo": "bar"})    # in another one

    Any number of processes may send and receive. Each message reaches exactly one receiver, whole.
    A process that is killed costs at most the message that it was sending or receiving.

    ``path``: of the named pipe, which is made, for this user alone (0600), if nothing is there.

    ``serializer``: "pickle"; "json"; "raw", for bytes alone; or a pair of functions:
    ``dumps(obj)``, which gives bytes, and ``loads(data)``. What "pickle" writes every Python from
    2.7 on can read: it is protocol 2, but for bytes of Python 3 that are the whole message, which
    protocol 2 does not have; Python 2 gets them as its str. A str of Python 2 can be read by Python
    3 where it is ASCII; bytearray and unicode come as they are.

    **Unpickling does what the pickle says**: who can write to the pipe can run any code in the
    process that receives from it. ``unpickler`` restricts it to a list of names, "module.name", or
    of classes; () allows built-in containers and scalars alone. Anything else raises
    pickle.UnpicklingError. That limits what a pickle calls, not the memory that it takes, nor the
    attributes that it sets, of classes on the list as well as of their instances.

    ``framed``: False sends and receives bare pickles, for a peer that does no more than
    ``os.write(fd, pickle.dumps(obj))`` and ``pickle.loads(os.read(fd, 65535))``. Then losses are
    not noticed, long messages of several writers may be mixed up, and a signal's handler must not
    receive.

    ``any_owner``: a named pipe that belongs to another user will do, too.

    ``max_message``: longest message in bytes, as sent; default 1,073,741,824.

    ``pipe_path`` is the path. Iteration gives message after message, until the pipe is closed. A
    context manager. Thread safety: any thread may call any method. In a forked child the pipe is
    opened anew by its first use.

    Errors: OSError with EEXIST (something else is there), EPERM (the owner), EACCES, ENOENT (no
    such folder), ENAMETOOLONG, EMFILE; with EBADF after :meth:`close`; ValueError; TypeError.
    """

    #: What close() finds where the constructor did not get to the end.
    _pipe = None
    _is_closed = False

    def __init__(
        self,
        path,
        serializer="pickle",
        framed=True,
        unpickler=None,
        any_owner=False,
        max_message=_MAX_MESSAGE,
    ):
        self._opening = Turns()
        self._dumps, self._loads, self._by_views = chosen(serializer, unpickler, framed)
        self._max_message = number("max_message", max_message, 1, (1 << 63) - 1)
        self._flags = (0 if framed else _UNFRAMED) | (_ANY_OWNER if any_owner else 0)
        self._inboxes = []
        # Without frames: what was read.
        self._bare = None if framed else BarePickles(self._max_message)
        self.pipe_path = path
        self._opened()

    def _opened(self):
        """The open pipe, which is opened if need be."""
        turn = self._opening.alone()
        with turn.mark, turn:
            pipe = self._pipe
            if pipe is None and not self._is_closed:
                pipe = self._pipe = Pipe(
                    self.pipe_path, message_max=self._max_message, flags=self._flags
                )
            if self._is_closed:
                # If just now, by a signal's handler or another thread, then without this pipe.
                self.close_pipe()
                raise OSError(errno.EBADF, "the NamedPipeWrapper is closed")
            return pipe

    def _own(self):
        """The open pipe, which is opened anew in a forked child."""
        pipe = self._pipe or self._opened()
        return self._renewed(pipe) if pipe.is_inherited() else pipe

    def _renewed(self, pipe):
        """What takes the place of a pipe of which a call said that it is none. OSError unless that
        is for a fork."""
        if not pipe.is_inherited():
            pipe.check(-errno.EBADF)
        turn = self._opening.alone()
        with turn.mark, turn:
            if self._pipe is pipe:
                # What the parent read is its own, and its lock may have been held.
                if self._bare is not None:
                    self._bare = BarePickles(self._max_message)
                self._pipe = None
        return self._opened()

    # Sending

    def send(self, obj, timeout=None):
        """Sends an object. True; False, at once, when nobody has the pipe open for receiving.

        ``timeout``: seconds to wait for room in a full pipe; None: for ever. A long message that
        was begun is given up when nothing of it is read for that time, and 1 s at least. A message
        that was sent waits to be received as long as anybody has the pipe open.

        Errors: what ``dumps`` raises, before anything is sent; OSError with ETIMEDOUT (Python 3:
        TimeoutError), with EAGAIN (BlockingIOError) for timeout 0, with EMSGSIZE for a message
        longer than ``max_message``.
        """
        data = self._dumps(obj)
        size = len(data)
        pipe = self._pipe or self._opened()
        if size <= _UNDIVIDED and timeout is None:
            code = _send_one(pipe.value, data, size, _SLICE)
            if code >= 0:
                return code > 0

        def send(pipe, wait_ms):
            return _send_one(pipe.value, data, size, wait_ms)

        slice_ms = _SLICE if size <= _UNDIVIDED else _FOREVER
        code = self._send_in_time(pipe, send, timeout, slice_ms)
        return code > 0 if code >= 0 else pipe.check(code)

    def send_many(self, objs, timeout=None):
        """Sends objects, an iterable of what :meth:`send` takes, in order. Gives how many were
        sent: all, or those before one for which there was no reader, or no room in time, or that
        :meth:`send` refuses. When that is the first, it is 0, or what :meth:`send` raises.

        ``timeout``: as of :meth:`send`, for each time that there is no room. An object that cannot
        be serialized raises before any of them is sent.
        """
        datas = list(map(self._dumps, objs))
        pipe = self._pipe or self._opened()
        sent = 0
        while sent < len(datas):
            batch = _next_batch(datas, sent)
            slice_ms = _SLICE if max(map(len, batch)) <= _UNDIVIDED else _FOREVER
            outbox = Outbox(batch)
            while outbox.count:
                code = self._send_in_time(pipe, outbox.send, timeout, slice_ms)
                if code <= 0:
                    return sent or pipe.check(code)
                outbox.drop(code)
                sent += code
        return sent

    def _send_in_time(self, pipe, send, timeout, slice_ms):
        """What ``send(pipe, milliseconds)`` answers when there is nothing left to wait for."""
        deadline = _waiting.Deadline(timeout)
        while True:
            code = send(pipe, deadline.left_ms(slice_ms))
            if code == -errno.EBADF:
                pipe = self._renewed(pipe)
            elif code not in _waiting.NOTHING:
                return code
            elif deadline.is_over():
                return deadline.code

    # Receiving

    def receive(self, timeout=None):
        """The next message. It waits for one, however many writers come and go.

        ``timeout``: seconds to wait at most, fractions allowed; None: for ever. Errors: OSError
        with ETIMEDOUT (Python 3: TimeoutError), with EAGAIN (BlockingIOError) for timeout 0;
        :class:`MessageLost`; :class:`MessageRejected`; what ``loads`` raises, which costs this
        message alone; pickle.UnpicklingError for what is no pickle where there are no frames.
        """
        deadline = _NEVER if timeout is None else _waiting.Deadline(timeout)
        if self._bare is not None:
            return self._loads(self._receive_bare(deadline))
        pipe = self._pipe or self._opened()
        try:
            inbox = self._inboxes.pop()
        except IndexError:
            inbox = Inbox(_ROOM, self._by_views)
        wait_ms = _SLICE if timeout is None else deadline.left_ms(_SLICE)
        code = _receive_one(pipe.value, inbox.data, inbox.size, wait_ms)
        if code < 0:
            inbox, code = self._receive_on(pipe, inbox, code, deadline)
        try:
            return self._loads(inbox.payload[:code])
        finally:
            # Only now may another thread have it.
            if inbox.size <= _KEPT:
                self._inboxes.append(inbox)

    def _receive_on(self, pipe, inbox, code, deadline):
        """Goes on after a call that gave this code and no message. Gives the inbox with one, and
        its length."""
        while code < 0:
            if code == -errno.EMSGSIZE:
                inbox, code = inbox.grown(pipe)
                if code > 0:
                    return inbox, 0
            if code != -errno.EMSGSIZE:
                pipe = self._check_wait(pipe, code, deadline)
            code = _receive_one(pipe.value, inbox.data, inbox.size, deadline.left_ms(_SLICE))
        return inbox, code

    def _check_wait(self, pipe, code, deadline):
        """The pipe to wait at after a receive that gave this code. Raises what ends the wait."""
        if code == -errno.EBADF:
            return self._renewed(pipe)
        if code not in _waiting.NOTHING:
            pipe.check(code)
        if deadline.is_over():
            pipe.check(deadline.code)
        return pipe

    def _receive_bare(self, deadline):
        """The bytes of the next bare pickle."""
        # Known before the lock is asked for: a forked child's may be held for ever.
        pipe = self._own()
        while True:
            bare = self._bare
            # Waiting is for all threads at once: what one read is to be put together in order.
            with bare.lock:
                code, pickled = _read_bare(pipe, bare)
            if pickled is not None:
                return pickled
            pipe = self._check_wait(pipe, code, deadline)
            self._wait(pipe, deadline.left_ms(_SLICE))

    def _wait(self, pipe, wait_ms):
        """Until there may be something to read."""
        waiting = select.poll()
        waiting.register(pipe.check(_lib.npipe_fd(pipe.value)), select.POLLIN)
        try:
            waiting.poll(wait_ms)
        except select.error as error:
            if error.args[0] != errno.EINTR:
                raise

    def __iter__(self):
        return self

    def __next__(self):
        """The same as :meth:`receive`; StopIteration when the pipe is closed."""
        try:
            return self.receive()
        except OSError as error:
            if error.errno == errno.EBADF and self._pipe is None:
                raise StopIteration
            raise

    next = __next__

    def fileno(self):
        """A descriptor that is readable while there is something to receive; asking for it opens
        the pipe for receiving. It is good for select and the like until the pipe is closed; it must
        not be read or closed. Where there are no frames one read may bring several messages: then
        receive with timeout 0 until there is nothing more."""
        pipe = self._own()
        return pipe.check(_lib.npipe_fd(pipe.value))

    # Opening and closing

    def open_pipe(self, mode="w", blocking=True):
        """Opens the pipe at one end, which :meth:`send` and :meth:`receive` do by themselves.

        ``mode``: "r": for receiving, from when on senders find a reader; "w": for sending: waits
        until somebody has it open for receiving, or, when not ``blocking``, raises OSError with
        ENXIO unless somebody has.
        """
        if mode not in ("r", "w"):
            raise ValueError("mode must be 'r' or 'w', not %r" % (mode,))
        if mode == "r":
            self.fileno()
            return
        pipe, nap = self._own(), 0.001
        while not pipe.check(_lib.npipe_send(pipe.value, backend.null, 0, 0)):
            if not blocking:
                raise OSError(errno.ENXIO, "nobody receives from the pipe", self.pipe_path)
            time.sleep(nap)
            nap = min(2 * nap, _NAP)

    def close_pipe(self):
        """Lets go of the descriptors. Calls that wait raise OSError with EBADF. The next use opens
        the pipe anew."""
        turn = self._opening.alone()
        with turn.mark, turn:
            pipe, self._pipe = self._pipe, None
        if pipe:
            pipe.close()

    _open_pipe = open_pipe
    _close_pipe = close_pipe

    def close(self):
        """Ends it: calls that wait, and all later ones but for another close, raise OSError with
        EBADF. The named pipe stays in its folder."""
        self._is_closed = True
        self.close_pipe()

    def stats(self):
        """All counts since the pipe was opened, as a dict: the fields of ``npipe_stats_t`` in
        pyhelpers.h."""
        return self._own().stats("npipe_stats_t", _lib.npipe_stats)

    def __reduce__(self):
        # A copy would end the original when it ends.
        raise TypeError("a NamedPipeWrapper can be neither copied nor pickled")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


def _read_bare(pipe, bare):
    """The last code, and the bytes of the next bare pickle that is there, or None."""
    code = 0
    pickled = bare.take()
    while pickled is None and code >= 0:
        inbox = Inbox(_ROOM)
        code = _receive_one(pipe.value, inbox.data, inbox.size, 0)
        if code >= 0:
            bare.feed(inbox.payload[:code])
            pickled = bare.take()
    return code, pickled


def _next_batch(datas, start):
    """What to send in one call of the messages from ``start`` on."""
    size = 0
    end = start
    while end < min(len(datas), start + _BATCH) and size < _BATCH_BYTES:
        size += len(datas[end])
        end += 1
    return datas[start:end]
