"""Signals are the user's, SIGINT too: the host interrupts with one of its own, of which code sees what Ctrl-C would be to it."""

import os
import signal
import unittest

from beep_python import _interrupts, _wire

from .host import EVALUATE, Host, WorkerTest

CANCELLED = (_wire.CANCELLED, b"started")
LATE_VALUE = bytes((_wire.VALUE,))


class Sigint(WorkerTest):
    def setUp(self):
        super().setUp()
        self.started = 0
        self.host.evaluate("import _thread, asyncio, os, signal, sys, time")

    def start(self, code):
        """Sends code that prints `on` when it is where it is to be cancelled, and waits for that. A line that is interrupted while
        it is written may come twice, so each has a number."""
        self.started += 1
        request_id = self.host.send(EVALUATE, {"expression": code.replace("'on'", "'on', %d" % self.started)})
        self.host.until("on %d\n" % self.started)
        return request_id

    def test_what_libraries_look_for(self):
        self.assertTrue(self.host.evaluate("signal.getsignal(signal.SIGINT) is signal.default_int_handler"))
        self.assertEqual(self.host.evaluate("signal.getsignal(%d)" % _interrupts.INTERRUPT, returnType="text"), "<Handlers.SIG_DFL: 0>")
        self.assertEqual(self.host.evaluate("[int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, [])]"), [])

    def test_what_raises_it(self):
        for code in ("signal.raise_signal(signal.SIGINT)", "os.kill(os.getpid(), signal.SIGINT)", "_thread.interrupt_main()"):
            for more in ("", "\nfor _ in range(1000): pass"):
                with self.subTest(code=code + more):
                    told = self.host.fails(code + more)
                    self.assertEqual((told["type"], told["traceback"][0]["function"]), ("KeyboardInterrupt", "<module>"))
                    self.assertEqual(self.host.evaluate("try:\n    %s\nexcept KeyboardInterrupt: r = 5\nr" % (code + more.replace("\n", "\n    "))), 5)
        self.assertEqual(self.host.fails("async def f():\n    signal.raise_signal(signal.SIGINT)\nawait f()")["type"], "KeyboardInterrupt")
        self.assertEqual(self.host.fails("import threading\nt = threading.Thread(target=_thread.interrupt_main)\nt.start()\nwhile True: pass")["type"], "KeyboardInterrupt")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_from_elsewhere_while_code_runs(self):
        request_id = self.start("print('on')\nwhile True: pass")
        os.kill(self.host.pid, signal.SIGINT)
        self.assertEqual(self.host.answer(request_id)[0], _wire.EXCEPTION)

    def test_from_elsewhere_while_none_runs(self):
        for code in ("None", "await asyncio.sleep(0)"):
            self.host.evaluate(code)
            self.host.until_at_rest()
            os.kill(self.host.pid, signal.SIGINT)
            self.host.until("KeyboardInterrupt", self.host.stderr)
            self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_a_handler_of_the_code_has_the_interrupt(self):
        self.host.evaluate("got = []\nsignal.signal(signal.SIGINT, lambda *arguments: got.append(arguments))\nNone")
        request_id = self.start("print('on')\nwhile not got: pass\n'stopped'")
        self.host.cancel(request_id)
        self.assertEqual(self.host.outcome(request_id), (_wire.LATE, LATE_VALUE + b'"stopped"'))
        self.assertEqual(self.host.evaluate("[(number, frame.f_code.co_name != 'interrupt') for number, frame in got]")[0][0], 2)

    def test_a_handler_that_does_nothing_has_the_first_one_only(self):
        self.host.evaluate("signal.signal(signal.SIGINT, lambda *arguments: print('first'))\nNone")
        request_id = self.start("print('on')\nwhile True: time.sleep(1000)")
        self.host.cancel_at_rest(request_id)
        self.host.until("first\n")
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id), CANCELLED)

    def test_a_handler_that_raises(self):
        self.host.evaluate("class Stop(Exception): pass\ndef stop(*_): raise Stop\nsignal.signal(signal.SIGINT, stop)\nNone")
        request_id = self.start("try:\n    print('on')\n    while True: pass\nexcept Stop: r = 'stopped'\nr")
        self.host.cancel(request_id)
        self.assertEqual(self.host.outcome(request_id), (_wire.LATE, LATE_VALUE + b'"stopped"'))

    def test_where_it_is_ignored_or_blocked_or_has_its_default(self):
        ignored = "import ctypes\nctypes.CDLL(None).signal(2, ctypes.c_void_p(1))"
        for code in (
            *("signal.signal(signal.SIGINT, signal.SIG_IGN)", "signal.signal(signal.SIGINT, signal.SIG_DFL)", ignored),
            *("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])", "signal.signal(signal.SIGINT, signal.default_int_handler)"),
        ):
            with self.subTest(code=code):
                self.host.evaluate(code + "\nNone")
                for body in ("while True: pass", "time.sleep(1000)"):
                    request_id = self.start("print('on')\n" + body)
                    self.host.cancel_at_rest(request_id) if "sleep" in body else self.host.cancel(request_id)
                    self.assertEqual(self.host.outcome(request_id), CANCELLED)

    def test_a_group_of_interrupts(self):
        group = "BaseExceptionGroup" if self.host.evaluate("sys.version_info >= (3, 11)") else "Group"
        self.host.evaluate("class Group(BaseException):\n    def __init__(self, text, members): self.exceptions = tuple(members)\nNone")
        code = "try:\n    print('on')\n    while True: pass\nexcept KeyboardInterrupt as e: raise %s('g', [e, %s('h', [%s])]) from None"
        for inner, kind in (("KeyboardInterrupt()", _wire.CANCELLED), ("asyncio.CancelledError()", _wire.CANCELLED), ("ValueError()", _wire.LATE)):
            request_id = self.start(code % (group, group, inner))
            self.host.cancel(request_id)
            self.assertEqual(self.host.answer(request_id)[0], kind)

    def test_a_blocked_one_with_a_handler(self):
        self.host.evaluate("signal.signal(signal.SIGINT, lambda *_: print('wrong'))\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nNone")
        request_id = self.start("print('on')\nwhile True: pass")
        self.host.cancel(request_id)
        self.assertEqual(self.host.outcome(request_id), CANCELLED)

    def test_handlers_for_every_signal(self):
        self.host.evaluate("for n in range(1, signal.NSIG):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass")
        request_id = self.start("print('on')\nwhile True: pass")
        self.host.cancel(request_id)
        self.assertEqual(self.host.outcome(request_id), CANCELLED)
        code = "n = %d\nbefore = signal.signal(n, print)\n(before is signal.SIG_IGN, signal.getsignal(n) is print)" % _interrupts.INTERRUPT
        self.assertEqual(self.host.evaluate(code), [True, True])

    def test_event_loops_that_wait_for_it(self):
        request_id = self.start(
            "async def f():\n    stop = asyncio.Event()\n    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)\n"
            "    print('on')\n    await stop.wait()\n    return 'stopped'\nawait f()"
        )
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id), (_wire.LATE, LATE_VALUE + b'"stopped"'))

    def test_a_loop_of_its_own(self):
        code = (
            "async def f():\n    try:\n        print('on')\n        await asyncio.sleep(1000)\n"
            "    finally: print('cleaned up')\nasyncio.run(f())"
        )
        request_id = self.start(code)
        self.host.cancel_at_rest(request_id)
        self.host.until("cleaned up\n")
        self.assertEqual(self.host.outcome(request_id), CANCELLED)
        self.assertTrue(self.host.evaluate("signal.getsignal(signal.SIGINT) is signal.default_int_handler"))

    def test_the_descriptor_that_is_woken(self):
        self.host.evaluate("r, w = os.pipe()\nos.set_blocking(w, False)\nsignal.set_wakeup_fd(w)\nsignal.signal(signal.SIGINT, lambda *_: None)\nNone")
        request_id = self.start("print('on')\nseen = set()\nwhile 2 not in seen: seen |= set(os.read(r, 10))\n'woken'")
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id), (_wire.LATE, LATE_VALUE + b'"woken"'))

    def test_a_handler_for_other_signals_within_the_call(self):
        self.host.evaluate("def rang(*_): raise TimeoutError('rang')\nsignal.signal(signal.SIGALRM, rang)\nNone")
        self.assertEqual(self.host.fails("signal.setitimer(signal.ITIMER_REAL, 0.001)\nwhile True: pass")["type"], "TimeoutError")
        self.assertEqual(self.host.fails("signal.setitimer(signal.ITIMER_REAL, 0.001)\ntime.sleep(1000)")["type"], "TimeoutError")

    def test_in_the_code_that_sets_a_session_up(self):
        self.host.send_as(0, _wire.SETUP, {"setup": "import signal\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: caught = True"})
        self.assertEqual(self.host.answer(0)[0], _wire.OBJECT)
        self.assertTrue(self.host.evaluate("caught"))


