"""The call that code belongs to: the one that started it, wherever and whenever it runs.

Code on the main thread belongs to the call that runs. Threads and tasks may outlive their call, so they carry its id in a context
variable: a task has the context in which it was made, a thread starts in one of its own. Nothing is noted until something can
outlive a call, which is when a thread starts or an event loop is made; until then no call pays for it.
"""

import _thread
import functools
import sys
import threading
from _thread import RLock, get_ident
from contextlib import suppress
from contextvars import Context, ContextVar

from . import _shared_page
from ._builtins import own as __builtins__

NO_CALL = 0  # no call has this id


class Origin:
    def __init__(self, gate):
        self.gate = gate
        self.main = get_ident()
        self.carried = ContextVar("beep_python_call", default=None)
        self.enabled = False  # in a worker, until it ends
        self.tracking = False  # whether code may be left that an earlier call started
        self.running = NO_CALL  # while tracking, the call that runs
        self.first = NO_CALL  # the call in which tracking began: what it made before has no id
        self.continued = {}  # calls whose stream goes on: the call that runs for them
        self.ending = RLock()  # held by a thread that writes as the call that runs, and while that call ends
        self.on_track = self.on_end = lambda: None
        self.has_threads = self.items_followed = self.loops_followed = False

    def current(self):
        """The id of the call that the code at hand belongs to; NO_CALL where that has ended, or there is none."""
        return self.alive(self.caller())

    def caller(self):
        """The same, also of a call that has ended."""
        running = self.running_call()
        if not self.tracking:
            return running
        call = self.carried.get()
        if call is None:  # code in a thread of a C library, or what was made before the tracking began
            return running if running == self.first or get_ident() != self.main else self.first
        return call

    def alive(self, call):
        """The id under which this call runs now; NO_CALL where it does not."""
        running = self.running_call()
        return running if call == running or self.continued.get(call) == running else NO_CALL

    def running_call(self):
        if self.tracking:
            return self.running
        return self.gate.running[0] if self.gate.slot >= 0 else NO_CALL

    def begin(self, call):
        """While tracking: this call runs from now on."""
        self.running = call
        self.carried.set(call)
        if self.has_threads:
            page = self.gate.page
            if page[_shared_page.AFFINITY_RESTORE] == 0:
                page[_shared_page.AFFINITY_RESTORE] = _shared_page.RESTORE_REFUSED  # they would see the main thread narrowed

    def end(self):
        """While tracking: it has ended, and has written all that it will."""
        with self.ending:
            self.on_end()
            self.running = NO_CALL

    def look(self):
        """After a call: tracks from now on if it brought asyncio, for its tasks may outlive it."""
        if not self.loops_followed and "asyncio" in sys.modules:
            self.track()

    def track(self):
        if self.tracking or not self.enabled:
            return
        gate = self.gate
        self.first = gate.running[0]
        self.running = self.first if gate.slot >= 0 else NO_CALL
        if get_ident() == self.main:
            self.carried.set(self.first)
        self.tracking = True
        self.on_track()

    def enter(self):
        """From here on code is the session's."""
        self.enabled = True
        if threading.active_count() > 1:
            self.has_threads = True
            self.track()

    def leave(self):
        """At the end of the session all is one program again."""
        if self.tracking:
            self.on_end()
        self.forget()

    def forget(self):
        """In a child that the session forked too."""
        self.enabled = self.tracking = False

    def continue_as(self, call):
        """A stream that this call opened goes on for the call that runs now. Returns what ends that."""
        running = self.running_call()
        if call == running:
            return lambda: None
        self.continued[call] = running
        return functools.partial(self.continued.pop, call, None)

    # what carries it

    def follow(self):
        """Lets threads that start from now on carry the call that starts them, also those that no `Thread` stands for."""
        for module, names in ((_thread, ("start_new_thread", "start_new", "start_joinable_thread")), (threading, ("_start_new_thread", "_start_joinable_thread"))):
            for name in names:
                start = getattr(module, name, None)
                if start is not None:
                    setattr(module, name, self.following(start))
        if "asyncio" in sys.modules:
            self.follow_loops(sys.modules["asyncio"].BaseEventLoop)

    def follow_loops(self, base):
        """Where asyncio was preloaded, that it is there says nothing; that a loop is made does."""
        self.loops_followed = True
        make = base.__init__

        @functools.wraps(make)
        def make_and_track(loop, *args, **kwargs):
            self.track()
            make(loop, *args, **kwargs)

        base.__init__ = make_and_track

    def following(self, start):
        @functools.wraps(start)
        def start_in_context(*args, **kwargs):
            if self.enabled and args and callable(args[0]):
                self.has_threads = True
                self.track()
                if not self.items_followed:
                    self.follow_work_items()
                context, call = Context(), self.caller()
                context.run(self.carried.set, call)
                own = getattr(getattr(args[0], "__self__", None), "_context", None)  # of a Thread, which runs in it from 3.14 on
                if type(own) is Context:
                    with suppress(RuntimeError):  # the user's, which other code runs in now
                        own.run(self.carried.set, call)
                # no function of ours, which would be a frame in the tracebacks of the thread
                args = (functools.partial(context.run, args[0]), *args[1:])
            return start(*args, **kwargs)

        return start_in_context

    def follow_work_items(self):
        """What is submitted to a pool of threads belongs to the call that submits it, not to the one that started the thread.

        The first thread of a pool starts in the first `submit`, so no item is missed that needs this.
        """
        item = getattr(sys.modules.get("concurrent.futures.thread"), "_WorkItem", None)
        if item is None:
            return
        self.items_followed = True
        make, run, carried = item.__init__, item.run, self.carried

        @functools.wraps(make)
        def make_of_call(item, *args, **kwargs):
            make(item, *args, **kwargs)
            item.beep_python_call = self.caller()

        @functools.wraps(run)
        def run_of_call(item, *args, **kwargs):
            token = carried.set(getattr(item, "beep_python_call", carried.get()))
            try:
                return run(item, *args, **kwargs)
            finally:
                carried.reset(token)
                del item  # the traceback of an exception, which the item's future has, leads to this frame

        item.__init__, item.run = make_of_call, run_of_call
