"""Bounds: what a full queue does under each policy, how much memory it takes, how long a datagram
may be."""

import errno
import unittest

from support import (
    DEADLINE,
    PYPY,
    HandlerTest,
    collect,
    collect_garbage,
    needs_ipv6,
    numbered,
    payloads,
    port_of,
    resident,
    wait_until,
)

from pyhelpers.udp_handler import Truncated

try:
    BlockingIOError
except NameError:
    BlockingIOError = OSError  # Python 2

HOST = "127.0.0.1"
MEGABYTE = 1 << 20

#: What an interpreter's own memory grows and shrinks by.
NOISE = (40 if PYPY else 10) * MEGABYTE

BY_ITEMS = dict(recv_queue_items=10)
#: Ten datagrams of two bytes, as numbered(..., "%02d") makes them.
BY_BYTES = dict(recv_queue_bytes=20)


def settled_memory():
    collect_garbage()
    return resident()


class FullReceiveQueue(HandlerTest):
    """Twenty-five datagrams, one by one, into a queue for ten that nobody reads."""

    def setUp(self):
        self.data = numbered(25, "%02d")

    def filled(self, **options):
        handler, port = self.receiver(**options)
        client = self.socket()
        for number, datum in enumerate(self.data, 1):
            client.sendto(datum, (HOST, port))
            if number <= 10:
                wait_until(lambda: handler.queued_recved() == number, "it is queued")
        return handler

    def settle(self, handler, received):
        wait_until(lambda: handler.stats()["received"] == received, "%d are received" % received)
        self.assertEqual(handler.queued_recved(), 10)

    def balance(self, handler, dropped):
        stats = handler.stats()
        self.assertEqual(stats["recv_dropped"], dropped)
        self.assertEqual(stats["delivered"], 25 - dropped)
        self.assertEqual(stats["kernel_drops"], 0)
        self.assertEqual(stats["received"], 25)

    def test_refuse_and_wait_leave_the_rest_in_the_kernel(self):
        for policy in ("refuse", "wait", None):
            for bound in (BY_ITEMS, BY_BYTES):
                options = dict(bound, **(dict(recv_policy=policy) if policy else {}))
                handler = self.filled(**options)
                self.assertEqual(handler.queued_recved(), 10)
                self.assertEqual(payloads(collect(handler, 25)), self.data)
                self.balance(handler, 0)

    def test_drop_oldest_keeps_the_newest_ten(self):
        for bound in (BY_ITEMS, BY_BYTES):
            handler = self.filled(recv_policy="drop_oldest", **bound)
            self.settle(handler, 25)
            self.assertEqual(payloads(collect(handler, 10)), self.data[-10:])
            self.assertEqual(handler.get_recved(), ())
            self.balance(handler, 15)

    def test_drop_newest_keeps_the_oldest_ten(self):
        for bound in (BY_ITEMS, BY_BYTES):
            handler = self.filled(recv_policy="drop_newest", **bound)
            self.settle(handler, 25)
            self.assertEqual(payloads(collect(handler, 10)), self.data[:10])
            self.assertEqual(handler.get_recved(), ())
            self.balance(handler, 15)

    def test_runs_that_come_at_once_are_cut_to_the_datagram(self):
        for policy, kept in [
            ("drop_newest", slice(0, 10)),
            ("drop_oldest", slice(15, 25)),
            ("refuse", slice(0, 25)),
        ]:
            handler, port = self.receiver(recv_policy=policy, **BY_ITEMS)
            sender = self.handler()
            sender.dispatch_many([(HOST, port, datum) for datum in self.data])
            wait_until(lambda: handler.stats()["received"] == 25, "all are received")
            wanted = self.data[kept]
            self.assertEqual(payloads(collect(handler, len(wanted))), wanted)
            self.balance(handler, 25 - len(wanted))

    def test_a_datagram_longer_than_the_whole_queue_is_dropped_and_counted(self):
        for policy in ("refuse", "wait", "drop_oldest", "drop_newest"):
            handler, port = self.receiver(recv_policy=policy, recv_queue_bytes=10)
            client = self.socket()
            for datum in (b"first", b"x" * 11, b"last"):
                client.sendto(datum, (HOST, port))
            self.assertEqual(payloads(collect(handler, 2)), [b"first", b"last"])
            self.assertEqual(handler.stats()["recv_dropped"], 1)

    def test_room_that_was_made_is_filled_again(self):
        handler = self.filled(recv_policy="refuse", **BY_ITEMS)
        found = []
        for _ in range(3):
            found += payloads(collect(handler, 5))
            wait_until(lambda: handler.queued_recved() == 10, "it is full again")
        self.assertEqual(found, self.data[:15])


