"""Data that came with a request: each is checked, then mapped or read, as its descriptor says."""

from fcntl import F_DUPFD_CLOEXEC, fcntl
from os import fstat, pread

from . import _dtypes, _npy
from ._builtins import own as __builtins__
from ._data_channel import close_all, lost
from ._decode import body_of, loads, wrong
from ._memory import GROW, MEMORY, SHRINK, map_pages, owner_of, seals_of
from ._wire import Rejected

FORMATS = ("raw", "npy", "arrow-stream", "png", "json")
_INSTALL = "a table comes as an Arrow stream, which pyarrow, polars or nanoarrow read, and none is installed here; install pyarrow"


class Attached:
    """The data of one request. `scratch` is memory that the host lends for a copy that is the answer, or -1; `read_value`
    decodes what is JSON."""

    def __init__(self, fds, are_all, scratch, read_value):
        self.fds, self.are_all, self.scratch, self.read_value = fds, are_all, scratch, read_value
        self.descriptors, self.objects = (), {}

    def described(self, data):
        """The body of the request, which describes them."""
        if not self.are_all:
            raise lost()
        body = body_of(data)
        if not self.fds:
            return body  # there is memory for the answer alone
        described = body.get("data")
        if type(described) is not list or not all([type(one) is dict for one in described]):
            raise wrong("data", "an array of objects", described)
        if len(described) > len(self.fds):
            raise lost()
        self.descriptors = described
        return body

    def get(self, at):
        """The datum with this index, one object however often it is asked for."""
        if type(at) is not int or not 0 <= at < len(self.descriptors):
            detail = "'$data' is the index of one of the %d data of the request; it holds %r" % (len(self.descriptors), at)
            raise Rejected("invalid_request", detail)
        if at not in self.objects:
            self.objects[at] = _Received(self.descriptors[at], self.fds[at], self.read_value).object()
        return self.objects[at]

    def close(self):
        fds, self.fds, self.objects = [*self.fds, self.scratch], [], {}
        self.scratch = -1
        close_all(fds)


