"""The package and the library beside it in an empty folder: how they load, whatever the interpreter
was started with, what is said of a library that cannot be used, and two copies in one process.

    PYTHONPATH=.deps/test-python3.13 python3.13 tests/install/loading.py

Source for CPython 2.7 and 3.6 on, PyPy2 and PyPy3. Each load is a process of its own, which starts
in a folder that holds nothing and finds nothing but what the test has put beside it.
"""

import contextlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.join(ROOT, "bindings", "python", "pyhelpers")
NAME = "libpyhelpers.so"
BUILT = os.path.join(ROOT, "target", "release", NAME)

PY2 = sys.version_info[0] == 2
PYPY = hasattr(sys, "pypy_version_info")
#: Seconds after which a process hangs.
DEADLINE = 60

needs_cpython = unittest.skipIf(PYPY, "PyPy has cffi built in")


def module_of_subinterpreters():
    """The name of CPython's own module for them, None where it has none."""
    for name in "_interpreters", "_xxsubinterpreters":
        try:
            return importlib.import_module(name).__name__
        except ImportError:
            pass
    return None


#: Where the tests' own packages are, cffi among them.
PACKAGES = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
PACKAGES = [path for path in PACKAGES if not os.path.exists(os.path.join(path, "pyhelpers"))]

#: What each program begins with: where it finds the package.
PREAMBLE = """from __future__ import print_function
import sys
sys.path[:0] = %r
%s"""

#: A UDP round trip through native threads and a loop's timer; tells what it ran on.
TRAFFIC = """
import socket
from pyhelpers import EventLoop
from pyhelpers._backend import backend
from pyhelpers.udp_handler import UdpHandlerDest

udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
port = udp.getsockname()[1]
with UdpHandlerDest(udp.fileno(), event_fd=None) as handler:
    udp.close()
    handler.dispatch("127.0.0.1", port, b"hello")
    received = handler.get_recved_many(timeout=20)[0][2].decode()
fired = []
with EventLoop() as loop:
    loop.call_later(0.001, lambda: fired.append("timer") or loop.stop())
    loop.run()
print(received, fired[0], backend.name, backend.path)
"""


class Outcome(object):
    def __init__(self, code, out, err):
        self.code = code
        self.out, self.err = (text.decode("utf-8", "replace") for text in (out, err))

    def __repr__(self):
        return "status %r\n%s%s" % (self.code, self.out, self.err)


