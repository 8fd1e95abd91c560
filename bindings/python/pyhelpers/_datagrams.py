"""Batches of datagrams as the C ABI lays them out: arrays of ``ph_datagram_t``.

A batch is turned into columns and back by calls that run inside the interpreter (``array`` slices,
``struct``, ``map``, ``zip``), not by a loop over its datagrams: that is what makes one datagram
cost a fraction of a microsecond. A few go through a loop all the same, as columns have a price
too.
"""

import itertools
import operator
import struct
import sys
from array import array

from pyhelpers import _sockaddr
from pyhelpers._addresses import PORT_HALF, PORT_MASK, PORT_SHIFT, text_of, words_of
from pyhelpers._backend import backend
from pyhelpers._remembered import Remembered

SIZE = 56

# A record is seven words: the three of the address; address and length of the payload; delay; flags
# and same_addr_as in one.
_WORDS = SIZE // 8
_META, _DATA, _LENGTH, _DELAY, _TAGS = range(2, 7)

# A ph_arrival_t is five: the three of the local address; interface and tos in one; time.
_HOW_WORDS = 5
_TOS_SHIFT = 32
_INTERFACE_MASK = (1 << _TOS_SHIFT) - 1
#: What stands there for no tos, that is -1.
_NO_TOS = (1 << 32) - 1

#: Up to so many datagrams a loop is faster than the columns: with PyPy, always.
_FEW = sys.maxsize if hasattr(sys, "pypy_version_info") else 4

_TRUNCATED = backend.constant("PH_TRUNCATED")


class Truncated(bytes):
    """The payload of a datagram whose end was lost, as it was longer than was to be received."""


