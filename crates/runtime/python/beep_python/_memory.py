"""Memory that goes to and fro between processes: memfds, sealed so that no side can shrink them, and what of them lives.

A *snapshot* is a copy that nobody can write any more. A *shared* block is mapped by both sides, and both see what is written.
"""

import itertools
import mmap
import os
import select
import sys
from fcntl import fcntl
from gc import collect
from operator import index
from os import ftruncate, lseek, pread, write
from weakref import ref

from . import _dtypes, _exceptions
from ._builtins import own as __builtins__
from ._interrupts import NO_DEFERRAL
from ._std_descriptors import above
from ._wire import MAX_MESSAGE, Rejected

MAX_COUNT = 1000  # data that a session holds, unless its limits say otherwise
MAX_COPY = 4 << 30  # bytes of one copy that is sent
PIECE = 16 << 20  # bytes that are written at once: a cancel waits no longer than that takes
ADD_SEALS, GET_SEALS = 1033, 1034  # Linux; the module fcntl has no names for them in every build
SEAL, SHRINK, GROW, WRITE, FUTURE_WRITE = 1, 2, 4, 8, 16
_CLOSE_ON_EXEC, _ALLOW_SEALING = 1, 2
_NO_DUPLICATE = {"trackfd": False} if sys.version_info >= (3, 13) else {}
_owner = select.epoll.fromfd
_memfd_create = getattr(os, "memfd_create", None)


def new_memfd():
    """An empty memfd. Pythons built against old headers, as portable ones are, lack `os.memfd_create`."""
    if _memfd_create is not None:
        return above(_memfd_create("beep-python-data", _CLOSE_ON_EXEC | _ALLOW_SEALING))
    try:
        import ctypes

        create = ctypes.CDLL(None, use_errno=True).memfd_create
    except (ImportError, OSError, AttributeError) as error:
        raise OSError(38, "this Python cannot make a memfd: %s" % error) from None
    fd = create(b"beep-python-data", _CLOSE_ON_EXEC | _ALLOW_SEALING)
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return above(fd)


def owner_of(fd):
    """What closes a descriptor when it is freed, in C: no signal can come between. An epoll object does, whatever its
    descriptor is of, and without the warning of a file."""
    return _owner(fd)


def seals_of(fd):
    """The seals of a memfd; 0 for what is none."""
    try:
        return fcntl(fd, GET_SEALS)
    except OSError:
        return 0


class Mapping(mmap.mmap):
    """Mapped memory. A shared one owns a descriptor of its memfd, which is closed with it."""

    owner = None


class Block:
    """A shared mapping: where it begins in memory and in its memfd."""

    __slots__ = ("mapping", "address", "offset", "size")

    def __init__(self, mapping, address, offset, size):
        self.mapping, self.address, self.offset, self.size = mapping, address, offset, size

    def has(self, address, size):
        """Whether this memory lies in it. A mapping that is gone may have left its place to another."""
        return self.address <= address and address + size <= self.address + self.size and self.mapping() is not None


