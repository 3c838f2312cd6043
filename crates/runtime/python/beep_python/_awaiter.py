"""The session's event loop: made when something first awaits, and running whenever the session waits."""

from . import _failure


class Awaiter:
    def __init__(self, turn):
        self.turn = turn
        self.loop = None
        self.asyncio = None
        self.idling = False

    def wait(self, coroutine):
        """The coroutine's result. A cancel first cancels its task; only the next one raises KeyboardInterrupt."""
        loop = self.loop
        if loop is None or loop.is_closed():
            loop = self.start()
        task = self.turn.start_task(loop, coroutine)
        try:
            return loop.run_until_complete(task)
        finally:
            self.turn.task = None
            if not task.done():  # a KeyboardInterrupt left it behind
                task.cancel()

    def finish(self, closing):
        """Awaits what must be done although the request was cancelled, such as the end of a generator."""
        try:
            self.loop.run_until_complete(closing)
        except RuntimeError:  # it still runs, in a task that is cancelled and ends by itself
            pass

    def start(self):
        with self.turn.shielded():  # an interrupt inside the import would leave half a module behind
            import asyncio

        self.asyncio = asyncio
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        return self.loop

    def idle(self, fd):
        """Returns when `fd` can be read, or the loop cannot run; until then the session's background tasks go on."""
        loop = self.loop
        self.asyncio.set_event_loop(loop)  # asyncio.run leaves none behind
        self.idling = True
        try:
            loop.add_reader(fd, self.stop_idling)
            try:
                while self.idling:  # a background task may stop the loop too
                    try:
                        loop.run_forever()
                    except (SystemExit, KeyboardInterrupt):
                        _failure.report("a background task wanted to end the process")
            finally:
                loop.remove_reader(fd)
        except Exception:
            if not loop.is_closed():  # which the user's code may have done
                _failure.report("the session's event loop failed while the session was idle")
        finally:
            self.idling = False

    def stop_idling(self):
        if self.idling:
            self.idling = False
            self.loop.stop()
