"""From construction to the end: of the handler, of the process, of a child, of the other side."""

import copy
import errno
import os
import pickle
import resource
import signal
import unittest

from support import (
    Child,
    DEADLINE,
    PY2,
    HandlerTest,
    collect,
    collect_garbage,
    descriptors,
    leaves_nothing,
    needs_python3,
    now,
    numbered,
    payloads,
    port_of,
    run_child,
    threads,
    times_asleep,
    udp_socket,
    unused_descriptors,
    wait_until,
)

from pyhelpers.udp_handler import UdpHandlerDest

HOST = "127.0.0.1"

#: Processes that end with live handlers.
EXITS = int(os.environ.get("PYHELPERS_TEST_EXITS", 20))


def calls(handler, port):
    """Every method but shutdown(), with arguments that are right."""
    return [
        (handler.dispatch, (HOST, port, b"x")),
        (handler.dispatch_many, ([(HOST, port, b"x")],)),
        (handler.get_recved, ()),
        (handler.get_recved_many, ()),
        (handler.get_recved_many, (10, 5)),
        (handler.get_recved_many, (10, None)),
        (handler.queued_send, ()),
        (handler.queued_recved, ()),
        (handler.stats_send_avg, ()),
        (handler.stats, ()),
        (handler.errors, ()),
        (handler.fileno, ()),
    ]


class Shutdown(HandlerTest):
    def test_threads_and_descriptors_are_what_they_were(self):
        udp = self.socket(reuse_port=True)
        client = self.socket()
        with leaves_nothing():
            for options in (
                dict(),
                dict(send_reactors=5),
                dict(event_fd=None, recv_reactors=4, recv_sockets_a_reactor=3),
            ):
                handler = UdpHandlerDest(udp.fileno(), **options)
                self.assertGreater(len(threads()), 1)
                handler.dispatch(HOST, port_of(client), b"x")
                self.assertEqual(client.recv(10), b"x")
                self.assertEqual(handler.shutdown(), 0)

    def test_a_second_one_is_nothing(self):
        handler, _ = self.receiver()
        self.assertEqual([handler.shutdown() for _ in range(3)], [0, 0, 0])

    def test_every_call_after_it_says_so(self):
        handler, port = self.receiver()
        handler.shutdown()
        for call, arguments in calls(handler, port):
            error = self.fails_with(errno.EBADF, call, *arguments)
            self.assertIn("shut down", str(error))
            self.assertIn("UdpHandlerDest", str(error))
        # A bad argument is the caller's mistake, shut down or not.
        self.refused(TypeError, handler.dispatch, HOST, port, None)

    def test_a_handler_that_could_not_be_made_is_shut_down(self):
        handler = UdpHandlerDest.__new__(UdpHandlerDest)
        self.refused(OSError, handler.__init__, -1)
        self.assertEqual(handler.shutdown(), 0)

    def test_the_callers_socket_is_as_it_was(self):
        udp = self.socket()
        handler, port = self.receiver(udp)
        handler.dispatch_many([(HOST, port, data) for data in numbered(20)])
        collect(handler, 20)
        handler.shutdown()
        sender = self.handler()
        sender.dispatch_many([(HOST, port, data) for data in numbered(20, "%02d")])
        # Datagrams that came together are apart again.
        self.assertEqual([udp.recv(1000) for _ in range(20)], numbered(20, "%02d"))
        again, _ = self.receiver(udp)
        again.dispatch(HOST, port, b"again")
        self.assertEqual(payloads(collect(again, 1)), [b"again"])

    def test_what_is_queued_is_sent_first(self):
        receiver, port = self.receiver(recv_policy="drop_newest", recv_queue_items=1)
        # Datagrams that GSO cannot join, more than can be sent while they are handed in.
        count = 50000
        sender = self.handler(gso=False, drain_timeout=DEADLINE)
        self.assertEqual(sender.dispatch_many([(HOST, port, b"x")] * count), count)
        self.assertEqual(sender.shutdown(), 0)
        self.arrived(receiver, count)

    def test_the_deadline_holds_and_what_it_leaves_is_reported(self):
        for deadline in (0, 0.02):
            unsent = tries = 0
            # More than can be sent by then, unless this thread gets no turn for long.
            while not unsent and tries < 10:
                receiver, port = self.receiver(recv_policy="drop_newest", recv_queue_items=1)
                sender = self.handler(gso=False, drain_timeout=deadline)
                count = sender.dispatch_many([(HOST, port, b"x")] * 300000)
                started = now()
                unsent = sender.shutdown()
                took = now() - started
                self.assertEqual(count, 300000)
                self.arrived(receiver, count - unsent)
                tries += 1
            self.assertTrue(unsent > 0 and deadline <= took < 1, (unsent, took))

    def test_what_was_not_picked_up_may_be_forgotten(self):
        handler, port = self.receiver()
        handler.dispatch_many([(HOST, port, b"x")] * 10)
        wait_until(lambda: handler.queued_recved() == 10, "all are queued")
        self.assertEqual(handler.shutdown(), 0)


