"""The receive queue as Python fills it: what it keeps, what its policies mean, what it refuses."""

import copy
import errno
import gc
import itertools
import os
import pickle
import select
import signal
import sys
import threading
import unittest
import weakref

from support import (
    DEADLINE,
    PYPY,
    HandlerTest,
    collect_garbage,
    descriptors,
    leaves_nothing,
    now,
    wait_until,
)
from looping import in_a_child
from peering import check_interrupt, waiting

from pyhelpers.receive_queue import Counters, ReceiveQueue, UnknownGroup

POLICIES = "unsync", "rw", "exclusive"
GUARDED = "rw", "exclusive"


class Thing(object):
    """An object that can be watched."""


def in_threads(count, work):
    """Runs ``work(number)`` in so many threads at once; raises what the first one raised."""
    errors, barrier = [], threading.Event()

    def run(number):
        barrier.wait(DEADLINE)
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    started = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in started:
        thread.start()
    barrier.set()
    for thread in started:
        thread.join(2 * DEADLINE)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


class QueueTest(HandlerTest):
    def queue(self, *arguments, **options):
        made = options.pop("cls", ReceiveQueue)(*(arguments or (("a", "b"), 3)), **options)
        self.addCleanup(made.close)
        return made


class Seed(QueueTest):
    def test_the_example_of_the_seed(self):
        buffers = ReceiveQueue(('health', 'telemetry'), 10, 'exclusive')
        # Enqueues 'xyz' to 'foo' buffer in 'health' group
        buffers.sync_receive('health', 'foo', 'xyz')
        # Enqueues 'xyz' and 'uvt' to 'bar' buffer in 'health' group
        buffers.sync_receive('health', 'bar', 'xyz')
        buffers.sync_receive('health', 'bar', 'uvt')
        # A reader can use this extract method
        bar = buffers.sync_extract('health', 'bar')
        self.assertEqual(bar, ('xyz', 'uvt'))
        self.assertEqual(buffers.sync_extract('health', 'foo'), ('xyz',))

    def test_every_pair_of_methods_works_on_every_policy(self):
        for policy in POLICIES:
            queue = self.queue(("a", "b"), 3, policy)
            for number in range(5):
                queue.receive("a", "plain", number)
                queue.sync_receive("a", "sync", number)
            queue.receive_many("a", "many", range(5))
            queue.sync_receive_many("a", "sync many", iter(range(5)))
            for idx in ("plain", "sync", "many", "sync many"):
                for extract in (
                    queue.extract, queue.extract_buffer,
                    queue.sync_extract, queue.sync_extract_buffer,
                ):
                    # It stays there.
                    self.assertEqual(extract("a", idx), (2, 3, 4))
                    self.assertIs(type(extract("a", idx)), tuple)
            everything = dict.fromkeys(("plain", "sync", "many", "sync many"), (2, 3, 4))
            self.assertEqual(queue.extract_all("a"), everything)
            self.assertEqual(queue.sync_extract_all("a"), everything)
            self.assertEqual((queue.extract_all("b"), queue.sync_extract_all("b")), ({}, {}))

    def test_unsync_is_the_default(self):
        self.assertEqual(ReceiveQueue(["a"], 1)._policy, "unsync")

    def test_an_idx_never_seen_gives_nothing_and_makes_nothing(self):
        for policy in POLICIES:
            queue = self.queue(("a",), 3, policy)
            for extract in (queue.extract, queue.sync_extract, queue.extract_buffer):
                self.assertEqual(extract("a", "nobody"), ())
            self.assertEqual(queue.counters("a", "nobody"), (0, 0, 0))
            self.assertEqual(queue.forget("a", "nobody"), 0)
            queue.receive_many("a", "nobody", ())
            self.assertEqual((queue.extract_all("a"), queue.stats()["buffers"]), ({}, 0))

    def test_the_object_itself_comes_back_whatever_it_is(self):
        queue, things = self.queue(("a",), 10), [Thing(), None, (), [], b"", float("nan"), queue_of]
        for thing in things:
            queue.sync_receive("a", "x", thing)
        for found, thing in zip(queue.sync_extract("a", "x"), things):
            self.assertIs(found, thing)

    def test_any_hashable_is_a_key(self):
        keys = [None, 1, 1.5, "x", b"y", (1, ("z",)), frozenset([1]), Thing(), True and "w"]
        queue = self.queue(keys, 2)
        for group in keys:
            for idx in keys:
                queue.sync_receive(group, idx, (group, idx))
        for group in keys:
            self.assertEqual(
                queue.sync_extract_all(group), {idx: ((group, idx),) for idx in keys}
            )

    def test_a_buffer_that_another_thread_is_making_is_not_there_yet(self):
        for policy in POLICIES:
            queue = self.queue(("a",), 3, policy)
            # So far it has got when the other thread comes in between.
            queue._make_buffer("a", "x")
            self.assertEqual((queue.extract_all("a"), queue.sync_extract_all("a")), ({}, {}))
            self.assertEqual(queue.extract("a", "x"), ())

    def test_a_buffer_of_one(self):
        queue = self.queue(("a",), 1, "rw")
        queue.sync_receive_many("a", "x", range(10))
        self.assertEqual(queue.sync_extract("a", "x"), (9,))


def queue_of():
    """A function, as a value."""


