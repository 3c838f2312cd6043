"""Faults of the machine: a disk that is full for the log, and a clock that jumps, by libfaketime and for a server of its own."""

import contextlib
import glob
import os
import threading
import time

from code_faults import ENDLESS, private, works
from measure import settle

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")
# These faults are of the whole machine, so there is one of them at a time.
ALONE = threading.Lock()
JUMPS = ("+1h", "-1h", "+1d", "-30d", "+4000d")


def full_disk(context, c):
    """Everything is served while the log has no room, and the log goes on when it has."""
    if not context.server.log_disk:
        context.ledger.skip("full disk", "nothing can be mounted")
        return
    filler = context.server.logs / "filler"
    try:
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"\0" * 4096):
                pass
        until = time.monotonic() + 2
        while time.monotonic() < until:
            # Each begins and ends a worker, which the log has a line for.
            with private(c):
                works(c)
            c.healthy()
    finally:
        filler.unlink()

    def look():
        with private(c):
            works(c)
        health = context.health()
        return [f"{health.get('status')}, {health['lostLogEvents']} events lost"] if "lostLogEvents" in health else []

    c.equal(settle(10, look), [], "health when the disk has room again")


def faketime():
    """The library that lies about the clock, where there is one."""
    named = os.environ.get("BEEP_SOAK_FAKETIME")
    found = [named] if named else [path for pattern in LIBRARIES for path in glob.glob(pattern)]
    return found[0] if found else None


def clock_variables(library, file):
    file.write_text("+0\n")
    return {
        "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip


def clock_jumped(context, c):
    """While a call runs: nothing expires, nothing waits, and deadlines are as long as they were."""
    clock = context.clock
    if clock is None:
        context.ledger.skip("clock jump", "there is no libfaketime: install it, or name its libfaketimeMT.so.1 in BEEP_SOAK_FAKETIME")
        return
    c = clock.caller(context.random.choice(clock.wires))
    with private(c, idleTimeoutMs=600_000):
        def jump(name, event):
            if name == "stdout":
                clock.file.write_text(context.random.choice(JUMPS) + "\n")

        before = c.call("eval", {"expression": "import time\ntime.time()"})["value"]
        code = f"import select, time\nprint('begun', flush=True)\nselect.select([], [], [], 0.3)\n'{c.nonce}'"
        events = c.events("execute", {"expression": code}, each=jump)
        c.equal(events[-1][1].get("value"), c.nonce, "the value of a call in which the clock jumped")
        after = c.call("eval", {"expression": "time.time()"})["value"]
        c.equal(abs(after - before) > 1000, True, "whether the session's clock jumped")
        c.call("eval", {"expression": ENDLESS}, allowed=("deadline_exceeded",), timeoutMs=300)
        works(c, 1)
        clock.file.write_text("+0\n")
        began = time.monotonic()
        works(c, 1)
        with private(c):
            works(c, 1)
        c.equal(time.monotonic() - began < 20, True, "whether it is served at once after the jump back")


def alone(fault):
    def run(context, c):
        with ALONE:
            try:
                fault(context, c)
            finally:
                if context.clock:
                    context.clock.close_all()

    return run


FAULTS = {"full disk": alone(full_disk), "clock jump": alone(clock_jumped)}
