"""The wheel and the sdist, on every interpreter, from an empty folder with nothing but them.

Each interpreter has pip install into a user folder of its own, runs a round trip of each family
with what is there, and has pip take it away again. Run after `make wheel`; needs binutils.
"""

import base64
import concurrent.futures
import csv
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from interpreters import DEPS, MATRIX, NEWEST, OLDEST, Interpreter, pip  # noqa: E402
from project import ROOT, VERSION, documented  # noqa: E402
from stepping import NOT_FOUND, NotFound  # noqa: E402

DIST = ROOT / "target" / "wheel" / "dist"
ROUND_TRIP = pathlib.Path(__file__).resolve().parent / "wheel_round_trip.py"
FAMILIES = ["handler", "peer", "broadcast", "tcp", "queue", "pipe", "stopwatch"]

#: pip of its own: none, or one that is too old for the wheel's name. These are the last for it.
PIPS = {OLDEST: "20.3.4", "python3.6": "21.3.1", "pypy2": "20.3.4", "pypy3": "24.0"}

#: Those that install from the sdist, beside the newest, which does from the checkout. What the
#: build makes is looked at here, not how fast it runs.
BUILDERS = [OLDEST, "pypy3"]
QUICK_BUILD = {
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}

#: Spares the download of setuptools where another cell shows it: `make wheel` has one.
UNISOLATED = "--no-build-isolation"

#: A class without an import line, and a module under the name that its project gave it.
OLD_PROGRAM = """from pyed.timers import timers
buffers = ReceiveQueue(("group",), 2, "rw")
buffers.receive("group", "idx", "unchanged")
assert timers().processtimer() > 0
print(buffers.extract("group", "idx"))
"""

#: No command takes longer than this unless it hangs.
SECONDS = 200


class Failed(AssertionError):
    """A command ended with another status than 0; the text is its output."""


class Place(object):
    """An empty folder, and an interpreter whose user folder is in there."""

    def __init__(self, name, folder):
        self.name = name
        self.python = Interpreter(name).path
        self.folder = folder
        self.user = folder / "user"
        self.folder.mkdir()

    def run(self, *arguments, **variables):
        """The output of the interpreter, in the empty folder."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not re.match("PYTHON|PYHELPERS|CARGO_(TARGET|BUILD|PROFILE)", name)
        }
        done = subprocess.run(
            [str(word) for word in (self.python,) + arguments],
            cwd=str(self.folder),
            env=dict(clean, PYTHONUSERBASE=str(self.user), **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            timeout=SECONDS,
        )
        if done.returncode:
            raise Failed("%s %s:\n%s" % (self.name, " ".join(map(str, arguments)), done.stdout))
        return done.stdout

    def pip(self, *arguments, **variables):
        path = [DEPS / ("pip-" + PIPS[self.name])] if self.name in PIPS else []
        if UNISOLATED in arguments:
            path.append(DEPS / "wheel")
        variables["PYTHONPATH"] = os.pathsep.join(map(str, path))
        # The folder is a temporary one, whatever a distribution wants its own to be.
        variables.update(PIP_BREAK_SYSTEM_PACKAGES="1", PIP_NO_CACHE_DIR="1")
        return self.run("-m", "pip", *arguments, **variables)

    def install(self, *what, **variables):
        # PyPy2 may put compiled files where that pip does not look for them.
        compiling = ["--no-compile"] if self.name == "pypy2" else []
        self.pip("install", "--user", *compiling, *what, **variables)

    def round_trip(self, *options):
        """What wheel_round_trip.py tells."""
        script = shutil.copy(str(ROUND_TRIP), str(self.folder))
        return json.loads(self.run(*options, script).splitlines()[-1])

    def uninstall(self):
        """Gives what is left behind. Each pip does so once: those between are all alike."""
        if self.name in MATRIX[2:-3]:
            return []
        self.pip("uninstall", "--yes", "pyhelpers")
        return sorted(str(path) for path in self.user.rglob("*pyhelpers*"))


def wheel_cell(name, folder):
    place = Place(name, folder)
    place.install("--no-index", the(".whl"))
    assert re.search("pyhelpers +" + re.escape(VERSION), place.run("-m", "pyhelpers"))
    (folder / "old.py").write_text(OLD_PROGRAM)
    assert place.run("-m", "pyhelpers.compat", "old.py") == "('unchanged',)\n"
    return place.round_trip(), place.user, place.uninstall()


def sdist_cell(name, folder):
    """The oldest Python builds the library too; the others have it built, cargo is the same."""
    place = Place(name, folder)
    if name == OLDEST:
        place.install(the(".tar.gz"), **QUICK_BUILD)
    else:
        built = folder / "libpyhelpers.so"
        built.write_bytes(library())
        place.install(UNISOLATED, the(".tar.gz"), PYHELPERS_PREBUILT=str(built))
    return place.round_trip(), place.user, place.uninstall()


def checkout_cell(name, folder):
    """`pip install .`, and an editable install after it, in a copy of the checkout."""
    place = Place(name, folder)
    tree = copy_of_checkout(folder / "tree")
    built = folder / "cargo"
    version = name[len("python") :].replace(".", "")
    earlier = tree / "build" / ("lib.linux-x86_64-cpython-" + version) / "pyhelpers"
    earlier.mkdir(parents=True)
    (earlier / "renamed.py").touch()
    place.install(tree, CARGO_TARGET_DIR=str(built), **QUICK_BUILD)
    assert list(built.glob("release/libpyhelpers.so")), "CARGO_TARGET_DIR was not minded"
    assert (earlier / "libpyhelpers.so").exists(), "the build is elsewhere"
    assert not list(place.user.rglob("renamed.py")), "a file of an earlier build was installed"
    installed = place.round_trip(), place.user, place.uninstall()
    shutil.move(str(built), str(tree / "target"))
    place.install("--editable", tree, **QUICK_BUILD)
    return installed, place.round_trip(), tree


def venv_cell(name, folder):
    """What an environment of its own says of its packages, and -I, which hides the user's."""
    place = Place(name, folder)
    place.run("-m", "venv", "--without-pip", "env")
    inside = folder / "env" / "bin" / "python"
    place.pip("--python", inside, "install", "--no-index", the(".whl"))
    checked = place.pip("--python", inside, "check")
    shown = place.pip("--python", inside, "show", "--files", "pyhelpers")
    place.python = str(inside)
    return checked, shown, place.round_trip("-I"), folder / "env"


