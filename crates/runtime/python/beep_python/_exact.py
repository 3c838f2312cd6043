"""The exact form: builtin values come back as what they are, with tags for those that JSON lacks."""

import base64
import math
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum

from ._builtins import own as __builtins__
from ._classes import Tagged, moment_text
from ._plain import float_text, floats_fit
from ._walk import Form, rewrite_sequence

MAX_DEPTH = 120  # readers commonly stop at 128
# the ints that every reader of JSON keeps: JavaScript has no others
SAFE_MIN, SAFE_MAX = 1 - (1 << 53), (1 << 53) - 1
_isfinite = math.isfinite


def numbers_fit(items, kinds):
    if int in kinds:
        ints = items if len(kinds) == 1 else [item for item in items if type(item) is int]
        if min(ints) < SAFE_MIN or max(ints) > SAFE_MAX:
            return False
    return floats_fit(items, kinds)


def _same(walk, value, depth):
    return value


def _str(walk, value, depth):
    value = str.__str__(value)
    return value if _is_utf8(value) else {"$str": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()}


def _is_utf8(text):
    try:
        text.encode()
        return True
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _int(walk, value, depth):
    number = int.__int__(value)
    return number if SAFE_MIN <= number <= SAFE_MAX else {"$int": str(number)}


def _float(walk, value, depth):
    return float.__float__(value) if _isfinite(value) else {"$float": float_text(value)}


def _dict(walk, value, depth):
    pairs = walk.pairs_of(value)
    plain = all([type(key) is str and key[:1] != "$" and _is_utf8(key) for key, _ in pairs])
    levels = 1 if plain else 3
    walk.enter(value, depth, levels)
    try:
        depth += levels
        if plain:
            return {key: walk.rewrite(item, depth) for key, item in pairs}
        return {"$dict": [[walk.rewrite(key, depth), walk.rewrite(item, depth)] for key, item in pairs]}
    finally:
        walk.leave(value)


def _sequence(tag):
    def rule(walk, value, depth):
        walk.enter(value, depth, 2)
        try:
            return {tag: walk.each(walk.items_of(value), depth + 2)}
        finally:
            walk.leave(value)

    return rule


def _base64(tag):
    return lambda walk, value, depth: {tag: base64.b64encode(value).decode()}


def _complex(walk, value, depth):
    number = complex(value)
    return {"$complex": [walk.rewrite(number.real, depth), walk.rewrite(number.imag, depth)]}


def _moment(tag):
    def rule(walk, value, depth):
        out = {tag: moment_text(value)}
        if value.fold:
            out["fold"] = 1
        zone = zone_name(value)
        if zone is not None:
            out["zone"] = zone
        return out

    return rule


def zone_name(value):
    """The name of the zone of a moment, if it has one that its offset does not say."""
    zone = value.tzinfo
    if zone is None:
        return None
    if type(zone) is timezone:
        name = zone.tzname(None)
        return None if name == timezone(zone.utcoffset(None)).tzname(None) else name
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)  # of zoneinfo, of pytz
    if name is None and type(zone).tzname is not tzinfo.tzname:
        name = value.tzname()
    return name if type(name) is str and name else None


def _timedelta(walk, value, depth):
    return {"$timedelta": [value.days, value.seconds, value.microseconds]}


def _enum(walk, value, depth):
    kind = type(value)
    if type(value._value_) not in _RULES:  # it would not be read back as the member's value
        return walk.rewrite(value._value_, depth)
    walk.enter(value, depth, 2)
    try:
        return {"$enum": [kind.__module__, kind.__qualname__, walk.rewrite(value._value_, depth + 2)]}
    finally:
        walk.leave(value)


_RULES = {
    str: _str,
    int: _int,
    bool: _same,
    type(None): _same,
    float: _float,
    list: rewrite_sequence,
    dict: _dict,
    tuple: _sequence("$tuple"),
    set: _sequence("$set"),
    frozenset: _sequence("$frozenset"),
    bytes: _base64("$bytes"),
    bytearray: _base64("$bytearray"),
    complex: _complex,
    Decimal: lambda walk, value, depth: {"$decimal": Decimal.__str__(value)},
    date: lambda walk, value, depth: {"$date": str.__str__(value.isoformat())},
    datetime: _moment("$datetime"),
    time: _moment("$time"),
    timedelta: _timedelta,
    Enum: _enum,
    Tagged: lambda walk, value, depth: {value.tag: value.text},
}

FORM = Form(_RULES, MAX_DEPTH, frozenset((bool, type(None))), numbers_fit)
