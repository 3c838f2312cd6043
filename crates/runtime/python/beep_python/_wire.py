"""The frames between the host and a worker. WORKER.md shows them by example; `frame.rs` is the other half."""

import os
import struct

from ._builtins import own as __builtins__

# u32 length of the body, u8 type, u8 flags, u16 version, u64 id; little-endian
HEADER = struct.Struct("<IBBHQ")
HEADER_BYTES = HEADER.size
MAX_BODY = 1 << 20
MAX_MESSAGE = 1 << 30  # of all frames of a message together
VERSION = 1

# flags
MORE = 1  # the message goes on in the next frame of this id
EXACT = 2  # on a request: answer in the exact form
PIPELINED = 4  # on a request: sent while others were unanswered
EVENTS = 8  # on a request: its client accepts events before the answer
STDIN = 16  # on a request: its client answers input()
CALLBACKS = 32  # on a request: its client answers callbacks
TAKES_DATUM = 64  # on a request: its client takes a datum as the answer
ATTACHED = 128  # on a request: descriptors were sent for it, on the socket of data

# requests have the number of their operation; a frame of limits may precede one
REQUEST_LIMITS = 32  # of one request, with its id, or of all, with id 0
SETUP = 33  # before the first request: {"env", "setup"}; its answer is OBJECT or EXCEPTION

# answers
VALUE = 64  # a JSON value
HANDLE = 65  # a JSON object that describes a new handle
OBJECT = 66  # a JSON object that is the whole answer
FLOATS = 67  # 32-bit floats
FLOAT_ROWS = 68  # u32 rows, u32 length of each, then the floats of all
EXCEPTION = 69  # {"detail", "exception"}: Python raised
REJECTED = 70  # {"code", "detail"}: the request is invalid or exceeds a limit
CANCELLED = 71  # {"detail", "exception", "results"}, the last of a batch; nothing where it did not start
READY = 72  # the first frame of a worker: {"pid", "python"}
DATA = 73  # {"number", "data"}: a datum, whose memory went before, on the socket of data
DATA_INLINE = 74  # u32 length of {"data"}, that, then the bytes: where no descriptor can be sent
LATE = 75  # u8 type, u32 length of a JSON list of frames, that list, then the answer of that type: an interrupt reached its code there, which went on

# events, before an answer
DISPLAY = 80  # {"data", "metadata"}
ITEM = 81  # a JSON value
ITEM_HANDLE = 82  # a JSON object that describes a new handle
NESTED_ANSWER = 83  # u64 id, u8 type, body: the answer to a nested call

# what a call answers that has run to its end
FINISHED = frozenset((VALUE, HANDLE, OBJECT, FLOATS, FLOAT_ROWS, EXCEPTION, REJECTED, DATA))

_write = os.write  # bound here, out of reach of user code that patches os


class Rejected(Exception):
    """The worker rejects a request; no Python code raised this."""

    def __init__(self, code, detail, ran=False):
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.ran = ran  # whether the code ran, and only its result was refused


class BrokenLink(Exception):
    """What the host sends cannot be understood, or has ended within a frame."""


def frames(message_type, request_id, body):
    """Splits a message into frames; returns the buffers to write."""
    size = len(body)
    if size <= MAX_BODY:
        return [HEADER.pack(size, message_type, 0, VERSION, request_id), body]
    out = []
    view = memoryview(body)
    for start in range(0, size, MAX_BODY):
        part = view[start : start + MAX_BODY]
        more = MORE if start + MAX_BODY < size else 0
        out += (HEADER.pack(len(part), message_type, more, VERSION, request_id), part)
    return out


def write_all(fd, data):
    """Writes every byte to a blocking descriptor."""
    done = _write(fd, data)
    if done < len(data):
        view = memoryview(data)
        while done < len(data):
            done += _write(fd, view[done:])
