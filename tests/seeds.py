"""The documents that the project began with: each code block runs, byte for byte, on pyhelpers.

Run with the package and eventlet importable (PYTHONPATH=bindings/python). The documents lie in
../shared/seeds beside the project; where they do not, all is skipped. Each block is written to a
file, run by `python -m pyhelpers.compat` and asked something by a live peer, or named below with
the reason why it is no program. Source for CPython 2.7 too.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import seeds_alone
from seeds_blocks import blocks

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, os.pardir, os.pardir, "shared", "seeds")

#: Seconds for what takes one, unless it hangs, and for all tests together.
DEADLINE, ALL_SECONDS = 20, 120

PY2 = sys.version_info[0] == 2

LISTING = "a list of an API in words"
PART = "a part of a class: the rest, and what comes before it, stands for itself as ..."

#: What is no program on any Python; each is refused by the compiler.
NO_PROGRAMS = {
    "49d236b6a4c8": PART,
    "8edc69ece74a": PART,
    "6ef237a7f482": PART,
    "0b2b314343cb": LISTING,
    "862734e32af0": LISTING,
    "9923f2555a8b": LISTING,
    "234c031f64be": LISTING,
    "900201b30f05": LISTING,
    "74fa5d0e44ca": LISTING,
    "aa6baaffe0ae": "a configuration, and below it in words what it means",
    "167db58fdd96": "a configuration, and below it in words what it means",
}

#: The same, but run by a test with what is said here.
COMPLETED = {
    "a889bd2aedeb": "the page has lost the indentation below `with`",
    "35a54c10fe95": "its last `else` has no body",
}

USAGE_001, CLASS_002, METHOD_002 = "a889bd2aedeb", "c99b8a67ddbe", "145275822eb1"
FOR_002, NEXT_002, WITH_002 = "1b7632263f87", "e306a58f14fe", "d666c693845d"
READER_003, WRITER_003 = "0033fecdaa60", "28424580e294"
BUFFERS_003 = "0de593f3bb79", "221f2762f7f3", "b616e1d232d2"
LIBVIRT_003, WATCH_003 = "83710b48e79a", "35a54c10fe95"
HANDLER_000, SERVER_004 = "6e5abe12f069", "3356f34fa24c"
IMPORTS_004 = (
    "c3be6992bccc",
    "5259235a1914",
    "2fa0616d7037",
    "de621cb00493",
    "2175f3df3064",
    "50662726b9fb",
    "d3077c1226a7",
)

#: What a test of this name runs.
RUN = IMPORTS_004 + BUFFERS_003 + (
    USAGE_001, CLASS_002, METHOD_002, FOR_002, NEXT_002, WITH_002, READER_003, WRITER_003,
    LIBVIRT_003, WATCH_003, HANDLER_000, SERVER_004,
)

PIPE = "/tmp/my_pipe.pipe"

now = getattr(time, "monotonic", time.time)

needs_ellipsis = unittest.skipIf(PY2, "`...` is a statement of Python 3 alone")

ALL = {}


def wait_until(condition, what):
    deadline = now() + DEADLINE
    while not condition():
        if now() > deadline:
            raise AssertionError("never came true: " + what)
        time.sleep(0.005)


class Program(object):
    """A block that runs; it is killed at the deadline."""

    def __init__(self, folder, text, bind=None, **environment):
        descriptor, path = tempfile.mkstemp(".py", "block", folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8"))
        how = [os.path.join(HERE, "seeds_bind.py"), bind] if bind else ["-m", "pyhelpers.compat"]
        self._errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-u"] + how + [path],
            env=dict(os.environ, **environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._watchdog = threading.Timer(DEADLINE, self.process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def line(self):
        return self.process.stdout.readline().decode().rstrip("\n")

    def is_running(self):
        return self.process.poll() is None

    def interrupt(self):
        """What ends a loop without an end: status, output and errors then."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def finish(self):
        """Waits for its end; status, output and errors."""
        out = self.process.communicate()[0].decode()
        self._errors.seek(0)
        return self.process.returncode, out, self._errors.read().decode()

    def close(self):
        """Leaves nothing, whatever has become of it."""
        if self.is_running():
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self._errors.close()
        self._watchdog.cancel()
        self._watchdog.join()


class SeedTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, digest, *args, **options):
        return self.start_text(ALL[digest].text, *args, **options)

    def start_text(self, *args, **options):
        made = Program(self.folder, *args, **options)
        self.addCleanup(made.close)
        return made

    def goes_well(self, *args, **options):
        """What a block writes that runs to its end."""
        status, out, errors = self.start(*args, **options).finish()
        self.assertEqual((status, errors), (0, ""))
        return out

    def needs_port(self, port, kind=socket.SOCK_DGRAM):
        """Skips, by name, where the port that the document has is somebody else's."""
        probe = socket.socket(socket.AF_INET, kind)
        try:
            probe.bind(("", port))
        except (socket.error, OSError):
            self.skipTest("port %d is taken, and no network of one's own is permitted here" % port)
        finally:
            probe.close()

    def interrupted(self, outcome):
        status, _, errors = outcome
        self.assertIn(status, (1, 130, -signal.SIGINT), errors)
        self.assertTrue(errors.rstrip().endswith("KeyboardInterrupt"), errors)


class Blocks(SeedTest):
    def test_each_block_is_run_or_named(self):
        named = set(NO_PROGRAMS) | set(RUN)
        for block in ALL.values():
            self.assertIn(block.digest, named, "new in %s: %.200r" % (block.document, block.text))
        self.assertEqual(named, set(ALL))

    def test_what_is_named_is_no_program(self):
        for digest in set(NO_PROGRAMS) | set(COMPLETED):
            with self.assertRaises(SyntaxError):
                compile(ALL[digest].text, digest, "exec")


class UdpHandler000(SeedTest):
    def test_requests_are_answered(self):
        probe = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        probe.bind(("::", 0))
        port = probe.getsockname()[1]
        probe.close()
        program = self.start(HANDLER_000, "udp_handler", PORT=str(port))
        for family, host in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
            peer = socket.socket(family, socket.SOCK_DGRAM)
            self.addCleanup(peer.close)
            peer.settimeout(0.05)
            for number in range(20):
                question = ("question %d" % number).encode()
                self.assertEqual(self.answer(peer, (host, port), question, program), question)
        self.assertTrue(program.is_running())
        # The end of its standard input.
        status, out, errors = program.finish()
        self.assertEqual((status, out), (0, ""), errors)
        self.assertNotIn("Traceback", errors)
        self.assertIn("closed", errors)

    def answer(self, peer, address, question, program):
        """Asks again until the server is there."""
        deadline = now() + DEADLINE
        while program.is_running() and now() < deadline:
            peer.sendto(question, address)
            try:
                answer = peer.recv(100)
                while answer != question:
                    answer = peer.recv(100)
                return answer
            except (socket.error, OSError):
                pass
        return program.finish()


class Peer001(SeedTest):
    def test_usage(self):
        self.needs_port(55000)
        text = re.sub(r"(with .*:\n)\n", r"\1    ", ALL[USAGE_001].text)
        program = self.start_text(text, "peer")
        with Talking(55000, "127.0.0.1"):
            status, out, errors = program.finish()
        self.assertEqual((status, errors), (0, ""))
        found = re.match(r"Peer received \d+\nPeerBig received \d+\n$", out)
        self.assertTrue(found, out)


class Talking(object):
    """A context within which numbered datagrams go to a port."""

    def __init__(self, port, host):
        self._address = host, port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._talk)

    def _talk(self):
        number = 0
        while not self._over.wait(0.005):
            try:
                self._socket.sendto(str(number).encode(), self._address)
                number += 1
            except (socket.error, OSError):
                pass  # Nobody listens yet.

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_exception):
        self._over.set()
        self._thread.join()
        self._socket.close()


def broadcasts_to(port):
    return Talking(port, "127.255.255.255")


class BroadCast002(SeedTest):
    def test_the_for_loop_ends_after_eleven(self):
        self.needs_port(5000)
        program = self.start(FOR_002)
        with broadcasts_to(5000):
            status, out, errors = program.finish()
        self.assertEqual((status, errors), (0, ""))
        lines = out.splitlines()
        self.assertEqual(len(lines), 11)
        for line in lines:
            self.assertTrue(re.search(r"Got packet from 127\.0\.0\.1: \d+.*\d", line), line)

    def test_next_ends_after_twenty(self):
        """It writes nothing; without the twenty it would wait its 10 s."""
        self.needs_port(5000)
        program = self.start(NEXT_002)
        began = now()
        with broadcasts_to(5000):
            self.assertEqual(program.finish(), (0, "", ""))
        self.assertLess(now() - began, 9)

    def test_without_broadcasts_it_ends_after_its_timeout(self):
        self.needs_port(5000)
        text = ALL[FOR_002].text.replace("timeout=10", "timeout=0.2")
        self.assertEqual(self.start_text(text).finish(), (0, "", ""))

    @needs_ellipsis
    def test_with(self):
        self.needs_port(2000)
        self.assertEqual(self.goes_well(WITH_002), "")

    def test_the_documents_own_class_and_method_go_before_ours(self):
        for digest in CLASS_002, METHOD_002:
            self.assertEqual(self.goes_well(digest), "")


