"""Compiles source text, once for each text."""

import __future__
import ast
import linecache
import re
import sys
import textwrap
import warnings

from ._builtins import own as __builtins__
from ._exec import ASYNC
from ._living_sources import LivingSources, lines_of
from ._source_files import SourceFiles

MAX_CACHED = 512
MAX_TEXT = 16 << 20  # characters of source that the cache holds
MAX_PREPARED = 512
MAX_PREPARED_BODY = 4096
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
# what `from __future__ import` leaves in the flags of a code; the low bits have other meanings there
_FUTURES = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names}) & ~0xFFFF
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# what the parser may warn of, each time that it reads it: escapes that mean nothing, and numbers with a word behind them
_WARNED_OF = re.compile(r"\\[^\\'\"abfnrtvx0-3\r\n]|(?<=\d)\.?[jJ]?(?:and|else|for|if|in|is|or|not)\b")


class Program:
    """Compiled source: an optional block to execute, then an optional expression for the value."""

    __slots__ = ("file", "futures", "block", "tail", "is_async", "is_quiet", "quick", "size", "bodies", "asked", "is_inert")

    def __init__(self, file, futures, block, tail, is_quiet=False):
        self.file = file  # its name in tracebacks
        self.futures = futures  # what holds in it of `from __future__ import`, as flags
        self.block = block
        self.tail = tail
        self.is_quiet = is_quiet  # whether a semicolon keeps its value from being shown
        self.is_async = any(part is not None and part.co_flags & ASYNC for part in (block, tail))
        self.is_inert = is_inert(block) and is_inert(tail)
        self.quick = False  # whether its last run was short; set by the worker
        self.size = 0
        self.bodies = []  # the request bodies prepared with it
        self.asked = {}  # those of them that say how the result should be, parsed


def is_inert(code):
    """Whether it runs nothing but operators of constants."""
    return code is None or not (code.co_names or code.co_freevars or any([type(constant) is type(code) for constant in code.co_consts]))


class Compiler:
    """A cache of programs by source. What a source imports from `__future__` holds for all that come later, as at a prompt."""

    def __init__(self):
        self.futures = 0
        self.sources = LivingSources()
        self.files = SourceFiles()
        self.programs = {}
        self.prepared = {}  # programs by whole request bodies, which then need no parsing
        self.count = 0
        self.size = 0

    def program(self, source):
        program = self.programs.get(source)
        return self.compile(source) if program is None or program.futures != self.futures else program

    def typed(self, source, shown):
        """What was typed at a prompt; its text where it is shown may be another."""
        key = (source,)
        program = self.programs.get(key)
        return self.compile(source, key, shown) if program is None or program.futures != self.futures else program

    def compile(self, source, key=None, shown=None):
        key = source if key is None else key
        self.count += 1
        name = "<session %d>" % self.count
        linecache.cache[name] = len(source), None, lines_of(source), name  # what the compiler warns of is shown with its line
        try:
            program, text = compile_source(source, name, self.futures, self.files.file_of, shown is not None)
        finally:
            linecache.cache.pop(name, None)
        program.size = len(text)
        if program.futures != self.futures:
            self.futures = program.futures
            self.prepared.clear()  # they were compiled without
        if key in self.programs:
            self.forget(key)
        self.size += program.size
        while self.programs and (len(self.programs) >= MAX_CACHED or self.size > MAX_TEXT):
            self.forget(next(iter(self.programs)))
        self.sources.add(program.file, text if shown in (None, source) else shown, program)
        self.programs[key] = program
        return program

    def forget(self, key):
        program = self.programs.pop(key)
        self.size -= program.size
        for body in program.bodies:
            self.prepared.pop(body, None)
        self.sources.drop(program.file, program)

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


def compile_source(source, name, futures=0, file_of=None, is_typed=False):
    """Returns the program and the compiled text: dedented if the source itself is wrongly indented, and without a
    byte-order mark. `file_of` gives the file of a text that defines functions, or None. What is typed shows results itself."""
    if source[:1] == "\ufeff":
        source = source[1:]
    try:
        return _compile(source, name, futures, file_of, is_typed), source
    except IndentationError:
        text = textwrap.dedent(source)
        if text == source:
            raise
    return _compile(text, name, futures, file_of, is_typed), text  # not in the handler: an error is no consequence of the indentation


def _compile(source, name, futures, file_of, is_typed):
    flags = _FLAGS | futures
    if not is_typed and not _WARNED_OF.search(source):
        try:
            return Program(name, futures, None, compile(source.strip(" \t"), name, "eval", flags, dont_inherit=True))
        except SyntaxError:
            pass  # statements, or an error that the next line raises
    block, tail, is_quiet = None, None, False
    try:
        tree = compile(source, name, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        if file_of is not None and "def " in source and any([isinstance(node, _FUNCTIONS) for node in ast.walk(tree)]):
            name = file_of(source) or name
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            tail = ast.Expression(tree.body.pop().value)
            is_quiet = ";" in source and _ends_in_semicolon(source, tail.body)
        if is_typed:
            tree, tail = _showing(tree, tail, is_quiet)
        if tree.body:
            block = compile(tree, name, _mode(tree), flags, dont_inherit=True)
            futures |= block.co_flags & _FUTURES
        if tail is not None:
            tail = compile(tail, name, _mode(tail), _FLAGS | futures, dont_inherit=True)
            futures |= tail.co_flags & _FUTURES
    except SyntaxError as error:
        if error.text is None and error.filename == name:  # the compiler knows the tree alone
            error.text = "".join(lines_of(source)[(error.lineno or 1) - 1 : error.lineno])
        raise
    return Program(name, futures, block, tail, is_quiet)


def _showing(block, tail, is_quiet):
    """The same two parts, which pass results to `sys.displayhook` as Python's prompt does: from 3.13 on only those of the last statement."""
    if tail is None and block.body:
        tail = ast.Interactive([block.body.pop()])
    elif tail is not None and not is_quiet:
        tail = ast.Interactive([ast.copy_location(ast.Expr(tail.body), tail.body)])
    return block if sys.version_info >= (3, 13) else ast.Interactive(block.body), tail


def _mode(tree):
    return {ast.Module: "exec", ast.Interactive: "single", ast.Expression: "eval"}[type(tree)]


def parsed(text, name):
    """The statements of a text that was compiled. It has warned then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile(text, name, "exec", _FLAGS | ast.PyCF_ONLY_AST, dont_inherit=True).body
        except SyntaxError:  # an expression behind blanks defines nothing
            return []


def _ends_in_semicolon(source, tail):
    """Whether a semicolon follows the last expression, as in IPython. Behind that there are no strings: only brackets and comments."""
    lines = lines_of(source)[tail.end_lineno - 1 :]
    lines[0] = lines[0].encode()[tail.end_col_offset :].decode(errors="replace")
    return any([";" in line.partition("#")[0] for line in lines])
