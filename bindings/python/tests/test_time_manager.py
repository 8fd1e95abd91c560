"""The stopwatch: its resolutions, what it refuses, and ticks that do not drift."""

import copy
import os
import pickle
import signal
import threading
import time
import unittest

from support import DEADLINE, HandlerTest, now
from looping import in_a_child
from peering import check_interrupt

from pyhelpers import time_manager
from pyhelpers.time_manager import TimeManager

#: How many of each make a second.
WHOLE = {"s": 1, "ms": 10 ** 3, "us": 10 ** 6, "ns": 10 ** 9}


class Stopwatch(HandlerTest):
    def test_the_example_of_the_seed(self):
        rest = []
        tm = TimeManager()
        period = 0.02

        for _ in range(3):
            # start the stopwatch
            tm.tic()

            # execute the time-consuming task
            started = now()

            # sleep for the remaining time
            if ( period - tm.toc('sf') > 0 ):
                time.sleep( period - tm.toc('sf') )
            else:
                pass
            rest.append(now() - started)
        self.assertGreater(min(rest), 0.015)

    def test_each_resolution(self):
        tm = TimeManager()
        before = now()
        tm.tic()
        inner = now()
        time.sleep(0.012)
        for resolution in ("ns", "us", "ms", "s", "sf"):
            shortest = now() - inner
            elapsed = tm.toc(resolution)
            longest = now() - before
            unit = 1.0 / WHOLE.get(resolution, 1)
            if resolution == "sf":
                self.assertIsInstance(elapsed, float)
                # A clock that Python 2 has: a microsecond's.
                self.assertTrue(shortest - 2e-6 <= elapsed <= longest + 2e-6, elapsed)
            else:
                self.assertIsInstance(elapsed, int if elapsed < 1 << 31 else type(1 << 63))
                self.assertTrue(shortest - unit - 2e-6 <= elapsed * unit <= longest + 2e-6, elapsed)
        self.assertEqual(tm.toc("s"), 0)
        self.assertGreaterEqual(tm.toc("ms"), 12)

    def test_all_are_rounded_down(self):
        for nanoseconds in (0, 999, 1000, 999999999, 1999999999, 86400 * 10 ** 9 + 999999):
            found = self.elapsed_of(nanoseconds)
            for resolution, whole in WHOLE.items():
                self.assertEqual(found[resolution], nanoseconds * whole // 10 ** 9)
            self.assertEqual(found["sf"], nanoseconds / 1e9)

    def elapsed_of(self, nanoseconds):
        """What each resolution makes of this."""
        tm = TimeManager()
        read = lambda _started: nanoseconds
        return {each: tm._elapsed(read, each) for each in ("s", "ms", "us", "ns", "sf")}

    def test_it_goes_on_until_the_next_tic(self):
        tm = TimeManager()
        tm.tic()
        found = [tm.toc("ns") for _ in range(100)]
        self.assertEqual(found, sorted(found))
        time.sleep(0.01)
        tm.tic()
        self.assertLess(tm.toc("ns"), 10 ** 7)

    def test_rounds_add_up_to_the_whole(self):
        whole, rounds = TimeManager(), TimeManager()
        before = now()
        whole.tic()
        rounds.tic()
        first = whole.toc("ns")
        total = sum(rounds.round("ns") for _ in range(1000))
        self.assertLessEqual(total, whole.toc("ns"))
        self.assertGreaterEqual(total, whole.toc("ns") - (first + int((now() - before) * 1e9)))
        # What is between the rounds is in one of them: nothing but the last call is missing.
        missing = whole.toc("ns") - total - rounds.toc("ns")
        self.assertLess(abs(missing), 5 * 10 ** 7)

    def test_toc_before_tic_says_so(self):
        for method in ("toc", "round"):
            tm = TimeManager()
            error = self.refused(RuntimeError, getattr(tm, method), "ms")
            self.assertIn("tic()", str(error))
            # round() has not started it either.
            self.refused(RuntimeError, tm.toc, "ms")

    def test_an_unknown_resolution_is_refused_and_starts_no_round(self):
        tm = TimeManager()
        for resolution in ("m", "", "NS", b"min", None, 3, [], u"\xb5s"):
            # Before the first tic, too.
            self.refused(ValueError, tm.toc, resolution)
        tm.tic()
        time.sleep(0.005)
        for resolution in ("min", None, []):
            for method in (tm.toc, tm.round):
                error = self.refused(ValueError, method, resolution)
                for known in ("s", "ms", "us", "ns", "sf"):
                    self.assertIn(repr(known), str(error))
        self.assertGreaterEqual(tm.toc("ms"), 5)

    def test_it_cannot_be_copied(self):
        tm = TimeManager()
        for way in copy.copy, copy.deepcopy, pickle.dumps:
            self.assertIn("copied", str(self.refused(TypeError, way, tm)))

    def test_in_a_forked_child_it_goes_on(self):
        tm = TimeManager()
        tm.tic()
        time.sleep(0.002)

        def checks():
            assert tm.toc("ms") >= 2
            tm.tic()

        in_a_child(checks)
        self.assertGreaterEqual(tm.toc("ms"), 2)


class Ticks(HandlerTest):
    def test_they_do_not_drift(self):
        tm, period = TimeManager(), 0.01
        tm.tic()
        started = now()
        for number in range(1, 11):
            # A task that takes less than the period.
            time.sleep(0.003)
            overtime = tm.sleep_until_next(period)
            if overtime == 0.0:
                self.assertIsInstance(overtime, float)
                self.assertGreaterEqual(now() - started, number * period - 0.0005)
        self.assertGreaterEqual(self.ticks_so_far(tm, period), 10)
        self.assertGreaterEqual(tm.toc("sf"), 10 * period)

    def ticks_so_far(self, tm, period):
        """How many periods the last tick lies behind the first; the grid must not have shifted."""
        nanoseconds = tm._ticks.tick_ns - tm._ticks.started_ns
        ticks, rest = divmod(nanoseconds, int(period * 1e9))
        self.assertEqual(rest, 0)
        return ticks

    def test_overtime_does_not_shift_the_grid(self):
        tm, period = TimeManager(), 0.05
        tm.tic()
        started = now()
        time.sleep(0.06)
        overtime = tm.sleep_until_next(period)
        late = now() - started - period
        self.assertIsInstance(overtime, float)
        self.assertTrue(0.009 <= overtime <= late + 2e-6 + period / 100, (overtime, late))
        before = self.ticks_so_far(tm, period)
        tm.sleep_until_next(period)
        self.assertGreater(self.ticks_so_far(tm, period), before)
        self.assertGreaterEqual(tm.toc("sf"), 2 * period)

    def test_missed_ticks_are_left_out(self):
        tm, period = TimeManager(), 0.01
        tm.tic()
        time.sleep(0.055)
        overtime = tm.sleep_until_next(period)
        self.assertGreaterEqual(overtime, 0.044)
        # The overtime counts from the first tick, and the last one before now is what the next
        # call goes on from.
        self.assertEqual(self.ticks_so_far(tm, period), 1 + int(overtime * 1e9 + 0.5) // 10 ** 7)

    def test_without_tic_they_begin_with_the_first_call(self):
        tm = TimeManager()
        time.sleep(0.02)
        started = now()
        self.assertEqual(tm.sleep_until_next(0.01), 0.0)
        self.assertGreaterEqual(now() - started, 0.0095)
        # It does not start the stopwatch.
        self.refused(RuntimeError, tm.toc, "ms")

    def test_tic_does_not_shift_them(self):
        tm, period = TimeManager(), 0.04
        started = now()
        tm.sleep_until_next(period)
        time.sleep(0.02)
        tm.tic()
        tm.sleep_until_next(period)
        self.assertGreaterEqual(self.ticks_so_far(tm, period), 2)
        self.assertGreaterEqual(now() - started, 2 * period - 0.0005)

    def test_a_sleep_of_several_slices_ends_at_the_tick(self):
        tm = TimeManager()
        tm.tic()
        self.assertEqual(tm.sleep_until_next(0.25), 0.0)
        self.assertTrue(0.25 <= tm.toc("sf") < DEADLINE)

    def test_no_long_sleep_is_one_that_a_signal_just_before_would_not_end(self):
        tm, left, library = TimeManager(), [], time_manager._lib

        class Watched(object):
            def __getattr__(self, name):
                return getattr(library, name)

            def stopwatch_sleep_until_next(self, *arguments):
                left.append(0.25 - tm.toc("sf"))
                return library.stopwatch_sleep_until_next(*arguments)

        self.addCleanup(setattr, time_manager, "_lib", library)
        time_manager._lib = Watched()
        tm.tic()
        tm.sleep_until_next(0.25)
        self.assertEqual(len(left), 1)
        self.assertLessEqual(left[0], 0.1)

    def test_periods_that_are_none(self):
        tm = TimeManager()
        for period in (0, -1, 0.0, -0.001, float("nan"), float("-inf")):
            self.refused(ValueError, tm.sleep_until_next, period)
        for period in (None, "1", [], object()):
            self.refused((TypeError, ValueError), tm.sleep_until_next, period)

    def test_handlers_run_and_the_sleep_goes_on(self):
        handled = []
        previous = signal.signal(signal.SIGALRM, lambda *_: handled.append(now()))
        self.addCleanup(signal.signal, signal.SIGALRM, previous)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        tm = TimeManager()
        tm.tic()
        started = now()
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        self.assertEqual(tm.sleep_until_next(0.2), 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.assertGreaterEqual(tm.toc("sf"), 0.2)
        # During the sleep, not after it.
        self.assertGreater(len([at for at in handled if at - started < 0.19]), 5)

    def test_interrupt(self):
        for period in (0.08, 60):
            check_interrupt(
                "import contextlib; from pyhelpers.time_manager import TimeManager\n"
                "tm = TimeManager(); made = contextlib.closing(open('/dev/null'))",
                "\n        while True: tm.sleep_until_next(%r)" % period,
            )

    def test_other_threads_run_meanwhile(self):
        tm, ran = TimeManager(), []
        thread = threading.Timer(0.02, lambda: ran.append(os.getpid()))
        thread.start()
        self.assertEqual(tm.sleep_until_next(0.09), 0.0)
        self.assertTrue(ran)
        thread.join()


if __name__ == "__main__":
    unittest.main()
