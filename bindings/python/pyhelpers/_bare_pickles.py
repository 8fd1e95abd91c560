"""Pickles that follow one another in a stream without frames."""

import pickle
import pickletools
import threading

#: Bytes of the count that an argument of some length begins with.
_COUNTED = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    getattr(pickletools, "TAKEN_FROM_ARGUMENT4U", None): 4,
    getattr(pickletools, "TAKEN_FROM_ARGUMENT8U", None): 8,
}

_PROTO, _STOP = ord(b"\x80"), ord(b".")


def _argument(opcode):
    """The argument of an opcode: (bytes, 0), or (0, bytes of the count that tells how many follow),
    or (lines, None)."""
    if opcode.arg is None:
        return 0, 0
    if opcode.arg.n == pickletools.UP_TO_NEWLINE:
        return (2 if opcode.arg.name == "stringnl_noescape_pair" else 1), None
    if opcode.arg.n >= 0:
        return opcode.arg.n, 0
    return 0, _COUNTED[opcode.arg.n]


_ARGUMENTS = {ord(opcode.code): _argument(opcode) for opcode in pickletools.opcodes}

#: What a pickle can begin with: what takes nothing from the stack or the memo.
_FIRST = frozenset(
    ord(opcode.code)
    for opcode in pickletools.opcodes
    if not opcode.stack_before and "GET" not in opcode.name
)
_LATER = frozenset(_ARGUMENTS) - {_PROTO}


class BarePickles(object):
    """What was read, cut into pickles by their opcodes, without anything being unpickled.

    ``longest``: bytes of a pickle at most. Not for several threads at once: each holds ``lock``
    while it reads and takes.
    """

    def __init__(self, longest):
        self.lock = threading.Lock()
        self._longest = longest
        self._read = bytearray()
        # Where in it the next opcode is, and where the last piece begins.
        self._at = self._piece = 0

    def feed(self, piece):
        """Takes in what one read gave."""
        self._piece = len(self._read)
        self._read += piece

    def take(self):
        """The oldest pickle, as bytes; None when there is no whole one.

        What cannot be one is thrown away, up to the last piece where it began before that, and else
        with that: pickle.UnpicklingError.
        """
        try:
            while self._at < len(self._read):
                code = self._read[self._at]
                end = self._end_of_opcode(code)
                if end is None:
                    break
                self._at = end
                if code == _STOP:
                    return self._cut(end)
            if len(self._read) > self._longest:
                raise pickle.UnpicklingError("a pickle is longer than %d bytes" % self._longest)
        except pickle.UnpicklingError:
            self._cut(self._piece or len(self._read))
            raise
        return None

    def _cut(self, end):
        cut = bytes(self._read[:end])
        del self._read[:end]
        self._at, self._piece = 0, max(0, self._piece - end)
        return cut

    def _end_of_opcode(self, code):
        """Where the next one begins; None when this one is not whole."""
        possible = _LATER if self._at else _FIRST
        if code not in possible:
            raise pickle.UnpicklingError("what was read is no pickle")
        count, width = _ARGUMENTS[code]
        end = self._at + 1
        if width is None:
            for _ in range(count):
                end = self._read.find(b"\n", end) + 1
                if not end:
                    return None
            return end
        if width:
            head = self._read[end : end + width]
            if len(head) < width:
                return None
            count = sum(byte << 8 * place for place, byte in enumerate(head))
            if count > self._longest:
                raise pickle.UnpicklingError("a pickle is longer than %d bytes" % self._longest)
        end += width + count
        return end if end <= len(self._read) else None
