import importlib.util
import os
import signal
import subprocess
import sys
import unittest
from unittest import mock

from beep_python import _process

from .host import EVALUATE, readable
from .zygotes import BOOT, ZygoteTest, gone


class Forking(ZygoteTest):
    def test_it_says_what_it_is(self):
        hello = self.zygote().hello
        self.assertEqual(hello, {"python": sys.version.split()[0], "failures": {}, "fork_unsafe": None})

    def test_workers_work(self):
        zygote = self.zygote()
        one, two = zygote.fork(1, "a"), zygote.fork(2, "b", 4)
        one.evaluate("x = 1")
        self.assertFalse(two.evaluate("'x' in globals()"))
        self.assertEqual(one.evaluate("x"), 1)
        self.assertIn(b'"handleId":"b.4.1"', two.call(EVALUATE, {"expression": "1j"})[1])
        self.assertEqual(one.evaluate("import os\nos.getpid()"), one.pid)
        self.assertEqual(one.evaluate("os.getppid()"), zygote.process.pid)
        self.assertEqual(one.evaluate("os.getsid(0)"), one.pid)

    def test_a_module_that_replaces_functions_of_the_system_changes_nothing(self):
        # as gevent.monkey does
        self.module("patches", "import os, select, signal\ndef no(*args): raise SystemError('not for the host')\nos.fork = select.poll = select.select = signal.signal = signal.set_wakeup_fd = no")
        zygote = self.zygote("patches")
        for number in (1, 2):
            worker = zygote.fork(number, "s%d" % number)
            self.assertEqual(worker.evaluate("1+1"), 2)
        os.kill(worker.pid, signal.SIGKILL)
        self.assertEqual(zygote.told()[0]["died"], worker.pid)

    def test_what_a_worker_finds(self):
        worker = self.zygote().fork()
        worker.evaluate("import os, sys, signal")
        self.assertEqual(worker.evaluate("(sys.argv, sys.path[0], os.getcwd())"), [[""], "", os.path.realpath(self.folder)])
        self.assertEqual(worker.evaluate("sys.executable"), sys.executable)
        self.assertEqual(worker.fails("input()")["type"], "EOFError")
        # that of the page's mapping, and that with which the folder is read
        self.assertEqual(worker.evaluate("len([n for n in os.listdir('/proc/self/fd') if 2 < int(n) < 16])"), 2)
        self.assertEqual(worker.evaluate("signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL"), True)
        self.assertEqual(worker.evaluate("[n for n in sys.modules if n in ('unittest', 'asyncio', 'numpy')]"), [])

    def test_its_own_package_hides_no_module(self):
        for name in ("json", "socket", "asyncio", "beep_python", "linecache", "traceback", "tokenize", "ast", "warnings"):
            self.module(name, "raise RuntimeError('shadowed')")
        worker = self.zygote().fork()
        self.assertEqual(worker.evaluate("1+1"), 2)
        self.module("fails", "x = 'ab'[5]")
        self.assertEqual([at["code"] for at in worker.fails("x = 1\nimport fails")["traceback"]], ["import fails", "x = 'ab'[5]"])

    def test_code_that_is_called_string_shows_no_lines_of_the_start(self):
        worker = self.zygote().fork()
        self.assertEqual([at["code"] for at in worker.fails("exec('\\n\\n1/0')")["traceback"][1:]], [None])
        self.assertEqual(worker.evaluate("import __main__\nhasattr(__main__, '__file__')"), False)

    def test_deaths_are_told(self):
        zygote = self.zygote()
        for code, status in (
            ("import os\nos._exit(3)", 3 << 8),
            ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 9),
            ("import os\nos.closerange(0, 5000)", 70 << 8),
        ):
            worker = zygote.fork()
            worker.send(EVALUATE, {"expression": code})
            told, _ = zygote.told()
            self.assertEqual((told["died"], told["status"]), (worker.pid, status))
            self.assertGreater(told["maxrss"], 1 << 20)

    def test_a_worker_that_is_told_to_end_ends(self):
        zygote = self.zygote()
        worker = zygote.fork()
        worker.close_link()
        self.assertEqual(zygote.told()[0]["status"], 0)

    def test_a_crash_is_explained_by_faulthandler(self):
        zygote = self.zygote()
        worker = zygote.fork()
        worker.send(EVALUATE, {"expression": "import ctypes\nctypes.string_at(0)"})
        self.assertEqual(zygote.told()[0]["status"] & 0x7F, signal.SIGSEGV)
        self.assertIn("Segmentation fault", worker.output(worker.stderr))

    def test_what_a_worker_leaves_behind_ends_and_is_not_told_of(self):
        zygote = self.zygote()
        worker = zygote.fork()
        orphan = worker.evaluate("import subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True).pid")
        pidfd = _process.open_pidfd(orphan)
        worker.close_link()
        self.assertEqual(zygote.told()[0]["died"], worker.pid)
        gone(pidfd)
        other = zygote.fork()
        other.close_link()
        self.assertEqual(zygote.told()[0]["died"], other.pid)
        self.assertFalse(os.path.exists("/proc/%d" % orphan))

    def test_a_mark_is_passed_on_to_all_that_a_worker_starts(self):
        zygote = self.zygote()
        workers = zygote.fork(1), zygote.fork(2)
        start = "import subprocess\nsubprocess.Popen(['env', '-i', '/bin/sleep', '1000'], start_new_session=True).pid"
        marks = [_process.mark_of(worker.evaluate(start)) for worker in workers]
        self.assertEqual(marks, [(1 << 62) + 1, (1 << 62) + 2])
        self.assertEqual(_process.mark_of(2**22 + 1), None)

    def test_marks_without_prlimit(self):
        with mock.patch.object(_process.resource, "prlimit", None):
            del _process.resource.prlimit
            self.assertEqual(_process.mark_of(self.zygote().fork(7).pid), (1 << 62) + 7)
            self.assertEqual(_process.mark_of(2**22 + 1), None)

    def test_where_nothing_can_be_marked_a_worker_adopts_its_orphans(self):
        module = self.module("refused", "import resource\ndef setrlimit(*given): raise OSError(22, 'no')\nresource.setrlimit = setrlimit")
        zygote = self.zygote(module)
        worker = zygote.fork()
        worker.evaluate("import os\ntold, tells = os.pipe()")
        worker.evaluate("if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    os.write(tells, b'x')\n    import signal; signal.pause()")
        orphan = worker.evaluate("os.wait(); os.read(told, 1)\nint(open('/proc/self/task/%d/children' % os.getpid()).read())")
        pidfd = _process.open_pidfd(orphan)
        os.kill(worker.pid, signal.SIGKILL)
        gone(pidfd)

    def test_what_is_left_of_one_worker_is_not_taken_for_that_of_another(self):
        zygote = self.zygote()
        dead, live = zygote.fork(1), zygote.fork(2)
        daemon = "import os, subprocess, sys\nint(subprocess.run(['sh', '-c', 'setsid sleep 1000 >&- & echo $!'], stdout=-1).stdout)"
        pidfds = [_process.open_pidfd(worker.evaluate(daemon)) for worker in (dead, live)]
        os.kill(dead.pid, signal.SIGKILL)
        gone(pidfds[0])
        with self.assertRaises(AssertionError):
            readable(pidfds[1], 0)
        live.close_link()
        gone(pidfds[1])

    def test_a_fork_that_fails_is_told(self):
        module = self.module("limited", "import sys\ndef fail(): raise BlockingIOError(11, 'no more')\nsys.modules['beep_python._zygote'].fork = fail")
        zygote = self.zygote(module)
        with self.assertRaisesRegex(AssertionError, "no more"):
            zygote.fork()

    def test_a_python_without_pidfd_open(self):
        module = self.module("portable", "import os\ndel os.pidfd_open, os.memfd_create")
        worker = self.zygote(module).fork()
        self.assertEqual(worker.evaluate("1+1"), 2)
        os.kill(worker.pid, signal.SIGKILL)
        gone(os.dup(worker.pidfd))

    def test_pidfds_without_pidfd_open(self):
        with mock.patch.dict(os.__dict__):
            del os.pidfd_open
            pidfd = _process.open_pidfd(os.getpid())
            self.assertFalse(os.get_inheritable(pidfd))
            os.close(pidfd)
            with self.assertRaises(ProcessLookupError):
                _process.open_pidfd(2**22 + 1)  # beyond the kernel's limit

    def test_random_numbers_differ(self):
        zygote = self.zygote("random")
        code = "import random\nrandom.random()"
        self.assertNotEqual(zygote.fork().evaluate(code), zygote.fork().evaluate(code))


