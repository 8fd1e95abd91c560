"""``python -m pyhelpers``: what this installation is; ``... doctor``: what could be better."""

import argparse
import sys

from pyhelpers import _about, _doctor

DESCRIPTION = "Tells what this installation of pyhelpers is and what the kernel does for it."
EPILOG = """\
exit status:
  0  all is well
  1  the doctor found something worth mending
  2  the library cannot be loaded, or the arguments are wrong

environment:
  PYHELPERS_LIBRARY  path of libpyhelpers.so, instead of looking for it
  PYHELPERS_BACKEND  cffi or ctypes, instead of the better one that is there
"""


def main(arguments=None):
    """Runs the command line, by default this process's; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pyhelpers",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["doctor"],
        metavar="doctor",
        help="look for the usual troubles, and say how to mend each",
    )
    if parser.parse_args(arguments).command is None:
        _write(_about.report())
        return 0
    findings = _doctor.findings(_doctor.read())
    _write(_doctor.report(findings))
    return 1 if any(finding.mend for finding in findings) else 0


def _write(text):
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        # The library may lie in a folder whose name the terminal cannot show.
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


if __name__ == "__main__":
    sys.exit(main())
