"""Matplotlib figures, if the user's code imported it: open figures are displayed automatically."""

import io
import sys

from ._builtins import own as __builtins__


def open_figures():
    """The figures that pyplot holds open."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    numbers = getattr(pyplot, "get_fignums", None)  # missing while pyplot is being imported
    return [pyplot.figure(number) for number in numbers()] if numbers is not None else []


def is_figure(obj):
    kind = getattr(sys.modules.get("matplotlib.figure"), "Figure", None)
    return isinstance(kind, type) and isinstance(obj, kind)


def bundle_of(figure):
    """Data and metadata by MIME type."""
    image = io.BytesIO()
    figure.savefig(image, format="png", bbox_inches="tight")
    return {"image/png": image.getvalue(), "text/plain": repr(figure)}, {}


def close(figures):
    pyplot = sys.modules.get("matplotlib.pyplot")
    for figure in figures:
        pyplot.close(figure)
