"""The way to a host: its connections, which calls share one after the other."""

from __future__ import annotations

import os
from collections import deque

from .._core import http, pipe
from .._core.endpoint import Endpoint
from .._core.request import Request
from .network import Connection, connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, Dict, List, Optional

    from .._core.exchange import Exchange


_IDLE = 16
"""How many connections wait for calls."""


class AsyncTransport:
    """Connections to one host. Threads share it."""

    def __init__(self, endpoint: Endpoint, token: Optional[str], allow_insecure_token: bool) -> None:
        self.endpoint = endpoint
        self.token = token
        self.allow_insecure_token = allow_insecure_token
        self._process = os.getpid()
        self._released: Dict[Optional[str], Deque[str]] = {}
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

    def released(self, session: Optional[str]) -> Deque[str]:
        """The handles of a session that the program has no more use for; the next call there disposes of them."""
        return self._released.setdefault(session, deque())

    async def take(self) -> Connection:
        """An idle connection that the host has not closed, or a new one."""
        if self._process != os.getpid():
            # After a fork the connections are the other process's: each answer goes to one of the two.
            self.close_idle()
            self._process = os.getpid()
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
        self.close_idle()

    def close_idle(self) -> None:
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
