import importlib.util
import os
import signal
import unittest

from beep_python import _process

from .host import readable
from .zygotes import ZygoteTest, gone


class Inherited(ZygoteTest):
    """What a module that is preloaded made is the zygote's."""

    def end(self, zygote, worker):
        worker.close_link()
        told = zygote.told()[0]
        self.assertEqual((told["died"], told["status"]), (worker.pid, 0), worker.output(worker.stderr))
        return worker.output(worker.stdout)

    def test_sessions_do_not_end_it_and_the_zygote_does(self):
        module = self.module(
            "made",
            "import atexit, os, tempfile, weakref\n"
            "folder = tempfile.TemporaryDirectory(dir='.')\n"
            "named = tempfile.NamedTemporaryFile(dir='.')\n"
            "class A:\n    def __del__(self): print('object ended', flush=True)\n"
            "a, extra, owner = A(), [A()], A()\n"
            "weakref.finalize(owner, lambda: print('finalized', flush=True))\n"
            "atexit.register(lambda: print('exit', os.getpid(), flush=True))\n",
        )
        zygote = self.zygote(module)
        worker = zygote.fork(1)
        worker.evaluate("import made, os, sys, weakref, gc, atexit\nname = made.folder.name\ndel made.a, made.folder, made.named, made.owner\nmade.extra.clear(); gc.collect()")
        worker.evaluate("class B: pass\nb = B()\nweakref.finalize(b, print, 'own')\natexit.register(print, 'own exit')\nNone")
        self.assertEqual(self.end(zygote, worker), "own exit\nown\n")
        other = zygote.fork(2)
        other.evaluate("import made, os")
        self.assertTrue(other.evaluate("os.path.isdir(made.folder.name) and os.path.exists(made.named.name)"))
        self.assertEqual(self.end(zygote, other), "")
        thawed = zygote.fork(3)
        thawed.evaluate("import gc\ngc.unfreeze()")
        self.assertEqual(self.end(zygote, thawed), "")
        last = zygote.fork(4)
        self.assertTrue(last.evaluate("import made, os\nos.path.isdir(made.folder.name) and os.path.exists(made.named.name)"))
        self.assertEqual(self.end(zygote, last), "")
        zygote.control.close()
        self.assertEqual(zygote.process.wait(30), 0)
        said = zygote.said()
        self.assertIn("exit %d\n" % zygote.process.pid, said)
        self.assertIn("finalized\n", said)
        self.assertNotIn("object ended", said)
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith("tmp")][1:], [])

    def test_one_that_hangs_at_its_end_does_not_keep_the_zygote(self):
        module = self.module("hangs", "import atexit, subprocess, time\nhelper = subprocess.Popen(['sleep', '1000'])\natexit.register(time.sleep, 1000)")
        zygote = self.zygote(module)
        helper = _process.open_pidfd(zygote.fork().evaluate("import hangs\nhangs.helper.pid"))
        zygote.control.close()
        self.assertEqual(zygote.process.wait(30), 0)
        gone(helper)

    def test_helper_processes_live_until_the_host_ends(self):
        module = self.module("helped", "import subprocess\nhelper = subprocess.Popen(['sh', '-c', 'sleep 1000; true'], stdin=subprocess.PIPE)")
        zygote = self.zygote(module)
        worker = zygote.fork(1)
        pidfd = _process.open_pidfd(worker.evaluate("import helped, subprocess\nhelped.helper.pid"))
        orphan = _process.open_pidfd(worker.evaluate("subprocess.Popen(['sleep', '1000']).pid"))
        os.kill(worker.pid, signal.SIGKILL)
        zygote.told()
        gone(orphan)
        self.end(zygote, zygote.fork(2))
        with self.assertRaises(AssertionError):
            readable(pidfd, 0)
        zygote.control.close()
        gone(pidfd)

    def test_those_of_multiprocessing_too(self):
        module = self.module(
            "pooled",
            "import multiprocessing, time\n"
            "context = multiprocessing.get_context('fork')\n"
            "process = context.Process(target=time.sleep, args=(1000,), daemon=True)\nprocess.start()\n",
        )
        zygote = self.zygote(module)
        worker = zygote.fork()
        pidfd = _process.open_pidfd(worker.evaluate("import pooled\npooled.process.pid"))
        worker.evaluate("own = pooled.context.Process(target=pooled.time.sleep, args=(1000,), daemon=True)\nown.start()\n1")
        own = _process.open_pidfd(worker.evaluate("own.pid"))
        self.end(zygote, worker)
        gone(own)
        with self.assertRaises(AssertionError):
            readable(pidfd, 0)
        zygote.close_lifeline()
        zygote.control.close()
        self.assertEqual(zygote.process.wait(30), 0)
        gone(pidfd)

    def test_a_preloaded_logging_still_flushes_the_sessions_handlers(self):
        module = self.module("logs", "import logging.handlers\nclass Ours(logging.NullHandler):\n    def close(self): print('closed', flush=True)\nours = Ours()")
        zygote = self.zygote(module)
        worker = zygote.fork()
        worker.evaluate(
            "import logging.handlers\n"
            "logging.getLogger().addHandler(logging.handlers.MemoryHandler(100, target=logging.FileHandler('log', delay=True)))\n"
            "logging.warning('abc')\nNone"
        )
        self.assertEqual(self.end(zygote, worker), "")
        with open(os.path.join(self.folder, "log")) as file:
            self.assertEqual(file.read(), "abc\n")

    def test_a_file_in_a_container_of_its_is_written(self):
        zygote = self.zygote(self.module("box", "files = []"))
        worker = zygote.fork()
        worker.evaluate("import box\nbox.files.append(open('kept', 'w'))\nbox.files[0].write('abc')")
        self.end(zygote, worker)
        with open(os.path.join(self.folder, "kept")) as file:
            self.assertEqual(file.read(), "abc")

    def test_what_its_buffers_hold_is_written_once(self):
        module = self.module(
            "buffered",
            "import ctypes\nf = open('python', 'w')\nf.write('a')\nlibc = ctypes.CDLL(None)\nlibc.fopen.restype = ctypes.c_void_p\n"
            "c = ctypes.c_void_p(libc.fopen(b'c', b'w'))\nlibc.fputs(b'a', c)\n",
        )
        zygote = self.zygote(module)
        for number in (1, 2):
            worker = zygote.fork(number)
            worker.evaluate("import buffered\nbuffered.f.flush()\nbuffered.f.write('b')\nbuffered.libc.fputs(b'b', buffered.c)\nbuffered.f.flush()")
            self.end(zygote, worker)
        for name in ("python", "c"):
            with open(os.path.join(self.folder, name)) as file:
                self.assertEqual(file.read(), "abb", name)


    def test_shared_memory_of_a_preloaded_module_stays_for_all_sessions(self):
        name = "/beep-made-%d" % os.getpid()
        module = self.module("sharing", "from multiprocessing import shared_memory\nm = shared_memory.SharedMemory(%r, True, 10)" % name)
        zygote = self.zygote(module)
        worker = zygote.fork(1)
        worker.evaluate("import sharing\nsharing.m.buf[0] = 7\nown = sharing.shared_memory.SharedMemory(create=True, size=10)\nown.name")
        own = worker.evaluate("own.name")
        tracker = _process.open_pidfd(worker.evaluate("from multiprocessing import resource_tracker as r\nr._resource_tracker._pid"))
        self.end(zygote, worker)
        gone(tracker)
        self.assertFalse(os.path.exists("/dev/shm/" + own))
        self.assertEqual(zygote.fork(2).evaluate("import sharing\nsharing.m.buf[0]"), 7)
        zygote.control.close()
        self.assertEqual(zygote.process.wait(30), 0)
        self.assertFalse(os.path.exists("/dev/shm" + name))


