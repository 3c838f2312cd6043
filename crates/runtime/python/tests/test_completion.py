import builtins
import importlib.util
import os
import sys
import tempfile
import types
from unittest import TestCase, mock

from beep_python import _last_exception, _unawaited
from beep_python._prompt import Prompt


class PromptTest(TestCase):
    """A test with a prompt on a module of its own."""

    def setUp(self):
        self.addCleanup(sys.modules.__setitem__, "__main__", sys.modules["__main__"])
        self.main = sys.modules["__main__"] = types.ModuleType("__main__")
        self.addCleanup(builtins.__dict__.pop, "_", None)
        kept = mock.patch.object(_last_exception, "_is_kept", False)
        kept.start()
        self.addCleanup(kept.stop)
        self.addCleanup(sys.set_coroutine_origin_tracking_depth, sys.get_coroutine_origin_tracking_depth())
        told = mock.patch.object(_unawaited, "tells_origins", False)
        told.start()
        self.addCleanup(told.stop)
        self.prompt = Prompt()


    def complete(self, before):
        start, names = self.prompt.complete(before)
        return before[start:], names

    def names(self, before):
        return self.complete(before)[1]


class Completion(PromptTest):
    def test_names_of_the_namespace_and_builtins(self):
        self.main.température = 1
        self.main.temporary = print
        self.assertEqual(self.complete("x = temp"), ("temp", ["temporary", "température"]))
        self.assertIn("print", self.complete("foo(pri")[1])
        self.assertIn("import", self.complete("imp")[1])
        self.assertEqual(self.complete("x = "), ("", []))
        self.assertEqual(self.complete("1 + 2."), ("", []))

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
        self.main.pairs = {("a", "bb"): 1, ("a", "cc"): 2, ("x", "yy"): 3}
        self.assertEqual(self.names("pairs['a', 'b"), ["'bb']"])
        self.assertEqual(self.names("pairs['a', "), ["'bb']", "'cc']"])
        self.assertEqual(self.names("pairs['a"), ["'a'"])

    def test_keyword_arguments(self):
        exec("def f(first, *, second=1, **more): pass\nclass C:\n    def __init__(self, given): pass\n    def m(self, only): pass", vars(self.main))
        self.assertEqual(self.names("f("), ["first=", "second="])
        self.assertEqual(self.names("f(first=g(1, [2]), se"), ["second=", "set", "setattr"])
        self.assertNotIn("first=", self.names("f(first=1, fi"))
        self.assertEqual(self.names("x = C(giv"), ["given="])
        self.assertEqual(self.names("C(1).m(onl"), ["only="])
        self.assertEqual(self.names("f([fir"), [])
        self.assertEqual(self.names("f(x.fir"), [])
        exec("class Called:\n    def __call__(self, given): pass\ncalled = Called()", vars(self.main))
        self.assertEqual(self.names("called(giv"), ["given="])
        exec("import functools\npart, cached = functools.partial(f, 1), functools.lru_cache(f)\nwrapped = functools.wraps(f)(lambda *of: f(*of))", vars(self.main))
        self.assertEqual([self.names(name + "(sec") for name in ("part", "cached", "wrapped")], [["second="]] * 3)
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
        self.assertEqual(self.complete("import os.pa"), ("os.pa", ["os.path"]))  # a module of one that is no package
        self.assertEqual(self.complete("from os.pa"), ("os.pa", ["os.path"]))
        self.assertEqual(self.names("from os.path import joi"), ["join"])

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

    def test_magics(self):
        for before in ("%ti", "x = %ti", "x = 1\n%ti", "if x:\n    %ti", "f(\n)\n%ti"):
            self.assertEqual(self.complete(before), ("%ti", ["%time", "%timeit"]), before)
        self.assertEqual(self.complete("%%ti"), ("%%ti", ["%%time", "%%timeit"]))
        self.assertEqual(self.complete("%matplotlib in"), ("in", ["inline"]))
        self.assertEqual(self.complete("%pip ins"), ("ins", ["install"]))
        for before in ("5 %ti", "f(5\n%ti", "5 \\\n%ti", "'''\n%ti", "x = 1\n%%ti"):
            self.assertNotIn("%time", self.names(before), before)
        for before in ("%time 'x'.upp", "%timeit -n 5 'x'.upp", "%%time\n'x'.upp", "%ti\n'x'.upp"):
            self.assertEqual(self.names(before), ["upper"], before)

    def test_paths_in_commands_of_the_shell(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "inner folder"))
            for name in ("into.txt", "it's", "a&b"):
                open(os.path.join(folder, name), "w").close()
            self.assertEqual(self.complete("!ls %s/in" % folder), ("in", ["inner\\ folder/", "into.txt"]))
            self.assertEqual(self.names("x = !cat /dev/null %s/int" % folder), ["into.txt"])
            self.assertEqual(self.names("!!cat --from=%s/int" % folder), ["into.txt"])
            self.assertEqual(self.names("%%pip install %s/int" % folder), ["into.txt"])
            self.assertEqual(self.complete("!ls '%s/inner f" % folder), ("inner f", ["inner folder/"]))
            self.assertEqual(self.complete("!ls %s/inner\\ f" % folder), ("inner\\ f", ["inner\\ folder/"]))
            self.assertEqual(self.names("!ls %s/a" % folder), ["a\\&b"])
            self.assertEqual(self.names("!cat %s/it" % folder), ["it\\'s"])
            with mock.patch.dict(os.environ, HOME=folder):
                self.assertEqual(self.names("!cat ~/int"), ["into.txt"])
                self.assertEqual(self.names("!cat $HOME/int"), ["into.txt"])
            self.assertEqual(self.names("!ls %s/none/" % folder), [])
