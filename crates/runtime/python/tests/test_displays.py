"""What code shows: displays with ids, updates, clearing; by `display`, by IPython's functions, and by plotly."""

import contextlib
import datetime
import decimal
import getpass
import io
import json
import os
import sys
import textwrap
import unittest
from unittest import mock

from beep_python import _current, _getpass, _host_rpc, _ipython, _mime, _plotly, _wire
from beep_python._stdin import Stdin

from .data import needs
from .sessions import EVALUATE, SessionTest

EXECUTE = 12


class Displays(SessionTest):
    """`events` has what the client was told: the name of the event, and its object."""

    flags = _wire.EVENTS

    def setUp(self):
        super().setUp()
        self.events, self.stdout, self.stderr = [], io.StringIO(), io.StringIO()
        client = self.session.client
        client.flags = self.flags
        client.write = lambda kind, body: self.events.append(("display", json.loads(body)))
        self.session.namespace["display"] = client.display
        for change in (
            mock.patch.object(_host_rpc, "request", self.request),
            mock.patch.object(_current, "client", client),
            contextlib.redirect_stdout(self.stdout),
            contextlib.redirect_stderr(self.stderr),
        ):
            change.__enter__()
            self.addCleanup(change.__exit__, None, None, None)

    def request(self, method, params, *_):
        self.events.append((method, json.loads(params)))
        return b"true"

    def execute(self, code, **body):
        """The events of the code."""
        self.events.clear()
        self.ask(EXECUTE, expression=textwrap.dedent(code), **body)
        return list(self.events)

    def shown(self, code):
        """What the displays of the code show."""
        return [event["data"] for name, event in self.execute(code) if name == "display"]


class Ids(Displays):
    def test_a_display_with_an_id_is_updated_through_its_handle(self):
        told = self.execute("h = display('a', display_id='i')\nh.update('b')\nh.display('c')\nh.display_id")
        self.assertEqual(
            told,
            [
                ("display", {"data": {"text/plain": "'a'"}, "displayId": "i"}),
                ("display", {"data": {"text/plain": "'b'"}, "displayId": "i", "isUpdate": True}),
                ("display", {"data": {"text/plain": "'c'"}, "displayId": "i"}),
                ("display", {"data": {"text/plain": "'i'"}, "isResult": True}),
            ],
        )

    def test_true_makes_a_new_id(self):
        one, two = [event["displayId"] for _, event in self.execute("display(1, display_id=True); display(2, display_id=True);")]
        self.assertNotEqual(one, two)

    def test_an_id_alone_is_a_place_for_updates(self):
        told = self.execute("h = display(display_id='i')\nh.update(1, metadata={'a': 2})")
        self.assertEqual(
            told,
            [
                ("display", {"data": {}, "displayId": "i"}),
                ("display", {"data": {"text/plain": "1"}, "metadata": {"a": 2}, "displayId": "i", "isUpdate": True}),
            ],
        )

    def test_only_what_has_an_id_has_a_handle(self):
        self.assertEqual(self.shown("display(1) is None, display(2, transient={'display_id': 'i'}) is None")[-1], {"text/plain": "(True, True)"})
        self.assertEqual(self.execute("display(2, transient={'display_id': 'i'})")[0][1]["displayId"], "i")

    def test_any_object_is_an_id(self):
        self.assertEqual([event["displayId"] for _, event in self.execute("display(1, display_id=2); display(1, display_id='\\udc80');")], ["2", "?"])

    def test_all_objects_of_a_call_have_its_id(self):
        self.assertEqual([event.get("displayId") for _, event in self.execute("display(1, 2, display_id='i');")], ["i", "i"])

    def test_an_update_needs_an_id(self):
        with self.assertRaisesRegex(TypeError, "display_id"):
            self.execute("display(1, update=True)")

    def test_clearing(self):
        client = self.session.client
        client.clear_output()
        client.clear_output(wait=True)
        self.assertEqual(self.events, [("clear_output", {"wait": False}), ("clear_output", {"wait": True})])
        self.assertEqual([name for name, _ in self.execute("display(1, clear=True);")], ["clear_output", "display"])

    def test_metadata_of_one_type_is_joined(self):
        code = """
            class Image:
                def _repr_png_(self): return b'', {'width': 1, 'height': 2}
            display(Image(), metadata={'image/png': {'width': 3}, 'other': 4}, exclude=['text/plain'])"""
        self.assertEqual(self.execute(code)[0][1]["metadata"], {"image/png": {"width": 3, "height": 2}, "other": 4})


