"""Element types by their names in numpy's array protocol (`<f8`), and arrays over memory: numpy's where it is installed."""

import re
import struct
import sys
from importlib import import_module
from importlib.util import find_spec

from ._builtins import own as __builtins__

NATIVE = "<" if sys.byteorder == "little" else ">"
NAME = re.compile(r"[<>|=]?(?:[biuf]\d{1,2}|c\d{1,2}|[mM]8(?:\[\d*[a-zA-Z]{1,2}\])?|[SUV]\d{1,9})")
_KINDS = {"?": "b", **dict.fromkeys("bhilqn", "i"), **dict.fromkeys("BHILQN", "u"), **dict.fromkeys("efd", "f")}
_CASTS = {
    **{"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"},
    **{"f2": "e", "f4": "f", "f8": "d"},
}
_NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
# how people write a dtype, for where there is no numpy to read it
_WORDS = {
    **{word: "%s%d" % (word[0], int(word.lstrip("uintfloa")) // 8) for word in _NUMBERS},
    **{"bool": "b1", "float": "f8", "int": "i8", float: "f8", int: "i8", bool: "b1"},
}


def loaded(name):
    """A module that can be imported, or None; whatever keeps it from being imported."""
    try:
        if name not in sys.modules and find_spec(name.partition(".")[0]) is None:  # cheaper than an import that fails
            return None
        return import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def numpy_module():
    numpy = sys.modules.get("numpy") or loaded("numpy")
    return numpy if isinstance(getattr(numpy, "ndarray", None), type) else None


def name_of_format(format):
    """The dtype of a format of the module struct, if it is one number in this machine's order; else None."""
    order, char = (format[:1], format[1:]) if format[:1] in "<>=@!" and format[:1] else ("@", format)
    kind = _KINDS.get(char)
    if kind is None:
        return None
    size = struct.calcsize(order.replace("!", ">") + char)
    if size > 1 and order in "<>!" and (">" if order == "!" else order) != NATIVE:
        return None
    return name(kind, size)


def name(kind, size):
    return ("|" if size == 1 else "<") + "%s%d" % (kind, size)


def format_of(dtype):
    """The native format of a number, and its size; None if Python itself has none."""
    dtype = _WORDS.get(dtype, dtype)
    if type(dtype) is not str or (dtype[:1] in "<>" and dtype[:1] != NATIVE and dtype[-1:] != "1"):
        return None
    format = _CASTS.get(dtype.lstrip("<>|="))
    return None if format is None else (format, struct.calcsize("=" + format))


def count_of(shape):
    count = 1
    for length in shape:
        count *= length
    return count


def over(numpy, memory, dtype, shape, start, size, order="C"):
    """An array over a part of writable memory: numpy's if it is given, with a dtype of its own, else a view of that format."""
    if numpy is not None:
        flat = numpy.frombuffer(memory, "u1", size, start) if size else numpy.empty(0, "u1")
        return flat.view(dtype).reshape(shape, order=order) if size else numpy.empty(shape, dtype)
    view = memoryview(memory)[start : start + size]
    return view.cast(dtype) if len(shape) == 1 or not size else view.cast(dtype, list(shape))
