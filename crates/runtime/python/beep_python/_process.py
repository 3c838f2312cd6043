"""System calls that make a process a worker: moved descriptors, redirected output, death with the host."""

import fcntl
import os
import resource
import signal
import time
import warnings

from ._builtins import own as __builtins__

_RLIMIT_LOCKS = 10  # Linux; the resource module has no name for it
_F_SETSIG = 10  # Linux; the fcntl module has no name for it before 3.13


def dup_high(fds):
    """Moves descriptors to high numbers, closed on exec: user code that opens files gets the low ones."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    floor = max(min(soft, 1024) - 2 * len(fds) - 8, 16)
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, floor) for fd in fds]
    for fd in fds:
        os.close(fd)
    return moved


def kill_on_host_exit(lifeline):
    """Has the kernel kill this process, whatever it is doing, when the last write end of the lifeline pipe closes.

    The signal belongs to the open file description, which forked processes share, so each opens its own.
    """
    fd = os.open("/proc/self/fd/%d" % lifeline, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fd, low = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lifeline), fd
    except OSError:  # above the limit of open files: a child of the user's code keeps the low number
        pass
    else:
        os.close(low)
    fcntl.fcntl(fd, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    try:
        if os.read(fd, 1) == b"":  # the host ended before the signal was set
            os._exit(1)
    except BlockingIOError:
        pass
    return fd


def raise_oom_score():
    """When the machine runs out of memory, the kernel kills workers before their host."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.write(fd, b"%d" % max(500, int(os.read(fd, 16))))
        finally:
            os.close(fd)
    except (OSError, ValueError):
        pass  # it is only a hint


def detach_lifeline(fd):
    """Undoes `kill_on_host_exit`, also where a process that was forked meanwhile has the descriptor too."""
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_ASYNC)
    os.close(fd)


def open_pidfd(pid):
    """A pidfd. Pythons built against old headers, as portable ones are, lack `os.pidfd_open`."""
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    import ctypes

    pidfd_open = 434  # its number on every architecture but Alpha
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(ctypes.c_long(pidfd_open), ctypes.c_int(pid), ctypes.c_uint(0))
    if fd < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return fd  # closed on exec, as the kernel makes it


def redirect_output(out, err):
    """Makes these pipes descriptors 1 and 2."""
    os.dup2(out, 1)
    os.dup2(err, 2)


def line_buffer_c_output():
    """C code writes to the same pipes: fully buffered, its lines would arrive long after Python's."""
    try:
        import ctypes

        libc = ctypes.CDLL(None)
        line_by_line = 1  # _IOLBF
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, line_by_line, 0)
    except (ImportError, OSError, AttributeError, ValueError):
        pass  # a Python without ctypes: only the order within each stream is kept


def become_subreaper():
    """Makes this process the parent of orphaned descendants, so that it can end them."""
    try:
        import ctypes

        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass


def set_mark(mark):
    """Marks this process and all that it starts as one session's, wherever they go: the soft limit of file locks is passed on over fork
    and exec, and Linux uses it for nothing."""
    try:
        resource.setrlimit(_RLIMIT_LOCKS, (mark, resource.getrlimit(_RLIMIT_LOCKS)[1]))
    except (OSError, ValueError, TypeError):
        become_subreaper()  # where there is no such limit: descendants stay its own, and those that ended wait for it


def mark_of(pid):
    """The mark of a process; None where it has ended, or is another user's."""
    try:
        if hasattr(resource, "prlimit"):
            return resource.prlimit(pid, _RLIMIT_LOCKS)[0]
        with open("/proc/%d/limits" % pid) as limits:
            soft = next(line for line in limits if line.startswith("Max file locks")).split()[3]
        return int(soft) if soft.isdigit() else None
    except (OSError, StopIteration):
        return None


def threads_that_survive_a_fork():
    """The names of native threads that are still there after a fork. A child has none of them, and waits for them for ever.

    The pools of OpenBLAS end at a fork and begin again with their next use, so a throw-away child is forked before they are
    counted.
    """
    if not _native_threads():
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a process with threads forks, which is the question
        child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    for _ in range(20):  # a thread that was told to end may take a moment
        left = _native_threads()
        if not left:
            break
        time.sleep(0.001)
    return left


def _native_threads():
    """The names of this process's other threads, but for one that jemalloc begins anew in a child."""
    names = []
    for thread in os.listdir("/proc/self/task"):
        if int(thread) != os.getpid():
            try:
                with open("/proc/self/task/%s/comm" % thread) as comm:
                    names.append(comm.read().strip())
            except OSError:  # it has just ended
                pass
    return [name for name in names if name != "jemalloc_bg_thd"]
