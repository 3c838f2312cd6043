"""Calls from Python to the host, over the worker's second pair of pipes, from any thread.

There is no reader thread: of the threads that wait for an answer, one reads, and hands out what is not its own.
"""

import collections
import itertools
import select
import threading
from json import dumps, loads
from os import read

from . import _wire
from ._builtins import own as __builtins__

CALL = 96  # {"method", "params", "progress"}: whether progress is wanted
RESULT = 97  # a JSON value
ERROR = 98  # {"code", "detail"}
PROGRESS = 99  # {"stage", "message", ...}: more is to come
NESTED = 100  # u8 operation, u8 whether exact, u64 id, u32 length of terms, these, the request: to be carried out meanwhile
READ = 1 << 16


class HostError(RuntimeError):
    """The host could not do what it was asked. `code` is a stable word, as in PROTOCOL.md."""

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
        self.reader = None  # the thread that reads now
        self.partial = {}  # parts of bodies of which more is to come, by id
        self.inboxes = {}  # what came for a call, by its id; an answer nobody waits for any more is dropped
        self.unparsed = b""
        self.nested = None  # carries out a request that came for a thread which waits here
        self.poll = select.poll()

    def open(self, source, sink):
        self.source, self.sink = source, sink
        self.poll.register(source, select.POLLIN)

    def call(self, method, params, progress=None):
        """The host's answer; raises HostError. `progress` is called with a dict for each step that the host tells of."""
        return loads(self.request(method, dumps(params).encode(), progress))

    def request(self, method, params, progress=None):
        """The same, in JSON."""
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
        with self.writing, self.gate.defer_interrupts():  # half a frame would be the end of the link
            for part in _wire.frames(message_type, request_id, body):
                _wire.write_all(self.sink, part)

    def wait(self, inbox):
        """Until something came, for whomever."""
        me = threading.get_ident()
        try:
            with self.changed:
                while not inbox and self.reader is not None:
                    self.changed.wait()
                if inbox:
                    return
                self.reader = me
            self.poll.poll()  # interruptible: nothing is lost here
            with self.gate.defer_interrupts():
                self.read()
        finally:
            with self.changed:
                if self.reader == me:
                    self.reader = None
                    self.changed.notify_all()

    def read(self):
        data = read(self.source, READ)
        if not data:
            raise HostError("internal", "the host has closed its link")
        data = self.unparsed + data
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
        self.unparsed = data[at:]


_link = None


def connect(link):
    """Makes this process's link the one that `beep_python` speaks over."""
    global _link
    _link = link


def disconnect():
    """In a child that the user's code forked: two processes on one link would read each other's answers."""
    global _link
    _link = None


def call(method, params, progress=None):
    if _link is None:
        raise HostError("internal", "this process has no host: it was forked, or runs outside a session")
    return _link.call(method, params, progress)


def request(method, params):
    """As `call`, with parameters and answer in JSON."""
    if _link is None:
        raise HostError("internal", "this process has no host: it was forked, or runs outside a session")
    return _link.request(method, params)
