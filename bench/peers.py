"""One measurement of one library for UDP in Python, in a process of its own; prints JSON.

    peers.py receive PEER [--busy]
        receives until standard input closes; prints its port first; with --busy, beside a thread
        that never rests, before and after that of a socket that throws a load away
    peers.py send PEER PORT DESTINATIONS SECONDS
    peers.py one BACKEND PORT
        interpreter time of one send() and one receive() of our Peer, and of hio's
    peers.py call BACKEND PORT LIBRARY
        interpreter time of our dispatch, and of an empty foreign call
    peers.py queue-delay
        time until Python has a datagram (ours only)
    peers.py send-latency PORT RATE SECONDS
        time until the kernel has a datagram (ours only)
    peers.py memory recv|send [PORT]
        resident bytes of a queued datagram (ours only)

PEER: ours, asyncio, uvloop, rloop, gevent, plain; peer (our Peer with its batches), hio. The event
loops run their datagram protocol, gevent and plain loop over `recvfrom` and `sendto`, hio over its
`receive` and `send`. All get the same socket buffers.
"""

import asyncio
import ctypes
import json
import os
import select
import socket
import sys
import threading
import time

import hio_peer

PAYLOAD = bytes(64)
BUFFER_BYTES = 4 << 20
TICK = 0.02  # seconds between looks at the counts
QUIET = 0.2  # seconds without a datagram after which nothing more is awaited
GRACE = 0.5  # seconds for what is left when the sender has finished
BATCH = 1000  # datagrams given to the handler, or sent in a row, at a time
CALLS = 500  # calls in a row whose time is taken
CALL_ROUNDS = 200
SEND_QUEUE = 1 << 16  # datagrams that may wait in the handler to be sent
PEER_BATCH = 1024  # the same of a Peer
PICKED_UP = 2048  # most datagrams taken from the handler at a time


def udp_socket():
    """A UDP socket with the buffers that all peers get."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    return sock


def receiving_socket():
    """A socket on a free port."""
    sock = udp_socket()
    sock.bind(("0.0.0.0", 0))
    return sock


def say(**facts):
    """One line for the parent. A receiver's port starts the load: all has to be ready then."""
    print(json.dumps(facts), flush=True)


def port_of(sock):
    return sock.getsockname()[1]


def open_handler(sock, **options):
    """Our handler on `sock`, which is closed."""
    from pyhelpers.udp_handler import UdpHandlerDest

    handler = UdpHandlerDest(sock.fileno(), **options)
    sock.close()
    return handler


def open_receiver(**options):
    """Our handler, receiving, and its port told."""
    sock = receiving_socket()
    port = port_of(sock)
    handler = open_handler(sock, recv_reactors=1, event_fd=None, **options)
    say(port=port)
    return handler


