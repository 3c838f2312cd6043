"""What an interface of the predecessor is in Python."""

import abc

from ._builtins import own as __builtins__


class Interface(abc.ABC):
    """An interface of the predecessor: its classes are instances of it, and it does nothing itself."""

    @classmethod
    def implement(cls, kind):
        cls.register(kind)
        cls.work = kind.__name__

    def __new__(cls, *args, **kwargs):
        raise TypeError("%s is an interface: %s() does the work" % (cls.__name__, cls.work))
