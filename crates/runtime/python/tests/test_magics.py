"""What IPython's users type at a prompt beside Python."""

import os
import re
import shutil
import subprocess
import sys
import tokenize
import types
from unittest import TestCase, mock

from beep_python import _magic_pip, _magics, _managers

from . import test_prompt

FOLDER = os.path.dirname(sys.executable)
LINE = r"^[\d.e+]+ [mnµ]?s ± [\d.e+]+ [mnµ]?s per loop \(mean ± std\. dev\. of %s, %s each\)\n$"


class Rewriting(TestCase):
    def test_python_is_left_alone(self):
        for source in (
            *("x = 5 % 3", "x = (5\n% 3)", "x != y", "'''\n%who\n'''", "# why?", "f('!ls')", "x = '?'", "a ? b", "%", "%5"),
            *("lambda: x?y", "[\n!ls\n]", "x = 5 \\\n% who"),
            *("x = 1 # 50% \\\ny = 2", "x = 5 % \\\n  3\nz = 1/0", "f(\n%who"),
        ):
            with self.subTest(source=source):
                self.assertIsNone(_magics.rewritten(source))

    def test_lines_around_them_are_left_alone(self):
        for before in ("x = 1 # 50% \\\ny = 2", "x = 5 % \\\n  3", "'\\\n!who'", "f(\n%who\n)", "if x: # what?\n    y != 5\n", "x = \"\"\"\n%who\"\"\""):
            with self.subTest(before=before):
                self.assertEqual(_magics.rewritten(before + "\n!ls\nz = 1/0"), before + "\n" + _magics.call("shell", "ls") + "\nz = 1/0")

    def test_each_line_is_tokenized_once(self):
        for line in ("x = '%d' % 1", "%who", "!ls \\\n -l", "x = 1 # 5% \\", "x?"):
            with self.subTest(line=line):
                taken, tokens = [], tokenize.generate_tokens
                with mock.patch.object(tokenize, "generate_tokens", lambda lines: tokens(lambda: taken.append(lines()) or taken[-1])):
                    _magics.rewritten((line + "\n") * 50 + "x = = 3")
                self.assertLess(len(taken), 110)
        self.assertIsNone(_magics.rewritten("x" + " " * 5000 + "y"))  # nor is each blank tried with each

    def test_lines_keep_their_places(self):
        for source in (
            *("!ls", "x = 1\n!ls \\\n -l\ny = 2", "for x in y:\n    %time f(x)\nprint?", "a = b = %time x", "files = !ls", "?print", "np.*load*?"),
            *("f??", "!echo 'it\"", "x.y = %time 5"),
        ):
            with self.subTest(source=source):
                new = _magics.rewritten(source)
                compile(new, "<new>", "exec")
                self.assertEqual(new.count("\n"), source.count("\n"))


