"""Datagrams that go into a receive queue while the interpreter waits for something else.

    feeding.py

Says its port and waits until standard input closes. Then says what has come into the queue, and
what share of the time until then this thread worked, and the whole process.
"""

import socket
import sys
import time

from contestant import say
from pyhelpers.receive_queue import ReceiveQueue
from pyhelpers.udp_handler import UdpHandlerDest

BUFFER_BYTES = 4 << 20
LENGTH = 10
TICK = 0.02  # seconds between looks at the count
QUIET = 0.2  # seconds without a datagram after which nothing more is awaited


def open_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    sock.bind(("0.0.0.0", 0))
    return sock


def shares_of_wait():
    """What share of the time until standard input closes this thread works, and the process."""
    clocks = (time.perf_counter, time.thread_time, time.process_time)
    before = [clock() for clock in clocks]
    sys.stdin.read()
    elapsed, thread, process = (clock() - start for clock, start in zip(clocks, before))
    return thread / elapsed, process / elapsed


def settled(count):
    """The count once it has not changed for a while."""
    last, since = count(), time.perf_counter()
    while time.perf_counter() < since + QUIET:
        time.sleep(TICK)
        if count() != last:
            last, since = count(), time.perf_counter()
    return last


def main():
    sock = open_socket()
    port = sock.getsockname()[1]
    with UdpHandlerDest(sock.fileno(), event_fd=None, recv_reactors=1) as handler:
        sock.close()
        with ReceiveQueue(("telemetry",), LENGTH) as queue:
            queue.feed(handler, "telemetry")
            say(port=port)
            thread, process = shares_of_wait()
            count = settled(lambda: queue.stats()["received"])
            if not count:
                sys.exit("nothing arrived")
            dropped = handler.stats()["kernel_drops"]
            say(count=count, kernel_drops=dropped, thread_share=thread, process_share=process)


if __name__ == "__main__":
    main()
