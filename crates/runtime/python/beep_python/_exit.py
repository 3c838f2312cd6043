"""How a worker, or a child that the user's code forked, ends: as a program does, after the last line of a script.

The interpreter's own end is not for a forked worker: it takes apart every module, those of the zygote too, which takes longer the more
is preloaded, and crashes where libraries do not expect it. So its steps are made here, in its order, for what is the session's.
"""

import atexit
import sys
import threading
from _thread import start_new_thread
from os import _exit
from time import sleep

from . import _crash, _destroy, _exceptions
from ._builtins import own as __builtins__
from ._frames import of_user

PATIENCE = 1.0  # seconds, after which the log says which threads the end waits for

_forget = None  # gives up what the session of this process holds


def enter(forget):
    global _forget
    _forget = forget


def leave_process(status):
    """Ends the process. A step that fails, or a library that crashes in it, is logged, and does not change the status."""
    steps = (
        lambda: _crash.ends_with(status),
        join_threads,
        flush_current,
        _destroy.flush_files,  # should the exit functions crash
        atexit._run_exitfuncs,
        flush_current,
        _destroy.flush_files,  # the collector finalises a file before the buffer that is written to it
        lambda: _destroy.destroy(_forget),
        flush_current,
        lambda: _crash.leave_c(status),
    )
    try:
        for step in steps:
            try:
                step()
            except SystemExit:
                pass
            except BaseException:
                _exceptions.report("the end of the session raised")
    finally:
        _exit(status)


def join_threads():
    """Waits for the threads that are no daemons, and lets pools of threads end."""
    if threading.active_count() > 1:
        start_new_thread(_tell_of_threads, ())
    threading._shutdown()


def _tell_of_threads():
    sleep(PATIENCE)
    names = [thread.name for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    if names:
        _exceptions.write_stderr("the end of the session waits for threads that are no daemons: " + ", ".join(names))


def exit_child(error):
    """Ends a process that the user's code forked, as any Python ends after this exception or none."""
    status = 0 if error is None else 1
    try:
        if error is not None and not isinstance(error, SystemExit):
            error = call_excepthook(error)
        if isinstance(error, SystemExit):
            code = error.code
            status = 0 if code is None else code & 0xFF if isinstance(code, int) else 1
            if code is not None and not isinstance(code, int):
                print(code, file=sys.stderr)
    finally:
        leave_process(status)


def call_excepthook(error):
    """Returns what a hook of the user's raised, which says how the process ends if it is SystemExit."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as raised:
        if not isinstance(raised, SystemExit):
            print("Error in sys.excepthook:", file=sys.stderr)
            raised.__context__ = None
            entries = of_user(raised.__traceback__)
            raised.__traceback__ = entries[0] if entries else None
            sys.__excepthook__(type(raised), raised, raised.__traceback__)
            print("\nOriginal exception was:", file=sys.stderr)
            sys.__excepthook__(type(error), error, error.__traceback__)
        return raised
    return None


def flush_current(ignored=BaseException):
    """Flushes `sys.stdout` and `sys.stderr`, which the user's code may have replaced with anything."""
    flush_each((lambda: sys.stdout.flush(), lambda: sys.stderr.flush()), ignored)


def flush_each(flushes, ignored=BaseException):
    for flush in flushes:
        try:
            flush()
        except ignored:
            pass
