"""Evaluates the text in front of a dot as far as that runs no code: names, attributes that lie in dicts, items of builtin containers,
literals. Of a call only the class of its result is found, and what its items are."""

import ast
import builtins
import collections
import types
from _collections import _tuplegetter

from . import _c_results, _hints, _table_reads
from ._builtins import own as __builtins__
from ._static import MISSING, Instance, Unknown, class_of, is_a, is_of, is_one, is_plain, lookup, name_of, static_dict, stored

MAX_DEPTH = 50
# The `__getitem__`s of C's sequences; those of other classes that are Python, and where they have their items.
_SEQUENCES = (list, tuple, str, bytes, bytearray, range, collections.deque)
_WRAPPERS = {"UserDict": "data", "UserList": "data", "UserString": "data"}
_DISPLAYS = {ast.ListComp: list, ast.SetComp: set, ast.Set: set, ast.DictComp: dict, ast.GeneratorExp: types.GeneratorType, ast.JoinedStr: str}
_DISPLAYS.update({ast.Lambda: types.FunctionType, ast.Compare: bool})
_of_static, _of_classmethod = (cls.__dict__["__func__"].__get__ for cls in (staticmethod, classmethod))
_getter_of = property.__dict__["fget"].__get__
_C_METHODS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)


def evaluate(source, namespace):
    """The value of an expression, or an `Instance`."""
    try:
        return _value(ast.parse(source.strip(), mode="eval").body, namespace, 0)
    except Unknown:
        raise
    except Exception:  # it is no expression, or a class misbehaves
        raise Unknown from None


def evaluate_keys(source, namespace):
    """The values of keys in brackets, each with its comma."""
    return tuple(_or_instance(one, namespace, 0) for one in ast.parse("_[%s]" % source.strip(), mode="eval").body.slice.elts)


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
        return _item(_value(node.value, names, depth + 1), _or_instance(node.slice, names, depth))
    if isinstance(node, ast.Call):
        arguments = [_or_instance(one, names, depth) for one in node.args]
        return result_of(_value(node.func, names, depth + 1), arguments, {one.arg: _or_instance(one.value, names, depth) for one in node.keywords})
    if isinstance(node, (ast.List, ast.Tuple)):
        return {ast.List: list, ast.Tuple: tuple}[type(node)](_or_instance(one, names, depth) for one in node.elts)
    if isinstance(node, ast.Dict):
        keys = [None if key is None else _value(key, names, depth + 1) for key in node.keys]
        return {key: _or_instance(value, names, depth) for key, value in zip(keys, node.values) if is_plain(key) and type(key) is not list}
    if isinstance(node, ast.Slice):
        return slice(*[None if one is None else _or_instance(one, names, depth) for one in (node.lower, node.upper, node.step)])
    if type(node) in _DISPLAYS:
        return Instance(_DISPLAYS[type(node)])
    if isinstance(node, ast.UnaryOp):
        return Instance(bool) if isinstance(node.op, ast.Not) else _value(node.operand, names, depth + 1)
    if isinstance(node, ast.BinOp):
        left, right = (_value(one, names, depth + 1) for one in (node.left, node.right))
        return _known(_c_results.operated(type(node.op), left, right))
    if isinstance(node, (ast.IfExp, ast.BoolOp)):
        ways = [_or_instance(one, names, depth) for one in (node.values if isinstance(node, ast.BoolOp) else (node.body, node.orelse))]
        return _known(next((one for one in ways if one is not None and class_of(one) is not object), MISSING))
    if isinstance(node, ast.NamedExpr):
        return _value(node.value, names, depth + 1)
    raise Unknown


def _known(found):
    if found is MISSING:
        raise Unknown
    return found


def _or_instance(node, names, depth):
    try:
        return _value(node, names, depth + 1)
    except Unknown:
        return Instance(object)


def _named(name, names):
    for where in (names, vars(builtins)):
        if name in where:
            return where[name]
    raise Unknown


def _item(value, key):
    if _table_reads.has_items(value):
        return _table_reads.item(value, key)
    if type(value) is Instance:
        return _known(_c_results.item(value, key))
    getter = lookup(type(value), "__getitem__")
    if getter is dict.__getitem__ and is_plain(key):
        found = stored(value, key)
        return _of_missing(value) if found is MISSING else found
    for cls in _SEQUENCES:
        if getter is cls.__getitem__:
            return _in_sequence(value, cls, key)
    for name, inner in _WRAPPERS.items():
        if is_of(value, "collections", name):
            return _item(static_dict(value)[inner], key)
    if is_of(value, "os", "_Environ"):
        return Instance(str)
    if is_of(value, "collections", "ChainMap"):
        return next(found for found in (stored(one, key) for one in static_dict(value)["maps"] if type(one) is dict) if found is not MISSING)
    raise Unknown


