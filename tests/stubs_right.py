"""Every public name, used as it is meant to be. mypy reads it, nobody runs it."""

import socket
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

from pyhelpers import EventLoop, __version__, aio, compat
from pyhelpers.broadcast import BroadCastReceiver, BroadCastSender, Message
from pyhelpers.event_loop import Connection, Server, Timer
from pyhelpers.libvirt_wrapper import DomainInfo, LibvirtWrapper
from pyhelpers.named_pipe_wrapper import MessageLost, MessageRejected, NamedPipeWrapper
from pyhelpers.pyed.event import event
from pyhelpers.pyed.events_epoll import events_epoll
from pyhelpers.pyed.events_select import events_select
from pyhelpers.pyed.tcpclient import tcpclient
from pyhelpers.pyed.tcpconnection import tcpconnection
from pyhelpers.pyed.tcpserver import tcpserver
from pyhelpers.pyed.timers import timers
from pyhelpers.receive_queue import Counters, Feed, ReceiveQueue, UnknownGroup
from pyhelpers.time_manager import TimeManager
from pyhelpers.udp_handler import SendError, Truncated, UdpHandlerDest
from pyhelpers.udping import Arrival, Peer, PeerDoer, WireLog, openPeer, openWL
from typing_extensions import assert_type

Address = Union[Tuple[str, int], Tuple[str, int, int, int]]
Received = Tuple[str, int, bytes, int]


def udp_handler(sock: socket.socket) -> None:
    handler = UdpHandlerDest(sock.fileno(), 2, send_policy="wait", recv_size=1500, gso=False)
    with UdpHandlerDest(sock, event_fd=None, drain_timeout=0.5) as other:
        assert_type(other, UdpHandlerDest)
    handler.dispatch("127.0.0.1", 9, "text")
    handler.dispatch(b"::1", 9, memoryview(b"octets"))
    assert_type(handler.dispatch_many(("::1", 9, b"%d" % n) for n in range(9)), int)
    received = handler.get_recved()
    assert_type(received, Union[Received, Tuple[()]])
    if received:
        addr, port, data, delay_ns = received
        handler.dispatch(addr, port, data[:delay_ns])
    many = handler.get_recved_many(max_n=10, timeout=None)
    assert_type(many, List[Received])
    handler.dispatch_many((addr, port, data) for addr, port, data, _ in many)
    assert_type(handler.queued_send() + handler.queued_recved(), int)
    assert_type(handler.stats_send_avg(reset=False), int)
    stats = handler.stats()
    assert_type(stats["send_latency"]["p99"], int)
    assert_type([reactor["idle_wakeups"] for reactor in stats["reactors"]], List[int])
    for error in handler.errors():
        assert_type(error, SendError)
        assert_type(error.time, float)
        addr, port = error.addr, error.port + error.errno
    assert_type(handler.fileno(), int)
    assert_type(handler.shutdown(), int)


class LoggedPeer(Peer):
    pass


class Echo(PeerDoer):
    def recur(self, tyme: float) -> bool:
        data, sa = self.peer.receive()
        if sa is not None:
            self.peer.send(data, sa)
        return tyme > 10


