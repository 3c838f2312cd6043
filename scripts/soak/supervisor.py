"""Runs the soak in a process of its own, and ends whatever is left of it: after its time, when it is interrupted, and when it is killed."""

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from measure import command, parent, settle

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
# How long the soak has to tell what it found, once it is interrupted.
LAST_WORDS = 25


def supervise(soak, seconds):
    """Calls `soak(folder)` in a child; returns its exit status, or 1 where it left something or took longer."""
    folder = Path(tempfile.mkdtemp(prefix="beep-soak-"))
    # All processes of the soak are below this one, also those whose parents ended.
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        run(soak, folder)

    def interrupted(number, frame):
        os.kill(child, signal.SIGINT)
        signal.alarm(LAST_WORDS)

    def late(number, frame):
        print("\nThe soak did not end; it is killed.", file=sys.stderr)
        kill_all()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    status = wait(child)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    left = settle(5, lambda: [f"{pid} {command(pid)}" for pid in reaped()])
    for each in left:
        print(f"* The soak left the process {each}", file=sys.stderr)
    kill_all()
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        left.append(str(folder))
        print(f"* {folder} cannot be removed", file=sys.stderr)
    return 1 if left or status else 0


def run(soak, folder):
    """The child: never returns."""
    status = 1
    try:
        # A second interrupt must not end the cleaning up.
        signal.signal(signal.SIGINT, once)
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        os.setpgid(0, 0)
        status = soak(folder)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads may still wait for answers.
        os._exit(status)


def once(number, frame):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def wait(child):
    """Waits for the child, and for what it left to this process meanwhile."""
    try:
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == child:
                return status
    except ChildProcessError:
        # It was killed, and waited for, since it was late.
        return 1


def reaped():
    """The processes below this one that run."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return descendants()


def descendants():
    parents = {int(name): parent(name) for name in os.listdir("/proc") if name.isdigit()}
    found, more = set(), {os.getpid()}
    while more:
        more = {pid for pid, above in parents.items() if above in more} - found
        found |= more
    return sorted(found)


def kill_all():
    deadline = time.monotonic() + 5
    while (left := reaped()) and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.05)


def private_mounts():
    """Mounts that this process makes are no other's, and end with it; false where that is not allowed."""
    return LIBC.unshare(CLONE_NEWNS) == 0 and LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0


def mount(folder, options):
    """An empty disk of its own in this folder."""
    return LIBC.mount(b"soak", os.fsencode(folder), b"tmpfs", 0, options.encode()) == 0
