"""How a worker, or a child that the user's code forked, ends."""

import atexit
import sys
from os import _exit

from ._builtins import own as __builtins__


def leave_process(status):
    """Runs the exit functions of the user's code, then ends the process."""
    try:
        atexit._run_exitfuncs()
    finally:
        flush_current()
        _exit(status)


def exit_child(error):
    """Ends a process that the user's code forked, as any Python ends after this exception or none."""
    status = 0
    try:
        if isinstance(error, SystemExit):
            code = error.code
            status = 0 if code is None else code & 0xFF if isinstance(code, int) else 1
            if code is not None and not isinstance(code, int):
                print(code, file=sys.stderr)
        elif error is not None:
            status = 1
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        leave_process(status)


def flush_current():
    """Flushes `sys.stdout` and `sys.stderr`, which the user's code may have replaced with anything."""
    flush_each((lambda: sys.stdout.flush(), lambda: sys.stderr.flush()))


def flush_each(flushes):
    for flush in flushes:
        try:
            flush()
        except Exception:
            pass
