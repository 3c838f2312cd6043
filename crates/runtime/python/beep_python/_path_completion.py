"""Completes paths: in strings of Python, and in words of a shell's command."""

import os
import re

from ._builtins import own as __builtins__

_LAST_WORD = re.compile(
    r"""(?s)(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^'"\\])*?(?:(?P<quote>['"])(?P<quoted>[^'"]*)|(?P<bare>(?:\\.|[^\\'"\s=;|&<>()])*))\Z"""
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r"([^\w./~+,:@%-])")


def paths(begun):
    """The names with which a path goes on; folders with their slash. And how much of it is the begun name."""
    folder, name = os.path.split(begun)
    found = []
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            for entry in entries:
                if entry.name.startswith(name) and (name or entry.name[0] != "."):
                    found.append(entry.name + ("/" if entry.is_dir() else ""))
    except (OSError, ValueError):
        pass
    return len(name), found


def in_string(begun, quote):
    """As `paths`, for a string between such quotes."""
    length, found = paths(begun)
    return length, [name for name in found if not {quote, "\\", "\n"} & {*name}]


def in_command(command):
    """As `paths`, for the last word of a command of the shell."""
    word = _LAST_WORD.match(command)
    if word is None:
        return 0, []
    if word["quote"]:
        return in_string(word["quoted"], word["quote"])
    _, found = paths(os.path.expandvars(_ESCAPED.sub(r"\1", word["bare"])))
    return len(word["bare"].rpartition("/")[2]), [_SPECIAL.sub(r"\\\1", name) for name in found if "\n" not in name]
