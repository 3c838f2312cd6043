"""Completes Python source: names, attributes, keys, keyword arguments, modules and paths. None of it runs the user's code, but for a
`__dir__` and an `_ipython_key_completions_` that say what there is."""

import builtins
import inspect
import keyword
import re

from . import _magic_completion, _path_completion, _table_reads
from ._builtins import own as __builtins__
from ._guarded import evaluate, evaluate_keys
from ._module_names import members, modules
from ._names import names_of
from ._signatures import called
from ._static import MISSING, Instance, Unknown, is_a, is_of, is_plain, lookup

MAX_OFFERED = 500
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
    begins = before.rfind("\n") + 1
    line = _magic_completion.complete(before, begins)
    if line is not None and _is_whole(before[:begins]):
        return len(before) - line[0], line[1]
    tokens = _tokens(before)
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
    subscript = _subscript(tokens, before) if tokens and tokens[-1].group() in ("[", ",") and not word else None
    if subscript:
        return start, [repr(key) + end for key, end in _keys(subscript, namespace) or ()]
    found = _keyword_arguments(tokens, before, namespace)
    if word:
        found += keyword.kwlist + getattr(keyword, "softkwlist", []) + [*namespace, *vars(builtins)]
    return start, [name for name in found if type(name) is str and name.startswith(word)]


def _tokens(text):
    return [token for token in _TOKEN.finditer(text) if token.lastgroup != "space"]


def _is_whole(text):
    """Whether a statement can begin behind these lines."""
    tokens = _tokens(text)
    return not text.endswith("\\\n") and _enclosing(tokens)[0] < 0 and not (tokens and tokens[-1].lastgroup == "long")


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


def _in_string(token, tokens, before, namespace):
    text = token.group()
    quote_at = min(at for at in (text.find("'"), text.find('"')) if at >= 0)
    prefix, quote, begun = text[:quote_at].lower(), text[quote_at], text[quote_at + 1 :]
    subscript = _subscript(tokens, before) if prefix in ("", "b") and tokens and tokens[-1].group() in ("[", ",") else None
    keys = _keys(subscript, namespace) if subscript else None
    if keys is not None:
        kind = bytes if prefix else str
        literals = [_literal(key, prefix, quote) + end for key, end in keys if type(key) is kind]
        return token.start(), [literal for literal in literals if literal.startswith(prefix + quote + begun)]
    if "f" in prefix or "\\" in begun or "\0" in begun:
        return len(before), []
    length, found = _path_completion.in_string(begun, quote)
    return len(before) - length, found


def _literal(key, prefix, quote):
    """The literal of a key between such quotes."""
    marks = "'\"" if type(key) is str else b"'\""
    body = repr(marks + key)[4 + len(prefix) : -1]  # of what has both quotes in it, only the single ones are escaped
    if quote == '"':
        body = body.replace("\\'", "'").replace('"', '\\"')
    return prefix + quote + body + quote


def _subscript(tokens, before):
    """Of the brackets that the tokens end in: what they are of, and the text of the keys before the last; None where they are no subscript."""
    at, commas = _enclosing(tokens)
    if at < 0 or tokens[at].group() != "[":
        return None
    source = _primary(tokens[:at], before)
    if not source and at and tokens[at - 1].group() in ("[", ","):
        return _subscript(tokens[:at], before)  # a list of keys
    return (source, before[tokens[at].end() : tokens[commas[-1]].end()] if commas else "") if source else None


def _keys(subscript, namespace):
    """The keys that can come next, each with what ends it; None where the value has none."""
    source, given = subscript
    try:
        value = evaluate(source, namespace)
        found = _keys_of(value, evaluate_keys(given, namespace) if given else ())
    except Exception:
        return None
    return found and [(key, end) for key, end in found if type(key) is str or type(key) is bytes or type(key) is int]


def _keys_of(value, given):
    place = len(given)
    if is_a(value, dict):
        whole = [] if given else [(key, "]") for key in dict.keys(value)]
        rows = [key for key in dict.keys(value) if type(key) is tuple and len(key) > place and is_plain(key[:place]) and key[:place] == given]
        return whole + [(key[place], "]" if len(key) == place + 1 else "") for key in rows]
    if is_of(value, "os", "_Environ"):
        return [(key, "]") for key in value]
    found = _table_reads.keys(value, place)
    if found is None and type(value) is not Instance and lookup(type(value), "_ipython_key_completions_") is not MISSING:
        found = value._ipython_key_completions_()
    return found and [(key, "]") for key in found]


def _keyword_arguments(tokens, before, namespace):
    """Those of the call whose arguments the tokens end in, each with its `=`."""
    if not tokens or tokens[-1].group() not in ("(", ","):
        return []
    at, _ = _enclosing(tokens)
    if at < 0 or tokens[at].group() != "(":
        return []
    given = {name.group() for name, mark in zip(tokens[at:], tokens[at + 1 :]) if name.lastgroup == "name" and mark.group() == "="}
    try:
        parameters = inspect.signature(called(evaluate(_primary(tokens[:at], before), namespace))).parameters.values()
    except Exception:
        return []
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return [name + "=" for name in named if name not in given]


def _enclosing(tokens):
    """Where the bracket begins in which the tokens end, or -1, and the commas in it."""
    depth, commas = 0, []
    for at in range(len(tokens) - 1, -1, -1):
        text = tokens[at].group()
        if text in _CLOSES:
            depth += 1
        elif text in ("(", "[", "{"):
            if not depth:
                return at, commas[::-1]
            depth -= 1
        elif text == "," and not depth:
            commas.append(at)
    return -1, []
