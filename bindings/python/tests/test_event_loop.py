"""The event loop: timers, descriptors, signals, how it runs and how it ends."""

import errno
import os
import signal
import socket
import threading
import unittest
import weakref
from functools import partial

from looping import HOST, LoopTest, connected, in_a_child
from support import (
    Child,
    DEADLINE,
    PY2,
    PYPY,
    collect_garbage,
    leaves_nothing,
    now,
    payloads,
    run_child,
    wait_until,
)

import pyhelpers
from pyhelpers._backend import backend
from pyhelpers.event_loop import EventLoop

EXITS = 5


def nothing(*_arguments):
    """A handler."""


class Timers(LoopTest):
    def test_none_is_early_and_they_come_in_order(self):
        loop, came = self.loop(), []
        started = now()
        for delay in (0.03, 0.01, 0, 0.02, -1):
            loop.call_later(delay, lambda delay=delay: came.append((delay, now() - started)))
        self.until(loop, lambda: len(came) == 5, "all come")
        self.assertEqual([delay for delay, _ in came], [0, -1, 0.01, 0.02, 0.03])
        for delay, elapsed in came:
            self.assertGreaterEqual(elapsed, delay)

    def test_those_of_one_moment_come_as_they_were_added(self):
        loop, came = self.loop(), []
        for number in range(100):
            loop.call_later(0, came.append, number)
        self.until(loop, lambda: len(came) == 100, "all come")
        self.assertEqual(came, list(range(100)))

    def test_in_a_hundred_years(self):
        loop = self.loop()
        years = 100 * 365.25 * 86400
        timers = [loop.call_later(delay, self.fail) for delay in (years, 1e300, float("inf"))]
        loop.call_later(0, timers.append, None)
        self.until(loop, lambda: timers[-1] is None, "the other one comes")
        self.assertEqual(loop.stats()["timers"], 3)

    def test_each_period_until_it_is_cancelled(self):
        loop, came = self.loop(), []
        started = now()
        timer = loop.call_every(0.005, lambda: came.append(now() - started))
        self.until(loop, lambda: len(came) >= 4, "it comes again and again")
        for number, elapsed in enumerate(came, 1):
            self.assertGreaterEqual(elapsed, 0.005 * number)
        timer.cancel()
        del came[:]
        loop.call_later(0.02, loop.stop)
        loop.run()
        self.assertEqual(came, [])

    def test_one_that_is_late_is_called_once_for_all_missed_periods(self):
        loop, came = self.loop(), []
        loop.call_every(0.001, came.append, 1)
        started = now()
        wait_until(lambda: now() - started > 0.03, "some periods pass")
        loop.run_once(0)
        self.assertEqual(came, [1])

    def test_a_cancelled_one_does_not_come(self):
        loop = self.loop()
        for timer in (loop.call_later(0, self.fail), loop.call_soon(self.fail)):
            timer.cancel()
            timer.cancel()
        loop.call_later(0.001, loop.stop)
        loop.run()
        self.assertEqual(loop.stats()["timers"], 0)

    def test_one_may_cancel_another_of_the_same_batch(self):
        loop, came, timers = self.loop(), [], []

        def first():
            came.append(1)
            for timer in timers:
                timer.cancel()

        timers += [loop.call_later(0, first), loop.call_later(0, self.fail)]
        timers.append(loop.call_later(0, came.append, 2))
        timers.pop()
        self.until(loop, lambda: came, "the first one comes")
        self.until(loop, lambda: len(came) == 2, "the third one comes")

    def test_many_added_and_cancelled_leave_nothing(self):
        loop = self.loop()
        for _ in range(5):
            timers = [loop.call_later(1 + number % 60, self.fail) for number in range(2000)]
            self.assertEqual(loop.stats()["timers"], 2000)
            for timer in timers:
                timer.cancel()
        self.assertEqual(loop.stats()["timers"], 0)
        self.assertEqual(len(loop._loop.objects), 0)

    def test_wrong_arguments_are_refused(self):
        loop = self.loop()
        for call, args in (
            (loop.call_every, (0, self.fail)),
            (loop.call_every, (-1, self.fail)),
            (loop.call_later, (float("nan"), self.fail)),
        ):
            self.refused(ValueError, call, *args)
        for call, args in (
            (loop.call_later, (0, None)),
            (loop.call_later, ("1", self.fail)),
            (loop.call_soon, (1,)),
        ):
            self.refused(TypeError, call, *args)

    def test_soon_is_in_order_and_lets_others_come(self):
        loop, came = self.loop(), []

        def again():
            came.append("soon")
            loop.call_soon(again)

        loop.call_soon(again)
        loop.call_later(0.005, came.append, "later")
        self.until(loop, lambda: "later" in came, "a timer comes in between")
        self.assertGreater(len(came), 2)

    def test_what_ended_is_released(self):
        loop, came = self.loop(), []

        class Callback(object):
            def __call__(self):
                came.append(1)

        callbacks = [Callback() for _ in range(3)]
        references = list(map(weakref.ref, callbacks))
        loop.call_soon(callbacks[0])
        loop.call_later(0, callbacks[1])
        loop.call_later(1000, callbacks.pop()).cancel()
        self.until(loop, lambda: len(came) == 2, "the others are called")
        del callbacks
        collect_garbage()
        self.assertEqual([reference() for reference in references], [None] * 3)


