"""What workers leave behind falls to the zygote, which ends it."""

import os
import signal
import time
from time import monotonic

from . import _inherited
from ._process import mark_of
from ._builtins import own as __builtins__

# Seconds for a resource tracker, which removes shared memory that its program left: on a busy machine one was not always enough.
TRACKER_TIME = 5.0
STEP = 0.005  # seconds


class Orphans:
    """What has lost its parent falls to the zygote, which reaps it: a worker sees no children but its own. Its mark tells whose it is."""

    def __init__(self):
        self.helpers = set(descendants(os.getpid()))  # processes that preloaded modules started, for all sessions
        self.killed = set()
        self.ending = {}  # resource trackers, and when they are killed

    def end(self, workers):
        """After the death of a worker: any child here is an orphan of a dead one, unless a living one has its mark. `workers` has their
        marks by their pids."""
        of, marks = children(), set(workers.values()) - {None}  # one look: what falls to this process meanwhile was not judged
        others = {pid for pid in of.get(os.getpid(), ()) if mark_of(pid) in marks}
        for pid in descendants(os.getpid(), others.union(workers, self.helpers), of):
            if pid not in self.ending:
                if is_tracker(pid):
                    self.ending[pid] = monotonic() + TRACKER_TIME
                else:
                    self.killed.add(pid)
                    kill(pid)

    def next_kill(self):
        """In so many milliseconds; None if there is nothing to kill."""
        return max(0, min(self.ending.values()) - monotonic()) * 1000 if self.ending else None

    def kill_overdue(self):
        now = monotonic()
        for pid in [pid for pid, end in self.ending.items() if end <= now]:
            del self.ending[pid]
            kill(pid)

    def reaped(self, pid):
        """Returns whether it was killed, so that what it forked meanwhile may have fallen to this process."""
        self.ending.pop(pid, None)
        self.helpers.discard(pid)
        was_killed = pid in self.killed
        self.killed.discard(pid)
        return was_killed

    def end_all(self, besides=()):
        """Kills all descendants after the host ended. Workers die by their lifeline; their orphans are adopted and killed here."""
        besides, patience = set(besides), monotonic() + TRACKER_TIME
        for _ in range(int(1.5 * TRACKER_TIME / STEP)):
            left = descendants(os.getpid(), besides)
            for pid in left:
                if monotonic() > patience or not is_tracker(pid):
                    kill(pid)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            if not left:
                return
            time.sleep(STEP)


def is_tracker(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            command = file.read()
    except OSError:
        return False
    return any(b"from %s import" % name.encode() in command for name in _inherited.TRACKERS)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def descendants(root, besides=(), of=None):
    """All descendants of `root`, without the processes in `besides` and their descendants. `of` has the children of each process."""
    of, found, level = of or children(), [], [root]
    while level:
        level = [pid for parent in level for pid in of.get(parent, ()) if pid not in besides]
        found += level
    return found


def children():
    """The children of each process, without those that have ended."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state not in "ZX":
                found.setdefault(int(parent), []).append(int(name))
    return found
