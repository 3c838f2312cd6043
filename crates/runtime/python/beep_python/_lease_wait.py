"""Waiting for a request while leases expire."""

from select import POLLIN, poll

from ._builtins import own as __builtins__
from ._exit import exit_child

OVERDUE = 1.0  # seconds that back-to-back requests may delay the expiry of leases
MAX_WAIT = 3600.0  # seconds of one wait


def wait_with_leases(worker):
    """Waits for a request; meanwhile leases expire, and background tasks run.

    Requests go first, for they may renew a lease, but back-to-back requests do not delay expiry forever.
    """
    leases, session_loop, ready = worker.leases, worker.session_loop, poll()
    ready.register(worker.source, POLLIN)
    while leases.due is not None:
        left = leases.due - worker.now()
        if left > -OVERDUE and ready.poll(0):
            return
        if left <= 0:
            worker.session.release_expired()
            continue
        left = min(left, MAX_WAIT)
        if session_loop.loop is not None:
            session_loop.run_while_idle(worker.source, left)
            if worker.forked:  # by a background task
                exit_child(None)
            left = min(max(0, leases.due - worker.now()), MAX_WAIT)
        if ready.poll(left * 1000):
            return
    if session_loop.loop is not None:
        session_loop.run_while_idle(worker.source)
        if worker.forked:
            exit_child(None)
