"""A libvirtd of the benchmark's own, on a free port of this machine."""

import contextlib
import ctypes.util
import os
import shutil
import socket
import subprocess
import tempfile
import time

LIBRARY_MISSING = "libvirt is missing: apt install libvirt0"
DAEMON_MISSING = "libvirtd is missing: apt install libvirt-daemon"
START_SECONDS = 10
NOBODY = 65534  # as root it would be the machine's own

DAEMON_CONF = """\
listen_tcp = 1
listen_tls = 0
listen_addr = "127.0.0.1"
tcp_port = "%d"
auth_tcp = "none"
auth_unix_rw = "none"
"""


# What has to be installed; an empty text when nothing has.


def library_missing():
    return "" if ctypes.util.find_library("virt") else LIBRARY_MISSING


def daemon_missing():
    return "" if executable() else DAEMON_MISSING


def executable():
    return shutil.which("libvirtd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@contextlib.contextmanager
def running():
    """Gives the port of a daemon that ends with the block."""
    port = free_port()
    # A short path: it starts that of Unix sockets, which have room for 107 bytes.
    folder = tempfile.mkdtemp(prefix="virtd-", dir="/tmp")
    try:
        with started(folder, port) as daemon:
            try:
                wait_for(port, daemon)
                yield port
            finally:
                daemon.terminate()
    finally:
        shutil.rmtree(folder)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def started(folder, port):
    """The process of a daemon all of whose files are in a folder."""
    places = {name: os.path.join(folder, name) for name in ("run", "config", "cache", "data")}
    for place in places.values():
        os.mkdir(place, 0o700)
    conf, log = os.path.join(folder, "libvirtd.conf"), os.path.join(folder, "log")
    with open(conf, "w") as file:
        file.write(DAEMON_CONF % port)
    account = {}
    if os.geteuid() == 0:
        for place in [folder, *places.values()]:
            os.chown(place, NOBODY, NOBODY)
        account = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": folder,
        "XDG_RUNTIME_DIR": places["run"],
        "XDG_CONFIG_HOME": places["config"],
        "XDG_CACHE_HOME": places["cache"],
        "XDG_DATA_HOME": places["data"],
    }
    command = [executable(), "--listen", "-f", conf, "-p", os.path.join(folder, "pid")]
    with open(log, "w") as file:
        return subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, cwd=folder, **account
        )


def wait_for(port, daemon):
    """Until it can be connected to."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if daemon.poll() is not None or time.monotonic() > end:
                raise
        time.sleep(0.02)
