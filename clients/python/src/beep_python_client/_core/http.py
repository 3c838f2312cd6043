"""A call over HTTP/1.1: its route, its body, and the answer, whole or as lines of events."""

from __future__ import annotations

import json

from .data import Datum
from .errors import BeepPythonError, ConnectionLost, InvalidRequest
from .exchange import LINE, Read, Send, Told
from .request import Reply, Request
from .values import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Generator, List, Optional, Tuple

    from .exchange import Exchange, Head, Headers, Parts, Want


_ROUTES: Dict[str, Tuple[str, str]] = {
    "ping": ("GET", "/health"),
    "module_available": ("POST", "/api/module-available"),
    "session_create": ("POST", "/api/sessions"),
    "session_list": ("GET", "/api/sessions"),
    "session_get": ("GET", "/api/sessions/{}"),
    "session_delete": ("DELETE", "/api/sessions/{}"),
    "session_events": ("GET", "/api/sessions/{}/events"),
    "session_inspect": ("GET", "/api/sessions/{}/inspect"),
    "session_handles": ("GET", "/api/sessions/{}/handles"),
    "session_debug": ("POST", "/api/sessions/{}/debug"),
    "session_interrupt": ("POST", "/api/sessions/{}/interrupt"),
    "session_restart": ("POST", "/api/sessions/{}/restart"),
    "venv_list": ("GET", "/api/venv/list"),
}
_WITH_EVENTS = ("execute", "stream", "next", "session_events")
_FORMATS = {"raw": "application/octet-stream", "npy": "application/x-npy", "arrow-stream": "application/vnd.apache.arrow.stream", "png": "image/png", "json": "application/json"}
_ACCEPTED = {"array": "raw", "bytes": "raw", "table": "arrow-stream"}


def exchange(request: Request, token: Optional[str], host: str) -> Exchange:
    """Carries out a call."""
    yield Send(_sent(request, token, host))
    status, headers = yield from _head()
    if status >= 400:
        body = yield from _body(headers)
        raise_closed = {"detail": f"status {status}: {bytes(body[:200]).decode(errors='replace')}", "status": status}
        return Reply(problem=_json(body) if "json" in headers.get("content-type", "") else raise_closed)
    if headers.get("content-type", "").startswith("application/x-ndjson"):
        return (yield from _lines(headers))
    body = yield from _body(headers)
    if request.command == "fetch":
        return Reply(_epoch(headers), datum=_datum(headers, body))
    return Reply(_json(body) if len(body) else {})


def _sent(request: Request, token: Optional[str], host: str) -> Parts:
    command, payload = request.command, dict(request.payload)
    method, path = _ROUTES.get(command, ("POST", f"/api/{command.replace('venv_', 'venv/')}"))
    if "{}" in path:
        path = path.format(_quoted(payload.pop("sessionId")))
    lines = [f"Host: {host}"]
    body: Parts = []
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if request.with_events or command in _WITH_EVENTS:
        lines.append("Accept: application/x-ndjson")
    if command == "put":
        datum = request.data[0]
        if "name" in payload:
            path += f"?name={_quoted(payload['name'])}"
        lines.append(f"Content-Type: {_FORMATS[datum.format]}")
        if datum.dtype is not None and datum.format == "raw":
            lines += [f"X-Beep-Dtype: {datum.dtype}", "X-Beep-Shape: " + ",".join(map(str, datum.shape or ()))]
        lines += _option_headers(request)
        body.append(datum.memory)
    elif method == "POST":
        if command == "fetch":
            kind = payload.pop("kind", None)
            asked = payload.pop("format", None) or _ACCEPTED.get(kind)
            lines.append(f"Accept: {_FORMATS[asked] if asked else 'application/octet-stream, application/vnd.apache.arrow.stream, application/json'}")
            if kind is not None:
                payload["kind"] = kind
        lines.append("Content-Type: application/json")
        # What is the host's knows no options of calls.
        is_host = command == "cancel" or command.startswith(("session_", "venv_"))
        content = payload if is_host else {**request.options, "requestId": request.request_id, "values": "exact", **payload}
        if request.capabilities:
            content["capabilities"] = request.capabilities
        body.append(dumps(content))
    else:
        lines += _option_headers(request)
    if any("\r" in line or "\n" in line for line in lines):
        raise InvalidRequest("a token or an option of a call has a line end in it, which no header can have")
    length = sum(len(part) if isinstance(part, bytes) else part.nbytes for part in body)
    if method != "GET":
        lines.append(f"Content-Length: {length}")
    head = f"{method} {path} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
    # One write for all that is small.
    if body and length < 16384:
        return [head.encode("latin-1") + b"".join(bytes(part) for part in body)]
    return [head.encode("latin-1"), *body]


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _option_headers(request: Request) -> List[str]:
    """The call options of a request whose body is none of JSON."""
    names = {"session": "Session", "timeoutMs": "Timeout-Ms", "graceMs": "Grace-Ms", "leaseMs": "Lease-Ms", "callback": "Callback"}
    lines = [f"X-Beep-{names[key]}: {value}" for key, value in request.options.items() if key in names]
    if request.capabilities:
        lines.append("X-Beep-Capabilities: " + ", ".join(request.capabilities))
    return [*lines, "X-Beep-Values: exact", f"X-Beep-Request: {request.request_id}"]


