"""Arguments as C takes them. C itself would cut what is out of range down to something else."""

import math
import operator

#: Longest time that C takes, in milliseconds.
_TIME_MAX = (1 << 31) - 1


def number(name, value, low, high=(1 << 31) - 1):
    """``value`` as an int. ValueError when it is out of range, TypeError when it is no integer."""
    value = operator.index(value)
    if not low <= value <= high:
        raise ValueError("%s must be %d to %d, not %d" % (name, low, high, value))
    return value


def milliseconds(seconds):
    """Rounded up, so that no wait ends early; at most what C takes."""
    if seconds is None or seconds < 0:
        raise ValueError("a time must be 0 seconds or more, not %r" % (seconds,))
    return int(math.ceil(min(seconds * 1000.0, _TIME_MAX)))


def octets(data):
    """``data``, anything whose memory can be read, as bytes. TypeError for text, as of a socket."""
    if isinstance(data, bytes):
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        raise TypeError("data must be bytes-like, not %s" % type(data).__name__)
