# -*- coding: utf-8 -*-
"""Addresses, ports and data: what is taken, what is refused, and how they come back."""

import array
import errno
import socket
import unittest

from support import HandlerTest, collect, needs_ipv6, needs_python3, port_of


def interface_with_link_local():
    """(name, index, address) of an interface that has an IPv6 link-local address; None."""
    try:
        with open("/proc/net/if_inet6") as table:
            rows = [line.split() for line in table]
    except IOError:
        return None
    for digits, index, _, scope, _, name in rows:
        if scope == "20" and is_up(name):
            groups = [digits[at : at + 4] for at in range(0, 32, 4)]
            text = socket.inet_ntop(
                socket.AF_INET6, socket.inet_pton(socket.AF_INET6, ":".join(groups))
            )
            return name, int(index, 16), text
    return None


def is_up(name):
    try:
        with open("/sys/class/net/%s/flags" % name) as flags:
            return int(flags.read(), 16) & 1 == 1
    except IOError:
        return False


LINK_LOCAL = interface_with_link_local()


class RoundTrip(HandlerTest):
    """The address that get_recved gives is one that dispatch takes."""

    def answers(self, udp, client, to, seen_as):
        """A client's question comes with the address ``seen_as``, and an answer gets there by
        both ways of sending."""
        handler, port = self.receiver(udp)
        client.sendto(b"question", (to, port))
        ((addr, found_port, data, _),) = collect(handler, 1)
        self.assertEqual((addr, found_port, data), (seen_as, port_of(client), b"question"))
        self.assertIs(type(addr), str)
        handler.dispatch(addr, found_port, b"answer")
        handler.dispatch_many([(addr, found_port, b"second")])
        self.assertEqual([client.recv(100), client.recv(100)], [b"answer", b"second"])

    def test_ipv4(self):
        self.answers(self.socket(), self.socket("127.0.0.2"), "127.0.0.1", "127.0.0.2")

    @needs_ipv6
    def test_ipv6(self):
        self.answers(self.socket("::1"), self.socket("::1"), "::1", "::1")

    @needs_ipv6
    def test_ipv6_only(self):
        self.answers(self.socket("::", v6_only=1), self.socket("::1"), "::1", "::1")

    @needs_ipv6
    def test_ipv4_on_a_dual_stack_socket(self):
        udp = self.socket("::", v6_only=0)
        self.answers(udp, self.socket("127.0.0.3"), "127.0.0.1", "::ffff:127.0.0.3")

    @needs_ipv6
    def test_ipv6_on_a_dual_stack_socket(self):
        self.answers(self.socket("::", v6_only=0), self.socket("::1"), "::1", "::1")

    @needs_ipv6
    def test_a_dual_stack_socket_takes_plain_and_mapped_addresses(self):
        handler = self.handler(self.socket("::", v6_only=0))
        client = self.socket()
        for addr in ("127.0.0.1", "::ffff:127.0.0.1", "::FFFF:7f00:1", "0::ffff:127.0.0.1"):
            handler.dispatch(addr, port_of(client), addr)
            handler.dispatch_many([(addr, port_of(client), addr)])
            self.assertEqual([client.recv(100) for _ in "12"], [addr.encode()] * 2)

    def test_an_ipv4_socket_takes_mapped_addresses(self):
        client = self.socket()
        self.handler().dispatch("::ffff:127.0.0.1", port_of(client), b"mapped")
        self.assertEqual(client.recv(100), b"mapped")

    @unittest.skipUnless(LINK_LOCAL, "no interface has an IPv6 link-local address")
    def test_scope_ids(self):
        name, index, text = LINK_LOCAL
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(udp.close)
        udp.bind((text, 0, 0, index))
        # One's own link-local address is reached over the loopback interface.
        handler, port = self.receiver(udp)
        for addr in ("%s%%%d" % (text, index), "%s%%%s" % (text, name)):
            handler.dispatch(addr, port, b"to myself")
            handler.dispatch_many([(addr, port, b"to myself")])
            for found in collect(handler, 2):
                self.assertEqual(found[:3], ("%s%%%d" % (text, index), port, b"to myself"))


