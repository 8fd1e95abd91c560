"""Descriptors that a loop watches, each with a reader and a writer."""

import errno
import operator

from pyhelpers._backend import backend

_lib = backend.lib

READ = backend.constant("EVLOOP_READ")
WRITE = backend.constant("EVLOOP_WRITE")
_ERROR = backend.constant("EVLOOP_ERROR")


def descriptor(file):
    """The number of a descriptor that is given as such, or as an object that has one."""
    return file.fileno() if hasattr(file, "fileno") else operator.index(file)


class Watches(object):
    """The descriptors that a loop watches. Errors: OSError with EBADF for one that is not open,
    EPERM for one that cannot be waited for. Any thread may call it."""

    def __init__(self, loop):
        self._loop = loop
        self._watches = {}

    def add(self, number, event, call):
        """Has ``call()`` follow the event, READ or WRITE, in place of what followed it before."""
        with self._loop.adding:
            watch = self._watches.get(number)
            if watch is None:
                watch = _Watch(self._loop, number)
            watch.add(event, call)
            self._watches[number] = watch

    def remove(self, number, event):
        """Ends it. False when there was none, as in a forked child."""
        if self._loop.is_anothers():
            return False
        with self._loop.adding:
            watch = self._watches.get(number)
            if watch is None or event not in watch.calls:
                return False
            watch.remove(event)
            if not watch.calls:
                del self._watches[number]
            return True


class _Watch(object):
    """One descriptor; ``calls``: what follows its events."""

    __slots__ = "_loop", "_number", "_id", "calls"

    def __init__(self, loop, number):
        self._loop = loop
        self._number = number
        self._id = 0
        self.calls = {}

    def add(self, event, call):
        calls = dict(self.calls)
        calls[event] = call
        if not self._modify(calls):
            # The descriptor was closed, and its number is another one's now.
            self._end()
            calls = {event: call}
            self._begin(event)
        self.calls = calls

    def remove(self, event):
        self.calls = dict(each for each in self.calls.items() if each[0] != event)
        if not (self.calls and self._modify(self.calls)):
            self._end()

    def _begin(self, events):
        loop = self._loop
        code = _lib.evloop_add(loop.value, self._number, events, backend.null)
        self._id = loop.check_of(code, "descriptor %d is not open" % self._number)
        loop.objects[self._id] = self

    def _modify(self, calls):
        """Waits for the events of these; False when the descriptor is not what it was."""
        return self._id and _lib.evloop_mod(self._loop.value, self._id, sum(calls)) == 0

    def _end(self):
        self._loop.objects.pop(self._id, None)
        _lib.evloop_del(self._loop.value, self._id)
        self._id = 0

    def happened(self, _kind, error, value, _length):
        if error == errno.EBADF:
            # It was closed by others, and would be reported again and again.
            self._end()
        for event in (READ, WRITE):
            # The first may have ended the second.
            call = self.calls.get(event)
            if call is not None and value & (event | _ERROR):
                call()
