import json
import os
import sys
import time
import types
from unittest import mock

from beep_python import _wire

from .sessions import AVAILABLE, CALL, CREATE, DISPOSE, EVALUATE, GETATTR, IMPORT, SETATTR, WRAP, SessionTest


class Modules(SessionTest):
    def test_a_module_has_one_handle(self):
        first = self.read(IMPORT, moduleName="collections.abc")
        self.assertEqual(first, {"handleId": "s1.2.1", "moduleName": "collections.abc", "typeName": "module"})
        self.assertEqual(self.read(IMPORT, moduleName="collections.abc"), first)
        self.read(DISPOSE, handleId=first["handleId"])
        self.read(DISPOSE, handleIds=[first["handleId"]])
        self.assertEqual(self.read(IMPORT, moduleName="collections.abc"), first)

    def test_its_root_is_bound_in_the_session(self):
        self.read(IMPORT, moduleName="os.path")
        self.assertEqual(self.evaluate("os.path.join('a', 'b')"), "a/b")

    def test_what_cannot_be_imported(self):
        with self.assertRaises(ModuleNotFoundError):
            self.read(IMPORT, moduleName="no_such_module")
        self.assertEqual(self.refused(IMPORT, moduleName="")[0], "invalid_request")
        self.assertEqual(self.refused(IMPORT)[0], "invalid_request")

    def test_availability(self):
        self.addCleanup(sys.modules.pop, "blocked_module", None)
        sys.modules["blocked_module"] = None
        for name, available in (
            *(("json", True), ("xml.dom.minidom", True), ("__main__", True), ("no_such_module", False)),
            *(("json.nothing", False), ("no.such", False), ("sys.path", False), ("", False), (".x", False)),
            ("blocked_module", False),
        ):
            with self.subTest(name=name):
                self.assertEqual(self.read(AVAILABLE, moduleName=name), {"available": available})


class Objects(SessionTest):
    def test_create_calls_anything_and_always_gives_a_handle(self):
        module = self.read(IMPORT, moduleName="datetime")["handleId"]
        made = self.read(CREATE, moduleHandleId=module, className="date", args=[2026, 2], kwargs={"day": 3})
        self.assertEqual(made["typeName"], "date")
        self.assertEqual(self.read(CALL, handleId=made["handleId"], methodName="isoformat"), "2026-02-03")
        number = self.read(CREATE, moduleHandleId=module, className="date.fromordinal.__name__.count", args=["o"])
        self.assertEqual(number["typeName"], "int")

    def test_calls(self):
        handle_id = self.keep("{'a': 1}")
        self.assertEqual(self.read(CALL, handleId=handle_id, methodName="get", args=["a"]), 1)
        self.assertEqual(self.read(CALL, handleId=handle_id, methodName="get", args=["b", None]), None)
        self.assertEqual(self.read(CALL, handleId=handle_id, methodName="items"), [["a", 1]])
        self.assertTrue(self.handle(CALL, handleId=handle_id, methodName="__iter__")["isHandle"])
        self.assertEqual(self.read(CALL, handleId=handle_id, methodName="keys.__class__.__name__.upper"), "BUILTIN_FUNCTION_OR_METHOD")
        with self.assertRaises(AttributeError):
            self.read(CALL, handleId=handle_id, methodName="nothing")
        with self.assertRaises(TypeError):
            self.read(CALL, handleId=handle_id, methodName="get", kwargs={"no": 1})

    def test_what_is_asynchronous_is_awaited(self):
        self.evaluate("class C:\n    async def two(self): return 2")
        self.assertEqual(self.read(CALL, handleId=self.keep("C()"), methodName="two"), 2)

    def test_attributes(self):
        self.evaluate("class C: pass\nc = C()\nc.d = C()")
        handle_id = self.keep("c")
        self.assertEqual(self.read(SETATTR, handleId=handle_id, attributeName="a", value=[1]), {"success": True})
        self.assertEqual(self.read(GETATTR, handleId=handle_id, attributeName="a"), [1])
        self.read(SETATTR, handleId=handle_id, attributeName="d.e")
        self.assertIsNone(self.read(GETATTR, handleId=handle_id, attributeName="d.e"))
        self.assertFalse(self.evaluate("hasattr(c, 'd.e')"))
        with self.assertRaises(AttributeError):
            self.read(SETATTR, handleId=self.keep("1"), attributeName="x", value=1)

    def test_names_must_not_be_empty(self):
        handle_id = self.keep("1")
        self.assertEqual(self.refused(GETATTR, handleId=handle_id, attributeName="")[0], "invalid_request")
        self.assertEqual(self.refused(SETATTR, handleId=handle_id, attributeName="")[0], "invalid_request")
        self.assertEqual(self.refused(SETATTR, handleId=handle_id, attributeName="a.")[0], "invalid_request")
        self.assertEqual(self.refused(CALL, handleId=handle_id, methodName="")[0], "invalid_request")

    def test_wrapped_values_are_what_the_client_meant(self):
        self.assertEqual(self.read(WRAP, value=[])["typeName"], "list")
        self.assertEqual(self.read(WRAP)["typeName"], "NoneType")
        self.assertEqual(self.read(WRAP, exact=True, value={"$set": [1]})["typeName"], "set")
        self.assertEqual(self.read(WRAP, value={"$set": [1]})["typeName"], "dict")

    def test_disposing(self):
        one, two, three = (self.keep("object()") for _ in range(3))
        self.assertEqual(self.read(DISPOSE, handleId=one), {"success": True})
        self.assertEqual(self.refused(DISPOSE, handleId=one)[0], "unknown_handle")
        gone = self.read(DISPOSE, handleIds=[one, two, two, three, "other"])
        self.assertEqual(gone, {"success": True, "disposed": 2})
        self.assertEqual(self.session.handles.held, {})
        self.assertEqual(self.refused(DISPOSE, handleIds=[1])[0], "invalid_request")
        self.assertEqual(self.refused(DISPOSE)[0], "invalid_request")


