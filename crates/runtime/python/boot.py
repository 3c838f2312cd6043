# The command line's code (`python -c`): makes `beep_python` importable, and nothing else, then starts it.
# Arguments: the folder that holds the package; the mode; what the mode takes.
import sys

root, mode, *rest = sys.argv[1:]
sys.argv[:] = [""]
keep, sys.dont_write_bytecode = sys.dont_write_bytecode, False
path = sys.path[:]
sys.path[:] = [root] + [entry for entry in path if entry]
from beep_python import _zygote

sys.path[:] = path
sys.dont_write_bytecode = keep
if mode == "zygote":
    _zygote.main(int(rest[0]), int(rest[1]), rest[2:])
else:
    _zygote.main_worker(*rest)
