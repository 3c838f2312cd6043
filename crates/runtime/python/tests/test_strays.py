"""Exceptions from outside: another thread raises them in the main one, or a trace function does, and their call has ended.

No request is lost, none is answered twice or runs twice, and none gets the exception of another.
"""

import json
import os
import shutil
import tempfile

from beep_python import _wire

from .host import EVALUATE, WorkerTest

THREADS = """
import ctypes, sys, threading
class Stray(BaseException): pass
main = ctypes.c_ulong(threading.main_thread().ident)
raise_in_main = lambda kind=Stray: ctypes.pythonapi.PyThreadState_SetAsyncExc(main, ctypes.py_object(kind))
None
"""


class Strays(WorkerTest):
    def setUp(self):
        super().setUp()
        self.host.evaluate(THREADS)

    def answers(self, request_id, value):
        """Whether it was answered with the value, else with an exception of its own."""
        kind, body = self.host.answer(request_id)
        if kind == _wire.VALUE:
            self.assertEqual(json.loads(body), value)
            return True
        self.assertEqual(kind, _wire.EXCEPTION, body)
        self.assertIn("Stray", json.loads(body)["exception"]["type"])
        return False

    def assert_alive(self):
        self.assertEqual(self.host.evaluate("1+1"), 2)
        self.assertEqual(self.host.evaluate("'x' * 200_000"), "x" * 200_000)


class FromThreads(Strays):
    def setUp(self):
        super().setUp()
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.fifo = os.path.join(folder, "go")
        os.mkfifo(self.fifo)

    def strike_at_rest(self, kind="Stray"):
        """Raises in the main thread while that waits for a request."""
        code = "def strike():\n    open(%r).read()\n    raise_in_main(%s)\n    print('struck')\nthreading.Thread(target=strike).start()"
        self.host.evaluate(code % (self.fifo, kind))
        writer = os.open(self.fifo, os.O_WRONLY)
        self.host.until_at_rest()
        os.close(writer)
        self.host.until("struck\n")

    def test_one_that_comes_while_the_session_is_idle_goes_to_the_log(self):
        for kind in ("Stray", "KeyboardInterrupt", "SystemExit", "ValueError", "EOFError", "OSError", "TimeoutError"):
            with self.subTest(kind=kind):
                self.strike_at_rest(kind)
                self.assertEqual(self.host.evaluate("1+1"), 2)
                self.host.until("an exception came from outside of every call: ", self.host.stderr)
                self.host.until(kind, self.host.stderr)

    def test_so_it_does_in_a_session_with_a_loop(self):
        self.host.evaluate("import asyncio\nawait asyncio.sleep(0)")
        for _ in range(5):
            self.strike_at_rest()
            self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 5)"), 5)

    def test_bytes_of_several_requests_are_kept(self):
        for _ in range(5):
            self.strike_at_rest()
            ids = [self.host.send(EVALUATE, {"expression": "%d" % n}) for n in range(20)]
            for n, request_id in enumerate(ids):
                self.assertTrue(self.answers(request_id, n))

    def test_and_of_a_large_one(self):
        for size in (1 << 16, 3 << 20):
            self.strike_at_rest()
            self.assertEqual(self.host.evaluate("len(x)", locals={"x": "y" * size}), size)

    def test_one_that_comes_while_code_runs_is_its_own(self):
        kind, body = self.host.call(EVALUATE, {"expression": "threading.Thread(target=raise_in_main).start()\nwhile True: pass"})
        self.assertEqual(kind, _wire.EXCEPTION)
        self.assertIn("Stray", json.loads(body)["exception"]["type"])
        self.assert_alive()

    def test_without_pause(self):
        """Wherever they strike: each request has one answer, and runs once."""
        start = "import os\nran, on = [], True\ndef hammer():\n    while on:\n        raise_in_main()\n        os.sched_yield()\nthread = threading.Thread(target=hammer)\nNone"
        self.host.evaluate(start)
        self.answers(self.host.send(EVALUATE, {"expression": "thread.start()"}), None)
        answered = []
        for n in range(400):
            code = "ran.append(%d)\n%d" % (n, n) + ("" if n % 7 else "\n'z' * 100_000\n%d" % n)
            if self.answers(self.host.send(EVALUATE, {"expression": code}), n):
                answered.append(n)
            self.host.output(self.host.stderr)
        for _ in range(1000):
            if self.answers(self.host.send(EVALUATE, {"expression": "on = False\nthread.join()\n1"}), 1):
                break
        ran = self.host.evaluate("ran")
        self.assertEqual(len(ran), len(set(ran)))
        self.assertLessEqual(set(answered), set(ran))
        self.assertEqual(ran, sorted(ran))
        self.assert_alive()

    def test_answers_to_callbacks_and_calls_of_the_host(self):
        """The thread that waits for the host is struck; what comes next is read by the others."""
        self.host.evaluate("import beep_python")
        request_id = self.host.send(EVALUATE, {"expression": "print('on')\nbeep_python.VenvManager().list()"})
        self.host.until("on\n")
        os.read(self.host.host_calls, 1 << 16)
        self.host.until_at_rest()
        self.host.mark_cancelled(request_id)
        self.host.interrupt()
        self.assertEqual(self.host.outcome(request_id), (_wire.CANCELLED, b"started"))
        self.assert_alive()


class FromTracing(Strays):
    """The function counts what it sees of the worker's own code, and raises at each place in turn."""

    PLACES = 160

    def sweep(self, install, code="1+1", value=2):
        self.host.evaluate(
            "import beep_python, os\nours = os.path.dirname(beep_python.__file__)\nran = []\ndef watch(frame, event, argument):\n"
            "    global left\n    if frame.f_code.co_filename.startswith(ours):\n        left -= 1\n"
            "        if left == 0:\n            sys.settrace(None)\n            sys.setprofile(None)\n            raise Stray\n    return watch\n"
            "None"
        )
        struck, n = 0, 0
        for place in range(1, self.PLACES):
            self.host.evaluate("left = %d\nNone" % place)
            ids = [self.host.send(EVALUATE, {"expression": "ran.append(%d)\n%s\n%d" % (n, install, n)})]
            for k in range(1, 3):
                ids.append(self.host.send(EVALUATE, {"expression": "ran.append(%d)\n%s" % (n + k, code)}))
            fine = [self.answers(ids[0], n)] + [self.answers(request_id, value) for request_id in ids[1:]]
            struck += not all(fine)
            self.host.evaluate("sys.settrace(None)\nsys.setprofile(None)")
            ran = self.host.evaluate("now, ran = ran, []\nnow")
            self.assertEqual(len(ran), len(set(ran)), ran)
            self.assertLessEqual({n + k for k, is_fine in enumerate(fine) if is_fine}, set(ran))
            self.host.output(self.host.stderr)
            n += 3
        self.assertGreater(struck, 0)
        self.assert_alive()

    def test_a_profile_function(self):
        self.sweep("sys.setprofile(watch)")

    def test_a_trace_function(self):
        self.sweep("sys.settrace(watch)")

    def test_large_answers(self):
        self.sweep("sys.setprofile(watch)", "'x' * 100_000", "x" * 100_000)
