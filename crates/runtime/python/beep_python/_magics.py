"""Lines that IPython knows and Python does not: `%name`, `%%name`, `!command`, `object?`. They are rewritten as calls, each in its line."""

import re
import tokenize

from ._builtins import own as __builtins__

CALL = "__import__('beep_python._magic_commands', fromlist=['%s']).%s(%s)"
LINE = re.compile(r"(?P<indent>\s*)(?P<target>(?:[^\W\d][\w., ]*=\s*)+)?(?P<mark>!!?|%)(?P<text>.*)", re.DOTALL)
_NAME = re.compile(r"([^\W\d]\w*)(?:\s+(.*))?$", re.DOTALL)
_HELP = re.compile(r"\s*(?:(?P<before>\?\??)\s*)?(?:(?P<text>%{0,2}[^\W\d][\w.\[\]'\"*]*)\s*)?(?:(?P<behind>\?\??)\s*)?(?:;\s*)?$")


def rewritten(source):
    """The text with calls in the place of such lines; None if it has none."""
    if source.lstrip().startswith("%%"):
        first, _, body = source.lstrip().partition("\n")
        found = _NAME.match(first[2:].strip())
        return call("cell", found.group(1), found.group(2) or "", body) if found else None
    lines = Lines(source)
    try:
        for token in tokenize.generate_tokens(lines.next):
            lines.note(token)
    except (tokenize.TokenError, SyntaxError):
        pass  # what comes behind it stays as it is
    return lines.text() if lines.has_any else None


class Lines:
    """The lines of a text, each rewritten when the tokens of those before it are known: then it is told whether a statement begins with it."""

    def __init__(self, source):
        self.left = source.split("\n")[::-1]
        self.done = []
        self.has_any = False
        self.begins = True
        self.depth = 0
        self.blank = 0

    def next(self):
        """The next line, for the tokenizer."""
        if self.blank:
            self.blank -= 1
            self.done.append("")
            return "\n"
        if not self.left:
            return ""
        line = self.left.pop()
        new = of_line(line) if self.begins else None
        if new is not None:
            while line.endswith("\\"):
                line = line[:-1] + (self.left.pop() if self.left else "")
                self.blank += 1
            new, self.has_any = of_line(line), True
        self.done.append(line if new is None else new)
        self.begins = False  # until its end is a token
        return self.done[-1] + "\n"

    def note(self, token):
        if token.type == tokenize.OP:
            self.depth += (token.string in "([{") - (token.string in ")]}")
        if token.start[0] == len(self.done):
            self.begins = self.depth == 0 and token.type in (tokenize.NEWLINE, tokenize.NL)

    def text(self):
        return "\n".join(self.done + [""] * self.blank + self.left[::-1])


def call(function, *arguments):
    return CALL % (function, function, ", ".join(map(repr, arguments)))


def of_line(line):
    """The call that a line stands for; None for one of Python."""
    found = _HELP.match(line)
    if found and (found["before"] or found["behind"]):
        indent = line[: len(line) - len(line.lstrip())]
        marks = max(found["before"] or "", found["behind"] or "", key=len)
        return indent + call("help_on", found["text"] or "", len(marks))
    found = LINE.match(line)
    if not found:
        return None
    begin = found["indent"] + (found["target"] or "")
    if found["mark"] != "%":
        return begin + call("shell_lines" if found["target"] or found["mark"] == "!!" else "shell", found["text"].strip())
    named = _NAME.match(found["text"].strip())
    return begin + call("line", named.group(1), named.group(2) or "") if named else None
