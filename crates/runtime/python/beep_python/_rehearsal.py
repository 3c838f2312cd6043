"""A worker's first calls, made once before there are any workers.

What they touch for the first time (caches of the interpreter in its code, lists of free blocks) is touched in the zygote
then, and shared. In a worker it would be a copy of its own, and take its time at the first call.
"""

import os

from . import _slots, _wire
from ._builtins import own as __builtins__

CALLS = (b"1", b"a = 1\\na + 1", b"[a, {'b': 2.5}, 'c']", b"None", b"{1}", b"1/0")
ROUNDS = 12  # the interpreter makes code faster that runs so often


def rehearse(worker):
    """`worker` is used up then."""
    page = memoryview(bytearray(_slots.PAGE))
    turn, session = worker.turn, worker.session
    turn.page, turn.running = page, page[: _slots.CANCEL // 8].cast("Q")
    source, worker.sink = os.pipe()
    try:
        for number in range(ROUNDS):
            for call in CALLS:
                session.prepared.clear()  # a first call is not prepared
                body = b'{"expression":"%s"}' % call
                worker.take_frames(_wire.HEADER.pack(len(body), 1, 0, _wire.VERSION, number) + body)
                os.read(source, 1 << 16)
    finally:
        os.close(source)
        os.close(worker.sink)
        while session.compiler.programs:
            session.compiler.forget(next(iter(session.compiler.programs)))
