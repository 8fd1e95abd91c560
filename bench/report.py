"""Writes what was measured: a table for the terminal, results.md, results.json."""

import json
import os
import platform
import re

from prepare import BENCH


def amount(value, unit):
    """A number as people read it: 1.62M/s, 31.0 us, 99.9 %."""
    if value is None:
        return "-"
    if unit == "rate":
        return "%.2fM/s" % (value / 1e6) if value >= 1e6 else "%.0fk/s" % (value / 1e3)
    if unit == "share":
        return "%.1f %%" % (100 * value)
    if unit == "bytes":
        return "%.0f B" % value
    nanoseconds = value * 1000 if unit == "us" else value
    return "%.1f us" % (nanoseconds / 1e3) if nanoseconds >= 10000 else "%.0f ns" % nanoseconds


def figure(row):
    """What is held against the target: a share, bytes, or a ratio."""
    if row.figure is None:
        return "-"
    return amount(row.figure, row.unit) if is_absolute(row) else "%.2fx" % row.figure


def target(row):
    bound = amount(row.target, row.unit) if is_absolute(row) else "%.3gx" % row.target
    return "%s %s" % (row.best, bound)


def is_absolute(row):
    return row.unit in ("share", "bytes")


def cells(row):
    peers = ", ".join(
        "%s %s" % (name, amount(value, row.unit)) for name, value in row.peers.items()
    )
    peers = "; ".join(filter(None, [peers, row.note]))
    return [row.work, amount(row.ours, row.unit), peers, figure(row), target(row), row.verdict]


HEADINGS = ["work", "ours", "peers", "figure", "target", "verdict"]


def print_row(row):
    """Two lines, since the peers take one of their own."""
    work, ours, peers, number, bound, verdict = cells(row)
    print("%-7s %s" % (verdict, work))
    print(
        "        ours %s, %s (target %s)%s" % (ours, number, bound, "; " + peers if peers else ""),
        flush=True,
    )


def markdown(rows, machine):
    lines = ["# What `make bench` measured", "", machine, "", "![chart](results.svg)", ""]
    lines += ["| %s |" % " | ".join(HEADINGS), "|%s" % (" --- |" * len(HEADINGS))]
    lines += ["| %s |" % " | ".join(cells(row)) for row in rows]
    return "\n".join(lines) + "\n"


def machine_line(python_version):
    """What it was measured on: processor, cores, kernel, interpreter."""
    with open("/proc/cpuinfo") as cpuinfo:
        model = re.search(r"model name\s*:\s*(.*)", cpuinfo.read())
    name = model.group(1) if model else platform.machine()
    kernel = re.match(r"[\d.]+", platform.release()).group()
    cores = len(os.sched_getaffinity(0))
    return "%s, %d cores, Linux %s, CPython %s, loopback, messages of 64 bytes" % (
        name,
        cores,
        kernel,
        python_version,
    )


def write(rows, machine):
    with open(os.path.join(BENCH, "results.md"), "w") as file:
        file.write(markdown(rows, machine))
    records = [dict(vars(row), verdict=row.verdict) for row in rows]
    with open(os.path.join(BENCH, "results.json"), "w") as file:
        json.dump({"machine": machine, "rows": records}, file, indent=1)
        file.write("\n")
