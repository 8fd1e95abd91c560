"""The peer and the network: IPv6, names, broadcast, multicast, how datagrams arrive, ICMP errors,
offloads, and Python's own sockets on the other side."""

import errno
import os
import select
import socket
import time
import unittest

from peering import HOST, PeerTest, collect_from, data_of, gather, logged, receive
from support import (
    DEADLINE,
    needs_ipv6,
    now,
    numbered,
    port_of,
    wait_until,
)

from pyhelpers import _interfaces, _sockaddr
from pyhelpers.udping import Arrival, Peer, SendError, Truncated

LOOPBACK = _interfaces.index("lo")
GROUP = "239.255.77.88"
#: Stays on this host.
GROUP6 = "ff01::7788"

#: Of linux/udp.h: how long the datagrams are that one call sends.
UDP_SEGMENT = 103


def link_local():
    """(address, interface index) of this host's, where it has one."""
    try:
        with open("/proc/net/if_inet6") as table:
            rows = [line.split() for line in table]
    except IOError:
        return None
    for row in rows:
        if row[0].startswith("fe80"):
            packed = bytes(bytearray.fromhex(row[0]))
            return socket.inet_ntop(socket.AF_INET6, packed), int(row[1], 16)
    return None


needs_link_local = unittest.skipUnless(link_local(), "no interface has a link-local IPv6 address")


def arrivals(peer, count=1):
    return gather(peer.receive_arrivals, count)


def is_readable(peer):
    return bool(select.select([peer], [], [], 0)[0])


