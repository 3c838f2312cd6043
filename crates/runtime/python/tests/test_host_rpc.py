import json
import os
import time
import unittest
from unittest import mock

import beep_python
from beep_python import _host_rpc, _wire
from beep_python._interrupts import InterruptGate

from .host import EVALUATE, PATIENCE, WorkerTest, readable

CALL, RESULT, ERROR, PROGRESS, WITHDRAW = 96, 97, 98, 99, 103


class HostCalls(WorkerTest):
    """Calls from Python to the host, answered here."""

    def setUp(self):
        super().setUp()
        self.withdrawn = []
        self.host.evaluate("import beep_python, threading\nmanager = beep_python.VenvManager('ignored', logger=None)\nNone")

    def start(self, code):
        """Sends code that calls the host."""
        return self.host.send(EVALUATE, {"expression": code})

    def exactly(self, size):
        data = b""
        while len(data) < size:
            readable(self.host.host_calls)
            more = os.read(self.host.host_calls, size - len(data))
            self.assertTrue(more, "the worker closed its end")
            data += more
        return data

    def next_message(self):
        """Type, id and body of what comes next."""
        size, message_type, flags, version, request_id = _wire.HEADER.unpack(self.exactly(_wire.HEADER_BYTES))
        self.assertEqual((flags, version), (0, _wire.VERSION))
        return message_type, request_id, self.exactly(size)

    def next_request(self):
        """Id, method and parameters of the next call. What is withdrawn by then is noted."""
        message_type, request_id, body = self.next_message()
        while message_type == WITHDRAW:
            self.withdrawn.append(request_id)
            message_type, request_id, body = self.next_message()
        self.assertEqual(message_type, CALL)
        call = json.loads(body)
        return request_id, call["method"], call["params"]

    def reply(self, request_id, message_type, body):
        for part in _wire.frames(message_type, request_id, json.dumps(body).encode()):
            _wire.write_all(self.host.host_answers, part)

    def value(self, request_id):
        message_type, body = self.host.answer(request_id)
        self.assertEqual(message_type, _wire.VALUE, body)
        return json.loads(body)

    def test_a_result(self):
        request_id = self.start("manager.create('x')")
        call, method, params = self.next_request()
        self.assertEqual((method, params), ("venv.create", {"name": "x"}))
        self.reply(call, RESULT, {"path": "/p"})
        self.assertEqual(self.value(request_id), "/p")

    def test_an_error_is_raised_where_the_call_stands(self):
        request_id = self.start("manager.delete('x')")
        self.reply(self.next_request()[0], ERROR, {"code": "unknown_environment", "detail": "no x"})
        message_type, body = self.host.answer(request_id)
        body = json.loads(body)["exception"]
        self.assertEqual((message_type, body["type"], body["message"]), (_wire.EXCEPTION, "beep_python.HostError", "no x"))
        self.assertEqual([frame["code"] for frame in body["traceback"]], ["manager.delete('x')"])
        request_id = self.start("try: manager.delete('x')\nexcept beep_python.HostError as error: code = error.code\ncode")
        self.reply(self.next_request()[0], ERROR, {"code": "unknown_environment", "detail": "no x"})
        self.assertEqual(self.value(request_id), "unknown_environment")

    def test_progress(self):
        request_id = self.start("seen = []\nmanager.ensure_provider_environment('x', progress=seen.append)\nseen")
        call, method, params = self.next_request()
        self.assertEqual((method, params), ("venv.ensure_provider", {"provider": "x", "modelId": None}))
        self.reply(call, PROGRESS, {"stage": "one"})
        self.reply(call, PROGRESS, {"stage": "two"})
        self.reply(call, RESULT, {"path": "/p"})
        self.assertEqual(self.value(request_id), [{"stage": "one"}, {"stage": "two"}])

    def test_long_answers(self):
        request_id = self.start("len(manager.list()[0])")
        self.reply(self.next_request()[0], RESULT, {"environments": ["x" * 3_000_000]})
        self.assertEqual(self.value(request_id), 3_000_000)

    def test_calls_of_many_threads_answered_out_of_order(self):
        request_id = self.start(
            "got = {}\ndef ask(n): got[n] = manager.create(str(n))\n"
            "threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]\n"
            "for thread in threads: thread.start()\nfor thread in threads: thread.join()\nsorted(got.items())"
        )
        calls = [self.next_request() for _ in range(8)]
        for call, _, params in reversed(calls):
            self.reply(call, RESULT, {"path": "/" + params["name"]})
        self.assertEqual(self.value(request_id), [[n, "/%d" % n] for n in range(8)])

    def test_a_cancelled_call_leaves_the_link_whole(self):
        request_id = self.start("manager.create('first')")
        late = self.next_request()[0]
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id), (_wire.CANCELLED, b"started"))
        request_id = self.start("manager.create('second')")
        call = self.next_request()[0]
        self.assertEqual(self.withdrawn, [late])
        self.reply(late, RESULT, {"path": "/first"})
        self.reply(call, RESULT, {"path": "/second"})
        self.assertEqual(self.value(request_id), "/second")

    def test_cancels_at_any_moment_leave_it_whole(self):
        for n in range(100):
            request_id = self.start("for _ in range(3): manager.create('%d')" % n)
            self.host.cancel(request_id)
            end = time.monotonic() + PATIENCE
            while not self.host.has_answer():
                self.assertLess(time.monotonic(), end, "there is no answer")
                if readable_now(self.host.host_calls):
                    message_type, call, _ = self.next_message()
                    if message_type == CALL:
                        self.reply(call, RESULT, {"path": "/"})
            self.host.answer(request_id)
        self.host.evaluate("0")  # calls that nobody heard of are still to be read, and withdrawn
        while readable_now(self.host.host_calls):
            self.next_message()
        request_id = self.start("manager.create('end')")
        self.reply(self.next_request()[0], RESULT, {"path": "/end"})
        self.assertEqual(self.value(request_id), "/end")

    def test_a_forked_child_has_no_host(self):
        code = (
            "import os\npid = os.fork()\nif not pid:\n    try: manager.list()\n"
            "    except beep_python.HostError: os._exit(5)\nos.waitpid(pid, 0)[1] >> 8"
        )
        self.assertEqual(self.host.evaluate(code), 5)

    def test_a_host_that_is_gone(self):
        self.host.ours.remove(self.host.host_answers)
        os.close(self.host.host_answers)
        self.assertEqual(self.host.fails("manager.list()")["message"], "the host has closed its link")


