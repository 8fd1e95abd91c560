"""stats() and errors(): every datagram is accounted for."""

import errno
import socket
import time
import unittest

from support import HandlerTest, collect, needs_ipv6, numbered, payloads, port_of, wait_until

HOST = "127.0.0.1"

COUNTS = """
    dispatched sent sent_bytes send_batches gso_messages send_refused send_dropped send_unsent
    send_errors send_retries icmp_errors errors_dropped received received_bytes recv_batches
    gro_messages delivered recv_dropped recv_unread kernel_drops truncated queued_send
    queued_recved uses_gso uses_gro send_reactors recv_reactors
""".split()


def unused_port(host=HOST):
    """A port that nobody listens on, as long as nobody else wants one."""
    udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((host, 0))
    port = port_of(udp)
    udp.close()
    return port


class Stats(HandlerTest):
    def test_a_new_handler_has_counted_nothing(self):
        handler, _ = self.receiver(send_reactors=3, recv_reactors=2)
        stats = handler.stats()
        percentiles = dict(p50=0, p99=0, p999=0, max=0)
        self.assertEqual(stats.pop("send_latency"), percentiles)
        self.assertEqual(stats.pop("recv_delay"), percentiles)
        reactors = stats.pop("reactors")
        self.assertEqual(len(reactors), 5)
        for reactor in reactors:
            wanted = "datagrams bytes batches offloaded idle_wakeups".split()
            self.assertEqual(sorted(reactor), sorted(wanted))
            self.assertEqual(set(reactor.values()), set([0]))
        self.assertEqual(sorted(stats), sorted(COUNTS))
        self.assertEqual((stats.pop("send_reactors"), stats.pop("recv_reactors")), (3, 2))
        self.assertIn(stats.pop("uses_gso"), (0, 1))
        self.assertIn(stats.pop("uses_gro"), (0, 1))
        self.assertEqual(set(stats.values()), set([0]))

    def test_counts_add_up_after_traffic(self):
        handler, port = self.receiver(send_reactors=3, recv_reactors=2)
        data = numbered(100, "%d") + [b"x" * 64] * 100
        handler.dispatch_many([(HOST, port, datum) for datum in data[:100]])
        for datum in data[100:]:
            handler.dispatch(HOST, port, datum)
        self.assertEqual(sorted(payloads(collect(handler, 150)) + payloads(collect(handler, 50))),
                         sorted(data))
        wait_until(lambda: handler.queued_send() == 0, "all is counted")
        stats = handler.stats()
        size = sum(map(len, data))
        for name, count in [
            ("dispatched", 200),
            ("sent", 200),
            ("received", 200),
            ("delivered", 200),
            ("sent_bytes", size),
            ("received_bytes", size),
        ]:
            self.assertEqual(stats[name], count, name)
        for name in COUNTS:
            if name.startswith(("send_e", "send_d", "send_u", "recv_d", "recv_u", "kernel", "que")):
                self.assertEqual(stats[name], 0, name)
        for direction, reactors in (
            ("sent", stats["reactors"][:3]),
            ("received", stats["reactors"][3:]),
        ):
            total = lambda name: sum(reactor[name] for reactor in reactors)
            self.assertEqual(total("datagrams"), stats[direction])
            self.assertEqual(total("bytes"), stats[direction + "_bytes"])
            way = direction[:4].replace("sent", "send").replace("rece", "recv")
            self.assertEqual(total("batches"), stats[way + "_batches"])
            self.assertTrue(0 < stats[way + "_batches"] <= 200)
        for name in ("send_latency", "recv_delay"):
            times = stats[name]
            self.assertTrue(0 < times["p50"] <= times["p99"] <= times["p999"], times)
            # A percentile is at most 1/16 above the true value; the greatest is exact.
            self.assertLessEqual(times["p999"], times["max"] * 17 // 16 + 1)

    def test_the_delay_is_the_time_in_the_queue(self):
        handler, port = self.receiver()
        before = time.time()
        self.socket().sendto(b"x", (HOST, port))
        wait_until(handler.queued_recved, "the datagram is there")
        queued = time.time()
        wait_until(lambda: time.time() > queued + 0.05, "it has waited")
        waited = time.time() - queued
        ((_, _, _, delay_ns),) = handler.get_recved_many()
        self.assertTrue(waited * 1e9 <= delay_ns <= (time.time() - before) * 1e9 + 1000, delay_ns)
        self.assertEqual(handler.stats()["recv_delay"]["max"], delay_ns)

    def test_what_is_queued_is_counted(self):
        handler, port = self.receiver()
        handler.dispatch_many([(HOST, port, datum) for datum in numbered(7)])
        wait_until(lambda: handler.stats()["queued_recved"] == 7, "all are queued")
        handler.get_recved()
        stats = handler.stats()
        self.assertEqual((stats["queued_recved"], stats["delivered"]), (6, 1))
        self.assertEqual(handler.queued_recved(), 6)


class KernelDrops(HandlerTest):
    """Nobody reads, and the kernel's buffer is the smallest it gives."""

    def accounted(self, handler, sent):
        """The datagrams that come until each of those sent has come or was dropped."""
        found = []

        def is_whole():
            found.extend(handler.get_recved_many())
            return len(found) + handler.stats()["kernel_drops"] == sent

        wait_until(is_whole, "each has come or was dropped")
        self.assertEqual(handler.get_recved_many(timeout=0.01), [])
        return found

    def test_sent_is_received_plus_dropped(self):
        for options in (dict(recv_policy="refuse"), dict(recv_policy="wait", gro=False)):
            udp = self.socket(receive_buffer=1)
            handler, port = self.receiver(udp, recv_queue_items=5, **options)
            client = self.socket()
            sent = 0
            while sent < 2000 or handler.queued_recved() < 5:
                client.sendto(str(sent).encode(), (HOST, port))
                sent += 1
            self.assertGreater(handler.stats()["kernel_drops"], 1000)
            found = payloads(self.accounted(handler, sent))
            self.assertEqual(len(set(found)), len(found))
            stats = handler.stats()
            self.assertEqual((stats["received"], stats["recv_dropped"]), (len(found), 0))

    def test_sent_is_received_plus_drops_of_both_kinds(self):
        for policy in ("drop_newest", "drop_oldest"):
            udp = self.socket(receive_buffer=1)
            handler, port = self.receiver(udp, recv_queue_items=5, recv_policy=policy)
            client = self.socket()
            sent = 0
            while sent < 2000 or not handler.stats()["recv_dropped"]:
                client.sendto(b"x", (HOST, port))
                sent += 1

            def is_whole():
                stats = handler.stats()
                return stats["received"] + stats["kernel_drops"] == sent

            wait_until(is_whole, "each was received or dropped")
            stats = handler.stats()
            self.assertEqual(stats["queued_recved"], 5)
            self.assertEqual(stats["received"], stats["recv_dropped"] + 5)

    def test_a_run_that_the_kernel_dropped_whole_is_counted_at_least_once(self):
        udp = self.socket(receive_buffer=1)
        handler, port = self.receiver(udp, recv_queue_items=5)
        sender = self.handler()
        sender.dispatch_many([(HOST, port, datum) for datum in numbered(2000, "%04d")])
        wait_until(lambda: sender.queued_send() == 0, "all is sent")
        # The kernel counts what it drops at once, however many datagrams that was.
        stats = handler.stats()
        self.assertGreater(stats["kernel_drops"], 0)
        self.assertLessEqual(stats["received"] + stats["kernel_drops"], 2000)

    def test_what_the_kernel_dropped_before_is_not_the_handlers(self):
        udp = self.socket(receive_buffer=1)
        client = self.socket()
        for datum in numbered(500):
            client.sendto(datum, udp.getsockname())
        handler, port = self.receiver(udp)
        self.assertEqual(handler.stats()["kernel_drops"], 0)

    def test_drops_of_a_port_group_are_counted(self):
        udp = self.socket(reuse_port=True, receive_buffer=1)
        options = dict(recv_reactors=2, recv_sockets_a_reactor=2, recv_queue_items=5)
        handler, port = self.receiver(udp, **options)
        clients = [self.socket() for _ in range(20)]
        for number in range(100):
            for client in clients:
                client.sendto(str(number).encode(), (HOST, port))
        found = self.accounted(handler, 2000)
        self.assertEqual(len(set((port, data) for _, port, data, _ in found)), len(found))
        self.assertGreater(handler.stats()["kernel_drops"], 0)


class Errors(HandlerTest):
    def test_there_are_none_at_first_and_after_good_traffic(self):
        handler, port = self.receiver()
        self.assertEqual(handler.errors(), [])
        handler.dispatch(HOST, port, b"x")
        collect(handler, 1)
        self.assertEqual(handler.errors(), [])

    def test_a_refused_destination_is_named(self):
        for options in (dict(), dict(event_fd=None)):
            handler = self.handler(**options)
            closed = unused_port()
            before = time.time()
            handler.dispatch(HOST, closed, b"x")
            found = []
            wait_until(lambda: found.extend(handler.errors()) or found, "the error is there")
            self.assertEqual(len(found), 1)
            (error,) = found
            self.assertEqual((error.errno, error.addr, error.port, error.kind),
                             (errno.ECONNREFUSED, HOST, closed, "icmp"))
            self.assertEqual(tuple(error), (error.errno, HOST, closed, error.time, "icmp"))
            self.assertTrue(before - 0.001 <= error.time <= time.time() + 0.001)
            # Each is given once.
            self.assertEqual(handler.errors(), [])
            stats = handler.stats()
            self.assertEqual((stats["icmp_errors"], stats["send_errors"]), (1, 0))

    @needs_ipv6
    def test_a_refused_destination_is_named_over_ipv6(self):
        handler = self.handler(self.socket("::", v6_only=0))
        for host, named in [("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")]:
            closed = unused_port(host)
            handler.dispatch(host, closed, b"x")
            found = []
            wait_until(lambda: found.extend(handler.errors()) or found, "the error is there")
            self.assertEqual([(e.errno, e.addr, e.port, e.kind) for e in found],
                             [(errno.ECONNREFUSED, named, closed, "icmp")])

    def test_others_are_served_beside_a_refused_destination(self):
        for options in (dict(), dict(send_reactors=4), dict(event_fd=None, gso=False)):
            handler = self.handler(**options)
            closed = unused_port()
            udp = self.socket()
            for data in numbered(200):
                handler.dispatch(HOST, closed, b"lost")
                handler.dispatch(HOST, port_of(udp), data)
                self.assertEqual(udp.recv(100), data)
            wait_until(lambda: handler.stats()["queued_send"] == 0, "all is sent")
            stats = handler.stats()
            self.assertEqual(stats["sent"] + stats["send_errors"], 400)
            self.assertEqual(stats["send_errors"], 0)
            # The kernel limits how many ICMP errors it sends, and keeps only the latest.
            self.assertGreater(stats["icmp_errors"], 0)
            for error in handler.errors():
                self.assertEqual((error.port, error.errno), (closed, errno.ECONNREFUSED))

    def test_a_batch_of_both_serves_the_one(self):
        handler = self.handler()
        closed = unused_port()
        udp = self.socket()
        for _ in range(20):
            ports = (closed, port_of(udp))
            items = [(HOST, port, data) for data in numbered(10) for port in ports]
            self.assertEqual(handler.dispatch_many(items), 20)
            self.assertEqual([udp.recv(100) for _ in range(10)], numbered(10))

    def test_a_send_that_the_kernel_refuses_is_named(self):
        handler = self.handler()
        # Sending to a broadcast address takes an option of the socket.
        handler.dispatch("255.255.255.255", 9, b"x")
        handler.dispatch_many([("255.255.255.255", 9, b"x"), ("255.255.255.255", 9, b"y")])
        found = []
        wait_until(lambda: found.extend(handler.errors()) or len(found) == 3, "they are there")
        for error in found:
            self.assertEqual((error.errno, error.addr, error.port, error.kind),
                             (errno.EACCES, "255.255.255.255", 9, "send"))
        wait_until(lambda: handler.queued_send() == 0, "nothing is queued")
        stats = handler.stats()
        self.assertEqual((stats["dispatched"], stats["sent"], stats["send_errors"]), (3, 0, 3))

    def test_the_newest_1024_are_kept_and_the_others_counted(self):
        handler = self.handler()
        for number in range(1500):
            handler.dispatch("255.255.255.255", number + 1, b"")
        wait_until(lambda: handler.stats()["send_errors"] == 1500, "all are refused")
        found = handler.errors()
        self.assertEqual([error.port for error in found], list(range(477, 1501)))
        self.assertEqual(handler.stats()["errors_dropped"], 476)


if __name__ == "__main__":
    unittest.main()
