"""The works of the helpers and their targets: this part of the table, from first row to last."""

import os

from helpers import virtd
from helpers.turns import in_turns
from measure import interleaved
from prepare import BENCH, program
from report import amount
from rows import Row, absolute, against, middle, ratio

EXCLUSIVE = 2  # RQ_EXCLUSIVE
BATCH = 100
FED = 250000
SHORT, LONG = 64, 1000000
KEPT_ALIVE = "the bare call, kept alive"


def script(runner, name, *arguments):
    """The command of a measurement in Python."""
    return [runner.python, os.path.join(BENCH, "helpers", name), *map(str, arguments)]


def rq(runner, rounds):
    """Four threads that put values into a queue, each into a buffer of its own."""
    rows = []
    for values, title in ((1, "one value a call"), (16, "16 values a call")):
        queue = [program("helpers-rq"), "--batch", values]
        ring = [program("helpers-ring"), "--batch", values]
        commands = {
            "ours": queue,
            "exclusive": queue + ["--policy", EXCLUSIVE],
            "C ring": ring,
            "C ring found by keys": ring + ["--keys", 1],
        }
        if values > 1:
            commands["C ring, the mutex for each value"] = ring + ["--each", 1]
        outcomes = in_turns(runner, rounds, commands)
        work = "rq_receive in C, 4 threads, rw, %s" % title
        for peer, target in (("C ring", 2), ("exclusive", 1)):
            row = against(outcomes, work, peer, "rate", ">=", target, "rate")
            by_keys = ratio(outcomes, "ours", "C ring found by keys", "rate")
            row.note = "%.2fx of the ring found by keys" % by_keys if by_keys else ""
            rows.append(row)
    return rows


def receive_queue(runner, rounds):
    """The same from Python, in processor time of its thread."""

    def way(name, batch=1):
        return script(runner, "receiving.py", name, "--batch", batch)

    rows = []
    for policy in ("rw", "exclusive"):
        commands = {
            "ours": way(policy),
            "RLock and deque": way("lock"),
            "the original's way": way("original_" + policy),
        }
        outcomes = in_turns(runner, rounds, commands)
        work = "ReceiveQueue.sync_receive, %s, a second of CPU" % policy
        rows.append(against(outcomes, work, "RLock and deque", "rate", ">=", 1, "rate"))
    commands = {"ours": way("rw", BATCH), "RLock and deque": way("lock")}
    outcomes = in_turns(runner, rounds, commands)
    work = "ReceiveQueue.receive_many of %d, values a second of CPU" % BATCH
    rows.append(against(outcomes, work, "RLock and deque", "rate", ">=", 3, "rate"))
    return rows


def rq_feed(runner, rounds):
    """Datagrams that go into a queue past an interpreter that waits for something else."""
    command = script(runner, "feeding.py")
    outcomes = interleaved(rounds, {"ours": lambda: runner.receive(command, rate=FED, flows=4)})
    work = "UDP into a ReceiveQueue, {:,}/s, the interpreter waits: ".format(FED)
    all_facts = outcomes.get("ours", [])
    kept = min((facts["kept"] for facts in all_facts), default=None)
    delivered = Row(work + "kept", kept, {}, kept, ">=", 1, "share")
    if all_facts:
        sent = [round(facts["count"] / facts["kept"]) for facts in all_facts]
        lost = sum(sent) - sum(facts["count"] for facts in all_facts)
        delivered.note = "{:,} of {:,} lost, {:,} of them by the kernel; {} offered".format(
            lost,
            sum(sent),
            sum(facts["kernel_drops"] for facts in all_facts),
            amount(middle(outcomes, "ours", "offered"), "rate"),
        )
    thread = absolute(outcomes, work + "its CPU", "thread_share", "<=", 0.01, "share")
    thread.peers["the whole process"] = middle(outcomes, "ours", "process_share")
    return [delivered, thread]


def named_pipe(runner, rounds):
    """Bytes objects from one process to another."""
    rows = []
    for size, title in ((SHORT, "messages of 64 bytes"), (LONG, "bytes in messages of 1 MB")):
        commands = {
            "ours": script(runner, "piping.py", "ours", "--size", size),
            "multiprocessing.Pipe": script(runner, "piping.py", "multiprocessing", "--size", size),
            "ours, in C": [program("helpers-npipe"), "--size", size],
            "bare pipe in C": [program("helpers-pipe"), "--size", size],
        }
        outcomes = in_turns(runner, rounds, commands)
        if size == LONG:
            in_bytes(outcomes, size)
        work = "NamedPipeWrapper, %s a second" % title
        row = against(outcomes, work, "multiprocessing.Pipe", "rate", ">=", 1.5, "rate")
        of_bare = ratio(outcomes, "ours, in C", "bare pipe in C", "rate")
        row.note = "in C %.2fx of the bare pipe" % of_bare if of_bare else ""
        rows.append(row)
    return rows


def in_bytes(outcomes, size):
    """Makes bytes a second of messages a second."""
    for turns in outcomes.values():
        for facts in turns:
            facts["rate"] *= size


def get_info(runner, rounds):
    """A domain's numbers by a connection that is kept, against libvirt's own call. That is made in
    a program without an event loop, where nothing ends it when its daemon hangs; and beside it by a
    connection that is kept alive, which takes such a loop."""

    def ask(uri, kept_alive=()):
        bare = [program("helpers-libvirt"), uri, "test"]
        commands = {"ours": [program("helpers-virt"), uri, "test"], "the bare call": bare}
        commands.update((name, bare + ["--loop", 1]) for name in kept_alive)
        return in_turns(runner, rounds, commands)

    outcomes, missing = {}, virtd.library_missing()
    if not missing:
        outcomes = ask("test:///default")
    rows = [get_info_row(outcomes, "inside the process", missing)]
    outcomes, missing = {}, missing or virtd.daemon_missing()
    if not missing:
        try:
            with virtd.running() as port:
                outcomes = ask("test+tcp://127.0.0.1:%d/default" % port, [KEPT_ALIVE])
        except OSError as error:
            missing = "libvirtd does not start: %s" % error
    return rows + [get_info_row(outcomes, "from a libvirtd over TCP", missing)]


def get_info_row(outcomes, work, note):
    work = "virt_get_info in C, %s" % work
    row = against(outcomes, work, "the bare call", "ns", "<=", 1.1, "ns")
    of_alive = ratio(outcomes, "ours", KEPT_ALIVE, "ns")
    row.note = "%.2fx of that kept alive" % of_alive if of_alive else note
    return row


WORKS = {work.__name__: work for work in (rq, receive_queue, rq_feed, named_pipe, get_info)}
