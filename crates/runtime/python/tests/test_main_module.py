"""`__main__` is the namespace in which code runs, with locals and without."""

import sys
import warnings

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