class Files(ZygoteTest):
    def test_those_that_are_read_have_a_position_for_each_session(self):
        with open(os.path.join(self.folder, "records"), "w") as file:
            file.write("".join("%05d\n" % number for number in range(20000)))
        module = self.module(
            "opened",
            "import ctypes, os\ntext = open('records')\nfirst = text.readline()\nraw = os.open('records', os.O_RDONLY)\nos.read(raw, 6)\n"
            "binary = open('records', 'rb', buffering=0)\nos.set_inheritable(binary.fileno(), True)\n"
            "gone = open('deleted', 'w+'); gone.write('abc'); gone.flush(); removed = open('deleted'); os.remove('deleted'); gone.close()\n",
        )
        zygote = self.zygote(module)
        one, two = zygote.fork(1), zygote.fork(2)
        for worker in (one, two):
            worker.evaluate("import opened, os")
        code = "(int(opened.text.readline()), int(os.read(opened.raw, 6)), int(opened.binary.read(6)))"
        for number in range(3000):
            for worker in (one, two) if number % 1000 == 0 else (one,):
                worker.evaluate("x = %s" % code)
        self.assertEqual(one.evaluate(code), [3001, 3001, 3000])
        self.assertEqual(two.evaluate(code), [4, 4, 3])
        self.assertEqual(one.evaluate("opened.removed.read()"), "abc")
        self.assertEqual(two.evaluate("opened.removed.read()"), "abc")
        self.assertEqual(one.evaluate("(os.get_inheritable(opened.binary.fileno()), os.get_inheritable(opened.raw))"), [True, False])

    def test_those_that_are_written_share_it_and_are_named(self):
        module = self.module("writes", "log = open('shared.log', 'w', buffering=1)")
        zygote = self.zygote(module)
        said = zygote.said()
        self.assertIn("shared.log", said)
        for number in (1, 2, 3):
            zygote.fork(number).evaluate("import writes\nwrites.log.write('line %d\\n')" % number)
        with open(os.path.join(self.folder, "shared.log")) as file:
            self.assertEqual(file.read(), "line 1\nline 2\nline 3\n")

    def test_one_that_is_locked_stays_as_it_is(self):
        module = self.module("locks", "import fcntl\nopen('lock', 'w').close()\nlock = open('lock')\nfcntl.flock(lock, fcntl.LOCK_EX)")
        worker = self.zygote(module).fork()
        self.assertIsNone(worker.evaluate("import locks\nlocks.fcntl.flock(locks.lock, locks.fcntl.LOCK_EX | locks.fcntl.LOCK_NB)"))