class WithoutEvents(Displays):
    flags = 0

    def test_displays_are_printed(self):
        code = "h = display(1, display_id=True)\nh.update(2)\ndisplay(display_id='i')\ndisplay({'text/html': ''}, raw=True)\ndisplay(3, clear=True)"
        self.ask(EVALUATE, expression=code)
        self.assertEqual((self.stdout.getvalue(), self.events), ("1\n2\n<text/html>\n3\n", []))


class Results(Displays):
    def test_a_result_is_told_from_a_display(self):
        told = self.execute("display(1)\n2")
        self.assertEqual([event.get("isResult") for _, event in told], [None, True])

    def test_a_semicolon_keeps_a_result_quiet(self):
        for code in ("1;", "1 ;  ", "1; # why", "1;\n# why\n\n", "(1\n);", "x = 1; x;", "'é';", "[\n1 # ;\n];", "  1;", "await nothing();"):
            with self.subTest(code=code):
                self.execute("async def nothing(): return 1")
                self.assertEqual(self.execute(code), [])
        self.assertEqual(self.read(EXECUTE, expression="7;"), 7)

    def test_a_semicolon_elsewhere_does_not(self):
        for code in ("'a;'", "'a' # ;", "1; 2", "x = 1; x", "'''\n;'''", "(1 # ;\n)", "for n in (): pass;\n5", "'é;'  # é;"):
            with self.subTest(code=code):
                self.assertEqual(len(self.execute(code)), 1)

    def test_a_quiet_result_is_one_of_evaluate_all_the_same(self):
        self.assertEqual(self.evaluate("7;"), 7)


class Rich(unittest.TestCase):
    class Thing:
        def __repr__(self): return "repr"
        def _repr_html_(self): return "<p>", {"a": 1}
        def _repr_png_(self): return b"png"
        def _repr_mimebundle_(self, include=None, exclude=None): return {"x/y": include, "x/z": exclude}, {"x/z": {"b": 2}}

    def types(self, obj, **chosen):
        data, about = _mime.bundle_of(obj, **chosen)
        return sorted(data), sorted(about)

    def test_types_are_chosen(self):
        self.assertEqual(self.types(self.Thing()), (["image/png", "text/html", "text/plain", "x/y", "x/z"], ["text/html", "x/z"]))
        self.assertEqual(self.types(self.Thing(), include=["text/html"]), (["text/html"], ["text/html"]))
        self.assertEqual(self.types(self.Thing(), include={"text/plain", "x/y"}), (["text/plain", "x/y"], []))
        self.assertEqual(self.types(self.Thing(), exclude=("text/html", "x/z")), (["image/png", "text/plain", "x/y"], []))
        self.assertEqual(self.types(self.Thing(), include=["text/html", "image/png"], exclude=["image/png"]), (["text/html"], ["text/html"]))
        self.assertEqual(self.types(self.Thing, include=["text/html"]), ([], []))
        data, _ = _mime.bundle_of(self.Thing(), ["x/y", "x/z"], ["image/png"])
        self.assertEqual(data, {"x/y": ["x/y", "x/z"], "x/z": ["image/png"]})

    def test_methods_of_types_that_are_not_chosen_are_not_called(self):
        class Slow:
            def _repr_html_(self): raise AssertionError
            def __repr__(self): raise AssertionError

        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(self.types(Slow(), include=["image/png"]), ([], []))
        self.assertEqual(errors.getvalue(), "")

    @needs("numpy", "pandas")
    def test_numbers_and_dates_in_json(self):
        import numpy
        import pandas

        content = {
            "a": numpy.arange(3), "b": numpy.float32(1.5), "c": numpy.int64(2), "d": pandas.Timestamp("2026-01-02"), "e": numpy.bool_(True),
            "f": datetime.datetime(2026, 1, 2), "g": decimal.Decimal("1.5"), "h": [numpy.datetime64("2026-01-02")], "i": float("nan"),
        }  # fmt: skip
        told = json.loads(_mime.write({"application/json": content}, {"application/json": content}))
        for part in (told["data"], told["metadata"]):
            part = part["application/json"]
            self.assertEqual(sorted(part), list("abcdefghi"))
            self.assertEqual([part["a"], part["b"], part["c"], part["d"][:10], part["e"]], [[0, 1, 2], 1.5, 2, "2026-01-02", True])


