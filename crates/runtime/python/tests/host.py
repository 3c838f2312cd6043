"""The host's side of a worker, for tests: pipes, the shared page, frames, and waiting that ends."""

import json
import mmap
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import time
import unittest

from beep_python import _host_rpc, _inherited, _interrupts, _process, _shared_page, _wire, _zygote

PATIENCE = 30  # seconds after which a test fails instead of hanging
EVALUATE, IMPORT, CREATE, CALL, GETATTR, SETATTR, DISPOSE, FLOATS, FLOATS_2D, AVAILABLE, WRAP = range(1, 12)


def readable(fd, patience=PATIENCE):
    if not select.select([fd], [], [], patience)[0]:
        raise AssertionError("nothing came within %s s" % patience)


class Ends:
    """All ends of one worker; `theirs` go to the worker and are closed here by `started`."""

    def __init__(self):
        link_in, self.requests = os.pipe()
        self.answers, link_out = os.pipe()
        host_in, self.host_answers = os.pipe()
        self.host_calls, host_out = os.pipe()
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        with tempfile.TemporaryFile() as file:  # the host uses a memfd, which not every Python has
            file.truncate(_shared_page.PAGE)
            page = os.dup(file.fileno())
        self.page = mmap.mmap(page, _shared_page.PAGE)
        self.data, data = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.data.settimeout(PATIENCE)
        self.data_number = 0  # of the last datum that came
        lifeline, self.lifeline = os.pipe()
        self.theirs = [link_in, link_out, host_in, host_out, stdout, stderr, page, data.detach(), lifeline]
        self.ours = [self.requests, self.answers, self.host_answers, self.host_calls, self.stdout, self.stderr, self.lifeline]
        self.last = 0
        self.buffer = b""
        self.written = {self.stdout: b"", self.stderr: b"", self.host_calls: b""}

    def started(self):
        for fd in self.theirs:
            os.close(fd)

    def close(self):
        for fd in self.ours:
            os.close(fd)
        self.ours = []
        self.data.close()
        self.page.close()

    def close_lifeline(self):
        if self.lifeline in self.ours:
            self.ours.remove(self.lifeline)
            os.close(self.lifeline)

    def close_link(self):
        self.ours.remove(self.requests)
        os.close(self.requests)

    # requests

    def next_id(self):
        self.last += 1
        request_id = self.last * _shared_page.SLOTS + self.last % _shared_page.SLOTS
        slot = request_id % _shared_page.SLOTS
        for table in (_shared_page.CANCEL, _shared_page.STARTED, _shared_page.CTRL_C):
            self.page[table + slot] = 0
        return request_id

    def send(self, kind, body, flags=0, attach=()):
        """Sends a request, with descriptors if there are any, and gives its id."""
        request_id = self.next_id()
        if attach:
            self.send_descriptors(request_id, attach)
            flags |= _wire.ATTACHED
        self.send_as(request_id, kind, body, flags)
        return request_id

    def send_descriptors(self, request_id, fds, lent=()):
        socket.send_fds(self.data, [request_id.to_bytes(8, "little") + bytes((len(fds), len(lent)))], [*fds, *lent])

    def send_as(self, request_id, kind, body, flags=0):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        parts = _wire.frames(kind, request_id, body)
        for head, part in zip(parts[::2], parts[1::2]):
            size, kind, more, version, request_id = _wire.HEADER.unpack(head)
            _wire.write_all(self.requests, _wire.HEADER.pack(size, kind, more | flags, version, request_id) + bytes(part))

    def mark_cancelled(self, request_id):
        self.page[_shared_page.CANCEL + request_id % _shared_page.SLOTS] = 1

    def has_started(self, request_id):
        return self.page[_shared_page.STARTED + request_id % _shared_page.SLOTS] == 1

    def running(self):
        return struct.unpack_from("=Q", self.page, _shared_page.RUNNING)[0]

    # answers

    def frame(self):
        """The next frame: kind, flags, id, body."""
        size, kind, flags, version, request_id = _wire.HEADER.unpack(self.exactly(_wire.HEADER_BYTES))
        assert version == _wire.VERSION and size <= _wire.MAX_BODY, (version, size)
        return kind, flags, request_id, self.exactly(size)

    def exactly(self, size):
        while len(self.buffer) < size:
            readable(self.answers)
            data = os.read(self.answers, 1 << 20)
            if not data:
                raise EOFError("the worker closed the link; it wrote %r" % self.output(self.stderr))
            self.buffer += data
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def has_answer(self):
        return bool(self.buffer or select.select([self.answers], [], [], 0.01)[0])

    def answer(self, request_id):
        """Kind and body of the next answer, which must be this request's."""
        parts = []
        while True:
            kind, flags, got, body = self.frame()
            assert got == request_id, "the answer to %d came in place of that to %d: %r" % (got, request_id, body)
            parts.append(body)
            if not flags & _wire.MORE:
                return kind, b"".join(parts)

    def outcome(self, request_id):
        """As `answer`, without where an interrupt reached the request: `started` stands for what ended it, and a late answer is
        a type and that answer."""
        kind, body = self.answer(request_id)
        if kind == _wire.CANCELLED and body:
            assert set(json.loads(body)) <= {"detail", "exception", "results"}, body
            return kind, b"started"
        if kind == _wire.LATE:
            size = int.from_bytes(body[1:5], "little")
            assert all(frame["file"] and frame["line"] for frame in json.loads(body[5 : 5 + size])), body
            return kind, body[:1] + body[5 + size :]
        return kind, body

    def call(self, kind, body, flags=0):
        return self.answer(self.send(kind, body, flags))

    def datum(self, kind, body):
        """The descriptor and the memory of an answer that is a datum; closed by the caller."""
        assert kind == _wire.DATA, (kind, body)
        told = json.loads(body)
        message, fds, _, _ = socket.recv_fds(self.data, 8, 1)
        self.data_number += 1
        assert told["number"] == int.from_bytes(message, "little") == self.data_number, (told, message)
        return told["data"], fds[0]

    def take(self, operation, flags=0, **body):
        """The descriptor and the bytes of the datum that answers a request."""
        about, fd = self.datum(*self.call(operation, body, flags | _wire.TAKES_DATUM))
        try:
            data = b""
            while len(data) < about["byteLength"]:
                data += os.pread(fd, about["byteLength"] - len(data), about["offset"] + len(data))
            return about, data
        finally:
            os.close(fd)

    def evaluate(self, code, **more):
        """The value of the code, which must have one."""
        kind, body = self.call(EVALUATE, {"expression": code, **more})
        assert kind == _wire.VALUE, (kind, body.decode("utf-8", "replace"))
        return json.loads(body)

    def fails(self, code):
        """The exception that the code raises, as it is described."""
        kind, body = self.call(EVALUATE, {"expression": code})
        assert kind == _wire.EXCEPTION, (kind, body)
        return json.loads(body)["exception"]

    # messages of the pair host

    def message(self):
        """The next message: kind, flags, id, body."""
        size, kind, flags, version, request_id = _wire.HEADER.unpack(self.message_bytes(_wire.HEADER_BYTES))
        assert version == _wire.VERSION, version
        return kind, flags, request_id, self.message_bytes(size)

    def message_bytes(self, size):
        data = b""
        while len(data) < size:
            readable(self.host_calls)
            more = os.read(self.host_calls, size - len(data))
            assert more, "the worker closed its end"
            data += more
        return data

    # output

    def output(self, fd):
        """What can be read now, of all that was not waited for."""
        while select.select([fd], [], [], 0)[0]:
            data = os.read(fd, 1 << 16)
            if not data:
                break
            self.written[fd] += data
        out, self.written[fd] = self.written[fd], b""
        return out.decode("utf-8", "replace")

    def until(self, text, fd=None):
        """Waits until the text was written, by whatever call, and gives what was written up to its end."""
        fd = self.stdout if fd is None else fd
        text = text.encode()
        while text not in self.written[fd]:
            ready = select.select([fd, self.host_calls], [], [], PATIENCE)[0]
            if ready == [self.host_calls]:
                kind, _, _, body = self.message()
                assert kind == _host_rpc.OUTPUT, (kind, body)
                self.written[self.stdout if body[0] == 1 else self.stderr] += body[1:]
                continue
            assert ready, "nothing came within %s s; before, there was %r" % (PATIENCE, self.written[fd])
            data = os.read(fd, 1 << 16)
            assert data, "the output ended with %r" % self.written[fd]
            self.written[fd] += data
        before, _, self.written[fd] = self.written[fd].partition(text)
        return (before + text).decode("utf-8", "replace")


