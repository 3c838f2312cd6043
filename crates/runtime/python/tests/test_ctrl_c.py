import json

from beep_python import _wire

from .host import EVALUATE, WorkerTest


class CtrlC(WorkerTest):
    """A single interrupt is to the code what Ctrl-C in a terminal is to a program."""

    def start(self, code):
        """Sends code that prints `on` when it is where Ctrl-C is pressed, and waits for that."""
        request_id = self.host.send(EVALUATE, {"expression": code})
        self.host.until("on\n")
        return request_id

    def answer(self, request_id):
        """The answer, also where an interrupt came before."""
        kind, body = self.host.outcome(request_id)
        return (body[0], body[1:]) if kind == _wire.LATE else (kind, body)

    def press_at_rest(self, request_id):
        self.host.until_at_rest()
        self.host.press_ctrl_c(request_id)

    def raised(self, request_id):
        kind, body = self.answer(request_id)
        self.assertEqual(kind, _wire.EXCEPTION)
        return json.loads(bytes(body))["exception"]

    def test_uncaught_it_is_an_exception_that_says_where_the_code_was(self):
        for code in ("print('on')\nwhile True: pass", "import time; print('on')\ntime.sleep(1000)"):
            request_id = self.start(code)
            if "sleep" in code:
                self.host.until_at_rest()
            self.host.press_ctrl_c(request_id)
            exception = self.raised(request_id)
            self.assertEqual((exception["type"], exception["traceback"][-1]["function"]), ("KeyboardInterrupt", "<module>"))

    def test_tasks_that_wait_for_their_turn_do_not_run_before(self):
        request_id = self.start(
            "import asyncio, time\nran = []\nasync def one():\n    ran.append(1)\n    time.sleep(0.01)\n"
            "print('on')\nawait asyncio.gather(*[one() for _ in range(2000)])"
        )
        self.host.press_ctrl_c(request_id)
        self.raised(request_id)
        self.assertLess(self.host.evaluate("len(ran)"), 2000)

    def test_a_handler_of_the_codes_is_given_the_codes_frame(self):
        request_id = self.start(
            "import signal, time\nnames = []\ndef handler(number, frame): names.append(frame.f_code.co_name)\n"
            "old = signal.signal(signal.SIGINT, handler)\ndef wait():\n    print('on')\n    while not names: time.sleep(0.001)\n"
            "wait()\nsignal.signal(signal.SIGINT, old)\nnames"
        )
        self.host.press_ctrl_c(request_id)
        kind, body = self.answer(request_id)
        self.assertEqual((kind, json.loads(bytes(body))), (_wire.VALUE, ["wait"]))

    def test_a_handler_is_given_that_frame_too_where_a_write_was_under_way(self):
        request_id = self.start(
            "import signal\nnames = []\ndef handler(number, frame): names.append(frame.f_code.co_name)\n"
            "old = signal.signal(signal.SIGINT, handler)\ndef write():\n    while not names: print('on')\n"
            "write()\nsignal.signal(signal.SIGINT, old)\nnames"
        )
        self.host.press_ctrl_c(request_id)
        kind, body = self.answer(request_id)
        self.assertEqual((kind, json.loads(bytes(body))), (_wire.VALUE, ["write"]))

    def test_code_that_catches_it_goes_on_and_can_be_interrupted_again(self):
        request_id = self.start(
            "import time\nn = 0\ntry:\n    print('on')\n    time.sleep(1000)\nexcept KeyboardInterrupt: n += 1\n"
            "try:\n    print('again')\n    time.sleep(1000)\nexcept KeyboardInterrupt: n += 1\nn"
        )
        self.press_at_rest(request_id)
        self.host.until("again\n")
        self.press_at_rest(request_id)
        self.assertEqual(self.answer(request_id), (_wire.VALUE, b"2"))

    def test_each_reaches_a_handler_of_the_code(self):
        request_id = self.start(
            "import signal, time\nn = []\nsignal.signal(signal.SIGINT, lambda *about: n.append(about[0]))\n"
            "print('on')\nwhile not n: time.sleep(0.01)\nprint('one')\nwhile len(n) < 2: time.sleep(0.01)\nn"
        )
        self.host.press_ctrl_c(request_id)
        self.host.until("one\n")
        self.host.press_ctrl_c(request_id)
        self.assertEqual(self.answer(request_id), (_wire.VALUE, b"[2,2]"))

    def test_code_may_ignore_it(self):
        self.host.evaluate("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nNone")
        request_id = self.start("import time\nprint('on')\nend = time.monotonic() + 0.2\nwhile time.monotonic() < end: pass\n'went on'")
        self.host.press_ctrl_c(request_id)
        self.assertEqual(self.answer(request_id), (_wire.VALUE, b'"went on"'))

    def test_an_awaited_task_is_cancelled_and_the_end_is_that_of_asyncio_run(self):
        request_id = self.start(
            "import asyncio\nasync def f():\n    try:\n        print('on')\n        await asyncio.sleep(1000)\n"
            "    except asyncio.CancelledError:\n        print('cleaned up')\n        raise\nawait f()"
        )
        self.press_at_rest(request_id)
        self.host.until("cleaned up\n")
        exception = self.raised(request_id)
        self.assertEqual((exception["type"], exception["context"]["type"]), ("KeyboardInterrupt", "asyncio.exceptions.CancelledError"))
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 'next')"), "next")

    def test_the_second_interrupts_an_awaited_task_that_caught_the_first(self):
        request_id = self.start(
            "import asyncio\nasync def f():\n    try:\n        print('on')\n        await asyncio.sleep(1000)\n"
            "    except asyncio.CancelledError: print('caught')\n    await asyncio.sleep(1000)\nawait f()"
        )
        self.press_at_rest(request_id)
        self.host.until("caught\n")
        self.press_at_rest(request_id)
        self.assertEqual(self.raised(request_id)["type"], "KeyboardInterrupt")

    def test_one_that_is_late_does_nothing(self):
        request_id = self.host.send(EVALUATE, {"expression": "1+1"})
        self.assertEqual(self.host.outcome(request_id), (_wire.VALUE, b"2"))
        for _ in range(10):
            self.host.press_ctrl_c(request_id)
            self.assertEqual(self.host.evaluate("2+2"), 4)

    def test_a_cancel_after_it_stops_the_request(self):
        request_id = self.start(
            "import time\ntry:\n    print('on')\n    time.sleep(1000)\nexcept KeyboardInterrupt: print('caught')\ntime.sleep(1000)"
        )
        self.press_at_rest(request_id)
        self.host.until("caught\n")
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id), (_wire.CANCELLED, b"started"))
