"""An exception with its causes, its context and its members, as `traceback` arranges and writes them, within bounds."""

from sys import version_info
from traceback import TracebackException

from . import _did_you_mean
from ._builtins import own as __builtins__
from ._frames import of_user
from ._repr import short_repr

MAX_EXCEPTIONS = 200
MAX_MEMBERS = 50
MAX_TEXT = 64 * 1024  # characters
# Python's own, whatever a class says
cause_of = BaseException.__cause__.__get__
context_of = BaseException.__context__.__get__
traceback_of = BaseException.__traceback__.__get__
suppresses_context = BaseException.__suppress_context__.__get__
HAS_GROUPS = version_info >= (3, 11)


class Relative:
    """An exception of the family."""

    def __init__(self, error, seen):
        seen.add(id(error))
        self.error = error
        self.entries = of_user(traceback_of(error))
        self.cause = self.context = None
        self.members = None

    def children(self):
        return [relative for relative in (self.cause, self.context, *(self.members or ())) if relative is not None]


def members_of(error):
    """The members of a group; None where it is none. Before 3.11 groups are what packages make of them."""
    if HAS_GROUPS:
        return BaseExceptionGroup.exceptions.__get__(error) if isinstance(error, BaseExceptionGroup) else None
    try:
        members = error.exceptions
    except Exception:
        return None
    return [member for member in members if isinstance(member, BaseException)] if type(members) is tuple else None


def family_of(error):
    """The exception with its family: what Python would show of it, each once."""
    seen = set()
    root = Relative(error, seen)
    left, waiting = MAX_EXCEPTIONS - 1, [root]
    while waiting:
        relative = waiting.pop()
        error = relative.error
        cause, context = cause_of(error), context_of(error)
        if cause is not None and id(cause) not in seen and left > 0:
            relative.cause = Relative(cause, seen)
            left -= 1
        elif context is not None and not suppresses_context(error) and id(context) not in seen and left > 0:
            relative.context = Relative(context, seen)
            left -= 1
        members = members_of(error)
        if members is not None:
            members = members[: min(MAX_MEMBERS, max(left, 0))]
            relative.members = [Relative(member, seen) for member in members]
            left -= len(members)
        waiting += relative.children()
    return root


def written(root, frames):
    """What `traceback` makes of each of the family, by relative."""
    told, waiting = {}, [root]
    while waiting:
        relative = waiting.pop()
        told[id(relative)] = Alone(relative, frames)
        waiting += relative.children()
    waiting.append(root)
    while waiting:
        relative = waiting.pop()
        alone = told[id(relative)]
        alone.__cause__, alone.__context__ = told.get(id(relative.cause)), told.get(id(relative.context))
        if relative.members is not None:
            alone.exceptions = [told[id(member)] for member in relative.members]
        waiting += relative.children()
    return told


def text_of(root, told):
    """The text that `traceback.format_exception` makes of it, without the host's frames."""
    text = "".join(told[id(root)].format()).rstrip("\n")
    if len(text) > MAX_TEXT:
        half = MAX_TEXT // 2
        text = "%s\n… (%d characters left out)\n%s" % (text[:half], len(text) - MAX_TEXT, text[-half:])
    return text


def notes_of(error):
    """Its notes; where its class cannot give them, what Python says then."""
    try:
        return getattr(error, "__notes__", None)
    except Exception as raised:
        return ["Ignored error getting __notes__: " + short_repr(raised)]


class Noted:
    """An exception whose class cannot give its notes: before 3.13 `traceback` fails at that."""

    def __init__(self, error):
        self.error, self.__notes__ = error, notes_of(error)

    def __getattr__(self, name):
        return getattr(self.error, name)

    def __str__(self):
        return str(self.error)


class Alone(TracebackException):
    """An exception, and what is known of where it was raised. It looks for no family: a group may have very many members."""

    def __init__(self, relative, frames):
        error = relative.error
        seen = {id(error), id(cause_of(error)), id(context_of(error))}
        options = {"limit": 0, "lookup_lines": False, "_seen": seen}
        try:
            super().__init__(type(error), error, traceback_of(error), **options)
        except Exception:
            super().__init__(type(error), Noted(error), traceback_of(error), **options)
        self.stack = frames.stack(relative.entries)
        if type(getattr(self, "end_offset", None)) is int and type(self.text) is str:
            self.end_offset = min(self.end_offset, len(self.text) + 1)  # a caret of gigabytes otherwise
        self.__cause__ = self.__context__ = self.exceptions = None
        self.meant = _did_you_mean.meant(error, traceback_of(error)) if _did_you_mean.CAN_TELL else None

    def format_exception_only(self, **options):
        lines = super().format_exception_only(**options)
        if self.meant is not None:
            yield "%s. Did you mean: '%s'?\n" % (next(lines)[:-1], self.meant)
        yield from lines

    def suggestion(self, message):
        """What Python says behind the message of this exception."""
        if self.meant is not None:
            return "Did you mean: '%s'?" % self.meant
        text = str(self)
        return text[len(message) + 2 :] if text.startswith(message + ". ") else None
