import importlib
import importlib.util
import os
import signal

from beep_python import _builtins

from .host import EVALUATE, WorkerTest


class Hostile(WorkerTest):
    """Code that changes what the worker stands on: the session goes on, and answers come from us alone."""

    def goes_on_after(self, code):
        self.host.evaluate(code + "\nNone")
        self.assertEqual(self.host.evaluate("1+1"), 2)
        self.assertEqual(self.host.evaluate("[1, {'a': (2.5, 'x')}]"), [1, {"a": [2.5, "x"]}])
        self.assertEqual(self.host.fails("1/0")["message"], "division by zero")
        self.assertTrue(self.host.call(EVALUATE, {"expression": "(lambda: 0)"})[1].startswith(b'{"isHandle":true'))
        self.assertIn(b"invalid_request", self.host.call(EVALUATE, {})[1])

    def test_modules_that_are_removed(self):
        self.goes_on_after("import sys\nfor name in list(sys.modules):\n    if name not in ('sys', 'builtins'): del sys.modules[name]")

    def test_modules_that_are_replaced(self):
        self.goes_on_after("import sys\nfor name in ('json', 'os', 'asyncio', 'numpy', 'signal', '__main__'): sys.modules[name] = None")

    def test_functions_that_are_replaced(self):
        self.goes_on_after(
            "import json, os, time, fcntl, linecache, signal, sys\n"
            "def wrong(*args, **kwargs): raise RuntimeError('replaced')\n"
            "json.dumps = json.loads = json.JSONEncoder.encode = json.JSONEncoder.default = json.JSONDecoder.decode = wrong\n"
            "os.read = os.write = os.close = os._exit = time.monotonic = time.sleep = fcntl.ioctl = linecache.getline = wrong\n"
            "signal.signal = signal.getsignal = sys.stdout.flush = sys.exc_info = wrong"
        )
        self.assertEqual(self.host.evaluate("pid = os.fork()\npid and os.waitpid(pid, 0)[1]"), 0)

    def test_a_clock_that_stands_still(self):
        self.goes_on_after("import time\ntime.monotonic = lambda: 0")

    def test_builtins(self):
        self.goes_on_after("import builtins\nbuiltins.print = builtins.open = builtins.__import__ = builtins.repr = None")
        self.goes_on_after("__builtins__ = {}")
        self.host.fails("__builtins__ = None\nlen")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_the_namespace(self):
        self.goes_on_after("globals().clear()")

    def test_places(self):
        self.goes_on_after("import os, tempfile\nd = tempfile.mkdtemp()\nos.chdir(d)\nos.rmdir(d)")
        self.goes_on_after("import locale, os\nos.environ.clear()\nlocale.setlocale(locale.LC_ALL, 'C')")

    def test_limits(self):
        self.goes_on_after("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))")

    def test_hooks(self):
        self.goes_on_after("import sys\nsys.excepthook = sys.displayhook = sys.unraisablehook = None")

    def test_tracing(self):
        self.goes_on_after("import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)")

    def test_signal_handlers_that_raise_while_the_session_is_idle(self):
        self.host.evaluate(
            "import signal\ndef handler(*args):\n    raise TimeoutError('rang')\nsignal.signal(signal.SIGUSR1, handler)\nNone"
        )
        for _ in range(3):
            self.host.until_at_rest()
            os.kill(self.host.pid, signal.SIGUSR1)
            self.host.until("TimeoutError: rang\n", self.host.stderr)
            self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_input_has_an_end(self):
        self.assertEqual(self.host.fails("input('name? ')")["type"], "EOFError")

    def test_debuggers_do_not_hang(self):
        for code in ("breakpoint()", "import pdb\npdb.set_trace()\na = 1\na", "def f():\n    breakpoint()\n    return 1\nf()"):
            with self.subTest(code=code):
                self.host.call(EVALUATE, {"expression": code})
                self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_a_debugger_after_an_exception(self):
        self.assertEqual(self.host.evaluate("import pdb\ntry: 1/0\nexcept ZeroDivisionError as e: pdb.post_mortem(e.__traceback__)\n5"), 5)

    def test_warnings_as_errors(self):
        self.goes_on_after("import warnings\nwarnings.simplefilter('error')")

    def test_memory(self):
        self.host.evaluate("import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))")
        self.assertEqual(self.host.fails("'x' * (1 << 31)")["type"], "MemoryError")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_garbage(self):
        self.goes_on_after("import gc\ngc.disable()\ngc.set_debug(0)")

    def test_builtins_that_are_gone(self):
        names = (
            "len isinstance print type dict list tuple set getattr setattr hasattr open iter next range enumerate str bytes int any all "
            "callable min max repr id zip memoryview BaseException Exception OSError ValueError TypeError KeyboardInterrupt StopIteration"
        )
        for name in names.split():
            with self.subTest(name=name):
                self.goes_on_after(
                    "import builtins\nkept = builtins.%s\nbuiltins.%s = None\nclass C: pass\nC()\nbuiltins.%s is None" % ((name,) * 3)
                )
                self.assertEqual(self.host.fails("%s(1)" % name)["type"], "TypeError")
                self.host.evaluate("builtins.%s = kept" % name)
        self.host.evaluate("replace = setattr\nfor name in dir(builtins):\n    if name[0] != '_': replace(builtins, name, None)")
        self.assertEqual(self.host.evaluate("1+1"), 2)
        self.assertEqual(self.host.fails("len('')")["message"], "'NoneType' object is not callable")
        self.host.close_link()
        self.assertEqual(self.host.wait(), 0)

    def test_every_module_has_builtins_of_its_own(self):
        folder = os.path.dirname(_builtins.__file__)
        for name in sorted(os.listdir(folder)):
            name, dot, kind = name.partition(".")
            if name == "_figure_backend" and importlib.util.find_spec("matplotlib") is None:
                continue
            if kind == "py" and name not in ("__init__", "_boot", "_builtins", "_exec"):
                with self.subTest(name=name):
                    module = importlib.import_module("beep_python." + name)
                    self.assertIs(vars(module)["__builtins__"], _builtins.own)

    def test_code_never_gets_them(self):
        self.host.evaluate("def mine(): return __builtins__")
        self.host.evaluate("globals().clear()")
        self.assertTrue(self.host.evaluate("import builtins, sys\n__builtins__ in (builtins, vars(builtins)) and sys is not None"))
        self.host.evaluate("globals().clear()")
        self.host.evaluate("await __import__('asyncio').sleep(0)")
        self.assertTrue(self.host.evaluate("import builtins\n__builtins__ in (builtins, vars(builtins))"))
