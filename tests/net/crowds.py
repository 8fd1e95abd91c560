"""An event loop with very many connections: 10,000 at once, and 1,000 that are slow.

Run with the package importable (PYTHONPATH=bindings/python).
"""

import errno
import gc
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import unittest

import clients
from pyhelpers import EventLoop

HOST = "127.0.0.1"

CROWD, SLOW, BUSY = 10000, 1000, 64

#: Descriptors that a process has besides.
OTHERS = 100

#: For what takes milliseconds unless it hangs, and for all tests together.
DEADLINE, ALL_SECONDS = 20, 120

#: Bytes of our memory that an open connection may take, and that a small object does.
BYTES_OF_CONNECTION, BYTES_OF_OBJECT = 2048, 64


def raise_limit():
    """Lets this process, and those that it starts, have as many descriptors as they may; gives how
    many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def memory():
    """Bytes of this process that are in memory."""
    gc.collect()
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * resource.getpagesize()


class Clients:
    """A process of clients that does what a function of clients.py does; a context manager."""

    def __init__(self, function, address, count):
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe()
        self._process = spawning.Process(target=function, args=[theirs, address, count])
        self._process.start()
        theirs.close()
        self.first = self.answer()

    def answer(self):
        if not self._pipe.poll(DEADLINE):
            raise AssertionError("the clients say nothing")
        return self._pipe.recv()

    def ask(self, word):
        self._pipe.send(word)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()


class CrowdTest(unittest.TestCase):
    """With a loop that another thread runs. ``most``: connections at once."""

    def setUp(self):
        limit, needed = raise_limit(), self.most + OTHERS
        if limit < needed:
            self.skipTest("%d descriptors are permitted, %d needed" % (limit, needed))
        self.loop = EventLoop()
        self.closed = []
        running = threading.Thread(target=self.loop.run)
        running.start()

        def end():
            self.loop.stop()
            running.join()
            self.loop.close()

        self.addCleanup(end)

    def echo_server(self, **options):
        """The address of a server; ``closed`` notes the errors of its connections."""
        server = self.loop.tcp_server(
            host=HOST,
            on_data=lambda connection, data: connection.write(data),
            on_close=lambda _, error: self.closed.append(error),
            **options
        )
        return server.address

    def connections(self):
        return self.loop.stats()["connections"]

    def wait_until(self, condition, what):
        deadline = time.monotonic() + DEADLINE
        while not condition():
            self.assertLess(time.monotonic(), deadline, "never came true: " + what)
            time.sleep(0.01)


class Crowd(CrowdTest):
    most = CROWD

    def test_descriptors_and_memory_return(self):
        address = self.echo_server()
        # The first ones bring what stays: the modules, the process that helps multiprocessing.
        self.come_and_go(address, BUSY)
        before = descriptors(), memory()
        _, held = self.come_and_go(address, CROWD)
        self.assertLess(held - before[1], CROWD * BYTES_OF_CONNECTION)
        for _ in range(2):
            self.come_and_go(address, CROWD)
        # What is kept of a crowd is for the next one, and does not grow by an object each.
        kept = memory()
        self.come_and_go(address, CROWD)
        self.assertLess(memory() - kept, CROWD * BYTES_OF_OBJECT)
        self.assertEqual(descriptors(), before[0])

    def come_and_go(self, address, count):
        """Connects so many, lets each say something, and has them go. Gives the descriptors and the
        memory in use meanwhile."""
        self.closed.clear()
        with Clients(clients.hold, address, count) as held:
            self.assertEqual(held.first, count)
            self.assertEqual(self.connections(), count)
            used = descriptors(), memory()
            self.assertGreaterEqual(used[0], count)
        self.wait_until(lambda: len(self.closed) == count, "all are closed")
        self.assertEqual(self.closed, [None] * count)
        self.assertEqual(self.connections(), 0)
        return used


class Slow(CrowdTest):
    """Clients that send a byte a second each."""

    most = SLOW + BUSY

    #: How much longer the slowest echoes of others may take: generous, for a busy machine, and
    #: tried so often.
    FACTOR, TRIES = 3, 5

    def test_they_do_not_slow_others_down(self):
        address = self.echo_server()
        seen = []
        with Clients(clients.measure, address, BUSY) as busy:
            while len(seen) < self.TRIES:
                alone = busy.ask(1)
                with Clients(clients.drip, address, SLOW):
                    self.wait_until(lambda: self.connections() == BUSY + SLOW, "all are there")
                    among_them = busy.ask(1)
                if among_them < self.FACTOR * alone:
                    return
                seen.append((alone, among_them))
                self.wait_until(lambda: self.connections() == BUSY, "the slow ones are gone")
        self.fail("99th percentiles in seconds, without them and with them: %s" % seen)

    def test_an_idle_timeout_closes_them(self):
        address = self.echo_server(idle_timeout=0.5)
        with Clients(clients.drip, address, SLOW) as slow:
            with Clients(clients.measure, address, BUSY) as busy:
                # Longer than the timeout; it would fail if one of these were closed.
                busy.ask(1)
                self.wait_until(lambda: slow.ask("closed?") == SLOW, "they are closed")
                # From now on the others are idle as well.
                self.assertGreaterEqual(len(self.closed), SLOW)
                codes = {error and error.errno for error in self.closed}
                self.assertEqual(codes, {errno.ETIMEDOUT})


def interrupt(*_signal):
    raise KeyboardInterrupt


def main():
    # Whatever ends the run, the clients end too.
    for number in signal.SIGTERM, signal.SIGALRM:
        signal.signal(number, interrupt)
    signal.alarm(ALL_SECONDS)
    run = unittest.TestProgram(verbosity=2, exit=False)
    return 0 if run.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
