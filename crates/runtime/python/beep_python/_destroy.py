"""Destroys what a session made, as Python does at its end: variables, held objects, modules, in this order."""

import gc
import sys
import threading
import weakref

from . import _exceptions, _inherited
from ._builtins import own as __builtins__


def flush_files():
    """Flushes the session's files. Python itself loses what is buffered of a file in a circle of references."""
    _inherited.flush_all(_inherited.objects_of_session())


def destroy(forget):
    """`forget` gives up what the session holds, but for the modules that it imported."""
    threading.excepthook = lambda args: None  # daemon threads run on among the ruins, which they do not in Python
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        sys.__dict__.pop(name, None)
    gc.enable()
    if forget is not None:
        forget()
    modules = []
    for name, module in _inherited.modules_of_session():
        del sys.modules[name]
        if type(module) is type(sys):
            modules.append(weakref.ref(module))
    module = None
    gc.collect()
    if modules:
        for ref in reversed(modules):
            module = ref()
            if module is not None:
                clear(module.__dict__)
            module = None
        gc.collect()
    finalise_what_is_left()


def clear(variables):
    """As Python clears a module that others still refer to: private names first."""
    for is_private in (True, False):
        for name in list(variables):
            if type(name) is str and name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_") == is_private:
                variables[name] = None


def finalise_what_is_left():
    """Finalises the session's objects that something of the zygote's holds, such as a list of a preloaded module, which Python would
    have destroyed with that."""
    objects = _inherited.objects_of_session()
    with_end = {kind for kind in set(map(type, objects)) if hasattr(kind, "__del__")}
    left = [obj for obj in objects if type(obj) in with_end and not gc.is_finalized(obj)] if with_end else []
    del objects
    for obj in sorted(left, key=_rank):
        try:
            type(obj).__del__(obj)
        except BaseException:
            _exceptions.report("an object that was destroyed at the end of the session raised")


def _rank(obj):
    """An archive comes before the file that it ends, text before its buffer, and that before its descriptor."""
    kind = type(obj)
    if kind.__module__ != "_io":
        return 0
    return 1 if kind.__name__ == "TextIOWrapper" else 2 if kind.__name__.startswith("Buffered") else 3