class WithStatement(HandlerTest):
    def test_it_ends_with_the_block(self):
        udp = self.socket()
        with leaves_nothing():
            with UdpHandlerDest(udp.fileno(), event_fd=None) as handler:
                self.assertIsInstance(handler, UdpHandlerDest)
                self.assertEqual(handler.queued_send(), 0)
            self.fails_with(errno.EBADF, handler.queued_send)

    def test_it_ends_with_an_exception_which_goes_on(self):
        udp = self.socket()

        def fail():
            with UdpHandlerDest(udp.fileno(), event_fd=None):
                raise KeyError("mine")

        with leaves_nothing():
            self.refused(KeyError, fail)

    def test_it_may_be_shut_down_inside(self):
        with UdpHandlerDest(self.socket().fileno()) as handler:
            handler.shutdown()


class Garbage(HandlerTest):
    def gone(self, before):
        collect_garbage()
        return threads() <= before[0] and descriptors() == before[1]

    def abandoned(self, abandon):
        udp = self.socket()
        collect_garbage()
        before = threads(), descriptors()
        abandon(udp)
        wait_until(lambda: self.gone(before), "the handler is gone")

    def test_a_handler_that_nobody_has_any_more_stops(self):
        def abandon(udp):
            handler = UdpHandlerDest(udp.fileno(), event_fd=None, recv_reactors=2)
            self.assertEqual(handler.get_recved(), ())
            handler.dispatch(HOST, port_of(udp), b"x")
            self.assertEqual(payloads(collect(handler, 1)), [b"x"])

        self.abandoned(abandon)

    def test_one_of_an_object_in_a_cycle_stops(self):
        class Server(object):
            def __init__(self, udp):
                self.itself = self
                self.handler = UdpHandlerDest(udp.fileno(), event_fd=None)

        self.abandoned(lambda udp: Server(udp).handler.stats() and None)

    def test_one_that_is_part_of_a_cycle_stops(self):
        class Server(UdpHandlerDest):
            def __init__(self, udp):
                UdpHandlerDest.__init__(self, udp.fileno(), event_fd=None)
                self.callback = self.stats

        self.abandoned(lambda udp: Server(udp).callback() and None)

    def test_fifty_of_them_stop(self):
        self.abandoned(lambda udp: [UdpHandlerDest(udp.fileno()) for _ in range(50)] and None)

    def test_a_call_keeps_it_alive(self):
        # The only reference is that of the call.
        udp = self.socket()
        self.assertEqual(
            UdpHandlerDest(udp.fileno(), event_fd=None).get_recved_many(timeout=0.02), []
        )

    def test_a_copy_would_end_the_original_and_is_refused(self):
        handler, port = self.receiver()
        for duplicate in (copy.copy, copy.deepcopy, pickle.dumps, lambda it: pickle.dumps(it, 2)):
            self.refused(TypeError, duplicate, handler)
        collect_garbage()
        handler.dispatch(HOST, port, b"alive")
        self.assertEqual(payloads(collect(handler, 1)), [b"alive"])


