"""What became of each request: answered, refused as it should be, failed by a fault, left by its client, wrong or lost."""

import collections
import threading
import time

# How long after a fault its session may still answer by it: the next call is told of a death, whenever it comes.
AFTERMATH = 45.0
GONE = {"worker_died", "session_restarted", "handle_lost", "unknown_question"}
# The codes by which calls of a session may fail that was under this fault. A Python exception is one where names are gone.
EXPLAINS = {
    "worker killed": GONE | {"python_exception", "data_lost"},
    "session restarted": GONE | {"python_exception"},
    "code crashed": GONE | {"python_exception", "data_lost"},
    # Of all sessions.
    "zygote killed": {"worker_unavailable"},
}
# The slowest answer of health that is right on a busy machine.
HEALTH_SECONDS = 10.0


class Session:
    """A session that several clients share, with the faults that it was under."""

    def __init__(self, name, rough=False):
        self.id, self.rough = name, rough
        self.faults = collections.deque(maxlen=200)

    def fault(self, kind):
        self.faults.append((kind, time.monotonic()))

    def explains(self, code, since):
        """The fault, not long before `since` or after it, by which a call may fail so."""
        return next((kind for kind, at in list(self.faults) if at > since - AFTERMATH and code in EXPLAINS[kind]), None)


class Ledger:
    """Counts, from all threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests, self.outcomes, self.failed_by, self.faults = (collections.Counter() for _ in range(4))
        self.operations = collections.defaultdict(set)
        self.all_sessions = Session("", rough=True)
        self.skipped, self.errors, self.slowest = {}, [], 0.0

    def begin(self, wire, operation):
        with self.lock:
            self.requests[wire] += 1
            self.operations[wire].add(operation)

    def end(self, outcome, count=1):
        with self.lock:
            self.outcomes[outcome] += count

    def failed(self, kind):
        self.end("failed by a fault")
        with self.lock:
            self.failed_by[kind] += 1

    def error(self, outcome, text):
        """Something that must not be."""
        self.end(outcome)
        with self.lock:
            if len(self.errors) < 200:
                self.errors.append(f"{outcome}: {text}"[:1500])

    @property
    def total(self):
        return sum(self.requests.values())

    def judge(self, faults):
        """What is wrong with the requests."""
        wrong = sorted(self.errors)
        if open_requests := self.total - sum(count for name, count in self.outcomes.items() if name != "failures of the soak itself"):
            wrong.append(f"{open_requests} requests have no outcome")
        wrong += [f"the fault '{name}' never happened" for name in faults if not self.faults[name]]
        if self.slowest > HEALTH_SECONDS:
            wrong.append(f"the slowest answer of health took {self.slowest:.1f} s")
        return wrong

    def table(self, faults, figures):
        count = lambda counts: ", ".join(f"{name} {number}" for name, number in sorted(counts.items())) or "nothing"
        rows = [("operations", len(set().union(*self.operations.values()))), ("requests", self.total), ("of each wire", count(self.requests))]
        rows += [("  " + name, number) for name, number in sorted({"LOST": 0, **self.outcomes}.items())]
        rows += [("failed by", count(self.failed_by)), ("faults", sum(self.faults.values()))]
        rows += [("  " + name, self.skipped.get(name, self.faults[name])) for name in sorted(faults)]
        rows += [("slowest health", f"{self.slowest * 1000:.0f} ms")]
        print()
        for name, value in rows:
            print(f"{name:30}  {value}")
        if "after" in figures:
            print(f"\n{'':30}  {'before':>8}  {'after':>8}")
            for name, value in figures["after"].items():
                was, now = (len(each) if isinstance(each, list) else each for each in (figures["before"][name], value))
                print(f"{name:30}  {was:>8}  {now:>8}")
