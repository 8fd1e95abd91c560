"""A program with a handler in its main process and one in each of its worker processes.

    worker.py METHOD     fork or spawn, as multiprocessing calls them
"""

import multiprocessing
import sys
import warnings

from support import collect, payloads, port_of, udp_socket

from pyhelpers.udp_handler import UdpHandlerDest


def serve(data):
    """What a worker does: a handler of its own echoes ``data``."""
    udp = udp_socket()
    with UdpHandlerDest(udp.fileno(), event_fd=None) as handler:
        handler.dispatch("127.0.0.1", port_of(udp), data)
        return payloads(collect(handler, 1))[0]


def main(method):
    # Python warns of fork() in a process with threads; here there are meant to be some.
    warnings.simplefilter("ignore", DeprecationWarning)
    udp = udp_socket()
    with UdpHandlerDest(udp.fileno(), event_fd=None) as handler:
        pool = multiprocessing.get_context(method).Pool(2)
        assert pool.map(serve, [b"a", b"b", b"c"]) == [b"a", b"b", b"c"]
        pool.close()
        pool.join()
        handler.dispatch("127.0.0.1", port_of(udp), b"alive")
        assert payloads(collect(handler, 1)) == [b"alive"]


if __name__ == "__main__":
    main(sys.argv[1])
