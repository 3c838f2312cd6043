"""Every operation, with an answer that shows that it was done for this request: each scenario takes a caller, and its nonce must come back."""

import hashlib
import threading

from wire import PAGES

DISPOSE = "dispose"


def evaluate(c):
    n = c.random.randrange(1 << 40)
    answer = c.call("eval", {"expression": "(a, a * k)[1]", "locals": {"a": n, "k": 3}})
    c.equal(answer.get("value"), 3 * n, "the value")
    answer = c.call("eval", {"expression": f"print('{c.nonce}')"})
    c.equal(answer.get("stdout"), c.nonce + "\n", "the output")
    c.call("eval", {"expression": f"raise ValueError('{c.nonce}')"}, allowed=("python_exception",))
    c.equal(c.nonce in c.refusal.problem.get("detail", c.nonce), True, "the exception's message")


def names(c):
    c.call("eval", {"expression": f"{c.nonce} = [1]\n{c.nonce}.append('{c.nonce}')"})
    c.equal(c.call("eval", {"expression": f"{c.nonce}.pop()"}).get("value"), c.nonce, "a name of the session")
    c.call("eval", {"expression": f"del {c.nonce}"})


def isolated(c):
    c.equal(c.call("eval", {"expression": f"'{c.nonce}'.upper()"}, isolated=True).get("value"), c.nonce.upper(), "the value of an isolated call")


def objects(c):
    module = c.handle("import", {"moduleName": "collections"})
    counter = c.handle("create", {"moduleHandleId": module, "className": "Counter", "args": [[c.nonce]], "kwargs": {"x": 2}})
    c.equal(c.call("call", {"handleId": counter, "methodName": "most_common", "args": [1]}).get("value"), [["x", 2]], "the most common")
    c.call("setattr", {"handleId": counter, "attributeName": "label", "value": c.nonce})
    c.equal(c.call("getattr", {"handleId": counter, "attributeName": "label"}).get("value"), c.nonce, "the attribute")
    c.call("setitem", {"handleId": counter, "key": c.nonce, "value": 7})
    c.equal(c.call("getitem", {"handleId": counter, "key": c.nonce}).get("value"), 7, "the item")
    c.equal(c.call("contains", {"handleId": counter, "item": c.nonce}).get("value"), True, "contains")
    c.equal(c.call("len", {"handleId": counter}).get("value"), 2, "the length")
    c.call("delitem", {"handleId": counter, "key": c.nonce})
    c.equal(c.call("value", {"handleId": counter}).get("value"), {"x": 2}, "the object's value")
    c.equal("most_common" in c.call("dir", {"handleId": counter}).get("value", ()), True, "a name in dir")
    c.equal(c.call("describe", {"handleId": counter}).get("typeName"), "Counter", "the description")
    c.call("renew", {"handleId": counter})
    c.call(DISPOSE, {"handleId": counter})
    c.call("getattr", {"handleId": counter, "attributeName": "label"}, allowed=("unknown_handle",))


def functions(c):
    source = f"def f(a, b=2):\n    return ['{c.nonce}', a, b]\nf"
    function = c.handle("eval", {"expression": source, "locals": {"_": 0}, "returnType": "handle"})
    c.equal(c.call("invoke", {"handleId": function, "args": [1], "kwargs": {"b": 3}}).get("value"), [c.nonce, 1, 3], "what the function returns")
    source = f"async def later():\n    return '{c.nonce}'\nlater()"
    later = c.handle("eval", {"expression": source, "locals": {"_": 0}, "returnType": "handle"})
    c.equal(c.call("await", {"handleId": later}).get("value"), c.nonce, "what was awaited")
    c.call(DISPOSE, {"handleIds": [function, later]})


def arrays(c):
    rows = [[float(c.random.randrange(1000)) for _ in range(3)] for _ in range(2)]
    handle = c.handle("wrap", {"value": rows})
    c.equal(c.call("tofloatarray2d", {"handleId": handle}).get("data"), rows, "the rows")
    c.equal(c.call("tofloatarray", {"handleId": handle}).get("data"), rows[0] + rows[1], "the floats")
    c.call(DISPOSE, {"handleId": handle})
    c.equal(c.call("module_available", {"moduleName": "json"}).get("available"), True, "whether json is there")


