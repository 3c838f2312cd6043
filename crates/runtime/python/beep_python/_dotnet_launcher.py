"""The predecessor's `PythonServerLauncher`: a server in an environment, by the program that this session's own server is of."""

import json
import os
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

from ._builtins import own as __builtins__
from ._dotnet_hosts import PythonBackendType, ancestors
from ._dotnet_task import Task

PROGRAM = "beep-python"


class PythonServerLauncher:
    """Starts a server and stops it: `PythonServerLauncher(venvPath, PythonBackendType.Http)`. It ends with the session at the latest."""

    def __init__(self, venvPath, backendType, logger=None):
        if backendType not in (PythonBackendType.Http, PythonBackendType.Pipe, PythonBackendType.Rpc):
            raise ValueError("a server is of PythonBackendType Http, Pipe or Rpc, not %s" % (backendType,))
        self.VenvPath, self._type = venvPath, backendType
        self.Port, self.PipeName, self._server = 0, "", None

    @property
    def IsRunning(self):
        return self._server is not None and any([server["id"] == self._server["id"] for server in run("status")])

    def StartAsync(self, cancellationToken=None):
        """A task that is True once the server is ready; what prevents it is its exception."""
        return Task(self._start)

    def _start(self):
        if self.IsRunning:
            return True
        backend = self._type.name.lower()
        options = [] if backend == "pipe" else ["--port", "0"]
        environment = ["--venv", self.VenvPath] if self.VenvPath else []
        self._server = run("start", backend, *options, *environment)
        url = self._server["endpoints"][0]["url"]
        if backend == "pipe":
            self.PipeName = url[len("unix:") :] if url.startswith("unix:") else url
        else:
            self.Port = urlsplit(url).port
        return True

    def GetEndpoint(self):
        """What a client connects to."""
        if self._type is PythonBackendType.Pipe:
            return self.PipeName
        return "http://localhost:%d" % self.Port

    def Stop(self):
        server, self._server = self._server, None
        if server is not None:
            run("stop", server["id"])

    Dispose = Stop

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.Stop()


def run(*arguments):
    """The result of a command; raises RuntimeError with what it says where it fails."""
    ran = subprocess.run([program(), *arguments, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        told = json.loads(ran.stdout or b"null")
    except ValueError:
        told = None
    if ran.returncode and arguments[0] != "status":
        said = told.get("error") if isinstance(told, dict) else None
        detail = said.get("message") if isinstance(said, dict) else said
        raise RuntimeError("`%s %s` failed: %s" % (PROGRAM, " ".join(arguments), detail or ran.stderr.decode(errors="replace").strip()))
    return told if told is not None else []


def program():
    """The program that runs this session, or else the one that PATH has."""
    for pid in sorted(ancestors(), reverse=True):
        try:
            path = os.readlink("/proc/%d/exe" % pid)
        except OSError:
            continue
        if os.path.basename(path).startswith(PROGRAM):
            return "/proc/%d/exe" % pid if path.endswith(" (deleted)") else path
    found = shutil.which(PROGRAM)
    if found is None:
        raise FileNotFoundError("there is no program %s on PATH to start a server with; %s is embedded in another" % (PROGRAM, sys.executable))
    return found
