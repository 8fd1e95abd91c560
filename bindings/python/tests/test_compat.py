# -*- coding: utf-8 -*-
"""``python -m pyhelpers.compat``: the projects' names, and a script that notices nothing else."""

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
import zipfile

from support import DEADLINE, PY2, PYPY, with_one_backend

COMPAT = ["-m", "pyhelpers.compat"]

NAMES = """
import hio.core.udp.udping as u
import pickle
import pyed
import sys
import libvirt_wrapper, named_pipe_wrapper, receive_queue, time_manager
from hio.core.udp import Peer as exported, udping
from hio.core.udp.udping import Peer, PeerDoer, openPeer
from pyed.event import event
from pyed.events_epoll import events_select as events
from pyed.events_select import events_select
from pyed.tcpclient import tcpclient
from pyed.tcpconnection import tcpconnection
from pyed.tcpserver import tcpserver
from pyed.timers import timers
from pyhelpers.udp_handler import UdpHandlerDest

import pyhelpers.pyed.timers
import pyhelpers.receive_queue
import pyhelpers.udping

assert u is udping is pyhelpers.udping and Peer is exported is u.Peer
assert pyed is pyhelpers.pyed and sys.modules["pyed.timers"] is pyhelpers.pyed.timers
assert timers is pyhelpers.pyed.timers.timers and timers.__module__ == "pyhelpers.pyed.timers"
assert receive_queue is pyhelpers.receive_queue
assert receive_queue.__name__ == "pyhelpers.receive_queue"
if sys.version_info[0] > 2:
    assert receive_queue.__spec__.name == "pyhelpers.receive_queue"
for name in "receive_queue", "libvirt_wrapper", "named_pipe_wrapper", "time_manager":
    assert "pyhelpers" in sys.modules[name].__file__
arrival = u.Arrival(*range(7))
assert type(pickle.loads(pickle.dumps(arrival))) is u.Arrival
# As a program on the original has written it.
old = pickle.loads(b"chio.core.udp.udping\\nArrival\\n(I0\\nI1\\nI2\\nI3\\nI4\\nI5\\nI6\\ntR.")
assert old == arrival and type(old) is u.Arrival

for missing in "pyed._core", "pyed.http":
    try:
        __import__(missing)
    except ImportError as error:
        assert missing in str(error) and "tcpserver" in str(error), error
    else:
        raise AssertionError(missing)

import besides
assert besides.is_mine
with openPeer(port=0) as peer:
    assert peer.receive() == (b"", None)
print("fine")
"""

CLASSES = """
import sys
before = sorted(sys.modules)
assert "pyhelpers.libvirt_wrapper" not in before
buffers = ReceiveQueue(("a",), 2)
def later():
    return TimeManager, NamedPipeWrapper, BroadCastReceiver, openPeer
assert [each.__name__ for each in later()] == [
    "TimeManager", "NamedPipeWrapper", "BroadCastReceiver", "openPeer"]
class Peer(object):
    pass
assert Peer.__module__ == "__main__"
assert "LibvirtWrapper" not in dir(__builtins__)
print("fine")
"""

VARIABLES = """
'A doc.'
import sys
if __name__ == "__main__":
    import __main__
    names = set(globals()) - {"__spec__", "__cached__", "names"}
    assert __main__ is sys.modules["__main__"] and __main__.sys is sys
    print(sorted(names), ascii(__file__) if sys.version_info[0] > 2 else repr(__file__))
    print(sys.argv, __doc__, __package__, type(globals().get("__loader__")).__name__)
    print([repr(path).encode("ascii", "backslashreplace") for path in sys.path[:1]])
"""

RAISES = """
import atexit, sys, threading
atexit.register(sys.stdout.write, "at exit\\n")
threading.Thread(target=lambda: sys.stdout.write("thread\\n")).start()
def deep():
    try:
        [][1]
    except IndexError:
        {}["key"]
deep()
"""

HOOKED = """
import sys, traceback
def hook(kind, value, trace):
    print(kind, value, [entry[:3] for entry in traceback.extract_tb(trace)])
sys.excepthook = hook
1 / 0
"""

