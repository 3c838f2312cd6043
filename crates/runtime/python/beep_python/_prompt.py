"""Help for typing Python into a session: completeness, indentation, completion. A client creates a `Prompt` and calls it."""

import ast
import builtins
import codeop
import io
import pkgutil
import re
import sys
import tokenize
import warnings

from . import _last_exception
from ._builtins import own as __builtins__
from ._compiler import compile_source

MAX_SHOWN = 1 << 20  # characters of a repr
MAX_OFFERED = 500
INDENT = "    "
_DONE = re.compile(r"[ \t]*(return|raise|pass|break|continue)\b")
_IMPORT = re.compile(r"(?:^|[\n;])[ \t]*(?:import|from)[ \t]+(?:[\w.]+[ \t]*,[ \t]*)*([\w.]*)$")
_NAME = re.compile(r"[^\W\d][\w.]*$")


class Prompt:
    def __init__(self):
        _last_exception.keep()
        self.namespace = sys.modules["__main__"].__dict__
        self.compile = codeop.CommandCompiler()
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self.completer = None

    def rest(self, source):
        """None if the source is complete, else the indentation of its next line.

        A block ends with an empty line, as in any Python prompt; a line with only the indentation we suggested is empty."""
        source = re.sub(r"\n[ \t]*$", "\n", source)
        return None if self._is_whole(source) else _indent(source)

    def _is_whole(self, source):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # running it warns
            try:
                return self.compile(source, "<prompt>", "single") is not None
            except (SyntaxError, ValueError, OverflowError):
                pass  # several statements, or an error
            try:
                if self.compile(source, "<prompt>", "exec") is None:
                    return False
                flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                body = compile(source, "<prompt>", "exec", flags, dont_inherit=True).body
            except (SyntaxError, ValueError, OverflowError):
                return True  # running it reports the error
            is_block = bool(body) and (hasattr(body[-1], "body") or hasattr(body[-1], "cases"))
            return not is_block or source.endswith("\n")

    def complete(self, before):
        """Completes the last word: its start, in characters, and the candidates."""
        found = _IMPORT.search(before)
        if found:
            return [found.start(1), _modules(found.group(1))]
        found = _NAME.search(before)
        word = found.group() if found else ""
        if not word:
            return [len(before), []]
        if self.completer is None:
            self.completer = _completer(self.namespace)
        names = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            while len(names) < MAX_OFFERED:
                name = self.completer.complete(word, len(names))
                if name is None:
                    break
                names.append(name)
        return [len(before) - len(word), sorted({name.rstrip(" :") for name in names})]

    def show(self, value, source=""):
        """The text of the result of this source, which becomes `_`; None if there is nothing to show."""
        if value is None or _is_quiet(source):
            return None
        if sys.displayhook is not sys.__displayhook__:
            return sys.displayhook(value)
        builtins._ = None
        text = repr(value)
        builtins._ = value
        if len(text) > MAX_SHOWN:
            text = "%s... (%d characters more)" % (text[:MAX_SHOWN], len(text) - MAX_SHOWN)
        return text


def _is_quiet(source):
    """Whether a semicolon keeps the result from being shown."""
    if ";" not in source:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # running it has warned
        return compile_source(source, "<prompt>")[0].is_quiet


def _indent(source):
    """The indentation of the line after an incomplete source."""
    last = None
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.DEDENT, tokenize.ENDMARKER):
                last = token
    except (tokenize.TokenError, SyntaxError) as error:
        if "string" in str(error):
            return ""  # inside a string, it would become part of it
    lines = source.rstrip("\n").split("\n")
    line = lines[-1]
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    if last is not None and last.string in (":", "(", "[", "{") and last.start[0] == len(lines):
        return indent + INDENT
    if _DONE.match(line):
        return indent[: -len(INDENT)]
    return indent


def _modules(begun):
    """The modules whose names start with this text."""
    package, dot, _ = begun.rpartition(".")
    if dot:
        path = getattr(sys.modules.get(package), "__path__", None)
        names = [package + dot + found.name for found in pkgutil.iter_modules(path)] if path is not None else []
    else:
        names = [found.name for found in pkgutil.iter_modules()] + list(sys.builtin_module_names)
    hidden = begun.rpartition(".")[2].startswith("_")
    named = {name for name in names if name.startswith(begun)}
    return sorted(name for name in named if hidden or not name.rpartition(".")[2].startswith("_"))[:MAX_OFFERED]


def _completer(namespace):
    missing = object()
    readline = sys.modules.get("readline", missing)
    # rlcompleter imports readline, some versions of which then write to standard output
    sys.modules["readline"] = None
    try:
        import rlcompleter
    finally:
        if readline is missing:
            del sys.modules["readline"]
        else:
            sys.modules["readline"] = readline

    class Completer(rlcompleter.Completer):
        def _callable_postfix(self, value, word):
            return word

    return Completer(namespace)
