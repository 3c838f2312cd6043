"""Callbacks are functions of Python to the code that gets them, and their errors are Python's."""

import json
import unittest
from unittest import mock

from beep_python import Callback, CallbackError, _callbacks, _client, _host_rpc, _wire
from beep_python._wire import Rejected

from .sessions import EVALUATE, SessionTest


class CallbackTest(SessionTest):
    """`reply` answers a callback; it is given what the host would pass on."""

    def setUp(self):
        super().setUp()
        self.session.client.flags = _wire.CALLBACKS | _wire.EVENTS
        patched = mock.patch.object(_host_rpc, "request", self.request)
        patched.start()
        self.addCleanup(patched.stop)
        self.asked = []
        self.answer = {"value": 7}

    def request(self, method, params, of):
        self.asked.append((method, json.loads(params)))
        return json.dumps({"exact": False, "answer": self.answer}).encode()

    def run_with(self, code, name="cb", **more):
        return self.evaluate(code, locals={"cb": {"$callback": name, **more}})


class Kept(CallbackTest):
    """A callback that outlives its call."""

    def setUp(self):
        super().setUp()
        self.session.client.flags = 0  # whatever the request may be asked itself

    def request(self, method, params, of):
        if method != "keep_callback":
            return super().request(method, params, of)
        self.over = json.loads(params)["over"]
        if self.over == "gone":
            raise _host_rpc.HostError("invalid_request", "no subscription 'gone'")
        return json.dumps({"over": self.over or "e1", "exact": True}).encode()

    def keep(self, keep=True):
        self.run_with("import builtins\nbuiltins.kept = cb\nNone", keep=keep)
        self.addCleanup(lambda: self.evaluate("import builtins\ndel builtins.kept"))

    def test_its_client_is_asked_over_its_subscription(self):
        self.keep()
        self.assertIsNone(self.over)
        self.assertEqual(self.evaluate("kept((1,), key=2)"), 7)
        (method, params), = self.asked
        asked = {"name": "cb", "nested": True, "args": [{"value": {"$tuple": [1]}}], "kwargs": {"key": {"value": 2}}}
        self.assertEqual((method, params), ("kept_callback", {"over": "e1", "callback": asked}))

    def test_the_client_may_name_the_subscription(self):
        self.keep("e7")
        self.evaluate("kept()")
        self.assertEqual((self.over, self.asked[0][1]["over"]), ("e7", "e7"))

    def test_without_a_subscription_it_cannot_be_passed(self):
        with self.assertRaisesRegex(Rejected, "no subscription 'gone'") as caught:
            self.keep("gone")
        self.assertEqual(caught.exception.code, "invalid_request")

    def test_what_keep_is(self):
        for wrong in (1, None, [], {}):
            with self.subTest(wrong=wrong), self.assertRaisesRegex(Rejected, "'keep' must be true"):
                self.run_with("1", keep=wrong)
        with self.assertRaisesRegex(Rejected, "'callbacks' among its capabilities"):
            self.run_with("1", keep=False)

    def test_disposing_of_its_own_handle_releases_it(self):
        own = self.read(11, value={"$callback": "cb", "keep": True})["handleId"]
        self.evaluate("import builtins\nbuiltins.kept = cb\nNone", locals={"cb": {"$handle": own}})
        self.addCleanup(lambda: self.evaluate("import builtins\ndel builtins.kept"))
        again = self.read(11, value={"$handle": own})["handleId"]
        self.read(7, handleId=again)
        self.assertEqual(self.evaluate("kept()"), 7)
        self.read(7, handleIds=[own])
        with self.assertRaisesRegex(_host_rpc.HostError, "released by its client"):
            self.evaluate("kept()")

    def test_there_is_a_limit_to_those_that_code_still_has(self):
        many = [{"$callback": "cb", "keep": True}] * _client.MAX_KEPT
        self.evaluate("import builtins\nbuiltins.kept = cbs\nNone", locals={"cbs": many})
        with self.assertRaises(Rejected) as caught:
            self.run_with("1", keep=True)
        self.assertEqual(caught.exception.code, "too_many_handles")
        self.evaluate("import builtins\ndel builtins.kept")
        self.assertEqual(self.run_with("cb()", keep=True), 7)

    def test_a_question_to_a_call_that_has_to_stop_is_not_asked(self):
        self.keep()
        self.session.client.is_stopping = lambda: True
        with self.assertRaisesRegex(_host_rpc.HostError, "has to stop"):
            self.evaluate("kept()")
        self.assertEqual(self.asked, [])


