"""Discovery among hosts of one network: each finds the others and talks with them.

Run as root with the package importable (PYTHONPATH=bindings/python) and ip(8) at hand; without ip
it ends with status 3. The hosts are network namespaces: where these are not permitted, all tests
are skipped, and say so.
"""

import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

from network import ADDRESSES, ADDRESSES_V6, BROADCAST, Network, NotPermitted, Process, has_ip

#: Exit status for "a tool I need is not here".
NOT_FOUND = 3

PORT = 5000
GROUP, GROUP_V6 = "239.255.77.1", "ff02::7701"

#: For what takes milliseconds unless it hangs, and for all tests together.
DEADLINE, ALL_SECONDS = 10, 200


class NetworkTest(unittest.TestCase):
    #: The network, or why there is none.
    network = refusal = None

    def setUp(self):
        if self.network is None:
            self.skipTest("network namespaces are not permitted: %s" % self.refusal)

    def process(self, host, *arguments):
        process = Process(self.network, host, str(PORT), *arguments)
        self.addCleanup(lambda: self.assertEqual(process.end(), 0))
        return process

    def wait_until(self, condition, what):
        deadline = time.monotonic() + DEADLINE
        while not condition():
            self.assertLess(time.monotonic(), deadline, "never came true: " + what)
            time.sleep(0.01)


def at_once(processes, function, arguments_for):
    """Has all do the same; gives what each gave, by name."""
    for process in processes:
        process.start(function, seconds=DEADLINE, **arguments_for(process.name))
    return {process.name: process.answer() for process in processes}


def others_of(name):
    return {"others": [other for other in ADDRESSES if other != name]}


class Discovery(NetworkTest):
    """Three hosts, none of which knows more than a port, and a group."""

    def meet(self, addresses, *group):
        hosts = [self.process(name, *group) for name in ADDRESSES]
        for name, found in at_once(hosts, "find", others_of).items():
            expected = {other: addresses[other] for other in addresses if other != name}
            self.assertEqual({other: sa[0] for other, sa in found.items()}, expected)
        for name, said in at_once(hosts, "talk", others_of).items():
            words = {"hello": addresses[name], "welcome": addresses[name]}
            self.assertEqual(said, {other: words for other in others_of(name)["others"]})
        for host in hosts:
            self.assertEqual(host.call("report")["errors"], [])

    def test_by_broadcast(self):
        self.meet(ADDRESSES)

    def test_by_multicast(self):
        self.meet(ADDRESSES, GROUP)

    def test_by_multicast_over_ipv6(self):
        self.meet(ADDRESSES_V6, GROUP_V6)


class Outage(NetworkTest):
    """A host loses its interface for a while; nothing that runs there ends with it."""

    def outlive(self, *group):
        one, two = self.process("one", *group), self.process("two", *group)
        self.both_hear(one, two)
        self.network.unplug("one")
        try:
            self.alone(one, two)
        finally:
            self.network.plug("one")
        if group:
            # A group is joined on interfaces, and this is another one.
            one.call("listen")
        self.both_hear(one, two)
        pairs = {"one": {"others": ["two"]}, "two": {"others": ["one"]}}
        at_once([one, two], "talk", pairs.get)

    def both_hear(self, one, two):
        """Each hears the other several times more."""
        for process, other in (one, "two"), (two, "one"):

            def heard():
                return process.call("report")["heard"].get(other, 0)

            before = heard()
            self.wait_until(lambda: heard() >= before + 3, "%s hears %s" % (process.name, other))

    def alone(self, one, two):
        """The one without interface goes on calling and listening, in vain; the other as well."""
        before = one.call("report")
        self.wait_until(
            lambda: one.call("report")["beacons"] >= before["beacons"] + 5, "the beacon goes on"
        )
        one_then, two_then = one.call("report"), two.call("report")
        self.wait_until(
            lambda: two.call("report")["beacons"] >= two_then["beacons"] + 5, "the beacon goes on"
        )
        one_now, two_now = one.call("report"), two.call("report")
        self.assertTrue(one_now["listens"] and two_now["listens"])
        self.assertEqual(one_now["heard"], one_then["heard"])
        self.assertEqual(two_now["heard"], two_then["heard"])
        self.assertEqual(one.call("complaint", other="two"), "ENETUNREACH")

    def test_by_broadcast(self):
        self.outlive()

    def test_by_multicast(self):
        self.outlive(GROUP)

    def test_an_interface_that_refuses_is_counted(self):
        # Without an address IPv6 sends nothing.
        one, two = self.process("one", GROUP_V6), self.process("two", GROUP_V6)
        self.both_hear(one, two)
        self.network.strip("one")
        try:
            before = one.call("report")
            self.wait_until(
                lambda: one.call("report")["beacons"] >= before["beacons"] + 5, "the beacon goes on"
            )
            after = one.call("report")
        finally:
            self.network.dress("one")
        # One message may have been in the middle of leaving.
        self.assertLessEqual(after["sent"], before["sent"] + 1)
        self.assertGreaterEqual(after["send_errors"], before["send_errors"] + 4)
        self.both_hear(one, two)