class Busy(threading.Thread):
    """A Python thread that counts and does nothing else."""

    def __init__(self):
        super().__init__(daemon=True)
        self.turns = 0
        self.start()

    def run(self):
        while True:
            number = 0
            while number < 1000:
                number += 1
            self.turns += 1

    def speed(self, seconds=0.4):
        """Turns a second while the calling thread sleeps."""
        turns, start = self.turns, time.perf_counter()
        time.sleep(seconds)
        return (self.turns - turns) / (time.perf_counter() - start)

    def speed_beside_load(self):
        """Turns a second while the kernel throws the load away. The generator keeps the other core
        busy then as it does later, so that what two cores take from each other, as those of a
        rented machine do, is not put down to receiving."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread:
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
            unread.bind(("0.0.0.0", 0))
            say(port=port_of(unread))
            select.select([unread], [], [])
            return self.speed()


class Meter:
    """Counts what a receiver gets. Rates are taken between the first datagram and the last."""

    def __init__(self, busy):
        self.count = 0
        self.busy = busy
        self.speed_idle = busy.speed() if busy else None
        self.speed_before = busy.speed_beside_load() if busy else None
        self.first = self.last = None
        self.next_tick = 0
        self.sender_end = None

    def sample(self):
        turns = self.busy.turns if self.busy else 0
        return {
            "count": self.count,
            "time": time.perf_counter(),
            "cpu": time.thread_time(),
            "turns": turns,
        }

    def finished(self):
        """To be called every now and then by the thread that receives; `True` at the end."""
        now = time.perf_counter()
        if now < self.next_tick:
            return False
        self.next_tick = now + TICK
        if self.count and (self.last is None or self.count != self.last["count"]):
            self.last = self.sample()
            self.first = self.first or self.last
        if self.sender_end is None:
            if select.select([sys.stdin], [], [], 0)[0]:
                self.sender_end = now
            return False
        since = max(self.sender_end, self.last["time"] if self.last else 0)
        return now > since + QUIET or now > self.sender_end + GRACE

    def report(self):
        first, last = self.first, self.last
        count = last["count"] - first["count"]
        seconds = last["time"] - first["time"]
        facts = {
            "count": self.count,
            "rate": count / seconds if count else 0.0,
            "cpu_us": 1e6 * (last["cpu"] - first["cpu"]) / count if count else None,
        }
        if self.busy:
            speed = (last["turns"] - first["turns"]) / seconds if seconds else 0
            # Before and after: a rented core's speed drifts by a tenth within seconds.
            loaded = (self.speed_before + self.busy.speed_beside_load()) / 2
            facts["busy_speed"] = speed / loaded
            facts["busy_speed_of_idle"] = speed / self.speed_idle
        say(**facts)


# --- receivers: say their port and receive until the meter says that it is over -------------------


def receive_ours(meter):
    with open_receiver() as handler:
        while not meter.finished():
            meter.count += len(handler.get_recved_many(PICKED_UP, TICK))


def receive_plain(meter):
    sock = receiving_socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(TICK))
    receive_in_a_loop(sock, meter, BlockingIOError)


def timeval(seconds):
    return int(seconds).to_bytes(8, sys.byteorder) + int(seconds % 1 * 1e6).to_bytes(
        8, sys.byteorder
    )


def receive_gevent(meter):
    import gevent.socket

    green = gevent.socket.socket(fileno=receiving_socket().detach())
    green.settimeout(TICK)
    receive_in_a_loop(green, meter, TimeoutError)


def receive_in_a_loop(sock, meter, timed_out):
    say(port=port_of(sock))
    while not meter.finished():
        try:
            for _ in range(64):
                sock.recvfrom(2048)
                meter.count += 1
        except timed_out:
            pass


def receive_peer(meter):
    with hio_peer.ours(BUFFER_BYTES) as peer:
        say(port=peer.port)
        while not meter.finished():
            meter.count += len(peer.receive_many(PEER_BATCH, TICK))


def receive_hio(meter):
    peer = hio_peer.hios(BUFFER_BYTES)
    say(port=peer.port)
    while not meter.finished():
        select.select([peer.ls], [], [], TICK)
        for _ in range(64):
            data, source = peer.receive()
            if source is None:
                break
            meter.count += 1


class CountingProtocol(asyncio.DatagramProtocol):
    def __init__(self, meter):
        self.meter = meter

    def datagram_received(self, data, addr):
        self.meter.count += 1
        if not self.meter.count % 64:
            self.meter.finished()  # a loop may not come to its timers while datagrams are there


async def receive_on_loop(meter):
    sock = receiving_socket()
    sock.setblocking(False)
    port = port_of(sock)  # a loop may take the socket away
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: CountingProtocol(meter), sock=sock)
    say(port=port)
    while not meter.finished():
        await asyncio.sleep(TICK)


# --- senders: send to the targets in turn for `seconds` and finish what is queued; give how many we


def send_ours(sock, targets, seconds):
    batch = [(host, port, PAYLOAD) for host, port in targets]
    with open_handler(sock, send_policy="wait", send_queue_items=SEND_QUEUE) as handler:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            handler.dispatch_many(batch)
        drain(handler)
        return handler.stats()["sent"]


def drain(handler):
    while handler.queued_send():
        time.sleep(0.0005)


def send_plain(sock, targets, seconds):
    count = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for target in targets:
            sock.sendto(PAYLOAD, target)
        count += len(targets)
    return count


def send_gevent(sock, targets, seconds):
    import gevent.socket

    return send_plain(gevent.socket.socket(fileno=sock.detach()), targets, seconds)


def send_peer(_, targets, seconds):
    batch = [(PAYLOAD, target) for target in targets]
    return send_until(hio_peer.ours(BUFFER_BYTES), seconds, lambda peer: peer.send_many(batch))


def send_hio(_, targets, seconds):
    def send_all(peer):
        return sum(peer.send(PAYLOAD, target) > 0 for target in targets)

    return send_until(hio_peer.hios(BUFFER_BYTES), seconds, send_all)


def send_until(peer, seconds, send_all):
    count = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        count += send_all(peer)
    peer.close()
    return count


async def send_on_loop(sock, targets, seconds):
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock)
    count = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for target in targets:
            transport.sendto(PAYLOAD, target)
        count += len(targets)
        await asyncio.sleep(0)
    return count


# --- one call of a Peer, ours and hio's -----------------------------------------------------------


def one(backend, port):
    """Interpreter time of one call of each kind, ours and hio's in turn."""
    os.environ["PYHELPERS_BACKEND"] = backend
    target = ("127.0.0.1", port)
    peers = {"ours": hio_peer.ours(BUFFER_BYTES), "hio": hio_peer.hios(BUFFER_BYTES)}
    times = {name + kind: [] for name in peers for kind in ("_send", "_receive", "_empty")}
    for _ in range(CALL_ROUNDS):
        for name, peer in peers.items():
            times[name + "_send"].append(timed(lambda: peer.send(PAYLOAD, target)))
            feed = (peer.host, peer.port)
            for _ in range(CALLS):
                peer.send(PAYLOAD, feed)
            times[name + "_receive"].append(timed(peer.receive))
            assert peer.receive() == (b"", None)
            times[name + "_empty"].append(timed(peer.receive))
    facts = {key: median(values) / CALLS for key, values in times.items()}
    for kind in ("_send", "_receive", "_empty"):
        pairs = zip(times["ours" + kind], times["hio" + kind])
        facts["ratio" + kind] = median([mine / other for mine, other in pairs])
    say(count=CALLS * CALL_ROUNDS, **facts)


