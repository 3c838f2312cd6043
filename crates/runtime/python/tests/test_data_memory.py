"""Memory that both sides map: shared arrays, shared and private data, their limits and their ends."""

import array
import json
import mmap
import os
import struct
import time

from beep_python import _host_rpc, _wire

from .data import FETCH, GROW, PUT, SHRINK, DataTest, memfd, needs
from .host import EVALUATE, readable


class Shared(DataTest):
    """As it is with and without numpy."""

    def setUp(self):
        super().setUp()
        self.without("numpy")
        self.evaluate("import beep_python, gc")

    def test_python_writes_and_the_client_sees_it(self):
        self.evaluate("x = beep_python.shared_array((2, 3), '<i4')\nNone")
        self.assertEqual(self.evaluate("x.tolist()"), [[0, 0, 0], [0, 0, 0]])
        about, memory = self.live("x")
        self.assertEqual((about["dtype"], about["shape"], about["offset"], about["byteLength"]), ("<i4", [2, 3], 0, 24))
        self.evaluate("x[1, 2] = 7\nNone")
        self.assertEqual(memory[20:24], b"\7\0\0\0")

    def test_slices(self):
        self.evaluate("x = beep_python.shared_array(3000, '<i4')\nx[2000] = 5\nNone")
        about, memory = self.live("x[2000:2003]")
        self.assertEqual((about["shape"], about["offset"], about["byteLength"]), ([3], 8000, 12))
        self.assertEqual(memory[8000:8004], b"\5\0\0\0")
        self.assertFalse(self.fetch("x[::2]")[0]["live"])
        self.assertFalse(self.fetch("x", format="npy")[0]["live"])

    def test_it_is_sealed(self):
        self.evaluate("x = beep_python.shared_array(10)\nNone")
        about, fd = self.host.datum(*self.host.call(FETCH, {"expression": "x"}))
        self.addCleanup(os.close, fd)
        self.assertEqual((about["dtype"], about["shape"]), ("<f8", [10]))
        for change in (lambda: os.ftruncate(fd, 1), lambda: os.ftruncate(fd, 1000), lambda: os.write(fd, b"x"), lambda: mmap.mmap(fd, 80)):
            with self.assertRaises(OSError):
                change()

    def test_none_is_left(self):
        self.evaluate("x = beep_python.shared_array(10)\nx = None")
        before = self.open_descriptors()
        self.evaluate("for i in range(10000): x = beep_python.shared_array(10)\nx = None\nNone")
        self.assertEqual(self.open_descriptors(), before)
        self.assertEqual(self.evaluate("from beep_python import _memory\nlen(_memory.MEMORY.sizes()) + len(_memory.MEMORY.held) + len(_memory.MEMORY.addresses)"), 0)
        for _ in range(50):
            os.close(self.host.datum(*self.host.call(FETCH, {"expression": "beep_python.shared_array(10)[2:]"}))[1])
        self.assertEqual(self.open_descriptors(), before)

    def test_a_block_lives_as_long_as_a_slice(self):
        self.evaluate("x = beep_python.shared_array(10)\ny = x[5:]\nx = None\ny[0] = 1.5\nNone")
        about, memory = self.live("y")
        self.assertEqual((about["offset"], memory[40:48]), (40, struct.pack("<d", 1.5)))

    def test_empty_ones(self):
        self.assertEqual(self.evaluate("len(beep_python.shared_array(0))"), 0)
        self.assertEqual(self.fetch("beep_python.shared_array(0)")[1], b"")

    def test_wrong_ones(self):
        for code, kind in (("-1", "ValueError"), ("'a'", "TypeError"), ("3, 'O'", "TypeError"), ("1.5", "TypeError")):
            self.assertEqual(self.host.fails("beep_python.shared_array(%s)" % code)["type"], kind)

    def test_both_sides_write_what_the_client_shares(self):
        before = self.open_descriptors()
        fd = memfd(array.array("i", [1, 2, 3]).tobytes(), SHRINK | GROW)
        self.addCleanup(os.close, fd)
        memory = mmap.mmap(fd, 12)
        self.put(fd, byteLength=12, dtype="<i4", shared=True)
        self.assertEqual(self.evaluate("x[0] = 7\nx.tolist()"), [7, 2, 3])
        self.assertEqual(memory[:4], b"\7\0\0\0")
        memory[4:8] = b"\t\0\0\0"
        self.assertEqual(self.evaluate("x.tolist()"), [7, 9, 3])
        about, again = self.live("x[1:]")
        self.assertEqual((about["offset"], again[4:8]), (4, b"\t\0\0\0"))
        self.put(fd, byteLength=8, offset=4, dtype="<i4", shared=True)
        self.assertEqual(self.evaluate("x.tolist()"), [9, 3])
        self.assertEqual(self.live("x")[0]["offset"], 4)
        self.evaluate("x = None")
        self.assertEqual(self.open_descriptors(), before)

    def test_shared_memory_beyond_the_first_page(self):
        fd = memfd(bytes(10000) + b"\7\0\0\0", SHRINK | GROW)
        self.addCleanup(os.close, fd)
        self.put(fd, byteLength=4, offset=10000, dtype="<i4", shared=True)
        about, memory = self.live("x")
        self.assertEqual((about["offset"], memory[10000:10004]), (10000, b"\7\0\0\0"))

    def test_what_is_received_is_a_copy(self):
        fd = memfd(array.array("i", [1, 2, 3]).tobytes(), SHRINK)
        self.addCleanup(os.close, fd)
        self.put(fd, byteLength=12, dtype="<i4")
        self.assertEqual(self.evaluate("x[0] = 7\nx.tolist()"), [7, 2, 3])
        self.assertEqual(os.pread(fd, 4, 0), b"\1\0\0\0")
        self.assertFalse(self.fetch("x")[0]["live"])

    def test_memory_that_comes_and_goes(self):
        self.put(b"\0" * 80, dtype="<f8")
        self.evaluate("x = None")
        before = self.open_descriptors()
        for _ in range(50):
            self.put(b"\0" * 80, dtype="<f8")
            self.put(b"\0" * 80)
        self.evaluate("x = None")
        self.assertEqual(self.open_descriptors(), before)

    # limits

    def test_bytes_of_all_data(self):
        self.set_limits(dataBytes=1000)
        self.evaluate("x = beep_python.shared_array(50)\nNone")
        code, detail = self.refused(EVALUATE, {"expression": "beep_python.shared_array(100)"})
        self.assertEqual(code, "too_much_data")
        self.assertIn("a datum of 800 bytes, beside 400 bytes", detail)
        self.put(b"\0" * 400, name="y", dtype="<f8")
        self.assertEqual(self.fetch_refused("bytes(201)")[0], "too_much_data")
        self.assertEqual(self.fetch("bytes(200)")[0]["byteLength"], 200)
        self.assertTrue(self.fetch("x")[0]["live"])
        self.assertIn("beside 800 bytes", self.put_refused(b"\0" * 400, dtype="<f8"))
        self.assertIn("beside 800 bytes", self.put_refused(b"\0" * 400))
        self.evaluate("x = None")
        self.put(b"\0" * 400, name="x", dtype="<f8")
        self.evaluate("x = y = None")
        self.assertEqual(self.fetch_refused("bytes(1001)")[0], "too_much_data")
        self.assertEqual(len(self.fetch("bytes(1000)")[1]), 1000)

    def test_how_many_they_are(self):
        self.set_limits(dataCount=3)
        self.evaluate("x = [beep_python.shared_array(1) for i in range(3)]\nNone")
        for operation, code in ((EVALUATE, "beep_python.shared_array(1)"), (FETCH, "b'abc'")):
            self.assertEqual(self.refused(operation, {"expression": code})[0], "too_much_data")
        self.assertIn("holds 3", self.put_refused(b"\0" * 8, dtype="<f8"))
        self.evaluate("x.pop()\nNone")
        self.put(b"\0" * 8, dtype="<f8")

    def test_the_usual_limits(self):
        self.set_limits(resultBytes=10)
        self.evaluate("for i in range(990): beep_python.shared_array(1)")
        self.evaluate("x = [beep_python.shared_array(1) for i in range(200)]\nNone")
        self.assertEqual(len(self.fetch("bytes(1000)")[1]), 1000)

    def test_mappings_that_cannot_be_had(self):
        self.put(b"\0" * 8, dtype="<f8")
        self.evaluate("import mmap, beep_python._memory as m\ndef fail(*args, **more): raise OSError(24, 'Too many open files')\nm.Mapping = fail\nNone")
        kind, answer = self.send(PUT, {"name": "x"}, (b"\0" * 8, {"dtype": "<f8"}))
        self.assertEqual((kind, json.loads(answer)["code"]), (_wire.REJECTED, "too_much_data"))

    def test_arrays_in_cycles_end(self):
        self.set_limits(dataCount=3)
        self.evaluate("class C: pass\nfor i in range(100):\n    c = C()\n    c.c = c\n    c.x = beep_python.shared_array(1)\nNone")


