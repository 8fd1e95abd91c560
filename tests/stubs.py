#!/usr/bin/env python3
"""The type stubs are exact, agree with the package, and leave nothing public out; and what is
public has a docstring.

Run with the package importable (PYTHONPATH=bindings/python, with mypy's folder) and the library
built.
"""

import ast
import importlib
import inspect
import os
import pathlib
import re
import shutil
import subprocess
import sys
import types
import unittest
from concurrent.futures import ThreadPoolExecutor

from pyhelpers import _tcp
from pyhelpers._backend import backend
from pyhelpers.udp_handler import UdpHandlerDest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
PACKAGE = ROOT / "bindings" / "python" / "pyhelpers"
ALLOWLIST = TESTS / "stubs_allowlist.txt"

#: The stubs alone, as a program sees them: whatever they need of a module without one is an error.
STUBS = ROOT / "target" / "stubs"
CACHE = ROOT / "target" / "mypy"

#: What the pinned mypy knows from the oldest on.
VERSIONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]

#: The README's programs have no annotations; all else of --strict holds for them.
UNANNOTATED = """
# mypy: allow-untyped-defs, allow-untyped-calls
# mypy: disable-error-code="var-annotated"
"""


def setUpModule():
    shutil.rmtree(str(STUBS), ignore_errors=True)
    STUBS.mkdir(parents=True)
    for stub in PACKAGE.rglob("*.pyi"):
        copy = STUBS / stub.relative_to(PACKAGE.parent)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy2(str(stub), str(copy))
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    for number, program in enumerate(programs, 1):
        (STUBS / ("readme_%d.py" % number)).write_text(program + UNANNOTATED)


