"""What code tells the client that follows its call, beside output: how far it is, and log records. Only where the client wants that."""

import functools
import json
import math
import re
import sys
from _thread import get_ident

from . import _exceptions, _host_rpc
from ._builtins import own as __builtins__
from ._encode import ESCAPED
from ._frames import is_left_out
from ._origin import NO_CALL
from ._repr import MAX_MESSAGE, clip, message_of, type_name

_teller = None  # the one of this process


class Teller:
    def __init__(self, origin):
        self.origin = origin
        self.call = NO_CALL  # the last call whose client wants any of it
        self.log = self.progress = False
        self.logs = False  # whether `logging` passes on its records

    def enter(self):
        global _teller
        _teller = self

    def forget(self):
        """In a child that the session forked."""
        self.call = NO_CALL
        self.log = self.progress = False

    def follow(self, call, limits):
        """The request of this id comes next."""
        self.call, self.log, self.progress = call, limits.log, limits.progress
        if limits.log and not self.logs:
            self.logs = True
            pass_on_records(self)

    def listener(self, wanted):
        """The call of the code at hand, if its client wants to hear of it. Of a call that has ended, the host knows who follows the
        session."""
        caller = self.origin.caller()
        call = self.origin.alive(caller)
        return caller if not call else call if wanted and call == self.call else NO_CALL

    def takes_log(self):
        """Whether the client of the code at hand wants its log records."""
        return self.log and self.origin.current() == self.call

    def tell(self, call, method, event):
        """Whether it was told. Waits for the host, so that it comes behind earlier output and before later."""
        if _host_rpc.is_sending() or (self.origin.gate.deferrals and get_ident() == self.origin.main):
            return False  # a finalizer, while bytes are moved
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", ESCAPED)
        try:
            return _host_rpc.request(method, body, call) == b"true"
        except _host_rpc.HostError:
            return False


def progress(done, total=None, message=None):
    """Tells the client that follows the running call how far its code is. Does nothing where no client wants to know.

    for n, file in enumerate(files):
        beep_python.progress(n, len(files), file.name)
    """
    event = {"done": _number("done", done)}
    if total is not None:
        event["total"] = _number("total", total)
    if message is not None:
        if not isinstance(message, str):
            raise TypeError("message must be a str, not %s" % type(message).__name__)
        event["message"] = clip(message, MAX_MESSAGE)
    teller = _teller
    if teller is not None:
        call = teller.listener(teller.progress)
        if call:
            teller.tell(call, "progress", event)


progress.__module__ = "beep_python"  # where users find it


def _number(name, value):
    if type(value) is int:
        return value
    if isinstance(value, (str, bytes)) or not (hasattr(value, "__index__") or hasattr(value, "__float__")):
        raise TypeError("%s must be a number, not %s" % (name, type(value).__name__))
    number = value.__index__() if hasattr(value, "__index__") else float(value)
    if not math.isfinite(number):
        raise ValueError("%s must be a finite number, not %s" % (name, number))
    return number


def pass_on_records(teller):
    """Sends what reaches the root logger. Loggers, levels, filters and handlers stay the user's: a handler of ours at the root would
    make `logging.basicConfig` do nothing."""
    import logging

    call_handlers, basic_config = logging.Logger.callHandlers, logging.basicConfig

    @functools.wraps(call_handlers)
    def tell_and_call_handlers(logger, record):
        call = teller.listener(teller.log)
        if call and reaches_root(logger) and teller.tell(call, "log", record_as_event(record)) and not logger.hasHandlers():
            return  # what has no handler would be on standard error too
        call_handlers(logger, record)

    @functools.wraps(basic_config)
    def basic_config_where_asked(**options):
        # `logging.warning` and its like give the root a handler if it has none
        by_itself = not options and sys._getframe(1).f_globals is vars(logging)
        if not (by_itself and teller.takes_log()):
            basic_config(**options)

    logging.Logger.callHandlers, logging.basicConfig = tell_and_call_handlers, basic_config_where_asked


def reaches_root(logger):
    while logger.parent is not None:
        if not logger.propagate:
            return False
        logger = logger.parent
    return True


def record_as_event(record):
    """Whatever the record holds: no handler of `logging` has a call fail because of that."""
    try:
        message = text_of(record.getMessage())
    except Exception as error:  # its arguments do not fit, or cannot be written
        message = "%s (%s: %s)" % (text_of(record.msg), type(error).__name__, text_of(error))
    if record.stack_info:
        message += "\n" + without_host(text_of(record.stack_info))
    event = {"level": text_of(record.levelname), "logger": text_of(record.name), "message": clip(message, MAX_MESSAGE)}
    error = record.exc_info[1] if type(record.exc_info) is tuple and len(record.exc_info) == 3 else None
    if isinstance(error, BaseException):
        try:
            event["exception"] = _exceptions.describe(error)
        except KeyboardInterrupt:
            raise
        except BaseException:  # its class misbehaves
            event["exception"] = {"type": type(error).__name__, "message": message_of(error), "traceback": []}
    return event


def text_of(obj):
    try:
        return str.__str__(str(obj))
    except Exception as error:
        return "<%s, whose __str__ raised %s>" % (type_name(type(obj)), type_name(type(error)))


def without_host(stack):
    """The text of a stack without the frames of the host's own code."""
    first, *places = re.split(r'^(?=  File ")', stack, flags=re.MULTILINE)
    shown = []
    for place in places:
        if not is_left_out(place[len('  File "') :], shown):
            shown.append(place)
    return first + "".join(shown)
