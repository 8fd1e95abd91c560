"""pyed: its document's program, its names, and what its document leaves open."""

import errno
import os
import re
import socket
import struct
import threading
import time
import unittest
import warnings
import weakref

from looping import (
    HOST,
    PLENTY,
    connected,
    in_a_child,
    no_descriptors,
    received,
    received_all,
    reset,
    turned_until,
)
from support import (
    Child,
    DEADLINE,
    PY2,
    HandlerTest,
    collect_garbage,
    needs_ipv6,
    now,
    run_child,
)

from pyhelpers.pyed import _core
from pyhelpers.pyed import events_epoll as epoll_module
from pyhelpers.pyed.event import event
from pyhelpers.pyed.events_epoll import events_epoll
from pyhelpers.pyed.events_select import events_select
from pyhelpers.pyed.tcpclient import tcpclient
from pyhelpers.pyed.tcpconnection import tcpconnection
from pyhelpers.pyed.tcpserver import tcpserver
from pyhelpers.pyed.timers import timers

#: The process's default ones, which are those of whoever is first.
DEFAULTS = events_epoll(), timers()

#: As in pyed's document, but for the package and the port.
PROGRAM = '''
from pyhelpers.pyed.tcpserver import tcpserver
from pyhelpers.pyed.timers import timers
from pyhelpers.pyed.events_select import events_select as events
from pyhelpers.pyed.tcpconnection import tcpconnection

tcpserverconf = {
    "host": "",
    "port": 8000,
    "blocking": 0,
    "reuseaddr": 1,
    "recvbuf": 8092,
    "sendbuf": 8092,
    "backlog": 1024,
    "linger": (0,0),
    "reuseport": 0
}

def recvmsg(c):
    buf = c.read()
    print "################################", len(buf)
    print buf
    print "################################"

def broken(c):
    print "link broken"

def accepthandler(ev):
    csock, _ = ev.sock.accept()
    c = tcpconnection(csock, tcpserverconf)
    c.set_recvmsg(recvmsg)
    c.set_broken(broken)

if __name__ == '__main__':
    srv = tcpserver(accepthandler, tcpserverconf)
    evs = events()
    tms = timers()

    while 1:
        t = tms.processtimer()
        evs.processevent(t)
'''


class Program(HandlerTest):
    def test_it_runs_as_written(self):
        for module in ("events_select", "events_epoll"):
            plain = socket.socket()
            plain.bind(("", 0))
            port = plain.getsockname()[1]
            plain.close()
            program = PROGRAM.replace("8000", str(port))
            program = program.replace("events_select import", module + " import")
            if not PY2:
                program = re.sub(r"print (.*)", r"print(\1, flush=True)", program)
            child = Child(program, PYTHONUNBUFFERED="1")
            client = turned_until(lambda: time.sleep(0.01), lambda: attempt(port), "it listens")
            self.addCleanup(client.close)
            client.sendall(b"a message")
            mark = "#" * 32
            expected = [mark + " 9", "a message", mark, "link broken"]
            if not PY2:
                expected[1] = "b'a message'"
            self.assertEqual([child.line() for _ in range(3)], expected[:3])
            client.close()
            self.assertEqual(child.line(), expected[3])
            child.signal(2)
            outcome = child.finish()
            self.assertEqual(outcome.out, "")
            self.assertIn("KeyboardInterrupt", outcome.err)


def attempt(port):
    try:
        return connected((HOST, port))
    except (socket.error, OSError):
        return None