def timed(call):
    """Interpreter time of a row of calls."""
    start = time.thread_time_ns()
    for _ in range(CALLS):
        call()
    return time.thread_time_ns() - start


# --- choosing a peer ------------------------------------------------------------------------------


def new_loop(name):
    if name == "asyncio":
        return asyncio.new_event_loop()
    return __import__(name).new_event_loop()


def receive(peer, busy):
    meter = Meter(Busy() if busy else None)
    direct = {
        "ours": receive_ours,
        "plain": receive_plain,
        "gevent": receive_gevent,
        "peer": receive_peer,
        "hio": receive_hio,
    }
    if peer in direct:
        direct[peer](meter)
    else:
        new_loop(peer).run_until_complete(receive_on_loop(meter))
    meter.report()


def send(peer, port, destinations, seconds):
    targets = [destination(number, port) for number in range(destinations)] * (
        BATCH // destinations
    )
    direct = {
        "ours": send_ours,
        "plain": send_plain,
        "gevent": send_gevent,
        "peer": send_peer,
        "hio": send_hio,
    }
    start = time.perf_counter()
    if peer in direct:
        count = direct[peer](udp_socket(), targets, seconds)
    else:
        count = new_loop(peer).run_until_complete(send_on_loop(udp_socket(), targets, seconds))
    say(count=count, seconds=time.perf_counter() - start)


def destination(number, port):
    """127.0.0.1, 127.0.0.2, ...: one sink on every address hears them all."""
    return ("127.0.%d.%d" % divmod(number + 1, 256), port)


# --- what concerns the library alone --------------------------------------------------------------


