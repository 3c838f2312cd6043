"""Of what the parameters of a call are read. An object that has them but by code of the user's is left out."""

import functools
import types

from ._builtins import own as __builtins__
from ._guarded import Method
from ._static import MISSING, Unknown, is_a, is_of, is_one, lookup, static_dict

_MAX_WRAPPERS = 20
# Those whose own code says what their classes take.
_METACLASSES = (("enum", "EnumMeta"), ("pydantic._internal._model_construction", "ModelMetaclass"))


def called(value):
    """The function, method or class whose parameters a call of this value takes."""
    if type(value) is Method:
        return value.descriptor
    if is_a(value, type):
        own = [lookup(type(value), name) for name in ("__getattribute__", "__call__", "__getattr__")]
        is_usual = is_one(own[0], (type.__getattribute__,)) and is_one(own[1], (type.__call__,)) and own[2] is MISSING
        if not is_usual and not any([is_of(value, *one) for one in _METACLASSES]):
            raise Unknown
        return value
    own_call = lookup(type(value), "__call__")
    if type(own_call) is types.FunctionType:
        return types.MethodType(own_call, value)
    _inner_of(value)
    return value


def _inner_of(value):
    """What a method, a partial function or a wrapper calls in the end, which is C's or a function of Python's."""
    for _ in range(_MAX_WRAPPERS):
        wrapped = static_dict(value).get("__wrapped__", MISSING)
        if type(value) is types.MethodType:
            value = value.__func__
        elif type(value) is functools.partial:
            value = value.func
        elif wrapped is not MISSING:
            value = wrapped
        else:
            break
    own = [lookup(type(value), name) for name in ("__getattribute__", "__call__")]
    if not all([type(one) is types.WrapperDescriptorType for one in own]) or lookup(type(value), "__getattr__") is not MISSING:
        raise Unknown
