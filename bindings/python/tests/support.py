"""What the tests have in common: sockets, waits with a deadline, counting, child processes.

Source for CPython 2.7 and 3.6 on, PyPy2 and PyPy3. No test sleeps for a time and hopes; it asks
again until something is so, or fails at the deadline.
"""

import contextlib
import ctypes
import errno
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from collections import namedtuple

from pyhelpers.udp_handler import UdpHandlerDest

#: Seconds after which something that should have happened never will.
DEADLINE = 15.0

PY2 = sys.version_info[0] == 2
PYPY = hasattr(sys, "pypy_version_info")

#: Seconds of a clock that is never set, where Python has one.
now = getattr(time, "monotonic", time.time)

_HERE = os.path.dirname(os.path.abspath(__file__))

# A shell that runs the tests in the background has them ignore it, and children would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(predicate, what, deadline=DEADLINE):
    """Asks ``predicate`` until its answer is true, and gives the answer; AssertionError, saying
    ``what`` was waited for, after ``deadline`` seconds."""
    end = now() + deadline
    while True:
        answer = predicate()
        if answer:
            return answer
        if now() > end:
            raise AssertionError("in %g seconds not: %s" % (deadline, what))
        time.sleep(0.001)


def udp_socket(host="127.0.0.1", reuse_port=False, v6_only=None, receive_buffer=None):
    """A UDP socket bound to a free port of ``host``, whose own calls wait until the deadline."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    if reuse_port:
        made.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_REUSEPORT", 15), 1)
    if v6_only is not None:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
    if receive_buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(DEADLINE)
    made.bind((host, 0))
    return made


def port_of(udp):
    return udp.getsockname()[1]


def has_ipv6():
    try:
        udp_socket("::1").close()
    except (socket.error, OSError):
        return False
    return True


needs_ipv6 = unittest.skipUnless(has_ipv6(), "IPv6 is not configured on the loopback interface")
needs_python3 = unittest.skipIf(PY2, "Python 2 does not have it")


class HandlerTest(unittest.TestCase):
    """A test whose sockets and handlers end with it."""

    def socket(self, *args, **options):
        made = udp_socket(*args, **options)
        self.addCleanup(made.close)
        return made

    def handler(self, udp=None, **options):
        """A handler on ``udp``, or on a socket of its own."""
        made = UdpHandlerDest((udp or self.socket()).fileno(), **options)
        self.addCleanup(made.shutdown)
        return made

    def receiver(self, udp=None, **options):
        """A handler that receives, and the port it does so on."""
        udp = udp or self.socket()
        return self.handler(udp, event_fd=None, **options), port_of(udp)

    def arrived(self, receiver, count):
        """Each of ``count`` was received, or dropped by the kernel, and no more were. What is in the
        socket already is counted once a reactor has taken it."""

        def accounted():
            stats = receiver.stats()
            return stats["received"] + stats["kernel_drops"]

        wait_until(lambda: accounted() >= count, "%d arrive" % count)
        self.assertEqual(accounted(), count)

    def event_fd(self):
        made = EventFd()
        self.addCleanup(made.close)
        return made

    def refused(self, kind, call, *args, **options):
        """The exception of this ``kind`` that the call must raise."""
        try:
            call(*args, **options)
        except kind as error:
            return error
        raise AssertionError("%s took %.200r %r" % (call.__name__, args, options))

    def fails_with(self, number, call, *args, **options):
        """The OSError with this errno that the call must raise."""
        error = self.refused(OSError, call, *args, **options)
        wanted, found = errno.errorcode[number], errno.errorcode.get(error.errno, error.errno)
        self.assertEqual(found, wanted, "%s: %s" % (call.__name__, error))
        return error


def collect(handler, count):
    """The next ``count`` datagrams that the handler receives; AssertionError when fewer come."""
    found = []
    end = now() + DEADLINE
    while len(found) < count and now() < end:
        found += handler.get_recved_many(count - len(found), timeout=0.1)
    if len(found) != count:
        raise AssertionError("%d datagrams came, not %d" % (len(found), count))
    return found


def payloads(datagrams):
    return [datagram[2] for datagram in datagrams]


def numbered(count, form="%d"):
    """Payloads that tell themselves apart."""
    return [(form % number).encode() for number in range(count)]


class EventFd(object):
    """eventfd(2), which Python itself has from 3.10 on."""

    _libc = ctypes.CDLL(None, use_errno=True)
    _NONBLOCK = os.O_NONBLOCK

    def __init__(self):
        self._fd = self._libc.eventfd(0, self._NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "eventfd")

    def fileno(self):
        return self._fd

    def receive(self):
        """What was added since the last call; 0 when nothing was."""
        raw = ctypes.create_string_buffer(8)
        size = self._libc.read(self._fd, raw, ctypes.c_size_t(8))
        return ctypes.c_uint64.from_buffer(raw).value if size == 8 else 0

    def close(self):
        os.close(self._fd)


def threads():
    """Native thread ids of this process."""
    return set(map(int, os.listdir("/proc/self/task")))


def descriptors():
    """Open descriptors of this process and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass  # The one that listed the others.
    return found


