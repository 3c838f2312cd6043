import builtins
import contextlib
import importlib.util
import io
import os
import sys
import tempfile
import types
import warnings
from unittest import TestCase, mock

from beep_python import _current, _last_exception, _unawaited
from beep_python._prompt import Prompt

from .host import WorkerTest
from .sessions import SessionTest


class PromptTest(TestCase):
    def setUp(self):
        self.addCleanup(sys.modules.__setitem__, "__main__", sys.modules["__main__"])
        self.main = sys.modules["__main__"] = types.ModuleType("__main__")
        self.addCleanup(builtins.__dict__.pop, "_", None)
        kept = mock.patch.object(_last_exception, "_is_kept", False)
        kept.start()
        self.addCleanup(kept.stop)
        self.prompt = Prompt()


class Completion(PromptTest):
    def complete(self, before):
        start, names = self.prompt.complete(before)
        return before[start:], names

    def test_names_of_the_namespace_and_builtins(self):
        self.main.température = 1
        self.main.temporary = print
        self.assertEqual(self.complete("x = temp"), ("temp", ["temporary", "température"]))
        self.assertIn("print", self.complete("foo(pri")[1])
        self.assertIn("import", self.complete("imp")[1])
        self.assertEqual(self.complete("x = "), ("", []))
        self.assertEqual(self.complete("1 + 2."), ("", []))

    def names(self, before):
        return self.complete(before)[1]

    def test_attributes(self):
        self.main.thing = types.SimpleNamespace(first=1, second=2, _own=3)
        self.assertEqual(self.complete("f(thing.fi"), ("fi", ["first"]))
        self.assertEqual(self.names("thing."), ["first", "second"])
        self.assertEqual(self.names("thing._o"), ["_own"])
        self.assertIn("__class__", self.names("thing.__c"))
        self.assertEqual(self.names("nothing.at"), [])
        self.assertEqual(self.names("thing . se"), ["second"])
        self.assertEqual(self.names("1 + 2."), [])

    def test_names_after_a_dot_are_of_the_object_alone(self):
        exec("class P:\n    def method(self) -> 'P': pass\n    def other(self): pass\ndef make() -> P: pass\nasync def wait() -> P: pass", vars(self.main))
        for source in ("P().me", "make().me", "P().method().me", "P.me", "[P][0].me"):
            self.assertEqual(self.names(source), ["method"], source)
        for source in ("P().other().me", "P()().me", "wait().me", "unknown().me", "(yield).me", "len(x).me", "f.me"):
            self.assertEqual(self.names(source), [], source)

    def test_literals_items_and_calls_that_have_no_effects(self):
        self.main.d = {"key": [1], 5: "text"}
        for source, name in (
            ("'x'.upp", "upper"), ('f"{x}".upp', "upper"), ("b'x'.dec", "decode"), ("[1].app", "append"), ("{1}.ad", "add"),
            ("{'a': 1}.ke", "keys"), ("(1, 2).cou", "count"), ("1.5.is_i", "is_integer"), ("(1).bit_l", "bit_length"),
            ('d["key"].app', "append"), ("d[5].upp", "upper"), ('d["key"][0].bit_l', "bit_length"), ("'x'.split().app", "append"),
            ("'x'.upper().upp", "upper"), ("'a' 'b'.upp", "upper"), ("[x for x in y].app", "append"), ("(1 + 2).bit_l", "bit_length"),
            ("('a' + 'b').upp", "upper"), ("str(x).upp", "upper"), ("d.keys().isd", "isdisjoint"), ("print(d['key'].app", "append"),
            ("x = -1\n'y'.upp", "upper"), ("{}.ke", "keys"), ("[1,\n 2].app", "append"), ("'x'[0].upp", "upper"), ("d['key'][:1].app", "append"),
        ):  # fmt: skip
            with self.subTest(source=source):
                self.assertEqual(self.names(source), [name])
        for source in ("d['none'].", "d[0].", "'x'.nothing.", "'''x.upp", "# x.upp", "x).upp", "lambda: x.", "-x."):
            with self.subTest(source=source):
                self.assertEqual(self.names(source), [])
        self.assertIn("bit_length", self.names("(2 ** 10 ** 10 ** 10).bit_"))  # is not calculated

    def test_no_code_runs(self):
        ran = self.main.ran = []
        exec(
            "class Watched:\n"
            "    def __init__(self): ran.append('init')\n"
            "    def __getattr__(self, name): ran.append(name)\n"
            "    def __getitem__(self, key): ran.append(key)\n"
            "    def __call__(self): ran.append('call')\n"
            "    @property\n    def value(self): ran.append('value'); return 'x'\n"
            "    @property\n    def text(self) -> str: ran.append('text')\n"
            "class Spied:\n    def __getattribute__(self, name): ran.append(name); return object.__getattribute__(self, name)\n"
            "class Described:\n    def __get__(self, *of): ran.append('get')\n"
            "class Has: it = Described()\n"
            "class Keys(dict):\n    def __missing__(self, key): ran.append('missing')\n"
            "watched, spied, has, keys = object.__new__(Watched), Spied(), Has(), Keys(a=1)\nran.clear()",
            vars(self.main),
        )
        self.assertEqual(self.names("watched.val"), ["value"])
        self.assertEqual(self.names("watched.text.upp"), ["upper"])
        for source in ("watched.value.up", "watched.none.", "watched[1].", "watched().", "Watched().none.", "spied.x", "has.it.", "keys['b']."):
            self.names(source)
        self.assertEqual(ran, [])

    def test_lazy_modules_stay_so(self):
        spec = importlib.util.find_spec("this")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        lazy = self.main.lazy = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(lazy)
        self.names("lazy.")
        self.names("lazy.s.")
        self.assertEqual(type(lazy).__name__, "_LazyModule")
        module = self.main.module = types.ModuleType("module")
        module.__getattr__ = self.fail
        self.assertEqual(self.names("module.x"), [])

    def test_keys(self):
        self.main.d = {"key": 1, "kind's": 2, b"raw": 3, 7: 4, "é": 5}
        self.main.os, self.main.inner = os, {"d": self.main.d}
        self.assertEqual(self.complete('d["k'), ('"k', ['"key"]', '"kind\'s"]']))
        self.assertEqual(self.complete("d['k"), ("'k", ["'key']", "'kind\\'s']"]))
        self.assertEqual(self.names('d["é'), ['"é"]'])
        self.assertEqual(self.names("d[b'r"), ["b'raw']"])
        self.assertIn("7]", self.names("d["))
        self.assertEqual(self.names('inner["d"]["ke'), ['"key"]'])
        self.assertIn('"PATH"]', self.names('os.environ["PA'))
        self.assertEqual(self.names("[x for x in d['ke"), ["'key']"])

    def test_keyword_arguments(self):
        exec("def f(first, *, second=1, **more): pass\nclass C:\n    def __init__(self, given): pass\n    def m(self, only): pass", vars(self.main))
        self.assertEqual(self.names("f("), ["first=", "second="])
        self.assertEqual(self.names("f(first=g(1, [2]), se"), ["second=", "set", "setattr"])
        self.assertNotIn("first=", self.names("f(first=1, fi"))
        self.assertEqual(self.names("x = C(giv"), ["given="])
        self.assertEqual(self.names("C(1).m(onl"), ["only="])
        self.assertEqual(self.names("f([fir"), [])
        self.assertEqual(self.names("f(x.fir"), [])
        self.assertIn("key=", self.names("sorted([1], ke"))

    def test_paths(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "inner folder"))
            for name in ("into.txt", ".hidden", "it's"):
                open(os.path.join(folder, name), "w").close()
            self.assertEqual(self.complete("open('%s/in" % folder), ("in", ["inner folder/", "into.txt"]))
            self.assertEqual(self.names('open("%s/it' % folder), ["it's"])
            self.assertEqual(self.names("open('%s/it" % folder), [])
            self.assertEqual(self.names("open('%s/.h" % folder), [".hidden"])
            with mock.patch.dict(os.environ, HOME=folder):
                self.assertEqual(self.names("open('~/int"), ["into.txt"])
            self.assertEqual(self.names("open('%s/none/" % folder), [])

    def test_modules(self):
        self.assertIn("json", self.names("import js"))
        self.assertEqual(self.complete("import os, js")[0], "js")
        self.assertEqual(self.complete("import os as o, js")[0], "js")
        self.assertIn("sys", self.names("from sy"))
        self.assertIn("json.decoder", self.names("import json.de"))

    def test_what_modules_have(self):
        self.assertIn("path", self.names("from os import pa"))
        self.assertIn("sep", self.names("from os import path, se"))
        self.assertIn("decoder", self.names("from json import (dec"))
        self.assertEqual(self.names("from os im"), ["import"])
        with mock.patch.dict(sys.modules), tempfile.TemporaryDirectory() as folder, mock.patch.object(sys, "path", [folder, *sys.path]):
            with open(os.path.join(folder, "unread.py"), "w") as file:
                file.write("raise SystemExit\nimport os\nvalue = other = 1\nclass Thing: pass\ndef think(): pass\n")
            self.assertEqual(self.names("from unread import th"), ["think"])
            self.assertEqual(self.names("from unread import "), ["Thing", "os", "other", "think", "value"])
            self.assertNotIn("unread", sys.modules)
        self.assertEqual(self.names("from no_such_module import x"), [])


