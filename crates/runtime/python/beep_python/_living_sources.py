"""The texts of sources, for tracebacks and `inspect`: there as long as any code of theirs is."""

import io
import linecache
import weakref

from ._builtins import own as __builtins__


class LivingSources:
    def __init__(self):
        self.users = {}  # by file, what needs it: programs, and codes that outlive theirs

    def add(self, file, text, program):
        """Lets the text be found while the program is kept."""
        self.users.setdefault(file, {})[id(program)] = None
        linecache.cache[file] = (len(text), None, lines_of(text if text.endswith("\n") else text + "\n"), file)

    def drop(self, file, program):
        """The program is not kept any more: from now on functions keep the text, and whatever runs."""
        users = self.users[file]
        for code in codes(program.block, program.tail):
            ref = _Code(code, self.gone)
            ref.file = file
            users[id(ref)] = ref
        self.leave(file, id(program))

    def gone(self, ref):
        self.leave(ref.file, id(ref))

    def leave(self, file, user):
        users = self.users.get(file, {})
        users.pop(user, None)
        if not users:
            self.users.pop(file, None)
            linecache.cache.pop(file, None)


class _Code(weakref.ref):
    __slots__ = ("file",)


def codes(*found):
    """Codes with all that are within them."""
    found = [code for code in found if code is not None]
    for code in found:
        found += [constant for constant in code.co_consts if type(constant) is type(code)]
    return found


def lines_of(text):
    """The lines as Python counts them: not all that `str.splitlines` takes for a line end is one."""
    return io.StringIO(text, newline=None).readlines()
