"""Plotly's figures go to the client: by `fig.show()`, and as what code shows. Plotly itself would look for a browser."""

import os

from . import _current, _import_hooks, _ipython
from ._builtins import own as __builtins__

NAME = "beep_python"  # of our renderer


def install():
    _import_hooks.after("plotly.io._renderers", add_renderer)


def add_renderer(module):
    """Adds a renderer of our own, which is the default where neither the environment nor a shell of IPython's chooses one."""

    class Renderer(module.ExternalRenderer):
        # what `show` takes for it
        config = post_script = animation_opts = None
        auto_play = True

        def render(self, figure):
            if _current.client is None:
                return
            from plotly.io import to_html

            data = module.PlotlyRenderer(config=self.config).to_mimebundle(figure)
            options = {name: getattr(self, name) for name in ("config", "post_script", "animation_opts", "auto_play")}
            data["text/html"] = to_html(figure, full_html=False, include_plotlyjs="cdn", validate=False, **options)
            data["text/plain"] = text_of(figure)
            _current.client.display(data, raw=True)

    module.renderers[NAME] = Renderer()
    if not os.environ.get("PLOTLY_RENDERER") and not _ipython.has_shell():
        module.renderers.default = NAME


def text_of(figure):
    """Of a figure only its kinds of traces: as text its data say little."""
    kinds = dict.fromkeys([trace.get("type", "scatter") for trace in figure.get("data", ())])
    return "<plotly figure: %s>" % (", ".join(kinds) or "empty")