class Pretty(Displays):
    CLASS = (
        "class Thing:\n    def __repr__(self): return 'repr'\n"
        "    def _repr_pretty_(self, p, cycle):\n        with p.group(1, '<', '>'): p.text('pretty'); p.pretty([1])\n"
    )

    @needs("IPython")
    def test_as_ipython_writes_it(self):
        self.assertEqual(self.shown(self.CLASS + "Thing()"), [{"text/plain": "<pretty[1]>"}])
        self.assertEqual(self.shown(self.CLASS + "Thing")[0]["text/plain"], "<class '__main__.Thing'>")
        raising = "class Raises:\n    def _repr_pretty_(self, p, cycle): raise ValueError('no')\n    def __repr__(self): return 'repr'\nRaises()"
        self.assertEqual(self.shown(raising), [{"text/plain": "repr"}])
        self.assertIn("_repr_pretty_ raised ValueError: no", self.stderr.getvalue())

    def test_without_ipython_its_repr(self):
        with mock.patch.dict(sys.modules, {"IPython": None, "IPython.lib": None, "IPython.lib.pretty": None}):
            self.assertEqual(self.shown(self.CLASS + "Thing()"), [{"text/plain": "repr"}])


@needs("IPython")
class IPython(Displays):
    def setUp(self):
        super().setUp()
        _ipython.install()
        self.execute("from IPython.display import *")

    def test_display(self):
        self.assertEqual(self.shown("from IPython.display import HTML, display\ndisplay(HTML('<b>'))")[0]["text/html"], "<b>")
        self.assertEqual(self.shown("display({'text/html': '<i>'}, raw=True)"), [{"text/html": "<i>"}])
        self.assertEqual(self.shown("import IPython\nIPython.display.display(1, 2)"), [{"text/plain": "1"}, {"text/plain": "2"}])
        self.assertEqual(self.shown("display(HTML('<b>'), include=['text/html'])"), [{"text/html": "<b>"}])
        self.assertEqual(self.stdout.getvalue(), "")

    def test_objects(self):
        for code, mime, content in (
            ("HTML('<b>')", "text/html", "<b>"),
            ("Markdown('*a*')", "text/markdown", "*a*"),
            ("JSON({'a': [1]})", "application/json", {"a": [1]}),
            ("Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png')", "image/png", None),
            ("Latex('$x$')", "text/latex", "$x$"),
            ("SVG('<svg/>')", "image/svg+xml", "<svg/>"),
            ("Javascript('1')", "application/javascript", "1"),
            ("Pretty('as it is')", "text/plain", "as it is"),
            ("Code('1', language='python')", "text/latex", None),
        ):
            with self.subTest(code=code):
                shown = self.shown(code)[0]
                self.assertIn("text/plain", shown)
                self.assertEqual(content or shown[mime], shown[mime])
        self.assertEqual(self.execute("JSON({}, expanded=True)")[0][1]["metadata"]["application/json"]["expanded"], True)
        self.assertIn("application/geo+json", self.shown("GeoJSON({})")[0])

    def test_display_of_one_type(self):
        self.assertEqual(self.shown("display_html('<u>', raw=True)\ndisplay_json({'a': 1}, raw=True)"), [{"text/html": "<u>"}, {"application/json": {"a": 1}}])

    def test_updates(self):
        told = self.execute(
            "h = display('a', display_id=True)\nassert type(h) is DisplayHandle\nh.update('b')\nupdate_display('c', display_id=h.display_id)\n"
            "DisplayHandle('i').display('d')\npublish_display_data({'x/y': 1}, {'m': 2}, transient={'display_id': 'i'}, update=True)"
        )
        told = [event for _, event in told]
        self.assertEqual(len({event["displayId"] for event in told[:3]}), 1)
        self.assertEqual([event.get("isUpdate") for event in told], [None, True, True, None, True])
        self.assertEqual(told[4], {"data": {"x/y": 1}, "metadata": {"m": 2}, "displayId": "i", "isUpdate": True})

    def test_a_bar_of_progress(self):
        told = [event for _, event in self.execute("bar = ProgressBar(2)\nfor _ in bar: pass")]
        self.assertEqual(len({event["displayId"] for event in told}), 1)
        self.assertEqual([event.get("isUpdate") for event in told], [None, True, True, True])
        self.assertIn("2/2", told[-1]["data"]["text/plain"])

    def test_clearing(self):
        self.assertEqual(self.execute("clear_output()\nclear_output(wait=True)"), [("clear_output", {"wait": False}), ("clear_output", {"wait": True})])
        self.assertEqual([name for name, _ in self.execute("display(1, clear=True)")], ["clear_output", "display"])
        self.assertEqual(self.stdout.getvalue(), "")

    def test_a_shell_that_code_has_made_has_its_own(self):
        shells = __import__("IPython.core.interactiveshell").core.interactiveshell
        with mock.patch.object(shells.InteractiveShell, "initialized", lambda: True), mock.patch.object(shells.InteractiveShell, "instance") as instance:
            self.execute("clear_output(True)\npublish_display_data({'a/b': 1})")
            instance().display_pub.clear_output.assert_called_with(True)
            instance().display_pub.publish.assert_called_with(data={"a/b": 1}, metadata=None)
        self.assertEqual(self.events, [])

    def test_what_no_session_runs_is_theirs(self):
        with mock.patch.object(_current, "client", None):
            self.execute("display('theirs')")
        self.assertEqual(self.stdout.getvalue(), "theirs\n")


