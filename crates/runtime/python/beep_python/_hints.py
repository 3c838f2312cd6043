"""What an annotation says of a value: its class, and what its items are. No text of one is run."""

import ast
import sys
import types
import typing

from ._builtins import own as __builtins__
from ._static import MISSING, Instance, Unknown, dict_of, is_a, is_one, mro, static_dict

_ALIASES = (types.GenericAlias, *map(type, (typing.List[int], typing.Optional[int], typing.List)))
_UNIONS = (typing.Union, getattr(types, "UnionType", typing.Union))
_MAX_DEPTH = 20


def instance_of(hint, read, depth=0):
    """An instance of what a hint says. `read` evaluates a node of its text."""
    cls, arguments = _parts(hint, read, depth)
    if is_one(cls, _UNIONS):
        arguments = [one for one in arguments if not _is_none(one)]
        if len(arguments) != 1:
            raise Unknown
        return instance_of(arguments[0], read, depth + 1)
    if not is_a(cls, type):
        raise Unknown
    items = [one for one in arguments if one is not Ellipsis and not (is_a(one, ast.Constant) and one.value is Ellipsis)]
    if cls is tuple and len(items) == len(arguments) and items:
        return tuple(_item(one, read, depth) for one in items)
    return Instance(cls, _item(items[-1], read, depth) if items else MISSING)


def _item(hint, read, depth):
    try:
        return instance_of(hint, read, depth + 1)
    except Unknown:
        return Instance(object)


def _is_none(hint):
    return hint is None or hint is type(None) or (is_a(hint, ast.Constant) and hint.value is None)


def _parts(hint, read, depth):
    """The class of a hint and its arguments, which are hints."""
    if depth > _MAX_DEPTH:
        raise Unknown
    if type(hint) is str:
        hint = ast.parse(hint.strip(), mode="eval").body
    if is_a(hint, ast.Constant):
        return (type(None), ()) if hint.value is None else _parts(hint.value, read, depth + 1)
    if is_a(hint, ast.Subscript):
        return _parts(hint.value, read, depth + 1)[0], hint.slice.elts if is_a(hint.slice, ast.Tuple) else [hint.slice]
    if is_a(hint, ast.BinOp) and is_a(hint.op, ast.BitOr):
        return typing.Union, [hint.left, hint.right]
    if is_a(hint, ast.AST):
        return _parts(read(hint), read, depth + 1)
    if is_one(type(hint), _UNIONS):
        return typing.Union, hint.__args__
    if is_one(type(hint), _ALIASES):
        own = static_dict(hint) or {"__origin__": hint.__origin__, "__args__": hint.__args__}
        return own.get("__origin__"), own.get("__args__", ())
    return (typing.Union, ()) if hint is typing.Union else (hint, ())


def names_of(cls):
    """The names that a class and its bases annotate."""
    return [name for base in mro(cls) for name in _annotations(base) if type(name) is str]


def of_field(cls, name):
    """The hint of an attribute, and the names of its module; MISSING where there is none."""
    for base in mro(cls):
        hint = _annotations(base).get(name, MISSING)
        if hint is not MISSING:
            return hint, static_dict(sys.modules.get(dict_of(base).get("__module__")))
    return MISSING, {}


def _annotations(cls):
    found = dict_of(cls).get("__annotations__")
    return found if type(found) is dict else {}