class PythonSockets(PeerTest):
    def both_ways(self, peer, plain):
        plain.sendto(b"to the peer", peer.ha)
        data, sa = receive(peer)
        self.assertEqual((data, sa), (b"to the peer", plain.getsockname()))
        self.assertEqual(peer.send(b"from the peer", sa), 13)
        self.assertEqual(plain.recvfrom(100), (b"from the peer", peer.ha))

    def test_ipv4(self):
        self.both_ways(self.peer(), self.socket())

    @needs_ipv6
    def test_ipv6(self):
        peer = self.peer(host="::1")
        self.assertEqual(peer.ha, ("::1", peer.port, 0, 0))
        self.assertEqual(peer.ls.family, socket.AF_INET6)
        self.both_ways(peer, self.socket("::1"))

    @needs_ipv6
    def test_ipv4_by_an_ipv6_socket(self):
        peer, plain = self.peer(host="::"), self.socket()
        plain.sendto(b"x", (HOST, peer.port))
        data, sa = receive(peer)
        self.assertEqual((data, sa), (b"x", ("::ffff:127.0.0.1", port_of(plain), 0, 0)))
        for dst in (sa, plain.getsockname()):
            peer.send(b"y", dst)
            self.assertEqual(plain.recvfrom(100), (b"y", (HOST, peer.port)))

    @needs_ipv6
    def test_ipv6_destinations(self):
        peer, plain = self.peer(host="::1"), self.socket("::1")
        port = port_of(plain)
        for dst in (("::1", port), ("::1", port, 0), ("::1", port, 0, 0), (u"::1", port),
                    (b"::1", port), ("", port), ("0::0:1", port)):
            peer.send(b"x", dst)
            self.assertEqual(plain.recvfrom(100), (b"x", peer.ha))
            self.assertEqual(peer.send_many([(b"y", dst)]), 1)
            self.assertEqual(plain.recvfrom(100), (b"y", peer.ha))
        for dst in (("::1", port, 1), ("::1", port, 0, 0, 0), ("::1",)):
            self.refused((TypeError, ValueError), peer.send, b"x", dst)
        self.refused(OverflowError, peer.send, b"x", ("::1", port, 0, 1 << 32))

    @needs_ipv6
    def test_ipv6_by_an_ipv4_socket(self):
        peer = self.peer()
        with logged():
            self.fails_with(errno.EAFNOSUPPORT, peer.send, b"x", ("::1", 5))
            self.fails_with(errno.EAFNOSUPPORT, peer.send_many, [(b"x", ("::1", 5))])

    @needs_link_local
    def test_scope_ids(self):
        host, index = link_local()
        name = _interfaces.name(index)
        peer = self.peer(host="%s%%%s" % (host, name))
        self.assertEqual(peer.ha, (host, peer.port, 0, index))
        was = peer.ha
        self.assertTrue(peer.reopen())
        self.assertEqual(peer.ha, was)
        other = self.peer(host="::")
        port = peer.port
        for dst in (peer.ha, ("%s%%%s" % (host, name), port), ("%s%%%d" % (host, index), port),
                    ("%s%%%s" % (host, name), port, 0, index)):
            other.send(b"x", dst)
            self.assertEqual(receive(peer), (b"x", (host, other.port, 0, index)))
            other.send_many([(b"y", dst)])
            self.assertEqual(receive(peer), (b"y", (host, other.port, 0, index)))
        self.refused(socket.gaierror, other.send, b"x", (host + "%nosuch0", port))

    def test_names(self):
        peer, plain = self.peer(), self.socket()
        for host in ("localhost", b"localhost", u"localhost", "127.1"):
            peer.send(b"x", (host, port_of(plain)))
            self.assertEqual(plain.recvfrom(100), (b"x", peer.ha))
            peer.send_many([(b"x", (host, port_of(plain)))] * 6)
            self.assertEqual([plain.recv(9) for _ in range(6)], [b"x"] * 6)

    def test_a_name_is_resolved_each_time(self):
        peer = self.peer()
        first, second = self.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(second.close)
        second.settimeout(DEADLINE)
        second.bind(("127.0.0.2", port_of(first)))
        dst = "changing.example", port_of(first)
        asked = socket.getaddrinfo
        for plain in (first, second):
            answer = [(2, 2, 17, "", plain.getsockname())]
            socket.getaddrinfo = lambda *_arguments: answer
            try:
                peer.send(b"x", dst)
                peer.send(b"y", dst, tos=4)
                peer.send_many([(b"z", dst)])
            finally:
                socket.getaddrinfo = asked
            self.assertEqual([plain.recv(9) for _ in range(3)], [b"x", b"y", b"z"])
        self.refused(socket.gaierror, peer.send, b"x", dst)

    def test_this_host(self):
        peer = self.peer(host="")
        self.assertEqual(peer.host, "0.0.0.0")
        peer.send(b"x", ("", peer.port))
        self.assertEqual(receive(peer)[0], b"x")

    def test_offloads_on_and_off(self):
        # Runs of one length, which go together, and such as do not.
        sizes = [100] * 70 + [1, 0, 1] + [1400] * 40 + [5, 100, 7]
        datas = [bytes(bytearray([n % 256])) * size for n, size in enumerate(sizes)]
        for gso in (True, False):
            for gro in (True, False):
                sender, receiver = self.peer(gso=gso), self.peer(gro=gro, bs=4 << 20)
                plain = self.socket(receive_buffer=4 << 20)
                for dst in (receiver.ha, plain.getsockname()):
                    self.assertEqual(sender.send_many([(data, dst) for data in datas]), len(datas))
                received = collect_from(receiver, len(datas))
                self.assertEqual(received, [(data, sender.ha) for data in datas])
                self.assertEqual([plain.recv(9000) for _ in datas], datas)
                uses = sender.stats()["uses_gso"], receiver.stats()["uses_gro"]
                self.assertLessEqual(uses, (int(gso), int(gro)))

    def test_python_sockets_that_send_runs(self):
        plain = self.socket()
        try:
            plain.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
        except (socket.error, OSError):
            self.skipTest("this kernel has no UDP GSO")
        run = os.urandom(5050)
        wanted = [run[at : at + 100] for at in range(0, len(run), 100)]
        for gro in (True, False):
            peer = self.peer(gro=gro, bs=4 << 20)
            # The first asks for GRO, by 64 datagrams; those after take a run apart.
            for take in (lambda: collect_from(peer, 51), lambda: [receive(peer) for _ in wanted],
                         lambda: [collect_from(peer, 1)[0] for _ in wanted]):
                self.assertEqual(peer.receive_many(64), [])
                plain.sendto(run, peer.ha)
                self.assertEqual(data_of(take()), wanted)
                self.assertFalse(is_readable(peer))

    def test_distinct_senders(self):
        peer = self.peer(bs=4 << 20)
        senders = [self.socket() for _ in range(8)]
        wanted = []
        for number in range(100):
            sender = senders[number % 8]
            sender.sendto(str(number).encode(), peer.ha)
            wanted.append((str(number).encode(), sender.getsockname()))
        self.assertEqual(collect_from(peer, 100), wanted)


