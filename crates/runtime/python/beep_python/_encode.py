"""Python values as JSON, in the plain and in the exact form. PROTOCOL.md lists both by example.

First a survey decides, by types alone, whether the C encoder can take the value as it is; nearly every builtin value can.
Others are rewritten first. A value that the form cannot represent gives None, and the caller makes a handle for it.
"""

import codecs
import json.encoder
import math
import sys

from . import _exact, _plain
from ._builtins import own as __builtins__
from ._classes import ARRAY, GROUPS, RECORD
from ._walk import NotRepresentable, Number, Walk
from ._wire import MAX_MESSAGE

# A list that contains one list many times over is small in memory and huge on the wire.
MAX_CONTAINERS = 10_000_000
MAX_ITEMS = 100_000_000
AS_IS, REWRITE, CANNOT = 0, 1, 2

# what stays a handle by itself, although it is a value inside others
ARRAYS = frozenset((ARRAY,))
ARRAYS_AND_RECORDS = frozenset((ARRAY, RECORD))
NOTHING = frozenset()

_isfinite = math.isfinite
_KEYS = frozenset((str, int, bool, type(None), float))
_SAFE_MIN, _SAFE_MAX = _exact.SAFE_MIN, _exact.SAFE_MAX
_string = json.encoder.encode_basestring
_DIGITS = bytes.maketrans(b"123456789", b"000000000")


# halves of characters, which no UTF-8 has: as Python prints them on standard error, inside of a JSON string
ESCAPED = "beep_python.escaped"
codecs.register_error(ESCAPED, lambda error: ("".join(["\\\\u%04x" % ord(c) for c in error.object[error.start : error.end]]), error.end))


def _string_or_number(text):
    return str.__str__(text) if type(text) is Number else _string(text)


try:
    _c_encode = json.encoder.c_make_encoder(None, None, _string, None, ":", ",", False, False, True)
    _c_encode_numbers = json.encoder.c_make_encoder(None, None, _string_or_number, None, ":", ",", False, False, True)

    def dumps(value):
        """Encodes builtin types as JSON text, independent of anything that user code may patch."""
        return "".join(_c_encode(value, 0))

    def dumps_numbers(value):
        """As `dumps`, with the numbers that are text."""
        return "".join(_c_encode_numbers(value, 0))

except TypeError:  # no C accelerator, or one with other arguments
    dumps = json.encoder.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

    def dumps_numbers(value):
        write = json.encoder._make_iterencode(
            None, None, _string_or_number, None, float.__repr__, ":", ",", False, False, False
        )
        return "".join(write(value, 0))


def escaped(text):
    """Text of a client's or of an object's as a JSON string, whatever it is."""
    return _string(text).encode("utf-8", ESCAPED)


def encode(value, exact, keep=ARRAYS, limit=None):
    """Encodes the value as JSON in UTF-8; None if the form cannot represent it, or it exceeds the wire's limits.

    `keep` says what gives None by itself, although it is a value inside others. `limit`, if it is given, returns how many
    items may be expanded.
    """
    kind = type(value)
    survey = _EXACT if exact else _PLAIN
    try:
        if kind is int and _SAFE_MIN <= value <= _SAFE_MAX:
            return b"%d" % value
        if kind is str:
            return _bounded(_string(value).encode())
        if value is None:
            return b"null"
        if kind is bool:
            return b"true" if value else b"false"
        if kind is float and _isfinite(value):
            return float.__repr__(value).encode()
        verdict = _examine(value, survey) if kind in survey.containers else REWRITE
        if verdict == AS_IS:
            data = dumps(value).encode()
            if exact or not has_long_number(data):
                return _bounded(data)
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot carry
        if not exact:
            return None
        verdict = REWRITE
    except ValueError:  # an integer of more digits than Python converts
        return None
    if verdict == CANNOT:
        return None
    return rewritten(value, survey.form, keep, limit)


def rewritten(value, form, keep=NOTHING, limit=None):
    """Encodes the value by the rules of the form; None as `encode`."""
    try:
        limit = MAX_ITEMS if limit is None else min(limit(), MAX_ITEMS)
        walk = Walk(form, limit)
        if keep and _stays(walk, value, keep):
            return None
        data = _written(walk, value)
        if int in form.as_is and has_long_number(data):
            data = _written(Walk(_plain.with_long_ints(form), limit), value)
        return _bounded(data)
    except KeyboardInterrupt:
        raise
    except BaseException:  # the form has no rule for it, or the object's own code raised
        return None


