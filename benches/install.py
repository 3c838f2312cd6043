"""How long a runtime takes to install, beside `sha256sum` and `tar` on the same archive, which is the least it can be.

    cargo build --release -p beep-python
    python3 benches/install.py --target target/release [--python /path/of/python3] [--rounds 7]

The archive is made of the given Python (its prefix, in a folder `python`, as `install_only` archives are), and served on
loopback. Rounds are the outer loop. Each of ours also runs the new Python. `TMPDIR=/dev/shm` leaves the disk out. Prints a Markdown table of
medians with the range in brackets, and the ratios to the peer.
"""

import argparse
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

options = argparse.ArgumentParser()
options.add_argument("--target", default="target/release")
options.add_argument("--python", default=sys.executable)
options.add_argument("--rounds", type=int, default=7)
options = options.parse_args()
BEEP = os.path.abspath(os.path.join(options.target, "beep-python"))
SCRATCH = tempfile.mkdtemp(prefix="beep-install-")
HOME = os.path.join(SCRATCH, "home")
LEFT_OUT = re.compile(r"/(__pycache__|test|site-packages)(/|$)|\.a$")  # as in the builds that people download
FACTS = "import json, sys; print(json.dumps([sys.base_prefix, list(sys.version_info[:3])]))"


def milliseconds(*words, **more):
    env = {**os.environ, "BEEP_PYTHON_HOME": HOME, **more}
    began = time.perf_counter()
    done = subprocess.run(words, env=env, cwd=SCRATCH, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    took = (time.perf_counter() - began) * 1e3
    if done.returncode:
        raise SystemExit("%s: %s" % (" ".join(words), done.stderr[-800:]))
    return took


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def main():
    prefix, version = json.loads(subprocess.check_output([options.python, "-c", FACTS]))
    version = ".".join(map(str, version))
    archive = os.path.join(SCRATCH, "cpython-%s-install_only.tar.gz" % version)
    with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
        tar.add(prefix, "python", filter=lambda info: None if LEFT_OUT.search(info.name) else info)
    with open(archive, "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SCRATCH))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    platform = "linux-%s-gnu" % os.uname().machine
    entry = {
        "name": "cpython-%s-%s" % (version, platform), "version": version, "platform": platform, "sha256": sha256,
        "url": "http://127.0.0.1:%d/%s" % (serving.server_port, os.path.basename(archive)),
    }
    catalogue = os.path.join(SCRATCH, "catalogue.json")
    with open(catalogue, "w") as file:
        json.dump({"default": version.rpartition(".")[0], "releases": [entry]}, file)
    peer = "sha256sum %s && mkdir -p out && tar xzf %s -C out" % (archive, archive)
    rows = {
        "`sha256sum` and `tar xzf`": lambda: milliseconds("sh", "-c", peer),
        "`runtime install --archive`": lambda: milliseconds(
            BEEP, "runtime", "install", version, "--archive", archive, "--sha256", sha256, BEEP_PYTHON_CATALOGUE=catalogue
        ),
        "`runtime install`, downloaded on loopback": lambda: milliseconds(
            BEEP, "runtime", "install", version, BEEP_PYTHON_CATALOGUE=catalogue
        ),
    }
    took = {}
    for _ in range(options.rounds):
        for row, work in rows.items():
            for leftover in (HOME, os.path.join(SCRATCH, "out")):
                shutil.rmtree(leftover, ignore_errors=True)
            os.sync()  # what the last one left to be written is not this one's
            took.setdefault(row, []).append(work())
    base = statistics.median(next(iter(took.values())))
    print("archive of %.0f MB, CPython %s\n" % (os.path.getsize(archive) / 1e6, version))
    print("| | ms | ratio |\n|---|---|---|")
    for row, values in took.items():
        middle = statistics.median(values)
        print("| %s | %.0f (%.0f..%.0f) | %.2f |" % (row, middle, min(values), max(values), middle / base))


try:
    main()
finally:
    shutil.rmtree(SCRATCH, ignore_errors=True)
