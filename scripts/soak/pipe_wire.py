"""The pipe: lines of JSON over a Unix socket, and data behind a line, as descriptors, and as files."""

import fcntl
import json
import os
import socket

from wire import TIMEOUT, Lost, Refused


class Pipe:
    name = "pipe"

    def __init__(self, server):
        self.path, self.socket, self.ids = server.pipe, None, 0

    def knows(self, operation):
        return True

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def send(self, operation, body, options, behind=b"", descriptors=(), **more):
        """Returns the number that its answer has."""
        if self.socket is None:
            self.socket, self.received, self.descriptors = socket.socket(socket.AF_UNIX), bytearray(), []
            self.socket.settimeout(TIMEOUT)
            self.socket.connect(self.path)
        self.ids += 1
        line = json.dumps({"id": self.ids, "command": operation, "payload": body, **options, **more}).encode() + b"\n"
        sent = socket.send_fds(self.socket, [line], descriptors)
        self.socket.sendall(line[sent:] + behind)
        return self.ids

    def receive(self):
        part, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 16, 16)
        if not part:
            raise Lost(f"the connection ended after {bytes(self.received[:80])!r}")
        self.received += part
        self.descriptors += descriptors

    def take(self, size):
        while len(self.received) < size:
            self.receive()
        data = bytes(self.received[:size])
        del self.received[:size]
        return data

    def line(self):
        """The next line that came."""
        while (end := self.received.find(b"\n")) < 0:
            self.receive()
        return json.loads(self.take(end + 1))

    def answer(self, line):
        if "error" in line:
            raise Refused(line["errorInfo"].get("code"), line["errorInfo"])
        answer = line["result"]
        return {"data": answer} if isinstance(answer, list) else answer

    def call(self, operation, body, options, **more):
        number = self.send(operation, body, options, **more)
        while (line := self.line()).get("id") != number or "event" in line:
            pass
        return self.answer(line)

    def events(self, operation, body, options):
        number = self.send(operation, body, options)
        finished = False
        try:
            while not finished:
                line = self.line()
                if line.get("id") == number:
                    finished = "event" not in line
                    yield ("result", self.answer(line)) if finished else (line.pop("event"), line)
        finally:
            if not finished:
                self.close()

    def calls(self, requests):
        """Several requests at once, and their answers in the order of the requests."""
        numbers = [self.send(*request) for request in requests]
        lines = [self.line() for _ in numbers]
        answers = {line.get("id"): line for line in lines}
        return [self.answer(answers[number]) for number in numbers]

    def put(self, data, descriptor, name, options, via="inline"):
        body, more = {"name": name}, {"via": via, "data": [{**descriptor, "byteLength": len(data)}]}
        if via == "inline":
            return self.call("put", body, options, behind=data, **more)
        memory = os.memfd_create("soak", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.write(memory, data)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
            return self.call("put", body, options, descriptors=[memory], fds=1, **more)
        finally:
            os.close(memory)

    def fetch(self, body, options, via="inline"):
        self.send("fetch", body, options, via=via)
        line = self.line()
        data = self.answer(line)["data"]
        length, offset = data["byteLength"], data.get("offset", 0)
        if line.get("via") == "fd":
            memory = self.descriptors.pop()
            try:
                return os.pread(memory, length, offset)
            finally:
                os.close(memory)
        if line.get("via") == "file":
            with open(line["path"], "rb") as file:
                data = os.pread(file.fileno(), length, offset)
            self.call("release", {"path": line["path"]}, {})
            return data
        return self.take(length)
