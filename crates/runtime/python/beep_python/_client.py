"""The client of the running call: displays sent to it, and requests made of it."""

import threading

from . import _matplotlib, _host_rpc, _mime, _wire
from ._builtins import own as __builtins__
from ._callbacks import Callback, CallbackError, error_of
from ._decode import body_of, value_of
from ._encode import dumps, encode
from ._wire import Rejected


class ClientProxy:
    """`flags` are those of the running request; `write` sends a frame with its id; `flush` flushes the output streams."""

    def __init__(self, write=None, flush=lambda: None):
        self.write = write
        self.flush = flush
        self.flags = 0
        self.handles = None
        self.main = threading.get_ident()
        self.shown = []  # figures that this call has already shown

    # displays

    def display(self, *objects, raw=False, metadata=None):
        """Shows objects to the client, in order with the output: as HTML or images where they support it.

        With `raw=True` each is already a dict by MIME type. A client without display support gets text.
        """
        for obj in objects:
            if raw:
                data, about = dict(obj), {}
            elif _matplotlib.is_figure(obj):
                data, about = _matplotlib.bundle_of(obj)
                self.shown.append(obj)
            else:
                data, about = _mime.bundle_of(obj)
            if metadata:
                about = {**about, **metadata}
            self.flush()
            if not (self.takes_events() and self.send_display(_mime.write(data, about))):
                print(data.get("text/plain", "<%s>" % ", ".join(map(str, data))))

    def takes_events(self):
        return self.flags & _wire.EVENTS

    def send_display(self, bundle):
        """Whether it was shown. Waits for the host's answer, so that later output comes after it."""
        try:
            return _host_rpc.request("display", bundle) == b"true"
        except _host_rpc.HostError:  # in a child that the user's code forked
            return False

    def show(self, bundle):
        """Shows the last display of a call, directly before its answer."""
        self.flush()
        self.write(_wire.DISPLAY, _mime.write(*bundle))

    def show_last(self, value, held):
        """Shows the value of a call, unless the client asked for a handle to it, and all open figures."""
        if held:
            self.shown.append(value)
        elif _matplotlib.is_figure(value):
            self.show(_matplotlib.bundle_of(value))
            self.shown.append(value)
        elif value is not None:
            self.show(_mime.bundle_of(value))
        self.show_figures()

    def show_figures(self):
        figures = _matplotlib.open_figures()
        try:
            for figure in figures:
                if not any(figure is shown for shown in self.shown):
                    self.show(_matplotlib.bundle_of(figure))
        finally:
            self.drop_figures(figures)

    def drop_figures(self, figures=None):
        self.shown.clear()
        _matplotlib.close(_matplotlib.open_figures() if figures is None else figures)

    # requests

    def input(self, prompt=""):
        """Reads a line from the client's standard input; raises EOFError if the client has no such capability."""
        if not self.flags & _wire.STDIN:
            raise EOFError("input() was called, and this client has no standard input to read from: it must ask with 'stdin' among its capabilities")
        self.flush()
        answer = self.request("input", b'{"prompt":%s}' % dumps(str(prompt)).encode("utf-8", "replace"))
        if answer.get("eof") is True:
            raise EOFError("the client's standard input has ended")
        line = self.value_in(answer)
        if type(line) is not str:
            raise CallbackError("the client answered input() with what is no text")
        return line[:-1] if line.endswith("\n") else line

    def callback(self, name, doc=None, signature=None):
        """Returns the callback of this name, for the arguments of a request; documentation and signature are the client's."""
        if not self.flags & _wire.CALLBACKS:
            raise Rejected(
                "invalid_request",
                "the arguments name the callback '%s', and nothing of this request could ask the client for its answer: "
                "make the request with 'callbacks' among its capabilities and take its events" % name,
            )
        return Callback(name, self, doc, signature)

    def call_back(self, name, args, kwargs):
        exact = self.flags & _wire.EXACT
        made = []
        try:
            reply = b'{"name":%s,"nested":%s,"args":[%s],"kwargs":{%s}}' % (
                encode(name, False),
                b"true" if threading.get_ident() == self.main else b"false",
                b",".join([self.argument(value, exact, made) for value in args]),
                b",".join([encode(key, False) + b":" + self.argument(value, exact, made) for key, value in kwargs.items()]),
            )
            self.flush()
            return self.value_in(self.request("callback", reply))
        finally:
            self.handles.end_passing(made)

    def argument(self, value, exact, made):
        """Encodes a value, or a description of an object that stays here, as in an answer."""
        written = encode(value, exact)
        if written is not None:
            return b'{"value":' + written + b"}"
        told = self.handles.keep_passing(value)
        made.append(told["handleId"])
        return dumps(told).encode("utf-8", "replace")

    def request(self, method, params):
        """Returns the client's answer: an object."""
        reply = body_of(_host_rpc.request(method, params))
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
        return value_of(answer.get("value"), self.handles, answer["exact"], of_request=False)
