"""The sources of functions: how long they are there, and the files by which joblib and numba know them."""

import gc
import hashlib
import inspect
import linecache
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from beep_python import _compiler, _source_files

from .sessions import SessionTest

try:
    import joblib
except ImportError:
    joblib = None

FUNCTION = "def double(x):\n    '''Twice.'''\n    return x * 2"


class Sources(SessionTest):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        place = mock.patch.dict(os.environ, TMPDIR=self.folder)
        place.start()
        self.addCleanup(place.stop)

    def named(self, name):
        return self.session.namespace[name]

    def files(self):
        return sorted(name for _, _, names in os.walk(self.folder) for name in names)


class Living(Sources):
    def evict(self):
        with mock.patch.object(_compiler, "MAX_CACHED", 1):
            self.evaluate("'evicts %d'" % self.session.compiler.count)
        gc.collect()

    def test_what_lives_has_its_source(self):
        self.evaluate(FUNCTION + "\ndef outer():\n    return lambda: 5\nmade = outer()\nclass C:\n    def m(self): return 1\n" + "g = (n for n in [1])")
        file = self.named("double").__code__.co_filename
        os.unlink(file)
        self.evict()
        self.assertEqual(inspect.getsource(self.named("double")), FUNCTION + "\n")
        self.assertEqual(inspect.getsource(self.named("made")), "    return lambda: 5\n")
        self.assertEqual(inspect.getsource(self.named("C").m), "    def m(self): return 1\n")
        for names in ("double, outer", "made, C"):
            self.evaluate("del " + names)
            gc.collect()
            self.assertIn(file, linecache.cache)
        self.evaluate("del g")
        self.evict()
        self.assertNotIn(file, linecache.cache)
        self.assertEqual(len(self.session.compiler.sources.users), 1)

    def test_lambdas_that_are_the_same(self):
        self.evaluate("kept = [(lambda: 1), (lambda: 1)]")
        self.evict()
        file = self.named("kept")[0].__code__.co_filename
        self.assertRegex(file, "^<session")
        for _ in range(2):
            self.assertIn(file, linecache.cache)
            self.evaluate("del kept[0]")
            gc.collect()
        self.assertNotIn(file, linecache.cache)

    def test_a_source_that_comes_again(self):
        self.evaluate(FUNCTION)
        old = self.named("double")
        self.evict()
        self.evaluate(FUNCTION)
        new = self.named("double")
        self.assertEqual(old.__code__.co_filename, new.__code__.co_filename)
        del old
        self.evict()
        self.assertEqual(inspect.getsource(new), FUNCTION + "\n")

    def test_lines_are_counted_as_python_does(self):
        self.evaluate("x = '\x0c\u2028\x1c'\r\ndef f():\r\n    return 1")
        self.assertEqual(inspect.getsource(self.named("f")), "def f():\n    return 1\n")


