"""Signal handlers of the user's code: their exceptions reach the running call, never the worker's own loop.

A handler runs wherever the main thread happens to be, also while frames are moved or the next call is awaited; an
exception there would end the worker. So handlers that Python code sets are wrapped, and exceptions outside of a call are
only reported. `signal.getsignal` still returns the user's own handler.
"""

import functools
import signal

from . import _exceptions
from ._builtins import own as __builtins__


class _Guarded:
    def __init__(self, handler, gate):
        self.handler = handler
        self.gate = gate
        self.running = False  # outside of a call

    def __call__(self, signum, frame):
        gate = self.gate
        if gate.slot >= 0 and not gate.deferrals:
            return self.handler(signum, frame)
        if self.running:
            return  # a timer faster than its handler would nest until RecursionError strikes the worker's loop
        self.running = True
        try:
            if gate.leave_idle is not None:
                gate.leave_idle()
            self.handler(signum, frame)
        except BaseException:
            _exceptions.report("a signal handler raised while the session was idle")
        finally:
            self.running = False


def _own(handler):
    return handler.handler if isinstance(handler, _Guarded) else handler


def guard(gate):
    """Wraps `signal.signal` and `signal.getsignal`."""
    set_handler, get_handler = signal.signal, signal.getsignal

    @functools.wraps(set_handler)
    def signal_(signalnum, handler):
        if callable(handler) and not isinstance(handler, signal.Handlers) and handler is not signal.default_int_handler:
            handler = _Guarded(handler, gate)
        return _own(set_handler(signalnum, handler))

    @functools.wraps(get_handler)
    def getsignal(signalnum):
        return _own(get_handler(signalnum))

    signal.signal, signal.getsignal = signal_, getsignal
