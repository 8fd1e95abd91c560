"""The native queue behind a ReceiveQueue: what holds fed groups, and what waits."""

import errno
import weakref
from array import array
from functools import partial
from itertools import count

from pyhelpers import _receive_feeds, _waiting
from pyhelpers._backend import backend
from pyhelpers._handles import Handle
from pyhelpers._receive_buffers import counted

_lib = backend.lib

_POLICIES = {
    "unsync": backend.constant("RQ_UNSYNC"),
    "rw": backend.constant("RQ_RW"),
    "exclusive": backend.constant("RQ_EXCLUSIVE"),
}

#: The most values of a buffer that the library takes.
_LENGTH_MAX = 1 << 24

#: What an extract has room for before it knows better, in values and bytes.
_ITEMS = 256
_SIZE = 1 << 16

# A rq_value_t is four words: offset and length of its idx; of itself.
_WORDS = 4

#: Feeds among which there may be some that ended and that nobody looks at any more.
_FEEDS = 64


class _Room(object):
    """Room for so many values and bytes that are extracted."""

    def __init__(self, items, size):
        self.items = items
        self.size = size
        self._words = array("L", (0,)) * (_WORDS * items)
        self.values = backend.view("rq_value_t", self._words)
        self.data, self._bytes = backend.memory("uint8_t", size)

    def pairs(self, total):
        """The first values, each with the bytes of its idx."""
        words, data = self._words, self._bytes
        for at in range(0, _WORDS * total, _WORDS):
            idx, idx_length, start, length = words[at : at + _WORDS]
            yield data[idx : idx + idx_length], data[start : start + length]


class Bell(object):
    """Tells those who wait for a group that Python has put something into it: the native queue gets
    an empty value."""

    #: The buffer that it is put into; the group has no other there.
    _IDX = b"bell"
    #: Rings after which the values that were left there are dropped.
    _MOST = 1024

    def __init__(self, handle, name, rings):
        self._buffer = handle.value, name, len(name), self._IDX, len(self._IDX)
        # A ph_bytes_t of nothing.
        self._nothing = array("L", (0, 0))
        self._value = backend.view("ph_bytes_t", self._nothing)
        self._rings = rings
        self._left = 0
        # From here on ringing needs no new memory, and no limit refuses it.
        handle.check(self._put())

    def ring(self):
        self._left += 1
        if self._left > self._MOST or self._put() < 0:
            self._left = 0
            self.remove()
            self._put()

    def _put(self):
        code = _lib.rq_receive(*(self._buffer + (self._value, 1)))
        if code > 0:
            next(self._rings)
        return code

    def held(self):
        stats = backend.sized("rq_buffer_stats_t")
        _lib.rq_buffer_stats(*(self._buffer + (backend.ref(stats),)))
        return stats.held

    def remove(self):
        _lib.rq_forget(*self._buffer)


