"""The header of an .npy file: versions 1 to 3."""

import ast
import warnings

from ._builtins import own as __builtins__

MAX_HEADER = 64 << 10
_MAGIC = b"\x93NUMPY"
_ALIGNED = 64  # so begins the data


class BadHeader(ValueError):
    """It is no .npy file that can be read. The message says why."""


def header(descr, shape):
    """The bytes before the data of an array in C order. `descr`: its dtype, a list for a structured one."""
    text = "{'descr': %r, 'fortran_order': False, 'shape': %r, }" % (descr, tuple(shape))
    for version, size, encoding in ((1, 2, "latin1"), (2, 4, "latin1"), (3, 4, "utf-8")):
        try:
            encoded = text.encode(encoding)
        except UnicodeEncodeError:
            continue
        before = len(_MAGIC) + 2 + size
        encoded += b" " * (-(before + len(encoded) + 1) % _ALIGNED) + b"\n"
        if len(encoded) < 1 << 8 * size:
            return _MAGIC + bytes((version, 0)) + len(encoded).to_bytes(size, "little") + encoded
    raise ValueError("its dtype has too long a description")


def parse(start):
    """Of the first bytes of a file: its descr, whether it is in Fortran's order, its shape, and where the data begins."""
    if start[:6] != _MAGIC:
        raise BadHeader("it does not begin as an .npy file")
    version = start[6:8]
    if version not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise BadHeader("its version is %s; known are 1.0, 2.0 and 3.0" % ".".join([str(part) for part in version]))
    width = 2 if version[0] == 1 else 4
    size = int.from_bytes(start[8 : 8 + width], "little")
    end = 8 + width + size
    if size > MAX_HEADER:
        raise BadHeader("its header has %d bytes, more than %d" % (size, MAX_HEADER))
    if len(start) < end:
        raise BadHeader("its header is cut off")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's, of escapes that are none: code of the session has not written them
            fields = ast.literal_eval(start[8 + width : end].decode("utf-8" if version[0] == 3 else "latin1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise BadHeader("its header is no dict of Python's literals") from None
    if type(fields) is not dict or set(fields) != {"descr", "fortran_order", "shape"}:
        raise BadHeader("its header has other fields than descr, fortran_order and shape")
    shape, fortran = fields["shape"], fields["fortran_order"]
    if type(shape) is not tuple or not all([type(length) is int and length >= 0 for length in shape]):
        raise BadHeader("its shape is no tuple of lengths")
    if type(fortran) is not bool:
        raise BadHeader("its fortran_order is neither True nor False")
    return fields["descr"], fortran, shape, end
