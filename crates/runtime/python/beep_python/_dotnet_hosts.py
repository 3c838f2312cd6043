"""The predecessor's clients of a server, for code that used them: `PythonHostHttp`, `PythonHostPipe`, `PythonHostRpc`, and what makes them."""

import contextlib
import enum
import http.client
import json
import os
import socket
import threading
from urllib.parse import quote, urlsplit

from ._builtins import own as __builtins__
from ._dotnet_interface import Interface
from ._dotnet_task import Operation, task
from ._host_rpc import HostError

TIMEOUT = 600  # seconds, as the predecessor's
JSON = {"Content-Type": "application/json"}
CA_FILE = "BEEP_PYTHON_CA_FILE"


class PythonObjectHandle:
    """An object that the server keeps."""

    def __init__(self, told):
        self.HandleId, self.TypeName = told["handleId"], told.get("typeName")
        self.IsValid = True

    def __repr__(self):
        return "<%s %s of %s>" % (type(self).__name__, self.HandleId, self.TypeName)


class PythonModuleHandle(PythonObjectHandle):
    def __init__(self, told):
        super().__init__(told)
        self.ModuleName = told.get("moduleName")


def written(value):
    """What JSON has no form for."""
    if isinstance(value, PythonObjectHandle):
        return {"$handle": value.HandleId}
    raise TypeError("a %s has no form in JSON; WrapValue, or a handle, gives it" % type(value).__name__)


class PythonHost:
    """A client of a server. Its own server runs this code too: there it has a session of its own, since this one waits."""

    IsGILHeld = False

    def __init__(self, address, logger=None):
        self.address = address
        self.IsInitialized = False
        self._session = None
        self._lock = threading.RLock()

    def _ask(self, operation, body):
        with self._lock:
            if not self.IsInitialized:
                self._begin()
            return self._answer(operation, json.dumps(body, default=written))

    def _begin(self):
        about = self._answer("health", None)
        if about.get("pid") in ancestors():
            self._session = self._answer("session_create", "{}")["sessionId"]
        self.IsInitialized = True

    def _answer(self, operation, body):
        told = self._send(operation, body)
        if not isinstance(told, list if operation.startswith("tofloat") else dict):
            self._close()
            raise no_answer(self.address)
        return told

    def _value(self, told):
        return PythonObjectHandle(told) if told.get("isHandle") else told.get("value")

    @task
    def InitializeAsync(self, cancellationToken=None):
        """Whether the server answers."""
        try:
            with self._lock:
                if not self.IsInitialized:
                    self._begin()
        except (OSError, HostError, http.client.HTTPException):
            return False
        return True

    @task
    def ImportModuleAsync(self, moduleName, cancellationToken=None):
        return PythonModuleHandle({"moduleName": moduleName, **self._ask("import", {"moduleName": moduleName})})

    @task
    def CreateObjectAsync(self, moduleHandle, className, args=None, kwargs=None, cancellationToken=None):
        if isinstance(moduleHandle, str):
            moduleHandle = self.ImportModuleAsync(moduleHandle).Result
        body = {"moduleHandleId": moduleHandle.HandleId, "className": className, "args": args or [], "kwargs": kwargs or {}}
        return PythonObjectHandle(self._ask("create", body))

    @Operation
    def CallMethodAsync(self, return_type, handle, methodName, args=None, kwargs=None, cancellationToken=None):
        body = {"handleId": handle.HandleId, "methodName": methodName, "args": list(args or []), "kwargs": kwargs or {}}
        return self._value(self._ask("call", with_type(body, return_type)))

    @Operation
    def GetAttributeAsync(self, return_type, handle, attributeName, cancellationToken=None):
        return self._value(self._ask("getattr", with_type({"handleId": handle.HandleId, "attributeName": attributeName}, return_type)))

    @task
    def SetAttributeAsync(self, handle, attributeName, value, cancellationToken=None):
        self._ask("setattr", {"handleId": handle.HandleId, "attributeName": attributeName, "value": value})

    @task
    def DisposeHandleAsync(self, handle, cancellationToken=None):
        self._ask("dispose", {"handleId": handle.HandleId})
        handle.IsValid = False

    @Operation
    def EvaluateAsync(self, return_type, expression, locals=None, cancellationToken=None):
        body = {"expression": expression}
        if locals:
            body["locals"] = locals
        return self._value(self._ask("eval", with_type(body, return_type)))

    @task
    def ToFloatArrayAsync(self, handle, cancellationToken=None):
        return self._ask("tofloatarray", {"handleId": handle.HandleId})

    @task
    def ToFloatArray2DAsync(self, handle, cancellationToken=None):
        return self._ask("tofloatarray2d", {"handleId": handle.HandleId})

    @task
    def IsModuleAvailableAsync(self, moduleName, cancellationToken=None):
        return self._ask("module_available", {"moduleName": moduleName})["available"]

    @task
    def CreateObjectHandleFromResultAsync(self, result, cancellationToken=None):
        return result if isinstance(result, PythonObjectHandle) else PythonObjectHandle(self._ask("wrap", {"value": result}))

    def AcquireGIL(self):
        return NoOpDisposable()

    def Dispose(self):
        with self._lock:
            if self._session is not None:
                session, self._session = self._session, None
                try:
                    self._send("session_delete", json.dumps({"sessionId": session}))
                except (OSError, HostError, http.client.HTTPException):
                    pass  # the server has ended, and the session with it
            self._close()
            self.IsInitialized = False

    def _close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.Dispose()


