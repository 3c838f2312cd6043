"""Streams: iterators, synchronous or not, whose items go to a client as they come, as many as it has asked for."""

import sys
import time
from fcntl import ioctl
from termios import FIONREAD

from . import _wire
from ._builtins import own as __builtins__
from ._encode import dumps, encode
from ._terms import smaller
from ._text import type_name
from ._wire import Refused

MAX_ITEMS = 1000  # of one round, where the client does not say
MAX_BYTES = 1 << 20  # of one round: what a client that does not read makes the host hold
ALONE = 1e-3  # seconds that a round may take before it lets the other calls of its session in


class Stream:
    """An iterator that a session keeps for a client."""

    def __init__(self, thing):
        kind = type(thing)
        self.asynchronous = hasattr(kind, "__aiter__") and not hasattr(kind, "__iter__")
        self.iterator = kind.__aiter__(thing) if self.asynchronous else iter(thing)
        self.type_name = type_name(type(self.iterator))


class Streams:
    """`source` is where requests come in; `busy` says whether more of them are at hand already."""

    def __init__(self, handles, awaiter, client, source=None, busy=lambda: False):
        self.handles, self.awaiter, self.client = handles, awaiter, client
        self.source, self.busy = source, busy
        self.now = time.monotonic
        self.result_bytes = None  # that an item may have

    def run(self, stream, hid, credit, exact):
        """One round: the items that are asked for, and what the answer says. A stream that ends is forgotten."""
        limit = MAX_ITEMS if credit is None else credit
        terms = self.handles.terms
        most = smaller(self.result_bytes, terms.result_bytes) if terms is not None else self.result_bytes
        self.most = sys.maxsize if most is None else most
        try:
            if stream.asynchronous:
                done, count = self.awaiter.wait(self.send_awaited(stream.iterator, limit, exact))
            else:
                done, count = self.send(stream.iterator, limit, exact)
            # A cancel that comes now is too late: one after the stream got its handle, and before the client was told of
            # it, would leave it open for ever.
            self.awaiter.turn.end()
        except BaseException:
            # It failed, or was cancelled since nobody waits for its items any more.
            self.end(stream, hid)
            raise
        if done:
            self.handles.forget(hid)
            return {"done": True, "count": count}
        if hid is None:
            hid = self.handles.add(stream)
        return {"handleId": hid, "typeName": stream.type_name, "done": False, "count": count}

    def send(self, iterator, limit, exact):
        advance = type(iterator).__next__
        count, left, began = 0, MAX_BYTES, self.now()
        while count < limit:
            try:
                item = advance(iterator)
            except StopIteration:
                return True, count
            left -= self.tell(item, exact)
            count += 1
            if left <= 0 or (self.now() - began > ALONE and self.others_wait()):
                break
        return False, count

    async def send_awaited(self, iterator, limit, exact):
        advance = type(iterator).__anext__
        count, left, began = 0, MAX_BYTES, self.now()
        while count < limit:
            try:
                item = await advance(iterator)
            except StopAsyncIteration:
                return True, count
            left -= self.tell(item, exact)
            count += 1
            if left <= 0 or (self.now() - began > ALONE and self.others_wait()):
                break
        return False, count

    def tell(self, item, exact):
        """Sends one item at once: nobody knows how long the next one takes. Gives its size."""
        body, kind = encode(item, exact), _wire.ITEM
        if body is None:
            body, kind = dumps(self.handles.keep(item)).encode("utf-8", "replace"), _wire.ITEM_HANDLE
        elif len(body) > self.most:
            said = "an item of the stream has %d bytes, more than the %d that this call may send" % (len(body), self.most)
            raise Refused("result_too_large", said)
        self.client.write(kind, body)
        return len(body) + _wire.HEADER_BYTES

    def others_wait(self):
        if self.busy():
            return True
        if self.source is None:
            return False
        count = bytearray(4)
        ioctl(self.source, FIONREAD, count)
        return int.from_bytes(count, sys.byteorder) > 0

    def end(self, stream, hid):
        """Closes it now; what its code does at its end is done when this returns."""
        self.handles.forget(hid)
        iterator = stream.iterator
        if stream.asynchronous:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                self.awaiter.finish(close())
        else:
            close = getattr(iterator, "close", None)
            if callable(close) and hasattr(type(iterator), "send"):  # a generator; a file is its owner's to close
                close()
