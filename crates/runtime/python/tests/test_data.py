"""Large data without any package: bytes, views, the standard library's arrays."""

import array
import fcntl
import json
import os
import struct
import warnings

from beep_python import _memory, _npy, _wire

from .data import AWAIT, BATCH, FETCH, GETITEM, INVOKE, PUT, SHRINK, VALUE, DataTest, memfd
from .host import CALL, EVALUATE, GETATTR, SETATTR, WRAP


class Fetch(DataTest):
    def test_bytes_of_every_kind(self):
        self.evaluate("import io, mmap\nm = mmap.mmap(-1, 3)\nm[:] = b'abc'\nNone")
        for code in ("b'abc'", "bytearray(b'abc')", "memoryview(b'abc')", "io.BytesIO(b'abc')", "m", "memoryview(b'aXbXc')[::2]"):
            with self.subTest(code=code):
                about = {"kind": "bytes", "byteLength": 3, "offset": 0, "format": "raw", "live": False}
                self.assertEqual(self.fetch(code), (about, b"abc"))
                self.assertEqual(self.fetch(code, formats=["any"])[0]["format"], "raw")
        self.assertEqual(self.fetch("b''")[1], b"")

    def test_arrays_of_the_standard_library(self):
        self.without("numpy")
        self.evaluate("import array, ctypes\na = array.array('d', [1, 2.5])\nNone")
        for code, dtype, shape, data in (
            ("a", "<f8", [2], struct.pack("<2d", 1, 2.5)),
            ("memoryview(a)[::-1]", "<f8", [2], struct.pack("<2d", 2.5, 1)),
            ("memoryview(bytes(range(6))).cast('B', [2, 3])", "|u1", [2, 3], bytes(range(6))),
            ("memoryview(b'\\1\\0').cast('?')", "|b1", [2], b"\1\0"),
            ("(ctypes.c_int32 * 2)(1, -1)", "<i4", [2], struct.pack("<2i", 1, -1)),
            ("array.array('l')", "<i8", [0], b""),
        ):
            with self.subTest(code=code):
                about, got = self.fetch(code)
                self.assertEqual((about["kind"], about["dtype"], about["shape"], got), ("array", dtype, shape, data))
        about, got = self.fetch("a", format="npy")
        self.assertEqual((about["byteLength"], about["format"]), (len(got), "npy"))
        self.assertEqual((len(got) - 16) % 64, 0)
        self.assertTrue(got.startswith(b"\x93NUMPY\1\0"))
        self.assertEqual(self.fetch("a", formats=["any"])[1], got)

    def test_where_the_object_comes_from(self):
        self.evaluate("class T:\n    data = b'attribute'\n    def give(self, n): return b'x' * n\nt = T()\nNone")
        handle = json.loads(self.host.call(EVALUATE, {"expression": "t"})[1])["handleId"]
        bytes_ = json.loads(self.host.call(EVALUATE, {"expression": "b'held'", "returnType": "handle"})[1])["handleId"]
        self.assertEqual(self.host.take(FETCH, handleId=bytes_)[1], b"held")
        self.assertEqual(self.host.take(FETCH, handleId=handle, attributeName="data")[1], b"attribute")
        self.assertEqual(self.host.take(FETCH, handleId=handle, methodName="give", args=[3])[1], b"xxx")
        self.assertEqual(self.host.take(FETCH, expression="y.encode()", locals={"y": "local"})[1], b"local")

    def test_json(self):
        self.assertEqual(self.fetch("(1, {2})", format="json")[1], b"[1,[2]]")
        self.assertEqual(self.host.take(FETCH, _wire.EXACT, expression="(1,)", format="json")[1], b'{"$tuple":[1]}')
        self.assertEqual(self.fetch("(1,)", formats=["npy", "any"])[0]["format"], "json")
        self.assertEqual(self.fetch("(1,)", formats=["npy", "json"])[0], {"kind": "bytes", "byteLength": 3, "offset": 0, "format": "json", "live": False})

    def test_png(self):
        self.evaluate("class P:\n    def _repr_png_(self): return b'png'\nclass N:\n    def _repr_png_(self): return None\nNone")
        self.assertEqual(self.fetch("P()", format="png")[1], b"png")
        self.assertEqual(self.fetch_refused("N()", format="png")[0], "not_representable")
        self.assertEqual(self.fetch_refused("5", format="png")[0], "not_acceptable")

    def test_what_is_no_datum(self):
        code, detail = self.fetch_refused("[1]")
        self.assertEqual(code, "not_representable")
        self.assertIn("list", detail)
        self.assertIn("ask for json", detail)
        code, detail = self.fetch_refused("b'a'", formats=["npy", "arrow-stream"])
        self.assertEqual(code, "not_acceptable")
        self.assertIn("raw, json", detail)
        for kind in ("array", "table"):
            self.assertIn("ask for bytes", self.fetch_refused("b'a'", kind=kind)[1])
        self.assertEqual(self.fetch_refused("lambda: 0", formats=["json"])[0], "not_acceptable")
        for body in ({"kind": "x"}, {"format": "x"}, {"formats": "raw"}, {"formats": []}, {"format": 5}):
            self.assertEqual(self.fetch_refused("b'a'", **body)[0], "invalid_request", body)

    def test_objects_that_pretend(self):
        self.evaluate(
            "from unittest import mock\nclass Any:\n    def __getattr__(self, name): return self\n"
            "class Bad:\n    __array_interface__ = property(lambda self: 1 / 0)\nNone"
        )
        for code in ("mock.MagicMock()", "Any()", "mock.MagicMock(spec=bytes)"):
            self.assertEqual(self.fetch_refused(code)[0], "not_representable", code)
        self.assertEqual(self.fetch_refused("Bad()")[0], "not_representable")

    def test_without_the_flag_too(self):
        about, fd = self.host.datum(*self.host.call(FETCH, {"expression": "b'abc'"}))
        self.addCleanup(os.close, fd)
        self.assertEqual(os.pread(fd, 10, 0), b"abc")
        self.assertEqual(fcntl.fcntl(fd, _memory.GET_SEALS), 15)
        with self.assertRaises(OSError):
            os.write(fd, b"x")

    def test_answers_keep_their_order(self):
        rids = [self.host.send(EVALUATE, {"expression": "1"}) for _ in range(3)]
        rids.append(self.host.send(FETCH, {"expression": "b'abc'"}))
        rids += [self.host.send(EVALUATE, {"expression": "1"}) for _ in range(3)]
        kinds = [self.host.answer(request_id) for request_id in rids]
        self.assertEqual([kind for kind, _ in kinds], [_wire.VALUE] * 3 + [_wire.DATA] + [_wire.VALUE] * 3)
        os.close(self.host.datum(*kinds[3])[1])


