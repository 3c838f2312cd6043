"""Text about objects: bounded, and safe whatever the objects' own methods do."""

import reprlib

from ._builtins import own as __builtins__

MAX_MESSAGE = 64 * 1024
MAX_REPR = 200
_short = reprlib.Repr()
_short.maxstring = _short.maxother = MAX_REPR
_short.maxlist = _short.maxtuple = _short.maxdict = _short.maxset = _short.maxfrozenset = 8
_BOUNDED = (str, bytes, bytearray, list, tuple, dict, set, frozenset, int)
# bypasses metaclasses, whose attributes may raise or be no text
_qualname_of = type.__dict__["__qualname__"].__get__
_name_of = type.__dict__["__name__"].__get__
_module_of = type.__dict__["__module__"].__get__


def type_name(kind):
    """The name of a type, with its module unless that is `builtins`: `int`, `decimal.Decimal`."""
    name = _qualname_of(kind)
    try:
        module = _module_of(kind)
    except AttributeError:
        return name
    if type(module) is not str or module == "builtins":
        return name
    return module + "." + name


def name_of(kind):
    """A type's `__name__`, whatever its metaclass does."""
    return _name_of(kind)


def named(kind):
    """A type in an answer: its `__name__`, which existing clients compare, and its module unless that is `builtins`."""
    out = {"typeName": _name_of(kind)}
    try:
        module = _module_of(kind)
    except AttributeError:
        return out
    if type(module) is str and module != "builtins":
        out["typeModule"] = module
    return out


def message_of(obj):
    """`str(obj)`. Not while a request can be interrupted: this catches every exception."""
    try:
        text = str.__str__(str(obj))  # of exactly that type
    except BaseException as error:
        return "<%s, whose __str__ raised %s>" % (type_name(type(obj)), type_name(type(error)))
    if len(text) > MAX_MESSAGE:
        return text[:MAX_MESSAGE] + "… (%d more characters)" % (len(text) - MAX_MESSAGE)
    return text


def short_repr(obj):
    """`repr(obj)`, clipped; builtin containers are abbreviated, so that a large one costs nothing."""
    try:
        return clip(_short.repr(obj) if isinstance(obj, _BOUNDED) else repr(obj))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: it is no wish of the code that runs
        return "<%s, whose __repr__ raised %s>" % (type_name(type(obj)), type_name(type(error)))


def well_formed(text):
    """The text with halves of characters, which UTF-8 cannot carry, as Python prints them on standard error."""
    return text.encode("utf-8", "backslashreplace").decode()


def clip(text, limit=MAX_REPR):
    text = str.__str__(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