class Utilities003(SeedTest):
    def test_named_pipe(self):
        if os.path.exists(PIPE):
            self.skipTest("%s is somebody else's" % PIPE)
        self.addCleanup(lambda: os.path.exists(PIPE) and os.unlink(PIPE))
        alone = self.start(WRITER_003)
        self.assertEqual(alone.finish(), (0, "", ""))
        reader = self.start(READER_003)
        wait_until(lambda: self.sent() and reader.is_running(), "the writer has a reader")
        self.assertEqual(reader.line(), "{'foo': 'bar'}")
        self.interrupted(reader.interrupt())

    def sent(self):
        return self.goes_well(WRITER_003) == "{'foo': 'bar'}\n"

    def test_receive_queue(self):
        text = "".join(ALL[digest].text for digest in BUFFERS_003)
        status, out, errors = self.start_text(text).finish()
        self.assertEqual((status, out, errors), (0, "('xyz', 'uvt')\n", ""))

    @needs_ellipsis
    def test_stopwatch(self):
        program = self.start_text(ALL[WATCH_003].text + "\t\tpass\n", "time_manager")
        self.assertEqual(program.finish(), (0, "3.00\n3.00\n", ""))


@needs_ellipsis
class Libvirt003(SeedTest):
    def test_a_host_that_cannot_be_reached_is_an_error_that_says_so(self):
        status, out, errors = self.start(LIBVIRT_003, "libvirt").finish()
        self.assertEqual((status, out), (1, ""))
        last = errors.splitlines()[-1]
        if "libvirt0" in last and os.environ.get("CI") != "true":
            self.skipTest("libvirt0 is not installed")
        kind = "ConnectionRefusedError" if seeds_alone.ALONE in os.environ else "gaierror"
        self.assertIn(kind, last)
        self.assertIn("host 'foo' (%s)" % seeds_alone.LIBVIRT_URI, last)

    def test_a_daemon_is_asked(self):
        reason = seeds_alone.why_no_daemon()
        if reason:
            self.skipTest(reason)
        daemon = seeds_alone.Daemon(self.folder, wait_until)
        self.addCleanup(daemon.close)
        self.assertEqual(self.goes_well(LIBVIRT_003, "libvirt"), "")
        # What the block has found it keeps to itself.
        text = ALL[LIBVIRT_003].text + "print(data)\n"
        status, out, errors = self.start_text(text, "libvirt").finish()
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("DomainInfo(state=5, max_memory=16384", out)


class Pyed004(SeedTest):
    @unittest.skipUnless(PY2, "its print is a statement of Python 2")
    def test_the_server_prints_what_it_receives(self):
        self.needs_port(8000, socket.SOCK_STREAM)
        server = self.start(SERVER_004)
        peers = []
        for text in b"hello", b"second":
            wait_until(lambda: self.connect(peers) or not server.is_running(), "it listens")
            peers[-1].sendall(text)
            frame = "#" * 32
            wanted = ["%s %d" % (frame, len(text)), text.decode(), frame]
            self.assertEqual([server.line() for _ in wanted], wanted)
        for peer in peers:
            peer.close()
            self.assertEqual(server.line(), "link broken")
        self.interrupted(server.interrupt())

    def connect(self, peers):
        try:
            peers.append(socket.create_connection(("127.0.0.1", 8000), DEADLINE))
        except (socket.error, OSError):
            return False
        return True

    def test_imports(self):
        for digest in IMPORTS_004:
            self.assertEqual(self.goes_well(digest), "")


def interrupt(*_signal):
    raise KeyboardInterrupt


def main():
    if not os.path.isdir(FOLDER):
        print("skipped: ../shared/seeds, with the documents, is not there")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    ALL.update((block.digest, block) for block in blocks(FOLDER))
    # A shell that runs us in the background has it ignored, and children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Whatever ends the run, what it began ends too.
    for number in signal.SIGTERM, signal.SIGALRM:
        signal.signal(number, interrupt)
    signal.alarm(ALL_SECONDS)
    folder = tempfile.mkdtemp()
    try:
        seeds_alone.go(folder)
        run = unittest.TestProgram(verbosity=2, exit=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if run.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