class Refusals(QueueTest):
    def test_an_unknown_group_is_an_index_error_that_says_which(self):
        queue = self.queue(("health", 7), 3)
        for call, rest in (
            (queue.receive, ("x", 1)),
            (queue.sync_receive, ("x", 1)),
            (queue.receive_many, ("x", [1])),
            (queue.receive_many, ("x", [])),
            (queue.sync_receive_many, ("x", [1])),
            (queue.extract, ("x",)),
            (queue.extract_buffer, ("x",)),
            (queue.extract_all, ()),
            (queue.sync_extract, ("x",)),
            (queue.sync_extract_buffer, ("x",)),
            (queue.sync_extract_all, ()),
            (queue.counters, ("x",)),
            (queue.forget, ("x",)),
            (queue.wait, (0,)),
            (queue.fileno, ()),
        ):
            error = self.refused(IndexError, call, "helth", *rest)
            self.assertIsInstance(error, UnknownGroup)
            self.assertEqual((error.groupkey, set(error.groupkeys)), ("helth", {"health", 7}))
            for word in ("'helth'", "'health'", "7"):
                self.assertIn(word, str(error))
        error = pickle.loads(pickle.dumps(error, 2))
        self.assertEqual(error.groupkey, "helth")

    def test_lengths_and_policies(self):
        with leaves_nothing():
            for length in (0, -1, sys.maxsize + 1):
                self.refused(ValueError, ReceiveQueue, ("a",), length)
            for length in (None, 1.0, "10", []):
                self.refused(TypeError, ReceiveQueue, ("a",), length)
            for policy in ("", "RW", None, [], b"write"):
                error = self.refused(ValueError, ReceiveQueue, ("a",), 1, policy)
                self.assertIn("exclusive", str(error))
            for groups in ((), "", {}):
                self.refused(ValueError, ReceiveQueue, groups, 1)
            for groups in (None, 5, (["a"],)):
                self.refused(TypeError, ReceiveQueue, groups, 1)
            for limit in ("max_buffers", "max_bytes"):
                self.refused(ValueError, ReceiveQueue, ("a",), 1, **{limit: 0})
                self.refused(TypeError, ReceiveQueue, ("a",), 1, **{limit: None})

    def test_an_unhashable_key_is_a_type_error_and_costs_nothing(self):
        for policy in POLICIES:
            queue = self.queue(("a",), 3, policy, max_buffers=1)
            for key in ([], {}, bytearray()):
                for call in (queue.receive, queue.sync_receive, queue.receive_many):
                    self.refused(TypeError, call, "a", key, (1,))
                    self.refused(TypeError, call, key, "x", (1,))
                for call in (queue.extract, queue.sync_extract, queue.counters, queue.forget):
                    self.refused(TypeError, call, "a", key)
            self.refused(TypeError, queue.receive_many, "a", "x", 5)
            self.assertEqual(queue.stats()["buffers"], 0)
            queue.receive("a", "x", 1)

    def test_a_closed_one_says_so(self):
        for policy in POLICIES:
            queue = self.queue(("a",), 3, policy)
            queue.receive("a", "x", 1)
            queue.fileno("a")
            queue.close()
            queue.close()
            for call, arguments in (
                (queue.receive, ("a", "x", 1)),
                (queue.sync_receive, ("a", "x", 1)),
                (queue.receive, ("a", "y", 1)),
                (queue.receive_many, ("a", "x", [1])),
                (queue.sync_receive_many, ("a", "x", [1])),
                (queue.extract, ("a", "x")),
                (queue.extract_buffer, ("a", "x")),
                (queue.extract_all, ("a",)),
                (queue.sync_extract, ("a", "x")),
                (queue.sync_extract_buffer, ("a", "x")),
                (queue.sync_extract_all, ("a",)),
                (queue.counters, ("a", "x")),
                (queue.forget, ("a", "x")),
                (queue.stats, ()),
                (queue.wait, ("a",)),
                (queue.fileno, ("a",)),
            ):
                error = self.fails_with(errno.EBADF, call, *arguments)
                self.assertIn("the ReceiveQueue is closed", str(error))

    def test_context_manager_and_copies(self):
        with ReceiveQueue(("a",), 3) as queue:
            self.refused(TypeError, copy.copy, queue)
            self.refused(TypeError, pickle.dumps, queue, 2)
        self.fails_with(errno.EBADF, queue.receive, "a", "x", 1)
        ReceiveQueue.__new__(ReceiveQueue).close()


