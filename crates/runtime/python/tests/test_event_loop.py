import json
import socket
import sys
import unittest

from .data import needs
from .host import CALL, EVALUATE, Host, WorkerTest
from .sessions import DISPOSE


class Await(WorkerTest):
    def test_top_level_await(self):
        self.assertEqual(self.host.evaluate("import asyncio\nawait asyncio.sleep(0, 5)"), 5)
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 6)"), 6)
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0)\nx = 7\nx"), 7)
        self.assertEqual(self.host.evaluate("x = await asyncio.sleep(0, 8)\nx"), 8)
        self.assertIsNone(self.host.evaluate("async with asyncio.Lock():\n    y = 1"))
        self.assertEqual(self.host.evaluate("async def g():\n    yield 1\n[n async for n in g()]"), [1])

    def test_with_locals(self):
        self.assertEqual(self.host.evaluate("import asyncio\nawait asyncio.sleep(0, n)", locals={"n": 3}), 3)

    def test_a_loop_of_its_own_in_synchronous_code(self):
        self.host.evaluate("import asyncio\nasync def two(): return 2\nawait two()")
        self.assertEqual(self.host.evaluate("asyncio.run(two())"), 2)
        self.assertEqual(self.host.evaluate("await two()"), 2)

    def test_what_code_made_before_the_first_await(self):
        made = {
            "a task": ("t = asyncio.ensure_future(asyncio.sleep(0.01, 5), loop=current())", "await t"),
            "a future": ("f = current().create_future()\nf.set_result(5)", "await f"),
            "a queue": ("current()\nq = asyncio.Queue()", "task = asyncio.create_task(q.get())\nawait asyncio.sleep(0)\nawait q.put(5)\nawait task"),
            "what a loop of the code's returned": ("async def make(): return asyncio.ensure_future(asyncio.sleep(0.01, 5))\nt = current().run_until_complete(make())", "await t"),
        }
        # As 3.14 wants it, and as it was before.
        currents = ["def current():\n    loop = asyncio.new_event_loop()\n    asyncio.set_event_loop(loop)\n    return loop\n"]
        if sys.version_info < (3, 14):
            # A fresh policy: workers of tests are forked, up to 3.11 with the loop that the tests' process had.
            currents.append("asyncio.set_event_loop_policy(None)\ndef current(): return asyncio.get_event_loop()\n")
        for current in currents:
            for what, (first, then) in made.items():
                with self.subTest(what=what):
                    host = Host()
                    self.addCleanup(host.end)
                    host.evaluate("import asyncio, warnings\nwarnings.simplefilter('ignore')\n" + current + first + "\nNone")
                    self.assertEqual(host.evaluate(then), 5)

    def test_a_loop_that_code_closed_before_the_first_await(self):
        self.host.evaluate("import asyncio\nloop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)\nloop.close()")
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 5)"), 5)

    def test_a_loop_that_a_thread_runs(self):
        self.host.evaluate(
            "import asyncio, threading\nloop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)\n"
            "begun = threading.Event()\nloop.call_soon(begun.set)\n"
            "threading.Thread(target=loop.run_forever, daemon=True).start()\nbegun.wait()\nNone"
        )
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 5), asyncio.get_running_loop() is loop"), [5, False])
        self.assertEqual(self.host.evaluate("asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 6), loop).result(60)"), 6)

    def test_after_a_loop_of_asyncios(self):
        self.assertEqual(self.host.evaluate("import asyncio\nasync def two(): return 2\nasyncio.run(two())"), 2)
        self.assertEqual(self.host.evaluate("await two()"), 2)
        self.assertEqual(self.host.output(self.host.stderr), "")

    def test_exceptions(self):
        code = "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    raise %s\nawait f()"
        for name in ("ValueError", "SystemExit", "KeyboardInterrupt", "asyncio.CancelledError"):
            with self.subTest(name=name):
                self.assertIn(name.rpartition(".")[2], self.host.fails(code % name)["type"])
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 1)"), 1)
        self.host.evaluate("import gc\ngc.collect()\nNone")
        self.assertEqual(self.host.output(self.host.stderr), "")

    def test_a_result_that_nobody_awaits_is_warned_of_at_its_code(self):
        self.host.evaluate("async def co(): pass")
        for _ in range(2):
            told = json.loads(self.host.call(EVALUATE, {"expression": "co()"})[1])
            self.host.call(DISPOSE, {"handleId": told["handleId"]})
            warned = r"^/\S*/\w+\.py:1: RuntimeWarning: coroutine 'co' was never awaited\n  async def co\(\): pass\n"
            self.assertRegex(self.host.output(self.host.stderr), warned)
        self.host.evaluate("def drop():\n    co()\ndrop()")
        self.assertRegex(self.host.output(self.host.stderr), r"\.py:2: RuntimeWarning: coroutine 'co' was never awaited\n  co\(\)\n")
        self.host.evaluate("import sys\nsys.set_coroutine_origin_tracking_depth(1)\ndrop()")
        self.assertRegex(self.host.output(self.host.stderr), r"never awaited\nCoroutine created at \(most recent call last\)\n  File .*, line 2, in drop\n    co\(\)\n  co\(\)\n")

    def test_a_loop_that_code_closed(self):
        self.host.evaluate("import asyncio\nloop = await asyncio.sleep(0, asyncio.get_running_loop())\nNone")
        self.host.evaluate("loop.close()")
        self.assertEqual(self.host.evaluate("1+1"), 2)
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 5)"), 5)


