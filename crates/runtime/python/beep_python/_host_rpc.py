"""Calls from Python to the host, over the worker's second pair of pipes, from any thread.

There is no reader thread: one of the waiting threads reads, and delivers replies to the others.
"""

import collections
import itertools
import select
import threading
from json import dumps, loads

from . import _wire
from ._builtins import own as __builtins__
from ._pipes import reading

CALL = 96  # {"method", "params", "progress"}; progress is true if the caller wants it
RESULT = 97  # a JSON value
ERROR = 98  # {"code", "detail"}
PROGRESS = 99  # {"stage", "message", ...}; the result follows later
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
        self.nested = None  # handles a request that arrives for a waiting thread
        self.poll = select.poll()

    def open(self, source, sink):
        self.source, self.sink = source, sink
        self.poll.register(source, select.POLLIN)
        self.reads = reading(source, READ, self.unparsed)

    def call(self, method, params, progress=None):
        """Returns the host's answer or raises HostError. `progress` is called with a dict for each step."""
        return loads(self.request(method, dumps(params).encode(), progress))

    def request(self, method, params, progress=None):
        """As `call`, with parameters and result as JSON text."""
        request_id = next(self.ids)
        inbox = self.inboxes[request_id] = collections.deque()
        try:
            wants = b"true" if progress is not None else b"false"
            self.send(CALL, request_id, b'{"method":"%s","params":%s,"progress":%s}' % (method.encode(), params, wants))
            while True:
                self.wait(inbox)
                while inbox:
                    message_type, body = inbox.popleft()
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

    def send(self, message_type, request_id, body):
        with self.writing, self.gate.defer_interrupts():  # half a frame would break the link
            parts = _wire.frames(message_type, request_id, body)
            for head, part in zip(parts[::2], parts[1::2]):
                _wire.write_all(self.sink, b"".join((head, part)))

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


def request(method, params):
    """As `call`, with parameters and result as JSON text."""
    if _link is None:
        raise HostError("internal", "this process has no host: it was forked, or runs outside a session")
    return _link.request(method, params)
