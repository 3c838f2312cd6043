"""Arrays of numpy, pandas, polars, pyarrow and torch as data; skipped where they are not installed."""

import io
import json

from beep_python import _wire

from .data import PUT, DataTest, memfd, needs
from .host import EVALUATE

try:
    import numpy
except ImportError:
    numpy = None


class ArrayTest(DataTest):
    modules = "numpy as np"

    def setUp(self):
        super().setUp()
        self.evaluate("import sys, %s" % self.modules)

    def items(self, code, **body):
        """The array, as the client reads it from raw and from npy."""
        about, data = self.fetch(code, **body)
        raw = numpy.frombuffer(data, about["dtype"]).reshape(about["shape"])
        about, data = self.fetch(code, format="npy", **body)
        self.assertEqual(about["byteLength"], len(data))
        npy = numpy.load(io.BytesIO(data))
        self.assertEqual((raw.dtype, raw.shape, repr(raw.tolist())), (npy.dtype, npy.shape, repr(npy.tolist())))
        return raw

    def says(self, part, code, **body):
        told, detail = self.fetch_refused(code, **body)
        self.assertEqual(told, "not_representable")
        self.assertIn(part, detail)


@needs("numpy")
class Numpy(ArrayTest):
    def test_every_dtype(self):
        for dtype in ("?", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "c8", "c16", "M8[ns]", "m8[s]", "U3", "S5", "V3"):
            with self.subTest(dtype=dtype):
                items = self.items("np.arange(6).astype('u1').astype(%r).reshape(2, 3)" % dtype if dtype != "V3" else "np.zeros((2, 3), 'V3')")
                self.assertEqual((items.dtype, items.shape), (numpy.dtype(dtype), (2, 3)))

    def test_what_is_not_contiguous_or_of_the_other_order(self):
        self.evaluate("a = np.arange(12).reshape(3, 4)\nbig = np.asfortranarray(np.arange(4_000_000.0).reshape(2_000, 2_000))\nNone")
        for code in ("a.T", "a[:, ::2]", "a[::-1]", "np.asfortranarray(a)", "a.astype('>i4')", "np.broadcast_to(np.arange(3), (2, 3))", "np.array(5)", "np.zeros((0, 3))"):
            with self.subTest(code=code):
                items = self.items(code)
                self.assertEqual(items.tolist(), self.evaluate("(%s).tolist()" % code))
                self.assertTrue(items.dtype.isnative)
        items = self.items("big")
        self.assertEqual((items[0].tolist(), items[-1, -1]), ([float(n) for n in range(2000)], 3_999_999))

    def test_subclasses(self):
        self.assertEqual(self.items("np.matrix([[1, 2]])").shape, (1, 2))
        self.assertEqual(self.items("np.ma.array([1.5, 2], mask=[True, False])").tolist()[1], 2)
        self.assertTrue(numpy.isnan(self.items("np.ma.array([1.5, 2], mask=[True, False])")[0]))
        self.assertEqual(self.items("np.ma.array([1, 2])").tolist(), [1, 2])
        self.says("masked", "np.ma.array([1, 2], mask=[True, False])")
        self.says("masked", "np.ma.array([(1, 2)], mask=[(False, True)], dtype='i4,i4')", format="npy")

    def test_structured(self):
        code = "np.array([(1, 2.5)], dtype=[('a', '>i4'), ('b', '<f8')])"
        self.says("ask for format npy", code)
        self.assertIn("npy, json", self.fetch_refused(code, formats=["raw"])[1])
        about, data = self.fetch(code, formats=["any"])
        self.assertEqual(about["dtype"], "|V12")
        read = numpy.load(io.BytesIO(data))
        self.assertEqual((read.dtype, read.tolist()), (numpy.dtype([("a", "<i4"), ("b", "<f8")]), [(1, 2.5)]))
        aligned = "np.zeros(2, np.dtype([('a', 'u1'), ('b', 'f8')], align=True))"
        self.assertEqual(numpy.load(io.BytesIO(self.fetch(aligned, format="npy")[1])).tolist(), [(0, 0)] * 2)

    def test_objects(self):
        self.says("Python objects", "np.array([1, None])")
        self.says("Python objects", "np.zeros(2, dtype=[('a', 'O')])", format="npy")
        self.assertEqual(self.fetch("np.array([1, None])", formats=["npy", "json"])[1], b"[1,null]")

    def test_interfaces(self):
        self.evaluate(
            "class A:\n    __array_interface__ = property(lambda self: keep.__array_interface__)\n"
            "class D:\n    def __dlpack__(self, **more): return keep.__dlpack__(**more)\n    def __dlpack_device__(self): return keep.__dlpack_device__()\n"
            "keep = np.arange(3.0)\nNone"
        )
        for code in ("A()", "D()", "memoryview(keep)"):
            with self.subTest(code=code):
                self.fetch(code)
        self.assertEqual(self.items("A()").tolist(), [0, 1, 2])
        self.assertEqual(self.items("D()").tolist(), [0, 1, 2])
        self.assertEqual(self.items("memoryview(np.arange(3, dtype='c8'))").tolist(), [0, 1, 2])
        self.assertEqual(self.items("memoryview(np.arange(3, dtype='>i4'))").tolist(), [0, 1, 2])

    def test_nothing_is_imported_for_what_needs_no_numpy(self):
        from .host import Host

        code = "import sys\nfor name in [n for n in sys.modules if n.split('.')[0] in ('numpy', 'pandas', 'pyarrow')]: del sys.modules[name]"
        self.host.end()
        self.host = Host()
        self.evaluate(code)
        self.fetch("import array\narray.array('d', [1])")
        self.fetch("memoryview(b'1234').cast('h')")
        self.assertFalse(self.evaluate("'numpy' in sys.modules"))

    def test_put(self):
        array = numpy.arange(6.0).reshape(2, 3)
        told = self.put(array.tobytes(), dtype="<f8", shape=[2, 3])
        self.assertEqual((told["typeName"], told["shape"], told["dtype"]), ("ndarray", [2, 3], "float64"))
        self.assertEqual(self.evaluate("x[0, 0] = 9\n[type(x) is np.ndarray, x.flags.writeable, x.tolist()]"), [True, True, [[9, 1, 2], [3, 4, 5]]])
        self.assertEqual(self.items("x")[0, 0], 9)
        for made in (array, numpy.asfortranarray(array), array.astype(">i2"), numpy.zeros((0, 3)), numpy.array(5), numpy.array(["ab", "c"]),
                     numpy.array(["2020-01-01"], "M8[ns]"), numpy.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", "<f8")])):
            with self.subTest(made=made):
                file = io.BytesIO()
                numpy.save(file, made)
                self.put(b"..." + file.getvalue(), format="npy", offset=3, byteLength=len(file.getvalue()))
                self.assertEqual(self.evaluate("[x.dtype.str, list(x.shape), str(x.tolist())]"), [made.dtype.str, list(made.shape), str(made.tolist())])
        self.put(b"\0" * 12, dtype="<U3")
        self.assertIn("cannot be an array", self.put_refused(b"", dtype="<f8", shape=[0] * 100))
        self.assertIn("cannot be", self.put_refused(b"", dtype="<f8", shape=[0, 10**30]))
        file = io.BytesIO()
        numpy.save(file, numpy.array([None]), allow_pickle=True)
        self.assertIn("never unpickled", self.put_refused(file.getvalue(), format="npy"))
        bad = numpy.lib.format.magic(1, 0) + b"\x76\0" + b"{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n" + b"\0" * 8
        self.assertIn("never unpickled", self.put_refused(bad, format="npy"))

    def test_return_types(self):
        about, data = self.host.take(EVALUATE, expression="np.arange(3.0)", returnType="array")
        self.assertEqual((about["dtype"], about["shape"], len(data)), ("<f8", [3], 24))
        for code, dtype in (("np.float64(1)", "<f8"), ("np.datetime64('2020')", "<M8[Y]"), ("np.str_('ab')", "<U2")):
            about = self.host.take(EVALUATE, expression=code, returnType="array")[0]
            self.assertEqual((about["dtype"], about["shape"]), (dtype, []))
        kind, body = self.ask("np.zeros((1000, 1000))", "array", 0)
        self.assertEqual((kind, json.loads(body)["data"]["byteLength"]), (_wire.HANDLE, 8_000_000))
        for code, hint, part in (("np.arange(3)", "table", "ask for array"), ("np.arange(3)", "bytes", ".tobytes()")):
            told = json.loads(self.ask(code, hint)[1])
            self.assertEqual(told["code"], "not_representable")
            self.assertIn(part, told["detail"])

    @needs("PIL")
    def test_pictures(self):
        for code in ("np.zeros((4, 5), 'u1')", "np.zeros((4, 5), '?')", "np.zeros((4, 5, 3), 'u1')", "np.zeros((4, 5, 4), 'u1')"):
            self.assertTrue(self.fetch(code, format="png")[1].startswith(b"\x89PNG"), code)
        self.assertIn("raw, npy, json", self.fetch_refused("np.zeros((4, 5))", format="png")[1])
        self.assertEqual(self.fetch("np.zeros((4, 5))", formats=["png", "raw"])[0]["format"], "raw")
        self.evaluate("import PIL.Image\nimage = PIL.Image.new('RGB', (4, 5))\nNone")
        self.assertTrue(self.fetch("image", format="png")[1].startswith(b"\x89PNG"))
        self.assertEqual(self.items("image").shape, (5, 4, 3))
        self.without("PIL", "PIL.Image")
        self.assertIn("install Pillow", self.fetch_refused("np.zeros((4, 5), 'u1')", format="png")[1])

    @needs("ml_dtypes")
    def test_bfloat16(self):
        self.evaluate("import ml_dtypes\na = np.array([1, -2], ml_dtypes.bfloat16)\nNone")
        about, data = self.fetch("a")
        self.assertEqual((about["dtype"], about["byteLength"], data), ("bfloat16", 4, b"\x80\x3f\x00\xc0"))
        self.assertEqual(self.fetch("a", formats=["any"])[0]["format"], "raw")
        self.assertIn("raw", self.fetch_refused("a", format="npy")[1])
        self.put(data, dtype="bfloat16", shape=[2, 1])
        self.assertEqual(self.evaluate("[str(x.dtype), x.astype('f4').tolist()]"), ["bfloat16", [[1.0], [-2.0]]])
        self.says("float8", "np.zeros(2, ml_dtypes.float8_e5m2)")


@needs("numpy", "pandas")
class Pandas(ArrayTest):
    modules = "numpy as np, pandas as pd"

    def test_columns(self):
        for code, items in (
            ("pd.Series([1, 2])", [1, 2]),
            ("pd.Series([1, 2], dtype='Int64')", [1, 2]),
            ("pd.Series([True, False], dtype='boolean')", [True, False]),
            ("pd.Index([1.5, 2])", [1.5, 2]),
            ("pd.array([1, 2], dtype='Float32')", [1, 2]),
            ("pd.RangeIndex(3)", [0, 1, 2]),
            ("pd.Series(pd.arrays.SparseArray([0.0, 1.0]))", [0, 1]),
        ):
            with self.subTest(code=code):
                self.assertEqual(self.items(code).tolist(), items)
        for code in ("pd.Series([1, None], dtype='Int64')", "pd.Series([1, None])"):
            items = self.items(code)
            self.assertEqual((items.dtype, items[0]), ("f8", 1))
            self.assertTrue(numpy.isnan(items[1]))

    def test_moments(self):
        for code in ("pd.Series(pd.to_datetime(['2020-01-01T12:00+02:00']))", "pd.to_datetime(['2020-01-01T12:00+02:00'])"):
            self.assertEqual(self.items(code), numpy.array(["2020-01-01T10:00"], "M8[ns]"))
            self.assertEqual(self.items(code).dtype, "M8[%s]" % self.evaluate("(%s).dtype.unit" % code))
        self.assertEqual(self.items("pd.Series([pd.Timedelta('1s')])").dtype.kind, "m")

    def test_what_is_no_array(self):
        for code in ("pd.Series(['a'])", "pd.Series(['a'], dtype='category')", "pd.Series([{}])", "pd.Series(pd.period_range('2020', periods=2))", "pd.Series(['a'], dtype='string')"):
            self.says("ask for json or table", code)
        self.says("MultiIndex", "pd.MultiIndex.from_tuples([(1, 2)])")
        told = json.loads(self.ask("pd.DataFrame({'a': [1]})", "array")[1])
        self.assertIn("ask for table", told["detail"])


@needs("numpy", "polars", "pyarrow")
class Others(ArrayTest):
    modules = "numpy as np, polars as pl, pyarrow as pa"

    def test_polars(self):
        self.assertEqual(self.items("pl.Series([1, 2])").tolist(), [1, 2])
        self.assertEqual(self.items("pl.Series([1, None])").dtype, "f8")
        self.assertEqual(self.items("pl.Series([True, None])").tolist()[0], 1)
        self.says("ask for json or table", "pl.Series(['a'])")

    def test_pyarrow(self):
        self.assertEqual(self.items("pa.array([1, 2])").tolist(), [1, 2])
        self.assertEqual(self.items("pa.chunked_array([[1], [2]])").tolist(), [1, 2])
        self.says("ask for json", "pa.array(['a'])")


@needs("numpy", "torch")
class Torch(ArrayTest):
    modules = "numpy as np, torch"

    def test_tensors(self):
        self.assertEqual(self.items("torch.arange(6.0).reshape(2, 3)").tolist(), [[0, 1, 2], [3, 4, 5]])
        self.assertEqual(self.items("torch.ones(2, requires_grad=True)").tolist(), [1, 1])
        self.assertEqual(self.items("torch.tensor([1 + 2j]).conj()").tolist(), [1 - 2j])
        self.assertEqual(self.items("torch.arange(6).reshape(2, 3).T").tolist(), [[0, 3], [1, 4], [2, 5]])
        self.says("to_dense", "torch.eye(2).to_sparse()")
        self.says("dequantize", "torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)")
        about, data = self.fetch("torch.tensor([1, -2], dtype=torch.bfloat16)")
        self.assertEqual((about["dtype"], data), ("bfloat16", b"\x80\x3f\x00\xc0"))
        self.without("ml_dtypes")
        self.put(data, dtype="bfloat16", shape=[2, 1])
        self.assertEqual(self.evaluate("[str(x.dtype), x.tolist()]"), ["torch.bfloat16", [[1.0], [-2.0]]])

    def test_a_tensor_over_shared_memory(self):
        self.evaluate("import beep_python\nx = torch.from_numpy(beep_python.shared_array(10, 'f4'))\nNone")
        self.assertEqual(self.live("x[2:]")[0]["offset"], 8)
