"""Whose turn it is: the request that runs now, and how the host interrupts just that one.

The host sets the request's cancel bit, then sends SIGINT. A signal that comes late finds another request running, whose
bit is not set, and does nothing.
"""

from threading import get_ident

# the module `signal` makes enums of what these take and give, which takes longer than all the rest
from _signal import SIGINT, default_int_handler, getsignal, signal

from . import _slots
from ._builtins import own as __builtins__


class _Shield:
    """What a turn gives with `shielded`; one can be held several times over."""

    def __init__(self, turn):
        self.turn = turn

    def __enter__(self):
        if self.turn is not None:
            self.turn.shields += 1

    def __exit__(self, kind, error, traceback):
        turn = self.turn
        if turn is not None:
            turn.shields -= 1
            if turn.missed and not turn.shields:
                turn.missed = False
                turn.interrupt(None, None)


_NO_SHIELD = _Shield(None)


class Turn:
    """Interruptible only between `begin` and `end`; outside, where frames are moved, a signal changes nothing."""

    def __init__(self, page=None, running=None):
        self.page = page
        self.running = running
        self.slot = -1
        self.task = None  # the asyncio task that the request waits for
        self.loop = None
        self.asked = False  # whether that task was cancelled already
        self.nested = []  # of the calls that run within the request: the slot, and task and asked of what is around it
        self.main = get_ident()
        self.shields = 0
        self.shield = _Shield(self)
        self.missed = False  # whether a signal came while shielded
        self.wake = None  # to be called before the user's code runs outside of a request
        self.handler = self.interrupt  # one object, so that it can be told from others

    def watch(self):
        """Takes SIGINT, also from user code that took it and did not give it back."""
        if getsignal(SIGINT) is not self.handler:
            signal(SIGINT, self.handler)

    def unwatch(self):
        """In a child of this process SIGINT means what it means in any Python."""
        if getsignal(SIGINT) is self.handler:
            signal(SIGINT, default_int_handler)

    def interrupt(self, signum, frame):
        if self.slot < 0 or not self.stopping():
            return
        if self.shields:
            self.missed = True
            return
        if self.task is not None and not self.asked:
            self.asked = True
            self.loop.call_soon_threadsafe(self.task.cancel)
            return
        raise KeyboardInterrupt

    def shielded(self):
        """Bytes are moved: a signal that comes meanwhile takes effect after. Other threads get no signals anyway."""
        return self.shield if get_ident() == self.main else _NO_SHIELD

    def begin(self, rid):
        """False where the request was cancelled before its turn."""
        slot = rid & _slots.SLOTS - 1
        # Written well before the bit is read, as the host sets the bit before it reads this: of a request that is
        # cancelled just now, either the host sees that it started or we see that we must not.
        self.page[_slots.STARTED + slot] = 1
        self.running[0] = rid
        self.asked = False
        self.slot = slot  # from now on a signal is not lost
        return not self.page[_slots.CANCEL + slot]

    def end(self):
        self.slot = -1

    def stopping(self):
        """Whether the request is to stop, or a call within it."""
        page = self.page
        return page[_slots.CANCEL + self.slot] != 0 or any([page[_slots.CANCEL + nested[0]] for nested in self.nested])

    def enter(self, slot):
        """Begins a call within the request; False where it was cancelled before its turn."""
        self.page[_slots.STARTED + slot] = 1
        around = slot, self.task, self.asked
        self.task, self.asked = None, False
        self.nested.append(around)  # from now on a signal is not lost
        return not self.page[_slots.CANCEL + slot]

    def leave(self, slot):
        """Ends it; once more does nothing."""
        if self.nested and self.nested[-1][0] == slot:
            _, self.task, self.asked = self.nested[-1]
            self.nested.pop()

    def start_task(self, loop, coroutine):
        """A task for the coroutine, which a signal from now on cancels.

        None can come in between: a task that is made but not known would run after its request was said to be over.
        """
        slot, self.slot = self.slot, -1
        task = loop.create_task(coroutine)
        self.loop, self.task, self.slot = loop, task, slot
        if self.stopping():
            task.cancel()
        return task

    def cancelled(self, rid):
        return self.page[_slots.CANCEL + (rid & _slots.SLOTS - 1)] != 0
