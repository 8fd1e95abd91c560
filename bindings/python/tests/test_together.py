"""A UDP handler, a peer, a broadcast receiver and TCP connections in one event loop."""

import unittest

from looping import HOST, LoopTest

from pyhelpers.broadcast import BroadCastReceiver
from pyhelpers.pyed.event import event
from pyhelpers.pyed.events_epoll import events_epoll
from pyhelpers.pyed.events_select import events_select
from pyhelpers.pyed.timers import timers
from pyhelpers.udping import openPeer


class Together(LoopTest):
    def setUp(self):
        super(Together, self).setUp()
        self.came = []

    def receivers(self):
        """One of each, with its port, and what takes all that it has received."""
        handler, port = self.receiver()
        peer = self.enter(openPeer(host=HOST, port=0))
        broadcast = self.enter(BroadCastReceiver(0, timeout=0))
        return [
            (handler, port, lambda: [one[2] for one in handler.get_recved_many()]),
            (peer, peer.ha[1], lambda: [data for data, _ in peer.receive_many()]),
            (broadcast, broadcast.port, lambda: [data for _, data in broadcast]),
        ]

    def enter(self, manager):
        entered = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        return entered

    def send_to(self, all_receivers):
        sender = self.socket()
        for _, port, _ in all_receivers:
            sender.sendto(b"for %d" % port, (HOST, port))
        return sorted(b"for %d" % port for _, port, _ in all_receivers)

    def test_in_an_event_loop(self):
        for backend in ("epoll", "poll", "select"):
            loop, receivers = self.loop(backend), self.receivers()
            for receiver, _, take in receivers:
                loop.add_reader(receiver, lambda take=take: self.came.extend(take()))
            server = loop.tcp_server(host=HOST, on_data=lambda link, data: link.write(data))
            client = loop.tcp_client(
                *server.address, on_data=lambda _, data: self.came.append(data)
            )
            client.write(b"tcp")
            expected = sorted(self.send_to(receivers) + [b"tcp"])
            self.until(loop, lambda: len(self.came) >= len(expected), "all come")
            self.assertEqual(sorted(self.came), expected)
            del self.came[:]

    def test_in_pyed(self):
        for make in (events_epoll, events_select):
            evs, tms, receivers = make(), timers(), self.receivers()
            for receiver, _, take in receivers:
                event(evs, tms, receiver).add_read(lambda _, take=take: self.came.extend(take()))
            expected = self.send_to(receivers)
            while len(self.came) < len(expected):
                evs.processevent(tms.processtimer())
            self.assertEqual(sorted(self.came), expected)
            del self.came[:]


if __name__ == "__main__":
    unittest.main()
