"""The peer as hio has it: attributes, return values, life cycle, mixed-in classes, doers."""

import copy
import errno
import inspect
import os
import pickle
import socket
import threading
import unittest
import warnings

from peering import (
    HOST,
    PeerTest,
    Wire,
    check_interrupt,
    collect_from,
    data_of,
    logged,
    privileged_port,
    receive,
    told,
    waiting,
)
from support import (
    DEADLINE,
    Child,
    collect_garbage,
    descriptors,
    leaves_nothing,
    now,
    numbered,
    port_of,
    run_child,
    udp_socket,
    wait_until,
)

from pyhelpers import _doer, udping
from pyhelpers._open_socket import BATCH
from pyhelpers.udping import Peer, PeerDoer, Truncated, openPeer, openWL

try:
    import hio
except ImportError:
    hio = None

needs_hio = unittest.skipUnless(hio, "hio, which needs Python 3.12.6, is not installed")


def operations(peer):
    """Every method that a closed peer refuses, with arguments that are right."""
    item = b"x", (HOST, 9)
    return [
        (peer.receive, ()),
        (peer.receive_many, ()),
        (peer.receive_many, (10, 5)),
        (peer.receive_many, (10, None)),
        (peer.receive_arrivals, ()),
        (peer.send, item),
        (peer.send_many, ([item],)),
        (peer.join, ("239.1.2.3",)),
        (peer.leave, ("239.1.2.3",)),
        (peer.errors, ()),
        (peer.stats, ()),
        (peer.fileno, ()),
        (getattr, (peer, "ttl")),
        (setattr, (peer, "tos", 4)),
        (setattr, (peer, "multicast_interface", 1)),
    ]


class Attributes(PeerTest):
    def test_defaults(self):
        peer = Peer()
        self.assertEqual((Peer.BufSize, Peer.MaxGramSize), (65535, 1240))
        found = {name: getattr(peer, name) for name in "name ha bc bs wl ls opened bcast".split()}
        self.assertEqual(found, {
            "name": "main",
            "ha": (HOST, 55000),
            "bc": None,
            "bs": 65535,
            "wl": None,
            "ls": None,
            "opened": False,
            "bcast": False,
        })
        self.assertEqual((peer.host, peer.port, peer.path), (HOST, 55000, (HOST, 55000)))

    def test_constants(self):
        self.assertEqual(udping.UDP_IPV4_MAX_SAFE_PAYLOAD, 548)
        self.assertEqual(udping.UDP_IPv6_MAX_SAFE_PAYLOAD, 1240)
        self.assertEqual(udping.UDP_MAX_DATAGRAM_SIZE, 65535)
        self.assertEqual(udping.UDP_MAX_PACKET_SIZE, 1024)

    def test_arguments_are_keywords(self):
        wire = Wire()
        peer = Peer(name="alpha", ha=("127.0.0.2", 6101), wl=wire, bcast=True, host="x", port=1)
        self.assertEqual((peer.name, peer.ha, peer.bcast), ("alpha", ("127.0.0.2", 6101), True))
        self.assertIs(peer.wl, wire)
        self.refused(TypeError, Peer, "alpha")

    def test_buffers_by_count_or_size(self):
        self.assertEqual((Peer(bc=1024).bc, Peer(bc=1024).bs), (1024, 1269760))
        self.assertEqual((Peer(bc=2, bs=5).bc, Peer(bc=2, bs=5).bs), (2, 2480))
        self.assertEqual((Peer(bc=2.9).bc, Peer(bc=2.9).bs), (2, 2480))
        self.assertEqual((Peer(bs=32767).bc, Peer(bs=32767).bs), (None, 32767))
        self.assertEqual((Peer(bc=0).bc, Peer(bc=0).bs), (None, 65535))
        self.assertEqual((Peer(bc=-1, bs=7).bc, Peer(bc=-1, bs=7).bs), (None, 7))

        class Big(Peer):
            BufSize = 1 << 20
            MaxGramSize = 9000

        self.assertEqual((Big().bs, Big(bc=3).bs), (1 << 20, 27000))

    def test_hosts_are_normalized(self):
        self.assertEqual(Peer(host="").ha, ("0.0.0.0", 55000))
        self.assertEqual(Peer(host="localhost", port=7).ha, (HOST, 7))
        self.assertEqual(Peer(ha=["127.1", 7]).ha, (HOST, 7))
        self.assertEqual(Peer(host="::1").ha, ("::1", 55000))
        self.assertEqual(Peer(host="::").host, "::")

    def test_hosts_that_are_none(self):
        self.refused(socket.gaierror, Peer, host="no-such-host.invalid")
        for host in (5, [HOST], 1.5):
            self.refused(TypeError, Peer, host=host)
        self.refused((TypeError, ValueError), Peer, ha=(HOST,))

    def test_host_and_port_can_be_set(self):
        peer = Peer()
        peer.host, peer.port = "127.0.0.2", 0
        self.assertEqual(peer.ha, ("127.0.0.2", 0))
        self.addCleanup(peer.close)
        self.assertTrue(peer.reopen())
        self.assertEqual(peer.ls.getsockname(), peer.ha)
        peer.host = "localhost"
        self.assertTrue(peer.reopen())
        self.assertEqual(peer.host, HOST)
        for port, kind in ((70000, OverflowError), (-1, OverflowError), ("x", TypeError)):
            peer.port = port
            self.refused(kind, peer.reopen)
            self.assertFalse(peer.opened)

    def test_signatures_are_those_of_hio(self):
        spec = getattr(inspect, "getfullargspec", getattr(inspect, "getargspec", None))
        for name in ("receive", "reopen"):
            self.assertEqual(spec(getattr(Peer, name))[:3], (["self"], None, "kwa"))
        self.assertEqual(spec(Peer.send)[:3], (["self", "data", "dst"], None, "kwa"))


