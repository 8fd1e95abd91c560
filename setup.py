"""Builds and installs the Python package, with the library inside: `pip install .` runs this.

Runs on every Python that the package is for; needs cargo. In the environment:

CARGO
    the cargo to use; else the one on PATH.
CARGO_TARGET_DIR and cargo's other variables
    hold as they do for cargo.
PYHELPERS_PREBUILT
    a libpyhelpers.so that is there already: it is packed, and cargo is not needed.
"""

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop
from setuptools.command.install import install

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    from wheel.bdist_wheel import bdist_wheel

ROOT = os.path.dirname(os.path.abspath(__file__))
LIBRARY = "libpyhelpers.so"


def text(name):
    with io.open(os.path.join(ROOT, name), encoding="utf-8") as source:
        return source.read()


def version():
    return str(re.search(r'(?m)^version = "(.+)"$', text("Cargo.toml")).group(1))


def cargo(*options):
    """Builds the library; gives its path."""
    program = os.environ.get("CARGO", "cargo")
    command = [program, "build", "--release", "--locked", "--lib"]
    command += ["--message-format=json-render-diagnostics"] + list(options)
    try:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        sys.exit(
            "error: %s was not found: pyhelpers is built from source here, which needs Rust.\n"
            "Install it with rustup (https://rustup.rs) or from your distribution, and try again."
            % program
        )
    output = process.communicate()[0].decode("utf-8")
    if process.returncode:
        sys.exit("error: `%s` failed, as it says above" % " ".join(command))
    messages = [json.loads(line) for line in output.splitlines()]
    files = [path for message in messages for path in message.get("filenames", ())]
    return [path for path in files if os.path.basename(path) == LIBRARY][-1]


def put_library(target):
    """Copies the library, without its symbols for debuggers, into the package."""
    shutil.copyfile(os.environ.get("PYHELPERS_PREBUILT") or cargo(), target)
    try:
        subprocess.check_call(["strip", "--strip-unneeded", target])
    except (OSError, subprocess.CalledProcessError) as error:
        # There is none, or none for the machine that it is built for: it is larger, and as good.
        sys.stderr.write("warning: %s keeps its symbols: %s\n" % (LIBRARY, error))


class BuildPackage(build_py):
    """The package's files and the library."""

    def run(self):
        # What an earlier build left there may be in the tree no more.
        shutil.rmtree(os.path.join(self.build_lib, "pyhelpers"), ignore_errors=True)
        build_py.run(self)
        if getattr(self, "editable_mode", False):
            build_in_place()
        else:
            self.mkpath(os.path.dirname(self._library()))
            put_library(self._library())

    def get_outputs(self, include_bytecode=1):
        outputs = build_py.get_outputs(self, include_bytecode)
        return outputs if getattr(self, "editable_mode", False) else outputs + [self._library()]

    def _library(self):
        return os.path.join(self.build_lib, "pyhelpers", LIBRARY)


def build_in_place():
    """Builds the library where a package that stands in the tree looks for it."""
    cargo("--target-dir", os.path.join(ROOT, "target"))


class Develop(develop):
    """An editable install, as older setuptools make it."""

    def run(self):
        build_in_place()
        develop.run(self)


class InstallOnPlatform(install):
    """Keeps to the folder for what is not the same on every machine; older Pythons look for
    extension modules alone."""

    def finalize_options(self):
        install.finalize_options(self)
        self.install_lib = self.install_platlib


class Wheel(bdist_wheel):
    """One wheel for all Pythons of a platform: the library knows nothing of the interpreter."""

    def get_tag(self):
        platform = self.plat_name if self.plat_name_supplied else bdist_wheel.get_tag(self)[2]
        return "py2.py3", "none", platform


class PlatformDistribution(Distribution):
    def has_ext_modules(self):
        return True


setup(
    name="pyhelpers",
    version=version(),
    description="Native network I/O for scripts: UDP, TCP, an event loop, queues between them",
    long_description=text("README.md"),
    long_description_content_type="text/markdown",
    author="The pyhelpers authors",
    license="MIT",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: C",
        "Programming Language :: Python :: 2.7",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: Implementation :: CPython",
        "Programming Language :: Python :: Implementation :: PyPy",
        "Programming Language :: Rust",
        "Topic :: System :: Networking",
        "Typing :: Typed",
    ],
    python_requires=">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*, !=3.4.*, !=3.5.*",
    package_dir={"": "bindings/python"},
    packages=find_packages("bindings/python", include=["pyhelpers", "pyhelpers.*"]),
    package_data={"": ["py.typed", "*.pyi"]},
    zip_safe=False,
    distclass=PlatformDistribution,
    cmdclass={
        "build_py": BuildPackage,
        "develop": Develop,
        "install": InstallOnPlatform,
        "bdist_wheel": Wheel,
    },
)
