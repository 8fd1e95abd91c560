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


def in_slices(attempt, timeout):
    """The first true answer of ``attempt(milliseconds)``, or its last one after ``timeout``
    seconds; None: for ever. It is asked once at least."""
    if timeout == 0:
        return attempt(0)
    if timeout is None:
        timeout = float("inf")
    left = milliseconds(timeout)
    deadline = now() + timeout
    while True:
        answer = attempt(min(left, SLICE))
        if answer or now() >= deadline:
            return answer
        left = milliseconds(max(0, deadline - now()))
