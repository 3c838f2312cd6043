"""The exact form of values, in which every builtin value arrives as it was. PROTOCOL.md has the table."""

from __future__ import annotations

import json

from .errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple

_write = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
"""Made once: `json.dumps` with options makes one each time."""
SAFE = 2**53 - 1
"""Integers beyond this are written as text."""


class RemoteEnum:
    """A member of an enum, whose class is the session's: module, qualified name and value."""

    __slots__ = ("module", "qualname", "value")

    def __init__(self, module: str, qualname: str, value: Any) -> None:
        self.module = module
        self.qualname = qualname
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteEnum):
            return NotImplemented
        return (self.module, self.qualname, self.value) == (other.module, other.qualname, other.value)

    def __hash__(self) -> int:
        return hash((self.module, self.qualname))

    def __repr__(self) -> str:
        return f"<{self.module}.{self.qualname}: {self.value!r}>"


def encode(value: Any, other: Callable[[Any], Any]) -> Any:
    """The exact form of a value, ready for `json.dumps`; `other` encodes what is no value: handles, functions, data."""
    kind = type(value)
    if value is None or kind is bool or (kind is str and value.isascii()):
        return value
    if kind is str:
        return _text(value)
    if kind is int:
        return value if -SAFE <= value <= SAFE else {"$int": str(value)}
    if kind is float:
        return value if value - value == 0 else {"$float": _float_text(value)}
    if kind is list:
        return [encode(item, other) for item in value]
    if kind is dict:
        return _dict(value, other)
    encoder = _ENCODERS.get(kind)
    if encoder is not None:
        return encoder(value, other)
    return _further(value, other)


def _text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"$str": _base64(value.encode("utf-8", "surrogatepass"))}
    return value


def _base64(data: Any) -> str:
    from base64 import b64encode

    return b64encode(data).decode()


def _float_text(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _dict(value: Dict[Any, Any], other: Callable[[Any], Any]) -> Any:
    for key in value:
        if type(key) is not str or key.startswith("$") or (not key.isascii() and type(_text(key)) is dict):
            return {"$dict": [[encode(key, other), encode(item, other)] for key, item in value.items()]}
    return {key: encode(item, other) for key, item in value.items()}


def _complex(value: complex, other: Callable[[Any], Any]) -> Any:
    return {"$complex": [encode(value.real, other), encode(value.imag, other)]}


_ENCODERS: Dict[type, Callable[[Any, Callable[[Any], Any]], Any]] = {
    tuple: lambda value, other: {"$tuple": [encode(item, other) for item in value]},
    set: lambda value, other: {"$set": [encode(item, other) for item in value]},
    frozenset: lambda value, other: {"$frozenset": [encode(item, other) for item in value]},
    bytes: lambda value, other: {"$bytes": _base64(value)},
    bytearray: lambda value, other: {"$bytearray": _base64(value)},
    complex: _complex,
    RemoteEnum: lambda value, other: {"$enum": [value.module, value.qualname, encode(value.value, other)]},
}


def _zone(value: Any) -> Dict[str, Any]:
    further: Dict[str, Any] = {}
    if value.fold:
        further["fold"] = 1
    key = getattr(value.tzinfo, "key", None)
    if isinstance(key, str):
        further["zone"] = key
    return further


def _further(value: Any, other: Callable[[Any], Any]) -> Any:
    """Values of classes that this module imports only where a program uses them."""
    import datetime
    import decimal
    import enum
    import pathlib
    import uuid

    if isinstance(value, enum.Enum):
        kind = type(value)
        return {"$enum": [kind.__module__, kind.__qualname__, encode(value.value, other)]}
    if isinstance(value, decimal.Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime.datetime):
        return {"$datetime": value.isoformat(), **_zone(value)}
    if isinstance(value, datetime.date):
        return {"$date": value.isoformat()}
    if isinstance(value, datetime.time):
        return {"$time": value.isoformat(), **_zone(value)}
    if isinstance(value, datetime.timedelta):
        return {"$timedelta": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, uuid.UUID):
        return {"$uuid": str(value)}
    if isinstance(value, pathlib.PurePath):
        return {"$path": str(value)}
    bases: Tuple[Callable[[Any], Any], ...] = (int, float, str, list, dict, tuple, set, frozenset, bytes, bytearray, complex)
    for base in bases:
        if isinstance(value, base):  # type: ignore[arg-type]
            return encode(base(value), other)
    return other(value)


def decode(value: Any) -> Any:
    """The Python value of an exact form that `json.loads` has read."""
    kind = type(value)
    if kind is list:
        return [decode(item) for item in value]
    if kind is not dict:
        return value
    for tag in value:
        if tag.startswith("$"):
            decoder = _DECODERS.get(tag)
            if decoder is None:
                raise InvalidRequest(f"the value has the tag {tag}, which this client does not know: it needs a newer version")
            return decoder(value[tag], value)
        break
    return {key: decode(item) for key, item in value.items()}


def _unbase64(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text)


def _number(content: Any) -> float:
    return float(content["$float"] if type(content) is dict else content)


def _moment(content: str, beside: Dict[str, Any], name: str) -> Any:
    import datetime

    kind = getattr(datetime, name)
    if content.endswith("Z"):
        content = content[:-1] + "+00:00"
    head, point, rest = content.partition(".")
    if point:
        # Python keeps six digits of a second.
        digits = len(rest) - len(rest.lstrip("0123456789"))
        content = f"{head}.{rest[:digits][:6].ljust(6, '0')}{rest[digits:]}"
    moment = kind.fromisoformat(content).replace(fold=beside.get("fold", 0))
    if "zone" in beside:
        from zoneinfo import ZoneInfo

        moment = moment.replace(tzinfo=ZoneInfo(beside["zone"]))
    return moment


def _date(content: str) -> Any:
    import datetime

    return datetime.date.fromisoformat(content)


def _duration(content: List[int]) -> Any:
    import datetime

    return datetime.timedelta(content[0], content[1], content[2])


def _decimal(content: str) -> Any:
    import decimal

    return decimal.Decimal(content)


def _uuid(content: str) -> Any:
    import uuid

    return uuid.UUID(content)


def _path(content: str) -> Any:
    import pathlib

    return pathlib.Path(content)


_DECODERS: Dict[str, Callable[[Any, Dict[str, Any]], Any]] = {
    "$int": lambda content, _: int(content) if type(content) is str else content,
    "$float": lambda content, _: float(content),
    "$complex": lambda content, _: complex(_number(content[0]), _number(content[1])),
    "$str": lambda content, _: _unbase64(content).decode("utf-8", "surrogatepass"),
    "$bytes": lambda content, _: _unbase64(content),
    "$bytearray": lambda content, _: bytearray(_unbase64(content)),
    "$tuple": lambda content, _: tuple(decode(item) for item in content),
    "$set": lambda content, _: {decode(item) for item in content},
    "$frozenset": lambda content, _: frozenset(decode(item) for item in content),
    "$dict": lambda content, _: {decode(key): decode(item) for key, item in content},
    "$decimal": lambda content, _: _decimal(content),
    "$date": lambda content, _: _date(content),
    "$datetime": lambda content, beside: _moment(content, beside, "datetime"),
    "$time": lambda content, beside: _moment(content, beside, "time"),
    "$timedelta": lambda content, _: _duration(content),
    "$uuid": lambda content, _: _uuid(content),
    "$path": lambda content, _: _path(content),
    "$enum": lambda content, _: RemoteEnum(content[0], content[1], decode(content[2])),
}


def dumps(message: Any) -> bytes:
    """One line of JSON, without its end."""
    return _write(message).encode()