class Bounds(QueueTest):
    def test_buffers(self):
        queue = self.queue(("a", "b"), 2, max_buffers=3)
        for group, idx in (("a", 1), ("a", 2), ("b", 1)):
            queue.receive_many(group, idx, (1, 2, 3))
        for call in (queue.receive, queue.sync_receive):
            error = self.fails_with(errno.ENOSPC, call, "b", 2, 1)
            self.assertIn("3 buffers", str(error))
        self.assertEqual(queue.stats()["refused"], 2)
        # What is there goes on.
        queue.receive("b", 1, 4)
        self.assertEqual(queue.forget("a", 1), 2)
        queue.receive("b", 2, 1)
        self.fails_with(errno.ENOSPC, queue.receive, "a", 1, 1)
        self.assertEqual(
            queue.stats(),
            dict(buffers=3, values=5, received=11, discarded=6, refused=3, bytes=0),
        )

    def test_buffers_made_by_several_threads(self):
        for policy in POLICIES:
            queue, refused = self.queue(("a",), 2, policy, max_buffers=100), []

            def work(number):
                for idx in range(150):
                    try:
                        queue.sync_receive("a", idx, number)
                    except OSError as error:
                        refused.append(error.errno)

            in_threads(8, work)
            figures = queue.stats()
            self.assertEqual((figures["buffers"], len(queue.extract_all("a"))), (100, 100))
            self.assertEqual((figures["received"], set(refused)), (800, {errno.ENOSPC}))
            self.assertEqual(figures["refused"], len(refused))

    def many_keys(self, number):
        queue = self.queue(("a",), 1, "exclusive", max_buffers=number)
        receive = queue.sync_receive
        for idx in range(number):
            receive("a", idx, None)
        self.fails_with(errno.ENOSPC, receive, "a", number, None)
        receive("a", number - 1, "again")
        self.assertEqual(queue.counters("a", number - 1), (2, 1, 1))
        self.assertEqual(queue.sync_extract("a", number - 1), ("again",))
        return queue

    def test_many_keys(self):
        queue = self.many_keys(20000)
        found = queue.sync_extract_all("a")
        self.assertEqual((len(found), found[0], found[19999]), (20000, (None,), ("again",)))
        self.assertEqual(queue.stats()["buffers"], 20000)

    @unittest.skipUnless(sys.version_info[:2] == (3, 13), "it takes 1 GB: on CPython 3.13 alone")
    def test_a_million_keys(self):
        # The collector would look at all of them again and again.
        gc.disable()
        self.addCleanup(gc.enable)
        self.many_keys(1000000).close()

    def test_a_huge_buffer_and_a_huge_group(self):
        for policy in POLICIES:
            queue = self.queue(("long", "wide"), 100000, policy)
            queue.sync_receive_many("long", "x", range(200000))
            found = queue.sync_extract("long", "x")
            self.assertEqual((len(found), found[0], found[-1]), (100000, 100000, 199999))
            for idx in range(2000):
                queue.sync_receive("wide", idx, idx)
            self.assertEqual(
                queue.sync_extract_all("wide"), {idx: (idx,) for idx in range(2000)}
            )

    def test_where_the_stack_ends_an_extract_does_too(self):
        queue = self.queue()
        queue.receive("a", "x", 1)
        for group, held in ("a", {"x": (1,)}), ("b", {}):

            def deeper():
                queue.extract_all(group)
                deeper()

            self.refused(RuntimeError, deeper)
            self.assertEqual(queue.extract_all(group), held)


class Counts(QueueTest):
    def test_counters_and_stats(self):
        queue = self.queue(("a", "b"), 3)
        for number in range(5):
            queue.receive("a", "x", number)
        queue.receive_many("b", "x", range(2))
        self.assertEqual(queue.counters("a", "x"), Counters(received=5, discarded=2, held=3))
        self.assertEqual(queue.counters("b", "x"), (2, 0, 2))
        self.assertEqual(
            queue.stats(),
            dict(buffers=2, values=5, received=7, discarded=2, refused=0, bytes=0),
        )
        self.assertEqual(queue.forget("a", "x"), 3)
        self.assertEqual((queue.extract("a", "x"), queue.counters("a", "x")), ((), (0, 0, 0)))
        self.assertEqual(
            queue.stats(),
            dict(buffers=1, values=2, received=7, discarded=5, refused=0, bytes=0),
        )

    def test_forgotten_buffers_stay_in_the_sum(self):
        queue = self.queue(("a",), 3)
        for number in range(3000):
            queue.receive("a", number, number)
            queue.forget("a", number)
        figures = queue.stats()
        self.assertEqual((figures["received"], figures["discarded"]), (3000, 3000))
        self.assertEqual((figures["buffers"], figures["values"]), (0, 0))

    def exact(self, queue, rounds):
        """Eight threads, each in one buffer of its own and one of all."""

        def work(number):
            for value in range(rounds):
                queue.sync_receive("a", "all", (number, value))
                queue.sync_receive_many("b", number, (value, value, value))
                if value % 64 == 0:
                    queue.sync_extract_all("a")
                    queue.sync_extract("b", number)

        in_threads(8, work)
        total = 8 * rounds
        self.assertEqual(queue.counters("a", "all"), (total, total - 50, 50))
        self.assertEqual(len(queue.sync_extract("a", "all")), 50)
        for number in range(8):
            self.assertEqual(queue.counters("b", number), (3 * rounds, 3 * rounds - 50, 50))
            newest = [value for value in range(rounds) for _ in range(3)][-50:]
            self.assertEqual(queue.sync_extract("b", number), tuple(newest))
        figures = queue.stats()
        self.assertEqual((figures["received"], figures["values"]), (4 * total, 450))
        self.assertEqual(figures["discarded"], 4 * total - 450)

    def test_eight_threads_on_every_policy(self):
        for policy in POLICIES:
            self.exact(self.queue(("a", "b"), 50, policy), 3000)

    def test_eight_threads_on_every_policy_with_hooks(self):
        for policy in POLICIES:
            queue = self.queue(("a", "b"), 50, policy, cls=Counting)
            self.exact(queue, 100)
            self.assertEqual(next(queue.calls), 2 * 8 * 400)


class Counting(ReceiveQueue):
    """Counts the calls of its hooks."""

    def __init__(self, *arguments, **options):
        super(Counting, self).__init__(*arguments, **options)
        self.calls = itertools.count()

    def _before_receive(self, groupkey, idx, value):
        next(self.calls)

    _after_receive = _before_receive


