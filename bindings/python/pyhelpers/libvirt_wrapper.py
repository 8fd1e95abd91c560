"""Domains of libvirt daemons, over connections that are kept: see :class:`LibvirtWrapper`."""

import errno
import socket
from array import array
from collections import namedtuple
from functools import partial

from pyhelpers._arguments import milliseconds
from pyhelpers._backend import backend
from pyhelpers._handles import Handle

__all__ = ["DomainInfo", "LibvirtWrapper"]

_lib = backend.lib

_NOT_INSTALLED = backend.constant("PH_ENOLIBVIRT")

#: Errors of the resolver, which have no errno.
_RESOLVER = {
    -backend.constant("PH_ENONAME"): socket.EAI_NONAME,
    -backend.constant("PH_ERESOLVE"): socket.EAI_AGAIN,
}

#: Host of :meth:`LibvirtWrapper.connect_local`.
LOCAL = "localhost"

#: What libvirt's ``info()`` gives. ``state``: a number of libvirt's virDomainState: 1 running, 3
#: paused, 5 shut off and so on; ``max_memory``, ``memory``: KiB; ``vcpus``: virtual CPUs;
#: ``cpu_time``: nanoseconds of CPU time used.
DomainInfo = namedtuple("DomainInfo", "state max_memory memory vcpus cpu_time")

#: Names, and bytes of them, that a first call has room for.
_NAMES, _BYTES = 64, 1 << 12


