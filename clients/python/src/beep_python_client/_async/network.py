"""A connection of an event loop, which carries out exchanges."""

from __future__ import annotations

import asyncio
import inspect
import socket

from .._core.endpoint import Endpoint
from .._core.errors import ConnectionLost, ServerUnavailable, UntrustedServer
from .._core.event import Event
from .._core.exchange import Read, ReadLine, Send, TakeFile, Told
from .._core.request import Reply
from .._core.trust import check_loopback, check_pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Union

    from .._core.exchange import Exchange


_CHUNK = 1 << 16


async def settle(result: Any) -> Any:
    """What a callback has given, be it a function or a coroutine function."""
    return await result if inspect.isawaitable(result) else result


async def _ready(sock: socket.socket, writable: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if writable else (loop.add_reader, loop.remove_reader)
    add(sock, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(sock)


async def _retried(sock: socket.socket, action: Any, *arguments: Any, writes: bool = False) -> Any:
    """Carries out an action of a socket that does not block, as soon as it can be."""
    while True:
        try:
            return action(*arguments)
        except BlockingIOError:
            await _ready(sock, writes)
        except OSError as error:
            # Of TLS: either direction may have to wait for the other.
            name = type(error).__name__
            if name not in ("SSLWantReadError", "SSLWantWriteError"):
                raise
            await _ready(sock, name == "SSLWantWriteError")


class Connection:
    """A connection to a host."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
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
            return not self._buffer and not self._socket.recv(1) and False
        except BlockingIOError:
            return True
        except OSError as error:
            return type(error).__name__ == "SSLWantReadError"

    async def step(self, exchange: Exchange) -> Union[Event, Reply]:
        """Goes on with an exchange until the host tells an event, or has answered."""
        answer: Any = None
        try:
            while True:
                want = exchange.send(answer)
                if isinstance(want, ReadLine):
                    answer = await self._line()
                elif isinstance(want, Send):
                    await self._send(want.parts)
                    answer = None
                elif isinstance(want, Read):
                    answer = await self._read(want.size)
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

    async def _send(self, parts: Any) -> None:
        self.first = False
        for part in parts:
            view = memoryview(part).cast("B")
            while view.nbytes:
                view = view[await _retried(self._socket, self._socket.send, view, writes=True) :]
                self.sent = True

    async def _receive(self, size: int) -> bytes:
        if not self.takes_files:
            data: bytes = await _retried(self._socket, self._socket.recv, size)
            return data
        data, files, _, _ = await _retried(self._socket, socket.recv_fds, self._socket, size, 16)
        self._files += files
        return data

    async def _line(self) -> bytes:
        buffer, begin = self._buffer, 0
        while True:
            end = buffer.find(b"\n", begin)
            if end >= 0:
                line = bytes(buffer[: end + 1])
                del buffer[: end + 1]
                return line
            begin = len(buffer)
            data = await self._receive(_CHUNK)
            if not data:
                rest = bytes(buffer)
                buffer.clear()
                return rest
            buffer += data

    async def _read(self, size: int) -> memoryview:
        whole = bytearray(size)
        at = min(size, len(self._buffer))
        whole[:at] = self._buffer[:at]
        del self._buffer[:at]
        view = memoryview(whole)
        while at < size:
            got = await _retried(self._socket, self._socket.recv_into, view[at:])
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


async def _open(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def connect(endpoint: Endpoint, with_token: bool, allow_insecure_token: bool) -> Connection:
    """Connects, and looks whose server it is where that matters."""
    sock: Optional[socket.socket] = None
    try:
        if endpoint.path is not None:
            sock = await _open(socket.AF_UNIX, endpoint.path)
            check_pipe(sock, endpoint)
            return Connection(sock)
        failure: Optional[OSError] = None
        for family, _, _, _, address in await asyncio.get_running_loop().getaddrinfo(
            endpoint.host, endpoint.port, type=socket.SOCK_STREAM
        ):
            try:
                sock = await _open(family, address)
                break
            except OSError as error:
                failure = error
        if sock is None:
            raise failure or OSError("the name has no address")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if endpoint.tls:
            from .._core.tls import check_certificate, context_of

            secure = context_of(endpoint).wrap_socket(sock, server_hostname=endpoint.host, do_handshake_on_connect=False)
            sock = secure
            await _retried(secure, secure.do_handshake)
            check_certificate(secure.getpeercert(True), endpoint)
            return Connection(secure)
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