PROCESSES = """
import multiprocessing, os, sys
from receive_queue import ReceiveQueue

class Job(object):
    def __init__(self, number):
        self.number = number

def work(job):
    import pyhelpers.receive_queue, receive_queue
    assert receive_queue is pyhelpers.receive_queue
    return job.number * 2, ReceiveQueue.__name__

if __name__ == "__main__":
    ways = sys.argv[1:]
    for way in ways:
        context = multiprocessing.get_context(way) if way != "plain" else multiprocessing
        pool = context.Pool(1)
        print(pool.map(work, [Job(1), Job(2)]))
        pool.close()
        pool.join()
    sys.stdout.flush()
    if os.fork():
        print(os.wait()[1])
    else:
        sys.exit(work(Job(1))[0])
"""


setUpModule = with_one_backend


class CompatTest(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
        with open(path, "wb") as file:
            file.write(text.lstrip("\n").encode("utf-8"))
        return path

    def start(self, *arguments, **how):
        process = subprocess.Popen(
            how.get("prefix", []) + [sys.executable] + list(arguments),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        watchdog = threading.Timer(2 * DEADLINE, process.kill)
        self.addCleanup(watchdog.join)
        self.addCleanup(watchdog.cancel)
        watchdog.start()
        return process

    def outcome(self, process):
        out, err = process.communicate()
        return process.returncode, out.decode(), err.decode()

    def run_script(self, *arguments):
        return self.outcome(self.start(*(COMPAT + list(arguments))))

    def goes_well(self, *arguments):
        status, out, err = self.run_script(*arguments)
        self.assertEqual((status, err), (0, ""))
        return out

    def is_as_python(self, *arguments):
        """Status, output and errors are Python's own; gives them."""
        plain, ours = self.start(*arguments), self.start(*(COMPAT + list(arguments)))
        plain, ours = self.outcome(plain), self.outcome(ours)
        self.assertEqual(ours, plain)
        return ours


class Names(CompatTest):
    def test_the_projects_names_are_ours_whatever_lies_beside_the_script(self):
        trap = "raise AssertionError(__name__ + ' is not ours')"
        for name in "receive_queue", "libvirt_wrapper", "named_pipe_wrapper", "time_manager":
            self.write("place/%s.py" % name, trap)
        for name in "pyed/__init__", "pyed/timers", "pyed/_core", "pyhelpers/__init__":
            self.write("place/%s.py" % name, trap)
        self.write("place/besides.py", "is_mine = True")
        self.assertEqual(self.goes_well(self.write("place/names.py", NAMES)), "fine\n")

    def test_classes_that_the_documents_do_not_import(self):
        self.assertEqual(self.goes_well(self.write("classes.py", CLASSES)), "fine\n")

    def test_the_rest_of_hio(self):
        """Its own, where it is there; else an error that says so."""
        program = """
            from hio.core.udp.udping import Peer, PeerDoer
            try:
                import hio.base.doing, hio
            except ImportError as error:
                assert "install hio" in str(error), error
                import hio
                assert getattr(hio, "__spec__", hio)
                print("bare")
            else:
                assert issubclass(PeerDoer, hio.base.doing.Doer) and hio.__file__
                print("hio")
            assert Peer.__module__ == "pyhelpers.udping"
            """
        try:
            import hio
        except ImportError:
            hio = None
        out = self.goes_well(self.write("rest.py", textwrap.dedent(program)))
        self.assertEqual(out, "hio\n" if hio else "bare\n")

    def test_a_hio_beside_the_script(self):
        self.write("hio/__init__.py", "")
        for name in "core", "core/udp":
            self.write("hio/%s/__init__.py" % name, "")
        self.write("hio/core/udp/udping.py", "raise AssertionError")
        self.write("hio/core/more.py", "word = 'theirs'")
        program = "import hio.core.udp.udping as u\nimport hio.core.more as more\n"
        found = self.goes_well(self.write("script.py", program + "print(u.__name__, more.word)"))
        self.assertIn("pyhelpers.udping", found)
        self.assertIn("theirs", found)


class AsPython(CompatTest):
    def test_what_a_script_sees_of_itself(self):
        self.write("script.py", VARIABLES)
        self.assertEqual(self.is_as_python("script.py", "a", "-m", "--help")[0], 0)
        # The folder may not be writable, and nothing is written there.
        place = self.write(u"d\xe9j\xe0 vu/\u043f.py", VARIABLES)
        folder = os.path.dirname(place)
        os.chmod(folder, 0o555)
        relative = os.path.relpath(place, self.folder)
        if PY2:
            relative = relative.encode("utf-8")
        self.assertEqual(self.is_as_python(relative)[0], 0)
        self.assertEqual(len(os.listdir(folder)), 1)

    def test_what_a_script_raises(self):
        status, out, err = self.is_as_python(self.write("raises.py", RAISES), "x")
        self.assertEqual(status, 1)
        self.assertIn("at exit", out)
        self.assertIn('{}["key"]', err)
        self.is_as_python(self.write("hooked.py", HOOKED))
        self.assertIn("SyntaxError", self.is_as_python(self.write("wrong.py", "x = = 1\n"))[2])

    def test_how_a_script_ends(self):
        end = "import os, signal, sys, time\n"
        interrupt = "os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(20)\n"
        status, _, err = self.is_as_python(self.write("interrupt.py", end + interrupt))
        self.assertIn("KeyboardInterrupt", err)
        self.assertNotIn(status, (0, 2))
        word = self.write("word.py", end + "sys.exit('word')")
        self.assertEqual(self.run_script(word), (1, "", "word\n"))
        self.assertEqual(self.run_script(self.write("three.py", end + "sys.exit(3)")), (3, "", ""))

    def test_a_folder_a_zip_file_and_a_module(self):
        self.write("folder/__main__.py", VARIABLES)
        self.assertEqual(self.is_as_python("folder", "x")[0], 0)
        with zipfile.ZipFile(os.path.join(self.folder, "file.zip"), "w") as archive:
            archive.writestr("__main__.py", "import receive_queue\nprint(receive_queue.__name__)\n")
        self.assertEqual(self.goes_well("file.zip"), "pyhelpers.receive_queue\n")
        self.write("module.py", "import pyed, sys\nprint(pyed.__name__ + sys.argv[1])\n")
        self.assertEqual(self.goes_well("-m", "module", "-x"), "pyhelpers.pyed-x\n")

    @unittest.skipIf(PYPY, "PyPy's own -m needs a working directory")
    def test_without_a_working_directory(self):
        path = self.write("script.py", "import pyed\nprint(pyed.__name__)\n")
        leave = ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh"]
        outcome = self.outcome(self.start(*(COMPAT + [path]), prefix=leave))
        self.assertEqual(outcome, (0, "pyhelpers.pyed\n", ""))

    def test_a_prompt_follows_the_script(self):
        path = self.write("script.py", "import pyed\n")
        process = self.start("-i", *(COMPAT + [path]))
        self.assertNotIn("SystemExit", self.outcome(process)[2])

    def test_there_is_no_such_script(self):
        status, out, err = self.run_script("missing.py")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("missing.py", err)
        self.assertIn("No such file or directory", err)
        self.assertEqual(len(err.splitlines()), 1)
        os.mkdir(os.path.join(self.folder, "empty"))
        self.assertIn("__main__", self.is_as_python("empty")[2])

    def test_usage(self):
        self.assertIn("usage: python -m pyhelpers.compat", self.goes_well("--help"))
        status, out, err = self.run_script("--frobnicate")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("usage: python -m pyhelpers.compat", err)


class Processes(CompatTest):
    def test_children(self):
        """Forked, and where Python has them spawned ones, which run the script again."""
        ways = ["plain"] if PY2 else ["plain", "spawn"]
        pools = "[(2, 'ReceiveQueue'), (4, 'ReceiveQueue')]\n" * len(ways)
        path = self.write("processes.py", PROCESSES)
        self.assertEqual(self.goes_well(path, *ways), pools + "512\n")


if __name__ == "__main__":
    unittest.main()
