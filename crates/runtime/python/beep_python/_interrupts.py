"""How the host interrupts exactly one request: it sets the request's cancel byte, then sends INTERRUPT.

A signal that arrives late finds another request running, whose byte is not set, and does nothing.

SIGINT itself is the user's: libraries look for Python's own handler, put theirs in its place, and know nothing of marks. So the host
has a signal of its own, and its handler makes of it what Ctrl-C would be to the code.
"""

import sys
from sys import _getframe
from _thread import interrupt_main
from threading import get_ident

# the module `signal` converts their arguments and results to enums, which takes longer than all the rest
from _signal import (
    SIG_BLOCK,
    SIG_DFL,
    SIG_IGN,
    SIG_SETMASK,
    SIGINT,
    default_int_handler,
    getsignal,
    pthread_sigmask,
    raise_signal,
    signal,
)

from . import _exceptions, _shared_page, _stopped
from ._builtins import own as __builtins__
from ._undivided import is_entering

# A real-time signal in the middle of their range, which nobody is known to use: the C library has the first two or three, .NET takes
# SIGRTMIN (34), Mono one that is free, Android's C library those up to 41, Valgrind the last (64). The classic ones are all
# taken: SIGPWR and SIGXCPU the collectors' of Boehm and Mono, SIGURG Go's, SIGVTALRM and SIGPROF those of profilers, SIGUSR1
# and SIGUSR2 the user's.
INTERRUPT = 50
_OWN = __file__.rpartition("/")[0] + "/"


def _nothing():
    pass


class Guarded:
    """A signal handler of the user's code, whose exceptions reach the running call, never the worker's own loop."""

    def __init__(self, handler, gate):
        self.handler = handler
        self.gate = gate
        self.running = False  # outside of a call

    def __call__(self, signum, frame):
        gate = self.gate
        if signum == SIGINT and gate.struck is not None:
            frame, gate.struck = gate.struck, None
        if gate.slot >= 0:
            if gate.is_deferring(frame):
                gate.postpone(self.handler, signum)
                return None
            return self.handler(signum, code_frame(frame))  # it may have come while the host wrote for the code
        if self.running:
            return None  # a timer faster than its handler would nest until RecursionError strikes the worker's loop
        self.running = True
        try:
            if gate.leave_idle is not None:
                gate.leave_idle()
            self.handler(signum, frame)
        except BaseException:
            _exceptions.report("a signal handler raised while the session was idle")
        finally:
            self.running = False


def own_handler(handler):
    """The user's handler, without its guard."""
    return handler.handler if isinstance(handler, Guarded) else handler


def code_frame(frame):
    """The innermost frame that is not the host's, where there is one."""
    found = frame
    while found is not None and found.f_code.co_filename.startswith(_OWN):
        found = found.f_back
    return frame if found is None else found


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
                gate.catch_up()


NO_DEFERRAL = _Deferral(None)