class Refused(HandlerTest):
    def setUp(self):
        self.peer, self.port = self.receiver()

    def is_refused(self, kind, addr, port, data):
        self.refused(kind, self.peer.dispatch, addr, port, data)
        self.refused(kind, self.peer.dispatch_many, [(addr, port, data)])

    def tearDown(self):
        self.assertEqual(self.peer.stats()["dispatched"], 0)

    def test_names_and_other_text(self):
        for text in (
            "",
            " ",
            "localhost",
            "example.org",
            "127.0.0.1 ",
            " 127.0.0.1",
            "127.0.0.1\n",
            "127.0.0.1:53",
            "127.0.0",
            "127.0.0.0.1",
            "127.0.0.256",
            "0x7f.0.0.1",
            "127.0.0.1%lo",
            "2130706433",
            "[::1]",
            "::1%",
            ":::",
            "1::2::3",
            "*",
            "255.255.255.255.255" * 1000,
            "1" * 100000,
            u"127.0.0.\u0661",
            u"\u00fc",
        ):
            self.is_refused(ValueError, text, self.port, b"")
            if isinstance(text, str):
                self.is_refused(ValueError, text.encode("utf-8"), self.port, b"")

    def test_text_with_a_nul_is_not_cut_there(self):
        for text in ("127.0.0.1\0", "127.0.0.1\0.example.org", "\0", "\0" + "127.0.0.1"):
            self.is_refused(ValueError, text, self.port, b"")
            self.is_refused(ValueError, text.encode(), self.port, b"")

    @needs_python3
    def test_text_that_is_no_unicode(self):
        self.is_refused(ValueError, "\ud800", self.port, b"")
        self.is_refused(ValueError, "127.0.0.1", self.port, "\ud800")

    def test_what_is_no_text(self):
        for addr in (None, 0, 127, 1.5, object(), ("127.0.0.1", 53), [127, 0, 0, 1], {}):
            self.is_refused(TypeError, addr, self.port, b"")

    def test_ports_out_of_range(self):
        for port in (0, -1, 65536, 65536 + self.port, 1 << 31, -(1 << 31), 1 << 100):
            self.is_refused(ValueError, "127.0.0.1", port, b"")
        for bits in (16, 32, 64):
            # What C would cut to a port that is right.
            self.is_refused(ValueError, "127.0.0.1", (1 << bits) + self.port, b"")
            self.is_refused(ValueError, "127.0.0.1", -(1 << bits) + self.port, b"")

    def test_ports_that_are_no_integers(self):
        for port in (None, "53", b"53", 53.0, 53.5, float("nan"), (53,), object()):
            self.is_refused(TypeError, "127.0.0.1", port, b"")

    def test_data_that_is_none(self):
        for data in (None, 0, 5, 1.5, [1, 2], (1, 2), {}, object()):
            self.is_refused(TypeError, "127.0.0.1", self.port, data)

    def test_an_address_that_the_socket_cannot_reach(self):
        error = self.fails_with(errno.EAFNOSUPPORT, self.peer.dispatch, "::1", self.port, b"")
        self.assertTrue(str(error))
        self.fails_with(errno.EAFNOSUPPORT, self.peer.dispatch_many, [("::1", self.port, b"")])

    def test_an_interface_that_is_not_there(self):
        addr = "fe80::1%nosuchinterface"
        self.fails_with(errno.ENODEV, self.peer.dispatch, addr, self.port, b"")
        self.fails_with(errno.ENODEV, self.peer.dispatch_many, [(addr, self.port, b"")])

    def test_the_refused_is_named(self):
        error = self.refused(ValueError, self.peer.dispatch, "example.org", 53, b"")
        self.assertIn("example.org", str(error))
        error = self.refused(ValueError, self.peer.dispatch_many, [("example.org", 53, b"")])
        self.assertIn("example.org", str(error))
        error = self.refused(ValueError, self.peer.dispatch, "127.0.0.1", 65536, b"")
        self.assertIn("65536", str(error))


