"""A Redis client on pyhelpers.pyed: sends any number of commands at once, and gives their answers.

    redis_client.py [--host 127.0.0.1] [--port 6379] WORD [WORD ...]
"""

import argparse

from pyhelpers.pyed.events_epoll import events_epoll
from pyhelpers.pyed.tcpclient import tcpclient
from pyhelpers.pyed.timers import timers


class RedisError(Exception):
    """What Redis answered to a command that it did not carry out."""


class RedisClient(object):
    """A connection to Redis. Not for several threads at once.

    Errors of all calls: socket.error and socket.gaierror when there is no connection, EOFError when
    it ends before the answer, socket.error with EMSGSIZE for more than 64 MiB of commands at once.
    """

    def __init__(self, host="127.0.0.1", port=6379):
        self._events, self._timers = events_epoll(), timers()
        where = {"host": host, "port": port}
        self._link = tcpclient(where, self._events, self._timers).connect()
        self._link.set_recvmsg(self._received)
        self._link.set_broken(self._broken)
        self._is_broken = False
        #: What was received, and how much of it was looked at.
        self._buffer, self._at = bytearray(), 0

    def command(self, *words):
        """Sends a command, its words as bytes, and gives the answer: bytes, an int, a list of
        answers or None. RedisError when Redis refuses it."""
        (answer,) = self.pipeline([words])
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def pipeline(self, commands):
        """Sends commands without waiting in between, and gives the answers in their order, a
        RedisError in the place of each that Redis refused."""
        messages = [_encoded(words) for words in commands]
        self._link.write(b"".join(messages))
        return [self._answer() for _ in messages]

    def close(self):
        self._link.close()

    def _answer(self):
        line = self._take_line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode())
        count = int(rest)
        if kind == b":":
            return count
        if count < 0:
            return None
        if kind == b"$":
            return self._take(count + 2)[:-2]
        return [self._answer() for _ in range(count)]

    def _take_line(self):
        end = self._buffer.find(b"\r\n", self._at)
        while end < 0:
            self._wait()
            end = self._buffer.find(b"\r\n", self._at)
        return self._take(end + 2 - self._at)[:-2]

    def _take(self, size):
        while len(self._buffer) - self._at < size:
            self._wait()
        self._at += size
        return bytes(self._buffer[self._at - size : self._at])

    def _wait(self):
        if self._is_broken:
            raise EOFError("Redis has closed the connection")
        self._events.processevent(self._timers.processtimer())

    def _received(self, link):
        del self._buffer[: self._at]
        self._at = 0
        self._buffer += link.read()

    def _broken(self, link):
        self._is_broken = True


def _encoded(words):
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


def main():
    parser = argparse.ArgumentParser(description="Sends a command to Redis and prints the answer.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default=6379, type=int)
    parser.add_argument("words", nargs="+", metavar="WORD")
    options = parser.parse_args()
    client = RedisClient(options.host, options.port)
    print(client.command(*[word.encode() for word in options.words]))
    client.close()


if __name__ == "__main__":
    main()
