import json
import os
import signal
import unittest

from beep_python import _shared_page, _wire

from .host import EVALUATE, Host, WorkerTest


class Worker(WorkerTest):
    def test_the_first_frame_says_that_it_is_ready(self):
        self.assertEqual(json.loads(self.host.ready)["pid"], self.host.pid)

    def test_a_request_gets_its_answer(self):
        self.assertEqual(self.host.call(EVALUATE, {"expression": "1+1"}), (_wire.VALUE, b"2"))

    def test_names_persist_from_call_to_call(self):
        self.host.evaluate("x = 20")
        self.assertEqual(self.host.evaluate("x + 1"), 21)

    def test_many_requests_at_once_are_answered_in_order(self):
        self.host.evaluate("n = 0")
        rids = [self.host.send(EVALUATE, {"expression": "n += 1\nn"}, _wire.PIPELINED) for _ in range(30)]
        self.assertEqual([self.host.answer(request_id) for request_id in rids], [(_wire.VALUE, b"%d" % n) for n in range(1, 31)])

    def test_a_finished_answer_does_not_wait_for_a_slow_call(self):
        for _ in range(3):
            self.host.evaluate("1+1")  # known to be quick
        first = self.host.send(EVALUATE, {"expression": "1+1"})
        second = self.host.send(EVALUATE, {"expression": "import time\ntime.sleep(1000)"})
        self.assertEqual(self.host.answer(first), (_wire.VALUE, b"2"))
        self.host.cancel(second)

    def test_an_operation_that_is_not_known_is_refused(self):
        kind, body = self.host.call(40, {})
        self.assertEqual((kind, json.loads(body)["code"]), (_wire.REJECTED, "unknown_operation"))

    def test_sys_exit_is_an_exception_like_others(self):
        self.assertEqual(self.host.fails("import sys\nsys.exit(3)")["type"], "SystemExit")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_exit_of_the_site_module_too(self):
        self.assertEqual(self.host.fails("exit()")["type"], "SystemExit")
        self.assertEqual(self.host.evaluate("1+1"), 2)


class Near(WorkerTest):
    """The host lets a worker that rests wake up on one CPU, and the worker then goes back to all of them."""

    CPUS = "import os\nsorted(os.sched_getaffinity(0))"

    def setUp(self):
        super().setUp()
        self.cpus = os.sched_getaffinity(self.host.pid)

    def draw(self, told=None):
        """To one CPU, and tells it to go back to those it has, or to these."""
        page = self.host.page
        page[_shared_page.CPUS : _shared_page.CPUS + _shared_page.CPUS_BYTES] = bytes(_shared_page.CPUS_BYTES)
        for cpu in self.cpus if told is None else told:
            page[_shared_page.CPUS + cpu // 8] |= 1 << cpu % 8
        page[_shared_page.AFFINITY_RESTORE] = _shared_page.RESTORE_REQUESTED
        os.sched_setaffinity(self.host.pid, {min(self.cpus)})

    def idle(self):
        self.host.until_at_rest()
        return self.host.page[_shared_page.IDLE] == 1

    def test_it_takes_its_cpus_back_before_anything_else(self):
        for _ in range(3):
            self.assertTrue(self.idle())
            self.draw()
            self.assertEqual(set(self.host.evaluate(self.CPUS)), self.cpus)
            self.assertEqual(self.host.page[_shared_page.AFFINITY_RESTORE], 0)

    def test_where_its_cpus_are_gone_it_takes_what_there_is(self):
        self.draw([1000])
        mine = os.sched_getaffinity(0)
        os.sched_setaffinity(0, range(8 * _shared_page.CPUS_BYTES))  # there may be more than these tests run on
        self.cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, mine)
        self.assertEqual(set(self.host.evaluate(self.CPUS)), self.cpus)
        self.assertEqual(self.host.page[_shared_page.AFFINITY_RESTORE], 0)

    def test_it_is_back_before_a_signal_handler_of_the_user_runs(self):
        self.host.evaluate(
            "import os, signal, subprocess, sys\n"
            "code = 'import os; print(len(os.sched_getaffinity(0)))'\n"
            "def handler(*_):\n"
            "    here = len(os.sched_getaffinity(0)), int(subprocess.check_output([sys.executable, '-c', code]))\n"
            "    os.write(1, b'%d %d.' % here)\n"
            "signal.signal(signal.SIGUSR1, handler)\n"
            "1"
        )
        self.assertTrue(self.idle())
        self.draw()
        os.kill(self.host.pid, signal.SIGUSR1)
        self.host.until("%d %d." % (len(self.cpus), len(self.cpus)))
        self.assertEqual(set(self.host.evaluate(self.CPUS)), self.cpus)

    def test_where_it_is_not_let_it_says_so(self):
        filtered = self.host.evaluate(
            "import ctypes, os, struct\n"  # a filter that forbids the one system call
            "number = {'x86_64': 203, 'aarch64': 122}[os.uname().machine]\n"
            "steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)]\n"
            "code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in steps))\n"
            "program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(steps), ctypes.addressof(code)))\n"
            "libc = ctypes.CDLL(None)\n"
            "libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(program)), 0, 0) == 0"
        )
        if not filtered:
            self.skipTest("this kernel has no filters of system calls")
        self.draw()
        self.assertEqual(self.host.evaluate("1+1"), 2)
        self.assertEqual(self.host.page[_shared_page.AFFINITY_RESTORE], _shared_page.RESTORE_FAILED)
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_it_does_not_rest_while_it_works(self):
        request_id = self.host.send(EVALUATE, {"expression": "import time\nprint(1)\ntime.sleep(1000)"})
        self.host.until("1")
        self.assertFalse(self.idle())
        self.host.cancel_at_rest(request_id)
        self.host.answer(request_id)
        self.assertTrue(self.idle())

    def test_it_does_not_rest_while_background_tasks_go_on(self):
        self.host.evaluate(
            "import asyncio\n"
            "async def run():\n    await asyncio.sleep(1000)\n"
            "task = asyncio.ensure_future(run())\n"
            "await asyncio.sleep(0)\n"
            "1"
        )
        self.assertFalse(self.idle())


