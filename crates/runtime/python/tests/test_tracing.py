"""Debuggers and trace functions: they see the user's frames alone, and end with them."""

import json
import select

from beep_python import _host_rpc, _nested, _wire

from .asked import CAPABLE, AskedTest, is_told, reply
from .host import EVALUATE, PATIENCE

STREAM = 13
IMPORTS = "import asyncio, bdb, os, pdb, sys, warnings\nfrom beep_python import _tracing\n_tracing.install()\nNone"  # as a zygote does
SET = "pdb.set_trace()\n"
ASKING = "class Asking(bdb.Bdb):\n    def user_line(self, frame): input('? ')\nAsking().run('a = 1\\nb = 2')\nNone"
FINISHED = "sys.gettrace() is None"


class TracingTest(AskedTest):
    def setUp(self):
        super().setUp()
        self.host.evaluate(IMPORTS)

    def asks(self):
        """Whether the next that comes is a question; else it is an answer."""
        if self.host.buffer:
            return False
        ready = select.select([self.host.host_calls, self.host.answers], [], [], PATIENCE)[0]
        self.assertTrue(ready, "nothing came")
        return self.host.host_calls in ready

    def debug(self, source, *lines, more=None):
        """What the debugger shows meanwhile. Nothing in it may be the worker's, and the session goes on without the debugger."""
        self.result = self.ask(source, *lines, more=more)
        shown = self.host.output(self.host.stdout)
        self.assertNotIn("beep_python", shown)
        self.assertNotIn("asyncio/", shown)
        self.assertTrue(self.host.evaluate(FINISHED))
        self.assertEqual(self.host.evaluate("1+1"), 2)
        return shown


