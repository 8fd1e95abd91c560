"""Hosts on one network: network namespaces that a bridge joins, each with a process of its own."""

import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys

HOST = pathlib.Path(__file__).with_name("host.py")

#: The interface of each host, and its addresses there.
INTERFACE = "net0"
ADDRESSES = {"one": "198.51.100.1", "two": "198.51.100.2", "three": "198.51.100.3"}
ADDRESSES_V6 = {"one": "fe80::1", "two": "fe80::2", "three": "fe80::3"}
BROADCAST = "198.51.100.255"

#: Where a host is told that broadcasts go to; mostly none is, and it follows from the prefix.
TOLD = {"one": ["brd", "+"], "two": [], "three": ["brd", "255.255.255.255"]}

#: A process that is told to end, and does not, is killed after so many seconds.
PATIENCE = 10


#: What ip(8) says where networks cannot be made.
REFUSALS = ["not permitted", "Permission denied", "not supported", "Unknown device type"]


class NotPermitted(Exception):
    """This machine lets nobody, or not this user, make networks; the text says what said so."""


def ip(*words):
    """Runs ip(8); gives its output. NotPermitted, or RuntimeError, with what it says."""
    done = subprocess.run(["ip", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        complaint = "ip %s: %s" % (" ".join(words), done.stderr.strip())
        is_refusal = any(words in complaint for words in REFUSALS)
        raise (NotPermitted if is_refusal else RuntimeError)(complaint)
    return done.stdout


class Network:
    """A context with a bridge, in a namespace by itself, and a namespace for each host."""

    def __init__(self):
        self._mark = "ph-%s-" % secrets.token_hex(4)
        self._made = []

    def __enter__(self):
        try:
            self._make("bridge")
            self._in("bridge", "link", "add", "bridge", "type", "bridge")
            self._in("bridge", "link", "set", "bridge", "up")
            for host in ADDRESSES:
                self._make(host)
                self.plug(host)
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_exception):
        self.remove()

    def _make(self, place):
        ip("netns", "add", self.namespace(place))
        self._made.append(place)
        # Which takes more than a namespace alone.
        ip("netns", "exec", self.namespace(place), "true")
        self._in(place, "link", "set", "lo", "up")

    def namespace(self, place):
        return self._mark + place

    def _in(self, place, *words):
        ip("-netns", self.namespace(place), *words)

    def plug(self, host):
        """Joins a host to the bridge, as when its cable is put in."""
        other_end = ["peer", "name", host, "netns", self.namespace("bridge")]
        self._in(host, "link", "add", INTERFACE, "type", "veth", *other_end)
        self._in(host, "link", "set", INTERFACE, "addrgenmode", "none", "up")
        self._in("bridge", "link", "set", host, "master", "bridge", "up")
        self.dress(host)

    def dress(self, host):
        """Gives a host its addresses."""
        v4, v6 = ADDRESSES[host] + "/24", ADDRESSES_V6[host] + "/64"
        self._in(host, "address", "add", v4, *TOLD[host], "dev", INTERFACE)
        # Others' use of the address need not be ruled out first.
        self._in(host, "address", "add", v6, "dev", INTERFACE, "nodad")

    def strip(self, host):
        """Takes its addresses away from a host; the interface stays."""
        self._in(host, "address", "flush", "dev", INTERFACE)

    def unplug(self, host):
        """Takes a host's interface away altogether."""
        self._in(host, "link", "delete", INTERFACE)

    def command(self, host, *words):
        """A command line that runs on a host."""
        return ["ip", "netns", "exec", self.namespace(host), *words]

    def remove(self):
        """Removes what there is, be it not all: the processes, and the namespaces with their
        interfaces."""
        while self._made:
            namespace = self.namespace(self._made.pop())
            for process in ip("netns", "pids", namespace).split():
                os.kill(int(process), signal.SIGKILL)
            ip("netns", "delete", namespace)


class Process:
    """A process on a host, running host.py: calls of its functions go there and back as lines.

    ``start`` and ``answer`` are the two halves of ``call``, for what several are to do at once.
    """

    def __init__(self, network, host, *arguments):
        self.name = host
        command = network.command(host, sys.executable, str(HOST), host, *arguments)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, **pipes)

    def start(self, function, **arguments):
        self._process.stdin.write(json.dumps([function, arguments]) + "\n")
        self._process.stdin.flush()

    def answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("host %s has ended" % self.name)
        outcome, value = json.loads(line)
        if outcome == "raised":
            raise AssertionError("host %s:\n%s" % (self.name, value))
        return value

    def call(self, function, **arguments):
        self.start(function, **arguments)
        return self.answer()

    def end(self):
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        return self._process.returncode


def has_ip():
    """Whether ip(8) is there; it may lie where only root looks."""
    os.environ["PATH"] += os.pathsep + os.pathsep.join(["/usr/sbin", "/sbin"])
    return shutil.which("ip") is not None
