"""A server of the binary under test, in a home of its own."""

import json
import os
import subprocess

from measure import LOG_MIB, MIB, children, command
from supervisor import mount

PROVIDERS = "".join(f"[provider.soak{number}]\npackages = []\n" for number in range(4))


class Server:
    def __init__(self, options, folder, name, alone=False, variables=None):
        self.binary, self.python = str(options.binary), options.python
        self.home, self.temporary, self.logs = folder / name, folder / (name + ".tmp"), folder / name / "logs"
        for each in (self.home, self.temporary, self.logs):
            each.mkdir(mode=0o700)
        (self.home / "providers.toml").write_text(PROVIDERS)
        # In the environment of all its processes.
        self.mark = f"BEEP_SOAK={folder.name}-{name}"
        # Without the token and settings of the user's own servers.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BEEP_")}
        own = {"BEEP_PYTHON_HOME": str(self.home), "TMPDIR": str(self.temporary), "BEEP_SOAK": self.mark.partition("=")[2]}
        self.variables = kept | own | (variables or {})
        # Whether the log has a disk of its own, with room for a full log and little more, and the processes of the soak a `/dev/shm` of their own.
        self.log_disk = alone and mount(self.logs, f"size={LOG_MIB + 1}m,mode=700")
        self.alone = alone

    def run(self, *arguments, timeout=60):
        done = subprocess.run([self.binary, *arguments], env=self.variables, cwd=self.home, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`beep-python {' '.join(arguments)}` failed with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def start(self):
        self.run("init", "--python", self.python)
        self.run("start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0", "--drain", "2s", "--grace", "2s",
                 "--max-log", str(MIB), "--log-files", str(LOG_MIB))  # fmt: skip
        (status,) = json.loads(self.run("status", "--json"))
        self.pid = status["pid"]
        urls = {endpoint["backend"]: endpoint["url"] for endpoint in status["endpoints"]}
        self.http, self.rpc = (address(urls[backend]) for backend in ("http", "rpc"))
        self.pipe = urls["pipe"].removeprefix("unix:")

    def zygotes(self):
        """The processes that workers are forked from: children of the server, with the worker's program."""
        return [pid for pid in children(self.pid) if "_boot.py zygote" in command(pid)]

    def stop(self):
        self.run("stop", "--all", timeout=10)


def address(url):
    host, _, port = url.split("//")[1].rstrip("/").rpartition(":")
    return host, int(port)
