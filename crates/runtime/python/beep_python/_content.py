"""What goes into a datum: its descriptor, and how its bytes are written."""

from ._builtins import own as __builtins__

_dict_of = type.__dict__["__dict__"].__get__
_mro_of = type.__dict__["__mro__"].__get__


class Unfit(Exception):
    """An object has no such form. The message says why, and what to ask for instead."""


class Content:
    """Bytes that are there. `size` is None where only writing tells it; `parts` are buffers."""

    def __init__(self, kind, format, size, parts, **about):
        self.size, self.parts = size, parts
        self.at_least = size  # for the limits, before anything is written
        length = {} if size is None else {"byteLength": size}
        self.descriptor = {"kind": kind, **about, **length, "offset": 0, "format": format, "live": False}

    def fill(self, sink):
        for part in self.parts:
            sink.write(part)

    def address(self):
        """Where its bytes lie, if they may be sent in place; else None."""
        return None


def whole(kind, format, data):
    return Content(kind, format, memoryview(data).nbytes, (data,))


def derives(kind, base):
    """Whether a type has this class among its own: what a mock says of its class does not count."""
    return any([own is base for own in _mro_of(kind)])


def defines(kind, name):
    """Whether a class among a type's own has this attribute, which its instances alone may pretend to have."""
    return any([name in _dict_of(own) for own in _mro_of(kind)])
