"""Native network I/O for scripts: native threads move the packets, the interpreter stays free."""

from pyhelpers._backend import VERSION as __version__
from pyhelpers.event_loop import EventLoop

__all__ = ["EventLoop", "__version__"]
