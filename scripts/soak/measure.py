"""What a server has: memory, descriptors, threads, processes, sockets, files; by /proc, and of all processes that bear its mark."""

import os
import time
from pathlib import Path

MIB = 1 << 20
# How much more there may be after the load than before it. What is free lies among what is in use: after ten minutes the server has 50 MiB more.
TOLERANCES = {
    "server: resident MiB": 64.0, "server: descriptors": 3, "server: threads": 3, "zygotes: resident MiB": 8.0, "zygotes: descriptors": 1,
    "worker: resident MiB": 8.0, "worker: descriptors": 1, "log MiB": None,
}  # fmt: skip
# Code that defines functions is a file there. A worker removes all but the 500 that were used last when it writes its first, see PROTOCOL.md.
CODE_FOLDER, CODE_FILES = "ipykernel_beep_", 500


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent(pid):
    """0 for a process that has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def marked(mark):
    """The processes with this variable in their environment, however they were started; zombies have none."""
    found = []
    for pid in processes():
        try:
            if mark.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
        except OSError:
            pass
    return found


def children(pid):
    """Those of a process that it has not waited for, zombies included."""
    return [each for each in processes() if parent(each) == pid]


def resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def descriptors(pid):
    """What each descriptor is, without numbers that differ each time."""
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(entry.path).split(":[")[0])
        except OSError:
            pass
    return sorted(found)


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def connections(server):
    """Established and half-closed ones at the server's ports, and of its pipe."""
    ports = {server.http[1], server.rpc[1]}
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            local, state = int(fields[1].rpartition(":")[2], 16), int(fields[3], 16)
            # 1 is established, 8 waits for the server to close, 4, 5, 9 and 11 are on their way; 6 is over.
            if local in ports and state in (1, 4, 5, 8, 9, 11):
                count += 1
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        # Flags 10000 is a listening socket.
        if line.split()[-1] == server.pipe and line.split()[3] != "00010000":
            count += 1
    return count


def files(folder):
    """The files and folders of a folder, but for those that may come and go."""
    found = []
    for path, folders, names in os.walk(folder):
        for code in [name for name in folders if name.startswith(CODE_FOLDER)]:
            folders.remove(code)
            if len(os.listdir(os.path.join(path, code))) > CODE_FILES:
                found.append(f"more than {CODE_FILES} files in {code}")
        found += [os.path.relpath(os.path.join(path, name), folder) for name in names + folders]
    return sorted(found)


def home_files(server):
    """Those of the home that are not of an environment, a cache or a log, whose size counts instead."""
    kept = [name for name in os.listdir(server.home) if name not in ("environments", "cache", "logs")]
    return sorted(name + "/" + each if each else name for name in kept for each in (files(server.home / name) or [""]))


def take(server, worker):
    """All figures, by name; lists count as they are."""
    zygotes = server.zygotes()
    return {
        "server: resident MiB": round(resident(server.pid) / MIB, 1),
        "server: descriptors": len(descriptors(server.pid)),
        "server: threads": threads(server.pid),
        "zygotes": len(zygotes),
        "zygotes: resident MiB": round(sum(map(resident, zygotes)) / MIB, 1),
        "zygotes: descriptors": sum(len(descriptors(pid)) for pid in zygotes),
        "worker: resident MiB": round(resident(worker) / MIB, 1),
        "worker: descriptors": len(descriptors(worker)),
        "processes": len(marked(server.mark)),
        "children of the server": len(children(server.pid)),
        "connections": connections(server),
        "files in the temporary folder": files(server.temporary),
        "files in the home": home_files(server),
        "files in /dev/shm": os.listdir("/dev/shm") if server.alone else [],
        "log MiB": round(sum(file.stat().st_size for file in server.logs.iterdir()) / MIB, 2),
    }


def compare(before, after, log_limit):
    """The differences that are more than a tolerance allows."""
    wrong = []
    for name, value in after.items():
        was, tolerance = before[name], TOLERANCES.get(name, 0)
        if name == "log MiB":
            if value * MIB > log_limit:
                wrong.append(f"{name}: {value}, more than the limit of {log_limit / MIB}")
        elif isinstance(value, list):
            more = sorted(set(value) - set(was))
            if more:
                wrong.append(f"{name}: {len(more)} more: {', '.join(more[:5])}")
        elif value > was + tolerance or (name in ("zygotes", "processes") and value != was):
            wrong.append(f"{name}: {was} before, {value} after")
    return wrong


def settle(seconds, look):
    """Looks until there is nothing wrong, at most for so long; returns what is wrong still."""
    deadline = time.monotonic() + seconds
    while True:
        wrong = look()
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.2)

