"""What `make install` puts into a prefix is all that a C or C++ program needs.

From the project's root, after `make build`:  python3 tests/install/prefix.py
Installs below temporary folders only. Programs are built there with nothing but the prefix.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from project import ROOT, VERSION, documented  # noqa: E402
from stepping import NOT_FOUND  # noqa: E402

EXAMPLES = sorted((ROOT / "bindings" / "c" / "examples").glob("*.c"))
PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"

SONAME = "libpyhelpers.so." + VERSION.split(".")[0]

#: The tools with their packages.
TOOLS = {
    "gcc": "gcc",
    "g++": "g++",
    "make": "make",
    "nm": "binutils",
    "pkg-config": "pkg-config",
    "cmake": "cmake",
    "rustc": "rustc (rustup)",
}

#: A program that hangs has failed.
DEADLINE = 60

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
C = ["gcc", "-std=c11", "-D_DEFAULT_SOURCE", *WARNINGS]

#: Rust's std asks for these, and every C compiler links with them unasked.
COMPILERS_OWN = {"-lgcc_s", "-lc"}


def run(*command, **environment):
    """What a command printed; it must end well."""
    done = attempt(*command, **environment)
    assert done.returncode == 0, "%s\n%s%s" % (command, done.stdout, done.stderr)
    return done.stdout


def attempt(*command, **environment):
    return subprocess.run(
        [str(word) for word in command],
        cwd=str(ROOT),
        env=dict(os.environ, **{key: str(value) for key, value in environment.items()}),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def make(target, **variables):
    return run("make", target, *["%s=%s" % item for item in variables.items()])


def global_symbols(library, *options):
    lines = run("nm", "--extern-only", "--defined-only", "--format=posix", *options, library)
    # An archive's members are named, too: "PATH[MEMBER]:".
    return {line.split()[0] for line in lines.splitlines() if line and line[-1] != ":"}


def needed(program):
    """The shared libraries that a program asks for."""
    return set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program)))


def promised(example):
    """What an example says, in its first comment, that it prints."""
    comment = example.read_text().split("*/")[0]
    return re.sub(r"^ \* ", "", comment.split("Prints:\n")[1].rstrip(" "), flags=re.M)


class Installed(unittest.TestCase):
    """A folder, and a prefix in it, which all tests of a class share."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # The shell, sed and pkg-config each stumble over some of it.
        cls.prefix = cls.folder / "this & that #1"
        make("install", PREFIX=cls.prefix)

    def pkg_config(self, *options):
        path = self.prefix / "lib" / "pkgconfig"
        return shlex.split(run("pkg-config", *options, "pyhelpers", PKG_CONFIG_PATH=path))

    def prints(self, program, source, **environment):
        with self.subTest(source.name):
            done = attempt(program, **environment)
            if "libvirt0" in done.stderr and os.environ.get("CI") != "true":
                self.skipTest("libvirt0 is not installed")
            self.assertEqual((done.stdout, done.returncode), (promised(source), 0), done.stderr)


