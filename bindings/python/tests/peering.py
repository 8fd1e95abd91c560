"""What the tests of peers have in common."""

import contextlib
import logging
import os
import signal
import threading
import unittest

from support import Child, HandlerTest, is_asleep, threads, wait_until

from pyhelpers.udping import Peer

HOST = "127.0.0.1"


class PeerTest(HandlerTest):
    """A test whose sockets and peers end with it."""

    def peer(self, cls=Peer, **kwa):
        """An open peer on a free port."""
        kwa.setdefault("port", 0)
        made = cls(**kwa)
        self.addCleanup(made.close)
        self.assertIs(made.reopen(), True)
        return made


def receive(peer):
    """The next datagram."""
    return wait_until(lambda: told(peer.receive()), "a datagram comes")


def told(received):
    """What was received; None when that is nothing."""
    return None if received == (b"", None) else received


def gather(receive_some, count):
    """The next ``count`` of what the method gives in lists."""
    found = []

    def came():
        found.extend(receive_some(count - len(found), timeout=0.1))
        return len(found) == count

    wait_until(came, "%d datagrams come" % count)
    return found


def collect_from(peer, count):
    """The next ``count`` datagrams."""
    return gather(peer.receive_many, count)


def data_of(received):
    return [data for data, _ in received]


class Wire(object):
    """A wire log that keeps what it is told."""

    def __init__(self):
        self.told = []

    def writeTx(self, data, who):
        self.told.append(("tx", data, who))

    def writeRx(self, data, who):
        self.told.append(("rx", data, who))


@contextlib.contextmanager
def logged():
    """What the peers log meanwhile, (level, text) of each message."""
    logger = logging.getLogger("pyhelpers.udping")
    found = []

    class Handler(logging.Handler):
        def emit(self, record):
            found.append((record.levelname, record.getMessage()))

    handler = Handler()
    was = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.propagate = was
        logger.removeHandler(handler)




def waiting(call):
    """A thread that waits inside of the call, and the list of what will come of it."""
    outcome = []

    def run():
        try:
            outcome.append(call())
        except BaseException as error:
            outcome.append(error)

    before = threads()
    thread = threading.Thread(target=run)
    thread.start()
    own, = wait_until(lambda: threads() - before, "the thread runs")
    wait_until(lambda: is_asleep(os.getpid(), own), "it waits")
    return thread, outcome


def check_interrupt(opening, wait):
    """Checks that Ctrl-C ends a wait: ``opening`` imports and makes a context manager ``made``."""
    child = Child(INTERRUPTED % (opening, wait))
    assert child.line() == "ready"
    wait_until(lambda: is_asleep(child.pid), "it waits")
    child.signal(signal.SIGINT)
    assert child.line() == "interrupted"
    outcome = child.finish()
    assert (outcome.code, outcome.err) == (0, ""), outcome


INTERRUPTED = """
import sys
%s
with made:
    try:
        sys.stdout.write("ready\\n")
        sys.stdout.flush()
        %s
    except KeyboardInterrupt:
        print("interrupted")
"""


def privileged_port():
    """A port that a plain user may not bind to."""
    if os.getuid():
        raise unittest.SkipTest("only root can become somebody else")
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as start:
        port = int(start.read()) - 1
    if port < 1:
        raise unittest.SkipTest("no port is privileged here")
    return port
