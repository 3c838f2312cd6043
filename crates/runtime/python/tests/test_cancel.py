import os
import tempfile
import time

from beep_python import _wire

from .host import EVALUATE, PATIENCE, WorkerTest

CANCELLED_AFTER_ITS_START = (_wire.CANCELLED, b"started")


class Cancel(WorkerTest):
    def start(self, code):
        """Sends code that prints `on` when it is where it is to be cancelled, and waits for that."""
        request_id = self.host.send(EVALUATE, {"expression": code})
        self.host.until("on\n")
        return request_id

    def test_before_its_start(self):
        first = self.start("import time\nprint('on')\ntime.sleep(1000)")
        second = self.host.send(EVALUATE, {"expression": "ran = True"})
        self.host.mark_cancelled(second)
        self.host.cancel_at_rest(first)
        self.assertEqual(self.host.outcome(first), CANCELLED_AFTER_ITS_START)
        self.assertEqual(self.host.outcome(second), (_wire.CANCELLED, b""))
        self.assertFalse(self.host.evaluate("'ran' in globals()"))

    def test_while_it_runs(self):
        request_id = self.start("print('on')\nwhile True: pass")
        self.assertTrue(self.host.has_started(request_id))
        self.assertEqual(self.host.running(), request_id)
        self.host.cancel(request_id)
        self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)

    def test_while_it_waits(self):
        locked = "import threading\nlock = threading.Lock()\nlock.acquire()\nprint('on')\nlock.acquire()"
        for code in ("import time\nprint('on')\ntime.sleep(1000)", locked, "import os\nr, w = os.pipe()\nprint('on')\nos.read(r, 1)"):
            with self.subTest(code=code):
                request_id = self.start(code)
                self.host.cancel_at_rest(request_id)
                self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)

    def test_the_session_keeps_its_state(self):
        self.host.evaluate("kept = 5")
        request_id = self.start("kept = 6\nprint('on')\nwhile True: pass")
        self.host.cancel(request_id)
        self.host.answer(request_id)
        self.assertEqual(self.host.evaluate("kept"), 6)

    def test_a_signal_without_a_cancel_does_nothing(self):
        code = "import os, signal\nos.kill(os.getpid(), 50)\n'went on'"
        self.assertEqual(self.host.evaluate(code), "went on")

    def test_a_signal_for_another_request_does_nothing(self):
        self.host.page[64:96] = b"\1" * 32
        slot = (self.host.last + 1) % 32
        self.host.page[64 + slot] = 0
        code = "import os, signal\nos.kill(os.getpid(), 50)\n'went on'"
        self.assertEqual(self.host.evaluate(code), "went on")

    def test_a_late_signal_does_nothing(self):
        request_id = self.host.send(EVALUATE, {"expression": "1+1"})
        self.assertEqual(self.host.answer(request_id), (_wire.VALUE, b"2"))
        for _ in range(10):
            self.host.cancel(request_id)
            self.assertEqual(self.host.evaluate("2+2"), 4)

    def test_a_repetition_of_a_signal_that_was_taken_does_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            gate = os.path.join(folder, "gate")
            os.mkfifo(gate)
            request_id = self.start(
                "import time\ntry:\n    print('on')\n    time.sleep(1000)\nfinally:\n    print('cleans')\n    open(%r).close()\n    print('cleaned')" % gate
            )
            self.host.cancel_at_rest(request_id)
            self.host.until("cleans\n")
            self.host.until_at_rest()
            self.host.repeat_interrupt()
            open(gate, "w").close()
        self.host.until("cleaned\n")
        self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)

    def test_the_second_signal_when_the_first_is_swallowed(self):
        request_id = self.start(
            "import time\ntry:\n    print('on')\n    while True: time.sleep(1000)\n"
            "except KeyboardInterrupt: print('swallowed')\nwhile True: time.sleep(1000)"
        )
        self.host.cancel_at_rest(request_id)
        self.host.until("swallowed\n")
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)

    def test_code_that_swallows_it_and_ends_has_its_value_late(self):
        request_id = self.start("try:\n    print('on')\n    while True: pass\nexcept KeyboardInterrupt: n = 5\nn")
        self.host.cancel(request_id)
        self.assertEqual(self.host.outcome(request_id), (_wire.LATE, _wire.VALUE.to_bytes(1, "little") + b"5"))
        self.assertEqual(self.host.evaluate("n"), 5)  # what follows is in time

    def test_code_that_makes_another_exception_of_it_has_that_late(self):
        request_id = self.start("try:\n    print('on')\n    while True: pass\nexcept KeyboardInterrupt: raise ValueError(1) from None")
        self.host.cancel(request_id)
        kind, answer = self.host.answer(request_id)
        self.assertEqual((kind, answer[0]), (_wire.LATE, _wire.EXCEPTION))

    def test_a_keyboard_interrupt_of_its_own_is_an_exception(self):
        self.assertEqual(self.host.fails("raise KeyboardInterrupt")["type"], "KeyboardInterrupt")

    def test_while_the_answer_is_made(self):
        request_id = self.start(
            "import collections.abc\nclass A(collections.abc.Set):\n    def __len__(self):\n        print('on')\n"
            "        while True: pass\n    __iter__ = __contains__ = __len__\nA()"
        )
        self.host.cancel(request_id)
        self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)

    def test_code_that_took_the_signal_has_it_for_itself_only(self):
        self.host.evaluate("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nNone")
        request_id = self.start("print('on')\nwhile True: pass")
        self.host.cancel(request_id)
        self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)

    def test_cancels_without_pause(self):
        for _ in range(300):
            request_id = self.host.send(EVALUATE, {"expression": "sum(range(1000))"})
            self.host.mark_cancelled(request_id)
            for _ in range(3):
                self.host.interrupt()
            kind, body = self.host.outcome(request_id)
            self.assertIn((kind, body), ((_wire.CANCELLED, b""), CANCELLED_AFTER_ITS_START, (_wire.VALUE, b"499500")))
        self.assertEqual(self.host.evaluate("1+1"), 2)


