"""TCP connections of the event loop: what they carry, how they end, what they withstand."""

import errno
import itertools
import os
import shutil
import signal
import socket
import struct
import tempfile
import threading
import unittest
import weakref

from looping import (
    HOST,
    PLENTY,
    Ended,
    LoopTest,
    connected,
    in_a_child,
    no_descriptors,
    received,
    received_all,
    reset,
)
from support import (
    DEADLINE,
    PYPY,
    collect_garbage,
    leaves_nothing,
    needs_ipv6,
    now,
    run_child,
    wait_until,
)

from pyhelpers._backend import backend


#: Bytes that may wait where a test is not about that.
_NO_LIMIT = (1 << 32) - 1


def echo(connection, data):
    connection.write(data)


class Echo(LoopTest):
    def served(self, loop):
        """Runs the loop in a thread until the test's end."""
        thread = threading.Thread(target=loop.run)
        thread.start()

        def end():
            loop.stop()
            thread.join()

        self.addCleanup(end)

    def test_all_backends(self):
        for backend in ("epoll", "poll", "select"):
            loop = self.loop(backend)
            server = self.server(loop, on_data=echo)
            self.served(loop)
            for size in (1, 64, 4096, 4097, 65536, 1 << 20):
                client = self.client(server.address)
                data = os.urandom(size)
                sender = threading.Thread(target=client.sendall, args=(data,))
                sender.start()
                self.assertEqual(received(client, size), data)
                sender.join()

    def test_many_at_once_each_get_their_own(self):
        loop = self.loop()
        server = self.server(loop, on_data=echo)
        self.served(loop)
        clients = [self.client(server.address) for _ in range(100)]
        for turn in range(5):
            messages = [b"%d of %d " % (turn, number) * (1 + number) for number in range(100)]
            for client, message in zip(clients, messages):
                client.sendall(message)
            for client, message in zip(clients, messages):
                self.assertEqual(received(client, len(message)), message)

    def test_many_small_writes_of_one_handler_stay_in_order(self):
        count, loop = 5000, self.loop()
        expected = b"".join(b"%d," % number for number in range(count))

        def write_all(connection):
            for number in range(count):
                connection.write(b"%d," % number)
            connection.close()

        server = self.server(loop, on_connect=write_all)
        self.served(loop)
        self.assertEqual(received_all(self.client(server.address)), expected)

    def test_small_and_large_writes_stay_in_order(self):
        loop = self.loop()
        parts = [os.urandom(size) for size in (1, 5000, 2, 100000, 3, 4096, 4097, 0, 4)]

        def write_all(connection):
            for part in parts:
                connection.write(part)
            connection.close()

        server = self.server(loop, on_connect=write_all)
        self.served(loop)
        self.assertEqual(received_all(self.client(server.address)), b"".join(parts))

    def test_writes_of_other_threads(self):
        loop, count = self.loop(), 500
        connection, client = self.accepted(loop)
        self.served(loop)

        def write(letter):
            for _ in range(count):
                connection.write(letter * 10)

        threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
        for thread in threads:
            thread.start()
        data = received(client, 10 * count * 3)
        for thread in threads:
            thread.join()
        pieces = [data[at : at + 10] for at in range(0, len(data), 10)]
        self.assertEqual(sorted(pieces), sorted([b"a" * 10, b"b" * 10, b"c" * 10] * count))

    def test_what_can_be_written(self):
        loop = self.loop()
        connection, client = self.accepted(loop)
        for data in (b"bytes", bytearray(b"bytes"), memoryview(b"bytes")):
            connection.write(data)
            self.assertEqual(received(client, 5), b"bytes")
        for data in (u"text", None, 5):
            self.refused(TypeError, connection.write, data)

    def test_a_client_of_the_loop(self):
        loop, came, ended = self.loop(), [], Ended()
        server = self.server(loop, on_data=echo)
        connection = loop.tcp_client(
            HOST,
            server.address[1],
            on_connect=lambda each: came.append(each.remote),
            on_data=lambda each, data: came.append(data),
            on_close=ended,
        )
        connection.write(b"before it is connected")
        self.until(loop, lambda: len(came) == 2, "the echo comes")
        self.assertEqual(came, [server.address, b"before it is connected"])
        connection.close()
        self.until(loop, lambda: ended, "it is closed")
        self.assertEqual(ended, [None])

    @needs_ipv6
    def test_both_families_and_names(self):
        loop, came = self.loop(), []
        server = self.server(loop, host="", on_connect=lambda each: came.append(each.local))
        port = server.address[1]
        for host in (HOST, "::1", "localhost"):
            loop.tcp_client(host, str(port), on_connect=lambda each: came.append(each.remote))
        self.until(loop, lambda: len(came) == 6, "all are connected")
        self.assertEqual({address[1] for address in came if address[0] == "::1"} - {port}, set())
        only = self.server(loop, host="::1")
        self.assertEqual(only.address[0], "::1")

    def test_unix_sockets(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "socket")
        for address, plain in (("unix:" + path, path), ("unix:@pyhelpers-%d" % os.getpid(), None)):
            loop, came, accepted = self.loop(), [], []
            server = self.server(loop, host=address, on_data=echo, on_connect=accepted.append)
            self.assertEqual(server.address, address[len("unix:") :])
            connection = loop.tcp_client(address, 0, on_data=lambda _, data: came.append(data))
            connection.write(b"x")
            self.until(loop, lambda: came, "the echo comes")
            self.assertEqual((connection.local, connection.remote), (None, None))
            if plain:
                client = socket.socket(socket.AF_UNIX)
                self.addCleanup(client.close)
                client.connect(plain)
                self.until(loop, lambda: len(accepted) == 2, "the plain one is accepted")

    def test_the_path_of_a_unix_socket_is_text(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "socket")
        server = self.server(self.loop(), host=b"unix:" + path.encode("utf-8"))
        self.assertEqual(server.address, path)

    def test_addresses_and_counts(self):
        loop, data = self.loop(), []
        connection, client = self.accepted(loop, on_data=lambda _, part: data.append(part))
        self.assertEqual(connection.remote, client.getsockname())
        self.assertEqual(connection.local, client.getpeername())
        client.sendall(b"12345")
        self.until(loop, lambda: data, "it is received")
        connection.write(b"123")
        self.assertEqual(received(client, 3), b"123")
        stats = connection.stats()
        self.assertEqual((stats["received_bytes"], stats["sent_bytes"]), (5, 3))
        self.assertEqual(connection.pending, 0)
        self.assertIn("open", repr(connection))
        self.assertEqual(loop.stats()["connections"], 1)

    def test_options_reach_the_socket(self):
        loop = self.loop()
        connection, _ = self.accepted(
            loop, nodelay=True, keepalive=7, recv_buffer=20000, linger=3, reuseport=True, backlog=5
        )
        copy = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(copy.close)
        self.assertTrue(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        self.assertTrue(copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        self.assertEqual(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 7)
        self.assertEqual(copy.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), 40000)
        lingers = copy.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        self.assertEqual(struct.unpack("ii", lingers), (1, 3))
        slow, _ = self.accepted(loop, nodelay=False)
        copy = socket.fromfd(slow.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(copy.close)
        self.assertFalse(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_wrong_arguments_are_refused(self):
        loop = self.loop()
        for options in (
            dict(port=-1),
            dict(port=65536),
            dict(backlog=-1),
            dict(keepalive=1 << 20),
            dict(linger=-1),
            dict(limit=-1),
            dict(idle_timeout=0),
            dict(connect_timeout=-1),
            dict(host="127.0.0.1\0"),
        ):
            self.refused(ValueError, loop.tcp_server, **options)
        for options in (dict(backlogs=1), dict(host=None), dict(port=1.5), dict(limit="1")):
            self.refused(TypeError, loop.tcp_server, **options)
        taken = self.server(loop)
        self.fails_with(errno.EADDRINUSE, self.server, loop, port=taken.address[1])
        self.refused(socket.gaierror, self.server, loop, host="name.invalid")
        self.refused(socket.gaierror, self.server, loop, port="no-such-service")
        with self.assertRaises(OSError):
            self.server(loop, host="192.0.2.1")


class Handlers(LoopTest):
    def test_they_can_be_set_later(self):
        loop, came, ended = self.loop(), [], Ended()

        def begin(connection):
            self.assertIsNone(connection.on_data)
            connection.on_data = lambda each, data: came.append(data)
            connection.on_close = ended
            connection.note = "of the program's own"

        connection, client = self.accepted(loop)
        begin(connection)
        client.sendall(b"x")
        self.until(loop, lambda: came, "the data comes")
        client.close()
        self.until(loop, lambda: ended, "it ends")
        self.assertEqual(connection.note, "of the program's own")

    def test_one_that_raises(self):
        loop, came, errors = self.loop(), [], []
        loop.on_error = lambda error, _: errors.append(error)

        def on_data(connection, data):
            came.append(data)
            raise ValueError(data)

        server = self.server(loop, on_data=on_data)
        clients = [self.client(server.address) for _ in range(3)]
        for number in range(2):
            for client in clients:
                client.sendall(b"x")
            self.until(loop, lambda: len(came) == 3 * (1 + number), "all were called")
        self.assertEqual((loop.errors, len(errors)), (6, 6))
        self.assertEqual({type(error) for error in errors}, {ValueError})

    def test_one_that_closes_its_own_connection(self):
        for end in ("close", "abort"):
            loop, came, ended = self.loop(), [], Ended()

            def on_data(connection, data):
                came.append(data)
                getattr(connection, end)()
                connection.on_data = self.fail

            server = self.server(loop, on_data=on_data, on_close=ended, recv_size=1)
            client = self.client(server.address)
            client.sendall(b"xyz")
            self.until(loop, lambda: ended, "it is closed")
            self.assertEqual(came, [b"x"])
            if end == "abort":
                self.assertEqual(ended.number, errno.ECONNABORTED)

    def test_one_that_closes_another_of_the_same_batch(self):
        loop, connections, came, ended = self.loop(), [], [], Ended()

        def on_data(connection, data):
            came.append(connection)
            for each in connections:
                if each is not connection:
                    each.close()

        server = self.server(
            loop, on_connect=connections.append, on_data=on_data, on_close=ended
        )
        clients = [self.client(server.address) for _ in range(10)]
        self.until(loop, lambda: len(connections) == 10, "all are accepted")
        for client in clients:
            client.sendall(b"x")
        self.until(loop, lambda: len(ended) == 9, "the others are closed")
        self.assertEqual(len(came), 1)

    def test_one_that_stops_the_loop(self):
        loop, came = self.loop(), []

        def on_data(connection, data):
            came.append(data)
            loop.stop()

        server = self.server(loop, on_data=on_data)
        clients = [self.client(server.address) for _ in range(5)]
        for client in clients:
            client.sendall(b"x")
        for number in range(1, 6):
            loop.run()
            self.assertEqual(len(came), number)

    def test_a_server_that_is_closed_accepts_no_more(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, on_data=echo, on_close=ended)
        address = client.getpeername()
        server = [each for each in loop._loop.objects.values() if each is not connection][0]
        server.close()
        server.close()
        self.assertRaises((socket.error, OSError), connected, address)
        client.sendall(b"goes on")
        loop.run_once(1)
        self.assertEqual(received(client, 7), b"goes on")

    def test_closed_connections_are_released(self):
        loop, references = self.loop(), []

        def begin(connection):
            references.append(weakref.ref(connection))
            connection.note = 1
            # They often hold each other.
            connection.on_close = lambda each, error: connection.note
            connection.on_data = lambda each, data: connection.write(data)

        server = self.server(loop, on_connect=begin)
        for _ in range(5):
            connected(server.address).close()
        self.until(loop, lambda: len(references) == 5, "all are accepted")
        self.until(loop, lambda: loop.stats()["connections"] == 0, "all are closed")
        loop.run_once(0)
        collect_garbage()
        self.assertEqual([reference() for reference in references], [None] * 5)
        self.assertEqual(len(loop._loop.objects), 1)


class EndOfConnections(LoopTest):
    def test_the_peer_closes(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, on_data=echo, on_close=ended)
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        self.until(loop, lambda: ended, "it ends")
        self.assertEqual(ended, [None])
        self.assertEqual(received_all(client), b"last words")

    def test_half_closed_by_the_peer(self):
        loop, data, at_the_end = self.loop(), [], []
        ended = Ended()
        connection, client = self.accepted(
            loop,
            on_data=lambda _, part: data.append(part),
            on_end=at_the_end.append,
            on_close=ended,
        )
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        self.until(loop, lambda: at_the_end, "the end comes")
        self.assertEqual((data, ended), ([b"request"], []))
        connection.write(b"answer")
        loop.call_later(0.01, connection.close)
        self.until(loop, lambda: ended, "it is closed")
        self.assertEqual(received_all(client), b"answer")

    def test_half_closed_by_us(self):
        loop, data, ended = self.loop(), [], Ended()
        connection, client = self.accepted(
            loop, on_data=lambda _, part: data.append(part), on_close=ended
        )
        connection.write(b"request")
        connection.shutdown_write()
        self.fails_with(errno.EPIPE, connection.write, b"more")
        self.assertEqual(received_all(client), b"request")
        client.sendall(b"answer")
        self.until(loop, lambda: data, "the answer comes")
        client.close()
        self.until(loop, lambda: ended, "it ends")
        self.assertEqual((data, ended), ([b"answer"], [None]))

    def test_what_was_written_is_sent_before_it_is_closed(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, send_buffer=65536, on_close=ended)
        connection.write(b"x" * (2 << 20))
        connection.close()
        self.fails_with(errno.EBADF, connection.write, b"more")
        total = []
        reader = threading.Thread(target=lambda: total.append(len(received_all(client))))
        reader.start()
        self.until(loop, lambda: ended, "it is closed")
        reader.join()
        self.assertEqual((total, ended), ([2 << 20], [None]))

    def test_every_call_after_the_end_says_so(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, on_close=ended)
        connection.close()
        self.until(loop, lambda: ended, "it ends")
        for call, arguments in writes_and_settings(connection) + [(connection.fileno, ())]:
            self.fails_with(errno.EBADF, call, *arguments)
        for end in (connection.close, connection.abort, connection.shutdown_write):
            self.assertIsNone(end())
        self.assertEqual(connection.pending, 0)
        self.assertIn("closed", repr(connection))
        loop.run_once(0)
        self.assertEqual(len(ended), 1)

    def test_nothing_is_written_to_a_lost_link_and_nothing_raised(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, on_close=ended)
        reset(client)

        def all_calls():
            for call, arguments in writes_and_settings(connection):
                self.assertIsNone(call(*arguments))

        # The loop tells of the loss later.
        all_calls()
        self.assertEqual(ended, [])
        self.until(loop, lambda: ended, "it ends")
        self.assertIn(ended.number, (errno.ECONNRESET, errno.EPIPE))
        all_calls()
        self.fails_with(errno.EBADF, connection.fileno)
        connection.close()
        self.fails_with(errno.EBADF, connection.write, b"x")
        self.fails_with(errno.EBADF, connection.write, b"x" * 100000)

    def test_nothing_is_written_when_the_peer_has_closed_it(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, send_buffer=65536, on_close=ended)
        connection.write(b"x" * (2 << 20))
        client.shutdown(socket.SHUT_WR)
        self.until(loop, lambda: "closing" in repr(connection), "its end is seen")
        for size in (1, 100000):
            connection.write(b"y" * size)
        found = []
        reader = threading.Thread(target=lambda: found.append(received_all(client)))
        reader.start()
        self.until(loop, lambda: ended, "it is closed")
        reader.join()
        self.assertEqual((len(found[0]), found[0].count(b"y")), (2 << 20, 0))

    def test_abort_resets(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, on_close=ended)
        connection.abort()
        self.until(loop, lambda: ended, "it ends")
        self.assertEqual(ended.number, errno.ECONNABORTED)
        with self.assertRaises((socket.error, OSError)) as caught:
            received_all(client)
        self.assertEqual(caught.exception.errno, errno.ECONNRESET)

    def test_reset_in_the_middle_of_a_write(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, send_buffer=65536, on_close=ended)
        connection.write(b"x" * (2 << 20))
        self.assertGreater(connection.pending, 0)
        reset(client)
        self.until(loop, lambda: ended, "it ends")
        self.assertIn(ended.number, (errno.ECONNRESET, errno.EPIPE))

    def test_no_signal_for_a_broken_pipe(self):
        out = run_child(
            "import signal, socket, struct, pyhelpers\n"
            "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
            "loop, ended = pyhelpers.EventLoop(), []\n"
            "def write(connection):\n"
            "    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
            "    client.close()\n"
            "    for size in (10, 100000, 10, 10):\n"
            "        try: connection.write(b'x' * size)\n"
            "        except OSError: pass\n"
            "server = loop.tcp_server(write, host='127.0.0.1',\n"
            "    on_close=lambda connection, error: (ended.append(error), loop.stop()))\n"
            "client = socket.create_connection(server.address[:2])\n"
            "loop.run()\n"
            "print(ended[0].errno)\n"
        )
        self.assertIn(int(out), (errno.ECONNRESET, errno.EPIPE))

    def test_shutdown_sends_what_waits_and_ends_the_run(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, send_buffer=65536, on_close=ended)
        address = client.getpeername()
        connection.write(b"x" * (2 << 20))
        loop.shutdown(DEADLINE)
        error = self.fails_with(errno.EBADF, connection.write, b"more")
        self.assertIn("connection is closed", str(error))
        self.fails_with(errno.ESHUTDOWN, loop.tcp_client, *address)
        self.fails_with(errno.ESHUTDOWN, loop.tcp_server)
        self.assertRaises((socket.error, OSError), connected, address)
        total = []
        reader = threading.Thread(target=lambda: total.append(len(received_all(client))))
        reader.start()
        loop.run()
        reader.join()
        self.assertEqual((total, ended), ([2 << 20], [None]))
        loop.run()
        self.fails_with(errno.EBADF, connection.write, b"more")

    def test_shutdown_has_a_deadline(self):
        for deadline in (0, 0.02):
            loop, ended = self.loop(), Ended()
            connection, client = self.accepted(loop, send_buffer=65536, on_close=ended)
            connection.write(b"x" * (2 << 20))
            loop.shutdown(deadline)
            loop.run()
            self.assertEqual(ended.number, errno.ETIMEDOUT)

    def test_writes_after_the_loop_is_closed(self):
        loop = self.loop()
        connection, client = self.accepted(loop)
        connection.write(b"x")
        loop.close()
        error = self.fails_with(errno.EBADF, connection.write, b"x")
        self.assertIn("EventLoop is closed", str(error))

    def test_writes_of_a_forked_child(self):
        loop = self.loop()
        connection, client = self.accepted(loop)
        other, _ = self.accepted(loop)

        def checks():
            self.fails_with(errno.EBADF, connection.write, b"small")
            self.fails_with(errno.EBADF, connection.write, b"large" * 10000)
            connection.close()
            other.abort()
            self.assertEqual(loop.close(), 0)

        in_a_child(checks)
        connection.write(b"alive")
        self.assertEqual(received(client, 5), b"alive")

    def test_writes_of_a_child_forked_while_another_thread_hands_in(self):
        loop = self.loop()
        connection, client = self.accepted(loop)
        entered, go_on = threading.Event(), threading.Event()
        hand_in = loop._loop._hand_in

        def slowly():
            entered.set()
            go_on.wait(DEADLINE)
            hand_in()

        loop._loop._hand_in = slowly
        thread = threading.Thread(target=connection.write, args=(b"of the thread",))
        thread.start()
        self.assertTrue(entered.wait(DEADLINE))

        def checks():
            for size in (1, 100000):
                self.fails_with(errno.EBADF, connection.write, b"x" * size)
            connection.close()
            self.assertEqual(loop.close(), 0)

        in_a_child(checks)
        go_on.set()
        thread.join()
        self.assertEqual(received(client, 13), b"of the thread")

    def test_a_child_forked_by_a_handler_that_has_written(self):
        loop = self.loop()

        def on_data(connection, data):
            connection.write(b"answer")
            in_a_child(lambda: self.assertEqual(loop.close(), 0))

        server = self.server(loop, on_data=on_data)
        client = self.client(server.address)
        client.sendall(b"x")
        loop.call_later(0.01, loop.stop)
        loop.run()
        self.assertEqual(received(client, 6), b"answer")

    def test_close_of_the_loop_says_what_was_not_sent(self):
        loop = self.loop()
        connection, client = self.accepted(loop, send_buffer=65536, on_close=self.fail)
        connection.write(b"x" * (2 << 20))
        pending = connection.pending
        self.assertGreater(pending, 0)
        self.assertEqual(loop.close(), pending)
        self.fails_with(errno.EBADF, connection.write, b"more")
        self.fails_with(errno.EBADF, connection.stats)


def writes_and_settings(connection):
    return [
        (connection.write, (b"x",)),
        (connection.write, (b"x" * 100000,)),
        (connection.set_rate, (1, 1)),
        (connection.set_watermarks, (1, 2)),
        (connection.set_timeouts, (1, 1)),
        (connection.pause_reading, ()),
        (connection.resume_reading, ()),
    ]


class Signals(LoopTest):
    """Python's own handlers of signals, which interrupt whatever is under way."""

    def every(self, seconds, handler):
        previous = signal.signal(signal.SIGALRM, handler)
        self.addCleanup(signal.signal, signal.SIGALRM, previous)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    def reader(self, client):
        """A list that will hold all that the client receives, and the thread that reads it."""
        found = []
        thread = threading.Thread(target=lambda: found.append(read_on(client)))
        thread.start()
        return found, thread

    @unittest.skipIf(PYPY and backend.name == "ctypes", "PyPy's ctypes runs Python in each call")
    def test_an_exception_loses_and_doubles_nothing_that_was_written(self):
        loop, armed, raised = self.loop(), [], []
        connection, client = self.accepted(loop, limit=_NO_LIMIT)

        class Alarm(BaseException):
            pass

        def interrupt(*_):
            if armed:
                raised.append(armed.pop())
                raise Alarm

        def write(first):
            for number in range(first, first + 100):
                connection.write(b"%08d" % number)
            armed.append(1)

        found, thread = self.reader(client)
        written, end = 0, now() + DEADLINE
        self.every(0.0007, interrupt)
        while len(raised) < 100 and now() < end:
            loop.call_soon(write, written)
            written += 100
            while loop._loop.has_more():
                try:
                    loop.run_once(0)
                    del armed[:]
                except Alarm:
                    pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.close()
        self.until(loop, lambda: not loop.stats()["connections"], "all is sent")
        thread.join()
        self.assertEqual(found[0], b"".join(b"%08d" % number for number in range(written)))
        self.assertGreaterEqual(len(raised), 100)

    def test_what_an_exception_left_gathered_is_handed_in(self):
        loop = self.loop()
        connection, client = self.accepted(loop)
        # So the loop is left when the handler raises at the end of an iteration.
        loop._loop.most = 1
        connection.close()
        self.until(loop, lambda: not loop.stats()["connections"], "the connection is closed")
        self.assertEqual(client.recv(1), b"")

    def test_a_handler_that_writes(self):
        loop, written, sizes = self.loop(), [], itertools.cycle((1, 5000))
        connection, client = self.accepted(loop, limit=_NO_LIMIT)

        def write(*_):
            # It may be interrupted by itself.
            size = next(sizes)
            written.append(size)
            connection.write(b"s" * size)

        found, thread = self.reader(client)
        self.every(0.0005, write)
        count, end = 0, now() + DEADLINE
        while len(written) < 200 and now() < end:
            connection.write(b"m" * (1 if count % 2 else 5000))
            count += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.close()
        self.until(loop, lambda: not loop.stats()["connections"], "all is sent")
        thread.join()
        # Each second one is small.
        self.assertEqual(found[0].count(b"m"), (count + 1) // 2 * 5000 + count // 2)
        self.assertEqual(found[0].count(b"s"), sum(written))
        self.assertGreaterEqual(len(written), 200)


def read_on(client):
    """All bytes from a plain socket up to its end, though signals interrupt it."""
    parts = []
    while not parts or parts[-1]:
        try:
            parts.append(client.recv(1 << 20))
        except (socket.error, OSError) as error:
            if error.errno != errno.EINTR:
                raise
    return b"".join(parts)


class Connecting(LoopTest):
    def fails(self, loop, *address, **options):
        """The error of a client that cannot be connected."""
        ended = Ended()
        loop.tcp_client(*address, on_connect=self.fail, on_close=ended, **options)
        self.until(loop, lambda: ended, "it fails")
        return ended[0]

    def test_to_a_closed_port(self):
        closed = socket.socket()
        closed.bind((HOST, 0))
        self.addCleanup(closed.close)
        error = self.fails(self.loop(), HOST, closed.getsockname()[1])
        self.assertEqual(error.errno, errno.ECONNREFUSED)

    def test_to_an_unknown_name(self):
        loop = self.loop()
        error = self.fails(loop, "name.invalid", 80)
        self.assertIsInstance(error, socket.gaierror)
        error = self.fails(loop, HOST, "no-such-service")
        self.assertIsInstance(error, socket.gaierror)

    def test_to_where_nobody_answers(self):
        loop = self.loop()
        silent, address = self.listener(backlog=0)
        # What a full queue does not take is not answered at all.
        queued = [socket.socket() for _ in range(4)]
        for each in queued:
            self.addCleanup(each.close)
            each.setblocking(False)
            each.connect_ex(address)
        started = now()
        error = self.fails(loop, *address, connect_timeout=0.2)
        self.assertEqual(error.errno, errno.ETIMEDOUT)
        self.assertGreaterEqual(now() - started, 0.2)

    def test_closed_before_it_is_connected(self):
        for end, number in (("close", None), ("abort", errno.ECONNABORTED)):
            loop, ended = self.loop(), Ended()
            server = self.server(loop)
            connection = loop.tcp_client(
                "localhost", server.address[1], on_connect=self.fail, on_close=ended
            )
            getattr(connection, end)()
            self.until(loop, lambda: ended, "it ends")
            self.assertEqual(len(ended), 1)
            if number:
                self.assertEqual(ended.number, number)

    def test_from_another_thread_while_the_loop_runs(self):
        loop, came = self.loop(), []
        server = self.server(loop, on_data=echo)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            for _ in range(200):
                connection = loop.tcp_client(
                    *server.address[:2], on_data=lambda each, data: came.append(each.close())
                )
                connection.write(b"x")
            wait_until(lambda: len(came) == 200, "all are answered")
        finally:
            loop.stop()
            thread.join()


class Limits(LoopTest):
    def test_a_peer_that_does_not_read(self):
        loop, drained = self.loop(), []
        connection, client = self.accepted(loop, on_drain=drained.append, limit=5 << 20)
        chunk, taken = b"x" * 65536, 0
        while True:
            try:
                connection.write(chunk)
                taken += len(chunk)
            except OSError as error:
                self.assertEqual(error.errno, errno.EAGAIN)
                break
            self.assertLess(taken, PLENTY)
        self.assertLessEqual(connection.pending, 5 << 20)
        self.assertEqual(drained, [])
        found = []
        reader = threading.Thread(target=lambda: found.append(received(client, taken + 10)))
        reader.start()
        self.until(loop, lambda: drained, "it is drained")
        connection.write(b"fits again")
        self.until(loop, lambda: found, "all is received")
        reader.join()
        self.assertEqual(found[0][taken:], b"fits again")

    def test_new_watermarks_leave_the_limit_as_it_is(self):
        loop = self.loop()
        connection, _ = self.accepted(loop, send_buffer=65536, limit=PLENTY)
        connection.set_watermarks(1, 2)
        connection.write(b"x" * (20 << 20))
        connection.write(b"y")
        connection.set_watermarks(1, 2, 1 << 20)
        connection.set_watermarks(1, 2)
        self.fails_with(errno.EAGAIN, connection.write, b"y")

    def test_small_writes_within_a_handler_are_refused_as_exactly(self):
        for limit in (1 << 20, 6 << 20):
            loop, refused, taken = self.loop(), [], [0]

            def write_all(connection):
                while not refused and taken[0] < PLENTY:
                    try:
                        connection.write(b"x" * 1000)
                        taken[0] += 1000
                    except OSError as error:
                        refused.append(error.errno)

            server = self.server(
                loop, on_data=lambda each, _: write_all(each), limit=limit, high=1 << 19
            )
            client = self.client(server.address)
            client.sendall(b"x")
            self.until(loop, lambda: refused, "one is refused")
            self.assertEqual(refused, [errno.EAGAIN])
            total = []
            reader = threading.Thread(target=lambda: total.append(received(client, taken[0])))
            reader.start()
            wait_for = threading.Event()

            def watch():
                reader.join()
                wait_for.set()
                loop.wake()

            watcher = threading.Thread(target=watch)
            watcher.start()
            self.until(loop, wait_for.is_set, "all that was taken is sent")
            watcher.join()

    def test_pausing_stops_the_peer(self):
        loop, data = self.loop(), []
        connection, client = self.accepted(loop, on_data=lambda _, part: data.append(part))
        connection.pause_reading()
        client.sendall(b"x")
        for _ in range(3):
            loop.run_once(0.005)
        self.assertEqual(data, [])
        connection.resume_reading()
        self.until(loop, lambda: data, "it is read")

    def test_rates(self):
        loop, ended = self.loop(), Ended()
        size, rate = 40000, 100000
        connection, client = self.accepted(loop, on_close=ended, write_rate=rate)
        started = now()
        connection.write(b"x" * size)
        connection.close()
        self.until(loop, lambda: ended, "it is sent")
        # A bucket holds some at first.
        self.assertGreaterEqual(now() - started, size / float(rate) / 2)
        self.assertEqual(len(received_all(client)), size)
        self.refused(ValueError, loop.tcp_server, write_rate=-1)

    def test_idle_connections_are_closed(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(loop, on_close=ended, idle_timeout=0.05)
        started = now()
        client.sendall(b"x")
        self.until(loop, lambda: ended, "it is closed")
        self.assertEqual(ended.number, errno.ETIMEDOUT)
        other, client = self.accepted(loop, on_close=ended)
        other.set_timeouts(idle=0.02)
        self.until(loop, lambda: len(ended) == 2, "the other one is closed")

    def test_a_write_that_takes_too_long(self):
        loop, ended = self.loop(), Ended()
        connection, client = self.accepted(
            loop, send_buffer=65536, on_close=ended, write_timeout=0.05
        )
        connection.write(b"x" * (2 << 20))
        self.until(loop, lambda: ended, "it is closed")
        self.assertEqual(ended.number, errno.ETIMEDOUT)

    def test_no_descriptor_for_a_connection(self):
        loop, accepted = self.loop(), []
        server = self.server(loop, on_connect=accepted.append)
        client = socket.socket()
        self.addCleanup(client.close)
        with no_descriptors():
            client.connect(server.address)
            self.until(loop, lambda: server.refused, "it is refused")
            turns = loop.stats()["iterations"]
            loop.run_once(0.05)
            # It does not spin.
            self.assertLess(loop.stats()["iterations"] - turns, 10)
            self.assertEqual(accepted, [])
        self.until(loop, lambda: accepted, "it is accepted")

    def test_hundreds_come_and_go(self):
        loop, accepted = self.loop(), []
        with leaves_nothing():
            server = self.server(loop, on_connect=accepted.append, backlog=1000)
            clients = [connected(server.address) for _ in range(300)]
            self.until(loop, lambda: len(accepted) == 300, "all are accepted")
            for client in clients:
                client.close()
            self.until(loop, lambda: not loop.stats()["connections"], "all are closed")
            server.close()
            del accepted[:], clients[:]
            loop.run_once(0)


if __name__ == "__main__":
    unittest.main()
