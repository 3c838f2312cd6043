"""The session's asyncio loop: created when code first awaits, and run whenever the session is idle."""

import os
import sys
from contextvars import copy_context
from select import POLLIN, poll
from sys import version_info

from . import _exceptions
from ._builtins import own as __builtins__

MAX_WAIT = 3600  # seconds of one wait; poll has a limit
END_TIME = 2  # seconds that tasks have for their clean-up at the end of the session


class SessionLoop:
    def __init__(self, gate, on_create=lambda: None):
        self.gate = gate
        self.on_create = on_create
        self.loop = None
        self.asyncio = None
        self.idling = False
        self.idle_poll = None  # waits in place of a loop that has nothing to do

    def run(self, coroutine):
        """Runs a coroutine to its result. A cancel first cancels its task; only the next one raises KeyboardInterrupt."""
        loop = self.loop
        if loop is None or loop.is_closed():
            loop = self.create()
        outcome, here = _Outcome(), self.context_here()
        task = self.gate.start_task(loop, _settle(coroutine, outcome), **here)
        try:
            loop.run_until_complete(task)
        except BaseException:
            if outcome.error is None:
                raise
        finally:
            self.gate.task = None
            if outcome.context is not None and not here:
                adopt(outcome.context)
            if not task.done():  # a KeyboardInterrupt left it pending
                outcome.is_abandoned = True
                for context in here.values():
                    context.leave()
                task.cancel()
            else:
                coroutine.close()  # one that was cancelled before its first step
            del coroutine, task  # this frame becomes a part of the exception's traceback
        if self.gate.ends_in_ctrl_c:
            self.gate.ends_in_ctrl_c = False
            outcome.end_in_ctrl_c(self.asyncio.CancelledError)
        return outcome.take()

    def finish(self, closing):
        """Awaits clean-up that must run although the request was cancelled, such as closing a generator."""
        outcome, here = _Outcome(), self.context_here()
        try:
            self.loop.run_until_complete(self.loop.create_task(_settle(closing, outcome), **here))
            outcome.take()
        except RuntimeError:  # it still runs in a cancelled task, which ends on its own
            pass
        finally:
            for context in here.values():
                context.leave()

    def context_here(self):
        """The option that has a task run in the context of the session, where the tokens of its variables are valid; none where tasks
        cannot be given one, or where they are made by something that wants a context of Python's, as asyncio itself does from 3.15 on."""
        loop = self.loop
        can = (3, 11) <= version_info < (3, 15) and isinstance(loop, self.asyncio.BaseEventLoop) and loop.get_task_factory() is None
        return {"context": ContextHere()} if can else {}

    def create(self):
        with self.gate.defer_interrupts():  # an interrupt would leave a half-imported module
            import asyncio

        self.on_create()
        self.asyncio = asyncio
        self.loop = current_loop(asyncio)
        asyncio.set_event_loop(self.loop)
        self.idle_poll = None
        return self.loop

    def end(self):
        """Ends the loop as `asyncio.run` does: tasks are cancelled and have time for their clean-up, generators are closed, and pools of
        threads end."""
        loop = self.loop
        if loop is None or loop.is_closed():
            return
        asyncio, self.loop = self.asyncio, None
        asyncio.set_event_loop(loop)
        tasks = asyncio.all_tasks(loop)
        try:
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=END_TIME))
            for task in tasks:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    about = {"message": "a task raised at the end of the session", "exception": task.exception(), "task": task}
                    loop.call_exception_handler(about)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def run_while_idle(self, fd, timeout=None):
        """Runs background tasks until `fd` is readable, the loop cannot run, or `timeout` seconds have passed."""
        loop = self.loop
        try:
            self.asyncio.set_event_loop(loop)  # asyncio.run unsets it
        except BaseException:  # of a policy of the user's; it would keep the session from its next call
            _exceptions.report("the session's event loop could not be set")
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


def current_loop(asyncio):
    """The loop that code has made already, with its tasks and futures, else a new one. One that a thread of the code's runs is not ours to run."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # up to 3.13 it makes one where there is none, and says that this will change
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            loop = None
    is_free = loop is not None and not loop.is_closed() and not loop.is_running()
    return loop if is_free else asyncio.new_event_loop()


class ContextHere:
    """Stands for the context that the loop runs in, that of the session, which no `Context` can: it is entered already. Asyncio asks
    a context only to run something in it."""

    def __init__(self):
        self.left = None

    def run(self, function, *args, **kwargs):
        try:
            return function(*args, **kwargs) if self.left is None else self.left.run(function, *args, **kwargs)
        finally:
            del function, args  # a future that failed: the frame of what awaits it, in the traceback of its exception, leads to this one

    def leave(self):
        """The task is none of the session's calls any more: from here on it has a context of its own."""
        self.left = copy_context()


def adopt(context):
    """Sets the context variables that a task has changed in a context of its own. Code that awaits leaves them as code that does not."""
    unset = object()
    for variable, value in context.items():
        if variable.get(unset) is not value:
            variable.set(value)


class _Outcome:
    """How a coroutine ended.

    A task keeps its exception, whose traceback keeps the frames, and nearly all of them lead to the task again: of the loop, of the
    code that awaits. Such a circle holds on to the variables of the code that failed until a collection. So the task never
    learns of the exception.
    """

    __slots__ = ("value", "error", "context", "is_abandoned")

    def __init__(self):
        self.value = self.error = None
        self.context = None  # the variables of its context, as its code left them
        self.is_abandoned = False  # nobody waits for it any more

    def end_in_ctrl_c(self, cancelled):
        """Makes of a cancel what `asyncio.run` makes of it after Ctrl-C."""
        if isinstance(self.error, cancelled):
            interrupt = KeyboardInterrupt()
            interrupt.__context__ = self.error
            self.error = interrupt

    def take(self):
        """Returns the value or raises the exception, and keeps neither."""
        value, error = self.value, self.error
        self.value = self.error = None
        if error is None:
            return value
        clear_frames_of_asyncio(error)
        try:
            raise error
        finally:
            del error, value


def clear_frames_of_asyncio(error):
    """Takes from the frames of asyncio that an exception went through their variables: among them are tasks that have it,
    as in `wait_for` before 3.12."""
    folder = os.path.dirname(sys.modules["asyncio"].__file__) + os.sep
    errors, seen = [error], set()
    while errors:
        error = errors.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        errors += [other for other in (error.__cause__, error.__context__) if other is not None]
        traceback = error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename.startswith(folder):
                try:
                    traceback.tb_frame.clear()
                except RuntimeError:  # it still runs
                    pass
            traceback = traceback.tb_next


async def _settle(coroutine, outcome):
    try:
        outcome.value = await coroutine
    except BaseException as error:
        if outcome.is_abandoned:
            raise  # asyncio tells of it
        outcome.error = error
    finally:
        outcome.context = copy_context()
        del coroutine, outcome  # this frame is in the traceback too


class _IdlePoll:
    """Waits in place of a loop that has nothing to do: starting and stopping a loop takes as long as five calls."""

    def __init__(self, loop, fd):
        self.fd, self.loop = fd, loop
        self.poll = poll()
        self.poll.register(fd, POLLIN)
        try:
            self.ready, _ = loop._ready, loop._scheduled
            # readable once anything the loop waits for is ready, including calls from other threads
            self.poll.register(loop._selector.fileno(), POLLIN)
        except BaseException:  # another kind of loop, set by the user's code
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
