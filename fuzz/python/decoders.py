"""The decoders of the worker's Python side as functions of any bytes. What they raise beside a refusal is a fault.

`fuzz.py` drives them; the tests of the Python side run the inputs that `fuzz/corpus/` keeps.
"""

import fcntl
import os
import sys

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "crates", "runtime", "python"))

from beep_python import _npy, _type_name, _wire
from beep_python._data_channel import close_all
from beep_python._decode import arguments, body_of, key_of, value_of
from beep_python._handles import Handles
from beep_python._host_rpc import HostConnection
from beep_python._interrupts import InterruptGate
from beep_python._memory import SHRINK, new_memfd
from beep_python._received import Attached
from beep_python._wire import BrokenLink, Rejected
from beep_python._worker import Worker

LONGEST = 1 << 16


def python_request(data):
    """A request: its arguments and its key, in the form that the first byte says."""
    exact = data[:1] != b"0"
    handles = Handles("s", 1)
    handles.add(object())
    handles.callback = lambda *about: about
    for read in (arguments, lambda body, handles, exact: key_of(body, handles)):
        try:
            read(body_of(data[1:]), handles, exact)
        except Rejected:
            pass


def python_return_type(data):
    try:
        hint = str(data, "utf-8")
    except ValueError:
        return
    _type_name.parse.__wrapped__(hint)


def python_npy(data):
    """The head of an array. Another reader of what is read gets the same."""
    try:
        descr, fortran, shape, begin = _npy.parse(data)
    except _npy.BadHeader:
        return
    assert 0 < begin <= len(data) and all(length >= 0 for length in shape), (begin, shape)
    if not fortran and type(descr) is str:
        assert _npy.parse(_npy.header(descr, shape))[:3] == (descr, fortran, shape)


def python_datum(data):
    """A line that describes a datum, and the memory that came with it."""
    described, _, content = data.partition(b"\n")
    fd = new_memfd()
    try:
        os.write(fd, content)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SHRINK)
        attached = Attached([fd], True, -1, lambda value: value_of(value, Handles("s", 1), True, of_request=False))
        attached.described(b'{"data": [%s]}' % described)
        attached.get(0)
    except Rejected:
        pass
    finally:
        close_all([fd])


class FrameReader(Worker):
    """The worker's loop, which notes the requests instead of running them."""

    def __init__(self, pieces):
        super().__init__()
        self.pieces, self.messages, self.limits = iter(pieces), [], {}

    def read_all(self):
        try:
            for piece in self.pieces:
                self.inbox.append(piece)
                self.handle_frames()
        except (BrokenLink, Rejected, TypeError):  # limits that the host does not write
            pass
        return self.messages

    def read_more(self, size):
        while size > 0:
            piece = next(self.pieces, b"")
            if not piece:
                raise BrokenLink("the host closed the link inside a frame")
            self.inbox.append(piece)
            size -= len(piece)

    def handle_request(self, message_type, flags, request_id, body):
        self.messages.append((message_type, flags, request_id, bytes(body), self.limits))
        self.limits = {}

    def set_up(self, body):
        self.messages.append(body)

    def apply_limits(self, request_id, limits):
        self.limits[request_id] = vars(limits)  # again, where the request that follows has not arrived


def python_frames(data):
    """The first byte says in which pieces the others arrive; the messages are the same however they do."""
    if len(data) < 2:
        return
    size, data = data[0] + 1, data[1:]
    whole = FrameReader([data]).read_all()
    assert FrameReader([data[at : at + size] for at in range(0, len(data), size)]).read_all() == whole, whole


def python_answer(data):
    """What the host answers to calls from Python."""
    readable, writable = os.pipe()
    try:
        link = HostConnection(InterruptGate())
        link.open(readable, writable)
        os.write(writable, data[:LONGEST])
        os.close(writable)
        writable = -1
        while True:
            link.read()
    except Exception as error:
        if type(error).__name__ != "HostError":
            raise
    finally:
        close_all([fd for fd in (readable, writable) if fd >= 0])


TARGETS = {function.__name__: function for function in (python_answer, python_datum, python_frames, python_npy, python_request, python_return_type)}
