"""Feeds: UDP handlers, peers and connections that put what they receive into a group natively."""

import contextlib
import errno
import gc
import os
import select
import socket
import tempfile
import unittest
import weakref

from support import (
    DEADLINE,
    PYPY,
    collect,
    collect_garbage,
    leaves_nothing,
    needs_ipv6,
    numbered,
    payloads,
    port_of,
    wait_until,
)
from looping import HOST, LoopTest, in_a_child
from peering import receive

from pyhelpers import _receive_feeds
from pyhelpers.receive_queue import Feed, ReceiveQueue
from pyhelpers.udp_handler import UdpHandlerDest
from pyhelpers.udping import Peer

POLICIES = "unsync", "rw", "exclusive"


class FeedTest(LoopTest):
    def queue(self, *arguments, **options):
        made = ReceiveQueue(*(arguments or (("fed", "other"), 10)), **options)
        self.addCleanup(made.close)
        return made

    def peer(self, **kwa):
        made = Peer(port=0, **kwa)
        self.addCleanup(made.close)
        self.assertTrue(made.reopen())
        return made

    def sources(self):
        """A handler and a peer, each with its port."""
        handler, port = self.receiver()
        peer = self.peer()
        return [(handler, port), (peer, peer.port)]

    def came(self, queue, group, idx, values):
        """The buffer gets these values."""
        wait_until(lambda: queue.extract(group, idx) == values, "%r come" % (values,))


