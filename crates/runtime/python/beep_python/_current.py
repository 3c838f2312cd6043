"""The client of this process's session, and what compiles its code, for what code calls in modules that it imports. None in the zygote."""

from ._builtins import own as __builtins__

client = compiler = None