class Instants(QueueTest):
    def test_extract_all_sees_one_instant(self):
        for policy in GUARDED:
            for cls in (ReceiveQueue, Counting):
                self.check(self.queue(("a",), 1, policy, cls=cls))

    def check(self, queue):
        """Each thread puts a number into one buffer and then into the other: in no instant does the
        second have what the first has not, nor is it more than one behind."""
        stop = []

        def receive(number):
            for value in itertools.count(1):
                queue.sync_receive("a", (number, 0), value)
                queue.sync_receive("a", (number, 1), value)
                if stop:
                    return

        def look():
            end = now() + 0.25
            while now() < end or not any(seen):
                found = queue.sync_extract_all("a")
                for number in range(3):
                    first = found.get((number, 0), (0,))[0]
                    second = found.get((number, 1), (0,))[0]
                    if not 0 <= first - second <= 1:
                        wrong.append((first, second))
                seen.append(len(found))

        def work(number):
            if number < 3:
                receive(number)
                return
            try:
                look()
            finally:
                stop.append(True)

        seen, wrong = [], []
        in_threads(4, work)
        self.assertEqual(wrong, [])


class Gate(object):
    """Where hooks wait until the test lets them go on."""

    def __init__(self):
        self.inside = []
        self._open = threading.Event()

    def pass_through(self, who):
        self.inside.append(who)
        assert self._open.wait(DEADLINE), "nobody opens the gate"
        self.inside.remove(who)

    def open(self):
        self._open.set()


class Hooked(ReceiveQueue):
    """Values that are functions are called by the hook."""

    def _after_receive(self, groupkey, idx, value):
        if callable(value):
            value()


