"""Turns of threads, alone or together: see :class:`Turns`."""

import itertools
import os
import sys
import time

from pyhelpers import _waiting

_PY2 = sys.version_info[0] == 2

if _PY2:
    from thread import allocate_lock as Lock
    from thread import error as NotLocked
    from thread import get_ident
else:
    from threading import Lock, get_ident

    NotLocked = RuntimeError

#: Seconds after which a thread that waits looks whether those before it are there still.
_SLICE = _waiting.SLICE / 1000.0
#: Python 2 has no wait for a lock that a signal can end: it asks so many times instead.
_ASKS = 100

#: How a thread is inside: not (yet), beside others, or alone.
_OUTSIDE, _TOGETHER, _ALONE = range(3)


class Turns(object):
    """Lets threads go in, each alone or together with others, in the order in which they come.

    ::

        turn = turns.alone()
        with turn.mark, turn:
            ...

    waits until nobody is inside, ``turns.together()`` until nobody is alone; and both wait for
    whoever came before and cannot be with them, so that none starves.

    A thread that is inside may go in again, at any depth, and so may a signal's handler, whichever
    step of this module it interrupts. A thread that is together with others and wants to be alone
    climbs: it goes first, when all others inside want the same or have left; of several that
    climb, one at a time.

    No step holds a lock: each is one operation that the interpreter does not divide
    (``list.append``, ``list.remove``), and what a thread may do follows from what it then sees.
    Hence nothing is left locked in a forked child, which begins with nobody inside; nor by an
    exception of a signal's handler, and be it raised right in front of ``__exit__``: ``mark`` is a
    lock that nobody waits for, which the interpreter itself releases at the end of the ``with``
    statement, and so it tells whose turn is over.
    """

    def __init__(self):
        #: By process.
        self._lines = {}

    def alone(self):
        """A turn, for one ``with`` statement: see above."""
        return _Turn(self._line(), _ALONE)

    def together(self):
        """A turn, for one ``with`` statement: see above."""
        return _Turn(self._line(), _TOGETHER)

    def _line(self):
        pid = os.getpid()
        line = self._lines.get(pid)
        return self._lines.setdefault(pid, _Line()) if line is None else line


class _Line(object):
    """Who is inside or waits."""

    def __init__(self):
        self._pid = os.getpid()
        #: Places, one for each thread, in the order in which they came.
        self.places = []
        #: Those of them that climb.
        self.climbers = []

    def place_of(self, thread):
        """The place of a thread; None when it has none."""
        for place in tuple(self.places):
            if place.thread == thread:
                if place.mark.locked():
                    return place
                self.remove(place)
        return None

    def remove(self, place):
        _remove(self.climbers, place)
        _remove(self.places, place)

    def may_enter(self, place, level):
        """Whether the place lets its thread in."""
        if any(climber is not place for climber in tuple(self.climbers)):
            return False
        before = itertools.takewhile(lambda each: each is not place, tuple(self.places))
        return all(level == each.wanted == _TOGETHER for each in before)

    def may_climb(self, place):
        climbers = tuple(self.climbers)
        return climbers[0] is place and all(
            each.claim == _OUTSIDE or each in climbers for each in tuple(self.places)
        )

    def wake(self, places):
        for place in tuple(places):
            place.wake()

    def forget_the_lost(self, mine):
        """Takes out the places of turns that ended without a word, and, in a forked child, those of
        all other threads."""
        is_child = os.getpid() != self._pid
        for place in tuple(self.places):
            if place is not mine and (is_child or not place.mark.locked()):
                self.remove(place)


class _Place(object):
    """Where a thread is in the line. ``mark``: of its outermost turn; ``wanted``: how that is to
    be. ``claim``: how it goes in unless somebody else turns out to be in the way. ``level``: how it
    is inside."""

    __slots__ = "thread", "mark", "wanted", "claim", "level", "_bell"

    def __init__(self, thread, mark, wanted):
        self.thread = thread
        self.mark = mark
        self.wanted = wanted
        self.claim = self.level = _OUTSIDE
        self._bell = Lock()
        self._bell.acquire()

    def wake(self):
        try:
            self._bell.release()
        except NotLocked:
            # It was woken already and has not seen it yet.
            pass

    def is_woken(self):
        """Waits until then, or until it is time to look at the others."""
        if not _PY2:
            return self._bell.acquire(True, _SLICE)
        for _ in range(_ASKS):
            if self._bell.acquire(False):
                return True
            time.sleep(_SLICE / _ASKS)
        return False


class _Turn(object):
    """A thread's being inside, for one ``with`` statement. ``mark``: see :class:`Turns`."""

    __slots__ = "mark", "_line", "_level", "_place", "_was", "_is_first", "_climbs"

    def __init__(self, line, level):
        self.mark = Lock()
        self._line = line
        self._level = level
        self._place = None
        self._climbs = False

    def __enter__(self):
        line, me = self._line, get_ident()
        place = line.place_of(me)
        self._is_first = place is None
        if self._is_first:
            place = _Place(me, self.mark, self._level)
        elif place.level >= self._level:
            return
        self._was = place.claim, place.level
        self._place = place
        try:
            if self._is_first:
                line.places.append(place)
            elif self._level == _ALONE and place not in line.climbers:
                self._climbs = True
                line.climbers.append(place)
                # Those before it need no longer wait for it.
                line.wake(line.climbers)
            while not self._is_let_in():
                if not place.is_woken():
                    line.forget_the_lost(place)
        except BaseException:
            self._leave()
            raise

    def _is_let_in(self):
        if not self._may_go_in():
            return False
        # The claim first, and then another look: of two threads that go in at the same time, one at
        # least sees the other's.
        place = self._place
        place.claim = max(self._level, self._was[0])
        if self._may_go_in():
            place.level = self._level
            return True
        place.claim = self._was[0]
        # One of those may have waited because of the claim.
        self._line.wake(self._line.climbers)
        return False

    def _may_go_in(self):
        if self._level == _ALONE and not self._is_first:
            return self._line.may_climb(self._place)
        return self._line.may_enter(self._place, self._level)

    def __exit__(self, *_exception):
        self._leave()

    def _leave(self):
        line, place = self._line, self._place
        if place is None:
            return
        if self._is_first:
            line.remove(place)
        elif self._climbs:
            _remove(line.climbers, place)
        place.claim, place.level = self._was
        self._place = None
        line.wake(line.places)


def _remove(places, place):
    try:
        places.remove(place)
    except ValueError:
        # It is out already, or was not put in yet.
        pass
