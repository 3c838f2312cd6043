"""What numpy and pandas give; skipped where they are not installed."""

import datetime
import json
import unittest

from beep_python._encode import encode

from .sessions import CALL, EVALUATE, SessionTest
from .test_encode_exact import back
from .test_encode_plain import plain

try:
    import numpy
except ImportError:
    numpy = None
try:
    import pandas
except ImportError:
    pandas = None


def exact(value):
    data = encode(value, True)
    return None if data is None else data.decode()


@unittest.skipIf(numpy is None, "numpy is not installed")
class Numpy(unittest.TestCase):
    def test_scalars(self):
        for value, text in (
            *((numpy.float64(1.5), "1.5"), (numpy.mean(numpy.arange(4)), "1.5"), (numpy.float16(0.5), "0.5")),
            *((numpy.longdouble(1.5), "1.5"), (numpy.int8(-3), "-3"), (numpy.uint64(2**64 - 1), str(2**64 - 1))),
            *((numpy.bool_(True), "true"), (numpy.str_("a"), '"a"'), (numpy.array(5), "5"), (numpy.ma.masked, "null")),
        ):
            with self.subTest(value=value):
                self.assertEqual(plain(value), text)
                self.assertEqual(plain([value]), "[%s]" % text)
        self.assertEqual(plain(numpy.float64("nan")), '"NaN"')
        self.assertEqual(plain([numpy.float64("inf"), 1.5]), '["Infinity",1.5]')
        self.assertEqual(plain(numpy.bytes_(b"a")), '"YQ=="')
        self.assertEqual(plain(numpy.void(b"abc")), '"YWJj"')
        self.assertIsNone(plain(numpy.complex128(1j)))
        self.assertEqual(exact(numpy.float64(1.5)), "1.5")
        self.assertEqual(exact(numpy.complex64(1j)), '{"$complex":[0.0,1.0]}')
        self.assertEqual(exact(numpy.int64(3)), "3")
        self.assertEqual(plain({numpy.int64(3): 1}), '{"3":1}')

    def test_moments(self):
        for text, plainly, exactly in (
            ("2026-01-02", '"2026-01-02"', '{"$date":"2026-01-02"}'),
            ("2026-01", '"2026-01-01"', '{"$date":"2026-01-01"}'),
            ("2026-01-02T03", '"2026-01-02T03:00:00"', '{"$datetime":"2026-01-02T03:00:00"}'),
            ("2026-01-02T03:04:05.120", '"2026-01-02T03:04:05.120000"', '{"$datetime":"2026-01-02T03:04:05.120000"}'),
            ("2026-01-02T03:04:05.000000001", '"2026-01-02T03:04:05.000000001"', '{"$datetime":"2026-01-02T03:04:05.000000001"}'),
            ("NaT", "null", "null"),
        ):
            with self.subTest(text=text):
                value = numpy.datetime64(text, "s") if text == "NaT" else numpy.datetime64(text)
                self.assertEqual((plain(value), exact(value)), (plainly, exactly))
        # Beyond what is read back, text.
        self.assertEqual(exact(numpy.datetime64("12020-01-01")), '"12020-01-01"')
        self.assertEqual(exact(numpy.datetime64(5, "as")), '"1970-01-01T00:00:00.000000000000000005"')
        self.assertIsNone(plain(numpy.timedelta64(3, "Y")))
        self.assertEqual(plain(numpy.timedelta64(1500, "ms")), "1.5")
        self.assertEqual(exact(numpy.timedelta64(1500, "ms")), '{"$timedelta":[0,1,500000]}')
        self.assertEqual(plain(numpy.timedelta64("NaT", "s")), "null")

    def test_arrays(self):
        pairs = numpy.array([(1, "a")], dtype=[("n", "i4"), ("s", "U3")])
        for value, text in (
            (numpy.arange(3), "[0,1,2]"),
            (numpy.array([[1.5, numpy.nan]]), '[[1.5,"NaN"]]'),
            (numpy.array([True]), "[true]"),
            (numpy.array(["a"]), '["a"]'),
            (numpy.array([None, {1}], dtype=object), "[null,[1]]"),
            (numpy.array([1, 2], dtype="longdouble"), "[1.0,2.0]"),
            (numpy.array(["2026-01-02", "NaT"], "M8[D]"), '["2026-01-02",null]'),
            (numpy.ma.array([1, 2], mask=[False, True]), "[1,null]"),
            (pairs, '[{"n":1,"s":"a"}]'),
        ):
            with self.subTest(value=value):
                self.assertIsNone(plain(value))
                self.assertEqual(plain({"a": value}), '{"a":%s}' % text)
        self.assertEqual(plain(pairs[0]), '{"n":1,"s":"a"}')
        masked = numpy.ma.array([(1, 2)], mask=[(False, True)], dtype="i4,i4")
        self.assertEqual(plain([masked]), '[[{"f0":1,"f1":null}]]')
        self.assertIsNone(plain([numpy.array([1j])]))
        self.assertIsNone(encode([numpy.zeros(100)], False, limit=lambda: 50))

    def test_a_numpy_that_is_not_one(self):
        import sys
        import types
        from unittest import mock

        plain([numpy.int64(1)])
        for fake in (types.SimpleNamespace(float64=5), None, types.SimpleNamespace(float64=float, integer=int, ndarray=3)):
            with mock.patch.dict(sys.modules, numpy=fake):
                self.assertEqual(plain([numpy.int64(1), {2}]), "[1,[2]]")


