import collections
import enum
import fractions
import json
import math
import pathlib
import re
import unittest
import uuid
import zoneinfo
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from unittest import mock

from beep_python import _encode
from beep_python._decode import value_of
from beep_python._encode import encode
from beep_python._handles import Handles
from beep_python._wire import Rejected

from .test_encode_plain import Color, Number, Point, Record, Text, nested

UTC = timezone.utc
TABLE = (
    (None, "null"),
    (True, "true"),
    (1, "1"),
    (2**53 - 1, "9007199254740991"),
    (1 - 2**53, "-9007199254740991"),
    (2**53, '{"$int":"9007199254740992"}'),
    (-(2**53), '{"$int":"-9007199254740992"}'),
    ([1, 2**53 + 1], '[1,{"$int":"9007199254740993"}]'),
    (2**63, '{"$int":"9223372036854775808"}'),
    (-(2**63) - 1, '{"$int":"-9223372036854775809"}'),
    (2**100, '{"$int":"1267650600228229401496703205376"}'),
    (1.0, "1.0"),
    (-0.0, "-0.0"),
    (math.inf, '{"$float":"Infinity"}'),
    (-math.inf, '{"$float":"-Infinity"}'),
    (1 - 2j, '{"$complex":[1.0,-2.0]}'),
    (complex(math.inf, -0.0), '{"$complex":[{"$float":"Infinity"},-0.0]}'),
    ("é", '"é"'),
    ("\udc80", '{"$str":"7bKA"}'),
    (b"\x00\xff", '{"$bytes":"AP8="}'),
    (bytearray(b"a"), '{"$bytearray":"YQ=="}'),
    ([1, 2], "[1,2]"),
    ((1, 2), '{"$tuple":[1,2]}'),
    ((), '{"$tuple":[]}'),
    ({1}, '{"$set":[1]}'),
    (frozenset((1,)), '{"$frozenset":[1]}'),
    ({"a": 1}, '{"a":1}'),
    ({1: "x", None: "y"}, '{"$dict":[[1,"x"],[null,"y"]]}'),
    ({1: "x", "1": "y"}, '{"$dict":[[1,"x"],["1","y"]]}'),
    ({"$handle": "x"}, '{"$dict":[["$handle","x"]]}'),
    ({"a": 1, "$tuple": [1]}, '{"$dict":[["a",1],["$tuple",[1]]]}'),
    ({"\udc80": 1}, '{"$dict":[[{"$str":"7bKA"},1]]}'),
    ({(1, 2): {b"k": []}}, '{"$dict":[[{"$tuple":[1,2]},{"$dict":[[{"$bytes":"aw=="},[]]]}]]}'),
    (Decimal("1.10"), '{"$decimal":"1.10"}'),
    (Decimal("-Infinity"), '{"$decimal":"-Infinity"}'),
    (date(2026, 11, 21), '{"$date":"2026-11-21"}'),
    (datetime(2026, 11, 21, 9, 30), '{"$datetime":"2026-11-21T09:30:00"}'),
    (datetime(2026, 1, 1, 1, 1, 1, 5, UTC), '{"$datetime":"2026-01-01T01:01:01.000005+00:00"}'),
    (datetime(2026, 1, 1, fold=1), '{"$datetime":"2026-01-01T00:00:00","fold":1}'),
    (time(9, 30), '{"$time":"09:30:00"}'),
    (time(9, 30, tzinfo=timezone(timedelta(hours=-3)), fold=1), '{"$time":"09:30:00-03:00","fold":1}'),
    (timedelta(days=-1, seconds=5), '{"$timedelta":[-1,5,0]}'),
    ([(1, [{2.5}])], '[{"$tuple":[1,[{"$set":[2.5]}]]}]'),
    ({"a": (None,)}, '{"a":{"$tuple":[null]}}'),
)


def exact(value):
    data = encode(value, True)
    return None if data is None else data.decode()


def back(text):
    return value_of(json.loads(text), Handles("s", 1), True)


class Named(tzinfo):
    def utcoffset(self, moment):
        return timedelta(hours=1)


class Broken(tzinfo):
    def utcoffset(self, moment):
        raise RuntimeError("no offset")


