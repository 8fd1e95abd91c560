"""An open named pipe of the library, and what its calls are refused with."""

import errno
import os
import sys
from functools import partial

from pyhelpers._backend import backend
from pyhelpers._handles import Handle

_lib = backend.lib

#: What hinders a pipe from being opened, in the words of NamedPipeWrapper.
_REFUSALS = {
    errno.EEXIST: "what is there is no named pipe",
    errno.EPERM: "the named pipe belongs to another user, and any_owner is not set",
}


class MessageLost(OSError):
    """A message will not come: its writer, or the reader that had begun to read it, has ended, or
    its writer gave it up. ``errno`` is ECONNABORTED. The next receive goes on."""


class MessageRejected(OSError):
    """What came was no message, or one longer than ``max_message``, and was thrown away. ``errno``
    is EBADMSG. The next receive goes on."""


_KINDS = {errno.ECONNABORTED: MessageLost, errno.EBADMSG: MessageRejected}


class Pipe(Handle):
    """Made with its path and the fields of its configuration."""

    def __init__(self, path, **fields):
        self.path = path
        config = backend.sized("npipe_config_t")
        for name, value in fields.items():
            setattr(config, name, value)
        new = partial(_lib.npipe_new, _c_path(path), backend.ref(config))
        try:
            super(Pipe, self).__init__("the NamedPipeWrapper", "npipe_t", new, _lib.npipe_close)
        except OSError as error:
            raise OSError(error.errno, _REFUSALS.get(error.errno, error.strerror), path)

    def check(self, code):
        if -code in _KINDS:
            text = backend.text(_lib.ph_strerror(code))
            raise _KINDS[-code](-code, text, self.path)
        return super(Pipe, self).check(code)

    def is_inherited(self):
        """Whether it belongs to the process that this one was forked from."""
        return os.getpid() != self._pid


def _c_path(path):
    """A path as C takes it. ValueError for one with a zero byte."""
    if hasattr(os, "fsencode"):
        path = os.fsencode(path)
    elif isinstance(path, type(u"")):
        path = path.encode(sys.getfilesystemencoding() or "utf-8")
    if not isinstance(path, bytes):
        raise TypeError("path must be str or bytes, not %s" % type(path).__name__)
    if b"\0" in path:
        raise ValueError("a path must not contain a zero byte")
    return path
