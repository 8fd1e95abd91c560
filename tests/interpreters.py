"""The interpreters that the Python tests run on, and what pip installs for them below .deps/."""

import glob
import os
import pathlib
import shutil
import subprocess
import sys
import threading

from stepping import ROOT, NotFound, call

DEPS = ROOT / ".deps"
PACKAGE = ROOT / "bindings" / "python"

OLDEST, NEWEST = "python2.7", "python3.13"
MATRIX = [OLDEST] + ["python3.%d" % minor for minor in range(6, 13)] + [NEWEST, "pypy2", "pypy3"]
BACKENDS = ["cffi", "ctypes"]


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
        require = ",".join(self._required())
        return self.runs(*discover, PYHELPERS_BACKEND=backend, PYHELPERS_REQUIRE=require)

    def _required(self):
        """Packages that must be there: without one its tests would be skipped."""
        yield "eventlet"
        if not self.is_pypy:
            yield "gevent"
            if self.name != OLDEST:
                yield "uvloop"
            if self.name not in (OLDEST, "python3.6"):
                yield "trio"

    def runs(self, *arguments, **environment):
        """A step that this interpreter runs, with the package."""

        def run(output):
            path = os.pathsep.join([str(PACKAGE), str(self.packages())])
            return call(output, self.path, *arguments, PYTHONPATH=path, **environment)

        return run
