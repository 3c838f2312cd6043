"""Many lines: after some thousand that came at once, a stream keeps what is printed until that makes a piece of a good size, as `python`
does where its output is no terminal. A system call for each line, and the host woken by each, take many times longer than to print it.

It goes back to lines with each flush: at the end of the call, before an event, before another process starts, when the other stream is
written, when the host asks because nothing came for a while.
"""

import sys
from io import TextIOWrapper
from time import monotonic

from ._builtins import own as __builtins__
from ._undivided import undivided

PACE = 1e-3  # seconds for each line, on average
AHEAD = 5.0  # seconds that lines may be ahead of that: five thousand at once
OTHERS_START = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn", "subprocess.Popen"}

keeping = None  # the burst whose stream keeps text to itself
hooked = False


class Burst:
    """Of one stream."""

    def __init__(self, stream, name, gate):
        self.stream, self.name = stream, name
        self.end = undivided(self.end, gate)
        self.paced = 0.0
        self.overtaken = False  # while the stream gives its text to the buffer, which has got other bytes

    def count_line(self):
        now = monotonic()
        self.paced = (self.paced if self.paced > now else now) + PACE
        if self.paced - now > AHEAD:
            self.begin(now)

    def begin(self, now):
        global keeping
        self.paced, stream = now, self.stream
        if keeping is None and getattr(sys, self.name, None) is stream and hook():
            self.configuration = {"line_buffering": stream.line_buffering, "write_through": stream.write_through}
            stream.reconfigure(line_buffering=False, write_through=False)
            keeping = self

    def write_text(self):
        """Before bytes of the code's go to the buffer; none is left where the stream gives them."""
        self.overtaken = True
        try:
            TextIOWrapper.flush(self.stream)
        finally:
            self.overtaken = False

    def end(self):
        """The stream writes what it keeps."""
        global keeping
        keeping, self.paced = None, monotonic()
        try:
            self.stream.reconfigure(**self.configuration)
        except (AttributeError, OSError, ValueError):  # it is closed, detached, another's, or cannot be written
            pass
        except BaseException:  # an interrupt, where the pipe is full
            keeping = self
            raise


def hook():
    """Whether what is kept is written before other processes start, which may write to the same pipes."""
    global hooked
    if not hooked:
        try:
            sys.addaudithook(before)
            hooked = True
        except BaseException:  # a hook of the user's lets no other in
            pass
    return hooked


def before(event, _):
    if keeping is not None and event in OTHERS_START:
        keeping.end()
