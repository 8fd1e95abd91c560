"""Coroutines of test_broadcast.py. Python 2 cannot read this file, and does not."""

import asyncio
import errno

from support import DEADLINE, now, numbered

TO_ALL = "127.255.255.255"


async def async_for(test):
    """It gives each message and stops after the timeout; again and again."""
    receiver, plain = test.receiver(timeout=0.1), test.plain()
    for _ in range(2):
        for data in numbered(3):
            plain.sendto(data, (TO_ALL, receiver.port))
        started = now()
        found = []
        async for (address, data) in receiver:
            found.append((address, data))
        test.assertEqual(found, [(plain.getsockname(), data) for data in numbered(3)])
        test.assertGreaterEqual(now() - started, 0.1)


async def others_run(test):
    """Waiting for a message, and a flood of them, let other tasks run."""
    receiver, plain = test.receiver(timeout=None), test.plain()
    turns = []

    async def other():
        while True:
            turns.append(len(turns))
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    waiting = asyncio.ensure_future(receiver.__anext__())
    await asyncio.sleep(0.02)
    test.assertGreater(len(turns), 1)
    plain.sendto(b"x", (TO_ALL, receiver.port))
    test.assertEqual((await waiting).data, b"x")
    # Answers that are always there let them run as well, now and then.
    before, end = len(turns), now() + 0.02
    while now() < end or len(turns) == before and now() < end + DEADLINE:
        plain.sendto(b"x", (TO_ALL, receiver.port))
        test.assertEqual((await receiver.__anext__()).data, b"x")
    test.assertGreater(len(turns), before)
    task.cancel()


async def again_and_again(test):
    """Each message that is waited for comes at once."""
    receiver, plain = test.receiver(timeout=60), test.plain()
    for data in numbered(5):
        waiting = asyncio.ensure_future(receiver.__anext__())
        await asyncio.sleep(0.01)
        plain.sendto(data, (TO_ALL, receiver.port))
        test.assertEqual((await waiting).data, data)


async def cancelled(test):
    """A task that is cancelled leaves the message to the next."""
    receiver, plain = test.receiver(timeout=None), test.plain()
    for delay in (0, 0.01):
        for data in numbered(20):
            waiting = asyncio.ensure_future(receiver.__anext__())
            await asyncio.sleep(delay)
            if delay:
                waiting.cancel()
                plain.sendto(data, (TO_ALL, receiver.port))
            else:
                plain.sendto(data, (TO_ALL, receiver.port))
                waiting.cancel()
            try:
                message = await waiting
            except asyncio.CancelledError:
                message = await receiver.__anext__()
            test.assertEqual(message.data, data)


async def several(test):
    """Each message goes to one of the tasks that wait, and no task waits for ever."""
    receiver, plain = test.receiver(timeout=None), test.plain()
    waiting = [asyncio.ensure_future(receiver.__anext__()) for _ in range(3)]
    await asyncio.sleep(0.01)
    for data in numbered(3):
        plain.sendto(data, (TO_ALL, receiver.port))
    found = [(await each).data for each in waiting]
    test.assertEqual(sorted(found), numbered(3))


async def closed(test):
    """A receiver that is closed, by whatever thread, ends the wait."""
    loop = asyncio.get_event_loop()
    for close in ("call", "thread"):
        receiver = test.receiver(timeout=None)
        waiting = asyncio.ensure_future(receiver.__anext__())
        await asyncio.sleep(0.01)
        if close == "call":
            receiver.close()
        else:
            await loop.run_in_executor(None, receiver.close)
        try:
            await waiting
        except OSError as error:
            test.assertEqual(error.errno, errno.EBADF)
        else:
            test.fail("it went on")
