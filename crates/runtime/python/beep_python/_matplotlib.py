"""Matplotlib figures go to the client: by `plt.show()`, and at the end of what is executed, as in notebooks."""

import io
import os
import sys

from . import _current, _import_hooks
from ._builtins import own as __builtins__
from ._mime import text_of
from ._repr import message_of, type_name

BACKEND = "module://beep_python._figure_backend"
HEADLESS = "Agg"  # the backend of the processes that code starts: there is no screen


def use_own_backend():
    """Has matplotlib show figures to the client, where the environment says nothing else. Returns whether it does."""
    if os.environ.setdefault("MPLBACKEND", HEADLESS) != HEADLESS:
        return False
    _import_hooks.after("matplotlib", choose)
    return True


def choose(matplotlib):
    if os.environ.get("MPLBACKEND") == HEADLESS:  # the session may have a variable of its own
        matplotlib.rcParams["backend"] = BACKEND


def show(figures):
    """Shows figures in order with the output. Returns whether the client takes such things."""
    client = _current.client
    if client is None or not client.takes_events():
        return False
    for figure in figures:
        client.display(figure)
    return True


def open_figures():
    """The figures that pyplot holds open for us; none where code has chosen another backend."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    numbers = getattr(pyplot, "get_fignums", None)  # missing while pyplot is being imported
    open_now = numbers() if numbers is not None else ()
    if not open_now or pyplot.get_backend() != BACKEND:
        return []
    return [pyplot.figure(number) for number in open_now]


def is_figure(obj):
    kind = getattr(sys.modules.get("matplotlib.figure"), "Figure", None)
    return isinstance(kind, type) and isinstance(obj, kind)


def png(figure):
    image = io.BytesIO()
    figure.savefig(image, format="png", bbox_inches="tight")
    return image.getvalue()


def bundle_of(figure):
    """Data and metadata by MIME type. Of a figure that cannot be drawn there is its text, and a message on standard error."""
    data = {"text/plain": text_of(figure)}
    try:
        data = {"image/png": png(figure), **data}
    except Exception as error:
        print("%s cannot be drawn: %s: %s" % (data["text/plain"], type_name(type(error)), message_of(error)), file=sys.stderr)
    return data, {}


def close(figures):
    pyplot = sys.modules.get("matplotlib.pyplot")
    for figure in figures:
        pyplot.close(figure)
