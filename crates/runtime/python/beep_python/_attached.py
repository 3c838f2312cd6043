"""Shared memory that a session only attached stays when the session ends: it is another program's.

Python's resource tracker takes what is attached for what was made, and removes it, unless Python 3.13's `track=False` is given. Here
that is the default for what is attached; `track=True` is as ever.
"""

import functools
import importlib.abc
import importlib.util
import sys
from threading import get_ident

from ._builtins import own as __builtins__

MODULE = "multiprocessing.shared_memory"


def install():
    if MODULE in sys.modules:
        patch(sys.modules[MODULE])
    else:
        sys.meta_path.insert(0, ImportHook())


class ImportHook(importlib.abc.MetaPathFinder):
    """Lets the other finders find the module, and patches it when it has been executed."""

    busy = False

    def find_spec(self, name, path=None, target=None):
        if name != MODULE or self.busy:
            return None
        self.busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.busy = False
        execute = getattr(getattr(spec, "loader", None), "exec_module", None)
        if execute is not None:

            def exec_module(module):
                execute(module)
                patch(module)

            spec.loader.exec_module = exec_module
        return spec


def patch(module):
    from multiprocessing import resource_tracker

    class_ = module.SharedMemory
    make, remove = class_.__init__, class_.unlink
    attaching = set()  # threads
    register = resource_tracker.register

    @functools.wraps(register)
    def registered(name, rtype):
        if rtype != "shared_memory" or get_ident() not in attaching:
            register(name, rtype)

    @functools.wraps(make)
    def __init__(self, name=None, create=False, size=0, **more):
        self._only_attached = not create and not more.get("track", False)
        if not self._only_attached or "track" in more:
            return make(self, name, create, size, **more)
        attaching.add(get_ident())
        try:
            make(self, name, create, size)
        finally:
            attaching.discard(get_ident())

    @functools.wraps(remove)
    def unlink(self):
        """As ever, also of what the tracker never heard of, or heard of from who made it."""
        if getattr(self, "_only_attached", False):
            register(self._name, "shared_memory")
            self._track = True
            try:
                remove(self)
            except BaseException:
                resource_tracker.unregister(self._name, "shared_memory")
                raise
        else:
            remove(self)

    resource_tracker.register = registered
    class_.__init__, class_.unlink = __init__, unlink
