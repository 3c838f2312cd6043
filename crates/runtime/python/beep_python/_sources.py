"""What kind of datum an object is, array, table or bytes, and how it is read as one. Its type alone decides."""

import array
import io
import mmap
import sys

from . import _array_sources, _table_sources
from ._builtins import own as __builtins__
from ._content import Unfit, defines, derives, whole

ARRAY, TABLE, BYTES = "array", "table", "bytes"
KINDS = frozenset((ARRAY, TABLE, BYTES))
# what the user's code can do that gives a datum of the kind
_INSTEAD = {
    (ARRAY, TABLE): "ask for table, or evaluate .to_numpy()",
    (ARRAY, BYTES): "ask for bytes, or evaluate numpy.frombuffer(…)",
    (TABLE, ARRAY): "ask for array, or evaluate pandas.DataFrame(…)",
    (TABLE, BYTES): "ask for bytes",
    (BYTES, ARRAY): "ask for array, or evaluate .tobytes()",
    (BYTES, TABLE): "ask for table",
    ARRAY: "ask for json or a handle, or evaluate numpy.asarray(…)",
    TABLE: "ask for json or a handle, or evaluate pandas.DataFrame(…)",
    BYTES: "ask for json or a handle, or evaluate bytes(…) or .encode()",
}


class BytesSource:
    """Bytes as they are."""

    kind = BYTES

    def __init__(self, view):
        self.view = view if view.contiguous else memoryview(view.tobytes())

    def forms(self):
        return {"raw": self.raw}

    def best(self):
        return "raw"

    def default(self):
        return self.raw()

    def describe(self):
        return self.raw().descriptor

    def raw(self):
        content = whole(BYTES, "raw", self.view.cast("B") if self.view.nbytes else b"")
        if not self.view.readonly and self.view.nbytes:
            content.address = lambda: _array_sources.address_of_view(self.view.cast("B"))
        return content


def _of_buffer(value):
    view = memoryview(value)
    return BytesSource(view) if view.ndim == 1 and view.format in ("B", "b", "c") else _array_sources.of_view(view)


def _of_bytes(value):
    return BytesSource(memoryview(value))


_OWN = (
    (bytes, _of_bytes),
    (bytearray, _of_bytes),
    (memoryview, _of_buffer),
    (array.array, _array_sources.of_array),
    (io.BytesIO, lambda value: BytesSource(value.getbuffer())),
    (mmap.mmap, _of_bytes),
)
_MODULES = {
    "numpy": lambda m: ((m.ndarray, _array_sources.of_numpy), (m.generic, _array_sources.of_interface)),
    "pandas": lambda m: (
        (m.DataFrame, _table_sources.of_pandas),
        (m.Series, _array_sources.of_column),
        (m.Index, _array_sources.of_column),
        (m.api.extensions.ExtensionArray, _array_sources.of_column),
    ),
    "polars": lambda m: ((m.DataFrame, _table_sources.of_polars), (m.Series, _array_sources.of_polars)),
    "pyarrow": lambda m: (
        (m.Table, _table_sources.of_arrow),
        (m.RecordBatch, _table_sources.of_arrow),
        (m.Array, _array_sources.of_arrow),
        (m.ChunkedArray, _array_sources.of_arrow),
    ),
    "torch": lambda m: ((m.Tensor, _array_sources.of_tensor),),
}
_PROTOCOLS = (
    ("__arrow_c_stream__", _table_sources.of_interface),
    ("__array_interface__", _array_sources.of_interface),  # before the next: a picture of Pillow has both
    ("__dlpack__", _array_sources.of_dlpack),
    ("__arrow_c_array__", _table_sources.of_interface),
)
# columns that are tables where one is asked for
_AS_TABLE = {_array_sources.of_column: _table_sources.of_series, _array_sources.of_polars: _table_sources.of_polars_series}
_TABLE_READERS = (
    *(_table_sources.of_pandas, _table_sources.of_polars, _table_sources.of_arrow, _table_sources.of_interface),
    *_AS_TABLE.values(),
)


class Other(Unfit):
    """It is no datum of any kind."""


def source_of(value, wanted=None):
    """The object as a datum, of the kind that is wanted, if one is; raises Unfit if it is none."""
    read = reader(type(value))
    if read is None and _is_buffer(value):
        read = _of_buffer
    if wanted == ARRAY and read is _of_buffer:
        return _array_sources.of_view(memoryview(value))  # of bytes too: what `put` makes of an array without numpy is one
    if wanted == TABLE and read in _AS_TABLE and hasattr(value, "to_frame"):
        read = _AS_TABLE[read]
    if read is None and wanted is None:
        raise Other("it is neither an array nor a table nor bytes; ask for json or a handle")
    if read is None:
        raise Unfit("it is no %s; %s" % (wanted, _INSTEAD[wanted]))
    if wanted == TABLE and read not in _TABLE_READERS:
        raise Unfit("it is no table; %s" % _INSTEAD[TABLE, BYTES if read is _of_bytes else ARRAY])
    source = read(value)
    if wanted is not None and source.kind != wanted:
        raise Unfit("it is no %s; %s" % (wanted, _INSTEAD[wanted, source.kind]))
    return source


def reader(kind):
    """What reads the objects of a type, if anything does."""
    for base, read in _OWN:
        if derives(kind, base):
            return read
    for name, classes in _MODULES.items():
        module = sys.modules.get(name)
        if module is not None:
            try:
                for base, read in classes(module):
                    if derives(kind, base):
                        return read
            except AttributeError:  # half imported, or no module of that kind at all
                pass
    for name, read in _PROTOCOLS:
        if defines(kind, name):
            return read
    return None


def _is_buffer(value):
    """Whether it has the buffer protocol, as arrays of ctypes do. Only types that are built in C, or say so, have it."""
    try:
        memoryview(value)
    except (TypeError, BufferError, ValueError):
        return False
    return True
