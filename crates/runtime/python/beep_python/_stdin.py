"""Standard input of a session.

Where the host gave the worker a command's own descriptor 0, that is read, by `sys.stdin` as by children: all is as in a program that the
command had started. Else descriptor 0 is at its end, and `sys.stdin` asks the client of the call whose code reads, line by line.
"""

import builtins
import io
import sys

from ._builtins import own as __builtins__
from ._callbacks import CallbackError
from ._host_rpc import HostError

NAME = "<stdin>"
theirs = builtins.input  # reads `sys.stdin`, whatever that is


class Stdin:
    def __init__(self):
        self.client = self.stream = None
        self.is_given = False
        self.options = {}
        self.prompt = ""  # what the next question shows
        self.was_read = False  # whether a line of the client's was read ahead, perhaps; what is left of it is no other call's

    def enter(self, stream, client, is_given):
        """Makes this stream, `sys.stdin`, the session's."""
        self.client, self.stream, self.is_given = client, stream, is_given
        self.options = {"encoding": stream.encoding, "errors": stream.errors}
        client.stdin = self
        if not is_given:
            self.options["encoding"] = "utf-8"
            self.open()
            builtins.input = named_as_theirs(self.input)

    def open(self):
        """Opens the stream, as the same object."""
        if self.was_read:
            self.was_read = False
            self.stream.__init__(io.BufferedReader(ClientLines(self)), encoding=self.stream.encoding, errors=self.stream.errors)
        elif not self.is_given:
            self.stream.__init__(io.BufferedReader(ClientLines(self)), **self.options)
        else:
            raw = io.FileIO(0, "r", closefd=False)
            raw.name = NAME
            self.stream.__init__(io.BufferedReader(raw), **self.options)

    def is_current(self):
        """Whether `sys.stdin` is ours, and open."""
        try:
            return sys.stdin is self.stream and not self.stream.closed
        except (AttributeError, ValueError):  # deleted, detached
            return False

    def input(self, prompt="", /):
        """Reads a line from standard input, without its line end, and shows the prompt before. Standard input is the client's; without that
        capability, and where it has ended, this raises EOFError. Where `sys.stdin` is another stream, that is read."""
        if not self.is_current():
            return theirs(prompt)
        if not self.was_read:
            return self.client.input(prompt)
        self.prompt = str(prompt)
        try:
            line = self.stream.readline()
        finally:
            unasked, self.prompt = self.prompt, ""
        if unasked:  # this is what was left of a line
            print(unasked, end="", flush=True)
        if not line:
            raise EOFError("EOF when reading a line")
        return line[:-1] if line.endswith("\n") else line

    def getpass(self, prompt, fall_back):
        """Asks the client for a line that it does not show, unless `sys.stdin` is another stream, or it has no terminal."""
        if not self.is_current():
            return fall_back()
        try:
            return self.client.getpass(prompt)
        except CallbackError:  # its command gave a descriptor, which is read instead
            if not self.is_given:
                raise
        return fall_back()


def named_as_theirs(read):
    """A function that pickle finds where Python's own is: in another process it is that one."""

    def input(prompt="", /):
        return read(prompt)

    input.__doc__, input.__module__, input.__qualname__ = read.__doc__, "builtins", "input"
    return input


class ClientLines(io.RawIOBase):
    """The lines that clients answer, as bytes. Its number is 0, where children find the end."""

    name = NAME
    mode = "rb"

    def __init__(self, stdin):
        self.stdin = stdin
        self.rest = b""

    def readable(self):
        return True

    def fileno(self):
        return 0

    def readinto(self, buffer):
        if not self.rest:
            self.rest = self.line()
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size

    def line(self):
        """The next one, or nothing at the end: also where the client has no standard input, the call has ended or has to stop, or this
        is a child that the session forked."""
        prompt, self.stdin.prompt = self.stdin.prompt, ""
        try:
            line = self.stdin.client.read_line("sys.stdin", {"prompt": prompt})
        except (EOFError, HostError):
            return b""
        self.stdin.was_read = True
        return (line + "\n").encode("utf-8", "replace")
