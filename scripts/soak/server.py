"""A server of the binary under test, in a home of its own."""

import json
import os
import subprocess
from pathlib import Path

from measure import children, command
from protobuf import Schema
from supervisor import mount

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "crates/protocol/proto/python_service.proto"
PROVIDERS = "".join(f"[provider.soak{number}]\npackages = []\n" for number in range(4))
LOG_BYTES, LOG_FILES = 1 << 20, 2
# Room for a full log and little more: what a full disk is to the log.
LOG_DISK = LOG_BYTES * (LOG_FILES + 1)


class Server:
    def __init__(self, binary, python, folder, name, alone=False, variables=None):
        self.binary, self.python = str(binary), python
        self.home, self.temporary = folder / name, folder / (name + ".tmp")
        self.home.mkdir(mode=0o700)
        self.temporary.mkdir(mode=0o700)
        self.logs = self.home / "logs"
        self.logs.mkdir(mode=0o700)
        (self.home / "providers.toml").write_text(PROVIDERS)
        self.mark = f"BEEP_SOAK={folder.name}-{name}"
        # Without the token and settings of the user's own servers.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BEEP_")}
        key, value = self.mark.split("=")
        self.variables = {**kept, "BEEP_PYTHON_HOME": str(self.home), "TMPDIR": str(self.temporary), key: value, **(variables or {})}
        self.schema = Schema(PROTO)
        # Whether the log has a disk of its own, and the processes of the soak a `/dev/shm` of their own.
        self.log_disk = alone and mount(self.logs, f"size={LOG_DISK},mode=700")
        self.alone = alone

    def run(self, *arguments, timeout=60):
        done = subprocess.run([self.binary, *arguments], env=self.variables, cwd=self.home, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`beep-python {' '.join(arguments)}` failed with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def start(self):
        self.run("init", "--python", self.python)
        self.run("start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0", "--drain", "2s", "--grace", "2s",
                 "--max-log", str(LOG_BYTES), "--log-files", str(LOG_FILES))  # fmt: skip
        (status,) = json.loads(self.run("status", "--json"))
        self.pid = status["pid"]
        urls = {endpoint["backend"]: endpoint["url"] for endpoint in status["endpoints"]}
        self.http, self.rpc = (self.address(urls[backend]) for backend in ("http", "rpc"))
        self.pipe = urls["pipe"].removeprefix("unix:")

    @staticmethod
    def address(url):
        host, _, port = url.split("//")[1].rstrip("/").rpartition(":")
        return host, int(port)

    def zygotes(self):
        """The processes that workers are forked from: children of the server, with the worker's program."""
        return [pid for pid in children(self.pid) if "_boot.py zygote" in command(pid)]

    def stop(self):
        self.run("stop", "--all", timeout=10)