class Shortage(HandlerTest):
    def test_every_lack_of_descriptors_is_an_error_that_leaves_nothing(self):
        udp = self.socket(reuse_port=True)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        lowest = unused_descriptors(1)[0]
        failures = 0
        with leaves_nothing():
            for allowed in range(lowest, lowest + 100):
                resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, limits[1]))
                try:
                    handler = UdpHandlerDest(
                        udp.fileno(), event_fd=None, recv_reactors=3, recv_sockets_a_reactor=3
                    )
                except OSError as error:
                    self.assertEqual(error.errno, errno.EMFILE)
                    failures += 1
                else:
                    handler.shutdown()
                    break
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            else:
                self.fail("it never worked")
        # A socket for each of nine, epolls and eventfds: it was tried at many points.
        self.assertGreater(failures, 9)


class Fork(HandlerTest):
    def test_in_the_child_every_call_fails_and_the_parent_is_undisturbed(self):
        run_child(
            FORK
            + """
def child():
    for call, arguments in calls(handler, port):
        try:
            call(*arguments)
        except OSError as error:
            assert error.errno == errno.EBADF, error
            assert str(parent) in str(error), error
        else:
            raise AssertionError(call)
    assert handler.shutdown() == 0
    # It may have handlers of its own.
    own_udp = udp_socket()
    with UdpHandlerDest(own_udp.fileno(), event_fd=None) as own:
        own.dispatch("127.0.0.1", port_of(own_udp), b"own")
        assert payloads(collect(own, 1)) == [b"own"]
        assert handler.shutdown() == 0
        own.queued_send()

forked(child)
"""
        )

    def test_a_child_may_end_like_any_program(self):
        run_child(FORK + "forked(lambda: None, os_exit=False)\n")

    def test_a_child_may_drop_the_handler(self):
        run_child(
            FORK
            + """
def child():
    global handler
    del handler
    collect_garbage()

forked(child)
"""
        )

    def test_fork_while_threads_wait_and_traffic_flows(self):
        run_child(
            FORK
            + """
import threading
stop = []

def wait():
    try:
        while True:
            handler.get_recved_many(timeout=None)
    except OSError:
        pass

def talk():
    while not stop:
        handler.dispatch_many([("127.0.0.1", port, b"x")] * 10)

talking = threading.Thread(target=talk)
waiting = [threading.Thread(target=wait) for _ in range(2)]
for thread in waiting + [talking]:
    thread.start()

def child():
    try:
        handler.get_recved_many(timeout=None)
    except OSError as error:
        assert error.errno == errno.EBADF, error
    assert handler.shutdown() == 0

for _ in range(10):
    fork(child)
stop.append(True)
talking.join()
handler.shutdown()
for thread in waiting:
    thread.join()
"""
        )

    @needs_python3
    def test_multiprocessing_by_fork(self):
        self.multiprocessing("fork")

    @needs_python3
    def test_multiprocessing_by_spawn(self):
        self.multiprocessing("spawn")

    def multiprocessing(self, method):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
        run_child("import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(%r, "
                  "run_name='__main__')" % program, program, method)


#: A handler that works, and fork() with a body for the child, whose exceptions are seen.
FORK = """
import errno, os, sys, traceback, warnings
from support import collect, collect_garbage, payloads, port_of, udp_socket
from test_lifecycle import calls
from pyhelpers.udp_handler import UdpHandlerDest

# Python warns of fork() in a process with threads; here there are meant to be some.
warnings.simplefilter("ignore", DeprecationWarning)
parent = os.getpid()
udp = udp_socket()
port = port_of(udp)
handler = UdpHandlerDest(udp.fileno(), event_fd=None)

def works():
    handler.dispatch("127.0.0.1", port, b"alive")
    assert payloads(collect(handler, 1)) == [b"alive"]

def fork(body, os_exit=True):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            body()
            status = 0
        except BaseException:
            traceback.print_exc()
        if os_exit:
            os._exit(status)
        sys.exit(status)
    assert os.waitpid(pid, 0)[1] == 0

def forked(body, **how):
    works()
    fork(body, **how)
    works()
    assert handler.errors() == []
    assert handler.shutdown() == 0
"""