@unittest.skipUnless(shutil.which("socat"), "not found: socat (apt install socat)")
class Socat(NetworkTest):
    """Another program on the other side, both ways."""

    ECHO_PORT, CALL_PORT = 5001, 5002

    def socat(self, *addresses):
        """socat on host one."""
        command = self.network.command("one", "socat", *addresses)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen(command, text=True, **pipes)

        def end():
            process.terminate()
            process.communicate()

        self.addCleanup(end)
        return process

    def test_socat_asks_a_peer(self):
        two = self.process("two")
        two.start("echo", seconds=DEADLINE)
        asking = self.socat("-", "UDP4-DATAGRAM:%s:%d" % (ADDRESSES["two"], two.answer()))
        asking.stdin.write("from socat\n")
        asking.stdin.flush()
        self.assertEqual(asking.stdout.readline(), "from socat\n")
        self.assertEqual(two.answer(), "from socat\n")

    def test_a_peer_asks_socat(self):
        self.socat("UDP4-RECVFROM:%d,fork" % self.ECHO_PORT, "EXEC:cat")
        asked = [ADDRESSES["one"], self.ECHO_PORT]
        answer = self.process("two").call(
            "ask", address=asked, text="from a peer", seconds=DEADLINE
        )
        self.assertEqual(answer, "from a peer")

    def test_socat_calls_and_a_receiver_hears(self):
        two = self.process("two")
        two.start("hear", port=self.CALL_PORT, seconds=DEADLINE)
        self.assertEqual(two.answer(), "listens")
        calling = self.socat("-", "UDP4-DATAGRAM:%s:%d,broadcast" % (BROADCAST, self.CALL_PORT))
        calling.communicate("from socat\n", timeout=DEADLINE)
        self.assertEqual(two.answer(), "from socat\n")

    def test_a_sender_calls_and_socat_hears(self):
        hearing = self.socat("-u", "UDP4-RECV:%d" % self.CALL_PORT, "-")
        two, lines = self.process("two"), []

        def called():
            # socat does not say when it listens.
            self.assertEqual(two.call("shout", port=self.CALL_PORT, text="from a sender\n"), 2)
            return lines

        def read():
            lines.append(hearing.stdout.readline())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self.wait_until(called, "socat hears")
        reader.join()
        self.assertEqual(lines, ["from a sender\n"])


def interrupt(*_signal):
    raise KeyboardInterrupt


def main():
    # Whatever ends the run, the network is removed.
    for number in signal.SIGTERM, signal.SIGALRM:
        signal.signal(number, interrupt)
    signal.alarm(ALL_SECONDS)
    if not has_ip():
        print("not found: ip (apt install iproute2)")
        return NOT_FOUND
    program = unittest.TestProgram
    try:
        with Network() as NetworkTest.network:
            run = program(verbosity=2, exit=False)
    except NotPermitted as refusal:
        NetworkTest.network, NetworkTest.refusal = None, refusal
        run = program(verbosity=2, exit=False)
    return 0 if run.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
