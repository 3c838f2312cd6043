"""Something to do as soon as code imports a module; and modules of ours that are imported late, from memory: their files lie in a cache,
which may be emptied meanwhile."""

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


def keep(*names):
    """Reads these modules of the package now, to run them when they are imported."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    for name in names:
        name = "%s.%s" % (__package__, name)
        spec = importlib.util.find_spec(name)
        if spec is not None and name not in sys.modules:
            spec.loader = KeptLoader(spec.loader.get_code(name))
            _FINDER.kept[name] = spec


class KeptLoader:
    def __init__(self, code):
        self.code = code

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.code, module.__dict__)


class Finder:
    """Knows the modules that are kept, and asks the finders behind it for those that have an action."""

    def __init__(self):
        self.actions = {}
        self.kept = {}

    def find_spec(self, name, path=None, target=None):
        if name in self.kept:
            return self.kept[name]
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
