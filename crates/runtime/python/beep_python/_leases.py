"""Leases: handles that are let go of when nobody has used them for a while. One sweep for all of them, and no timers."""

from time import monotonic

from ._builtins import own as __builtins__

MAX_EXPIRED = 1024  # that are remembered, to say so


class Leases:
    """All times are in seconds."""

    def __init__(self):
        self.lengths = {}
        self.ends = {}  # when each runs out, unless it is used before
        self.expired = {}  # the lengths of those that ran out last
        self.due = None  # when to look next; not later than the first of the ends

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
        """Length and rest of a lease; None where the handle has none."""
        end = self.ends.get(handle_id)
        return None if end is None else (self.lengths[handle_id], max(0.0, end - monotonic()))

    def extend_all(self, seconds):
        """As if so much of the time until now had not passed."""
        now = monotonic()
        for handle_id, end in list(self.ends.items()):
            self.ends[handle_id] = min(end + seconds, now + self.lengths[handle_id])

    def expire(self):
        """The handles whose leases have run out by now."""
        now = monotonic()
        over = [handle_id for handle_id, end in list(self.ends.items()) if end <= now]
        for handle_id in over:
            self.expired[handle_id] = self.lengths[handle_id]
            self.forget(handle_id)
        while len(self.expired) > MAX_EXPIRED:
            del self.expired[next(iter(self.expired))]
        self.due = min(self.ends.values(), default=None)
        return over
