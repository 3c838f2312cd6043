"""Python in processes of their own: evaluates code, holds objects and calls methods in the sessions of a server.

    import beep_python_client

    with beep_python_client.connect() as python:
        print(python.eval("sum(range(10))"))
"""

from __future__ import annotations

from ._core.answer import Answer
from ._core.data import Datum
from ._core.endpoint import Endpoint, found, running_servers, token_in_env
from ._core.errors import (
    BeepPythonError,
    Cancelled,
    ConnectionLost,
    DeadlineExceeded,
    HandleLost,
    InvalidRequest,
    LimitExceeded,
    NotRepresentable,
    PythonError,
    ServerUnavailable,
    SessionLost,
    Unauthorized,
    UntrustedServer,
    WorkerDied,
)
from ._core.event import Event
from ._core.values import RemoteEnum
from ._sync.batch import Batch, Step
from ._sync.execution import Execution
from ._sync.handle import Handle
from ._sync.proxy import proxy
from ._sync.session import Session, connected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from ._async.batch import AsyncBatch
    from ._async.execution import AsyncExecution
    from ._async.handle import AsyncHandle
    from ._async.session import AsyncSession
    from .server import Server, start

__all__ = [
    "Answer", "AsyncBatch", "AsyncExecution", "AsyncHandle", "AsyncSession", "Batch", "BeepPythonError", "Cancelled", "ConnectionLost",
    "Datum", "DeadlineExceeded", "Event", "Execution", "Handle", "HandleLost", "InvalidRequest", "LimitExceeded", "NotRepresentable",
    "PythonError", "RemoteEnum", "Server", "ServerUnavailable", "Session", "SessionLost", "Step", "Unauthorized", "UntrustedServer",
    "WorkerDied", "connect", "connect_async", "proxy", "running_servers", "start",
]


def _target(endpoint: Optional[str], token: Optional[str]) -> tuple[Endpoint, Optional[str]]:
    if endpoint is None:
        endpoint, own = found()
        return Endpoint(endpoint), token or own
    return Endpoint(endpoint), token or token_in_env()


def connect(
    endpoint: Optional[str] = None, *, token: Optional[str] = None, session: Optional[str] = None, allow_insecure_token: bool = False
) -> Session:
    """A client of the server at an endpoint: `http://HOST:PORT`, `https://HOST:PORT`, `unix:PATH` or `pipe:NAME`. Without one, of
    the newest running server of this user. It has the server's default session unless `session` names one.

    A token, else that of `BEEP_PYTHON_TOKEN`, goes over TLS, or to a server of this user on this machine, unless `allow_insecure_token`.
    """
    where, token = _target(endpoint, token)
    return connected(where, token, session, allow_insecure_token)


def connect_async(
    endpoint: Optional[str] = None, *, token: Optional[str] = None, session: Optional[str] = None, allow_insecure_token: bool = False
) -> AsyncSession:
    """As `connect`, for programs with asyncio."""
    from ._async.session import connected as connected_async

    where, token = _target(endpoint, token)
    return connected_async(where, token, session, allow_insecure_token)


def __getattr__(name: str) -> Any:
    """What takes longer to import is imported when it is used: asyncio, subprocess."""
    modules = {
        "AsyncSession": "_async.session", "AsyncHandle": "_async.handle", "AsyncExecution": "_async.execution",
        "AsyncBatch": "_async.batch", "Server": "server", "start": "server",
    }
    if name in modules:
        import importlib

        return getattr(importlib.import_module(f".{modules[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
