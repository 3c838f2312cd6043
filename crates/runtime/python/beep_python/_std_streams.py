"""The standard streams of a session outlive what code does to them: a call begins with streams that work, whatever the ones before did.

What code puts in their place stays there as long as it works. What is closed, detached or gone is renewed: our own streams are opened
again as the same objects, so that all who have them, such as handlers of logging, have them again.
"""

import _sitebuiltins
import builtins
import sys

from . import _shared_page
from ._builtins import own as __builtins__
from ._exit import flush_current, flush_each
from ._output import OrderedStream, keep_order, open_stream
from ._std_descriptors import StdDescriptors
from ._stdin import Stdin

NAMES = "stdin", "stdout", "stderr"


class Quitter(_sitebuiltins.Quitter):
    """`exit` and `quit`, but that they close nothing: standard input is that of later calls too."""

    def __call__(self, code=None):
        raise SystemExit(code)


class StdStreams:
    """`watch` is called with a stream of ours that has got another buffer."""

    def __init__(self, stdout, stderr, watch):
        self.watch = watch
        self.descriptors = StdDescriptors()
        self.ours = None, stdout, stderr
        self.flushes = stdout.flush, stderr.flush  # whatever their attributes become
        self.buffers = [None, stdout.buffer, stderr.buffer]  # those that we gave them, whatever they have now
        self.stdin = Stdin()
        self.before = {}  # the last buffer of each: a thread may be in a write of it yet
        self.active = False

    def enter(self, stdout, stderr, client, stdin_is_given):
        """Makes these the streams of the process. The first two are other descriptors of its pipes; returns one more of its input."""
        _, sys.stdout, sys.stderr = self.ours = sys.__stdin__, *self.ours[1:]
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
        self.before[0] = sys.__stdin__.buffer
        self.stdin.enter(sys.__stdin__, client, stdin_is_given)
        for name in ("exit", "quit"):
            quitter = getattr(builtins, name, None)
            if type(quitter) is _sitebuiltins.Quitter:
                setattr(builtins, name, Quitter(name, quitter.eof))
        self.active = True
        return self.descriptors.keep(stdout, stderr)

    def forget(self):
        """In a child that the session forked: what it closes stays closed, as in any program."""
        self.active = False
        OrderedStream.page = bytearray(_shared_page.PAGE)  # that of the host is the parent's

    def flush(self, ignored=Exception):
        """While a call runs an interrupt goes on, and so does what a stream of the user's raises that is no plain exception: `print` lets
        both through."""
        flush_each(self.flushes, ignored)
        flush_current(ignored)

    def finish(self):
        """After a call. What a stream of the user's raises then is nobody's."""
        self.flush(BaseException)
        self.renew()

    def are_open(self):
        """Whether our own for output are in their place, and work, which after a call its flush says."""
        _, stdout, stderr = self.ours
        try:
            return sys.stdout is stdout and sys.stderr is stderr and not (stdout.closed or stderr.closed)
        except BaseException:  # deleted, detached, or made the stream of something else
            return False

    def are_whole(self):
        """Whether all is as the session began, but for what `are_open` tells. Nearly every call asks this."""
        stdin, stdout, stderr = self.ours
        try:
            return (
                sys.stdin is stdin
                and sys.__stdin__ is stdin
                and sys.__stdout__ is stdout
                and sys.__stderr__ is stderr
                and not stdin.closed
                and not self.stdin.was_read
                and self.descriptors.are_ours()
            )
        except BaseException:  # deleted, detached, or made the stream of something else
            return False

    def renew(self):
        """Renews what does not work. That may look into objects of the user's."""
        if not self.active:
            return
        self.descriptors.renew()
        for fd, (name, stream) in enumerate(zip(NAMES, self.ours)):
            if not works(stream, fd) or (fd == 0 and self.stdin.was_read):
                self.reopen(fd, stream)
            setattr(sys, "__%s__" % name, stream)
            if getattr(sys, name, stream) is stream or not works(getattr(sys, name), fd):
                setattr(sys, name, stream)
            if fd:
                keep_order(stream, fd)
        flush_each(self.flushes)  # what they could not write to a descriptor that was closed

    def reopen(self, fd, stream):
        try:
            self.before[fd] = stream.buffer
        except ValueError:  # detached
            pass
        if fd:
            flush_each((self.buffers[fd].flush,), BaseException)  # what code wrote to one that it detached
            open_stream(stream, fd)
            self.buffers[fd] = stream.buffer
            self.watch(stream, fd)
        else:
            self.stdin.open()


def is_closed(stream):
    try:
        return stream.closed is True
    except ValueError:  # detached
        return True


def works(stream, fd):
    """Whether an object can stand for a stream. It may be anything, and raise anything."""
    try:
        return hasattr(stream, "write" if fd else "readline") and not (hasattr(stream, "closed") and is_closed(stream))
    except ValueError:  # detached
        return False
    except BaseException:
        return True