def peer(wirelog: WireLog) -> None:
    with openPeer(port=0, wl=wirelog) as any_peer, openPeer(LoggedPeer, port=0) as own_peer:
        assert_type(any_peer, Peer)
        assert_type(own_peer, LoggedPeer)
    with Peer(name="a", ha=("::1", 0), bc=4, arrival=True, mine=True) as one:
        assert_type(one, Peer)
    assert_type(one.open() and one.reopen(temp=True) and one.opened and one.close(), bool)
    assert_type(one.path, Address)
    one.ha, one.host, one.port, one.wl = ("", 0), "", 0, None
    if one.ls is not None:
        one.ls.getsockname()
    assert_type(one.actualBufSizes(), Tuple[int, int])
    data, sa = one.receive()
    assert_type(data, bytes)
    assert_type(sa, Optional[Address])
    requests = one.receive_many(timeout=0.1)
    assert_type(requests, List[Tuple[bytes, Address]])
    assert_type(one.send_many((data.upper(), sa) for data, sa in requests), int)
    one.send_many([(b"", ("::1", 9, 0, 1), "::1")])
    for arrival in one.receive_arrivals():
        assert_type(arrival, Arrival)
        assert_type(arrival.tos, Optional[int])
        one.send(bytearray(arrival.data), arrival.sa, src=arrival, ecn=1)
        assert not isinstance(arrival.data, Truncated)
    one.join("239.0.0.1")
    one.leave("239.0.0.1", interface="lo")
    one.ttl = one.tos = one.broadcast = one.multicast_ttl = one.multicast_loop = 1
    assert_type(one.multicast_interface, int)
    assert_type(one.errors(), List[SendError])
    assert_type(one.stats(), Dict[str, int])
    assert_type(one.fileno(), int)
    assert_type(Peer.BufSize + Peer.MaxGramSize, int)
    doer = Echo(peer=one, tock=0.1)
    doer.wind(doer.tymth or (lambda: 0.0))
    assert_type(next(doer(tymth=lambda: 0.0)), float)
    assert_type(next(doer.do(lambda: 0.0)), float)
    assert_type(doer.tyme, Optional[float])
    assert_type(doer.done, Optional[bool])
    doer.tock = 1
    doer.enter()
    doer.clean()
    doer.cease()
    doer.abort(ValueError())
    doer.exit()


class OwnLog(WireLog):
    pass


def wirelog() -> None:
    with openWL(filed=True) as log, openWL(OwnLog) as own:
        assert_type(log, WireLog)
        assert_type(own, OwnLog)
    log = WireLog(samed=True, fmt="%(data)b", reopen=True)
    assert_type(log.reopen(clear=True), bool)
    log.writeRx(b"data", ("::1", 9))
    log.writeTx("data", who=b"me")
    assert_type(log.readRx() or log.readTx(), Optional[bytes])
    assert_type(log.dirPath, Optional[str])
    assert_type(OwnLog.Format, bytes)
    print(log.Prefix, log.HeadDirPath, log.TailDirPath, log.AltHeadDirPath)
    print(log.TempHeadDir, log.TempPrefix, log.TempSuffix)
    log.flush()
    log.clearDirPath()
    log.close(clear=True)


def broadcast() -> None:
    with BroadCastReceiver(0, timeout=None, group="ff02::1", interface=1) as receiver:
        for message in receiver:
            address, data = message
            assert_type(message, Message)
            assert_type(address, Address)
            assert_type(data, bytes)
        message = next(receiver)
        assert_type(receiver.next().data, bytes)
        assert_type(message.address, Address)
        assert_type(message.interface_name or message.local, Optional[str])
        assert_type(message.truncated, bool)
        assert_type(receiver.fileno() + receiver.port, int)
        assert_type(receiver.stats(), Dict[str, int])
    with BroadCastSender(receiver.port, ttl=2) as sender:
        assert_type(sender.send("data"), int)
        sender.start(b"data", period=0.5)
        sender.stop()
        sender.close()


def takes_two(number: int, text: str) -> None:
    """What a loop may call."""


