"""A TCP server."""

import errno
import socket
import warnings

from pyhelpers.pyed import _core, _sockets
from pyhelpers.pyed.event import event

__all__ = ["tcpserver"]

#: Milliseconds of rest when the process has no descriptor for a connection.
_REST = 100

_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


class tcpserver(object):
    """Listens, and has ``accepthandler(ev)`` follow when there is a connection to be accepted;
    ``ev.sock`` is the listening socket, whose ``accept()`` gives it.

    ``srvconf``: a dict. ``host``: "": all interfaces, IPv4; a name, or an address of either kind.
    ``port``: 0 to 65,535, 0 being a free one, or a service's name. The others may be missing:
    ``blocking`` (0): whether the listening socket blocks; ``reuseaddr`` (the system's default),
    ``reuseport`` (0); ``recvbuf``, ``sendbuf``: SO_RCVBUF, SO_SNDBUF in bytes; ``backlog`` (1,024);
    ``linger`` is that of its connections. ``evs``, ``tms``: what it belongs to; by default the
    process's.

    A handler that ends with EMFILE or ENFILE, as accept() does when descriptors are short, is called
    again after 100 ms; a RuntimeWarning says so. Its other exceptions leave ``processevent()``.
    Errors: socket.error (EADDRINUSE, EACCES ...), socket.gaierror; KeyError, ValueError, TypeError
    for a wrong configuration. Not for several threads at once.
    """

    def __init__(self, accepthandler, srvconf, evs=None, tms=None):
        self._accepthandler = accepthandler
        self._core = _core.core_of(evs)
        self._closed = False
        self._sock = _listening(srvconf)
        try:
            self._ev = event(sock=self._sock, evs=evs, tms=tms)
            self._ev.add_read(self._accept)
        except Exception:
            self._sock.close()
            raise

    def _accept(self, ev):
        try:
            self._accepthandler(ev)
        except EnvironmentError as error:
            if error.errno not in _NO_DESCRIPTOR:
                raise
            self._rest(error)

    def _rest(self, error):
        """The connection stays in the kernel's queue: asking at once would be for nothing."""
        if not self._closed:
            self._ev.del_read()
            self._core.call_later(_REST, self._go_on)
        warnings.warn("the accept handler goes on in %d ms: %s" % (_REST, error), RuntimeWarning)

    def _go_on(self):
        if not self._closed:
            self._ev.add_read(self._accept)

    def close(self):
        """Accepts no more. Connections go on."""
        self._closed = True
        self._ev.del_read()
        self._sock.close()


def _listening(conf):
    """A socket that listens as the configuration says."""
    host = conf["host"] or "0.0.0.0"
    family, address = _sockets.addresses(host, conf["port"], socket.AI_PASSIVE)[0]
    sock = _sockets.new(family)
    try:
        _sockets.configure_server(sock, conf)
        sock.bind(address)
        sock.listen(conf.get("backlog", 1024))
        sock.setblocking(bool(conf.get("blocking", 0)))
    except Exception:
        sock.close()
        raise
    return sock
