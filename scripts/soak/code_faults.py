"""Faults of code and of the processes that run it. Each takes a context and a caller; a private session keeps the damage small."""

import contextlib
import os
import signal
import threading
import time

from ledger import Session
from measure import marked, settle

ENDLESS = "while True: pass"
NAP = "import time\ntime.sleep(600)"
CRASHES = [
    "import os\nos._exit(3)", "import os\nos.abort()", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "import ctypes\nctypes.string_at(0)", "import faulthandler\nfaulthandler._sigsegv()",
]  # fmt: skip
FORKS = [
    "import subprocess, sys\np = subprocess.Popen(['sleep', '600'])\np.pid",
    "import subprocess\np = subprocess.Popen(['sleep', '600'], start_new_session=True, env={})\np.pid",
    "import os, time\np = os.fork()\nif p == 0:\n    while True: time.sleep(600)\np",
    # A daemon: its parent is gone, and its process session is its own.
    "import os, time\nr, w = os.pipe()\nif os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    os.write(w, str(os.getpid()).encode())\n"
    "    while True: time.sleep(600)\nint(os.read(r, 20))",
]


@contextlib.contextmanager
def private(c, **options):
    """A session of its own for the caller, which is deleted whatever happened."""
    shared = c.session
    c.session = Session(c.call("session_create", options)["sessionId"], rough=False)
    try:
        yield c.session
    finally:
        name, c.session = c.session.id, shared
        c.call("session_delete", {"sessionId": name})


class Background(threading.Thread):
    """A call that another thread makes meanwhile."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.action, self.failure = run, None
        self.start()

    def run(self):
        try:
            self.action()
        except Exception as error:
            self.failure = error

    def ended(self):
        self.join(90)
        if self.is_alive():
            raise RuntimeError("a call in the background was not answered within 90 s")
        if self.failure:
            raise self.failure


def until_running(c, session):
    """Waits until a call of the session has begun."""
    if settle(20, lambda: [] if "running" in c.call("session_get", {"sessionId": session}) else ["idle"]):
        c.wrong("the call in the background did not begin within 20 s")


def works(c, epoch=None):
    answer = c.call("eval", {"expression": f"'{c.nonce}'"})
    c.equal(answer.get("value"), c.nonce, "the value after the fault")
    if epoch:
        c.equal(answer.get("sessionEpoch"), epoch, "the epoch after the fault")


def gone(pids):
    def look():
        return [pid for pid in pids if os.path.exists(f"/proc/{pid}") and state(pid) != "Z"]

    return settle(10, look)


def state(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def worker_killed(context, c):
    """The worker of a rough session, while its clients call."""
    session = context.random.choice(context.rough)
    pid = c.call("session_get", {"sessionId": session.id}).get("pid")
    session.fault("worker killed")
    # Its number is not another process's by now.
    if pid and pid in marked(context.server.mark):
        kill(pid)


def zygote_killed(context, c):
    """What sessions are forked from; those that are there go on, and new ones are made."""
    context.ledger.all_sessions.fault("zygote killed")
    for zygote in context.server.zygotes():
        kill(zygote)
    with private(c):
        works(c)


def worker_stopped(context, c):
    """It does not react, so its call's deadline ends it."""
    other = context.caller()
    with private(c):
        other.session = c.session
        pid = c.call("eval", {"expression": "import os\nos.getpid()"})["value"]
        call = Background(lambda: other.call("eval", {"expression": ENDLESS}, allowed=("deadline_exceeded",), timeoutMs=1500, graceMs=300))
        until_running(c, c.session.id)
        os.kill(pid, signal.SIGSTOP)
        call.ended()
        if other.wire.name != "grpc":
            c.equal(other.refusal.problem.get("outcome"), "state_lost", "the outcome")
        c.equal(gone([pid]), [], "the stopped worker that lives still")
        for _ in range(3):
            if c.call("eval", {"expression": "1"}, allowed=("session_restarted", "worker_died")):
                break
        works(c, 2)
    context.close(other)


def crashed(context, c):
    with private(c):
        c.call("eval", {"expression": context.random.choice(CRASHES)}, allowed=("worker_died",))
        works(c, 2)


def crashed_among_others(context, c):
    """In a rough session, where others wait."""
    c.session = context.random.choice(context.rough)
    c.session.fault("code crashed")
    c.call("eval", {"expression": context.random.choice(CRASHES)}, allowed=("worker_died", "session_restarted"))


def forked(context, c):
    """Processes of every kind end with their session."""
    with private(c):
        pids = [c.call("eval", {"expression": code})["value"] for code in context.random.sample(FORKS, 3)]
    c.equal(gone(pids), [], "processes that outlive their session")


