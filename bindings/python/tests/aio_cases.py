"""Coroutines of test_aio.py. Python 2 cannot read this file, and does not."""

import asyncio
import contextlib
import errno
import gc
import io
import itertools
import os
import pickle
import random
import select
import signal
import socket
import sys
import threading

from pyhelpers import _async, aio, udping
from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
from pyhelpers.receive_queue import UnknownGroup
from support import DEADLINE, PYPY, leaves_nothing, now, numbered

HOST = "127.0.0.1"
TO_ALL = "127.255.255.255"

#: Messages of a storm, and those that may be on their way at a time. There are as many
#: cancellations, in each of some twenty storms.
STORM, ON_THE_WAY = 25 if PYPY else 150, 40

#: Whether asyncio.wait_for gives what came in the instant of a cancellation.
WAIT_FOR_IS_SAFE = sys.version_info >= (3, 8, 6)


async def until(predicate, what):
    """Lets other tasks run until it is so."""
    end = now() + DEADLINE
    while not predicate():
        if now() > end:
            raise AssertionError("in %g seconds not: %s" % (DEADLINE, what))
        await asyncio.sleep(0.0005)


async def waiting(*coroutines):
    """Tasks that have got as far as to their waits."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    return tasks


async def cancel(*tasks):
    """Cancels until they are: before Python 3.12 wait_for may swallow it."""
    for task in tasks:
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled() or not task.exception(), task


@contextlib.contextmanager
def replaced(owner, name, value):
    was = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, was)


def is_readable(fd):
    return bool(select.select([fd], [], [], 0)[0])


# What there is to receive from: each kind gives it, send(data), and take(), a coroutine that gives
# a list of what was sent.


def of_handler(test):
    handler = test.handler()
    port = handler.test_port
    sender = test.socket()

    async def take():
        return [data for _, _, data, _ in await handler.receive(3)]

    return handler, lambda data: sender.sendto(data, (HOST, port)), take


def of_peer(test):
    peer, sender = test.peer(), test.socket()

    async def take():
        return [(await peer.receive())[0]]

    return peer, lambda data: sender.sendto(data, peer.ha), take


def of_peer_in_batches(test):
    peer, sender = test.peer(), test.socket()

    async def take():
        return [data for data, _ in await peer.receive_many(3)]

    return peer, lambda data: sender.sendto(data, peer.ha), take


def of_broadcast(test):
    receiver, sender = test.broadcast(), test.socket()
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

    async def take():
        return [(await receiver.__anext__()).data]

    return receiver, lambda data: sender.sendto(data, (TO_ALL, receiver.port)), take


def of_pipe(test, **options):
    pipe = test.pipe(**options)
    pipe.open_pipe("r")

    async def take():
        return [await pipe.receive()]

    return pipe, pipe.send, take


def of_bare_pipe(test):
    return of_pipe(test, framed=False)


def of_queue(test):
    """A wake-up stands for all that came before it."""
    queue = test.queue()
    sent, taken = [], []

    def send(data):
        sent.append(data)
        queue.receive("group", "idx", data)

    async def take():
        await queue.wait("group")
        new = sent[len(taken) :]
        taken.extend(new)
        return new

    return queue, send, take


KINDS_OF_WAIT_FOR = [of_handler, of_peer, of_pipe]

KINDS = [of_handler, of_peer, of_peer_in_batches, of_broadcast, of_pipe, of_bare_pipe, of_queue]


async def storm(test, kind, take_once, has_cancels=True):
    """Each message comes exactly once, though all that receive are cancelled again and again.

    ``take_once(take)``: a coroutine that gives the list of what it took.
    """
    _, send, take = kind(test)
    chance = random.Random(4)
    found, sent, tasks, dying = [], [], [], []

    async def receive():
        while True:
            found.extend(await take_once(take))

    while len(sent) < STORM:
        while len(tasks) < 3:
            tasks.append(asyncio.ensure_future(receive()))
        for _ in range(chance.randrange(3)):
            if len(sent) - len(found) < ON_THE_WAY:
                sent.append(b"%d" % len(sent))
                send(sent[-1])
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        if has_cancels:
            task = tasks.pop(chance.randrange(len(tasks)))
            if chance.randrange(2):
                await cancel(task)
            else:
                task.cancel()
                dying.append(task)
    tasks.append(asyncio.ensure_future(receive()))
    await until(lambda: len(found) >= len(sent), "all came")
    # A second time would be before this one.
    sent.append(b"%d" % len(sent))
    send(sent[-1])
    await until(lambda: sent[-1] in found, "the last came")
    for task in tasks + dying:
        await cancel(task)
    test.assertEqual(sorted(found, key=int), sent)


async def cancelled(test, kind):
    await storm(test, kind, lambda take: take())


async def timed_out(test, kind):
    """By wait_for, whose time is over at any moment; its caller is cancelled as well, where that
    may be."""
    chance = random.Random(5)

    async def take_once(take):
        try:
            return await asyncio.wait_for(take(), chance.choice([0, 0.00001, 0.0001, 0.001]))
        except asyncio.TimeoutError:
            return []

    await storm(test, kind, take_once, WAIT_FOR_IS_SAFE)


async def own_timeout(test):
    """What the timeouts of the calls give, and that they take nothing."""
    handler, peer, queue, pipe = test.handler(), test.peer(arrival=True), test.queue(), test.pipe()
    for timeout in (0, 0.02):
        started = now()
        test.assertEqual(await handler.receive(timeout=timeout), [])
        test.assertEqual(await peer.receive(timeout=timeout), (b"", None))
        test.assertEqual(await peer.receive_many(timeout=timeout), [])
        test.assertEqual(await peer.receive_arrivals(timeout=timeout), [])
        test.assertIs(await queue.wait("group", timeout=timeout), False)
        with test.assertRaises(BlockingIOError if timeout == 0 else TimeoutError):
            await pipe.receive(timeout=timeout)
        test.assertGreaterEqual(now() - started, 5.9 * timeout)
        test.assertLess(now() - started, 6 * timeout + 5)
    sender, chance, found = test.socket(), random.Random(6), []
    for data in numbered(100):
        sender.sendto(data, peer.ha)
        while len(found) <= int(data):
            received, sa = await peer.receive(timeout=chance.choice([0, 0.00001, 0.001]))
            found += [received] if sa else []
    test.assertEqual(found, numbered(100))


async def batches(test):
    """A server of the handler's own style, and a client."""
    async with test.handler() as server, test.handler() as client:

        async def serve():
            async for batch in server:
                server.dispatch_many((addr, port, data) for addr, port, data, _ in batch)

        serving = asyncio.ensure_future(serve())
        sent, found = numbered(2000), []
        for at in range(0, 2000, 100):
            items = [(HOST, server.test_port, data) for data in sent[at : at + 100]]
            test.assertEqual(client.dispatch_many(items), 100)
            while len(found) < at + 100:
                found += [data for _, _, data, _ in await client.receive(64)]
        test.assertEqual(sorted(found), sorted(sent))
        test.assertFalse(serving.done())
    await ended(test, serving)


