from pyhelpers.event_loop import EventLoop

__all__ = ["EventLoop", "__version__"]

__version__: str
