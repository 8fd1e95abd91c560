#!/usr/bin/env python3
"""Runs every check of the project and ends with a table of what ran and what was not found.

    tests/run.py                 all of it, as `make test` does
    tests/run.py --only NAME     the steps whose name contains NAME (may be given several times)
    tests/run.py --list          the names of the steps
    tests/run.py --tools         nothing but install what the project's own scripts need

Installs what the steps need below .deps/, keeps their output below target/test-logs/. A step whose
tools or interpreter are not there is named in the table; with CI=true that is a failure.
"""

import argparse
import glob
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPS = ROOT / ".deps"
LOGS = ROOT / "target" / "test-logs"
PACKAGE = ROOT / "bindings" / "python"

#: The interpreters that the Python tests run on.
OLDEST, NEWEST = "python2.7", "python3.13"
MATRIX = [OLDEST] + ["python3.%d" % minor for minor in range(6, 13)] + [NEWEST, "pypy2", "pypy3"]
BACKENDS = ["cffi", "ctypes"]

#: No step takes longer than this unless it hangs.
STEP_SECONDS = 400

#: Exit status of a step's own command for "a tool I need is not here".
NOT_FOUND = 3


class NotFound(Exception):
    """A tool that a step needs is not on this machine; the text says which package has it."""


class Step(object):
    """One line of the table."""

    def __init__(self, name, run, is_cell=False):
        self.name = name
        self.run = run
        #: Cells of the matrix, and others that mostly wait, run side by side.
        self.is_cell = is_cell
        self.outcome = ""
        self.counts = ""
        self.seconds = 0.0
        #: The last lines of a step that failed.
        self.end = []

    def execute(self):
        started = time.time()
        log = LOGS / (self.name.replace(" ", "-") + ".log")
        try:
            with open(str(log), "w") as output:
                status = self.run(output)
            text = log.read_text(errors="replace")
            self.outcome = {0: "ok", NOT_FOUND: "not found"}.get(status, "FAILED")
            self.counts = counted(text)
            if status == NOT_FOUND:
                what = text.strip().splitlines()[-1]
                self.counts = "; ".join(filter(None, [self.counts, what]))
        except NotFound as missing:
            self.outcome, self.counts, text = "not found", str(missing), ""
        self.seconds = time.time() - started
        line = "%-22s %-9s %-44s %6.1f s" % (self.name, self.outcome, self.counts, self.seconds)
        self.end = text.splitlines()[-60:] if self.outcome == "FAILED" else []
        print("\n".join([line] + self.end), flush=True)


def counted(text):
    """The counts in a test runner's closing lines, summed up."""
    passed = failed = skipped = 0
    for ok, bad, ignored in re.findall(r"(\d+) passed; (\d+) failed; (\d+) ignored", text):
        passed, failed, skipped = passed + int(ok), failed + int(bad), skipped + int(ignored)
    for ok, bad in re.findall(r"^(\d+) passed, (\d+) failed$", text, flags=re.M):
        passed, failed = passed + int(ok), failed + int(bad)
    for ran, rest in re.findall(r"^Ran (\d+) tests? in [^\n]*\n\n(\w+[^\n]*)", text, flags=re.M):
        numbers = {key: int(n) for key, n in re.findall(r"(\w+)=(\d+)", rest)}
        bad = numbers.get("failures", 0) + numbers.get("errors", 0)
        skips = numbers.get("skipped", 0)
        passed, failed, skipped = passed + int(ran) - bad - skips, failed + bad, skipped + skips
    if not passed + failed + skipped:
        return ""
    return "%d passed, %d failed, %d skipped" % (passed, failed, skipped)


def command(*words, **environment):
    """A step that runs a command in the project's root."""

    def run(output):
        need(words[0])
        return call(output, *words, **environment)

    return run


