import json
import os
import shutil
import tempfile

from beep_python import _wire

from .host import EVALUATE, WorkerTest

FETCH = 28
IMPORTS = "import codecs, contextlib, fileinput, io, logging, os, sys, tempfile, threading\nNone"


class StdStreamsTest(WorkerTest):
    def setUp(self):
        super().setUp()
        self.host.evaluate(IMPORTS)

    def outputs(self):
        return self.host.output(self.host.stdout), self.host.output(self.host.stderr)

    def run_and_forget(self, code):
        """Runs code that may raise, as it would in any Python; what it writes is not looked at."""
        self.host.call(EVALUATE, {"expression": code + "\nNone"})
        self.outputs()

    def assert_whole(self):
        """The next call finds all three, as Python's streams and as descriptors, and so do children."""
        self.host.evaluate(
            "print('out')\nprint('err', file=sys.stderr)\nos.write(1, b'1\\n')\nos.write(2, b'2\\n')\n"
            "os.system('echo child; echo child >&2')\nprint('own', file=sys.__stdout__)\nprint('own', file=sys.__stderr__)"
        )
        self.assertEqual(self.outputs(), ("out\n1\nchild\nown\n", "err\n2\nchild\nown\n"))
        self.assertEqual(self.host.evaluate("[sys.stdin.read(), sys.__stdin__.read(), os.read(0, 1) == b'', os.system('read x')]"), ["", "", True, 256])
        self.assertEqual(self.host.evaluate("[s.name for s in (sys.__stdin__, sys.__stdout__, sys.__stderr__)][1:]"), ["<stdout>", "<stderr>"])
        self.assertGreater(self.host.evaluate("file = open(os.devnull, 'w')\nfile.fileno()"), 2)
        self.host.evaluate("file.close()")


