"""The limits of one request, from the frame before it."""

from ._builtins import own as __builtins__
from ._decode import body_of
from ._wire import Rejected


class RequestLimits:
    """`handles`: how many the request may create; `result_bytes`: the largest item of its stream; `lease`: seconds that
    its handles stay valid unused; `data_bytes`, `data_count`: how much shared and received data the session may hold. None
    means no limit, or the usual one."""

    def __init__(self, data=b""):
        body = body_of(data)
        self.handles = body.get("handles")
        self.result_bytes = body.get("resultBytes")
        self.data_bytes, self.data_count = body.get("dataBytes"), body.get("dataCount")
        lease = body.get("leaseMs")
        self.lease = None if lease is None else lease / 1000
        self.handles_created = 0
        self.log, self.progress = body.get("log") is True, body.get("progress") is True  # what its client wants to hear of
        # the trace that it is part of, as headers
        self.trace = {key: body[key] for key in ("traceparent", "tracestate") if key in body} or None
        self.locals = body.get("locals") is True  # whether its exceptions tell of the variables of their frames

    def count_handle(self):
        """Counts one more handle; raises Rejected above the limit."""
        if self.handles is not None and self.handles_created >= self.handles:
            raise Rejected("too_many_handles", "this call made %d objects, as many as it may" % self.handles_created)
        self.handles_created += 1


def tighter(one, other):
    """The lower of two limits, either of which may be None."""
    return other if one is None else one if other is None else min(one, other)