def readable_now(fd):
    try:
        readable(fd, 0)
    except AssertionError:
        return False
    return True


class CompatModules(WorkerTest):
    """The predecessor's spelling."""

    def test_a_clr_of_ours(self):
        self.host.evaluate("import clr\nclr.AddReference('Beep.Python.Runtime')\nNone")
        self.host.evaluate("from Beep.Python.RuntimeEngine.Infrastructure import VenvManager, IVenvManager\nNone")
        for name in ("beep.python.runtime", "Beep.Python.Runtime.dll", "C:\\lib\\Beep.Python.Runtime.dll", "./Beep.Python.Runtime.DLL"):
            self.assertEqual(self.host.evaluate("clr.AddReference(%r).FullName" % name), "Beep.Python.Runtime", name)
        for name in ("Other", "Beep.Python.Runtime.exe", "Beep.Python", ""):
            self.assertEqual(self.host.fails("clr.AddReference(%r)" % name)["type"], "FileNotFoundError", name)
        self.assertEqual(self.host.fails("import Beep.Nothing")["type"], "ModuleNotFoundError")

    def test_clients_of_servers_are_in_both_namespaces(self):
        self.host.evaluate("import Beep.Python.RuntimeEngine.Infrastructure as one, Beep.Python.RuntimeHost.Services as other, Beep.Python.RuntimeEngine as engine\nNone")
        for name in ("PythonServerLauncher", "IPythonHostBackend", "PythonHostHttp", "PythonHostPipe", "PythonHostRpc", "PythonBackendFactory"):
            self.assertIs(self.host.evaluate("one.%s is other.%s" % (name, name)), True)
        self.assertEqual(self.host.evaluate("engine.PythonBackendConfig().HttpBaseUrl"), "http://localhost:5678")
        for made in ("other.PythonHostHttp('x')", "one.PythonBackendFactory.CreateBackend(engine.PythonBackendType.Pipe)", "one.PythonHostRpc('grpc://x')"):
            self.assertIs(self.host.evaluate("isinstance(%s, one.IPythonHostBackend)" % made), True)
        self.assertIn("is an interface", self.host.fails("one.IPythonHostBackend()")["message"])
        self.assertIs(self.host.evaluate("one.PythonHostHttp('http://localhost:1').InitializeAsync().Result"), False)

    def test_interfaces_are_bases_of_the_classes_that_do_the_work(self):
        self.host.evaluate("import beep_python\nfrom Beep.Python.RuntimeEngine.Infrastructure import *\nNone")
        for interface, kind in (("IVenvManager", "VenvManager"), ("IPythonRuntimeManager", "PythonRuntimeManager")):
            for made in (kind, "beep_python." + kind):
                self.assertIs(self.host.evaluate("isinstance(%s(), %s) and issubclass(%s, %s)" % (made, interface, made, interface)), True)
            self.assertIs(self.host.evaluate("isinstance(1, %s)" % interface), False)
            error = self.host.fails("%s()" % interface)
            self.assertEqual((error["type"], error["message"]), ("TypeError", "%s is an interface: %s() does the work" % (interface, kind)))
        self.assertIs(self.host.evaluate("isinstance(VirtualEnvManager(), IVenvManager)"), True)
        self.assertIs(self.host.evaluate("isinstance(VenvManager(), IPythonRuntimeManager)"), False)


