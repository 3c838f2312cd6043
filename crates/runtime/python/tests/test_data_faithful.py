"""What goes as data, or comes as such, is what it was: nothing wraps, is rounded, or becomes something else in silence.

Skipped where the packages are not installed.
"""

import json
import struct
import unicodedata

from beep_python import _wire

from .data import EVALUATE, PUT, needs
from .test_data_numpy import ArrayTest, numpy
from .test_data_tables import TableTest

FAR = ["1000-01-01", "3000-01-01"]


@needs("numpy", "pandas")
class Moments(ArrayTest):
    modules = "numpy as np, pandas as pd"

    def test_those_with_a_zone_keep_their_unit(self):
        self.evaluate("d = pd.DatetimeIndex(np.array(%r, 'M8[us]'))\ntz = pd.Series(d.tz_localize('UTC'))\nNone" % FAR)
        for code in ("tz", "tz.array", "pd.DatetimeIndex(tz)", "pd.Series(d)"):
            for unit in ("us", "ms", "s"):
                with self.subTest(code=code, unit=unit):
                    self.evaluate("tz, d = tz.dt.as_unit(%r), d.as_unit(%r)\nNone" % (unit, unit))
                    items = self.items(code)
                    self.assertEqual((items.dtype, [str(item)[:10] for item in items]), ("M8[%s]" % unit, FAR))
        items = self.items("tz.dt.as_unit('us').dt.tz_convert('Asia/Kolkata')")
        self.assertEqual((items.dtype, items.tolist()), ("M8[us]", numpy.array(FAR, "M8[us]").tolist()))
        self.assertTrue(numpy.isnat(self.items("pd.Series([tz[1], None]).astype(tz.dtype)")[1]))

    @needs("pyarrow")
    def test_those_of_arrow_keep_their_unit(self):
        self.evaluate("import datetime, pyarrow as pa\nd = [datetime.datetime(1000, 1, 1), None, datetime.datetime(3000, 1, 1)]\nNone")
        for unit in ("s", "ms", "us"):
            for zone in (None, "UTC"):
                dtype = "pd.ArrowDtype(pa.timestamp(%r, %r))" % (unit, zone)
                for code in ("pd.Series(d, dtype=%s)", "pd.Index(d, dtype=%s)", "pd.array(d, dtype=%s)"):
                    with self.subTest(code=code, unit=unit, zone=zone):
                        items = self.items(code % dtype)
                        self.assertEqual(items.dtype, "M8[%s]" % unit)
                        self.assertEqual([str(item)[:10] for item in items], [FAR[0], "NaT", FAR[1]])
        items = self.items("pd.Series(pd.arrays.ArrowExtensionArray(pa.array([10**12, None], pa.duration('s'))))")
        self.assertEqual((items.dtype, items[0]), ("m8[s]", numpy.timedelta64(10**12, "s")))
        self.assertEqual(self.items("pd.Series(d, dtype=pd.ArrowDtype(pa.date32()))").dtype, "M8[D]")

    def test_sparse_ones(self):
        items = self.items("pd.Series(pd.arrays.SparseArray(np.array(%r, 'M8[us]')))" % FAR)
        self.assertEqual([str(item)[:10] for item in items], FAR)


@needs("numpy", "pandas", "polars", "pyarrow")
class Integers(ArrayTest):
    modules = "numpy as np, pandas as pd, polars as pl, pyarrow as pa"
    MAKERS = (
        *("pd.Series(%s, dtype='Int64')", "pd.Index(%s, dtype='Int64')", "pd.array(%s, dtype='Int64')", "pd.Series(%s, dtype='int64[pyarrow]')"),
        *("pa.array(%s)", "pa.chunked_array([%s])", "pa.array(%s).dictionary_encode()", "pl.Series(%s)"),
        "pl.Series([%s, [1, 2]], dtype=pl.Array(pl.Int64, 2))",
    )

    def test_those_that_a_float_would_round(self):
        for make in self.MAKERS:
            for value in (2**53 + 1, -(2**53) - 1, 2**63 - 1):
                with self.subTest(make=make, value=value):
                    self.says("%d would be rounded; ask for table or json" % value, make % [value, None])
        for make in ("pd.Series(%s, dtype='UInt64')", "pl.Series(%s, dtype=pl.UInt64)", "pa.array(%s, pa.uint64())"):
            self.says("would be rounded", make % [2**64 - 1, None])
            self.assertEqual(self.items(make % [2**63, None])[0], 2.0**63)
        self.assertEqual(json.loads(self.fetch("pd.Series([2**53 + 1, None], dtype='Int64')", formats=["raw", "json"])[1]), [2**53 + 1, None])

    def test_those_that_are_exact(self):
        for make in self.MAKERS:
            for value in (5, 2**53, 2**60, -(2**63)):
                with self.subTest(make=make, value=value):
                    items = self.items(make % [value, None])
                    self.assertEqual((items.dtype, items.ravel()[0]), ("f8", float(value)))
                    self.assertTrue(numpy.isnan(items.ravel()[1]))
        for make in self.MAKERS[:-1]:
            self.assertEqual(self.items(make % [2**53 + 1, 1]).tolist(), [2**53 + 1, 1])
        self.assertEqual(self.items("pd.Series([1, None], dtype='Int8')")[0], 1)

    def test_bools_of_which_some_are_missing(self):
        for code in ("pd.Series([True, None], dtype='boolean')", "pd.Series([True, None], dtype='bool[pyarrow]')", "pa.array([True, None])"):
            self.says("arrays do not have; ask for json", code)


