"""One receive queue in Python, measured in turns with others (see contestant.py).

    receiving.py WAY [--batch 1] [--seconds S]

WAY: rw, exclusive (ours), lock (the least that does it), original_rw, original_exclusive (as such a
class is written with hooks, checks and both policies). A batch of 1 is a call of sync_receive for
each value, a larger one a call of receive_many. Prints values, and processor time of the thread.
"""

import collections
import threading
import time

from contestant import in_turns, options

GROUPS = ("health", "telemetry")
LENGTH = 10
GROUP, NODE = "health", "node-0"
VALUES = [b"%064d" % number for number in range(1000)]


class LockQueue:
    """Values by group and sender, behind one lock, and nothing else."""

    def __init__(self, groups, length):
        self._lock = threading.RLock()
        self._length = length
        self._buffers = {group: {} for group in groups}

    def open(self, group, idx):
        self._buffers[group][idx] = collections.deque(maxlen=self._length)

    def sync_receive(self, group, idx, value):
        with self._lock:
            self._buffers[group][idx].append(value)

    def sync_extract(self, group, idx):
        with self._lock:
            return tuple(self._buffers[group][idx])


class OriginalQueue:
    """Both policies as two locks and a count give them; hooks and checks with each value."""

    def __init__(self, groups, length, policy):
        self._policy = policy
        self._length = length
        self._buffers = {group: {} for group in groups}
        self._resource = threading.RLock()
        self._count_lock = threading.RLock()
        self._receivers = 0

    def _before_receive(self, group, idx, value):
        pass

    def _after_receive(self, group, idx, value):
        pass

    def receive(self, group, idx, value):
        if group not in self._buffers:
            raise IndexError("no group %r" % (group,))
        self._before_receive(group, idx, value)
        buffers = self._buffers[group]
        if idx not in buffers:
            buffers[idx] = collections.deque(maxlen=self._length)
        buffers[idx].append(value)
        self._after_receive(group, idx, value)

    def sync_receive(self, group, idx, value):
        if self._policy == "exclusive":
            with self._resource:
                self.receive(group, idx, value)
        elif self._policy == "rw":
            self._enter()
            try:
                self.receive(group, idx, value)
            finally:
                self._leave()
        else:
            raise ValueError("no policy %r" % (self._policy,))

    def _enter(self):
        """The first of the receivers keeps extracts out."""
        with self._count_lock:
            self._receivers += 1
            if self._receivers == 1:
                self._resource.acquire()

    def _leave(self):
        with self._count_lock:
            self._receivers -= 1
            if self._receivers == 0:
                self._resource.release()

    def sync_extract(self, group, idx):
        with self._resource:
            return tuple(self._buffers[group][idx])


def make(way):
    if way == "lock":
        queue = LockQueue(GROUPS, LENGTH)
        queue.open(GROUP, NODE)
        return queue
    if way.startswith("original_"):
        return OriginalQueue(GROUPS, LENGTH, way[len("original_") :])
    from pyhelpers.receive_queue import ReceiveQueue

    return ReceiveQueue(GROUPS, LENGTH, way)


def one_by_one(queue):
    """A function that receives all values once."""
    sync_receive = queue.sync_receive

    def receive_all():
        for value in VALUES:
            sync_receive(GROUP, NODE, value)

    return receive_all


def in_batches(queue, size):
    receive_many = queue.receive_many
    batches = [VALUES[at : at + size] for at in range(0, len(VALUES), size)]

    def receive_all():
        for batch in batches:
            receive_many(GROUP, NODE, batch)

    return receive_all


def main(way, batch, seconds):
    queue = make(way)
    receive_all = one_by_one(queue) if batch == 1 else in_batches(queue, batch)

    def turn():
        count, start = 0, time.thread_time()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            receive_all()
            count += len(VALUES)
        used = time.thread_time() - start
        assert queue.sync_extract(GROUP, NODE) == tuple(VALUES[-LENGTH:])
        return {"count": count, "seconds": used}

    in_turns(turn)


if __name__ == "__main__":
    main(**options(batch=1))
