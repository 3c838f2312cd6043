"""A call on its way to the host, and what came back."""

from __future__ import annotations

import itertools
import os

from .data import Datum
from .errors import InvalidRequest
from .values import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

_NUMBERS = itertools.count(1)
_prefix = ""


def _renew_prefix() -> None:
    """Ids are of one process: a cancel must not reach the call of another."""
    global _prefix
    _prefix = os.urandom(6).hex()


_renew_prefix()
os.register_at_fork(after_in_child=_renew_prefix)


class Request:
    """A command with its payload, as the pipe has it; HTTP makes a route and a body of it."""

    __slots__ = ("callbacks", "capabilities", "command", "data", "options", "payload", "placeholders", "request_id", "sent_before", "via", "with_events")

    def __init__(self, command: str, payload: Dict[str, Any], options: Dict[str, Any]) -> None:
        self.command = command
        self.payload = payload
        self.options = options
        self.request_id: str = options.get("requestId") or f"{_prefix}-{next(_NUMBERS)}"
        self.via: Optional[str] = None
        self.with_events = False
        self.capabilities: List[str] = []
        self.callbacks: Dict[str, Callable[..., Any]] = {}
        self.data: List[Datum] = []
        self.placeholders: List[Dict[str, Any]] = []
        """The values that stand for the data, in their order."""
        self.sent_before: List[Any] = []
        """Handles of data that went before the request, which needs them until it is answered."""

    def value(self, value: Any) -> Any:
        """The exact form of an argument, with what the request has to bring beside it."""
        return encode(value, self._other)

    def values(self, named: Any) -> Dict[str, Any]:
        return {name: encode(value, self._other) for name, value in named.items()}

    def _other(self, value: Any) -> Any:
        identity = getattr(value, "_beep_python_handle_", None)
        if identity is not None:
            return {"$handle": identity}
        result = getattr(value, "_beep_python_result_", None)
        if result is not None:
            return {"$result": result}
        datum = Datum.of(value)
        if datum is not None:
            placeholder: Dict[str, Any] = {"$data": len(self.data)}
            self.data.append(datum)
            self.placeholders.append(placeholder)
            return placeholder
        if callable(value):
            return self._callback(value)
        raise InvalidRequest(
            f"an argument of type {type(value).__module__}.{type(value).__qualname__} cannot be sent: send builtin values, arrays, "
            "tables, functions, or handles of the session's objects"
        )

    def _callback(self, function: Callable[..., Any]) -> Dict[str, Any]:
        name = getattr(function, "__name__", "callback")
        name = name if name.isidentifier() else "callback"
        while self.callbacks.get(name, function) is not function:
            name += "_"
        self.callbacks[name] = function
        if "callbacks" not in self.capabilities:
            self.capabilities.append("callbacks")
        self.with_events = True
        told: Dict[str, Any] = {"$callback": name}
        if isinstance(function.__doc__, str):
            told["doc"] = function.__doc__
        return told


class Reply:
    """The answer: its object, or the problem; and the datum that came with it."""

    __slots__ = ("body", "datum", "problem")

    def __init__(self, body: Any = None, problem: Optional[Dict[str, Any]] = None, datum: Optional[Datum] = None) -> None:
        self.body = body
        self.problem = problem
        self.datum = datum
