"""Tables of every library as a stream of Arrow's IPC format, written by whichever of pyarrow, polars and nanoarrow is there."""

import sys

from . import _dtypes
from ._builtins import own as __builtins__
from ._content import Content, Unfit, derives

SLICED = 64 << 20  # bytes; a larger DataFrame of pandas becomes a batch at a time, so that nothing is held twice
ROWS = 1 << 16  # of such a batch
INSTALL = "tables travel as Arrow streams, which pyarrow, polars or nanoarrow write, and none is installed here; install pyarrow"


class TableSource:
    """A table to be sent. `write` writes it into a sink; `size` is about what that writes, or None."""

    kind = "table"

    def __init__(self, shape, write, size=None):
        self.shape, self.write, self.size = shape, write, size

    def forms(self):
        return {"arrow-stream": self.stream}

    def best(self):
        return "arrow-stream"

    def default(self):
        return self.stream()

    def describe(self):
        return self.stream().descriptor

    def stream(self):
        about = {} if self.shape is None else {"shape": list(self.shape)}
        content = Content("table", "arrow-stream", None, (), **about)
        content.at_least = self.size
        content.fill = self.write
        return content


def _write(pyarrow, sink, schema, batches):
    file = pyarrow.PythonFile(_File(sink), "w")  # faster than to open the memfd by its path
    with pyarrow.ipc.new_stream(file, schema) as writer:
        for batch in batches:
            writer.write(batch)


class _File:
    """A sink as the libraries want a file to be."""

    closed = False

    def __init__(self, sink):
        self.write = sink.write

    def flush(self):
        pass

    close = flush

    def writable(self):
        return True


# pandas


def of_pandas(frame):
    size = int(frame.memory_usage(index=True).sum())
    return TableSource(frame.shape, lambda sink: _write_pandas(frame, size, sink), size if _is_numeric(frame) else None)


def of_series(series):
    """A column, where a table is asked for."""
    return of_pandas(series.to_frame())


def _is_numeric(frame):
    return all([getattr(dtype, "kind", "O") in "iufMm" for dtype in frame.dtypes])


def _write_pandas(frame, size, sink):
    _check_columns(frame)
    pyarrow = _dtypes.loaded("pyarrow")
    if pyarrow is None:
        return _write_pandas_by_polars(frame, sink)
    pandas = sys.modules["pandas"]
    index = frame.index
    plain = isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None
    keep = None if plain else True
    try:
        if size <= SLICED:
            table = pyarrow.Table.from_pandas(frame, preserve_index=keep)
            return _write(pyarrow, sink, table.schema, (table,))
        schema = pyarrow.Schema.from_pandas(frame, preserve_index=keep)
        slices = (
            pyarrow.RecordBatch.from_pandas(frame.iloc[start : start + ROWS], schema=schema, preserve_index=keep)
            for start in range(0, len(frame), ROWS)
        )
        return _write(pyarrow, sink, schema, slices)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError) as error:
        raise Unfit(_culprit(pyarrow, frame, error)) from None


def _check_columns(frame):
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Unfit("it has two columns with the name '%s'; rename one" % twice)
    for name, dtype in zip(names, frame.dtypes):
        if getattr(dtype, "kind", "O") == "c":
            raise Unfit("its column '%s' is complex, which Arrow does not have; split it into .real and .imag" % name)


def _culprit(pyarrow, frame, error):
    """Which column Arrow does not take."""
    for at, name in enumerate(frame.columns):
        try:
            pyarrow.array(frame.iloc[:, at], from_pandas=True)
        except pyarrow.ArrowException as own:
            detail = "its column '%s' has what Arrow cannot write as one type: %s; convert it first, as by .astype(str)"
            return detail % (name, str(own).splitlines()[0])
    return "Arrow cannot write it: %s" % str(error).splitlines()[0]