@needs("numpy")
class SharedNumpy(Shared):
    def setUp(self):
        DataTest.setUp(self)
        self.evaluate("import beep_python, gc, numpy as np")

    def test_views(self):
        self.evaluate("x = beep_python.shared_array((100, 10), 'f4')\nNone")
        self.assertEqual(self.live("x[3:5]")[0]["offset"], 120)
        self.assertEqual(self.live("x.ravel().view('i4')")[0]["dtype"], "<i4")
        self.assertEqual(self.live("x.reshape(10, 100)")[0]["shape"], [10, 100])
        self.assertEqual(self.live("memoryview(x)[1:]")[0]["offset"], 40)
        self.assertFalse(self.fetch("x[:, 1]")[0]["live"])
        self.assertFalse(self.fetch("x.T")[0]["live"])
        self.assertFalse(self.fetch("x + 1")[0]["live"])
        self.assertFalse(self.fetch("x.view('>f4')")[0]["live"])

    def test_every_dtype(self):
        for dtype in ("M8[ns]", "c16", "?", "U3", "S5", "i4,f8"):
            self.assertTrue(self.evaluate("x = beep_python.shared_array((2, 2), %r)\nx.shape == (2, 2) and x.dtype == np.dtype(%r)" % (dtype, dtype)))

    def test_as_an_argument_by_reference(self):
        fd = memfd(array.array("d", [1, 2]).tobytes(), SHRINK | GROW)
        self.addCleanup(os.close, fd)
        body = {"expression": "a *= 2\na.sum()", "locals": {"a": {"$data": 0}}}
        self.assertEqual(self.send(EVALUATE, body, (fd, {"byteLength": 16, "dtype": "<f8", "shared": True})), (_wire.VALUE, b"6.0"))
        self.assertEqual(os.pread(fd, 16, 0), struct.pack("<2d", 2, 4))