class Readiness(PeerTest):
    def test_readable_exactly_while_something_is_there(self):
        peer, sender = self.peer(), self.socket()
        self.assertFalse(is_readable(peer))
        for _ in range(3):
            sender.sendto(b"x", peer.ha)
        wait_until(lambda: is_readable(peer), "it is readable")
        for count in (2, 1, 0):
            receive(peer)
            self.assertEqual(is_readable(peer), count > 0)

    def test_what_is_left_of_a_run_counts(self):
        peer, sender = self.peer(), self.peer()
        self.assertEqual(peer.receive_many(64), [])
        sender.send_many([(data, peer.ha) for data in numbered(100, "%03d")])
        self.assertEqual(len(collect_from(peer, 99)), 99)
        self.assertTrue(is_readable(peer))
        self.assertEqual(receive(peer), (b"099", sender.ha))
        self.assertFalse(is_readable(peer))

    def test_it_stays_the_same(self):
        peer = self.peer()
        self.assertEqual(peer.fileno(), peer.fileno())
        self.assertNotEqual(peer.fileno(), peer.ls.fileno())

    def test_room_for_sending(self):
        peer = self.peer()
        self.assertEqual(select.select([], [peer.ls], [], 0)[1], [peer.ls])


class Icmp(PeerTest):
    def test_a_refused_datagram_is_reported_and_ends_nothing(self):
        peer, gone, friend = self.peer(), self.socket(), self.socket()
        nowhere = gone.getsockname()
        gone.close()
        self.assertEqual(peer.errors(), [])
        before = time.time()
        found = []
        for _ in range(3):
            self.assertEqual(peer.send(b"x", nowhere), 1)
            wait_until(lambda: is_readable(peer), "the error comes")
            self.assertEqual(peer.receive(), (b"", None))
            self.assertEqual(peer.send(b"to a friend", friend.getsockname()), 11)
            self.assertEqual(friend.recv(100), b"to a friend")
            found += wait_until(peer.errors, "it can be picked up")
            self.assertFalse(is_readable(peer))
        self.assertEqual(peer.stats()["icmp_errors"], 3)
        for error in found:
            self.assertIsInstance(error, SendError)
            wanted = errno.ECONNREFUSED, HOST, nowhere[1], "icmp"
            self.assertEqual((error.errno, error.addr, error.port, error.kind), wanted)
            self.assertLess(abs(error.time - before), DEADLINE)
        friend.sendto(b"y", peer.ha)
        self.assertEqual(receive(peer), (b"y", friend.getsockname()))

    def test_many_among_others(self):
        peer, gone, friend = self.peer(), self.socket(), self.socket()
        nowhere = gone.getsockname()
        gone.close()
        ends = nowhere, friend.getsockname()
        items = [(data, ends[n % 2]) for n, data in enumerate(numbered(20))]
        sent = 0
        while sent < 20:
            sent += peer.send_many(items[sent:])
        self.assertEqual([friend.recv(9) for _ in range(10)], [data for data, _ in items[1::2]])
        errors = []
        wait_until(lambda: errors.extend(peer.errors()) or errors, "an error comes")
        self.assertEqual({(error.errno, error.port) for error in errors},
                         {(errno.ECONNREFUSED, nowhere[1])})

    def test_waiting_goes_on(self):
        peer, gone = self.peer(), self.socket()
        nowhere = gone.getsockname()
        gone.close()
        peer.send(b"x", nowhere)
        wait_until(lambda: is_readable(peer), "the error comes")
        started = now()
        self.assertEqual(peer.receive_many(timeout=0.1), [])
        self.assertGreaterEqual(now() - started, 0.1)
        self.assertEqual(len(peer.errors()), 1)