class Datagrams(FeedTest):
    def test_each_sender_has_a_buffer(self):
        for policy in POLICIES:
            for source, port in self.sources():
                queue, clients = self.queue(("fed", "other"), 3, policy), []
                feed = queue.feed(source, "fed")
                self.assertIsInstance(feed, Feed)
                for number in range(3):
                    client = self.socket()
                    clients.append(client)
                    for data in numbered(number + 2, "%d of " + str(number)):
                        client.sendto(data, (HOST, port))
                for number, client in enumerate(clients):
                    newest = tuple(numbered(number + 2, "%d of " + str(number))[-3:])
                    for extract in (queue.extract, queue.sync_extract, queue.extract_buffer):
                        self.came(queue, "fed", client.getsockname(), newest)
                        self.assertEqual(extract("fed", client.getsockname()), newest)
                for extract in (queue.extract_all, queue.sync_extract_all):
                    self.assertEqual(
                        {idx: len(values) for idx, values in extract("fed").items()},
                        {clients[0].getsockname(): 2, clients[1].getsockname(): 3,
                         clients[2].getsockname(): 3},
                    )
                self.assertEqual(queue.extract_all("other"), {})
                self.assertEqual(queue.counters("fed", clients[2].getsockname()), (4, 1, 3))
                figures = queue.stats()
                self.assertGreater(figures.pop("bytes"), 0)
                self.assertEqual(
                    figures, dict(buffers=3, values=8, received=9, discarded=1, refused=0)
                )
                self.assertEqual(
                    feed.stats(), dict(received=9, received_bytes=54, refused=0, ended=False)
                )
                self.assertEqual(queue.forget("fed", clients[2].getsockname()), 3)
                self.assertEqual(queue.extract("fed", clients[2].getsockname()), ())
                self.assertEqual(queue.counters("fed", clients[2].getsockname()), (0, 0, 0))

    def test_a_part_of_the_payload_names_the_buffer(self):
        for idx, names in (
            ((0, 2), [b"ab", b"ab", b"x", b""]),
            ((1, 2), [b"bc", b"b", b"", b""]),
            (slice(0, 2), [b"ab", b"ab", b"x", b""]),
            (slice(1, 3), [b"bc", b"b", b"", b""]),
            (slice(2), [b"ab", b"ab", b"x", b""]),
            (slice(1, None), [b"bcd", b"b", b"", b""]),
            (slice(None), [b"abcd", b"ab", b"x", b""]),
            (slice(3, 1), [b"", b"", b"", b""]),
        ):
            for source, port in self.sources():
                queue, client = self.queue(), self.socket()
                queue.feed(source, "fed", idx=idx)
                sent = (b"abcd", b"ab", b"x", b"")
                for data in sent:
                    client.sendto(data, (HOST, port))
                wanted = {}
                for name, data in zip(names, sent):
                    wanted[name] = wanted.get(name, ()) + (data,)
                wait_until(lambda: queue.extract_all("fed") == wanted, "%r come" % (wanted,))
                for name in wanted:
                    self.assertEqual(queue.extract("fed", name), wanted[name])

    @needs_ipv6
    def test_addresses_of_ipv6(self):
        udp = self.socket("::1")
        queue, handler = self.queue(), self.handler(udp, event_fd=None)
        queue.feed(handler, "fed")
        client = self.socket("::1")
        client.sendto(b"x", udp.getsockname())
        self.came(queue, "fed", client.getsockname(), (b"x",))
        self.assertEqual(queue.extract("fed", client.getsockname()[:2]), (b"x",))
        self.assertEqual(list(queue.extract_all("fed")), [client.getsockname()])

    def test_what_can_be_no_senders_address_was_never_seen(self):
        queue, (handler, port) = self.queue(), self.receiver()
        queue.feed(handler, "fed")
        self.socket().sendto(b"x", (HOST, port))
        wait_until(lambda: queue.extract_all("fed"), "it comes")
        for idx in ("x", 5, None, (), (HOST,), (HOST, "80"), (HOST, -1), (HOST, 1 << 16),
                    ("localhost", port), (None, 5), (HOST, 1, 2, 3, 4), b"x" * 24, ("\xe4", 1)):
            self.assertEqual(queue.extract("fed", idx), ())
            self.assertEqual(queue.counters("fed", idx), (0, 0, 0))
            self.assertEqual(queue.forget("fed", idx), 0)
        for call in (queue.extract, queue.counters, queue.forget):
            self.refused(TypeError, call, "fed", [])

    def test_more_than_one_room_holds_comes_out_whole(self):
        queue, client = self.queue(("fed",), 400), self.socket()
        handler, port = self.receiver(self.socket(receive_buffer=1 << 22))
        queue.feed(handler, "fed")
        sent = [b"%05d" % 0 + os.urandom(1000) for _ in range(400)]
        for at in range(0, 400, 20):
            for data in sent[at : at + 20]:
                client.sendto(data, (HOST, port))
            wait_until(
                lambda: queue.counters("fed", client.getsockname()).received == at + 20, "they come"
            )
        for _ in range(2):
            self.assertEqual(queue.extract("fed", client.getsockname()), tuple(sent))
            self.assertEqual(queue.extract_all("fed"), {client.getsockname(): tuple(sent)})

    def test_the_program_gets_what_came_before_and_after(self):
        for source, port in self.sources():
            queue, client = self.queue(), self.socket()
            if isinstance(source, UdpHandlerDest):
                client.sendto(b"before", (HOST, port))
                wait_until(source.queued_recved, "it is there")
            feed = queue.feed(source, "fed")
            if isinstance(source, UdpHandlerDest):
                self.assertEqual(payloads(collect(source, 1)), [b"before"])
            client.sendto(b"fed", (HOST, port))
            self.came(queue, "fed", client.getsockname(), (b"fed",))
            feed.stop()
            feed.stop()
            client.sendto(b"after", (HOST, port))
            if isinstance(source, UdpHandlerDest):
                self.assertEqual(payloads(collect(source, 1)), [b"after"])
            else:
                self.assertEqual(receive(source)[0], b"after")
            self.assertEqual(queue.extract("fed", client.getsockname()), (b"fed",))
            self.assertEqual(
                feed.stats(), dict(received=1, received_bytes=3, refused=0, ended=True)
            )
            # It may be fed again.
            queue.feed(source, "fed")

    def test_the_end_of_the_queue_gives_the_source_back(self):
        for source, port in self.sources():
            queue, client = self.queue(), self.socket()
            feed = queue.feed(source, "fed")
            queue.close()
            feed.stop()
            self.fails_with(errno.EBADF, feed.stats)
            client.sendto(b"x", (HOST, port))
            if isinstance(source, UdpHandlerDest):
                self.assertEqual(payloads(collect(source, 1)), [b"x"])
            else:
                self.assertEqual(receive(source)[0], b"x")

    def test_the_end_of_the_source_ends_the_feed(self):
        for source, port in self.sources():
            queue, client = self.queue(), self.socket()
            with queue.feed(source, "fed") as feed:
                client.sendto(b"x", (HOST, port))
                self.came(queue, "fed", client.getsockname(), (b"x",))
                (source.shutdown if isinstance(source, UdpHandlerDest) else source.close)()
                wait_until(lambda: feed.stats()["ended"], "it ends")
                self.assertIn("ended", repr(feed))
            self.assertEqual(queue.extract("fed", client.getsockname()), (b"x",))

    def test_limits(self):
        queue, (handler, port) = self.queue(("fed",), 10, max_buffers=2), self.receiver()
        feed = queue.feed(handler, "fed")
        for number in range(8):
            self.socket().sendto(b"x", (HOST, port))
        wait_until(
            lambda: feed.stats()["received"] + feed.stats()["refused"] == 8, "all are counted"
        )
        # One more for the group, which has no bell.
        self.assertEqual(feed.stats()["received"], 3)
        self.assertEqual((len(queue.extract_all("fed")), queue.stats()["refused"]), (3, 5))


