"""The works of the event loop and their targets: this part of the table, from first row to last."""

import shutil

from evloop.echo import BARE, LIBUV, OURS, PYPY_WARM_UP, PYTHON_WARM_UP, echo, script
from measure import APART, OTHER_END, finish, interleaved, read_fact, started
from prepare import LIBUV_MISSING, has_libuv, program
from report import amount
from rows import Row, against, middle, ratio, values

IN_FLIGHT = {"one in flight": 1, "16 in flight": 16}
PYPY_MISSING = "pypy3 is missing: apt install pypy3"


def where_libuv_is(what):
    """libuv's part of a group of commands or measurements: none where it could not be built."""
    return {"libuv": what} if has_libuv() else {}


def libuv_note():
    """What a row that needs libuv says without it."""
    return "" if has_libuv() else LIBUV_MISSING


def echo_rows(outcomes, work, targets, note=""):
    """A row for each peer that has a target. What a server does with a second of its processor
    decides: echoes a second depend on the generator too, as the two wait for each other.
    """
    speeds = ", ".join(
        "%s %s" % (name, amount(middle(outcomes, name, "rate"), "rate")) for name in outcomes
    )
    notes = [note, "echoes a second: " + speeds if speeds else ""]
    rows = []
    for peer, target in targets.items():
        row = against(outcomes, work, peer, "rate_of_cpu", ">=", target, "rate")
        row.note = "; ".join(filter(None, notes))
        rows.append(row)
    return rows


def evloop_echo(runner, rounds):
    """64 bytes to and fro on each of 64 connections, by servers in C, on CPython and on PyPy."""
    rows = []
    for title, in_flight in IN_FLIGHT.items():
        rows += echo_in_c(runner, rounds, title, in_flight)
        rows += echo_in_python(runner, rounds, title, in_flight)
        rows += echo_in_pypy(runner, rounds, title, in_flight)
    return rows


def echo_in_c(runner, rounds, title, in_flight):
    servers = {"ours": OURS, "bare epoll": BARE, **where_libuv_is(LIBUV)}
    outcomes = echo(runner, rounds, servers, in_flight=in_flight)
    targets = {"libuv": 1.05, "bare epoll": 0.97}
    return echo_rows(outcomes, "echo in C, %s, per second of CPU" % title, targets, libuv_note())


def echo_in_python(runner, rounds, title, in_flight):
    servers = {"ours": script(runner.python, "pyed")}
    for name in ("EventLoop", "uvloop", "asyncio", "gevent"):
        servers[name] = script(runner.python, name)
    outcomes = echo(runner, rounds, servers, PYTHON_WARM_UP, in_flight)
    work = "echo in Python with pyed, %s, per second of CPU" % title
    return echo_rows(outcomes, work, {"uvloop": 1.1})


def echo_in_pypy(runner, rounds, title, in_flight):
    pypy = shutil.which("pypy3")
    servers = {}
    if pypy:
        servers = {"ours": script(pypy, "pyed"), "EventLoop": script(pypy, "EventLoop")}
        servers.update(where_libuv_is(LIBUV))
    outcomes = echo(runner, rounds, servers, PYPY_WARM_UP, in_flight) if servers else {}
    work = "echo on PyPy with pyed, %s, per second of CPU" % title
    return echo_rows(outcomes, work, {"libuv": 0.95}, libuv_note() if pypy else PYPY_MISSING)


