"""Objects of the user's that raise where the host calls them, also what is no plain exception: no worker ends by it, and no state is lost."""

import json
import os
import signal

from beep_python import _wire

from .host import CALL, EVALUATE, WorkerTest

DESCRIBE, LENGTH, CONTAINS, DIRECTORY, GETITEM, VALUE, EXECUTE, STREAM, NEXT, RELEASE = 24, 20, 21, 23, 17, 25, 12, 13, 14, 7
WHAT = ("SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "Own()", "ValueError()", "OSError(9, 'no')", "MemoryError()")
SETUP = """
import os, signal, sys, threading
class Own(BaseException): pass
what = None
def fail(*args, **kwargs): raise what
state = 42
"""


class Raising(WorkerTest):
    def setUp(self):
        super().setUp()
        self.host.evaluate(SETUP + "None")

    def for_each(self):
        for what in WHAT:
            self.host.evaluate("what = %s" % what)
            yield what

    def make(self, code):
        """A handle of what the code makes."""
        kind, body = self.host.call(EVALUATE, {"expression": code, "returnType": "handle"})
        self.assertEqual(kind, _wire.HANDLE, body)
        return json.loads(body)["handleId"]

    def assert_state(self):
        self.assertEqual(self.host.evaluate("1+1"), 2)
        self.assertEqual(self.host.evaluate("[state, os.getpid()]"), [42, self.host.pid])

    def answered(self, operation, body, flags=0):
        """The kind of the answer, behind any events."""
        request_id = self.host.send(operation, body, flags)
        while True:
            kind, _, got, answer = self.host.frame()
            self.assertEqual(got, request_id)
            if kind not in (_wire.DISPLAY, _wire.ITEM, _wire.ITEM_HANDLE):
                return kind, answer


class Streams(Raising):
    def test_flush_at_the_end_of_a_call(self):
        for name in ("stdout", "stderr"):
            self.host.evaluate("class Stream:\n    flush = fail\n    def write(self, text): return len(text)")
            for _ in self.for_each():
                self.host.evaluate("sys.%s = Stream()" % name)
                for _ in range(3):
                    self.assertEqual(self.host.evaluate("3+4"), 7)
                self.assert_state()
                self.assertEqual(self.host.evaluate("print('a', file=sys.__stdout__)\nprint('b', file=sys.__stderr__)\n5"), 5)
                self.assertEqual((self.host.output(self.host.stdout), self.host.output(self.host.stderr)), ("a\n", "b\n"))

    def test_flush_of_the_buffer_below(self):
        self.host.evaluate("import threading\nsys.stdout.buffer.flush = sys.stderr.buffer.flush = fail")
        for start in ("None", "threading.Thread(target=int).start()"):  # from the first thread on, who writes is looked at
            self.host.evaluate(start)
            for _ in self.for_each():
                self.assert_state()

    def test_write_is_the_codes_own(self):
        self.host.evaluate("class Stream:\n    write = fail\n    def flush(self): pass\nsys.stdout = Stream()")
        for what in self.for_each():
            self.assertIn(what.partition("(")[0], self.host.fails("print('a')")["type"])
            self.assert_state()

    def test_any_attribute(self):
        self.host.evaluate("class Stream:\n    def __getattribute__(self, name): raise what")
        for _ in self.for_each():
            for name in ("stdin", "stdout", "stderr"):
                self.host.evaluate("sys.%s = Stream()" % name)
                self.assert_state()

    def test_flush_in_the_middle_of_one(self):
        self.host.evaluate("class Stream:\n    flush = fail\n    def write(self, text): return len(text)\nsys.stdout = Stream()")
        for what in self.for_each():
            kind, body = self.host.call(EVALUATE, {"expression": "display(5)\n'on'"})
            self.assertEqual(kind, _wire.VALUE if "Error" in what else _wire.EXCEPTION, body)
            self.assert_state()

    def test_after_the_code_that_begins_a_session(self):
        for _ in self.for_each():
            body = json.dumps({"setup": "class Stream:\n    flush = fail\n    def write(self, text): pass\nsys.stdout = Stream()"}).encode()
            self.host.send_as(0, _wire.SETUP, body)
            self.assertEqual(self.host.answer(0)[0], _wire.OBJECT)
            self.assert_state()

    def test_one_that_hangs_is_interrupted(self):
        self.host.evaluate("class Stream:\n    def flush(self):\n        os.write(1, b'flushes')\n        signal.pause()\n    def write(self, text): pass")
        request_id = self.host.send(EVALUATE, {"expression": "sys.stdout = Stream()\n5"})
        self.host.until("flushes")
        self.host.cancel_at_rest(request_id)
        kind, body = self.host.outcome(request_id)
        self.assertEqual((kind, body[1:]), (_wire.LATE, b"5"))
        request_id = self.host.send(EVALUATE, {"expression": "sys.stdout = sys.__stdout__\nNone"})
        self.assertEqual(self.host.answer(request_id), (_wire.VALUE, b"null"))
        self.assert_state()

    def test_in_a_forked_child(self):
        self.host.evaluate("class Stream:\n    flush = fail\n    def write(self, text): return len(text)\nsys.stdout = Stream()")
        for _ in self.for_each():
            self.assertEqual(self.host.evaluate("pid = os.fork()\npid and os.waitpid(pid, 0)[1]"), 0)

    def test_an_excepthook_in_a_forked_child(self):
        self.host.evaluate("sys.excepthook = fail")
        for raised in self.for_each():
            status = self.host.evaluate("pid = os.fork()\nif pid == 0: 1 / 0\nos.waitpid(pid, 0)[1] >> 8")
            told = self.host.output(self.host.stderr)
            if "SystemExit" in raised:
                self.assertEqual((status, told), (3, ""))
            else:
                self.assertEqual(status, 1)
                self.assertLess(told.index("Error in sys.excepthook:\n"), told.index("\nOriginal exception was:\nTraceback"))
                self.assertIn("ZeroDivisionError", told)

    def test_at_the_end_of_the_session(self):
        self.host.evaluate(
            "import atexit, io\nclass Stream:\n    flush = fail\n    def write(self, text): return len(text)\nsys.stdout = Stream()\n"
            "class File(io.TextIOWrapper):\n    flush = fail\nfile = File(open(os.devnull, 'wb'))\nlast = open(os.dup(1), 'w')\nlast.write('last')\n"
            "circle = [last]\ncircle.append(circle)\nwhat = SystemExit(3)\natexit.register(fail)\nNone"
        )
        self.host.close_link()
        self.assertEqual(self.host.wait(), 0)
        self.assertEqual(self.host.output(self.host.stdout), "last")


class Answers(Raising):
    """What a call calls to answer ends that call at most."""

    def test_methods_of_a_result(self):
        names = ("__repr__", "__str__", "__getattr__", "_repr_html_", "_repr_mimebundle_", "__len__", "__iter__", "__reduce__", "__eq__", "__hash__")
        names += ("__class__", "shape", "dtype", "nbytes", "__sizeof__", "__array_interface__", "__dict__", "__doc__", "__signature__", "__dir__", "__contains__")
        for name in names:
            how = "property(fail)" if name in ("__class__", "shape", "dtype", "nbytes", "__array_interface__", "__dict__", "__signature__") else "fail"
            self.host.evaluate("class Result:\n    def __call__(self): pass\n    %s = %s" % (name, how))
            handle = self.make("Result()")
            for _ in self.for_each():
                self.answered(EVALUATE, {"expression": "Result()", "repr": True})
                self.answered(EXECUTE, {"expression": "Result()"}, _wire.EVENTS)
                self.answered(EVALUATE, {"expression": "[Result(), {Result: 1}]"})
                for asked in ("json", "text", "string", "int", "list", "dict", "handle"):
                    self.answered(EVALUATE, {"expression": "Result()", "returnType": asked})
                for operation in (DESCRIBE, LENGTH, DIRECTORY, VALUE):
                    self.answered(operation, {"handleId": handle})
                self.answered(CONTAINS, {"handleId": handle, "value": 1})
                self.answered(GETITEM, {"handleId": handle, "key": 1})
                self.host.call(EVALUATE, {"expression": "import beep_python\nbeep_python.handles()\nNone"})
                self.assert_state()
            self.assertEqual(self.answered(RELEASE, {"handleId": handle})[0], _wire.OBJECT)

    def test_methods_of_a_class(self):
        for name in ("__instancecheck__", "__subclasscheck__", "__getattribute__", "__repr__", "__hash__", "__eq__"):
            self.host.evaluate("class Kind(type): %s = fail" % name)
            for _ in self.for_each():
                self.host.call(EVALUATE, {"expression": "class Result(metaclass=Kind): pass"})
                self.answered(EXECUTE, {"expression": "Result()"}, _wire.EVENTS)
                self.answered(EVALUATE, {"expression": "[Result()]", "repr": True})
                self.assert_state()

    def test_a_check_of_classes_says_nothing_of_a_value(self):
        self.host.evaluate("class Kind(type): pass\nclass Result(metaclass=Kind): pass")
        self.host.evaluate("import collections.abc\ncollections.abc.Mapping.register(Result)\nKind.__subclasscheck__ = fail")
        for what in self.for_each():
            self.host.evaluate("class Other: pass")
            kind = self.answered(EVALUATE, {"expression": "Other()"})[0]
            self.assertEqual(kind, _wire.EXCEPTION if "Keyboard" in what else _wire.HANDLE)
            self.assert_state()

    def test_exceptions(self):
        for name in ("__str__", "__repr__", "__notes__", "exceptions", "__cause__", "__traceback__", "__class__", "__getattribute__"):
            how = "fail" if name in ("__str__", "__repr__", "__getattribute__") else "property(fail)"
            for base in ("Exception", "BaseException"):
                self.host.evaluate("class Failure(%s): %s = %s" % (base, name, how))
                for _ in self.for_each():
                    self.assertEqual(self.answered(EVALUATE, {"expression": "raise Failure()"})[0], _wire.EXCEPTION)
                    self.assert_state()

    def test_the_code_of_an_exception_that_ends_the_process(self):
        self.host.evaluate("class Code: __str__ = fail")
        for _ in self.for_each():
            self.assertEqual(self.host.fails("sys.exit(Code())")["exitStatus"], 1)
            self.assert_state()

    def test_the_source_of_a_frame(self):
        self.host.evaluate("class Loader: get_source = fail\nspace = {'__loader__': Loader(), '__name__': 'm'}\nexec(compile('def f(): 1/0', 'no file', 'exec'), space)")
        for _ in self.for_each():
            self.assertEqual(self.host.fails("space['f']()")["type"], "ZeroDivisionError")

    def test_iterators(self):
        for name in ("__next__", "close", "send"):
            self.host.evaluate("class Items:\n    def __iter__(self): return self\n    def __next__(self): return 1\n    def send(self, x): pass\n    def close(self): pass\n    %s = fail" % name)
            for _ in self.for_each():
                kind, body = self.answered(STREAM, {"expression": "Items()", "credit": 2})
                if kind == _wire.OBJECT:
                    self.answered(RELEASE, {"handleId": json.loads(body)["handleId"]})
                self.assert_state()

    def test_the_end_of_one_of_several(self):
        code = "def items():\n    try: yield from range(9)\n    finally: raise what"
        self.host.evaluate(code)
        for what in self.for_each():
            handles = [json.loads(self.answered(STREAM, {"expression": "items()", "credit": 1})[1])["handleId"] for _ in range(3)]
            kind = self.answered(RELEASE, {"handleIds": handles})[0]
            self.assertEqual(kind, _wire.OBJECT if "Generator" in what else _wire.EXCEPTION)
            self.assertEqual(json.loads(self.answered(RELEASE, {"handleIds": handles})[1])["disposed"], 0)
            self.assert_state()

    def test_the_end_of_an_asynchronous_one(self):
        self.host.evaluate("async def items():\n    try:\n        while True: yield 1\n    finally: raise what")
        for _ in self.for_each():
            kind, body = self.answered(STREAM, {"expression": "items()", "credit": 1})
            self.assertEqual(kind, _wire.OBJECT, body)
            self.answered(RELEASE, {"handleId": json.loads(body)["handleId"]})
            self.assert_state()

    def test_hooks(self):
        self.host.evaluate("from beep_python._prompt import Prompt\nprompt = Prompt()\nsys.displayhook = sys.excepthook = sys.unraisablehook = threading.excepthook = fail")
        prompt = self.make("prompt")
        self.host.evaluate("class Ends:\n    __del__ = fail\n    __getattr__ = fail\nended = Ends()")
        for _ in self.for_each():
            self.answered(CALL, {"handleId": prompt, "methodName": "show", "args": [5]})
            self.answered(CALL, {"handleId": prompt, "methodName": "complete", "args": ["ended.a"]})
            self.host.evaluate("Ends()\nNone")
            self.host.evaluate("thread = threading.Thread(target=fail)\nthread.start()\nthread.join()")
            self.assert_state()


class AtRest(Raising):
    """No call runs."""

    def test_a_signal_handler(self):
        self.host.evaluate("signal.signal(signal.SIGUSR1, lambda *args: (os.write(1, b'handled'), fail()))\nNone")
        for _ in self.for_each():
            self.host.until_at_rest()
            os.kill(self.host.pid, signal.SIGUSR1)
            self.host.until("handled")
            self.assert_state()

    def test_a_signal_handler_of_a_call(self):
        self.host.evaluate("signal.signal(signal.SIGUSR1, fail)\nNone")
        for what in self.for_each():
            self.assertIn(what.partition("(")[0], self.host.fails("signal.raise_signal(signal.SIGUSR1)")["type"])
            self.assert_state()

    def test_tasks_and_what_tells_of_them(self):
        self.host.evaluate("import asyncio\nasync def late():\n    os.write(1, b'late')\n    raise what")
        self.host.evaluate("await asyncio.sleep(0)\nasyncio.get_running_loop().set_exception_handler(fail)")
        for _ in self.for_each():
            self.host.evaluate("async def begin(): asyncio.get_running_loop().call_later(0.001, lambda: asyncio.ensure_future(late()))\nawait begin()")
            self.host.until("late")
            self.assert_state()
            self.host.evaluate("import gc\ngc.collect()\nNone")
            self.assert_state()

    def test_a_policy_of_event_loops(self):
        self.host.evaluate(
            "import asyncio, warnings\nwarnings.simplefilter('ignore')\nclass Policy(asyncio.DefaultEventLoopPolicy):\n    set_event_loop = fail\n"
            "await asyncio.sleep(0)\nasyncio.set_event_loop_policy(Policy())"
        )
        for _ in self.for_each():
            self.assert_state()
            self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 5)"), 5)
        self.host.evaluate("asyncio.set_event_loop_policy(None)")
