"""A client as the soak has it: it makes requests over one wire into one session, and the ledger learns what became of each."""

import itertools
import time

from wire import Lost, Refused

# Over how long no call may take that nothing holds up; the rest is the machine's.
_numbers = itertools.count(1)


class Stop(Exception):
    """This scenario is over: a fault ended it, or something is wrong, which the ledger has."""


class Caller:
    def __init__(self, wire, ledger, session, random, seed):
        self.wire, self.ledger, self.session, self.random = wire, ledger, session, random
        self.since = time.monotonic()
        self.nonce = f"n{seed}x{next(_numbers)}x{random.randrange(1 << 30)}"
        self.operation = ""

    def options(self, operation, options):
        if operation.startswith(("session_", "venv_")) or operation in ("ping", "cancel"):
            return options
        return {"session": self.session.id, **options}

    def call(self, operation, body=None, allowed=(), **options):
        """The answer; None for a problem that was `allowed`. Any other problem ends the scenario."""
        return self._judged(operation, allowed, lambda: self.wire.call(operation, body or {}, self.options(operation, options)))

    def events(self, operation, body, allowed=(), each=lambda name, event: None, **options):
        """All events; `each` sees them as they come."""

        def run():
            found = []
            for name, event in self.wire.events(operation, body, self.options(operation, options)):
                found.append((name, event))
                each(name, event)
            return found

        return self._judged(operation, allowed, run)

    def put(self, data, descriptor, name, **more):
        return self._judged("put", (), lambda: self.wire.put(data, descriptor, name, self.options("put", {}), **more))

    def fetch(self, body, **more):
        return self._judged("fetch", (), lambda: self.wire.fetch(body, self.options("fetch", {}), **more))

    def several(self, requests):
        """Calls that are sent at once over the pipe."""
        for operation, _ in requests:
            self.ledger.begin(self.wire.name, operation)
        try:
            answers = self.wire.calls([(operation, body, self.options(operation, {})) for operation, body in requests])
        except Refused as refused:
            # All were answered, and one of the answers is this.
            self.ledger.end("answered", len(requests) - 1)
            self._refused(refused.problem.get("operation", "one of several"), refused, ())
            raise Stop from refused
        except (Lost, OSError) as error:
            self.ledger.end("answered", len(requests) - 1)
            self.ledger.error("LOST", f"{self.where('several')}: {error}")
            raise Stop from error
        self.ledger.end("answered", len(requests))
        return answers

    def _judged(self, operation, allowed, run):
        self.operation = operation
        self.ledger.begin(self.wire.name, operation)
        try:
            answer = run()
        except Refused as refused:
            if self._refused(operation, refused, allowed):
                return None
            raise Stop from refused
        except (Lost, OSError) as error:
            self.wire.close()
            self.ledger.error("LOST", f"{self.where(operation)}: {error!r}")
            raise Stop from error
        except Exception as error:
            self.wire.close()
            self.ledger.error("wrong", f"{self.where(operation)}: an answer that cannot be read: {error!r}")
            raise Stop from error
        self.ledger.end("answered")
        return answer

    def _refused(self, operation, refused, allowed):
        """Counts it, and says whether the scenario expected it."""
        if refused.code in allowed:
            self.refusal = refused
            self.ledger.end("refused, as expected")
            return True
        if fault := self.explained(refused.code):
            self.ledger.failed(fault)
        else:
            self.ledger.error("wrong", f"{self.where(operation)}: {refused}; allowed: {', '.join(allowed) or 'none'}")
        return False

    def explained(self, code):
        """The fault by which this may fail so."""
        return self.session.explains(code, self.since) or self.ledger.all_sessions.explains(code, self.since)

    def healthy(self):
        """The server is well; or has no process to fork workers from, just after one was killed."""
        status = self.call("ping").get("status")
        if not (status == "not_ready" and self.explained("worker_unavailable")):
            self.equal(status, "ok", "health")

    def where(self, operation):
        kind = "rough" if self.session.rough else "calm"
        return f"{operation} over {self.wire.name} in the {kind} session {self.session.id} ({self.nonce})"

    def equal(self, found, expected, what):
        if found != expected:
            self.wrong(f"{what}: {str(found)[:200]!r} in place of {str(expected)[:200]!r}")

    def wrong(self, text):
        """The answer came, and it is not the right one."""
        self.ledger.error("wrong answers", f"{self.where(self.operation)}: {text}")
        # It was counted as answered already.
        self.ledger.end("answered", -1)
        raise Stop

    def handle(self, operation, body, **options):
        return self.call(operation, body, **options)["handleId"]
