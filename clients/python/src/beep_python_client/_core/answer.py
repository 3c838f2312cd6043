"""What a call gives beside its value."""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

QUESTION: ContextVar[Optional[Tuple[str, str]]] = ContextVar("beep_python_question", default=None)
"""The session and the question of the callback that runs: a call to that session is nested in it."""


class Answer:
    """The value of a call with what its code printed."""

    __slots__ = ("outputs", "session_epoch", "stderr", "stdout", "value")

    def __init__(self, value: Any, body: Dict[str, Any], stdout: str, stderr: str, outputs: Dict[str, Any]) -> None:
        self.value = value
        self.stdout = stdout
        self.stderr = stderr
        self.outputs = outputs
        """By name the objects that the call was asked for."""
        self.session_epoch: Optional[int] = body.get("sessionEpoch")
        """1 at first, and one more after each restart of the session."""

    def __repr__(self) -> str:
        return f"Answer({self.value!r}, stdout={self.stdout!r}, stderr={self.stderr!r})"


def options_of(
    timeout: Optional[float], grace: Optional[float], lease: Optional[float], limits: Optional[Dict[str, int]],
    request_id: Optional[str], isolated: bool, traceback_locals: bool, cancel_on_disconnect: bool,
) -> Dict[str, Any]:
    """Call options as the wire has them; times are seconds."""
    told: Dict[str, Any] = {}
    for key, seconds in (("timeoutMs", timeout), ("graceMs", grace), ("leaseMs", lease)):
        if seconds is not None:
            told[key] = round(seconds * 1000)
    if limits is not None:
        told["limits"] = limits
    if request_id is not None:
        told["requestId"] = request_id
    for key, is_set in (("isolated", isolated), ("tracebackLocals", traceback_locals), ("cancelOnDisconnect", cancel_on_disconnect)):
        if is_set:
            told[key] = True
    return told
