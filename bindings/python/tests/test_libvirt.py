"""The libvirt client, with the driver that libvirt has for tests: domains of no machine, in the
process itself. With a real daemon: tests/net/libvirt.py."""

import errno
import inspect
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from looping import in_a_child
from support import Child, HandlerTest, PY2, leaves_nothing, run_child

from pyhelpers.libvirt_wrapper import DomainInfo, LibvirtWrapper

URI = "test:///default"

#: The only domain that there is with it.
DOMAIN = "test"

RUNNING, PAUSED = 1, 3

#: How Debian calls it, and Fedora.
PACKAGES = "libvirt0", "libvirt-libs"


#: Prints the folder that the library is in. Not in this process: one that has loaded libvirt by
#: itself is left libvirt's messages on standard error.
WHERE = """if True:
    import ctypes, os
    ctypes.CDLL("libvirt.so.0")
    paths = [line.split()[-1] for line in open("/proc/self/maps") if "/libvirt.so.0" in line]
    print(os.path.dirname(paths[0]))
"""


def folder_of_libvirt():
    """None where it is not installed."""
    outcome = Child(WHERE).finish()
    return None if outcome.code else outcome.out.strip()


FOLDER = folder_of_libvirt()

needs_libvirt = unittest.skipUnless(FOLDER, "not found: libvirt.so.0 (apt install libvirt0)")


class LibvirtTest(HandlerTest):
    """A test whose clients end with it."""

    def client(self, **options):
        made = LibvirtWrapper(**options)
        self.addCleanup(made.close)
        return made

    def connected(self):
        client = self.client()
        client.connect_host("foo", URI)
        return client


@needs_libvirt
class Seed(LibvirtTest):
    PROGRAM = """if True:
        from time import sleep
        from pyhelpers.libvirt_wrapper import LibvirtWrapper
        libvirt = LibvirtWrapper()
        libvirt.connect_host('foo', 'qemu+tcp://foo/system')

        # now the connection is established and internally handled with no need to renew it
        data = libvirt.get_info('foo', 'instance-00000f01')
        sleep(2)
        data = libvirt.get_info('foo', 'instance-00000f01')
        ...
    """

    def test_its_program(self):
        # Without what no machine has: this daemon, this domain, and time.
        program = self.PROGRAM.replace("qemu+tcp://foo/system", URI).replace("sleep(2)", "sleep(0)")
        program = program.replace("instance-00000f01", DOMAIN).replace("...", "pass")
        program += "    print('%s %s' % (data, libvirt.stats()['connects']))"
        out = run_child(program)
        self.assertTrue(out.startswith("DomainInfo(state=1, max_memory=8388608, memory="), out)
        self.assertTrue(out.endswith(" 1\n"), out)