def event_loop(handler: UdpHandlerDest) -> None:
    def on_data(connection: Connection, data: bytes) -> None:
        connection.write(memoryview(data))

    def on_close(connection: Connection, error: Optional[OSError]) -> None:
        connection.on_close = None

    assert_type(__version__, str)
    with EventLoop("poll") as loop:
        server = loop.tcp_server(lambda connection: connection.close(), port="http", backlog=9)
        assert_type(server, Server)
        assert_type(server.refused, int)
        first = loop.tcp_client(*server.address, on_data=on_data)
        client = loop.tcp_client("::1", server.address[1], None, on_data, connect_timeout=None)
    assert_type(client, Connection)
    client.on_data, client.on_close, client.on_end = on_data, on_close, Connection.abort
    client.on_connect = client.on_drain = None
    client.pause_reading()
    client.resume_reading()
    client.shutdown_write()
    client.set_rate(read_rate=9)
    client.set_watermarks(1, 2)
    client.set_timeouts(idle=0.5)
    assert_type(client.is_over or issubclass(client.error, OSError), bool)
    assert_type(client.pending + client.fileno(), int)
    assert_type(client.remote[1], Union[int, Any])
    socket.socket().connect(client.local)
    assert_type(client.stats(), Dict[str, int])
    timer = loop.call_later(0.5, takes_two, 1, "text")
    assert_type(timer, Timer)
    timer()
    timer.cancel()
    loop.call_soon(takes_two, 1, "text")
    loop.call_soon_threadsafe(loop.wake)
    loop.call_every(1, loop.stop)
    loop.add_reader(handler, handler.get_recved_many, 64)
    loop.add_writer(1, takes_two, 1, "text")
    assert_type(loop.remove_reader(handler) or loop.remove_writer(1), bool)
    loop.add_signal(15, loop.shutdown, 1.5)
    assert_type(loop.remove_signal(15), bool)
    loop.on_error = lambda error, trace: print(error.args, trace.tb_lineno)
    loop.run()
    assert_type(loop.run_once(timeout=0.1) + loop.errors + loop.fileno() + loop.close(), int)
    assert_type(loop.stats(), Dict[str, int])
    server.close()


def pyed(sock: socket.socket) -> None:
    conf: Dict[str, object] = {"host": "", "port": 0}
    evs, other_evs, tms = events_epoll(), events_select(), timers()

    def readable(ev: event) -> None:
        assert_type(ev.sock, socket.socket)
        connection = tcpconnection(ev.sock.accept()[0], conf, evs, tms)
        connection.set_recvmsg(lambda each: each.write(each.read()))
        connection.set_broken(tcpconnection.close)
        connection.set_config({"readlimit": 9})

    server = tcpserver(readable, conf, other_evs)
    assert_type(tcpclient(conf).connect().read(9), bytes)
    ev = event(sock)
    ev.add_read(readable)
    ev.add_write(readable)
    ev.del_read()
    ev.del_write()
    timer = event(tms=tms)
    timer.add_timer(0.5, lambda each: each.del_timer())
    assert_type(timer.sock, None)
    assert_type(event(evs, tms, 1).sock, int)
    assert_type(timer.timerset() + timer.timeout(), float)
    evs.addevent(sock, ev, evs.EVENT_READ | evs.EVENT_WRITE)
    evs.delevent(sock, evs.EVENT_READ)
    evs.processevent(tms.processtimer())
    server.close()


class Checked(ReceiveQueue):
    def _before_receive(self, groupkey: str, idx: int, value: bytes) -> None:
        print(groupkey.upper(), idx + 1, value.decode())

    def _after_receive(self, groupkey: str, idx: int, value: bytes) -> None:
        print(self.stats())


def receive_queue(peer: Peer, connection: Connection) -> None:
    with ReceiveQueue(("health", 1, None), 10, "rw") as queue:
        queue.receive("health", ("node", 1), object())
        queue.receive_many(1, b"node", (n for n in range(9)))
        queue.sync_receive(None, None, None)
        queue.sync_receive_many(1, b"node", [])
    assert_type(queue.extract(1, b"node"), Tuple[Any, ...])
    assert_type(queue.extract_buffer(1, 1) + queue.sync_extract_buffer(1, 1), Tuple[Any, ...])
    assert_type(queue.sync_extract(1, 1), Tuple[Any, ...])
    assert_type(queue.extract_all(1), Dict[Any, Tuple[Any, ...]])
    assert_type(queue.sync_extract_all(1), Dict[Any, Tuple[Any, ...]])
    assert_type(queue.counters(1, 1), Counters)
    assert_type(queue.counters(1, 1).held + queue.forget(1, 1), int)
    assert_type(queue.stats(), Dict[str, int])
    assert_type(queue.wait(1, timeout=0.5), bool)
    assert_type(queue.fileno(1), int)
    with queue.feed(peer, 1, idx=slice(0, 4)) as feed:
        assert_type(feed, Feed)
        assert_type(feed.stats()["ended"], bool)
    queue.feed(connection, "health", lines=True).stop()
    queue.close()
    try:
        Checked(["group"], 1).receive("other", 1, b"")
    except UnknownGroup as error:
        print(error.groupkey, error.groupkeys)


