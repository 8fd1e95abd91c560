"""Memory that messages of a pipe lie in while the library sends or receives them."""

import struct
import sys
from array import array

from pyhelpers._backend import backend

#: A ph_bytes_t: where the data lies, and how long it is.
_RECORD = struct.Struct("=QQ")

_PY2 = sys.version_info[0] == 2


def _writable(memory):
    """What slices of bytes can be assigned to."""
    if _PY2:
        return memory if backend.name == "cffi" else memoryview(memory)
    return memoryview(memory).cast("B")


class Outbox(object):
    """Messages to be sent: their records, and then all their data.

    They are one piece, as up to CPython 3.6 the interpreter's end frees what a daemon thread holds
    while a call made there still reads. It does not free the arguments of the call.
    """

    def __init__(self, size):
        """``size``: bytes of data that it has room for, with one record."""
        self.size = size
        self._room(_RECORD.size + size)

    def _room(self, size):
        self.messages, self._memory = backend.memory("ph_bytes_t", size)
        self._view = _writable(self._memory)
        self._start = backend.address(self.messages)

    def put(self, data):
        """Makes ``data`` the only message. It must have room."""
        _RECORD.pack_into(self._memory, 0, self._start + _RECORD.size, len(data))
        self._view[_RECORD.size : _RECORD.size + len(data)] = data

    @classmethod
    def of(cls, datas):
        """One with these messages."""
        made = cls(sum(map(len, datas)) + _RECORD.size * len(datas))
        at = made._start + _RECORD.size * len(datas)
        parts = []
        for data in datas:
            parts.append(_RECORD.pack(at, len(data)))
            at += len(data)
        whole = b"".join(parts + datas)
        made._view[: len(whole)] = whole
        return made

    def rest(self, done):
        """The messages behind the first ones."""
        return backend.at("ph_bytes_t", self._start + done * _RECORD.size)


class Inbox(object):
    """Room for one received message of up to ``size`` bytes. ``words``: where in ``payload`` it
    begins, and its length. ``by_views``: slices of ``payload`` are memoryviews, else bytes."""

    def __init__(self, size, by_views=False):
        self.size = size
        self._by_views = by_views
        self.words = array("L", (0, 0))
        self.spans = backend.view("ph_span_t", self.words)
        self._needed = array("L", (0,))
        self.need = backend.view("size_t", self._needed)
        self.data, memory = backend.memory("uint8_t", size)
        self.payload = memoryview(memory) if by_views else memory

    def grown(self):
        """One that has the room that a message was found to need."""
        return Inbox(max(2 * self.size, self._needed[0]), self._by_views)
