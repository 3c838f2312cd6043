"""The last part of an end, C's, and what becomes of a library that crashes or hangs in it."""

import faulthandler
import sys
from os import _exit

# the module `signal` converts arguments and results to enums
from _signal import ITIMER_REAL, SIG_UNBLOCK, SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV, pthread_sigmask, setitimer

from . import _exceptions
from ._builtins import own as __builtins__

CRASHES = (SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV)
C_TIME = 3.0  # seconds that C's exit functions may take

_libc = _handler = None
_status = 0


def prepare():
    """In the zygote, so that workers inherit it."""
    global _libc, _handler
    try:
        import ctypes

        _libc = ctypes.PyDLL(None)  # holds Python's lock, so that threads of the session's do not run meanwhile
        _libc.signal.argtypes = ctypes.c_int, ctypes.c_void_p
        _handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_crashed)
        _address = ctypes.cast(_handler, ctypes.c_void_p)
        _handler.address = _address
    except (ImportError, OSError, AttributeError):
        _libc = None  # a Python without ctypes: C's exit functions do not run


def _crashed(signum):
    if signum == SIGALRM:
        _exceptions.write_stderr("C's exit functions took longer than %g s, and were cut short" % C_TIME)
    else:
        _exceptions.write_stderr("a library crashed with signal %d while the session ended" % signum)
        faulthandler.dump_traceback(2)
    _exit(_status)


def ends_with(status):
    """From now on a crash ends the process with this status: it is no death of the session, which has ended already."""
    global _status
    _status = status
    if _libc is not None:
        faulthandler.disable()
        for signum in CRASHES:
            _libc.signal(signum, _handler.address)


def flush_c():
    """Writes what C's streams have buffered: each child of a fork would write it again."""
    if _libc is not None:
        _libc.fflush(None)


def leave_c(status):
    """Ends the process as C ends a program: exit functions of libraries run, and its streams are flushed."""
    if _libc is None:
        return
    _libc.signal(SIGALRM, _handler.address)
    pthread_sigmask(SIG_UNBLOCK, (SIGALRM, *CRASHES))
    setitimer(ITIMER_REAL, C_TIME)
    _libc.exit(status)
