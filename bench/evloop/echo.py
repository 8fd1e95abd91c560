"""The echo servers and their measurement: all at once, with the load going from one to the next."""

import contextlib
import os
import sys

from measure import APART, OTHER_END, Failed, finish, read_fact, started
from prepare import BENCH, program

IDLE = 10000
TURN = 0.1  # seconds that a server is loaded before it is the next one's turn
PYTHON_WARM_UP = 0.3
PYPY_WARM_UP = 1  # it compiles meanwhile

BARE = [program("evloop-bare")]
OURS = [program("evloop-ours"), "echo"]
LIBUV = [program("evloop-uv"), "echo"]


def script(python, name):
    """The command of a server in Python."""
    return [python, os.path.join(BENCH, "evloop", "servers.py"), name]


def echo(runner, rounds, servers, warm_up=0.1, in_flight=1, idle=()):
    """Starts the servers of these commands and loads them in turns, which makes up for a machine
    whose speed changes from second to second. Those whose names are in `idle` have 10,000 idle
    connections too. Gives the facts of each turn for each server that could run.
    """
    with contextlib.ExitStack() as stack:
        ready = {}
        for name, command in servers.items():
            with reported(name):
                ready[name] = start(stack, command)
        with reported(", ".join(ready)):
            command = load(ready, rounds * runner.seconds, warm_up, in_flight, idle)
            return facts_of_turns(ready, finish(command, OTHER_END)["servers"])
    return {}


@contextlib.contextmanager
def reported(names):
    """A failure costs what it is about, and not the benchmark."""
    try:
        yield
    except Failed as failure:
        print("  %s: %s" % (names, failure), file=sys.stderr)


def start(stack, command):
    """Starts a server that ends with the stack; gives its port and process."""
    server = stack.enter_context(started(command, APART))
    stack.callback(server.terminate)
    return read_fact(server)


def load(ready, seconds, warm_up, in_flight, idle):
    """The generator's command, for so many seconds with each server."""
    command = [program("evloop-load"), "echo", "--in-flight", in_flight, "--warm-up", warm_up]
    command += ["--rounds", round(seconds / TURN), "--slice", TURN]
    for name, server in ready.items():
        connections = IDLE if name in idle else 0
        command.append("%d:%d:%d" % (server["port"], server["pid"], connections))
    return command


def facts_of_turns(names, servers):
    """What the generator tells, and echoes a second and a second of the server's processor time."""
    return {
        name: [
            dict(
                turn,
                bytes=server["bytes"],
                rate=turn["count"] / turn["seconds"],
                rate_of_cpu=turn["count"] / turn["cpu_seconds"],
            )
            for turn in server["turns"]
        ]
        for name, server in zip(names, servers)
    }
