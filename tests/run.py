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
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from interpreters import BACKENDS, DEPS, MATRIX, NEWEST, OLDEST, PACKAGE, Interpreter, pip, tools
from stepping import LOGS, ROOT, Step, call, command, need


#: The backend where one is enough.
CFFI = {"PYHELPERS_BACKEND": "cffi"}


def declarations(output):
    """The header is what cbindgen makes of src/ffi (a Rust test); Python's copies follow it."""
    generate = PACKAGE / "generate_abi.py"
    return call(output, sys.executable, generate, "--check", PYTHONPATH=tools())


def with_package(output, script, *folders):
    """Runs a script that imports the package, the tools, and what is in these folders."""
    path = os.pathsep.join(str(folder) for folder in (PACKAGE, tools()) + folders)
    return call(output, sys.executable, script, PYTHONPATH=path)


def abi(output):
    need("nm")
    return with_package(output, "tests/abi.py")


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
    return with_package(output, "tests/net/discovery.py")


def readme(output):
    return with_package(output, "tests/readme.py")


def wheel(output):
    """Made, and installed on every interpreter."""
    made = call(output, sys.executable, "packaging/wheel.py")
    return made or call(output, sys.executable, "tests/install/wheel.py")


def documentation(output):
    """All pages, with every warning an error."""
    folder = DEPS / "docs"
    pip(folder, "-r", ROOT / "docs" / "requirements.txt")
    sphinx = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-E", "-q"]
    sphinx += ["-d", "target/docs/doctrees", "docs", "target/docs/html"]
    return call(output, *sphinx, PYTHONPATH=folder)


def stubs(output):
    """The type stubs, by mypy of a version that runs on every Python this script does."""
    folder = DEPS / "types"
    wanted = ["mypy==1.14.1", "mypy_extensions==1.0.0", "typing_extensions==4.12.2", "tomli==2.2.1"]
    pip(folder, "--no-deps", *wanted)
    return with_package(output, "tests/stubs.py", folder)


def steps():
    """What needs the machine, or a fixed port, for itself; then what runs side by side."""
    clippy = ["cargo", "clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]
    yield Step("format", command("cargo", "fmt", "--check"))
    yield Step("clippy", command(*clippy))
    yield Step("rust", command("cargo", "test", "--quiet"))
    yield Step("declarations", declarations)
    yield Step("abi", abi)
    yield Step("c", command("sh", "bindings/c/run.sh"))
    yield Step("discovery", discovery)
    yield Step("crowds", Interpreter(NEWEST).runs("tests/net/crowds.py", **CFFI))
    for name in OLDEST, NEWEST:
        yield Step("seeds " + name, Interpreter(name).runs("tests/seeds.py"))
    for name, run in side_by_side():
        yield Step(name, run, is_cell=True)


def side_by_side():
    """The longest first, so that none is left over at the end."""
    yield "wheel", wheel
    for name in sorted(MATRIX, key=lambda name: not name.startswith("pypy")):
        interpreter = Interpreter(name)
        for backend in BACKENDS:
            yield "%s %s" % (name, backend), interpreter.test(backend)
    for name in OLDEST, NEWEST:
        for script in "pipes", "libvirt", "programs":
            run = Interpreter(name).runs("tests/net/%s.py" % script, **CFFI)
            yield "%s %s" % (script, name), run
        yield "loading " + name, Interpreter(name).runs("tests/install/loading.py")
    yield "cpp", command("sh", "bindings/cpp/run.sh")
    yield "prefix", command(sys.executable, "tests/install/prefix.py")
    yield "c faults", command("sh", "bindings/c/inject.sh")
    yield "runtimes", command(sys.executable, "tests/install/runtimes.py")
    yield "abi baseline", command(sys.executable, "tests/install/abi_baseline.py")
    yield "documentation", documentation
    yield "stubs", stubs
    yield "readme", readme
    yield "demo server", demo_server


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
