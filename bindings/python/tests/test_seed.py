"""The seed's promises: its constructor, its program, its rules."""

import errno
import inspect
import numbers
import os
import select
import socket
import threading
import unittest

from support import (
    Child,
    DEADLINE,
    HandlerTest,
    collect,
    leaves_nothing,
    needs_ipv6,
    numbered,
    payloads,
    port_of,
    run_child,
    udp_socket,
    unused_descriptors,
    wait_until,
)

from pyhelpers.udp_handler import UdpHandlerDest


class Constructor(HandlerTest):
    def test_names_order_and_defaults_are_the_seeds(self):
        read = getattr(inspect, "getfullargspec", None) or inspect.getargspec
        found = read(UdpHandlerDest.__init__)
        names = "fileno send_reactors send_flags event_fd recv_reactors recv_sockets_a_reactor"
        self.assertEqual(found.args, ["self"] + names.split() + ["debug_level"])
        self.assertEqual(found.defaults, (1, 0, -1, 0, 4, 0))

    def test_all_arguments_are_taken_by_position(self):
        udp, event_fd = self.socket(reuse_port=True), self.event_fd()
        handler = UdpHandlerDest(udp.fileno(), 3, 0x40, event_fd.fileno(), 2, 1, 0)
        self.addCleanup(handler.shutdown)
        stats = handler.stats()
        self.assertEqual((stats["send_reactors"], stats["recv_reactors"]), (3, 2))
        self.socket().sendto(b"x", udp.getsockname())
        wait_until(handler.queued_recved, "the datagram is there")
        wait_until(event_fd.receive, "it is announced")

    def test_only_the_seeds_arguments_are_taken_by_position(self):
        self.refused(TypeError, UdpHandlerDest, self.socket().fileno(), 1, 0, -1, 0, 4, 0, 10)
        error = self.refused(TypeError, UdpHandlerDest, self.socket().fileno(), send_queue=10)
        self.assertIn("send_queue", str(error))

    def test_a_socket_does_for_its_number(self):
        with UdpHandlerDest(self.socket()) as handler:
            self.assertEqual(handler.queued_send(), 0)

    def test_what_is_out_of_range_is_refused_and_leaves_nothing(self):
        udp = self.socket(reuse_port=True)
        wrong = [
            dict(send_reactors=0),
            dict(send_reactors=-1),
            dict(send_reactors=257),
            dict(send_reactors=1 << 32),
            dict(recv_reactors=-1),
            dict(event_fd=None, recv_reactors=257),
            dict(recv_sockets_a_reactor=0),
            dict(event_fd=None, recv_sockets_a_reactor=5000),
            dict(send_flags=1),
            dict(send_flags=-1),
            dict(debug_level=7),
            dict(debug_level=-1),
            dict(send_queue_items=0),
            dict(send_queue_bytes=-1),
            dict(recv_queue_items=1 << 64),
            dict(recv_queue_bytes=0),
            dict(recv_size=0),
            dict(recv_size=65536),
            dict(send_policy="drop"),
            dict(recv_policy=None),
            dict(drain_timeout=-0.1),
            dict(drain_timeout=None),
        ]
        with leaves_nothing():
            for options in wrong:
                self.refused(ValueError, UdpHandlerDest, udp.fileno(), **options)

    def test_what_is_of_another_type_is_refused(self):
        udp = self.socket()
        for name in ("send_reactors", "send_flags", "recv_reactors", "debug_level", "recv_size"):
            for value in (None, 1.0, "1"):
                self.refused(TypeError, UdpHandlerDest, udp.fileno(), **{name: value})
        for fileno in (None, "3", 3.0, object()):
            self.refused(TypeError, UdpHandlerDest, fileno)

    def test_a_descriptor_that_is_no_udp_socket_is_refused_and_leaves_nothing(self):
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        closed = udp_socket()
        number = closed.fileno()
        reader, writer = os.pipe()
        try:
            closed.close()
            with leaves_nothing():
                self.fails_with(errno.EBADF, UdpHandlerDest, number)
                self.fails_with(errno.EBADF, UdpHandlerDest, -1)
                self.fails_with(errno.EBADF, UdpHandlerDest, (1 << 31) - 1)
                self.fails_with(errno.EPROTOTYPE, UdpHandlerDest, tcp.fileno())
                self.fails_with(errno.EAFNOSUPPORT, UdpHandlerDest, local.fileno())
                self.fails_with(errno.ENOTSOCK, UdpHandlerDest, reader)
        finally:
            os.close(reader)
            os.close(writer)
            tcp.close()
            local.close()

    def test_an_event_fd_that_is_none_is_refused_and_leaves_nothing(self):
        udp = self.socket()
        with leaves_nothing():
            for recv_reactors in (0, 1):
                create = lambda event_fd: UdpHandlerDest(
                    udp.fileno(), event_fd=event_fd, recv_reactors=recv_reactors
                ).shutdown()
                self.refused(ValueError, create, udp.fileno())
                self.fails_with(errno.EBADF, create, -2)
                # Not even one that the handler opens for itself a moment later.
                for number in unused_descriptors(8):
                    self.fails_with(errno.EBADF, create, number)


