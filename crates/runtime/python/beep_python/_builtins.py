"""A private copy of the builtins for the worker's own modules: user code that replaces a builtin cannot break the worker.

A function looks builtins up in the `__builtins__` that its module had when the function was defined. So each module
here begins with `from ._builtins import own as __builtins__`; imports from the standard library have no such copy.
"""

import builtins

own = dict(vars(builtins))