async def ended(test, task):
    """It ends as waits for what is closed do."""
    try:
        await asyncio.wait_for(task, DEADLINE)
    except OSError as error:
        test.assertEqual(error.errno, errno.EBADF)
        return str(error)
    test.fail("it did not raise")


async def peers(test):
    async with aio.Peer(port=0, arrival=True) as server, aio.Peer(port=0) as client:
        test.assertTrue(server.opened)
        receiving, = await waiting(server.receive())
        test.assertEqual(await client.send(b"hello", server.ha), 5)
        test.assertEqual(await receiving, (b"hello", client.ha))
        test.assertEqual(await client.send(b"", server.ha), 0)
        test.assertEqual(await server.receive(), (b"", client.ha))
        sent = [b""] + numbered(20)
        test.assertEqual(await client.send_many((data, server.ha) for data in sent), 21)
        found = []
        while len(found) < 11:
            found += await server.receive_many(11 - len(found))
        test.assertEqual(found, [(data, client.ha) for data in sent[:11]])
        arrivals = await server.receive_arrivals()
        test.assertEqual([arrival.data for arrival in arrivals], sent[11:])
        test.assertEqual(await server.send(b"tos", client.ha, src=arrivals[0], ecn=1), 3)
        test.assertEqual(await client.receive(), (b"tos", server.ha))
        with test.assertRaises(ValueError):
            await client.receive_arrivals()
        # What one cannot send ends a batch; as the first it raises.
        refused = (b"x" * 65508, server.ha)
        with test.assertLogs("pyhelpers.udping"):
            test.assertEqual(await client.send_many([(b"a", server.ha), refused]), 1)
            with test.assertRaises(OSError):
                await client.send_many([refused])
    test.assertFalse(server.opened)
    with test.assertRaises(OSError):
        await server.receive()
    with test.assertRaises(OSError):
        await client.send(b"x", server.ha)


