"""Messages to and from all neighbours: the receiver that is an iterator, and the sender."""

import copy
import errno
import os
import pickle
import select
import socket
import sys
import time
import unittest

from support import (
    DEADLINE,
    PY2,
    Child,
    HandlerTest,
    collect_garbage,
    leaves_nothing,
    needs_python3,
    now,
    numbered,
    port_of,
    run_child,
    wait_until,
)
from peering import check_interrupt, privileged_port, waiting
from test_udping_network import link_local, needs_link_local

from pyhelpers import _interfaces
from pyhelpers.broadcast import BroadCastReceiver, BroadCastSender, Message, Truncated

if not PY2:
    import asyncio

    import broadcast_async

HOST = "127.0.0.1"
TO_ALL = "127.255.255.255"
GROUP = "239.255.77.99"
GROUP6 = "ff01::7799"
LOOPBACK = _interfaces.index("lo")


class BroadcastTest(HandlerTest):
    def receiver(self, port=0, **kwa):
        made = BroadCastReceiver(port, **kwa)
        self.addCleanup(made.close)
        return made

    def sender(self, port, **kwa):
        made = BroadCastSender(port, **kwa)
        self.addCleanup(made.close)
        return made

    def plain(self):
        """A socket of Python's that may broadcast."""
        made = self.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return made


class Iterating(BroadcastTest):
    def test_for(self):
        receiver, plain = self.receiver(timeout=0.1), self.plain()
        for data in numbered(3):
            plain.sendto(data, (TO_ALL, receiver.port))
        found = []
        for (address, data) in receiver:
            found.append((address, data))
        self.assertEqual(found, [(plain.getsockname(), data) for data in numbered(3)])

    def test_next(self):
        receiver, plain = self.receiver(timeout=None), self.plain()
        plain.sendto(b"one", (TO_ALL, receiver.port))
        plain.sendto(b"two", (HOST, receiver.port))
        address, data = next(receiver)
        self.assertEqual((address, data), (plain.getsockname(), b"one"))
        self.assertEqual(receiver.next(), (plain.getsockname(), b"two"))

    def test_it_stops_and_can_be_iterated_again(self):
        receiver, plain = self.receiver(timeout=0.05), self.plain()
        for data in (b"one", b"two"):
            started = now()
            self.assertEqual(list(receiver), [])
            self.assertGreaterEqual(now() - started, 0.05)
            self.assertRaises(StopIteration, receiver.next)
            plain.sendto(data, (TO_ALL, receiver.port))
            self.assertEqual([message.data for message in receiver], [data])

    def test_each_message_begins_the_timeout_anew(self):
        receiver = self.receiver(timeout=0.3)
        sender = self.sender(receiver.port, interface="lo")
        sender.start(b"x", 0.1)
        started = now()
        while now() - started < 0.4:
            self.assertEqual(next(receiver)[1], b"x")
        sender.stop()
        self.assertLess(len(list(receiver)), 5)

    def test_timeouts(self):
        receiver, plain = self.receiver(timeout=0), self.plain()
        self.assertEqual(list(receiver), [])
        plain.sendto(b"x", (TO_ALL, receiver.port))
        self.assertEqual(len(list(receiver)), 1)
        self.assertEqual(self.receiver(0).timeout, 15)
        receiver = self.receiver(timeout=None)
        thread, outcome = waiting(lambda: next(receiver))
        plain.sendto(b"x", (TO_ALL, receiver.port))
        thread.join(DEADLINE)
        self.assertEqual(outcome, [(plain.getsockname(), b"x")])

    def test_the_examples_of_the_seed(self):
        r = self.receiver(timeout=0.1)
        plain = self.plain()
        for data in numbered(20):
            plain.sendto(data, (TO_ALL, r.port))
        count = 0
        for (address, data) in r:
            count += 1
            if count > 10:
                break
        self.assertEqual(data, b"10")
        for i in range(20):
            try:
                address, data = next(r)
            except:
                break
        self.assertEqual((i, data), (9, b"19"))
        with BroadCastReceiver(r.port, timeout=0.05) as again:
            plain.sendto(b"x", (TO_ALL, r.port))
            self.assertEqual([data for _, data in again], [b"x"])

    def test_interrupt(self):
        check_interrupt(
            "from pyhelpers.broadcast import *; made = BroadCastReceiver(0, timeout=None)",
            "next(made)",
        )


