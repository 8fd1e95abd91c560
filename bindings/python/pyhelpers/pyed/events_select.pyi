from pyhelpers.pyed._core import Events

__all__ = ["events_select"]

class events_select(Events): ...
