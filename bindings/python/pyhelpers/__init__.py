"""Native network I/O for scripts: native threads move the packets, the interpreter stays free."""

from pyhelpers._backend import VERSION as __version__

__all__ = ["__version__"]