def run(*arguments):
    """The exit status and the output of a module of mypy's."""
    environment = dict(os.environ, MYPYPATH=str(STUBS))
    command = [sys.executable, "-m"] + [str(word) for word in arguments]
    done = subprocess.run(command, cwd=str(ROOT), env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def public_modules():
    """What others may import."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        name = re.sub(r"\.__init__$", "", name)
        if "._" not in name:
            yield importlib.import_module(name)


def body(module, kind):
    """What a class is in a module's stub."""
    stub = ast.parse((STUBS / "pyhelpers" / (module + ".pyi")).read_text())
    return [node for node in stub.body if getattr(node, "name", "") == kind][0].body


def fields(module, kind):
    """The names that such a class has."""
    return {node.target.id for node in body(module, kind)}


def allowed():
    lines = ALLOWLIST.read_text().splitlines()
    return re.compile("|".join(line for line in lines if line and not line.startswith("#")))


def members(kind):
    """What a class and those of ours that it is made from offer: (class that has it, name,
    value)."""
    internal = allowed()
    for owner in kind.__mro__:
        for name, value in sorted(vars(owner).items()):
            path = "%s.%s.%s" % (owner.__module__, owner.__qualname__, name)
            is_ours = owner.__module__.startswith("pyhelpers")
            if is_ours and not name.startswith("_") and not internal.fullmatch(path):
                yield owner, name, value


def public_classes():
    for module in public_modules():
        for name in getattr(module, "__all__", ()):
            if inspect.isclass(getattr(module, name)):
                yield getattr(module, name)


class Stubs(unittest.TestCase):
    def test_stubs_and_programs_pass_in_every_version(self):
        """In what is wrong each line ignores the error that it must give."""
        programs = [*sorted(STUBS.glob("readme_*.py")), *sorted(TESTS.glob("stubs_*.py"))]
        self.assertGreaterEqual(len(programs), 9)

        def check(version):
            # Else modules without a stub would be found where the package itself is.
            strictly = ["--strict", "--no-site-packages", "--python-version", version]
            files = [STUBS / "pyhelpers", *programs]
            return run("mypy", *strictly, "--cache-dir", CACHE, *files)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for version, (status, output) in zip(VERSIONS, pool.map(check, VERSIONS)):
                self.assertEqual((status, output.count("\n")), (0, 1), version + "\n" + output)

    def test_they_agree_with_the_package(self):
        status, output = run("mypy.stubtest", "pyhelpers", "--concise", "--allowlist", ALLOWLIST)
        self.assertEqual(status, 0, output)

    def test_every_class_of_a_private_stub_is_there(self):
        """The allowlist hides from stubtest what a private module as a whole has or has not."""
        for stub in sorted(STUBS.rglob("_[!_]*.pyi")):
            name = ".".join(stub.relative_to(STUBS).with_suffix("").parts)
            for shown in re.findall(r"(?m)^class ([A-Z]\w*)", stub.read_text()):
                found = getattr(importlib.import_module(name), shown, None)
                self.assertTrue(inspect.isclass(found), "%s.%s" % (name, shown))

    def test_the_sample_uses_every_public_name(self):
        nodes = list(ast.walk(ast.parse((TESTS / "stubs_right.py").read_text())))
        used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        used |= {node.name for node in nodes if isinstance(node, (ast.alias, ast.FunctionDef))}
        for module in public_modules():
            self.assertEqual(set(getattr(module, "__all__", ())) - used, set(), module.__name__)
        for kind in public_classes():
            names = {name for owner, name, _ in members(kind) if not issubclass(owner, tuple)}
            self.assertEqual(names - used, set(), kind)

    def test_the_stats_have_the_fields_of_the_structures(self):
        for module, shown, structure in [
            ("udp_handler", "_HandlerStats", "udph_stats_t"),
            ("udp_handler", "_ReactorStats", "udph_reactor_stats_t"),
            ("udp_handler", "_Times", "ph_percentiles_t"),
            ("_receive_feeds", "_FeedStats", "rq_feed_stats_t"),
        ]:
            counts = set(backend.as_dict(backend.new(structure))) - {"size", "reserved"}
            self.assertEqual(fields(module, shown) - {"reactors"}, counts, shown)

    def test_the_options_are_those_that_are_taken(self):
        """stubtest cannot see what becomes of ``**options``."""
        kinds = ["_Options", "_ServerOptions", "_ClientOptions"]
        known = {*_tcp._NUMBERS, *_tcp._TIMES, *_tcp._FLAGS, "linger"}
        self.assertEqual(set().union(*(fields("event_loop", kind) for kind in kinds)), known)
        text = UdpHandlerDest.__doc__.partition("Keyword options:")[2].partition("Errors:")[0]
        documented = set(re.findall(r"``(\w+)``", text))
        arguments = set(inspect.signature(UdpHandlerDest).parameters)
        for module, name in [("udp_handler", "UdpHandlerDest"), ("aio", "UdpHandler")]:
            constructor = body(module, name)[0]
            named = {argument.arg for argument in constructor.args.kwonlyargs}
            self.assertEqual(named - arguments, documented)


class Docstrings(unittest.TestCase):
    def test_every_public_name_has_one(self):
        missing = []
        for module in public_modules():
            if not module.__doc__:
                missing.append(module.__name__)
            for name in getattr(module, "__all__", ()):
                if not is_described(module, name):
                    missing.append("%s.%s" % (module.__name__, name))
        for kind in public_classes():
            for owner, name, value in members(kind):
                is_called = isinstance(value, (types.FunctionType, property, classmethod))
                if is_called and not value.__doc__:
                    missing.append("%s.%s.%s" % (owner.__module__, owner.__qualname__, name))
        self.assertEqual(missing, [])


def is_described(module, name):
    """Where there can be no docstring, a comment "#:" above takes its place."""
    value = getattr(module, name)
    if inspect.isfunction(value):
        return bool(value.__doc__)
    if not inspect.isclass(value):
        return name.startswith("__")
    if hasattr(value, "_fields"):
        source = inspect.getsource(sys.modules[value.__module__])
        return re.search(r"(?m)^#: .*\n%s = namedtuple" % value.__name__, source)
    return bool(vars(value).get("__doc__"))


if __name__ == "__main__":
    unittest.main()