class PastTheEnd(TracingTest):
    def test_steps_past_the_last_line_end_the_debugger(self):
        for step in ("n", "s", "r", "unt"):
            for code, value in ((SET + "a = 1\na", 1), (SET + "a = 1", None), ("def f():\n    pdb.set_trace()\n    return 5\nf()", 5)):
                with self.subTest(step=step, code=code):
                    self.debug(code, more=step)
                    self.assertEqual(self.result, value)

    def test_every_line_of_a_program_is_stopped_at(self):
        shown = self.debug("b = 1\n" + SET + "a = 2\na + b", "n", "p a", "w", more="n")
        self.assertEqual(self.result, 3)
        self.assertIn("-> a + b", shown)
        self.assertEqual(shown.count("--Return--"), 1)
        self.assertEqual(shown.count("--Call--"), 0)

    def test_an_exception_ends_it_too(self):
        shown = self.debug(SET + "a = 1\n1/0\na", more="n")
        self.assertEqual(self.result, "ZeroDivisionError")
        self.assertIn("ZeroDivisionError", shown)

    def test_quit_ends_the_call(self):
        self.debug(SET + "a = 1", "q")
        self.assertEqual(self.result, "bdb.BdbQuit")

    def test_awaited_coroutines(self):
        code = "async def f():\n    pdb.set_trace()\n    await asyncio.sleep(0)\n    return 7\nawait f()"
        shown = self.debug(code, more="n")
        self.assertEqual(self.result, 7)
        self.assertIn("-> return 7", shown)
        shown = self.debug(SET + "await asyncio.sleep(0)\nb = 3\nawait asyncio.sleep(0, b)", more="n")
        self.assertEqual(self.result, 3)
        self.assertIn("-> b = 3", shown)

    def test_a_loop_of_the_codes_own_is_shown_as_python_shows_it(self):
        code = "async def f():\n    pdb.set_trace()\n    return 7\nimport threading\ndef g(): return asyncio.new_event_loop().run_until_complete(f())\n"
        code += "asyncio.set_event_loop(None)\ng()"
        self.assertEqual(self.ask(code, "w", "c"), 7)
        self.assertIn("run_until_complete", self.host.output(self.host.stdout))

    def test_stepping_into_what_the_worker_replaces(self):
        shown = self.debug(SET + "print('text')\nsys.stdout.write('more')\na = 1", more="s")
        self.assertIn("text", shown)

    def test_a_stream(self):
        source = "def g():\n    pdb.set_trace()\n    yield 1\n    b = 2\n    yield b\n    c = 3\ng()"
        request_id = self.host.send(STREAM, {"expression": source}, CAPABLE)
        asked, items, ended = 0, [], None
        while ended is None:
            if self.asks():
                message = self.host.message()
                if is_told(self.host, message):
                    continue
                reply(self.host, message[2], {"value": "n"})
                asked += 1
                self.assertLess(asked, 20)
                continue
            kind, body = self.host.answer(request_id)
            if kind == _wire.ITEM:
                items.append(json.loads(body))
            else:
                ended = json.loads(body)
        self.assertEqual((items, ended["done"]), ([1, 2], True))
        shown = self.host.output(self.host.stdout)
        self.assertIn("-> c = 3", shown)
        self.assertNotIn("beep_python", shown)
        self.assertTrue(self.host.evaluate(FINISHED))

    def test_a_task_that_outlives_its_call_debugs_no_other(self):
        code = "async def f():\n    pdb.set_trace()\n    await asyncio.sleep(0)\n    a = 1\n    await event.wait()\n"
        code += "event = asyncio.Event()\ntask = asyncio.create_task(f())\nawait asyncio.sleep(0)\nawait asyncio.sleep(0)"
        self.ask(code, more="n")
        self.assertEqual(self.ask("b = 5\nb"), 5)  # asks nothing
        self.assertEqual(self.ask("event.set()\nawait task", more="n"), None)
        self.assertEqual(self.ask("b + 1"), 6)
        self.assertTrue(self.host.evaluate(FINISHED))

    def test_run_and_runcall(self):
        shown = self.debug("pdb.run('x = 5\\ny = 6')\ny", more="n")
        self.assertEqual(self.result, 6)
        self.assertIn("<string>(2)<module>()", shown)
        self.debug("def f(a):\n    a += 1\n    return a\npdb.runcall(f, 3)", more="n")
        self.assertEqual(self.result, 4)

    def test_a_debugger_holds_the_call_while_it_stops_it_and_a_question_of_the_code_does_not(self):
        for code, lines, stops in (
            (SET + "a = 1", ["n", "input()", "x", "c"], 2),
            ("pdb.run('x = input()')", ["n", "y", "c"], 2),
            ("try: 1/0\nexcept ZeroDivisionError as e: pdb.post_mortem(e.__traceback__)", ["p 1", "q"], 1),
            ("class Mine(pdb.Pdb):\n    def cmdloop(self): self.onecmd('c')\nMine().set_trace()\na = 1", [], 1),
            (ASKING, ["x", "y"], 2),
            ("input()", ["x"], 0),
            ("pdb.runcall(input)", ["x"], 0),
        ):
            with self.subTest(code=code):
                self.ask(code, *lines, more="c")
                more = len(self.asked) - len(lines)  # stops of a version of Python
                self.assertEqual(self.held, [True, False] * (stops + more))

    def test_post_mortem(self):
        code = "def f(): held = 7; 1/0\ntry: f()\nexcept ZeroDivisionError as e: pdb.post_mortem(e.__traceback__)"
        shown = self.debug(code, "p held", "w", "u", "u", "q")
        self.assertIn("7\n", shown)

    def test_a_debugger_of_the_codes_own(self):
        self.host.evaluate(
            "class Lines(bdb.Bdb):\n    def __init__(self): super().__init__(); self.seen = []\n"
            "    def user_line(self, frame): self.seen.append((frame.f_code.co_name, frame.f_lineno)); self.set_next(frame)\n"
            "    def user_return(self, frame, value): self.seen.append('return'); self.set_next(frame)\nlines = Lines()\nNone"
        )
        self.assertEqual(self.host.evaluate("lines.set_trace()\na = 1\nb = 2\nb"), 2)
        seen = self.host.evaluate("lines.seen")
        self.assertEqual(seen[-4:], [["<module>", 2], ["<module>", 3], ["<module>", 4], "return"])
        self.assertTrue(self.host.evaluate(FINISHED))
        self.assertEqual(self.host.evaluate("lines.seen"), seen)

    def test_breakpoints_stop_later_calls(self):
        self.host.evaluate("def f():\n    return 9\nNone")
        self.ask(SET + "a = 1", "b f", more="n")
        self.assertEqual(self.ask("f()", "p 'here'", "cl 1", "c"), 9)
        self.assertIn("here", self.host.output(self.host.stdout))
        self.assertEqual(self.ask("f()"), 9)

    def test_the_stack_is_the_codes(self):
        shown = self.debug("def f():\n    pdb.set_trace()\n    return 1\nf()", "w", "u", "u", "c")
        self.assertIn("<module>()", shown)
        self.assertIn("Oldest frame", shown)


    def test_a_call_within_a_callback(self):
        """It stops at the code that made the callback next, which waits for it."""
        flags = CAPABLE | _wire.CALLBACKS
        code = {"expression": "got = cb()\nlast = 4\ngot + last", "locals": {"cb": {"$callback": "cb"}}}
        request_id = self.host.send(EVALUATE, code, flags)
        callback, asked, nested = self.host.message()[2], 0, None
        body = json.dumps({"expression": SET + "a = 1"}).encode()
        for part in _wire.frames(_host_rpc.NESTED, callback, _nested.NESTED.pack(EVALUATE, 0, 7, 0) + body):
            _wire.write_all(self.host.host_answers, part)
        while True:
            if self.asks():
                message = self.host.message()
                if is_told(self.host, message):
                    continue
                reply(self.host, message[2], {"value": "n"})
                asked += 1
                self.assertLess(asked, 20)
                continue
            kind, body = self.host.answer(request_id)
            if kind != _wire.NESTED_ANSWER:
                break
            nested = body
            reply(self.host, callback, {"value": 3})
        self.assertEqual((kind, body), (_wire.VALUE, b"7"))
        self.assertIsNotNone(nested)
        shown = self.host.output(self.host.stdout)
        self.assertIn("-> last = 4", shown)
        self.assertNotIn("beep_python", shown)
        self.assertTrue(self.host.evaluate(FINISHED))


