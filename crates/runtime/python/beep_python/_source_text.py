"""Sources in bytes, as Python reads and runs files: with a byte-order mark, and an encoding that a comment names (PEP 263)."""

import io
import os
import sys
import tokenize

from ._builtins import own as __builtins__


def decode(data):
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SyntaxError("(unicode error) %s" % error) from None


def run_file(path):
    """Runs a file in the session, as Python runs that of PYTHONSTARTUP before its first prompt."""
    with open(path, "rb") as file:
        run(file.read(), path)


def run_script(path, arguments):
    """Runs a file as `python FILE ARGUMENTS` does."""
    with open(path, "rb") as file:
        data = file.read()
    sys.argv[:] = [path, *arguments]
    folder = os.path.dirname(os.path.realpath(path))
    if sys.path and sys.path[0] in ("", os.getcwd()):
        sys.path[0] = folder  # in its place
    else:
        sys.path.insert(0, folder)
    path = os.path.abspath(path)
    sys.modules["__main__"].__file__ = path
    run(data, path)


def run(data, name="<stdin>"):
    """Runs a source as a program: no value is its result. `_frames.py` leaves out what calls this."""
    exec(compile(decode(data), name, "exec", dont_inherit=True), sys.modules["__main__"].__dict__)
