import contextlib
import io
import linecache
import re
import sys
import traceback
import warnings
from unittest import mock

from beep_python import _compiler

from .sessions import EVALUATE, SessionTest


class Warned(SessionTest):
    def test_what_the_compiler_warns_of_is_shown_with_its_line(self):
        for code, line in (("x = 5\nx is 5", "x is 5"), ("'\\d'", "'\\d'"), ("    y = 1\n    1 is 1", "1 is 1"), ("def f():\n    return 1 is 1\n", "return 1 is 1")):
            with self.subTest(code=code), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()) as shown:
                warnings.simplefilter("always")
                self.evaluate(code)
                self.assertRegex(shown.getvalue(), r"Warning: [^\n]*\n  " + re.escape(line) + "\n")
        with self.assertRaises(SyntaxError):
            self.evaluate("x = = 1")
        self.assertNotIn("<session %d>" % self.session.compiler.count, linecache.cache)


class Values(SessionTest):
    def test_an_expression(self):
        self.assertEqual(self.evaluate("1+1"), 2)
        self.assertEqual(self.evaluate("  1 +\\\n 1  "), 2)
        self.assertEqual(self.evaluate("(1,\n 2)  # two"), [1, 2])

    def test_a_block_with_a_last_value(self):
        self.assertEqual(self.evaluate("a = 2\nb = 3\na * b"), 6)
        self.assertEqual(self.evaluate("a = 2; a + 1"), 3)
        self.assertEqual(self.evaluate("def f(): return 5\nf()"), 5)

    def test_statements_only(self):
        for code in ("a = 1", "pass", "def f(): pass", "for n in range(3): n", "if True:\n    5", "1;a = 1", "del a"):
            with self.subTest(code=code):
                self.assertIsNone(self.evaluate(code))

    def test_nothing_at_all(self):
        for code in ("", "   ", "\n\n", "# a comment", "\t# a comment\n  # another\n"):
            with self.subTest(code=code):
                self.assertIsNone(self.evaluate(code))

    def test_indented_source(self):
        self.assertEqual(self.evaluate("    a = 5\n    a + 1\n"), 6)
        self.assertEqual(self.evaluate("\n    def f():\n        return 7\n\n    f()"), 7)
        self.assertEqual(self.evaluate("\n  1+1"), 2)
        self.assertEqual(self.evaluate("\ta = 1\n\ta"), 1)

    def test_text_within_source_that_is_not_indented_stays_as_it_is(self):
        self.assertEqual(self.evaluate("a = '''\n  x\n  y'''\na"), "\n  x\n  y")

    def test_byte_order_mark_is_no_code(self):
        for code, value in (("5", 5), ("a = 2\na * 3", 6), ("    a = 5\n    a + 1\n", 6), ("", None), ("'\ufeff'", "\ufeff")):
            with self.subTest(code=code):
                self.assertEqual(self.evaluate("\ufeff" + code), value)
        with self.assertRaises(SyntaxError) as raised:
            _compiler.compile_source("\ufeffa b", "<text>")
        self.assertEqual((raised.exception.lineno, raised.exception.text), (1, "a b\n"))

    def test_decorators(self):
        self.assertEqual(self.evaluate("@lambda f: f()\ndef five():\n    return 5\nfive"), 5)
        self.assertEqual(self.evaluate("    @staticmethod\n    def f(): return 1\n    f.__func__()"), 1)

    def test_line_ends_of_other_systems(self):
        self.assertEqual(self.evaluate("a = 1\r\nif a:\r\n    a = 2\r\na"), 2)

    def test_futures_hold_for_what_comes_later(self):
        define = "def f(a: nothing): pass\nf.__annotations__"
        with self.assertRaises(NameError):
            self.evaluate(define)
        self.evaluate("from __future__ import annotations, generator_stop")
        for before in ("1", "", "# nothing", "pass", "    x = 1"):
            self.evaluate(before)
            self.assertEqual(self.evaluate(define), {"a": "nothing"})
        compiler = self.session.compiler
        self.assertEqual(compiler.size, sum(program.size for program in compiler.programs.values()))
        self.assertEqual(self.evaluate(define, locals={"x": 1}), {"a": "nothing"})
        self.assertEqual(self.evaluate("eval('f.__annotations__')"), {"a": "nothing"})

    def test_futures_of_a_source_that_is_wrong_do_not(self):
        for code in ("from __future__ import annotations\nreturn", "from __future__ import annotations, nothing", "x = 1\nfrom __future__ import annotations"):
            with self.assertRaises(SyntaxError):
                self.evaluate(code)
        with self.assertRaises(NameError):
            self.evaluate("def g(a: nothing): pass\ng.__annotations__")

    def test_the_compiler_warns_once(self):
        for code in ("'\\d'", "x = '\\d'", "print('\\d', end='')\nx = 1", "1 is 1", "x = 1 is 1", "assert (1, 2)", "x = 1if 1 else 2\n1", "1if 1 else 2; x = 2", "1.if 1 else 2; x = 2", "f'\\d{1}'\n1", "x = 1\n'\\d'"):
            with self.subTest(code=code):
                with warnings.catch_warnings(record=True) as told:
                    warnings.simplefilter("always")
                    self.evaluate(code)
                with warnings.catch_warnings(record=True) as expected:
                    warnings.simplefilter("always")
                    compile(code, "<string>", "exec")
                self.assertEqual([str(one.message) for one in told], [str(one.message) for one in expected])


