"""Objects as rows of 32-bit floats. Uses numpy for numpy's own objects, and never imports it."""

import array
import struct
import sys

from ._builtins import own as __builtins__
from ._wire import Rejected

_NUMBERS = frozenset("fdbBhHiIlLqQ")
_BIG_ENDIAN = sys.byteorder == "big"


def one_row(obj):
    """Little-endian float32 bytes; elements of a multi-dimensional array come in C order."""
    numpy = _numpy_array(obj)
    if numpy is not None:
        return _bytes_of(numpy)
    return _row(obj)


def rows(obj):
    """u32 count, u32 length of each row, then the floats of all."""
    numpy = _numpy_array(obj)
    if numpy is not None:
        if numpy.ndim != 2:
            raise Rejected(
                "not_representable", "the array has %d dimensions; two are needed to read it as rows" % numpy.ndim
            )
        count, width = numpy.shape
        head = struct.pack("<I", count) + struct.pack("<I", width) * count
        return head + bytes(_bytes_of(numpy))
    parts = [bytes(one_row(row)) for row in _items(obj)]
    return b"".join((struct.pack("<%dI" % (len(parts) + 1), len(parts), *(len(part) // 4 for part in parts)), *parts))


def _numpy_array(obj):
    """The object as a numpy array, if it is one or converts to one."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return None
    if isinstance(obj, numpy.ndarray):
        return obj
    if hasattr(obj, "detach") and hasattr(obj, "cpu"):  # a tensor, possibly with a gradient or on a device
        obj = obj.detach().cpu().float()  # numpy lacks some of its types
    if hasattr(obj, "__array__") or hasattr(obj, "__array_interface__"):
        return numpy.asarray(obj)
    return None


def _bytes_of(numpy_array):
    numpy = sys.modules["numpy"]
    kind = numpy_array.dtype
    try:
        if kind.kind not in "biufOV":  # a complex number would lose its imaginary part, text would be parsed
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
    try:
        floats = array.array("f", _items(obj) if numbers is None else numbers)
    except TypeError as error:
        raise Rejected("not_representable", "a %s cannot be read as floats: %s" % (type(obj).__name__, error)) from None
    except OverflowError as error:
        raise Rejected("not_representable", "an element is too large for a float: %s" % error) from None
    if _BIG_ENDIAN:
        floats.byteswap()
    return floats.tobytes()


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
