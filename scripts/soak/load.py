"""The load: clients that call, and threads that make faults, each with chance of its own by the seed."""

import random
import threading
import time
import traceback

import client_faults
import code_faults
import host_faults
import operations
from caller import Caller, Stop

FAULTS = client_faults.FAULTS | code_faults.FAULTS | host_faults.FAULTS
FAULT_THREADS = 2
# In a session whose worker may be killed.
ROUGHLY = 0.3
HEALTH_SECONDS = 10.0


class Load:
    def __init__(self, context, clients):
        self.context, self.clients, self.began = context, clients, time.monotonic()
        self.round = 0

    def seconds(self):
        return time.monotonic() - self.began

    def warm_up(self, seconds):
        """Every operation on every wire, and every fault, once; then load for a while."""
        self.context.make_sessions()
        context = self.context
        self._together([lambda wire=wire: self._each_scenario(wire) for wire in context.wires] + [self._each_fault])
        self._load(seconds)
        self._forget_sessions()

    def run(self, seconds):
        self.context.make_sessions()
        self._load(seconds)
        if not self.context.server.log_disk:
            # The limit that stands in for a full disk holds for all files of the server, so it is alone here.
            self._fault("full disk", self.context)
        self._forget_sessions()

    def _forget_sessions(self):
        self.context.calm.clear()
        self.context.rough.clear()

    def _chance(self, name):
        return random.Random(f"{self.context.seed}/{self.round}/{name}")

    def _load(self, seconds):
        self.round += 1
        until = time.monotonic() + seconds
        runs = [lambda number=number: self._client(number, until) for number in range(self.clients)]
        runs += [lambda number=number: self._faults(number, until) for number in range(FAULT_THREADS)]
        self._together([*runs, lambda: self._health(until)])

    def _together(self, runs):
        threads = [threading.Thread(target=self._guarded, args=(run,), daemon=True) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _guarded(self, run):
        try:
            run()
        except Exception:
            self.context.ledger.error("failures of the soak itself", traceback.format_exc())

    def _each_scenario(self, wire):
        context = self.context.thread(self._chance(wire))
        for scenario in operations.SCENARIOS:
            if operations.suits(scenario, wire):
                self._scenario(context, scenario, context.wire(wire), context.wire("http"), context.random.choice(context.calm), close=True)

    def _each_fault(self):
        context = self.context.thread(self._chance("each fault"))
        for name in FAULTS:
            if name != "full disk" or context.server.log_disk:
                self._fault(name, context)

    def _client(self, number, until):
        context = self.context.thread(self._chance(f"client {number}"))
        wires = {name: context.wire(name) for name in context.wires}
        others = {name: context.wire(name) for name in context.wires}
        scenarios, weights = list(operations.SCENARIOS), list(operations.SCENARIOS.values())
        while time.monotonic() < until:
            wire = context.random.choice(context.wires)
            (scenario,) = context.random.choices(scenarios, weights)
            if not operations.suits(scenario, wire):
                continue
            rough = scenario not in operations.APART and context.random.random() < ROUGHLY
            session = context.random.choice(context.rough if rough else context.calm)
            self._scenario(context, scenario, wires[wire], others[context.random.choice(context.wires)], session)
        for each in (*wires.values(), *others.values()):
            each.close()

    def _scenario(self, context, scenario, wire, other, session, close=False):
        caller = Caller(wire, context.ledger, session, context.random, context.seed)
        more = [Caller(other, context.ledger, session, context.random, context.seed)] if scenario in operations.WITH_OTHER else []
        try:
            scenario(caller, *more)
        except Stop:
            pass
        except Exception as error:
            # An answer without what it must have.
            context.ledger.error("wrong answers", f"{caller.where(caller.operation)}: {error!r}\n{traceback.format_exc(limit=-3)}")
            context.ledger.end("answered", -1)
        if close:
            wire.close()
            other.close()

    def _faults(self, number, until):
        """All faults in some order, again and again; the first time whatever the time is."""
        context = self.context.thread(self._chance(f"faults {number}"))
        deck = []
        mine = sorted(name for name in FAULTS if name != "full disk" or context.server.log_disk)[number::FAULT_THREADS]
        first = list(mine)
        context.random.shuffle(first)
        while time.monotonic() < until or first:
            if first:
                self._fault(first.pop(), context)
                continue
            if not deck:
                deck = [name for name in FAULTS if name != "full disk" or context.server.log_disk]
                context.random.shuffle(deck)
            self._fault(deck.pop(), context)

    def _fault(self, name, context):
        caller = context.caller()
        try:
            FAULTS[name](context, caller)
        except Stop:
            pass
        except Exception as error:
            context.ledger.error("failures of the soak itself", f"fault '{name}': {error!r}\n{traceback.format_exc(limit=-4)}")
        finally:
            context.close_all()
            if context.clock:
                context.clock.close_all()
            context.ledger.fault(name)

    def _health(self, until):
        """Health is answered all the time."""
        context = self.context
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                context.health()
            except Exception as error:
                context.ledger.error("LOST", f"health: {error!r}")
                context.ledger.begin("http", "ping")
            took = time.monotonic() - began
            context.ledger.health(took)
            time.sleep(0.2)