@needs("numpy", "ml_dtypes")
class Scalars(ArrayTest):
    modules = "numpy as np, ml_dtypes as ml"

    def test_scalars_of_other_packages(self):
        for code, value in (("ml.bfloat16(1.5)", 1.5), ("ml.float8_e5m2(2)", 2.0), ("ml.int4(3)", 3), ("ml.bfloat16('nan')", "NaN")):
            self.assertEqual(self.evaluate(code), value)
            self.assertEqual(self.evaluate("[%s, {'a': %s}]" % (code, code)), [value, {"a": value}])
            self.assertEqual(self.ask(code, "json"), (_wire.VALUE, json.dumps(value).encode()))
            self.assertEqual(json.loads(self.fetch("np.array([[%s]] * 2)" % code, format="json")[1]), [[value], [value]])


class Names(TableTest):
    """Names that Python normalises where code has them."""

    modules = "os"

    def test_a_name_is_what_code_finds(self):
        for name in ("\ufb01", unicodedata.normalize("NFD", "é"), "é", "x"):
            told = self.put(b"abc", name=name)
            self.assertEqual(told["name"], unicodedata.normalize("NFKC", name))
            self.assertEqual(self.evaluate("%s.decode()" % name), "abc")
            self.assertEqual(self.host.call(EVALUATE, {"expression": name, "locals": {name: 5}}), (_wire.VALUE, b"5"))
        self.assertEqual(self.host.call(EVALUATE, {"expression": "globals()['\ufb01 x']", "locals": {"\ufb01 x": 5}})[1], b"5")

    def test_a_name_that_code_reads_as_a_keyword(self):
        kind, answer = self.send(PUT, {"name": "\uff49f"}, (b"abc", {}))
        self.assertEqual((kind, json.loads(answer)["code"]), (_wire.REJECTED, "invalid_request"))


class Kinds(TableTest):
    modules = "os"

    def test_a_kind_that_the_rest_contradicts(self):
        for about, part in (
            ({"kind": "table", "format": "json"}, "its kind is table"),
            ({"kind": "table", "dtype": "|u1"}, "its kind is table"),
            ({"kind": "array"}, "no 'dtype'"),
            ({"kind": "array", "format": "arrow-stream"}, "raw or npy"),
            ({"kind": "array", "format": "json"}, "raw or npy"),
            ({"kind": "frame"}, "known are"),
            ({"kind": ["table"]}, "known are"),
        ):
            with self.subTest(about=about):
                self.assertIn(part, self.put_refused(b"abc", **about))

    def test_a_kind_that_fits(self):
        self.put(b"abc", kind="array", dtype="|u1")
        self.put(b"abc", kind="bytes", dtype="|u1")
        self.put(b"abc", kind="bytes")
        self.put(b"5", kind="bytes", format="json")
        self.assertEqual(self.evaluate("x"), 5)

    @needs("pandas", "pyarrow")
    def test_tables(self):
        for data in (b"", b"abc", b"x" * 64):
            for about in ({}, {"format": "raw"}, {"format": "arrow-stream"}):
                self.assertIn("no Arrow stream", self.put_refused(data, kind="table", **about))
        data = self.fetch("import pandas as pd\npd.DataFrame({'a': [1, 2]})")[1]
        for about in ({}, {"format": "raw"}, {"format": "arrow-stream"}):
            self.assertEqual(self.put(data, kind="table", **about)["typeName"], "Table")

    def test_empty_arrays_without_numpy(self):
        self.without("numpy")
        for shape in ([0, 3], [3, 0], [0, 0]):
            self.assertIn("install numpy", self.put_refused(b"", dtype="<f8", shape=shape))
        self.assertEqual(self.put(b"", dtype="<f8", shape=[0])["shape"], [0])
        self.put(struct.pack("<d", 1), dtype="<f8", shape=[1, 1])
        self.assertEqual(self.evaluate("x.tolist()"), [[1]])
