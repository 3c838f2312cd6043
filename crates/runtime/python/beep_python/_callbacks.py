"""Functions of the client, as functions of Python: what libraries read of a function they have, and the client's errors are
caught as what they are."""

import ast
import types

from ._builtins import own as __builtins__
from ._builtins import own
from ._wire import Rejected


class CallbackError(RuntimeError):
    """A callback failed on the client; the message is the client's. `kind` is the type that the client says, or None.

    Where that is one of Python's own exceptions, the error is an instance of both.
    """

    kind = None

    def __str__(self):
        # a KeyError would show the repr of its key, and others what the client does not say
        return str(self.args[0]) if len(self.args) == 1 else BaseException.__str__(self)


class Kept:
    """What a callback has that outlives its call: the subscription over which its client is asked, and whether that takes the exact form."""

    def __init__(self, over, exact):
        self.over, self.exact = over, exact


RELEASED = Kept(None, False)


class Callback:
    """A function on the client, by its name there. Any thread may call it, and waits for the answer. It ends with its call, unless the
    client asked to keep it."""

    def __init__(self, name, client, doc=None, signature=None, call=None, kept=None):
        self.name = self.__name__ = self.__qualname__ = name
        self.__doc__ = doc
        self.__annotations__ = {}
        self._client, self._call, self._kept = client, call, kept
        self._owner = None  # the handle by which the client releases it
        if signature is not None:
            self.__signature__ = signature_of(signature)
            self.__annotations__ = annotations_of(self.__signature__)

    def __call__(self, /, *args, **kwargs):
        return self._client.call_back(self, args, kwargs)

    def __get__(self, instance, owner=None):
        """In a class it is a method, as any function."""
        return self if instance is None else types.MethodType(self, instance)

    def __getattr__(self, name):
        if name != "__signature__":
            raise AttributeError("the callback %r has no attribute %r" % (vars(self).get("name"), name))
        import inspect

        kinds = {"args": inspect.Parameter.VAR_POSITIONAL, "kwargs": inspect.Parameter.VAR_KEYWORD}
        return inspect.Signature([inspect.Parameter(name, kind) for name, kind in kinds.items()])

    def __repr__(self):
        return "<callback %r of the client>" % self.name

    def own(self, handle_id):
        """From now on it ends with this handle, if it is kept and has none yet."""
        if self._kept is not None and self._owner is None:
            self._owner = handle_id

    def release(self, handle_id):
        if self._owner == handle_id:
            self._kept = RELEASED

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce_ex__(self, protocol):
        import pickle

        detail = "the callback %r is a function of the client, which only the process of this session can call; it cannot be pickled"
        raise pickle.PicklingError(detail % self.name)


for _kind in (Callback, CallbackError):
    _kind.__module__ = "beep_python"  # where users find it


_FORMS = {}  # classes of errors, by the builtin that they are too


def error_of(kind, message):
    """The error of a callback: also an instance of the builtin exception of this name, if there is one."""
    form = _form_of(kind) if type(kind) is str else CallbackError
    error = form.__new__(form, message)
    error.args = (message,)
    if type(kind) is str:
        error.kind = kind
    if isinstance(error, (SyntaxError, ImportError)):
        error.msg = message
    return error


def _form_of(kind):
    base = own.get(kind)
    if not isinstance(base, type) or not issubclass(base, Exception):  # a SystemExit would end what the client does not know of
        return CallbackError
    if base not in _FORMS:
        _FORMS[base] = CallbackError if issubclass(CallbackError, base) else _made_of_both(base)
    return _FORMS[base]


def _made_of_both(base):
    members = {"__module__": "beep_python", "kind": base.__name__, "__reduce__": _reduced}
    members["__init__"] = _without_arguments_of_its_base
    for new in (base.__new__, RuntimeError.__new__):  # which of them may make it differs from type to type
        try:
            form = type(base.__name__, (CallbackError, base), {**members, "__new__": new})
            form.__new__(form, "")
            return form
        except TypeError:
            pass
    return CallbackError  # an ExceptionGroup cannot be without exceptions


def _without_arguments_of_its_base(self, *args):
    """A UnicodeDecodeError wants five, of which the client knows none."""


def _reduced(self):
    return error_of, (self.kind, self.args[0])


def signature_of(text):
    """Reads the signature of a function, `(path: str, *, depth=1) -> list`. Nothing of it is evaluated: defaults are literals, and a
    hint is the builtin type of that name, else a string."""
    import inspect

    source = "def function%s: pass" % text
    try:
        (function,) = ast.parse(source).body
        arguments, (statement,) = function.args, function.body
        if function.name != "function" or not _is_last(statement, source):  # the text is more than a signature
            raise SyntaxError
        positional = arguments.posonlyargs + arguments.args
        missing = [None] * (len(positional) - len(arguments.defaults))
        kinds = [inspect.Parameter.POSITIONAL_ONLY] * len(arguments.posonlyargs)
        kinds += [inspect.Parameter.POSITIONAL_OR_KEYWORD] * len(arguments.args)
        found = list(zip(positional, kinds, missing + arguments.defaults))
        if arguments.vararg is not None:
            found.append((arguments.vararg, inspect.Parameter.VAR_POSITIONAL, None))
        found += [(name, inspect.Parameter.KEYWORD_ONLY, default) for name, default in zip(arguments.kwonlyargs, arguments.kw_defaults)]
        if arguments.kwarg is not None:
            found.append((arguments.kwarg, inspect.Parameter.VAR_KEYWORD, None))
        empty = inspect.Parameter.empty
        parameters = [
            inspect.Parameter(
                argument.arg,
                kind,
                default=empty if default is None else ast.literal_eval(default),
                annotation=empty if argument.annotation is None else _hint(argument.annotation, source),
            )
            for argument, kind, default in found
        ]
        returned = empty if function.returns is None else _hint(function.returns, source)
        return inspect.Signature(parameters, return_annotation=returned)
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError):
        detail = "'signature' must be that of a function, such as (path: str, *, depth=1) -> list, with literals as defaults"
        raise Rejected("invalid_request", detail) from None


def _is_last(statement, source):
    lines = source.encode().split(b"\n")
    return isinstance(statement, ast.Pass) and (statement.lineno, statement.end_col_offset) == (len(lines), len(lines[-1]))


def _hint(node, source):
    if isinstance(node, ast.Name) and isinstance(own.get(node.id), type):
        return own[node.id]
    if isinstance(node, ast.Constant) and (node.value is None or type(node.value) is str):
        return node.value
    return ast.get_source_segment(source, node)


def annotations_of(signature):
    found = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    found["return"] = signature.return_annotation
    return {name: hint for name, hint in found.items() if hint is not signature.empty}
