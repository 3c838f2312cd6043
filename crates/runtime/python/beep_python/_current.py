"""The session of this process, its client, and what compiles its code, for what code calls in modules that it imports. None in the zygote."""

from ._builtins import own as __builtins__

session = client = compiler = None
