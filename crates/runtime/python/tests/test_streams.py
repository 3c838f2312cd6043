"""A stream's handle is that of its iterator: whatever else is done with it meets the object itself."""

import json

from beep_python import _wire
from beep_python._limits import RequestLimits

from .sessions import CALL, DISPOSE, EVALUATE, GETATTR, SETATTR, WRAP, SessionTest

STREAM, NEXT, GETITEM, LEN, CONTAINS, INVOKE, DIR, DESCRIBE, VALUE, AWAIT, BATCH = 13, 14, 17, 20, 21, 22, 23, 24, 25, 26, 27
ECHO = "def echo():\n    got = []\n    try:\n        while True: got.append((yield len(got)))\n    finally: closed.append(got)\nclosed = []\nNone"


class Streams(SessionTest):
    def setUp(self):
        super().setUp()
        self.items = []
        self.session.client.write = lambda kind, body: self.items.append(json.loads(body))
        self.evaluate(ECHO)

    def open(self, code, credit=1, **more):
        told = self.read(STREAM, expression=code, credit=credit, **more)
        self.assertFalse(told["done"])
        return told["handleId"]

    def next(self, handle_id, credit=10):
        """The items of the next round, and whether it is the last."""
        self.items.clear()
        told = self.read(NEXT, handleId=handle_id, credit=credit)
        return self.items, told["done"]

    def test_its_type_is_what_the_answer_says(self):
        for code, name in (("echo()", "generator"), ("[1, 2]", "list_iterator"), ("map(abs, [1, 2])", "map")):
            told = self.read(STREAM, expression=code, credit=1)
            self.assertEqual(told["typeName"], name)
            described = self.read(DESCRIBE, handleId=told["handleId"])
            self.assertEqual(described["typeName"], name)
            self.assertEqual(self.evaluate("type(s).__name__", locals={"s": {"$handle": told["handleId"]}}), name)

    def test_as_an_argument(self):
        stream = self.open("(n for n in range(4))")
        self.assertEqual(self.evaluate("list(s)", locals={"s": {"$handle": stream}}), [1, 2, 3])
        self.assertEqual(self.next(stream), ([], True))
        stream = self.open("(n for n in range(4))")
        summed = self.handle(EVALUATE, expression="sum", returnType="handle")["handleId"]
        self.assertEqual(self.read(INVOKE, handleId=summed, args=[{"$handle": stream}]), 6)

    def test_what_code_takes_the_stream_does_not_send(self):
        stream = self.open("(n for n in range(4))")
        self.assertEqual(self.evaluate("next(s)", locals={"s": {"$handle": stream}}), 1)
        self.assertEqual(self.next(stream), ([2, 3], True))

    def test_methods(self):
        stream = self.open("echo()")
        self.assertEqual(self.read(CALL, handleId=stream, methodName="send", args=["a"]), 1)
        self.assertEqual(self.next(stream, 2), ([2, 3], False))
        self.assertIsNone(self.read(CALL, handleId=stream, methodName="close"))
        self.assertEqual(self.evaluate("closed"), [["a", None, None]])
        self.assertEqual(self.next(stream), ([], True))

    def test_attributes(self):
        stream = self.open("echo()")
        self.assertEqual(self.read(GETATTR, handleId=stream, attributeName="gi_frame.f_locals.keys.__name__"), "keys")
        self.assertEqual(self.read(GETATTR, handleId=stream, attributeName="__name__"), "echo")
        with self.assertRaises(AttributeError):
            self.read(GETATTR, handleId=stream, attributeName="iterator")
        with self.assertRaises(AttributeError):
            self.read(SETATTR, handleId=stream, attributeName="gi_code", value=1)
        self.assertIn("send", self.read(DIR, handleId=stream))

    def test_what_a_generator_cannot(self):
        stream = self.open("echo()")
        for operation, more in ((LEN, {}), (GETITEM, {"key": 0}), (INVOKE, {}), (AWAIT, {})):
            with self.subTest(operation=operation), self.assertRaisesRegex(TypeError, "generator"):
                self.read(operation, handleId=stream, **more)

    def test_what_an_iterator_can(self):
        self.evaluate("class It:\n    n = 0\n    def __iter__(self): return self\n    def __next__(self): self.n += 1; return self.n\n    def __len__(self): return 7\nNone")
        stream = self.open("It()")
        self.assertEqual(self.read(LEN, handleId=stream), 7)
        self.assertEqual(self.read(GETATTR, handleId=stream, attributeName="n"), 1)
        self.read(SETATTR, handleId=stream, attributeName="n", value=40)
        self.assertTrue(self.read(CONTAINS, handleId=stream, item=42))
        self.assertEqual(self.next(stream, 1), ([43], False))

    def test_its_value(self):
        code, detail = self.refused(VALUE, handleId=self.open("echo()"))
        self.assertEqual(code, "not_representable")
        self.assertIn("generator", detail)

    def test_in_the_list_of_handles(self):
        stream = self.open("echo()")
        listed = self.evaluate("from beep_python import handles\n[h for h in handles()]")
        (held,) = [handle for handle in listed if handle["handleId"] == stream]
        self.assertEqual(held["typeName"], "generator")
        self.assertIn("generator object echo", held["repr"])

    def test_wrapped_or_returned_it_is_the_same_object(self):
        stream = self.open("(n for n in range(4))")
        other = self.read(WRAP, value={"$handle": stream})["handleId"]
        self.assertEqual(self.evaluate("next(s)", locals={"s": {"$handle": other}}), 1)
        self.assertEqual(self.refused(NEXT, handleId=other)[0], "invalid_request")
        self.read(DISPOSE, handleId=other)  # one name of it; the stream goes on
        self.assertEqual(self.next(stream, 1), ([2], False))
        same = self.handle(EVALUATE, expression="s", locals={"s": {"$handle": stream}}, returnType="handle")
        self.assertEqual(same["typeName"], "generator")

    def test_disposing_of_it_closes_it(self):
        for told in ({"handleId": self.open("echo()")}, {"handleIds": [self.open("echo()")]}):
            self.evaluate("closed.clear()")
            self.read(DISPOSE, **told)
            self.assertEqual(self.evaluate("closed"), [[]])
        self.assertEqual(self.session.streams.open, {})

    def test_a_stream_of_a_handle_or_of_a_stream(self):
        generator = self.keep("echo()")
        stream = self.read(STREAM, handleId=generator, credit=1)["handleId"]
        second = self.read(STREAM, handleId=stream, credit=1)["handleId"]
        self.assertEqual(self.next(stream, 1), ([2], False))
        self.assertEqual(self.next(second, 1), ([3], False))
        self.read(DISPOSE, handleId=second)
        self.assertEqual(self.next(stream, 1), ([], True))

    def test_asynchronous_ones(self):
        self.evaluate("async def g():\n    try:\n        for n in range(5): yield n\n    finally: closed.append(n)\nNone")
        stream = self.open("g()")
        self.assertEqual(self.read(DESCRIBE, handleId=stream)["typeName"], "async_generator")
        self.assertEqual(self.evaluate("await s.__anext__()", locals={"s": {"$handle": stream}}), 1)
        self.assertEqual(self.next(stream, 1), ([2], False))
        self.assertEqual(self.evaluate("[n async for n in s]", locals={"s": {"$handle": stream}}), [3, 4])
        self.assertEqual(self.next(stream), ([], True))
        self.read(DISPOSE, handleId=self.open("g()"))
        self.assertEqual(self.evaluate("closed"), [4, 0])

    def test_in_a_batch(self):
        stream = self.open("(n for n in range(4))")
        steps = [{"operation": "eval", "expression": "next(s)", "locals": {"s": {"$handle": stream}}}, {"operation": "dispose", "handleId": stream}]
        self.assertEqual(self.read(BATCH, steps=steps)["results"][0], {"value": 1})
        self.assertEqual(self.refused(NEXT, handleId=stream)[0], "unknown_handle")

    def test_one_that_finds_no_place_is_closed(self):
        self.session.handles.limit = len(self.session.handles.held)
        self.assertEqual(self.refused(STREAM, expression="echo()", credit=1)[0], "too_many_handles")
        self.assertEqual(self.evaluate("closed"), [[]])

    def test_at_its_end_nothing_is_left(self):
        before = set(self.session.handles.held)
        self.next(self.open("range(3)"))
        with self.assertRaises(ZeroDivisionError):
            self.next(self.open("(1 // n for n in (1, 0))"))
        self.assertEqual((set(self.session.handles.held), self.session.streams.open), (before, {}))


class Leases(SessionTest):
    def test_a_stream_whose_lease_ran_out_is_closed(self):
        self.session.client.write = lambda kind, body: None
        self.evaluate(ECHO)
        stream = self.read(STREAM, expression="echo()", credit=1)["handleId"]
        self.session.handles.leases.begin(stream, 0)
        self.session.release_expired()
        self.assertEqual(self.evaluate("closed"), [[]])
        self.assertEqual(self.refused(NEXT, handleId=stream)[0], "handle_expired")
        self.assertEqual(_wire.VALUE, self.ask(EVALUATE, expression="1")[0])

    def test_a_stream_without_credit_has_none(self):
        self.session.client.write = lambda kind, body: None
        self.evaluate(ECHO)
        self.session.handles.request_limits = RequestLimits(b'{"leaseMs": 50}')
        leased = {credit: self.read(STREAM, expression="echo()", credit=credit)["handleId"] for credit in (1, None)}
        self.session.handles.request_limits = None
        self.assertEqual(set(self.session.handles.leases.ends), {leased[1]})