class OpenAndClose(PeerTest):
    def test_return_values(self):
        peer = Peer(port=0)
        self.assertIs(peer.close(), True)
        self.assertIs(peer.open(), True)
        self.addCleanup(peer.close)
        self.assertIs(peer.opened, True)
        self.assertIs(peer.close(), True)
        self.assertIs(peer.opened, False)
        self.assertIs(peer.reopen(temp=True, clear=False), True)
        self.assertIs(peer.close(), True)

    def test_reopen_in_the_constructor(self):
        peer = Peer(port=0, reopen=True)
        self.addCleanup(peer.close)
        self.assertTrue(peer.opened)

    def test_ha_is_what_was_bound_and_stays(self):
        peer = self.peer(host="")
        bound = peer.ha
        self.assertEqual(bound, peer.ls.getsockname())
        self.assertTrue(bound[1])
        for _ in range(3):
            self.assertTrue(peer.reopen())
            self.assertEqual(peer.ha, bound)
        peer.close()
        self.assertEqual((peer.ha, peer.path), (bound, bound))

    def test_open_takes_the_place_of_the_socket_before(self):
        with leaves_nothing():
            peer = Peer(port=0)
            for _ in range(50):
                self.assertTrue(peer.open())
            self.assertEqual(len(descriptors_of_sockets()), 1)
            sender = udp_socket()
            sender.sendto(b"x", peer.ha)
            self.assertEqual(receive(peer), (b"x", sender.getsockname()))
            sender.close()
            peer.close()

    def test_buffer_sizes(self):
        peer = Peer(port=0, bs=100000)
        self.assertEqual(peer.actualBufSizes(), (0, 0))
        self.addCleanup(peer.close)
        peer.open()
        plain = self.socket()
        usual = [plain.getsockopt(socket.SOL_SOCKET, each) for each in BUFFERS]
        found = [peer.ls.getsockopt(socket.SOL_SOCKET, each) for each in BUFFERS]
        self.assertEqual(list(peer.actualBufSizes()), found)
        self.assertEqual(found, [max(size, 200000 if size < 100000 else 0) for size in usual])
        peer.close()
        self.assertEqual(peer.actualBufSizes(), (0, 0))

    def test_larger_buffers_as_far_as_the_system_allows(self):
        small = self.peer(bs=1)
        large = self.peer(bc=1024)
        self.assertEqual(large.bs, 1269760)
        for less, more in zip(small.actualBufSizes(), large.actualBufSizes()):
            self.assertGreaterEqual(more, less)

    def test_sizes_that_are_none(self):
        self.refused(ValueError, Peer(bs=-5, port=0).open)
        self.refused(TypeError, Peer(bs="5", port=0).open)

    def test_a_port_in_use(self):
        plain = self.socket()
        with leaves_nothing(), logged() as messages:
            peer = Peer(ha=plain.getsockname())
            self.assertIs(peer.open(), False)
            self.assertIs(peer.reopen(), False)
            self.assertIs(peer.opened, False)
            self.assertIsNone(peer.ls)
            with openPeer(ha=plain.getsockname()) as other:
                self.assertIs(other.opened, False)
        self.assertEqual(len(messages), 3)
        level, text = messages[0]
        self.assertEqual(level, "ERROR")
        self.assertIn(str(port_of(plain)), text)
        self.assertIn(os.strerror(errno.EADDRINUSE), text)
        plain.close()
        self.assertIs(peer.open(), True)
        peer.close()

    def test_an_address_of_another_host(self):
        with logged() as messages:
            self.assertIs(Peer(ha=("192.0.2.99", 0)).open(), False)
        self.assertIn(os.strerror(errno.EADDRNOTAVAIL), messages[0][1])

    def test_a_failing_open_of_an_open_peer_closes_it(self):
        peer = self.peer()
        plain = self.socket()
        peer.port = port_of(plain)
        with logged():
            self.assertIs(peer.open(), False)
        self.assertEqual((peer.opened, peer.ls), (False, None))

    def test_a_privileged_port_as_a_plain_user(self):
        out = run_child(PRIVILEGED, privileged_port())
        self.assertEqual(out.splitlines(), ["False", os.strerror(errno.EACCES)])

    def test_peers_may_share_a_port(self):
        first = self.peer()
        second = Peer(ha=first.ha)
        self.addCleanup(second.close)
        self.assertTrue(second.open())

    def test_open_peer(self):
        with leaves_nothing():
            with openPeer(port=0) as peer:
                self.assertIs(type(peer), Peer)
                self.assertEqual((peer.name, peer.opened), ("test", True))
            self.assertFalse(peer.opened)

            class PeerBig(Peer):
                pass

            with self.assertRaises(ZeroDivisionError):
                with openPeer(cls=PeerBig, name="big", port=0, bc=4) as peer:
                    self.assertIs(type(peer), PeerBig)
                    self.assertEqual((peer.name, peer.bc), ("big", 4))
                    raise ZeroDivisionError
            self.assertFalse(peer.opened)

    def test_context_manager(self):
        with Peer(port=0) as peer:
            self.assertTrue(peer.opened)
            was = peer.ha
            with peer as again:
                self.assertIs(again, peer)
                self.assertEqual(peer.ha, was)
            self.assertFalse(peer.opened)
        plain = self.socket()
        with logged():
            error = self.fails_with(errno.EADDRINUSE, Peer(ha=plain.getsockname()).__enter__)
        self.assertIn(str(port_of(plain)), str(error))

    def test_the_python_socket(self):
        peer = self.peer()
        socket_of_peer = peer.ls
        self.assertIsInstance(socket_of_peer, socket.socket)
        self.assertIs(peer.ls, socket_of_peer)
        self.assertEqual(socket_of_peer.getsockname(), peer.ha)
        self.assertEqual(socket_of_peer.gettimeout(), 0.0)
        socket_of_peer.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 17)
        self.assertEqual(peer.ttl, 17)
        peer.close()
        self.assertIsNone(peer.ls)
        self.assertTrue(is_closed(socket_of_peer))

    def test_a_closed_peer_says_so(self):
        for peer in (Peer(name="alpha"), self.peer(name="alpha")):
            peer.close()
            for call, arguments in operations(peer):
                error = self.fails_with(errno.EBADF, call, *arguments)
                self.assertIn("'alpha' is closed", str(error))
            self.fails_with(errno.EBADF, getattr, peer, "multicast_interface")

    def test_a_closed_peer_can_be_copied_and_an_open_one_not(self):
        peer = Peer(name="alpha", port=0, bc=3)
        for make in (copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p, 2))):
            peer.reopen()
            peer.close()
            copied = make(peer)
            self.assertEqual((copied.name, copied.ha, copied.bc), ("alpha", peer.ha, 3))
            self.assertTrue(copied.reopen())
            copied.close()
        peer.reopen()
        self.addCleanup(peer.close)
        for make in (copy.deepcopy, lambda p: pickle.dumps(p, 2)):
            error = self.refused(TypeError, make, peer)
            self.assertIn("'alpha' can be neither copied nor pickled", str(error))