def time_manager() -> None:
    watch = TimeManager()
    watch.tic()
    assert_type(watch.toc(), float)
    assert_type(watch.toc("sf"), float)
    assert_type(watch.toc("ns"), int)
    assert_type(watch.round(), float)
    assert_type(watch.round("ms"), int)
    assert_type(watch.sleep_until_next(3), float)


def to_octets(numbers: List[int]) -> bytes:
    return bytes(numbers)


def to_numbers(octets: bytes) -> List[int]:
    return list(octets)


def named_pipe(path: str, anything: NamedPipeWrapper) -> None:
    assert_type(anything.receive(), Any)
    with NamedPipeWrapper(path, unpickler=["module.name", OwnLog], any_owner=True) as pipe:
        assert_type(pipe, NamedPipeWrapper[Any])
    raw = NamedPipeWrapper(path, "raw", max_message=100)
    assert_type(raw.receive(timeout=0.5), bytes)
    numbers = NamedPipeWrapper(path, (to_octets, to_numbers))
    assert_type(numbers.receive(), List[int])
    assert_type(numbers.send([1, 2]), bool)
    assert_type(numbers.send_many([[1], [2]], timeout=1), int)
    assert_type(NamedPipeWrapper(path, serializer="json").next(), Any)
    for message in raw:
        assert_type(message, bytes)
    raw.open_pipe("r", blocking=False)
    raw.close_pipe()
    assert_type(raw.fileno(), int)
    assert_type(raw.stats(), Dict[str, int])
    try:
        raw.close()
    except (MessageLost, MessageRejected) as error:
        print(error.errno)


def libvirt() -> None:
    with LibvirtWrapper(timeout=0.5) as wrapper:
        wrapper.connect_host("foo", "qemu+tcp://foo/system")
        wrapper.connect_local()
        info = wrapper.get_info("foo", b"domain")
    assert_type(info, DomainInfo)
    assert_type(info.cpu_time, int)
    assert_type(wrapper.suspend("foo", "a") or wrapper.resume("foo", "a"), Literal[0])
    assert_type(wrapper.list_domains("foo"), List[str])
    assert_type(wrapper.stats(), Dict[str, int])
    wrapper.close()


async def asynchronous(sock: socket.socket, path: str) -> None:
    async with aio.UdpHandler(sock, recv_reactors=2) as handler:
        async for batch in handler:
            assert_type(batch, List[Received])
        assert_type(await handler.receive(max_n=9, timeout=0.5), List[Received])
    async with aio.Peer(port=0) as one:
        assert_type((await one.receive())[0], bytes)
        requests = await one.receive_many(timeout=1)
        assert_type(requests, List[Tuple[bytes, Address]])
        assert_type(await one.receive_arrivals(), List[Arrival])
        assert_type(await one.send(b"", ("::1", 9), tos=1), int)
        assert_type(await one.send_many(requests), int)
    async with aio.BroadCastReceiver(0) as receiver:
        async for address, data in receiver:
            assert_type(data, bytes)
    async with aio.ReceiveQueue(["group"], 10) as queue:
        queue.feed(handler, "group")
        assert_type(await queue.wait("group", timeout=1), bool)
    async with aio.NamedPipe(path, "raw") as pipe:
        assert_type(pipe, aio.NamedPipe[bytes])
        assert_type(await pipe.receive(), bytes)
        async for message in pipe:
            assert_type(message, bytes)


compat.install()