class LibvirtWrapper(object):
    """Asks libvirt daemons about their domains, each over one connection that is kept::

        libvirt = LibvirtWrapper()
        libvirt.connect_host("foo", "qemu+tcp://foo/system")
        print(libvirt.get_info("foo", "instance-00000f01"))

    ``timeout``: seconds, 0.001 and more, that a call takes at most, even where the daemon hangs.

    libvirt is loaded by the first connect; where it is not installed, that raises OSError with
    ENOPKG, whose text names the package: the program may well go on without, as with a host that
    cannot be reached.

    Errors of all calls: OSError with ENOTCONN (no such host was connected), ENOENT (no such
    domain), ETIMEDOUT, ECONNREFUSED, EACCES (not permitted) and so on, whose text names host, URI
    and domain; socket.gaierror for the unknown name of a host; OSError with EBADF after
    :meth:`close` and in a forked child; ValueError; TypeError. A connection that was lost is opened
    again, once a call. A signal's handler runs when the call is over. Thread safety: any thread may
    call any method, and calls run side by side. A context manager.
    """

    #: What close() finds where the constructor did not get to the end.
    _handle = None

    def __init__(self, timeout=5.0):
        config = backend.sized("virt_config_t")
        config.timeout_ms = milliseconds(timeout)
        if not config.timeout_ms:
            raise ValueError("timeout must be more than 0 seconds")
        self._uris = {}
        new = partial(_lib.virt_new, backend.ref(config))
        self._handle = Handle("the LibvirtWrapper", "virt_t", new, _lib.virt_close)

    def connect_host(self, host, uri):
        """Connects to a daemon, and keeps the connection under the name ``host``, which the other
        methods take; it takes the place of one with this name.

        ``uri``: as of libvirt, such as "qemu+tcp://foo/system"; "": the one that libvirt chooses by
        itself. Errors: OSError with ENOPKG (libvirt is not installed), ECONNREFUSED, ETIMEDOUT,
        EACCES; for a URI that libvirt does not take EINVAL, EPROTONOSUPPORT, or ENOENT where it
        would ask a daemon that is not there; EIO for anything else.
        """
        code = _lib.virt_connect(self._handle.value, _text("host", host), _text("uri", uri))
        if code < 0:
            self._fail(code, "connect to", host, uri=uri)
        self._uris[host] = uri

    def connect_local(self):
        """Connects to the daemon of this machine, as host "localhost", by the URI that libvirt
        chooses by itself: that of LIBVIRT_DEFAULT_URI or of its configuration, or one that works.
        """
        self.connect_host(LOCAL, "")

    def get_info(self, host, domain):
        """State, memory, CPUs and CPU time of a domain, as a :class:`DomainInfo`."""
        info = backend.sized("virt_info_t")
        self._call(_lib.virt_get_info, "ask about", host, domain, backend.ref(info))
        figures = info.state, info.max_memory_kib, info.memory_kib, info.vcpus, info.cpu_time_ns
        # Python 2 has them as long where they come by ctypes.
        return DomainInfo._make(map(int, figures))

    def suspend(self, host, domain):
        """Stops a domain's CPUs; its memory stays. Gives 0. OSError with EBUSY for a domain that
        does not run."""
        return self._call(_lib.virt_suspend, "suspend", host, domain)

    def resume(self, host, domain):
        """Has a suspended domain run again. Gives 0."""
        return self._call(_lib.virt_resume, "resume", host, domain)

    def list_domains(self, host):
        """The names of all domains of a host, running or not, as a list."""
        names, size = _NAMES, _BYTES
        need = backend.new("ph_need_t")
        while True:
            spans = array("L", (0, 0)) * names
            data, memory = backend.memory("uint8_t", size)
            code = _lib.virt_list(
                self._handle.value,
                _text("host", host),
                backend.view("ph_span_t", spans),
                names,
                data,
                size,
                backend.ref(need),
            )
            if code >= 0:
                places = zip(spans[0 : 2 * code : 2], spans[1 : 2 * code : 2])
                return [_str(memory[start : start + length]) for start, length in places]
            if code != -errno.EMSGSIZE:
                self._fail(code, "list the domains", host)
            names, size = max(names, need.items), max(size, need.bytes)

    def _call(self, function, doing, host, domain, *arguments):
        named = _text("host", host), _text("domain", domain)
        code = function(self._handle.value, *(named + arguments))
        if code < 0:
            self._fail(code, doing, host, domain=domain)
        return code

    def _fail(self, code, doing, host, uri=None, domain=None):
        """Raises what a code means."""
        if code == _NOT_INSTALLED:
            raise OSError(
                errno.ENOPKG,
                "libvirt is not installed: it is in the package libvirt0 (Debian, Ubuntu) or "
                "libvirt-libs (Fedora)",
            )
        try:
            self._handle.check(code)
        except OSError as error:
            number, reason = error.errno, error.strerror
        if number == errno.EBADF:
            raise OSError(number, reason)
        reason = self._reason(number, domain) or reason
        text = "cannot %s %s: %s" % (doing, self._place(host, uri, domain), reason)
        if number in _RESOLVER:
            raise socket.gaierror(_RESOLVER[number], text)
        raise OSError(number, text)

    def _reason(self, number, domain):
        """An error in the words of this class, where they say more than the library's."""
        if number == errno.ENOTCONN:
            return "the host is not connected; call connect_host first"
        if number == errno.ENOENT and domain is not None:
            return "there is no such domain, or no daemon"
        return None

    def _place(self, host, uri, domain):
        uri = self._uris.get(host) if uri is None else uri
        place = "host %r" % (host,)
        if uri is not None:
            place += " (%s)" % (uri or "libvirt's own choice of URI")
        return place if domain is None else "domain %r of %s" % (domain, place)

    def stats(self):
        """All counts as a dict: the fields of ``virt_stats_t`` in pyhelpers.h."""
        return self._handle.stats("virt_stats_t", _lib.virt_stats)

    def close(self):
        """Closes all connections. Calls that are under way raise OSError with EBADF."""
        if self._handle:
            self._handle.close()

    def __reduce__(self):
        # A copy would end the original when it ends.
        raise TypeError("a LibvirtWrapper can be neither copied nor pickled")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


def _text(name, text):
    """Text as C takes it."""
    if isinstance(text, type(u"")):
        # The way back of _str(). Python 2 does not know the word, and never needs it.
        text = text.encode("utf-8", "surrogateescape")
    if not isinstance(text, bytes):
        raise TypeError("%s must be str or bytes, not %s" % (name, type(text).__name__))
    if b"\0" in text:
        raise ValueError("%s must not contain a zero byte" % name)
    return text


def _str(name):
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
