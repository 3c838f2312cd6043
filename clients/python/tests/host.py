"""A server for the tests of a process, in a home of its own: of the command that BEEP_PYTHON names, in the Python that runs the tests."""

import atexit
import os
import shutil
import sys
import tempfile
import threading

import beep_python_client

_LOCK = threading.Lock()
_SERVER = []


def server():
    """The server. It ends with the tests."""
    with _LOCK:
        if not _SERVER:
            home = tempfile.mkdtemp(prefix="beep-python-client-tests-")
            atexit.register(shutil.rmtree, home, ignore_errors=True)
            os.environ["BEEP_PYTHON_HOME"] = home
            for name in ("BEEP_PYTHON_TOKEN", "BEEP_PYTHON_TOKEN_FILE", "BEEP_PYTHON_ENDPOINT"):
                os.environ.pop(name, None)
            started = beep_python_client.start(http=True, python=os.path.realpath(sys.executable))
            atexit.register(started.stop)
            _SERVER.append(started)
        return _SERVER[0]
