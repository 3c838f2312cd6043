"""Two builds beside each other: calls on each wire, session start, memory of an idle session.

    cargo build --release -p beep-python && cargo build --release -p beep-python-client --example load
    python3 benches/interleaved.py --binary before=/path/of/one --binary after=target/release/beep-python [--rounds 20]

Rounds are the outer loop, in the order A B B A, so that both builds see the same machine; within a round each build has a new server.
Two rounds of one build differ by what the machine does meanwhile. "Spread" says how much: the builds differ when their medians are
further apart than that. It is the median distance between neighbouring rounds of one build.

Calls are `1+1` in the default session. Prints a Markdown table.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

from measure import Build, Line, cell, private_mib, table

options = argparse.ArgumentParser()
options.add_argument("--binary", action="append", required=True, metavar="NAME=PATH")
options.add_argument("--load", default="target/release/examples/load", help="the client's example `load`")
options.add_argument("--rounds", type=int, default=20)
options.add_argument("--seconds", type=float, default=1, help="how long many connections call, in each round")
options.add_argument("--calls", type=int, default=3000, help="calls of one connection, in each round")
options.add_argument("--connections", type=int, default=16)
options.add_argument("--sessions", type=int, default=20, help="sessions that are made, in each round")
options = options.parse_args()
LOAD = os.path.abspath(options.load)


def load(target, **more):
    words = [LOAD, target] + [word for name, value in more.items() for word in ("--" + name, str(value))]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("%s: %s" % (" ".join(words), done.stderr[-500:]))
    return json.loads(done.stdout)


def sessions(server):
    """How long a new session takes to its first answer in milliseconds, and what it takes of memory in MiB."""
    line = Line(server.targets["pipe"])
    took, sizes = [], []
    for _ in range(options.sessions):
        began = time.perf_counter()
        session = line.ask("session_create", {})["sessionId"]
        line.ask("eval", {"expression": "1"}, session=session)
        took.append((time.perf_counter() - began) * 1e3)
        sizes.append(private_mib(line.ask("session_get", {"sessionId": session})["pid"]))
        line.ask("session_delete", {"sessionId": session})
    line.close()
    return statistics.median(took), statistics.median(sizes)


def measure(build):
    """The figures of one round, by their names."""
    server = build.start()
    try:
        for wire, target in server.targets.items():
            alone = load(target, calls=options.calls, seconds=0)
            yield "%s, 1 connection, us" % wire, alone["p50_us"]
        for wire, target in server.targets.items():
            many = load(target, calls=0, seconds=options.seconds, connections=options.connections)
            yield "%s, %d connections, calls/s" % (wire, options.connections), many["calls_per_s"]
        took, size = sessions(server)
        yield "new session and its first answer, ms", took
        yield "memory of an idle session, MiB", size
    finally:
        build.stop()


def spread(values):
    """How far neighbouring rounds of one build are apart, in percent of the median."""
    apart = [abs(one - other) for one, other in zip(values, values[1:])]
    return statistics.median(apart) / statistics.median(values) * 100 if apart else float("nan")


def main():
    builds = [Build(text) for text in options.binary]
    figures = {}
    try:
        for number in range(options.rounds):
            for build in builds if number % 2 == 0 else reversed(builds):
                for name, value in measure(build):
                    figures.setdefault(name, {}).setdefault(build, []).append(value)
    finally:
        for build in builds:
            build.close()
    columns = [""] + [build.name for build in builds] + (["ratio"] if len(builds) == 2 else []) + ["spread, %"]
    rows = []
    for name, by_build in figures.items():
        values = [by_build[build] for build in builds]
        row = [name] + [cell(each) for each in values]
        if len(builds) == 2:
            row.append("%.3f" % (statistics.median(values[1]) / statistics.median(values[0])))
        rows.append(row + ["%.1f" % max(map(spread, values))])
    print("%d rounds, interleaved; medians with the range in brackets\n" % options.rounds)
    table(columns, rows)


main()
