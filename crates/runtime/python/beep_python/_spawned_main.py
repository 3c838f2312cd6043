"""A `__main__` for processes that multiprocessing spawns, or has a forkserver fork: they import what they are to run, and a session's
`__main__` is no file. So they get its imports, functions and classes, as the session's code defines them, and its plain values. No other
code of the session runs there.
"""

import ast
import io
import marshal
import os
import pickle
import sys
import types
import typing

from . import _current
from ._builtins import own as __builtins__
from ._compiler import parsed
from ._spawned_child import CHILD, shape

MAX_VALUE = 1 << 20  # bytes of a pickled value
DEFINES = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, getattr(ast, "TypeAlias", ast.ClassDef)
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef
MAX_SEEN = 500  # objects that are looked at to learn which statement made a value
PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None)))
NAMED = type, *[kind for kind in map(vars(typing).get, ("TypeVar", "ParamSpec", "TypeVarTuple", "NewType")) if isinstance(kind, type)]
METHODS = types.FunctionType, property, classmethod, staticmethod


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
        self.steps += attributes(made, namespace)
        self.steps += values({name: value for name, value in namespace.items() if name not in made and not name.startswith("__")})

    def __reduce__(self):
        return exec, (CHILD, {"text": CHILD, "steps": self.steps, "path": list(sys.path), "shape": marshal.dumps(shape.__code__)})


def definitions(namespace):
    """What makes the names that code of the session has defined, and these names, each with the statements that may have made it."""
    candidates, made = [], {}
    compiler = _current.compiler
    inert = {program.file for program in compiler.programs.values() if program.is_inert}
    for file, text, futures in compiler.sources.texts():
        for node in () if file in inert else parsed(text, file):
            if is_definition(node, namespace):
                names = {name for name in bound_by(node) if name in namespace and may_make(node, name, namespace[name], file)}
                candidates.append((node, names, file, futures))
                for name in names:
                    made.setdefault(name, []).append((file, node))
    for name, nodes in made.items():  # the code that the value leads to tells which of them it was; else it is the last
        if len(nodes) > 1 and not isinstance(namespace[name], types.ModuleType):  # each import may add a submodule
            codes = list(codes_of(namespace[name]))
            made[name] = [each for each in nodes if any([is_in(code, *each) for code in codes])] or nodes[-1:]
    steps = []
    for node, names, file, futures in candidates:
        names = sorted([name for name in names if any([node is each for _, each in made[name]])])
        if names or getattr(node, "decorator_list", None):  # a decorator may have registered it
            steps.append(("code", names, step(node, names, file, futures, namespace)))
    return steps, made


def step(node, names, file, futures, namespace):
    """The code that makes these names; what they must look like then, and what they are if they do not; and what functions hold, as it is by now."""
    shapes, states = {}, {}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        node.names = [ast.alias(name, None) for name in names] if node.names[0].name == "*" else [each for each in node.names if bound(each) in names]
    elif not isinstance(node, (ast.If, ast.Try)):
        shapes = {name: (shape(namespace[name]), *sent(namespace[name])) for name in names}
    arguments = node.value.args if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) else None
    if isinstance(node, FUNCTIONS) and not node.decorator_list:
        arguments = node.args
    state = state_of(namespace[names[0]]) if arguments is not None else None
    if state is not None:
        states[names[0]] = state
        arguments.defaults = [ast.copy_location(ast.Constant(None), each) for each in arguments.defaults]  # they have been evaluated
        arguments.kw_defaults = [each and ast.copy_location(ast.Constant(None), each) for each in arguments.kw_defaults]

    def compiled():
        return marshal.dumps(compile(ast.fix_missing_locations(ast.Module([node], [])), file, "exec", futures, dont_inherit=True))

    code, undecorated = compiled(), None
    value = namespace.get(getattr(node, "name", None))
    if isinstance(node, FUNCTIONS) and node.decorator_list and isinstance(value, types.FunctionType) and value.__code__.co_name == node.name:
        if is_in(value.__code__, file, node):  # the decorators have given it back
            node.decorator_list = []
            undecorated = compiled()
    return code, undecorated, shapes, states


def state_of(function):
    """What a function holds by now, pickled: its defaults, which were evaluated long ago, and its attributes. None if another object may share a default."""
    defaults = {name: getattr(function, name) for name in ("__defaults__", "__kwdefaults__")}
    if not all([type(each) in PLAIN for each in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())]):
        return None
    return sent({**defaults, **vars(function)})[0] or sent(defaults)[0]


def may_make(node, name, value, file):
    """Whether the name can be, by now, what this statement made it."""
    if isinstance(node, ast.Import):
        wanted = next(each for each in reversed(node.names) if bound(each) == name)
        return value is sys.modules.get(wanted.name if wanted.asname else name)
    if isinstance(node, ast.ImportFrom):
        if node.level or node.module not in sys.modules:
            return not node.level and node.module != "__future__"
        wanted = next((each.name for each in reversed(node.names) if bound(each) == name), name)
        found = vars(sys.modules[node.module]).get(wanted, sys.modules.get("%s.%s" % (node.module, wanted), value))
        return value is found or (isinstance(value, (type, types.FunctionType)) and shape(value) == shape(found))  # it was loaded again
    if isinstance(node, ast.ClassDef) and not node.decorator_list:
        return not isinstance(value, type) or (value.__module__, value.__qualname__) == ("__main__", name)
    if isinstance(node, FUNCTIONS) and not node.decorator_list or isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        return isinstance(value, types.FunctionType) and is_in(value.__code__, file, node)
    if isinstance(node, (ast.If, ast.Try)):
        return any([name in bound_by(each) and is_definition(each, {name: value}) and may_make(each, name, value, file) for each in within(node)])
    return not isinstance(value, types.ModuleType)


