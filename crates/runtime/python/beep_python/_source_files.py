"""Files of the sources that define functions.

joblib and numba find what they cached by the file in which a function was written. So such a source is a file, with a name that is made
of its text, in a folder whose name joblib takes for that of a notebook's kernel: it leaves the number out of its keys.
"""

import os
import re
import stat
import time

from ._builtins import own as __builtins__

FOLDER = "ipykernel_beep_%d"  # of a user
MAX_FILES = 500
CHECKED_AFTER = 100  # new files of one session
# read from a file, the text would be decoded as this says
_COOKIE = re.compile(r"[ \t\f]*#.*?coding[:=]")


class SourceFiles:
    def __init__(self):
        self.count = 0  # of new files

    def file_of(self, text):
        """The file that has this text; None where there can be none."""
        try:
            data = text.encode()
            if any([_COOKIE.match(line) for line in text.split("\n", 2)[:2]]):
                return None
            path = os.path.join(folder(), digest(data) + ".py")
            if not touch(path):
                write(path, data)
                if self.count % CHECKED_AFTER == 0:
                    remove_oldest(os.path.dirname(path))
                self.count += 1
        except (OSError, ValueError):  # no place, no room, no right; or no text that a file can hold
            return None
        return path


def folder():
    """Makes the folder, which nobody else may write to: what is cached beside the sources is code."""
    path = os.path.join(os.path.abspath(os.environ.get("TMPDIR") or "/tmp"), FOLDER % os.geteuid())
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError("%s is another's" % path) from None
    return path


def digest(data):
    try:
        from _blake2 import blake2b  # without OpenSSL, which a worker may not need
    except ImportError:
        from hashlib import blake2b
    return blake2b(data, digest_size=12).hexdigest()


def touch(path):
    """Whether the file is there. Its use is noted; its modification time stays, by which numba knows it."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))
    return True


def write(path, data):
    """Writes it as a whole or not at all."""
    begun = "%s.%d" % (path, os.getpid())
    try:
        with open(begun, "wb") as file:
            file.write(data)
        os.replace(begun, path)
    except BaseException:
        try:
            os.unlink(begun)
        except OSError:
            pass
        raise


def remove_oldest(path):
    """Of too many files removes those that were used least lately, and what numba cached for them."""
    with os.scandir(path) as entries:
        files = [(entry.stat().st_atime_ns, entry.name) for entry in entries if entry.is_file()]
    if len(files) <= MAX_FILES:
        return
    files.sort()
    old = {name for _, name in files[: len(files) - MAX_FILES * 3 // 4]}
    cache = os.path.join(path, "__pycache__")
    cached = [os.path.join("__pycache__", name) for name in os.listdir(cache)] if os.path.isdir(cache) else []
    for name in [*old, *(name for name in cached if os.path.basename(name).split(".")[0] + ".py" in old)]:
        try:
            os.unlink(os.path.join(path, name))
        except OSError:  # another session was faster
            pass
