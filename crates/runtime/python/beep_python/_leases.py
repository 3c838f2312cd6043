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

    def begin(self, hid, length):
        self.lengths[hid] = length
        self.use(hid)

    def use(self, hid):
        end = self.ends[hid] = monotonic() + self.lengths[hid]
        if self.due is None or end < self.due:
            self.due = end

    def forget(self, hid):
        self.ends.pop(hid, None)
        self.lengths.pop(hid, None)

    def left(self, hid):
        """Length and rest of a lease; None where the handle has none."""
        end = self.ends.get(hid)
        return None if end is None else (self.lengths[hid], max(0.0, end - monotonic()))

    def stand_still(self, seconds):
        """As if so much of the time until now had not passed."""
        now = monotonic()
        for hid, end in list(self.ends.items()):
            self.ends[hid] = min(end + seconds, now + self.lengths[hid])

    def run_out(self):
        """The handles whose leases have run out by now."""
        now = monotonic()
        over = [hid for hid, end in list(self.ends.items()) if end <= now]
        for hid in over:
            self.expired[hid] = self.lengths[hid]
            self.forget(hid)
        while len(self.expired) > MAX_EXPIRED:
            del self.expired[next(iter(self.expired))]
        self.due = min(self.ends.values(), default=None)
        return over
