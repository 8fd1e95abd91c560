"""Programs of others as peers of the event loop: socat, curl, Python's socketserver, Redis.

Run with the package importable (PYTHONPATH=bindings/python). The tests of programs that are not
there are skipped, and say so; then it ends with status 3. Source for CPython 2.7 too.
"""

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from faces import HOST, Plain, Pyed, reserved_port

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "..", "..", "bindings", "python", "examples")
sys.path.append(EXAMPLES)

from redis_client import RedisClient, RedisError  # noqa: E402

#: Exit status for "a tool I need is not here".
NOT_FOUND = 3

#: For what takes milliseconds unless it hangs, and for all tests together.
DEADLINE, ALL_SECONDS = 20, 120

#: The programs, each named like its package.
PROGRAMS = ["socat", "curl", "redis-server"]

LARGE = os.urandom(1 << 12) * (1 << 10)

now = getattr(time, "monotonic", time.time)


def has(program):
    folders = os.environ["PATH"].split(os.pathsep)
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders)


MISSING = [program for program in PROGRAMS if not has(program)]


def needs(program):
    reason = "not found: %s (apt install %s)" % (program, program)
    return unittest.skipIf(program in MISSING, reason)


@contextlib.contextmanager
def running(*command, **pipes):
    """A process that ends with the block, if it does not before."""
    process = subprocess.Popen([str(word) for word in command], **pipes)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


class PeerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    @contextlib.contextmanager
    def files(self, content):
        """A file to be read, which has this content, and one to be written, named "heard"."""
        with open(self.path("sent"), "wb") as sent:
            sent.write(content)
        with open(self.path("sent"), "rb") as sent, open(self.path("heard"), "wb") as heard:
            yield sent, heard

    def content(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def wait_until(self, condition, what, between=lambda: time.sleep(0.01)):
        deadline = now() + DEADLINE
        while not condition():
            self.assertLess(now(), deadline, "never came true: " + what)
            between()


class FaceTest(object):
    """For both faces; ``Face`` is the one."""

    def setUp(self):
        super(FaceTest, self).setUp()
        self.face = self.Face()
        self.addCleanup(self.face.close)

    def turn_until(self, condition, what):
        self.wait_until(condition, what, self.face.turn)

    def ends(self, process):
        """The process ends, by itself and well."""
        self.turn_until(lambda: process.poll() is not None, "it ends")
        self.assertEqual(process.returncode, 0)


def echo(connection, data):
    connection.write(data)


def echo_until_point(connection, data):
    connection.write(data)
    if data.endswith(b"."):
        connection.close()


def deliver(connection, request):
    """Answers a request by HTTP with much, whose end is that of the connection."""
    if request.endswith(b"\r\n\r\n"):
        connection.write(b"HTTP/1.0 200 OK\r\n\r\n")
        connection.write(LARGE)
        connection.close()


class Clients(FaceTest):
    """Other programs' clients of our server."""

    @needs("socat")
    def test_socat_gets_back_all_that_it_sends(self):
        port = self.face.serve(echo)
        # It closes its side when all is sent, and waits so long for the other.
        command = ["socat", "-t", DEADLINE, "-", "TCP4:%s:%d" % (HOST, port)]
        with self.files(LARGE) as (sent, heard):
            with running(*command, stdin=sent, stdout=heard) as socat:
                self.ends(socat)
        self.assertTrue(self.content("heard") == LARGE)
        self.turn_until(lambda: self.face.broken == 1, "the link is broken")

    @needs("curl")
    def test_curl_talks_as_telnet(self):
        port = self.face.serve(echo_until_point)
        said = b"".join(b"line %d from curl\n" % number for number in range(20000)) + b"."
        # A file, since it hears nothing while it waits for its input.
        command = ["curl", "--silent", "telnet://%s:%d" % (HOST, port)]
        with self.files(said) as (sent, heard):
            with running(*command, stdin=sent, stdout=heard) as curl:
                self.ends(curl)
        self.assertTrue(self.content("heard") == said)

    @needs("curl")
    def test_curl_gets_all_that_was_written_before_close(self):
        url = "http://%s:%d/" % (HOST, self.face.serve(deliver))
        many = ["%s?%d" % (url, number) for number in range(4)]
        names = ["heard-%d" % number for number in range(len(many))]
        files = [word for name in names for word in ("--output", self.path(name))]
        with running("curl", "--silent", "--noproxy", "*", *(files + many)) as curl:
            self.ends(curl)
        for name in names:
            self.assertTrue(self.content(name) == LARGE)


class PyedClients(Clients, PeerTest):
    Face = Pyed


class PlainClients(Clients, PeerTest):
    Face = Plain


class Servers(FaceTest):
    """Our clients of Python's own server."""

    def test_socketserver_answers_each_line(self):
        said = [b"line %d from us\n" % number for number in range(2000)]
        command = [sys.executable, os.path.join(HERE, "line_server.py")]
        with running(*command, stdout=subprocess.PIPE) as server:
            port = int(server.stdout.readline())
            heard = [[] for _ in range(4)]
            for each in heard:
                connection = self.face.connect(port, lambda _, data, each=each: each.append(data))
                connection.write(b"".join(said) + b"end\n")
            self.turn_until(lambda: self.face.broken == len(heard), "the server closes")
        for each in heard:
            self.assertEqual(b"".join(each).splitlines(True), [line.upper() for line in said])


class PyedServers(Servers, PeerTest):
    Face = Pyed


class PlainServers(Servers, PeerTest):
    Face = Plain


@needs("redis-server")
class Redis(PeerTest):
    """The example's client, and Redis."""

    @contextlib.contextmanager
    def redis(self):
        """A server without persistence; gives it and its port."""
        reserved = reserved_port()
        self.addCleanup(reserved.close)
        port = reserved.getsockname()[1]
        command = ["redis-server", "--bind", HOST, "--port", port, "--daemonize", "no"]
        command += ["--unixsocket", self.path("socket"), "--dir", self.folder]
        command += ["--save", "", "--appendonly", "no", "--logfile", self.path("log")]
        with running(*command) as server:
            self.wait_until(lambda: self.is_up(server, port), "Redis listens")
            yield server, port

    def is_up(self, server, port):
        self.assertIsNone(server.poll(), "Redis has ended")
        try:
            RedisClient(HOST, port).close()
        except socket.error as error:
            self.assertEqual(error.errno, errno.ECONNREFUSED)
            return False
        return True

    def client(self, port):
        client = RedisClient(HOST, port)
        self.addCleanup(client.close)
        return client

    def test_commands(self):
        with self.redis() as (_, port):
            client = self.client(port)
            self.assertEqual(client.command(b"PING"), b"PONG")
            for value in b"", b"\r\n$-1\r\n\0\xff", LARGE:
                self.assertEqual(client.command(b"SET", b"key", value), b"OK")
                self.assertTrue(client.command(b"GET", b"key") == value)
            self.assertIsNone(client.command(b"GET", b"nothing"))
            self.assertEqual(client.command(b"RPUSH", b"list", b"a", b"b"), 2)
            self.assertEqual(client.command(b"LRANGE", b"list", b"0", b"-1"), [b"a", b"b"])
            self.assertRaises(RedisError, client.command, b"INCR", b"list")
            self.assertEqual(client.command(b"PING"), b"PONG")

    def test_a_pipeline_of_100000_commands(self):
        commands, expected = [], []
        for number in range(25000):
            key, value = b"key %d" % number, b"value %d" % (number * number)
            commands += [(b"SET", key, value), (b"GET", key), (b"INCR", b"count"), (b"INCR", key)]
            expected += [b"OK", value, number + 1, "ERR value is not an integer or out of range"]
        with self.redis() as (_, port):
            answers = self.client(port).pipeline(commands)
        texts = [str(answer) if type(answer) is RedisError else answer for answer in answers]
        self.assertEqual(len(texts), 100000)
        self.assertTrue(texts == expected)

    def test_a_server_that_ends(self):
        with self.redis() as (server, port):
            client = self.client(port)
            server.kill()
            self.assertRaises(EOFError, client.command, b"PING")
            server.wait()
            self.assertRaises(socket.error, RedisClient, HOST, port)

    def test_the_example_as_a_program(self):
        with self.redis() as (_, port):
            command = [os.path.join(EXAMPLES, "redis_client.py"), "--port", str(port), "PING"]
            self.assertIn(b"PONG", subprocess.check_output([sys.executable] + command))

    def test_by_its_unix_socket(self):
        face, heard = Plain(), []
        self.addCleanup(face.close)
        with self.redis():
            connection = face.connect_unix(self.path("socket"), lambda _, data: heard.append(data))
            connection.write(b"PING\r\n")
            self.wait_until(lambda: b"".join(heard) == b"+PONG\r\n", "it answers", face.turn)


def interrupt(*_signal):
    raise KeyboardInterrupt


def main():
    # Whatever ends the run, what it began ends too.
    for number in signal.SIGTERM, signal.SIGALRM:
        signal.signal(number, interrupt)
    signal.alarm(ALL_SECONDS)
    run = unittest.TestProgram(verbosity=2, exit=False)
    if not run.result.wasSuccessful():
        return 1
    if MISSING:
        print("not found: %s" % " ".join(MISSING))
        return NOT_FOUND
    return 0


if __name__ == "__main__":
    sys.exit(main())