def complaints(outcome):
    """What a program wrote to standard error, but for what Python 2 says of daemon threads that
    run on while it takes their modules down, whatever these threads call."""
    of_python2 = PY2 and "(most likely raised during interpreter shutdown)" in outcome.err
    return "" if of_python2 else outcome.err


class Exit(unittest.TestCase):
    """The interpreter's end, whatever was left open: status 0, not a word, in bounded time."""

    LIVE = """
import sys, threading
from support import EventFd, collect, port_of, udp_socket
from pyhelpers.udp_handler import UdpHandlerDest

event_fd, group, own = EventFd(), udp_socket(reuse_port=True), udp_socket()
handlers = [
    UdpHandlerDest(group.fileno(), 3, 0, event_fd.fileno(), 2, 2),
    UdpHandlerDest(own.fileno(), event_fd=None),
]
class Cycle(object):
    pass
cycle = Cycle()
cycle.itself, cycle.handler = cycle, handlers[0]
handler, port = handlers[1], port_of(own)
handler.dispatch("127.0.0.1", port, b"x")
collect(handler, 1)
handlers[0].dispatch_many([("127.0.0.1", port, b"x")] * 100)
"""

    DAEMONS = LIVE + """
def wait():
    while True:
        handler.get_recved_many(timeout=None)

def wait_a_little():
    while True:
        handler.get_recved_many(timeout=0.001)

def talk():
    while True:
        handler.dispatch("127.0.0.1", port, b"x")
        handlers[0].dispatch_many([("127.0.0.1", port, b"x")] * 10)

for body in (wait, wait, wait_a_little, talk):
    thread = threading.Thread(target=body)
    thread.daemon = True
    thread.start()
"""

    #: A thread whose call goes on when the interpreter is gone: until C's own exit, where a shell
    #: tells so and waits for the parent.
    OUTLIVED = """
import ctypes, os, sys, threading, time
from support import DEADLINE, is_asleep, port_of, threads, times_asleep, udp_socket, wait_until
from pyhelpers import _waiting
from pyhelpers.udp_handler import UdpHandlerDest

_waiting.SLICE = int(DEADLINE * 1000)
udp = udp_socket()
handler = UdpHandlerDest(udp.fileno(), event_fd=None)
others = threads()
thread = threading.Thread(target=handler.get_recved_many, args=(1024, None))
thread.daemon = True
thread.start()
waiting, = threads() - others

def waits():
    # Not for the interpreter, which this thread leaves to others meanwhile.
    before = times_asleep(os.getpid(), waiting)
    time.sleep(0.01)
    return is_asleep(os.getpid(), waiting) and times_asleep(os.getpid(), waiting) == before

wait_until(waits, "it waits")

libc = ctypes.CDLL(None)
libc.strdup.restype = ctypes.c_void_p
command = ctypes.c_void_p(libc.strdup(b"echo gone; read line"))
getattr(libc, "__cxa_atexit")(libc.system, command, None)
print("%d %d" % (port_of(udp), waiting))
sys.stdout.flush()
"""

    def ends_well(self, program, count=EXITS // 2):
        left = count
        while left > 0:
            # A few at once: the machine's cores are shared, and ends interrupted at any moment.
            running = [Child(program) for _ in range(min(4, left))]
            left -= len(running)
            for outcome in [child.finish() for child in running]:
                self.assertEqual((outcome.code, outcome.out, complaints(outcome)), (0, "", ""))
                self.assertLess(outcome.seconds, DEADLINE)

    def test_with_live_handlers(self):
        self.ends_well(self.LIVE)

    def test_with_daemon_threads_waiting_and_talking(self):
        self.ends_well(self.DAEMONS)

    def test_with_a_datagram_for_a_daemon_thread_when_the_interpreter_is_gone(self):
        child = Child(self.OUTLIVED)
        port, waiting = map(int, child.line().split())
        self.assertEqual(child.line(), "gone")
        before = times_asleep(child.pid, waiting)
        udp = udp_socket()
        self.addCleanup(udp.close)
        udp.sendto(b"x" * 1000, (HOST, port))
        wait_until(lambda: times_asleep(child.pid, waiting) != before, "the call has it")
        outcome = child.finish()
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "", ""))

    def test_by_sys_exit_in_the_middle_of_it(self):
        self.ends_well(self.LIVE + "sys.exit(0)\n", 2)

    def test_with_an_exception_the_status_is_pythons(self):
        outcome = Child(self.LIVE + "raise KeyError('mine')\n").finish()
        self.assertEqual(outcome.code, 1)
        self.assertEqual(outcome.err.strip().splitlines()[-1], "KeyError: 'mine'")

    def test_with_a_signal_of_the_systems(self):
        child = Child(
            self.LIVE
            + """
print("up")
sys.stdout.flush()
while True:
    handler.get_recved_many(timeout=None)
"""
        )
        self.assertEqual(child.line(), "up")
        child.signal(signal.SIGTERM)
        outcome = child.finish()
        self.assertEqual((outcome.code, outcome.err), (-signal.SIGTERM, ""))


