"""Lines without their end, which the host asks for while a subscriber waits."""

import os
import select
import tempfile

from .host import EVALUATE, WorkerTest

GATE = "import os, sys, threading\ndef wait(path):\n    open(path).close()\n"


class Unfinished(WorkerTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.gate = os.path.join(folder.name, "gate")
        os.mkfifo(self.gate)
        self.host.evaluate(GATE)

    def start(self, code):
        """Code that waits, once it has written, until the gate is opened."""
        request_id = self.host.send(EVALUATE, {"expression": code % {"wait": "wait(%r)" % self.gate}})
        self.host.until_at_rest(lambda: any(self.host.unfinished()))
        return request_id

    def finish(self, request_id):
        open(self.gate, "w").close()
        self.host.answer(request_id)

    def test_of_both_streams_and_their_buffers(self):
        for code, fd, which in (
            ("print('a...', end='')\n%(wait)s", self.host.stdout, 0),
            ("print('a...', end='', file=sys.stderr)\n%(wait)s", self.host.stderr, 1),
            ("sys.stdout.buffer.write(b'a...')\n%(wait)s", self.host.stdout, 0),
            ("sys.stdout.writelines(['a', '...'])\n%(wait)s", self.host.stdout, 0),
        ):
            with self.subTest(code=code):
                request_id = self.start(code)
                self.assertEqual(self.host.unfinished(), [place == which for place in range(3)])
                self.host.ask_for_unfinished()
                self.host.until("a...", fd)
                self.finish(request_id)
                self.assertEqual(self.host.unfinished(), [False] * 3)

    def test_whole_lines_leave_nothing_to_ask_for(self):
        self.host.evaluate("print('a')\nprint('b', file=sys.stderr)\nprint('c', end='', flush=True)")
        self.assertEqual(self.host.unfinished(), [False] * 3)

    def test_the_order_with_children_is_kept(self):
        request_id = self.start("import subprocess\nprint('a', end='')\n%(wait)s\nsubprocess.run(['echo', 'b'])\nprint('c')")
        self.host.ask_for_unfinished()
        self.host.until("a")
        self.finish(request_id)
        self.host.until("b\nc\n")

    def test_of_a_thread_while_no_call_runs(self):
        self.host.evaluate("def run():\n    wait(%r)\n    print('b...', end='')\nthreading.Thread(target=run, daemon=True).start()" % self.gate)
        open(self.gate, "w").close()
        self.host.until_at_rest(lambda: any(self.host.unfinished()))
        self.assertEqual(self.host.unfinished(), [False, False, True])
        self.host.ask_for_unfinished()
        self.host.until("b...")

    def test_a_flush_that_it_comes_into_loses_nothing(self):
        """A signal at any moment: each line is there once, whole, and in order."""
        request_id = self.host.send(
            EVALUATE, {"expression": "for n in range(20000):\n    print(n, end='')\n    print(',', end='' if n % 10 else '\\n')\nprint('end')"}
        )
        while not self.host.has_started(request_id):
            pass
        text = "".join("%d,%s" % (n, "" if n % 10 else "\n") for n in range(20000)) + "end\n"
        written = ""
        while not written.endswith("end\n"):
            self.host.ask_for_unfinished()
            select.select([self.host.stdout], [], [], 1e-3)  # so that the code goes on, however long a flush takes
            written += self.host.output(self.host.stdout)
        self.host.answer(request_id)
        self.assertEqual(written, text)