async def room(test):
    """The kernel always has room on the loopback interface: here it says twice that it has none,
    and takes one datagram then."""
    client, server = test.peer(), test.peer()
    answers, send_batch = [], client._socket.send

    def full(answer):
        def send(*arguments):
            answers.append(len(answers) % 3)
            return answer(*arguments) if answers[-1] == 2 else -errno.EAGAIN

        return send

    send_to, udping._send_to = udping._send_to, full(udping._send_to)
    client._socket.send = full(lambda records, hows, count: send_batch(records, hows, 1))
    try:
        for data in (b"", b"x"):
            test.assertEqual(await client.send(data, server.ha), len(data))
            test.assertEqual(await client.send(data, server.ha, tos=4), len(data))
        test.assertEqual(await client.send_many([(b"y", server.ha)] * 2), 2)
    finally:
        udping._send_to = send_to
    test.assertEqual(answers, [0, 1, 2] * 6)
    found = []
    while len(found) < 6:
        found += [data for data, _ in await server.receive_many()]
    test.assertEqual(found, [b"", b"", b"x", b"x", b"y", b"y"])


async def broadcasts(test):
    sender = test.socket()
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    async with aio.BroadCastReceiver(0, timeout=0.05) as receiver:
        for data in numbered(3):
            sender.sendto(data, (TO_ALL, receiver.port))
        found = []
        async for address, data in receiver:
            found.append((address, data))
        test.assertEqual(found, [(sender.getsockname(), data) for data in numbered(3)])
    with test.assertRaises(OSError):
        receiver.fileno()


async def queues(test):
    handler, sender = test.handler(), test.socket()
    async with aio.ReceiveQueue(("python", "native", "idle"), 100) as queue:
        idle, = await waiting(queue.wait("idle"))
        with queue.feed(handler, "native"):
            for number in range(50):
                python, native = await waiting(queue.wait("python"), queue.wait("native"))
                queue.receive("python", "idx", number)
                test.assertIs(await python, True)
                test.assertFalse(native.done())
                sender.sendto(b"%d" % number, (HOST, handler.test_port))
                test.assertIs(await native, True)
                test.assertEqual(queue.extract("native", sender.getsockname())[-1], b"%d" % number)
        test.assertFalse(idle.done())
        with test.assertRaises(UnknownGroup):
            await queue.wait("no such group")
    await ended(test, idle)


async def pipes(test):
    """Iteration gives every message, None too, and stops when the pipe is closed."""
    messages = [None, {"foo": "bar"}, b"x" * 300000, ()]
    async with test.pipe() as pipe:
        found = []

        async def receive():
            async for message in pipe:
                found.append(message)

        receiving, = await waiting(receive())
        writer = test.plain_pipe(pipe.pipe_path)
        loop = asyncio.get_event_loop()
        for message in messages:
            # More than there is room for: it must be read meanwhile.
            test.assertTrue(await loop.run_in_executor(None, writer.send, message))
        await until(lambda: len(found) == len(messages), "all came")
        test.assertEqual(found, messages)
        test.assertFalse(receiving.done())
    await receiving
    with test.assertRaises(TypeError):
        iter(pipe)


