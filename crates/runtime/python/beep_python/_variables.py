"""The variables of a session's environment, which it gets after Python has read its own."""

import os
import sys
import time

from ._builtins import own as __builtins__


def set_variables(env):
    """Sets them, or removes those that are None. What Python reads again only where it is told to, it is told to."""
    before = folders(os.environ.get("PYTHONPATH"))
    for name, value in env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if "TZ" in env:
        time.tzset()
    if "PYTHONPATH" in env:
        kept = [folder for folder in sys.path if folder not in before]
        at = 1 if kept[:1] == [""] else 0  # behind the working folder, where Python puts them
        sys.path[:] = kept[:at] + folders(env["PYTHONPATH"]) + kept[at:]


def folders(path):
    """The folders that a variable names."""
    return [folder for folder in (path or "").split(os.pathsep) if folder]
