"""Finding the library, and telling what is wrong with one that cannot be used, as far as no process
of its own is needed; tests/install/loading.py has the rest."""

import os
import shutil
import struct
import tempfile
import unittest

from support import HandlerTest

from pyhelpers import _backend
from pyhelpers._backend import backend, elf, library

NAME = "libpyhelpers.so"


class LoadingTest(HandlerTest):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def environment(self, name, value):
        """Sets a variable until the test's end."""
        before = os.environ.get(name)
        os.environ[name] = value
        self.addCleanup(self._put_back, name, before)

    @staticmethod
    def _put_back(name, value):
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value

    def file(self, content):
        path = os.path.join(self.folder, "library")
        with open(path, "wb") as file:
            file.write(content)
        return path


class Places(LoadingTest):
    def located(self):
        with library.located() as (file, path):
            return file, path

    def test_the_one_that_is_loaded(self):
        self.assertEqual(self.located(), (backend.path, backend.path))
        with open("/proc/self/maps") as maps:
            self.assertIn(os.path.realpath(backend.path), maps.read())

    def test_the_variable_comes_first_and_is_a_path(self):
        shutil.copyfile(backend.path, os.path.join(self.folder, "mine"))
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.folder)
        # The dynamic linker would look for a name without a slash among the system's libraries.
        self.environment(library.VARIABLE, "mine")
        path = os.path.join(os.getcwd(), "mine")
        self.assertEqual(self.located(), (path, path))

    def test_nothing_else_is_tried_when_the_variable_is_set(self):
        self.environment(library.VARIABLE, "/nowhere/at/all.so")
        message = str(self.refused(ImportError, self.located))
        self.assertIn("PYHELPERS_LIBRARY is set to /nowhere/at/all.so", message)

    def test_an_empty_variable_is_none(self):
        self.environment(library.VARIABLE, "")
        self.assertEqual(self.located()[1], backend.path)

    def test_every_place_is_named(self):
        kept = library.__file__
        self.addCleanup(setattr, library, "__file__", kept)
        package = os.path.join(self.folder, "a", "b", "pyhelpers")
        library.__file__ = os.path.join(package, "_backend", "library.py")
        message = str(self.refused(ImportError, self.located))
        for place in (
            os.path.join(self.folder, "a", "b", "pyhelpers", NAME),
            os.path.join(self.folder, "target", "release", NAME),
            library.VARIABLE,
        ):
            self.assertIn(place, message)


