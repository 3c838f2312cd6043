"""A blocking connection, which carries out exchanges."""

from __future__ import annotations

import socket

from .._core.endpoint import Endpoint
from .._core.errors import ConnectionLost, ServerUnavailable, UntrustedServer
from .._core.event import Event
from .._core.exchange import Read, ReadLine, Send, TakeFile, Told
from .._core.request import Reply
from .._core.trust import check_loopback, check_pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Sequence, Union

    from .._core.exchange import Exchange


_CHUNK = 1 << 16


def settle(result: Any) -> Any:
    """What a callback has given."""
    return result


class Connection:
    """A connection to a host."""

    def __init__(self, sock: socket.socket, is_tls: bool = False) -> None:
        self._socket = sock
        self._is_tls = is_tls
        self._buffer = bytearray()
        self._files: List[int] = []
        self.takes_files = False
        """Whether descriptors may come with the answer."""
        self.sent = False
        """Whether anything of the present exchange was sent."""
        self.first = True
        """Whether no exchange has begun."""

    def is_open(self) -> bool:
        """Whether the host has left an idle connection as it was."""
        try:
            if not self._is_tls:
                return not self._buffer and not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) and False
            self._socket.setblocking(False)
            try:
                return not self._buffer and not self._socket.recv(1) and False
            finally:
                self._socket.setblocking(True)
        except BlockingIOError:
            return True
        except OSError as error:
            return type(error).__name__ == "SSLWantReadError"

    def step(self, exchange: Exchange) -> Union[Event, Reply]:
        """Goes on with an exchange until the host tells an event, or has answered."""
        answer: Any = None
        try:
            while True:
                want = exchange.send(answer)
                if isinstance(want, ReadLine):
                    answer = self._line()
                elif isinstance(want, Send):
                    self._send(want.parts)
                    answer = None
                elif isinstance(want, Read):
                    answer = self._read(want.size)
                elif isinstance(want, TakeFile):
                    answer = self._take_file()
                else:
                    assert isinstance(want, Told)
                    event = want.event
                    return Event(event.pop("event"), event)
        except StopIteration as end:
            reply: Reply = end.value
            return reply
        except OSError as error:
            raise ConnectionLost(
                f"the connection was lost{'; the call may have run' if self.sent else ' before the call was sent'}: {error}", self.sent
            ) from error

    def _send(self, parts: Sequence[Any]) -> None:
        self.first = False
        for part in parts:
            self._socket.sendall(part)
            self.sent = True

    def _receive(self, size: int) -> bytes:
        if not self.takes_files:
            return self._socket.recv(size)
        data, files, _, _ = socket.recv_fds(self._socket, size, 16)
        self._files += files
        return data

    def _line(self) -> bytes:
        buffer = self._buffer
        if not buffer:
            # Nearly always the whole line comes at once.
            data = self._receive(_CHUNK)
            if data.endswith(b"\n") and data.count(b"\n") == 1:
                return data
            if not data:
                return b""
            buffer += data
        begin = 0
        while True:
            end = buffer.find(b"\n", begin)
            if end >= 0:
                line = bytes(buffer[: end + 1])
                del buffer[: end + 1]
                return line
            begin = len(buffer)
            data = self._receive(_CHUNK)
            if not data:
                rest = bytes(buffer)
                buffer.clear()
                return rest
            buffer += data

    def _read(self, size: int) -> memoryview:
        whole = bytearray(size)
        at = min(size, len(self._buffer))
        whole[:at] = self._buffer[:at]
        del self._buffer[:at]
        view = memoryview(whole)
        while at < size:
            got = self._socket.recv_into(view[at:])
            if not got:
                raise ConnectionLost("the connection ended within the answer; the call may have run")
            at += got
        return view

    def _take_file(self) -> int:
        if not self._files:
            raise ConnectionLost("the descriptor of the data was lost on its way")
        return self._files.pop(0)

    def close(self) -> None:
        import os

        for file in self._files:
            os.close(file)
        self._files.clear()
        self._socket.close()


def connect(endpoint: Endpoint, with_token: bool, allow_insecure_token: bool) -> Connection:
    """Connects, and looks whose server it is where that matters."""
    sock: Optional[socket.socket] = None
    try:
        if endpoint.path is not None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.connect(endpoint.path)
            check_pipe(sock, endpoint)
            return Connection(sock)
        sock = socket.create_connection((endpoint.host, endpoint.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if endpoint.tls:
            from .._core.tls import check_certificate, context_of

            secure = context_of(endpoint).wrap_socket(sock, server_hostname=endpoint.host)
            check_certificate(secure.getpeercert(True), endpoint)
            return Connection(secure, is_tls=True)
        if with_token and not allow_insecure_token:
            check_loopback(sock, endpoint)
        return Connection(sock)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise ServerUnavailable(f"cannot connect to {endpoint.text}: {error}") from error
    except UntrustedServer:
        assert sock is not None
        sock.close()
        raise


__all__ = ["Connection", "connect", "settle"]