class Policies(QueueTest):
    """What the policies mean, shown by hooks that wait."""

    def setUp(self):
        self._threads = []
        self.addCleanup(self.join)

    def join(self):
        for thread in self._threads:
            thread.join(DEADLINE)
            self.assertFalse(thread.is_alive(), "a thread hangs")

    def hooked(self, policy):
        return self.queue(("a",), 10, policy, cls=Hooked)

    def start(self, call, *arguments):
        """A thread that makes the call; gives the list of what comes of it."""
        outcome = []

        def run():
            try:
                outcome.append(call(*arguments))
            except Exception as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()
        return outcome

    def start_waiting(self, call, *arguments):
        """The same, for a call that must wait: once it is asleep."""
        thread, outcome = waiting(lambda: call(*arguments))
        self._threads.append(thread)
        self.assertEqual(outcome, [])
        return outcome

    def held_receive(self, queue, idx="x"):
        """A receive that is inside until its gate is opened."""
        gate = Gate()
        outcome = self.start(queue.sync_receive, "a", idx, lambda: gate.pass_through(idx))
        wait_until(lambda: gate.inside or outcome, "it is inside")
        return gate, outcome

    def test_exclusive_lets_one_at_a_time_whatever_it_is(self):
        for call in ("sync_receive", "sync_receive_many", "sync_extract", "sync_extract_buffer",
                     "sync_extract_all"):
            queue = self.hooked("exclusive")
            gate, _ = self.held_receive(queue)
            arguments = {"sync_receive": ("y", 1), "sync_receive_many": ("y", (1,)),
                         "sync_extract_all": ()}.get(call, ("x",))
            outcome = self.start_waiting(getattr(queue, call), "a", *arguments)
            self.assertEqual(queue.extract("a", "y"), ())
            gate.open()
            wait_until(lambda: outcome, "%s comes in when the other is out" % call)

    def test_rw_lets_receivers_run_together(self):
        queue = self.hooked("rw")
        held = [self.held_receive(queue, number) for number in range(4)]
        self.assertEqual([len(gate.inside) for gate, _ in held], [1] * 4)
        self.assertEqual([outcome for _, outcome in held], [[]] * 4)
        for gate, _ in held:
            gate.open()

    def test_rw_lets_an_extract_run_alone(self):
        for call, arguments in (("sync_extract", ("x",)), ("sync_extract_buffer", ("x",)),
                                ("sync_extract_all", ())):
            queue = self.hooked("rw")
            first, _ = self.held_receive(queue, "x")
            second, _ = self.held_receive(queue, "y")
            outcome = self.start_waiting(getattr(queue, call), "a", *arguments)
            first.open()
            wait_until(lambda: not first.inside, "one receiver is out")
            # The other one is in there.
            self.assertEqual(outcome, [])
            second.open()
            wait_until(lambda: outcome, "the extract comes in")

    def test_rw_keeps_receivers_out_while_an_extract_runs(self):
        gate, received = Gate(), []

        class Slow(ReceiveQueue):
            def extract_buffer(self, groupkey, idx):
                if not received:
                    gate.pass_through("extract")
                return super(Slow, self).extract_buffer(groupkey, idx)

        queue = self.queue(("a",), 10, "rw", cls=Slow)
        extracted = self.start(queue.sync_extract, "a", "x")
        wait_until(lambda: gate.inside, "the extract runs")
        outcomes = [self.start_waiting(queue.sync_receive, "a", "x", 1),
                    self.start_waiting(queue.sync_receive_many, "a", "x", (1,)),
                    self.start_waiting(queue.sync_extract_all, "a")]
        gate.open()
        wait_until(lambda: extracted and all(outcomes), "all come in")
        self.assertEqual(extracted, [()])

    def test_unsync_and_the_plain_methods_wait_for_nobody(self):
        for policy in POLICIES:
            queue = self.hooked(policy)
            gate, _ = self.held_receive(queue)
            queue.receive("a", "y", 1)
            queue.receive_many("a", "y", (2,))
            self.assertEqual((queue.extract("a", "y"), len(queue.extract_all("a"))), ((1, 2), 2))
            if policy == "unsync":
                queue.sync_receive("a", "y", 3)
                self.assertEqual(queue.sync_extract("a", "y"), (1, 2, 3))
                self.assertEqual(len(queue.sync_extract_all("a")), 2)
            gate.open()

    def check_not_starved(self, others, call):
        """Four threads make calls all the time; each of twenty others gets its turn yet."""
        stop = []

        def keep_calling():
            while not stop:
                others()

        for _ in range(4):
            self.start(keep_calling)
        # Who waits for ever is let in when there is nobody else any more, and found out.
        watchdog = threading.Timer(DEADLINE, stop.append, ("starved",))
        watchdog.start()
        try:
            for _ in range(20):
                call()
            self.assertEqual(stop, [])
        finally:
            stop.append("done")
            watchdog.cancel()

    def test_an_extract_gets_in_though_receivers_keep_coming(self):
        queue = self.hooked("rw")
        pause = threading.Event()
        self.check_not_starved(
            # They overlap: there is always one inside.
            lambda: queue.sync_receive("a", "x", lambda: pause.wait(0.001)),
            lambda: queue.sync_extract("a", "x"),
        )

    def test_a_receiver_that_comes_later_lets_the_extract_go_first(self):
        queue = self.hooked("rw")
        gate, _ = self.held_receive(queue)
        extracted = self.start_waiting(queue.sync_extract, "a", "y")
        received = self.start_waiting(queue.sync_receive, "a", "y", 1)
        gate.open()
        wait_until(lambda: extracted and received, "both come in")
        self.assertEqual(extracted, [()])

    def test_a_receiver_gets_in_though_extracts_keep_coming(self):
        queue = self.hooked("rw")
        self.check_not_starved(
            lambda: queue.sync_extract("a", "x"), lambda: queue.sync_receive("a", "x", 1)
        )

    def test_a_hook_may_call_any_method(self):
        for policy in POLICIES:
            queue, found = self.hooked(policy), []

            def call_all():
                queue.sync_receive("a", "y", lambda: queue.sync_receive_many("a", "z", (1, 2)))
                found.append(queue.sync_extract("a", "z"))
                found.append(set(queue.sync_extract_all("a")))
                queue.sync_receive("a", "z", lambda: found.append(queue.sync_extract("a", "z")[:2]))
                found.append(queue.wait("a", 0))
                found.append(queue.counters("a", "z").received)
                found.append(queue.forget("a", "z"))
                found.append(queue.stats()["buffers"])

            queue.sync_receive("a", "x", call_all)
            self.assertEqual(
                found, [(1, 2), {"x", "y", "z"}, (1, 2), True, 3, 3, 2]
            )
            # Nothing is left behind.
            outcome = self.start(queue.sync_extract_all, "a")
            wait_until(lambda: outcome, "another thread gets in")

    def test_extracts_within_receives_do_not_wait_for_each_other(self):
        inside, extracting, together = [], [], []
        pause = threading.Event()

        class Slow(Hooked):
            def extract_all(self, groupkey):
                extracting.append(1)
                pause.wait(0.005)
                together.append(len(extracting))
                extracting.pop()
                return super(Slow, self).extract_all(groupkey)

        queue = self.queue(("a",), 10, "rw", cls=Slow)

        def extract():
            inside.append(1)
            wait_until(lambda: len(inside) == 4, "all are inside")
            queue.sync_receive("a", "y", 1)
            queue.sync_extract_all("a")

        outcomes = [self.start(queue.sync_receive, "a", number, extract) for number in range(4)]
        wait_until(lambda: all(outcomes), "all come out")
        # One after the other, though.
        self.assertEqual((outcomes, together), ([[None]] * 4, [1] * 4))

    def test_an_extract_within_a_receive_waits_for_other_receives(self):
        queue, found = self.hooked("rw"), []
        gate, _ = self.held_receive(queue)
        outcome = self.start_waiting(
            queue.sync_receive, "a", "y", lambda: found.append(queue.sync_extract("a", "x"))
        )
        # It stands in the way of new ones meanwhile.
        later = self.start_waiting(queue.sync_receive, "a", "z", 1)
        self.assertEqual((found, outcome), ([], []))
        gate.open()
        wait_until(lambda: outcome and later, "both come in")
        self.assertEqual(len(found[0]), 1)

    def test_a_hook_that_raises_lets_go_of_everything(self):
        def fail():
            raise KeyError("of the hook")

        for policy in POLICIES:
            queue = self.hooked(policy)
            deep = lambda: queue.sync_receive("a", "y", lambda: queue.sync_extract("a", "x")[0]())
            self.refused(KeyError, queue.sync_receive, "a", "x", fail)
            self.refused(KeyError, queue.sync_receive_many, "a", "x", (1, fail, 2))
            self.refused(KeyError, queue.sync_receive, "a", "z", deep)
            # After it, the value is in.
            self.assertEqual(queue.extract("a", "x"), (fail, 1, fail))
            for call, arguments in (("sync_receive", ("x", 1)), ("sync_extract_all", ())):
                outcome = self.start(getattr(queue, call), "a", *arguments)
                wait_until(lambda: outcome, "another thread gets in")
                self.assertNotIsInstance(outcome[0], Exception)

    def test_hooks_are_called_in_order_and_before_anything_is_checked(self):
        calls = []

        class Told(ReceiveQueue):
            def _before_receive(self, groupkey, idx, value):
                calls.append(("before", groupkey, idx, value))
                if value == "unwanted":
                    raise ValueError(value)
                held.append(groupkey == "a" and self.extract(groupkey, idx))

            def _after_receive(self, groupkey, idx, value):
                calls.append(("after", groupkey, idx, value))
                held.append(self.extract(groupkey, idx))

        for receive in ("receive", "sync_receive"):
            for policy in POLICIES:
                queue, held = self.queue(("a",), 2, policy, cls=Told), []
                put = getattr(queue, receive)
                put("a", "x", 1)
                self.assertEqual(held, [(), (1,)])
                self.refused(ValueError, put, "a", "x", "unwanted")
                self.refused(IndexError, put, "b", "x", 2)
                self.refused(TypeError, getattr(queue, receive + "_many"), "a", "x", 5)
                getattr(queue, receive + "_many")("a", "x", (3, 4))
                names = [(name, value) for name, _, _, value in calls]
                self.assertEqual(names, [
                    ("before", 1), ("after", 1), ("before", "unwanted"), ("before", 2),
                    ("before", 3), ("after", 3), ("before", 4), ("after", 4),
                ])
                self.assertEqual(queue.extract("a", "x"), (3, 4))
                del calls[:]

    def test_what_a_subclass_overrides_is_what_the_sync_methods_call(self):
        class Own(ReceiveQueue):
            def receive(self, groupkey, idx, value):
                super(Own, self).receive(groupkey, idx, value * 2)

            def extract_buffer(self, groupkey, idx):
                return super(Own, self).extract_buffer(groupkey, idx)[::-1]

        for policy in POLICIES:
            queue = self.queue(("a",), 3, policy, cls=Own)
            queue.sync_receive("a", "x", 1)
            queue.sync_receive("a", "x", 2)
            for extract in (queue.extract, queue.sync_extract, queue.sync_extract_buffer):
                self.assertEqual(extract("a", "x"), (4, 2))

    def test_a_child_that_a_hook_forks_finds_nobody_inside(self):
        for policy in GUARDED:
            queue = self.hooked(policy)
            gate, _ = self.held_receive(queue)

            def checks():
                queue.sync_receive("a", "y", lambda: queue.sync_extract_all("a"))
                assert len(queue.sync_extract("a", "y")) == 1

            # The other thread is inside; it does not come along.
            in_a_child(checks)
            if policy == "rw":
                queue.sync_receive("a", "z", lambda: in_a_child(checks))
            gate.open()


    def test_a_turn_whose_end_was_missed_is_over(self):
        """As when a handler raises right in front of ``__exit__``."""
        for policy in GUARDED:
            for same_thread in (False, True):
                queue = self.hooked(policy)
                for begin in (queue._turns.alone, queue._turns.together):
                    turn = begin()
                    with turn.mark:
                        turn.__enter__()
                    if same_thread:
                        queue.sync_receive("a", "x", 1)
                        self.assertEqual(queue._turns._line().places, [])
                    outcome = self.start(queue.sync_extract_all, "a")
                    wait_until(lambda: outcome, "another thread gets in")