class Messages(BroadcastTest):
    def test_what_it_tells(self):
        receiver, plain = self.receiver(timeout=5), self.plain()
        before = time.time()
        plain.sendto(b"x", (TO_ALL, receiver.port))
        message = next(receiver)
        self.assertIsInstance(message, (Message, tuple))
        self.assertEqual((len(message), message), (2, (plain.getsockname(), b"x")))
        self.assertEqual((message.address, message.data), tuple(message))
        self.assertEqual((message.interface, message.interface_name), (LOOPBACK, "lo"))
        self.assertEqual((message.local, message.truncated), (HOST, False))
        self.assertLess(abs(message.time - before), DEADLINE)
        message.interface = 1 << 30
        self.assertIsNone(message.interface_name)

    def test_copies(self):
        receiver, plain = self.receiver(timeout=5), self.plain()
        plain.sendto(b"x", (TO_ALL, receiver.port))
        message = next(receiver)
        for made in (copy.copy(message), copy.deepcopy(message),
                     pickle.loads(pickle.dumps(message, 2))):
            self.assertEqual((made, made.local, made.time), (message, HOST, message.time))

    def test_longer_than_msg_len(self):
        receiver, plain = self.receiver(msg_len=10, timeout=5), self.plain()
        for size in (10, 11, 9, 3000, 0):
            plain.sendto(b"x" * size, (TO_ALL, receiver.port))
        found = [next(receiver) for _ in range(5)]
        self.assertEqual([len(message.data) for message in found], [10, 10, 9, 10, 0])
        wanted = [False, True, False, True, False]
        self.assertEqual([message.truncated for message in found], wanted)
        self.assertEqual([type(message.data) for message in found],
                         [Truncated if message.truncated else bytes for message in found])
        self.assertEqual(receiver.stats()["truncated"], 2)

    def test_as_long_as_can_be(self):
        receiver, plain = self.receiver(msg_len=65535, timeout=5), self.plain()
        data = os.urandom(60000)
        plain.sendto(data, (TO_ALL, receiver.port))
        self.assertEqual(next(receiver).data, data)

    def test_stats_and_fileno(self):
        receiver, plain = self.receiver(timeout=5), self.plain()
        self.assertFalse(select.select([receiver], [], [], 0)[0])
        for data in (b"one", b"two!"):
            plain.sendto(data, (TO_ALL, receiver.port))
        for left in (1, 0):
            self.assertTrue(select.select([receiver], [], [], DEADLINE)[0])
            next(receiver)
            self.assertEqual(bool(select.select([receiver], [], [], 0)[0]), left > 0)
        figures = receiver.stats()
        self.assertEqual((figures["received"], figures["received_bytes"]), (2, 7))
        self.assertNotIn("size", figures)


class Ports(BroadcastTest):
    def test_several_receivers_get_every_message(self):
        first = self.receiver(timeout=5)
        receivers = [first] + [self.receiver(first.port, timeout=5) for _ in range(2)]
        plain = self.plain()
        for data in numbered(5):
            plain.sendto(data, (TO_ALL, first.port))
        for receiver in receivers:
            self.assertEqual([next(receiver).data for _ in range(5)], numbered(5))

    def test_the_same_port_at_once_again(self):
        plain = self.plain()
        port = 0
        with leaves_nothing():
            for _ in range(20):
                receiver = BroadCastReceiver(port, timeout=5)
                port = receiver.port
                plain.sendto(b"x", (TO_ALL, port))
                self.assertEqual(next(receiver).data, b"x")
                receiver.close()

    def test_a_port_in_use(self):
        plain = self.socket("0.0.0.0")
        with leaves_nothing():
            error = self.fails_with(errno.EADDRINUSE, BroadCastReceiver, port_of(plain))
            self.assertIn(os.strerror(errno.EADDRINUSE), str(error))

    def test_a_privileged_port_as_a_plain_user(self):
        run_child(PRIVILEGED, privileged_port())

    def test_arguments_that_are_none(self):
        with leaves_nothing():
            for arguments, kind in (
                ((-1,), ValueError),
                ((65536,), ValueError),
                (("5000",), TypeError),
                ((5000.0,), TypeError),
                ((0, 0), ValueError),
                ((0, 65536), ValueError),
                ((0, "8192"), TypeError),
                ((0, 10, -1), ValueError),
                ((0, 10, "15"), TypeError),
                ((0, 10, 1, 5), TypeError),
                ((0, 10, 1, "no address"), ValueError),
                ((0, 10, 1, None, 1.5), TypeError),
                ((0, 10, 1, None, -1), ValueError),
            ):
                self.refused(kind, BroadCastReceiver, *arguments)
            self.refused((OSError, ValueError), BroadCastReceiver, 0, group=HOST)
            self.fails_with(errno.ENODEV, BroadCastReceiver, 0, interface="nosuch0")
            self.fails_with(errno.ENODEV, BroadCastReceiver, 0, group=GROUP, interface=1 << 30)
            for arguments, kind in (
                ((0,), ValueError),
                (("5",), TypeError),
                ((5, None, None, 0), ValueError),
                ((5, None, None, 256), ValueError),
                ((5, "no address"), ValueError),
            ):
                self.refused(kind, BroadCastSender, *arguments)
            self.fails_with(errno.ENODEV, BroadCastSender, 5, interface="nosuch0")


