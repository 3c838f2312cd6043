"""The objects that a session holds for its clients."""

import sys
from time import monotonic

from . import _exceptions
from ._builtins import own as __builtins__
from ._callbacks import Callback
from ._leases import Leases
from ._repr import clip, named, short_repr, type_name, well_formed
from ._wire import Rejected


MAX_ENDED = 10_000
PROMPT = "beep_python._prompt.Prompt"
DEFAULT_TAG = "d"
_session = None  # the handles of this process's session


def handles():
    """Lists the objects that this session holds: for each its handle, type, size if known, age, repr and lease."""
    now = monotonic()
    return [describe_held(handle_id, obj, now - _session.born.get(handle_id, now)) for handle_id, obj in list(_session.held.items())]


def describe_held(handle_id, obj, age):
    kind = {key: well_formed(text) for key, text in named(type(obj)).items()}
    text = _unless_interrupted(short_repr, obj)
    out = {"handleId": handle_id, **kind, "ageMs": int(age * 1000)}
    out["repr"] = well_formed(text or "<%s, whose __repr__ raised KeyboardInterrupt>" % type_name(type(obj)))
    size = _unless_interrupted(_size_of, obj)
    if size is not None:
        out["size"] = size
    lease = _session.leases.left(handle_id)
    if lease is not None:
        out["leaseMs"], out["leaseLeftMs"] = (int(seconds * 1000) for seconds in lease)
    return out


def _size_of(obj):
    """The object's size in bytes; None where its own code raised or gave none."""
    try:
        size = getattr(obj, "nbytes", None)
        return size if type(size) is int and 0 <= size < 1 << 63 else sys.getsizeof(obj)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def _unless_interrupted(look, obj):
    """What `look` finds; None where the object's own code raised KeyboardInterrupt, which is then no request to stop."""
    try:
        return look(obj)
    except KeyboardInterrupt:
        if _session.is_stopping():
            raise
        return None


def called(tag):
    """A session, by the tag of its handles: its id, but for the default one."""
    return "default session" if tag == DEFAULT_TAG else "session '%s'" % tag


