"""Text that code writes whose call does not run: it goes to the host with the id of that call.

The host reads descriptors 1 and 2, and can only take what it reads for the output of the call that runs. So while code of an earlier
call may be left (`_origin.py`), Python's two streams look at who writes.
"""

from _thread import get_ident
from functools import partial

from . import _host_rpc, _shared_page
from ._builtins import own as __builtins__

MAX_UNFINISHED = 1 << 13  # characters of a line without its end


class RoutedOutput:
    def __init__(self, origin, *streams):
        self.origin, self.streams = origin, streams
        self.flushes = [stream.flush for stream in streams]
        self.unfinished = {}  # the last line that was begun, by thread, descriptor and call
        origin.on_track, origin.on_end = self.begin, self.end_call

    def begin(self):
        """Looks at what is written to the streams from now on, and to the buffers below them."""
        for fd, stream in enumerate(self.streams, 1):
            self.watch_buffer(stream, fd)
            stream.write = partial(self.write, stream.write, partial(self.send_lines, fd))
            stream.flush = partial(self.flush, stream.flush, fd)

    def watch_buffer(self, stream, fd):
        """Of a stream that was opened again it is another one."""
        if not self.origin.tracking:
            return
        try:
            buffer = stream.buffer
        except ValueError:  # detached by the user's code
            return
        buffer.write = partial(self.write, buffer.write, partial(self.send, fd))

    def end_call(self):
        """Nothing that its threads wrote stays in the streams, to be the next call's."""
        for flush in self.flushes:
            try:
                flush()
            except BaseException:  # the user's code closed it, or gave its buffer a flush that raises
                pass
        self.finish_all()

    def foreign_call(self):
        """The call that the code at hand belongs to, if that is not the one that runs."""
        origin = self.origin
        call = origin.caller()
        return None if call == origin.running or origin.alive(call) else call

    def write(self, write, send, data):
        """Writes for the call that runs, or sends. A thread writes before its call ends, or not at all."""
        origin = self.origin
        if not origin.tracking:
            return write(data)
        if get_ident() == origin.main:
            call = self.foreign_call()
            if call is None:
                return write(data)
        else:
            with origin.ending:
                call = self.foreign_call()
                if call is None:
                    return write(data)
        return send(call, data)

    def flush(self, flush, fd):
        if self.origin.tracking:
            call = self.foreign_call()
            if call is not None:
                return self.finish(fd, call)
        return flush()

    def send_lines(self, fd, call, text):
        """Sends the lines that the text ends, as a line-buffered stream does."""
        key = get_ident(), fd, call
        text, size = self.unfinished.pop(key, "") + text, len(text)
        end = len(text) if len(text) > MAX_UNFINISHED else text.rfind("\n") + 1
        if end < len(text):
            self.unfinished[key] = text[end:]
            self.origin.gate.page[_shared_page.UNFINISHED + 2] = 1
        if end:
            self.send_text(fd, call, text[:end])
        return size

    def finish(self, fd, call):
        text = self.unfinished.pop((get_ident(), fd, call), None)
        if text is not None:
            self.send_text(fd, call, text)

    def finish_all(self):
        """Sends what was begun, and its writer has not gone on with."""
        self.origin.gate.page[_shared_page.UNFINISHED + 2] = 0
        while self.unfinished:
            try:
                (_, fd, call), text = self.unfinished.popitem()
            except KeyError:  # a thread was faster
                return
            self.send_text(fd, call, text)

    def send_text(self, fd, call, text):
        self.send(fd, call, text.encode("utf-8", "backslashreplace"))

    def send(self, fd, call, data):
        data = bytes(data)
        _host_rpc.tell(_host_rpc.OUTPUT, call, bytes((fd,)) + data)
        return len(data)
