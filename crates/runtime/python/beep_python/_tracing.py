"""Trace functions and debuggers see the frames of the user's code alone, as at Python's own prompt, which calls code from C: no frame of
the worker, nor of the standard library that works for it, is traced, stopped in or shown.

A debugger that steps past the last line of a call has ended, as if it were told to continue: the next call may be another client's, who
asked for none. Breakpoints stay. No deadline of a call passes while a debugger holds it. Callbacks of `sys.monitoring` are left alone: they
look for the traced frame by its distance from theirs.
"""

import dis
import functools
import os
import sys
import threading
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from . import _current, _host_rpc, _import_hooks
from ._builtins import own as __builtins__
from ._frames import OWN

LOOP = OWN + "_worker.py"  # what calls this is no code of the user's
LIBRARY = os.path.dirname(os.__file__) + os.sep
PACKAGES = tuple(LIBRARY + name + os.sep for name in ("site-packages", "dist-packages"))
SETTERS = "settrace", "setprofile", "_settraceallthreads", "_setprofileallthreads"
GETTERS = "gettrace", "getprofile"
_debuggers = set()  # the codes whose frames hold the thread while a debugger asks
_held = set()  # the threads that debuggers hold


def install():
    for name in SETTERS:
        replace(name, setting)
    for name in GETTERS:
        replace(name, getting)
    _import_hooks.after("bdb", adopt_bdb)
    _import_hooks.after("pdb", adopt_pdb)
    _import_hooks.after("pydevd", adopt_pydevd)


def replace(name, wrapped):
    theirs = getattr(sys, name, None)
    if theirs is not None and not hasattr(theirs, "__wrapped__"):
        setattr(sys, name, functools.wraps(theirs)(wrapped(theirs)))


def setting(theirs):
    def set_function(function, /):
        if function is not None:
            leave_out_ours(sys._getframe(1))
        return theirs(function if function is None or not callable(function) else OfUser(function))

    return set_function


def getting(theirs):
    def get_function():
        function = theirs()
        return function.function if type(function) is OfUser else function

    return get_function


class OfUser:
    """A trace function, for the user's frames."""

    __slots__ = ("function",)

    def __init__(self, function):
        self.function = function

    def __call__(self, frame, event, argument):
        return None if is_hidden(frame) else self.function(frame, event, argument)


def leave_out_ours(frame):
    """Frees our frames of the local function that debuggers give every frame on the stack."""
    while frame is not None:
        if frame.f_trace is not None and is_hidden(frame):
            frame.f_trace = None
        frame = frame.f_back


def is_hidden(frame):
    """Whether this is a frame of the worker, or of the library that it calls."""
    while frame is not None and is_library(frame.f_code):
        frame = frame.f_back
    return frame is not None and is_ours(frame.f_code)


def has_user_outside(frame):
    """Whether code of the user's has led to this frame."""
    frame = frame.f_back
    while frame is not None and frame.f_code.co_filename != LOOP:
        if not is_ours(frame.f_code) and not is_library(frame.f_code):
            return True
        frame = frame.f_back
    return False


def is_ours(code):
    return code.co_filename.startswith(OWN)


def is_library(code):
    file = code.co_filename
    return file.startswith("<frozen ") or (file.startswith(LIBRARY) and not file.startswith((OWN, *PACKAGES)))


