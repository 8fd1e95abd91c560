"""One round trip of each family, on any Python of the project, with the package that is installed.

Prints, as JSON, what came back, the version, and the library that was really loaded.
"""

import json
import os
import socket
import tempfile

import pyhelpers
from pyhelpers.broadcast import BroadCastReceiver, BroadCastSender
from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
from pyhelpers.receive_queue import ReceiveQueue
from pyhelpers.time_manager import TimeManager
from pyhelpers.udp_handler import UdpHandlerDest
from pyhelpers.udping import openPeer

SECONDS = 10


def handler():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    owner = UdpHandlerDest(sock, event_fd=None)
    sock.close()
    owner.dispatch_many([("127.0.0.1", port, b"handler")])
    received = owner.get_recved_many(timeout=SECONDS)
    owner.shutdown()
    return received[0][2].decode()


def peer():
    with openPeer(port=0) as server, openPeer(port=0) as client:
        client.send_many([(b"peer", server.ha)])
        return server.receive_many(max_n=1, timeout=SECONDS)[0][0].decode()


def broadcast():
    with BroadCastReceiver(0, timeout=SECONDS) as receiver:
        with BroadCastSender(receiver.port) as sender:
            sender.start(b"broadcast", period=0.05)
            for _, data in receiver:
                return data.decode()


def tcp():
    answers = []
    with pyhelpers.EventLoop() as loop:

        def answered(connection, data):
            answers.append(data)
            loop.stop()

        server = loop.tcp_server(host="127.0.0.1", port=0, on_data=lambda c, data: c.write(data))
        client = loop.tcp_client(*server.address, on_data=answered)
        client.write(b"tcp")
        loop.run()
    return answers[0].decode()


def queue():
    buffers = ReceiveQueue(("group",), 4, "rw")
    buffers.sync_receive("group", "node", "queue")
    return buffers.sync_extract("group", "node")[0]


def pipe():
    path = os.path.join(tempfile.mkdtemp(), "pipe")
    with NamedPipeWrapper(path) as writer, NamedPipeWrapper(path) as reader:
        reader.open_pipe("r")
        writer.send("pipe")
        return reader.receive()


def stopwatch():
    watch = TimeManager()
    watch.tic()
    return "stopwatch" if watch.toc("s") < SECONDS else "slow"


def loaded():
    """The files of this name that the process has mapped."""
    with open("/proc/self/maps") as maps:
        paths = [line.split(None, 5)[-1].strip() for line in maps if "libpyhelpers" in line]
    return sorted(set(paths))


if __name__ == "__main__":
    families = [handler, peer, broadcast, tcp, queue, pipe, stopwatch]
    told = {
        "families": [str(family()) for family in families],
        "version": pyhelpers.__version__,
        "package": os.path.dirname(os.path.realpath(pyhelpers.__file__)),
        "loaded": loaded(),
    }
    print(json.dumps(told))
