"""An echo server in Python, each of them as its own documents have it; serves until it is ended.

    servers.py pyed|EventLoop|asyncio|uvloop|gevent

Prints its port and its process first. All get the kernel's own socket buffers.
"""

import json
import os
import socket
import sys

HOST = "127.0.0.1"
READ_BYTES = 65536


def say_port(port):
    """One line for the parent, which starts the load."""
    print(json.dumps({"port": port, "pid": os.getpid()}), flush=True)


def free_port():
    """A port that nobody has at the moment."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return sock.getsockname()[1]


def serve_pyed():
    """The program of the module's document, which does nothing but echo."""
    from pyhelpers.pyed.events_epoll import events_epoll as events
    from pyhelpers.pyed.tcpconnection import tcpconnection
    from pyhelpers.pyed.tcpserver import tcpserver
    from pyhelpers.pyed.timers import timers

    conf = {"host": HOST, "port": free_port(), "blocking": 0, "reuseaddr": 1, "backlog": 1024}

    def recvmsg(c):
        buf = c.read()
        c.write(buf)

    def broken(c):
        c.close()

    def accepthandler(ev):
        csock, _ = ev.sock.accept()
        c = tcpconnection(csock, conf)
        c.set_recvmsg(recvmsg)
        c.set_broken(broken)

    srv = tcpserver(accepthandler, conf)  # noqa: F841: what is not kept is gone
    evs = events()
    tms = timers()
    say_port(conf["port"])
    while 1:
        t = tms.processtimer()
        evs.processevent(t)


def serve_event_loop():
    from pyhelpers import EventLoop

    def on_data(connection, data):
        connection.write(data)

    with EventLoop() as loop:
        server = loop.tcp_server(host=HOST, port=0, on_data=on_data)
        say_port(server.address[1])
        loop.run()


def serve_on(new_event_loop):
    """asyncio's loop, or one that takes its place."""
    import asyncio

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data)

    async def serve():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, HOST, 0, backlog=1024)
        say_port(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    new_event_loop().run_until_complete(serve())


def serve_asyncio():
    import asyncio

    serve_on(asyncio.new_event_loop)


def serve_uvloop():
    import uvloop

    serve_on(uvloop.new_event_loop)


def serve_gevent():
    from gevent.server import StreamServer

    def echo(sock, _):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                data = sock.recv(READ_BYTES)
                if not data:
                    break
                sock.sendall(data)
            except OSError:
                break  # the client has gone

    server = StreamServer((HOST, 0), echo, backlog=1024)
    server.start()
    say_port(server.server_port)
    server.serve_forever()


SERVERS = {
    "pyed": serve_pyed,
    "EventLoop": serve_event_loop,
    "asyncio": serve_asyncio,
    "uvloop": serve_uvloop,
    "gevent": serve_gevent,
}


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SERVERS:
        sys.exit(__doc__)
    SERVERS[sys.argv[1]]()