class Signals(QueueTest):
    """A handler calls the queue wherever it interrupts a call of the same thread."""

    def setUp(self):
        self.handle(lambda: None)

    def handle(self, function):
        previous = signal.signal(signal.SIGALRM, lambda *_: function())
        self.addCleanup(signal.signal, signal.SIGALRM, previous)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)

    def test_anywhere(self):
        for cls in (ReceiveQueue, Counting):
            for policy in POLICIES:
                self.check(self.queue(("a",), 3, policy, cls=cls))

    def check(self, queue):
        handled = []

        def handler():
            queue.sync_receive("a", "x", "handler")
            queue.sync_receive_many("a", len(handled) % 50, (1, 2))
            handled.append(queue.sync_extract("a", "x")[-1])
            queue.sync_extract_all("a")
            queue.wait("a", 0)

        self.handle(handler)
        others, stop = [], []
        thread = threading.Thread(target=self.disturb, args=(queue, stop, others))
        thread.start()
        calls = 0
        try:
            end = now() + DEADLINE
            while len(handled) < 40 and now() < end:
                # One by one: a handler is not to be interrupted by itself for ever.
                seen = len(handled)
                signal.setitimer(signal.ITIMER_REAL, 0.0001 + 0.00001 * seen)
                while len(handled) == seen and now() < end:
                    queue.sync_receive("a", "x", "main")
                    queue.sync_extract("a", "x")
                    queue.sync_extract_all("a")
                    calls += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            stop.append(True)
            thread.join(DEADLINE)
        self.assertFalse(thread.is_alive())
        self.assertGreaterEqual(len(handled), 40)
        self.assertEqual(queue.counters("a", "x").received, calls + len(handled) + len(others))

    def disturb(self, queue, stop, others):
        while not stop:
            queue.sync_receive("a", "x", "other")
            others.append(1)
            queue.sync_extract_all("a")

    def test_while_a_call_waits_for_its_turn(self):
        """The handler waits for nothing that waits for the call it has interrupted."""
        self.check_waiting("rw", "sync_extract", ("x",))
        self.check_waiting("exclusive", "sync_extract", ("x",))
        self.check_waiting("exclusive", "sync_receive", ("y", 1))

    def check_waiting(self, policy, call, arguments):
        queue, gate, found = self.queue(("a",), 9, policy, cls=Hooked), Gate(), []
        holder = threading.Thread(
            target=queue.sync_receive, args=("a", "x", lambda: gate.pass_through("x"))
        )
        holder.start()
        wait_until(lambda: gate.inside, "the other is inside")
        behind = []
        follower = threading.Thread(target=lambda: behind.append(queue.sync_extract_all("a")))

        def handler():
            signal.setitimer(signal.ITIMER_REAL, 0)
            follower.start()
            if policy == "rw":
                # Receivers run together: also with the one that is inside.
                queue.sync_receive("a", "z", 1)
                found.append(len(gate.inside))
            gate.open()
            queue.sync_receive("a", "z", 2)
            found.append(queue.sync_extract("a", "z")[-1])

        self.handle(handler)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        # It comes while this waits: the gate is opened by nobody else.
        getattr(queue, call)("a", *arguments)
        for thread in (holder, follower):
            thread.join(DEADLINE)
            self.assertFalse(thread.is_alive(), "a thread hangs")
        self.assertEqual(found, [1, 2] if policy == "rw" else [2])

    def test_a_child_that_a_handler_forks_while_a_call_waits_does_not_wait_on(self):
        for policy in GUARDED:
            queue, gate, forked = self.queue(("a",), 9, policy, cls=Hooked), Gate(), []
            holder = threading.Thread(
                target=queue.sync_receive, args=("a", "x", lambda: gate.pass_through("x"))
            )
            holder.start()
            wait_until(lambda: gate.inside, "the other is inside")

            def handler():
                forked.append(os.fork())
                if forked[0]:
                    gate.open()
                else:
                    # One that hangs is ended.
                    signal.signal(signal.SIGALRM, signal.SIG_DFL)
                    signal.alarm(int(DEADLINE))

            self.handle(handler)
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            found = None
            try:
                found = queue.sync_extract("a", "x")
            finally:
                if forked == [0]:
                    os._exit(0 if found and len(found) == 1 else 1)
            holder.join(DEADLINE)
            self.assertEqual(os.waitpid(forked[0], 0)[1], 0)
            self.assertEqual(len(found), 1)

    def test_a_handler_that_raises_leaves_nothing_locked(self):
        class Raised(Exception):
            pass

        def handler():
            raise Raised

        self.handle(handler)
        for cls in (ReceiveQueue, Counting):
            for policy in POLICIES:
                queue, times = self.queue(("a",), 3, policy, cls=cls), 0
                end = now() + DEADLINE
                while times < 15 and now() < end:
                    # Where the interpreter ignores what is raised, as in a weakref's callback,
                    # there is another attempt.
                    try:
                        # On a busy machine this call is where it may be raised already.
                        signal.setitimer(signal.ITIMER_REAL, 0.001)
                        self.call_until(queue, now() + 0.1)
                    except Raised:
                        times += 1
                self.assertEqual(times, 15)
                thread, outcome = self.other(lambda: queue.sync_extract_all("a"))
                thread.join(DEADLINE)
                self.assertEqual(len(outcome), 1, "a thread hangs")
                self.assertLessEqual(set(queue.sync_extract("a", "x")), {1, 2})

    def call_until(self, queue, end):
        while now() < end:
            queue.sync_receive("a", "x", 1)
            queue.sync_extract_all("a")
            queue.sync_receive_many("a", "x", (1, 2))

    def other(self, call):
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(call()))
        thread.daemon = True
        thread.start()
        return thread, outcome


