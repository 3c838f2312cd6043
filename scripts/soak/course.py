"""The course of a soak: servers, a round of load to get warm, the figures, the load, and the figures again."""

import faulthandler
import os
import random
import signal
import sys
import time
import traceback

import load
import measure
from context import WIRES, Context
from host_faults import clock_variables, faketime
from ledger import Ledger
from server import Server
from supervisor import mount, private_mounts

# The first round lasts until each fault has happened, at least; the last ends so long before the time is over.
WARM_UP, REST = 20, 10
SETTLE = 20
# How long after the time the soak may still wait for answers.
LATE = 25


def soak(options, folder):
    """Returns the exit status."""
    print(f"Seed {options.seed}; wires: {', '.join(WIRES)}" + ("" if "grpc" in WIRES else " (grpcio cannot be imported)"), flush=True)
    alone = private_mounts() and mount("/dev/shm", "mode=1777")
    if not alone:
        print("Nothing can be mounted, so /dev/shm, which others use, is not looked at.", flush=True)
    ledger, wrong, servers, figures, interrupted = Ledger(), [], [], {}, False
    signal.signal(signal.SIGALRM, late)
    signal.alarm(int(options.minutes * 60) + LATE)
    try:
        wrong += load_and_compare(options, folder, alone, ledger, servers, figures)
    except KeyboardInterrupt:
        interrupted = True
    except Exception:
        wrong.append("the soak itself failed: " + traceback.format_exc())
    signal.alarm(0)
    # Before the servers stop, which clients that still run would count.
    wrong += sorted(ledger.errors) if interrupted else ledger.judge(load.FAULTS)
    for server in servers:
        wrong += stop(server)
    if alone:
        wrong += [f"/dev/shm/{name} is left" for name in os.listdir("/dev/shm")]
    ledger.table(load.FAULTS, figures)
    if not wrong:
        print("\nIt was interrupted." if interrupted else "\nNothing is wrong.")
        return int(interrupted)
    print(f"\n{len(wrong)} things are wrong; `--seed {options.seed}` repeats the choices:", file=sys.stderr)
    for text in wrong[:60]:
        print("* " + text, file=sys.stderr)
    if not interrupted:
        keep_logs(folder, options.seed)
    return 1


def late(number, frame):
    faulthandler.dump_traceback(all_threads=True)
    raise TimeoutError(f"there were no answers {LATE} s after the time was over; each thread waited where the lines above say")


def load_and_compare(options, folder, alone, ledger, servers, figures):
    """Fills in the servers and the figures before and after; returns what is wrong."""
    began, seconds = time.monotonic(), options.minutes * 60
    server = Server(options, folder, "server", alone)
    servers.append(server)
    server.start()
    context = Context(server, ledger, random.Random(options.seed))
    if library := faketime():
        file = folder / "clock"
        clock = Server(options, folder, "clock-server", variables=clock_variables(library, file))
        servers.append(clock)
        clock.start()
        context.clock = Context(clock, ledger, random.Random(options.seed))
        context.clock.file = file
    load.run(context, "warm up", began + WARM_UP, options.seed)
    worker = quiet(context)
    last = {}

    def steady():
        """What differs from the last time."""
        before = dict(last)
        last.update(measure.take(server, worker))
        return [name for name, value in last.items() if "MiB" not in name and before.get(name) != value]

    measure.settle(SETTLE, steady)
    figures["before"] = last
    print(f"Warm after {time.monotonic() - began:.0f} s and {ledger.total} requests.", flush=True)
    load.run(context, "load", began + seconds - REST, options.seed)
    worker = quiet(context)

    def look():
        figures["after"] = measure.take(server, worker)
        return measure.compare(figures["before"], figures["after"])

    wrong = measure.settle(SETTLE, look) + context.not_called()
    context.close()
    return wrong


def quiet(context):
    """Ends all sessions, and gives the default one a new worker, whose process id it returns."""
    caller = context.caller("http")
    try:
        for session in caller.call("session_list")["sessions"]:
            if session["sessionId"] != "default":
                caller.call("session_delete", {"sessionId": session["sessionId"]})
        # After a large body the server gives back what memory is free: a second later, so that the next body may use it.
        caller.call("eval", {"expression": "1", "locals": {"large": "x" * (2 << 20)}}, session="default")
        time.sleep(2)
        caller.call("session_restart", {"sessionId": "default"})
        # The first function of a worker is when it removes the oldest files of sources.
        return caller.call("eval", {"expression": "import os\ndef f(): return os.getpid()\nf()"}, session="default")["value"]
    finally:
        context.close()


def stop(server):
    """What is left of a server that is told to stop; the supervisor looks at the processes."""
    try:
        server.stop()
    except Exception as error:
        return [f"`stop --all` failed: {error}"]
    left = measure.files(server.temporary) + measure.files(server.home / "run")
    return [f"`stop --all` left {each}" for each in left]


def keep_logs(folder, seed):
    """The servers' logs stay when something is wrong."""
    kept = folder.with_name(f"beep-soak-logs-{seed}")
    kept.mkdir(exist_ok=True)
    for log in folder.glob("*/logs/*.log*"):
        (kept / f"{log.parent.parent.name}-{log.name}").write_bytes(log.read_bytes())
    print(f"The servers' logs are in {kept}.", file=sys.stderr)
