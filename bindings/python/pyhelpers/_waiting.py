"""Waits that a signal can end."""

import errno
import time

from pyhelpers._arguments import milliseconds

#: Longest wait of one call in milliseconds. A signal that comes between the interpreter's last look
#: and the wait does not end it: its handler runs after this time at the latest.
SLICE = 100

#: The ends of calls that met nothing, and no fault.
NOTHING = (-errno.EAGAIN, -errno.ETIMEDOUT, -errno.EINTR)

#: Seconds of a clock that is never set, where Python has one.
now = getattr(time, "monotonic", time.time)


class Deadline(object):
    """``timeout`` seconds from now on; None: never. ValueError for what is no time."""

    def __init__(self, timeout):
        self._timeout = timeout
        if timeout is not None:
            milliseconds(timeout)
            self._end = now() + timeout

    def left_ms(self, slice_ms):
        """The time left, at most ``slice_ms``; -1: for ever, in both."""
        if self._timeout is None:
            return slice_ms
        left = milliseconds(max(0, self._end - now()))
        return left if slice_ms < 0 else min(left, slice_ms)

    def is_over(self):
        return self._timeout is not None and now() >= self._end

    @property
    def code(self):
        """What the library answers when it is over."""
        return -errno.EAGAIN if self._timeout == 0 else -errno.ETIMEDOUT


def in_slices(attempt, timeout):
    """The first true answer of ``attempt(milliseconds)``, or its last one after ``timeout``
    seconds; None: for ever. It is asked once at least."""
    if timeout == 0:
        return attempt(0)
    deadline = Deadline(timeout)
    while True:
        answer = attempt(deadline.left_ms(SLICE))
        if answer or deadline.is_over():
            return answer
