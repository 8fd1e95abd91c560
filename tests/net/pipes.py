"""Named pipes between many processes, which are killed, and with a process of another Python.

Run with the package importable (PYTHONPATH=bindings/python). A test that needs another Python is
skipped where there is none, and says so; then it ends with status 3. Source for CPython 2.7 too.
"""

import errno
import fcntl
import glob
import os
import pickle
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import warnings

from pyhelpers.named_pipe_wrapper import MessageLost, MessageRejected, NamedPipeWrapper

HERE = os.path.dirname(os.path.abspath(__file__))

#: Exit status for "a tool I need is not here".
NOT_FOUND = 3

#: For what takes milliseconds unless it hangs, and for all tests together.
DEADLINE, ALL_SECONDS = 20, 120

KILLS = 1000

#: Bytes of the longest message, and what messages are cut from.
LONGEST = 10 << 20
PLENTY = os.urandom(1 << 16) * (LONGEST >> 16) * 2

#: Seconds that a process lives before it is killed, at most.
LIFE = 0.006

#: How a message of the crowd tells who it is: number of its writer, and its own.
LABEL = struct.Struct("<II")

#: What begins a frame: magic, flags, id and length of the message (pyhelpers.h, npipe_t).
HEAD = struct.Struct("<4sB3xQQ")
FIRST, LAST, GIVEN_UP = 1, 2, 4

O_DIRECT = 0o40000

NOBODY = 65534

PY2 = sys.version_info[0] == 2
OTHER = "python3.13" if PY2 else "python2.7"

now = getattr(time, "monotonic", time.time)


def other_python():
    """The path of the other Python; None when there is none."""
    folders = os.environ["PATH"].split(os.pathsep)
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    pattern = os.path.join(pyenv, "versions", OTHER[len("python") :] + ".*", "bin", "python")
    places = [os.path.join(folder, OTHER) for folder in folders] + sorted(glob.glob(pattern))
    ask = "import sys; sys.exit('python%d.%d' % sys.version_info[:2] != " + repr(OTHER) + ")"
    for path in places:
        # What is found on PATH may be a launcher without that version.
        with open(os.devnull, "w") as nowhere:
            if os.access(path, os.X_OK) and not subprocess.call([path, "-c", ask], stderr=nowhere):
                return path
    return None


OTHER_PATH = other_python()


