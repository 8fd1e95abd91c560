"""Many threads at once: every datagram exactly once, every call an answer or a clear error."""

import errno
import select
import threading
import unittest

from support import (
    DEADLINE,
    HandlerTest,
    collect,
    leaves_nothing,
    now,
    numbered,
    payloads,
    wait_until,
)

HOST = "127.0.0.1"
THREADS = 8

#: Datagrams under way at a time: the smallest usual receive buffer holds as many.
UNDER_WAY = 160


class ThreadsTest(HandlerTest):
    def run_at_once(self, bodies):
        """Runs each body in a thread of its own; what one of them raises fails the test."""
        failures = []

        def guarded(body):
            try:
                body()
            except BaseException as error:
                failures.append(repr(error))

        running = [threading.Thread(target=guarded, args=(body,)) for body in bodies]
        end = now() + DEADLINE
        for thread in running:
            thread.daemon = True
            thread.start()
        for thread in running:
            thread.join(max(0, end - now()))
        self.assertEqual(failures, [])
        self.assertFalse([thread for thread in running if thread.is_alive()], "they hang")


class ExactlyOnce(ThreadsTest):
    def exchange(self, dispatch, receive, batch, each=240):
        """Eight threads dispatch ``each`` datagrams, ``batch`` at a time, and eight receive."""
        permits = threading.Semaphore(UNDER_WAY)
        wanted = [numbered(each, "%d/%%d" % number) for number in range(THREADS)]
        found = []

        def send(mine):
            for at in range(0, each, batch):
                for _ in range(batch):
                    permits.acquire()
                dispatch(mine[at : at + batch])

        def collect_some():
            while len(found) < THREADS * each:
                for datum in receive():
                    found.append(datum)
                    permits.release()

        senders = [lambda mine=mine: send(mine) for mine in wanted]
        self.run_at_once(senders + [collect_some] * THREADS)
        self.assertEqual(sorted(found), sorted(sum(wanted, [])))

    def test_one_by_one(self):
        sender = self.handler()
        receiver, port = self.receiver()

        def dispatch(data):
            sender.dispatch(HOST, port, data[0])

        def receive():
            # Nobody waits for good: another thread may have had the last one.
            select.select([receiver], [], [], 0.01)
            return payloads(filter(None, [receiver.get_recved()]))

        self.exchange(dispatch, receive, batch=1)

    def test_in_batches(self):
        sender = self.handler(send_reactors=3)
        receiver, port = self.receiver(recv_reactors=3)

        def dispatch(data):
            taken = sender.dispatch_many([(HOST, port, datum) for datum in data])
            self.assertEqual(taken, len(data))

        def receive():
            return payloads(receiver.get_recved_many(7, timeout=0.01))

        self.exchange(dispatch, receive, batch=20)

    def test_through_one_handler_with_short_queues_and_a_port_group(self):
        udp = self.socket(reuse_port=True)
        handler, port = self.receiver(
            udp,
            send_reactors=2,
            recv_reactors=2,
            send_policy="wait",
            recv_policy="wait",
            send_queue_items=5,
            recv_queue_items=7,
        )

        def dispatch(data):
            self.assertEqual(handler.dispatch_many([(HOST, port, d) for d in data]), len(data))

        self.exchange(
            dispatch, lambda: payloads(handler.get_recved_many(timeout=0.01)), batch=10
        )
        stats = handler.stats()
        self.assertEqual((stats["recv_dropped"], stats["send_dropped"]), (0, 0))


class Shutdown(ThreadsTest):
    def test_calls_of_all_kinds_during_a_shutdown(self):
        for _ in range(5):
            handler, port = self.receiver(send_reactors=2, recv_reactors=2)
            calls = [
                lambda: handler.dispatch(HOST, port, b"x"),
                lambda: handler.dispatch_many([(HOST, port, b"x")] * 10),
                lambda: handler.get_recved(),
                lambda: handler.get_recved_many(timeout=0.001),
                lambda: handler.get_recved_many(timeout=None),
                lambda: (handler.queued_send(), handler.queued_recved()),
                lambda: (handler.stats(), handler.stats_send_avg()),
                lambda: (handler.errors(), handler.fileno()),
            ]
            called = [0] * len(calls)

            def until_the_end(number):
                try:
                    while True:
                        calls[number]()
                        called[number] += 1
                except OSError as error:
                    if error.errno not in (errno.EBADF, errno.ESHUTDOWN):
                        raise

            def end():
                wait_until(lambda: min(called) > 0, "all have begun")
                handler.shutdown()

            bodies = [lambda number=number: until_the_end(number) for number in range(len(calls))]
            self.run_at_once(bodies + [end])

    def test_many_shutdowns_at_once(self):
        for _ in range(10):
            handler, _ = self.receiver()
            answers = []
            self.run_at_once([lambda: answers.append(handler.shutdown())] * THREADS)
            self.assertEqual(answers, [0] * THREADS)

    def test_handlers_come_and_go_in_many_threads(self):
        def come_and_go():
            for number in range(10):
                udp = self.socket()
                handler, port = self.receiver(udp)
                handler.dispatch_many([(HOST, port, data) for data in numbered(5)])
                self.assertEqual(payloads(collect(handler, 5)), numbered(5))
                self.assertEqual(handler.shutdown(), 0)
                udp.close()

        with leaves_nothing():
            self.run_at_once([come_and_go] * THREADS)


if __name__ == "__main__":
    unittest.main()
