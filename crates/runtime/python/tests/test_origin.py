"""Which call code belongs to that runs on when its call has ended."""

import json
import select

from beep_python import _host_rpc, _wire

from .host import EVALUATE, PATIENCE, WorkerTest

EXECUTE, STREAM, NEXT = 12, 13, 14
CAPABLE = _wire.EVENTS | _wire.STDIN | _wire.CALLBACKS

ACT = """import warnings
warnings.simplefilter("ignore")  # of loops that nobody closes
import asyncio, builtins, threading
told = []
go, done = threading.Event(), threading.Event()
def act(*args):
    go.wait()
    do()
    done.set()
def do():
    print('printed')
    import sys
    print('to err', file=sys.stderr)
    sys.stdout.buffer.write(b'bytes\\n')
    display({'shown': 1})
    for ask in (input, cb):
        try: ask()
        except Exception as error: told.append(type(error).__name__)
    print('a line without its end', end='')
    sys.stdout.flush()
async def aact():
    await asyncio.get_running_loop().run_in_executor(None, go.wait)
    do()
    done.set()
def later(loop):
    if not go.is_set():
        return loop.call_later(0.001, later, loop)
    do()
    done.set()
None
"""
THREADS = {
    "a thread": "threading.Thread(target=act).start()",
    "a daemon": "threading.Thread(target=act, daemon=True).start()",
    "a subclass": "class T(threading.Thread):\n    def run(self): act()\nT().start()",
    "a timer": "threading.Timer(0, act).start()",
    "no Thread": "import _thread\n_thread.start_new_thread(act, ())",
    "a thread of a thread": "threading.Thread(target=lambda: threading.Thread(target=act).start()).start()",
    "a pool": "from concurrent.futures import ThreadPoolExecutor\nbuiltins.pool = ThreadPoolExecutor(1)\npool.submit(act)",
    "a pool that has a thread": "from concurrent.futures import ThreadPoolExecutor\nbuiltins.pool = ThreadPoolExecutor(1)\n"
    "pool.submit(int).result()\npool.submit(act)",
    "another pool": "from multiprocessing.pool import ThreadPool\nbuiltins.pool = ThreadPool(1)\npool.apply_async(act)",
    "a thread of asyncio": "builtins.loop = asyncio.new_event_loop()\nloop.run_in_executor(None, act)",
    "a loop in a thread": "builtins.loop = asyncio.new_event_loop()\nthreading.Thread(target=loop.run_forever, daemon=True).start()\n"
    "asyncio.run_coroutine_threadsafe(aact(), loop)",
}
TASKS = {
    "a task": ("asyncio.create_task(aact())\nawait asyncio.sleep(0)", "await asyncio.get_running_loop().run_in_executor(None, done.wait)"),
    "call_later": ("later(asyncio.get_running_loop())\nawait asyncio.sleep(0)", "while not done.is_set(): await asyncio.sleep(0.001)"),
    "a task of a loop that code keeps": (
        "builtins.loop = asyncio.new_event_loop()\nbuiltins.task = loop.create_task(aact())",
        "loop.run_until_complete(task)",
    ),
}


class Ended(WorkerTest):
    """A call has ended, and what it started acts while the call of another client runs, which would answer everything."""

    def begin(self, code):
        self.host.evaluate(ACT)
        request_id = self.host.send(EVALUATE, {"expression": "builtins.cb = cb\n" + code + "\nNone", "locals": {"cb": {"$callback": "f"}}}, CAPABLE)
        self.assertEqual(self.host.answer(request_id), (_wire.VALUE, b"null"))
        return request_id

    def check(self, first, waiting="done.wait()"):
        code = "go.set()\n%s\nprint('mine')\ntold" % waiting
        running = self.host.send(EVALUATE, {"expression": code}, CAPABLE)
        output, displays = {1: b"", 2: b""}, []
        while True:
            ready = select.select([self.host.host_calls, self.host.answers], [], [], PATIENCE)[0]
            self.assertTrue(ready, "nothing came")
            if self.host.host_calls not in ready:
                break
            kind, _, request_id, body = self.host.message()
            if kind == _host_rpc.OUTPUT:
                self.assertEqual(request_id, first, body)
                output[body[0]] += body[1:]
                continue
            self.assertEqual((kind, int.from_bytes(body[:8], "little")), (_host_rpc.CLIENT_CALL, first), body)
            displays.append(json.loads(body[8:])["params"]["data"])
            for part in _wire.frames(_host_rpc.RESULT, request_id, b"false"):  # nobody follows the session
                _wire.write_all(self.host.host_answers, part)
        kind, told = self.host.answer(running)
        self.assertEqual((kind, json.loads(told)), (_wire.VALUE, ["EOFError", "HostError"]), told)
        self.assertEqual((self.host.output(self.host.stdout), self.host.output(self.host.stderr)), ("mine\n", ""))
        self.assertEqual(displays, [{"text/plain": "{'shown': 1}"}])
        self.assertEqual(output, {1: b"printed\nbytes\n{'shown': 1}\na line without its end", 2: b"to err\n"})

    def test_threads(self):
        for name, code in THREADS.items():
            with self.subTest(name):
                self.check(self.begin(code))

    def test_tasks(self):
        for name, (code, waiting) in TASKS.items():
            with self.subTest(name):
                self.check(self.begin(code), waiting)

    def test_a_task_while_the_session_is_idle(self):
        first = self.begin("asyncio.create_task(aact())\nawait asyncio.sleep(0)\ngo.set()")
        self.assertEqual(self.host.message()[2:], (first, b"\x01printed\n"))


