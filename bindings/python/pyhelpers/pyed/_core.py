"""What events objects of either backend have in common, and the default ones of the process."""

import math
import operator
import os
import threading
import weakref
from array import array

from pyhelpers import _waiting
from pyhelpers._backend import backend
from pyhelpers._loop import Loop, Nobody
from pyhelpers._watches import READ, WRITE, Watches, descriptor

_lib = backend.lib


class _NoConnection(Nobody):
    """Stands for connections that are gone."""

    _unread = b""

    def _recvmsg(self, _connection):
        """Forgets data that nobody wants any more."""
        self._unread = b""


class Core(Loop):
    """The loop of an events object, and the descriptors that it watches."""

    def __init__(self, kind="epoll"):
        super(Core, self).__init__(kind, "the events object")
        self.watches = Watches(self)

    def nobody(self):
        return _NoConnection(self.value)

    def give_data(self, batch):
        for connection, data in batch:
            if connection._unread:
                connection.keep(data)
            else:
                connection._unread = data
            connection._recvmsg(connection)

    def call_later(self, delay_ms, call):
        """Calls it once, within :meth:`turn`."""
        words = array("l", (0, delay_ms * 1000000, 0, 0))
        with self.adding:
            added = backend.view("evloop_timer_t", words)
            self.check(_lib.evloop_timer_add(self.value, added, 1))
            self.objects[words[0]] = _Once(self, words[0], call)


class _Once(object):
    """What a core is to call later."""

    def __init__(self, core, key, call):
        self._core = core
        self._key = key
        self._call = call

    def happened(self, _kind, _error, _value, _length):
        self._core.objects.pop(self._key, None)
        self._call()


class Default(object):
    """What objects belong to that are made without saying so: one of each process.

    It is made when the first of them is; the first face that is made by the program itself, by
    which it is run, takes it over.
    """

    def __init__(self, make):
        self._make = make
        #: By process: the lock that a forked child inherits may never be given back.
        self._states = {}

    def get(self):
        state = self._state()
        with state.lock:
            return state.get(self._make)

    def taken_over(self, face, make):
        """What the face is of: the default one, or what it makes where another face has that."""
        state = self._state()
        with state.lock:
            made = state.get(make)
            if state.face is not None and state.face() is not None:
                return make()
            state.face = weakref.ref(face)
            return made

    def _state(self):
        pid = os.getpid()
        return self._states.get(pid) or self._states.setdefault(pid, _State())


class _State(object):
    """The default one of a process, and a weak reference to the face that has it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.made = self.face = None

    def get(self, make):
        if self.made is None:
            self.made = make()
        return self.made


default_core = Default(Core)


def core_of(evs):
    """The core of an events object; None: the default one."""
    if evs is None:
        return default_core.get()
    if not isinstance(evs, Events):
        raise TypeError("evs must be an events object, not %s" % type(evs).__name__)
    return evs.core


class Events(object):
    """Watches sockets, and has their events' handlers follow. Only one thread at a time may call
    :meth:`processevent`; all else any thread. Errors of all calls: OSError with EBADF in a forked
    child."""

    EVENT_READ = READ
    EVENT_WRITE = WRITE

    _backend = "epoll"

    def __init__(self):
        self.core = default_core.taken_over(self, lambda: Core(self._backend))

    def addevent(self, fd, ev, etype):
        """Has ``ev.readhandler(ev)`` follow when the descriptor can be read, and
        ``ev.writehandler(ev)`` when it can be written, as long as it can.

        ``fd``: the descriptor, or an object that has one. ``ev``: an event object. ``etype``:
        EVENT_READ, EVENT_WRITE or both. Errors: OSError with EBADF, EPERM (a regular file);
        ValueError.
        """
        add(self.core, fd, ev, etype)

    def delevent(self, fd, etype):
        """Ends what :meth:`addevent` began; nothing happens when it did not."""
        delete(self.core, fd, etype)

    def processevent(self, ms):
        """Waits at most ``ms`` milliseconds, fractions allowed, for events, and has the handlers
        of all that are there follow. What a handler raises leaves it; the rest of the events comes
        first in the next call."""
        if ms <= _waiting.SLICE:
            self.core.turn(int(math.ceil(max(0, ms))))
        else:
            _waiting.in_slices(self.core.turn, ms / 1000.0)


def add(core, fd, ev, etype):
    _check(etype)
    if etype & READ:
        core.watches.add(descriptor(fd), READ, lambda: ev.readhandler(ev))
    if etype & WRITE:
        core.watches.add(descriptor(fd), WRITE, lambda: ev.writehandler(ev))


def delete(core, fd, etype):
    _check(etype)
    for event in (READ, WRITE):
        if etype & event:
            core.watches.remove(descriptor(fd), event)


def _check(etype):
    if not 0 < operator.index(etype) <= READ | WRITE:
        raise ValueError("etype must be EVENT_READ, EVENT_WRITE or both, not %r" % (etype,))