def _of_missing(value):
    """What is made for a key that is not there: the key is not."""
    if is_of(value, "collections", "defaultdict"):
        return result_of(value.default_factory, (), {})
    if is_of(value, "collections", "Counter"):
        return 0
    raise Unknown


def _in_sequence(value, cls, key):
    if type(key) is slice and not is_plain(key):
        key = slice(None)
    if not is_one(class_of(key), (int, bool, slice)):
        raise Unknown
    if type(key) is Instance or (type(key) is slice and cls.__len__(value) > _c_results.MAX_ITEMS):
        return _known(_c_results.item(Instance(cls, _c_results.common(value)), key))
    return cls.__getitem__(value, key)


def attribute(value, name):
    """The attribute, where no code makes it."""
    found = _table_reads.attribute(value, name)
    if found is not MISSING:
        return found
    cls = class_of(value)
    is_class = type(value) is not Instance and is_a(value, type)
    of_class = lookup(cls, name)
    is_data = of_class is not MISSING and lookup(type(of_class), "__set__") is not MISSING
    if name == "__dict__" and type(value) is not Instance:
        return dict(static_dict(value)) if is_class else static_dict(value)
    if type(of_class) is types.GetSetDescriptorType:
        found = _c_results.read(of_class, value)
        if found is not MISSING:
            return found
    if is_class:
        found = lookup(value, name)
        if found is not MISSING:
            return _bound(found, None, value)
    elif type(value) is Instance:
        hint, names = _hints.of_field(cls, name)
        if hint is not MISSING:
            return _hinted(hint, names)
    elif not is_data:
        found = static_dict(value).get(name, MISSING)
        if found is not MISSING:
            return found
    return _bound(_known(of_class), value, cls)


def _bound(found, instance, cls):
    if is_a(found, staticmethod):
        return _of_static(found)
    if is_a(found, classmethod):
        return types.MethodType(_of_classmethod(found), cls)
    if is_a(found, property):
        return _returned(_getter_of(found))
    if name_of(type(found)) == "cached_property":
        return _returned(static_dict(found).get("func"))
    if is_a(found, types.FunctionType):
        return found if instance is None else types.MethodType(found, instance)
    if is_one(type(found), _C_METHODS):
        if type(found) is types.ClassMethodDescriptorType:
            return Method(found, Instance(cls))
        return found if instance is None else Method(found, instance)
    if is_one(type(found), (types.MemberDescriptorType, _tuplegetter)) and instance is not None and type(instance) is not Instance:
        return found.__get__(instance, cls)  # of `__slots__`, or a field of a named tuple
    accessor = _table_reads.accessor(found)
    if accessor is not MISSING:
        return accessor
    if lookup(type(found), "__get__") is not MISSING:
        raise Unknown
    return found


class Method:
    """A method of C, and what it is of."""

    def __init__(self, descriptor, owner):
        self.descriptor, self.owner = descriptor, owner


def result_of(function, arguments, named):
    """What a call of it gives, by its class."""
    if type(function) is Method:
        return _known(_c_results.result(function.descriptor, [function.owner, *arguments], named))
    if type(function) is Instance:
        raise Unknown
    found = _c_results.result(function, arguments, named)
    if found is not MISSING:
        return found
    if is_a(function, type):
        if lookup(type(function), "__call__") is not type.__call__ or function is type:
            raise Unknown
        return Instance(function)
    if is_a(function, types.MethodType):
        found = _c_results.result(function.__func__, [function.__self__, *arguments], named)
        return _returned(function.__func__) if found is MISSING else found
    return _returned(function)


def _returned(function):
    """What a function says that it returns."""
    function = function.__func__ if is_a(function, types.MethodType) else function
    if not is_a(function, types.FunctionType) or function.__code__.co_flags & 0x80:
        raise Unknown
    hints = function.__annotations__
    return _hinted(hints.get("return") if type(hints) is dict else None, function.__globals__)


def _hinted(hint, names):
    return _hints.instance_of(hint, lambda node: _value(node, names, 0))