class Function(CallbackTest):
    def test_its_names(self):
        self.assertEqual(self.run_with("(cb.__name__, cb.__qualname__, cb.__module__)", "add"), ["add", "add", "beep_python"])
        self.assertEqual(self.run_with("repr(cb)", "add"), "<callback 'add' of the client>")
        self.assertEqual(self.run_with("(callable(cb), isinstance(cb, __import__('beep_python').Callback), cb.name)"), [True, True, "cb"])

    def test_every_name_of_an_argument(self):
        self.assertEqual(self.run_with("cb(self=1, name=2, args=3, kwargs=4, client=5)"), 7)
        (_, params), = self.asked
        self.assertEqual(params["kwargs"], {name: {"value": n} for n, name in enumerate(("self", "name", "args", "kwargs", "client"), 1)})

    def test_documentation(self):
        self.assertIsNone(self.run_with("cb.__doc__"))
        self.assertEqual(self.run_with("cb.__doc__", doc="Adds."), "Adds.")
        self.assertIn("Adds.", self.run_with("import pydoc\npydoc.render_doc(cb)", doc="Adds."))

    def test_signature(self):
        self.assertEqual(self.run_with("import inspect\nstr(inspect.signature(cb))"), "(*args, **kwargs)")
        text = "(a, /, b: int, *c: str, d: 'list[int]' = None, e=(1, {'x': -2.5}), **f: list[str]) -> dict"
        self.run_with("import inspect\nsignature = inspect.signature(cb)\nglobals().update(s=signature)\nNone", signature=text)
        code = "import inspect\np = inspect.signature(cb).parameters\n[(q.name, int(q.kind), q.default is q.empty or q.default, str(q.annotation)) for q in p.values()]"
        e = inspect_empty = "<class 'inspect._empty'>"
        self.assertEqual(
            self.run_with(code, signature=text),
            [["a", 0, True, e], ["b", 1, True, "<class 'int'>"], ["c", 2, True, "<class 'str'>"], ["d", 3, None, "list[int]"]]
            + [["e", 3, [1, {"x": -2.5}], inspect_empty], ["f", 4, True, "list[str]"]],
        )
        self.assertEqual(self.run_with("inspect = __import__('inspect')\ninspect.signature(cb).return_annotation is dict", signature=text), True)

    def test_hints(self):
        code = "import typing\nsorted((name, str(hint)) for name, hint in typing.get_type_hints(cb).items())"
        self.assertEqual(self.run_with(code), [])
        self.assertEqual(self.run_with(code, signature="(a: int, b) -> 'str'"), [["a", "<class 'int'>"], ["return", "<class 'str'>"]])

    def test_its_description_for_clients(self):
        handle = self.handle(EVALUATE, expression="cb", locals={"cb": {"$callback": "add", "doc": "Adds.", "signature": "(a: int, b: int = 1) -> int"}}, returnType="handle")
        told = self.read(24, handleId=handle["handleId"])
        self.assertEqual((told["doc"], told["signature"]), ("Adds.", "(a: int, b: int = 1) -> int"))
        self.assertEqual(told["parameters"]["required"], ["a"])

    def test_wrapped(self):
        code = "import functools, inspect\n@functools.wraps(cb)\ndef f(*args): return cb(*args) + 1\n"
        told = self.run_with(code + "(f.__name__, f.__doc__, str(inspect.signature(f)), f(1))", "add", doc="Adds.", signature="(a)")
        self.assertEqual(told, ["add", "Adds.", "(a)", 8])
        self.assertEqual(self.run_with("import functools\nfunctools.partial(cb, 1)(b=2)"), 7)
        self.assertEqual(self.run_with("import functools\nfunctools.lru_cache(cb)(1)"), 7)
        self.assertEqual(self.run_with("list(map(cb, [1, 2]))"), [7, 7])
        self.assertEqual(self.run_with("import asyncio\nasyncio.iscoroutinefunction(cb)"), False)

    def test_in_a_class_it_is_a_method(self):
        self.assertEqual(self.run_with("class A: f = cb\nA().f(1), A.f(2)"), [7, 7])
        self.assertEqual([len(params["args"]) for _, params in self.asked], [2, 1])

    def test_it_is_copied_as_a_function(self):
        self.assertEqual(self.run_with("import copy\n[copy.copy(cb) is cb, copy.deepcopy({'f': cb})['f'] is cb]"), [True, True])

    def test_it_takes_attributes_and_is_a_key(self):
        self.assertEqual(self.run_with("cb.mark = 1\n({cb: 2}[cb], cb.mark, cb == cb, __import__('weakref').ref(cb)() is cb)"), [2, 1, True, True])

    def test_it_cannot_be_pickled(self):
        for protocol in (0, 2, 5):
            with self.assertRaisesRegex(Exception, "'add' is a function of the client") as caught:
                self.run_with("import pickle\npickle.dumps([cb], %d)" % protocol, "add")
            self.assertEqual(type(caught.exception).__name__, "PicklingError")

    def test_a_thread_is_named_after_it(self):
        self.assertIn(self.run_with("import threading\nthreading.Thread(target=cb).name", "add")[-5:], ("(add)", "ead-1", "ead-2", "ead-3"))

    def test_columns_of_a_table(self):
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise unittest.SkipTest("pandas is not installed") from None
        code = "import pandas, warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    r = pandas.DataFrame({'x': [1, 2]}).agg([first, second])\nstr(r)"
        told = self.evaluate(code, locals={"first": {"$callback": "first"}, "second": {"$callback": "second"}})
        self.assertIn("first", told)
        self.assertIn("second", told)


