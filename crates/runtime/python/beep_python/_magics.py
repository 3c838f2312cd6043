"""Lines that IPython knows and Python does not: `%name`, `%%name`, `!command`, `object?`. They are rewritten as calls, each in its line."""

import io
import re
import tokenize

from ._builtins import own as __builtins__

CALL = "__import__('beep_python._magic_commands', fromlist=['%s']).%s(%s)"
_LINE = re.compile(r"(?P<indent>\s*)(?P<target>(?:[^\W\d][\w., ]*=\s*)+)?(?P<mark>!!?|%)(?P<text>.*)", re.DOTALL)
_NAME = re.compile(r"([^\W\d]\w*)(?:\s+(.*))?$", re.DOTALL)
_HELP = re.compile(r"\s*(?:(?P<before>\?\??)\s*)?(?P<text>%{0,2}[^\W\d][\w.\[\]'\"*]*)?\s*(?P<behind>\?\??)?\s*;?\s*$")
_IS_IN_COMMENT = re.compile(r"^\s*#")


def rewritten(source):
    """The text with calls in the place of such lines; None if it has none."""
    if source.lstrip().startswith("%%"):
        first, _, body = source.lstrip().partition("\n")
        found = _NAME.match(first[2:].strip())
        return call("cell", found.group(1), found.group(2) or "", body) if found else None
    done, has_any = [], False
    lines = iter(source.split("\n"))
    for line in lines:
        new = None
        if is_candidate(line) and begins_statement(done):
            more = 0
            while line.endswith("\\") and not line.rstrip().endswith("?"):
                line, more = line[:-1] + next(lines, ""), more + 1
            new = of_line(line)
            has_any = has_any or new is not None
        done.append(line if new is None else new + "\n" * more)
    return "\n".join(done) if has_any else None


def call(function, *arguments):
    return CALL % (function, function, ", ".join(map(repr, arguments)))


def is_candidate(line):
    return ("%" in line or "!" in line or "?" in line) and not _IS_IN_COMMENT.match(line)


def begins_statement(before):
    """Whether a statement ends with these lines."""
    if not before:
        return True
    text = "\n".join(before) + "\n"
    try:
        tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline)]
    except (tokenize.TokenError, SyntaxError):  # within brackets or a string
        return False
    return not text.endswith("\\\n") and tokens[-1].type == tokenize.ENDMARKER


def of_line(line):
    """The call that a line stands for; None for one of Python."""
    found = _HELP.match(line)
    if found and (found["before"] or found["behind"]):
        indent = line[: len(line) - len(line.lstrip())]
        marks = max(found["before"] or "", found["behind"] or "", key=len)
        return indent + call("help_on", found["text"] or "", len(marks))
    found = _LINE.match(line)
    if not found:
        return None
    begin = found["indent"] + (found["target"] or "")
    if found["mark"] != "%":
        return begin + call("shell_lines" if found["target"] or found["mark"] == "!!" else "shell", found["text"].strip())
    named = _NAME.match(found["text"].strip())
    return begin + call("line", named.group(1), named.group(2) or "") if named else None
