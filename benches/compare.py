"""Our figures beside the peers', in one run: rounds are the outer loop, so all rows see the same machine.

    cargo build --release -p beep-python && cargo build --release -p beep-python-client --example load
    python3 -m venv peers && peers/bin/pip install granian fastapi 'uvicorn[standard]' grpcio uv
    peers/bin/python benches/compare.py --target target/release [--rounds 5]

Prints Markdown tables of medians with the range in brackets. A row whose program is not installed is left out. For uv's rows the
index of the machine is used.
"""

import argparse
import http.client
import importlib.util
import itertools
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from measure import cell

HERE = os.path.dirname(os.path.abspath(__file__))
options = argparse.ArgumentParser()
options.add_argument("--target", default="target/release")
options.add_argument("--rounds", type=int, default=5)
options.add_argument("--seconds", type=float, default=3)
options = options.parse_args()
BEEP = os.path.abspath(os.path.join(options.target, "beep-python"))
LOAD = os.path.abspath(os.path.join(options.target, "examples", "load"))
BIN = os.path.dirname(os.path.abspath(sys.executable))
SCRATCH = tempfile.mkdtemp(prefix="beep-bench-")
ENV = {**os.environ, "BEEP_PYTHON_HOME": os.path.join(SCRATCH, "home"), "UV_PYTHON_DOWNLOADS": "never"}
ENV["PATH"] = os.path.dirname(os.path.abspath(sys.executable)) + os.pathsep + ENV["PATH"]  # the same uv for both
ENV.pop("PYTHONDONTWRITEBYTECODE", None)
BASE = os.path.realpath(os.path.join(sys.base_prefix, "bin", "python3"))


