"""The session's event loop: made when something first awaits, and running whenever the session waits."""

import select

from . import _exceptions
from ._builtins import own as __builtins__

MAX_WAIT = 3600  # seconds of one wait: what a descriptor is waited for has a limit


class SessionLoop:
    def __init__(self, gate):
        self.gate = gate
        self.loop = None
        self.asyncio = None
        self.idling = False
        self.idle_poll = None  # tells, where the loop can be asked, whether it has nothing to do; see `_Quiet`

    def run(self, coroutine):
        """The coroutine's result. A cancel first cancels its task; only the next one raises KeyboardInterrupt."""
        loop = self.loop
        if loop is None or loop.is_closed():
            loop = self.create()
        task = self.gate.start_task(loop, coroutine)
        try:
            return loop.run_until_complete(task)
        finally:
            self.gate.task = None
            if not task.done():  # a KeyboardInterrupt left it behind
                task.cancel()

    def finish(self, closing):
        """Awaits what must be done although the request was cancelled, such as the end of a generator."""
        try:
            self.loop.run_until_complete(closing)
        except RuntimeError:  # it still runs, in a task that is cancelled and ends by itself
            pass

    def create(self):
        with self.gate.defer_interrupts():  # an interrupt inside the import would leave half a module behind
            import asyncio

        self.asyncio = asyncio
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.idle_poll = None
        return self.loop

    def run_while_idle(self, fd, timeout=None):
        """Returns when `fd` can be read, the loop cannot run, or `most` seconds are over; until then background tasks go on."""
        loop = self.loop
        self.asyncio.set_event_loop(loop)  # asyncio.run leaves none behind
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
                while self.idling:  # a background task may stop the loop too
                    try:
                        loop.run_forever()
                    except (SystemExit, KeyboardInterrupt):
                        _exceptions.report("a background task wanted to end the process")
            finally:
                loop.remove_reader(fd)
        except Exception:
            if not loop.is_closed():  # which the user's code may have done
                _exceptions.report("the session's event loop failed while the session was idle")
        finally:
            self.idling = False

    def stop_idle_run(self):
        if self.idling:
            self.idling = False
            self.loop.stop()


class _IdlePoll:
    """Waits in place of a loop that has nothing to do: to begin to run, and to stop, takes a loop as long as five calls."""

    def __init__(self, loop, fd):
        self.fd, self.loop = fd, loop
        self.poll = select.poll()
        self.poll.register(fd, select.POLLIN)
        try:
            self.ready, _ = loop._ready, loop._scheduled
            # readable as soon as anything is for which the loop waits, calls from other threads among it
            self.poll.register(loop._selector.fileno(), select.POLLIN)
        except Exception:  # a loop of another kind, which the user's code has chosen
            self.poll = None

    def until_readable(self):
        """True when `fd` can be read; False as soon as the loop has something to do, or does not say."""
        if self.poll is None or self.ready:
            return False
        left, scheduled = None, self.loop._scheduled
        if scheduled:
            left = min(scheduled[0]._when - self.loop.time(), MAX_WAIT) * 1000
            if left <= 0:
                return False
        came = self.poll.poll(left)
        return len(came) == 1 and came[0][0] == self.fd
