"""Signal handlers of the user's code: their exceptions reach the running call, never the worker's own loop.

A handler runs wherever the main thread happens to be, also while frames are moved or the next call is awaited; an
exception there would end the worker. So handlers that Python code sets are wrapped, and exceptions outside of a call are
only reported. `signal.getsignal` still returns the user's own handler.
"""

import functools
import signal

from ._builtins import own as __builtins__
from ._interrupts import INTERRUPT, Guarded, own_handler


def guard(gate):
    """Wraps `signal.signal` and `signal.getsignal`."""
    set_handler, get_handler = signal.signal, signal.getsignal
    hosts = [signal.SIG_DFL]  # what code takes for the handler of the host's signal, which it cannot have

    @functools.wraps(set_handler)
    def signal_(signalnum, handler):
        if signalnum == INTERRUPT and (callable(handler) or handler in (signal.SIG_DFL, signal.SIG_IGN)):
            before, hosts[0] = hosts[0], handler
            return before
        if callable(handler) and not isinstance(handler, signal.Handlers):
            handler = Guarded(handler, gate)
        return own_handler(set_handler(signalnum, handler))

    @functools.wraps(get_handler)
    def getsignal(signalnum):
        return hosts[0] if signalnum == INTERRUPT else own_handler(get_handler(signalnum))

    signal.signal, signal.getsignal = signal_, getsignal
