"""Decodes request bodies into Python values, and replaces handle ids by their objects."""

import base64
import math
import re
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from json.decoder import WHITESPACE, JSONDecodeError, JSONDecoder
from unicodedata import normalize

from ._builtins import own as __builtins__
from ._wire import Rejected

_scan = JSONDecoder(strict=False).scan_once
_space = WHITESPACE.match
_SCALARS = frozenset((str, int, bool, type(None), float))
_NON_FINITE = frozenset(("NaN", "Infinity", "-Infinity"))
# the keys of requests; those of call options may stand beside them
_KEYS = frozenset(
    "args attributeName className credit data env eof error expression format formats handleId handleIds item keep key kind kwargs "
    "locals methodName moduleHandleId moduleName name operation outputs questionId repr returnType setup steps stopOnError value "
    "session requestId timeoutMs graceMs limits leaseMs cancelOnDisconnect isolated values capabilities tracebackLocals callback "
    "traceparent tracestate".split()
)
_KEY_BY_LOWER_CASE = {key.lower(): key for key in _KEYS}
_CALLBACK = frozenset(("$callback", "doc", "signature", "keep"))
# how existing clients write a handle among arguments
_FOREIGN = (
    (frozenset(("handleId", "typeName", "isValid")), "handleId"),
    (frozenset(("handleId", "moduleName")), "handleId"),
    (frozenset(("HandleId", "TypeName", "IsValid")), "HandleId"),
    (frozenset(("HandleId", "ModuleName")), "HandleId"),
)


def loads(text):
    """As `json.loads`, without its Python code, which uses the builtins that user code may replace."""
    try:
        value, end = _scan(text, _space(text, 0).end())
    except StopIteration as stop:
        raise JSONDecodeError("Expecting value", text, stop.value) from None
    end = _space(text, end).end()
    if end != len(text):
        raise JSONDecodeError("Extra data", text, end)
    return value


def body_of(data):
    """Parses a request body, which must be a JSON object. A step of a batch is parsed already."""
    if type(data) is dict:
        return with_known_case(data)
    try:
        body = loads(str(data, "utf-8")) if data else {}
    except RecursionError:
        raise Rejected("invalid_request", "the body is nested too deeply") from None
    except ValueError as error:
        raise Rejected("invalid_request", "the body is not valid JSON: %s" % error) from None
    if type(body) is not dict:
        raise Rejected("invalid_request", "the body must be a JSON object")
    return with_known_case(body)


def with_known_case(body):
    """Refuses a key that is known but for its case, and would go unread. Others are of clients that know more."""
    if not body.keys() <= _KEYS:
        for key in body:
            meant = key not in _KEYS and _KEY_BY_LOWER_CASE.get(key.lower())
            if meant:
                raise Rejected("invalid_request", "'%s': there is no such key; did you mean '%s'?" % (key, meant))
    return body


def text(body, key):
    """Returns a field that must be a string."""
    value = body.get(key)
    if type(value) is not str:
        raise wrong(key, "a string", value)
    return value


def required(body, key):
    """Returns a field that must be there, of any type."""
    if key not in body:
        raise Rejected("invalid_request", "'%s' is missing" % key)
    return body[key]


def key_of(body, handles):
    """Returns the key of an item: always in the exact form, or a slice, or an ellipsis."""
    key = required(body, "key")
    if type(key) in _SCALARS:
        return key
    try:
        return _resolver(handles, True, _KEY_TAGS)(key)
    except RecursionError:
        raise Rejected("invalid_request", "the key is nested too deeply") from None


def wrong(key, wanted, value):
    return Rejected("invalid_request", "'%s' must be %s; the request has %s" % (key, wanted, _found(value)))


def _found(value):
    found = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "nothing"}
    return found.get(type(value), "a number")


def arguments(body, handles, exact):
    """The `args` and `kwargs` of a call."""
    args = body.get("args")
    kwargs = body.get("kwargs")
    if args is None:
        args = []
    elif type(args) is not list:
        raise wrong("args", "an array", args)
    if kwargs is None:
        kwargs = {}
    elif type(kwargs) is not dict:
        raise wrong("kwargs", "an object", kwargs)
    return value_of(args, handles, exact), values_of(kwargs, handles, exact)