class PyedTest(HandlerTest):
    """A test with events and timers of its own, which are not the process's default ones."""

    events = events_epoll

    def setUp(self):
        self.evs, self.tms = self.events(), timers()
        self.addCleanup(self._forget)

    def _forget(self):
        # Python 2 keeps the tests themselves to the end.
        self.evs = self.tms = None

    @classmethod
    def tearDownClass(cls):
        # Other tests count sockets.
        collect_garbage()

    def turn(self):
        self.evs.processevent(min(20, self.tms.processtimer()))

    def until(self, predicate, what):
        return turned_until(self.turn, predicate, what)

    def event(self, sock=None):
        return event(self.evs, self.tms, sock)

    def pair(self):
        pair = socket.socketpair()
        for each in pair:
            self.addCleanup(each.close)
            each.setblocking(False)
        return pair

    def server(self, begin, **conf):
        """The address of a server whose connections ``begin`` gets."""

        def accept(ev):
            sock, _ = ev.sock.accept()
            connection = tcpconnection(sock, conf, self.evs, self.tms)
            accepted.append(weakref.ref(connection))
            begin(connection)

        accepted = []
        self.addCleanup(lambda: [each().close() for each in accepted if each()])
        made = tcpserver(accept, dict({"host": HOST, "port": 0}, **conf), self.evs, self.tms)
        self.addCleanup(made.close)
        return made._sock.getsockname()

    def connection(self, **conf):
        """A connection, and the plain client at its other end."""
        mine, other = socket.socket(), None
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind((HOST, 0))
        listener.listen(1)
        mine.connect(listener.getsockname())
        other, _ = listener.accept()
        other.settimeout(DEADLINE)
        self.addCleanup(other.close)
        made = tcpconnection(mine, conf, self.evs, self.tms)
        self.addCleanup(made.close)
        return made, other


