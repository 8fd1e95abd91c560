"""A socket's events, and a timer."""

from pyhelpers._watches import descriptor
from pyhelpers.pyed import _core
from pyhelpers.pyed.timers import queue_of, wall_clock

__all__ = ["event"]


class event(object):
    """Events of a socket, and a timer of its own: ``event(sock)`` or ``event(evs, tms, sock)``.

    ``sock``: a socket, or anything that has ``fileno()``, or a descriptor; None: only the timer is
    wanted. It stays the caller's, and is the attribute ``sock``. ``evs``, ``tms``: the events and
    timers objects that it belongs to; by default those of the process.

    Handlers are called with the event; attributes of the program's own may be set. Not for several
    threads at once.
    """

    def __init__(self, *args, **named):
        is_explicit = bool(args) and isinstance(args[0], _core.Events)
        names = ("evs", "tms", "sock") if is_explicit else ("sock", "evs", "tms")
        self._init(**_named(names, args, named))

    def _init(self, sock=None, evs=None, tms=None):
        self.sock = sock
        self._fd = -1 if sock is None else descriptor(sock)
        self._core = _core.core_of(evs)
        self._queue = queue_of(tms)
        self._set = 0
        self._timer = None
        self._timeout = -1
        self.readhandler = self.writehandler = self.timeouthandler = None

    def add_read(self, readhandler):
        """Calls ``readhandler(event)`` whenever the socket can be read, as long as it can. Errors:
        OSError with EBADF, EPERM (a regular file)."""
        self.readhandler = readhandler
        self._add(_core.READ)

    def del_read(self):
        """Ends it."""
        self._delete(_core.READ)

    def add_write(self, writehandler):
        """Calls ``writehandler(event)`` whenever the socket can be written, as long as it can."""
        self.writehandler = writehandler
        self._add(_core.WRITE)

    def del_write(self):
        """Ends it."""
        self._delete(_core.WRITE)

    def _add(self, etype):
        if not self._set & etype:
            _core.add(self._core, self._fd, self, etype)
            self._set |= etype

    def _delete(self, etype):
        if self._set & etype:
            self._set &= ~etype
            _core.delete(self._core, self._fd, etype)

    def add_timer(self, timeout, timeouthandler):
        """Calls ``timeouthandler(event)`` once, in ``timeout`` milliseconds, fractions allowed;
        never early, at once when it is 0 or less. A timer that is set already is set anew. Errors:
        ValueError for NaN; TypeError."""
        timer = self._queue.add(self, timeout)
        self.del_timer()
        self._timer = timer
        self._timeout = wall_clock() + timeout / 1000.0
        self.timeouthandler = timeouthandler

    def del_timer(self):
        """Ends it."""
        if self._timer is not None:
            self._queue.end(self._timer)
            self._timer = None

    def timerset(self):
        """1 when the timer is set and has not come due, else 0."""
        return int(self._timer is not None)

    def timeout(self):
        """When the timer comes due, or did, in seconds since 1970; -1 when it was never set."""
        return self._timeout

    def expired(self):
        """What follows when the timer is due."""
        self._timer = None
        self.timeouthandler(self)


def _named(names, args, named):
    """All arguments by their names, the first of which may be given by position."""
    if len(args) > len(names):
        raise TypeError("event takes %d arguments at most, not %d" % (len(names), len(args)))
    arguments = dict(zip(names, args))
    twice = sorted(set(arguments) & set(named))
    if twice:
        raise TypeError("event got %s twice" % ", ".join(twice))
    arguments.update(named)
    return arguments
