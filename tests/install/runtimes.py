#!/usr/bin/env python3
"""LuaJIT, Ruby, Node and Java load the library that was built, and do what their examples say.

    tests/install/runtimes.py

Each gets an empty folder with a library, a header and the files of its language, and nothing else.
koffi, which Node needs, is installed below .deps/node. Exit status 3: a runtime is not there; what
is tested without it, and the last line tells which package has it.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from project import ROOT  # noqa: E402
from stepping import NOT_FOUND  # noqa: E402

LIBRARY = ROOT / "target" / "release" / "libpyhelpers.so"
NODE_MODULES = ROOT / ".deps" / "node" / "node_modules"
JNA = "/usr/share/java/jna.jar"

PRINTED = {
    "udp echo": "100 answers, the last one: datagram 99\n",
    "receive queue": "".join("node-1: %d\n" % n for n in range(21, 30, 2)),
    "event loop": "tick 1\ntick 2\ntick 3\n",
    "misuse": (
        "NULL for a handle: -9\n"
        "a closed handle: -9\n"
        "closed twice: -9\n"
        "a handle of another kind: -9\n"
        "NULL for an output: -22\n"
        "left open: a handler\n"
    ),
}

#: What is not there, as the closing line names it.
missing = set()


def needs(is_there, what):
    if not is_there:
        missing.add(what)
        raise unittest.SkipTest("%s is not here" % what)


def structures():
    """Each structure of the header with the names of its fields."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "include" / "pyhelpers.h").read_text(), flags=re.S)
    for fields, name in re.findall(r"^typedef struct \{(.*?)\} (\w+);", text, flags=re.S | re.M):
        yield name, re.findall(r"(\w+)(?:\[\d+\])?;", fields)


def compiled():
    """How the C compiler lays the structures out: "ph_addr_t 24", and "ph_addr_t.port 20"."""
    needs(shutil.which("gcc"), "gcc (apt install gcc)")
    lines = []
    for name, fields in structures():
        lines.append('printf("%s %%zu\\n", sizeof(%s));' % (name, name))
        for field in fields:
            where = (name, field, name, field)
            lines.append('printf("%s.%s %%zu\\n", offsetof(%s, %s));' % where)
    code = "#include <pyhelpers.h>\n#include <stdio.h>\nint main(void) {\n%s\n}\n"
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "layout")
        command = ["gcc", "-I%s" % (ROOT / "include"), "-xc", "-", "-o", str(program)]
        subprocess.run(command, input=code % "\n".join(lines), text=True, check=True)
        printed = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    return sorted(printed.stdout.splitlines())