PRIVILEGED = """
import errno, os, sys
from pyhelpers.broadcast import BroadCastReceiver
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    BroadCastReceiver(int(sys.argv[1]))
except OSError as error:
    assert error.errno == errno.EACCES, error
else:
    assert False
"""


class Ends(BroadcastTest):
    def calls(self, made):
        common = [(made.stats, ()), (getattr, (made, "port"))]
        if isinstance(made, BroadCastSender):
            return common + [(made.send, (b"x",)), (made.start, (b"x", 1)), (made.stop, ())]
        return common + [(next, (made,)), (made.next, ()), (list, (made,)), (made.fileno, ())]

    def test_a_closed_one_says_so(self):
        for made in (BroadCastReceiver(0, timeout=0.1), BroadCastSender(5)):
            made.close()
            made.close()
            for call, arguments in self.calls(made):
                error = self.fails_with(errno.EBADF, call, *arguments)
                self.assertIn(type(made).__name__ + " is closed", str(error))

    def test_a_wait_ends_when_another_thread_closes(self):
        for timeout in (None, 60):
            receiver = self.receiver(timeout=timeout)
            thread, outcome = waiting(lambda: next(receiver))
            started = now()
            receiver.close()
            thread.join(DEADLINE)
            self.assertEqual(outcome[0].errno, errno.EBADF)
            self.assertLess(now() - started, 1)

    def test_context_managers(self):
        with leaves_nothing():
            with BroadCastReceiver(0) as receiver, BroadCastSender(receiver.port) as sender:
                sender.start(b"x", 0.01)
                next(receiver)
            self.fails_with(errno.EBADF, next, receiver)
            self.fails_with(errno.EBADF, sender.send, b"x")

    def test_forgotten_ones(self):
        with leaves_nothing():
            receiver = BroadCastReceiver(0, timeout=0)
            list(receiver)
            receiver.me = receiver
            sender = BroadCastSender(receiver.port)
            sender.start(b"x", 0.01)
            sender.me = sender
            del receiver, sender
            collect_garbage()

    def test_one_that_was_not_made(self):
        BroadCastReceiver.__new__(BroadCastReceiver).close()
        self.refused(TypeError, copy.deepcopy, self.receiver())

    def test_exit_while_they_work(self):
        outcome = Child(EXIT).finish()
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "done\n", ""))
        self.assertLess(outcome.seconds, 5)

    def test_in_a_forked_child(self):
        run_child(FORK)


EXIT = """
import threading
from pyhelpers.broadcast import BroadCastReceiver, BroadCastSender
receivers = [BroadCastReceiver(0, timeout=None) for _ in range(2)]
senders = [BroadCastSender(receivers[0].port) for _ in range(2)]
for sender in senders:
    sender.me = sender
    sender.start(b"x", 0.001)
waiting = threading.Thread(target=next, args=(receivers[1],))
waiting.daemon = True
waiting.start()
next(receivers[0])
print("done")
"""

FORK = """
import errno, os, traceback, warnings
from pyhelpers.broadcast import BroadCastReceiver, BroadCastSender
warnings.simplefilter("ignore", DeprecationWarning)
receiver = BroadCastReceiver(0, timeout=5)
sender = BroadCastSender(receiver.port, interface="lo")
sender.start(b"x", 0.005)
parent = os.getpid()
child = os.fork()
if child == 0:
    status = 1
    try:
        for call in receiver.next, receiver.stats, receiver.fileno, sender.stop, sender.stats:
            try:
                call()
            except OSError as error:
                assert error.errno == errno.EBADF, (call, error)
                assert "belongs to process %d" % parent in str(error), (call, error)
            else:
                assert False, call
        receiver.close()
        sender.close()
        with BroadCastReceiver(receiver.timeout and 0, timeout=5) as own:
            with BroadCastSender(own.port, interface="lo") as other:
                other.send(b"own")
                assert next(own).data == b"own"
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
assert os.waitpid(child, 0)[1] == 0
for _ in range(10):
    assert next(receiver).data == b"x"
"""


