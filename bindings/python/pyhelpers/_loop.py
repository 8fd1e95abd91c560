"""The engine under :class:`pyhelpers.EventLoop` and :mod:`pyhelpers.pyed`: a native loop, pulled.

One iteration:

1. One native call waits for events and gives a batch of them with their data. Only where the last
   batch was left in the middle, by an exception or by :meth:`Loop.cut`, the rest of it comes first.
2. The batch is turned into columns, and each event goes to the object that its id names.
3. What was to be called soon is called.
4. What the handlers have written meanwhile is handed in by one native call.

Handlers run in the thread that has the iteration made. All else may be called from any thread.
"""

import collections
import errno
import os
import threading
import time
from functools import partial

from pyhelpers import _waiting
from pyhelpers._backend import backend
from pyhelpers._events import DATA, Events
from pyhelpers._handles import Handle
from pyhelpers._messages import LONGEST, MOST, Messages
from pyhelpers._tcp import Stream

try:
    from threading import get_ident
except ImportError:
    # Python 2, whose own map and zip make lists.
    from itertools import imap as map
    from itertools import izip as zip

    from thread import get_ident

_lib = backend.lib

BACKENDS = {
    "epoll": backend.constant("EVLOOP_EPOLL"),
    "poll": backend.constant("EVLOOP_POLL"),
    "select": backend.constant("EVLOOP_SELECT"),
}

_STOP = backend.constant("EVLOOP_STOP")
_ACCEPTED = backend.constant("TCP_ACCEPTED")

#: Events of one batch, and bytes of their data.
_BATCH = 1024
_BUFFER = 1 << 18

#: The only key of Loop._turning and Loop._handing_in.
_WHO = "thread"

#: Seconds between two looks at whether another thread still hands in: that is one call or a few.
_PAUSE = 0.00005

#: The list of messages: how much of it is handed in at once, MOST messages, and how long it may
#: become before it is.
_ITEMS = 2 * MOST
_GATHERED = _ITEMS - 2

#: What iterations and waits end with when the loop has ended.
ENDED = -errno.ESHUTDOWN


class _Objects(dict):
    """Objects by their ids. An id may be in an event before the call that made it has come back in
    another thread, which holds the lock meanwhile."""

    def __init__(self, lock, nobody):
        super(_Objects, self).__init__()
        self._lock = lock
        self._nobody = nobody
        self._pid = os.getpid()

    def __missing__(self, key):
        if os.getpid() != self._pid:
            # Whoever had the lock when this process was forked never gives it back.
            return self._nobody
        with self._lock:
            return self.get(key, self._nobody)


class Nobody(object):
    """Stands for objects that are gone when events of theirs come."""

    def __init__(self, handle):
        self._handle = handle

    def take(self, data):
        """What follows data received."""

    def happened(self, kind, error, value, length):
        """What follows other events."""

    def accept(self, connection):
        """What follows a connection that was accepted for it."""
        _lib.tcp_abort(self._handle, connection)