@needs_libvirt
class Domains(LibvirtTest):
    def test_get_info_is_what_libvirt_has(self):
        info = self.connected().get_info("foo", DOMAIN)
        self.assertIsInstance(info, DomainInfo)
        self.assertEqual(info._fields, ("state", "max_memory", "memory", "vcpus", "cpu_time"))
        state, max_memory, memory, vcpus, cpu_time = info
        # The driver's own: 8 GiB of which 2 are used, and 2 CPUs.
        self.assertEqual((state, max_memory, memory, vcpus), (RUNNING, 8 << 20, 2 << 20, 2))
        self.assertGreater(cpu_time, 0)

    def test_suspend_and_resume(self):
        client = self.connected()
        for _ in range(2):
            self.assertEqual(client.suspend("foo", DOMAIN), 0)
            self.assertEqual(client.get_info("foo", DOMAIN).state, PAUSED)
            self.assertEqual(client.resume("foo", DOMAIN), 0)
            self.assertEqual(client.get_info("foo", DOMAIN).state, RUNNING)

    def test_list_domains(self):
        names = self.connected().list_domains("foo")
        self.assertEqual(names, [DOMAIN])
        self.assertIs(type(names[0]), str)

    def test_more_domains_than_expected(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        names = sorted("domain-%04d-%s" % (number, "x" * 50) for number in range(300))
        domain = (
            "<domain type='test'><name>%s</name><memory>1024</memory>"
            "<os><type>hvm</type></os></domain>"
        )
        path = os.path.join(folder, "node.xml")
        with open(path, "w") as node:
            node.write("<node>%s</node>" % "".join(domain % name for name in names))
        client = self.client()
        client.connect_host("many", "test://" + path)
        self.assertEqual(client.list_domains("many"), names)
        self.assertEqual(client.get_info("many", names[-1]).max_memory, 1024)

    def test_the_connection_and_the_domain_are_kept(self):
        client = self.connected()
        for _ in range(10):
            client.get_info("foo", DOMAIN)
        self.assertEqual(client.stats(), {"connects": 1, "lookups": 1, "calls": 10})

    def test_several_hosts(self):
        client = self.connected()
        client.connect_host("bar", URI)
        client.get_info("foo", DOMAIN)
        client.get_info("bar", DOMAIN)
        self.assertEqual(client.stats(), {"connects": 2, "lookups": 2, "calls": 2})

    def test_a_host_connected_anew(self):
        client = self.connected()
        client.connect_host("foo", URI)
        self.assertEqual(client.get_info("foo", DOMAIN).state, RUNNING)
        self.assertEqual(client.stats()["connects"], 2)
        # One that fails leaves what is there.
        self.refused(OSError, client.connect_host, "foo", "nonsense")
        self.assertEqual(client.get_info("foo", DOMAIN).state, RUNNING)

    def test_local(self):
        program = """if True:
            from pyhelpers.libvirt_wrapper import LibvirtWrapper
            libvirt = LibvirtWrapper()
            libvirt.connect_local()
            print(libvirt.list_domains("localhost"))
        """
        self.assertEqual(run_child(program, LIBVIRT_DEFAULT_URI=URI), "['%s']\n" % DOMAIN)

    def test_text_of_any_type(self):
        client = self.client()
        for host in "foo", u"foo", b"foo", u"\u20ac", "":
            client.connect_host(host, URI if PY2 else URI.encode())
            self.assertEqual(client.get_info(host, u"test").state, RUNNING)
            self.assertEqual(client.get_info(host, b"test").state, RUNNING)

    def test_threads(self):
        client = self.connected()
        states = []

        def ask():
            for _ in range(200):
                states.append(client.get_info("foo", DOMAIN).state)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(states, [RUNNING] * 1600)
        self.assertEqual(client.stats()["connects"], 1)


@needs_libvirt
class Refusals(LibvirtTest):
    def test_a_host_that_is_not_connected(self):
        client = self.connected()
        for call in client.get_info, client.suspend, client.resume:
            error = self.fails_with(errno.ENOTCONN, call, "bar", DOMAIN)
            self.assertIn("connect_host", str(error))
            self.assertIn("'bar'", str(error))
        self.fails_with(errno.ENOTCONN, client.list_domains, "bar")

    def test_an_unknown_domain(self):
        client = self.connected()
        for call in client.get_info, client.suspend, client.resume:
            text = str(self.fails_with(errno.ENOENT, call, "foo", "nobody"))
            for part in "'nobody'", "'foo'", URI:
                self.assertIn(part, text)
        self.fails_with(errno.ENOENT, client.get_info, "foo", "")
        # As a name that is no UTF-8 is listed.
        self.refused(OSError, client.get_info, "foo", u"\udcff")
        self.assertEqual(client.get_info("foo", DOMAIN).state, RUNNING)

    def test_an_unknown_uri(self):
        client = self.client()
        for uri in "nonsense", "nonsense:///default", "%%%", "test+tcp://[::1":
            error = self.refused(OSError, client.connect_host, "foo", uri)
            self.assertIn(uri, str(error))
            self.fails_with(errno.ENOTCONN, client.get_info, "foo", DOMAIN)

    def test_nobody_listens(self):
        with_port = socket.socket()
        self.addCleanup(with_port.close)
        with_port.bind(("127.0.0.1", 0))
        uri = "test+tcp://127.0.0.1:%d/default" % with_port.getsockname()[1]
        error = self.fails_with(errno.ECONNREFUSED, self.client().connect_host, "foo", uri)
        self.assertIn(uri, str(error))

    def test_a_daemon_that_does_not_answer(self):
        """It takes connections and says nothing."""
        silent = socket.socket()
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        uri = "test+tcp://127.0.0.1:%d/default" % silent.getsockname()[1]
        self.fails_with(errno.ETIMEDOUT, self.client(timeout=0.3).connect_host, "foo", uri)


class Life(LibvirtTest):
    def test_the_names_of_the_seed(self):
        read = getattr(inspect, "getfullargspec", None) or inspect.getargspec
        for call, names in (
            (LibvirtWrapper.connect_host, ["host", "uri"]),
            (LibvirtWrapper.get_info, ["host", "domain"]),
        ):
            self.assertEqual(read(call).args, ["self"] + names)

    def test_a_timeout_that_is_none_is_refused(self):
        with leaves_nothing():
            for timeout in 0, -1, None:
                self.refused(ValueError, LibvirtWrapper, timeout=timeout)
            self.refused(TypeError, LibvirtWrapper, timeout="5")

    def test_text_that_is_none_is_refused(self):
        client = self.client()
        for text in None, 1, [u"foo"]:
            self.refused(TypeError, client.connect_host, text, URI)
            self.refused(TypeError, client.connect_host, "foo", text)
            self.refused(TypeError, client.get_info, "foo", text)
            self.refused(TypeError, client.list_domains, text)
        for call in client.connect_host, client.get_info, client.suspend, client.resume:
            self.refused(ValueError, call, "foo\0", "bar")
            self.refused(ValueError, call, "foo", "bar\0")

    def test_after_close(self):
        client = LibvirtWrapper()
        client.close()
        client.close()
        for call in (
            lambda: client.connect_host("foo", URI),
            client.connect_local,
            lambda: client.get_info("foo", DOMAIN),
            lambda: client.suspend("foo", DOMAIN),
            lambda: client.resume("foo", DOMAIN),
            lambda: client.list_domains("foo"),
            client.stats,
        ):
            self.assertIn("closed", str(self.fails_with(errno.EBADF, call)))

    def test_in_a_forked_child(self):
        client = self.client()

        def checks():
            self.fails_with(errno.EBADF, client.get_info, "foo", DOMAIN)
            client.close()

        in_a_child(checks)
        self.fails_with(errno.ENOTCONN, client.get_info, "foo", DOMAIN)

    def test_nothing_is_left(self):
        if FOLDER:
            # libvirt itself keeps what its first use brings.
            self.connected().close()
        with leaves_nothing():
            with LibvirtWrapper() as client:
                if FOLDER:
                    client.connect_host("foo", URI)

    @needs_libvirt
    def test_the_end_of_the_interpreter(self):
        program = """if True:
            import threading
            from pyhelpers.libvirt_wrapper import LibvirtWrapper
            libvirt = LibvirtWrapper()
            libvirt.connect_host("foo", "test:///default")
            def ask():
                while True:
                    libvirt.get_info("foo", "test")
            thread = threading.Thread(target=ask)
            thread.daemon = True
            thread.start()
            while libvirt.stats()["calls"] < 10:
                pass
            print("ends")
        """
        outcome = Child(program).finish()
        self.assertEqual((outcome.code, outcome.out), (0, "ends\n"))
        if not PY2:
            # There a thread may meet modules that are taken down, and say so.
            self.assertEqual(outcome.err, "")

    def test_it_cannot_be_copied(self):
        self.refused(TypeError, pickle.dumps, self.client())


class Absence(HandlerTest):
    """Where libvirt is not installed, which a namespace of mounts makes believe."""

    PROGRAM = """if True:
        import errno
        from pyhelpers import EventLoop
        from pyhelpers.libvirt_wrapper import LibvirtWrapper
        libvirt = LibvirtWrapper()
        for call in (lambda: libvirt.connect_host("foo", "test:///default"), libvirt.connect_local):
            try:
                call()
            except OSError as error:
                print(errno.errorcode[error.errno], error)
        try:
            libvirt.get_info("foo", "test")
        except OSError as error:
            print(errno.errorcode[error.errno])
        with EventLoop() as loop:
            loop.call_soon(loop.stop)
            loop.run()
    """

    #: Covers the folder that has libvirt with links to all that it has besides.
    HIDE = """set -e
        mount -t tmpfs none "$1"
        mkdir "$1/real" "$1/links"
        mount --bind "$2" "$1/real"
        cp -rs "$1/real/." "$1/links"
        rm -f "$1"/links/libvirt.so*
        mount --bind "$1/links" "$2"
        shift 2
        exec "$@"
    """

    def test_it_says_which_package_to_install(self):
        program = "from __future__ import print_function\n" + self.PROGRAM
        if not FOLDER:
            out = run_child(program)
        else:
            out = self.without_libvirt(program)
        lines = out.splitlines()
        self.assertEqual(len(lines), 3, out)
        for line in lines[:2]:
            self.assertTrue(line.startswith("ENOPKG "), line)
            for package in PACKAGES:
                self.assertIn(package, line)
        self.assertEqual(lines[2], "ENOTCONN")

    def without_libvirt(self, program):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        hide = ["unshare", "--mount", "sh", "-c", self.HIDE, "sh", folder, FOLDER]
        can = subprocess.Popen(["unshare", "--mount", "true"], stderr=subprocess.PIPE)
        reason = can.communicate()[1]
        if can.returncode:
            self.skipTest("no namespace of mounts is permitted: %s" % reason.decode().strip())
        process = subprocess.Popen(
            hide + [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = process.communicate()
        self.assertEqual((process.returncode, err), (0, b""))
        return out.decode()


if __name__ == "__main__":
    unittest.main()