def forked(function, *args):
    """A process that calls it; gives its id. It ends with status 0 when the call ends well."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(ALL_SECONDS)
        function(*args)
        status = 0
    except BaseException as error:
        sys.stderr.write("a process of %s: %r\n" % (function.__name__, error))
    finally:
        os._exit(status)


def killed(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def message(number):
    """The message with this number, which it begins with: of 8 bytes to 10 MB, most being short."""
    chance = random.Random(number)
    size = int(8 * (LONGEST / 8.0) ** chance.random() ** 1.5)
    start = chance.randrange(len(PLENTY) - size)
    return struct.pack("<Q", number) + PLENTY[start + 8 : start + size]


def short_message(number):
    """The same, but of 1 to 7 bytes, which say nothing, now and then."""
    return PLENTY[number : number + number % 7 + 1] if number % 4 == 0 else message(number)


class PipeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "pipe")
        self.children = []
        self.addCleanup(lambda: [killed(child) for child in self.children])

    def pipe(self, **options):
        made = NamedPipeWrapper(self.path, **options)
        self.addCleanup(made.close)
        return made

    def started(self, function, *args):
        child = forked(function, *args)
        self.children.append(child)
        return child

    def ends(self, child, status=0):
        """A process ends by itself."""
        deadline = now() + DEADLINE
        while True:
            found, how = os.waitpid(child, os.WNOHANG)
            if found:
                break
            self.assertLess(now(), deadline, "it does not end")
            time.sleep(0.001)
        self.children.remove(child)
        self.assertEqual(how, status)


def records(descriptor):
    """What processes told by writing 8 bytes each to a pipe that is not waited for."""
    told = b""
    while True:
        try:
            part = os.read(descriptor, 1 << 16)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            part = b""
        if not part:
            return [struct.unpack_from("<q", told, at)[0] for at in range(0, len(told), 8)]
        told += part


class Kills(PipeTest):
    """SIGKILL at any moment: each message is whole, comes once at most, and is missing only where
    its writer or its reader was killed with it."""

    def setUp(self):
        super(Kills, self).setUp()
        self.told, self._tell = os.pipe()
        fcntl.fcntl(self.told, fcntl.F_SETFL, os.O_NONBLOCK)
        self.addCleanup(os.close, self.told)
        self.addCleanup(os.close, self._tell)
        self.chance = random.Random(os.urandom(8))

    def tell(self, number):
        os.write(self._tell, struct.pack("<q", number))

    def life(self):
        return self.chance.random() * LIFE

    def write(self, first):
        """A writer, until it is killed. Tells what was sent."""
        with NamedPipeWrapper(self.path, serializer="raw") as pipe:
            number = first
            while pipe.send(short_message(number)):
                self.tell(number)
                number += 1

    def test_writers(self):
        reader = self.pipe(serializer="raw")
        reader.open_pipe("r")
        lost = 0
        for kill in range(KILLS):
            first = kill << 32
            child = forked(self.write, first)
            end = now() + self.life()
            got = 0
            while True:
                left = end - now()
                if left <= 0 and child:
                    killed(child)
                    child = None
                try:
                    # Without a writer there is what is in the pipe, and no more.
                    data = reader.receive(timeout=max(left, 0) if child else 0)
                except MessageLost:
                    # Its successor's messages may come first, where they are short.
                    lost += 1
                    self.assertLessEqual(lost, kill + (not child))
                except OSError as error:
                    self.assertIn(error.errno, (errno.EAGAIN, errno.ETIMEDOUT))
                    if not child:
                        break
                else:
                    self.assertTrue(data == short_message(first + got), (kill, got, len(data)))
                    got += 1
            # The last one may be whole though its writer was killed before it could tell.
            sent = records(self.told)
            self.assertEqual(sent, list(range(first, first + len(sent))))
            self.assertIn(got - len(sent), (0, 1))
        print("%d writers killed, %d messages reported lost" % (KILLS, lost))
        # Most are killed in the middle of a message, as the long ones take most of the time.
        self.assertGreater(lost, KILLS // 20)
        self.assertEqual(reader.stats()["rejected"], 0)

    def read(self):
        """A reader, until it is killed. Tells what it received, -1 for a loss."""
        with NamedPipeWrapper(self.path, serializer="raw") as pipe:
            while True:
                try:
                    data = pipe.receive()
                except MessageLost:
                    self.tell(-1)
                    continue
                # At once: a kill before it is known costs the message, too.
                (number,) = struct.unpack_from("<Q", data)
                self.tell(number)
                if data != message(number):
                    self.tell(-2)

    def write_all(self, ended):
        """A writer of all numbers, each until it is sent; gives how many, in ``ended``."""
        with NamedPipeWrapper(self.path, serializer="raw") as pipe:
            number = 0
            while not os.path.exists(ended):
                pipe.open_pipe("w")
                number += pipe.send(message(number))
            with open(ended, "w") as result:
                result.write(str(number))

    def test_readers(self):
        ended = os.path.join(self.folder, "ended")
        # There is one at any time, and mostly there are two.
        readers = [forked(self.read)]
        writer = self.started(self.write_all, ended)
        told = []
        for _ in range(KILLS):
            readers.append(forked(self.read))
            time.sleep(self.life())
            killed(readers.pop(0))
            told += records(self.told)
        open(ended, "w").close()
        self.ends(writer)
        with open(ended) as result:
            count = int(result.read())
        deadline = now() + DEADLINE
        while count - 1 not in told and now() < deadline:
            told += records(self.told)
            time.sleep(0.01)
        killed(readers.pop())
        told += records(self.told)
        got = [number for number in told if number >= 0]
        missing = set(range(count)) - set(got)
        lost = told.count(-1)
        print("%d readers killed, of %d messages %d missing, %d reported lost"
              % (KILLS, count, len(missing), lost))  # fmt: skip
        self.assertEqual(told.count(-2), 0, "not whole")
        self.assertEqual(len(set(got)), len(got), "more than once")
        self.assertLessEqual(len(missing), KILLS)
        self.assertLessEqual(lost, KILLS)
        self.assertGreater(lost, KILLS // 20)


def labelled(writer, number):
    return LABEL.pack(writer, number) + PLENTY[: (writer * 7919 + number * 104729) % 60000]


class Crowds(PipeTest):
    WRITERS, READERS, EACH = 6, 6, 3000

    def write(self, writer):
        with NamedPipeWrapper(self.path, serializer="raw") as pipe:
            for number in range(self.EACH):
                assert pipe.send(labelled(writer, number), timeout=DEADLINE)

    def read(self, count_path):
        """Receives up to an empty message, and leaves the labels of all before."""
        seen = []
        with NamedPipeWrapper(self.path, serializer="raw") as pipe:
            pipe.open_pipe("r")
            open(count_path, "w").close()
            for data in pipe:
                if not data:
                    break
                label = LABEL.unpack_from(data)
                assert data == labelled(*label)
                seen.append(label)
        with open(count_path, "wb") as result:
            pickle.dump(seen, result, 2)

    def check(self, writers, readers):
        results = [os.path.join(self.folder, "reader %d" % number) for number in range(readers)]
        reading = [self.started(self.read, path) for path in results]
        deadline = now() + DEADLINE
        while not all(map(os.path.exists, results)):
            self.assertLess(now(), deadline, "the readers do not come")
            time.sleep(0.001)
        for child in [self.started(self.write, number) for number in range(writers)]:
            self.ends(child)
        self.assertEqual(self.pipe(serializer="raw").send_many([b""] * readers), readers)
        for child in reading:
            self.ends(child)
        seen = []
        for path in results:
            with open(path, "rb") as result:
                seen.append(pickle.load(result))
        wanted = [(writer, number) for writer in range(writers) for number in range(self.EACH)]
        self.assertEqual(sorted(sum(seen, [])), wanted)
        for each in seen:
            # What one writer sent comes in its order.
            self.assertEqual(sorted(each), sorted(each, key=lambda label: label[0]))
        return seen

    def test_one_writer_and_many_readers(self):
        self.check(1, self.READERS)

    def test_many_writers_and_one_reader(self):
        self.check(self.WRITERS, 1)

    def test_many_of_both(self):
        self.check(self.WRITERS, self.READERS)


class Hostile(PipeTest):
    """Frames that no NamedPipeWrapper writes."""

    def setUp(self):
        super(Hostile, self).setUp()
        self.reader = self.pipe(serializer="raw", max_message=1 << 20)
        self.reader.open_pipe("r")
        self.writer = self.pipe(serializer="raw")
        # Packet mode (pipe(2)), as writers have it.
        self.raw = os.open(self.path, os.O_WRONLY)
        fcntl.fcntl(self.raw, fcntl.F_SETFL, os.O_NONBLOCK | O_DIRECT)
        self.addCleanup(os.close, self.raw)

    def survives(self, *packets):
        """After these packets a good message comes, and before it nothing but complaints."""
        for packet in packets:
            os.write(self.raw, packet)
        self.assertTrue(self.writer.send(b"good"))
        complaints = []
        while True:
            try:
                data = self.reader.receive(timeout=DEADLINE)
            except (MessageLost, MessageRejected) as error:
                complaints.append(error.errno)
                continue
            if data == b"good":
                return complaints
            complaints.append(data)

    def complaints_until_nothing_comes(self):
        complaints = []
        while True:
            try:
                self.reader.receive(timeout=0.3)
            except OSError as error:
                if error.errno == errno.ETIMEDOUT:
                    return complaints
                complaints.append(error.errno)

    def head(self, flags=FIRST | LAST, length=4, magic=b"npm1", key=1):
        return HEAD.pack(magic, flags, key, length)

    def test_what_a_good_frame_is(self):
        """Else the others would show nothing."""
        self.assertEqual(self.survives(self.head() + b"abcd"), [b"abcd"])
        long = PLENTY[:5000]
        head = self.head(FIRST, 5000), self.head(LAST, 5000)
        self.assertEqual(self.survives(head[0] + long[:4072], head[1] + long[4072:]), [long])

    def test_bad_frames(self):
        rejected = [errno.EBADMSG]
        for packet in (
            b"x",
            b"npm1",
            b"\0" * 4096,
            b"\xff" * 4096,
            self.head()[:-1],
            self.head(),
            self.head() + b"abc",
            self.head() + b"abcde",
            self.head(magic=b"npm2") + b"abcd",
            self.head(flags=0xFF) + b"abcd",
            self.head(flags=8 | FIRST | LAST) + b"abcd",
            self.head(length=1 << 63) + b"abcd",
            self.head(length=(1 << 64) - 1) + b"abcd",
            self.head(FIRST, 4) + b"abcd",
            self.head(FIRST, 5000) + b"abcd",
        ):
            self.assertEqual(self.survives(packet), rejected, packet[:30])

    def test_pieces_of_messages(self):
        begun = self.head(FIRST, 9000) + PLENTY[:4072]
        for packets in (
            [begun],
            [begun, self.head(0, 9000, key=2) + PLENTY[:4072]],
            [begun, self.head(LAST | GIVEN_UP, 9000)],
            [self.head(0, 9000) + PLENTY[:4072]],
            [self.head(LAST, 9000) + PLENTY[: 9000 - 2 * 4072]],
            [begun, begun],
            [begun, self.head(LAST, 8000) + PLENTY[: 8000 - 4072]],
        ):
            # A whole message passes by one that was begun, and whose loss shows when nothing comes.
            complaints = self.survives(*packets)
            complaints += self.complaints_until_nothing_comes()
            self.assertTrue(complaints, packets[0][:24])
            self.assertTrue(set(complaints) <= {errno.ECONNABORTED, errno.EBADMSG}, complaints)

    def test_a_length_is_not_believed(self):
        """Memory is taken for what has come, not for what is to come."""
        before = resident()
        giant = self.pipe(serializer="raw")
        giant.open_pipe("r")
        self.reader.close()
        self.reader = giant
        for length in (1 << 30) - 1, 1 << 30, 1 << 40:
            self.survives(self.head(FIRST, length) + PLENTY[:4072])
        self.assertLess(resident() - before, 64 << 20)

    def test_frames_with_errors(self):
        """Real frames in which bytes are changed, cut off, left out, or doubled."""
        chance = random.Random(5)
        frames = [self.head() + b"abcd", self.head(FIRST, 5000) + PLENTY[:4072]]
        frames += [self.head(LAST, 5000) + PLENTY[4072:5000]]
        for _ in range(1000):
            packets = []
            for _ in range(chance.randrange(1, 4)):
                packet = bytearray(chance.choice(frames))
                for _ in range(chance.randrange(3)):
                    packet[chance.randrange(min(len(packet), 26))] = chance.randrange(256)
                if chance.random() < 0.3:
                    packet = packet[: chance.randrange(1, len(packet))]
                packets.append(bytes(packet))
            self.survives(*packets)

    def test_junk_of_any_kind(self):
        chance = random.Random(6)
        for _ in range(300):
            size = chance.choice([1, 3, 24, 30, 4095, 4096, 5000])
            self.survives(bytes(bytearray(chance.randrange(256) for _ in range(size))))


def resident():
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Permissions(PipeTest):
    def refused_to(self, user):
        """What another user meets."""

        def code(call):
            try:
                call()
            except OSError as error:
                return error.errno

        closed = os.path.join(self.folder, "closed")
        os.mkdir(closed, 0o700)

        def checks():
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            assert code(lambda: NamedPipeWrapper(self.path)) == errno.EPERM
            theirs = NamedPipeWrapper(self.path, any_owner=True)
            for call in lambda: theirs.send(1), lambda: theirs.receive(timeout=0), theirs.fileno:
                assert code(call) == errno.EACCES
            assert code(lambda: NamedPipeWrapper(self.path + "2")) == errno.EACCES
            assert code(lambda: NamedPipeWrapper(os.path.join(closed, "pipe"))) == errno.EACCES

        return checks

    @unittest.skipIf(os.geteuid(), "only root can become another user")
    def test_of_another_user(self):
        os.chmod(self.folder, 0o755)
        ours = self.pipe()
        ours.open_pipe("r")
        self.ends(self.started(self.refused_to(NOBODY)))
        os.chmod(self.path, 0o666)

        def sends():
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with NamedPipeWrapper(self.path, any_owner=True) as theirs:
                assert theirs.send("from nobody")

        self.ends(self.started(sends))
        self.assertEqual(ours.receive(timeout=DEADLINE), "from nobody")

    @unittest.skipIf(os.geteuid(), "only root can give files away")
    def test_a_pipe_that_somebody_else_puts_there(self):
        ours = self.pipe()
        os.unlink(self.path)
        os.mkfifo(self.path)
        os.chown(self.path, NOBODY, NOBODY)
        for call in lambda: ours.send(1), lambda: ours.receive(timeout=0), ours.fileno:
            with self.assertRaises(OSError) as caught:
                call()
            self.assertEqual(caught.exception.errno, errno.EPERM)


class OtherPython(PipeTest):
    """The other end is a process of another version."""

    #: Sends back what comes; bytes, which have other names there, as bytearray.
    ECHO = """if True:
        import sys
        from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
        options = {}
        if sys.argv[3] == "restricted":
            options["unpickler"] = ()
        incoming = NamedPipeWrapper(sys.argv[1], **options)
        outgoing = NamedPipeWrapper(sys.argv[2])
        for obj in incoming:
            if obj == "end":
                break
            if isinstance(obj, bytes):
                obj = bytearray(obj)
            assert outgoing.send(obj)
    """

    OBJECTS = [
        None, True, 0, -1, 1 << 100, 1.5, 1 + 2j, u"", u"text \u20ac", (), (1, (2,)), [], [1, [2]],
        {}, {u"foo": u"bar", 1: {2: None}}, {1}, frozenset([2]), bytearray(b"\0\xff"), bytearray(),
        list(range(3000)), u"x" * (3 << 20), "ascii", {"foo": "bar"},
    ]  # fmt: skip

    @unittest.skipIf(OTHER_PATH is None, "not found: " + OTHER)
    def test_all_that_both_have(self):
        for unpickler in "any", "restricted":
            back = self.path + "back"
            receiver = NamedPipeWrapper(back)
            self.addCleanup(receiver.close)
            receiver.open_pipe("r")
            sender = self.pipe()
            package = os.path.dirname(os.path.dirname(sys.modules["pyhelpers"].__file__))
            environment = dict(os.environ, PYTHONPATH=package, PYHELPERS_BACKEND="ctypes")
            command = [OTHER_PATH, "-c", self.ECHO, self.path, back, unpickler]
            peer = subprocess.Popen(command, env=environment)
            try:
                sender.open_pipe("w")
                for obj in self.OBJECTS:
                    self.assertTrue(sender.send(obj))
                    self.assertTrue(receiver.receive(timeout=DEADLINE) == obj, repr(obj)[:50])
                for data in b"", b"\0\1\2", b"ascii", PLENTY[: 3 << 20]:
                    # Of Python 2, Python 3 can read what is ASCII, as text.
                    if PY2:
                        data = bytearray(data)
                    self.assertTrue(sender.send(data))
                    self.assertTrue(receiver.receive(timeout=DEADLINE) == data)
                self.assertTrue(sender.send("end"))
                self.assertEqual(peer.wait(), 0)
            finally:
                if peer.poll() is None:
                    peer.kill()
                    peer.wait()


def interrupt(*_signal):
    raise KeyboardInterrupt


def main():
    # Python warns of fork() in a process with threads; here there are none of Python's.
    warnings.simplefilter("ignore", DeprecationWarning)
    # Whatever ends the run, what it began ends too.
    for number in signal.SIGTERM, signal.SIGALRM:
        signal.signal(number, interrupt)
    signal.alarm(ALL_SECONDS)
    run = unittest.TestProgram(verbosity=2, exit=False)
    if not run.result.wasSuccessful():
        return 1
    if OTHER_PATH is None:
        print("not found: %s" % OTHER)
        return NOT_FOUND
    return 0


if __name__ == "__main__":
    sys.exit(main())
