"""What failed code held is free once its call is answered, without a collection: nothing of ours keeps its frames."""

import fcntl
import json
import os
import tempfile

from beep_python import _wire

from .host import CALL, EVALUATE, GETATTR, WorkerTest

STREAM, NEXT, INVOKE, VALUE, AWAIT, BATCH = 13, 14, 22, 25, 26, 27
EXECUTE = 12

SET_UP = """
import asyncio, gc, sys, weakref
gc.disable()
class Big:
    def __init__(self): alive.append(weakref.ref(self))
alive = []
def left():
    return sum(ref() is not None for ref in alive)
def fails():
    big = Big()
    raise ValueError("sync")
async def fails_async(error=ValueError):
    big = Big()
    await asyncio.sleep(0)
    raise error("async")
async def through():
    outer = Big()
    await fails_async()
def generator():
    big = Big()
    yield 1
    raise ValueError("generator")
async def async_generator(error=ValueError):
    big = Big()
    yield 1
    await asyncio.sleep(0)
    raise error("async generator")
"""


class Release(WorkerTest):
    def setUp(self):
        super().setUp()
        self.host.evaluate(SET_UP + "\nNone")

    def assert_released(self, made):
        self.assertEqual(self.host.evaluate("(len(alive), left())"), [made, 0])
        self.assertTrue(self.host.evaluate("not gc.isenabled()"))

    def fails(self, code, made=1, operation=EVALUATE):
        with self.subTest(code=code):
            self.host.evaluate("alive.clear()")
            kind, told = self.host.call(operation, {"expression": code})
            self.assertEqual(kind, _wire.EXCEPTION, told)
            self.assert_released(made)

    def handle(self, code):
        request = {"expression": code, "returnType": "handle"}
        kind, told = self.host.call(EVALUATE, request)
        self.assertEqual(kind, _wire.HANDLE, told)
        return json.loads(told)["handleId"]

    def call_fails(self, operation, made=1, **body):
        kind, told = self.host.call(operation, body)
        self.assertEqual(kind, _wire.EXCEPTION, told)
        self.assert_released(made)

    def test_synchronous_code(self):
        self.fails("fails()")
        self.fails("fails()", operation=EXECUTE)
        self.fails("def f():\n    kept = Big()\n    fails()\nf()", 2)
        self.fails("try: fails()\nexcept ValueError as e: raise KeyError from e")
        self.fails("list(generator())")
        self.fails("def f():\n    big = Big()\n    raise SystemExit(3)\nf()")
        self.fails("def f():\n    big = Big()\n    raise KeyboardInterrupt\nf()")

    def test_top_level_await(self):
        self.fails("await fails_async()")
        self.fails("await fails_async()", operation=EXECUTE)
        self.fails("await through()", 2)
        self.fails("async def f():\n    big = Big()\n    raise ValueError\nawait f()")  # without a step of the loop
        self.fails("x = await fails_async()\nx")
        self.fails("async def f():\n    big = Big()\n    me = asyncio.current_task()\n    await fails_async()\nawait f()", 2)
        for error in ("SystemExit", "KeyboardInterrupt", "asyncio.CancelledError", "OSError"):
            self.fails("await fails_async(%s)" % error)

    def test_what_awaits_with_help_of_asyncio(self):
        self.fails("await asyncio.wait_for(fails_async(), 10)")
        self.fails("await asyncio.gather(fails_async(), asyncio.sleep(0))")
        self.fails("await asyncio.shield(fails_async())")
        self.fails("await asyncio.ensure_future(fails_async())")
        self.fails("if hasattr(asyncio, 'TaskGroup'):\n    async with asyncio.TaskGroup() as group: group.create_task(fails_async())\nelse: await fails_async()")
        self.fails("def f():\n    big = Big()\n    raise ValueError\nawait asyncio.get_running_loop().run_in_executor(None, f)")
        self.fails("async with asyncio.Lock():\n    await fails_async()")
        self.fails("if hasattr(asyncio, 'timeout'):\n    async with asyncio.timeout(10) as t: await fails_async()\nelse: await fails_async()")

    def test_asynchronous_generators(self):
        self.fails("[n async for n in async_generator()]")
        self.fails("async for n in async_generator(): pass")
        self.fails("g = async_generator()\nawait g.__anext__()\nawait g.__anext__()")

    def test_an_asynchronous_generator_whose_reader_fails(self):
        """Its clean-up may await, so it is the next thing that the loop does."""
        code = "async def f():\n    async for n in async_generator():\n        raise ValueError\nawait f()"
        self.assertEqual(self.host.call(EVALUATE, {"expression": code})[0], _wire.EXCEPTION)
        self.host.until_at_rest()
        self.assert_released(1)

    def test_operations_that_run_coroutines(self):
        module = self.handle("__import__('types').SimpleNamespace(f=fails_async, g=async_generator, Made=through)")
        self.call_fails(CALL, handleId=module, methodName="f")
        self.host.evaluate("alive.clear()")
        self.call_fails(3, 2, moduleHandleId=module, className="Made")
        self.host.evaluate("alive.clear()")
        self.call_fails(INVOKE, handleId=self.handle("fails_async"))
        self.host.evaluate("alive.clear()")
        kind, told = self.host.call(CALL, {"handleId": module, "methodName": "g", "returnType": "int[]"})
        self.assertIn(kind, (_wire.EXCEPTION, _wire.REJECTED), told)
        self.assert_released(1)

    def test_awaiting_a_handle(self):
        coroutine = self.handle("fails_async()")
        self.call_fails(AWAIT, handleId=coroutine)
        self.host.evaluate("alive.clear()")
        task = self.handle("asyncio.ensure_future(fails_async(), loop=await asyncio.sleep(0, asyncio.get_running_loop()))")
        kind, told = self.host.call(AWAIT, {"handleId": task})
        self.assertEqual(kind, _wire.EXCEPTION, told)
        self.host.call(7, {"handleId": task})  # until then the task has its exception, as any task
        self.assert_released(1)

    def test_streams(self):
        for code in ("generator()", "async_generator()", "async_generator(SystemExit)", "iter(lambda: fails(), 0)"):
            with self.subTest(code=code):
                self.host.evaluate("alive.clear()")
                request_id = self.host.send(STREAM, {"expression": code}, _wire.EVENTS)
                kind, told = self.host.answer(request_id)
                while kind == _wire.ITEM:
                    kind, told = self.host.answer(request_id)
                self.assertEqual(kind, _wire.EXCEPTION, told)
                self.assert_released(1)

    def test_streams_that_end_or_are_disposed_of(self):
        code = "class Source:\n    def __init__(self): self.big, self.n = Big(), 0\n    def __iter__(self): return self\n"
        code += "    def __next__(self):\n        self.n += 1\n        if self.n > 2: raise StopIteration\n        return self.n\nNone"
        self.host.evaluate(code)
        for credit in (1, 10):
            with self.subTest(credit=credit):
                self.host.evaluate("alive.clear()")
                request_id = self.host.send(STREAM, {"expression": "Source()", "credit": credit}, _wire.EVENTS)
                kind, told = self.host.answer(request_id)
                while kind == _wire.ITEM:
                    kind, told = self.host.answer(request_id)
                if credit == 1:
                    self.host.call(7, {"handleId": json.loads(told)["handleId"]})
                self.assert_released(1)

    def test_a_clean_up_that_fails(self):
        code = "async def g():\n    try:\n        yield 1\n    finally:\n        big = Big()\n        await asyncio.sleep(0)\n        raise ValueError\n"
        request_id = self.host.send(STREAM, {"expression": code + "g()", "credit": 1}, _wire.EVENTS)
        self.assertEqual(self.host.answer(request_id)[0], _wire.ITEM)
        told = json.loads(self.host.answer(request_id)[1])
        self.call_fails(7, handleId=told["handleId"])

    def test_batches(self):
        steps = [{"operation": "eval", "expression": code} for code in ("fails()", "await fails_async()")]
        kind, told = self.host.call(BATCH, {"steps": steps, "stopOnError": False})
        self.assertEqual(kind, _wire.OBJECT, told)
        self.assert_released(2)

    def test_results_that_cannot_be_encoded(self):
        self.host.evaluate(
            "import collections.abc\nclass Bad(collections.abc.Set):\n    def __init__(self): self.big = Big()\n"
            "    def __len__(self): fails()\n    __iter__ = __contains__ = __len__\nNone"
        )
        self.assertEqual(self.host.call(EVALUATE, {"expression": "Bad()", "returnType": "json"})[0], _wire.REJECTED)
        self.assert_released(2)

    def test_attributes_and_reprs_that_raise(self):
        thing = self.handle(
            "type('T', (), {'a': property(lambda self: fails()), 'shape': property(lambda self: fails()), '__repr__': lambda self: fails(),"
            " '__len__': lambda self: fails()})()"
        )
        self.host.evaluate("alive.clear()")
        self.call_fails(GETATTR, handleId=thing, attributeName="a")
        self.host.call(24, {"handleId": thing})
        self.assertEqual(self.host.evaluate("left()"), 0)

    def test_cancelled_calls(self):
        for code in ("while True: pass", "import time\ntime.sleep(1000)", "await asyncio.sleep(1000)"):
            with self.subTest(code=code):
                self.host.evaluate("alive.clear()")
                word = "async " if "await" in code else ""
                body = code.replace("\n", "\n    ")
                whole = "%sdef f():\n    big = Big()\n    print('on')\n    %s\n%sf()" % (word, body, word and "await ")
                request_id = self.host.send(EVALUATE, {"expression": whole})
                self.host.until("on\n")
                if "while" in code:
                    self.host.cancel(request_id)
                else:
                    self.host.cancel_at_rest(request_id)
                self.assertEqual(self.host.answer(request_id)[0], _wire.CANCELLED)
                self.assert_released(1)

    def test_a_lock_is_free_at_once(self):
        with tempfile.NamedTemporaryFile() as file:
            code = "import fcntl\nasync def f():\n    file = open(%r)\n    fcntl.flock(file, fcntl.LOCK_EX)\n    raise ValueError\nawait f()"
            self.assertEqual(self.host.call(EVALUATE, {"expression": code % file.name})[0], _wire.EXCEPTION)
            other = os.open(file.name, os.O_RDONLY)
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                os.close(other)

    def test_nothing_is_kept_in_sys(self):
        for code in ("fails()", "await fails_async()"):
            self.host.call(EVALUATE, {"expression": code})
            self.assertEqual(self.host.evaluate("[name for name in vars(sys) if name.startswith('last_')]"), [])

    def test_clean_up_that_fails_after_the_call_is_told_of(self):
        request_id = self.host.send(
            EVALUATE,
            {
                "expression": "async def f():\n    try:\n        print('on')\n        await asyncio.sleep(1000)\n"
                "    except asyncio.CancelledError: print('once')\n    try: await asyncio.sleep(1000)\n"
                "    finally: raise LookupError('left')\nawait f()"
            },
        )
        self.host.until("on\n")
        self.host.cancel_at_rest(request_id)
        self.host.until("once\n")
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.answer(request_id)[0], _wire.CANCELLED)
        self.host.evaluate("gc.collect()\nNone")
        self.host.until("LookupError: left", self.host.stderr)

