"""What the tests of the event loop have in common."""

import contextlib
import os
import resource
import signal
import socket
import struct

from support import DEADLINE, HandlerTest, collect_garbage, now

from pyhelpers import EventLoop

HOST = "127.0.0.1"

#: More than the buffers of two connected sockets take.
PLENTY = 32 << 20


def connected(address):
    """A plain client whose calls wait until the deadline."""
    return socket.create_connection(address[:2], DEADLINE)


def reset(client):
    """Closes a plain socket so that its peer gets a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def in_a_child(checks):
    """Calls ``checks()`` in a forked child, which must come to its end."""
    child = os.fork()
    if not child:
        status = 1
        try:
            # One that hangs is ended.
            signal.alarm(int(DEADLINE))
            checks()
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    if status:
        raise AssertionError("the child ended with status %d" % status)


def received(client, count):
    """So many bytes from a plain socket; AssertionError when its end comes before."""
    data = b""
    while len(data) < count:
        part = client.recv(min(count - len(data), 1 << 20))
        if not part:
            raise AssertionError("the end came after %d bytes" % len(data))
        data += part
    return data


def received_all(client):
    """All bytes from a plain socket up to its end."""
    parts = []
    while not parts or parts[-1]:
        parts.append(client.recv(1 << 20))
    return b"".join(parts)


@contextlib.contextmanager
def no_descriptors():
    """Has the process no descriptor left for anything new."""
    # On PyPy those that nobody has any more are open still.
    collect_garbage()
    held = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    try:
        while True:
            try:
                held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in held:
            os.close(each)


def turned_until(turn, predicate, what):
    """Calls ``turn()``, which must not wait for long, until the predicate's answer is true; gives
    it."""
    end = now() + DEADLINE
    while True:
        answer = predicate()
        if answer:
            return answer
        if now() > end:
            raise AssertionError("in %g seconds not: %s" % (DEADLINE, what))
        turn()


class LoopTest(HandlerTest):
    """A test whose loops end with it, without a handler's exception that nobody expected."""

    def loop(self, *args):
        made = EventLoop(*args)
        self.addCleanup(made.close)
        made.on_error = self._unexpected
        return made

    def setUp(self):
        self._errors = []
        self.addCleanup(self._raise_what_was_unexpected)

    def _unexpected(self, error, _traceback):
        self._errors.append(error)

    def _raise_what_was_unexpected(self):
        if self._errors:
            raise self._errors.pop()

    def until(self, loop, predicate, what):
        """Runs the loop until the predicate's answer is true; gives it."""

        def turn():
            loop.run_once(0.05)
            self._raise_what_was_unexpected()

        return turned_until(turn, predicate, what)

    def server(self, loop, **arguments):
        arguments.setdefault("host", HOST)
        return loop.tcp_server(**arguments)

    def client(self, address):
        made = connected(address)
        self.addCleanup(made.close)
        return made

    def accepted(self, loop, **arguments):
        """A connection of the loop, and the plain client at its other end."""
        found = []
        server = self.server(loop, on_connect=found.append, **arguments)
        client = self.client(server.address)
        self.until(loop, lambda: found, "it is accepted")
        return found[0], client

    def listener(self, backlog=16):
        """A plain listening socket, and its address."""
        made = socket.socket()
        self.addCleanup(made.close)
        made.settimeout(DEADLINE)
        made.bind((HOST, 0))
        made.listen(backlog)
        return made, made.getsockname()


class Ended(list):
    """An on_close handler that keeps the errors it was called with."""

    def __call__(self, _connection, error):
        self.append(error)

    @property
    def number(self):
        """The errno of the only one."""
        (error,) = self
        return error.errno