def no_cargo_cell(name, folder):
    """What pip says where there is no cargo."""
    place = Place(name, folder)
    try:
        place.install(UNISOLATED, the(".tar.gz"), CARGO="cargo-that-is-not-there")
    except Failed as failed:
        return str(failed)
    return "it was installed"


def copy_of_checkout(target):
    """The files that stand in the repository, or will."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.check_output(listed, cwd=str(ROOT)).decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(ROOT / name), str(target / name))
    return target


def library():
    """The wheel's."""
    with zipfile.ZipFile(str(the(".whl"))) as archive:
        return archive.read("pyhelpers/libpyhelpers.so")


def the(suffix):
    """The one file in the folder that `make wheel` fills."""
    (path,) = DIST.glob("*" + suffix)
    return path


KINDS = [(sdist_cell, BUILDERS), (checkout_cell, [NEWEST]), (wheel_cell, MATRIX)]
ALONE = [(venv_cell, [NEWEST]), (no_cargo_cell, [NEWEST])]


class Installed(unittest.TestCase):
    """A method is added for each interpreter and each way to install."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        """Starts all cells; the tests wait for theirs. Half of their time they wait themselves."""
        for number in sorted(set(PIPS.values())):
            pip(DEPS / ("pip-" + number), "--no-deps", "pip==" + number)
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        pool = concurrent.futures.ThreadPoolExecutor(3)
        cls.addClassCleanup(pool.shutdown)
        cls.cells = {}
        for cell, names in KINDS + ALONE:
            for name in names:
                place = pathlib.Path(temporary.name, "%s-%s" % (cell.__name__, name))
                cls.cells[cell, name] = pool.submit(cell, name, place)

    def result(self, cell, name):
        try:
            return self.cells[cell, name].result()
        except NotFound as missing:
            self.skipTest(str(missing))

    def check_round_trip(self, told, below):
        self.assertEqual(told["families"], FAMILIES)
        self.assertEqual(told["version"], VERSION)
        self.assertIn(pathlib.Path(below).resolve(), pathlib.Path(told["package"]).parents)

    def check(self, cell, name):
        told, user, left = self.result(cell, name)
        self.check_round_trip(told, user)
        self.assertEqual(told["loaded"], [os.path.join(told["package"], "libpyhelpers.so")])
        self.assertEqual(left, [])

    def check_checkout(self, cell, name):
        (told, user, left), editable, tree = self.result(cell, name)
        self.check_round_trip(told, user)
        self.assertEqual(left, [])
        self.check_round_trip(editable, tree)
        library = tree.resolve() / "target" / "release" / "libpyhelpers.so"
        self.assertEqual(editable["loaded"], [str(library)])

    def test_an_environment_of_its_own(self):
        checked, shown, told, environment = self.result(venv_cell, NEWEST)
        self.assertIn("No broken requirements found", checked)
        self.assertIn("Version: " + VERSION, shown)
        self.assertIn("pyhelpers/libpyhelpers.so", shown)
        self.check_round_trip(told, environment)

    def test_without_cargo_the_way_to_get_it_is_named(self):
        self.assertIn("rustup", self.result(no_cargo_cell, NEWEST))


def add_methods():
    for cell, names in KINDS:
        check = Installed.check_checkout if cell is checkout_cell else Installed.check
        for name in names:
            kind = cell.__name__.split("_")[0]
            method = "test_%s_on_%s" % (kind, name.replace(".", "_"))
            setattr(Installed, method, lambda self, c=check, e=cell, n=name: c(self, e, n))


add_methods()


class Wheel(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.archive = zipfile.ZipFile(str(the(".whl")))
        self.addCleanup(self.archive.close)

    def metadata(self, name):
        path = "pyhelpers-%s.dist-info/%s" % (VERSION, name)
        return self.archive.read(path).decode("utf-8")

    def test_its_name_and_its_tags_are_those_of_every_python(self):
        platforms = ["manylinux_2_17_x86_64", "manylinux2014_x86_64"]
        name = "pyhelpers-%s-py2.py3-none-%s.whl" % (VERSION, ".".join(platforms))
        self.assertEqual(the(".whl").name, name)
        tags = re.findall("(?m)^Tag: (.*)", self.metadata("WHEEL"))
        wanted = {"py%d-none-%s" % (major, name) for major in (2, 3) for name in platforms}
        self.assertEqual(set(tags), wanted)

    def test_it_holds_the_package_and_nothing_else(self):
        package = ROOT / "bindings" / "python"
        sources = [path for path in package.glob("pyhelpers/**/*") if path.is_file()]
        kept = [path for path in sources if path.suffix in (".py", ".pyi", ".typed")]
        wanted = {str(path.relative_to(package)) for path in kept} | {"pyhelpers/libpyhelpers.so"}
        inside = {name for name in self.archive.namelist() if ".dist-info/" not in name}
        self.assertEqual(inside, wanted)

    def test_its_record_is_right(self):
        rows = list(csv.reader(self.metadata("RECORD").splitlines()))
        self.assertEqual({row[0] for row in rows}, set(self.archive.namelist()))
        for path, digest, size in rows:
            if not path.endswith("RECORD"):
                raw = self.archive.read(path)
                found = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
                self.assertEqual((digest, size), ("sha256=" + found, str(len(raw))), path)

    def test_its_metadata_says_what_it_is(self):
        text = self.metadata("METADATA")
        self.assertIn("\nVersion: %s\n" % VERSION, text)
        self.assertIn("\nLicense: MIT\n", text)
        self.assertIn("\nRequires-Python: >=2.7, ", text)
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        self.assertTrue(readme in text, "README.md is not that of the wheel: `make wheel`")


class Library(unittest.TestCase):
    """That zig's linker made of it what gcc's does."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.path = os.path.join(folder.name, "libpyhelpers.so")
        pathlib.Path(cls.path).write_bytes(library())

    def told_by(self, *command):
        return subprocess.check_output(command + (self.path,), universal_newlines=True)

    def test_it_exports_what_the_header_documents(self):
        lines = self.told_by("nm", "-D", "--defined-only").splitlines()
        self.assertEqual({line.split()[-1] for line in lines}, documented())

    def test_it_is_never_unloaded_and_has_a_soname(self):
        dynamic = self.told_by("readelf", "-dW")
        self.assertRegex(dynamic, r"FLAGS_1.*NODELETE")
        major = VERSION.split(".")[0]
        self.assertIn("Library soname: [libpyhelpers.so.%s]" % major, dynamic)

    def test_it_needs_no_glibc_above_2_17_and_nothing_but_glibc(self):
        versions = re.findall(r"GLIBC_(\d+)\.(\d+)", self.told_by("objdump", "-T"))
        self.assertEqual(max((int(major), int(minor)) for major, minor in versions), (2, 17))
        needed = re.findall(r"NEEDED.*\[(.*)\]", self.told_by("readelf", "-dW"))
        glibc = {"libc.so.6", "ld-linux-x86-64.so.2", "libpthread.so.0", "libdl.so.2"}
        self.assertEqual(set(needed) - glibc, set())

    def test_it_is_stripped(self):
        self.assertNotIn(".debug_", self.told_by("readelf", "-SW"))


class Sdist(unittest.TestCase):
    def test_it_holds_what_the_build_needs_and_nothing_else(self):
        with tarfile.open(str(the(".tar.gz"))) as archive:
            names = [name.split("/", 1)[1] for name in archive.getnames() if "/" in name]
        files = ["Cargo.toml", "Cargo.lock", "build.rs", "setup.py", "pyproject.toml"]
        files += ["MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "PKG-INFO", "setup.cfg"]
        files += ["src", "include", "bindings"]
        self.assertEqual({name.split("/")[0] for name in names}, set(files))
        for folder in "src", "include":
            here = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.*")}
            self.assertEqual(here - set(names), set())
        bindings = [name for name in names if name.startswith("bindings/python/")]
        self.assertEqual({name.split("/")[2] for name in bindings}, {"pyhelpers"})


if __name__ == "__main__":
    if not DIST.exists():
        print("the wheel (make wheel)")
        sys.exit(NOT_FOUND)
    unittest.main()
