"""dispatch_many and get_recved_many: many datagrams a call, each of them what it was."""

import errno
import itertools
import unittest

from support import HandlerTest, collect, numbered, payloads, port_of, wait_until

from pyhelpers.udp_handler import Truncated

HOST = "127.0.0.1"


class DispatchMany(HandlerTest):
    def setUp(self):
        self.peer, self.port = self.receiver()

    def arrives(self, items):
        """Dispatches the items and checks that just they arrive, in order."""
        self.assertEqual(self.peer.dispatch_many(items), len(items))
        wanted = [data for _, _, data in items]
        self.assertEqual(payloads(collect(self.peer, len(items))), wanted)

    def test_nothing_is_a_batch_too(self):
        self.assertEqual(self.peer.dispatch_many([]), 0)
        self.assertEqual(self.peer.dispatch_many(iter(())), 0)
        self.assertEqual(self.peer.stats()["dispatched"], 0)

    def test_one_is_a_batch_too(self):
        self.arrives([(HOST, self.port, b"one")])
        self.arrives([(HOST, self.port, b"")])

    def test_order_lengths_and_payloads_are_kept(self):
        lengths = [0, 1, 1, 1, 64, 64, 63, 64, 65, 0, 0, 1400, 1400, 9000, 1, 0]
        data = [chr(97 + index).encode() * length for index, length in enumerate(lengths)]
        self.arrives([(HOST, self.port, datum) for datum in data])

    def test_equal_lengths_to_one_destination(self):
        self.arrives([(HOST, self.port, data) for data in numbered(200, "%04d")])

    def test_any_iterable_of_any_sequences_of_three_is_taken(self):
        items = [[HOST, self.port, b"list"], (HOST, self.port, b"tuple")]
        for made in (items, tuple(items), iter(items), (item for item in items)):
            self.assertEqual(self.peer.dispatch_many(made), 2)
            self.assertEqual(payloads(collect(self.peer, 2)), [b"list", b"tuple"])

    def test_every_kind_of_data_is_taken(self):
        kinds = [b"bytes", u"gr\u00fc\u00df", bytearray(b"array"), memoryview(b"view"), "str"]
        wanted = [b"bytes", u"gr\u00fc\u00df".encode("utf-8"), b"array", b"view", b"str"]
        self.assertEqual(self.peer.dispatch_many((HOST, self.port, d) for d in kinds), 5)
        self.assertEqual(payloads(collect(self.peer, 5)), wanted)
        for data in kinds:
            self.peer.dispatch(HOST, self.port, data)
        self.assertEqual(payloads(collect(self.peer, 5)), wanted)

    def test_a_view_is_what_it_shows(self):
        view = memoryview(bytearray(b"0123456789"))[2:5]
        self.peer.dispatch(HOST, self.port, view)
        self.peer.dispatch_many([(HOST, self.port, view)])
        self.assertEqual(payloads(collect(self.peer, 2)), [b"234", b"234"])

    def test_what_is_given_may_change_afterwards(self):
        data = bytearray(b"before")
        self.peer.dispatch(HOST, self.port, data)
        self.peer.dispatch_many([(HOST, self.port, data)] * 2)
        data[:] = b"after!"
        self.assertEqual(payloads(collect(self.peer, 3)), [b"before"] * 3)

    def test_more_than_cross_in_one_call(self):
        sender = self.handler()
        data = numbered(10000, "%05d")
        for at in range(0, len(data), 5000):
            # As many as cross in two calls at once; the kernel's buffer must hold what comes.
            burst = data[at : at + 5000]
            items = [(HOST, self.port, datum) for datum in burst]
            self.assertEqual(sender.dispatch_many(items), len(burst))
        wait_until(lambda: sender.queued_send() == 0, "all are sent")
        drops = self.peer.stats()["kernel_drops"]
        found = payloads(collect(self.peer, len(data) - drops))
        self.assertEqual(found, sorted(set(found)))
        self.assertLess(drops, len(data) // 2)

    def test_many_destinations_each_get_their_own(self):
        sockets = [self.socket() for _ in range(50)]
        ports = [port_of(udp) for udp in sockets]
        items = [(HOST, port, str(port).encode()) for port in ports]
        self.assertEqual(self.peer.dispatch_many(items * 3), 150)
        for udp, port in zip(sockets, ports):
            self.assertEqual([udp.recv(100) for _ in range(3)], [str(port).encode()] * 3)

    def test_more_addresses_than_are_remembered(self):
        addrs = ["127.%d.%d.%d" % (n >> 16 & 255, n >> 8 & 255, n & 255 or 1) for n in range(70000)]
        handler = self.handler(send_queue_items=1 << 20)
        for at in range(0, len(addrs), 10000):
            items = [(addr, self.port, b"") for addr in addrs[at : at + 10000]]
            self.assertEqual(handler.dispatch_many(items), len(items))
        for addr in (addrs[0], addrs[-1]):
            handler.dispatch(addr, self.port, b"")
        self.assertEqual(handler.stats()["dispatched"], len(addrs) + 2)

    def test_an_item_that_is_wrong_is_refused_before_any_is_taken(self):
        good = (HOST, self.port, b"good")
        wrong = [
            (ValueError, ("localhost", self.port, b"")),
            (ValueError, (HOST, 0, b"")),
            (ValueError, (HOST, 65536, b"")),
            (TypeError, (HOST, self.port, None)),
            (TypeError, (HOST, "53", b"")),
            (TypeError, (None, self.port, b"")),
            (TypeError, 5),
        ]
        for kind, item in wrong:
            for items in ([item], [good, item], [item, good], [good] * 5000 + [item]):
                self.refused(kind, self.peer.dispatch_many, items)
        for items in ([(HOST, self.port)], [good + (1,)]):
            self.refused((TypeError, ValueError), self.peer.dispatch_many, items)
        self.refused(TypeError, self.peer.dispatch_many, None)
        self.assertEqual(self.peer.stats()["dispatched"], 0)

    def test_an_item_that_is_short_of_a_part_is_refused_wherever_it_stands(self):
        good = (HOST, self.port, b"good")
        for items in ([good, (HOST, self.port)], [(HOST, self.port), good], [good, ()]):
            self.refused((TypeError, ValueError), self.peer.dispatch_many, items)
        self.refused((TypeError, ValueError), self.peer.dispatch_many, [good, good + (1,)])

    def test_what_an_iterator_raises_comes_out_and_nothing_is_taken(self):
        def items():
            yield (HOST, self.port, b"good")
            raise KeyError("mine")

        self.refused(KeyError, self.peer.dispatch_many, items())
        self.assertEqual(self.peer.stats()["dispatched"], 0)

    def test_an_item_that_the_socket_cannot_send_ends_the_taking(self):
        good = (HOST, self.port, b"good")
        for wrong, number in [
            (("::1", self.port, b""), errno.EAFNOSUPPORT),
            ((HOST, self.port, b"x" * 65508), errno.EMSGSIZE),
        ]:
            self.assertEqual(self.peer.dispatch_many([good, good, wrong, good]), 2)
            self.assertEqual(payloads(collect(self.peer, 2)), [b"good"] * 2)
            self.fails_with(number, self.peer.dispatch_many, [wrong, good])
        self.assertEqual(self.peer.stats()["dispatched"], 4)
        # Also where it is the first that crosses in a call.
        self.assertEqual(self.handler().dispatch_many([good] * 4096 + [wrong]), 4096)


class GetRecvedMany(HandlerTest):
    def setUp(self):
        self.peer, self.port = self.receiver()

    def queue(self, data):
        self.peer.dispatch_many([(HOST, self.port, datum) for datum in data])
        wait_until(lambda: self.peer.queued_recved() == len(data), "all are queued")

    def test_gives_a_list_that_is_empty_when_there_is_nothing(self):
        self.assertEqual(self.peer.get_recved_many(), [])

    def test_gives_the_oldest_first_and_at_most_what_is_asked_for(self):
        data = numbered(150)
        self.queue(data)
        found = [self.peer.get_recved_many(size) for size in (1, 2, 47, 100, 1000)]
        self.assertEqual(list(map(len, found)), [1, 2, 47, 100, 0])
        self.assertEqual(payloads(itertools.chain(*found)), data)

    def test_gives_what_get_recved_gives(self):
        self.queue([b"first", b"second"])
        one = self.peer.get_recved()
        (many,) = self.peer.get_recved_many()
        self.assertEqual(list(map(type, one)), list(map(type, many)))
        self.assertEqual(one[:3], (HOST, self.port, b"first"))
        self.assertEqual(many[:3], (HOST, self.port, b"second"))
        self.assertGreater(one[3], 0)
        self.assertIs(type(many), tuple)

    def test_mixed_sources_lengths_and_truncation(self):
        handler, port = self.receiver(recv_size=100)
        clients = [self.socket() for _ in range(5)]
        wanted = []
        for number, client in enumerate(clients * 8):
            data = chr(65 + number).encode() * (number * 5)
            client.sendto(data, (HOST, port))
            wanted.append((HOST, port_of(client), data[:100], len(data) > 100))
        wait_until(lambda: handler.queued_recved() == len(wanted), "all are queued")
        found = handler.get_recved_many()
        self.assertEqual([f[:3] + (isinstance(f[2], Truncated),) for f in found], wanted)

    def test_different_addresses_in_one_batch_are_told_apart(self):
        udp = self.socket("0.0.0.0")
        handler, port = self.receiver(udp)
        hosts = ["127.0.%d.%d" % (high, low) for high in (0, 1, 77) for low in range(1, 40)]
        clients = [self.socket(host) for host in hosts]
        for client in clients + clients[::-1]:
            client.sendto(client.getsockname()[0].encode(), (HOST, port))
        wait_until(lambda: handler.queued_recved() == 2 * len(hosts), "all are queued")
        found = handler.get_recved_many()
        self.assertEqual([addr for addr, _, _, _ in found], hosts + hosts[::-1])
        for addr, port, data, _ in found:
            self.assertEqual(addr.encode(), data)
        self.assertEqual([f[1] for f in found], [port_of(c) for c in clients + clients[::-1]])

    def test_a_call_gives_what_fits_and_the_next_one_the_rest(self):
        data = [chr(97 + n).encode() * 60000 for n in range(12)]
        client = self.socket()
        for count, datum in enumerate(data, 1):
            client.sendto(datum, (HOST, self.port))
            wait_until(lambda: self.peer.queued_recved() == count, "it is queued")
        found = []
        while len(found) < len(data):
            batch = self.peer.get_recved_many(100)
            self.assertGreater(len(batch), 0)
            found += payloads(batch)
        self.assertEqual(found, data)

    def test_a_batch_outlives_the_next_one(self):
        self.queue([b"a" * 50, b"b" * 50])
        first = self.peer.get_recved_many()
        self.queue([b"c" * 50, b"d" * 50])
        second = self.peer.get_recved_many()
        self.assertEqual(payloads(first), [b"a" * 50, b"b" * 50])
        self.assertEqual(payloads(second), [b"c" * 50, b"d" * 50])

    def test_runs_of_equal_datagrams_come_apart_again(self):
        for offloads in (dict(), dict(gro=False), dict(gso=False), dict(gso=False, gro=False)):
            handler, port = self.receiver(**offloads)
            data = numbered(100, "%050d") + [b"shorter"] + numbered(20, "%0200d") + [b""] * 3
            handler.dispatch_many([(HOST, port, datum) for datum in data])
            self.assertEqual(payloads(collect(handler, len(data))), data)
            stats = handler.stats()
            self.assertEqual(stats["uses_gso"], 0 if "gso" in offloads else stats["uses_gso"])
            self.assertEqual(stats["uses_gro"], 0 if "gro" in offloads else stats["uses_gro"])
            if not stats["uses_gso"]:
                self.assertEqual(stats["gso_messages"], 0)
            if not stats["uses_gro"]:
                self.assertEqual(stats["gro_messages"], 0)

    def test_counts_out_of_range_and_of_other_types_are_refused(self):
        for count in (0, -1, 1 << 40):
            self.refused(ValueError, self.peer.get_recved_many, count)
        for count in (None, 1.0, "1"):
            self.refused(TypeError, self.peer.get_recved_many, count)
        self.assertEqual(self.peer.get_recved_many(1000000), [])


if __name__ == "__main__":
    unittest.main()
