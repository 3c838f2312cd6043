"""What a process that evaluates Python for another costs: ours beside RPyC, a Jupyter kernel and Appose, in one run.

    cargo build --release -p beep-python
    python3 -m venv peers && peers/bin/pip install rpyc ipykernel jupyter_client appose numpy
    peers/bin/python benches/hosts.py --target target/release [--rounds 5]

Each is driven as its users would, by its own Python client; ours by a few lines over the Unix socket, as PROTOCOL.md gives
them. Rounds are the outer loop, so all rows see the same machine. Prints a Markdown table of medians with the range in
brackets; a peer that is not installed, or cannot do what a column asks for, has a dash there.
"""

import argparse
import http.client
import importlib.util
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

options = argparse.ArgumentParser()
options.add_argument("--target", default="target/release")
options.add_argument("--rounds", type=int, default=5)
options = options.parse_args()
BEEP = os.path.abspath(os.path.join(options.target, "beep-python"))
SCRATCH = tempfile.mkdtemp(prefix="beep-hosts-")
ENV = {**os.environ, "BEEP_PYTHON_HOME": os.path.join(SCRATCH, "home")}
LINES, FLOATS, CALLS = 10_000, 2_000_000, 2_000
PRINTS = "for n in range(%d): print(n)" % LINES
ARRAY = "__import__('numpy').arange(%d, dtype='float32')" % FLOATS


