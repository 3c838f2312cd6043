"""Figures of matplotlib are shown as in notebooks."""

import contextlib
import io
import json
import os
import subprocess
import sys
import unittest
from unittest import mock

from beep_python import _current, _host_rpc, _import_hooks, _matplotlib, _wire

from .data import needs
from .sessions import EVALUATE, SessionTest

EXECUTE = 12


class Shown(SessionTest):
    """`shown` has what the client got, in order: the MIME types of displays, and text of the output."""

    def setUp(self):
        super().setUp()
        self.shown = []
        client = self.session.client
        client.flags = _wire.EVENTS
        client.write = lambda kind, body: self.shown.append(self.told(json.loads(body)["data"]))
        client.flush = self.flush
        self.stderr, self.stdout = io.StringIO(), io.StringIO()
        for change in (
            mock.patch.object(_host_rpc, "request", self.request),
            mock.patch.object(_current, "client", client),
            mock.patch.dict(os.environ, MPLBACKEND="Agg"),
            contextlib.redirect_stdout(self.stdout),
            contextlib.redirect_stderr(self.stderr),
        ):
            change.__enter__()
            self.addCleanup(change.__exit__, None, None, None)

    def request(self, method, bundle, *_):
        self.shown.append(self.told(json.loads(bundle)["data"]))
        return b"true"

    def told(self, data):
        return "png" if "image/png" in data else data["text/plain"]

    def flush(self):
        text = self.stdout.getvalue()
        self.stdout.truncate(0)
        self.stdout.seek(0)
        self.shown += [text] if text else []

    def execute(self, code, **body):
        """What the code showed."""
        self.shown.clear()
        self.ask(EXECUTE, expression=code, **body)
        self.flush()
        return self.shown

    def raised(self, code, error):
        self.shown.clear()
        with self.assertRaises(error):
            self.ask(EXECUTE, expression=code)
        return self.shown


@needs("matplotlib")
class Figures(Shown):
    def setUp(self):
        super().setUp()
        from matplotlib import pyplot

        pyplot.switch_backend(_matplotlib.BACKEND)  # a test may have chosen another
        self.session.namespace["plt"] = pyplot
        self.addCleanup(pyplot.close, "all")

    def test_each_show_shows_what_is_open_and_closes_it(self):
        code = "plt.bar([1], [2]); plt.show(); print('between'); plt.pie([1, 2]); plt.show(); plt.plot([1]); None"
        self.assertEqual(self.execute(code), ["png", "between\n", "png", "png"])
        self.assertEqual(self.evaluate("plt.get_fignums()"), [])

    def test_several_open_figures_are_shown_at_once(self):
        self.assertEqual(self.execute("plt.figure(); plt.figure(); plt.show(); print('after')"), ["png", "png", "after\n"])

    def test_a_figure_shows_itself_and_stays_open(self):
        self.assertEqual(self.execute("f, a = plt.subplots(); f.show(); a.plot([1]); print(plt.get_fignums()); None"), ["png", "[1]\n"])

    def test_operations_without_events_keep_what_is_open(self):
        self.session.client.flags = 0
        self.evaluate("plt.plot([1, 2]); plt.show()")
        self.assertEqual(self.evaluate("import io\nf = io.BytesIO(); plt.savefig(f); [len(f.getvalue()) > 1000, plt.get_fignums()]"), [True, [1]])
        self.assertEqual((self.stdout.getvalue(), self.stderr.getvalue(), self.shown), ("", "", []))

    def test_what_is_shown_when_code_fails_or_is_interrupted(self):
        for code, error in (("1/0", ZeroDivisionError), ("raise KeyboardInterrupt", KeyboardInterrupt), ("raise SystemExit(3)", SystemExit)):
            self.assertEqual(self.raised("plt.plot([1])\n" + code, error), ["png"])
            self.assertEqual(self.evaluate("plt.get_fignums()"), [])

    def test_a_figure_that_cannot_be_drawn(self):
        code = "plt.figure(); f = plt.figure(); f.text(0, 0, '$\\\\undefined{$'); plt.figure()\n"
        text = "<Figure size 640x480 with 0 Axes>"
        self.assertEqual(self.execute(code + "None"), ["png", text, "png"])
        self.assertIn("cannot be drawn: ValueError", self.stderr.getvalue())
        self.assertEqual(self.execute(code + "plt.show()\n7"), ["png", text, "png", "7"])
        self.assertEqual(self.raised(code + "1/0", ZeroDivisionError), ["png", text, "png"])
        self.assertEqual(self.execute("f = plt.figure(); f.__class__ = type('F', (type(f),), {'__repr__': lambda f: 1/0}); None"), ["png"])

    def test_its_value_is_shown_once(self):
        self.assertEqual(self.execute("f, a = plt.subplots(); f"), ["png"])

    def test_a_backend_that_code_chooses(self):
        for choose in ("matplotlib.use('svg')", "plt.switch_backend('agg')", "matplotlib.use('Agg')"):
            with self.subTest(choose=choose):
                self.assertEqual(self.execute("import matplotlib\n%s\nplt.close('all')\nf = plt.figure()\nplt.show()\nNone" % choose), [])
                self.assertEqual(self.evaluate("plt.get_fignums()"), [1])
                self.assertEqual(self.raised("1/0", ZeroDivisionError), [])
                self.assertEqual(self.execute("f"), ["png"], "what code gives to be shown is shown")
                self.assertEqual(self.evaluate("plt.get_fignums()"), [1])


    def test_the_magic_chooses_where_they_are_shown(self):
        line = "from beep_python import _magic_commands\n_magic_commands.matplotlib('%s')\nplt.plot([1, 2])\nplt.show()"
        self.assertEqual(self.execute(line % "inline"), ["png"])
        self.assertNotIn("png", self.execute(line % "agg"))
        self.assertEqual(self.execute(line % "inline"), ["png"])