def value_of(value, handles, exact, of_request=True):
    """Decodes one value. Of a request, it may stand for data that came with it."""
    if type(value) in _SCALARS:
        return value
    try:
        return _resolver(handles, exact, attached=handles.attached if of_request else None)(value)
    except RecursionError:
        raise Rejected("invalid_request", "a value is nested too deeply") from None


def values_of(values, handles, exact):
    """Decodes values by name; the object that holds them is not itself a value."""
    return {key: value_of(value, handles, exact) for key, value in values.items()}


def code_name(name):
    """The name by which code finds what has this one: Python normalises the identifiers in it."""
    return name if name.isascii() or not name.isidentifier() else normalize("NFKC", name)


def _resolver(handles, exact, tags=None, attached=None):
    """`tags` are those of the exact form, unless others are given; `attached` are the data that `$data` stands for."""
    tags = _TAGS if tags is None else tags

    def resolve(value):
        kind = type(value)
        if kind is list:
            if not set(map(type, value)) <= _SCALARS:
                return [resolve(item) for item in value]
        elif kind is dict:
            return mapping(value)
        return value

    def mapping(value):
        handle_id = value.get("$handle")
        if type(handle_id) is str and len(value) == 1:
            return handles.get(handle_id)
        name = value.get("$callback")
        if type(name) is str and value.keys() <= _CALLBACK:
            keep = value.get("keep", False)
            if type(keep) is not bool and type(keep) is not str:
                raise wrong("keep", "true, or the id of a subscription", keep)
            return handles.callback(name, *[text(value, key) if key in value else None for key in ("doc", "signature")], keep)
        if attached is not None and len(value) == 1 and "$data" in value:
            return attached.get(value["$data"])
        if exact:
            for key in value:
                if key[:1] == "$":
                    return _untag(key, value, resolve, tags)
        else:
            for keys, name in _FOREIGN:
                if value.keys() == keys and type(value[name]) is str and value[name] in handles.held:
                    return handles.get(value[name])
        return {key: resolve(item) for key, item in value.items()}

    return resolve


def _untag(tag, value, resolve, tags):
    kind, read = tags.get(tag, (None, None))
    if read is None or value.keys() - {tag, "fold", "zone"}:
        raise Rejected("invalid_request", "'%s' is no tag of the exact form; write such a dict as $dict" % tag)
    content = value[tag]
    try:
        if kind is not None and type(content) is not kind:
            raise TypeError("it holds %s" % _found(content))
        out = read(content, resolve)
        if "fold" in value:
            fold = value["fold"]
            if type(fold) is not int or type(out) not in (datetime, time):
                raise TypeError("'fold' cannot be there")
            out = out.replace(fold=fold)
        if "zone" in value:
            out = _in_zone(out, value["zone"])
        return out
    except (Rejected, RecursionError):
        raise
    except Exception as error:
        raise Rejected("invalid_request", "a %s cannot be read: %s" % (tag, error)) from None


def _number(part, resolve):
    """The real or imaginary part of a complex number: a plain or a tagged number."""
    part = resolve(part)
    if type(part) is not float and type(part) is not int:
        raise TypeError("it holds %s" % _found(part))
    return float(part)


_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def _float(number, resolve):
    """A float as text or as a number: JavaScript writes 1.0 as `1`."""
    if type(number) is float or type(number) is int:
        return float(number)
    if type(number) is str and (number in _NON_FINITE or _DECIMAL.fullmatch(number) is not None):
        return float(number)
    raise ValueError("it is a number, NaN, Infinity or -Infinity")


def _complex(parts, resolve):
    real, imaginary = parts
    return complex(_number(real, resolve), _number(imaginary, resolve))


_MOMENT = re.compile(r"(?:(\d{4}-\d\d-\d\d)[Tt ])?(\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?(?:([Zz])|([+-]\d\d):?(\d\d(?::\d\d(?:\.\d+)?)?))?")


