"""Waiting: with a timeout, for ever, with select and its like, and what ends a wait."""

import errno
import os
import select
import signal
import threading
import time
import unittest

from support import (
    Child,
    DEADLINE,
    HandlerTest,
    collect,
    is_asleep,
    needs_python3,
    now,
    numbered,
    payloads,
    run_child,
    threads,
    wait_until,
)

HOST = "127.0.0.1"

#: Seconds in which Ctrl-C must end a wait.
PROMPT = 0.2


class Timeouts(HandlerTest):
    def setUp(self):
        self.peer, self.port = self.receiver()

    def test_a_wait_never_ends_early(self):
        for seconds in (0.0001, 0.001, 0.0015, 0.01, 0.0123, 0.05):
            for _ in range(5):
                started = now()
                self.assertEqual(self.peer.get_recved_many(timeout=seconds), [])
                self.assertGreaterEqual(now() - started, seconds)

    def test_a_wait_ends_in_time(self):
        started = now()
        self.peer.get_recved_many(timeout=0.05)
        self.assertLess(now() - started, 5)

    def test_0_does_not_wait(self):
        started = now()
        for _ in range(1000):
            self.assertEqual(self.peer.get_recved_many(timeout=0), [])
        self.assertLess(now() - started, 5)

    def test_a_datagram_ends_the_wait(self):
        for timeout in (None, DEADLINE, 10 ** 9, float("inf"), 1 << 40):
            sender = threading.Timer(
                0.03, self.socket().sendto, (b"x", (HOST, self.port))
            )
            started = now()
            sender.start()
            found = self.peer.get_recved_many(timeout=timeout)
            took = now() - started
            sender.join()
            self.assertEqual(payloads(found), [b"x"])
            self.assertTrue(0.02 < took < DEADLINE, took)

    def test_a_datagram_that_is_there_needs_no_wait(self):
        for timeout in (0, 0.001, None):
            self.socket().sendto(b"x", (HOST, self.port))
            wait_until(self.peer.queued_recved, "the datagram is there")
            self.assertEqual(len(self.peer.get_recved_many(timeout=timeout)), 1)

    def test_what_is_no_time_is_refused(self):
        for timeout in (-1, -0.001, float("-inf"), float("nan")):
            self.refused(ValueError, self.peer.get_recved_many, timeout=timeout)
        for timeout in ("1", [], object()):
            self.refused(TypeError, self.peer.get_recved_many, timeout=timeout)


class Pollable(HandlerTest):
    """fileno() is readable exactly while datagrams are there."""

    def setUp(self):
        self.peer, self.port = self.receiver()

    def send(self, count=1):
        self.peer.dispatch_many([(HOST, self.port, data) for data in numbered(count)])

    def test_select(self):
        for waited_for in (self.peer, self.peer.fileno()):
            self.assertEqual(select.select([waited_for], [], [], 0)[0], [])
            self.send(2)
            self.assertEqual(select.select([waited_for], [], [], DEADLINE)[0], [waited_for])
            wait_until(lambda: self.peer.queued_recved() == 2, "both are queued")
            # Level-triggered: as long as one is there, and no longer.
            for left in (2, 1):
                self.assertEqual(select.select([waited_for], [], [], 0)[0], [waited_for])
                self.assertEqual(self.peer.queued_recved(), left)
                self.peer.get_recved()
            self.assertEqual(select.select([waited_for], [], [], 0)[0], [])

    def test_poll(self):
        poll = select.poll()
        poll.register(self.peer.fileno(), select.POLLIN)
        self.assertEqual(poll.poll(0), [])
        self.send()
        self.assertEqual(poll.poll(DEADLINE * 1000), [(self.peer.fileno(), select.POLLIN)])
        collect(self.peer, 1)
        self.assertEqual(poll.poll(0), [])

    def test_epoll(self):
        epoll = select.epoll()
        self.addCleanup(epoll.close)
        epoll.register(self.peer.fileno(), select.EPOLLIN)
        for _ in range(3):
            self.assertEqual(epoll.poll(0), [])
            self.send()
            self.assertEqual(epoll.poll(DEADLINE), [(self.peer.fileno(), select.EPOLLIN)])
            collect(self.peer, 1)

    @needs_python3
    def test_selectors(self):
        import selectors

        with selectors.DefaultSelector() as selector:
            key = selector.register(self.peer, selectors.EVENT_READ)
            self.assertEqual(selector.select(0), [])
            self.send()
            self.assertEqual(selector.select(DEADLINE), [(key, selectors.EVENT_READ)])
            collect(self.peer, 1)
            self.assertEqual(selector.select(0), [])

    @needs_python3
    def test_asyncio(self):
        import asyncio

        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        found = []
        done = loop.create_future()

        def readable():
            found.extend(payloads(self.peer.get_recved_many(3)))
            if len(found) >= 20 and not done.done():
                done.set_result(None)

        loop.add_reader(self.peer.fileno(), readable)
        loop.call_soon(self.send, 20)
        loop.run_until_complete(asyncio.wait_for(done, DEADLINE))
        loop.remove_reader(self.peer.fileno())
        self.assertEqual(found, numbered(20))

    def test_a_datagram_is_there_when_it_says_so(self):
        for data in numbered(500):
            self.peer.dispatch(HOST, self.port, data)
            self.assertTrue(select.select([self.peer], [], [], DEADLINE)[0])
            self.assertEqual(self.peer.get_recved()[2], data)
            self.assertEqual(select.select([self.peer], [], [], 0)[0], [])

    def test_it_is_the_same_all_along_and_needs_no_datagram(self):
        number = self.peer.fileno()
        self.send(5)
        collect(self.peer, 5)
        self.assertEqual(self.peer.fileno(), number)

    def test_datagrams_that_came_before_the_first_question_are_seen(self):
        self.send(3)
        wait_until(lambda: self.peer.queued_recved() == 3, "all are queued")
        self.assertTrue(select.select([self.peer.fileno()], [], [], 0)[0])


