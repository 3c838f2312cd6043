"""Exceptions as JSON: type, message, traceback, causes, notes and members."""

from os import write
from sys import exc_info

from ._builtins import own as __builtins__
from ._encode import ESCAPED, dumps
from ._family import family_of, notes_of, text_of, written
from ._frame_locals import FrameLocals
from ._frames import MAX_LINE, Frames, bounded
from ._repr import clip, message_of, type_name

MAX_DEPTH = 10
MAX_NOTES = 50


def encode(error, limits=None):
    """The body of an EXCEPTION frame. `limits` are those of the request."""
    try:
        described = describe(error, variables=FrameLocals() if limits is not None and limits.locals else None)
    except BaseException:  # its class misbehaves
        described = {"type": type_name(type(error)), "message": message_of(error), "traceback": []}
    message = described["message"]
    detail = described["type"] + (": " + message if message else "")
    return dumps({"detail": detail, "exception": described}).encode("utf-8", ESCAPED)


def exit_of(error):
    """How Python ends at a SystemExit: the status, and what it prints before."""
    code = error.code
    if code is None:
        return {"exitStatus": 0}
    if isinstance(code, int):
        return {"exitStatus": int(code) & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF}  # as C's `long` is cut
    return {"exitStatus": 1, "exitMessage": message_of(code)}


def describe(error, variables=None):
    """The exception with its family, and the text that Python writes of it."""
    frames, root = Frames(variables), family_of(error)
    told, text = {}, None
    try:
        told = written(root, frames)
        text = text_of(root, told)
    except KeyboardInterrupt:
        raise
    except BaseException:  # one of the classes misbehaves: then there are the fields alone
        pass
    out = fields(root, told, frames)
    if text is not None:
        out["text"] = text
    return out


def fields(relative, told, frames, depth=0):
    error = relative.error
    out = {"type": type_name(type(error)), "message": message_of(error), "traceback": frames.fields(relative.entries)}
    suggestion = told[id(relative)].suggestion(out["message"]) if told else None
    if suggestion:
        out["suggestion"] = suggestion
    if issubclass(type(error), SystemExit):
        out.update(exit_of(error))
    if depth < MAX_DEPTH:
        for name, other in (("cause", relative.cause), ("context", relative.context)):
            if other is not None:
                out[name] = fields(other, told, frames, depth + 1)
    notes = notes_of(error)
    if type(notes) is list and notes:
        out["notes"] = [message_of(note) for note in notes[:MAX_NOTES]]
    if issubclass(type(error), SyntaxError):
        out["syntax"] = syntax(error)
    if relative.members is not None and depth < MAX_DEPTH:
        out["exceptions"] = [fields(member, told, frames, depth + 1) for member in relative.members]
    return out


def syntax(error):
    """Line, column and caret of a SyntaxError; any of its fields may hold anything."""
    file = error.filename
    text = error.text if type(error.text) is str else ""
    text = text.split("\n", 1)[0]
    column = max(bounded(error.offset), 1)
    start = min(column, len(text) + 1)
    end = bounded(getattr(error, "end_offset", None)) if getattr(error, "end_lineno", None) == error.lineno else 0
    width = max(min(end, len(text) + 1) - start, 1)
    if len(text) > MAX_LINE:  # show the part with the mistake
        cut = max(start - MAX_LINE // 2, 0)
        text, start = text[cut : cut + MAX_LINE], start - cut
        width = max(min(width, len(text) + 1 - start), 1)
    indent = "".join(c if c == "\t" else " " for c in text[: start - 1])
    told = {"file": clip(file, MAX_LINE)} if type(file) is str else {}
    return {**told, "line": bounded(error.lineno), "column": column, "text": text, "caret": indent + "^" * width}


def report(where, error=None):
    """Writes the exception, or the one being handled, to standard error, for failures outside of any call."""
    error = exc_info()[1] if error is None else error
    write_stderr("%s: %s: %s" % (where, type_name(type(error)), message_of(error)))


def write_stderr(text):
    """Writes a line from the worker itself to standard error."""
    try:
        write(2, ("beep-python: %s\n" % text).encode("utf-8", "backslashreplace"))
    except OSError:  # closed by the user's code
        pass


def rejection(rejected):
    """The body of the answer to a request that is rejected."""
    told = {"code": rejected.code, "detail": rejected.detail, **({"ran": True} if rejected.ran else {})}
    return dumps(told).encode("utf-8", ESCAPED)
