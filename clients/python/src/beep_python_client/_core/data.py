"""Arrays, tables and bytes, beside JSON and at the speed of memory."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple


_FORMATS = {"|b1": "?", "|i1": "b", "|u1": "B", "<i2": "h", "<u2": "H", "<i4": "i", "<u4": "I", "<i8": "q", "<u8": "Q", "<f2": "e", "<f4": "f", "<f8": "d"}
_DTYPES = {"l": "<i8", "L": "<u8", "c": "|u1", **{code: dtype for dtype, code in _FORMATS.items()}}


class Datum:
    """An array, a table or bytes: `memory` has the bytes, and what else is told says what they are."""

    __slots__ = ("dtype", "format", "kind", "live", "memory", "shape")

    def __init__(
        self, kind: str, memory: Any, dtype: Optional[str] = None, shape: Optional[Sequence[int]] = None,
        format: str = "raw", live: bool = False,
    ) -> None:
        self.kind = kind
        """`array`, `table` or `bytes`."""
        self.memory = memoryview(memory)
        """The bytes, without a copy."""
        self.dtype = dtype
        """Of an array, as numpy's array protocol spells it: `<f8`."""
        self.shape: Optional[Tuple[int, ...]] = tuple(shape) if shape is not None else None
        self.format = format
        """`raw`, `npy`, `arrow-stream`, `png` or `json`."""
        self.live = live
        """Whether the session may still write the memory."""

    @classmethod
    def of(cls, value: Any) -> Optional[Datum]:
        """The datum of an array, a table or a buffer; None of anything else."""
        if isinstance(value, Datum):
            return value
        if hasattr(value, "__array_interface__"):
            import numpy

            array = numpy.asarray(value)
            if array.dtype.kind not in "biufcSUmM":
                return None
            little = numpy.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            return cls("array", little.reshape(-1).view("u1").data if little.size else b"", little.dtype.str, array.shape)
        if hasattr(value, "__arrow_c_stream__"):
            import pyarrow

            table = pyarrow.table(value)
            sink = pyarrow.BufferOutputStream()
            with pyarrow.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            return cls("table", sink.getvalue(), format="arrow-stream")
        try:
            view = memoryview(value)
        except TypeError:
            return None
        dtype = _DTYPES.get(view.format.lstrip("<@="))
        if dtype is None:
            return None
        whole: Any = view.tobytes() if not view.c_contiguous or not view.nbytes else view.cast("B")
        return cls("array", whole, dtype, view.shape)

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        """Lets `numpy.asarray` take the memory without a copy."""
        if self.dtype is None or self.shape is None or self.format != "raw":
            raise AttributeError(f"a {self.kind} in the format {self.format} is no raw array")
        return {"version": 3, "typestr": self.dtype, "shape": self.shape, "data": self.memory}

    def to_numpy(self) -> Any:
        """The array of numpy, without a copy; read-only where the memory is."""
        import numpy

        if self.format == "npy":
            import io

            return numpy.load(io.BytesIO(self.memory), allow_pickle=False)
        if self.kind == "bytes":
            return numpy.frombuffer(self.memory, "u1")
        if self.kind != "array" or self.shape is None:
            raise TypeError(f"a {self.kind} is no array: to_arrow() and to_bytes() read it")
        return numpy.frombuffer(self.memory, self.dtype).reshape(self.shape)

    def to_arrow(self) -> Any:
        """The table of pyarrow, without a copy."""
        import pyarrow

        if self.format != "arrow-stream":
            raise TypeError(f"a {self.kind} in the format {self.format} is no table of Arrow")
        return pyarrow.ipc.open_stream(pyarrow.py_buffer(self.memory)).read_all()

    def to_bytes(self) -> bytes:
        """A copy of the bytes."""
        return self.memory.tobytes()

    def to_list(self) -> List[Any]:
        """The items of an array as nested lists, without numpy."""
        code = _FORMATS.get(self.dtype or "|u1")
        if code is None or self.kind == "table" or self.format != "raw":
            raise TypeError(f"a {self.kind} of {self.dtype} in the format {self.format} cannot be read as a list")
        flat: Any = self.memory.cast("B")
        items: List[Any] = flat.cast(code).tolist()
        for length in reversed((self.shape or ())[1:]):
            items = [items[at : at + length] for at in range(0, len(items), length)] if length else []
        return items[0] if self.shape == () else items

    def descriptor(self) -> Dict[str, Any]:
        """What the pipe says of it."""
        told: Dict[str, Any] = {"kind": self.kind, "byteLength": self.memory.nbytes, "format": self.format}
        if self.dtype is not None:
            told["dtype"] = self.dtype
        if self.shape is not None:
            told["shape"] = list(self.shape)
        return told

    @classmethod
    def described(cls, told: Dict[str, Any], memory: Any) -> Datum:
        return cls(told["kind"], memory, told.get("dtype"), told.get("shape"), told.get("format", "raw"), bool(told.get("live")))

    def __repr__(self) -> str:
        what = f" of {self.dtype} {self.shape}" if self.dtype else ""
        return f"<{self.kind}{what}, {self.memory.nbytes} bytes>"