class EventLoops(ZygoteTest):
    def test_that_of_a_preloaded_module_wakes_in_its_session_alone(self):
        self.module("lp", "import asyncio, os\nloop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)\n"
            "async def warm(): return 'warm'\nloop.run_until_complete(warm())\nseen = []\n"
            "r, w = os.pipe()\nloop.add_reader(r, lambda: seen.append(os.read(r, 9)))\nos.set_blocking(r, False)")
        zygote = self.zygote("lp")
        self.assertIsNone(zygote.hello["fork_unsafe"])
        one, two = zygote.fork(1, "a"), zygote.fork(2, "b")
        for worker in (one, two):
            worker.evaluate("import lp, os, select, asyncio\nNone")
        one.evaluate("lp.loop.call_soon_threadsafe(print)\nnew = os.pipe()\nos.write(new[1], b'x')\nlp.loop.add_reader(new[0], print)\nNone")
        self.assertEqual(two.evaluate("select.select([lp.loop._ssock], [], [], 0)[0]"), [])
        self.assertEqual(two.evaluate("lp.loop._selector.select(0), select.epoll.fromfd(os.dup(lp.loop._selector.fileno())).poll(0)"), [[], []])
        one.evaluate("lp.loop.remove_reader(new[0])")
        # What it watches it goes on watching.
        two.evaluate("os.write(lp.w, b'y')\nNone")
        self.assertEqual(two.evaluate("lp.loop.run_until_complete(asyncio.sleep(0, 'ran')), lp.seen"), ["ran", ["eQ=="]])

    def test_one_that_is_closed_stays_so(self):
        self.module("closed", "import asyncio\nloop = asyncio.new_event_loop()\nloop.close()")
        worker = self.zygote("closed").fork()
        self.assertEqual(worker.evaluate("import closed, asyncio\nclosed.loop.is_closed(), await asyncio.sleep(0, 1)"), [True, 1])


class ChildrensEnds(ZygoteTest):
    SEEN = "import os, signal, time\nos.system('true')\n%s"

    def test_a_handler_of_a_preloaded_module_is_told(self):
        self.module("told", "import signal\nhits = []\nsignal.signal(signal.SIGCHLD, lambda number, frame: hits.append(number))")
        zygote = self.zygote("told")
        for number in (1, 2):
            worker = zygote.fork(number, "s%d" % number)
            self.assertEqual(worker.evaluate(self.SEEN % "import told\nlen(told.hits)"), 1)

    def test_a_handler_of_c_code_is_told(self):
        self.module("cee", "import ctypes\n"
            "handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: hits.append(number))\nhits = []\n"
            "ctypes.CDLL(None).signal(17, handler)")
        worker = self.zygote("cee").fork()
        self.assertEqual(worker.evaluate(self.SEEN % "import cee\nlen(cee.hits) > 0"), True)

    def test_without_one_nothing_is_done(self):
        worker = self.zygote("json").fork()
        self.assertEqual(worker.evaluate("import signal\nsignal.getsignal(signal.SIGCHLD) == signal.SIG_DFL"), True)