class Arriving(PeerTest):
    def test_how_it_came(self):
        peer, sender = self.peer(host="", arrival=True), self.socket()
        for local in (HOST, "127.0.0.2"):
            before = time.time()
            sender.sendto(b"x", (local, peer.port))
            arrival, = arrivals(peer)
            self.assertIsInstance(arrival, Arrival)
            self.assertEqual(arrival[:6], (b"x", sender.getsockname(), local, LOOPBACK, 0, 0))
            self.assertLess(abs(arrival.time - before), DEADLINE)
            self.assertGreaterEqual(arrival.time, before - 0.1)

    @needs_ipv6
    def test_ipv6(self):
        peer, sender = self.peer(host="::", arrival=True), self.socket("::1")
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x2E)
        sender.sendto(b"x", ("::1", peer.port))
        arrival, = arrivals(peer)
        self.assertEqual(arrival[:6], (b"x", sender.getsockname(), "::1", LOOPBACK, 0x2E, 2))
        peer.send(b"answer", arrival.sa, src=arrival)
        self.assertEqual(sender.recvfrom(9), (b"answer", ("::1", peer.port, 0, 0)))

    def test_tos_and_ecn(self):
        peer, sender = self.peer(arrival=True), self.peer()
        sender.tos = 0x10
        told = [({}, 0x10), ({"tos": 0x20}, 0x20), ({"ecn": 1}, 0x11), ({"ecn": 0, "tos": 7}, 4),
                ({"tos": 0x20, "ecn": 3}, 0x23)]
        for how, tos in told:
            self.assertEqual(sender.send(b"x", peer.ha, **how), 1)
            arrival, = arrivals(peer)
            self.assertEqual((arrival.tos, arrival.ecn), (tos, tos & 3))
        for how in ({"tos": 256}, {"tos": -1}, {"ecn": 4}, {"ecn": -1}):
            self.refused(ValueError, sender.send, b"x", peer.ha, **how)
        self.refused(TypeError, sender.send, b"x", peer.ha, tos="5")

    def test_answers_from_where_it_came_to(self):
        peer = self.peer(host="", arrival=True)
        client = self.socket()
        for local in ("127.0.0.3", "127.0.0.4"):
            client.sendto(b"x", (local, peer.port))
            arrival, = arrivals(peer)
            for answer in (
                lambda: peer.send(b"answer", arrival.sa, src=arrival),
                lambda: peer.send(b"answer", arrival.sa, src=arrival.local, unknown=5),
                lambda: peer.send_many([(b"answer", arrival.sa, arrival)]) and 6,
                lambda: peer.send_many([(b"answer", arrival.sa, local)]) and 6,
            ):
                self.assertEqual(answer(), 6)
                self.assertEqual(client.recvfrom(9), (b"answer", (local, peer.port)))

    def test_sources_of_a_batch(self):
        peer, sink = self.peer(host=""), self.socket(receive_buffer=1 << 20)
        to = sink.getsockname()
        hosts = ["127.0.0.%d" % (2 + n % 5) for n in range(20)]
        items = [(data, to, host) for data, host in zip(numbered(20), hosts)]
        items[7:7] = [(b"any", to), (b"any", to, None)]
        self.assertEqual(peer.send_many(items), 22)
        got = [sink.recvfrom(9) for _ in items]
        self.assertEqual(data_of(got), data_of(item[:2] for item in items))
        hosts[7:7] = [HOST, HOST]
        self.assertEqual([sa[0] for _, sa in got], hosts)

    def test_sources_that_are_none(self):
        peer = self.peer(host="")
        to = HOST, peer.port
        with logged():
            for call, arguments, how in (
                (peer.send, (b"x", to), {"src": "192.0.2.99"}),
                (peer.send_many, ([(b"x", to, "192.0.2.99")],), {}),
            ):
                error = self.refused(OSError, call, *arguments, **how)
                # The kernel says one or the other, by what looks at it first.
                self.assertIn(error.errno, (errno.EINVAL, errno.ENETUNREACH))
        self.refused(TypeError, peer.send, b"x", to, src=5)
        self.refused(socket.gaierror, peer.send, b"x", to, src="no-such-host.invalid")
        self.assertEqual(peer.receive(), (b"", None))

    def test_many_and_truncated(self):
        peer = self.peer(arrival=True, bs=1000)
        sender = self.socket()
        for size in (10, 2000) * 10:
            sender.sendto(b"x" * size, peer.ha)
        found = arrivals(peer, 20)
        self.assertEqual([len(arrival.data) for arrival in found], [10, 1000] * 10)
        self.assertEqual([type(arrival.data) for arrival in found], [bytes, Truncated] * 10)
        self.assertEqual({arrival.local for arrival in found}, {HOST})

    def test_receive_and_receive_many_work_too(self):
        peer = self.peer(arrival=True)
        peer.send_many([(b"a", peer.ha), (b"b", peer.ha), (b"c", peer.ha)])
        self.assertEqual(receive(peer), (b"a", peer.ha))
        self.assertEqual(collect_from(peer, 2), [(b"b", peer.ha), (b"c", peer.ha)])

    def test_a_peer_that_does_not_know(self):
        self.refused(ValueError, self.peer().receive_arrivals)
        peer = self.peer()
        peer.arrival = True
        self.refused(ValueError, peer.receive_arrivals)
        peer.reopen()
        self.assertEqual(peer.receive_arrivals(), [])
        self.assertEqual(peer.receive_arrivals(timeout=0.01), [])


