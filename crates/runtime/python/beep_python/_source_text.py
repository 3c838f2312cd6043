"""The text of a source in bytes, as Python reads files: with a byte-order mark, and an encoding that a comment names (PEP 263)."""

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
        source = decode(file.read())
    exec(compile(source, path, "exec", dont_inherit=True), sys.modules["__main__"].__dict__)
