"""The page that host and worker share: who is running, who has started, who is cancelled. `slots.rs` is the other half."""

import mmap

from ._builtins import own as __builtins__

SLOTS = 32  # requests that the host sends ahead; a request's slot is the low five bits of its id, a nested one's so much more
RUNNING = 0  # u64: id of the request that runs, or ran last
CANCEL = 64  # u8 for each slot, written by the host
STARTED = 128  # u8 for each slot, written by the worker
PAGE = 4096


def open_page(fd):
    """The page as bytes, and its first eight bytes as one number. What is written to the descriptor follows the page."""
    page = memoryview(mmap.mmap(fd, PAGE))
    return page, page[RUNNING : RUNNING + 8].cast("Q")
