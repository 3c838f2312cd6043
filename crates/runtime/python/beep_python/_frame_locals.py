"""The variables of a frame, for the description of an exception: reprs, each of them and all together bounded."""

import types

from ._builtins import own as __builtins__
from ._repr import clip, short_repr

MAX_NAMES = 50  # of one frame
MAX_TEXT = 64 * 1024  # characters, of all frames of one exception and its causes


class FrameLocals:
    """What is left of the room for one exception."""

    def __init__(self):
        self.left = MAX_TEXT

    def of(self, frame):
        variables = frame.f_locals
        names = list(variables)
        if variables is frame.f_globals:  # what a module has is more than what its failing code uses
            names = [name for name in frame.f_code.co_names if name in variables]
        told = {}
        for name in names:
            if len(told) == MAX_NAMES or self.left <= 0:
                break
            value = variables[name]
            if type(name) is not str or isinstance(value, types.ModuleType):
                continue
            told[clip(name)] = text = short_repr(value)
            self.left -= len(name) + len(text)
        return told
