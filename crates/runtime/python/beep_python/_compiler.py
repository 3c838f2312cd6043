"""Compiles source text, once for each text."""

import ast
import linecache
import textwrap

from ._builtins import own as __builtins__
from ._exec import ASYNC

MAX_CACHED = 512
MAX_TEXT = 16 << 20  # characters of source that the cache holds
MAX_PREPARED = 512
MAX_PREPARED_BODY = 4096
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class Program:
    """Compiled source: an optional block to execute, then an optional expression for the value."""

    __slots__ = ("block", "tail", "is_async", "quick", "file", "size", "bodies", "asked")

    def __init__(self, block, tail):
        self.block = block
        self.tail = tail
        self.is_async = any(part is not None and part.co_flags & ASYNC for part in (block, tail))
        self.quick = False  # whether its last run was short; set by the worker
        self.file = None  # the file name in tracebacks
        self.size = 0
        self.bodies = []  # the request bodies prepared with it
        self.asked = {}  # those of them that say how the result should be, parsed


class Compiler:
    """A cache of programs by source. A text evicted from it is evicted from linecache too."""

    def __init__(self):
        self.programs = {}
        self.prepared = {}  # programs by whole request bodies, which then need no parsing
        self.count = 0
        self.size = 0

    def program(self, source):
        return self.programs.get(source) or self.compile(source)

    def compile(self, source):
        self.count += 1
        name = "<session %d>" % self.count
        program, text = compile_source(source, name)
        program.file = name
        program.size = len(text)
        self.size += program.size
        while self.programs and (len(self.programs) >= MAX_CACHED or self.size > MAX_TEXT):
            self.forget(next(iter(self.programs)))
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        self.programs[source] = program
        return program

    def forget(self, source):
        program = self.programs.pop(source)
        self.size -= program.size
        linecache.cache.pop(program.file, None)
        for body in program.bodies:
            self.prepared.pop(body, None)

    def prepare(self, body, program, parsed):
        """Keeps the program for the next request with exactly this body, which `parsed` is."""
        if len(body) > MAX_PREPARED_BODY:
            return
        if len(self.prepared) >= MAX_PREPARED:
            oldest = next(iter(self.prepared))
            evicted = self.prepared.pop(oldest)
            evicted.bodies.remove(oldest)
            evicted.asked.pop(oldest, None)
        if parsed.get("returnType") is not None or parsed.get("repr"):
            program.asked[body] = parsed
        program.bodies.append(body)
        self.prepared[body] = program  # the last step, should an exception from outside come in between


def compile_source(source, name):
    """Returns the program and the compiled text: dedented if the source itself is wrongly indented."""
    try:
        return _compile(source, name), source
    except IndentationError:
        text = textwrap.dedent(source)
        if text == source:
            raise
        return _compile(text, name), text


def _compile(source, name):
    try:
        return Program(None, compile(source.strip(" \t"), name, "eval", _FLAGS, dont_inherit=True))
    except SyntaxError:
        pass  # statements, or an error that the next line raises
    tree = compile(source, name, "exec", _FLAGS | ast.PyCF_ONLY_AST, dont_inherit=True)
    tail = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        tail = ast.Expression(tree.body.pop().value)
        tail = compile(tail, name, "eval", _FLAGS, dont_inherit=True)
    block = compile(tree, name, "exec", _FLAGS, dont_inherit=True) if tree.body else None
    return Program(block, tail)
