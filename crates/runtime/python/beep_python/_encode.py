"""Python values as JSON, in the plain and in the exact form. PROTOCOL.md lists both by example.

First a survey decides, by types alone, whether the C encoder can take the value as it is; nearly every value can. Others
are rewritten in Python first. A value that the form cannot represent gives None, and the caller makes a handle for it.
"""

import base64
import json.encoder
import math
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

from ._builtins import own as __builtins__
from ._wire import MAX_MESSAGE

# A list that contains one list many times over is small in memory and huge on the wire.
MAX_CONTAINERS = 10_000_000
MAX_ITEMS = 100_000_000
AS_IS, REWRITE, CANNOT = 0, 1, 2

_isfinite = math.isfinite
_NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}
_KEYS = frozenset((str, int, bool, type(None), float))
_I64_MIN, _I64_MAX = -(1 << 63), (1 << 63) - 1
_string = json.encoder.encode_basestring

try:
    _c_encode = json.encoder.c_make_encoder(None, None, _string, None, ":", ",", False, False, True)

    def dumps(value):
        """Encodes builtin types as JSON text, independent of anything that user code may patch."""
        return "".join(_c_encode(value, 0))

except TypeError:  # no C accelerator, or one with other arguments
    dumps = json.encoder.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


class _NotRepresentable(Exception):
    """The form cannot represent the value."""


def encode(value, exact):
    """Encodes the value as JSON in UTF-8; None if the form cannot represent it, or it exceeds the wire's limits."""
    kind = type(value)
    try:
        if kind is int and (not exact or _I64_MIN <= value <= _I64_MAX):
            return b"%d" % value
        if kind is str:
            return _bounded(_string(value).encode())
        if value is None:
            return b"null"
        if kind is bool:
            return b"true" if value else b"false"
        if kind is float and _isfinite(value):
            return float.__repr__(value).encode()
        form = _Exact if exact else _Plain
        verdict = _survey(value, form) if kind in form.containers else REWRITE
        if verdict == AS_IS:
            return _bounded(dumps(value).encode())
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot carry
        if not exact:
            return None
        verdict = REWRITE
    except ValueError:  # an integer of more digits than Python converts
        return None
    if verdict == CANNOT:
        return None
    try:
        return _bounded(dumps(form.rewrite(value, 1) if kind is not str else _exact_str(value)).encode())
    except (_NotRepresentable, ValueError):
        return None


def _bounded(data):
    return data if len(data) <= MAX_MESSAGE else None


def _survey(root, form):
    """Goes level by level, so that the depth is known and C code alone examines the types of a long list."""
    verdict = AS_IS if type(root) in form.as_is else REWRITE
    level, depth, containers, items_seen = [root], 0, 1, 0
    while level:
        depth += 1
        if depth > form.max_depth:
            return CANNOT
        inner = []
        for container in level:
            items_seen += len(container)
            if containers > MAX_CONTAINERS or items_seen > MAX_ITEMS:
                return CANNOT
            items = container
            if type(container) is dict:
                verdict = max(verdict, form.survey_keys(container))
                items = container.values()
            types = set(map(type, items))
            if not types <= form.as_is:
                if not types <= form.known:
                    return CANNOT
                verdict = max(verdict, REWRITE)
            if verdict == AS_IS and not form.numbers_fit(items, types):
                verdict = REWRITE
            if not types.isdisjoint(form.containers):
                before = len(inner)
                inner += [item for item in items if type(item) in form.containers]
                containers += len(inner) - before
        level = inner
    return verdict


def _all_finite(items, types):
    if float not in types:
        return True
    if len(types) == 1:
        return all(map(_isfinite, items))
    return all(_isfinite(item) for item in items if type(item) is float)


def float_text(value):
    """A float as text, with protobuf's words for non-finite numbers."""
    return float.__repr__(value) if _isfinite(value) else _NON_FINITE.get(value, "NaN")


