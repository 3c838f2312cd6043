"""%pip: what pip does, in the environment of this session, which needs no pip for it."""

import os
import shlex
import sys
from importlib import metadata

from ._builtins import own as __builtins__
from ._managers import VenvManager


class UsageError(Exception):
    """A magic that is unknown, or used wrongly."""


UsageError.__module__ = "builtins"  # as it is shown


def run(words, shell):
    """%pip install PACKAGE..., %pip uninstall PACKAGE...: in the environment of this session, as `beep-python venv install` does.
    %pip list, %pip freeze, %pip show PACKAGE...: what it has. The rest is for a pip that is installed there."""
    words = [word for word in words if word not in ("-q", "--quiet", "-y", "--yes")]
    command, rest = (words or ["help"])[0], words[1:]
    if command in COMMANDS and not any([word.startswith("-") for word in rest]):
        return COMMANDS[command](rest)
    try:
        metadata.version("pip")
    except metadata.PackageNotFoundError:
        name = shlex.quote(environment())
        known = ", ".join(COMMANDS)
        detail = "%%pip knows %s without options, and no pip is installed here. Write on the command line: beep-python venv install %s --help"
        raise UsageError(detail % (known, name)) from None
    return shell(" ".join(map(shlex.quote, (sys.executable, "-m", "pip", *words))))


def install(packages):
    before = versions()
    VenvManager().install(environment(), *map(whole, packages))
    after = versions()
    new = ["%s %s" % item for item in after.items() if before.get(item[0]) != item[1]]
    print("Installed: %s" % ", ".join(new) if new else "Nothing to do: %s" % ", ".join(packages))
    if before.keys() & {name for name in after if before.get(name) != after[name]}:
        print("What was imported before stays as it is until the session is restarted.")


def uninstall(packages):
    told = VenvManager().uninstall(environment(), *packages)
    for name in told["absent"]:
        print("%s was not installed" % name)
    if told["removed"]:
        print("Removed: %s" % ", ".join(["%s %s" % (package["name"], package["version"]) for package in told["removed"]]))


def listed(_):
    found = versions()
    width = max(map(len, ("Package", *found)))
    print("\n".join(["Package".ljust(width) + " Version", "-" * width + " -------", *["%s %s" % (name.ljust(width), found[name]) for name in found]]))


def freeze(_):
    print("\n".join(["%s==%s" % item for item in versions().items()]))


def show(packages):
    for name in packages:
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            print("Package(s) not found: %s" % name, file=sys.stderr)
            continue
        for field in ("Name", "Version", "Summary", "Home-page", "Author", "License"):
            print("%s: %s" % (field, about.get(field) or ""))


def environment():
    """This environment as the host names it."""
    folder, name = os.path.split(sys.prefix)
    return name if os.path.basename(folder) == "environments" else sys.prefix


def whole(package):
    """A package as the host finds it, which runs in another folder."""
    return os.path.abspath(package) if os.sep in package and os.path.exists(package) else package


def versions():
    """The packages of the environment, by name."""
    found = {str(each.metadata["Name"]): each.version for each in metadata.distributions(path=[path for path in sys.path if path.startswith(sys.prefix)])}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


COMMANDS = {"install": install, "uninstall": uninstall, "list": listed, "freeze": freeze, "show": show}
