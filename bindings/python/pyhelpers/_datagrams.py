"""Batches of datagrams as the C ABI lays them out: arrays of ``ph_datagram_t``.

A batch is turned into columns and back by calls that run inside the interpreter (``array`` slices,
``struct``, ``map``, ``zip``), not by a loop over its datagrams: that is what makes one datagram cost
a fraction of a microsecond. A few go through a loop all the same, as columns have a price too.
"""

import errno
import itertools
import operator
import struct
from array import array

from pyhelpers._backend import backend

SIZE = 56

# A record is seven words: two of IP; scope, port and family in one; address and length of the
# payload; delay; flags and same_addr_as in one.
_WORDS = SIZE // 8
_META, _DATA, _LENGTH, _DELAY, _TAGS = range(2, 7)
_PORT_HALF = 2
_PORT_SHIFT = 16 * _PORT_HALF
_PORT_MASK = 0xFFFF << _PORT_SHIFT
_ADDR_SIZE = 24

#: Up to so many datagrams a loop is faster than the columns.
_FEW = 4

#: Addresses remembered in either direction; more than these and the memory starts anew.
_REMEMBERED = 1 << 16

_TRUNCATED = backend.constant("PH_TRUNCATED")


class Truncated(bytes):
    """The payload of a datagram whose end was lost, as it was longer than ``recv_size``."""


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


class _Remembered(dict):
    """What was computed once for a key, up to a number of keys: then the memory starts anew."""

    def __init__(self, compute):
        self._compute = compute

    def __missing__(self, key):
        value = self._compute(key)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[key] = value
        return value


def _parse(addr):
    """The ``ph_addr_t`` of an address given as str or bytes, its port being 0."""
    text = addr.encode("utf-8") if isinstance(addr, type(u"")) else addr
    if not isinstance(text, bytes):
        raise TypeError("addr must be str or bytes, not %s" % type(addr).__name__)
    parsed = backend.new("ph_addr_t")
    code = backend.lib.ph_addr_parse(text, len(text), 0, backend.ref(parsed))
    if code == -errno.ENODEV:
        raise OSError(errno.ENODEV, "no such interface", addr)
    if code < 0:
        raise ValueError("%r is not an IP address" % (addr,))
    return parsed


def _words(addr):
    """The first three words of a record to ``addr``, its port still 0."""
    return tuple(array("L", backend.dump(backend.ref(_parse(addr)), _ADDR_SIZE)))


def _text(words):
    """The address in the first three words of a record, its port being 0, as str."""
    text = backend.buffer(backend.constant("PH_ADDR_TEXT_MAX"))
    structure = backend.load("ph_addr_t", _bytes(array("L", words)))
    length = backend.lib.ph_addr_format(
        backend.ref(structure), text, backend.constant("PH_ADDR_TEXT_MAX")
    )
    text = backend.dump(text, length)
    return text if isinstance(text, str) else text.decode("ascii")


#: What a function takes for a pointer to the ``ph_addr_t`` of an address, its port being 0.
targets = _Remembered(lambda addr: backend.keep(_parse(addr)))

_words_of = _Remembered(_words)
_text_of = _Remembered(_text)

#: How struct takes a payload of so many bytes.
_FORMATS = _Remembered("%ds".__mod__)


# Python 2 has it under the other name.
_bytes = array.tobytes if hasattr(array, "tobytes") else array.tostring


def _recast(typecode, numbers):
    """The memory of an array as one of numbers of another size."""
    return array(typecode, _bytes(numbers))


def address(structure):
    """(addr, port) of a ``ph_addr_t``."""
    first, second, meta = array("L", backend.dump(backend.ref(structure), _ADDR_SIZE))
    return _text_of[first, second, meta & ~_PORT_MASK], structure.port


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
    if len(datas) <= _FEW:
        return _records(addrs, ports, datas, payloads.buffer_info()[0]), payloads
    lengths = array("L", map(len, datas))
    words = _heads(addrs, _ports(ports))
    words[_DATA::_WORDS] = _addresses(payloads.buffer_info()[0], lengths)
    words[_LENGTH::_WORDS] = lengths
    return words, payloads


