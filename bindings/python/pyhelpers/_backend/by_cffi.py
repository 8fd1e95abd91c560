"""The backend over cffi, in its out-of-line ABI mode."""

from pyhelpers._backend._cffi_abi import ffi
from pyhelpers._backend.library import check_functions

try:
    ffi.from_buffer("uint8_t[]", b"")
except TypeError:
    raise ImportError("cffi is too old; 1.12 is needed")

# Zeroing a buffer would touch memory that most calls never use.
_uncleared = ffi.new_allocator(should_clear_after_alloc=False)


class Backend(object):
    name = "cffi"
    null = ffi.NULL

    def __init__(self, file, path):
        self.path = path
        try:
            self.lib = _opened(file)
        except OSError as error:
            raise ImportError("%s cannot be loaded: %s" % (path, error))
        names = [name for name in dir(self.lib) if name.islower()]
        missing = ffi.error, AttributeError
        check_functions(path, self.lib, names, self.lib.PH_ABI_VERSION, missing)

    def constant(self, name):
        return getattr(self.lib, name)

    def new(self, name):
        return ffi.new(name + " *")

    def array(self, name, count):
        return ffi.new(name + "[]", count)

    def sized(self, name):
        structure = self.new(name)
        structure.size = ffi.sizeof(name)
        return structure

    def as_dict(self, structure):
        values = ((name, getattr(structure, name)) for name, _ in _structure(structure).fields)
        return {
            name: self.as_dict(value) if isinstance(value, ffi.CData) else value
            for name, value in values
        }

    def ref(self, structure):
        is_pointer = ffi.typeof(structure).kind == "pointer"
        return structure if is_pointer else ffi.addressof(structure)

    def keep(self, structure):
        return structure

    def dump(self, array, size):
        return ffi.buffer(array, size)[:]

    def load(self, name, raw):
        structure = ffi.new(name + " *")
        ffi.buffer(structure)[:] = raw
        return structure

    def store(self, structure, raw):
        ffi.buffer(self.ref(structure), len(raw))[:] = raw

    def at(self, name, address):
        return ffi.cast(name + " *", address)

    def view(self, name, numbers):
        return ffi.from_buffer(name + "[]", numbers)

    def handle(self, name):
        return ffi.new(name + " **")

    def value(self, handle):
        return handle[0]

    def buffer(self, size):
        return _uncleared("uint8_t[]", size)

    def memory(self, name, size):
        memory = ffi.buffer(_uncleared("uint8_t[]", size))
        return ffi.from_buffer(name + "[]", memory), memory

    def part(self, memory, start):
        return ffi.buffer(ffi.from_buffer(memory) + start, len(memory) - start)

    def address(self, pointer):
        return int(ffi.cast("uintptr_t", ffi.cast("void *", pointer)))

    def text(self, result):
        text = ffi.string(result)
        return text if isinstance(text, str) else text.decode("utf-8")


def _opened(path):
    try:
        return ffi.dlopen(path)
    except UnicodeEncodeError:
        # cffi takes nothing but UTF-8, which a path need not be.
        with open(path, "rb") as file:
            return ffi.dlopen("/proc/self/fd/%d" % file.fileno())


def _structure(structure):
    kind = ffi.typeof(structure)
    return kind.item if kind.kind == "pointer" else kind
