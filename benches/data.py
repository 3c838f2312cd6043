"""Large data, out of a session and into it, beside what users would take instead: Appose, FastAPI, grpcio, pyarrow in one process,
a copy in memory, and the same bytes over a bare socket.

    cargo build --release -p beep-python
    python3 -m venv peers && peers/bin/pip install fastapi 'uvicorn[standard]' grpcio appose numpy pandas pyarrow
    peers/bin/python benches/data.py --target target/release [--rounds 7]

Clients are in Python, as their users would write them. Rounds are the outer loop, so all rows see the same machine. Prints
Markdown tables of medians in ms with the range in brackets.
"""

import argparse
import http.client
import json
import mmap
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import numpy
import pandas
import pyarrow

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from measure import Build, Line, cell, table  # noqa: E402

options = argparse.ArgumentParser()
options.add_argument("--target", default="target/release")
options.add_argument("--rounds", type=int, default=7)
options = options.parse_args()
SMALL, LARGE, SHARED = 40_000_000, 200_000_000, 80_000_000
MADE = "np.arange(%d, dtype=np.float32) * np.float32(0.37)" % (SMALL // 4)
JSON = {"Content-Type": "application/json"}
OCTETS = {"Content-Type": "application/octet-stream"}


class Pipe(Line):
    """A connection that takes data: after the line, or as a descriptor."""

    def fetch_inline(self, code, into):
        self.socket.sendall(json.dumps({"command": "fetch", "payload": {"expression": code}, "via": "inline"}).encode() + b"\n")
        length = json.loads(self.replies.readline())["result"]["data"]["byteLength"]
        got = 0
        while got < length:  # the reader may have some already
            got += self.replies.readinto(into[got:length])

    def fetch_descriptor(self, code):
        self.socket.sendall(json.dumps({"command": "fetch", "payload": {"expression": code}, "via": "fd"}).encode() + b"\n")
        text, fds, _, _ = socket.recv_fds(self.socket, 65536, 16)
        data = json.loads(text)["result"]["data"]
        return fds[0], data.get("offset", 0), data["byteLength"]


class Ours:
    def __init__(self, build):
        self.build = build
        build.run("start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0", "--venv", sys.prefix)
        record = json.loads(build.run("status", "--json"))[0]
        urls = {endpoint["backend"]: endpoint["url"] for endpoint in record["endpoints"]}
        self.pid = record["pid"]
        self.pipe = Pipe(urls["pipe"])
        self.http = http.client.HTTPConnection(urls["http"].removeprefix("http://"))
        self.rpc = urls["rpc"].removeprefix("grpc://")
        self.evaluate(
            "import numpy as np, pandas as pd, os, beep_python\n"
            "small = np.arange(%d, dtype='f4'); large = np.arange(%d, dtype='f8'); blob = bytes(large)\n"
            "shared = beep_python.shared_array((%d,), 'f4'); shared[:] = 1\n"
            "df = pd.DataFrame(np.random.rand(1_000_000, 5), columns=list('abcde'))\n"
            "import types; holder = types.SimpleNamespace(**{'a%%d' %% n: n for n in range(1000)})" % (SMALL // 4, LARGE // 8, SHARED // 4)
        )
        self.worker = self.evaluate("os.getpid()")

    def evaluate(self, code):
        return self.pipe.ask("eval", {"expression": code})["value"]

    def fetch_http(self, code, into, accept="application/octet-stream"):
        self.http.request("POST", "/api/fetch", json.dumps({"expression": code}), {**JSON, "Accept": accept})
        answer = self.http.getresponse()
        assert answer.status == 200, answer.read()
        read_into(answer, into)

    def put_http(self, data):
        headers = {**OCTETS, "X-Beep-Dtype": "<f8", "Content-Length": str(len(data))}
        self.http.request("POST", "/api/put?name=given", data, headers)
        answer = self.http.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()


def read_into(answer, into):
    got = 0
    while count := answer.readinto(into[got:]):
        got += count


class BareUnix:
    """A peer that has bytes ready, and sends them over a Unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def out(self, into, how):
        self.socket.sendall(how)
        got = 0
        while got < len(into):
            got += self.socket.recv_into(into[got:])


class Bare:
    """A peer that sends and receives bytes over TCP, and does nothing else."""

    def __init__(self, address):
        self.socket = socket.create_connection(address)

    def out(self, into):
        self.socket.sendall(b"o" + struct.pack("<Q", len(into)))
        got = 0
        while got < len(into):
            got += self.socket.recv_into(into[got:])

    def put(self, data):
        self.socket.sendall(b"i" + struct.pack("<Q", len(data)))
        self.socket.sendall(data)
        assert self.socket.recv(1) == b"."


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def peer(kind, place, size, processes):
    """Starts a peer at a port or a path, and returns that once it can be reached."""
    serving = subprocess.Popen([sys.executable, os.path.join(HERE, "data_peers.py"), kind, str(place), str(size)])
    processes.append(serving)
    family, address = (socket.AF_UNIX, place) if kind == "unix" else (socket.AF_INET, ("127.0.0.1", place))
    while serving.poll() is None:
        with socket.socket(family) as probe:
            if probe.connect_ex(address) == 0:
                return place
        time.sleep(0.01)
    raise SystemExit("the peer %s ended with status %s; what it printed is above" % (kind, serving.returncode))


def touched(size):
    buffer = numpy.ones(size, dtype="u1")
    return memoryview(buffer)


def descriptor_rows(ours, into):
    def mapped():
        fd, offset, length = ours.pipe.fetch_descriptor("shared")
        with mmap.mmap(fd, offset + length, prot=mmap.PROT_READ) as memory:
            assert memory[offset] == 0
        os.close(fd)

    def copied():
        fd, offset, length = ours.pipe.fetch_descriptor("small")
        got = 0
        while got < length:
            got += os.preadv(fd, [into[got:length]], offset + got)
        os.close(fd)

    return mapped, copied


def appose_rows():
    import appose

    service = appose.custom().base(sys.prefix).build().python()
    service.task("import numpy").wait_for()

    def run(size, copy):
        code = (
            "import appose, numpy\nshared = appose.NDArray('float32', [%d])\nshared.ndarray()[:] = 1\n"
            "task.outputs['r'] = shared" % (size // 4)
        )
        began = time.perf_counter()
        task = service.task(code)
        task.wait_for()
        shared = task.outputs["r"]
        values = shared.ndarray()
        assert (values.copy() if copy else values)[0] == 1
        took = time.perf_counter() - began
        shared.shm.unlink_on_dispose(True)
        shared.shm.dispose()
        return took

    return service, run


def grpc_rows(ours, port, into):
    import grpc

    unlimited = [("grpc.max_receive_message_length", -1)]
    peers = grpc.insecure_channel("127.0.0.1:%d" % port, options=unlimited)
    theirs, chunks = peers.unary_unary("/bench.Data/Array"), peers.unary_stream("/bench.Data/Chunks")
    mine = grpc.insecure_channel(ours.rpc, options=unlimited).unary_stream("/beep.python.runtime.PythonService/Fetch")

    def fetch_theirs():
        into[:SMALL] = theirs(str(SMALL).encode())

    def fetch_chunks():
        at = 0
        for chunk in chunks(b""):
            into[at : at + len(chunk)] = chunk
            at += len(chunk)
        assert at == SMALL

    def fetch_mine():
        expression = b"small"
        at = 0
        for message in mine(b"\x0a" + bytes([len(expression)]) + expression):
            if message[:1] != b"\x12":
                continue  # what it is
            start, length, shift = 1, 0, 0
            while True:  # a varint, taken apart by hand
                byte = message[start]
                length |= (byte & 127) << shift
                start, shift = start + 1, shift + 7
                if byte < 128:
                    break
            into[at : at + length] = message[start:]
            at += length
        assert at == SMALL

    return fetch_theirs, fetch_chunks, fetch_mine


def pyarrow_alone(frame):
    """What a process does that has the DataFrame, and wants it as Arrow's bytes and back."""
    sink = pyarrow.BufferOutputStream()
    rows = pyarrow.Table.from_pandas(frame)
    with pyarrow.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return pyarrow.ipc.open_stream(sink.getvalue()).read_all()


def table_over_the_pipe(ours):
    fd, offset, length = ours.pipe.fetch_descriptor("df")
    memory = mmap.mmap(fd, offset + length, prot=mmap.PROT_READ)
    os.close(fd)
    rows = pyarrow.ipc.open_stream(pyarrow.py_buffer(memory)).read_all()
    assert rows.num_rows == 1_000_000
    return rows


def attributes(ours):
    held = ours.pipe.ask("eval", {"expression": "holder", "returnType": "handle"})["handleId"]
    steps = [{"operation": "getattr", "handleId": held, "attributeName": "a%d" % n} for n in range(1000)]

    def one_by_one():
        for step in steps:
            ours.pipe.ask("getattr", {"handleId": held, "attributeName": step["attributeName"]})

    return one_by_one, lambda: ours.pipe.ask("batch", {"steps": steps})


def resident_mib(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def memory(ours, into, data):
    """What front and worker take before, at most meanwhile, and after 20 rounds of 200 MB both ways."""
    ours.fetch_http("large", into)
    ours.put_http(data)
    ours.evaluate("given = None")
    pids = (("server", ours.pid), ("worker", ours.worker))
    before = {name: resident_mib(pid) for name, pid in pids}
    most = dict(before)
    for _ in range(20):
        ours.fetch_http("large", into)
        most = {name: max(most[name], resident_mib(pid)) for name, pid in pids}
        ours.put_http(data)
        most = {name: max(most[name], resident_mib(pid)) for name, pid in pids}
        ours.evaluate("given = None")
    time.sleep(0.2)
    after = {name: resident_mib(pid) for name, pid in pids}
    return [(name, *("%.1f" % figures[name] for figures in (before, most, after))) for name, _ in pids]


def timed(run):
    began = time.perf_counter()
    own = run()
    return 1000 * (own if isinstance(own, float) else time.perf_counter() - began)


def main():
    build, processes = Build("beep-python=" + os.path.join(options.target, "beep-python")), []
    sockets = tempfile.TemporaryDirectory()
    try:
        ours = Ours(build)
        into = touched(LARGE)
        data = memoryview(numpy.arange(LARGE // 8, dtype="f8")).cast("B")
        unix = BareUnix(peer("unix", os.path.join(sockets.name, "unix.sock"), SMALL, processes))
        bare = Bare(("127.0.0.1", peer("tcp", free_port(), LARGE, processes)))
        fastapi = http.client.HTTPConnection("127.0.0.1", peer("fastapi", free_port(), SMALL, processes))
        fetch_theirs, fetch_chunks, fetch_mine = grpc_rows(ours, peer("grpc", free_port(), SMALL, processes), into)
        mapped, copied = descriptor_rows(ours, into)
        service, appose = appose_rows()
        source = numpy.arange(SMALL // 4, dtype="f4")
        target = numpy.ones_like(source)
        frame = pandas.DataFrame(numpy.random.rand(1_000_000, 5), columns=list("abcde"))
        one_by_one, batch = attributes(ours)

        def of_fastapi(path):
            fastapi.request("GET", "/%s?n=%d" % (path, SMALL))
            read_into(fastapi.getresponse(), into)

        rows = {
            "80 MB that lie in shared memory: beep-python pipe, descriptor": mapped,
            "- Appose NDArray (filled and mapped)": lambda: appose(SHARED, False),
            "40 MB, the client holds a copy: copy in one process (numpy.copyto)": lambda: numpy.copyto(target, source),
            "- beep-python pipe, inline": lambda: ours.pipe.fetch_inline("small", into),
            "- the same bytes, that lie ready, over a bare Unix socket, read and sent": lambda: unix.out(into[:SMALL], b"c"),
            "- the same, by sendfile": lambda: unix.out(into[:SMALL], b"s"),
            "- beep-python pipe, descriptor, read": copied,
            "- Appose NDArray, copied": lambda: appose(SMALL, True),
            "- beep-python HTTP": lambda: ours.fetch_http("small", into),
            "- FastAPI, raw bytes (array.tobytes())": lambda: of_fastapi("array"),
            "- FastAPI, bytes that lie ready": lambda: of_fastapi("ready"),
            "- an array that the request makes: beep-python HTTP": lambda: ours.fetch_http(MADE, into),
            "- the same: FastAPI, raw bytes (array.tobytes())": lambda: of_fastapi("made"),
            "- the same bytes over a bare TCP socket: 40 MB": lambda: bare.out(into[:SMALL]),
            "- beep-python gRPC (grpcio client)": fetch_mine,
            "- grpcio, one bytes field (array.tobytes())": fetch_theirs,
            "- grpcio, chunks that lie ready in its server": fetch_chunks,
            "200 MB of float64 out: beep-python HTTP": lambda: ours.fetch_http("large", into),
            "- 200 MB of bytes out: beep-python HTTP": lambda: ours.fetch_http("blob", into),
            "- the same bytes over a bare TCP socket": lambda: bare.out(into),
            "200 MB in: beep-python HTTP": lambda: ours.put_http(data),
            "- the same bytes into a bare TCP socket": lambda: bare.put(data),
            "DataFrame of 1,000,000 x 5: beep-python pipe, descriptor": lambda: table_over_the_pipe(ours) and None,
            "- pyarrow in one process: from_pandas, write, read": lambda: pyarrow_alone(frame) and None,
            "1,000 attributes: one call after the other": one_by_one,
            "- in one batch": batch,
        }
        results = {name: [] for name in rows}
        for number in range(options.rounds + 1):
            for name, run in rows.items():
                took = timed(run)
                if number:  # the first round warms up
                    results[name].append(took)
        table(["", "ms"], [(name, cell(values)) for name, values in results.items()])
        table(["resident MiB", "before", "at most", "after 20 rounds of 200 MB each way"], memory(ours, into, data))
        service.close()
    finally:
        for process in processes:
            process.terminate()
        sockets.cleanup()
        build.close()


if __name__ == "__main__":
    main()