class Broadcasting(PeerTest):
    def test_without_permission(self):
        peer = self.peer(host="")
        for host in ("127.255.255.255", "255.255.255.255", "<broadcast>"):
            with logged():
                self.fails_with(errno.EACCES, peer.send, b"x", (host, peer.port))
                self.fails_with(errno.EACCES, peer.send_many, [(b"x", (host, peer.port))])
        self.assertEqual(peer.broadcast, 0)

    def test_with_permission(self):
        receiver = self.peer(host="")
        for sender in (self.peer(bcast=True), self.peer()):
            sender.broadcast = True
            self.assertEqual(sender.broadcast, 1)
            self.assertEqual(sender.send(b"x", ("127.255.255.255", receiver.port)), 1)
            self.assertEqual(receive(receiver), (b"x", sender.ha))
        sender.broadcast = False
        with logged():
            self.fails_with(errno.EACCES, sender.send, b"x", ("127.255.255.255", receiver.port))

    def test_permission_comes_with_the_next_open(self):
        peer = self.peer(host="")
        peer.bcast = True
        self.assertEqual(peer.broadcast, 0)
        peer.reopen()
        self.assertEqual(peer.broadcast, 1)


class Multicast(PeerTest):
    def comes(self, sender, receiver, dst):
        sender.send(b"x", dst)
        return bool(receiver.receive_many(timeout=0.05))

    def around(self, host, group, index):
        name = _interfaces.name(index)
        receiver, sender = self.peer(host=host, arrival=True), self.peer(host=host)
        to = (group, receiver.port)
        sender.multicast_interface = name
        self.assertEqual(sender.multicast_interface, index)
        self.assertEqual(sender.multicast_loop, 1)
        self.assertFalse(self.comes(sender, receiver, to))
        receiver.join(group, name)
        self.assertEqual(sender.send(b"to all", to), 6)
        arrival, = arrivals(receiver)
        self.assertEqual((arrival.data, arrival.sa[1]), (b"to all", sender.port))
        self.assertEqual(arrival.interface, index)
        self.fails_with(errno.EADDRINUSE, receiver.join, group, index)
        receiver.leave(group, index)
        self.assertFalse(self.comes(sender, receiver, to))
        self.fails_with(errno.EADDRNOTAVAIL, receiver.leave, group, name)
        receiver.join(group, index)
        self.assertTrue(self.comes(sender, receiver, to))
        return receiver, sender

    def test_ipv4(self):
        self.around("", GROUP, LOOPBACK)

    @needs_link_local
    def test_ipv6(self):
        _, index = link_local()
        receiver, sender = self.around("::", GROUP6, index)
        # The interface may be part of the address instead.
        sender.multicast_interface = 0
        for host in ("%s%%%d" % (GROUP6, index), "%s%%%s" % (GROUP6, _interfaces.name(index))):
            self.assertTrue(self.comes(sender, receiver, (host, receiver.port)))
        self.assertTrue(self.comes(sender, receiver, (GROUP6, receiver.port, 0, index)))
        sender.multicast_loop = False
        self.assertFalse(self.comes(sender, receiver, (GROUP6, receiver.port, 0, index)))

    @needs_link_local
    def test_a_group_with_its_interface(self):
        _, index = link_local()
        receiver, sender = self.peer(host="::"), self.peer(host="::")
        group = "%s%%%s" % (GROUP6, _interfaces.name(index))
        receiver.join(group)
        self.assertTrue(self.comes(sender, receiver, (group, receiver.port)))
        receiver.leave(group)
        self.assertFalse(self.comes(sender, receiver, (group, receiver.port)))

    def test_answers_to_a_group_member(self):
        member, asking = self.peer(host="", arrival=True), self.peer()
        member.join(GROUP, "lo")
        asking.multicast_interface = "lo"
        asking.send(b"who?", (GROUP, member.port))
        question, = arrivals(member)
        member.send(b"me", question.sa, src=question)
        data, sa = receive(asking)
        self.assertEqual((data, sa), (b"me", (HOST, member.port)))

    def test_the_interface_of_an_arrival(self):
        member, asking = self.peer(host="", arrival=True), self.peer(host="")
        member.join(GROUP, "lo")
        member.send(b"x", (HOST, member.port))
        came, = arrivals(member)
        self.assertEqual(came.interface, LOOPBACK)
        asking.send(b"question", (GROUP, member.port), src=came._replace(local=None))
        asking.send_many([(b"another", (GROUP, member.port), came._replace(local=None))])
        found = arrivals(member, 2)
        self.assertEqual([(each.data, each.interface) for each in found],
                         [(b"question", LOOPBACK), (b"another", LOOPBACK)])

    def test_groups_and_interfaces_that_are_none(self):
        peer = self.peer(host="")
        for change in (peer.join, peer.leave):
            self.fails_with(errno.EINVAL, change, HOST)
            self.fails_with(errno.ENODEV, change, GROUP, "nosuch0")
            self.fails_with(errno.ENODEV, change, GROUP, "x" * 16)
            self.refused(TypeError, change, 5)
            self.refused(TypeError, change, GROUP, 1.5)
            self.refused(ValueError, change, GROUP, -1)
        self.fails_with(errno.ENODEV, peer.join, GROUP, 1 << 30)
        self.fails_with(errno.EADDRNOTAVAIL, peer.leave, GROUP, 1 << 30)
        self.fails_with(errno.ENODEV, setattr, peer, "multicast_interface", "nosuch0")
        self.assertEqual(peer.multicast_interface, 0)