def evloop_rates(runner, rounds):
    """What passes in 3 s through a connection that is held to a rate, counted from its first byte;
    one look is enough, as it hardly varies.
    """
    rows = []
    for rate in (1000000, 10000000):
        for work, other_end in (("read-rate", "flood"), ("write-rate", "drain")):
            outcomes = interleaved(1, {"ours": limited(work, other_end, rate)})
            share = middle(outcomes, "ours", "of_limit")
            rows.append(
                Row(
                    "%s of %d MB/s over 3 s, in C: off by" % (work, rate // 1000000),
                    share,
                    {},
                    None if share is None else abs(share - 1),
                    "<=",
                    0.02,
                    "share",
                )
            )
    return rows


def limited(work, other_end, rate):
    """A measurement: bytes through a limit, of which the end that receives tells."""

    def measure():
        with started([program("evloop-ours"), work, "--rate", rate], APART) as server:
            command = [program("evloop-load"), other_end, "--port", read_fact(server)["port"]]
            with started(command, OTHER_END) as other:
                try:
                    facts = read_fact(server if other_end == "flood" else other)
                finally:
                    server.terminate()
                    other.terminate()
        facts["of_limit"] = facts["count"] / facts["seconds"] / rate
        return facts

    return measure


def evloop_timers(runner, rounds):
    """Timers in C: moved while many are pending, and how late they come."""
    rows = timers_moved(runner, rounds) + timers_late(rounds)
    for row in rows:
        row.note = libuv_note()
    return rows


def timers_moved(runner, rounds):
    def moving(name, **options):
        def measure():
            facts = finish(command, APART)
            return dict(facts, rate=facts["count"] / facts["seconds"])

        command = [program(name), "timers", "--seconds", runner.seconds]
        for option, value in options.items():
            command += ["--" + option, value]
        return measure

    ways = {1: "one at a time", 64: "64 at a time"}
    measurements = {way: moving("evloop-ours", batch=batch) for batch, way in ways.items()}
    measurements.update(where_libuv_is(moving("evloop-uv")))
    outcomes = interleaved(rounds, measurements)
    rows = []
    for way in ways.values():
        rows.append(
            Row(
                "cancel + add of a timer in C, 100,000 pending, %s, against libuv" % way,
                middle(outcomes, way, "rate"),
                {"libuv": middle(outcomes, "libuv", "rate")},
                ratio(outcomes, way, "libuv", "rate"),
                ">=",
                2,
                "rate",
            )
        )
    return rows


def timers_late(rounds):
    def lateness(name):
        return lambda: finish([program(name), "lateness"], APART)

    measurements = {"ours": lateness("evloop-ours"), **where_libuv_is(lateness("evloop-uv"))}
    outcomes = interleaved(rounds, measurements)
    work = "2,000 timers over 1 s in C, lateness p99"
    return [against(outcomes, work, "libuv", "p99_ns", "<=", 1, "ns")]


def evloop_idle(runner, rounds):
    """10,000 connections that were used once, beside 64 that are busy."""
    uvloop = {"uvloop": script(runner.python, "uvloop")}
    ours = script(runner.python, "EventLoop")
    return idle_rows(runner, rounds, "C", OURS, where_libuv_is(LIBUV)) + idle_rows(
        runner, rounds, "Python with EventLoop", ours, uvloop
    )


def idle_rows(runner, rounds, title, ours, peers):
    """What they cost in memory, beside some peers, and in the speed of the busy ones."""
    servers = {"ours": ours, "none idle": ours}
    outcomes = echo(runner, rounds, servers, PYTHON_WARM_UP, idle=["ours"])
    memory = {}
    for name, server in peers.items():
        memory.update(echo(runner, 1, {name: server}, PYTHON_WARM_UP, idle=[name]))
    bytes_each = middle(outcomes, "ours", "bytes")
    work = "10,000 idle connections, %s: memory of each" % title
    size = Row(work, bytes_each, values(memory, "bytes"), bytes_each, "<=", 2048, "bytes")
    work = "64 busy connections, %s: echoes beside 10,000 idle ones" % title
    speed = against(outcomes, work, "none idle", "rate", ">=", 0.95, "rate")
    of_cpu = ratio(outcomes, "ours", "none idle", "rate_of_cpu")
    speed.note = "per second of CPU %.2fx" % of_cpu if of_cpu else ""
    return [size, speed]


WORKS = {work.__name__: work for work in (evloop_echo, evloop_rates, evloop_timers, evloop_idle)}
