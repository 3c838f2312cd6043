"""A worker's standard output and error: text, written line by line, in an order that the host can attribute."""

import io
import sys
from fcntl import ioctl
from os import set_blocking
from select import select
from termios import FIONREAD
from time import sleep  # bound here, out of reach of code that patches the module

from . import _bursts, _shared_page
from ._builtins import own as __builtins__
from ._std_descriptors import is_ours
from ._undivided import undivided

STEP = 20e-6  # seconds between checks whether the host has read a pipe
STEPS = 700  # some 14 ms at least; then the other descriptor is no longer a pipe of the host's
DRAIN_STEPS = 700  # some 50 ms in all, while more output keeps coming
DRAIN_STEPS_SLOW = 70_000  # some 5 s, while the host has not read it yet
BUFFER = 16384  # bytes; two pieces of a burst
NOTHING = bytes(4)
NAMES = {1: "<stdout>", 2: "<stderr>"}


class OrderedStream(io.FileIO):
    """One of the two descriptors. A client of events sees output in the order in which the host read it from two pipes,

    so before a write to one, the other must be empty.
    """

    client = None  # of the running call
    page = bytearray(_shared_page.PAGE)  # in a worker, the one that it shares with the host
    gate = None

    def __init__(self, fd, name):
        super().__init__(fd, "w", closefd=False)
        self.name = name
        self.other = 3 - fd
        self.unfinished = _shared_page.UNFINISHED + fd - 1

    def write(self, data):
        if OrderedStream.client is not None and OrderedStream.client.takes_events() and self.other is not None:
            self.wait_for_other_pipe()
        self.wait_until_writable()
        size = super().write(data)
        if size is None and is_ours(self.fileno()):  # code, or a child that has the pipe too, has made it non-blocking
            set_blocking(self.fileno(), True)
            size = super().write(data)
        self.page[self.unfinished] = 0
        return size

    def wait_until_writable(self):
        """An interrupt may end this wait: nothing is written yet. An exception after that would leave the bytes in the buffer, which
        would write them again."""
        if not select((), (self.fileno(),), (), 0)[1]:
            self.gate.wait_within_write(select, (), (self.fileno(),), ())

    def wait_for_other_pipe(self):
        count = bytearray(4)
        try:
            for _ in range(STEPS):
                ioctl(self.other, FIONREAD, count)
                if not any(count):
                    return
                sleep(STEP)
        except OSError:  # the user's code replaced it
            pass
        self.other = None


def streams(gate):
    """The worker's `sys.stdout` and `sys.stderr`; they write to descriptors 1 and 2, whatever those are then."""
    OrderedStream.gate = gate
    return _text_stream(1), _text_stream(2)


def _text_stream(fd):
    stream = io.TextIOWrapper.__new__(io.TextIOWrapper)
    open_stream(stream, fd)
    stream.mode = "w"
    return stream


def open_stream(stream, fd):
    """Opens a text stream for this descriptor, again where it was closed or detached."""
    raw = OrderedStream(fd, NAMES[fd])
    buffer = io.BufferedWriter(raw, BUFFER)
    # For buffers of the code's own, which would write the bytes again after an exception.
    raw.write = undivided(raw.write, OrderedStream.gate, handles_at_end=False)
    buffer.write, buffer.flush = _methods(buffer, _bursts.Burst(stream, NAMES[fd][1:-1], OrderedStream.gate))
    # Text goes to the buffer at once: what the stream keeps to itself would be lost if a signal struck while it is flushed.
    stream.__init__(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=True)


def _methods(buffer, burst):
    """`write` and `flush` of the buffer between a text stream and its descriptor."""
    write_to_buffer, flush_buffer, unfinished = buffer.write, buffer.flush, buffer.raw.unfinished

    def write(data):
        """Notes on the page that there is something: the host asks for it before long."""
        if _bursts.keeping is not None:
            if _bursts.keeping is not burst:
                _bursts.keeping.end()
            elif not burst.overtaken:
                return write_piece(data)
        size = write_to_buffer(data)
        if size:
            OrderedStream.page[unfinished] = 1
        return size

    def write_piece(data):
        burst.write_text()
        size = write_to_buffer(data)
        flush_buffer()
        OrderedStream.page[unfinished] = 1
        return size

    def flush():
        if burst.overtaken:
            return
        if _bursts.keeping is burst:
            burst.end()
            flush_buffer()
            OrderedStream.page[unfinished] = 0
        elif not OrderedStream.page[unfinished]:
            flush_buffer()  # which may have been written to directly
        else:
            flush_buffer()
            burst.count_line()
            if _bursts.keeping is burst:
                OrderedStream.page[unfinished] = 1

    return undivided(write, OrderedStream.gate), undivided(flush, OrderedStream.gate)


def keep_order(stream, fd):
    """The other descriptor is a pipe again; a stream that found it to be none has forgotten it."""
    if type(stream.buffer) is io.BufferedWriter and type(stream.buffer.raw) is OrderedStream:  # code may have opened it for something else
        stream.buffer.raw.other = 3 - fd


class OutputDrain:
    """Waits until the host has read all output: it attributes what it reads to the request that is running.

    A thread that keeps printing keeps the pipes full; it is waited for a short while, a slow host longer.
    """

    def __init__(self):
        self.fds = ()
        self.unread = bytearray(4)  # a C int, as FIONREAD gives it
        self.sleep = sleep

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
