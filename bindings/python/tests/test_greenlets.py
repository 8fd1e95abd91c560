"""Beside eventlet and gevent, the real packages: handlers are waited for like any descriptor, and
all other green threads run meanwhile.

Each test is a program of its own, as monkey patching cannot be undone. A package that cannot be
imported skips its tests by name; PYHELPERS_REQUIRE="eventlet,gevent" makes that an error.
"""

import importlib
import os
import unittest

from support import PY2, PYPY, HandlerTest, run_child, with_one_backend

setUpModule = with_one_backend

#: A program's beginning: two sockets, and room for a ticker's ticks.
BEGIN = """
import sys
from support import DEADLINE, EventFd, now, numbered, payloads, port_of, udp_socket
from pyhelpers.udp_handler import UdpHandlerDest

HOST = "127.0.0.1"
udp, client_udp = udp_socket(), udp_socket()
port = port_of(udp)
ticks = []
"""

#: Its end: all came while the ticker ran, and the process may end with the handlers open.
END = """
assert sorted(found) == sorted(numbered(200)), found
assert len(ticks) > 1, ticks
"""


#: The seed's program: a server on an event fd, and a client that waits for its own handler.
SEED = """
event_fd = EventFd()
handler = UdpHandlerDest(udp.fileno(),
                         send_reactors=16, send_flags=0x40,
                         event_fd=event_fd.fileno(), recv_reactors=8, recv_sockets_a_reactor=16,
                         debug_level=0)
udp.close()

def process_req(req):
    c_addr, c_port, data, delay = req
    handler.dispatch(c_addr, c_port, data)

def run_udp_handler():
    while 1:
        readable(event_fd.fileno())
        count = event_fd.receive()
        for v in range(count):
            req = handler.get_recved()
            if not req:
                continue
            spawn(process_req, req)

spawn(run_udp_handler)

client = UdpHandlerDest(client_udp.fileno(), event_fd=None)
found = []
spawn(tick)
client.dispatch_many([(HOST, port, data) for data in numbered(200)])
while len(found) < 200:
    readable(client.fileno())
    found += payloads(client.get_recved_many())
    pause()
"""

#: Two handlers that wait for nothing but each other, in turns of one datagram.
PING_PONG = """
server = UdpHandlerDest(udp.fileno(), event_fd=None)
client = UdpHandlerDest(client_udp.fileno(), event_fd=None)
found = []

def serve():
    while 1:
        readable(server.fileno())
        for addr, port, data, delay in server.get_recved_many():
            server.dispatch(addr, port, data)

spawn(serve)
spawn(tick)
for data in numbered(200):
    client.dispatch(HOST, port, data)
    readable(client.fileno())
    found.append(client.get_recved()[2])
server.shutdown()
client.shutdown()
"""

#: Waits that the package has in place of those of the standard library.
SELECT = """
handler = UdpHandlerDest(udp.fileno(), event_fd=None)
found = []
spawn(tick)
assert green_select([handler], [], [], 0.02)[0] == []
handler.dispatch_many([(HOST, port, data) for data in numbered(200)])
while len(found) < 200:
    assert green_select([handler], [], [], DEADLINE)[0] == [handler]
    found += payloads(handler.get_recved_many(10))
assert green_select([handler], [], [], 0)[0] == []
"""

#: Green sockets as the other side.
GREEN_SOCKETS = """
handler = UdpHandlerDest(udp.fileno(), event_fd=None)
found = []

def serve():
    while 1:
        readable(handler.fileno())
        for addr, port, data, delay in handler.get_recved_many():
            handler.dispatch(addr, port, data)

spawn(serve)
spawn(tick)
green = green_socket.socket(green_socket.AF_INET, green_socket.SOCK_DGRAM)
for data in numbered(200):
    green.sendto(data, (HOST, port))
    found.append(green.recv(100))
"""

#: What was dispatched just before the end goes out, green or not.
AT_EXIT = """
handler = UdpHandlerDest(udp.fileno(), gso=False, drain_timeout=DEADLINE)
spawn(tick)
while len(ticks) < 2:
    pause()
port, count = map(int, sys.argv[1:])
assert handler.dispatch_many([(HOST, port, b"x")] * count) == count
"""


class Programs(object):
    """What both packages are put through; ``package`` is the name of one."""

    def setUp(self):
        try:
            importlib.import_module(self.package)
        except ImportError as error:
            if self.package in os.environ.get("PYHELPERS_REQUIRE", "").split(","):
                raise
            raise unittest.SkipTest("%s cannot be imported: %s" % (self.package, error))

    def run_green(self, program, patch=""):
        run_child(patch + BEGIN + self.GREEN + program + END)

    def test_the_seeds_program(self):
        self.run_green(SEED)

    def test_the_seeds_program_monkey_patched(self):
        self.run_green(SEED, self.PATCH)

    def test_handlers_wait_for_each_other(self):
        self.run_green(PING_PONG)

    def test_select(self):
        self.run_green(SELECT)

    def test_green_sockets_on_the_other_side(self):
        self.run_green(GREEN_SOCKETS)

    def test_what_is_queued_at_the_end_goes_out(self):
        for patch in ("", self.PATCH):
            receiver, port = self.receiver(recv_policy="drop_newest", recv_queue_items=1)
            run_child(patch + BEGIN + self.GREEN + AT_EXIT, port, 10000)
            self.arrived(receiver, 10000)


class Eventlet(Programs, HandlerTest):
    package = "eventlet"

    # On PyPy3 eventlet looks at every object there is for locks to replace, which takes seconds.
    PATCH = "import eventlet; eventlet.monkey_patch(thread=%r)\n" % (PY2 or not PYPY)

    GREEN = """
import eventlet
from eventlet import greenthread, hubs
from eventlet.green import socket as green_socket
from eventlet.green.select import select as green_select

spawn = greenthread.spawn_n

def readable(fd):
    hubs.trampoline(fd, read=True, timeout=DEADLINE)

def pause():
    eventlet.sleep(0)

def tick():
    while 1:
        ticks.append(now())
        eventlet.sleep(0.001)
"""


class Gevent(Programs, HandlerTest):
    package = "gevent"

    PATCH = "import gevent.monkey; gevent.monkey.patch_all()\n"

    GREEN = """
import gevent
from gevent import socket as green_socket
from gevent.select import select as green_select

spawn = gevent.spawn

def readable(fd):
    hub = gevent.get_hub()
    with gevent.Timeout(DEADLINE):
        hub.wait(hub.loop.io(fd, 1))

def pause():
    gevent.sleep(0)

def tick():
    while 1:
        ticks.append(now())
        gevent.sleep(0.001)
"""

    def test_a_wait_in_a_native_thread_lets_others_run(self):
        self.run_green(
            """
handler = UdpHandlerDest(udp.fileno(), event_fd=None)
found = []
spawn(tick)
pool = gevent.get_hub().threadpool
waiting = pool.spawn(handler.get_recved_many, 1, timeout=DEADLINE)
gevent.sleep(0.01)
for data in numbered(200):
    handler.dispatch(HOST, port, data)
    found += payloads(waiting.get())
    waiting = pool.spawn(handler.get_recved_many, 1, timeout=DEADLINE)
handler.dispatch(HOST, port, b"last")
assert payloads(waiting.get()) == [b"last"]
"""
        )


if __name__ == "__main__":
    unittest.main()
