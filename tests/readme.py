"""What the README shows runs as printed.

Run with the package importable (PYTHONPATH=bindings/python), gcc at hand and the library built.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "target" / "release"


def shown(language):
    """The code blocks in this language, each with the output that stands below it."""
    pattern = r"```%s\n(.*?)```\n\n```text\n(.*?)```" % language
    text = (ROOT / "README.md").read_text()
    found = re.findall(pattern, text, flags=re.S)
    assert len(found) == text.count("```%s\n" % language) > 0, "a block has no output"
    return found


def output_of(*command):
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60
    )
    return result.stdout + result.stderr


class Readme(unittest.TestCase):
    def test_each_python_program_prints_what_stands_below_it(self):
        for code, output in shown("python"):
            printed = output_of(sys.executable, "-c", code)
            if "libvirt0" in printed and os.environ.get("CI") != "true":
                self.skipTest("libvirt0 is not installed")
            self.assertEqual(printed, output)

    def test_each_c_program_prints_what_stands_below_it(self):
        for code, output in shown("c"):
            self.assertEqual(self.output_of_built(code, "gcc", "-std=c11", "-xc"), output)

    def test_each_cpp_program_prints_what_stands_below_it(self):
        for code, output in shown("cpp"):
            self.assertEqual(self.output_of_built(code, "g++", "-std=c++17", "-xc++"), output)

    def output_of_built(self, code, *compiler):
        with tempfile.TemporaryDirectory() as folder:
            source, program = pathlib.Path(folder, "example"), pathlib.Path(folder, "program")
            source.write_text(code)
            warnings = output_of(
                *compiler,
                *["-Wall", "-Wextra", "-Wpedantic", "-Werror"],
                *["-I%s" % (ROOT / "include"), source, "-o", program],
                *["-L%s" % LIBRARY, "-lpyhelpers", "-Wl,-rpath,%s" % LIBRARY],
            )
            self.assertEqual(warnings, "")
            return output_of(program)

    def test_every_file_it_names_is_there(self):
        text = (ROOT / "README.md").read_text()
        names = re.findall(r"`((?:src|bench|include|bindings)/[\w./]+)`|\]\(([\w./]+)\)", text)
        for name in {first or second for first, second in names}:
            self.assertTrue((ROOT / name).exists(), name)

    def test_every_target_it_names_is_there(self):
        pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        text = "\n".join(page.read_text() for page in pages)
        targets = set(re.findall(r"(?m)(?:^|`)make (\w+)", text))
        self.assertGreater(len(targets), 5)
        makefile = (ROOT / "Makefile").read_text()
        for target in targets:
            self.assertRegex(makefile, r"(?m)^%s:" % target)


if __name__ == "__main__":
    unittest.main()
