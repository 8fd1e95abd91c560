"""Nothing public is left out: each name of the C ABI and each public Python module has its place.

The C names are those of Python's declarations, which pycparser reads from the header and a test
compares with the library's exported symbols; so what c_header.py overlooks is found as well.

What several Python modules offer is described by one of them, and found from the others.

Nor is there any program that no test runs: pages show those of README.md and of the examples.
"""

import ctypes
import importlib
import inspect
import pkgutil
import re
import sys

from sphinx.util import logging

import c_header

log = logging.getLogger(__name__)


def names_of_c():
    from pyhelpers._backend import _ctypes_abi

    names = set(_ctypes_abi.FUNCTIONS)
    for name, value in vars(_ctypes_abi).items():
        is_structure = inspect.isclass(value) and issubclass(value, ctypes.Structure)
        if is_structure or isinstance(value, int):
            names.add(name)
    names.update(entry.name for entry in c_header.parse(c_header.HEADER.read_text()))
    return names


def public_names():
    """Public modules, and what their ``__all__`` offers; each with its name where it is made."""
    import pyhelpers

    for info in pkgutil.walk_packages(pyhelpers.__path__, "pyhelpers."):
        if "._" in info.name:
            continue
        module = importlib.import_module(info.name)
        yield info.name, info.name
        for name in getattr(module, "__all__", ()):
            yield "%s.%s" % (info.name, name), canonical(module, name)


def canonical(module, name):
    """The name of a module's member where it is made; None when there is no such member."""
    found = getattr(module, name, None)
    home = getattr(found, "__module__", None)
    return home and "%s.%s" % (home, getattr(found, "__qualname__", name))


def check(app, env):
    known = {name for name, _, _, _, _, _ in env.get_domain("c").get_objects()}
    for name in sorted(names_of_c() - known):
        log.warning("%s of the C ABI stands nowhere in the documentation", name)
    known = {name for name, _, _, _, _, _ in env.get_domain("py").get_objects()}
    for name, home in sorted(public_names()):
        if name not in known and home not in known:
            log.warning("%s stands nowhere in the documentation", name)


def resolve(app, env, node, content):
    """A reference to what a module has from another one."""
    if node.get("refdomain") != "py":
        return None
    module, _, name = node["reftarget"].rpartition(".")
    module = module or node.get("py:module")
    home = module in sys.modules and canonical(sys.modules[module], name)
    if not home:
        return None
    domain, page = env.get_domain("py"), node["refdoc"]
    return domain.resolve_xref(env, page, app.builder, node["reftype"], home, node, content)


def read(app, page, source):
    for language in re.findall(r"^```(python|c|c\+\+|cpp)$", source[0], flags=re.M):
        log.warning("%s has a program (%s) of its own: show a tested file's", page, language)


def setup(app):
    app.connect("source-read", read)
    app.connect("env-check-consistency", check)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
