"""The libvirt client and real daemons over TCP, with qemu's domains and with libvirt's test driver.

Run with the package importable (PYTHONPATH=bindings/python). Where programs are missing it says so,
and ends with status 3. The daemons are an ordinary user's, each in a folder of its own; nothing of
the machine's own libvirt is touched. Source for CPython 2.7 too.
"""

import contextlib
import errno
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from faces import HOST, reserved_port

from pyhelpers.libvirt_wrapper import LibvirtWrapper

#: Exit status for "a tool I need is not here".
NOT_FOUND = 3

#: For what takes a second unless it hangs, and for all tests together.
DEADLINE, ALL_SECONDS = 20, 120

#: Seconds that a call may take; and how much longer one does on a busy machine.
TIMEOUT, LATER = 1.0, 3.0

#: The programs and their packages.
PROGRAMS = {
    "libvirtd": "libvirt-daemon",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
}

NOBODY = 65534

RUNNING, PAUSED, SHUT_OFF = 1, 3, 5

#: The domain that the test driver has, and one for qemu: without a disk it waits for one for ever.
TEST, SMALL = "test", "small"
SMALL_XML = """<domain type='qemu'>
  <name>%s</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
</domain>"""

CONFIGURATION = """listen_tcp = 1
listen_tls = 0
listen_addr = "%s"
tcp_port = "%d"
auth_tcp = "none"
auth_unix_rw = "none"
"""

PATH = os.environ["PATH"] + os.pathsep + "/usr/sbin"

now = getattr(time, "monotonic", time.time)


def has(program):
    folders = PATH.split(os.pathsep)
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders)


MISSING = ["%s (apt install %s)" % item for item in sorted(PROGRAMS.items()) if not has(item[0])]


def wait_until(condition, what):
    deadline = now() + DEADLINE
    while not condition():
        if now() > deadline:
            raise AssertionError("never came true: " + what)
        time.sleep(0.01)


def become_ordinary():
    """What a daemon is before it begins: no child of root's, and not one that a Ctrl-C ends."""
    os.setsid()
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


