"""How many instructions the server takes for one call, by callgrind: a figure that does not depend on what else the machine does.

    cargo build --release -p beep-python && cargo build --release -p beep-python-client --example load
    python3 benches/instructions.py --binary before=/path/of/one --binary after=target/release/beep-python [--calls 1000] [--rounds 5] [--wire pipe]

For each wire a server runs under `valgrind --tool=callgrind` twice, and is asked for `1+1` by one connection: N times, and 2N times.
The difference, divided by N, is one call, without start and end. Only the server process counts: zygotes and workers run without
valgrind. Between two calls the client pauses, so that the server does not busy-poll: how long it does would be counted, and rustix's way
to tell the CPU, which it needs then, does not work under valgrind. Timers go on meanwhile, so that two runs of one build differ by up to
3 %: builds are measured in turn, and the median of the rounds counts. Needs valgrind. Prints a Markdown table.
"""

import argparse
import glob
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile

from measure import Build, Server, table

options = argparse.ArgumentParser()
options.add_argument("--binary", action="append", required=True, metavar="NAME=PATH")
options.add_argument("--load", default="target/release/examples/load", help="the client's example `load`")
options.add_argument("--calls", type=int, default=1000, help="N")
options.add_argument("--rounds", type=int, default=5)
options.add_argument("--wire", action="append", choices=("HTTP", "pipe", "gRPC"), help="all, if none is named")
options = options.parse_args()
PAUSE = 3  # ms
LOAD = os.path.abspath(options.load)
WIRES = {"HTTP": ("http", "--port", "0"), "pipe": ("pipe",), "gRPC": ("rpc", "--rpc-port", "0")}


def instructions(build, wire, calls):
    """Instructions of a server from its start to its end, which is asked so many times meanwhile."""
    folder = tempfile.mkdtemp(prefix="beep-callgrind-")
    words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=%s/out.%%p" % folder]
    # `start --foreground` becomes the server by exec; what the server starts is Python.
    words += ["--trace-children=yes", "--trace-children-skip=*/bin/python*"]
    words += [build.binary, "start", "--foreground", *WIRES[wire]]
    process = subprocess.Popen(
        words, env=build.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if " is ready at " in line:
                break
        else:
            raise SystemExit("the server did not start:\n%s" % "".join(said))
        target = Server(json.loads(build.run("status", "--json"))[0]).targets[wire]
        load = [LOAD, target, "--calls", str(calls), "--pause", str(PAUSE), "--connections", "1", "--seconds", "0"]
        done = subprocess.run(load, capture_output=True, text=True)
        process.send_signal(signal.SIGTERM)
        said.append(process.stdout.read())
        if done.returncode:
            raise SystemExit("%s: %s\n%s" % (target, done.stderr[-500:], "".join(said)))
        process.wait()
        counted = max(map(total, glob.glob(os.path.join(folder, "out.*"))), default=0)
        if not counted:
            raise SystemExit("callgrind counted nothing")
        return counted
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def per_call(build, wire):
    once, twice = (instructions(build, wire, calls) for calls in (options.calls, 2 * options.calls))
    # `load` makes a tenth of the calls before, to warm up.
    return (twice - once) / (options.calls * 1.1)


def total(path):
    with open(path) as file:
        return max(map(int, re.findall(r"^(?:summary|totals): (\d+)", file.read(), re.M)), default=0)


def main():
    if shutil.which("valgrind") is None:
        raise SystemExit("this needs valgrind")
    builds = [Build(text) for text in options.binary]
    rows = []
    try:
        for wire in options.wire or WIRES:
            measured = [[] for _ in builds]
            for _ in range(options.rounds):
                for build, figures in zip(builds, measured):
                    figures.append(per_call(build, wire))
            medians = [statistics.median(figures) for figures in measured]
            cells = ["{:,.0f} ({:,.0f}..{:,.0f})".format(m, min(f), max(f)) for m, f in zip(medians, measured)]
            rows.append([wire, *cells] + ["%.3f" % (medians[-1] / medians[0])] * (len(builds) == 2))
    finally:
        for build in builds:
            build.close()
    runs = (options.calls, 2 * options.calls, options.rounds)
    print("Instructions of one `1+1` in the server, from %d and %d calls; medians of %d rounds (range)\n" % runs)
    table([""] + [build.name for build in builds] + ["ratio"] * (len(builds) == 2), rows)


main()
