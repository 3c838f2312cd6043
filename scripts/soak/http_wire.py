"""HTTP, and the JSON of RPC."""

import http.client
import json
import time

from wire import NOT_IN_JSON, RPCS, TIMEOUT, Lost, Refused, http_route, pascal, renamed, uncapitalised

# The server closes connections that are idle for longer.
IDLE = 30.0
JSON = {"Content-Type": "application/json"}


class Http:
    """One connection to the port of HTTP."""

    name = "http"

    def __init__(self, server):
        self.address, self.connection, self.used = server.http, None, 0.0

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def route(self, operation, body):
        return http_route(operation, body)

    def to_wire(self, operation, body, options):
        in_path = ("sessionId",) if operation.startswith("session_") else ()
        return {**{key: value for key, value in body.items() if key not in in_path}, **options}

    def from_wire(self, answer):
        return answer

    def request(self, method, path, body=None, headers=JSON):
        if time.monotonic() - self.used > IDLE:
            self.close()
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
        self.used = time.monotonic()
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        if response.status >= 400:
            problem = json.loads(response.read())
            raise Refused(problem.get("code", str(response.status)), problem)
        return response

    def send(self, operation, body, options, **headers):
        method, path = self.route(operation, body)
        sent = json.dumps(self.to_wire(operation, body, options)) if method == "POST" else None
        return self.request(method, path, sent, JSON | headers)

    def call(self, operation, body, options):
        response = self.send(operation, body, options)
        data = response.read()
        if "json" not in response.getheader("Content-Type", ""):
            return {"text": data.decode()}
        answer = json.loads(data)
        return {"data": answer} if isinstance(answer, list) else self.from_wire(answer)

    def events(self, operation, body, options):
        response = self.send(operation, body, options, Accept="application/x-ndjson")
        name = None
        try:
            while name not in ("result", "error"):
                line = response.readline()
                if not line.endswith(b"\n"):
                    raise Lost(f"{operation}: the events ended without a result")
                event = self.from_wire(json.loads(line))
                name = event.pop("event")
                if name == "error":
                    raise Refused(event.get("code"), event)
                yield name, event
            response.read()
        finally:
            if name != "result":
                self.close()

    def put(self, data, descriptor, name, options):
        shape = ",".join(map(str, descriptor["shape"]))
        headers = {"X-Beep-Session": options["session"], "X-Beep-Dtype": descriptor["dtype"], "X-Beep-Shape": shape}
        return json.loads(self.request("POST", f"/api/put?name={name}", data, headers | {"Content-Type": "application/octet-stream"}).read())

    def fetch(self, body, options):
        return self.send("fetch", body, options, Accept="application/octet-stream").read()


class RpcJson(Http):
    """One connection to the port of RPC, with JSON."""

    name = "rpc-json"

    def __init__(self, server):
        super().__init__(server)
        self.address = server.rpc

    def route(self, operation, body):
        return "POST", "/rpc/" + RPCS[operation]

    def to_wire(self, operation, body, options):
        return renamed(pascal, body | options)

    def from_wire(self, answer):
        return renamed(uncapitalised, answer)

    def knows(self, operation):
        return operation not in NOT_IN_JSON