def _head() -> Generator[Want, Any, Head]:
    while True:
        line = yield LINE
        if not line:
            raise ConnectionLost("the server closed the connection before it had answered; the call may have run")
        parts = bytes(line).split(None, 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
            raise BeepPythonError(f"the answer is none of HTTP/1.1: {bytes(line[:80])!r}")
        headers: Headers = {}
        while True:
            line = (yield LINE).strip()
            if not line:
                break
            name, _, value = bytes(line).decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if int(parts[1]) >= 200:
            return int(parts[1]), headers


def _chunk() -> Generator[Want, Any, bytes]:
    line = yield LINE
    try:
        size = int(bytes(line).split(b";")[0], 16)
    except ValueError:
        raise ConnectionLost("the connection ended within the answer; the call may have run") from None
    chunk: bytes = (yield Read(size)) if size else b""
    # The line end behind a chunk; behind the last one the trailer, to its empty line.
    while (yield LINE).strip():
        pass
    return chunk


def _body(headers: Headers) -> Generator[Want, Any, Any]:
    if "chunked" not in headers.get("transfer-encoding", ""):
        length = int(headers.get("content-length", "0"))
        return (yield Read(length)) if length else b""
    whole = bytearray()
    while True:
        chunk = yield from _chunk()
        if not chunk:
            return whole
        whole += chunk


def _lines(headers: Headers) -> Exchange:
    """Events, a line each. An empty line only shows that the server lives."""
    waiting, last = bytearray(), None
    chunked = "chunked" in headers.get("transfer-encoding", "")
    while True:
        chunk = (yield from _chunk()) if chunked else (yield from _body(headers))
        waiting += chunk
        *whole, rest = waiting.split(b"\n")
        waiting = rest
        for line in whole if chunk else [*whole, rest]:
            if not line.strip():
                continue
            event = _json(line)
            if event.get("event") in ("result", "error"):
                last = event
            else:
                yield Told(event)
        if not chunk or not chunked:
            break
    if last is None:
        raise ConnectionLost("the events ended without an answer; the call may have run")
    name = last.pop("event")
    return Reply(last) if name == "result" else Reply(problem=last)


def _json(body: Any) -> Any:
    try:
        return json.loads(bytes(body))
    except ValueError as error:
        raise BeepPythonError(f"the answer is no JSON: {error}") from error


def _epoch(headers: Headers) -> Dict[str, Any]:
    epoch = headers.get("x-beep-session-epoch")
    return {"sessionEpoch": int(epoch)} if epoch else {}


def _datum(headers: Headers, body: Any) -> Datum:
    kind = headers.get("content-type", "").partition(";")[0].strip()
    format = next((name for name, media in _FORMATS.items() if media == kind), "raw")
    shape = headers.get("x-beep-shape")
    if shape is not None:
        return Datum("array", body, headers.get("x-beep-dtype"), [int(length) for length in shape.split(",") if length], format)
    return Datum("table" if format == "arrow-stream" else "array" if format == "npy" else "bytes", body, format=format)