class IPythonHostBackend(Interface):
    """What clients of a server do; PythonHostHttp, PythonHostPipe and PythonHostRpc do the work."""


IPythonHostBackend.implement(PythonHost)
IPythonHostBackend.work = "PythonHostHttp"


class NoOpDisposable:
    def Dispose(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def with_type(body, return_type):
    return body if return_type is None else {**body, "returnType": return_type}


def ancestors():
    """The processes that led to this one: its server is among them."""
    out, pid = set(), os.getpid()
    while pid > 1:
        try:
            with open("/proc/%d/stat" % pid) as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            break
        out.add(pid)
    return out


def failure(problem):
    """The error that an answer tells of."""
    if not isinstance(problem, dict):
        problem = {"detail": str(problem)}
    raised = problem.get("exception")
    detail = problem.get("detail") or problem.get("title") or "the server gave no reason"
    if raised:
        detail = "%s: %s" % (raised.get("type"), raised.get("message"))
    return HostError(problem.get("code") or "internal", detail)


def no_answer(address):
    return HostError("internal", "what listens at %s gave an answer that is none of a server of beep-python" % address)


def connection_to(address):
    """An HTTP connection, by TLS where the address says so."""
    parts = urlsplit(address if "//" in address else "http://" + address)
    if parts.scheme in ("http", "grpc"):
        return http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT)
    if parts.scheme not in ("https", "grpcs"):
        raise ValueError("%s is no address of a server: it begins with http:, https:, grpc: or grpcs:" % address)
    if parts.query:
        raise ValueError("this client knows no fingerprint; let %s name the server's certificate instead of ?%s" % (CA_FILE, parts.query))
    import ssl

    context = ssl.create_default_context(cafile=os.environ.get(CA_FILE) or None)
    return http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=TIMEOUT, context=context)


