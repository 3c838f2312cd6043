"""The table of what happened, and the judgement."""

from load import FAULTS
from wire import PAGES, RPCS, http_route

# The slowest answer of health that is right on a busy machine.
HEALTH_SECONDS = 10.0
KILLS = ("worker killed (-9)", "zygote killed (-9)", "client killed (-9)", "worker stopped")


def not_called(context, ledger):
    """Operations that the server has, and that were not called on a wire that has them."""
    wrong = []
    for name in context.wires:
        wire = context.wire(name)
        known = {*RPCS, *PAGES} if name == "http" else {each for each in RPCS if wire.knows(each)}
        wrong += [f"{each} was never called over {name}" for each in sorted(known - ledger.operations[name])]
    caller = context.caller("http")
    described = caller.call("openapi")["paths"]
    context.close(caller)
    routes = {http_route(operation, {"sessionId": "{sessionId}"}) for operation in [*RPCS, *PAGES]}
    found = {(method.upper(), path) for path, methods in described.items() for method in methods if method in ("get", "post", "put", "delete")}
    wrong += [f"{method} {path} is in openapi.json, and not known to the soak" for method, path in sorted(found - routes) if not path.startswith("/venv/")]
    named = {*RPCS.values()}
    wrong += [f"{rpc} is in the .proto, and not known to the soak" for rpc in sorted(set(context.server.schema.rpcs) - named) if not rpc.startswith("EventService/")]
    return wrong


def table(ledger, figures):
    operations = set().union(*ledger.operations.values()) if ledger.operations else set()
    rows = [("operations", len(operations)), ("wires", ", ".join(f"{name} {count}" for name, count in sorted(ledger.requests.items())))]
    rows += [("requests", ledger.total), *((f"  {name}", count) for name, count in sorted(ledger.outcomes.items()))]
    rows += [("  LOST", 0)] if not ledger.outcomes["LOST"] else []
    rows += [("failed by", ", ".join(f"{name} {count}" for name, count in sorted(ledger.failed_by.items())) or "nothing")]
    rows += [("kills", sum(ledger.faults[name] for name in KILLS)), ("faults", sum(ledger.faults.values()))]
    rows += [(f"  {name}", ledger.skipped.get(name, ledger.faults[name])) for name in sorted(FAULTS)]
    rows += [("slowest health", f"{ledger.slowest * 1000:.0f} ms")]
    width = max(len(name) for name, _ in rows)
    print()
    for name, value in rows:
        print(f"{name:{width}}  {value}")
    if "after" in figures:
        print(f"\n{'':30}  {'before':>8}  {'after':>8}")
        for name, value in figures["after"].items():
            was, now = (len(each) if isinstance(each, list) else each for each in (figures["before"][name], value))
            print(f"{name:30}  {was:>8}  {now:>8}")


def judge(ledger):
    """What is wrong with the requests."""
    wrong = sorted(ledger.errors)
    if ledger.open():
        wrong.append(f"{ledger.open()} requests have no outcome")
    for name in FAULTS:
        if not ledger.faults[name]:
            wrong.append(f"the fault '{name}' never happened")
    if ledger.slowest > HEALTH_SECONDS:
        wrong.append(f"the slowest answer of health took {ledger.slowest:.1f} s")
    return wrong