@unittest.skipIf(pandas is None, "pandas is not installed")
class Pandas(unittest.TestCase):
    def test_scalars(self):
        for value, text in (
            *((pandas.NA, "null"), (pandas.NaT, "null"), (pandas.Timedelta("1.5s"), "1.5"), (pandas.Period("2026"), '"2026"')),
            *((pandas.Timestamp("2026-01-02"), '"2026-01-02T00:00:00"'), (pandas.Interval(0, 1), '"(0, 1]"')),
            (pandas.Timestamp("2026-07-01", tz="Europe/Berlin"), '"2026-07-01T00:00:00+02:00"'),
            (pandas.Timestamp("2026-01-02T00:00:00.000000001"), '"2026-01-02T00:00:00.000000001"'),
        ):
            with self.subTest(value=value):
                self.assertEqual(plain(value), text)
        self.assertEqual(exact(pandas.Timestamp("2026-01-02")), '{"$datetime":"2026-01-02T00:00:00"}')
        berlin = '{"$datetime":"2026-07-01T00:00:00+02:00","zone":"Europe/Berlin"}'
        self.assertEqual(exact(pandas.Timestamp("2026-07-01", tz="Europe/Berlin")), berlin)
        self.assertEqual(back(berlin), pandas.Timestamp("2026-07-01", tz="Europe/Berlin"))

    def test_tables(self):
        frame = pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64"), "b": pandas.to_datetime(["2026-01-01", None])})
        series = pandas.Series([1.5, None])
        for value, text in (
            (series, "[1.5,null]"),
            (pandas.Index(["a", None]), '["a",null]'),
            (pandas.Categorical(["a", None]), '["a",null]'),
            (pandas.array([True, None]), "[true,null]"),
            (pandas.MultiIndex.from_tuples([(1, "a")]), '[[1,"a"]]'),
            (frame, '[{"a":1,"b":"2026-01-01T00:00:00"},{"a":null,"b":null}]'),
            (pandas.DataFrame(index=[1, 2]), "[{},{}]"),
        ):
            with self.subTest(value=value):
                self.assertIsNone(plain(value))
                self.assertEqual(plain([value]), "[%s]" % text)
        self.assertIsNone(plain([pandas.DataFrame([[1, 2]], columns=["a", "a"])]))
        records = frame.to_dict("records")
        self.assertEqual(json.loads(plain(records))[1], {"a": None, "b": None})


@unittest.skipIf(pandas is None, "pandas is not installed")
class ReturnTypes(SessionTest):
    def test_return_types(self):
        self.evaluate("import numpy as np, pandas as pd\nx = np.arange(4.0)\ns = pd.Series([1, 2], index=['a', 'b'])\nd = pd.DataFrame({'a': [1, 2]})\nNone")
        for code, hint, result in (
            ("np.mean(x)", "Double", 1.5),
            ("np.int64(3)", "Int32", 3),
            ("np.bool_(True)", "Boolean", True),
            ("x", "Double[]", [0, 1, 2, 3]),
            ("x.reshape(2, 2)", "Double[][]", [[0, 1], [2, 3]]),
            ("s", "Int32[]", [1, 2]),
            ("s", "List`1", [1, 2]),
            ("s", "Dictionary`2", {"a": 1, "b": 2}),
            ("s", "json", [1, 2]),
            ("d", "List`1", [{"a": 1}, {"a": 2}]),
            ("d", "Dictionary`2", {"a": [1, 2]}),
            ("d", "json", [{"a": 1}, {"a": 2}]),
            ("pd.Series([1.5, None])", "Nullable`1[]", [1.5, None]),
            ("np.array([1, 2], dtype='u1')", "Byte[]", "AQI="),
            ("pd.Timestamp('2026-01-02')", "DateTime", "2026-01-02T00:00:00"),
            ("pd.Timestamp('2026-01-02')", "DateOnly", "2026-01-02"),
            ("np.datetime64('2026-01-02')", "DateTime", "2026-01-02"),
            ("pd.Timedelta('1s')", "TimeSpan", "00:00:01"),
            ("np.timedelta64(1, 's')", "TimeSpan", "00:00:01"),
            ("np.float64(1.5)", "String", "1.5"),
        ):
            with self.subTest(code=code, hint=hint):
                self.assertEqual(self.evaluate(code, returnType=hint), result)
        for code, hint in (
            ("pd.Series([1, 2], index=['a', 'a'])", "Dictionary`2"),
            ("np.longdouble('1e4000')", "Double"),
            *(("x.reshape(2, 2)", "Double[]"), ("x", "Double[][]"), ("d", "Double[]"), ("x", "Double"), ("np.array(1)", "Double[]")),
            ("s.reset_index().set_index(['index', 0])[[]].squeeze(axis=1).index.to_series()", "Dictionary`2"),
        ):
            with self.subTest(code=code, hint=hint):
                self.assertEqual(self.refused(EVALUATE, expression=code, returnType=hint)[0], "not_representable")
        self.assertEqual(self.handle(EVALUATE, expression="x")["dtype"], "float64")
        self.assertEqual(self.read(CALL, handleId=self.keep("x"), methodName="mean"), 1.5)
        self.assertEqual(datetime.date(2026, 1, 2), back(json.dumps(json.loads(exact(numpy.datetime64("2026-01-02"))))))