class Program(HandlerTest):
    """The seed's program; threads stand in for its greenthreads."""

    def serve(self, handler, event_fd, until):
        def process_req(req):
            c_addr, c_port, data, delay = req
            self.assertGreaterEqual(delay, 0)
            handler.dispatch(c_addr, c_port, data)

        served = 0
        while served < until:
            ready = select.select([event_fd.fileno()], [], [], DEADLINE)[0]
            self.assertTrue(ready, "%d served, then silence" % served)
            count = event_fd.receive()
            for v in range(count):
                req = handler.get_recved()
                if not req:
                    continue
                process_req(req)
                served += 1
        self.assertEqual(handler.get_recved(), ())
        self.assertEqual(event_fd.receive(), 0)

    def echoes(self, host, port, questions):
        client = udp_socket(host)
        for question in questions:
            client.sendto(question, (host, port))
        answers = sorted(client.recv(100) for _ in questions)
        client.close()
        self.assertEqual(answers, sorted(questions))

    @needs_ipv6
    def test_every_question_is_answered_over_both_protocols(self):
        udp, event_fd = self.socket("::", v6_only=0), self.event_fd()
        port = port_of(udp)
        with leaves_nothing():
            handler = UdpHandlerDest(
                udp.fileno(),
                send_reactors=16,
                send_flags=0x40,
                event_fd=event_fd.fileno(),
                recv_reactors=8,
                recv_sockets_a_reactor=16,
                debug_level=0,
            )
            clients = [
                threading.Thread(target=self.echoes, args=(host, port, numbered(50)))
                for host in ("127.0.0.1", "::1")
            ]
            for client in clients:
                client.start()
            self.serve(handler, event_fd, 100)
            for client in clients:
                client.join()
            self.assertEqual((handler.queued_recved(), handler.shutdown()), (0, 0))

    def test_the_socket_may_be_closed_right_after_construction(self):
        for reuse_port in (False, True):
            udp, event_fd = udp_socket(reuse_port=reuse_port), self.event_fd()
            port = port_of(udp)
            options = dict(event_fd=event_fd.fileno(), recv_reactors=2)
            with UdpHandlerDest(udp.fileno(), **options) as handler:
                udp.close()
                server = threading.Thread(target=self.serve, args=(handler, event_fd, 20))
                server.start()
                self.echoes("127.0.0.1", port, numbered(20))
                server.join()

    def test_the_event_fd_tells_of_every_datagram_and_stays_the_callers(self):
        event_fd = self.event_fd()
        udp = self.socket()
        handler = self.handler(udp, event_fd=event_fd.fileno(), recv_reactors=3)
        sent, told = 0, []
        for burst in (1, 2, 50, 150):
            handler.dispatch_many([("127.0.0.1", port_of(udp), b"x")] * burst)
            sent += burst
            wait_until(lambda: told.append(event_fd.receive()) or sum(told) >= sent, "all told")
            self.assertEqual((sum(told), handler.queued_recved()), (sent, sent))
        handler.shutdown()
        self.assertEqual(event_fd.receive(), 0)

    def test_descriptor_0_can_be_the_event_fd(self):
        run_child(
            """
import os
from support import EventFd, udp_socket, port_of, wait_until
from pyhelpers.udp_handler import UdpHandlerDest

event_fd = EventFd()
os.dup2(event_fd.fileno(), 0)
udp = udp_socket()
handler = UdpHandlerDest(udp.fileno(), event_fd=0, recv_reactors=1)
udp_socket().sendto(b"x", udp.getsockname())
wait_until(event_fd.receive, "the datagram is announced")
assert handler.get_recved()[2] == b"x"
handler.shutdown()
os.fstat(0)
"""
        )