@needs("matplotlib")
class Choice(unittest.TestCase):
    """In processes of their own, since matplotlib asks once."""

    def backend(self, code="", **env):
        code = "from beep_python import _matplotlib\nprint(_matplotlib.use_own_backend())\n%s\nimport matplotlib.pyplot as p, os\nprint(p.get_backend(), os.environ['MPLBACKEND'])" % code
        env = {**{name: value for name, value in os.environ.items() if name != "MPLBACKEND"}, "PYTHONPATH": os.pathsep.join(sys.path), **env}
        run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env, check=True, universal_newlines=True)
        return run.stdout.split()

    def test_ours_and_that_of_children(self):
        self.assertEqual(self.backend(), ["True", _matplotlib.BACKEND, "Agg"])

    def test_the_environment_comes_first(self):
        self.assertEqual(self.backend(MPLBACKEND="svg"), ["False", "svg", "svg"])
        self.assertEqual(self.backend("import os; os.environ['MPLBACKEND'] = 'pdf'"), ["True", "pdf", "pdf"])
        self.assertEqual(self.backend("import matplotlib; matplotlib.use('ps')"), ["True", "ps", "Agg"])


class Hooks(unittest.TestCase):
    def setUp(self):
        self.seen = []

    def fresh(self, name):
        module = sys.modules.pop(name, None)
        if module is not None:
            self.addCleanup(sys.modules.__setitem__, name, module)
        _import_hooks.after(name, self.seen.append)

    def test_once_the_module_is_whole(self):
        self.fresh("this_module_is_missing")
        for _ in range(2):
            with self.assertRaises(ModuleNotFoundError):
                __import__("this_module_is_missing")
        self.fresh("colorsys")
        import colorsys

        self.assertEqual(self.seen, [colorsys])
        self.assertEqual((type(colorsys.__loader__).__name__, colorsys.__spec__.loader), ("SourceFileLoader", colorsys.__loader__))
        sys.modules.pop("colorsys")
        import colorsys

        self.assertEqual(len(self.seen), 1)

    def test_a_module_that_is_there(self):
        _import_hooks.after("json", self.seen.append)
        self.assertEqual(self.seen, [json])
