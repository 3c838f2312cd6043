"""Calls from Python to the host, over the worker's second pair of pipes, from any thread.

There is no reader thread: one of the waiting threads reads, and delivers replies to the others.
"""

import collections
import itertools
import threading
from _thread import get_ident
from json import dumps, loads
from select import POLLIN, poll

from . import _wire
from ._builtins import own as __builtins__
from ._pipes import reading

CALL = 96  # {"method", "params", "progress"}; progress is true if the caller wants it
RESULT = 97  # a JSON value
ERROR = 98  # {"code", "detail"}
PROGRESS = 99  # {"stage", "message", ...}; the result follows later
CLIENT_CALL = 101  # u64 id of the request that it belongs to, then as CALL: what concerns the client of that request
OUTPUT = 102  # its id is that of a request: u8 descriptor, text. It has no answer
WITHDRAW = 103  # from the worker: nobody waits for the answer to this call any more
DEBUGGER = 104  # what `_debugger.listen` returned, without an answer
NESTED = 100  # u8 operation, u8 flags, u64 id, u32 length of limits, limits, request: run while the call waits
READ = 1 << 16


class HostError(RuntimeError):
    """A call to the host failed. `code` is a stable word, as in PROTOCOL.md."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code


HostError.__module__ = "beep_python"  # where users find it


class HostConnection:
    def __init__(self, gate):
        self.source = self.sink = -1
        self.gate = gate
        self.ids = itertools.count(1)
        self.writing = threading.Lock()
        self.changed = threading.Condition(threading.Lock())
        self.reader = None  # the thread that is reading
        self.partial = {}  # parts of unfinished messages, by id
        self.inboxes = {}  # messages for each waiting call, by its id; others are dropped
        self.unparsed = [b""]  # the rest of what was read, and what was read since then
        self.reads = iter(())
        self.sender = None  # the thread that writes
        self.untold = collections.deque()  # messages without an answer that are not written yet
        self.nested = None  # handles a request that arrives for a waiting thread
        self.poll = poll()

    def open(self, source, sink):
        self.source, self.sink = source, sink
        self.poll.register(source, POLLIN)
        self.reads = reading(source, READ, self.unparsed)

    def call(self, method, params, progress=None):
        """Returns the host's answer or raises HostError. `progress` is called with a dict for each step."""
        return loads(self.request(method, dumps(params).encode(), progress))

    def request(self, method, params, progress=None, of=None):
        """As `call`, with parameters and result as JSON text. `of` is the call whose client it concerns."""
        request_id = next(self.ids)
        inbox = self.inboxes[request_id] = collections.deque()
        answered = False
        try:
            wants = b"true" if progress is not None else b"false"
            body = b'{"method":"%s","params":%s,"progress":%s}' % (method.encode(), params, wants)
            if of is None:
                self.send(CALL, request_id, body)
            else:
                self.send(CLIENT_CALL, request_id, of.to_bytes(8, "little") + body)
            while True:
                self.wait(inbox)
                while inbox:
                    message_type, body = inbox.popleft()
                    answered = message_type in (RESULT, ERROR)
                    if message_type == RESULT:
                        return body
                    if message_type == NESTED:
                        self.nested(body)
                        continue
                    reply = loads(body)
                    if message_type == ERROR:
                        raise HostError(reply["code"], reply["detail"])
                    if progress is not None:
                        progress(reply)
        finally:
            self.inboxes.pop(request_id, None)
            if not answered and self.sink >= 0:
                self.send(WITHDRAW, request_id, b"")  # a question of this call's has no use for an answer

    def send(self, message_type, request_id, body):
        with self.writing, self.gate.defer_interrupts():  # half a frame would break the link
            self.sender = get_ident()
            try:
                parts = _wire.frames(message_type, request_id, body)
                for head, part in zip(parts[::2], parts[1::2]):
                    _wire.write_all(self.sink, b"".join((head, part)))
            finally:
                self.sender = None
        if self.untold:
            self.tell_all()

    def tell(self, message_type, request_id, body):
        """Sends a message that has no answer. A finalizer may do so while its thread writes another one, which goes first."""
        self.untold.append((message_type, request_id, body))
        if self.sender != get_ident():
            self.tell_all()

    def tell_all(self):
        while self.untold:
            try:
                message = self.untold.popleft()
            except IndexError:  # a thread was faster
                return
            self.send(*message)

    def wait(self, inbox):
        """Waits until this inbox has a message; reads for all callers meanwhile."""
        me = threading.get_ident()
        try:
            with self.changed:
                while not inbox and self.reader is not None:
                    self.changed.wait()
                if inbox:
                    return
                self.reader = me
            if len(self.unparsed) == 1:  # else an exception struck the one that has read it
                self.poll.poll()  # interruptible: nothing is read yet
            with self.gate.defer_interrupts():
                self.read()
        finally:
            with self.changed:
                if self.reader == me:
                    self.reader = None
                    self.changed.notify_all()

    def read(self):
        if len(self.unparsed) == 1:
            next(self.reads)
        if not self.unparsed[-1]:
            self.unparsed.pop()
            raise HostError("internal", "the host has closed its link")
        data = b"".join(self.unparsed)
        at = 0
        while len(data) - at >= _wire.HEADER_BYTES:
            size, message_type, flags, _, request_id = _wire.HEADER.unpack_from(data, at)
            end = at + _wire.HEADER_BYTES + size
            if end > len(data):
                break
            parts = self.partial.setdefault(request_id, [])
            parts.append(data[at + _wire.HEADER_BYTES : end])
            at = end
            if flags & _wire.MORE:
                continue
            del self.partial[request_id]
            inbox = self.inboxes.get(request_id)
            if inbox is not None:
                inbox.append((message_type, b"".join(parts)))
        self.unparsed[:] = (data[at:],)


_link = None


def connect(link):
    """Makes this the connection of `beep_python` in this process."""
    global _link
    _link = link


def disconnect():
    """In a forked child: two processes on one connection would read each other's answers. Returns the connection."""
    global _link
    link, _link = _link, None
    return link


def call(method, params, progress=None):
    if _link is None:
        raise HostError("internal", "this process has no host: it was forked, or runs outside a session")
    return _link.call(method, params, progress)


def request(method, params, of):
    """As `call`, with parameters and result as JSON text, for the client of a call."""
    if _link is None:
        raise HostError("internal", "this process has no host: it was forked, or runs outside a session")
    return _link.request(method, params, of=of)


def is_sending():
    """Whether this thread is about to send: it runs a finalizer meanwhile."""
    return _link is not None and _link.sender == get_ident()


def tell(message_type, request_id, body):
    """Sends a message that has no answer."""
    if _link is not None:
        _link.tell(message_type, request_id, body)