class Descriptors(LoopTest):
    def pair(self):
        pair = socket.socketpair()
        for each in pair:
            self.addCleanup(each.close)
            each.setblocking(False)
        return pair

    def test_reader_and_writer_of_one_descriptor(self):
        for backend in ("epoll", "poll", "select"):
            loop, (mine, other) = self.loop(backend), self.pair()
            came = []
            loop.add_reader(mine, lambda: came.append(mine.recv(10)))
            loop.add_writer(mine.fileno(), came.append, "writable")
            self.until(loop, lambda: "writable" in came, "it can be written")
            self.assertTrue(loop.remove_writer(mine))
            del came[:]
            other.send(b"x")
            self.until(loop, lambda: came, "it can be read")
            self.assertEqual(came, [b"x"])
            self.assertTrue(loop.remove_reader(mine))
            self.assertEqual([loop.remove_reader(mine), loop.remove_writer(mine)], [False, False])
            other.send(b"y")
            loop.call_later(0.001, loop.stop)
            loop.run()
            self.assertEqual(came, [b"x"])

    def test_as_long_as_there_is_something(self):
        loop, (mine, other) = self.loop(), self.pair()
        came = []
        loop.add_reader(mine, lambda: came.append(mine.recv(1)))
        other.send(b"abc")
        self.until(loop, lambda: len(came) == 3, "it comes again for what was left")

    def test_the_last_reader_counts(self):
        loop, (mine, other) = self.loop(), self.pair()
        came = []
        loop.add_reader(mine, self.fail)
        loop.add_reader(mine, lambda: came.append(mine.recv(1)))
        other.send(b"a")
        self.until(loop, lambda: came, "it comes")

    def test_a_reader_may_remove_the_writer(self):
        loop, (mine, other) = self.loop(), self.pair()
        came = []

        def read():
            came.append(mine.recv(10))
            loop.remove_writer(mine)

        loop.add_reader(mine, read)
        loop.add_writer(mine, self.fail)
        other.send(b"x")
        self.until(loop, lambda: came, "the reader comes")
        loop.run_once(0)

    def test_one_that_was_closed_behind_its_back(self):
        for backend in ("epoll", "poll", "select"):
            loop, came = self.loop(backend), []
            mine, other = self.pair()
            loop.add_reader(mine, came.append, "old")
            number = mine.fileno()
            mine.close()
            loop.call_later(0.01, loop.stop)
            loop.run()
            # It has the number again.
            again = [self.pair()]
            while number not in [each.fileno() for pair in again for each in pair]:
                again.append(self.pair())
            pair = [pair for pair in again if number in [each.fileno() for each in pair]][0]
            new, peer = sorted(pair, key=lambda each: each.fileno() != number)
            del came[:]
            loop.add_reader(new, lambda: came.append(new.recv(10)))
            peer.send(b"new")
            self.until(loop, lambda: came, "the new one can be read")
            self.assertEqual(came, [b"new"])

    def test_removed_after_it_was_closed(self):
        for backend in ("epoll", "poll", "select"):
            loop = self.loop(backend)
            mine, _ = self.pair()
            number = mine.fileno()
            loop.add_reader(number, self.fail)
            loop.add_writer(number, self.fail)
            mine.close()
            for remove in (loop.remove_reader, loop.remove_writer):
                self.assertEqual([remove(number), remove(number)], [True, False])
            loop.run_once(0)

    def test_what_was_called_for_a_closed_one_is_not_for_the_next_with_its_number(self):
        for change in ("remove", "add"):
            loop, came = self.loop(), []
            mine, _ = self.pair()
            number = mine.fileno()
            loop.add_reader(number, self.fail)
            loop.add_writer(number, self.fail)
            mine.close()
            new, peer = self.pair()
            if new.fileno() != number:
                os.dup2(new.fileno(), number)
                self.addCleanup(os.close, number)
            if change == "remove":
                self.assertTrue(loop.remove_reader(number))
            else:
                loop.add_reader(number, lambda: came.append(new.recv(1)))
                peer.send(b"x")
            loop.call_later(0, came.append, 1)
            self.until(loop, lambda: 1 in came, "a timer comes")

    def test_what_cannot_be_waited_for(self):
        loop = self.loop()
        error = self.fails_with(errno.EBADF, loop.add_reader, 100000, self.fail)
        self.assertIn("descriptor 100000 is not open", str(error))
        server = self.server(loop)
        server.close()
        error = self.fails_with(errno.EBADF, lambda: server.address)
        self.assertIn("server is closed", str(error))
        self.fails_with(errno.EBADF, loop.add_reader, -1, self.fail)
        with open(os.path.abspath(__file__)) as regular:
            self.fails_with(errno.EPERM, loop.add_reader, regular, self.fail)
        self.refused(TypeError, loop.add_reader, "0", self.fail)
        self.refused(TypeError, loop.add_reader, 0, None)
        self.assertFalse(loop.remove_reader(100000))

    def test_a_handlers_descriptor_sits_in_it(self):
        loop, came = self.loop(), []
        receiver, port = self.receiver()
        loop.add_reader(receiver, lambda: came.extend(receiver.get_recved_many()))
        self.handler().dispatch(HOST, port, b"datagram")
        self.until(loop, lambda: came, "the datagram comes")
        self.assertEqual(payloads(came), [b"datagram"])

    def test_a_loop_sits_in_another(self):
        inner, outer, came = self.loop(), self.loop(), []
        outer.add_reader(inner, inner.run_once, 0)
        inner.call_later(0.005, came.append, "timer")
        self.until(outer, lambda: came, "the inner timer comes")
        inner.call_soon(came.append, "soon")
        self.until(outer, lambda: len(came) == 2, "the inner call comes")
        self.fails_with(errno.EOPNOTSUPP, self.loop("poll").fileno)


