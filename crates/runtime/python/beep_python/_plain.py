"""The plain form: what any JSON reader can use."""

import base64
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum

from ._builtins import own as __builtins__
from ._classes import Tagged, moment_text
from ._walk import Form, NotRepresentable, Number, rewrite_sequence

MAX_DEPTH = 60  # existing clients read no deeper than 64
MAX_EXPONENT = 300  # beyond it a number is text: many readers reject what no double holds
MAX_BITS = 1 << 19  # of an int that is written: it takes time that grows with the square
_NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}
_BIG = 10 ** (MAX_EXPONENT + 1)
_isfinite = math.isfinite
FLOATS = {float}  # and numpy's float64, once it is there: the C encoder writes it as its base, a float


def float_text(value):
    """A float as text, with protobuf's words for non-finite numbers."""
    return float.__repr__(value) if _isfinite(value) else _NON_FINITE.get(value, "NaN")


def floats_fit(items, kinds):
    if kinds.isdisjoint(FLOATS):
        return True
    if len(kinds) == 1:
        return all(map(_isfinite, items))
    return all([_isfinite(item) for item in items if type(item) in FLOATS])


def _same(walk, value, depth):
    return value


def _str(walk, value, depth):
    return value if type(value) is str else str.__str__(value)


def _int(walk, value, depth):
    number = value if type(value) is int else int.__int__(value)
    return number if -_BIG < number < _BIG else digits(number)


def digits(number):
    """An int as text, also where Python refuses to write so many digits."""
    try:
        return str(number)
    except ValueError:
        if number.bit_length() > MAX_BITS:
            raise
        return str(Decimal(number))


def _float(walk, value, depth):
    return float.__float__(value) if _isfinite(value) else float_text(value)


def _float_of_dotnet(walk, value, depth):
    """System.Text.Json reads no NaN, and reads a number that is too large as infinite."""
    if _isfinite(value):
        return float.__float__(value)
    return None if value != value else walk.number("1e999" if value > 0 else "-1e999")


def _decimal(walk, value, depth):
    if not value.is_finite():
        return walk.rewrite(float("nan") if value.is_nan() else float(value), depth)
    text = Decimal.__str__(value)
    return walk.number(text) if abs(value.adjusted()) <= MAX_EXPONENT else text


def _base64(walk, value, depth):
    return base64.b64encode(value).decode()


def _moment(walk, value, depth):
    return moment_text(value)


def _mapping(walk, value, depth):
    walk.enter(value, depth)
    try:
        pairs = walk.pairs_of(value)
        depth += 1
        as_is, get, find = walk.form.as_is, walk.rules.get, walk.find
        out = {
            key if type(key) is str else _key(walk, key, depth): item
            if type(item) in as_is
            else (get(type(item)) or find(type(item)))(walk, item, depth)
            for key, item in pairs
        }
        if len(out) < len(pairs):
            raise NotRepresentable("two of its keys are one in JSON")
        return out
    finally:
        walk.leave(value)


def _key(walk, key, depth):
    """A key as `json.dumps` writes it, or as the value that it is."""
    if isinstance(key, float):
        return float_text(key)
    plain = walk.rewrite(key, depth)
    if isinstance(plain, str):
        return str(plain)
    return key_text(plain)


def key_text(key):
    """A builtin key as `json.dumps` writes it."""
    kind = type(key)
    if kind is str:
        return key
    if kind is float:
        return float_text(key)
    if key is None or kind is bool or kind is int:
        return "null" if key is None else "true" if key is True else "false" if key is False else str(key)
    raise NotRepresentable("a key is a %s" % kind.__name__)


_RULES = {
    str: _str,
    int: _int,
    bool: _same,
    type(None): _same,
    float: _float,
    Number: lambda walk, value, depth: value,
    list: rewrite_sequence,
    tuple: rewrite_sequence,
    set: rewrite_sequence,
    frozenset: rewrite_sequence,
    dict: _mapping,
    bytes: _base64,
    bytearray: _base64,
    Decimal: _decimal,
    date: _moment,
    datetime: _moment,
    time: _moment,
    timedelta: lambda walk, value, depth: value.total_seconds(),
    Enum: lambda walk, value, depth: walk.rewrite(value._value_, depth),
    Tagged: lambda walk, value, depth: value.text,
}
# Ints are looked at only where the text shows that one of them is too long.
_AS_IS = frozenset((str, int, bool, type(None)))

FORM = Form(_RULES, MAX_DEPTH, _AS_IS, floats_fit)
FORM_OF_DOTNET = Form({**_RULES, float: _float_of_dotnet}, MAX_DEPTH, _AS_IS, floats_fit)


def with_long_ints(form):
    """The form for values in which an int is, or may be, too long to be a number."""
    return Form(form.rules, form.max_depth, form.as_is - {int}, lambda items, kinds: False)
