"""Completes Python source: names, attributes, keys, keyword arguments, modules and paths. None of it runs the user's code, but for a
`__dir__` and an `_ipython_key_completions_` that say what there is."""

import ast
import builtins
import importlib.util
import inspect
import keyword
import os
import pkgutil
import re
import sys
import types

from ._builtins import own as __builtins__
from ._guarded import Instance, Unknown, evaluate, is_a, is_of, static_dict, static_names

MAX_OFFERED = 500
MAX_SOURCE = 4 << 20  # bytes of a module that is read for its names
_PREFIX = "(?i:[bruft]{0,2})"
_TOKEN = re.compile(
    r"(?P<space>\s+|\\\n)|(?P<comment>\#[^\n]*)"
    r"|(?P<string>{0}(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"))|(?P<long>{0}(?:'''|\"\"\")(?:.|\n)*)"
    r"|(?P<text>{0}(?:'(?:\\.|[^\\\n'])*'|\"(?:\\.|[^\\\n\"])*\"))|(?P<open>{0}(?:'(?:\\.|[^\\\n'])*|\"(?:\\.|[^\\\n\"])*)\Z)"
    r"|(?P<name>[^\W\d]\w*)|(?P<number>(?:\d\w*\.?(?:\d\w*)?|\.\d\w*)(?:(?<=[eE])[+-]\d+)?)|(?P<mark>.)".format(_PREFIX),
    re.DOTALL,
)
_IMPORT = re.compile(r"(?:^|[\n;])[ \t]*import[ \t]+(?:[\w.]+(?:[ \t]+as[ \t]+\w+)?[ \t]*,[ \t]*)*([\w.]*)$")
_FROM = re.compile(r"(?:^|[\n;])[ \t]*from[ \t]+([\w.]*)$")
_FROM_IMPORT = re.compile(r"(?:^|[\n;])[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+\(?(?:[^;\n]*,)?\s*(\w*)$")
_AFTER_FROM = re.compile(r"(?:^|[\n;])[ \t]*from[ \t]+[\w.]+[ \t]+(i\w*)$")
_ATOMS = ("name", "number", "string", "text")
_CALLED = ("name", "string", "text")
_CLOSES = {")": "(", "]": "[", "}": "{"}


def complete(before, namespace):
    """Where what is completed begins, in characters, and the candidates for it."""
    start, found = _candidates(before, namespace)
    return [start, sorted(set(found))[:MAX_OFFERED]]


def _candidates(before, namespace):
    for pattern, find in ((_IMPORT, modules), (_FROM, modules), (_FROM_IMPORT, members), (_AFTER_FROM, lambda begun: ["import"])):
        found = pattern.search(before)
        if found:
            names = find(*found.groups())
            begun = found.group(found.lastindex)
            return found.start(found.lastindex), [name for name in names if name.startswith(begun)]
    tokens = [token for token in _TOKEN.finditer(before) if token.lastgroup != "space"]
    if not tokens or tokens[-1].lastgroup in ("comment", "long", "string", "text", "number"):
        return len(before), []
    last = tokens[-1]
    if last.lastgroup == "open":
        return _in_string(last, tokens[:-1], before, namespace)
    word = last.group() if last.lastgroup == "name" and last.end() == len(before) else ""
    if word:
        tokens.pop()
    start = len(before) - len(word)
    if tokens and tokens[-1].group() == ".":
        return start, _attributes(_primary(tokens[:-1], before), word, namespace)
    if tokens and tokens[-1].group() == "[" and not word:
        keys = _keys(_primary(tokens[:-1], before), namespace)
        return start, [repr(key) + "]" for key in keys]
    found = _keyword_arguments(tokens, before, namespace)
    if word:
        found += keyword.kwlist + getattr(keyword, "softkwlist", []) + [*namespace, *vars(builtins)]
    return start, [name for name in found if type(name) is str and name.startswith(word)]


def _primary(tokens, before):
    """The expression that these tokens end with: an atom with its attributes, items and calls; empty where there is none."""
    at, start = len(tokens) - 1, None
    while at >= 0:
        token = tokens[at]
        text = token.group()
        if text in _CLOSES:
            at = _opening(tokens, at)
            if at < 0:
                break
        elif token.lastgroup not in _ATOMS or (keyword.iskeyword(text) and text not in ("None", "True", "False")):
            break
        start = tokens[at].start()
        before_it = tokens[at - 1] if at else None
        if before_it is not None and before_it.group() == ".":
            at -= 2
        elif before_it is not None and tokens[at].group() in ("(", "[") and (before_it.lastgroup in _CALLED or before_it.group() in _CLOSES):
            at -= 1
        else:
            break
    return "" if start is None else before[start : tokens[-1].end()]


def _opening(tokens, at):
    """Where the bracket begins that ends here, or -1."""
    open_ones = []
    for place in range(at, -1, -1):
        text = tokens[place].group()
        if text in _CLOSES:
            open_ones.append(_CLOSES[text])
        elif open_ones and text in ("(", "[", "{"):
            if open_ones.pop() != text:
                return -1
            if not open_ones:
                return place
    return -1


def _attributes(source, begun, namespace):
    try:
        names = names_of(evaluate(source, namespace))
    except Unknown:
        return []
    hidden = "_" if not begun else "__" if begun == "_" else None
    names = [name for name in names if type(name) is str and name.isidentifier() and name.startswith(begun)]
    return [name for name in names if hidden is None or not name.startswith(hidden)] or (names if begun else [])


def names_of(value):
    """The names of its attributes."""
    if type(value) is Instance:
        return static_names(value.cls)
    if is_a(value, types.ModuleType):
        own = static_dict(value)
        if type(value) is types.ModuleType and callable(own.get("__dir__")):
            return _said(value, [*own])
        return [*own]
    if is_a(value, type):
        return static_names(value)
    names = [*static_dict(value), *static_names(type(value))]
    if type(value).__dir__ is object.__dir__ or type(value).__getattribute__ is not object.__getattribute__:
        return names
    return _said(value, names)


def _said(value, otherwise):
    try:
        return dir(value)
    except Exception:
        return otherwise


def _in_string(token, tokens, before, namespace):
    text = token.group()
    quote_at = min(at for at in (text.find("'"), text.find('"')) if at >= 0)
    prefix, quote, begun = text[:quote_at].lower(), text[quote_at], text[quote_at + 1 :]
    if tokens and tokens[-1].group() == "[" and prefix in ("", "b"):
        kind = bytes if prefix else str
        keys = [key for key in _keys(_primary(tokens[:-1], before), namespace) if type(key) is kind]
        if keys:
            literals = [_literal(key, prefix, quote) for key in keys]
            return token.start(), [literal + "]" for literal in literals if literal.startswith(prefix + quote + begun)]
    if "f" in prefix or "\\" in begun or "\0" in begun:
        return len(before), []
    folder, name = os.path.split(begun)
    return len(before) - len(name), _paths(folder, name, quote)


def _literal(key, prefix, quote):
    """The literal of a key between such quotes."""
    marks = "'\"" if type(key) is str else b"'\""
    body = repr(marks + key)[4 + len(prefix) : -1]  # of what has both quotes in it, only the single ones are escaped
    if quote == '"':
        body = body.replace("\\'", "'").replace('"', '\\"')
    return prefix + quote + body + quote


def _paths(folder, begun, quote):
    found = []
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            for entry in entries:
                if entry.name.startswith(begun) and (begun or entry.name[0] != ".") and not {quote, "\\", "\n"} & {*entry.name}:
                    found.append(entry.name + ("/" if entry.is_dir() else ""))
    except (OSError, ValueError):
        pass
    return found


def _keys(source, namespace):
    """The keys of what the expression gives."""
    try:
        value = evaluate(source, namespace)
        if is_a(value, dict):
            return [key for key in dict.keys(value) if type(key) in (str, bytes, int)]
        if type(value) is type(os.environ):
            return [*value]
        if is_of(value, "pandas", "DataFrame"):
            return [*value.columns]
        if is_of(value, "numpy", "ndarray"):
            return [*(value.dtype.names or ())]
        if type(value) is not Instance and "_ipython_key_completions_" in static_names(type(value)):
            return [*value._ipython_key_completions_()]
    except Exception:
        pass
    return []


def _keyword_arguments(tokens, before, namespace):
    """Those of the call whose arguments the tokens end in, each with its `=`."""
    if not tokens or tokens[-1].group() not in ("(", ","):
        return []
    depth = 0
    for at in range(len(tokens) - 1, -1, -1):
        text = tokens[at].group()
        if text in _CLOSES:
            depth += 1
        elif text in ("(", "[", "{"):
            if not depth:
                break
            depth -= 1
    else:
        return []
    if tokens[at].group() != "(":
        return []
    given = {name.group() for name, mark in zip(tokens[at:], tokens[at + 1 :]) if name.lastgroup == "name" and mark.group() == "="}
    try:
        function = evaluate(_primary(tokens[:at], before), namespace)
        function = getattr(function, "descriptor", function)  # a method of C
        parameters = inspect.signature(function).parameters.values()
    except Exception:
        return []
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return [name + "=" for name in named if name not in given]


def modules(begun):
    """The modules whose names start with this text."""
    package, dot, last = begun.rpartition(".")
    if dot:
        names = [package + dot + name for name in _submodules(package)]
    else:
        names = [found.name for found in pkgutil.iter_modules()] + list(sys.builtin_module_names)
    return [name for name in names if last.startswith("_") or not name.rpartition(".")[2].startswith("_")]


def members(module, begun):
    """What can be imported from a module. One that is not loaded is read, and not run."""
    loaded = sys.modules.get(module)
    names = names_of(loaded) if is_a(loaded, types.ModuleType) else _names_in_source(module)
    return [name for name in [*names, *_submodules(module)] if begun.startswith("_") or not name.startswith("_")]


def _submodules(package):
    loaded = sys.modules.get(package)
    path = static_dict(loaded).get("__path__") if loaded is not None else _place(package)[1]
    return [found.name for found in pkgutil.iter_modules(path)] if path is not None else []


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