class Contexts(WorkerTest):
    """What code sets beside an `await` it finds again, as it does without one."""

    def setUp(self):
        super().setUp()
        self.host.evaluate("import asyncio, contextvars, decimal\nvar = contextvars.ContextVar('var', default=0)")

    def check(self, code, expression, expected):
        self.host.evaluate(code + "\nNone")
        for read in (expression, "await asyncio.sleep(0, %s)" % expression):
            with self.subTest(code=code, read=read):
                self.assertEqual(self.host.evaluate(read), expected)

    def test_variables(self):
        self.check("await asyncio.sleep(0)\nvar.set(1)", "var.get()", 1)
        self.check("var.set(2)\nawait asyncio.sleep(0)", "var.get()", 2)
        self.check("async def inner():\n    await asyncio.sleep(0)\n    var.set(3)\nawait inner()", "var.get()", 3)
        self.check("async with asyncio.Lock():\n    var.set(4)", "var.get()", 4)
        self.check("var.set(await asyncio.sleep(0, 5))", "var.get()", 5)
        self.check("token = var.set(6); await asyncio.sleep(0); var.reset(token)", "var.get()", 5)

    def test_variables_without_a_default(self):
        self.check("bare = contextvars.ContextVar('bare')\nawait asyncio.sleep(0)\nbare.set(None)", "bare.get()", None)

    def test_objects_that_say_that_they_are_equal_to_all(self):
        code = "class Same:\n    def __eq__(self, other): return True\n    def __init__(self, n): self.n = n\n"
        self.check(code + "var.set(Same(1))", "var.get().n", 1)
        self.check("await asyncio.sleep(0)\nvar.set(Same(2))", "var.get().n", 2)

    def test_decimal(self):
        self.check("await asyncio.sleep(0)\ndecimal.getcontext().prec = 5", "decimal.getcontext().prec", 5)
        self.check("await asyncio.sleep(0)\ndecimal.setcontext(decimal.Context(prec=7))", "str(decimal.Decimal(1) / 3)", "0.3333333")
        self.check("with decimal.localcontext() as c:\n    c.prec = 3\n    await asyncio.sleep(0)", "decimal.getcontext().prec", 7)

    @needs("numpy")
    def test_numpy(self):
        self.host.evaluate("import numpy as np")
        self.check("await asyncio.sleep(0)\nnp.seterr(divide='ignore', over='raise')", "np.geterr()['over']", "raise")
        self.check("await asyncio.sleep(0)\nnp.set_printoptions(precision=2)", "str(np.array([1.23456]))", "[1.23]")
        self.check("with np.errstate(over='print'), np.printoptions(precision=1):\n    await asyncio.sleep(0)", "[np.geterr()['over'], str(np.array([1.23456]))]", ["raise", "[1.23]"])

    def test_calls_that_fail(self):
        self.host.fails("await asyncio.sleep(0)\nvar.set(1)\n1/0")
        self.assertEqual(self.host.evaluate("var.get()"), 1)

    def test_calls_that_are_interrupted(self):
        request_id = self.host.send(EVALUATE, {"expression": "var.set(1)\nprint('waits')\nawait asyncio.sleep(600)"})
        self.host.until("waits\n")
        self.host.cancel_at_rest(request_id)
        self.host.answer(request_id)
        self.assertEqual(self.host.evaluate("var.get()"), 1)

    @unittest.skipUnless((3, 11) <= sys.version_info < (3, 15), "a task cannot be given the context of the session")
    def test_tokens_are_of_one_context(self):
        for set_and_wait in ("token = var.set(1)\nawait asyncio.sleep(0)", "await asyncio.sleep(0)\ntoken = var.set(1)", "token = var.set(1)"):
            for reset in ("var.reset(token)", "await asyncio.sleep(0)\nvar.reset(token)", "async def f(): var.reset(token)\nawait f()"):
                with self.subTest(set_and_wait=set_and_wait, reset=reset):
                    self.host.evaluate(set_and_wait + "\nNone")
                    self.host.evaluate(reset + "\nNone")
                    self.assertEqual(self.host.evaluate("var.get()"), 0)
        self.host.fails("token = var.set(1)\nawait asyncio.sleep(0)\n1/0")
        self.assertEqual(self.host.evaluate("var.reset(token)\nvar.get()"), 0)
        self.host.evaluate("async def items():\n    token = var.set(2)\n    try:\n        yield 1\n        yield 2\n    finally:\n        var.reset(token)\ng = items()")
        self.assertEqual(self.host.evaluate("await g.__anext__()"), 1)
        self.host.evaluate("await g.aclose()")
        self.assertEqual(self.host.evaluate("var.get()"), 0)

    @unittest.skipIf(sys.version_info < (3, 11), "a task cannot be given a context")
    def test_a_task_that_outlives_its_call_has_its_own(self):
        code = "async def stay():\n    try:\n        raise KeyboardInterrupt\n    finally:\n        left.append(1)\nleft = []\n"
        code += "async def main():\n    asyncio.get_running_loop().call_soon(interrupt)\n    try:\n        await asyncio.sleep(600)\n"
        code += "    finally:\n        await asyncio.sleep(0)\n        var.set(9)\n        left.append(var.get())\ndef interrupt(): raise KeyboardInterrupt\nawait main()"
        self.host.fails(code)
        self.host.evaluate("while not left: await asyncio.sleep(0)")
        self.assertEqual(self.host.evaluate("left"), [9])
        self.assertEqual(self.host.evaluate("var.get()"), 0)

    def test_a_loop_that_makes_other_tasks(self):
        for factory in ("lambda loop, coroutine, **options: asyncio.Task(coroutine, loop=loop, **options)", "asyncio.eager_task_factory"):
            if factory.startswith("lambda") or sys.version_info >= (3, 12):
                self.host.evaluate("await asyncio.sleep(0)\nasyncio.get_running_loop().set_task_factory(%s)" % factory)
                self.check("await asyncio.sleep(0)\nvar.set(var.get() + 1)\nseen = var.get()", "var.get() - seen", 0)

    def test_coroutines_that_an_operation_gives(self):
        kept = "class Thing:\n    async def set(self, n):\n        await asyncio.sleep(0)\n        var.set(n)\nthing = Thing()\nthing"
        handle = json.loads(self.host.call(EVALUATE, {"expression": kept})[1])["handleId"]
        self.host.call(CALL, {"handleId": handle, "methodName": "set", "args": [7]})
        self.assertEqual(self.host.evaluate("var.get()"), 7)

    def test_tasks_keep_theirs_to_themselves(self):
        code = "async def other():\n    var.set(1)\nawait asyncio.create_task(other())\nawait asyncio.gather(other(), other())"
        self.check(code, "var.get()", 0)