class Memory:
    """What of this process's memory is shared or was received. A mapping ends with the last array over it.

    No code of Python runs then, in which a cancel would be lost: what is gone is found when the next one comes.
    """

    def __init__(self):
        self.limit, self.max_count = None, MAX_COUNT  # of all data together: bytes, and how many
        self.scratch = -1  # memory that the host lends the running request for its answer
        self.gate = None  # the worker's, so that no signal comes between a descriptor and its owner
        self.held = {}  # of each mapping, by number: a weak reference, its size, and its block if it is shared
        self.addresses = {}  # the blocks, by where they begin
        self.numbers = itertools.count(1)

    def set_limits(self, data_bytes, data_count):
        self.limit, self.max_count = data_bytes, MAX_COUNT if data_count is None else data_count

    def undisturbed(self):
        """Delays a cancel while descriptors change hands."""
        return NO_DEFERRAL if self.gate is None else self.gate.defer_interrupts()

    def raise_if_cancelled(self):
        """An error of a library's may be what it made of the interrupt that cancels the request."""
        if self.gate is not None and self.gate.slot >= 0 and self.gate.is_stopping():
            raise KeyboardInterrupt

    def admit(self, size, ran=False):
        """Raises Rejected if one more datum of this size exceeds a limit."""
        if self.excess(size) is not None:
            collect()  # arrays in cycles live until then
            excess = self.excess(size)
            if excess is not None:
                raise Rejected("too_much_data", excess, ran=ran)

    def excess(self, size):
        sizes = self.sizes()
        if len(sizes) >= self.max_count:
            return "this session holds %d shared or received data, as many as it may; let go of some first" % len(sizes)
        if self.limit is not None and sum(sizes) + size > self.limit:
            detail = "a datum of %d bytes, beside %d bytes of data that this session holds, exceeds the %d that it may have; %s"
            return detail % (size, sum(sizes), self.limit, "let go of some first" if sizes else "take it in parts")
        return None

    def sizes(self):
        """Those of the live mappings; forgets the others."""
        sizes = []
        for number, (mapping, size, block) in list(self.held.items()):
            if mapping() is not None:
                sizes.append(size)
                continue
            self.held.pop(number, None)
            if block is not None and self.addresses.get(block.address) is block:
                self.addresses.pop(block.address, None)
        return sizes

    def hold(self, mapping, size, owner=None, offset=0):
        """Counts a mapping until its end. A shared one takes the descriptor over; `offset` is where in it it begins."""
        weak, block = ref(mapping), None
        address = None if owner is None else _address(mapping)
        if address is not None:  # else nothing can tell where it is, and it is never sent in place
            mapping.owner = owner
            block = self.addresses[address] = Block(weak, address, offset, len(mapping))
        self.held[next(self.numbers)] = weak, size, block

    def block_at(self, address, size):
        """The shared block in which this memory lies, if it lies in one."""
        block = self.addresses.get(address)
        if block is not None and block.has(address, size):
            return block
        return next((block for block in list(self.addresses.values()) if block.has(address, size)), None)


def map_pages(fd, offset, size, shared):
    """Maps a part of a memfd: the mapping, where in the memfd it begins, and where in it the part begins. One that is not
    shared is copied, page by page, where it is written."""
    base = offset - offset % mmap.ALLOCATIONGRANULARITY
    access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
    return Mapping(fd, offset - base + size, access=access, offset=base, **_NO_DUPLICATE), base, offset - base


MEMORY = Memory()  # of this process


def _address(buffer):
    """Where writable memory begins; None if nothing is there to tell."""
    numpy = sys.modules.get("numpy")
    if hasattr(numpy, "frombuffer"):
        return numpy.frombuffer(buffer, "u1").__array_interface__["data"][0]
    return address_of_view(memoryview(buffer))


def address_of_view(view):
    try:
        import ctypes

        return ctypes.addressof(ctypes.c_char.from_buffer(view))
    except (ImportError, TypeError, ValueError, AttributeError):  # not writable, not contiguous, empty
        return None


def shared_array(shape, dtype="<f8"):
    """A new array of zeros in memory that the client maps too: `fetch` sends it, and slices of it, without a copy, and what
    is written later the client sees. A numpy array, or a memoryview where numpy is not installed."""
    numpy = _dtypes.numpy_module()
    shape = tuple([index(length) for length in shape]) if hasattr(type(shape), "__iter__") else (index(shape),)
    if any([length < 0 for length in shape]):
        raise ValueError("a length in the shape %r is negative" % (shape,))
    if numpy is not None:
        dtype = numpy.dtype(dtype)
        if dtype.hasobject or not dtype.itemsize:
            raise TypeError("a shared array has elements of a fixed size and no Python objects; its dtype is %s" % dtype)
        itemsize = dtype.itemsize
    else:
        found = _dtypes.format_of(dtype)
        if found is None:
            raise TypeError("without numpy a shared array has plain numbers such as '<f8'; its dtype is %r" % (dtype,))
        dtype, itemsize = found
    size = itemsize * _dtypes.count_of(shape)
    if not size:
        return _dtypes.over(numpy, bytearray(), dtype, shape, 0, 0)
    MEMORY.admit(size, ran=True)
    with MEMORY.undisturbed():
        fd = new_memfd()
        owner = owner_of(fd)
        ftruncate(fd, size)
        mapping, _, _ = map_pages(fd, 0, size, shared=True)
        _seal_shared(fd)
        MEMORY.hold(mapping, size, owner)
    return _dtypes.over(numpy, mapping, dtype, shape, 0, size)


