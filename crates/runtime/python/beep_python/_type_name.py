"""Names of types as a `returnType` has them: those of .NET, with their arguments, and our own."""

from functools import lru_cache

from ._builtins import own as __builtins__


class ReturnType:
    """A parsed name: of ``System.Nullable`1[[System.Double, …]][]`` the name is ``Nullable`1[]``, the arguments `Double`."""

    def __init__(self, name, arguments):
        self.name = name
        self.arguments = arguments

    @property
    def is_handle(self):
        return self.name.endswith("Handle") or self.name == "handle"

    @property
    def is_open(self):
        """Whether any value or a handle will do."""
        return self.name in ("", "Object")

    @property
    def element(self):
        """Of an array: what its items are."""
        return ReturnType(self.name[:-2], self.arguments)


@lru_cache(256)
def parse(hint):
    head, bracket, rest = hint.partition("[[")
    arguments, tail = [], ""
    if bracket:
        depth, start, text = 2, 0, rest
        for at, char in enumerate(text):
            depth += {"[": 1, "]": -1}.get(char, 0)
            if (depth == 1 and char == "]") or depth == 0:
                if depth == 1:
                    arguments.append(_argument(text[start:at]))
                else:
                    tail = text[at + 1 :]
                    break
            elif depth == 2 and char == "[" :
                start = at + 1
    return ReturnType(head.rpartition(".")[2] + tail, tuple(arguments))


def _argument(text):
    """A type argument, without the assembly that follows a comma outside of brackets."""
    depth = 0
    for at, char in enumerate(text):
        depth += {"[": 1, "]": -1}.get(char, 0)
        if char == "," and depth == 0:
            return parse(text[:at])
    return parse(text)
