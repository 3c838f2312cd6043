"""Methods that return tasks, as .NET has them. A task is done when it is returned: `Result`, `Wait()` and `await` give what came of it."""

from ._builtins import own as __builtins__


class Task:
    """What an operation returned or raised."""

    IsCompleted = True

    def __init__(self, run):
        self._value = self.Exception = None
        try:
            self._value = run()
        except Exception as error:
            self.Exception = error

    @property
    def IsFaulted(self):
        return self.Exception is not None

    @property
    def Result(self):
        if self.Exception is not None:
            raise self.Exception
        return self._value

    def Wait(self, *_):
        return self.Result is None or True

    def GetAwaiter(self):
        return self

    def GetResult(self):
        return self.Result

    def __await__(self):
        return self.Result
        yield  # a generator, which awaits nothing


class Operation:
    """A method that may name the type of its result: `backend.EvaluateAsync[int]("1 + 1")`."""

    def __init__(self, function):
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, backend, kind=None):
        return self if backend is None else Bound(self.function, backend)


class Bound:
    def __init__(self, function, backend, return_type=None):
        self.function, self.backend, self.return_type = function, backend, return_type

    def __getitem__(self, kind):
        return Bound(self.function, self.backend, name_of(kind))

    def __call__(self, *args, **kwargs):
        return Task(lambda: self.function(self.backend, self.return_type, *args, **kwargs))


def name_of(kind):
    if isinstance(kind, str):
        return kind
    names = {int: "Int64", float: "Double", str: "String", bool: "Boolean", bytes: "Byte[]", object: "Object"}
    return names.get(kind) or getattr(kind, "FullName", None) or kind.__name__


def task(function):
    return Operation(lambda backend, _, *args, **kwargs: function(backend, *args, **kwargs))
