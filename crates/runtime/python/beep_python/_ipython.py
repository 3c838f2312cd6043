"""IPython's `display` and the functions beside it show to the client. Without a shell of IPython's they would only print."""

import functools
import sys

from . import _current, _display, _import_hooks
from ._builtins import own as __builtins__

MODULES = ("IPython.core.display_functions", "IPython.core.display", "IPython.core.displaypub")  # the first has all from 7.23 on


def install():
    for name in MODULES:
        _import_hooks.after(name, adopt)


def adopt(module):
    """Replaces those functions that this module itself defines."""

    def display(*objects, **options):
        shown = _current.client.display(*objects, **options)
        return None if shown is None else module.DisplayHandle(shown.display_id)

    for own in (display, publish_display_data, _display.clear_output):
        theirs = getattr(module, own.__name__, None)
        if getattr(theirs, "__module__", None) == module.__name__:
            setattr(module, own.__name__, outside_of_shells(own, theirs))


def publish_display_data(data, metadata=None, source=None, *, transient=None, update=False, **_):
    _current.client.display(data, raw=True, metadata=metadata, transient=transient, update=update)


def outside_of_shells(own, theirs):
    """A shell that code has made has displays of its own."""

    @functools.wraps(theirs)
    def function(*args, **kwargs):
        return (theirs if _current.client is None or has_shell() else own)(*args, **kwargs)

    return function


def has_shell():
    shells = sys.modules.get("IPython.core.interactiveshell")
    return shells is not None and shells.InteractiveShell.initialized()


def pretty(obj):
    """What the object's `_repr_pretty_` writes, for which it needs IPython's printer; None where that is not installed."""
    try:
        from IPython.lib.pretty import pretty
    except ImportError:
        return None
    return pretty(obj)
