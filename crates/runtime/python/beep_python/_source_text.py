"""Sources in bytes, as Python reads and runs files: with a byte-order mark, and an encoding that a comment names (PEP 263)."""

import io
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


def run(data, name="<stdin>"):
    """Runs a source as a program: no value is its result. `_frames.py` leaves out what calls this."""
    namespace = sys.modules["__main__"].__dict__
    named = namespace.setdefault("__file__", name) is name
    try:
        exec(compile(data, name, "exec", dont_inherit=True), namespace)
    finally:
        if named:
            namespace.pop("__file__", None)
