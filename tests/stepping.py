"""One step of the run: a command, its log, what it counted and how it ended."""

import os
import re
import shutil
import signal
import subprocess
import time

from project import ROOT

LOGS = ROOT / "target" / "test-logs"

#: No step takes longer than this unless it hangs.
STEP_SECONDS = 400

#: Exit status of a step's own command for "a tool I need is not here".
NOT_FOUND = 3


class NotFound(Exception):
    """A tool that a step needs is not on this machine; the text says which package has it."""


class Step(object):
    """One line of the table."""

    def __init__(self, name, run, is_cell=False):
        self.name = name
        self.run = run
        #: Cells of the matrix, and others that mostly wait, run side by side.
        self.is_cell = is_cell
        self.outcome = ""
        self.counts = ""
        self.seconds = 0.0
        #: The last lines of a step that failed.
        self.end = []

    def execute(self):
        started = time.time()
        log = LOGS / (self.name.replace(" ", "-") + ".log")
        try:
            with open(str(log), "w") as output:
                status = self.run(output)
            text = log.read_text(errors="replace")
            self.outcome = {0: "ok", NOT_FOUND: "not found"}.get(status, "FAILED")
            self.counts = counted(text)
            if status == NOT_FOUND:
                what = text.strip().splitlines()[-1]
                self.counts = "; ".join(filter(None, [self.counts, what]))
        except NotFound as missing:
            self.outcome, self.counts, text = "not found", str(missing), ""
        self.seconds = time.time() - started
        line = "%-22s %-9s %-44s %6.1f s" % (self.name, self.outcome, self.counts, self.seconds)
        self.end = text.splitlines()[-60:] if self.outcome == "FAILED" else []
        print("\n".join([line] + self.end), flush=True)


def counted(text):
    """The counts in a test runner's closing lines, summed up."""
    passed = failed = skipped = 0
    for ok, bad, ignored in re.findall(r"(\d+) passed; (\d+) failed; (\d+) ignored", text):
        passed, failed, skipped = passed + int(ok), failed + int(bad), skipped + int(ignored)
    for ok, bad in re.findall(r"^(\d+) passed, (\d+) failed$", text, flags=re.M):
        passed, failed = passed + int(ok), failed + int(bad)
    for ran, rest in re.findall(r"^Ran (\d+) tests? in [^\n]*\n\n(\w+[^\n]*)", text, flags=re.M):
        numbers = {key: int(n) for key, n in re.findall(r"(\w+)=(\d+)", rest)}
        bad = numbers.get("failures", 0) + numbers.get("errors", 0)
        skips = numbers.get("skipped", 0)
        # What is skipped as a whole has run no test.
        good = max(0, int(ran) - bad - skips)
        passed, failed, skipped = passed + good, failed + bad, skipped + skips
    if not passed + failed + skipped:
        return ""
    return "%d passed, %d failed, %d skipped" % (passed, failed, skipped)


def command(*words, **environment):
    """A step that runs a command in the project's root."""

    def run(output):
        need(words[0])
        return call(output, *words, **environment)

    return run


def call(output, *words, **environment):
    """Runs a command; one that hangs is ended, with all it started, and has failed."""
    process = subprocess.Popen(
        [str(word) for word in words],
        cwd=str(ROOT),
        env=dict(os.environ, **{key: str(value) for key, value in environment.items()}),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait(STEP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.write("\nended after %d s\n" % STEP_SECONDS)
        return 1


PACKAGES = {
    "gcc": "gcc",
    "strace": "strace",
    "nm": "binutils",
    "cargo": "cargo (rustup)",
    "ip": "iproute2",
}


def need(tool):
    if shutil.which(str(tool)) is None:
        raise NotFound("%s (apt install %s)" % (tool, PACKAGES.get(tool, tool)))
