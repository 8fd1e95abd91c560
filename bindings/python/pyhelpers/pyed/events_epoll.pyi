from pyhelpers.pyed._core import Events

__all__ = ["events_epoll", "events_select"]

class events_epoll(Events): ...

events_select = events_epoll
