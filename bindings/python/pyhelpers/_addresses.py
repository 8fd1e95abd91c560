"""Addresses as text, and as the C ABI lays them out: ``ph_addr_t``, or the three words of one."""

import errno
import struct

from pyhelpers._backend import backend
from pyhelpers._remembered import Remembered

SIZE = 24

# Two words of IP; scope, port and family in one.
WORDS = struct.Struct("=3Q")
PORT_HALF = 2
PORT_SHIFT = 16 * PORT_HALF
PORT_MASK = 0xFFFF << PORT_SHIFT

_TEXT_MAX = backend.constant("PH_ADDR_TEXT_MAX")


def parse(addr):
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


def _text(words):
    """The address in these words, whose port is 0, as str."""
    text = backend.buffer(_TEXT_MAX)
    structure = backend.load("ph_addr_t", WORDS.pack(*words))
    length = backend.lib.ph_addr_format(backend.ref(structure), text, _TEXT_MAX)
    text = backend.dump(text, length)
    return text if isinstance(text, str) else text.decode("ascii")


def words(structure):
    """The words of a ``ph_addr_t``."""
    return WORDS.unpack(backend.dump(backend.ref(structure), SIZE))


#: What a function takes for a pointer to the ``ph_addr_t`` of an address, its port being 0.
targets = Remembered(lambda addr: backend.keep(parse(addr)))

#: The words of an address, their port being 0, and the way back.
words_of = Remembered(lambda addr: words(parse(addr)))
text_of = Remembered(_text)


def pair(structure):
    """(addr, port) of a ``ph_addr_t``."""
    first, second, meta = words(structure)
    return text_of[first, second, meta & ~PORT_MASK], structure.port


def scope(words):
    """The index of the interface that is part of an address in words, or 0."""
    return words[2] & 0xFFFFFFFF