class Written(CallbackTest):
    """How a request writes one."""

    def test_what_is_no_text(self):
        for more in ({"doc": 1}, {"doc": None}, {"signature": ["a"]}, {"signature": None}):
            with self.subTest(more=more):
                code, detail = self.refused(EVALUATE, expression="cb", locals={"cb": {"$callback": "cb", **more}})
                self.assertEqual(code, "invalid_request")
                self.assertIn("must be a string", detail)

    def test_other_members(self):
        more = {"cb": {"$callback": "cb", "doc": "d", "other": 1}}
        self.assertEqual(self.evaluate("cb", locals=more), more["cb"])  # in the plain form it is a dict
        with self.assertRaises(Rejected):
            self.ask(EVALUATE, True, expression="cb", locals=more)

    def test_what_is_no_signature(self):
        wrong = ("", "a", "(a", "(a, a)", "(a): pass #", "(): return 1 #", "(): pass\ndef g()", "(a=f())", "(*, a, **)", "(a=1, b)", "x(a)", "(a) -> int: pass;", "(\0)")
        for signature in wrong:
            with self.subTest(signature=signature):
                self.assertEqual(self.refused(EVALUATE, expression="cb", locals={"cb": {"$callback": "cb", "signature": signature}})[0], "invalid_request")

    def test_in_arguments_and_in_the_exact_form(self):
        function = self.handle(EVALUATE, expression="lambda f: (f.__name__, f.__doc__)", returnType="handle")["handleId"]
        for exact in (False, True):
            kind, told = self.ask(22, exact, handleId=function, args=[{"$callback": "add", "doc": "Adds."}])
            self.assertIn(b'["add","Adds."]', told)


