"""What the tests of peers have in common."""

import contextlib
import logging

from support import HandlerTest, wait_until

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


def collect_from(peer, count):
    """The next ``count`` datagrams."""
    found = []

    def came():
        found.extend(peer.receive_many(count - len(found), timeout=0.1))
        return len(found) == count

    wait_until(came, "%d datagrams come" % count)
    return found


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