BUFFERS = socket.SO_SNDBUF, socket.SO_RCVBUF

PRIVILEGED = """
import os, sys
from peering import logged
from pyhelpers.udping import Peer
peer = Peer(port=int(sys.argv[1]))
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
with logged() as messages:
    print(peer.open())
print(messages[0][1].rpartition("] ")[2].strip())
"""


def descriptors_of_sockets():
    return [number for number, what in descriptors().items() if what.startswith("socket:")]


def is_closed(made):
    try:
        return made.fileno() == -1
    except (socket.error, OSError):
        return True  # Python 2 says it so.


class Conversation(PeerTest):
    def test_two_peers_with_a_wire_log(self):
        with openWL(samed=True) as wl:
            alpha, beta = self.peer(name="alpha", wl=wl), self.peer(name="beta", wl=wl)
            expected = b""
            for sender in (alpha, beta):
                for receiver in (beta, alpha):
                    data = ("%s sends to %s" % (sender.name, receiver.name)).encode()
                    self.assertEqual(sender.send(data, receiver.ha), len(data))
                    self.assertEqual(receive(receiver), (data, sender.ha))
                    expected += b"\nTx " + str(receiver.ha).encode() + b":\n" + data + b"\n"
                    expected += b"\nRx " + str(sender.ha).encode() + b":\n" + data + b"\n"
            self.assertEqual(wl.readRx(), expected)
            self.assertEqual(wl.readTx(), expected)

    def test_nothing_received(self):
        peer = self.peer()
        for _ in range(3):
            self.assertEqual(peer.receive(), (b"", None))
            self.assertEqual(peer.receive(any=1, thing=2), (b"", None))
        self.assertEqual(peer.receive_many(), [])

    def test_types_of_what_is_received(self):
        peer = self.peer()
        peer.send(b"x", peer.ha)
        data, sa = receive(peer)
        self.assertEqual([type(data), type(sa), type(sa[0]), type(sa[1])], [bytes, tuple, str, int])

    def test_an_empty_datagram_is_one(self):
        peer = self.peer()
        self.assertEqual(peer.send(b"", peer.ha), 0)
        self.assertEqual(receive(peer), (b"", peer.ha))
        self.assertEqual(peer.send_many([(b"", peer.ha), (b"x", peer.ha), (b"", peer.ha)]), 3)
        self.assertEqual(data_of(collect_from(peer, 3)), [b"", b"x", b""])

    def test_keyword_arguments_of_others_are_ignored(self):
        peer = self.peer()
        for kwa in ({"echoic": True}, {"line": 1, "ways": 2}, {"tos": 4, "line": 1}, {"src": None}):
            self.assertEqual(peer.send(b"abc", peer.ha, **kwa), 3)
            self.assertEqual(receive(peer), (b"abc", peer.ha))

    def test_whatever_is_like_bytes_can_be_sent(self):
        peer = self.peer()
        for data in (bytearray(b"one"), memoryview(b"two"), Truncated(b"three")):
            self.assertEqual(peer.send(data, peer.ha, echoic=False), len(data))
            self.assertEqual(receive(peer)[0], bytes(bytearray(data)))
        self.assertEqual(peer.send_many([(bytearray(b"one"), peer.ha), (b"two", peer.ha)]), 2)
        self.assertEqual(data_of(collect_from(peer, 2)), [b"one", b"two"])

    def test_what_is_not(self):
        peer = self.peer()
        for data in (u"text", 5, None, [1, 2], 1.5):
            self.refused(TypeError, peer.send, data, peer.ha)
            self.refused(TypeError, peer.send_many, [(b"x", peer.ha), (data, peer.ha)])
        self.assertEqual(peer.receive(), (b"", None))

    def test_destinations_that_are_none(self):
        peer = self.peer()
        for dst in (None, HOST, 5, [HOST, 5], (HOST,), (HOST, 5, 0), (5, 5), (HOST, "5"),
                    (HOST, 5.5), (None, 5), ([], 5)):
            self.refused(TypeError, peer.send, b"x", dst)
            self.refused(TypeError, peer.send_many, [(b"x", peer.ha), (b"x", dst)])
        for port in (-1, 65536, 1 << 70):
            self.refused(OverflowError, peer.send, b"x", (HOST, port))
        with logged() as messages:
            self.fails_with(errno.EINVAL, peer.send, b"x", (HOST, 0))
        self.assertEqual(len(messages), 1)
        self.refused(socket.gaierror, peer.send, b"x", ("no-such-host.invalid", 5))
        self.assertEqual(peer.receive(), (b"", None))

    def test_items_that_are_none(self):
        peer = self.peer()
        for items in ([()], [(b"x",)], [(b"x", peer.ha), (b"x", peer.ha, None, 4)]):
            self.refused(ValueError, peer.send_many, items)
        self.refused(TypeError, peer.send_many, [5])
        self.refused(TypeError, peer.send_many, 5)
        self.assertEqual(peer.send_many([]), 0)
        self.assertEqual(peer.receive(), (b"", None))

    def test_counts_and_times_that_are_none(self):
        peer = self.peer()
        for max_n, timeout, kind in (
            (0, 0, ValueError),
            (-1, 0, ValueError),
            (1 << 40, 0, ValueError),
            ("5", 0, TypeError),
            (1, -1, ValueError),
            (1, "x", TypeError),
        ):
            self.refused(kind, peer.receive_many, max_n, timeout)

    def test_the_largest_datagram_and_a_larger_one(self):
        peer = self.peer()
        data = os.urandom(65507)
        self.assertEqual(peer.send(data, peer.ha), 65507)
        self.assertEqual(receive(peer), (data, peer.ha))
        peer.send(data, peer.ha)
        self.assertEqual(collect_from(peer, 1), [(data, peer.ha)])
        with logged() as messages:
            self.fails_with(errno.EMSGSIZE, peer.send, data + b"x", peer.ha)
        self.assertIn(str(peer.ha), messages[0][1])

    def test_truncated(self):
        peer = self.peer(bs=10)
        sender = self.socket()
        for size in (9, 10, 11, 5000):
            data = os.urandom(size)
            for ways in (receive, lambda peer: collect_from(peer, 1)[0]):
                sender.sendto(data, peer.ha)
                got, _ = ways(peer)
                self.assertEqual((got, type(got)), (data[:10], Truncated if size > 10 else bytes))
        self.assertEqual(peer.stats()["truncated"], 4)

    def test_no_room_is_0(self):
        # The kernel always has room on the loopback interface.
        peer = self.peer()
        peer._socket.send = lambda *_arguments: -errno.EAGAIN
        self.assertEqual(peer.send_many([(b"x", peer.ha)]), 0)
        self.assertEqual(peer.send(b"x", peer.ha, tos=4), 0)
        answer = udping._send_to
        for number in (errno.EAGAIN, errno.EPERM):
            udping._send_to = lambda *_arguments: -number
            try:
                if number == errno.EAGAIN:
                    self.assertEqual(peer.send(b"x", peer.ha), 0)
                else:
                    with logged():
                        self.fails_with(number, peer.send, b"x", peer.ha)
            finally:
                udping._send_to = answer

    def test_order_of_many(self):
        peer = self.peer(bs=1 << 20)
        sent = numbered(200)
        self.assertEqual(peer.send_many((data, peer.ha) for data in sent), 200)
        self.assertEqual(data_of(collect_from(peer, 200)), sent)

    def test_the_first_refused_ends_a_batch(self):
        peer = self.peer()
        long = b"x" * 65508
        items = [(b"a", peer.ha), (b"b", peer.ha), (long, peer.ha), (b"c", peer.ha)]
        self.assertEqual(peer.send_many(items), 2)
        self.assertEqual(data_of(collect_from(peer, 2)), [b"a", b"b"])
        with logged() as messages:
            self.fails_with(errno.EMSGSIZE, peer.send_many, items[2:])
        self.assertEqual(len(messages), 1)
        self.assertEqual(peer.receive(), (b"", None))

    def test_a_later_one_is_told_of_by_the_next_call(self):
        peer, sink = self.peer(), self.peer()
        items = [(b"x", sink.ha)] * BATCH + [(b"x" * 65508, sink.ha), (b"x", sink.ha)]
        self.assertEqual(peer.send_many(items), BATCH)
        with logged():
            self.fails_with(errno.EMSGSIZE, peer.send_many, items[BATCH:])

    def test_more_than_one_crossing(self):
        peer, sink = self.peer(), self.peer()
        items = [(data, sink.ha) for data in numbered(10000)]
        self.assertEqual(peer.send_many(items), 10000)
        self.assertEqual(peer.stats()["sent"], 10000)

    def test_stats(self):
        peer, sender = self.peer(), self.socket()
        for data in (b"one", b"three"):
            sender.sendto(data, peer.ha)
        collect_from(peer, 2)
        peer.send(b"xy", sender.getsockname())
        peer.send_many([(b"z", sender.getsockname())] * 2)
        figures = peer.stats()
        wanted = {"sent": 3, "sent_bytes": 4, "received": 2, "received_bytes": 8, "truncated": 0}
        self.assertEqual({name: figures[name] for name in wanted}, wanted)
        self.assertNotIn("size", figures)

    def test_logged_is_what_crossed(self):
        peer = self.peer()
        peer.send(b"unlogged", peer.ha)
        receive(peer)
        peer.wl = wire = Wire()
        dst = ("localhost", peer.port)
        long = (b"x" * 65508, peer.ha)
        peer.send(bytearray(b"a"), dst)
        self.assertEqual(peer.send_many([(b"b", peer.ha), (b"c", peer.ha), long]), 2)
        peer.send(b"d", peer.ha, tos=4)
        with logged():
            self.fails_with(errno.EMSGSIZE, peer.send, *long)
            self.fails_with(errno.EMSGSIZE, peer.send_many, [long])
        sent = [(b"a", dst), (b"b", peer.ha), (b"c", peer.ha), (b"d", peer.ha)]
        self.assertEqual(wire.told, [("tx", data, who) for data, who in sent])
        del wire.told[:]
        received = [receive(peer)] + collect_from(peer, 3)
        self.assertEqual(wire.told, [("rx", data, sa) for data, sa in received])
        self.assertEqual(data_of(received), [b"a", b"b", b"c", b"d"])
        peer.receive()
        peer.receive_many()
        self.assertEqual(len(wire.told), 4)
        peer.wl = None
        peer.send(b"unlogged", peer.ha)
        self.assertEqual(len(wire.told), 4)

    def test_arrivals_are_logged_too(self):
        peer = self.peer(arrival=True, wl=Wire())
        peer.send(b"a", peer.ha)
        wait_until(lambda: peer.receive_arrivals(), "it arrives")
        self.assertEqual(peer.wl.told[1:], [("rx", b"a", peer.ha)])