class Children(WorkerTest):
    """What the code forks has the usual handling, and no signal of the host's."""

    def child(self, code):
        self.host.evaluate("import os, signal, sys")
        lines = "".join("        %s\n" % line for line in code.split("\n"))
        return self.host.evaluate("pid = os.fork()\nif not pid:\n    try:\n%s    finally: os._exit(99)\nos.waitpid(pid, 0)[1]" % lines)

    def test_forked_ones(self):
        self.assertEqual(self.child("import _signal\nos._exit(_signal.getsignal(2) is signal.default_int_handler)") >> 8, 1)
        self.assertEqual(self.child("import _signal\nos._exit(_signal.getsignal(%d) == 0)" % _interrupts.INTERRUPT) >> 8, 1)
        self.assertEqual(self.child("try: signal.raise_signal(2)\nexcept KeyboardInterrupt: os._exit(5)") >> 8, 5)
        self.assertEqual(self.child("os.kill(os.getpid(), %d)\nsignal.pause()" % _interrupts.INTERRUPT), _interrupts.INTERRUPT)

    def test_their_own_handlers(self):
        code = "class Stop(Exception): pass\ndef stop(*_): raise Stop\nsignal.signal(2, stop)\ntry: signal.raise_signal(2)\nexcept Stop: os._exit(6)"
        self.assertEqual(self.child(code) >> 8, 6)

    def test_programs(self):
        self.host.evaluate("import subprocess, sys")
        code = "import signal\nprint(signal.getsignal(2) is signal.default_int_handler, int(signal.getsignal(50)), signal.pthread_sigmask(0, []))"
        self.assertEqual(self.host.evaluate("subprocess.run([sys.executable, '-c', %r], capture_output=True, text=True).stdout" % code), "True 0 set()\n")

    def test_one_forked_by_a_background_task(self):
        self.host.evaluate(
            "import asyncio, os, signal\nasync def task():\n    await asyncio.sleep(0.001)\n    pid = os.fork()\n    if not pid:\n"
            "        try: signal.raise_signal(2)\n        except KeyboardInterrupt: os._exit(5)\n        os._exit(6)\n"
            "    print('child', os.waitpid(pid, 0)[1] >> 8)\nbackground = await asyncio.sleep(0, asyncio.ensure_future(task()))"
        )
        self.host.until("child 5\n")


class Started(unittest.TestCase):
    """As the server may be started: by a parent that blocks or ignores signals."""

    def test_with_signals_blocked(self):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        try:
            host = Host()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.check(host)

    def test_with_sigint_ignored(self):
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            host = Host()
        finally:
            signal.signal(signal.SIGINT, before)
        self.check(host)

    def check(self, host):
        self.addCleanup(host.end)
        request_id = host.send(EVALUATE, {"expression": "print('on')\nwhile True: pass"})
        host.until("on\n")
        host.cancel(request_id)
        self.assertEqual(host.outcome(request_id), CANCELLED)
        self.assertEqual(host.fails("import signal\nsignal.raise_signal(2)")["type"], "KeyboardInterrupt")
        self.assertEqual(host.evaluate("import subprocess\nsubprocess.run(['sh', '-c', 'kill -INT $$'], timeout=30).returncode"), -2)
