"""What clients and faults need of the soak: the server, its sessions, connections, chance, and the ledger."""

import http.client
import json
import threading

from caller import Caller
from grpc_wire import Grpc, grpc
from http_wire import Http, RpcJson
from ledger import Session
from pipe_wire import Pipe
from wire import Lost

WIRES = {"http": Http, "pipe": Pipe, "rpc-json": RpcJson} | ({"grpc": Grpc} if grpc else {})
CALM, ROUGH = 3, 3


class Context:
    """One for each thread, with chance of its own; the sessions are those of all."""

    def __init__(self, server, ledger, random, seed, calm=None, rough=None, clock=None):
        self.server, self.ledger, self.random, self.seed = server, ledger, random, seed
        self.calm, self.rough, self.clock = [] if calm is None else calm, [] if rough is None else rough, clock
        self.wires = list(WIRES)
        self.lock, self.open = threading.Lock(), []

    def thread(self, random):
        """The same for another thread."""
        return Context(self.server, self.ledger, random, self.seed, self.calm, self.rough, self.clock)

    def make_sessions(self):
        """The default session, calm ones, and rough ones, under which workers are killed."""
        caller = self.caller("http")
        make = lambda rough: Session(caller.call("session_create")["sessionId"], rough)
        self.calm += [Session("default", False), *(make(False) for _ in range(CALM))]
        self.rough += [make(True) for _ in range(ROUGH)]
        self.close(caller)

    def wire(self, name):
        return WIRES[name](self.server)

    def caller(self, name=None):
        """A client with a connection of its own, in a calm session."""
        session = self.random.choice(self.calm) if self.calm else Session("default", False)
        caller = Caller(self.wire(name or self.random.choice(self.wires)), self.ledger, session, self.random, self.seed)
        with self.lock:
            self.open.append(caller)
        return caller

    def close(self, *callers):
        for caller in callers:
            caller.wire.close()
            with self.lock:
                if caller in self.open:
                    self.open.remove(caller)

    def close_all(self):
        self.close(*list(self.open))

    def health(self):
        """Over a connection of its own, by no wire's count."""
        connection = http.client.HTTPConnection(*self.server.http, timeout=30)
        try:
            connection.request("GET", "/health")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def vanish(self, wire, operation, leave):
        """A request that its client leaves."""
        self.ledger.begin(wire, operation)
        leave()
        self.ledger.end("left by their clients")

    def answered(self, wire, operation, read, needle, size=0):
        """A request of a socket's own whose answer must come, with this text in it, and then the connection's end."""
        self.ledger.begin(wire, operation)
        try:
            found = read()
        except OSError as error:
            self.ledger.error("LOST", f"{operation} over {wire}, a client of its own: {error!r}")
            return
        if needle.encode() in found and len(found) >= size:
            self.ledger.end("answered")
        elif found:
            self.ledger.error("wrong answers", f"{operation} over {wire}, a client of its own: {len(found)} bytes without {needle[-40:]!r}: {found[:300]!r}")
        else:
            self.ledger.error("LOST", f"{operation} over {wire}, a client of its own: no answer")

    def refused(self, wire, run, needle, sent):
        """What must be refused: with this in the answer."""
        self.ledger.begin(wire, "malformed")
        try:
            found = run()
        except (OSError, Lost) as error:
            # The end of the connection alone is an answer only where nothing better is promised.
            if needle:
                self.ledger.error("LOST", f"malformed {sent[:80]!r} over {wire}: {error!r}")
            else:
                self.ledger.end("refused, as expected")
            return
        if needle in found:
            self.ledger.end("refused, as expected")
        else:
            self.ledger.error("wrong answers", f"malformed {sent[:80]!r} over {wire}: {found[:300]!r} without {needle!r}")
