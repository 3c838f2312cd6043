"""Operations on a held object: its items, itself as a callable, and what can be known of it."""

from ._answers import ATTRIBUTE, CALL
from ._builtins import own as __builtins__
from ._decode import key_of, required, text, value_of
from ._describe import describe
from ._wire import OBJECT, VALUE

SUCCESS = OBJECT, b'{"success":true}'


class Objects:
    """`invoke` calls a function with the arguments of a request; `as_object` encodes a whole answer."""

    def __init__(self, handles, session_loop, answer, invoke, as_object):
        self.handles, self.session_loop = handles, session_loop
        self.answer, self.invoke_with, self.as_object = answer, invoke, as_object

    def of(self, body):
        return self.handles.get(text(body, "handleId"))

    def get_item(self, body, exact):
        return self.answer(self.of(body)[key_of(body, self.handles)], exact, body, ATTRIBUTE)

    def set_item(self, body, exact):
        obj = self.of(body)
        obj[key_of(body, self.handles)] = value_of(body.get("value"), self.handles, exact)
        return SUCCESS

    def delete_item(self, body, exact):
        obj = self.of(body)
        del obj[key_of(body, self.handles)]
        return SUCCESS

    def length(self, body, exact):
        return VALUE, b"%d" % len(self.of(body))

    def contains(self, body, exact):
        obj = self.of(body)
        return VALUE, b"true" if value_of(required(body, "item"), self.handles, exact) in obj else b"false"

    def invoke(self, body, exact):
        """Calls the object itself, also a class that defines `__call__`."""
        return self.answer(self.invoke_with(self.of(body), body, exact), exact, body, CALL)

    def directory(self, body, exact):
        return self.answer([name for name in dir(self.of(body)) if isinstance(name, str)], exact)

    def describe(self, body, exact):
        return self.as_object(describe(self.of(body)))

    def value(self, body, exact):
        """The object as a value: in the form that `returnType` names, `json` if it names none."""
        if not body.get("returnType"):
            body = {**body, "returnType": "json"}
        return self.answer(self.of(body), exact, body, ATTRIBUTE)

    def wait(self, body, exact):
        """Awaits a coroutine, a Task, a Future, or an object with `__await__`."""
        return self.answer(self.session_loop.run(_awaited([self.of(body)])), exact, body, CALL)


async def _awaited(held):
    return await held.pop()  # a Task that failed would lead to this frame, and this frame to it
