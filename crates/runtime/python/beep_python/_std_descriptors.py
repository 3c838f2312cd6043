"""Descriptors 0 to 2 of a worker. Code closes and replaces them; a file that it opens next would get the number, and the output of a
later call. So the worker has another of each, and notices by a mark whether a number still stands for what the host gave."""

from fcntl import F_DUPFD_CLOEXEC, F_GETFD, fcntl
from os import close, dup2

# the module `signal` converts its constants to enums
from _signal import SIGCHLD, SIGURG, SIGWINCH

from ._builtins import own as __builtins__

# Linux; the fcntl module has no names for them before 3.13
F_SETSIG = 10
F_GETSIG = 11

# What marks an open file: the signal that it would send, were it asked to send signals. One each, so that one in the place of another
# is noticed too, and such as do nothing where nobody waits for them. To read the mark costs a quarter of `fstat`.
MARKS = SIGCHLD, SIGURG, SIGWINCH


def is_ours(fd):
    """Whether the number stands for what the host gave."""
    try:
        return fcntl(fd, F_GETSIG) == MARKS[fd]
    except OSError:  # it is closed
        return False
    except BaseException:  # an audit hook of the user's
        return True


def above(fd):
    """The same with a number above them: while code has one of them closed, what is opened gets its number."""
    if fd > 2:
        return fd
    moved = fcntl(fd, F_DUPFD_CLOEXEC, 3)
    close(fd)
    return moved


class StdDescriptors:
    def __init__(self):
        self.kept = ()  # another descriptor of each, by number

    def keep(self, stdout, stderr):
        """Marks them. The arguments are other descriptors of the same pipes; returns the one that is made of standard input."""
        self.kept = fcntl(0, F_DUPFD_CLOEXEC, min(stdout, stderr)), stdout, stderr
        for fd in range(3):
            self.mark(fd)
        return self.kept[0]

    def mark(self, fd):
        try:
            fcntl(self.kept[fd], F_SETSIG, MARKS[fd])
        except OSError:  # a system that has no such call; then each call is followed by a renewal
            pass

    def are_ours(self):
        """Nearly every call asks this, so it is written out."""
        stdin, stdout, stderr = MARKS
        try:
            return fcntl(0, F_GETSIG) == stdin and fcntl(1, F_GETSIG) == stdout and fcntl(2, F_GETSIG) == stderr
        except OSError:
            return False
        except BaseException:
            return True

    def fill(self):
        """Opens those that are closed, so that what is made next, and stays, does not get their numbers."""
        for fd, kept in enumerate(self.kept):
            try:
                fcntl(fd, F_GETFD)
            except OSError:
                dup2(kept, fd)

    def renew(self):
        for fd, kept in enumerate(self.kept):
            if not is_ours(fd):
                self.mark(fd)  # code may have taken that
                dup2(kept, fd)
