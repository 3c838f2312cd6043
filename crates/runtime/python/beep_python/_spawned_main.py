"""A `__main__` for processes that multiprocessing spawns, or has a forkserver fork: they import what they are to run, and a session's
`__main__` is no file. So they get its imports, functions and classes, as the session's code defines them, and its plain values. No other
code of the session runs there.
"""

import ast
import inspect
import io
import marshal
import pickle
import sys
import types
import typing

from . import _current
from ._builtins import own as __builtins__
from ._compiler import parsed

MAX_VALUE = 1 << 20  # bytes of a pickled value
DEFINES = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, getattr(ast, "TypeAlias", ast.ClassDef)
# where the classes of values come from that are what they hold
PLAIN = frozenset(("__main__", "builtins", "collections", "datetime", "decimal", "enum", "fractions", "functools", "operator", "pathlib", "re", "uuid"))

# What runs in such a process, before it unpickles what it is to do; nothing else of ours is there.
CHILD = """
def begin(steps, path):
    import importlib, marshal, pickle, sys, types

    why = {}

    class Missing(type):
        def fail(self, *args, **kwargs):
            reason = why.get(self.__name__) or "it was defined when this process had started"
            raise RuntimeError("%r of the session is not in this process, which multiprocessing spawned: %s" % (self.__name__, reason))

        __call__ = __getattr__ = __getitem__ = __iter__ = __len__ = __bool__ = fail

    class Late(Missing):
        # unpickled as what it is to be, since what fails there ends the process, and nobody is told; it fails where it is used
        def __getattr__(self, name):
            return late(name, self.__name__ + ".")

    def missing(name, kind=Missing):
        fail = lambda self, *args: Missing.fail(type(self))
        return kind(name, (), {"__module__": "__main__", "__setstate__": lambda *_: None, "__getattr__": fail, "__call__": fail})

    def late(name, of=""):
        if name.startswith("__"):
            raise AttributeError("the session's %s__main__ has no attribute %r" % (of, name))
        return missing(of + name, Late)

    sys.path[:] = path
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main
    left, tried = steps, None
    while left and len(left) != tried:  # one may need what a later one makes
        steps, left, tried = left, [], len(left)
        for kind, names, data in steps:
            try:
                if kind == "code":
                    exec(marshal.loads(data), main.__dict__)
                elif kind == "module":
                    setattr(main, names[0], importlib.import_module(data))
                elif kind == "value":
                    setattr(main, names[0], pickle.loads(data))
                else:
                    raise ValueError(data)
            except Exception as error:
                left.append((kind, names, data))
                why.update(dict.fromkeys(names, data if kind == "none" else "%s: %s" % (type(error).__name__, error)))
    for kind, names, data in left:
        for name in names:
            if not hasattr(main, name):
                setattr(main, name, missing(name))
    main.__getattr__ = late

begin(steps, path)
"""


def give_main(module):
    theirs = module.get_preparation_data

    def get_preparation_data(name):
        data = theirs(name)
        main = sys.modules["__main__"]
        if _current.compiler is not None and getattr(main, "__spec__", None) is None and not hasattr(main, "__file__"):
            data["session_main"] = Main(main.__dict__)
        return data

    module.get_preparation_data = get_preparation_data


class Main:
    def __init__(self, namespace):
        self.steps, made = definitions(namespace)
        self.steps += values({name: value for name, value in namespace.items() if name not in made and not name.startswith("__")})

    def __reduce__(self):
        return exec, (CHILD, {"steps": self.steps, "path": list(sys.path)})


def definitions(namespace):
    """What makes the names that code of the session has defined, and these names."""
    steps, made = [], set()
    compiler = _current.compiler
    inert = {program.file for program in compiler.programs.values() if program.is_inert}
    for file, text, futures in compiler.sources.texts():
        for node in () if file in inert else parsed(text, file):
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                continue
            names = bound_by(node)
            if is_definition(node, namespace) and ("*" in names or any([is_current(node, name, namespace, file) for name in names])):
                code = compile(ast.Module([node], []), file, "exec", futures, dont_inherit=True)
                steps.append(("code", sorted(names), marshal.dumps(code)))
                made |= names
    return steps, made


def is_current(node, name, namespace, file):
    """Whether the name is there, and not as what another statement defined, as far as that can be told."""
    if name not in namespace or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return name in namespace
    code = code_of(namespace[name])
    first = min([each.lineno for each in (node, *node.decorator_list)])
    return code is None or (code.co_filename == file and first <= code.co_firstlineno <= node.end_lineno)


def code_of(value):
    """The code of a function of the session, or of a method that one of its classes has; None where there is none."""
    try:
        value = inspect.unwrap(value)
    except ValueError:
        return None
    found = vars(value).values() if isinstance(value, type) else [value]
    codes = [each.__code__ for each in found if isinstance(each, types.FunctionType)]
    return next((code for code in codes if code.co_filename in _current.compiler.sources.users), None)


def is_definition(node, namespace):
    if isinstance(node, ast.Assign):
        made = [namespace.get(name) for name in bound_by(node)]
        return isinstance(node.value, ast.Lambda) or (bool(made) and all([is_named(value) for value in made]))
    if isinstance(node, (ast.If, ast.Try)):
        inner = [*node.body, *node.orelse, *getattr(node, "finalbody", ())]
        inner += [each for handler in getattr(node, "handlers", ()) for each in handler.body]
        return all([isinstance(each, (ast.Assign, ast.Pass)) or is_definition(each, namespace) for each in inner])
    return isinstance(node, DEFINES)


def is_named(value):
    """Whether pickle takes it for what `__main__` has by that name: a class that a call made, a type variable."""
    return isinstance(value, (type, typing.TypeVar)) and value.__module__ == "__main__"


def bound_by(node):
    """The names that a statement binds in its own namespace."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name.partition(".")[0]) for alias in node.names}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.If, ast.Try)):
        inner = [*node.body, *node.orelse, *getattr(node, "finalbody", ()), *getattr(node, "handlers", ())]
        return set().union(*[bound_by(each) for each in inner])
    if isinstance(node, ast.ExceptHandler):
        return set().union(*[bound_by(each) for each in node.body])
    targets = node.targets if isinstance(node, ast.Assign) else [node.name] if isinstance(node, DEFINES) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def values(namespace):
    """What makes these names what they are; of what cannot be sent, the reason."""
    steps = []
    for name, value in namespace.items():
        if isinstance(value, types.ModuleType):
            steps.append(("module", [name], value.__name__))
            continue
        file = Bounded()
        try:
            ValuePickler(file, pickle.HIGHEST_PROTOCOL).dump(value)
            steps.append(("value", [name], file.getvalue()))
        except Exception as error:
            steps.append(("none", [name], str(error)))
    return steps


class Bounded(io.BytesIO):
    def write(self, data):
        if self.tell() + len(data) > MAX_VALUE:
            raise ValueError(TOO_LARGE)
        return super().write(data)


TOO_LARGE = "it is larger than the %d bytes of a value that are sent unasked; pass it as an argument" % MAX_VALUE


class ValuePickler(pickle.Pickler):
    def reducer_override(self, obj):
        if isinstance(obj, (type, types.FunctionType, types.BuiltinFunctionType)) or type(obj).__module__ in PLAIN:
            return NotImplemented
        try:
            if memoryview(obj).nbytes > MAX_VALUE:
                raise ValueError(TOO_LARGE)
        except TypeError:
            if not type(obj).__module__.startswith("numpy"):
                detail = "an object of the class %s is not sent unasked; pass it as an argument"
                raise ValueError(detail % type(obj).__qualname__) from None
        return NotImplemented
