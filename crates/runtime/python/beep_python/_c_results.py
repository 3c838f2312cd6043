"""What C gives: the class of each result of the functions, methods, getters and operations of builtin classes, and what its items are."""

import ast
import builtins
import collections
import datetime
import itertools
import operator
import types

from ._builtins import own as __builtins__
from ._static import MISSING, Instance, class_of, is_one

MAX_ITEMS = 10_000  # of a container that is copied
_COLLECTED = (str, bytes, bytearray, list, tuple, dict, set, frozenset, range, *(type(view) for view in ({}.keys(), {}.values(), {}.items())))
# One of each class, by which the class of an operation's result is found.
_SAMPLES = {bool: True, int: 1, float: 1.0, complex: 1j, str: "", bytes: b"", list: [], tuple: (), set: set()}
_OPERATIONS = {
    **{ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv},
    **{ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitOr: operator.or_, ast.BitAnd: operator.and_, ast.BitXor: operator.xor},
    **{ast.LShift: operator.lshift, ast.RShift: operator.rshift},
}
# What an item is by an index; a slice of any of them is of the same class.
_ITEMS = {str: Instance(str), **dict.fromkeys((bytes, bytearray, range), Instance(int))}
_SLICED = (*_ITEMS, list, tuple)
# Classes whose getters run no code, but for those that look further.
_READ = (type, int, float, complex, BaseException, slice, types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.CodeType)
_DATES = (datetime.date, datetime.datetime, datetime.time, datetime.timedelta)
_LOOKS_FURTHER = ("__doc__", "__annotations__", "__annotate__", "__type_params__")


def _owner(owner, *_):
    return owner


def _of_owner(owner, *_, **__):
    return Instance(class_of(owner))


def _view_of(function):
    return lambda owner: Instance(type(function({}))) if type(owner) is Instance else function(owner)


def _one_of(values, *others, **_):
    return MISSING if others else common(values)


def _in_order(values, **_):
    return Instance(list, common(values))


def common(values):
    """What each item is: an instance of the class that all have."""
    if type(values) is Instance:
        return item(values, 0)
    if not is_one(type(values), _COLLECTED) or not 0 < len(values) <= MAX_ITEMS:
        return MISSING
    first, *others = map(class_of, values)
    return MISSING if any([other is not first for other in others]) else Instance(first)


def _collected(cls):
    def collect(*values):
        if len(values) == 1 and is_one(type(values[0]), _COLLECTED) and len(values[0]) <= MAX_ITEMS:
            return cls(values[0])
        return Instance(cls, common(values[0]) if values else MISSING)

    return collect


def _mapping(*values, **more):
    if not values:
        return more
    return values[0] if type(values[0]) is dict and not more else Instance(dict)


