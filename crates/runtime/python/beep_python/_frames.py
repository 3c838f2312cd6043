"""The frames of tracebacks: which of them are shown, and what is said of each."""

import linecache
import os
import sys
import tokenize  # noqa: F401 - linecache imports it when it first reads a file, by then perhaps from the user's folder
from itertools import islice
from traceback import FrameSummary, StackSummary

from ._builtins import own as __builtins__
from ._repr import clip

OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
# frames of these files, before the first frame of the user's code, come from running that code
MACHINERY = (os.sep + "asyncio" + os.sep, os.sep + "importlib" + os.sep, "<frozen importlib")
RUNNER = OWN + "_source_text.py"  # runs whole files
MAX_FRAMES = 100  # with fields of their own
MAX_WRITTEN = 5000  # in the text, where what repeats takes one line
MAX_LINE = 1000
MAX_NUMBER = (1 << 32) - 1  # of a line or a column; what code says of itself may be any number


def is_left_out(file, before):
    """Whether a frame is of the host's own code, or of what runs the user's and comes before it."""
    return file.startswith(OWN) or (not before and any([part in file for part in MACHINERY]))


def of_user(traceback):
    """The entries of a traceback that are shown, outermost first."""
    out, entries, hosted = [], [], False
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        hosted = hosted or file.startswith(OWN)
        if file == RUNNER:
            out.clear()  # what asked for it to be run is not the user's
        elif not is_left_out(file, out):
            out.append(traceback)
        entries.append(traceback)
        traceback = traceback.tb_next
    return out if out or hosted else entries  # of a task that asyncio alone has run


class Frames:
    """The frames of an exception and of its family. Each place is read and written once, however often code went through it."""

    def __init__(self, variables=None):
        self.variables = variables  # what is left of the room for variables; None where they are not wanted
        self.places = {}  # summaries, by code and instruction
        self.written = {}  # texts, by summary
        self.files = set()  # those that were looked at for changes
        self.kept = []  # codes, so that no other gets the identity of one

    def summary(self, entry):
        code, at = entry.tb_frame.f_code, entry.tb_lasti
        key = id(code), at, entry.tb_lineno
        found = self.places.get(key)
        if found is None:
            self.kept.append(code)
            refresh(code.co_filename, entry.tb_frame.f_globals, self.files)
            found = self.places[key] = summary_of(code, at, entry.tb_lineno)
        return found

    def stack(self, entries):
        """The entries as `traceback` writes them."""
        limit = getattr(sys, "tracebacklimit", None)
        if type(limit) is int:
            entries = entries[: max(limit, 0)]
        left_out = max(len(entries) - MAX_WRITTEN, 0)
        if left_out:
            entries = entries[: MAX_WRITTEN // 2] + entries[-MAX_WRITTEN // 2 :]
        return Stack(map(self.summary, entries), left_out, self.written)

    def fields(self, entries):
        """The entries as JSON."""
        left_out = len(entries) - MAX_FRAMES
        if left_out > 0:
            half = MAX_FRAMES // 2
            between = {"file": "", "line": 0, "function": "(%d frames left out)" % left_out, "code": None}
            last = self.fields(entries[-half:])  # first: where the room for variables is worth most
            return self.fields(entries[:half]) + [between] + last
        return [self.field(entry) for entry in reversed(entries)][::-1]

    def field(self, entry):
        summary = self.summary(entry)
        told = place_of(entry.tb_frame.f_code, summary.lineno, first_line(summary))
        position = columns(summary)
        if position is not None:
            told.update(position)
            caret = caret_below(Stack((summary,), 0, self.written).format_frame_summary(summary))
            if caret and len(caret) <= MAX_LINE:
                told["caret"] = caret
        if self.variables is not None:
            told["locals"] = self.variables.of(entry.tb_frame)
        return told


class Stack(StackSummary):
    """A stack, perhaps without its middle, that writes each place once."""

    def __init__(self, summaries, left_out, written):
        super().__init__(summaries)
        self.left_out = left_out
        self.written = written

    def format_frame_summary(self, frame_summary, **options):
        written = self.written.get(id(frame_summary))
        if written is None:
            written = self.written[id(frame_summary)] = super().format_frame_summary(frame_summary, **options)
        return written

    def format(self, **options):
        if not self.left_out:
            return super().format(**options)
        half = len(self) // 2
        parts = [Stack(self[at : at + half], 0, self.written).format(**options) for at in (0, half)]
        return parts[0] + ["  [%d frames left out]\n" % self.left_out] + parts[1]


def summary_of(code, instruction, line):
    where = {}
    if instruction >= 0 and hasattr(code, "co_positions"):
        first, last, start, end = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
        line = line if first is None else first
        where = {"end_lineno": last, "colno": start, "end_colno": end}
    return FrameSummary(code.co_filename, line, code.co_name, lookup_line=False, **where)


def refresh(file, namespace, looked_at):
    """Has the lines of a file read anew where it has changed, and those of a module from its loader where there is no file."""
    if file in looked_at:
        return
    looked_at.add(file)
    try:
        linecache.lazycache(file, namespace)
        linecache.checkcache(file)
    except Exception:  # of a module that describes itself wrongly
        pass


def first_line(summary):
    try:
        return summary.line
    except Exception:  # the loader of the module raised
        return None


def columns(summary):
    """From which column to which, counted in characters from 1; None where Python or the source does not tell."""
    start, end = getattr(summary, "colno", None), getattr(summary, "end_colno", None)
    if start is None or end is None or summary.end_lineno is None:
        return None
    first = linecache.getline(summary.filename, summary.lineno)
    last = linecache.getline(summary.filename, summary.end_lineno)
    if not first or not last:
        return None
    position = {"column": characters(first, start) + 1, "endLine": summary.end_lineno, "endColumn": characters(last, end) + 1}
    return {name: bounded(number) for name, number in position.items()}


def bounded(number):
    """A line or a column as the protocol has it; 0 for what is no number."""
    return min(max(number, 0), MAX_NUMBER) if type(number) is int else 0


def characters(line, size):
    """How many characters the first bytes of a line are."""
    return size if line.isascii() else len(line.encode("utf-8", "replace")[:size].decode("utf-8", "replace"))


def caret_below(written):
    """What is written below the first line of code to point into it; None where nothing is."""
    lines = written.split("\n")
    if len(lines) < 3 or not lines[2].strip() or lines[2].strip(" ~^"):
        return None
    return lines[2][len(lines[1]) - len(lines[1].lstrip()) :]


def place(code, line, namespace):
    """A place that is no entry of a traceback."""
    refresh(code.co_filename, namespace, set())
    return place_of(code, line, first_line(FrameSummary(code.co_filename, line, code.co_name, lookup_line=False)))


def place_of(code, line, text):
    return {"file": code.co_filename, "line": bounded(line), "function": code.co_name, "code": clip(text or "", MAX_LINE) or None}
