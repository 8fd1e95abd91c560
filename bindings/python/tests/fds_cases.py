"""Readers of test_fds.py. Python 2 cannot read this file, and does not."""

import asyncio

from support import DEADLINE


class Asyncio(object):
    """An event loop of asyncio's kind, by ``add_reader``."""

    new_loop = staticmethod(asyncio.new_event_loop)

    def run(self, main):
        loop = self.new_loop()
        try:
            return loop.run_until_complete(asyncio.wait_for(main(self), DEADLINE))
        finally:
            loop.close()

    async def readable(self, fd):
        loop = asyncio.get_event_loop()
        found = loop.create_future()
        loop.add_reader(fd, lambda: found.done() or found.set_result(None))
        try:
            await found
        finally:
            loop.remove_reader(fd)

    async def is_readable(self, fd):
        try:
            await asyncio.wait_for(self.readable(fd), 0.002)
        except asyncio.TimeoutError:
            return False
        return True

    async def together(self, *functions):
        """Runs coroutines side by side."""
        await asyncio.gather(*[function() for function in functions])


class Uvloop(Asyncio):
    def __init__(self):
        import uvloop

        self.new_loop = uvloop.new_event_loop


class Trio(object):
    def __init__(self):
        import trio

        self._trio = trio

    def run(self, main):
        async def in_time():
            with self._trio.fail_after(DEADLINE):
                return await main(self)

        return self._trio.run(in_time)

    async def readable(self, fd):
        await self._trio.lowlevel.wait_readable(fd)

    async def is_readable(self, fd):
        with self._trio.move_on_after(0.002):
            await self.readable(fd)
            return True
        return False

    async def together(self, *functions):
        async with self._trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(function)


def rounds(kind, sources, count):
    """Reads from each source as a program of this kind does: it waits for the descriptor, and takes
    what is there; in every round all sources at once. Gives what each took."""

    async def main(reader):
        found = [[] for _ in sources]

        async def round_of(source, messages, number):
            fd = source.fileno()
            assert not await reader.is_readable(fd), "readable too early"

            async def send():
                source.send(number)

            async def receive():
                while len(messages) <= number:
                    await reader.readable(fd)
                    messages.extend(source.take())

            await reader.together(receive, send)
            assert not await reader.is_readable(fd), "readable for nothing"

        for number in range(count):
            calls = [
                (lambda pair=pair: round_of(pair[0], pair[1], number))
                for pair in zip(sources, found)
            ]
            await reader.together(*calls)
        return found

    return kind().run(main)
