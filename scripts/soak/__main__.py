"""A soak: all operations on all wires, for a time, while workers are killed, clients vanish, and the machine has faults.

`python3 scripts/soak` (60 minutes), `--minutes 2`, `--seed N` for the choices of an earlier run. It needs Linux and a CPython; gRPC is among
the wires where grpcio can be imported, also from `$BEEP_PYTHON_TEST_PACKAGES/grpcio/3.13`. Every request must be answered, or fail with
a reason that the fault explains which it was under. When all clients are gone, the server must have no more than before.
"""

import argparse
import os
import random
import shutil
import sys
import time
import traceback
from pathlib import Path

# For a stock client of gRPC, before the wires are imported.
_series = "%d.%d" % sys.version_info[:2]
if "BEEP_PYTHON_TEST_PACKAGES" in os.environ:
    sys.path.append(os.path.join(os.environ["BEEP_PYTHON_TEST_PACKAGES"], "grpcio", _series))

import measure
import report
import server as servers
from context import WIRES, Context
from host_faults import clock_variables, faketime
from ledger import Ledger
from load import Load

SETTLE_SECONDS = 60


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="how long the load lasts, after a short warming up (60)")
    parser.add_argument("--seed", type=int, help="the choices of an earlier run; what the machine makes of them may differ")
    parser.add_argument("--clients", type=int, default=8, help="how many clients call at once (8)")
    parser.add_argument("--binary", help="the beep-python to test; built with --release otherwise")
    parser.add_argument("--python", default=sys.executable, help="the Python of its sessions (the one that runs this)")
    return parser.parse_args()


def with_clock(binary, python, folder, ledger, seed):
    """A server whose clock can be made to jump; None where libfaketime is not there."""
    library = faketime()
    if library is None:
        return None
    file = folder / "clock"
    server = servers.Server(binary, python, folder, "clock-server", clock_variables(library, file))
    server.start()
    context = Context(server, ledger, random.Random(f"{seed}/clock"), seed)
    context.file = file
    return context


def quiet(context):
    """Ends all sessions, and gives the default one a new worker, whose process id it returns."""
    caller = context.caller("http")
    try:
        for session in caller.call("session_list")["sessions"]:
            if session["sessionId"] != "default":
                caller.call("session_delete", {"sessionId": session["sessionId"]})
        caller.call("session_restart", {"sessionId": "default"})
        return caller.call("eval", {"expression": "import os\nos.getpid()"}, session="default")["value"]
    finally:
        context.close_all()


def metrics(context):
    """What the server itself says that it has."""
    caller = context.caller("http")
    try:
        lines = caller.call("metrics")["text"].splitlines()
    finally:
        context.close(caller)
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name in ("beep_sessions", "beep_handles")}


def figures(context):
    worker = quiet(context)
    measure.settle(15, lambda: [] if measure.connections(context.server) == 0 else ["connections"])
    figures = {}

    def steady():
        """Twice the same."""
        last = dict(figures)
        figures.update(measure.take(context.server, worker))
        time.sleep(0.3)
        return [name for name in figures if name not in last or (figures[name] != last[name] and "MiB" not in name)]

    measure.settle(SETTLE_SECONDS / 2, steady)
    return worker, figures


def soak(options, seed, folder, ledger):
    """Returns the figures before and after, and what is wrong."""
    wrong = []
    binary = servers.build(options.binary)
    shm = set(os.listdir("/dev/shm"))
    server = servers.Server(binary, options.python, folder, "server")
    clock = None
    try:
        if not server.mount_log_disk():
            print("No disk of its own can be mounted for the log; its size is limited instead.")
        server.start()
        clock = with_clock(binary, options.python, folder, ledger, seed)
        context = Context(server, ledger, random.Random(f"{seed}/main"), seed, clock=clock)
        load = Load(context, options.clients)
        load.warm_up(min(60.0, options.minutes * 6))
        _, before = figures(context)
        print(f"Warm after {load.seconds():.0f} s and {ledger.total} requests; now {options.minutes:g} minutes of load.", flush=True)
        load.run(options.minutes * 60)
        worker, _ = figures(context)
        limit = servers.LOG_BYTES * servers.LOG_FILES + 65536
        after = {}

        def look():
            after.update(measure.take(server, worker))
            return measure.compare(before, after, limit)

        wrong += measure.settle(SETTLE_SECONDS, look)
        if (found := metrics(context)).get("beep_sessions") != 1:
            wrong.append(f"the server says {found} in its metrics, with the default session alone")
        wrong += report.not_called(context, ledger)
        if not server.alive():
            wrong.append("the server is dead")
        return before, after, wrong
    finally:
        wrong += stop([each for each in (server, clock and clock.server) if each], shm)


def stop(running, shm):
    """What is left when the servers are told to stop."""
    wrong = []
    for server in running:
        try:
            server.stop()
        except Exception as error:
            wrong.append(f"`stop --all` failed: {error}")
        left = measure.settle(10, lambda: [f"{each.pid} {each.command}" for each in measure.marked_processes(server.mark)])
        left += [f"run/{name}" for name in measure.files(server.home / "run")] if (server.home / "run").exists() else []
        left += measure.files(server.temporary)
        wrong += [f"`stop --all` left {each}" for each in left if "ipykernel" not in each]
    wrong += [f"/dev/shm/{name} is left" for name in sorted(measure.ours(set(os.listdir("/dev/shm")) - shm))]
    return wrong


def main():
    options = arguments()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"Seed {seed}; wires: {', '.join(WIRES)}" + ("" if "grpc" in WIRES else f" (no gRPC: grpcio cannot be imported by Python {_series})"), flush=True)
    ledger, folder = Ledger(), servers.folder()
    before, after, wrong = {}, {}, []
    try:
        before, after, wrong = soak(options, seed, folder, ledger)
    except (Exception, KeyboardInterrupt):
        wrong = ["the soak itself failed: " + traceback.format_exc()]
    report.table(ledger, before, after)
    wrong += report.judge(ledger)
    if wrong:
        keep_logs(folder, seed)
    for name in ("server", "clock-server"):
        servers.discard(folder, name)
    shutil.rmtree(folder, ignore_errors=True)
    if not wrong:
        print("\nNothing is wrong.")
        return 0
    print(f"\n{len(wrong)} things are wrong; `--seed {seed}` repeats the choices:", file=sys.stderr)
    for text in wrong[:60]:
        print("* " + text, file=sys.stderr)
    return 1


def keep_logs(folder, seed):
    """The servers' logs stay when something is wrong."""
    kept = Path(folder).with_name(f"beep-soak-logs-{seed}")
    kept.mkdir(exist_ok=True)
    for log in Path(folder).glob("*/logs/*.log*"):
        (kept / f"{log.parent.parent.name}-{log.name}").write_bytes(log.read_bytes())
    print(f"\nThe servers' logs are in {kept}.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