class ReturnType(DataTest):
    def test_a_datum_where_the_client_takes_one(self):
        self.evaluate("import array\nclass T:\n    data = array.array('i', [1])\n    def __call__(self): return self.data\nt = {'a': array.array('i', [1])}\nNone")
        held = json.loads(self.host.call(EVALUATE, {"expression": "T()"})[1])["handleId"]
        of_dict = json.loads(self.host.call(EVALUATE, {"expression": "t", "returnType": "handle"})[1])["handleId"]
        task = "async def f(): return T.data\nf"
        function = json.loads(self.host.call(EVALUATE, {"expression": task})[1])["handleId"]
        for operation, body in (
            (EVALUATE, {"expression": "T.data"}),
            (EVALUATE, {"expression": "T.data"}),  # prepared
            (CALL, {"handleId": held, "methodName": "__call__"}),
            (GETATTR, {"handleId": held, "attributeName": "data"}),
            (GETITEM, {"handleId": of_dict, "key": "a"}),
            (INVOKE, {"handleId": held}),
            (INVOKE, {"handleId": function}),
        ):
            with self.subTest(operation=operation):
                about, data = self.host.take(operation, **body, returnType="array")
                self.assertEqual((about["dtype"], data), ("<i4", b"\1\0\0\0"))
        held = json.loads(self.host.call(EVALUATE, {"expression": "T.data", "returnType": "handle"})[1])["handleId"]
        self.assertEqual(self.host.take(VALUE, handleId=held, returnType="array")[1], b"\1\0\0\0")
        made = "class W:\n    def __await__(self):\n        return b'awaited'\n        yield\nW()"
        waiting = json.loads(self.host.call(EVALUATE, {"expression": made})[1])["handleId"]
        self.assertEqual(self.host.take(AWAIT, handleId=waiting, returnType="bytes")[1], b"awaited")

    def test_else_a_handle_that_describes_it(self):
        before = self.open_descriptors()
        kind, body = self.ask("import array\narray.array('d', [1, 2])", "array", 0)
        self.assertEqual(kind, _wire.HANDLE)
        told = json.loads(body)
        about = {"kind": "array", "dtype": "<f8", "shape": [2], "byteLength": 16, "format": "raw"}
        self.assertEqual((told["typeName"], told["data"]), ("array", about))
        self.assertEqual(self.host.take(FETCH, handleId=told["handleId"])[0], {**about, "offset": 0, "live": False})
        self.assertEqual(self.open_descriptors(), before)

    def test_what_is_none(self):
        for flags in (0, _wire.TAKES_DATUM):
            for hint, part in (("array", "numpy.asarray"), ("table", "DataFrame"), ("bytes", ".encode()")):
                code, detail = self.refused(EVALUATE, {"expression": "'text'", "returnType": hint}, flags)
                self.assertEqual(code, "not_representable")
                self.assertIn("of type str", detail)
                self.assertIn(part, detail)

    def test_a_batch_gives_handles(self):
        body = {"steps": [{"operation": "eval", "expression": "b'abc'", "returnType": "bytes"}]}
        kind, answer = self.host.call(BATCH, body, _wire.TAKES_DATUM)
        self.assertEqual(kind, _wire.OBJECT)
        self.assertEqual(json.loads(answer)["results"][0]["data"]["byteLength"], 3)