class Waits(FeedTest):
    def test_a_datagram_is_told_of(self):
        for source, port in self.sources():
            queue, client = self.queue(), self.socket()
            # Asked for before, and after.
            early = queue.fileno("fed")
            queue.feed(source, "fed")
            self.assertEqual((queue.fileno("fed"), queue.wait("fed", 0)), (early, False))
            for data in numbered(3):
                self.assertFalse(select.select([early], [], [], 0)[0])
                client.sendto(data, (HOST, port))
                self.assertTrue(select.select([early], [], [], DEADLINE)[0])
                self.assertTrue(queue.wait("fed", 0))
                self.assertEqual(queue.extract("fed", client.getsockname())[-1], data)
            self.assertFalse(queue.wait("fed", 0))
            self.assertFalse(queue.wait("other", 0))
            # What the bell was rung with is nobody's value.
            self.assertEqual(list(queue.extract_all("fed")), [client.getsockname()])
            self.assertEqual(queue.stats()["values"], 3)

    def test_an_event_loop_is_woken(self):
        (handler, port), loop, found = self.receiver(), self.loop(), []
        queue = self.queue()

        def came():
            queue.wait("fed", 0)
            found.extend(queue.extract_all("fed").values())

        loop.add_reader(queue.fileno("fed"), came)
        queue.feed(handler, "fed")
        self.socket().sendto(b"x", (HOST, port))
        self.until(loop, lambda: found, "the loop is told")
        self.assertEqual(found, [(b"x",)])


    def test_what_tells_of_pythons_values_is_not_seen_in_a_fed_group(self):
        for idx in "source", (0, 4):
            queue, (handler, port) = self.queue(), self.receiver()
            seen, begin = [], _receive_feeds.begin

            def seeing(source, where):
                number = begin(source, where)
                self.socket().sendto(b"bell", (HOST, port))
                wait_until(lambda: queue.stats()["received"] > 0, "it is received")
                seen.append(list(queue.extract_all("fed").values()))
                return number

            queue.fileno("fed")
            self.addCleanup(setattr, _receive_feeds, "begin", begin)
            _receive_feeds.begin = seeing
            queue.feed(handler, "fed", idx)
            _receive_feeds.begin = begin
            self.assertEqual(seen, [[(b"bell",)]])
            self.assertEqual(list(queue.extract_all("fed").values()), [(b"bell",)])

    def test_a_feed_that_fails_leaves_waiting_as_it_was(self):
        queue, (handler, _) = self.queue(), self.receiver()
        handler.shutdown()
        descriptor = queue.fileno("fed")
        self.fails_with(errno.EBADF, queue.feed, handler, "fed")
        self.assertFalse(queue.wait("fed", 0))
        queue.receive("fed", "x", 1)
        self.assertTrue(select.select([descriptor], [], [], DEADLINE)[0])
        self.assertTrue(queue.wait("fed", 0))
        self.refused(ValueError, queue.feed, handler, "fed")
        self.assertFalse(queue.wait("fed", 0))


