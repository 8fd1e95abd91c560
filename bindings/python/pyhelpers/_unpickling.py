"""Unpickling of nothing but what is allowed."""

import io
import pickle
import sys
from types import FunctionType

try:
    import _compat_pickle as compatible
    import builtins
    import copyreg
except ImportError:
    # Python 2, whose names are those that the protocols up to 2 have.
    compatible = None
    import __builtin__ as builtins
    import copy_reg as copyreg


def allow_list(allowed):
    """A ``loads`` that finds only the classes, and other things that can be called, of a list.

    ``allowed``: names, "module.name", or the things themselves. Built-in containers and scalars
    need no mention. Anything else raises pickle.UnpicklingError before a module is imported for it.
    It keeps a pickle from calling what is not allowed, not from being large.
    """
    if isinstance(allowed, (str, bytes, type(u""))):
        raise TypeError("unpickler must be a list of names or classes, not a name")
    found = dict(_entry(each) for each in allowed)

    def find(module, name):
        key = module, name
        if compatible and key not in found:
            # What Python 2 calls it, and so the protocols that it reads.
            name_of_module = compatible.IMPORT_MAPPING.get(module, module)
            key = compatible.NAME_MAPPING.get(key, (name_of_module, name))
        if key in found:
            return found[key]()
        if module in _BUILTINS and name in _HARMLESS:
            return _unshared(_HARMLESS[name])
        if (module, name) == ("_codecs", "encode"):
            return _unshared(_encode)
        raise pickle.UnpicklingError("%s.%s is not allowed by unpickler=" % (module, name))

    return _loads_with(find)


def _entry(allowed):
    """Module and name of something that is allowed, and what gives it."""
    if isinstance(allowed, (str, type(u""))):
        module, dot, name = str(allowed).rpartition(".")
        if not (module and name):
            raise ValueError("an allowed name must be 'module.name', not %r" % (allowed,))
        return (module, name), lambda: _imported(module, name)
    name = getattr(allowed, "__qualname__", getattr(allowed, "__name__", None))
    if not callable(allowed) or name is None:
        raise TypeError("unpickler must have names and classes, not %r" % (allowed,))
    return (allowed.__module__, name), lambda: allowed


def _imported(module, name):
    __import__(module)
    return getattr(sys.modules[module], name)


def _loads_with(find):
    fast, slow = _fast_loads(find), _loads_by(_exact_unpickler(find))
    # Where nothing has an extension code, none can be in the cache of those.
    return lambda data: (slow if copyreg._inverted_registry else fast)(data)


def _fast_loads(find):
    if compatible or hasattr(sys, "pypy_version_info"):

        class Unpickler(pickle.Unpickler):
            def find_class(self, module, name):
                return find(module, name)

        return _loads_by(Unpickler)

    import cPickle

    def loads(data):
        unpickler = cPickle.Unpickler(io.BytesIO(data))
        unpickler.find_global = find
        return unpickler.load()

    return loads


def _loads_by(kind):
    return lambda data: kind(io.BytesIO(data)).load()


def _exact_unpickler(find):
    """The slow kind, which does not take what has an extension code (copyreg.add_extension) from
    the cache that all of the process share, and that asks no list."""

    class Unpickler(getattr(pickle, "_Unpickler", pickle.Unpickler)):
        def find_class(self, module, name):
            return find(module, name)

        def get_extension(self, code):
            if code not in copyreg._inverted_registry:
                raise pickle.UnpicklingError("no extension has the code %d" % code)
            self.append(find(*copyreg._inverted_registry[code]))

    return Unpickler


def _unshared(stand_in):
    """A copy: a pickle can set attributes of a function, which are to end with it."""
    if isinstance(stand_in, FunctionType):
        return FunctionType(stand_in.__code__, globals(), stand_in.__name__)
    return stand_in


def _encode(text, encoding):
    """Stands for ``_codecs.encode``, by which Python 3 has protocol 2 make bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError("_codecs.encode is allowed for bytes alone")
    return text.encode("latin-1")


def _empty():
    """Stands for ``bytes``, by which protocol 2 makes those of no length."""
    return b""


def _bytearray(*content):
    """Stands for ``bytearray``, which would take a number for its size."""
    is_bytes = len(content) == 1 and isinstance(content[0], bytes)
    # Other encodings may take minutes.
    is_text = len(content) == 2 and content[1] in ("latin-1", "latin1")
    if content and not is_bytes and not (is_text and isinstance(content[0], type(u""))):
        raise pickle.UnpicklingError("a bytearray is allowed of bytes alone")
    return bytearray(*content)


_BUILTINS = "builtins", "__builtin__"

#: What the built-in containers and scalars are made by that have no opcode of their own.
_HARMLESS = {
    "bytearray": _bytearray,
    "bytes": _empty,
    "complex": builtins.complex,
    "frozenset": builtins.frozenset,
    "set": builtins.set,
}