class Put(DataTest):
    def test_bytes(self):
        self.assertEqual(self.put(b"abc"), {"success": True, "name": "x", "typeName": "bytes"})
        self.assertEqual(self.evaluate("type(x) is bytes and x.decode()"), "abc")
        self.put(b"..abc.", offset=2, byteLength=3)
        self.assertEqual(self.evaluate("x.decode()"), "abc")
        self.put(b"")
        self.assertEqual(self.evaluate("x.decode()"), "")
        self.put(b"png", format="png")
        self.assertEqual(self.evaluate("x.decode()"), "png")

    def test_a_handle(self):
        kind, answer = self.send(PUT, {}, (b"abc", {}))
        self.assertEqual((kind, json.loads(answer)["typeName"]), (_wire.HANDLE, "bytes"))
        self.assertEqual(self.host.take(FETCH, handleId=json.loads(answer)["handleId"])[1], b"abc")

    def test_json(self):
        self.put(b'{"a": [1, {"$data": 0}]}', format="json")
        self.assertEqual(self.evaluate("x"), {"a": [1, {"$data": 0}]})
        self.put(b'{"$tuple": [1]}', format="json", flags=_wire.EXACT)
        self.assertTrue(self.evaluate("x == (1,)"))
        self.assertIn("not valid JSON", self.put_refused(b"{", format="json"))

    def test_views_without_numpy(self):
        self.without("numpy")
        told = self.put(struct.pack("<6h", *range(6)), dtype="<i2", shape=[2, 3])
        self.assertEqual((told["typeName"], told["shape"]), ("memoryview", [2, 3]))
        self.assertEqual(self.evaluate("x.tolist()"), [[0, 1, 2], [3, 4, 5]])
        self.assertEqual(self.evaluate("x[0, 0] = 7\nx.tolist()[0]"), [7, 1, 2])
        self.put(struct.pack("<3d", 1, 2, 3), dtype="<f8")
        self.assertEqual(self.evaluate("x.tolist()"), [1, 2, 3])
        self.put(b"", dtype="<f8", shape=[0])
        self.assertEqual(self.evaluate("x.nbytes"), 0)
        self.put(self.fetch("import array\narray.array('i', [1, 2])", format="npy")[1], format="npy")
        self.assertEqual(self.evaluate("x.tolist()"), [1, 2])
        self.assertIn("install numpy", self.put_refused(b"12345678", dtype="<M8[ns]"))

    def test_unaligned_views(self):
        self.put(b"." * 5000 + struct.pack("<2d", 1, 2), dtype="<f8", offset=5000, byteLength=16)
        self.assertEqual(self.evaluate("x.tolist()"), [1, 2])
        self.evaluate("x[0] = 5\nNone")
        self.assertEqual(self.fetch("x")[1], struct.pack("<2d", 5, 2))

    def test_names(self):
        for name in ("", "1a", "a b", "class", "None", 5, ["a"]):
            kind, answer = self.send(PUT, {"name": name}, (b"abc", {}))
            self.assertEqual((kind, json.loads(answer)["code"]), (_wire.REJECTED, "invalid_request"), name)

    def test_bad_descriptors(self):
        for about, part in (
            ({"byteLength": 4}, "has 3 bytes"),
            ({"offset": 1}, "has 3 bytes"),
            ({"offset": -1}, "not negative"),
            ({"byteLength": -1}, "not negative"),
            ({"byteLength": True}, "not negative"),
            ({"byteLength": None}, "not negative"),
            ({"format": "pickle"}, "format"),
            ({"dtype": "<f8"}, "multiple"),
            ({"dtype": "<u1", "shape": [4]}, "needs 4 bytes"),
            ({"dtype": "<u1", "shape": [10**12, 10**12]}, "needs"),
            ({"dtype": "<u1", "shape": [-3]}, "lengths"),
            ({"dtype": "|O", "shape": [1]}, "Python objects"),
            ({"dtype": "O8"}, "Python objects"),
            ({"dtype": "i4,f8"}, "fixed size"),
            ({"dtype": 5}, "string"),
            ({"dtype": "<u1", "shared": True, "shape": [3]}, "sealed against writing"),
        ):
            with self.subTest(about=about):
                self.assertIn(part, self.put_refused(b"abc", **about))
        self.assertEqual(self.refused(PUT, {"data": []})[0], "invalid_request")
        self.assertEqual(self.host.answer(self.host.send(PUT, {}))[0], _wire.REJECTED)
        kind, answer = self.send(PUT, {}, (b"a", {}), (b"b", {}))
        self.assertEqual(json.loads(answer)["code"], "invalid_request")

    def test_what_is_not_sealed(self):
        before = self.open_descriptors()
        readable, writable = os.pipe()
        unsealed = memfd(b"abc", 0)
        growing = memfd(b"abc", 2)
        with open(__file__, "rb") as file:
            for fd in (readable, unsealed, file.fileno()):
                self.assertIn("no sealed memfd", self.put_refused(fd, byteLength=3))
        self.assertIn("F_SEAL_GROW", self.put_refused(growing, byteLength=3, dtype="|u1", shared=True))
        self.put(growing, byteLength=3)
        for fd in (readable, writable, unsealed, growing):
            os.close(fd)
        self.assertEqual(self.open_descriptors(), before)