class HandleIds(SessionTest):
    def test_an_id_is_never_used_twice(self):
        one = self.keep("object()")
        self.read(DISPOSE, handleId=one)
        self.assertNotEqual(self.keep("object()"), one)

    def test_ids_that_are_not_held(self):
        for handle_id, code in (
            *(("s1.1.5", "handle_lost"), ("s1.0.1", "handle_lost"), ("s1.2.5", "unknown_handle")),
            *(("s1.3.5", "unknown_handle"), ("s2.1.5", "unknown_handle"), ("", "unknown_handle")),
            *(("s1.\u00b2.1", "unknown_handle"), ("s1." + "9" * 5000 + ".1", "unknown_handle")),
            ("x" * 100_000, "unknown_handle"),
        ):
            with self.subTest(handle_id=handle_id[:20]):
                refused = self.refused(CALL, handleId=handle_id, methodName="x")
                self.assertEqual(refused[0], code)
                self.assertLess(len(refused[1]), 400)

    def test_what_is_said_of_a_handle(self):
        said = self.handle(EVALUATE, expression="1j")
        self.assertEqual(said, {"isHandle": True, "handleId": "s1.2.1", "typeName": "complex"})
        said = self.handle(EVALUATE, expression="1j", repr=True)
        self.assertEqual(said, {"isHandle": True, "handleId": "s1.2.2", "typeName": "complex", "repr": "1j"})
        shaped = "class A:\n    shape = (2, 3)\n    dtype = 'int64'\n    def __repr__(self): return 'x' * 10**6\nA()"
        said = self.handle(EVALUATE, expression=shaped, repr=True)
        self.assertEqual((said["typeName"], said["typeModule"]), ("A", "__main__"))
        self.assertEqual((said["shape"], said["dtype"]), ([2, 3], "int64"))
        self.assertEqual(len(said["repr"]), 200)

    def test_objects_that_say_wrong_things_of_themselves(self):
        for body in (
            "def __repr__(self): 1/0",
            "def __repr__(self): return 5",
            "def __repr__(self): raise SystemExit",
            "def __sizeof__(self): raise SystemExit",
            "@property\n    def shape(self): raise SystemExit",
            "def __repr__(self): return type('S', (str,), {})('x')",
            "def __repr__(self): return '\\ud800'",
            "@property\n    def shape(self): 1/0",
            "shape = (object(),)",
            "__module__ = 5",
            "__class__ = int",
            "def __getattr__(self, name): raise KeyError(name)",
        ):
            with self.subTest(body=body):
                self.assertTrue(self.handle(EVALUATE, expression="class A:\n    %s\nA()" % body, repr=True)["typeName"])
                self.evaluate("import beep_python\nlen(beep_python.handles())")
        meta = "class M(type):\n    def __getattribute__(c, name): 1/0\nclass A(metaclass=M): pass\nA()"
        self.assertTrue(self.handle(EVALUATE, expression=meta)["typeName"])

    def test_a_handle_that_cannot_be_described_is_not_kept(self):
        self.evaluate("class A:\n    def __repr__(self): raise KeyboardInterrupt")
        with self.assertRaises(KeyboardInterrupt):
            self.ask(EVALUATE, expression="A()", repr=True)
        self.assertEqual(self.session.handles.held, {})


class SetUp(SessionTest):
    def test_variables_and_code(self):
        self.addCleanup(time.tzset)
        path = list(sys.path)
        self.addCleanup(lambda: sys.path.__setitem__(slice(None), path))
        with mock.patch.dict(os.environ, {"GONE": "1"}):
            os.environ.pop("PYTHONPATH", None)
            env = {"TZ": "JST-9", "PYTHONPATH": "/one:/two", "GONE": None, "HERE": "é"}
            self.session.set_up(json.dumps({"env": env, "setup": "import asyncio\nawait asyncio.sleep(0)\nx = 5"}).encode())
            self.assertEqual((time.tzname[0], sys.path[:2]), ("JST", ["/one", "/two"]))
            self.assertEqual((os.environ["HERE"], "GONE" in os.environ), ("é", False))
            self.session.set_up(b'{"env": {"PYTHONPATH": "/three"}}')
            self.assertEqual([folder for folder in ("/one", "/two", "/three") if folder in sys.path], ["/three"])
            self.session.set_up(b'{"env": {"PYTHONPATH": null}}')
            self.assertEqual(sys.path, path)
            with mock.patch.object(sys, "path", ["", "/last"]):
                self.session.set_up(b'{"env": {"PYTHONPATH": "/one"}}')
                self.assertEqual(sys.path, ["", "/one", "/last"])
        self.assertEqual(self.evaluate("x"), 5)
        with self.assertRaises(ZeroDivisionError):
            self.session.set_up(b'{"setup": "1/0"}')


class Namespace(SessionTest):
    def test_a_session_is_a_module_of_its_own(self):
        self.assertIs(sys.modules["__main__"], self.session.module)
        self.assertIsInstance(self.session.module, types.ModuleType)
