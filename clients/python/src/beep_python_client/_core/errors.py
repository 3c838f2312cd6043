"""What calls raise."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Type



class BeepPythonError(Exception):
    """A call failed. `code` is the word of the wire, where the host told one; `problem` all that it told."""

    def __init__(self, detail: str, problem: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problem: Dict[str, Any] = problem or {}
        self.code: Optional[str] = self.problem.get("code")
        self.outcome: Optional[str] = self.problem.get("outcome")
        """Of a call that was ended: `not_started`, `state_kept`, `state_lost` or `finished`."""
        self.stdout: str = self.problem.get("stdout", "")
        self.stderr: str = self.problem.get("stderr", "")

    @property
    def state_kept(self) -> bool:
        """Whether the session still has what it had before the call."""
        return self.outcome != "state_lost"


class PythonError(BeepPythonError):
    """Python code raised an exception."""

    def __init__(self, detail: str, problem: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(detail, problem)
        self.exception: Dict[str, Any] = self.problem.get("exception") or {}
        """All that the wire tells of it: frames, cause, context, notes, members of a group."""
        self.type: str = self.exception.get("type", "")
        """Its class, with the module before it unless it is a builtin."""
        self.message: str = self.exception.get("message", "")
        self.traceback: str = self.exception.get("text", "")
        """What Python prints of an uncaught exception."""


class DeadlineExceeded(BeepPythonError):
    """The deadline of a call passed; `state_kept` tells whether its session was kept."""


class Cancelled(BeepPythonError):
    """A call was cancelled."""


class SessionLost(BeepPythonError):
    """The session ended, or was restarted, which loses its state."""


class WorkerDied(SessionLost):
    """The worker process ended by itself; `death` says how. The session goes on with a new one."""

    @property
    def death(self) -> Dict[str, Any]:
        death: Dict[str, Any] = self.problem.get("death") or {}
        return death


class HandleLost(BeepPythonError):
    """The session does not hold the object, or not any more."""


class LimitExceeded(BeepPythonError):
    """A call or its session took more than it may."""


class InvalidRequest(BeepPythonError):
    """The request is not what the operation takes."""


class NotRepresentable(BeepPythonError):
    """The result cannot be given in the form that was asked for."""


class Unauthorized(BeepPythonError):
    """The server wants a token, or this one is not good for the call."""


class ServerUnavailable(BeepPythonError):
    """There is no server, or it cannot take the call. Nothing of the call ran."""


class UntrustedServer(BeepPythonError):
    """The server may be another user's; nothing was sent."""


class ConnectionLost(BeepPythonError):
    """The connection broke before the answer had come; the client never repeats a call. `may_have_run` is false only if nothing was sent."""

    def __init__(self, detail: str, may_have_run: bool = True) -> None:
        super().__init__(detail)
        self.may_have_run = may_have_run


_CLASSES: Dict[str, Type[BeepPythonError]] = {
    "python_exception": PythonError,
    "deadline_exceeded": DeadlineExceeded,
    "cancelled": Cancelled,
    "session_restarted": SessionLost,
    "session_expired": SessionLost,
    "unknown_session": SessionLost,
    "worker_died": WorkerDied,
    "unknown_handle": HandleLost,
    "handle_lost": HandleLost,
    "handle_expired": HandleLost,
    "cpu_time_exceeded": LimitExceeded,
    "memory_exceeded": LimitExceeded,
    "too_many_processes": LimitExceeded,
    "too_many_handles": LimitExceeded,
    "too_much_data": LimitExceeded,
    "result_too_large": LimitExceeded,
    "invalid_request": InvalidRequest,
    "body_too_large": InvalidRequest,
    "not_representable": NotRepresentable,
    "not_acceptable": NotRepresentable,
    "unauthorized": Unauthorized,
    "forbidden": Unauthorized,
    "overloaded": ServerUnavailable,
    "queue_full": ServerUnavailable,
    "too_many_sessions": ServerUnavailable,
    "worker_unavailable": ServerUnavailable,
    "shutting_down": ServerUnavailable,
}


def error_of(problem: Dict[str, Any]) -> BeepPythonError:
    """The exception for a problem of the wire."""
    kind = _CLASSES.get(str(problem.get("code")), BeepPythonError)
    return kind(str(problem.get("detail") or problem.get("title") or "the call failed"), problem)
