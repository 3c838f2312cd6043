"""Large data: results that go to the client as a datum, and data that come with a request."""

import keyword

from . import _images
from ._builtins import own as __builtins__
from ._content import Unfit, whole
from ._data_channel import DataChannel
from ._decode import code_name, value_of, wrong
from ._encode import ESCAPED, dumps
from ._memory import MEMORY, in_place, snapshot, tell_once
from ._received import FORMATS, Attached
from ._repr import message_of, name_of, type_name
from ._sources import KINDS, Other, source_of
from ._wire import DATA, DATA_INLINE, HANDLE, MAX_MESSAGE, REJECTED, TAKES_DATUM, Rejected

ANY = "any"  # among formats: whichever is best


class Data:
    """`client` has the flags of the running request; `as_json` writes a value as JSON, or returns None."""

    def __init__(self, handles, client, as_json):
        self.handles, self.client, self.as_json = handles, client, as_json
        self.channel = DataChannel()

    # out: an answer of the type DATA has a datum as its body until it is delivered

    def answer(self, kind, value, body):
        """The answer to who asked for an array, a table or bytes: the datum, or a handle that says what it would be."""
        try:
            source = _guarded(source_of, value, kind)
            if self.client.flags & TAKES_DATUM:
                return DATA, _guarded(_made, _guarded(source.default))
            descriptor = _guarded(source.describe)
        except Unfit as error:
            raise _unfit(value, error) from None
        told = self.handles.keep(value, body.get("repr") is True)
        descriptor = {key: item for key, item in descriptor.items() if key not in ("offset", "live")}  # of no memory yet
        return HANDLE, dumps({**told, "data": descriptor}).encode("utf-8", ESCAPED)

    def fetch(self, value, body, exact):
        """The object as a datum, in the first of the formats that it has a form for."""
        kind, formats = _kind(body), _formats(body)
        source = reason = None
        try:
            source = _guarded(source_of, value, kind)
            if formats is None:
                return DATA, _guarded(_made, _guarded(source.default))
        except Unfit as error:
            if kind is not None or formats is None:
                raise _unfit(value, error) from None
            reason = None if type(error) is Other else error
        for format in formats:
            if format == ANY and reason is not None:
                continue  # an array or a table that has no form: why is said
            try:
                content = self.content(value, source, format, exact)
                if content is not None:
                    return DATA, _guarded(_made, content)
            except Unfit as error:
                reason = error
        if reason is not None:
            raise _unfit(value, reason)
        raise Rejected("not_acceptable", self.forms(value, source, formats, exact), ran=True)

    def content(self, value, source, format, exact):
        """The object in a format; None if there is no such form of it."""
        if format == ANY and source is None:
            format = "png" if _images.may_be_drawn(value) else "json"
        if format == "json":
            encoded = self.as_json(value, exact)
            return None if encoded is None else whole("bytes", "json", encoded)
        if format == "png":
            return _guarded(_images.png, value) if _images.may_be_drawn(value) else None
        if source is None:
            return None
        form = source.forms().get(source.best() if format == ANY else format)
        return None if form is None else _guarded(form)

    def forms(self, value, source, formats, exact):
        """Why the object goes in none of the formats, and in which it does."""
        forms = [] if source is None else list(source.forms())
        forms += ["png"] if _images.may_be_drawn(value) else []
        forms += ["json"] if self.as_json(value, exact) is not None else []
        has = "its forms are %s" % ", ".join(forms) if forms else "it has no form; ask for a handle"
        return "a %s cannot be sent as %s: %s" % (name_of(type(value)), " or ".join(formats), has)

    def deliver(self, datum):
        """Sends the memory of a datum; gives the type and the body of the answer. While no signal takes effect."""
        if datum.is_in_scratch:
            return DATA, _json({"number": 0, "data": datum.descriptor})
        if datum.fd >= 0:
            try:
                number = self.channel.send(datum.fd)
            except OSError as error:  # no descriptor can be sent, or the host does not read now
                tell_once(error)
            else:
                datum.close()
                return DATA, _json({"number": number, "data": datum.descriptor})
        if datum.size > MAX_MESSAGE - (1 << 16):
            detail = "a datum of %d bytes is too large to be sent without a descriptor of its own; take it in parts" % datum.size
            return REJECTED, _json({"code": "not_representable", "detail": detail, "ran": True})
        parts = datum.content()
        about = _json({"data": {**datum.descriptor, "offset": 0, "live": False}})
        datum.close()
        return DATA_INLINE, b"".join((len(about).to_bytes(4, "little"), about, *parts))

    # in

    def receive(self, request_id, exact, nested=False):
        """The data that came for a request. While no signal takes effect."""
        fds, are_all, lent = self.channel.take(request_id, nested)
        return Attached(fds, are_all, lent, lambda value: value_of(value, self.handles, exact, of_request=False))

    def put(self, body):
        """The name to be given to the datum of a request, if it shall have one, and the object that it is."""
        name = body.get("name")
        if type(name) is str:
            name = code_name(name)
        if name is not None and (type(name) is not str or not name.isidentifier() or keyword.iskeyword(name)):
            detail = "'name' must be an identifier of Python and no keyword; the request has %s" % dumps(name)
            raise Rejected("invalid_request", detail)
        attached = self.handles.attached
        if attached is None or len(attached.descriptors) != 1:
            raise Rejected("invalid_request", "put takes one datum, which is attached to the request and described under 'data'")
        return name, attached.get(0)


def with_data(session, message_type, attached):
    """The operation of a request to which data are attached."""

    def operation(body, exact):
        body = attached.described(body)
        session.handles.attached = attached if attached.descriptors else None
        MEMORY.scratch = attached.scratch
        try:
            return session.operations[message_type](body, exact)
        finally:
            MEMORY.scratch = -1

    return operation


def _made(content):
    datum = in_place(content)
    return snapshot(content) if datum is None else datum


def _kind(body):
    kind = body.get("kind")
    if kind is None and type(body.get("returnType")) is str and body["returnType"] in KINDS:
        kind = body["returnType"]  # of a client that sends a call as it is
    if kind is not None and (type(kind) is not str or kind not in KINDS):
        raise Rejected("invalid_request", "'kind' must be array, table or bytes; the request has %s" % dumps(kind))
    return kind


def _formats(body):
    """The formats that the client takes, in its order; None if it names none."""
    formats = body.get("formats")
    if formats is None:
        formats = body.get("format")
        if formats is None:
            return None
        formats = [formats]
    if type(formats) is not list or not formats:
        raise wrong("formats", "an array of words", formats)
    for format in formats:
        if type(format) is not str or (format not in FORMATS and format != ANY):
            known = ", ".join((*FORMATS, ANY))
            raise Rejected("invalid_request", "a format is one of %s; the request has %s" % (known, dumps(format)))
    return formats


def _guarded(function, *arguments):
    """Calls what runs code of the object's own, or of its library; what that raises says that it has no such form."""
    try:
        return function(*arguments)
    except Unfit:
        MEMORY.raise_if_cancelled()
        raise
    except Rejected:
        raise
    except Exception as error:
        MEMORY.raise_if_cancelled()
        detail = (message_of(error).splitlines() or [""])[0]
        raise Unfit("%s: %s; ask for another form, or a handle" % (type_name(type(error)), detail)) from None


def _unfit(value, error):
    return Rejected("not_representable", "the result is of type %s: %s" % (name_of(type(value)), error), ran=True)


def _json(value):
    return dumps(value).encode("utf-8", ESCAPED)
