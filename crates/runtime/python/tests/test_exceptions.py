import json
import os
import sys
import unittest

from beep_python import _exceptions

from .sessions import IMPORT, SessionTest


class Failure(SessionTest):
    def failure(self, code):
        """The body of the answer to code that raises."""
        return self.failed(lambda: self.evaluate(code))

    def failed(self, ask):
        try:
            ask()
        except BaseException as error:
            traceback = BaseException.__traceback__.__get__(error)
            while traceback and traceback.tb_frame.f_code.co_filename.startswith(os.path.dirname(__file__)):
                traceback = traceback.tb_next  # in a worker there are no such frames
            error.with_traceback(traceback)
            return json.loads(_exceptions.encode(error))
        raise AssertionError("nothing was raised")

    def described(self, code):
        return self.failure(code)["exception"]

    def test_type_message_and_traceback(self):
        told = self.failure("def f():\n    return 1 / 0\nf()")
        self.assertEqual(told["detail"], "ZeroDivisionError: division by zero")
        self.assertEqual(
            told["exception"],
            {
                "type": "ZeroDivisionError",
                "message": "division by zero",
                "traceback": [
                    {"file": "<session 1>", "line": 3, "function": "<module>", "code": "f()"},
                    {"file": "<session 1>", "line": 2, "function": "f", "code": "return 1 / 0"},
                ],
            },
        )

    def test_a_type_bears_its_module(self):
        self.assertEqual(self.described("class E(Exception): pass\nraise E")["type"], "__main__.E")
        self.assertEqual(self.failure("raise E")["detail"], "__main__.E")

    def test_cause_context_and_suppressed_context(self):
        caught = "try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError(1)"
        self.assertEqual(self.described(caught)["cause"]["type"], "KeyError")
        self.assertEqual(self.described(caught + " from error")["cause"]["message"], "'a'")
        self.assertNotIn("cause", self.described(caught + " from None"))
        self.assertEqual(self.described(caught + " from OSError('x')")["cause"]["type"], "OSError")

    def test_causes_have_an_end(self):
        told = self.described("error = None\nfor n in range(100):\n    e = ValueError(n)\n    e.__cause__ = error\n    error = e\nraise error")
        depth = 0
        while "cause" in told:
            depth, told = depth + 1, told["cause"]
        self.assertEqual(depth, _exceptions.MAX_DEPTH)

    def test_notes(self):
        told = self.described("e = ValueError()\ne.__notes__ = ['first', 5]\nraise e")
        self.assertEqual(told["notes"], ["first", "5"])

    @unittest.skipIf(sys.version_info < (3, 11), "groups came with 3.11")
    def test_groups(self):
        told = self.described("raise ExceptionGroup('all', [ValueError(1), ExceptionGroup('in', [KeyError(2)])])")
        self.assertEqual(told["message"], "all (2 sub-exceptions)")
        self.assertEqual([e["type"] for e in told["exceptions"]], ["ValueError", "ExceptionGroup"])
        self.assertEqual(told["exceptions"][1]["exceptions"][0]["message"], "2")

    @unittest.skipIf(sys.version_info < (3, 11), "groups came with 3.11")
    def test_groups_of_groups_have_an_end(self):
        told = self.described("g = ValueError()\nfor _ in range(9):\n    g = ExceptionGroup('g', [g] * 50)\nraise g")
        count, rest = 0, [told]
        while rest:
            count += 1
            rest += rest.pop().get("exceptions", [])
        self.assertEqual(count, _exceptions.MAX_EXCEPTIONS)

    def test_exceptions_that_say_wrong_things_of_themselves(self):
        for body in (
            *("def __str__(self): 1/0", "def __str__(self): raise SystemExit", "def __str__(self): return 5"),
            *("def __str__(self): return type('S', (str,), {'__len__': None})('x')", "def __str__(self): return '\\ud800'"),
            *("__cause__ = 5", "__traceback__ = property(lambda self: 1/0)", "__notes__ = property(lambda self: 1/0)"),
            *("exceptions = (1, ValueError())", "__suppress_context__ = property(lambda self: sys.exit())"),
        ):
            with self.subTest(body=body):
                self.assertEqual(self.described("import sys\nclass E(Exception):\n    %s\nraise E" % body)["type"], "__main__.E")
        told = self.described("class E(Exception):\n    def __str__(self): 1/0\nraise E")
        self.assertEqual(told["message"], "<__main__.E, whose __str__ raised ZeroDivisionError>")

    def test_long_messages_are_cut(self):
        told = self.described("raise ValueError('x' * 10**6)")
        self.assertLess(len(told["message"]), 70_000)
        self.assertIn("more characters", told["message"])

    def test_a_recursion_error_has_its_frames_cut(self):
        told = self.described("def f(): f()\nf()")
        self.assertEqual(told["type"], "RecursionError")
        functions = [frame["function"] for frame in told["traceback"]]
        self.assertEqual(len(functions), _exceptions.MAX_FRAMES + 1)
        self.assertEqual((functions[0], functions[-1]), ("<module>", "f"))
        self.assertRegex(functions[_exceptions.MAX_FRAMES // 2], r"^\(\d+ frames left out\)$")

    def test_a_low_limit_of_recursion_is_survived(self):
        limit = sys.getrecursionlimit()
        self.addCleanup(sys.setrecursionlimit, limit)
        depth = len(self.described("import inspect\nraise ValueError('%d' % len(inspect.stack()))")["message"])
        self.assertGreater(depth, 0)
        told = self.described("sys = __import__('sys')\nsys.setrecursionlimit(len(inspect.stack()) + 8)\n1/0")
        self.assertIn(told["type"], ("ZeroDivisionError", "RecursionError"))

    def test_long_lines_are_cut(self):
        told = self.described("1/0" + " " * 5000 + "# x")
        self.assertLess(len(told["traceback"][0]["code"]), 1100)

    def test_awaited_code_shows_no_frames_of_the_loop(self):
        told = self.described("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    1/0\nawait f()")
        self.assertEqual([frame["function"] for frame in told["traceback"]], ["<module>", "f"])

    def test_imports_show_no_frames_of_the_import_system(self):
        told = self.failed(lambda: self.read(IMPORT, moduleName="no_such"))
        self.assertEqual(told["exception"]["traceback"], [])


class Syntax(SessionTest):
    failure, failed, described = Failure.failure, Failure.failed, Failure.described

    def syntax(self, code):
        return self.described(code)["syntax"]

    def test_where_the_mistake_is(self):
        told = self.syntax("a = 1\nb = (1 +* 2)")
        self.assertEqual((told["line"], told["column"], told["text"]), (2, 9, "b = (1 +* 2)"))
        self.assertEqual(told["caret"], "        ^")

    def test_an_expression_alone(self):
        told = self.syntax("1 + ")
        self.assertEqual((told["line"], told["text"].rstrip()), (1, "1 +"))
        self.assertRegex(told["caret"], r"^ {3,5}\^$")

    def test_dedented_source_keeps_its_lines(self):
        told = self.syntax("\n    a = 1\n    b = = 2\n")
        self.assertEqual((told["line"], told["text"].strip()), (3, "b = = 2"))

    def test_tabs_stay_tabs(self):
        told = self.syntax("if True:\n\tb = = 2")
        self.assertEqual(told["caret"].index("^"), told["text"].index("= =") + 2)
        self.assertEqual(told["caret"][0], "\t")

    def test_the_part_of_a_long_line_with_the_mistake(self):
        told = self.syntax("a = [" + "1, " * 5000 + "? ]")
        self.assertEqual(len(told["caret"]), told["text"].index("?") + 1)
        self.assertLessEqual(len(told["text"]), _exceptions.MAX_LINE)
        self.assertEqual(told["column"], 15_006)

    def test_mistakes_made_by_hand(self):
        for arguments in (
            *("'x'", "'x', ('f', None, None, None)", "'x', ('f', 1, 10**9, 'a')", "'x', ('f', 1, -5, 'a')"),
            *("'x', ('f', 'one', 'two', 5)", "'x', ('f', 1, 1, '')", "'x', ('f', 10**30, 1, 'a\\nb')"),
        ):
            with self.subTest(arguments=arguments):
                told = self.syntax("raise SyntaxError(%s)" % arguments)
                self.assertTrue(told["caret"].endswith("^"))
                self.assertGreaterEqual(told["column"], 1)
        self.assertEqual(self.described("raise SyntaxError('x')")["message"], "x")
