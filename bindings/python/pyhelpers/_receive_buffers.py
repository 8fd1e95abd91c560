"""Buffers that Python fills, and how they are read while others fill them.

A buffer is a pair: an ``itertools.count`` that counts its values, and the ``deque`` that holds the
last ones. ``next()`` of the one and ``append()`` of the other are operations that the interpreter
does not divide: with them no thread waits, and none loses a count. A value is counted first, and
then put in.
"""

from collections import deque
from itertools import count, islice

_PREFIX = len("count(")

#: Reads that other threads may spoil before it is said why.
_READS = 1000

#: Numbers of a sum that are kept apart.
_PARTS = 1024


def make(length):
    """A buffer for so many values."""
    return count(), deque(maxlen=length)


def advance(counter, steps):
    """Counts several at once."""
    next(islice(counter, steps, steps), None)


def counted(counter):
    """What a counter has counted. Its text is what tells without counting."""
    return int(repr(counter)[_PREFIX:-1].rstrip("L"))


def held(buffer):
    """The values of a buffer, as a tuple."""
    return _read(tuple, buffer[1])


def snapshot(buffers):
    """The pairs of idx and buffer of a group, as a list."""
    return _read(_items, buffers)


def _items(buffers):
    return list(buffers.items())


def _read(read, container):
    for _ in range(_READS):
        try:
            return read(container)
        except RuntimeError:
            # Another thread has changed it meanwhile; or the stack is too deep, which stays so.
            pass
    return read(container)


def extract_all(buffers):
    """What the buffers of a group hold: a dict of tuples."""
    return _extract(snapshot(buffers))


def _extract(pairs):
    values = ((idx, held(buffer)) for idx, buffer in pairs)
    # One that is being made has none yet.
    return {idx: each for idx, each in values if each}


def extract_unless_changed(buffers):
    """The same as it is at one instant; None when something was received meanwhile.

    When no count changes from before the first buffer is read until after the last one is, no
    receive has begun meanwhile. Those that had begun before can have put their values in, each
    thread one: as they all overlap, some may well have come before this instant, and the others
    after it.
    """
    before = snapshot(buffers)
    counts = _counts(before)
    found = _extract(before)
    after = snapshot(buffers)
    is_same = len(before) == len(after) and all(
        one[1] is other[1] for one, other in zip(before, after)
    )
    return found if is_same and _counts(after) == counts else None


def _counts(pairs):
    return [repr(buffer[0]) for _, buffer in pairs]


class Sum(object):
    """A sum to which any thread may add."""

    def __init__(self):
        self._parts = []

    def add(self, number):
        parts = self._parts
        parts.append(number)
        if len(parts) > _PARTS:
            # Each number is taken by one thread alone.
            taken = []
            try:
                while True:
                    taken.append(parts.pop())
            except IndexError:
                parts.append(sum(taken))

    def __int__(self):
        return sum(tuple(self._parts))


class Places(object):
    """Places for so many buffers. Any thread may take one and give one back."""

    def __init__(self, most):
        self._most = most
        self._taken, self._given_back = count(), count()

    def take(self):
        """Takes a place; False when there is none."""
        if next(self._taken) < self._most:
            return True
        # Of those that were given back only now. They are counted before one is taken: what others
        # give back afterwards may be for a later one.
        next(self._given_back)
        given_back = counted(self._given_back)
        if next(self._taken) - given_back < self._most:
            return True
        next(self._given_back)
        return False

    def give_back(self):
        next(self._given_back)

    def taken(self):
        """How many are taken, or were a moment ago."""
        given_back = counted(self._given_back)
        return counted(self._taken) - given_back