class Shield(unittest.TestCase):
    """A cancel that comes while bytes are moved takes effect after."""

    def setUp(self):
        self.gate = InterruptGate(bytearray(b"\1" * 4096), [0])
        self.gate.slot = 0
        self.ends = [*os.pipe(), *os.pipe()]
        self.link = _host_rpc.HostConnection(self.gate)
        self.link.open(self.ends[0], self.ends[3])
        for fd in self.ends:
            self.addCleanup(os.close, fd)

    def test_a_call_is_written_whole(self):
        def write(fd, data):
            self.gate.interrupt(2, None)
            os.write(fd, data)

        with mock.patch.object(_wire, "write_all", write), self.assertRaises(KeyboardInterrupt):
            self.link.send(CALL, 5, b"body")
        self.assertEqual(os.read(self.ends[2], 100), _wire.HEADER.pack(4, CALL, 0, 1, 5) + b"body")

    def test_what_is_read_is_handed_out(self):
        def reads():
            while True:
                self.gate.interrupt(2, None)
                yield self.link.unparsed.append(os.read(self.ends[0], 100))

        self.link.reads = reads()
        came = self.link.inboxes[5] = []
        os.write(self.ends[1], _wire.HEADER.pack(1, RESULT, 0, 1, 5) + b"7")
        with self.assertRaises(KeyboardInterrupt):
            self.link.wait([])
        self.assertEqual(came, [(RESULT, b"7")])
        self.assertIsNone(self.link.reader)
        self.assertEqual(self.gate.deferrals, 0)


class Arguments(unittest.TestCase):
    """Of the management classes: what is wrong is named, before the host is asked."""

    def test_wrong_ones_are_named(self):
        manager, runtimes = beep_python.VenvManager(), beep_python.PythonRuntimeManager()
        for call, name in (
            (lambda: manager.create(5), "'name' must be text, not int"),
            (lambda: manager.create(None), "'name' must be text, not NoneType"),
            (lambda: manager.install("a", 5), "'packages' must be text, not int"),
            (lambda: manager.install("a", ["numpy"]), "'packages' must be text, not list"),
            (lambda: manager.install("a", "b", progress=1), "'progress' must be callable or None, not int"),
            (lambda: manager.ensure_provider_environment("a", 3), "'model_id' must be text or None, not int"),
            (lambda: manager.ensure_engine_environment(b"a"), "'engine' must be text, not bytes"),
            (lambda: manager.mark_feature("a", 1), "'feature' must be text, not int"),
            (lambda: manager.track_package("a", "b", 2), "'package' must be text, not int"),
            (lambda: manager.lock("a", 7), "'file' must be a path or None, not int"),
            (lambda: manager.clone("a", 1), "'to' must be text, not int"),
            (lambda: manager.repair("a", 3.12), "'python' must be text or None, not float"),
            (lambda: runtimes.use(3), "'name' must be text, not int"),
            (lambda: runtimes.install(3.12), "'version' must be text or None, not float"),
        ):
            with self.subTest(name=name), self.assertRaises(TypeError) as caught:
                call()
            self.assertEqual(str(caught.exception), name)
