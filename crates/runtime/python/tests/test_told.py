"""What code tells beside its output, and what a call answers beside its value."""

import json
import select

from beep_python import _host_rpc, _wire

from .host import EVALUATE, PATIENCE, WorkerTest
from .sessions import SessionTest

EXECUTE, STREAM, NEXT = 12, 13, 14


class Told(WorkerTest):
    def follow(self, code, kind=EVALUATE, **wants):
        """The events of a call whose client wants these, and its answer."""
        request_id = self.host.next_id()
        self.host.send_as(request_id, _wire.REQUEST_LIMITS, wants)
        self.host.send_as(request_id, kind, {"expression": code}, _wire.EVENTS)
        events, self.of_others = [], []
        while True:
            ready = select.select([self.host.answers, self.host.host_calls], [], [], PATIENCE)[0]
            self.assertTrue(ready, "nothing came")
            if self.host.host_calls not in ready:
                kind, body = self.host.answer(request_id)
                return events, kind, json.loads(body)
            kind, _, call, body = self.host.message()
            self.assertEqual(kind, _host_rpc.CLIENT_CALL)
            of = events if int.from_bytes(body[:8], "little") == request_id else self.of_others
            of.append(json.loads(body[8:])["params"])
            for part in _wire.frames(_host_rpc.RESULT, call, b"true"):
                _wire.write_all(self.host.host_answers, part)

    def told(self, code, **wants):
        events, kind, answer = self.follow(code + "\nNone", **wants)
        self.assertEqual((kind, answer), (_wire.VALUE, None))
        return events


class Progress(Told):
    def test_progress(self):
        code = "import beep_python\nbeep_python.progress(1)\nbeep_python.progress(2.5, 10, 'a')\nbeep_python.progress(True)"
        expected = [{"done": 1}, {"done": 2.5, "total": 10, "message": "a"}, {"done": 1}]
        self.assertEqual(self.told(code, progress=True), expected)
        self.assertEqual(self.told(code, log=True), [])
        self.assertEqual(self.told(code), [])

    def test_from_a_thread(self):
        code = "import beep_python, threading\nt = threading.Thread(target=beep_python.progress, args=(1,))\nt.start()\nt.join()"
        self.assertEqual(self.told(code, progress=True), [{"done": 1}])
        later = "go = threading.Event()\nt = threading.Thread(target=lambda: go.wait() and beep_python.progress(1))\nt.start()"
        for wants in ({"progress": True}, {}):
            self.assertEqual(self.told(later, progress=True), [])
            self.assertEqual(self.told("go.set()\nt.join()", **wants), [], "it is of the call before")
            self.assertEqual(self.of_others, [{"done": 1}], "the host knows who follows the session")

    def test_what_is_no_progress(self):
        for code in ("'1'", "None", "float('nan')", "1, float('inf')", "1, 2, 3", "[]"):
            with self.subTest(code=code):
                self.assertIn(self.host.fails("import beep_python\nbeep_python.progress(%s)" % code)["type"], ("TypeError", "ValueError"))

    def test_the_next_call_is_not_followed(self):
        self.assertEqual(self.told("import beep_python\nbeep_python.progress(1)", progress=True), [{"done": 1}])
        self.assertEqual(self.told("beep_python.progress(1)"), [])
        self.assertEqual(self.host.call(EVALUATE, {"expression": "beep_python.progress(1)"}, _wire.EVENTS), (_wire.VALUE, b"null"))


