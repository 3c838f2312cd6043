"""What a server has: memory, descriptors, threads, processes, files; by /proc, and of all processes that bear its mark."""

import os
import time
from pathlib import Path

MIB = 1 << 20
# What the log of a server may have in two files.
LOG_MIB = 2
# How much more there may be after the load than before it.
TOLERANCES = {
    "server: memory MiB": 8.0, "server: descriptors": 3, "server: threads": 3, "zygotes: memory MiB": 8.0, "zygotes: descriptors": 1,
    "worker: memory MiB": 8.0, "worker: descriptors": 1,
}  # fmt: skip
# Of these there may not be fewer, either.
EXACT = ("zygotes", "processes")
# Of these there may be so many, however few there were. A worker that writes its first file of sources leaves the 500 that were used last.
LIMITS = {"files of sources": 500, "log MiB": LOG_MIB + 0.1}
SOURCES = "ipykernel_beep_%d" % os.getuid()


def read(pid, name):
    """Empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def state(pid):
    """Z for a process that has ended."""
    return (read(pid, "stat").rpartition(")")[2].split() or "Z")[0]


def parent(pid):
    return int((read(pid, "stat").rpartition(")")[2].split() or "Z0")[1])


def command(pid):
    return read(pid, "cmdline").replace("\0", " ").strip()


def marked(mark):
    """The processes with this variable in their environment, in any way they were started; zombies have none."""
    return [pid for pid in processes() if mark in read(pid, "environ").split("\0")]


def children(pid):
    """Those of a process that it has not waited for, zombies included."""
    return [each for each in processes() if parent(each) == pid]


def memory(*pids):
    """In MiB: what is in memory and no file's."""
    lines = [line for pid in pids for line in read(pid, "status").splitlines()]
    return round(sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024, 1)


def descriptors(*pids):
    """What each descriptor is, without numbers that differ each time."""
    found = []
    for pid in pids:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                found.append(os.readlink(entry.path).split(":[")[0])
            except OSError:
                pass
    return found


def files(folder):
    """The files and folders below a folder, but for those of sources."""
    found = [path for path in folder.rglob("*") if SOURCES not in path.parts]
    return sorted(str(path.relative_to(folder)) for path in found)


def home_files(server):
    """Those of the home that are not of an environment, a cache or a log, whose size counts instead."""
    kept = [name for name in os.listdir(server.home) if name not in ("environments", "cache", "logs")]
    return [name + "/" + each for name in kept for each in (files(server.home / name) or [""])]


def take(server, worker):
    """All figures, by name; of a list each member counts."""
    zygotes = server.zygotes()
    return {
        "server: memory MiB": memory(server.pid),
        "server: descriptors": len(descriptors(server.pid)),
        # Connections of clients among them, also those that the server has not closed yet.
        "server: sockets": descriptors(server.pid).count("socket"),
        "server: threads": len(os.listdir(f"/proc/{server.pid}/task")),
        "zygotes": len(zygotes),
        "zygotes: memory MiB": memory(*zygotes),
        "zygotes: descriptors": len(descriptors(*zygotes)),
        "worker: memory MiB": memory(worker),
        "worker: descriptors": len(descriptors(worker)),
        "processes": len(marked(server.mark)),
        "children of the server": len(children(server.pid)),
        "files in the temporary folder": files(server.temporary),
        "files of sources": len(list((server.temporary / SOURCES).glob("*.py"))),
        "files in the home": home_files(server),
        "files in /dev/shm": os.listdir("/dev/shm") if server.alone else [],
        "log MiB": round(sum(file.stat().st_size for file in server.logs.iterdir()) / MIB, 2),
    }


def compare(before, after):
    """The differences that are more than a tolerance allows."""
    wrong = []
    for name, value in after.items():
        was = LIMITS.get(name, before[name])
        if isinstance(value, list):
            more = sorted(set(value) - set(was))
            wrong += [f"{name}: {len(more)} more: {', '.join(more[:5])}"] if more else []
        elif value > was + TOLERANCES.get(name, 0) or (name in EXACT and value != was):
            wrong.append(f"{name}: {was} before, {value} after")
    return wrong


def settle(seconds, look):
    """Looks until there is nothing wrong, at most for so long; returns what is wrong still."""
    deadline = time.monotonic() + seconds
    while (wrong := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return wrong
