"""Files that preloaded modules hold open: after a fork all processes would share one position in each.

What is only read is opened anew in each worker, where it was. What is written keeps its shared position, as under any fork: processes
that write to one file behind each other's back would overwrite each other's lines.
"""

import fcntl
import os
import stat

from . import _exceptions
from ._builtins import own as __builtins__


def numbers():
    """The descriptors of this process."""
    return {int(name) for name in os.listdir("/proc/self/fd") if is_open(int(name))}


def is_open(fd):
    """False for that with which the folder was read."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


class OpenFiles:
    """Made in the zygote, after everything was imported. `before` are the descriptors that it began with."""

    def __init__(self, before):
        self.read, self.written = [], []
        for fd in sorted(numbers() - before):
            self.look_at(fd)
        if self.written:
            detail = "files that preloaded modules opened for writing have one position for all sessions: %s"
            _exceptions.write_stderr(detail % ", ".join(self.written))

    def look_at(self, fd):
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        name = os.readlink("/proc/self/fd/%d" % fd)
        if not stat.S_ISREG(os.fstat(fd).st_mode) or flags & os.O_PATH or name.startswith(("/dev/shm/", "/memfd:")):
            return
        if flags & os.O_ACCMODE != os.O_RDONLY:
            self.written.append(name)
        elif not is_locked(fd):  # a lock of `flock` would stay behind
            self.read.append((fd, flags))

    def reopen(self):
        """In a forked worker."""
        for fd, flags in self.read:
            try:
                at = os.lseek(fd, 0, os.SEEK_CUR)
                fresh = os.open("/proc/self/fd/%d" % fd, flags | os.O_CLOEXEC)
                try:
                    os.lseek(fresh, at, os.SEEK_SET)
                    os.dup2(fresh, fd, inheritable=os.get_inheritable(fd))
                finally:
                    os.close(fresh)
            except OSError as error:  # closed, or no longer ours to read
                _exceptions.report("a file that a preloaded module opened keeps one position for all sessions", error)


def is_locked(fd):
    with open("/proc/self/fdinfo/%d" % fd) as file:
        return "\nlock:" in file.read()
