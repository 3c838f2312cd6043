"""Whether a zygote still has what its environment holds: packages are installed, removed and edited while it lives."""

import os
import site
import sys

from ._builtins import own as __builtins__

STARTS = ("sitecustomize", "usercustomize")
PATHS = (".pth", *(name + ".py" for name in STARTS))  # what a Python reads when it starts
METADATA = (".dist-info", ".egg-info", ".egg-link")  # of installed packages; modules may have read it at their import


class Freshness:
    """What the environment holds when this is made, as far as a new worker would see another than a forked one.

    An installer makes new files, which changes the time of their folder, while an editor may write a file in place. So where
    packages are installed only the folders are looked at (numpy has 250 files in 40 folders), elsewhere each file.
    """

    def __init__(self, preloaded=()):
        endings = PATHS + METADATA if preloaded else PATHS
        sites = [folder for folder in site_folders() if folder in sys.path]
        single, by_folder = [sys.executable, os.path.join(sys.prefix, "pyvenv.cfg")], {folder: [] for folder in sites}
        named = {file_of(sys.modules.get(name)) for name in (*preloaded, *STARTS)}
        for file in files_of_modules():
            folder = os.path.dirname(file)
            if file not in named and any((folder + os.sep).startswith(place + os.sep) for place in sites):
                by_folder.setdefault(folder, []).append(file)
            else:
                single.append(file)
        self.files = {file: stamp(file) for file in single}
        self.folders = [Folder(folder, files, endings if folder in sites else ()) for folder, files in by_folder.items()]

    def changed(self):
        """The first path that is not what it was; None where all are."""
        for file, was in self.files.items():
            if stamp(file) != was:
                return file
        return next((folder.path for folder in self.folders if folder.has_changed()), None)


class Folder:
    """Files of a folder: some, and all that end so."""

    def __init__(self, path, files, endings):
        self.path, self.files, self.endings = path, files, endings
        self.stamp = stamp(path)
        self.stamps = self.read()

    def read(self):
        listed = [os.path.join(self.path, name) for name in names(self.path) if name.endswith(self.endings)] if self.endings else []
        return {file: stamp(file) for file in [*self.files, *listed]}

    def has_changed(self):
        now = stamp(self.path)
        if now == self.stamp:
            return False
        if self.read() != self.stamps:
            return True
        self.stamp = now  # something came or went that matters to nobody, such as bytecode
        return False


def site_folders():
    """Where packages are installed."""
    return [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]


def files_of_modules():
    """The files of all modules that are neither Python's own nor this package's."""
    library, package = os.path.dirname(os.__file__) + os.sep, os.path.dirname(__file__) + os.sep
    installed = tuple(folder + os.sep for folder in site_folders())
    for module in list(sys.modules.values()):
        file = file_of(module)
        if file is None or file.startswith(package):
            continue
        if file.startswith(installed) or not file.startswith(library):
            yield file


def file_of(module):
    try:
        file = vars(module).get("__file__")
    except TypeError:  # a stand-in that is no module
        return None
    return file if type(file) is str else None


def names(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def stamp(path):
    """What changes with a file or folder; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
