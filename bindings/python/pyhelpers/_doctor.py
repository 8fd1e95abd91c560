"""The usual troubles of a machine and how to mend them: ``python -m pyhelpers doctor``.

:func:`read` asks the machine, :func:`findings` judges what it answered. The kernel itself is asked
wherever it can be: a container may hide what is below /proc/sys.
"""

import contextlib
import errno
import fcntl
import os
import platform
import resource
import socket
import sys
from collections import namedtuple

from pyhelpers import _about
from pyhelpers._backend import why_not_cffi
from pyhelpers.libvirt_wrapper import LibvirtWrapper

#: What :func:`read` found, None where the machine did not say. ``loopback``: why UDP does not
#: work over it, empty where it does. ``receive_max``, ``receive_default``, ``send_max``: bytes of a
#: socket's buffers. ``files``, ``files_hard``: descriptors. ``backlog``: connections that wait
#: to be accepted. ``pipe``: bytes that a pipe grows to when it is asked to hold ``PIPE``;
#: ``pipe_max``: bytes, what the system lets one grow to. ``libvirt``: whether it is there.
Readings = namedtuple(
    "Readings",
    "library backend why_not_cffi is_pypy kernel loopback gso gro ipv6 receive_max receive_default "
    "send_max files files_hard backlog pipe pipe_max libvirt",
)

#: One check. ``state``: "ok", "warn" or "unknown"; ``mend``: how, where that is worth it.
Finding = namedtuple("Finding", "name state text mend")

#: What is enough. 4 MiB are 10,000 small datagrams, the arrivals of 0.1 s at 100,000/s.
RECEIVE_BUFFER = 4 << 20
#: The kernel's own defaults, which somebody may have lowered, or an older kernel had lower.
SOCKET_BUFFER = 212992
BACKLOG = 4096
FILES = 1024
#: What a named pipe asks for.
PIPE = 1 << 20

#: Memory that the kernel counts for a datagram of up to 64 bytes.
_DATAGRAM = 832

_F_SETPIPE_SZ, _F_GETPIPE_SZ = 1031, 1032


def report(findings):
    """The findings, a line for each."""
    return "".join(_line(finding) for finding in findings)


def _line(finding):
    mend = "; to mend it: %s" % finding.mend if finding.mend else ""
    return "%-8s %-16s %s%s\n" % (finding.state, finding.name, finding.text, mend)


def findings(readings):
    """What is to be said of the readings, as a list of :class:`Finding`."""
    return [
        _ok("library", readings.library),
        _backend(readings),
        _receive_buffer(readings),
        _default_buffer(readings),
        _send_buffer(readings),
        _loopback(readings),
        _offload("UDP GSO", readings.gso, "4.18", "sending", readings),
        _offload("UDP GRO", readings.gro, "5.0", "receiving", readings),
        _ipv6(readings),
        _files(readings),
        _backlog(readings),
        _pipe(readings),
        _libvirt(readings),
    ]


def _ok(name, text):
    return Finding(name, "ok", text, "")


def _warn(name, text, mend):
    return Finding(name, "warn", text, mend)


def _unknown(name, text):
    return Finding(name, "unknown", text, "")


def _sysctl(setting, value):
    """How to set it now and at each start."""
    return "sysctl -w %s=%d (and a line %s=%d in /etc/sysctl.d/60-pyhelpers.conf to keep it)" % (
        setting, value, setting, value,
    )


def _backend(readings):
    text = "%s: a call into the library takes %s times as long as by cffi"
    if readings.is_pypy and readings.why_not_cffi is not None:
        return _warn("backend", text % (readings.backend, "10 to 100"), "unset PYHELPERS_BACKEND")
    if not readings.why_not_cffi:
        return _ok("backend", readings.backend)
    mend = "%s -m pip install 'cffi>=1.12'" % (sys.executable or "python")
    return _warn("backend", text % (readings.backend, "1.4 to 2.3"), mend)


