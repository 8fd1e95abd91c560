"""A stopwatch, and ticks that do not drift: see :class:`TimeManager`."""

import errno
import time

from pyhelpers import _errors, _waiting
from pyhelpers._backend import backend

__all__ = ["TimeManager"]

_lib = backend.lib

#: Longest period in nanoseconds: 146 years, which a float can hold too.
_PERIOD_MAX = 1 << 62

#: The longest sleep that is left to one call, in nanoseconds.
_SLICE = _waiting.SLICE * 1000000

#: What a number of nanoseconds is in each resolution.
_RESOLUTIONS = {
    "s": lambda elapsed: elapsed // 1000000000,
    "ms": lambda elapsed: elapsed // 1000000,
    "us": lambda elapsed: elapsed // 1000,
    "ns": lambda elapsed: elapsed,
    "sf": lambda elapsed: elapsed / 1e9,
}


class TimeManager(object):
    """A stopwatch::

        tm = TimeManager()
        tm.tic()
        work()
        print(tm.toc("ms"))

    and a clock for what is to be done periodically::

        while True:
            work()
            overtime = tm.sleep_until_next(3)

    ``resolution``, of :meth:`toc` and :meth:`round`: "s", "ms", "us" or "ns" gives whole seconds,
    milliseconds, microseconds or nanoseconds as an int, rounded down; "sf" gives seconds as a
    float. Nanoseconds are as exact as CLOCK_MONOTONIC, which is never set, and does not count the
    time that the machine is suspended. Any other resolution is a ValueError.

    Thread safety: one thread at a time. In a forked child it goes on as in its parent. It can be
    neither copied nor pickled: TypeError.
    """

    def __init__(self):
        self._watch = backend.new("stopwatch_t")
        self._started = backend.keep(self._watch)
        #: The ticks have a stopwatch of their own: ``tic`` does not shift them.
        self._ticks = None

    def tic(self):
        """Starts the stopwatch, anew if it runs already."""
        _errors.check(_lib.stopwatch_tic(self._started))

    def toc(self, resolution="sf"):
        """The time since the last :meth:`tic` or :meth:`round`; the stopwatch goes on.

        Errors: RuntimeError before the first :meth:`tic`; ValueError.
        """
        return self._elapsed(_lib.stopwatch_toc, resolution)

    def round(self, resolution="sf"):
        """The same as :meth:`toc` and a :meth:`tic` at that very instant: the rounds add up to the
        whole time. Errors: as of :meth:`toc`; then the stopwatch goes on as it was."""
        return self._elapsed(_lib.stopwatch_round, resolution)

    def _elapsed(self, read, resolution):
        # Looked up first: a wrong one must not start a new round.
        try:
            convert = _RESOLUTIONS[resolution]
        except (KeyError, TypeError):
            known = ", ".join(map(repr, sorted(_RESOLUTIONS)))
            raise ValueError("resolution must be one of %s, not %r" % (known, resolution))
        elapsed = read(self._started)
        if elapsed == -errno.ENODATA:
            raise RuntimeError("the stopwatch was not started; call tic() first")
        return convert(_errors.check(elapsed))

    def sleep_until_next(self, period):
        """Sleeps until the next tick of a periodic task. Gives 0.0 after a sleep; when the tick is
        past already, comes back at once and gives the overtime in seconds, a float.

        ``period``: seconds between ticks, more than 0, rounded to nanoseconds.
        The ticks begin with the :meth:`tic` that came before the first call, or else with that
        call, and no delay adds up: what is late does not shift the ticks that follow. Those that
        were missed altogether are left out.

        Handlers of signals run during the sleep; unless one raises, it goes on to the same tick.
        Errors: ValueError, TypeError.
        """
        period_ns = _period(period)
        if self._ticks is None:
            self._ticks = self._started_ticks()
        ticks, at = self._ticks, backend.ref(self._ticks)
        while True:
            # A long sleep is not left to one call, which a signal that comes just before would not
            # end.
            left = (ticks.tick_ns or ticks.started_ns) + period_ns
            left -= ticks.started_ns + _errors.check(_lib.stopwatch_toc(at))
            if left > _SLICE:
                time.sleep(min(left - _SLICE, _SLICE) / 1e9)
                continue
            late = _lib.stopwatch_sleep_until_next(at, period_ns)
            if late != -errno.EINTR:
                return _errors.check(late) / 1e9

    def __reduce__(self):
        # A copy would have the address of the original's memory, which ends with the original.
        raise TypeError("a TimeManager can be neither copied nor pickled")

    def _started_ticks(self):
        """A stopwatch that was started when this one was, or is now."""
        ticks = backend.new("stopwatch_t")
        if self._watch.started_ns:
            ticks.started_ns = self._watch.started_ns
        else:
            _errors.check(_lib.stopwatch_tic(backend.ref(ticks)))
        return ticks


def _period(seconds):
    """As nanoseconds, 1 or more; at most what C takes."""
    if not seconds > 0:
        raise ValueError("a period must be more than 0 seconds, not %r" % (seconds,))
    nanoseconds = min(seconds * 1e9, _PERIOD_MAX)
    return max(1, int(round(nanoseconds)))
