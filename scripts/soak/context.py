"""What clients and faults need of the soak: the server, its sessions, connections, chance, and the ledger."""

import contextlib
import threading

from caller import Caller
from grpc_wire import Grpc, grpc, rpcs
from http_wire import Http, RpcJson
from ledger import Session
from pipe_wire import Pipe
from wire import EVENT_RPCS, PAGES, RPCS, http_route

WIRES = {"http": Http, "pipe": Pipe, "rpc-json": RpcJson} | ({"grpc": Grpc} if grpc else {})
CALM, ROUGH = 3, 3


class Context:
    """One for each thread, with chance of its own; the sessions are those of all."""

    def __init__(self, server, ledger, random, calm=None, rough=None, clock=None):
        self.server, self.ledger, self.random = server, ledger, random
        # Sessions whose workers nothing may end, sessions whose workers are killed, and the server whose clock jumps.
        self.calm, self.rough, self.clock = [] if calm is None else calm, [] if rough is None else rough, clock
        self.lock, self.open = threading.Lock(), []

    def thread(self, random):
        """The same for another thread."""
        return Context(self.server, self.ledger, random, self.calm, self.rough, self.clock)

    def make_sessions(self):
        caller = self.caller("http")
        make = lambda rough: Session(caller.call("session_create")["sessionId"], rough)
        self.calm += [Session("default"), *(make(False) for _ in range(CALM))]
        self.rough += [make(True) for _ in range(ROUGH)]
        self.close()

    def wire(self, name=None):
        return WIRES[name or self.random.choice(list(WIRES))](self.server)

    def caller(self, name=None, session=None):
        """A client with a connection of its own, in a calm session; `close` ends them."""
        session = session or (self.random.choice(self.calm) if self.calm else Session("default"))
        caller = Caller(self.wire(name), self.ledger, session, self.random)
        with self.lock:
            self.open.append(caller.wire)
        return caller

    def close(self):
        with self.lock:
            while self.open:
                self.open.pop().close()

    def health(self):
        """Over a connection of its own, by no wire's count."""
        with contextlib.closing(self.wire("http")) as wire:
            return wire.call("ping", {}, {})

    def not_called(self):
        """Operations that the server has, and that were not called on a wire that has them."""
        wrong = []
        for name in WIRES:
            known = {*RPCS, *PAGES} if name == "http" else filter(self.wire(name).knows, RPCS)
            wrong += [f"{each} was never called over {name}" for each in sorted({*known} - self.ledger.operations[name])]
        described = self.caller("http").call("openapi")["paths"]
        routes = {http_route(operation, {"sessionId": "{sessionId}"}) for operation in [*RPCS, *PAGES]}
        found = {(method.upper(), path) for path, methods in described.items() for method in methods if not path.startswith("/venv/")}
        wrong += [f"{method} {path} is in openapi.json, and not known to the soak" for method, path in sorted(found - routes)]
        unknown = {*rpcs(self.server.rpc)} - {*RPCS.values(), *EVENT_RPCS.values()} if grpc else ()
        return wrong + [f"{rpc} is an rpc, and not known to the soak" for rpc in sorted(unknown)]
