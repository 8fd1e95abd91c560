"""Batches of messages for connections as ``tcp_write_packed`` takes them: all in one piece."""

import sys
from array import array
from itertools import starmap

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

    def write(self, loop, under_way):
        """Hands in the first entry of ``under_way``: a list of id, data, id, data ..., of MOST
        messages at most. Other entries are what calls gave: they are not made again when this one
        goes on where an exception has left another.

        Gives pairs of id and result for those whose result is not 0, that is how many bytes wait,
        or a code below 0.
        """
        items = under_way[0]
        if len(items) <= _FEW:
            return _write_one_by_one(loop, under_way)
        if len(under_way) == 1:
            datas, heads = items[1::2], items[:]
            # The heads are pairs of id and length.
            heads[1::2] = map(len, datas)
            datas.insert(0, _bytes(array("l", heads)))
            messages = b"".join(datas)
            call = loop, messages, len(messages), len(items) // 2, self._room
            # A signal's handler may raise as soon as the call is over: nothing of the interpreter's
            # own comes in between it and the note of it.
            under_way.extend(starmap(_lib.tcp_write_packed, (call,)))
        done = under_way[1]
        if 2 * done == len(items):
            return ()
        if done < 0:
            return [(items[0], done)]
        return [pair for pair in zip(items[0::2], self._results) if pair[1]]


def _write_one_by_one(loop, under_way):
    items = under_way[0]
    if len(under_way) == 1:
        under_way.extend(starmap(_lib.tcp_send, _calls(loop, items)))
    results = under_way[1:]
    return [pair for pair in zip(items[0::2], results) if pair[1]] if any(results) else ()


def _calls(loop, items):
    if len(items) == 2:
        connection, data = items
        return ((loop, connection, data, len(data)),)
    calls = []
    for at in range(0, len(items), 2):
        data = items[at + 1]
        calls.append((loop, items[at], data, len(data)))
    return calls
