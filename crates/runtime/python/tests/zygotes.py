"""The host's side of a zygote, for tests."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

from beep_python import _wire

from .host import PATIENCE, Ends, readable

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BOOT = os.path.join(ROOT, "beep_python", "_boot.py")


def gone(pidfd):
    """Waits for the end of a process."""
    readable(pidfd)
    os.close(pidfd)


class Zygote:
    def __init__(self, folder, *modules):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(PATIENCE)
        lifeline, self.lifeline = os.pipe()
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": os.path.join(folder, "cache")}
        arguments = [BOOT, "zygote", str(theirs.fileno()), str(lifeline), *modules]
        self.errors, errors = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=(theirs.fileno(), lifeline),
            cwd=folder,
            env=environment,
        )
        theirs.close()
        os.close(lifeline)
        os.close(errors)
        self.workers = []
        try:
            self.hello = self.told()[0]
        except BaseException:
            self.end()
            raise

    def told(self):
        """The next message and the descriptors beside it."""
        message, fds, _, _ = socket.recv_fds(self.control, 1 << 16, 4)
        assert message, "the zygote ended; it said: " + self.said()
        return json.loads(message), fds

    def said(self):
        """What it wrote."""
        readable(self.errors)
        return os.read(self.errors, 1 << 16).decode()

    def fork(self, number=1, tag="s1", epoch=1):
        """A worker, ready: its ends, with `pid` and `pidfd`."""
        worker = Ends()
        worker.pidfd = None
        self.workers.append(worker)
        request = {"fork": number, "tag": tag, "epoch": epoch, "mark": (1 << 62) + number, "check": True}
        socket.send_fds(self.control, [json.dumps(request).encode()], worker.theirs)
        worker.started()
        told, fds = self.told()
        assert told.get("fork") == number and "pid" in told, told
        worker.pid, (worker.pidfd,) = told["pid"], fds
        worker.ours.append(worker.pidfd)
        kind, _, _, worker.ready = worker.frame()
        assert kind == _wire.READY, kind
        return worker

    def close_lifeline(self):
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None
        for worker in self.workers:
            worker.close_lifeline()

    def end(self):
        self.control.close()
        self.close_lifeline()
        self.process.wait(PATIENCE)
        for worker in self.workers:
            if worker.pidfd is not None:
                readable(worker.pidfd)
            worker.close()
        os.close(self.errors)


class ZygoteTest(unittest.TestCase):
    """A test with a folder for modules, in which its zygotes run."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def zygote(self, *modules):
        zygote = Zygote(self.folder, *modules)
        self.addCleanup(zygote.end)
        return zygote

    def module(self, name, text):
        with open(os.path.join(self.folder, name + ".py"), "w", encoding="utf-8") as file:
            file.write(text)
        return name
