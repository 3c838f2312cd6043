"""The session's asyncio loop: created when code first awaits, and run whenever the session is idle."""

import select

from . import _exceptions
from ._builtins import own as __builtins__

MAX_WAIT = 3600  # seconds of one wait; poll has a limit


class SessionLoop:
    def __init__(self, gate):
        self.gate = gate
        self.loop = None
        self.asyncio = None
        self.idling = False
        self.idle_poll = None  # waits in place of a loop that has nothing to do

    def run(self, coroutine):
        """Runs a coroutine to its result. A cancel first cancels its task; only the next one raises KeyboardInterrupt."""
        loop = self.loop
        if loop is None or loop.is_closed():
            loop = self.create()
        task = self.gate.start_task(loop, coroutine)
        try:
            return loop.run_until_complete(task)
        finally:
            self.gate.task = None
            if not task.done():  # a KeyboardInterrupt left it pending
                task.cancel()

    def finish(self, closing):
        """Awaits clean-up that must run although the request was cancelled, such as closing a generator."""
        try:
            self.loop.run_until_complete(closing)
        except RuntimeError:  # it still runs in a cancelled task, which ends on its own
            pass

    def create(self):
        with self.gate.defer_interrupts():  # an interrupt would leave a half-imported module
            import asyncio

        self.asyncio = asyncio
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.idle_poll = None
        return self.loop

    def run_while_idle(self, fd, timeout=None):
        """Runs background tasks until `fd` is readable, the loop cannot run, or `timeout` seconds have passed."""
        loop = self.loop
        self.asyncio.set_event_loop(loop)  # asyncio.run unsets it
        if loop.is_closed():
            return
        if self.idle_poll is None:
            self.idle_poll = _IdlePoll(loop, fd)
        timer = None if timeout is None else loop.call_later(timeout, self.stop_idle_run)
        try:
            if not self.idle_poll.until_readable():
                self.run_until_readable(fd)
        finally:
            if timer is not None:
                timer.cancel()

    def run_until_readable(self, fd):
        loop = self.loop
        self.idling = True
        try:
            loop.add_reader(fd, self.stop_idle_run)
            try:
                while self.idling:  # a background task may also stop the loop
                    try:
                        loop.run_forever()
                    except (SystemExit, KeyboardInterrupt):
                        _exceptions.report("a background task wanted to end the process")
            finally:
                loop.remove_reader(fd)
        except Exception:
            if not loop.is_closed():  # by the user's code
                _exceptions.report("the session's event loop failed while the session was idle")
        finally:
            self.idling = False

    def stop_idle_run(self):
        if self.idling:
            self.idling = False
            self.loop.stop()


class _IdlePoll:
    """Waits in place of a loop that has nothing to do: starting and stopping a loop takes as long as five calls."""

    def __init__(self, loop, fd):
        self.fd, self.loop = fd, loop
        self.poll = select.poll()
        self.poll.register(fd, select.POLLIN)
        try:
            self.ready, _ = loop._ready, loop._scheduled
            # readable once anything the loop waits for is ready, including calls from other threads
            self.poll.register(loop._selector.fileno(), select.POLLIN)
        except Exception:  # another kind of loop, set by the user's code
            self.poll = None

    def until_readable(self):
        """True once `fd` is readable; False once the loop has work, or its state cannot be seen."""
        if self.poll is None or self.ready:
            return False
        left, scheduled = None, self.loop._scheduled
        if scheduled:
            left = min(scheduled[0]._when - self.loop.time(), MAX_WAIT) * 1000
            if left <= 0:
                return False
        came = self.poll.poll(left)
        return len(came) == 1 and came[0][0] == self.fd