class Functions(TracingTest):
    """`sys.settrace` and `sys.setprofile` hold over calls, as at Python's prompt."""

    WATCH = "seen = set()\ndef watch(frame, event, argument):\n    seen.add(frame.f_code.co_filename)\n    return watch\n"

    def test_they_see_no_frame_of_the_worker(self):
        for name in ("settrace", "setprofile"):
            with self.subTest(name=name):
                getter = name.replace("set", "get")
                self.host.evaluate(self.WATCH + "sys.%s(watch)" % name)
                self.assertTrue(self.host.evaluate("def f(): return os.path.join('a', 'b')\nf()\nsys.%s() is watch" % getter))
                self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 3)"), 3)
                seen = self.host.evaluate("sys.%s(None)\nsorted(seen)" % name)
                self.assertTrue(any("posixpath" in file for file in seen), seen)
                self.assertFalse([file for file in seen if "beep_python" in file or "asyncio/base_events" in file])
                self.assertIsNone(self.host.evaluate("sys.%s()" % getter))

    def test_one_that_raises_fails_the_call_that_it_traces(self):
        self.host.evaluate("def watch(frame, event, argument):\n    raise KeyError('watched')\nNone")
        self.host.evaluate("sys.settrace(watch)")
        self.assertEqual(self.host.fails("1 + 1")["type"], "KeyError")
        self.assertEqual(self.host.evaluate("1 + 1"), 2)
        self.assertTrue(self.host.evaluate(FINISHED))

    def test_they_are_those_of_python_to_look_at(self):
        self.assertEqual(self.host.evaluate("[sys.settrace.__name__, sys.settrace(None), sys.getprofile()]"), ["settrace", None, None])
        self.assertEqual(self.host.fails("sys.settrace()")["type"], "TypeError")