def _moment(kind):
    """Reads every form of RFC 3339 and of .NET's "O", which Python itself reads from 3.11 on only."""

    def read(iso, resolve):
        found = _MOMENT.fullmatch(iso)
        if found is None:
            return kind.fromisoformat(iso)
        day, clock, fraction, utc, hours, minutes = found.groups()
        text = clock if len(clock) > 5 or not fraction else clock + ":00"
        if fraction:
            text += "." + fraction[:6].ljust(6, "0")
        text += "+00:00" if utc else "%s:%s" % (hours, minutes) if hours else ""
        return kind.fromisoformat("%sT%s" % (day, text) if day else text)

    return read


def _in_zone(moment, name):
    """The moment in the zone of this name: an IANA one if the name is of that kind or is all that is known."""
    if type(name) is not str or type(moment) not in (datetime, time):
        raise TypeError("'zone' is the name of a zone, of a datetime or a time")
    fixed = moment.tzinfo
    if fixed is None or "/" in name:
        import zoneinfo

        try:
            zone = zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            if fixed is None:
                raise
        else:
            inside = moment.replace(tzinfo=zone)
            if fixed is None or type(moment) is time or inside.utcoffset() == moment.utcoffset():
                return inside
    return moment if fixed.tzname(None) == name else moment.replace(tzinfo=timezone(fixed.utcoffset(None), name))


def _uuid(text):
    import uuid

    return uuid.UUID(text)


def _path(text):
    import pathlib

    return pathlib.Path(text)


def _enum(parts, resolve):
    """A member of an Enum of a module that is imported already: a value must not import one."""
    module, qualname, value = parts
    kind = sys.modules.get(module) if type(module) is str and type(qualname) is str else None
    if kind is None:
        raise TypeError("its module is not imported")
    for name in qualname.split("."):
        kind = vars(kind).get(name)
        if kind is None:
            raise TypeError("%s has no %s" % (module, qualname))
    if not isinstance(kind, type) or Enum not in type.__dict__["__mro__"].__get__(kind):
        raise TypeError("%s.%s is no Enum" % (module, qualname))
    return kind(resolve(value))


def _timedelta(parts, resolve):
    if len(parts) != 3 or set(map(type, parts)) != {int}:
        raise TypeError("it is [days, seconds, microseconds]")
    return timedelta(*parts)


def _dict(pairs, resolve):
    return {resolve(key): resolve(item) for key, item in pairs}


def _bytes(text):
    return base64.b64decode(text, validate=True)


# for each tag, the type of its content, or None if there are several, and how to decode it
_TAGS = {
    "$tuple": (list, lambda items, resolve: tuple([resolve(item) for item in items])),
    "$set": (list, lambda items, resolve: set([resolve(item) for item in items])),
    "$frozenset": (list, lambda items, resolve: frozenset([resolve(item) for item in items])),
    "$dict": (list, _dict),
    "$bytes": (str, lambda text, resolve: _bytes(text)),
    "$bytearray": (str, lambda text, resolve: bytearray(_bytes(text))),
    "$str": (str, lambda text, resolve: _bytes(text).decode("utf-8", "surrogatepass")),
    "$int": (str, lambda digits, resolve: int(digits)),
    "$float": (None, _float),
    "$complex": (list, _complex),
    "$decimal": (str, lambda digits, resolve: Decimal(digits)),
    "$date": (str, lambda iso, resolve: date.fromisoformat(iso)),
    "$datetime": (str, _moment(datetime)),
    "$time": (str, _moment(time)),
    "$uuid": (str, lambda text, resolve: _uuid(text)),
    "$path": (str, lambda text, resolve: _path(text)),
    "$enum": (list, _enum),
    "$timedelta": (list, _timedelta),
}
# what a key can be beside a value
_KEY_TAGS = {
    **_TAGS,
    "$slice": (list, lambda parts, resolve: slice(*[resolve(part) for part in parts])),
    "$ellipsis": (bool, lambda there, resolve: ...),
}
