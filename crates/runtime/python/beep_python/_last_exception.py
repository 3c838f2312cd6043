"""The exception that `pdb.pm()` looks at.

A session with a prompt keeps the last one in `sys`, as Python's own prompt does. Elsewhere what failed code held, locks and memory among
it, is free once its call is answered.
"""

import sys

from ._builtins import own as __builtins__
from ._family import traceback_of
from ._frames import of_user

_is_kept = False


def keep():
    """From now on."""
    global _is_kept
    _is_kept = True


def note(error):
    if not _is_kept or isinstance(error, (SystemExit, MemoryError)):  # the frames of the last hold what there was no memory for
        return
    entries = of_user(traceback_of(error))
    BaseException.with_traceback(error, entries[0] if entries else None)  # where the user's code begins
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, traceback_of(error)
    if sys.version_info >= (3, 12):
        sys.last_exc = error