class Waits(QueueTest):
    """wait() and fileno() of groups that Python fills."""

    def is_readable(self, queue, group):
        return bool(select.select([queue.fileno(group)], [], [], 0)[0])

    def test_what_came_before_counts(self):
        for policy in POLICIES:
            queue = self.queue(("a", "b"), 3, policy)
            queue.receive("a", "x", 1)
            self.assertIs(queue.wait("b", 0), False)
            self.assertIs(queue.wait("a", 0), True)
            self.assertIs(queue.wait("a", 0), False)
            queue.sync_receive("a", "x", 1)
            queue.sync_receive("a", "y", 1)
            self.assertIs(queue.wait("a"), True)
            self.assertIs(queue.wait("a", 0.001), False)

    def test_every_way_in_is_told_of(self):
        for cls in (ReceiveQueue, Counting):
            for policy in POLICIES:
                queue = self.queue(("a",), 3, policy, cls=cls)
                self.assertIs(queue.wait("a", 0), False)
                for receive in (queue.receive, queue.sync_receive,
                                queue.receive_many, queue.sync_receive_many):
                    receive("a", "x", (1,))
                    self.assertIs(queue.wait("a", 0), True)
                    self.assertIs(queue.wait("a", 0), False)

    def test_the_descriptor_is_readable_exactly_while_wait_would_give_true(self):
        queue = self.queue(("a", "b"), 3)
        self.assertFalse(self.is_readable(queue, "a"))
        for _ in range(3):
            for _ in range(3):
                queue.receive("a", "x", 1)
                self.assertTrue(self.is_readable(queue, "a"))
            self.assertFalse(self.is_readable(queue, "b"))
            self.assertTrue(queue.wait("a", 0))
            self.assertFalse(self.is_readable(queue, "a"))

    def test_it_is_readable_for_what_came_before_it_was_asked_for(self):
        queue = self.queue(("a",), 3)
        queue.receive("a", "x", 1)
        self.assertTrue(self.is_readable(queue, "a"))
        self.assertTrue(queue.wait("a", 0))
        self.assertFalse(self.is_readable(queue, "a"))

    def test_a_thousand_waits_leave_nothing(self):
        queue = self.queue(("a",), 3)
        for number in range(3000):
            queue.receive("a", "x", number)
            self.assertTrue(queue.wait("a", 0))
        self.assertFalse(queue.wait("a", 0))
        figures = queue.stats()
        self.assertLess(figures.pop("bytes"), 4096)
        self.assertEqual(
            figures, dict(buffers=1, values=3, received=3000, discarded=2997, refused=0)
        )

    def test_no_wake_up_is_lost(self):
        queue, rounds = self.queue(("there", "back"), 1, "rw"), 300

        def work(number):
            mine, other = (("there", "back"), ("back", "there"))[number]
            for value in range(rounds):
                if number == 0:
                    queue.sync_receive(other, "x", value)
                wait_for = now() + DEADLINE
                while queue.sync_extract(mine, "x") != (value,):
                    queue.wait(mine, 1)
                    assert now() < wait_for, "a value is not told of"
                if number == 1:
                    queue.sync_receive(other, "x", value)

        started = now()
        in_threads(2, work)
        # One that were lost would cost a second.
        self.assertLess(now() - started, DEADLINE)

    def test_a_value_ends_the_wait_of_one(self):
        queue = self.queue(("a",), 3)
        waiters = [waiting(lambda: queue.wait("a", 0.5)) for _ in range(3)]
        queue.receive("a", "x", 1)
        for thread, _ in waiters:
            thread.join(DEADLINE)
        self.assertEqual(sorted(found for _, (found,) in waiters), [False, False, True])

    def test_timeouts(self):
        queue = self.queue(("a",), 3)
        for timeout in (0.001, 0.05, 0.15):
            started = now()
            self.assertFalse(queue.wait("a", timeout))
            self.assertGreaterEqual(now() - started, timeout)
        for timeout in (-1, float("nan")):
            self.refused(ValueError, queue.wait, "a", timeout)
        self.refused(TypeError, queue.wait, "a", "1")

    def test_close_ends_a_wait(self):
        queue = self.queue(("a",), 3)
        thread, outcome = waiting(lambda: queue.wait("a"))
        queue.close()
        thread.join(DEADLINE)
        self.assertEqual(outcome[0].errno, errno.EBADF)

    def test_interrupt(self):
        check_interrupt(
            "from pyhelpers.receive_queue import *; made = ReceiveQueue(('a',), 1)",
            "made.wait('a')",
        )

    def test_a_queue_that_nobody_waits_for_has_no_descriptor(self):
        with leaves_nothing():
            before = descriptors()
            queue = ReceiveQueue(("a",), 3, "rw")
            queue.sync_receive("a", "x", 1)
            self.assertEqual(descriptors(), before)
            queue.fileno("a")
            self.assertNotEqual(descriptors(), before)
            queue.close()


