"""What works with asyncio. Python 2 cannot read this file, and does not."""

import asyncio
import os


async def following(attempt, fileno, timeout, wakers):
    """The same as :func:`first`, as an asynchronous iterator has it."""
    answer = await first(attempt, fileno, timeout, wakers)
    if answer is None:
        raise StopAsyncIteration
    return answer


async def first(attempt, fileno, timeout, wakers):
    """The first answer of ``attempt()`` that is not None; None when there was none for ``timeout``
    seconds; None: it may take for ever.

    ``fileno()``: a descriptor that is readable when there may be an answer. ``wakers``: a set where
    it is left what ends the wait when called, from any thread. A task that is cancelled meanwhile
    has taken no answer away.
    """
    loop = asyncio.get_event_loop()
    deadline = None if timeout is None else loop.time() + timeout
    # Answers that are always there would keep other tasks from running.
    await asyncio.sleep(0)
    answer = attempt()
    if answer is not None:
        return answer
    # Several tasks may wait, and a loop has one reader for a descriptor.
    descriptor = os.dup(fileno())
    try:
        while answer is None and (deadline is None or loop.time() < deadline):
            await _readable(loop, descriptor, deadline, wakers)
            answer = attempt()
    finally:
        os.close(descriptor)
    return answer


async def _readable(loop, descriptor, deadline, wakers):
    """Waits until the descriptor is readable, the deadline is over or somebody ends it."""
    woken = asyncio.Event()

    def wake():
        if not loop.is_closed():
            loop.call_soon_threadsafe(woken.set)

    timer = None if deadline is None else loop.call_at(deadline, woken.set)
    wakers.add(wake)
    loop.add_reader(descriptor, woken.set)
    try:
        await woken.wait()
    finally:
        loop.remove_reader(descriptor)
        wakers.discard(wake)
        if timer is not None:
            timer.cancel()
