"""A TCP client."""

import errno
import os
import socket

from pyhelpers.pyed import _sockets
from pyhelpers.pyed.tcpconnection import tcpconnection

__all__ = ["tcpclient"]

#: Seconds that each address of the server may take.
_DEADLINE = 30.0


class tcpclient(object):
    """Connects to a server.

    ``cliconf``: a dict. ``host``: a name or an address; ``port``: 1 to 65,535, or a service's name.
    The others, which may be missing, are those of :class:`tcpconnection`. ``evs``, ``tms``: what
    the connections belong to; by default the process's.
    """

    def __init__(self, cliconf, evs=None, tms=None):
        self._cliconf = cliconf
        self._host = cliconf["host"]
        self._port = cliconf["port"]
        self._evs = evs
        self._tms = tms

    def connect(self):
        """A new connection, a :class:`tcpconnection`. It is established in this call, which waits
        for that: the addresses of the host are tried in turn, each for 30 seconds at most.

        Errors: socket.error (ECONNREFUSED, ETIMEDOUT ...), that of the last address;
        socket.gaierror for an unknown name; KeyError, ValueError, TypeError for a wrong
        configuration.
        """
        sock = self._connected()
        try:
            return tcpconnection(sock, self._cliconf, self._evs, self._tms)
        except Exception:
            sock.close()
            raise

    def _connected(self):
        failure = None
        for family, address in _sockets.addresses(self._host, self._port):
            sock = _sockets.new(family)
            try:
                _sockets.configure(sock, self._cliconf)
                sock.settimeout(_DEADLINE)
                sock.connect(address)
                return sock
            except socket.timeout:
                sock.close()
                failure = socket.error(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            except socket.error as error:
                sock.close()
                failure = error
            except Exception:
                sock.close()
                raise
        raise failure
