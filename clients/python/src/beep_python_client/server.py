"""A server of one's own, which ends with the program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig

from ._async.session import AsyncSession
from ._async.session import connected as connected_async
from ._core.endpoint import Endpoint, known_by_certificate, token_of
from ._core.errors import BeepPythonError
from ._sync.session import Session, connected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence

_STOP_WITHIN = 30.0
"""Seconds that a server may take to end; longer than it takes to finish its calls."""


def find_command() -> str:
    """The command `beep-python`: the one of `BEEP_PYTHON`, the one beside this package, or the one on the path."""
    named = os.environ.get("BEEP_PYTHON")
    beside = os.path.join(sysconfig.get_path("scripts"), "beep-python")
    for candidate in (named, beside if os.access(beside, os.X_OK) else None, shutil.which("beep-python")):
        if candidate:
            return candidate
    raise BeepPythonError("the command beep-python is not found: install it, or name it in the variable BEEP_PYTHON")


class Server:
    """A server that `start` has started. It ends with a `with` block, by `stop`, and with this program, also when that is killed."""

    def __init__(self, process: subprocess.Popen[str], record: Dict[str, Any]) -> None:
        self._process = process
        self.record = record
        """What its record in the home says."""
        self.endpoints: Dict[str, str] = {endpoint["backend"]: endpoint["url"] for endpoint in record["endpoints"]}
        """By backend: `pipe`, `http`, `rpc`."""

    @property
    def endpoint(self) -> str:
        """Its fastest endpoint."""
        return next(self.endpoints[backend] for backend in ("pipe", "http", "rpc") if backend in self.endpoints)

    def connect(self, backend: Optional[str] = None) -> Session:
        """A client of the server."""
        return connected(self._endpoint(backend), token_of(self.record), None, False)

    def connect_async(self, backend: Optional[str] = None) -> AsyncSession:
        """An asynchronous client of the server."""
        return connected_async(self._endpoint(backend), token_of(self.record), None, False)

    def _endpoint(self, backend: Optional[str]) -> Endpoint:
        if backend is not None and backend not in self.endpoints:
            raise BeepPythonError(f"the server has no backend {backend}: start it with {backend}=True")
        return Endpoint(known_by_certificate(self.record, self.endpoint if backend is None else self.endpoints[backend]))

    def stop(self) -> None:
        """Stops the server, and waits for its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    pipe: bool = True, http: bool = False, rpc: bool = False, venv: Optional[str] = None, *, python: Optional[str] = None,
    arguments: Sequence[str] = (), command: Optional[str] = None, quiet: bool = True,
) -> Server:
    """Starts a server: in the environment `venv`, or of the Python `python`, a version or a path. `arguments` are further ones of
    `beep-python start`; its log goes to standard error unless `quiet`."""
    backends = [name for name, wanted in (("pipe", pipe), ("http", http), ("rpc", rpc)) if wanted]
    line: List[str] = [command or find_command(), "--json", "start", *backends, "--foreground", "--stop-at-end-of-input"]
    for option, value in (("--venv", venv), ("--python", python)):
        if value is not None:
            line += [option, value]
    for option, wanted in (("--port", http), ("--rpc-port", rpc)):
        if wanted and option not in arguments:
            line += [option, "0"]
    import tempfile

    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            [*line, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log if quiet else None, text=True
        )
        assert process.stdout is not None and process.stdin is not None
        # Its record, when it is ready: an object over several lines.
        text = ""
        for part in process.stdout:
            text += part
            if part == "}\n":
                break
        if not text.endswith("}\n"):
            process.wait()
            process.stdin.close()
            process.stdout.close()
            log.seek(0)
            raise BeepPythonError(f"the server did not start: {log.read().strip() or f'status {process.returncode}'}")
    return Server(process, json.loads(text))
