"""The builtins of the worker's own modules: a copy, so that code which replaces one breaks itself, and not its worker.

Python looks a name up in what a function's module calls `__builtins__` where the function is made. So each module here
begins with `from ._builtins import own as __builtins__`; what it imports from the standard library has no such copy.
"""

import builtins

own = dict(vars(builtins))