def is_in(code, file, node):
    first = min([each.lineno for each in (node, *getattr(node, "decorator_list", ()))])
    return code.co_filename == file and first <= code.co_firstlineno <= node.end_lineno


def codes_of(value):
    """The codes that a function, or a class, or what wraps one, leads to."""
    found, seen = [value], set()
    for each in found:
        if id(each) in seen or len(seen) > MAX_SEEN or isinstance(each, types.ModuleType):
            continue
        seen.add(id(each))
        if isinstance(each, types.FunctionType):
            yield each.__code__
        try:
            inner = [cell.cell_contents for cell in getattr(each, "__closure__", None) or () if cell != types.CellType()]
            if not isinstance(each, type):
                inner += [getattr(each, name, None) for name in ("__wrapped__", "__func__", "func", "fget")]
            inner += getattr(each, "__dict__", {}).values()
            found += [one for one in inner if callable(one) or isinstance(one, METHODS)]
        except Exception:  # it is code of the session that answers there
            pass


def attributes(made, namespace):
    """What the methods and other attributes of the session's classes are by now."""
    steps = []
    for name in made:
        owner = namespace[name]
        if isinstance(owner, type) and owner.__module__ == "__main__":
            found = {}
            for attribute, value in list(vars(owner).items()):
                if isinstance(value, METHODS) or not attribute.startswith("__"):
                    state = state_of(value) if isinstance(value, types.FunctionType) and (value.__defaults__ or value.__kwdefaults__) else None
                    found[attribute] = shape(value), sent(value)[0], "it was set when the class had been defined", state
            steps.append(("class", [name], found))
    return steps


def is_definition(node, namespace):
    if isinstance(node, ast.Assign):
        made = [namespace.get(name) for name in bound_by(node)]
        return isinstance(node.value, ast.Lambda) or (bool(made) and all([is_named(value) for value in made]))
    if isinstance(node, (ast.If, ast.Try)):
        return all([isinstance(each, (ast.Assign, ast.Pass)) or is_definition(each, namespace) for each in within(node)])
    return isinstance(node, DEFINES)


def within(node):
    handled = [each for handler in getattr(node, "handlers", ()) for each in handler.body]
    return [*node.body, *handled, *node.orelse, *getattr(node, "finalbody", ())]


def is_named(value):
    """Whether pickle takes it for what `__main__` has by that name: a class that a call made, a type variable."""
    return isinstance(value, NAMED) and value.__module__ == "__main__"


def bound_by(node):
    """The names that a statement binds in its own namespace."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = {bound(alias) for alias in node.names}
        return star(node.module) if "*" in names else names
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.If, ast.Try)):
        return set().union(*[bound_by(each) for each in within(node)])
    targets = node.targets if isinstance(node, ast.Assign) else [node.name] if isinstance(node, DEFINES) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def bound(alias):
    return alias.asname or alias.name.partition(".")[0]


def star(module):
    names = vars(sys.modules[module]) if module in sys.modules else {}
    return set(names.get("__all__") or [name for name in names if not name.startswith("_")])


def values(namespace):
    """What makes these names what they are; of what cannot be sent, the reason."""
    steps = []
    for name, value in namespace.items():
        if isinstance(value, types.ModuleType):
            steps.append(("module", [name], value.__name__))
        elif isinstance(value, (type, types.FunctionType)) and (value.__module__, value.__qualname__) == ("__main__", name):
            steps.append(("none", [name], "it is defined by a statement that cannot be run again on its own; define it at the top level, or in a module"))
        else:
            data, reason = sent(value)
            steps.append(("none", [name], reason) if data is None else ("value", [name], data))
    return steps


def sent(value):
    """The value pickled, or why it cannot be."""
    try:
        return pickled(value), None
    except Exception as error:
        return None, str(error)


def pickled(value):
    file = Bounded()
    ValuePickler(file, pickle.HIGHEST_PROTOCOL).dump(value)
    return file.getvalue()


def is_standard(module):
    """Whether any Python has it."""
    if hasattr(sys, "stdlib_module_names"):
        return module in sys.stdlib_module_names
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or "site-packages" not in file and file.startswith(os.path.dirname(os.__file__))


class Bounded(io.BytesIO):
    def write(self, data):
        if self.tell() + len(data) > MAX_VALUE:
            raise ValueError(TOO_LARGE)
        return super().write(data)


TOO_LARGE = "it is larger than the %d bytes of a value that are sent unasked; pass it as an argument" % MAX_VALUE


class ValuePickler(pickle.Pickler):
    def reducer_override(self, obj):
        if isinstance(obj, (type, types.FunctionType, types.BuiltinFunctionType)):
            return NotImplemented
        try:
            if memoryview(obj).nbytes > MAX_VALUE:
                raise ValueError(TOO_LARGE)
        except TypeError:
            module = type(obj).__module__.partition(".")[0]
            if module not in ("__main__", "numpy") and not is_standard(module):
                detail = "an object of the class %s is not sent unasked; pass it as an argument"
                raise ValueError(detail % type(obj).__qualname__) from None
        return NotImplemented