async def bare_messages_of_one_read(test):
    """Each task that waits gets one, though the descriptor tells of the first alone."""
    pipe = test.pipe(framed=False)
    tasks = await waiting(*(pipe.receive() for _ in range(5)))
    with open(pipe.pipe_path, "wb", buffering=0) as raw:
        raw.write(b"".join(pickle.dumps(number, 2) for number in range(5)))
    found = await asyncio.gather(*tasks)
    test.assertEqual(sorted(found), list(range(5)))
    # Though one that goes before them cannot be loaded.
    tasks = await waiting(*(pipe.receive() for _ in range(3)))
    with open(pipe.pipe_path, "wb", buffering=0) as raw:
        raw.write(b"cno_such_module\nname\n." + pickle.dumps(0, 2) + pickle.dumps(1, 2))
    found = await asyncio.gather(*tasks, return_exceptions=True)
    test.assertEqual([number for number in found if number in (0, 1)], [0, 1])


async def a_reader_in_the_middle(test):
    """While another reader is in a message the descriptor stays readable: that costs little."""
    loop = asyncio.get_event_loop()
    pipe = test.pipe(serializer="raw")
    writer, other = (test.plain_pipe(pipe.pipe_path, serializer="raw") for _ in range(2))
    other.open_pipe("r")
    while True:
        writing = loop.run_in_executor(None, writer.send, b"x" * (3 << 20))
        await until(lambda: is_readable(pipe.fileno()), "the message is begun")
        try:
            other.receive(timeout=0)
        except BlockingIOError:
            break
        # The writer was as fast.
        await writing
    looks, receive = [], NamedPipeWrapper.receive

    def counted(self, timeout=None):
        looks.append(timeout)
        return receive(self, timeout)

    NamedPipeWrapper.receive = counted
    try:
        started = now()
        receiving = asyncio.ensure_future(pipe.receive())
        await until(lambda: len(looks) >= 20, "it looks again and again")
    finally:
        NamedPipeWrapper.receive = receive
    # It looks twice, and each nap is twice as long as the one before.
    test.assertGreater(now() - started, 0.02)
    test.assertTrue(is_readable(pipe.fileno()))
    test.assertEqual(len(await loop.run_in_executor(None, other.receive)), 3 << 20)
    test.assertTrue(await writing)
    test.assertTrue(writer.send(b"next"))
    test.assertEqual(await receiving, b"next")


async def several(test, kind):
    """Each message goes to one of the tasks that wait, and no task waits for ever."""
    _, send, take = kind(test)
    tasks = await waiting(*(take() for _ in range(20)))
    found = []
    for number, data in enumerate(numbered(20)):
        send(data)
        await until(lambda: sum(task.done() for task in tasks) > number, "somebody got it")
        test.assertEqual(sum(task.done() for task in tasks), number + 1)
    for task in tasks:
        found += await task
    test.assertEqual(sorted(found, key=int), numbered(20))


async def others_run(test, kind):
    """Whatever a task asks for, and though it is always there, others run every millisecond."""
    _, send, take = kind(test)
    turns, start, steps = [], _async.monotonic(), itertools.count(100)
    _async._here.turned = start

    async def other():
        while True:
            turns.append(len(turns))
            await asyncio.sleep(0)

    tasks = await waiting(other())
    # Of ten steps a millisecond, each time that somebody looks at it.
    with replaced(_async, "monotonic", lambda: start + next(steps) * 0.0001):
        before = len(turns)
        for data in numbered(55):
            send(data)
            await take()
    test.assertGreaterEqual(len(turns) - before, 4)
    if kind in (of_peer, of_queue):
        # There at once.
        test.assertLessEqual(len(turns) - before, 8)
    await cancel(*tasks)