class Idle(WorkerTest):
    def begin(self, body):
        """A background task that waits until the session is idle, then does this."""
        self.host.evaluate(
            "import asyncio, threading\nidle = asyncio.Event()\nasync def task():\n"
            "    loop = asyncio.get_running_loop()\n    await idle.wait()\n    %s\n"
            "background = await asyncio.sleep(0, asyncio.ensure_future(task()))\n"
            "loop = await asyncio.sleep(0, asyncio.get_running_loop())\nNone" % body.replace("\n", "\n    ")
        )
        self.host.evaluate("loop.call_soon(idle.set)\nNone")

    def test_background_tasks_go_on(self):
        self.begin("for n in range(3):\n    await asyncio.sleep(0.001)\nprint('went on')")
        self.host.until("went on\n")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_they_rest_while_synchronous_code_runs(self):
        self.host.evaluate("ticks = []")
        self.begin("while True:\n    ticks.append(1)\n    await asyncio.sleep(0)")
        while not self.host.evaluate("len(ticks)"):
            pass
        code = "before = len(ticks)\nfor _ in range(100000): pass\nlen(ticks) - before"
        self.assertEqual(self.host.evaluate(code), 0)

    def test_tasks_that_want_to_end_the_process(self):
        for error in ("SystemExit(3)", "KeyboardInterrupt"):
            with self.subTest(error=error):
                self.begin("print('ends')\nraise %s" % error)
                self.host.until("ends\n")
                self.host.until("a background task wanted to end the process", self.host.stderr)
                self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_tasks_that_stop_the_loop(self):
        self.begin("loop.stop()\nawait asyncio.sleep(0)\nprint('went on')")
        self.host.until("went on\n")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_tasks_that_fail_are_told_of_by_asyncio(self):
        self.begin("background = None\n1/0")
        self.host.evaluate("background = None")
        self.host.evaluate("import gc\ngc.collect()\nNone")
        self.host.until("ZeroDivisionError", self.host.stderr)

    def test_tasks_that_fork_never_answer(self):
        self.begin("import os\npid = os.fork()\nif pid: print(os.waitpid(pid, 0)[1])")
        self.host.until("0\n")
        self.assertEqual(self.host.evaluate("1+1"), 2)


