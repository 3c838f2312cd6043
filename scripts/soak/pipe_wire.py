"""The pipe: lines of JSON over a Unix socket, and data behind a line, as descriptors, and as files."""

import array
import fcntl
import json
import os
import socket

from wire import RPCS, TIMEOUT, Lost, Refused

F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_GROW = 1033, 2, 4


class Pipe:
    name = "pipe"

    def __init__(self, server):
        self.path = server.pipe
        self.socket = None
        self.ids = 0

    def knows(self, operation):
        return operation in RPCS

    def close(self):
        if self.socket:
            self.stream.close()
            self.socket.close()
        self.socket = None

    def open(self):
        if self.socket is None:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(TIMEOUT)
            self.socket.connect(self.path)
            self.stream = self.socket.makefile("rb")

    def send(self, operation, body, options, behind=b"", **more):
        self.ids += 1
        line = {"id": self.ids, "command": operation, "payload": body, **options, **more}
        try:
            self.open()
            self.socket.sendall(json.dumps(line).encode() + b"\n" + behind)
        except OSError as error:
            self.close()
            raise Lost(f"{operation}: {error!r}") from error
        return self.ids

    def line(self, what):
        """The next line that came."""
        try:
            line = self.stream.readline()
        except OSError as error:
            self.close()
            raise Lost(f"{what}: {error!r}") from error
        if not line.endswith(b"\n"):
            self.close()
            raise Lost(f"{what}: the connection ended after {line[:80]!r}")
        return json.loads(line)

    def result(self, line):
        if "error" in line:
            raise Refused(line["errorInfo"].get("code"), line["errorInfo"])
        answer = line["result"]
        return {"data": answer} if isinstance(answer, list) else answer

    def call(self, operation, body, options):
        number = self.send(operation, body, options)
        while True:
            line = self.line(operation)
            if line.get("id") == number and "event" not in line:
                return self.result(line)

    def events(self, operation, body, options):
        number = self.send(operation, body, options)
        finished = False
        try:
            while not finished:
                line = self.line(operation)
                if line.get("id") != number:
                    continue
                finished = "event" not in line
                yield ("result", self.result(line)) if finished else (line.pop("event"), line)
        finally:
            if not finished:
                self.close()

    def calls(self, requests):
        """Several requests at once, and their answers in the order of the requests."""
        numbers = [self.send(*request) for request in requests]
        answers = {}
        while len(answers) < len(numbers):
            line = self.line("one of several")
            answers[line.get("id")] = line
        return [self.result(answers[number]) for number in numbers]

    def put(self, data, descriptor, name, options, via="inline"):
        described = {**descriptor, "byteLength": len(data)}
        if via == "inline":
            self.send("put", {"name": name}, options, data, via=via, data=[described])
            return self.result(self.line("put"))
        memory = os.memfd_create("soak", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.write(memory, data)
            fcntl.fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)
            self.ids += 1
            line = {"id": self.ids, "command": "put", "payload": {"name": name}, **options, "via": "fd", "fds": 1, "data": [described]}
            self.open()
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory]))]
            line = json.dumps(line).encode() + b"\n"
            sent = self.socket.sendmsg([line], rights)
            self.socket.sendall(line[sent:])
            return self.result(self.line("put"))
        except OSError as error:
            self.close()
            raise Lost(f"put: {error!r}") from error
        finally:
            os.close(memory)

    def fetch(self, body, options, via="inline"):
        if via == "fd":
            return self.fetch_descriptor(body, options)
        self.send("fetch", body, options, via=via)
        line = self.line("fetch")
        answer = self.result(line)
        length = answer["data"]["byteLength"]
        if line.get("via") == "file":
            with open(line["path"], "rb") as file:
                file.seek(answer["data"].get("offset", 0))
                data = file.read(length)
            self.call("release", {"path": line["path"]}, {})
            return data
        data = self.stream.read(length)
        if len(data) < length:
            raise Lost("fetch: the connection ended within the data")
        return data

    def fetch_descriptor(self, body, options):
        """On a connection of its own, where nothing is buffered."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(self.path)
            connection.sendall(json.dumps({"command": "fetch", "payload": body, **options, "via": "fd"}).encode() + b"\n")
            line, descriptors = b"", []
            while not line.endswith(b"\n"):
                part, found, _, _ = socket.recv_fds(connection, 65536, 16)
                descriptors += found
                if not part:
                    raise Lost("fetch: the connection ended before its line")
                line += part
            try:
                data = self.result(json.loads(line))["data"]
                return os.pread(descriptors[0], data["byteLength"], data.get("offset", 0))
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
