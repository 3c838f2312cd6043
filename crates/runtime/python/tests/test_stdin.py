"""Standard input in all its forms: of a client that is asked, and a descriptor that is given."""

import json
import os

from beep_python import _host_rpc, _wire

from .asked import CAPABLE, AskedTest, reply
from .host import EVALUATE, PATIENCE, Host, WorkerTest

IMPORTS = (
    "import code, fileinput, getpass, io, os, pdb, subprocess, sys, threading\nsys.argv[:] = ['']\n"
    "from beep_python import _getpass\n_getpass.install()"  # as a zygote does
)


class Asked(AskedTest):
    def setUp(self):
        super().setUp()
        self.host.evaluate(IMPORTS)

    def test_all_forms(self):
        for source, lines, value in (
            ("sys.stdin.read()", ["a", "b"], "a\nb\n"),
            ("sys.stdin.readline()", ["a"], "a\n"),
            ("[sys.stdin.readline(), sys.stdin.readline()]", ["a", "b"], ["a\n", "b\n"]),
            ("sys.stdin.readlines()", ["a", "", "c"], ["a\n", "\n", "c\n"]),
            ("list(sys.stdin)", ["a", "b"], ["a\n", "b\n"]),
            ("next(iter(sys.stdin))", ["a"], "a\n"),
            ("sys.stdin.readline()", [], ""),
            ("sys.stdin.read(3)", ["a", "b"], "a\nb"),
            ("sys.__stdin__.readline()", ["a"], "a\n"),
            ("sys.stdin.buffer.read().decode()", ["é", "b"], "é\nb\n"),
            ("sys.stdin.buffer.readline().decode()", ["a"], "a\n"),
            ("sys.stdin.buffer.raw.read(100).decode()", ["a"], "a\n"),
            ("list(fileinput.input())", ["a", "b"], ["a\n", "b\n"]),
            ("[input(), input('next? ')]", ["a", "b"], ["a", "b"]),
            ("getpass.getpass()", ["a"], "a"),
            ("[sys.stdin.readline(), input(), sys.stdin.readline()]", ["a", "b", "c"], ["a\n", "b", "c\n"]),
            ("[sys.stdin.read(1), input(), input()]", ["abc", "d"], ["a", "bc", "d"]),
            ("[input(), sys.stdin.read()]", ["a", "b"], ["a", "b\n"]),
            ("io.TextIOWrapper(sys.stdin.buffer, encoding='utf-8').readline()", ["ä"], "ä\n"),
            ("wrapped = sys.stdin = io.TextIOWrapper(sys.stdin.detach(), encoding='utf-8')\nwrapped.readline()", ["ä"], "ä\n"),
            ("sys.stdin.readline()", ["x" * 100_000], "x" * 100_000 + "\n"),
            ("sys.stdin.readline()", ["a\r"], "a\n"),
            ("sys.stdin.readline()", ["\ud800"], "?\n"),
        ):
            with self.subTest(source=source):
                self.assertEqual(self.ask(source, *lines), value)
                self.host.evaluate("sys.stdin = sys.__stdin__\nfileinput.close()\nNone")

    def test_who_asks_for_a_line_shows_the_prompt(self):
        self.ask("[input('first? '), input(5), sys.stdin.readline()]", "a", "b", "c")
        self.assertEqual(self.asked, [{"prompt": "first? "}, {"prompt": "5"}, {"prompt": ""}])
        self.assertEqual(self.host.output(self.host.stdout), "")
        self.ask("[sys.stdin.readline(), input('next? ')]", "a", "b")
        self.assertEqual(self.asked, [{"prompt": ""}, {"prompt": "next? "}])
        self.assertEqual(self.ask("sys.stdin.read(1)\ninput('rest? ')", "abc"), "bc")
        self.assertEqual(self.host.output(self.host.stdout), "rest? ")

    def test_what_was_read_ahead_is_no_other_call_s(self):
        self.assertEqual(self.ask("sys.stdin.read(1)", "abc"), "a")
        self.assertEqual(self.ask("sys.stdin.read()", "d"), "d\n")
        self.assertEqual(self.ask("sys.stdin.read(1)", "abc"), "a")
        self.assertEqual(self.ask("input()", "d"), "d")
        self.assertEqual(self.ask("kept = sys.stdin\nsys.stdin.reconfigure(encoding='latin-1')\nsys.stdin.readline()", "é"), "Ã©\n")
        self.assertEqual(self.ask("[kept is sys.stdin, sys.stdin.encoding, sys.stdin.name, sys.stdin.mode]"), [True, "latin-1", "<stdin>", "r"])

    def test_a_debugger_and_a_console(self):
        self.assertEqual(self.ask("x = 5\npdb.run('y = x + 1', globals())\ny", "p x", "c"), 6)
        self.assertEqual(self.asked, [{"prompt": "(Pdb) "}] * 2)
        self.assertIn("5\n", self.host.output(self.host.stdout))
        self.ask("code.interact(banner='', local=(made := {}), exitmsg='')\nmade['z']", "z = 7", flags=CAPABLE)
        self.assertEqual([one["prompt"] for one in self.asked], [">>> ", ">>> "])

    def test_a_stream_in_its_place(self):
        for source, value in (
            ("[input(), input()]", ["one", "two"]),
            ("try:\n    while True: input()\nexcept EOFError: None\n'end'", "end"),
            ("getpass.getpass('Key? ')", "one"),
            ("list(fileinput.input())", ["one\n", "two\n"]),
        ):
            with self.subTest(source=source):
                self.assertEqual(self.ask("import warnings\nwarnings.simplefilter('ignore')\nsys.stdin = io.StringIO('one\\ntwo\\n')\n" + source), value)
                self.host.evaluate("sys.stdin = sys.__stdin__\nfileinput.close()\nNone")
        self.assertEqual(self.ask("sys.stdin = io.StringIO('one')\ninput('shown? ')"), "one")
        self.assertIn("shown? ", self.host.output(self.host.stdout))

    def test_none_in_its_place(self):
        for source, kind in (
            ("sys.stdin.close()\ninput()", "ValueError"),
            ("sys.stdin.detach()\ninput()", "ValueError"),
            ("sys.stdin.readline()\ninput()", "EOFError"),
            ("sys.stdin = None\ninput()", "RuntimeError"),
            ("del sys.stdin\ninput()", "RuntimeError"),
        ):
            with self.subTest(source=source):
                self.assertEqual(self.ask(source), kind)
                self.assertEqual(self.ask("[input(), sys.stdin.readline()]", "a", "b"), ["a", "b\n"])

    def test_children_and_the_descriptor_find_the_end(self):
        for source, value in (
            ("open(0, closefd=False).read()", ""),
            ("os.read(0, 1) == b''", True),
            ("[sys.stdin.fileno(), sys.stdin.isatty(), sys.stdin.readable(), sys.stdin.writable()]", [0, False, True, False]),
            ("subprocess.run(['cat'], stdout=-1).stdout.decode()", ""),
            ("subprocess.run(['cat'], stdin=sys.stdin, stdout=-1).stdout.decode()", ""),
            ("os.system('read x')", 256),
        ):
            with self.subTest(source=source):
                self.assertEqual(self.ask(source), value)
        forked = "pid = os.fork()\nif pid == 0:\n    try: input()\n    except EOFError: os._exit(len(sys.stdin.read()) + 3)\n    os._exit(1)\n"
        self.assertEqual(self.ask(forked + "os.waitpid(pid, 0)[1] >> 8"), 3)

    def test_it_is_the_function_of_other_processes_by_name(self):
        self.assertEqual(self.ask("import pickle\n[pickle.loads(pickle.dumps(input)) is input, input.__module__, input.__name__]"), [True, "builtins", "input"])
        source = "import multiprocessing\nwith multiprocessing.get_context('spawn').Pool(1) as pool: pool.map_async(input, ['name? ']).get(20)"
        self.assertEqual(self.ask(source), "EOFError")

    def test_a_client_without_one(self):
        for flags in (0, _wire.EVENTS):
            self.assertEqual(self.ask("[sys.stdin.read(), list(sys.stdin), sys.stdin.buffer.read() == b'']", flags=flags), ["", [], True])
            self.assertEqual(self.ask("input()", flags=flags), "EOFError")

    def test_threads(self):
        source = "got = []\nthread = threading.Thread(target=lambda: got.append(sys.stdin.readline()))\nthread.start()\nthread.join()\ngot"
        self.assertEqual(self.ask(source, "a"), ["a\n"])

    def test_a_thread_whose_call_has_ended(self):
        self.host.evaluate("go, got = threading.Event(), []\nthread = threading.Thread(target=lambda: go.wait() and got.append(sys.stdin.read()))\nthread.start()")
        self.assertEqual(self.ask("go.set()\nthread.join()\ngot"), [""])

    def test_an_interrupt(self):
        for source in ("sys.stdin.read()", "for line in sys.stdin: pass", "input()"):
            request_id = self.host.send(EVALUATE, {"expression": source}, CAPABLE)
            self.assertEqual(self.host.message()[0], _host_rpc.CLIENT_CALL)
            self.host.cancel_at_rest(request_id)
            self.assertEqual(self.host.outcome(request_id), (_wire.CANCELLED, b"started"))
            self.assertEqual(self.host.message()[0], _host_rpc.WITHDRAW)
            self.assertEqual(self.ask("sys.stdin.readline()", "after"), "after\n")


