import array
import math
import struct
import unittest

from beep_python._arrays import one_row, rows
from beep_python._wire import Rejected

try:
    import numpy
except ImportError:
    numpy = None
try:
    import pandas
except ImportError:
    pandas = None


def floats(data):
    data = bytes(data)
    return list(struct.unpack("<%df" % (len(data) // 4), data))


def lists(data):
    count = struct.unpack_from("<I", data)[0]
    lengths = struct.unpack_from("<%dI" % count, data, 4)
    values = iter(floats(data[4 + 4 * count :]))
    out = [[next(values) for _ in range(length)] for length in lengths]
    assert next(values, None) is None
    return out


class Rows(unittest.TestCase):
    def test_one_row(self):
        for obj in (
            *([1, 2.5], (1, 2.5), array.array("d", [1, 2.5]), memoryview(array.array("f", [1, 2.5]))),
            *(iter([1, 2.5]), {1: "a", 2.5: "b"}.keys()),
        ):
            with self.subTest(obj=obj):
                self.assertEqual(floats(one_row(obj)), [1, 2.5])
        self.assertEqual(floats(one_row(range(3))), [0, 1, 2])
        self.assertEqual(floats(one_row([True, -0.0])), [1, 0])
        self.assertEqual(floats(one_row([])), [])
        every_second = memoryview(array.array("f", [1, 9, 2.5, 9]))[::2]
        self.assertEqual(floats(one_row(every_second)), [1, 2.5])
        for code in "bBhHiIlLqQfd":
            self.assertEqual(floats(one_row(array.array(code, [3, 4]))), [3, 4], code)
        self.assertEqual(floats(one_row(memoryview(b"12"))), [49, 50])

    def test_what_32_bits_cannot_hold(self):
        got = floats(one_row([math.nan, math.inf, -math.inf, 1e300, 0.1]))
        self.assertTrue(math.isnan(got[0]))
        self.assertEqual(got[1:4], [math.inf, -math.inf, math.inf])
        self.assertAlmostEqual(got[4], 0.1, 7)

    def test_what_is_no_row(self):
        for obj in (5, None, "12", b"12", bytearray(b"1"), {1: 2}, {1}, ["1"], [[1], "1"], [1j], [len], [10**400], len):
            with self.subTest(obj=obj), self.assertRaises(Rejected) as caught:
                one_row(obj)
            self.assertEqual(caught.exception.code, "not_representable")

    def test_nested_lists_are_flattened(self):
        for obj in ([[1, 2], [3]], ((1,), [2, (3,)]), [array.array("f", (1, 2)), [3]], [range(1, 4)]):
            with self.subTest(obj=obj):
                self.assertEqual(floats(one_row(obj)), [1, 2, 3])
        self.assertTrue(math.isnan(floats(one_row([1, None]))[1]))

    def test_rows(self):
        self.assertEqual(lists(rows([[1, 2], [3, 4]])), [[1, 2], [3, 4]])
        self.assertEqual(lists(rows(([1], (), array.array("f", [2, 3])))), [[1], [], [2, 3]])
        self.assertEqual(lists(rows([])), [])
        self.assertEqual(lists(rows(memoryview(bytes(range(6))).cast("B", (2, 3)))), [[0, 1, 2], [3, 4, 5]])

    def test_what_are_no_rows(self):
        for obj in ([1, 2], 5, "ab", [["a"]], [[[1]]], ["ab"], [b"ab"]):
            with self.subTest(obj=obj), self.assertRaises(Rejected):
                rows(obj)

    def test_other_dimensions_are_refused_with_the_shape(self):
        for obj, shape in (([1, 2], "(2,)"), ([[[1, 2]], [[3, 4]]], "(2, 1, 2)"), ([[1, 2], [3, [4]]], "(2, 2)")):
            with self.subTest(obj=obj), self.assertRaises(Rejected) as caught:
                rows(obj)
            self.assertIn(shape, caught.exception.detail)

    def test_what_an_iteration_raises_is_raised(self):
        with self.assertRaises(ZeroDivisionError):
            one_row(1 / n for n in (1, 0))


@unittest.skipIf(numpy is None, "numpy is not installed")
class Numpy(unittest.TestCase):
    def test_one_row(self):
        square = numpy.arange(6).reshape(2, 3)
        self.assertEqual(floats(one_row(square)), [0, 1, 2, 3, 4, 5])
        self.assertEqual(floats(one_row(square.T)), [0, 3, 1, 4, 2, 5])
        self.assertEqual(floats(one_row(square[:, ::2])), [0, 2, 3, 5])
        self.assertEqual(floats(one_row(numpy.array([]))), [])
        self.assertEqual(floats(one_row(numpy.float32(2.5))), [2.5])

    def test_types(self):
        for kind in ("bool", "int8", "uint64", "float16", "float64", ">f4", "<f4", "object"):
            with self.subTest(kind=kind):
                self.assertEqual(floats(one_row(numpy.array([0, 1], dtype=kind))), [0, 1])
        self.assertEqual(floats(one_row(numpy.array([1e300]))), [math.inf])
        for obj in (numpy.array(["a"]), numpy.array([1j]), numpy.array([object()]), numpy.array([1], "datetime64[s]")):
            with self.subTest(obj=obj), self.assertRaises(Rejected):
                one_row(obj)

    def test_rows(self):
        self.assertEqual(lists(rows(numpy.arange(6).reshape(2, 3))), [[0, 1, 2], [3, 4, 5]])
        self.assertEqual(lists(rows(numpy.zeros((2, 0)))), [[], []])
        self.assertEqual(lists(rows([numpy.array([1.5]), [2]])), [[1.5], [2]])
        for obj in (numpy.arange(3), numpy.zeros((1, 2, 3))):
            with self.assertRaises(Rejected):
                rows(obj)

    def test_lists_of_arrays(self):
        square = numpy.arange(4).reshape(2, 2)
        self.assertEqual(floats(one_row([square, [4, numpy.int64(5)]])), [0, 1, 2, 3, 4, 5])
        with self.assertRaises(Rejected) as caught:
            rows([square, square])
        self.assertIn("(2, 2, 2)", caught.exception.detail)

    def test_masked_values_are_nan(self):
        for kind in ("f4", "i8", "bool"):
            got = floats(one_row(numpy.ma.array([1, 0], mask=[False, True], dtype=kind)))
            self.assertEqual(got[0], 1)
            self.assertTrue(math.isnan(got[1]))
        self.assertTrue(math.isnan(floats(one_row([1, numpy.ma.masked]))[1]))

    def test_text_is_not_parsed(self):
        for obj in (numpy.array(["1.5"], dtype=object), numpy.array([1, "x"], dtype=object)):
            with self.assertRaises(Rejected):
                one_row(obj)

    def test_tensors(self):
        class Tensor:
            def __init__(self, said=""):
                self.said = said

            def __getattr__(self, name):
                if name not in ("detach", "cpu", "float"):
                    raise AttributeError(name)
                return lambda: Tensor(self.said + name + " ")

            def __array__(self, dtype=None, copy=None):
                assert self.said == "detach cpu float ", self.said
                return numpy.array([1.5])

        self.assertEqual(floats(one_row(Tensor())), [1.5])


@unittest.skipIf(pandas is None, "pandas is not installed")
class Pandas(unittest.TestCase):
    def test_missing_values_are_nan(self):
        for obj in (
            pandas.Series([1, None]),
            pandas.Series([1, None], dtype="Int64"),
            pandas.array([True, None], dtype="boolean"),
            pandas.Series([1, None], dtype=object),
            [1, pandas.NA],
        ):
            with self.subTest(obj=obj):
                got = floats(one_row(obj))
                self.assertEqual(got[0], 1)
                self.assertTrue(math.isnan(got[1]))
        frame = pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64"), "b": [0.5, 1.5]})
        first, second = lists(rows(frame))
        self.assertEqual((first, second[1]), ([1, 0.5], 1.5))
        self.assertTrue(math.isnan(second[0]))

    def test_moments_and_text_are_refused(self):
        moments = pandas.to_datetime(["2026-01-01"])
        for obj in (moments, pandas.Series(moments), pandas.DataFrame({"a": [1.5], "b": moments}), pandas.Series(["1.5"])):
            with self.subTest(obj=obj), self.assertRaises(Rejected):
                one_row(obj)
