"""What runs on a host: a beacon, a receiver and a peer, at the command of who started it.

    host.py NAME PORT [GROUP]

Each line of standard input is a function's name and arguments, answered by a line with what it
gives; the end of the input is the end of the process.
"""

import errno
import json
import logging
import sys
import threading
import time
import traceback
from collections import Counter

from pyhelpers.broadcast import BroadCastReceiver, BroadCastSender
from pyhelpers.udping import Peer

PERIOD = 0.02


class Host:
    """Says who it is, over and over; notes whom it hears; talks with those."""

    def __init__(self, name, port, group=None):
        self.name = name
        self._where = {"port": port, "group": group}
        #: By name, where another host's peer is, and how often it was heard.
        self._found, self._heard = {}, Counter()
        self._news = threading.Condition()
        any_host = "::" if group and ":" in group else ""
        self._peer = Peer(name=name, ha=(any_host, 0), arrival=True)
        if not self._peer.open():
            raise OSError("no socket")
        self._sender = BroadCastSender(**self._where)
        self._receiver = self._listener = None
        self.listen()
        message = json.dumps({"name": name, "port": self._peer.port})
        self._sender.start(message, PERIOD)

    def listen(self):
        """Begins to receive, or begins anew."""
        self._stop_listening()
        self._receiver = BroadCastReceiver(timeout=None, **self._where)
        self._listener = threading.Thread(target=self._note_all, args=[self._receiver])
        self._listener.start()

    def _stop_listening(self):
        if self._receiver:
            self._receiver.close()
            self._listener.join()

    def _note_all(self, receiver):
        try:
            for message in receiver:
                self._note(message)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise

    def _note(self, message):
        other = json.loads(message.data.decode())
        if other["name"] == self.name:
            return
        address = message.address[:1] + (other["port"],) + message.address[2:]
        with self._news:
            self._found[other["name"]] = address
            self._heard[other["name"]] += 1
            self._news.notify()

    def find(self, others, seconds):
        """Waits until each of the others was heard; gives their addresses."""
        with self._news:
            if not self._news.wait_for(lambda: set(others) <= set(self._found), seconds):
                raise AssertionError("heard no more than %s" % self._found)
            return self._found

    def talk(self, others, seconds):
        """Greets each of the others, and answers who greets; gives what was said, by whom, and by
        which of this host's addresses it came."""
        said = {other: {} for other in others}
        deadline = time.monotonic() + seconds
        while not all(len(words) == 2 for words in said.values()):
            if time.monotonic() > deadline:
                raise AssertionError("heard no more than %s" % said)
            for other in others:
                if "welcome" not in said[other]:
                    self._say("hello", self._found[other])
            for arrival in self._peer.receive_arrivals(timeout=0.1):
                word, other = arrival.data.decode().split()
                said[other][word] = arrival.local
                if word == "hello":
                    self._say("welcome", arrival.sa, src=arrival)
        return said

    def _say(self, word, address, **how):
        text = ("%s %s" % (word, self.name)).encode()
        if self._peer.send(text, address, **how) != len(text):
            raise AssertionError("no room for %s" % word)

    def complaint(self, other):
        """What the peer says to sending there, now: the name of an errno, or nothing."""
        try:
            self._say("hello", self._found[other])
        except OSError as error:
            return errno.errorcode[error.errno]

    def report(self):
        """How often others were heard, how often this host has called, and what became of it."""
        figures = self._sender.stats()
        with self._news:
            figures["heard"] = dict(self._heard)
        figures["listens"] = self._listener.is_alive()
        figures["errors"] = [str(error) for error in self._peer.errors()]
        return figures

    def echo(self, seconds, port=0):
        """Opens another peer, says where on a line of its own, and sends back what comes first;
        gives that."""
        with Peer(name="echo", ha=("", port)) as peer:
            print(json.dumps(["gave", peer.port]), flush=True)
            for data, address in peer.receive_many(1, timeout=seconds):
                peer.send(data, address)
                return data.decode()

    def ask(self, address, text, seconds):
        """Sends a text from another peer until somebody answers; gives the answer."""
        deadline = time.monotonic() + seconds
        with Peer(name="ask", ha=("", 0)) as peer:
            while time.monotonic() < deadline:
                peer.send(text.encode(), tuple(address))
                for data, _ in peer.receive_many(1, timeout=0.05):
                    return data.decode()

    def hear(self, port, seconds):
        """Says on a line of its own when it listens at another port; gives what comes there
        first."""
        with BroadCastReceiver(port, timeout=seconds) as receiver:
            print(json.dumps(["gave", "listens"]), flush=True)
            for _, data in receiver:
                return data.decode()

    def shout(self, port, text):
        """Sends a text to another port of all hosts; gives by how many interfaces."""
        with BroadCastSender(port) as sender:
            return sender.send(text)

    def end(self):
        self._sender.close()
        self._stop_listening()
        self._peer.close()


def answer(host, line):
    function, arguments = json.loads(line)
    try:
        return ["gave", getattr(host, function)(**arguments)]
    except Exception:  # Whoever asked is to know.
        return ["raised", traceback.format_exc()]


def main(name, port, *group):
    # What it would say is raised as well.
    logging.getLogger("pyhelpers").addHandler(logging.NullHandler())
    host = Host(name, int(port), *group)
    try:
        for line in sys.stdin:
            print(json.dumps(answer(host, line)), flush=True)
    finally:
        host.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
