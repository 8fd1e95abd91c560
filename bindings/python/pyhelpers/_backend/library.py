"""Where libpyhelpers.so is, and whether it is the one that this package needs."""

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
    raw = None if wanted else _zipped()
    if raw is None:
        raise ImportError(_not_found(places, wanted))
    file = _taken_out(raw, places[0])
    try:
        elf.check(file, places[0])
        yield file, places[0]
    finally:
        os.remove(file)


def _package():
    """The package's folder, or what stands for it in a zip file."""
    return os.path.dirname(os.path.dirname(__file__))


def _places():
    package = os.path.abspath(_package())
    tree = os.path.normpath(os.path.join(package, os.pardir, os.pardir, os.pardir))
    return [os.path.join(package, NAME), os.path.join(tree, "target", "release", NAME)]


def _not_found(places, wanted):
    if wanted:
        return "%s is set to %s, and there is no such file" % (VARIABLE, places[0])
    return "%s not found; looked for %s; %s can name another place" % (
        NAME,
        " and ".join(places),
        VARIABLE,
    )


def _zipped():
    """The library's bytes where the package was imported from a zip file that has it, or None."""
    try:
        return __loader__.get_data(os.path.join(_package(), NAME))
    except (NameError, AttributeError, EnvironmentError):
        return None


def _taken_out(raw, name):
    import tempfile  # Slow, and of use to zip files alone.

    try:
        with tempfile.NamedTemporaryFile(suffix="-" + NAME, delete=False) as file:
            try:
                file.write(raw)
                file.flush()
            except EnvironmentError:
                os.remove(file.name)
                raise
    except EnvironmentError as error:
        raise ImportError(
            "%s cannot be taken out of the zip file: %s; TMPDIR can name another folder"
            % (name, error.strerror)
        )
    return file.name


def check_functions(path, library, names, version, missing=AttributeError):
    """ImportError unless an open library speaks this version of the ABI and has all functions of
    these names. The backends look a function up at its first use, which is no time to miss it.

    ``missing``: what the backend raises then.
    """
    def lacks(name):
        try:
            getattr(library, name)
        except missing:
            return True
        return False

    if lacks("ph_abi_version"):
        raise ImportError("%s is not %s: it has no ph_abi_version" % (path, NAME))
    found = library.ph_abi_version()
    if found != version:
        raise ImportError(
            "%s speaks version %d of the ABI; this package needs version %d"
            % (path, found, version)
        )
    lacking = sorted(filter(lacks, names))
    if lacking:
        raise ImportError(
            "%s is older than this package: it lacks %d functions (%s%s)"
            % (path, len(lacking), ", ".join(lacking[:3]), ", ..." if lacking[3:] else "")
        )
