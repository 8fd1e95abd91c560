"""Batches of messages for connections as ``tcp_write_packed`` takes them: all in one piece."""

import sys
from array import array

from pyhelpers._backend import backend

_lib = backend.lib

#: Messages of one call, and bytes of each of them, at most.
MOST = 1024
LONGEST = 4096

#: The longest list whose messages are cheaper handed in one by one: with PyPy, any.
_FEW = sys.maxsize if hasattr(sys, "pypy_version_info") else 2

# Python 2 has it under the other name.
_bytes = array.tobytes if hasattr(array, "tobytes") else array.tostring


class Messages(object):
    """Hands messages in. Not for several threads at once."""

    def __init__(self):
        self._results = array("l", (0,)) * MOST
        self._room = backend.view("int64_t", self._results)

    def write(self, loop, items):
        """Hands in a list of id, data, id, data ..., of MOST messages at most.

        Gives pairs of id and result for those whose result is not 0, that is how many bytes wait,
        or a code below 0.
        """
        if len(items) <= _FEW:
            return _write_one_by_one(loop, items)
        datas = items[1::2]
        count = len(datas)
        # The heads are pairs of id and length.
        items[1::2] = map(len, datas)
        datas.insert(0, _bytes(array("l", items)))
        messages = b"".join(datas)
        done = _lib.tcp_write_packed(loop, messages, len(messages), count, self._room)
        if done == count:
            return ()
        if done < 0:
            return [(items[0], done)]
        return [pair for pair in zip(items[0::2], self._results) if pair[1]]


def _write_one_by_one(loop, items):
    waiting = []
    for at in range(0, len(items), 2):
        connection, data = items[at], items[at + 1]
        result = _lib.tcp_send(loop, connection, data, len(data))
        if result:
            waiting.append((connection, result))
    return waiting