class Running(WorkerTest):
    """What belongs to the call that runs."""

    def shown_by(self, code):
        self.assertEqual(self.host.call(EVALUATE, {"expression": code}), (_wire.VALUE, b"null"))
        return self.host.output(self.host.stdout)

    def test_its_own_threads_and_tasks(self):
        for code in (
            "import threading\nt = threading.Thread(target=print, args=('a',))\nt.start()\nt.join()",
            "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\npool.submit(print, 'a').result()",
            "pool.submit(print, 'a').result()",  # by a thread that the call before has started
            "list(pool.map(print, 'a'))",
            "import asyncio\nawait asyncio.create_task(asyncio.sleep(0))\nawait asyncio.to_thread(print, 'a')"
            if hasattr(__import__("asyncio"), "to_thread")
            else "print('a')",
        ):
            with self.subTest(code=code):
                self.assertEqual(self.shown_by(code + "\nNone"), "a\n")

    def test_what_others_made_and_it_runs(self):
        self.host.evaluate(
            "import threading, weakref, signal, os\nthreading.Thread(target=int).start()\n"
            "class Ends:\n    def __del__(self): print('a')\nends = Ends()\ndef g():\n    print('a'); yield\ngenerator = g()\n"
            "class Weak: pass\nweak = Weak()\nweakref.finalize(weak, print, 'a')\n"
            "signal.signal(signal.SIGUSR1, lambda *args: print('a'))\nNone"
        )
        for code in ("del ends", "next(generator)", "del weak", "os.kill(os.getpid(), signal.SIGUSR1)"):
            with self.subTest(code=code):
                self.assertEqual(self.shown_by(code + "\nNone"), "a\n")

    def test_a_half_line_of_a_thread_is_its_calls(self):
        self.host.evaluate("import threading\nt = threading.Thread(target=print, args=('half',), kwargs={'end': ''})\nt.start()\nt.join()")
        self.assertEqual(self.host.output(self.host.stdout), "half")

    def test_context_variables_and_names_of_threads_are_as_ever(self):
        code = (
            "import contextvars, threading\nv = contextvars.ContextVar('v', default=0)\nv.set(5)\ngot = []\n"
            "t = threading.Thread(target=lambda: got.append((v.get(), threading.current_thread().name)), name='n')\nt.start()\nt.join()\ngot"
        )
        self.assertEqual(self.host.evaluate(code), [[0, "n"]])

    def test_a_thread_that_fails_has_its_own_frames_only(self):
        self.host.evaluate("import threading, _thread\ndef f(): 1/0\nt = threading.Thread(target=f)\nt.start()\nt.join()")
        self.assertNotIn("beep_python", self.host.output(self.host.stderr))
        code = "import time\nran = threading.Event()\nbefore = _thread._count()\n_thread.start_new_thread(lambda: ran.set() or f(), ())\n"
        self.host.evaluate(code + "ran.wait()\nwhile _thread._count() > before: time.sleep(0.001)\nNone")
        told = self.host.output(self.host.stderr)
        self.assertIn("ZeroDivisionError", told)
        self.assertNotIn("_origin.py", told)

    def test_what_is_no_function_is_refused_as_ever(self):
        self.assertEqual(self.host.fails("import _thread\n_thread.start_new_thread(5, ())")["type"], "TypeError")


class Streams(WorkerTest):
    def test_a_stream_is_one_call_in_all_its_rounds(self):
        code = (
            "import threading\nwake, woken = threading.Event(), threading.Event()\n"
            "def work():\n    wake.wait(); print('from the stream'); woken.set()\n"
            "def g():\n    threading.Thread(target=work).start()\n    yield 1\n    wake.set(); woken.wait()\n    yield 2\ng()"
        )
        request_id = self.host.send(STREAM, {"expression": code, "credit": 1}, _wire.EVENTS)
        self.assertEqual(self.host.answer(request_id), (_wire.ITEM, b"1"))
        handle = json.loads(self.host.answer(request_id)[1])["handleId"]
        request_id = self.host.send(NEXT, {"handleId": handle, "credit": 1}, _wire.EVENTS)
        self.assertEqual(self.host.answer(request_id), (_wire.ITEM, b"2"))
        self.host.answer(request_id)
        self.assertEqual(self.host.output(self.host.stdout), "from the stream\n")


class Cost(WorkerTest):
    def test_a_session_without_threads_and_tasks_tracks_nothing(self):
        self.host.evaluate("import sys\norigin = sys.stdout.buffer.raw.client.origin\nNone")
        self.host.evaluate("1+1")
        self.assertIs(self.host.evaluate("origin.tracking"), False)
        self.assertIs(self.host.evaluate("'write' in vars(sys.stdout)"), False)

    def test_a_forked_child_writes_as_any_program(self):
        self.host.evaluate(
            "import os, sys, threading\nthreading.Thread(target=int).start()\npid = os.fork()\n"
            "if pid == 0:\n    print('child')\n    sys.stdout.flush()\n    os._exit(0)\nos.waitpid(pid, 0)\nNone"
        )
        self.assertEqual(self.host.output(self.host.stdout), "child\n")
