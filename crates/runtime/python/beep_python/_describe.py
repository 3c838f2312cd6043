"""What can be known of an object without calling it: its type, documentation, signature, and JSON Schemas from its hints."""

import math
import sys

from ._builtins import own as __builtins__
from ._handles import describe as described
from ._repr import message_of, short_repr

MAX_DOC = 20_000
MAX_DEPTH = 8  # of a schema: a class may refer to itself


def describe(obj):
    out = {**described(obj), "repr": short_repr(obj), "callable": callable(obj)}
    try:
        doc = obj.__doc__ if callable(obj) or isinstance(obj, type(sys)) else type(obj).__doc__
        if isinstance(doc, str):
            out["doc"] = message_of(doc)[:MAX_DOC]
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass  # a property of the user's class raised
    try:
        out["length"] = len(obj)
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass  # it has none, or its class raised
    if out["callable"]:
        out.update(_of_callable(obj))
    return out


def _of_callable(function):
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C
        return {}
    hints = _hints(function)
    properties, required = {}, []
    for name, parameter in signature.parameters.items():
        schema = schema_of(hints.get(name, parameter.annotation))
        if parameter.kind is parameter.VAR_POSITIONAL:
            schema = {"type": "array", "items": schema}
        elif parameter.kind is parameter.VAR_KEYWORD:
            schema = {"type": "object", "additionalProperties": schema}
        elif parameter.default is parameter.empty:
            required.append(name)
        elif _is_json(parameter.default):
            schema = {**schema, "default": parameter.default}
        properties[name] = schema
    out = {"signature": message_of(signature)}
    out["parameters"] = {"type": "object", "properties": properties, "required": required}
    returned = hints.get("return", signature.return_annotation)
    if returned is not signature.empty:
        out["result"] = schema_of(returned)
    return out


def _hints(function):
    import typing

    for source in (function, getattr(function, "__init__", None) if isinstance(function, type) else None):
        try:
            hints = typing.get_type_hints(source)
        except KeyboardInterrupt:
            raise
        except BaseException:  # a name that is not defined, or no function at all; annotations may do anything
            continue
        if hints:
            return hints
    return {}


_SIMPLE = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
    dict: {"type": "object"},
}


def schema_of(hint, depth=0):
    """The JSON Schema of a type hint; {} for what JSON has no schema of."""
    import enum
    import typing

    simple = _SIMPLE.get(hint) if _is_hashable(hint) else None
    if simple is not None:
        return dict(simple)
    if depth > MAX_DEPTH:
        return {}
    inner = lambda part: schema_of(part, depth + 1)  # noqa: E731
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        return {"anyOf": [inner(part) for part in arguments]}
    if origin is getattr(typing, "Annotated", origin) and hasattr(hint, "__metadata__"):
        return inner(arguments[0])
    if origin is typing.Literal:
        return {"enum": [part for part in arguments if _is_json(part)]}
    if origin is tuple and arguments and arguments[-1] is not ...:
        return {"type": "array", "prefixItems": [inner(part) for part in arguments]}
    if isinstance(origin, type) and arguments:
        schema = inner(_base_of(origin))
        if schema.get("type") == "array":
            schema["items"] = inner(arguments[0])
        elif schema.get("type") == "object":
            schema["additionalProperties"] = inner(arguments[-1])
        return schema
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            return {"enum": [member.value for member in hint if _is_json(member.value)]}
        fields = getattr(hint, "__dataclass_fields__", None) or getattr(hint, "__required_keys__", None)
        if fields:
            return _of_fields(hint, inner)
        return dict(_SIMPLE.get(_base_of(hint), {}))
    return {}


def _of_fields(kind, inner):
    hints = _hints(kind)
    required = getattr(kind, "__required_keys__", None)
    if required is None:
        import dataclasses

        fields = dataclasses.fields(kind)
        hints = {field.name: hints.get(field.name, field.type) for field in fields}
        missing = dataclasses.MISSING
        required = [field.name for field in fields if field.default is missing and field.default_factory is missing]
    return {
        "type": "object",
        "properties": {name: inner(hint) for name, hint in hints.items()},
        "required": sorted(required),
    }


def _base_of(kind):
    """The builtin container that a class or an abstract one stands for."""
    from collections import abc

    for base in (str, bytes, bool, int, float, dict, list, tuple, set, frozenset):
        if issubclass(kind, base):
            return base
    for abstract, base in ((abc.Mapping, dict), (abc.Set, set), (abc.Sequence, list), (abc.Iterable, list)):
        if issubclass(kind, abstract):
            return base
    return kind


def _is_json(value):
    """Whether a JSON Schema can have it as it is: any reader reads it."""
    if type(value) is float:
        return math.isfinite(value)
    return type(value) in (str, bool, type(None)) or (type(value) is int and value.bit_length() < 900)


def _is_hashable(hint):
    try:
        hash(hint)
        return True
    except TypeError:
        return False
