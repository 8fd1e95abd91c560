"""A log of what goes over the wire, in memory or in files: see :class:`WireLog`."""

import io
import os
import re
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager

from pyhelpers._arguments import octets

__all__ = ["WireLog", "openWL"]

_PY2 = str is bytes


class WireLog(object):
    """Keeps the datagrams that peers send and receive; ``wl`` of a :class:`pyhelpers.udping.Peer`.

    The names are those of hio's ``hio.core.wiring.WireLog``. Arguments, and attributes:

    ``rxed``, ``txed``: whether what is received, what is sent, is kept. ``samed``: both in one log.
    ``filed``: in files; otherwise in memory.

    ``fmt``: printf-style format of an entry, bytes or str, of ``dx`` ("Rx" or "Tx"), ``who``, the
    other side, and ``data``; ``Format`` by default. ``b"%(data)b"`` keeps the payloads alone.

    ``name``: how the names of the files begin. ``temp``: the files are in a new folder of their own
    below ``TempHeadDir``, and go with it when the log is closed. Otherwise they are in
    ``headDirPath``/``prefix``/wirelogs, and stay: ``HeadDirPath`` by default, that is
    $XDG_STATE_HOME or ~/.local/state; where that cannot be written to, in ~/.``prefix``/wirelogs.

    ``reopen``: True opens at once. ``clear``: as of :meth:`reopen`.

    Further attributes: ``opened``; ``dirPath``, the folder, None in memory; ``rxl``, ``txl``, the
    binary files or io.BytesIO, None for what is not kept. Any method may be called from any thread.
    """

    Prefix = "pyhelpers"
    HeadDirPath = os.environ.get("XDG_STATE_HOME") or os.path.join("~", ".local", "state")
    TailDirPath = "wirelogs"
    AltHeadDirPath = "~"
    TempHeadDir = tempfile.gettempdir()
    TempPrefix = "test_"
    TempSuffix = "_temp"
    Format = b"\n%(dx)b %(who)b:\n%(data)b\n"

    def __init__(
        self,
        rxed=True,
        txed=True,
        samed=False,
        filed=False,
        fmt=None,
        name="main",
        temp=False,
        prefix=None,
        headDirPath=None,
        reopen=False,
        clear=False,
    ):
        self.rxed, self.txed = bool(rxed), bool(txed)
        self.samed, self.filed, self.temp = bool(samed), bool(filed), bool(temp)
        self.fmt = _octets(self.Format if fmt is None else fmt)
        self.name = name or "main"
        self.prefix = self.Prefix if prefix is None else prefix
        self.headDirPath = self.HeadDirPath if headDirPath is None else headDirPath
        self.dirPath = self.rxl = self.txl = None
        self.opened = False
        self._paths = []
        self._lock = threading.RLock()
        if reopen:
            self.reopen(clear=clear)

    def reopen(
        self,
        rxed=None,
        txed=None,
        samed=None,
        filed=None,
        fmt=None,
        name=None,
        temp=None,
        headDirPath=None,
        clear=False,
    ):
        """Closes the log, if it is open, and opens a new, empty one. Gives True.

        Arguments other than None take the place of what the constructor was given. ``clear``: the
        files of the one that is closed go. Errors: ValueError for a ``name`` or ``prefix`` that
        is an absolute path; OSError when the files cannot be made.
        """
        with self._lock:
            if self.opened:
                self.close(clear=clear)
            changes = dict(rxed=rxed, txed=txed, samed=samed, filed=filed, temp=temp)
            for attribute, value in changes.items():
                if value is not None:
                    setattr(self, attribute, bool(value))
            self.fmt = self.fmt if fmt is None else _octets(fmt)
            self.name = name or self.name
            self.headDirPath = self.headDirPath if headDirPath is None else headDirPath
            self._open()
            self.opened = True
            return True

    def _open(self):
        self.dirPath = self._folder() if self.filed and (self.rxed or self.txed) else None
        self._paths = []
        moment = time.time()
        stamp = time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime(moment))
        stamp = "%s.%s_%06d" % (self.name, stamp, moment % 1 * 1e6)
        if self.samed:
            log = self._log(stamp + ".log") if self.rxed or self.txed else None
            self.rxl = log if self.rxed else None
            self.txl = log if self.txed else None
        else:
            self.rxl = self._log(stamp + ".rx.log") if self.rxed else None
            self.txl = self._log(stamp + ".tx.log") if self.txed else None

    def _log(self, name):
        if not self.filed:
            return io.BytesIO()
        path = os.path.join(self.dirPath, name)
        self._paths.append(path)
        return io.open(path, "wb+")

    def _folder(self):
        for part in (self.name, self.prefix):
            if os.path.isabs(part):
                raise ValueError("%r is an absolute path" % (part,))
        if self.temp:
            prefix = "_".join([self.prefix, self.TailDirPath, self.TempPrefix])
            return tempfile.mkdtemp(self.TempSuffix, prefix, self.TempHeadDir)
        try:
            return _writable(self.headDirPath, self.prefix, self.TailDirPath)
        except EnvironmentError:
            return _writable(self.AltHeadDirPath, "." + self.prefix, self.TailDirPath)

    def flush(self):
        """Has the operating system write what is in files to the disk."""
        with self._lock:
            if self.filed:
                for log in self._open_logs():
                    log.flush()
                    os.fsync(log.fileno())

    def _open_logs(self):
        return [log for log in (self.rxl, self.txl) if log is not None and not log.closed]

    def close(self, clear=False):
        """Closes the log. With ``clear``, and of a temporary one, its files go, and their folder
        when it is empty then."""
        with self._lock:
            self.flush()
            self.opened = False
            for log in self._open_logs():
                log.close()
            if clear or self.temp:
                self.clearDirPath()

    def clearDirPath(self):
        """Removes the files of this log, and their folder when it is empty then."""
        with self._lock:
            if self.dirPath is None:
                return
            if self.temp:
                shutil.rmtree(self.dirPath, ignore_errors=True)
                return
            for path in self._paths:
                if os.path.exists(path):
                    os.remove(path)
            try:
                os.rmdir(self.dirPath)
            except OSError:
                pass  # Other logs are there, or it is gone.

    def readRx(self):
        """All that was received, as bytes; None when that is not kept, or the log closed."""
        return self._read(self.rxl)

    def readTx(self):
        """All that was sent, likewise."""
        return self._read(self.txl)

    def _read(self, log):
        with self._lock:
            if log is None or log.closed:
                return None
            log.seek(0)
            return log.read()

    def writeRx(self, data, who=b""):
        """Adds what was received. ``data``: bytes, or str for UTF-8; ``who``: the other side, bytes
        or whatever str() makes readable. Nothing happens unless the log is open and keeps that."""
        self._write(self.rxl, b"Rx", data, who)

    def writeTx(self, data, who=b""):
        """Adds what was sent, likewise."""
        self._write(self.txl, b"Tx", data, who)

    def _write(self, log, direction, data, who):
        if log is None:
            return
        if not isinstance(who, (bytes, bytearray, type(u""))):
            who = str(who)
        entry = {b"dx": direction, b"who": _octets(who), b"data": _octets(data)}
        with self._lock:
            if not log.closed:
                log.write(_formatted(self.fmt, entry))


def _octets(text):
    return text.encode("utf-8") if isinstance(text, type(u"")) else octets(text)


def _formatted(form, entry):
    if _PY2:
        # There %s is what %b is for bytes since.
        form = re.sub(r"(%\(\w+\)[-+ #0-9.]*)b", r"\1s", form)
    return form % entry


def _writable(head, prefix, tail):
    """The path of a folder, made if it is not there. OSError when nothing can be written to it."""
    path = os.path.abspath(os.path.expanduser(os.path.join(head, prefix, tail)))
    if not os.path.isdir(path):
        os.makedirs(path)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise OSError("%s cannot be written to" % path)
    return path


@contextmanager
def openWL(cls=None, name="test", temp=True, **kwa):
    """Makes a log, of class ``cls`` if that is not None, and opens it; closes it at the end of the
    ``with`` block. It is temporary by default. Keyword arguments: as of :class:`WireLog`."""
    wl = (WireLog if cls is None else cls)(name=name, temp=temp, reopen=True, **kwa)
    try:
        yield wl
    finally:
        wl.close()