class InterruptGate:
    """Lets interrupts through only between `begin` and `end`; outside, while frames are moved, INTERRUPT does nothing."""

    def __init__(self, page=None, running=None):
        self.page = page
        self.running = running
        self.slot = -1
        self.task = None  # the asyncio task that the request awaits
        self.loop = None
        self.asked = False  # whether the request was asked to stop in its own way: its task, or its handler of SIGINT
        self.delivered = False  # whether an interrupt reached the code of the request, or of one nested in it
        self.at = ()  # where the last one reached it
        self.struck = None  # the frame of the code that a SIGINT of ours comes to
        self.ends_in_ctrl_c = False  # whether the task was cancelled by Ctrl-C: then KeyboardInterrupt is what comes of it
        self.nested = []  # nested calls: the slot, and the task and `asked` of the call around it
        self.main = get_ident()
        self.deferrals = 0
        self.deferral = _Deferral(self)
        self.deferred = False  # whether a signal arrived while interrupts were deferred
        self.postponed = {}  # by signal, handlers of the user's code that wait for the same
        self.undivided = None  # the code of the methods that begin to defer interrupts
        self.writing = 0  # how many methods of the streams are at work, one within another; each defers interrupts
        self.waiting = 0  # how many of them wait, and defer none meanwhile
        self.leave_idle = None  # called before the user's code runs outside of a request
        self.flush = lambda: None  # writes the text that the streams keep

    def install(self):
        """Takes the host's signal, and makes the others what they are to a program that a shell starts: the server's parent may
        have blocked or ignored them."""
        signal(INTERRUPT, self.interrupt)
        signal(SIGINT, Guarded(default_int_handler, self))
        pthread_sigmask(SIG_SETMASK, ())

    def uninstall(self):
        """Gives signals their usual meaning, in a forked child."""
        signal(INTERRUPT, SIG_DFL)
        if own_handler(getsignal(SIGINT)) is default_int_handler:
            signal(SIGINT, default_int_handler)
        self.slot = 0  # exceptions of handlers are the child's
        self.forget_deferrals()
        self.main = get_ident()  # it may have been forked by another thread, which is the one that handles signals now
        self.interrupt = lambda signum, frame: None  # what the host asks is for the parent
        self.deferred = False
        self.postponed.clear()

    def interrupt(self, signum, frame):
        """The handler of INTERRUPT."""
        if self.page[_shared_page.FLUSH]:
            if self.writing or self.is_deferring(frame):  # no stream can be flushed then
                self.deferred = True
            else:
                self.page[_shared_page.FLUSH] = 0
                self.flush()
        if self.slot < 0:
            return
        if self.page[_shared_page.DEBUGGER]:
            if self.is_deferring(frame):
                self.deferred = True
                return
            self.page[_shared_page.DEBUGGER] = 0
            with self.deferral:  # an interrupt waits until it listens, or does not
                from . import _debugger

                _debugger.tell()
        if not self.page[_shared_page.INTERRUPT]:  # the signal is the repetition of one that was taken
            return
        if self.is_deferring(frame):
            self.deferred = True
            return
        self.page[_shared_page.INTERRUPT] = 0  # before the bytes of requests are read, which the host writes before this one
        self.take(frame)

    def take(self, frame):
        """Takes the interrupt that the bytes of requests tell of, if they do: does what Ctrl-C does where code has a handler for that,
        else cancels the task that is awaited, at first. Whatever became of that, the next one raises KeyboardInterrupt."""
        pressed, stopping = self.has_ctrl_c(), self.is_stopping()
        if not (pressed or stopping):
            return
        if pressed:
            self.take_ctrl_c()
            if not stopping:
                return self.press_ctrl_c(frame)
        if not self.asked:
            if self.has_users_handler():
                self.note(_stopped.running, frame)
                self.asked = self.delivered = True
                self.struck = frame
                interrupt_main()  # as if SIGINT had come, also to event loops that wait for it, and where C code ignores it
                return
            if self.task is not None:
                self.asked = True
                self.cancel_awaited()
                return
        self.note(_stopped.running, frame)
        self.delivered = True
        raise KeyboardInterrupt

    def note(self, places, code):
        """Notes where the code is that an interrupt reaches. Nothing that fails here, as deep in a recursion, keeps it from that."""
        try:
            self.at = places(code)
        except BaseException:
            self.at = ()

    def press_ctrl_c(self, frame):
        """Lets the code have what a terminal sends: SIGINT, with all that the code has made of that. What awaits is cancelled, the
        first time, as `asyncio.run` does it."""
        self.delivered = True
        if self.task is not None and not self.asked and not self.has_users_handler():
            self.asked = self.ends_in_ctrl_c = True
            self.cancel_awaited()
        else:
            self.struck = frame
            try:
                raise_signal(SIGINT)
            finally:
                self.struck = None

    def has_ctrl_c(self):
        """Whether a Ctrl-C waits for the request, or for a call nested in it."""
        page, ctrl_c = self.page, _shared_page.CTRL_C
        return page[ctrl_c + self.slot] != 0 or any([page[ctrl_c + nested[0]] for nested in self.nested])

    def take_ctrl_c(self):
        for slot in (self.slot, *[nested[0] for nested in self.nested]):
            self.page[_shared_page.CTRL_C + slot] = 0

    def has_users_handler(self):
        """Whether SIGINT would reach a handler that is not Python's own."""
        handler = own_handler(getsignal(SIGINT))
        if handler is default_int_handler or handler in (None, SIG_DFL, SIG_IGN):
            return False
        return SIGINT not in pthread_sigmask(SIG_BLOCK, ())

    def is_deferring(self, frame):
        """Whether a signal that comes to this frame waits. What a stream gives to a method that begins is in no other place."""
        return self.deferrals or is_entering(frame, self.undivided)

    def postpone(self, handler, signum):
        self.postponed[signum] = handler
        self.deferred = True

    def catch_up(self):
        """Handles the signals that came while they were deferred. As Python does it, each is handled once, however often it came, and
        an exception of one handler leaves the others their turn."""
        frame = _getframe(1)
        try:
            frame = code_frame(frame)
            self.deferred = len(self.postponed) > 1
            if self.postponed:
                signum, handler = self.postponed.popitem()
                handler(signum, frame)
        finally:
            if self.postponed:
                self.deferred = True
                self.catch_up()
            else:
                self.interrupt(None, frame)

    def reset(self):
        """After an exception that struck outside of every request, wherever."""
        self.slot, self.task, self.deferred = -1, None, False
        self.forget_deferrals()
        self.nested.clear()
        self.postponed.clear()

    def defer_interrupts(self):
        """Delays a signal until the `with` block ends, while bytes are moved. Only the main thread receives signals."""
        return self.deferral if get_ident() == self.main else NO_DEFERRAL

    def forget_deferrals(self):
        """After an exception that may have struck where one began or ended."""
        self.deferrals = self.writing = self.waiting = 0

    def wait_within_write(self, wait, *arguments):
        """Within a method of a stream: signals are handled until `wait` returns."""
        if get_ident() != self.main:
            return wait(*arguments)
        deferrals, waiting = self.deferrals, self.waiting
        try:
            self.waiting = self.writing
            self.deferrals = deferrals - (self.writing - waiting)
            if self.deferred and not self.deferrals:
                self.catch_up()
            return wait(*arguments)
        finally:
            self.waiting = waiting
            self.deferrals = deferrals

    def begin(self, request_id):
        """Begins a request; False if it was cancelled before its start."""
        slot = request_id & _shared_page.SLOTS - 1
        # Written before the cancel byte is read, while the host sets that byte before it reads this one: of a request
        # cancelled at this moment, either the host sees that it started or we see that it must not.
        self.page[_shared_page.STARTED + slot] = 1
        self.running[0] = request_id
        self.asked = self.delivered = self.ends_in_ctrl_c = False
        self.deferrals = self.writing = self.waiting = 0  # an exception of another thread's making may have struck anywhere
        self.slot = slot  # from here on no signal is lost
        return not self.page[_shared_page.CANCEL + slot]

    def end(self):
        self.slot = -1

    def interruptible(self, request_id, run, otherwise=lambda: None):
        """Runs what calls the user's code after a request has ended; if it is interrupted, the other."""
        try:
            try:
                self.slot = request_id & _shared_page.SLOTS - 1
                return run()
            finally:
                self.slot = -1
        except KeyboardInterrupt:
            self.slot = -1
            return otherwise()

    def is_stopping(self):
        """Whether the request, or a call nested in it, is cancelled."""
        page, cancel = self.page, _shared_page.CANCEL
        return page[cancel + self.slot] != 0 or any([page[cancel + nested[0]] for nested in self.nested])

    def enter_nested(self, slot):
        """Begins a call nested in the request; False if it was cancelled before its start."""
        self.page[_shared_page.STARTED + slot] = 1
        around = slot, self.task, self.asked
        self.task, self.asked = None, False
        self.nested.append(around)  # from here on no signal is lost
        return not self.page[_shared_page.CANCEL + slot]

    def leave_nested(self, slot):
        """Ends it; a second time does nothing."""
        if self.nested and self.nested[-1][0] == slot:
            _, self.task, self.asked = self.nested[-1]
            self.nested.pop()

    def start_task(self, loop, coroutine, **options):
        """Creates a task for the coroutine, which a signal cancels from now on.

        No signal takes effect in between: it would leave a task that nothing cancels, running after its request ended.
        """
        slot, self.slot = self.slot, -1
        task = loop.create_task(coroutine, **options)
        self.loop, self.task, self.slot = loop, task, slot
        if self.is_stopping():
            self.cancel_task(task)
        return task

    def cancel_awaited(self):
        """Cancels the task that is awaited, at once, as `asyncio.run` does: behind what the loop has to do it could wait for long."""
        self.cancel_task(self.task)
        self.loop.call_soon_threadsafe(_nothing)  # it may wait in `select`

    def cancel_task(self, task):
        self.note(_stopped.awaiting, task.get_coro())
        if task.cancel():  # one that is over has no interrupt
            self.delivered = True

    def is_cancelled(self, request_id):
        return self.page[_shared_page.CANCEL + (request_id & _shared_page.SLOTS - 1)] != 0


def is_cancel(error, depth=10):
    """Whether a cancelled request may end so: also with a group of nothing else, as trio's nurseries make it."""
    if isinstance(error, KeyboardInterrupt):
        return True
    try:
        members = None if isinstance(error, Exception) else getattr(error, "exceptions", None)
    except BaseException:  # a property of the user's class
        return False
    if type(members) is tuple and members and depth:
        return all([is_cancel(member, depth - 1) for member in members])
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)