class BadNpy(DataTest):
    def file(self, header, version=b"\1\0", size=None, data=b"\0" * 8):
        header = header if isinstance(header, bytes) else header.encode()
        width = 2 if version[0] == 1 else 4
        return b"\x93NUMPY" + version + (len(header) if size is None else size).to_bytes(width, "little") + header + data

    def test_headers(self):
        good = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"
        for version in (b"\1\0", b"\2\0", b"\3\0"):
            self.put(self.file(good, version), format="npy")
            self.assertEqual(self.evaluate("x.tolist()"), [0.0])
        for file, part in (
            (b"", "does not begin"),
            (b"\x93NUMPX" + self.file(good)[6:], "does not begin"),
            (self.file(good, b"\4\0"), "version is 4.0"),
            (self.file(good, b"\1\1"), "version is 1.1"),
            (self.file(good, size=60000), "cut off"),
            (self.file(good, b"\2\0", size=1 << 30), "more than 65536"),
            (self.file("{"), "literals"),
            (self.file("__import__('os')"), "literals"),
            (self.file("[" * 5000), "literals"),
            (self.file(b"\xff\xfe", b"\3\0"), "literals"),
            (self.file("[1]"), "other fields"),
            (self.file("{'descr': '<f8', 'shape': (1,)}"), "other fields"),
            (self.file(good.replace("}", ", 'x': 1}")), "other fields"),
            (self.file(good.replace("(1,)", "[1]")), "shape"),
            (self.file(good.replace("(1,)", "(-1,)")), "shape"),
            (self.file(good.replace("(1,)", "(1.0,)")), "shape"),
            (self.file(good.replace("(1,)", "(True,)")), "shape"),
            (self.file(good.replace("False", "0")), "fortran_order"),
            (self.file(good.replace("(1,)", "(10**12,)")), "literals"),
            (self.file(good.replace("(1,)", "(1000000000000,)")), "needs 8000000000000 bytes"),
            (self.file(good.replace("(1,)", "(2,)")), "needs 16 bytes, and it has 8"),
            (self.file(good, data=b"\0" * 9), "needs 8 bytes, and it has 9"),
            (self.file(good.replace("<f8", "|O")), "Python objects"),
            (self.file(good.replace("<f8", "<x8")), "dtype"),
            (self.file(good.replace("'<f8'", "8")), "dtype"),
        ):
            with self.subTest(part=part, file=file[:100]):
                self.assertIn(part, self.put_refused(file, format="npy"))

    def test_a_header_makes_no_warning_of_code(self):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            for header in (r"'\o'", "1if 1else 2", "() is 1"):
                with self.assertRaises(_npy.BadHeader):
                    _npy.parse(self.file(header))
        self.assertEqual(seen, [])