class FullSendQueue(HandlerTest):
    """Twenty-five datagrams at once into a queue for ten. The reactor is asleep when they come,
    and gets at the queue when a call lets go of it: at its end, or to make room."""

    def setUp(self):
        self.udp = self.socket()
        self.data = numbered(25, "%02d")
        self.items = [(HOST, port_of(self.udp), datum) for datum in self.data]

    def arrived(self, count):
        return [self.udp.recv(100) for _ in range(count)]

    def nothing_more(self, handler):
        wait_until(lambda: handler.queued_send() == 0, "all is sent")
        self.udp.settimeout(0)
        self.assertRaises(EnvironmentError, self.udp.recv, 100)
        self.udp.settimeout(DEADLINE)

    def test_refuse_takes_what_has_room(self):
        for bound in (dict(send_queue_items=10), dict(send_queue_bytes=20)):
            handler = self.handler(**bound)
            for _ in range(20):
                self.assertEqual(handler.dispatch_many(self.items), 10)
                self.assertEqual(self.arrived(10), self.data[:10])
                self.nothing_more(handler)
            stats = handler.stats()
            self.assertEqual((stats["dispatched"], stats["send_dropped"]), (200, 0))

    def test_the_rest_can_be_dispatched_again(self):
        handler = self.handler(send_queue_items=10)
        taken = 0
        while taken < 25:
            taken += handler.dispatch_many(self.items[taken:])
        self.assertEqual(self.arrived(25), self.data)
        self.assertEqual(handler.stats()["dispatched"], 25)

    def test_dispatch_raises_when_there_is_no_room(self):
        handler = self.handler(send_queue_items=1)
        taken = refused = 0
        # A thread is woken and a system call made for each: sooner or later the queue is full.
        while not refused and taken < 1000000:
            try:
                handler.dispatch(HOST, port_of(self.udp), b"x")
                taken += 1
            except BlockingIOError as error:
                refused += 1
                self.assertEqual(error.errno, errno.EAGAIN)
        self.assertEqual(refused, 1)
        stats = handler.stats()
        self.assertEqual((stats["dispatched"], stats["send_refused"]), (taken, refused))

    def test_wait_waits_for_room(self):
        for bound in (dict(send_queue_items=3), dict(send_queue_bytes=7)):
            handler = self.handler(send_policy="wait", **bound)
            for _ in range(4):
                self.assertEqual(handler.dispatch_many(self.items), 25)
                self.assertEqual(self.arrived(25), self.data)
            for item in self.items:
                handler.dispatch(*item)
            self.assertEqual(self.arrived(25), self.data)
            stats = handler.stats()
            self.assertEqual((stats["dispatched"], stats["send_dropped"]), (125, 0))

    def test_drop_newest_keeps_what_was_first(self):
        self.drops("drop_newest", slice(None, 10))

    def test_drop_oldest_keeps_what_was_last(self):
        self.drops("drop_oldest", slice(-10, None))

    def drops(self, policy, kept):
        """Each that is dropped is counted, and none of those in ``kept`` is."""
        handler = self.handler(send_policy=policy, send_queue_items=10)
        counted = rounds = 0
        # The reactor may be quick to make room for all of them, but not each time.
        while not counted and rounds < 100:
            self.assertEqual(handler.dispatch_many(self.items), 25)
            wait_until(lambda: handler.queued_send() == 0, "all is sent or dropped")
            counted = handler.stats()["send_dropped"]
            self.assertLessEqual(counted, 15)
            found = self.arrived(25 - counted)
            self.assertEqual(found, sorted(set(found)))
            self.assertEqual(found[kept], self.data[kept])
            rounds += 1
        self.assertGreater(counted, 0)
        self.nothing_more(handler)
        stats = handler.stats()
        self.assertEqual((stats["dispatched"], stats["send_refused"]), (25 * rounds, 0))
        self.assertEqual(stats["sent"], 25 * rounds - counted)

    def test_a_datagram_longer_than_the_whole_queue_is_refused(self):
        for policy in ("refuse", "wait", "drop_oldest", "drop_newest"):
            handler = self.handler(send_policy=policy, send_queue_bytes=10)
            item = (HOST, port_of(self.udp), b"x" * 11)
            self.fails_with(errno.EMSGSIZE, handler.dispatch, *item)
            self.fails_with(errno.EMSGSIZE, handler.dispatch_many, [item])
            handler.dispatch(HOST, port_of(self.udp), b"x" * 10)
            self.assertEqual(self.arrived(1), [b"x" * 10])