def run(*words):
    done = subprocess.run(words, env=ENV, cwd=SCRATCH, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("%s: %s" % (" ".join(words), done.stderr[-500:]))
    return done.stdout


def milliseconds(work):
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Peer:
    """A server of theirs: started when entered, ended when left. `target` is where it listens, as `load` takes it."""

    def __init__(self, target, *words):
        self.words, self.place = words, target

    def __enter__(self):
        self.port = free_port()
        put = lambda word: word.replace("PORT", str(self.port)).replace("SOCKET", os.path.join(SCRATCH, "peer.sock"))
        self.target, words = put(self.place), [put(word) for word in self.words]
        began = time.perf_counter()
        self.process = subprocess.Popen(
            words, env=ENV, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while True:
            if subprocess.run([LOAD, self.target, "--calls", "1", "--seconds", "0"], capture_output=True).returncode == 0:
                break
            if self.process.poll() is not None or time.perf_counter() - began > 30:
                raise SystemExit("%s did not start" % " ".join(words))
        self.start_ms = (time.perf_counter() - began) * 1e3
        self.pid = self.process.pid
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if os.path.exists(self.target.removeprefix("unix:")):
            os.unlink(self.target.removeprefix("unix:"))


class Ours:
    """A server of ours, by the command that users type."""

    def __init__(self, backend, *words):
        self.words = (backend, *words)

    def __enter__(self):
        began = time.perf_counter()
        run(BEEP, "start", *self.words)
        self.start_ms = (time.perf_counter() - began) * 1e3
        record = json.loads(run(BEEP, "status", "--json"))[0]
        self.pid, url = record["pid"], record["endpoints"][0]["url"]
        self.target = url.replace("http://", "").replace("grpc://", "grpc:")
        run(LOAD, self.target, "--calls", "1", "--seconds", "0")
        return self

    def __exit__(self, *_):
        run(BEEP, "stop", "--all")


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("localhost", port, timeout=30)
    connection.request(method, path, json.dumps(body or {}), {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit("%s answered %d: %s" % (path, answer.status, text[:300]))
    return json.loads(text)


def tree(pid):
    """The process and all that descend from it."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name) as file:
                children.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
        except OSError:
            continue
    level = found = [pid]
    while level:
        level = [child for parent in level for child in children.get(parent, ())]
        found = found + level
    return found


def memory_mib(pid):
    """The proportional size of the process tree: what is shared counts once."""
    kib = 0
    for each in tree(pid):
        with open("/proc/%d/smaps_rollup" % each) as file:
            kib += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return kib / 1024


def cpu_seconds(pid):
    ticks = 0
    for each in tree(pid):
        with open("/proc/%d/stat" % each) as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure_server(row, server):
    with server:
        note(row, "start ms", server.start_ms)
        note(row, "idle MiB", memory_mib(server.pid))
        before = cpu_seconds(server.pid)
        load = json.loads(run(LOAD, server.target, "--seconds", str(options.seconds)))
        calls = 5500 + load["calls_per_s"] * options.seconds
        note(row, "CPU us/eval", (cpu_seconds(server.pid) - before) / calls * 1e6)
        note(row, "p50 us", load["p50_us"])
        note(row, "p99 us", load["p99_us"])
        note(row, "evals/s, 16 connections", load["calls_per_s"])
        if isinstance(server, Ours) and server.words[0] == "http":
            note_session(int(server.target.rpartition(":")[2]))


def note_session(port):
    """A session made, and its first answer; through a new connection each, as a shell script would."""
    made = []
    for _ in range(20):
        made.append(milliseconds(lambda: ask(port, "POST", "/api/eval", {"session": new_session(port), "expression": "1"})))
    note("new session and its first answer", "ms", statistics.median(made))


def new_session(port):
    return ask(port, "POST", "/api/sessions")["sessionId"]


results = {}
numbers = itertools.count(1)


def note(row, column, value):
    results.setdefault(row, {}).setdefault(column, []).append(value)


def fresh(name):
    path = os.path.join(SCRATCH, name)
    shutil.rmtree(path, ignore_errors=True)
    return path


def environments():
    name = "bench-%d" % next(numbers)
    yield "`beep-python venv create` (verified by running it)", lambda: run(BEEP, "venv", "create", name)
    uv = os.path.join(BIN, "uv")
    if os.path.exists(uv):
        yield "`uv venv`", lambda: run(uv, "venv", "-q", "-p", BASE, fresh("uv"))
        filled, packages = fresh("filled"), ("six", "requests")
        with_packages = [word for package in packages for word in ("--with", package)]
        filling = (BEEP, "venv", "create", name + "-filled", *with_packages)
        yield "`beep-python venv create` with six and requests, cached", lambda: run(*filling)
        yield "`uv venv` and `uv pip install`, the same", lambda: (
            run(uv, "venv", "-q", "-p", BASE, filled), run(uv, "pip", "install", "-q", "-p", filled, *packages)
        )
    yield "`python -m venv --without-pip`", lambda: run(BASE, "-m", "venv", "--without-pip", fresh("plain"))
    yield "`python -m venv`", lambda: run(BASE, "-m", "venv", fresh("full"))


def servers():
    yield "beep-python http", Ours("http", "--port", "0")
    if shutil.which("granian", path=BIN):
        words = "--interface wsgi --host 127.0.0.1 --port PORT --workers 1 --blocking-threads 1 --no-access-log"
        granian = os.path.join(BIN, "granian")
        yield "granian wsgi", Peer("127.0.0.1:PORT", granian, *words.split(), "--log-level", "warning", "peers:wsgi")
    if shutil.which("uvicorn", path=BIN):
        words = "--host 127.0.0.1 --port PORT --no-access-log --log-level warning peers:fastapi"
        yield "fastapi + uvicorn", Peer("127.0.0.1:PORT", os.path.join(BIN, "uvicorn"), *words.split())
    yield "beep-python pipe", Ours("pipe")
    yield "a bare JSON socket server in Python", Peer("unix:SOCKET", sys.executable, "peers.py", "lines", "SOCKET")
    yield "beep-python gRPC", Ours("rpc", "--rpc-port", "0")
    if importlib.util.find_spec("grpc"):
        yield "grpcio, synchronous", Peer("grpc:127.0.0.1:PORT", sys.executable, "peers.py", "grpc", "PORT")


def table(rows, columns):
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in rows:
        cells = []
        for column in columns:
            cells.append(cell(results[row].get(column, [])))
        print("| %s | %s |" % (row, " | ".join(cells)))
    print()


try:
    run(BEEP, "runtime", "list")
    run(BEEP, "init", "--system", "--python", BASE)
    run(BEEP, "venv", "create", "runtime-host")
    server_rows, environment_rows = [], []
    for _ in range(options.rounds):
        for row, server in servers():
            server_rows += [row] * (row not in server_rows)
            measure_server(row, server)
        for row, work in environments():
            environment_rows += [row] * (row not in environment_rows)
            note(row, "ms", milliseconds(work))
    table(server_rows, ["p50 us", "p99 us", "evals/s, 16 connections", "CPU us/eval", "start ms", "idle MiB"])
    table(environment_rows + ["new session and its first answer"], ["ms"])
finally:
    subprocess.run([BEEP, "stop", "--all"], env=ENV, capture_output=True)
    shutil.rmtree(SCRATCH, ignore_errors=True)
