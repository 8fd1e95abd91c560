"""The library's exported symbols, the header's functions and Python's declarations are the same.

Run with the package and cffi importable: PYTHONPATH=bindings/python:.deps/tools
"""

import ctypes
import subprocess
import unittest

from project import HEADER, ROOT, documented

LIBRARY = ROOT / "target" / "release" / "libpyhelpers.so"


def exported():
    lines = subprocess.check_output(["nm", "-D", "--defined-only", LIBRARY], text=True)
    return {line.split()[-1] for line in lines.splitlines()}


class Abi(unittest.TestCase):
    maxDiff = None

    def test_every_exported_symbol_is_documented_in_the_header(self):
        self.assertEqual(exported(), documented())

    def test_ctypes_declares_what_is_exported(self):
        from pyhelpers._backend import _ctypes_abi

        self.assertEqual(exported(), set(_ctypes_abi.FUNCTIONS))

    def test_cffi_declares_what_is_exported(self):
        from pyhelpers._backend._cffi_abi import ffi

        names = dir(ffi.dlopen(str(LIBRARY)))
        self.assertEqual(exported(), {name for name in names if name.islower()})

    def test_both_backends_lay_structures_out_alike(self):
        from pyhelpers import _datagrams
        from pyhelpers._backend import _ctypes_abi
        from pyhelpers._backend._cffi_abi import ffi

        structures = [
            value
            for value in vars(_ctypes_abi).values()
            if isinstance(value, type) and issubclass(value, ctypes.Structure)
        ]
        self.assertGreater(len(structures), 5)
        for structure in structures:
            name = structure.__name__
            fields = [(field[0], getattr(structure, field[0]).offset) for field in structure._fields_]
            known = [(field, info.offset) for field, info in ffi.typeof(name).fields]
            self.assertEqual(fields, known, name)
            self.assertEqual(ctypes.sizeof(structure), ffi.sizeof(name), name)
        self.assertEqual(ffi.sizeof("ph_datagram_t"), _datagrams.SIZE)

    def test_the_header_stands_alone_in_c_and_cpp(self):
        for language, standard in (("c", "c99"), ("c", "c11"), ("c++", "c++11"), ("c++", "c++17")):
            command = ["gcc", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
            command += ["-include", str(HEADER), "-x", language, "-std=" + standard, "/dev/null"]
            result = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""), standard)


if __name__ == "__main__":
    unittest.main()
