import os
import re
import unittest

from beep_python import _wire

from .host import EVALUATE, WorkerTest

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "WORKER.md")


class Frames(unittest.TestCase):
    def test_a_short_message_is_one_frame(self):
        self.assertEqual(_wire.frames(64, 33, b"2"), [b"\x01\0\0\0\x40\0\x01\0\x21\0\0\0\0\0\0\0", b"2"])

    def test_a_long_message_is_several(self):
        body = bytes(range(256)) * 8192 + b"end"
        frames = _wire.frames(64, 5, body)
        heads = [_wire.HEADER.unpack(head) for head in frames[::2]]
        self.assertEqual([(size, flags) for size, _, flags, _, _ in heads], [(1 << 20, 1), (1 << 20, 1), (3, 0)])
        self.assertEqual(b"".join(frames[1::2]), body)
        self.assertEqual([flags for _, _, flags, _, _ in map(_wire.HEADER.unpack, _wire.frames(64, 5, body[: 1 << 20])[::2])], [0])

    def test_write_all_writes_all(self):
        readable, writable = os.pipe()
        self.addCleanup(os.close, readable)
        pid = os.fork()
        if pid == 0:
            os.close(readable)
            _wire.write_all(writable, b"x" * 1_000_000)
            os._exit(0)
        os.close(writable)
        size = 0
        while True:
            data = os.read(readable, 1 << 16)
            if not data:
                break
            size += len(data)
        self.assertEqual((size, os.waitpid(pid, 0)[1]), (1_000_000, 0))


class Link(WorkerTest):
    def test_long_bodies_both_ways(self):
        text = "é" * 1_500_000
        self.assertEqual(self.host.evaluate("text", locals={"text": text}), text)

    def test_answers_longer_than_a_pipe_holds(self):
        for size in (65_000, 65_536, 1 << 20, (1 << 20) + 1):
            self.assertEqual(len(self.host.evaluate("'x' * %d" % size)), size)

    def test_messages_in_parts_between_others(self):
        body = b'{"expression": "' + b" " * 1000 + b'1+1"}'
        frames = [(_wire.MORE, body[:10]), (_wire.MORE, b""), (_wire.MORE, body[10:500]), (0, body[500:])]
        for n, (flags, part) in enumerate(frames):
            os.write(self.host.requests, _wire.HEADER.pack(len(part), EVALUATE, flags, _wire.VERSION, 32005) + part)
            if n < 3:
                self.assertEqual(self.host.evaluate("%d" % n), n)
        self.assertEqual(self.host.answer(32005), (_wire.VALUE, b"2"))

    def test_frames_that_come_byte_by_byte(self):
        body = b'{"expression": "20+1"}'
        for byte in _wire.HEADER.pack(len(body), EVALUATE, 0, _wire.VERSION, 32005) + body:
            os.write(self.host.requests, bytes((byte,)))
        self.assertEqual(self.host.answer(32005), (_wire.VALUE, b"21"))

    def test_an_end_inside_a_frame(self):
        os.write(self.host.requests, _wire.HEADER.pack(100, EVALUATE, 0, _wire.VERSION, 32005) + b"half")
        self.host.close_link()
        self.assertEqual(self.host.wait(), 71)
        self.assertIn("the host closed the link inside a frame", self.host.output(self.host.stderr))

    def test_the_exact_flag(self):
        self.assertEqual(self.host.call(EVALUATE, {"expression": "(1,)"}, _wire.EXACT), (_wire.VALUE, b'{"$tuple":[1]}'))
        self.assertEqual(self.host.call(EVALUATE, {"expression": "(1,)"}), (_wire.VALUE, b"[1]"))

    def test_the_example_of_the_page(self):
        """What WORKER.md shows is what is said."""
        with open(PAGE, encoding="utf-8") as file:
            dumps = re.findall(r"```hexdump\n(.*?)```", file.read(), re.S)
        request, answer = (
            b"".join(bytes.fromhex(line[10:59]) for line in dump.splitlines()) for dump in dumps
        )
        os.write(self.host.requests, request)
        self.assertEqual(self.host.exactly(len(answer)), answer)