class Rules(HandlerTest):
    def test_get_recved_gives_an_empty_tuple_when_there_is_nothing(self):
        handler, port = self.receiver()
        self.assertEqual(handler.get_recved(), ())
        self.socket().sendto(b"x", ("127.0.0.1", port))
        wait_until(handler.queued_recved, "the datagram is there")
        addr, _, data, delay_ns = handler.get_recved()
        self.assertEqual((addr, data), ("127.0.0.1", b"x"))
        self.assertIsInstance(addr, str)
        self.assertIsInstance(delay_ns, numbers.Integral)
        self.assertGreaterEqual(delay_ns, 0)
        self.assertEqual(handler.get_recved(), ())

    def test_nothing_is_received_without_event_fd_or_reactors(self):
        event_fd = self.event_fd()
        for options in (
            dict(),
            dict(recv_reactors=2),
            dict(event_fd=-1, recv_reactors=2),
            dict(event_fd=event_fd.fileno()),
            dict(event_fd=event_fd.fileno(), recv_reactors=0),
        ):
            udp = self.socket()
            handler = self.handler(udp, **options)
            self.assertEqual(handler.stats()["recv_reactors"], 0)
            self.socket().sendto(b"mine", udp.getsockname())
            # The caller's own receiving is not disturbed, nor shared.
            self.assertEqual(udp.recv(10), b"mine")
            self.assertEqual(handler.get_recved(), ())
            self.assertEqual(handler.get_recved_many(), [])
            self.assertEqual(handler.queued_recved(), 0)
            self.assertEqual(event_fd.receive(), 0)
            self.fails_with(errno.EOPNOTSUPP, handler.get_recved_many, timeout=1)
            self.fails_with(errno.EOPNOTSUPP, handler.fileno)
            # Sending works as ever.
            handler.dispatch("127.0.0.1", port_of(udp), b"to myself")
            self.assertEqual(udp.recv(10), b"to myself")

    def test_queues_are_empty_once_served(self):
        handler, port = self.receiver()
        for data in numbered(20):
            handler.dispatch("127.0.0.1", port, data)
        wait_until(lambda: handler.queued_recved() == 20, "all are queued")
        wait_until(lambda: handler.queued_send() == 0, "all are sent")
        self.assertEqual(payloads(collect(handler, 20)), numbered(20))
        self.assertEqual(handler.queued_recved(), 0)

    def test_the_average_starts_anew_when_reset(self):
        handler, port = self.receiver()
        self.assertEqual(handler.stats_send_avg(), 0)
        handler.dispatch("127.0.0.1", port, b"x")
        collect(handler, 1)
        wait_until(lambda: handler.queued_send() == 0, "it is counted as sent")
        average = handler.stats_send_avg(reset=False)
        self.assertTrue(0 < average < DEADLINE * 1e9, average)
        self.assertEqual(handler.stats_send_avg(False), average)
        self.assertEqual(handler.stats_send_avg(), average)
        self.assertEqual(handler.stats_send_avg(reset=True), 0)

    def test_reactors_share_the_load_of_a_port_group(self):
        udp = self.socket(reuse_port=True)
        handler, port = self.receiver(udp, recv_reactors=3, recv_sockets_a_reactor=2)
        udp.close()
        clients = [self.socket() for _ in range(60)]
        for client in clients:
            for data in (b"a", b"b"):
                client.sendto(data, ("127.0.0.1", port))
        found = collect(handler, 120)
        self.assertEqual(
            sorted((source, data) for _, source, data, _ in found),
            sorted((port_of(client), data) for client in clients for data in (b"a", b"b")),
        )
        shares = [reactor["datagrams"] for reactor in handler.stats()["reactors"][1:]]
        self.assertEqual(sum(shares), 120)
        # With six sockets for sixty flows: none once in 10^10 runs.
        self.assertEqual(len(shares), 3)
        self.assertGreater(min(shares), 0)

    def test_reactors_of_one_socket_do_not_wake_each_other_for_nothing(self):
        handler, port = self.receiver(recv_reactors=4)
        client = self.socket()
        for data in numbered(200):
            client.sendto(data, ("127.0.0.1", port))
            self.assertEqual(payloads(collect(handler, 1)), [data])
        reactors = handler.stats()["reactors"][1:]
        self.assertEqual(sum(reactor["datagrams"] for reactor in reactors), 200)
        self.assertLess(sum(reactor["idle_wakeups"] for reactor in reactors), 20)

    def test_debug_level_writes_to_standard_error_and_0_nothing(self):
        program = """
import sys
from support import collect, port_of, udp_socket
from pyhelpers.udp_handler import UdpHandlerDest

udp = udp_socket()
with UdpHandlerDest(udp.fileno(), event_fd=None, debug_level=int(sys.argv[1])) as handler:
    handler.dispatch("127.0.0.1", port_of(udp), b"x")
    collect(handler, 1)
"""
        silent, talking = (Child(program, level).finish() for level in (1, 6))
        self.assertEqual((silent.code, silent.err), (0, ""))
        self.assertEqual(talking.code, 0)
        for word in ("started", "received 1 datagrams", "sent 1 datagrams", "closed"):
            self.assertIn(word, talking.err)


if __name__ == "__main__":
    unittest.main()
