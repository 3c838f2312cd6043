"""The way to a host: its connections, which calls share one after the other."""

from __future__ import annotations

from .._core import http, pipe
from .._core.endpoint import Endpoint
from .._core.request import Request
from .network import Connection, connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from .._core.exchange import Exchange


_IDLE = 16
"""How many connections wait for calls."""


class AsyncTransport:
    """Connections to one host. Threads share it."""

    def __init__(self, endpoint: Endpoint, token: Optional[str], allow_insecure_token: bool) -> None:
        self.endpoint = endpoint
        self.token = token
        self.allow_insecure_token = allow_insecure_token
        # Threads add and take without a lock: each of these is one step of Python.
        self._idle: List[Connection] = []
        self._is_closed = False

    @property
    def is_pipe(self) -> bool:
        return self.endpoint.path is not None

    def exchange(self, request: Request, connection: Connection) -> Exchange:
        connection.sent = False
        connection.takes_files = request.via == "fd"
        if self.is_pipe:
            return pipe.exchange(request, self.token if connection.first else None)
        return http.exchange(request, self.token, self.endpoint.host_header)

    async def take(self) -> Connection:
        """An idle connection that the host has not closed, or a new one."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return await connect(self.endpoint, self.token is not None, self.allow_insecure_token)
            if connection.is_open():
                return connection
            connection.close()

    def put_back(self, connection: Connection) -> None:
        if len(self._idle) < _IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        if self._is_closed:
            self.close()

    def close(self) -> None:
        self._is_closed = True
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
