"""Data as clients send and take them, for tests."""

import fcntl
import importlib.util
import json
import mmap
import os
import unittest

from beep_python import _memory, _wire

from .host import EVALUATE, WorkerTest

FETCH, PUT, VALUE, AWAIT, BATCH, GETITEM, INVOKE = 28, 29, 25, 26, 27, 17, 22
SHRINK, GROW, WRITE, SEAL = 2, 4, 8, 1


def memfd(data, seals=SHRINK | GROW | WRITE | SEAL):
    fd = _memory.new_memfd()
    os.write(fd, data) if data else None
    fcntl.fcntl(fd, _memory.ADD_SEALS, seals)
    return fd


def needs(*names):
    """A test for which these packages must be installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return unittest.skipIf(missing, "%s is not installed" % " and ".join(missing))


class DataTest(WorkerTest):
    """A test with a worker, with which it exchanges data."""

    def fetch(self, code, **body):
        """Descriptor and bytes of what the code gives."""
        return self.host.take(FETCH, expression=code, **body)

    def refused(self, operation, body, flags=0, fds=()):
        """Code and detail of the refusal."""
        kind, answer = self.host.answer(self.host.send(operation, body, flags, fds))
        self.assertEqual(kind, _wire.REJECTED, answer)
        told = json.loads(answer)
        return told["code"], told["detail"]

    def fetch_refused(self, code, **body):
        return self.refused(FETCH, {"expression": code, **body}, _wire.TAKES_DATUM)

    def send(self, operation, body, *data, flags=0):
        """Kind and body of the answer to a request with data: pairs of bytes, or a descriptor, and what is said of them."""
        fds = [memfd(one) if isinstance(one, bytes) else os.dup(one) for one, _ in data]
        described = [{"byteLength": len(one), **about} if isinstance(one, bytes) else about for one, about in data]
        try:
            return self.host.answer(self.host.send(operation, {**body, "data": described}, flags, fds))
        finally:
            for fd in fds:
                os.close(fd)

    def put(self, data, flags=0, name="x", **about):
        """Gives a datum a name, and returns what is told of it."""
        kind, answer = self.send(PUT, {"name": name}, (data, about), flags=flags)
        self.assertEqual(kind, _wire.OBJECT, answer)
        return json.loads(answer)

    def put_refused(self, data, **about):
        kind, answer = self.send(PUT, {"name": "x"}, (data, about))
        self.assertEqual(kind, _wire.REJECTED, answer)
        return json.loads(answer)["detail"]

    def set_limits(self, **limits):
        self.host.send_as(0, _wire.REQUEST_LIMITS, limits)

    def open_descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.host.pid))

    def without(self, *names):
        """In the worker these packages are missing."""
        self.host.evaluate("import sys\nfor name in %r: sys.modules[name] = None" % (names,))

    def mapped(self, about, fd):
        """The memory of a live datum, as a client maps it."""
        memory = mmap.mmap(fd, about["offset"] + about["byteLength"], prot=mmap.PROT_READ)
        os.close(fd)
        self.addCleanup(memory.close)
        return memory

    def live(self, code):
        about, fd = self.host.datum(*self.host.call(FETCH, {"expression": code}, _wire.TAKES_DATUM))
        self.assertTrue(about["live"], about)
        return about, self.mapped(about, fd)

    def evaluate(self, code):
        return self.host.evaluate(code)

    def ask(self, code, hint, flags=_wire.TAKES_DATUM):
        return self.host.call(EVALUATE, {"expression": code, "returnType": hint}, flags)
