import array
import collections
import dataclasses
import enum
import ipaddress
import json
import math
import pathlib
import re
import sqlite3
import types
import typing
import unittest
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
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


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Record:
    x: object


class Raises:
    def __getattr__(self, name):
        raise RuntimeError(name)


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
            *(1j, object, object(), len, NotImplemented, ..., (n for n in ()), iter([]), mock.MagicMock(), collections),
            *({(1, 2): 3}, {frozenset(): 1}, {len: 1}),
            *("\ud800", ["\ud800"], {"\ud800": 1}, {"a": {"b": "\udfff"}}),
            *([len], {"a": {1j}}, [[[object()]]], (1, [mock.MagicMock()]), {Raises()}, Record(x=object())),
        ):
            with self.subTest(value=type(value)):
                self.assertIsNone(plain(value))

    def test_subclasses_are_what_they_derive_from(self):
        ordered = collections.OrderedDict(b=1, a=2)
        ordered.move_to_end("b")
        for value, text in (
            *((Text("a"), '"a"'), (Number(1), "1"), (Point(1, 2), "[1,2]"), (type("F", (float,), {})(1.5), "1.5")),
            *((collections.defaultdict(int, a=1), '{"a":1}'), (collections.Counter("aab"), '{"a":2,"b":1}')),
            *((ordered, '{"a":2,"b":1}'), (type("L", (list,), {})([1]), "[1]"), (type("S", (set,), {})([1]), "[1]")),
            *((collections.UserList([1]), "[1]"), (collections.UserString("a"), '"a"'), (collections.UserDict(a=1), '{"a":1}')),
        ):
            with self.subTest(value=value):
                self.assertEqual(plain(value), text)
                self.assertEqual(plain([1, value]), "[1,%s]" % text)
                self.assertEqual(plain({"a": (value,)}), '{"a":[%s]}' % text)
        self.assertEqual(plain({Text("a"): 1}), '{"a":1}')

    def test_everyday_values(self):
        with sqlite3.connect(":memory:") as connection:
            connection.row_factory = sqlite3.Row
            row = connection.execute("select 1 as a, 'x' as b").fetchone()
        connection.close()
        zone = timezone(timedelta(hours=-3), "here")
        for value, text in (
            *((b"\x00\xff", '"AP8="'), (bytearray(b"a"), '"YQ=="'), (memoryview(b"ab"), '"YWI="')),
            *(({1}, "[1]"), (frozenset((1,)), "[1]"), (collections.deque((1, 2)), "[1,2]"), (range(3), "[0,1,2]")),
            *(({"a": 1}.keys(), '["a"]'), ({"a": 1}.values(), "[1]"), ({"a": 1}.items(), '[["a",1]]')),
            *((array.array("d", (1, 2.5)), "[1.0,2.5]"), (memoryview(array.array("h", (1, 2))), "[1,2]")),
            *((types.MappingProxyType({"a": 1}), '{"a":1}'), (row, '[1,"x"]')),
            *((Decimal("1.10"), "1.10"), (Decimal("-0"), "-0"), (Decimal("1E+5"), "1E+5"), (Decimal("NaN"), '"NaN"')),
            *((Decimal("1E+400"), '"1E+400"'), (Decimal("1E-400"), '"1E-400"'), (Decimal("-Infinity"), '"-Infinity"')),
            *((datetime(2026, 11, 21, 9, 30), '"2026-11-21T09:30:00"'), (date(2026, 11, 21), '"2026-11-21"')),
            *((datetime(2026, 1, 1, tzinfo=zone), '"2026-01-01T00:00:00-03:00"'), (time(9, 30, 0, 5), '"09:30:00.000005"')),
            *((timedelta(days=1, seconds=5, microseconds=3), "86405.000003"), (timedelta(seconds=-1), "-1.0")),
            *((uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'), (pathlib.PurePosixPath("/a b"), '"/a b"')),
            *((Fraction(1, 3), '"1/3"'), (re.compile("a+"), '"a+"'), (ipaddress.ip_address("::1"), '"::1"')),
            *((ipaddress.ip_network("10.0.0.0/8"), '"10.0.0.0/8"'), (Color.RED, '"red"'), (enum.IntEnum("E", "A").A, "1")),
            *((Record(x=[1, {2}]), '{"x":[1,[2]]}'), (types.SimpleNamespace(a=1), '{"a":1}')),
        ):
            with self.subTest(value=value):
                self.assertEqual(plain(value), text)
                self.assertEqual(plain({"a": [value, None]}), '{"a":[%s,null]}' % text)

    def test_keys_that_are_no_strings(self):
        keys = {Color.RED: 1, date(2026, 1, 1): 2, uuid.UUID(int=1): 3, Decimal("1.5"): 4, Number(7): 5}
        self.assertEqual(
            plain(keys), '{"red":1,"2026-01-01":2,"00000000-0000-0000-0000-000000000001":3,"1.5":4,"7":5}'
        )
        self.assertIsNone(plain({Color.RED: 1, "red": 2}))

    def test_records_and_arrays_stay_handles_where_that_was_asked(self):
        self.assertIsNone(encode(Record(x=1), False, _encode.ARRAYS_AND_RECORDS))
        self.assertEqual(encode([Record(x=1)], False, _encode.ARRAYS_AND_RECORDS), b'[{"x":1}]')

    def test_fields_that_are_no_fields(self):
        @dataclasses.dataclass
        class More(Record):
            kind: typing.ClassVar[str] = "k"
            seed: dataclasses.InitVar[int] = 1
            y: int = 2

        self.assertEqual(plain(More(x=1)), '{"x":1,"y":2}')
        self.assertIsNone(plain(More))

    def test_containers_that_lie(self):
        class Endless(list):
            def __iter__(self):
                return iter(int, 1)

        class Long(collections.abc.Mapping):
            def __len__(self):
                return 2

            def __iter__(self):
                return iter(range(10**9))

            def __getitem__(self, key):
                return key

        class Claims(collections.abc.Sequence):
            def __len__(self):
                return 10**12

            def __getitem__(self, at):
                return at

        self.assertEqual(plain(Endless([1, 2])), "[0,0]")
        self.assertEqual(plain(Long()), '{"0":0,"1":1}')
        self.assertIsNone(plain(Claims()))
        self.assertIsNone(encode({1, 2, 3}, False, limit=lambda: 2))
        self.assertIsNone(plain(Raises()))

    def test_what_the_objects_own_code_raises(self):
        for error, raised in ((ValueError, None), (SystemExit, None), (KeyboardInterrupt, KeyboardInterrupt)):

            class Broken(collections.abc.Mapping):
                def __len__(self):
                    raise error

                __iter__ = __getitem__ = __len__

            if raised:
                self.assertRaises(raised, plain, Broken())
            else:
                self.assertIsNone(plain(Broken()))

    def test_integers_of_too_many_digits(self):
        huge = 10**5000
        for value in (huge, [huge], {"a": huge}, {huge: 1}, [math.nan, huge]):
            data = plain(value)
            if data is not None:  # as a key it may be too long for this Python
                self.assertIn('"1%s"' % ("0" * 5000), data)
        self.assertIsNotNone(plain(huge))
        self.assertIsNone(plain(1 << (1 << 20)))

    def test_numbers_that_readers_reject_are_text(self):
        self.assertEqual(plain(10**299), "1" + "0" * 299)
        for value, text in ((10**301, '"1%s"' % ("0" * 301)), (-(10**301), '"-1%s"' % ("0" * 301))):
            self.assertEqual(plain(value), text)
            self.assertEqual(plain([1, value, 2.5]), "[1,%s,2.5]" % text)
            self.assertEqual(plain({"a": (value, {1})}), '{"a":[%s,[1]]}' % text)
        self.assertEqual(plain("1" * 1000), '"%s"' % ("1" * 1000))

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
        twice = []
        twice += [twice, twice, {1}]
        self.assertIsNone(plain(twice))
        node = types.SimpleNamespace()
        node.next = [node]
        self.assertIsNone(plain(node))
        one = enum.Enum("One", "A")
        one.A._value_ = one.A
        self.assertIsNone(plain(one.A))

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