class Magics(test_prompt.Typed):
    def fails(self, text):
        """The message of the error."""
        with self.assertRaises(Exception) as caught:
            self.prompt.run(text)
        self.assertEqual(type(caught.exception).__name__, "UsageError")
        return str(caught.exception)

    def test_commands(self):
        with mock.patch("subprocess.call", side_effect=lambda command, **options: print(command, options["env"]["PATH"].split(":")[0]) or 7):
            command = "!echo $name {n + 1} $$HOME $none {{}}"
            self.assertEqual(self.run_typed("name = 'x y'; n = 2", command), "echo x y 3 $HOME $none {} %s\n" % FOLDER)
            self.assertEqual(self.run_typed("!awk '{print $1}'"), "awk '{print $1}' %s\n" % FOLDER)
            self.assertEqual(self.run_typed("_exit_code"), "7\n")
        self.assertEqual(self.run_typed("x = !echo a; echo b", "x"), "['a', 'b']\n")
        self.assertEqual(self.run_typed("!!echo c"), "['c']\n")

    def test_times(self):
        self.assertRegex(self.run_typed("x = 5", "%timeit -n 10 -r3 x + 1"), LINE % ("3 runs", "10 loops"))
        self.assertRegex(self.run_typed("%timeit -n1 -r 1 pass"), LINE % ("1 run", "1 loop"))
        self.assertRegex(self.run_typed("%%timeit -n 2 -r 2 y = x\ny + 1\ny + 2\n"), LINE % ("2 runs", "2 loops"))
        self.assertEqual(self.run_typed("t = %timeit -q -o -n 5 -r 2 x", "t.loops, len(t.timings)"), "(5, 2)\n")
        self.assertRegex(self.run_typed("%time x + 1"), r"^CPU times: user .*, sys: .*, total: .*\nWall time: [\d.]+ [nmµ]?s\n6\n$")
        usage = [types.SimpleNamespace(ru_utime=user, ru_stime=system) for user, system in ((1, 1), (1.0012, 1.00005))]
        with mock.patch("resource.getrusage", side_effect=usage):  # finer than a tick of the clock
            self.assertIn("CPU times: user 1.2 ms, sys: 50 µs, total: 1.25 ms\n", self.run_typed("%time x + 1"))
        self.assertRegex(self.run_typed("%%time\nz = x\nz + 2\n", "z"), r"Wall time: .*\n7\n5\n$")
        self.assertIn("-n LOOPS", self.fails("%timeit -x 5 x"))

    def test_help(self):
        self.run_typed("def f(a, b=1):\n    'What it does.'", "class C:\n    'Thing.'\n    def __len__(self): return 3", "c = C(); d = {'k': len}")
        doc = "Return the number of items in a container."
        self.assertEqual(self.run_typed("len?"), "Signature: len(obj, /)\nDocstring: %s\nType:      builtin_function_or_method\n" % doc)
        self.assertRegex(self.run_typed("f?"), r"^Signature: f\(a, b=1\)\nDocstring: What it does.\nFile: .*\nType:      function\n$")
        self.assertIn("Source:\ndef f(a, b=1):\n    'What it does.'\n", self.run_typed("f??"))
        self.assertRegex(self.run_typed("?c"), r"^Type:        C\nString form: <.*>\nLength:      3\n(File: .*\n)?Docstring:   Thing\.\n$")
        self.assertIn(doc, self.run_typed("d['k']?"))
        self.assertEqual(self.run_typed("nothing?"), "Object `nothing` not found.\n")
        self.assertEqual(self.run_typed("import math", "math.*log1*?"), "math.log10\nmath.log1p\n")
        self.assertIn("-n LOOPS", self.run_typed("%timeit?"))

    def test_others_say_what_to_write(self):
        for text, told in (
            *(("%who", "dir()"), ("%run x.py", "exec(open"), ("%debug", "pdb.pm()"), ("%%bash\nls\n", "!command")),
            *(("%load_ext autoreload", "importlib.reload"), ("%nothing", "%timeit"), ("%matplotlib qt", "inline")),
        ):
            self.assertIn(told, self.fails(text))

    def test_packages(self):
        asked, told = [], {"installed": [], "removed": [{"name": "a", "version": "1"}], "absent": ["b"]}
        with mock.patch.object(_managers, "_call", lambda method, params, progress=None: asked.append((method, params["name"], params["packages"])) or told):
            self.assertEqual(self.run_typed("%pip install -q thing 'other>=2'"), "Nothing to do: thing, other>=2\n")
            self.assertEqual(self.run_typed("%pip uninstall -y a b"), "b was not installed\nRemoved: a 1\n")
        name = _magic_pip.environment()
        self.assertEqual(asked, [("venv.install", name, ["thing", "other>=2"]), ("venv.uninstall", name, ["a", "b"])])
        with mock.patch.object(sys, "prefix", "/home/me/.beep-python/environments/mine"):
            self.assertEqual(_magic_pip.environment(), "mine")
        with mock.patch.object(_magic_pip.metadata, "version", side_effect=_magic_pip.metadata.PackageNotFoundError):
            self.assertIn("beep-python venv install", self.fails("%pip install -U thing"))
        with mock.patch.object(_magic_pip.metadata, "version", return_value="25"):
            with mock.patch("subprocess.call", side_effect=lambda command, **_: print(command) or 0):
                self.assertIn(" -m pip install -U thing\n", self.run_typed("%pip install -U thing"))

    def test_as_ipython_has_it(self):
        ipython = shutil.which("ipython")
        probe = subprocess.run([ipython or "false", "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if probe.returncode:
            self.skipTest("there is no IPython")
        texts = ("def f(a, b=1): 'What it does.'", "x = [1]", "len?", "f?", "x?", "nothing?", "y = !echo a", "y", "%timeit -n 10 -r 2 x")
        code = "from IPython.core.interactiveshell import InteractiveShell as S\ns = S.instance(colors='NoColor')\nfor text in %r: s.run_cell(text)"
        shebang = open(ipython).readline()[2:].strip()
        python = shebang if os.path.basename(shebang).startswith("python") else sys.executable
        theirs = subprocess.run([python, "-c", code % (texts,)], stdout=subprocess.PIPE, universal_newlines=True)
        if theirs.returncode:
            self.skipTest("IPython does not run")
        self.assertEqual(same(self.run_typed(*texts)), same(theirs.stdout))


def same(text):
    lines = [line for line in text.split("\n") if line and not line.startswith("File:")]
    return [re.sub(r"^Out\[\d+\]: ", "", re.sub(r"[\d.]+ [nmµ]?s\b", "T", line)).rstrip() for line in lines]