class Signals(LoopTest):
    def test_it_comes_and_the_handler_comes_back(self):
        loop, came, before = self.loop(), [], []
        previous = signal.signal(signal.SIGUSR1, lambda *_: before.append(1))
        self.addCleanup(signal.signal, signal.SIGUSR1, previous)
        loop.add_signal(signal.SIGUSR1, came.append, 1)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.until(loop, lambda: came, "the signal comes")
        self.assertEqual(before, [])
        self.assertTrue(loop.remove_signal(signal.SIGUSR1))
        self.assertFalse(loop.remove_signal(signal.SIGUSR1))
        os.kill(os.getpid(), signal.SIGUSR1)
        wait_until(lambda: before, "the process's own handler is called")
        self.assertEqual(came, [1])

    def test_what_cannot_be_had(self):
        loop = self.loop()
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV):
            self.fails_with(errno.EINVAL, loop.add_signal, number, self.fail)
        self.refused(ValueError, loop.add_signal, 0, self.fail)
        loop.add_signal(signal.SIGUSR1, self.fail)
        self.fails_with(errno.EEXIST, loop.add_signal, signal.SIGUSR1, self.fail)

    def test_a_python_handler_runs_while_it_waits(self):
        loop = self.loop()
        previous = signal.signal(signal.SIGALRM, lambda *_: loop.stop())
        self.addCleanup(signal.signal, signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        loop.run()

    @unittest.skipIf(PYPY and backend.name == "ctypes", "PyPy's ctypes runs Python in each call")
    def test_an_exception_of_a_python_handler_loses_no_batch(self):
        loop, came, raised, armed = self.loop(), [], [], []

        class Alarm(BaseException):
            pass

        def interrupt(*_):
            if armed:
                raised.append(armed.pop())
                raise Alarm

        previous = signal.signal(signal.SIGALRM, interrupt)
        self.addCleanup(signal.signal, signal.SIGALRM, previous)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        added, end = 0, now() + DEADLINE
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0007)
        while len(raised) < 30 and now() < end:
            for _ in range(100):
                loop.call_later(0, came.append, 1)
            added += 100
            while loop.stats()["timers"] or loop._loop.has_more():
                try:
                    armed.append(1)
                    loop.run_once(0)
                    del armed[:]
                except Alarm:
                    pass
        # One alarm may come instead of the one call that is about to be made.
        self.assertGreaterEqual(len(came), added - len(raised))
        self.assertGreaterEqual(len(raised), 30)