class Log(Told):
    def setUp(self):
        super().setUp()
        self.host.evaluate("import logging, sys\nlog = logging.getLogger('a.b')\nNone")

    def records(self, code):
        return [(event["level"], event["logger"], event["message"]) for event in self.told(code, log=True)]

    def test_records_in_place_of_standard_error(self):
        self.assertEqual(self.records("log.warning('x %d', 5)\nlog.info('no')"), [("WARNING", "a.b", "x 5")])
        self.assertEqual(self.records("logging.error('y')"), [("ERROR", "root", "y")])
        self.assertEqual(self.host.output(self.host.stderr), "")
        self.host.evaluate("log.warning('plain')\nNone")
        self.assertEqual(self.host.output(self.host.stderr), "plain\n")

    def test_levels_and_handlers_are_the_users(self):
        self.assertEqual(self.records("logging.basicConfig(level=logging.DEBUG)\nlog.debug('d')"), [("DEBUG", "a.b", "d")])
        self.assertEqual(self.host.output(self.host.stderr), "DEBUG:a.b:d\n")
        self.assertEqual(self.records("log.setLevel(logging.ERROR)\nlog.warning('w')"), [])
        self.assertEqual(self.records("log.propagate = False\nlog.error('w')"), [])
        self.assertEqual(self.host.evaluate("len(logging.getLogger().handlers)"), 1)

    def test_an_exception_goes_with_its_record(self):
        [event] = self.told("try: 1/0\nexcept ZeroDivisionError: log.exception('failed')", log=True)
        self.assertEqual((event["level"], event["message"], event["exception"]["type"]), ("ERROR", "failed", "ZeroDivisionError"))

    def test_arguments_that_do_not_fit(self):
        [(_, _, message)] = self.records("log.warning('x %d', 'y')")
        self.assertIn("x %d (TypeError", message)

    def test_what_cannot_be_written(self):
        self.host.evaluate("class Odd:\n    def __init__(self, s): self.s = s\n    def __str__(self): return self.s()\nNone")
        [(_, _, message)] = self.records("log.warning(Odd(lambda: 1 / 0))")
        self.assertEqual(message, "<__main__.Odd, whose __str__ raised ZeroDivisionError> (ZeroDivisionError: division by zero)")
        [(_, _, message)] = self.records("log.warning(Odd(lambda: 5))")
        self.assertRegex(message, r"TypeError: .*__str__(\(\) must return a str| returned non-string)")
        [(_, _, message)] = self.records("class E(Exception):\n    def __str__(s): 1 / 0\ndef fail(): raise E\nlog.warning('%s', Odd(fail))")
        self.assertEqual(message, "%s (E: <__main__.E, whose __str__ raised ZeroDivisionError>)")
        self.assertEqual([message for _, _, message in self.records("log.warning('%s %s', 1)\nlog.warning('went on')")][1:], ["went on"])
        odd = "logging.makeLogRecord({'levelname': 5, 'name': None, 'msg': '\\udc80', 'exc_info': (1,)})"
        self.assertEqual(self.records("log.handle(%s)" % odd), [("5", "None", "\\udc80")])

    def test_the_stack_goes_behind_the_message(self):
        [(_, _, message)] = self.records("def f():\n    log.warning('here', stack_info=True)\nf()")
        self.assertTrue(message.startswith("here\nStack (most recent call last):\n  File "))
        self.assertNotIn("/beep_python/_", message)
        self.assertRegex(message, r'\n  File "[^"]*", line 3, in <module>\n    f\(\)\n  File "[^"]*", line 2, in f\n.*stack_info=True\)$')

    def test_what_another_level_is_called(self):
        self.assertEqual(self.records("logging.addLevelName(35, 'LOUD')\nlog.log(35, 'l')"), [("LOUD", "a.b", "l")])


class Outputs(SessionTest):
    def outputs(self, code, outputs, **more):
        return self.read(EVALUATE, expression=code, outputs=outputs, **more)

    def test_names_beside_the_value(self):
        self.assertEqual(self.outputs("x = 1\ny = 'b'\nx + 1", ["x", "y"]), {"value": 2, "outputs": {"x": {"value": 1}, "y": {"value": "b"}}})
        self.assertEqual(self.outputs("x = 5", ["x", "nobody"]), {"value": None, "outputs": {"x": {"value": 5}}})
        self.assertEqual(self.outputs("1", []), {"value": 1, "outputs": {}})
        self.assertEqual(self.outputs("1", ["x"]), {"value": 1, "outputs": {"x": {"value": 5}}})

    def test_with_locals(self):
        self.assertEqual(self.outputs("x = n * 2", ["x", "n"], locals={"n": 4}), {"value": None, "outputs": {"x": {"value": 8}, "n": {"value": 4}}})
        self.assertEqual(self.evaluate("'n' in globals()"), False)

    def test_what_has_no_value_is_a_handle(self):
        told = self.outputs("x = object()\nx", ["x"])
        self.assertEqual((told["typeName"], told["outputs"]["x"]["typeName"]), ("object", "object"))
        self.assertNotEqual(told["handleId"], told["outputs"]["x"]["handleId"])

    def test_awaited_code_and_names_as_python_reads_them(self):
        self.assertEqual(self.outputs("import asyncio\nx = await asyncio.sleep(0, 3)", ["x"])["outputs"], {"x": {"value": 3}})
        self.assertEqual(self.outputs("ſ = 1", ["ſ"])["outputs"], {"ſ": {"value": 1}})

    def test_the_same_body_twice(self):
        for _ in range(3):
            self.assertEqual(self.outputs("1", ["x"]), {"value": 1, "outputs": {}})

    def test_what_are_no_names(self):
        for outputs in ("x", [1], {"x": 1}):
            self.assertEqual(self.refused(EVALUATE, expression="1", outputs=outputs)[0], "invalid_request")

    def test_too_much(self):
        self.session.streams.result_bytes = 50
        self.assertEqual(self.refused(EVALUATE, expression="x = object()\ny = 'y' * 50", outputs=["x", "y"])[0], "result_too_large")
        self.assertEqual(self.session.handles.held, {})


