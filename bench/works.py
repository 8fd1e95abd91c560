"""The works on datagrams and their targets: this part of the table, from first row to last."""

import shutil

from measure import ANYWHERE, APART, interleaved
from prepare import program
from rows import Row, absolute, against, middle

PEERS = ["asyncio", "uvloop", "rloop", "gevent", "plain"]
GSO_SEGMENTS = 60
FLOWS = 16


def receivers(runner, *options, **how):
    """A receiving measurement for us and for each peer."""

    def one(peer):
        return lambda: runner.receive(runner.peer("receive", peer, *options), **how)

    return {peer: one(peer) for peer in ["ours"] + PEERS}


def senders(runner, destinations, baseline=None):
    """A sending measurement for us, each peer, and a baseline in C."""

    def one(peer):
        return lambda: runner.send(
            lambda port: runner.peer("send", peer, port, destinations, runner.seconds)
        )

    measurements = {peer: one(peer) for peer in ["ours"] + PEERS}
    if baseline:
        measurements["C sendmmsg"] = native_sender(runner, "bare", destinations=destinations)
    return measurements


def native_sender(runner, who, work="send", cores=ANYWHERE, **options):
    def command(port):
        arguments = [program(who), work, "--port", port, "--seconds", runner.seconds]
        for name, value in options.items():
            arguments += ["--" + name, value]
        return arguments

    return lambda: runner.send(command, cores)


def native_receiver(runner, who, work="receive", gro=0, **how):
    return lambda: runner.receive([program(who), work, "--gro", gro], **how)


# One by one, the generator cannot offer 250,000 a second from a core that it shares with anything,
# and so sends them in short trains. Only a receiver that asks for GRO sees a difference.
BUSY_LOADS = {100000: {}, 250000: {"gso": 5}}


def busy(runner, rounds):
    """Beside a Python thread that never rests."""
    rows = []
    for rate, trains in BUSY_LOADS.items():
        load = dict(trains, rate=rate, flows=4, thrown_away=True, cores=ANYWHERE)
        outcomes = interleaved(rounds, receivers(runner, "--busy", **load))
        work = "{:,}/s offered, one busy Python thread: ".format(rate)
        rows.append(absolute(outcomes, work + "delivered", "kept", ">=", 0.99, "share"))
        speed = absolute(outcomes, work + "the thread's speed", "busy_speed", ">=", 0.85, "share")
        speed.peers["ours, of the speed on an idle machine"] = middle(
            outcomes, "ours", "busy_speed_of_idle"
        )
        rows.append(speed)
    return rows


def gso(runner, rounds):
    """Datagrams that arrive in trains."""
    outcomes = interleaved(rounds, receivers(runner, gso=GSO_SEGMENTS, flows=FLOWS))
    work = "GSO senders, %d flows, delivered to Python" % FLOWS
    return [
        against(outcomes, work, "rloop", "rate", ">=", 2, "rate"),
        against(outcomes, work, "uvloop", "rate", ">=", 2.5, "rate"),
    ]


def cpu(runner, rounds):
    """What the interpreter's thread pays for a datagram that came alone."""
    flat_out = interleaved(rounds, receivers(runner))
    paced = interleaved(rounds, receivers(runner, rate=100000))
    work = "distinct datagrams, %s, interpreter-thread CPU each"
    return [
        against(flat_out, work % "flat out", "uvloop", "cpu_us", "<=", 1 / 3, "us"),
        against(paced, work % "100,000/s", "uvloop", "cpu_us", "<=", 1 / 3, "us"),
    ]


def sending(runner, rounds):
    """Batches handed in, against a call for each datagram."""
    one = interleaved(rounds, senders(runner, 1))
    many = interleaved(rounds, senders(runner, 1000, baseline=True))
    work = "dispatch_many to %s"
    return [
        against(one, work % "one destination", "plain", "rate", ">=", 5, "rate"),
        against(many, work % "1,000 destinations", "plain", "rate", ">=", 1.2, "rate"),
        against(many, work % "1,000 destinations", "C sendmmsg", "rate", ">=", 0.9, "rate"),
    ]


def calling(runner, rounds):
    """One datagram handed in, against a foreign call that does nothing."""
    rows = []
    for name, python, backend in (
        ("CPython", runner.python, "cffi"),
        ("CPython", runner.python, "ctypes"),
        ("PyPy", shutil.which("pypy3"), "cffi"),
    ):

        def measure(python=python, backend=backend):
            return runner.send(
                lambda port: runner.peer(
                    "call", backend, port, program("libempty.so"), python=python
                )
            )

        outcomes = interleaved(rounds, {"ours": measure} if python else {})
        rows.append(
            Row(
                "one dispatch, %s and %s: interpreter-thread CPU, against an empty call"
                % (name, backend),
                middle(outcomes, "ours", "dispatch_ns"),
                {"empty call": middle(outcomes, "ours", "empty_ns")},
                middle(outcomes, "ours", "ratio"),
                "<=",
                1.3,
                "ns",
            )
        )
    return rows


