"""The ABI is that of packaging/abi-baseline.c: abidiff tells what a program would notice.

    tests/install/abi_baseline.py             fails when something has changed, or was added
    tests/install/abi_baseline.py --update    tells what has changed, and takes it as it is now

The baseline is the header as C that compiles, without its comments: each function with a body, each
constant as a variable of an enumeration, so that debug information knows all of it, and abidiff
compares that of two such libraries. Rust's own debug information knows neither `const` nor the
constants, has the types of its std in it, changes with the compiler and takes a second build. That
header and library agree is for tests/abi.py and tests/header.rs to see.
"""

import difflib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from project import HEADER, ROOT, documented  # noqa: E402
from stepping import NOT_FOUND  # noqa: E402

BASELINE = ROOT / "packaging" / "abi-baseline.c"

TITLE = "/* As tests/install/abi_baseline.py compares it; `make abi` writes it anew. */\n"


def as_source(header):
    """The header as C that compiles to a library with debug information of all that it declares."""
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    constants = re.findall(r"^#define (\w+) (\S+)$", code, flags=re.M)
    code = re.sub(r"^#(?!include).*\n", "", code, flags=re.M)
    code = re.sub(r'^extern "C" {\n|^}  // extern "C"\n', "", code, flags=re.M)
    code = re.sub(r"^(?!typedef)(\w[^;{}]*\([^;{}]*\));", r"\1 {}", code, flags=re.M)
    code = re.sub(r"\n\s*\n", "\n", code).lstrip()
    variables = ["enum { %s = %s } constant_%s;\n" % (key, value, key) for key, value in constants]
    return TITLE + code + "".join(variables)


def abidiff(before, after):
    """What abidiff reports, "" when it finds no difference."""
    with tempfile.TemporaryDirectory() as folder:
        libraries = []
        for name, source in ("before", before), ("after", after):
            library = pathlib.Path(folder, name + ".so")
            compiler = ["gcc", "-x", "c", "-", "-g", "-w", "-shared", "-fPIC", "-o", str(library)]
            subprocess.run(compiler, input=source, text=True, check=True)
            libraries.append(str(library))
        # Another name of a field is harmless to a program as it is, and not when it is built anew.
        command = ["abidiff", "--harmless", *libraries]
        done = subprocess.run(command, capture_output=True, text=True)
        # What it filters out it counts in its report.
        return (done.stdout.replace(folder, "") + done.stderr) if done.returncode else ""


def compare(before, after):
    """abidiff's report, or else the lines that differ: it does not know the names of arguments, two
    of which may change places, nor look at what no function uses."""
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True))
    return abidiff(before, after) or "".join(lines)


class Baseline(unittest.TestCase):
    maxDiff = None

    def test_the_abi_is_that_of_the_baseline(self):
        report = compare(BASELINE.read_text(), as_source(HEADER.read_text()))
        advice = "`make abi` takes it; raise PH_ABI_VERSION if it breaks programs built before"
        self.assertEqual(report, "", advice)

    def test_all_that_the_header_declares_is_compared(self):
        header = HEADER.read_text()
        source = as_source(header)
        functions = documented()
        self.assertGreater(len(functions), 100)
        self.assertEqual(source.count(") {}\n"), len(functions))
        self.assertEqual(source.count("constant_"), header.count("\n#define "))

    def test_each_kind_of_change_is_found(self):
        function = r"int32_t ph_abi_version\(void\);"
        epanic = "#define PH_EPANIC -4096"
        changes = {
            "a function removed": (function, ""),
            "a function added": (function, r"\g<0>\nint32_t ph_new(void);"),
            "an argument's type": (r"(?<=udph_stats_send_avg\(udph_t \*h, )int32_t", "int64_t"),
            "a pointer's const": (r"(?<=stopwatch_toc\()const ", ""),
            "what is returned": (r"int32_t (?=ph_abi_version)", "int64_t "),
            "an argument of a callback": (r"(?<=ph_log_fn\)\(void \*user, )int32_t", "int64_t"),
            "a field's name": (r"\bscope_id;", "scope;"),
            "a field's type": (r"uint32_t scope_id;", "int32_t scope_id;"),
            "a field's size": (r"uint32_t scope_id;", "uint64_t scope_id;"),
            "a field removed": (r"uint64_t idle_wakeups;", ""),
            "a field added": (r"uint64_t idle_wakeups;", r"\g<0>\nuint64_t more;"),
            "the order of fields": (r"(uint32_t low;)(.*?)(uint32_t high;)", r"\3\2\1"),
            "a constant's value": (epanic, "#define PH_EPANIC -4095"),
            "a constant beyond 32 bits": (r"4294967296", "8589934592"),
            "a constant removed": (epanic, ""),
            "a constant added": (epanic, r"\g<0>\n#define PH_NEW 1"),
        }
        header = HEADER.read_text()
        for what, (old, new) in changes.items():
            changed, count = re.subn(old, new, header, flags=re.S)
            with self.subTest(what):
                self.assertEqual(count, 1)
                self.assertNotEqual(abidiff(as_source(header), as_source(changed)), "")

    def test_two_arguments_of_one_type_do_not_change_places_unseen(self):
        header = HEADER.read_text()
        changed = header.replace("size_t low, size_t high", "size_t high, size_t low")
        self.assertIn("+int32_t tcp_set_watermarks", compare(as_source(header), as_source(changed)))


def update():
    now = as_source(HEADER.read_text())
    print(compare(BASELINE.read_text(), now) or "nothing has changed")
    BASELINE.write_text(now)


if __name__ == "__main__":
    for tool, package in ("gcc", "gcc"), ("abidiff", "abigail-tools"):
        if shutil.which(tool) is None:
            print("not found: %s (apt install %s)" % (tool, package))
            sys.exit(NOT_FOUND)
    if sys.argv[1:] == ["--update"]:
        update()
    else:
        unittest.main()