class Descriptors(StdStreamsTest):
    def test_closed_ones_are_renewed(self):
        for fd in (0, 1, 2):
            for code in ("os.close(%d)", "with open(%d, 'w' if %d else 'r'): pass", "os.closerange(%d, 3)"):
                code = code.replace("%d", str(fd))
                with self.subTest(code=code):
                    self.run_and_forget(code)
                    self.assert_whole()

    def test_and_what_took_their_place_is_replaced(self):
        for code in (
            "os.close(1)\nkept = open(name, 'w')",
            "os.close(2)\nkept = open(name, 'w')",
            "kept = open(0)\nkept.close()\nkept = open(name)",
            "kept = open(name, 'w')\nos.dup2(kept.fileno(), 1)",
            "os.dup2(2, 1)",
            "os.dup2(1, 2)",
            "os.dup2(1, 0)",
            "kept = os.pipe()\nos.dup2(kept[1], 1)\nos.dup2(kept[1], 2)\nos.dup2(kept[0], 0)",
        ):
            with self.subTest(code=code):
                self.run_and_forget("kept = None\nfd, name = tempfile.mkstemp()\nos.close(fd)\n" + code)
                self.assert_whole()
                self.assertEqual(self.host.evaluate("open(name).read()"), "")
                self.run_and_forget("kept = None\nos.unlink(name)")
                self.assert_whole()

    def test_by_code_that_runs_again_and_is_quick(self):
        for _ in range(3):
            self.run_and_forget("os.close(1)")
            self.assert_whole()

    def test_by_other_requests_than_eval(self):
        handle = json.loads(self.host.call(EVALUATE, {"expression": "os"})[1])["handleId"]
        for fd in (0, 1, 2):
            self.host.call(4, {"handleId": handle, "methodName": "close", "args": [fd]})
            self.assert_whole()

    def test_what_was_written_before_goes_where_the_code_has_directed_it(self):
        self.host.evaluate("fd, name = tempfile.mkstemp()\nos.dup2(fd, 1)\nprint('into the file', end='')")
        self.assertEqual(self.outputs(), ("", ""))
        self.assertEqual(self.host.evaluate("text = os.pread(fd, 100, 0).decode()\nos.close(fd)\nos.unlink(name)\ntext"), "into the file")

    def test_the_order_of_both_is_kept_again(self):
        self.host.call(EVALUATE, {"expression": "os.close(2)\nprint('out')"}, _wire.EVENTS)
        self.assertEqual(self.host.evaluate("sys.stdout.buffer.raw.other"), 2)

    def test_what_could_not_be_written_is_of_the_call_that_wrote_it(self):
        self.host.evaluate("os.close(1)\nprint('late', end='')")
        self.assertEqual(self.outputs(), ("late", ""))

    def test_one_that_was_saved_is_put_back_in_a_later_call(self):
        self.host.evaluate("saved = os.dup(1)\nos.dup2(2, 1)")
        self.host.evaluate("os.dup2(saved, 1)\nos.close(saved)")
        self.assert_whole()

    def test_while_no_call_runs(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        fifo = os.path.join(folder, "go")
        os.mkfifo(fifo)
        self.host.evaluate(
            "def close():\n    with open(%r): os.close(1), os.close(0), sys.stdin.close(), os.write(2, b'closed')\n"
            "threading.Thread(target=close).start()" % fifo
        )
        self.host.until_at_rest()
        os.close(os.open(fifo, os.O_WRONLY))
        self.host.until("closed", self.host.stderr)
        self.assert_whole()

    def test_by_code_that_awaits(self):
        self.host.evaluate("import asyncio\nawait asyncio.sleep(0)")
        self.run_and_forget("await asyncio.sleep(0)\nos.close(1)\nsys.stderr.close()")
        self.assert_whole()

    def test_an_event_loop_that_is_made_meanwhile(self):
        self.host.evaluate("import asyncio\nos.close(0)\nos.close(1)\nos.close(2)\nawait asyncio.sleep(0)")
        self.assert_whole()
        self.host.evaluate("loop = asyncio.get_event_loop_policy().get_event_loop()\nloop.call_soon(os.write, 1, b'runs')\nNone")
        self.host.until("runs")
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 5)"), 5)

    def test_data_that_are_sent_meanwhile(self):
        about, data = self.host.take(FETCH, expression="os.close(1)\nos.close(2)\nb'x' * 100_000")
        self.assertEqual(data, b"x" * 100_000)
        self.assert_whole()

    def test_one_that_does_not_block_is_made_to(self):
        self.host.evaluate("os.set_blocking(1, False)")
        request_id = self.host.send(EVALUATE, {"expression": "print('x' * 1_000_000)"})
        self.assertEqual(self.host.until("\n"), "x" * 1_000_000 + "\n")
        self.assertEqual(self.host.answer(request_id), (_wire.VALUE, b"null"))

    def test_children_keep_what_they_have(self):
        code = "pid = os.fork()\nif pid == 0:\n    os.close(1)\n    os._exit(os.open(os.devnull, os.O_RDONLY))\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
        self.assertEqual(self.host.evaluate(code), 1)
        self.assertEqual(self.host.evaluate("pid = os.fork()\nif pid == 0:\n    os.close(2)\npid and os.waitpid(pid, 0)[1]"), 0)
        self.assert_whole()