class Quiet(WorkerTest):
    """A loop that has nothing to do is not run between calls; what gives it something to do is not missed."""

    def setUp(self):
        super().setUp()
        self.host.evaluate(
            "import asyncio, os, socket, threading\n"
            "loop = await asyncio.sleep(0, asyncio.get_running_loop())\n"
            "def keep(coroutine):\n    global background\n    background = asyncio.run_coroutine_threadsafe(coroutine, loop)\n"
            "runs, run_forever = [], loop.run_forever\n"
            "def counted():\n    runs.append(1)\n    run_forever()\n"
            "loop.run_forever = counted\nNone"
        )

    def runs(self):
        return self.host.evaluate("len(runs)")

    def test_calls_in_between_cost_no_run_of_it(self):
        self.host.evaluate("async def rest():\n    print('rests')\n    await asyncio.sleep(3600)\nkeep(rest())")
        self.host.until("rests\n")
        before = self.runs()
        for _ in range(10):
            self.assertEqual(self.host.evaluate("1+1"), 2)
        self.assertEqual(self.runs(), before)

    def test_a_timer(self):
        self.host.evaluate("async def late():\n    await asyncio.sleep(0.01)\n    print('rang')\nkeep(late())")
        self.host.until("rang\n")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_a_timer_of_ages(self):
        self.host.evaluate("loop.call_later(1e9, print)\nNone")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_a_thread(self):
        self.host.evaluate("go_on = threading.Event()\ndef body():\n    go_on.wait()\n    loop.call_soon_threadsafe(print, 'told')")
        self.host.evaluate("threading.Thread(target=body).start()\ncalls = loop.run_in_executor(None, go_on.wait)\nNone")
        self.host.until_at_rest()
        self.host.evaluate("go_on.set()")
        self.host.until("told\n")
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_a_connection(self):
        self.host.evaluate(
            "async def serve(reader, writer):\n    writer.write(await reader.readline())\n    writer.close()\n"
            "server = await asyncio.start_server(serve, '127.0.0.1', 0)"
        )
        port = self.host.evaluate("server.sockets[0].getsockname()[1]")
        for _ in range(3):
            self.host.until_at_rest()
            with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                client.sendall(b"again\n")
                self.assertEqual(client.makefile().readline(), "again\n")
            self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_calls_without_a_pause_do_not_hold_it_up(self):
        self.host.evaluate("steps = []\nasync def walk():\n    for n in range(20):\n        steps.append(n)\n        await asyncio.sleep(0)\nkeep(walk())")
        for _ in range(1000):
            if self.host.evaluate("len(steps)") == 20:
                return
        self.fail("the task had no step between a thousand calls")

    def test_a_loop_that_is_closed_while_nothing_is_to_do(self):
        self.host.evaluate("loop.close()")
        self.assertEqual(self.host.evaluate("1+1"), 2)
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 5)"), 5)
        self.assertEqual(self.host.evaluate("1+1"), 2)
