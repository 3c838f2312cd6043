"""A call over the pipe: a line of JSON each way, with data behind it or in a descriptor."""

from __future__ import annotations

import json

from .data import Datum
from .errors import BeepPythonError, ConnectionLost
from .exchange import FILE, LINE, Read, Send, Told
from .request import Reply, Request
from .values import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from .exchange import Exchange, Parts

def exchange(request: Request, token: Optional[str]) -> Exchange:
    """Carries out a call; the token goes with the first line of a connection."""
    line: Dict[str, Any] = {"command": request.command, "id": 1, **request.options, "requestId": request.request_id, "values": "exact"}
    if request.payload:
        line["payload"] = request.payload
    if request.capabilities:
        line["capabilities"] = request.capabilities
    if token is not None:
        line["token"] = token
    via = "inline" if request.data else request.via
    if via is not None:
        line["via"] = via
    if request.data:
        line["data"] = [datum.descriptor() for datum in request.data]
    parts: Parts = [dumps(line) + b"\n", *(datum.memory for datum in request.data)]
    yield Send(parts)
    while True:
        text = yield LINE
        if not text:
            raise ConnectionLost("the server closed the connection before it had answered; the call may have run")
        try:
            message = json.loads(text.decode())
        except ValueError as error:
            raise BeepPythonError(f"the answer is no JSON: {error}") from error
        if "event" in message:
            message.pop("id", None)
            yield Told(message)
            continue
        if "result" not in message:
            return Reply(problem=message.get("errorInfo") or {"detail": message.get("error")})
        result = message["result"]
        described = result.get("data") if isinstance(result, dict) and "via" in message else None
        if described is None:
            return Reply(result)
        if message["via"] == "fd":
            file = yield FILE
            memory: Any = _mapped(file, described)
        else:
            memory = yield Read(described["byteLength"])
        return Reply(result, datum=Datum.described(described, memory))


def _mapped(file: int, described: Dict[str, Any]) -> Any:
    import mmap
    import os

    try:
        offset, length = described.get("offset", 0), described["byteLength"]
        if not length:
            return b""
        # The offset of a mapping is that of a page.
        whole = mmap.mmap(file, offset + length, mmap.MAP_SHARED, mmap.PROT_READ)
        return memoryview(whole)[offset:]
    finally:
        os.close(file)