class Connections(FeedTest):
    def test_lines_of_a_connection(self):
        for backend in ("epoll", "select"):
            queue, loop = self.queue(), self.loop(backend)
            connection, client = self.accepted(loop, on_data=lambda *_: self.fail("on_data"))
            with queue.feed(connection, "fed", lines=True) as feed:
                client.sendall(b"one\ntw")
                idx = client.getsockname()
                self.until(loop, lambda: queue.extract("fed", idx) == (b"one",), "a line comes")
                client.sendall(b"o\n\nthree\nfo")
                lines = (b"one", b"two", b"", b"three")
                self.until(loop, lambda: queue.extract("fed", idx) == lines, "they come")
                client.shutdown(socket.SHUT_WR)
                lines += (b"fo",)
                self.until(loop, lambda: queue.extract("fed", idx) == lines, "the rest comes")
                self.until(loop, lambda: feed.stats()["ended"], "it ends")
                self.assertEqual(feed.stats()["received"], 5)

    def test_what_is_read_at_once_is_a_value(self):
        queue, loop, ended = self.queue(), self.loop(), []
        connection, client = self.accepted(loop, on_end=ended.append)
        queue.feed(connection, "fed")
        client.sendall(b"hello\n")
        idx = client.getsockname()
        self.until(loop, lambda: queue.extract("fed", idx) == (b"hello\n",), "it comes")
        # Its other events come as ever.
        connection.write(b"answer")
        self.until(loop, lambda: select.select([client], [], [], 0)[0], "an answer goes out")
        self.assertEqual(client.recv(10), b"answer")
        client.shutdown(socket.SHUT_WR)
        self.until(loop, lambda: ended, "the end is told of")

    def test_a_long_line_is_cut(self):
        queue, loop = self.queue(("fed",), 5), self.loop()
        connection, client = self.accepted(loop)
        queue.feed(connection, "fed", idx=(0, 1), lines=True)
        client.sendall(b"x" * 70000 + b"\n")
        wanted = (b"x" * 65536, b"x" * (70000 - 65536))
        self.until(loop, lambda: queue.extract("fed", b"x") == wanted, "both pieces come")

    def test_stop_gives_the_connection_back(self):
        queue, loop, told = self.queue(), self.loop(), []
        connection, client = self.accepted(loop, on_data=lambda _, data: told.append(data))
        feed = queue.feed(connection, "fed", lines=True)
        client.sendall(b"fed\n")
        self.until(loop, lambda: queue.extract_all("fed"), "it comes")
        feed.stop()
        client.sendall(b"mine")
        self.until(loop, lambda: b"".join(told) == b"mine", "on_data is called")

    def test_many_connections_by_their_addresses(self):
        queue, loop, feeds = self.queue(), self.loop(), []
        server = self.server(
            loop, on_connect=lambda connection: feeds.append(queue.feed(connection, "fed"))
        )
        clients = [self.client(server.address) for _ in range(20)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number if str is not bytes else str(number))
        wanted = {
            client.getsockname(): (str(number).encode(),) for number, client in enumerate(clients)
        }
        self.until(loop, lambda: queue.extract_all("fed") == wanted, "all come")
        self.assertEqual(sum(feed.stats()["received"] for feed in feeds), 20)

    def test_a_unix_socket_has_no_address(self):
        path = os.path.join(tempfile.mkdtemp(), "socket")
        self.addCleanup(os.rmdir, os.path.dirname(path))
        self.addCleanup(os.remove, path)
        queue, loop, found = self.queue(), self.loop(), []
        self.server(loop, host="unix:" + path, on_connect=found.append)
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(path)
        self.until(loop, lambda: found, "it is accepted")
        queue.feed(found[0], "fed")
        client.sendall(b"x")
        self.until(loop, lambda: queue.extract("fed", None) == (b"x",), "it comes")
        self.assertEqual(queue.extract_all("fed"), {None: (b"x",)})

    def test_ended_feeds_that_nobody_has_are_forgotten(self):
        queue, loop, ended = self.queue(), self.loop(), []
        server = self.server(
            loop,
            on_connect=lambda connection: queue.feed(connection, "fed") and None,
            on_close=lambda *_: ended.append(1),
        )
        for count in range(1, 201):
            client = self.client(server.address)
            client.close()
            self.until(loop, lambda: len(ended) == count, "its end is seen")
            if PYPY and count % 50 == 0:
                collect_garbage()
        self.assertLess(len(queue._native._sources), 150)


