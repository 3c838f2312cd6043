"""What workers leave behind falls to the zygote, which ends it."""

import os
import signal
import time
from time import monotonic

from . import _inherited
from ._builtins import own as __builtins__

TRACKER_TIME = 1.0  # seconds for a resource tracker, which removes shared memory that its program left
STEP = 0.005  # seconds


class Orphans:
    def __init__(self):
        self.helpers = set(descendants(os.getpid()))  # processes that preloaded modules started, for all sessions
        self.ending = {}  # resource trackers, and when they are killed

    def end(self, workers):
        """After the death of a worker. A live one adopts its orphans itself, so any other child here is an orphan of a dead one."""
        for pid in descendants(os.getpid(), workers | self.helpers):
            if pid not in self.ending:
                if is_tracker(pid):
                    self.ending[pid] = monotonic() + TRACKER_TIME
                else:
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
        self.ending.pop(pid, None)
        self.helpers.discard(pid)

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


def descendants(root, besides=()):
    """All descendants of `root`, without the processes in `besides` and their descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, level = [], [root]
    while level:
        level = [pid for parent in level for pid in children.get(parent, ()) if pid not in besides]
        found += level
    return found
