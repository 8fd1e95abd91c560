"""The projects' module names, and how the import statement comes to know them."""

import sys
import types
from importlib import import_module

if sys.version_info[0] > 2:
    from importlib.machinery import ModuleSpec
else:
    import imp

    ModuleNotFoundError = ImportError

_PYED = (
    "event",
    "events_epoll",
    "events_select",
    "tcpclient",
    "tcpconnection",
    "tcpserver",
    "timers",
)

_UDPING = "pyhelpers.udping"

#: Ours by the names of theirs.
MODULES = {
    "hio.core.udp.udping": _UDPING,
    "pyed": "pyhelpers.pyed",
    "receive_queue": "pyhelpers.receive_queue",
    "named_pipe_wrapper": "pyhelpers.named_pipe_wrapper",
    "libvirt_wrapper": "pyhelpers.libvirt_wrapper",
    "time_manager": "pyhelpers.time_manager",
}
MODULES.update(("pyed." + name, "pyhelpers.pyed." + name) for name in _PYED)

#: What hio's packages export, where there is no hio.
_PACKAGES = {"hio": (), "hio.core": (), "hio.core.udp": ("Peer", "PeerDoer", "openPeer")}


class _Finder(object):
    """A finder that is its own loader, by the protocols of Python 2 and 3."""

    def find_spec(self, name, path=None, target=None):
        if not self._has(name, path):
            return None
        self._check(name)
        return ModuleSpec(name, self)

    def find_module(self, name, path=None):
        # Python 2 would not show the error of a finder.
        return self if self._has(name, path) else None

    def create_module(self, spec):
        """Leaves it to Python; what exec_module() puts in its place is what is imported."""

    def exec_module(self, module):
        sys.modules[module.__name__] = self._module(module.__name__)

    def load_module(self, name):
        self._check(name)
        sys.modules[name] = module = self._module(name)
        return module

    def _check(self, name):
        if name not in self._names:
            error = ModuleNotFoundError("No module named %r: %s" % (name, self._reason))
            error.name = name
            raise error


class Aliases(_Finder):
    """Gives ours for theirs. It stands before all other finders."""

    _names = MODULES
    _reason = "of pyed pyhelpers has %s" % ", ".join(_PYED)

    def _has(self, name, _path):
        # What pyed has besides would else be looked for among ours, and some be found there again.
        return name in MODULES or name.startswith("pyed.")

    def _module(self, name):
        return import_module(MODULES[name])


class Packages(_Finder):
    """Gives hio's packages, bare, where there is no hio. It stands behind all other finders."""

    _names = _PACKAGES
    _reason = "of hio pyhelpers has hio.core.udp.udping; install hio for the rest"

    def _has(self, name, path):
        if name == "hio":
            return not _finds(name, path)
        return name.startswith("hio.") and not hasattr(sys.modules["hio"], "__file__")

    def _module(self, name):
        module = types.ModuleType(name)
        module.__path__ = []
        module.__package__ = name
        if sys.version_info[0] > 2:
            module.__spec__ = ModuleSpec(name, self, is_package=True)
        for export in _PACKAGES[name]:
            setattr(module, export, getattr(import_module(_UDPING), export))
        return module


def _finds(name, path):
    """Whether Python 2, which asks all finders before it looks by itself, finds a module."""
    if sys.version_info[0] > 2:
        return False
    try:
        imp.find_module(name, path)
    except ImportError:
        return False
    return True


def install():
    """Has the import statements of this process find the projects' names from now on; what was
    imported before stays. Once more it does nothing."""
    if not any(isinstance(finder, Aliases) for finder in sys.meta_path):
        sys.meta_path.insert(0, Aliases())
        sys.meta_path.append(Packages())
