"""A worker's whole life: read requests, run them one at a time in order of arrival, write answers."""

import atexit
import builtins
import faulthandler
import functools
import os
import select
import struct
import sys
import time
from fcntl import ioctl
from os import _exit, close, read, sched_setaffinity
from termios import FIONREAD

from . import _failure, _host, _output, _process, _slots, _wire
from ._awaiter import Awaiter
from ._builtins import own as __builtins__
from ._client import Client
from ._encode import dumps
from ._session import Session
from ._streams import Streams
from ._terms import Terms
from ._turn import Turn
from ._wire import Refused

# what the host sends with each request for a worker, in this order
DESCRIPTORS = ("link_in", "link_out", "host_in", "host_out", "stdout", "stderr", "page")
STACKS = 16  # SIGSTKFLT, which nobody sends but the host: write where all threads stand
READ = 1 << 16
NESTED = struct.Struct("<BBQI")  # operation, whether exact, id, length of the terms
LIVE = (12, 13, 14)  # operations that tell of more than an answer
LONG = 1.0  # seconds; the time of a call that takes longer does not count for leases: who would renew waits behind it
OVERDUE = 1.0  # seconds that requests which come one after the other keep leases from running out
LONGEST = 3600.0  # seconds to wait at once
QUICK = 50e-6  # seconds; answers wait for each other only while the calls take less
NOTHING = bytes(4)
DRAIN_STEP = 20e-6  # seconds between looks whether the host has fetched the output of the call before
DRAIN_STEPS = 700  # some 50 ms in all, where more keeps coming
DRAIN_STEPS_SLOW = 70_000  # some 5 s, where the host has not come to it yet


