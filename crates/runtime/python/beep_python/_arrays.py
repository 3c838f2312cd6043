"""Objects as rows of 32-bit floats; what is masked or missing is NaN. Uses numpy for numpy's own objects, and never imports it."""

import array
import collections
import struct
import sys

from . import _classes
from ._builtins import own as __builtins__
from ._wire import Rejected

_NUMBERS = frozenset("fdbBhHiIlLqQ")
_NESTED = (list, tuple, array.array, range, collections.deque)
_NAN = float("nan")
_BIG_ENDIAN = sys.byteorder == "big"


def one_row(obj):
    """Little-endian float32 bytes; of nested lists and of arrays with more dimensions in C order, as numpy's `flatten`."""
    array_ = _numpy_array(obj)
    return _row(obj) if array_ is None else _bytes_of(array_)


def rows(obj):
    """u32 count, u32 length of each row, then the floats of all."""
    array_ = _numpy_array(obj)
    if array_ is not None:
        if array_.ndim != 2:
            raise _not_two(array_.shape)
        count, width = array_.shape
        head = struct.pack("<I", count) + struct.pack("<I", width) * count
        return head + bytes(_bytes_of(array_))
    parts = [_one_of_rows(obj, row) for row in _items(obj)]
    return b"".join((struct.pack("<%dI" % (len(parts) + 1), len(parts), *(len(part) // 4 for part in parts)), *parts))


def _one_of_rows(obj, row):
    array_ = _numpy_array(row)
    if array_ is not None:
        if array_.ndim != 1:
            raise _not_two(_shape(obj))
        return bytes(_bytes_of(array_))
    if isinstance(row, (int, float)):
        raise _not_two(_shape(obj))
    numbers = _numbers_in_place(row)
    items = _items(row) if numbers is None else numbers
    if numbers is None and any([isinstance(item, _NESTED) or getattr(item, "ndim", 0) for item in items]):
        raise _not_two(_shape(obj))
    return bytes(_floats(items))


def _shape(obj):
    """The shape of nested sequences, by their first items."""
    shape = ()
    while len(shape) < 10:
        own = getattr(obj, "shape", None)
        if isinstance(own, tuple):
            return shape + own
        if not isinstance(obj, _NESTED):
            return shape
        shape += (len(obj),)
        if not obj:
            return shape
        obj = obj[0]
    return shape


def _not_two(shape):
    return Rejected(
        "not_representable",
        "it has the shape %s; rows are read from exactly two dimensions: reshape it, or use tofloatarray"
        % (str(tuple(shape)) if shape else "() of a scalar"),
    )


def _numpy_array(obj):
    """The object as a numpy array, if it is one or converts to one."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return None
    if isinstance(obj, numpy.ndarray):
        masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())
        if isinstance(obj, masked) and obj.dtype.kind in "biuf":
            return obj.astype("f8").filled(numpy.nan)  # what is masked is missing, not the data below
        return obj
    if hasattr(obj, "detach") and hasattr(obj, "cpu"):  # a tensor, possibly with a gradient or on a device
        obj = obj.detach().cpu().float()  # numpy lacks some of its types
    if hasattr(obj, "__array__") or hasattr(obj, "__array_interface__"):
        return numpy.asarray(obj)
    return None


def _bytes_of(numpy_array):
    numpy = sys.modules["numpy"]
    kind = numpy_array.dtype
    if kind.kind == "O":  # numpy would parse text, and knows no missing values
        return _floats(_flat(numpy_array.reshape(-1).tolist(), []))
    try:
        if kind.kind not in "biufV":  # a complex number would lose its imaginary part, text would be parsed
            raise TypeError("its elements are no real numbers")
        with numpy.errstate(over="ignore"):  # beyond the range of float32 is infinity, as everywhere
            flat = numpy.ascontiguousarray(numpy_array, dtype="<f4").reshape(-1)
    except (TypeError, ValueError) as error:
        raise Rejected("not_representable", "an array of %s cannot be read as floats: %s" % (kind, error)) from None
    return memoryview(flat.view("u1")) if flat.size else b""


def _row(obj):
    numbers = _numbers_in_place(obj)
    if numbers is not None and numbers.format == "f" and not _BIG_ENDIAN:
        return numbers.tobytes()
    return _floats(_items(obj) if numbers is None else numbers)


def _floats(items):
    try:
        try:
            floats = array.array("f", items)
        except TypeError:
            floats = array.array("f", _flat(items, []))
    except OverflowError as error:
        raise Rejected("not_representable", "an element is too large for a float: %s" % error) from None
    if _BIG_ENDIAN:
        floats.byteswap()
    return floats.tobytes()


def _flat(items, out):
    """The numbers of nested sequences in their order, NaN for what is missing."""
    for item in items:
        if isinstance(item, (int, float)):
            out.append(item)
        elif _classes.is_missing(item):
            out.append(_NAN)
        elif isinstance(item, _NESTED):
            _flat(item, out)
        else:
            array_ = _numpy_array(item)
            if array_ is not None and array_.ndim:
                _flat(array.array("f", bytes(_bytes_of(array_))), out)
            else:
                out.append(_float(item))
    return out


def _float(item):
    try:
        if not isinstance(item, str):  # which float() would parse
            return float(item)
    except (TypeError, ValueError):
        pass
    raise Rejected("not_representable", "a %s cannot be read as a float" % type(item).__name__)


def _numbers_in_place(obj):
    """A view of the object's numbers in memory, row after row, without a list of a million objects."""
    if not isinstance(obj, (array.array, memoryview)):
        return None
    view = memoryview(obj)
    if view.format not in _NUMBERS:
        return None
    return view if view.ndim == 1 else memoryview(view.tobytes()).cast(view.format)


def _items(obj):
    if isinstance(obj, (str, bytes, bytearray, dict, set, frozenset)):
        raise Rejected("not_representable", "a %s is no sequence of numbers" % type(obj).__name__)
    if hasattr(obj, "tolist"):
        obj = obj.tolist()
    try:
        return list(obj)
    except TypeError:
        raise Rejected("not_representable", "a %s is no sequence of numbers" % type(obj).__name__) from None
