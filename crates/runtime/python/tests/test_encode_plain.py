import collections
import enum
import json
import math
import unittest
from unittest import mock

from beep_python import _encode
from beep_python._encode import encode


def plain(value):
    data = encode(value, False)
    return None if data is None else data.decode()


def nested(depth, inner=()):
    value = list(inner)
    for _ in range(depth - 1):
        value = [value]
    return value


class Text(str):
    pass


class Number(int):
    pass


Point = collections.namedtuple("Point", "x y")


class Plain(unittest.TestCase):
    def test_values_as_any_reader_expects_them(self):
        for value, text in (
            (None, "null"),
            (True, "true"),
            (False, "false"),
            (0, "0"),
            (-1, "-1"),
            (2**53 + 1, "9007199254740993"),
            (2**63, "9223372036854775808"),
            (-(2**100), "-1267650600228229401496703205376"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (0.1, "0.1"),
            (math.nan, '"NaN"'),
            (math.inf, '"Infinity"'),
            (-math.inf, '"-Infinity"'),
            ("", '""'),
            ('é"\\\n\u2028\0', '"é\\"\\\\\\n\u2028\\u0000"'),
            ("\U0001f600", '"\U0001f600"'),
            ([], "[]"),
            ((), "[]"),
            ({}, "{}"),
            ((1, (2, [3.5, None])), "[1,[2,[3.5,null]]]"),
            ([True, 1, 1.0, 2**100], "[true,1,1.0,1267650600228229401496703205376]"),
            ([1.5, math.nan, (math.inf,)], '[1.5,"NaN",["Infinity"]]'),
            ({"b": 1, "a": [{"c": -math.inf}]}, '{"b":1,"a":[{"c":"-Infinity"}]}'),
            ({"$handle": "x"}, '{"$handle":"x"}'),
            ({"$tuple": [1]}, '{"$tuple":[1]}'),
        ):
            with self.subTest(value=value):
                self.assertEqual(plain(value), text)

    def test_keys_as_json_dumps_writes_them(self):
        keys = {1: "a", None: "b", True: "c", 1.5: "d", -(2**70): "e"}
        del keys[True]  # is 1
        keys[False] = "f"
        self.assertEqual(plain(keys), json.dumps(keys, separators=(",", ":")))
        self.assertEqual(plain({math.nan: 1, math.inf: 2, True: 3}), '{"NaN":1,"Infinity":2,"true":3}')

    def test_keys_that_collide(self):
        self.assertIsNone(plain({1: "x", "1": "y"}))
        self.assertIsNone(plain([{None: 1, "null": 2}]))
        self.assertIsNone(plain({math.nan: 1, float("nan"): 2}))

    def test_what_plain_cannot_say(self):
        for value in (
            *(b"a", bytearray(b"a"), {1}, frozenset(), 1j, range(3), object, object(), len, NotImplemented, ...),
            *({(1, 2): 3}, {b"a": 1}, {frozenset(): 1}),
            *("\ud800", ["\ud800"], {"\ud800": 1}, {"a": {"b": "\udfff"}}),
            *([b"a"], {"a": {1}}, [[[object()]]]),
        ):
            with self.subTest(value=value):
                self.assertIsNone(plain(value))

    def test_subclasses_of_builtin_types(self):
        for value in (
            *(Text("a"), Number(1), Point(1, 2), collections.OrderedDict(a=1), collections.defaultdict(int)),
            *(collections.Counter("a"), type("L", (list,), {})(), type("F", (float,), {})(1.5)),
            enum.IntEnum("E", "A").A,
        ):
            with self.subTest(value=value):
                self.assertIsNone(plain(value))
                self.assertIsNone(plain([1, value]))
                self.assertIsNone(plain({"a": (value,)}))
        self.assertIsNone(plain({Text("a"): 1}))

    def test_integers_of_too_many_digits(self):
        huge = 10**5000
        for value in (huge, [huge], {"a": huge}, {huge: 1}, [math.nan, huge]):
            data = plain(value)
            if data is not None:  # a Python without the limit
                self.assertIn(str(huge), data)

    def test_depth(self):
        self.assertEqual(plain(nested(60, (1,))), "[" * 60 + "1" + "]" * 60)
        self.assertIsNone(plain(nested(61)))
        self.assertIsNotNone(plain({"a": nested(59)}))
        self.assertIsNone(plain({"a": nested(60)}))
        self.assertIsNotNone(plain(nested(60, (math.nan,))))

    def test_structures_without_an_end(self):
        loop = [1]
        loop.append(loop)
        self.assertIsNone(plain(loop))
        ring = {}
        ring["a"] = ({"b": ring},)
        self.assertIsNone(plain(ring))

    @mock.patch.multiple(_encode, MAX_CONTAINERS=100_000, MAX_ITEMS=1_000_000)
    def test_structures_that_are_small_here_and_endless_on_the_wire(self):
        doubled = []
        for _ in range(50):
            doubled = [doubled, doubled]
        self.assertIsNone(plain(doubled))
        wide = [1]
        for _ in range(5):
            wide = [wide] * 1000
        self.assertIsNone(plain(wide))
        flat = [0] * 100_000
        self.assertIsNotNone(plain([flat] * 9))
        self.assertIsNone(plain([flat] * 10))

    @mock.patch.object(_encode, "MAX_MESSAGE", 1000)
    def test_values_that_the_wire_cannot_take(self):
        self.assertIsNotNone(plain("x" * 998))
        self.assertIsNone(plain("x" * 999))
        self.assertIsNone(plain(["x" * 500] * 2))
        self.assertIsNone(plain([math.nan] * 200))

    def test_shared_parts_are_no_loops(self):
        part = [1]
        self.assertEqual(plain([part, part]), "[[1],[1]]")
