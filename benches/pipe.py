"""Our pipe beside a bare socket server in Python, and both beside a server that does nothing, and so does the most calls.

    cargo build --release -p beep-python
    cargo build --release -p beep-python-client --example load --example null
    python3 benches/pipe.py --target target/release [--rounds 5]

The rounds are the outer loop, so that all see the same machine. Prints medians with the range in brackets: the time of a call
of one connection, calls per second of 16, and the CPU time that the server takes for a call of the one and of the 16.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from measure import cell

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = ("p50 us", "p99 us", "calls/s, 16 connections", "CPU us/call, one", "CPU us/call, 16")
EXPRESSIONS = ("1+1", "sum(range(1000))")
CALLS = 20000
options = argparse.ArgumentParser()
options.add_argument("--target", default="target/release")
options.add_argument("--rounds", type=int, default=5)
options.add_argument("--seconds", type=float, default=2)
options = options.parse_args()
BEEP = os.path.abspath(os.path.join(options.target, "beep-python"))
LOAD = os.path.abspath(os.path.join(options.target, "examples", "load"))
NULL = os.path.abspath(os.path.join(options.target, "examples", "null"))
SCRATCH = tempfile.mkdtemp(prefix="beep-bench-")
ENV = {**os.environ, "BEEP_PYTHON_HOME": os.path.join(SCRATCH, "home")}


def run(*words):
    done = subprocess.run(words, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("%s: %s" % (" ".join(words), done.stderr[-500:]))
    return done.stdout


class Started:
    """A server on this socket, by a command that stays."""

    def __init__(self, *words):
        self.words = words

    def __enter__(self):
        self.path = os.path.join(SCRATCH, "socket")
        self.process = subprocess.Popen([*self.words, self.path], start_new_session=True)
        while not self.answers():
            if self.process.poll() is not None:
                raise SystemExit("%s did not start" % " ".join(self.words))
            time.sleep(0.001)
        self.pid = self.process.pid
        return self

    def answers(self):
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(self.path)
            except OSError:
                return False
        return True

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.remove(self.path)


class Ours:
    def __enter__(self):
        run(BEEP, "start", "pipe", "--pipe-name", "bench")
        self.path = os.path.join(ENV["BEEP_PYTHON_HOME"], "run", "bench.sock")
        self.pid = json.loads(run(BEEP, "status", "--json"))[0]["pid"]
        return self

    def __exit__(self, *_):
        run(BEEP, "stop", "--all")


def cpu_seconds(pid):
    """Of the process and all that descend from it."""
    ticks, level = 0, [pid]
    while level:
        below = []
        for each in level:
            with open("/proc/%d/stat" % each) as file:
                fields = file.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
            with open("/proc/%d/task/%d/children" % (each, each)) as file:
                below += map(int, file.read().split())
        level = below
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(server, expression):
    with server:
        target = "unix:" + server.path
        before = cpu_seconds(server.pid)
        alone = json.loads(run(LOAD, target, expression, "--calls", str(CALLS), "--seconds", "0"))
        between = cpu_seconds(server.pid)
        many = json.loads(run(LOAD, target, expression, "--calls", "0", "--seconds", str(options.seconds)))
        after = cpu_seconds(server.pid)
    done = many["calls_per_s"] * options.seconds
    one, together = (between - before) / (CALLS * 1.1) * 1e6, (after - between) / done * 1e6
    return (alone["p50_us"], alone["p99_us"], many["calls_per_s"], one, together)


def main():
    run(BEEP, "init")
    rows = {
        "beep-python pipe": Ours(),
        "a bare socket server in Python": Started(sys.executable, os.path.join(HERE, "peers.py"), "lines"),
        "a server that does nothing": Started(NULL),
    }
    figures = {}
    for _ in range(options.rounds):
        for expression in EXPRESSIONS:
            for row, server in rows.items():
                figures.setdefault((expression, row), []).append(measure(server, expression))
    for expression in EXPRESSIONS:
        print("\n| `%s` | %s |\n%s|" % (expression, " | ".join(COLUMNS), "|---" * (len(COLUMNS) + 1)))
        for row in rows:
            print("| %s | %s |" % (row, " | ".join(map(cell, zip(*figures[expression, row])))))


try:
    main()
finally:
    subprocess.run([BEEP, "stop", "--all"], env=ENV, capture_output=True)
    shutil.rmtree(SCRATCH, ignore_errors=True)