class Exact(unittest.TestCase):
    def test_the_table(self):
        for value, text in TABLE:
            with self.subTest(value=value):
                self.assertEqual(exact(value), text)

    def test_every_value_comes_back_as_it_was(self):
        for value, text in TABLE:
            with self.subTest(value=value):
                again = back(text)
                self.assertEqual(again, value)
                self.assertIs(type(again), type(value))
                self.assertEqual(repr(again), repr(value))
                self.assertEqual(getattr(again, "fold", 0), getattr(value, "fold", 0))

    def test_nan_comes_back(self):
        self.assertEqual(exact(math.nan), '{"$float":"NaN"}')
        self.assertTrue(math.isnan(back(exact([1.5, math.nan]))[1]))
        self.assertTrue(math.isnan(back(exact(complex(0, math.nan))).imag))

    def test_fold_comes_back(self):
        self.assertEqual(back(exact(datetime(2026, 1, 1, fold=1))).fold, 1)

    def test_what_exact_cannot_say(self):
        for value in (object(), len, (n for n in ()), datetime(2026, 1, 1, tzinfo=Broken())):
            with self.subTest(value=type(value)):
                self.assertIsNone(exact(value))
                self.assertIsNone(exact([value]))
                self.assertIsNone(exact((1, value)))

    def test_subclasses_are_what_they_derive_from(self):
        for value, text in (
            *((Text("a"), '"a"'), (Number(1), "1"), (Point(1, 2), '{"$tuple":[1,2]}'), (Number(2**70), '{"$int":"%d"}' % 2**70)),
            *((collections.OrderedDict(a=1), '{"a":1}'), (collections.deque((1,)), "[1]"), (range(2), "[0,1]")),
            *((type("D", (Decimal,), {})(1), '{"$decimal":"1"}'), (type("T", (timedelta,), {})(1), '{"$timedelta":[1,0,0]}')),
            *((Record(x={1}), '{"x":{"$set":[1]}}'), (fractions.Fraction(1, 3), '"1/3"')),
        ):
            with self.subTest(value=value):
                self.assertEqual(exact(value), text)
                self.assertEqual(exact([1, value]), "[1,%s]" % text)
        self.assertEqual(exact({Point(1, 2): 1}), '{"$dict":[[{"$tuple":[1,2]},1]]}')
        self.assertEqual(exact({Text("a"): 1}), '{"$dict":[["a",1]]}')

    def test_moments_in_any_form_that_others_write(self):
        for text, value in (
            ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
            ("2026-01-02T03:04:05.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)),
            ("2026-01-02T03:04:05.1", datetime(2026, 1, 2, 3, 4, 5, 100000)),
            ("2026-01-02t03:04:05.123456789+05:30", datetime(2026, 1, 2, 3, 4, 5, 123456, timezone(timedelta(hours=5.5)))),
            ("2026-01-02 03:04:05-00:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ):
            with self.subTest(text=text):
                self.assertEqual(back('{"$datetime":"%s"}' % text), value)
        self.assertEqual(back('{"$time":"03:04:05.5Z"}'), time(3, 4, 5, 500000, UTC))

    def test_zones_come_back_by_name(self):
        try:
            berlin = zoneinfo.ZoneInfo("Europe/Berlin")
        except zoneinfo.ZoneInfoNotFoundError:
            self.skipTest("this machine has no database of time zones")
        for value, text in (
            (datetime(2026, 7, 1, tzinfo=berlin), '{"$datetime":"2026-07-01T00:00:00+02:00","zone":"Europe/Berlin"}'),
            (time(1, tzinfo=berlin), '{"$time":"01:00:00","zone":"Europe/Berlin"}'),
            (time(1, tzinfo=timezone(timedelta(hours=1), "CET")), '{"$time":"01:00:00+01:00","zone":"CET"}'),
        ):
            with self.subTest(value=value):
                self.assertEqual(exact(value), text)
                self.assertEqual(repr(back(text)), repr(value))
        named = exact(datetime(2026, 1, 1, tzinfo=Named()))
        self.assertEqual(named, '{"$datetime":"2026-01-01T00:00:00+01:00"}')
        self.assertEqual(back('{"$datetime":"2026-01-01T00:00:00+01:00","zone":"No/Where"}').tzname(), "No/Where")

    def test_what_a_tag_would_not_bring_back_has_none(self):
        kind = enum.Enum("Kind", {"A": Record(x=1)})
        self.assertEqual(exact(kind.A), '{"x":1}')
        self.assertEqual(exact(pathlib.PureWindowsPath("C:/a")), '"C:\\\\a"')

    def test_tags_of_other_classes(self):
        for value, text in (
            (uuid.UUID(int=1), '{"$uuid":"00000000-0000-0000-0000-000000000001"}'),
            (pathlib.Path("/a"), '{"$path":"/a"}'),
            (Color.RED, '{"$enum":["%s","Color","red"]}' % Color.__module__),
            (re.RegexFlag.IGNORECASE, '{"$enum":["re","RegexFlag",2]}'),
        ):
            with self.subTest(value=value):
                self.assertEqual(exact(value), text)
                self.assertEqual(back(text), value)
        for wrong in ('["no_such_module","E",1]', '["sys","path",1]', '["re","Nothing",1]', '["re","RegexFlag","x"]', '[1,2,3]', "[]"):
            with self.subTest(wrong=wrong), self.assertRaises(Rejected):
                back('{"$enum":%s}' % wrong)

    def test_integers_of_too_many_digits(self):
        huge = 10**5000
        for value in (huge, [huge], {huge: 1}, (huge,)):
            data = exact(value)
            if data is not None:  # a Python without the limit
                self.assertIn('{"$int":"1000', data)

    def test_depth_in_levels_of_json(self):
        self.assertIsNotNone(exact(nested(120, (1,))))
        self.assertIsNone(exact(nested(121)))
        for inner, levels in (((), 2), ({1: 2}, 3), (set(), 2), ({"a": b""}, 1)):
            with self.subTest(inner=inner):
                self.assertIsNotNone(exact(nested(120 - levels, (inner, 2**70, 1))))
                self.assertIsNone(exact(nested(121 - levels, (inner,))))
        self.assertIsNotNone(exact(nested(120, (1, math.nan))))
        tuples = ()
        for _ in range(59):
            tuples = (tuples,)
        self.assertIsNotNone(exact(tuples))
        self.assertIsNone(exact((tuples,)))

    def test_structures_without_an_end(self):
        loop = []
        loop.append((loop,))
        self.assertIsNone(exact(loop))
        doubled = ()
        for _ in range(50):
            doubled = (doubled, doubled)
        with mock.patch.object(_encode, "MAX_CONTAINERS", 100_000):
            self.assertIsNone(exact(doubled))
