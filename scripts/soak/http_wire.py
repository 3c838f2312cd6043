"""HTTP, and the JSON of RPC."""

import http.client
import json
import socket
import time

from wire import NOT_IN_JSON, RPCS, TIMEOUT, Lost, Refused, http_route, pascal, uncapitalised

# The server closes connections that are idle for longer.
IDLE = 30.0


class Http:
    """One connection to the port of HTTP."""

    name = "http"

    def __init__(self, server):
        self.address = server.http
        self.connection, self.used = None, 0.0

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def route(self, operation, body):
        return http_route(operation, body)

    def to_wire(self, operation, body, options):
        return {**{key: value for key, value in body.items() if not (operation.startswith("session_") and key == "sessionId")}, **options}

    def from_wire(self, answer):
        return answer

    def request(self, method, path, body, headers):
        if time.monotonic() - self.used > IDLE:
            self.close()
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
        try:
            self.connection.request(method, path, body, headers)
            return self.connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost(f"{method} {path}: {error!r}") from error
        finally:
            self.used = time.monotonic()

    def read(self, response):
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost(f"in the answer: {error!r}") from error

    def call(self, operation, body, options):
        method, path = self.route(operation, body)
        sent = None if method == "GET" or method == "DELETE" else json.dumps(self.to_wire(operation, body, options))
        response = self.request(method, path, sent, {"Content-Type": "application/json"})
        return self.answer(response, self.read(response))

    def answer(self, response, data):
        kind = response.getheader("Content-Type") or ""
        answer = json.loads(data) if "json" in kind else {"text": data.decode()}
        if response.status >= 300:
            raise Refused(answer.get("code", str(response.status)), answer)
        return {"data": answer} if isinstance(answer, list) else self.from_wire(answer)

    def events(self, operation, body, options):
        method, path = self.route(operation, body)
        sent = None if method == "GET" else json.dumps(self.to_wire(operation, body, options))
        response = self.request(method, path, sent, {"Content-Type": "application/json", "Accept": "application/x-ndjson"})
        if response.status >= 300:
            self.answer(response, self.read(response))
        finished = False
        try:
            while not finished:
                line = response.readline()
                if not line.endswith(b"\n"):
                    raise Lost(f"{path}: the events ended without a result")
                event = self.from_wire(json.loads(line))
                name = event.pop("event")
                finished = name in ("result", "error")
                if finished:
                    response.read()
                if name == "error":
                    raise Refused(event.get("code"), event)
                yield name, event
        except (OSError, http.client.HTTPException) as error:
            raise Lost(f"{path}: in the events: {error!r}") from error
        finally:
            if not finished:
                self.close()

    def put(self, data, descriptor, name, options):
        headers = {"Content-Type": "application/octet-stream", "X-Beep-Session": options["session"]}
        if "dtype" in descriptor:
            headers |= {"X-Beep-Dtype": descriptor["dtype"], "X-Beep-Shape": ",".join(map(str, descriptor["shape"]))}
        response = self.request("POST", f"/api/put?name={name}", data, headers)
        return self.answer(response, self.read(response))

    def fetch(self, body, options):
        headers = {"Content-Type": "application/json", "Accept": "application/octet-stream"}
        response = self.request("POST", "/api/fetch", json.dumps({**body, **options}), headers)
        data = self.read(response)
        if response.status >= 300:
            self.answer(response, data)
        return data


class RpcJson(Http):
    """One connection to the port of RPC, with JSON."""

    name = "rpc-json"

    def __init__(self, server):
        super().__init__(server)
        self.address = server.rpc

    def route(self, operation, body):
        return "POST", "/rpc/" + RPCS[operation]

    def to_wire(self, operation, body, options):
        return {pascal(key): value for key, value in {**body, **options}.items()}

    def from_wire(self, answer):
        return {uncapitalised(key): value for key, value in answer.items()}

    def knows(self, operation):
        return operation in RPCS and operation not in NOT_IN_JSON


def raw_connection(address, buffer=None):
    """A socket of its own, for clients that misbehave; to a path of a socket, or to host and port."""
    connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(TIMEOUT)
    connection.connect(address)
    return connection
