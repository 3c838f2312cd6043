"""What lies in the dicts of classes, objects and modules, read without their own say, nor that of metaclasses."""

import sys
import types

from ._builtins import own as __builtins__

MISSING = object()
mro = type.__dict__["__mro__"].__get__
module_of = type.__dict__["__module__"].__get__
name_of = type.__dict__["__name__"].__get__
dict_of = type.__dict__["__dict__"].__get__
_PLAIN = (str, bytes, int, float, bool, type(None))


class Unknown(Exception):
    """It cannot be said without running code."""


class Instance:
    """An instance of this class, which was not made. `item` is what each of its items is, where that is known."""

    def __init__(self, cls, item=MISSING):
        self.cls, self.item = cls, item


def is_a(value, cls):
    """As `isinstance`, which asks the value for its `__class__`."""
    return issubclass(type(value), cls)


def is_one(cls, classes):
    """Whether it is one of these. `in` asks its metaclass."""
    return any([cls is one for one in classes])


def is_of(value, module, *names):
    """Whether it is exactly of one of these classes of a package that is loaded."""
    found = static_dict(sys.modules.get(module))
    return any([type(value) is found.get(name, MISSING) for name in names])


def is_plain(key):
    """Whether it is of classes whose equality and hash are those of C."""
    if is_one(type(key), (tuple, list)):
        return all(map(is_plain, key))
    if type(key) is slice:
        return all(map(is_plain, (key.start, key.stop, key.step)))
    return is_one(type(key), _PLAIN)


def class_of(value):
    return value.cls if type(value) is Instance else type(value)


def lookup(cls, name):
    """What the class, or the first of its bases that has it, has by this name."""
    for base in mro(cls):
        found = dict_of(base).get(name, MISSING)
        if found is not MISSING:
            return found
    return MISSING


def static_names(cls):
    return [name for base in mro(cls) for name in dict_of(base) if type(name) is str]


def static_dict(value):
    """The dict of an object, a class or a module."""
    reader = lookup(type(value), "__dict__")
    if not is_one(type(reader), (types.GetSetDescriptorType, types.MemberDescriptorType)):
        return {}
    try:
        found = reader.__get__(value, type(value))
    except Exception:
        return {}
    if is_one(type(found), (dict, types.MappingProxyType)):
        return found
    return dict(list(dict.items(found))) if is_a(found, dict) else {}


def stored(value, key):
    """What a dict has by this key. Keys of the user's classes are not compared."""
    return next((item for name, item in dict.items(value) if type(name) is type(key) and name == key), MISSING)
