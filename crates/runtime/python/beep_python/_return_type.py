"""What a client asks a result to be, by the `returnType` of its request: names of .NET types, and our own.

Existing .NET clients read a value of another kind as the type's default, silently. So each name gets what .NET reads as that
type, or an error that says what to ask for instead.
"""

import base64
import re
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum

from . import _classes, _plain
from ._builtins import own as __builtins__
from ._repr import name_of, type_name
from ._walk import NotRepresentable, Walk

_INTEGERS = {
    "SByte": (-(1 << 7), (1 << 7) - 1),
    "Byte": (0, (1 << 8) - 1),
    "Int16": (-(1 << 15), (1 << 15) - 1),
    "UInt16": (0, (1 << 16) - 1),
    "Int32": (-(1 << 31), (1 << 31) - 1),
    "UInt32": (0, (1 << 32) - 1),
    "Int64": (-(1 << 63), (1 << 63) - 1),
    "UInt64": (0, (1 << 64) - 1),
    "Int128": (-(1 << 127), (1 << 127) - 1),
    "UInt128": (0, (1 << 128) - 1),
}
# the largest numbers; what rounds to the largest Single is one, as .NET writes that as 3.4028235E+38
_REALS = {"Half": 65504, "Single": 3.4028235677973362e38, "Double": sys.float_info.max, "Decimal": (1 << 96) - 1}
_UNREADABLE = frozenset(("BigInteger", "IntPtr", "UIntPtr", "Complex"))  # System.Text.Json reads none of them
_COLLECTIONS = frozenset(
    "List`1 IList`1 ICollection`1 IEnumerable`1 IReadOnlyList`1 IReadOnlyCollection`1 HashSet`1 ISet`1 IReadOnlySet`1 "
    "SortedSet`1 Queue`1 Stack`1 LinkedList`1 IAsyncEnumerable`1 ImmutableArray`1 ImmutableList`1".split()
)
_DICTIONARIES = frozenset("Dictionary`2 IDictionary`2 IReadOnlyDictionary`2 SortedDictionary`2".split())
_LISTS = (list, tuple, set, frozenset)
_TUPLE = re.compile(r"(Value)?Tuple`(\d+)")


class Unreadable(Exception):
    """The result is not what the client asked for. The message says why and what to write instead."""


def read(asked, value, walk, collect):
    """What the client reads as the type it asked for. `collect` returns the items of an iterator that it may consume, or None."""
    return _Reader(walk, collect).read(asked, value)


