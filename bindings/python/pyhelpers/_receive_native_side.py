"""The side of a ReceiveQueue that native threads fill, and that tells those who wait."""

from pyhelpers import _receive_feeds, _waiting
from pyhelpers._receive_native import NativeQueue
from pyhelpers._receive_turns import Turns

#: Who fills a group, unless it is a feed: then there stands how its buffers are named.
PYTHON = "python"


class NativeSide(object):
    """What a ReceiveQueue does by means of a native queue, which is made when it is needed first.

    The queue itself has ``_group(groupkey)``, ``_check_open()``, ``_is_closed()``, and the
    attributes that the native one is made with.
    """

    #: What close() finds where the constructor did not get to the end.
    _native = None

    def __init__(self):
        #: Who fills each group that was filled.
        self._fillers = {}
        #: Of groups that somebody has waited for, or asked for the descriptor of; and those of them
        #: that ring when something comes next.
        self._bells, self._silent = {}, {}
        self._making = Turns()

    def wait(self, groupkey, timeout=None):
        """Waits until something has come into the group since the last call that gave True, or
        since the queue was made, and gives True; False after ``timeout`` seconds; None: never.

        Of several that wait for one group, one gets it. Signals' handlers run during the wait.
        Errors: OSError with EBADF when another thread closes the queue meanwhile; ValueError.
        """
        native = self._watched(groupkey)

        def attempt(timeout_ms):
            try:
                return native.wait(groupkey, timeout_ms)
            finally:
                # Whatever came of it, what comes next is news again.
                bell = self._bells.get(groupkey)
                if bell is not None:
                    self._silent[groupkey] = bell

        return _waiting.in_slices(attempt, timeout)

    def fileno(self, groupkey):
        """A descriptor that is readable exactly while :meth:`wait` would give True at once. It is
        good for select and the like until the queue is closed; it must not be read or closed."""
        return self._watched(groupkey).fileno(groupkey)

    def _watched(self, groupkey):
        """The native queue, with a bell for what Python puts into the group."""
        self._group(groupkey)
        native = self._made_native()
        if groupkey not in self._bells and not self._keys(groupkey):
            turn = self._making.alone()
            with turn.mark, turn:
                if groupkey not in self._bells and not self._keys(groupkey):
                    self._hang_bell(native, groupkey)
        return native

    def _hang_bell(self, native, groupkey):
        bell = native.bell(groupkey)
        self._bells[groupkey] = self._silent[groupkey] = bell
        if groupkey in self._fillers:
            # For what came before.
            self._ring(groupkey)

    def _take_bell_away(self, native, groupkey):
        """Whether there was one."""
        bell = self._bells.pop(groupkey, None)
        self._silent.pop(groupkey, None)
        if bell is not None:
            native.remove(bell)
        return bell is not None

    def _ring(self, groupkey):
        try:
            bell = self._silent.pop(groupkey, None)
            if bell is not None:
                bell.ring()
        except BaseException:
            # A signal's handler raises: the next one rings.
            bell = self._bells.get(groupkey)
            if bell is not None:
                self._silent[groupkey] = bell
            raise

    def feed(self, source, groupkey, idx="source", lines=False):
        """Has native threads put what a source receives into a group, from now on, in place of
        handing it to the program; gives a :class:`Feed`, whose ``stop()`` ends that. So does the
        end of the source or of the queue.

        ``source``: a :class:`~pyhelpers.udp_handler.UdpHandlerDest`, whose own threads do it; an
        open :class:`~pyhelpers.udping.Peer`, for which the queue has a thread; or a
        :class:`~pyhelpers.event_loop.Connection`, for which it is done by the thread that runs its
        loop, without a call of ``on_data``. The queue holds it until the feed ends; when that
        comes by itself, for some time more.

        ``idx``: "source": a buffer for each sender's address. (offset, length), or a slice: one for
        each content of this part of the payload, in bytes, cut where the payload ends. All feeds of
        a group have the same of the two. ``lines``: of a connection: each value is a line without
        its newline, cut after 65,536 bytes; otherwise what was read at once.

        Errors: ValueError for a group that Python has put something into, or that is fed by the
        other kind of ``idx``; ValueError, TypeError for other arguments; OSError with EALREADY for
        a source that has a feed, with EOPNOTSUPP for a handler that does not receive, with EBADF
        for a source that is closed.
        """
        self._group(groupkey)
        keys, config = _receive_feeds.configured(source, idx, lines)
        native = self._made_native()
        turn = self._making.alone()
        with turn.mark, turn:
            is_first = groupkey not in self._fillers
            _check_filler(groupkey, self._fillers.get(groupkey, keys), keys)
            # Before the group is a fed one: its bell is nothing to be extracted.
            had_bell = self._take_bell_away(native, groupkey)
            try:
                # By another thread, something may come in until now.
                _check_filler(groupkey, self._fillers.setdefault(groupkey, keys), keys)
                return native.feed(source, groupkey, config)
            except BaseException:
                if is_first and self._keys(groupkey):
                    del self._fillers[groupkey]
                if had_bell:
                    self._hang_bell(native, groupkey)
                raise

    def _made_native(self):
        self._check_open()
        if self._native is None:
            turn = self._making.alone()
            with turn.mark, turn:
                if self._native is None:
                    self._native = NativeQueue(
                        self._groupkeys,
                        self._bufferlen,
                        self._policy,
                        self._max_buffers,
                        self._max_bytes,
                    )
                    if self._is_closed():
                        # Meanwhile, by another thread, which has not seen it.
                        self._native.close()
        self._check_open()
        return self._native

    def _keys(self, groupkey):
        """How the buffers of a fed group are named; None for another group."""
        filler = self._fillers.get(groupkey)
        return None if filler is PYTHON else filler


def _check_filler(groupkey, filler, keys):
    """ValueError unless a group is filled, or may be, by feeds whose buffers are named so."""
    if filler is PYTHON:
        raise ValueError("something was put into the group %r already" % (groupkey,))
    if filler is not keys:
        raise ValueError("the group %r is fed by %s" % (groupkey, filler.what))