class Refusals(FeedTest):
    def test_python_and_a_feed_do_not_share_a_group(self):
        queue, (handler, _) = self.queue(), self.receiver()
        queue.receive("other", "x", 1)
        error = self.refused(ValueError, queue.feed, handler, "other")
        self.assertIn("'other'", str(error))
        queue.feed(handler, "fed").stop()
        for call in (queue.receive, queue.sync_receive):
            error = self.refused(ValueError, call, "fed", "x", 1)
            self.assertIn("'fed'", str(error))
            self.refused(ValueError, getattr(queue, call.__name__ + "_many"), "fed", "x", [1])
        self.assertEqual((queue.extract_all("fed"), queue.stats()["received"]), ({}, 1))

    def test_a_group_has_one_kind_of_idx(self):
        queue, sources = self.queue(), self.sources()
        queue.feed(sources[0][0], "fed")
        error = self.refused(ValueError, queue.feed, sources[1][0], "fed", (0, 1))
        self.assertIn("source", str(error))
        queue.feed(sources[1][0], "other", (0, 1))
        self.assertIn("payload", str(self.refused(ValueError, queue.feed, sources[1][0], "other")))

    def test_sources_that_are_none(self):
        queue, loop = self.queue(), self.loop()
        for source in (None, 5, self.socket(), loop, queue, "handler"):
            self.refused(TypeError, queue.feed, source, "fed")
        handler, _ = self.receiver()
        self.refused(IndexError, queue.feed, handler, "fet")
        for idx in ("sender", b"source" if str is not bytes else "s", (0, -1), (-1, 1),
                    slice(-1, None), slice(0, 4, 2), (1 << 40, 1)):
            self.refused((ValueError, TypeError), queue.feed, handler, "fed", idx)
        for idx in (None, 5, (1,), (1, 2, 3), (0.5, 1), ("0", 1), slice("a", "b")):
            self.refused(TypeError, queue.feed, handler, "fed", idx)
        self.refused(ValueError, queue.feed, handler, "fed", lines=True)
        self.refused(ValueError, queue.feed, self.peer(), "fed", lines=True)
        # None of it has made it a fed group.
        queue.receive("fed", "x", 1)

    def test_sources_that_cannot_feed(self):
        queue, loop = self.queue(), self.loop()
        self.fails_with(errno.EOPNOTSUPP, queue.feed, self.handler(), "fed")
        handler, _ = self.receiver()
        first = queue.feed(handler, "other")
        self.fails_with(errno.EALREADY, queue.feed, handler, "fed")
        self.fails_with(errno.EALREADY, self.queue().feed, handler, "fed")
        first.stop()
        handler.shutdown()
        peer = self.peer()
        peer.close()
        connection, _ = self.accepted(loop)
        connection.close()
        self.until(loop, lambda: "closed" in repr(connection), "it is closed")
        for source in (handler, peer, connection):
            error = self.fails_with(errno.EBADF, queue.feed, source, "fed")
            self.assertIn("closed", str(error))
        queue.receive("fed", "x", 1)
        queue.close()
        error = self.fails_with(errno.EBADF, queue.feed, self.receiver()[0], "other")
        self.assertIn("the ReceiveQueue is closed", str(error))

    def test_a_length_that_the_library_does_not_take(self):
        queue, (handler, _) = self.queue(("fed",), (1 << 24) + 1), self.receiver()
        self.assertFalse(queue.wait("fed", 0))
        self.refused(ValueError, queue.feed, handler, "fed")
        self.queue(("fed",), 1 << 24).feed(handler, "fed")