class _Received:
    def __init__(self, about, fd, read_value):
        self.about, self.fd, self.read_value = about, fd, read_value
        self.kind, self.format = about.get("kind"), about.get("format", "raw")
        self.offset, self.size = self.length("offset", 0), self.length("byteLength", None)
        self.shared = about.get("shared") is True

    def length(self, key, default):
        value = self.about.get(key, default)
        if type(value) is not int or value < 0:
            raise wrong(key, "a whole number that is not negative", value)
        return value

    def object(self):
        if self.format not in FORMATS:
            raise _bad("its format is %r; known are %s" % (self.format, ", ".join(FORMATS)))
        self.check_kind()
        seals = seals_of(self.fd)
        if not seals & SHRINK:
            raise _bad("its descriptor is no sealed memfd: seal it with F_SEAL_SHRINK, so that nobody can take its memory away")
        if self.shared and not seals & GROW:
            raise _bad("to be shared, its memfd must be sealed with F_SEAL_GROW too")
        there = fstat(self.fd).st_size
        if self.offset + self.size > there:
            raise _bad("its memfd has %d bytes, and byteLength and offset say %d" % (there, self.offset + self.size))
        if self.format == "raw" and self.about.get("dtype") is not None:
            return self.raw()
        if self.format == "npy":
            return self.npy()
        if self.format == "arrow-stream" or self.kind == "table":
            return self.table()
        if self.format == "json":
            return self.value()
        return self.bytes()

    def check_kind(self):
        """Refuses what would not become what its kind says. Bytes, which gRPC says for none, may be any."""
        if self.kind is not None and self.kind not in ("array", "table", "bytes"):
            raise _bad("its kind is %r; known are array, table, bytes" % (self.kind,))
        has_dtype = self.about.get("dtype") is not None
        if self.kind == "table" and (self.format not in ("arrow-stream", "raw") or has_dtype):
            raise _bad("its kind is table, which comes as an arrow-stream and has no dtype, and its format is %s" % self.format)
        if self.kind == "array" and self.format not in ("raw", "npy"):
            raise _bad("its kind is array, which comes as raw or npy, and its format is %s" % self.format)
        if self.kind == "array" and self.format == "raw" and not has_dtype:
            raise _bad("its kind is array, and it has no 'dtype', as raw arrays need")

    def raw(self):
        name = self.about["dtype"]
        if name == "bfloat16":
            return self.bfloat16()
        numpy, dtype, itemsize = _dtype(name)
        shape = self.about.get("shape")
        if shape is None:
            if self.size % itemsize:
                raise _bad("its byteLength %d is no multiple of the %d bytes of %s" % (self.size, itemsize, name))
            shape = [self.size // itemsize]
        return self.array(numpy, dtype, itemsize, self.shape(shape), 0, self.size)

    def shape(self, shape):
        if type(shape) is not list or not all([type(length) is int and length >= 0 for length in shape]):
            raise wrong("shape", "an array of lengths", shape)
        return tuple(shape)

    def npy(self):
        start = pread(self.fd, min(self.size, _npy.MAX_HEADER + 12), self.offset)
        try:
            descr, fortran, shape, begin = _npy.parse(start)
        except _npy.BadHeader as error:
            raise _bad("it cannot be read as npy: %s" % error) from None
        numpy, dtype, itemsize = _dtype(descr, structured=True)
        return self.array(numpy, dtype, itemsize, shape, begin, self.size - begin, "F" if fortran else "C")

    def array(self, numpy, dtype, itemsize, shape, begin, size, order="C"):
        """An array over the memory, from `begin` in the datum."""
        if itemsize * _dtypes.count_of(shape) != size:
            detail = "its shape %s of elements of %d bytes needs %d bytes, and it has %d"
            raise _bad(detail % (list(shape), itemsize, itemsize * _dtypes.count_of(shape), size))
        if numpy is None and order == "F" and len(shape) > 1:
            raise _bad("it is in Fortran's order, which only numpy reads; send it in C order, or install numpy")
        if numpy is None and not size and len(shape) > 1:  # a view has no length 0 but as its only one
            raise _bad("it is empty and has the shape %s, which only numpy has; install numpy" % list(shape))
        try:
            if not size:
                return _dtypes.over(numpy, bytearray(), dtype, shape, 0, 0)
            mapping, start = self.mapped(begin, size)
            return _dtypes.over(numpy, mapping, dtype, shape, start, size, order)
        except (ValueError, TypeError) as error:  # more dimensions, or longer ones, than there can be
            raise _bad("it cannot be an array: %s" % error) from None

    def mapped(self, begin, size):
        """The mapping of a part of the datum, and where in it that begins."""
        MEMORY.admit(size)
        try:
            with MEMORY.undisturbed():
                mapping, base, start = map_pages(self.fd, self.offset + begin, size, self.shared)
                owner = owner_of(fcntl(self.fd, F_DUPFD_CLOEXEC, 3)) if self.shared else None
                MEMORY.hold(mapping, size, owner, base)
        except PermissionError:
            raise _bad("its memfd is sealed against writing, so it cannot be shared; send it without 'shared'") from None
        except OSError as error:  # too many mappings or descriptors
            raise Rejected("too_much_data", "a datum of the request cannot be mapped: %s; let go of some first" % error) from None
        return mapping, start

    def bfloat16(self):
        shape = self.shape(self.about.get("shape", [self.size // 2]))
        package = _dtypes.loaded("ml_dtypes")
        if package is not None:
            numpy = _dtypes.numpy_module()
            return self.array(numpy, numpy.dtype(package.bfloat16), 2, shape, 0, self.size)
        torch = _dtypes.loaded("torch")
        if torch is None:
            raise _bad("its dtype is bfloat16, which ml_dtypes or torch have, and neither is installed; install ml_dtypes")
        numpy = _dtypes.numpy_module()
        bits = self.array(numpy, "<i2" if numpy is not None else "h", 2, shape, 0, self.size)
        if not self.size:
            return torch.empty(shape, dtype=torch.bfloat16)
        return torch.frombuffer(bits, dtype=torch.bfloat16).reshape(shape)

    def table(self):
        pyarrow = _dtypes.loaded("pyarrow")
        try:
            if pyarrow is not None:
                stream = self.view() if self.size and not self.offset % 8 else self.bytes()  # Arrow's memory is aligned
                table = pyarrow.ipc.open_stream(pyarrow.py_buffer(stream)).read_all()
                table.validate(full=True)
                return table
            polars = _dtypes.loaded("polars")
            if polars is not None:
                return polars.read_ipc_stream(self.bytes())
            ipc = _dtypes.loaded("nanoarrow.ipc")
            if ipc is not None:
                import nanoarrow

                with ipc.InputStream.from_readable(self.bytes()) as stream:
                    return nanoarrow.ArrayStream(stream).read_all()
        except (Rejected, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            MEMORY.raise_if_cancelled()
            raise _bad("it is no Arrow stream that can be read: %s" % (str(error).splitlines() or [""])[0]) from None
        raise _bad(_INSTALL)

    def view(self):
        mapping, start = self.mapped(0, self.size)
        return memoryview(mapping)[start : start + self.size]

    def bytes(self):
        MEMORY.admit(self.size)
        data = pread(self.fd, self.size, self.offset)
        parts, done = [data], len(data)
        while done < self.size:  # one call reads 2 GiB at most
            parts.append(pread(self.fd, self.size - done, self.offset + done))
            done += len(parts[-1])
        return data if len(parts) == 1 else b"".join(parts)

    def value(self):
        try:
            value = loads(str(self.bytes(), "utf-8").removeprefix("\ufeff"))
        except RecursionError:
            raise _bad("it is nested too deeply") from None
        except ValueError as error:
            raise _bad("it is not valid JSON: %s" % error) from None
        return self.read_value(value)


def _dtype(name, structured=False):
    """numpy if it is there, the dtype, or a native format without it, and the size of an element."""
    if type(name) is not str and not structured:
        raise wrong("dtype", "a string", name)
    if type(name) is not str and type(name) is not list:
        raise _bad("its dtype cannot be read")
    if type(name) is str and not _dtypes.NAME.fullmatch(name):
        what = "is of Python objects, which are never unpickled" if name.lstrip("<>|=")[:1] == "O" else "is none of a fixed size"
        raise _bad("its dtype %s %s; known are such as <f8, <i4, |u1, |b1, <M8[ns], <U3, and bfloat16 in raw" % (name[:40], what))
    numpy = _dtypes.numpy_module()
    if numpy is None:
        found = _dtypes.format_of(name) if type(name) is str else None
        if found is None:
            raise _bad("without numpy only plain numbers of this machine's order can be read, not %s; install numpy" % (name,))
        return (None, *found)
    try:
        dtype = numpy.lib.format.descr_to_dtype(name) if type(name) is list else numpy.dtype(name)
    except Exception as error:
        raise _bad("its dtype cannot be read: %s" % error) from None
    if dtype.hasobject:
        raise _bad("its dtype has Python objects, which are never unpickled")
    if not dtype.itemsize:
        raise _bad("its dtype %s has elements without any bytes" % dtype)
    return numpy, dtype, dtype.itemsize


def _bad(why):
    return Rejected("invalid_request", "a datum of the request cannot be taken: %s" % why)
