"""Exceptions as JSON: type, message, traceback, causes, notes and members."""

import linecache
import os
from os import write
from sys import exc_info

from ._builtins import own as __builtins__
from ._encode import dumps
from ._repr import clip, message_of, type_name

OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
# frames of these files, before the first frame of the user's code, come from running that code
MACHINERY = (os.sep + "asyncio" + os.sep, os.sep + "importlib" + os.sep, "<frozen importlib")
MAX_FRAMES = 100
MAX_DEPTH = 10
MAX_MEMBERS = 50
MAX_EXCEPTIONS = 200  # causes and members of one exception together
MAX_LINE = 1000


def encode(error):
    """The body of an EXCEPTION frame."""
    try:
        described = describe(error)
    except BaseException:  # its class misbehaves
        described = {"type": type_name(type(error)), "message": message_of(error), "traceback": []}
    message = described["message"]
    detail = described["type"] + (": " + message if message else "")
    return dumps({"detail": detail, "exception": described}).encode("utf-8", "replace")


def exit_status(error):
    """The status with which Python would exit; None where it would print what the exception holds, and exit with 1."""
    code = error.code
    return 0 if code is None else int(code) & 0xFF if isinstance(code, int) else None


def describe(error, depth=0, budget=None):
    budget = [MAX_EXCEPTIONS] if budget is None else budget
    budget[0] -= 1
    out = {
        "type": type_name(type(error)),
        "message": message_of(error),
        "traceback": frames(error.__traceback__),
    }
    if isinstance(error, SystemExit):
        status = exit_status(error)
        if status is not None:
            out["exitStatus"] = status
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    if cause is not None and depth < MAX_DEPTH and budget[0] > 0:
        out["cause"] = describe(cause, depth + 1, budget)
    notes = getattr(error, "__notes__", None)
    if type(notes) is list and notes:
        out["notes"] = [message_of(note) for note in notes[:MAX_MEMBERS]]
    if isinstance(error, SyntaxError):
        out["syntax"] = syntax(error)
    members = getattr(error, "exceptions", None)
    if type(members) is tuple and depth < MAX_DEPTH:
        out["exceptions"] = [
            describe(member, depth + 1, budget)
            for member in members[:MAX_MEMBERS]
            if isinstance(member, BaseException) and budget[0] > 0
        ]
    return out


def frames(traceback):
    out = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        name = code.co_filename
        if not (name.startswith(OWN) or (not out and any(part in name for part in MACHINERY))):
            out.append((code, traceback.tb_lineno, traceback.tb_frame))
        traceback = traceback.tb_next
    left_out = len(out) - MAX_FRAMES
    if left_out > 0:
        half = MAX_FRAMES // 2
        between = {"file": "", "line": 0, "function": "(%d frames left out)" % left_out, "code": None}
        return [frame(*f) for f in out[:half]] + [between] + [frame(*f) for f in out[-half:]]
    return [frame(*f) for f in out]


def frame(code, line, of):
    line = line or 0
    try:
        text = linecache.getline(code.co_filename, line, of.f_globals).strip()
    except Exception:  # the loader of the module raised
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
