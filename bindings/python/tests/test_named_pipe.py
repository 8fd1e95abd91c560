"""The named pipe: the seed's programs, objects of any kind, waiting, faults, bare pickles."""

import collections
import datetime
import errno
import os
import pickle
import select
import shutil
import signal
import stat
import tempfile
import threading
import unittest

try:
    import copyreg
except ImportError:
    import copy_reg as copyreg

from looping import in_a_child
from support import (
    Child,
    DEADLINE,
    HandlerTest,
    PY2,
    collect_garbage,
    descriptors,
    is_asleep,
    leaves_nothing,
    now,
    run_child,
    wait_until,
)

from pyhelpers import EventLoop
from pyhelpers import _pipe_rooms, named_pipe_wrapper
from pyhelpers.named_pipe_wrapper import MessageLost, MessageRejected, NamedPipeWrapper

#: More than a pipe ever holds.
PLENTY = 3 << 20

NOBODY = 65534

needs_root = unittest.skipIf(os.geteuid(), "only root can give files away")


class PipeTest(HandlerTest):
    """A test whose pipes end with it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "pipe")

    def pipe(self, **options):
        made = NamedPipeWrapper(self.path, **options)
        self.addCleanup(made.close)
        return made

    def receiver(self, **options):
        made = self.pipe(**options)
        made.open_pipe("r")
        return made

    def pair(self, **options):
        """One for sending, and one for receiving, which has opened the pipe."""
        return self.pipe(**options), self.receiver(**options)

    def nothing_comes(self, receiver):
        self.fails_with(errno.EAGAIN, receiver.receive, timeout=0)

    def in_thread(self, call, *args, **options):
        """Calls it in a thread that must have ended when the test does; gives its outcome, a list
        of one."""
        outcome = []

        def run():
            try:
                outcome.append(call(*args, **options))
            except Exception as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.daemon = True
        thread.start()

        def joined():
            thread.join(DEADLINE)
            self.assertTrue(outcome, "the thread has not ended")

        # Run before the pipes are closed.
        self.addCleanup(joined)
        return outcome

    def outcome_of(self, outcome):
        wait_until(lambda: outcome, "the thread ends")
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def filled(self, sender, size=1000):
        """Sends until the pipe is full; gives how many messages that took."""
        for count in range(PLENTY):
            try:
                self.assertTrue(sender.send(b"%06d" % count + b"x" * size, timeout=0))
            except OSError as error:
                self.assertEqual(error.errno, errno.EAGAIN)
                return count
        raise AssertionError("it is never full")


class Seed(PipeTest):
    READER = """if True:
        from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
        # reader process that continuously reads from PIPE
        pipe = NamedPipeWrapper('/tmp/my_pipe.pipe')
        while (True):
            data = pipe.receive()
            print(data)  # data successfully received!
    """

    WRITER = """if True:
        from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
        # reader process that continuously reads from PIPE
        pipe = NamedPipeWrapper('/tmp/my_pipe.pipe')
        data = {'foo': 'bar'}
        if pipe.send(data):
            print(data)  # data successfully sent!
        else:
            pass  # no readers available
    """

    def program(self, text):
        return text.replace("/tmp/my_pipe.pipe", self.path)

    def test_its_programs(self):
        self.assertEqual(run_child(self.program(self.WRITER)), "")
        reader = Child(self.program(self.READER), PYTHONUNBUFFERED="1")
        try:
            self.pipe().open_pipe("w")
            for _ in range(2):
                self.assertEqual(run_child(self.program(self.WRITER)), "{'foo': 'bar'}\n")
                self.assertEqual(reader.line(), "{'foo': 'bar'}")
        finally:
            reader.signal(signal.SIGKILL)
            reader.finish()

    def test_send_is_false_at_once_without_a_reader(self):
        sender = self.pipe()
        for obj in 1, b"x" * PLENTY:
            self.assertIs(sender.send(obj), False)
            self.assertIs(sender.send(obj, timeout=DEADLINE), False)

    def test_send_is_true_with_a_reader_and_false_when_it_is_gone(self):
        sender, receiver = self.pair()
        self.assertIs(sender.send(1), True)
        self.assertEqual(receiver.receive(), 1)
        receiver.close()
        self.assertIs(sender.send(2), False)

    def test_receive_goes_on_however_many_writers_come_and_go(self):
        receiver = self.receiver()
        for number in range(20):
            outcome = self.in_thread(receiver.receive)
            with NamedPipeWrapper(self.path) as sender:
                self.assertTrue(sender.send(number))
            self.assertEqual(self.outcome_of(outcome), number)

    def test_the_names_of_the_original(self):
        pipe = self.pipe()
        self.assertEqual(pipe.pipe_path, self.path)
        pipe._open_pipe("r")
        self.assertTrue(self.pipe().send(1))
        pipe._close_pipe()
        self.assertFalse(self.pipe().send(2))


class Plain(object):
    """What only a pickle can carry."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return type(other) is Plain and other.value == self.value

    __hash__ = None


class Unwritable(object):
    """Cannot be pickled, by PyPy either, which can pickle functions."""

    def __reduce__(self):
        raise TypeError("it cannot be pickled")


class Unreadable(object):
    """Can be pickled, and not be unpickled."""

    def __reduce__(self):
        return int, ("no number",)


