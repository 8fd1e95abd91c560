"""Waiting by asyncio. Python 2 cannot read this file, and does not.

Whoever waits looks for an answer in the last step before the answer is returned: a task that is
cancelled, at whatever ``await``, has taken nothing away.
"""

import asyncio
import os
import threading
import weakref
from collections import deque
from time import monotonic

from pyhelpers._arguments import milliseconds

#: Seconds for which answers that are there are given without a turn of all other tasks.
_SPELL = 0.001

#: Seconds of the first and the longest nap while somebody else takes what is there.
_NAP_FIRST, _NAP_LAST = 0.0001, 0.02


class _Here(threading.local):
    """Of each thread, as it runs one event loop at a time."""

    #: When all other tasks were known to have had their turn. By a clock of our own: uvloop's
    #: stands still until then.
    turned = 0.0


_here = _Here()


async def following(attempt, fileno, timeout, wakers):
    """The same as :func:`first`, as an asynchronous iterator has it."""
    answer = await first(attempt, fileno, timeout, wakers)
    if answer is None:
        raise StopAsyncIteration
    return answer


async def first(attempt, fileno, timeout, wakers, for_room=False, is_shared=False):
    """The first answer of ``attempt()`` that is not None; None when there was none for ``timeout``
    seconds; None: it may take for ever.

    ``fileno()``: a descriptor that is readable when there may be an answer; ``for_room``: that is
    writable then. ``wakers``: a set where it is left what ends the wait when called, from any
    thread: then ``attempt`` is to raise why. ``is_shared``: the descriptor may stay readable for
    what another process gets.
    """
    loop = asyncio.get_event_loop()
    deadline = None
    if timeout is not None:
        milliseconds(timeout)
        deadline = loop.time() + timeout
    nap = _NAP_FIRST
    if monotonic() - _here.turned > _SPELL:
        await asyncio.sleep(0)
        _here.turned = monotonic()
    answer = attempt()
    while answer is None and (deadline is None or loop.time() < deadline):
        line = _line_of(loop, wakers)
        if line is None:
            line = _Line(loop, fileno(), wakers, for_room)
            try:
                # Once more: what ends the wait from now on finds the line.
                answer = attempt()
            except BaseException:
                line()
                raise
        if answer is None:
            await line.turn(deadline)
            answer = attempt()
        if answer is None and is_shared:
            await asyncio.sleep(nap)
            nap = min(2 * nap, _NAP_LAST)
    return answer


def wake(wakers):
    """Ends the waits that are there."""
    for end in list(wakers):
        end()


def rouse(wakers):
    """Has all who wait look again, for what the descriptor does not tell."""
    for line in list(wakers):
        line.rouse()


def _line_of(loop, wakers):
    """The line of this loop; None when there is none."""
    for line in list(wakers):
        if line.is_over():
            wakers.discard(line)
        elif line.loop is loop:
            return line
    return None


class _Line(object):
    """Tasks of one event loop that wait for one descriptor, in the order in which they came.

    The loop watches the descriptor until it is ready and nobody waits, or ``wakers`` is gone. Each
    time that it is ready one task goes on: when it leaves something there, the descriptor is still
    ready for the next.
    """

    def __init__(self, loop, descriptor, wakers, for_room):
        self.loop = loop
        self._waiters = deque()
        self._ignore = loop.remove_writer if for_room else loop.remove_reader
        # A list: of several threads one alone can pop it.
        self._descriptor = []
        # The number of one that another thread closes is soon another's, and a loop watches a
        # descriptor for one at a time.
        copy = os.dup(descriptor)
        self._descriptor.append(copy)
        (loop.add_writer if for_room else loop.add_reader)(copy, self._wake_one)
        line = weakref.ref(self)
        # It ends with the object, which it does not keep.
        self._wakers = weakref.ref(wakers, lambda _: line()())
        wakers.add(self)

    def is_over(self):
        """Whether nobody can wait here any more."""
        if self.loop.is_closed():
            self._close()
        return not self._descriptor

    async def turn(self, deadline):
        """Waits to be woken, until the deadline."""
        waiter = _Waiter(loop=self.loop)
        timer = None if deadline is None else self.loop.call_at(deadline, _release, waiter)
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)
            if timer is not None:
                timer.cancel()
        _here.turned = monotonic()

    def _wake_one(self):
        for waiter in self._waiters:
            if not waiter.done():
                waiter.go_on()
                return
        if not self._waiters:
            self._end()

    def __call__(self):
        """Ends it and wakes all, from any thread, or a signal's handler. Who comes later has a line
        of their own."""
        wakers = self._wakers()
        if wakers is not None:
            wakers.discard(self)
        self._by_loop(self._end)

    def rouse(self):
        """Wakes all, from any task or thread."""
        if asyncio._get_running_loop() is self.loop:
            self._wake_all()
        else:
            self._by_loop(self._wake_all)

    def _by_loop(self, step):
        try:
            self.loop.call_soon_threadsafe(step)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            self._close()

    def _end(self):
        if self._descriptor:
            self._ignore(self._descriptor[0])
        self._close()
        self._wake_all()

    def _wake_all(self):
        for waiter in self._waiters:
            _release(waiter)

    def _close(self):
        try:
            os.close(self._descriptor.pop())
        except IndexError:
            pass

    #: With a loop that is given up without being closed.
    __del__ = _close


class _Waiter(asyncio.Future):
    """A future whose task can go on at once, instead of after the loop's next look at all
    descriptors."""

    def add_done_callback(self, callback, **context):
        self._callback, self._context = callback, context.get("context")
        super(_Waiter, self).add_done_callback(callback, **context)

    def go_on(self):
        """Gives the result and runs the task. To be called by the loop, not by a task."""
        self.remove_done_callback(self._callback)
        self.set_result(None)
        if self._context is None:
            self._callback(self)
        else:
            self._context.run(self._callback, self)


def _release(waiter):
    if not waiter.done():
        waiter.set_result(None)
