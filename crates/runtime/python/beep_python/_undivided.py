"""Methods of streams that no signal divides: an exception in the middle would leave bytes in a buffer that were written already, or lose
what a stream has given to no other place yet."""

from threading import get_ident

from ._builtins import own as __builtins__

DEPTH = 20  # of frames


def undivided(method, gate, handles_at_end=True):
    """The method of a stream, in which signals are handled only where it waits, and else at its end, if an exception is in order there."""

    def undivided(*arguments):
        if get_ident() != gate.main:  # the thread that handles signals
            return method(*arguments)
        deferrals, writing, waiting = gate.deferrals, gate.writing, gate.waiting
        try:
            gate.deferrals = deferrals + 1  # inlines `defer_interrupts`, which is slower
            gate.writing = writing + 1
            entered = True  # noqa: F841 - for `is_entering`
            return method(*arguments)
        finally:
            gate.waiting, gate.writing = waiting, writing  # an interrupt may have ended `wait_within_write` anywhere
            gate.deferrals = deferrals  # last: from here on signals are handled
            if handles_at_end and gate.deferred and not deferrals:
                gate.catch_up()

    gate.undivided = undivided.__code__
    return undivided


def is_entering(frame, code):
    """Whether a function of this code, which gets a local variable `entered` then, begins. What is called meanwhile are handlers of
    signals, and what traces."""
    for _ in range(DEPTH):
        if frame is None:
            return False
        if frame.f_code is code:
            return "entered" not in frame.f_locals
        frame = frame.f_back
    return False