class Memory(HandlerTest):
    """A consumer that stops reading: memory stays within the bound."""

    def flooded(self, size, **bounds):
        """A handler that nobody reads, after three times as many datagrams of ``size`` bytes were
        dropped as its queue holds; and the bytes of memory that this took."""
        handler, port = self.receiver(recv_policy="drop_newest", **bounds)
        warm, warm_port = self.receiver(recv_policy="drop_newest", recv_queue_items=1)
        sender = self.handler(send_policy="wait", send_queue_bytes=MEGABYTE)
        self.flood(sender, warm, warm_port, size, lambda stats: stats["recv_dropped"])
        before = settled_memory()
        self.flood(
            sender,
            handler,
            port,
            size,
            lambda stats: stats["recv_dropped"] > 3 * stats["queued_recved"] > 0,
        )
        return handler, settled_memory() - before

    def flood(self, sender, handler, port, size, is_enough):
        items = [(HOST, port, b"x" * size)] * (MEGABYTE // size)

        def more():
            self.assertEqual(sender.dispatch_many(items), len(items))
            return is_enough(handler.stats())

        wait_until(more, "the queue has overflowed")

    def test_the_bound_in_bytes_holds(self):
        handler, grown = self.flooded(1000, recv_queue_bytes=20 * MEGABYTE)
        self.assertEqual(handler.queued_recved(), 20 * MEGABYTE // 1000)
        self.assertLess(grown, 20 * MEGABYTE + 20 * MEGABYTE // 1000 * 64 + NOISE)

    def test_the_bound_in_items_holds_at_192_bytes_for_each_of_64(self):
        handler, grown = self.flooded(64, recv_queue_items=100000)
        self.assertEqual(handler.queued_recved(), 100000)
        self.assertLess(grown, 100000 * 192 + NOISE)

    def test_addresses_that_were_refused_are_not_kept(self):
        handler = self.handler()
        text = "1." * (100 << 10)
        self.refused(ValueError, handler.dispatch, text, 53, b"")
        before = settled_memory()
        for number in range(100):
            self.refused(ValueError, handler.dispatch, "%s%d" % (text, number), 53, b"")
        self.assertLess(settled_memory() - before, NOISE)


class Lengths(HandlerTest):
    def echo(self, client, handler, port, host, data):
        """The data gets there and back, by both ways of sending."""
        client.sendto(data, (host, port))
        ((addr, client_port, found, _),) = collect(handler, 1)
        self.assertEqual(found, data)
        self.assertIs(type(found), bytes)
        handler.dispatch(addr, client_port, found)
        handler.dispatch_many([(addr, client_port, found)])
        for _ in range(2):
            self.assertEqual(client.recv(70000), data)

    def test_the_longest_and_the_shortest_over_ipv4(self):
        for options in (dict(), dict(gso=False, gro=False)):
            handler, port = self.receiver(**options)
            client = self.socket()
            for size in (0, 1, 1472, 1473, 65506, 65507):
                self.echo(client, handler, port, HOST, b"x" * size)
            self.fails_with(errno.EMSGSIZE, handler.dispatch, HOST, port, b"x" * 65508)
            self.fails_with(errno.EMSGSIZE, handler.dispatch, HOST, port, b"x" * 1000000)
            self.fails_with(
                errno.EMSGSIZE, handler.dispatch_many, [(HOST, port, b"x" * 65508)]
            )
            stats = handler.stats()
            self.assertEqual((stats["truncated"], stats["send_errors"]), (0, 0))

    @needs_ipv6
    def test_the_longest_over_ipv6(self):
        udp = self.socket("::", v6_only=0)
        handler, port = self.receiver(udp)
        client = self.socket("::1")
        for size in (0, 65507, 65527):
            self.echo(client, handler, port, "::1", b"x" * size)
        self.fails_with(errno.EMSGSIZE, handler.dispatch, "::1", port, b"x" * 65528)
        self.fails_with(errno.EMSGSIZE, handler.dispatch, HOST, port, b"x" * 65508)

    def test_empty_datagrams_are_datagrams(self):
        for options in (dict(), dict(gso=False, gro=False)):
            handler, port = self.receiver(**options)
            data = [b"", b"", b"x", b"", b"yy", b"yy", b"", b""]
            handler.dispatch_many([(HOST, port, datum) for datum in data])
            self.assertEqual(payloads(collect(handler, len(data))), data)
            for datum in data:
                handler.dispatch(HOST, port, datum)
            self.assertEqual(payloads(collect(handler, len(data))), data)
            wait_until(lambda: handler.queued_send() == 0, "all is counted")
            stats = handler.stats()
            self.assertEqual((stats["sent"], stats["received"]), (16, 16))

    def test_what_is_longer_than_recv_size_is_flagged(self):
        for options in (dict(), dict(gro=False)):
            handler, port = self.receiver(recv_size=100, **options)
            client = self.socket()
            for size in (99, 100, 101, 65507, 0):
                client.sendto(b"x" * size, (HOST, port))
            found = payloads(collect(handler, 5))
            self.assertEqual(list(map(len, found)), [99, 100, 100, 100, 0])
            flags = [isinstance(data, Truncated) for data in found]
            self.assertEqual(flags, [False, False, True, True, False])
            self.assertIsInstance(found[2], bytes)
            self.assertEqual(found[2], b"x" * 100)
            self.assertEqual(handler.stats()["truncated"], 2)

    def test_every_datagram_of_a_run_is_flagged_or_none(self):
        for options in (dict(), dict(gro=False)):
            handler, port = self.receiver(recv_size=100, **options)
            for size, flagged in ((100, False), (101, True), (20, False)):
                handler.dispatch_many([(HOST, port, b"x" * size)] * 40)
                found = payloads(collect(handler, 40))
                self.assertEqual(set(map(len, found)), set([min(size, 100)]))
                self.assertEqual(set(map(type, found)), set([Truncated if flagged else bytes]))
            self.assertEqual(handler.stats()["truncated"], 40)

    def test_bytes_are_counted_exactly(self):
        handler, port = self.receiver()
        sizes = [0, 1, 100, 65507, 3000]
        handler.dispatch_many([(HOST, port, b"x" * size) for size in sizes])
        collect(handler, len(sizes))
        wait_until(lambda: handler.queued_send() == 0, "all is counted")
        stats = handler.stats()
        self.assertEqual((stats["sent_bytes"], stats["received_bytes"]), (sum(sizes), sum(sizes)))


if __name__ == "__main__":
    unittest.main()
