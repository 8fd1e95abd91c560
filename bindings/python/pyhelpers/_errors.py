"""What the library reports: error codes as exceptions, and datagrams that did not arrive."""

import errno
from collections import namedtuple

from pyhelpers import _addresses
from pyhelpers._backend import backend

_PANIC = backend.constant("PH_EPANIC")

_KINDS = {
    backend.constant("PH_ERROR_SEND"): "send",
    backend.constant("PH_ERROR_ICMP"): "icmp",
}

#: Errors picked up in one call.
_BATCH = 64

#: A datagram that did not get to its destination. ``errno``: see :mod:`errno`; ``time``: seconds
#: since 1970; ``kind``: "send" when the kernel refused it, "icmp" when the network reported it.
SendError = namedtuple("SendError", "errno addr port time kind")


def check(code):
    """``code`` when it is no error; otherwise raises what it means."""
    if code >= 0:
        return code
    message = backend.text(backend.lib.ph_strerror(code))
    if code == _PANIC:
        raise RuntimeError(message)
    raise OSError(-code, message)


def collect(get_error, handle, check_own):
    """All errors that ``get_error`` has for the handle, as a list of :class:`SendError`.

    ``check_own`` raises what another code of the handle's means.
    """
    found = []
    errors = backend.array("ph_error_t", _BATCH)
    while True:
        code = get_error(handle, errors, _BATCH)
        if code == -errno.EAGAIN:
            return found
        found.extend(_send_error(errors[index]) for index in range(check_own(code)))


def _send_error(error):
    addr, port = _addresses.pair(error.addr)
    return SendError(error.error, addr, port, error.time_ns / 1e9, _KINDS[error.kind])
