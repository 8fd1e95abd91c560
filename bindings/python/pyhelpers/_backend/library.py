"""Where libpyhelpers.so is, and whether this interpreter can open it."""

import contextlib
import os

from pyhelpers._backend import elf

NAME = "libpyhelpers.so"
#: In the environment: the path of the library; nothing else is tried then.
VARIABLE = "PYHELPERS_LIBRARY"


@contextlib.contextmanager
def located():
    """Gives (file, path): where the library can be opened inside the block, and what it is called.

    The two differ where the package is in a zip file: no library can be opened in there, so it is
    taken out to a private file, which is removed behind the block.

    It is the one that PYHELPERS_LIBRARY names, or the one in the package, or the one that
    `make build` leaves beside it. ImportError, naming every place, when it is in none of them;
    ImportError, saying what is wrong with it, when it is no library for this interpreter.
    """
    wanted = os.environ.get(VARIABLE)
    places = [os.path.abspath(wanted)] if wanted else _places()
    for path in places:
        if os.path.exists(path):
            elf.check(path, path)
            yield path, path
            return
    raw = None if wanted else _zipped(places[0])
    if raw is None:
        raise ImportError(_not_found(places, bool(wanted)))
    path, places[0] = places[0], _taken_out(raw)
    try:
        elf.check(places[0], path)
        yield places[0], path
    finally:
        os.remove(places[0])


def _places():
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    tree = os.path.normpath(os.path.join(package, os.pardir, os.pardir, os.pardir))
    return [os.path.join(package, NAME), os.path.join(tree, "target", "release", NAME)]


def _not_found(places, is_wanted):
    if is_wanted:
        return "%s is set to %s, and there is no such file" % (VARIABLE, places[0])
    return "%s not found; looked for %s; %s can name another place" % (
        NAME,
        " and ".join(places),
        VARIABLE,
    )


def _zipped(path):
    """The library's bytes where the package was imported from a zip file that has it, or None."""
    try:
        return __loader__.get_data(path)
    except (NameError, AttributeError, EnvironmentError):
        return None


def _taken_out(raw):
    import tempfile  # Slow, and of use to zip files alone.

    descriptor, path = tempfile.mkstemp(suffix="-" + NAME)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
    return path