class Arguments(DataTest):
    def test_where_data_may_stand(self):
        data = (b"one", {}), (b"\1\0\2\0", {"dtype": "<i2"})
        self.evaluate("def f(*args, **kwargs): return [[bytes(x).hex() if not isinstance(x, list) else len(x) for x in args], sorted(kwargs)]\nclass T: pass\nt = T()\nNone")
        function = json.loads(self.host.call(EVALUATE, {"expression": "f"})[1])["handleId"]
        held = json.loads(self.host.call(EVALUATE, {"expression": "t"})[1])["handleId"]
        for flags in (0, _wire.EXACT):
            body = {"handleId": function, "args": [{"$data": 1}, [{"$data": 0}]], "kwargs": {"k": {"$data": 0}}}
            self.assertEqual(self.send(INVOKE, body, *data, flags=flags), (_wire.VALUE, b'[["01000200",1],["k"]]'))
            body = {"expression": "d[0].decode(), d[0] is d[1]", "locals": {"d": [{"$data": 0}, {"$data": 0}]}}
            self.assertEqual(self.send(EVALUATE, {**body, "returnType": "json"}, *data)[1], b'["one",true]')
            self.send(SETATTR, {"handleId": held, "attributeName": "a", "value": {"$data": 0}}, *data, flags=flags)
            self.assertEqual(self.evaluate("t.a.decode()"), "one")
        self.assertEqual(self.send(WRAP, {"value": {"$data": 0}}, *data)[0], _wire.OBJECT)
        contains = {"handleId": json.loads(self.host.call(EVALUATE, {"expression": "{b'one'}", "returnType": "handle"})[1])["handleId"]}
        self.assertEqual(self.send(21, {**contains, "item": {"$data": 0}}, *data), (_wire.VALUE, b"true"))
        steps = [{"operation": "eval", "expression": "len(a)", "locals": {"a": {"$data": 0}}}]
        self.assertEqual(json.loads(self.send(BATCH, {"steps": steps}, *data)[1])["results"], [{"value": 3}])

    def test_an_answer_may_be_a_datum_too(self):
        body = {"expression": "a[::-1]", "locals": {"a": {"$data": 0}}, "returnType": "bytes"}
        about, fd = self.host.datum(*self.send(EVALUATE, body, (b"abc", {}), flags=_wire.TAKES_DATUM))
        self.assertEqual(os.pread(fd, 9, 0), b"cba")
        os.close(fd)

    def test_an_index_that_is_none(self):
        for at in (1, -1, "0", None, True, 0.0):
            kind, answer = self.send(EVALUATE, {"expression": "a", "locals": {"a": {"$data": at}}}, (b"abc", {}))
            self.assertEqual((kind, json.loads(answer)["code"]), (_wire.REJECTED, "invalid_request"), at)

    def test_only_where_data_are_attached(self):
        body = {"expression": "a", "locals": {"a": {"$data": 0}}}
        self.assertEqual(self.host.call(EVALUATE, body), (_wire.VALUE, b'{"$data":0}'))
        self.assertEqual(self.refused(EVALUATE, body, _wire.EXACT)[0], "invalid_request")
        self.send(EVALUATE, {"expression": "1"}, (b"abc", {}))
        self.assertEqual(self.host.call(EVALUATE, body), (_wire.VALUE, b'{"$data":0}'))
        self.assertEqual(self.send(EVALUATE, {"expression": "a", "locals": {"a": {"$data": 0, "b": 1}}}, (b"abc", {}))[1], b'{"$data":0,"b":1}')


