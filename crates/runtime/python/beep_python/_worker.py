"""A worker's main loop: it reads requests, runs them one at a time in order of arrival, and writes answers."""

import builtins
import faulthandler
import functools
import os
import sys
import time
from contextlib import suppress
from os import close

from . import _current, _exceptions, _exit, _host_rpc, _last_exception, _output, _process, _shared_page, _stopped, _wire
from ._affinity import AffinityRestorer
from ._builtins import own as __builtins__
from ._client import ClientProxy
from ._data import with_data
from ._encode import dumps
from ._event_loop import SessionLoop
from ._exit import exit_child, flush_each
from ._interrupts import InterruptGate, is_cancel
from ._lease_wait import wait_with_leases
from ._limits import RequestLimits
from ._memory import MEMORY
from ._nested import NestedCalls
from ._origin import Origin
from ._pipes import PIPE_BUF, Outbox, reading
from ._recovery import Recovery
from ._routed_output import RoutedOutput
from ._session import Session
from ._std_streams import StdStreams
from ._streams import Streams
from ._trace_context import traced
from ._wire import Rejected

# the descriptors that the host sends with each request for a worker, in this order
DESCRIPTORS = ("link_in", "link_out", "host_in", "host_out", "stdout", "stderr", "page", "data", "lifeline")
STACK_DUMP = 16  # SIGSTKFLT, which only the host sends: faulthandler writes the stacks of all threads
READ = 1 << 16
pack = _wire.HEADER.pack
SHORT = PIPE_BUF - _wire.HEADER_BYTES
LONG_CALL = 1.0  # seconds; a longer call does not use up leases, since their renewals wait behind it
QUICK = 50e-6  # seconds; answers are batched only behind calls that take less


