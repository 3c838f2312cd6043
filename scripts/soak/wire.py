"""What all wires share: the operations and their names on each wire, and how an answer can fail.

A wire has `call(operation, body, options)`, which returns the answer as a dictionary with the keys of HTTP; `events(…)`, which
yields `(event, object)` up to the `result`; `put(…)` and `fetch(…)` for data. Operations have the names of the pipe's commands. A wire
raises `Refused` for an answer that is a problem, and one of `LOST` where there is no answer.
"""

import http.client

TIMEOUT = 30.0
# The rpc of each operation; that of the pipe is the name itself.
RPCS = {
    "eval": "PythonService/Evaluate", "import": "PythonService/ImportModule", "create": "PythonService/CreateObject",
    "call": "PythonService/CallMethod", "getattr": "PythonService/GetAttribute", "setattr": "PythonService/SetAttribute",
    "dispose": "PythonService/DisposeHandle", "module_available": "PythonService/IsModuleAvailable",
    "tofloatarray": "PythonService/ToFloatArray", "tofloatarray2d": "PythonService/ToFloatArray2D", "wrap": "PythonService/WrapValue",
    "ping": "PythonService/Health", "cancel": "PythonService/Cancel", "answer": "PythonService/Answer",
    "renew": "PythonService/RenewHandle", "getitem": "PythonService/GetItem", "setitem": "PythonService/SetItem",
    "delitem": "PythonService/DeleteItem", "len": "PythonService/GetLength", "contains": "PythonService/Contains",
    "invoke": "PythonService/Invoke", "dir": "PythonService/ListAttributes", "describe": "PythonService/Describe",
    "value": "PythonService/GetValue", "await": "PythonService/Await", "batch": "PythonService/Batch", "fetch": "PythonService/Fetch",
    "put": "PythonService/Put", "execute": "PythonService/Execute", "stream": "PythonService/Stream", "next": "PythonService/Next",
    "session_create": "SessionService/CreateSession", "session_list": "SessionService/ListSessions",
    "session_get": "SessionService/GetSession", "session_inspect": "SessionService/InspectSession",
    "session_events": "SessionService/SessionEvents", "session_handles": "SessionService/ListHandles",
    "session_debug": "SessionService/DebugSession", "session_interrupt": "SessionService/InterruptSession",
    "session_restart": "SessionService/RestartSession", "session_delete": "SessionService/DeleteSession",
    "venv_create": "VenvService/CreateEnvironment", "venv_list": "VenvService/ListEnvironments",
    "venv_status": "VenvService/EnvironmentStatus", "venv_delete": "VenvService/DeleteEnvironment",
    "venv_install": "VenvService/InstallPackages",
}
# With events under another service: `EventService` takes operations that otherwise have none.
EVENT_RPCS = {name: RPCS[name].replace("Python", "Event") for name in ("eval", "create", "call")}
NOT_IN_JSON = {"put", "fetch", "session_events"}
# Routes of HTTP that no other wire has, with what they are called here.
PAGES = {"livez": "/livez", "readyz": "/readyz", "metrics": "/metrics", "openapi": "/openapi.json", "docs": "/docs", "root": "/", "login": "/api/login"}


class Refused(Exception):
    """An answer that is a problem."""

    def __init__(self, code, problem):
        super().__init__(f"{code}: {problem.get('detail')}"[:600])
        self.code, self.problem = code, problem


class Lost(Exception):
    """A request without an answer."""


LOST = (Lost, OSError, http.client.HTTPException)


def http_route(operation, body):
    """Method and path over HTTP."""
    if operation in PAGES:
        return "POST" if operation == "login" else "GET", PAGES[operation]
    if operation == "ping":
        return "GET", "/health"
    if operation.startswith("venv_"):
        return "GET" if operation == "venv_list" else "POST", "/api/venv/" + operation[5:]
    if operation in ("session_create", "session_list"):
        return "POST" if operation == "session_create" else "GET", "/api/sessions"
    if operation.startswith("session_"):
        verb, path = operation[8:], "/api/sessions/" + body["sessionId"]
        if verb in ("get", "delete"):
            return verb.upper(), path
        return "GET" if verb in ("inspect", "events", "handles") else "POST", f"{path}/{verb}"
    return "POST", "/api/" + operation.replace("_", "-")


def renamed(convert, values):
    return {convert(key): value for key, value in values.items()}


def pascal(name):
    return name[:1].upper() + name[1:]


def uncapitalised(name):
    return name[:1].lower() + name[1:]