class Daemon(object):
    """A libvirtd in a folder of its own. It ends by :meth:`close`, with what it has started."""

    def __init__(self):
        # The paths of its sockets must be short.
        self.folder = tempfile.mkdtemp(prefix="v", dir="/tmp")
        self._reserved = reserved_port()
        self.port = self._reserved.getsockname()[1]
        for name in "run", "config/libvirt", "cache", "data":
            os.makedirs(self._path(name), 0o700)
        self._write("libvirtd.conf", CONFIGURATION % (HOST, self.port))
        self._write("config/libvirt/qemu.conf", 'stdio_handler = "file"\n')
        if os.geteuid() == 0:
            for folder, _, files in os.walk(self.folder):
                for path in [folder] + [os.path.join(folder, name) for name in files]:
                    os.chown(path, NOBODY, NOBODY)
        self.process = None
        self.start()

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        with open(self._path(name), "w") as file:
            file.write(text)

    def uri(self, driver):
        path = {"test": "default", "qemu": "session"}[driver]
        return "%s+tcp://%s:%d/%s" % (driver, HOST, self.port, path)

    def start(self):
        environment = {"PATH": PATH, "HOME": self.folder}
        for name in "runtime_dir run", "config_home config", "cache_home cache", "data_home data":
            variable, folder = name.split()
            environment["XDG_" + variable.upper()] = self._path(folder)
        with open(self._path("log"), "a") as log:
            self.process = subprocess.Popen(
                ["libvirtd", "--listen", "-f", self._path("libvirtd.conf")]
                + ["-p", self._path("libvirtd.pid")],
                env=environment,
                stdout=log,
                stderr=log,
                preexec_fn=become_ordinary,
                cwd="/",
            )
        wait_until(self._listens, "the daemon listens")

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError("the daemon has ended:\n" + self.said())
        try:
            socket.create_connection((HOST, self.port), DEADLINE).close()
        except (socket.error, OSError):
            return False
        return True

    def said(self):
        """What it and its machines complained of."""
        texts = []
        machines = os.path.join(self._path("cache/libvirt/qemu/log"), "*.log")
        for path in [self._path("log")] + glob.glob(machines):
            with open(path) as log:
                texts.append("%s:\n%s" % (os.path.basename(path), log.read()))
        return "\n".join(texts)

    def kill(self):
        """Ends it without a word to anybody."""
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def stopped(self):
        """It hangs."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def virsh(self, driver, *words):
        """What virsh writes."""
        command = ["virsh", "-c", self.uri(driver)] + list(words)
        environment = dict(os.environ, PATH=PATH, LC_ALL="C")
        try:
            return subprocess.check_output(command, env=environment).decode().strip()
        except subprocess.CalledProcessError as error:
            raise AssertionError("%s\n%s" % (error, self.said()))

    def close(self):
        if self.process.poll() is None:
            self.kill()
        # Machines go on without their daemon.
        running = self._path("run/libvirt/qemu/run")
        for name in os.listdir(running) if os.path.isdir(running) else ():
            if name.endswith(".pid") and name != "driver.pid":
                with open(os.path.join(running, name)) as file:
                    kill_if_there(int(file.read()))
        self._reserved.close()
        shutil.rmtree(self.folder)


def kill_if_there(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise


class LibvirtTest(unittest.TestCase):
    def client(self, timeout=TIMEOUT):
        made = LibvirtWrapper(timeout=timeout)
        self.addCleanup(made.close)
        return made

    def fails_with(self, number, call, *args):
        with self.assertRaises(EnvironmentError) as caught:
            call(*args)
        found = caught.exception.errno
        self.assertEqual(errno.errorcode.get(found, found), errno.errorcode[number])
        return str(caught.exception)


class Qemu(LibvirtTest):
    """A machine, whose daemon all tests share."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()
        try:
            path = os.path.join(cls.daemon.folder, "small.xml")
            with open(path, "w") as file:
                file.write(SMALL_XML % SMALL)
            cls.daemon.virsh("qemu", "define", path)
            cls.daemon.virsh("qemu", "start", SMALL)
        except BaseException:
            cls.daemon.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.daemon.close()

    def setUp(self):
        # What befell it in one test is nothing to the next.
        if self.virsh("domstate", SMALL) != "running":
            self.virsh("start", SMALL)

    def shut_off(self):
        """Ends the machine, if the daemon is not about it already."""
        if self.virsh("domstate", SMALL) == "running":
            try:
                self.virsh("destroy", SMALL)
            except AssertionError:
                pass
        wait_until(lambda: self.virsh("domstate", SMALL) == "shut off", "the machine is off")

    def connected(self, **options):
        client = self.client(**options)
        client.connect_host("foo", self.daemon.uri("qemu"))
        return client

    def virsh(self, *words):
        return self.daemon.virsh("qemu", *words)

    def test_get_info_is_what_virsh_says(self):
        client = self.connected()
        before = client.get_info("foo", SMALL)
        lines = self.virsh("dominfo", SMALL).splitlines()
        after = client.get_info("foo", SMALL)
        parts = [line.partition(":") for line in lines]
        said = {key.strip(): value.strip() for key, _, value in parts}
        self.assertEqual(before.state, RUNNING)
        self.assertEqual(said["State"], "running")
        self.assertEqual("%d" % before.vcpus, said["CPU(s)"])
        self.assertEqual("%d KiB" % before.max_memory, said["Max memory"])
        self.assertEqual("%d KiB" % before.memory, said["Used memory"])
        # It goes on, and virsh rounds.
        seconds = float(said["CPU time"].rstrip("s"))
        self.assertLessEqual(before.cpu_time / 1e9 - 0.1, seconds)
        self.assertLessEqual(seconds, after.cpu_time / 1e9 + 0.1)
        self.assertGreater(after.cpu_time, 0)

    def test_suspend_and_resume_as_virsh_sees_it(self):
        client = self.connected()
        for _ in range(2):
            self.assertEqual(client.suspend("foo", SMALL), 0)
            self.assertEqual(self.virsh("domstate", SMALL), "paused")
            self.assertEqual(client.get_info("foo", SMALL).state, PAUSED)
            self.assertEqual(client.resume("foo", SMALL), 0)
            self.assertEqual(self.virsh("domstate", SMALL), "running")
        self.virsh("suspend", SMALL)
        self.assertEqual(client.get_info("foo", SMALL).state, PAUSED)
        self.virsh("resume", SMALL)
        self.assertEqual(client.get_info("foo", SMALL).state, RUNNING)

    def test_the_connection_is_kept(self):
        client = self.connected()
        for _ in range(50):
            client.get_info("foo", SMALL)
        self.assertEqual(client.stats(), {"connects": 1, "lookups": 1, "calls": 50})

    def test_a_daemon_that_is_killed_and_comes_again(self):
        """The machine runs on."""
        self.addCleanup(self.shut_off)
        client = self.connected(timeout=5)
        before = client.get_info("foo", SMALL)
        self.daemon.kill()
        self.fails_with(errno.ECONNREFUSED, client.get_info, "foo", SMALL)
        self.daemon.start()
        after = client.get_info("foo", SMALL)
        self.assertEqual(client.stats()["connects"], 2)
        if after.state == SHUT_OFF:
            # Now and then libvirt 9.0 itself ends a machine that it finds when it begins.
            self.assertIn("reason=daemon", self.daemon.said())
        else:
            self.assertEqual(after.state, RUNNING, self.daemon.said())
            self.assertGreaterEqual(after.cpu_time, before.cpu_time)

    def test_a_machine_that_goes_and_comes(self):
        client = self.connected(timeout=10)
        self.assertEqual(client.get_info("foo", SMALL).state, RUNNING)
        self.virsh("destroy", SMALL)
        self.assertEqual(client.get_info("foo", SMALL).state, SHUT_OFF)
        self.assertIn(SMALL, self.fails_with(errno.EBUSY, client.suspend, "foo", SMALL))
        self.virsh("undefine", SMALL)
        self.fails_with(errno.ENOENT, client.get_info, "foo", SMALL)
        # Under its old name it is another one.
        self.virsh("define", os.path.join(self.daemon.folder, "small.xml"))
        self.virsh("start", SMALL)
        self.assertEqual(client.get_info("foo", SMALL).state, RUNNING)

    def test_list_domains(self):
        self.assertEqual(self.connected().list_domains("foo"), [SMALL])