def memory_over_limit(context, c):
    with private(c, limits={"memoryBytes": 100 << 20}):
        c.call("eval", {"expression": "x = b'1' * (400 << 20)\nimport time\ntime.sleep(20)"}, allowed=("memory_exceeded",))
        # It is measured again; what is left over its limit has the grace to go.
        for _ in range(5):
            if c.call("eval", {"expression": "x = None"}, allowed=("memory_exceeded", "session_restarted", "worker_died")):
                break
        works(c)


def processor_over_limit(context, c):
    with private(c, limits={"cpuMs": 300}):
        c.call("eval", {"expression": ENDLESS}, allowed=("cpu_time_exceeded",))
        works(c, 1)


def output_flood(context, c):
    """More than is kept of output, and events of which a client reads little at once."""
    with private(c):
        answer = c.call("eval", {"expression": "for i in range(300_000): print('flood', i)"})
        c.equal(answer.get("omittedOutputBytes", 0) > 0, True, "whether output was left out")
        pauses = iter([0.2, 0.2])
        events = c.events("execute", {"expression": "for i in range(200_000): print('flood', i)\n7"}, each=lambda *_: time.sleep(next(pauses, 0)))
        c.equal(events[-1][1].get("value"), 7, "the result behind the flood")


def cancelled(context, c):
    """By another client, over another wire."""
    other = context.caller()
    with private(c):
        call = Background(lambda: c.call("eval", {"expression": ENDLESS}, allowed=("cancelled",), requestId=c.nonce))
        outcome = settle(20, lambda: [] if other.call("cancel", {"requestId": c.nonce}).get("outcome") != "not_found" else ["not found"])
        call.ended()
        c.equal(outcome, [], "the outcome of the cancel")
        c.equal(c.refusal.problem.get("outcome") in ("state_kept", "not_started"), True, "whether the state was kept")
        works(c, 1)
    context.close(other)


def deadline(context, c):
    with private(c):
        code = context.random.choice([ENDLESS, NAP])
        c.call("eval", {"expression": code}, allowed=("deadline_exceeded",), timeoutMs=context.random.choice([0, 50, 300]) or 10)
        works(c, 1)


def interrupted(context, c):
    other = context.caller()
    with private(c) as session:
        call = Background(lambda: c.call("eval", {"expression": NAP}, allowed=("cancelled",)))
        until_running(other, session.id)
        other.call("session_interrupt", {"sessionId": session.id})
        call.ended()
        works(c, 1)
    context.close(other)


def restarted(context, c):
    """While a call runs and one waits; and a rough session."""
    first, second = context.caller(), context.caller()
    with private(c) as session:
        first.session = second.session = session
        calls = [Background(lambda: first.call("eval", {"expression": NAP}, allowed=("session_restarted",)))]
        until_running(c, session.id)
        calls += [Background(lambda: second.call("eval", {"expression": "1"}, allowed=("session_restarted",)))]
        settle(20, lambda: [] if c.call("session_get", {"sessionId": session.id}).get("calls") == 2 else ["none waits"])
        c.equal(c.call("session_restart", {"sessionId": session.id}).get("sessionEpoch"), 2, "the epoch")
        for call in calls:
            call.ended()
        works(c, 2)
    context.close(first, second)
    session = context.random.choice(context.rough)
    session.fault("session restarted")
    c.call("session_restart", {"sessionId": session.id})


def deleted(context, c):
    """While a call runs."""
    other = context.caller()
    session = Session(c.call("session_create")["sessionId"], rough=False)
    other.session = session
    call = Background(lambda: other.call("eval", {"expression": NAP}, allowed=("shutting_down",)))
    until_running(c, session.id)
    c.call("session_delete", {"sessionId": session.id})
    call.ended()
    context.close(other)


def queue_full(context, c):
    """More calls than may wait: each is answered or refused."""
    others = [context.caller() for _ in range(6)]
    with private(c, limits={"waiting": 2}) as session:
        running = Background(lambda: c.call("eval", {"expression": NAP}, allowed=("cancelled",), requestId=c.nonce))
        until_running(others[0], session.id)
        for other in others:
            other.session = session
        calls = [Background(lambda other=other: other.call("eval", {"expression": "5"}, allowed=("queue_full",))) for other in others[1:]]
        settle(20, lambda: [] if others[0].call("session_get", {"sessionId": session.id}).get("calls", 0) >= 2 else ["few calls"])
        others[0].call("cancel", {"requestId": c.nonce})
        for call in [running, *calls]:
            call.ended()
    context.close(*others)


FAULTS = {
    "worker killed (-9)": worker_killed, "zygote killed (-9)": zygote_killed, "worker stopped": worker_stopped, "code crashed": crashed,
    "code crashed among others": crashed_among_others, "code forked": forked, "memory over its limit": memory_over_limit,
    "processor over its limit": processor_over_limit, "flood of output": output_flood, "call cancelled": cancelled, "deadline passed": deadline,
    "session interrupted": interrupted, "session restarted": restarted, "session deleted": deleted, "queue full": queue_full,
}  # fmt: skip
