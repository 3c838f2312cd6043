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
    "session interrupted": {"cancelled"},
    # Of all sessions.
    "zygote killed": {"worker_unavailable"},
    "code crashed": GONE | {"python_exception", "data_lost"},
}


class Session:
    """A session that several clients share, with the faults that it was under."""

    def __init__(self, name, rough):
        self.id, self.rough = name, rough
        self.faults = []

    def fault(self, kind):
        self.faults.append((kind, time.monotonic()))

    def explains(self, code, since):
        """The fault by which a call may fail so that was made after `since`."""
        for kind, at in reversed(self.faults[-200:]):
            if at > since - AFTERMATH and code in EXPLAINS[kind]:
                return kind
        return None


class Ledger:
    """Counts, from all threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests = collections.Counter()
        self.operations = collections.defaultdict(set)
        self.outcomes = collections.Counter()
        self.failed_by = collections.Counter()
        self.faults = collections.Counter()
        self.all_sessions = Session("", rough=True)
        self.skipped = {}
        self.errors = []
        self.slowest = 0.0

    def begin(self, wire, operation):
        with self.lock:
            self.requests[wire] += 1
            self.operations[wire].add(operation)

    def end(self, outcome, count=1):
        with self.lock:
            self.outcomes[outcome] += count

    def failed(self, kind):
        with self.lock:
            self.outcomes["failed by a fault"] += 1
            self.failed_by[kind] += 1

    def fault(self, kind, wire=None):
        with self.lock:
            self.faults[kind] += 1

    def skip(self, kind, why):
        with self.lock:
            self.skipped[kind] = why

    def error(self, outcome, text):
        """Something that must not be."""
        with self.lock:
            self.outcomes[outcome] += 1
            if len(self.errors) < 200:
                self.errors.append(f"{outcome}: {text}"[:1500])

    def health(self, seconds):
        with self.lock:
            self.slowest = max(self.slowest, seconds)

    @property
    def total(self):
        return sum(self.requests.values())

    def open(self):
        """How many requests have no outcome: of those that were begun, none may be left at the end."""
        with self.lock:
            return sum(self.requests.values()) - sum(self.outcomes.values())
