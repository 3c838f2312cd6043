"""What a preloaded module does when a child ends. The zygote has a handler of its own for that; its workers have the module's."""

import _signal

from ._builtins import own as __builtins__

_STRUCT_BYTES = 512  # more than a `struct sigaction` has anywhere


def saved():
    """Returns a function that restores what SIGCHLD does now."""
    handler = _signal.getsignal(_signal.SIGCHLD)
    of_c = _of_c() if handler in (None, _signal.SIG_DFL) and _is_caught() else None

    def restore():
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL if handler is None else handler)
        if of_c is not None:
            of_c()

    return restore


def _is_caught():
    with open("/proc/self/status") as status:
        caught = next((line.split()[1] for line in status if line.startswith("SigCgt:")), "0")
    return int(caught, 16) >> _signal.SIGCHLD - 1 & 1 == 1


def _of_c():
    """A handler of C code, as libev's, which gevent is built on; Python knows nothing of it."""
    try:
        import ctypes

        sigaction = ctypes.CDLL(None).sigaction
    except (ImportError, OSError, AttributeError):
        return None  # a Python without ctypes: sessions go without
    action = ctypes.create_string_buffer(_STRUCT_BYTES)
    if sigaction(int(_signal.SIGCHLD), None, action) != 0:
        return None
    return lambda: sigaction(int(_signal.SIGCHLD), action, None)
