"""The client of the call that runs: what it is shown before the answer, and what it is asked."""

import threading

from . import _matplotlib, _host_rpc, _mime, _wire
from ._builtins import own as __builtins__
from ._decode import body_of, value_of
from ._encode import dumps, encode
from ._wire import Rejected


class CallbackError(RuntimeError):
    """A callback of the client's failed; the message is the client's own."""


CallbackError.__module__ = "beep_python"  # where users find it


class Callback:
    """A function of the client's, under the name that it has there. Any thread may call it; the answer is waited for."""

    def __init__(self, name, client):
        self.name = name
        self._client = client

    def __call__(self, *args, **kwargs):
        return self._client.call_back(self.name, args, kwargs)

    def __repr__(self):
        return "<callback %r of the client>" % self.name


class ClientProxy:
    """`flags` are those of the request that runs; `write` sends a frame of its id, and `flush` the text of the streams."""

    def __init__(self, write=None, flush=lambda: None):
        self.write = write
        self.flush = flush
        self.flags = 0
        self.handles = None
        self.main = threading.get_ident()
        self.shown = []  # figures that this call has shown itself

    # what it is shown

    def display(self, *objects, raw=False, metadata=None):
        """Shows objects to the client as they come in between its output: as HTML or images where they can be.

        With `raw=True` each is a dict by MIME type already. A client that takes no displays gets their text.
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
        """Whether it was shown. By way of the host's answer: so what is printed next comes after it."""
        try:
            return _host_rpc.request("display", bundle) == b"true"
        except _host_rpc.HostError:  # in a child that the user's code forked
            return False

    def show(self, bundle):
        """The last of what a call shows: the answer follows, and no output in between."""
        self.flush()
        self.write(_wire.DISPLAY, _mime.write(*bundle))

    def show_last(self, value, held):
        """The value of a call, unless its client holds it and shows it as it likes; and the figures that are open."""
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

    # what it is asked

    def input(self, prompt=""):
        """A line of the client's standard input, where it has the capability; otherwise raises EOFError."""
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

    def callback(self, name):
        """The callback of this name, for a request's arguments."""
        if not self.flags & _wire.CALLBACKS:
            raise Rejected(
                "invalid_request",
                "the arguments name the callback '%s', and nothing of this request could ask the client for its answer: "
                "make the request with 'callbacks' among its capabilities and take its events" % name,
            )
        return Callback(name, self)

    def call_back(self, name, args, kwargs):
        exact = self.flags & _wire.EXACT
        reply = b'{"name":%s,"nested":%s,"args":[%s],"kwargs":{%s}}' % (
            encode(name, False),
            b"true" if threading.get_ident() == self.main else b"false",
            b",".join([self.argument(value, exact) for value in args]),
            b",".join([encode(key, False) + b":" + self.argument(value, exact) for key, value in kwargs.items()]),
        )
        self.flush()
        return self.value_in(self.request("callback", reply))

    def argument(self, value, exact):
        """A value, or what is said of an object that stays here, as in an answer."""
        written = encode(value, exact)
        if written is not None:
            return b'{"value":' + written + b"}"
        return dumps(self.handles.keep(value)).encode("utf-8", "replace")

    def request(self, method, params):
        """What the client answered: an object."""
        reply = body_of(_host_rpc.request(method, params))
        answer = reply["answer"]
        answer["exact"] = reply["exact"]
        return answer

    def value_in(self, answer):
        error = answer.get("error")
        if error is not None:
            raise CallbackError(error if type(error) is str else str(error))
        return value_of(answer.get("value"), self.handles, answer["exact"])