class _Reader:
    def __init__(self, walk, collect):
        self.walk = walk
        self.collect = collect

    def read(self, asked, value):
        name = asked.name
        if name == "Byte[]":
            return self.binary(value)
        if name.endswith("[]"):
            return self.array(asked, value)
        if name == "Nullable`1":
            value = self.reduced(value)
            if value is None or value != value:
                return None
            return self.read(asked.arguments[0], value) if asked.arguments else value
        if name in _INTEGERS:
            return self.integer(name, value)
        if name in _REALS:
            return self.real(name, value)
        if name in _SCALARS:
            return _SCALARS[name](self, name, value)
        if name in _UNREADABLE or name.endswith(",]"):
            raise wrong(value, name, "System.Text.Json reads no %s" % name, "ask for String" + (" or X[][]" if name[-1] == "]" else ""))
        if name in _COLLECTIONS:
            return self.collection(asked, value)
        if name in _DICTIONARIES:
            return self.dictionary(name, value)
        if _TUPLE.fullmatch(name):
            return self.tuple(name, value)
        if name == "KeyValuePair`2":
            key, item = self.items_of_tuple(name, value, 2)
            return {"Key": key, "Value": item}
        return value

    # scalars

    def reduced(self, value):
        """The builtin value that a value is: of a numpy scalar its int, of an Enum its value."""
        for _ in range(self.walk.form.max_depth):
            if isinstance(value, Enum):
                value = value._value_
                continue
            convert = self.walk.conversion(type(value))
            if convert is None or _classes.is_container(convert, value):
                return value
            value = convert(self.walk, value)
        raise NotRepresentable("it is nested too deeply")

    def number(self, name, value):
        """The value as a builtin number."""
        fractions = sys.modules.get("fractions")
        if fractions is not None and isinstance(value, fractions.Fraction):
            return value
        number = self.reduced(value)
        if isinstance(number, bool):
            return int(number)
        if isinstance(number, (int, float, Decimal)):
            return number
        raise wrong(value, name, "it is no number", "convert it in Python, or ask for String")

    def integer(self, name, value):
        number = self.number(name, value)
        low, high = _INTEGERS[name]
        try:
            whole = int(number)
        except (ValueError, OverflowError):  # NaN, infinite
            raise wrong(value, name, "it is not finite", "ask for Double") from None
        if whole != number:
            raise wrong(value, name, "it has a fractional part", "ask for Double, or round it in Python")
        if not low <= whole <= high:
            raise wrong(value, name, "%s is out of its range" % _digits(whole), "ask for a larger type, or String")
        return whole

    def real(self, name, value):
        number = self.number(name, value)
        if number != number:
            raise wrong(value, name, "JSON has no number for NaN", "ask for Nullable<%s>" % name)
        if number in (float("inf"), float("-inf")):
            if getattr(type(value), "dtype", None) is not None and value != number:  # a longdouble
                raise wrong(value, name, "it is out of its range", "ask for String")
            if name in ("Single", "Double"):
                return float(number)
            raise wrong(value, name, "it is infinite", "ask for Double")
        if abs(number) > _REALS[name]:
            raise wrong(value, name, "it is out of its range", "ask for %s" % ("String" if name == "Double" else "Double"))
        if (isinstance(number, int) and number.bit_length() < 900) or (isinstance(number, Decimal) and name == "Decimal" and number.adjusted() > -30):
            return number
        return float(number)

    def boolean(self, name, value):
        reduced = self.reduced(value)
        if isinstance(reduced, bool):
            return reduced
        raise wrong(value, name, "it is no bool", "evaluate bool(…)")

    def string(self, name, value):
        try:
            reduced = self.reduced(value)
        except KeyboardInterrupt:
            raise
        except BaseException:  # it has no plain form
            reduced = value
        if reduced is None:
            return None
        if isinstance(reduced, str):
            return well_formed(reduced)
        if isinstance(reduced, int) and not isinstance(reduced, bool):
            return _plain.digits(int.__int__(reduced))
        if isinstance(reduced, (datetime, date, time)):
            return _classes.moment_text(reduced)
        if isinstance(reduced, _classes.Tagged):
            return reduced.text
        if isinstance(reduced, (bytes, bytearray)):
            return base64.b64encode(reduced).decode()
        return well_formed(_text_of(value))

    def character(self, name, value):
        reduced = self.reduced(value)
        if isinstance(reduced, str) and len(reduced) == 1 and reduced <= "\uffff" and not "\ud800" <= reduced <= "\udfff":
            return reduced
        raise wrong(value, name, "it is no text of one UTF-16 unit", "ask for String")

    def moment(self, name, value):
        text = self.moment_text(value)
        if _MOMENTS[name].fullmatch(text) is None or not _is_there(text):
            raise wrong(value, name, "%s is nothing that .NET reads as it" % _shown(text), "ask for String")
        return text

    def moment_text(self, value):
        reduced = self.reduced(value)
        if isinstance(reduced, _classes.Tagged):
            return reduced.text
        if isinstance(reduced, (datetime, date, time)):
            return _classes.moment_text(reduced)
        return str.__str__(reduced) if isinstance(reduced, str) else ""

    def day(self, name, value):
        text = self.moment_text(value)
        text = text[:10] if re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00", text) else text
        if _DAY.fullmatch(text) is None or not _is_there(text):
            raise wrong(value, name, "%s is no date alone" % _shown(text), "ask for DateTime, or evaluate .date()")
        return text

    def span(self, name, value):
        reduced = self.reduced(value)
        if isinstance(reduced, timedelta):
            ticks = (reduced.days * 86400 + reduced.seconds) * 10**7 + reduced.microseconds * 10
            if not -(1 << 63) <= ticks < 1 << 63:
                raise wrong(value, name, "it is longer than a TimeSpan can be", "ask for String")
            return _span_text(ticks)
        if isinstance(reduced, float) and self.walk.conversion(type(value)) is not None and "delta" in name_of(type(value)).lower():
            return _span_text(round(reduced * 10**7))  # nanoseconds, which neither Python's timedelta nor .NET has
        if isinstance(reduced, str) and _SPAN.fullmatch(reduced):
            return str.__str__(reduced)
        raise wrong(value, name, "it is no timedelta", "ask for Double, or evaluate timedelta(seconds=…)")

    def guid(self, name, value):
        reduced = self.reduced(value)
        text = reduced.text if isinstance(reduced, _classes.Tagged) else reduced
        if isinstance(text, str) and _GUID.fullmatch(text):
            return str.__str__(text)
        raise wrong(value, name, "it is no UUID", "evaluate str(uuid.UUID(…)), or ask for String")

    # arrays and collections

    def items(self, name, value, tables=False):
        """The items of what is read as an array."""
        shape = getattr(value, "shape", None) if self.group(value) == _classes.ARRAY else None
        if isinstance(shape, tuple) and len(shape) == 0:
            raise wrong(value, name, "it is a scalar", "ask for %s" % name[:-2])
        items = value if isinstance(value, (list, tuple, set, frozenset)) else self.collect(value)
        if items is None:
            convert = self.walk.conversion(type(value))
            if convert is None or (_classes.is_table(convert) and not tables):
                raise wrong(value, name, "it is no sequence", _instead_of_array(value))
            items = convert(self.walk, value)
        if not isinstance(items, _LISTS):
            raise wrong(value, name, "it is no sequence", _instead_of_array(value))
        return items if type(items) is list else list(items)

    def group(self, value):
        return _classes.GROUPS.get(self.walk.conversion(type(value)))

    def array(self, asked, value):
        items = self.items(asked.name, value)
        element = asked.element
        if element.name in _REALS and set(map(type, items)) == {float} and all(
            [-_REALS[element.name] <= item <= _REALS[element.name] for item in items]
        ):
            return items
        if element.name in _INTEGERS and set(map(type, items)) == {int}:
            low, high = _INTEGERS[element.name]
            if low <= min(items) and max(items) <= high:
                return items
        return self.each(element, items, asked.name)

    def each(self, element, items, name):
        out = []
        for at, item in enumerate(items):
            try:
                out.append(self.read(element, item))
            except Unreadable as error:
                raise Unreadable("item %d of what should be read as %s: %s" % (at, name, error)) from None
        return out

    def binary(self, value):
        reduced = self.reduced(value)
        if isinstance(reduced, (bytes, bytearray)):
            return bytes(reduced)
        if isinstance(reduced, str):
            raise wrong(value, "Byte[]", "it is text", "evaluate .encode()")
        return bytes([self.integer("Byte", item) for item in self.items("Byte[]", value)])

    def collection(self, asked, value):
        items = self.items(asked.name, value, tables=True)
        return self.each(asked.arguments[0], items, asked.name) if len(asked.arguments) == 1 else items

    def dictionary(self, name, value):
        if isinstance(value, dict):
            return value
        pandas = sys.modules.get("pandas")
        if pandas is not None and isinstance(value, getattr(pandas, "Series", ())):
            items = self.walk.conversion(type(value))(self.walk, value)
            made = dict(zip(value.index.tolist(), items))
            if len(made) < len(items):
                raise wrong(value, name, "its index has a value twice", "ask for List<T>, or evaluate .groupby(…)")
            return made
        if pandas is not None and isinstance(value, getattr(pandas, "DataFrame", ())):
            return _classes.columns(self.walk, value)
        convert = self.walk.conversion(type(value))
        made = None if convert is None else convert(self.walk, value)
        if isinstance(made, dict):
            return made
        raise wrong(value, name, "it is no mapping", "evaluate dict(…)")

    def tuple(self, name, value):
        by_value, count = _TUPLE.fullmatch(name).groups()
        if by_value:
            raise wrong(value, name, "System.Text.Json reads a value tuple as zeros", "ask for Tuple`%s or X[]" % count)
        items = self.items_of_tuple(name, value, int(count))
        return {"Item%d" % at: item for at, item in enumerate(items, 1)}

    def items_of_tuple(self, name, value, count):
        if not isinstance(value, (tuple, list)) or len(value) != count or count > 7:
            raise wrong(value, name, "it is no tuple of %d" % count, "ask for Object[]")
        return list(value)


