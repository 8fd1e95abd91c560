"""Messages from one Python process to another, measured in turns with others (see contestant.py).

    piping.py WAY [--size 64] [--seconds S]

WAY: ours (NamedPipeWrapper, pickle), multiprocessing (its Pipe, one way). A message is a bytes
object. Prints messages, and the seconds from the word to begin until the last of them was there.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
import time

from contestant import in_turns, options

LOOKS = 16  # messages between two looks at the clock, where they are short
SHORT = 4096  # bytes


def ours(folder):
    """Functions that open the sending end, and the receiving one: its send, its receive."""

    def open_pipe():
        from pyhelpers.named_pipe_wrapper import NamedPipeWrapper

        return NamedPipeWrapper(os.path.join(folder, "pipe"))

    def open_sender():
        pipe = open_pipe()
        pipe.open_pipe("w")  # waits for a receiver

        def send(message):
            if not pipe.send(message):
                sys.exit("nobody receives")

        return send

    def open_receiver():
        pipe = open_pipe()
        pipe.open_pipe("r")
        return pipe.receive

    return open_sender, open_receiver


def multiprocessings(_):
    receiver, sender = multiprocessing.Pipe(duplex=False)
    return lambda: sender.send, lambda: receiver.recv


def send_turns(send, told, size, seconds):
    """`None` ends a turn."""
    message = bytes(size)
    looks = LOOKS if size < SHORT else 1
    while told.readline():
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for _ in range(looks):
                send(message)
        send(None)


def receive_turn(receive, tell, size):
    count, last, start = 0, None, time.perf_counter()
    tell.write(b"\n")
    while True:
        message = receive()
        if message is None:
            break
        last = message
        count += 1
    seconds = time.perf_counter() - start
    assert last == bytes(size)
    return {"count": count, "seconds": seconds}


def main(way, size, seconds):
    folder = tempfile.mkdtemp(prefix="bench-")
    try:
        ways = {"ours": ours, "multiprocessing": multiprocessings}
        open_sender, open_receiver = ways[way](folder)
        read, write = os.pipe()
        # Each process loads the library for itself, as a handle is its process's own.
        sender = os.fork()
        if sender == 0:
            os.close(write)
            with os.fdopen(read, "rb", 0) as told:
                send_turns(open_sender(), told, size, seconds)
            os._exit(0)
        os.close(read)
        with os.fdopen(write, "wb", 0) as tell:
            receive = open_receiver()
            in_turns(lambda: receive_turn(receive, tell, size))
        os.waitpid(sender, 0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(**options(size=64))
