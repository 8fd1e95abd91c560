"""Handles of the library as objects."""

import errno
import os

from pyhelpers import _errors
from pyhelpers._backend import backend


class Handle(object):
    """A handle of the library, which is closed when nobody has it any more.

    An object apart from the one that users see: theirs may be part of a reference cycle, and
    Python 2 frees no cycle with a ``__del__`` in it.
    """

    #: What it is said to be after its end.
    ended = "is closed"

    def __init__(self, what, kind, new, close):
        """``what``: the owner, in words. ``new(room)`` writes a handle of this kind of the C ABI to
        the room and gives the code; ``close(value)`` ends it."""
        self.value = backend.null
        self._what = what
        self._pid = os.getpid()
        self._close = close
        room = backend.handle(kind)
        _errors.check(new(backend.ref(room)))
        self.value = backend.value(room)

    def close(self):
        """Gives the result, 0 when it is closed already."""
        code = self._close(self.value)
        return 0 if code == -errno.EBADF else _errors.check(code)

    def check(self, code):
        """``code`` when it is no error; otherwise raises what it means."""
        if code in (-errno.EBADF, -errno.ESHUTDOWN):
            is_ours = os.getpid() == self._pid
            state = self.ended if is_ours else "belongs to process %d" % self._pid
            raise OSError(errno.EBADF, "%s %s" % (self._what, state))
        return _errors.check(code)

    def stats(self, name, read):
        """The counts that ``read`` writes to a structure of this name, as a dict."""
        stats = backend.sized(name)
        self.check(read(self.value, backend.ref(stats)))
        figures = backend.as_dict(stats)
        del figures["size"]
        return figures

    def __reduce__(self):
        # A copy would end the original when it ends.
        raise TypeError("%s can be neither copied nor pickled" % self._what)

    def __del__(self):
        try:
            self.close()
        except (AttributeError, TypeError):
            # The interpreter is taking its modules down, and the process's end closes the rest.
            pass