def _records(addrs, ports, datas, address):
    """The records of a few datagrams, whose payloads lie one after the other from ``address`` on."""
    words = array("L")
    for addr, port, data in zip(addrs, ports, datas):
        first, second, meta = _words_of[addr]
        meta |= check_port(port) << _PORT_SHIFT
        words.extend((first, second, meta, address, len(data), 0, 0))
        address += len(data)
    return words


def _heads(addrs, ports):
    """Records with their addresses and ports filled in."""
    count = len(addrs)
    if addrs.count(addrs[0]) == count and ports.count(ports[0]) == count:
        first, second, meta = _words_of[addrs[0]]
        meta |= ports[0] << _PORT_SHIFT
        return array("L", (first, second, meta) + (0,) * (_WORDS - 3)) * count
    words = array("L", (0,)) * (_WORDS * count)
    first, second, meta = zip(*map(_words_of.__getitem__, addrs))
    words[0::_WORDS], words[1::_WORDS] = array("L", first), array("L", second)
    halves = _recast("H", array("L", meta))
    halves[_PORT_HALF::4] = ports
    words[_META::_WORDS] = _recast("L", halves)
    return words


def _ports(ports):
    try:
        packed = array("H", ports)
    except (OverflowError, TypeError):
        packed = array("H", map(check_port, ports))
    check_port(min(packed))
    return packed


def _addresses(start, lengths):
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
    """Room for ``count`` received datagrams and ``size`` bytes of payload."""

    def __init__(self, count, size):
        self.count = count
        self.size = size
        self._words = array("L", (0,)) * (_WORDS * count)
        self._data = array("B", (0,)) * size
        self.records = backend.at("ph_datagram_t", self._words.buffer_info()[0])
        self.data = backend.at("uint8_t", self._data.buffer_info()[0])

    def unpack(self, count):
        """The first ``count`` datagrams as a list of (addr, port, data, delay_ns)."""
        return self._one_by_one(count) if count <= _FEW else self._by_columns(count)

    def _one_by_one(self, count):
        datagrams, at = [], 0
        for start in range(0, _WORDS * count, _WORDS):
            first, second, meta, _, length, delay, tags = self._words[start : start + _WORDS]
            data, = struct.unpack_from(_FORMATS[length], self._data, at)
            at += length
            if tags & _TRUNCATED:
                data = Truncated(data)
            addr = _text_of[first, second, meta & ~_PORT_MASK]
            datagrams.append((addr, (meta & _PORT_MASK) >> _PORT_SHIFT, data, delay))
        return datagrams

    def _by_columns(self, count):
        words, end = self._words, _WORDS * count
        # The payloads lie one after the other: one call takes them all out.
        layout = "".join(map(_FORMATS.__getitem__, words[_LENGTH:end:_WORDS]))
        payloads = struct.unpack_from(layout, self._data)
        halves = _recast("H", words[_META:end:_WORDS])
        ports = halves[_PORT_HALF::4].tolist()
        delays = words[_DELAY:end:_WORDS].tolist()
        tags = words[_TAGS:end:_WORDS]
        if tags.count(0) == count:
            # Nothing is flagged, and every address is that of the first datagram.
            first, second, meta = words[:3]
            addrs = itertools.repeat(_text_of[first, second, meta & ~_PORT_MASK])
        else:
            payloads = [Truncated(p) if t & _TRUNCATED else p for p, t in zip(payloads, tags)]
            halves[_PORT_HALF::4] = array("H", (0,)) * count
            keys = zip(words[0:end:_WORDS], words[1:end:_WORDS], _recast("L", halves))
            addrs = map(_text_of.__getitem__, keys)
        return list(zip(addrs, ports, payloads, delays))
