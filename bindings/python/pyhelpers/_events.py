"""Batches of events of a loop as the C ABI lays them out: arrays of ``evloop_event_t``.

As with datagrams, a batch is turned into columns by calls that run inside the interpreter.
"""

import struct
import sys
from array import array

from pyhelpers._backend import backend
from pyhelpers._remembered import Remembered

# A record is six words: id; user; kind and error in one; value; address and length of the data.
_WORDS = 6
_ID, _KIND, _VALUE, _LENGTH = 0, 2, 3, 5
_ERROR_SHIFT = 32
_KIND_MASK = (1 << _ERROR_SHIFT) - 1

DATA = backend.constant("TCP_DATA")

#: How struct takes the data of an event, of so many bytes.
_FORMATS = Remembered("%ds".__mod__)

#: Up to so many events a loop is faster than the columns: with PyPy, always.
_FEW = sys.maxsize if hasattr(sys, "pypy_version_info") else 3

# Python 2 has it under the other name.
_bytes = array.tobytes if hasattr(array, "tobytes") else array.tostring


class Events(object):
    """Room for ``count`` events and ``size`` bytes of their data.

    ``records`` and ``data`` are what the library's function takes for pointers to them.
    """

    def __init__(self, count, size):
        self.count = count
        self.size = size
        self._words = array("L", (0,)) * (_WORDS * count)
        self._all_data = _bytes(array("L", (DATA,)) * count)
        # The arguments of the call own what it writes to: see :mod:`pyhelpers._datagrams`.
        self.records = backend.view("evloop_event_t", self._words)
        self.data, self._memory = backend.memory("uint8_t", size)

    def data_only(self, count):
        """The ids and the payloads of the first ``count`` events; None unless all of them are
        received data."""
        words, end = self._words, _WORDS * count
        if count <= _FEW:
            return self._data_one_by_one(count)
        if not self._all_data.startswith(_bytes(words[_KIND:end:_WORDS])):
            return None
        lengths = words[_LENGTH:end:_WORDS].tolist()
        length = lengths[0]
        if lengths.count(length) == count:
            layout = _FORMATS[length] * count
        else:
            layout = "".join(map(_FORMATS.__getitem__, lengths))
        # They lie one after the other: one call takes them all out.
        return words[_ID:end:_WORDS].tolist(), struct.unpack_from(layout, self._memory)

    def _data_one_by_one(self, count):
        words, memory, start = self._words, self._memory, 0
        ids, payloads = [], []
        for at in range(0, _WORDS * count, _WORDS):
            if words[at + _KIND] != DATA:
                return None
            end = start + words[at + _LENGTH]
            ids.append(words[at])
            payloads.append(memory[start:end])
            start = end
        return ids, payloads

    def ids(self, count):
        """Whose events they are."""
        return self._words[_ID : _WORDS * count : _WORDS].tolist()

    def any(self, count):
        """The events as (kind, error, value, data), where data is the bytes received, or else the
        number that the event has for its length."""
        words, start, found = self._words, 0, []
        for at in range(0, _WORDS * count, _WORDS):
            kind, data = words[at + _KIND], words[at + _LENGTH]
            if kind == DATA:
                end = start + data
                data = self._memory[start:end]
                start = end
            found.append((kind & _KIND_MASK, kind >> _ERROR_SHIFT, words[at + _VALUE], data))
        return found
