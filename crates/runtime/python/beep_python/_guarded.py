"""Evaluates the text in front of a dot as far as that runs no code: names, attributes that lie in dicts, items of builtin containers,
literals. Of a call only the class of its result is found."""

import ast
import builtins
import operator
import sys
import types

from ._builtins import own as __builtins__

MAX_DEPTH = 50
_CONTAINERS = (dict, list, tuple, str, bytes, bytearray, range)
_KEYS = (str, bytes, int, float, bool, type(None))
# One of each class, by which the class of an operation's result is found.
_SAMPLES = {bool: True, int: 1, float: 1.0, complex: 1j, str: "", bytes: b"", list: [], tuple: (), set: set()}
_OPERATIONS = {
    **{ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv},
    **{ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitOr: operator.or_, ast.BitAnd: operator.and_, ast.BitXor: operator.xor},
    **{ast.LShift: operator.lshift, ast.RShift: operator.rshift},
}
# What C's methods return, by their own names; those of `str` that are not here, and those of `bytes`, return the class itself.
_LISTS = {"split", "rsplit", "splitlines"}
_NUMBERS = {"count", "find", "rfind", "index", "rindex", "bit_length"}
_TRUTHS = {"startswith", "endswith", "issubset", "issuperset", "isdisjoint"}
_SAME = {"copy", "union", "intersection", "difference", "symmetric_difference"}
_VIEWS = {"keys": type({}.keys()), "values": type({}.values()), "items": type({}.items())}


class Unknown(Exception):
    """It cannot be said without running code."""


class Instance:
    """An instance of this class, which was not made."""

    def __init__(self, cls):
        self.cls = cls


def evaluate(source, namespace):
    """The value of an expression, or an `Instance`."""
    try:
        return _value(ast.parse(source.strip(), mode="eval").body, namespace, 0)
    except Unknown:
        raise
    except Exception:  # it is no expression, or a class misbehaves
        raise Unknown from None


def _value(node, names, depth):
    if depth > MAX_DEPTH:
        raise Unknown
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return _named(node.id, names)
    if isinstance(node, ast.Attribute):
        return attribute(_value(node.value, names, depth + 1), node.attr)
    if isinstance(node, ast.Subscript):
        return _item(_value(node.value, names, depth + 1), node.slice, names, depth)
    if isinstance(node, ast.Call):
        return result_of(_value(node.func, names, depth + 1))
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)](_or_instance(one, names, depth) for one in node.elts)
    if isinstance(node, ast.Dict):
        keys = [None if key is None else _value(key, names, depth + 1) for key in node.keys]
        return {key: _or_instance(value, names, depth) for key, value in zip(keys, node.values) if type(key) in _KEYS}
    displays = {ast.ListComp: list, ast.SetComp: set, ast.DictComp: dict, ast.GeneratorExp: types.GeneratorType, ast.JoinedStr: str}
    displays.update({ast.Lambda: types.FunctionType, ast.Compare: bool})
    if type(node) in displays:
        return Instance(displays[type(node)])
    if isinstance(node, ast.UnaryOp):
        return Instance(bool) if isinstance(node.op, ast.Not) else _value(node.operand, names, depth + 1)
    if isinstance(node, ast.BinOp):
        left, right = (_SAMPLES.get(class_of(_value(one, names, depth + 1))) for one in (node.left, node.right))
        if left is None or right is None:
            raise Unknown
        return Instance(type(_OPERATIONS[type(node.op)](left, right)))
    raise Unknown


def _or_instance(node, names, depth):
    try:
        return _value(node, names, depth + 1)
    except Unknown:
        return Instance(object)


def is_a(value, cls):
    """As `isinstance`, which asks the value for its `__class__`."""
    return issubclass(type(value), cls)


def class_of(value):
    return value.cls if type(value) is Instance else type(value)


def _named(name, names):
    for where in (names, vars(builtins)):
        if name in where:
            return where[name]
    raise Unknown


