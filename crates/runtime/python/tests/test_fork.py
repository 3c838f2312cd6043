import os

from .host import EVALUATE, WorkerTest


class Fork(WorkerTest):
    """Processes that the user's code makes."""

    def test_a_forked_child_never_answers(self):
        self.host.evaluate("import os")
        self.assertEqual(self.host.evaluate("pid = os.fork()\nos.waitpid(pid, 0)[1] if pid else 'child'"), 0)
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_nor_one_that_outlives_the_call(self):
        self.host.evaluate("import os, signal\nreadable, writable = os.pipe()")
        code = "pid = os.fork()\nif not pid:\n    os.close(writable)\n    os.read(readable, 1)\npid != 0"
        self.assertTrue(self.host.evaluate(code))
        self.assertEqual(self.host.evaluate("1+1"), 2)
        self.assertEqual(self.host.evaluate("os.close(writable)\nos.waitpid(pid, 0)[1]"), 0)
        self.assertEqual(self.host.evaluate("2+2"), 4)

    def test_it_does_not_keep_the_link_open(self):
        self.host.evaluate("import os, signal\nif not os.fork():\n    print('child')\n    signal.pause()")
        self.host.until("child\n")
        self.host.close_link()
        with self.assertRaises(EOFError):
            self.host.exactly(1)
        self.assertEqual(self.host.wait(), 0)
        os.killpg(self.host.pid, 9)

    def child(self, code):
        """Exit status, output and errors of a forked child that runs this."""
        lines = "".join("    %s\n" % line for line in code.split("\n"))
        whole = "import os, sys\npid = os.fork()\nif not pid:\n%sos.waitpid(pid, 0)[1] >> 8" % lines
        status = self.host.evaluate(whole.replace("os.waitpid", "pid and os.waitpid"))
        return status, self.host.output(self.host.stdout), self.host.output(self.host.stderr)

    def test_its_exit_status(self):
        self.assertEqual(self.child("pass"), (0, "", ""))
        self.assertEqual(self.child("sys.exit(3)"), (3, "", ""))
        self.assertEqual(self.child("sys.exit()"), (0, "", ""))
        self.assertEqual(self.child("sys.exit('so')"), (1, "", "so\n"))
        self.assertEqual(self.child("os._exit(5)"), (5, "", ""))

    def test_its_output_is_written(self):
        self.assertEqual(self.child("print('out', end='')\nsys.exit(2)"), (2, "out", ""))
        self.assertEqual(self.child("import atexit\natexit.register(print, 'end')"), (0, "end\n", ""))

    def test_its_exceptions_are_told_on_standard_error(self):
        status, out, err = self.child("1/0")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("ZeroDivisionError", err)

    def test_a_signal_interrupts_it_as_any_python(self):
        self.host.evaluate("import os, signal, sys")
        code = (
            "pid = os.fork()\nif not pid:\n    try:\n        print('on')\n        while True: signal.pause()\n"
            "    except KeyboardInterrupt: os._exit(7)\npid"
        )
        child = self.host.evaluate(code)
        self.host.until("on\n")
        self.host.until_at_rest(pid=child)
        os.kill(child, 2)
        self.assertEqual(self.host.evaluate("os.waitpid(pid, 0)[1] >> 8"), 7)

    def test_one_forked_by_awaited_code(self):
        code = "import asyncio, os\nasync def f():\n    await asyncio.sleep(0)\n    return os.fork()\npid = await f()\npid and os.waitpid(pid, 0)[1]"
        self.assertEqual(self.host.evaluate(code), 0)
        self.assertEqual(self.host.evaluate("await asyncio.sleep(0, 5)"), 5)

    def test_subprocesses(self):
        self.host.evaluate("import subprocess, sys")
        self.assertEqual(self.host.evaluate("subprocess.run(['echo', 'a'], stdout=subprocess.PIPE, text=True).stdout"), "a\n")
        self.assertEqual(self.host.evaluate("subprocess.run(['cat']).returncode"), 0)  # nothing to read
        code = "import os\nsubprocess.run(['true'], preexec_fn=lambda: None, close_fds=False).returncode"
        self.assertEqual(self.host.evaluate(code), 0)
        code = "import os\nprint(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:-1])"
        self.host.evaluate("subprocess.run([sys.executable, '-c', %r], close_fds=False).returncode" % code)
        self.assertEqual(self.host.output(self.host.stdout), "[0, 1, 2]\n")


class Multiprocessing(WorkerTest):
    def test_functions_of_the_session_under_fork(self):
        self.host.evaluate("import multiprocessing as mp\ncontext = mp.get_context('fork')\ndef double(n): return n * 2")
        code = "q = context.SimpleQueue()\np = context.Process(target=lambda: q.put(double(21)))\np.start()\nv = q.get()\np.join()\n(v, p.exitcode)"
        self.assertEqual(self.host.evaluate(code), [42, 0])
        self.assertEqual(self.host.evaluate("with context.Pool(2) as pool: got = pool.map(double, range(5))\ngot"), [0, 2, 4, 6, 8])
        self.assertEqual(self.host.evaluate("1+1"), 2)

    def test_a_pool_of_executors(self):
        self.host.evaluate("import multiprocessing as mp, concurrent.futures as cf\ndef double(n): return n * 2")
        code = "with cf.ProcessPoolExecutor(2, mp.get_context('fork')) as pool: got = list(pool.map(double, range(3)))\ngot"
        self.assertEqual(self.host.evaluate(code), [0, 2, 4])

    def test_spawn(self):
        self.host.evaluate("import multiprocessing as mp\ncontext = mp.get_context('spawn')")
        self.assertEqual(self.host.evaluate("with context.Pool(1) as pool: got = pool.map(abs, [-1, 2])\ngot"), [1, 2])

    def test_they_are_interrupted_with_their_parent(self):
        self.host.evaluate("import multiprocessing as mp, time\ncontext = mp.get_context('fork')")
        code = "p = context.Process(target=time.sleep, args=(1000,), daemon=True)\np.start()\nprint('on')\np.join()"
        request_id = self.host.send(EVALUATE, {"expression": code})
        self.host.until("on\n")
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id)[1], b"started")
        self.assertEqual(self.host.evaluate("p.terminate()\np.join()\np.exitcode"), -15)


