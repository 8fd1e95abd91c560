"""How messages become bytes, and objects again: a pair of functions, ``dumps`` and ``loads``."""

import json
import struct
import sys

from pyhelpers._unpickling import allow_list

if sys.version_info[0] > 2:
    import pickle
else:
    import cPickle as pickle

#: The highest protocol that Python 2 reads: the other end may be one.
_PROTOCOL = 2

#: A pickle of protocol 3 that is bytes and nothing else: its head with the length, and its end.
_BYTES_HEAD, _BYTES_END = struct.Struct("<3sI"), b"."
_BYTES_MARK = b"\x80\x03B"
_BYTES_MOST = (1 << 32) - 1

#: Whether pickle.loads makes objects right from a buffer, without a copy of it.
_READS_VIEWS = sys.version_info[0] > 2 and not hasattr(sys, "pypy_version_info")


def serializer(choice, unpickler, framed):
    """(dumps, loads, whether loads takes a memoryview) for the arguments of a NamedPipeWrapper."""
    if unpickler is not None and choice != "pickle":
        raise ValueError("unpickler is for serializer='pickle'")
    if choice == "pickle":
        loads = pickle.loads if unpickler is None else allow_list(unpickler)
        # A peer that knows nothing of frames may be a Python 2 that knows nothing of this module.
        dumps = _dumps if framed and sys.version_info[0] > 2 else _dumps_plain
        if framed and sys.version_info[0] == 2:
            return dumps, _with_bytes(loads), False
        return dumps, loads, _READS_VIEWS and unpickler is None
    if not framed:
        raise ValueError("framed=False is for serializer='pickle'")
    if choice == "json":
        return _dumps_json, _loads_json, False
    if choice == "raw":
        return _raw, _same, False
    return _pair(choice) + (False,)


def _dumps_plain(obj):
    return pickle.dumps(obj, _PROTOCOL)


def _dumps(obj):
    # Protocol 2 has no bytes: it would make text of them, at many times the price.
    if type(obj) is bytes and len(obj) <= _BYTES_MOST:
        return b"".join((_BYTES_HEAD.pack(_BYTES_MARK, len(obj)), obj, _BYTES_END))
    return pickle.dumps(obj, _PROTOCOL)


def _with_bytes(loads):
    """A ``loads`` of Python 2 that reads what Python 3 makes of bytes as well."""

    def loads_bytes_too(data):
        if not data.startswith(_BYTES_MARK):
            return loads(data)
        size = _BYTES_HEAD.size
        if len(data) <= size or _BYTES_HEAD.unpack_from(data)[1] != len(data) - size - 1:
            raise pickle.UnpicklingError("pickle data was truncated")
        return data[size:-1]

    return loads_bytes_too


def _dumps_json(obj):
    return json.dumps(obj, separators=(",", ":")).encode("ascii")


def _loads_json(data):
    return json.loads(data.decode("utf-8"))


def _raw(data):
    if not isinstance(data, bytes):
        raise TypeError("serializer='raw' sends bytes, not %s" % type(data).__name__)
    return data


def _same(data):
    return data


def _pair(choice):
    try:
        dumps, loads = choice
        if callable(dumps) and callable(loads):
            return _bytes_of(dumps), loads
    except (TypeError, ValueError):
        pass
    raise ValueError(
        "serializer must be 'pickle', 'json', 'raw', or a pair of functions, not %r" % (choice,)
    )


def _bytes_of(dumps):
    """Checks what a program's own function makes."""

    def checked(obj):
        data = dumps(obj)
        if not isinstance(data, bytes):
            raise TypeError("dumps must give bytes, not %s" % type(data).__name__)
        return data

    return checked
