"""What a session costs on a server that runs: the time until its first answer, and memory of its own when idle.

    python3 benches/sessions.py PORT [--count 60] [--preload MODULE]

Memory is Private_Dirty of its worker: pages that no other process shares.
"""

import argparse
import http.client
import json
import statistics
import time

options = argparse.ArgumentParser()
options.add_argument("port", type=int)
options.add_argument("--count", type=int, default=60)
options.add_argument("--preload", action="append")
options = options.parse_args()
connection = http.client.HTTPConnection("127.0.0.1", options.port)


def ask(method, path, body=None):
    connection.request(method, path, json.dumps(body or {}), {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())


def private_dirty(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:"))


asked = {"preload": options.preload} if options.preload else {}
times, sizes = [], []
for _ in range(options.count):
    began = time.perf_counter()
    session = ask("POST", "/api/sessions", asked)["sessionId"]
    ask("POST", "/api/eval", {"session": session, "expression": "1"})
    times.append((time.perf_counter() - began) * 1e3)
    sizes.append(private_dirty(ask("GET", "/api/sessions/" + session)["pid"]))
    ask("DELETE", "/api/sessions/" + session)
print("new session and its first answer: median %.2f ms, least %.2f" % (statistics.median(times), min(times)))
print("memory of its own: median %.2f MiB" % (statistics.median(sizes) / 1024))
