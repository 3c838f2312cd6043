"""Displays that can be updated, and cleared."""

import os

from . import _current
from ._builtins import own as __builtins__


class DisplayHandle:
    """Shows something else in the place of a display, or the same thing in another place too."""

    def __init__(self, display_id=None):
        self.display_id = new_id() if display_id is None else display_id

    def __repr__(self):
        return "<DisplayHandle display_id=%s>" % self.display_id

    def display(self, obj, **options):
        """Shows an object once more, under this id."""
        _current.client.display(obj, display_id=self.display_id, **options)

    def update(self, obj, **options):
        """Shows an object wherever this id is shown."""
        _current.client.display(obj, display_id=self.display_id, update=True, **options)


DisplayHandle.__module__ = "beep_python"  # where users find it


def clear_output(wait=False):
    """Has the client clear what this call has shown: at once, or as soon as it shows something else."""
    if _current.client is not None:
        _current.client.clear_output(wait)


def new_id():
    return os.urandom(16).hex()


def id_of(display_id, transient):
    """The id that the arguments of `display` ask for; None without one. True asks for a new one."""
    if display_id is True:
        return new_id()
    display_id = display_id or (transient or {}).get("display_id")
    return str(display_id).encode("utf-8", "replace").decode() if display_id else None


def merged(about, more):
    """Metadata with more of it: what is of one MIME type in both is joined."""
    out = dict(about)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out
