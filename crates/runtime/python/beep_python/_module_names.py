"""The names of modules, and what can be imported from them. One that is not loaded is read, and not run."""

import ast
import importlib.util
import pkgutil
import sys
import types

from ._builtins import own as __builtins__
from ._names import names_of
from ._static import is_a, static_dict

MAX_SOURCE = 4 << 20  # bytes of a module that is read for its names


def modules(begun):
    """The modules whose names start with this text."""
    package, dot, last = begun.rpartition(".")
    if dot:
        names = [package + dot + name for name in _submodules(package)]
    else:
        names = [found.name for found in pkgutil.iter_modules()] + list(sys.builtin_module_names)
    return [name for name in names if last.startswith("_") or not name.rpartition(".")[2].startswith("_")]


def members(module, begun):
    """What can be imported from a module."""
    loaded = sys.modules.get(module)
    names = names_of(loaded) if is_a(loaded, types.ModuleType) else _names_in_source(module)
    return [name for name in [*names, *_submodules(module)] if begun.startswith("_") or not name.startswith("_")]


def _submodules(package):
    loaded = sys.modules.get(package)
    path = static_dict(loaded).get("__path__") if loaded is not None else _place(package)[1]
    names = [name.rpartition(".") for name in [*sys.modules] if type(name) is str]
    known = [name for parent, _, name in names if parent == package]  # as `os.path`, of a module that is no package
    return known + [found.name for found in pkgutil.iter_modules(path)] if path is not None else known


def _place(name):
    """The file and the folders of a module that is not loaded."""
    top, *parts = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        return None, None
    file, folders = spec.origin, spec.submodule_search_locations
    for part in parts:
        spec = importlib.machinery.PathFinder.find_spec(part, folders) if folders else None
        if spec is None:
            return None, None
        file, folders = spec.origin, spec.submodule_search_locations
    return file, folders


def _names_in_source(module):
    if module in sys.builtin_module_names or module in getattr(sys, "stdlib_module_names", ()):
        file = _place(module)[0]
        if file is None or not file.endswith(".py"):
            return names_of(importlib.import_module(module))  # one of C of the standard library
    file = _place(module)[0]
    try:
        with open(file, "rb") as source:
            body = ast.parse(source.read(MAX_SOURCE)).body
    except (OSError, TypeError, ValueError, SyntaxError):
        return []
    names = []
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [(one.asname or one.name).partition(".")[0] for one in node.names if one.name != "*"]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names
