"""The zygote: the warm, single-threaded process of an environment, which forks workers and reports their deaths.

It exchanges JSON messages and descriptors with the host over a SOCK_SEQPACKET socket. WORKER.md shows them.
"""

import atexit
import errno
import faulthandler
import importlib
import json
import os
import signal
import socket
import sys
from posix import fork  # a preloaded module, as gevent, may replace that of `os`, and watch its children
from select import POLLIN, poll

# the module `signal` builds enums, which a worker does not need
import _signal

from . import _attached, _crash, _dotnet, _exceptions, _getpass, _import_hooks, _inherited, _ipython, _matplotlib, _open_files, _plotly, _process, _sigchld, _signals, _spawn_hook, _tracing, _warmup
from ._builtins import own as __builtins__
from ._exit import flush_current, leave_process
from ._freshness import Freshness
from ._orphans import Orphans
from ._preloaded_loops import PreloadedLoops
from ._random_seeds import RandomSeeds
from ._repr import message_of, type_name
from ._worker import DESCRIPTORS, Worker

LATE = (  # imported when they are used
    *("_c_results", "_completion", "_debugger", "_dotnet_hosts", "_dotnet_launcher", "_dotnet_task", "_figure_backend", "_guarded"),
    *("_hints", "_magic_commands", "_magic_completion", "_magic_pip", "_magics", "_module_names", "_names", "_object_help"),
    *("_path_completion", "_prompt", "_signatures", "_source_text", "_static", "_table_reads"),
    *("_spawned_child", "_spawned_main"),
)

LINK_BROKEN = 70  # exit status of a worker whose link descriptors were closed
EXIT_TIME = 1.0  # seconds that exit functions of preloaded modules may take
LOOP_BROKEN = 71  # exit status of a worker whose loop failed for another reason


def main(control_fd, lifeline, modules):
    command = startup_command()  # read before a module can overwrite it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the host to handle
    faulthandler.enable(file=2)
    shows_figures = _matplotlib.use_own_backend()
    hook_modules()
    _process.become_subreaper()
    _process.line_buffer_c_output()
    guard = _process.kill_on_host_exit(lifeline)
    seeds, before = RandomSeeds() if modules else None, _open_files.numbers()
    failures, fork_unsafe = preload(modules)
    _process.detach_lifeline(guard)
    renew = []  # what a forked worker does with what modules made
    if modules and not fork_unsafe:
        seeds.find()
        renew += seeds.renew, _open_files.OpenFiles(before).reopen, PreloadedLoops().renew
    worker = None if fork_unsafe else prepare()
    freshness = Freshness(modules)
    _inherited.keep()
    control = socket.socket(fileno=control_fd)
    spawn = {"command": command, "modules": modules, "shows_figures": shows_figures}
    hello = {"python": sys.version.split()[0], "failures": failures, "fork_unsafe": fork_unsafe}
    Zygote(control, lifeline, spawn, worker, renew, freshness).serve(hello)


def hook_modules():
    """Lets what sessions import show and ask through their client, and find the session."""
    _import_hooks.keep(*LATE)
    for hooks in (_getpass, _ipython, _plotly, _spawn_hook, _tracing):
        hooks.install()


def preload(modules):
    """Imports modules for all workers; returns the failures, and why forking is unsafe now, if it is."""
    failures, fork_unsafe = {}, None
    for name in modules:
        try:
            importlib.import_module(name)
        except BaseException as error:
            failures[name] = type_name(type(error)) + ": " + message_of(error)
        if fork_unsafe is None and (thread_count() > 1 or _process.threads_that_survive_a_fork()):
            fork_unsafe = "importing %s left threads running" % name
        if fork_unsafe is None and cuda_is_initialised():
            fork_unsafe = "importing %s initialised CUDA" % name
    return failures, fork_unsafe


def prepare():
    """Makes a worker that needs only its descriptors. All forked workers share its memory."""
    _crash.prepare()
    _warmup.warm_up(Worker())
    worker = Worker()
    _signals.guard(worker.gate)
    worker.origin.follow()
    _dotnet.install()
    _attached.install()
    return worker


def thread_count():
    """Counts Python's threads."""
    return len(sys._current_frames())


def cuda_is_initialised():
    torch = sys.modules.get("torch")
    try:
        return torch is not None and torch.cuda.is_initialized()
    except BaseException:  # a preloaded module may do anything
        return False


