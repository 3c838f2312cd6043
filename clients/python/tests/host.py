"""A home and a server for the tests of a process: of the command that BEEP_PYTHON names, in the Python that runs the tests."""

import atexit
import os
import shutil
import sys
import tempfile
import threading

import beep_python_client

_LOCK = threading.Lock()
_SERVER = []

os.environ["BEEP_PYTHON_HOME"] = tempfile.mkdtemp(prefix="beep-python-client-tests-")
atexit.register(shutil.rmtree, os.environ["BEEP_PYTHON_HOME"], ignore_errors=True)
for name in ("BEEP_PYTHON_TOKEN", "BEEP_PYTHON_TOKEN_FILE"):
    os.environ.pop(name, None)


def server():
    """The server. It ends with the tests."""
    with _LOCK:
        if not _SERVER:
            started = beep_python_client.start(http=True, python=os.path.realpath(sys.executable))
            atexit.register(started.stop)
            _SERVER.append(started)
        return _SERVER[0]
