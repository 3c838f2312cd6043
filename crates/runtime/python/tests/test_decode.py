import unittest

from beep_python._decode import arguments, body_of, text, value_of
from beep_python._handles import Handles
from beep_python._wire import Rejected


class Decode(unittest.TestCase):
    def setUp(self):
        self.handles = Handles("s1", 3)
        self.obj = object()
        self.handle_id = self.handles.add(self.obj)

    def refused(self, function, *arguments):
        with self.assertRaises(Rejected) as caught:
            function(*arguments)
        return caught.exception.code, caught.exception.detail

    def plain(self, value):
        return value_of(value, self.handles, False)

    def exact(self, value):
        return value_of(value, self.handles, True)

    def test_bodies(self):
        self.assertEqual(body_of(b""), {})
        self.assertEqual(body_of(b' {"a": [1, 1.0, "\\u00e9\\ud83d\\ude00"]} '), {"a": [1, 1.0, "é\U0001f600"]})
        self.assertEqual(body_of(b'{"a": 1e999}'), {"a": float("inf")})

    def test_bodies_that_are_none(self):
        for data in (b"[]", b"1", b'"a"', b"null", b"{", b"{'a': 1}", b'{"a": 1} x', b"\xff", b'{"a": "\xed\xb0\x80"}'):
            with self.subTest(data=data):
                self.assertEqual(self.refused(body_of, data)[0], "invalid_request")
        deep = b'{"a": ' + b"[" * 500_000 + b"]" * 500_000 + b"}"
        self.assertEqual(self.refused(body_of, deep)[0], "invalid_request")

    def test_fields(self):
        self.assertEqual(text({"a": "b"}, "a"), "b")
        self.assertEqual(
            self.refused(text, {"a": 5}, "a"), ("invalid_request", "'a' must be a string; the request has a number")
        )
        self.assertIn("nothing", self.refused(text, {}, "a")[1])

    def test_arguments(self):
        self.assertEqual(arguments({}, self.handles, False), ([], {}))
        self.assertEqual(arguments({"args": None, "kwargs": None}, self.handles, False), ([], {}))
        body = {"args": [{"$handle": self.handle_id}, 1], "kwargs": {"a": [{"$handle": self.handle_id}]}}
        self.assertEqual(arguments(body, self.handles, False), ([self.obj, 1], {"a": [self.obj]}))
        self.assertIn("'args' must be an array", self.refused(arguments, {"args": {}}, self.handles, False)[1])
        self.assertIn("'kwargs' must be an object", self.refused(arguments, {"kwargs": []}, self.handles, False)[1])

    def test_handles_at_any_depth_in_both_forms(self):
        value = {"a": [{"b": [[{"$handle": self.handle_id}]]}]}
        for resolve in (self.plain, self.exact):
            self.assertIs(resolve(value)["a"][0]["b"][0][0], self.obj)
            self.assertEqual(self.refused(resolve, [{"$handle": "s1.3.99"}])[0], "unknown_handle")
            self.assertEqual(self.refused(resolve, {"$handle": "s1.2.1"})[0], "handle_lost")

    def test_what_only_looks_like_a_handle_in_plain(self):
        for value in ({"$handle": 5}, {"$handle": self.handle_id, "more": 1}, {"$tuple": [1]}):
            self.assertEqual(self.plain(value), value)

    def test_handles_as_existing_clients_write_them(self):
        for value in (
            {"handleId": self.handle_id, "typeName": "object", "isValid": True},
            {"handleId": self.handle_id, "moduleName": "m"},
            {"HandleId": self.handle_id, "TypeName": "object", "IsValid": True},
            {"HandleId": self.handle_id, "ModuleName": "m"},
        ):
            self.assertIs(self.plain([value])[0], self.obj)
            self.assertEqual(self.exact(value), value)

    def test_other_dicts_with_such_keys_stay_dicts(self):
        for value in (
            {"handleId": self.handle_id, "typeName": "object", "isValid": True, "more": 1},
            {"handleId": self.handle_id, "typeName": "object"},
            {"handleId": "s1.3.99", "moduleName": "m"},
            {"handleId": [], "moduleName": "m"},
        ):
            self.assertEqual(self.plain(value), value)

    def test_tags_that_cannot_be_read(self):
        for value in (
            *({"$nothing": 1}, {"$tuple": "ab"}, {"$tuple": [1], "more": 2}, {"a": 1, "$tuple": []}, {"$handle": 5}),
            *({"$set": [[1]]}, {"$dict": [1]}, {"$dict": {"a": 1}}, {"$dict": [[[], 1]]}, {"$bytes": "?"}),
            *({"$bytes": 5}, {"$str": "/w=="}, {"$int": 5}, {"$int": "x"}, {"$float": "1_5"}, {"$float": []}),
            *({"$float": "nan"}, {"$float": True}, {"$float": " 1"}, {"$complex": [1]}, {"$complex": ["a", 1]}, {"$complex": [True, 1]}, {"$decimal": "x"}, {"$decimal": 1}),
            *({"$date": "2026-02-31"}, {"$datetime": "x"}, {"$time": 5}, {"$timedelta": [1, 2]}),
            *({"$timedelta": [1.5, 0, 0]}, {"$timedelta": [10**10, 0, 0]}, {"$date": "2026-01-01", "fold": 1}),
            *({"$time": "01:00:00", "fold": 2}, {"$time": "01:00:00", "fold": "x"}, {"fold": 1, "$tuple": []}),
        ):
            with self.subTest(value=value):
                self.assertEqual(self.refused(self.exact, [value])[0], "invalid_request")

    def test_tags_hold_handles_and_tags(self):
        self.assertEqual(self.exact({"$tuple": [{"$handle": self.handle_id}, {"$set": [1]}]}), (self.obj, {1}))
        self.assertEqual(self.exact({"$dict": [[{"$tuple": [1]}, {"$int": "9"}]]}), {(1,): 9})
        self.assertEqual(self.exact({"$complex": [1, {"$float": "Infinity"}]}), complex(1, float("inf")))

    def test_known_keys_in_another_case_are_refused(self):
        for key, meant in (("ReturnType", "returnType"), ("timeoutms", "timeoutMs"), ("HANDLEID", "handleId")):
            code, detail = self.refused(body_of, b'{"%s":1}' % key.encode())
            self.assertEqual((code, detail), ("invalid_request", "'%s': there is no such key; did you mean '%s'?" % (key, meant)))
        self.assertEqual(body_of(b'{"expression":"1","Other":1}'), {"expression": "1", "Other": 1})

    def test_floats_are_floats_however_they_are_written(self):
        for written in (1, 1.0, "1", "1.0", "10e-1"):
            value = self.exact({"$float": written})
            self.assertEqual((type(value), value), (float, 1.0), written)
        self.assertEqual(self.exact({"$complex": [{"$float": 1}, {"$float": "2"}]}), 1 + 2j)

    def test_values_that_are_nested_too_deeply(self):
        deep = 1
        for _ in range(100_000):
            deep = [deep]
        self.assertEqual(self.refused(self.plain, deep)[0], "invalid_request")
        while type(deep) is list:  # or its end would take Python's stack, before 3.12
            deep = deep[0]
