"""Compiles source text, once for each text."""

import ast
import io
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

    __slots__ = ("block", "tail", "is_async", "is_quiet", "quick", "file", "size", "bodies", "asked", "is_inert")

    def __init__(self, block, tail, is_quiet=False):
        self.block = block
        self.tail = tail
        self.is_quiet = is_quiet  # whether a semicolon keeps its value from being shown
        self.is_async = any(part is not None and part.co_flags & ASYNC for part in (block, tail))
        self.is_inert = is_inert(block) and is_inert(tail)
        self.quick = False  # whether its last run was short; set by the worker
        self.file = None  # the file name in tracebacks
        self.size = 0
        self.bodies = []  # the request bodies prepared with it
        self.asked = {}  # those of them that say how the result should be, parsed


def is_inert(code):
    """Whether it runs nothing but operators of constants."""
    return code is None or not (code.co_names or code.co_freevars or any([type(constant) is type(code) for constant in code.co_consts]))


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
    """Returns the program and the compiled text: dedented if the source itself is wrongly indented, and without a
    byte-order mark, as python reads a file."""
    source = source[1:] if source[:1] == "\ufeff" else source
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
    tail, is_quiet = None, False
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        tail = ast.Expression(tree.body.pop().value)
        is_quiet = ";" in source and _ends_in_semicolon(source, tail.body)
        tail = compile(tail, name, "eval", _FLAGS, dont_inherit=True)
    block = compile(tree, name, "exec", _FLAGS, dont_inherit=True) if tree.body else None
    return Program(block, tail, is_quiet)


def _ends_in_semicolon(source, tail):
    """Whether a semicolon follows the last expression, as in IPython. Behind that there are no strings: only brackets and comments."""
    lines = io.StringIO(source, newline=None).readlines()[tail.end_lineno - 1 :]
    lines[0] = lines[0].encode()[tail.end_col_offset :].decode(errors="replace")
    return any([";" in line.partition("#")[0] for line in lines])
