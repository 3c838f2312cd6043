"""Faults of the machine: a disk that is full for the log, and a clock that jumps, by libfaketime and for a server of its own."""

import contextlib
import glob
import os
import threading
import time

from code_faults import ENDLESS, private, works
from http_wire import Http
from measure import settle

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")
# One at a time, since there is one disk and one clock.
DISK, CLOCK = threading.Lock(), threading.Lock()
JUMPS = ("+1h", "-1h", "+1d", "-30d", "+4000d")


def full_disk(context, c):
    """Everything is served while the log has no room, and the log goes on when it has."""
    if not context.server.log_disk:
        context.ledger.skipped["full disk"] = "nothing can be mounted"
        return

    def look():
        # Each begins and ends a worker, which the log has a line for.
        with private(c):
            works(c)
        health = context.health()
        return [f"{health['lostLogEvents']} events lost"] if "lostLogEvents" in health else []

    filler = context.server.logs / "filler"
    with DISK:
        try:
            with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(b"\0" * 4096):
                    pass
            until = time.monotonic() + 2
            while time.monotonic() < until:
                look()
                c.healthy()
        finally:
            filler.unlink()
        c.equal(settle(10, look), [], "health when the disk has room again")


def faketime():
    """The library that lies about the clock, where there is one."""
    return next((path for pattern in (os.environ.get("BEEP_SOAK_FAKETIME", ""), *LIBRARIES) for path in glob.glob(pattern)), None)


def clock_variables(library, file):
    """By which a program has the clock that the file says, and the monotonic clock of the machine."""
    set_clock(file, "+0")
    return {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1"}  # fmt: skip


def set_clock(file, offset):
    """In one step, since it is read each time that a program asks for the time."""
    new = file.with_suffix(".new")
    new.write_text(offset + "\n")
    new.replace(file)


def clock_jumped(context, c):
    clock = context.clock
    if clock is None:
        context.ledger.skipped["clock jump"] = "there is no libfaketime: install it, or name its libfaketimeMT.so.1 in BEEP_SOAK_FAKETIME"
        return
    browser = Http(clock.server)
    with CLOCK, contextlib.closing(clock), contextlib.closing(browser):
        try:
            jump_in_call(clock, clock.caller(), browser)
        finally:
            set_clock(clock.file, "+0")


def jump_in_call(clock, c, browser):
    """Nothing expires before its time or lives longer, nothing waits, and deadlines are as long as they were."""

    def jump(name, event):
        if name == "stdout":
            set_clock(clock.file, clock.random.choice(JUMPS))

    with private(c, idleTimeoutMs=600_000) as session:
        before = c.call("eval", {"expression": "import time\ntime.time()"})["value"]
        long, short = (c.handle("eval", {"expression": "[1]", "returnType": "handle"}, leaseMs=lease) for lease in (60_000, 200))
        logins = [clock.caller("http").call("login")["path"] for _ in range(2)]
        cookie = browser.request("GET", logins.pop()).getheader("Set-Cookie").split(";")[0]
        code = f"import select\nprint('begun', flush=True)\nselect.select([], [], [], 0.3)\n'{c.nonce}'"
        events = c.events("execute", {"expression": code}, each=jump)
        c.equal(events[-1][1].get("value"), c.nonce, "the value of a call in which the clock jumped")
        after = c.call("eval", {"expression": "time.time()"})["value"]
        c.equal(abs(after - before) > 1000, True, "whether the session's clock jumped")
        handles = lambda: [each["handleId"] for each in c.call("session_handles", {"sessionId": session.id})["handles"]]
        c.equal(settle(10, lambda: [each for each in handles() if each == short]), [], "what lives for longer than its lease")
        c.equal(handles(), [long], "the handles whose lease has not ended")
        for path, headers, status in ((logins.pop(), {}, 303), ("/api/sessions", {"Cookie": cookie}, 200)):
            browser.close()
            c.equal(browser.request("GET", path, headers=headers).status, status, f"the answer of {path.split('=')[0]} to a browser")
        began = time.monotonic()
        c.call("eval", {"expression": ENDLESS}, allowed=("deadline_exceeded",), timeoutMs=300)
        works(c, 1)
        set_clock(clock.file, "+0")
        works(c, 1)
        with private(c):
            works(c, 1)
        c.equal(time.monotonic() - began < 20, True, "whether deadlines, and what comes after the jump back, take no longer")


FAULTS = {"full disk": full_disk, "clock jump": clock_jumped}
