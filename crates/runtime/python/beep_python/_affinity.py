"""Restores a worker's CPUs after the host pinned it to one for a wake-up. `cpu_affinity.rs` is the other half."""

from os import sched_setaffinity

from . import _exceptions, _shared_page
from ._builtins import own as __builtins__


class AffinityRestorer:
    """Made before the fork; `page` is set when the worker has its own."""

    def __init__(self):
        self.page = None
        self.bits, self.cpus = b"", ()  # the CPUs to restore, as the page has them and as numbers

    def leave_idle(self):
        """Clears the idle mark, and restores the affinity if the host narrowed it."""
        page = self.page
        page[_shared_page.IDLE] = 0
        # Loops until the CPUs are restored, whatever a signal handler does meanwhile.
        while page[_shared_page.AFFINITY_RESTORE] in (_shared_page.RESTORE_REQUESTED, _shared_page.RESTORE_IN_PROGRESS):
            try:
                page[_shared_page.AFFINITY_RESTORE] = _shared_page.RESTORE_IN_PROGRESS
                bits = bytes(page[_shared_page.CPUS : _shared_page.CPUS + _shared_page.CPUS_BYTES])
                if bits != self.bits:
                    self.bits, self.cpus = bits, _shared_page.set_bits(bits)
                page[_shared_page.AFFINITY_RESTORE] = 0 if self.restore_affinity() else _shared_page.RESTORE_FAILED
            except BaseException:
                _exceptions.report("a signal handler raised while the session was idle")

    def restore_affinity(self):
        for cpus in (self.cpus, range(8 * _shared_page.CPUS_BYTES)):
            try:
                sched_setaffinity(0, cpus)
                return True
            except OSError:  # those CPUs were just taken away: any that exist will do
                pass
        return False  # forbidden by the user's code
