"""Clients that vanish, misbehave, or are slow. They have connections of their own, and count what they leave."""

import json
import os
import random
import socket
import struct
import subprocess
import sys
import time

from http_wire import raw_connection

BIG = 3_000_000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
RAW_WIRES = ("http", "pipe", "rpc-json")
# What each wire must refuse. `None` stands for a connection that ends, with an answer or without.
BAD_HTTP = [
    (b"POST /api/eval HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{\"a\":", 400),
    (b"POST /api/eval HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415),
    (b"POST /api/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 404),
    (b"GET /api/eval HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    (b"POST /api/eval HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{}", 413),
    (b"POST /api/eval HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 403),
    (b"POST /api/eval HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 403),
    (b"POST /api/eval HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Big: " + b"x" * 1_000_000 + b"\r\n\r\n", 431),
    (b"\x00\xff nonsense\r\n\r\n", 400),
]  # fmt: skip
BAD_LINES = [b"nonsense", b"[1, 2]", b'{"command": 5}', b'{"command": "nothing"}', b'{"command": "eval", "payload": {"expression": 1}}', b"\xff\xfe\xfd",
             b'{"command": "execute", "payload": {"expression": "1"}}', b'{"command": "eval", "limits": {"nothing": 1}, "payload": {"expression": "1"}}']  # fmt: skip


def request_bytes(context, wire, operation, body):
    """A request as it goes over a wire, and where to."""
    body = {**body, "session": context.random.choice(context.calm).id}
    if wire == "pipe":
        options = {"session": body.pop("session")}
        return context.server.pipe, json.dumps({"command": operation, "id": 1, "payload": body, **options}).encode() + b"\n"
    if wire == "rpc-json":
        rpc = {"eval": "Evaluate", "execute": "Execute", "stream": "Stream"}[operation]
        path, address = "/rpc/PythonService/" + rpc, context.server.rpc
        body = {key[0].upper() + key[1:]: value for key, value in body.items()}
    else:
        path, address = "/api/" + operation, context.server.http
    sent = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/x-ndjson\r\nContent-Length: {len(sent)}\r\n\r\n"
    if operation == "eval":
        head = head.replace("Accept: application/x-ndjson\r\n", "")
    return address, head.encode() + sent


def reset(connection):
    """Closes it at once, with what is unsent or unread lost."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def leave(context, connection):
    if context.random.random() < 0.5:
        reset(connection)
    else:
        connection.close()


def vanished_in_request(context, c):
    """Half of a request, of data, or of what HTTP/2 begins with."""
    for wire in RAW_WIRES:
        address, sent = request_bytes(context, wire, "eval", {"expression": "1" + " " * context.random.choice([0, 100_000])})
        connection = raw_connection(address)
        connection.sendall(sent[: context.random.randrange(1, len(sent) - 1)])
        context.vanish(wire, "eval", lambda connection=connection: leave(context, connection))
    connection = raw_connection(context.server.http)
    connection.sendall(b"POST /api/put?name=half HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 70_000)
    context.vanish("http", "put", lambda: leave(context, connection))
    halves = raw_connection(context.server.rpc)
    halves.sendall(PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x20\x01\x04\x00\x00\x00\x01\x83\x86")
    context.vanish("grpc", "eval", lambda: leave(context, halves))


def vanished_in_response(context, c):
    """After a piece of a large answer, of events that come all the time, and before any answer."""
    large = {"expression": f"'x' * {BIG}"}
    events = {"expression": "import time\nfor i in range(40):\n    print(i, flush=True)\n    time.sleep(0.01)"}
    for wire in RAW_WIRES:
        for operation, body, size in (("eval", large, 1000), ("execute", events, 10), ("stream", {"expression": "range(10**9)"}, 10)):
            address, sent = request_bytes(context, wire, operation, body)
            connection = raw_connection(address)
            connection.sendall(sent)
            if context.random.random() < 0.8 and not connection.recv(size):
                context.ledger.error("LOST", f"{operation} over {wire}: the server closed before any answer")
            context.vanish(wire, operation, lambda connection=connection: leave(context, connection))


def vanished_from_question(context, c):
    """A client that is to answer a callback: the code learns that it has gone, and its session works."""
    wire = context.random.choice(["http", "pipe"])
    other = context.caller(wire)
    other.session = context.random.choice(context.calm)
    body = {"expression": "try:\n    add(1)\nexcept Exception: pass", "locals": {"add": {"$callback": "add"}}}


    events = other.wire.events("execute", body, {"session": other.session.id, "capabilities": ["callbacks"]})
    for name, _ in events:
        if name == "callback":
            break
    context.vanish(wire, "execute", events.close)
    other.call("eval", {"expression": "1"})
    context.close(other)


def killed_client(context, c):
    """A client process that is killed in the middle of its calls, with all its connections."""
    script = (
        "import json, socket, sys\n"
        "host, port, pipe, session = sys.argv[1:]\n"
        "p = socket.socket(socket.AF_UNIX); p.connect(pipe)\n"
        "h = socket.create_connection((host, int(port)))\n"
        "body = json.dumps({'expression': 'import time\\ntime.sleep(0.3)', 'session': session}).encode()\n"
        "h.sendall(b'POST /api/eval HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(body) + body)\n"
        "p.sendall(json.dumps({'command': 'eval', 'session': session, 'payload': {'expression': '1'}}).encode() + b'\\n')\n"
        "print('sent', flush=True)\n"
        "sys.stdin.read()\n"
    )
    arguments = [*map(str, context.server.http), context.server.pipe, context.random.choice(context.calm).id]
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        client.stdout.readline()
        for wire in ("http", "pipe"):
            context.vanish(wire, "eval", lambda: None)
        client.kill()


def half_closed(context, c):
    """It has ended its side, and gets its answer; then the server ends the other."""
    for wire in RAW_WIRES:
        for operation in ("eval", "execute"):
            nonce = f"half{context.random.randrange(1 << 30)}"
            address, sent = request_bytes(context, wire, operation, {"expression": f"'{nonce}'"})
            with raw_connection(address) as connection:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                context.answered(wire, operation, lambda connection=connection: read_all(connection), nonce)


def read_all(connection, pause=0.0, size=65536):
    found = b""
    while part := connection.recv(size):
        found += part
        time.sleep(pause)
    return found


def slow_reader(context, c):
    """It takes a large answer in small pieces, and gets all of it."""
    for wire in RAW_WIRES:
        nonce = f"slow{context.random.randrange(1 << 30)}"
        address, sent = request_bytes(context, wire, "eval", {"expression": f"'x' * {BIG} + '{nonce}'"})
        with raw_connection(address, buffer=32768) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            context.answered(wire, "eval", lambda connection=connection: read_all(connection, 0.01, 50_000), "x" * 1000 + nonce, BIG)


def slow_writer(context, c):
    """Its request comes in small pieces."""
    for wire in RAW_WIRES:
        nonce = f"write{context.random.randrange(1 << 30)}"
        address, sent = request_bytes(context, wire, "eval", {"expression": f"'{nonce}'"})
        with raw_connection(address) as connection:
            for at in range(0, len(sent), 9):
                connection.sendall(sent[at : at + 9])
                time.sleep(0.004)
            connection.shutdown(socket.SHUT_WR)
            context.answered(wire, "eval", lambda connection=connection: read_all(connection), nonce)


def malformed(context, c):
    """What no server can take is refused, and the next request of the same client is not."""
    for sent, status in context.random.sample(BAD_HTTP, 5):
        context.refused("http", lambda sent=sent: over(context.server.http, sent), f"HTTP/1.1 {status}".encode(), sent)
    bad = context.random.sample(BAD_LINES, 4)
    good = json.dumps({"command": "ping"}).encode()
    for line in bad:
        context.refused("pipe", lambda line=line: over(context.server.pipe, line + b"\n" + good + b"\n"), b'"status":"ok"', line)
    # What is no HTTP/2, or its beginning alone: the server ends the connection, with a word or without.
    noise = random.Random(context.random.random()).randbytes(200)
    for sent in (noise, PREFACE + noise, b"POST /rpc/PythonService/Nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"):
        context.refused("rpc-json", lambda sent=sent: over(context.server.rpc, sent), b"", sent)


def over(address, sent):
    """All that comes back."""
    with raw_connection(address) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            # It is refused already; the reason can be read.
            pass
        return read_all(connection)


def second_user(context, c):
    """Another user of the machine is let in nowhere."""
    if os.geteuid() != 0:
        context.ledger.skip("second user", "only root can become another user")
        return
    script = (
        "import os, socket, sys\n"
        "socket.getaddrinfo('127.0.0.1', 1)\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "http, rpc, pipe = sys.argv[1:]\n"
        "for port, path in ((http, '/api/sessions'), (rpc, '/rpc/SessionService/ListSessions')):\n"
        "    s = socket.create_connection(('127.0.0.1', int(port)), 30)\n"
        "    verb = 'GET' if port == http else 'POST'\n"
        "    s.sendall(f'{verb} {path} HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\nContent-Length: 0\\r\\n\\r\\n'.encode())\n"
        "    print(s.recv(100).split()[1].decode())\n"
        "try:\n"
        "    socket.socket(socket.AF_UNIX).connect(pipe); print('let in')\n"
        "except OSError as error:\n"
        "    print(error.__class__.__name__)\n"
    )
    arguments = [str(context.server.http[1]), str(context.server.rpc[1]), context.server.pipe]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60, check=False)
    for wire, operation, expected, found in zip(("http", "rpc-json", "pipe"), ["session_list"] * 3, ("401", "401", "PermissionError"), done.stdout.split() + [done.stderr] * 3):
        context.ledger.begin(wire, operation)
        if found == expected:
            context.ledger.end("refused, as expected")
        else:
            context.ledger.error("wrong answers", f"another user over {wire}: {found!r} in place of {expected}")


FAULTS = {
    "vanished within a request": vanished_in_request, "vanished within an answer": vanished_in_response, "vanished from a question": vanished_from_question,
    "client killed (-9)": killed_client, "half-closed": half_closed, "slow reader": slow_reader, "slow writer": slow_writer, "malformed": malformed,
    "second user": second_user,
}  # fmt: skip