class Typed(SessionTest):
    """What is typed runs as at Python's own prompt."""

    def setUp(self):
        super().setUp()
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        names = ("displayhook", "excepthook", "ps1", "ps2", "last_type", "last_value", "last_traceback", "last_exc")
        before = {name: getattr(sys, name) for name in names if hasattr(sys, name)}
        self.addCleanup(sys.__dict__.update, before)
        for name in names[2:]:
            self.addCleanup(sys.__dict__.pop, name, None)
        self.addCleanup(builtins.__dict__.pop, "_", None)
        self.addCleanup(sys.set_coroutine_origin_tracking_depth, sys.get_coroutine_origin_tracking_depth())
        for change in (
            mock.patch.object(_last_exception, "_is_kept", False),
            mock.patch.object(_current, "client", self.session.client),
            contextlib.redirect_stdout(self.stdout),
            contextlib.redirect_stderr(self.stderr),
        ):
            change.__enter__()
            self.addCleanup(change.__exit__, None, None, None)
        self.prompt = Prompt()

    def run_typed(self, *texts):
        """What these texts print."""
        for text in texts:
            self.prompts = self.prompt.run(text)
        out = self.stdout.getvalue()
        self.stdout.truncate(self.stdout.seek(0))
        return out


class Results(Typed):
    def test_results_of_statements_are_shown(self):
        self.assertEqual(self.run_typed("1; 2"), "2\n" if sys.version_info >= (3, 13) else "1\n2\n")
        self.assertEqual(self.run_typed("for i in range(3): i"), "0\n1\n2\n")
        self.assertEqual(self.run_typed("if True:\n    'x'\n    None"), "'x'\n")
        self.assertEqual(self.run_typed("def f(): 5\n"), "")
        self.assertEqual(self.run_typed("x = 5; x;"), "")
        self.assertEqual(self.run_typed("import asyncio\nawait asyncio.sleep(0, 'awaited')"), "'awaited'\n")
        self.assertEqual(self.run_typed("for i in range(2): await asyncio.sleep(0, i)"), "0\n1\n")
        self.assertEqual(self.run_typed("_"), "1\n")

    def test_a_repr_runs_once(self):
        self.run_typed("class R:\n    def __repr__(self): count.append(1); return 'R'\ncount = []")
        self.assertEqual(self.run_typed("R()", "len(count)"), "R\n1\n")

    def test_hooks_and_prompts_of_the_users_own(self):
        self.run_typed("import sys")
        self.assertEqual(self.prompts, [">>> ", "... "])
        self.run_typed("class P:\n    n = 0\n    def __str__(self): self.n += 1; return 'in[%d] ' % self.n", "sys.ps1, sys.ps2 = P(), 5")
        self.assertEqual(self.prompts, ["in[1] ", "5"])
        self.run_typed("None")
        self.assertEqual(self.prompts, ["in[2] ", "5"])
        self.assertEqual(self.run_typed("sys.displayhook = lambda value: print('shown', value)", "5", "None"), "shown 5\nshown None\n")
        self.run_typed("def hook(kind, error, traceback): print(kind.__name__, error, traceback and traceback.tb_frame.f_code.co_filename[:9])")
        self.assertEqual(self.run_typed("sys.excepthook = hook", "raise ValueError(5)"), "ValueError 5 <session \n")
        self.assertTrue(self.run_typed("1 +").startswith("SyntaxError "))
        self.assertIsInstance(sys.last_value, SyntaxError)
        with self.assertRaises(SystemExit):
            self.prompt.run("sys.exit(3)")
        self.run_typed("def wrong(*of): raise KeyError('hook')", "sys.excepthook = wrong", "1/0")
        told = self.stderr.getvalue()
        expected = r"(?s)^Error in sys.excepthook:\n.*in wrong\n.*KeyError: 'hook'\n\nOriginal exception was:\n.*ZeroDivisionError: division by zero\n$"
        self.assertRegex(told, expected)
        self.assertNotIn("beep_python", told)

    def test_an_error_is_raised_where_no_hook_is(self):
        for text, kind in (("1/0", ZeroDivisionError), ("%", SyntaxError), ("%who x", Exception), ("x = = 5", SyntaxError)):
            with self.assertRaises(kind):
                self.prompt.run(text)

    def test_coroutines_that_nobody_awaits_are_warned_of_where_they_were_made(self):
        self.run_typed("async def g(): pass", "import asyncio")
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with mock.patch.object(warnings, "_warn_unawaited_coroutine", _unawaited.warn_of_unawaited):
                for text in ("asyncio.create_task(g())", "x = 1\n[g()][5]"):
                    with self.assertRaises(Exception):
                        self.prompt.run(text)
                for name in ("last_type", "last_value", "last_traceback", "last_exc"):
                    sys.__dict__.pop(name, None)
        places = [(warning.filename[:9], warning.lineno) for warning in warned if "never awaited" in str(warning.message)]
        self.assertEqual(places, [("<session ", 1), ("<session ", 2)])


