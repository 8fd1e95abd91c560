"""Events of sockets, by epoll(7)."""

from pyhelpers.pyed._core import Events

__all__ = ["events_epoll", "events_select"]


class events_epoll(Events):
    __doc__ = Events.__doc__


#: The name by which pyed's document imports it.
events_select = events_epoll