shared_array.__module__ = "beep_python"  # where users find it


def _seal_shared(fd):
    try:
        fcntl(fd, ADD_SEALS, SHRINK | GROW | SEAL | FUTURE_WRITE)
    except OSError:  # a kernel before 5.1
        fcntl(fd, ADD_SEALS, SHRINK | GROW | SEAL)


class Datum:
    """What an answer carries: its descriptor as JSON has it, and its memory: a memfd, or bytes where none can be had.

    `keep` is what the memory belongs to, if it is no copy.
    """

    def __init__(self, descriptor, keep=None):
        self.descriptor, self.keep = descriptor, keep
        self.owner, self.parts, self.is_in_scratch = None, [], False
        self.size, self.failure = 0, None

    def __len__(self):
        """More than any answer that waits for others: it is sent at once."""
        return MAX_MESSAGE

    @property
    def fd(self):
        return -1 if self.owner is None else self.owner.fileno()

    def close(self):
        self.owner = self.keep = None

    def write(self, data):
        """Adds bytes; raises Rejected once there are more than the session may have."""
        try:
            return self._write(memoryview(data))
        except BaseException as error:
            self.failure = error
            raise

    def _write(self, view):
        view = view if view.format == "B" and view.ndim == 1 else view.cast("B")
        self.size += len(view)
        if MEMORY.limit is not None or self.size > MAX_COPY:
            admit_copy(self.size)
        fd, done = MEMORY.scratch if self.is_in_scratch else self.fd, 0
        if fd < 0:
            self.parts.append(bytes(view))
            return len(view)
        while done < len(view):
            done += write(fd, view[done : done + PIECE])
        return done

    def content(self):
        """All its bytes, in parts."""
        fd, parts, done = self.fd, [], 0
        if fd < 0:
            return self.parts
        while done < self.size:
            parts.append(pread(fd, self.size - done, self.descriptor["offset"] + done))
            done += len(parts[-1])
        return parts


def admit_copy(size):
    if size > MAX_COPY:
        detail = "a copy of %d bytes is larger than the %d that one may have; take it in parts, or from an array of shared_array"
        raise Rejected("too_much_data", detail % (size, MAX_COPY), ran=True)
    MEMORY.admit(size, ran=True)


def snapshot(content):
    """A datum with a copy of the content: in the memory that the host lent for it, or in a memfd that is filled by writing, then
    sealed against every change."""
    admit_copy(content.at_least or 0)
    datum = Datum(content.descriptor)
    if MEMORY.scratch >= 0:  # which has its pages already, so that writing is all there is to do
        lseek(MEMORY.scratch, 0, os.SEEK_SET)
        datum.is_in_scratch = True
    else:
        try:
            with MEMORY.undisturbed():
                datum.owner = owner_of(new_memfd())
        except OSError as error:
            tell_once(error)
    try:
        content.fill(datum)
    except BaseException as error:
        failure, datum.failure = datum.failure, None
        datum.close()
        if failure is not None and failure is not error:  # a library made another of it
            raise failure from None
        raise
    if datum.owner is not None:
        fcntl(datum.fd, ADD_SEALS, SHRINK | GROW | WRITE | SEAL)
    datum.descriptor["byteLength"] = datum.size
    return datum


def in_place(content):
    """A datum that is a shared block, or a part of one, where the content lies in one; else None."""
    address = content.address() if MEMORY.addresses else None
    block = None if address is None else MEMORY.block_at(address, content.size)
    mapping = None if block is None else block.mapping()
    if mapping is None:
        return None
    datum = Datum({**content.descriptor, "offset": block.offset + address - block.address, "live": True}, mapping)
    datum.owner, datum.size = mapping.owner, content.size
    return datum


_told = []


def tell_once(error):
    if not _told:
        _told.append(True)
        _exceptions.write_stderr("large data goes through the link, which is slower, since no descriptor can be had: %s" % error)
