"""The backend over ctypes."""

import ctypes

from pyhelpers._backend import _ctypes_abi as abi
from pyhelpers._backend.library import check_functions


class _Library(object):
    """The functions of the C ABI, each with its prototype from its first use on."""

    def __init__(self, file):
        self._opened = ctypes.CDLL(file)

    def __getattr__(self, name):
        if name not in abi.FUNCTIONS:
            raise AttributeError(name)
        function = getattr(self._opened, name)
        function.restype, function.argtypes = abi.FUNCTIONS[name]
        setattr(self, name, function)
        return function


class _Address(int):
    """Where memory lies, which ctypes takes for a pointer at half the price, and the object that
    the memory belongs to, which must not be freed before."""


def _address(address, owner):
    kept = _Address(address)
    kept.owner = owner
    return kept


class Backend(object):
    name = "ctypes"
    null = None

    def __init__(self, file, path):
        self.path = path
        try:
            self.lib = _Library(file)
        except OSError as error:
            raise ImportError("%s cannot be loaded: %s" % (path, error))
        check_functions(path, self.lib, abi.FUNCTIONS, abi.PH_ABI_VERSION)

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
        return _address(ctypes.addressof(structure), structure)

    def dump(self, array, size):
        return ctypes.string_at(array, size)

    def load(self, name, raw):
        return getattr(abi, name).from_buffer_copy(raw)

    def store(self, structure, raw):
        ctypes.memmove(ctypes.addressof(structure), raw, len(raw))

    def at(self, name, address):
        return address

    def view(self, name, numbers):
        return _address(numbers.buffer_info()[0], numbers)

    def handle(self, name):
        return ctypes.c_void_p()

    def value(self, handle):
        return handle.value

    def buffer(self, size):
        return ctypes.create_string_buffer(size)

    def memory(self, name, size):
        memory = (ctypes.c_char * size)()
        return _address(ctypes.addressof(memory), memory), memory

    def part(self, memory, start):
        return (ctypes.c_char * (len(memory) - start)).from_buffer(memory, start)

    def address(self, pointer):
        return int(pointer)

    def text(self, result):
        return result if isinstance(result, str) else result.decode("utf-8")