class Files(Sources):
    def test_only_functions_have_one(self):
        for code in ("1", "x = 1\ny = 2", "f = lambda: 1\nf()", "class C: x = 1", "'def f(): pass'\n1", "[n for n in ()]\n1"):
            self.evaluate(code)
        self.assertEqual(self.files(), [])
        for code in (FUNCTION, "class C:\n    def m(self): pass", "async def f(): pass", "if True:\n    def g(): pass"):
            self.evaluate(code)
        self.assertEqual(len(self.files()), 4)

    def test_it_is_the_text_and_stays(self):
        self.evaluate("    def f():\n        return 'ä'\n    ")
        file = self.named("f").__code__.co_filename
        with open(file, encoding="utf-8") as opened:
            self.assertEqual(opened.read().rstrip(), "def f():\n    return 'ä'")
        os.utime(file, ns=(10**18, 10**18))
        other = _compiler.Compiler()
        self.assertEqual(other.program("def f():\n    return 'ä'\n").file, file)
        status = os.stat(file)
        self.assertEqual(status.st_mtime_ns, 10**18, "numba knows it by that")
        self.assertGreater(status.st_atime_ns, 10**18)
        self.assertEqual(os.stat(os.path.dirname(file)).st_mode & 0o077, 0)

    def test_where_there_can_be_none_the_function_is_there_all_the_same(self):
        for folder, code in (("/proc", FUNCTION), ("/no/such", FUNCTION), (self.folder, "# coding: latin-1\n" + FUNCTION), (self.folder, FUNCTION + "\ny = '\\0'[0:0] + '%s'" % "\x85")):
            with self.subTest(folder=folder), mock.patch.dict(os.environ, TMPDIR=folder):
                self.evaluate(code)
                self.assertEqual(self.evaluate("double(4)"), 8)
                self.assertEqual(inspect.getsource(self.named("double")), FUNCTION + "\n")

    def test_a_folder_of_another_user_is_not_used(self):
        path = os.path.join(self.folder, _source_files.FOLDER % os.geteuid())
        os.mkdir(path)
        os.chmod(path, 0o777)
        self.evaluate(FUNCTION)
        os.rmdir(path)
        os.symlink(self.folder, path)
        self.evaluate(FUNCTION + "\n")
        os.unlink(path)
        with mock.patch("os.geteuid", return_value=os.geteuid() + 1):
            os.mkdir(os.path.join(self.folder, _source_files.FOLDER % os.geteuid()))
            self.evaluate(FUNCTION + "\n\n")
        self.assertEqual(self.files(), [])

    def test_the_folder_is_bounded(self):
        with mock.patch.multiple(_source_files, MAX_FILES=8, CHECKED_AFTER=1):
            for n in range(40):
                self.evaluate("def f(): return %d" % n)
                folder, name = os.path.split(self.named("f").__code__.co_filename)
                os.utime(os.path.join(folder, name), ns=(10**18 + n, 10**18))
                os.makedirs(os.path.join(folder, "__pycache__"), exist_ok=True)
                with open(os.path.join(folder, "__pycache__", name[:-3] + ".f-1.py39.nbi"), "w"):
                    pass
                if n == 5:
                    kept = name
                os.utime(os.path.join(folder, kept) if n >= 5 else folder, ns=(10**18 + 100, 10**18))
        files = self.files()
        self.assertIn(kept, files)
        self.assertLessEqual(len(files), 2 * 9)
        self.assertEqual(len([name for name in files if name.endswith(".nbi")]), len(files) // 2)


# what numba does for a function of a notebook, and for one of a file
LOCATOR = """
import hashlib, inspect, os, pickle
def cached(function):
    path = inspect.getfile(function)
    if os.path.exists(path):
        status = os.stat(path)
        stamp, place = (status.st_mtime, status.st_size), os.path.join(os.path.dirname(path), '__pycache__')
        name = os.path.splitext(os.path.basename(path))[0]
    else:
        assert path.startswith('<ipython-') or os.path.basename(os.path.dirname(path)).startswith('ipykernel_')
        from IPython.paths import get_ipython_cache_dir
        raise AssertionError('not reached')
    os.makedirs(place, exist_ok=True)
    index = os.path.join(place, '%s.%s-%d.nbi' % (name, function.__qualname__, function.__code__.co_firstlineno))
    try:
        with open(index, 'rb') as file:
            return pickle.load(file) == stamp
    except FileNotFoundError:
        with open(index, 'wb') as file:
            pickle.dump(stamp, file)
        return False
"""


class Caches(Sources):
    def fresh(self, *codes):
        """The values of the last line of each, in a session of a process of its own."""
        script = (
            "import sys, json\nfrom tests.sessions import SessionTest\nclass T(SessionTest):\n    def runTest(self): pass\n"
            "t = T(); t.setUp()\nfor code in json.loads(sys.argv[1]): print(json.dumps(t.evaluate(code)))\nt.doCleanups()"
        )
        import json

        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        path = os.pathsep.join([root, *sys.path])
        script = "import os, tests\nos.environ['TMPDIR'] = %r\n" % self.folder + script
        told = subprocess.run([sys.executable, "-c", script, json.dumps(codes)], env={**os.environ, "PYTHONPATH": path}, cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(told.returncode, 0, told.stderr)
        return [json.loads(line) for line in told.stdout.splitlines()]

    def test_numba_knows_a_function_again(self):
        codes = [LOCATOR, FUNCTION + "\nNone", "cached(double)"]
        self.assertEqual(self.fresh(*codes)[-1], False)
        self.assertEqual(self.fresh("'something before'", *codes)[-1], True)
        self.assertEqual(self.fresh(LOCATOR, FUNCTION + " + 0\nNone", "cached(double)")[-1], False)

    @unittest.skipIf(joblib is None, "joblib is not installed")
    def test_joblib_knows_a_function_again(self):
        begin = "import joblib\nmemory = joblib.Memory(%r, verbose=0)\nruns = []\nNone" % os.path.join(self.folder, "cache")
        define = "@memory.cache\ndef half(x):\n    runs.append(x)\n    return x / 2"
        other = "@memory.cache\ndef third(x):\n    runs.append(x)\n    return x / 3"
        use = "[half(4), half(4), runs]"
        self.assertEqual(self.fresh(begin, define, use)[-1], [2.0, 2.0, [4]])
        self.assertEqual(self.fresh("1", begin, other, "third(9)", define, use)[-1], [2.0, 2.0, [9]])
        self.assertEqual(self.fresh(begin, define.replace("/ 2", "/ 4"), use)[-1], [1.0, 1.0, [4]])
        self.assertEqual(self.fresh(begin, define, use)[-1], [2.0, 2.0, []])

    def test_the_name_is_the_texts_own(self):
        self.evaluate(FUNCTION)
        name = os.path.basename(self.named("double").__code__.co_filename)
        self.assertEqual(name, hashlib.blake2b(FUNCTION.encode(), digest_size=12).hexdigest() + ".py")
        self.assertRegex(os.path.dirname(self.named("double").__code__.co_filename), r"/ipykernel_beep_\d+$")
