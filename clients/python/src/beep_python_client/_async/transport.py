"""The way to a host: its connections, which calls share one after the other."""

from __future__ import annotations

import threading
from typing import List, Optional

from .._core import http, pipe
from .._core.endpoint import Endpoint
from .._core.exchange import Exchange
from .._core.request import Request
from .network import Connection, connect

_IDLE = 16
"""How many connections wait for calls."""


class AsyncTransport:
    """Connections to one host. Threads share it."""

    def __init__(self, endpoint: Endpoint, token: Optional[str], allow_insecure_token: bool) -> None:
        self.endpoint = endpoint
        self.token = token
        self.allow_insecure_token = allow_insecure_token
        self._idle: List[Connection] = []
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def is_pipe(self) -> bool:
        return self.endpoint.path is not None

    def exchange(self, request: Request, connection: Connection) -> Exchange:
        connection.sent = False
        if self.is_pipe:
            return pipe.exchange(request, self.token if connection.first else None)
        return http.exchange(request, self.token, self.endpoint.host_header)

    async def take(self) -> Connection:
        """An idle connection that the host has not closed, or a new one."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return await connect(self.endpoint, self.token is not None, self.allow_insecure_token)
            if connection.is_open():
                return connection
            connection.close()

    def put_back(self, connection: Connection) -> None:
        with self._lock:
            if not self._is_closed and len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle, self._is_closed = self._idle, [], True
        for connection in idle:
            connection.close()