class Zygote:
    """`worker` is the template of forked workers. If it is None, workers are spawned: `spawn` has the command and the
    modules that each imports itself."""

    def __init__(self, control, lifeline, spawn, worker, renew, freshness):
        self.control = control
        self.lifeline = lifeline
        self.spawn = spawn
        self.worker = worker
        self.renew = renew
        self.freshness = freshness
        self.workers = {}  # the marks of living workers, by pid
        self.orphans = Orphans()
        self.wake_in, self.wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self, hello):
        self.restore_sigchld = _sigchld.saved()
        # by the functions of CPython, which a preloaded module may have replaced in `signal`
        _signal.set_wakeup_fd(self.wake_out, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda signum, frame: None)
        self.send(hello)
        ready_of = poll()
        ready_of.register(self.control, POLLIN)
        ready_of.register(self.wake_in, POLLIN)
        while True:
            ready = {fd for fd, _ in ready_of.poll(self.orphans.next_kill())}
            self.orphans.kill_overdue()
            if self.wake_in in ready:
                os.read(self.wake_in, 4096)
                self.reap()
            if self.control.fileno() in ready:
                self.take_request()

    def take_request(self):
        space = socket.CMSG_SPACE(len(DESCRIPTORS) * 4)
        try:
            # recv_fds ignores its flags in 3.11
            message, control, _, _ = self.control.recvmsg(4096, space, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            message = b""
        if not message:
            self.end()
        fds = [
            int.from_bytes(data[at : at + 4], sys.byteorder)
            for level, cmsg_type, data in control
            if level == socket.SOL_SOCKET and cmsg_type == socket.SCM_RIGHTS
            for at in range(0, len(data), 4)
        ]
        request = json.loads(message)
        changed = self.freshness.changed() if request["check"] else None
        if changed is None:
            self.fork(fds, request)
        else:
            self.send({"fork": request["fork"], "changed": changed})
        for fd in fds:
            os.close(fd)

    def fork(self, fds, request):
        _crash.flush_c()
        try:
            pid = fork()
        except OSError as error:
            self.send({"fork": request["fork"], "error": str(error)})
            return
        if pid == 0:
            self.become_worker(fds, request)
        self.workers[pid] = request.get("mark")
        try:
            pidfd = _process.open_pidfd(pid)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            self.send({"fork": request["fork"], "error": "pidfd_open: %s" % error})
            return
        self.send({"fork": request["fork"], "pid": pid}, [pidfd])
        os.close(pidfd)

    def become_worker(self, fds, request):
        try:
            os.setsid()
            _process.set_mark(request.get("mark"))
            _signal.set_wakeup_fd(-1)
            self.restore_sigchld()
            for fd in (self.control.detach(), self.wake_in, self.wake_out, self.lifeline):
                os.close(fd)
            fds = _process.dup_high(fds)
            if self.worker is None:
                for fd in fds:
                    os.set_inheritable(fd, True)
                start = {"fds": fds, "request": request, **self.spawn}
                os.execv(sys.executable, [*start.pop("command"), "worker", json.dumps(start)])
            _inherited.disown()
            for step in self.renew:
                step()
            work(fds, request, self.worker)
        except BaseException:
            _exceptions.report("the worker could not start")
        finally:
            os._exit(LINK_BROKEN)  # never return into the zygote's loop

    def reap(self):
        left = False  # something may have been left behind
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            left |= self.orphans.reaped(pid)
            if pid in self.workers:
                left = True
                del self.workers[pid]
                self.send({"died": pid, "status": status, "maxrss": usage.ru_maxrss * 1024})
        if left:
            self.orphans.end(self.workers)

    def end(self):
        """The host has ended: so does everything, and last what preloaded modules made, which no session ended."""
        self.orphans.end_all(besides=self.orphans.helpers)
        signal.signal(signal.SIGALRM, lambda signum, frame: self.leave())
        signal.setitimer(signal.ITIMER_REAL, EXIT_TIME)
        try:
            atexit._run_exitfuncs()
        except BaseException:
            _exceptions.report("what preloaded modules do at their end failed")
        self.leave()

    def leave(self):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        flush_current()
        _inherited.leave_trackers()
        self.orphans.end_all()
        os._exit(0)

    def send(self, message, fds=()):
        try:
            if fds:
                socket.send_fds(self.control, [json.dumps(message).encode()], fds)
            else:
                self.control.send(json.dumps(message).encode())
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise


def startup_command():
    """The command line that started this zygote, up to the mode."""
    with open("/proc/self/cmdline", "rb") as file:
        arguments = [os.fsdecode(argument) for argument in file.read().split(b"\0")[:-1]]
    return [sys.executable, *arguments[1 : arguments.index("zygote")]]


def main_worker(text):
    """Runs a worker that was spawned, not forked."""
    started = json.loads(text)
    for fd in started["fds"]:
        os.set_inheritable(fd, False)
    faulthandler.enable(file=2)
    if started["shows_figures"]:
        _matplotlib.use_own_backend()
    hook_modules()
    _process.line_buffer_c_output()
    worker = prepare()
    _inherited.begin()
    preload(started["modules"])  # these are the session's own, and end with it
    work(started["fds"], started["request"], worker)


def work(fds, request, worker):
    """Serves one session to its end, then exits."""
    try:
        serve(fds, request, worker)
    except BaseException as error:
        closed = isinstance(error, OSError) and error.errno == errno.EBADF
        _exceptions.report("the worker's link to the host broke" if closed else "the worker's loop failed")
        os._exit(LINK_BROKEN if closed else LOOP_BROKEN)
    leave_process(0)


def serve(fds, request, worker):
    fd = dict(zip(DESCRIPTORS, fds))
    _process.kill_on_host_exit(fd["lifeline"])
    _process.raise_oom_score()
    _process.redirect_output(fd["stdout"], fd["stderr"])
    worker.connect(fd, request)
    worker.serve()
    worker.leave()