async def closed(test, kind):
    """It wakes all that wait, by whatever thread it is closed, with what calls of a closed one
    raise."""
    for by_thread in (False, True):
        made, _, take = kind(test)
        tasks = await waiting(take(), take(), take())
        close = getattr(made, "shutdown", None) or made.close
        started = now()
        if by_thread:
            # When the loop is asleep.
            threading.Timer(0.01, close).start()
        else:
            close()
        for task in tasks + [asyncio.ensure_future(take())]:
            test.assertRegex(await ended(test, task), "closed|shut down")
        test.assertLess(now() - started, DEADLINE / 2)


async def closed_by_a_signal(test, kind):
    """A handler that closes it wakes a loop that is asleep."""
    made, _, take = kind(test)
    close = getattr(made, "shutdown", None) or made.close
    was = signal.signal(signal.SIGUSR1, lambda *_arguments: close())
    try:
        task, = await waiting(take())
        started = now()
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        await ended(test, task)
        test.assertLess(now() - started, DEADLINE / 2)
    finally:
        signal.signal(signal.SIGUSR1, was)


async def closed_before_the_wait(test, kind):
    """A thread closes it between a look in vain and the wait."""
    made, _, take = kind(test)
    close = getattr(made, "shutdown", None) or made.close
    dup = _async.os.dup

    def closing_dup(fd):
        copy = dup(fd)
        close()
        return copy

    with replaced(_async.os, "dup", closing_dup):
        with test.assertRaises(OSError) as caught:
            await take()
    test.assertEqual(caught.exception.errno, errno.EBADF)


async def closed_while_tasks_come(test, kind):
    """A thread closes it at any moment: nobody who begins to wait then is forgotten."""
    loop = asyncio.get_event_loop()
    for _ in range(3):
        made, _, take = kind(test)
        tasks = await waiting(take())
        close = getattr(made, "shutdown", None) or made.close
        closing = loop.run_in_executor(None, close)
        while not closing.done():
            tasks.append(asyncio.ensure_future(take()))
            await asyncio.sleep(0)
        for task in tasks:
            await ended(test, task)


async def reopened(test):
    """Who waits learns of it, and does not wait for what is no longer there."""
    peer, sender = test.peer(), test.socket()
    task, = await waiting(peer.receive())
    peer.reopen()
    later, = await waiting(peer.receive())
    await ended(test, task)
    sender.sendto(b"x", peer.ha)
    test.assertEqual((await later)[0], b"x")

    pipe = test.pipe()
    task, = await waiting(pipe.receive())
    pipe.close_pipe()
    later, = await waiting(pipe.receive())
    await ended(test, task)
    test.assertTrue(pipe.send("x"))
    test.assertEqual(await later, "x")


async def loops_in_threads(test):
    """Tasks of two loops wait for one object."""
    _, send, take = of_handler(test)
    found, policy = [], type(asyncio.get_event_loop())

    def run():
        loop = policy()
        loop.run_until_complete(asyncio.wait_for(receive(), DEADLINE))
        loop.close()

    async def receive():
        while b"end" not in found:
            try:
                found.extend(await asyncio.wait_for(take(), 0.005))
            except asyncio.TimeoutError:
                pass

    thread = threading.Thread(target=run)
    thread.start()
    here = asyncio.ensure_future(receive())
    for data in numbered(200):
        send(data)
        await asyncio.sleep(0)
    await until(lambda: len(found) == 200, "all came")
    send(b"end")
    await here
    await asyncio.get_event_loop().run_in_executor(None, thread.join)
    test.assertEqual(sorted(found[:200], key=int), numbered(200))


