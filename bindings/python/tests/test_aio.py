"""pyhelpers.aio, in asyncio's event loop and in uvloop's.

Where uvloop cannot be imported, its tests are skipped by name; PYHELPERS_REQUIRE="uvloop" makes
that an error.
"""

import contextlib
import gc
import importlib
import os
import shutil
import sys
import tempfile
import unittest
import weakref

from support import DEADLINE, PY2, HandlerTest, port_of, with_one_backend

if not PY2:
    import asyncio

    import aio_cases
    from pyhelpers import aio
    from pyhelpers.named_pipe_wrapper import NamedPipeWrapper


setUpModule = with_one_backend


def settled_descriptors():
    """Those that are there when what nobody has any more is gone."""
    for _ in range(3):
        # PyPy runs finalizers after each.
        gc.collect()
    return aio_cases.descriptors()


class Cases(object):
    """The tests are coroutines of their own file, as Python 2 cannot read them."""

    def setUp(self):
        self.loop = self.new_loop()
        # As asyncio.run does, which Python 3.6 has not.
        asyncio.set_event_loop(self.loop)

    def tearDown(self):
        asyncio.set_event_loop(None)
        self.loop.close()

    def run_one(self, case, *arguments):
        coroutine = case(self, *arguments)
        self.loop.run_until_complete(asyncio.wait_for(coroutine, 2 * DEADLINE))

    def run_each(self, case, kinds=()):
        for kind in kinds or aio_cases.KINDS:
            with self.subTest(kind=kind.__name__):
                self.run_one(case, kind)

    # What the cases make, which ends with the test.

    def handler(self, **options):
        with contextlib.closing(self.socket()) as udp:
            made = aio.UdpHandler(udp, **options)
            made.test_port = port_of(udp)
        self.addCleanup(made.shutdown)
        return made

    def _closed_at_the_end(self, made):
        self.addCleanup(made.close)
        return made

    def peer(self, **options):
        return self._closed_at_the_end(aio.Peer(port=0, reopen=True, **options))

    def broadcast(self):
        return self._closed_at_the_end(aio.BroadCastReceiver(0, timeout=None))

    def queue(self):
        return self._closed_at_the_end(aio.ReceiveQueue(["group"], 10))

    def pipe(self, **options):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return self._closed_at_the_end(aio.NamedPipe(os.path.join(folder, "pipe"), **options))

    def plain_pipe(self, path, **options):
        return self._closed_at_the_end(NamedPipeWrapper(path, **options))

    # The tests

    def test_cancelled_tasks_lose_nothing(self):
        self.run_each(aio_cases.cancelled)

    def test_what_wait_for_cancels_loses_nothing(self):
        self.run_each(aio_cases.timed_out, aio_cases.KINDS_OF_WAIT_FOR)

    def test_timeouts_take_nothing(self):
        self.run_one(aio_cases.own_timeout)

    def test_handlers(self):
        self.run_one(aio_cases.batches)

    def test_peers(self):
        self.run_one(aio_cases.peers)

    def test_sending_waits_for_room(self):
        self.run_one(aio_cases.room)

    def test_broadcast(self):
        self.run_one(aio_cases.broadcasts)

    def test_queues(self):
        self.run_one(aio_cases.queues)

    def test_pipes(self):
        self.run_one(aio_cases.pipes)

    def test_bare_messages_of_one_read(self):
        self.run_one(aio_cases.bare_messages_of_one_read)

    def test_a_reader_in_the_middle_of_a_message(self):
        self.run_one(aio_cases.a_reader_in_the_middle)

    def test_several_tasks(self):
        self.run_each(aio_cases.several)

    def test_other_tasks_run(self):
        self.run_each(aio_cases.others_run)

    def test_close_ends_waits(self):
        self.run_each(aio_cases.closed)

    def test_close_by_a_signal(self):
        self.run_each(aio_cases.closed_by_a_signal)

    def test_close_before_the_wait(self):
        self.run_each(aio_cases.closed_before_the_wait)

    def test_close_while_tasks_begin_to_wait(self):
        self.run_each(aio_cases.closed_while_tasks_come)

    def test_what_is_opened_anew(self):
        self.run_one(aio_cases.reopened)

    def test_reopening_while_a_task_waits_to_send(self):
        self.run_one(aio_cases.waits_for_room_end)

    def test_one_descriptor_for_all_waits(self):
        self.run_each(aio_cases.one_descriptor)

    def test_no_descriptor_to_be_had(self):
        self.run_each(aio_cases.no_descriptor, [aio_cases.of_peer, aio_cases.of_queue])

    def test_loops_one_after_the_other(self):
        """What is left of one goes with the next one's wait, and the last with the object."""
        peer, loops, copies = self.peer(), [], set()
        dup, close = os.dup, os.close

        def noted_dup(fd):
            copy = dup(fd)
            copies.add(copy)
            return copy

        def noted_close(fd):
            copies.discard(fd)
            close(fd)

        with aio_cases.replaced(os, "dup", noted_dup), aio_cases.replaced(os, "close", noted_close):
            for _ in range(3):
                self.loop.close()
                self.setUp()
                loops.append(weakref.ref(self.loop))
                self.loop.run_until_complete(peer.receive(timeout=0.1))
                self.assertEqual(len(copies), 1)
            self.loop.close()
            settled_descriptors()
            self.assertEqual([loop() for loop in loops], [None, None, self.loop])
            peer.close()
            self.assertEqual(copies, set())

    def test_close_outside_of_the_loop(self):
        """What the loop was to do and did not, as it was closed, is done without it."""
        peer = self.peer()
        self.loop.run_until_complete(peer.receive(timeout=0.001))
        self.loop.close()
        peer.close()
        before = settled_descriptors()
        self.setUp()
        peer.reopen()
        self.loop.run_until_complete(peer.receive(timeout=0.001))
        peer.close()
        self.loop.close()
        self.assertLessEqual(set(settled_descriptors()), set(before))

    def test_an_object_that_is_given_up(self):
        self.run_one(aio_cases.given_up)

    @unittest.skipIf(sys.version_info < (3, 7), "Python 3.6 has no contextvars")
    def test_contexts(self):
        self.run_one(aio_cases.contexts)

    def test_loops_in_threads(self):
        self.run_one(aio_cases.loops_in_threads)

    def test_nothing_is_left(self):
        self.run_one(aio_cases.nothing_is_left)

    def test_bad_arguments(self):
        self.run_one(aio_cases.bad_arguments)


@unittest.skipIf(PY2, "Python 2 has no asyncio")
class Asyncio(Cases, HandlerTest):
    def new_loop(self):
        return asyncio.new_event_loop()


@unittest.skipIf(PY2, "Python 2 has no asyncio")
class Uvloop(Cases, HandlerTest):
    def new_loop(self):
        try:
            return importlib.import_module("uvloop").new_event_loop()
        except ImportError as error:
            if "uvloop" in os.environ.get("PYHELPERS_REQUIRE", "").split(","):
                raise
            raise unittest.SkipTest("uvloop cannot be imported: %s" % error)


if __name__ == "__main__":
    unittest.main()
