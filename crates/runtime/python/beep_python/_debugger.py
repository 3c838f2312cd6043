"""The session's debugger: debugpy, if installed, listening on loopback for a client to attach."""

import importlib
import os
import sys
from json import dumps

from . import _host_rpc
from ._builtins import own as __builtins__
from ._repr import message_of, type_name

LOOPBACK = "127.0.0.1"
QUIET = "PYDEVD_DISABLE_FILE_VALIDATION"  # silences debugpy's warning about frozen modules
_listening = None
_beginning = False


def tell():
    """Starts listening while a call runs, between two instructions of its code, and tells the host. Where a call has begun with that already,
    that one answers."""
    if not _beginning:
        _host_rpc.tell(_host_rpc.DEBUGGER, 0, dumps(listen()).encode())


def listen():
    """Starts listening; returns the address or the reason of failure to the host. It listens until the worker ends."""
    global _listening, _beginning
    if _listening is not None:
        if not _is_open(_listening["port"]):
            return {"failed": "debugpy has ended that listened at port %d; restart the session to begin anew" % _listening["port"]}
        return {"listening": _listening}
    try:
        _beginning = True
        _listening = _begin()
    except ModuleNotFoundError as error:
        return {"missing" if error.name == "debugpy" else "failed": message_of(error)}
    except Exception as error:
        return {"failed": type_name(type(error)) + ": " + message_of(error)}
    finally:
        _beginning = False
    return {"listening": _listening}


def _is_open(port):
    """Whether the port is listening. Connecting would look to debugpy like a client attaching."""
    place = "0100007F:%04X" % port if sys.byteorder == "little" else "7F000001:%04X" % port
    with open("/proc/net/tcp") as file:
        return any(fields[1:4:2] == [place, "0A"] for fields in map(str.split, file))


def _begin():
    importlib.invalidate_caches()  # debugpy may just have been installed
    before = os.environ.get(QUIET)
    os.environ[QUIET] = "1"
    try:
        import debugpy

        # Subprocesses of the session's code run without a debugger: waiting for one, they would block it.
        debugpy.configure(subProcess=False)
        host, port = debugpy.listen((LOOPBACK, 0))
    finally:
        if before is None:
            del os.environ[QUIET]
        else:
            os.environ[QUIET] = before
    version = getattr(debugpy, "__version__", None)
    return {"host": host, "port": port, "debugpy": version if type(version) is str else None}
