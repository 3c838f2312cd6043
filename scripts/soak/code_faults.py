"""Faults of code and of the processes that run it. Each takes a context and a caller; a private session keeps the damage small."""

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from ledger import Session
from measure import marked, settle, state
from supervisor import kill

ENDLESS = "while True: pass"
NAP = "import time\ntime.sleep(600)"
OWN_PID = "import os\nos.getpid()"
CRASHES = [
    "import os\nos._exit(3)", "import os\nos.abort()", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "import ctypes\nctypes.string_at(0)", "import faulthandler\nfaulthandler._sigsegv()",
]  # fmt: skip
FORKS = [
    "import subprocess\np = subprocess.Popen(['sleep', '600'])\np.pid",
    "import subprocess\np = subprocess.Popen(['sleep', '600'], start_new_session=True, env={})\np.pid",
    "import os, time\np = os.fork()\nif p == 0:\n    while True: time.sleep(600)\np",
    # A daemon: its parent is gone, and its process session is its own.
    "import os, time\nr, w = os.pipe()\nif os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    os.write(w, str(os.getpid()).encode())\n"
    "    while True: time.sleep(600)\nint(os.read(r, 20))",
]


@contextlib.contextmanager
def private(c, **options):
    """A session of its own for the caller, which is deleted in any case."""
    shared = c.session
    c.session = Session(c.call("session_create", options)["sessionId"])
    try:
        yield c.session
    finally:
        name, c.session = c.session.id, shared
        c.call("session_delete", {"sessionId": name})


def meanwhile(*arguments, **options):
    """A call that another thread makes: `result` waits for its end."""
    return ThreadPoolExecutor(1).submit(*arguments, **options)


def result(call):
    return call.result(timeout=90)


def until_running(c, session, calls=1):
    """Waits until a call of the session has begun, and so many are there."""

    def look():
        found = c.call("session_get", {"sessionId": session.id})
        return [] if "running" in found and found["calls"] >= calls else [found]

    c.equal(settle(20, look), [], f"the session within 20 s of {calls} calls in the background")


def works(c, epoch=None):
    answer = c.call("eval", {"expression": f"'{c.nonce}'"})
    c.equal(answer.get("value"), c.nonce, "the value after the fault")
    c.equal(answer.get("sessionEpoch"), epoch or answer.get("sessionEpoch"), "the epoch after the fault")


def ended_soon(c, pids, what):
    c.equal(settle(10, lambda: [pid for pid in pids if state(pid) != "Z"]), [], what)


def failing(codes, code, epoch, timeouts=(None,), **options):
    """A fault by which a call in a session with these options fails with this code, and after which the session has this epoch."""

    def fault(context, c):
        timeout = context.random.choice(timeouts)
        with private(c, **options):
            c.call("eval", {"expression": context.random.choice(codes)}, allowed=(code,), **({"timeoutMs": timeout} if timeout else {}))
            works(c, epoch)

    return fault


def worker_killed(context, c):
    """The worker of a rough session, while its clients call."""
    session = context.random.choice(context.rough)
    pid = c.call("session_get", {"sessionId": session.id}).get("pid")
    session.fault("worker killed")
    # Its number is not another process's by now.
    if pid in marked(context.server.mark):
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
    with private(c) as session:
        other = context.caller(session=session)
        pid = c.call("eval", {"expression": OWN_PID})["value"]
        call = meanwhile(other.call, "eval", {"expression": ENDLESS}, allowed=("deadline_exceeded",), timeoutMs=1500, graceMs=300)
        until_running(c, session)
        os.kill(pid, signal.SIGSTOP)
        result(call)
        # Over gRPC the deadline is the client's too, and may end the call before the server's answer.
        if other.wire.name != "grpc":
            c.equal(other.refusal.problem.get("outcome"), "state_lost", "the outcome")
        ended_soon(c, [pid], "the stopped worker that lives still")
        for _ in range(3):
            if c.call("eval", {"expression": "1"}, allowed=("session_restarted", "worker_died")):
                break
        works(c, 2)


def crashed_among_others(context, c):
    """In a rough session, where others wait."""
    c.session = context.random.choice(context.rough)
    c.session.fault("code crashed")
    c.call("eval", {"expression": context.random.choice(CRASHES)}, allowed=("worker_died", "session_restarted"))