class Ends(FeedTest):
    def test_nothing_is_left(self):
        with leaves_nothing():
            udp, peer = self.socket(), self.peer()
            # What a peer waits with stays its own as long as it is open.
            with UdpHandlerDest(udp, event_fd=None) as handler, contextlib.closing(peer):
                with ReceiveQueue(("a", "b"), 3) as queue:
                    queue.feed(handler, "a")
                    queue.feed(peer, "b")
                    queue.fileno("a")
                    self.assertEqual(queue.wait("b", 0), False)
            udp.close()

    def test_a_dropped_queue_ends_its_feeds_and_nothing_holds_it(self):
        gc.disable()
        self.addCleanup(gc.enable)
        handler, port = self.receiver()
        queue = ReceiveQueue(("fed",), 3)
        feed, gone = queue.feed(handler, "fed"), weakref.ref(queue)
        self.assertIn("UdpHandlerDest", repr(feed))
        self.assertIn("running", repr(feed))
        del queue
        if PYPY:
            collect_garbage()
        self.assertIsNone(gone())
        self.assertIn("ended", repr(feed))
        self.fails_with(errno.EBADF, feed.stats)
        feed.stop()
        self.socket().sendto(b"x", (HOST, port))
        self.assertEqual(payloads(collect(handler, 1)), [b"x"])

    def test_the_queue_holds_its_sources(self):
        queue, udp = self.queue(), self.socket()
        source = weakref.ref(self.unnamed(queue, udp))
        collect_garbage()
        self.socket().sendto(b"x", (HOST, port_of(udp)))
        wait_until(lambda: queue.extract_all("fed"), "it comes")
        queue.close()
        collect_garbage()
        self.assertIsNone(source())

    def unnamed(self, queue, udp):
        handler = UdpHandlerDest(udp, event_fd=None)
        queue.feed(handler, "fed")
        return handler

    def test_in_a_forked_child(self):
        queue, (handler, port) = self.queue(), self.receiver()
        feed = queue.feed(handler, "fed")

        def checks():
            for call, arguments in (
                (queue.extract_all, ("fed",)), (queue.extract, ("fed", (HOST, 1))),
                (queue.counters, ("fed", (HOST, 1))), (queue.wait, ("fed",)),
                (queue.stats, ()), (queue.feed, (handler, "other")), (feed.stats, ()),
            ):
                error = self.fails_with(errno.EBADF, call, *arguments)
                assert "process %d" % os.getppid() in str(error), error
            feed.stop()
            queue.receive("other", "x", 1)
            assert queue.extract("other", "x") == (1,)
            queue.close()

        in_a_child(checks)
        self.socket().sendto(b"x", (HOST, port))
        self.assertTrue(queue.wait("fed", DEADLINE))


if __name__ == "__main__":
    unittest.main()