class Programs(Installed):
    def built(self, source, *flags):
        program = self.folder / (source.stem + "-" + self.id().split(".")[-1])
        run(*C, source, "-o", program, *flags)
        return program

    def test_pkg_config_builds_the_examples(self):
        self.assertGreater(len(EXAMPLES), 7)
        for source in EXAMPLES:
            program = self.built(source, *self.pkg_config("--cflags", "--libs"))
            self.assertIn(SONAME, needed(program))
            self.prints(program, source, LD_LIBRARY_PATH=self.prefix / "lib")

    def test_pkg_config_builds_static_programs(self):
        flags = self.pkg_config("--static", "--cflags", "--libs")
        for source in EXAMPLES:
            program = self.built(source, "-static", *flags)
            self.assertEqual(needed(program), set())
            if source.stem == "libvirt":
                # A static program of glibc's cannot open it, and is not to end by a signal.
                self.assertEqual(attempt(program).returncode, 1)
            else:
                self.prints(program, source)

    def test_cmake_builds_the_examples(self):
        build = self.folder / "cmake"
        options = ["-DCMAKE_PREFIX_PATH=%s" % self.prefix, "-DEXAMPLES=%s" % EXAMPLES[0].parent]
        run("cmake", "-S", PROGRAMS, "-B", build, *options, CFLAGS=" ".join(WARNINGS))
        run("cmake", "--build", build)
        for source in EXAMPLES:
            shared, static = build / source.stem, build / (source.stem + "-static")
            self.assertIn(SONAME, needed(shared))
            self.assertNotIn(SONAME, needed(static))
            self.prints(shared, source)
            self.prints(static, source)

    def test_cmake_finds_no_version_that_is_not_compatible(self):
        major, minor, _ = map(int, VERSION.split("."))
        this, later = "%d.%d" % (major, minor), "%d.%d" % (major, minor + 1)
        wanted = {
            "": True,
            VERSION: True,
            VERSION + " EXACT": True,
            this: True,
            later: False,
            str(major + 1): False,
            "0...%s" % this: True,
            "0...<%s" % this: False,
            "0...<%d" % (major + 1): True,
            "0...0.0.1": False,
            "%s...%d" % (later, major + 1): False,
        }
        (self.folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.19)\n"
            "project(versions NONE)\n"
            + "".join(
                "find_package(pyhelpers %s QUIET)\n"
                "message(STATUS \"%s: ${pyhelpers_FOUND}\")\n"
                "unset(pyhelpers_DIR CACHE)\n" % (version, version)
                for version in wanted
            )
            # A 32-bit one.
            + "set(CMAKE_SIZEOF_VOID_P 4)\n"
            "find_package(pyhelpers QUIET)\n"
            "message(STATUS \"4 bytes: ${pyhelpers_FOUND}\")\n"
        )
        build, option = self.folder / "versions", "-DCMAKE_PREFIX_PATH=%s" % self.prefix
        printed = run("cmake", "-S", self.folder, "-B", build, option)
        answers = re.findall("-- (.*): ([01])", printed)
        wanted["4 bytes"] = False
        self.assertEqual({version: answer == "1" for version, answer in answers}, wanted)

    def test_the_headers_compile_without_a_warning(self):
        include = self.pkg_config("--cflags")
        headers = [("pyhelpers.h", "c", "c99"), ("pyhelpers.h", "c", "c11")]
        headers += [("pyhelpers.h", "c++", "c++11"), ("pyhelpers.hpp", "c++", "c++17")]
        for header, language, standard in headers:
            command = ["gcc", "-fsyntax-only", *WARNINGS, *include, "-include", header]
            run(*command, "-x", language, "-std=" + standard, "/dev/null")

    def test_a_program_runs_without_what_only_a_compiler_needs(self):
        source = EXAMPLES[0].parent / "receive_queue.c"
        program = self.built(source, *self.pkg_config("--cflags", "--libs"))
        runtime = self.folder / "runtime"
        runtime.mkdir()
        for name in SONAME, "libpyhelpers.so." + VERSION:
            shutil.copy(self.prefix / "lib" / name, runtime / name, follow_symlinks=False)
        self.prints(program, source, LD_LIBRARY_PATH=runtime)

    def test_nothing_but_the_documented_is_global(self):
        library = self.prefix / "lib" / "libpyhelpers.so"
        self.assertEqual(global_symbols(library, "--dynamic"), documented())
        self.assertEqual(global_symbols(self.prefix / "lib" / "libpyhelpers.a"), documented())

    def test_a_panic_inside_is_caught(self):
        source = PROGRAMS / "panic.c"
        library = ["-l:libpyhelpers.a", *self.pkg_config("--static", "--libs-only-L")]
        shared = self.built(source, *self.pkg_config("--cflags", "--libs"))
        self.prints(shared, source, LD_LIBRARY_PATH=self.prefix / "lib")
        for how in [], ["-static"], ["-Wl,--gc-sections"]:
            static = self.built(source, *how, *self.pkg_config("--cflags"), *library)
            self.assertNotIn(SONAME, needed(static))
            self.prints(static, source)

    def test_another_rust_library_may_be_in_the_program(self):
        other = self.folder / "libother.a"
        rustc = ["rustc", "--crate-type=staticlib", "-Copt-level=1", "--print=native-static-libs"]
        done = attempt(*rustc, PROGRAMS / "other.rs", "-o", other)
        self.assertEqual(done.returncode, 0, done.stderr)
        source, ours = PROGRAMS / "two_libraries.c", self.prefix / "lib" / "libpyhelpers.a"
        flags = self.pkg_config("--cflags")
        for order in (ours, other), (other, ours):
            whole = ["-Wl,--whole-archive", *order, "-Wl,--no-whole-archive"]
            program = self.built(source, *flags, *whole)
            self.prints(program, source)
        asked = set(re.search(r"native-static-libs: (.*)", done.stderr).group(1).split())
        private = set(self.pkg_config("--static", "--libs-only-l")) - {"-lpyhelpers"}
        self.assertEqual(private, asked - COMPILERS_OWN)


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def found(self, root):
        """Everything below a folder that is not itself a folder."""
        return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_symlink() or p.is_file()}

    def expected(self, lib, include):
        names = ["libpyhelpers.a", "libpyhelpers.so", SONAME, "libpyhelpers.so." + VERSION]
        names += ["pkgconfig/pyhelpers.pc"]
        names += ["cmake/pyhelpers/pyhelpers-config%s.cmake" % part for part in ("", "-version")]
        headers = [path.name for path in (ROOT / "include").iterdir()]
        return {lib + "/" + name for name in names} | {include + "/" + name for name in headers}

    def test_uninstall_removes_what_install_put_there_and_nothing_else(self):
        foreign = self.folder / "lib" / "cmake" / "other.cmake"
        foreign.parent.mkdir(parents=True)
        foreign.touch()
        before = self.found(self.folder)
        # The second goes over the first.
        for _ in range(2):
            make("install", PREFIX=self.folder)
            self.assertEqual(self.found(self.folder) - before, self.expected("lib", "include"))
        (self.folder / "lib" / (SONAME + ".0.9")).touch()
        make("uninstall", PREFIX=self.folder)
        self.assertEqual(self.found(self.folder), before)
        self.assertFalse((foreign.parent / "pyhelpers").exists())

    def test_everybody_may_read_it(self):
        prefix = self.folder / "pre|fix"
        run("sh", "-c", "umask 077 && make install", PREFIX=prefix)
        for path in prefix.rglob("*"):
            if not path.is_symlink():
                is_program = path.is_dir() or path.name.endswith(".so." + VERSION)
                self.assertEqual(path.stat().st_mode & 0o777, 0o755 if is_program else 0o644, path)

    def test_a_folder_that_is_there_keeps_its_mode(self):
        private = self.folder / "include"
        private.mkdir(mode=0o700)
        make("install", PREFIX=self.folder)
        self.assertEqual(private.stat().st_mode & 0o777, 0o700)

    def test_a_distribution_may_stage_it_and_choose_its_folders(self):
        stage, lib = self.folder / "the stage", "/usr/lib/x86_64-linux-gnu"
        where = {"DESTDIR": stage, "PREFIX": "/usr", "LIBDIR": lib, "INCLUDEDIR": "/usr/include/ph"}
        make("install", **where)
        self.assertEqual(self.found(stage), self.expected(lib[1:], "usr/include/ph"))
        for name in self.found(stage):
            if not (stage / name).is_symlink():
                self.assertNotIn(b"the stage", (stage / name).read_bytes(), name)
        path = "%s%s/pkgconfig" % (stage, lib)
        keep = {"PKG_CONFIG_ALLOW_SYSTEM_LIBS": 1, "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": 1}
        query = ["pkg-config", "--cflags", "--libs", "pyhelpers"]
        flags = run(*query, PKG_CONFIG_PATH=path, **keep)
        self.assertEqual(flags.split(), ["-I/usr/include/ph", "-L" + lib, "-lpyhelpers"])
        # As on Debian, where CMake may come to /lib before it comes to /usr/lib.
        (stage / "lib").symlink_to("usr/lib")
        for found_by in stage / "usr", stage:
            folders = "%s%s" % (stage, lib), "%s/usr/include/ph" % stage
            self.assertEqual(self.targets(found_by), folders)
        (stage / "lib").unlink()
        make("uninstall", **where)
        self.assertEqual(self.found(stage), set())

    def test_its_libraries_may_lie_outside_of_the_prefix(self):
        lib, prefix = self.folder / "other" / "lib", self.folder / "prefix"
        make("install", PREFIX=prefix, LIBDIR="%s/" % lib)
        self.assertEqual(self.targets(lib.parent), (str(lib), "%s/include" % prefix))

    def targets(self, found_by):
        """The folders of the libraries and of the headers that find_package's targets name."""
        (self.folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.13)\n"
            "project(targets NONE)\n"
            "set(CMAKE_LIBRARY_ARCHITECTURE x86_64-linux-gnu)\n"
            "find_package(pyhelpers REQUIRED)\n"
            "foreach(target pyhelpers pyhelpers-static)\n"
            "    foreach(property IMPORTED_LOCATION INTERFACE_INCLUDE_DIRECTORIES)\n"
            "        get_target_property(value pyhelpers::${target} ${property})\n"
            "        message(STATUS \"value ${value}\")\n"
            "    endforeach()\n"
            "endforeach()\n"
        )
        build, option = self.folder / "build", "-DCMAKE_PREFIX_PATH=%s" % found_by
        printed = run("cmake", "-S", self.folder, "-B", build, option)
        shutil.rmtree(build)
        shared, include, static, again = re.findall(r"^-- value (.*)", printed, flags=re.M)
        lib = os.path.dirname(static)
        self.assertEqual(again, include)
        self.assertEqual(static, lib + "/libpyhelpers.a")
        self.assertEqual(shared, lib + "/libpyhelpers.so." + VERSION)
        return lib, include

    def test_a_relative_path_is_refused(self):
        for name in "PREFIX", "LIBDIR", "INCLUDEDIR":
            done = attempt("make", "install", name + "=relative", DESTDIR=self.folder)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("relative: PREFIX, LIBDIR and INCLUDEDIR are absolute", done.stderr)
            self.assertEqual(self.found(self.folder), set())

    def test_what_was_not_built_is_not_installed(self):
        for name in "packaging", "include":
            shutil.copytree(ROOT / name, self.folder / name)
        shutil.copy(ROOT / "Cargo.toml", self.folder)
        script = self.folder / "packaging" / "install.sh"
        done = attempt("sh", script, "install", PREFIX=self.folder / "prefix")
        self.assertEqual(done.returncode, 1)
        self.assertIn("run make build", done.stderr)
        self.assertFalse((self.folder / "prefix").exists())


if __name__ == "__main__":
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            print("not found: %s (apt install %s)" % (tool, package))
            sys.exit(NOT_FOUND)
    unittest.main()