class CtrlC(unittest.TestCase):
    """Ctrl-C during a wait ends in KeyboardInterrupt. What the machine's load adds is forgiven by
    measuring up to three times."""

    PROGRAM = """
import sys, threading, time
from support import collect, port_of, udp_socket
from pyhelpers.udp_handler import UdpHandlerDest

udp = udp_socket()
handler = UdpHandlerDest(udp.fileno(), event_fd=None, send_queue_items=1, send_policy="wait")
handler.dispatch("127.0.0.1", port_of(udp), b"x")
collect(handler, 1)
print("waiting")
sys.stdout.flush()
try:
    %s
    print("it ended by itself")
except KeyboardInterrupt:
    print(time.time())
handler.shutdown()
"""

    def ends(self, wait):
        took = []
        while len(took) < 3:
            child = Child(self.PROGRAM % wait)
            self.assertEqual(child.line(), "waiting")
            wait_until(lambda: is_asleep(child.pid), "the child waits")
            sent = time.time()
            child.signal(signal.SIGINT)
            outcome = child.finish()
            self.assertEqual((outcome.code, outcome.err), (0, ""))
            took.append(float(outcome.out) - sent)
            if took[-1] < PROMPT:
                return
        self.fail("KeyboardInterrupt came %r s after the signal" % took)

    def test_a_wait_for_ever(self):
        self.ends("handler.get_recved_many(timeout=None)")

    def test_a_wait_with_a_timeout(self):
        self.ends("handler.get_recved_many(timeout=30)")

    def test_a_wait_for_the_descriptor(self):
        self.ends("import select; select.select([handler], [], [], 30)")

    def test_a_signal_at_any_moment_ends_the_wait(self):
        # Also one that comes just before the native code falls asleep, which only an end of its
        # sleep can make known.
        run_child(
            """
import signal
from support import collect_garbage, now, udp_socket
from pyhelpers.udp_handler import UdpHandlerDest

class Alarm(Exception):
    pass

def ring(*_):
    raise Alarm

signal.signal(signal.SIGALRM, ring)
udp = udp_socket()
handler = UdpHandlerDest(udp.fileno(), event_fd=None)
# What the imports left has callbacks of Python's own, in which PyPy would lose the exception.
collect_garbage()
slept = late = 0
for microseconds in list(range(1, 300)) * 2:
    started = now()
    try:
        signal.setitimer(signal.ITIMER_REAL, microseconds * 1e-6)
        handler.get_recved_many(timeout=2)
        raise AssertionError("no signal came")
    except Alarm:
        pass
    slept += now() - started > 0.02
    late += now() - started > 0.5
    assert late < 3, "signals were slept through"
    if slept == 10:
        break
handler.shutdown()
"""
        )


