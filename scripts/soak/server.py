"""A server of the binary under test, in a home of its own."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from measure import marked_processes
from protobuf import Schema

ROOT = Path(__file__).resolve().parent.parent.parent
PROTO = ROOT / "crates/protocol/proto/python_service.proto"
PROVIDERS = "".join(f"[provider.soak{number}]\npackages = []\n" for number in range(4))
LOG_BYTES, LOG_FILES = 1 << 20, 2
# Room for a full log and little more: what a full disk is to the log.
LOG_DISK = LOG_BYTES * (LOG_FILES + 1)


class Server:
    def __init__(self, binary, python, folder, name, variables=None):
        self.binary, self.python, self.name = str(binary), python, name
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
        self.log_disk = False

    def mount_log_disk(self):
        """A disk of its own for the logs, where mounting is allowed."""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={LOG_DISK},mode=700", "soak", str(self.logs)], capture_output=True, check=False)
        self.log_disk = done.returncode == 0
        return self.log_disk

    def run(self, *arguments, timeout=120):
        done = subprocess.run([self.binary, *arguments], env=self.variables, cwd=self.home, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`beep-python {' '.join(arguments)}` failed with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def start(self, *options):
        self.run("start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0", "--python", self.python, "--drain", "2s", "--grace", "2s",
                 "--max-log", str(LOG_BYTES), "--log-files", str(LOG_FILES), *options)  # fmt: skip
        (status,) = json.loads(self.run("status", "--json"))
        self.pid, self.log = status["pid"], Path(status["log"])
        urls = {endpoint["backend"]: endpoint["url"] for endpoint in status["endpoints"]}
        self.http, self.rpc = (self.address(urls[backend]) for backend in ("http", "rpc"))
        self.pipe = urls["pipe"].removeprefix("unix:")
        self.token = Path(status["tokenFile"]).read_text().strip() if os.path.exists(status["tokenFile"]) else ""

    @staticmethod
    def address(url):
        host, _, port = url.split("//")[1].rstrip("/").rpartition(":")
        return host, int(port)

    def alive(self):
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    def zygotes(self):
        """The processes that workers are forked from: children of the server, with the worker's program."""
        return [each for each in marked_processes(self.mark) if each.parent == self.pid and "_boot.py zygote" in each.command]

    def stop(self):
        self.run("stop", "--all")



def build(binary):
    """The release binary, as the README builds it."""
    if binary:
        return Path(binary).resolve()
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "beep-python"], cwd=ROOT, check=True)
    target = json.loads(subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, capture_output=True, check=True).stdout)
    return Path(target["target_directory"]) / "release/beep-python"


def folder():
    return Path(tempfile.mkdtemp(prefix="beep-soak-"))


def discard(folder, name):
    """What is left of a server: processes that still run, its disk, its folders."""
    for process in marked_processes(f"BEEP_SOAK={folder.name}-{name}"):
        os.kill(process.pid, 9)
    subprocess.run(["umount", str(folder / name / "logs")], capture_output=True, check=False)
    if not os.path.ismount(folder / name / "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.rmtree(folder / f"{name}.tmp", ignore_errors=True)