class Preload(ZygoteTest):
    def test_modules_are_there(self):
        module = self.module("loaded", "import os\npid = os.getpid()")
        zygote = self.zygote(module)
        self.assertEqual(zygote.hello["failures"], {})
        self.assertEqual(zygote.fork().evaluate("import loaded\nloaded.pid"), zygote.process.pid)

    def test_failures_are_told_and_the_rest_is_loaded(self):
        names = [self.module("first", "1/0"), self.module("second", "raise SystemExit(3)"), self.module("third", "a = 5")]
        zygote = self.zygote("no_such_module", *names)
        self.assertEqual(
            zygote.hello["failures"],
            {
                "no_such_module": "ModuleNotFoundError: No module named 'no_such_module'",
                "first": "ZeroDivisionError: division by zero",
                "second": "SystemExit: 3",
            },
        )
        self.assertEqual(zygote.fork().evaluate("import third\nthird.a"), 5)

    def test_a_module_that_leaves_a_thread_makes_it_spawn(self):
        self.module("threads", "import os, threading\npid = os.getpid()\nthreading.Thread(target=threading.Event().wait, daemon=True).start()")
        zygote = self.zygote("json", "threads")
        self.assertEqual(zygote.hello["fork_unsafe"], "importing threads left threads running")
        worker = zygote.fork(tag="t")
        self.assertEqual(worker.evaluate("import threads\nthreads.pid"), worker.pid)
        self.assertEqual(worker.evaluate("import threading\nthreading.active_count()"), 2)
        self.assertIn(b'"handleId":"t.1.1"', worker.call(EVALUATE, {"expression": "1j"})[1])
        worker.close_link()
        self.assertEqual(zygote.told()[0]["status"], 0)

    def test_one_that_leaves_a_native_thread_too(self):
        self.module(
            "natives",
            "import ctypes, os\npid = os.getpid()\nlibc = ctypes.CDLL(None)\nthread = ctypes.c_ulong()\n"
            "libc.pthread_create(ctypes.byref(thread), None, ctypes.cast(libc.pause, ctypes.c_void_p), None)",
        )
        zygote = self.zygote("json", "natives")
        self.assertEqual(zygote.hello["fork_unsafe"], "importing natives left threads running")
        worker = zygote.fork()
        self.assertEqual(worker.evaluate("import natives\nnatives.pid"), worker.pid)

    @unittest.skipIf(importlib.util.find_spec("numpy") is None, "numpy is not installed")
    def test_numpy_goes_on_forking(self):
        zygote = self.zygote("numpy")
        self.assertIsNone(zygote.hello["fork_unsafe"])
        worker = zygote.fork()
        self.assertEqual(worker.evaluate("import numpy\nfloat((numpy.ones((300, 300)) @ numpy.ones((300, 300))).sum())"), 27e6)

    def test_one_that_initialises_cuda_too(self):
        self.module("torch", "class cuda:\n    is_initialized = staticmethod(lambda: True)")
        self.assertEqual(self.zygote("torch").hello["fork_unsafe"], "importing torch initialised CUDA")

    def test_one_that_ends_the_process(self):
        with self.assertRaisesRegex(AssertionError, "last words"):
            self.zygote(self.module("ends", "import os\nos.write(2, b'last words')\nos._exit(5)"))


