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
from context import WIRES

FAULTS = client_faults.FAULTS | code_faults.FAULTS | host_faults.FAULTS
CLIENTS, FAULT_THREADS = 8, 3
# In a session whose worker may be killed.
ROUGHLY = 0.3
# What is wrong so often is not looked at for longer.
ENOUGH = 30


def run(context, name, until, seed):
    """One round, until that time: each client makes its share of all operations on all wires, and each fault happens, then come others by chance."""
    context.make_sessions()
    pairs = [(scenario, wire) for scenario in operations.SCENARIOS for wire in WIRES if operations.suits(scenario, wire)]
    faults = list(FAULTS)
    chance = random.Random(f"{seed}/{name}")
    chance.shuffle(pairs)
    chance.shuffle(faults)
    runs = [(client, pairs[number::CLIENTS]) for number in range(CLIENTS)]
    runs += [(make_faults, faults[number::FAULT_THREADS]) for number in range(FAULT_THREADS)]
    runs.append((ask_health, None))
    over = lambda: time.monotonic() > until or len(context.ledger.errors) >= ENOUGH

    def guarded(run, first, own):
        try:
            run(own, first, over)
        except Exception:
            own.ledger.error("failures of the soak itself", traceback.format_exc())

    threads = []
    for number, (run, first) in enumerate(runs):
        own = context.thread(random.Random(f"{seed}/{name}/{number}"))
        threads.append(threading.Thread(target=guarded, args=(run, first, own), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    context.calm.clear()
    context.rough.clear()


def client(context, first, over):
    """Two connections of each wire: those of the second set answer what the server asks over the first."""
    wires, others = ({name: context.wire(name) for name in WIRES} for _ in range(2))
    scenarios, weights = list(operations.SCENARIOS), list(operations.SCENARIOS.values())
    while first or not over():
        if first:
            scenario, wire = first.pop()
        else:
            (scenario,), wire = context.random.choices(scenarios, weights), context.random.choice(list(WIRES))
        if operations.suits(scenario, wire):
            rough = scenario not in operations.APART and context.random.random() < ROUGHLY
            session = context.random.choice(context.rough if rough else context.calm)
            used = [wires[wire]] + [context.random.choice(list(others.values()))] * (scenario in operations.WITH_OTHER)
            play(context, scenario, [Caller(each, context.ledger, session, context.random) for each in used])
    for each in (*wires.values(), *others.values()):
        each.close()


def play(context, scenario, callers):
    try:
        scenario(*callers)
    except Stop:
        pass
    except Exception as error:
        # An answer without what it must have.
        context.ledger.error("wrong answers", f"{callers[0].where()}: {error!r}\n{traceback.format_exc(limit=-3)}")
        context.ledger.end("answered", -1)


def make_faults(context, first, over):
    deck = []
    while first or not over():
        deck = deck or context.random.sample(sorted(FAULTS), len(FAULTS))
        name = (first or deck).pop()
        try:
            FAULTS[name](context, context.caller())
        except Stop:
            pass
        except Exception as error:
            context.ledger.error("failures of the soak itself", f"fault '{name}': {error!r}\n{traceback.format_exc(limit=-4)}")
        context.close()
        context.ledger.faults[name] += 1


def ask_health(context, first, over):
    """Health is answered all the time."""
    while not over():
        began = time.monotonic()
        context.ledger.begin("http", "ping")
        try:
            context.health()
            context.ledger.end("answered")
        except Exception as error:
            context.ledger.error("LOST", f"health: {error!r}")
        context.ledger.slowest = max(context.ledger.slowest, time.monotonic() - began)
        time.sleep(0.2)