class Sending(BroadcastTest):
    def test_by_every_interface(self):
        receiver = self.receiver(timeout=0.2)
        count = self.sender(receiver.port).send(b"x")
        self.assertGreaterEqual(count, 1)
        found = list(receiver)
        self.assertLessEqual(len(found), count)
        self.assertIn(LOOPBACK, [message.interface for message in found])
        self.assertEqual({message.data for message in found}, {b"x"})

    def test_by_one_interface(self):
        receiver = self.receiver(timeout=0.05)
        for interface in ("lo", LOOPBACK):
            sender = self.sender(receiver.port, interface=interface)
            self.assertEqual(sender.send(b"x"), 1)
            message, = receiver
            self.assertEqual((message.interface, message.local), (LOOPBACK, HOST))

    def test_python_sockets_receive_it(self):
        plain = self.socket("0.0.0.0")
        sender = self.sender(port_of(plain), interface="lo")
        for data in (b"bytes", bytearray(b"array"), u"t\u00e9xt", b""):
            self.assertEqual(sender.send(data), 1)
            wanted = data.encode("utf-8") if isinstance(data, type(u"")) else bytes(data)
            got, address = plain.recvfrom(100)
            self.assertEqual((got, address[0]), (wanted, HOST))
        figures = sender.stats()
        self.assertEqual((figures["sent"], figures["send_errors"]), (4, 0))

    def test_data_that_is_none(self):
        sender = self.sender(5000, interface="lo")
        for data in (5, None, [1]):
            self.refused(TypeError, sender.send, data)
            self.refused(TypeError, sender.start, data, 1)
        self.fails_with(errno.EMSGSIZE, sender.send, b"x" * 65508)
        self.fails_with(errno.EMSGSIZE, sender.start, b"x" * 65508, 1)
        for period in (0, -1, None):
            self.refused(ValueError, sender.start, b"x", period)
        self.refused(TypeError, sender.start, b"x", "1")
        self.assertEqual(sender.stats()["beacons"], 0)

    def test_beacon(self):
        receiver = self.receiver(timeout=5)
        sender = self.sender(receiver.port, interface="lo")
        started = now()
        sender.start(b"first", 0.02)
        times = []
        for _ in range(10):
            self.assertEqual(next(receiver).data, b"first")
            times.append(now() - started)
        self.assertGreaterEqual(times[-1], 0.17)
        sender.start(b"second", 60)
        wait_until(lambda: next(receiver).data == b"second", "the other one comes")
        sender.stop()
        sender.stop()
        beacons = sender.stats()["beacons"]
        self.assertGreaterEqual(beacons, 11)
        receiver.timeout = 0.1
        self.assertEqual(list(receiver), [])
        self.assertEqual(sender.stats()["beacons"], beacons)

    def test_a_beacon_goes_on_while_the_interpreter_is_busy(self):
        receiver = self.receiver(timeout=0)
        sender = self.sender(receiver.port, interface="lo")
        sender.start(b"x", 0.01)
        end = now() + 0.2
        while now() < end:
            pass
        self.assertGreaterEqual(len(list(receiver)), 10)


class Multicasting(BroadcastTest):
    def test_ipv4(self):
        receiver = self.receiver(group=GROUP, interface="lo", timeout=0.1)
        other = self.receiver(receiver.port, group="239.255.77.100", interface="lo", timeout=0.1)
        sender = self.sender(receiver.port, group=GROUP, interface="lo", ttl=1)
        self.assertEqual(sender.send(b"x"), 1)
        message, = receiver
        self.assertEqual((message.data, message.interface), (b"x", LOOPBACK))
        self.assertEqual(list(other), [])

    @needs_link_local
    def test_ipv6(self):
        host, index = link_local()
        name = _interfaces.name(index)
        receiver = self.receiver(group=GROUP6, interface=name, timeout=0.2)
        sender = self.sender(receiver.port, group=GROUP6, interface=index)
        self.assertEqual(sender.send(b"x"), 1)
        message, = receiver
        self.assertEqual(message.address[0], host)
        self.assertEqual(message.address[2:], (0, index))
        self.assertEqual((message.data, message.interface_name), (b"x", name))

    def test_all_interfaces(self):
        receiver = self.receiver(group=GROUP, timeout=0.2)
        count = self.sender(receiver.port, group=GROUP).send(b"x")
        self.assertGreaterEqual(count, 1)
        self.assertEqual({message.data for message in receiver}, {b"x"})


@needs_python3
class Asynchronous(BroadcastTest):
    """The tests are coroutines of their own file, as Python 2 cannot read them."""

    def run_one(self, name):
        loop = asyncio.new_event_loop()
        # As asyncio.run does, which Python 3.6 has not.
        asyncio.set_event_loop(loop)
        try:
            coroutine = getattr(broadcast_async, name)(self)
            loop.run_until_complete(asyncio.wait_for(coroutine, DEADLINE))
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def test_async_for(self):
        self.run_one("async_for")

    def test_other_tasks_run(self):
        self.run_one("others_run")

    def test_waiting_again_and_again(self):
        self.run_one("again_and_again")

    def test_cancelled_tasks_lose_nothing(self):
        self.run_one("cancelled")

    def test_several_tasks(self):
        self.run_one("several")

    def test_close_ends_a_wait(self):
        self.run_one("closed")

    def test_nothing_is_left(self):
        with leaves_nothing():
            self.run_one("async_for")
            self.doCleanups()


if __name__ == "__main__":
    unittest.main()
