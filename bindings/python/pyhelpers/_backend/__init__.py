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
tried. ``PYHELPERS_LIBRARY`` names the library; then it is looked for nowhere else.
"""

import os
import sys

from pyhelpers._backend.library import located

VARIABLE = "PYHELPERS_BACKEND"


def _load():
    """The backend, with the library open, and why it is not cffi's: None where it is, "" where
    cffi was not asked for."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "cffi", "ctypes"):
        raise ImportError("%s is %r; it can be cffi or ctypes" % (VARIABLE, wanted))
    Backend, why_not_cffi = _by_ctypes("") if wanted == "ctypes" else _by_cffi(wanted)
    with located() as (file, path):
        return Backend(file, path), why_not_cffi


def _by_cffi(wanted):
    try:
        from pyhelpers._backend.by_cffi import Backend
    # One of another age lacks what the declarations are made of.
    except (ImportError, AttributeError) as error:
        # PyPy always has cffi; a failure there is one to be seen.
        if wanted or hasattr(sys, "pypy_version_info"):
            raise ImportError(
                "cffi cannot be used: %s (%s is %r; cffi 1.12 or newer is needed)"
                % (error, VARIABLE, wanted)
            )
        return _by_ctypes(str(error))
    return Backend, None


def _by_ctypes(why_not_cffi):
    try:
        from pyhelpers._backend.by_ctypes import Backend
    except ImportError as error:
        others = "; nor can cffi: %s" % why_not_cffi if why_not_cffi else ""
        raise ImportError("ctypes cannot be used: %s%s" % (error, others))
    return Backend, why_not_cffi


def _is_being_run():
    """Whether this is `python -m pyhelpers`, which imports the package before it runs any of it."""
    outer, frame = None, sys._getframe()
    while frame.f_back:
        outer, frame = frame, frame.f_back
    # Another package that is run so may import this one, and do without it.
    names = outer.f_code.co_name, str(frame.f_locals.get("mod_name")).split(".")[0]
    return names == ("_get_module_details", "pyhelpers")


try:
    backend, why_not_cffi = _load()
except ImportError as error:
    if not _is_being_run():
        raise
    sys.stderr.write("pyhelpers cannot be loaded: %s\n" % error)
    sys.exit(2)

VERSION = backend.text(backend.lib.ph_version())