class Streams(StdStreamsTest):
    def test_what_is_written_to_a_detached_buffer_comes(self):
        for name in ("stdout", "stderr"):
            for code in ("sys.%s.detach().write(b'detached\\n')", "b = sys.%s.detach()\nb.write(b'detached\\n')", "sys.__%s__.detach().write(b'detached\\n')\n1/0"):
                with self.subTest(name=name, code=code):
                    self.host.call(EVALUATE, {"expression": code % name})
                    self.assertEqual("".join(self.outputs()), "detached\n")
        self.assert_whole()

    def test_closed_or_detached_ones_are_opened_again(self):
        for name in ("stdin", "stdout", "stderr"):
            for code in (
                "sys.%s.close()",
                "sys.__%s__.close()",
                "sys.%s.buffer.close()",
                "sys.%s.buffer.raw.close()",
                "sys.%s.detach()",
                "sys.%s.buffer.detach()",
                "sys.%s = None",
                "del sys.%s",
                "del sys.__%s__",
                "sys.__%s__ = None",
                "sys.%s = 5",
                "sys.%s = sys.__%s__ = io.StringIO()\nsys.%s.close()",
                "sys.%s = open(os.devnull)\nsys.%s.detach()",
                "with sys.%s: pass",
                "sys.%s = io.TextIOWrapper(sys.%s.buffer)\nsys.%s = io.TextIOWrapper(sys.%s.buffer)\nsys.%s = sys.__%s__",
                "sys.%s = codecs.getwriter('utf-8')(sys.%s.buffer)\nsys.%s.close()",
            ):
                code = code.replace("%s", name)
                with self.subTest(code=code):
                    self.run_and_forget(code)
                    self.assert_whole()

    def test_code_that_has_one_has_it_again(self):
        self.host.evaluate("logging.basicConfig(format='%(message)s')\nmine = sys.stdout\nsys.stdout.close()\nsys.stderr.close()")
        self.host.evaluate("logging.warning('told')\nprint('mine', file=mine)")
        self.assertEqual(self.outputs(), ("mine\n", "told\n"))
        self.assertTrue(self.host.evaluate("mine is sys.stdout is sys.__stdout__"))

    def test_exit_and_quit_close_nothing(self):
        for code in ("exit()", "quit(3)", "try: exit()\nexcept SystemExit: pass\nif sys.stdin.closed: raise ValueError\nquit()"):
            with self.subTest(code=code):
                self.assertEqual(self.host.fails(code)["type"], "SystemExit")
                self.assertEqual(self.host.evaluate("sys.stdin.read()"), "")
        self.assertEqual(self.host.evaluate("repr(exit)"), "Use exit() or Ctrl-D (i.e. EOF) to exit")
        self.assertEqual(self.host.fails("exit(3)")["exitStatus"], 3)

    def test_what_works_in_their_place_stays(self):
        for code, made in (
            ("sys.stdout = kept = io.StringIO()", "kept.getvalue()"),
            ("kept = io.StringIO()\ncontextlib.redirect_stdout(kept).__enter__()\nNone", "kept.getvalue()"),
            ("class Bare:\n    text = ''\n    def write(self, text): Bare.text += text\nsys.stdout = Bare()", "Bare.text"),
            ("class Odd(Bare):\n    closed = 5\nBare.text = ''\nsys.stdout = Odd()", "Bare.text"),
        ):
            with self.subTest(code=code):
                self.host.evaluate(code)
                self.host.evaluate("print('kept')")
                self.assertEqual(self.outputs(), ("", ""))
                self.assertEqual(self.host.evaluate(made), "kept\n")
                self.host.evaluate("sys.stdout = sys.__stdout__")
                self.assert_whole()
        self.host.evaluate("sys.stdin = io.StringIO('a line')")
        self.assertEqual(self.host.evaluate("sys.stdin.read()"), "a line")

    def test_a_wrapper_around_a_buffer(self):
        for _ in range(4):
            self.run_and_forget("sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')")
            self.host.evaluate("print('a')")
            self.assertEqual(self.host.output(self.host.stdout), "a\n")
        self.run_and_forget("sys.stdout = sys.__stdout__")
        self.assert_whole()

    def test_a_file_of_the_descriptor(self):
        for _ in range(4):
            self.run_and_forget("sys.stdout = os.fdopen(sys.stdout.fileno(), 'w', 1)")
            self.host.evaluate("print('a')")
            self.assertEqual(self.host.output(self.host.stdout), "a\n")
        self.run_and_forget("sys.stdout = sys.__stdout__")
        self.assert_whole()

    def test_one_that_is_made_the_stream_of_something_else(self):
        self.host.evaluate("other = io.BytesIO()\nmine = sys.stdout\nmine.__init__(other)")
        self.host.evaluate("print('kept', flush=True)")
        self.assertEqual(self.host.evaluate("other.getvalue().decode()"), "kept\n")
        self.host.evaluate("class Odd(io.BytesIO):\n    closed = property(lambda self: sys.exit(3))\nmine.__init__(Odd())")
        self.assertEqual(self.host.evaluate("5"), 5)
        self.host.evaluate("mine.__init__(io.BytesIO())\nmine.close()")
        self.assert_whole()

    def test_fileinput_that_was_left(self):
        self.host.evaluate("fd, name = tempfile.mkstemp()\nos.write(fd, b'a\\nb\\n')\nos.close(fd)")
        self.host.evaluate("for line in fileinput.input(name, inplace=True): break")
        self.host.evaluate("fileinput.close()\nos.unlink(name)")
        self.assert_whole()

    def test_how_code_has_configured_one_stays(self):
        self.host.evaluate("sys.stdout.reconfigure(encoding='latin-1', line_buffering=False)")
        self.assertEqual(self.host.evaluate("[sys.stdout.encoding, sys.stdout.line_buffering]"), ["latin-1", False])

    def test_one_that_is_opened_again_knows_whose_text_it_gets(self):
        self.host.evaluate("go = threading.Event()\nsys.stdout.close()\nthreading.Thread(target=lambda: go.wait() and print('late')).start()")
        self.host.evaluate("sys.stdout.close()")
        self.host.evaluate("go.set()")
        self.assertEqual(self.host.message()[3][1:], b"late\n")

    def test_bytes_of_an_ended_call_too(self):
        self.host.evaluate(
            "go = threading.Event()\ndef late():\n    go.wait()\n    sys.stdout.buffer.write(b'late')\nthreading.Thread(target=late).start()"
        )
        self.host.evaluate("sys.stdout.close()")
        self.host.evaluate("go.set()")
        self.assertEqual(self.host.message()[3][1:], b"late")

    def test_a_thread_that_prints_meanwhile(self):
        self.host.evaluate("stop = threading.Event()\ndef chatter():\n    while not stop.is_set():\n        try: print('x' * 100)\n        except ValueError: pass")
        for code in ["thread = threading.Thread(target=chatter)\nthread.start()"] + ["sys.stdout.close()"] * 100:
            request_id = self.host.send(EVALUATE, {"expression": code})
            while not self.host.has_answer():  # a pipe that nobody reads would make the thread wait
                self.host.output(self.host.stdout)
                self.host.output(self.host.host_calls)
            self.assertEqual(self.host.answer(request_id), (_wire.VALUE, b"null"))
        self.host.send(EVALUATE, {"expression": "stop.set()\nthread.join()\nprint('done')"})
        self.host.until("done\n")

    def test_memory_does_not_grow(self):
        self.host.evaluate("import gc")
        for code in ("sys.stdout.close()", "os.close(1)", "sys.stdin.close()"):
            counts = []
            for _ in range(2):
                for _ in range(20):
                    self.run_and_forget(code)
                counts.append(self.host.evaluate("gc.collect()\n[len(gc.get_objects()), len(os.listdir('/proc/self/fd'))]"))
            self.assertLess(counts[1][0] - counts[0][0], 20, code)
            self.assertEqual(counts[1][1], counts[0][1], code)


class HooksOfAudits(StdStreamsTest):
    def test_a_hook_that_raises(self):
        self.host.evaluate("def hook(event, args):\n    if event == 'fcntl.fcntl': raise raised\nraised = ValueError('no')\nsys.addaudithook(hook)")
        for raised in ("ValueError('no')", "SystemExit(3)", "KeyboardInterrupt()"):
            self.host.evaluate("raised = " + raised)
            self.assertEqual(self.host.evaluate("len('ab')"), 2)


class WithoutStreams(StdStreamsTest):
    def test_an_end_without_any(self):
        self.host.evaluate("import atexit\natexit.register(lambda: os.write(keep, b'end'))\nkeep = os.dup(1)\nsys.stdout.close()\nos.close(1)")
        self.host.close_link()
        self.assertEqual(self.host.wait(), 0)
        self.assertEqual(self.host.output(self.host.stdout), "end")