class Loop(object):
    """A native loop. ``kind``: "epoll", "poll" or "select"; ``what``: its owner, in words.

    ``value``: what the library's functions take. ``check(code)`` raises what a code means.
    ``objects``: whom events go to, by id. Who adds one does so while holding :attr:`adding`, from
    before the call that makes the id. ``stopping``: an event said that it is to stop. ``report``: a
    function that is called for an exception of a handler, in the except clause; None: it leaves
    :meth:`turn`.

    ``out``: messages that were written and are to be handed in: a flat list of id, data, id, data;
    its first entry is a list while the first ones are being handed in. ``most``: how long it may
    become before who adds to it calls :meth:`flush`: 0 unless an iteration is under way that will
    do so in the end.
    """

    def __init__(self, kind, what):
        if kind not in BACKENDS:
            raise ValueError("backend must be one of %s, not %r" % (sorted(BACKENDS), kind))
        config = backend.sized("evloop_config_t")
        config.backend = BACKENDS[kind]
        new = partial(_lib.evloop_new, backend.ref(config))
        self.handle = Handle(what, "evloop_t", new, _lib.evloop_close)
        self.value = self.handle.value
        self.check = self.handle.check
        self._pid = os.getpid()
        self._adding = threading.RLock()
        self.objects = _Objects(self._adding, self.nobody())
        self.closed = self.stopping = False
        self.report = None
        self.out = []
        self.most = 0
        self._commands = collections.deque()
        self._messages = Messages()
        self._soon = collections.deque()
        self._due = 0
        #: The thread that makes an iteration. No lock: a signal's handler that raises right behind
        #: its acquisition would leave it locked.
        self._turning = {}
        #: Whose turn it is to hand in: a tuple of the thread, a new one each time. No lock either,
        #: also because a child forked meanwhile would wait for it for ever.
        self._handing_in = {}
        self._events = events = Events(_BATCH, _BUFFER)
        arguments = self.value, events.records, events.count, events.data, events.size
        #: What map() takes, but for the last argument, to make the one call.
        self._poll = (_lib.evloop_poll,) + tuple((argument,) for argument in arguments)
        #: Empty, or how many events are in the buffer, or a function that is to hand a batch out,
        #: and the batch: an iterator, so that what is left of it can come later.
        self._fetched = []

    @property
    def adding(self):
        """The lock. OSError with EBADF in a forked child, where whoever had it never gives it
        back."""
        if os.getpid() != self._pid:
            self.check_alive()
        return self._adding

    def is_anothers(self):
        """Whether it belongs to the process that forked this one."""
        return os.getpid() != self._pid

    def check_alive(self):
        """OSError with EBADF when it is closed, or belongs to another process."""
        code = _lib.evloop_timer_next(self.value)
        if code in (-errno.EBADF, ENDED):
            self.check(code)

    def check_of(self, code, what):
        """As ``check``, but that EBADF may be due to something else than the loop, as ``what``
        says."""
        if code == -errno.EBADF:
            self.check_alive()
            raise OSError(errno.EBADF, what)
        return self.check(code)

    def nobody(self):
        """Whom events go to when the id is unknown."""
        return Nobody(self.value)

    def turn(self, timeout_ms):
        """One iteration, which waits at most so many milliseconds, -1: until something comes.

        Gives how many events there were, or ENDED. Errors: OSError with EBUSY when another thread
        is in here, with EBADF; what handlers raise, unless there is ``report``.
        """
        me, turning = get_ident(), self._turning
        if turning.get(_WHO) == me:
            return self._turn_within(timeout_ms)
        who = me
        try:
            who = turning.setdefault(_WHO, me)
            if who != me:
                # Or did in the process that forked this one.
                self.check_alive()
                raise OSError(errno.EBUSY, "another thread runs the loop")
            return self._turn(timeout_ms)
        finally:
            if who == me:
                turning.pop(_WHO, None)

    def _turn_within(self, timeout_ms):
        """The same when a handler calls it. Nobody else would hand in meanwhile what it wrote."""
        self.most = 0
        self.flush()
        try:
            return self._turn(timeout_ms)
        finally:
            self.most = _GATHERED

    def _turn(self, timeout_ms):
        fetched, soon = self._fetched, self._soon
        if self._handing_in:
            self._give_back()
        count = 1
        if not fetched:
            # A signal's handler may raise as soon as the call is over, which must not lose how many
            # events were taken: nothing of the interpreter's own comes in between here.
            wait_ms = 0 if soon or self.out or self._commands else timeout_ms
            fetched.extend(map(*(self._poll + ((wait_ms,),))))
            # A signal's handler may have had them handed out meanwhile.
            count = fetched[0] if fetched else 0
            if count < 0:
                del fetched[:]
                count = self._fault(count)
                if count == ENDED or not (soon or self.out or self._commands):
                    return count
        self._due = len(soon)
        count += self._due
        self.most = _GATHERED
        try:
            while True:
                try:
                    self._dispatch()
                    return count
                except Exception:
                    if self.report is None:
                        raise
                    self.report()
        finally:
            self.most = 0
            self.flush()

    def _fault(self, code):
        if code in _waiting.NOTHING:
            return 0
        if code == ENDED or self.closed:
            return ENDED
        return self.check(code)

    def _dispatch(self):
        fetched = self._fetched
        if fetched:
            if len(fetched) == 1:
                fetched[:] = self._unpacked(fetched[0])
            give, batch = fetched
            give(batch)
            # It is another one after a cut, or when a handler had an iteration made.
            if fetched and fetched[1] is batch:
                del fetched[:]
        while self._due > 0:
            self._due -= 1
            self._soon.popleft()()

    def _unpacked(self, count):
        """What hands the batch out, and the batch."""
        data = self._events.data_only(count)
        if data is not None:
            ids, payloads = data
            return self.give_data, zip(map(self.objects.__getitem__, ids), payloads)
        return self._give_any, zip(self._events.ids(count), self._events.any(count))

    def give_data(self, batch):
        """Hands out a batch of pairs of object and data."""
        for whose, data in batch:
            whose.take(data)

    def _give_any(self, batch):
        objects = self.objects
        for each, (kind, error, value, data) in batch:
            if kind == DATA:
                objects[each].take(data)
            elif kind == _ACCEPTED:
                objects[value].accept(each)
            elif kind > _STOP:
                objects[each].happened(kind, error, value, data)
            elif kind == _STOP:
                self.stopping = True

    def is_in_handler(self):
        """Whether a handler, or what it calls, asks."""
        return self._turning.get(_WHO) == get_ident()

    def cut(self):
        """Called by a handler: it is the last one of this iteration. The rest of the batch, and of
        what is to be called soon, comes first in the next one. False: no handler called it."""
        if not self.is_in_handler():
            return False
        self._due = 0
        if len(self._fetched) == 2:
            # Taking the rest out of the batch ends the loop that runs over it.
            give, batch = self._fetched
            rest = list(batch)
            self._fetched[:] = (give, iter(rest)) if rest else ()
        return True

    def call_soon(self, function):
        """Has the next iteration call it, or this one if it has not come so far yet."""
        self._soon.append(function)
        # Else the iteration under way sees it before it waits again.
        if not self.most:
            self.check(_lib.evloop_wake(self.value))

    def has_more(self):
        """Whether the next iteration has something to do without any wait."""
        return bool(self._fetched or self._soon)

    def flush(self):
        """Hands in what was written, or leaves it to the thread that is about it already, which
        looks again before it is over."""
        owner = self._handing_in
        while self.out or self._commands:
            mine = (get_ident(),)
            try:
                who = owner.setdefault(_WHO, mine)
                if who is not mine:
                    self._look_at(who)
                    return
                self._hand_in()
            finally:
                if owner.get(_WHO) is mine:
                    del owner[_WHO]

    def settle(self):
        """The same, and waits for that thread."""
        self.flush()
        while self._handing_in:
            who = self._handing_in.get(_WHO)
            if who is not None and self._look_at(who):
                return
            time.sleep(_PAUSE)
            self.flush()

    def send(self, connection, data):
        """Hands in one message behind all that was written before, and gives its result."""
        owner = self._handing_in
        mine = (get_ident(),)
        try:
            who = owner.setdefault(_WHO, mine)
            while who is not mine:
                if self._look_at(who):
                    for start in range(0, len(data), LONGEST):
                        self.out += connection, data[start : start + LONGEST]
                    return 0
                time.sleep(_PAUSE)
                who = owner.setdefault(_WHO, mine)
            self._hand_in()
            return _lib.tcp_send(self.value, connection, data, len(data))
        finally:
            if owner.get(_WHO) is mine:
                del owner[_WHO]
            # What was left to this thread meanwhile, and in a forked child what must not be sent.
            self.flush()

    def _give_back(self):
        """This thread's turn to hand in, when an exception of a signal's handler has left it."""
        who = self._handing_in.get(_WHO)
        if who is not None and who[0] == get_ident():
            del self._handing_in[_WHO]

    def _look_at(self, who):
        """Whether who hands in is this very thread, which a signal's handler has interrupted: it
        will take along what the handler writes."""
        if self.is_anothers():
            # Nobody hands in here who did in the other process.
            self._forget()
            return True
        return who[0] == get_ident()

    def _forget(self):
        """What was written in a forked child, or before it: the other process sends that."""
        was_written = bool(self.out)
        del self.out[:]
        self._commands.clear()
        if was_written:
            self.check_alive()

    def after_writes(self, command, connection):
        """Calls a function of the library, with this id, behind all that was written before."""
        self._commands.append((command, connection))
        if not self.most:
            self.flush()

    def _hand_in(self):
        # First, so that what was written before a command is handed in before it.
        commands = len(self._commands)
        out = self.out
        while out:
            # A signal's handler may raise between any two steps. Each leaves `out` so that the next
            # call goes on there: first a list takes its items' place, in the end it is gone.
            under_way = out[0]
            if type(under_way) is not list:
                items = out[:_ITEMS]
                under_way = [items]
                out[: len(items)] = (under_way,)
            for connection, result in self._messages.write(self.value, under_way):
                self._take_notice(connection, result)
            del out[0]
        for _ in range(commands):
            # Twice, after an exception of a signal's handler, does no harm.
            command, connection = self._commands[0]
            command(self.value, connection)
            self._commands.popleft()

    def _take_notice(self, connection, result):
        """Of what came of a message when not all of it is with the kernel. Where the connection has
        ended, its last event will say so."""
        if result == -errno.EBADF and not self.closed:
            # The connection's, or is it the loop's own?
            if self.is_anothers():
                self._forget()
            self.check_alive()
        whose = self.objects.get(connection)
        if whose is not None:
            whose.waits(result)

    def streams(self):
        """Its connections."""
        return [each for each in list(self.objects.values()) if isinstance(each, Stream)]

    def close(self):
        """Ends all at once. Gives how many bytes were written and not sent."""
        if self.closed:
            return 0
        try:
            self.settle()
        except EnvironmentError:
            # It belongs to another process, which sends all that was written.
            pass
        self.closed = True
        for each in self.streams():
            each.write_at_once()
        unsent = self.handle.close()
        self.objects.clear()
        self._soon.clear()
        self._due = 0
        if not self._turning:
            del self._fetched[:]
        return unsent