class Nested(DataTest):
    """Requests with data that run while their client answers a callback."""

    def exactly(self, size):
        data = b""
        while len(data) < size:
            readable(self.host.host_calls)
            data += os.read(self.host.host_calls, size - len(data))
        return data

    def setUp(self):
        super().setUp()
        code = {"expression": "f()\n'done'", "locals": {"f": {"$callback": "f"}}}
        self.outer = self.host.send(EVALUATE, code, _wire.CALLBACKS | _wire.EVENTS)
        size, kind, _, _, self.call_id = _wire.HEADER.unpack(self.exactly(_wire.HEADER_BYTES))
        self.assertEqual((kind, json.loads(self.exactly(size)[8:])["method"]), (_host_rpc.CLIENT_CALL, "callback"))

    def reply(self, kind, body):
        for part in _wire.frames(kind, self.call_id, body):
            os.write(self.host.host_answers, part)

    def nested(self, operation, body, flags=0, fds=()):
        request_id = self.host.next_id()
        if fds:
            self.host.send_descriptors(request_id, fds)
            flags |= _wire.ATTACHED
        message = struct.pack("<BBQI", operation, flags, request_id, 0) + json.dumps(body).encode()
        self.reply(100, message)
        kind, _, outer, answer = self.host.frame()
        self.assertEqual((kind, outer), (_wire.NESTED_ANSWER, self.outer))
        self.assertEqual(int.from_bytes(answer[:8], "little"), request_id)
        return answer[8], answer[9:]

    def tearDown(self):
        self.reply(97, json.dumps({"exact": False, "answer": {"value": {"$data": 0}}}).encode())
        self.assertEqual(self.host.answer(self.outer), (_wire.VALUE, b'"done"'))
        self.assertEqual(self.fetch("b'abc'")[1], b"abc")

    def test_data_out(self):
        about, fd = self.host.datum(*self.nested(FETCH, {"expression": "b'abc'"}, _wire.TAKES_DATUM))
        self.assertEqual(os.pread(fd, 9, 0), b"abc")
        os.close(fd)
        body = {"expression": "b'abc'", "returnType": "bytes"}
        os.close(self.host.datum(*self.nested(EVALUATE, body, _wire.TAKES_DATUM))[1])
        self.assertEqual(self.nested(EVALUATE, body)[0], _wire.HANDLE)
        self.assertEqual(self.nested(EVALUATE, {"expression": "(1,)"}, _wire.EXACT)[1], b'{"$tuple":[1]}')
        self.assertEqual(self.nested(EVALUATE, {"expression": "(1,)"})[1], b"[1]")

    def test_data_in(self):
        before = self.open_descriptors()
        fd = memfd(b"abc")
        self.addCleanup(os.close, fd)
        body = {"expression": "a.decode()", "locals": {"a": {"$data": 0}}, "data": [{"byteLength": 3}]}
        self.assertEqual(self.nested(EVALUATE, body, fds=[fd]), (_wire.VALUE, b'"abc"'))
        self.assertEqual(self.nested(PUT, {"name": "x", "data": [{"byteLength": 3}]}, fds=[fd])[0], _wire.OBJECT)
        self.assertEqual(self.nested(PUT, {"name": "x", "data": [{"byteLength": 3}]}, _wire.ATTACHED)[0], _wire.REJECTED)
        self.assertEqual(self.open_descriptors(), before)

    def test_data_of_a_request_that_waits_behind(self):
        fd = memfd(b"abc")
        self.addCleanup(os.close, fd)
        body = {"name": "x", "data": [{"byteLength": 3}]}
        waiting = self.host.send(PUT, body, 0, [fd])
        self.assertEqual(self.nested(PUT, body, fds=[fd])[0], _wire.OBJECT)
        self.reply(97, b'{"exact":false,"answer":{"value":null}}')
        self.assertEqual(self.host.answer(self.outer), (_wire.VALUE, b'"done"'))
        self.assertEqual(self.host.answer(waiting)[0], _wire.OBJECT)
        self.tearDown = lambda: None


