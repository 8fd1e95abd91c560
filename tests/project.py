"""What tests know of the project: where it is, its version, the functions of its header."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = ROOT / "include" / "pyhelpers.h"

VERSION = re.search(r'(?m)^version = "(.+)"', (ROOT / "Cargo.toml").read_text()).group(1)


def documented():
    """Functions of the header that stand right below their comment."""
    return set(re.findall(r"^ \*/\n[^\n#;]*?\b(\w+)\(", HEADER.read_text(), flags=re.M))