class Examples(object):
    """The tests of each language; a class for each says how its programs are run."""

    #: The folder's name below bindings/.
    language = ""

    #: Why nothing of it can be tested here.
    absent = None

    @classmethod
    def setUpClass(cls):
        try:
            cls.find()
        except unittest.SkipTest as absent:
            cls.absent = str(absent)
            return
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        for name in "include", "lib", "bindings":
            (cls.folder / name).mkdir()
        shutil.copy(str(LIBRARY), str(cls.folder / "lib" / "libpyhelpers.so.0"))
        shutil.copy(str(ROOT / "include" / "pyhelpers.h"), str(cls.folder / "include"))
        cls.programs = cls.folder / "bindings" / cls.language
        built = shutil.ignore_patterns("node_modules", "classes")
        shutil.copytree(str(ROOT / "bindings" / cls.language), str(cls.programs), ignore=built)
        cls.prepare()

    def setUp(self):
        if self.absent:
            self.skipTest(self.absent)

    @classmethod
    def find(cls):
        """Raises SkipTest where the runtime is not there."""

    @classmethod
    def prepare(cls):
        """What is done once before programs are run."""

    @classmethod
    def command(cls, example):
        raise NotImplementedError

    @classmethod
    def call(cls, *command, **environment):
        clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [str(word) for word in command],
            cwd=str(cls.programs),
            env=dict(clean, NODE_PATH=str(NODE_MODULES), **environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def run_example(self, example, **environment):
        """Runs it with the library as an installed one is found."""
        path = str(self.folder / "lib")
        return self.call(*self.command(example), LD_LIBRARY_PATH=path, **environment)

    def check(self, example):
        done = self.run_example(example)
        self.assertEqual((done.stdout, done.stderr, done.returncode), (PRINTED[example], "", 0))

    def test_udp_echo(self):
        self.check("udp echo")

    def test_receive_queue(self):
        self.check("receive queue")

    def test_event_loop(self):
        self.check("event loop")

    def test_wrong_use_is_an_error_of_the_language_and_no_crash(self):
        self.check("misuse")

    #: A command that prints the size of each structure; the names are its last arguments.
    sizes = []

    def test_structures_lie_as_in_c(self):
        names = [name for name, _ in structures()]
        done = self.call(*(self.sizes + names), LD_LIBRARY_PATH=str(self.folder / "lib"))
        wanted = [line for line in compiled() if "." not in line]
        self.assertEqual((sorted(done.stdout.splitlines()), done.stderr), (wanted, ""))

    def test_a_library_that_is_not_there_is_named(self):
        done = self.run_example("misuse", PYHELPERS_LIBRARY="/nowhere/libpyhelpers.so")
        self.assertEqual((done.stdout, done.returncode > 0), ("", True))
        self.assertIn("/nowhere/libpyhelpers.so", done.stderr)

    def test_a_header_that_is_not_there_is_named(self):
        done = self.run_example("misuse", PYHELPERS_HEADER="/nowhere/pyhelpers.h")
        self.assertEqual((done.stdout, done.returncode > 0), ("", True))
        self.assertIn("/nowhere/pyhelpers.h", done.stderr)

    def test_a_header_of_another_abi_version_is_refused(self):
        text = (self.folder / "include" / "pyhelpers.h").read_text()
        other = self.folder / "other.h"
        other.write_text(text.replace("#define PH_ABI_VERSION ", "#define PH_ABI_VERSION 9"))
        done = self.run_example("misuse", PYHELPERS_HEADER=str(other))
        self.assertEqual((done.stdout, done.returncode > 0), ("", True))
        self.assertIn("pyhelpers.h is of another ABI version", done.stderr)


class LuaJIT(Examples, unittest.TestCase):
    language = "luajit"
    sizes = [
        *["luajit", "-l", "pyhelpers", "-e"],
        "for _, name in ipairs(arg) do print(name .. ' ' .. require('ffi').sizeof(name)) end",
        "-",
    ]

    @classmethod
    def find(cls):
        needs(shutil.which("luajit"), "luajit (apt install luajit)")

    @classmethod
    def command(cls, example):
        return ["luajit", example.replace(" ", "_") + ".lua"]


class Ruby(Examples, unittest.TestCase):
    language = "ruby"
    sizes = [
        *["ruby", "-r./pyhelpers", "-e"],
        "ARGV.each { |n| puts n + ' %d' % Pyhelpers.const_get(Pyhelpers.name_of(n)).size }",
    ]

    @classmethod
    def find(cls):
        needs(shutil.which("ruby"), "ruby (apt install ruby)")

    @classmethod
    def command(cls, example):
        return ["ruby", "-w", example.replace(" ", "_") + ".rb"]

    def test_lengths_are_in_bytes(self):
        def with_accents(text):
            return text.replace("telemetry", "télémétrie").replace("node-", "nöd-")

        source = (self.programs / "receive_queue.rb").read_text(encoding="utf-8")
        other = self.programs / "other_queue.rb"
        other.write_text(with_accents(source), encoding="utf-8")
        printed = self.run_example("other queue").stdout
        self.assertEqual(printed, with_accents(PRINTED["receive queue"]))


class Node(Examples, unittest.TestCase):
    language = "node"
    sizes = [
        *["node", "-e"],
        "require('./pyhelpers'); const { sizeof } = require('koffi');"
        "for (const name of process.argv.slice(1)) console.log(name, sizeof(name));",
    ]

    @classmethod
    def find(cls):
        needs(shutil.which("node"), "node (apt install nodejs)")
        needs(shutil.which("npm"), "npm (apt install npm)")
        needs(cls.koffi_is_installed(), "koffi (npm install koffi)")

    @staticmethod
    def koffi_is_installed():
        """Installs the version that package.json names, unless it is there."""
        listed = json.loads((ROOT / "bindings" / "node" / "package.json").read_text())
        version = listed["dependencies"]["koffi"]
        there = NODE_MODULES / "koffi" / "package.json"
        if there.exists() and json.loads(there.read_text())["version"] == version:
            return True
        NODE_MODULES.mkdir(parents=True, exist_ok=True)
        quietly = ["--silent", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
        install = ["npm", "install", *quietly, "koffi@" + version]
        return not subprocess.run(install, cwd=str(NODE_MODULES.parent), timeout=200).returncode

    @classmethod
    def command(cls, example):
        return ["node", "--expose-gc", example.replace(" ", "_") + ".js"]


#: Prints what Java thinks that compiled() should say.
LAYOUTS = """
package pyhelpers;

final class Layouts {
    public static void main(String[] arguments) throws Exception {
        new Header().structs.forEach((name, layout) -> {
            System.out.println(name + " " + layout.size());
            layout.fields().forEach((field, what) ->
                    System.out.println(name + "." + field + " " + what.offset()));
        });
    }
}
"""


class Java(Examples, unittest.TestCase):
    language = "java"

    @classmethod
    def find(cls):
        needs(shutil.which("javac"), "javac (apt install openjdk-17-jdk-headless)")
        needs(os.path.exists(JNA), "JNA (apt install libjna-java)")

    @classmethod
    def prepare(cls):
        (cls.programs / "pyhelpers" / "Layouts.java").write_text(LAYOUTS)
        sources = sorted(cls.programs.glob("**/*.java"))
        compiler = ["javac", "-J-XX:TieredStopAtLevel=1", "-Xlint:all", "-Werror", "-cp", JNA]
        done = cls.call(*compiler, "-sourcepath", ".", "-d", cls.folder / "classes", *sources)
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)

    @classmethod
    def java(cls, *arguments):
        classes = os.pathsep.join([JNA, str(cls.folder / "classes")])
        return ["java", "-XX:TieredStopAtLevel=1", "-cp", classes, *arguments]

    @classmethod
    def command(cls, example):
        return cls.java(example.title().replace(" ", ""))

    def test_structures_lie_as_in_c(self):
        """The offsets too, as it is the project's own code that works them out."""
        done = self.call(*self.java("pyhelpers.Layouts"))
        self.assertEqual((sorted(done.stdout.splitlines()), done.stderr), (compiled(), ""))


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    if outcome.wasSuccessful() and missing:
        print("not here: " + ", ".join(sorted(missing)))
        sys.exit(NOT_FOUND)
    sys.exit(not outcome.wasSuccessful())