class Mixing(PeerTest):
    def test_the_last_in_line_takes_what_is_left(self):
        peer = Peer(port=0, temp=True, whatever=5)
        self.assertFalse(hasattr(peer, "temp"))

    def test_the_next_in_line_gets_the_rest(self):
        class Base(object):
            def __init__(self, **kwa):
                self.rest = kwa

        class Memoer(Base):
            MaxGramSize = 65535

            def __init__(self, **kwa):
                # The transport's attributes are there before.
                assert self.opened is False and self.bs
                self.size = kwa.pop("size", self.MaxGramSize)
                self.memos = []
                super(Memoer, self).__init__(**kwa)

            def service(self):
                self.memos.append(self.receive(echoic=False))

            def open(self):
                raise AssertionError("not the transport's")

            close = receive = send = open

        class PeerMemoer(Peer, Memoer):
            def __init__(self, **kwa):
                super(PeerMemoer, self).__init__(bc=kwa.pop("bc", 1024), **kwa)

        with openPeer(cls=PeerMemoer, port=0, temp=True, arrival=True) as memoer:
            self.assertTrue(memoer.opened)
            self.assertEqual((memoer.size, memoer.rest), (1240, {"temp": True}))
            self.assertEqual((memoer.bc, memoer.bs), (1024, 1269760))
            memoer.send(b"memo", memoer.ha)
            wait_until(lambda: memoer.service() or memoer.memos[-1][1], "the memo comes")
            self.assertEqual(memoer.memos[-1], (b"memo", memoer.ha))
        self.assertEqual(PeerMemoer(size=38).size, 38)

        class Opened(Peer, Memoer):
            pass

        self.assertTrue(self.peer(cls=Opened, reopen=True).opened)

    def test_classes_without_a_constructor(self):
        class Plain(object):
            pass

        class Mixed(Peer, Plain):
            pass

        class MixedFirst(Plain, Peer):
            pass

        self.assertEqual(Mixed(port=7, temp=True).port, 7)
        self.assertEqual(MixedFirst(port=7, temp=True).port, 7)

    @needs_hio
    def test_the_memoer_of_hio(self):
        from hio.core.memo import Memoer

        class PeerMemoer(Peer, Memoer):
            def __init__(self, bc=1024, **kwa):
                super(PeerMemoer, self).__init__(bc=bc, **kwa)

        with openPeer(cls=PeerMemoer, name="alpha", size=38, port=0) as alpha:
            with openPeer(cls=PeerMemoer, name="beta", size=38, port=0) as beta:
                self.assertEqual((alpha.size, alpha.bs, alpha.name), (38, 1269760, "alpha"))
                alpha.memoit("Hello there.", beta.ha)
                alpha.memoit("How ya doing?", beta.path)
                alpha.serviceTxMemos()
                self.assertGreater(len(alpha.txgs), 3)
                alpha.serviceTxGrams()
                self.assertFalse(alpha.txgs)

                def came():
                    beta.serviceReceives()
                    beta.serviceRxGrams()
                    return len(beta.rxms) == 2

                wait_until(came, "the memos come")
                memos = [("Hello there.", alpha.ha), ("How ya doing?", alpha.ha)]
                self.assertEqual([tuple(memo)[:2] for memo in beta.rxms], memos)


