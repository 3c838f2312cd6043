import json
import sys

from beep_python import _wire
from beep_python._wire import Rejected

from .sessions import CALL, EVALUATE, SessionTest

GETITEM, SETITEM, DELITEM, LEN, CONTAINS, INVOKE, DIR, DESCRIBE, VALUE, AWAIT, BATCH = range(17, 28)


class Objects(SessionTest):
    def test_items(self):
        held = self.keep("{'a': 1, (1, 2): 'pair', None: 3}")
        self.assertEqual(self.read(GETITEM, handleId=held, key="a"), 1)
        self.assertEqual(self.read(GETITEM, handleId=held, key={"$tuple": [1, 2]}), "pair")
        self.assertEqual(self.read(GETITEM, handleId=held, key=None), 3)
        self.read(SETITEM, handleId=held, key="b", value=[1])
        self.assertEqual(self.read(GETITEM, handleId=held, key="b"), [1])
        self.read(DELITEM, handleId=held, key="b")
        with self.assertRaises(KeyError):
            self.read(GETITEM, handleId=held, key="b")
        self.assertEqual(self.read(LEN, handleId=held), 3)
        self.assertIs(self.read(CONTAINS, handleId=held, item="a"), True)
        self.assertIs(self.read(CONTAINS, handleId=held, item=5), False)
        items = self.keep("list(range(10))")
        self.assertEqual(self.read(GETITEM, handleId=items, key={"$slice": [1, 8, 3]}), [1, 4, 7])
        self.assertEqual(self.read(GETITEM, handleId=items, key={"$slice": [None, None, -5]}), [9, 4])
        self.evaluate("class Keys:\n    def __getitem__(self, key): return repr(key)")
        key = {"$tuple": [{"$ellipsis": True}, {"$slice": [1, 2]}, 0]}
        self.assertEqual(self.read(GETITEM, handleId=self.keep("Keys()"), key=key), "(Ellipsis, slice(1, 2, None), 0)")

    def test_bad_input(self):
        held = self.keep("[1]")
        self.assertEqual(self.refused(GETITEM, handleId=held)[0], "invalid_request")
        self.assertEqual(self.refused(CONTAINS, handleId=held)[0], "invalid_request")
        self.assertEqual(self.refused(GETITEM, handleId="no", key=1)[0], "unknown_handle")
        self.assertEqual(self.refused(GETITEM, handleId=held, key={"$slice": [1, 2, 3, 4]})[0], "invalid_request")
        self.assertEqual(self.refused(GETITEM, handleId=held, key={"$nothing": 1})[0], "invalid_request")
        self.assertEqual(self.refused(SETITEM, handleId=held, key=0, value={"$handle": "no"})[0], "unknown_handle")

    def test_invoke_calls_the_object_itself(self):
        self.evaluate("class Adder:\n    def __init__(self, n): self.n = n\n    def __call__(self, m, *, k=0): return self.n + m + k")
        self.assertEqual(self.read(INVOKE, handleId=self.keep("Adder(1)"), args=[2], kwargs={"k": 3}), 6)
        made = self.handle(INVOKE, handleId=self.keep("Adder"), args=[5])
        self.assertEqual(made["typeName"], "Adder")
        self.assertEqual(self.read(INVOKE, handleId=made["handleId"], args=[1]), 6)

    def test_call_of_a_class_that_defines_call(self):
        self.evaluate("class C:\n    def __call__(self): return 'called'\nNone")
        made = self.handle(CALL, handleId=self.keep("C"), methodName="__call__")
        self.assertEqual(made["typeName"], "C")
        self.assertEqual(self.read(CALL, handleId=made["handleId"], methodName="__call__"), "called")

    def test_dir_and_value(self):
        held = self.keep("{1, 2}")
        self.assertIn("union", self.read(DIR, handleId=held))
        self.assertEqual(self.read(VALUE, handleId=held), [1, 2])
        self.assertEqual(self.read(VALUE, handleId=held, returnType="text"), "{1, 2}")
        self.assertEqual(self.refused(VALUE, handleId=self.keep("object()"))[0], "not_representable")

    def test_await(self):
        self.evaluate("import asyncio\nasync def later(n):\n    await asyncio.sleep(0)\n    return n")
        self.assertEqual(self.read(AWAIT, handleId=self.keep("later(4)")), 4)
        self.evaluate("async def start(): return asyncio.ensure_future(later(5))\ntask = await start()\nNone")
        self.assertEqual(self.read(AWAIT, handleId=self.keep("task")), 5)
        with self.assertRaises(TypeError):
            self.read(AWAIT, handleId=self.keep("5"))

    def test_describe(self):
        self.evaluate(
            "import dataclasses, enum, typing\n"
            "class Color(enum.Enum):\n    RED = 'red'\n"
            "@dataclasses.dataclass\nclass Point:\n    x: int\n    y: float = 0.0\n"
            "def f(a: int, b: typing.Optional[str] = None, *rest: float, c: typing.List[Point], d: Color = Color.RED,\n"
            "      e: typing.Dict[str, int] = {}, g: typing.Literal['u', 'v'] = 'u') -> typing.Tuple[int, str]:\n"
            "    'Does something.'\nNone"
        )
        told = self.read(DESCRIBE, handleId=self.keep("f"))
        self.assertEqual((told["typeName"], told["doc"], told["callable"]), ("function", "Does something.", True))
        self.assertTrue(told["signature"].startswith("(a: int, b:"))
        point = {
            "type": "object",
            "properties": {"x": {"type": "integer"}, "y": {"type": "number"}},
            "required": ["x"],
        }
        schema = told["parameters"]
        self.assertEqual(schema["required"], ["a", "c"])
        self.assertEqual(schema["properties"]["a"], {"type": "integer"})
        self.assertEqual(schema["properties"]["b"], {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None})
        self.assertEqual(schema["properties"]["rest"], {"type": "array", "items": {"type": "number"}})
        self.assertEqual(schema["properties"]["c"], {"type": "array", "items": point})
        self.assertEqual(schema["properties"]["d"], {"enum": ["red"]})
        self.assertEqual(schema["properties"]["e"]["additionalProperties"], {"type": "integer"})
        self.assertEqual(schema["properties"]["g"], {"enum": ["u", "v"], "default": "u"})
        self.assertEqual(told["result"], {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]})
        told = self.read(DESCRIBE, handleId=self.keep("[1, 2]"))
        self.assertEqual((told["typeName"], told["length"], told["callable"]), ("list", 2, False))
        self.assertEqual(self.read(DESCRIBE, handleId=self.keep("Point"))["parameters"]["required"], ["x"])
        self.evaluate("def loop(x: 'Node'): pass\n@dataclasses.dataclass\nclass Node:\n    next: 'Node'\nNone")
        self.read(DESCRIBE, handleId=self.keep("loop"))
        self.evaluate("def odd(a=float('nan'), b=10**400, c: float = 1.5): pass\nNone")
        defaults = self.read(DESCRIBE, handleId=self.keep("odd"))["parameters"]["properties"]
        self.assertEqual(defaults, {"a": {}, "b": {}, "c": {"type": "number", "default": 1.5}})

    def test_describe_of_a_class_that_exits(self):
        self.evaluate("class Exits:\n    def __len__(self): raise SystemExit\nNone")
        told = self.read(DESCRIBE, handleId=self.keep("Exits()"))
        self.assertEqual((told["typeName"], "length" in told), ("Exits", False))


