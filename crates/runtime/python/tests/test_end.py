import importlib.util
import os
import shutil
import signal
import tempfile
import textwrap

from beep_python import _process

from .host import EVALUATE, WorkerTest
from .zygotes import ZygoteTest, gone


class EndTest(WorkerTest):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.host.evaluate("import os\nos.chdir(%r)" % self.folder)

    def run_to_the_end(self, code, status=0):
        """Runs code in the session, then ends that; gives its output."""
        code = textwrap.dedent(code)
        self.host.call(EVALUATE, {"expression": code + "\nNone"})
        self.host.close_link()
        left = self.host.wait()
        self.errors = self.host.output(self.host.stderr)
        self.assertEqual(left, status, self.errors)
        return self.host.output(self.host.stdout)

    def text(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()


class Held(EndTest):
    def test_what_was_never_disposed_of_is_told(self):
        for code in ("{1}.union", "object()", "object()", "__import__('os')"):
            self.host.call(EVALUATE, {"expression": code})
        self.run_to_the_end("1")
        self.assertRegex(self.errors, "objects were still held at the end of the session: 2 of object, 1 of builtin_function_or_method")

    def test_the_hosts_own_files_are_no_resource_that_was_left(self):
        for action in ("always", "error"):
            with self.subTest(action=action):
                self.setUp()
                self.run_to_the_end("import asyncio, warnings\nwarnings.simplefilter(%r)\nawait asyncio.sleep(0)" % action)
                self.assertEqual(self.errors, "")

    def test_not_that_of_a_prompt(self):
        self.host.call(EVALUATE, {"expression": "__import__('beep_python._prompt', fromlist=['Prompt']).Prompt()"})
        self.host.call(EVALUATE, {"expression": "1", "returnType": "handle"})
        self.run_to_the_end("1")
        self.assertEqual(self.errors, "")


class Files(EndTest):
    def test_an_open_file_is_written(self):
        self.run_to_the_end("f = open('r.csv', 'w'); f.write('abc')\nb = open('b', 'wb'); b.write(b'abc')")
        self.assertEqual((self.text("r.csv"), self.text("b")), ("abc", "abc"))

    def test_one_that_a_function_or_a_circle_holds(self):
        code = """
            class Log:
                def __init__(self, name): self.file, self.own = open(name, 'w'), self
            log = Log('circle'); log.file.write('abc')
            def keep(): return log
            def writer(file=open('default', 'w')): file.write('abc')
            writer()
        """
        self.run_to_the_end(code)
        self.assertEqual((self.text("circle"), self.text("default")), ("abc", "abc"))

    def test_one_that_a_handle_an_exception_or_a_stream_holds(self):
        self.host.call(EVALUATE, {"expression": "f = open('held', 'w')\nf.write('abc')\nf"})
        self.host.call(EVALUATE, {"expression": "f"})
        self.host.evaluate("del f")
        self.host.fails("def fail():\n    f = open('raised', 'w')\n    f.write('abc')\n    1/0\nfail()")
        self.run_to_the_end("import sys\ntry: fail()\nexcept Exception as error: sys.last_value = kept = error")
        self.assertEqual((self.text("held"), self.text("raised")), ("abc", "abc"))

    def test_one_that_was_put_into_another_module(self):
        self.run_to_the_end("import builtins, json\nbuiltins.f = open('a', 'w'); f.write('abc')\njson.all = [open('b', 'w')]; json.all[0].write('abc')")
        self.assertEqual((self.text("a"), self.text("b")), ("abc", "abc"))

    def test_one_of_a_module_that_the_session_imported(self):
        with open(os.path.join(self.folder, "mine.py"), "w") as file:
            file.write("f = open('a', 'w')\nf.write('abc')\nclass A:\n    def __del__(self): print('gone')\na = A()")
        out = self.run_to_the_end("import sys\nsys.path.insert(0, %r)\nimport mine" % self.folder)
        self.assertEqual((self.text("a"), out), ("abc", "gone\n"))

    def test_archives_and_compressed_files_are_complete(self):
        code = """
            import gzip, lzma, zipfile
            def use(): return archive, packed, text
            archive = zipfile.ZipFile('a.zip', 'w'); archive.writestr('one', 'abc')
            packed = gzip.open('a.gz', 'wb'); packed.write(b'abc')
            text = lzma.open('a.xz', 'wt'); text.write('abc')
        """
        self.run_to_the_end(code)
        import gzip, lzma, zipfile

        with zipfile.ZipFile(os.path.join(self.folder, "a.zip")) as archive:
            self.assertEqual(archive.read("one"), b"abc")
        for module, name in ((gzip, "a.gz"), (lzma, "a.xz")):
            with module.open(os.path.join(self.folder, name)) as file:
                self.assertEqual(file.read(), b"abc")

    def test_streams_of_c_are_written(self):
        code = """
            import ctypes
            libc = ctypes.CDLL(None)
            libc.fopen.restype = ctypes.c_void_p
            file = libc.fopen(b'c', b'w')
            libc.fputs(b'abc', ctypes.c_void_p(file))
        """
        self.run_to_the_end(code)
        self.assertEqual(self.text("c"), "abc")

    def test_temporary_files_and_folders_are_removed(self):
        code = """
            import tempfile
            one, two = tempfile.TemporaryDirectory(dir='.'), tempfile.NamedTemporaryFile(dir='.')
        """
        self.run_to_the_end(code)
        self.assertEqual(os.listdir(self.folder), [])

    def test_log_handlers_are_flushed(self):
        code = """
            import logging.handlers
            target = logging.FileHandler('log', delay=True)
            logging.getLogger().addHandler(logging.handlers.MemoryHandler(100, target=target))
            logging.warning('abc')
        """
        self.run_to_the_end(code)
        self.assertEqual(self.text("log"), "abc\n")


class Order(EndTest):
    def test_threads_then_exit_functions_then_objects(self):
        code = """
            import atexit, threading
            from concurrent.futures import ThreadPoolExecutor
            class A:
                def __del__(self): print('object', name)
            a, name = A(), 'named'
            started, go = threading.Event(), threading.Event()
            def work():
                started.set(); go.wait(); print('thread')
            atexit.register(print, 'exit')
            threading.Thread(target=work).start(); started.wait()
            pool = ThreadPoolExecutor(); pool.submit(lambda: (go.wait(), print('pool')))
            threading.Timer(0.05, go.set).start()
        """
        out = self.run_to_the_end(code).split("\n")
        self.assertEqual(sorted(out[:2]), ["pool", "thread"])
        self.assertEqual(out[2:], ["exit", "object named", ""])

    def test_daemon_threads_do_not_hold_it_up(self):
        code = """
            import threading, time
            def spin():
                while True: pass
            for target in (spin, lambda: time.sleep(1000)): threading.Thread(target=target, daemon=True).start()
            class A:
                def __del__(self): print('gone')
            a = A()
        """
        self.assertEqual(self.run_to_the_end(code), "gone\n")
        self.assertEqual(self.host.output(self.host.stderr), "")

    def test_a_thread_that_holds_it_up_is_named(self):
        self.host.evaluate("import threading\nthreading.Thread(target=threading.Event().wait, name='stuck one').start()")
        self.host.close_link()
        self.assertIn("stuck one", self.host.until("stuck one", self.host.stderr))
        os.kill(self.host.pid, signal.SIGKILL)
        self.host.wait()

    def test_tasks_are_cancelled_and_clean_up(self):
        code = """
            import asyncio
            async def work():
                try: await asyncio.sleep(1000)
                finally:
                    await asyncio.sleep(0); print('cleaned')
            async def items():
                try:
                    while True: yield 1
                finally: print('closed')
            task, generator = asyncio.ensure_future(work()), items()
            await generator.__anext__()
            await asyncio.sleep(0)
        """
        self.assertEqual(self.run_to_the_end(code), "cleaned\nclosed\n")
        self.assertEqual(self.host.output(self.host.stderr), "")

    def test_generators_are_closed(self):
        code = """
            import json
            def items(name):
                try: yield
                finally: print(name)
            one = items('one'); next(one)
            json.kept = items('two'); next(json.kept)
        """
        self.assertEqual(sorted(self.run_to_the_end(code).split()), ["one", "two"])

    def test_finalizers_run_once(self):
        code = """
            import weakref
            class A: pass
            a, b = A(), A()
            weakref.finalize(a, print, 'one')
            weakref.finalize(b, print, 'two').atexit = False
        """
        self.assertEqual(self.run_to_the_end(code), "one\n")

    def test_signals_are_the_codes_in_exit_functions(self):
        code = """
            import atexit, signal
            def end():
                try: signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt: print('interrupted')
            atexit.register(end)
        """
        self.assertEqual(self.run_to_the_end(code), "interrupted\n")


class Failures(EndTest):
    def test_what_raises_does_not_keep_the_rest_from_its_end(self):
        code = """
            import atexit, sys
            atexit.register(print, 'last')
            atexit.register(lambda: 1/0)
            atexit.register(sys.exit, 5)
            class A:
                def __del__(self): raise KeyError('mine')
            a, f = A(), open('a', 'w'); f.write('abc')
        """
        self.assertEqual(self.run_to_the_end(code), "last\n")
        self.assertEqual(self.text("a"), "abc")
        errors = self.errors
        self.assertIn("ZeroDivisionError", errors)
        self.assertIn("mine", errors)

    def test_a_library_that_crashes_is_no_death(self):
        for crash in ("ctypes.string_at(0)", "os.abort()", "os.kill(os.getpid(), 11)"):
            with self.subTest(crash):
                code = "f = open('a', 'w'); f.write('abc')\nimport ctypes, os\nclass A:\n    def __del__(self, os=os, ctypes=ctypes): %s\na = A()"
                self.run_to_the_end(code % crash)
                self.assertEqual(self.text("a"), "abc")
                self.assertIn("crashed", self.errors)
            self.tearDown(), self.doCleanups(), self.setUp()

    def test_nor_is_one_that_crashes_in_cs_exit(self):
        code = """
            import ctypes
            libc = ctypes.CDLL(None)
            register = libc.__cxa_atexit
            register(ctypes.cast(libc.abort, ctypes.c_void_p), None, None)
            f = open('a', 'w'); f.write('abc')
        """
        self.run_to_the_end(code)
        self.assertEqual(self.text("a"), "abc")

    def test_nor_one_that_hangs_there(self):
        code = """
            import ctypes
            libc = ctypes.CDLL(None)
            libc.__cxa_atexit(ctypes.cast(libc.sleep, ctypes.c_void_p), ctypes.c_void_p(1000), None)
        """
        self.run_to_the_end(code)
        self.assertIn("cut short", self.errors)

    def test_sessions_that_imported_packages(self):
        packages = [name for name in ("numpy", "pandas", "pyarrow", "polars") if importlib.util.find_spec(name)]
        self.run_to_the_end("import %s" % ", ".join(packages or ["json"]))
        self.assertEqual(self.host.output(self.host.stderr), "")


class Processes(EndTest):
    def test_processes_of_multiprocessing_are_joined_or_ended(self):
        code = """
            import multiprocessing, os, time
            context = multiprocessing.get_context('fork')
            def work(): os.read(readable, 1); os.write(1, b'worked.')
            readable, writable = os.pipe()
            process = context.Process(target=work); process.start()
            other = context.Process(target=time.sleep, args=(1000,), daemon=True); other.start()
            import atexit
            os.write(writable, b'.')
            other.pid
        """
        self.assertEqual(self.run_to_the_end(code), "worked.")

    def test_a_forked_child_ends_as_a_program_too(self):
        code = """
            def child():
                global f
                f = open('child', 'w'); f.write('abc')
            pid = os.fork()
            if not pid: child()
            pid and os.waitpid(pid, 0)
        """
        self.run_to_the_end(code)
        self.assertEqual(self.text("child"), "abc")


class SharedMemory(ZygoteTest):
    def ended(self, code, kill=False):
        """The names in /dev/shm that the code printed, and which of them are left when everything has ended."""
        zygote = self.zygote()
        worker = zygote.fork()
        code = "from multiprocessing import shared_memory as s, resource_tracker as r\n%s\nr.ensure_running()\nr._resource_tracker._pid" % code
        tracker = _process.open_pidfd(worker.evaluate(code))
        if kill:
            os.kill(worker.pid, signal.SIGKILL)
        else:
            worker.close_link()
        self.assertEqual(zygote.told()[0]["died"], worker.pid)
        gone(tracker)
        errors = worker.output(worker.stderr)
        self.assertNotIn("KeyError", errors)
        return errors

    def test_what_a_session_made_is_removed(self):
        for kill in (False, True):
            name = "/beep-test-%d-%d" % (os.getpid(), kill)
            errors = self.ended("a = s.SharedMemory(%r, True, 10); b = s.SharedMemory(%r)" % (name, name), kill)
            self.assertFalse(os.path.exists("/dev/shm" + name))
            self.assertIn("leaked", errors)

    def test_what_it_only_attached_stays(self):
        name = "/beep-test-%d" % os.getpid()
        with open("/dev/shm" + name, "wb") as file:
            file.write(bytes(100))
        self.addCleanup(os.remove, "/dev/shm" + name)
        for kill in (False, True):
            self.assertEqual(self.ended("a = s.SharedMemory(%r)" % name, kill), "")
            self.assertTrue(os.path.exists("/dev/shm" + name))

    def test_what_it_attached_and_removed_is_gone_without_a_word(self):
        name = "/beep-test-%d" % os.getpid()
        with open("/dev/shm" + name, "wb") as file:
            file.write(bytes(100))
        self.assertEqual(self.ended("a = s.SharedMemory(%r); a.unlink()" % name), "")
        self.assertFalse(os.path.exists("/dev/shm" + name))
        both = "a = s.SharedMemory(%r, True, 10); b = s.SharedMemory(%r); b.unlink(); a.close()"
        self.assertEqual(self.ended(both % (name, name)), "")