def _written(walk, value):
    out = walk.rewrite(value)
    return (dumps_numbers if walk.has_numbers else dumps)(out).encode()


def _stays(walk, value, keep):
    """Whether the value is of a group that stays a handle by itself."""
    return GROUPS.get(walk.conversion(type(value))) in keep and getattr(value, "shape", None) != ()


def _bounded(data):
    return data if len(data) <= MAX_MESSAGE else None


def has_long_number(data):
    """Whether the text has, or may have, an integer of more than MAX_EXPONENT digits. A sample of every tenth byte answers
    for nearly every text."""
    if len(data) <= _plain.MAX_EXPONENT or b"0" * 30 not in data[::10].translate(_DIGITS):
        return False
    return b"0" * (_plain.MAX_EXPONENT + 1) in data.translate(_DIGITS)


def _examine(root, survey):
    """Goes level by level, so that the depth is known and C code alone examines the types of a long list."""
    verdict = AS_IS if type(root) in survey.as_is else REWRITE
    level, depth, containers, items_seen = [root], 0, 1, 0
    while level:
        depth += 1
        if depth > survey.max_depth:
            return CANNOT
        inner = []
        for container in level:
            items_seen += len(container)
            if containers > MAX_CONTAINERS or items_seen > MAX_ITEMS:
                return CANNOT
            items = container
            if type(container) is dict:
                verdict = max(verdict, survey.survey_keys(container))
                items = container.values()
            types = set(map(type, items))
            if not types <= survey.as_is:
                others = types - survey.as_is
                if others <= survey.containers:
                    verdict = REWRITE
                elif not _admit(others, survey):
                    return REWRITE
            if verdict == AS_IS and not survey.numbers_fit(items, types):
                verdict = REWRITE
            if not types.isdisjoint(survey.containers):
                before = len(inner)
                inner += [item for item in items if type(item) in survey.containers]
                containers += len(inner) - before
        if len(inner) > 64 and len(set(map(id, inner[:64]))) < 64 and _is_circular(root, survey):
            return CANNOT
        level = inner
    return verdict


def _admit(types, survey):
    """Whether the types are numpy's float64 alone, which the C encoder takes like the float that it is."""
    float64 = getattr(sys.modules.get("numpy"), "float64", None)
    if types != {float64} or type(float64) is not type or not issubclass(float64, float):
        return False
    _plain.FLOATS.add(float64)
    survey.as_is.add(float64)
    return True


def _is_circular(root, survey):
    """Whether a builtin container contains itself, found without going into one container twice."""
    done, path = set(), set()

    def visit(container):
        if id(container) in path:
            return True
        if id(container) in done or len(path) > survey.max_depth:
            return len(path) > survey.max_depth
        path.add(id(container))
        items = container.values() if type(container) is dict else container
        found = any([visit(item) for item in items if type(item) in survey.containers])
        path.discard(id(container))
        done.add(id(container))
        return found

    return visit(root)


class _Survey:
    """What the survey needs to know of a form."""

    def __init__(self, form, as_is, containers, numbers_fit, survey_keys):
        self.form, self.max_depth = form, form.max_depth
        self.as_is = as_is  # types that the C encoder takes as they are
        self.containers = containers  # those that the survey goes into; their types are known, so `len` is C code
        self.numbers_fit = numbers_fit
        self.survey_keys = survey_keys


def _plain_keys(container):
    kinds = set(map(type, container))
    if not kinds or kinds == {str}:
        return AS_IS
    if kinds - _KEYS:
        return REWRITE
    if len(set(map(_plain.key_text, container))) < len(container):
        return CANNOT
    return REWRITE if float in kinds else AS_IS


def _exact_keys(container):
    if set(map(type, container)) <= {str} and not any(key[:1] == "$" for key in container):
        return AS_IS
    return REWRITE


_PLAIN = _Survey(
    _plain.FORM,
    {str, int, bool, type(None), float, list, tuple, dict},
    frozenset((list, tuple, dict)),
    _plain.floats_fit,
    _plain_keys,
)
_EXACT = _Survey(
    _exact.FORM,
    {str, int, bool, type(None), float, list, dict},
    frozenset((list, dict, tuple, set, frozenset)),
    _exact.numbers_fit,
    _exact_keys,
)
