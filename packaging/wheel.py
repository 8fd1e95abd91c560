#!/usr/bin/env python3
"""Makes the sdist and the wheel that installs on every Python of the project: `make wheel`.

The library in it is linked by zig, which has the symbols of every glibc: it needs the oldest one
that Rust's standard library runs on, whatever this machine has. The wheel is made of the sdist, so
each proves the other. Both are left in target/wheel/dist/; the tools are installed below .deps/.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from interpreters import DEPS, pip  # noqa: E402
from stepping import NotFound  # noqa: E402

#: The oldest glibc for Rust's standard library, and the wheel's names for it, the new and the old.
GLIBC = "2.17"
PLATFORM = "manylinux_2_17_x86_64.manylinux2014_x86_64"
TARGET = "x86_64-unknown-linux-gnu"

TOOLS = DEPS / "wheel"
#: The last that run on Python 3.8.
PACKAGES = [
    *["cargo-zigbuild==0.24.0", "ziglang==0.17.1", "setuptools==75.3.2"],
    *["auditwheel==5.4.0", "packaging==24.2", "pyelftools==0.31"],
]
WORK = ROOT / "target" / "wheel"
DIST = WORK / "dist"


def environment():
    return dict(
        os.environ,
        PATH=os.pathsep.join([str(TOOLS / "bin"), os.environ["PATH"]]),
        PYTHONPATH=str(TOOLS),
        CARGO_ZIGBUILD_ZIG_PATH=str(TOOLS / "ziglang" / "zig"),
        CARGO_ZIGBUILD_CACHE_DIR=str(WORK / "zigbuild"),
        ZIG_GLOBAL_CACHE_DIR=str(WORK / "zig"),
    )


def run(*words, cwd=ROOT, **variables):
    command = [str(word) for word in words]
    subprocess.run(command, cwd=str(cwd), env=dict(environment(), **variables), check=True)


def library():
    """Builds the library alone, which lets LTO see all of it; gives its path."""
    crate = ["--release", "--locked", "--lib", "--crate-type", "cdylib", "--target-dir", WORK]
    # What would be stripped from it at once need not be made.
    profile = ["--config", "profile.release.lto=true", "--config", "profile.release.debug=false"]
    options = [*profile, "--target", TARGET + "." + GLIBC]
    run("cargo-zigbuild", "rustc", *crate, *options)
    return WORK / TARGET / "release" / "libpyhelpers.so"


def setup(*words, cwd=ROOT, **variables):
    run(sys.executable, "-W", "ignore", "setup.py", "--quiet", *words, cwd=cwd, **variables)


def sdist(folder):
    # egg_info's files would lie about in the tree.
    setup("egg_info", "--egg-base", folder, "sdist", "--dist-dir", DIST)
    return next(DIST.glob("*.tar.gz"))


def wheel(source, folder, built):
    with tarfile.open(str(source)) as archive:
        archive.extractall(str(folder))
    tree = next(folder.glob("pyhelpers-*/"))
    made = ["bdist_wheel", "--plat-name", PLATFORM, "--dist-dir", DIST]
    setup(*made, cwd=tree, PYHELPERS_PREBUILT=str(built))
    return next(DIST.glob("*.whl"))


def audit(path):
    """Ends the program unless the wheel's library needs no more than its name says."""
    show = [sys.executable, "-m", "auditwheel", "show", str(path)]
    said = subprocess.run(show, env=environment(), capture_output=True, text=True)
    wanted = 'following platform tag: "%s"' % PLATFORM.split(".")[0]
    if wanted not in " ".join(said.stdout.split()):
        sys.exit("auditwheel finds no %s:\n%s" % (wanted, said.stdout + said.stderr))


def main():
    try:
        pip(TOOLS, "--no-deps", *PACKAGES)
    except NotFound as missing:
        sys.exit("not found: %s" % missing)
    built = library()
    shutil.rmtree(str(DIST), ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        source = sdist(folder)
        made = wheel(source, pathlib.Path(folder), built)
    audit(made)
    for path in source, made:
        print("%s (%d KiB)" % (path.relative_to(ROOT), path.stat().st_size // 1024))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit("failed: %s" % " ".join(error.cmd))
