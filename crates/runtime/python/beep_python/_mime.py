"""MIME bundles: how an object displays itself, as in notebooks."""

import base64
import sys

from . import _ipython
from ._builtins import own as __builtins__
from ._encode import encode
from ._repr import short_repr, type_name

MAX_TEXT = 1 << 20  # characters of a text/plain
MAX_DISPLAY = 32 << 20  # bytes of a bundle's JSON
_NOTHING = object()  # what a method gives that is not there, or fails
_BYTES = (bytes, bytearray, memoryview, str)  # text is taken for base64
# methods, their MIME types, and the types of what they may give, as IPython has them
_METHODS = (
    ("_repr_html_", "text/html", str),
    ("_repr_markdown_", "text/markdown", str),
    ("_repr_svg_", "image/svg+xml", str),
    ("_repr_png_", "image/png", _BYTES),
    ("_repr_jpeg_", "image/jpeg", _BYTES),
    ("_repr_pdf_", "application/pdf", _BYTES),
    ("_repr_latex_", "text/latex", str),
    ("_repr_json_", "application/json", (dict, list)),
    ("_repr_javascript_", "application/javascript", str),
)


def bundle_of(obj, include=None, exclude=None):
    """Data and metadata by MIME type, of those in `include` and not in `exclude` if these name any. A method that raises loses only
    its own type, and is reported on standard error."""
    data, metadata, failed = {}, {}, []
    if isinstance(obj, type):  # its methods are for its instances
        return chosen(({"text/plain": text_of(obj)}, metadata), include, exclude)
    _merge(_ask(obj, "_repr_mimebundle_", failed, include=include, exclude=exclude), None, dict, data, metadata)
    data, metadata = chosen((data, metadata), include, exclude)
    for method, mime, kinds in _METHODS:
        if mime not in data and _is_chosen(mime, include, exclude):
            _merge(_ask(obj, method, failed), mime, kinds, data, metadata)
    if "text/plain" not in data and _is_chosen("text/plain", include, exclude):
        data["text/plain"] = _pretty_text_of(obj, failed)
    for text in failed:
        print(text, file=sys.stderr)
    return data, metadata


def chosen(bundle, include, exclude):
    """Data and metadata of the MIME types that the client gets."""
    if not (include or exclude):
        return bundle
    return tuple([{mime: part[mime] for mime in part if _is_chosen(mime, include, exclude)} for part in bundle])


def _is_chosen(mime, include, exclude):
    return (not include or mime in include) and not (exclude and mime in exclude)


def _pretty_text_of(obj, failed):
    """As IPython writes it, where the class says how; what has no say in that is its repr, whether IPython is there or not."""
    if getattr(type(obj), "_repr_pretty_", None) is not None:
        try:
            text = _ipython.pretty(obj)
        except Exception as error:
            failed.append(_failure(obj, "_repr_pretty_", error))
        else:
            if text is not None:
                return _bounded(text)
    return text_of(obj)


def _ask(obj, method, failed, **arguments):
    # looked up on the type: an object with `__getattr__` seems to have every method
    if getattr(type(obj), method, None) is None:
        return _NOTHING
    try:
        return getattr(obj, method)(**arguments)
    except NotImplementedError:
        return _NOTHING
    except Exception as error:
        failed.append(_failure(obj, method, error))
        return _NOTHING


def _failure(obj, method, error):
    return "%s.%s raised %s: %s" % (type_name(type(obj)), method, type_name(type(error)), error)


def _merge(answer, mime, kinds, data, metadata):
    about = None
    if isinstance(answer, tuple) and len(answer) == 2:
        answer, about = answer
    if not isinstance(answer, kinds):
        return
    if mime is None:
        data.update(answer)
        if isinstance(about, dict):
            metadata.update(about)
        return
    data[mime] = answer
    if about:
        metadata[mime] = about


def shows_itself(obj):
    """Whether the object has shown itself by `_ipython_display_`, which IPython asks before anything else."""
    if isinstance(obj, type) or getattr(type(obj), "_ipython_display_", None) is None:
        return False
    failed = []
    shown = _ask(obj, "_ipython_display_", failed)
    for text in failed:
        print(text, file=sys.stderr)
    return shown is not _NOTHING


def text_of(obj):
    """The repr, or what it raised: a display is no reason to fail."""
    try:
        return repr_of(obj)
    except Exception:
        return short_repr(obj)


def repr_of(obj):
    """The repr, as a prompt writes it: what that raises, this raises."""
    return _bounded(str.__str__(repr(obj)))


def _bounded(text):
    if len(text) > MAX_TEXT:
        return "%s… [cut here: %d more characters]" % (text[:MAX_TEXT], len(text) - MAX_TEXT)
    return text


def write(data, metadata, **about):
    """Encodes the bundle as JSON, beside what else is true `about` the display. Bytes become base64; content that JSON cannot
    represent is left out."""
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
    metadata = metadata and encode(metadata, False)
    tail = [b'"metadata":' + metadata] if metadata and len(metadata) < MAX_DISPLAY else []
    tail += [b'"%s":%s' % (name.encode(), encode(value, False)) for name, value in about.items() if value]
    return b",".join([b'{"data":{' + b",".join(parts) + b"}", *tail]) + b"}"
