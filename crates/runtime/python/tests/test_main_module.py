"""`__main__` is the namespace in which code runs, with locals and without."""

import json
import os
import struct
import sys
import warnings

from beep_python import _wire

from .host import WorkerTest
from .sessions import EVALUATE, SessionTest

DEFINE = "from dataclasses import dataclass, fields\nfrom typing import ClassVar, get_type_hints\nimport pickle, typing, doctest, unittest\n"


class MainModule(SessionTest):
    def both(self, code):
        """The value without locals, and with them."""
        before = sys.modules["__main__"]
        plain, beside = self.evaluate(DEFINE + code), self.evaluate(DEFINE + code, locals={"given": 1})
        self.assertIs(sys.modules["__main__"], before)
        self.assertEqual(plain, beside)
        return plain

    def test_dataclasses_with_annotations_in_quotes(self):
        code = "@dataclass\nclass A:\n    a: int\n    b: 'ClassVar[int]' = 1\n    c: 'typing.ClassVar[int]' = 2\n[f.name for f in fields(A)]"
        self.assertEqual(self.both(code), ["a"])

    def test_pickle(self):
        self.assertTrue(self.both("class P:\n    pass\ntype(pickle.loads(pickle.dumps(P()))) is P"))
        self.assertEqual(self.both("def f(): return 7\npickle.loads(pickle.dumps(f))()"), 7)

    def test_type_hints(self):
        self.assertTrue(self.both("class T:\n    other: 'T'\nget_type_hints(T)['other'] is T"))

    def test_discovery(self):
        code = "class Case(unittest.TestCase):\n    def test_a(self): pass\nunittest.TestLoader().loadTestsFromName('__main__').countTestCases()"
        self.assertEqual(self.both(code), 1)
        code = 'def f():\n    """\n    >>> f()\n    2\n    """\n    return 2\ndoctest.testmod().attempted'
        self.assertEqual(self.both(code), 1)

    def test_the_given_names_are_its_own(self):
        self.evaluate("kept = 1\nNone")
        code = "import __main__\nmade = 2\n[__main__.given, __main__.kept, __main__.made]"
        self.assertEqual(self.evaluate(code, locals={"given": 3}), [3, 1, 2])
        self.assertEqual(self.evaluate("[n in globals() for n in ('given', 'made', '__main__')]"), [False] * 3)

    def test_after_an_exception_and_an_await(self):
        before = sys.modules["__main__"]
        with self.assertRaises(ZeroDivisionError):
            self.ask(EVALUATE, expression="1/0", locals={"given": 1})
        self.assertIs(sys.modules["__main__"], before)
        code = "import asyncio, __main__\nawait asyncio.sleep(0)\n__main__.given"
        self.assertEqual(self.evaluate(code, locals={"given": 5}), 5)
        self.assertIs(sys.modules["__main__"], before)

    def test_functions_outlive_their_call(self):
        self.evaluate("held = []\nNone")
        self.evaluate("def f(): return given + 1\nheld.append(f)\nNone", locals={"given": 5})
        self.assertEqual(self.evaluate("import gc\ngc.collect()\nheld[0]()"), 6)


class Warned(SessionTest):
    def test_each_call_warns(self):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("default")
            for code in ("warnings.warn('once')", "warnings.warn('once')", "async def f(): warnings.warn('once')\nawait f()"):
                self.evaluate("import warnings\n" + code)
            self.evaluate("for _ in range(3): warnings.warn('in a loop')")
            self.evaluate("warnings.warn('once')", locals={"given": 1})
        self.assertEqual([str(one.message) for one in told], ["once"] * 3 + ["in a loop", "once"])

    def test_functions_warn_in_each_call_with_locals_too(self):
        self.evaluate("import warnings\ndef f(): warnings.warn('f')")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("default")
            for given in ({"a": 1}, {"a": 2}, None):
                self.evaluate("f()\nf()", locals=given)
        self.assertEqual(len(told), 3)


class WarnedWithin(WorkerTest):
    """Calls within a callback warn as others, and leave those around them what they have warned of."""

    def reply(self, call_id, kind, body):
        for part in _wire.frames(kind, call_id, body):
            os.write(self.host.host_answers, part)

    def test_with_locals_and_without(self):
        setup = "import warnings\nwarnings.simplefilter('default')\ntold = []\nwarnings.showwarning = lambda message, *more: told.append(str(message))\ndef f(): warnings.warn('f')\n"
        self.host.evaluate(setup + "def outer(ask):\n    for n in range(2):\n        warnings.warn('outer')\n        ask()\n    f()\n    f()\nNone")
        inner = "for n in range(2): warnings.warn('inner')\nf()"
        for given in ({}, {"given": 2}):
            with self.subTest(given=given):
                self.host.evaluate("told.clear()")
                body = {"expression": "outer(ask)\nlist(told)", "locals": {"ask": {"$callback": "ask"}}}
                outer = self.host.send(EVALUATE, body, _wire.CALLBACKS | _wire.EVENTS)
                for _ in range(2):
                    _, _, call_id, _ = self.host.message()
                    message = struct.pack("<BBQI", EVALUATE, 0, self.host.next_id(), 0)
                    self.reply(call_id, 100, message + json.dumps({"expression": inner, "locals": given}).encode())
                    self.assertEqual(self.host.frame()[0], _wire.NESTED_ANSWER)
                    self.reply(call_id, 97, b'{"exact":false,"answer":{"value":null}}')
                self.assertEqual(json.loads(self.host.answer(outer)[1]), ["outer", "inner", "f", "inner", "f", "f"])
