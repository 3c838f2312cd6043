"""Help for typing Python into a session: completion, and what results look like. A client creates a `Prompt` and calls it."""

import builtins
import sys
import warnings

from . import _completion, _last_exception
from ._builtins import own as __builtins__
from ._compiler import compile_source

MAX_SHOWN = 1 << 20  # characters of a repr


class Prompt:
    def __init__(self):
        _last_exception.keep()
        self.namespace = sys.modules["__main__"].__dict__

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