class RandomNumbers(ZygoteTest):
    def draws(self, module, *expressions):
        """The numbers of two sessions, and of the program that imports the module by itself."""
        zygote = self.zygote(module)
        code = "import %s as m\n[%s]" % (module, ", ".join("float(%s)" % expression for expression in expressions))
        return list(zip(zygote.fork(1).evaluate(code), zygote.fork(2).evaluate(code)))

    def test_generators_without_a_seed_differ_and_seeded_ones_repeat(self):
        import random

        module = self.module(
            "drawing",
            "import random\nfrom random import Random, seed\nfree, five, later, again = Random(), Random(5), Random(), Random(5)\n"
            "later.seed(5)\nagain.seed()\nstate = Random(); state.setstate(Random(5).getstate())\n"
            "class Sub(Random): pass\nsub, subfive = Sub(), Sub(5)\nholder = {'deep': [Random()]}\n",
        )
        free, five, later, again, state, sub, subfive, deep, shared = self.draws(
            module,
            *("m.%s.random()" % name for name in ("free", "five", "later", "again", "state", "sub", "subfive", "holder['deep'][0]", "random")),
        )
        for one, two in (free, again, sub, deep, shared):
            self.assertNotEqual(one, two)
        for pair in (five, later, state, subfive):
            self.assertEqual(pair, (random.Random(5).random(),) * 2)

    def test_functions_of_random_that_a_module_seeded_repeat(self):
        import random

        for name, line in (("seeding", "random.seed(5)"), ("setting", "random.setstate(random.Random(5).getstate())")):
            (pair,) = self.draws(self.module(name, "import random\n" + line), "m.random.random()")
            self.assertEqual(pair, (random.Random(5).random(),) * 2)

    def test_seeding_in_a_session_works_as_ever(self):
        zygote = self.zygote(self.module("empty", "import random"))
        code = "import random\nrandom.seed(5)\na = random.random()\nb = random.Random(5)\n[a, b.random(), random.Random(5).random()]"
        self.assertEqual(len(set(zygote.fork().evaluate(code))), 1)

    @unittest.skipIf(importlib.util.find_spec("numpy") is None, "numpy is not installed")
    def test_those_of_numpy(self):
        module = self.module(
            "arrays",
            "import numpy as np\nfree, five, big = np.random.default_rng(), np.random.default_rng(5), np.random.default_rng(1 << 127)\n"
            "old, oldfive, philox = np.random.RandomState(), np.random.RandomState(5), np.random.Generator(np.random.Philox())\n"
            "child = np.random.default_rng(np.random.SeedSequence(5).spawn(1)[0])\n",
        )
        names = ("free", "five", "big", "old", "oldfive", "philox", "child", "np.random")
        free, five, big, old, oldfive, philox, child, shared = self.draws(module, *("m.%s.normal()" % name for name in names))
        for one, two in (free, old, philox, shared):
            self.assertNotEqual(one, two)
        for one, two in (five, big, oldfive, child):
            self.assertEqual(one, two)
        import numpy

        self.assertEqual(five[0], numpy.random.default_rng(5).normal())

    @unittest.skipIf(importlib.util.find_spec("numpy") is None, "numpy is not installed")
    def test_numpy_seeded_as_a_whole_repeats(self):
        one, two = self.draws(self.module("whole", "import numpy as np\nnp.random.seed(5)"), "m.np.random.rand()")[0]
        self.assertEqual(one, two)

    def test_that_of_torch(self):
        text = "class Generator:\n    def __init__(self, seed): self.value = seed\n    def initial_seed(self): return self.value\n    def seed(self): import os; self.value = int.from_bytes(os.urandom(6), 'little')\nclass cuda:\n    is_initialized = staticmethod(lambda: False)\n"
        self.module("torch", text + "default_generator = Generator(%d)" % (1 << 50))
        free = self.draws("torch", "m.default_generator.value")[0]
        self.assertNotEqual(*free)
        self.module("torch", text + "default_generator = Generator(5)  #")
        self.assertEqual(self.draws("torch", "m.default_generator.value")[0], (5, 5))


class Spawned(ZygoteTest):
    def test_what_modules_of_a_spawned_worker_made_ends_with_it(self):
        module = self.module(
            "spawned",
            "import tempfile, threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
            "folder = tempfile.TemporaryDirectory(dir='.')\nfile = open('written-%s' % folder.name[-8:], 'w')\nfile.write('abc')\n",
        )
        zygote = self.zygote(module)
        worker = zygote.fork()
        folder = worker.evaluate("import os, spawned\nos.path.abspath(spawned.folder.name)")
        worker.close_link()
        self.assertEqual(zygote.told()[0]["status"], 0)
        self.assertEqual(worker.output(worker.stderr), "")
        self.assertFalse(os.path.exists(folder))
        with open(os.path.join(self.folder, "written-" + folder[-8:])) as file:
            self.assertEqual(file.read(), "abc")
