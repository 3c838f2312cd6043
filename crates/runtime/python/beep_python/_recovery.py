"""What makes a worker's loop whole again after an exception that struck it: one that another thread or a trace function raised
for a call which had ended meanwhile.

No request is lost and none is answered twice: one whose code has not begun begins anew; one that has, and has no answer, is answered
with the exception. To any other the exception is none of its own, and goes to the log. Each step here can be struck and is
repeated then.
"""

from . import _exceptions, _shared_page, _wire
from ._builtins import own as __builtins__
from ._exit import exit_child

MAX_STRIKES = 100  # without a request that was answered in between; then the request has something in it that always raises


def ends_worker(error):
    """Whether the link broke or memory ran out, and it was none that code raised."""
    if isinstance(error, OSError):
        return error.errno is not None
    return isinstance(error, (MemoryError, _wire.BrokenLink))


class Recovery:
    def __init__(self, worker):
        self.worker = worker
        self.last = -1
        self.strikes = 0

    def end_if_due(self, error):
        """While this exception is handled: ends what does not outlive it."""
        if self.worker.forked:  # by a signal handler
            exit_child(None)
        if ends_worker(error):
            raise

    def after(self, error):
        worker = self.worker
        gate = worker.gate
        gate.reset()
        if worker.origin.tracking:
            worker.origin.end()
        gate.page[_shared_page.IDLE] = 0
        if gate.page[_shared_page.AFFINITY_RESTORE]:
            gate.leave_idle()
        if not worker.inbox or worker.inbox[0] is worker.shortened:
            worker.at = 0
        worker.shortened = None
        worker.outbox.put_back()
        worker.outbox.has_long = True
        request_id, end = self.unfinished()
        is_of_request = False
        if request_id is not None:
            self.strikes = self.strikes + 1 if request_id == self.last else 0
            self.last = request_id
            if not self.is_answered(request_id):
                if worker.begun != request_id and self.strikes < MAX_STRIKES:
                    request_id = None  # it begins anew
                else:
                    kind, answer = worker.failed(request_id, error)
                    worker.answers += _wire.frames(kind, request_id, answer)
                    is_of_request = True
        if request_id is not None:
            worker.session.handles.request_limits = None
            worker.partial.pop(request_id, None)
            worker.at = end
        if not is_of_request:
            _exceptions.report("an exception came from outside of every call", error)

    def unfinished(self):
        """The id of the request that was being handled, and where it ends in what was read; None if there is none."""
        worker = self.worker
        buffer, at = worker.inbox[0] if worker.inbox else b"", worker.at
        while len(buffer) - at >= _wire.HEADER_BYTES:
            size, kind, flags, _, request_id = _wire.HEADER.unpack_from(buffer, at)
            at += _wire.HEADER_BYTES + size
            if at > len(buffer) or flags & _wire.MORE:
                break
            if kind != _wire.REQUEST_LIMITS:
                return request_id, at
        return None, 0

    def is_answered(self, request_id):
        """Whether its answer waits to be written; after that the worker has noted it as handled."""
        answers = self.worker.answers
        if len(answers) < 2 or len(answers[-2]) != _wire.HEADER_BYTES:
            return False
        return _wire.HEADER.unpack(answers[-2])[4] == request_id
