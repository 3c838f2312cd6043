"""What a zygote and a spawned worker begin with: makes `beep_python` importable, and nothing else, then starts it.

Arguments: the mode; what the mode takes. It is a file, not the command line's code: for that Python 3.13 imports `linecache` before
anything, from the current folder too, and keeps its text for all code that is called `<string>`.
"""

import sys

root = __file__.rsplit("/", 2)[0]
if not getattr(sys.flags, "safe_path", False):
    sys.path[0] = ""  # the current folder, not that of this file: as for the command line's code
mode, *rest = sys.argv[1:]
sys.argv[:] = [""]
del __file__  # as that code has none
keep, sys.dont_write_bytecode = sys.dont_write_bytecode, False
path = sys.path[:]
sys.path[:] = [root] + [entry for entry in path if entry]
try:
    from beep_python import _zygote
except Exception:
    # Perhaps compiled modules that a crash of the machine cut short: Python looks only at their heads.
    import os

    cache = root + "/beep_python/__pycache__/"
    for name in os.listdir(cache):
        os.unlink(cache + name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "beep_python"]:
        del sys.modules[name]
    from beep_python import _zygote

sys.path[:] = path
sys.dont_write_bytecode = keep
if mode == "zygote":
    _zygote.main(int(rest[0]), int(rest[1]), rest[2:])
else:
    _zygote.main_worker(*rest)
