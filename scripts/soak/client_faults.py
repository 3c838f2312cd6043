"""Clients that vanish, misbehave, or are slow. They have connections of their own, and count what they leave."""

import json
import os
import socket
import struct
import subprocess
import time

from http_wire import Http, RpcJson
from wire import LOST, TIMEOUT

BIG = 3_000_000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
RAW_WIRES = ("http", "pipe", "rpc-json")


def http(line, body=b"", host="localhost", **headers):
    """A request; one without a `Content_Type` is of JSON."""
    headers = {"Host": host, "Content-Type": "application/json", "Content-Length": len(body)} | {name.replace("_", "-"): value for name, value in headers.items()}
    return "\r\n".join([line + " HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "\r\n"]).encode() + body


# What each wire must refuse.
BAD_HTTP = [
    (http("POST /api/eval", b'{"a":'), 400), (http("POST /api/eval", b"{}", Content_Type="text/plain"), 415), (http("POST /api/nothing", b"{}"), 404),
    (http("GET /api/eval"), 405), (http("POST /api/eval", Content_Length=99999999999), 413), (http("POST /api/eval", b"{}", host="evil.example"), 403),
    (http("POST /api/eval", b"{}", Origin="http://evil.example"), 403), (http("POST /api/eval", b"abcd", Content_Encoding="gzip"), 400),
    (http("GET /", X_Big="x" * 1_000_000), 431), (b"\x00\xff nonsense\r\n\r\n", 400),
]  # fmt: skip
BAD_LINES = [b"nonsense", b"[1, 2]", b'{"command": 5}', b'{"command": "nothing"}', b'{"command": "eval", "payload": {"expression": 1}}', b"\xff\xfe\xfd",
             b'{"command": "execute", "payload": {"expression": "1"}}', b'{"command": "eval", "limits": {"nothing": 1}, "payload": {"expression": "1"}}']  # fmt: skip


class Raw:
    """One request over a socket of its own, in a calm session or the one that is named."""

    def __init__(self, context, wire, operation="eval", buffer=None, **body):
        self.context, self.ledger, self.wire, self.operation = context, context.ledger, wire, operation
        self.nonce = f"raw{context.random.randrange(1 << 40)}"
        body = {key: value.replace("NONCE", self.nonce) for key, value in body.items()}
        options = {"session": context.random.choice(context.calm).id}
        # Events, where the operation has any.
        accept = "application/json" if operation == "eval" else "application/x-ndjson"
        if wire == "pipe":
            address, self.sent = context.server.pipe, json.dumps({"command": operation, "id": 1, "payload": body, **options}).encode() + b"\n"
        else:
            encoder = {"http": Http, "rpc-json": RpcJson}[wire](context.server)
            sent = json.dumps(encoder.to_wire(operation, body, options)).encode()
            address, self.sent = encoder.address, http("POST " + encoder.route(operation, body)[1], sent, Accept=accept)
        self.connection = connect(address, buffer)

    def leave(self):
        """It vanishes: half of the time with a reset, and what was not read is lost."""
        self.ledger.begin(self.wire, self.operation)
        if self.context.random.random() < 0.5:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.ledger.end("left by their clients")

    def answered(self, needle="NONCE", size=0, read=lambda connection: read_all(connection)):
        """The client ends its side; an answer must come, with this text in it, and then the connection's end."""
        needle = needle.replace("NONCE", self.nonce).encode()
        self.ledger.begin(self.wire, self.operation)
        where = f"{self.operation} over {self.wire}, a client of its own"
        try:
            with self.connection:
                self.connection.shutdown(socket.SHUT_WR)
                found = read(self.connection)
        except OSError as error:
            return self.ledger.error("LOST", f"{where}: {error!r}")
        if needle in found and len(found) >= size:
            return self.ledger.end("answered")
        return self.ledger.error("wrong answers" if found else "LOST", f"{where}: {len(found)} bytes without {needle[-40:]!r}: {found[:300]!r}")


def connect(address, buffer=None):
    """To a path of a socket, or to host and port."""
    connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(TIMEOUT)
    connection.connect(address)
    return connection


def read_all(connection, pause=0.0, size=65536):
    found = b""
    while part := connection.recv(size):
        found += part
        time.sleep(pause)
    return found


def vanished_in_request(context, c):
    """Half of a request, of data, or of what HTTP/2 begins with."""
    for wire in RAW_WIRES:
        raw = Raw(context, wire, expression="1" + " " * context.random.choice([0, 100_000]))
        raw.connection.sendall(raw.sent[: context.random.randrange(1, len(raw.sent) - 1)])
        raw.leave()
    frames = PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x20\x01\x04\x00\x00\x00\x01\x83\x86"
    data = http("POST /api/put?name=half", b"x" * 70_000, Content_Type="application/octet-stream", Content_Length=5000000)
    for wire, operation, sent in (("http", "put", data), ("rpc-json", "eval", frames)):
        raw = Raw(context, wire, operation)
        raw.connection.sendall(sent)
        raw.leave()


def vanished_in_response(context, c):
    """After a piece of a large answer, of events that come all the time, and before any answer."""
    events = "import time\nfor i in range(40):\n    print(i, flush=True)\n    time.sleep(0.01)"
    for wire in RAW_WIRES:
        for operation, code, size in (("eval", f"'x' * {BIG}", 1000), ("execute", events, 10), ("stream", "range(10**9)", 10)):
            raw = Raw(context, wire, operation, expression=code)
            raw.connection.sendall(raw.sent)
            if context.random.random() < 0.8 and not raw.connection.recv(size):
                context.ledger.error("LOST", f"{operation} over {wire}: the server closed before any answer")
            raw.leave()


def vanished_from_question(context, c):
    """A client that is to answer a callback: the code learns that it has gone, and its session works."""
    body = {"expression": "try:\n    add(1)\nexcept Exception: pass", "locals": {"add": {"$callback": "add"}}}
    events = c.wire.events("execute", body, c.options("execute", {"capabilities": ["callbacks"]}))
    context.ledger.begin(c.wire.name, "execute")
    while next(events)[0] != "callback":
        pass
    events.close()
    context.ledger.end("left by their clients")
    c.call("eval", {"expression": "1"})


def killed_client(context, c):
    """The command line, killed in the middle of its call."""
    command = [context.server.binary, "eval", "--session", c.session.id, "print('begun', flush=True)\nimport time\ntime.sleep(0.3)"]
    with subprocess.Popen(command, env=context.server.variables, stdout=subprocess.PIPE, cwd=context.server.home) as client:
        context.ledger.begin("pipe", "execute")
        line = client.stdout.readline()
        client.kill()
    if line == b"begun\n":
        context.ledger.end("left by their clients")
    else:
        context.ledger.error("wrong answers", f"the command line printed {line!r}")


def half_closed(context, c):
    """It has ended its side, and gets its answer; then the server ends the other."""
    for wire in RAW_WIRES:
        for operation in ("eval", "execute"):
            raw = Raw(context, wire, operation, expression="'NONCE'")
            raw.connection.sendall(raw.sent)
            raw.answered()


def slow_reader(context, c):
    """It takes a large answer in small pieces, and gets all of it."""
    for wire in RAW_WIRES:
        raw = Raw(context, wire, buffer=32768, expression=f"'x' * {BIG} + 'NONCE'")
        raw.connection.sendall(raw.sent)
        raw.answered("x" * 1000 + "NONCE", BIG, lambda connection: read_all(connection, 0.01, 50_000))


def slow_writer(context, c):
    """Its request comes in small pieces."""
    for wire in RAW_WIRES:
        raw = Raw(context, wire, expression="'NONCE'")
        for at in range(0, len(raw.sent), 9):
            raw.connection.sendall(raw.sent[at : at + 9])
            time.sleep(0.004)
        raw.answered()


def malformed(context, c):
    """What no server can take is refused, and the next request of the same client is not."""
    for sent, status in context.random.sample(BAD_HTTP, 5):
        refused(context, "http", context.server.http, sent, f"HTTP/1.1 {status}".encode())
    for line in context.random.sample(BAD_LINES, 4):
        refused(context, "pipe", context.server.pipe, line + b'\n{"command": "ping"}\n', b'"uptimeMs"')
    # What is no HTTP/2, or its beginning alone: the server ends the connection, with a word or without.
    noise = context.random.randbytes(200)
    for sent in (noise, PREFACE + noise, http("POST /rpc/PythonService/Nothing", b"{}")):
        refused(context, "rpc-json", context.server.rpc, sent, b"")


def refused(context, wire, address, sent, needle):
    """All that comes back must have this in it; where it is empty, the end of the connection is enough."""
    context.ledger.begin(wire, "malformed")
    found = b""
    try:
        with connect(address) as connection:
            try:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                # It is refused already; the reason can be read.
                pass
            found = read_all(connection)
    except LOST as error:
        if needle:
            return context.ledger.error("LOST", f"malformed {sent[:80]!r} over {wire}: {error!r}")
    if needle in found:
        return context.ledger.end("refused, as expected")
    return context.ledger.error("wrong answers", f"malformed {sent[:80]!r} over {wire}: {found[:300]!r} without {needle!r}")


def second_user(context, c):
    """Another user of the machine is let in nowhere."""
    if os.geteuid() != 0:
        context.ledger.skipped["second user"] = "only root can become another user"
        return
    curl = ["curl", "--silent", "--max-time", "30", "--output", "/dev/null", "--write-out", "%{http_code}"]
    # Each with its answer and curl's exit status: 7 where it may not connect.
    tries = {
        "http": (["http://%s:%d/api/sessions" % context.server.http], "401 0"),
        "rpc-json": (["--json", "{}", "http://%s:%d/rpc/SessionService/ListSessions" % context.server.rpc], "401 0"),
        "pipe": (["--unix-socket", context.server.pipe, "http://localhost/"], "000 7"),
    }
    for wire, (arguments, expected) in tries.items():
        context.ledger.begin(wire, "session_list")
        done = subprocess.run([*curl, *arguments], user=65534, group=65534, extra_groups=[], cwd="/", capture_output=True, text=True, check=False)
        if f"{done.stdout} {done.returncode}" == expected:
            context.ledger.end("refused, as expected")
        else:
            context.ledger.error("wrong answers", f"another user over {wire}: {done} in place of {expected}")


FAULTS = {
    "vanished within a request": vanished_in_request, "vanished within an answer": vanished_in_response, "vanished from a question": vanished_from_question,
    "client killed (-9)": killed_client, "half-closed": half_closed, "slow reader": slow_reader, "slow writer": slow_writer, "malformed": malformed,
    "second user": second_user,
}  # fmt: skip