def call(backend, port, library):
    """Interpreter time of one `dispatch`, and of a call by the same binding that does nothing."""
    os.environ["PYHELPERS_BACKEND"] = backend
    handler = open_handler(udp_socket())
    empty, handle, to = {"cffi": empty_by_cffi, "ctypes": empty_by_ctypes}[backend](library)
    host = "127.0.0.1"
    ours, nothing = [], []
    for _ in range(CALL_ROUNDS):
        start = time.thread_time_ns()
        for _ in range(CALLS):
            handler.dispatch(host, port, PAYLOAD)
        ours.append(time.thread_time_ns() - start)
        drain(handler)
        start = time.thread_time_ns()
        for _ in range(CALLS):
            empty(handle, to, port, PAYLOAD, len(PAYLOAD))
        nothing.append(time.thread_time_ns() - start)
    handler.shutdown()
    say(
        count=CALLS * CALL_ROUNDS,
        dispatch_ns=median(ours) / CALLS,
        empty_ns=median(nothing) / CALLS,
        ratio=median([mine / other for mine, other in zip(ours, nothing)]),
    )


# Each gives the function, and pointers to pass for the handle and for the address.


def empty_by_cffi(library):
    import cffi

    ffi = cffi.FFI()
    ffi.cdef("int32_t empty_dispatch_to(void *, const void *, uint32_t, const uint8_t *, size_t);")
    loaded.append(ffi.dlopen(library))
    return loaded[-1].empty_dispatch_to, ffi.cast("void *", 1), ffi.cast("void *", 2)


loaded = []  # the functions of a library that is collected are gone


def empty_by_ctypes(library):
    empty = ctypes.CDLL(library).empty_dispatch_to
    empty.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    empty.restype = ctypes.c_int32
    return empty, ctypes.c_void_p(1), ctypes.c_void_p(2)


def queue_delay():
    """From the kernel's timestamp of a datagram until the call that gives it to Python."""
    delays = []
    meter = Meter(None)
    with open_receiver() as handler:
        while not meter.finished():
            batch = handler.get_recved_many(PICKED_UP, TICK)
            meter.count += len(batch)
            delays.extend(delay for _, _, _, delay in batch)
    say(count=len(delays), p50_ns=median(delays))


def send_latency(port, rate, seconds):
    """From `dispatch` until the kernel has the datagram."""
    wake_on_time()
    handler = open_handler(udp_socket())
    moment = time.perf_counter()
    for _ in range(int(rate * seconds)):
        moment += 1 / rate
        time.sleep(max(0, moment - time.perf_counter()))
        handler.dispatch("127.0.0.1", port, PAYLOAD)
    drain(handler)
    stats = handler.stats()
    handler.shutdown()
    say(count=stats["sent"], p50_ns=stats["send_latency"]["p50"])


def wake_on_time():
    """The kernel may delay a sleeper by 50 us to join timers; a generator wants its own moment."""
    PR_SET_TIMERSLACK = 29
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)


def memory_recv():
    """Datagrams that nobody picks up: from one flow, each with a timestamp of its own."""
    handler = open_receiver(recv_queue_items=4 << 20, recv_queue_bytes=1 << 30)
    before = resident_bytes()
    sys.stdin.read()
    say_memory(handler.queued_recved(), before)
    handler.shutdown()


def memory_send(port):
    """Datagrams dispatched faster than the kernel takes them, no two neighbours to one address."""
    handler = open_handler(
        udp_socket(), send_queue_items=4 << 20, send_queue_bytes=1 << 30, drain_timeout=10
    )
    batch = [destination(number, port) + (PAYLOAD,) for number in range(BATCH)]
    before = resident_bytes()
    for _ in range(500):
        handler.dispatch_many(batch)
    say_memory(handler.queued_send(), before)
    drain(handler)
    handler.shutdown()


def say_memory(queued, before):
    say(count=queued, bytes=(resident_bytes() - before) / queued)


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


def main(work, *rest):
    if work == "receive":
        receive(rest[0], "--busy" in rest)
    elif work == "send":
        send(rest[0], int(rest[1]), int(rest[2]), float(rest[3]))
    elif work == "one":
        one(rest[0], int(rest[1]))
    elif work == "call":
        call(rest[0], int(rest[1]), rest[2])
    elif work == "queue-delay":
        queue_delay()
    elif work == "send-latency":
        send_latency(int(rest[0]), float(rest[1]), float(rest[2]))
    elif work == "memory":
        memory_recv() if rest[0] == "recv" else memory_send(int(rest[1]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
