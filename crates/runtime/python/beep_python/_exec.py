"""Runs compiled code.

This module has the ordinary builtins: code whose namespace lost its own gets those of its caller.
"""

from builtins import eval, exec  # bound here, whatever replaces them later

# The lines of a module that have warned. Each program has lines of its own, so one does not silence the next, as in IPython.
WARNED = "__warningregistry__"
ASYNC = 0x80  # CO_COROUTINE: the code awaits at its top level


def run(program, namespace):
    """Runs a program that does not await; returns its value."""
    if WARNED in namespace:
        del namespace[WARNED]
    if program.block is not None:
        exec(program.block, namespace)
    if program.tail is not None:
        return eval(program.tail, namespace)
    return None


async def run_async(program, namespace):
    """Runs a program that awaits; eval returns a coroutine for the part that does."""
    namespace.pop(WARNED, None)
    if program.block is not None:
        waiting = eval(program.block, namespace)
        if program.block.co_flags & ASYNC:
            await waiting
    if program.tail is None:
        return None
    value = eval(program.tail, namespace)
    return await value if program.tail.co_flags & ASYNC else value
