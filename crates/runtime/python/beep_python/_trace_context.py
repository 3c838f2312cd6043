"""The trace that a call is part of, as W3C's Trace Context names it. It comes with the call, from its client or from the host's span of it."""

import functools
from importlib.util import find_spec

from . import _current
from ._builtins import own as __builtins__

KEPT = 1000  # of how many calls the trace is known: threads and tasks may outlive theirs
_calls = {}  # `traceparent` by call


def current_traceparent():
    """The `traceparent` of the call that the code at hand belongs to, for what it asks of others; None where it is part of no trace.

    requests.get(url, headers={"traceparent": beep_python.current_traceparent()})
    """
    client = _current.client
    return None if client is None else _calls.get(client.origin.caller())


current_traceparent.__module__ = "beep_python"  # where users find it


def traced(worker, operation):
    """The operation of a request within the trace that came with that; as it is, if none did."""
    limits = worker.session.handles.request_limits
    if limits is None or limits.trace is None:
        return operation
    return functools.partial(run, worker.origin.running_call(), limits.trace, operation)


def run(call, trace, operation, body, exact):
    around = _calls.get(call)  # of the call that this one is nested in
    _calls[call] = trace["traceparent"]
    if len(_calls) > KEPT:
        del _calls[next(iter(_calls))]
    detach = attach(trace)
    try:
        return operation(body, exact)
    finally:
        detach()
        if around is not None:
            _calls[call] = around


def attach(trace):
    """Makes the trace the current one of the package opentelemetry, where that is installed. Returns what undoes it."""
    try:
        if find_spec("opentelemetry") is None:
            return nothing
        from opentelemetry import context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        return functools.partial(context.detach, context.attach(TraceContextTextMapPropagator().extract(trace)))
    except Exception:  # it is another package, or cannot be imported: the call runs all the same
        return nothing


def nothing():
    """There is nothing to undo."""
