"""What a call tells before its answer."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional



class Event:
    """An event: `event` is its name on the wire, `fields` its object there."""

    __slots__ = ("event", "fields")

    def __init__(self, event: str, fields: Dict[str, Any]) -> None:
        self.event = event
        """`stdout`, `stderr`, `display`, `clear_output`, `log`, `progress`, `session`, `input_request`, `callback`."""
        self.fields = fields

    @property
    def text(self) -> str:
        """Of `stdout` and `stderr`: what was printed. Of `display`: its `text/plain`."""
        text: str = self.fields.get("text") or self.data.get("text/plain") or ""
        return text

    @property
    def data(self) -> Dict[str, Any]:
        """Of `display`: by MIME type."""
        data: Dict[str, Any] = self.fields.get("data") or {}
        return data

    @property
    def display_id(self) -> Optional[str]:
        return self.fields.get("displayId")

    @property
    def is_update(self) -> bool:
        return bool(self.fields.get("isUpdate"))

    @property
    def is_result(self) -> bool:
        """Of `display`: whether it is the value of the last expression."""
        return bool(self.fields.get("isResult"))

    @property
    def message(self) -> Optional[str]:
        """Of `log` and `progress`."""
        return self.fields.get("message")

    @property
    def done(self) -> Optional[float]:
        """Of `progress`."""
        return self.fields.get("done")

    @property
    def total(self) -> Optional[float]:
        """Of `progress`."""
        return self.fields.get("total")

    @property
    def prompt(self) -> str:
        """Of `input_request`."""
        return str(self.fields.get("prompt") or "")

    def __repr__(self) -> str:
        return f"<{self.event} {self.fields!r}>"
