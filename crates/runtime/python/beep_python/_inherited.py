"""What a worker inherits from the zygote belongs to the zygote, and a session never ends it, as no child of `multiprocessing` does.

The zygote holds one more reference to every object that there is before the first fork, so that no session can destroy one, whatever it
deletes. A worker forgets the exit functions, finalizers and helper processes of the modules that were preloaded: the zygote's own end
runs them, once.
"""

import atexit
import gc
import sys
import weakref
from os import close

from . import _exceptions
from ._builtins import own as __builtins__

# modules that have a resource tracker: the process that removes shared memory and semaphores when its program has ended
TRACKERS = (
    "multiprocessing.resource_tracker",
    "joblib.externals.loky.backend.resource_tracker",
    "loky.backend.resource_tracker",
)

_kept = []  # never freed
_modules = {}  # those that there were before the first fork, by name


def keep():
    """In the zygote, after everything was imported: nothing of that can be destroyed or collected any more.

    Frozen objects are not looked at by the collector, so that workers keep sharing their pages.
    """
    gc.collect()
    objects = gc.get_objects()
    flush_all(objects)  # else each session would write what lies in the buffers
    _kept.append(objects)
    _modules.update(sys.modules)
    gc.freeze()


def begin():
    """In a process that was not forked from a zygote: what is there now is no part of the session."""
    _modules.update(sys.modules)
    gc.freeze()


def objects_of_session():
    """The objects that the collector knows, without those from before the first fork."""
    objects = gc.get_objects()
    if not _kept or gc.get_freeze_count() >= len(_kept[0]):
        return objects
    before = set(map(id, _kept[0]))  # the session's code has called `gc.unfreeze()`
    return [obj for obj in objects if id(obj) not in before]


def modules_of_session():
    """The names and modules that were imported since, in the order of their import. Those from before are not touched, which would
    unshare the pages that have their reference counts."""
    found, main = [], sys.modules.get("__main__")
    for name in reversed(sys.modules):
        module = sys.modules[name]
        if _modules.get(name) is module:
            break
        found.append((name, module))
    if ("__main__", main) not in found and main is not None and _modules.get("__main__") is not main:
        found.append(("__main__", main))
    return found[::-1]


def flush_all(objects):
    """Flushes the files among the objects that can be written to: first text, whose bytes go to the buffers below."""
    kinds = set(map(type, objects))
    for kind in ("TextIOWrapper", "BufferedWriter", "BufferedRandom"):
        found = {type_ for type_ in kinds if any(base.__name__ == kind and base.__module__ == "_io" for base in type_.__mro__)}
        if not found:
            continue
        for file in objects:
            if type(file) in found:
                try:
                    if not file.closed and file.writable():
                        file.flush()
                except BaseException:  # the class is the user's, the pipe's reader is gone, or the disk is full: nobody is left to be told
                    pass


def disown():
    """In a forked worker: what was registered before the fork is not the session's to run."""
    atexit._clear()
    finalize = weakref.finalize
    finalize._registered_with_atexit = False
    for info in finalize._registry.values():
        info.atexit = False
    for step in (_own_logging, _own_multiprocessing, leave_trackers):
        try:
            step()
        except BaseException:  # a preloaded module's function, or a Python whose internals are others
            _exceptions.report("a session could not be told apart from what was preloaded")


def _own_logging():
    """`logging` registered, when it was imported, what flushes the session's handlers too."""
    logging = sys.modules.get("logging")
    if logging is not None:
        before = set(map(id, logging._handlerList))
        atexit.register(lambda: logging.shutdown([ref for ref in logging._handlerList if id(ref) not in before]))


def _own_multiprocessing():
    """As a child of `multiprocessing` begins; its exit function ends the session's own processes."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None:
        process._children = set()
    if util is not None:
        util._finalizer_registry.clear()
        util._run_after_forkers()
        atexit.register(util._exit_function)


def leave_trackers():
    """A tracker that runs cleans up when the zygote has left it too; a session that needs one starts its own."""
    for name in TRACKERS:
        tracker = getattr(sys.modules.get(name), "_resource_tracker", None)
        if getattr(tracker, "_fd", None) is not None:
            close(tracker._fd)
            tracker._fd = tracker._pid = None