def wrong(value, name, why, instead):
    return Unreadable("the result is of type %s and cannot be read as %s: %s; %s" % (name_of(type(value)), name, why, instead))


def _instead_of_array(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "ask for Byte[]"
    if isinstance(value, str):
        return "ask for String, or evaluate list(…)"
    kind = name_of(type(value))
    if kind == "DataFrame":
        return "ask for List<T> for its records, or evaluate one column"
    return "ask for Dictionary, or evaluate list(…)" if isinstance(value, dict) else "evaluate list(…)"


def _digits(number):
    return str(number) if number.bit_length() < 200 else "an integer of %d bits" % number.bit_length()


def _shown(text):
    return "'%s'" % text[:40] if text else "it"


def _text_of(value):
    """`str(value)`, all of it."""
    try:
        return str(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return "<%s, whose __str__ raised %s>" % (type_name(type(value)), type_name(type(error)))


def well_formed(text):
    """Text without lone surrogates, which UTF-8 cannot carry."""
    text = str.__str__(text)
    return text.encode("utf-8", "replace").decode() if any(["\ud800" <= char <= "\udfff" for char in text]) else text


def _span_text(ticks):
    """As TimeSpan's format "c": [-][d.]hh:mm:ss[.fffffff]."""
    sign, ticks = ("-", -ticks) if ticks < 0 else ("", ticks)
    seconds, ticks = divmod(ticks, 10**7)
    days, seconds = divmod(seconds, 86400)
    text = "%s%s%02d:%02d:%02d" % (sign, "%d." % days if days else "", seconds // 3600, seconds // 60 % 60, seconds % 60)
    return text + ".%07d" % ticks if ticks else text


def _is_there(text):
    """Whether there is such a day and such a time of day."""
    day, _, clock = text.rpartition("T") if "T" in text else (text, "", "") if "-" in text[:5] else ("", "", text)
    try:
        if day:
            date.fromisoformat(day)
        hours = clock[:8].split(":")
        return not clock or all([int(part) < limit for part, limit in zip(hours, (24, 60, 60))])
    except ValueError:
        return False


_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = r"\d\d:\d\d(:\d\d(\.\d{1,16})?)?"
_OFFSET = r"(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)?"
_MOMENTS = {
    "DateTime": re.compile(r"\d{4}-\d\d-\d\d(T%s%s)?" % (_CLOCK, _OFFSET)),
    "DateTimeOffset": re.compile(r"\d{4}-\d\d-\d\d(T%s%s)?" % (_CLOCK, _OFFSET)),
    "TimeOnly": re.compile(r"\d\d:\d\d:\d\d(\.\d{1,7})?"),
}
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SPAN = re.compile(r"-?(\d{1,8}\.)?([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{7})?")
_SCALARS = {
    "Boolean": _Reader.boolean,
    "String": _Reader.string,
    "Char": _Reader.character,
    "DateTime": _Reader.moment,
    "DateTimeOffset": _Reader.moment,
    "TimeOnly": _Reader.moment,
    "DateOnly": _Reader.day,
    "TimeSpan": _Reader.span,
    "Guid": _Reader.guid,
}