class Worker:
    """Made before there is a process for it: what all workers have alike is made once, and shared after the fork.

    All that the loop needs is bound here, out of reach of code that patches modules.
    """

    def __init__(self):
        self.turn = Turn()
        self.awaiter = Awaiter(self.turn)
        self.link = _host.HostLink(self.turn)
        self.link.nested = self.run_nested
        self.client = Client(self.tell, self.flush_output)
        self.buffered = False  # whether requests are at hand that were not begun
        self.session = Session(self.awaiter, self.client, functools.partial(Streams, busy=lambda: self.buffered))
        self.leases = self.session.handles.leases
        self.stdout, self.stderr = _output.streams()
        self.before = sys.stdout, sys.stderr  # kept: to take them apart in each process touches memory of its own
        self.flush_stdout, self.flush_stderr = self.stdout.flush, self.stderr.flush
        self.now, self.sleep = time.monotonic, time.sleep
        self.source = self.sink = self.lifeline = -1
        self.private = self.outputs = ()
        self.answers = []  # frames that are not written yet
        self.unread = bytearray(4)  # a C int, as FIONREAD gives it
        self.partial = {}  # parts of bodies of which more is to come, by id
        self.forked = False
        self.bits, self.cpus = b"", ()  # its CPUs, as the page has them, and as numbers

    def connect(self, fd, lifeline, request):
        """Makes this process the worker. `fd` has the descriptors by name."""
        self.source, self.sink, self.lifeline = fd["link_in"], fd["link_out"], lifeline
        self.outputs = (fd["stdout"], fd["stderr"])
        self.private = list(fd.values())
        self.turn.page, self.turn.running = _slots.open_page(fd["page"])
        self.turn.wake = self.wake
        faulthandler.register(STACKS, file=fd["page"], all_threads=True, chain=False)
        self.link.open(fd["host_in"], fd["host_out"])
        _host.connect(self.link)
        self.session.streams.source = self.source
        self.session.enter(request["tag"], request["epoch"], request.get("handles"))
        builtins.input, builtins.display = self.client.input, self.client.display
        _output.Ordered.follower = self.client
        sys.stdout = sys.__stdout__ = self.stdout
        sys.stderr = sys.__stderr__ = self.stderr
        os.register_at_fork(after_in_child=self.leave_to_parent)

    def leave_to_parent(self):
        """In a child that the user's code forked: it must never answer, nor keep the link open."""
        self.forked = True
        for fd in self.private:
            try:
                close(fd)
            except OSError:  # closed by the user's code
                pass
        self.source = self.sink = -1
        try:
            _process.die_with(self.lifeline)
        except OSError:  # closed by the user's code
            pass
        _host.disconnect()
        self.turn.wake = None  # the page is the parent's
        self.awaiter.stop_idling()  # so that a child of a background task ends with the step that forked it
        self.turn.unwatch()

    def serve(self):
        """Until the host closes the link."""
        turn, awaiter, source = self.turn, self.awaiter, self.source
        leases = self.leases
        page, rests, going_back = turn.page, _slots.RESTS, _slots.GOING_BACK
        turn.watch()
        ready = {"pid": os.getpid(), "python": sys.version.split()[0]}
        self.answers += _wire.frames(_wire.READY, 0, dumps(ready).encode())
        self.flush()
        rest = b""
        while True:
            data = None
            try:
                if leases.due is not None:
                    self.wait_with_leases()
                elif awaiter.loop is not None:
                    awaiter.idle(source)
                    if self.forked:  # a background task did
                        self.end_as_child(None)
                page[rests] = 1
                data = read(source, READ)
                page[rests] = 0
            except BaseException as error:
                if self.forked:  # a signal handler did
                    self.end_as_child(None)
                if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
                    raise
                page[rests] = 0
                _failure.report("a signal handler raised while the session was idle")
            if page[going_back]:
                self.wake()
            if data is None:
                continue
            if not data:
                self.session.handles.report()
                return
            turn.watch()
            rest = self.take_frames(rest + data if rest else data)

    def wake(self):
        """Says that it does not rest any more, and goes back to all of its CPUs where the host let it wake up on one."""
        page = self.turn.page
        page[_slots.RESTS] = 0
        # Not before it has them back, whatever a signal handler does meanwhile.
        while page[_slots.GOING_BACK] in (_slots.TOLD, _slots.GOES):
            try:
                page[_slots.GOING_BACK] = _slots.GOES
                bits = bytes(page[_slots.CPUS : _slots.CPUS + _slots.CPUS_BYTES])
                if bits != self.bits:
                    self.bits, self.cpus = bits, _slots.numbers(bits)
                page[_slots.GOING_BACK] = 0 if self.spread() else _slots.CANNOT
            except BaseException:
                _failure.report("a signal handler raised while the session was idle")

    def spread(self):
        for cpus in (self.cpus, range(8 * _slots.CPUS_BYTES)):
            try:
                sched_setaffinity(0, cpus)
                return True
            except OSError:  # they were taken away just now; whichever there are will do
                pass
        return False  # forbidden by the user's code

    def wait_with_leases(self):
        """Until a request can be read; meanwhile leases run out, and background tasks go on.

        Requests go first, for they may renew. But one after the other does not keep leases from running out.
        """
        leases, ready = self.leases, select.poll()
        ready.register(self.source, select.POLLIN)
        while leases.due is not None:
            left = leases.due - self.now()
            if left > -OVERDUE and ready.poll(0):
                return
            if left <= 0:
                self.session.end_leases()
                continue
            left = min(left, LONGEST)
            if self.awaiter.loop is not None:
                self.awaiter.idle(self.source, left)
                if self.forked:  # a background task did
                    self.end_as_child(None)
                left = min(max(0, leases.due - self.now()), LONGEST)
            if ready.poll(left * 1000):
                return
        if self.awaiter.loop is not None:
            self.awaiter.idle(self.source)
            if self.forked:
                self.end_as_child(None)

    def take_frames(self, buffer):
        """Carries out every whole request in the buffer; gives what is left over."""
        at, end = 0, len(buffer)
        handles = self.session.handles
        while end - at >= _wire.HEADER_BYTES:
            size, kind, flags, version, rid = _wire.HEADER.unpack_from(buffer, at)
            if version != _wire.VERSION or size > _wire.MAX_BODY:
                raise ValueError("the host sent a frame of version %d with %d bytes" % (version, size))
            start = at + _wire.HEADER_BYTES
            if start + size > end:
                self.flush()
                buffer = buffer[at:] + self.read_exactly(start + size - end)
                at, end = 0, len(buffer)
                continue
            at = start + size
            self.buffered = at < end
            if flags & _wire.MORE:
                self.partial.setdefault(rid, []).append(buffer[start:at])
                continue
            body = buffer[start:at]
            if kind == _wire.TERMS:
                self.agree(rid, Terms(body))
                continue
            if self.partial and rid in self.partial:
                body = b"".join((*self.partial.pop(rid), body))
            self.take(kind, flags, rid, body)
            if handles.terms is not None:
                handles.terms = None
        self.flush()
        return buffer[at:]

    def agree(self, rid, terms):
        """To the terms of the request that follows, or of all of them."""
        if rid == 0:
            self.session.streams.result_bytes = terms.result_bytes
        else:
            self.session.handles.terms = terms

    def read_exactly(self, size):
        parts = []
        while size:
            data = read(self.source, size)
            if not data:
                raise EOFError("the host closed the link inside a frame")
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def take(self, kind, flags, rid, body):
        program = self.session.prepared.get(body) if kind == 1 else None
        if self.answers and (program is None or not program.quick):
            self.flush()  # a finished answer must not wait for a call that may take long
        if flags & _wire.FOLLOWS:
            self.let_output_drain()
        self.client.flags = flags
        began = self.now()
        try:
            kind, answer = self.run(kind, flags & _wire.EXACT, rid, body)
        except KeyboardInterrupt:  # one more came while the first was being passed on
            self.turn.end()
            kind, answer = _wire.CANCELLED, b"started"
        if program is not None:
            program.quick = self.now() - began < QUICK
        leases = self.leases
        if leases.due is not None and self.now() - began > LONG:
            leases.stand_still(self.now() - began)
        self.flush_output()
        if self.forked:
            self.end_as_child(None)
        if len(answer) > READ:
            self.flush()
            if len(answer) > _wire.MAX_MESSAGE:
                kind, answer = _wire.REFUSED, refusal(
                    Refused("not_representable", "an answer of %d bytes is too large to be sent" % len(answer))
                )
            for part in _wire.frames(kind, rid, answer):
                _wire.write_all(self.sink, part)
        else:
            self.answers += _wire.frames(kind, rid, answer)

    def run(self, kind, exact, rid, body):
        turn = self.turn
        try:
            try:
                if not turn.begin(rid):
                    return _wire.CANCELLED, b""
                return self.session.operations[kind](body, exact)
            finally:
                turn.end()
        except BaseException as error:
            turn.end()  # a second interrupt may have come before the first one's `end`
            if self.forked:
                self.end_as_child(error)
            if isinstance(error, Refused):
                return _wire.REFUSED, refusal(error)
            if turn.cancelled(rid) and is_cancel(error):
                return _wire.CANCELLED, b"started"
            return _wire.EXCEPTION, _failure.encode(error)

    def flush_output(self):
        try:
            self.flush_stdout()
            self.flush_stderr()
            if sys.stdout is not self.stdout or sys.stderr is not self.stderr:
                flush_current()
        except Exception:  # the user's code closed or deleted one
            flush_each((self.flush_stdout, self.flush_stderr))
            flush_current()

    def tell(self, kind, body):
        """Sends what comes before the answer of the request that runs. On the main thread only."""
        turn = self.turn
        turn.shields += 1  # as `shielded` does, which takes longer: items come by the hundred thousand
        try:
            size = len(body)
            if size < READ:
                _wire.write_all(self.sink, _wire.HEADER.pack(size, kind, 0, _wire.VERSION, turn.running[0]) + body)
            else:
                for part in _wire.frames(kind, turn.running[0], body):
                    _wire.write_all(self.sink, part)
        finally:
            turn.shields -= 1
            if turn.missed and not turn.shields:
                turn.missed = False
                turn.interrupt(None, None)

    def run_nested(self, message):
        """Carries out a request that came while the main thread waits for the client's answer to a callback.

        A cancel of it ends it alone; one of a call around it ends it too, and goes on to that.
        """
        kind, exact, rid, size = NESTED.unpack_from(message)
        terms, body = message[NESTED.size : NESTED.size + size], message[NESTED.size + size :]
        turn, client, handles = self.turn, self.client, self.session.handles
        slot = _slots.SLOTS + (rid & _slots.SLOTS - 1)
        before = client.flags, handles.terms
        client.flags = client.flags | _wire.EXACT if exact else client.flags & ~_wire.EXACT
        handles.terms = Terms(terms) if size else None
        try:
            kind, answer = self.nested_answer(kind, exact, slot, body)
        except KeyboardInterrupt:  # one more came while the first was being passed on
            turn.leave(slot)
            kind, answer = _wire.CANCELLED, b"started"
        finally:
            client.flags, handles.terms = before
        self.flush_output()
        self.tell(_wire.NESTED_ANSWER, rid.to_bytes(8, "little") + bytes((kind,)) + answer)
        turn.interrupt(None, None)  # where it was a call around this one that was to stop

    def nested_answer(self, kind, exact, slot, body):
        turn = self.turn
        try:
            try:
                if kind in LIVE:
                    raise Refused("invalid_request", "within a callback only what has no events can be asked for")
                if not turn.enter(slot):
                    return _wire.CANCELLED, b""
                return self.session.operations[kind](body, exact)
            finally:
                stopping = turn.stopping()
                turn.leave(slot)
        except BaseException as error:
            turn.leave(slot)
            if self.forked:
                raise
            if isinstance(error, Refused):
                return _wire.REFUSED, refusal(error)
            if stopping and is_cancel(error):
                return _wire.CANCELLED, b"started"
            return _wire.EXCEPTION, _failure.encode(error)

    def let_output_drain(self):
        """Output in the pipes belongs to the call before this one: the host reads them by who is running.

        A thread that prints for ever keeps them full; it is waited for a short while. A host that is slow, longer.
        """
        unread = self.unread
        for fd in self.outputs:
            ioctl(fd, FIONREAD, unread)
            if unread != NOTHING:
                self.wait_until_read(fd)

    def wait_until_read(self, fd):
        unread = self.unread
        last, grown = None, False
        for step in range(DRAIN_STEPS_SLOW):
            ioctl(fd, FIONREAD, unread)
            if unread == NOTHING:
                return
            left = int.from_bytes(unread, sys.byteorder)
            grown = grown or (last is not None and left > last)
            if grown and step >= DRAIN_STEPS:
                return
            last = left
            self.sleep(DRAIN_STEP)

    def flush(self):
        if self.answers:
            _wire.write_all(self.sink, b"".join(self.answers))
            self.answers.clear()

    def end_as_child(self, error):
        """Ends a process that the user's code forked as any Python ends."""
        status = 0
        try:
            if isinstance(error, SystemExit):
                code = error.code
                status = 0 if code is None else code & 0xFF if isinstance(code, int) else 1
                if code is not None and not isinstance(code, int):
                    print(code, file=sys.stderr)
            elif error is not None:
                status = 1
                sys.excepthook(type(error), error, error.__traceback__)
        finally:
            leave(status)


def leave(status):
    """Does what the user's code wants done at the end, then ends the process."""
    try:
        atexit._run_exitfuncs()
    finally:
        flush_current()
        _exit(status)


def flush_current():
    """The streams that the user's code has now, which may be anything."""
    flush_each((lambda: sys.stdout.flush(), lambda: sys.stderr.flush()))


def flush_each(flushes):
    for flush in flushes:
        try:
            flush()
        except Exception:
            pass


def refusal(refused):
    return dumps({"code": refused.code, "detail": refused.detail}).encode()


def is_cancel(error):
    if isinstance(error, KeyboardInterrupt):
        return True
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)