def command(*words):
    done = subprocess.run([BEEP, *words], env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("%s: %s" % (" ".join(words), done.stderr[-500:]))
    return done.stdout


class Ours:
    """A session of a server that runs already, over its pipe; and over HTTP for the array, which is binary there."""

    name = "beep-python"

    def __init__(self):
        self.line = Line(Ours.pipe)
        self.session = self.line.ask("session_create", {})["sessionId"]
        self.evaluate("1")

    def ask(self, name, payload, **envelope):
        return self.line.ask(name, payload, session=self.session, **envelope)

    def evaluate(self, code):
        return self.ask("eval", {"expression": code}).get("value")

    def method(self):
        module = self.ask("import", {"moduleName": "collections"})["handleId"]
        made = self.ask("create", {"moduleHandleId": module, "className": "deque"})["handleId"]
        return lambda: self.ask("call", {"handleId": made, "methodName": "count", "args": [1]})

    def array(self):
        body = json.dumps({"handleId": self.ask("eval", {"expression": ARRAY})["handleId"]})
        connection = http.client.HTTPConnection("localhost", Ours.port)
        headers = {
            "Content-Type": "application/json", "Accept": "application/octet-stream", "X-Beep-Session": self.session,
        }

        def fetch():
            connection.request("POST", "/api/tofloatarray", body, headers)
            assert len(connection.getresponse().read()) == 4 * FLOATS

        return fetch

    def lines(self):
        seen = 0
        for event in self.line.events("execute", {"expression": PRINTS}, id=1, session=self.session):
            seen += event["text"].count("\n") if event["event"] == "stdout" else 0
        assert seen == LINES

    def interrupt(self):
        self.line.send("eval", {"expression": "while True: pass"}, session=self.session, requestId="busy")
        time.sleep(0.05)
        began = time.perf_counter()
        other = Line(Ours.pipe)
        other.ask("cancel", {"requestId": "busy"})
        self.line.answer()
        self.evaluate("1")
        took = time.perf_counter() - began
        other.close()
        return took

    def die(self):
        began = time.perf_counter()
        self.line.send("eval", {"expression": "import os; os._exit(1)"}, session=self.session)
        self.line.answer()
        self.evaluate("1")
        return time.perf_counter() - began

    def close(self):
        self.line.ask("session_delete", {"sessionId": self.session})
        self.line.close()


class Line:
    """A connection over which requests and answers are lines of JSON."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb", 1 << 16)

    def send(self, name, payload, **envelope):
        self.socket.sendall(json.dumps({"command": name, "payload": payload, **envelope}).encode() + b"\n")

    def answer(self):
        return json.loads(self.file.readline())

    def ask(self, name, payload, **envelope):
        self.send(name, payload, **envelope)
        return self.answer()["result"]

    def events(self, name, payload, **envelope):
        self.send(name, payload, **envelope)
        while "event" in (event := self.answer()):
            yield event

    def close(self):
        self.file.close()
        self.socket.close()


class Rpyc:
    """A server of RPyC's classic mode on a Unix socket: a new one each time, as a process of one's own is what is compared."""

    name = "RPyC (classic)"

    def __init__(self):
        import rpyc

        path = os.path.join(SCRATCH, "rpyc.sock")
        if os.path.exists(path):
            os.unlink(path)
        code = "import rpyc, sys; rpyc.utils.server.ThreadedServer(rpyc.SlaveService, socket_path=sys.argv[1]).start()"
        words = [sys.executable, "-c", "import rpyc.utils.server; " + code, path]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                self.connection = rpyc.classic.unix_connect(path)
                break
            except OSError:
                time.sleep(0.001)
        self.connection._config["sync_request_timeout"] = None
        self.evaluate("1")

    def evaluate(self, code):
        return self.connection.eval(code)

    def method(self):
        made = self.connection.modules.collections.deque()
        return lambda: made.count(1)

    def array(self):
        import rpyc

        made = self.connection.eval(ARRAY)
        return lambda: rpyc.classic.obtain(made)

    def lines(self):
        import rpyc

        class Seen:
            count = 0

            def write(self, text):
                self.count += text.count("\n")

            def flush(self):
                pass

        seen = Seen()
        with rpyc.classic.redirected_stdio(self.connection):
            before, sys.stdout = sys.stdout, seen
            try:
                self.connection.modules.sys.stdout = seen
                self.connection.execute(PRINTS)
            finally:
                sys.stdout = before
        assert seen.count == LINES

    def close(self):
        self.connection.close()
        self.process.kill()
        self.process.wait()


class Jupyter:
    """An IPython kernel with its own blocking client; answers come as text there, so arrays are left out."""

    name = "Jupyter kernel"

    def __init__(self):
        from jupyter_client import KernelManager

        self.manager = KernelManager(kernel_name="python3", transport="ipc", ip=os.path.join(SCRATCH, "kernel"))
        self.manager.start_kernel()
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.evaluate("1")

    def run(self, code, asked=None):
        message = self.client.execute(code, store_history=False, user_expressions=asked or {}, allow_stdin=False)
        return self.finish(message)

    def finish(self, message):
        text = 0
        while True:
            told = self.client.get_iopub_msg(timeout=60)
            if told["parent_header"].get("msg_id") != message:
                continue
            if told["msg_type"] == "stream":
                text += told["content"]["text"].count("\n")
            if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
                break
        while self.client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != message:
            pass
        return text

    def evaluate(self, code):
        self.run("", {"r": code})

    def lines(self):
        assert self.run(PRINTS) == LINES

    def interrupt(self):
        message = self.client.execute("while True: pass", store_history=False)
        time.sleep(0.05)
        began = time.perf_counter()
        self.manager.interrupt_kernel()
        self.finish(message)
        self.evaluate("1")
        return time.perf_counter() - began

    def die(self):
        began = time.perf_counter()
        self.client.execute("import os; os._exit(1)", store_history=False)
        while self.manager.is_alive():
            time.sleep(0.001)
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=60)
        self.evaluate("1")
        return time.perf_counter() - began

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


class Appose:
    """A Python worker of Appose, a task for each evaluation; it can only be asked to stop, so a busy loop is not interrupted."""

    name = "Appose"

    def __init__(self):
        import appose

        self.service = appose.custom().base(sys.prefix).build().python()
        self.evaluate("1")

    def evaluate(self, code):
        task = self.service.task("task.outputs['r'] = " + code)
        task.wait_for()
        return task.outputs["r"]

    def array(self):
        import appose

        def fetch():
            code = (
                "import appose, numpy\nshared = appose.NDArray('float32', [%d])\n"
                "shared.ndarray()[:] = numpy.arange(%d, dtype='float32')\ntask.outputs['r'] = shared" % (FLOATS, FLOATS)
            )
            task = self.service.task(code)
            task.wait_for()
            shared = task.outputs["r"]
            assert shared.ndarray().copy().nbytes == 4 * FLOATS
            shared.shm.unlink_on_dispose(True)
            shared.shm.dispose()

        return fetch

    def die(self):
        began = time.perf_counter()
        try:
            self.service.task("import os; os._exit(1)").wait_for()
        except Exception:
            pass
        self.__init__()
        return time.perf_counter() - began

    def close(self):
        self.service.close()


def median_of(call, times):
    for _ in range(times // 10):
        call()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def measure(kind):
    began = time.perf_counter()
    host = kind()
    yield "start, ms", (time.perf_counter() - began) * 1e3
    yield "eval, us", median_of(lambda: host.evaluate("1+1"), CALLS if kind is not Jupyter else 200) * 1e6
    if hasattr(host, "method"):
        yield "method call, us", median_of(host.method(), CALLS) * 1e6
    if hasattr(host, "array"):
        yield "8 MB of floats, ms", median_of(host.array(), 10) * 1e3
    if hasattr(host, "lines"):
        yield "10,000 lines printed, ms", median_of(host.lines, 1) * 1e3
    if hasattr(host, "interrupt"):
        yield "busy loop stopped, ms", host.interrupt() * 1e3
    if hasattr(host, "die"):
        yield "crash until usable, ms", host.die() * 1e3
    host.close()


def main():
    kinds = [Ours]
    for kind, module in ((Rpyc, "rpyc"), (Jupyter, "jupyter_client"), (Appose, "appose")):
        kinds += [kind] * (importlib.util.find_spec(module) is not None)
    command("start", "http", "pipe", "--port", "0", "--venv", sys.prefix)
    urls = {endpoint["backend"]: endpoint["url"] for endpoint in json.loads(command("status", "--json"))[0]["endpoints"]}
    Ours.pipe, Ours.port = urls["pipe"].removeprefix("unix:"), int(urls["http"].rpartition(":")[2])
    results = {}
    for _ in range(options.rounds):
        for kind in kinds:
            for column, value in measure(kind):
                results.setdefault(column, {}).setdefault(kind, []).append(value)
    print("| | " + " | ".join(kind.name for kind in kinds) + " |\n" + "|---" * (len(kinds) + 1) + "|")
    for column, values in results.items():
        cells = [values.get(kind) for kind in kinds]
        texts = ["%.3g (%.3g..%.3g)" % (statistics.median(c), min(c), max(c)) if c else "-" for c in cells]
        print("| %s | %s |" % (column, " | ".join(texts)))


try:
    main()
finally:
    subprocess.run([BEEP, "stop", "--all"], env=ENV, capture_output=True)
    shutil.rmtree(SCRATCH, ignore_errors=True)