class Running(LoopTest):
    def test_the_package_has_it(self):
        self.assertIs(pyhelpers.EventLoop, EventLoop)
        self.refused(ValueError, EventLoop, "kqueue")
        self.refused(ValueError, EventLoop, None)

    def test_once_says_how_many_events_there_were(self):
        loop = self.loop()
        self.assertEqual(loop.run_once(0), 0)
        started = now()
        self.assertEqual(loop.run_once(0.02), 0)
        self.assertGreaterEqual(now() - started, 0.02)
        for _ in range(3):
            loop.call_later(0, list)
        self.assertEqual(loop.run_once(1), 3)
        self.refused(ValueError, loop.run_once, -1)

    def test_stop_from_a_handler_leaves_the_rest_for_the_next_run(self):
        loop, came = self.loop(), []
        loop.call_later(0, came.append, 1)
        loop.call_later(0, loop.stop)
        loop.call_later(0, came.append, 2)
        loop.call_later(0, loop.stop)
        loop.run()
        self.assertEqual(came, [1])
        loop.run()
        self.assertEqual(came, [1, 2])
        loop.call_soon(loop.stop)
        loop.call_soon(came.append, 3)
        loop.run()
        self.assertEqual(came, [1, 2])
        loop.call_soon(loop.stop)
        loop.run()
        self.assertEqual(came, [1, 2, 3])

    def test_stop_before_it_runs(self):
        loop = self.loop()
        loop.stop()
        loop.run()
        loop.stop()
        self.assertEqual(loop.run_once(1), 1)

    def test_stop_wake_and_call_soon_from_eight_threads(self):
        loop, came, rounds = self.loop(), [], 50

        def bother():
            for number in range(rounds):
                loop.call_soon_threadsafe(came.append, number)
                loop.wake()
                loop.stop()

        def run():
            while not done.is_set():
                loop.run()

        done = threading.Event()
        running = threading.Thread(target=run)
        threads = [threading.Thread(target=bother) for _ in range(8)]
        for thread in threads + [running]:
            thread.start()
        for thread in threads:
            thread.join()
        try:
            wait_until(lambda: len(came) == 8 * rounds, "all was called")
        finally:
            done.set()
            loop.stop()
            running.join()
        self.assertEqual(sorted(came), sorted(list(range(rounds)) * 8))

    def test_stop_ends_the_wait_of_another_thread(self):
        loop = self.loop()
        for end in (loop.stop, loop.close):
            running = threading.Event()
            thread = threading.Thread(target=loop.run)
            loop.call_soon(running.set)
            thread.start()
            self.assertTrue(running.wait(DEADLINE))
            end()
            thread.join(DEADLINE)
            self.assertFalse(thread.is_alive())

    def test_one_thread_at_a_time(self):
        loop, running = self.loop(), threading.Event()
        thread = threading.Thread(target=loop.run)
        loop.call_soon(running.set)
        thread.start()
        self.assertTrue(running.wait(DEADLINE))
        self.fails_with(errno.EBUSY, loop.run_once, 0)
        self.fails_with(errno.EBUSY, loop.run)
        loop.stop()
        thread.join(DEADLINE)
        self.assertEqual(loop.run_once(0), 0)

    def test_a_handler_may_have_an_iteration_made(self):
        loop, came = self.loop(), []

        def outer():
            loop.call_later(0, came.append, "new")
            while len(came) < 2:
                loop.run_once(0.1)
            came.append("outer")

        loop.call_later(0, outer)
        loop.call_later(0, came.append, "of the batch")
        self.until(loop, lambda: len(came) == 3, "all come")
        self.assertEqual(came, ["of the batch", "new", "outer"])

    def test_stop_within_an_iteration_that_a_handler_has_made(self):
        loop = self.loop()
        late = loop.call_later(DEADLINE, loop.stop)

        def outer():
            loop.call_later(0, loop.stop)
            loop.run_once(1)

        started = now()
        loop.call_soon(outer)
        loop.run()
        self.assertLess(now() - started, DEADLINE)
        late.cancel()

    def test_its_descriptor_shows_what_an_exception_has_left(self):
        for run in ("run", "run_once"):
            inner, outer, came = self.loop(), self.loop(), []

            def leave():
                raise KeyboardInterrupt

            for call in (leave, partial(came.append, 1), inner.stop):
                inner.call_later(0, call)
            self.refused(KeyboardInterrupt, getattr(inner, run))
            outer.add_reader(inner, inner.run_once, 0)
            self.until(outer, lambda: came, "the rest comes")

    def test_a_handler_that_raises_is_reported_and_the_rest_goes_on(self):
        loop, came, errors = self.loop(), [], []
        loop.on_error = lambda error, where: errors.append((error, where.tb_lineno))
        for call in (lambda: 1 // 0, lambda: came.append(1)):
            loop.call_later(0, call)
            loop.call_soon(call)
        loop.run_once(1)
        self.assertEqual(came, [1, 1])
        self.assertEqual([type(error) for error, _ in errors], [ZeroDivisionError] * 2)
        self.assertEqual(loop.errors, 2)

    def test_without_a_hook_the_traceback_goes_to_standard_error(self):
        outcome = Child(
            "import pyhelpers\n"
            "loop = pyhelpers.EventLoop()\n"
            "def bad(): raise RuntimeError('the reason')\n"
            "def hook(error, where): raise KeyError('of the hook')\n"
            "def instead(): loop.on_error = hook\n"
            "for call in (bad, instead, bad, loop.stop): loop.call_soon(call)\n"
            "loop.run()\n"
            "print(loop.errors)\n"
        ).finish()
        self.assertEqual((outcome.code, outcome.out), (0, "2\n"))
        self.assertIn("RuntimeError: the reason", outcome.err)
        self.assertIn("in bad", outcome.err)
        self.assertIn("KeyError: 'of the hook'", outcome.err)

    def test_an_exit_leaves_and_the_rest_comes_in_the_next_run(self):
        for kind in (KeyboardInterrupt, SystemExit):
            loop, came = self.loop(), []

            def leave():
                raise kind

            loop.call_later(0, leave)
            loop.call_later(0, came.append, 1)
            loop.call_later(0, loop.stop)
            self.refused(kind, loop.run)
            self.assertEqual(came, [])
            loop.run()
            self.assertEqual(came, [1])
            self.assertEqual(loop.errors, 0)

    def test_interrupted_by_the_keyboard(self):
        child = Child(
            "import pyhelpers\n"
            "loop = pyhelpers.EventLoop()\n"
            "def say():\n"
            "    print('running'); __import__('sys').stdout.flush()\n"
            "loop.call_soon(say)\n"
            "try: loop.run()\n"
            "except KeyboardInterrupt: print('left')\n"
        )
        self.assertEqual(child.line(), "running")
        child.signal(signal.SIGINT)
        outcome = child.finish()
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "left\n", ""))

    def test_it_is_neither_copied_nor_pickled(self):
        self.refused(TypeError, __import__("copy").copy, self.loop())


