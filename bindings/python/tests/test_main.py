"""`python -m pyhelpers` and its doctor: what it makes of a machine's answers, and of this one's."""

import contextlib
import os
import resource
import sys
import unittest

from support import HandlerTest, needs_ipv6

import pyhelpers
from pyhelpers import __main__, _about, _doctor
from pyhelpers._backend import backend

try:
    from io import StringIO

    StringIO().write(str())
except TypeError:
    from StringIO import StringIO  # Python 2

#: A machine on which all is well.
WELL = _doctor.Readings(
    library="/somewhere/libpyhelpers.so (1.0 MiB)",
    backend="cffi 1.17.1",
    why_not_cffi=None,
    is_pypy=False,
    kernel="6.1.0",
    loopback="",
    gso=True,
    gro=True,
    ipv6=True,
    receive_max=4 << 20,
    receive_default=212992,
    send_max=212992,
    files=1024,
    files_hard=4096,
    backlog=4096,
    pipe=1 << 20,
    pipe_max=1 << 20,
    libvirt=True,
)

#: What may be otherwise: the check that says so, and what its line must have of cost and cure.
TROUBLES = [
    (dict(why_not_cffi="No module named _cffi_backend"), "backend", "1.4", "pip install"),
    (dict(why_not_cffi="", is_pypy=True), "backend", "10 to 100", "unset PYHELPERS_BACKEND"),
    (dict(receive_max=212992), "receive buffer", "512 small", "net.core.rmem_max=4194304"),
    (dict(receive_default=100000), "default buffer", "120 small", "net.core.rmem_default=212992"),
    (dict(send_max=100000), "send buffer", "64 KiB", "net.core.wmem_max=212992"),
    (dict(loopback="Network is unreachable"), "loopback", "unreachable", "ip link set lo up"),
    (dict(gso=False, kernel="4.9"), "UDP GSO", "(4.9)", "Linux 4.18"),
    (dict(gro=False, kernel="4.19"), "UDP GRO", "(4.19)", "Linux 5.0"),
    (dict(ipv6=False), "IPv6", "::1", "disable_ipv6=0"),
    (dict(files=64), "open files", "EMFILE", "ulimit -n 1024 before"),
    (dict(files=64, files_hard=64), "open files", "up to 64", "as root (the hard limit is 64)"),
    (dict(backlog=128), "backlog", "128", "net.core.somaxconn=4096"),
    (dict(pipe=65536, pipe_max=65536), "named pipe", "65536 bytes", "fs.pipe-max-size=1048576"),
    (dict(pipe=4096), "named pipe", "waits", "fs.pipe-user-pages-soft=16384"),
    (dict(libvirt=False), "libvirt", "ENOPKG", "apt install libvirt0"),
]

#: What a machine may keep to itself.
SILENT = "gso gro receive_max receive_default send_max files backlog pipe".split()


class Doctor(unittest.TestCase):
    def worth_mending(self, **readings):
        found = _doctor.findings(WELL._replace(**readings))
        return [finding for finding in found if finding.state != "ok"]

    def test_all_is_well(self):
        self.assertEqual(self.worth_mending(), [])
        self.assertEqual(self.worth_mending(why_not_cffi="", backend="ctypes"), [])

    def test_each_trouble_has_a_cost_and_a_cure(self):
        for readings, name, cost, cure in TROUBLES:
            found = self.worth_mending(**readings)
            self.assertEqual([(item.state, item.name) for item in found], [("warn", name)])
            self.assertIn(cost, found[0].text)
            self.assertIn(cure, found[0].mend)

    def test_a_machine_that_does_not_answer_is_not_ill(self):
        for name in SILENT:
            found = self.worth_mending(**{name: None})
            self.assertEqual([(item.state, item.mend) for item in found], [("unknown", "")], name)

    def test_a_line_for_each(self):
        found = _doctor.findings(WELL._replace(libvirt=False))
        lines = _doctor.report(found).splitlines()
        self.assertEqual(len(lines), len(found))
        self.assertTrue(lines[-1].startswith("warn     libvirt          not installed: "))
        self.assertTrue(lines[-1].endswith("; to mend it: " + found[-1].mend))

    def test_it_reads_this_machine(self):
        readings = _doctor.read()
        self.assertEqual(readings.files, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self.assertEqual(readings.loopback, "")
        for name, setting in [
            ("receive_max", "net/core/rmem_max"),
            ("receive_default", "net/core/rmem_default"),
            ("send_max", "net/core/wmem_max"),
            ("backlog", "net/core/somaxconn"),
        ]:
            if os.path.exists("/proc/sys/" + setting):
                with open("/proc/sys/" + setting) as file:
                    self.assertEqual(getattr(readings, name), int(file.read()), name)


class CommandLine(HandlerTest):
    def run_main(self, *arguments):
        """Its exit status, and what it wrote to standard output and to standard error."""
        kept, written = (sys.stdout, sys.stderr), (StringIO(), StringIO())
        sys.stdout, sys.stderr = written
        try:
            status = __main__.main(list(arguments))
        except SystemExit as end:
            status = end.code
        finally:
            sys.stdout, sys.stderr = kept
        return status, written[0].getvalue(), written[1].getvalue()

    def test_it_tells_what_this_is(self):
        status, out, err = self.run_main()
        self.assertEqual((status, err), (0, ""))
        rows = dict((line[:18].strip(), line[19:]) for line in out.splitlines())
        self.assertEqual(rows["pyhelpers"], pyhelpers.__version__)
        self.assertEqual(rows["ABI"], str(backend.constant("PH_ABI_VERSION")))
        self.assertTrue(rows["library"].startswith(backend.path + " ("), rows["library"])
        self.assertTrue(rows["backend"].startswith(backend.name), rows["backend"])
        self.assertIn(sys.executable, rows["interpreter"])
        self.assertIn(os.uname()[2], rows["kernel"])
        self.assertEqual(rows["kernel timestamps"], "yes")
        self.assertEqual(rows["ICMP errors"], "yes")
        with self.handler(event_fd=None) as handler:
            stats = handler.stats()
        for name in "gso", "gro":
            answer = "yes" if stats["uses_" + name] else "no"
            self.assertEqual(rows["UDP " + name.upper()], answer)

    @needs_ipv6
    def test_it_finds_ipv6(self):
        self.assertTrue(_about.has_ipv6())

    def test_the_doctors_status_says_whether_something_is_worth_mending(self):
        with readings_of(WELL):
            self.assertEqual(self.run_main("doctor")[0::2], (0, ""))
        with readings_of(WELL._replace(files=64)):
            status, out, err = self.run_main("doctor")
        self.assertEqual((status, err, out.count("\nwarn ")), (1, "", 1))

    def test_help_and_nonsense(self):
        status, out, _ = self.run_main("--help")
        self.assertEqual(status, 0)
        for word in ("doctor", "exit status:", "PYHELPERS_LIBRARY", "PYHELPERS_BACKEND"):
            self.assertIn(word, out)
        status, out, err = self.run_main("nonsense")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("doctor", err)


@contextlib.contextmanager
def readings_of(machine):
    """Another machine in place of this one."""
    kept, _doctor.read = _doctor.read, lambda: machine
    try:
        yield
    finally:
        _doctor.read = kept


if __name__ == "__main__":
    unittest.main()
