"""The client of the running call: displays sent to it, and requests made of it."""

import threading
from _weakref import ref
from contextlib import nullcontext

from . import _display, _exceptions, _matplotlib, _host_rpc, _mime, _tracing, _wire
from ._builtins import own as __builtins__
from ._callbacks import RELEASED, Callback, CallbackError, Kept, error_of
from ._decode import body_of, loads, value_of
from ._encode import ESCAPED, dumps, encode, escaped
from ._origin import NO_CALL
from ._told import Teller
from ._wire import Rejected


MAX_KEPT = 1000  # callbacks
NOT_HELD = nullcontext()


class ClientProxy:
    """`flags` are those of the running request; `write` sends a frame with its id; `flush` flushes the output streams. `origin`
    knows which call code belongs to; `is_stopping` says whether the request, or one nested in it, was cancelled."""

    def __init__(self, origin, write=None, flush=lambda: None, is_stopping=lambda: False):
        self.origin = origin
        self.teller = Teller(origin)
        self.write = write
        self.flush = flush
        self.is_stopping = is_stopping
        self.flags = 0
        self.handles = self.stdin = None
        self.main = threading.get_ident()
        self.shown = []  # figures that this call has already shown
        self.kept = set()  # references to what keeps the callbacks that outlive their calls

    def __reduce_ex__(self, protocol):
        import pickle

        raise pickle.PicklingError("what shows something to the client does so in the process of the session only; it cannot be pickled")

    # displays

    def display(
        self, *objects, include=None, exclude=None, metadata=None, transient=None, display_id=None, raw=False, clear=False, update=False, **_
    ):
        """Shows objects to the client, in order with the output: as HTML or images where they support it.

        `include` and `exclude` are MIME types. With `raw=True` each object is already a dict by MIME type. `clear=True` clears what
        was shown before. With a `display_id`, or True for a new one, this returns a handle, whose `update` shows something else in
        the same place. A client without display support gets text.
        """
        shown_as = _display.id_of(display_id, transient)
        if update and shown_as is None:
            raise TypeError("an update needs the display_id of what it updates")
        if clear:
            self.clear_output(wait=True)
        if display_id and not objects:
            objects, raw = ({},), True  # a place for updates
        for obj in objects:
            data, about = (dict(obj), {}) if raw else self.bundle_of(obj, include, exclude)
            if not data and not raw:
                continue
            if metadata:
                about = _display.merged(about, metadata)
            self.flush()
            if not self.tell("display", _mime.write(data, about, displayId=shown_as, isUpdate=bool(update))) and data:
                print(data.get("text/plain", "<%s>" % ", ".join(map(str, data))))
        return _display.DisplayHandle(shown_as) if display_id else None

    def clear_output(self, wait=False):
        """Has the client clear what the call has shown: at once, or as soon as it shows something else."""
        self.flush()
        self.tell("clear_output", b'{"wait":true}' if wait else b'{"wait":false}')

    def bundle_of(self, obj, include=None, exclude=None):
        """How an object is shown: data and metadata by MIME type, none where it has shown itself."""
        if _mime.shows_itself(obj):
            return {}, {}
        if _matplotlib.is_figure(obj):
            self.shown.append(obj)
            return _mime.chosen(_matplotlib.bundle_of(obj), include, exclude)
        return _mime.bundle_of(obj, include, exclude)

    def takes_events(self):
        return self.flags & _wire.EVENTS

    def tell(self, event, params):
        """Whether the client is told of the event. Waits for the host's answer, so that later output comes after it."""
        call = self.origin.caller()  # of a call that has ended, the host knows who follows the session
        if not call or (self.origin.alive(call) and not self.takes_events()):
            return False
        try:
            return _host_rpc.request(event, params, call) == b"true"
        except _host_rpc.HostError:  # in a child that the user's code forked
            return False

    def show(self, bundle, is_result=False):
        """Shows the last display of a call, directly before its answer."""
        self.flush()
        self.write(_wire.DISPLAY, _mime.write(*bundle, isResult=is_result))

    def show_last(self, value, is_held, is_quiet):
        """Shows the value of a call, unless the client asked for a handle to it or a semicolon ends the code, and all open figures."""
        if is_held:
            self.shown.append(value)
        elif value is not None and not is_quiet:
            bundle = self.bundle_of(value)
            if bundle[0]:
                self.show(bundle, is_result=True)
        self.show_figures()

    def show_figures(self):
        figures = _matplotlib.open_figures()
        try:
            for figure in figures:
                if not any(figure is shown for shown in self.shown):
                    self.show_figure(figure)
        finally:
            self.shown.clear()
            _matplotlib.close(figures)

    def show_figure(self, figure):
        try:
            self.show(_matplotlib.bundle_of(figure))
        except Exception:  # the answer of the call is another thing
            _exceptions.report("a figure could not be shown")

    # requests

    def input(self, prompt=""):
        """Reads a line from the client's standard input; raises EOFError if the client has no such capability."""
        return self.read_line("input", {"prompt": str(prompt)})

    def getpass(self, prompt):
        """The same, of a line that the client does not show."""
        return self.read_line("getpass", {"prompt": str(prompt), "password": True})

    def read_line(self, asked_by, params):
        call = self.origin.current()
        if not call:
            raise EOFError("%s() was called by code whose call has ended, so that no client reads for it" % asked_by)
        if not self.flags & _wire.STDIN:
            detail = "%s() was called, and this client has no standard input to read from: it must ask with 'stdin' among its capabilities"
            raise EOFError(detail % asked_by)
        self.flush()
        try:
            with _tracing.held(call) if _tracing.is_in_debugger() else NOT_HELD:
                answer = self.request(call, "input", dumps(params).encode("utf-8", ESCAPED))
        except _host_rpc.HostError as error:
            if error.code not in ("cancelled", "internal"):
                raise
            raise EOFError(str(error)) from None  # what loops around `input` end with; so do children that the session forked
        if answer.get("eof") is True:
            raise EOFError("the client's standard input has ended")
        line = self.value_in(answer)
        if type(line) is not str:
            raise CallbackError("the client answered %s() with what is no text" % asked_by)
        return line[:-1] if line.endswith("\n") else line

    def callback(self, name, doc=None, signature=None, keep=False):
        """Returns the callback of this name, for the arguments of a request; documentation and signature are the client's.

        `keep` is true, or the id of the subscription over which the client is asked, where it outlives the call."""
        if keep is not False:
            return Callback(name, self, doc, signature, kept=self.keep(None if keep is True else keep))
        if not self.flags & _wire.CALLBACKS:
            raise Rejected(
                "invalid_request",
                "the arguments name the callback '%s', and nothing of this request could ask the client for its answer: "
                "make the request with 'callbacks' among its capabilities and take its events" % name,
            )
        return Callback(name, self, doc, signature, self.origin.current())

    def keep(self, over):
        if len(self.kept) >= MAX_KEPT:
            raise Rejected("too_many_handles", "this session keeps %d callbacks of clients, as many as it may; release some first" % MAX_KEPT)
        try:
            told = loads(str(_host_rpc.request("keep_callback", dumps({"over": over}).encode(), self.origin.running_call()), "utf-8"))
        except _host_rpc.HostError as error:
            raise Rejected(error.code, str(error)) from None
        kept = Kept(told["over"], told["exact"])
        self.kept.add(ref(kept, self.kept.discard))
        return kept

    def call_back(self, callback, args, kwargs):
        kept = callback._kept
        if kept is not None:
            return self.call_kept(callback, kept, args, kwargs)
        call = self.origin.alive(callback._call)
        if not call:
            detail = "the callback '%s' belongs to a call that has ended, and its client with it: pass it again with the call that needs it"
            raise _host_rpc.HostError("invalid_request", detail % callback.name)
        made = []
        try:
            asked = self.asked(callback, threading.get_ident() == self.main, args, kwargs, self.flags & _wire.EXACT, made)
            self.flush()
            return self.value_in(self.request(call, "callback", asked))
        finally:
            self.handles.end_passing(made)

    def call_kept(self, callback, kept, args, kwargs):
        """Whatever call the code at hand belongs to, the one that waits for the answer is the one that runs."""
        if kept is RELEASED:
            raise _host_rpc.HostError("invalid_request", "the callback '%s' was released by its client" % callback.name)
        call = self.origin.running_call() if threading.get_ident() == self.main else NO_CALL
        made = []
        try:
            asked = self.asked(callback, call != NO_CALL, args, kwargs, kept.exact, made)
            self.flush()
            asked = b'{"over":%s,"callback":%s}' % (encode(kept.over, False), asked)
            return self.value_in(self.request(call, "kept_callback", asked))
        finally:
            self.handles.end_passing(made)

    def asked(self, callback, is_nested, args, kwargs, exact, made):
        """What the client is asked; handles that are made for it are added to `made`."""
        return b'{"name":%s,"nested":%s,"args":[%s],"kwargs":{%s}}' % (
            escaped(callback.name),
            b"true" if is_nested else b"false",
            b",".join([self.argument(value, exact, made) for value in args]),
            b",".join([escaped(key) + b":" + self.argument(value, exact, made) for key, value in kwargs.items()]),
        )

    def argument(self, value, exact, made):
        """Encodes a value, or a description of an object that stays here, as in an answer."""
        written = encode(value, exact)
        if written is not None:
            return b'{"value":' + written + b"}"
        told = self.handles.keep_passing(value)
        made.append(told["handleId"])
        return dumps(told).encode("utf-8", ESCAPED)

    def request(self, call, method, params):
        """Returns the answer of the call's client: an object. A request that has to stop has no more questions; what other threads ask,
        the host knows."""
        if threading.get_ident() == self.main and self.is_stopping():
            raise _host_rpc.HostError("cancelled", "the call has to stop, so its client is not asked any more")
        reply = body_of(_host_rpc.request(method, params, call))
        answer = reply["answer"]
        answer["exact"] = reply["exact"]
        return answer

    def value_in(self, answer):
        error = answer.get("error")
        if type(error) is dict:
            message = error.get("message")
            raise error_of(error.get("type"), message if type(message) is str else "")
        if error is not None:
            raise CallbackError(error if type(error) is str else str(error))
        try:
            return value_of(answer.get("value"), self.handles, answer["exact"], of_request=False)
        except Rejected as error:  # what the code gets is an exception that it can know
            raise CallbackError("the client's answer cannot be taken: %s" % error) from None
