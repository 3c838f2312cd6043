"""The client of this process's session, for what code calls in modules that it imports. None in the zygote."""

from ._builtins import own as __builtins__

client = None