class Returned(SessionTest):
    def setUp(self):
        super().setUp()
        self.session.client.write = lambda kind, body: None

    def test_what_a_generator_returns(self):
        code = "def g():\n    yield 1\n    return %s\ng()"
        self.assertEqual(self.read(STREAM, expression=code % 5), {"done": True, "count": 1, "returned": {"value": 5}})
        self.assertEqual(self.read(STREAM, expression=code % "None"), {"done": True, "count": 1})
        self.assertEqual(self.read(STREAM, expression=code % "object()")["returned"]["typeName"], "object")
        self.assertEqual(self.read(STREAM, expression="[1]"), {"done": True, "count": 1})
        told = self.read(STREAM, expression=code % "'r'", credit=1)
        self.assertEqual(self.read(NEXT, handleId=told["handleId"], credit=1), {"done": True, "count": 0, "returned": {"value": "r"}})


class Locals(Told):
    def frames(self, code):
        _, kind, answer = self.follow(code, locals=True)
        self.assertEqual(kind, _wire.EXCEPTION)
        return [frame.get("locals") for frame in answer["exception"]["traceback"]]

    def test_variables_of_each_frame(self):
        code = "import os\nunused = 5\ndef f(a, b=2):\n    c = [a] * 3\n    return a / 0\nn = 7\nf(n)"
        module, function = self.frames(code)
        self.assertEqual(function, {"a": "7", "b": "2", "c": "[7, 7, 7]"})
        self.assertEqual(module["n"], "7")
        self.assertNotIn("os", module)

    def test_only_on_request(self):
        self.assertNotIn("locals", self.host.fails("1/0")["traceback"][0])

    def test_they_are_bounded(self):
        code = "def f():\n    x = 'x' * 10000\n    y = list(range(10000))\n    %s\n    1/0\nf()" % "; ".join("v%d = 'v' * 300" % n for n in range(100))
        told = self.frames(code)[1]
        self.assertEqual(len(told), 50)
        self.assertTrue(all(len(text) <= 200 for text in told.values()))
        deep = "def f(n):\n    %s\n    return f(n - 1) if n else 1/0\nf(90)" % "; ".join("v%d = 'v' * 300" % n for n in range(40))
        self.assertLess(sum(len(text) for told in self.frames(deep) for text in told.values()), 80_000)
        self.assertEqual(self.frames(deep)[-1]["n"], "0")

    def test_a_repr_that_fails_or_is_interrupted(self):
        self.host.evaluate("class Bad:\n    def __repr__(self): raise SystemExit(1)\nclass Slow:\n    def __repr__(self):\n        print('on')\n        while True: pass\nNone")
        self.assertIn("raised SystemExit", self.frames("def f():\n    x = Bad()\n    1/0\nf()")[1]["x"])
        request_id = self.host.next_id()
        self.host.send_as(request_id, _wire.REQUEST_LIMITS, {"locals": True})
        self.host.send_as(request_id, EVALUATE, {"expression": "def f():\n    x = Slow()\n    1/0\nf()"})
        self.host.until("on\n")
        self.host.cancel(request_id)
        kind, body = self.host.outcome(request_id)
        self.assertEqual((kind, body[0], json.loads(body[1:])["exception"]["type"]), (_wire.LATE, _wire.EXCEPTION, "ZeroDivisionError"))
        self.assertEqual(self.host.evaluate("1+1"), 2)