class Host(Ends):
    """A worker forked from this process, and its host. `stdin` is what it is given to read."""

    def __init__(self, epoch=1, tag="s1", stdin=None):
        super().__init__()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                keep = {0, 1, 2, *self.theirs}
                if stdin is not None:
                    os.dup2(stdin, 0)
                for fd in {int(name) for name in os.listdir("/proc/self/fd")} - keep:
                    try:
                        os.close(fd)
                    except OSError:  # the folder's own
                        pass
                os.setsid()
                become_fresh(*self.theirs[4:6], stdin is not None)
                fds = _process.dup_high(self.theirs)
                worker = _zygote.prepare()
                _inherited.begin()
                _inherited.disown()
                _zygote.work(fds, {"tag": tag, "epoch": epoch, "stdin": stdin is not None}, worker)
            finally:
                os._exit(99)
        self.started()
        self.pidfd = _process.open_pidfd(self.pid)
        self.ours.append(self.pidfd)
        self.status = None
        kind, _, _, self.ready = self.frame()
        assert kind == _wire.READY, kind

    def interrupt(self):
        self.page[_shared_page.INTERRUPT] = 1
        self.repeat_interrupt()

    def ask_for_unfinished(self):
        """Asks for text that was not written yet, as the host does while a subscriber waits."""
        self.page[_shared_page.FLUSH] = 1
        self.repeat_interrupt()

    def unfinished(self):
        """Whether each of standard output, standard error and what is sent for earlier calls has text that was not written yet."""
        return [byte != 0 for byte in self.page[_shared_page.UNFINISHED : _shared_page.UNFINISHED + 3]]

    def repeat_interrupt(self):
        os.kill(self.pid, _interrupts.INTERRUPT)

    def cancel(self, request_id):
        self.mark_cancelled(request_id)
        self.interrupt()

    def press_ctrl_c(self, request_id):
        """An interrupt that leaves it to the code whether the request stops."""
        self.page[_shared_page.CTRL_C + request_id % _shared_page.SLOTS] = 1
        self.interrupt()

    def cancel_at_rest(self, request_id):
        """As `cancel`, of code that waits: Python misses a signal that comes when it has looked and waits not yet."""
        self.until_at_rest()
        self.cancel(request_id)

    def wait(self):
        """The exit status of the worker, or the negative number of the signal that ended it."""
        if self.status is None:
            readable(self.pidfd)
            status = os.waitpid(self.pid, 0)[1]
            self.status = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return self.status

    def until_at_rest(self, has_come=lambda: True, pid=None):
        """Waits until the worker, or another process, sleeps, and something has come: of that there is no event."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not has_come():
                continue
            with open("/proc/%d/stat" % (pid or self.pid)) as file:
                if file.read().rpartition(")")[2].split()[0] == "S":
                    return
        raise AssertionError("the worker does not come to rest")

    def end(self):
        if self.status is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.wait()
        self.close()


def become_fresh(stdout, stderr, has_input):
    """As in a zygote, standard input is empty or given, and the streams stand for pipes from the start."""
    if not has_input:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    sys.stdin, sys.stdout, sys.stderr = (open(fd, mode, closefd=False) for fd, mode in ((0, "r"), (1, "w"), (2, "w")))
    sys.__stdin__ = sys.stdin


class WorkerTest(unittest.TestCase):
    """A test with a worker of its own."""

    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.end)