class Arrival(DataTest):
    """Descriptors that come, and those that do not."""

    def setUp(self):
        super().setUp()
        self.evaluate("1")
        self.before = self.open_descriptors()
        self.fd = memfd(b"abc")
        self.addCleanup(os.close, self.fd)
        self.body = {"name": "x", "data": [{"byteLength": 3}]}

    def tearDown(self):
        self.evaluate("x = None")
        self.assertEqual(self.open_descriptors(), self.before)

    def test_none_came(self):
        self.assertEqual(self.refused(PUT, self.body, _wire.ATTACHED)[0], "data_lost")

    def test_too_few_came(self):
        body = {"name": "x", "data": [{"byteLength": 3}] * 2}
        self.assertEqual(self.refused(PUT, body, fds=[self.fd])[0], "data_lost")

    def test_more_than_a_message_may_have(self):
        body = {"expression": "1", "data": [{"byteLength": 3}] * 17}
        self.assertEqual(self.refused(EVALUATE, body, fds=[self.fd] * 20)[0], "data_lost")
        self.assertEqual(self.host.answer(self.host.send(EVALUATE, {"expression": "1", "data": []}, 0, [self.fd] * 16))[1], b"1")

    def test_of_requests_that_never_came(self):
        for _ in range(5):
            self.host.send_descriptors(self.host.next_id(), [self.fd] * 3)
        self.assertEqual(self.host.answer(self.host.send(PUT, self.body, 0, [self.fd]))[0], _wire.OBJECT)
        self.assertEqual(self.evaluate("x.decode()"), "abc")

    def test_of_requests_cancelled_before_their_start(self):
        slow = self.host.send(EVALUATE, {"expression": "import time\ntime.sleep(1000)"})
        waiting = [self.host.send(PUT, self.body, 0, [self.fd]) for _ in range(3)]
        for request_id in waiting[:2]:
            self.host.mark_cancelled(request_id)
        self.host.cancel_at_rest(slow)
        self.assertEqual(self.host.outcome(slow), (_wire.CANCELLED, b"started"))
        for request_id in waiting[:2]:
            self.assertEqual(self.host.outcome(request_id), (_wire.CANCELLED, b""))
        self.assertEqual(self.host.answer(waiting[2])[0], _wire.OBJECT)

    def test_of_one_that_fails_or_is_cancelled(self):
        body = {"data": [{"byteLength": 3, "dtype": "|u1"}], "locals": {"x": {"$data": 0}}}
        for code in ("1/0", "x.nbytes"):
            self.host.answer(self.host.send(EVALUATE, {**body, "expression": code}, 0, [self.fd]))
        request_id = self.host.send(EVALUATE, {**body, "expression": "import time\ntime.sleep(1000)"}, 0, [self.fd])
        while not self.host.has_started(request_id):
            pass
        self.host.cancel_at_rest(request_id)
        self.assertEqual(self.host.outcome(request_id)[0], _wire.CANCELLED)
        self.assertEqual(self.refused(PUT, {"name": 5, "data": [{}]}, fds=[self.fd])[0], "invalid_request")
        self.assertEqual(self.refused(EVALUATE, {"expression": "1"}, fds=[self.fd])[0], "invalid_request")
        self.assertEqual(self.refused(99, {"data": []}, fds=[self.fd])[0], "unknown_operation")

    def test_a_body_that_is_no_json(self):
        self.host.send_descriptors(self.host.last * 32 + 32 + (self.host.last + 1) % 32, [self.fd])
        self.assertEqual(self.host.call(PUT, b"{", _wire.ATTACHED)[0], _wire.REJECTED)


