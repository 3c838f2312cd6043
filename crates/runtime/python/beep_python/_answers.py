"""How a result goes to the client: as a value in its form, else as a handle."""

from itertools import islice

from . import _exact, _plain, _return_type, _type_name, _wire
from ._builtins import own as __builtins__
from ._data import Data
from ._decode import wrong
from ._encode import ARRAYS, ARRAYS_AND_RECORDS, ESCAPED, MAX_ITEMS, dumps, encode, escaped, rewritten
from ._mime import repr_of
from ._repr import name_of
from ._return_type import Unreadable
from ._sources import KINDS
from ._walk import Walk
from ._wire import Rejected


class Source:
    """Where a result comes from. `keep`: what stays a handle unless a value is asked for. `consumes`: whether an iterator
    may be read to its end for a client that asks for a list. `may_be_ignored`: whether clients call for the effect alone."""

    def __init__(self, keep, consumes, may_be_ignored):
        self.keep = keep
        self.consumes = consumes
        self.may_be_ignored = may_be_ignored


EVALUATION = Source(ARRAYS, True, False)
CALL = Source(ARRAYS_AND_RECORDS, True, True)  # of a record one calls the methods next
ATTRIBUTE = Source(ARRAYS_AND_RECORDS, False, False)


class Answers:
    """`byte_limit` says how many bytes a result may have; None if it may have any number. `data` answers with large data."""

    def __init__(self, handles, session_loop, client, byte_limit):
        self.handles, self.session_loop, self.byte_limit = handles, session_loop, byte_limit
        self.data = Data(handles, client, self.as_json)

    def limit(self):
        """How many items a result may have: each takes a byte at least."""
        limit = self.byte_limit()
        return MAX_ITEMS if limit is None else min(limit, MAX_ITEMS)

    def answer(self, value, exact, body=None, source=EVALUATION):
        """The answer's type and its body."""
        hint = None if body is None else body.get("returnType")
        if hint is None:
            return self.value_or_handle(value, exact, body, source)
        if type(hint) is not str:
            raise wrong("returnType", "a string", hint)
        asked = _type_name.parse(hint)
        if asked.is_handle:
            return self.handle(value, body)
        if asked.is_open:
            return self.value_or_handle(value, exact, body, source)
        return self.as_asked(asked, value, exact, body, source)

    def value_or_handle(self, value, exact, body, source):
        encoded = encode(value, exact, source.keep, self.limit)
        return self.handle(value, body) if encoded is None else (_wire.VALUE, encoded)

    def as_asked(self, asked, value, exact, body, source):
        if asked.name in KINDS:
            return self.data.answer(asked.name, value, body)
        try:
            encoded = self.encode_as(asked, value, exact, source)
        except Unreadable as error:
            if source.may_be_ignored and asked.name in ("Boolean", "Int32") and encode(value, exact, source.keep) is None:
                return self.handle(value, body)  # methods that are called for their effect return `self`
            raise Rejected("not_representable", str(error), ran=True) from None
        if encoded is None:
            detail = "the result is of type %s, which has no form in JSON that could be read as %s; ask for a handle or String"
            raise Rejected("not_representable", detail % (name_of(type(value)), asked.name), ran=True)
        return _wire.VALUE, encoded

    def encode_as(self, asked, value, exact, source):
        if asked.name == "json":
            return self.as_json(value, exact)
        if asked.name == "text":
            text = value if value is None or isinstance(value, str) else repr_of(value)
            return encode(text and _return_type.well_formed(text), exact)
        form = _exact.FORM if exact else _plain.FORM_OF_DOTNET
        walk = Walk(form, self.limit())
        collect = self.collect if source.consumes else lambda value: None
        try:
            value = _return_type.read(asked, value, walk, collect)
        except (Unreadable, KeyboardInterrupt, Rejected):
            raise
        except Exception as error:
            detail = "the result is of type %s and cannot be read as %s: %s; ask for String"
            raise Unreadable(detail % (name_of(type(value)), asked.name, error)) from None
        return rewritten(value, form, (), self.limit)

    def as_json(self, value, exact):
        """The value as JSON; None if it has no form."""
        return encode(value, exact, (), self.limit)

    def handle(self, value, body=None):
        wants_repr = body is not None and body.get("repr") is True
        return _wire.HANDLE, dumps(self.handles.keep(value, wants_repr)).encode("utf-8", ESCAPED)

    def described(self, value, exact, made):
        """An object beside others: its value, else a new handle, which `made` gets."""
        encoded = encode(value, exact, ARRAYS, self.limit)
        if encoded is not None:
            return b'{"value":%s}' % encoded
        told = self.handles.keep(value)
        made.append(told["handleId"])
        return dumps(told).encode("utf-8", ESCAPED)

    def with_outputs(self, answer, found, exact):
        """The answer of a call with these objects beside it, by name: as values, else as handles."""
        message_type, body = answer
        limit, made = self.byte_limit(), []
        try:
            outputs = []
            for name, value in found.items():
                told = self.described(value, exact, made)
                outputs.append(escaped(name) + b":" + told)
            head = b'{"value":%s' % body if message_type == _wire.VALUE else bytes(body)[:-1]
            whole = b'%s,"outputs":{%s}}' % (head, b",".join(outputs))
            if limit is not None and len(whole) > limit:
                detail = "the result and the outputs have %d bytes, more than the %d that this call may send"
                raise Rejected("result_too_large", detail % (len(whole), limit), ran=True)
            return _wire.OBJECT, whole
        except BaseException:
            for handle_id in made:
                self.handles.forget(handle_id)
            raise

    def collect(self, value):
        """The items of an iterator, asynchronous or not, which is read to its end; None if it is none."""
        kind = type(value)
        count = self.limit() + 1
        if hasattr(kind, "__next__") and hasattr(kind, "__iter__"):
            items = list(islice(value, count))
        elif hasattr(kind, "__anext__") and hasattr(kind, "__aiter__"):
            items = self.session_loop.run(_collect(value, count))
        else:
            return None
        if len(items) == count:
            raise Rejected("result_too_large", "the iterator gave more than the %d items that a result may have" % (count - 1))
        return items


async def _collect(iterator, count):
    items = []
    async for item in iterator:
        items.append(item)
        if len(items) == count:
            break
    return items
