"""A script that is measured in turns with others: a turn for each line that it is sent."""

import argparse
import json
import sys


def options(**numbers):
    """The way to go, the length of a turn in seconds, and these numbers, of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way")
    parser.add_argument("--seconds", type=float, default=0.1)
    for name, number in numbers.items():
        parser.add_argument("--" + name, type=int, default=number)
    return vars(parser.parse_args())


def say(**facts):
    """One line for the parent."""
    print(json.dumps(facts), flush=True)


def in_turns(turn):
    """Says the facts that `turn()` gives, whenever it is asked, until nothing more comes."""
    for _ in sys.stdin:
        say(**turn())