class Elf(LoadingTest):
    def setUp(self):
        super(Elf, self).setUp()
        with open(backend.path, "rb") as file:
            self.raw = bytearray(file.read())
        # What is behind the last segment is for debuggers, and costs time.
        self.table, = struct.unpack_from("<Q", self.raw, 32)
        self.entry, self.count = struct.unpack_from("<HH", self.raw, 54)
        segments = range(self.table, self.table + self.entry * self.count, self.entry)
        del self.raw[max(map(self.end_of, segments)) :]

    def end_of(self, segment):
        return sum(struct.unpack_from("<Q", self.raw, segment + at)[0] for at in (8, 32))

    def complaint(self, content):
        path = self.file(bytes(content))
        message = str(self.refused(ImportError, elf.check, path, "its name"))
        self.assertTrue(message.startswith("its name "), message)
        return message

    def changed(self, changes):
        raw = bytearray(self.raw)
        for at, new in changes.items():
            raw[at : at + len(new)] = new
        return raw

    def test_a_good_one(self):
        elf.check(self.file(bytes(self.raw)), "its name")

    def test_one_of_another_machine(self):
        for changes, text in [
            ({18: b"\xb7\0"}, "is for AArch64, 64-bit; this interpreter is x86-64, 64-bit"),
            ({4: b"\1", 18: b"\x28\0"}, "is for Arm, 32-bit; this"),
            ({5: b"\2", 18: b"\0\x16"}, "is for S390, 64-bit, big-endian; this"),
            ({18: b"\xff\xfe"}, "is for machine 65279, 64-bit; this"),
        ]:
            self.assertIn(text, self.complaint(self.changed(changes)))

    def test_no_library_at_all(self):
        for content in (b"", b"\x7fEL", b"#!/bin/sh\n"):
            self.assertIn("not an ELF file", self.complaint(content))
        for content in (b"\x7fELF", b"\x7fELF\2\1", self.changed({4: b"\7"}), self.raw[:40]):
            self.assertIn("header is broken", self.complaint(content))
        self.assertIn("header is broken", self.complaint(self.changed({54: b"\1\0"})))
        self.assertIn("another kind of ELF file", self.complaint(self.changed({16: b"\2\0"})))

    def test_every_cut_before_the_end_of_what_is_loaded(self):
        # The dynamic linker ends the process (SIGBUS) at some of these.
        end = len(self.raw)
        headers = self.table + self.entry * self.count
        for size in (64, 100, headers - 1, 4096, end // 2, end - 1):
            self.assertIn("is cut short", self.complaint(self.raw[:size]))

    def test_program_headers_at_the_end(self):
        # patchelf, by which wheels are mended, puts them there.
        headers = self.raw[self.table : self.table + self.entry * self.count]
        moved = self.changed({32: struct.pack("<Q", len(self.raw))}) + headers
        elf.check(self.file(bytes(moved)), "its name")
        self.assertIn("is cut short", self.complaint(moved[:-1]))

    def test_a_header_of_nonsense_is_refused_in_words(self):
        self.raw = self.raw[:4096]
        for at in range(4, 64):
            for value in (b"\0", b"\xff"):
                path = self.file(bytes(self.changed({at: value})))
                try:
                    elf.check(path, "its name")
                except ImportError:
                    pass  # Anything else is the failure.

    def test_what_is_no_file(self):
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        for path in (self.folder, fifo, "/dev/zero"):
            self.assertIn("is no file", str(self.refused(ImportError, elf.check, path, "x")))
        path = os.path.join(self.folder, "none")
        self.assertIn("cannot be read", str(self.refused(ImportError, elf.check, path, "x")))


class Functions(LoadingTest):
    """What is checked of a library that is open."""

    class Library(object):
        def __init__(self, version, *names):
            self.ph_abi_version = lambda: version
            for name in names:
                setattr(self, name, None)

    def complaint(self, opened, names=("a", "b", "c", "d")):
        message = str(self.refused(ImportError, library.check_functions, "/it", opened, names, 3))
        self.assertTrue(message.startswith("/it "), message)
        return message

    def test_all_is_there(self):
        library.check_functions("/it", self.Library(3, "a", "b"), ["a", "b"], 3)

    def test_another_version_is_told_before_what_it_lacks(self):
        for version in (2, 4, 999):
            wanted = "speaks version %d of the ABI; this package needs version 3" % version
            self.assertIn(wanted, self.complaint(self.Library(version)))

    def test_what_is_lacking_is_named(self):
        self.assertIn("lacks 1 functions (b)", self.complaint(self.Library(3, "a", "c", "d")))
        self.assertIn("lacks 4 functions (a, b, c, ...)", self.complaint(self.Library(3)))
        self.assertIn("has no ph_abi_version", self.complaint(object()))

    def test_a_library_of_somebody_else(self):
        with open("/proc/self/maps") as maps:
            path = [line.split()[-1] for line in maps if "/libc.so." in line or "/libc-" in line][0]
        message = str(self.refused(ImportError, type(backend), path, "/it"))
        self.assertEqual(message, "/it is not libpyhelpers.so: it has no ph_abi_version")


class Backends(LoadingTest):
    def test_a_wrong_name_is_told_the_right_ones(self):
        for name in ("Cffi", "cffi ", "ctype", "none", "0"):
            self.environment(_backend.VARIABLE, name)
            message = str(self.refused(ImportError, _backend._load))
            self.assertIn("PYHELPERS_BACKEND is %r" % name, message)
            self.assertIn("cffi or ctypes", message)

    def test_the_one_that_was_asked_for(self):
        self.assertEqual(backend.name, os.environ.get(_backend.VARIABLE, backend.name))
        self.assertEqual(_backend.why_not_cffi is None, backend.name == "cffi")


if __name__ == "__main__":
    unittest.main()