class End(ZygoteTest):
    def start_family(self, zygote):
        """A worker at rest, a busy one, a child of theirs and one that left its process session: pidfds of all."""
        rest, busy = zygote.fork(1), zygote.fork(2)
        for worker in (rest, busy):
            worker.evaluate("import subprocess\ndef start(**more): return subprocess.Popen(['sleep', '1000'], **more).pid")
        pids = [rest.pid, busy.pid, rest.evaluate("start()"), busy.evaluate("start(start_new_session=True)")]
        fork = "import os\npid = os.fork()\nif not pid:\n    if os.fork(): os._exit(0)\n    os.setsid()\n    print(os.getpid())\n    start()\n    while True: pass"
        rest.evaluate(fork)
        pids.append(int(rest.until("\n")))
        busy.send(EVALUATE, {"expression": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [2, 15])\nprint('busy')\nwhile True: pass"})
        busy.until("busy\n")
        return [_process.open_pidfd(pid) for pid in pids]

    def test_everything_ends_when_the_host_closes_the_socket(self):
        zygote = self.zygote()
        family = self.start_family(zygote)
        zygote.control.close()
        self.assertEqual(zygote.process.wait(30), 0)
        for pidfd in family:
            gone(pidfd)

    def test_everything_ends_when_the_host_is_killed(self):
        zygote = self.zygote()
        family = self.start_family(zygote)
        zygote.close_lifeline()
        zygote.control.close()
        self.assertEqual(zygote.process.wait(30), 0)
        for pidfd in family:
            gone(pidfd)

    def test_sessions_live_on_when_the_zygote_dies(self):
        zygote = self.zygote()
        worker = zygote.fork()
        worker.evaluate("x = 5")
        zygote.process.kill()
        zygote.process.wait(30)
        self.assertEqual(worker.evaluate("x"), 5)

    def test_it_does_not_outlive_its_host_while_it_loads(self):
        module = self.module("slow", "import os, time\nos.write(int(os.environ['SLOW']), b'on')\nwhile True: time.sleep(1)")
        on, writable = os.pipe()
        lifeline, held = os.pipe()
        os.set_inheritable(writable, True)
        process = subprocess.Popen(
            [sys.executable, BOOT, "zygote", "0", str(lifeline), module],
            env={**os.environ, "SLOW": str(writable), "PYTHONPYCACHEPREFIX": self.folder},
            cwd=self.folder,
            pass_fds=(lifeline, writable),
        )
        os.read(on, 2)
        os.close(held)
        self.assertEqual(process.wait(30), -signal.SIGKILL)
        for fd in (on, writable, lifeline):
            os.close(fd)
