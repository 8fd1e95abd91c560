"""The wire log: in memory and in files, both ways together and apart."""

import itertools
import os
import shutil
import sys
import tempfile
import threading
import unittest

from pyhelpers.udping import WireLog, openWL

RX = b"\nRx bob:\nABC\n\nRx eve:\nDEF\n"
TX = b"\nTx bob:\n012\n\nTx eve:\n345\n"
BOTH = b"\nRx bob:\nABC\n\nTx bob:\n012\n\nRx eve:\nDEF\n\nTx eve:\n345\n"


def write(wl):
    wl.writeRx(b"ABC", who=b"bob")
    wl.writeTx(b"012", who=b"bob")
    wl.writeRx(data=b"DEF", who="eve")
    wl.writeTx(data=bytearray(b"345"), who=u"eve")


class WireLogs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        was = WireLog.TempHeadDir
        WireLog.TempHeadDir = self.folder
        self.addCleanup(setattr, WireLog, "TempHeadDir", was)

    def files(self):
        walk = os.walk(self.folder)
        return sorted(os.path.join(folder, name) for folder, _, names in walk for name in names)

    def log(self, **kwa):
        made = WireLog(headDirPath=self.folder, **kwa)
        self.addCleanup(made.close)
        return made

    def test_defaults(self):
        wl = WireLog()
        found = wl.rxed, wl.txed, wl.samed, wl.filed, wl.temp, wl.opened
        self.assertEqual(found, (True, True, False, False, False, False))
        self.assertEqual((wl.name, wl.prefix, wl.fmt), ("main", "pyhelpers", WireLog.Format))
        self.assertEqual((wl.headDirPath, wl.dirPath), (WireLog.HeadDirPath, None))
        self.assertEqual((wl.rxl, wl.txl, wl.readRx(), wl.readTx()), (None, None, None, None))
        wl.writeRx(b"nowhere")
        wl.flush()
        wl.close()

    def test_every_kind_is_read_as_it_was_written(self):
        for filed, temp, samed in itertools.product((False, True), repeat=3):
            with openWL(filed=filed, temp=temp, samed=samed, headDirPath=self.folder) as wl:
                self.assertIs(wl.opened, True)
                self.assertEqual((wl.name, wl.rxl is wl.txl), ("test", samed))
                for _ in range(2):
                    self.assertIs(wl.reopen(), True)
                    write(wl)
                    wl.flush()
                    wanted = (BOTH, BOTH) if samed else (RX, TX)
                    self.assertEqual((wl.readRx(), wl.readTx()), wanted)
                    # Reading leaves it as it was.
                    write(wl)
                    wanted = tuple(2 * each for each in wanted)
                    self.assertEqual((wl.readRx(), wl.readTx()), wanted)
                rx, tx, folder = wl.rxl, wl.txl, wl.dirPath
            self.assertTrue(rx.closed and tx.closed)
            self.assertEqual((wl.opened, wl.readRx(), wl.readTx()), (False, None, None))
            wl.writeRx(b"too late")
            self.assertEqual(folder is None, not filed)
            if filed:
                self.assertEqual(os.path.exists(folder), not temp)

    def test_files(self):
        wl = self.log(filed=True, name="alpha", reopen=True)
        write(wl)
        wl.close()
        rx, tx = self.files()
        folder = os.path.join(self.folder, "pyhelpers", "wirelogs")
        self.assertEqual((wl.dirPath, os.path.dirname(rx)), (folder, folder))
        for path, end, content in ((rx, ".rx.log", RX), (tx, ".tx.log", TX)):
            name = os.path.basename(path)
            self.assertTrue(name.startswith("alpha.") and name.endswith(end), name)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), content)

    def test_one_file(self):
        wl = self.log(filed=True, samed=True, prefix="other", reopen=True)
        write(wl)
        path, = self.files()
        self.assertEqual(os.path.dirname(path), os.path.join(self.folder, "other", "wirelogs"))
        wl.flush()
        with open(path, "rb") as file:
            self.assertEqual(file.read(), BOTH)

    def test_a_temporary_folder_is_its_own_and_goes(self):
        first = WireLog(filed=True, temp=True, reopen=True)
        second = WireLog(filed=True, temp=True, reopen=True)
        self.assertNotEqual(first.dirPath, second.dirPath)
        self.assertEqual(os.path.dirname(first.dirPath), self.folder)
        self.assertEqual(os.stat(first.dirPath).st_mode & 0o777, 0o700)
        first.close()
        self.assertEqual(os.listdir(self.folder), [os.path.basename(second.dirPath)])
        second.close()
        self.assertEqual(os.listdir(self.folder), [])

    def test_clear_removes_its_own_files_alone(self):
        first = self.log(filed=True, name="first", reopen=True)
        second = self.log(filed=True, name="second", reopen=True)
        first.close(clear=True)
        self.assertEqual(self.files(), second._paths)
        second.reopen(clear=True)
        self.assertEqual(self.files(), second._paths)
        self.assertEqual(len(second._paths), 2)
        second.close()
        self.assertEqual(len(self.files()), 2)
        second.close(clear=True)
        self.assertFalse(os.path.exists(second.dirPath))

    def test_one_way_alone(self):
        for samed in (False, True):
            wl = self.log(txed=False, samed=samed, reopen=True)
            write(wl)
            self.assertEqual((wl.readRx(), wl.readTx()), (RX, None))
            wl = self.log(rxed=False, samed=samed, filed=True, reopen=True)
            write(wl)
            self.assertEqual((wl.readRx(), wl.readTx()), (None, TX))
            wl.flush()
            self.assertEqual(len(self.files()), 1 + samed)
        wl = self.log(rxed=False, txed=False, filed=True, reopen=True)
        write(wl)
        found = wl.opened, wl.readRx(), wl.readTx(), wl.dirPath
        self.assertEqual(found, (True, None, None, None))

    def test_reopen_with_changes(self):
        wl = self.log(reopen=True)
        write(wl)
        wl.reopen(samed=True, fmt="%(dx)s|", name="beta")
        self.assertEqual(wl.readRx(), b"")
        write(wl)
        self.assertEqual(wl.readRx(), b"Rx|Tx|Rx|Tx|")
        other = os.path.join(self.folder, "other")
        wl.reopen(filed=True, rxed=False, headDirPath=other)
        beginning = os.path.join(other, "pyhelpers", "wirelogs", "beta.")
        self.assertTrue(wl.txl.name.startswith(beginning))
        self.assertEqual((wl.samed, wl.fmt), (True, b"%(dx)s|"))

    def test_formats(self):
        for fmt, wanted in (
            (b"%(data)b", b"ABCDEF"),
            ("%(who)b=%(data)b;", b"bob=ABC;eve=DEF;"),
            (b"%(who)5b %(data)-5b|100%%b ", b"  bob ABC  |100%b   eve DEF  |100%b "),
        ):
            wl = self.log(fmt=fmt, reopen=True)
            write(wl)
            self.assertEqual(wl.readRx(), wanted)

    def test_any_bytes(self):
        every = bytes(bytearray(range(256)))
        with openWL(fmt=b"%(data)b", filed=True) as wl:
            wl.writeRx(every)
            self.assertEqual(wl.readRx(), every)

    def test_who_is_written_as_it_reads(self):
        with openWL(fmt=b"%(who)b,") as wl:
            for who in (("127.0.0.1", 5), ("::1", 5, 0, 0), 7, u"\u00e9", b"x", bytearray(b"y")):
                wl.writeTx(b"", who=who)
            wl.writeTx(b"")
            wanted = u"('127.0.0.1', 5),('::1', 5, 0, 0),7,\u00e9,x,y,,".encode("utf-8")
            self.assertEqual(wl.readTx(), wanted)
            self.assertRaises(TypeError, wl.writeTx, 5)

    def test_paths_that_are_none(self):
        for kwa in ({"name": "/absolute"}, {"prefix": "/absolute"}):
            wl = WireLog(filed=True, headDirPath=self.folder, **kwa)
            self.assertRaises(ValueError, wl.reopen)
            self.assertFalse(wl.opened)

    def test_a_folder_that_cannot_be_written_to(self):
        home = os.environ.get("HOME")
        os.environ["HOME"] = self.folder
        try:
            for unusable in ("/proc", os.devnull):
                wl = WireLog(filed=True, headDirPath=unusable, reopen=True)
                self.assertEqual(wl.dirPath, os.path.join(self.folder, ".pyhelpers", "wirelogs"))
                wl.close()
            os.environ["HOME"] = "/proc"
            self.assertRaises(OSError, WireLog(filed=True, headDirPath="/proc").reopen)
        finally:
            os.environ["HOME"] = home or ""

    def test_subclasses(self):
        class Quiet(WireLog):
            Format = b"."
            Prefix = "quiet"

        with openWL(cls=Quiet, name="sub", filed=True) as wl:
            self.assertEqual((type(wl), wl.name, wl.prefix), (Quiet, "sub", "quiet"))
            write(wl)
            self.assertEqual(wl.readRx(), b"..")

    def test_threads_read_and_write_at_once(self):
        with openWL(fmt=b"%(data)b\n", samed=True) as wl:
            def work():
                for _ in range(300):
                    wl.writeRx(b"12345678")
                    wl.readRx()

            made = [threading.Thread(target=work) for _ in range(3)]
            # Has the interpreter change threads as often as it can.
            often = getattr(sys, "setswitchinterval", getattr(sys, "setcheckinterval", None))
            was = getattr(sys, "getswitchinterval", getattr(sys, "getcheckinterval", None))()
            often(1 if often.__name__ == "setcheckinterval" else 1e-6)
            try:
                for each in made:
                    each.start()
                for each in made:
                    each.join()
            finally:
                often(was)
            self.assertEqual(wl.readRx(), b"12345678\n" * 900)


if __name__ == "__main__":
    unittest.main()