def adopt_bdb(bdb):
    dispatch, get_stack = bdb.Bdb.trace_dispatch, bdb.Bdb.get_stack
    calls = WeakKeyDictionary()  # the call that a debugger was last used in

    @functools.wraps(dispatch)
    def trace_dispatch(self, frame, event, arg):
        if is_hidden(frame):
            return None
        if not has_user_outside(frame):
            if event == "call" and calls.get(self, running_call()) != running_call() and frame is not self.stopframe:
                self.set_continue()  # it was used in an earlier one
                if not self.breaks:
                    return None
            part = part_of_program(frame)
            if event == "call" and part == "tail" and self.stopframe is None and self.botframe is not None:
                calls[self] = running_call()
                return self.trace_dispatch  # the code goes on
            if event == "return":
                return leave(self, frame, arg, part == "block" and leaves_by(frame) == "return")
        calls[self] = running_call()
        return dispatch(self, frame, event, arg)

    def leave(self, frame, arg, goes_on):
        if goes_on:
            if self.stopframe is frame or self.returnframe is frame:
                self.set_step()
            return None
        result = dispatch(self, frame, "return", arg)
        if leaves_by(frame) != "yield":
            self.set_continue()
        return result

    @functools.wraps(get_stack)
    def get_stack_of_user(self, f, t):
        stack, current = get_stack(self, f, t)
        shown, at, within_ours = [], 0, False
        for number, entry in enumerate(stack):
            code = entry[0].f_code
            if code.co_filename == LOOP:
                shown.clear()
            within_ours = is_ours(code) or (within_ours and is_library(code))
            if not within_ours:
                shown.append(entry)
            if number == current:
                at = max(len(shown) - 1, 0)
        return (shown, at) if shown else (stack, current)

    bdb.Bdb.trace_dispatch, bdb.Bdb.get_stack = trace_dispatch, get_stack_of_user
    _debuggers.add(trace_dispatch.__code__)


def is_in_debugger():
    """Whether it is a debugger that asks, and not the code that it debugs."""
    frame = sys._getframe(1) if _debuggers else None
    while frame is not None and frame.f_code.co_filename != LOOP:
        if frame.f_code in _debuggers:
            return True
        frame = frame.f_back
    return False


def adopt_pdb(pdb):
    """Pdb, and what is made of it: it holds a thread in this method, however it reads its commands."""
    pdb.Pdb.interaction = holding(pdb.Pdb.interaction)


def adopt_pydevd(pydevd):
    """The debugger of debugpy: it stops a thread in this method."""
    pydevd.PyDB.do_wait_suspend = holding(pydevd.PyDB.do_wait_suspend)


def holding(wait):
    @functools.wraps(wait)
    def hold(*args, **kwargs):
        client = _current.client
        call = client.origin.current() if client is not None else 0
        if not call:
            return wait(*args, **kwargs)
        with held(call):
            return wait(*args, **kwargs)

    return hold


@contextmanager
def held(call):
    """Tells the host that a debugger holds a thread of this call, unless it does already."""
    thread = threading.get_ident()
    if thread in _held:
        yield
        return
    _held.add(thread)
    tell(call, b"true")
    try:
        yield
    finally:
        _held.discard(thread)
        tell(call, b"false")


def tell(call, is_held):
    try:
        _host_rpc.request("held", is_held, call)
    except _host_rpc.HostError:  # in a child that the user's code forked
        pass


def running_call():
    return _current.client.origin.running_call() if _current.client is not None else None


def part_of_program(frame):
    """Which part of a program with two this frame runs, if any: its statements, or the expression that ends it."""
    around = frame.f_back
    program = around.f_locals.get("program") if around is not None and around.f_code.co_filename == OWN + "_exec.py" else None
    if program is None or program.block is None or program.tail is None:
        return None
    return {program.block: "block", program.tail: "tail"}.get(frame.f_code)


def leaves_by(frame):
    """How a frame is left that returns: by "return", "yield" or "exception". Only the instruction tells: it is at a `yield`, from 3.13 on
    behind it, and before 3.11 in front of a `yield from` or `await`."""
    code, at = frame.f_code.co_code, frame.f_lasti
    here, after = (dis.opname[code[place]] if 0 <= place < len(code) else "" for place in (at, at + 2))
    if here.startswith("RETURN_"):
        return "return"
    return "yield" if here in ("YIELD_VALUE", "RESUME") or after == "YIELD_FROM" else "exception"
