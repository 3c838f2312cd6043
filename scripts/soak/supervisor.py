"""Runs the soak in a process of its own, and ends all that is left of it: after its time, when it is interrupted, and when it is killed."""

import contextlib
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from measure import children, command, settle

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
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
        os.kill(child, signal.SIGKILL if number == signal.SIGALRM else signal.SIGINT)
        signal.alarm(LAST_WORDS)

    for number in ENDS:
        signal.signal(number, interrupted)
    signal.alarm(seconds)
    while (ended := os.wait())[0] != child:
        pass
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    left = [f"the process {pid} {command(pid)}" for pid in settle(5, below)]
    settle(5, lambda: [kill(pid) or pid for pid in below()])
    shutil.rmtree(folder, ignore_errors=True)
    left += [str(folder)] if folder.exists() else []
    for each in left:
        print(f"* The soak left {each}", file=sys.stderr)
    return 1 if left or ended[1] else 0


def run(soak, folder):
    """The child: never returns."""
    status = 1
    try:
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
    """A second interrupt must not end the cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def below():
    """The processes below this one that run; those that have ended are waited for."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    found = children(os.getpid())
    for each in found:
        found += children(each)
    return found


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def private_mounts():
    """Mounts that this process makes are no other's, and end with it; false where that is not allowed."""
    return LIBC.unshare(CLONE_NEWNS) == 0 and LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0


def mount(folder, options):
    """An empty disk of its own in this folder."""
    return LIBC.mount(b"soak", os.fsencode(folder), b"tmpfs", 0, options.encode()) == 0