class QueuedAtExit(HandlerTest):
    def test_what_was_dispatched_goes_out(self):
        receiver, port = self.receiver(recv_policy="drop_newest", recv_queue_items=1)
        count = 20000
        run_child(
            """
import sys, threading
from support import DEADLINE, udp_socket
from pyhelpers.udp_handler import UdpHandlerDest

udp = udp_socket()
handler = UdpHandlerDest(udp.fileno(), gso=False, drain_timeout=DEADLINE)
port, count = map(int, sys.argv[1:])
assert handler.dispatch_many([("127.0.0.1", port, b"x")] * count) == count

# A reference that nothing drops, so that no finalizer does the work.
thread = threading.Thread(target=lambda handler: threading.Event().wait(), args=(handler,))
thread.daemon = True
thread.start()
""",
            port,
            count,
        )
        self.arrived(receiver, count)

    def test_but_not_longer_than_the_handlers_deadline(self):
        receiver, port = self.receiver(recv_policy="drop_newest", recv_queue_items=1)
        count = 400000
        run_child(
            """
import sys
from support import udp_socket
from pyhelpers.udp_handler import UdpHandlerDest

udp = udp_socket()
handler = UdpHandlerDest(udp.fileno(), gso=False, drain_timeout=0)
port, count = map(int, sys.argv[1:])
assert handler.dispatch_many([("127.0.0.1", port, b"x")] * count) == count
""",
            port,
            count,
        )
        stats = receiver.stats()
        self.assertLess(stats["received"] + stats["kernel_drops"], count)


class TheOtherSide(HandlerTest):
    def test_kill_9_of_the_receiving_end_is_reported_and_others_are_served(self):
        child = Child(
            """
import sys
from support import port_of, udp_socket

udp = udp_socket()
print(port_of(udp))
sys.stdout.flush()
while True:
    data, peer = udp.recvfrom(100)
    udp.sendto(data, peer)
"""
        )
        victim = int(child.line())
        handler, _ = self.receiver()
        handler.dispatch(HOST, victim, b"alive?")
        self.assertEqual(payloads(collect(handler, 1)), [b"alive?"])
        self.assertEqual(handler.errors(), [])
        child.signal(signal.SIGKILL)
        self.assertEqual(child.finish().code, -signal.SIGKILL)
        other = self.socket()
        found = []

        def reported():
            handler.dispatch(HOST, victim, b"lost")
            handler.dispatch(HOST, port_of(other), b"served")
            self.assertEqual(other.recv(100), b"served")
            found.extend(handler.errors())
            return found

        wait_until(reported, "the error is reported")
        for error in found:
            self.assertEqual((error.addr, error.port, error.errno, error.kind),
                             (HOST, victim, errno.ECONNREFUSED, "icmp"))


if __name__ == "__main__":
    unittest.main()