class _Plain:
    """The plain form: what any JSON reader expects."""

    max_depth = 60  # existing clients read no deeper than 64
    as_is = frozenset((str, int, bool, type(None), float, list, tuple, dict))
    containers = frozenset((list, tuple, dict))
    known = as_is
    numbers_fit = staticmethod(_all_finite)

    @staticmethod
    def survey_keys(container):
        kinds = set(map(type, container))
        if not kinds or kinds == {str}:
            return AS_IS
        if kinds - _KEYS or len(set(map(_key, container))) < len(container):
            return CANNOT
        return REWRITE if float in kinds else AS_IS

    @staticmethod
    def rewrite(value, depth):
        kind = type(value)
        if kind is float:
            return value if _isfinite(value) else float_text(value)
        if kind is dict:
            return {_key(key): _Plain.rewrite(item, depth) for key, item in value.items()}
        if kind is list or kind is tuple:
            return [_Plain.rewrite(item, depth) for item in value]
        if kind in _Plain.as_is:
            return value
        raise _NotRepresentable


def _key(key):
    """A key as json.dumps writes it."""
    kind = type(key)
    if kind is str:
        return key
    if kind is float:
        return float_text(key)
    return "null" if key is None else "true" if key is True else "false" if key is False else str(key)


class _Exact:
    """The exact form: every builtin value, with tags for those that JSON lacks."""

    max_depth = 120  # readers commonly stop at 128
    as_is = frozenset((str, int, bool, type(None), float, list, dict))
    containers = frozenset((list, dict, tuple, set, frozenset))
    known = as_is  # and the types of the tags, below

    @staticmethod
    def numbers_fit(items, types):
        if int in types:
            ints = items if len(types) == 1 else [item for item in items if type(item) is int]
            if min(ints) < _I64_MIN or max(ints) > _I64_MAX:
                return False
        return _all_finite(items, types)

    @staticmethod
    def survey_keys(container):
        if set(map(type, container)) <= {str} and not any(key[:1] == "$" for key in container):
            return AS_IS
        return REWRITE

    @staticmethod
    def rewrite(value, depth):
        kind = type(value)
        if kind is str:
            return _exact_str(value)
        if kind is int:
            return value if _I64_MIN <= value <= _I64_MAX else {"$int": str(value)}
        if kind is float:
            return value if _isfinite(value) else {"$float": float_text(value)}
        if value is None or kind is bool:
            return value
        if kind is list:
            _check_depth(depth, 1)
            return [_Exact.rewrite(item, depth + 1) for item in value]
        if kind is dict:
            return _exact_dict(value, depth)
        tag = _TAGS.get(kind)
        if tag is None:
            raise _NotRepresentable
        return tag(value, depth)


def _check_depth(depth, levels):
    """Raises unless so many levels of JSON fit, the first of them at `depth`."""
    if depth + levels - 1 > _Exact.max_depth:
        raise _NotRepresentable


def _exact_str(value):
    try:
        value.encode()
        return value
    except UnicodeEncodeError:
        return {"$str": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()}


def _exact_dict(value, depth):
    if all(type(key) is str and key[:1] != "$" and type(_exact_str(key)) is str for key in value):
        _check_depth(depth, 1)
        return {key: _Exact.rewrite(item, depth + 1) for key, item in value.items()}
    _check_depth(depth, 3)
    return {
        "$dict": [[_Exact.rewrite(key, depth + 3), _Exact.rewrite(item, depth + 3)] for key, item in value.items()]
    }


def _sequence(tag):
    def write(value, depth):
        _check_depth(depth, 2)
        return {tag: [_Exact.rewrite(item, depth + 2) for item in value]}

    return write


def _base64(tag):
    return lambda value, depth: {tag: base64.b64encode(value).decode()}


def _moment(tag):
    def write(value, depth):
        zone = value.tzinfo
        if zone is not None and (
            type(zone) is not timezone or zone.tzname(None) != timezone(zone.utcoffset(None)).tzname(None)
        ):
            raise _NotRepresentable  # a time zone with its own rules or name
        out = {tag: value.isoformat()}
        if value.fold:
            out["fold"] = 1
        return out

    return write


_TAGS = {
    tuple: _sequence("$tuple"),
    set: _sequence("$set"),
    frozenset: _sequence("$frozenset"),
    bytes: _base64("$bytes"),
    bytearray: _base64("$bytearray"),
    complex: lambda z, depth: {"$complex": [_Exact.rewrite(z.real, depth), _Exact.rewrite(z.imag, depth)]},
    Decimal: lambda value, depth: {"$decimal": str(value)},
    date: lambda value, depth: {"$date": value.isoformat()},
    datetime: _moment("$datetime"),
    time: _moment("$time"),
    timedelta: lambda d, depth: {"$timedelta": [d.days, d.seconds, d.microseconds]},
}
_Exact.known = _Exact.as_is.union(_TAGS)
