"""The first calls of every worker, made once in the zygote.

A first call fills caches inside the interpreter's code objects and free lists of memory blocks. Filled before the fork,
those pages are shared; filled in a worker, each would be a private copy and slow down its first call.
"""

import os

from . import _shared_page, _wire
from ._builtins import own as __builtins__

CALLS = (b"1", b"a = 1\\na + 1", b"[a, {'b': 2.5}, 'c']", b"None", b"{1}", b"1/0")
ROUNDS = 12  # the interpreter specializes code that has run this often


def warm_up(worker):
    """Runs the calls in a worker, which serves no other purpose."""
    page = memoryview(bytearray(_shared_page.PAGE))
    gate, session = worker.gate, worker.session
    gate.page, gate.running = page, page[: _shared_page.CANCEL // 8].cast("Q")
    source, worker.sink = os.pipe()
    worker.outbox.open(worker.sink)
    try:
        for number in range(ROUNDS):
            for call in CALLS:
                session.prepared.clear()  # a first call is not prepared
                body = b'{"expression":"%s"}' % call
                worker.inbox.append(_wire.HEADER.pack(len(body), 1, 0, _wire.VERSION, number) + body)
                worker.handle_frames()
                os.read(source, 1 << 16)
    finally:
        os.close(source)
        os.close(worker.sink)
        while session.compiler.programs:
            session.compiler.forget(next(iter(session.compiler.programs)))
