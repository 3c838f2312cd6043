"""Streams: iterators, synchronous or not, whose items go to a client one by one, up to its credit."""

import sys
import time
from fcntl import ioctl
from termios import FIONREAD

from . import _wire
from ._builtins import own as __builtins__
from ._encode import ESCAPED, dumps, encode
from ._limits import tighter
from ._repr import named
from ._wire import Rejected

MAX_ITEMS = 1000  # in one batch, if the client gives no credit
MAX_BYTES = 1 << 20  # in one batch: bounds what the host buffers for a client that does not read
ALONE = 1e-3  # seconds that a batch may take while other calls of the session wait


class Stream:
    """What a session knows of an iterator that goes to a client item by item. Its handle is that of the iterator itself."""

    def __init__(self, obj, keep=False):
        self.keep = keep  # whether the handles of its items outlive it
        self.made = []  # those that do not
        message_type = type(obj)
        self.asynchronous = hasattr(message_type, "__aiter__") and not hasattr(message_type, "__iter__")
        self.iterator = message_type.__aiter__(obj) if self.asynchronous else iter(obj)
        self.named = named(type(self.iterator))
        self.call = None  # the one that opened it


class Streams:
    """`source` is the pipe of requests; `busy` says whether more were already read from it."""

    def __init__(self, handles, session_loop, client, source=None, busy=lambda: False):
        self.handles, self.session_loop, self.client = handles, session_loop, client
        self.source, self.busy = source, busy
        self.now = time.monotonic
        self.result_bytes = None  # the limit of an item
        self.open = {}  # the streams between their batches, by handle
        self.stream = None  # the one that sends its batch

    def run(self, stream, handle_id, credit, exact):
        """Sends one batch of items and returns the answer, a JSON object. A stream that ends is forgotten."""
        limit = MAX_ITEMS if credit is None else credit
        byte_limit = self.result_limit()
        if stream.call is None:
            stream.call = self.client.origin.current()
        pause = self.client.origin.continue_as(stream.call)
        self.stream = stream
        self.byte_limit = sys.maxsize if byte_limit is None else byte_limit
        try:
            if stream.asynchronous:
                done, count, returned = self.session_loop.run(self.send_items_async(stream.iterator, limit, exact))
            else:
                done, count, returned = self.send_items(stream.iterator, limit, exact)
            if done:
                answer = self.last_answer(count, returned, exact)
            # From here on a cancel is too late: after the stream got its handle, and before the client learned of it, a
            # cancel would leave the stream open forever.
            self.session_loop.gate.end()
        except BaseException:
            # It failed, or was cancelled because its client no longer waits for items.
            self.end(stream, handle_id)
            raise
        finally:
            self.stream = None
            pause()
        if done:
            self.forget(stream, handle_id)
            return answer
        if handle_id is None:
            try:
                # Without credit the host goes on by itself, and disposes of it when its client goes: it needs no lease.
                handle_id = self.handles.add(stream.iterator, leased=credit is not None)
            except Rejected:  # the session holds as many objects as it may
                self.end(stream, None)
                raise
            self.open[handle_id] = stream
        return _json({"handleId": handle_id, **stream.named, "done": False, "count": count})

    def last_answer(self, count, returned, exact):
        """That of a stream which is over, with what its generator has returned."""
        answer = _json({"done": True, "count": count})
        if returned is None:
            return answer
        body = encode(returned, exact)
        told = _json(self.handles.keep(returned)) if body is None else b'{"value":%s}' % body
        if len(told) > self.byte_limit:
            detail = "what the stream's generator returned has %d bytes, more than the %d that this call may send"
            raise Rejected("result_too_large", detail % (len(told), self.byte_limit), ran=True)
        return answer[:-1] + b',"returned":%s}' % told

    def result_limit(self):
        """How many bytes a result, or an item, of the running call may have; None if any number."""
        limits = self.handles.request_limits
        return tighter(self.result_bytes, limits.result_bytes) if limits is not None else self.result_bytes

    def send_items(self, iterator, limit, exact):
        advance = type(iterator).__next__
        count, left, began = 0, MAX_BYTES, self.now()
        while count < limit:
            try:
                item = advance(iterator)
            except StopIteration as end:
                return True, count, end.value
            left -= self.send_item(item, exact)
            count += 1
            if left <= 0 or (self.now() - began > ALONE and self.others_wait()):
                break
        return False, count, None

    async def send_items_async(self, iterator, limit, exact):
        advance = type(iterator).__anext__
        count, left, began = 0, MAX_BYTES, self.now()
        while count < limit:
            try:
                item = await advance(iterator)
            except StopAsyncIteration:
                return True, count, None
            left -= self.send_item(item, exact)
            count += 1
            if left <= 0 or (self.now() - began > ALONE and self.others_wait()):
                break
        return False, count, None

    def send_item(self, item, exact):
        """Sends one item at once, since the next one may take long. Returns its size."""
        body, message_type = encode(item, exact), _wire.ITEM
        if body is None:
            body, message_type = _json(self.keep_item(item)), _wire.ITEM_HANDLE
        elif len(body) > self.byte_limit:
            detail = "an item of the stream has %d bytes, more than the %d that this call may send" % (len(body), self.byte_limit)
            raise Rejected("result_too_large", detail)
        self.client.write(message_type, body)
        return len(body) + _wire.HEADER_BYTES

    def keep_item(self, item):
        if self.stream.keep:
            return self.handles.keep(item)
        told = self.handles.keep_passing(item)
        self.stream.made.append(told["handleId"])
        return told

    def others_wait(self):
        if self.busy():
            return True
        if self.source is None:
            return False
        count = bytearray(4)
        ioctl(self.source, FIONREAD, count)
        return int.from_bytes(count, sys.byteorder) > 0

    def forget(self, stream, handle_id):
        self.open.pop(handle_id, None)
        self.handles.forget(handle_id)
        self.handles.end_passing(stream.made)

    def end(self, stream, handle_id):
        """Closes a stream, and runs its clean-up code before returning."""
        self.forget(stream, handle_id)
        iterator = stream.iterator
        if stream.asynchronous:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                self.session_loop.finish(close())
        else:
            close = getattr(iterator, "close", None)
            if callable(close) and hasattr(type(iterator), "send"):  # a generator; a file belongs to its owner
                close()


def _json(value):
    return dumps(value).encode("utf-8", ESCAPED)
