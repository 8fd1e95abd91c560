"""The backend over ctypes."""

import ctypes

from pyhelpers._backend import _ctypes_abi as abi


class _Library(object):
    """The functions of the C ABI, each with its prototype."""

    def __init__(self, path):
        library = ctypes.CDLL(path)
        for name, (result, arguments) in abi.FUNCTIONS.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)


class _Address(int):
    """Where a structure lies, which ctypes takes for a pointer at half the price, and the structure,
    which must not be freed before."""


class Backend(object):
    name = "ctypes"
    null = None
    abi_version = abi.PH_ABI_VERSION

    def __init__(self, path):
        self.path = path
        try:
            self.lib = _Library(path)
        except (OSError, AttributeError) as error:
            raise ImportError("%s cannot be loaded: %s" % (path, error))

    def constant(self, name):
        return getattr(abi, name)

    def new(self, name):
        return getattr(abi, name)()

    def array(self, name, count):
        return (getattr(abi, name) * count)()

    def sized(self, name):
        structure = self.new(name)
        structure.size = ctypes.sizeof(structure)
        return structure

    def as_dict(self, structure):
        values = ((field[0], getattr(structure, field[0])) for field in structure._fields_)
        return {
            name: self.as_dict(value) if isinstance(value, ctypes.Structure) else value
            for name, value in values
        }

    def ref(self, structure):
        return ctypes.byref(structure)

    def keep(self, structure):
        kept = _Address(ctypes.addressof(structure))
        kept.structure = structure
        return kept

    def dump(self, array, size):
        return ctypes.string_at(array, size)

    def load(self, name, raw):
        return getattr(abi, name).from_buffer_copy(raw)

    def at(self, name, address):
        return address

    def handle(self, name):
        return ctypes.c_void_p()

    def value(self, handle):
        return handle.value

    def buffer(self, size):
        return ctypes.create_string_buffer(size)

    def text(self, result):
        return result if isinstance(result, str) else result.decode("utf-8")