def forked(context, c):
    """Processes of each kind end with their session."""
    with private(c):
        pids = [c.call("eval", {"expression": code})["value"] for code in context.random.sample(FORKS, 3)]
    ended_soon(c, pids, "processes that outlive their session")


def memory_over_limit(context, c):
    with private(c, limits={"memoryBytes": 100 << 20}):
        c.call("eval", {"expression": "x = b'1' * (400 << 20)\nimport time\ntime.sleep(20)"}, allowed=("memory_exceeded",))
        # It is measured again; what is left over its limit has the grace to go.
        for _ in range(5):
            if c.call("eval", {"expression": "x = None"}, allowed=("memory_exceeded", "session_restarted", "worker_died")):
                break
        works(c)


def output_flood(context, c):
    """More than is kept of output, and events that a client reads slowly at first."""
    with private(c):
        answer = c.call("eval", {"expression": "for i in range(300_000): print('flood', i)"})
        c.equal(answer.get("omittedOutputBytes", 0) > 0, True, "whether output was left out")
        pauses = iter([0.2, 0.2])
        each = lambda name, event: time.sleep(next(pauses, 0))
        events = c.events("execute", {"expression": "for i in range(200_000): print('flood', i)\n7"}, each=each)
        c.equal(events[-1][1].get("value"), 7, "the result behind the flood")


def cancelled(context, c):
    """By another client, over another wire."""
    other = context.caller()
    with private(c):
        call = meanwhile(c.call, "eval", {"expression": ENDLESS}, allowed=("cancelled",), requestId=c.nonce)
        found = lambda: other.call("cancel", {"requestId": c.nonce}).get("outcome") != "not_found"
        outcome = settle(20, lambda: [] if found() else ["not found"])
        result(call)
        c.equal(outcome, [], "the outcome of the cancel")
        c.equal(c.refusal.problem.get("outcome") in ("state_kept", "not_started"), True, "whether the state was kept")
        works(c, 1)


def interrupted(context, c):
    other = context.caller()
    with private(c) as session:
        call = meanwhile(c.call, "eval", {"expression": NAP}, allowed=("cancelled",))
        until_running(other, session)
        other.call("session_interrupt", {"sessionId": session.id})
        result(call)
        works(c, 1)


def restarted(context, c):
    """While a call runs and one waits; and a rough session."""
    with private(c) as session:
        others = [context.caller(session=session) for _ in range(2)]
        calls = [meanwhile(other.call, "eval", {"expression": NAP}, allowed=("session_restarted",)) for other in others]
        until_running(c, session, 2)
        c.equal(c.call("session_restart", {"sessionId": session.id}).get("sessionEpoch"), 2, "the epoch")
        for call in calls:
            result(call)
        works(c, 2)
    rough = context.random.choice(context.rough)
    rough.fault("session restarted")
    c.call("session_restart", {"sessionId": rough.id})


def deleted(context, c):
    """While a call runs."""
    with private(c) as session:
        call = meanwhile(context.caller(session=session).call, "eval", {"expression": NAP}, allowed=("shutting_down",))
        until_running(c, session)
    result(call)


def queue_full(context, c):
    """More calls than may wait: each is answered or refused."""
    with private(c, limits={"waiting": 2}) as session:
        asking, *others = [context.caller(session=session) for _ in range(6)]
        calls = [meanwhile(c.call, "eval", {"expression": NAP}, allowed=("cancelled",), requestId=c.nonce)]
        until_running(asking, session)
        calls += [meanwhile(other.call, "eval", {"expression": "5"}, allowed=("queue_full",)) for other in others]
        until_running(asking, session, 2)
        asking.call("cancel", {"requestId": c.nonce})
        for call in calls:
            result(call)


FAULTS = {
    "worker killed (-9)": worker_killed, "zygote killed (-9)": zygote_killed, "worker stopped": worker_stopped,
    "code crashed": failing(CRASHES, "worker_died", epoch=2), "code crashed among others": crashed_among_others, "code forked": forked,
    "memory over its limit": memory_over_limit, "processor over its limit": failing([ENDLESS], "cpu_time_exceeded", epoch=1, limits={"cpuMs": 300}),
    "flood of output": output_flood, "call cancelled": cancelled, "deadline passed": failing([ENDLESS, NAP], "deadline_exceeded", 1, (10, 50, 300)),
    "session interrupted": interrupted, "session restarted": restarted, "session deleted": deleted, "queue full": queue_full,
}  # fmt: skip
