"""The page that host and worker share: who is running, who has started, who is cancelled. `slots.rs` is the other half."""

import mmap

from ._builtins import own as __builtins__

SLOTS = 32  # requests that the host sends ahead; a request's slot is the low five bits of its id, a nested one's so much more
RUNNING = 0  # u64: id of the request that runs, or ran last
CANCEL = 64  # u8 for each slot, written by the host
STARTED = 128  # u8 for each slot, written by the worker
RESTS = 192  # u8, not 0 while the worker does nothing but wait for requests; written by the worker
GOING_BACK = 193  # u8: one of the next three, else 0; written by both
TOLD, GOES, CANNOT = 1, 2, 3  # to go back to its CPUs: it was told to, is about to, is not let
CPUS = 256  # a bit for each of these CPUs, written by the host
CPUS_BYTES = 128
PAGE = 4096


def open_page(fd):
    """The page as bytes, and its first eight bytes as one number. What is written to the descriptor follows the page."""
    page = memoryview(mmap.mmap(fd, PAGE))
    return page, page[RUNNING : RUNNING + 8].cast("Q")


def numbers(bits):
    """Which bits are set."""
    whole = int.from_bytes(bits, "little")
    return [number for number in range(whole.bit_length()) if whole >> number & 1]