class PythonHostHttp(PythonHost):
    """A client over HTTP: `PythonHostHttp("http://localhost:5678")`."""

    PATHS = {"health": ("GET", "/health"), "session_create": ("POST", "/api/sessions"), "module_available": ("POST", "/api/module-available")}

    def _request(self, method, path, body, headers):
        connection = connection_to(self.address)
        try:
            connection.request(method, path, None if body is None else body.encode(), headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        try:
            told = json.loads(text) if text else {}
        except ValueError:
            told = text
        if answer.status >= 300:
            raise failure(told)
        return told

    def _headers(self):
        return JSON if self._session is None else {**JSON, "X-Beep-Session": self._session}

    def _send(self, operation, body):
        if operation == "session_delete":
            return self._request("DELETE", "/api/sessions/" + quote(json.loads(body)["sessionId"]), None, JSON)
        method, path = self.PATHS.get(operation) or ("POST", "/api/" + operation)
        return self._request(method, path, body, self._headers())


class PythonHostRpc(PythonHostHttp):
    """A client of the RPC server: `PythonHostRpc("http://localhost:50051")`."""

    NAMES = {
        **{"import": "ImportModule", "create": "CreateObject", "call": "CallMethod", "getattr": "GetAttribute", "setattr": "SetAttribute"},
        **{"eval": "Evaluate", "dispose": "DisposeHandle", "tofloatarray": "ToFloatArray", "tofloatarray2d": "ToFloatArray2D"},
        **{"module_available": "IsModuleAvailable", "wrap": "WrapValue"},
    }

    def _send(self, operation, body):
        if operation == "health":
            return self._request("GET", "/health", None, JSON)
        service, name = ("PythonService", self.NAMES.get(operation)) if operation in self.NAMES else ("SessionService", "CreateSession")
        if operation == "session_delete":
            name = "DeleteSession"
        body = json.dumps({key[:1].upper() + key[1:]: value for key, value in json.loads(body).items()})
        told = self._request("POST", "/rpc/%s/%s" % (service, name), body, self._headers())
        if not isinstance(told, dict):
            return None
        told = {key[:1].lower() + key[1:]: value for key, value in told.items()}
        return told.get("data") if operation.startswith("tofloat") else told


class PythonHostPipe(PythonHost):
    """A client of a pipe: `PythonHostPipe("beep-python-pipe")`."""

    def __init__(self, address, logger=None):
        super().__init__(address, logger)
        self._stream = None

    def _send(self, operation, body):
        if self._stream is None:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(TIMEOUT)
            connection.connect(place_of(self.address))
            self._stream = connection.makefile("rwb")
            connection.close()  # the stream keeps it
        command = {"command": "ping" if operation == "health" else operation, "payload": json.loads(body) if body else {}}
        if self._session is not None:
            command["session"] = self._session
        try:
            self._stream.write(json.dumps(command).encode() + b"\n")
            self._stream.flush()
            line = self._stream.readline()
        except BaseException:
            self._close()  # the answer would be taken for that of the next command
            raise
        if not line:
            self._close()
            raise ConnectionError("the server has closed the pipe %s" % self.address)
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            return None
        if told.get("error"):
            raise failure(told.get("errorInfo") or told["error"])
        return told.get("result")

    def _close(self):
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OSError):  # what was not sent yet
                stream.close()


def place_of(name):
    """The socket of a pipe's name."""
    for prefix in ("\\\\.\\pipe\\", "unix:", "pipe:"):
        if name.startswith(prefix):
            name = name[len(prefix) :]
    return name if name.startswith("/") else os.path.join(os.environ.get("TMPDIR") or "/tmp", "CoreFxPipe_" + name)


class PythonBackendType(enum.Enum):
    PythonNet = 0
    Http = 1
    Pipe = 2
    Rpc = 3


class PythonBackendConfig:
    def __init__(self, BackendType=PythonBackendType.PythonNet, **settings):
        self.BackendType = BackendType
        self.VirtualEnvPath = self.ProviderName = self.PythonPath = None
        self.AutoStartServer = True
        self.HttpBaseUrl, self.PipeName, self.RpcAddress = "http://localhost:5678", "beep-python-pipe", "http://localhost:50051"
        self.__dict__.update(settings)


class PythonBackendFactory:
    @staticmethod
    def CreateBackend(config, logger=None):
        if isinstance(config, PythonBackendType):
            config = PythonBackendConfig(config)
        kind = config.BackendType
        if kind is PythonBackendType.Http:
            return PythonHostHttp(config.HttpBaseUrl, logger)
        if kind is PythonBackendType.Pipe:
            return PythonHostPipe(config.PipeName, logger)
        if kind is PythonBackendType.Rpc:
            return PythonHostRpc(config.RpcAddress, logger)
        raise NotImplementedError("this code is Python already; a backend is of BackendType Http, Pipe or Rpc")

    CreateHttpBackend = staticmethod(PythonHostHttp)
    CreatePipeBackend = staticmethod(PythonHostPipe)
    CreateRpcBackend = staticmethod(PythonHostRpc)
