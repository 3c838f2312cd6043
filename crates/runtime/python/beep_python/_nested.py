"""Calls within a callback: they run on the thread that waits for the client's answer to it."""

import struct
from sys import _getframe

from . import _exceptions, _last_exception, _shared_page, _stopped, _wire
from ._builtins import own as __builtins__
from ._data import with_data
from ._exec import WARNED
from ._interrupts import is_cancel
from ._limits import RequestLimits
from ._trace_context import traced
from ._wire import Rejected

NESTED = struct.Struct("<BBQI")  # operation, flags, id, length of the limits
NESTED_FLAGS = _wire.EXACT | _wire.TAKES_DATUM | _wire.ATTACHED  # of its own; the others are those of the call around it
WITH_EVENTS = (12, 13, 14)  # operations that send events before their answer


class NestedCalls:
    def __init__(self, worker):
        self.worker = worker

    def run(self, message):
        """Handles a request that arrived while the main thread waits for the client's answer to a callback.

        Cancelling it ends it alone; cancelling a call around it ends it too, then that call.
        """
        message_type, flags, request_id, size = NESTED.unpack_from(message)
        limits, body = message[NESTED.size : NESTED.size + size], message[NESTED.size + size :]
        worker, gate = self.worker, self.worker.gate
        client, session = worker.client, worker.session
        handles = session.handles
        slot = _shared_page.SLOTS + (request_id & _shared_page.SLOTS - 1)
        before = client.flags, handles.request_limits, handles.attached
        warned = session.namespace.pop(WARNED, None)
        client.flags = client.flags & ~NESTED_FLAGS | flags & NESTED_FLAGS
        handles.request_limits, handles.attached = RequestLimits(limits) if size else None, None
        attached = None
        around, gate.delivered = gate.delivered, False
        was_delivered = False
        try:
            operations = session.operations
            if flags & _wire.ATTACHED:
                with gate.defer_interrupts():
                    attached = session.data.receive(request_id, flags & _wire.EXACT, nested=True)
                operations = {message_type: with_data(session, message_type, attached)}
            message_type, answer = self.answer(operations, message_type, flags & _wire.EXACT, slot, body)
        except KeyboardInterrupt as error:  # a second one, while the first was propagating
            gate.leave_nested(slot)
            message_type, answer = _stopped.cancelled(error)
        finally:
            was_delivered, gate.delivered = gate.delivered, around
            client.flags, handles.request_limits, handles.attached = before
            session.namespace.pop(WARNED, None)
            if warned is not None:  # the call around it goes on with its own
                session.namespace[WARNED] = warned
            if attached is not None:
                with gate.defer_interrupts():
                    attached.close()
        worker.std_streams.flush(BaseException)
        if was_delivered:
            message_type, answer = _stopped.late(gate, message_type, answer)
        with gate.defer_interrupts():  # what goes on the socket of data is followed by its frame
            if message_type == _wire.DATA:
                message_type, answer = session.data.deliver(answer)
            worker.send_event(_wire.NESTED_ANSWER, request_id.to_bytes(8, "little") + bytes((message_type,)) + answer)
        gate.take(_getframe())  # in case a call around this one is cancelled

    def answer(self, operations, message_type, exact, slot, body):
        gate = self.worker.gate
        try:
            try:
                if message_type in WITH_EVENTS:
                    raise Rejected("invalid_request", "within a callback only what has no events can be asked for")
                if not gate.enter_nested(slot):
                    return _wire.CANCELLED, b""
                return traced(self.worker, operations[message_type])(body, exact)
            finally:
                stopping = gate.is_stopping()
                gate.leave_nested(slot)
        except BaseException as error:
            gate.leave_nested(slot)
            if self.worker.forked:
                raise
            if isinstance(error, Rejected):
                return _wire.REJECTED, _exceptions.rejection(error)
            interrupted = self.worker.session.batch.take_interrupted()
            if stopping and is_cancel(error):
                return _stopped.cancelled(error, interrupted)
            _last_exception.note(error)
            return _wire.EXCEPTION, _exceptions.encode(error, self.worker.session.handles.request_limits)
