import fcntl
import os
import re
import unittest

from beep_python import _output, _wire

from .host import EVALUATE, WorkerTest

F_SETPIPE_SZ = 1031  # Linux; the module has it from 3.10 on


class Output(WorkerTest):
    def test_python_descriptors_children_and_c_keep_one_order(self):
        self.host.evaluate(
            "import ctypes, os, subprocess\nlibc = ctypes.CDLL(None)\nprint('1')\nos.write(1, b'2\\n')\n"
            "subprocess.run(['echo', '3'])\nlibc.setvbuf(ctypes.c_void_p.in_dll(libc, 'stdout'), None, 1, 0)\n"
            "libc.puts(b'4')\nprint('5')\nNone"
        )
        self.assertEqual(self.host.output(self.host.stdout), "1\n2\n3\n4\n5\n")

    def test_what_has_no_end_of_line_is_written_before_the_answer(self):
        self.host.evaluate("import sys\nprint('a', end='')\nprint('b', end='', file=sys.stderr)")
        self.assertEqual(self.host.output(self.host.stdout), "a")
        self.assertEqual(self.host.output(self.host.stderr), "b")

    def test_a_whole_line_is_written_at_once(self):
        request_id = self.host.send(EVALUATE, {"expression": "import time\nprint('now')\ntime.sleep(1000)"})
        self.host.until("now\n")
        self.host.cancel_at_rest(request_id)
        self.host.answer(request_id)

    def test_text_that_is_no_utf8(self):
        self.host.evaluate("print('\\udc80é')")
        self.assertEqual(self.host.output(self.host.stdout), "\\udc80é\n")

    def test_a_stream_that_code_put_in_its_place_is_written_too(self):
        self.host.evaluate("import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint('a')")
        self.assertEqual(self.host.output(self.host.stdout), "a\n")
        self.host.evaluate("sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')\nprint('b')")
        self.assertEqual(self.host.output(self.host.stdout), "b\n")

    def test_streams_that_are_closed_replaced_or_deleted(self):
        for code in ("sys.stdout.close()", "sys.stderr = 5", "sys.stdout = None", "del sys.stdout", "del sys.stderr"):
            with self.subTest(code=code):
                self.host.evaluate("import sys\n%s\nNone" % code)
                self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_what_one_stream_is_does_not_keep_the_other_from_being_written(self):
        self.host.evaluate("import sys\nsys.stdout.close()\nsys.stderr.write('error')")
        self.assertEqual(self.host.output(self.host.stderr), "error")
        self.host.evaluate("import io\ndel sys.stdout\nsys.stderr = io.TextIOWrapper(sys.stderr.buffer)\nsys.stderr.write('late')")
        self.assertEqual(self.host.output(self.host.stderr), "late")

    def test_what_comes_while_the_session_is_idle(self):
        self.host.evaluate("import threading\ngo = threading.Event()\nthreading.Thread(target=lambda: go.wait() and print('late')).start()")
        self.host.evaluate("go.set()")
        self.assertEqual(self.host.message()[2:], (32 + 1, b"\x01late\n"))

    def test_interrupted_lines_are_written_once(self):
        """Whether the code's handler raises, or the host interrupts, in whatever moment of a write."""
        fcntl.fcntl(self.host.stdout, F_SETPIPE_SZ, 1 << 20)  # nobody reads it meanwhile
        code = (
            "import signal\ndef raises(*_):\n    global armed\n    if armed:\n        armed = False\n        raise KeyboardInterrupt\n"
            "lines, times, armed = iter(range(8000)), 0, False\n"
            "signal.signal(signal.SIGALRM, raises)\nsignal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)\n"
            "while True:\n    try:\n        armed = True\n        for line in lines: print('<%d>' % line)\n        armed = False\n        break\n"
            "    except KeyboardInterrupt: times += 1\n"
            "signal.setitimer(signal.ITIMER_REAL, 0)\ntimes"
        )
        self.assertGreater(self.host.evaluate(code), 10)
        lines = re.findall("<.*?>", self.host.output(self.host.stdout))  # an interrupted print may lack its line end
        self.assertEqual(len(lines), len(set(lines)))
        self.assertGreater(len(lines), 7000)
        request_id = self.host.send(
            EVALUATE,
            {
                "expression": "lines = iter(range(2000))\nwhile True:\n    try:\n        for line in lines: print('<%d>' % line)\n        break\n"
                "    except KeyboardInterrupt: pass"
            },
        )
        for _ in range(50):
            self.host.press_ctrl_c(request_id)
        self.host.answer(request_id)
        lines = re.findall("<.*?>", self.host.output(self.host.stdout))  # an interrupted print may lack its line end
        self.assertEqual(len(lines), len(set(lines)))

    def test_signals_that_come_within_a_write_are_handled_at_its_end(self):
        fcntl.fcntl(self.host.stdout, F_SETPIPE_SZ, 1 << 20)  # nobody reads it meanwhile
        code = (
            "import signal, time\ntaken = late = 0\ndef take(*_):\n    global taken\n    taken += 1\nsignal.signal(signal.SIGALRM, take)\n"
            "for i in range(3000):\n    before = taken\n    signal.setitimer(signal.ITIMER_REAL, (1 + i % 90) * 1e-6)\n    print(i)\n"
            "    end = time.monotonic() + 0.5\n    while taken == before:\n        if time.monotonic() > end:\n            late += 1\n            break\n"
            "late"
        )
        self.assertEqual(self.host.evaluate(code), 0)

    def test_each_signal_that_waited_is_handled(self):
        """Also where the handler of another raises."""
        code = (
            "import os, signal, sys\nhandled = []\ndef handle(signum, _):\n    handled.append(signum)\n    raise ValueError(signum)\n"
            "for signum in (10, 12, 14): signal.signal(signum, handle)\n"
            "raw = sys.stdout.buffer.raw\nwait = raw.wait_until_writable\n"
            "def strike():\n    for signum in (10, 12, 14, 10): os.kill(os.getpid(), signum)\n    return wait()\n"
            "type(raw).wait_until_writable = lambda self: strike()\n"
            "try: print('line')\nexcept ValueError: pass\nsorted(handled)"
        )
        self.assertEqual(self.host.evaluate(code), [10, 12, 14])
        self.assertEqual(self.host.output(self.host.stdout), "line\n")

    def test_a_child_that_a_thread_forked_handles_signals_while_it_writes(self):
        """Where nobody reads its output, too."""
        code = (
            "import os, select, signal, threading, time\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(7))\n"
            "ours, theirs = os.pipe()\npid = 0\n"
            "def run():\n    global pid\n    pid = os.fork()\n    if pid: return\n    os.dup2(theirs, 1)\n    while True: print('x' * 4000)\n"
            "thread = threading.Thread(target=run)\nthread.start()\nthread.join()\n"
            "while select.select((), (theirs,), (), 0)[1]: time.sleep(0.01)\n"
            "done = 0\nwhile not done:\n    os.kill(pid, signal.SIGTERM)  # again: one that comes as a wait begins is seen at its end\n"
            "    done, status = os.waitpid(pid, os.WNOHANG)\n    time.sleep(0.01)\nstatus >> 8"
        )
        self.assertEqual(self.host.evaluate(code), 7)

    def test_writes_in_a_handler_can_be_interrupted_too(self):
        """A write to each stream waits for room, one in a handler that the wait of the other let through."""
        code = (
            "import os, select, signal, sys, threading, time\nrooms = [os.pipe() for _ in range(2)]\n"
            "kept = [os.dup(fd) for fd in (1, 2)]\nfor fd in (1, 2): os.dup2(rooms[fd - 1][1], fd)\nended = False\n"
            "def full(stream):\n    while True: stream.write('x' * 4000 + '\\n')\n"
            "def inner(*_):\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    full(sys.stderr)\n"
            "def end(*_):\n    signal.signal(signal.SIGUSR1, signal.SIG_IGN)\n    raise TimeoutError\n"
            "signal.signal(signal.SIGALRM, inner)\nsignal.signal(signal.SIGUSR1, end)\n"
            "def has_room(number): return select.select((), (rooms[number][1],), (), 0)[1]\n"
            "def send(signum, until):\n    while not until():\n        os.kill(os.getpid(), signum)\n        time.sleep(0.01)\n"
            "def drive():\n    while has_room(0): time.sleep(0.01)\n"
            "    send(signal.SIGALRM, lambda: not has_room(1))\n    send(signal.SIGUSR1, lambda: ended)\n"
            "threading.Thread(target=drive).start()\n"
            "try: full(sys.stdout)\nexcept TimeoutError: ended = True\n"
            "[os.dup2(kept[fd - 1], fd) for fd in (1, 2)]\n"
            "for read, write in rooms: os.close(write); os.set_blocking(read, False)\n"
            "ended"
        )
        self.assertEqual(self.host.evaluate(code), True)

    def test_exceptions_of_a_trace_function_leave_the_session_interruptible(self):
        code = (
            "import sys\n"
            "def at(number):\n    count = 0\n    def trace(frame, event, _):\n        nonlocal count\n        frame.f_trace_opcodes = True\n"
            "        if frame.f_code.co_name == 'undivided':\n            count += 1\n            if count == number: raise ValueError\n        return trace\n    return trace\n"
            "for number in range(1, 120):\n    sys.settrace(at(number))\n    try: print('line')\n    except Exception: pass\n    finally: sys.settrace(None)\n"
        )
        self.host.evaluate(code + "None")
        request_id = self.host.send(EVALUATE, {"expression": "print('busy')\nwhile True: pass"})
        self.host.until("busy")
        self.host.press_ctrl_c(request_id)
        self.assertEqual(self.host.answer(request_id)[0], _wire.LATE)

    def test_threads_that_print_for_ever(self):
        self.host.evaluate(
            "import threading, time\ndef chatter():\n    while True:\n        print('x' * 100)\n        time.sleep(0.0005)\n"
            "threading.Thread(target=chatter, daemon=True).start()"
        )
        for _ in range(20):
            request_id = self.host.send(EVALUATE, {"expression": "1+1"}, _wire.PIPELINED)
            self.host.output(self.host.stdout)
            self.host.output(self.host.host_calls)
            self.assertEqual(self.host.answer(request_id), (_wire.VALUE, b"2"))
        for fd in (self.host.stdout, self.host.host_calls):  # as a host that is gone
            os.close(fd)
            self.host.ours.remove(fd)
        self.host.close_link()
        self.host.wait()


class Drain(unittest.TestCase):
    def setUp(self):
        self.drain = _output.OutputDrain()
        self.readable, writable = os.pipe()
        self.addCleanup(os.close, self.readable)
        self.addCleanup(os.close, writable)
        self.drain.fds = (writable,)
        os.write(writable, b"first")

    def test_drain_waits_until_all_output_is_read(self):
        taken = []
        self.drain.sleep = lambda seconds: taken.append(os.read(self.readable, 3))
        self.drain.wait()
        self.assertEqual(taken, [b"fir", b"st"])

    def test_drain_gives_up_on_a_host_that_does_not_read(self):
        steps = []
        self.drain.sleep = steps.append
        self.drain.wait()
        self.assertEqual(len(steps), _output.DRAIN_STEPS_SLOW)

    def test_drain_gives_up_on_a_thread_that_keeps_printing(self):
        steps = []
        self.drain.sleep = lambda seconds: steps.append(os.write(self.drain.fds[0], b"x"))
        self.drain.wait()
        self.assertEqual(len(steps), _output.DRAIN_STEPS)
