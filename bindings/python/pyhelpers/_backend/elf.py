"""What machine a shared library is for.

It is looked at before it is opened: the dynamic linker calls one of another machine "cannot open
shared object file", and ends the process (SIGBUS) by one whose end is missing.
"""

import os
import stat
import struct
from collections import namedtuple

#: e_machine (elf(5)) of what Linux runs on today.
_MACHINES = {
    3: "x86",
    8: "MIPS",
    20: "PowerPC",
    21: "PowerPC64",
    22: "S390",
    40: "Arm",
    62: "x86-64",
    183: "AArch64",
    243: "RISC-V",
    258: "LoongArch",
}
_BITS = {1: 32, 2: 64}
_ORDERS = {1: "little-endian", 2: "big-endian"}

#: For each number of bits: form and place in the header of type and machine, of the program
#: headers' place, of their size and number; bytes of a program header, form and place in it of
#: a segment's place in the file and of its length there.
_HEADERS = {32: (("HH", 16), ("L", 28), ("HH", 42)), 64: (("HH", 16), ("Q", 32), ("HH", 54))}
_SEGMENTS = {32: (32, ("L", 4), ("L", 16)), 64: (56, ("Q", 8), ("Q", 32))}
_LIBRARY = 3
_BROKEN = "is no shared library (its ELF header is broken)"
#: Bytes of the longer of the headers.
_LONGEST = 64


class _Header(namedtuple("_Header", "kind machine bits order table entry count")):
    """An ELF file's header; ValueError when the bytes are none."""

    @classmethod
    def of(cls, raw):
        if raw[:4] != b"\x7fELF":
            raise ValueError("is no shared library (not an ELF file)")
        try:
            bits, order = _BITS[ord(raw[4:5])], _ORDERS[ord(raw[5:6])]
            kinds, place, counts = _HEADERS[bits]
            kind, machine = _numbers(order, raw, *kinds)
            table, = _numbers(order, raw, *place)
            entry, count = _numbers(order, raw, *counts)
        except (KeyError, TypeError, struct.error):
            raise ValueError(_BROKEN)
        return cls(kind, machine, bits, order, table, entry, count)

    def target(self):
        """What a file must have in common with the interpreter."""
        return self.machine, self.bits, self.order

    def needed(self, file):
        """Bytes that the file must have for its segments; None where it ends before it says so."""
        length, places, lengths = _SEGMENTS[self.bits]
        if self.entry != length:
            raise ValueError(_BROKEN)
        try:
            file.seek(self.table)
        except (EnvironmentError, OverflowError, ValueError):
            return None
        raw = file.read(length * self.count)
        if len(raw) < length * self.count:
            return None
        starts = range(0, len(raw), length)
        return max([0] + [
            _numbers(self.order, raw[start:], *places)[0]
            + _numbers(self.order, raw[start:], *lengths)[0]
            for start in starts
        ])

    def __str__(self):
        name = _MACHINES.get(self.machine, "machine %d" % self.machine)
        order = ", big-endian" if self.order == "big-endian" else ""
        return "%s, %d-bit%s" % (name, self.bits, order)


def _numbers(order, raw, form, at):
    return struct.unpack_from(("<" if order == "little-endian" else ">") + form, raw, at)


def check(path, name):
    """ImportError, calling the file ``name``, unless it is a whole shared library for the machine
    that the interpreter is for."""
    try:
        _check(path)
    except EnvironmentError as error:
        raise ImportError("%s cannot be read: %s" % (name, error.strerror))
    except ValueError as error:
        raise ImportError("%s %s" % (name, error))


def _check(path):
    # Opening a pipe would wait for its other end.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("is no file")
    with open(path, "rb") as file:
        found, own = _Header.of(file.read(_LONGEST)), _own()
        if own is not None and found.target() != own.target():
            raise ValueError("is for %s; this interpreter is %s" % (found, own))
        needed = found.needed(file)
        if needed is None or os.fstat(file.fileno()).st_size < needed:
            raise ValueError("is cut short: its end is missing")
    if found.kind != _LIBRARY:
        raise ValueError("is no shared library (another kind of ELF file)")


def _own():
    """The interpreter's own header, if it can be seen."""
    try:
        with open("/proc/self/exe", "rb") as file:
            return _Header.of(file.read(_LONGEST))
    except (EnvironmentError, ValueError):
        return None
