"""Something to do as soon as code imports a module."""

import importlib.util
import sys

from ._builtins import own as __builtins__


def after(name, action):
    """Calls `action` with this module, once its own code has run."""
    if name in sys.modules:
        action(sys.modules[name])
        return
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    _FINDER.actions[name] = action


class Finder:
    """Asks the finders behind it, for the modules that have an action."""

    def __init__(self):
        self.actions = {}

    def find_spec(self, name, path=None, target=None):
        action = self.actions.pop(name, None)
        if action is None:
            return None
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.actions[name] = action  # until it was imported
        if spec is not None and spec.loader is not None:
            spec.loader = Loader(spec.loader, name, action)
        return spec


class Loader:
    """Of one import; afterwards the module has the loader that it would have had."""

    def __init__(self, loader, name, action):
        self.loader, self.name, self.action = loader, name, action

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        if _FINDER.actions.pop(self.name, None) is not None:
            self.action(module)


_FINDER = Finder()