class CompatModules(SessionTest):
    def test_they_persist(self):
        self.evaluate("x = 20")
        self.evaluate("def f(): return x + 1")
        self.evaluate("x = 30")
        self.assertEqual(self.evaluate("f()"), 31)

    def test_the_namespace_is_main(self):
        self.assertEqual(self.evaluate("__name__"), "__main__")
        self.evaluate("import pickle, sys\nclass C: pass")
        self.assertTrue(self.evaluate("type(pickle.loads(pickle.dumps(C()))) is C"))
        self.assertTrue(self.evaluate("sys.modules['__main__'].__dict__ is globals()"))

    def test_locals_are_seen_everywhere_and_do_not_persist(self):
        given = {"n": 3, "xs": [1, 2]}
        self.assertEqual(self.evaluate("[x * n for x in xs]", locals=given), [3, 6])
        self.assertEqual(self.evaluate("(lambda: n)()", locals=given), 3)
        self.assertEqual(self.evaluate("def f():\n    return sum(n for _ in xs)\nf()", locals=given), 6)
        self.assertEqual(self.evaluate("class C:\n    m = n\nC.m", locals=given), 3)
        self.assertFalse(self.evaluate("{'n', 'xs', 'f', 'C'} & set(globals()) != set()"))

    def test_what_code_with_locals_binds_does_not_persist(self):
        self.evaluate("a = 1")
        self.assertEqual(self.evaluate("a = n\na", locals={"n": 5}), 5)
        self.assertEqual(self.evaluate("a"), 1)

    def test_functions_keep_the_names_of_the_session(self):
        self.evaluate("a = 1\ndef f(): return a")
        self.assertEqual(self.evaluate("(a, f())", locals={"a": 2}), [2, 1])

    def test_no_locals_are_none(self):
        self.evaluate("a = 1", locals={})
        self.evaluate("b = 2", locals=None)
        self.assertEqual(self.evaluate("a + b"), 3)

    def test_locals_may_be_handles(self):
        handle_id = self.keep("object()")
        self.assertEqual(self.evaluate("type(o).__name__", locals={"o": {"$handle": handle_id}}), "object")

    def test_code_that_removes_the_builtins(self):
        self.evaluate("del __builtins__")
        self.assertEqual(self.evaluate("len('ab')"), 2)