def call(output, *words, **environment):
    """Runs a command; one that hangs is ended, with all it started, and has failed."""
    process = subprocess.Popen(
        [str(word) for word in words],
        cwd=str(ROOT),
        env=dict(os.environ, **{key: str(value) for key, value in environment.items()}),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait(STEP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.write("\nended after %d s\n" % STEP_SECONDS)
        return 1


PACKAGES = {
    "gcc": "gcc",
    "strace": "strace",
    "nm": "binutils",
    "cargo": "cargo (rustup)",
    "ip": "iproute2",
}


def need(tool):
    if shutil.which(str(tool)) is None:
        raise NotFound("%s (apt install %s)" % (tool, PACKAGES.get(tool, tool)))


def pip(target, *arguments, **how):
    """pip installs into a folder of the project's own, unless it did so before."""
    python = how.get("python", sys.executable)
    stamp = target / ".installed"
    wanted = "\n".join(str(argument) for argument in arguments) + stamp_of(arguments)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    version = subprocess.run([python, "-m", "pip", "--version"], capture_output=True)
    if version.returncode:
        raise NotFound("pip for %s (apt install python3-pip)" % python)
    shutil.rmtree(str(target), ignore_errors=True)
    command = [python, "-m", "pip", "install", "--quiet", "--target", target]
    command += ["--disable-pip-version-check", *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise NotFound("packages for %s: %s" % (python, done.stderr.strip().splitlines()[-1]))
    stamp.write_text(wanted)


def stamp_of(arguments):
    """The text of the requirement files among pip's arguments: a change of them counts."""
    return "".join(path.read_text() for path in arguments if isinstance(path, pathlib.Path))


def tools():
    """What the project's own scripts import."""
    pip(DEPS / "tools", "cffi==1.17.1", "pycparser==2.22")
    return DEPS / "tools"


def declarations(output):
    """The header is what cbindgen makes of src/ffi (a Rust test); Python's copies follow it."""
    generate = PACKAGE / "generate_abi.py"
    return call(output, sys.executable, generate, "--check", PYTHONPATH=tools())


def abi(output):
    need("nm")
    path = os.pathsep.join([str(PACKAGE), str(tools())])
    return call(output, sys.executable, "tests/abi.py", PYTHONPATH=path)


def demo_server(output):
    """The example's answers, without traffic."""
    folder = DEPS / "demo-test"
    pip(folder, "dnspython==2.6.1")
    tests = PACKAGE / "examples"
    discover = ["-m", "unittest", "discover", "-s", tests, "-t", tests]
    return call(output, sys.executable, *discover, PYTHONPATH=folder)


def discovery(output):
    """Hosts on a network of their own; skipped, with the reason, where none is permitted."""
    need("ip")
    path = os.pathsep.join([str(PACKAGE), str(tools())])
    return call(output, sys.executable, "tests/net/discovery.py", PYTHONPATH=path)


def readme(output):
    path = os.pathsep.join([str(PACKAGE), str(tools())])
    return call(output, sys.executable, "tests/readme.py", PYTHONPATH=path)


class Interpreter(object):
    """One interpreter of the matrix."""

    def __init__(self, name):
        self.name = name
        self.is_pypy = name.startswith("pypy")
        self._path = None
        self._installing = threading.Lock()

    @property
    def path(self):
        if self._path is None:
            self._path = self._find()
        return self._path

    def _find(self):
        for candidate in self._candidates():
            if candidate and self._is_right(candidate):
                return candidate
        raise NotFound("%s is not on PATH, nor among pyenv's versions" % self.name)

    def _candidates(self):
        yield shutil.which(self.name)
        if self.name == "pypy2":
            yield shutil.which("pypy")
        pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
        version = "pypy*" if self.is_pypy else self.name[len("python") :] + ".*"
        for path in sorted(glob.glob(os.path.join(pyenv, "versions", version, "bin", "python"))):
            yield path

    def _is_right(self, path):
        """A name on PATH may be a launcher of another version, or of none."""
        ask = "import sys; print('%d.%d %d' % (sys.version_info[:2] + ('PyPy' in sys.version,)))"
        answer = subprocess.run([path, "-c", ask], capture_output=True, text=True)
        if answer.returncode:
            return False
        version, is_pypy = answer.stdout.split()
        wanted = self.name[len("pypy" if self.is_pypy else "python") :]
        return version.startswith(wanted) and bool(int(is_pypy)) == self.is_pypy

    def packages(self):
        """The folder with what the tests import beside the standard library."""
        target = DEPS / ("test-" + self.name)
        # PyPy may have no pip; what it needs is pure Python, which any pip can install.
        listed = "requirements-%s.txt" % self.name if self.is_pypy else "requirements.txt"
        python = sys.executable if self.is_pypy else self.path
        with self._installing:
            pip(target, "--no-deps", "-r", PACKAGE / "tests" / listed, python=python)
        return target

    def test(self, backend):
        tests = PACKAGE / "tests"
        discover = ["-m", "unittest", "discover", "-s", tests, "-t", tests]
        require = "eventlet" if self.is_pypy else "eventlet,gevent"
        return self.runs(*discover, PYHELPERS_BACKEND=backend, PYHELPERS_REQUIRE=require)

    def runs(self, *arguments, **environment):
        """A step that this interpreter runs, with the package."""

        def run(output):
            path = os.pathsep.join([str(PACKAGE), str(self.packages())])
            return call(output, self.path, *arguments, PYTHONPATH=path, **environment)

        return run


def steps():
    clippy = ["cargo", "clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]
    yield Step("format", command("cargo", "fmt", "--check"))
    yield Step("clippy", command(*clippy))
    yield Step("rust", command("cargo", "test", "--quiet"))
    yield Step("declarations", declarations)
    yield Step("abi", abi)
    yield Step("c", command("sh", "bindings/c/run.sh"))
    yield Step("c faults", command("sh", "bindings/c/inject.sh"))
    yield Step("discovery", discovery)
    cffi = {"PYHELPERS_BACKEND": "cffi"}
    for name in OLDEST, NEWEST:
        yield Step("programs " + name, Interpreter(name).runs("tests/net/programs.py", **cffi))
    yield Step("crowds", Interpreter(NEWEST).runs("tests/net/crowds.py", **cffi))
    yield Step("readme", readme)
    yield Step("demo server", demo_server)
    for name in OLDEST, NEWEST:
        for script in "pipes", "libvirt":
            run = Interpreter(name).runs("tests/net/%s.py" % script, **cffi)
            yield Step("%s %s" % (script, name), run, is_cell=True)
    for name in MATRIX:
        interpreter = Interpreter(name)
        for backend in BACKENDS:
            yield Step("%s %s" % (name, backend), interpreter.test(backend), is_cell=True)


def summary(ran, seconds):
    """The closing table; gives the exit status."""
    missing = [step for step in ran if step.outcome == "not found"]
    failed = [step for step in ran if step.outcome == "FAILED"]
    if os.environ.get("CI") == "true":
        failed += missing
    print("\n%-22s %-10s %s" % ("step", "outcome", "what"))
    for step in ran:
        print("%-22s %-10s %s" % (step.name, step.outcome, step.counts))
    # Once more, as a reader of the end alone would otherwise not learn what it was.
    for step in ran:
        if step.end:
            print("\n".join(["", step.name + ":"] + step.end[-25:]))
    if missing:
        print("\nNot found, and so not tested: %s" % ", ".join(step.name for step in missing))
    tests = sum_of(ran)
    print("\n%d steps in %d s" % (len(ran), seconds))
    print("%d passed, %d failed, %d skipped" % (tests[0], max(tests[1], len(failed)), tests[2]))
    return 1 if failed else 0


def sum_of(ran):
    numbers = [re.findall(r"\d+ (?=passed|failed|skipped)", step.counts) for step in ran]
    columns = [[int(n) for n in row] for row in numbers if len(row) == 3]
    return [sum(column) for column in zip(*columns)] or [0, 0, 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="steps with this in the name")
    parser.add_argument("--list", action="store_true", help="name the steps")
    parser.add_argument("--tools", action="store_true", help="only install what the scripts need")
    options = parser.parse_args()
    if options.tools:
        tools()
        return 0
    chosen = [
        step for step in steps() if not options.only or any(name in step.name for name in options.only)
    ]
    if options.list:
        print("\n".join(step.name for step in chosen))
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    started = time.time()
    for step in chosen:
        if not step.is_cell:
            step.execute()
    # Each waits for more than half of its time.
    with ThreadPoolExecutor(os.cpu_count() + 1) as pool:
        list(pool.map(Step.execute, [step for step in chosen if step.is_cell]))
    return summary(chosen, time.time() - started)


if __name__ == "__main__":
    sys.exit(main())