class Lent(DataTest):
    """Memory that the host lends for the answer."""

    def lend(self, operation, body, flags=_wire.TAKES_DATUM, data=()):
        request_id = self.host.next_id()
        self.host.send_descriptors(request_id, data, [self.fd])
        self.host.send_as(request_id, operation, body, flags | _wire.ATTACHED)
        return self.host.answer(request_id)

    def setUp(self):
        super().setUp()
        self.fd = memfd(b"x" * 100, SHRINK)
        self.addCleanup(os.close, self.fd)

    def test_the_copy_is_written_there(self):
        before = self.open_descriptors()
        for code, wanted in (("b'abc'", b"abc"), ("bytes(200)", bytes(200)), ("b'd'", b"d"), ("b''", b"")):
            kind, answer = self.lend(FETCH, {"expression": code, "data": "a key of the client's own"})
            told = json.loads(answer)
            self.assertEqual((kind, told["number"], told["data"]["byteLength"]), (_wire.DATA, 0, len(wanted)))
            self.assertEqual(os.pread(self.fd, len(wanted), 0), wanted)
        self.assertEqual(self.open_descriptors(), before)

    def test_beside_data(self):
        given = memfd(b"given")
        self.addCleanup(os.close, given)
        body = {"expression": "bytes(x) + b'!'", "locals": {"x": {"$data": 0}}, "data": [{"byteLength": 5}]}
        kind, answer = self.lend(FETCH, body, data=[given])
        self.assertEqual((kind, os.pread(self.fd, 6, 0)), (_wire.DATA, b"given!"))

    def test_what_is_no_copy_comes_as_it_is(self):
        code = "import beep_python\nshared = beep_python.shared_array((4,), 'u1')\nshared"
        kind, answer = self.lend(FETCH, {"expression": code, "kind": "array"})
        self.assertEqual((kind, json.loads(answer)["number"]), (_wire.DATA, 1))
        self.assertEqual(os.pread(self.fd, 3, 0), b"xxx")

    def test_an_answer_without_data(self):
        self.assertEqual(self.lend(EVALUATE, {"expression": "1 + 1"}), (_wire.VALUE, b"2"))
        self.assertEqual(self.lend(FETCH, {"expression": "1 / 0"})[0], _wire.EXCEPTION)
        self.assertEqual(self.fetch("b'abc'")[1], b"abc")


class Fallback(DataTest):
    def inline(self, kind, body):
        self.assertEqual(kind, _wire.DATA_INLINE, body[:200])
        size = int.from_bytes(body[:4], "little")
        about = json.loads(body[4 : 4 + size])["data"]
        self.assertEqual((about["byteLength"], about["offset"], about["live"]), (len(body) - 4 - size, 0, False))
        return body[4 + size :]

    def test_no_descriptor_can_be_had(self):
        self.evaluate("import resource\nlimit = resource.getrlimit(resource.RLIMIT_NOFILE)\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, limit[1]))")
        for _ in range(2):
            self.assertEqual(self.inline(*self.host.call(FETCH, {"expression": "b'abc' * 1000000"})), b"abc" * 1000000)
        self.assertEqual(self.host.output(self.host.stderr).count("large data goes through the link"), 1)
        self.evaluate("resource.setrlimit(resource.RLIMIT_NOFILE, limit)")
        self.assertEqual(self.fetch("b'abc'")[1], b"abc")

    def test_no_memfd_can_be_made(self):
        self.evaluate("import beep_python._memory as m\ndef fail(*args): raise PermissionError(1, 'seccomp')\nm._memfd_create = fail\nNone")
        self.assertEqual(self.inline(*self.host.call(FETCH, {"expression": "b'abc'"})), b"abc")
        self.assertEqual(self.inline(*self.host.call(FETCH, {"expression": "b''"})), b"")
        self.assertIn("seccomp", self.host.output(self.host.stderr))
        self.assertEqual(self.host.fails("import beep_python\nbeep_python.shared_array(3)")["type"], "PermissionError")

    def test_a_host_that_does_not_read(self):
        count = 0
        while True:
            kind, body = self.host.call(FETCH, {"expression": "b'abc'"})
            if kind != _wire.DATA:
                break
            count += 1
            self.assertLess(count, 10000)
        self.assertEqual(self.inline(kind, body), b"abc")
        kind, body = self.host.call(FETCH, {"expression": "import beep_python\ns = beep_python.shared_array(3, '|u1')\ns[1:3]"})
        self.assertEqual(self.inline(kind, body), b"\0\0")

    def test_one_that_is_too_large_for_it(self):
        self.evaluate("import beep_python._memory as m, beep_python._data as d\ndef fail(*args): raise PermissionError(1, 'seccomp')\nm._memfd_create = fail\nd.MAX_MESSAGE = 1 << 17\nNone")
        self.assertEqual(self.fetch_refused("b'abc' * 100000")[0], "not_representable")

    def test_a_python_without_memfd_create(self):
        self.evaluate("import beep_python._memory as m\nm._memfd_create = None\nNone")
        self.assertEqual(self.fetch("b'abc'")[1], b"abc")


