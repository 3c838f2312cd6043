"""`getpass.getpass` asks the client: a worker has no terminal."""

import functools

from . import _current, _import_hooks
from ._builtins import own as __builtins__


def install():
    _import_hooks.after("getpass", ask_client)


def ask_client(module):
    theirs = module.getpass

    @functools.wraps(theirs)
    def getpass(prompt="Password: ", stream=None, **options):
        if _current.client is None:
            return theirs(prompt, stream, **options)
        return _current.client.stdin.getpass(prompt, lambda: theirs(prompt, stream, **options))

    module.getpass = getpass
