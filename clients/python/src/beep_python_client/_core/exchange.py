"""What an exchange wants of its connection: it yields these, and is sent what it asked for.

An exchange is a generator without input or output of its own, so that the blocking and the asynchronous client carry out the same one.
"""

from __future__ import annotations

from .request import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Generator, List, Sequence, Tuple, Union


class Send:
    """Send these, one after the other."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts


class ReadLine:
    """A line with its end; empty at the end of the connection."""

    __slots__ = ()


class Read:
    """Exactly so many bytes."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size


class TakeFile:
    """The descriptor that came with the last line."""

    __slots__ = ()


class Told:
    """The host tells an event."""

    __slots__ = ("event",)

    def __init__(self, event: Dict[str, Any]) -> None:
        self.event = event


LINE = ReadLine()
FILE = TakeFile()


if TYPE_CHECKING:
    Want = Union[Send, ReadLine, Read, TakeFile, Told]
    Exchange = Generator[Want, Any, Reply]
    Parts = List[Any]
    Headers = Dict[str, str]
    Head = Tuple[int, Headers]
