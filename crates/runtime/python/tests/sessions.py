"""A session without a worker, for tests of what it answers."""

import json
import sys
import unittest

from beep_python import _wire
from beep_python._event_loop import SessionLoop
from beep_python._session import Session
from beep_python._interrupts import InterruptGate
from beep_python._wire import Rejected

EVALUATE, IMPORT, CREATE, CALL, GETATTR, SETATTR, DISPOSE, FLOATS, FLOATS_2D, AVAILABLE, WRAP = range(1, 12)


class SessionTest(unittest.TestCase):
    """A test with a session of its own."""

    def setUp(self):
        self.addCleanup(sys.modules.__setitem__, "__main__", sys.modules["__main__"])
        self.session = Session(SessionLoop(InterruptGate(bytearray(4096), [0])))
        self.session.enter("s1", 2)
        self.session.session_loop.gate.begin(32)
        self.addCleanup(self.close_loop)

    def close_loop(self):
        loop = self.session.session_loop.loop
        if loop is not None:
            loop.close()

    def ask(self, operation, exact=False, **body):
        """Kind and body of the answer."""
        return self.session.operations[operation](json.dumps(body).encode(), exact)

    def read(self, operation, exact=False, **body):
        """The answer, which must be a value or an object that is the whole answer."""
        kind, answer = self.ask(operation, exact, **body)
        self.assertIn(kind, (_wire.VALUE, _wire.OBJECT), answer)
        return json.loads(answer)

    def handle(self, operation, exact=False, **body):
        """What is said of the handle that the answer must be."""
        kind, answer = self.ask(operation, exact, **body)
        self.assertEqual(kind, _wire.HANDLE, answer)
        return json.loads(answer)

    def evaluate(self, code, **more):
        return self.read(EVALUATE, expression=code, **more)

    def keep(self, code):
        """The handle of what the code gives."""
        return self.session.handles.add(eval(code, self.session.namespace))

    def refused(self, operation, **body):
        """Code and detail of the refusal."""
        with self.assertRaises(Rejected) as caught:
            self.ask(operation, **body)
        return caught.exception.code, caught.exception.detail
