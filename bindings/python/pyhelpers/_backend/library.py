"""Where libpyhelpers.so is."""

import os

NAME = "libpyhelpers.so"


def find_library():
    """The path of the library: in the package, or where `make build` leaves it.

    ImportError, naming every place, when it is in none of them.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    source_tree = os.path.join(package, os.pardir, os.pardir, os.pardir)
    places = [
        os.path.join(package, NAME),
        os.path.normpath(os.path.join(source_tree, "target", "release", NAME)),
    ]
    for path in places:
        if os.path.exists(path):
            return path
    raise ImportError("%s not found; looked for %s" % (NAME, " and ".join(places)))