class Cancel(DataTest):
    """Wherever a cancel strikes, no memory is left, and no answer is lost."""

    def test_at_any_moment(self):
        self.evaluate("import beep_python, gc, time\nb = bytes(300_000)\nNone")
        before = self.open_descriptors()
        private, shared = memfd(bytes(8000)), memfd(bytes(8000), SHRINK | GROW)
        about = {"byteLength": 8000, "dtype": "<f8"}
        jobs = (
            (FETCH, {"expression": "b"}, ()),
            (FETCH, {"expression": "beep_python.shared_array(1000)[5:]"}, ()),
            (EVALUATE, {"expression": "for i in range(200): beep_python.shared_array(100)\n1"}, ()),
            (PUT, {"name": "y", "data": [about]}, (private,)),
            (PUT, {"name": "y", "data": [{**about, "shared": True}]}, (shared,)),
            (EVALUATE, {"expression": "a\n1", "locals": {"a": {"$data": 0}}, "data": [{**about, "shared": True}]}, (shared,) * 3),
        )
        for n in range(300):
            operation, body, fds = jobs[n % len(jobs)]
            request_id = self.host.send(operation, body, _wire.TAKES_DATUM, fds)
            end = time.perf_counter() + n * 3e-6
            while time.perf_counter() < end:
                pass
            self.host.cancel(request_id)
            kind, answer = self.host.answer(request_id)
            self.assertIn(kind, (_wire.VALUE, _wire.OBJECT, _wire.DATA, _wire.CANCELLED), answer)
            if kind == _wire.DATA:
                os.close(self.host.datum(kind, answer)[1])
        os.close(private)
        os.close(shared)
        self.evaluate("y = None\ngc.collect()\nNone")
        self.assertEqual(self.open_descriptors(), before)
        self.assertNotIn("_memory.py", self.host.output(self.host.stderr))
