"""What a request agrees to beside what it asks for, as the frame before it says."""

from ._builtins import own as __builtins__
from ._decode import body_of
from ._wire import Refused


class Terms:
    """`handles` that it may make, `result_bytes` that each item of its stream may have, the `lease` of its
    handles in seconds; None where there is none."""

    def __init__(self, data=b""):
        said = body_of(data)
        self.handles = said.get("handles")
        self.result_bytes = said.get("resultBytes")
        lease = said.get("leaseMs")
        self.lease = None if lease is None else lease / 1000
        self.made = 0

    def make_handle(self):
        """Counts one; raises Refused where it is one too many."""
        if self.handles is not None and self.made >= self.handles:
            raise Refused("too_many_handles", "this call made %d objects, as many as it may" % self.made)
        self.made += 1


def smaller(one, other):
    """Of two limits, each of which may be None."""
    return other if one is None else one if other is None else min(one, other)
