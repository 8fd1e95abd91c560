"""Runs a script as Python itself would, once the projects' names are there."""

import io
import os
import pkgutil
import runpy
import sys
import types
from importlib import import_module
from zipimport import zipimporter

from pyhelpers.compat._finder import install

if sys.version_info[0] > 2:
    import builtins
    from importlib.machinery import ModuleSpec, SourceFileLoader
else:
    import __builtin__ as builtins

#: Classes that the projects' documents use without saying where they come from, and their modules.
_CLASSES = {
    "BroadCastReceiver": "pyhelpers.broadcast",
    "LibvirtWrapper": "pyhelpers.libvirt_wrapper",
    "NamedPipeWrapper": "pyhelpers.named_pipe_wrapper",
    "Peer": "pyhelpers.udping",
    "ReceiveQueue": "pyhelpers.receive_queue",
    "TimeManager": "pyhelpers.time_manager",
    "openPeer": "pyhelpers.udping",
}

#: The module that was the main one; Python 2 would empty it if nobody held it any more.
_before = []


class CannotRun(Exception):
    """There is no such script."""


def run(path, arguments):
    """Runs a file, or a folder or a zip file with a ``__main__``. What it raises leaves it, and
    Python shows it as it would without us. :class:`CannotRun`."""
    sys.argv[:] = [path] + arguments
    if os.path.isdir(path) or isinstance(pkgutil.get_importer(path), zipimporter):
        # This is what Python itself does.
        _set_first_path(_shown_path(path), is_asked_for=True)
        _new_main()
        _run_as_python(runpy._run_module_as_main, "__main__", False)
        return
    script = Script(path)
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    main = _new_main()
    if sys.version_info[0] > 2:
        main.__spec__ = ModuleSpec(_Again.of(path), None)
    _run_as_python(script.run_in, main.__dict__)


def run_module(name, arguments):
    """Runs a module as ``python -m`` does."""
    # The working directory, which Python itself has put first, stays there.
    sys.argv[1:] = arguments
    _new_main()
    _run_as_python(runpy._run_module_as_main, name)


class Script(object):
    """A file, already read. :class:`CannotRun`."""

    def __init__(self, path):
        self._file = _shown_path(path)
        try:
            with open(self._file, "rb") as file:
                self._source = file.read()
        except EnvironmentError as error:
            reason = "[Errno %d] %s" % (error.errno, error.strerror)
            raise CannotRun("can't open file %r: %s" % (self._file, reason))

    def run_in(self, namespace):
        namespace["__file__"] = self._file
        if sys.version_info[0] > 2:
            namespace["__loader__"] = SourceFileLoader("__main__", self._file)
        code = pkgutil.read_code(io.BytesIO(self._source))
        code = code or compile(self._source, self._file, "exec", 0, True)
        _offer_classes(code)
        exec(code, namespace)


def _shown_path(path):
    """A script's path as ``__file__`` and tracebacks have it."""
    # There need be no working directory any more.
    if sys.version_info < (3, 9) or os.path.isabs(path):
        return path
    return os.path.join(os.getcwd(), path)


def _set_first_path(path, is_asked_for=False):
    """Puts it in the place of the working directory, which Python has put first for us; where it
    was told to put nothing there (``-I``, ``-P``), only what is asked for."""
    flags = sys.flags
    if not getattr(flags, "safe_path", getattr(flags, "isolated", 0)):
        sys.path[0] = path
    elif is_asked_for:
        sys.path.insert(0, path)


def _new_main():
    install()
    main = types.ModuleType("__main__")
    main.__builtins__ = builtins
    main.__package__ = None
    if sys.version_info[0] > 2:
        main.__annotations__ = {}
        main.__cached__ = None
    _before.append(sys.modules["__main__"])
    sys.modules["__main__"] = main
    return main


def _offer_classes(code):
    """Puts the classes that the code names among the builtins, where whatever it defines or
    imports itself goes before them."""
    for name in _names_in(code).intersection(_CLASSES):
        setattr(builtins, name, getattr(import_module(_CLASSES[name]), name))


def _names_in(code):
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names


def _run_as_python(run, *arguments):
    """Calls it; a traceback begins behind this file."""
    try:
        run(*arguments)
    except SystemExit:
        raise
    except BaseException:
        _show_from(_behind_us(sys.exc_info()[2]))
        raise


def _behind_us(trace):
    """The part of a traceback that is not of this file; None when there is none."""
    while trace is not None and trace.tb_frame.f_code.co_filename == _US:
        trace = trace.tb_next
    return trace


_US = _behind_us.__code__.co_filename


def _show_from(trace):
    """Has what is being raised be shown with this traceback, by the hook of now."""
    hook = sys.excepthook

    def shown(kind, value, _trace):
        sys.excepthook = hook
        sys.last_traceback = trace
        if sys.version_info[0] > 2:
            value.__traceback__ = trace
        hook(kind, value, trace)

    sys.excepthook = shown


class _Again(str):
    """The name of the module that a child of multiprocessing's which is not forked runs as its main
    one. The child unpickles it: then the script's path is known there."""

    @classmethod
    def of(cls, path):
        made = cls("pyhelpers.compat._again")
        made.path = os.path.abspath(path)
        return made

    def __reduce__(self):
        return _remember, (self.path,)


def _remember(path):
    _Again.path = path
    return _Again.of(path)


def run_again(namespace):
    """In such a child: runs the script in this namespace."""
    install()
    Script(_Again.path).run_in(namespace)