class Handles:
    """Ids look like `TAG.EPOCH.N`: the session's tag, its epoch, and a number that is never reused."""

    def __init__(self, tag="", epoch=0):
        self.enter(tag, epoch)
        self.held = {}
        self.born = {}
        self.modules = {}
        self.count = [0]  # how many are held, where the host sees it
        self.last = 0
        self.leases = Leases()
        self.passing = set()  # handles that end with what made them: an argument of a callback, an item of a stream
        self.ended = {}  # those that ended so, to say it of one that is used later
        self.request_limits = None  # of the running request, if it has any
        self.is_stopping = bool  # whether the running request is cancelled
        self.callback = None  # creates the proxy of a client's callback
        self.attached = None  # the data that came with the running request

    def enter(self, tag, epoch, limit=None):
        """Makes these the handles of this process."""
        self.tag = tag
        self.epoch = epoch
        self.prefix = "%s.%d." % (tag, epoch)
        self.limit = limit  # of handles held at once
        global _session
        _session = self

    def add(self, obj, leased=True):
        if self.limit is not None and len(self.held) >= self.limit:
            raise Rejected(
                "too_many_handles",
                "this session holds %d objects, as many as it may; dispose of some first" % len(self.held),
            )
        if self.request_limits is not None:
            self.request_limits.count_handle()
        self.last += 1
        handle_id = self.prefix + str(self.last)
        if leased and self.request_limits is not None and self.request_limits.lease is not None:
            self.leases.begin(handle_id, self.request_limits.lease)
        self.born[handle_id] = monotonic()
        self.held[handle_id] = obj  # the last step, should an exception from outside come in between
        self.count[0] = len(self.held)
        return handle_id

    def add_own(self, obj):
        """As `add`, for what the client has sent: a callback that it keeps ends with this handle."""
        handle_id = self.add(obj)
        if type(obj) is Callback:
            obj.own(handle_id)
        return handle_id

    def add_module(self, module):
        """Returns one handle for each module, however often it is imported."""
        handle_id = self.modules.get(id(module))
        if handle_id is None:  # held forever, so that no other object gets the same id
            handle_id = self.modules[id(module)] = self.add(module, leased=False)
        return handle_id

    def report(self):
        """Logs in one line which objects were never disposed of, for who writes a client. Where a prompt was typed into the session there
        is no such: its handles are our own."""
        modules = set(self.modules.values())
        types = {}
        for handle_id, obj in self.held.items():
            if handle_id not in modules:
                type_ = type_name(type(obj))
                types[type_] = types.get(type_, 0) + 1
        if types and PROMPT not in types:
            limit = sorted(types.items(), key=lambda item: -item[1])[:10]
            detail = ", ".join("%d of %s" % (count, type_) for type_, count in limit)
            more = ", and others" if len(types) > 10 else ""
            _exceptions.write_stderr("objects were still held at the end of the session: %s%s" % (detail, more))

    def clear(self):
        """Releases everything at the end of the session, modules too."""
        held, self.held = self.held, {}
        self.count[0] = 0
        while held:
            held.popitem()

    def get(self, handle_id):
        try:
            obj = self.held[handle_id]
        except KeyError:
            raise self.missing(handle_id) from None
        if handle_id in self.leases.ends:
            self.leases.use(handle_id)
        return obj

    def drop(self, handle_id):
        """Releases a handle and returns its object; a module's handle stays, since all clients share it."""
        obj = self.get(handle_id)
        if self.modules.get(id(obj)) != handle_id:
            self.forget(handle_id)
        if type(obj) is Callback:
            obj.release(handle_id)
        return obj

    def forget(self, handle_id):
        """Removes a handle, if it is still there."""
        self.held.pop(handle_id, None)
        self.count[0] = len(self.held)
        self.born.pop(handle_id, None)
        self.leases.forget(handle_id)
        self.passing.discard(handle_id)

    def missing(self, handle_id):
        if self.is_older(handle_id):
            return Rejected(
                "handle_lost",
                "the object of handle '%s' was lost when the session was restarted; make it again" % clip(handle_id),
            )
        lease = self.leases.expired.get(handle_id)
        if lease is not None:
            detail = "the object of handle '%s' was released: its lease of %g s ran out, in which nobody used it; make it again"
            return Rejected("handle_expired", detail % (clip(handle_id), lease))
        if handle_id in self.ended:
            detail = "the object of handle '%s' was released with the callback or the stream that it was for; keep it while that runs"
            return Rejected("handle_expired", detail % clip(handle_id))
        owner = self.owner(handle_id)
        if owner is not None:
            detail = "the handle '%s' belongs to the %s, and this is the %s; use it there while that session lives, or make the object here"
            return Rejected("unknown_handle", detail % (clip(handle_id), owner, called(self.tag)))
        return Rejected("unknown_handle", "this session holds no object with the handle '%s'" % clip(handle_id))

    def owner(self, handle_id):
        """The other session whose handle it is, by the form of the handle."""
        tag, *numbers = handle_id.split(".")
        if tag == self.tag or len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            return None
        is_tag = tag == DEFAULT_TAG or (tag[:1] == "s" and tag[1:].isdecimal() and len(tag) < 20)
        return called(tag) if is_tag else None

    def is_older(self, handle_id):
        """Whether the handle is from this session before a restart."""
        tag, _, rest = handle_id.partition(".")
        epoch = rest.partition(".")[0]
        return tag == self.tag and epoch.isdecimal() and len(epoch) < 20 and int(epoch) < self.epoch

    def keep_passing(self, obj):
        """As `keep`, for a handle that ends with the callback or the stream that made it, unless the client keeps it."""
        out = self.keep(obj)
        self.passing.add(out["handleId"])
        return out

    def end_passing(self, handle_ids):
        """Ends those of the handles that the client has not kept."""
        ended = [handle_id for handle_id in handle_ids if handle_id in self.passing]
        for handle_id in ended:
            self.passing.discard(handle_id)
            self.forget(handle_id)
            self.ended[handle_id] = True
        while len(self.ended) > MAX_ENDED:
            del self.ended[next(iter(self.ended))]

    def keep(self, obj, with_repr=False):
        """Adds a handle for the object and returns its description."""
        about = describe(obj)
        if with_repr:
            about["repr"] = short_repr(obj)
        return {"isHandle": True, "handleId": self.add(obj), **about}


def describe(obj):
    out = named(type(obj))
    try:
        shape = getattr(obj, "shape", None)
        if isinstance(shape, tuple) and all(type(n) is int for n in shape):
            out["shape"] = list(shape)
            dtype = getattr(obj, "dtype", None)
            if dtype is not None:
                out["dtype"] = clip(str(dtype))
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass  # a property of the user's class raised
    return out