class Hostile(object):
    """Does something when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (self._path,)


#: Containers and scalars of both Pythons.
BUILT_IN = [
    None, True, 0, -1, 1 << 100, 1.5, 1 + 2j, b"", b"ascii", u"", u"text \u20ac",
    (), (1, (2,)), [], [1, [2]],
    {}, {"foo": "bar", 1: {2: None}}, set([1]), frozenset([2]), bytearray(b"\0\xff"), bytearray(),
    list(range(3000)),
]  # fmt: skip


class Objects(PipeTest):
    def through(self, obj, **options):
        """What becomes of an object that is sent."""
        sender, receiver = self.pair(**options)
        sent = self.in_thread(sender.send, obj)
        got = receiver.receive()
        self.assertIs(self.outcome_of(sent), True)
        return got

    def check(self, objs, **options):
        sender, receiver = self.pair(**options)
        for obj in objs:
            self.assertTrue(sender.send(obj))
            got = receiver.receive()
            self.assertEqual(got, obj)
            self.assertIs(type(got), type(obj))
        self.nothing_comes(receiver)

    def test_anything_that_can_be_pickled(self):
        self.check(BUILT_IN + [Plain(1), datetime.date(2000, 1, 1), b"\0\xff" if not PY2 else b"b"])

    def test_any_size(self):
        sizes = [0, 1, 2047, 2048, 2049, 4071, 4072, 4073, 8144, 8145, 65535, 65536, 65537, PLENTY]
        sender, receiver = self.pair(serializer="raw")
        for size in sizes:
            data = os.urandom(size)
            sent = self.in_thread(sender.send, data)
            self.assertTrue(receiver.receive() == data, size)
            self.assertIs(self.outcome_of(sent), True)

    def test_a_large_object_of_any_serializer(self):
        for serializer in "pickle", "json":
            obj = [u"x" * PLENTY, list(range(1000))]
            self.assertTrue(self.through(obj, serializer=serializer) == obj)
        for obj in b"y" * PLENTY, bytearray(b"\xff") * PLENTY:
            self.assertTrue(self.through(obj) == obj)

    def test_json(self):
        self.check([None, 1, 1.5, u"\u20ac", [1, [u"x"]], {u"a": {u"b": []}}], serializer="json")
        self.assertEqual(self.through((1, "x"), serializer="json"), [1, "x"])
        self.refused(TypeError, self.pipe(serializer="json").send, set([1]))

    def test_raw_is_bytes_alone(self):
        self.check([b"", b"\0\xff", b"x" * 5000], serializer="raw")
        for obj in u"text", bytearray(b"x"), memoryview(b"x"), None, 1, [b"x"]:
            self.refused(TypeError, self.pipe(serializer="raw").send, obj)

    def test_a_pair_of_functions(self):
        functions = lambda obj: ("<%d>" % obj).encode(), lambda data: int(data[1:-1])
        self.check([1, 234], serializer=functions)
        self.assertTrue(issubclass(bytes, type(self.through(b"x", serializer=(bytes, bytes)))))
        not_bytes = self.pipe(serializer=(lambda obj: u"text", None.__class__))
        self.refused(TypeError, not_bytes.send, 1)

    def test_another_serializer_is_refused(self):
        with leaves_nothing():
            for wrong in "", "marshal", None, 1, (), (len,), (len, 1), ("a", "b"), (len, len, len):
                self.refused(ValueError, NamedPipeWrapper, self.path, serializer=wrong)
            for other in "json", "raw", (len, len):
                options = dict(serializer=other)
                self.refused(ValueError, NamedPipeWrapper, self.path, framed=False, **options)
                self.refused(ValueError, NamedPipeWrapper, self.path, unpickler=(), **options)
        self.assertFalse(os.path.exists(self.path))

    def test_what_cannot_be_pickled_raises_before_anything_is_sent(self):
        sender, receiver = self.pair()
        for obj in Unwritable(), [1, {2: Unwritable()}]:
            self.refused(TypeError, sender.send, obj)
            self.refused(TypeError, sender.send_many, [1, 2, obj])
        self.nothing_comes(receiver)
        self.assertEqual(sender.stats()["sent"], 0)

    def test_what_cannot_be_unpickled_costs_that_message_alone(self):
        sender, receiver = self.pair()
        plain = self.pipe(serializer="raw")
        for number in range(3):
            self.assertTrue(sender.send(Unreadable()))
            for data in b"", b"junk", pickle.dumps([1, 2], 2)[:-1]:
                self.assertTrue(plain.send(data))
            self.assertTrue(sender.send(number))
        for number in range(3):
            self.refused(ValueError, receiver.receive)
            for _ in range(3):
                self.refused(Exception, receiver.receive)
            self.assertEqual(receiver.receive(), number)
        self.nothing_comes(receiver)

    def test_each_python_reads_what_the_others_pickle(self):
        pickled = [
            # Of Python 3: bytes alone, which have a form of their own, text, bytes among others.
            (b"\x80\x03B\x03\0\0\0a\0\xff.", b"a\0\xff"),
            (b"\x80\x02X\x03\0\0\0\xe2\x82\xacq\0.", u"\u20ac"),
            (b"\x80\x02]q\0c_codecs\nencode\nq\1X\3\0\0\0a\xc3\xbfq\2X\6\0\0\0latin1"
             b"q\3\x86q\4Rq\5a.", [b"a\xff"]),
            # Of Python 2: str, unicode, long, set.
            (b"\x80\x02U\x03fooq\1.", "foo"),
            (b"\x80\x02X\x02\0\0\0\xc3\xa4q\1.", u"\xe4"),
            (b"\x80\x02\x8a\t\0\0\0\0\0\0\0\0\1.", 1 << 64),
            (b"\x80\x02c__builtin__\nset\nq\1]q\2K\1a\x85Rq\3.", set([1])),
        ]  # fmt: skip
        plain = self.pipe(serializer="raw")
        for receiver in self.receiver(), self.receiver(unpickler=()):
            for data, obj in pickled:
                self.assertTrue(plain.send(data))
                self.assertEqual(receiver.receive(), obj)
            for cut in b"\x80\x03B\x03\0\0\0a\0.", b"\x80\x03B\x03\0":
                self.assertTrue(plain.send(cut))
                self.refused(Exception, receiver.receive)
            receiver.close()

    def test_a_message_over_the_limit_is_not_sent(self):
        sender, receiver = self.pair(serializer="raw", max_message=5000)
        self.assertTrue(sender.send(b"x" * 5000))
        self.fails_with(errno.EMSGSIZE, sender.send, b"x" * 5001)
        self.assertEqual(len(receiver.receive()), 5000)
        self.nothing_comes(receiver)

    def test_a_limit_that_is_none_is_refused(self):
        for limit in 0, -1, 1 << 64:
            self.refused(ValueError, self.pipe, max_message=limit)
        for limit in None, 1.5, "1":
            self.refused(TypeError, self.pipe, max_message=limit)


#: An extension code for private use.
CODE = 250


class AllowList(PipeTest):
    def refuses(self, receiver, data):
        self.assertTrue(self.pipe(serializer="raw").send(data))
        return self.refused(pickle.UnpicklingError, receiver.receive)

    def test_none_but_built_in_containers_and_scalars(self):
        sender, receiver = self.pair(unpickler=())
        for obj in BUILT_IN:
            self.assertTrue(sender.send(obj))
            self.assertEqual(receiver.receive(), obj)
        made = os.path.join(self.folder, "made")
        for obj in Hostile(made), [Hostile(made)], Plain(1), datetime.date.today(), os.mkdir, Plain:
            self.assertTrue(sender.send(obj))
            error = self.refused(pickle.UnpicklingError, receiver.receive)
            self.assertIn("not allowed", str(error))
        self.assertFalse(os.path.exists(made))
        # The sender's own list counts for what it receives.
        self.assertTrue(sender.send("still works"))
        self.assertEqual(receiver.receive(), "still works")

    def test_without_it_a_pickle_can_do_anything(self):
        sender, receiver = self.pair()
        made = os.path.join(self.folder, "made")
        self.assertTrue(sender.send(Hostile(made)))
        self.assertIsNone(receiver.receive())
        self.assertTrue(os.path.exists(made))

    def test_names_and_classes(self):
        allowed = ["datetime.date", u"datetime.timedelta", Plain, collections.OrderedDict]
        sender, receiver = self.pair(unpickler=allowed)
        ordered = collections.OrderedDict([("a", Plain(1))])
        for obj in datetime.date(2000, 1, 2), datetime.timedelta(3), Plain([1]), ordered:
            self.assertTrue(sender.send(obj))
            self.assertEqual(receiver.receive(), obj)
        for obj in datetime.datetime(2000, 1, 2), collections.deque():
            self.assertTrue(sender.send(obj))
            self.refused(pickle.UnpicklingError, receiver.receive)

    def test_hostile_pickles(self):
        receiver = self.receiver(unpickler=["os.path.join"])
        for data in (
            b"cos\nsystem\n(S'exit'\ntR.",
            b"(S'exit'\nios\nsystem\n.",
            b"c__builtin__\neval\n(S'1'\ntR.",
            b"cbuiltins\neval\n(S'1'\ntR.",
            b"c__builtin__\ngetattr\n.",
            b"ccopy_reg\n_reconstructor\n.",
            b"cos\npath.join\n.",
            b"c__builtin__\nbytearray\n(I99999999999\ntR.",
            b"c_codecs\nencode\n(S'x'\nS'zlib'\ntR.",
            b"c__builtin__\nbytearray\n(Vx\nS'idna'\ntR.",
            b"c__builtin__\nbytearray\n(c__builtin__\nset\ntR.",
        ):
            self.refuses(receiver, data)

    def test_an_extension_code_is_no_way_around_the_list(self):
        copyreg.add_extension("os", "getpid", CODE)
        self.addCleanup(copyreg.remove_extension, "os", "getpid", CODE)
        data = b"\x80\x02\x82" + bytes(bytearray([CODE])) + b")R."
        # From now on it is in a cache.
        self.assertEqual(pickle.loads(data), os.getpid())
        receiver = self.receiver(unpickler=())
        self.refuses(receiver, data)
        self.refuses(receiver, data.replace(bytes(bytearray([CODE])), b"\xfe"))
        self.pipe().send([b"bytes", u"text", 1])
        self.assertEqual(receiver.receive(), [b"bytes", u"text", 1])
        allowing = self.pipe(unpickler=["os.getpid"])
        receiver.close()
        allowing.open_pipe("r")
        self.pipe(serializer="raw").send(data)
        self.assertEqual(allowing.receive(), os.getpid())

    def test_attributes_that_a_pickle_sets_end_with_it(self):
        receiver, raw = self.receiver(unpickler=()), self.pipe(serializer="raw")
        for name in b"_codecs\nencode", b"__builtin__\nbytearray", b"__builtin__\nbytes":
            self.assertTrue(raw.send(b"\x80\x02c" + name + b"\n}U\x04keptU\x01xsb."))
            try:
                self.assertEqual(receiver.receive().kept, "x")
            except ValueError:
                # Functions of PyPy2 refuse it.
                pass
            self.assertTrue(raw.send(b"\x80\x02c" + name + b"\n."))
            self.assertFalse(hasattr(receiver.receive(), "kept"))

    def test_a_refused_module_is_not_imported(self):
        self.refuses(self.receiver(unpickler=()), b"cno_such_module_anywhere\nname\n.")

    def test_another_list_is_refused(self):
        for wrong in "datetime.date", b"os", [1], [None], [object()], 5, [("os", "mkdir")]:
            self.refused(TypeError, self.pipe, unpickler=wrong)
        for wrong in [""], ["date"], [".date"], ["datetime."]:
            self.refused(ValueError, self.pipe, unpickler=wrong)


class Many(PipeTest):
    def test_send_many(self):
        sender, receiver = self.pair()
        objs = [0, "text", b"x" * 100000, [1] * 1000] + list(range(3000)) + [b"y" * PLENTY, None]
        sent = self.in_thread(sender.send_many, iter(objs))
        for obj in objs:
            self.assertTrue(receiver.receive() == obj)
        self.assertEqual(self.outcome_of(sent), len(objs))
        self.nothing_comes(receiver)

    def test_nothing(self):
        sender, receiver = self.pair()
        self.assertEqual(sender.send_many([]), 0)
        self.nothing_comes(receiver)

    def test_without_a_reader(self):
        self.assertEqual(self.pipe().send_many([1, 2]), 0)

    def test_what_has_no_room_in_time_is_not_sent(self):
        sender, receiver = self.pair(serializer="raw")
        datas = [b"%05d" % number + b"x" * 1000 for number in range(5000)]
        count = sender.send_many(datas, timeout=0)
        self.assertTrue(0 < count < len(datas), count)
        self.fails_with(errno.EAGAIN, sender.send_many, datas[count:], timeout=0)
        self.fails_with(errno.ETIMEDOUT, sender.send_many, datas[count:], timeout=0.01)
        self.assertEqual([receiver.receive() for _ in range(count)], datas[:count])
        self.nothing_comes(receiver)

    def test_one_that_another_thread_takes_while_room_is_made_for_it(self):
        sender, receiver = self.pair(serializer="raw")
        taken, grown = [], _pipe_rooms.Inbox.grown

        def late(inbox, pipe):
            if not taken:
                taken.append(None)
                taken[0] = receiver.receive(timeout=0)
            return grown(inbox, pipe)

        self.addCleanup(setattr, _pipe_rooms.Inbox, "grown", grown)
        _pipe_rooms.Inbox.grown = late
        sent = self.in_thread(sender.send_many, [b"x" * PLENTY, b"", b"next"])
        self.assertEqual([receiver.receive(timeout=DEADLINE) for _ in range(2)], [b"", b"next"])
        self.assertEqual((taken, self.outcome_of(sent)), ([b"x" * PLENTY], 3))

    def test_threads_of_one_object(self):
        """Each message of 4 senders reaches one of 4 receivers, whole."""
        sender, receiver = self.pair()
        count, ends = 400, [None] * 4

        def send(number):
            for at in range(count):
                # Some are longer than a packet.
                assert sender.send((number, at, b"x" * (at * 97 % 20000)))

        def receive():
            return list(iter(receiver.receive, None))

        receiving = [self.in_thread(receive) for _ in ends]
        for each in [self.in_thread(send, number) for number in range(4)]:
            self.outcome_of(each)
        self.assertEqual(sender.send_many(ends), len(ends))
        got = [message for each in receiving for message in self.outcome_of(each)]
        whole = [(n, at, b"x" * (at * 97 % 20000)) for n in range(4) for at in range(count)]
        self.assertTrue(sorted(got) == whole)


class Waiting(PipeTest):
    def test_a_receive_ends_in_time(self):
        receiver = self.pipe()
        started = now()
        error = self.fails_with(errno.ETIMEDOUT, receiver.receive, timeout=0.15)
        self.assertGreaterEqual(now() - started, 0.15)
        if not PY2:
            self.assertIsInstance(error, TimeoutError)
            error = self.fails_with(errno.EAGAIN, receiver.receive, 0)
            self.assertIsInstance(error, BlockingIOError)
        self.nothing_comes(receiver)

    def test_a_full_pipe_is_waited_for(self):
        sender, receiver = self.pair()
        count = self.filled(sender)
        started = now()
        error = self.fails_with(errno.ETIMEDOUT, sender.send, "late", timeout=0.15)
        self.assertGreaterEqual(now() - started, 0.15)
        if not PY2:
            self.assertIsInstance(error, TimeoutError)
        self.fails_with(errno.EAGAIN, sender.send, "late", timeout=0)
        for timeout in None, DEADLINE:
            sent = self.in_thread(sender.send, timeout, timeout=timeout)
            for _ in range(count // 2):
                self.assertEqual(len(receiver.receive(timeout=DEADLINE)), 1006)
            self.assertIs(self.outcome_of(sent), True)
        for _ in range(count - count // 2 * 2):
            receiver.receive(timeout=0)
        self.assertEqual([receiver.receive(timeout=0) for _ in range(2)], [None, DEADLINE])
        self.nothing_comes(receiver)

    def test_a_time_that_is_none_is_refused(self):
        sender, receiver = self.pair()
        self.assertTrue(sender.send(1))
        for timeout in -1, -0.001, float("nan"):
            self.refused(ValueError, receiver.receive, timeout=timeout)
            self.refused(ValueError, sender.send, 2, timeout=timeout)
            self.refused(ValueError, sender.send_many, [2], timeout=timeout)
        self.refused(TypeError, receiver.receive, timeout="1")
        self.assertEqual(receiver.receive(), 1)
        self.nothing_comes(receiver)

    def test_its_descriptor_is_readable_while_there_are_messages(self):
        receiver = self.pipe()
        reading = [receiver.fileno()]
        self.assertEqual(select.select(reading, [], [], 0)[0], [])
        sender = self.pipe()
        self.assertTrue(sender.send(1) and sender.send(2))
        for number in 1, 2:
            self.assertEqual(select.select(reading, [], [], DEADLINE)[0], reading)
            self.assertEqual(receiver.receive(timeout=0), number)
        self.assertEqual(select.select(reading, [], [], 0)[0], [])

    def test_in_an_event_loop(self):
        sender, receiver = self.pair()
        got = []
        with EventLoop() as loop:

            def read():
                got.append(receiver.receive())
                if len(got) == 3:
                    loop.stop()

            loop.add_reader(receiver, read)
            loop.call_soon(sender.send_many, [1, 2])
            loop.call_later(0.01, sender.send, 3)
            loop.call_later(DEADLINE, loop.stop)
            loop.run()
        self.assertEqual(got, [1, 2, 3])

    INTERRUPTED = """if True:
        import sys
        from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
        pipe = NamedPipeWrapper(sys.argv[1], serializer="raw")
        other = NamedPipeWrapper(sys.argv[1], serializer="raw")
        def full(size):
            pipe.open_pipe("r")
            while True:
                other.send(b"x" * size)
        calls = {
            "receive": lambda: pipe.receive(),
            "in time": lambda: pipe.receive(timeout=1000),
            "iterate": lambda: next(pipe),
            "send": lambda: full(1000),
            "long": lambda: full(3 << 20),
            "open": lambda: pipe.open_pipe("w"),
        }
        try:
            print("ready")
            sys.stdout.flush()
            calls[sys.argv[2]]()
        except KeyboardInterrupt:
            print("interrupted")
    """

    def test_it_can_be_interrupted(self):
        for call in "receive", "in time", "iterate", "send", "long", "open":
            child = Child(self.INTERRUPTED, self.path, call)
            self.assertEqual(child.line(), "ready")
            asleep_for_a_while(child.pid)
            child.signal(signal.SIGINT)
            outcome = child.finish()
            self.assertEqual((call, outcome.code, outcome.err), (call, 0, ""))
            self.assertEqual(outcome.out, "interrupted\n")
            self.assertLess(outcome.seconds, DEADLINE)

    def test_a_signal_that_is_handled_does_not_end_a_wait(self):
        receiver = self.receiver()
        seen = []
        before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        sent = self.in_thread(self.sends_after, lambda: len(seen) > 5)
        self.assertEqual(receiver.receive(), "sent")
        self.assertTrue(self.outcome_of(sent))

    def sends_after(self, condition):
        wait_until(condition, "signals come")
        return self.pipe().send("sent")


def asleep_for_a_while(pid):
    """Waits until a process does nothing but wait."""
    since = [now()]

    def is_still():
        if not is_asleep(pid):
            since[0] = now()
        return now() - since[0] > 0.15

    wait_until(is_still, "it waits")


class Life(PipeTest):
    def test_what_it_makes(self):
        old = os.umask(0)
        try:
            self.pipe()
        finally:
            os.umask(old)
        mode = os.stat(self.path).st_mode
        self.assertTrue(stat.S_ISFIFO(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_where_it_cannot_be(self):
        file = os.path.join(self.folder, "file")
        with open(file, "wb"):
            pass
        with leaves_nothing():
            for number, path in (
                (errno.EEXIST, file),
                (errno.EEXIST, self.folder),
                (errno.ENOENT, os.path.join(self.folder, "none", "pipe")),
                (errno.ENOTDIR, os.path.join(file, "pipe")),
                (errno.ENAMETOOLONG, os.path.join(self.folder, "x" * 300)),
                (errno.ENOENT, ""),
            ):
                error = self.fails_with(number, NamedPipeWrapper, path)
                self.assertEqual(error.filename, path)
            self.refused(ValueError, NamedPipeWrapper, self.path + "\0")
            for path in None, 1, [self.path]:
                self.refused(TypeError, NamedPipeWrapper, path)

    def test_a_path_of_any_type(self):
        name = os.path.join(self.folder, u"\xe4")
        encoded = name.encode("utf-8") if PY2 else os.fsencode(name)
        with NamedPipeWrapper(encoded) as receiver:
            receiver.open_pipe("r")
            with NamedPipeWrapper(encoded.decode("utf-8") if PY2 else name) as sender:
                self.assertTrue(sender.send(1))
            self.assertEqual(receiver.receive(), 1)

    @needs_root
    def test_another_users_is_refused_unless_asked_for(self):
        os.mkfifo(self.path)
        os.chown(self.path, NOBODY, NOBODY)
        error = self.fails_with(errno.EPERM, NamedPipeWrapper, self.path)
        self.assertIn("any_owner", str(error))
        sender, receiver = self.pair(any_owner=True)
        self.assertTrue(sender.send(1))
        self.assertEqual(receiver.receive(), 1)

    def test_nothing_is_left(self):
        with leaves_nothing():
            with NamedPipeWrapper(self.path) as sender, NamedPipeWrapper(self.path) as receiver:
                receiver.open_pipe("r")
                self.assertTrue(sender.send(1))
                self.assertEqual(receiver.receive(), 1)
            dropped = NamedPipeWrapper(self.path)
            dropped.open_pipe("r")
            del dropped
            collect_garbage()

    def test_close_ends_all(self):
        pipe = self.receiver()
        pipe.close()
        pipe.close()
        pipe.close_pipe()
        for call in (
            pipe.receive,
            lambda: pipe.receive(timeout=0),
            lambda: pipe.send(1),
            lambda: pipe.send(b"x" * PLENTY, timeout=1),
            lambda: pipe.send_many([1]),
            pipe.fileno,
            pipe.stats,
            pipe.open_pipe,
            lambda: pipe.open_pipe("r"),
        ):
            self.assertIn("closed", str(self.fails_with(errno.EBADF, call)))
        self.assertEqual(list(pipe), [])

    def test_close_wakes_who_waits(self):
        reader, full, empty = self.receiver(), self.pipe(), NamedPipeWrapper(self.path + "2")
        self.addCleanup(empty.close)
        self.filled(full, 3000)
        waiting = [self.in_thread(full.send, b"x" * size) for size in (100, 5000)]
        waiting += [self.in_thread(empty.receive), self.in_thread(empty.receive, timeout=1000)]
        full.close()
        empty.close()
        for outcome in waiting:
            self.assertEqual(self.error_of(outcome), errno.EBADF)
        self.assertEqual(len(reader.receive()), 3006)

    def error_of(self, outcome):
        wait_until(lambda: outcome, "the thread ends")
        self.assertIsInstance(outcome[0], OSError)
        return outcome[0].errno

    def test_iteration(self):
        sender, receiver = self.pair()
        self.assertTrue(sender.send_many(range(5)))
        got = []
        for obj in receiver:
            got.append(obj)
            if obj == 3:
                receiver.close()
        self.assertEqual(got, [0, 1, 2, 3])
        again = self.receiver()
        outcome = self.in_thread(list, again)
        self.assertTrue(sender.send("last"))
        wait_until(lambda: again.stats()["received"] == 2, "it is received")
        again.close()
        self.assertEqual(self.outcome_of(outcome), [4, "last"])

    def test_it_can_be_opened_again(self):
        sender, receiver = self.pair()
        for number in range(3):
            receiver.close_pipe()
            receiver.close_pipe()
            self.assertFalse(sender.send(number))
            receiver.open_pipe("r")
            sender.close_pipe()
            self.assertTrue(sender.send(number))
            self.assertEqual(receiver.receive(), number)

    def test_opening_for_sending(self):
        sender = self.pipe()
        error = self.fails_with(errno.ENXIO, sender.open_pipe, "w", blocking=False)
        self.assertEqual(error.filename, self.path)
        self.fails_with(errno.ENXIO, sender.open_pipe, blocking=False)
        opened = self.in_thread(sender.open_pipe)
        receiver = self.receiver()
        self.outcome_of(opened)
        sender.open_pipe("w", False)
        self.assertTrue(sender.send(1))
        self.assertEqual(receiver.receive(), 1)
        for mode in "", "rw", "a", None, 1:
            self.refused(ValueError, sender.open_pipe, mode)

    def test_the_path_removed_and_made_again(self):
        sender, receiver = self.pair()
        self.assertTrue(sender.send("before"))
        waiting = self.in_thread(lambda: [receiver.receive(), receiver.receive()])
        wait_until(lambda: receiver.stats()["received"] == 1, "the first is received")
        os.unlink(self.path)
        # What is sent in that very instant may stay in the old one.
        wait_until(lambda: os.path.exists(self.path), "the receiver makes it again")
        wait_until(lambda: sender.send("after"), "and reads from it")
        self.assertEqual(self.outcome_of(waiting), ["before", "after"])

    def test_a_forked_child_opens_it_anew(self):
        sender, receiver = self.pair()
        self.assertTrue(sender.send("for the child"))

        def checks():
            assert receiver.receive(timeout=DEADLINE) == "for the child"
            assert sender.send("for the parent")
            assert sender.stats()["sent"] == 1
            assert receiver.fileno() >= 0

        in_a_child(checks)
        self.assertEqual(receiver.receive(timeout=DEADLINE), "for the parent")
        self.assertTrue(sender.send(1))
        self.assertEqual(receiver.receive(), 1)

    def test_a_child_forked_while_a_thread_is_at_the_pipe_does_not_wait_for_it(self):
        receiver = self.receiver(framed=False)
        with receiver._bare.lock:

            def checks():
                outcome = self.in_thread(receiver.receive, timeout=0)
                wait_until(lambda: outcome, "the child's receive ends")
                assert outcome[0].errno == errno.EAGAIN, outcome

            in_a_child(checks)

    def test_a_handler_may_close_it_while_it_is_opened(self):
        pipe, opened = self.pipe(), named_pipe_wrapper.Pipe
        pipe.close_pipe()
        before = descriptors()

        def closing(*arguments, **fields):
            made = opened(*arguments, **fields)
            pipe.close()
            return made

        self.addCleanup(setattr, named_pipe_wrapper, "Pipe", opened)
        named_pipe_wrapper.Pipe = closing
        outcome = self.in_thread(pipe.send, 1)
        self.fails_with(errno.EBADF, self.outcome_of, outcome)
        self.assertEqual(descriptors(), before)

    def test_a_forked_child_is_no_reader_by_itself(self):
        sender, receiver = self.pair()
        self.assertTrue(sender.send(1))
        told, tell = os.pipe()
        child = os.fork()
        if not child:
            os.close(tell)
            os.read(told, 1)
            os._exit(0)
        os.close(told)
        try:
            receiver.close()
            # It may not have come back from its fork yet.
            wait_until(lambda: not sender.send(2), "there is no reader")
        finally:
            os.close(tell)
            os.waitpid(child, 0)

    def test_it_cannot_be_copied(self):
        self.refused(TypeError, pickle.dumps, self.pipe())

    def test_stats(self):
        sender, receiver = self.pair(serializer="raw")
        receiver.close_pipe()
        self.assertFalse(sender.send(b"x"))
        receiver.open_pipe("r")
        self.assertEqual(sender.send_many([b"abc", b"de"]), 2)
        receiver.receive()
        counts = sender.stats()
        self.assertEqual([counts[name] for name in ("sent", "sent_bytes", "unsent")], [2, 5, 1])
        counts = receiver.stats()
        names = "received", "received_bytes", "lost", "rejected"
        self.assertEqual([counts[name] for name in names], [1, 3, 0, 0])

    def test_the_end_of_the_interpreter_with_threads_that_wait(self):
        program = """if True:
            import os, sys, threading
            from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
            pipes = []
            def pipe(number):
                pipes.append(NamedPipeWrapper(sys.argv[1] + number, serializer="raw"))
                return pipes[-1]
            def full(number, size):
                pipe(number).open_pipe("r")
                sender = pipe(number)
                while sender.send(b"x" * size):
                    pass
            for call in (
                lambda: full("1", 1000),
                lambda: full("2", 3 << 20),
                lambda: pipe("3").receive(),
            ):
                thread = threading.Thread(target=call)
                thread.daemon = True
                thread.start()
            waits = lambda number: open("/proc/self/task/%s/stat" % number).read().split()[2] == "S"
            while not all(map(waits, set(os.listdir("/proc/self/task")) - {str(os.getpid())})):
                pass
            print("ends")
        """
        self.assertEqual(run_child(program, self.path), "ends\n")


class Faults(PipeTest):
    KILLED = """if True:
        import sys
        from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
        pipe = NamedPipeWrapper(sys.argv[1], serializer="raw")
        print("ready")
        sys.stdout.flush()
        if sys.argv[2] == "writer":
            pipe.send(b"x" * (3 << 20))
        else:
            pipe.receive()
    """

    def killed(self, role):
        """A process that is in the middle of a message, and is killed there with the block."""
        child = Child(self.KILLED, self.path, role)
        self.assertEqual(child.line(), "ready")
        return child

    def kill(self, child):
        asleep_for_a_while(child.pid)
        child.signal(signal.SIGKILL)
        child.finish()

    def test_a_killed_writer_costs_its_message(self):
        sender, receiver = self.pair(serializer="raw")
        self.kill(self.killed("writer"))
        sent = self.in_thread(sender.send, b"next")
        # Which is short, and so may come before it is clear that the other will not.
        got, lost = [], []
        for _ in range(2):
            try:
                got.append(receiver.receive(timeout=DEADLINE))
            except MessageLost as error:
                lost.append(error)
        self.assertEqual(got, [b"next"])
        self.assertEqual([(e.errno, e.filename) for e in lost], [(errno.ECONNABORTED, self.path)])
        self.assertIs(self.outcome_of(sent), True)
        self.nothing_comes(receiver)
        self.assertEqual(receiver.stats()["lost"], 1)

    def test_a_killed_reader_costs_its_message(self):
        """It has begun to read a message that is not there as a whole yet."""
        sender = self.pipe(serializer="raw")
        child = self.killed("reader")
        sender.open_pipe("w")
        writer = Child(self.KILLED, self.path, "writer")
        self.assertEqual(writer.line(), "ready")
        wait_until(lambda: not alive(writer), "the message is written")
        writer.finish()
        child.finish()
        # One that has begun no message costs none.
        child = self.killed("reader")
        sender.open_pipe("w")
        receiver = self.receiver(serializer="raw")
        self.kill(child)
        self.assertTrue(sender.send(b"next"))
        self.assertEqual(receiver.receive(), b"next")

    def test_junk_is_rejected(self):
        sender, receiver = self.pair()
        for junk in b"hello\n", b"\0" * 24, b"\xff" * 4096:
            raw = os.open(self.path, os.O_WRONLY)
            os.write(raw, junk)
            os.close(raw)
            self.assertTrue(sender.send("good"))
            error = self.fails_with(errno.EBADMSG, receiver.receive)
            self.assertIsInstance(error, MessageRejected)
            self.assertEqual(receiver.receive(), "good")
        self.nothing_comes(receiver)
        self.assertEqual(receiver.stats()["rejected"], 3)

    def test_a_message_that_is_too_long_for_the_receiver(self):
        sender = self.pipe(serializer="raw")
        receiver = self.receiver(serializer="raw", max_message=100)
        for size in 101, 100000:
            self.assertTrue(sender.send(b"x" * size) and sender.send(b"y" * 100))
            self.fails_with(errno.EBADMSG, receiver.receive)
            self.assertEqual(receiver.receive(), b"y" * 100)

    def test_iteration_goes_on_after_a_fault(self):
        sender, receiver = self.pair()
        raw = os.open(self.path, os.O_WRONLY)
        self.addCleanup(os.close, raw)
        os.write(raw, b"junk")
        self.assertTrue(sender.send_many([1, 2]))
        self.refused(MessageRejected, next, receiver)
        self.assertEqual([receiver.receive(timeout=DEADLINE) for _ in range(2)], [1, 2])


def alive(child):
    with open("/proc/%d/stat" % child.pid) as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


class Bare(PipeTest):
    """Without frames, and with peers that do no more than the original did."""

    def writing(self):
        """A descriptor as the original's writer has."""
        made = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, made)
        return made

    def test_an_original_writer(self):
        receiver = self.receiver(framed=False)
        raw = self.writing()
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            for obj in {"foo": "bar"}, [1, u"\u20ac"], Plain(3), None:
                os.write(raw, pickle.dumps(obj, protocol))
                self.assertEqual(receiver.receive(), obj)
        self.nothing_comes(receiver)

    def test_an_original_reader(self):
        raw = os.open(self.path_made(), os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, raw)
        sender = self.pipe(framed=False)
        for obj in {"foo": "bar"}, b"bytes", [u"\u20ac"] * 1000:
            self.assertIs(sender.send(obj), True)
            self.assertEqual(pickle.loads(os.read(raw, 65535)), obj)

    def path_made(self):
        self.pipe(framed=False)
        return self.path

    def test_without_a_reader(self):
        self.assertIs(self.pipe(framed=False).send(1), False)

    def test_both_ends(self):
        sender, receiver = self.pair(framed=False)
        objs = BUILT_IN + [b"x" * PLENTY, Plain(1)]
        sent = self.in_thread(sender.send_many, objs)
        for obj in objs:
            self.assertTrue(receiver.receive(timeout=DEADLINE) == obj)
        self.assertEqual(self.outcome_of(sent), len(objs))

    def test_several_pickles_in_one_read(self):
        receiver = self.receiver(framed=False)
        os.write(self.writing(), b"".join(pickle.dumps(number) for number in range(100)))
        self.assertEqual([receiver.receive() for _ in range(100)], list(range(100)))
        self.nothing_comes(receiver)

    def test_a_pickle_in_pieces(self):
        receiver, raw = self.receiver(framed=False), self.writing()
        obj = [1, u"text", {"a": (1.5, b"x" * 300)}, 1 << 70]
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            data = pickle.dumps(obj, protocol) + pickle.dumps("next", protocol)
            for at in range(0, len(data), 7):
                os.write(raw, data[at : at + 7])
                if at < 300:
                    self.nothing_comes(receiver)
            self.assertEqual(receiver.receive(), obj)
            self.assertEqual(receiver.receive(), "next")
        os.write(raw, pickle.dumps("late")[:5])
        self.fails_with(errno.ETIMEDOUT, receiver.receive, timeout=0.05)
        os.write(raw, pickle.dumps("late")[5:])
        self.assertEqual(receiver.receive(), "late")

    def test_junk(self):
        receiver, raw = self.receiver(framed=False, max_message=1000), self.writing()
        for junk in b"junk", b"\0", b"echo\n", b"\x80\2\x80\2", b"T\xff\xff\xff\x7f", b"(" * 1001:
            os.write(raw, pickle.dumps("before") + junk)
            self.assertEqual(receiver.receive(), "before")
            self.refused(pickle.UnpicklingError, receiver.receive)
            os.write(raw, pickle.dumps("after"))
            self.assertEqual(receiver.receive(), "after")
        self.nothing_comes(receiver)

    def test_a_truncated_pickle(self):
        receiver, raw = self.receiver(framed=False), self.writing()
        os.write(raw, pickle.dumps([1, [2]], 2)[:-3])
        self.nothing_comes(receiver)
        os.write(raw, pickle.dumps("next", 2))
        self.refused(pickle.UnpicklingError, receiver.receive)
        self.assertEqual(receiver.receive(), "next")

    def test_nothing_is_unpickled_before_all_of_it_is_there(self):
        made = os.path.join(self.folder, "made")
        data = pickle.dumps([Hostile(made), 1], 2)
        receiver, raw = self.receiver(framed=False), self.writing()
        os.write(raw, data[:-1])
        self.nothing_comes(receiver)
        self.assertFalse(os.path.exists(made))
        os.write(raw, data[-1:])
        self.assertEqual(receiver.receive(), [None, 1])

    def test_the_allow_list(self):
        receiver, raw = self.receiver(framed=False, unpickler=()), self.writing()
        made = os.path.join(self.folder, "made")
        os.write(raw, pickle.dumps(Hostile(made)) + pickle.dumps(["good"], 2))
        self.refused(pickle.UnpicklingError, receiver.receive)
        self.assertEqual(receiver.receive(), ["good"])
        self.assertFalse(os.path.exists(made))

    def test_threads(self):
        sender, receiver = self.pair(framed=False)
        receiving = [self.in_thread(lambda: list(iter(receiver.receive, None))) for _ in range(3)]
        self.assertEqual(sender.send_many(list(range(2000)) + [None] * 3), 2003)
        got = [obj for each in receiving for obj in self.outcome_of(each)]
        self.assertEqual(sorted(got), list(range(2000)))

    def test_close_wakes_who_waits(self):
        receiver = self.receiver(framed=False)
        outcome = self.in_thread(list, receiver)
        receiver.close()
        self.assertEqual(self.outcome_of(outcome), [])

    def test_a_full_pipe(self):
        sender, receiver = self.pair(framed=False)
        count = self.filled(sender)
        self.fails_with(errno.ETIMEDOUT, sender.send, b"x" * 1006, timeout=0.05)
        for _ in range(count):
            receiver.receive(timeout=0)
        self.nothing_comes(receiver)


if __name__ == "__main__":
    unittest.main()
