"""Reading and writing that no exception can tear apart.

Another thread can raise an exception in the main one (`PyThreadState_SetAsyncExc`), and so can a trace function. It strikes between
two instructions of Python, most likely after a system call, in which other threads ran: a function that has read would lose what
it read, one that has written would not know it. So the system call and keeping its result are one instruction here: a step of an
iterator that consists of functions of C.
"""

from itertools import repeat
from os import read, write  # bound here, out of reach of user code that patches os

from ._builtins import own as __builtins__

PIPE_BUF = 4096  # Linux: so much is written to a blocking pipe as a whole, whatever comes
JOINED = 1 << 17  # more is not joined


def reading(fd, size, into):
    """An iterator: each step reads once, and appends to `into` what was read."""
    return map(into.append, map(read, repeat(fd), repeat(size)))


class Outbox:
    """Buffers for a blocking pipe: `waiting`. What was written is not there any more."""

    def __init__(self):
        self.waiting = []
        self.has_long = False  # whether two of them may be more than PIPE_BUF
        self.part = []  # a buffer, and how much of it was written once that is known
        self.steps = self.part_steps = iter(())

    def open(self, fd):
        waiting, part = self.waiting, self.part
        self.steps = zip(map(write, repeat(fd), map(b"".join, repeat(waiting))), iter(waiting.clear, fd))
        written = map(part.append, map(write, repeat(fd), map(part.__getitem__, repeat(0))))
        self.part_steps = zip(written, map(waiting.pop, repeat(0)))

    def flush(self):
        if len(self.waiting) < 3 and not self.has_long:
            next(self.steps)
            return
        waiting, part = self.waiting, self.part
        if sum(map(len, waiting)) <= JOINED:
            waiting[:] = (b"".join(waiting),)
        while waiting:
            part[:] = waiting[:1]
            next(self.part_steps)
            self.put_back()
        self.has_long = False
        part.clear()

    def put_back(self):
        """What is left of a buffer in whose writing a signal came."""
        if len(self.part) == 2 and self.part[1] < len(self.part[0]):
            self.waiting.insert(0, memoryview(self.part[0])[self.part.pop() :])
