"""What a client that follows its calls is shown and asked."""

import contextlib
import datetime
import io
import json
import os
import shutil
import tempfile
import unittest

from beep_python import _mime, _wire

from .host import EVALUATE, WorkerTest
from .sessions import SessionTest

EXECUTE, STREAM, NEXT = 12, 13, 14


class Mime(unittest.TestCase):
    def shown(self, obj):
        return json.loads(_mime.write(*_mime.bundle_of(obj)))["data"]

    def test_what_has_no_methods_is_its_repr(self):
        self.assertEqual(self.shown([1, "a"]), {"text/plain": "[1, 'a']"})
        self.assertEqual(self.shown(int), {"text/plain": "<class 'int'>"})

    def test_a_repr_that_raises(self):
        class Bad:
            def __repr__(self):
                raise ValueError

        self.assertIn("whose __repr__ raised ValueError", self.shown(Bad())["text/plain"])

    def test_what_json_cannot_say_is_left_out(self):
        data = {"text/plain": "p", "application/json": {"a": object()}, 5: "x", "image/png": b"\x00"}
        self.assertEqual(json.loads(_mime.write(data, {})), {"data": {"text/plain": "p", "image/png": "AA=="}})

    def test_a_method_that_gives_something_else_is_passed_over(self):
        class Odd:
            def __repr__(self): return "odd"
            def _repr_html_(self): return 5
            def _repr_svg_(self): return b"<svg/>"
            def _repr_png_(self): return {"a": 1}
            def _repr_json_(self): return "text"
            def _repr_latex_(self): return ("$x$", {"a": 1})
            def _repr_mimebundle_(self, include=None, exclude=None): return ["no", "bundle"]

        data, metadata = _mime.bundle_of(Odd())
        self.assertEqual((data, metadata), ({"text/latex": "$x$", "text/plain": "odd"}, {"text/latex": {"a": 1}}))

    def test_dates_in_json(self):
        data = {"application/json": {"a": datetime.date(2026, 1, 2), "b": [1, 2.5]}}
        self.assertEqual(json.loads(_mime.write(data, {}))["data"], {"application/json": {"a": "2026-01-02", "b": [1, 2.5]}})

    def test_a_bundle_that_is_too_large(self):
        told = json.loads(_mime.write({"text/html": "x" * (_mime.MAX_DISPLAY + 1)}, {}))
        self.assertIn("display cut here", told["data"]["text/plain"])


class Rounds(SessionTest):
    def setUp(self):
        super().setUp()
        self.sent = []
        self.session.client.write = lambda kind, body: self.sent.append((kind, body))

    def round(self, operation, **body):
        self.sent.clear()
        return self.read(operation, **body)

    def test_what_shows_itself(self):
        code = "class Itself:\n    def _ipython_display_(self): print('shown')\n    def _repr_html_(self): return '<b>'\n"
        with contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertEqual(self.session.operations[EXECUTE](json.dumps({"expression": code + "Itself()"}).encode(), False)[0], _wire.HANDLE)
        self.assertEqual((out.getvalue(), self.sent), ("shown\n", []))
        declines = "class Declines:\n    def _ipython_display_(self): raise NotImplementedError\n    def __repr__(self): return 'text'\nDeclines()"
        self.session.operations[EXECUTE](json.dumps({"expression": declines}).encode(), False)
        self.assertEqual(json.loads(self.sent[-1][1]), {"data": {"text/plain": "text"}, "isResult": True})

    def test_rounds(self):
        told = self.round(STREAM, expression="(n for n in range(3))", credit=2)
        self.assertEqual((self.sent, told["done"]), ([(_wire.ITEM, b"0"), (_wire.ITEM, b"1")], False))
        self.assertEqual(self.round(NEXT, handleId=told["handleId"]), {"done": True, "count": 1})
        self.assertEqual(self.refused(NEXT, handleId=told["handleId"])[0], "unknown_handle")

    def test_a_round_has_an_end_however_much_is_asked_for(self):
        told = self.round(STREAM, expression="('x' * 100_000 for _ in range(100))", credit=100)
        self.assertEqual((told["count"], told["done"]), (11, False))

    def test_what_is_no_credit(self):
        for credit in (-1, 1.5, "1", True):
            self.assertEqual(self.refused(STREAM, expression="[]", credit=credit)[0], "invalid_request")

    def test_next_of_what_is_no_stream(self):
        self.assertEqual(self.refused(NEXT, handleId=self.keep("[1]"))[0], "invalid_request")


class Events(WorkerTest):
    def test_the_value_is_shown_before_the_answer(self):
        request_id = self.host.send(EXECUTE, {"expression": "1+1"}, _wire.EVENTS)
        self.assertEqual(self.host.answer(request_id), (_wire.DISPLAY, b'{"data":{"text/plain":"2"},"isResult":true}'))
        self.assertEqual(self.host.answer(request_id), (_wire.VALUE, b"2"))

    def test_input_without_a_client_that_answers(self):
        self.assertEqual(self.host.fails("input()")["type"], "EOFError")

    def test_a_cancelled_stream_closes_its_generator(self):
        self.host.evaluate("import time\nlog = []\ndef g():\n    try:\n        yield 1\n        time.sleep(1000)\n    finally: log.append(1)\nNone")
        request_id = self.host.send(STREAM, {"expression": "g()"}, _wire.EVENTS)
        self.assertEqual(self.host.answer(request_id), (_wire.ITEM, b"1"))
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id), (_wire.CANCELLED, b"started"))
        self.assertEqual(self.host.evaluate("log"), [1])

    def test_plain_calls_have_no_events(self):
        self.assertEqual(self.host.call(EVALUATE, {"expression": "display(5)"}), (_wire.VALUE, b"null"))
        self.assertEqual(self.host.output(self.host.stdout), "5\n")

    def test_a_cancel_as_the_first_round_ends_leaves_no_stream_that_nobody_knows(self):
        """The signal comes when the stream has its handle, and the host was not told of it yet."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        go = os.path.join(folder, "go")
        self.host.evaluate(
            "import os, signal, time\nfrom beep_python._handles import Handles\nadd = Handles.add\n"
            "def then_signal(self, thing, **how):\n    hid = add(self, thing, **how)\n    os.kill(os.getpid(), 50)\n    return hid\n"
            "Handles.add = then_signal\n"
            "def g():\n    print('on')\n    while not os.path.exists(%r): time.sleep(0.001)\n    yield 1\n    yield 2" % go
        )
        request_id = self.host.send(STREAM, {"expression": "g()", "credit": 1}, _wire.EVENTS)
        self.host.until("on\n")
        self.host.mark_cancelled(request_id)
        open(go, "w").close()
        self.assertEqual(self.host.answer(request_id)[0], _wire.ITEM)
        kind, told = self.host.answer(request_id)
        self.assertEqual(kind, _wire.OBJECT)
        self.assertFalse(json.loads(told)["done"])
