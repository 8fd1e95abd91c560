"""Wrong uses: mypy must find the error that each line ignores, and no other. Nobody runs it."""

import socket
from typing import Callable

from pyhelpers import EventLoop, aio
from pyhelpers.broadcast import BroadCastReceiver, BroadCastSender
from pyhelpers.event_loop import Connection, Timer
from pyhelpers.libvirt_wrapper import LibvirtWrapper
from pyhelpers.named_pipe_wrapper import NamedPipeWrapper
from pyhelpers.pyed.event import event
from pyhelpers.pyed.events_epoll import events_epoll
from pyhelpers.pyed.tcpconnection import tcpconnection
from pyhelpers.pyed.timers import timers
from pyhelpers.receive_queue import ReceiveQueue
from pyhelpers.time_manager import TimeManager
from pyhelpers.udp_handler import UdpHandlerDest
from pyhelpers.udping import Peer, openPeer, openWL


def udp_handler(sock: socket.socket, handler: UdpHandlerDest) -> None:
    UdpHandlerDest()  # type: ignore[call-arg]
    UdpHandlerDest("3")  # type: ignore[arg-type]
    UdpHandlerDest(sock, send_policy="drop")  # type: ignore[arg-type]
    UdpHandlerDest(sock, send_queue=9)  # type: ignore[call-arg]
    handler.dispatch("::1", "9", b"")  # type: ignore[arg-type]
    handler.dispatch("::1", 9, [1])  # type: ignore[arg-type]
    handler.dispatch_many([("::1", 9)])  # type: ignore[list-item]
    handler.get_recved_many(max_n=1.5)  # type: ignore[arg-type]
    handler.stats()["drops"]  # type: ignore[typeddict-item]
    addr, port, data = handler.get_recved_many()[0]  # type: ignore[misc]
    handler.recv()  # type: ignore[attr-defined]


def peer(one: Peer) -> None:
    data, sa = one.receive()
    one.send(data, sa)  # type: ignore[arg-type]
    one.send("text", ("::1", 9))  # type: ignore[arg-type]
    one.send(b"", "::1")  # type: ignore[arg-type]
    one.send(b"", ("::1", 9), src=1)  # type: ignore[arg-type]
    one.send_many([b""])  # type: ignore[list-item]
    one.join(b"239.0.0.1")  # type: ignore[arg-type]
    one.path = ("", 0)  # type: ignore[misc]
    one.ttl = "1"  # type: ignore[assignment]
    one.ls.getsockname()  # type: ignore[union-attr]
    Peer("main")  # type: ignore[misc]
    openPeer(ReceiveQueue)  # type: ignore[type-var]
    openPeer(port="9")  # type: ignore[call-overload]
    openWL(prefx="a")  # type: ignore[call-overload]


def broadcast() -> None:
    BroadCastReceiver("9")  # type: ignore[arg-type]
    BroadCastSender(9, timeout=1)  # type: ignore[call-arg]
    BroadCastSender(9).send(1)  # type: ignore[arg-type]
    next(BroadCastSender(9))  # type: ignore[call-overload]


def event_loop(loop: EventLoop, ready: Callable[[int], None]) -> None:
    EventLoop("kqueue")  # type: ignore[arg-type]
    loop.call_soon(ready)  # type: ignore[arg-type]
    loop.call_soon(ready, "1")  # type: ignore[arg-type]
    loop.call_later("1", ready, 1)  # type: ignore[arg-type]
    loop.add_reader(None, ready, 1)  # type: ignore[arg-type]
    loop.tcp_server(on_data=ready)  # type: ignore[arg-type]
    loop.tcp_server(nodelai=True)  # type: ignore[call-arg]
    loop.tcp_client("::1")  # type: ignore[call-overload]
    loop.tcp_client("::1", 9, backlog=1)  # type: ignore[call-overload]
    loop.tcp_client("::1", 9).write("text")  # type: ignore[arg-type]
    loop.tcp_client("::1", 9).on_end = loop.stop  # type: ignore[assignment]
    loop.tcp_client("::1", 9).happened()  # type: ignore[attr-defined]
    Connection(loop, (), 0)  # type: ignore[arg-type]
    Timer(loop, print)  # type: ignore[arg-type]


def pyed(sock: socket.socket, on_socket: Callable[[event], None]) -> None:
    events_epoll().addevent(sock, on_socket, 1)  # type: ignore[arg-type]
    event(sock, timers())  # type: ignore[call-overload]
    event(1).add_read(on_socket)  # type: ignore[arg-type]
    event().sock.close()  # type: ignore[attr-defined]
    tcpconnection(sock, {}).write("text")  # type: ignore[arg-type]
    tcpconnection(sock, {}).set_recvmsg(on_socket)  # type: ignore[arg-type]


def receive_queue(queue: ReceiveQueue, handler: UdpHandlerDest) -> None:
    ReceiveQueue(["a"], 1, "shared")  # type: ignore[arg-type]
    queue.receive([], 1, None)  # type: ignore[arg-type]
    queue.feed(handler, "a", lines=True)  # type: ignore[call-overload]
    queue.feed(handler, "a", idx="sender")  # type: ignore[call-overload]
    queue.counters("a", 1).dropped  # type: ignore[attr-defined]


def others(raw: "NamedPipeWrapper[bytes]") -> None:
    TimeManager().toc("m")  # type: ignore[call-overload]
    number: int = TimeManager().round()  # type: ignore[assignment]
    raw.send("text")  # type: ignore[arg-type]
    raw.open_pipe("rw")  # type: ignore[arg-type]
    NamedPipeWrapper("p", "xml")  # type: ignore[call-overload]
    NamedPipeWrapper("p", "json", framed=False)  # type: ignore[call-overload]
    LibvirtWrapper().get_info("foo")  # type: ignore[call-arg]
    LibvirtWrapper().get_info("foo", "a").cpus  # type: ignore[attr-defined]


async def asynchronous(sock: socket.socket, one: aio.Peer, pipe: aio.NamedPipe) -> None:
    aio.UdpHandler(sock, event_fd=3)  # type: ignore[call-arg]
    one.receive()  # type: ignore[unused-coroutine]
    data, sa = one.receive()  # type: ignore[misc]
    for message in pipe:  # type: ignore[misc]
        pass
    with one.receive():  # type: ignore[attr-defined]
        pass
