# Makes an installation that was built elsewhere one of the folder it goes to: what it tells of itself (sysconfig, the
# Makefile, pkg-config) names that folder, and compilers that can be had here. Without this, packages with C sources look
# for headers and libraries where they were when it was built, and for the compiler of the machine that built it.
#
# relocate.py INSTALLATION FINAL_PATH, run by the installation's own Python before it goes to its place.
import glob
import os
import pprint
import re
import shlex
import shutil
import sys

NAME = "build_time_vars"
# Variables that begin with a program, and what that program is called on any machine.
PROGRAMS = {
    "AR": "ar",
    "BLDSHARED": "cc",
    "CC": "cc",
    "CXX": "c++",
    "LDCXXSHARED": "c++",
    "LDSHARED": "cc",
    "LINKCC": "cc",
    "MAINCC": "cc",
    "RANLIB": "ranlib",
}
# Known to the compiler that it was built with, and to no other.
FOREIGN = {"-fdebug-default-version=4"}


def renamed(text, old, new):
    """The text with the folder `old` called `new`, where it is a whole folder's name."""
    folder = r"(?:(?<![\w./-])|(?<=-[IL]))" + re.escape(old) + r"(?![\w.-])"
    return re.sub(folder, lambda _: new, text)


def fixed(name, value, old, new):
    """The variable's value, with a program that is there and in the words of the new place."""
    try:
        words = shlex.split(value)
    except ValueError:
        words = []
    kept = [word for word in words if word not in FOREIGN]
    if kept and name in PROGRAMS and shutil.which(kept[0]) is None:
        kept[0] = PROGRAMS[name]
    changed = kept != words
    if old is not None:
        if len(kept) > 1 and shlex.quote(new) != new:
            # Among other words the new place needs quotes.
            moved = [renamed(word, old, new) for word in kept]
            changed, kept = changed or moved != kept, moved
        else:
            value = renamed(value, old, new)
            kept = [renamed(word, old, new) for word in kept]
    return " ".join(map(shlex.quote, kept)) if changed else value


def write(path, text):
    """In one step and as a new file: the old one can have other names."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    shutil.copymode(path, path + ".new")
    os.replace(path + ".new", path)


def read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def fix_sysconfig(path, new):
    """Mends the file of variables; gives the folder that it named before, where that is now another."""
    found = {}
    exec(compile(read(path), path, "exec"), found)
    variables = found.get(NAME)
    if not isinstance(variables, dict) or not isinstance(variables.get("prefix"), str):
        return None
    old = variables["prefix"] if variables["prefix"] not in ("", "/", "/usr", new) else None
    mended = {
        name: fixed(name, value, old, new) if isinstance(value, str) else value for name, value in variables.items()
    }
    if mended != variables:
        heading = "# system configuration generated and used by the sysconfig module\n"
        write(path, heading + NAME + " = " + pprint.pformat(mended) + "\n")
    return old


def fix_text(path, old, new):
    text = read(path)
    moved = renamed(text, old, new)
    if moved != text:
        write(path, moved)


def main(installation, new):
    library = os.path.join(installation, "lib")
    olds = [fix_sysconfig(path, new) for path in glob.glob(os.path.join(library, "python3*", "_sysconfigdata*.py"))]
    texts = glob.glob(os.path.join(library, "python3*", "config-*", "Makefile"))
    texts += glob.glob(os.path.join(library, "python3*", "config-*", "python-config.py"))
    texts += glob.glob(os.path.join(library, "pkgconfig", "*.pc"))
    texts += glob.glob(os.path.join(installation, "bin", "*-config"))
    for old in {old for old in olds if old is not None}:
        for path in texts:
            if not os.path.islink(path):
                fix_text(path, old, new)


main(os.path.realpath(sys.argv[1]), sys.argv[2])
