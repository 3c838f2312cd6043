"""Exceptions as JSON: type, message, traceback, causes, notes and members."""

import linecache
import os
from os import write
from sys import exc_info

from ._builtins import own as __builtins__
from ._encode import dumps
from ._frame_locals import FrameLocals
from ._repr import clip, message_of, type_name

OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
# frames of these files, before the first frame of the user's code, come from running that code
MACHINERY = (os.sep + "asyncio" + os.sep, os.sep + "importlib" + os.sep, "<frozen importlib")
MAX_FRAMES = 100
MAX_DEPTH = 10
MAX_MEMBERS = 50
MAX_EXCEPTIONS = 200  # causes and members of one exception together
MAX_LINE = 1000


def encode(error, limits=None):
    """The body of an EXCEPTION frame. `limits` are those of the request."""
    try:
        described = describe(error, variables=FrameLocals() if limits is not None and limits.locals else None)
    except BaseException:  # its class misbehaves
        described = {"type": type_name(type(error)), "message": message_of(error), "traceback": []}
    message = described["message"]
    detail = described["type"] + (": " + message if message else "")
    return dumps({"detail": detail, "exception": described}).encode("utf-8", "replace")


def exit_of(error):
    """How Python ends at a SystemExit: the status, and what it prints before."""
    code = error.code
    if code is None:
        return {"exitStatus": 0}
    if isinstance(code, int):
        return {"exitStatus": int(code) & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF}  # as C's `long` is cut
    return {"exitStatus": 1, "exitMessage": message_of(code)}


def describe(error, depth=0, budget=None, variables=None):
    budget = [MAX_EXCEPTIONS] if budget is None else budget
    budget[0] -= 1
    out = {
        "type": type_name(type(error)),
        "message": message_of(error),
        "traceback": frames(error.__traceback__, variables),
    }
    if isinstance(error, SystemExit):
        out.update(exit_of(error))
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    if cause is not None and depth < MAX_DEPTH and budget[0] > 0:
        out["cause"] = describe(cause, depth + 1, budget, variables)
    notes = getattr(error, "__notes__", None)
    if type(notes) is list and notes:
        out["notes"] = [message_of(note) for note in notes[:MAX_MEMBERS]]
    if isinstance(error, SyntaxError):
        out["syntax"] = syntax(error)
    members = getattr(error, "exceptions", None)
    if type(members) is tuple and depth < MAX_DEPTH:
        out["exceptions"] = [
            describe(member, depth + 1, budget, variables)
            for member in members[:MAX_MEMBERS]
            if isinstance(member, BaseException) and budget[0] > 0
        ]
    return out


def frames(traceback, variables=None):
    out = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        name = code.co_filename
        if not is_left_out(name, out):
            out.append((code, traceback.tb_lineno, traceback.tb_frame))
        traceback = traceback.tb_next
    left_out = len(out) - MAX_FRAMES
    if left_out > 0:
        half = MAX_FRAMES // 2
        between = {"file": "", "line": 0, "function": "(%d frames left out)" % left_out, "code": None}
        last = [frame(*f, variables) for f in out[-half:]]  # first: where the room for variables is worth most
        return [frame(*f, variables) for f in out[:half]] + [between] + last
    return [frame(*f, variables) for f in reversed(out)][::-1]


def is_left_out(file, before):
    """Whether a frame is of the host's own code, or of what runs the user's and comes before it."""
    return file.startswith(OWN) or (not before and any([part in file for part in MACHINERY]))


def frame(code, line, of, variables=None):
    told = place(code, line, of.f_globals)
    if variables is not None:
        told["locals"] = variables.of(of)
    return told


def place(code, line, namespace):
    line = line or 0
    try:
        text = linecache.getline(code.co_filename, line, namespace).strip()
    except BaseException:  # the loader of the module raised
        text = ""
    return {"file": code.co_filename, "line": line, "function": code.co_name, "code": clip(text, MAX_LINE) or None}


def syntax(error):
    """Line, column and caret of a SyntaxError; any of its fields may hold anything."""
    text = error.text if type(error.text) is str else ""
    text = text.split("\n", 1)[0]
    column = max(_number(error.offset), 1)
    start = min(column, len(text) + 1)
    end = _number(getattr(error, "end_offset", None)) if getattr(error, "end_lineno", None) == error.lineno else 0
    width = max(min(end, len(text) + 1) - start, 1)
    if len(text) > MAX_LINE:  # show the part with the mistake
        cut = max(start - MAX_LINE // 2, 0)
        text, start = text[cut : cut + MAX_LINE], start - cut
        width = max(min(width, len(text) + 1 - start), 1)
    indent = "".join(c if c == "\t" else " " for c in text[: start - 1])
    return {"line": _number(error.lineno), "column": column, "text": text, "caret": indent + "^" * width}


def _number(obj):
    return obj if type(obj) is int else 0


def report(where, error=None):
    """Writes the exception, or the one being handled, to standard error, for failures outside of any call."""
    error = exc_info()[1] if error is None else error
    write_stderr("%s: %s: %s" % (where, type_name(type(error)), message_of(error)))


def write_stderr(text):
    """Writes a line from the worker itself to standard error."""
    try:
        write(2, ("beep-python: %s\n" % text).encode("utf-8", "replace"))
    except OSError:  # closed by the user's code
        pass


def rejection(rejected):
    """The body of the answer to a request that is rejected."""
    told = {"code": rejected.code, "detail": rejected.detail, **({"ran": True} if rejected.ran else {})}
    return dumps(told).encode("utf-8", "replace")
