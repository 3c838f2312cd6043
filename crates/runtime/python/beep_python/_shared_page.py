"""The page of memory that host and worker share. `shared_page.rs` is the other half; WORKER.md has its layout."""

import mmap

from ._builtins import own as __builtins__

SLOTS = 32  # requests in flight; a request's slot is the low five bits of its id, a nested call's is SLOTS more
RUNNING = 0  # u64: id of the running request, or of the last that ran
CANCEL = 64  # u8 per slot, written by the host
STARTED = 128  # u8 per slot, written by the worker
IDLE = 192  # u8, non-zero while the worker only waits for requests; written by the worker
AFFINITY_RESTORE = 193  # u8: one of the next three, else 0; written by both
RESTORE_REQUESTED, RESTORE_IN_PROGRESS, RESTORE_FAILED = 1, 2, 3
CPUS = 256  # the CPUs to restore, one bit each; written by the host
CPUS_BYTES = 128
PAGE = 4096


def open_page(fd):
    """Maps the page: its bytes, and its first eight bytes as one number. Writes to the descriptor land behind it."""
    page = memoryview(mmap.mmap(fd, PAGE))
    return page, page[RUNNING : RUNNING + 8].cast("Q")


def set_bits(bits):
    """The positions of the bits that are set."""
    whole = int.from_bytes(bits, "little")
    return [position for position in range(whole.bit_length()) if whole >> position & 1]