class Given(WorkerTest):
    """All is as in a program that has this descriptor."""

    def setUp(self):
        pass

    def read(self, source, data=b"one\ntwo\nthree\n"):
        reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)
        host = Host(stdin=reader)
        os.close(reader)
        try:
            host.evaluate(IMPORTS)
            kind, body = host.call(EVALUATE, {"expression": source}, CAPABLE)
            self.assertEqual(kind, _wire.VALUE, body)
            self.said = host.output(host.stdout), host.output(host.stderr)
            return json.loads(body)
        finally:
            host.end()

    def test_all_forms(self):
        for source, value in (
            ("sys.stdin.read()", "one\ntwo\nthree\n"),
            ("list(sys.stdin)", ["one\n", "two\n", "three\n"]),
            ("[input('a '), sys.stdin.readline(), input()]", ["one", "two\n", "three"]),
            ("open(0, closefd=False).read()", "one\ntwo\nthree\n"),
            ("with open(0) as file: text = file.read()\ntext", "one\ntwo\nthree\n"),
            ("os.read(0, 3).decode()", "one"),
            ("list(fileinput.input())", ["one\n", "two\n", "three\n"]),
            ("subprocess.run(['cat'], stdout=-1).stdout.decode()", "one\ntwo\nthree\n"),
            ("subprocess.run([sys.executable, '-c', 'print(input())'], stdout=-1).stdout.decode()", "one\n"),
            ("sys.stdin = io.StringIO('x')\ninput()", "x"),
            ("[sys.stdin.fileno(), sys.stdin.isatty()]", [0, False]),
        ):
            with self.subTest(source=source):
                self.assertEqual(self.read(source), value)

    def test_the_prompt(self):
        self.read("input('name? ')")
        self.assertEqual(self.said, ("name? ", ""))

    def test_an_unfinished_line_and_bytes(self):
        self.assertEqual(self.read("sys.stdin.read()", b"one"), "one")
        self.assertEqual(self.read("list(sys.stdin.buffer.read())", b"\xff\0"), [255, 0])

    def test_a_debugger(self):
        self.assertEqual(self.read("x = 5\npdb.run('y = x + 1', globals())\ny", b"p x\nc\n"), 6)

    def test_a_later_call_reads_on_also_after_it_was_closed(self):
        reader, writer = os.pipe()
        host = Host(stdin=reader)
        self.addCleanup(host.end)
        os.close(reader)
        host.evaluate(IMPORTS)
        os.write(writer, b"one\ntwo\n")
        self.assertEqual(host.evaluate("input()"), "one")
        self.assertEqual(host.evaluate("input()"), "two")
        host.evaluate("sys.stdin.close()\nos.close(0)")
        os.write(writer, b"three\n")
        self.assertEqual(host.evaluate("input()"), "three")
        request_id = host.send(EVALUATE, {"expression": "input()"})
        host.cancel_at_rest(request_id)
        self.assertEqual(host.outcome(request_id), (_wire.CANCELLED, b"started"))
        os.close(writer)
        self.assertEqual(host.fails("input()")["type"], "EOFError")

    def test_a_password_of_a_client_without_a_terminal_is_a_line(self):
        reader, writer = os.pipe()
        os.write(writer, b"one\n")
        os.close(writer)
        host = Host(stdin=reader)
        self.addCleanup(host.end)
        os.close(reader)
        host.evaluate(IMPORTS)
        for answer, value in (({"value": "typed"}, "typed"), ({"error": {"type": "OSError", "message": "no terminal"}}, "one")):
            request_id = host.send(EVALUATE, {"expression": "getpass.getpass()"}, CAPABLE)
            _, _, question, body = host.message()
            self.assertEqual(json.loads(body[8:])["params"], {"prompt": "Password: ", "password": True})
            reply(host, question, answer)
            self.assertEqual(host.answer(request_id), (_wire.VALUE, json.dumps(value).encode()))
