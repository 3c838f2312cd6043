"""Arrays of every library as their bytes in C order, little-endian. Nothing is pickled, and numpy is imported only for what
needs it.

An object is recognised by its type among the modules that are loaded; protocols are looked for on the type.
"""

import sys

from . import _dtypes, _npy
from ._builtins import own as __builtins__
from ._content import Content, Unfit
from ._memory import address_of_view

BLOCK = 8 << 20  # bytes that are made contiguous at once
BIG_ENDIAN = sys.byteorder == "big"
_OBJECTS = "its elements are Python objects; ask for json%s, or convert them first, as by .astype('f8')"
_MISSING_BOOLS = "its dtype is %s and some are missing, which arrays do not have; ask for json or table"
_INEXACT = "some of its integers are missing, and as a float, which has NaN for these, %d would be rounded; ask for table or json"


class ArraySource:
    """An array to be sent. `name` is its dtype's; None of a structured one, which has a `descr` instead."""

    kind = "array"

    def __init__(self, name, shape, size, parts, address, descr=None):
        self.name, self.shape, self.size, self.parts, self.where, self.descr = name, list(shape), size, parts, address, descr

    def forms(self):
        if self.name is None:
            return {"npy": self.npy}
        return {"raw": self.raw} if self.name == "bfloat16" else {"raw": self.raw, "npy": self.npy}

    def default(self):
        return self.raw()

    def best(self):
        """The format that a client gets who takes any."""
        return "raw" if self.name == "bfloat16" else "npy"

    def describe(self):
        return self.npy().descriptor if self.name is None else self.raw().descriptor

    def raw(self):
        if self.name is None:
            raise Unfit("its elements are structured, and raw has no form for them; ask for format npy")
        content = Content("array", "raw", self.size, self.parts(), dtype=self.name, shape=self.shape)
        content.address = self.where
        return content

    def npy(self):
        if self.name == "bfloat16":
            raise Unfit("npy has no bfloat16; ask for format raw, or convert it first, as by .float()")
        header = _npy.header(self.name if self.descr is None else self.descr, self.shape)
        dtype = self.name or "|V%d" % (self.size // max(_dtypes.count_of(self.shape), 1))
        size = len(header) + self.size
        return Content("array", "npy", size, _chained(header, self.parts), dtype=dtype, shape=self.shape)


def _chained(header, parts):
    yield header
    yield from parts()


def of_numpy(array, name=None):
    """`name`: that of its dtype, where numpy itself has another."""
    numpy = sys.modules["numpy"]
    masked = getattr(getattr(numpy, "ma", None), "MaskedArray", ())
    if isinstance(array, masked):
        array = _unmasked(numpy, array)
    array = numpy.asarray(array)
    dtype = array.dtype
    if dtype.hasobject or dtype.kind in "OT":
        raise Unfit(_OBJECTS % "")
    if dtype.isbuiltin == 2:  # of another package, such as ml_dtypes
        if dtype.name != "bfloat16":
            raise Unfit("its dtype %s has no name that others know; convert it first, as by .astype('f4')" % dtype.name)
        name = "bfloat16"
    little = dtype if name == "bfloat16" else dtype.newbyteorder("<")
    if little != dtype:
        dtype = little
    descr = None
    if dtype.names is not None:
        descr = numpy.lib.format.dtype_to_descr(dtype)
    contiguous = array.flags.c_contiguous and dtype is array.dtype
    address = (lambda: array.__array_interface__["data"][0]) if contiguous and array.nbytes else lambda: None
    name = None if descr is not None else name or dtype.str
    return ArraySource(name, array.shape, array.nbytes, lambda: _parts(numpy, array, dtype), address, descr)


def _parts(numpy, array, dtype):
    """Its bytes, in blocks where they must be copied to be contiguous."""
    if not array.size or not dtype.itemsize:
        return
    if array.ndim and array.nbytes > BLOCK and not (array.flags.c_contiguous and dtype is array.dtype):
        step = max(1, BLOCK // (array.nbytes // len(array)))
        for start in range(0, len(array), step):
            yield _bytes_of(numpy, array[start : start + step], dtype)
    else:
        yield _bytes_of(numpy, array, dtype)


def _bytes_of(numpy, array, dtype):
    # memoryview itself refuses some dtypes, such as datetime64
    return memoryview(numpy.ascontiguousarray(array, dtype=dtype).reshape(-1).view("u1"))


def _unmasked(numpy, array):
    if array.dtype.kind in "fc":
        return array.filled(numpy.nan)
    if numpy.ma.getmaskarray(array).any() if array.dtype.names is None else any(array.mask.ravel().view("?")):
        raise Unfit("elements of it are masked, and only floats have NaN for these; ask for json, or use .filled(…)")
    return array.data


def of_interface(value):
    """What has `__array_interface__`."""
    return of_numpy(_numpy("what has __array_interface__").asarray(value))


def of_dlpack(value):
    numpy = _numpy("a DLPack array")
    try:
        return of_numpy(numpy.from_dlpack(value))
    except (BufferError, RuntimeError, TypeError, ValueError):
        if not hasattr(type(value), "__array__"):
            raise
        return of_numpy(numpy.asarray(value))


def _numpy(what):
    numpy = _dtypes.numpy_module()
    if numpy is None:
        raise Unfit("%s is read by numpy, which is not installed in this environment; install numpy" % what)
    return numpy


def of_array(value):
    """An `array.array`."""
    return of_view(memoryview(value))


def of_view(view):
    name = _dtypes.name_of_format(view.format)
    if name is None or (BIG_ENDIAN and view.itemsize > 1):
        numpy = _dtypes.numpy_module()
        if numpy is None:
            raise Unfit("its elements have the format '%s', which only numpy converts; install numpy" % view.format)
        return of_numpy(numpy.asarray(view))
    contiguous = view.c_contiguous

    def parts():
        if view.nbytes:
            yield view.cast("B") if contiguous else view.tobytes()

    address = (lambda: address_of_view(view.cast("B"))) if contiguous and view.nbytes and not view.readonly else lambda: None
    return ArraySource(name, view.shape, view.nbytes, parts, address)


# pandas, polars, pyarrow, torch


def of_column(value):
    """A Series, an Index or an extension array of pandas."""
    numpy, pandas = sys.modules["numpy"], sys.modules["pandas"]
    if isinstance(value, pandas.MultiIndex):
        raise Unfit("a MultiIndex has several columns; ask for json, or evaluate .to_frame() and ask for table")
    dtype = value.dtype
    if isinstance(dtype, numpy.dtype):
        array = numpy.asarray(value)
        if array.dtype.kind == "O":
            raise Unfit(_OBJECTS % " or table")
        return of_numpy(array)
    if isinstance(dtype, pandas.CategoricalDtype) or dtype.kind not in "iufbMm":
        raise Unfit("its dtype is %s, which arrays do not have; ask for json or table" % dtype)
    if isinstance(dtype, getattr(pandas, "SparseDtype", ())):
        return of_numpy(numpy.asarray(value))
    # moments keep their unit: in another they may wrap, and nothing says so
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return of_numpy(numpy.asarray(value, dtype="M8[%s]" % dtype.unit))
    if dtype.kind in "Mm":  # of Arrow
        return of_arrow(getattr(value, "array", value).__arrow_array__())
    if not value.isna().any():
        return of_numpy(value.to_numpy(dtype=dtype.numpy_dtype))
    if dtype.kind == "b":
        raise Unfit(_MISSING_BOOLS % dtype)
    if dtype.kind in "iu":
        _check_exact(numpy, value.dropna().to_numpy(dtype=dtype.numpy_dtype))
    return of_numpy(value.to_numpy(dtype="float64", na_value=float("nan")))


def _check_exact(numpy, ints):
    """Integers become floats where others beside them are missing, since only floats have NaN for these."""
    if ints.dtype.itemsize <= 4:
        return
    floats = ints.astype("f8")
    limit = 2.0 ** (63 if ints.dtype.kind == "i" else 64)
    with numpy.errstate(invalid="ignore"):
        # what was rounded up to the limit is no integer of this type, and may come back as any
        rounded = (floats >= limit) | (floats.astype(ints.dtype) != ints)
    if rounded.any():
        raise Unfit(_INEXACT % ints[rounded][0])


def of_polars(value):
    _numpy("a column of polars")
    polars = sys.modules["polars"]
    if value.dtype == polars.Boolean and value.null_count():
        value = value.cast(polars.Float64)
    array = value.to_numpy()
    if array.dtype.kind == "f":
        ints = value
        while ints.dtype == getattr(polars, "Array", None):
            ints = ints.explode()
        if ints.null_count():
            ints = ints.drop_nulls().to_numpy()
            if ints.dtype.kind in "iu":
                _check_exact(sys.modules["numpy"], ints)
    if array.dtype.kind == "O":
        raise Unfit("its dtype is %s, which arrays do not have; ask for json or table" % value.dtype)
    return of_numpy(array)


def of_arrow(value):
    numpy, types = _numpy("an array of pyarrow"), sys.modules["pyarrow"].types
    array = _of_arrow(value)
    if array.dtype.kind == "f" and not types.is_floating(value.type):  # integers, some of which are missing
        plain = value.cast(value.type.value_type) if types.is_dictionary(value.type) else value
        ints = _of_arrow(plain.drop_null())
        if ints.dtype.kind in "iu":
            _check_exact(numpy, ints)
    if array.dtype.kind == "O":
        raise Unfit("its type is %s, which arrays do not have; ask for json, or put it into a table" % value.type)
    return of_numpy(array)


def _of_arrow(value):
    chunked = isinstance(value, sys.modules["pyarrow"].ChunkedArray)
    return value.to_numpy() if chunked else value.to_numpy(zero_copy_only=False)


def of_tensor(value):
    torch = sys.modules["torch"]
    if value.is_quantized:
        raise Unfit("it is quantised; evaluate .dequantize()")
    if value.layout != torch.strided:
        raise Unfit("it is sparse; evaluate .to_dense()")
    _numpy("a tensor")
    value = value.detach().cpu().resolve_conj().resolve_neg()
    if value.dtype == torch.bfloat16:
        return of_numpy(value.view(torch.int16).numpy(), "bfloat16")
    return of_numpy(value.numpy())