class CancelAwaited(Cancel):
    """What awaits is cancelled as its task first; the rest holds in a session with an event loop too."""

    def setUp(self):
        super().setUp()
        self.host.evaluate("import asyncio\nawait asyncio.sleep(0)")

    def test_its_task_is_cancelled(self):
        for _ in range(2):
            request_id = self.start(
                "async def f():\n    try:\n        print('on')\n        await asyncio.sleep(1000)\n"
                "    except asyncio.CancelledError:\n        print('cleaned up')\n        raise\nawait f()"
            )
            self.host.cancel_at_rest(request_id)
            self.host.until("cleaned up\n")
            self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)

    def test_then_it_is_interrupted(self):
        request_id = self.start(
            "async def f():\n    try:\n        print('on')\n        await asyncio.sleep(1000)\n"
            "    except asyncio.CancelledError: print('swallowed')\n    await asyncio.sleep(1000)\nawait f()"
        )
        self.host.cancel_at_rest(request_id)
        self.host.until("swallowed\n")
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)

    def test_busy_code_in_a_coroutine(self):
        request_id = self.start("async def f():\n    print('on')\n    while True: pass\nawait f()")
        self.host.cancel(request_id)  # is seen only when the coroutine awaits
        self.host.cancel(request_id)
        end = time.monotonic() + PATIENCE
        while not self.host.has_answer():
            self.assertLess(time.monotonic(), end, "there is no answer")
            self.host.interrupt()
        self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)
        self.assertEqual(self.host.output(self.host.stderr), "")

    def test_what_an_interrupt_left_behind_is_cancelled(self):
        request_id = self.start(
            "async def f():\n    try:\n        print('on')\n        await asyncio.sleep(1000)\n"
            "    except asyncio.CancelledError: print('once')\n    try: await asyncio.sleep(1000)\n"
            "    finally: print('left')\nawait f()"
        )
        self.host.cancel_at_rest(request_id)
        self.host.until("once\n")
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id), CANCELLED_AFTER_ITS_START)
        self.host.until("left\n")  # while the session is idle
