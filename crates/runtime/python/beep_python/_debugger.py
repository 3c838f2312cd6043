"""The session's debugger: debugpy, where it is installed, which waits on loopback for whoever attaches."""

import importlib
import os
import sys

from ._builtins import own as __builtins__
from ._repr import message_of, type_name

LOOPBACK = "127.0.0.1"
QUIET = "PYDEVD_DISABLE_FILE_VALIDATION"  # debugpy does not warn of modules that are frozen into the interpreter
_listening = None


def listen():
    """Where it listens, or why not: the host reads it. Once it does, it goes on as long as the session's worker."""
    global _listening
    if _listening is not None:
        if not _is_open(_listening["port"]):
            return {"failed": "debugpy has ended that listened at port %d; restart the session to begin anew" % _listening["port"]}
        return {"listening": _listening}
    try:
        _listening = _begin()
    except ModuleNotFoundError as error:
        return {"missing" if error.name == "debugpy" else "failed": message_of(error)}
    except Exception as error:
        return {"failed": type_name(type(error)) + ": " + message_of(error)}
    return {"listening": _listening}


def _is_open(port):
    """Whether somebody listens there. It is not tried: debugpy would take that for a client that attaches."""
    place = "0100007F:%04X" % port if sys.byteorder == "little" else "7F000001:%04X" % port
    with open("/proc/net/tcp") as file:
        return any(fields[1:4:2] == [place, "0A"] for fields in map(str.split, file))


def _begin():
    importlib.invalidate_caches()  # it may just have been installed
    before = os.environ.get(QUIET)
    os.environ[QUIET] = "1"
    try:
        import debugpy

        # Processes that the session's code starts go their way: waiting for a debugger, they would hold it up.
        debugpy.configure(subProcess=False)
        host, port = debugpy.listen((LOOPBACK, 0))
    finally:
        if before is None:
            del os.environ[QUIET]
        else:
            os.environ[QUIET] = before
    version = getattr(debugpy, "__version__", None)
    return {"host": host, "port": port, "debugpy": version if type(version) is str else None}
