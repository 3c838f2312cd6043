import contextlib
import importlib
import io
import json
import os
import shutil
import sys
import tempfile
import traceback
import unittest
from unittest import mock

from beep_python import _exceptions, _family, _frames

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
        described = told["exception"]
        self.assertEqual((described["type"], described["message"]), ("ZeroDivisionError", "division by zero"))
        outer, inner = described["traceback"]
        self.assertEqual((outer["line"], outer["function"], outer["code"]), (3, "<module>", "f()"))
        self.assertEqual((inner["line"], inner["function"], inner["code"]), (2, "f", "return 1 / 0"))
        self.assertEqual(outer["file"], inner["file"])

    def test_a_type_bears_its_module(self):
        self.assertEqual(self.described("class E(Exception): pass\nraise E")["type"], "__main__.E")
        self.assertEqual(self.failure("raise E")["detail"], "__main__.E")

    def test_cause_is_told_from_context(self):
        caught = "try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError(1)"
        told = self.described(caught)
        self.assertEqual((told["context"]["type"], "cause" in told), ("KeyError", False))
        told = self.described(caught + " from error")
        self.assertEqual((told["cause"]["message"], "context" in told), ("'a'", False))
        told = self.described(caught + " from OSError('x')")
        self.assertEqual((told["cause"]["type"], "context" in told), ("OSError", False))
        told = self.described(caught + " from None")
        self.assertEqual(("cause" in told, "context" in told), (False, False))

    def test_a_circle_of_causes_ends(self):
        told = self.described("a, b = ValueError(1), ValueError(2)\na.__cause__, b.__cause__ = b, a\nraise a")
        self.assertNotIn("cause", told["cause"])

    def test_causes_have_an_end(self):
        told = self.described("error = None\nfor n in range(100):\n    e = ValueError(n)\n    e.__cause__ = error\n    error = e\nraise error")
        depth = 0
        while "cause" in told:
            depth, told = depth + 1, told["cause"]
        self.assertEqual(depth, _exceptions.MAX_DEPTH)

    def test_notes(self):
        told = self.described("e = ValueError()\ne.__notes__ = ['first', 5]\nraise e")
        self.assertEqual(told["notes"], ["first", "5"])

    def test_notes_that_cannot_be_had(self):
        told = self.described("class E(Exception):\n    @property\n    def __notes__(self): raise RuntimeError(1)\nraise E('m')")
        self.assertEqual((told["message"], len(told["traceback"])), ("m", 1))
        self.assertEqual(told["notes"], ["Ignored error getting __notes__: RuntimeError(1)"])
        self.assertTrue(told["text"].startswith("Traceback (most recent call last):"))
        if sys.version_info >= (3, 11):
            self.assertTrue(told["text"].endswith("E: m\nIgnored error getting __notes__: RuntimeError(1)"), told["text"])

    def test_halves_of_characters_are_written_as_python_writes_them(self):
        failure = self.failure("raise ValueError('\\udc80\"')")
        told = failure["exception"]
        self.assertEqual((failure["detail"], told["message"]), ('ValueError: \\udc80"', '\\udc80"'))
        self.assertTrue(told["text"].endswith('ValueError: \\udc80"'), told["text"])
        self.assertEqual(self.described("import sys; sys.exit('\\udc80')")["exitMessage"], "\\udc80")

    def test_lines_and_columns_that_are_none(self):
        for change in ("offset", "lineno", "end_offset", "end_lineno"):
            for number in (2**70, 2**32, -(2**70), -1):
                told = self.described("e = SyntaxError('m', ('f', 1, 1, 'text'))\ne.%s = %d\nraise e" % (change, number))
                for name in ("line", "column"):
                    self.assertTrue(0 <= told["syntax"][name] < 2**32, (change, number, told["syntax"]))
        made = "import sys, types\ntry: 1/0\nexcept Exception as e: raise e.with_traceback(types.TracebackType(None, sys._getframe(), 0, -5))"
        for frame in self.described(made)["traceback"]:
            self.assertTrue(0 <= frame["line"] < 2**32, frame)

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
        self.assertEqual(count, _family.MAX_EXCEPTIONS)

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

    def test_hooks_for_exceptions_are_not_called(self):
        with mock.patch.object(sys, "excepthook", self.fail):
            self.assertEqual(self.described("1/0")["type"], "ZeroDivisionError")

    def test_long_messages_are_cut(self):
        told = self.described("raise ValueError('x' * 10**6)")
        self.assertLess(len(told["message"]), 70_000)
        self.assertIn("more characters", told["message"])

    def test_a_recursion_error_has_its_frames_cut(self):
        told = self.described("def f(): f()\nf()")
        self.assertEqual(told["type"], "RecursionError")
        functions = [frame["function"] for frame in told["traceback"]]
        self.assertEqual(len(functions), _frames.MAX_FRAMES + 1)
        self.assertEqual((functions[0], functions[-1]), ("<module>", "f"))
        self.assertRegex(functions[_frames.MAX_FRAMES // 2], r"^\(\d+ frames left out\)$")

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

    def test_a_task_that_asyncio_alone_has_run_shows_its_frames(self):
        told = self.described("import asyncio\nawait asyncio.wait_for(asyncio.sleep(9), 0.01)")
        while "CancelledError" not in told["type"]:
            told = told.get("cause") or told["context"]
        self.assertTrue(told["traceback"])

    def test_imports_show_no_frames_of_the_import_system(self):
        told = self.failed(lambda: self.read(IMPORT, moduleName="no_such"))
        self.assertEqual(told["exception"]["traceback"], [])


class Text(SessionTest):
    """The text is Python's own, without the frames of the host."""

    failure, failed, described = Failure.failure, Failure.failed, Failure.described

    def both(self, code, **more):
        """The text, and that of `traceback` for an exception that went through the user's code alone."""
        try:
            self.evaluate(code, **more)
        except BaseException as error:
            inner = error.__traceback__
            while inner is not None and os.path.dirname(os.path.dirname(__file__)) in inner.tb_frame.f_code.co_filename:
                inner = inner.tb_next
            error.with_traceback(inner)
            expected = "".join(traceback.format_exception(type(error), error, inner)).rstrip("\n")
            with contextlib.redirect_stderr(io.StringIO()) as written:
                sys.__excepthook__(type(error), error, inner)
            self.last_line = written.getvalue().rstrip("\n").rpartition("\n")[2]
            return json.loads(_exceptions.encode(error))["exception"], expected
        raise AssertionError("nothing was raised")

    def test_it_is_what_python_writes(self):
        for code in (
            *("1/0", "def f(a):\n    return (a\n            / 0)\nf(1)", "raise ValueError", "raise ValueError('a\\nb')", "assert 1 == 2, 'no'"),
            *("x = [1]\nx[0][1]['ä'] + (x\n .y)", "'äöü' + (1 and 2)", "print('日本'); 1 + 'ü'", "def f(n): f(n - 1) if n else 1/0\nf(30)"),
            *("def f(n): g(n - 1) if n else 1/0\ndef g(n):\n    f(n)\nf(100)", "def f(): f()\nf()", "if True:\n\traise KeyError(\n\t\t'a'\n\t)"),
            *("import json\njson.loads('[')", "exec('1/0')", "exec(compile('\\n1/0', 'no such file', 'exec'))", "import asyncio\nasyncio.run(5)"),
            *("try: 1/0\nexcept Exception as e: raise OSError(5, 'x') from e", "try: 1/0\nexcept Exception: [][1]", "try: 1/0\nexcept Exception: raise KeyError from None"),
            *("class E(Exception): pass\nraise E('x')", "class E(Exception):\n    def __str__(self): 1/0\nraise E", "raise SystemExit('x')"),
            *("a, b = ValueError(1), ValueError(2)\na.__cause__, b.__context__ = b, a\nraise a", "e = ValueError(1)\nfor n in range(30):\n    f = KeyError(n); f.__cause__ = e; e = f\nraise e"),
            *("exec('a b')", "exec('if 1:\\nx')", "raise SyntaxError('x', ('f.py', 1, 2, 'a = b'))", "exec('def f(:')", "raise SyntaxError('x')", "compile('x = (1', 'a.py', 'exec')"),
            *("e = ValueError()\ne.__notes__ = ['one\\ntwo', 5]\nraise e", "e = ValueError()\ne.__notes__ = 7\nraise e", "import sys\nsys.tracebacklimit = 0\n1/0"),
        ):
            with self.subTest(code=code):
                told, expected = self.both(code)
                sys.__dict__.pop("tracebacklimit", None)
                self.assertEqual(told["text"], expected)

    @unittest.skipIf(sys.version_info < (3, 11), "groups came with 3.11")
    def test_groups(self):
        for code in (
            *("raise ExceptionGroup('all', [ValueError(1), ExceptionGroup('in', [KeyError(2)])])", "raise ExceptionGroup('w', [ValueError(n) for n in range(40)])"),
            *("e = ValueError(1)\ne.add_note('n')\nfor _ in range(14): e = ExceptionGroup('d', [e])\nraise e", "try:\n    raise ExceptionGroup('a', [OSError(1)])\nexcept* OSError as e:\n    1/0"),
            *("try: 1/0\nexcept Exception as e:\n    try: raise TypeError from e\n    except Exception as f: raise BaseExceptionGroup('g', [f, e, KeyboardInterrupt()]) from f",),
        ):
            with self.subTest(code=code):
                told, expected = self.both(code)
                self.assertEqual(told["text"], expected)

    def test_what_was_meant(self):
        expected = {
            "lenght = 1\nlength": "lenght", "class A:\n    blech = 1\nA().blec": "blech", "def f():\n    number = 1\n    return nunber\nf()": "number",
            "pritn(1)": "print", "[].appendd": "append", "'a'.Upper()": "upper", "class A:\n    _under = 1\nA().under": None,
            "class A:\n    blech = 1\n    def f(self): return blech\nA().f()": "self.blech", "from os import pathh": "path", "import os\nos.pth": "path",
            "try: printt\nexcept NameError as e: raise ValueError from e": None, "qqqqqq": None, "x = 1\nx.qqqqqq": None, "raise NameError('x')": None,
            "raise AttributeError('a')": None, "raise ImportError('a')": None, "class A:\n    def __dir__(self): 1/0\nA().x": None, "time": None,
        }  # fmt: skip
        for code, meant in expected.items():
            with self.subTest(code=code):
                told, text = self.both(code)
                if sys.version_info >= (3, 12):
                    self.assertEqual(told["text"], text)
                    if meant is not None:
                        # 3.15 says: Did you mean '.append' instead of '.appendd'?
                        self.assertRegex(told["suggestion"], "^Did you mean:? '.?%s'(\\?$| instead of )" % meant)
                    self.last_line = text.rpartition("\n")[2]
                self.assertEqual(told["text"].rpartition("\n")[2], self.last_line)
                said = told["type"] + ": " * bool(told["message"]) + told["message"] + (". " + told["suggestion"] if "suggestion" in told else "")
                self.assertEqual(said, self.last_line)

    @unittest.skipIf(sys.version_info < (3, 12), "came with 3.12")
    def test_an_import_that_was_forgotten(self):
        self.assertEqual(self.described("colorsys.x")["suggestion"].rstrip("?"), "Did you forget to import 'colorsys'")

    def test_it_is_bounded(self):
        told = self.described("raise ValueError('x' * 10**6 + 'end')")
        self.assertLess(len(told["text"]), _family.MAX_TEXT + 100)
        self.assertTrue(told["text"].startswith("Traceback") and told["text"].endswith("xend"))
        limit = sys.getrecursionlimit()
        self.addCleanup(sys.setrecursionlimit, limit)
        told = self.described("sys = __import__('sys')\nsys.setrecursionlimit(9000)\ndef f(n):\n    if n: g(n - 1)\n    else: 1/0\ndef g(n): f(n)\nf(4000)")
        self.assertLess(len(told["text"]), _family.MAX_TEXT + 100)
        self.assertTrue(told["text"].endswith("ZeroDivisionError: division by zero"))


@unittest.skipIf(sys.version_info < (3, 11), "columns came with 3.11")
class Columns(SessionTest):
    failure, failed, described = Failure.failure, Failure.failed, Failure.described

    def test_they_point_into_the_line(self):
        told = self.described("x = {}\nif True:\n    y = 'a' * 2 + x['a'] + 'b'")["traceback"][0]
        self.assertEqual((told["line"], told["column"], told["endLine"], told["endColumn"]), (3, 19, 3, 25))
        self.assertEqual((told["code"], told["caret"]), ("y = 'a' * 2 + x['a'] + 'b'", " " * 14 + "~^^^^^"))

    def test_they_count_characters(self):
        told = self.described("x = {}\ny = 'äöü' * 2 + x['ä'] + 'b'")["traceback"][0]
        self.assertEqual((told["column"], told["endColumn"]), (17, 23))

    def test_over_several_lines(self):
        told = self.described("def f(*given): 1/0\nf(1,\n  2)")["traceback"]
        self.assertEqual([(at["line"], at["column"], at["endLine"], at["endColumn"]) for at in told], [(2, 1, 3, 5), (1, 16, 1, 19)])
        self.assertEqual(told[1]["caret"], " " * 15 + "~^~")

    def test_without_the_source_there_are_none(self):
        told = self.described("exec('1/0')")["traceback"]
        self.assertEqual([at.get("column") for at in told], [1, None])
        self.assertEqual(told[1]["code"], None)


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

    def test_of_code_that_is_indented_there_is_the_mistake_alone(self):
        told = self.described("    x = 1\n    y = = 2")
        self.assertEqual((told["type"], "context" in told, told["text"].count("Error")), ("SyntaxError", False, 1))

    def test_tabs_stay_tabs(self):
        told = self.syntax("if True:\n\tb = = 2")
        self.assertEqual(told["caret"].index("^"), told["text"].index("= =") + 2)
        self.assertEqual(told["caret"][0], "\t")

    def test_the_part_of_a_long_line_with_the_mistake(self):
        told = self.syntax("a = [" + "1, " * 5000 + "? ]")
        self.assertEqual(len(told["caret"]), told["text"].index("?") + 1)
        self.assertLessEqual(len(told["text"]), _frames.MAX_LINE)
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

    def test_mistakes_that_the_compiler_finds_have_their_line(self):
        for code, line, text in (
            *(("x = 1\nreturn", 2, "return"), ("    x = 1\n    return 5", 2, "return 5"), ("break", 1, "break"), ("def f():\n    x = 1\n    global x", 3, "global x")),
            *(("def f(a, a): pass", 1, "def f(a, a): pass"), ("yield 1", 1, "yield 1"), ("x = '\x0c'; y = 1\nnonlocal x", 2, "nonlocal x"), ("def f(): await g()\nNone", 1, "def f(): await g()")),
            *(("x = *a", 1, "x = *a"), ("__debug__ = 1", 1, "__debug__ = 1"), ("from __future__ import nothing", 1, "from __future__ import nothing"), ("5; yield 1", 1, "5; yield 1")),
        ):
            with self.subTest(code=code):
                told = self.described(code)
                self.assertEqual((told["syntax"]["line"], told["syntax"]["text"].strip()), (line, text))
                self.assertEqual(told["syntax"]["caret"].strip("^ "), "")
                self.assertRegex(told["syntax"]["file"], "^<session|/ipykernel_beep")
                self.assertIn("    " + text, told["text"].split("\n"))

    def module(self, name, text):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.addCleanup(sys.modules.pop, name, None)
        self.addCleanup(sys.path.remove, folder)
        sys.path.insert(0, folder)
        self.write(os.path.join(folder, name + ".py"), text)
        return os.path.join(folder, name + ".py")

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        importlib.invalidate_caches()

    def test_mistakes_of_a_module_that_is_imported_have_its_path(self):
        for name, text, shown in (("mistaken_one", "x = 1\ny = = 2\n", "y = = 2"), ("mistaken_two", "\n\nreturn 5\n", "return 5")):
            path = self.module(name, text)
            told = self.failed(lambda: self.read(IMPORT, moduleName=name))["exception"]
            self.assertEqual((told["syntax"]["file"], told["syntax"]["text"].strip()), (path, shown))
            self.assertEqual(told["text"].split("\n")[0], '  File "%s", line %d' % (path, told["syntax"]["line"]))
            self.assertEqual(self.described("import " + name)["syntax"]["file"], path)

    def test_the_lines_of_a_module_are_those_of_its_file_now(self):
        path = self.module("edited", "def f():\n    1 / 0  # first\n")
        self.evaluate("import edited, importlib")
        self.assertEqual(self.described("edited.f()")["traceback"][1]["code"], "1 / 0  # first")
        self.write(path, "# a new line\ndef f():\n    1 / 0  # second\n")
        self.evaluate("importlib.reload(edited)\nNone")
        told = self.described("edited.f()")
        self.assertEqual(told["traceback"][1]["code"], "1 / 0  # second")
        self.assertIn("1 / 0  # second", told["text"])
