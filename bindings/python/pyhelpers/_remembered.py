"""Memories of what was computed, up to a number of keys: then they start anew."""

#: Keys remembered.
_MOST = 1 << 16


class Remembered(dict):
    """What was computed for keys, ``compute(key)`` being asked for those that are not there."""

    def __init__(self, compute):
        self._compute = compute

    def __missing__(self, key):
        value = self._compute(key)
        remember(self, key, value)
        return value


def remember(memory, key, value):
    """Puts a value into a dict that is not to grow for ever."""
    if len(memory) >= _MOST:
        memory.clear()
    memory[key] = value