class Doing(PeerTest):
    def run_by_hand(self, doer_class):
        class Echo(doer_class):
            def recur(self, tyme):
                runs.append((tyme, self.peer.opened))
                return len(runs) == 3

            def clean(self):
                runs.append("clean")

        runs = []
        peer = Peer(port=0)
        doer = Echo(peer=peer, tock=0.25)
        self.assertIs(doer.peer, peer)
        dog = doer(tymth=lambda: 1.5, tock=0.5)
        self.assertFalse(peer.opened)
        self.assertEqual(next(dog), 0.5)
        self.assertTrue(peer.opened)
        self.assertEqual((dog.send(0.0), dog.send(0.5)), (0.5, 0.5))
        self.assertRaises(StopIteration, dog.send, 1.0)
        self.assertEqual(runs, [(0.0, True), (0.5, True), (1.0, True), "clean"])
        self.assertEqual((doer.done, doer.tyme, peer.opened), (True, 1.5, False))

    def test_by_hand(self):
        self.run_by_hand(PeerDoer)

    def test_without_hio(self):
        run_child(WITHOUT_HIO)

    def test_the_stand_in(self):
        class StandIn(_doer.Doer):
            def __init__(self, peer, **kwa):
                super(StandIn, self).__init__(**kwa)
                self.peer = peer

            enter, exit = self.plain(PeerDoer.enter), self.plain(PeerDoer.exit)

        self.run_by_hand(StandIn)

    @staticmethod
    def plain(method):
        """A method as the function it is, on Python 2 too."""
        return getattr(method, "__func__", method)

    def test_forced_ends(self):
        class Ending(_doer.Doer):
            def enter(self, temp=None):
                ends.append(("enter", temp))

            def recur(self, tyme):
                raise ZeroDivisionError

            def cease(self):
                ends.append("cease")

            def abort(self, ex):
                ends.append(type(ex))

            def exit(self):
                ends.append("exit")

        ends = []
        dog = Ending(temp=True, opts={"a": 1}).do(tymth=None)
        next(dog)
        dog.close()
        self.assertEqual(ends, [("enter", True), "cease", "exit"])
        del ends[:]
        dog = Ending(temp=False).do(tymth=None, temp=False)
        next(dog)
        self.assertRaises(ZeroDivisionError, dog.send, 0)
        self.assertEqual(ends, [("enter", False), ZeroDivisionError, "exit"])

    def test_attributes_of_the_stand_in(self):
        doer = _doer.Doer()
        found = doer.done, doer.tock, doer.opts, doer.temp, doer.tymth, doer.tyme
        self.assertEqual(found, (None, 0.0, {}, False, None, None))
        doer.wind(lambda: 2.5)
        self.assertEqual(doer.tyme, 2.5)
        doer.tock = -1
        self.assertEqual(doer.tock, 1.0)
        self.assertFalse(doer.recur(tyme=0.0))

    @needs_hio
    def test_a_doist_of_hio(self):
        from hio.base import doing

        self.assertTrue(issubclass(PeerDoer, doing.Doer))
        doist = doing.Doist(tock=0.01, real=True, limit=0.05)
        peer = Peer(port=0)
        seen = []

        class Doer(PeerDoer):
            def recur(self, tyme):
                seen.append(self.peer.opened)

        doist.do(doers=[Doer(tymth=doist.tymen(), peer=peer), PeerDoer(peer=self.peer())])
        self.assertTrue(seen and all(seen))
        self.assertFalse(peer.opened)


