"""The page of memory that host and worker share. `shared_page.rs` is the other half; WORKER.md has its layout."""

import mmap

from ._builtins import own as __builtins__

SLOTS = 32  # requests in flight; a request's slot is the low five bits of its id, a nested call's is SLOTS more
RUNNING = 0  # u64: id of the running request, or of the last that ran
HANDLES = 8  # u64: how many objects the session holds for clients
CANCEL = 64  # u8 per slot, written by the host
STARTED = 128  # u8 per slot, written by the worker
IDLE = 192  # u8, non-zero while the worker only waits for requests; written by the worker
AFFINITY_RESTORE = 193  # u8: one of the next four, else 0; written by both
LAST_WORDS = 194  # u8: how long an interrupted request waits for the end of the processes that were interrupted with it; by the host
INTERRUPT = 195  # u8, non-zero while there is an interrupt to take; written by both
FLUSH = 196  # u8, non-zero while the host asks for text that was not written yet; written by both
UNFINISHED = 197  # u8 for each of standard output, standard error, and what is sent for earlier calls: non-zero while it has such text
DEBUGGER = 200  # u8, non-zero while the host asks for a debugger to listen; written by both
RESTORE_REQUESTED, RESTORE_IN_PROGRESS, RESTORE_FAILED, RESTORE_REFUSED = 1, 2, 3, 4
CPUS = 256  # the CPUs to restore, one bit each; written by the host
CPUS_BYTES = 128
CTRL_C = 384  # u8 per slot, non-zero while the request has a Ctrl-C to take; written by both
PAGE = 4096


def open_page(fd):
    """Maps the page: its bytes, and its two numbers, the running request and the count of handles. Writes to the descriptor land behind it."""
    page = memoryview(mmap.mmap(fd, PAGE))
    return page, *(page[at : at + 8].cast("Q") for at in (RUNNING, HANDLES))


def set_bits(bits):
    """The positions of the bits that are set."""
    whole = int.from_bytes(bits, "little")
    return [position for position in range(whole.bit_length()) if whole >> position & 1]