class Errors(CallbackTest):
    def fails(self, **error):
        self.answer = {"error": error}
        with self.assertRaises(CallbackError) as caught:
            self.run_with("cb()")
        return caught.exception

    def test_a_text(self):
        self.answer = {"error": "no such file"}
        with self.assertRaises(CallbackError) as caught:
            self.run_with("cb()")
        self.assertEqual((type(caught.exception), str(caught.exception), caught.exception.kind), (CallbackError, "no such file", None))

    def test_an_answer_that_cannot_be_taken(self):
        for value in ({"$handle": "nope"}, {"$callback": "g", "keep": 7}):
            self.answer = {"value": value}
            with self.assertRaisesRegex(CallbackError, "the client's answer cannot be taken: "):
                self.run_with("cb()")

    def test_a_builtin_is_caught_as_both(self):
        self.answer = {"error": {"type": "KeyError", "message": "no 'a'"}}
        for kind in ("KeyError", "LookupError", "beep_python.CallbackError", "RuntimeError"):
            told = self.run_with("import beep_python\ntry: cb()\nexcept %s as e: r = [type(e).__name__, str(e), e.args[0], e.kind]\nr" % kind)
            self.assertEqual(told, ["KeyError", "no 'a'", "no 'a'", "KeyError"])

    def test_every_builtin_exception(self):
        import builtins
        import copy
        import pickle
        import traceback

        from beep_python import _exceptions

        for name, kind in sorted(vars(builtins).items()):
            if not isinstance(kind, type) or not issubclass(kind, BaseException):
                continue
            with self.subTest(name=name):
                error = self.fails(type=name, message="it failed")
                self.assertEqual((str(error), error.args, error.kind), ("it failed", ("it failed",), name))
                if not issubclass(kind, Exception) or name == "ExceptionGroup":
                    self.assertIs(type(error), CallbackError)
                else:
                    self.assertIsInstance(error, kind)
                self.assertIn("it failed", "".join(traceback.format_exception(type(error), error, error.__traceback__)))
                self.assertEqual(json.loads(_exceptions.encode(error))["exception"]["message"], "it failed")
                self.assertIn("it failed", repr(error))
                for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
                    self.assertEqual((type(other), str(other), other.kind), (type(error), "it failed", name))
                with self.assertRaises(CallbackError):
                    raise type(error)(*error.args) from error
                self.assertIsNone(getattr(error, "errno", None))

    def test_types_that_are_no_exceptions_of_python(self):
        for kind in ("MyError", "System.IO.FileNotFoundException", "print", "int", "__name__", "", "SystemExit", "KeyboardInterrupt", "GeneratorExit"):
            with self.subTest(kind=kind):
                error = self.fails(type=kind, message="it failed")
                self.assertEqual((type(error), str(error), error.kind), (CallbackError, "it failed", kind))

    def test_one_class_for_each(self):
        kinds = [type(self.fails(type=name, message="m")) for name in ("OSError", "IOError", "OSError", "KeyError")]
        self.assertIs(kinds[0], kinds[1])
        self.assertIs(kinds[0], kinds[2])
        self.assertIsNot(kinds[0], kinds[3])

    def test_what_is_missing_or_odd(self):
        self.assertEqual(str(self.fails(type="ValueError")), "")
        self.assertEqual(type(self.fails(message="m")), CallbackError)
        self.assertEqual(str(self.fails(type=5, message="m")), "m")
        self.answer = {"error": ["a"]}
        with self.assertRaisesRegex(CallbackError, "a"):
            self.run_with("cb()")

    def test_a_stop_iteration_ends_an_iteration(self):
        self.answer = {"error": {"type": "StopIteration", "message": "done"}}
        self.assertEqual(self.run_with("list(iter(cb, None))"), [])

    def test_code_that_replaced_a_builtin(self):
        import builtins

        with mock.patch.object(builtins, "KeyError", None):
            self.assertEqual(type(self.fails(type="KeyError", message="m")).__mro__[2:4], (RuntimeError, _callbacks.own["KeyError"]))

    def test_an_error_in_place_of_input(self):
        self.session.client.flags |= _wire.STDIN
        self.answer = {"error": {"type": "EOFError", "message": "closed"}}
        with self.assertRaises(EOFError):
            self.session.client.input()

    def test_a_class_of_users(self):
        self.assertEqual(Callback("a", None).__name__, "a")
        with self.assertRaises(CallbackError):
            raise CallbackError("a", "b")
        self.assertEqual(str(CallbackError("a", "b")), "('a', 'b')")
