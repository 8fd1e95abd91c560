"""The two faces of the event loop, for the same tests: what a server and a client do with either.

Source for CPython 2.7 too.
"""

import socket

from pyhelpers import EventLoop
from pyhelpers.pyed.events_select import events_select as events
from pyhelpers.pyed.tcpclient import tcpclient
from pyhelpers.pyed.tcpconnection import tcpconnection
from pyhelpers.pyed.tcpserver import tcpserver
from pyhelpers.pyed.timers import timers

HOST = "127.0.0.1"

#: Milliseconds of one turn at most.
TURN = 50


def reserved_port():
    """A socket with a free port that nobody else is given while it is open; who sets SO_REUSEADDR
    can listen there."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, 0))
    return made


class Face(object):
    """``serve`` and ``connect`` take ``received(connection, data)``, which follows all data;
    ``broken`` counts the connections that others than ``received`` have ended."""

    def __init__(self):
        self.broken = 0

    def count_broken(self, *_arguments):
        self.broken += 1


class Pyed(Face):
    """pyhelpers.pyed, driven as its document does."""

    def __init__(self):
        super(Pyed, self).__init__()
        self._timers, self._events = timers(), events()
        self._ends = []

    def serve(self, received):
        """Listens at a free port, and gives it."""
        reserved = reserved_port()
        port = reserved.getsockname()[1]
        conf = {"host": HOST, "port": port, "reuseaddr": 1}

        def accept(ev):
            self._follow(tcpconnection(ev.sock.accept()[0], conf, **self._where()), received)

        self._ends += [reserved.close, tcpserver(accept, conf, **self._where()).close]
        return port

    def connect(self, port, received):
        conf = {"host": HOST, "port": port}
        return self._follow(tcpclient(conf, **self._where()).connect(), received)

    def _where(self):
        return {"evs": self._events, "tms": self._timers}

    def _follow(self, connection, received):
        connection.set_recvmsg(lambda connection: received(connection, connection.read()))
        connection.set_broken(self.count_broken)
        self._ends.append(connection.close)
        return connection

    def turn(self):
        self._events.processevent(min(TURN, self._timers.processtimer()))

    def close(self):
        for end in self._ends:
            end()


class Plain(Face):
    """pyhelpers.EventLoop."""

    def __init__(self):
        super(Plain, self).__init__()
        self._loop = EventLoop()

    def serve(self, received):
        return self._loop.tcp_server(host=HOST, **self._handlers(received)).address[1]

    def connect(self, port, received):
        return self._loop.tcp_client(HOST, port, **self._handlers(received))

    def connect_unix(self, path, received):
        return self._loop.tcp_client("unix:" + path, 0, **self._handlers(received))

    def _handlers(self, received):
        return {"on_data": received, "on_close": self.count_broken}

    def turn(self):
        self._loop.run_once(TURN / 1000.0)

    def close(self):
        self._loop.close()