WITHOUT_HIO = """
import sys
sys.modules["hio"] = None
from pyhelpers import _doer
from pyhelpers.udping import Peer, PeerDoer
assert issubclass(PeerDoer, _doer.Doer)
doer = PeerDoer(Peer(port=0))
dog = doer(tymth=lambda: 0.0)
assert next(dog) == 0.0 and doer.peer.opened
assert dog.send(0.0) == 0.0 and not doer.done
dog.close()
assert not doer.peer.opened
"""


class Threads(PeerTest):
    def in_threads(self, count, work):
        failures = []

        def run(number):
            try:
                work(number)
            except BaseException as error:
                failures.append(error)

        made = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        for each in made:
            each.start()
        for each in made:
            each.join(DEADLINE)
        self.assertEqual(failures, [])

    def test_each_datagram_goes_to_one_receiver(self):
        peer = self.peer(bs=4 << 20)
        total, found = 2000, []
        # Senders and contents tell them apart, so that buffers mixed up would be seen.
        senders = [self.socket() for _ in range(4)]
        wanted = {}

        def work(number):
            while len(found) < total:
                if number % 2:
                    received = peer.receive_many(8)
                else:
                    received = list(filter(None, [told(peer.receive())]))
                found.extend(received)
                if now() > end:
                    raise AssertionError("%d came, not %d" % (len(found), total))

        for number in range(total):
            sender = senders[number % 4]
            data = ("%d from %d " % (number, port_of(sender))).encode() * (1 + number % 20)
            sender.sendto(data, peer.ha)
            wanted[data] = sender.getsockname()
        end = now() + DEADLINE
        self.in_threads(4, work)
        self.assertEqual(len(found), total)
        self.assertEqual(dict(found), wanted)

    def test_many_senders(self):
        peer, sink = self.peer(), self.peer(bs=4 << 20)

        def work(number):
            for index in range(100):
                data = ("%d %d" % (number, index)).encode()
                if index % 2:
                    peer.send(data, sink.ha)
                else:
                    peer.send_many([(data, sink.ha)])

        self.in_threads(4, work)
        sent = {("%d %d" % (n, i)).encode() for n in range(4) for i in range(100)}
        self.assertEqual(set(data_of(collect_from(sink, 400))), sent)

    def ends_the_wait(self, method, ending):
        peer = self.peer(arrival=True)
        thread, outcome = waiting(lambda: getattr(peer, method)(timeout=None))
        started = now()
        ending(peer)
        thread.join(DEADLINE)
        self.assertLess(now() - started, 1)
        self.assertEqual(outcome[0].errno, errno.EBADF)

    def test_a_wait_ends_when_another_thread_closes(self):
        self.ends_the_wait("receive_many", Peer.close)
        self.ends_the_wait("receive_arrivals", Peer.close)

    def test_a_wait_ends_when_another_thread_reopens(self):
        self.ends_the_wait("receive_many", Peer.reopen)

    def test_opening_and_closing_beside_calls(self):
        stop = []
        with leaves_nothing():
            peer = Peer(port=0, reopen=True)

            def work(number):
                while not stop:
                    try:
                        if number == 1:
                            peer.receive()
                        elif number == 2:
                            peer.send(b"x", peer.ha)
                        else:
                            peer.ls
                    except OSError as error:
                        if error.errno != errno.EBADF:
                            raise
                        continue

            def all_of(number):
                if number:
                    work(number)
                else:
                    try:
                        for _ in range(8):
                            peer.reopen()
                    finally:
                        stop.append(True)

            self.in_threads(4, all_of)
            peer.close()
            collect_garbage()