class Cancel(DataTest):
    def test_a_datum_that_is_being_made(self):
        self.evaluate("b = bytes(100_000_000)\nclass P:\n    def _repr_png_(self):\n        while True: pass\nNone")
        before = self.open_descriptors()
        request_id = self.host.send(FETCH, {"expression": "P()", "format": "png"})
        while not self.host.has_started(request_id):
            pass
        self.host.cancel(request_id)
        self.assertEqual(self.host.outcome(request_id)[0], _wire.CANCELLED)
        for _ in range(20):
            request_id = self.host.send(FETCH, {"expression": "b"})
            while not self.host.has_started(request_id):
                pass
            self.host.cancel(request_id)
            kind, body = self.host.answer(request_id)
            self.assertIn(kind, (_wire.CANCELLED, _wire.DATA))
            if kind == _wire.DATA:
                os.close(self.host.datum(kind, body)[1])
        self.assertEqual(self.open_descriptors(), before)
        self.assertEqual(self.fetch("b'abc'")[1], b"abc")


class Fork(DataTest):
    def test_a_child_has_no_socket(self):
        code = (
            "import os, socket\nr, w = os.pipe()\npid = os.fork()\nif not pid:\n"
            "    found = [os.readlink('/proc/self/fd/' + fd) for fd in os.listdir('/proc/self/fd') if os.path.lexists('/proc/self/fd/' + fd)]\n"
            "    os.write(w, b'%d' % sum('socket:' in name for name in found))\n    os._exit(0)\nos.waitpid(pid, 0)\nint(os.read(r, 9))"
        )
        self.assertEqual(self.evaluate(code), 0)
        self.assertEqual(self.fetch("b'abc'")[1], b"abc")


class Hostile(DataTest):
    def test_code_that_changes_what_this_stands_on(self):
        self.evaluate(
            "import builtins, fcntl, mmap, os, socket, weakref, gc, select, importlib, sys\n"
            "def wrong(*args, **kwargs): raise RuntimeError('replaced')\n"
            "os.read = os.write = os.close = os.pread = os.fstat = os.memfd_create = fcntl.fcntl = mmap.mmap = weakref.ref = wrong\n"
            "gc.collect = select.epoll = importlib.import_module = socket.socket = wrong\n"
            "builtins.len = builtins.memoryview = builtins.type = None\nsys.modules['numpy'] = 5\nNone"
        )
        self.assertEqual(self.fetch("b'abc'")[1], b"abc")
        self.put(struct.pack("<2d", 1, 2), dtype="<f8")
        self.assertEqual(self.fetch("x")[1], struct.pack("<2d", 1, 2))

    def test_a_socket_that_was_closed(self):
        code = "import os\nfor fd in os.listdir('/proc/self/fd'):\n    try:\n        if 'socket' in os.readlink('/proc/self/fd/' + fd): os.close(int(fd))\n    except OSError: pass\nNone"
        self.evaluate(code)
        self.assertEqual(self.host.call(FETCH, {"expression": "b'abc'"})[0], _wire.DATA_INLINE)
        self.assertEqual(self.refused(PUT, {"data": [{}]}, _wire.ATTACHED)[0], "data_lost")