class LastException(WorkerTest):
    """What went wrong last is in `sys`, for `pdb.pm()`, where a prompt helps with the session."""

    NAMES = "[name for name in ('last_type', 'last_value', 'last_traceback', 'last_exc') if hasattr(sys, name)]"

    def test_it_is_kept(self):
        expected = ["last_type", "last_value", "last_traceback"] + ["last_exc"] * (sys.version_info >= (3, 12))
        self.host.evaluate("import sys, pdb, io\ndef f(): held = 7; 1/0")
        self.host.fails("f()")
        self.assertEqual(self.host.evaluate(self.NAMES), [])
        self.host.evaluate("prompt = __import__('beep_python._prompt', fromlist=['Prompt']).Prompt()\nNone")
        self.host.fails("f()")
        self.assertEqual(self.host.evaluate(self.NAMES), expected)
        self.assertEqual(self.host.evaluate("sys.last_value.__traceback__ is sys.last_traceback and sys.last_traceback.tb_frame.f_code.co_name"), "<module>")
        self.host.fails("sys.exit(3)")
        self.assertEqual(self.host.evaluate("sys.last_type.__name__"), "ZeroDivisionError")
        ask = "import contextlib\nfrom unittest import mock\nlines = mock.patch('builtins.input', side_effect=['p held', 'q'])\n"
        ask += "with lines, contextlib.redirect_stdout(io.StringIO()) as out: pdb.pm()\nout.getvalue()"
        self.assertIn("7\n", self.host.evaluate(ask))