class Batches(SessionTest):
    def batch(self, *steps, **more):
        kind, answer = self.ask(BATCH, steps=steps, **more)
        self.assertEqual(kind, _wire.OBJECT)
        return json.loads(answer)["results"]

    def test_steps_run_in_order(self):
        results = self.batch({"operation": "eval", "expression": "x = 1"}, {"operation": "eval", "expression": "x + 1"})
        self.assertEqual(results, [{"value": None}, {"value": 2}])

    def test_results_of_earlier_steps(self):
        before = len(self.session.handles.held)
        results = self.batch(
            {"operation": "import", "moduleName": "collections"},
            {"operation": "create", "moduleHandleId": {"$result": 0}, "className": "Counter", "args": ["aab"]},
            {"operation": "call", "handleId": {"$result": 1}, "methodName": "most_common", "args": [1]},
            {"operation": "len", "handleId": {"$result": 1}},
            {"operation": "eval", "expression": "n + len(c)", "locals": {"n": {"$result": 3}, "c": {"$result": 1}}},
        )
        self.assertEqual(results[2:], [{"value": [["a", 2]]}, {"value": 2}, {"value": 4}])
        self.assertEqual(results[:2], [{}, {}])
        self.assertEqual(len(self.session.handles.held), before + 1, "the module alone")

    def test_what_is_kept(self):
        results = self.batch(
            {"operation": "eval", "expression": "[1]", "keep": True},
            {"operation": "call", "handleId": {"$result": 0}, "methodName": "append", "args": [2]},
        )
        held = results[0]["handleId"]
        self.assertEqual(self.read(VALUE, handleId=held), [1, 2])
        last = self.batch({"operation": "eval", "expression": "object()"})
        self.assertIn(last[0]["handleId"], self.session.handles.held)

    def test_errors(self):
        fails = {"operation": "eval", "expression": "1/0"}
        results = self.batch(fails, {"operation": "eval", "expression": "1"})
        self.assertEqual(results[0]["error"]["exception"]["type"], "ZeroDivisionError")
        self.assertEqual((results[0]["error"]["code"], results[1]), ("python_exception", {"skipped": True}))
        results = self.batch(
            fails, {"operation": "len", "handleId": {"$result": 0}}, {"operation": "eval", "expression": "1"}, stopOnError=False
        )
        self.assertEqual(results[1:], [{"skipped": True}, {"value": 1}])
        exits = self.batch({"operation": "eval", "expression": "raise SystemExit(3)"}, {"operation": "eval", "expression": "1"}, stopOnError=False)
        self.assertEqual((exits[0]["error"]["exception"]["type"], exits[1]), ("SystemExit", {"value": 1}))
        results = self.batch({"operation": "len", "handleId": "no"})
        self.assertEqual(results[0]["error"]["code"], "unknown_handle")

    def test_a_cancelled_future_is_an_error_as_any_other(self):
        raises = {"operation": "eval", "expression": "import concurrent.futures\nraise concurrent.futures.CancelledError"}
        results = self.batch(raises, {"operation": "eval", "expression": "1"}, stopOnError=False)
        self.assertEqual((results[0]["error"]["exception"]["type"], results[1]), ("concurrent.futures._base.CancelledError", {"value": 1}))

    def test_what_no_batch_runs(self):
        for steps in (
            *(5, [5], [{}], [{"operation": "batch"}], [{"operation": "stream"}], [{"operation": 5}]),
            [{"operation": "len", "handleId": {"$result": 0}}],
            [{"operation": "len", "handleId": {"$result": "x"}}],
        ):
            with self.subTest(steps=steps):
                self.assertEqual(self.refused(BATCH, steps=steps)[0], "invalid_request")
        self.assertEqual(self.refused(BATCH, steps=[], stopOnError=1)[0], "invalid_request")
        deep = 5
        for _ in range(sys.getrecursionlimit()):
            deep = [deep]
        with self.assertRaises(Rejected):
            self.session.batch.run({"steps": [{"operation": "eval", "args": deep}]}, False)
        self.assertEqual(self.batch(), [])

    def test_an_interrupted_batch_leaves_no_handle(self):
        before = dict(self.session.handles.held)
        with self.assertRaises(KeyboardInterrupt):
            self.batch({"operation": "eval", "expression": "object()"}, {"operation": "eval", "expression": "raise KeyboardInterrupt"})
        self.assertEqual(self.session.handles.held, before)

    def test_the_limit_is_that_of_the_sum(self):
        self.session.streams.result_bytes = 1000
        steps = [{"operation": "eval", "expression": "'x' * 600"}] * 3
        results = self.batch(*steps)
        self.assertEqual(results[1]["error"]["code"], "result_too_large")
