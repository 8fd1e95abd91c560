"""Runs a block of the documents, unchanged, with the names bound that its document leaves open:
seeds_bind.py NAME BLOCK. Source for CPython 2.7 too."""

import os
import runpy
import sys
import time

if sys.version_info[0] > 2:
    import builtins
else:
    import __builtin__ as builtins


def udp_handler():
    """``port``; eventlet's EventFd, which no released eventlet has; and, as the program ends where
    it should begin to serve, the time before that: shutdown() comes when standard input ends."""
    import ctypes
    import struct

    import eventlet
    from eventlet import hubs
    from pyhelpers import udp_handler as module

    class EventFd(object):
        def __init__(self, semaphore):
            self._fd = ctypes.CDLL(None).eventfd(int(semaphore), os.O_NONBLOCK)

        def dup(self):
            return os.dup(self._fd)

        def receive(self):
            hubs.trampoline(self._fd, read=True)
            return struct.unpack("=Q", os.read(self._fd, 8))[0]

    class Lasting(module.UdpHandlerDest):
        def shutdown(self):
            hubs.trampoline(sys.stdin.fileno(), read=True)
            return super(Lasting, self).shutdown()

    eventlet.EventFd = EventFd
    module.UdpHandlerDest = Lasting
    builtins.port = int(os.environ["PORT"])


def peer():
    """``PeerBig``, a subclass as the document has it; both kinds say what they receive."""
    from pyhelpers import udping

    receive = udping.Peer.receive

    def receive_and_tell(self, **options):
        data = b""
        while not data:
            data, address = receive(self, **options)
            time.sleep(0.001)
        print("%s received %s" % (type(self).__name__, data.decode()))
        return data, address

    class PeerBig(udping.Peer):
        MaxGramSize = 4096

    udping.Peer.receive = receive_and_tell
    builtins.PeerBig = PeerBig


def libvirt():
    builtins.sleep = lambda seconds: time.sleep(seconds / 20.0)


def time_manager():
    """A sleep() that ends the program the second time."""
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        print("%.2f" % seconds)
        if len(slept) == 2:
            sys.exit()

    builtins.sleep = sleep


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    sys.argv[1:] = sys.argv[2:]
    runpy.run_module("pyhelpers.compat", run_name="__main__", alter_sys=True)
