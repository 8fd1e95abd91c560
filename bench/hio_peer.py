"""A Peer of ours, and one of hio's, for measurements that treat both alike."""

import importlib
import logging
import os
import sys
import types


def ours(buffer_bytes):
    from pyhelpers.udping import Peer

    return Peer(host="127.0.0.1", port=0, bs=buffer_bytes, reopen=True)


def hios(buffer_bytes):
    peer = load().Peer(host="127.0.0.1", port=0, bufsize=buffer_bytes)
    peer.reopen()
    # As a program for datagrams has it; a buffer of megabytes would be made for each.
    peer.bs = 65535
    return peer


def load():
    """hio's module as it is, without the rest of the package, which needs others that PyPy lacks."""
    folder = os.path.join(os.environ["BENCH_HIO"], "hio")
    if not os.path.isdir(folder):
        sys.exit("hio is not installed")
    if "hio" not in sys.modules:
        for name, path in (("hio", ""), ("hio.core", "core"), ("hio.core.udp", "core/udp")):
            stub(name).__path__ = [os.path.join(folder, path)]
        stub("hio.hioing", Mixin=object, ValidationError=ValueError)
        stub("hio.base", doing=stub("hio.base.doing", Doer=object), tyming=stub("hio.base.tyming"))
        stub("hio.help", ogler=logging)
    return importlib.import_module("hio.core.udp.udping")


def stub(name, **attributes):
    module = sys.modules[name] = types.ModuleType(name)
    vars(module).update(attributes)
    return module
