"""Thousands of lines at once: the stream keeps them until they make a piece, or something needs them."""

import os
import re
import select
import tempfile
import unittest
from contextlib import contextmanager

from .host import EVALUATE, WorkerTest, readable

BURST = "import multiprocessing, os, subprocess, sys, time\nfor i in range(6000): print(i)\n"
LINES = "".join("%d\n" % i for i in range(6000))
KEEPS = "print('kept', end=' ')\n"  # so that something is kept, whenever the last piece was written
KEPT = "kept "


class Bursts(WorkerTest):
    @contextmanager
    def waiting_at(self, code):
        """Runs code that waits at its end, where it can be looked at."""
        with tempfile.TemporaryDirectory() as folder:
            gate = os.path.join(folder, "gate")
            os.mkfifo(gate)
            request_id = self.host.send(EVALUATE, {"expression": "%s\nopen(%r).read()" % (code, gate)})
            opened = os.open(gate, os.O_WRONLY)  # once the code opens it too
            try:
                yield
            finally:
                os.close(opened)
            self.host.answer(request_id)

    def test_are_written_together(self):
        count = "int(open('/proc/self/io').read().split('syscw: ')[1].split()[0])"
        self.assertLess(self.host.evaluate("before = %s\nfor i in range(9000): print(i)\n%s - before" % (count, count)), 6000)
        self.assertEqual(self.host.output(self.host.stdout), "".join("%d\n" % i for i in range(9000)))

    def test_are_written_one_by_one_up_to_some_thousand(self):
        with self.waiting_at("for i in range(4900): print(i)"):
            self.assertEqual(self.host.output(self.host.stdout), "".join("%d\n" % i for i in range(4900)))

    def test_are_asked_for_as_unfinished_ones(self):
        with self.waiting_at(BURST + KEEPS):
            self.assertEqual(self.host.unfinished(), [True, False, False])
            got = self.host.output(self.host.stdout)
            self.assertLess(len(got), len(LINES))
            self.host.ask_for_unfinished()
            self.host.until(LINES[len(got) :] + KEPT)
            self.host.until_at_rest(lambda: not any(self.host.unfinished()))

    def test_are_whole_whatever_comes_in_between(self):
        """Interrupts, and questions of the host, at any moment."""
        request_id = self.host.send(
            EVALUATE,
            {
                "expression": "import signal\ndef raises(*_):\n    global armed\n    if armed:\n        armed = False\n        raise KeyboardInterrupt\n"
                "lines, times, armed = iter(range(60000)), 0, False\n"
                "signal.signal(signal.SIGALRM, raises)\nsignal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)\n"
                "while True:\n    try:\n        armed = True\n        for line in lines: print('<%d>' % line)\n        armed = False\n        break\n"
                "    except KeyboardInterrupt: times += 1\n"
                "signal.setitimer(signal.ITIMER_REAL, 0)\ntimes"
            },
        )
        written = ""
        while not select.select([self.host.answers], [], [], 0)[0]:
            self.host.ask_for_unfinished()
            select.select([self.host.stdout], [], [], 2e-3)
            written += self.host.output(self.host.stdout)
        kind, body = self.host.answer(request_id)
        self.assertGreater(int(body), 10)
        lines = [int(line) for line in re.findall("<(.*?)>", written + self.host.output(self.host.stdout))]
        self.assertEqual(lines, sorted(set(lines)))
        self.assertGreater(len(lines), 50000)  # an interrupted print may lack its line
        self.assertEqual(self.host.evaluate("import sys\n[sys.stdout.line_buffering, sys.stdout.write_through]"), [True, True])

    def test_come_before_what_other_processes_write(self):
        for start in (
            "os.system('echo child')",
            "subprocess.run(['echo', 'child'])",
            "subprocess.run('echo child', shell=True)",
            "os.waitpid(os.posix_spawn('/bin/echo', ['echo', 'child'], {}), 0)",
            "os.waitpid(os.fork() or (print('child', flush=True), os._exit(0))[0], 0)",
            "os.waitpid(os.spawnlp(os.P_NOWAIT, 'echo', 'echo', 'child'), 0)",
            "multiprocessing.get_context('fork').Process(target=lambda: print('child', flush=True)).run()",
        ):
            with self.subTest(start=start):
                self.host.evaluate(BURST + KEEPS + start + "\nprint('after')")
                got = self.host.output(self.host.stdout)
                self.assertEqual(got, LINES + KEPT + "child\nafter\n")

    def test_end_a_program_that_another_takes_the_place_of(self):
        self.host.send(EVALUATE, {"expression": BURST + KEEPS + "os.execvp('echo', ['echo', 'other'])"})
        with self.assertRaises(EOFError):
            self.host.exactly(1)
        got = self.host.output(self.host.stdout)
        while "other" not in got:
            readable(self.host.stdout)
            got += self.host.output(self.host.stdout)
        self.assertEqual(got, LINES + KEPT + "other\n")

    def test_come_before_what_the_other_stream_gets(self):
        with self.waiting_at(BURST + KEEPS + "print('error', file=sys.stderr)"):
            self.assertEqual(self.host.output(self.host.stdout), LINES + KEPT)

    def test_are_flushed_by_each_who_says_so(self):
        for flush in (
            "print('end', flush=True)",
            "print('end')\nsys.stdout.flush()",
            "print('end')\nsys.stdout.buffer.flush()",
            "print('end')\nsys.__stdout__.flush()",
            "print('end')\nsys.stdout.close()",
            "print('end')\nsys.stdout.detach()",
            "print('end')\nsys.stdout.reconfigure(encoding='latin-1')",
        ):
            with self.subTest(flush=flush):
                with self.waiting_at(BURST + KEEPS + flush):
                    self.assertEqual(self.host.output(self.host.stdout), LINES + KEPT + "end\n")

    def test_keep_their_order_with_long_lines_bytes_and_threads(self):
        self.host.evaluate(
            BURST + "print('x' * 5000)\nsys.stdout.write('y' * 3000 + '\\n')\nsys.stdout.buffer.write(b'z\\n')\n"
            "sys.stdout.buffer.write(bytearray(b'b\\n'))\nsys.stdout.buffer.write(memoryview(b'm'))\nprint()\n"
            "sys.stdout.writelines(['l\\n'] * 3)\nprint('x' * 9000, end='')\nprint('\\u20ac')"
        )
        expected = LINES + "x" * 5000 + "\n" + "y" * 3000 + "\nz\nb\nm\nl\nl\nl\n" + "x" * 9000 + "\u20ac\n"
        self.assertEqual(self.host.output(self.host.stdout), expected)
        self.host.evaluate(
            "import threading\ndef run(n):\n    for i in range(1000): print('<%d:%d>' % (n, i))\n"
            "all = [threading.Thread(target=run, args=(n,)) for n in range(3)]\n[t.start() for t in all]\nrun(3)\n[t.join() for t in all]\nNone"
        )
        lines = re.findall("<.*?>", self.host.output(self.host.stdout))
        self.assertEqual(sorted(lines), sorted("<%d:%d>" % (n, i) for n in range(4) for i in range(1000)))

    def test_with_bytes_that_are_none_are_refused(self):
        self.assertEqual(self.host.fails(BURST + "sys.stdout.buffer.write('text')")["type"], "TypeError")
        self.assertEqual(self.host.fails(BURST + "sys.stdout.buffer.write(5)")["type"], "TypeError")
        self.assertEqual(self.host.output(self.host.stdout), LINES * 2)


if __name__ == "__main__":
    unittest.main()
