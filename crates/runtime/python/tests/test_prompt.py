import builtins
import sys
import types
from unittest import TestCase, mock

from beep_python import _last_exception, _prompt
from beep_python._prompt import Prompt

from .host import WorkerTest


class PromptTest(TestCase):
    def setUp(self):
        self.addCleanup(sys.modules.__setitem__, "__main__", sys.modules["__main__"])
        self.main = sys.modules["__main__"] = types.ModuleType("__main__")
        self.addCleanup(builtins.__dict__.pop, "_", None)
        kept = mock.patch.object(_last_exception, "_is_kept", False)
        kept.start()
        self.addCleanup(kept.stop)
        self.prompt = Prompt()


class Rest(PromptTest):
    def test_what_can_be_run(self):
        for source in (
            "",
            "1 + 1",
            "x = 1",
            "x = (1,\n     2)",
            "'''\n  text'''",
            "def f():\n    return 1\n",
            "def f():\n    return 1\n    ",
            "for n in a:\n    n\nelse:\n    m\n",
            "x = 1\ny = 2",
            "x = 1\ndef f(): pass\n",
            "def f():\n    pass\n\nf()",
            "await thing()",
            "x = 1\nawait thing()",
            "# a comment",
            "if x: y\n",
            "class A: pass\n",
        ):
            with self.subTest(source=source):
                self.assertIsNone(self.prompt.rest(source))

    def test_what_is_wrong_is_run_to_say_so(self):
        for source in ("1 +* 2", "x = 1\ny z", ")", "  x", "'abc", "x = 1\n  y", "return 1 1", "\0"):
            with self.subTest(source=source):
                self.assertIsNone(self.prompt.rest(source))

    def test_what_needs_more(self):
        for source, indent in (
            ("def f():", "    "),
            ("def f():  # why", "    "),
            ("def f():\n    x = 1", "    "),
            ("def f():\n    if x:", "        "),
            ("def f():\n    if x:\n        return 1", "    "),
            ("def f():\n    return 1", ""),
            ("if x: y", ""),
            ("x = (", "    "),
            ("x = (1,", ""),
            ("x = '''", ""),
            ("def f():\n    '''text", ""),
            ("x = 1\nfor y in z:", "    "),
            ("x = 1\nfor y in z:\n    y", "    "),
            ("@thing", ""),
            ("a = 1 + \\", ""),
            ("try:\n    x\nexcept E:", "    "),
            ("async with a as b:", "    "),
        ):
            with self.subTest(source=source):
                self.assertEqual(self.prompt.rest(source), indent)


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

    def test_attributes(self):
        self.main.thing = types.SimpleNamespace(first=1, second=2)
        self.assertEqual(self.complete("f(thing.fi"), ("thing.fi", ["thing.first"]))
        self.assertIn("thing.second", self.complete("thing.")[1])
        self.assertEqual(self.complete("nothing.at"), ("nothing.at", []))

    def test_modules(self):
        self.assertIn("json", self.complete("import js")[1])
        self.assertEqual(self.complete("import os, js")[0], "js")
        self.assertIn("sys", self.complete("from sy")[1])
        import json

        self.assertIn("json.decoder", self.complete("import json.de")[1])
        self.assertEqual(json.__name__, "json")

    def test_readline_is_neither_needed_nor_forgotten(self):
        with mock.patch.dict(sys.modules):
            sys.modules.pop("rlcompleter", None)
            sys.modules.pop("readline", None)
            self.complete("pri")
            self.assertNotIn("readline", sys.modules)


class Shown(PromptTest):
    def test_the_last_value_has_a_name(self):
        self.assertEqual(self.prompt.show([1]), "[1]")
        self.assertEqual(builtins._, [1])
        self.assertIsNone(self.prompt.show(None))
        self.assertEqual(builtins._, [1])

    def test_a_long_text_is_cut(self):
        with mock.patch.object(_prompt, "MAX_SHOWN", 5):
            self.assertEqual(self.prompt.show("abcdef"), "'abcd... (3 characters more)")

    def test_a_display_of_the_users_own(self):
        shown = []
        with mock.patch.object(sys, "displayhook", shown.append):
            self.assertIsNone(self.prompt.show(5))
        self.assertEqual(shown, [5])


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