class InAnEmptyFolder(unittest.TestCase):
    """``self.site`` has what an installed package is; ``self.empty`` is where processes start."""

    @classmethod
    def setUpClass(cls):
        cls.folder = os.path.realpath(tempfile.mkdtemp())
        cls.empty = os.path.join(cls.folder, "empty")
        os.mkdir(cls.empty)
        cls.site = cls.installed("site")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def installed(cls, name, library=BUILT):
        """A folder with a copy of the package, and with a library in it."""
        site = os.path.join(cls.folder, name)
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", NAME)
        shutil.copytree(SOURCE, os.path.join(site, "pyhelpers"), ignore=ignored)
        if library:
            shutil.copyfile(library, os.path.join(site, "pyhelpers", NAME))
        return site

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def python(self, program, flags=(), site=None, packages=None, prefix=(), **environment):
        """Runs a program, which finds the package in ``site``, by default an installed one."""
        found = [site or self.site] + (PACKAGES if packages is None else packages)
        program = PREAMBLE % (found, program)
        command = list(prefix) + [sys.executable] + list(flags) + ["-c", program]
        return self.run_command(command, **environment)

    def module(self, *arguments, **environment):
        """Runs `python -m pyhelpers` with the package in ``site``, by default an installed one."""
        found = [environment.pop("site", self.site)] + PACKAGES
        prefix = environment.pop("prefix", [])
        command = list(prefix) + [sys.executable, "-m", "pyhelpers"] + list(arguments)
        return self.run_command(command, PYTHONPATH=os.pathsep.join(found), **environment)

    def run_command(self, command, **environment):
        kept = dict(
            (key, value)
            for key, value in os.environ.items()
            if key not in ("PYTHONPATH", "PYHELPERS_LIBRARY", "PYHELPERS_BACKEND")
        )
        process = subprocess.Popen(
            command,
            cwd=self.empty,
            env=dict(kept, PYTHONDONTWRITEBYTECODE="1", **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        watchdog = threading.Timer(DEADLINE, process.kill)
        watchdog.start()
        out, err = process.communicate()
        watchdog.cancel()
        return Outcome(process.returncode, out, err)

    def carries(self, outcome, backend=None, library=None):
        """It has run TRAFFIC, over this backend and library, without a word besides."""
        self.assertEqual((outcome.code, outcome.err), (0, ""), outcome)
        words = outcome.out.split()
        self.assertEqual(words[:2], ["hello", "timer"])
        self.assertIn(words[2], [backend] if backend else ["cffi", "ctypes"])
        self.assertEqual(words[3], library or os.path.join(self.site, "pyhelpers", NAME))

    def fails(self, outcome, *texts):
        """It ended with an ImportError that says all of this."""
        self.assertEqual((outcome.code, outcome.out), (1, ""), outcome)
        last = outcome.err.strip().splitlines()[-1]
        self.assertTrue(last.startswith("ImportError: "), outcome)
        for text in texts:
            self.assertIn(text, last)


class Started(InAnEmptyFolder):
    """However the interpreter was started."""

    def test_with_each_flag(self):
        rows = [["-O"], ["-OO", "-B"], ["-E", "-S"]]
        rows += [["-W", "error", "-bb"]] if PY2 else [["-I", "-W", "error", "-bb"]]
        for flags in rows:
            self.carries(self.python(TRAFFIC, flags))

    @needs_cpython
    def test_over_ctypes_without_docstrings_and_with_warnings_as_errors(self):
        outcome = self.python(TRAFFIC, ["-OO", "-W", "error"], PYHELPERS_BACKEND="ctypes")
        self.carries(outcome, "ctypes")

    def test_in_a_folder_that_nobody_may_write_to(self):
        site = self.installed("read only")
        for folder, _, names in os.walk(site):
            for name in names:
                os.chmod(os.path.join(folder, name), 0o444)
            os.chmod(folder, 0o555)
        try:
            outcome = self.python(TRAFFIC, site=site, prefix=without_privileges())
        finally:
            subprocess.check_call(["chmod", "-R", "u+w", site])
        self.assertEqual((outcome.code, outcome.err), (0, ""), outcome)
        self.assertTrue(outcome.out.startswith("hello timer "), outcome)

    def test_in_a_folder_whose_name_is_not_ascii(self):
        # The second is no UTF-8, which is the file system's own affair.
        for name in (b"\xc3\xbc", b"\xfc"):
            site = self.installed(name if PY2 else os.fsdecode(name))
            for backend in ["cffi"] if PYPY else ["cffi", "ctypes"]:
                outcome = self.module(site=site, LC_ALL="C.UTF-8", PYHELPERS_BACKEND=backend)
                self.assertEqual((outcome.code, outcome.err), (0, ""), outcome)
                self.assertIn("backend            " + backend, outcome.out)

    def test_in_a_child_that_was_forked(self):
        program = TRAFFIC + """
import os
sys.stdout.flush()
child = os.fork()
if not child:
    exec(sys.argv[1])
    sys.stdout.flush()
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
        # Python 3.12 warns of a fork beside native threads; all of ours have ended here.
        outcome = self.python("sys.argv[1:] = [%r]\n%s" % (TRAFFIC, program))
        self.assertEqual((outcome.code, outcome.err), (0, ""), outcome)
        first, second, status = outcome.out.splitlines()
        self.assertEqual((first, status), (second, "0"))

    def test_without_the_gil(self):
        if "free-threading" not in sys.version:
            self.skipTest("this interpreter has a GIL; a free-threaded one is not here")
        self.carries(self.python(TRAFFIC, ["-X", "gil=0", "-W", "error"]))


def without_privileges():
    """What to run a command with, so that modes of files hold for root too."""
    if os.getuid():
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


class Zipped(InAnEmptyFolder):
    """From a zip file on sys.path."""

    def zipped(self, site, name):
        path = self.path(name + ".zip")
        with contextlib.closing(zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)) as archive:
            for folder, _, names in os.walk(site):
                for file in names:
                    full = os.path.join(folder, file)
                    archive.write(full, os.path.relpath(full, site))
        return path

    def test_with_the_library_in_it(self):
        site = self.zipped(self.site, "full")
        temporary = self.path("temporary")
        os.mkdir(temporary)
        library = os.path.join(site, "pyhelpers", NAME)
        flags = ["-W", "error"]
        self.carries(self.python(TRAFFIC, flags, site=site, TMPDIR=temporary), library=library)
        self.assertEqual(os.listdir(temporary), [])
        about = self.module(site=site, TMPDIR=temporary)
        self.assertIn("%s (in a zip file)" % library, about.out, about)

    def test_by_a_path_that_is_not_the_shortest(self):
        self.zipped(self.site, "roundabout")
        site = os.path.join(self.empty, os.pardir, "roundabout.zip")
        library = self.path("roundabout.zip", "pyhelpers", NAME)
        self.carries(self.python(TRAFFIC, site=site), library=library)

    def test_with_the_library_elsewhere(self):
        site = self.zipped(self.installed("bare", library=None), "bare")
        self.carries(self.python(TRAFFIC, site=site, PYHELPERS_LIBRARY=BUILT), library=BUILT)
        place = os.path.join(site, "pyhelpers", NAME)
        self.fails(self.python(TRAFFIC, site=site), NAME + " not found", place)

    def test_with_no_room_to_take_it_out(self):
        site = self.zipped(self.site, "large")
        temporary = self.path("small")
        os.mkdir(temporary)
        limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        outcome = self.python(limit + TRAFFIC, site=site, TMPDIR=temporary)
        place = os.path.join(site, "pyhelpers", NAME)
        self.fails(outcome, place + " cannot be taken out of the zip file", "TMPDIR")
        self.assertEqual(os.listdir(temporary), [])

    def test_with_a_library_that_cannot_be_used(self):
        other = self.path("other")
        patched(other, {18: b"\xb7\0"})
        site = self.zipped(self.installed("other site", library=other), "other")
        place = os.path.join(site, "pyhelpers", NAME)
        temporary = self.path("other temporary")
        os.mkdir(temporary)
        self.fails(self.python(TRAFFIC, site=site, TMPDIR=temporary), place, "AArch64")
        self.assertEqual(os.listdir(temporary), [])


def patched(path, changes):
    """A copy of the library with other bytes in some places."""
    with open(BUILT, "rb") as file:
        raw = bytearray(file.read())
    for at, new in changes.items():
        raw[at : at + len(new)] = new
    with open(path, "wb") as file:
        file.write(bytes(raw))


class Unusable(InAnEmptyFolder):
    """A library that is missing, or that is there and cannot be used."""

    #: Tries to import the package with each of the files, and tells how that ended.
    PROGRAM = """
import os
for path in sys.argv[1:]:
    os.environ["PYHELPERS_LIBRARY"] = path
    try:
        import pyhelpers
        print("it was loaded")
    except ImportError as error:
        print(error)
    for name in [name for name in sys.modules if name.split(".")[0] == "pyhelpers"]:
        del sys.modules[name]
"""

    def errors(self, files, prefix=()):
        """What the ImportErrors say, for each backend a list."""
        program = "sys.argv[1:] = %r\n%s" % (files, self.PROGRAM)
        found = []
        for backend in ["cffi"] if PYPY else ["cffi", "ctypes"]:
            outcome = self.python(program, prefix=prefix, PYHELPERS_BACKEND=backend)
            self.assertEqual((outcome.code, outcome.err), (0, ""), outcome)
            found.append(outcome.out.splitlines())
        return found

    def test_none_is_there(self):
        site = self.installed("without", library=None)
        in_package = os.path.join(site, "pyhelpers", NAME)
        in_tree = os.path.join(os.path.dirname(os.path.dirname(site)), "target", "release", NAME)
        outcome = self.python(TRAFFIC, site=site)
        self.fails(outcome, NAME + " not found", in_package, in_tree, "PYHELPERS_LIBRARY")
        for arguments in [], ["doctor"]:
            run = self.module(*arguments, site=site)
            self.assertEqual((run.code, run.out), (2, ""), run)
            self.assertIn(in_package, run.err)
            self.assertNotIn("Traceback", run.err)

    def test_another_package_may_do_without_it(self):
        site = self.installed("does without", library=None)
        other = os.path.join(site, "other")
        os.mkdir(other)
        program = "try:\n    import pyhelpers\nexcept ImportError:\n    print('without')\n"
        for name, text in ("__init__.py", program), ("__main__.py", ""):
            with open(os.path.join(other, name), "w") as file:
                file.write(text)
        outcome = self.run_command([sys.executable, "-m", "other"], PYTHONPATH=site)
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "without\n", ""), outcome)

    def test_each_says_what_it_is(self):
        rows = [
            ("nothing", None, "PYHELPERS_LIBRARY is set to"),
            ("aarch64", {18: b"\xb7\0"}, "is for AArch64, 64-bit; this interpreter is x86-64"),
            ("i386", {4: b"\1", 18: b"\3\0"}, "is for x86, 32-bit"),
            ("s390", {5: b"\2", 18: b"\0\x16"}, "is for S390, 64-bit, big-endian"),
            ("odd", {18: b"\x39\x30"}, "is for machine 12345, 64-bit"),
            ("program", {16: b"\2\0"}, "is no shared library (another kind of ELF file)"),
            ("text", b"not a library\n", "is no shared library (not an ELF file)"),
            ("blank", b"", "is no shared library (not an ELF file)"),
            ("header", 40, "is no shared library (its ELF header is broken)"),
            ("table", 200, "is cut short"),
            ("tenth", os.path.getsize(BUILT) // 10, "is cut short"),
            ("folder", None, "is no file"),
            ("pipe", None, "is no file"),
        ]
        for name, content, _ in rows:
            self.make(self.path(name), content)
        os.mkdir(self.path("folder"))
        os.mkfifo(self.path("pipe"))
        for errors in self.errors([self.path(row[0]) for row in rows]):
            self.assertEqual(len(errors), len(rows), errors)
            for (name, _, text), error in zip(rows, errors):
                self.assertIn(self.path(name), error)
                self.assertIn(text, error)

    def make(self, path, content):
        if isinstance(content, dict):
            patched(path, content)
        elif isinstance(content, int):
            with open(BUILT, "rb") as whole, open(path, "wb") as file:
                file.write(whole.read(content))
        elif content is not None:
            with open(path, "wb") as file:
                file.write(content)

    def test_one_that_may_not_be_read(self):
        path = self.path("unreadable")
        shutil.copyfile(BUILT, path)
        os.chmod(path, 0)
        for errors in self.errors([path], without_privileges()):
            self.assertEqual(errors, ["%s cannot be read: Permission denied" % path])

    def test_one_of_another_version(self):
        other = self.compiled("other", "int ph_abi_version(void) { return 999; }")
        older = self.compiled("older", "int ph_abi_version(void) { return %d; }" % self.abi())
        foreign = self.compiled("foreign", "int unrelated(void) { return 1; }")
        needy = self.compiled("needy", "int nowhere(void); int f(void) { return nowhere(); }")
        wanted = [
            r"%s speaks version 999 of the ABI; this package needs version \d+$" % other,
            r"%s is older than this package: it lacks \d\d+ functions \((\w+, ){3}...\)$" % older,
            r"%s is not %s: it has no ph_abi_version$" % (foreign, NAME),
            r"%s cannot be loaded: .*nowhere" % needy,
        ]
        for errors in self.errors([other, older, foreign, needy]):
            self.assertEqual(len(errors), len(wanted), errors)
            for pattern, error in zip(wanted, errors):
                self.assertTrue(re.match(pattern, error), error)

    def abi(self):
        with open(os.path.join(SOURCE, "_backend", "_ctypes_abi.py")) as file:
            return int(re.search(r"^PH_ABI_VERSION = (\d+)", file.read(), flags=re.M).group(1))

    def compiled(self, name, source):
        path = self.path(name + ".so")
        gcc = ["gcc", "-shared", "-fPIC", "-w", "-Wl,-z,now", "-x", "c", "-", "-o", path]
        process = subprocess.Popen(gcc, stdin=subprocess.PIPE)
        process.communicate(source.encode())
        self.assertEqual(process.returncode, 0)
        return path


class Backends(InAnEmptyFolder):
    """A backend that was asked for, or is the better one, and is not there."""

    def test_a_name_that_is_none(self):
        outcome = self.python(TRAFFIC, PYHELPERS_BACKEND="Cffi")
        self.fails(outcome, "PYHELPERS_BACKEND is 'Cffi'", "it can be cffi or ctypes")

    @needs_cpython
    def test_cffi_is_not_installed(self):
        self.without("raise ImportError('No module named _cffi_backend')", "No module named")

    @needs_cpython
    def test_cffi_is_too_old_or_broken(self):
        self.without("", "FFI")
        self.without("raise ImportError('undefined symbol: PyInt_New')", "PyInt_New")
        self.without(self.OLD, "too old")

    #: What cffi was before 1.12, as far as the package looks.
    OLD = """
class FFI(object):
    def __init__(self, *_args, **_options):
        pass
    def from_buffer(self, *_args):
        raise TypeError("from_buffer() takes exactly 2 arguments")
"""

    def without(self, module, reason):
        """With this in place of cffi ctypes is used, unless cffi was asked for; each says why."""
        folder = tempfile.mkdtemp(dir=self.folder)
        with open(os.path.join(folder, "_cffi_backend.py"), "w") as file:
            file.write(module)
        self.carries(self.python(TRAFFIC, packages=[folder]), "ctypes")
        asked = "from pyhelpers._backend import why_not_cffi; print(why_not_cffi)"
        self.assertIn(reason, self.python(asked, packages=[folder]).out)
        outcome = self.python(TRAFFIC, packages=[folder], PYHELPERS_BACKEND="cffi")
        self.fails(outcome, "cffi cannot be used: ", reason, "PYHELPERS_BACKEND", "1.12 or newer")

    def test_neither_is_there(self):
        hide = "sys.modules['_cffi_backend'] = sys.modules['ctypes'] = None\n"
        outcome = self.python(hide + TRAFFIC)
        both = [] if PYPY else ["ctypes cannot be used: ", "nor can cffi: "]
        self.fails(outcome, "cffi", *both)


class Copies(InAnEmptyFolder):
    """Two copies of the package, each with a library of its own, in one process."""

    BOTH = """
import errno, os, signal, socket, time, warnings

def load(folder):
    for name in [name for name in sys.modules if name.split(".")[0] == "pyhelpers"]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    import pyhelpers, pyhelpers._backend, pyhelpers.event_loop, pyhelpers.udp_handler
    sys.path.remove(folder)
    return pyhelpers

def handler(package):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    made = package.udp_handler.UdpHandlerDest(udp.fileno(), event_fd=None)
    port = udp.getsockname()[1]
    udp.close()
    return made, port

def converse():
    (one, to_one), (two, to_two) = handler(first), handler(second)
    one.dispatch("127.0.0.1", to_two, b"to two")
    two.dispatch("127.0.0.1", to_one, b"to one")
    print([str(end.get_recved_many(timeout=20)[0][2].decode()) for end in (one, two)])
    return one, two

# Their threads are what the fork is tried with.
warnings.simplefilter("ignore")
first, second = map(load, sys.argv[1:])
"""

    def both(self, program):
        sites = self.site, self.path("copy")
        if not os.path.exists(sites[1]):
            self.installed("copy")
        program = "sys.argv[1:] = %r\n%s%s" % (list(sites), self.BOTH, program)
        return self.python(program)

    def lines(self, program):
        outcome = self.both(program)
        self.assertEqual((outcome.code, outcome.err), (0, ""), outcome)
        return outcome.out.splitlines()

    def test_work_side_by_side_and_in_a_child(self):
        found = self.lines("""
print(len(set(line.split()[-1] for line in open("/proc/self/maps") if "libpyhelpers" in line)))
one, two = converse()
sys.stdout.flush()
child = os.fork()
if not child:
    for inherited in one, two:
        try:
            inherited.queued_send()
        except OSError as error:
            print(errno.errorcode[error.errno])
    converse()
    sys.stdout.flush()
    os._exit(0)
print(os.waitpid(child, 0)[1])
one.dispatch_many([("127.0.0.1", 9, b"left to the end of the process")] * 1000)
""")
        spoken = "['to one', 'to two']"
        self.assertEqual(found, ["2", spoken, "EBADF", "EBADF", spoken, "0"])

    def test_a_handle_of_one_copy_is_none_of_the_other(self):
        found = self.lines("""
one, two = converse()
for mine, others in (first, two), (second, one):
    backend = mine._backend.backend
    number = (second if mine is first else first)._backend.backend.address(others._handle)
    token = backend.at("udph_t", number)
    print(errno.errorcode.get(-backend.lib.udph_queued_send(token)))
    print(errno.errorcode.get(-backend.lib.udph_close(token, 0, backend.null)))
one.stats(), two.stats()
""")
        self.assertEqual(found[1:], ["EBADF"] * 4)

    HEARING = """
loops = [package.EventLoop() for package in (first, second)]
heard = []
def hear():
    os.kill(os.getpid(), signal.SIGUSR1)
    for name, loop in zip(("first", "second"), loops):
        if loop:
            loop.run_once(0.05)
    print(" ".join(heard))
    sys.stdout.flush()
    del heard[:]
loops[0].add_signal(signal.SIGUSR1, lambda *_: heard.append("first"))
loops[1].add_signal(signal.SIGUSR1, lambda *_: heard.append("second"))
hear()
"""

    def test_of_two_that_hear_a_signal_the_later_does(self):
        found = self.lines(self.HEARING + """
loops[1].close()
loops[1] = None
hear()
loops[0].close()
""")
        self.assertEqual(found, ["second", "first"])

    def test_a_signal_that_both_have_heard_is_given_back(self):
        outcome = self.both(self.HEARING + """
loops[0].close()
loops[0] = None
hear()
loops[1].close()
os.kill(os.getpid(), signal.SIGUSR1)
print("it is swallowed for ever")
""")
        self.assertEqual((outcome.code, outcome.out), (-10, "second\nsecond\n"), outcome)

    def test_one_that_is_closed_stays_as_long_as_its_threads(self):
        found = self.lines("""
import ctypes
try:
    from _ctypes import dlclose
except ImportError:
    dlclose = ctypes.CDLL(None).dlclose
    dlclose.argtypes = [ctypes.c_void_p]
path = first._backend.backend.path
one, two = converse()
for _ in range(9):
    dlclose(ctypes.CDLL(path)._handle)
    dlclose(ctypes.CDLL(path)._handle)
again = ctypes.CDLL(path)
dlclose(again._handle)
print(path in open("/proc/self/maps").read())
converse()
again = ctypes.CDLL(path)
again.ph_version.restype = ctypes.c_char_p
print(again.ph_version().decode() == first.__version__)
""")
        self.assertEqual([found[1], found[3]], ["True", "True"], found)


class Doctor(InAnEmptyFolder):
    """`python -m pyhelpers doctor` on machines that lack something."""

    def warns(self, name, text, script, *arguments):
        """The doctor, started by a shell's script, ends with status 1 and warns of this."""
        outcome = self.module("doctor", prefix=["sh", "-ec", script, "sh"] + list(arguments))
        self.assertEqual((outcome.code, outcome.err), (1, ""), outcome)
        found = re.findall("^warn +%s +(.*)$" % name, outcome.out, flags=re.M)
        self.assertEqual(len(found), 1, outcome)
        self.assertIn(text, found[0])
        return outcome

    def unshared(self, kind):
        """What a script begins with to have namespaces of its own; a skip where none may be had."""
        can = subprocess.Popen(["unshare", kind, "true"], stderr=subprocess.PIPE)
        reason = can.communicate()[1]
        if can.returncode:
            self.skipTest("no namespace is permitted: %s" % reason.decode().strip())
        return ["unshare", kind]

    def test_few_descriptors(self):
        script = 'ulimit -Sn 64; exec "$@"'
        outcome = self.warns("open files", "ulimit -n 1024", script)
        self.assertNotIn("\nunknown", outcome.out)

    def test_a_report_that_cannot_be_written_is_no_verdict(self):
        outcome = self.module("doctor", prefix=["sh", "-c", 'exec "$@" >/dev/full', "sh"])
        self.assertNotIn(outcome.code, (0, 1), outcome)
        self.assertIn("cannot write: ", outcome.err)

    def test_a_reader_that_has_seen_enough(self):
        outcome = self.module("doctor", prefix=["sh", "-c", '"$@" | true', "sh"])
        self.assertEqual((outcome.code, outcome.err), (0, ""), outcome)

    def test_no_network(self):
        command = self.unshared("--net")
        outcome = self.warns("loopback", "ip link set lo up", 'exec %s "$@"' % " ".join(command))
        self.assertIn("\nunknown  UDP GSO", outcome.out)

    def test_no_proc_sys(self):
        script = "mount -t tmpfs none /proc/sys; ulimit -Sn 64; exec \"$@\""
        wrapped = "exec %s sh -ec '%s' sh \"$@\"" % (" ".join(self.unshared("--mount")), script)
        outcome = self.warns("open files", "ulimit", wrapped)
        self.assertIn("\nunknown  backlog", outcome.out)


SUBINTERPRETERS = module_of_subinterpreters()


@unittest.skipUnless(SUBINTERPRETERS, "this interpreter has no subinterpreters")
class Subinterpreters(InAnEmptyFolder):
    """The package in several interpreters of one process, beside the first one or without it."""

    PROGRAM = """
import os
import %s as interpreters

def run(program):
    made = interpreters.create(*kind[0], **kind[1])
    # Newer ones give the exception, older ones raise it.
    error = interpreters.run_string(made, program)
    if error:
        raise RuntimeError(error.formatted)
    interpreters.destroy(made)

traffic, left = sys.argv[1:]
for _ in range(2):
    run(traffic)
exec(traffic)
run(traffic)
run(left)
print(len(os.listdir("/proc/self/task")))
""" % SUBINTERPRETERS

    #: Ends with a handler that has something to send, and a loop that hears of timers.
    LEFT = """
import socket
from pyhelpers import EventLoop
from pyhelpers.udp_handler import UdpHandlerDest
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
kept = UdpHandlerDest(udp.fileno(), event_fd=None, send_reactors=2)
kept.dispatch_many([("127.0.0.1", udp.getsockname()[1], b"x")] * 1000)
loop = EventLoop()
loop.call_every(0.001, print)
"""

    def within(self, kind):
        programs = [PREAMBLE % ([self.site] + PACKAGES, text) for text in (TRAFFIC, self.LEFT)]
        program = "kind = %r\nsys.argv[1:] = %r\n%s" % (kind, programs, self.PROGRAM)
        return self.python(program)

    def test_each_works_and_leaves_no_thread(self):
        kinds = [((), {})]
        if sys.version_info >= (3, 13):
            kinds = [(("legacy",), {}), (("isolated",), {})]
        elif sys.version_info >= (3, 12):
            # Neither ctypes nor cffi can be imported in one of 3.12 that is isolated.
            kinds = [((), {"isolated": False})]
        for kind in kinds:
            outcome = self.within(kind)
            self.assertEqual((outcome.code, outcome.err), (0, ""), outcome)
            lines = outcome.out.splitlines()
            self.assertEqual([line.split()[:2] for line in lines[:-1]], [["hello", "timer"]] * 4)
            self.assertEqual(lines[-1], "1")


if __name__ == "__main__":
    unittest.main()