def leases(c):
    handle = c.handle("eval", {"expression": f"{{'{c.nonce}'}}", "returnType": "handle"}, leaseMs=60000)
    c.equal(c.call("renew", {"handleIds": [handle]}).get("renewed"), 1, "how many were renewed")
    c.call(DISPOSE, {"handleId": handle})


def batch(c):
    steps = [
        {"operation": "wrap", "value": [c.nonce]},
        {"operation": "getitem", "handleId": {"$result": 0}, "key": 0},
        {"operation": "eval", "expression": "1/0"},
        {"operation": "eval", "expression": "2"},
    ]
    results = c.call("batch", {"steps": steps}).get("results")
    c.equal((results[1], results[3]), ({"value": c.nonce}, {"skipped": True}), "the steps")


def values(c):
    answer = c.call("eval", {"expression": f"('{c.nonce}', 2**70, b'x')"}, values="exact")
    c.equal(answer.get("value"), {"$tuple": [c.nonce, {"$int": str(2**70)}, {"$bytes": "eA=="}]}, "the exact value")
    size = c.random.choice([10, 5000, 300_000])
    text = (c.nonce * (size // len(c.nonce) + 1))[:size]
    c.equal(c.call("eval", {"expression": "t[::-1]", "locals": {"t": text}}).get("value"), text[::-1], "a long text")


def execute(c):
    code = f"import sys\nprint('{c.nonce}')\nprint('err', file=sys.stderr)\ndisplay('shown')\n'{c.nonce}'"
    events = c.events("execute", {"expression": code})
    c.equal("".join(event["text"] for name, event in events if name == "stdout"), c.nonce + "\n", "the output")
    c.equal((events[-1][0], events[-1][1].get("value")), ("result", c.nonce), "the last event")


def stream(c):
    count = c.random.randrange(1, 40)
    events = c.events("stream", {"expression": f"('{c.nonce}' + str(i) for i in range({count}))"})
    c.equal([event.get("value") for name, event in events if name == "item"], [c.nonce + str(i) for i in range(count)], "the items")
    events = c.events("stream", {"expression": f"iter(['{c.nonce}', 2])", "credit": 1})
    handle = events[-1][1]["handleId"]
    items, done = [], False
    while not done:
        # It ends early where other calls wait.
        events = c.events("next", {"handleId": handle, "credit": 5})
        items, done = items + [event.get("value") for name, event in events if name == "item"], events[-1][1].get("done")
    c.equal(items, [2], "the other items")


def questions(c, other):
    """`input()` and a callback, answered over another connection."""

    def answer(name, event):
        if name == "input_request":
            other.call("answer", {"questionId": event["questionId"], "value": c.nonce}, allowed=("unknown_question",))
        if name == "callback":
            other.call("answer", {"questionId": event["questionId"], "value": event["args"][0]["value"] + 1}, allowed=("unknown_question",))

    code = "input('name? ') + str(add(41))"
    body = {"expression": code, "locals": {"add": {"$callback": "add"}}}
    events = c.events("execute", body, each=answer, capabilities=["stdin", "callbacks"])
    c.equal(events[-1][1].get("value"), c.nonce + "42", "what was answered")


def told(c):
    """Progress and log records."""
    code = f"import beep_python, logging\nbeep_python.progress(1, 2, '{c.nonce}')\nlogging.getLogger('soak').error('{c.nonce}')"
    events = c.events("execute", {"expression": code}, capabilities=["log", "progress"])
    messages = [(name, event.get("message")) for name, event in events if name in ("log", "progress")]
    c.equal(messages, [("progress", c.nonce), ("log", c.nonce)], "progress and log")


def data(c):
    size = c.random.choice([0, 10, 100_000, 1_500_000])
    content = hashlib.sha256(c.nonce.encode()).digest() * (size // 32 + 1)
    content = content[: size // 4 * 4]
    ways = ({"via": "inline"}, {"via": "fd"}, {"via": "file"}) if c.wire.name == "pipe" and content else ({},)
    way = c.random.choice(ways)
    c.put(content, {"dtype": "<i4", "shape": [len(content) // 4]}, c.nonce, **({"via": "fd"} if way.get("via") == "fd" else {}))
    c.equal(c.fetch({"expression": c.nonce, "format": "raw"}, **way) == content, True, f"whether {len(content)} bytes came back {way}")
    c.call("eval", {"expression": f"del {c.nonce}"})


def pipelined(c):
    """Several requests at once: each answer belongs to its request."""
    requests = [("eval", {"expression": f"'{c.nonce}' + '{i}'"}) for i in range(c.random.randrange(2, 20))]
    found = [answer.get("value") for answer in c.several(requests)]
    c.equal(found, [c.nonce + str(i) for i in range(len(requests))], "the values")


def sessions(c):
    """One session's life."""
    session = c.call("session_create", {"labels": {"soak": c.nonce}, "setup": f"{c.nonce} = 5"})["sessionId"]
    try:
        named = {"sessionId": session}
        c.equal(c.call("session_get", named).get("labels"), {"soak": c.nonce}, "the label")
        c.equal(session in [each["sessionId"] for each in c.call("session_list")["sessions"]], True, "whether it is listed")
        handle = c.handle("eval", {"expression": "[1, 2]", "returnType": "handle"}, session=session)
        c.equal([each["handleId"] for each in c.call("session_handles", named)["handles"]], [handle], "its handles")
        c.equal(c.call("session_inspect", named).get("sessionId"), session, "the inspection")
        c.call("session_debug", {**named, "install": False}, allowed=("no_debugger",))
        c.equal(c.call("session_interrupt", {**named, "abortQueued": True}).get("outcome"), "not_found", "the interrupt's outcome")
        c.equal(c.call("session_restart", named).get("sessionEpoch"), 2, "its epoch")
        c.equal(c.call("eval", {"expression": c.nonce}, session=session).get("value"), 5, "what its setup made")
        c.call("getattr", {"handleId": handle, "attributeName": "x"}, session=session, allowed=("handle_lost",))
    finally:
        c.call("session_delete", {"sessionId": session})
    c.call("session_get", {"sessionId": session}, allowed=("unknown_session",))


def followed(c, other):
    """The events of a session, what a thread prints among them, until it is deleted."""
    session = other.call("session_create")["sessionId"]
    code = f"import threading\ngo = threading.Event()\nthreading.Thread(target=lambda: (go.wait(), print('{c.nonce}', flush=True))).start()"
    deleted = []

    def each(name, event):
        if name == "session":
            other.call("eval", {"expression": code}, session=session)
            other.call("eval", {"expression": "go.set()"}, session=session)
        if name == "stdout" and c.nonce in event["text"]:
            deleted.append(other.call("session_delete", {"sessionId": session}))

    events = c.events("session_events", {"sessionId": session}, each=each)
    c.equal((events[-1][0], len(deleted)), ("result", 1), "the end of the events")


VENV = threading.Lock()


def environments(c):
    """The environment of a provider, which one client at a time makes and deletes."""
    with VENV:
        named = {"providerName": f"soak{c.random.randrange(4)}"}
        c.call("venv_create", named)
        c.equal(c.call("venv_status", named).get("state"), "healthy", "the state")
        c.equal(c.call("venv_install", {**named, "packages": []}).get("success"), True, "the install")
        found = [each for each in c.call("venv_list")["environments"] if each.get("record", {}).get("provider") == named["providerName"]]
        c.equal(len(found), 1, "how many are listed")
        c.call("venv_delete", named)


def host(c):
    c.healthy()
    c.equal(c.call("cancel", {"requestId": c.nonce}).get("outcome"), "not_found", "the outcome")
    c.call("answer", {"questionId": c.nonce, "value": 1}, allowed=("unknown_question",))
    for page in PAGES if c.wire.name == "http" else ():
        c.equal(bool(c.call(page)), True, page)


# What a client may do, and how often.
SCENARIOS = {
    evaluate: 8, names: 4, isolated: 1, objects: 5, functions: 3, arrays: 3, leases: 1, batch: 3, values: 4, execute: 5, stream: 4,
    questions: 3, told: 2, data: 5, pipelined: 3, sessions: 2, followed: 1, environments: 0.3, host: 2,
}  # fmt: skip
# Those that answer over another connection while theirs waits.
WITH_OTHER = {questions, followed}
ONLY = {pipelined: {"pipe"}, data: {"http", "pipe", "grpc"}, followed: {"http", "pipe", "grpc"}}
# These begin with a session of their own or none, so that no rough one is in their way.
APART = {sessions, followed, environments, host}


def suits(scenario, wire):
    return wire in ONLY.get(scenario, (wire,))