class TestDriver(LibvirtTest):
    """Daemons of one test each."""

    def daemon(self):
        made = Daemon()
        self.addCleanup(made.close)
        return made

    def connected(self, daemon, **options):
        client = self.client(**options)
        client.connect_host("foo", daemon.uri("test"))
        return client

    def test_two_hosts_with_one_name_of_a_domain(self):
        daemons = {"foo": self.daemon(), "bar": self.daemon()}
        client = self.client()
        for host, daemon in daemons.items():
            client.connect_host(host, daemon.uri("test"))
        self.assertEqual(client.suspend("foo", TEST), 0)
        for host, state in ("foo", PAUSED), ("bar", RUNNING):
            self.assertEqual(client.get_info(host, TEST).state, state)
        self.assertEqual(daemons["foo"].virsh("test", "domstate", TEST), "paused")
        self.assertEqual(daemons["bar"].virsh("test", "domstate", TEST), "running")
        # The end of one is nothing to the other.
        daemons["foo"].kill()
        self.fails_with(errno.ECONNREFUSED, client.get_info, "foo", TEST)
        self.assertEqual(client.get_info("bar", TEST).state, RUNNING)
        self.assertEqual(client.stats()["connects"], 2)

    def test_a_daemon_that_hangs(self):
        daemon = self.daemon()
        client = self.connected(daemon)
        self.assertEqual(client.get_info("foo", TEST).state, RUNNING)
        with daemon.stopped():
            for call in (
                lambda: client.get_info("foo", TEST),
                lambda: client.suspend("foo", TEST),
                lambda: client.list_domains("foo"),
                lambda: client.connect_host("bar", daemon.uri("test")),
            ):
                started = now()
                text = self.fails_with(errno.ETIMEDOUT, call)
                self.assertIn(daemon.uri("test"), text)
                self.assertLess(now() - started, TIMEOUT + LATER)
        wait_until(lambda: self.answers(client), "it works again")

    def answers(self, client):
        """Whether a call gets an answer, the daemon being late with what it was asked before."""
        try:
            return client.get_info("foo", TEST).state in (RUNNING, PAUSED)
        except EnvironmentError as error:
            self.assertEqual(error.errno, errno.ETIMEDOUT)
            return False

    def test_threads_while_the_daemon_hangs(self):
        daemon = self.daemon()
        client = self.connected(daemon)
        other = self.daemon()
        client.connect_host("bar", other.uri("test"))
        failures = []

        def ask():
            started = now()
            try:
                client.get_info("foo", TEST)
            except EnvironmentError as error:
                failures.append((error.errno, now() - started < TIMEOUT + LATER))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        with daemon.stopped():
            for thread in threads:
                thread.start()
            # What hangs does not hold up the other host.
            while any(thread.is_alive() for thread in threads):
                self.assertEqual(client.get_info("bar", TEST).state, RUNNING)
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [(errno.ETIMEDOUT, True)] * 8)

    def test_a_daemon_that_is_killed_and_comes_again(self):
        daemon = self.daemon()
        client = self.connected(daemon)
        self.assertEqual(client.get_info("foo", TEST).state, RUNNING)
        for count in 2, 3:
            daemon.kill()
            self.assertIn(TEST, self.fails_with(errno.ECONNREFUSED, client.get_info, "foo", TEST))
            daemon.start()
            self.assertEqual(client.get_info("foo", TEST).state, RUNNING)
            self.assertEqual(client.stats()["connects"], count)
        daemon.kill()
        daemon.start()
        # Nobody has seen that it was away.
        self.assertEqual(client.get_info("foo", TEST).state, RUNNING)

    def test_what_is_unknown(self):
        daemon = self.daemon()
        client = self.connected(daemon)
        self.fails_with(errno.ENOENT, client.get_info, "foo", "nobody")
        place = "%s:%d" % (HOST, daemon.port)
        for form in "nonsense+tcp://%s/default", "test+tcp://%s/no/such/file", "qemu+tcp://%s/x":
            uri = form % place
            with self.assertRaises(EnvironmentError) as caught:
                client.connect_host("bar", uri)
            self.assertIn(uri, str(caught.exception))
        self.fails_with(errno.ENOTCONN, client.get_info, "bar", TEST)
        self.assertEqual(client.get_info("foo", TEST).state, RUNNING)

    def test_list_domains_is_what_virsh_says(self):
        daemon = self.daemon()
        said = daemon.virsh("test", "list", "--all", "--name").split()
        self.assertEqual(self.connected(daemon).list_domains("foo"), said)

    def test_close_while_a_call_waits(self):
        daemon = self.daemon()
        client = self.connected(daemon)
        client.get_info("foo", TEST)
        codes = []

        def ask():
            try:
                while True:
                    client.get_info("foo", TEST)
            except EnvironmentError as error:
                codes.append(error.errno)

        thread = threading.Thread(target=ask)
        with daemon.stopped():
            thread.start()
            wait_until(lambda: client.stats()["calls"] > 1, "it asks")
            client.close()
            thread.join(DEADLINE)
        self.assertIn(codes, ([errno.ETIMEDOUT], [errno.EBADF]))


def interrupt(*_signal):
    raise KeyboardInterrupt


def main():
    if MISSING:
        print("not found: %s" % ", ".join(MISSING))
        return NOT_FOUND
    # Whatever ends the run, what it began ends too.
    for number in signal.SIGTERM, signal.SIGALRM:
        signal.signal(number, interrupt)
    signal.alarm(ALL_SECONDS)
    run = unittest.TestProgram(verbosity=2, exit=False)
    return 0 if run.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
