"""A session: a namespace with its objects in one Python process."""

from __future__ import annotations

from .._core.answer import Answer, options_of
from .._core.data import Datum
from .._core.errors import InvalidRequest
from .._core.event import Event
from .batch import AsyncBatch
from .call import AsyncCaller, Running
from .execution import AsyncExecution
from .handle import AsyncHandle
from .transport import AsyncTransport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, AsyncIterator, Callable, Dict, Iterable, List, Optional, Union

    from .call import Stdin

class AsyncSession(AsyncCaller):
    """Evaluates code in a session of a server. Threads may share it; calls of one session wait for each other."""

    @property
    def id(self) -> str:
        """The session's id; `default` is the server's own one."""
        return self._session or "default"

    @property
    def endpoint(self) -> str:
        return self._transport.endpoint.text

    def with_options(
        self, *, timeout: Optional[float] = None, grace: Optional[float] = None, lease: Optional[float] = None,
        limits: Optional[Dict[str, int]] = None, request_id: Optional[str] = None, isolated: bool = False,
        traceback_locals: bool = False, cancel_on_disconnect: bool = False,
    ) -> AsyncSession:
        """The session with options for its calls; times are seconds, limits as in PROTOCOL.md."""
        further = options_of(timeout, grace, lease, limits, request_id, isolated, traceback_locals, cancel_on_disconnect)
        return AsyncSession(self._transport, self._session, {**self._options, **further})

    def session(self, session_id: str) -> AsyncSession:
        """Another session of the server."""
        return AsyncSession(self._transport, session_id, dict(self._options))

    async def run(
        self, code: str, *, locals: Optional[Dict[str, Any]] = None, outputs: Iterable[str] = (), timeout: Optional[float] = None,
        stdin: Optional[Stdin] = None, on_output: Optional[Callable[[str, str], Any]] = None, as_handle: bool = False,
    ) -> Answer:
        """Evaluates an expression or statements: the value of the last expression, what was printed, and the objects of `outputs`.

        `on_output` is called with the stream, `stdout` or `stderr`, and the text, as it is printed.
        """
        request = self._evaluation("eval" if on_output is None else "execute", code, locals, outputs, timeout, as_handle)
        if on_output is None:
            return await self._answer(request, stdin)
        called = on_output
        return await self._answer(
            request, stdin, lambda event: called(event.event, event.text) if event.event in ("stdout", "stderr") else None
        )

    async def eval(
        self, code: str, *, locals: Optional[Dict[str, Any]] = None, timeout: Optional[float] = None, stdin: Optional[Stdin] = None,
        on_output: Optional[Callable[[str, str], Any]] = None, as_handle: bool = False,
    ) -> Any:
        """Evaluates an expression or statements: the value of the last expression, or a handle where it has no value form."""
        return (await self.run(code, locals=locals, timeout=timeout, stdin=stdin, on_output=on_output, as_handle=as_handle)).value

    def execute(
        self, code: str, *, locals: Optional[Dict[str, Any]] = None, timeout: Optional[float] = None, stdin: Optional[Stdin] = None,
    ) -> AsyncExecution:
        """Evaluates code, and tells what happens meanwhile: output, displays, figures, progress, log records."""
        request = self._evaluation("execute", code, locals, (), timeout, False)
        request.capabilities += ["log", "progress"]
        if stdin is not None:
            request.capabilities.append("stdin")
        return AsyncExecution(self, request, stdin)

    def stream(self, code: str, *, locals: Optional[Dict[str, Any]] = None, timeout: Optional[float] = None) -> AsyncIterator[Any]:
        """The items of an iterable or generator, each as soon as it is made."""
        return self._items(self._evaluation("stream", code, locals, (), timeout, False))

    def _evaluation(
        self, command: str, code: str, locals: Optional[Dict[str, Any]], outputs: Iterable[str], timeout: Optional[float], as_handle: bool
    ) -> Any:
        request = self._request(command, {"expression": code})
        if locals:
            request.payload["locals"] = request.values(locals)
        names = list(outputs)
        if names:
            request.payload["outputs"] = names
        if timeout is not None:
            request.options["timeoutMs"] = round(timeout * 1000)
        if as_handle:
            request.payload["returnType"] = "handle"
        return request

    async def import_module(self, name: str) -> AsyncHandle:
        handle: AsyncHandle = (await self._call("import", {"moduleName": name})).value
        return handle

    async def is_module_available(self, name: str) -> bool:
        return bool((await self._plain("module_available", {"moduleName": name}))["available"])

    async def wrap(self, value: Any) -> AsyncHandle:
        """Makes an object of a value, and keeps it."""
        request = self._request("wrap", {})
        request.payload["value"] = request.value(value)
        handle: AsyncHandle = (await self._answer(request)).value
        return handle

    def batch(self, *, stop_on_error: bool = True) -> AsyncBatch:
        """Several operations in one request."""
        return AsyncBatch(self, stop_on_error)

    async def put(self, value: Any, name: Optional[str] = None) -> Optional[AsyncHandle]:
        """Sends an array, a table or bytes: under a name of the session, or for a handle."""
        datum = Datum("bytes", value) if isinstance(value, (bytes, bytearray)) else Datum.of(value)
        if datum is None:
            raise InvalidRequest(f"a {type(value).__name__} is no array, no table and no bytes: send it as a value, by wrap() or as an argument")
        request = self._request("put", {} if name is None else {"name": name})
        request.data.append(datum)
        handle: Optional[AsyncHandle] = (await self._answer(request)).value
        return handle

    async def fetch(
        self, source: Union[str, AsyncHandle], *, locals: Optional[Dict[str, Any]] = None, kind: Optional[str] = None, format: Optional[str] = None,
    ) -> Datum:
        """The bytes of an object, of an expression or a handle: an array, a table, or bytes. `kind` refuses any other."""
        request = self._request("fetch", {"expression": source} if isinstance(source, str) else {"handleId": source.id})
        if locals:
            request.payload["locals"] = request.values(locals)
        for key, value in (("kind", kind), ("format", format)):
            if value is not None:
                request.payload[key] = value
        request.via = "fd"
        datum: Datum = (await self._answer(request)).value
        return datum

    async def create_session(self, **options: Any) -> AsyncSession:
        """A new session, which is deleted where a `with` block ends. The options are those of the wire: `environment`, `python`, `env`,
        `setup`, `preload`, `idleTimeoutMs`, `drainMs`, `labels`, `limits`."""
        created = await self._plain("session_create", options)
        return self.session(created["sessionId"])

    async def sessions(self) -> List[Dict[str, Any]]:
        """The sessions of the server, as the wire tells of them."""
        found: List[Dict[str, Any]] = (await self._plain("session_list", {}))["sessions"]
        return found

    async def info(self) -> Dict[str, Any]:
        """What the wire tells of this session: its process, its calls, its memory."""
        told: Dict[str, Any] = await self._plain("session_get", {"sessionId": self.id})
        return told

    async def inspect(self) -> Dict[str, Any]:
        """What the session does now: what runs and waits, and the stack of each thread."""
        told: Dict[str, Any] = await self._plain("session_inspect", {"sessionId": self.id})
        return told

    async def handles(self) -> List[Dict[str, Any]]:
        """The objects that the session keeps for its clients."""
        found: List[Dict[str, Any]] = (await self._plain("session_handles", {"sessionId": self.id}))["handles"]
        return found

    async def events(self) -> AsyncIterator[Event]:
        """What happens in the session from now on and belongs to no call that runs, until it is deleted."""
        request = self._request("session_events", {"sessionId": self.id})
        request.options.clear()
        request.capabilities += ["log", "progress"]
        running = Running(self, request, None)
        async for event in running.events():
            yield event
        assert running.reply is not None
        self._read(running.reply, "", "")

    async def interrupt(self, *, abort_queued: bool = False) -> str:
        """Interrupts the call that runs, as Ctrl-C does: its outcome."""
        payload = {"sessionId": self.id, **({"abortQueued": True} if abort_queued else {})}
        outcome: str = (await self._plain("session_interrupt", payload))["outcome"]
        return outcome

    async def restart(self) -> int:
        """Ends the session's process; the session goes on, empty. The new epoch."""
        epoch: int = (await self._plain("session_restart", {"sessionId": self.id}))["sessionEpoch"]
        return epoch

    async def delete(self) -> None:
        """Ends the session."""
        await self._plain("session_delete", {"sessionId": self.id})

    async def cancel(self, request_id: str) -> str:
        """Stops the call of this request id, from any connection: its outcome."""
        outcome: str = (await self._plain("cancel", {"requestId": request_id}))["outcome"]
        return outcome

    async def health(self) -> Dict[str, Any]:
        """What the server tells of itself: status, version, Python."""
        told: Dict[str, Any] = await self._plain("ping", {})
        return told

    async def environments(self) -> List[Dict[str, Any]]:
        """The environments of the server's home."""
        found: List[Dict[str, Any]] = (await self._plain("venv_list", {}))["environments"]
        return found

    async def create_environment(self, provider: str, model: Optional[str] = None) -> Dict[str, Any]:
        """The environment of a provider, with the packages that it requires."""
        payload = {"providerName": provider, **({} if model is None else {"modelId": model})}
        made: Dict[str, Any] = await self._plain("venv_create", payload)
        return made

    async def environment(self, name: str) -> Dict[str, Any]:
        """The state of an environment, which is checked by running its Python."""
        told: Dict[str, Any] = await self._plain("venv_status", {"name": name})
        return told

    async def install(self, environment: str, *packages: str) -> Dict[str, Any]:
        """Installs requirements into an environment."""
        made: Dict[str, Any] = await self._plain("venv_install", {"name": environment, "packages": list(packages)})
        return made

    async def delete_environment(self, name: str) -> None:
        await self._plain("venv_delete", {"name": name})

    def close(self) -> None:
        """Closes the connections; sessions and objects stay as they are."""
        self._transport.close()

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Deletes the session, unless it is the server's default one, whose connections are closed."""
        if self._session is not None:
            await self.delete()
        else:
            self.close()


def connected(endpoint: Any, token: Optional[str], session: Optional[str], allow_insecure_token: bool) -> AsyncSession:
    """A client of the server at this endpoint. Connections are made when they are needed."""
    return AsyncSession(AsyncTransport(endpoint, token, allow_insecure_token), session, {})
