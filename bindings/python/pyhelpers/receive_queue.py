"""Groups of bounded buffers, filled by many and read by few: see :class:`ReceiveQueue`."""

import errno
import sys
import time
from collections import namedtuple
from itertools import count

from pyhelpers._arguments import number
from pyhelpers._receive_buffers import (
    Places,
    Sum,
    advance,
    counted,
    extract_all,
    extract_unless_changed,
    held,
    make,
    snapshot,
)
from pyhelpers._receive_feeds import Feed
from pyhelpers._receive_native_side import PYTHON, NativeSide
from pyhelpers._receive_turns import Turns

__all__ = ["Counters", "Feed", "ReceiveQueue", "UnknownGroup"]

_POLICIES = "exclusive", "rw", "unsync"

#: What subclasses may override so that a policy has more to guard than single steps.
_HOOKS = "_before_receive", "_after_receive"
_STEPS = _HOOKS + ("receive", "receive_many", "extract", "extract_buffer", "extract_all")

#: What came into a buffer: how many values were ``received`` in all, ``discarded`` because newer
#: ones came, and are ``held``.
Counters = namedtuple("Counters", "received discarded held")

#: Looks for room for a buffer while other threads make some, and seconds between two of them.
_TRIES = 1000
_PAUSE = 0.00005

#: Attempts to see a group at one instant before receivers are asked to wait.
_ATTEMPTS = 2


class UnknownGroup(IndexError):
    """There is no group with this key. ``groupkey``: the key; ``groupkeys``: those there are."""

    def __init__(self, groupkey, groupkeys):
        super(UnknownGroup, self).__init__(groupkey, groupkeys)
        self.groupkey = groupkey
        self.groupkeys = groupkeys

    def __str__(self):
        known = ", ".join(map(repr, self.groupkeys))
        return "there is no group %r; the groups are %s" % (self.groupkey, known)