class Options(PeerTest):
    def checked(self, peer, level, names):
        values = {"ttl": 9, "tos": 0x28, "multicast_ttl": 7, "multicast_loop": 0}
        for name, value in values.items():
            setattr(peer, name, value)
            self.assertEqual(getattr(peer, name), value)
            self.assertEqual(peer.ls.getsockopt(level, names[name]), value)
        for name, value in (("ttl", 256), ("tos", 256), ("multicast_ttl", -1), ("ttl", 1 << 40)):
            self.refused(ValueError, setattr, peer, name, value)
        self.fails_with(errno.EINVAL, setattr, peer, "ttl", 0)
        self.refused(TypeError, setattr, peer, "ttl", "5")

    def test_ipv4(self):
        peer = self.peer()
        usual = peer.ttl
        self.checked(peer, socket.IPPROTO_IP, {
            "ttl": socket.IP_TTL,
            "tos": socket.IP_TOS,
            "multicast_ttl": socket.IP_MULTICAST_TTL,
            "multicast_loop": socket.IP_MULTICAST_LOOP,
        })
        peer.reopen()
        self.assertEqual((peer.ttl, peer.tos), (usual, 0))

    @needs_ipv6
    def test_ipv6(self):
        self.checked(self.peer(host="::1"), socket.IPPROTO_IPV6, {
            "ttl": socket.IPV6_UNICAST_HOPS,
            "tos": socket.IPV6_TCLASS,
            "multicast_ttl": socket.IPV6_MULTICAST_HOPS,
            "multicast_loop": socket.IPV6_MULTICAST_LOOP,
        })


class Addresses(unittest.TestCase):
    def test_there_and_back(self):
        for family, address in (
            (socket.AF_INET, ("192.0.2.1", 65535)),
            (socket.AF_INET6, ("2001:db8::1", 1, 0, 0)),
            (socket.AF_INET6, ("fe80::1", 0, 0, 7)),
            (socket.AF_INET6, ("::ffff:192.0.2.1", 5, 0, 0)),
            (socket.AF_INET6, ("::192.0.2.1", 5, 0, 0)),
        ):
            raw, is_lasting = _sockaddr.pack(address, family)
            self.assertTrue(is_lasting)
            self.assertEqual(_sockaddr.from_bytes[raw], address)

    def test_an_interface_in_the_host(self):
        for address in (("fe80::1%lo", 5), ("fe80::1%1", 5, 0), ("fe80::1%lo", 5, 0, LOOPBACK)):
            raw, is_lasting = _sockaddr.pack(address, socket.AF_INET6)
            self.assertFalse(is_lasting)
            self.assertEqual(_sockaddr.from_bytes[raw], ("fe80::1", 5, 0, LOOPBACK))

    @needs_ipv6
    def test_the_interface_of_a_source(self):
        with Peer(host="::1", port=0) as peer:
            words, interface = peer._socket.source("fe80::1%lo")
            self.assertEqual(interface, LOOPBACK)
            self.assertEqual(_sockaddr.from_words[words], ("fe80::1", 0, 0, LOOPBACK))


class Interfaces(unittest.TestCase):
    def test_names_and_indexes(self):
        self.assertEqual(_interfaces.name(LOOPBACK), "lo")
        self.assertEqual([_interfaces.index(each) for each in (u"lo", LOOPBACK, None)],
                         [LOOPBACK, LOOPBACK, 0])
        self.assertIsNone(_interfaces.name(1 << 30))
        self.assertRaises(OSError, _interfaces.index, "")


if __name__ == "__main__":
    unittest.main()
