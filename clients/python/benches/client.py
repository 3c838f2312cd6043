#!/usr/bin/env python3
"""The client beside its peers, in one run: `BEEP_PYTHON=target/release/beep-python PYTHONPATH=src python benches/client.py`.

Medians of interleaved rounds, in microseconds: an eval over the pipe beside a bare round trip of JSON over a Unix socket between two Pythons; a
method call beside RPyC's (where it is installed); an array of 80 MB that lies in shared memory; and what importing the package takes.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import beep_python_client

ROUNDS, CALLS = 30, 200

ECHO = """
import json, socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
print("listens", flush=True)
taken, _ = listening.accept()
lines = taken.makefile("rb")
for line in lines:
    message = json.loads(line)
    taken.sendall(json.dumps({"id": message["id"], "result": {"value": 2}}).encode() + b"\\n")
"""

RPYC = """
import collections, sys
import rpyc
from rpyc.utils.server import OneShotServer

class Service(rpyc.Service):
    def exposed_counter(self):
        return collections.Counter("mississippi")

server = OneShotServer(Service, socket_path=sys.argv[1], protocol_config={"allow_all_attrs": True})
print("listens", flush=True)
server.start()
"""


def peer(code, path):
    process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "listens\n":
        raise SystemExit("the peer does not start")
    return process


def echo(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    numbers = iter(range(1 << 60))

    def call():
        message = {"command": "eval", "id": next(numbers), "payload": {"expression": "1 + 1"}}
        connection.sendall(json.dumps(message).encode() + b"\n")
        answer = connection.recv(65536)
        return json.loads(answer)["result"]["value"]

    return call


def each(calls):
    """The median of each, over interleaved rounds, in microseconds."""
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            for _ in range(CALLS):
                began = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(spans) * 1e6 for name, spans in times.items()}


def import_time(module):
    """What a program with the module takes more than one without, in milliseconds."""
    spans = {"pass": [], f"import {module}": []}
    for _ in range(20):
        for code, all_spans in spans.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            all_spans.append(time.perf_counter() - began)
    without, with_it = (statistics.median(all_spans) for all_spans in spans.values())
    return (with_it - without) * 1e3


def main():
    with tempfile.TemporaryDirectory() as folder, beep_python_client.start(python=os.path.realpath(sys.executable)) as server:
        python = server.connect()
        peers = [peer(ECHO, os.path.join(folder, "echo"))]
        calls = {"eval": lambda: python.eval("1 + 1"), "JSON over a Unix socket": echo(os.path.join(folder, "echo"))}
        counter = python.import_module("collections").create("Counter", "mississippi")
        calls["method call"] = lambda: counter.call("most_common", 1)
        try:
            from rpyc.utils.factory import unix_connect
        except ImportError:
            print("RPyC is not installed")
        else:
            peers.append(peer(RPYC, os.path.join(folder, "rpyc")))
            remote = unix_connect(os.path.join(folder, "rpyc"), config={"allow_all_attrs": True}).root.counter()
            calls["RPyC's method call"] = lambda: remote.most_common(1)
        for name, micros in each(calls).items():
            print(f"{name:28} {micros:9.1f} us")
        python.eval("import beep_python\nbig = beep_python.shared_array((10_000_000,), '<f8')\nNone")
        print(f"{'80 MB by reference':28} {each({'': lambda: python.fetch('big')})['']:9.1f} us")
        print(f"{'import':28} {import_time('beep_python_client'):9.1f} ms")
        for process in peers:
            process.kill()
            process.communicate()


if __name__ == "__main__":
    main()