def calls(loop):
    """Every method but close(), with arguments that are right."""
    return [
        (loop.run, ()),
        (loop.run_once, (0,)),
        (loop.stop, ()),
        (loop.wake, ()),
        (loop.shutdown, (0,)),
        (loop.fileno, ()),
        (loop.stats, ()),
        (loop.call_soon, (list,)),
        (loop.call_later, (1, list)),
        (loop.call_every, (1, list)),
        (loop.add_reader, (0, list)),
        (loop.add_signal, (signal.SIGUSR1, list)),
        (loop.tcp_server, ()),
        (loop.tcp_client, (HOST, 1)),
    ]


class Ends(LoopTest):
    def test_every_call_after_close_says_so(self):
        loop = self.loop()
        self.assertEqual([loop.close() for _ in range(3)], [0, 0, 0])
        for call, arguments in calls(loop):
            error = self.fails_with(errno.EBADF, call, *arguments)
            self.assertIn("EventLoop is closed", str(error))

    def test_threads_and_descriptors_are_what_they_were(self):
        for backend in ("epoll", "poll", "select"):
            with leaves_nothing():
                loop = EventLoop(backend)
                server = loop.tcp_server(host=HOST)
                loop.call_later(1, list)
                client = connected(server.address)
                loop.tcp_client("localhost", server.address[1])
                loop.run_once(1)
                loop.close()
                client.close()

    def test_one_that_nobody_has_any_more_ends(self):
        udp = self.socket()
        with leaves_nothing():
            loop = EventLoop()
            loop.tcp_server(host=HOST, on_connect=partial(nothing, loop))
            loop.call_every(1, loop.stop)
            loop.add_reader(udp, loop.stop)
            reference = weakref.ref(loop)
            del loop
            collect_garbage()
            self.assertIsNone(reference())

    def test_a_handler_may_close_it(self):
        loop = self.loop()
        loop.call_later(0, loop.close)
        loop.call_later(0, self.fail)
        loop.call_soon(list)
        loop.run()
        self.fails_with(errno.EBADF, loop.run)

    def test_a_forked_child_gets_an_error_and_the_parent_notices_nothing(self):
        loop, data = self.loop(), []
        server = self.server(loop, on_data=lambda connection, part: connection.write(part))
        client = self.client(server.address)
        loop.run_once(1)
        child = os.fork()
        if not child:
            status = 1
            try:
                for call, arguments in calls(loop):
                    self.fails_with(errno.EBADF, call, *arguments)
                loop.close()
                with EventLoop() as own:
                    own.call_soon(own.stop)
                    own.run()
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        client.sendall(b"alive")
        client.setblocking(False)

        def read():
            try:
                data.append(client.recv(10))
            except (socket.error, OSError):
                pass
            return data

        self.until(loop, read, "it still serves")
        self.assertEqual(data, [b"alive"])

    def test_a_child_forked_by_a_handler(self):
        loop, children = self.loop(), []

        def fork():
            child = os.fork()
            if not child:
                try:
                    self.fails_with(errno.EBADF, loop.run_once, 0)
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(child)

        loop.call_soon(fork)
        loop.call_soon(loop.stop)
        loop.run()
        self.assertEqual(os.waitpid(children[0], 0)[1], 0)

    def test_a_child_forked_while_another_thread_runs_it_or_adds_to_it(self):
        loop, running, holding = self.loop(), threading.Event(), threading.Event()
        go_on = threading.Event()

        def hold():
            with loop._loop.adding:
                holding.set()
                go_on.wait(DEADLINE)

        threads = [threading.Thread(target=target) for target in (loop.run, hold)]
        loop.call_soon(running.set)
        for thread in threads:
            thread.start()
        self.assertTrue(running.wait(DEADLINE) and holding.wait(DEADLINE))

        def checks():
            for call, arguments in calls(loop):
                self.fails_with(errno.EBADF, call, *arguments)
            self.assertFalse(loop.remove_reader(0))
            self.assertEqual(loop.close(), 0)

        in_a_child(checks)
        go_on.set()
        loop.stop()
        for thread in threads:
            thread.join()

    def test_the_interpreters_end_while_it_runs(self):
        program = (
            "import sys, threading, pyhelpers\n"
            "loop = pyhelpers.EventLoop()\n"
            "server = loop.tcp_server(host='127.0.0.1', on_data=lambda c, d: c.write(d))\n"
            "client = loop.tcp_client(*server.address[:2],\n"
            "    on_connect=lambda c: c.write(b'x'), on_data=lambda c, d: c.write(d))\n"
            "%s\n"
        )
        thread = (
            "thread = threading.Thread(target=loop.run); thread.daemon = True; thread.start()\n"
            "echoed = threading.Event()\n"
            "loop.call_later(0.01, echoed.set); echoed.wait()"
        )
        for _ in range(EXITS):
            outcome = Child(program % thread).finish()
            self.assertEqual(outcome.code, 0, outcome.err)
            # Python 2 takes its modules down under threads that still run, and says so.
            if not PY2:
                self.assertEqual(outcome.err, "")
        run_child(program % "loop.call_later(0.01, sys.exit); loop.run()")


if __name__ == "__main__":
    unittest.main()
