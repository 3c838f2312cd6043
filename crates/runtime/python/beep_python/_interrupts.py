"""How the host interrupts exactly one request: it sets the request's cancel byte, then sends SIGINT.

A signal that arrives late finds another request running, whose byte is not set, and does nothing.
"""

import sys
from threading import get_ident

# the module `signal` converts their arguments and results to enums, which takes longer than all the rest
from _signal import SIGINT, default_int_handler, getsignal, signal

from . import _shared_page
from ._builtins import own as __builtins__


class _Deferral:
    """The context manager of `defer_interrupts`; it nests."""

    def __init__(self, gate):
        self.gate = gate

    def __enter__(self):
        if self.gate is not None:
            self.gate.deferrals += 1

    def __exit__(self, error_type, error, traceback):
        gate = self.gate
        if gate is not None:
            gate.deferrals -= 1
            if gate.deferred and not gate.deferrals:
                gate.deferred = False
                gate.interrupt(None, None)


NO_DEFERRAL = _Deferral(None)


class InterruptGate:
    """Lets interrupts through only between `begin` and `end`; outside, while frames are moved, SIGINT does nothing."""

    def __init__(self, page=None, running=None):
        self.page = page
        self.running = running
        self.slot = -1
        self.task = None  # the asyncio task that the request awaits
        self.loop = None
        self.cancel_requested = False  # whether that task was already cancelled
        self.nested = []  # nested calls: the slot, and the task and cancel_requested of the call around it
        self.main = get_ident()
        self.deferrals = 0
        self.deferral = _Deferral(self)
        self.deferred = False  # whether a signal arrived while interrupts were deferred
        self.leave_idle = None  # called before the user's code runs outside of a request
        self.handler = self.interrupt  # bound once: `install` compares identity

    def install(self):
        """Takes SIGINT, also back from user code that replaced the handler."""
        if getsignal(SIGINT) is not self.handler:
            signal(SIGINT, self.handler)

    def uninstall(self):
        """Gives SIGINT its usual meaning, in a forked child."""
        if getsignal(SIGINT) is self.handler:
            signal(SIGINT, default_int_handler)

    def interrupt(self, signum, frame):
        if self.slot < 0 or not self.is_stopping():
            return
        if self.deferrals:
            self.deferred = True
            return
        if self.task is not None and not self.cancel_requested:
            self.cancel_requested = True
            self.loop.call_soon_threadsafe(self.task.cancel)
            return
        raise KeyboardInterrupt

    def defer_interrupts(self):
        """Delays a signal until the `with` block ends, while bytes are moved. Only the main thread receives signals."""
        return self.deferral if get_ident() == self.main else NO_DEFERRAL

    def begin(self, request_id):
        """Begins a request; False if it was cancelled before its start."""
        slot = request_id & _shared_page.SLOTS - 1
        # Written before the cancel byte is read, while the host sets that byte before it reads this one: of a request
        # cancelled at this moment, either the host sees that it started or we see that it must not.
        self.page[_shared_page.STARTED + slot] = 1
        self.running[0] = request_id
        self.cancel_requested = False
        self.slot = slot  # from here on no signal is lost
        return not self.page[_shared_page.CANCEL + slot]

    def end(self):
        self.slot = -1

    def is_stopping(self):
        """Whether the request, or a call nested in it, is cancelled."""
        page, cancel = self.page, _shared_page.CANCEL
        return page[cancel + self.slot] != 0 or any([page[cancel + nested[0]] for nested in self.nested])

    def enter_nested(self, slot):
        """Begins a call nested in the request; False if it was cancelled before its start."""
        self.page[_shared_page.STARTED + slot] = 1
        around = slot, self.task, self.cancel_requested
        self.task, self.cancel_requested = None, False
        self.nested.append(around)  # from here on no signal is lost
        return not self.page[_shared_page.CANCEL + slot]

    def leave_nested(self, slot):
        """Ends it; a second time does nothing."""
        if self.nested and self.nested[-1][0] == slot:
            _, self.task, self.cancel_requested = self.nested[-1]
            self.nested.pop()

    def start_task(self, loop, coroutine):
        """Creates a task for the coroutine, which a signal cancels from now on.

        No signal takes effect in between: it would leave a task that nothing cancels, running after its request ended.
        """
        slot, self.slot = self.slot, -1
        task = loop.create_task(coroutine)
        self.loop, self.task, self.slot = loop, task, slot
        if self.is_stopping():
            task.cancel()
        return task

    def is_cancelled(self, request_id):
        return self.page[_shared_page.CANCEL + (request_id & _shared_page.SLOTS - 1)] != 0


def is_cancel(error):
    """Whether a cancelled request may end so."""
    if isinstance(error, KeyboardInterrupt):
        return True
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)
