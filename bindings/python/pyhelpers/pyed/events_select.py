"""Events of sockets, by select(2), though not limited to 1,024 descriptors.

By epoll(7) where it takes over what was made before it, as :mod:`pyhelpers.pyed` says.
"""

from pyhelpers.pyed._core import Events

__all__ = ["events_select"]


class events_select(Events):
    __doc__ = Events.__doc__

    _backend = "select"
