"""dnsperf, the DNS load generator: finds it or fetches it without root, runs it, reads what it says."""
import ctypes
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

TIMEOUT = 1     # seconds after which dnsperf counts a query as lost
CLIENTS = 4     # sockets that the queries come from
IN_FLIGHT = 65000  # dnsperf holds its load back only above so many unanswered queries, so it hardly ever does
PR_SET_TIMERSLACK = 29  # from <linux/prctl.h>


def find(folder):
    """The environment to run dnsperf in; where it isn't installed, it comes from Debian's mirror into `folder`."""
    root = os.path.join(folder, "root")
    if not shutil.which("dnsperf") and not os.path.exists(root):
        print("fetching dnsperf", flush=True)
        os.makedirs(folder, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                _fetch(work, root)
        except (OSError, subprocess.SubprocessError):
            sys.exit("dnsperf is missing and could not be fetched: apt install dnsperf")
    return dict(os.environ, PATH=os.environ["PATH"] + ":" + root + "/usr/bin",
                LD_LIBRARY_PATH=":".join(glob.glob(root + "/usr/lib/*/")))


def _fetch(work, root):
    """Unpacks dnsperf and those of its libraries that the system lacks into `root`; nothing is installed."""
    for folder in "lists/partial", "cache/archives/partial", "debs":
        os.makedirs(os.path.join(work, folder))
    apt = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "-o", "Dir::Cache=" + work + "/cache"]
    packages = _missing_packages(apt)
    if not packages:  # the system's package lists are absent
        apt += ["-o", "Dir::State::Lists=" + work + "/lists"]
        _run(apt + ["update"])
        packages = _missing_packages(apt)
    _run(apt + ["download"] + (packages or ["dnsperf"]), cwd=work + "/debs")
    for deb in glob.glob(work + "/debs/*.deb"):
        _run(["dpkg", "-x", deb, work + "/root"])
    os.rename(work + "/root", root)


def _missing_packages(apt):
    """What apt would install for dnsperf; nothing if it doesn't know dnsperf."""
    plan = subprocess.run(apt + ["-s", "--no-install-recommends", "install", "dnsperf"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True, timeout=60)
    return re.findall(r"^Inst (\S+)", plan.stdout, re.M)


def _run(command, cwd=None):
    subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, timeout=180, check=True)


class Load:
    """One run of dnsperf against the server at `port`: `rate` queries/s for `seconds`, on half of the CPUs; without a
    rate, as many as get answered. `queries` is a file, a line each; `folder` takes the log."""

    def __init__(self, environment, queries, folder, port, seconds, rate=None):
        self.log = os.path.join(folder, "dnsperf.log")
        pace = ["-Q", str(rate), "-q", str(IN_FLIGHT)] if rate else ["-q", "200"]
        command = ["dnsperf", "-v", "-e", "-s", "127.0.0.1", "-p", str(port), "-d", queries, "-l", str(seconds),
                   "-t", str(TIMEOUT), "-T", "1", "-c", str(CLIENTS)] + pace
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.DEVNULL,
                                            preexec_fn=_prepare)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def result(self):
        """Waits for the end and returns dnsperf's account: counts, seconds, the response codes seen, and the latency
        of each answer in seconds, lowest first."""
        status = self.process.wait()
        with open(self.log) as log:
            text = log.read()
        if status != 0 or "Statistics:" not in text:
            raise RuntimeError("dnsperf failed with status %d, it said: %s" % (status, text[-500:]))
        count = {label: float(value) for label, value in re.findall(r"^  (\w[^:]*): +([0-9.]+)", text, re.M)}
        answers = re.findall(r"^> ([A-Z]+) .* ([0-9.]+)$", text, re.M)
        return {"sent": int(count["Queries sent"]), "answered": int(count["Queries completed"]),
                "lost": int(count["Queries lost"]), "seconds": count["Run time (s)"],
                "codes": {code for code, _ in answers}, "latencies": sorted(float(latency) for _, latency in answers)}


def _prepare():
    """In the process that becomes dnsperf: leaves the lower half of the CPUs to the server, which is not tied to any,
    and makes short sleeps exact. dnsperf sleeps for no time between queries, which Linux rounds up to 50 us."""
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cpus[len(cpus) // 2:])
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
