"""Tables as data; skipped where pandas, polars and pyarrow are not installed. What was fetched is put back and compared."""

import json
import os
import random

from beep_python import _wire

from .data import EVALUATE, FETCH, PUT, DataTest, needs


class TableTest(DataTest):
    modules = "pandas as pd, pyarrow as pa"

    def setUp(self):
        super().setUp()
        self.evaluate("import sys, %s" % self.modules)

    def there_and_back(self, code, **body):
        """What is told of the table; in the worker it is `x`."""
        about, data = self.fetch(code, **body)
        self.assertEqual((about["kind"], about["format"], about["byteLength"]), ("table", "arrow-stream", len(data)))
        self.put(data, format="arrow-stream")
        return about

    def says(self, part, code, **body):
        before = self.open_descriptors()
        told, detail = self.fetch_refused(code, **body)
        self.assertEqual(told, "not_representable")
        self.assertIn(part, detail)
        self.assertEqual(self.open_descriptors(), before)


@needs("pandas", "pyarrow")
class Pandas(TableTest):
    def test_columns(self):
        self.evaluate("d = pd.DataFrame({'a': [1, 2], 'b': [1.5, None], 'c': ['x', None], 'd': pd.to_datetime(['2020', None]), 'e': pd.Categorical(['u', 'v'])})")
        about = self.there_and_back("d")
        self.assertEqual(about["shape"], [2, 5])
        self.assertEqual(self.evaluate("[type(x) is pa.Table, x.column_names]"), [True, list("abcde")])
        self.assertTrue(self.evaluate("pd.testing.assert_frame_equal(x.to_pandas(), d) is None"))
        self.assertEqual(self.fetch("d", formats=["any"])[0]["format"], "arrow-stream")
        self.assertEqual(self.fetch("d[['a']]", format="json")[1], b'[{"a":1},{"a":2}]')
        self.assertIn("arrow-stream, json", self.fetch_refused("d[['a']]", format="npy")[1])

    def test_an_index_is_kept(self):
        for code, names in (
            ("pd.DataFrame({'a': [1, 2]})", ["a"]),
            ("pd.DataFrame({'a': [1, 2]}, index=[5, 7])", ["a", "__index_level_0__"]),
            ("pd.DataFrame({'a': [1, 2]}, index=pd.Index(['u', 'v'], name='i'))", ["a", "i"]),
            ("pd.DataFrame({'a': [1, 2, 3]})[1:]", ["a", "__index_level_0__"]),
            ("pd.DataFrame()", []),
        ):
            with self.subTest(code=code):
                self.there_and_back(code)
                self.assertEqual(self.evaluate("x.column_names"), names)

    def test_slices_of_a_large_one(self):
        self.evaluate("import numpy as np, beep_python._table_sources as t\nt.SLICED = 1000\nd = pd.DataFrame({'a': np.arange(200_000), 's': [None] * 199_999 + ['x']})\nNone")
        for code in ("d", "d.set_index('a')", "d.rename(index={0: -1})"):
            with self.subTest(code=code):
                self.there_and_back(code)
                self.assertEqual(self.evaluate("[x.num_rows, len(x.to_batches()), x.column('s').to_pylist()[-1]]"), [200_000, 4, "x"])
        self.assertTrue(self.evaluate("x.to_pandas().index[0] == -1"))

    def test_columns_that_arrow_does_not_have(self):
        for part, code in (
            ("two columns with the name 'a'", "pd.DataFrame([[1, 2]], columns=['a', 'a'])"),
            ("two columns with the name '1'", "pd.DataFrame([[1, 2]], columns=[1, '1'])"),
            ("column 'z' is complex", "pd.DataFrame({'a': [1], 'z': [1j]})"),
            ("column 'm'", "pd.DataFrame({'a': [1, 2], 'm': [1, 'x']})"),
            ("column 'o'", "pd.DataFrame({'o': [object()]})"),
        ):
            with self.subTest(code=code):
                self.says(part, code)
        self.evaluate("import beep_python._table_sources as t\nt.SLICED = 0\nNone")
        self.says("column 'm'", "pd.DataFrame({'m': [1, 'x']})")

    def test_series(self):
        self.there_and_back("pd.Series(['a', 'b'], name='s')", kind="table")
        self.assertEqual(self.evaluate("x.column('s').to_pylist()"), ["a", "b"])

    def test_return_types(self):
        about, data = self.host.take(EVALUATE, expression="pd.DataFrame({'a': [1]})", returnType="table")
        self.assertEqual((about["shape"], about["byteLength"]), ([1, 1], len(data)))
        told = json.loads(self.ask("pd.DataFrame({'a': [1]})", "table", 0)[1])
        self.assertEqual(told["data"], {"kind": "table", "shape": [1, 1], "format": "arrow-stream"})

    def test_limits(self):
        self.set_limits(dataBytes=100_000)
        before = self.open_descriptors()
        self.evaluate("d = pd.DataFrame({'a': range(100_000)})\ns = pd.DataFrame({'a': ['x' * 100] * 10_000})\nNone")
        for code in ("d", "s", "pa.table({'a': range(100_000)})"):
            self.assertEqual(self.fetch_refused(code)[0], "too_much_data")
        self.assertEqual(self.open_descriptors(), before)

    def test_without_pyarrow(self):
        self.evaluate("d = pd.DataFrame({'a': [1, 2], 's': ['x', None]}, index=[3, 4])\nNone")
        self.without("pyarrow", "polars", "nanoarrow", "nanoarrow.ipc")
        self.says("install pyarrow", "d")
        self.assertIn("install pyarrow", self.put_refused(b"abc", format="arrow-stream"))

    @needs("polars")
    def test_with_polars_alone(self):
        self.evaluate("d = pd.DataFrame({'a': [1, 2], 's': ['x', None]}, index=[3, 4], dtype=object).astype({'a': 'i8'})\nimport polars\ne = d[['a']].reset_index(drop=True)\nNone")
        self.without("pyarrow")
        self.there_and_back("d")
        self.assertEqual(self.evaluate("x.to_dict(as_series=False)"), {"__index_level_0__": [3, 4], "a": [1, 2], "s": ["x", None]})
        self.says("column 'm'", "pd.DataFrame({'m': [1, 'x']})")
        self.put(self.fetch("e")[1], format="arrow-stream")
        self.assertEqual(self.evaluate("x.columns"), ["a"])


