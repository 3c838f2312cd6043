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
CLIENTS, FAULT_THREADS = 8, 3
# In a session whose worker may be killed.
ROUGHLY = 0.3
# What is wrong so often is not looked at for longer.
ENOUGH = 30


def run(context, name, until):
    """One round, until that time: each client makes its share of all operations on all wires, and each fault happens, then come others by chance."""
    context.make_sessions()
    pairs = [(scenario, wire) for scenario in operations.SCENARIOS for wire in context.wires if operations.suits(scenario, wire)]
    faults = list(FAULTS)
    chance = random.Random(f"{context.seed}/{name}")
    chance.shuffle(pairs)
    chance.shuffle(faults)
    runs = [(client, pairs[number::CLIENTS]) for number in range(CLIENTS)]
    runs += [(make_faults, faults[number::FAULT_THREADS]) for number in range(FAULT_THREADS)]
    runs.append((ask_health, None))
    contexts = [context.thread(random.Random(f"{context.seed}/{name}/{number}")) for number in range(len(runs))]
    threads = [
        threading.Thread(target=guarded, args=(run, own, first, until), daemon=True)
        for own, (run, first) in zip(contexts, runs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    context.calm.clear()
    context.rough.clear()


def guarded(run, context, first, until):
    try:
        run(context, first, lambda: time.monotonic() > until or len(context.ledger.errors) >= ENOUGH)
    except Exception:
        context.ledger.error("failures of the soak itself", traceback.format_exc())


def client(context, first, over):
    wires, others = ({name: context.wire(name) for name in context.wires} for _ in range(2))
    scenarios, weights = list(operations.SCENARIOS), list(operations.SCENARIOS.values())
    while first or not over():
        if first:
            scenario, wire = first.pop()
        else:
            (scenario,), wire = context.random.choices(scenarios, weights), context.random.choice(context.wires)
        if operations.suits(scenario, wire):
            rough = scenario not in operations.APART and context.random.random() < ROUGHLY
            session = context.random.choice(context.rough if rough else context.calm)
            play(context, scenario, session, wires[wire], others[context.random.choice(context.wires)])
    for each in (*wires.values(), *others.values()):
        each.close()


def play(context, scenario, session, wire, other):
    make = lambda wire: Caller(wire, context.ledger, session, context.random, context.seed)
    caller = make(wire)
    try:
        scenario(caller, *([make(other)] if scenario in operations.WITH_OTHER else []))
    except Stop:
        pass
    except Exception as error:
        # An answer without what it must have.
        context.ledger.error("wrong answers", f"{caller.where(caller.operation)}: {error!r}\n{traceback.format_exc(limit=-3)}")
        context.ledger.end("answered", -1)


def make_faults(context, first, over):
    deck = []
    while first or not over():
        deck = deck or context.random.sample(sorted(FAULTS), len(FAULTS))
        make_fault((first or deck).pop(), context)


def make_fault(name, context):
    try:
        FAULTS[name](context, context.caller())
    except Stop:
        pass
    except Exception as error:
        context.ledger.error("failures of the soak itself", f"fault '{name}': {error!r}\n{traceback.format_exc(limit=-4)}")
    finally:
        context.close_all()
        context.ledger.fault(name)


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
        context.ledger.health(time.monotonic() - began)
        time.sleep(0.2)