class NativeQueue(object):
    """The native queue. ``groupkeys`` and the like: as of a ReceiveQueue, which owns it alone."""

    def __init__(self, groupkeys, length, policy, max_buffers, max_bytes):
        self.length = length
        self._names = {key: str(index).encode() for index, key in enumerate(groupkeys)}
        config = backend.sized("rq_config_t")
        # Each group may have a bell.
        config.buffers_max = max_buffers + len(groupkeys)
        config.bytes_max = max_bytes
        names, _texts = _stretches(list(self._names.values()))
        new = partial(
            _lib.rq_new,
            backend.view("ph_bytes_t", names),
            len(groupkeys),
            min(length, _LENGTH_MAX),
            _POLICIES[policy],
            backend.ref(config),
        )
        self.handle = Handle("the ReceiveQueue", "rq_t", new, _lib.rq_close)
        self.value = self.handle.value
        self._rooms = []
        self._bells = []
        self._rings = count()
        #: By the feed's number: the source, which is not to end before, and who asks for the feed.
        self._sources = {}
        self._sweep_at = _FEEDS

    def _named(self, groupkey):
        name = self._names[groupkey]
        return self.value, name, len(name)

    # What fed groups hold

    def extract(self, groupkey, keys, idx):
        raw = keys.raw(idx)
        if raw is None:
            return ()
        found = self._extract(_lib.rq_extract, self._named(groupkey) + (raw, len(raw)))
        return tuple([value for _, value in found])

    def extract_all(self, groupkey, keys):
        values = {}
        for raw, value in self._extract(_lib.rq_extract_all, self._named(groupkey)):
            values.setdefault(raw, []).append(value)
        return {keys.idx(raw): tuple(each) for raw, each in values.items()}

    def _extract(self, function, where):
        try:
            room = self._rooms.pop()
        except IndexError:
            room = _Room(_ITEMS, _SIZE)
        need = backend.new("ph_need_t")
        while True:
            room_of_call = room.values, room.items, room.data, room.size, backend.ref(need)
            code = function(*(where + room_of_call))
            if code != -errno.EMSGSIZE:
                break
            # Some more may have come until then.
            room = _Room(need.items + _ITEMS, need.bytes + _SIZE)
        found = list(room.pairs(self.handle.check(code)))
        if room.size == _SIZE:
            self._rooms.append(room)
        return found

    def counters(self, groupkey, keys, idx):
        raw = keys.raw(idx)
        if raw is None:
            return 0, 0, 0
        stats = backend.sized("rq_buffer_stats_t")
        where = self._named(groupkey) + (raw, len(raw))
        self.handle.check(_lib.rq_buffer_stats(*(where + (backend.ref(stats),))))
        return stats.received, stats.discarded, stats.held

    def forget(self, groupkey, keys, idx):
        raw = keys.raw(idx)
        if raw is None:
            return 0
        return self.handle.check(_lib.rq_forget(*(self._named(groupkey) + (raw, len(raw)))))

    def stats(self):
        """The counts of fed groups: the bells are not among them."""
        figures = self.handle.stats("rq_stats_t", _lib.rq_stats)
        rung, held = counted(self._rings), [bell.held() for bell in tuple(self._bells)]
        figures["buffers"] -= len(held) - held.count(0)
        figures["values"] -= sum(held)
        figures["received"] -= rung
        figures["discarded"] -= rung - sum(held)
        return figures

    # Waiting

    def wait(self, groupkey, timeout_ms):
        """Whether something has come."""
        code = _lib.rq_wait(*(self._named(groupkey) + (timeout_ms,)))
        if code in _waiting.NOTHING:
            return False
        self.handle.check(code)
        return True

    def fileno(self, groupkey):
        return self.handle.check(_lib.rq_fd(*self._named(groupkey)))

    def bell(self, groupkey):
        """A bell for a group that is not fed."""
        bell = Bell(self.handle, self._names[groupkey], self._rings)
        self._bells.append(bell)
        # The value that it begins with is no news.
        self.wait(groupkey, 0)
        return bell

    def remove(self, bell):
        """Takes away the bell of a group that is to be fed."""
        self._bells.remove(bell)
        bell.remove()

    # Feeds

    def feed(self, source, groupkey, config):
        """Begins a feed."""
        if self.length > _LENGTH_MAX:
            raise ValueError("bufferlen of a fed group must be 1 to %d" % _LENGTH_MAX)
        self._sweep()
        where = self._named(groupkey) + (backend.ref(config),)
        code = _receive_feeds.begin(source, where)
        if code == -errno.EBADF:
            # The queue's, or else the source's?
            self.handle.stats("rq_stats_t", _lib.rq_stats)
            raise OSError(errno.EBADF, "the source is closed")
        number = self.handle.check(code)
        feed = _receive_feeds.Feed(self, number, groupkey, source)
        self._sources[number] = source, weakref.ref(feed)
        return feed

    def _sweep(self):
        """Forgets feeds that have ended and that nobody can ask for any more."""
        if len(self._sources) < self._sweep_at:
            return
        for number, (_, feed) in list(self._sources.items()):
            if feed() is None and self.feed_stats(number)["ended"]:
                self.stop_feed(number)
        self._sweep_at = max(_FEEDS, 2 * len(self._sources))

    def feed_stats(self, number):
        read = partial(_feed_stats, number)
        figures = self.handle.stats("rq_feed_stats_t", read)
        del figures["reserved"]
        figures["ended"] = bool(figures["ended"])
        return figures

    def stop_feed(self, number):
        """Ends a feed, if it has not ended."""
        _lib.rq_feed_stop(self.value, number)
        self._sources.pop(number, None)

    def close(self):
        self.handle.close()
        self._sources.clear()


def _feed_stats(number, handle, stats):
    return _lib.rq_feed_stats(handle, number, stats)


def _stretches(texts):
    """Byte strings as an array that is one of ``ph_bytes_t``, and what must live as long."""
    whole = array("B", b"".join(texts))
    words, address = array("L"), whole.buffer_info()[0]
    for text in texts:
        words.extend((address, len(text)))
        address += len(text)
    return words, whole
