"""Coroutines that nobody awaits. Python warns of one where it is freed, which of a call's result is in the host's code: the warning then
says where the coroutine's function is. At a prompt it says where the coroutine was made."""

import sys
import warnings
from traceback import FrameSummary, format_list

from ._builtins import own as __builtins__
from ._exec import WARNED
from ._frames import OWN


def follow():
    """Python looks this function up each time that it warns."""
    warnings._warn_unawaited_coroutine = warn_of_unawaited


tells_origins = False  # whether the host asked for them: code that does wants them as python shows them


def tell_origins():
    """From now on coroutines know the line that makes them."""
    global tells_origins
    if sys.get_coroutine_origin_tracking_depth() == 0:
        sys.set_coroutine_origin_tracking_depth(1)
        tells_origins = True


def warn_of_unawaited(coroutine):
    detail = "coroutine '%s' was never awaited" % coroutine.__qualname__
    origin = coroutine.cr_origin
    is_known = tells_origins and origin is not None and len(origin) == 1
    if origin is not None and not is_known:
        made = [FrameSummary(*place) for place in reversed(coroutine.cr_origin)]
        detail += "\nCoroutine created at (most recent call last)\n" + "".join(format_list(made)).rstrip("\n")
    frame, code = sys._getframe(1), coroutine.cr_code
    if is_known:
        place = {"filename": origin[0][0], "lineno": origin[0][1]}
    elif frame.f_code.co_filename.startswith(OWN):
        place = {"filename": code.co_filename, "lineno": code.co_firstlineno}
    else:
        variables = frame.f_globals
        place = {"filename": frame.f_code.co_filename, "lineno": frame.f_lineno}
        place.update(module=variables.get("__name__") or "<unknown>", registry=variables.setdefault(WARNED, {}))
    warnings.warn_explicit(detail, RuntimeWarning, source=coroutine, **place)
