"""Every descriptor that the package gives out is readable exactly while something is there: for
select, poll, epoll, selectors, asyncio, uvloop and trio (eventlet and gevent: test_greenlets.py).

A package that cannot be imported skips its tests by name; PYHELPERS_REQUIRE="trio,uvloop" makes
that an error.
"""

import importlib
import os
import select
import shutil
import socket
import tempfile
import unittest

from pyhelpers.broadcast import BroadCastReceiver
from pyhelpers.event_loop import EventLoop
from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
from pyhelpers.receive_queue import ReceiveQueue
from pyhelpers.udping import Peer
from support import DEADLINE, PY2, HandlerTest, needs_python3, with_one_backend

if not PY2:
    import selectors

    import fds_cases

setUpModule = with_one_backend

HOST = "127.0.0.1"
ROUNDS = 5


class Source(object):
    """Something to receive from: ``fileno()``; ``send(number)``, and ``take()``, a list of the
    numbers that are there."""

    def __init__(self, fileno, send, take):
        self.fileno = fileno
        self.send = send
        self.take = take


class SourcesTest(HandlerTest):
    def sources(self):
        made = [self.of_handler(), self.of_peer(), self.of_broadcast(), self.of_pipe()]
        made += [self.of_queue(), self.of_fed_queue()]
        return made + [self.of_loop_timer(), self.of_loop_connection()]

    def sender(self, host, port):
        plain = self.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return lambda number: plain.sendto(b"%d" % number, (host, port))

    def closing(self, made):
        self.addCleanup(made.close)
        return made

    def of_handler(self):
        handler, port = self.receiver()
        take = lambda: [int(datagram[2]) for datagram in handler.get_recved_many()]
        return Source(handler.fileno, self.sender(HOST, port), take)

    def of_peer(self):
        peer = self.closing(Peer(port=0, reopen=True))
        take = lambda: [int(data) for data, _ in peer.receive_many()]
        return Source(peer.fileno, self.sender(*peer.ha), take)

    def of_broadcast(self):
        receiver = self.closing(BroadCastReceiver(0, timeout=0))
        send = self.sender("127.255.255.255", receiver.port)
        return Source(receiver.fileno, send, lambda: [int(message.data) for message in receiver])

    def of_pipe(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "pipe")
        receiver, sender = (self.closing(NamedPipeWrapper(path)) for _ in range(2))

        def take():
            try:
                return [receiver.receive(timeout=0)]
            except (OSError, IOError):
                return []

        return Source(receiver.fileno, sender.send, take)

    def of_queue(self):
        queue = self.closing(ReceiveQueue(("group", "other"), 1))

        def send(number):
            queue.receive("other", "idx", number)
            queue.receive("group", "idx", number)

        def take():
            return list(queue.extract("group", "idx")) if queue.wait("group", timeout=0) else []

        return Source(lambda: queue.fileno("group"), send, take)

    def of_fed_queue(self):
        queue = self.closing(ReceiveQueue(("group", "other"), 1))
        handler, port = self.receiver()
        queue.feed(handler, "group", idx=(0, 0))

        def take():
            if not queue.wait("group", timeout=0):
                return []
            return [int(data) for data in queue.extract("group", b"")]

        return Source(lambda: queue.fileno("group"), self.sender(HOST, port), take)

    def of_loop(self):
        """An event loop, and a source that runs it."""
        loop, taken = self.closing(EventLoop()), []

        def take():
            loop.run_once(0)
            found = taken[:]
            del taken[:]
            return found

        return loop, taken, take

    def of_loop_timer(self):
        loop, taken, take = self.of_loop()
        send = lambda number: loop.call_later(0.001, taken.append, number)
        return Source(loop.fileno, send, take)

    def of_loop_connection(self):
        loop, taken, take = self.of_loop()
        on_data = lambda connection, data: taken.append(int(data))
        server = loop.tcp_server(host=HOST, port=0, on_data=on_data)
        client = socket.create_connection(server.address, DEADLINE)
        self.addCleanup(client.close)
        fileno = loop.fileno
        # The connection is accepted first.
        while select.select([fileno()], [], [], 0.01)[0]:
            loop.run_once(0)
        return Source(fileno, lambda number: client.sendall(b"%d" % number), take)


class Plain(SourcesTest):
    """By the standard library's own waits."""

    def check(self, is_readable):
        """``is_readable(fd, seconds)``"""
        for source in self.sources():
            found, fd = [], source.fileno()
            for number in range(ROUNDS):
                self.assertFalse(is_readable(fd, 0))
                source.send(number)
                while len(found) <= number:
                    self.assertTrue(is_readable(fd, DEADLINE))
                    found += source.take()
            self.assertFalse(is_readable(fd, 0))
            self.assertEqual(found, list(range(ROUNDS)))

    def test_select(self):
        self.check(lambda fd, seconds: bool(select.select([fd], [], [], seconds)[0]))

    def test_poll(self):
        def is_readable(fd, seconds):
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return poll.poll(seconds * 1000) == [(fd, select.POLLIN)]

        self.check(is_readable)

    def test_epoll(self):
        def is_readable(fd, seconds):
            epoll = select.epoll()
            try:
                epoll.register(fd, select.EPOLLIN)
                return epoll.poll(seconds) == [(fd, select.EPOLLIN)]
            finally:
                epoll.close()

        self.check(is_readable)

    @needs_python3
    def test_selectors(self):
        def is_readable(fd, seconds):
            with selectors.DefaultSelector() as selector:
                selector.register(fd, selectors.EVENT_READ)
                return bool(selector.select(seconds))

        self.check(is_readable)


@needs_python3
class Loops(SourcesTest):
    """All sources side by side, each waited for by a task. The readers are of another file, as
    Python 2 cannot read them."""

    def check(self, name):
        package = name.lower()
        try:
            importlib.import_module(package)
        except ImportError as error:
            if package in os.environ.get("PYHELPERS_REQUIRE", "").split(","):
                raise
            raise unittest.SkipTest("%s cannot be imported: %s" % (package, error))
        sources = self.sources()
        found = fds_cases.rounds(getattr(fds_cases, name), sources, ROUNDS)
        self.assertEqual(found, [list(range(ROUNDS))] * len(sources))

    def test_asyncio(self):
        self.check("Asyncio")

    def test_uvloop(self):
        self.check("Uvloop")

    def test_trio(self):
        self.check("Trio")


if __name__ == "__main__":
    unittest.main()
