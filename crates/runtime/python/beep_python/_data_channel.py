"""The socket on which descriptors go between host and worker: a message comes before the frame that refers to it.

Host to worker, for each request with data: its id, how many they are, whether memory for the answer comes behind them, and the
descriptors. Worker to host, for each datum: its number and one descriptor.
"""

import sys

# what is below the module `socket`, which makes an enum of each argument
from _socket import AF_UNIX, CMSG_SPACE, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket
from _socket import MSG_CMSG_CLOEXEC, MSG_DONTWAIT
from os import close

from ._builtins import own as __builtins__
from ._wire import Rejected

MAX_DESCRIPTORS = 17  # of one request: 16 data, and memory that the host lends


class DataChannel:
    def __init__(self):
        self.socket = None
        self.arrived = []  # what was read and not taken: id, descriptors of data, whether all came, of lent memory
        self.number = 0  # of the last datum that was sent

    def open(self, fd):
        self.socket = socket(AF_UNIX, SOCK_SEQPACKET, 0, fd)

    def forget(self):
        """In a forked child, whose copies of the descriptors are closed already."""
        if self.socket is not None:
            self.socket.detach()
            self.socket = None
        close_all([fd for _, fds, _, lent in self.arrived for fd in (*fds, lent)])
        self.arrived = []

    def take(self, request_id, nested):
        """The descriptors of data that came for this request, whether all did, and that of memory which the host lends, or -1.
        While interrupts are deferred, and once only.

        What came before them was for requests that were cancelled before their start, but a nested request may overtake
        others.
        """
        at = 0
        while True:
            if at == len(self.arrived) and not self.receive():
                return [], False, -1
            found, fds, whole, lent = self.arrived[at]
            if found == request_id:
                skipped = [] if nested else self.arrived[:at]
                del self.arrived[at if nested else 0 : at + 1]
                close_all([fd for _, fds, _, lent in skipped for fd in (*fds, lent)])
                return fds, whole, lent
            at += 1

    def receive(self):
        """Reads one message, if there is one."""
        if self.socket is None:
            return False
        try:
            message, control, _, _ = self.socket.recvmsg(16, CMSG_SPACE(4 * MAX_DESCRIPTORS), MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
        except OSError:  # nothing is there, or the host is gone
            return False
        fds = [
            int.from_bytes(data[at : at + 4], sys.byteorder)
            for level, kind, data in control
            if level == SOL_SOCKET and kind == SCM_RIGHTS
            for at in range(0, len(data) - 3, 4)
        ]
        if len(message) < 10:
            close_all(fds)
            return False
        request_id, count = int.from_bytes(message[:8], "little"), message[8]
        lent = fds.pop() if message[9] and len(fds) > count else -1
        self.arrived.append((request_id, fds, len(fds) == count, lent))
        return True

    def send(self, fd):
        """Sends one descriptor, and gives its number. Raises OSError where it cannot be sent, or not now."""
        if self.socket is None:
            raise OSError(9, "there is no socket for data")
        number = self.number + 1
        rights = (SOL_SOCKET, SCM_RIGHTS, fd.to_bytes(4, sys.byteorder))
        self.socket.sendmsg([number.to_bytes(8, "little")], [rights], MSG_DONTWAIT)
        self.number = number
        return number


def close_all(fds):
    for fd in fds:
        if fd >= 0:
            try:
                close(fd)
            except OSError:  # closed by the user's code
                pass


def lost():
    return Rejected("data_lost", "the data of this request did not arrive with it; send it again, inline if that goes on")