class Waiting(PeerTest):
    def test_a_wait_ends_with_the_first_datagram(self):
        peer, sender = self.peer(), self.socket()
        threading.Timer(0.05, sender.sendto, (b"x", peer.ha)).start()
        started = now()
        self.assertEqual(peer.receive_many(timeout=None), [(b"x", sender.getsockname())])
        self.assertLess(now() - started, 5)

    def test_a_wait_takes_its_time(self):
        peer = self.peer()
        for timeout in (0.12, 0.01):
            started = now()
            self.assertEqual(peer.receive_many(timeout=timeout), [])
            self.assertGreaterEqual(now() - started, timeout)

    def test_interrupt(self):
        check_interrupt(
            "from pyhelpers.udping import Peer; made = Peer(port=0)",
            "made.receive_many(timeout=None)",
        )


class Garbage(PeerTest):
    def test_a_forgotten_peer_closes_its_socket(self):
        with leaves_nothing():
            for _ in range(3):
                peer = Peer(port=0, reopen=True)
                peer.receive()
                peer.send_many([(b"x", peer.ha)])
                del peer
                collect_garbage()

    def test_a_forgotten_peer_with_its_python_socket(self):
        with leaves_nothing(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = Peer(port=0, reopen=True)
            peer.ls.fileno()
            del peer
            collect_garbage()

    def test_a_cycle(self):
        with leaves_nothing():
            peer = Peer(port=0, reopen=True)
            peer.receive()
            peer.wl = peer
            del peer
            collect_garbage()

    def test_exit_with_open_peers(self):
        outcome = Child(EXIT).finish()
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "done\n", ""))
        self.assertLess(outcome.seconds, 5)

    def test_in_a_forked_child(self):
        self.assertEqual(run_child(FORK), "")