def _item(value, node, names, depth):
    key = slice(None) if isinstance(node, ast.Slice) else _value(node, names, depth + 1)
    if type(value) is Instance:
        raise Unknown
    if is_of(value, "pandas", "DataFrame", "Series") or is_of(value, "numpy", "ndarray"):
        return value[key]
    if isinstance(node, ast.Constant) and type(key) not in _KEYS:
        raise Unknown
    if is_a(value, dict) and type(key) in _KEYS:
        if type(value).__getitem__ is dict.__getitem__ and dict.__contains__(value, key):
            return dict.__getitem__(value, key)
        raise Unknown
    if type(value) in _CONTAINERS and type(key) in (int, bool, slice):
        return value[key]
    raise Unknown


def is_of(value, module, *names):
    """Whether it is exactly of one of these classes of a package that is loaded."""
    found = sys.modules.get(module)
    return found is not None and any([type(value) is vars(found).get(name) for name in names])


def static_names(cls):
    return [name for base in cls.__mro__ for name in base.__dict__ if type(name) is str]


def static_dict(value):
    """The dict of an object or a module, without its own say."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except Exception:
        return {}
    return found if isinstance(found, (dict, types.MappingProxyType)) else {}


def attribute(value, name):
    """The attribute, where no code makes it."""
    missing = object()
    if is_a(value, types.ModuleType):
        found = static_dict(value).get(name, missing)
        if found is missing:
            raise Unknown
        return found
    if is_a(value, type):
        for base in value.__mro__:
            if name in base.__dict__:
                return _bound(base.__dict__[name], None, value)
        raise Unknown
    cls = class_of(value)
    of_class = next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), missing)
    own = {} if type(value) is Instance else static_dict(value)
    if name in own and not (of_class is not missing and hasattr(type(of_class), "__set__")):
        return own[name]
    if of_class is missing:
        raise Unknown
    return _bound(of_class, value, cls)


def _bound(found, instance, cls):
    if is_a(found, staticmethod):
        return found.__func__
    if is_a(found, classmethod):
        return types.MethodType(found.__func__, cls)
    if is_a(found, property) or type(found).__name__ == "cached_property":
        return _returned(found.fget if is_a(found, property) else found.func)
    if is_a(found, types.FunctionType):
        return found if instance is None else types.MethodType(found, instance)
    if is_a(found, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        return found if instance is None else _Method(found, cls)
    if is_a(found, types.MemberDescriptorType) and instance is not None and type(instance) is not Instance:
        return found.__get__(instance, cls)  # of `__slots__`
    if hasattr(type(found), "__get__"):
        raise Unknown
    return found


class _Method:
    """A method of C of an object of this class."""

    def __init__(self, descriptor, cls):
        self.descriptor, self.cls = descriptor, cls


def result_of(function):
    """What a call of it gives, by its class."""
    if type(function) is _Method:
        return _result_of_method(function)
    if is_a(function, type):
        if type(function).__call__ is not type.__call__ or function is type:
            raise Unknown
        return Instance(function)
    if type(function) is Instance:
        raise Unknown
    return _returned(function)


def _result_of_method(method):
    name, cls = method.descriptor.__name__, method.descriptor.__objclass__
    if name in _LISTS:
        return Instance(list)
    if name in _NUMBERS:
        return Instance(int)
    if name in _TRUTHS or (cls in (str, bytes) and name.startswith("is")):
        return Instance(bool)
    if cls is dict and name in _VIEWS:
        return Instance(_VIEWS[name])
    if name in ("encode", "to_bytes") and cls in (str, int):
        return Instance(bytes)
    if name == "decode" and cls is bytes:
        return Instance(str)
    if name in _SAME and cls in (list, dict, set, frozenset, bytearray):
        return Instance(cls)
    if cls in (str, bytes) and not name.startswith("__") and "partition" not in name and name != "maketrans":
        return Instance(cls)
    raise Unknown


def _returned(function):
    """What a function says that it returns."""
    function = function.__func__ if is_a(function, types.MethodType) else function
    if not is_a(function, types.FunctionType) or function.__code__.co_flags & 0x80:
        raise Unknown
    hint = function.__annotations__.get("return")
    if type(hint) is str:
        hint = _named(hint, function.__globals__) if hint.isidentifier() else None
    if not isinstance(hint, type):
        raise Unknown
    return Instance(hint)