class Released(QueueTest):
    """Without the help of the collector, where there is one that can do without."""

    def setUp(self):
        gc.disable()
        self.addCleanup(gc.enable)

    def check_gone(self, *references):
        if PYPY:
            collect_garbage()
        self.assertEqual([reference() for reference in references], [None] * len(references))

    def put(self, queue, idx):
        thing = Thing()
        queue.sync_receive("a", idx, thing)
        return weakref.ref(thing)

    def test_what_falls_out(self):
        for policy in POLICIES:
            queue = self.queue(("a",), 2, policy)
            first, second, third = (self.put(queue, "x") for _ in range(3))
            self.check_gone(first)
            self.assertIs(second(), queue.extract("a", "x")[0])
            queue.receive_many("a", "x", (1, 2))
            self.check_gone(second, third)

    def test_what_is_forgotten_and_what_a_closed_one_had(self):
        for policy in POLICIES:
            queue = self.queue(("a",), 2, policy)
            forgotten, kept = self.put(queue, "x"), self.put(queue, "y")
            queue.forget("a", "x")
            self.check_gone(forgotten)
            self.assertIsNotNone(kept())
            queue.close()
            self.check_gone(kept)

    def test_no_cycle_outlives_the_queue(self):
        for policy in POLICIES:
            for cls in (ReceiveQueue, Counting):
                queue = cls(("a",), 2, policy)
                queue.sync_receive_many("a", "x", (1, 2))
                queue.sync_extract_all("a")
                queue.wait("a", 0)
                queue.fileno("a")
                queue.stats()
                self.refused(IndexError, queue.sync_receive, "b", "x", 1)
                value, whole = self.put(queue, "y"), weakref.ref(queue)
                native = weakref.ref(queue._native.handle)
                del queue
                self.check_gone(whole, value, native)

    def test_a_dropped_one_leaves_nothing(self):
        with leaves_nothing():
            queue = ReceiveQueue(("a",), 2)
            queue.receive("a", "x", queue)
            queue.fileno("a")
            del queue
            collect_garbage()


class Forks(QueueTest):
    def test_a_child_has_a_copy_of_its_own(self):
        for policy in POLICIES:
            queue = self.queue(("a",), 3, policy)
            queue.sync_receive("a", "x", 1)
            queue.wait("a", 0)

            def checks():
                queue.sync_receive("a", "x", 2)
                assert queue.sync_extract("a", "x") == (1, 2)
                assert queue.sync_extract_all("a") == {"x": (1, 2)}
                for call in (queue.wait, queue.fileno):
                    error = self.fails_with(errno.EBADF, call, "a")
                    assert "process %d" % os.getppid() in str(error)
                queue.close()

            in_a_child(checks)
            self.assertEqual(queue.sync_extract("a", "x"), (1,))
            self.assertFalse(queue.wait("a", 0))
            queue.sync_receive("a", "x", 3)
            self.assertTrue(queue.wait("a", 0))


if __name__ == "__main__":
    unittest.main()
