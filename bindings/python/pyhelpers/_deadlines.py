"""Time limits of calls that ask the library again and again."""

import errno

from pyhelpers._arguments import milliseconds
from pyhelpers._waiting import now


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
