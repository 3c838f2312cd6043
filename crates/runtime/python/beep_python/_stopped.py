"""What is told of a request that was to stop: the exception that ended it, or where it was when the interrupt reached it."""

from struct import pack

from . import _exceptions, _frames, _last_words, _shared_page, _wire
from ._builtins import own as __builtins__
from ._encode import ESCAPED, dumps


RUNNERS = tuple(_frames.OWN + name for name in ("_worker.py", "_nested.py"))  # what is around a request's code


def cancelled(error, results=b""):
    """The answer to a request that the interrupt ended; with the results so far, if it is a batch."""
    if not isinstance(error, KeyboardInterrupt) and not hasattr(error, "exceptions"):
        error = KeyboardInterrupt().with_traceback(error.__traceback__)  # of a task that was cancelled, as `asyncio.run` has it
    body = _exceptions.encode(error)
    return _wire.CANCELLED, body[:-1] + b',"results":' + results + b"}" if results else body


def answer(gate, message_type, body):
    """The answer to a request that an interrupt has reached, once the other processes had time for their last words."""
    _last_words.await_end(gate.page[_shared_page.LAST_WORDS])
    return late(gate, message_type, body)


def late(gate, message_type, body):
    """The answer; where the code went on to its end, it says that, and where the interrupt reached it."""
    at, gate.at = gate.at, ()
    if message_type not in _wire.FINISHED:
        return message_type, body
    if message_type == _wire.DATA:  # its caller has an error instead
        body.close()
        message_type, body = _wire.OBJECT, b"{}"
    at = dumps([_frames.place(*place) for place in at]).encode("utf-8", ESCAPED)
    return _wire.LATE, pack("<BI", message_type, len(at)) + at + bytes(body)


def running(frame):
    """The places of the code that runs, outermost first."""
    places = []
    while frame is not None and frame.f_code.co_filename not in RUNNERS and len(places) < _frames.MAX_FRAMES:
        places.append((frame.f_code, frame.f_lineno, frame.f_globals))
        frame = frame.f_back
    return of_user(places[::-1])


def awaiting(coroutine):
    """The places of the code that awaits, outermost first."""
    places = []
    while coroutine is not None and len(places) < _frames.MAX_FRAMES:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(coroutine, kind + "_frame")), None)
        if kind is None:  # a future
            break
        frame = getattr(coroutine, kind + "_frame")
        if frame is not None:
            places.append((frame.f_code, frame.f_lineno, frame.f_globals))
        coroutine = getattr(coroutine, "gi_yieldfrom" if kind == "gi" else kind + "_await")
    return of_user(places)


def of_user(places):
    out = []
    for place in places:
        if not _frames.is_left_out(place[0].co_filename, out):
            out.append(place)
    return out
