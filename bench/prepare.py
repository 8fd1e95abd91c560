"""What the benchmark needs: the newest CPython, the peers' packages, the C programs."""

import functools
import glob
import os
import re
import shutil
import subprocess
import sys

BENCH = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(BENCH)
BUILT = os.path.join(ROOT, "target", "bench")
PACKAGES = os.path.join(ROOT, ".deps", "bench")
# Apart, as it stands without the packages that it names, and for PyPy too.
HIO = os.path.join(ROOT, ".deps", "bench-hio")
LIBRARY_DIR = os.path.join(ROOT, "target", "release")
PEER_PACKAGES = ["cffi", "uvloop", "rloop", "gevent"]
HIO_PACKAGE = "hio==0.6.19"
LIBUV_MISSING = "libuv is missing: apt install libuv1-dev"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic"]


class Missing(Exception):
    """Something that the user has to install; the text says what."""


def program(name):
    return os.path.join(BUILT, name)


def newest_cpython():
    """(path, "3.13.0") of the newest CPython: pyenv's, one on the PATH, the one that runs this."""
    paths = glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python"))
    paths += filter(None, (shutil.which("python3.%d" % minor) for minor in range(8, 20)))
    found = [(version_of(path), path) for path in paths + [sys.executable]]
    version, path = max(pair for pair in found if pair[0])
    return path, ".".join(map(str, version))


def version_of(python):
    """(3, 13, 0), or `None` for anything but a CPython with a global lock that runs."""
    code = (
        "import sys; print(sys.version.split()[0], sys.implementation.name)\n"
        "sys.exit(not getattr(sys, '_is_gil_enabled', lambda: True)())"
    )
    outcome = subprocess.run([python, "-c", code], capture_output=True, text=True)
    match = re.match(r"(3)\.(\d+)\.(\d+)\S* cpython", outcome.stdout)
    return tuple(map(int, match.groups())) if match and outcome.returncode == 0 else None


def install_peers(python):
    """Puts the peers' packages into the project's own folders, where they are not there yet."""
    # One by one: a peer that does not exist for this interpreter shall not cost the others.
    install(python, PACKAGES, [[package] for package in PEER_PACKAGES])
    install(python, HIO, [["--no-deps", HIO_PACKAGE]])


def install(python, folder, all_arguments):
    marker = os.path.join(folder, "installed-for")
    wanted = " ".join([python] + sum(all_arguments, []))
    if os.path.exists(marker) and open(marker).read() == wanted:
        return
    print("installing into %s ..." % os.path.relpath(folder, ROOT), flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    for arguments in all_arguments:
        if subprocess.run(pip + ["--target", folder] + arguments).returncode != 0:
            print("  %s cannot be installed; its column stays empty" % arguments[-1], flush=True)
    os.makedirs(folder, exist_ok=True)
    with open(marker, "w") as file:
        file.write(wanted)


def compile_programs():
    """Builds the generator, the baselines, our C runs and the empty function."""
    if not shutil.which("gcc"):
        raise Missing("gcc is missing: apt install gcc libc6-dev")
    if not os.path.exists(os.path.join(LIBRARY_DIR, "libpyhelpers.so")):
        raise Missing("target/release/libpyhelpers.so is missing: make build")
    os.makedirs(BUILT, exist_ok=True)
    header = ["-I", os.path.join(ROOT, "include")]
    library = [
        *header,
        "-L",
        LIBRARY_DIR,
        "-Wl,-rpath," + LIBRARY_DIR,
        "-lpyhelpers",
    ]
    gcc("load.c", "load")
    gcc("bare.c", "bare", ["-pthread"])
    gcc("ours.c", "ours", library)
    gcc("empty.c", "libempty.so", ["-shared", "-fPIC"])
    gcc("evloop/load.c", "evloop-load")
    gcc("evloop/bare.c", "evloop-bare")
    gcc("evloop/ours.c", "evloop-ours", library)
    if has_libuv():
        gcc("evloop/uv.c", "evloop-uv", ["-luv"])
    else:
        print("  %s; what needs it does not run" % LIBUV_MISSING, flush=True)
    gcc("helpers/rq.c", "helpers-rq", [*library, "-pthread"])
    gcc("helpers/ring.c", "helpers-ring", [*header, "-pthread"])
    gcc("helpers/npipe.c", "helpers-npipe", library)
    gcc("helpers/pipe.c", "helpers-pipe")
    gcc("helpers/virt.c", "helpers-virt", library)
    gcc("helpers/libvirt.c", "helpers-libvirt", ["-ldl", "-pthread"])


@functools.lru_cache(maxsize=None)
def has_libuv():
    """Whether programs for libuv can be built here."""
    command = ["gcc", "-E", "-include", "uv.h", "-x", "c", os.devnull, "-o", os.devnull]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def gcc(source, output, more=()):
    command = [
        "gcc",
        "-O2",
        "-std=c11",
        *WARNINGS,
        os.path.join(BENCH, source),
        "-o",
        program(output),
        *more,
    ]
    subprocess.run(command, check=True)