def peer(runner, rounds):
    """The Peer that calls the kernel on the program's own thread, against hio's."""

    def receive(name, **load):
        return lambda: runner.receive(runner.peer("receive", name), **load)

    def send(name):
        return lambda: runner.send(lambda port: runner.peer("send", name, port, 1, runner.seconds))

    flat_out = {"ours": receive("peer"), "hio": receive("hio"), "rloop": receive("rloop")}
    outcomes = interleaved(rounds, flat_out)
    trains = {"gso": GSO_SEGMENTS, "flows": FLOWS}
    gso = {"ours": receive("peer", **trains), "hio": receive("hio", **trains)}
    sending = interleaved(rounds, {"ours": send("peer"), "hio": send("hio")})
    work = "Peer.receive_many, distinct datagrams flat out, CPU each"
    rows = [
        against(outcomes, work, "hio", "cpu_us", "<=", 0.6, "us"),
        against(outcomes, work, "rloop", "cpu_us", "<=", 0.9, "us"),
        against(
            interleaved(rounds, gso),
            "Peer.receive_many, GSO senders, %d flows, delivered" % FLOWS,
            "hio",
            "rate",
            ">=",
            2.5,
            "rate",
        ),
        against(sending, "Peer.send_many to one peer", "hio", "rate", ">=", 5, "rate"),
    ]
    return rows + peer_calls(runner)


def peer_calls(runner):
    """One datagram a call."""

    def native_calls():
        return runner.send(lambda port: [program("bare"), "one", "--port", port])

    rows = []
    for name, python, backend, most in (
        ("CPython", runner.python, "cffi", 1),
        ("CPython", runner.python, "ctypes", 1),
        ("PyPy", shutil.which("pypy3"), "cffi", 1 / 1.5),
    ):

        def measure(python=python, backend=backend):
            return runner.send(lambda port: runner.peer("one", backend, port, python=python))

        both = {"ours": measure, "C": native_calls} if python else {}
        outcomes = interleaved(1, both)
        for kind in ("receive", "send", "empty"):
            work = "one Peer.%s, %s and %s, CPU, against hio" % (
                {"empty": "receive of nothing"}.get(kind, kind),
                name,
                backend,
            )
            ours = middle(outcomes, "ours", "ours_" + kind)
            peers = {
                "hio": middle(outcomes, "ours", "hio_" + kind),
                "the system call in C": middle(outcomes, "C", kind + "_ns"),
            }
            figure = middle(outcomes, "ours", "ratio_" + kind)
            rows.append(Row(work, ours, peers, figure, "<=", most, "ns"))
    return rows


def native(runner, rounds):
    """The C ABI against the kernel's own calls."""
    trains = {"gso": GSO_SEGMENTS, "flows": FLOWS}
    works = [
        ("C: udph_get_recved, distinct datagrams", "recvmmsg", native_receiver, {}),
        (
            "C: udph_get_recved, GSO senders and GRO",
            "recvmmsg",
            native_receiver,
            {"gro": 1, **trains},
        ),
        ("C: udph_dispatch to one destination, no GSO", "sendmmsg", native_sender, {}),
        (
            "C: udph_dispatch to one destination, GSO",
            "sendmmsg",
            native_sender,
            {"gso": GSO_SEGMENTS},
        ),
        (
            "C: udph_dispatch to 1,000 destinations",
            "sendmmsg",
            native_sender,
            {"destinations": 1000},
        ),
    ]
    rows = []
    for work, peer, measurement, options in works:
        peer = "C " + peer
        pair = {
            "ours": measurement(runner, "ours", **options),
            peer: measurement(runner, "bare", **options),
        }
        rows.append(against(interleaved(rounds, pair), work, peer, "rate", ">=", 0.9, "rate"))
    return rows


def latency(runner, rounds):
    """How long a datagram waits when there is nothing else to do."""
    rate = 10000

    def python_sender(port):
        return runner.peer("send-latency", port, rate, runner.seconds)

    works = {
        "10,000/s, idle program: queue delay p50": {
            "ours": lambda: runner.receive(runner.peer("queue-delay"), rate=rate),
            "ours, in C": native_receiver(runner, "ours", "queue-delay", rate=rate),
            "C hand-over": native_receiver(runner, "bare", "queue-delay", rate=rate),
        },
        "10,000/s, idle program: send latency p50": {
            "ours": lambda: runner.send(python_sender, APART),
            "ours, in C": native_sender(runner, "ours", "send-latency", APART, rate=rate),
            "C hand-over": native_sender(runner, "bare", "send-latency", APART, rate=rate),
        },
    }
    return [
        against(interleaved(rounds, pair), work, "C hand-over", "p50_ns", "<=", 1.5, "ns")
        for work, pair in works.items()
    ]


def memory(runner, rounds):
    """What a datagram that waits takes; one look is enough, as it hardly varies."""
    works = {
        "memory for a queued 64-byte datagram, received": lambda: runner.receive(
            runner.peer("memory", "recv"), rate=100000, seconds=3
        ),
        "memory for a queued 64-byte datagram, to send": lambda: runner.send(
            lambda port: runner.peer("memory", "send", port)
        ),
    }
    return [
        absolute(interleaved(1, {"ours": measure}), work, "bytes", "<=", 192, "bytes")
        for work, measure in works.items()
    ]


WORKS = {
    work.__name__: work for work in (busy, gso, cpu, sending, calling, peer, native, latency, memory)
}
