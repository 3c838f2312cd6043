"""Help for typing Python into a session: completeness, indentation, completion. A client creates a `Prompt` and calls it."""

import ast
import builtins
import codeop
import io
import re
import sys
import tokenize
import warnings

from . import _completion, _last_exception
from ._builtins import own as __builtins__
from ._compiler import compile_source

MAX_SHOWN = 1 << 20  # characters of a repr
INDENT = "    "
_DONE = re.compile(r"[ \t]*(return|raise|pass|break|continue)\b")


class Prompt:
    def __init__(self):
        _last_exception.keep()
        self.namespace = sys.modules["__main__"].__dict__
        self.compile = codeop.CommandCompiler()
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

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
        """Completes what the text ends with: its start, in characters, and the candidates."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _completion.complete(before, self.namespace)

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