def payload(data):
    """``data`` as bytes: bytes, text as UTF-8, a bytearray or a memoryview."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, type(u"")):
        return data.encode("utf-8")
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data) if isinstance(data, bytearray) else data.tobytes()
    raise TypeError("data must be bytes or str, not %s" % type(data).__name__)


def check_port(port):
    """``port`` as an int. ValueError unless it is 1 to 65535, TypeError when it is no integer."""
    port = operator.index(port)
    if not 0 < port < 65536:
        raise ValueError("port must be 1 to 65535, not %d" % port)
    return port


#: How struct takes a payload of so many bytes.
_FORMATS = Remembered("%ds".__mod__)


# Python 2 has it under the other name.
_bytes = array.tobytes if hasattr(array, "tobytes") else array.tostring


def _recast(typecode, numbers):
    """The memory of an array as one of numbers of another size."""
    return array(typecode, _bytes(numbers))


def pack(items):
    """A batch of (addr, port, data) as two arrays: the records, and the payloads they point to.

    The second must live as long as the first is used. ValueError and TypeError say what is wrong
    with an item.
    """
    if set(map(len, items)) != {3}:
        raise ValueError("each item must be (addr, port, data)")
    addrs, ports, datas = zip(*items)
    if set(map(type, datas)) != {bytes}:
        datas = list(map(payload, datas))
    payloads = array("B", b"".join(datas))
    if len(datas) > _FEW:
        return _filled_in(_heads(addrs, _ports(ports)), datas, payloads), payloads
    heads = []
    for addr, port in zip(addrs, ports):
        first, second, meta = words_of[addr]
        heads.append((first, second, meta | check_port(port) << PORT_SHIFT))
    return _one_by_one(heads, datas, payloads), payloads


def pack_for(destinations, words_of_destination, datas):
    """The same for the addresses of Python's sockets, and payloads that are bytes.

    ``words_of_destination``: the dict that has the three words of each.
    """
    payloads = array("B", b"".join(datas))
    count = len(datas)
    if count <= _FEW:
        heads = map(words_of_destination.__getitem__, destinations)
        return _one_by_one(heads, datas, payloads), payloads
    if destinations.count(destinations[0]) == count:
        words = _alike(words_of_destination[destinations[0]], count)
    else:
        words = array("L", (0,)) * (_WORDS * count)
        columns = zip(*map(words_of_destination.__getitem__, destinations))
        for number, column in enumerate(columns):
            words[number::_WORDS] = array("L", column)
    return _filled_in(words, datas, payloads), payloads


def pack_hows(hows):
    """How the datagrams of a batch are to leave, as an array: (words of the source address, or
    zeros; interface or 0; tos or -1) of each."""
    words = array("L")
    for (first, second, meta), interface, tos in hows:
        words.extend((first, second, meta, interface | (tos & _NO_TOS) << _TOS_SHIFT, 0))
    return words


def _one_by_one(heads, datas, payloads):
    """The records of a few datagrams, whose payloads lie one after the other in the array."""
    words = array("L")
    address = payloads.buffer_info()[0]
    for (first, second, meta), data in zip(heads, datas):
        words.extend((first, second, meta, address, len(data), 0, 0))
        address += len(data)
    return words


def _alike(head, count):
    """Records that all begin with the same words."""
    return array("L", tuple(head) + (0,) * (_WORDS - len(head))) * count


def _filled_in(words, datas, payloads):
    """The records with their payloads, which lie one after the other in the array."""
    lengths = array("L", map(len, datas))
    words[_DATA::_WORDS] = _one_after_the_other(payloads.buffer_info()[0], lengths)
    words[_LENGTH::_WORDS] = lengths
    return words


def _heads(addrs, ports):
    """Records with their addresses and ports filled in."""
    count = len(addrs)
    if addrs.count(addrs[0]) == count and ports.count(ports[0]) == count:
        first, second, meta = words_of[addrs[0]]
        return _alike((first, second, meta | ports[0] << PORT_SHIFT), count)
    words = array("L", (0,)) * (_WORDS * count)
    first, second, meta = zip(*map(words_of.__getitem__, addrs))
    words[0::_WORDS], words[1::_WORDS] = array("L", first), array("L", second)
    halves = _recast("H", array("L", meta))
    halves[PORT_HALF::4] = ports
    words[_META::_WORDS] = _recast("L", halves)
    return words


def _ports(ports):
    try:
        packed = array("H", ports)
    except (OverflowError, TypeError):
        packed = array("H", map(check_port, ports))
    check_port(min(packed))
    return packed


def _one_after_the_other(start, lengths):
    """Where each payload begins when they lie one after the other from ``start`` on."""
    length = lengths[0]
    if length and lengths.count(length) == len(lengths):
        return array("L", range(start, start + length * len(lengths), length))
    addresses = array("L")
    for length in lengths:
        addresses.append(start)
        start += length
    return addresses


class Inbox(object):
    """Room for ``count`` received datagrams and ``size`` bytes of payload, and, if that is wanted,
    for how they arrived."""

    def __init__(self, count, size, with_arrivals=False):
        self.count = count
        self.size = size
        self._words = array("L", (0,)) * (_WORDS * count)
        # Up to CPython 3.6 the interpreter's end frees what the innermost frame of a daemon thread
        # holds, while a call made there still writes. It does not free the arguments of the call.
        self.records = backend.view("ph_datagram_t", self._words)
        self.data, self._payload = backend.memory("uint8_t", size)
        self.arrivals = backend.null
        if with_arrivals:
            self._hows = array("L", (0,)) * (_HOW_WORDS * count)
            self.arrivals = backend.view("ph_arrival_t", self._hows)

    def unpack(self, count):
        """The first ``count`` datagrams as a list of (addr, port, data, delay_ns)."""
        if count > _FEW:
            return self._by_columns(count)
        words, datagrams = self._words, []
        for at, data in self._one_by_one(count):
            meta = words[at + _META]
            addr = text_of[words[at], words[at + 1], meta & ~PORT_MASK]
            datagrams.append((addr, (meta & PORT_MASK) >> PORT_SHIFT, data, words[at + _DELAY]))
        return datagrams

    def pairs(self, count):
        """The same as a list of (data, address), as Python's sockets have it."""
        words, end = self._words, _WORDS * count
        if count <= _FEW:
            return [
                (data, _sockaddr.from_words[words[at], words[at + 1], words[at + _META]])
                for at, data in self._one_by_one(count)
            ]
        metas = words[_META:end:_WORDS]
        if self._is_one_address(metas, count):
            sas = itertools.repeat(_sockaddr.from_words[words[0], words[1], metas[0]])
        else:
            keys = zip(words[0:end:_WORDS], words[1:end:_WORDS], metas)
            sas = map(_sockaddr.from_words.__getitem__, keys)
        return list(zip(self._payloads(count), sas))

    def _is_one_address(self, metas, count):
        """Whether all come from one address: cheap to ask where that is not so."""
        if metas[0] != metas[-1] or metas.count(metas[0]) != count:
            return False
        return self._words[_TAGS : _WORDS * count : _WORDS].count(0) == count

    def _one_by_one(self, count):
        """Where the words of each datagram begin, and its payload."""
        words, start = self._words, 0
        for at in range(0, _WORDS * count, _WORDS):
            end = start + words[at + _LENGTH]
            data = self._payload[start:end]
            yield at, Truncated(data) if words[at + _TAGS] & _TRUNCATED else data
            start = end

    def _payloads(self, count):
        words, end = self._words, _WORDS * count
        # They lie one after the other: one call takes them all out.
        lengths = words[_LENGTH:end:_WORDS]
        if lengths.count(lengths[0]) == count:
            layout = _FORMATS[lengths[0]] * count
        else:
            layout = "".join(map(_FORMATS.__getitem__, lengths))
        payloads = struct.unpack_from(layout, self._payload)
        tags = words[_TAGS:end:_WORDS]
        if tags.count(0) == count:
            return payloads
        return [Truncated(p) if t & _TRUNCATED else p for p, t in zip(payloads, tags)]

    def _by_columns(self, count):
        words, end = self._words, _WORDS * count
        halves = _recast("H", words[_META:end:_WORDS])
        ports = halves[PORT_HALF::4].tolist()
        delays = words[_DELAY:end:_WORDS].tolist()
        if words[_TAGS:end:_WORDS].count(0) == count:
            # Every address is that of the first datagram.
            first, second, meta = words[:3]
            addrs = itertools.repeat(text_of[first, second, meta & ~PORT_MASK])
        else:
            halves[PORT_HALF::4] = array("H", (0,)) * count
            keys = zip(words[0:end:_WORDS], words[1:end:_WORDS], _recast("L", halves))
            addrs = map(text_of.__getitem__, keys)
        return list(zip(addrs, ports, self._payloads(count), delays))

    def hows(self, count):
        """How the first ``count`` arrived: (local address as str or None, interface, tos or None,
        seconds since 1970 or None)."""
        found = []
        for start in range(0, _HOW_WORDS * count, _HOW_WORDS):
            first, second, meta, how, time_ns = self._hows[start : start + _HOW_WORDS]
            local = _sockaddr.from_words[first, second, meta][0] if meta else None
            interface, tos = how & _INTERFACE_MASK, how >> _TOS_SHIFT
            tos = None if tos == _NO_TOS else tos
            found.append((local, interface, tos, time_ns / 1e9 if time_ns else None))
        return found


class Inboxes(object):
    """Inboxes for as many threads as receive at once: ``put(inbox)`` gives one back when nobody
    looks into it any more. ``size``, ``with_arrivals``: as of :class:`Inbox`."""

    def __init__(self, size, with_arrivals=False):
        self._size = size
        self._with_arrivals = with_arrivals
        self._free = []
        # Both of a list's own methods are good for any thread.
        self.put = self._free.append

    def take(self, count):
        """An inbox for so many datagrams, at least."""
        try:
            inbox = self._free.pop()
        except IndexError:
            inbox = None
        if inbox is None or inbox.count < count:
            inbox = Inbox(count, self._size, self._with_arrivals)
        return inbox
