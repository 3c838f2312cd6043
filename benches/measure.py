"""What the benchmarks share: a build to measure, its servers, and figures of processes."""

import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile


class Build:
    """A binary with a home of its own, which vanishes with it. `NAME=PATH` on a command line names one."""

    def __init__(self, text):
        name, _, path = text.rpartition("=")
        self.binary = os.path.abspath(path)
        self.name = name or os.path.basename(path)
        if not os.access(self.binary, os.X_OK):
            raise SystemExit("%s is no program" % self.binary)
        self.scratch = tempfile.mkdtemp(prefix="beep-bench-")
        self.env = {**os.environ, "BEEP_PYTHON_HOME": os.path.join(self.scratch, "home")}
        self.run("init", "--system")

    def run(self, *words):
        done = subprocess.run(
            [self.binary, *words], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit("%s %s: %s" % (self.name, " ".join(words), done.stderr[-800:]))
        return done.stdout

    def start(self):
        """Starts a server with all backends; gives it."""
        self.run("start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0")
        return Server(json.loads(self.run("status", "--json"))[0])

    def stop(self):
        self.run("stop", "--all")

    def close(self):
        subprocess.run([self.binary, "stop", "--all", "--grace", "0"], env=self.env, capture_output=True)
        shutil.rmtree(self.scratch, ignore_errors=True)


class Server:
    """A running server: its pid, and where its backends listen, as the example `load` takes it."""

    def __init__(self, record):
        urls = {endpoint["backend"]: endpoint["url"] for endpoint in record["endpoints"]}
        self.pid = record["pid"]
        self.targets = {}
        if "http" in urls:
            self.targets["HTTP"] = urls["http"].removeprefix("http://")
        if "pipe" in urls:
            self.targets["pipe"] = urls["pipe"]
        if "rpc" in urls:
            self.targets["gRPC"] = "grpc:" + urls["rpc"].removeprefix("grpc://")


class Line:
    """A connection over which requests and replies are lines of JSON."""

    def __init__(self, target):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(target.removeprefix("unix:"))
        self.replies = self.socket.makefile("rb", 1 << 16)

    def ask(self, command, payload, **options):
        self.socket.sendall(json.dumps({"command": command, "payload": payload, **options}).encode() + b"\n")
        reply = json.loads(self.replies.readline())
        if "error" in reply:
            raise SystemExit("%s: %s" % (command, reply["error"]))
        return reply["result"]

    def close(self):
        self.replies.close()
        self.socket.close()


def private_mib(pid):
    """Memory that a process shares with no other."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:")) / 1024


def cell(values):
    """The median, with the range in brackets."""
    if not values:
        return "-"
    return "%s (%s..%s)" % tuple(map(number, (statistics.median(values), min(values), max(values))))


def number(value):
    """Four digits, or all before the point."""
    return "%.4g" % value if abs(value) < 10_000 else format(round(value), ",")


def table_text(columns, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def table(columns, rows):
    print(table_text(columns, rows) + "\n")
