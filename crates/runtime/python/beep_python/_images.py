"""Objects as PNG images."""

import io
import sys

from . import _dtypes, _matplotlib
from ._builtins import own as __builtins__
from ._content import Unfit, defines, derives, whole
from ._repr import name_of


def may_be_drawn(value):
    """Whether there may be a picture of it. Of an array its elements decide."""
    kind = type(value)
    return _matplotlib.is_figure(value) or _is_image(kind) or defines(kind, "_repr_png_") or _shape(value) is not None


def png(value):
    if _matplotlib.is_figure(value):
        return whole("bytes", "png", _matplotlib.png(value))
    if _is_image(type(value)):
        return whole("bytes", "png", _saved(value))
    if defines(type(value), "_repr_png_"):
        data = value._repr_png_()
        data = data[0] if type(data) is tuple and data else data
        if isinstance(data, (bytes, bytearray, memoryview)):
            return whole("bytes", "png", data)
        raise Unfit("its _repr_png_ gave no image; ask for another format")
    if _shape(value) is None:
        detail = "a %s is no picture: that is an array of uint8 or bool of the shape (h, w), (h, w, 3) or (h, w, 4)"
        raise Unfit(detail % name_of(type(value)))
    image = _dtypes.loaded("PIL.Image")
    if image is None:
        raise Unfit("an array becomes a PNG image by Pillow, which is not installed in this environment; install Pillow")
    return whole("bytes", "png", _saved(image.fromarray(value)))


def _shape(value):
    """The shape of a numpy array that is a picture; else None."""
    numpy = sys.modules.get("numpy")
    if not derives(type(value), getattr(numpy, "ndarray", None)) or value.dtype not in ("u1", "?"):
        return None
    shape = value.shape
    picture = len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4) and value.dtype.kind == "u")
    return shape if picture and all(shape) else None


def _is_image(kind):
    image = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return image is not None and derives(kind, image)


def _saved(image):
    file = io.BytesIO()
    if image.mode not in ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"):
        image = image.convert("RGB")
    image.save(file, "PNG")
    return file.getvalue()
