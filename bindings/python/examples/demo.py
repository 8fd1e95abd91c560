"""The demo: a DNS server in Python under a real load, on pyhelpers, asyncio and uvloop.   demo.py [--seconds N]

Needs python3 with pip; whatever else it uses goes below .deps/ in the project's folder. Ends with a table, and with
status 1 if anything failed.
"""
import argparse
import functools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import dnsperf

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
PACKAGES = os.path.join(ROOT, ".deps", "demo")
NEEDED = ["dnspython>=2.6", "uvloop", "cffi"]
ZONE = os.path.join(HERE, "zones", "example.org.zone")
TRANSPORTS = "pyhelpers", "asyncio", "uvloop"
LOADS = 0.25, 0.6, 1.5  # of the rate that pyhelpers answers when every query waits for an answer
WARM_UP = 0.5           # seconds of the lowest load before anything counts
PATIENCE = 10           # seconds that a server may take to say something


def main():
    parser = argparse.ArgumentParser(description="Measures a DNS server in Python on three transports.")
    parser.add_argument("--seconds", type=int, default=3, help="length of each of the nine loads (default: 3)")
    seconds = max(1, parser.parse_args().seconds)
    install_packages()
    environment = dnsperf.find(os.path.join(ROOT, ".deps", "dnsperf"))
    import traffic  # needs what was just installed
    with tempfile.TemporaryDirectory() as folder:
        queries = os.path.join(folder, "queries")
        traffic.write_queries(ZONE, queries)
        load = functools.partial(dnsperf.Load, environment, queries, folder)
        for transport in TRANSPORTS:
            check_answers(transport, traffic)
        rates = choose_rates(load)
        start = time.monotonic(), cpu_of_others()
        rows = [row for transport in TRANSPORTS for row in measure(transport, load, rates, seconds)]
        share = (cpu_of_others() - start[1]) / (time.monotonic() - start[0]) / os.cpu_count()
    print_table(rows)
    print("\nMeanwhile other programs used %.0f %% of the %d CPUs%s." % (
        max(0, 100 * share), os.cpu_count(), ": repeat this on a quiet machine" if share > 0.1 else ""))


def install_packages():
    """Puts the packages that the servers need into .deps/demo, once for each Python version."""
    stamp = os.path.join(PACKAGES, "installed")
    wanted = "%s %s" % (sys.version, NEEDED)
    if read(stamp) != wanted:
        print("installing", ", ".join(NEEDED), flush=True)
        shutil.rmtree(PACKAGES, ignore_errors=True)
        pip = [sys.executable, "-m", "pip"]
        if subprocess.call(pip + ["--version"], stdout=subprocess.DEVNULL):
            sys.exit("pip is missing: apt install python3-pip")
        if subprocess.call(pip + ["install", "-q", "--root-user-action=ignore", "--target", PACKAGES] + NEEDED):
            sys.exit("pip could not install " + ", ".join(NEEDED))
        with open(stamp, "w") as out:
            out.write(wanted)
    sys.path.insert(0, PACKAGES)


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None


class Server:
    """dns_server.py on one transport, while the `with` block lasts."""

    def __init__(self, transport):
        self.transport = transport

    def __enter__(self):
        path = os.pathsep.join([PACKAGES, os.path.join(ROOT, "bindings", "python")])
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "dns_server.py"), "--zone", ZONE, "--transport", self.transport],
            env=dict(os.environ, PYTHONPATH=path), stdout=subprocess.PIPE, universal_newlines=True)
        self.port = int(self._line())
        return self

    def __exit__(self, error, *_):
        self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        if status != 0 and not error:
            raise RuntimeError("the server on %s ended with status %d" % (self.transport, status))

    def figures(self):
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self._line())

    def _line(self):
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if readable else ""
        if not line:
            self.process.kill()
            raise RuntimeError("the server on %s %s" % (self.transport, "hangs" if not readable else "died"))
        return line


def check_answers(transport, traffic):
    with Server(transport) as server:
        wrong = traffic.wrong_answers(server.port)
    if wrong:
        sys.exit("%s: wrong answers\n  %s" % (transport, "\n  ".join(wrong)))
    print("%-9s  %d of %d answers are right" % (transport, len(traffic.KNOWN), len(traffic.KNOWN)), flush=True)


def choose_rates(load):
    """The loads in queries/s, two digits each, from what this machine can do."""
    with Server("pyhelpers") as server:
        with load(server.port, seconds=2) as run:
            result = run.result()
    fastest = result["answered"] / result["seconds"]
    print("pyhelpers answers %s/s when every query waits for an answer" % "{:,.0f}".format(fastest), flush=True)
    return [int(float("%.1e" % (fastest * share))) for share in LOADS]


def measure(transport, load, rates, seconds):
    """Puts each load on the server and yields a row of the table."""
    with Server(transport) as server:
        with load(server.port, WARM_UP, rates[0]) as run:
            run.result()
        for rate in rates:
            before = server.figures()
            with load(server.port, seconds, rate) as run:
                busy = watch(server, before, "%-9s  %7s/s" % (transport, "{:,}".format(rate)), seconds)
                result = run.result()
            if not result["answered"] or result["codes"] - {"NOERROR", "NXDOMAIN"}:
                raise RuntimeError("%s answered with %s" % (transport, ", ".join(result["codes"]) or "nothing"))
            total = difference(server.figures(), before)
            yield row(transport, result["sent"] / seconds, result, difference(busy, before), total)


def watch(server, before, title, seconds):
    """Shows every second what the server did so far; returns its figures at the end of the last."""
    start = time.monotonic()
    for second in range(1, seconds + 1):
        time.sleep(max(0, start + second - time.monotonic()))
        now = server.figures()
        so_far = difference(now, before)
        line = "%s  %d s: %9s received  %9s answered" % (
            title, second, "{:,}".format(so_far["queries"]), "{:,}".format(so_far["answered"]))
        print(line, end="\r" if sys.stdout.isatty() and second < seconds else "\n", flush=True)
    return now


def difference(after, before):
    return {key: None if after[key] is None else after[key] - before[key] for key in after}


def row(transport, offered, result, busy, total):
    """The cells of the table: what dnsperf says, then what the server says."""
    latencies = result["latencies"] or [float("nan")]
    return (transport, "{:,.0f}".format(offered), "{:,}".format(result["answered"]), "{:,}".format(result["lost"]),
            "%.1f" % (100 * result["lost"] / max(1, result["sent"])),
            "{:,.0f}".format(result["answered"] / result["seconds"]),
            "%.2f" % (1000 * latencies[len(latencies) // 2]), "%.2f" % (1000 * latencies[len(latencies) * 99 // 100]),
            "%.0f" % (100 * busy["thread_cpu"] / busy["wall"]),
            "%.1f" % (1e6 * busy["thread_cpu"] / max(1, busy["answered"])),
            "%.1f" % (1e6 * busy["process_cpu"] / max(1, busy["answered"])),
            "can't tell" if total["dropped"] is None else "{:,}".format(total["dropped"]))


def cpu_of_others():
    """CPU seconds since the machine's start of whatever is not the demo, programs that still run excepted."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, *interrupts = map(int, stat.readline().split()[1:9])
    ours = sum(os.times()[:4])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK") - ours


def print_table(rows):
    heads = ("transport", "offered/s", "answered", "lost", "lost %", "queries/s", "p50 ms", "p99 ms",
             "Python's CPU %", "its us/answer", "all us/answer", "dropped, it says")
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    print()
    for line in [heads] + rows:
        print(line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:])), sep="  ")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit("the demo failed: %s" % error)
    except KeyboardInterrupt:
        sys.exit("interrupted")