class Timers(PyedTest):
    def test_none_is_early_and_they_come_in_order(self):
        came = []
        started = now()
        for timeout in (30, 10.5, 0, 20, -5):
            ev = self.event()
            ev.wanted = timeout
            ev.add_timer(timeout, lambda ev: came.append((ev.wanted, now() - started)))
        self.until(lambda: len(came) == 5, "all come")
        self.assertEqual([timeout for timeout, _ in came], [0, -5, 10.5, 20, 30])
        for timeout, elapsed in came:
            self.assertGreaterEqual(elapsed * 1000, timeout)

    def test_the_time_until_the_next(self):
        self.assertEqual(self.tms.processtimer(), 50)
        ev = self.event()
        ev.add_timer(1000, self.fail)
        left = self.tms.processtimer()
        self.assertTrue(900 < left <= 1000, left)
        ev.add_timer(36525 * 86400000.0, self.fail)
        self.assertGreater(self.tms.processtimer(), 36524 * 86400000.0)
        self.evs.processevent(0)
        ev.del_timer()
        self.assertEqual(self.tms.processtimer(), 50)

    def test_what_an_event_says_of_its_timer(self):
        ev = self.event()
        self.assertEqual((ev.timerset(), ev.timeout()), (0, -1))
        before = time.time()
        ev.add_timer(500, self.fail)
        self.assertEqual(ev.timerset(), 1)
        self.assertTrue(before + 0.4 < ev.timeout() < time.time() + 0.6)
        ev.del_timer()
        ev.del_timer()
        self.assertEqual(ev.timerset(), 0)
        came = []
        ev.add_timer(0, lambda ev: came.append(ev.timerset()))
        self.tms.processtimer()
        self.assertEqual(came, [0])

    def test_one_that_is_set_anew_moves(self):
        came, ev = [], self.event()
        ev.add_timer(0, self.fail)
        started = now()
        ev.add_timer(20, lambda ev: came.append(now() - started))
        self.until(lambda: came, "it comes")
        self.assertGreaterEqual(came[0], 0.02)

    def test_one_may_end_another_or_set_itself_anew(self):
        came, other, ev = [], self.event(), self.event()

        def again(ev):
            came.append(1)
            other.del_timer()
            ev.add_timer(0, again)

        ev.add_timer(0, again)
        other.add_timer(0, self.fail)
        self.tms.processtimer()
        # What is set meanwhile waits for the next call.
        self.assertEqual(came, [1])
        self.assertEqual(self.tms.processtimer() >= 0, True)
        self.assertEqual(came, [1, 1])

    def test_an_exception_leaves_the_others_for_the_next_call(self):
        came = []
        for handler in (lambda ev: 1 // 0, came.append):
            self.event().add_timer(0, handler)
        self.refused(ZeroDivisionError, self.tms.processtimer)
        self.tms.processtimer()
        self.assertEqual(len(came), 1)

    def test_many_added_and_ended_leave_little(self):
        ev = self.event()
        for _ in range(20000):
            ev.add_timer(1000, self.fail)
        self.assertLess(len(self.tms.queue._heap), 1000)
        ev.del_timer()
        evs = [self.event() for _ in range(1000)]
        for number, each in enumerate(evs):
            each.add_timer(number % 7 + 1000, self.fail)
        for each in evs:
            each.del_timer()
        self.assertEqual(self.tms.processtimer(), 50)
        self.assertLess(len(self.tms.queue._heap), 200)

    def test_wrong_times_are_refused_and_change_nothing(self):
        ev = self.event()
        ev.add_timer(1000, self.fail)
        self.refused(ValueError, ev.add_timer, float("nan"), self.fail)
        self.refused(TypeError, ev.add_timer, "1", self.fail)
        self.assertEqual(ev.timerset(), 1)
        self.assertGreater(self.tms.processtimer(), 50)


class Events(PyedTest):
    def test_reading_and_writing(self):
        mine, other = self.pair()
        came, ev = [], self.event(mine)
        self.assertIs(ev.sock, mine)
        ev.add_read(lambda ev: came.append(ev.sock.recv(10)))
        ev.add_write(lambda ev: came.append("writable"))
        self.turn()
        self.assertEqual(came, ["writable"])
        ev.del_write()
        ev.del_write()
        other.send(b"x")
        self.until(lambda: len(came) == 2, "it is read")
        ev.del_read()
        other.send(b"y")
        self.evs.processevent(5)
        self.assertEqual(came, ["writable", b"x"])

    def test_it_waits_no_longer_than_said(self):
        started = now()
        self.evs.processevent(20.5)
        self.assertGreaterEqual(now() - started, 0.0205)
        self.evs.processevent(0)
        self.evs.processevent(-1)
        started = now()
        self.evs.processevent(120)
        self.assertGreaterEqual(now() - started, 0.12)

    def test_an_exception_leaves_the_others_for_the_next_call(self):
        came = []
        for handler in (lambda ev: 1 // 0, came.append, came.append):
            mine, other = self.pair()
            other.send(b"x")
            self.event(mine).add_read(handler)
        raised = 0
        while len(came) < 2:
            try:
                self.evs.processevent(1000)
            except ZeroDivisionError:
                raised += 1
        self.assertGreaterEqual(raised, 1)

    def test_descriptors_by_number(self):
        mine, other = self.pair()
        came = []

        class Handlers(object):
            def readhandler(self, ev):
                came.append(mine.recv(10))

        self.evs.addevent(mine.fileno(), Handlers(), self.evs.EVENT_READ)
        other.send(b"x")
        self.until(lambda: came, "it is read")
        self.evs.delevent(mine.fileno(), self.evs.EVENT_READ | self.evs.EVENT_WRITE)
        self.evs.delevent(mine.fileno(), self.evs.EVENT_READ)
        self.assertEqual((events_select.EVENT_READ, events_epoll.EVENT_WRITE), (1, 2))
        for etype in (0, 4):
            self.refused(ValueError, self.evs.addevent, mine, None, etype)
        self.fails_with(errno.EBADF, self.evs.addevent, 100000, None, 1)

    def test_all_forms_of_an_event(self):
        mine, _ = self.pair()
        for made in (
            event(self.evs, self.tms, mine),
            event(self.evs, self.tms, sock=mine),
            event(mine, evs=self.evs, tms=self.tms),
            event(evs=self.evs, tms=self.tms, sock=mine),
            event(sock=mine, evs=self.evs, tms=self.tms),
        ):
            self.assertIs(made.sock, mine)
            self.assertIs(made._core, self.evs.core)
            self.assertIs(made._queue, self.tms.queue)
        self.assertIsNone(event(self.evs, self.tms).sock)
        for made in (event(mine), event(sock=mine)):
            self.assertIs(made.sock, mine)
            self.assertIs(made._core, DEFAULTS[0].core)
            self.assertIs(made._queue, DEFAULTS[1].queue)
        for args, named in (
            ((self.evs, self.tms, mine, 1), {}),
            ((mine,), {"sock": mine}),
            ((mine,), {"other": 1}),
            ((mine, 5), {}),
            ((mine, self.evs, 5), {}),
        ):
            self.refused(TypeError, event, *args, **named)

    def test_a_forked_child_gets_an_error(self):
        child = os.fork()
        if not child:
            status = 1
            try:
                self.fails_with(errno.EBADF, self.evs.processevent, 0)
                own = events_epoll()
                own.processevent(0)
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.evs.processevent(0)


class EventsBySelect(Events):
    events = events_select


class Defaults(HandlerTest):
    def test_the_first_ones_take_over_what_was_made_before(self):
        out = run_child(
            "import socket\n"
            "from pyhelpers.pyed.event import event\n"
            "from pyhelpers.pyed.events_select import events_select\n"
            "from pyhelpers.pyed.timers import timers\n"
            "mine, other = socket.socketpair()\n"
            "other.send(b'x')\n"
            "ev, came = event(mine), []\n"
            "ev.add_read(lambda ev: came.append(ev.sock.recv(1)))\n"
            "ev.add_timer(0, lambda ev: came.append('timer'))\n"
            "first, second = events_select(), events_select()\n"
            "tms, others = timers(), timers()\n"
            "others.processtimer(); second.processevent(0)\n"
            "assert came == [], came\n"
            "tms.processtimer(); first.processevent(0)\n"
            "assert came == ['timer', b'x'], came\n"
            "import os\n"
            "if not os.fork():\n"
            "    other.send(b'y')\n"
            "    event(mine).add_read(lambda ev: (ev.sock.recv(1), ev.del_read(), os._exit(0)))\n"
            "    events_select().processevent(1000)\n"
            "    os._exit(1)\n"
            "print(os.wait()[1])\n"
        )
        self.assertEqual(out, "0\n")

    def test_a_child_forked_while_another_thread_asks_for_them(self):
        state = _core.default_core._state()

        def checks():
            events_epoll().processevent(0)

        with state.lock:
            in_a_child(checks)

    def test_the_documents_names(self):
        self.assertIs(epoll_module.events_select, events_epoll)


class Connections(PyedTest):
    def test_a_seed_style_echo(self):
        for size in (1, 1000, 100000):
            ended = []

            def begin(c):
                c.set_recvmsg(lambda c: c.write(c.read()))
                c.set_broken(ended.append)

            address = self.server(begin, recvbuf=8092, sendbuf=8092, linger=(0, 0), blocking=0)
            client, data = connected(address), os.urandom(size)
            self.addCleanup(client.close)
            client.settimeout(None)
            found = []

            def talk():
                sender = threading.Thread(target=client.sendall, args=(data,))
                sender.start()
                found.append(received(client, size))
                sender.join()
                client.close()

            talking = threading.Thread(target=talk)
            talking.start()
            self.until(lambda: ended, "the link is broken in the end")
            talking.join()
            self.assertEqual(found, [data])
            self.assertEqual(len(ended), 1)

    def test_parts_of_what_was_received(self):
        connection, client = self.connection()
        self.assertEqual(connection.read(), b"")
        client.sendall(b"0123456789")
        self.turn()
        self.assertEqual(connection.read(3), b"012")
        self.assertEqual(connection.read(0), b"")
        self.assertEqual(connection.read(size=1), b"3")
        client.sendall(b"abc")
        self.turn()
        self.assertEqual(connection.read(100), b"456789abc")
        self.assertEqual(connection.read(5), b"")
        client.sendall(b"end")
        self.turn()
        self.assertIs(type(connection.read(2)), bytes)
        self.assertEqual(connection.read(), b"d")

    def test_what_is_not_read_stops_the_peer_and_is_not_lost(self):
        connection, client = self.connection()
        client.setblocking(False)
        sent, pattern = [0], bytes(bytearray(range(256))) * 257

        def send():
            try:
                while True:
                    sent[0] += client.send(pattern[sent[0] % 256 :])
            except (socket.error, OSError):
                return len(connection._unread) >= 1 << 20

        self.until(send, "no more is taken from it")
        for _ in range(5):
            self.evs.processevent(1)
        self.assertLess(len(connection._unread), 2 << 20)
        client.shutdown(socket.SHUT_WR)
        got, ended = [], []
        connection.set_broken(ended.append)

        def read():
            for _ in range(20):
                got.append(connection.read(100000))
            return ended

        self.until(read, "the end comes")
        got.append(connection.read())
        data = b"".join(got)
        self.assertEqual(len(data), sent[0])
        expected = pattern[:256] * (len(data) // 256 + 1)
        self.assertTrue(expected.startswith(data), "the bytes are in order")

    def test_a_broken_link(self):
        for breaks in ("close", "reset"):
            connection, client = self.connection()
            ended = []
            connection.set_broken(ended.append)
            client.sendall(b"last")
            self.turn()
            if breaks == "reset":
                reset(client)
            client.close()
            self.until(lambda: ended, "it is broken")
            for _ in range(3):
                self.evs.processevent(1)
            self.assertEqual(ended, [connection])
            self.assertEqual(connection.read(), b"last")
            connection.write(b"x")
            connection.close()
            connection.close()
            self.fails_with_socket_error(errno.EBADF, connection.write, b"x")

    def test_a_server_outlives_links_that_break_while_it_writes(self):
        ended = []

        def recvmsg(c):
            c.write(c.read())
            c.set_config({"readlimit": -1, "writelimit": -1})

        def broken(c):
            ended.append(c)
            recvmsg(c)

        def begin(c):
            c.set_recvmsg(recvmsg)
            c.set_broken(broken)

        address = self.server(begin)
        for number in range(10):
            client = connected(address)
            self.turn()
            client.setblocking(False)
            try:
                while True:
                    client.send(b"x" * 60000)
            except (socket.error, OSError):
                pass
            # Much is unread on either side.
            if number % 2:
                reset(client)
            client.close()
            self.until(lambda: len(ended) == 1 + number, "it is broken")
            for size in (1, 100000):
                ended[-1].write(b"x" * size)

    def test_a_link_that_breaks_before_it_is_accepted(self):
        ended = []

        def begin(c):
            c.set_config({"readlimit": 1000})
            c.set_recvmsg(self.fail)
            c.set_broken(ended.append)
            for size in (1, 100000):
                c.write(b"x" * size)
            self.assertEqual(c.read(), b"")

        address = self.server(begin, recvbuf=8092, linger=(0, 0))
        reset(connected(address))
        self.until(lambda: ended, "it is broken")
        self.evs.processevent(1)
        self.assertEqual(len(ended), 1)
        closed = self.server(lambda c: (c.set_broken(self.fail), c.close(), ended.append(1)))
        reset(connected(closed))
        self.until(lambda: len(ended) == 2, "it is accepted")
        self.evs.processevent(1)

    def test_a_link_that_breaks_while_what_was_received_waits(self):
        connection, client = self.connection()
        ended = []
        connection.set_broken(ended.append)
        sender = threading.Thread(target=client.sendall, args=(b"x" * (4 << 20),))
        sender.start()
        self.until(lambda: connection._paused, "no more is taken from it")
        connection.shutdown_write()
        got = []

        def read():
            got.append(len(connection.read()))
            return sum(got) == 4 << 20

        self.until(read, "all of it comes though the writing side is closed")
        sender.join()
        reset(client)
        self.until(lambda: ended, "it is broken")

    def test_data_for_one_that_is_gone(self):
        core = self.evs.core
        nobody = core.objects[0]
        for _ in range(2):
            core.give_data([(nobody, b"x"), (nobody, b"y")])

    def fails_with_socket_error(self, number, call, *args):
        error = self.refused(socket.error, call, *args)
        self.assertEqual(error.errno, number)

    def test_close_sends_what_was_written(self):
        connection, client = self.connection(sendbuf=65536)
        connection.set_broken(self.fail)
        connection.write(b"x" * (2 << 20))
        connection.close()
        self.fails_with_socket_error(errno.EBADF, connection.write, b"x")
        found = []
        reader = threading.Thread(target=lambda: found.append(len(received_all(client))))
        reader.start()
        self.until(lambda: found, "all is received")
        reader.join()
        self.assertEqual(found, [2 << 20])

    def test_linger_of_zero_resets(self):
        connection, client = self.connection(linger=(1, 0))
        connection.close()
        self.turn()
        error = self.refused(socket.error, received_all, client)
        self.assertEqual(error.errno, errno.ECONNRESET)

    def test_a_handler_that_closes_gets_no_more(self):
        connection, client = self.connection()
        came = []

        def recvmsg(c):
            came.append(c.read())
            c.close()

        connection.set_recvmsg(recvmsg)
        connection.set_broken(self.fail)
        client.sendall(b"x")
        self.until(lambda: came, "it comes")
        for _ in range(3):
            self.evs.processevent(1)
        self.assertEqual(received_all(client), b"")

    def test_an_exception_of_a_handler(self):
        connection, client = self.connection()
        connection.set_recvmsg(lambda c: 1 // 0)
        client.sendall(b"x")
        self.refused(ZeroDivisionError, self.until, lambda: False, "")
        self.assertEqual(connection.read(), b"x")

    def test_a_peer_that_does_not_read(self):
        connection, client = self.connection()
        connection.set_watermarks(1 << 14, 1 << 16, 1 << 20)
        taken, refused = 0, []
        while not refused:
            try:
                connection.write(b"x" * 100000)
                taken += 100000
            except (socket.error, OSError) as error:
                refused.append(error.errno)
            self.assertLess(taken, PLENTY)
        self.assertEqual(refused, [errno.EAGAIN])
        self.assertLessEqual(connection.pending, 1 << 20)

    def test_rates(self):
        for limited in ("writelimit", "readlimit"):
            connection, client = self.connection()
            connection.set_config({limited: 100000})
            started = now()
            if limited == "writelimit":
                connection.write(b"x" * 30000)
                found = []
                reader = threading.Thread(target=lambda: found.append(received(client, 30000)))
                reader.start()
                self.until(lambda: found, "it is sent")
                reader.join()
            else:
                client.sendall(b"x" * 30000)
                got = []

                def read():
                    got.append(connection.read())
                    return sum(map(len, got)) == 30000

                self.until(read, "it is received")
            # A bucket holds some at first.
            self.assertGreaterEqual(now() - started, 0.1)
        connection.set_config({"readlimit": -1, "writelimit": -1})
        connection.set_config({})
        self.refused(ValueError, connection.set_config, {"readlimit": 0})

    def test_ended_ones_are_released(self):
        references, ended = [], []

        def begin(c):
            references.append(weakref.ref(c))
            c.set_recvmsg(lambda c: c.read())
            c.set_broken(lambda c: ended.append(1))

        address = self.server(begin)
        for _ in range(5):
            connected(address).close()
        self.until(lambda: len(ended) == 5, "all are broken")
        self.evs.processevent(0)
        self.evs.processevent(0)
        collect_garbage()
        self.assertEqual([reference() for reference in references], [None] * 5)

    def test_many_at_once(self):
        def begin(c):
            c.set_recvmsg(lambda c: c.write(c.read()))

        address = self.server(begin)
        clients = [connected(address) for _ in range(50)]
        for number, client in enumerate(clients):
            self.addCleanup(client.close)
            client.sendall(b"%03d" % number)
        found = []
        reader = threading.Thread(
            target=lambda: found.append([received(client, 3) for client in clients])
        )
        reader.start()
        self.until(lambda: found, "all are answered")
        reader.join()
        self.assertEqual(found[0], [b"%03d" % number for number in range(50)])


class ServerAndClient(PyedTest):
    def test_a_client(self):
        got, ended = [], []

        def begin(c):
            c.set_recvmsg(lambda c: c.write(c.read()))

        address = self.server(begin)
        port = str(address[1])
        for host, port in ((HOST, address[1]), ("localhost", port), (u"localhost", u"" + port)):
            conf = {"host": host, "port": port, "blocking": 1, "linger": (0, 0), "recvbuf": 8092}
            connection = tcpclient(conf, self.evs, self.tms).connect()
            self.assertIsInstance(connection, tcpconnection)
            connection.set_recvmsg(lambda c: got.append(c.read()))
            connection.write(b"at once")
            self.until(lambda: got, "the echo comes")
            self.assertEqual(got.pop(), b"at once")
            connection.close()

    def test_what_cannot_be_connected(self):
        closed = socket.socket()
        closed.bind((HOST, 0))
        self.addCleanup(closed.close)
        conf = {"host": HOST, "port": closed.getsockname()[1]}
        error = self.refused(socket.error, tcpclient(conf, self.evs, self.tms).connect)
        self.assertEqual(error.errno, errno.ECONNREFUSED)
        for conf in ({"host": "name.invalid", "port": 1}, {"host": HOST, "port": "no-such"}):
            self.refused(socket.gaierror, tcpclient(conf, self.evs, self.tms).connect)
        self.refused(KeyError, tcpclient, {"host": HOST}, self.evs, self.tms)
        for port in (65536, "65536", u"70000"):
            conf = {"host": HOST, "port": port}
            self.refused(ValueError, tcpclient(conf, self.evs, self.tms).connect)

    @needs_ipv6
    def test_ipv6(self):
        accepted = []

        def accept(ev):
            accepted.append(ev.sock.accept())

        server = tcpserver(accept, {"host": "::1", "port": 0}, self.evs, self.tms)
        self.addCleanup(server.close)
        conf = {"host": "::1", "port": server._sock.getsockname()[1]}
        self.addCleanup(tcpclient(conf, self.evs, self.tms).connect().close)
        self.until(lambda: accepted, "it is accepted")
        self.assertIsInstance(accepted[0][0], socket.socket)
        self.addCleanup(accepted[0][0].close)

    def test_options_reach_the_sockets(self):
        found = []

        def option(sock, name):
            return sock.getsockopt(socket.SOL_SOCKET, name)

        def accept(ev):
            sock, _ = ev.sock.accept()
            found.append((ev.sock, sock))

        conf = {
            "host": "",
            "port": 0,
            "reuseaddr": 1,
            "reuseport": 1,
            "recvbuf": 9000,
            "sendbuf": 9000,
            "backlog": 5,
            "blocking": 0,
        }
        server = tcpserver(accept, conf, evs=self.evs, tms=self.tms)
        self.addCleanup(server.close)
        client = connected((HOST, server._sock.getsockname()[1]))
        self.addCleanup(client.close)
        self.until(lambda: found, "it is accepted")
        listening, sock = found[0]
        self.assertEqual(listening.gettimeout(), 0.0)
        self.assertTrue(option(listening, socket.SO_REUSEADDR))
        self.assertTrue(option(listening, getattr(socket, "SO_REUSEPORT", 15)))
        made = tcpconnection(sock, dict(conf, linger=(1, 5)), self.evs, self.tms)
        self.addCleanup(made.close)
        self.assertEqual(option(sock, socket.SO_RCVBUF), 18000)
        self.assertEqual(option(sock, socket.SO_SNDBUF), 18000)
        lingers = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        self.assertEqual(struct.unpack("ii", lingers), (1, 5))

    def test_wrong_configurations_are_refused(self):
        for conf in ({"port": 0}, {"host": ""}):
            self.refused(KeyError, tcpserver, None, conf, self.evs, self.tms)
        for conf in ({"port": -1}, {"port": 65536}, {"recvbuf": -1}):
            conf = dict({"host": HOST, "port": 0}, **conf)
            self.refused(ValueError, tcpserver, None, conf, self.evs, self.tms)
        address = self.server(self.fail)
        conf = {"host": HOST, "port": address[1]}
        error = self.refused(socket.error, tcpserver, None, conf, self.evs, self.tms)
        self.assertEqual(error.errno, errno.EADDRINUSE)
        self.refused(socket.gaierror, tcpserver, None, {"host": HOST, "port": "no-such"})
        for evs, tms in ((1, None), (None, 1)):
            conf = {"host": HOST, "port": 0}
            self.refused(TypeError, tcpserver, None, conf, evs, tms)
        self.refused(TypeError, tcpconnection, None, {}, evs=1)
        closed = socket.socket()
        closed.close()
        self.refused(socket.error, tcpconnection, closed, {}, self.evs, self.tms)

    def test_no_descriptor_for_a_connection(self):
        accepted, calls = [], []

        def accept(ev):
            calls.append(1)
            accepted.append(ev.sock.accept()[0])

        server = tcpserver(accept, {"host": HOST, "port": 0}, self.evs, self.tms)
        self.addCleanup(server.close)
        client = socket.socket()
        self.addCleanup(client.close)
        with no_descriptors():
            client.connect(server._sock.getsockname())
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                self.until(lambda: calls, "it is called")
            self.assertIn(os.strerror(errno.EMFILE), str(warned[0].message))
            del calls[:]
            self.evs.processevent(20)
            self.assertEqual(calls, [])
        self.until(lambda: accepted, "it is accepted")
        accepted[0].close()

    def test_from_another_thread(self):
        connection, client = self.connection()
        writer = threading.Thread(target=connection.write, args=(b"from afar",))
        writer.start()
        self.assertEqual(received(client, 9), b"from afar")
        writer.join()


if __name__ == "__main__":
    unittest.main()
