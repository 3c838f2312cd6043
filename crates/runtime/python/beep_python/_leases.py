"""Leases: handles that expire when they have not been used for a while. One sweep for all of them, no timers."""

from time import monotonic

from ._builtins import own as __builtins__

MAX_EXPIRED = 1024  # remembered, for the error message


class Leases:
    """All times are in seconds."""

    def __init__(self):
        self.lengths = {}
        self.ends = {}  # when each expires, unless it is used before
        self.expired = {}  # the lengths of those that expired last
        self.due = None  # when to sweep next; not later than the earliest end

    def begin(self, handle_id, length):
        self.lengths[handle_id] = length
        self.use(handle_id)

    def use(self, handle_id):
        end = self.ends[handle_id] = monotonic() + self.lengths[handle_id]
        if self.due is None or end < self.due:
            self.due = end

    def forget(self, handle_id):
        self.ends.pop(handle_id, None)
        self.lengths.pop(handle_id, None)

    def left(self, handle_id):
        """Length of a lease and the time left; None if the handle has none."""
        end = self.ends.get(handle_id)
        return None if end is None else (self.lengths[handle_id], max(0.0, end - monotonic()))

    def extend_all(self, seconds):
        """Extends every lease by so many seconds, up to its full length."""
        now = monotonic()
        for handle_id, end in list(self.ends.items()):
            self.ends[handle_id] = min(end + seconds, now + self.lengths[handle_id])

    def expire(self):
        """Removes and returns the handles whose leases have expired."""
        now = monotonic()
        over = [handle_id for handle_id, end in list(self.ends.items()) if end <= now]
        for handle_id in over:
            self.expired[handle_id] = self.lengths[handle_id]
            self.forget(handle_id)
        while len(self.expired) > MAX_EXPIRED:
            del self.expired[next(iter(self.expired))]
        self.due = min(self.ends.values(), default=None)
        return over