class Worker:
    """Made in the zygote, before the fork, so that all workers share its memory.

    Everything the loop needs is bound here, out of reach of user code that patches modules.
    """

    def __init__(self):
        self.gate = InterruptGate()
        self.origin = Origin(self.gate)
        self.session_loop = SessionLoop(self.gate, self.before_loop)
        self.link = _host_rpc.HostConnection(self.gate)
        self.link.nested = NestedCalls(self).run
        self.stdout, self.stderr = _output.streams(self.gate)
        self.routed_output = RoutedOutput(self.origin, self.stdout, self.stderr)
        self.std_streams = StdStreams(self.stdout, self.stderr, self.routed_output.watch_buffer)
        self.client = ClientProxy(self.origin, self.send_event, self.std_streams.flush, self.gate.is_stopping)
        self.buffered = False  # whether requests were read that have not begun
        self.session = Session(self.session_loop, self.client, functools.partial(Streams, busy=lambda: self.buffered))
        self.leases = self.session.handles.leases
        self.before = sys.stdout, sys.stderr  # kept alive: freeing them in each worker would unshare memory
        self.flush_stdout, self.flush_stderr = self.std_streams.flushes
        # Between two instructions of the user's code. Where that is within a flush, its text is on the way, and another flush is an error.
        self.gate.flush = functools.partial(flush_each, (*self.std_streams.flushes, self.routed_output.finish_all), Exception)
        self.now = time.monotonic
        self.source = self.sink = self.lifeline = -1
        self.private = ()  # the descriptors that only the worker uses
        self.output_drain = _output.OutputDrain()
        self.affinity = AffinityRestorer()
        self.outbox = Outbox()
        self.answers = self.outbox.waiting  # frames not written yet
        self.inbox = []  # what was read and is not handled, in pieces
        self.reads = self.reads_more = iter(())
        self.at = 0  # how much of the first piece is handled
        self.shortened = None  # that piece without what is handled, while it takes its place
        self.begun = -1  # the request whose code was begun last
        self.partial = {}  # parts of unfinished messages, by request id; a tuple once they are joined
        self.forked = False  # whether this process is a child that the user's code forked

    def connect(self, fd, request):
        """Makes this process the worker. `fd` maps names to descriptors."""
        self.source, self.sink, self.lifeline = fd["link_in"], fd["link_out"], fd["lifeline"]
        self.outbox.open(self.sink)
        self.reads, self.reads_more = (reading(self.source, size, self.inbox) for size in (READ, _wire.MAX_BODY))
        self.output_drain.fds = (fd["stdout"], fd["stderr"])
        self.private = [value for name, value in fd.items() if name != "lifeline"]
        self.gate.page, self.gate.running, self.session.handles.count = _shared_page.open_page(fd["page"])
        self.affinity.page = self.gate.page
        self.gate.leave_idle = self.affinity.leave_idle
        faulthandler.register(STACK_DUMP, file=fd["page"], all_threads=True, chain=False)
        self.session.data.channel.open(fd["data"])
        MEMORY.gate = self.gate
        self.link.open(fd["host_in"], fd["host_out"])
        _host_rpc.connect(self.link)
        self.session.streams.source = self.source
        self.session.enter(request["tag"], request["epoch"], request.get("handles"))
        builtins.display = self.client.display
        _output.OrderedStream.client = _current.client = self.client
        _output.OrderedStream.page = self.gate.page
        self.private.append(self.std_streams.enter(fd["stdout"], fd["stderr"], self.client, request.get("stdin")))
        self.origin.enter()
        self.client.teller.enter()
        os.register_at_fork(after_in_child=self.after_fork_in_child)
        _exit.enter(self.forget)

    def before_loop(self):
        """Its tasks outlive calls, and so do its descriptors."""
        self.origin.track()
        self.std_streams.descriptors.fill()

    def after_fork_in_child(self):
        """A child that the user's code forked must never answer, nor keep the link open."""
        self.forked = True
        self.std_streams.forget()
        self.origin.forget()
        self.client.teller.forget()
        for fd in self.private:
            with suppress(OSError):  # closed by the user's code
                close(fd)
        self.source = self.sink = -1
        self.session.data.channel.forget()
        MEMORY.gate = None
        with suppress(OSError):
            _process.kill_on_host_exit(self.lifeline)
        _host_rpc.disconnect()
        self.link.sink = -1  # nor does a call that this child was forked in
        self.gate.leave_idle, self.session.handles.count = None, [0]  # the page is the parent's
        self.session_loop.stop_idle_run()  # a child forked by a background task ends after that step
        self.gate.uninstall()

    def leave(self):
        """The host has closed the link. From here on signals are the code's, as in any program."""
        self.origin.leave()
        self.gate.slot = _shared_page.SLOTS * 2 - 1
        self.gate.page[_shared_page.CANCEL + self.gate.slot] = 0  # of a nested call that was the last to have it
        try:
            self.session_loop.end()
        except BaseException:
            _exceptions.report("the session's event loop raised at its end")

    def forget(self):
        """Gives up what the session holds."""
        self.reads = self.reads_more = iter(())
        self.inbox.clear()
        self.partial.clear()
        self.session.end()

    def serve(self):
        """Runs until the host closes the link."""
        self.gate.install()
        ready = {"pid": os.getpid(), "python": sys.version.split()[0]}
        self.answers += _wire.frames(_wire.READY, 0, dumps(ready).encode())
        recovery, stray = Recovery(self), None
        while True:
            try:
                try:
                    if stray is not None:
                        recovery.after(stray)
                        stray = None
                    return self.serve_calls()
                except BaseException as error:
                    recovery.end_if_due(error)
                    stray = error
            except BaseException as error:  # it struck while another was handled
                recovery.end_if_due(error)
                stray = error

    def serve_calls(self):
        """Between two instructions here an exception may come from outside: a thread raised it in this one, or a trace function
        did, for a call that has ended meanwhile. So whatever is read or answered is noted by the instruction that does it."""
        gate, session_loop, source, leases = self.gate, self.session_loop, self.source, self.leases
        reads, inbox = self.reads, self.inbox
        page, idle, affinity_restore = gate.page, _shared_page.IDLE, _shared_page.AFFINITY_RESTORE
        if inbox:
            self.handle_frames()
        self.flush()
        while True:
            if leases.due is not None:
                wait_with_leases(self)
            elif session_loop.loop is not None:
                session_loop.run_while_idle(source)
                if self.forked:  # by a background task
                    exit_child(None)
            page[idle] = 1
            next(reads)
            page[idle] = 0
            if page[affinity_restore]:
                gate.leave_idle()
            if not inbox[-1]:
                self.session.handles.report()
                return
            self.handle_frames()

    def handle_frames(self):
        """Handles every complete request that was read."""
        inbox, handles, missing = self.inbox, self.session.handles, 1
        while missing:
            buffer, missing = inbox[0], 0
            if len(inbox) > 1:
                buffer = self.shortened = b"".join((buffer[self.at :], *inbox[1:]))
                inbox[:] = (buffer,)
                self.at, self.shortened = 0, None
            at, end = self.at, len(buffer)
            while end - at >= _wire.HEADER_BYTES:
                size, message_type, flags, version, request_id = _wire.HEADER.unpack_from(buffer, at)
                if version != _wire.VERSION or size > _wire.MAX_BODY:
                    raise _wire.BrokenLink("the host sent a frame of version %d with %d bytes" % (version, size))
                start = at + _wire.HEADER_BYTES
                if start + size > end:
                    missing = start + size - end
                    self.flush()
                    self.read_more(missing)
                    break
                at = start + size
                self.buffered = at < end
                if flags & _wire.MORE:
                    self.partial.setdefault(request_id, []).append(buffer[start:at])
                    self.at = at
                    continue
                body = buffer[start:at]
                if message_type == _wire.REQUEST_LIMITS:
                    self.apply_limits(request_id, RequestLimits(body))
                    continue
                if self.partial and request_id in self.partial:
                    body = self.whole(request_id, body)
                if message_type == _wire.SETUP:
                    self.set_up(body)
                else:
                    self.handle_request(message_type, flags, request_id, body)
                self.at = at
                if handles.request_limits is not None:
                    handles.request_limits = None
                if self.partial:
                    self.partial.pop(request_id, None)
        if at == end:
            inbox.clear()
            self.at = 0
        if self.answers:
            self.outbox.flush()

    def whole(self, request_id, last):
        """Joins the parts of a message; of one whose request could not begin, again."""
        parts = self.partial[request_id]
        if type(parts) is list:
            parts = self.partial[request_id] = (b"".join((*parts, last)),)
        return parts[0]

    def set_up(self, body):
        """Makes the session what its options say. No client's call runs yet, so its code cannot reach the host."""
        host = _host_rpc.disconnect()
        try:
            self.gate.slot = _shared_page.SLOTS * 2 - 1  # signals are the code's; none of the host's, which names no call
            self.session.set_up(body)
            kind, answer = _wire.OBJECT, b'{"success":true}'
        except BaseException as error:
            kind, answer = _wire.EXCEPTION, _exceptions.encode(error)
        self.gate.slot = -1
        _host_rpc.connect(host)
        self.std_streams.finish()
        self.outbox.has_long = True
        self.answers += _wire.frames(kind, 0, answer)

    def apply_limits(self, request_id, limits):
        """Sets the limits of the request that follows, or of all requests for id 0."""
        if request_id == 0:
            self.session.streams.result_bytes = limits.result_bytes
            MEMORY.set_limits(limits.data_bytes, limits.data_count)
        else:
            self.session.handles.request_limits = limits
            self.client.teller.follow(request_id, limits)

    def read_more(self, size):
        """Reads at least so many bytes."""
        while size > 0:
            next(self.reads_more)
            if not self.inbox[-1]:
                raise _wire.BrokenLink("the host closed the link inside a frame")
            size -= len(self.inbox[-1])

    def handle_request(self, message_type, flags, request_id, body):
        program = self.session.prepared.get(body) if message_type == 1 else None
        if self.answers and (program is None or not program.quick):
            self.flush()  # a finished answer must not wait for a call that may be slow
        if flags & _wire.PIPELINED:
            self.output_drain.wait()
        may_run_between = self.origin.tracking and (self.origin.has_threads or self.session_loop.loop is not None)
        if may_run_between and not (self.std_streams.are_open() and self.std_streams.are_whole()):
            self.gate.interruptible(request_id, self.std_streams.renew)
        self.client.flags = flags
        began = self.now()
        try:
            if flags & _wire.ATTACHED:
                message_type, answer = self.run_attached(message_type, flags & _wire.EXACT, request_id, body)
            else:
                message_type, answer = self.run(self.session.operations, message_type, flags & _wire.EXACT, request_id, body)
        except BaseException as error:  # a second one, while the first was propagating or the call was ending
            self.gate.slot = -1
            if self.begun != request_id:
                raise
            message_type, answer = self.failed(request_id, error)
        if program is not None:
            program.quick = self.now() - began < QUICK
        elif not self.origin.tracking:
            self.origin.look()
        leases = self.leases
        if leases.due is not None and self.now() - began > LONG_CALL:
            leases.extend_all(self.now() - began)
        try:
            self.flush_stdout()
            self.flush_stderr()
            flushed = sys.stdout is self.stdout and sys.stderr is self.stderr
        except BaseException:  # the user's code closed or deleted a stream, or gave its buffer a flush that raises
            flushed = False
        if not flushed or ((program is None or not program.is_inert) and not self.std_streams.are_whole()):
            self.gate.interruptible(request_id, self.std_streams.finish)
        if self.origin.tracking:
            self.origin.end()
        if self.forked:
            exit_child(None)
        if self.gate.delivered:
            message_type, answer = _stopped.answer(self.gate, message_type, answer)
        if len(answer) <= SHORT:
            self.answers += (pack(len(answer), message_type, 0, _wire.VERSION, request_id), answer)
        else:
            if message_type == _wire.DATA:
                message_type, answer = self.session.data.deliver(answer)
            if len(answer) > _wire.MAX_MESSAGE:
                message_type, answer = _wire.REJECTED, _exceptions.rejection(
                    Rejected("not_representable", "an answer of %d bytes is too large to be sent" % len(answer))
                )
            self.outbox.has_long = True
            self.answers += _wire.frames(message_type, request_id, answer)

    def run_attached(self, message_type, exact, request_id, body):
        """As `run`, of a request that data came for. No signal takes effect before and after."""
        attached = self.session.data.receive(request_id, exact)
        try:
            return self.run({message_type: with_data(self.session, message_type, attached)}, message_type, exact, request_id, body)
        finally:
            self.session.handles.attached = None
            attached.close()

    def run(self, operations, message_type, exact, request_id, body):
        gate = self.gate
        try:
            try:
                if self.origin.tracking:
                    self.origin.begin(request_id)
                if not gate.begin(request_id):
                    return _wire.CANCELLED, b""
                self.begun = request_id
                return (operations[message_type] if self.session.handles.request_limits is None else traced(self, operations[message_type]))(body, exact)
            finally:
                gate.slot = -1  # as `end` does; a call would let one more signal in
        except BaseException as error:
            gate.slot = -1  # a signal may have prevented it above
            gate.forget_deferrals()
            if self.forked:
                exit_child(error)
            if isinstance(error, Rejected):
                return _wire.REJECTED, _exceptions.rejection(error)
            if self.begun == request_id:
                return self.failed(request_id, error)
            if gate.is_cancelled(request_id) and is_cancel(error):
                return _wire.CANCELLED, b""
            raise  # it is of an earlier call

    def failed(self, request_id, error):
        """The answer to a request whose code, or what followed it, raised this."""
        interrupted = self.session.batch.take_interrupted()
        if self.gate.is_cancelled(request_id) and is_cancel(error):
            return _stopped.cancelled(error, interrupted)
        _last_exception.note(error)
        limits = self.session.handles.request_limits
        if limits is None or not limits.locals:
            return _wire.EXCEPTION, _exceptions.encode(error)
        return _wire.EXCEPTION, self.gate.interruptible(request_id, lambda: _exceptions.encode(error, limits), lambda: _exceptions.encode(error))

    def send_event(self, message_type, body):
        """Sends an event of the running request, before its answer. On the main thread only."""
        gate = self.gate
        gate.deferrals += 1  # inlines `defer_interrupts`, which is slower: a stream may have 100,000 items
        try:
            size = len(body)
            if size < READ:
                _wire.write_all(self.sink, _wire.HEADER.pack(size, message_type, 0, _wire.VERSION, gate.running[0]) + body)
            else:
                for part in _wire.frames(message_type, gate.running[0], body):
                    _wire.write_all(self.sink, part)
        finally:
            gate.deferrals -= 1
            if gate.deferred and not gate.deferrals:
                gate.catch_up()

    def flush(self):
        if self.answers:
            self.outbox.flush()