def _write_pandas_by_polars(frame, sink):
    polars = _dtypes.loaded("polars")
    if polars is None:
        raise Unfit("tables of pandas travel as Arrow streams, which pyarrow writes, and it is not installed here; install pyarrow")
    columns = {}
    if not frame.index.equals(frame.index.__class__(range(len(frame)))) or frame.index.name is not None:
        for at, name in enumerate(frame.index.names):
            columns["__index_level_%d__" % at if name is None else str(name)] = frame.index.get_level_values(at)
    columns.update({str(name): frame.iloc[:, at] for at, name in enumerate(frame.columns)})
    made = {}
    for name, column in columns.items():
        try:
            kind = getattr(column.dtype, "kind", "O")
            numpy_kind = kind in "iufbM" and not hasattr(column.dtype, "numpy_dtype") and not hasattr(column.dtype, "tz")
            made[name] = polars.Series(column.to_numpy() if numpy_kind else _with_nulls(column))
        except Exception as error:
            detail = "its column '%s' has what polars cannot write as one type: %s; convert it first, or install pyarrow"
            raise Unfit(detail % (name, str(error).splitlines()[0])) from None
    _write_polars(polars, polars.DataFrame(made), sink)


def _with_nulls(column):
    return [None if missing else item for item, missing in zip(column.tolist(), column.isna())]


# polars, and whatever has Arrow's interfaces


def of_polars(frame):
    return TableSource(frame.shape, lambda sink: _write_polars(sys.modules["polars"], frame, sink))


def of_polars_series(series):
    return of_polars(series.to_frame())


def _write_polars(polars, frame, sink):
    for name, dtype in frame.schema.items():
        if dtype == polars.Object:
            raise Unfit("its column '%s' has Python objects, which Arrow does not have; convert it first" % name)
    older = {"compat_level": polars.CompatLevel.oldest()} if hasattr(polars, "CompatLevel") else {}  # not every reader has views
    try:
        frame.write_ipc_stream(_Whole(sink), **older)
    except TypeError:  # of a time when it had no levels
        frame.write_ipc_stream(_Whole(sink))


class _Whole(_File):
    """As polars wants it: `write` and `read` alone."""

    def read(self, count=-1):
        return b""


def of_arrow(value):
    """A Table or RecordBatch of pyarrow."""
    return TableSource((value.num_rows, value.num_columns), lambda sink: _write_arrow(value, sink), value.nbytes)


def _write_arrow(value, sink):
    pyarrow = sys.modules["pyarrow"]
    _check_schema(value.schema)
    batches = value.to_batches() if derives(type(value), pyarrow.Table) else (value,)
    _write(pyarrow, sink, value.schema, batches)


def _check_schema(schema):
    names = schema.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Unfit("it has two columns with the name '%s'; rename one" % twice)


def of_interface(value):
    """What has `__arrow_c_stream__` or `__arrow_c_array__`."""
    return TableSource(None, lambda sink: _write_interface(value, sink))


def _write_interface(value, sink):
    pyarrow = _dtypes.loaded("pyarrow")
    if pyarrow is not None:
        if hasattr(type(value), "__arrow_c_stream__"):
            if derives(type(value), pyarrow.RecordBatchReader):
                reader = value
            else:
                reader = pyarrow.RecordBatchReader.from_stream(value)
            _check_schema(reader.schema)
            return _write(pyarrow, sink, reader.schema, reader)
        return _write_arrow(pyarrow.record_batch(value), sink)
    polars = _dtypes.loaded("polars")
    if polars is not None:
        return _write_polars(polars, polars.DataFrame(value), sink)
    ipc = _dtypes.loaded("nanoarrow.ipc")
    if ipc is None:
        raise Unfit(INSTALL)
    nanoarrow = sys.modules["nanoarrow"]
    with ipc.StreamWriter.from_writable(_File(sink)) as writer:
        writer.write_stream(nanoarrow.ArrayStream(value))
