"""A million short lines of output, into a pipe: `eval` beside python, and `execute` over the pipe beside an IPython kernel.

    python3 -m venv peers && peers/bin/pip install ipykernel jupyter_client
    cargo build --release -p beep-python
    peers/bin/python benches/prints.py --target target/release [--rounds 5] [--lines 1000000]

Rounds are the outer loop, so that all rows see the same machine. Each row reads all lines, else it is an error. "CPU" is that of all
processes, the client included. Prints medians with the range in brackets; a peer that is not installed has no row.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time

from measure import Build, Line, cell, table

options = argparse.ArgumentParser()
options.add_argument("--target", default="target/release")
options.add_argument("--rounds", type=int, default=5)
options.add_argument("--lines", type=int, default=1_000_000)
options = options.parse_args()
CODE = "for i in range(%d): print(i)" % options.lines
ROOM = {"limits": {"outputBytes": 64 << 20}}  # for a client that is slower than the code
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def cpu_of_tree(pid):
    """Of a process and what it started, in seconds."""
    with open("/proc/%d/stat" % pid) as file:
        ticks = sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return ticks / TICK + sum(map(cpu_of_tree, map(int, file.read().split())))


class Command:
    """A command that runs the code and ends."""

    def __init__(self, *words, env=None):
        self.words, self.env = words, env

    def cpu(self):
        return cpu_of(resource.RUSAGE_CHILDREN)

    def run(self):
        return subprocess.run([*self.words, CODE], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout.count(b"\n")


class Execute:
    """A session of a server that runs."""

    def __init__(self, server):
        self.pid = server.pid
        self.line = Line(server.targets["pipe"])
        self.session = self.line.ask("session_create", ROOM)["sessionId"]

    def cpu(self):
        return cpu_of(resource.RUSAGE_SELF) + cpu_of_tree(self.pid)

    def run(self):
        request = {"id": 1, "command": "execute", "payload": {"expression": CODE}, "session": self.session}
        self.line.socket.sendall(json.dumps(request).encode() + b"\n")
        count = 0
        for reply in map(json.loads, self.line.replies):
            if "event" not in reply:
                return count
            count += reply["text"].count("\n")


class Kernel:
    """An IPython kernel, driven by its own blocking client."""

    def __init__(self):
        from jupyter_client import KernelManager

        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel()
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.pid = self.manager.provisioner.pid

    cpu = Execute.cpu

    def run(self):
        message = self.client.execute(CODE, store_history=False, allow_stdin=False)
        count = 0
        while True:
            told = self.client.get_iopub_msg(timeout=60)
            if told["parent_header"].get("msg_id") != message:
                continue
            if told["msg_type"] == "stream":
                count += told["content"]["text"].count("\n")
            if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
                return count


def measured(kind):
    began, used = time.perf_counter(), kind.cpu()
    lines = kind.run()
    if lines != options.lines:
        raise SystemExit("%d lines of %d came" % (lines, options.lines))
    return time.perf_counter() - began, kind.cpu() - used


def main():
    os.environ.pop("PYTHONUNBUFFERED", None)
    build = Build(os.path.join(options.target, "beep-python"))
    kernel = None
    try:
        kinds = {
            "python -c": Command(sys.executable, "-c"),
            "beep-python eval": Command(build.binary, "eval", "--venv", sys.prefix, env=build.env),
            "beep-python execute, over the pipe": Execute(build.start()),
        }
        if importlib.util.find_spec("jupyter_client"):
            kernel = kinds["Jupyter kernel"] = Kernel()
        results = {name: [] for name in kinds}
        for _ in range(options.rounds):
            for name, kind in kinds.items():
                results[name].append(measured(kind))
        table(("{:,} lines".format(options.lines), "s", "CPU s"), [(name, *map(cell, zip(*values))) for name, values in results.items()])
    finally:
        if kernel is not None:
            kernel.manager.shutdown_kernel(now=True)
        build.close()


main()
