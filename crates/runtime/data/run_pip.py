"""Runs pip from the folder or wheel LOCATION:  python -I -c THIS LOCATION ARGUMENTS

pip counts what it finds on `sys.path` as installed. Its own folder must therefore not be there: it is often the
base Python's, whose packages the environment cannot import.
"""

import runpy
import site
import sys
from importlib.machinery import PathFinder

location = sys.argv.pop(1)


class PipFinder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return PathFinder.find_spec(name, [location], target) if name == "pip" else None


sys.meta_path.insert(0, PipFinder)
if sys.prefix != sys.base_prefix:
    # An environment that also sees the base Python's packages has its own all the same, as with uv.
    base = site.getsitepackages([sys.base_prefix, sys.base_exec_prefix])
    sys.path[:] = [path for path in sys.path if path not in base]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
