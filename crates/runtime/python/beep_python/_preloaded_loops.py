"""Event loops that preloaded modules made: after a fork, all processes would share what wakes them, and take each other's events."""

import gc
import signal
import sys

from . import _exceptions
from ._builtins import own as __builtins__


class PreloadedLoops:
    """Made in the zygote, after everything was imported."""

    def __init__(self):
        base = getattr(sys.modules.get("asyncio.selector_events"), "BaseSelectorEventLoop", None)
        self.loops = [found for found in gc.get_objects() if base in type(found).__mro__] if isinstance(base, type) else []

    def renew(self):
        """In a forked worker."""
        for loop in self.loops:
            if loop.is_closed():
                continue
            try:
                renew(loop)
            except Exception:  # what is asyncio's own may change
                _exceptions.report("the event loop of a preloaded module is shared by all sessions")


def renew(loop):
    """Gives a loop a selector of its own for what it watches, and a pipe of its own that wakes it."""
    shared, own = loop._selector, type(loop._selector)()
    for key in shared.get_map().values():
        own.register(key.fileobj, key.events, key.data)
    loop._selector = own
    shared.close()
    loop._close_self_pipe()
    loop._make_self_pipe()
    if getattr(loop, "_signal_handlers", None):
        signal.set_wakeup_fd(loop._csock.fileno())
