"""An authoritative DNS server that answers for one zone over UDP, on one of three transports.

    dns_server.py --zone FILE --transport pyhelpers|asyncio|uvloop [--port 0]

Prints its port when it is ready; on SIGUSR1 one JSON line of its figures so far; on SIGTERM or Ctrl-C the same line,
and ends.
"""
import argparse
import asyncio
import functools
import json
import signal
import socket
import time

from authority import Authority

STOP = signal.SIGTERM, signal.SIGINT
QUEUED = 4096  # queries that the handler keeps while Python is busy; then the oldest, likely given up, go first


class Service:
    """Answers, and counts: what every transport shares."""

    def __init__(self, answer):
        self.answer = answer
        self.queries = self.answered = 0
        self.dropped = lambda: None  # datagrams lost at this end, the kernel's drops among them; None: can't tell
        self.started = _clocks()

    def figures(self):
        """Counts, and seconds since the start: on the wall, of this thread's CPU time, of the whole process's."""
        wall, thread, process = (now - then for now, then in zip(_clocks(), self.started))
        return {"queries": self.queries, "answered": self.answered, "dropped": self.dropped(),
                "wall": wall, "thread_cpu": thread, "process_cpu": process}

    def report(self, *_):
        print(json.dumps(self.figures()), flush=True)


def serve_pyhelpers(service, sock, ready):
    """Native threads receive and send; this one takes batches of queries and hands in batches of answers."""
    from pyhelpers.udp_handler import UdpHandlerDest
    running = [True]
    signal.signal(signal.SIGUSR1, service.report)
    for number in STOP:
        signal.signal(number, lambda *_: running.clear())
    with UdpHandlerDest(sock.fileno(), event_fd=None, recv_reactors=1, recv_queue_items=QUEUED,
                        recv_policy="drop_oldest", send_policy="wait") as handler:
        service.dropped = lambda: _dropped(handler.stats())
        ready()
        while running:
            batch = handler.get_recved_many(timeout=0.1)
            replies = [(addr, port, reply) for addr, port, wire, _ in batch
                       if port and (reply := service.answer(wire))]  # port 0: forged, nobody can be answered there
            service.queries += len(batch)
            service.answered += handler.dispatch_many(replies)
        service.report()


def _dropped(stats):
    return sum(stats[key] for key in ("kernel_drops", "recv_dropped", "send_dropped", "send_errors"))


class Protocol(asyncio.DatagramProtocol):
    """One call for each datagram, as asyncio and uvloop have it."""

    def __init__(self, service):
        self.service = service

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, wire, addr):
        self.service.queries += 1
        reply = self.service.answer(wire)
        if reply:
            self.transport.sendto(reply, addr)
            self.service.answered += 1


def serve_loop(new_event_loop, service, sock, ready):
    loop = new_event_loop()
    loop.add_signal_handler(signal.SIGUSR1, service.report)
    for number in STOP:
        loop.add_signal_handler(number, loop.stop)
    transport, _ = loop.run_until_complete(loop.create_datagram_endpoint(lambda: Protocol(service), sock=sock))
    loop.call_soon(ready)  # not before: uvloop loses signals that come while the loop doesn't run
    loop.run_forever()
    service.report()
    transport.close()


def serve_uvloop(*args):
    import uvloop
    serve_loop(uvloop.new_event_loop, *args)


TRANSPORTS = {"pyhelpers": serve_pyhelpers, "asyncio": functools.partial(serve_loop, asyncio.new_event_loop),
              "uvloop": serve_uvloop}


def _clocks():
    return time.monotonic(), time.thread_time(), time.process_time()


def main():
    parser = argparse.ArgumentParser(description="Authoritative DNS server for one zone, over UDP on 127.0.0.1.")
    parser.add_argument("--zone", required=True, metavar="FILE", help="zone (master) file")
    parser.add_argument("--transport", required=True, choices=TRANSPORTS)
    parser.add_argument("--port", type=int, default=0, help="default: one that is free")
    args = parser.parse_args()
    service = Service(Authority(args.zone).answer)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", args.port))
        sock.setblocking(False)
        ready = functools.partial(print, sock.getsockname()[1], flush=True)
        TRANSPORTS[args.transport](service, sock, ready)


if __name__ == "__main__":
    main()
