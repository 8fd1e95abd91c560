"""Timers of events."""

import heapq
import itertools
import math
import time

from pyhelpers._waiting import now
from pyhelpers.pyed._core import Default

__all__ = ["timers"]

#: What processtimer() gives when there is no timer, in milliseconds.
_NO_TIMER = 50

#: So many ended timers may wait for their time besides as many as live ones.
_ENDED = 64


class Timer(object):
    """One that is set; ``ev`` is None when it is ended."""

    __slots__ = "due", "number", "ev"

    def __init__(self, due, number, ev):
        self.due = due
        self.number = number
        self.ev = ev

    def __lt__(self, other):
        return (self.due, self.number) < (other.due, other.number)


class Queue(object):
    """Timers in the order of their times, and then in that in which they were set."""

    def __init__(self):
        self._heap = []
        self._ended = 0
        self._numbers = itertools.count()

    def add(self, ev, timeout):
        """A :class:`Timer` that comes due in so many milliseconds. ValueError for NaN."""
        if math.isnan(timeout):
            raise ValueError("timeout must be a number of milliseconds, not %r" % timeout)
        timer = Timer(now() + max(0, timeout) / 1000.0, next(self._numbers), ev)
        heapq.heappush(self._heap, timer)
        return timer

    def end(self, timer):
        """It will not come due any more."""
        if timer.ev is None:
            return
        timer.ev = None
        self._ended += 1
        if self._ended > len(self._heap) // 2 + _ENDED:
            # In place: it may be that somebody is looking through it.
            self._heap[:] = [each for each in self._heap if each.ev is not None]
            heapq.heapify(self._heap)
            self._ended = 0

    def next(self):
        """The first timer; None when there is none."""
        while self._heap:
            if self._heap[0].ev is not None:
                return self._heap[0]
            heapq.heappop(self._heap)
            self._ended -= 1
        return None

    def take(self, until, number):
        """The event of the first timer that is due by then and was set before the one with this
        number; None when there is none."""
        timer = self.next()
        if timer is None or timer.due > until or timer.number >= number:
            return None
        heapq.heappop(self._heap)
        ev, timer.ev = timer.ev, None
        return ev

    def number(self):
        """The number that is less than that of each timer that is set from now on."""
        return next(self._numbers)


_default_queue = Default(Queue)


def queue_of(tms):
    """The queue of a timers object; None: the default one."""
    if tms is None:
        return _default_queue.get()
    if not isinstance(tms, timers):
        raise TypeError("tms must be a timers object, not %s" % type(tms).__name__)
    return tms.queue


class timers(object):
    """Keeps timers, and has their handlers follow. Not for several threads at once."""

    def __init__(self):
        self.queue = _default_queue.taken_over(self, Queue)

    def processtimer(self):
        """Has the handlers of all timers that are due follow, in the order of their times, none
        early. Those that are set meanwhile come in the next call at the earliest.

        Gives the milliseconds until the next timer is due, a float, 0 when it is; 50 when there is
        none. What a handler raises leaves it; the timers behind it come in the next call.
        """
        queue = self.queue
        if queue.next() is None:
            return _NO_TIMER
        started, number = now(), queue.number()
        while True:
            ev = queue.take(started, number)
            if ev is None:
                break
            ev.expired()
        following = queue.next()
        if following is None:
            return _NO_TIMER
        return max(0.0, following.due - now()) * 1000.0


#: Seconds since 1970, as events tell the time that they are due.
wall_clock = time.time
