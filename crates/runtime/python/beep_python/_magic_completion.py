"""Completes lines of IPython's that are no Python: the names of magics, their words, and paths in commands of the shell."""

import re

from . import _path_completion
from ._builtins import own as __builtins__
from ._magics import LINE

_CELL = re.compile(r"\s*%%(\w*)$")
_WORD = re.compile(r"(\w+)\s+(\w*)$")


def complete(before, begins):
    """How much of the text is begun, and how it goes on; None for a line of Python. `begins` is where the line does, as a statement."""
    cell = _CELL.match(before)
    if cell:
        return len(cell[1]) + 2, ["%%" + name for name in _names("CELLS") if name.startswith(cell[1])]
    line = LINE.match(before[begins:])
    if line is None:
        return None
    text = line["text"]
    if line["mark"] != "%":
        return _path_completion.in_command(text)
    if re.fullmatch(r"\w*", text):
        return len(text) + 1, ["%" + name for name in _names("LINES") if name.startswith(text)]
    word = _WORD.match(text)
    if word and word[1] in _words():
        return len(word[2]), [name for name in _words()[word[1]] if name.startswith(word[2])]
    return _path_completion.in_command(text) if text.startswith("pip ") else None


def _names(kind):
    from . import _magic_commands  # which imports much

    return vars(_magic_commands)[kind]


def _words():
    from . import _magic_pip

    return {"matplotlib": ("agg", "inline"), "pip": _magic_pip.COMMANDS}
