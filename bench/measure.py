"""Runs one measurement at a time: a receiver beside the generator, a sender beside the sink."""

import json
import os
import resource
import subprocess
import sys
import time

from prepare import BENCH, HIO, PACKAGES, ROOT, program

LIMIT = 30  # seconds after which a measurement has failed

CORES = sorted(os.sched_getaffinity(0))

# The generator, or the sink, keeps to the last core, and what is measured to the others (APART).
# Where that is one core only, all threads of a measured program share it, and its work is what they
# take together: right for receivers, which are to keep up with a generator that nothing slows down.
# A program beside which another thread never rests, and one whose work goes from its own thread to
# one of ours, may run on all cores: held to one core it would show the scheduler's doing. The peers
# get what ours gets.
OTHER_END = {CORES[-1]}
ANYWHERE = set(CORES)
APART = set(CORES[:-1]) or ANYWHERE

THROWN_AWAY = 0.6  # seconds: longer than a receiver looks at it


class Failed(Exception):
    """A measurement that gave no numbers."""


class Runner:
    """Knows the interpreter, and for how long to measure."""

    def __init__(self, python, seconds):
        self.python = python
        self.seconds = seconds

    def peer(self, *arguments, python=None):
        """The command of a measurement in peers.py."""
        return [python or self.python, os.path.join(BENCH, "peers.py"), *map(str, arguments)]

    def receive(self, command, cores=APART, thrown_away=False, **load):
        """Sends to what `command` starts. Gives its facts, and as `offered` and `kept` what was
        sent, in datagrams a second, and how much of it arrived, as a fraction.

        `thrown_away`: the receiver wants the load before and after too, on a socket that throws it
        away.
        """
        with started(command, cores) as receiver:
            if thrown_away:
                self.load(read_fact(receiver)["port"], **dict(load, seconds=THROWN_AWAY))
            sent = self.load(read_fact(receiver)["port"], **load)
            receiver.stdin.close()
            if thrown_away:
                self.load(read_fact(receiver)["port"], **dict(load, seconds=THROWN_AWAY))
            facts = read_fact(receiver)
        facts["offered"] = sent["count"] / sent["seconds"]
        facts["kept"] = facts["count"] / sent["count"]
        if "seconds" in facts:
            facts["rate"] = facts["count"] / facts["seconds"]
        return facts

    def load(self, port, seconds=None, **options):
        command = [program("load"), "send", "--port", port, "--seconds", seconds or self.seconds]
        for name, value in options.items():
            command += ["--" + name, value]
        return finish(command, OTHER_END)

    def send(self, command_to, cores=ANYWHERE):
        """Runs the sender that `command_to(port)` names beside a sink; gives its facts."""
        with started([program("load"), "sink"], OTHER_END) as sink:
            facts = finish(command_to(read_fact(sink)["port"]), cores)
            sink.stdin.close()
            facts["arrived"] = read_fact(sink)["count"] / facts["count"]
        if "seconds" in facts:
            facts["rate"] = facts["count"] / facts["seconds"]
        return facts


def in_use(seconds=0.5):
    """The share of the machine's time that somebody else is using."""
    before = processor_times()
    time.sleep(seconds)
    idle, whole = (after - start for after, start in zip(processor_times(), before))
    return 1 - idle / whole


def processor_times():
    """Ticks that the cores were idle, and all ticks."""
    with open("/proc/stat") as stat:
        ticks = list(map(int, stat.readline().split()[1:]))
    return sum(ticks[3:5]), sum(ticks)


def finish(command, cores):
    """Runs a command that needs no more; gives its facts."""
    with started(command, cores) as process:
        process.stdin.close()
        return read_fact(process)


def started(command, cores):
    environment = dict(os.environ, PYTHONPATH=python_path(command), BENCH_HIO=HIO)
    return subprocess.Popen(
        ["timeout", str(LIMIT), *map(str, command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: become_measured(cores),
    )


def become_measured(cores):
    """In the new process: its cores, and as many descriptors as it may have."""
    os.sched_setaffinity(0, cores)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def python_path(command):
    """The package, and for CPython the peers: PyPy has a cffi of its own, not to be hidden."""
    paths = [os.path.join(ROOT, "bindings", "python")]
    if "pypy" not in command[0]:
        paths.append(PACKAGES)
    return os.pathsep.join(paths)


def read_fact(process):
    """The next line of JSON that a measurement prints."""
    line = process.stdout.readline()
    if not line:
        raise Failed("%s gave no numbers" % " ".join(map(str, process.args[2:5])))
    return json.loads(line)


def interleaved(rounds, measurements):
    """Runs each of `measurements` (a name and a function) in turn, `rounds` times, so that a slow
    moment of the machine falls on all alike. Gives a list of facts, one a round, for each name that
    could run.
    """
    outcomes = {}
    for _ in range(rounds):
        for name, measure in measurements.items():
            try:
                outcomes.setdefault(name, []).append(measure())
            except Failed as failure:
                print("  %s: %s" % (name, failure), file=sys.stderr)
                outcomes.pop(name, None)
                measurements = {other: run for other, run in measurements.items() if other != name}
    return outcomes
