"""The names of the attributes of a value."""

import types

from . import _hints
from ._builtins import own as __builtins__
from ._static import Instance, is_a, lookup, static_dict, static_names


def names_of(value):
    """The names of its attributes."""
    if type(value) is Instance:
        return static_names(value.cls) + _hints.names_of(value.cls)
    if is_a(value, types.ModuleType):
        own = static_dict(value)
        if type(value) is types.ModuleType and callable(own.get("__dir__")):
            return _said(value, [*own])
        return [*own]
    if is_a(value, type):
        return static_names(value)
    names = [*static_dict(value), *static_names(type(value))]
    if lookup(type(value), "__dir__") is object.__dir__ or lookup(type(value), "__getattribute__") is not object.__getattribute__:
        return names
    return _said(value, names)


def _said(value, otherwise):
    try:
        return dir(value)
    except Exception:
        return otherwise
