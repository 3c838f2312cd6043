"""The last words of processes that were interrupted with a call, as all of the worker's process group are: they belong to that call."""

import os
from select import POLLIN, poll
from time import monotonic

from . import _process
from ._builtins import own as __builtins__

STEP = 0.002  # seconds, in which the host says how long to wait
SIGINT_BIT = 1 << 1


def await_end(steps):
    """Waits until the other processes of the group have ended, but for those that ignore SIGINT; for so long at most. Python's `subprocess`
    does so for the process that it waits for."""
    end = monotonic() + steps * STEP
    polled, left = poll(), {}
    try:
        for pid in group_of(os.getpid()):
            try:
                fd = _process.open_pidfd(pid)
            except OSError:  # it has ended
                continue
            left[fd] = pid
            polled.register(fd, POLLIN)
        while left:
            ended = polled.poll(max(0, (end - monotonic()) * 1000))
            if not ended:
                break
            for fd, _ in ended:
                polled.unregister(fd)
                del left[fd]
                os.close(fd)
    except OSError:  # too many open files
        pass
    finally:
        for fd in left:
            os.close(fd)


def group_of(leader):
    """The processes of this group that take notice of SIGINT, without their leader."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != leader:
            try:
                with open("/proc/%s/stat" % name) as file:
                    state, _, group = file.read().rpartition(")")[2].split()[:3]
                if int(group) == leader and state not in "ZX" and not ignores_interrupts(name):
                    yield int(name)
            except OSError:  # it has ended
                pass


def ignores_interrupts(pid):
    with open("/proc/%s/status" % pid) as file:
        return any(line.startswith("SigIgn:") and int(line.split()[1], 16) & SIGINT_BIT for line in file)
