"""Executions, which tell what happens meanwhile."""

from __future__ import annotations

from .._core.answer import Answer
from .._core.event import Event
from .._core.request import Request
from .call import AsyncCaller, Running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, AsyncIterator, Optional

    from .call import Stdin

class AsyncExecution:
    """The events of an execution, to iterate over; `answer` and `value` are there when they have ended."""

    def __init__(self, caller: AsyncCaller, request: Request, stdin: Optional[Stdin]) -> None:
        self._caller = caller
        self._running = Running(caller, request, stdin)
        self.answer: Optional[Answer] = None

    async def __aiter__(self) -> AsyncIterator[Event]:
        printed = {"stdout": "", "stderr": ""}
        async for event in self._running.events():
            if event.event in printed:
                printed[event.event] += event.text
            yield event
        assert self._running.reply is not None
        self.answer = self._caller._read(self._running.reply, printed["stdout"], printed["stderr"])

    @property
    def value(self) -> Any:
        """The value of the last expression."""
        if self.answer is None:
            raise RuntimeError("the execution has no value before all of its events were read")
        return self.answer.value
