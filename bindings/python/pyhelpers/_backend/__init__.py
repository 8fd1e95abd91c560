"""How Python reaches libpyhelpers.so: by cffi where it is importable, else by ctypes.

Both backends offer the same few primitives, so that all code above deals in bytes, numbers,
structures and the addresses of arrays:

``lib``
    the functions of the C ABI; they take handles, numbers, bytes, addresses and references.
``new(name)``, ``array(name, n)``
    a zeroed structure, or an array of them, whose fields are attributes.
``sized(name)``
    a zeroed structure whose first field, ``size``, is set.
``as_dict(structure)``
    its fields, and those of the structures in it, by name.
``null``, ``ref(structure)``
    what a function takes for no pointer, and for a pointer to it.
``keep(structure)``
    the same, for a structure that is handed over many times.
``dump(array, size)``, ``load(name, raw)``
    the first ``size`` bytes of it as bytes, and the way back.
``store(structure, raw)``
    overwrites a structure, or one that is a field of another, with bytes.
``at(name, address)``
    what a function takes for a pointer to the structures that lie there.
``view(name, numbers)``
    the same for those that lie in an ``array.array``, which it keeps from being freed.
``handle(name)``, ``value(handle)``
    room for a handle of this type to be written to, and the handle written.
``buffer(size)``
    bytes that a function writes to.
``memory(name, size)``
    the same as a pair: what a function takes for a pointer to it, and what lives as long as it is
    used, the slices of which are bytes.
``part(memory, start)``
    the slices of the second of the two from there on; the memory must live as long.
``address(pointer)``
    where such a pointer, or a handle, points, as a number.
``constant(name)``
    a number that the header defines.
``text(result)``
    a ``const char *`` result as str.

``PYHELPERS_BACKEND=cffi`` or ``ctypes`` in the environment chooses one; then the other is not
tried.
"""

import os
import sys

from pyhelpers._backend.library import find_library


def _load():
    wanted = os.environ.get("PYHELPERS_BACKEND", "")
    if wanted not in ("", "cffi", "ctypes"):
        raise ImportError("PYHELPERS_BACKEND is %r; it can be cffi or ctypes" % wanted)
    path = find_library()
    if wanted != "ctypes":
        try:
            from pyhelpers._backend.by_cffi import Backend

            return Backend(path)
        except ImportError:
            # PyPy always has cffi; a failure there is one to be seen.
            if wanted == "cffi" or hasattr(sys, "pypy_version_info"):
                raise
    from pyhelpers._backend.by_ctypes import Backend

    return Backend(path)


def _check_abi(loaded):
    found = loaded.lib.ph_abi_version()
    if found != loaded.abi_version:
        raise ImportError(
            "%s speaks version %d of the ABI; this package needs version %d"
            % (loaded.path, found, loaded.abi_version)
        )


backend = _load()
_check_abi(backend)

VERSION = backend.text(backend.lib.ph_version())