class Taken(HandlerTest):
    def setUp(self):
        self.peer, self.port = self.receiver()

    def arrives(self, addr, port, data, wanted):
        self.peer.dispatch(addr, port, data)
        self.peer.dispatch_many([(addr, port, data)] * 2)
        for found in collect(self.peer, 3):
            self.assertEqual(found[:3], ("127.0.0.1", self.port, wanted))
            self.assertIs(type(found[2]), bytes)

    def test_text_and_bytes_for_an_address(self):
        for addr in ("127.0.0.1", u"127.0.0.1", b"127.0.0.1"):
            self.arrives(addr, self.port, b"x", b"x")

    def test_every_kind_of_data(self):
        for data, wanted in [
            (b"\0\1\xff", b"\0\1\xff"),
            ("text", b"text"),
            (u"\u20ac \U0001f600", b"\xe2\x82\xac \xf0\x9f\x98\x80"),
            (bytearray(b"\0\xff"), b"\0\xff"),
            (memoryview(b"view"), b"view"),
            (b"", b""),
            (u"", b""),
            (bytearray(), b""),
            (memoryview(b""), b""),
        ]:
            self.arrives("127.0.0.1", self.port, data, wanted)

    @needs_python3
    def test_views_whose_items_do_not_lie_side_by_side_or_are_wider(self):
        words = memoryview(array.array("H", [258, 772]))
        self.arrives("127.0.0.1", self.port, words, words.tobytes())
        self.arrives("127.0.0.1", self.port, memoryview(b"0123456789")[::3], b"0369")

    def test_what_can_be_a_number_for_a_port(self):
        class Port(object):
            def __init__(self, number):
                self.number = number

            def __index__(self):
                return self.number

        self.arrives("127.0.0.1", Port(self.port), b"x", b"x")
        self.refused(ValueError, self.peer.dispatch, "127.0.0.1", Port(65536), b"x")
        self.refused(ValueError, self.peer.dispatch_many, [("127.0.0.1", Port(0), b"x")])

    def test_the_ends_of_the_range_of_ports(self):
        for port in (1, 65535):
            self.peer.dispatch("127.0.0.1", port, b"x")
            self.assertEqual(self.peer.dispatch_many([("127.0.0.1", port, b"x")]), 1)

    def test_an_address_that_was_refused_is_refused_again(self):
        # What is remembered of an address must not make a bad one good, nor a good one bad.
        for _ in range(3):
            self.refused(ValueError, self.peer.dispatch, "127.0.0.1.", self.port, b"")
            self.refused(ValueError, self.peer.dispatch_many, [("127.0.0.1.", self.port, b"")])
            self.arrives("127.0.0.1", self.port, b"x", b"x")


class Handlers(HandlerTest):
    def test_several_handlers_keep_apart(self):
        peers = [self.receiver() for _ in range(10)]
        for number, (handler, port) in enumerate(peers):
            _, next_port = peers[(number + 1) % 10]
            handler.dispatch_many([("127.0.0.1", next_port, str(number))] * 5)
        for number, (handler, _) in enumerate(peers):
            _, before = peers[number - 1]
            wanted = ("127.0.0.1", before, str((number - 1) % 10).encode())
            self.assertEqual([found[:3] for found in collect(handler, 5)], [wanted] * 5)
        peers[0][0].shutdown()
        peers[1][0].dispatch("127.0.0.1", peers[2][1], b"still here")
        self.assertEqual(collect(peers[2][0], 1)[0][2], b"still here")


if __name__ == "__main__":
    unittest.main()
