"""A backend of matplotlib, which imports this module by its name: it draws into memory, and shows figures to the client."""

from matplotlib.backend_bases import FigureManagerBase, _Backend
from matplotlib.backends.backend_agg import FigureCanvasAgg

from . import _matplotlib
from ._builtins import own as __builtins__


class FigureManager(FigureManagerBase):
    def show(self):
        _matplotlib.show([self.canvas.figure])


class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager


@_Backend.export
class OwnBackend(_Backend):
    FigureCanvas, FigureManager = FigureCanvas, FigureManager

    @classmethod
    def show(cls, *args, **kwargs):
        """Shows all figures and closes them, as notebooks do: the next one begins anew."""
        figures = _matplotlib.open_figures()
        if _matplotlib.show(figures):
            _matplotlib.close(figures)