@needs("pandas", "pyarrow")
class Pyarrow(TableTest):
    def test_every_kind(self):
        self.evaluate(
            "t = pa.table({'a': [1, 2]})\nclass S:\n    def __arrow_c_stream__(self, requested_schema=None): return t.__arrow_c_stream__(requested_schema)\n"
            "class A:\n    def __arrow_c_array__(self, requested_schema=None): return t.to_batches()[0].__arrow_c_array__(requested_schema)\nNone"
        )
        for code in ("t", "t.to_batches()[0]", "t.to_reader()", "S()", "A()", "pa.table({'a': pa.chunked_array([[1], [2]])})"):
            with self.subTest(code=code):
                self.there_and_back(code)
                self.assertEqual(self.evaluate("x.to_pydict()"), {"a": [1, 2]})
        self.says("two columns", "pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=['a', 'a'])")

    def test_what_is_no_stream(self):
        before = self.open_descriptors()
        for data in (b"", b"abc", b"\xff" * 100, self.fetch("pa.table({'a': [1]})")[1][:-40]):
            kind, answer = self.send(PUT, {"name": "y"}, (data, {"format": "arrow-stream"}))
            self.assertEqual((kind, json.loads(answer)["code"]) if kind != _wire.OBJECT else len(data), (_wire.REJECTED, "invalid_request"), data)
        text = bytearray(self.fetch("pa.table({'a': ['abc', 'def']})")[1])
        at = bytes(text).rindex(b"abcdef")
        text[at : at + 3] = b"\xff\xff\xff"
        self.assertIn("UTF8", self.put_refused(bytes(text), format="arrow-stream").upper().replace("-", ""))
        self.assertEqual(self.open_descriptors(), before)

    def test_streams_that_were_damaged(self):
        """Whatever a bit says that it should not, the worker lives, and the session goes on."""
        code = "pa.table({'n': list(range(50)), 's': ['x' * (i % 7) for i in range(50)], 'l': [[i, None] for i in range(50)]})"
        data = self.fetch(code)[1]
        generator = random.Random(20261130)
        for _ in range(400):
            damaged = bytearray(data)
            for _ in range(generator.choice((1, 1, 2, 8))):
                damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
            damaged = damaged[: generator.choice((len(data), generator.randrange(len(data))))]
            body = {"name": "x"}
            kind, answer = self.send(PUT, body, (bytes(damaged), {"format": "arrow-stream"}))
            self.assertIn(kind, (_wire.OBJECT, _wire.REJECTED), answer)
            if kind == _wire.OBJECT:
                self.evaluate("x.to_pydict() and None")
        self.put(data, format="arrow-stream")
        self.assertEqual(self.evaluate("x.num_rows"), 50)

    def test_it_lives_in_the_memory_that_came(self):
        self.there_and_back("pa.table({'a': list(range(100_000))})")
        self.assertGreater(self.evaluate("from beep_python import _memory\nsum(_memory.MEMORY.sizes())"), 800_000)
        self.assertLess(self.evaluate("pa.total_allocated_bytes()"), 800_000 * 2)
        self.evaluate("x = None")
        self.assertEqual(self.evaluate("sum(_memory.MEMORY.sizes())"), 0)

    def test_one_that_begins_anywhere(self):
        data = self.fetch("pa.table({'a': [1.5, 2]})")[1]
        for before in (3, 8, 4096):
            self.put(b"." * before + data, format="arrow-stream", offset=before, byteLength=len(data))
            self.assertEqual(self.evaluate("x.to_pydict()"), {"a": [1.5, 2]})

    def test_as_an_argument(self):
        data = self.fetch("pa.table({'a': [1, 2]})")[1]
        body = {"expression": "t.num_rows", "locals": {"t": {"$data": 0}}}
        self.assertEqual(self.send(EVALUATE, body, (data, {"format": "arrow-stream"})), (_wire.VALUE, b"2"))