class End(WorkerTest):
    def test_it_ends_when_the_link_is_closed(self):
        self.host.close_link()
        self.assertEqual(self.host.wait(), 0)

    def test_exit_functions_run_and_output_is_written(self):
        self.host.evaluate("import atexit, sys\natexit.register(print, 'bye', end='')\nsys.stdout.write('so ')")
        self.host.close_link()
        self.assertEqual(self.host.wait(), 0)
        self.assertEqual(self.host.output(self.host.stdout), "so bye")

    def test_an_exit_of_its_own(self):
        self.host.send(EVALUATE, {"expression": "import os\nos._exit(3)"})
        self.assertEqual(self.host.wait(), 3)

    def test_a_crash(self):
        self.host.send(EVALUATE, {"expression": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"})
        self.assertEqual(self.host.wait(), -signal.SIGSEGV)

    def test_code_that_closes_every_descriptor(self):
        self.host.send(EVALUATE, {"expression": "import os\nos.closerange(0, 5000)"})
        self.assertEqual(self.host.wait(), 70)

    def test_code_that_closes_the_low_descriptors_keeps_the_link(self):
        self.host.evaluate("import os\nos.closerange(3, 200)")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_a_frame_of_another_version(self):
        os.write(self.host.requests, _wire.HEADER.pack(0, 1, 0, 9, 1))
        self.assertEqual(self.host.wait(), 71)
        self.assertIn("version 9", self.host.output(self.host.stderr))

    def test_the_worker_ends_with_the_holder_of_its_lifeline(self):
        self.host.evaluate("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))\nNone")
        self.host.send(EVALUATE, {"expression": "print('busy')\nwhile True: pass"})
        holder = os.fork()  # has a copy of everything, the lifeline's write end among it
        if holder == 0:
            signal.pause()
            os._exit(1)
        self.host.close_lifeline()
        self.host.until("busy")
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        self.assertEqual(self.host.wait(), -signal.SIGKILL)


    def test_a_byte_in_the_lifeline_ends_this_worker_alone(self):
        other = Host()
        self.addCleanup(other.end)
        code = "import os, stat\nfor fd in os.listdir('/proc/self/fd'):\n    try:\n        if stat.S_ISFIFO(os.stat(int(fd)).st_mode) and os.readlink('/proc/self/fd/' + fd) == %r:\n            os.write(os.open('/proc/self/fd/' + fd, os.O_WRONLY), b'x')\n    except OSError: pass"
        self.host.send(EVALUATE, {"expression": code % os.readlink("/proc/self/fd/%d" % self.host.lifeline)})
        self.assertEqual(self.host.wait(), -signal.SIGKILL)
        self.assertEqual(other.evaluate("1+1"), 2)


class Epoch(unittest.TestCase):
    def test_handles_bear_tag_and_epoch(self):
        host = Host(epoch=7, tag="s3")
        self.addCleanup(host.end)
        kind, body = host.call(EVALUATE, {"expression": "object()"})
        self.assertEqual((kind, json.loads(body)["handleId"]), (_wire.HANDLE, "s3.7.1"))
