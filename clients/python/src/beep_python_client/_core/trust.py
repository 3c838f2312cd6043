"""Whose server it is, before a token or, over a pipe, anything is sent."""

from __future__ import annotations

import os
import socket
import struct

from .endpoint import Endpoint
from .errors import UntrustedServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def check_pipe(connection: socket.socket, endpoint: Endpoint) -> None:
    """The other end must be of this user, or root's."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    user = struct.unpack("3i", credentials)[1]
    if not _is_trusted(user):
        raise UntrustedServer(f"nothing was sent to {endpoint.text}: user {user} listens there, and not the own user")


def check_loopback(connection: socket.socket, endpoint: Endpoint) -> None:
    """Before a token goes without TLS, the server must be one of this machine, and of this user."""
    user = _user_of_server(connection.getsockname(), connection.getpeername())
    if user is None:
        reason = "the system does not tell which user listens there, or it is another machine"
    elif _is_trusted(user):
        return
    else:
        reason = f"user {user} listens there, and not the own user"
    raise UntrustedServer(
        f"the token was not sent to {endpoint.text}: {reason}; use https, or allow it with allow_insecure_token=True"
    )


def _is_trusted(user: int) -> bool:
    """Whether it is root or this user, and no number that stands for every user that this user namespace has none for."""
    if user == 0:
        return True
    if user != os.geteuid():
        return False
    try:
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as file:
            if int(file.read()) != user:
                return True
        with open("/proc/self/uid_map", encoding="ascii") as file:
            return sum(int(line.split()[2]) for line in file) >= 2**32 - 1
    except (OSError, ValueError):
        return user != 65534


def _user_of_server(local: tuple[str, int], remote: tuple[str, int]) -> Optional[int]:
    listener = None
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            own, other, state = fields[1], fields[2], fields[3]
            if _port(own) != remote[1]:
                continue
            if state == "0A":
                # One at this very address has it, before one at all addresses.
                if _same(own, remote[0]) or (listener is None and not own.partition(":")[0].strip("0")):
                    listener = int(fields[7])
            elif _port(other) == local[1] and _same(own, remote[0]) and _same(other, local[0]) and fields[9] != "0":
                return int(fields[7])
    # A connection that is not accepted yet is its listener's.
    return listener if remote[0] in ("::1",) or remote[0].startswith("127.") or remote[0].startswith("::ffff:127.") else None


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _same(address: str, host: str) -> bool:
    digits = address.partition(":")[0]
    host = host.partition("%")[0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    packed = socket.inet_pton(family, host)
    words = b"".join(struct.pack("=I", int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8))
    mapped = b"\0" * 10 + b"\xff\xff"
    return words == packed or words == mapped + packed or packed == mapped + words
