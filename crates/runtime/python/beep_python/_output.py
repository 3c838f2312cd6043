"""A worker's standard output and error: text, written line by line, in an order that the host can attribute."""

import io
import sys
import time
from fcntl import ioctl
from termios import FIONREAD

from ._builtins import own as __builtins__

STEP = 20e-6  # seconds between checks whether the host has read a pipe
STEPS = 700  # some 14 ms at least; then the other descriptor is no longer a pipe of the host's
DRAIN_STEPS = 700  # some 50 ms in all, while more output keeps coming
DRAIN_STEPS_SLOW = 70_000  # some 5 s, while the host has not read it yet
NOTHING = bytes(4)


class OrderedStream(io.FileIO):
    """One of the two descriptors. A client of events sees output in the order in which the host read it from two pipes,

    so before a write to one, the other must be empty.
    """

    client = None  # of the running call

    def __init__(self, fd, name):
        super().__init__(fd, "w", closefd=False)
        self.name = name
        self.other = 3 - fd

    def write(self, data):
        if OrderedStream.client is not None and OrderedStream.client.takes_events() and self.other is not None:
            self.wait_for_other_pipe()
        return super().write(data)

    def wait_for_other_pipe(self):
        count = bytearray(4)
        try:
            for _ in range(STEPS):
                ioctl(self.other, FIONREAD, count)
                if not any(count):
                    return
                time.sleep(STEP)
        except OSError:  # the user's code replaced it
            pass
        self.other = None


def streams():
    """The worker's `sys.stdout` and `sys.stderr`; they write to descriptors 1 and 2, whatever those are then."""
    return _text_stream(1, "<stdout>"), _text_stream(2, "<stderr>")


def _text_stream(fd, name):
    buffer = io.BufferedWriter(OrderedStream(fd, name))
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)
    stream.mode = "w"
    return stream


class OutputDrain:
    """Waits until the host has read all output: it attributes what it reads to the request that is running.

    A thread that keeps printing keeps the pipes full; it is waited for a short while, a slow host longer.
    """

    def __init__(self):
        self.fds = ()
        self.unread = bytearray(4)  # a C int, as FIONREAD gives it
        self.sleep = time.sleep  # bound here, out of reach of code that patches the module

    def wait(self):
        unread = self.unread
        for fd in self.fds:
            ioctl(fd, FIONREAD, unread)
            if unread != NOTHING:
                self.wait_until_read(fd)

    def wait_until_read(self, fd):
        unread = self.unread
        last, grown = None, False
        for step in range(DRAIN_STEPS_SLOW):
            ioctl(fd, FIONREAD, unread)
            if unread == NOTHING:
                return
            left = int.from_bytes(unread, sys.byteorder)
            grown = grown or (last is not None and left > last)
            if grown and step >= DRAIN_STEPS:
                return
            last = left
            self.sleep(STEP)