class Threads(HandlerTest):
    def waiting(self, handler, count, timeout):
        """Threads that wait; gives them, and the list of what ends each of them."""
        ended = []

        def wait():
            try:
                ended.append(handler.get_recved_many(timeout=timeout))
            except OSError as error:
                ended.append(error)

        before = threads()
        waiters = [threading.Thread(target=wait) for _ in range(count)]
        for waiter in waiters:
            waiter.daemon = True
            waiter.start()
        new = threads() - before
        self.assertEqual(len(new), count)
        wait_until(lambda: all(is_asleep(os.getpid(), thread) for thread in new), "all wait")
        return waiters, ended

    def join(self, waiters):
        end = now() + DEADLINE
        for waiter in waiters:
            waiter.join(max(0, end - now()))
        self.assertFalse([waiter for waiter in waiters if waiter.is_alive()], "they wait on")

    def test_shutdown_wakes_eight_that_wait(self):
        for timeout in (None, 3600):
            handler, _ = self.receiver()
            waiters, ended = self.waiting(handler, 8, timeout)
            handler.shutdown()
            self.join(waiters)
            self.assertEqual(len(ended), 8)
            for error in ended:
                self.assertIsInstance(error, OSError)
                self.assertIn(error.errno, (errno.ESHUTDOWN, errno.EBADF))
                self.assertTrue(str(error))

    def test_each_datagram_wakes_one_and_the_others_wait_on(self):
        handler, port = self.receiver()
        waiters, ended = self.waiting(handler, 5, None)
        client = self.socket()
        for count, data in enumerate(numbered(5), 1):
            client.sendto(data, (HOST, port))
            wait_until(lambda: len(ended) == count, "somebody has it")
        self.join(waiters)
        self.assertEqual(sorted(data for found in ended for data in payloads(found)), numbered(5))

    def test_others_run_while_one_waits(self):
        handler, port = self.receiver()
        waiters, ended = self.waiting(handler, 1, None)
        self.assertEqual(sum(range(100000)), 4999950000)
        self.assertEqual(ended, [])
        handler.dispatch(HOST, port, b"x")
        self.join(waiters)
        self.assertEqual(payloads(ended[0]), [b"x"])

    def test_shutdown_wakes_one_that_waits_for_room(self):
        # The queue for one is filled faster than it empties, so that dispatching waits often.
        handler, port = self.receiver(send_policy="wait", send_queue_items=1)
        ended = []

        def dispatch():
            try:
                while True:
                    handler.dispatch(HOST, port, b"x")
            except OSError as error:
                ended.append(error.errno)

        dispatchers = [threading.Thread(target=dispatch) for _ in range(3)]
        for dispatcher in dispatchers:
            dispatcher.start()
        wait_until(lambda: handler.stats()["sent"] > 100, "they are at it")
        handler.shutdown()
        self.join(dispatchers)
        self.assertTrue(set(ended) <= set([errno.ESHUTDOWN, errno.EBADF]), ended)


class NativeThreads(HandlerTest):
    def test_signals_are_left_to_the_interpreters_threads(self):
        before = threads()
        self.receiver(send_reactors=2, recv_reactors=2)
        native = threads() - before
        self.assertEqual(len(native), 4)
        for thread in native:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD):
                self.assertTrue(blocked_signals(thread) >> (number - 1) & 1, number)


def blocked_signals(thread):
    """A thread's mask of signals that it does not take, the lowest bit for signal 1."""
    with open("/proc/self/task/%d/status" % thread) as status:
        (line,) = [line for line in status if line.startswith("SigBlk:")]
    return int(line.split()[1], 16)


class SignalStorm(HandlerTest):
    """Five hundred signals a second, each of which ends a system call with EINTR."""

    def setUp(self):
        self.rung = 0
        previous = signal.signal(signal.SIGALRM, self.ring)
        self.addCleanup(signal.signal, signal.SIGALRM, previous)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)

    def ring(self, *_):
        self.rung += 1

    def test_waits_are_neither_cut_short_nor_raise(self):
        handler, _ = self.receiver()
        for seconds in (0.1, 0.25):
            started = now()
            self.assertEqual(handler.get_recved_many(timeout=seconds), [])
            self.assertTrue(seconds <= now() - started < seconds + 5)
        self.assertGreater(self.rung, 50)

    def test_every_datagram_gets_there_once(self):
        handler, port = self.receiver(send_policy="wait", send_queue_items=8)
        data = numbered(50)
        end = now() + 0.4
        while now() < end:
            handler.dispatch_many([(HOST, port, datum) for datum in data[:25]])
            for datum in data[25:]:
                handler.dispatch(HOST, port, datum)
            self.assertEqual(payloads(collect(handler, 50)), data)
        self.assertEqual(handler.get_recved_many(), [])
        self.assertGreater(self.rung, 50)

    def test_making_and_ending_handlers(self):
        end = now() + 0.3
        while now() < end:
            handler, port = self.receiver(send_reactors=3, recv_reactors=2)
            handler.dispatch_many([(HOST, port, data) for data in numbered(20)])
            self.assertEqual(sorted(payloads(collect(handler, 20))), sorted(numbered(20)))
            self.assertEqual(handler.shutdown(), 0)
        self.assertGreater(self.rung, 30)


if __name__ == "__main__":
    unittest.main()
