"""Runs the benchmark: ours and the peers on the same work, in turn, in one go.

    run.py [--quick] [--only NAME]

--quick: one short round instead of three, for trying the benchmark out.
--only NAME: one group of works (see works.py, and those of evloop and helpers); nothing is written
    then.
"""

import argparse
import sys
import time

import chart
import prepare
import report
import works
from evloop.works import WORKS as EVLOOP_WORKS
from helpers.works import WORKS as HELPERS_WORKS
from measure import Runner, in_use

WORKS = {**works.WORKS, **EVLOOP_WORKS, **HELPERS_WORKS}


def main():
    options = parse()
    try:
        prepare.compile_programs()
    except prepare.Missing as missing:
        sys.exit(str(missing))
    python, version = prepare.newest_cpython()
    prepare.install_peers(python)
    machine = report.machine_line(version)
    others = in_use()
    if others > 0.05:
        machine += "; other programs had %.0f %% of it at the start: expect noise" % (100 * others)
    print(machine, flush=True)
    start = time.monotonic()
    rows = measure(options, python)
    print("%d s; %s" % (time.monotonic() - start, summary(rows)))
    if not options.only and not options.quick:
        report.write(rows, machine)
        chart.write(rows, machine)


def parse():
    parser = argparse.ArgumentParser(description="ours and the peers on the same work")
    parser.add_argument("--quick", action="store_true", help="one short round; writes nothing")
    parser.add_argument("--only", choices=WORKS, help="one group of works; writes nothing")
    return parser.parse_args()


def measure(options, python):
    runner = Runner(python, seconds=0.4 if options.quick else 1)
    rows = []
    for name in [options.only] if options.only else WORKS:
        for row in WORKS[name](runner, rounds=1 if options.quick else 3):
            report.print_row(row)
            rows.append(row)
    return rows


def summary(rows):
    verdicts = [row.verdict for row in rows]
    return ", ".join(
        "%d %s" % (verdicts.count(verdict), verdict) for verdict in ("PASS", "MISSED", "NOT RUN")
    )


if __name__ == "__main__":
    main()
