"""The objects that a session keeps for its clients."""

import sys
from time import monotonic

from . import _failure
from ._builtins import own as __builtins__
from ._leases import Leases
from ._text import clip, short_repr, type_name
from ._wire import Refused


_session = None  # the handles of this process's session


def handles():
    """What this session holds for its clients: for each object its handle, type, size where known, age, repr and lease."""
    now = monotonic()
    return [about(hid, thing, now - _session.born[hid]) for hid, thing in list(_session.held.items())]


def about(hid, thing, age):
    out = {"handleId": hid, "typeName": type_name(type(thing)), "ageMs": int(age * 1000), "repr": short_repr(thing)}
    try:
        size = getattr(thing, "nbytes", None)
        out["size"] = size if type(size) is int else sys.getsizeof(thing)
    except Exception:
        pass  # a property of the user's that raises is no reason to fail
    lease = _session.leases.left(hid)
    if lease is not None:
        out["leaseMs"], out["leaseLeftMs"] = (int(seconds * 1000) for seconds in lease)
    return out


class Handles:
    """Ids look like `TAG.EPOCH.N`: the session's tag, its epoch, a number never used twice."""

    def __init__(self, tag="", epoch=0):
        self.enter(tag, epoch)
        self.held = {}
        self.born = {}
        self.modules = {}
        self.last = 0
        self.leases = Leases()
        self.terms = None  # those of the request that runs, where it has any
        self.callback = None  # makes what stands for a callback of the client's among arguments

    def enter(self, tag, epoch, most=None):
        """Makes these the handles of this process, with a name."""
        self.tag = tag
        self.epoch = epoch
        self.prefix = "%s.%d." % (tag, epoch)
        self.most = most  # how many it may hold
        global _session
        _session = self

    def add(self, thing, leased=True):
        if self.most is not None and len(self.held) >= self.most:
            raise Refused(
                "too_many_handles",
                "this session holds %d objects, as many as it may; dispose of some first" % len(self.held),
            )
        if self.terms is not None:
            self.terms.make_handle()
        self.last += 1
        hid = self.prefix + str(self.last)
        if leased and self.terms is not None and self.terms.lease is not None:
            self.leases.begin(hid, self.terms.lease)
        self.held[hid] = thing
        self.born[hid] = monotonic()
        return hid

    def add_module(self, module):
        """One handle for each module, however often it is imported."""
        hid = self.modules.get(id(module))
        if hid is None:  # held for ever, so that no other object can have the same id
            hid = self.modules[id(module)] = self.add(module, leased=False)
        return hid

    def report(self):
        """Says what is still held at the end, in one line for the log: whoever made it did not let go of it."""
        modules = set(self.modules.values())
        kinds = {}
        for hid, thing in self.held.items():
            if hid not in modules:
                kind = type_name(type(thing))
                kinds[kind] = kinds.get(kind, 0) + 1
        if kinds:
            most = sorted(kinds.items(), key=lambda item: -item[1])[:10]
            said = ", ".join("%d of %s" % (count, kind) for kind, count in most)
            more = ", and others" if len(kinds) > 10 else ""
            _failure.say("objects were still held at the end of the session: %s%s" % (said, more))

    def get(self, hid):
        try:
            thing = self.held[hid]
        except KeyError:
            raise self.missing(hid) from None
        if hid in self.leases.ends:
            self.leases.use(hid)
        return thing

    def drop(self, hid):
        """Lets go of one, and gives it; a module's handle stays, since every client of the session shares it."""
        thing = self.get(hid)
        if self.modules.get(id(thing)) != hid:
            self.forget(hid)
        return thing

    def forget(self, hid):
        """Lets go of one that may be gone already."""
        self.held.pop(hid, None)
        self.born.pop(hid, None)
        self.leases.forget(hid)

    def missing(self, hid):
        if self.is_older(hid):
            return Refused(
                "handle_lost",
                "the object of handle '%s' was lost when the session was restarted; make it again" % clip(hid),
            )
        lease = self.leases.expired.get(hid)
        if lease is not None:
            said = "the object of handle '%s' was released: its lease of %g s ran out, in which nobody used it; make it again"
            return Refused("handle_expired", said % (clip(hid), lease))
        return Refused("unknown_handle", "this session holds no object with the handle '%s'" % clip(hid))

    def is_older(self, hid):
        """Whether the handle is of this session, before it was restarted."""
        tag, _, rest = hid.partition(".")
        epoch = rest.partition(".")[0]
        return tag == self.tag and epoch.isdecimal() and len(epoch) < 20 and int(epoch) < self.epoch

    def keep(self, thing):
        """What a client is told of an object that stays here, from now on under a handle."""
        about = describe(thing)
        return {"isHandle": True, "handleId": self.add(thing), **about}


def describe(thing):
    out = {"typeName": type_name(type(thing)), "repr": short_repr(thing)}
    try:
        shape = getattr(thing, "shape", None)
        if isinstance(shape, tuple) and all(type(n) is int for n in shape):
            out["shape"] = list(shape)
            dtype = getattr(thing, "dtype", None)
            if dtype is not None:
                out["dtype"] = clip(str(dtype))
    except Exception:
        pass  # a property of the user's that raises is no reason to fail
    return out