class ReceiveQueue(NativeSide):
    """Keeps the last values of many senders, in groups of buffers::

        buffers = ReceiveQueue(("health", "telemetry"), 10, "exclusive")
        buffers.sync_receive("health", "node-0", status)
        print(buffers.sync_extract("health", "node-0"))

    ``groupkeys``: the groups, any hashable objects. ``bufferlen``: values that a buffer holds, 1
    and more; with one more the oldest falls out. A buffer is made when the first value comes for
    its ``idx``, any hashable object. Values are any objects; the queue holds each one until it
    falls out, its buffer is forgotten, or the queue is closed.

    ``policy``: what the methods that begin with ``sync_`` do when several threads call them.
    "unsync" (default): as the others, that is nothing: each buffer is consistent by itself.
    "exclusive": one of them at a time. "rw": any number that receive at a time, or one that
    extracts; in the order in which they come, so that neither side waits for ever. A call from
    within a hook, or from a signal's handler, belongs to the call that it came in the middle of; an
    extract from within a receive waits until all other receives have ended or want to extract too.
    Where no method is overridden, a receive is one step, which waits for a ``sync_extract_all`` at
    most.

    ``max_buffers``: buffers of all groups at most, 1,048,576; a value for another one is refused:
    OSError with ENOSPC. ``max_bytes``: bytes that fed groups may take, 1 GiB.

    A group can be fed (:meth:`feed`) instead: then native threads put in what a UDP handler, a peer
    or a connection receives. Its values are bytes. For fed groups ``max_buffers`` counts apart,
    with one more for each group, and ``bufferlen`` is 16,777,216 at most.

    Subclasses may override ``_before_receive(groupkey, idx, value)``, which is called before
    anything is checked, and ``_after_receive(groupkey, idx, value)``, for when the value is in;
    ``sync_receive`` calls them in its turn. When one raises, the call ends: before, the value is
    not in; after, it is. What is overridden is looked up when the queue is made. They are not
    called for fed groups.

    Errors of all methods: :class:`UnknownGroup`, an IndexError; TypeError for a key that is not
    hashable; OSError with EBADF after :meth:`close`. A context manager. Any method may be called
    from any thread. In a forked child the queue goes on with a copy of what Python has put in; fed
    groups, :meth:`wait`, :meth:`fileno` and :meth:`stats` raise OSError with EBADF there, once the
    parent has had a fed group or called :meth:`wait` or :meth:`fileno`.
    """

    def __init__(
        self, groupkeys, bufferlen, policy="unsync", max_buffers=1 << 20, max_bytes=1 << 30
    ):
        if policy not in _POLICIES:
            raise ValueError("policy must be one of %s, not %r" % (list(_POLICIES), policy))
        self._policy = policy
        self._bufferlen = number("bufferlen", bufferlen, 1, sys.maxsize)
        self._max_buffers = number("max_buffers", max_buffers, 1, sys.maxsize >> 1)
        self._max_bytes = number("max_bytes", max_bytes, 1, sys.maxsize >> 1)
        #: By group, then by idx: what counts the values of a buffer, and what holds them.
        self._groups = {groupkey: {} for groupkey in groupkeys}
        if not self._groups:
            raise ValueError("groupkeys must have one key at least")
        self._groupkeys = tuple(self._groups)
        super(ReceiveQueue, self).__init__()
        self._turns = Turns()
        self._receiver_turn = self._turns.together if policy == "rw" else self._turns.alone
        self._has_hooks = _overrides(type(self), _HOOKS)
        is_overridden = _overrides(type(self), _STEPS)
        self._is_guarded = is_overridden and policy != "unsync"
        #: Not empty while sync_receive() is more than one step.
        self._in_turn = ["always"] if is_overridden else []
        self._places = Places(self._max_buffers)
        self._refused = count()
        #: Counts of forgotten buffers.
        self._forgotten = Sum()

    # Receiving

    def receive(self, groupkey, idx, value):
        """Puts a value into a buffer, whatever the policy and without waiting for anything.

        Errors: ValueError for a fed group; OSError with ENOSPC; what the hooks raise.
        """
        if self._has_hooks:
            self._receive_with_hooks(groupkey, idx, value)
            return
        try:
            counter, values = self._groups[groupkey][idx]
        except KeyError:
            counter = None
        if counter is None:
            counter, values = self._make_buffer(groupkey, idx)
        # In this order: see extract_unless_changed().
        next(counter)
        values.append(value)
        if self._silent and groupkey in self._silent:
            self._ring(groupkey)

    def receive_many(self, groupkey, idx, values):
        """Puts an iterable of values into a buffer, in order, as :meth:`receive` does one. Hooks
        are called for each; where there are none, all values come in at once."""
        if self._has_hooks:
            for value in values:
                self.receive(groupkey, idx, value)
            return
        arrived = tuple(values)
        buffer = self._group(groupkey).get(idx)
        if not arrived:
            return
        counter, held = buffer or self._make_buffer(groupkey, idx)
        advance(counter, len(arrived))
        held.extend(arrived)
        if groupkey in self._silent:
            self._ring(groupkey)

    def sync_receive(self, groupkey, idx, value):
        """The same as :meth:`receive`, as the policy demands."""
        if self._in_turn:
            self._receive_in_turn(self.receive, groupkey, idx, value)
            return
        # What receive() does once more: a call of it would take a third of the time.
        try:
            counter, values = self._groups[groupkey][idx]
        except KeyError:
            counter = None
        if counter is None:
            counter, values = self._make_buffer(groupkey, idx)
        next(counter)
        values.append(value)
        if self._silent and groupkey in self._silent:
            self._ring(groupkey)

    def sync_receive_many(self, groupkey, idx, values):
        """The same as :meth:`receive_many`, as the policy demands, as one call."""
        if self._in_turn:
            self._receive_in_turn(self.receive_many, groupkey, idx, values)
            return
        self.receive_many(groupkey, idx, values)

    def _receive_in_turn(self, receive, groupkey, idx, what):
        if self._policy == "unsync":
            receive(groupkey, idx, what)
            return
        turn = self._receiver_turn()
        with turn.mark, turn:
            receive(groupkey, idx, what)

    def _receive_with_hooks(self, groupkey, idx, value):
        self._before_receive(groupkey, idx, value)
        counter, values = self._group(groupkey).get(idx) or self._make_buffer(groupkey, idx)
        next(counter)
        values.append(value)
        if groupkey in self._silent:
            self._ring(groupkey)
        self._after_receive(groupkey, idx, value)

    def _before_receive(self, groupkey, idx, value):
        """For subclasses."""

    def _after_receive(self, groupkey, idx, value):
        """For subclasses."""

    def _make_buffer(self, groupkey, idx):
        buffers = self._group(groupkey)
        if self._fillers.get(groupkey) is not PYTHON:
            self._fill(groupkey)
        for _ in range(_TRIES):
            if self._places.take():
                made = make(self._bufferlen)
                buffer = buffers.setdefault(idx, made)
                if buffer is not made:
                    # Another thread was faster.
                    self._places.give_back()
                return buffer
            there = sum(map(len, list(self._groups.values())))
            is_settled = self._places.taken() <= there
            # Looked up afterwards: it may be one of those that were being made.
            buffer = buffers.get(idx)
            if buffer is not None:
                return buffer
            if is_settled:
                break
            # Another thread may be about the same one, or give its place back.
            time.sleep(_PAUSE)
        next(self._refused)
        raise OSError(errno.ENOSPC, "the ReceiveQueue has its %d buffers" % self._max_buffers)

    def _fill(self, groupkey):
        """Takes note that Python fills a group."""
        if self._fillers.setdefault(groupkey, PYTHON) is not PYTHON:
            raise ValueError("the group %r is fed; nothing else can be put into it" % (groupkey,))

    # Extracting

    def extract_buffer(self, groupkey, idx):
        """What a buffer holds, as a tuple, oldest first; () for an idx never seen. It stays there.

        In a fed group ``idx`` is the sender's address, as of Python's sockets (None for a Unix
        socket), or bytes of the payload, as :meth:`feed` was told.
        """
        buffer = self._group(groupkey).get(idx)
        if buffer is not None:
            return held(buffer)
        keys = self._keys(groupkey)
        return self._native.extract(groupkey, keys, idx) if keys else ()

    def extract(self, groupkey, idx):
        """The same as :meth:`extract_buffer`."""
        return self.extract_buffer(groupkey, idx)

    def extract_all(self, groupkey):
        """What all buffers of a group hold: a dict of tuples by idx."""
        buffers = self._group(groupkey)
        keys = self._keys(groupkey)
        if keys:
            return self._native.extract_all(groupkey, keys)
        return extract_all(buffers)

    def sync_extract_buffer(self, groupkey, idx):
        """The same as :meth:`extract_buffer`, as the policy demands."""
        if self._is_guarded:
            turn = self._turns.alone()
            with turn.mark, turn:
                return self.extract_buffer(groupkey, idx)
        return self.extract_buffer(groupkey, idx)

    def sync_extract(self, groupkey, idx):
        """The same as :meth:`extract`, as the policy demands."""
        if self._is_guarded:
            turn = self._turns.alone()
            with turn.mark, turn:
                return self.extract(groupkey, idx)
        return self.extract(groupkey, idx)

    def sync_extract_all(self, groupkey):
        """The same as :meth:`extract_all`, as the policy demands: the group as it is at one
        instant, but for what :meth:`receive` puts in meanwhile."""
        if self._is_guarded:
            turn = self._turns.alone()
            with turn.mark, turn:
                return self.extract_all(groupkey)
        if self._policy == "unsync" or self._keys(groupkey):
            return self.extract_all(groupkey)
        return self._at_one_instant(self._group(groupkey))

    def _at_one_instant(self, buffers):
        for _ in range(_ATTEMPTS):
            found = extract_unless_changed(buffers)
            if found is not None:
                return found
        turn = self._turns.alone()
        with turn.mark, turn:
            self._in_turn.append("during this extract")
            try:
                # Each thread can be in the middle of one receive that did not see the note.
                for _ in sys._current_frames():
                    found = extract_unless_changed(buffers)
                    if found is not None:
                        return found
            finally:
                self._in_turn.pop()
        # Only what receives without taking turns can have changed it as often.
        return extract_all(buffers)

    # Counting and forgetting

    def counters(self, groupkey, idx):
        """The :class:`Counters` of a buffer; all 0 for an idx never seen."""
        buffer = self._group(groupkey).get(idx)
        if buffer is not None:
            return self._counted(counted(buffer[0]))
        keys = self._keys(groupkey)
        return Counters(*self._native.counters(groupkey, keys, idx) if keys else (0, 0, 0))

    def _counted(self, received):
        held = min(received, self._bufferlen)
        return Counters(received, received - held, held)

    def stats(self):
        """The counts of all groups as a dict: ``buffers``; ``values`` that they hold; how many were
        ``received``, ``discarded`` (they fell out or were forgotten) and ``refused`` by a limit;
        ``bytes``: those of fed groups that count for ``max_bytes``."""
        self._check_open()
        figures = dict.fromkeys(("buffers", "values", "received", "discarded", "bytes"), 0)
        figures["refused"] = counted(self._refused)
        forgotten = int(self._forgotten)
        figures["received"] = figures["discarded"] = forgotten
        for buffers in list(self._groups.values()):
            for _, (counter, _) in snapshot(buffers):
                counters = self._counted(counted(counter))
                figures["buffers"] += 1
                figures["values"] += counters.held
                figures["received"] += counters.received
                figures["discarded"] += counters.discarded
        if self._native:
            for name, figure in self._native.stats().items():
                figures[name] += figure
        return figures

    def forget(self, groupkey, idx):
        """Drops a buffer, and its counts. Gives how many values it held, 0 for an idx never seen.
        What another thread puts into it at the same time may be dropped with it."""
        buffers, keys = self._group(groupkey), self._keys(groupkey)
        hash(idx)
        if keys:
            return self._native.forget(groupkey, keys, idx)
        buffer = buffers.pop(idx, None)
        if buffer is None:
            return 0
        self._places.give_back()
        self._forgotten.add(counted(buffer[0]))
        return len(held(buffer))

    # The end

    def close(self):
        """Ends the feeds and releases all values. Calls that wait raise OSError with EBADF, and so
        does all that is called later, but for another close."""
        self._groups = _CLOSED
        if self._native:
            self._native.close()

    def _group(self, groupkey):
        groups = self._groups
        buffers = groups.get(groupkey)
        if buffers is None:
            # A closed one says so.
            self._check_open()
            raise UnknownGroup(groupkey, self._groupkeys)
        return buffers

    def _is_closed(self):
        return self._groups is _CLOSED

    def _check_open(self):
        if self._is_closed():
            raise OSError(errno.EBADF, "the ReceiveQueue is closed")

    def __reduce__(self):
        # Neither waiting nor feeds would go on in a copy.
        raise TypeError("a ReceiveQueue can be neither copied nor pickled")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


#: The groups of a closed queue.
_CLOSED = {}


def _overrides(kind, names):
    """Whether a subclass has a method of its own under one of these names."""
    behind = kind.__mro__.index(ReceiveQueue)
    return any(name in vars(each) for each in kind.__mro__[:behind] for name in names)