EXIT = """
import threading
from pyhelpers.udping import Peer
peers = [Peer(port=0, reopen=True, arrival=True) for _ in range(3)]
class Cyclic(object):
    def __init__(self):
        self.me = self
        self.peer = Peer(port=0, reopen=True)
        self.peer.receive()
cyclic = Cyclic()
for peer in peers[:2]:
    waiting = threading.Thread(target=peer.receive_many, kwargs={"timeout": None})
    waiting.daemon = True
    waiting.start()
print("done")
"""

FORK = """
import errno, gc, os, traceback, warnings
from test_udping import operations
from pyhelpers.udping import Peer
warnings.simplefilter("ignore", DeprecationWarning)
peer = Peer(name="alpha", port=0, reopen=True, arrival=True)
unused = Peer(port=0, reopen=True)
parent = os.getpid()
child = os.fork()
if child == 0:
    status = 1
    try:
        for call, arguments in operations(peer):
            try:
                call(*arguments)
            except OSError as error:
                assert error.errno == errno.EBADF, (call, error)
                assert "'alpha' belongs to process %d" % parent in str(error), (call, error)
            else:
                assert False, call
        del unused
        gc.collect()
        assert peer.close() and not peer.opened
        peer.port = 0
        assert peer.reopen()
        assert peer.send(b"x", peer.ha) == 1
        peer.close()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
assert os.waitpid(child, 0)[1] == 0
assert peer.send(b"x", peer.ha) == 1 and unused.send(b"x", unused.ha) == 1
assert peer.receive_many(timeout=5) == [(b"x", peer.ha)]
"""


if __name__ == "__main__":
    unittest.main()