_TEXTS, _SETS = (str, bytes, bytearray), (set, frozenset)
_TEXT, _DATA, _NUMBER, _TRUTH = map(Instance, (str, bytes, int, bool))
# Classes, names of their methods, and what those give: by the class, or one for all.
_METHODS = (
    (_TEXTS, "capitalize casefold center expandtabs format format_map join ljust lower lstrip removeprefix removesuffix replace", Instance),
    (_TEXTS, "rjust rstrip strip swapcase title translate upper zfill", Instance),
    (_TEXTS, "split rsplit splitlines", lambda cls: Instance(list, Instance(cls))),
    (_TEXTS, "partition rpartition", lambda cls: (Instance(cls),) * 3),
    (_TEXTS, "isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper", _TRUTH),
    (_TEXTS, "startswith endswith", _TRUTH),
    ((*_TEXTS, list, tuple, range, collections.deque), "count find rfind index rindex", _NUMBER),
    ((str,), "encode", _DATA),
    ((bytes, bytearray, float), "decode hex", _TEXT),
    ((int,), "bit_length bit_count conjugate", _NUMBER),
    ((int,), "to_bytes", _DATA),
    ((int, float), "is_integer", _TRUTH),
    ((int, float), "as_integer_ratio", (_NUMBER, _NUMBER)),
    ((float, complex), "conjugate", Instance),
    (_SETS, "union intersection difference symmetric_difference", Instance),
    (_SETS, "issubset issuperset isdisjoint", _TRUTH),
    ((dict, list, *_SETS, collections.OrderedDict, collections.defaultdict, collections.deque), "copy", lambda cls: _owner),
    ((bytearray,), "copy", Instance),
    ((bytes, bytearray, int, float, dict), "fromkeys from_bytes fromhex", lambda cls: _of_owner),
    ((collections.Counter,), "most_common", Instance(list, (Instance(object), _NUMBER))),
    ((collections.Counter,), "elements", Instance(itertools.chain)),
    (_DATES, "isoformat ctime strftime", _TEXT),
    (_DATES, "toordinal weekday isoweekday", _NUMBER),
    (_DATES, "timestamp total_seconds", Instance(float)),
    (_DATES, "replace astimezone", Instance),
    (_DATES, "combine fromisocalendar fromisoformat fromordinal fromtimestamp now strptime today utcnow utcfromtimestamp", lambda cls: _of_owner),
    ((datetime.datetime,), "date", Instance(datetime.date)),
    ((datetime.datetime,), "time timetz", Instance(datetime.time)),
)
_FUNCTIONS = (
    ("len ord hash id", _NUMBER),
    ("repr ascii chr bin oct hex format input", _TEXT),
    ("any all callable hasattr isinstance issubclass", _TRUTH),
    ("dir", Instance(list, _TEXT)),
    ("globals locals vars", Instance(dict)),
    ("sorted", _in_order),
    ("min max", _one_of),
)
_CLASSES = {list: _collected(list), tuple: _collected(tuple), dict: _mapping, type: lambda *values: class_of(*values)}


def _results():
    """By function or descriptor: an instance, items that are known, or a function of what it is called with."""
    found = {getattr(dict, name): _view_of(getattr(dict, name)) for name in ("keys", "values", "items")}
    for classes, names, given in _METHODS:
        for cls in classes:
            of_cls = given(cls) if callable(given) else given
            found.update({vars(cls)[name]: of_cls for name in names.split() if name in vars(cls)})
    for names, given in _FUNCTIONS:
        found.update({getattr(builtins, name): given for name in names.split()})
    return [*_CLASSES.items(), *found.items()]


_RESULTS = _results()


def result(function, arguments, named):
    """What a call of C's gives; MISSING if that is not known."""
    found = next((given for one, given in _RESULTS if one is function), MISSING)
    if type(found) is not types.FunctionType:
        return found
    try:
        return found(*arguments, **named)
    except TypeError:  # called with what it does not take
        return MISSING


def operated(operator_class, left, right):
    """What an operation gives."""
    if operator_class is ast.Add and type(left) is type(right) and is_one(type(left), (list, tuple)) and len(left) + len(right) <= MAX_ITEMS:
        return left + right
    left, right = _sample(left), _sample(right)
    return MISSING if left is MISSING or right is MISSING else Instance(type(_OPERATIONS[operator_class](left, right)))


def _sample(value):
    return next((sample for cls, sample in _SAMPLES.items() if cls is class_of(value)), MISSING)


def item(value, key):
    """What an instance of a builtin class has by a key."""
    if class_of(key) is slice:
        return Instance(value.cls, value.item) if is_one(value.cls, _SLICED) else MISSING
    return next((found for one, found in _ITEMS.items() if one is value.cls), value.item)


def read(getter, value):
    """What a getter of C reads."""
    owner = getter.__objclass__
    if owner is object and getter.__name__ == "__class__":
        return class_of(value)
    if not is_one(owner, (*_READ, *_DATES)) or getter.__name__ in _LOOKS_FURTHER:
        return MISSING
    if type(value) is not Instance:
        return getter.__get__(value, type(value))
    sample = _sample(value)
    return MISSING if sample is MISSING else Instance(type(getter.__get__(sample, value.cls)))
