"""What programs meet beside the operations: connections, the end of programs, trust, data, interrupts."""

import array
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import beep_python_client
from beep_python_client import PythonError, proxy

from .host import server

SOURCE = str(Path(beep_python_client.__file__).resolve().parent.parent)


def program(code, **further):
    """A program that uses the client."""
    environment = {**os.environ, "PYTHONPATH": SOURCE, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **further)


class Connections(unittest.TestCase):
    def test_servers_are_found_by_their_records(self):
        started = subprocess.run(
            [beep_python_client.server.find_command(), "start", "pipe", "--python", os.path.realpath(sys.executable)],
            env={**os.environ, "BEEP_PYTHON_HOME": self.home()}, stdout=subprocess.PIPE, check=True, text=True,
        )
        self.assertIn("unix:", started.stdout)
        code = "import beep_python_client as b\nwith b.connect() as python: print(python.endpoint, python.eval('6 * 7'))"
        found = program(code)
        out, err = found.communicate()
        self.assertRegex(out, r"^unix:.* 42\n$", err)
        listed = subprocess.run(
            [sys.executable, "-m", "beep_python_client"], env={**os.environ, "PYTHONPATH": SOURCE}, stdout=subprocess.PIPE, text=True
        )
        self.assertIn("unix:", listed.stdout)

    def home(self):
        """A home of its own, whose servers end with the test."""
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        before = os.environ["BEEP_PYTHON_HOME"]
        os.environ["BEEP_PYTHON_HOME"] = home.name
        command = [beep_python_client.server.find_command(), "stop", "--all"]
        environment = {**os.environ, "BEEP_PYTHON_HOME": home.name}
        self.addCleanup(subprocess.run, command, env=environment, stdout=subprocess.DEVNULL, check=True)
        self.addCleanup(os.environ.__setitem__, "BEEP_PYTHON_HOME", before)
        return home.name

    def test_no_server_is_told(self):
        with tempfile.TemporaryDirectory() as home:
            environment = {**os.environ, "PYTHONPATH": SOURCE, "BEEP_PYTHON_HOME": home}
            ended = subprocess.run(
                [sys.executable, "-c", "import beep_python_client; beep_python_client.connect()"], env=environment, stderr=subprocess.PIPE, text=True
            )
        self.assertIn("no server runs: start one with", ended.stderr)

    def test_a_connection_that_the_server_closed_is_replaced(self):
        for backend in ("pipe", "http"):
            with beep_python_client.start(pipe=backend == "pipe", http=backend == "http", python=os.path.realpath(sys.executable)) as own:
                python = own.connect()
                self.assertEqual(python.eval("1"), 1)
                endpoint = own.endpoint
            with self.assertRaises(beep_python_client.ServerUnavailable):
                python.eval("1")
            self.assertFalse(endpoint.startswith("unix:") and os.path.exists(endpoint[5:]))

    def test_a_lost_connection_says_whether_the_call_may_have_run(self):
        with beep_python_client.start(python=os.path.realpath(sys.executable)) as own:
            python = own.connect()
            python.eval("1")
            with self.assertRaises(beep_python_client.ConnectionLost) as lost:
                python.eval("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos.kill(" + str(own.record["pid"]) + ", signal.SIGKILL)\nimport time; time.sleep(60)")
            self.assertTrue(lost.exception.may_have_run)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_nothing_is_sent_to_another_users_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.sock")
            code = (
                "import os, socket, sys\nlistening = socket.socket(socket.AF_UNIX)\nos.setuid(12345)\nlistening.bind(sys.argv[1])\n"
                "listening.listen()\nprint('listens', flush=True)\ntaken, _ = listening.accept()\nprint(taken.recv(100))"
            )
            os.chmod(folder, 0o777)
            other = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
            other.stdout.readline()
            with self.assertRaisesRegex(beep_python_client.UntrustedServer, "user 12345 listens there"):
                beep_python_client.connect(f"unix:{path}", token="secret").eval("1")
            self.assertEqual(other.communicate()[0], "b''\n")

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_no_token_goes_to_another_users_port(self):
        code = (
            "import os, socket\nos.setuid(12345)\nowned = socket.socket()\n"
            "owned.bind(('127.0.0.1', 0))\nowned.listen()\nprint(owned.getsockname()[1], flush=True)\ntaken, _ = owned.accept()\nprint(taken.recv(100))"
        )
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        port = other.stdout.readline().strip()
        with self.assertRaisesRegex(beep_python_client.UntrustedServer, "user 12345 listens there"):
            beep_python_client.connect(f"http://127.0.0.1:{port}", token="secret").eval("1")
        self.assertEqual(other.communicate()[0], "b''\n")

    def test_a_token_goes_to_the_own_server(self):
        with beep_python_client.start(http=True, arguments=["--require-token"], python=os.path.realpath(sys.executable)) as own:
            for backend in ("pipe", "http"):
                self.assertEqual(own.connect(backend).eval("1"), 1)
                with self.assertRaises(beep_python_client.Unauthorized):
                    beep_python_client.connect(own.endpoints[backend]).eval("1")

    def test_tls_by_fingerprint(self):
        arguments = ["--tls-self-signed"]
        with beep_python_client.start(pipe=False, http=True, arguments=arguments, python=os.path.realpath(sys.executable)) as own:
            self.assertTrue(own.endpoint.startswith("https:"))
            python = own.connect()
            self.assertEqual([python.eval("'x' * n", locals={"n": n}) for n in (1, 300_000)], ["x", "x" * 300_000])
            self.assertEqual(asyncio.run(own.connect_async().eval("'x' * 300000")), "x" * 300_000)
            with self.assertRaises(beep_python_client.ServerUnavailable):
                beep_python_client.connect(own.endpoint).eval("1")
            with self.assertRaises(beep_python_client.UntrustedServer):
                beep_python_client.connect(f"{own.endpoint}?fingerprint={'00' * 32}").eval("1")

    def test_what_is_no_endpoint_is_told(self):
        for text in ("grpc://127.0.0.1:1", "ftp://a", "unix:", "http://", "https://a?fingerprint=zz"):
            with self.assertRaises(beep_python_client.InvalidRequest, msg=text):
                beep_python_client.connect(text)
        with self.assertRaises(beep_python_client.ServerUnavailable):
            beep_python_client.connect("pipe:there-is-none").eval("1")

    def test_threads_share_a_client(self):
        python = server().connect()
        sessions = [python.create_session() for _ in range(4)]
        got = {}

        def count(session):
            got[session.id] = [session.eval("n * n", locals={"n": n}) for n in range(50)]

        threads = [threading.Thread(target=count, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(list(got.values()), [[n * n for n in range(50)]] * 4)
        for session in sessions:
            session.delete()


class Ends(unittest.TestCase):
    def test_a_server_ends_with_its_program(self):
        for end in ("os.kill(os.getpid(), 9)", "os._exit(0)", "pass"):
            code = f"import os, beep_python_client as b\nserver = b.start(python={os.path.realpath(sys.executable)!r})\nprint(server.record['pid'], server.endpoint)\n{end}"
            out, _ = program(code).communicate()
            pid, endpoint = out.split()
            self.wait_for_end(int(pid))
            self.assertFalse(os.path.exists(endpoint[5:]), end)

    def wait_for_end(self, pid):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        import select

        self.assertTrue(select.select([descriptor], [], [], 30)[0], "the server lives")
        os.close(descriptor)

    def test_ctrl_c_cancels_the_call(self):
        server()
        code = (
            f"import beep_python_client as b\npython = b.connect({server().endpoint!r}).create_session()\n"
            "python.eval('kept = 5')\n"
            "try:\n    python.eval('import time\\nprint(1)\\ntime.sleep(600)', on_output=lambda *_: print('runs', flush=True))\n"
            "except KeyboardInterrupt:\n    print('interrupted', python.eval('kept'), python.info()['calls'])\npython.delete()"
        )
        running = program(code)
        self.assertEqual(running.stdout.readline(), "runs\n")
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        self.assertEqual(out, "interrupted 5 0\n", err)

    def test_a_cancelled_task_cancels_its_call(self):
        async def carry_out():
            python = await server().connect_async().create_session()
            runs = asyncio.Event()
            task = asyncio.ensure_future(python.eval("import time\nprint(1)\ntime.sleep(600)", on_output=lambda *_: runs.set()))
            await runs.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual((await python.info())["calls"], 0)
            await python.delete()

        asyncio.run(carry_out())

    def test_a_call_ends_where_its_listener_fails(self):
        def fail(*_):
            raise LookupError("not today")

        async def carry_out():
            python = await server().connect_async().create_session()
            try:
                with self.assertRaises(LookupError) as kept:
                    await python.eval("import time\nprint(1)\ntime.sleep(600)", on_output=fail)
                self.assertEqual((kept.exception.args, (await python.info())["calls"]), (("not today",), 0))
            finally:
                await python.delete()

        asyncio.run(carry_out())
        with server().connect().create_session() as python:
            with self.assertRaises(LookupError) as kept:
                python.eval("import time\nprint(1)\ntime.sleep(600)", on_output=fail)
            self.assertEqual((kept.exception.args, python.info()["calls"]), (("not today",), 0))

    def test_a_fork_has_connections_and_handles_of_its_own(self):
        with server().connect().create_session() as python:
            kept = python.wrap([1])
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    del kept
                    status = 0 if all(python.eval("n", locals={"n": n}) == n for n in range(200)) else 2
                finally:
                    os._exit(status)
            here = [python.eval("n", locals={"n": -n}) for n in range(200)]
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            self.assertEqual((here, kept.value()), ([-n for n in range(200)], [1]))

    def test_line_ends_get_into_no_header(self):
        python = server().connect("http").with_options(request_id="a\r\nX-Beep-Session: other")
        with self.assertRaises(beep_python_client.InvalidRequest):
            python.put(b"data")

    def test_an_execution_that_is_left_is_cancelled(self):
        with server().connect().create_session() as python:
            for _ in python.execute("import time\nprint(1)\ntime.sleep(600)"):
                break
            self.assertEqual(python.eval("2"), 2)

    def test_handles_are_released(self):
        with server().connect().create_session() as python:
            kept = python.wrap([1])
            for _ in range(3):
                python.wrap([2])
            python.with_options(timeout=60).wrap([3])
            python.eval("1")
            self.assertEqual([handle["repr"] for handle in python.handles()], ["[1]"])
            kept.dispose()
            self.assertEqual(python.handles(), [])


class Uses(unittest.TestCase):
    def test_proxies(self):
        with server().connect().create_session() as python:
            counter = proxy(python.import_module("collections")).Counter("aab")
            counter["z"] = 5
            del counter["b"]
            self.assertEqual((counter["a"], len(counter), "z" in counter, sorted(counter)), (2, 2, True, ["a", "z"]))
            counter.label = "letters"
            self.assertEqual((counter.label, counter.most_common(1)), ("letters", [("z", 5)]))
            self.assertIn("most_common", dir(counter))
            self.assertEqual(python.eval("c['a']", locals={"c": counter}), 2)
            with self.assertRaises(PythonError):
                counter.missing  # noqa: B018

    def test_arrays_without_numpy(self):
        for backend in ("pipe", "http"):
            with server().connect(backend).create_session() as python:
                self.assertEqual(python.eval("list(a)", locals={"a": array.array("h", [1, -2])}), [1, -2])
                python.put(array.array("d", [0.5, 2]), "row")
                row = python.fetch("row", kind="array")
                self.assertEqual((row.dtype, row.shape, row.to_list()), ("<f8", (2,), [0.5, 2.0]))
                self.assertEqual(python.fetch(python.put(b"abc")).to_bytes(), b"abc")
                self.assertEqual(python.eval("f(a)", locals={"f": lambda a: a, "a": "é\udc80"}), "é\udc80")
                with self.assertRaises(beep_python_client.InvalidRequest):
                    python.eval("a", locals={"a": object()})
                self.assertEqual(python.eval("[n, 10**4200]", locals={"n": -(10**4200)}), [-(10**4200), 10**4200])

    def test_shared_memory_is_not_copied(self):
        with server().connect("pipe").create_session() as python:
            python.eval("import beep_python\nshared = beep_python.shared_array((4,), '<i4')\nshared[0] = 7")
            shared = python.fetch("shared")
            self.assertEqual((shared.live, shared.to_list()), (True, [7, 0, 0, 0]))
            python.eval("shared[1] = 8")
            self.assertEqual(shared.to_list(), [7, 8, 0, 0])

    def test_exceptions_say_all(self):
        with server().connect().create_session() as python:
            with self.assertRaises(PythonError) as raised:
                python.eval("print('before')\nraise KeyError('k') from ValueError('v')")
            error = raised.exception
            self.assertEqual((error.type, error.message, error.stdout, error.code), ("KeyError", "'k'", "before\n", "python_exception"))
            self.assertIn("ValueError: v", error.traceback)

    def test_events_of_a_session(self):
        with server().connect().create_session() as python:
            events = python.events()
            self.assertEqual(next(events).event, "session")
            python.eval("import threading\ngo = threading.Event()\ndef later():\n    go.wait()\n    print('later')\nthreading.Thread(target=later).start()")
            python.eval("go.set()")
            told = next(events)
            self.assertEqual((told.event, told.text), ("stdout", "later\n"))
            events.close()

    def test_environments(self):
        python = server().connect()
        self.assertTrue(all("path" in environment for environment in python.environments()))
        with self.assertRaises(beep_python_client.BeepPythonError) as unknown:
            python.environment("there-is-none")
        self.assertEqual(unknown.exception.code, "unknown_environment")

    def test_the_blocking_client_is_as_it_is_made(self):
        made = subprocess.run([sys.executable, str(Path(__file__).parents[1] / "tools" / "unasync.py"), "--check"], stdout=subprocess.PIPE, text=True)
        self.assertEqual((made.returncode, made.stdout), (0, ""))


PACKAGES = os.path.join(os.environ.get("BEEP_PYTHON_TEST_PACKAGES", ""), f"{sys.version_info.major}.{sys.version_info.minor}")


@unittest.skipUnless(os.path.isdir(os.path.join(PACKAGES, "pyarrow")), "BEEP_PYTHON_TEST_PACKAGES has no numpy and pyarrow for this Python")
class Packages(unittest.TestCase):
    def test_arrays_and_tables(self):
        sys.path.append(PACKAGES)
        self.addCleanup(sys.path.remove, PACKAGES)
        import numpy
        import pyarrow

        with beep_python_client.start(http=True, arguments=["--python-path", PACKAGES], python=os.path.realpath(sys.executable)) as own:
            for backend in ("pipe", "http"):
                python = own.connect(backend)
                python.eval("import numpy as np, pyarrow as pa\nfar = np.arange(6.0).reshape(2, 3)\nNone")
                far = python.fetch("far")
                near = far.to_numpy()
                self.assertEqual((near.shape, near.tolist()), ((2, 3), [[0, 1, 2], [3, 4, 5]]))
                self.assertTrue(numpy.shares_memory(near, numpy.asarray(far)), "it is copied")
                turned = numpy.arange(6, dtype=">i2").reshape(2, 3).T
                self.assertEqual(python.eval("(a.dtype.str, a.tolist())", locals={"a": turned}), ("<i2", turned.tolist()))
                table = pyarrow.table({"a": [1, None], "b": ["x", "y"]})
                self.assertEqual(python.eval("t.to_pydict()", locals={"t": table}), table.to_pydict())
                self.assertEqual(python.fetch("pa.table({'c': [1.5]})").to_arrow().to_pydict(), {"c": [1.5]})


if __name__ == "__main__":
    unittest.main()
