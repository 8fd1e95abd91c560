"""Programs that wait for their turn: all of them there at once, one at a time at work."""

import contextlib
import os

from measure import ANYWHERE, interleaved, read_fact, started

TURN = 0.1  # seconds that each works before it is the next one's turn


def in_turns(runner, rounds, commands):
    """Starts these commands, each with its name, and lets each work for half as many seconds as the
    rounds have, in turns, after one that does not count: that makes up for a machine whose speed
    changes from second to second. Gives the facts of each turn for each that could run.
    """
    with contextlib.ExitStack() as stack:
        turns = {
            name: turn_of(stack.enter_context(started(command + ["--seconds", TURN], ANYWHERE)))
            for name, command in commands.items()
        }
        could_run = interleaved(1, turns)
        return interleaved(
            round(rounds * runner.seconds / 2 / TURN), {name: turns[name] for name in could_run}
        )


def turn_of(process):
    """A measurement: one turn of a program that waits for it."""

    def measure():
        with contextlib.suppress(BrokenPipeError):  # what has ended gives no facts, either
            os.write(process.stdin.fileno(), b"\n")
        facts = read_fact(process)
        each = facts["seconds"] / facts["count"]
        return dict(facts, rate=1 / each, ns=1e9 * each)

    return measure
