"""Processes that multiprocessing starts anew get a `__main__`, as soon as code imports what starts them."""

from . import _import_hooks
from ._builtins import own as __builtins__


def install():
    _import_hooks.after("multiprocessing.spawn", give_main)


def give_main(module):
    from ._spawned_main import give_main  # only here: it needs pickle, which multiprocessing has by now

    give_main(module)
