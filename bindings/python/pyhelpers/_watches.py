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
                watch = self._watches[number] = _Watch(self._loop, number)
            try:
                calls = dict(watch.calls)
                calls[event] = call
                watch.set(calls)
            except EnvironmentError:
                if not watch.calls:
                    del self._watches[number]
                raise

    def remove(self, number, event):
        """Ends it. False when there was none."""
        with self._loop.adding:
            watch = self._watches.get(number)
            if watch is None or event not in watch.calls:
                return False
            calls = dict(watch.calls)
            del calls[event]
            if not calls:
                del self._watches[number]
            watch.set(calls)
            return True


class _Watch(object):
    """One descriptor; ``calls``: what follows its events."""

    __slots__ = "_loop", "_number", "_id", "calls"

    def __init__(self, loop, number):
        self._loop = loop
        self._number = number
        self._id = 0
        self.calls = {}

    def set(self, calls):
        loop = self._loop
        if not calls:
            self.calls = calls
            self._end()
            return
        events = sum(calls)
        if not self._id:
            self._begin(events)
        elif _lib.evloop_mod(loop.value, self._id, events) < 0:
            # The descriptor was closed, and its number is another one's now.
            self._end()
            self._begin(events)
        self.calls = calls

    def _begin(self, events):
        loop = self._loop
        self._id = loop.check(_lib.evloop_add(loop.value, self._number, events, backend.null))
        loop.objects[self._id] = self

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