def _receive_buffer(readings):
    name, size = "receive buffer", readings.receive_max
    if size is None:
        return _unknown(name, "the kernel does not tell net.core.rmem_max")
    text = "net.core.rmem_max is %d, room for %d small datagrams" % (size, 2 * size // _DATAGRAM)
    if size >= RECEIVE_BUFFER:
        return _ok(name, text)
    mend = _sysctl("net.core.rmem_max", RECEIVE_BUFFER) + ", then SO_RCVBUF on the socket"
    return _warn(name, text + ": of a longer burst the kernel drops the rest (kernel_drops)", mend)


def _default_buffer(readings):
    name, size = "default buffer", readings.receive_default
    if size is None:
        return _unknown(name, "the kernel does not tell net.core.rmem_default")
    text = "net.core.rmem_default is %d, room for %d small datagrams where nobody sets SO_RCVBUF"
    text %= size, size // _DATAGRAM
    if size >= SOCKET_BUFFER:
        return _ok(name, text)
    return _warn(name, text, _sysctl("net.core.rmem_default", SOCKET_BUFFER))


def _send_buffer(readings):
    name, size = "send buffer", readings.send_max
    if size is None:
        return _unknown(name, "the kernel does not tell net.core.wmem_max")
    text = "net.core.wmem_max is %d" % size
    if size >= SOCKET_BUFFER:
        return _ok(name, text)
    text += ", less than three of the longest runs (64 KiB): sending waits more often"
    return _warn(name, text, _sysctl("net.core.wmem_max", SOCKET_BUFFER))


def _loopback(readings):
    if not readings.loopback:
        return _ok("loopback", "UDP works over it")
    text = "UDP does not work over it: %s" % readings.loopback
    return _warn("loopback", text, "ip link set lo up")


def _offload(name, is_there, since, doing, readings):
    if is_there is None:
        return _unknown(name, "UDP over loopback, which would tell, does not work")
    if is_there:
        return _ok(name, "the kernel has it")
    text = "the kernel (%s) does not have it: %s costs a step through its network stack a datagram"
    return _warn(name, text % (readings.kernel, doing), "Linux %s or newer" % since)


def _ipv6(readings):
    if readings.ipv6:
        return _ok("IPv6", "the loopback interface has it")
    text = "the loopback interface does not have it: binding to ::1 fails"
    mend = "sysctl -w net.ipv6.conf.all.disable_ipv6=0 (docker run --sysctl takes the same)"
    return _warn("IPv6", text, mend)


def _files(readings):
    name, limit = "open files", readings.files
    if limit is None:
        return _unknown(name, "the limit cannot be read")
    if limit >= FILES:
        return _ok(name, "up to %d descriptors" % limit)
    text = "up to %d descriptors, one a connection and a few a handler: more fail with EMFILE"
    mend = "ulimit -n %d before the start" % FILES
    if readings.files_hard < FILES:
        mend += ", as root (the hard limit is %d)" % readings.files_hard
    return _warn(name, text % limit, mend + ", or LimitNOFILE=%d in a systemd unit" % FILES)


def _backlog(readings):
    name, most = "backlog", readings.backlog
    if most is None:
        return _unknown(name, "/proc/sys/net/core/somaxconn cannot be read")
    text = "net.core.somaxconn is %d" % most
    if most >= BACKLOG:
        return _ok(name, text)
    text += ": of more connections at once a server's kernel delays the rest by a second and more"
    return _warn(name, text, _sysctl("net.core.somaxconn", BACKLOG))


def _pipe(readings):
    name, size = "named pipe", readings.pipe
    if size is None:
        return _unknown(name, "the kernel does not tell the size of a pipe")
    text = "a pipe holds %d bytes" % size
    if size >= PIPE:
        return _ok(name, text)
    text += ", of %d wanted: a writer waits for its readers sooner" % PIPE
    if readings.pipe_max is not None and readings.pipe_max < PIPE:
        return _warn(name, text, _sysctl("fs.pipe-max-size", PIPE))
    return _warn(name, text, _sysctl("fs.pipe-user-pages-soft", 16384) + ", or fewer pipes")


def _libvirt(readings):
    if readings.libvirt:
        return _ok("libvirt", "installed")
    text = "not installed: LibvirtWrapper raises OSError with ENOPKG, nothing else needs it"
    return _warn("libvirt", text, "apt install libvirt0 (Fedora: dnf install libvirt-libs)")


def read():
    """Asks the machine, and gives :class:`Readings`."""
    try:
        offloads = _about.offloads()
        loopback, gso, gro = "", offloads.gso, offloads.gro
    except EnvironmentError as error:
        loopback, gso, gro = str(error), None, None
    receive_default, receive_max = _buffer_sizes(socket.SO_RCVBUF)
    files, files_hard = _file_limits()
    return Readings(
        library=_about.library(),
        backend=_about.backend_name(),
        why_not_cffi=why_not_cffi,
        is_pypy=hasattr(sys, "pypy_version_info"),
        kernel=platform.release(),
        loopback=loopback,
        gso=gso,
        gro=gro,
        ipv6=_about.has_ipv6(),
        receive_max=receive_max,
        receive_default=receive_default,
        send_max=_buffer_sizes(socket.SO_SNDBUF)[1],
        files=files,
        files_hard=files_hard,
        backlog=_setting("net/core/somaxconn"),
        pipe=_pipe_size(),
        pipe_max=_setting("fs/pipe-max-size"),
        libvirt=_has_libvirt(),
    )


def _buffer_sizes(option):
    """Bytes that a UDP socket's buffer has, and that it can have: (None, None) where no socket can
    be made."""
    try:
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
            default = udp.getsockopt(socket.SOL_SOCKET, option)
            udp.setsockopt(socket.SOL_SOCKET, option, 1 << 30)
            # The kernel doubles what it is given, for its own bookkeeping.
            return default, udp.getsockopt(socket.SOL_SOCKET, option) // 2
    except EnvironmentError:
        return None, None


def _file_limits():
    """Soft and hard limit, a number each."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [sys.maxsize if limit == resource.RLIM_INFINITY else limit for limit in limits]


def _setting(name):
    """A number below /proc/sys, None where it cannot be read."""
    try:
        with open("/proc/sys/" + name) as file:
            return int(file.read())
    except (EnvironmentError, ValueError):
        return None


def _pipe_size():
    """Bytes that a pipe holds when it is asked to hold PIPE."""
    try:
        ends = os.pipe()
    except EnvironmentError:
        return None
    try:
        try:
            fcntl.fcntl(ends[1], _F_SETPIPE_SZ, PIPE)
        except EnvironmentError:
            pass  # It stays as it is.
        return fcntl.fcntl(ends[1], _F_GETPIPE_SZ)
    except EnvironmentError:
        return None
    finally:
        for end in ends:
            os.close(end)


def _has_libvirt():
    """Whether the library finds it; libvirt's own driver for tests asks no daemon."""
    try:
        with LibvirtWrapper() as libvirt:
            libvirt.connect_host("doctor", "test:///default")
    except EnvironmentError as error:
        return error.errno != errno.ENOPKG
    return True
