"""``python -m pyhelpers``: what this installation is; ``... doctor``: what could be better."""

import argparse
import signal
import sys

from pyhelpers import _about, _doctor

DESCRIPTION = "Tells what this installation of pyhelpers is and what the kernel does for it."
EPILOG = """\
exit status:
  0  all is well
  1  the doctor found something worth mending
  2  the library cannot be loaded, the arguments are wrong, or nothing can be written

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
        text, status = _about.report(), 0
    else:
        findings = _doctor.findings(_doctor.read())
        text, status = _doctor.report(findings), int(any(finding.mend for finding in findings))
    try:
        _write(text)
    except EnvironmentError as error:
        sys.stderr.write("cannot write: %s\n" % error)
        return 2
    return status


def _write(text):
    if sys.stdout is None:
        return  # It is closed, and the status is what is asked for.
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        # The library may lie in a folder whose name the terminal cannot show.
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


if __name__ == "__main__":
    # Who reads it may have seen enough; that is no trouble to be told of.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
