"""Memory that messages of a pipe lie in while the library sends or receives them."""

import sys
from array import array

from pyhelpers._backend import backend

_lib = backend.lib


class _Records(array):
    """``ph_bytes_t`` of messages, two words each: where the data lies, and how long it is.

    ``data`` is the memory. Up to CPython 3.6 the interpreter's end frees what a daemon thread
    holds, while a call made there still reads it. It does not free the arguments of the call, and
    so neither what they hold.
    """


def _memory(size):
    """Where it begins; what slices of bytes can be assigned to, and what keeps it."""
    pointer, memory = backend.memory("uint8_t", size)
    if sys.version_info[0] > 2:
        view = memoryview(memory).cast("B")
    else:
        view = memory if backend.name == "cffi" else memoryview(memory)
    return backend.address(pointer), view, (pointer, memory)


class Outbox(object):
    """Several messages to be sent in one call, ``count`` of them."""

    def __init__(self, datas):
        self.count = len(datas)
        whole = b"".join(datas)
        address, view, memory = _memory(max(1, len(whole)))
        view[: len(whole)] = whole
        records = _Records("L")
        for data in datas:
            records.extend((address, len(data)))
            address += len(data)
        self._hold(records, memory)

    def _hold(self, records, memory):
        self._records = records
        records.data = memory
        self._messages = backend.view("ph_bytes_t", records)

    def send(self, pipe, wait_ms):
        return _lib.npipe_send(pipe.value, self._messages, self.count, wait_ms)

    def drop(self, count):
        """Leaves so many out, from the first one on."""
        self.count -= count
        self._hold(_Records("L", self._records[2 * count :]), self._records.data)


class Inbox(object):
    """Room for one received message of up to ``size`` bytes, ``payload``. ``by_views``: slices of
    it are memoryviews, else bytes."""

    def __init__(self, size, by_views=False):
        self.size = size
        self._by_views = by_views
        self.data, memory = backend.memory("uint8_t", size)
        self.payload = memoryview(memory) if by_views else memory

    def grown(self, pipe):
        """One that has the room that the next message of the pipe needs, and what the library
        answered: EMSGSIZE, unless another thread has taken that message meanwhile. Then it may have
        reported a fault, or, by 1, have given an empty message, which is received thereby."""
        spans, need = backend.view("ph_span_t", array("L", (0, 0))), array("L", (0,))
        needed = backend.view("size_t", need)
        code = _lib.npipe_receive(pipe.value, spans, 1, backend.null, 0, 0, needed)
        return Inbox(max(2 * self.size, need[0]), self._by_views), code
