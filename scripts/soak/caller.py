"""A client as the soak has it: it makes requests over one wire into one session, and the ledger learns what became of each."""

import itertools
import time

from wire import LOST, Refused

_numbers = itertools.count(1)


class Stop(Exception):
    """This scenario is over: a fault ended it, or something is wrong, which the ledger has."""


class Caller:
    def __init__(self, wire, ledger, session, random):
        self.wire, self.ledger, self.session, self.random = wire, ledger, session, random
        self.since = time.monotonic()
        # What only an answer to this client can have.
        self.nonce = f"n{next(_numbers)}x{random.randrange(1 << 40)}"
        self.operation = ""

    def options(self, operation, options):
        of_host = operation.startswith(("session_", "venv_")) or operation in ("ping", "cancel")
        return options if of_host else {"session": self.session.id, **options}

    def call(self, operation, body=None, allowed=(), **options):
        """The answer; None for a problem that was `allowed`. Any other problem ends the scenario."""
        return self._judged(operation, allowed, lambda: self.wire.call(operation, body or {}, self.options(operation, options)))

    def handle(self, operation, body, **options):
        return self.call(operation, body, **options)["handleId"]

    def events(self, operation, body, allowed=(), each=lambda name, event: None, **options):
        """All events; `each` sees them as they come."""

        def run():
            found = []
            for event in self.wire.events(operation, body, self.options(operation, options)):
                found.append(event)
                each(*event)
            return found

        return self._judged(operation, allowed, run)

    def put(self, data, descriptor, name, **more):
        return self._judged("put", (), lambda: self.wire.put(data, descriptor, name, self.options("put", {}), **more))

    def fetch(self, body, **more):
        return self._judged("fetch", (), lambda: self.wire.fetch(body, self.options("fetch", {}), **more))

    def several(self, requests):
        """Calls that are sent at once over the pipe."""
        for operation, _ in requests[1:]:
            self.ledger.begin(self.wire.name, operation)
        self.ledger.end("answered", len(requests) - 1)
        return self._judged(requests[0][0], (), lambda: self.wire.calls([(name, body, self.options(name, {})) for name, body in requests]))

    def _judged(self, operation, allowed, run):
        self.operation = operation
        self.ledger.begin(self.wire.name, operation)
        try:
            answer = run()
        except Refused as refused:
            if refused.code in allowed:
                self.refusal = refused
                self.ledger.end("refused, as expected")
                return None
            if fault := self.explained(refused.code):
                self.ledger.failed(fault)
            else:
                self.ledger.error("wrong", f"{self.where()}: {refused}; allowed: {', '.join(allowed) or 'none'}")
        except LOST as error:
            self.wire.close()
            self.ledger.error("LOST", f"{self.where()}: {error!r}")
        except Stop:
            # Another request ended it, which came between the events of this one.
            self.wire.close()
            self.ledger.end("left by their clients")
        except Exception as error:
            self.wire.close()
            self.ledger.error("wrong", f"{self.where()}: an answer that cannot be read: {error!r}")
        else:
            self.ledger.end("answered")
            return answer
        raise Stop

    def explained(self, code):
        """The fault by which this may fail so."""
        return self.session.explains(code, self.since) or self.ledger.all_sessions.explains(code, self.since)

    def healthy(self):
        """The server is well; or has no process to fork workers from, just after one was killed."""
        status = self.call("ping").get("status")
        if not (status == "not_ready" and self.explained("worker_unavailable")):
            self.equal(status, "ok", "health")

    def where(self):
        kind = "rough" if self.session.rough else "calm"
        return f"{self.operation} over {self.wire.name} in the {kind} session {self.session.id} ({self.nonce})"

    def equal(self, found, expected, what):
        if found != expected:
            self.wrong(f"{what}: {str(found)[:200]!r} in place of {str(expected)[:200]!r}")

    def wrong(self, text):
        """The answer came, and it is not the right one."""
        self.ledger.error("wrong answers", f"{self.where()}: {text}")
        # It was counted as answered already.
        self.ledger.end("answered", -1)
        raise Stop
