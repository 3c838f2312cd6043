"""Carries out calls: takes a connection, answers what the code asks, and reads the answer."""

from __future__ import annotations

from .._core.answer import QUESTION, Answer
from .._core.errors import BeepPythonError, error_of
from .._core.event import Event
from .._core.request import Reply, Request
from .._core.values import decode
from .handle import AsyncHandle
from .network import settle
from .transport import AsyncTransport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, AsyncGenerator, Callable, Dict, Iterable, Iterator, Optional, Union

    Stdin = Union[Iterable[str], Callable[[Event], Optional[str]]]
    """Answers to `input()`: lines, or a function of the event that gives one, or None for the end."""


class AsyncCaller:
    """Calls in one session, with their options. Clones share the transport."""

    def __init__(self, transport: AsyncTransport, session: Optional[str], options: Dict[str, Any]) -> None:
        self._transport = transport
        self._session = session
        self._options = options
        self._released = transport.released(session)

    def _request(self, command: str, payload: Dict[str, Any]) -> Request:
        options = dict(self._options)
        if self._session is not None:
            options["session"] = self._session
        question = QUESTION.get()
        if question is not None and question[0] == (self._session or "default"):
            options["callback"] = question[1]
        return Request(command, payload, options)

    async def _call(self, command: str, payload: Dict[str, Any]) -> Answer:
        return await self._answer(self._request(command, payload))

    async def _answer(self, request: Request, stdin: Optional[Stdin] = None, on_event: Optional[Callable[[Event], Any]] = None) -> Answer:
        """Carries out a request to its end."""
        if stdin is not None:
            request.capabilities.append("stdin")
            request.with_events = True
        if on_event is None and not request.with_events:
            return self._read(await self._whole(request), "", "")
        printed = {"stdout": "", "stderr": ""}
        running = Running(self, request, stdin)
        events = running.events()
        try:
            async for event in events:
                if event.event in printed:
                    printed[event.event] += event.text
                if on_event is not None:
                    await settle(on_event(event))
        finally:
            # Where `on_event` has failed, the call is cancelled now, not when the events are garbage.
            await events.aclose()
        assert running.reply is not None
        try:
            return self._read(running.reply, printed["stdout"], printed["stderr"])
        except BeepPythonError as error:
            error.stdout, error.stderr = printed["stdout"] or error.stdout, printed["stderr"] or error.stderr
            raise

    async def _whole(self, request: Request) -> Reply:
        """The answer to a request without events."""
        await self._prepare(request)
        connection = await self._transport.take()
        try:
            reply = await connection.step(self._transport.exchange(request, connection))
        except BaseException as error:
            connection.close()
            if not isinstance(error, Exception):
                await self._abandon(request)
            raise
        self._transport.put_back(connection)
        assert isinstance(reply, Reply)
        return reply

    async def _prepare(self, request: Request) -> None:
        """Disposes of what the program has released, and over HTTP sends data first, which have no place in a body of JSON."""
        if self._released:
            ids = [self._released.popleft() for _ in range(len(self._released))]
            try:
                await self._plain("dispose", {"handleIds": ids})
            except BeepPythonError:
                pass  # they end with their session
        if request.data and request.placeholders and not self._transport.is_pipe:
            for datum, placeholder in zip(request.data, request.placeholders):
                put = Request("put", {}, {key: value for key, value in self._options.items() if key == "session"})
                if self._session is not None:
                    put.options["session"] = self._session
                put.data.append(datum)
                handle = self._read(await self._whole(put), "", "").value
                placeholder.clear()
                placeholder["$handle"] = handle.id
                request.sent_before.append(handle)
            request.data.clear()

    async def _plain(self, command: str, payload: Dict[str, Any]) -> Any:
        """The answer's body to a command that has nothing of a call's options but the session."""
        options = {} if self._session is None else {"session": self._session}
        reply = await self._whole(Request(command, payload, options))
        if reply.problem is not None:
            raise error_of(reply.problem)
        return reply.body

    async def _abandon(self, request: Request) -> None:
        """Cancels a call whose program does not wait for it any more."""
        try:
            await self._plain("cancel", {"requestId": request.request_id})
        except BeepPythonError:
            pass

    def _read(self, reply: Reply, stdout: str, stderr: str) -> Answer:
        if reply.problem is not None:
            raise error_of(reply.problem)
        body = reply.body
        if not isinstance(body, dict):
            return Answer(body, {}, stdout, stderr, {})
        outputs = {name: self._object(output) for name, output in body.get("outputs", {}).items()}
        value = reply.datum if reply.datum is not None else self._object(body)
        return Answer(value, body, stdout or body.get("stdout", ""), stderr or body.get("stderr", ""), outputs)

    def _object(self, body: Dict[str, Any]) -> Any:
        """A value, or the handle of an object."""
        if "handleId" in body:
            return AsyncHandle(self, body)
        return decode(body.get("value"))

    async def _items(self, request: Request) -> AsyncGenerator[Any, None]:
        """The items of a stream."""
        running = Running(self, request, None)
        async for event in running.events():
            if event.event == "item":
                yield self._object(event.fields)
        assert running.reply is not None
        if running.reply.problem is not None:
            raise error_of(running.reply.problem)

    async def _ask(self, event: Event, request: Request, lines: Union[Iterator[str], Callable[[Event], Optional[str]], None]) -> None:
        """Answers a question of the code."""
        fields = event.fields
        answer: Dict[str, Any] = {"questionId": fields["questionId"]}
        if event.event == "input_request":
            line = None if lines is None else await settle(lines(event)) if callable(lines) else next(lines, None)
            answer.update({"eof": True} if line is None else {"value": line})
        else:
            token = QUESTION.set((self._session or "default", fields["questionId"])) if fields.get("nested") else None
            encoder = Request("answer", {}, {})
            try:
                function = request.callbacks[fields["name"]]
                args = [self._object(argument) for argument in fields.get("args", [])]
                kwargs = {name: self._object(argument) for name, argument in (fields.get("kwargs") or {}).items()}
                answer["value"] = encoder.value(await settle(function(*args, **kwargs)))
            except Exception as error:
                answer["error"] = {"type": type(error).__name__, "message": str(error)}
            finally:
                if token is not None:
                    QUESTION.reset(token)
        try:
            await self._plain("answer", answer)
        except BeepPythonError as error:
            if error.code != "unknown_question":
                raise


class Running:
    """The events of a call that runs; `reply` is there when they have ended."""

    def __init__(self, caller: AsyncCaller, request: Request, stdin: Optional[Stdin]) -> None:
        self._caller = caller
        self._request = request
        self._lines = stdin if stdin is None or callable(stdin) else iter(stdin)
        self.reply: Optional[Reply] = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """Carries out the call."""
        caller, request = self._caller, self._request
        request.with_events = True
        await caller._prepare(request)
        connection = await caller._transport.take()
        exchange = caller._transport.exchange(request, connection)
        try:
            while True:
                told = await connection.step(exchange)
                if isinstance(told, Reply):
                    self.reply = told
                    break
                if told.event in ("input_request", "callback"):
                    if told.event == "input_request":
                        yield told
                    await caller._ask(told, request, self._lines)
                else:
                    yield told
        except BeepPythonError:
            connection.close()
            raise
        except BaseException:
            # The program does not wait for the rest.
            connection.close()
            await caller._abandon(request)
            raise
        caller._transport.put_back(connection)