class Wrong(SessionTest):
    def test_requests(self):
        self.assertIn("'expression' must be a string", self.refused(EVALUATE)[1])
        self.assertIn("'locals' must be an object", self.refused(EVALUATE, expression="1", locals=[1])[1])
        self.assertEqual(self.refused(EVALUATE, expression="a", locals={"a": {"$handle": "no"}})[0], "unknown_handle")

    def test_source(self):
        for code, kind in (("1 +", SyntaxError), ("if x:\npass", IndentationError), ("await = 1", SyntaxError)):
            with self.subTest(code=code), self.assertRaises(kind):
                self.evaluate(code)
        for code in ("\0", "'\ud800'"):
            with self.subTest(code=code), self.assertRaises((SyntaxError, ValueError)):
                self.evaluate(code)

    def test_source_is_not_run_in_part(self):
        with self.assertRaises(SyntaxError):
            self.evaluate("ran = 1\n)")
        self.assertFalse(self.evaluate("'ran' in globals()"))


class Cache(SessionTest):
    def test_the_same_source_is_compiled_once(self):
        first = self.session.compiler.program("1+1")
        self.assertIs(self.session.compiler.program("1+1"), first)

    def test_the_same_request_is_not_even_read_again(self):
        self.evaluate("1+1")
        with mock.patch("beep_python._session.body_of", side_effect=AssertionError("read")):
            self.assertEqual(self.evaluate("1+1"), 2)

    def test_requests_with_locals_or_hints_are(self):
        for _ in range(2):
            self.assertEqual(self.evaluate("a + 1", locals={"a": 1}), 2)
            self.assertEqual(self.evaluate("2.0", returnType="Int32"), 2)

    def test_tracebacks_show_the_source(self):
        self.evaluate("def f():\n    return 1 / 0  # here")
        try:
            self.evaluate("f()")
        except ZeroDivisionError:
            text = traceback.format_exc()
        self.assertIn("return 1 / 0  # here", text)
        self.assertIn("    f()\n", text)
        self.assertEqual(self.evaluate("import inspect\ninspect.getsource(f)"), "def f():\n    return 1 / 0  # here\n")

    def test_what_falls_out_falls_out_of_linecache_too(self):
        with mock.patch.object(_compiler, "MAX_CACHED", 3):
            files = [self.session.compiler.program(str(n)).file for n in range(5)]
        self.assertEqual([file in linecache.cache for file in files], [False, False, True, True, True])
        self.assertEqual(len(self.session.compiler.programs), 3)
        self.assertEqual(len(self.session.compiler.sources.users), 3)

    def test_and_its_requests_are_not_prepared_any_more(self):
        with mock.patch.object(_compiler, "MAX_CACHED", 1):
            self.evaluate("1")
            self.evaluate("1", other="spelling")
            self.assertEqual(len(self.session.prepared), 2)
            self.evaluate("2")
        self.assertEqual(len(self.session.prepared), 1)

    def test_there_is_a_limit_to_the_text_in_it(self):
        with mock.patch.object(_compiler, "MAX_TEXT", 10):
            for code in ("111111", "222222", "3333333333333"):
                self.evaluate(code)
                self.assertEqual(list(self.session.compiler.programs), [code])

    def test_there_is_a_limit_to_prepared_requests(self):
        with mock.patch.object(_compiler, "MAX_PREPARED", 2):
            for n in range(4):
                self.evaluate("1", n=n)
        self.assertEqual(len(self.session.prepared), 2)
        self.assertEqual(len(self.session.compiler.program("1").bodies), 2)
        self.evaluate("'" + "x" * 5000 + "'")
        self.assertEqual(len(self.session.prepared), 2)

    def tearDown(self):
        for name in [name for name in linecache.cache if name.startswith("<session ")]:
            del linecache.cache[name]
        self.assertIsNot(sys.modules["__main__"], None)
