"""The streams of a worker: text to descriptors 1 and 2, line by line, and in one order where a client follows both."""

import io
import time
from fcntl import ioctl
from termios import FIONREAD

from ._builtins import own as __builtins__

STEP = 20e-6  # seconds between looks whether the host has fetched what the other pipe holds
STEPS = 700  # some 14 ms at least; then the other descriptor is no pipe of the host's any more


class Ordered(io.FileIO):
    """One of the two. A client that takes events reads them in the order in which the host fetched them from two pipes:

    so before one is written to, the other must be empty.
    """

    follower = None  # the client of the call that runs

    def __init__(self, fd, name):
        super().__init__(fd, "w", closefd=False)
        self.name = name
        self.other = 3 - fd

    def write(self, data):
        if Ordered.follower is not None and Ordered.follower.takes_events() and self.other is not None:
            self.let_other_drain()
        return super().write(data)

    def let_other_drain(self):
        count = bytearray(4)
        try:
            for _ in range(STEPS):
                ioctl(self.other, FIONREAD, count)
                if not any(count):
                    return
                time.sleep(STEP)
        except OSError:  # the user's code has put something else in its place
            pass
        self.other = None


def streams():
    """What is to be `sys.stdout` and `sys.stderr`: they write to descriptors 1 and 2, whatever these are then."""
    return _text(1, "<stdout>"), _text(2, "<stderr>")


def _text(fd, name):
    buffer = io.BufferedWriter(Ordered(fd, name))
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)
    stream.mode = "w"
    return stream
