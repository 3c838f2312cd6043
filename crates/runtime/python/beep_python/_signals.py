"""Signal handlers of the user's code: what they raise belongs to the call that runs, never to the worker's own loop.

A handler runs wherever the main thread happens to be, also where frames are moved or the next call is awaited; raising
there would end the worker. So handlers that Python code sets from now on are wrapped, and what they raise outside of any
call is only reported. Code that asks which handler is set gets its own.
"""

import functools
import signal

from . import _failure
from ._builtins import own as __builtins__


class _Guarded:
    def __init__(self, handler, turn):
        self.handler = handler
        self.turn = turn

    def __call__(self, signum, frame):
        turn = self.turn
        if turn.slot >= 0 and not turn.shields:
            return self.handler(signum, frame)
        if turn.wake is not None:
            turn.wake()
        try:
            self.handler(signum, frame)
        except BaseException:
            _failure.report("a signal handler raised while the session was idle")


def _own(handler):
    return handler.handler if isinstance(handler, _Guarded) else handler


def guard(turn):
    """Wraps the functions that set and tell handlers."""
    set_handler, get_handler = signal.signal, signal.getsignal

    @functools.wraps(set_handler)
    def signal_(signalnum, handler):
        if callable(handler) and not isinstance(handler, signal.Handlers) and handler is not signal.default_int_handler:
            handler = _Guarded(handler, turn)
        return _own(set_handler(signalnum, handler))

    @functools.wraps(get_handler)
    def getsignal(signalnum):
        return _own(get_handler(signalnum))

    signal.signal, signal.getsignal = signal_, getsignal