def unused_descriptors(count):
    """The numbers that the next descriptors will have."""
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(count)]
    for number in opened:
        os.close(number)
    return opened


def resident():
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_asleep(pid, thread=None):
    """Whether a thread, by default the first one of the process, is waiting for something."""
    with open("/proc/%d/task/%d/stat" % (pid, thread or pid)) as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def times_asleep(pid, thread):
    """How often a thread has gone to sleep; None when it is gone."""
    try:
        with open("/proc/%d/task/%d/status" % (pid, thread)) as status:
            return status.read().partition("\nvoluntary_ctxt_switches:")[2].split()[0]
    except (EnvironmentError, IndexError):
        return None


def with_one_backend():
    """For the setUpModule() of tests in which nothing knows the backend."""
    if os.environ.get("PYHELPERS_BACKEND") == "ctypes":
        raise unittest.SkipTest("nothing in it knows the backend; it is run with cffi")


def collect_garbage():
    # PyPy runs finalizers after a collection, and what they free goes with the next.
    for _ in range(3):
        gc.collect()


@contextlib.contextmanager
def leaves_nothing():
    """Checks that the process has no thread and no descriptor afterwards that it had not before."""
    collect_garbage()
    before = threads(), descriptors()
    yield
    # A joined thread is still listed for a moment, until the kernel has put it away.
    wait_until(lambda: threads() <= before[0], "the threads are gone")
    after = descriptors()
    if after != before[1]:
        raise AssertionError("descriptors before: %r, after: %r" % (before[1], after))


Outcome = namedtuple("Outcome", "code out err seconds")


class Child(object):
    """A Python program in a process of its own, killed if it does not end by the deadline."""

    def __init__(self, program, *args, **environment):
        path = os.pathsep.join([_HERE, os.environ.get("PYTHONPATH", "")])
        self._started = now()
        self._process = subprocess.Popen(
            [sys.executable, "-c", program] + list(map(str, args)),
            bufsize=0,
            env=dict(os.environ, PYTHONPATH=path, **environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.pid = self._process.pid
        self._watchdog = threading.Timer(2 * DEADLINE, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def line(self):
        """The next line that it writes, without its end; empty when there is none any more."""
        return self._process.stdout.readline().decode().rstrip("\n")

    def say(self, line):
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def signal(self, number):
        os.kill(self.pid, number)

    def finish(self):
        """Waits for its end, and gives status, outputs and duration."""
        out, err = self._process.communicate()
        self._watchdog.cancel()
        seconds = now() - self._started
        return Outcome(self._process.returncode, out.decode(), err.decode(), seconds)


def run_child(program, *args, **environment):
    """Runs a program to its end and gives what it wrote; AssertionError unless it went well and
    wrote nothing to standard error."""
    outcome = Child(program, *args, **environment).finish()
    if outcome.code != 0 or outcome.err:
        raise AssertionError("status %d after %.1f s:\n%s%s" % (
            outcome.code, outcome.seconds, outcome.out, outcome.err))
    return outcome.out
