"""A network, a table of hosts and a libvirt daemon that nobody else has: the documents' programs
have fixed ports, and a host named foo. Source for CPython 2.7 too."""

import os
import socket
import subprocess
import sys

#: Set where it is so.
ALONE = "PYHELPERS_SEEDS_ALONE"

DOMAIN = "instance-00000f01"
LIBVIRT_URI = "qemu+tcp://foo/system"

_HOSTS = "127.0.0.1 localhost foo\n"

#: Where a daemon of the system keeps things.
_FOLDERS = ["/run", "/var", "/etc/libvirt"]

_USER = {"passwd": "libvirt-qemu:x:64055:64055::/:/bin/false\n", "group": "libvirt-qemu:x:64055:\n"}

_QEMU = """stdio_handler = "file"
user = "root"
group = "root"
cgroup_controllers = []
security_driver = "none"
"""

_CONFIGURATION = """listen_tcp = 1
listen_tls = 0
auth_tcp = "none"
auth_unix_rw = "none"
"""

_DOMAIN_XML = """<domain type='qemu'>
  <name>%s</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
</domain>
""" % DOMAIN

os.environ["PATH"] += os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"


def go(folder):
    """Starts this process anew with namespaces of its own, where that is permitted; in there it
    makes what they need, below the folder."""
    if ALONE in os.environ:
        _bring_up(folder)
        return
    command = ["unshare", "--net", "--mount"]
    if os.geteuid():
        command += ["--user", "--map-root-user"]
    try:
        permitted = not _silently(command + ["ip", "link", "set", "lo", "up"])
    except (OSError, IOError):
        return
    if permitted:
        os.environ[ALONE] = "1"
        os.execvp(command[0], command + [sys.executable] + sys.argv)


def _silently(command):
    with open(os.devnull, "r+") as nothing:
        return subprocess.call(command, stdin=nothing, stdout=nothing, stderr=nothing)


def _bring_up(folder):
    subprocess.check_call(["ip", "link", "set", "lo", "up"])
    _cover("/etc/hosts", folder, _HOSTS)


def _write(path, text):
    with open(path, "w") as file:
        file.write(text)


def _cover(path, folder, text):
    """Has a file say something else, to this process and its children."""
    cover = os.path.join(folder, os.path.basename(path))
    _write(cover, text)
    os.chmod(cover, 0o644)
    subprocess.check_call(["mount", "--bind", cover, path])


def why_no_daemon():
    """Why there can be no libvirt daemon of the system's kind here; None when there can."""
    if ALONE not in os.environ:
        return "no network and table of hosts of one's own is permitted here"
    with open("/proc/self/uid_map") as users:
        if users.read().split()[2] == "1":
            return "only root may run libvirt's system daemon"
    for program, package in (("libvirtd", "libvirt-daemon"), ("virsh", "libvirt-clients")):
        if _silently(["which", program]):
            return "%s is not installed (apt install %s)" % (program, package)
    if not os.path.isdir("/etc/libvirt"):
        return "/etc/libvirt is not there"
    return None


class Daemon(object):
    """libvirt's system daemon, with the document's domain; it sees nothing of the machine's."""

    def __init__(self, folder, wait):
        for path in _FOLDERS:
            subprocess.check_call(["mount", "-t", "tmpfs", "tmpfs", path])
        for name, line in _USER.items():
            with open("/etc/" + name) as file:
                _cover("/etc/" + name, folder, file.read() + line)
        _write("/etc/libvirt/qemu.conf", _QEMU)
        _write(os.path.join(folder, "libvirtd.conf"), _CONFIGURATION)
        _write(os.path.join(folder, "domain.xml"), _DOMAIN_XML)
        with open(os.path.join(folder, "libvirtd.log"), "w") as log:
            command = ["libvirtd", "--listen", "-f", os.path.join(folder, "libvirtd.conf")]
            command += ["-p", os.path.join(folder, "libvirtd.pid")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait(self._listens, "the libvirt daemon listens")
            command = ["virsh", "-q", "-c", LIBVIRT_URI, "define"]
            subprocess.check_output(command + [os.path.join(folder, "domain.xml")])
        except BaseException:
            self.close()
            raise

    def _listens(self):
        if self._process.poll() is not None:
            raise AssertionError("the libvirt daemon has ended")
        try:
            socket.create_connection(("foo", 16509), 5).close()
        except (socket.error, OSError):
            return False
        return True

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
