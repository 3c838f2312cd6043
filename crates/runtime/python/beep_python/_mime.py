"""MIME bundles: how an object displays itself, as in notebooks."""

import base64
import sys

from ._builtins import own as __builtins__
from ._encode import encode
from ._repr import short_repr, type_name

MAX_TEXT = 1 << 20  # characters of a text/plain
MAX_DISPLAY = 32 << 20  # bytes of a bundle's JSON
_METHODS = (
    ("_repr_html_", "text/html"),
    ("_repr_markdown_", "text/markdown"),
    ("_repr_svg_", "image/svg+xml"),
    ("_repr_png_", "image/png"),
    ("_repr_jpeg_", "image/jpeg"),
    ("_repr_pdf_", "application/pdf"),
    ("_repr_latex_", "text/latex"),
    ("_repr_json_", "application/json"),
    ("_repr_javascript_", "application/javascript"),
)


def bundle_of(obj):
    """Data and metadata by MIME type. A method that raises loses only its own type, and is reported on standard error."""
    data, metadata, failed = {}, {}, []
    if isinstance(obj, type):  # its methods are for its instances
        return {"text/plain": text_of(obj)}, metadata
    _merge(_ask(obj, "_repr_mimebundle_", failed, include=None, exclude=None), None, data, metadata)
    for method, mime in _METHODS:
        if mime not in data:
            _merge(_ask(obj, method, failed), mime, data, metadata)
    if "text/plain" not in data:
        data["text/plain"] = text_of(obj)
    for text in failed:
        print(text, file=sys.stderr)
    return data, metadata


def _ask(obj, method, failed, **arguments):
    # looked up on the type: an object with `__getattr__` seems to have every method
    if getattr(type(obj), method, None) is None:
        return None
    try:
        return getattr(obj, method)(**arguments)
    except NotImplementedError:
        return None
    except Exception as error:
        failed.append("%s.%s raised %s: %s" % (type_name(type(obj)), method, type_name(type(error)), error))
        return None


def _merge(answer, mime, data, metadata):
    about = None
    if isinstance(answer, tuple) and len(answer) == 2:
        answer, about = answer
    if answer is None:
        return
    if mime is None:
        if isinstance(answer, dict):
            data.update(answer)
            if isinstance(about, dict):
                metadata.update(about)
        return
    data[mime] = answer
    if about:
        metadata[mime] = about


def text_of(obj):
    try:
        text = str.__str__(repr(obj))
    except Exception:
        return short_repr(obj)  # says what its __repr__ raised
    if len(text) > MAX_TEXT:
        return "%s… [cut here: %d more characters]" % (text[:MAX_TEXT], len(text) - MAX_TEXT)
    return text


def write(data, metadata):
    """Encodes the bundle as JSON. Bytes become base64; content that JSON cannot represent is left out."""
    parts = []
    for mime, content in data.items():
        if isinstance(content, (bytes, bytearray, memoryview)):
            content = base64.b64encode(content).decode()
        written = encode(content, False)
        key = encode(mime, False) if type(mime) is str else None
        if written is not None and key is not None:
            parts.append(key + b":" + written)
    size = sum(map(len, parts))
    if size > MAX_DISPLAY:
        mark = "[display cut here: %d bytes, of which at most %d are shown]" % (size, MAX_DISPLAY)
        parts = [b'"text/plain":' + encode(mark, False)]
    about = metadata and encode(metadata, False)
    tail = b',"metadata":' + about if about and len(about) < MAX_DISPLAY else b""
    return b'{"data":{' + b",".join(parts) + b"}" + tail + b"}"
