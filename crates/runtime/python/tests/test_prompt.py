import builtins
import contextlib
import io
import sys
import warnings
from unittest import mock

from beep_python import _current, _last_exception, _unawaited
from beep_python._prompt import Prompt

from .host import WorkerTest
from .sessions import SessionTest


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
