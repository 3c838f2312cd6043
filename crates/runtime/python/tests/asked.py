"""A client that answers the questions of its calls with lines."""

import json
import select
import struct

from beep_python import _host_rpc, _wire

from .host import EVALUATE, PATIENCE, WorkerTest

CAPABLE = _wire.EVENTS | _wire.STDIN


def reply(host, question, answer):
    for part in _wire.frames(_host_rpc.RESULT, question, json.dumps({"exact": False, "answer": answer}).encode()):
        _wire.write_all(host.host_answers, part)


def is_told(host, message):
    """Whether the message only tells the host that a debugger holds the call, which is answered."""
    kind, _, question, body = message
    if kind != _host_rpc.CLIENT_CALL or json.loads(body[8:])["method"] != "held":
        return False
    for part in _wire.frames(_host_rpc.RESULT, question, b"true"):
        _wire.write_all(host.host_answers, part)
    return True


class AskedTest(WorkerTest):
    """A client answers with these lines, and then says that its input has ended."""

    def ask(self, source, *lines, more=None, flags=CAPABLE):
        """The value of the code, whose questions get these lines, and further ones `more`, or that there are none. It must ask for all of
        them."""
        request_id = self.host.send(EVALUATE, {"expression": source}, flags)
        lines, self.asked, self.held = [*lines, None], [], []
        while True:
            ready = select.select([self.host.host_calls, self.host.answers], [], [], PATIENCE)[0]
            self.assertTrue(ready, "nothing came")
            if self.host.host_calls not in ready:
                break
            kind, _, question, body = message = self.host.message()
            if is_told(self.host, message):
                self.held.append(json.loads(body[8:])["params"])
                continue
            self.assertEqual(kind, _host_rpc.CLIENT_CALL)
            self.assertEqual(struct.unpack_from("<Q", body)[0], request_id)
            told = json.loads(body[8:])
            self.assertEqual(told["method"], "input")
            self.asked.append(told["params"])
            self.assertLess(len(self.asked), 100)
            line = lines.pop(0) if len(lines) > 1 else more
            answer = {"eof": True} if line is None else {"value": line}
            reply(self.host, question, answer)
        kind, body = self.host.answer(request_id)
        self.assertEqual(lines, [None], "it did not ask for them")
        if kind == _wire.EXCEPTION:
            return json.loads(body)["exception"]["type"]
        self.assertEqual(kind, _wire.VALUE, body)
        return json.loads(body)
