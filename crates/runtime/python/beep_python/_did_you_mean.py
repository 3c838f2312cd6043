"""The name that was probably meant. Python 3.10 and 3.11 say it where they print an exception, and only there: `traceback` does not know it
before 3.12."""

import sys

from ._builtins import own as __builtins__

CAN_TELL = (3, 10) <= sys.version_info[:2] < (3, 12)  # whether it is for us to say it
MAX_NAMES = 750
MAX_LENGTH = 40
CHANGE = 2  # the cost of a character more, less or other
CASE = 1  # of one in the other case


def meant(error, traceback):
    """The name that a NameError or AttributeError probably meant, if there is one."""
    if isinstance(error, AttributeError):
        candidates = [] if error.name is None else [names_of(error.obj)]
    elif isinstance(error, NameError) and traceback is not None:
        while traceback.tb_next is not None:
            traceback = traceback.tb_next
        frame = traceback.tb_frame
        candidates = [frame.f_code.co_varnames, list(frame.f_globals), list(frame.f_builtins)]
    else:
        return None
    name = error.name
    if type(name) is not str or len(name) > MAX_LENGTH:
        return None
    for names in candidates:
        found = closest(name, names)
        if found is not None:
            return found
    return None


def names_of(obj):
    try:
        return dir(obj)
    except Exception:
        return []


def closest(name, names):
    """The first of the names that differ least from this one: by a third of the characters at most."""
    best, found = len(name), None
    if len(names) > MAX_NAMES:
        return None
    for other in names:
        if type(other) is not str or other == name or len(other) > MAX_LENGTH:
            continue
        most = min((len(name) + len(other) + 3) * CHANGE // 6, best - 1)
        if abs(len(name) - len(other)) * CHANGE <= most:
            cost = difference(name, other)
            if cost <= most:
                best, found = cost, other
    return found


def difference(one, other):
    """What it costs to make one word of the other, by Levenshtein's measure."""
    before = [at * CHANGE for at in range(len(other) + 1)]
    for row, mine in enumerate(one, 1):
        costs = [row * CHANGE]
        for at, theirs in enumerate(other):
            change = 0 if mine == theirs else CASE if mine.lower() == theirs.lower() else CHANGE
            costs.append(min(before[at] + change, before[at + 1] + CHANGE, costs[at] + CHANGE))
        before = costs
    return before[-1]