@needs("polars", "pyarrow")
class Polars(TableTest):
    modules = "polars as pl, pyarrow as pa"

    def test_frames(self):
        about = self.there_and_back("pl.DataFrame({'a': [1, 2], 's': ['x', None]})")
        self.assertEqual(about["shape"], [2, 2])
        self.assertEqual(self.evaluate("[x.to_pydict(), str(x.schema.field('s').type)]"), [{"a": [1, 2], "s": ["x", None]}, "large_string"])
        self.there_and_back("pl.Series('s', ['x'])", kind="table")
        self.assertEqual(self.evaluate("x.to_pydict()"), {"s": ["x"]})
        self.says("column 'o'", "pl.DataFrame({'o': [object()]})")
        self.evaluate("big = pl.DataFrame({'a': range(1_000_000)})\nNone")
        self.there_and_back("big")
        self.assertEqual(self.evaluate("x.num_rows"), 1_000_000)

    def test_limits(self):
        self.set_limits(dataBytes=100_000)
        self.assertEqual(self.fetch_refused("pl.DataFrame({'a': range(100_000)})")[0], "too_much_data")

    def test_read_where_pyarrow_is_missing(self):
        data = self.fetch("pl.DataFrame({'a': [1, 2]})")[1]
        self.without("pyarrow")
        self.put(data, format="arrow-stream")
        self.assertEqual(self.evaluate("[type(x) is pl.DataFrame, x['a'].to_list()]"), [True, [1, 2]])
        self.assertIn("no Arrow stream", self.put_refused(b"abc", format="arrow-stream"))


@needs("nanoarrow", "pyarrow")
class Nanoarrow(TableTest):
    modules = "pyarrow as pa, nanoarrow"

    def test_alone(self):
        self.evaluate("t = pa.table({'a': [1, 2]})\nclass S:\n    def __arrow_c_stream__(self, requested_schema=None): return t.__arrow_c_stream__(requested_schema)\nNone")
        self.without("pyarrow", "polars")
        data = self.fetch("S()")[1]
        self.put(data, format="arrow-stream")
        self.assertEqual(self.evaluate("[type(x).__name__, len(x)]"), ["Array", 2])