@needs("pandas", "jinja2")
class Pandas(Displays):
    def test_a_styler(self):
        shown = self.shown("import pandas\npandas.DataFrame({'a': [1]}).style.format('{:.2f}')")[0]
        self.assertIn("1.00", shown["text/html"])
        self.assertIn("text/plain", shown)

    def test_a_frame_has_no_types_that_it_gives_nothing_for(self):
        self.assertEqual(sorted(self.shown("import pandas\npandas.DataFrame({'a': [1]})")[0]), ["text/html", "text/plain"])


@needs("plotly")
class Plotly(Displays):
    def setUp(self):
        super().setUp()
        _ipython.install()
        _plotly.install()
        with mock.patch.dict(os.environ):
            os.environ.pop("PLOTLY_RENDERER", None)
            self.ask(EVALUATE, expression="import plotly.graph_objects as go, plotly.io as pio\nfig = go.Figure(go.Bar(y=[1, 2]))\nNone")
        self.session.namespace["pio"].renderers.default = _plotly.NAME  # a test may have chosen another

    def check(self, shown):
        self.assertEqual([sorted(each) for each in shown], [["application/vnd.plotly.v1+json", "text/html", "text/plain"]])
        self.assertEqual(shown[0]["application/vnd.plotly.v1+json"]["data"][0]["type"], "bar")
        self.assertIn("<div", shown[0]["text/html"])
        self.assertEqual(shown[0]["text/plain"], "<plotly figure: bar>")

    def test_show(self):
        self.check(self.shown("fig.show()"))
        self.check(self.shown("pio.show(fig)"))
        self.check(self.shown("fig.show(config={'displayModeBar': False})"))
        self.assertIn("displayModeBar", self.shown("fig.show(config={'displayModeBar': False})")[0]["text/html"])

    def test_the_last_expression_and_display(self):
        self.check(self.shown("fig"))
        self.check(self.shown("display(fig)"))
        self.assertEqual(self.shown("fig;"), [])

    @needs("IPython", "nbformat")
    def test_a_renderer_that_code_chooses(self):
        self.assertEqual([sorted(shown) for shown in self.shown("fig.show('json')")], [["application/json"]])
        self.assertEqual([sorted(shown) for shown in self.shown("pio.renderers.default = 'json'\nfig")], [["application/json"]])

    def test_no_renderer(self):
        self.assertEqual(self.shown("pio.renderers.default = None\nfig.show()"), [])

    def test_nothing_else_was_chosen(self):
        module = sys.modules["plotly.io._renderers"]
        self.addCleanup(setattr, module.renderers, "default", _plotly.NAME)
        module.renderers.default = "json"
        with mock.patch.dict(os.environ, PLOTLY_RENDERER="json"):
            _plotly.add_renderer(module)
        self.assertEqual(module.renderers.default, "json")
        with mock.patch.object(_ipython, "has_shell", lambda: True):
            _plotly.add_renderer(module)
        self.assertEqual(module.renderers.default, "json")
        _plotly.add_renderer(module)
        self.assertEqual(module.renderers.default, _plotly.NAME)


class Passwords(Displays):
    flags = _wire.EVENTS | _wire.STDIN

    def request(self, method, params, *_):
        super().request(method, params)
        return b'{"exact":false,"answer":{"value":"secret"}}'

    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, getpass, "getpass", getpass.getpass)
        _getpass.install()
        self.session.client.stdin = stdin = Stdin()
        stdin.client, stdin.stream = self.session.client, sys.stdin

    def test_the_client_is_asked(self):
        told = self.execute("import getpass, sys\nfrom getpass import getpass as ask\nsaid = getpass.getpass(), ask('Key? '), ask('Pin? ', sys.stderr), ask(prompt='')\nNone")
        self.assertEqual(told, [("input", {"prompt": prompt, "password": True}) for prompt in ("Password: ", "Key? ", "Pin? ", "")])
        self.assertEqual(self.evaluate("said[0]"), "secret")

    def test_without_the_capability_the_input_has_ended(self):
        self.session.client.flags = _wire.EVENTS
        with self.assertRaisesRegex(EOFError, r"getpass\(\) was called.*'stdin'"):
            self.execute("import getpass\ngetpass.getpass()")