async def waits_for_room_end(test):
    """A peer that is reopened has its port again, though a task waits to send by the old socket."""
    peer = test.peer()
    port = peer.port
    with replaced(udping, "_send_to", lambda *_arguments: -errno.EAGAIN):
        task, = await waiting(peer.send(b"x", peer.ha))
        test.assertTrue(peer.reopen())
        await ended(test, task)
    test.assertEqual(peer.port, port)


async def one_descriptor(test, kind):
    """Wait after wait has the same one, and it goes when something comes for which nobody waits."""
    _, send, take = kind(test)
    await until_settled()
    dups, dup = [], os.dup
    with replaced(_async.os, "dup", lambda fd: dups.append(fd) or dup(fd)):
        for data in numbered(10):
            task, = await waiting(take())
            send(data)
            test.assertEqual(await task, [data])
        await cancel(*await waiting(take(), take()))
    test.assertEqual(len(dups), 1)
    watched = len(descriptors())
    send(b"10")
    await until(lambda: len(descriptors()) == watched - 1, "it is closed")
    test.assertEqual(await take(), [b"10"])


async def until_settled():
    """Descriptors that others left to the collector, and to the loop's next turn, are closed."""
    gc.collect()
    await asyncio.sleep(0)


def descriptors():
    # The listing's own is closed by then.
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + fd)]


async def given_up(test):
    """An object that nobody has any more, and that nobody closed, leaves no descriptor."""
    await until_settled()
    before = descriptors()
    peer = aio.Peer(port=0, reopen=True)
    await cancel(*await waiting(peer.receive()))
    test.assertNotEqual(descriptors(), before)
    del peer

    def is_gone():
        gc.collect()
        return set(descriptors()) <= set(before)

    await until(is_gone, "all are closed")


async def no_descriptor(test, kind):
    """Where descriptors are short a wait raises, and the next one is as ever."""
    _, send, take = kind(test)

    def none(_fd):
        raise OSError(errno.EMFILE, "as if")

    with contextlib.redirect_stderr(io.StringIO()) as noise:
        with replaced(_async.os, "dup", none):
            with test.assertRaises(OSError) as caught:
                await take()
        test.assertEqual(caught.exception.errno, errno.EMFILE)
        del caught
        gc.collect()
    test.assertEqual(noise.getvalue(), "")
    task, = await waiting(take())
    send(b"0")
    test.assertEqual(await task, [b"0"])


async def contexts(test):
    """A task that goes on is the current one, in its own context."""
    from contextvars import ContextVar

    peer, sender, variable = test.peer(), test.socket(), ContextVar("variable", default=None)

    async def receive(number):
        variable.set(number)
        for _ in range(3):
            await peer.receive()
            test.assertEqual(variable.get(), number)
            test.assertIs(asyncio.current_task(), tasks[number])

    tasks = [asyncio.ensure_future(receive(number)) for number in range(3)]
    for data in numbered(9):
        await asyncio.sleep(0)
        sender.sendto(data, peer.ha)
    await asyncio.gather(*tasks)
    test.assertIs(variable.get(), None)


async def nothing_is_left(test):
    for kind in KINDS:
        with leaves_nothing():
            made, send, take = kind(test)
            tasks = await waiting(take(), take())
            send(b"0")
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            del made, send, take, tasks, task
            test.doCleanups()
            # What the loop watched it closes itself.
            await asyncio.sleep(0)


async def bad_arguments(test):
    handler, peer, queue, pipe = test.handler(), test.peer(), test.queue(), test.pipe()
    for call in (
        lambda: handler.receive(timeout=-1),
        lambda: handler.receive(0),
        lambda: peer.receive(timeout=-1),
        lambda: peer.receive_many(0),
        lambda: peer.send_many([(b"x",)]),
        lambda: queue.wait("group", timeout=-1),
        lambda: pipe.receive(timeout=-1),
    ):
        with test.assertRaises(ValueError):
            await call()
    with test.assertRaises(TypeError):
        aio.UdpHandler(test.socket(), event_fd=1)
    with test.assertRaises(TypeError):
        await peer.send("text", peer.ha)
